-- The locks of harden_calls: after each command the strongest lock on the table.
CREATE FUNCTION report_lock() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
    calls oid := to_regclass('public.calls');
BEGIN
    RAISE NOTICE '%: %', tg_tag, (SELECT mode FROM pg_locks l
        JOIN unnest(ARRAY['AccessExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock']) WITH ORDINALITY AS m (name, place)
        ON m.name = l.mode WHERE l.relation = calls AND l.pid = pg_backend_pid() ORDER BY m.place LIMIT 1);
END
$$;
\set SHOW_CONTEXT never

-- Everything is missing: the key is built before the column is added.
CREATE TABLE calls (dialpad_call_id bigint, status text, direction text);
CREATE EVENT TRIGGER report_lock ON ddl_command_end EXECUTE FUNCTION report_lock();
BEGIN;
SELECT harden_calls('calls');
ROLLBACK;
-- The key exists: only the column and, on a small table, its index are added.
CREATE UNIQUE INDEX CONCURRENTLY ON calls (dialpad_call_id);
BEGIN;
SELECT harden_calls('calls');
ROLLBACK;
-- All steps that read the table are already done: readers are never blocked.
ALTER TABLE calls ADD COLUMN raw_payload jsonb;
CREATE INDEX CONCURRENTLY ON calls USING gin (raw_payload jsonb_path_ops);
SELECT harden_calls('calls');
-- Hardening again takes no strong lock.
SELECT harden_calls('calls');
-- New settings: the triggers are replaced.
SELECT harden_calls('calls', on_invalid => 'reject');
SELECT unharden_calls('calls');
DROP TABLE calls;

-- A big table gets the column, and a hint for creating its index.
CREATE TABLE calls (dialpad_call_id bigint UNIQUE, status text, direction text, note text) WITH (fillfactor = 10);
INSERT INTO calls SELECT i, 'ended', 'inbound', repeat('x', 500) FROM generate_series(1, 1200) AS i;
SELECT pg_relation_size('calls') > 8 * 1024 * 1024 AS is_big;
SELECT harden_calls('calls');
SELECT count(*) FROM pg_index WHERE indrelid = 'calls'::regclass;
CREATE INDEX CONCURRENTLY ON calls USING gin (raw_payload);
SELECT harden_calls('calls');
DROP TABLE calls;

-- A repeated id: nothing is left half done, not even an invalid index.
CREATE TABLE calls (dialpad_call_id bigint, status text, direction text, raw_payload jsonb);
INSERT INTO calls VALUES (1), (1);
SELECT harden_calls('calls');
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'calls'::regclass;
-- The invalid index of a failed CREATE INDEX CONCURRENTLY does not count.
CREATE UNIQUE INDEX CONCURRENTLY calls_key ON calls (dialpad_call_id);
SELECT violations FROM audit_calls('calls') WHERE check_name = 'unique_call_id';
DELETE FROM calls WHERE ctid = '(0,1)';
SELECT harden_calls('calls');
SELECT violations FROM audit_calls('calls') WHERE check_name = 'unique_call_id';
DROP EVENT TRIGGER report_lock;
DROP TABLE calls;
