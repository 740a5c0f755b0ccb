
-- workers for all shards of a server ---------------------------------------------------------------

CREATE FUNCTION _callhardening.count_node_workers() RETURNS int
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_count_node_workers';

COMMENT ON FUNCTION _callhardening.count_node_workers() IS
'how many background workers for all shards of this server run, for call_worker_status';

CREATE FUNCTION @extschema@.call_worker_pids(log regclass, node boolean) RETURNS SETOF int
    LANGUAGE c STABLE ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_node_worker_pids';
REVOKE EXECUTE ON FUNCTION @extschema@.call_worker_pids(regclass, boolean) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_worker_pids(regclass, boolean) IS
'Returns the process ids of the background workers for all shards of this server.
- log: must be NULL
- node: must be true
Errors:
- 22023: another argument';

CREATE FUNCTION @extschema@.start_call_worker(log regclass, node boolean, max_events int DEFAULT 1000,
        poll interval DEFAULT '200 milliseconds', workers int DEFAULT 1, keep boolean DEFAULT false)
    RETURNS int
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_start_node_worker';
REVOKE EXECUTE ON FUNCTION @extschema@.start_call_worker(regclass, boolean, int, interval, int, boolean) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.start_call_worker(regclass, boolean, int, interval, int, boolean) IS
'Makes background workers run that process the events of all shards on this server, and returns
how many it had to start: start_call_worker(log => NULL, node => true). One is enough for many
shards. A shard that comes later is worked on too, as soon as it is attached. A scheduler may
call the function again and again, on each server that has shards. With keep the launcher of the
server starts them. call_worker_status shows them in a row without a log. A shard without the
rights of the caller is in the server log, and the others go on.
- log: must be NULL
- node: must be true
- max_events, poll, workers, keep: as for the worker of a log
Errors:
- 0A000: PREPARE TRANSACTION after keep
- 22023: an argument out of range, or a log
- 25006: on a standby, or keep in a read-only transaction
- 28000: the caller has no LOGIN
- 42501: no CONNECT, or keep as for the worker of a log
- 53000: a worker did not come up within 10 seconds (the others stay)
- 53400: callhardening.max_workers is reached, or no background worker slot is left
  (max_worker_processes)
- 55000: keep without the launcher';

CREATE FUNCTION _callhardening.forget_kept_node_workers(log regclass, node boolean) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_forget_kept_node_workers';
REVOKE EXECUTE ON FUNCTION _callhardening.forget_kept_node_workers(regclass, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('process', 'forget_kept_node_workers'), ('operate', 'forget_kept_node_workers');

COMMENT ON FUNCTION _callhardening.forget_kept_node_workers(regclass, boolean) IS
'a part of stop_call_worker: forget_kept_workers for the workers of all shards';

CREATE FUNCTION @extschema@.stop_call_worker(log regclass, node boolean) RETURNS int
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
    AS $$
SELECT _callhardening.forget_kept_node_workers(log, node);
SELECT count(*)::int FROM @extschema@.call_worker_pids(log, node) AS pid WHERE pg_terminate_backend(pid, 10000)
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.stop_call_worker(regclass, boolean) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.stop_call_worker(regclass, boolean) IS
'Ends the background workers for all shards of this server, and returns how many have ended. It
waits up to 10 seconds for each. After the commit none is kept any more.
- log: must be NULL
- node: must be true
Errors:
- 0A000: PREPARE TRANSACTION after kept ones were stopped
- 22023: another argument
- 25006: they are kept, and the transaction is read-only
- 42501: they run or are kept as another role (pg_signal_backend allows it)';
