
-- gaps of distributed tables -----------------------------------------------------------------------

CREATE FUNCTION _callhardening.distribution_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states() WHERE part = 'stamp'
), shells AS MATERIALIZED (
    SELECT s.relation::regclass AS events, l.log_id,
        EXISTS (SELECT FROM _callhardening.consumers AS c WHERE c.log_id = l.log_id) AS has_lanes
    FROM states AS s LEFT JOIN _callhardening.logs AS l ON l.events = s.relation
    WHERE _callhardening.distribution(s.relation) IS NOT NULL
), shards AS MATERIALIZED (
    SELECT s.* FROM _callhardening.local_shards() AS s WHERE s.shell IN (SELECT relation FROM states)
)
SELECT s.events, 'gap', CASE WHEN s.has_lanes THEN 'distributed_log' ELSE 'log_not_registered' END,
    CASE WHEN s.has_lanes THEN 'Citus has distributed the log: no worker here finds its new events'
        ELSE 'Citus has distributed the log, and it has no row in call_event_logs here: this node ingests nothing' END,
    format('On the coordinator: SELECT * FROM attach_call_shards(%L).', s.events)
FROM shells AS s WHERE s.has_lanes OR s.log_id IS NULL
UNION ALL
SELECT s.events, 'note', 'distributed',
    format('Citus has distributed the log: its events are in %s', coalesce(string_agg(
        format('%s on %s:%s', h.shard, h.node, h.port), ', ' ORDER BY h.shard_id), 'no shard')),
    'Workers and views of its events are on these nodes.'
FROM shells AS s LEFT JOIN LATERAL (SELECT * FROM _callhardening.shards_of(s.events) LIMIT 4) AS h ON true
WHERE s.log_id IS NOT NULL AND NOT s.has_lanes
GROUP BY s.events
UNION ALL
SELECT coalesce(s.relation, s.shell), 'gap', 'shard_not_attached',
    format('this node has shard %s of %s, and the shard is no event log: no worker finds its events', s.shard_id,
        s.shell),
    format('SELECT * FROM attach_call_shards(%L).', s.shell)
FROM shards AS s WHERE NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = s.relation)
UNION ALL
SELECT l.events, 'gap', 'shard_moved_away', format('Citus has moved shard %s to %s: its events are there',
        l.shard_id, coalesce(p.host || ':' || p.port, 'another node')),
    format('SELECT * FROM attach_call_shards(%L).',
        coalesce(_callhardening.known_name(p.relation), 'the distributed log'))
FROM _callhardening.logs AS l LEFT JOIN LATERAL _callhardening.place_of_shard(l.shard_id) AS p ON true
WHERE NOT _callhardening.is_placed_here(l.shard_id)
$$;

COMMENT ON FUNCTION _callhardening.distribution_gaps() IS
'gaps of event logs that Citus has distributed: shards that no worker reads, and nodes where nothing can be ingested';
