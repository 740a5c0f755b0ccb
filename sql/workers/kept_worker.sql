
-- workers that start with the server -----------------------------------------------------------
--
-- Not dumped, and with the oid of the database: a copy of the database starts none by itself.
CREATE TABLE _callhardening.kept_workers (
    consumer_id int NOT NULL CONSTRAINT kept_workers_pkey PRIMARY KEY,
    log_id int NOT NULL,
    database oid NOT NULL,
    role oid NOT NULL,
    workers int NOT NULL,
    max_events int NOT NULL,
    poll int NOT NULL,
    kept_since timestamptz NOT NULL
);
REVOKE ALL ON _callhardening.kept_workers FROM PUBLIC;

COMMENT ON TABLE _callhardening.kept_workers IS
'what start_call_worker(keep => true) has written down for the launcher: what call_worker_status shows';
COMMENT ON COLUMN _callhardening.kept_workers.database IS
'the database in which they were started; another one: this is a copy of it, and the row starts nothing';
COMMENT ON COLUMN _callhardening.kept_workers.role IS 'the role that started them, whatever its name is now';
COMMENT ON COLUMN _callhardening.kept_workers.poll IS 'in milliseconds';

-- The library writes rows without triggers, with the role of the caller in them. SQL could write another role.
CREATE FUNCTION _callhardening.refuse_kept_worker() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'kept workers cannot be written by SQL',
        HINT = 'Call start_call_worker(keep => true) as the role of the workers.';
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.refuse_kept_worker() FROM PUBLIC;
CREATE TRIGGER refuse_kept_worker BEFORE INSERT OR UPDATE ON _callhardening.kept_workers FOR EACH ROW
    EXECUTE FUNCTION _callhardening.refuse_kept_worker();
ALTER TABLE _callhardening.kept_workers ENABLE ALWAYS TRIGGER refuse_kept_worker;

COMMENT ON FUNCTION _callhardening.refuse_kept_worker() IS
'trigger function: only start_call_worker writes down a worker, for the role of its caller (42501)';

CREATE FUNCTION _callhardening.forget_kept_workers(log regclass, consumer name) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_forget_kept_workers';
REVOKE EXECUTE ON FUNCTION _callhardening.forget_kept_workers(regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('process', 'forget_kept_workers'), ('operate', 'forget_kept_workers');

COMMENT ON FUNCTION _callhardening.forget_kept_workers(regclass, name) IS
'a part of stop_call_worker: no worker of the consumer, or with NULL of the log, is kept from now on. Until the end of '
'the transaction the launcher starts none';

CREATE FUNCTION _callhardening.forget_workers_of(consumers int[]) RETURNS void
    LANGUAGE c STRICT
    AS 'MODULE_PATHNAME', 'callhardening_forget_workers_of';
REVOKE EXECUTE ON FUNCTION _callhardening.forget_workers_of(int[]) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.forget_workers_of(int[]) IS
'no worker of these consumers is kept from now on, since their log is dropped. The launcher hears of it at the commit';

CREATE FUNCTION _callhardening.launcher_state() RETURNS TABLE (launcher text, fault text)
    LANGUAGE c STABLE ROWS 1
    AS 'MODULE_PATHNAME', 'callhardening_launcher_state';

COMMENT ON FUNCTION _callhardening.launcher_state() IS
'launcher: running, not preloaded, standby or not running. fault: why no kept worker is started in this database, or '
'NULL';

CREATE FUNCTION _callhardening.kept_worker_states()
    RETURNS TABLE (consumer_id int, failure text, failed_at timestamptz, next_try timestamptz)
    LANGUAGE c STABLE ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_kept_worker_states';

COMMENT ON FUNCTION _callhardening.kept_worker_states() IS
'what the launcher knows of the kept workers of this database: a row for each consumer, with its last failure';
