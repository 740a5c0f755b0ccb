-- The owner altered tables, or settings name dropped objects. The function gives a clear error, and the server goes on.
SELECT create_call_tables('public');
SELECT process_call_events(10, 999999::regclass);
SELECT ingest_call_event('{"call_id": 1}'::jsonb, 999999::regclass);
SELECT call_settings(999999::regclass);
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb);

-- Altered rows and columns of the log
BEGIN;
UPDATE call_events SET call_id = NULL;
SELECT * FROM process_call_events();
ROLLBACK;
BEGIN;
ALTER TABLE call_events ALTER payload TYPE text;
SELECT * FROM process_call_events();
ROLLBACK;
BEGIN;
ALTER TABLE call_events ALTER payload TYPE text;
SELECT ingest_call_event('{"call_id": 4}'::jsonb);
ROLLBACK;
BEGIN;
DROP TRIGGER bury_call_event ON call_events;
ALTER TABLE call_events ALTER event_lane TYPE text;
SELECT ingest_call_event('{"call_id": 4}'::jsonb);
ROLLBACK;
BEGIN;
UPDATE call_events SET received_at = 'infinity', payload = payload || '{"event_timestamp": null}';
SELECT applied FROM process_call_events();
ROLLBACK;

-- A log restored into another cluster: pending events are claimed once more, settled ones are not. New events go to
-- lanes without events from the other cluster.
CREATE TABLE handed_out (call_id text, claim_id bigint, attempt int);
CREATE PROCEDURE claim_all() LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM handed_out;
    FOR i IN 1..100 LOOP
        INSERT INTO handed_out SELECT call_id, claim_id, attempt FROM claim_call_events();
        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;
END $$;
CREATE PROCEDURE complete_all() LANGUAGE sql AS $$ SELECT complete_call_events(array_agg(DISTINCT claim_id)) FROM handed_out $$;
CREATE FUNCTION append(call int, state text DEFAULT 'ringing') RETURNS boolean LANGUAGE sql AS $$
    SELECT ingest_call_event(jsonb_build_object('call_id', call, 'state', state)) IS NOT NULL $$;
CREATE VIEW lanes AS
SELECT first_lane, adopted IS NOT NULL AS has_old_lanes,
    (SELECT count(*) FILTER (WHERE lane < first_lane) || ' old, ' || count(*) FILTER (WHERE lane >= first_lane) || ' new'
        FROM _callhardening.lanes) AS lanes
FROM call_event_logs;
SELECT append(10);
SELECT claimed FROM process_call_events();
SELECT append(11);
SELECT call_id, attempt FROM claim_call_events(lease => '1 millisecond');
SELECT pg_sleep(0.01);
SELECT append(12);
SELECT append(14);
CREATE TEMP TABLE failing AS SELECT * FROM claim_call_events() WHERE call_id = '14';
SELECT fail_call_event(claim_id, event_seq, 'x', '0') FROM failing WHERE call_id = '14';
UPDATE _callhardening.claims SET lease_end = now() WHERE lease_end > now();
UPDATE call_event_logs SET system_identifier = 1;
SELECT append(13);
SELECT call_id, event_lane >= 64 AS fresh FROM call_events ORDER BY event_seq;
SELECT * FROM lanes;
CALL claim_all();
SELECT call_id, attempt FROM handed_out ORDER BY call_id;
SELECT * FROM lanes;
SELECT append(12, 'hangup');
CALL complete_all();
CALL claim_all();
SELECT call_id, attempt FROM handed_out ORDER BY call_id;
CALL complete_all();
CALL claim_all();
SELECT call_id FROM handed_out;
SELECT * FROM lanes;
DROP TABLE failing;
-- A clone has the same system identifier. Its positions give it away.
SELECT append(15);
UPDATE _callhardening.claims SET done_snapshot = '9000000000:9000000000:';
UPDATE call_events SET event_xid = CASE call_id WHEN '15' THEN '9000000001' ELSE '8999999999' END::xid8;
SELECT append(16);
CALL claim_all();
SELECT call_id, attempt FROM handed_out ORDER BY call_id;
CALL complete_all();
CALL claim_all();
SELECT call_id FROM handed_out;
SELECT * FROM lanes;
DROP VIEW lanes;
DROP PROCEDURE claim_all, complete_all;
DROP FUNCTION append;
DROP TABLE handed_out;

-- Row-level security on the log
CREATE ROLE regress_worker;
GRANT EXECUTE ON FUNCTION process_call_events(int, regclass, name) TO regress_worker;
GRANT SELECT ON call_events TO regress_worker;
ALTER TABLE call_events ENABLE ROW LEVEL SECURITY;
SET ROLE regress_worker;
SELECT * FROM process_call_events();
RESET ROLE;
ALTER TABLE call_events DISABLE ROW LEVEL SECURITY;
DROP OWNED BY regress_worker;
DROP ROLE regress_worker;

-- Events do not set a generated column.
ALTER TABLE calls DROP COLUMN duration_seconds,
    ADD COLUMN duration_seconds int GENERATED ALWAYS AS (extract(epoch FROM ended_at - connected_at)::int) STORED;
SELECT ingest_call_event('{"call_id": 2, "state": "hangup", "talk_time": 9,
    "date_connected": 1700000000000, "date_ended": 1700000007000}'::jsonb);
SELECT applied FROM process_call_events();
SELECT duration_seconds FROM calls WHERE dialpad_call_id = 2;

-- A cast of the log's owner does not run with the rights of the extension's owner.
BEGIN;
CREATE TYPE seq AS ENUM ('1');
CREATE FUNCTION as_bigint(seq) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'runs as %', current_user; RETURN 1; END $$;
CREATE CAST (seq AS bigint) WITH FUNCTION as_bigint(seq) AS ASSIGNMENT;
ALTER TABLE call_events DROP COLUMN event_seq CASCADE, ADD COLUMN event_seq seq DEFAULT '1';
INSERT INTO call_events (payload) VALUES ('[]');
ROLLBACK;

-- Functions in the schema of the new tables are not called.
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'runs as %', current_user; END $$;
CREATE FUNCTION hostile.format(text, text)
    RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'runs as %', current_user; RETURN ''; END $$;
SELECT create_call_tables('hostile');
SET client_min_messages = warning;
DROP SCHEMA hostile CASCADE;
RESET client_min_messages;

-- Altered columns of the calls table
BEGIN;
DROP INDEX idx_calls_raw_payload;
ALTER TABLE calls ALTER raw_payload TYPE text;
INSERT INTO calls (dialpad_call_id, raw_payload) VALUES (5, 'x');
ROLLBACK;
BEGIN;
DROP INDEX idx_calls_raw_payload;
ALTER TABLE calls ALTER raw_payload TYPE text;
SELECT * FROM process_call_events();
ROLLBACK;

-- A trigger calls the processing function.
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM process_call_events(); RETURN NEW; END $$;
SELECT ingest_call_event('{"call_id": 4}'::jsonb) IS NOT NULL;
CREATE TRIGGER again BEFORE INSERT ON calls FOR EACH ROW EXECUTE FUNCTION again();
\set SHOW_CONTEXT never
SELECT * FROM process_call_events(1);
\set SHOW_CONTEXT errors
DROP TRIGGER again ON calls;

-- An event dies a second time, as after a restore.
SELECT configure_call_event_log(max_attempts => 1);
ALTER TABLE calls ADD CONSTRAINT nobody CHECK (dialpad_call_id <> 3);
SELECT ingest_call_event('{"call_id": 3}'::jsonb) IS NOT NULL;
SELECT failed FROM process_call_events();
WITH again AS (DELETE FROM call_events WHERE call_id = '3' RETURNING *)
INSERT INTO call_events (event_seq, event_lane, event_xid, payload) OVERRIDING SYSTEM VALUE
SELECT event_seq, event_lane, event_xid, payload FROM again;
SELECT failed FROM process_call_events();
SELECT call_id, sqlstate FROM call_dead_events;

-- The log was dropped while no event trigger fired.
SET session_replication_role = replica;
DROP TABLE call_events;
RESET session_replication_role;
\set VERBOSITY sqlstate
SELECT * FROM process_call_events();
\set VERBOSITY default
DELETE FROM call_event_logs;
DELETE FROM _callhardening.lanes;
DELETE FROM _callhardening.claims;
DELETE FROM call_dead_events;
DELETE FROM call_retrying_events;
DROP TABLE calls;
DROP FUNCTION again;
