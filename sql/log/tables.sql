
-- tables of a new installation -----------------------------------------------------------------

CREATE FUNCTION _callhardening.id_columns(provider text, OUT call_id_column name, OUT user_id_column name,
        OUT id_type text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN provider = 'dialpad' THEN 'dialpad_call_id' ELSE 'call_id' END,
    CASE WHEN provider = 'dialpad' THEN 'dialpad_user_id' ELSE 'user_id' END,
    coalesce((SELECT p.id_type FROM @extschema@.call_providers() AS p WHERE p.provider = id_columns.provider), 'text')
$$;

COMMENT ON FUNCTION _callhardening.id_columns(text) IS
'the columns of the ids in a new calls table of this provider, and their type. provider: as call_providers() spells '
'it; any other: the ids are text';

CREATE FUNCTION _callhardening.create_calls_table(schema name, provider text) RETURNS regclass
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    ids record := _callhardening.id_columns(provider);
    calls regclass;
BEGIN
    EXECUTE format('CREATE TABLE %1$I.calls (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        %2$I %4$s NOT NULL UNIQUE,
        direction text,
        status text,
        from_number text,
        to_number text,
        %3$I %4$s,
        started_at timestamptz,
        connected_at timestamptz,
        ended_at timestamptz,
        duration_seconds integer,
        recording_url text,
        voicemail_url text,
        is_voicemail boolean,
        was_recorded boolean,
        is_transferred boolean,
        master_call_id %4$s,
        entry_point_call_id %4$s,
        operator_call_id %4$s,
        last_event_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now()
    )', schema, ids.call_id_column, ids.user_id_column, ids.id_type);
    calls := format('%I.calls', schema)::regclass;
    -- Open calls are few, and a dashboard asks for them.
    EXECUTE format('CREATE INDEX idx_calls_started_at ON %1$s (started_at);
        CREATE INDEX idx_calls_open ON %1$s (started_at) WHERE status IN (''ringing'', ''active'');
        CREATE INDEX idx_calls_master_call_id ON %1$s (master_call_id) WHERE master_call_id IS NOT NULL;
        CREATE INDEX idx_calls_entry_point_call_id ON %1$s (entry_point_call_id)
            WHERE entry_point_call_id IS NOT NULL', calls);
    PERFORM @extschema@.harden_calls(calls, ids.call_id_column, 'status'::name, 'direction'::name,
        'raw_payload'::name, 'keep'::text, NULL::jsonb, NULL::jsonb,
        CASE WHEN provider = '*' OR @extschema@.is_known_call_provider(provider) THEN provider ELSE '' END);
    IF provider = '*' THEN
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT call_id_names_provider CHECK (call_id ~ ''^[a-z0-9_]+:.'')',
            calls);
    END IF;
    PERFORM _callhardening.comment_on_columns(calls, ARRAY[
        ['direction', 'inbound, outbound or NULL'],
        ['status', 'a status of call_status_transitions(), or NULL'],
        ['from_number', 'who called: the external number of an inbound call, the internal one of an outbound call'],
        [ids.user_id_column::text, 'the user whose leg this is; NULL for a department, an office, a call centre'],
        ['duration_seconds', 'seconds talked: '
            || CASE WHEN provider = 'dialpad' THEN 'Dialpad''s' ELSE 'the provider''s' END
            || ' talk_time, else its duration, rounded'],
        ['recording_url', 'link to the first recording: a credential: its holder can listen'],
        ['voicemail_url', 'link to the voicemail: a credential as well'],
        ['last_event_at', 'time of the newest applied event'],
        ['raw_payload', 'body of the newest event, sanitized']]);
    EXECUTE format('COMMENT ON TABLE %s IS ''calls: one row per leg, keyed by the provider''''s call id''', calls);
    RETURN calls;
END
$$;

COMMENT ON FUNCTION _callhardening.create_calls_table(name, text) IS
'a part of create_call_tables: the calls table of a provider, hardened';

CREATE FUNCTION _callhardening.comment_on_columns(relation regclass, comments text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    pair text[];
BEGIN
    FOREACH pair SLICE 1 IN ARRAY comments LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, pair[1], pair[2]);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.comment_on_columns(regclass, text[]) IS
'writes comments of columns; comments: pairs of a column and its comment';

CREATE FUNCTION _callhardening.create_event_table(schema name, events_name name) RETURNS regclass
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    events regclass;
    index_name name := format('idx_%s_lane', events_name)::name;
BEGIN
    -- The defaults are for a table after DROP EXTENSION took its triggers: -9 is no_lane('not_stamped'). Each body is
    -- read once at least: the toast_tuple_target leaves the body of an ordinary event in its row.
    EXECUTE format('CREATE TABLE %I.%I (
        event_seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_lane integer NOT NULL DEFAULT -9,
        event_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        event_digest bytea UNIQUE,
        call_id text,
        event_type text,
        received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        payload jsonb %s NOT NULL
    ) WITH (toast_tuple_target = 4064)', schema, events_name,
        (SELECT 'COMPRESSION lz4' FROM pg_settings WHERE name = 'default_toast_compression'
            AND 'lz4' = ANY (enumvals)));
    events := format('%I.%I', schema, events_name)::regclass;
    EXECUTE format('CREATE UNIQUE INDEX %s ON %s (event_lane, event_xid, event_seq)',
        CASE WHEN to_regclass(format('%I.%I', schema, index_name)) IS NULL THEN quote_ident(index_name) END, events);
    index_name := format('idx_%s_call_id', events_name)::name;
    EXECUTE format('CREATE INDEX %s ON %s (call_id, event_seq)',
        CASE WHEN to_regclass(format('%I.%I', schema, index_name)) IS NULL THEN quote_ident(index_name) END, events);
    PERFORM _callhardening.comment_on_columns(events, ARRAY[
        ['event_seq', 'sequence number of the event'],
        ['event_lane', 'callhardening: hash of the call id, the same for all events of a call; below 0: no worker can '
            'apply the event, see call_dead_events'],
        ['event_xid', 'callhardening: the transaction of the event''s INSERT'],
        ['event_digest', 'callhardening: tells a redelivery: half of the SHA-256 of the document, or of the event key '
            'given with it'],
        ['call_id', 'the call of the event'],
        ['event_type', 'the provider''s word for what happened'],
        ['payload', 'the body; as a JSON string if it is no JSON']]);
    EXECUTE format('COMMENT ON TABLE %s IS ''webhook bodies as they came: an append-only event log''', events);
    RETURN events;
END
$$;

COMMENT ON FUNCTION _callhardening.create_event_table(name, name) IS
'a part of create_call_tables: a table with the columns and indexes of an event log';

CREATE FUNCTION _callhardening.require_free_names(schema name, names name[], advice text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    taken name;
BEGIN
    IF schema IS NULL THEN
        PERFORM _callhardening.raise_error('22004', 'schema must not be null',
            hint => 'Name the schema for the tables.');
    END IF;
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = schema) THEN
        PERFORM _callhardening.raise_error('3F000', format('schema "%s" does not exist', schema),
            hint => 'Create the schema first. For a provider in the current schema, write provider => ''...''.');
    END IF;
    IF NOT has_schema_privilege(schema, 'CREATE') THEN
        PERFORM _callhardening.raise_error('42501', format('permission denied for schema %s', schema));
    END IF;
    SELECT relname INTO taken FROM pg_class WHERE relnamespace = quote_ident(schema)::regnamespace
        AND relname = ANY (names) ORDER BY relname DESC;
    IF FOUND THEN
        PERFORM _callhardening.raise_error('42P07', format('relation "%s" already exists', taken),
            hint => advice);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_free_names(name, name[], text) IS
'refuses a schema that cannot get these tables: 22004 none, 3F000 no such schema, 42501 no right to create in it, '
'42P07 one of the names is taken, with this advice';

CREATE FUNCTION _callhardening.require_provider(provider text, shape jsonb) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    known text := _callhardening.known_provider(provider);
BEGIN
    IF provider IS NULL THEN
        PERFORM _callhardening.raise_error('22004', 'provider must not be null',
            hint => 'call_providers() lists the providers.');
    ELSIF known IS NULL AND shape IS NULL THEN
        PERFORM _callhardening.raise_error('22023', format('unknown call provider "%s"', provider),
            hint => _callhardening.suggest_provider(provider) || ' For another provider, give its shape.');
    END IF;
    PERFORM _callhardening.require_readable_events(coalesce(known, provider), shape);
    RETURN coalesce(known, provider);
END
$$;

COMMENT ON FUNCTION _callhardening.require_provider(text, jsonb) IS
'the provider as call_providers() spells it. Refuses NULL (22004), a document that is no shape, and without one an '
'unknown provider, or one without readable events (22023)';

CREATE FUNCTION @extschema@.create_call_tables(schema name DEFAULT pg_catalog.current_schema(),
        provider text DEFAULT 'dialpad', shape jsonb DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    known text;
    calls regclass;
BEGIN
    PERFORM _callhardening.require_free_names(schema, '{calls,call_events}'::name[],
        'Harden your own table of calls with harden_calls, or name another schema.');
    known := CASE WHEN provider = '*' THEN provider ELSE _callhardening.require_provider(provider, shape) END;
    calls := _callhardening.create_calls_table(schema, known);
    IF known <> '*' THEN
        PERFORM @extschema@.register_call_event_log(
            _callhardening.create_event_table(schema, 'call_events'::name), calls, known, 64, shape);
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.create_call_tables(name, text, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'create_call_tables');

COMMENT ON FUNCTION @extschema@.create_call_tables(name, text, jsonb) IS
'Creates <schema>.calls, hardened, and <schema>.call_events, an event log of 64 lanes for it. The
columns for Dialpad are dialpad_call_id and dialpad_user_id, for others call_id and user_id.
Their type, and that of master_call_id, entry_point_call_id and operator_call_id, is the id_type
of call_providers().
- schema: the current one by default
- provider: the source of the events; *: several providers: it creates only calls, each call id
  is "provider:call id", and a check constraint wants it (then see create_call_event_log)
- shape: where the bodies have each value (configure_call_event_log); with one, the provider may
  have any name
Errors:
- 22004: no schema or provider
- 22023: unknown provider, its events cannot be read, or a malformed shape
- 3F000: no such schema
- 42501: no right to create in the schema, or not the task own (grant_call_role)
- 42P07: one of the tables is there already
- 54000: a shape above 64 kB';

CREATE FUNCTION @extschema@.create_call_event_log(calls regclass, provider text, events name DEFAULT NULL,
        lanes int DEFAULT 64, shape jsonb DEFAULT NULL)
    RETURNS regclass
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    known text := _callhardening.require_provider(provider, shape);
    schema name;
    log regclass;
BEGIN
    PERFORM _callhardening.require_calls_table(calls);
    events := coalesce(events, known || '_events');
    schema := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = calls);
    PERFORM _callhardening.require_free_names(schema, ARRAY[events], 'Give the new log another name in events.');
    log := _callhardening.create_event_table(schema, events);
    PERFORM @extschema@.register_call_event_log(log, calls, known, lanes, shape);
    RETURN log;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.create_call_event_log(regclass, text, name, int, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'create_call_event_log');

COMMENT ON FUNCTION @extschema@.create_call_event_log(regclass, text, name, int, jsonb) IS
'Creates an event log for a hardened calls table, in its schema, and returns it. The first log of
the database is the default log. A later one is not: NOTICE. WARNING: the calls table has a log
of another provider, and its call ids do not begin with their provider (harden_calls(provider =>
''*'')).
- provider: the source of the events
- events: the name of the log; NULL: <provider>_events
- lanes: 1 to 1024
- shape: where the bodies have each value (configure_call_event_log); with one, the provider may
  have any name
Errors:
- 22004: no calls table or provider
- 22023: unknown provider, its events cannot be read, a malformed shape, or lanes out of range
- 42501: not the owner, no right to create in the schema, or not the task own (grant_call_role)
- 42809: it is no table
- 42P01: no such table
- 42P07: the name is taken
- 54000: a shape above 64 kB
- 55000: the table is not hardened, or takes no event';
