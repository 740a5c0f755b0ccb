
-- workers inside the server --------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_worker_pids(log regclass DEFAULT NULL, consumer name DEFAULT NULL) RETURNS SETOF int
    LANGUAGE c STABLE ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_call_worker_pids';
REVOKE EXECUTE ON FUNCTION @extschema@.call_worker_pids(regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'call_worker_pids'), ('operate', 'call_worker_pids');

COMMENT ON FUNCTION @extschema@.call_worker_pids(regclass, name) IS
'the process ids of the background workers of a log; NULL: of the default log. consumer: NULL is all of its consumers. '
'Errors: 42704 no such consumer, 55000 no such log, 42P08 several logs, none is the default and none is named';

CREATE FUNCTION @extschema@.start_call_worker(log regclass DEFAULT NULL, max_events int DEFAULT 1000,
        poll interval DEFAULT '200 milliseconds', workers int DEFAULT 1, keep boolean DEFAULT false,
        consumer name DEFAULT NULL)
    RETURNS int
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_start_call_worker';
REVOKE EXECUTE ON FUNCTION @extschema@.start_call_worker(regclass, int, interval, int, boolean, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'start_call_worker');

COMMENT ON FUNCTION @extschema@.start_call_worker(regclass, int, interval, int, boolean, name) IS
'makes so many workers run inside the server and returns how many it had to start. A scheduler may call it again and '
'again. A worker is a dynamic background worker: without keep, nothing has to be preloaded. It processes the log''s '
'events as process_call_events does, with the rights of the caller; a superuser gets a warning. It takes a lease of a '
'minute first, so it counts an event even if that event ends the server. It sleeps for poll (1 millisecond to 1 hour) '
'when nothing is pending. After an error it goes on, after a pause of up to a minute. It goes on after '
'pg_cancel_backend too. It runs in read committed, with any defaults. pg_stat_activity shows it as "callhardening '
'worker for <log>". It ends with the server. It ends when the log, the consumer or the extension is dropped, and when '
'its role is dropped or may not log in or connect any more. keep: the launcher of shared_preload_libraries = '
'''callhardening'' starts the workers after the commit, with the server, and when they end. The function then returns '
'how many it will start. This lasts until stop_call_worker. The last call with keep decides on number, role, '
'max_events and poll. NULL: false. The setting callhardening.max_workers (an integer, 8 at first, changed by a '
'reload) limits the workers of all databases together. max_events: of a batch, 1 to 100000. log: NULL is the default '
'log. consumer: NULL is the default one. Errors: 22023 out of range, 25006 on a standby, or keep in a read-only '
'transaction, 28000 the caller has no LOGIN, 42501 or no CONNECT, or no SELECT on the log, 42501 keep where others '
'are kept as a role that the caller may not signal, or where the owner of the extension is neither a superuser nor a '
'member of the caller, 53400 callhardening.max_workers is reached or no background worker slot is left '
'(max_worker_processes), 53000 a worker did not come up within 10 seconds (the others stay), 55000 no such log, or it '
'was made or configured in this transaction, or keep without the launcher, 0A000 PREPARE TRANSACTION after keep, '
'42704 no such consumer, 42P08 several logs, none is the default and none is named';

CREATE FUNCTION @extschema@.stop_call_worker(log regclass DEFAULT NULL, consumer name DEFAULT NULL) RETURNS int
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
    AS $$
SELECT _callhardening.forget_kept_workers(log, consumer);
SELECT count(*)::int FROM @extschema@.call_worker_pids(log, consumer) AS pid
WHERE pg_terminate_backend(pid, 10000)
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.stop_call_worker(regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'stop_call_worker'), ('operate', 'stop_call_worker');

COMMENT ON FUNCTION @extschema@.stop_call_worker(regclass, name) IS
'ends the background workers of a log, and waits up to 10 seconds for each. Returns how many have ended. After the '
'commit none is kept any more (start_call_worker). Their work is rolled back and released. Other workers get it at '
'once, and the attempt does not count. A worker stopped twice ends without a release. Other workers get its events '
'after the lease. log: NULL is the default log. consumer: NULL is all consumers of the log. Errors: 42501 they run or '
'are kept as another role (pg_signal_backend allows it), 25006 they are kept, and the transaction is read-only, 0A000 '
'PREPARE TRANSACTION after kept ones were stopped, 42704 no such consumer, 55000 no such log, 42P08 several logs, '
'none is the default and none is named';
