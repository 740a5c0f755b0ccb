
-- what is enforced, and where it is not --------------------------------------------------------

CREATE FUNCTION _callhardening.trigger_arguments(tgargs bytea) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_trigger_arguments';

COMMENT ON FUNCTION _callhardening.trigger_arguments(bytea) IS
'the arguments of a trigger, from pg_trigger.tgargs; NULL where it has none. Never fails for what PostgreSQL has written there, where call_settings refuses other arguments than harden_calls''. Error: 22021 bytes that are no text';

CREATE FUNCTION _callhardening.trigger_states() RETURNS TABLE (relation oid, trigger_name name, part text, state "char", is_own boolean,
        is_as_created boolean, arguments text[])
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT t.tgrelid, t.tgname, k.part, t.tgenabled, t.tgparentid = 0,
       t.tgtype = k.kind AND (t.tgqual IS NULL) = k.is_unconditional AND t.tgattr::text = '' AND (t.tgnargs = k.arguments OR (k.part = 'stamp' AND t.tgnargs = 5)),
       _callhardening.trigger_arguments(t.tgargs)
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid AND p.pronamespace = '_callhardening'::regnamespace
-- The kinds are sums: 1 for each row, 2 before, 4 INSERT, 16 UPDATE.
JOIN (VALUES ('validate_hardened_call', 'validate', 23, true, 8, true), ('refuse_illegal_call', 'insert', 5, false, 1, true),
             ('refuse_illegal_call', 'update', 17, false, 1, false), ('stamp_call_event', 'stamp', 7, true, 4, true),
             ('bury_call_event', 'bury', 5, false, 0, true), ('keep_call_event_stamp', 'keep', 19, true, 0, true)) AS k (function, part, kind, is_unconditional, arguments, is_insert)
  ON k.function = p.proname AND (p.proname <> 'refuse_illegal_call' OR k.is_insert = (t.tgtype & 4 <> 0))
$$;

COMMENT ON FUNCTION _callhardening.trigger_states() IS
'the triggers of all calls tables and event logs, whatever their names: which part of the rules each has, and whether it is as it was created';

CREATE FUNCTION _callhardening.hardened_tables() RETURNS TABLE (relation oid, root oid, settings text[])
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH RECURSIVE states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states() WHERE part IN ('validate', 'insert', 'update')
), tree AS (
    SELECT DISTINCT s.relation, s.relation AS root FROM states s WHERE s.is_own
    UNION
    SELECT i.inhrelid, t.root FROM tree t JOIN pg_inherits i ON i.inhparent = t.relation
), members AS (
    -- A child by inheritance that was hardened by itself is its own table.
    SELECT t.relation, CASE WHEN bool_or(t.root = t.relation) THEN t.relation ELSE min(t.root) END AS root FROM tree t GROUP BY 1
)
SELECT m.relation, m.root, coalesce(
    (SELECT s.arguments FROM states s WHERE s.relation = m.relation AND s.part = 'validate' ORDER BY s.is_as_created DESC LIMIT 1),
    (SELECT s.arguments FROM states s WHERE s.relation = m.root AND s.part = 'validate' ORDER BY s.is_as_created DESC LIMIT 1))
FROM members m
$$;

COMMENT ON FUNCTION _callhardening.hardened_tables() IS
'each hardened table with its partitions and children, the table that it was hardened with (root), and the arguments of its BEFORE trigger; NULL: that one is gone';

CREATE FUNCTION _callhardening.missing_enum_words(type oid, what text, graph text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    words text[];
    enum oid;
BEGIN
    SELECT t.oid INTO enum FROM pg_type t WHERE t.oid = _callhardening.base_type(type) AND t.typtype = 'e';
    IF enum IS NULL THEN
        RETURN NULL;
    END IF;
    words := CASE what WHEN 'status' THEN _callhardening.status_words(nullif(graph, '')::jsonb) ELSE '{inbound,outbound}' END;
    -- Asked of the catalogs and not of a cast, as column_fault does: a CHECK of a domain would run as the owner of the extension.
    RETURN (SELECT string_agg(format('"%s"', w), ', ' ORDER BY w COLLATE "C") FROM unnest(words) AS w
            WHERE NOT EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid = enum AND e.enumlabel COLLATE "C" = w COLLATE "C"));
EXCEPTION WHEN data_exception OR statement_too_complex THEN
    RETURN NULL; -- the graph is none: writes fail, whatever the type has
END
$$;

COMMENT ON FUNCTION _callhardening.missing_enum_words(oid, text, text) IS
'the words that an enum, or a domain over one, lacks as the type of a column: for the status those of the graph, as a trigger has it, else of the directions. NULL: none, the type is another, or the graph is malformed. Runs nothing that the type''s owner has written';

CREATE FUNCTION _callhardening.table_gaps() RETURNS TABLE (relation regclass, level text, gap text, detail text, advice text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH tables AS MATERIALIZED (
    SELECT h.relation::regclass AS relation, h.root::regclass AS root, h.settings, c.relkind, c.relispartition, n.nspname
    FROM _callhardening.hardened_tables() h JOIN pg_class c ON c.oid = h.relation JOIN pg_namespace n ON n.oid = c.relnamespace
), states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states()
), columns AS MATERIALIZED (
    SELECT t.relation, k.what, t.settings[k.position] AS column_name, a.attnum, a.atttypid, t.settings[6] AS graph
    FROM tables t CROSS JOIN (VALUES ('call id', 1), ('status', 2), ('direction', 3), ('payload', 4)) AS k (what, position)
    LEFT JOIN pg_attribute a ON a.attrelid = t.relation AND a.attname = t.settings[k.position] AND a.attnum > 0 AND NOT a.attisdropped
    WHERE cardinality(t.settings) = 8
), keys AS (
    SELECT c.relation, c.column_name, t.relkind, _callhardening.key_state(c.relation, c.column_name::name) AS state,
        _callhardening.key_obstacle(c.relation, c.column_name::name) AS obstacle
    FROM columns c JOIN tables t ON t.relation = c.relation
    WHERE c.what = 'call id' AND c.attnum IS NOT NULL AND t.relation = t.root
)
-- A partition or child without any trigger, or a table that lacks some.
SELECT t.relation, 'gap', CASE WHEN t.relispartition THEN 'partition_not_hardened' ELSE 'child_not_hardened' END,
       format('%s of %s has no trigger of callhardening', CASE WHEN t.relispartition THEN 'this partition' ELSE 'this child by inheritance' END, t.root),
       CASE WHEN t.relispartition THEN 'Detach it and attach it again.' ELSE format('SELECT harden_calls(%L), with the settings of %s.', t.relation, t.root) END
FROM tables t WHERE NOT EXISTS (SELECT FROM states s WHERE s.relation = t.relation)
UNION ALL
SELECT t.relation, 'gap', 'trigger_missing', format('the trigger %s is gone', p.name),
       format('Call harden_calls(%L) again%s.', t.root, CASE p.part WHEN 'validate' THEN ', with each setting that is not the default' ELSE '' END)
FROM tables t CROSS JOIN (VALUES ('validate', 'validate_hardened_call'), ('insert', 'validate_hardened_call_insert'),
                                 ('update', 'validate_hardened_call_update')) AS p (part, name)
WHERE EXISTS (SELECT FROM states s WHERE s.relation = t.relation)
  AND NOT EXISTS (SELECT FROM states s WHERE s.relation = t.relation AND s.part = p.part)
UNION ALL
SELECT t.relation, 'gap', 'trigger_altered', format('the trigger %I was not created by harden_calls: it has another event, condition or number of arguments', s.trigger_name),
       format('Drop it, and call harden_calls(%L) again.', t.root)
FROM tables t JOIN states s ON s.relation = t.relation WHERE NOT s.is_as_created
UNION ALL
SELECT t.relation, 'gap', 'settings_differ', format('the trigger %I has other settings than the others', s.trigger_name),
       format('Drop it, and call harden_calls(%L) again.', t.root)
FROM tables t JOIN states s ON s.relation = t.relation
WHERE s.is_as_created AND cardinality(t.settings) = 8
    AND s.arguments <> CASE s.part WHEN 'validate' THEN t.settings ELSE ARRAY[_callhardening.settings_digest(t.settings)] END
UNION ALL
-- What the settings name.
SELECT c.relation, 'gap', 'column_missing', format('there is no column %I any more, which the settings name for the %s', c.column_name, c.what),
       'Rename it back, or call harden_calls again with the present name. Until then, writes fail with 55000.'
FROM columns c WHERE c.attnum IS NULL
UNION ALL
SELECT c.relation, 'gap', 'column_type', format('the column %I for the %s is %s now', c.column_name, c.what, format_type(c.atttypid, NULL)),
       'Alter the type back. Until then, writes fail with 55000.'
FROM columns c JOIN pg_type y ON y.oid = c.atttypid
WHERE c.what IN ('status', 'direction') AND y.typcategory NOT IN ('S', 'E')
   OR c.what = 'payload' AND _callhardening.base_type(c.atttypid) <> 'jsonb'::regtype
UNION ALL
SELECT c.relation, 'gap', 'column_type', format('the type %s of the column %I for the %s has no %s any more', format_type(c.atttypid, NULL), c.column_name, c.what, m.words),
       'ALTER TYPE ... RENAME VALUE back, or ADD VALUE. Until then, writes of the word fail' ||
           CASE c.what WHEN 'status' THEN ', and a row that has another one in its place goes to any status.' ELSE '.' END
FROM columns c CROSS JOIN LATERAL _callhardening.missing_enum_words(c.atttypid, c.what, c.graph) AS m (words)
WHERE c.what IN ('status', 'direction') AND c.attnum IS NOT NULL AND m.words IS NOT NULL
UNION ALL
SELECT k.relation, 'gap', 'unique_key_' || k.state,
       format(CASE k.state WHEN 'invalid' THEN 'the unique index on %I is not valid'
                           WHEN 'deferrable' THEN 'the unique constraint on %I is deferrable'
                           WHEN 'missing' THEN 'there is no unique index on %I alone, without a condition' END, k.column_name)
           || ': events are not applied to this table',
       CASE WHEN k.state = 'invalid' AND k.relkind = 'p' THEN 'Create the index on each partition and attach it.'
            WHEN k.state = 'invalid' THEN 'Drop it, remove the rows that repeat a call id, and create it again.'
            WHEN k.state = 'deferrable' THEN 'Make it NOT DEFERRABLE: drop the constraint and create it again.'
            WHEN k.relkind = 'p' THEN 'A unique index of a partitioned table has to contain the partition key: partition by the call id.'
            ELSE 'Merge the rows that repeat a call id, and call harden_calls again.' END
FROM keys k WHERE k.state <> 'unique'
UNION ALL
SELECT k.relation, 'gap', 'key_unfit', format('the call id %I cannot be the key of events, which are not applied to this table: %s', k.column_name, k.obstacle),
       'Use text or varchar with a deterministic collation, or an integer type, and no GENERATED ALWAYS.'
FROM keys k WHERE k.obstacle IS NOT NULL
UNION ALL
SELECT t.relation, 'gap', 'foreign_partition', format('this partition of %s is a foreign table: who writes at its server passes no trigger here', t.root),
       'Harden the table at its server.'
FROM tables t WHERE t.relkind = 'f'
UNION ALL
SELECT t.relation, 'note', 'subscription', format('a subscription writes to this table, and the trigger %I does not fire for it', s.trigger_name),
       format('Harden the publisher''s table, or ALTER TABLE %s ENABLE ALWAYS TRIGGER %I.', t.relation, s.trigger_name)
FROM tables t JOIN states s ON s.relation = t.relation
WHERE s.state = 'O' AND EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = t.relation)
$$;

COMMENT ON FUNCTION _callhardening.table_gaps() IS
'the gaps that only calls tables can have, for call_enforcement';

CREATE FUNCTION _callhardening.stray_event_gaps(events regclass)
    RETURNS TABLE (level text, gap text, detail text, advice text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
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
    -- What was altered is a gap of its own. Row-level security is none.
    RETURN QUERY SELECT 'note', 'not_read', 'row-level security hides the events from the owner of the extension',
        'Look at pending_call_events as the owner.'
    FROM pg_class AS c WHERE c.oid = stray_event_gaps.events AND c.relrowsecurity;
END
$$;

COMMENT ON FUNCTION _callhardening.stray_event_gaps(regclass) IS
'a row for call_enforcement where a log has events that no worker looks for, or where that is not known';

CREATE FUNCTION _callhardening.event_log_gaps() RETURNS TABLE (relation regclass, level text, gap text, detail text, advice text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states()
), logs AS MATERIALIZED (
    SELECT l.*, c.relkind, c.relpersistence FROM _callhardening.logs l JOIN pg_class c ON c.oid = l.events
), columns AS (
    SELECT l.events, k.name, k.type, a.attnum, a.atttypid
    FROM logs l CROSS JOIN (VALUES ('event_seq', 'bigint'::regtype), ('event_lane', 'integer'), ('event_xid', 'xid8'), ('call_id', 'text'),
                                   ('event_type', 'text')) AS k (name, type)
    LEFT JOIN pg_attribute a ON a.attrelid = l.events AND a.attname = k.name AND NOT a.attisdropped
    WHERE k.name <> 'event_type' OR l.sequence IS NULL -- what was there before has a column of its own, or none
), named AS (
    -- What the settings name, with what harden_call_events takes there; of a new log, the type of an event is one of those above.
    SELECT l.events, k.what, k.name, k.wanted, a.attnum, a.atttypid, y.oid AS base,
           k.types IS NULL OR y.oid = ANY (k.types) OR 'text'::regtype = ANY (k.types) AND y.typcategory = 'S' AS is_fit
    FROM logs l CROSS JOIN LATERAL (
        VALUES ('payload_column', l.payload_column, '{jsonb}'::regtype[], 'jsonb'),
               ('event_type_column', CASE WHEN l.sequence IS NOT NULL THEN l.event_type_column END, '{text}', 'text'),
               ('received_at_column', l.received_at_column, '{timestamp,timestamptz}', 'timestamp with or without time zone'),
               ('processed_at_column', l.processed_at_column, '{timestamp,timestamptz}', 'timestamp with or without time zone')
        UNION ALL SELECT 'carry', c, NULL, NULL FROM unnest(l.carry) AS c) AS k (what, name, types, wanted)
    LEFT JOIN pg_attribute a ON a.attrelid = l.events AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_type y ON y.oid = _callhardening.base_type(a.atttypid)
    WHERE k.name IS NOT NULL
)
SELECT l.events, 'gap', 'log_missing', format('event log %s was dropped while triggers were off', l.log_id), 'Delete its row in call_event_logs.'
FROM _callhardening.logs l WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = l.events)
UNION ALL
-- A schema that was restored without data has the triggers, and not what call_event_logs says of them.
SELECT s.relation::regclass, 'gap', 'log_not_registered',
       format('the trigger %I is here, and call_event_logs has no row of the table: no worker finds its events', s.trigger_name),
       'Restore the data of call_event_logs too, or call ' || CASE cardinality(s.arguments)
           WHEN 5 THEN format('unharden_call_events(%L), and harden_call_events again.', s.relation::regclass)
           ELSE format('register_call_event_log(%L, its calls table, %L, %s).', s.relation::regclass, s.arguments[2], s.arguments[3]) END
FROM states s WHERE s.part = 'stamp' AND NOT EXISTS (SELECT FROM logs l WHERE l.events = s.relation)
UNION ALL
SELECT l.events, 'gap', 'trigger_missing', format('the trigger %s is gone', p.name),
       CASE p.part WHEN 'stamp' THEN 'Rows cannot be inserted, or no worker finds them: create the trigger as register_call_event_log does.'
                   WHEN 'keep' THEN 'No worker finds what a subscription updates: create the trigger as register_call_event_log does.'
                   ELSE 'Events without a call are not found in call_dead_events: create the trigger as register_call_event_log does.' END
FROM logs l CROSS JOIN (VALUES ('stamp', 'stamp_call_event'), ('bury', 'bury_call_event'), ('keep', 'keep_call_event_stamp'))
    AS p (part, name)
WHERE NOT EXISTS (SELECT FROM states s WHERE s.relation = l.events AND s.part = p.part)
UNION ALL
SELECT l.events, 'gap', 'trigger_altered', format('the trigger %I is not as register_call_event_log has created it: it has another event, condition or number of arguments', s.trigger_name),
       'Drop it, and create it as register_call_event_log does.'
FROM logs l JOIN states s ON s.relation = l.events AND s.part IN ('stamp', 'bury') WHERE NOT s.is_as_created
UNION ALL
SELECT l.events, 'gap', 'settings_differ', format('the trigger %I has %s lanes and provider %s, call_event_logs has %s and %s', s.trigger_name, s.arguments[3], s.arguments[2], l.lanes, l.provider),
       'Drop it, and create it as register_call_event_log does.'
FROM logs l JOIN states s ON s.relation = l.events AND s.part = 'stamp'
WHERE s.is_as_created AND s.arguments[2:3] <> ARRAY[l.provider, l.lanes::text]
UNION ALL
SELECT l.events, 'gap', 'table_altered', 'the log is no ordinary table, or has children', 'Copy the events to a new log.'
FROM logs l WHERE l.relkind <> 'r' OR EXISTS (SELECT FROM pg_inherits i WHERE l.events IN (i.inhparent, i.inhrelid))
UNION ALL
SELECT l.events, 'gap', 'table_unlogged', 'the log is an unlogged table: a crash of the server empties it', format('ALTER TABLE %s SET LOGGED.', l.events)
FROM logs l WHERE l.relpersistence = 'u'
UNION ALL
SELECT l.events, 'note', 'default_log', 'functions that are called without a log use this one', 'To choose another: SELECT configure_call_event_log(log, is_default => true).'
FROM logs l WHERE l.is_default AND (SELECT count(*) FROM logs) > 1
UNION ALL
SELECT NULL, 'note', 'no_default_log', 'there are several event logs, and none is the default: functions that are called without a log fail', 'SELECT configure_call_event_log(log, is_default => true).'
WHERE (SELECT count(*) FROM logs) > 1 AND NOT EXISTS (SELECT FROM logs l WHERE l.is_default)
UNION ALL
SELECT c.events, 'gap', 'table_altered', CASE WHEN c.attnum IS NULL THEN format('there is no column %I any more', c.name)
       ELSE format('the column %I is %s, not %s', c.name, format_type(c.atttypid, NULL), c.type) END, 'Alter it back.'
FROM columns c WHERE c.attnum IS NULL OR c.atttypid <> c.type
UNION ALL
SELECT n.events, 'gap', CASE WHEN n.attnum IS NULL THEN 'column_missing' ELSE 'column_type' END,
       CASE WHEN n.attnum IS NULL THEN format('there is no column %I any more, which call_event_logs names in %s', n.name, n.what)
            ELSE format('the column %I, which call_event_logs names in %s, is %s, not %s', n.name, n.what, format_type(n.atttypid, NULL), n.wanted) END,
       CASE WHEN n.attnum IS NULL THEN 'Rename it back, or add it again.' ELSE 'Alter the type back.' END || ' Until then, no worker takes an event.'
FROM named n WHERE n.attnum IS NULL OR NOT n.is_fit
UNION ALL
SELECT l.events, 'gap', 'carried_column_missing', format('there is no column %I in %s any more, which call_event_logs names in carry', k.name, l.calls),
       'Rename it back, or add it again. Until then, events are not applied.'
FROM logs l JOIN pg_class c ON c.oid = l.calls CROSS JOIN unnest(l.carry) AS k (name)
WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = l.calls AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped)
UNION ALL
SELECT DISTINCT l.calls, o.level, o.gap, o.detail, o.advice
FROM logs l JOIN _callhardening.hardened_tables() h ON h.relation = l.calls AND cardinality(h.settings) = 8
CROSS JOIN LATERAL _callhardening.row_obstacles(l.calls, h.settings, l.carry) AS o
UNION ALL
SELECT l.events, 'note', 'carried_column_null', n.detail, n.advice
FROM logs l JOIN pg_class c ON c.oid = l.calls CROSS JOIN LATERAL _callhardening.carried_column_nulls(l.events, l.calls, l.carry) AS n
UNION ALL
-- As an INSERT ... SELECT assigns it: by a cast, or to a type of strings.
SELECT n.events, 'gap', 'carried_column_type', format('the column %I, which call_event_logs names in carry, is %s, and %s in %s', n.name, format_type(n.atttypid, NULL),
           format_type(a.atttypid, NULL), l.calls), 'Alter the type back. Until then, events are not applied.'
FROM named n JOIN logs l ON l.events = n.events AND n.what = 'carry'
JOIN pg_attribute a ON a.attrelid = l.calls AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type y ON y.oid = _callhardening.base_type(a.atttypid)
WHERE n.base <> y.oid AND y.typcategory <> 'S'
  AND NOT EXISTS (SELECT FROM pg_cast c WHERE c.castsource = n.base AND c.casttarget = y.oid AND c.castcontext IN ('a', 'i'))
UNION ALL
SELECT l.events, 'gap', 'sequence_missing', 'the sequence of event_seq is gone: rows cannot be inserted', 'Call unharden_call_events, and harden_call_events again.'
FROM logs l WHERE l.sequence IS NOT NULL AND NOT EXISTS (SELECT FROM pg_class s WHERE s.oid = l.sequence AND s.relkind = 'S')
UNION ALL
SELECT l.events, 'note', 'row_security', 'row-level security is enabled: workers fail whose role it applies to',
       format('Give their roles BYPASSRLS, or ALTER TABLE %s DISABLE ROW LEVEL SECURITY.', l.events)
FROM logs l JOIN pg_class c ON c.oid = l.events WHERE c.relrowsecurity
UNION ALL
SELECT l.events, 'gap', 'index_missing', format('there is no valid unique index on (%s)', array_to_string(k.names, ', ')),
       format('CREATE UNIQUE INDEX ON %s (%s).', l.events, array_to_string(k.names, ', '))
FROM logs l CROSS JOIN (VALUES ('{event_lane,event_xid,event_seq}'::name[]), ('{event_seq}'), ('{event_digest}')) AS k (names)
WHERE NOT _callhardening.has_event_index(l.events, k.names)
UNION ALL
SELECT l.events, 'gap', 'trigger_not_always',
       format('a subscription writes to this log, and the trigger %I does not fire for it: workers refuse the log',
           s.trigger_name),
       format('ALTER TABLE %s ENABLE %s TRIGGER %I. What came before then has the stamps of the publisher: copy it anew.',
           l.events, CASE s.part WHEN 'keep' THEN 'REPLICA' ELSE 'ALWAYS' END, s.trigger_name)
FROM logs l JOIN states s ON s.relation = l.events AND s.part IN ('stamp', 'bury', 'keep') AND s.state = 'O'
WHERE EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = l.events)
UNION ALL
SELECT l.events, 'note', 'subscription',
       'a subscription writes to this log: what it deletes is gone, whether it was processed here or not',
       'Let the publication publish inserts only: ALTER PUBLICATION ... SET (publish = ''insert'').'
FROM logs l WHERE EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = l.events)
UNION ALL
SELECT l.events, s.level, s.gap, s.detail, s.advice
FROM logs l CROSS JOIN LATERAL _callhardening.stray_event_gaps(l.events) AS s WHERE l.relkind = 'r'
UNION ALL
SELECT l.events, 'gap', CASE WHEN c.oid IS NULL THEN 'calls_missing' ELSE 'calls_not_hardened' END,
       CASE WHEN c.oid IS NULL THEN 'the calls table of this log does not exist any more' ELSE format('the calls table %s of this log is not hardened', l.calls) END
           || ': its events cannot be applied',
       CASE WHEN c.oid IS NULL THEN 'Restore the calls table, or move the events to another log.' ELSE format('SELECT harden_calls(%L).', l.calls) END
FROM logs l LEFT JOIN pg_class c ON c.oid = l.calls
WHERE NOT EXISTS (SELECT FROM states s WHERE s.relation = l.calls AND s.part = 'validate')
UNION ALL
SELECT l.events, 'gap', 'calls_column_missing', format('table %s has no column %I of type %s: no event can be applied', l.calls, m.column_name, m.column_type),
       format('SELECT harden_calls(%L).', l.calls)
FROM logs l JOIN pg_class c ON c.oid = l.calls CROSS JOIN _callhardening.merge_columns() AS m
WHERE EXISTS (SELECT FROM states s WHERE s.relation = l.calls AND s.part = 'validate')
  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = l.calls AND a.attname = m.column_name AND a.atttypid = m.column_type)
$$;

COMMENT ON FUNCTION _callhardening.event_log_gaps() IS
'the gaps that only event logs can have, for call_enforcement';

CREATE FUNCTION _callhardening.enforcement_gaps() RETURNS TABLE (relation regclass, level text, gap text, detail text, advice text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states()
), watched AS MATERIALIZED (
    SELECT h.relation::regclass AS relation FROM _callhardening.hardened_tables() h
    UNION SELECT l.events FROM _callhardening.logs l
), gaps AS MATERIALIZED (
    SELECT * FROM _callhardening.table_gaps()
    UNION ALL
    SELECT * FROM _callhardening.event_log_gaps()
    UNION ALL
    SELECT w.relation, 'gap', CASE s.state WHEN 'D' THEN 'trigger_disabled' ELSE 'trigger_replica_only' END,
           format('the trigger %I %s', s.trigger_name, CASE s.state WHEN 'D' THEN 'is disabled' ELSE 'fires for replication only' END),
           format('ALTER TABLE %s ENABLE %sTRIGGER %I.', w.relation, CASE WHEN s.part IN ('stamp', 'bury') THEN 'ALWAYS '
               WHEN s.part = 'keep' THEN 'REPLICA ' ELSE '' END, s.trigger_name)
    FROM watched w JOIN states s ON s.relation = w.relation WHERE s.state = 'D' OR s.state = 'R' AND s.part <> 'keep'
    UNION ALL
    SELECT w.relation, 'gap', 'rule', format('the rule %I does something else instead of %s', r.rulename, CASE r.ev_type WHEN '2' THEN 'UPDATE' ELSE 'INSERT' END),
           format('Make it a trigger, or DROP RULE %I ON %s. Its own statements are checked where they write to hardened tables.', r.rulename, w.relation)
    FROM watched w JOIN pg_rewrite r ON r.ev_class = w.relation AND r.is_instead AND r.ev_type IN ('2', '3') AND r.ev_enabled <> 'D'
    UNION ALL
    SELECT w.relation, 'note', 'later_trigger', format('the BEFORE trigger %I runs after %I', t.tgname, s.trigger_name),
           CASE s.part WHEN 'validate' THEN 'What it makes illegal is refused; but a payload that it writes is not sanitized. Rename it to come before.'
                       ELSE 'A body or call id that it writes is not what was stamped. Rename it to come before.' END
    FROM watched w JOIN states s ON s.relation = w.relation AND s.part IN ('validate', 'stamp')
    JOIN pg_trigger t ON t.tgrelid = w.relation AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0
        AND t.tgname > s.trigger_name
    WHERE NOT EXISTS (SELECT FROM states o WHERE o.relation = w.relation AND o.trigger_name = t.tgname)
    UNION ALL
    SELECT NULL, 'gap', 'replica_role', format('session_replication_role is replica for %s%s: no trigger fires',
               CASE r.setrole WHEN 0 THEN 'all roles' ELSE 'role ' || r.setrole::regrole END, CASE r.setdatabase WHEN 0 THEN '' ELSE ' in this database' END),
           CASE WHEN r.setrole = 0 AND r.setdatabase = 0 THEN 'ALTER ROLE ALL RESET session_replication_role.'
                WHEN r.setrole = 0 THEN format('ALTER DATABASE %I RESET session_replication_role.', current_database())
                ELSE format('ALTER ROLE %s %sRESET session_replication_role.', r.setrole::regrole,
                            CASE r.setdatabase WHEN 0 THEN '' ELSE format('IN DATABASE %I ', current_database()) END) END
    FROM pg_db_role_setting r
    WHERE r.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND 'session_replication_role=replica' = ANY (SELECT lower(c) FROM unnest(r.setconfig) AS c)
    UNION ALL
    SELECT NULL, 'gap', 'replica_role', 'session_replication_role is replica for the whole server: no trigger fires', 'Take it out of the server''s configuration.'
    FROM pg_settings WHERE name = 'session_replication_role' AND setting = 'replica' AND source IN ('configuration file', 'command line', 'environment variable')
)
SELECT * FROM gaps
UNION ALL
SELECT w.relation, 'ok', 'none', 'every row that is written here passes the rules', NULL
FROM watched w WHERE NOT EXISTS (SELECT FROM gaps g WHERE g.relation = w.relation AND g.level = 'gap')
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.enforcement_gaps() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'enforcement_gaps');

COMMENT ON FUNCTION _callhardening.enforcement_gaps() IS
'the rows of the view call_enforcement. SECURITY DEFINER, so that who reads the view needs no right on what it calls';

CREATE VIEW @extschema@.call_enforcement AS
SELECT g.relation, g.level, g.gap, g.detail, g.advice FROM _callhardening.enforcement_gaps() g
ORDER BY g.relation::text COLLATE "C", g.level, g.gap, g.detail COLLATE "C";
REVOKE ALL ON @extschema@.call_enforcement FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'call_enforcement', 'SELECT');

COMMENT ON VIEW @extschema@.call_enforcement IS 'each hardened table, its partitions and children, and each event log, with every way around the rules that the catalogs show; a table without a gap has one row of level ok. Not shown, since the catalogs do not tell: a superuser, owner or SET session_replication_role that wrote past the triggers at some time. Who reads it needs EXECUTE on enforcement_gaps';
COMMENT ON COLUMN @extschema@.call_enforcement.relation IS 'NULL: the gap is everywhere';
COMMENT ON COLUMN @extschema@.call_enforcement.level IS 'gap: rows can pass by, or are not written at all; note: look at it; ok: no gap';
COMMENT ON COLUMN @extschema@.call_enforcement.gap IS 'trigger_disabled, trigger_replica_only, trigger_missing, trigger_altered, settings_differ, rule, partition_not_hardened, child_not_hardened, foreign_partition, unique_key_missing, unique_key_invalid, unique_key_deferrable, key_unfit, column_missing, column_type, replica_role; of calls tables with a log also column_not_filled, unique_not_filled, partition_missing; of event logs also log_missing, log_not_registered, table_altered, table_unlogged, index_missing, calls_missing, calls_not_hardened, carried_column_missing, carried_column_type, sequence_missing, events_outside_lanes, trigger_not_always; notes: later_trigger, subscription, row_security, column_not_null, column_short, carried_column_null, not_read, default_log, no_default_log; none';
