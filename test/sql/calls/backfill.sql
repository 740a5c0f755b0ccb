\set SHOW_CONTEXT never

-- Tables and arguments that give an error
CREATE TABLE calls (id int GENERATED ALWAYS AS IDENTITY, dialpad_call_id bigint, status text, direction text, raw_payload jsonb, note text);
CALL backfill_calls(NULL);
CALL backfill_calls('pg_class');
CALL backfill_calls('calls');
SELECT harden_calls('calls');
CALL backfill_calls('calls', 0);
CALL backfill_calls('calls', NULL);
CALL backfill_calls('calls', 100001);
-- Each batch commits, so backfill fails inside a transaction block.
BEGIN;
CALL backfill_calls('calls');
ROLLBACK;
DO $$ BEGIN CALL backfill_calls('calls'); END $$;
CREATE FUNCTION inside() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL backfill_calls('calls'); END $$;
SELECT inside();
DROP FUNCTION inside;
CREATE ROLE regress_call_reader;
GRANT USAGE ON SCHEMA _callhardening TO regress_call_reader;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public, _callhardening TO regress_call_reader;
SELECT grant_call_role('regress_call_reader', 'own');
GRANT SELECT, UPDATE ON calls TO regress_call_reader;
SET ROLE regress_call_reader;
CALL backfill_calls('calls');
RESET ROLE;
SELECT count(*) FROM _callhardening.backfills WHERE finished_at IS NULL;

-- Rows written by clients before hardening. Each row records its writes.
CREATE FUNCTION count_writes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := coalesce(NEW.note, '') || 'w'; RETURN NEW; END $$;
INSERT INTO calls (dialpad_call_id) SELECT i FROM generate_series(1, 14) AS i;
ALTER TABLE calls DISABLE TRIGGER USER;
UPDATE calls c SET (status, direction, raw_payload) = (SELECT o.status, o.direction, o.payload::jsonb FROM (VALUES
    (1, 'completed', 'incoming', '{"call_id": 1, "password": "hunter2 is the secret"}'),
    (2, 'Ended', 'OUT', '{"call_id": 2}'),
    (3, 'In-Progress', 'inbound', NULL),
    (4, 'ended', 'Inbound', NULL),
    (5, 'ended', 'outbound', '{"call_id": 5, "empty": null}'),
    -- Nothing to repair
    (6, 'ended', 'inbound', '{"call_id": 6}'),
    (7, 'ringing', NULL, NULL),
    (8, NULL, NULL, NULL),
    -- Nothing can be repaired: the words stay.
    (9, 'jumping', 'sideways', NULL),
    (10, 'recording', 'transfer', NULL),
    (11, '', '', NULL),
    -- Half of the row can be repaired.
    (12, 'jumping', 'in', NULL),
    (13, 'completed', 'sideways', NULL),
    (14, 'jumping', 'sideways', '{"call_id": 14, "password": "hunter2 is the secret"}')) AS o (id, status, direction, payload)
    WHERE o.id = c.dialpad_call_id);
ALTER TABLE calls ENABLE TRIGGER USER;
CREATE TRIGGER a_count_writes BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION count_writes();
SELECT check_name, violations FROM audit_calls('calls') WHERE check_name ~ 'repairable|unknown|payload';
CALL backfill_calls('calls');
SELECT dialpad_call_id AS id, status, direction, raw_payload - '_sanitized' AS raw_payload, note FROM calls ORDER BY 1;
SELECT check_name, violations FROM audit_calls('calls') WHERE check_name ~ 'repairable|unknown|payload';
SELECT calls, part, pass, state, rows_done, rows_left, rows_per_second > 0 AS has_rate, rows_repaired, rows_unwritten, rows_locked,
    pages_done = pages AS all_pages, pid = pg_backend_pid() AS own, started_at <= finished_at AS in_order FROM call_backfill_progress;
-- The second run reads the rows once and writes nothing.
CALL backfill_calls('calls');
SELECT pass, rows_done, rows_repaired FROM call_backfill_progress;
SELECT count(*) FROM calls WHERE note = 'ww';
-- The session's defaults do not matter.
SET default_transaction_isolation = 'serializable';
CALL backfill_calls('calls');
RESET default_transaction_isolation;

-- Backfill uses the provider, the graph and the policy of the table.
SELECT harden_calls('calls', provider => 'ringcentral', transitions => '{"ringing": ["jumping", "missed"]}',
    policy => '{"version": 1, "rules": [{"path": "call_id", "action": "drop"}]}');
ALTER TABLE calls DISABLE TRIGGER USER;
UPDATE calls SET status = 'hangup' WHERE dialpad_call_id = 6;
UPDATE calls SET status = 'Jumping' WHERE dialpad_call_id = 9;
ALTER TABLE calls ENABLE TRIGGER USER;
CALL backfill_calls('calls');
SELECT dialpad_call_id AS id, status, direction, raw_payload - '_sanitized' AS raw_payload FROM calls WHERE status IS NOT NULL ORDER BY 1;
SELECT harden_calls('calls', provider => '', transitions => 'null', policy => 'null');

-- In each mode: any status may replace an old word, so no repair is refused.
SELECT harden_calls('calls', on_invalid => 'reject');
ALTER TABLE calls DISABLE TRIGGER USER;
UPDATE calls SET status = 'completed', direction = 'in';
ALTER TABLE calls ENABLE TRIGGER USER;
CALL backfill_calls('calls');
SELECT harden_calls('calls', on_invalid => 'skip');
ALTER TABLE calls DISABLE TRIGGER USER;
UPDATE calls SET status = 'completed', direction = 'in';
ALTER TABLE calls ENABLE TRIGGER USER;
CALL backfill_calls('calls');
SELECT status, direction, count(*) FROM calls GROUP BY 1, 2;

-- The table's triggers use the caller's search path. A trigger may refuse or suppress a repair.
CREATE SCHEMA own;
CREATE TABLE own.log (id bigint);
SET search_path = own, public;
CREATE FUNCTION own.write_log() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO log VALUES (NEW.dialpad_call_id); RETURN NULL; END $$;
CREATE FUNCTION own.keep_one() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.dialpad_call_id = current_setting('test.kept')::bigint THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE FUNCTION own.refuse_one() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.dialpad_call_id = current_setting('test.refused')::bigint THEN
    RAISE insufficient_privilege USING MESSAGE = 'not this one'; END IF; RETURN NEW; END $$;
CREATE TRIGGER write_log AFTER UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION write_log();
CREATE TRIGGER keep_one BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION keep_one();
CREATE TRIGGER refuse_one BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION refuse_one();
ALTER TABLE calls DISABLE TRIGGER USER;
UPDATE calls SET status = 'completed';
ALTER TABLE calls ENABLE TRIGGER USER;
SET test.kept = 5;
SET test.refused = 6;
CALL backfill_calls('calls');
SELECT count(*) FROM log;
SELECT state, rows_repaired FROM call_backfill_progress;
SET test.refused = 0;
CALL backfill_calls('calls');
SELECT count(*), count(DISTINCT id) FROM log;
SELECT dialpad_call_id, status FROM calls WHERE status <> 'ended';
RESET search_path;
DROP SCHEMA own CASCADE;

-- After an error the next run goes on from the same place: here the page of the first refused row.
CREATE FUNCTION refuse_some() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.dialpad_call_id = current_setting('test.refused')::bigint THEN
    RAISE insufficient_privilege USING MESSAGE = 'not this one'; END IF; RETURN NEW; END $$;
TRUNCATE calls;
INSERT INTO calls (dialpad_call_id, status, note) SELECT i, 'ended', repeat('x', 1000) FROM generate_series(1, 140) AS i;
ALTER TABLE calls DISABLE TRIGGER USER;
UPDATE calls SET status = 'completed';
ALTER TABLE calls ENABLE TRIGGER USER;
DROP TRIGGER a_count_writes ON calls;
CREATE TRIGGER refuse_some BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION refuse_some();
VACUUM calls;
SET test.refused = 100;
CALL backfill_calls('calls', 7);
SELECT count(*) > 70 AS most_are_repaired FROM calls WHERE status = 'ended';
SELECT state, pass, rows_repaired AS before, rows_left > 0 AS is_something_left FROM call_backfill_progress \gset
SELECT :'state' AS state, :pass AS pass, :'is_something_left' AS is_something_left;
SET test.refused = 0;
SET client_min_messages = warning;
CREATE FUNCTION count_repaired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('repaired'); RETURN NULL; END $$;
CREATE SEQUENCE repaired;
CREATE TRIGGER count_repaired AFTER UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION count_repaired();
CALL backfill_calls('calls', 7);
RESET client_min_messages;
SELECT :before + last_value AS written_in_both FROM repaired;
SELECT status, count(*) FROM calls GROUP BY 1;
SELECT state, rows_repaired FROM call_backfill_progress;

-- A run failed, and the table was rewritten since. The rows are on other pages, so the run starts again.
SET test.refused = 100;
ALTER TABLE calls DISABLE TRIGGER USER;
UPDATE calls SET status = 'completed';
ALTER TABLE calls ENABLE TRIGGER USER;
CALL backfill_calls('calls', 7);
VACUUM FULL calls;
SELECT count(*) AS not_known_any_more FROM call_backfill_progress;
SET test.refused = 0;
SET client_min_messages = warning; -- the number of remaining rows depends on the pages
CALL backfill_calls('calls', 7);
SELECT status, count(*) FROM calls GROUP BY 1;
-- The settings changed: each row is read once more.
SET test.refused = 100;
ALTER TABLE calls DISABLE TRIGGER USER;
UPDATE calls SET status = 'completed', raw_payload = '{"call_id": 1}';
ALTER TABLE calls ENABLE TRIGGER USER;
CALL backfill_calls('calls', 7);
SET test.refused = 0;
SELECT harden_calls('calls', policy => '{"version": 1, "rules": [{"path": "call_id", "action": "drop"}]}');
CALL backfill_calls('calls', 7);
RESET client_min_messages;
SELECT status, raw_payload - '_sanitized' AS raw_payload, count(*) FROM calls GROUP BY 1, 2;

-- An owner without superuser rights, and the view of the backfills of others
CREATE SCHEMA reader AUTHORIZATION regress_call_reader;
SET ROLE regress_call_reader;
CREATE TABLE reader.calls (dialpad_call_id bigint, status text, direction text);
INSERT INTO reader.calls VALUES (1, 'completed', 'in');
SELECT harden_calls('reader.calls');
CALL backfill_calls('reader.calls');
SELECT calls, repaired, finished_at IS NOT NULL AS finished FROM _callhardening.my_backfills;
SELECT calls, state FROM call_backfill_progress ORDER BY 1;
UPDATE _callhardening.my_backfills SET page = 1 WHERE calls <> 'reader.calls'::regclass;
INSERT INTO _callhardening.my_backfills (calls, part, filenode, rules, pages)
SELECT oid, oid, 0, 0, 0 FROM pg_class WHERE relname = 'pg_class';
UPDATE _callhardening.my_backfills SET calls = 'pg_class';
DELETE FROM _callhardening.my_backfills;
-- No role has a right on the table itself, or can take a lock that blocks others.
SELECT count(*) FROM _callhardening.backfills;
BEGIN;
LOCK TABLE _callhardening.backfills IN ACCESS SHARE MODE;
ROLLBACK;
BEGIN;
LOCK TABLE _callhardening.my_backfills IN SHARE MODE;
ROLLBACK;
RESET ROLE;
SELECT calls FROM _callhardening.backfills ORDER BY 1;
-- Dropping a table removes its progress.
DROP SCHEMA reader CASCADE;
SELECT calls FROM call_backfill_progress ORDER BY 1;
DROP TABLE calls;
DROP OWNED BY regress_call_reader;
DROP ROLE regress_call_reader;

-- Other types, odd names, and a schema in the path with types and operators of its own
CREATE SCHEMA "a""b c$";
SET search_path = "a""b c$", public, pg_catalog;
CREATE TYPE state AS ENUM ('ringing', 'active', 'ended', 'missed', 'rejected', 'voicemail', 'Completed');
CREATE DOMAIN body AS pg_catalog.jsonb;
CREATE DOMAIN text AS pg_catalog.text CHECK (VALUE <> 'ended');
CREATE FUNCTION never(pg_catalog.tid, pg_catalog.tid) RETURNS pg_catalog.bool LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR >= (LEFTARG = tid, RIGHTARG = tid, FUNCTION = never);
CREATE OPERATOR = (LEFTARG = tid, RIGHTARG = tid, FUNCTION = never);
CREATE TABLE "calls %I" ("call ""id" varchar(20), "the state" state, way char(12), body body);
INSERT INTO "calls %I"
    VALUES ('one', 'Completed', 'in', '{"password": "hunter2 is the secret", "id": 1}'), ('two', 'ended', 'nowhere', NULL);
SELECT harden_calls('"calls %I"', 'call "id', 'the state', 'way', 'body');
CALL backfill_calls('"calls %I"');
SELECT "call ""id", "the state", way, body - '_sanitized' AS body FROM "calls %I";
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA "a""b c$" CASCADE;
RESET client_min_messages;

-- Partitions: a repaired row moves to the partition of its new status.
CREATE TABLE calls (dialpad_call_id bigint, status text, direction text, raw_payload jsonb) PARTITION BY LIST (status);
CREATE TABLE calls_ended PARTITION OF calls FOR VALUES IN ('ended') PARTITION BY HASH (dialpad_call_id);
CREATE TABLE calls_ended_0 PARTITION OF calls_ended FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE calls_ended_1 PARTITION OF calls_ended FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE calls_rest (raw_payload jsonb, junk int, dialpad_call_id bigint, direction text, status text);
ALTER TABLE calls_rest DROP COLUMN junk;
ALTER TABLE calls ATTACH PARTITION calls_rest DEFAULT;
INSERT INTO calls SELECT i, CASE i % 3 WHEN 0 THEN 'ended' WHEN 1 THEN 'completed' ELSE 'jumping' END, 'in', NULL
FROM generate_series(1, 30) AS i;
SET client_min_messages = error;
SELECT harden_calls('calls');
RESET client_min_messages;
CALL backfill_calls('calls', 5);
SELECT tableoid::regclass AS part, status, direction, count(*) FROM calls GROUP BY 1, 2, 3 ORDER BY 1, 2;
SELECT part, rows_repaired, state FROM call_backfill_progress ORDER BY part::text;
CALL backfill_calls('calls_rest');
-- Backfill does not wait for a partition detached in the meantime.
UPDATE _callhardening.backfills SET finished_at = NULL, page = 0;
ALTER TABLE calls DETACH PARTITION calls_rest;
CALL backfill_calls('calls');
SELECT part, state FROM call_backfill_progress ORDER BY part::text;
DROP TABLE calls, calls_rest;

-- Backfill leaves out a foreign partition and reports it. Its rows are repaired on its own server.
CREATE EXTENSION postgres_fdw;
CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw;
DO $$
BEGIN
    EXECUTE format('ALTER SERVER loopback OPTIONS (ADD host %L, ADD port %L, ADD dbname %L)',
        split_part(current_setting('unix_socket_directories'), ', ', 1), current_setting('port'), current_database());
    EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER loopback OPTIONS (user %L)', current_user);
END
$$;
CREATE TABLE calls (dialpad_call_id bigint, status text, direction text, raw_payload jsonb) PARTITION BY RANGE (dialpad_call_id);
CREATE TABLE calls_here PARTITION OF calls FOR VALUES FROM (1) TO (100);
CREATE TABLE far_calls (dialpad_call_id bigint, status text, direction text, raw_payload jsonb);
CREATE FOREIGN TABLE calls_there PARTITION OF calls FOR VALUES FROM (100) TO (200) SERVER loopback OPTIONS (table_name 'far_calls');
INSERT INTO calls SELECT i, 'completed', 'in' FROM generate_series(98, 102) AS i;
SELECT harden_calls('calls');
CALL backfill_calls('calls');
SELECT part, state FROM call_backfill_progress;
SELECT tableoid::regclass AS part, status, direction, count(*) FROM calls GROUP BY 1, 2, 3 ORDER BY 1;
SELECT check_name, violations FROM audit_calls('calls') WHERE check_name LIKE 'repairable%';
SELECT harden_calls('far_calls');
CALL backfill_calls('far_calls');
SELECT check_name, violations FROM audit_calls('calls') WHERE check_name LIKE 'repairable%';
CALL backfill_calls('calls_there');
DROP TABLE calls, far_calls;
SET client_min_messages = error;
DROP EXTENSION postgres_fdw CASCADE;

SET client_min_messages = warning;
-- A constraint forbids the repair of one row. The other rows are repaired, and that row is not tried forever.
CREATE TABLE calls (dialpad_call_id bigint UNIQUE, status text, direction text, raw_payload jsonb, ended_at timestamptz,
    CONSTRAINT has_end CHECK (status <> 'ended' OR ended_at IS NOT NULL));
INSERT INTO calls SELECT i, 'hangup', 'in', NULL, CASE WHEN i <> 2345 THEN now() END FROM generate_series(1, 5000) AS i;
SELECT harden_calls('calls');
CALL backfill_calls('calls', 100);
SELECT status, direction, count(*) FROM calls GROUP BY 1, 2 ORDER BY 3;
SELECT state, rows_done >= 3000 AS all_done, rows_repaired, rows_unwritten, rows_locked FROM call_backfill_progress;
CALL backfill_calls('calls', 100000);
SELECT rows_repaired, rows_unwritten FROM call_backfill_progress;
UPDATE calls SET ended_at = now() WHERE ended_at IS NULL;
CALL backfill_calls('calls', 100);
SELECT status, count(*) FROM calls GROUP BY 1;
-- Many such rows, with errors of several kinds, and a trigger that suppresses one repair
CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.dialpad_call_id % 3 = 0 THEN
        RAISE 'not %', NEW;
    ELSIF NEW.dialpad_call_id % 3 = 1 AND NEW.dialpad_call_id > 5 AND NEW.dialpad_call_id <> 7 THEN
        RETURN NEW;
    END IF;
    IF NEW.dialpad_call_id <> 7 THEN
        NEW.ended_at := (1 / (NEW.dialpad_call_id - 2))::text::timestamptz;
    END IF;
    RETURN NULL;
END
$$;
TRUNCATE calls;
ALTER TABLE calls DISABLE TRIGGER USER;
INSERT INTO calls SELECT i, 'hangup', 'in', NULL, now() FROM generate_series(1, 3000) AS i;
INSERT INTO calls VALUES (3001, 'Ringing', 'in');
ALTER TABLE calls ENABLE TRIGGER USER;
CREATE TRIGGER forbid BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION forbid();
CALL backfill_calls('calls');
SELECT status, direction, count(*) FROM calls GROUP BY 1, 2 ORDER BY 1;
SELECT state, rows_done >= 3000 AS all_done, rows_repaired, rows_unwritten, rows_locked FROM call_backfill_progress;
-- An error without a relation to the rows ends the run.
CREATE OR REPLACE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE insufficient_privilege USING MESSAGE = 'not here'; END $$;
CALL backfill_calls('calls');
SELECT state, rows_repaired FROM call_backfill_progress;
DROP TABLE calls;
DROP FUNCTION forbid;
-- The same for rows that move between partitions
CREATE TABLE calls (dialpad_call_id bigint, status text, direction text, raw_payload jsonb,
    CONSTRAINT not_five CHECK (dialpad_call_id <> 5 OR status <> 'ended'))
    PARTITION BY LIST (status);
CREATE TABLE calls_ended PARTITION OF calls FOR VALUES IN ('ended');
CREATE TABLE calls_rest PARTITION OF calls DEFAULT;
INSERT INTO calls SELECT i, 'hangup', 'in' FROM generate_series(1, 20) AS i;
SET client_min_messages = error;
SELECT harden_calls('calls');
SET client_min_messages = warning;
CALL backfill_calls('calls');
SELECT tableoid::regclass AS part, status, direction, count(*) FROM calls GROUP BY 1, 2, 3 ORDER BY 1, 2;
DROP TABLE calls;
-- A deferred trigger refuses a row at commit. The rows beside it are repaired.
CREATE TABLE calls (dialpad_call_id bigint, status text, direction text, raw_payload jsonb);
INSERT INTO calls SELECT i, 'hangup', 'in' FROM generate_series(1, 3) AS i;
CREATE FUNCTION refuse_two() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.dialpad_call_id = 2 THEN RAISE check_violation USING MESSAGE = 'not two'; END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON calls DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_two();
SELECT harden_calls('calls');
CALL backfill_calls('calls');
SELECT dialpad_call_id, status FROM calls ORDER BY 1;
DROP TABLE calls;
DROP FUNCTION refuse_two;
-- A partition belongs to another role without a right on the table.
CREATE ROLE regress_part_owner;
CREATE TABLE calls (dialpad_call_id bigint, status text, direction text, raw_payload jsonb) PARTITION BY RANGE (dialpad_call_id);
CREATE TABLE calls_own PARTITION OF calls FOR VALUES FROM (1) TO (10);
CREATE TABLE calls_other PARTITION OF calls FOR VALUES FROM (10) TO (20);
INSERT INTO calls SELECT i, 'hangup', 'in', '{"password": "x"}' FROM generate_series(1, 19) AS i;
ALTER TABLE calls_other OWNER TO regress_part_owner;
SELECT harden_calls('calls', transitions => '{"ringing": ["ended"]}');
CALL backfill_calls('calls');
SELECT tableoid::regclass AS part, status, direction, count(*) FROM calls GROUP BY 1, 2, 3 ORDER BY 1, 2;
DROP TABLE calls;
DROP ROLE regress_part_owner;
RESET client_min_messages;
