
-- an existing table of events ------------------------------------------------------------------
--
-- It gets the columns of an event log, and the triggers that fill them. Its clients see no change and need no new
-- rights. Only pending rows are rewritten.

CREATE FUNCTION _callhardening.can_fill_column(column_name name, type oid) RETURNS boolean
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_can_fill_column';

COMMENT ON FUNCTION _callhardening.can_fill_column(name, oid) IS
'whether process_call_events fills a column of this name and type: it has one of the usual names, as in started_at, '
'and a type that can hold the values. Errors: 42704 no such type';

CREATE FUNCTION _callhardening.columns_to_fill(calls regclass, settings _callhardening.settings, carry name[])
    RETURNS TABLE (name name, attnum smallint, identity "char", type regtype, typmod int, has_default boolean,
        preset text, refuses_null boolean, is_filled boolean)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH types AS MATERIALIZED (
    SELECT a.attrelid, a.attname, a.attnum, a.attidentity, a.attgenerated,
        a.attnotnull OR b.refuses_null AS refuses_null,
        a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL AS has_default,
        coalesce(pg_get_expr(d.adbin, d.adrelid), t.typdefault) AS preset,
        b.base_type AS type, b.base_typmod AS typmod
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    CROSS JOIN LATERAL _callhardening.type_below(a.atttypid, a.atttypmod) AS b
    WHERE a.attrelid = ANY (calls::oid || ARRAY(SELECT leaf::oid FROM _callhardening.table_leaves(calls) AS leaf))
        AND a.attnum > 0 AND NOT a.attisdropped
), refusing AS MATERIALIZED (
    -- A partition may refuse what its table takes; the defaults are those of the table.
    SELECT y.attname FROM types y WHERE y.refuses_null
    UNION
    SELECT a.attname FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    WHERE c.conrelid = ANY (calls::oid || ARRAY(SELECT leaf::oid FROM _callhardening.table_leaves(calls) AS leaf))
        AND c.contype = 'c' AND cardinality(c.conkey) = 1
        AND pg_get_constraintdef(c.oid) LIKE 'CHECK ((' || quote_ident(a.attname) || ' IS NOT NULL))%'
)
SELECT y.attname, y.attnum, y.attidentity, y.type, y.typmod, y.has_default, y.preset,
    EXISTS (SELECT FROM refusing r WHERE r.attname = y.attname),
    y.attname IN (settings.call_id_column, settings.status_column, settings.direction_column,
            settings.payload_column)
        OR y.attname = ANY (carry)
        OR (y.attgenerated = '' AND y.attidentity <> 'a'
            AND _callhardening.can_fill_column(y.attname, y.type)
            -- A table with Dialpad's names keeps a user_id of its own.
            AND NOT (y.attname = 'user_id' AND EXISTS (SELECT FROM types d WHERE d.attrelid = calls
                AND d.attname IN ('dialpad_call_id', 'dialpad_user_id'))))
FROM types y WHERE y.attrelid = calls
$$;

COMMENT ON FUNCTION _callhardening.columns_to_fill(regclass, _callhardening.settings, name[]) IS
'the columns of a table of calls. type and typmod are those below a domain. preset: the default, as SQL. refuses_null: '
'also in one partition, or by a domain or a CHECK. is_filled: events fill it';

CREATE FUNCTION _callhardening.usual_lengths(call_id_column name) RETURNS TABLE (name name, what text, length int)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES (call_id_column, 'call ids', 20),
    ('from_number', 'numbers', 16),
    ('to_number', 'numbers', 16),
    ('recording_url', 'links', 255),
    ('voicemail_url', 'links', 255),
    ('dialpad_user_id', 'ids', 20),
    ('user_id', 'ids', 20),
    ('master_call_id', 'ids', 20),
    ('entry_point_call_id', 'ids', 20),
    ('operator_call_id', 'ids', 20)
$$;

COMMENT ON FUNCTION _callhardening.usual_lengths(name) IS
'the characters that values of a column can have. For row_obstacles';

CREATE FUNCTION _callhardening.row_obstacles(calls regclass, settings _callhardening.settings, carry name[])
    RETURNS TABLE (level text, gap text, detail text, advice text)
    LANGUAGE sql STABLE ROWS 4
    SET search_path = pg_catalog, pg_temp
    SET jit = off -- what it estimates for a few rows of the catalogs would cost seconds of compiling
    SET citus.override_table_visibility = off
    AS $$
WITH columns AS MATERIALIZED (
    SELECT * FROM _callhardening.columns_to_fill(calls, settings, carry)
), empty AS (
    -- A trigger of the table may fill what nobody else does.
    SELECT c.* FROM columns c WHERE NOT EXISTS (
        SELECT FROM pg_trigger t WHERE t.tgrelid = calls AND t.tgtype & 7 = 7 AND NOT t.tgisinternal
            AND t.tgenabled <> 'D'
            AND t.tgname <> ALL (ARRAY(SELECT unnest(_callhardening.call_triggers(calls)))))
)
SELECT 'gap', 'column_not_filled',
    format('no event fills column %I of table %s, but it is NOT NULL and has no default', e.name, calls),
    'Give the column a default, or name it in carry if the events have it.'
FROM empty e WHERE e.refuses_null AND NOT e.has_default AND NOT e.is_filled
UNION ALL
-- Each call would have the same value there, or the same NULL.
SELECT 'gap', 'unique_not_filled',
    format('no event fills the columns of the unique index %s of table %s: it takes one call',
        i.indexrelid::regclass, calls),
    'Drop it, or add the call id to its columns.'
FROM pg_index i WHERE i.indrelid = calls AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    AND NOT EXISTS (SELECT FROM columns c WHERE c.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
        AND (c.is_filled OR c.identity <> '' OR c.preset LIKE '%(%' OR c.preset LIKE 'CURRENT%'
            OR (c.preset IS NULL AND NOT i.indnullsnotdistinct)))
    AND NOT EXISTS (SELECT FROM columns c WHERE c.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
        AND NOT EXISTS (SELECT FROM empty e WHERE e.attnum = c.attnum))
UNION ALL
SELECT 'gap', 'partition_missing',
    format('the partitioned table %s has no partition for a row', calls), 'Create its partitions.'
FROM pg_class c WHERE c.oid = calls AND c.relkind = 'p'
    AND NOT EXISTS (SELECT FROM pg_partition_tree(calls) p WHERE p.isleaf AND p.level > 0)
UNION ALL
SELECT 'note', 'column_not_null',
    format('column %I of table %s is NOT NULL and has no default: an event without its value fails',
        e.name, calls),
    'Give the column a default, or drop NOT NULL.'
FROM empty e WHERE e.refuses_null AND NOT e.has_default AND e.is_filled
    AND e.name NOT IN (settings.call_id_column, settings.payload_column) AND e.name <> ALL (carry)
UNION ALL
SELECT 'note', 'column_short',
    format('column %I of table %s is %s: %s can be longer, and an event with such a value fails',
        c.name, calls, format_type(c.type, c.typmod), w.what), 'Make the column longer.'
FROM columns c JOIN _callhardening.usual_lengths(settings.call_id_column) AS w ON w.name = c.name
WHERE c.type IN ('varchar'::regtype, 'bpchar'::regtype) AND c.typmod >= 4 AND c.typmod - 4 < w.length
    OR c.name = settings.call_id_column AND c.type IN ('smallint'::regtype, 'integer'::regtype)
UNION ALL
SELECT 'note', 'row_security',
    format('row-level security is enabled for table %s: events fail if it applies to the worker''s role', calls),
    format('Give their roles BYPASSRLS or a policy, or ALTER TABLE %s DISABLE ROW LEVEL SECURITY.', calls)
FROM pg_class c WHERE c.oid = calls AND c.relrowsecurity
$$;

COMMENT ON FUNCTION _callhardening.row_obstacles(regclass, _callhardening.settings, name[]) IS
'why events fail to be applied to this table: each event (gap), or some (note). settings: of these only the columns '
'count. carry: see harden_call_events. Reads the catalogs only: what constraints, domains, foreign keys and triggers '
'say of a row is not looked at';

CREATE FUNCTION _callhardening.carried_column_nulls(events regclass, calls regclass, carry name[])
    RETURNS TABLE (detail text, advice text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format('the carried column %I may be NULL in %s, and not in %s: an event without its value fails',
        k.name, events, calls),
    format('Give the values in ingest_call_event(carry => ...), or the column of %s a default.', calls)
FROM unnest(carry) AS k (name)
JOIN pg_attribute e ON e.attrelid = events AND e.attname = k.name AND NOT e.attisdropped
    AND NOT e.attnotnull AND NOT e.atthasdef
JOIN pg_attribute c ON c.attrelid = calls AND c.attname = k.name AND NOT c.attisdropped
    AND c.attnotnull AND NOT c.atthasdef
$$;

COMMENT ON FUNCTION _callhardening.carried_column_nulls(regclass, regclass, name[]) IS
'the carried columns: optional in an event, required in a call';

CREATE FUNCTION _callhardening.require_no_obstacle(calls regclass, carry name[]) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings _callhardening.settings := _callhardening.column_settings(_callhardening.trigger_settings(calls));
    obstacle record;
BEGIN
    IF settings.call_id_column IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is not hardened', calls),
            hint => 'Call harden_calls for it first.');
    END IF;
    IF _callhardening.key_obstacle(calls, settings.call_id_column) IS NOT NULL THEN
        PERFORM _callhardening.raise_error('55000',
            format('column %I of table %s cannot be the key of events', settings.call_id_column, calls),
            detail => _callhardening.key_obstacle(calls, settings.call_id_column),
            hint => 'Use text or varchar with a deterministic collation, or an integer type. The column cannot be '
                'GENERATED ALWAYS.');
    END IF;
    FOR obstacle IN SELECT o.* FROM _callhardening.row_obstacles(calls, settings, carry) AS o
        WHERE o.gap IN ('column_not_filled', 'unique_not_filled')
    LOOP
        PERFORM _callhardening.raise_error('55000', obstacle.detail, hint => obstacle.advice);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.require_no_obstacle(regclass, name[]) IS
'refuses (55000) a calls table unfit for any event';

CREATE FUNCTION _callhardening.report_obstacles(events regclass, calls regclass, carry name[]) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    obstacle record;
BEGIN
    FOR obstacle IN
        SELECT o.detail, o.advice FROM _callhardening.row_obstacles(calls,
            _callhardening.column_settings(_callhardening.trigger_settings(calls)), carry) AS o
        UNION ALL
        SELECT n.detail, n.advice FROM _callhardening.carried_column_nulls(events, calls, carry) AS n
    LOOP
        PERFORM _callhardening.report('WARNING', obstacle.detail, hint => obstacle.advice);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.report_obstacles(regclass, regclass, name[]) IS
'a WARNING for each obstacle of row_obstacles, and for each of carried_column_nulls';

CREATE FUNCTION _callhardening.require_event_column(events regclass, argument text, column_name name, types regtype[])
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    attribute pg_attribute;
    base_type regtype;
BEGIN
    IF column_name IS NULL THEN
        RETURN;
    END IF;
    attribute := _callhardening.require_plain_column(events, column_name,
        format('Name a column of the table in %s.', argument));
    base_type := _callhardening.base_type(attribute.atttypid);
    IF types IS NOT NULL AND NOT (base_type = ANY (types)
            OR ('text'::regtype = ANY (types) AND (SELECT typcategory = 'S' FROM pg_type WHERE oid = base_type))) THEN
        PERFORM _callhardening.raise_error('42804',
            format('column %I of table %s is %s', column_name, events,
                format_type(attribute.atttypid, attribute.atttypmod)),
            detail => format('The column of %s must be %s.', argument,
                (SELECT string_agg(t::text, ' or ') FROM unnest(types) AS t)));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_event_column(regclass, text, name, regtype[]) IS
'refuses a column unfit for an argument of harden_call_events: 42703 no such column, 428C9 generated, 42804 of none '
'of the types (text: any type of strings; NULL: any type). column_name NULL: nothing is looked at';

CREATE FUNCTION _callhardening.way_out_of_shards(relation regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT CASE
    WHEN EXISTS (SELECT FROM pg_attribute WHERE attrelid = relation AND attidentity <> '')
        THEN format('Citus undistributes no table with an identity column. Copy what you need (CREATE TABLE ... AS '
            'TABLE %s), and drop it.', relation)
    WHEN _callhardening.distribution(relation) = 'schema'
        THEN format('SELECT citus_schema_undistribute(%L) first.', c.relnamespace::regnamespace)
    ELSE format('SELECT undistribute_table(%L) first.', relation) END
FROM pg_class AS c WHERE c.oid = relation
$$;

COMMENT ON FUNCTION _callhardening.way_out_of_shards(regclass) IS
'a hint: how the rows of a distributed table come into an ordinary one';

CREATE FUNCTION _callhardening.require_event_table(events regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    class pg_class;
BEGIN
    PERFORM _callhardening.require_relation(events, 'events'::text);
    PERFORM _callhardening.require_undistributed(events, 'be changed as an event log'::text,
        _callhardening.way_out_of_shards(events));
    PERFORM _callhardening.require_placed(events);
    SELECT * INTO class FROM pg_class WHERE oid = events;
    IF class.relkind <> 'r' OR class.relispartition THEN
        PERFORM _callhardening.raise_error('42809', format('%s is not an ordinary table', events),
            hint => 'An event log is read through an index on all of its rows: views, foreign tables, partitioned '
                'tables and partitions have none.');
    END IF;
    IF EXISTS (SELECT FROM pg_inherits WHERE events IN (inhrelid, inhparent)) THEN
        PERFORM _callhardening.raise_error('42809', format('table %s inherits, or is inherited from', events),
            hint => 'The rows of an event log have to be in one table.');
    END IF;
    PERFORM _callhardening.require_table_owner(events);
END
$$;

COMMENT ON FUNCTION _callhardening.require_event_table(regclass) IS
'refuses what cannot be an event log: 22004 NULL, 42P01 no relation, 42809 no ordinary table, or one with '
'inheritance, 42501 not the owner';

CREATE FUNCTION _callhardening.require_carried_columns(events regclass, calls regclass, carry name[]) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings record := @extschema@.call_settings(calls);
    filled name[] := ARRAY[settings.call_id_column, settings.status_column, settings.direction_column,
        settings.payload_column];
    source pg_attribute;
    target pg_attribute;
    carried name;
BEGIN
    IF carry IS NULL OR array_position(carry, NULL) IS NOT NULL THEN
        PERFORM _callhardening.raise_error('22004', 'carry must not be NULL, nor have a NULL in it');
    END IF;
    FOREACH carried IN ARRAY carry LOOP
        IF (SELECT count(*) FROM unnest(carry) AS c WHERE c = carried) > 1 THEN
            PERFORM _callhardening.raise_error('42701', format('column %I is named twice in carry', carried));
        END IF;
        PERFORM _callhardening.require_event_column(events, 'carry'::text, carried, NULL::regtype[]);
        SELECT * INTO source FROM pg_attribute WHERE attrelid = events AND attname = carried;
        target := _callhardening.require_plain_column(calls, carried, 'carry names columns of both tables.');
        IF target.attidentity = 'a' THEN
            PERFORM _callhardening.raise_error('428C9',
                format('column %I of table %s is a generated column', carried, calls));
        END IF;
        IF carried = ANY (filled) THEN
            PERFORM _callhardening.raise_error('22023',
                format('column %I of table %s is filled by the events', carried, calls),
                hint => 'Leave it out of carry.');
        END IF;
        IF source.atttypid <> target.atttypid THEN
            PERFORM _callhardening.raise_error('42804',
                format('column %I is %s in %s and %s in %s', carried,
                    format_type(source.atttypid, source.atttypmod), events,
                    format_type(target.atttypid, target.atttypmod), calls));
        END IF;
    END LOOP;
    PERFORM _callhardening.require_no_obstacle(calls, carry);
END
$$;

COMMENT ON FUNCTION _callhardening.require_carried_columns(regclass, regclass, name[]) IS
'refuses columns that cannot be copied from an event to its call, and a calls table with columns that would stay '
'empty and must not; the errors are told at harden_call_events';

CREATE FUNCTION _callhardening.require_valid_event_settings(events regclass, calls regclass, payload_column name,
        event_type_column name, received_at_column name, processed_at_column name, provider text, carry name[],
        lanes int, shape jsonb)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    named name;
    seen name[] := '{event_lane,event_xid,event_seq,call_id,event_digest}';
BEGIN
    PERFORM _callhardening.require_event_table(events);
    IF calls IS NULL OR payload_column IS NULL OR provider IS NULL OR lanes IS NULL THEN
        PERFORM _callhardening.raise_error('22004', 'calls, payload_column, provider and lanes must not be NULL');
    END IF;
    PERFORM _callhardening.require_log_tables(events, calls);
    PERFORM _callhardening.require_new_log(events, calls);
    IF EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = require_valid_event_settings.events) THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is an event log already', events),
            hint => 'To change its settings, call unharden_call_events first.');
    END IF;
    IF (@extschema@.call_settings(calls)).call_id_column IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is not hardened', calls),
            hint => 'Call harden_calls for it first.');
    END IF;
    PERFORM _callhardening.require_table_owner(calls);
    PERFORM _callhardening.require_valid_log_settings(provider, shape, lanes);
    FOREACH named IN ARRAY array_remove(
            ARRAY[payload_column, event_type_column, received_at_column, processed_at_column], NULL) LOOP
        IF named = ANY (seen) THEN
            PERFORM _callhardening.raise_error('42701',
                format('column %I is named twice, or is one that the event log fills', named));
        END IF;
        seen := seen || named;
    END LOOP;
    PERFORM _callhardening.require_event_column(events, 'payload_column'::text, payload_column, '{jsonb}'::regtype[]);
    PERFORM _callhardening.require_event_column(events, 'event_type_column'::text,
        event_type_column, '{text}'::regtype[]);
    PERFORM _callhardening.require_event_column(events, 'received_at_column'::text, received_at_column,
        '{timestamp,timestamptz}'::regtype[]);
    PERFORM _callhardening.require_event_column(events, 'processed_at_column'::text, processed_at_column,
        '{timestamp,timestamptz}'::regtype[]);
    IF (SELECT attnotnull FROM pg_attribute WHERE attrelid = events AND attname = processed_at_column) THEN
        PERFORM _callhardening.raise_error('42804',
            format('column %I of table %s is NOT NULL', processed_at_column, events),
            detail => 'NULL means: the event is pending.');
    END IF;
    PERFORM _callhardening.require_carried_columns(events, calls, carry);
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_event_settings(regclass, regclass, name, name, name,
    name, text, name[], int, jsonb) IS
'refuses arguments unfit for harden_call_events; its comment lists the errors';

-- Our own objects have a comment with this beginning. unharden_call_events takes nothing else away.
CREATE FUNCTION _callhardening.event_stamp_comment(calls regclass, payload_column name, provider text, shape jsonb,
        lanes int)
    RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format('callhardening: lane of the call, one of %s; by the call ids of %s in %I for a key of %s; '
    'stamps of cluster %s', lanes,
    lower(provider) || coalesce(' (shape ' || md5(shape::text) || ')', ''), payload_column,
    _callhardening.call_key_type(calls), (SELECT system_identifier FROM pg_control_system()))
$$;

COMMENT ON FUNCTION _callhardening.event_stamp_comment(regclass, name, text, jsonb, int) IS
'the comment of the column event_lane of a hardened event table: stamps under another comment are made again';

CREATE FUNCTION _callhardening.call_key_type(calls regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN s.provider = '*' THEN 'provider:' ELSE '' END
    || format_type(_callhardening.base_type(a.atttypid), NULL)
FROM @extschema@.call_settings(calls) AS s JOIN pg_attribute a ON a.attrelid = calls AND a.attname = s.call_id_column
$$;

COMMENT ON FUNCTION _callhardening.call_key_type(regclass) IS
'the type of a hardened table''s call id, as in "bigint". "provider:text": each call id begins with its provider. NULL '
'if the table is not hardened';

-- harden_calls could choose another kind of key meanwhile. It would not see the new log.
CREATE FUNCTION _callhardening.lock_call_key(calls regclass) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', calls);
    RETURN _callhardening.call_key_type(calls);
END
$$;

COMMENT ON FUNCTION _callhardening.lock_call_key(regclass) IS
'what call_key_type returns. It stays so until the end of the transaction';

CREATE FUNCTION _callhardening.warn_of_shared_keys(events regclass, calls regclass, provider text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    other _callhardening.logs;
BEGIN
    SELECT l.* INTO other FROM _callhardening.logs AS l
    WHERE l.calls = warn_of_shared_keys.calls AND l.events <> warn_of_shared_keys.events AND NOT l.is_of_changes
        AND coalesce(_callhardening.known_provider(l.provider), l.provider)
            <> coalesce(_callhardening.known_provider(warn_of_shared_keys.provider), warn_of_shared_keys.provider)
    ORDER BY l.log_id LIMIT 1;
    IF FOUND AND _callhardening.call_key_type(calls) NOT LIKE 'provider:%' THEN
        PERFORM _callhardening.report('WARNING',
            format('the events of %s and of %s may have the same call ids', provider, other.provider),
            detail => format('Event logs %s and %s have the calls table %s. Two calls with one id become one row.',
                events, other.events, calls),
            hint => 'Use a calls table of several providers: harden_calls(provider => ''*'').');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.warn_of_shared_keys(regclass, regclass, text) IS
'a WARNING if a calls table gets a log of a second provider, and its call ids do not begin with their provider';

CREATE FUNCTION _callhardening.event_sequence(events regclass) RETURNS regclass
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT d.objid::regclass FROM pg_attribute a
JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
    AND d.refobjsubid = a.attnum AND d.deptype = 'a'
JOIN pg_class s ON d.classid = 'pg_class'::regclass AND s.oid = d.objid AND s.relkind = 'S'
WHERE a.attrelid = events AND a.attname = 'event_seq'
ORDER BY d.objid LIMIT 1
$$;

COMMENT ON FUNCTION _callhardening.event_sequence(regclass) IS
'the sequence of the events of a hardened event table; NULL: there is none';

CREATE FUNCTION _callhardening.event_columns() RETURNS TABLE (column_name name, column_type regtype, note text)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('event_lane'::name, 'integer'::regtype, NULL),
    ('event_xid', 'xid8', 'callhardening: the transaction that appended the event'),
    ('event_seq', 'bigint',
        'callhardening: sequence number of the event; NULL: it was processed before this was an event log'),
    ('call_id', 'text', 'callhardening: the call that the event is about'),
    ('event_digest', 'bytea', 'callhardening: tells a redelivery to ingest_call_event')
$$;

COMMENT ON FUNCTION _callhardening.event_columns() IS 'the columns of harden_call_events, with their comments';

CREATE FUNCTION _callhardening.has_event_columns(events regclass) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT _callhardening.event_sequence(events) IS NOT NULL AND NOT EXISTS (
    SELECT FROM _callhardening.event_columns() c
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = events AND a.attname = c.column_name))
$$;

COMMENT ON FUNCTION _callhardening.has_event_columns(regclass) IS
'whether an event table has the columns of an event log: hardening it takes no ACCESS EXCLUSIVE lock then';

CREATE FUNCTION _callhardening.add_event_columns(events regclass, stamp_comment text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    wanted record;
    attribute pg_attribute;
    has_values boolean;
    class pg_class;
    sequence text;
BEGIN
    FOR wanted IN SELECT * FROM _callhardening.event_columns() LOOP
        SELECT * INTO attribute FROM pg_attribute
        WHERE attrelid = events AND attname = wanted.column_name AND NOT attisdropped;
        IF NOT FOUND THEN
            PERFORM _callhardening.add_column(events, wanted.column_name, wanted.column_type,
                coalesce(wanted.note, stamp_comment));
        ELSIF attribute.atttypid <> wanted.column_type OR attribute.attgenerated <> '' THEN
            PERFORM _callhardening.raise_error('42804',
                format('column %I of table %s is %s%s', wanted.column_name, events,
                    CASE WHEN attribute.attgenerated <> '' THEN 'generated, of type ' END,
                    format_type(attribute.atttypid, attribute.atttypmod)),
                detail => format('The trigger of an event log fills a column of this name. Its type must be %s.',
                    wanted.column_type),
                hint => 'Rename the column.');
        ELSIF coalesce(col_description(events, attribute.attnum), '') NOT LIKE 'callhardening: %' THEN
            SELECT r.found INTO has_values
            FROM _callhardening.query_as_owner(events,
                format('SELECT EXISTS (SELECT FROM %s WHERE %I IS NOT NULL)', events, wanted.column_name),
                NULL::text[]) AS r (found boolean);
            IF has_values THEN
                PERFORM _callhardening.raise_error('55000',
                    format('column %I of table %s has values', wanted.column_name, events),
                    detail => 'The trigger of an event log fills a column of this name.',
                    hint => 'Rename the column.');
            END IF;
        END IF;
    END LOOP;
    IF _callhardening.event_sequence(events) IS NULL THEN
        SELECT * INTO class FROM pg_class WHERE oid = events;
        sequence := format('%s.%I', class.relnamespace::regnamespace,
            _callhardening.free_relation_name(class.relnamespace, class.relname, 'event_seq_seq'::text));
        EXECUTE format('CREATE SEQUENCE %s', sequence);
        -- A table owns only a sequence of its own owner, and a superuser or a member of the owner may be at work.
        EXECUTE format('ALTER SEQUENCE %s OWNER TO %s', sequence, class.relowner::regrole);
        EXECUTE format('ALTER SEQUENCE %s OWNED BY %s.event_seq', sequence, events);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.add_event_columns(regclass, text) IS
'adds the columns and the sequence of an event log if they are missing, without a look at the rows. Errors: 42804 a '
'column of this name has another type, 55000 it has values of its own';

CREATE FUNCTION _callhardening.free_relation_name(schema oid, relation name, suffix text) RETURNS name
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
-- Of a long name at most 40 bytes are left: what comes after them is not to be cut off.
SELECT candidate FROM (
    SELECT n, (left(relation, cut.characters) || '_' || suffix
        || CASE n WHEN 0 THEN '' ELSE n::text END)::name AS candidate
    FROM generate_series(0, 1000) AS n,
        (SELECT max(k) AS characters FROM generate_series(0, 40) AS k
            WHERE octet_length(left(relation, k)) <= 40) AS cut) AS names
WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = schema AND c.relname = candidate)
ORDER BY n LIMIT 1
$$;

COMMENT ON FUNCTION _callhardening.free_relation_name(oid, name, text) IS
'a free name in the schema, as in webhook_events_event_seq_seq';

CREATE FUNCTION _callhardening.missing_event_indexes(events regclass, beside_writers boolean) RETURNS SETOF text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format('CREATE UNIQUE INDEX %sON %s (%s) WHERE %s IS NOT NULL',
    CASE WHEN beside_writers THEN 'CONCURRENTLY ' END, events, array_to_string(keys, ', '), keys[1])
FROM _callhardening.event_indexes()
WHERE NOT _callhardening.has_event_index(events, keys)
ORDER BY index_no
$$;

COMMENT ON FUNCTION _callhardening.missing_event_indexes(regclass, boolean) IS
'the statements for the missing indexes of an event table for an event log';

CREATE FUNCTION _callhardening.add_event_indexes(events regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    statement text;
    before oid[];
    made oid;
BEGIN
    FOR statement IN SELECT * FROM _callhardening.missing_event_indexes(events, false) LOOP
        before := ARRAY(SELECT indexrelid FROM pg_index WHERE indrelid = events);
        EXECUTE statement;
        SELECT indexrelid INTO made FROM pg_index WHERE indrelid = events AND indexrelid <> ALL (before);
        EXECUTE format('COMMENT ON INDEX %s IS %L', made::regclass, 'callhardening: of the event log');
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.add_event_indexes(regclass) IS
'makes the missing indexes of an event table for an event log';

CREATE FUNCTION _callhardening.stamp_pending_events(events regclass, calls regclass, payload_column name,
        received_at_column name, processed_at_column name, provider text, shape jsonb, lanes int,
        max_events bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    stamp_comment text := _callhardening.event_stamp_comment(calls, payload_column, provider, shape, lanes);
    present_comment text := (SELECT col_description(events, attnum) FROM pg_attribute
        WHERE attrelid = events AND attname = 'event_lane');
    receipt text := CASE WHEN received_at_column IS NULL THEN ''
        ELSE format('%I NULLS FIRST, ', received_at_column) END;
    stamped bigint;
BEGIN
    -- A copy of a hardened table has the stamps and lanes of another log.
    IF max_events IS NULL THEN
        PERFORM _callhardening.write_as_owner(events, format('UPDATE %s SET
            event_lane = NULL, event_xid = NULL, event_seq = NULL, call_id = NULL
            WHERE event_lane IS NOT NULL AND %s', events,
            CASE WHEN processed_at_column IS NULL THEN '$1[1] IS NOT NULL'
                ELSE format('%I IS NULL AND (event_lane >= CAST($1[1] AS int) OR event_xid > pg_current_xact_id())',
                    processed_at_column) END),
            ARRAY[lanes::text]);
    END IF;
    IF processed_at_column IS NULL THEN
        RETURN 0;
    END IF;
    IF present_comment LIKE 'callhardening: %' AND present_comment <> stamp_comment THEN
        -- Calls would be in other lanes.
        PERFORM _callhardening.write_as_owner(events, format('UPDATE %s SET
            event_lane = NULL, event_xid = NULL, event_seq = NULL, call_id = NULL
            WHERE %I IS NULL AND event_lane IS NOT NULL', events, processed_at_column), NULL::text[]);
        EXECUTE format('COMMENT ON COLUMN %s.event_lane IS %L', events, stamp_comment);
    END IF;
    -- In the order of receipt. The rows are locked first: a row written by another session during the UPDATE would be
    -- left for later, and come behind the later events of its call.
    IF max_events IS NOT NULL THEN
        PERFORM _callhardening.write_as_owner(events, format('SELECT FROM %s WHERE %I IS NULL AND event_lane IS NULL
            ORDER BY %sctid LIMIT CAST($1[1] AS bigint) FOR NO KEY UPDATE', events, processed_at_column, receipt),
            ARRAY[max_events::text]);
    END IF;
    stamped := _callhardening.write_as_owner(events, format('
        WITH chosen AS MATERIALIZED (
            SELECT ctid AS row_id, %2$I AS payload FROM %1$s WHERE %3$I IS NULL AND event_lane IS NULL
            ORDER BY %4$sctid LIMIT CAST($1[4] AS bigint)),
        numbered AS MATERIALIZED (
            SELECT row_id, nextval(%5$s::oid) AS seq, stamp.*
            FROM chosen CROSS JOIN LATERAL _callhardening.event_stamp(
                coalesce(payload, ''null'')::jsonb, $1[1], CAST($1[2] AS int), $1[3],
                (SELECT CAST($1[5] AS jsonb))) AS stamp)
        UPDATE %1$s AS e SET
            event_lane = n.event_lane, event_xid = pg_current_xact_id(), event_seq = n.seq, call_id = n.call_id
        FROM numbered n WHERE e.ctid = n.row_id AND e.%3$I IS NULL',
        events, payload_column, processed_at_column, receipt, _callhardening.event_sequence(events)::oid),
        ARRAY[provider, lanes::text, _callhardening.call_key_type(calls), max_events::text,
            coalesce(shape, 'null')::text]);
    RETURN stamped;
END
$$;

COMMENT ON FUNCTION _callhardening.stamp_pending_events(regclass, regclass, name, name, name, text, jsonb, int,
    bigint) IS
'stamps up to max_events (NULL: all) unprocessed events of a future event log, as stamp_call_event stamps new ones; '
'returns how many. processed_at_column NULL: none are pending';

-- harden_call_events does not make it: the table is locked, and may be large.
CREATE FUNCTION _callhardening.offer_call_id_index(events regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = events AND i.indisvalid AND a.attname = 'call_id') THEN
        PERFORM _callhardening.report('NOTICE', format('event log %s has no index on call_id', events),
            detail => 'call_timeline reads the whole table.',
            hint => format('CREATE INDEX CONCURRENTLY ON %s (call_id, event_seq) WHERE call_id IS NOT NULL;', events));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.offer_call_id_index(regclass) IS
'a NOTICE with the index that call_timeline uses, if the log has none';

CREATE PROCEDURE @extschema@.prepare_harden_call_events(events regclass, calls regclass,
        payload_column name DEFAULT 'payload', event_type_column name DEFAULT NULL,
        received_at_column name DEFAULT NULL, processed_at_column name DEFAULT NULL, provider text DEFAULT 'dialpad',
        carry name[] DEFAULT '{}', lanes int DEFAULT 64, batch_size int DEFAULT 10000, shape jsonb DEFAULT NULL)
    LANGUAGE plpgsql
    AS $$
DECLARE
    stamped pg_catalog.int8;
    statement pg_catalog.text;
BEGIN
    -- A procedure with COMMIT cannot set its search_path: what is not ours is qualified.
    PERFORM _callhardening.require_valid_event_settings(events, calls, payload_column, event_type_column,
        received_at_column, processed_at_column, provider, carry, lanes, shape);
    IF batch_size OPERATOR(pg_catalog.<) 1 OR batch_size IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'batch_size must be at least 1';
    END IF;
    PERFORM _callhardening.add_event_columns(events,
        _callhardening.event_stamp_comment(calls, payload_column, provider, shape, lanes));
    COMMIT;
    PERFORM _callhardening.add_merge_columns(calls);
    COMMIT;
    LOOP
        stamped := _callhardening.stamp_pending_events(events, calls, payload_column, received_at_column,
            processed_at_column, provider, shape, lanes, batch_size::pg_catalog.int8);
        COMMIT;
        EXIT WHEN stamped OPERATOR(pg_catalog.<) batch_size;
    END LOOP;
    FOR statement IN SELECT * FROM _callhardening.missing_event_indexes(events, true) LOOP
        RAISE NOTICE 'still to be done: %;', statement;
    END LOOP;
    PERFORM _callhardening.offer_call_id_index(events);
END
$$;
REVOKE EXECUTE ON PROCEDURE @extschema@.prepare_harden_call_events(regclass, regclass, name, name, name, name, text,
    name[], int, int, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'prepare_harden_call_events');

COMMENT ON PROCEDURE @extschema@.prepare_harden_call_events(regclass, regclass, name, name, name, name,
    text, name[], int, int, jsonb) IS
'Does the long part of harden_call_events before, in short transactions, for a large table with
clients at work. It adds the columns of both tables (ACCESS EXCLUSIVE for moments), stamps what
is pending, and prints statements to build the indexes concurrently. Then call
harden_call_events with the same arguments. The way back is unharden_call_events for the columns
of events, and unharden_calls for those of calls.
- batch_size: so many events in a transaction
- the other arguments: as harden_call_events takes them
Errors:
- those of harden_call_events';

CREATE FUNCTION @extschema@.harden_call_events(events regclass, calls regclass, payload_column name DEFAULT 'payload',
        event_type_column name DEFAULT NULL, received_at_column name DEFAULT NULL,
        processed_at_column name DEFAULT NULL, provider text DEFAULT 'dialpad', carry name[] DEFAULT '{}',
        lanes int DEFAULT 64, shape jsonb DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    log int;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE feature_not_supported USING
            MESSAGE = 'events cannot be hardened in a transaction with an isolation level above read committed',
            DETAIL = 'It would not see what was written while it waited for its lock.',
            HINT = 'Use SET TRANSACTION ISOLATION LEVEL READ COMMITTED.';
    END IF;
    PERFORM _callhardening.require_valid_event_settings(events, calls, payload_column, event_type_column,
        received_at_column, processed_at_column, provider, carry, lanes, shape);
    -- The lock comes before any row is written: a session waiting for one of our rows would hold a table lock against
    -- this one. The lock also waits for sessions with locked rows, so nothing below waits for a row.
    EXECUTE format('LOCK TABLE %s IN %s MODE', events,
        CASE WHEN _callhardening.has_event_columns(events) THEN 'EXCLUSIVE' ELSE 'ACCESS EXCLUSIVE' END);
    PERFORM _callhardening.require_valid_event_settings(events, calls, payload_column, event_type_column,
        received_at_column, processed_at_column, provider, carry, lanes, shape);
    -- After the lock on the events: a worker locks the events first.
    PERFORM _callhardening.add_merge_columns(calls);
    PERFORM _callhardening.lock_call_key(calls);
    PERFORM _callhardening.add_event_columns(events,
        _callhardening.event_stamp_comment(calls, payload_column, provider, shape, lanes));
    PERFORM _callhardening.add_event_indexes(events);
    PERFORM _callhardening.stamp_pending_events(events, calls, payload_column, received_at_column, processed_at_column,
        provider, shape, lanes, NULL::bigint);

    PERFORM _callhardening.report_obstacles(events, calls, carry);
    PERFORM _callhardening.warn_of_shared_keys(events, calls, provider);
    PERFORM _callhardening.report_unknown_provider(provider);
    PERFORM _callhardening.offer_call_id_index(events);
    PERFORM _callhardening.create_event_triggers(events,
        ARRAY[payload_column, provider, lanes::text, _callhardening.call_key_type(calls), 'existing']);
    -- The trigger takes a missing identifier for this cluster's.
    INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, payload_column, event_type_column,
        received_at_column, processed_at_column, carry, sequence, shape)
    VALUES (events, calls, provider, lanes, payload_column, event_type_column, received_at_column,
        processed_at_column, carry, _callhardening.event_sequence(events), shape) RETURNING log_id INTO log;
    IF processed_at_column IS NOT NULL THEN
        PERFORM _callhardening.bury_stamped_events(log, events);
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.harden_call_events(regclass, regclass, name, name, name, name, text, name[], int,
    jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'harden_call_events');

COMMENT ON FUNCTION @extschema@.harden_call_events(regclass, regclass, name, name, name, name, text, name[], int,
    jsonb) IS
'Makes a table of events in use the event log of a hardened calls table. Clients go on as before.
It adds the columns event_lane, event_xid, event_seq, call_id and event_digest, their indexes
and three triggers, and the columns merge_... to the calls table. For large tables see
prepare_harden_call_events.
- payload_column: the bodies, jsonb
- event_type_column: what the provider says beside the body; NULL: nothing
- received_at_column: when an event came (timestamp is of the session''s time zone); NULL: not
  known: claims give NULL, and an event without a time of its own counts as newer than those
  before it
- processed_at_column: NULL in a pending event, and set after processing, also by this
  extension; without this column all existing rows are settled
- provider: the source of the events
- carry: columns copied from an event to the new row of its call
- lanes: 1 to 1024
- shape: where the bodies have each value (configure_call_event_log); with one, the provider may
  have any name
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: an argument that must be given is NULL
- 22023: lanes out of range, a provider without readable events, a malformed shape, or a carried
  column that events fill
- 42501: the caller is not the owner of both tables
- 42701: a column is named twice
- 42703: no such column
- 42804: a column of the wrong type
- 42809: no ordinary table, or a temporary or unlogged one
- 428C9: a generated column
- 54000: a shape above 64 kB
- 55000: an event log already, calls is not hardened or takes no event (its call id is of an
  unfit type, or a column would stay empty and must not), or one of the new columns is there
  with values
- 55P03: lock_timeout was over';

CREATE FUNCTION _callhardening.event_triggers(events regclass) RETURNS name[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT ARRAY(
    SELECT t.tgname FROM pg_trigger t
    WHERE t.tgrelid = events AND t.tgfoid IN (
        '_callhardening.stamp_call_event()'::regprocedure, '_callhardening.bury_call_event()'::regprocedure,
        '_callhardening.keep_call_event_stamp()'::regprocedure))
$$;

COMMENT ON FUNCTION _callhardening.event_triggers(regclass) IS 'the triggers of an event log, under any name';

CREATE FUNCTION _callhardening.warn_of_unprocessed_events(log _callhardening.logs) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    pending bigint;
BEGIN
    BEGIN
        SELECT sum(p.pending) + (SELECT l.retrying_or_dead FROM _callhardening.my_logs AS l
            WHERE l.log_id = log.log_id)
        INTO pending FROM @extschema@.pending_call_events(log.events, true, NULL::name) AS p;
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
        NULL; -- an altered table is a reason to go back, and none to stay
    END;
    IF pending IS DISTINCT FROM 0 THEN
        PERFORM _callhardening.report('WARNING', format('%s events of %s were not processed',
                coalesce(pending::text, 'an unknown number of'), log.events),
            detail => 'The table has no column to tell which.',
            hint => 'Roll back, and call process_call_events first.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.warn_of_unprocessed_events(_callhardening.logs) IS
'a part of unharden_call_events: a WARNING with the number of unprocessed events of a log';

CREATE FUNCTION _callhardening.warn_of_dropped_consumers(log _callhardening.logs) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    consumer name;
    pending bigint;
BEGIN
    FOR consumer IN
        SELECT c.name FROM _callhardening.operated_consumers AS c WHERE c.log_id = log.log_id ORDER BY c.name
    LOOP
        BEGIN
            pending := (SELECT sum(p.pending) FROM @extschema@.pending_call_events(log.events, true, consumer) AS p);
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            pending := NULL; -- an altered table
        END;
        PERFORM _callhardening.report('WARNING', format('consumer %I of %s is dropped (pending events: %s)', consumer,
                log.events, coalesce(pending::text, 'not known')),
            hint => 'If its workers still need it, roll back.');
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.warn_of_dropped_consumers(_callhardening.logs) IS
'a part of unharden_call_events: a WARNING for each consumer beside the default one';

CREATE FUNCTION @extschema@.unharden_call_events(events regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    log _callhardening.logs;
    is_made boolean; -- as a log, by create_call_tables or as a copy of its table
    has_trigger boolean;
    ours text;
BEGIN
    PERFORM _callhardening.require_event_table(events);
    PERFORM _callhardening.require_no_shard(events, 'Copy what you need of %L, and drop it.'::text);
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', events);
    SELECT * INTO log FROM _callhardening.logs AS l WHERE l.events = unharden_call_events.events;
    IF log.is_of_changes THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('%s is a log of changes', events),
            HINT = 'Drop it with drop_call_changes.';
    END IF;
    SELECT count(*) > 0, log.log_id IS NOT NULL AND log.sequence IS NULL OR coalesce(bool_or(t.tgnargs = 4), false)
    INTO has_trigger, is_made FROM pg_trigger t
    WHERE t.tgrelid = events AND t.tgname = ANY (_callhardening.event_triggers(events));
    IF log.log_id IS NULL AND NOT has_trigger
        AND NOT EXISTS (SELECT FROM pg_attribute
            WHERE attrelid = events AND attname IN (SELECT column_name FROM _callhardening.event_columns())
                AND col_description(attrelid, attnum) LIKE 'callhardening: %') THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('%s is not an event log', events);
    END IF;
    IF log.log_id IS NOT NULL AND log.processed_at_column IS NULL THEN
        PERFORM _callhardening.warn_of_unprocessed_events(log);
    END IF;
    PERFORM _callhardening.warn_of_dropped_consumers(log);

    PERFORM _callhardening.drop_triggers(events, _callhardening.event_triggers(events));
    -- With a column go its indexes and its sequence. A copy of a log need not have the comments.
    FOR ours IN
        SELECT attname FROM pg_attribute WHERE attrelid = events AND attnum > 0 AND NOT attisdropped
            AND attname IN (SELECT column_name FROM _callhardening.event_columns())
            AND (col_description(attrelid, attnum) LIKE 'callhardening: %' OR is_made
                AND attname IN ('event_lane', 'event_xid', 'event_digest'))
    LOOP
        EXECUTE format('ALTER TABLE %s DROP COLUMN %I', events, ours);
    END LOOP;
    FOR ours IN
        SELECT indexrelid::regclass::text FROM pg_index
        WHERE indrelid = events AND obj_description(indexrelid, 'pg_class') LIKE 'callhardening: %'
    LOOP
        EXECUTE format('DROP INDEX %s', ours);
    END LOOP;
    IF _callhardening.event_sequence(events) = log.sequence THEN
        EXECUTE format('DROP SEQUENCE %s', log.sequence);
    END IF;
    IF log.log_id IS NOT NULL THEN
        UPDATE _callhardening.forgotten_logs AS l SET is_forgotten = true WHERE l.log_id = log.log_id;
        IF NOT FOUND THEN
            RAISE insufficient_privilege USING MESSAGE = format('must be owner of table %s', log.calls);
        END IF;
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.unharden_call_events(regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'unharden_call_events');

COMMENT ON FUNCTION @extschema@.unharden_call_events(regclass) IS
'Makes an ordinary table of an event log again: the triggers, the stamp columns and indexes go,
and what is remembered about the log. It works for a log of create_call_tables too: its columns
event_seq, call_id, event_type, received_at and payload stay. All rows stay, and so does
processed_at. Pending, retrying and dead events have none. Takes ACCESS EXCLUSIVE for a moment.
Open claims are unknown then. Consumers are dropped, with a WARNING for each beside the default
one. Without processed_at_column, a WARNING tells how many events were not processed.
Errors:
- 0A000: Citus has distributed the table, or it is a shard
- 22004: events is NULL
- 2BP01: something depends on the columns
- 42501: the caller is not the owner of both tables
- 42809: it is no table
- 55000: it is no event log, or a log of changes';
