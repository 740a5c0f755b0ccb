
-- workers inside the server --------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_worker_pids(log regclass DEFAULT NULL, consumer name DEFAULT NULL) RETURNS SETOF int
    LANGUAGE c STABLE ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_call_worker_pids';
REVOKE EXECUTE ON FUNCTION @extschema@.call_worker_pids(regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('process', 'call_worker_pids'), ('operate', 'call_worker_pids'), ('monitor', 'call_worker_pids');

COMMENT ON FUNCTION @extschema@.call_worker_pids(regclass, name) IS
'Returns the process ids of the background workers of a log.
- log: NULL is the default log
- consumer: NULL is all consumers of the log
Errors:
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log';

CREATE FUNCTION @extschema@.start_call_worker(log regclass DEFAULT NULL, max_events int DEFAULT 1000,
        poll interval DEFAULT '200 milliseconds', workers int DEFAULT 1, keep boolean DEFAULT false,
        consumer name DEFAULT NULL)
    RETURNS int
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_start_call_worker';
REVOKE EXECUTE ON FUNCTION @extschema@.start_call_worker(regclass, int, interval, int, boolean, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'start_call_worker');

COMMENT ON FUNCTION @extschema@.start_call_worker(regclass, int, interval, int, boolean, name) IS
'Makes background workers run inside the server, and returns how many it had to start. A
scheduler may call it again and again.

A worker processes the log''s events as process_call_events does, with the rights of the caller:
a superuser gets a warning. It takes a lease of a minute first, so it counts an event even if
that event ends the server. After an error it goes on, after a pause of up to a minute. It goes
on after pg_cancel_backend too. It runs in read committed, with any defaults. pg_stat_activity
shows it as "callhardening worker for <log>". It ends with the server. It ends when the log, the
consumer or the extension is dropped, and when its role is dropped or may not log in or connect
any more. Without keep, nothing has to be preloaded.

The setting callhardening.max_workers limits the workers of all databases together.
- log: NULL is the default log
- max_events: of a batch, 1 to 100000
- poll: how long a worker sleeps when nothing is pending, 1 millisecond to 1 hour
- workers: so many shall run
- keep: true: the launcher of shared_preload_libraries = ''callhardening'' starts the workers
  after the commit, with the server, and when they end, until stop_call_worker. The function
  returns how many it will start. The last call with keep decides on number, role, max_events
  and poll. NULL: false
- consumer: NULL is the default one
Errors:
- 0A000: PREPARE TRANSACTION after keep
- 22023: an argument out of range
- 25006: on a standby, or keep in a read-only transaction
- 28000: the caller has no LOGIN
- 42501: no CONNECT, no SELECT on the log, keep where others are kept as a role that the caller
  may not signal, or where the owner of the extension is neither a superuser nor a member of the
  caller
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 53000: a worker did not come up within 10 seconds (the others stay)
- 53400: callhardening.max_workers is reached, or no background worker slot is left
  (max_worker_processes)
- 55000: no such log, or it was made or configured in this transaction, or keep without the
  launcher';

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
'Ends the background workers of a log, and returns how many have ended. It waits up to 10 seconds
for each. After the commit none is kept any more (start_call_worker). Their work is rolled back
and released. Other workers get it at once, and the attempt does not count. A worker stopped
twice ends without a release: other workers get its events after the lease.
- log: NULL is the default log
- consumer: NULL is all consumers of the log
Errors:
- 0A000: PREPARE TRANSACTION after kept ones were stopped
- 25006: they are kept, and the transaction is read-only
- 42501: they run or are kept as another role (pg_signal_backend allows it)
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log';
