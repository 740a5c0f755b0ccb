
-- what runs, and what should -------------------------------------------------------------------

CREATE FUNCTION _callhardening.worker_status(kept _callhardening.kept_workers, running int, fault text,
        is_known boolean, failure text, is_restored boolean, OUT status text, OUT why text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN kept.consumer_id IS NULL THEN 'not kept'
            WHEN kept.database <> d.oid THEN 'copied'
            WHEN running >= kept.workers THEN 'running'
            WHEN fault IS NOT NULL THEN 'stopped'
            WHEN failure IS NOT NULL OR NOT is_known THEN 'waiting'
            ELSE 'starting' END,
       CASE WHEN kept.consumer_id IS NULL AND is_restored THEN 'the log was restored: a dump has no kept workers'
            WHEN kept.consumer_id IS NULL THEN NULL
            WHEN kept.database <> d.oid THEN 'they were started in another database, and this is a copy of it'
            WHEN fault IS NOT NULL THEN fault
            WHEN running >= kept.workers THEN NULL
            WHEN NOT is_known THEN 'the launcher has not read it, or refuses it: the server log has the reason'
            ELSE failure END
FROM pg_database AS d WHERE d.datname = current_database()
$$;

COMMENT ON FUNCTION
    _callhardening.worker_status(_callhardening.kept_workers, int, text, boolean, text, boolean) IS
'the columns status and why of call_worker_status. fault: of launcher_state. is_known: the launcher knows the row. '
'failure: what it has met';

CREATE FUNCTION _callhardening.is_table(relation regclass) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = relation AND c.relkind = 'r')
$$;

COMMENT ON FUNCTION _callhardening.is_table(regclass) IS 'whether a relation is there, and is an ordinary table';

CREATE VIEW @extschema@.call_worker_status AS
SELECT w.log, w.consumer, s.status, w.running, k.workers AS kept,
    (SELECT a.rolname FROM pg_catalog.pg_roles a WHERE a.oid OPERATOR(pg_catalog.=) k.role) AS role,
    k.max_events, pg_catalog.make_interval(secs => k.poll::float8 OPERATOR(pg_catalog./) 1000::float8) AS poll,
    k.kept_since, f.launcher, s.why,
    -- The launcher knows the end of a worker, and not that somebody stopped it for good.
    CASE WHEN k.workers IS NOT NULL THEN t.failure END AS last_failure,
    CASE WHEN k.workers IS NOT NULL THEN t.failed_at END AS last_failed_at,
    CASE WHEN s.status OPERATOR(pg_catalog.=) 'waiting'::text THEN t.next_try END AS next_try
FROM (
    SELECT l.events AS log, n.name AS consumer, n.consumer_id, (
            SELECT pg_catalog.count(*)::int FROM @extschema@.call_worker_pids(l.events, n.name)) AS running,
        n.consumer_id OPERATOR(pg_catalog.=) l.log_id AS is_always_shown,
        l.system_identifier OPERATOR(pg_catalog.=) 0::bigint AS is_restored
    FROM _callhardening.logs l JOIN _callhardening.consumers n ON n.log_id OPERATOR(pg_catalog.=) l.log_id
    WHERE _callhardening.is_table(l.events)
    UNION ALL
    SELECT NULL, NULL, 0, _callhardening.count_node_workers(), false, false) w
CROSS JOIN _callhardening.launcher_state() f
LEFT JOIN _callhardening.kept_workers k ON k.consumer_id OPERATOR(pg_catalog.=) w.consumer_id
LEFT JOIN _callhardening.kept_worker_states() t ON t.consumer_id OPERATOR(pg_catalog.=) w.consumer_id
CROSS JOIN LATERAL _callhardening.worker_status(k, w.running, f.fault, t.consumer_id IS NOT NULL, t.failure,
    w.is_restored) s
WHERE w.is_always_shown OR w.running OPERATOR(pg_catalog.>) 0 OR k.workers IS NOT NULL;
REVOKE ALL ON @extschema@.call_worker_status FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('process', 'call_worker_status', 'SELECT'), ('operate', 'call_worker_status', 'SELECT'),
    ('monitor', 'call_worker_status', 'SELECT');

COMMENT ON VIEW @extschema@.call_worker_status IS
'Each event log of this database: its workers in the server, those that start_call_worker(keep =>
true) has written down, and why one does not run. Consumers beside the default one have a row if
they have such workers, and so have the workers for all shards of this server
(start_call_worker with node).';
COMMENT ON COLUMN @extschema@.call_worker_status.log IS
'the event log; NULL, as is consumer: the row is of the workers for all shards of this server';
COMMENT ON COLUMN @extschema@.call_worker_status.consumer IS 'the consumer; default: the one of process_call_events';
COMMENT ON COLUMN @extschema@.call_worker_status.status IS
'running: as many as are kept run; starting; waiting: for the next try, see why; stopped: the launcher starts none, '
'see why; copied: they were started in another database, and this is a copy of it; not kept: none was written down';
COMMENT ON COLUMN @extschema@.call_worker_status.running IS 'how many workers run, kept or not';
COMMENT ON COLUMN @extschema@.call_worker_status.kept IS 'how many are kept; NULL: none, as for the next four columns';
COMMENT ON COLUMN @extschema@.call_worker_status.role IS
'the role that kept them: they have its rights; NULL also: it was dropped';
COMMENT ON COLUMN @extschema@.call_worker_status.max_events IS 'events of a batch';
COMMENT ON COLUMN @extschema@.call_worker_status.poll IS 'how long they sleep when nothing is pending';
COMMENT ON COLUMN @extschema@.call_worker_status.kept_since IS 'the last call of start_call_worker(keep => true)';
COMMENT ON COLUMN @extschema@.call_worker_status.launcher IS
'running; not preloaded: callhardening is not in shared_preload_libraries; standby: it starts with the promotion; not '
'running: the server starts it again within 5 seconds';
COMMENT ON COLUMN @extschema@.call_worker_status.why IS 'why not all of them run, or would not be started again';
COMMENT ON COLUMN @extschema@.call_worker_status.last_failure IS
'the last thing that kept one from running, since the launcher or the server has started; NULL: nothing did, or none '
'is kept';
COMMENT ON COLUMN @extschema@.call_worker_status.last_failed_at IS 'when that was';
COMMENT ON COLUMN @extschema@.call_worker_status.next_try IS 'when the launcher tries again; NULL: nothing waits';
