-- call_issues: problems that gave no error
\set SHOW_CONTEXT never
CREATE TABLE calls (dialpad_call_id bigint NOT NULL, direction text, status text, note text);
SELECT harden_calls('calls');
TRUNCATE _callhardening.issues;
ALTER TABLE _callhardening.issues SET (autovacuum_enabled = off);
SET application_name = 'webhooks';
CREATE VIEW issues AS
SELECT kind, table_name, call_id, old_value, new_value, occurrences, detail, role_name = current_user AS mine, application_name
FROM call_issues ORDER BY happened_at, kind, call_id;

-- Each kind of issue caused by a statement
INSERT INTO calls VALUES (1, 'Incoming', 'ringing'), (2, 'sideways', 'ended'), (3, 'outbound', 'napping');
UPDATE calls SET status = 'ringing', note = 'late' WHERE dialpad_call_id = 2;
UPDATE calls SET status = 'napping', direction = 'sideways' WHERE dialpad_call_id = 1;
UPDATE calls SET dialpad_call_id = 7 WHERE dialpad_call_id = 1;
TABLE issues;
TRUNCATE _callhardening.issues;

-- An upsert gives one issue.
INSERT INTO calls VALUES (2, 'sideways', 'ringing')
ON CONFLICT (dialpad_call_id) DO UPDATE SET status = EXCLUDED.status, direction = EXCLUDED.direction;
TABLE issues;
TRUNCATE _callhardening.issues;

-- ON CONFLICT skips a row: the row leaves no issue, other rows of the statement do.
INSERT INTO calls VALUES (2, 'sideways', 'napping') ON CONFLICT DO NOTHING;
INSERT INTO calls VALUES (2, 'sideways', 'napping')
ON CONFLICT (dialpad_call_id) DO UPDATE SET status = EXCLUDED.status WHERE calls.dialpad_call_id = 1;
TABLE issues;
INSERT INTO calls VALUES (2, 'sideways', 'ended'), (14, 'leftways', 'ended'), (14, 'rightways', 'ended'), (1, 'upwards', 'napping')
ON CONFLICT DO NOTHING;
SELECT kind, call_id, new_value FROM issues;
TRUNCATE _callhardening.issues;
INSERT INTO calls VALUES (2, 'sideways', 'napping'), (14, 'leftways', 'snoring')
ON CONFLICT (dialpad_call_id) DO UPDATE SET status = EXCLUDED.status, direction = EXCLUDED.direction;
SELECT kind, call_id, new_value FROM issues ORDER BY call_id, kind;
TRUNCATE _callhardening.issues;
CREATE TABLE parts (dialpad_call_id text PRIMARY KEY, direction text, status text) PARTITION BY HASH (dialpad_call_id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT harden_calls('parts');
INSERT INTO parts SELECT i::text, 'in', 'ringing' FROM generate_series(1, 4) AS i;
INSERT INTO parts SELECT i::text, 'sideways', 'ringing' FROM generate_series(4, 5) AS i ON CONFLICT DO NOTHING;
SELECT kind, table_name, call_id FROM issues;
DROP TABLE parts;
DELETE FROM calls WHERE dialpad_call_id = 14;
TRUNCATE _callhardening.issues;

-- The issue shows only the length of an invalid word.
UPDATE calls SET status = 'active +1 415 555 0100', direction = repeat('x', 50) WHERE dialpad_call_id = 1;
UPDATE calls SET status = '12 bytes' WHERE dialpad_call_id = 1;
ALTER TABLE calls DISABLE TRIGGER USER;
UPDATE calls SET status = '' WHERE dialpad_call_id = 3;
ALTER TABLE calls ENABLE TRIGGER USER;
UPDATE calls SET status = 'napping' WHERE dialpad_call_id = 3;
SELECT kind, old_value, new_value FROM issues;
TRUNCATE _callhardening.issues;

-- A rollback removes the issues, also to a savepoint.
BEGIN;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 2;
ROLLBACK;
BEGIN;
SAVEPOINT one;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 2;
ROLLBACK TO one;
UPDATE calls SET status = 'active' WHERE dialpad_call_id = 2;
SAVEPOINT two;
UPDATE calls SET status = 'missed' WHERE dialpad_call_id = 2;
RELEASE two;
COMMIT;
TABLE issues;
TRUNCATE _callhardening.issues;

-- A failed statement leaves no issue.
SELECT harden_calls('calls', on_invalid => 'reject');
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 2;
SELECT harden_calls('calls', on_invalid => 'skip');
UPDATE calls SET status = 'ringing', note = 'skipped' WHERE dialpad_call_id = 2;
SELECT kind, call_id, note FROM issues JOIN calls ON call_id = dialpad_call_id::text;
TRUNCATE _callhardening.issues;
SELECT harden_calls('calls', on_invalid => 'keep');

-- A transaction records a hundred issues of each kind, and the rest as one row.
SET client_min_messages = error;
INSERT INTO calls SELECT 1000 + i, 'inbound', 'ended' FROM generate_series(1, 1000) AS i;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id > 1000;
SELECT kind, count(*), sum(occurrences), max(occurrences), count(call_id), max(detail) AS detail FROM issues GROUP BY kind;
TRUNCATE _callhardening.issues;
-- Subtransactions share the hundred. Rolled back ones are not counted.
DO $$
BEGIN
    FOR i IN 1001 .. 1500 LOOP
        BEGIN
            UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = i;
            IF i % 5 = 0 THEN
                RAISE division_by_zero;
            END IF;
        EXCEPTION WHEN division_by_zero THEN
        END;
    END LOOP;
END
$$;
SELECT kind, count(*), sum(occurrences), max(occurrences), count(call_id) FROM issues GROUP BY kind;
TRUNCATE _callhardening.issues;
-- Each transaction has its own hundred.
DO $$
BEGIN
    FOR i IN 1001 .. 1003 LOOP
        UPDATE calls SET status = 'ringing' WHERE dialpad_call_id BETWEEN i AND i + 199;
        COMMIT;
    END LOOP;
END
$$;
SELECT kind, count(*), sum(occurrences) FROM issues GROUP BY kind;
TRUNCATE _callhardening.issues;
RESET client_min_messages;

-- The pure functions write nothing.
SELECT normalize_call_direction('sideways'), normalize_call_status('napping');
TABLE issues;

-- The writing role needs no right on the table, and has none.
CREATE ROLE regress_webhook;
GRANT SELECT, INSERT, UPDATE ON calls TO regress_webhook;
GRANT USAGE ON SCHEMA public TO regress_webhook;
SET ROLE regress_webhook;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 2;
SELECT count(*) FROM call_issues;
SELECT purge_call_issues('0');
RESET ROLE;
SELECT kind, role_name FROM call_issues;
-- Inside a function of another role the issue names the session's role.
CREATE FUNCTION ring(id bigint)
    RETURNS void LANGUAGE sql SECURITY DEFINER AS 'UPDATE calls SET status = ''ringing'' WHERE dialpad_call_id = id';
SET ROLE regress_webhook;
SELECT ring(2);
RESET ROLE;
SELECT kind, role_name FROM call_issues;
TRUNCATE _callhardening.issues;

-- Issues of partitions name the partitioned table.
CREATE TABLE legs (dialpad_call_id bigint NOT NULL, direction text, status text) PARTITION BY RANGE (dialpad_call_id);
CREATE TABLE legs_low PARTITION OF legs FOR VALUES FROM (0) TO (100) PARTITION BY LIST (dialpad_call_id);
CREATE TABLE legs_one PARTITION OF legs_low FOR VALUES IN (1);
SELECT harden_calls('legs');
INSERT INTO legs VALUES (1, 'inbound', 'ended');
UPDATE legs SET status = 'ringing';
SELECT table_name, call_id FROM issues;
TRUNCATE _callhardening.issues;

-- Odd names
CREATE SCHEMA "has ""q";
CREATE TABLE "has ""q"."C alls" (dialpad_call_id text, direction text, status text);
SELECT harden_calls('"has ""q"."C alls"');
INSERT INTO "has ""q"."C alls" VALUES ('a@b', 'inbound', 'napping'), (NULL, NULL, 'napping');
SELECT table_name, call_id, new_value FROM issues;
TRUNCATE _callhardening.issues;

-- Triggers of a subscriber
ALTER TABLE calls ENABLE ALWAYS TRIGGER validate_hardened_call;
SET session_replication_role = replica;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 2;
RESET session_replication_role;
SELECT kind, call_id FROM issues;
TRUNCATE _callhardening.issues;

-- At the higher isolation levels
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 2;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 2;
COMMIT;
SELECT count(*) FROM call_issues;
-- A read-only transaction may write to a temporary table only, so it records no issue.
CREATE TEMPORARY TABLE drafts (dialpad_call_id bigint NOT NULL, direction text, status text);
SELECT harden_calls('drafts');
BEGIN READ ONLY;
INSERT INTO drafts VALUES (1, 'inbound', 'napping');
COMMIT;
SELECT count(*) FROM call_issues;
TRUNCATE _callhardening.issues;

-- A fault of this table never fails a client's statement. A column added and dropped does no harm.
ALTER TABLE _callhardening.issues ADD COLUMN more text;
UPDATE calls SET status = 'ringing', note = 'altered' WHERE dialpad_call_id = 2;
ALTER TABLE _callhardening.issues DROP COLUMN more;
UPDATE calls SET status = 'ringing', note = 'altered' WHERE dialpad_call_id = 2;
SELECT note FROM calls WHERE dialpad_call_id = 2;
SELECT count(*) FROM call_issues;

-- Invalid bodies and dead events. Only the log contains the body.
DROP EXTENSION callhardening CASCADE;
CREATE EXTENSION callhardening;
ALTER TABLE _callhardening.issues SET (autovacuum_enabled = off);
CREATE VIEW issues AS
SELECT kind, table_name, call_id, old_value, new_value, event_seq, occurrences, detail
FROM call_issues ORDER BY happened_at, event_seq, kind;
CREATE SCHEMA shop;
SELECT create_call_tables('shop');
SELECT ingest_call_event('not {json'::text), ingest_call_event('[1]'::jsonb), ingest_call_event('{"state": "ringing"}'::jsonb),
    ingest_call_event('{"call_id": "a@b"}'::jsonb), ingest_call_event('\x00ff'::bytea);
SELECT ingest_call_event('not {json'::text);
SELECT kind, table_name, call_id, event_seq, detail FROM issues;
TRUNCATE _callhardening.issues;

SELECT ingest_call_event('{"call_id": 5, "state": "hangup", "direction": "sideways", "event_timestamp": 1767225600000}'::jsonb),
    ingest_call_event('{"call_id": 5, "state": "calling", "event_timestamp": 1767225601000}'::jsonb),
    ingest_call_event('{"call_id": 5, "state": "napping", "event_timestamp": 1767225602000}'::jsonb);
SELECT * FROM process_call_events();
TABLE issues;
TRUNCATE _callhardening.issues;

SELECT configure_call_event_log(max_attempts => 1);
ALTER TABLE shop.calls ADD CHECK (from_number <> 'x');
SELECT ingest_call_event('{"call_id": 6, "state": "ringing", "direction": "inbound", "external_number": "x"}'::jsonb) AS event_seq \gset
SELECT * FROM process_call_events();
SELECT kind, table_name, call_id, event_seq = :event_seq AS same, detail FROM issues;
TRUNCATE _callhardening.issues;

-- Purging
INSERT INTO call_issues (happened_at, kind, table_name, occurrences)
SELECT now() - i * interval '1 day', 'refused_status', 'shop.calls', 1 FROM generate_series(1, 10) AS i;
SELECT purge_call_issues(NULL);
SELECT purge_call_issues('-1 day');
SELECT purge_call_issues('1 day', 0);
SELECT purge_call_issues('1 day', NULL);
SELECT purge_call_issues('5 days 12 hours', 2);
SELECT count(*), date_part('day', max(now() - happened_at)) AS oldest FROM call_issues;
SELECT purge_call_issues('5 days 12 hours');
SELECT count(*) FROM call_issues;
TRUNCATE _callhardening.issues;

-- The table limits itself: above 32 MB each new row removes two old ones.
SET client_min_messages = error;
INSERT INTO call_issues (happened_at, kind, table_name, detail, occurrences)
SELECT '2026-01-01'::timestamptz + i * interval '1 second', 'refused_status', 'shop.calls', repeat('x', 1000), 1
FROM generate_series(1, 32000) AS i;
SELECT pg_relation_size('_callhardening.issues') / 8192 BETWEEN 4096 AND 5119 AS is_full;
UPDATE shop.calls SET status = 'ringing' WHERE dialpad_call_id = 5;
SELECT count(*), min(happened_at) - '2026-01-01'::timestamptz AS oldest, max(happened_at) > now() - interval '1 hour' AS has_new
FROM call_issues;
UPDATE shop.calls SET status = 'ringing' WHERE dialpad_call_id = 5;
SELECT count(*), min(happened_at) - '2026-01-01'::timestamptz AS oldest FROM call_issues;
-- Above 40 MB the table takes no more rows.
INSERT INTO call_issues (happened_at, kind, table_name, detail, occurrences)
SELECT '2026-02-01'::timestamptz + i * interval '1 second', 'refused_status', 'shop.calls', repeat('x', 1000), 1
FROM generate_series(1, 10000) AS i;
UPDATE shop.calls SET status = 'ringing' WHERE dialpad_call_id = 5;
SELECT count(*), min(happened_at) - '2026-01-01'::timestamptz AS oldest FROM call_issues;
RESET client_min_messages;
DROP SCHEMA shop CASCADE;
DROP TABLE calls, legs, "has ""q"."C alls";
DROP SCHEMA "has ""q";
DROP FUNCTION ring(bigint);
DROP OWNED BY regress_webhook;
DROP ROLE regress_webhook;
DROP VIEW issues;
TRUNCATE _callhardening.issues;
ALTER TABLE _callhardening.issues RESET (autovacuum_enabled);
