-- The life of a call: what happened to each of its events
\set ECHO none
\i test/setup/claims.sql
CREATE FUNCTION life(wanted text, log regclass DEFAULT 'queue', consumer name DEFAULT NULL)
    RETURNS TABLE (event_seq bigint, event_type text, state text, attempts int, claimed boolean, worker text, settled boolean, reason text)
    LANGUAGE sql AS $$
    SELECT event_seq, event_type, state, attempts, claimed_at BETWEEN received_at AND clock_timestamp(), worker,
        settled_at BETWEEN coalesce(claimed_at, received_at) AND clock_timestamp()
            AND settled_after = settled_at - received_at, reason FROM call_timeline(wanted, log, consumer) $$;
\set ECHO all

-- Every state that a client can cause
SELECT add(101, 101, 102, 101, 103);
SELECT * FROM life('101');
SELECT * FROM take('one', 3);
SELECT * FROM life('101');
SELECT complete('one');
SELECT * FROM life('101');
SELECT * FROM life('103');
-- A claim that was taken over: the worker who completed it counts. A released attempt does not.
SELECT * FROM take('lost', lease => '1 microsecond');
SELECT * FROM take('released');
SELECT release('released');
SELECT * FROM take('two');
SELECT * FROM life('101');
SELECT complete('two');
SELECT * FROM life('101');
-- Renewed, and completed with the next claim
SELECT add(101, 104);
SELECT * FROM take('renewed', 1);
SELECT renew_call_claim(id('renewed')) > now() AS renewed;
SELECT event_seq FROM claim_call_events(1, worker => 'worker next', log => 'queue', complete => ids('renewed'));
SELECT * FROM life('101') WHERE event_seq > 5;
SELECT * FROM life('104');
CALL start_again();

-- Retries: the event, the one behind it, and its death
SELECT configure_call_event_log('queue', max_attempts => 2);
SELECT add(101, 101, 102);
SELECT * FROM take('fails');
SELECT fail('fails', 1, '1 hour');
SELECT * FROM life('101');
SELECT complete('fails');
SELECT * FROM life('101');
-- The other event of the range is done.
SELECT * FROM life('102');
UPDATE call_retrying_events SET due_at = now() WHERE due_at IS NOT NULL;
SELECT * FROM take('again', 1);
SELECT * FROM life('101');
SELECT fail('again', 1);
SELECT complete('again');
SELECT * FROM life('101');
SELECT * FROM take('behind');
SELECT complete('behind');
-- Done in a retry. When is not known: the record of a retry has no events.
SELECT * FROM life('101');
-- For the same reason it is not known here: the event may have been one of the retries.
SELECT * FROM life('102');
CALL start_again();
SELECT configure_call_event_log('queue', max_attempts => 5);

-- Records of a lane are kept for a while. Of an older claim nothing is known.
CALL loop(60);
SELECT state, count(*), count(claimed_at) BETWEEN 30 AND 40 AS claims, count(settled_at) BETWEEN 30 AND 40 AS ends,
    min(event_seq) FILTER (WHERE settled_at IS NOT NULL) > max(event_seq) FILTER (WHERE settled_at IS NULL) AS newest_known
FROM call_timeline('101', 'queue') GROUP BY 1;
CALL start_again();

-- Applied and refused by process_call_events
SELECT count(ingest_call_event(body)) FROM unnest(ARRAY[
    '{"call_id": 7, "state": "ringing", "event_timestamp": 1700000000000}',
    '{"call_id": 7, "state": "hangup", "event_timestamp": 1700000001000}',
    '{"call_id": 7, "state": "connected", "event_timestamp": 1700000002000}', '{"call_id": 8, "state": "ringing"}']::jsonb[]) AS body;
SET application_name = 'applier';
SELECT applied, refused FROM process_call_events(log => 'call_events');
SELECT event_seq, state, attempts, claimed, worker ~ '^applier \(pid \d+\)$' AS worker, settled, reason FROM life('7', NULL);
SELECT event_seq, state, attempts, claimed, worker ~ '^applier \(pid \d+\)$' AS worker, settled, reason FROM life('8', 'call_events');
RESET application_name;
-- A batch with more than a hundred refusals: which of its other events were refused is not known, and said.
SELECT count(ingest_call_event(format('{"call_id": %s, "state": "%s"}', id, state)::jsonb, 'call_events'))
FROM generate_series(1001, 1102) AS id, unnest('{hangup,connected}'::text[]) AS state;
SET client_min_messages = error;
SELECT applied, refused FROM process_call_events(log => 'call_events');
RESET client_min_messages;
SELECT state, reason, count(*) FROM generate_series(1001, 1102) AS id, life(id::text, NULL) GROUP BY 1, 2 ORDER BY 3;
-- The same numbers and the same table, in another log: the refusal is not theirs.
SELECT add(8, 8, 8);
SELECT process_call_events(log => 'queue');
SELECT event_seq, state, reason FROM life('8');
SELECT * FROM call_timeline('9', 'queue');
SELECT * FROM call_timeline(NULL, 'queue');
CALL start_again();

-- Each consumer has its own life of a call.
SELECT add(101, 101);
SELECT create_call_consumer('queue', 'crm', true);
SELECT * FROM take('one', 1);
SELECT complete('one');
INSERT INTO taken SELECT 'crm', claim_id, event_seq FROM claim_call_events(worker => 'the crm', log => 'queue', consumer => 'crm');
SELECT fail('crm', 2);
SELECT state, worker, reason FROM life('101');
SELECT state, worker, reason FROM life('101', 'queue', 'crm');
SELECT complete('crm');
SELECT state, worker, reason FROM life('101', 'queue', 'crm');
SELECT state, worker, reason FROM life('101');
SELECT * FROM life('101', 'queue', 'nobody');
SELECT drop_call_consumer('queue', 'crm');
CALL start_again();

-- Ignored events, and events without a lane
SELECT configure_call_event_log('queue', ignored_event_types => '{ringing}');
SELECT add(101);
SELECT configure_call_event_log('queue', ignored_event_types => '{}');
INSERT INTO queue (payload) VALUES ('{"call_id": "no number", "state": "ringing"}');
SELECT call_id, t.* FROM queue q, LATERAL life(q.call_id) AS t;
CALL start_again();

-- Several providers: the key of a call has the provider's name.
\o /dev/null
SET client_min_messages = warning;
CREATE SCHEMA several;
SELECT create_call_tables('several', provider => '*');
SELECT create_call_event_log('several.calls', 'zoom_phone'), create_call_event_log('several.calls', 'aircall');
SELECT ingest_call_event(format('{"event": "phone.callee_%s", "event_ts": %s, "payload": {"object": {"call_id": "42"}}}', word, n)::jsonb,
    'several.zoom_phone_events') FROM unnest('{ended,ringing}'::text[]) WITH ORDINALITY AS w (word, n);
SELECT ingest_call_event('{"event": "call.created", "timestamp": 1767225600, "data": {"id": 42, "direction": "inbound"}}'::jsonb,
    'several.aircall_events') FROM generate_series(1, 2);
SELECT process_call_events(log => 'several.zoom_phone_events'), process_call_events(log => 'several.aircall_events');
RESET client_min_messages;
\o
SELECT call_id, status FROM several.calls ORDER BY 1;
SELECT DISTINCT call_id FROM several.zoom_phone_events UNION SELECT call_id FROM several.aircall_events;
SELECT event_seq, state, reason FROM life('zoom_phone:42', 'several.zoom_phone_events');
SELECT event_seq, state, reason FROM life('aircall:42', 'several.aircall_events');
DROP TABLE several.zoom_phone_events, several.aircall_events, several.calls;
DROP SCHEMA several;

-- At size: the index on the call id finds the events. create_call_tables has made it.
SELECT indexdef FROM pg_indexes WHERE tablename = 'call_events' AND indexname ~ 'call_id';
SELECT generate_call_events(1000, log => 'call_events') > 4000 AS generated;
SELECT count(ingest_call_event(body)) AS ingested
FROM unnest(ARRAY['{"call_id": 55, "state": "ringing"}', '{"call_id": 55, "state": "hangup"}']::jsonb[]) AS body;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT event_seq > 4000 AS is_late, event_type, state FROM call_timeline('55', 'call_events');
SELECT seq_scan, idx_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'call_events'::regclass;
COMMIT;
-- Without it all events are read. A unique index on more columns will do, an index on some of the events will not.
DROP INDEX idx_call_events_call_id;
CREATE INDEX partial ON call_events (call_id) WHERE event_seq > 100;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT event_type, state FROM call_timeline('55', 'call_events');
SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'call_events'::regclass;
COMMIT;
CREATE UNIQUE INDEX ON call_events (call_id, event_lane, event_xid, event_seq);
SELECT event_type, state FROM call_timeline('55', 'call_events');

-- A role with the task operate
CREATE ROLE regress_operator;
SET ROLE regress_operator;
SELECT count(*) FROM call_timeline('55', 'call_events');
RESET ROLE;
SELECT grant_call_role('regress_operator', 'operate', 'queue');
SET ROLE regress_operator;
SELECT count(*) FROM call_timeline('55', 'queue');
SELECT count(*) FROM call_timeline('55', 'call_events');
SELECT count(*) FROM call_timeline('55', 'calls');
RESET ROLE;
SELECT revoke_call_role('regress_operator', 'operate', 'queue');
DROP ROLE regress_operator;

\set ECHO none
DROP FUNCTION life;
\i test/setup/claims_end.sql
