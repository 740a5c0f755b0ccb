\set SHOW_CONTEXT never
-- A DBA may alter the extension's own tables. Each change works or gives a clear error. No change crashes the server,
-- and no index gives a wrong answer.
SELECT create_call_tables('public');
CREATE FUNCTION ingest(call int, state text) RETURNS boolean LANGUAGE sql AS $$
    SELECT ingest_call_event(jsonb_build_object('call_id', call, 'state', state)) IS NOT NULL $$;
CREATE TABLE used (step text, result text);
-- Writes to all of these tables: issues, claims, retries, dead events, settings of the log, low ends of purges.
CREATE PROCEDURE use_all(first int) LANGUAGE plpgsql AS $$
DECLARE
    c record;
BEGIN
    DELETE FROM used;
    PERFORM configure_call_event_log(max_attempts => 2);
    PERFORM ingest(call, state)
    FROM generate_series(first, first + 3) AS call, unnest('{ringing,hangup}'::text[]) AS state;
    COMMIT;
    INSERT INTO used SELECT 'processed', claimed FROM process_call_events();
    COMMIT;
    UPDATE calls SET status = 'ringing' WHERE dialpad_call_id >= first; -- an issue
    COMMIT;
    PERFORM ingest(first, 'hangup'), ingest(first, 'recording');
    COMMIT;
    FOR attempt IN 1..4 LOOP
        FOR c IN SELECT * FROM claim_call_events(1, '1 minute', 'x') LOOP
            INSERT INTO used SELECT 'failed', fail_call_event(c.claim_id, c.event_seq, 'x', '0');
            PERFORM complete_call_events(ARRAY[c.claim_id]);
            COMMIT;
        END LOOP;
    END LOOP;
    INSERT INTO used SELECT 'retried', retry_dead_call_events();
    COMMIT;
    INSERT INTO used SELECT 'processed again', claimed FROM process_call_events();
    COMMIT;
    -- One event waits, and one is dead.
    PERFORM ingest(first + 1, 'recording'), ingest(first + 2, 'recording');
    COMMIT;
    FOR c IN SELECT * FROM claim_call_events(10, '1 minute', 'x') LOOP
        PERFORM configure_call_event_log(max_attempts => 1 + (c.call_id::int + 1) % 2);
        INSERT INTO used SELECT 'failed at last', fail_call_event(c.claim_id, c.event_seq, 'x', '1 hour');
        PERFORM complete_call_events(ARRAY[c.claim_id]);
    END LOOP;
    COMMIT;
    INSERT INTO used SELECT 'purged', purge_call_events('0 s') > 0;
END
$$;
SET client_min_messages = error;
CALL use_all(10);
SELECT step, string_agg(result, ' ' ORDER BY result) AS results FROM used GROUP BY step ORDER BY step;

-- -- indexes ------------------------------------------------------------------------------------------------------

-- One index of each kind on each table: expression, partial, BRIN, hash, and one on all columns.
CREATE FUNCTION own_tables() RETURNS TABLE (oid regclass) LANGUAGE sql AS $$
    SELECT objid::regclass FROM pg_class c JOIN pg_depend d ON c.oid = objid
        JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'callhardening'
    WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND relkind = 'r'
        AND relname ~ 'issues|claims|lanes|retrying|dead|purge|^logs' $$;
CREATE FUNCTION shown(anyelement) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN current_user || $1; END $$;
DO $$
DECLARE
    own record;
BEGIN
    FOR own IN SELECT t.oid, attname AS name FROM own_tables() AS t JOIN pg_attribute ON attrelid = t.oid AND attnum = 1
    LOOP
        EXECUTE format('CREATE INDEX added_expression ON %s (public.shown(%I))', own.oid, own.name);
        EXECUTE format('ALTER INDEX _callhardening.added_expression RENAME TO %I', 'added_expression_' || own.oid::text);
        EXECUTE format('CREATE INDEX ON %s ((1)) WHERE public.shown(%I) > ''a''', own.oid, own.name);
        EXECUTE format('CREATE INDEX ON %s USING brin (%I)', own.oid, own.name);
        EXECUTE format('CREATE INDEX ON %s USING hash (%I)', own.oid, own.name);
    END LOOP;
END
$$;
CREATE INDEX ON _callhardening.retrying_events USING gin (errors);
CREATE INDEX ON _callhardening.dead_events USING gin (errors);
CREATE INDEX ON _callhardening.issues USING spgist (call_id);
CREATE INDEX added_kind ON _callhardening.issues (kind) WHERE occurrences = 1;
CALL use_all(20);
SELECT step, string_agg(result, ' ' ORDER BY result) AS results FROM used GROUP BY step ORDER BY step;
-- The indexes find the same rows as a scan.
CREATE FUNCTION found(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    by_index bigint;
    by_table bigint;
BEGIN
    SET LOCAL enable_seqscan = off;
    EXECUTE 'SELECT count(*) FROM ' || condition INTO by_index;
    SET LOCAL enable_seqscan = on;
    SET LOCAL enable_indexscan = off;
    SET LOCAL enable_bitmapscan = off;
    SET LOCAL enable_indexonlyscan = off;
    EXECUTE 'SELECT count(*) FROM ' || condition INTO by_table;
    RETURN format('%s, %s', by_index > 0, by_index = by_table);
END
$$;
SELECT own.oid, found(format('%s WHERE shown(%I) >= ''''', own.oid, attname)) AS "some, all"
FROM own_tables() AS own JOIN pg_attribute ON attrelid = own.oid AND attnum = 1 ORDER BY own.oid::text COLLATE "C";
SELECT found('_callhardening.issues WHERE kind = ''refused_status'' AND occurrences = 1') AS "some, all";

DO $$
DECLARE
    index regclass;
BEGIN
    FOR index IN SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM own_tables())
        AND indexrelid::regclass::text ~ 'added_|_expr|_idx'
    LOOP
        EXECUTE format('DROP INDEX %s', index);
    END LOOP;
END
$$;
RESET client_min_messages;

-- An expression runs as the owner of the table, in the statement of a worker without rights on it.
CREATE FUNCTION tells(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE WARNING 'as a superuser: %, path: %', has_table_privilege('pg_authid', 'DELETE'),
        current_setting('search_path');
    RETURN $1;
END
$$;
DELETE FROM _callhardening.issues;
CREATE INDEX added ON _callhardening.issues (tells(kind));
CREATE ROLE regress_worker;
GRANT SELECT, UPDATE ON calls TO regress_worker;
SET ROLE regress_worker;
UPDATE calls SET direction = 'sideways' WHERE dialpad_call_id = 20;
SELECT has_table_privilege('pg_authid', 'DELETE');
RESET ROLE;
DROP INDEX _callhardening.added;

-- A failing expression and a unique index. A fault loses the issues, and never fails a client's commit.
CREATE FUNCTION fails(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'no %', $1; END $$;
DELETE FROM _callhardening.issues;
CREATE INDEX added ON _callhardening.issues (fails(kind));
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 20;
DROP INDEX _callhardening.added;
CREATE UNIQUE INDEX added ON _callhardening.issues (kind);
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 20;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 21;
BEGIN;
UPDATE calls SET status = 'ringing', direction = 'sideways' WHERE dialpad_call_id = 22;
UPDATE calls SET from_number = 'x' WHERE dialpad_call_id = 22;
COMMIT;
SELECT kind, call_id FROM _callhardening.issues;
SELECT from_number FROM calls WHERE dialpad_call_id = 22;
DROP INDEX _callhardening.added;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 21;
-- An invalid index after a failed CREATE INDEX CONCURRENTLY is written to, too.
DELETE FROM _callhardening.issues;
CREATE UNIQUE INDEX added ON _callhardening.issues (kind);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = '_callhardening.added'::regclass;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 21;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 21;
DROP INDEX _callhardening.added;
-- For the other tables the statement fails.
DELETE FROM _callhardening.retrying_events;
DELETE FROM _callhardening.dead_events;
SELECT configure_call_event_log(max_attempts => 1);
ALTER TABLE calls ADD CONSTRAINT nobody CHECK (dialpad_call_id < 30);
SELECT ingest(30, 'ringing');
CREATE UNIQUE INDEX added ON _callhardening.dead_events (consumer_id);
INSERT INTO _callhardening.dead_events (consumer_id, event_seq, lane, error) SELECT log_id, 0, 0, 'x' FROM _callhardening.logs;
\set VERBOSITY terse
SELECT * FROM process_call_events();
\set VERBOSITY default
DROP INDEX _callhardening.added;
DELETE FROM _callhardening.dead_events;

-- -- everything else ----------------------------------------------------------------------------------------------

-- Each change in a transaction of its own, with an event that dies.
CREATE FUNCTION tried(change text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
    detail text;
BEGIN
    EXECUTE change;
    EXECUTE statement;
    RAISE SQLSTATE 'PT000' USING MESSAGE = 'works';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
    RETURN split_part(SQLERRM, E'\n', 1) || CASE WHEN hint ~ 'Undo' THEN '. ' || detail ELSE '' END;
END
$$;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'noted'; RETURN NEW; END $$;
CREATE TABLE parent (LIKE _callhardening.dead_events) PARTITION BY LIST (consumer_id);
-- Two tables reference the logs. The server names the one it meets first.
SELECT kind, table_name, replace(tried(replace(replace(change, '@', table_name), '#', key), 'SELECT process_call_events()'),
    'event_signatures', 'event_secrets') AS outcome
FROM (VALUES ('_callhardening.dead_events', 'consumer_id'), ('_callhardening.claims', 'consumer_id'),
             ('_callhardening.logs', 'log_id')) AS t(table_name, key),
     (VALUES ('trigger', 'CREATE TRIGGER added BEFORE INSERT ON @ FOR EACH ROW EXECUTE FUNCTION noted()'),
             ('rule', 'CREATE RULE added AS ON INSERT TO @ DO INSTEAD NOTHING'),
             ('column', 'ALTER TABLE @ ADD added int'),
             ('generated column', 'ALTER TABLE @ ADD added int GENERATED ALWAYS AS (1) STORED'),
             ('other type', 'ALTER TABLE @ ALTER # TYPE bigint'),
             ('child', 'CREATE TABLE child () INHERITS (@)'),
             ('row-level security', 'ALTER TABLE @ ENABLE ROW LEVEL SECURITY'),
             ('forced', 'ALTER TABLE @ ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY'),
             ('check', 'ALTER TABLE @ ADD CONSTRAINT added CHECK (# > 0)'),
             ('check that fails', 'ALTER TABLE @ ADD CONSTRAINT added CHECK (# < 0) NOT VALID'),
             ('unlogged', 'ALTER TABLE @ SET UNLOGGED'),
             ('deferrable', 'ALTER TABLE @ ADD CONSTRAINT added UNIQUE (#) DEFERRABLE')) AS c(kind, change)
ORDER BY kind COLLATE "C", table_name COLLATE "C";
SELECT tried('ALTER EXTENSION callhardening DROP VIEW call_dead_events; DROP VIEW call_dead_events; '
    'ALTER TABLE _callhardening.dead_events ALTER errors TYPE text', 'SELECT process_call_events()');
SELECT tried('ALTER TABLE _callhardening.purges ALTER low_seq TYPE text', 'SELECT purge_call_events(''0 s'')');
SELECT tried('ALTER TABLE _callhardening.purges DROP purged_at, ADD purged_at timestamptz', 'SELECT purge_call_events(''0 s'')');
SELECT tried('ALTER TABLE parent ATTACH PARTITION _callhardening.dead_events DEFAULT', 'SELECT process_call_events()');
SELECT tried('CREATE TABLE referring (l int, s bigint, FOREIGN KEY (l, s) REFERENCES _callhardening.dead_events)',
    'SELECT process_call_events()');
SELECT tried('ALTER TABLE _callhardening.dead_events RENAME TO gone; CREATE VIEW _callhardening.dead_events AS TABLE _callhardening.gone',
    'SELECT process_call_events()');
-- Another index has the name of one of ours.
SELECT kind, tried('ALTER TABLE _callhardening.dead_events DROP CONSTRAINT dead_events_pkey; ' || change,
    'SELECT process_call_events()')
FROM (VALUES ('missing', ''),
             ('text', 'CREATE INDEX dead_events_pkey ON _callhardening.dead_events (error, call_id)'),
             ('one column', 'CREATE INDEX dead_events_pkey ON _callhardening.dead_events (consumer_id)'),
             ('partial', 'CREATE INDEX dead_events_pkey ON _callhardening.dead_events (consumer_id, event_seq) WHERE consumer_id < 0'),
             ('descending', 'CREATE INDEX dead_events_pkey ON _callhardening.dead_events (consumer_id, event_seq DESC)'),
             ('expression', 'CREATE INDEX dead_events_pkey ON _callhardening.dead_events ((consumer_id + 0), event_seq)'),
             ('hash', 'CREATE INDEX dead_events_pkey ON _callhardening.dead_events USING hash (consumer_id)')) AS c(kind, change);
-- No issue is recorded, and the client's statement succeeds.
ALTER TABLE calls DROP CONSTRAINT nobody;
BEGIN;
CREATE TRIGGER added BEFORE INSERT ON _callhardening.issues FOR EACH ROW EXECUTE FUNCTION noted();
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 21;
COMMIT;
DROP TRIGGER added ON _callhardening.issues;
ALTER TABLE _callhardening.issues ADD CONSTRAINT added CHECK (kind <> 'refused_status') NOT VALID;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 21;
ALTER TABLE _callhardening.issues DROP CONSTRAINT added;
-- Everything works as before.
SET client_min_messages = error;
CALL use_all(40);
SELECT step, string_agg(result, ' ' ORDER BY result) AS results FROM used GROUP BY step ORDER BY step;

DROP TABLE calls, call_events, parent, used;
DROP PROCEDURE use_all;
DROP FUNCTION ingest, own_tables, shown, found, fails, tells, tried, noted;
DROP OWNED BY regress_worker;
DROP ROLE regress_worker;
DELETE FROM _callhardening.issues;
