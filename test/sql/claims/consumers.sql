-- Several consumers of one log: each gets every event, settles it for itself, and can be moved or dropped.
SELECT create_call_tables();
SELECT count(ingest_call_event(jsonb_build_object('call_id', i, 'state', 'ringing'))) FROM generate_series(1, 6) AS i;

-- One begins with what comes from now on, the other with what is there.
SELECT create_call_consumer('call_events', 'crm');
SELECT create_call_consumer('call_events', 'lake', from_beginning => true);
SELECT consumer, pending_estimate, open_claims, last_claimed_at IS NULL AS never, holds_purges FROM call_consumers ORDER BY 1;
SELECT array_agg(event_seq ORDER BY event_seq) FROM claim_call_events(consumer => 'lake');
SELECT array_agg(event_seq ORDER BY event_seq) FROM claim_call_events(consumer => 'crm');
SELECT claimed, applied FROM process_call_events();
SELECT sum(pending) FROM pending_call_events(exact => true, consumer => 'lake');
SELECT sum(pending) FROM pending_call_events(exact => true);

-- A purge takes what all have settled, and not what an open claim has. A claim id knows its consumer.
SELECT purge_call_events('0');
SELECT consumer, holds_purges FROM call_consumers ORDER BY 1;
SELECT DISTINCT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM call_open_claims WHERE consumer = 'lake'));
SELECT consumer, holds_purges FROM call_consumers ORDER BY 1;
SELECT count(ingest_call_event(jsonb_build_object('call_id', i, 'state', 'connected'))) FROM generate_series(1, 3) AS i;
SELECT purge_call_events('0');
SELECT claimed FROM process_call_events();
SELECT purge_call_events('0');
SELECT consumer, pending_estimate, behind > '0' AS is_behind, holds_purges FROM call_consumers ORDER BY 1;

-- Failures are a consumer's own, with limits of its own.
SELECT configure_call_event_log('call_events', max_attempts => 1, consumer => 'crm');
CREATE TABLE claimed AS SELECT claim_id, event_seq, call_id FROM claim_call_events(consumer => 'crm');
SELECT fail_call_event(claim_id, event_seq, 'no route') FROM claimed WHERE call_id = '1';
SELECT DISTINCT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM claimed));
SELECT consumer, event_seq, call_id, error FROM call_dead_events;
SELECT event_seq, detail FROM call_issues WHERE kind = 'dead_event' ORDER BY happened_at DESC LIMIT 1;
SELECT consumer, dead, max_attempts, max_retrying FROM call_consumers ORDER BY 1;
-- A limit that the consumer does not have follows the log's.
SELECT configure_call_event_log(max_attempts => 7, max_retrying => 700);
SELECT consumer, max_attempts, retry_base, retry_cap, max_retrying FROM call_consumers ORDER BY 1;
SELECT configure_call_event_log(max_attempts => 5, retry_base => '2 seconds', retry_cap => '1 minute', max_retrying => 10,
    consumer => 'lake');
SELECT configure_call_event_log(max_attempts => 6, consumer => 'default');
SELECT consumer, max_attempts, retry_base, retry_cap, max_retrying FROM call_consumers ORDER BY 1;
CREATE TABLE claimed_too AS SELECT claim_id, event_seq, call_id FROM claim_call_events(consumer => 'lake');
SELECT fail_call_event(claim_id, event_seq, 'no disk', '1 hour') FROM claimed_too WHERE call_id = '1';
SELECT DISTINCT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM claimed_too));
SELECT consumer, event_seq, call_id FROM call_retrying_events;
SELECT purge_call_events('0');
-- The death of one consumer does not take an event that another one retries.
SELECT purge_call_events('0', dead_older_than => '0');
SELECT count(*) FROM call_dead_events;
SELECT count(*) FROM call_events;
SELECT retry_dead_call_events();
UPDATE call_retrying_events SET due_at = now() - interval '1 hour';
SELECT array_agg(event_seq) FROM claim_call_events(consumer => 'lake');
SELECT DISTINCT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM call_open_claims));
-- A purge has passed the event. A consumer that has come or was moved since gets it all the same.
SELECT create_call_consumer('call_events', 'late', from_beginning => true);
SELECT purge_call_events('0');
CREATE TABLE late_claim AS SELECT claim_id, event_seq FROM claim_call_events(consumer => 'late');
SELECT purge_call_events('0');
SELECT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM late_claim));
SELECT seek_call_consumer('call_events', 'late', '-infinity');
SELECT purge_call_events('0');
SELECT count(*) FROM claim_call_events(consumer => 'late');
SELECT drop_call_consumer('call_events', 'late');
SELECT purge_call_events('0');
SELECT count(*) FROM call_events;

-- The same purge takes a death and passes the event, since another consumer retries it.
SELECT count(ingest_call_event(jsonb_build_object('call_id', 1, 'state', 'hold', 'n', 'dead'))) FROM generate_series(1, 1);
SELECT claimed FROM process_call_events();
CREATE TABLE both_claims AS SELECT claim_id, event_seq FROM claim_call_events(consumer => 'crm')
    UNION ALL SELECT claim_id, event_seq FROM claim_call_events(consumer => 'lake');
SELECT fail_call_event(claim_id, event_seq, 'no', '0') FROM both_claims;
SELECT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM both_claims));
SELECT purge_call_events('0', dead_older_than => '0');
SELECT count(*) FROM call_dead_events;
SELECT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM claim_call_events(consumer => 'lake')));
-- The table keeps the event for now.
CREATE FUNCTION keep_event() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER keep_event BEFORE DELETE ON call_events FOR EACH ROW EXECUTE FUNCTION keep_event();
SELECT count(ingest_call_event(jsonb_build_object('call_id', 1, 'state', 'hold', 'n', 'kept'))) FROM generate_series(1, 1);
SELECT claimed FROM process_call_events();
SELECT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM claim_call_events(consumer => 'crm')));
SELECT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM claim_call_events(consumer => 'lake')));
SELECT purge_call_events('0');
DROP TRIGGER keep_event ON call_events;
DROP FUNCTION keep_event;
SELECT purge_call_events('0');
SELECT count(*) FROM call_events;

-- seek: to the beginning, to now, to an event, to a time
SELECT count(ingest_call_event(jsonb_build_object('call_id', i % 4, 'state', 'hold', 'n', i))) FROM generate_series(1, 8) AS i;
SELECT array_agg(event_seq ORDER BY event_seq) = array_agg(event_seq ORDER BY call_id, event_seq) AS one_lane, count(*)
    FROM claim_call_events(consumer => 'crm');
SELECT seek_call_consumer('call_events', 'crm', '-infinity');
SELECT DISTINCT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM claimed));
SELECT sum(pending) FROM pending_call_events(exact => true, consumer => 'crm');
SELECT count(*) FROM call_open_claims;
SELECT seek_call_consumer('call_events', 'crm', 'infinity');
SELECT sum(pending) FROM pending_call_events(exact => true, consumer => 'crm');
SELECT seek_call_consumer('call_events', 'crm', event_seq => (SELECT max(event_seq) - 2 FROM call_events));
SELECT array_agg(e.event_seq - m.last ORDER BY e.event_seq)
FROM claim_call_events(consumer => 'crm') AS e, (SELECT max(event_seq) AS last FROM call_events) AS m;
SELECT seek_call_consumer('call_events', 'crm', (SELECT received_at FROM call_events ORDER BY event_seq DESC OFFSET 1 LIMIT 1));
SELECT sum(pending) >= 2 AS at_least_two, sum(pending) < 8 AS not_all FROM pending_call_events(exact => true, consumer => 'crm');
SELECT seek_call_consumer('call_events', 'crm', '3000-01-01');
SELECT sum(pending) FROM pending_call_events(exact => true, consumer => 'crm');
-- The default consumer: events are applied once more, and change nothing.
SELECT claimed FROM process_call_events();
SELECT seek_call_consumer('call_events', 'default', '-infinity');
SELECT claimed = unchanged AS unchanged, claimed FROM process_call_events();
-- A retry is forgotten, and the event comes with its range.
CREATE TABLE claimed_again AS SELECT claim_id, event_seq FROM claim_call_events(1, consumer => 'lake');
SELECT fail_call_event(claim_id, event_seq, 'no disk', '1 hour') FROM claimed_again;
SELECT seek_call_consumer('call_events', 'lake', '-infinity');
SELECT count(*) FROM call_retrying_events;
SELECT count(*) = 8 AS all_of_them, max(attempt) FROM claim_call_events(1000, consumer => 'lake');

-- An event appended by the transaction that creates the consumer is one from now on.
BEGIN;
SELECT ingest_call_event('{"call_id": 50, "state": "ringing"}') > 0 AS ingested;
SELECT create_call_consumer('call_events', 'late');
COMMIT;
SELECT call_id FROM claim_call_events(consumer => 'late');

-- errors
SELECT create_call_consumer('call_events', 'crm');
SELECT create_call_consumer('call_events', 'default');
SELECT create_call_consumer('call_events', '');
SELECT create_call_consumer('call_events', NULL);
SELECT create_call_consumer('calls', 'x');
SELECT drop_call_consumer('call_events', 'default');
SELECT drop_call_consumer('call_events', 'nobody');
SELECT seek_call_consumer('call_events', 'crm');
SELECT seek_call_consumer('call_events', 'crm', now(), 1);
SELECT seek_call_consumer('call_events', 'crm', event_seq => 0);
SELECT seek_call_consumer(NULL, 'crm', now());
SELECT claim_call_events(consumer => 'nobody');
SELECT process_call_events(consumer => 'nobody');
SELECT pending_call_events(consumer => 'nobody');
SELECT retry_dead_call_events(consumer => 'nobody');
SELECT configure_call_event_log(max_attempts => 0, consumer => 'crm');
SELECT configure_call_event_log(max_attempts => 3, notify => true, consumer => 'crm');
SELECT configure_call_event_log(max_attempts => 3, consumer => 'nobody');
BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT seek_call_consumer('call_events', 'crm', 'infinity'); ROLLBACK;
BEGIN READ ONLY; SELECT create_call_consumer('call_events', 'x'); ROLLBACK;
CREATE ROLE regress_consumer;
SELECT grant_call_role('regress_consumer', 'operate', 'call_events');
REVOKE DELETE ON call_events FROM regress_consumer;
SET ROLE regress_consumer;
SELECT create_call_consumer('call_events', 'theirs');
SELECT seek_call_consumer('call_events', 'crm', 'infinity');
SELECT drop_call_consumer('call_events', 'crm');
SELECT configure_call_event_log(max_attempts => 3, consumer => 'crm');
SELECT count(*) FROM _callhardening.operated_consumers;
RESET ROLE;
GRANT DELETE ON call_events TO regress_consumer;
SET ROLE regress_consumer;
SELECT create_call_consumer('call_events', 'theirs');
SELECT configure_call_event_log(max_attempts => 3, consumer => 'theirs');
SELECT name, max_attempts FROM _callhardening.operated_consumers ORDER BY 1;
UPDATE _callhardening.operated_consumers SET log_id = 1;
UPDATE _callhardening.operated_consumers SET name = 'x';
DELETE FROM _callhardening.operated_consumers;
SELECT drop_call_consumer('call_events', 'theirs');
RESET ROLE;
DROP OWNED BY regress_consumer;
DROP ROLE regress_consumer;

-- call_health and the self-test look at all consumers. The rights of a monitor are enough.
SELECT log, other_consumers FROM call_event_log_status;
SELECT seek_call_consumer('call_events', 'default', 'infinity');
SELECT figure, value < 60 AS below, level, why FROM call_health('calls')
WHERE figure IN ('pending', 'oldest_pending', 'consumer_behind', 'dead');
SELECT check_name, detail FROM check_call_hardening() WHERE check_name IN ('consumers', 'purge');
SELECT seek_call_consumer('call_events', consumer, '-infinity') FROM call_consumers WHERE consumer IN ('crm', 'lake');
SELECT seek_call_consumer('call_events', 'late', 'infinity');
UPDATE call_events SET received_at = now() - interval '100 days';
CREATE TABLE claimed_old AS SELECT claim_id, event_seq FROM claim_call_events(1, consumer => 'crm');
SELECT fail_call_event(claim_id, event_seq, 'no route') FROM claimed_old;
SELECT seek_call_consumer('call_events', 'crm', 'infinity');
CREATE ROLE regress_consumer;
GRANT USAGE, CREATE ON SCHEMA public TO regress_consumer;
SELECT grant_call_role('regress_consumer', 'operate', 'call_events');
SET ROLE regress_consumer;
SELECT figure, value BETWEEN 8640000 AND 8650000 AS days, level, why FROM call_health('calls')
WHERE figure = 'consumer_behind';
SELECT figure, value, level, why FROM call_health('calls') WHERE figure IN ('pending', 'oldest_pending', 'dead');
RESET ROLE;
SELECT check_name, ok, regexp_replace(detail, '\d{4}-\d\d-\d\d', '<day>', 'g') AS detail
FROM check_call_hardening() WHERE check_name IN ('consumers', 'purge');
UPDATE call_events SET received_at = now();

-- Retrying events hold purges back too, and so do events without a time of receipt.
CREATE TABLE timeless (payload jsonb);
SELECT harden_call_events('timeless', 'calls');
INSERT INTO timeless VALUES ('{"call_id": 1, "state": "ringing"}'), ('{"call_id": 2, "state": "ringing"}');
SELECT create_call_consumer('timeless', 'crm', from_beginning => true);
SELECT create_call_consumer('timeless', 'lake', from_beginning => true);
SELECT consumer, pending_estimate, behind, holds_purges FROM call_consumers WHERE log = 'timeless'::regclass ORDER BY 1;
SELECT claimed FROM process_call_events(log => 'timeless');
CREATE TABLE claimed_timeless AS SELECT claim_id, event_seq, call_id FROM claim_call_events(log => 'timeless', consumer => 'crm');
SELECT fail_call_event(claim_id, event_seq, 'no route', '1 hour') FROM claimed_timeless WHERE call_id = '1';
SELECT DISTINCT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM claimed_timeless));
SELECT consumer, pending_estimate, retrying, holds_purges FROM call_consumers WHERE log = 'timeless'::regclass ORDER BY 1;
SELECT seek_call_consumer('timeless', 'lake', 'infinity');
SELECT consumer, pending_estimate, retrying, holds_purges FROM call_consumers WHERE log = 'timeless'::regclass ORDER BY 1;
-- The way back drops the consumers, and says so.
INSERT INTO timeless VALUES ('{"call_id": 3, "state": "ringing"}');
SELECT unharden_call_events('timeless');
SELECT count(*) FROM call_consumers WHERE log = 'timeless'::regclass;
DROP TABLE timeless, claimed_timeless;

-- An event without a call is dead for the default consumer, in both views.
SELECT ingest_call_event('not json'::text) > 0 AS ingested;
SELECT s.dead, c.dead AS dead_of_consumer, c.consumer
FROM call_event_log_status AS s JOIN call_consumers AS c USING (log) ORDER BY c.consumer;

-- A log of changes has no default consumer, and is not missing.
SELECT create_call_changes('calls');
SELECT create_call_consumer('call_changes', 'wall');
SET ROLE regress_consumer;
SELECT figure, value, level, why FROM call_health('calls') WHERE figure = 'consumer_behind';
RESET ROLE;
SELECT grant_call_role('regress_consumer', 'operate', 'call_changes');
SET ROLE regress_consumer;
SELECT figure, value < 60 AS below, level FROM call_health('calls') WHERE figure = 'consumer_behind';
RESET ROLE;
UPDATE calls SET to_number = '+14155550100';
SELECT log, pending_estimate, oldest_received_at, open_claims, claimed, retrying, dead, ignored, error, other_consumers
FROM call_event_log_status WHERE log = 'call_changes'::regclass;
SELECT DISTINCT log, consumer, error FROM call_lane_status ORDER BY 1, 2;
SELECT consumer, pending_estimate, open_claims, dead, max_attempts, holds_purges
FROM call_consumers WHERE log = 'call_changes'::regclass;
SELECT configure_call_event_log('call_changes', max_attempts => 2);
SELECT configure_call_event_log('call_changes', max_attempts => 1, consumer => 'wall');
SELECT configure_call_event_log('call_changes', max_attempts => 3, consumer => 'default');
SELECT consumer, max_attempts FROM call_consumers WHERE log = 'call_changes'::regclass;
SELECT l.max_attempts FROM call_event_logs AS l WHERE is_of_changes;
CREATE TABLE claimed_change AS SELECT claim_id, event_seq FROM claim_call_events(1, log => 'call_changes', consumer => 'wall');
SELECT fail_call_event(claim_id, event_seq, 'no wall') FROM claimed_change;
SELECT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM claimed_change));
SELECT d.log_id = l.log_id AS same_log, d.consumer, d.error
FROM call_dead_events AS d, call_event_logs AS l WHERE l.is_of_changes AND d.consumer = 'wall';
SELECT figure, value, level, why FROM call_health('calls') WHERE figure = 'dead';
SELECT pending_call_events('call_changes');
SELECT purge_call_events('0', 'call_changes');
SELECT DISTINCT outcome FROM complete_call_events(ARRAY(SELECT DISTINCT claim_id
    FROM claim_call_events(1000, log => 'call_changes', consumer => 'wall')));
SELECT purge_call_events('0', 'call_changes') > 0 AS purged;
SELECT count(*) FROM call_changes;
SELECT check_name, ok, detail FROM check_call_hardening()
WHERE check_name IN ('lanes', 'events', 'sequences', 'consumers', 'purge', 'enforcement');
-- Nobody reads the log: purges take its events.
SELECT drop_call_consumer('call_changes', 'wall');
UPDATE calls SET to_number = '+14155550101';
SELECT purge_call_events('0', 'call_changes', dead_older_than => '0') > 0 AS purged;
SELECT count(*) FROM call_changes;
SELECT * FROM call_health('calls') WHERE figure = 'dead';
SELECT drop_call_changes('calls');
DROP OWNED BY regress_consumer;
DROP ROLE regress_consumer;

-- A dropped consumer leaves nothing, and its claims are unknown. A purge that stopped among its dead events has a low end.
INSERT INTO _callhardening.purges (log_id, lane, record_no, low_xid, low_seq, purged_at)
    SELECT consumer_id, -2147483647, 1, '0', 3, now() FROM _callhardening.consumers WHERE name = 'lake';
CREATE TABLE last_claims AS SELECT claim_id FROM claim_call_events(consumer => 'lake');
SELECT drop_call_consumer('call_events', 'lake');
SELECT DISTINCT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM call_open_claims) || ARRAY(SELECT claim_id FROM last_claims));
SELECT drop_call_consumer('call_events', consumer) FROM call_consumers WHERE consumer <> 'default';
SELECT t.name, count(*)
FROM (SELECT consumer_id, 'lanes' AS name FROM _callhardening.lanes
    UNION ALL SELECT consumer_id, 'claims' FROM _callhardening.claims
    UNION ALL SELECT consumer_id, 'dead' FROM _callhardening.dead_events
    UNION ALL SELECT consumer_id, 'retrying' FROM _callhardening.retrying_events
    UNION ALL SELECT log_id, 'purges' FROM _callhardening.purges) AS t
    LEFT JOIN _callhardening.logs AS l ON l.log_id = t.consumer_id WHERE l.log_id IS NULL GROUP BY 1;
-- So does a dropped log.
SELECT create_call_consumer('call_events', 'last');
DROP TABLE call_events, calls;
DROP TABLE claimed, late_claim, both_claims, claimed_too, claimed_again, claimed_old, claimed_change, last_claims;
SELECT count(*) FROM _callhardening.consumers;
SELECT count(*) FROM _callhardening.lanes;
