
-- gaps of distributed tables -----------------------------------------------------------------------

CREATE FUNCTION _callhardening.unread_shards()
    RETURNS TABLE (relation regclass, shell regclass, shard_id bigint, is_on_its_way boolean, obstacle text,
        advice text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(s.relation, s.shell), s.shell, s.shard_id,
    m.state IS NOT NULL,
    CASE WHEN m.state IS NULL
        THEN format('this node has shard %s of %s, and the shard is no event log', s.shard_id, s.shell)
        ELSE format('shard %s of %s is on its way to %s:%s', s.shard_id, s.shell, m.to_host, m.to_port) END,
    CASE WHEN m.state IS NULL THEN format('On the coordinator: SELECT * FROM attach_call_shards(%L). If that says '
            'detached, here: attach_call_event_log(%L, %L, state), with what its detach has returned. Without a state '
            'all events come once more.', s.shell, coalesce(s.relation, s.shell), (SELECT h.calls_shard
                FROM _callhardening.local_shards(s.shell) AS h WHERE h.shard_id = s.shard_id))
        ELSE format('On the coordinator: CALL move_call_shard(%L, %s, %L, %s).', s.shell, s.shard_id, m.to_host,
            m.to_port) END
FROM _callhardening.local_shards() AS s CROSS JOIN LATERAL _callhardening.noted_move(s.shell, s.shard_id) AS m
WHERE s.shell IN (SELECT t.relation FROM _callhardening.trigger_states() AS t WHERE t.part = 'stamp')
    AND NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = s.relation)
$$;

COMMENT ON FUNCTION _callhardening.unread_shards() IS
'the shards of event logs on this server whose events no worker finds. relation: the distributed table, if the shard '
'is missing. is_on_its_way: move_call_shard has taken it out of work; known to the owner''s members only';

CREATE FUNCTION _callhardening.distribution_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states() WHERE part = 'stamp'
), shells AS MATERIALIZED (
    SELECT s.relation::regclass AS events, l.log_id, d.kind,
        d.kind = 'schema' OR l.route_column IS NOT NULL OR l.log_id IS NULL AND d.kind = 'hash' AS can_attach,
        EXISTS (SELECT FROM _callhardening.consumers AS c WHERE c.log_id = l.log_id) AS has_lanes
    FROM states AS s LEFT JOIN _callhardening.logs AS l ON l.events = s.relation,
        _callhardening.distribution(s.relation) AS d (kind)
    WHERE d.kind IS NOT NULL
)
SELECT s.events, 'gap', CASE WHEN s.has_lanes THEN 'distributed_log' ELSE 'log_not_registered' END,
    CASE WHEN s.has_lanes THEN 'Citus has distributed the log: no worker here finds its new events'
        ELSE 'Citus has distributed the log, and it has no row in call_event_logs here: this node ingests nothing' END,
    CASE WHEN s.can_attach
        THEN format('On the coordinator: SELECT * FROM attach_call_shards(%L).', s.events)
        ELSE format('The shards of a %s table cannot be attached. Copy its rows into a log of '
            'create_distributed_call_tables, or of a distributed schema.', s.kind) END
FROM shells AS s WHERE s.has_lanes OR s.log_id IS NULL
UNION ALL
SELECT s.events, 'note', 'distributed',
    format('Citus has distributed the log: its events are in %s',
        coalesce(_callhardening.first_shards(s.events, '%s on %s:%s'), 'no shard')),
    'Workers and views of its events are on these nodes.'
FROM shells AS s WHERE s.log_id IS NOT NULL AND NOT s.has_lanes
UNION ALL
SELECT u.relation, 'gap', CASE WHEN u.is_on_its_way THEN 'shard_on_its_way' ELSE 'shard_not_attached' END,
    u.obstacle || ': no worker finds its events', u.advice
FROM _callhardening.unread_shards() AS u
UNION ALL
SELECT l.events, 'gap', 'shard_moved_away', format('Citus has moved shard %s to %s: its events are there',
        l.shard_id, coalesce(p.host || ':' || p.port, 'another node')),
    coalesce('On the coordinator: SELECT * FROM attach_call_shards('
        || quote_literal(_callhardening.known_name(p.relation)) || ').',
        'Call attach_call_shards for the distributed log.')
FROM _callhardening.logs AS l LEFT JOIN LATERAL _callhardening.place_of_shard(l.shard_id) AS p ON true
WHERE NOT _callhardening.is_placed_here(l.shard_id)
UNION ALL
SELECT s.events, 'gap', 'moving_table_missing',
    'the log has no table call_moving of its owner: move_call_shard is refused, and no shard that arrives is attached',
    'If there is one of another owner: ALTER TABLE ... OWNER TO.'
FROM shells AS s JOIN _callhardening.logs AS l ON l.log_id = s.log_id
WHERE l.route_column IS NOT NULL AND _callhardening.moving_table(s.events) IS NULL
$$;

COMMENT ON FUNCTION _callhardening.distribution_gaps() IS
'gaps of event logs that Citus has distributed: shards that no worker reads, and nodes where nothing can be ingested';
