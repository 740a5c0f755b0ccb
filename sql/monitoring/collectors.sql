
-- the values of the metrics --------------------------------------------------------------------
--
-- A collector is a function with the rights of its caller. Its columns are labels and metrics, without the prefix
-- callhardening_. sql/monitoring/metrics.sql says what each metric is. The files of docs/monitoring call collectors.
-- The queries are small, but PostgreSQL takes them for expensive: compiling them took twenty times as long as running.
-- A locked table must not hold a monitor up: its log or collector then has the SQLSTATE 55P03.

CREATE FUNCTION _callhardening.server_metrics()
    RETURNS TABLE (version text, library_version text, extension_info int, server_shared_memory_up int,
        server_free_waiting_places bigint, server_snapshots_visible int)
    LANGUAGE sql ROWS 1 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT e.extversion, @extschema@.call_library_version(), 1, (p.places IS NOT NULL)::int, p.places,
    pg_has_role('pg_read_all_stats', 'USAGE')::int
FROM pg_extension AS e, _callhardening.free_waiting_places() AS p (places) WHERE e.extname = 'callhardening'
$$;

COMMENT ON FUNCTION _callhardening.server_metrics() IS 'a collector: one row about the server and the extension';

-- A number that a monitor has seen must not fall after a crash: so the commit of the scrape saves what it reports.
CREATE FUNCTION _callhardening.count_metrics()
    RETURNS TABLE (log text, consumer text, events_received_total bigint, events_redelivered_total bigint,
        events_purged_total bigint, events_claimed_total bigint, events_completed_total bigint,
        events_applied_total bigint, events_unchanged_total bigint, events_refused_total bigint,
        events_failed_total bigint, events_dead_total bigint, counters_up int,
        counters_start_timestamp_seconds numeric)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT c.log::text, c.consumer::text, c.received, c.redelivered, c.purged, c.claimed, c.completed, c.applied,
    c.unchanged, c.refused, c.failed, c.dead, (c.dead IS NOT NULL)::int, extract(epoch FROM c.counted_since)
FROM @extschema@.call_event_counts AS c, @extschema@.flush_call_event_counts()
$$;

COMMENT ON FUNCTION _callhardening.count_metrics() IS
'a collector: call_event_counts. The commit saves the counts, unless the transaction is read-only';

CREATE FUNCTION _callhardening.lag_metrics()
    RETURNS TABLE (log text, consumer text, event_lag_seconds float8[], event_lag_seconds_bucket bigint[],
        event_lag_seconds_sum numeric, event_lag_seconds_count bigint)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT g.log::text, g.consumer::text, array_agg(extract(epoch FROM g.up_to)::float8 ORDER BY g.up_to)
        FILTER (WHERE g.up_to IS NOT NULL),
    array_agg(g.events ORDER BY g.up_to) FILTER (WHERE g.up_to IS NOT NULL), extract(epoch FROM min(g.total_lag)),
    max(g.events)
FROM @extschema@.call_event_lag AS g JOIN _callhardening.logs AS l ON l.events = g.log,
    @extschema@.flush_call_event_counts()
WHERE l.received_at_column IS NOT NULL AND g.events IS NOT NULL
GROUP BY g.log, g.consumer
$$;

COMMENT ON FUNCTION _callhardening.lag_metrics() IS
'a collector: call_event_lag, one row for each histogram: bounds and cumulative counts as arrays, without the last '
'bucket, then the sum and the count of all. Not counted: no row. The commit saves the counts, unless the transaction '
'is read-only';

CREATE FUNCTION _callhardening.lag_buckets()
    RETURNS TABLE (log text, consumer text, le text, event_lag_seconds_bucket bigint)
    LANGUAGE sql ROWS 100 SET search_path = pg_catalog, pg_temp
    AS $$
SELECT m.log, m.consumer, b.bound, b.events
FROM _callhardening.lag_metrics() AS m, ROWS FROM (unnest(m.event_lag_seconds::text[] || '+Inf'::text),
    unnest(m.event_lag_seconds_bucket || m.event_lag_seconds_count)) AS b (bound, events)
$$;

COMMENT ON FUNCTION _callhardening.lag_buckets() IS
'lag_metrics, a row for each bucket: for exporters that know no histograms';

CREATE FUNCTION _callhardening.log_metrics()
    RETURNS TABLE (log text, sqlstate text, event_log_up int, event_log_error_info int, event_log_lanes int,
        event_log_other_consumers int, event_log_ignored_events bigint, event_log_events_per_second numeric)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT l.events::text, f.sqlstate, (f.sqlstate IS NULL)::int, CASE WHEN f.sqlstate IS NOT NULL THEN 1 END, l.lanes,
    cardinality(l.other_consumers), s.ignored, s.events_per_second::numeric
FROM _callhardening.placed_logs AS l LEFT JOIN @extschema@.call_event_log_status AS s ON s.log = l.events,
    -- A log that the reader may not read is not in the view.
    LATERAL (SELECT CASE WHEN s.log IS NULL THEN '42501' ELSE substring(s.error FROM '\((\w{5})\)$') END)
        AS f (sqlstate)
$$;

COMMENT ON FUNCTION _callhardening.log_metrics() IS
'a collector: call_event_log_status, for each log of the database. sqlstate: why the log cannot be read, or NULL';

CREATE FUNCTION _callhardening.consumer_metrics()
    RETURNS TABLE (log text, consumer text, consumer_pending_events bigint, consumer_oldest_pending_seconds numeric,
        consumer_open_claims bigint, consumer_expired_claims bigint, consumer_claimed_events bigint,
        consumer_oldest_claim_seconds numeric, consumer_last_claim_seconds numeric, consumer_retrying_events bigint,
        consumer_blocked_events bigint, consumer_oldest_retry_seconds numeric, consumer_lock_waiting_events bigint,
        consumer_oldest_lock_wait_seconds numeric, consumer_full_lanes bigint, consumer_dead_events bigint,
        consumer_holds_purges int)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
WITH claims AS MATERIALIZED (
    SELECT o.log, o.consumer, sum(o.events) AS events, max(o.age) AS age
    FROM @extschema@.call_open_claims AS o GROUP BY o.log, o.consumer
), lanes AS MATERIALIZED (
    SELECT l.events AS log, r.consumer, r.lane, count(r.due_at) AS retrying, count(*) - count(r.due_at) AS blocked,
        min(r.waiting_since) AS since, count(r.due_at) FILTER (WHERE r.lock_waits > 0) AS locked,
        min(r.waiting_since) FILTER (WHERE r.lock_waits > 0 AND r.due_at IS NOT NULL) AS locked_since
    FROM @extschema@.call_retrying_events AS r JOIN _callhardening.logs AS l ON l.log_id = r.log_id
    GROUP BY l.events, r.consumer, r.lane
)
SELECT c.log::text, c.consumer::text, c.pending_estimate,
    CASE WHEN c.behind IS NOT NULL OR c.error IS NULL AND c.oldest_event_seq IS NULL
        THEN greatest(extract(epoch FROM c.behind), 0) END,
    c.open_claims, c.claims_over, coalesce(o.events, 0)::bigint, greatest(extract(epoch FROM o.age), 0),
    CASE WHEN c.last_claimed_at IS NOT NULL
        THEN greatest(extract(epoch FROM clock_timestamp() - c.last_claimed_at), 0) END,
    coalesce(w.retrying, 0)::bigint, coalesce(w.blocked, 0)::bigint,
    greatest(extract(epoch FROM clock_timestamp() - w.since), 0), coalesce(w.locked, 0)::bigint,
    greatest(extract(epoch FROM clock_timestamp() - w.locked_since), 0), w.full_lanes, c.dead, c.holds_purges::int
FROM @extschema@.call_consumers AS c LEFT JOIN claims AS o ON o.log = c.log AND o.consumer = c.consumer,
    LATERAL (SELECT sum(n.retrying) AS retrying, sum(n.blocked) AS blocked, min(n.since) AS since,
            sum(n.locked) AS locked, min(n.locked_since) AS locked_since,
            count(*) FILTER (WHERE n.retrying + n.blocked >= c.max_retrying) AS full_lanes
        FROM lanes AS n WHERE n.log = c.log AND n.consumer = c.consumer) AS w
$$;

COMMENT ON FUNCTION _callhardening.consumer_metrics() IS
'a collector: call_consumers, with its claims and retries. An age is 0 if nothing waits, and NULL if it is not known';

CREATE FUNCTION _callhardening.worker_metrics()
    RETURNS TABLE (log text, consumer text, status text, launcher text, workers_running int, workers_kept int,
        worker_status_info int, worker_last_failure_timestamp_seconds numeric)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    SET citus.override_table_visibility = off
    AS $$
SELECT coalesce(w.log::text, '*'), coalesce(w.consumer::text, '*'), w.status, w.launcher, w.running,
    coalesce(w.kept, 0), 1,
    extract(epoch FROM w.last_failed_at)
FROM @extschema@.call_worker_status AS w
$$;

COMMENT ON FUNCTION _callhardening.worker_metrics() IS
'a collector: call_worker_status. log and consumer *: workers for all shards of this server';

CREATE FUNCTION _callhardening.waiter_metrics()
    RETURNS TABLE (log text, consumer text, kind text, state text, waiting_sessions bigint)
    LANGUAGE sql ROWS 8 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT coalesce(w.log::text, '*'), CASE WHEN w.log IS NULL THEN '*' ELSE w.consumer::text END, w.kind,
    CASE WHEN w.is_waiting THEN 'waiting' ELSE 'working' END, count(*)
FROM @extschema@.call_event_waiters AS w GROUP BY 1, 2, 3, 4
$$;

COMMENT ON FUNCTION _callhardening.waiter_metrics() IS
'a collector: call_event_waiters, counted. log and consumer *: workers for all shards of this server';

CREATE FUNCTION _callhardening.snapshot_metrics()
    RETURNS TABLE (holder text, oldest_snapshot_transactions bigint, oldest_snapshot_seconds numeric)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT k.holder, coalesce(max(h.transactions), 0), CASE WHEN count(h.holder) = count(h.since)
    THEN greatest(extract(epoch FROM clock_timestamp() - min(h.since)), 0) END
FROM (VALUES ('backend'), ('standby'), ('replication slot'), ('prepared transaction')) AS k (holder)
LEFT JOIN @extschema@.call_horizon AS h ON h.holder = k.holder AND h.name <> pg_backend_pid()::text
-- PostgreSQL shows the sessions of other roles only to these roles.
WHERE pg_has_role('pg_read_all_stats', 'USAGE')
GROUP BY k.holder
$$;

COMMENT ON FUNCTION _callhardening.snapshot_metrics() IS
'a collector: call_horizon, the oldest snapshot of each kind of holder. 0: no snapshot is held. No row: the reader is '
'not a member of pg_read_all_stats, and does not see the sessions of others';

CREATE FUNCTION _callhardening.enforcement_metrics()
    RETURNS TABLE (relation text, level text, gap text, enforcement_rows bigint)
    LANGUAGE sql ROWS 8 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT e.relation::text, e.level, e.gap, count(*) FROM @extschema@.call_enforcement AS e GROUP BY 1, 2, 3
$$;

COMMENT ON FUNCTION _callhardening.enforcement_metrics() IS
'a collector: call_enforcement, counted. relation NULL: the gap is everywhere';

-- The kinds of a table are there with 0 as well, so that a series does not begin with its first issue.
CREATE FUNCTION _callhardening.issue_metrics()
    RETURNS TABLE (relation text, kind text, issues_last_hour bigint)
    LANGUAGE sql ROWS 8 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
WITH kinds AS (
    -- A shard has no issues under its own name.
    SELECT DISTINCT _callhardening.known_name(h.relation) AS relation, k.kind
    FROM _callhardening.hardened_tables() AS h, unnest('{refused_status, refused_call_id, refined_status,
        unknown_status, unknown_direction}'::text[]) AS k (kind) WHERE h.relation = h.root
    UNION ALL
    SELECT DISTINCT _callhardening.known_name(l.events), k.kind FROM _callhardening.logs AS l,
        unnest('{unparsable_body, body_without_call, dead_event}'::text[]) AS k (kind)
), counts AS (
    SELECT i.table_name AS relation, i.kind, sum(i.occurrences)::bigint AS issues
    FROM @extschema@.call_issues AS i WHERE i.happened_at > clock_timestamp() - interval '1 hour'
    GROUP BY i.table_name, i.kind
)
SELECT coalesce(k.relation, c.relation), coalesce(k.kind, c.kind), coalesce(c.issues, 0)
FROM kinds AS k FULL JOIN counts AS c ON c.relation = k.relation AND c.kind = k.kind
$$;

COMMENT ON FUNCTION _callhardening.issue_metrics() IS
'a collector: call_issues of the last hour, by table and kind, under the name that the table had then';

CREATE FUNCTION _callhardening.size_metrics()
    RETURNS TABLE (relation text, kind text, relation_bytes numeric)
    LANGUAGE sql ROWS 8 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    SET citus.override_table_visibility = off
    AS $$
-- The rows of a distributed table are in shards.
SELECT h.root::text, 'calls', sum(CASE WHEN _callhardening.distribution(h.root) IS NULL
    THEN pg_total_relation_size(h.relation) END)
FROM _callhardening.hardened_tables() AS h WHERE NOT _callhardening.is_moved_away(h.root) GROUP BY h.root
UNION ALL
SELECT l.events::text, 'events', CASE WHEN _callhardening.distribution(l.events) IS NULL
    THEN pg_total_relation_size(l.events) END FROM _callhardening.placed_logs AS l
UNION ALL
SELECT '_callhardening', 'bookkeeping', sum(pg_total_relation_size(c.oid)) FROM pg_class AS c
WHERE c.relnamespace = '_callhardening'::regnamespace AND c.relkind = 'r'
$$;

COMMENT ON FUNCTION _callhardening.size_metrics() IS
'a collector: bytes with indexes and TOAST of hardened tables with their partitions, of event logs, and of the tables '
'of the extension. NULL: the table was dropped a moment ago';

CREATE FUNCTION _callhardening.backfill_metrics()
    RETURNS TABLE (relation text, part text, state text, backfill_state_info int, backfill_done_rows bigint,
        backfill_left_rows bigint, backfill_repaired_rows bigint, backfill_unwritten_rows bigint,
        backfill_locked_rows int)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    SET citus.override_table_visibility = off
    AS $$
SELECT b.calls::text, b.part::text, b.state, 1, b.rows_done, b.rows_left, b.rows_repaired, b.rows_unwritten,
    b.rows_locked
FROM @extschema@.call_backfill_progress AS b
$$;

COMMENT ON FUNCTION _callhardening.backfill_metrics() IS 'a collector: call_backfill_progress';

CREATE FUNCTION _callhardening.health_or_error(calls regclass)
    RETURNS TABLE (figure text, value numeric, level text, sqlstate text)
    LANGUAGE plpgsql ROWS 20 SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN QUERY SELECT h.figure, h.value, h.level, NULL::text FROM @extschema@.call_health(calls, false) AS h;
EXCEPTION WHEN OTHERS THEN
    -- An unreadable table does not hide the others.
    RETURN QUERY SELECT NULL::text, NULL::numeric, NULL::text, SQLSTATE::text;
END
$$;

COMMENT ON FUNCTION _callhardening.health_or_error(regclass) IS
'call_health for a collector; for an unreadable table, one row with the SQLSTATE';

CREATE FUNCTION _callhardening.calls_metrics()
    RETURNS TABLE (relation text, figure text, sqlstate text, calls_up int, calls_error_info int,
        calls_table_rows numeric, calls_duplicate_ids numeric, calls_other_directions numeric,
        calls_average_payload_bytes numeric, calls_largest_payload_bytes numeric, stuck_calls numeric, health_level int)
    LANGUAGE sql ROWS 20 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT t.relation::text, h.figure, h.sqlstate,
    CASE WHEN h.sqlstate IS NOT NULL THEN 0 WHEN h.figure = 'calls' THEN 1 END,
    CASE WHEN h.sqlstate IS NOT NULL THEN 1 END,
    CASE h.figure WHEN 'calls' THEN h.value END,
    CASE h.figure WHEN 'duplicates' THEN h.value END,
    CASE h.figure WHEN 'directions' THEN h.value END,
    CASE h.figure WHEN 'payload_average' THEN h.value END,
    CASE h.figure WHEN 'payload_largest' THEN h.value END,
    CASE h.figure WHEN 'stuck_calls' THEN h.value END,
    array_position('{ok,warning,critical}'::text[], h.level) - 1
FROM _callhardening.hardened_tables() AS t, _callhardening.health_or_error(t.relation) AS h
WHERE t.relation = t.root
$$;

COMMENT ON FUNCTION _callhardening.calls_metrics() IS
'a collector: call_health of each hardened table. It reads the calls tables, as call_health does. sqlstate: why a '
'table cannot be read, or NULL';
