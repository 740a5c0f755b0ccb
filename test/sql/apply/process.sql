SELECT create_call_tables('public');
SELECT * FROM process_call_events();

-- The events of a batch are applied in the order of their times, not of their arrival.
SELECT count(ingest_call_event(body)) FROM unnest(ARRAY[
    '{"call_id": 1, "state": "hangup", "event_timestamp": 1700000009000, "date_ended": 1700000009000, "talk_time": 6500.5}',
    '{"call_id": 1, "state": "ringing", "event_timestamp": 1700000001000, "direction": "Incoming",
    "external_number": "+14155550100", "internal_number": "+14155550199"}',
    '{"call_id": 1, "state": "connected", "event_timestamp": 1700000002000,
    "date_connected": 1700000002000, "target": {"id": 5, "type": "user"}}',
    '{"call_id": 2, "state": "calling", "event_timestamp": 1700000001000, "direction": "outbound api",
    "external_number": "+14155550100", "internal_number": "+14155550199", "date_started": "2023-11-14T22:13:21Z"}',
    '{"call_id": 2, "state": "recap_summary", "event_timestamp": 1700000100000, "recap_summary": "They agreed."}']::jsonb[]) AS body;
SELECT * FROM process_call_events();
SELECT dialpad_call_id, status, direction, from_number, to_number, dialpad_user_id, started_at AT TIME ZONE 'UTC' AS started_at,
    ended_at - connected_at AS talked, duration_seconds, raw_payload ->> 'state' AS newest FROM calls ORDER BY 1;

-- No event is processed twice.
SELECT * FROM process_call_events();

-- A late event: its status is refused, its other values are merged, and the newest body stays.
SELECT ingest_call_event('{"call_id": 1, "state": "ringing", "event_timestamp": 1700000001500,
    "date_started": 1700000001000, "talk_time": 1}'::jsonb) IS NOT NULL;
SELECT * FROM process_call_events();
SELECT status, started_at IS NOT NULL AS has_start, duration_seconds, raw_payload ->> 'state' AS newest
FROM calls WHERE dialpad_call_id = 1;

-- The same events again change nothing.
SELECT count(ingest_call_event(payload, event_key => 'again ' || event_seq)) FROM call_events;
CREATE TEMP TABLE before AS SELECT * FROM calls;
SELECT claimed, applied, unchanged + refused AS nothing_new, failed FROM process_call_events();
SELECT count(*) FROM (TABLE before EXCEPT TABLE calls) AS changed;

-- A hangup after the end is ordinary traffic.
SELECT count(ingest_call_event(format('{"call_id": %s, "state": "%s", "event_timestamp": %s, "date_ended": %s}',
    id, state, 1700000000000 + at, at)::jsonb))
FROM (VALUES (11, 'missed', 1), (11, 'hangup', 2), (12, 'blocked', 1), (12, 'hangup', 2), (13, 'voicemail', 1), (13, 'hangup', 2),
    (13, 'voicemail_uploaded', 3)) AS v(id, state, at);
SELECT * FROM process_call_events();
SELECT dialpad_call_id, status, is_voicemail, ended_at IS NOT NULL AS has_end FROM calls WHERE dialpad_call_id BETWEEN 11 AND 13 ORDER BY 1;

-- Unknown words
SELECT ingest_call_event('{"call_id": 20, "state": "levitating", "direction": "sideways", "duration": 1499}'::jsonb) IS NOT NULL;
SELECT * FROM process_call_events();
SELECT status, direction, duration_seconds FROM calls WHERE dialpad_call_id = 20;

-- The nested form
SELECT count(ingest_call_event(body)) FROM unnest(ARRAY[
    '{"call": {"id": 999, "direction": "incoming", "from": "+14155550100", "to": "+14155550199",
    "user_id": 1, "started_at": "2026-01-01T00:00:00Z", "duration": 120}, "event_type": "call.ended"}',
    '{"data": {"call": {"id": "998", "direction": "out", "was_recorded": "FALSE"}}, "event_type": "voicemail.received"}']::jsonb[]) AS body;
SELECT * FROM process_call_events();
SELECT dialpad_call_id, status, direction, from_number, to_number, dialpad_user_id,
    started_at AT TIME ZONE 'UTC' AS started_at, duration_seconds,
    was_recorded FROM calls WHERE dialpad_call_id > 900 ORDER BY 1;

-- The table refuses an event: it is retried later, later events of its call wait behind it, and all others are applied.
SELECT configure_call_event_log(retry_base => '1 hour', retry_cap => '1 hour');
ALTER TABLE calls ADD CONSTRAINT short_calls CHECK (duration_seconds < 100) NOT VALID;
SELECT count(ingest_call_event(format('{"call_id": %s, "state": "%s", "event_timestamp": %s, "duration": %s}',
    id, state, 1700000000000 + at, duration)::jsonb))
FROM (VALUES (30, 'ringing', 1, 0), (30, 'connected', 2, 200000),
    (30, 'hangup', 3, 300000), (31, 'hangup', 1, 5000)) AS v(id, state, at, duration);
SELECT * FROM process_call_events();
SELECT dialpad_call_id, status, duration_seconds FROM calls WHERE dialpad_call_id IN (30, 31) ORDER BY 1;
SELECT call_id, event_type, attempts, due_at IS NULL AS blocked, errors #>> '{0,sqlstate}' AS sqlstate, errors #>> '{0,error}' AS error
FROM call_retrying_events p JOIN call_events USING (event_seq, call_id) ORDER BY event_seq;
SELECT * FROM process_call_events();

-- With one attempt it is dead, and the later events are applied.
SELECT configure_call_event_log(max_attempts => 1);
SELECT count(ingest_call_event(format('{"call_id": %s, "state": "%s", "event_timestamp": %s, "duration": %s}',
    id, state, 1700000000000 + at, duration)::jsonb))
FROM (VALUES (32, 'connected', 2, 200000), (32, 'hangup', 3, 300000)) AS v(id, state, at, duration);
SELECT * FROM process_call_events();
SELECT * FROM process_call_events();
SELECT dialpad_call_id, status, duration_seconds FROM calls WHERE dialpad_call_id = 32;
SELECT call_id, event_type, attempts, sqlstate, error FROM call_dead_events d
    JOIN call_events USING (event_seq, call_id) ORDER BY event_seq;
SELECT * FROM process_call_events();

-- After an error without a faulty event, all events stay pending.
SELECT ingest_call_event('{"call_id": 40, "state": "ringing"}'::jsonb) IS NOT NULL;
CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE insufficient_privilege; END $$;
CREATE TRIGGER break BEFORE INSERT ON calls FOR EACH ROW EXECUTE FUNCTION break();
SELECT * FROM process_call_events();
DROP TRIGGER break ON calls;
SELECT * FROM process_call_events();

-- A trigger suppresses the row.
CREATE OR REPLACE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER break BEFORE INSERT ON calls FOR EACH ROW EXECUTE FUNCTION break();
SELECT ingest_call_event('{"call_id": 41, "state": "ringing"}'::jsonb) IS NOT NULL;
SELECT * FROM process_call_events();
SELECT sqlstate, error FROM call_dead_events WHERE call_id = '41';
DROP TRIGGER break ON calls;
CREATE TRIGGER break BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION break();
SELECT ingest_call_event('{"call_id": 40, "state": "connected"}'::jsonb) IS NOT NULL;
SELECT claimed, failed FROM process_call_events();
SELECT sqlstate, error FROM call_dead_events WHERE call_id = '40';
DROP TRIGGER break ON calls;

-- A trigger raises an error of its own.
CREATE OR REPLACE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not that one' USING ERRCODE = '45000'; END $$;
CREATE TRIGGER break BEFORE INSERT ON calls FOR EACH ROW EXECUTE FUNCTION break();
SELECT ingest_call_event('{"call_id": 42, "state": "connected"}'::jsonb) IS NOT NULL;
SELECT claimed, failed FROM process_call_events();
SELECT sqlstate, error FROM call_dead_events WHERE call_id = '42';
DROP TRIGGER break ON calls;

-- A transaction does not process its own events. The next one does.
BEGIN;
SELECT ingest_call_event('{"call_id": 50, "state": "ringing"}'::jsonb) IS NOT NULL;
SELECT * FROM process_call_events();
SELECT ingest_call_event('{"call_id": 50, "state": "connected"}'::jsonb) IS NOT NULL;
SELECT * FROM process_call_events();
COMMIT;
SELECT * FROM process_call_events();

-- The events of a rolled back batch are pending again.
SELECT ingest_call_event('{"call_id": 51, "state": "ringing"}'::jsonb) IS NOT NULL;
BEGIN;
SELECT * FROM process_call_events();
ROLLBACK;
SELECT * FROM process_call_events();

-- A batch has at most the given number of events. The next one continues after it.
SELECT count(ingest_call_event(format('{"call_id": 60, "event_timestamp": %s, "n": %s}', 1700000000000 + n, n)::jsonb))
FROM generate_series(1, 25) AS n;
SELECT claimed FROM process_call_events(10);
SELECT claimed FROM process_call_events(10);
SELECT claimed FROM process_call_events(10);
SELECT claimed FROM process_call_events(10);
SELECT raw_payload -> 'n' AS newest FROM calls WHERE dialpad_call_id = 60;

-- A poll without events takes no transaction id.
SELECT claimed, pg_current_xact_id_if_assigned() FROM process_call_events();

-- A single worker stops only when no event is pending.
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'))) FROM generate_series(1001, 1200) AS id;
CREATE TEMP TABLE sums (claimed bigint);
DO $$
BEGIN
    LOOP
        INSERT INTO sums SELECT claimed FROM process_call_events(8);
        EXIT WHEN EXISTS (SELECT FROM sums WHERE claimed = 0);
    END LOOP;
END
$$;
SELECT sum(claimed), max(claimed) FROM sums;

-- Old records of the lanes are removed automatically.
DO $$
BEGIN
    FOR i IN 1..100 LOOP
        PERFORM ingest_call_event(jsonb_build_object('call_id', 61, 'n', i));
        COMMIT;
        PERFORM process_call_events();
        COMMIT;
    END LOOP;
END
$$;
SELECT max(record_no) >= 100 AS many FROM _callhardening.claims;
SELECT max(records) <= 72 AS few FROM (SELECT count(*) AS records FROM _callhardening.claims GROUP BY consumer_id, lane) AS lanes;

-- Statements find calls by the key, even if they were planned for an empty table.
\c -
SET client_min_messages = warning;
CREATE SCHEMA empty;
SELECT create_call_tables('empty');
VACUUM ANALYZE empty.calls;
BEGIN;
INSERT INTO empty.call_events (payload) SELECT jsonb_build_object('call_id', i, 'state', 'ringing') FROM generate_series(1, 20) AS i;
COMMIT;
BEGIN;
SELECT seq_scan AS before FROM pg_stat_xact_user_tables WHERE relid = 'empty.calls'::regclass \gset
SELECT claimed > 0 AS some FROM process_call_events(log => 'empty.call_events');
SELECT seq_scan - :before AS scans, idx_scan > 0 AS by_index FROM pg_stat_xact_user_tables WHERE relid = 'empty.calls'::regclass;
COMMIT;
DROP SCHEMA empty CASCADE;
RESET client_min_messages;

-- If no event has a value for a new call, the column gets its default, even with NOT NULL.
CREATE SCHEMA defaults;
CREATE DOMAIN defaults.phone AS varchar(20) DEFAULT 'withheld';
CREATE TABLE defaults.calls (dialpad_call_id bigint UNIQUE, status varchar(20) NOT NULL DEFAULT 'ringing', direction text DEFAULT 'inbound',
    from_number defaults.phone NOT NULL, to_number char(20) NOT NULL DEFAULT lower('NOBODY'), duration_seconds numeric NOT NULL DEFAULT 0,
    is_voicemail boolean NOT NULL DEFAULT false, started_at timestamp NOT NULL DEFAULT '2026-01-01',
    last_event_at timestamptz DEFAULT '2030-01-01',
    tenant int NOT NULL DEFAULT 7);
SELECT harden_calls('defaults.calls');
CREATE TABLE defaults.call_events (payload jsonb, tenant int);
SELECT harden_call_events('defaults.call_events', 'defaults.calls', carry => '{tenant}');
INSERT INTO defaults.call_events
    VALUES ('{"call_id": 1, "state": "recording"}', NULL), ('{"call_id": 1, "state": "voicemail", "event_timestamp": 1767225600000}', 8),
    ('{"call_id": 2, "state": "connected", "direction": "outbound", "internal_number": "+14155550199"}', 8);
SELECT * FROM process_call_events(log => 'defaults.call_events');
SELECT dialpad_call_id AS id, status, direction, from_number, to_number, duration_seconds AS seconds, is_voicemail, started_at,
    last_event_at AT TIME ZONE 'UTC' AS last_event, tenant FROM defaults.calls ORDER BY 1;
-- A carried column has changed its type since. It is still assigned.
ALTER TABLE defaults.calls ALTER tenant TYPE text, ALTER tenant SET DEFAULT 'none';
INSERT INTO defaults.call_events VALUES ('{"call_id": 3, "state": "ringing"}', 9);
SELECT claimed, failed FROM process_call_events(log => 'defaults.call_events');
SELECT tenant FROM defaults.calls WHERE dialpad_call_id = 3;
DROP SCHEMA defaults CASCADE;

-- Arguments
SELECT * FROM process_call_events(0);
SELECT * FROM process_call_events(NULL);
SELECT * FROM process_call_events(100001);
SELECT * FROM process_call_events(log => 'calls');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM process_call_events();
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM process_call_events();
ROLLBACK;
SET timezone = 'America/New_York';
ALTER TABLE calls ALTER last_event_at TYPE timestamp USING last_event_at AT TIME ZONE 'UTC';
SELECT ingest_call_event('{"call_id": 70, "event_timestamp": 1767225600000}'::jsonb) IS NOT NULL;
SELECT claimed FROM process_call_events();
ALTER TABLE calls ALTER last_event_at TYPE timestamptz USING last_event_at AT TIME ZONE 'UTC';
SELECT ingest_call_event('{"call_id": 71, "event_timestamp": 1767225600000}'::jsonb) IS NOT NULL;
SELECT claimed FROM process_call_events();
SELECT dialpad_call_id, extract(epoch FROM last_event_at)::bigint AS last_event_at FROM calls WHERE dialpad_call_id IN (70, 71) ORDER BY 1;
RESET timezone;
ALTER TABLE calls RENAME COLUMN status TO state;
SELECT * FROM process_call_events();
ALTER TABLE calls RENAME COLUMN state TO status;
ALTER TABLE calls DROP CONSTRAINT calls_dialpad_call_id_key;
SELECT * FROM process_call_events();
ALTER TABLE calls ADD UNIQUE (dialpad_call_id);
SELECT unharden_calls('calls');
SELECT * FROM process_call_events();

DROP FUNCTION break CASCADE;
DROP TABLE calls;
SELECT * FROM process_call_events();

-- A dropped log leaves no entries.
DROP TABLE call_events;
SELECT (SELECT count(*) FROM call_event_logs), (SELECT count(*) FROM _callhardening.lanes),
    (SELECT count(*) FROM _callhardening.claims), (SELECT count(*) FROM call_dead_events);
SELECT * FROM process_call_events();
