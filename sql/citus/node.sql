
-- all shards of a server ---------------------------------------------------------------------------

CREATE FUNCTION _callhardening.placed_shards() RETURNS SETOF regclass
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT l.events FROM _callhardening.logs AS l
WHERE l.shard_id IS NOT NULL AND _callhardening.is_placed_here(l.shard_id) ORDER BY random()
$$;

COMMENT ON FUNCTION _callhardening.placed_shards() IS
'the attached shards of distributed logs that are on this server';

CREATE FUNCTION _callhardening.process_shard(shard regclass, max_events int) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM @extschema@.process_call_events(max_events, shard, NULL::name);
EXCEPTION WHEN OTHERS THEN
    -- One shard does not stop the others.
    PERFORM _callhardening.report('WARNING'::text, format('events of %s were not processed', shard),
        detail => format('%s (%s)', SQLERRM, SQLSTATE));
END
$$;

COMMENT ON FUNCTION _callhardening.process_shard(regclass, int) IS
'a part of process_node_call_events: an error of one shard is a WARNING';

CREATE PROCEDURE @extschema@.process_node_call_events(max_events int DEFAULT 1000)
    LANGUAGE plpgsql
    AS $$
DECLARE
    shard pg_catalog.regclass;
BEGIN
    IF max_events IS NULL OR NOT max_events OPERATOR(pg_catalog.>=) 1
        OR NOT max_events OPERATOR(pg_catalog.<=) 100000 THEN
        PERFORM _callhardening.raise_error('22023'::pg_catalog.text,
            'max_events must be between 1 and 100000'::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text);
    END IF;
    COMMIT; -- also without a shard: an error inside of a transaction
    FOR shard IN SELECT s FROM _callhardening.placed_shards() AS s LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM _callhardening.process_shard(shard, max_events);
    END LOOP;
END
$$;
REVOKE EXECUTE ON PROCEDURE @extschema@.process_node_call_events(int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'process_node_call_events');

COMMENT ON PROCEDURE @extschema@.process_node_call_events(int) IS
'Processes pending events of all shards on this server, each in a transaction of its own, as
process_call_events does. Call it on each server that has shards, as a statement of its own,
outside of a transaction. If a shard fails, a WARNING comes, and the others go on.
- max_events: of each shard, 1 to 100000
Errors:
- 22023: max_events out of range
- 2D000: inside of a transaction';

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
        poll interval DEFAULT '200 milliseconds', workers int DEFAULT 1)
    RETURNS int
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_start_node_worker';
REVOKE EXECUTE ON FUNCTION @extschema@.start_call_worker(regclass, boolean, int, interval, int) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.start_call_worker(regclass, boolean, int, interval, int) IS
'Makes background workers run that process the events of all shards on this server, and returns
how many it had to start: start_call_worker(log => NULL, node => true). One is enough for many
shards. A shard that comes later is worked on too, as soon as it is attached. A scheduler may
call the function again and again, on each server that has shards. No launcher keeps these
workers.
- log: must be NULL
- node: must be true
- max_events, poll, workers: as for the worker of a log
Errors:
- 22023: an argument out of range, or a log
- 25006: on a standby
- 28000: the caller has no LOGIN
- 42501: no CONNECT
- 53000: a worker did not come up within 10 seconds (the others stay)
- 53400: callhardening.max_workers is reached, or no background worker slot is left
  (max_worker_processes)';

CREATE FUNCTION @extschema@.stop_call_worker(log regclass, node boolean) RETURNS int
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
    AS $$
SELECT count(*)::int FROM @extschema@.call_worker_pids(log, node) AS pid WHERE pg_terminate_backend(pid, 10000)
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.stop_call_worker(regclass, boolean) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.stop_call_worker(regclass, boolean) IS
'Ends the background workers for all shards of this server, and returns how many have ended. It
waits up to 10 seconds for each.
- log: must be NULL
- node: must be true
Errors:
- 22023: another argument
- 42501: they run as another role (pg_signal_backend allows it)';
