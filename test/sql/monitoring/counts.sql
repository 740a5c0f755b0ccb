-- Numbers that only grow: what happened to the events of a log
\set ECHO none
\i test/setup/claims.sql
-- The numbers that are not 0
CREATE FUNCTION counts(wanted text DEFAULT 'queue', named name DEFAULT 'default') RETURNS TABLE (counts text) LANGUAGE sql AS $$
    SELECT string_agg(key || ' ' || value, ', ' ORDER BY ordinality) FROM call_event_counts c,
        LATERAL json_each_text(row_to_json(c)) WITH ORDINALITY AS e
    WHERE log = wanted::regclass AND consumer IS NOT DISTINCT FROM named
        AND key NOT IN ('log', 'consumer', 'counted_since') AND value <> '0' $$;
CREATE FUNCTION lags(wanted regclass, named name DEFAULT 'default') RETURNS TABLE (events bigint, is_cumulative boolean, has_sum boolean)
    LANGUAGE sql AS $$
    SELECT max(events), max(events) = max(events) FILTER (WHERE up_to IS NULL), min(total_lag) = max(total_lag) AND min(total_lag) > '0'
    FROM call_event_lag WHERE log = wanted AND consumer = named $$;
\set ECHO all

-- Nothing was counted yet: 0, and no beginning
SELECT counted_since IS NULL AS is_new, received, claimed, dead FROM call_event_counts WHERE log = 'queue'::regclass;
SELECT count(*), count(DISTINCT up_to), min(up_to), max(up_to), sum(events) FROM call_event_lag WHERE log = 'queue'::regclass;

-- Appended, and delivered again: by the function, and by a client
SELECT add(101, 102, 103);
SELECT ingest_call_event('{"call_id": 104}'::jsonb, 'queue') = ingest_call_event('{"call_id": 104}'::jsonb, 'queue') AS same;
SELECT * FROM counts();
INSERT INTO queue (payload) SELECT jsonb_build_object('call_id', n) FROM generate_series(105, 106) AS n;
INSERT INTO queue (payload) VALUES ('[]'), ('{"no": "call"}');
SELECT * FROM counts();
SELECT counted_since BETWEEN now() - interval '1 minute' AND now() AS begun FROM call_event_counts WHERE log = 'queue'::regclass;

-- A rollback counts nothing.
BEGIN;
SELECT add(201, 202);
SELECT * FROM counts();
ROLLBACK;
BEGIN;
SELECT add(201);
SAVEPOINT one;
SELECT add(202, 203);
SAVEPOINT two;
SELECT add(204, 205, 206);
RELEASE two;
ROLLBACK TO one;
SELECT add(207);
SAVEPOINT three;
SELECT add(208);
RELEASE three;
COMMIT;
SELECT * FROM counts();
DO $$ BEGIN
    FOR n IN 1 .. 4 LOOP
        BEGIN
            PERFORM add(300 + n);
            IF n % 2 = 0 THEN RAISE 'undone'; END IF;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
END $$;
SELECT * FROM counts();

-- Claims of clients. What a claim hands out twice counts twice.
SELECT count(*) FROM take('one', 4);
SELECT complete('one');
SELECT count(*) FROM take('two', 4);
SELECT release('two');
SELECT count(*) FROM take('three', 4);
SELECT fail('three', (SELECT min(event_seq) FROM taken WHERE name = 'three'));
SELECT complete('three');
SELECT * FROM counts();
-- The time to the first claim
SELECT * FROM lags('queue');
SELECT configure_call_event_log('queue', max_attempts => 1);
SELECT count(*) FROM take('four', 1);
SELECT fail('four', (SELECT min(event_seq) FROM taken WHERE name = 'four'));
SELECT complete('four');
SELECT * FROM counts();

-- process_call_events
SELECT count(ingest_call_event(body)) FROM unnest(ARRAY['{"call_id": 7, "state": "ringing", "event_timestamp": 1700000000000}',
    '{"call_id": 7, "state": "hangup", "event_timestamp": 1700000001000}',
    '{"call_id": 7, "state": "hangup", "event_timestamp": 1700000001000, "x": 1}',
    '{"call_id": 7, "state": "connected", "event_timestamp": 1700000002000}']::jsonb[]) AS body;
SET client_min_messages = error;
SELECT * FROM process_call_events(log => 'call_events');
RESET client_min_messages;
SELECT * FROM counts('call_events');
SELECT * FROM lags('call_events');
SELECT purge_call_events('0', 'call_events');
SELECT * FROM counts('call_events');

-- Another consumer has its own numbers. What happens to the log counts once.
SELECT create_call_consumer('call_events', 'crm');
SELECT ingest_call_event('{"call_id": 8, "state": "ringing"}'::jsonb, 'call_events') > 0 AS ingested;
SELECT count(*) FROM claim_call_events(log => 'call_events', consumer => 'crm');
SELECT * FROM counts('call_events', 'crm');
SELECT * FROM counts('call_events');
SELECT * FROM lags('call_events', 'crm');
SELECT flush_call_event_counts();
SELECT count(*) FROM _callhardening.counts;
SELECT drop_call_consumer('call_events', 'crm');
SELECT count(*) FROM _callhardening.counts;
SELECT consumer FROM call_event_counts WHERE log = 'call_events'::regclass;

-- A log of changes has no default consumer: its row has what happened to the log.
SELECT create_call_changes('calls') AS changes \gset
UPDATE calls SET status = 'voicemail' WHERE false;
INSERT INTO calls (dialpad_call_id, status) VALUES (9, 'ringing');
SELECT * FROM counts(:'changes', NULL);
SELECT drop_call_changes('calls');

-- The numbers are in memory. At most once a minute a commit writes them to the table. Then nothing counts twice.
SELECT count(*) FROM _callhardening.counts;
SELECT flush_call_event_counts();
SELECT count(*) AS rows, sum(numbers[1]) AS received FROM _callhardening.counts;
SELECT * FROM counts();
SELECT add(501);
SELECT sum(numbers[1]) AS received FROM _callhardening.counts;
SELECT * FROM counts();
BEGIN;
SELECT add(502);
SELECT flush_call_event_counts();
ROLLBACK;
SELECT * FROM counts();
BEGIN;
SELECT add(503);
SELECT flush_call_event_counts();
COMMIT;
SELECT sum(numbers[1]) AS received FROM _callhardening.counts;
SELECT * FROM counts();
-- A table that a user has altered does not stop the webhooks.
ALTER TABLE _callhardening.counts ADD CONSTRAINT never CHECK (numbers[1] < 0) NOT VALID;
SELECT flush_call_event_counts();
SELECT add(504);
ALTER TABLE _callhardening.counts DROP CONSTRAINT never;
SELECT * FROM counts();

-- A dropped log is forgotten, and its successor begins anew.
DROP TABLE queue;
CREATE TABLE queue (LIKE call_events INCLUDING ALL);
SELECT register_call_event_log('queue', 'calls', 'dialpad', 1);
SELECT * FROM counts();
SELECT add(101);
SELECT * FROM counts();
-- A body without a call, delivered three times, is one dead event.
SELECT count(DISTINCT ingest_call_event('{"no": "call"}'::jsonb, 'queue')) FROM generate_series(1, 3);
SELECT * FROM counts();
SELECT count(*) FROM call_dead_events JOIN call_event_logs USING (log_id) WHERE events = 'queue'::regclass;

-- Rights
CREATE ROLE regress_operator;
SELECT grant_call_role('regress_operator', 'operate', 'queue');
SET ROLE regress_operator;
SELECT log, received FROM call_event_counts;
SELECT DISTINCT log FROM call_event_lag;
SELECT * FROM _callhardening.counts;
RESET ROLE;
SELECT revoke_call_role('regress_operator', 'operate', 'queue');
SET ROLE regress_operator;
SELECT log, received FROM call_event_counts;
RESET ROLE;
DROP ROLE regress_operator;

\set ECHO none
DROP FUNCTION counts, lags;
\i test/setup/claims_end.sql
