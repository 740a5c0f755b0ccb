
-- workers inside the server --------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_worker_pids(log regclass) RETURNS SETOF int
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    number int := @extschema@.call_event_log_number(log);
BEGIN
    -- Each holds a lock of this class ("CALL") as long as it lives.
    RETURN QUERY SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 1128352844 AND objid = number::oid AND objsubid = 2
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_worker_pids(regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_worker_pids(regclass) IS
'the process ids of the background workers of a log; NULL: of the only one there is. Errors: 55000 no such log, 42P08 several logs and none named';

CREATE FUNCTION @extschema@.start_call_worker(log regclass DEFAULT NULL, max_events int DEFAULT 1000,
        poll interval DEFAULT '200 milliseconds', workers int DEFAULT 1) RETURNS int
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_start_call_worker';
REVOKE EXECUTE ON FUNCTION @extschema@.start_call_worker(regclass, int, interval, int) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.start_call_worker(regclass, int, interval, int) IS
'sees to it that so many workers run inside the server (dynamic background workers, nothing is to be preloaded) and process the log''s events as process_call_events does, with the rights of the caller; returns how many it had to start, so that a scheduler may call it again and again. Each takes a lease of a minute first, so that events which end the server are counted; sleeps for poll (1 millisecond to 1 hour) where nothing is pending; goes on after an error, after a pause that grows to a minute, and after pg_cancel_backend; runs in read committed, whatever the defaults are; and is in pg_stat_activity as "callhardening worker for <log>". They end with the server and do not start again with it. max_events: of a batch, 1 to 100000. log: NULL is the only event log there is. Errors: 22023 out of range, 25006 on a standby, 28000 the caller has no LOGIN, 42501 or no CONNECT, 53400 no background worker slot is left (max_worker_processes), 53000 a worker did not come up within 10 seconds (those that did stay in both cases), 55000 no such log, or it was made or configured in this transaction, 42P08 several logs and none named';

CREATE FUNCTION @extschema@.stop_call_worker(log regclass DEFAULT NULL) RETURNS int
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
    AS $$
SELECT count(*)::int FROM @extschema@.call_worker_pids(log) AS pid WHERE pg_terminate_backend(pid, 10000)
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.stop_call_worker(regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.stop_call_worker(regclass) IS
'ends the background workers of a log, waits for it up to 10 seconds each, and returns how many have ended; what they were at is rolled back and given back, so that others get it at once and the attempt does not count; one that is told a second time ends without that, and others get it when the lease ends. log: NULL is the only event log there is. Errors: 42501 they run as another role (pg_signal_backend allows it), 55000 no such log, 42P08 several logs and none named';
