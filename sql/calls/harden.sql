
-- harden ---------------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.validate_hardened_call() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_validate_hardened_call';
REVOKE EXECUTE ON FUNCTION _callhardening.validate_hardened_call() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'validate_hardened_call');

COMMENT ON FUNCTION _callhardening.validate_hardened_call() IS
'the BEFORE INSERT OR UPDATE row trigger of a hardened table: normalizes direction and status, sanitizes the payload, '
'applies the graph. Created by harden_calls. Errors: 23514 refused in mode reject, 55000 a column of the settings is '
'gone';

CREATE FUNCTION _callhardening.refuse_illegal_call() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_refuse_illegal_call';
REVOKE EXECUTE ON FUNCTION _callhardening.refuse_illegal_call() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'refuse_illegal_call');

COMMENT ON FUNCTION _callhardening.refuse_illegal_call() IS
'the AFTER row trigger of a hardened table, fired only for a row made invalid by a later BEFORE trigger. Created by '
'harden_calls. It reads the settings of the BEFORE trigger, also if it is disabled. Errors: 23514, always; 55000 the '
'BEFORE trigger or a column of the settings is gone';

-- The conditions of the AFTER triggers. \d shows them, so they are short: only a graph of the table's own is passed.
CREATE FUNCTION _callhardening.is_invalid_insert(status text, direction text) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_invalid_insert';
CREATE FUNCTION _callhardening.is_invalid_insert(status text, direction text, transitions jsonb) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_invalid_insert';

COMMENT ON FUNCTION _callhardening.is_invalid_insert(text, text) IS
'whether a new call breaks the rules of the default graph or has an unknown direction';
COMMENT ON FUNCTION _callhardening.is_invalid_insert(text, text, jsonb) IS
'whether a new call breaks the rules of this graph or has an unknown direction. Error: 22023 malformed graph';

CREATE FUNCTION _callhardening.is_invalid_update(old_status text, new_status text, old_direction text,
        new_direction text)
    RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_invalid_update';
CREATE FUNCTION _callhardening.is_invalid_update(old_status text, new_status text, old_direction text,
        new_direction text, transitions jsonb)
    RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_invalid_update';

COMMENT ON FUNCTION _callhardening.is_invalid_update(text, text, text, text) IS
'whether a changed call breaks the rules of the default graph, or its new direction is unknown or was lost';
COMMENT ON FUNCTION _callhardening.is_invalid_update(text, text, text, text, jsonb) IS
'whether a changed call breaks the rules of this graph, or its new direction is unknown or was lost. Error: 22023 '
'malformed graph';

CREATE FUNCTION @extschema@.call_settings(calls regclass, OUT call_id_column name, OUT status_column name,
        OUT direction_column name, OUT payload_column name, OUT on_invalid text, OUT transitions jsonb,
        OUT provider text, OUT policy jsonb)
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_call_settings';
REVOKE EXECUTE ON FUNCTION @extschema@.call_settings(regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'call_settings'),
    ('operate', 'call_settings'),
    ('monitor', 'call_settings'),
    ('read', 'call_settings');

COMMENT ON FUNCTION @extschema@.call_settings(regclass) IS
'Returns the settings of a hardened table. All are NULL if it is not hardened. transitions,
provider and policy are NULL if none were given.';

CREATE TYPE _callhardening.settings AS (
    call_id_column name, status_column name, direction_column name, payload_column name,
    on_invalid text, transitions jsonb, provider text, policy jsonb);

COMMENT ON TYPE _callhardening.settings IS
'the settings of a hardened table, in the order of call_settings and of the BEFORE trigger''s arguments';

CREATE FUNCTION _callhardening.trigger_settings(calls regclass) RETURNS text[]
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_trigger_settings';

COMMENT ON FUNCTION _callhardening.trigger_settings(regclass) IS
'the eight settings of a hardened table as its BEFORE trigger has them: call id, status, direction and payload '
'column, on_invalid, transitions, provider, policy (see policy_argument). An empty string is the default. '
'Unlike call_settings it checks nothing. NULL: the table has no such trigger, or one with another number of arguments';

-- \d prints all arguments of a trigger. So a policy of the table's own is the comment of its trigger, and the argument
-- has its digest. Dumps have comments too.
CREATE FUNCTION _callhardening.policy_reference(document text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'policy ' || left(encode(sha256(convert_to(document, 'UTF8')), 'hex'), 16)
$$;

COMMENT ON FUNCTION _callhardening.policy_reference(text) IS
'the argument of the BEFORE trigger for a policy of the table''s own: "policy ", and the digest of its text';

CREATE FUNCTION _callhardening.policy_argument(policy jsonb) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE
    WHEN policy IS NULL OR policy = @extschema@.call_payload_policy('default'::text) THEN ''
    WHEN policy = @extschema@.call_payload_policy('size_only'::text) THEN 'size_only'
    WHEN policy = @extschema@.call_payload_policy('strict'::text) THEN 'strict'
    ELSE _callhardening.policy_reference(policy::text) END
$$;

COMMENT ON FUNCTION _callhardening.policy_argument(jsonb) IS
'a policy as an argument of the BEFORE trigger: an empty string for the default, the name of another built-in policy, '
'or the reference to the comment of the trigger';

CREATE FUNCTION _callhardening.trigger_policy(calls regclass) RETURNS jsonb
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_trigger_policy';

COMMENT ON FUNCTION _callhardening.trigger_policy(regclass) IS
'the policy of a hardened table; NULL: the default, or the table has no BEFORE trigger with eight arguments. Errors: '
'55000 the comment of the trigger is gone or altered, 22P02 the argument is no policy';

CREATE FUNCTION _callhardening.settings_arguments(settings _callhardening.settings) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT ARRAY[settings.call_id_column::text, settings.status_column, settings.direction_column, settings.payload_column,
    settings.on_invalid, coalesce(settings.transitions::text, ''), coalesce(settings.provider, ''),
    _callhardening.policy_argument(settings.policy)]
$$;

COMMENT ON FUNCTION _callhardening.settings_arguments(_callhardening.settings) IS
'settings as arguments of the BEFORE trigger: see trigger_settings';

-- Citus copies triggers to shards, but no comments.
CREATE FUNCTION _callhardening.table_arguments(calls regclass, settings _callhardening.settings) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT a[1:7] || CASE WHEN a[8] LIKE 'policy %' AND _callhardening.distribution(calls) IS NOT NULL
    THEN settings.policy::text ELSE a[8] END
FROM _callhardening.settings_arguments(settings) AS a
$$;

COMMENT ON FUNCTION _callhardening.table_arguments(regclass, _callhardening.settings) IS
'settings as arguments of the BEFORE trigger of this table. If Citus has distributed the table, a policy of its own is '
'an argument, and not the comment of the trigger';

CREATE FUNCTION _callhardening.setting_texts(arguments text[], OUT call_id_column text, OUT status_column text,
        OUT direction_column text, OUT payload_column text, OUT on_invalid text, OUT transitions text,
        OUT provider text, OUT policy text)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[6], arguments[7], arguments[8]
$$;

COMMENT ON FUNCTION _callhardening.setting_texts(text[]) IS
'the arguments of a BEFORE trigger by name, as they are: see trigger_settings. All NULL for NULL';

CREATE FUNCTION _callhardening.column_settings(arguments text[]) RETURNS _callhardening.settings
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT ROW(t.call_id_column, t.status_column, t.direction_column, t.payload_column, NULL, NULL, NULL, NULL)
    ::_callhardening.settings
FROM _callhardening.setting_texts(arguments) AS t
$$;

COMMENT ON FUNCTION _callhardening.column_settings(text[]) IS
'the columns of a BEFORE trigger''s arguments, as settings. The other settings are NULL: an altered trigger may have '
'no valid graph or policy. NULL for NULL';

CREATE FUNCTION _callhardening.settings_digest(settings text[]) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT left(encode(sha256(convert_to(settings::text, 'UTF8')), 'hex'), 16)
$$;

COMMENT ON FUNCTION _callhardening.settings_digest(text[]) IS
'the argument of the AFTER triggers of a hardened table: it proves they have these settings (see trigger_settings) '
'and fitting conditions';

CREATE FUNCTION _callhardening.require_relation(relation regclass, argument text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
BEGIN
    IF relation IS NULL THEN
        PERFORM _callhardening.raise_error('22004', format('%s must not be NULL', argument));
    END IF;
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = relation) THEN
        PERFORM _callhardening.raise_error('42P01', format('relation with OID %s does not exist', relation::oid));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_relation(regclass, text) IS
'refuses what an argument of that name cannot be: 22004 NULL, 42P01 no relation';

CREATE FUNCTION _callhardening.require_table_owner(relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    class pg_class;
BEGIN
    SELECT * INTO class FROM pg_class WHERE oid = relation;
    IF class.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace,
        'pg_toast'::regnamespace) THEN
        PERFORM _callhardening.raise_error('42809', format('%s is a system table', relation));
    END IF;
    IF NOT pg_has_role(class.relowner, 'USAGE') THEN
        PERFORM _callhardening.raise_error('42501', format('must be owner of table %s', relation));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_table_owner(regclass) IS
'refuses a table not owned by the caller: 42809 a system table, 42501 not the owner';

CREATE FUNCTION _callhardening.require_calls_table(calls regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    class pg_class;
BEGIN
    PERFORM _callhardening.require_relation(calls, 'calls'::text);
    PERFORM _callhardening.require_placed(calls);
    SELECT * INTO class FROM pg_class WHERE oid = calls;
    IF class.relkind NOT IN ('r', 'p') THEN
        PERFORM _callhardening.raise_error('42809', format('%s is not a table', calls),
            hint => 'Only tables and partitioned tables can be hardened; for a view, harden the table behind it.');
    END IF;
    PERFORM _callhardening.require_table_owner(calls);
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = calls AND tgparentid <> 0
        AND tgname = ANY (_callhardening.call_triggers(calls))) THEN
        PERFORM _callhardening.raise_error('42809', format('%s is a partition of a hardened table', calls),
            hint => 'Name the partitioned table instead.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_calls_table(regclass) IS
'refuses what cannot be hardened: 22004 NULL, 42P01 no relation, 42809 no ordinary or partitioned table, a system '
'table, or a partition of a hardened one, 42501 not the owner, 55000 a shard that is on another server now';

CREATE FUNCTION _callhardening.require_plain_column(relation regclass, column_name name, advice text)
    RETURNS pg_attribute
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    attribute pg_attribute;
BEGIN
    SELECT * INTO attribute FROM pg_attribute
    WHERE attrelid = relation AND attname = column_name AND attnum > 0 AND NOT attisdropped;
    IF NOT FOUND THEN
        PERFORM _callhardening.raise_error('42703', format('table %s has no column %I', relation, column_name),
            hint => advice);
    END IF;
    IF attribute.attgenerated <> '' THEN
        PERFORM _callhardening.raise_error('428C9',
            format('column %I of table %s is a generated column', column_name, relation));
    END IF;
    RETURN attribute;
END
$$;

COMMENT ON FUNCTION _callhardening.require_plain_column(regclass, name, text) IS
'the column of a table. Refuses a missing column (42703, with this advice) and a generated one (428C9)';

CREATE FUNCTION _callhardening.require_word_column(calls regclass, column_name name, words text[]) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    attribute pg_attribute := _callhardening.require_plain_column(calls, column_name,
        'Name the columns of the table in the arguments of harden_calls.');
    column_type text;
    word text;
    stored text;
BEGIN
    IF words IS NULL THEN
        RETURN;
    END IF;

    column_type := format_type(attribute.atttypid, attribute.atttypmod);
    IF (SELECT typcategory NOT IN ('S', 'E') FROM pg_type WHERE oid = attribute.atttypid) THEN
        PERFORM _callhardening.raise_error('42804',
            format('column %I of table %s must hold words, not %s', column_name, calls, column_type),
            hint => 'Its type can be text, varchar, char, citext, an enum, or a domain over one of them.');
    END IF;
    -- NULL stands for an unknown word.
    FOREACH word IN ARRAY words || NULL::text LOOP
        BEGIN
            stored := _callhardening.held_word(calls, column_name, word);
        EXCEPTION WHEN string_data_right_truncation OR invalid_text_representation OR check_violation
            OR not_null_violation THEN
            stored := CASE WHEN word IS NULL THEN '' END;
        END;
        IF stored COLLATE "C" IS DISTINCT FROM word COLLATE "C" THEN
            PERFORM _callhardening.raise_error('42804',
                format('column %I of table %s cannot hold %s', column_name, calls,
                    coalesce('"' || word || '"', 'NULL')),
                detail => format('Its type is %s.', column_type));
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.require_word_column(regclass, name, text[]) IS
'refuses a column unfit for one of the words or NULL: 42703 no such column, 428C9 generated, 42804 wrong type. words '
'NULL: any type will do';

CREATE FUNCTION _callhardening.base_type(type oid) RETURNS oid
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_base_type';

COMMENT ON FUNCTION _callhardening.base_type(oid) IS
'the type below all domains; itself if it is no domain. NULL: there is no such type';

CREATE FUNCTION _callhardening.type_below(type oid, typmod int, OUT base_type oid, OUT base_typmod int,
        OUT refuses_null boolean)
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_type_below';

COMMENT ON FUNCTION _callhardening.type_below(oid, int) IS
'what is below all domains of a column''s type: the type, its modifier, and whether one of the domains is NOT NULL. '
'NULL: there is no such type';

CREATE FUNCTION _callhardening.require_call_id_column(calls regclass, call_id_column name) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM _callhardening.require_word_column(calls, call_id_column, NULL::text[]);
    -- Of the type below all domains, and of no row: no code of the table's owner is run.
    EXECUTE format('SELECT FROM (SELECT NULL::%s AS key) AS k ORDER BY key LIMIT 0', (
        SELECT format_type(_callhardening.base_type(atttypid), NULL) FROM pg_attribute WHERE attrelid = calls
            AND attname = call_id_column));
EXCEPTION WHEN undefined_function THEN
    PERFORM _callhardening.raise_error('42804',
        format('column %I of table %s cannot be a key: its type has no order', call_id_column, calls));
END
$$;

COMMENT ON FUNCTION _callhardening.require_call_id_column(regclass, name) IS
'refuses a column unfit as the key of calls: 42703 no such column, 428C9 generated, 42804 a type without an order';

CREATE FUNCTION _callhardening.require_fitting_key(calls regclass, settings _callhardening.settings) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    column_type oid := (SELECT atttypid FROM pg_attribute WHERE attrelid = calls
        AND attname = settings.call_id_column);
    is_several boolean := coalesce(settings.provider = '*', false);
    log regclass;
BEGIN
    IF is_several AND _callhardening.base_type(column_type) NOT IN ('text'::regtype, 'varchar'::regtype) THEN
        PERFORM _callhardening.raise_error('42804',
            format('column %I of table %s cannot be the key of calls of several providers', settings.call_id_column,
                calls),
            detail => format('A key is "provider:call id", and its type is %s.', format_type(column_type, NULL)),
            hint => 'Use text or varchar, or another table of calls for each provider.');
    END IF;
    SELECT s.relation INTO log FROM _callhardening.trigger_states() AS s
    JOIN _callhardening.logs AS l ON l.events = s.relation AND l.calls = require_fitting_key.calls
        AND NOT l.is_of_changes
    WHERE s.part = 'stamp' AND cardinality(s.arguments) > 3 AND s.arguments[4] LIKE 'provider:%' <> is_several
    ORDER BY l.log_id LIMIT 1;
    IF FOUND THEN
        PERFORM _callhardening.raise_error('55000',
            format('the call ids of event log %s %s with their provider', log,
                CASE WHEN is_several THEN 'do not begin' ELSE 'begin' END),
            hint => CASE WHEN is_several THEN 'Call unharden_call_events for it first.'
                ELSE 'Call harden_calls(provider => ''*''), or unharden_call_events for the log first.' END);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_fitting_key(regclass, _callhardening.settings) IS
'refuses the provider * for a key that is no text (42804), and to choose or leave it while the table has logs (55000)';

CREATE FUNCTION _callhardening.require_payload_column(calls regclass, payload_column name) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    attribute pg_attribute;
BEGIN
    PERFORM _callhardening.require_word_column(calls, payload_column, NULL::text[]);
    SELECT * INTO attribute FROM pg_attribute WHERE attrelid = calls AND attname = payload_column AND NOT attisdropped;
    IF _callhardening.base_type(attribute.atttypid) <> 'jsonb'::regtype THEN
        PERFORM _callhardening.raise_error('42804',
            format('column %I of table %s must be jsonb, not %s', payload_column, calls,
                format_type(attribute.atttypid, attribute.atttypmod)));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_payload_column(regclass, name) IS
'refuses a column unfit for payloads: 42703 no such column, 428C9 generated, 42804 neither jsonb nor a domain over it';

CREATE FUNCTION _callhardening.status_words(transitions jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- An edge names two statuses, a status without edges only itself.
SELECT ARRAY(
    SELECT current_status FROM @extschema@.call_status_transitions(transitions)
    UNION SELECT next_status FROM @extschema@.call_status_transitions(transitions)
    UNION SELECT jsonb_object_keys(transitions))
$$;

COMMENT ON FUNCTION _callhardening.status_words(jsonb) IS
'the words of a graph of statuses; NULL: those of the graph of a call';

CREATE FUNCTION _callhardening.table_graph(transitions jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- The default graph may come in any order, with or without an entry for each final status.
SELECT transitions
WHERE transitions <> 'null' AND (
    ARRAY(SELECT word FROM unnest(_callhardening.status_words(transitions)) AS word ORDER BY word COLLATE "C")
        <> ARRAY(SELECT word FROM unnest(_callhardening.status_words(NULL)) AS word ORDER BY word COLLATE "C")
    OR EXISTS (SELECT * FROM @extschema@.call_status_transitions(transitions)
        EXCEPT SELECT * FROM @extschema@.call_status_transitions(NULL::jsonb))
    OR EXISTS (SELECT * FROM @extschema@.call_status_transitions(NULL::jsonb)
        EXCEPT SELECT * FROM @extschema@.call_status_transitions(transitions)))
$$;

COMMENT ON FUNCTION _callhardening.table_graph(jsonb) IS
'the graph of statuses of a table; NULL if it has the same steps as the default graph. Error: 22023 malformed graph';

CREATE FUNCTION _callhardening.table_leaves(calls regclass) RETURNS SETOF regclass
    LANGUAGE sql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT c.oid::regclass FROM pg_class c
WHERE c.relkind = 'r' AND (c.oid = calls OR c.oid IN (SELECT relid FROM pg_partition_tree(calls)))
$$;

COMMENT ON FUNCTION _callhardening.table_leaves(regclass) IS
'the tables with the rows of a table: itself, or its partitions at the lowest level, foreign tables left out. '
'Children by inheritance are tables of their own';

CREATE FUNCTION _callhardening.require_valid_documents(transitions jsonb, policy jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    why text;
    advice text;
BEGIN
    IF octet_length(policy::text) > 16384 THEN
        PERFORM _callhardening.raise_error('54000',
            format('payload policy of %s bytes is too long', octet_length(policy::text)),
            detail => 'The policy of a table is the comment of its trigger. Its text has 16384 bytes at most.');
    END IF;
    PERFORM @extschema@.sanitize_call_payload('{}'::jsonb, nullif(policy, 'null'));
    PERFORM _callhardening.status_words(nullif(transitions, 'null'));
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
    PERFORM _callhardening.raise_error(SQLSTATE, SQLERRM, nullif(why, ''), nullif(advice, ''));
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_documents(jsonb, jsonb) IS
'refuses a malformed policy or graph (22023), or a policy of more than 16384 bytes (54000). NULL: none is given';

CREATE FUNCTION _callhardening.require_valid_settings(calls regclass, settings _callhardening.settings) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    named name;
    seen name[] := '{}';
BEGIN
    PERFORM _callhardening.require_calls_table(calls);
    FOREACH named IN ARRAY ARRAY[settings.call_id_column, settings.status_column, settings.direction_column,
        settings.payload_column] LOOP
        IF named = ANY (seen) THEN
            PERFORM _callhardening.raise_error('42701', format('column %I is named twice', named),
                hint => 'Call id, status, direction and payload are four columns.');
        END IF;
        seen := seen || named;
    END LOOP;
    IF settings.on_invalid NOT IN ('keep', 'skip', 'reject') THEN
        PERFORM _callhardening.raise_error('22023',
            format('on_invalid must be keep, skip or reject, not "%s"', settings.on_invalid));
    END IF;
    PERFORM _callhardening.require_known_provider(settings.provider);
    PERFORM _callhardening.require_call_id_column(calls, settings.call_id_column);
    PERFORM _callhardening.require_fitting_key(calls, settings);
    PERFORM _callhardening.require_word_column(calls, settings.status_column,
        _callhardening.status_words(settings.transitions));
    PERFORM _callhardening.require_word_column(calls, settings.direction_column, ARRAY['inbound', 'outbound']);
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = calls AND attname = settings.payload_column
        AND NOT attisdropped) THEN
        PERFORM _callhardening.require_payload_column(calls, settings.payload_column);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_settings(regclass, _callhardening.settings) IS
'refuses arguments unfit for harden_calls; its comment lists the errors';

CREATE FUNCTION _callhardening.has_payload_index(calls regclass, payload_column name) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = calls AND m.amname = 'gin' AND i.indisvalid AND i.indpred IS NULL
      AND i.indnatts = 1 AND a.attname = payload_column)
$$;

COMMENT ON FUNCTION _callhardening.has_payload_index(regclass, name) IS
'whether a valid GIN index of this one column, and of all rows, is there: its name and its operator class do not '
'matter';

CREATE FUNCTION _callhardening.add_payload(calls regclass, payload_column name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    class pg_class;
    is_new boolean := NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = calls AND attname = payload_column
        AND NOT attisdropped);
    index_name name;
BEGIN
    IF is_new THEN
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I pg_catalog.jsonb %s', calls, payload_column,
            (SELECT 'COMPRESSION lz4' FROM pg_settings WHERE name = 'default_toast_compression'
                AND 'lz4' = ANY (enumvals)));
    END IF;
    PERFORM _callhardening.require_payload_column(calls, payload_column);
    IF _callhardening.has_payload_index(calls, payload_column) THEN
        RETURN;
    END IF;
    -- ADD COLUMN has locked everybody out until the end of the transaction, and building the index reads the table.
    IF is_new AND (SELECT sum(pg_relation_size(leaf))
        FROM _callhardening.table_leaves(calls) AS leaf) > 8 * 1024 * 1024 THEN
        PERFORM _callhardening.report('NOTICE',
            format('table %s has no GIN index on its new column %I', calls, payload_column),
            detail => 'The table is too big to be read while nobody else can use it.',
            hint => format('Where payloads are searched, CREATE INDEX CONCURRENTLY ON %s USING gin (%I).', calls,
                payload_column));
        RETURN;
    END IF;
    SELECT * INTO class FROM pg_class WHERE oid = calls;
    index_name := format('idx_%s_%s', class.relname, payload_column);
    EXECUTE format('CREATE INDEX %s ON %s USING gin (%I)',
        CASE WHEN to_regclass(format('%s.%I', class.relnamespace::regnamespace, index_name)) IS NULL
            THEN quote_ident(index_name) END,
        calls, payload_column);
END
$$;

COMMENT ON FUNCTION _callhardening.add_payload(regclass, name) IS
'adds the payload column of a hardened table and its GIN index if they are missing; a NOTICE instead of the index if '
'the column is new and the table has more than 8 MB. Errors: 42804 the column is no jsonb, 428C9 it is generated';

-- A row shows the state of its call, and not its history. The history has columns of its own: the next event is then
-- judged alike with any policy, and at any time.
CREATE FUNCTION _callhardening.add_column(relation regclass, column_name name, type regtype, note text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', relation, column_name, type);
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, column_name, note);
END
$$;

COMMENT ON FUNCTION _callhardening.add_column(regclass, name, regtype, text) IS 'adds a column with a comment';

CREATE FUNCTION _callhardening.merge_columns() RETURNS TABLE (column_name name, column_type regtype, note text)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('merge_newest_at'::name, 'timestamptz'::regtype,
    'callhardening: when the newest event that was merged happened; NULL: it is not known'),
    ('merge_has_talk_time', 'boolean', 'callhardening: the duration is a talk time'),
    ('merge_ended_at', 'timestamptz',
        'callhardening: when the event that set the status ended happened; NULL: none did, or it did not say'),
    ('merge_status_before_end', 'text', 'callhardening: the status before ended; NULL: there was none'),
    ('merge_sequence', 'bigint',
        'callhardening: the highest of the provider''s numbers of merged events; NULL: none had one')
$$;

COMMENT ON FUNCTION _callhardening.merge_columns() IS
'the columns of process_call_events for judging later events of a call, with their comments';

CREATE FUNCTION _callhardening.has_merge_columns(calls regclass) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT NOT EXISTS (SELECT FROM _callhardening.merge_columns() c
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = calls AND a.attname = c.column_name
        AND a.atttypid = c.column_type))
$$;

COMMENT ON FUNCTION _callhardening.has_merge_columns(regclass) IS
'whether a table has the columns process_call_events needs';

CREATE FUNCTION _callhardening.add_merge_columns(calls regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    wanted record;
    present regtype;
BEGIN
    FOR wanted IN SELECT * FROM _callhardening.merge_columns() LOOP
        SELECT atttypid INTO present FROM pg_attribute WHERE attrelid = calls AND attname = wanted.column_name;
        IF NOT FOUND THEN
            PERFORM _callhardening.add_column(calls, wanted.column_name, wanted.column_type, wanted.note);
        ELSIF present <> wanted.column_type THEN
            PERFORM _callhardening.raise_error('42804',
                format('column %I of table %s must be %s, not %s', wanted.column_name, calls, wanted.column_type,
                    present),
                detail => 'process_call_events needs a column of this name.');
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.add_merge_columns(regclass) IS
'adds the columns process_call_events needs to the calls table of an event log, if they are missing. Takes ACCESS '
'EXCLUSIVE for a moment then. Error: 42804 one of them is there with another type';

CREATE FUNCTION _callhardening.key_obstacle(calls regclass, call_id_column name) RETURNS text
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_key_obstacle';

COMMENT ON FUNCTION _callhardening.key_obstacle(regclass, name) IS
'why no event can be applied to a table with this call id, as a sentence; NULL: nothing stands in the way. Reads the '
'catalogs only';

CREATE FUNCTION _callhardening.key_state(calls regclass, call_id_column name) RETURNS text
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_key_state';

COMMENT ON FUNCTION _callhardening.key_state(regclass, name) IS
'whether a column alone is unique in all rows: unique; invalid or deferrable, if its best index is; missing. NULL: '
'there is no such column. Reads the catalogs only';

CREATE FUNCTION _callhardening.has_unique_call_id(calls regclass, call_id_column name) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(_callhardening.key_state(calls, call_id_column) = 'unique', false)
$$;

COMMENT ON FUNCTION _callhardening.has_unique_call_id(regclass, name) IS
'whether a valid unique index of this one column, and of all rows, is there and is not deferrable: a constraint''s, a '
'primary key''s or a plain one, under any name';

CREATE FUNCTION _callhardening.add_unique_call_id(calls regclass, call_id_column name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    repeated bigint;
BEGIN
    IF _callhardening.has_unique_call_id(calls, call_id_column) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE UNIQUE INDEX ON %s (%I)', calls, call_id_column);
EXCEPTION
    WHEN unique_violation THEN
        SELECT max(r.ids) INTO repeated FROM _callhardening.repeated_call_ids(calls, call_id_column) AS r;
        PERFORM _callhardening.report('WARNING',
            format('table %s has %s call ids more than once, and no unique index on column %I', calls,
                repeated, call_id_column),
            hint => format('Find them with SELECT %I, count(*) FROM %s GROUP BY 1 HAVING count(*) > 1, merge their '
                'rows and call harden_calls again.',
                call_id_column, calls));
    WHEN feature_not_supported THEN
        PERFORM _callhardening.report('WARNING',
            format('table %s cannot have a unique index on column %I alone', calls, call_id_column),
            detail => CASE WHEN _callhardening.distribution(calls) IS NULL
                THEN 'A unique index of a partitioned table has to contain the columns of its partition key.'
                ELSE 'A unique index of a distributed table has to contain its distribution column.' END,
            hint => CASE WHEN _callhardening.distribution(calls) IS NOT NULL
                THEN 'Distribute the table by the call id.' END);
    WHEN wrong_object_type THEN
        PERFORM _callhardening.report('WARNING',
            format('table %s cannot have a unique index on column %I', calls, call_id_column),
            detail => 'Some of its partitions are foreign tables.');
END
$$;

COMMENT ON FUNCTION _callhardening.add_unique_call_id(regclass, name) IS
'makes a unique index on the call id of a hardened table if it has none; a WARNING instead if ids are repeated, if '
'the partition key is another column, or if a partition is a foreign table';

CREATE FUNCTION _callhardening.call_triggers(calls regclass) RETURNS name[]
    LANGUAGE sql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT ARRAY(
    SELECT t.tgname FROM pg_trigger t
    WHERE t.tgrelid = calls AND t.tgfoid IN (
        '_callhardening.validate_hardened_call()'::regprocedure, '_callhardening.refuse_illegal_call()'::regprocedure))
$$;

COMMENT ON FUNCTION _callhardening.call_triggers(regclass) IS
'the triggers of hardening on a table, under any name; a hardened table has three';

-- Without the setting Citus refuses triggers on distributed tables. With it, Citus copies them to all shards.
CREATE FUNCTION _callhardening.drop_triggers(relation regclass, triggers name[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.enable_unsafe_triggers = on
    AS $$
DECLARE
    trigger_name name;
BEGIN
    FOREACH trigger_name IN ARRAY triggers LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', trigger_name, relation);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.drop_triggers(regclass, name[]) IS 'drops these triggers of a table';

CREATE FUNCTION _callhardening.create_call_triggers(calls regclass, settings _callhardening.settings) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.enable_unsafe_triggers = on
    AS $$
DECLARE
    arguments text[] := _callhardening.table_arguments(calls, settings);
    digest text := quote_literal(_callhardening.settings_digest(arguments));
    graph text := coalesce(', ' || quote_literal(settings.transitions::text) || '::pg_catalog.jsonb', '');
    -- Each as it stands in the old and in the new row.
    call_id text := quote_ident(settings.call_id_column);
    status text := quote_ident(settings.status_column) || '::text';
    direction text := quote_ident(settings.direction_column) || '::text';
BEGIN
    EXECUTE 'CREATE TRIGGER validate_hardened_call BEFORE INSERT OR UPDATE ON ' || calls
        || ' FOR EACH ROW EXECUTE FUNCTION _callhardening.validate_hardened_call('
        || (SELECT string_agg(quote_literal(argument), ', ' ORDER BY argument_no)
            FROM unnest(arguments) WITH ORDINALITY AS a (argument, argument_no)) || ')';
    IF arguments[8] = _callhardening.policy_reference(settings.policy::text) THEN
        EXECUTE format('COMMENT ON TRIGGER validate_hardened_call ON %s IS %L', calls, settings.policy);
    END IF;
    EXECUTE 'CREATE TRIGGER validate_hardened_call_insert AFTER INSERT ON ' || calls || ' FOR EACH ROW WHEN ('
        || '_callhardening.is_invalid_insert(NEW.' || status || ', NEW.' || direction || graph || ')'
        || ') EXECUTE FUNCTION _callhardening.refuse_illegal_call(' || digest || ')';
    EXECUTE 'CREATE TRIGGER validate_hardened_call_update AFTER UPDATE ON ' || calls || ' FOR EACH ROW WHEN ('
        || '_callhardening.is_invalid_update(OLD.' || status || ', NEW.' || status
        || ', OLD.' || direction || ', NEW.' || direction || graph || ')'
        || ' OR (OLD.' || call_id || ' IS DISTINCT FROM NEW.' || call_id || ' AND OLD.' || call_id || ' IS NOT NULL)'
        || ') EXECUTE FUNCTION _callhardening.refuse_illegal_call(' || digest || ')';
END
$$;

COMMENT ON FUNCTION _callhardening.create_call_triggers(regclass, _callhardening.settings) IS
'creates the triggers of a hardened table. Triggers of one event run in the order of their names, and this one has to '
'see what the others made of the row: so its name is late in the alphabet';

CREATE FUNCTION _callhardening.has_trigger_policy(calls regclass) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT s.reference IS NULL OR s.reference NOT LIKE 'policy %' OR EXISTS (
    SELECT FROM pg_trigger AS t
    WHERE t.tgrelid = calls AND _callhardening.policy_reference(obj_description(t.oid, 'pg_trigger')) = s.reference)
FROM (SELECT (_callhardening.trigger_settings(calls))[8] AS reference) AS s
$$;

COMMENT ON FUNCTION _callhardening.has_trigger_policy(regclass) IS
'false: the BEFORE trigger of a table refers to its comment for the policy, and the comment is gone or altered';

CREATE FUNCTION _callhardening.has_call_triggers(calls regclass, settings _callhardening.settings) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- If one trigger was altered by hand, all are made again.
SELECT _callhardening.has_trigger_policy(calls)
    AND _callhardening.trigger_settings(calls) = _callhardening.table_arguments(calls, settings) COLLATE "C"
    AND (SELECT count(*) = 3 AND count(*) FILTER (
            WHERE t.tgargs = convert_to(_callhardening.settings_digest(
                _callhardening.table_arguments(calls, settings)), 'UTF8') || '\x00') = 2
        FROM pg_trigger t
        WHERE t.tgrelid = calls AND t.tgname = ANY (_callhardening.call_triggers(calls)) AND t.tgenabled IN ('O', 'A'))
$$;

COMMENT ON FUNCTION _callhardening.has_call_triggers(regclass, _callhardening.settings) IS
'whether a table has the three triggers with just these settings, and none is disabled';

CREATE FUNCTION _callhardening.lock_calls_table(calls regclass, settings _callhardening.settings) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    adds_column boolean := NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = calls
        AND attname = settings.payload_column AND NOT attisdropped);
    adds_state boolean := NOT _callhardening.has_merge_columns(calls)
        AND EXISTS (SELECT FROM _callhardening.logs l WHERE l.calls = lock_calls_table.calls AND NOT l.is_of_changes);
    builds_index boolean := NOT _callhardening.has_unique_call_id(calls, settings.call_id_column)
        OR NOT adds_column AND NOT _callhardening.has_payload_index(calls, settings.payload_column);
    drops_triggers boolean := NOT _callhardening.has_call_triggers(calls, settings)
        AND cardinality(_callhardening.call_triggers(calls)) > 0;
BEGIN
    -- Upgrading the lock later could deadlock. But no index may be built under the stronger one.
    EXECUTE format('LOCK TABLE %s IN %s MODE', calls,
        CASE WHEN (adds_column OR adds_state OR drops_triggers) AND NOT builds_index THEN 'ACCESS EXCLUSIVE'
            ELSE 'SHARE ROW EXCLUSIVE' END);
END
$$;

COMMENT ON FUNCTION _callhardening.lock_calls_table(regclass, _callhardening.settings) IS
'the first lock of harden_calls: SHARE ROW EXCLUSIVE, unnoticed by readers. To add a column or replace a trigger '
'without building an index, ACCESS EXCLUSIVE at once';

CREATE FUNCTION _callhardening.merge_setting_column(calls regclass, given name, present text, usual name) RETURNS name
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- A column may have the name "default".
SELECT CASE
    WHEN given = 'default' AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = calls AND attname = given
        AND NOT attisdropped) THEN usual
    ELSE coalesce(given, present::name, usual) END
$$;

COMMENT ON FUNCTION _callhardening.merge_setting_column(regclass, name, text, name) IS
'the column meant by an argument of harden_calls. given NULL: the present one of the settings, or the usual one';

CREATE FUNCTION _callhardening.usual_call_id_column(calls regclass) RETURNS name
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN array_agg(attname) = ARRAY['call_id'::name] THEN 'call_id'::name ELSE 'dialpad_call_id' END
FROM pg_attribute WHERE attrelid = calls AND attname IN ('dialpad_call_id', 'call_id') AND NOT attisdropped
$$;

COMMENT ON FUNCTION _callhardening.usual_call_id_column(regclass) IS
'the call id of a table if none is named: call_id if it has this column and no dialpad_call_id, else dialpad_call_id';

CREATE FUNCTION _callhardening.merge_settings(calls regclass, given _callhardening.settings)
    RETURNS _callhardening.settings
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    present record := _callhardening.setting_texts(_callhardening.trigger_settings(calls));
    merged _callhardening.settings;
BEGIN
    merged.call_id_column := _callhardening.merge_setting_column(calls, given.call_id_column, present.call_id_column,
        _callhardening.usual_call_id_column(calls));
    merged.status_column := _callhardening.merge_setting_column(calls, given.status_column, present.status_column,
        'status'::name);
    merged.direction_column := _callhardening.merge_setting_column(calls, given.direction_column,
        present.direction_column, 'direction'::name);
    merged.payload_column := _callhardening.merge_setting_column(calls, given.payload_column,
        present.payload_column, 'raw_payload'::name);
    merged.on_invalid := CASE given.on_invalid WHEN 'default' THEN 'keep'
        ELSE coalesce(given.on_invalid, present.on_invalid, 'keep') END;
    merged.transitions := _callhardening.table_graph(
        coalesce(given.transitions, nullif(present.transitions, '')::jsonb));
    merged.provider := nullif(coalesce(given.provider, present.provider), '');
    merged.policy := nullif(coalesce(given.policy, _callhardening.trigger_policy(calls)), 'null');
    RETURN merged;
END
$$;

COMMENT ON FUNCTION _callhardening.merge_settings(regclass, _callhardening.settings) IS
'what arguments of harden_calls mean for this table: NULL is the present setting, or the default if there is none; '
'''default'' (columns, on_invalid), ''null''::jsonb (transitions, policy) and '''' (provider) are the default';

CREATE FUNCTION _callhardening.settings_change(present text[], wanted text[]) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT string_agg(format('%s: %s, now %s', s.name,
        CASE WHEN v.present = '' THEN s.unset WHEN v.present LIKE s.document THEN 'custom' ELSE v.present END,
        CASE
            WHEN v.wanted = '' THEN s.unset
            WHEN v.wanted NOT LIKE s.document THEN v.wanted
            WHEN v.present LIKE s.document THEN 'another'
            ELSE 'custom' END),
    '; ' ORDER BY v.argument_no)
FROM unnest(present[1:7] || CASE WHEN present[8] LIKE '{%' THEN _callhardening.policy_reference(present[8])
        ELSE present[8] END,
    wanted[1:7] || CASE WHEN wanted[8] LIKE '{%' THEN _callhardening.policy_reference(wanted[8]) ELSE wanted[8] END)
    WITH ORDINALITY AS v (present, wanted, argument_no)
JOIN (VALUES
    (1, 'call_id_column', '', NULL),
    (2, 'status_column', '', NULL),
    (3, 'direction_column', '', NULL),
    (4, 'payload_column', '', NULL),
    (5, 'on_invalid', '', NULL),
    (6, 'transitions', '{%', 'default'),
    (7, 'provider', '', 'none'),
    (8, 'policy', 'policy %', 'default')) AS s (argument_no, name, document, unset) ON s.argument_no = v.argument_no
WHERE v.present <> v.wanted
$$;

COMMENT ON FUNCTION _callhardening.settings_change(text[], text[]) IS
'how two lists of settings (see trigger_settings) differ, in words; NULL: they do not. A graph and a policy are not '
'printed';

CREATE FUNCTION _callhardening.require_kept_payload(calls regclass, given name) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    present name := (_callhardening.column_settings(_callhardening.trigger_settings(calls))).payload_column;
BEGIN
    IF given IS NULL AND present IS NOT NULL
        AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = calls AND attname = present AND NOT attisdropped)
    THEN
        PERFORM _callhardening.raise_error('42703', format('table %s no longer has column %I', calls, present),
            detail => 'It was the payload column.',
            hint => 'If it was renamed, give the new name in payload_column. If it was dropped, give the old one: it '
                'is added again.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_kept_payload(regclass, name) IS
'refuses (42703) to keep a missing payload column: it may have been renamed, and a second one would be added beside '
'it';

CREATE FUNCTION _callhardening.replace_call_triggers(calls regclass, settings _callhardening.settings) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.enable_unsafe_triggers = on
    AS $$
DECLARE
    trigger_name name;
    always boolean;
    present text[] := _callhardening.trigger_settings(calls);
    change text;
BEGIN
    IF _callhardening.has_call_triggers(calls, settings) THEN
        RETURN;
    END IF;
    -- A subscriber's owner wants them to fire for replicated rows too.
    always := EXISTS (SELECT FROM pg_trigger WHERE tgrelid = calls
        AND tgname = ANY (_callhardening.call_triggers(calls)) AND tgenabled = 'A');
    PERFORM _callhardening.drop_triggers(calls, _callhardening.call_triggers(calls));
    PERFORM _callhardening.create_call_triggers(calls, settings);
    IF always THEN
        FOREACH trigger_name IN ARRAY _callhardening.call_triggers(calls) LOOP
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', calls, trigger_name);
        END LOOP;
    END IF;
    change := _callhardening.settings_change(present, _callhardening.trigger_settings(calls));
    IF change IS NOT NULL THEN
        PERFORM _callhardening.report('NOTICE', format('settings of table %s change', calls), detail => change);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.replace_call_triggers(regclass, _callhardening.settings) IS
'gives a table its triggers with these settings; a NOTICE tells what changes. Nothing happens if it has them already';

CREATE FUNCTION @extschema@.harden_calls(calls regclass, call_id_column name DEFAULT NULL,
        status_column name DEFAULT NULL, direction_column name DEFAULT NULL, payload_column name DEFAULT NULL,
        on_invalid text DEFAULT NULL, transitions jsonb DEFAULT NULL, policy jsonb DEFAULT NULL,
        provider text DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    given CONSTANT _callhardening.settings := ROW(call_id_column, status_column, direction_column, payload_column,
        on_invalid, transitions, provider, policy)::_callhardening.settings;
    wanted _callhardening.settings;
    before oid[];
    made regclass;
BEGIN
    PERFORM _callhardening.require_calls_table(calls);
    PERFORM _callhardening.require_no_shard(calls, 'On the coordinator: SELECT harden_calls(%L, ...).'::text);
    PERFORM _callhardening.require_valid_documents(transitions, policy);
    wanted := _callhardening.merge_settings(calls, given);
    PERFORM _callhardening.require_valid_settings(calls, wanted);
    PERFORM _callhardening.require_kept_payload(calls, payload_column);
    PERFORM _callhardening.lock_calls_table(calls, wanted);
    -- While this session waited, another one may have changed what is to be kept.
    wanted := _callhardening.merge_settings(calls, given);
    PERFORM _callhardening.require_valid_settings(calls, wanted);

    IF cardinality(_callhardening.call_triggers(calls)) > 0 AND _callhardening.trigger_settings(calls) IS NULL THEN
        PERFORM _callhardening.report('WARNING', format('the settings of table %s are missing', calls),
            detail => 'They were arguments of its BEFORE trigger. Each setting not given is the default now.',
            hint => 'Call harden_calls again, and give each setting of your own.');
    END IF;
    before := ARRAY(SELECT indexrelid FROM pg_index WHERE indrelid = calls);
    -- In this order: what reads the table comes before what locks readers out.
    PERFORM _callhardening.add_unique_call_id(calls, wanted.call_id_column);
    PERFORM _callhardening.add_payload(calls, wanted.payload_column);
    IF EXISTS (SELECT FROM _callhardening.logs l WHERE l.calls = harden_calls.calls AND NOT l.is_of_changes) THEN
        PERFORM _callhardening.add_merge_columns(calls);
    END IF;
    -- Our own objects have a comment with this beginning. unharden_calls takes no other index away. The lock keeps
    -- others from making one.
    FOR made IN SELECT indexrelid FROM pg_index WHERE indrelid = calls AND indexrelid <> ALL (before) LOOP
        EXECUTE format('COMMENT ON INDEX %s IS %L', made, 'callhardening: of the hardened table');
    END LOOP;
    IF _callhardening.key_obstacle(calls, wanted.call_id_column) IS NOT NULL THEN
        PERFORM _callhardening.report('WARNING', format('column %I of table %s cannot be the key of events',
            wanted.call_id_column, calls),
            detail => _callhardening.key_obstacle(calls, wanted.call_id_column),
            hint => 'process_call_events refuses the table. What other clients write follows the rules.');
    END IF;
    PERFORM _callhardening.replace_call_triggers(calls, wanted);
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.harden_calls(regclass, name, name, name, name, text, jsonb, jsonb, text)
    FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'harden_calls');

COMMENT ON FUNCTION @extschema@.harden_calls(regclass, name, name, name, name, text, jsonb, jsonb, text) IS
'Puts the triggers on a table of calls. From then on each INSERT and UPDATE normalizes direction
and status, sanitizes the payload and follows the graph. Existing rows are not touched.

It adds what is missing: the payload column, its GIN index, and a unique index on the call id.
If the table has an event log, it also adds the columns that process_call_events needs. It marks
its indexes by a comment. If the payload column is new and the table has more than 8 MB, a
NOTICE comes instead of the GIN index. If call ids repeat, a WARNING comes instead of the unique
index. If the call id is unfit as the key of events, a WARNING comes.

Indexes are built under SHARE ROW EXCLUSIVE, unless they are there already. A new column and new
triggers need ACCESS EXCLUSIVE, for moments.

Called again, it keeps every setting that is not given or NULL, and a NOTICE lists the changes.
The settings are in the BEFORE trigger: if it was dropped or altered, they are the defaults
again, and a WARNING comes.
- call_id_column: at first dialpad_call_id, or call_id in a table without it; ''default'' is that
  again, also for the other three columns
- status_column, direction_column, payload_column: at first status, direction and raw_payload
- on_invalid: keep (the default: the old status stays, the rest is written, WARNING), skip (the
  row is left untouched, WARNING), reject (error 23514); ''default'' is keep
- transitions: {"status": ["next", ...], ...}; at first, and with ''null''::jsonb, the graph of
  call_status_transitions
- policy: what the payload is sanitized by (call_payload_policy), at most 16384 bytes as text;
  at first, and with ''null''::jsonb, the policy default
- provider: the source of the words; at first, and with '''', any provider; *: several providers,
  and each call id is "provider:call id" as text, also in events
If Citus has distributed the table, call it on the coordinator. Citus carries what changes to all
shards.
Errors:
- 0A000: the table is a shard: name the distributed table
- 22004: calls is NULL
- 22023: unknown mode or provider, malformed graph or policy
- 42501: the caller is not the owner, or the policy has hash and the caller no right to
  call_pseudonym
- 42701: a column is named twice
- 42703: no such column
- 42804: a column is unfit for the words
- 42809: it is no table
- 54000: a policy of more than 16384 bytes';

CREATE FUNCTION _callhardening.added_merge_columns(calls regclass) RETURNS name[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT ARRAY(SELECT a.attname FROM pg_attribute a JOIN _callhardening.merge_columns() c ON c.column_name = a.attname
    WHERE a.attrelid = calls AND col_description(calls, a.attnum) LIKE 'callhardening: %' ORDER BY a.attnum)
$$;

COMMENT ON FUNCTION _callhardening.added_merge_columns(regclass) IS
'the columns add_merge_columns has added to a table';

-- A view on all columns of the table has come to need these as well. That is no reason to keep the triggers.
CREATE FUNCTION _callhardening.drop_merge_columns(calls regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    state_column name;
BEGIN
    FOREACH state_column IN ARRAY _callhardening.added_merge_columns(calls) LOOP
        EXECUTE format('ALTER TABLE %s DROP COLUMN %I', calls, state_column);
    END LOOP;
EXCEPTION WHEN dependent_objects_still_exist THEN
    PERFORM _callhardening.report('NOTICE', format('the columns merge_... of table %s stay', calls),
        detail => format('An object depends on column %I.', state_column),
        hint => 'Drop that object, and call unharden_calls again.');
END
$$;

COMMENT ON FUNCTION _callhardening.drop_merge_columns(regclass) IS
'takes the columns of add_merge_columns off a table; a NOTICE, and all of them stay, if something depends on one';

CREATE FUNCTION @extschema@.unharden_calls(calls regclass, drop_payload boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    payload name;
    change_trigger name;
    ours record;
BEGIN
    PERFORM _callhardening.require_calls_table(calls);
    PERFORM _callhardening.require_no_shard(calls, 'On the coordinator: SELECT unharden_calls(%L).'::text);
    change_trigger := (_callhardening.change_trigger(calls)).trigger_name;
    IF cardinality(_callhardening.call_triggers(calls)) = 0 AND change_trigger IS NULL
        AND cardinality(_callhardening.added_merge_columns(calls)) = 0
        AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = calls
            AND obj_description(i.indexrelid, 'pg_class') LIKE 'callhardening: %')
    THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is not hardened', calls);
    END IF;
    payload := (_callhardening.column_settings(_callhardening.trigger_settings(calls))).payload_column;
    IF drop_payload AND payload IS NULL THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('the settings of table %s were dropped with its triggers', calls),
            HINT = 'Leave drop_payload false, and drop the payload column yourself.';
    END IF;
    PERFORM _callhardening.drop_triggers(calls, array_remove(
        _callhardening.call_triggers(calls) || change_trigger, NULL));
    -- Other objects may need an index made here: a foreign key, a constraint or a replica identity.
    FOR ours IN
        SELECT i.indexrelid::regclass AS index, i.indisreplident OR
            EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid) AS is_needed
        FROM pg_index i WHERE i.indrelid = calls AND obj_description(i.indexrelid, 'pg_class') LIKE 'callhardening: %'
            ORDER BY 1
    LOOP
        IF ours.is_needed THEN
            PERFORM _callhardening.report('NOTICE', format('index %s of table %s stays', ours.index, calls),
                detail => 'A constraint or the replica identity needs it.');
        ELSE
            EXECUTE format('DROP INDEX %s', ours.index);
        END IF;
    END LOOP;
    PERFORM _callhardening.drop_merge_columns(calls);
    IF drop_payload THEN
        EXECUTE format('ALTER TABLE %s DROP COLUMN %I', calls, payload);
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.unharden_calls(regclass, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'unharden_calls');

COMMENT ON FUNCTION @extschema@.unharden_calls(regclass, boolean) IS
'Takes the triggers of a hardened table away, and the indexes made by harden_calls. The columns
of an event log go too, unless something depends on them: NOTICE. An index stays if a constraint
or the replica identity needs it: NOTICE. Other indexes stay, and so does a log of changes, but
nothing is appended to it.
- drop_payload: true drops the payload column with its content
Errors:
- 0A000: the table is a shard: name the distributed table
- 22004: calls is NULL
- 2BP01: drop_payload, and something depends on the payload column
- 42501: the caller is not the owner
- 42809: it is no table
- 55000: the table is not hardened';
