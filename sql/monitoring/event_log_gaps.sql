
-- gaps of event logs -----------------------------------------------------------------------------

CREATE FUNCTION _callhardening.stray_event_gaps(events regclass)
    RETURNS TABLE (level text, gap text, detail text, advice text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    most CONSTANT bigint := 1000;
    strays bigint;
BEGIN
    strays := _callhardening.stray_events(events, most);
    IF strays IS NULL THEN
        RETURN QUERY VALUES ('note', 'not_read', 'another session has locked the log: its events were not looked at',
            'Look again.');
    ELSIF strays > 0 THEN
        RETURN QUERY VALUES ('gap', 'events_outside_lanes',
            format('no worker looks for %s%s events: their lanes are not the log''s',
                    CASE strays WHEN most THEN 'at least ' ELSE '' END, strays),
            'A worker finds them within a minute. If they stay, insert their bodies again.');
    END IF;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    -- Another query reports an altered log as a gap. Row-level security is only a note.
    RETURN QUERY SELECT 'note', 'not_read', 'row-level security hides the events from the owner of the extension',
        'Look at pending_call_events as the owner.'
    FROM pg_class AS c WHERE c.oid = stray_event_gaps.events AND c.relrowsecurity;
END
$$;

COMMENT ON FUNCTION _callhardening.stray_event_gaps(regclass) IS
'a row for call_enforcement if a log has, or may have, events no worker looks for';

CREATE FUNCTION _callhardening.log_trigger_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states()
), logs AS MATERIALIZED (
    SELECT l.*, c.relkind, c.relpersistence FROM _callhardening.logs l JOIN pg_class c ON c.oid = l.events
)
SELECT d.events, 'gap', 'log_detached',
       format('the log was detached at %s: no worker finds its events', date_trunc('second', d.detached_at)),
       format('If it was not taken elsewhere, attach_call_event_log(%L, its calls table) goes on. If it was, copy the '
           'events that came since, then drop the table, or call unharden_call_events(%L).', d.events, d.events)
FROM _callhardening.detached_logs d JOIN pg_class c ON c.oid = d.events
WHERE d.state IS NOT NULL AND EXISTS (SELECT FROM states s WHERE s.relation = d.events AND s.part = 'stamp')
    AND NOT EXISTS (SELECT FROM logs l WHERE l.events = d.events)
    AND (_callhardening.noted_move(_callhardening.shell_of(d.events), _callhardening.shard_of(d.events))).state IS NULL
    AND NOT _callhardening.is_moved_away(d.events)
    AND NOT _callhardening.is_split_shard(d.events)
UNION ALL
-- A schema restored without data has the triggers, but no rows in call_event_logs.
SELECT s.relation::regclass, 'gap', 'log_not_registered',
       format('the table has the trigger %I, but no row in call_event_logs: no worker finds its events',
           s.trigger_name),
       'Restore the data of call_event_logs too, or call ' || CASE
           WHEN s.arguments[2] = 'call_changes' THEN 'create_call_changes for its calls table.'
           WHEN cardinality(s.arguments) = 5
               THEN format('unharden_call_events(%L), and harden_call_events again.', s.relation::regclass)
           ELSE format('register_call_event_log(%L, its calls table, %L, %s).', s.relation::regclass, s.arguments[2],
               s.arguments[3]) END
           || CASE WHEN s.arguments[2] <> 'call_changes' THEN format(' If it was detached in another place: '
               'attach_call_event_log(%L, its calls table, state).', s.relation::regclass) ELSE '' END
FROM states s WHERE s.part = 'stamp' AND NOT EXISTS (SELECT FROM logs l WHERE l.events = s.relation)
    AND NOT EXISTS (SELECT FROM _callhardening.detached_logs d WHERE d.events = s.relation AND d.state IS NOT NULL)
    AND _callhardening.distribution(s.relation) IS NULL
    AND s.relation NOT IN (SELECT h.relation FROM _callhardening.local_shards() AS h WHERE h.relation IS NOT NULL)
    AND NOT _callhardening.is_moved_away(s.relation) AND NOT _callhardening.is_split_shard(s.relation::regclass)
UNION ALL
SELECT l.events, 'gap', 'trigger_missing', format('the trigger %s is gone', p.name),
       CASE p.part
           WHEN 'stamp' THEN 'Rows cannot be inserted, or no worker finds them: create the trigger as '
           'register_call_event_log does.'
                   WHEN 'keep' THEN 'No worker finds an event after a subscription has updated it: create the '
                           'trigger as register_call_event_log does.'
                   ELSE 'Events without a call are not found in call_dead_events: create the trigger as '
                       'register_call_event_log does.' END
FROM logs l CROSS JOIN (VALUES ('stamp', 'stamp_call_event'), ('bury', 'bury_call_event'),
    ('keep', 'keep_call_event_stamp'))
    AS p (part, name)
WHERE NOT EXISTS (SELECT FROM states s WHERE s.relation = l.events AND s.part = p.part)
UNION ALL
SELECT l.events, 'gap', 'trigger_altered',
       format('the trigger %I is not as register_call_event_log has created it: it has another event, condition or '
       'number of arguments', s.trigger_name),
       'Drop it, and create it as register_call_event_log does.'
FROM logs l JOIN states s ON s.relation = l.events AND s.part IN ('stamp', 'bury') WHERE NOT s.is_as_created
UNION ALL
SELECT l.events, 'gap', 'settings_differ',
       format('the trigger %I has %s lanes and provider %s, call_event_logs has %s and %s', s.trigger_name,
           s.arguments[3], s.arguments[2], l.lanes, l.provider),
       'Drop it, and create it as register_call_event_log does.'
FROM logs l JOIN states s ON s.relation = l.events AND s.part = 'stamp'
WHERE s.is_as_created AND s.arguments[2:3] <> ARRAY[l.provider, l.lanes::text]
UNION ALL
SELECT l.events, 'gap', 'settings_differ',
       format('the trigger %I gives events a key of %s, the key of %s is %s', s.trigger_name, s.arguments[4], l.calls,
           k.type),
       'Call unharden_call_events, and make the log again.'
FROM logs l JOIN states s ON s.relation = l.events AND s.part = 'stamp' AND s.is_as_created AND NOT l.is_of_changes
JOIN states c ON c.relation = l.calls AND c.part = 'validate' AND c.is_as_created
JOIN pg_attribute a ON a.attrelid = l.calls AND a.attname = c.arguments[1]
CROSS JOIN LATERAL (VALUES (CASE WHEN c.arguments[7] = '*' THEN 'provider:' ELSE '' END
    || format_type(_callhardening.base_type(a.atttypid), NULL))) AS k (type)
-- With quote_all_identifiers a session writes "text" with its quotes.
WHERE replace(s.arguments[4], '"', '') <> replace(k.type, '"', '')
UNION ALL
SELECT l.events, 'gap', 'trigger_not_always',
       format('a subscription writes to this log, and the trigger %I does not fire for it: workers refuse the log',
           s.trigger_name),
       format('ALTER TABLE %s ENABLE %s TRIGGER %I. Earlier events have the stamps of the publisher: copy them '
           'again.',
           l.events, CASE s.part WHEN 'keep' THEN 'REPLICA' ELSE 'ALWAYS' END, s.trigger_name)
FROM logs l JOIN states s ON s.relation = l.events AND s.part IN ('stamp', 'bury', 'keep') AND s.state = 'O'
WHERE EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = l.events)
UNION ALL
-- Rows that bring their stamps look like settled ones, and nothing else remains of such a restore.
SELECT l.events, 'gap', 'trigger_not_always',
       format('the trigger %I does not fire for replicas, as after pg_restore --disable-triggers: if workers ran '
           'during the restore, they took restored events for settled ones', s.trigger_name),
       format('For each consumer that shall get all kept events once more: SELECT seek_call_consumer(%L, ''default'', '
           'received_at => ''-infinity''). Then ALTER TABLE %s ENABLE ALWAYS TRIGGER %I, ENABLE ALWAYS TRIGGER '
           'bury_call_event, ENABLE REPLICA TRIGGER keep_call_event_stamp.', l.events, l.events, s.trigger_name)
FROM logs l JOIN states s ON s.relation = l.events AND s.part = 'stamp' AND s.state = 'O'
WHERE l.shard_id IS NULL AND NOT EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = l.events)
UNION ALL
SELECT l.events, 'note', 'subscription',
       'a subscription writes to this log: its deletes also take events not yet processed here',
       'Let the publication publish inserts only: ALTER PUBLICATION ... SET (publish = ''insert'').'
FROM logs l WHERE EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = l.events)
$$;

COMMENT ON FUNCTION _callhardening.log_trigger_gaps() IS
'gaps of event logs: triggers missing, altered, or silent for what a subscription writes';

CREATE FUNCTION _callhardening.log_table_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
WITH logs AS MATERIALIZED (
    SELECT l.*, c.relkind, c.relpersistence FROM _callhardening.logs l JOIN pg_class c ON c.oid = l.events
)
SELECT l.events, 'gap', 'log_missing', format('event log %s was dropped while triggers were off', l.log_id),
    'Delete its row in call_event_logs.'
FROM _callhardening.logs l WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = l.events)
UNION ALL
SELECT l.events, 'gap', 'table_altered', 'the log is no ordinary table, or has children',
    'Copy the events to a new log.'
FROM logs l WHERE l.relkind <> 'r' OR EXISTS (SELECT FROM pg_inherits i WHERE l.events IN (i.inhparent, i.inhrelid))
UNION ALL
SELECT l.events, 'gap', 'table_unlogged', 'the log is an unlogged table: a crash of the server empties it',
    format('ALTER TABLE %s SET LOGGED.', l.events)
FROM logs l WHERE l.relpersistence = 'u'
UNION ALL
SELECT l.events, 'note', 'default_log', 'functions called without a log use this one',
    'To choose another: SELECT configure_call_event_log(log, is_default => true).'
FROM logs l WHERE l.is_default AND (SELECT count(*) FROM logs w WHERE NOT w.is_of_changes) > 1
UNION ALL
SELECT NULL, 'note', 'no_default_log',
    'there are several event logs, and none is the default: functions called without a log fail',
    'SELECT configure_call_event_log(log, is_default => true).'
WHERE (SELECT count(*) FROM logs l WHERE NOT l.is_of_changes) > 1 AND NOT EXISTS (SELECT FROM logs l WHERE l.is_default)
UNION ALL
SELECT l.events, 'gap', 'sequence_missing', 'the sequence of event_seq is gone: rows cannot be inserted',
    'Call unharden_call_events, and harden_call_events again.'
FROM logs l WHERE l.sequence IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_class s WHERE s.oid = l.sequence AND s.relkind = 'S')
UNION ALL
SELECT l.events, 'note', 'row_security',
       'row-level security is enabled: a worker fails if it applies to the worker''s role',
       format('Give their roles BYPASSRLS, or ALTER TABLE %s DISABLE ROW LEVEL SECURITY.', l.events)
FROM logs l JOIN pg_class c ON c.oid = l.events WHERE c.relrowsecurity
UNION ALL
SELECT l.events, 'gap', 'index_missing',
       format('there is no valid unique index on (%s)', array_to_string(k.keys, ', ')),
       format('CREATE UNIQUE INDEX ON %s (%s).', l.events, array_to_string(k.keys, ', '))
FROM logs l CROSS JOIN LATERAL (SELECT array_remove(e.keys || l.route_column, NULL)
    FROM _callhardening.event_indexes() AS e) AS k (keys)
WHERE NOT _callhardening.has_event_index(l.events, k.keys)
UNION ALL
SELECT l.events, s.level, s.gap, s.detail, s.advice
FROM logs l CROSS JOIN LATERAL _callhardening.stray_event_gaps(l.events) AS s
WHERE l.relkind = 'r' AND _callhardening.distribution(l.events) IS NULL
$$;

COMMENT ON FUNCTION _callhardening.log_table_gaps() IS
'gaps of event logs: the table, its indexes and sequence, its row in call_event_logs, and events no worker finds';

CREATE FUNCTION _callhardening.log_column_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
WITH logs AS MATERIALIZED (
    SELECT l.*, c.relkind, c.relpersistence FROM _callhardening.logs l JOIN pg_class c ON c.oid = l.events
), columns AS (
    SELECT l.events, k.name, k.type, a.attnum, a.atttypid
    FROM logs l CROSS JOIN (VALUES
        ('event_seq', 'bigint'::regtype),
        ('event_lane', 'integer'),
        ('event_xid', 'xid8'),
        ('call_id', 'text'),
        ('event_type', 'text')) AS k (name, type)
    LEFT JOIN pg_attribute a ON a.attrelid = l.events AND a.attname = k.name AND NOT a.attisdropped
    WHERE k.name <> 'event_type' OR l.sequence IS NULL -- what was there before has a column of its own, or none
), named AS (
    -- What the settings name, with what harden_call_events takes there; of a new log, the type of an event is one
    -- of those above.
    SELECT l.events, k.what, k.name, k.wanted, a.attnum, a.atttypid, y.oid AS base,
           k.types IS NULL OR y.oid = ANY (k.types) OR 'text'::regtype = ANY (k.types) AND y.typcategory = 'S' AS is_fit
    FROM logs l CROSS JOIN LATERAL (
        VALUES ('payload_column', l.payload_column, '{jsonb}'::regtype[], 'jsonb'),
               ('event_type_column', CASE WHEN l.sequence IS NOT NULL THEN l.event_type_column END, '{text}', 'text'),
               ('received_at_column', l.received_at_column, '{timestamp,timestamptz}',
                   'timestamp with or without time zone'),
               ('processed_at_column', l.processed_at_column, '{timestamp,timestamptz}',
                   'timestamp with or without time zone')
        UNION ALL SELECT 'carry', c, NULL, NULL FROM unnest(l.carry) AS c) AS k (what, name, types, wanted)
    LEFT JOIN pg_attribute a ON a.attrelid = l.events AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_type y ON y.oid = _callhardening.base_type(a.atttypid)
    WHERE k.name IS NOT NULL
)
SELECT c.events, 'gap', 'table_altered',
    CASE WHEN c.attnum IS NULL THEN format('the column %I is missing', c.name)
       ELSE format('the column %I is %s, not %s', c.name, format_type(c.atttypid, NULL), c.type) END, 'Alter it back.'
FROM columns c WHERE c.attnum IS NULL OR c.atttypid <> c.type
UNION ALL
SELECT n.events, 'gap', CASE WHEN n.attnum IS NULL THEN 'column_missing' ELSE 'column_type' END,
       CASE WHEN n.attnum IS NULL THEN format('call_event_logs names the column %I in %s, but the log does not have it',
           n.name, n.what)
            ELSE format('call_event_logs names the column %I in %s, but it is %s, not %s', n.name, n.what,
                format_type(n.atttypid, NULL), n.wanted) END,
       CASE WHEN n.attnum IS NULL THEN 'Rename it back, or add it again.' ELSE 'Alter the type back.' END
           || ' Until then, no worker takes an event.'
FROM named n WHERE n.attnum IS NULL OR NOT n.is_fit
UNION ALL
SELECT l.events, 'gap', 'carried_column_missing',
       format('call_event_logs names the column %I in carry, but %s does not have it', k.name, l.calls),
       'Rename it back, or add it again. Until then, events are not applied.'
FROM logs l JOIN pg_class c ON c.oid = l.calls CROSS JOIN unnest(l.carry) AS k (name)
WHERE NOT EXISTS (SELECT FROM pg_attribute a
    WHERE a.attrelid = l.calls AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped)
UNION ALL
SELECT l.events, 'note', 'carried_column_null', n.detail, n.advice
FROM logs l JOIN pg_class c ON c.oid = l.calls
CROSS JOIN LATERAL _callhardening.carried_column_nulls(l.events, l.calls, l.carry) AS n
UNION ALL
-- As an INSERT ... SELECT assigns it: by a cast, or to a type of strings.
SELECT n.events, 'gap', 'carried_column_type',
    format('the carried column %I is %s in the log, and %s in %s',
        n.name, format_type(n.atttypid, NULL), format_type(a.atttypid, NULL), l.calls),
    'Alter the type back. Until then, events are not applied.'
FROM named n JOIN logs l ON l.events = n.events AND n.what = 'carry'
JOIN pg_attribute a ON a.attrelid = l.calls AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type y ON y.oid = _callhardening.base_type(a.atttypid)
WHERE n.base <> y.oid AND y.typcategory <> 'S'
  AND NOT EXISTS (SELECT FROM pg_cast c
      WHERE c.castsource = n.base AND c.casttarget = y.oid AND c.castcontext IN ('a', 'i'))
$$;

COMMENT ON FUNCTION _callhardening.log_column_gaps() IS
'gaps of event logs: columns of ours or of call_event_logs: missing, of another type, or unfit for the calls table';

CREATE FUNCTION _callhardening.shape_fault(shape jsonb) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM _callhardening.require_event_shape(shape);
    RETURN NULL;
EXCEPTION WHEN invalid_parameter_value OR program_limit_exceeded THEN
    RETURN SQLERRM;
END
$$;

COMMENT ON FUNCTION _callhardening.shape_fault(jsonb) IS
'what is wrong with a shape of call_event_logs, for example after a restore from a newer version; NULL: nothing';

CREATE FUNCTION _callhardening.log_calls_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states()
), logs AS MATERIALIZED (
    SELECT l.*, c.relkind, c.relpersistence FROM _callhardening.logs l JOIN pg_class c ON c.oid = l.events
)
SELECT DISTINCT l.calls, o.level, o.gap, o.detail, o.advice
FROM logs l JOIN states s ON s.relation = l.calls AND s.part = 'validate' AND cardinality(s.arguments) = 8
CROSS JOIN LATERAL _callhardening.row_obstacles(l.calls, _callhardening.column_settings(s.arguments), l.carry) AS o
WHERE NOT l.is_of_changes
UNION ALL
SELECT l.events, 'gap', CASE WHEN c.oid IS NULL THEN 'calls_missing' ELSE 'calls_not_hardened' END,
       CASE WHEN c.oid IS NULL THEN 'the calls table of this log no longer exists'
           ELSE format('the calls table %s of this log is not hardened', l.calls) END
           || ': its events cannot be applied',
       CASE WHEN c.oid IS NULL THEN 'Restore the calls table, or move the events to another log.'
           ELSE format('SELECT harden_calls(%L).', l.calls) END
FROM logs l LEFT JOIN pg_class c ON c.oid = l.calls
WHERE NOT l.is_of_changes AND NOT EXISTS (SELECT FROM states s WHERE s.relation = l.calls AND s.part = 'validate')
UNION ALL
SELECT l.calls, 'note', 'call_ids_shared',
       format('events of %s are applied to this table: two calls with one id become one row',
           string_agg(DISTINCT coalesce(_callhardening.known_provider(l.provider), l.provider), ' and of ')),
       'Use a calls table of several providers: harden_calls(provider => ''*'').'
FROM logs l JOIN states s ON s.relation = l.calls AND s.part = 'validate' AND s.arguments[7] <> '*'
WHERE NOT l.is_of_changes
GROUP BY l.calls HAVING count(DISTINCT coalesce(_callhardening.known_provider(l.provider), l.provider)) > 1
UNION ALL
SELECT l.events, 'gap', 'shape_unusable', 'the shape of the log is refused: ' || f.fault,
       format('SELECT configure_call_event_log(%L, shape => ...). Until then, events are refused, or their times are '
           'not read.', l.events)
FROM logs l CROSS JOIN LATERAL _callhardening.shape_fault(l.shape) AS f (fault) WHERE f.fault IS NOT NULL
UNION ALL
SELECT l.events, 'gap', 'calls_column_missing',
       format('table %s has no column %I of type %s: no event can be applied', l.calls, m.column_name, m.column_type),
       format('SELECT harden_calls(%L).', l.calls)
FROM logs l JOIN pg_class c ON c.oid = l.calls CROSS JOIN _callhardening.merge_columns() AS m
WHERE NOT l.is_of_changes AND EXISTS (SELECT FROM states s WHERE s.relation = l.calls AND s.part = 'validate')
  AND NOT EXISTS (SELECT FROM pg_attribute a
      WHERE a.attrelid = l.calls AND a.attname = m.column_name AND a.atttypid = m.column_type)
$$;

COMMENT ON FUNCTION _callhardening.log_calls_gaps() IS
'gaps of event logs: a calls table unfit for some or all events';
