-- call_health, and the monitoring queries of the original
\set SHOW_CONTEXT never
CREATE SCHEMA "has ""q";
SET search_path = "has ""q", public;
SELECT create_call_tables('has "q');
-- Leaves out figures of the machine or the time.
CREATE VIEW health AS
SELECT figure,
    CASE WHEN figure IN ('payload_average', 'payload_largest', 'oldest_snapshot', 'waiting_places') THEN sign(value)
        ELSE value END AS value,
    unit, level, why
FROM call_health('calls') WHERE figure <> 'oldest_snapshot';
SELECT figure, value, level FROM health;

-- The original's own queries, unchanged
SET client_min_messages = error;
INSERT INTO calls (dialpad_call_id, direction, status, raw_payload)
SELECT 100 + i, CASE i % 3 WHEN 0 THEN 'Incoming' WHEN 1 THEN 'out' ELSE 'sideways' END,
    'ended', jsonb_build_object('call_id', i, 'state', 'hangup', 'note', repeat('x', 100))
FROM generate_series(1, 9) AS i;
RESET client_min_messages;
SELECT AVG(pg_column_size(raw_payload)) < 1000 AS is_small FROM calls;
SELECT DISTINCT direction FROM calls ORDER BY 1;
SELECT dialpad_call_id, count(*) FROM calls GROUP BY 1 HAVING count(*) > 1;

-- Each figure changes.
SELECT ingest_call_event('not {json'::text), ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb),
    ingest_call_event('{"call_id": 1, "state": "napping"}'::jsonb);
SET client_min_messages = error;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id > 100;
RESET client_min_messages;
UPDATE call_events SET received_at = now() - interval '5 minutes' WHERE call_id = '1';
ALTER TABLE calls DISABLE TRIGGER ALL;
UPDATE calls SET direction = 'sideways' WHERE dialpad_call_id = 101;
UPDATE calls SET direction = '+1 (415) 555-0100' WHERE dialpad_call_id = 102;
UPDATE calls SET direction = '' WHERE dialpad_call_id = 103;
UPDATE calls SET status = 'active', started_at = now() - interval '5 hours', created_at = now() - interval '5 hours'
WHERE dialpad_call_id = 103;
UPDATE calls SET status = 'active', started_at = now() - interval '5 hours', created_at = now() WHERE dialpad_call_id = 104;
UPDATE calls SET status = 'Ringing', last_event_at = now() - interval '2 hours' WHERE dialpad_call_id = 106;
UPDATE calls SET status = 'active', last_event_at = now() - interval '2 days' WHERE dialpad_call_id = 107;
UPDATE calls SET raw_payload = (SELECT jsonb_agg(md5(i::text)) FROM generate_series(1, 10000) AS i) WHERE dialpad_call_id = 105;
ALTER TABLE calls ENABLE TRIGGER ALL;
SELECT figure, CASE WHEN figure <> 'oldest_pending' THEN value END AS value, unit, level FROM health;
SELECT figure, why FROM health WHERE level <> 'ok';
-- audit_calls and call_health find the same stuck calls.
SELECT check_name, violations, sample FROM audit_calls('calls') WHERE check_name LIKE 'stuck%';
SELECT value BETWEEN 299 AND 400 AS value, level FROM health WHERE figure = 'oldest_pending';
-- An issue counts with its occurrences.
INSERT INTO call_issues (happened_at, kind, table_name, occurrences)
    VALUES (now() - interval '2 hours', 'refused_status', '"has ""q".calls', 9990), (now(), 'refused_status', 'public.calls', 1000000);
SELECT figure, value, level FROM health WHERE figure LIKE 'refused%';
TRUNCATE _callhardening.issues;
-- A refined status is not a fault.
INSERT INTO call_issues (happened_at, kind, table_name, occurrences) VALUES (now(), 'refined_status', '"has ""q".calls', 1);
SELECT figure, value, level FROM health WHERE figure LIKE '%\_hour';
TRUNCATE _callhardening.issues;
INSERT INTO _callhardening.dead_events (consumer_id, event_seq, lane, error)
SELECT log_id, 1000 + i, 0, 'x' FROM call_event_logs, generate_series(1, 100) AS i;
SELECT figure, value, level FROM health WHERE figure = 'dead';

-- Without a unique index the query groups the ids.
ALTER TABLE calls DROP CONSTRAINT calls_dialpad_call_id_key;
SELECT * FROM health WHERE figure = 'duplicates';
ALTER TABLE calls DISABLE TRIGGER ALL;
UPDATE calls SET dialpad_call_id = 101 WHERE dialpad_call_id = 102;
ALTER TABLE calls ENABLE TRIGGER ALL;
SELECT * FROM health WHERE figure = 'duplicates';
SELECT dialpad_call_id, count(*) FROM calls GROUP BY 1 HAVING count(*) > 1;

-- Other columns and types, partitions, and no column with an age
CREATE TYPE way AS ENUM ('inbound', 'outbound', 'Sideways');
CREATE TABLE legs ("id x" bigint NOT NULL, way way, "st at" text, body jsonb) PARTITION BY RANGE ("id x");
CREATE TABLE legs_1 PARTITION OF legs DEFAULT;
SELECT harden_calls('legs', 'id x', 'st at', 'way', 'body', transitions => '{"new": ["done"]}');
INSERT INTO legs VALUES (1, 'inbound', 'new', '{"call_id": 1}');
UPDATE legs SET "st at" = 'other';
SELECT figure, value, level, why FROM call_health('legs') WHERE figure IN ('calls', 'duplicates',
    'directions', 'payload_largest', 'stuck_calls', 'unknown_words_hour', 'pending', 'oldest_pending');

ALTER TABLE legs ADD COLUMN updated_at timestamptz DEFAULT now() - interval '25 hours';
SELECT figure, value FROM call_health('legs') WHERE figure = 'stuck_calls';
SELECT check_name, violations, sample FROM audit_calls('legs') WHERE check_name LIKE 'stuck%';

-- A table above 256 MB is not fully read.
CREATE UNLOGGED TABLE big (dialpad_call_id bigint PRIMARY KEY, direction text, status text,
    raw_payload jsonb, filler text, created_at timestamptz DEFAULT now() - interval '1 day')
    WITH (fillfactor = 10, autovacuum_enabled = off);
ALTER TABLE big ALTER filler SET STORAGE PLAIN;
INSERT INTO big SELECT i, 'inbound', 'ringing', '{}', repeat('x', 7000) FROM generate_series(1, 33000) AS i;
ANALYZE big;
SELECT harden_calls('big');
SELECT figure, value BETWEEN 32000 AND 34000 AS is_near, level, regexp_replace(why, '[0-9]{4,} rows', 'N rows') AS why
FROM call_health('big') WHERE figure IN ('calls', 'stuck_calls', 'directions');
SELECT figure, value, why FROM call_health('big', exact => true) WHERE figure IN ('calls', 'stuck_calls');
DROP TABLE big;

-- Arguments that give an error
CREATE TABLE plain (id bigint);
SELECT * FROM call_health('plain');
SELECT * FROM call_health(NULL);
CREATE ROLE regress_reader;
SET ROLE regress_reader;
SELECT * FROM public.call_health('pg_class');
RESET ROLE;
DROP ROLE regress_reader;
RESET search_path;
\set VERBOSITY terse
DROP SCHEMA "has ""q" CASCADE;

-- Dropped columns are left out.
\set VERBOSITY default
CREATE SCHEMA shop;
SET search_path = shop, public;
CREATE TABLE calls (dialpad_call_id bigint UNIQUE, direction text, status text,
    raw_payload jsonb, created_at timestamptz DEFAULT now() - interval '2 days');
SELECT harden_calls('calls');
INSERT INTO calls VALUES (1, 'inbound', 'active', '{}');
CREATE VIEW rows AS SELECT figure, value, level, CASE WHEN level <> 'ok' THEN why END AS why FROM call_health('calls') LIMIT 6;
TABLE rows;
BEGIN;
ALTER TABLE calls RENAME status TO state;
TABLE rows;
ROLLBACK;
BEGIN;
ALTER TABLE calls RENAME dialpad_call_id TO id;
ALTER TABLE calls RENAME direction TO "which way";
ALTER TABLE calls DROP raw_payload;
TABLE rows;
ROLLBACK;

-- An inheritance child is a table of its own.
CREATE TABLE legs () INHERITS (calls);
ALTER TABLE legs ADD UNIQUE (dialpad_call_id);
SELECT harden_calls('legs');
SET client_min_messages = error;
INSERT INTO legs VALUES (1, 'inbound', 'active', '{}'), (2, 'inbound', 'active', '{}'), (2, 'inbound', 'ended', '{}')
ON CONFLICT DO NOTHING;
INSERT INTO legs VALUES (3, 'inbound', 'ended', '{}');
UPDATE legs SET status = 'ringing' WHERE dialpad_call_id = 3;
RESET client_min_messages;
SELECT figure, value FROM call_health('calls') WHERE figure IN ('calls', 'duplicates', 'stuck_calls', 'refused_hour');
SELECT figure, value FROM call_health('legs') WHERE figure IN ('calls', 'duplicates', 'stuck_calls', 'refused_hour');
SELECT check_name, violations FROM audit_calls('calls') WHERE check_name = 'stuck_active';
ALTER TABLE calls DROP CONSTRAINT calls_dialpad_call_id_key;
SELECT figure, value FROM call_health('calls') WHERE figure IN ('calls', 'duplicates');
RESET search_path;
\set VERBOSITY terse
DROP SCHEMA shop CASCADE;
