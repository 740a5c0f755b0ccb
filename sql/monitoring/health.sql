
-- how it is going ------------------------------------------------------------------------------

CREATE TYPE _callhardening.figure AS (figure text, value numeric, unit text, level text, why text);

COMMENT ON TYPE _callhardening.figure IS 'a row of call_health';

CREATE FUNCTION _callhardening.table_extent(calls regclass, OUT pages bigint, OUT known_rows bigint)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT CAST(sum(pg_relation_size(c.oid)) / current_setting('block_size')::int AS bigint),
    CAST(sum(greatest(c.reltuples, 0)) AS bigint)
FROM pg_class c WHERE c.relkind <> 'p' AND (c.oid = calls OR c.oid IN (SELECT relid FROM pg_partition_tree(calls)))
$$;

COMMENT ON FUNCTION _callhardening.table_extent(regclass) IS
'the size of a table with its partitions, and the number of rows that the last ANALYZE found';

CREATE FUNCTION _callhardening.sample_percentage(relation regclass, exact boolean) RETURNS float8
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 100.0 * 32768 / 4 / e.pages FROM _callhardening.table_extent(relation) AS e WHERE NOT exact AND e.pages > 32768
$$;

COMMENT ON FUNCTION _callhardening.sample_percentage(regclass, boolean) IS
'how much of a table above 256 MB a sample of 64 MB is, with pages of 8 kB; NULL: it is smaller, or exact';

CREATE FUNCTION _callhardening.present_columns(calls regclass, settings _callhardening.settings)
    RETURNS _callhardening.settings
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    present name[] := ARRAY(SELECT attname FROM pg_attribute
        WHERE attrelid = calls AND attnum > 0 AND NOT attisdropped);
BEGIN
    settings.call_id_column := (SELECT p FROM unnest(present) AS p WHERE p = settings.call_id_column);
    settings.status_column := (SELECT p FROM unnest(present) AS p WHERE p = settings.status_column);
    settings.direction_column := (SELECT p FROM unnest(present) AS p WHERE p = settings.direction_column);
    settings.payload_column := (SELECT p FROM unnest(present) AS p WHERE p = settings.payload_column);
    RETURN settings;
END
$$;

COMMENT ON FUNCTION _callhardening.present_columns(regclass, _callhardening.settings) IS
'the settings, with NULL for each column that the table does not have';

-- Most calls are over, and cost no more than a look.
CREATE FUNCTION _callhardening.count_calls(calls regclass, settings _callhardening.settings, percentage float8,
        OUT rows_read bigint, OUT directions text[], OUT average numeric, OUT largest bigint, OUT stuck bigint,
        OUT repeated bigint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    seen_at name[] := _callhardening.age_columns(calls);
    over text[] := ARRAY(SELECT unnest(_callhardening.status_words(settings.transitions))
        EXCEPT SELECT current_status FROM @extschema@.call_status_transitions(settings.transitions));
BEGIN
    SELECT coalesce(sum(g.calls_in_group), 0),
        coalesce(array_agg(DISTINCT _callhardening.row_sample(g.direction, NULL::text))
               FILTER (WHERE g.direction NOT IN ('inbound', 'outbound')), '{}'),
        sum(g.bytes) / nullif(sum(g.payloads), 0), max(g.largest),
        coalesce(sum(g.calls_in_group) FILTER (WHERE g.status <> ALL (over) AND g.quiet
            & _callhardening.row_faults(g.status, NULL::text, NULL::jsonb, settings.transitions, settings.provider,
                NULL::jsonb) <> 0), 0)
    INTO rows_read, directions, average, largest, stuck
    FROM _callhardening.row_groups(calls, settings.status_column, settings.direction_column, settings.payload_column,
        seen_at, percentage) AS g;
    IF seen_at IS NULL THEN
        stuck := NULL;
    END IF;
    IF percentage IS NULL AND NOT _callhardening.has_unique_call_id(calls, settings.call_id_column) THEN
        SELECT coalesce(max(r.ids), 0) INTO repeated
        FROM _callhardening.repeated_call_ids(calls, settings.call_id_column) AS r;
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.count_calls(regclass, _callhardening.settings, float8) IS
'counts for call_health: rows, directions of another meaning, bytes of payloads, calls without news (NULL: no column '
'tells), call ids in several rows (NULL: a unique index forbids them, or it is a sample). A NULL column of the '
'settings is not read. percentage: of the table, for a sample; NULL: all of it';

-- For a reader of figures without a right on the rows. It reads only the columns of the settings, and tells numbers.
-- The messages of errors are left out: the table's own code can quote a row.
CREATE FUNCTION _callhardening.count_hidden_calls(calls regclass, percentage float8,
        OUT rows_read bigint, OUT directions text[], OUT average numeric, OUT largest bigint, OUT stuck bigint,
        OUT repeated bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings _callhardening.settings := @extschema@.call_settings(calls);
BEGIN
    IF settings.status_column IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is not hardened', calls);
    END IF;
    SELECT c.* INTO rows_read, directions, average, largest, stuck, repeated
    FROM _callhardening.count_calls(calls, _callhardening.present_columns(calls, settings), percentage) AS c;
    directions := array_fill(NULL::text, ARRAY[cardinality(directions)]);
EXCEPTION WHEN OTHERS THEN
    PERFORM _callhardening.raise_error(SQLSTATE, format('the rows of %s cannot be counted', calls));
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.count_hidden_calls(regclass, float8) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('monitor', 'count_hidden_calls');

COMMENT ON FUNCTION _callhardening.count_hidden_calls(regclass, float8) IS
'count_calls with the rights of the extension''s owner, for the task monitor: each direction is NULL. Errors: 55000 '
'the table is not hardened, and those of reading it, without their messages';

CREATE FUNCTION _callhardening.missing_figure(figure text, unit text, column_name name)
    RETURNS _callhardening.figure
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT figure, NULL::numeric, unit, 'warning',
    format('not counted: the settings name the column %I, but the table does not have it', column_name)
$$;

COMMENT ON FUNCTION _callhardening.missing_figure(text, text, name) IS
'a figure of call_health, if its column is missing';

CREATE FUNCTION _callhardening.duplicates_figure(is_unique boolean, repeated bigint) RETURNS _callhardening.figure
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'duplicates', CASE WHEN is_unique THEN 0 ELSE repeated END, 'call ids',
    CASE WHEN is_unique THEN 'ok' WHEN repeated > 0 THEN 'critical' ELSE 'warning' END,
    CASE WHEN is_unique THEN 'a unique index on the call id forbids them'
        WHEN repeated IS NULL
            THEN 'no unique index on the call id; not counted in a table of this size: call_health(..., exact => true)'
        WHEN repeated = 0 THEN 'none, but no unique index on the call id forbids them'
        ELSE 'call ids in several rows' END
$$;

COMMENT ON FUNCTION _callhardening.duplicates_figure(boolean, bigint) IS
'a figure of call_health: call ids in several rows. repeated: how many; NULL: not counted';

CREATE FUNCTION _callhardening.directions_figure(directions text[], estimate text) RETURNS _callhardening.figure
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'directions', cardinality(directions), 'words', CASE cardinality(directions) WHEN 0 THEN 'ok' ELSE 'warning' END,
    CASE cardinality(directions) WHEN 0 THEN 'only inbound, outbound and NULL'
        ELSE 'other words, from before hardening' || coalesce(': ' || nullif(array_to_string(directions[1:5], ', '),
            ''), '') END || estimate
$$;

COMMENT ON FUNCTION _callhardening.directions_figure(text[], text) IS
'a figure of call_health: other directions. An element is NULL if the reader may not see the word';

CREATE FUNCTION _callhardening.payload_figures(average numeric, largest bigint, estimate text)
    RETURNS SETOF _callhardening.figure
    LANGUAGE sql IMMUTABLE ROWS 2
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('payload_average', round(average), 'bytes', CASE WHEN average > 8192 THEN 'warning' ELSE 'ok' END,
        'as stored, compressed; warning above 8192' || estimate),
    ('payload_largest', largest, 'bytes', CASE WHEN largest > 65536 THEN 'warning' ELSE 'ok' END,
        'as stored, compressed; warning above 65536: not sanitized' || estimate)
$$;

COMMENT ON FUNCTION _callhardening.payload_figures(numeric, bigint, text) IS
'figures of call_health: sizes of payloads. NULL: there are none';

CREATE FUNCTION _callhardening.stuck_figure(stuck numeric, estimate text) RETURNS _callhardening.figure
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'stuck_calls', round(stuck), 'calls',
    CASE WHEN stuck > 100 THEN 'critical' WHEN stuck > 0 THEN 'warning' ELSE 'ok' END,
    CASE WHEN stuck IS NULL
        THEN 'not known: the table has no column last_event_at, updated_at, started_at or created_at'
        ELSE 'ringing without news for an hour, or not over without news for a day; warning from 1, critical above 100'
            || estimate END
$$;

COMMENT ON FUNCTION _callhardening.stuck_figure(numeric, text) IS
'a figure of call_health: calls without news. stuck NULL: no column tells the time of the last news';

CREATE FUNCTION _callhardening.rows_health(calls regclass, exact boolean) RETURNS SETOF _callhardening.figure
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings _callhardening.settings := @extschema@.call_settings(calls);
    present _callhardening.settings := _callhardening.present_columns(calls, settings);
    percentage float8 := _callhardening.sample_percentage(calls, exact);
    counted record;
    factor numeric := 1;
    estimate text := '';
BEGIN
    IF has_function_privilege('_callhardening.count_hidden_calls(regclass, float8)', 'EXECUTE')
        AND (NOT has_table_privilege(calls, 'SELECT') OR row_security_active(calls))
    THEN
        SELECT * INTO counted FROM _callhardening.count_hidden_calls(calls, percentage);
    ELSE
        SELECT * INTO counted FROM _callhardening.count_calls(calls, present, percentage);
    END IF;
    IF percentage IS NOT NULL THEN
        factor := greatest((_callhardening.table_extent(calls)).known_rows, counted.rows_read)::numeric
            / greatest(counted.rows_read, 1);
        estimate := format(' (estimated: %s rows were read)', counted.rows_read);
    END IF;

    RETURN QUERY VALUES ('calls', round(counted.rows_read * factor), 'calls', 'ok', 'rows of the table' || estimate);
    RETURN NEXT CASE WHEN present.call_id_column IS NULL
        THEN _callhardening.missing_figure('duplicates'::text, 'call ids'::text, settings.call_id_column)
        ELSE _callhardening.duplicates_figure(
            _callhardening.has_unique_call_id(calls, present.call_id_column), counted.repeated) END;
    RETURN NEXT CASE WHEN present.direction_column IS NULL
        THEN _callhardening.missing_figure('directions'::text, 'words'::text, settings.direction_column)
        ELSE _callhardening.directions_figure(counted.directions, estimate) END;
    IF present.payload_column IS NULL THEN
        RETURN NEXT _callhardening.missing_figure('payload_average'::text, 'bytes'::text, settings.payload_column);
        RETURN NEXT _callhardening.missing_figure('payload_largest'::text, 'bytes'::text, settings.payload_column);
    ELSE
        RETURN QUERY SELECT * FROM _callhardening.payload_figures(counted.average, counted.largest, estimate);
    END IF;
    RETURN NEXT CASE WHEN present.status_column IS NULL
        THEN _callhardening.missing_figure('stuck_calls'::text, 'calls'::text, settings.status_column)
        ELSE _callhardening.stuck_figure(counted.stuck * factor, estimate) END;
END
$$;

COMMENT ON FUNCTION _callhardening.rows_health(regclass, boolean) IS 'the figures of call_health from the calls table';

CREATE FUNCTION _callhardening.issues_health(calls regclass)
    RETURNS TABLE (figure text, value numeric, unit text, level text, why text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
WITH recent AS (
    SELECT CASE WHEN i.kind LIKE 'refused%' THEN 'refused' WHEN i.kind LIKE 'unknown%' THEN 'unknown'
        ELSE 'unusable' END AS what, i.happened_at, i.occurrences
    FROM @extschema@.call_issues i
    WHERE i.happened_at > clock_timestamp() - interval '1 day' AND i.kind NOT IN ('dead_event', 'refined_status')
      AND i.table_name IN (
        SELECT _callhardening.known_name(c.oid) FROM pg_class c
        WHERE c.oid = calls OR c.oid IN (SELECT l.events FROM _callhardening.logs l WHERE l.calls = issues_health.calls)
           OR c.relispartition AND c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = issues_health.calls))
), counts AS (
    SELECT k.figure || '_' || s.span AS figure, k.what, s.span, k.warning * s.factor AS warning,
           k.critical * s.factor AS critical,
           (SELECT coalesce(sum(r.occurrences), 0) FROM recent r
               WHERE r.what = k.what AND r.happened_at > clock_timestamp() - s.since) AS count
    FROM (VALUES (1, 'refused', 'refused', 100, 1000), (2, 'unknown_words', 'unknown', 1, 100),
        (3, 'unusable_bodies', 'unusable', 1, 100))
             AS k (position, figure, what, warning, critical)
    CROSS JOIN (VALUES ('hour', interval '1 hour', 1), ('day', '1 day', 10)) AS s (span, since, factor)
    ORDER BY k.position, s.factor
)
SELECT figure, count, 'issues',
       CASE WHEN count >= critical THEN 'critical' WHEN count >= warning THEN 'warning' ELSE 'ok' END,
       format('%s in the last %s, from call_issues%s; warning from %s, critical from %s',
           CASE what WHEN 'refused' THEN 'refused statuses and call ids'
               WHEN 'unknown' THEN 'unknown directions and statuses'
                     ELSE 'bodies without a JSON object or a call' END, span, CASE WHEN shell IS NOT NULL
               THEN format(', of all shards of %s on this node', shell) ELSE '' END, warning, critical)
FROM counts, _callhardening.shell_of(calls) AS s (shell)
$$;

COMMENT ON FUNCTION _callhardening.issues_health(regclass) IS 'the figures of call_health from call_issues';

CREATE FUNCTION _callhardening.event_logs_health(calls regclass)
    RETURNS TABLE (figure text, value numeric, unit text, level text, why text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
WITH logs AS MATERIALIZED (
    SELECT l.log_id, l.events, l.is_of_changes, cardinality(l.other_consumers) AS consumers, l.shard_id
    FROM _callhardening.placed_logs l JOIN pg_class c ON c.oid = l.events
    WHERE l.calls = event_logs_health.calls
), lanes AS MATERIALIZED (
    SELECT coalesce(sum(p.pending), 0) AS pending,
        extract(epoch FROM clock_timestamp() - min(p.oldest_received_at)) AS behind
    FROM logs l CROSS JOIN LATERAL @extschema@.pending_call_events(l.events, false, NULL::name) p
    WHERE NOT l.is_of_changes -- it has no default consumer
), consumers AS MATERIALIZED (
    SELECT l.events, c.consumer, extract(epoch FROM c.behind) AS behind,
        CASE WHEN c.log IS NULL THEN format('permission denied for %s', l.events)
             WHEN c.error IS NOT NULL THEN c.error
             WHEN c.behind IS NULL AND c.pending_estimate >= 10000
                 THEN format('consumer %s has %s pending events, and %s has no time of receipt', c.consumer,
                     c.pending_estimate, c.log) END AS why_unknown
    FROM logs l LEFT JOIN @extschema@.call_consumers c ON c.log = l.events AND c.consumer <> 'default'
    WHERE l.consumers > 0
), dead AS MATERIALIZED (
    SELECT coalesce(sum(k.count), 0) AS count,
        string_agg(format('%s of consumer %s', k.count, k.consumer), ', ' ORDER BY k.count DESC, k.consumer)
            FILTER (WHERE k.has_others) AS consumers
    FROM (SELECT d.consumer, count(*) AS count, bool_or(bool_or(d.consumer <> 'default')) OVER () AS has_others
          FROM @extschema@.call_dead_events d JOIN logs l ON l.log_id = d.log_id GROUP BY d.consumer) AS k
), locked AS MATERIALIZED (
    SELECT count(*) AS count, extract(epoch FROM clock_timestamp() - min(p.waiting_since)) AS age
    FROM @extschema@.call_retrying_events p JOIN logs l ON l.log_id = p.log_id
    WHERE p.lock_waits > 0 AND p.due_at IS NOT NULL
), holder AS MATERIALIZED (
    SELECT h.holder || ' ' || h.name AS name, extract(epoch FROM clock_timestamp() - h.since) AS age
    FROM @extschema@.call_horizon h
    WHERE h.since IS NOT NULL AND h.name <> pg_backend_pid()::text ORDER BY h.since LIMIT 1
), workers AS MATERIALIZED (
    SELECT coalesce(sum(w.kept), 0) AS kept, coalesce(sum(greatest(w.kept - w.running, 0)), 0) AS missing,
        min(w.why) AS why
    FROM @extschema@.call_worker_status w JOIN logs l ON l.events = w.log OR w.log IS NULL AND l.shard_id IS NOT NULL
    WHERE w.launcher <> 'standby' AND w.status <> 'copied'
), figures AS (
    SELECT 1 AS position, 'pending' AS figure, l.pending AS value, 'events' AS unit,
           10000 AS warning, 100000 AS critical,
           'events not yet claimed by a worker, estimated' AS what FROM lanes l
    UNION ALL SELECT 2, 'dead', d.count, 'events', 1, 100,
           'events after their last attempt' || coalesce(' (' || d.consumers || ')', '')
               || ': call_dead_events' FROM dead d
    UNION ALL SELECT 3, 'oldest_pending', coalesce(round(l.behind), 0), 'seconds', 60, 600,
        'since the first pending event was received' FROM lanes l
    UNION ALL SELECT 4, 'oldest_locked', coalesce(round(k.age), 0), 'seconds', 60, 600,
           format('since the oldest wait for a locked row began; %s events wait: call_retrying_events', k.count)
        FROM locked k
    UNION ALL SELECT 5, 'oldest_snapshot', coalesce((SELECT round(h.age) FROM holder h), 0), 'seconds', 3600, 86400,
           coalesce((SELECT format('held by %s', h.name) FROM holder h), 'no other session holds one')
               || ': dead rows stay as long (call_horizon)'
    UNION ALL SELECT 6, 'consumer_behind', CASE WHEN k.unknown IS NULL THEN coalesce(round(k.behind), 0) END,
           'seconds', 600, 86400, CASE WHEN k.unknown IS NOT NULL THEN 'not known: ' || k.unknown
               WHEN k.consumers = 0 THEN 'no log has a consumer beside the default one'
               WHEN k.behind IS NULL THEN 'no consumer beside the default one has pending events'
               ELSE format('since the first pending event of consumer %s was received: call_consumers', k.last) END
        FROM (SELECT count(*) AS consumers, max(c.behind) AS behind, min(c.why_unknown) AS unknown,
                  (array_agg(format('%s of %s', c.consumer, c.events) ORDER BY c.behind DESC NULLS LAST))[1] AS last
              FROM consumers c) k
    UNION ALL SELECT 7, 'missing_workers', w.missing, 'workers', 1, greatest(w.kept, 1),
           format('of %s kept workers%s: call_worker_status', w.kept, ', ' || w.why) FROM workers w
)
SELECT figure, value, unit,
       CASE WHEN value >= critical THEN 'critical' WHEN value >= warning OR value IS NULL THEN 'warning' ELSE 'ok' END,
       CASE WHEN figure = 'oldest_snapshot' OR EXISTS (SELECT FROM logs l
                WHERE NOT l.is_of_changes OR figure IN ('dead', 'consumer_behind'))
            THEN format('%s; warning from %s, critical from %s', what, warning, critical)
            ELSE 'no event log is applied to this table' END
FROM figures ORDER BY position
$$;

COMMENT ON FUNCTION _callhardening.event_logs_health(regclass) IS
'the figures of call_health from the event logs, and the oldest snapshot';

CREATE FUNCTION _callhardening.waiting_figure() RETURNS _callhardening.figure
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'waiting_places', p.places, 'places', CASE WHEN p.places > 0 THEN 'ok' ELSE 'warning' END,
    CASE WHEN p.places IS NULL
        THEN 'the server has no room for shared memory: commits wake nobody, workers and clients only poll'
        ELSE 'free in the server, for workers and clients to be woken by commits; warning at 0: others only poll' END
FROM _callhardening.free_waiting_places() AS p (places)
$$;

COMMENT ON FUNCTION _callhardening.waiting_figure() IS
'a figure of call_health: places for sessions that wait. value NULL: there is no shared memory';

CREATE FUNCTION _callhardening.elsewhere_health(calls regclass) RETURNS SETOF _callhardening.figure
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT k.figure, NULL::numeric, k.unit, 'warning',
    'not known here: each shard has figures of its own on its node: '
        || coalesce(_callhardening.first_shards(calls, 'call_health(%L) on %s:%s'), 'it has none')
FROM (VALUES ('refused_hour', 'issues'), ('refused_day', 'issues'), ('unknown_words_hour', 'issues'),
    ('unknown_words_day', 'issues'), ('unusable_bodies_hour', 'issues'), ('unusable_bodies_day', 'issues'),
    ('pending', 'events'), ('dead', 'events'), ('oldest_pending', 'seconds'), ('oldest_locked', 'seconds'),
    ('oldest_snapshot', 'seconds'), ('consumer_behind', 'seconds'), ('missing_workers', 'workers'))
    AS k (figure, unit)
$$;

COMMENT ON FUNCTION _callhardening.elsewhere_health(regclass) IS
'the figures of call_health that a distributed table has only on the nodes of its shards: NULL, and where they are';

CREATE FUNCTION @extschema@.call_health(calls regclass, exact boolean DEFAULT false)
    RETURNS TABLE (figure text, value numeric, unit text, level text, why text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF calls IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'calls must not be NULL';
    END IF;
    IF (@extschema@.call_settings(calls)).status_column IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is not hardened', calls),
            HINT = 'Harden it with harden_calls.';
    END IF;
    PERFORM _callhardening.require_placed(calls);
    RETURN QUERY SELECT * FROM _callhardening.rows_health(calls, coalesce(exact, false));
    IF _callhardening.distribution(calls) IS NULL THEN
        RETURN QUERY SELECT * FROM _callhardening.issues_health(calls);
        RETURN QUERY SELECT * FROM _callhardening.event_logs_health(calls);
    ELSE
        RETURN QUERY SELECT * FROM _callhardening.elsewhere_health(calls);
    END IF;
    RETURN QUERY SELECT * FROM _callhardening.waiting_figure();
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_health(regclass, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'call_health'), ('monitor', 'call_health');

COMMENT ON FUNCTION @extschema@.call_health(regclass, boolean) IS
'Returns figures of a hardened table and its event logs. Each is ok, warning or critical. One row
per figure: calls, duplicates, directions, payload_average, payload_largest, stuck_calls,
refused_hour, refused_day, unknown_words_hour, unknown_words_day, unusable_bodies_hour,
unusable_bodies_day, pending, dead, oldest_pending, oldest_locked, oldest_snapshot,
consumer_behind, missing_workers, waiting_places.

pending and oldest_pending are those of process_call_events, consumer_behind that of the other
consumer furthest behind, and dead counts the events of all consumers. Children by inheritance
are tables of their own.

It reads the calls table once, without its TOAST. Without a valid unique index it also groups
the call ids. A caller with the task monitor sees how many other directions there are, and not
which. Other callers need SELECT on the calls table, its logs, call_issues, call_dead_events,
call_retrying_events, call_consumers, call_horizon and call_worker_status, and EXECUTE on the
functions in it.
- exact: false: above 256 MB it reads a random 64 MB of the table and estimates; true: it reads
  all
- value: in unit; NULL: not known, for example after a column of the settings was renamed, or since
  Citus has distributed the table: why names the shards and their nodes
- level: ok, warning or critical
- why: the figure in words, and its bounds for warning and critical
Errors:
- 22004: calls is NULL
- 42501: no right
- 55000: the table is not hardened';
