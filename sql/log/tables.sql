
-- tables of a new installation -----------------------------------------------------------------

CREATE FUNCTION @extschema@.create_call_tables(schema name DEFAULT pg_catalog.current_schema()) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    taken name;
BEGIN
    IF schema IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'schema must not be null',
            HINT = 'Name the schema for the tables.';
    END IF;
    -- Without this, the tables would end up in the next schema of the path.
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = schema) THEN
        RAISE invalid_schema_name USING MESSAGE = format('schema "%s" does not exist', schema);
    END IF;
    IF NOT has_schema_privilege(schema, 'CREATE') THEN
        RAISE insufficient_privilege USING MESSAGE = format('permission denied for schema %s', schema);
    END IF;
    SELECT relname INTO taken FROM pg_class WHERE relnamespace = quote_ident(schema)::regnamespace
        AND relname IN ('calls', 'call_events') ORDER BY relname DESC;
    IF FOUND THEN
        RAISE duplicate_table USING MESSAGE = format('relation "%s" already exists', taken),
            HINT = 'Harden your own table of calls with harden_calls, or name another schema.';
    END IF;
    -- pg_catalog is searched first if it is not named, so the names below mean what they say.
    PERFORM set_config('search_path', format('%I, pg_temp', schema), true);

    CREATE TABLE calls (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        dialpad_call_id bigint NOT NULL UNIQUE,
        direction text,
        status text,
        from_number text,
        to_number text,
        dialpad_user_id bigint,
        started_at timestamptz,
        connected_at timestamptz,
        ended_at timestamptz,
        duration_seconds integer,
        recording_url text,
        voicemail_url text,
        is_voicemail boolean,
        was_recorded boolean,
        is_transferred boolean,
        master_call_id bigint,
        entry_point_call_id bigint,
        operator_call_id bigint,
        last_event_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX idx_calls_started_at ON calls (started_at);
    -- Open calls are few, and a dashboard asks for them.
    CREATE INDEX idx_calls_open ON calls (started_at) WHERE status IN ('ringing', 'active');
    CREATE INDEX idx_calls_master_call_id ON calls (master_call_id) WHERE master_call_id IS NOT NULL;
    CREATE INDEX idx_calls_entry_point_call_id ON calls (entry_point_call_id) WHERE entry_point_call_id IS NOT NULL;
    PERFORM @extschema@.harden_calls('calls'::regclass, 'dialpad_call_id'::name, 'status'::name, 'direction'::name,
        'raw_payload'::name, 'keep'::text,
        NULL::jsonb, NULL::jsonb, 'dialpad'::text);

    COMMENT ON TABLE calls IS 'calls: one row per leg, keyed by the provider''s call id';
    COMMENT ON COLUMN calls.direction IS 'inbound, outbound or NULL';
    COMMENT ON COLUMN calls.status IS 'a status of call_status_transitions(), or NULL';
    COMMENT ON COLUMN calls.from_number IS
        'who called: the external number of an inbound call, the internal one of an outbound call';
    COMMENT ON COLUMN calls.dialpad_user_id IS
        'the user whose leg this is; NULL for a department, an office, a call centre';
    COMMENT ON COLUMN calls.duration_seconds IS 'seconds talked: Dialpad''s talk_time, else its duration, rounded';
    COMMENT ON COLUMN calls.recording_url IS 'link to the first recording: a credential: its holder can listen';
    COMMENT ON COLUMN calls.voicemail_url IS 'link to the voicemail: a credential as well';
    COMMENT ON COLUMN calls.last_event_at IS 'time of the newest applied event';
    COMMENT ON COLUMN calls.raw_payload IS 'body of the newest event, sanitized';

    -- The defaults are for a table after DROP EXTENSION took its triggers: -7 is no_lane('not_stamped').
    CREATE TABLE call_events (
        event_seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_lane integer NOT NULL DEFAULT -7,
        event_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        event_digest bytea UNIQUE,
        call_id text,
        event_type text,
        received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        payload jsonb NOT NULL
    ) WITH (toast_tuple_target = 4064); -- each body is read once at least: one of an ordinary event stays in its row
    CREATE UNIQUE INDEX idx_call_events_lane ON call_events (event_lane, event_xid, event_seq);
    IF EXISTS (SELECT FROM pg_catalog.pg_settings
            WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        ALTER TABLE call_events ALTER COLUMN payload SET COMPRESSION lz4;
    END IF;
    PERFORM @extschema@.register_call_event_log('call_events'::regclass, 'calls'::regclass, 'dialpad'::text, 64);

    COMMENT ON TABLE call_events IS 'webhook bodies as they came: an append-only event log';
    COMMENT ON COLUMN call_events.event_seq IS 'sequence number of the event';
    COMMENT ON COLUMN call_events.event_lane IS
        'callhardening: hash of the call id, the same for all events of a call; below 0: no worker can apply the '
        'event, see call_dead_events';
    COMMENT ON COLUMN call_events.event_xid IS 'callhardening: the transaction of the event''s INSERT';
    COMMENT ON COLUMN call_events.event_digest IS
        'callhardening: tells a redelivery: half of the SHA-256 of the document, or of the event key given with it';
    COMMENT ON COLUMN call_events.call_id IS 'the call of the event';
    COMMENT ON COLUMN call_events.event_type IS 'the provider''s word for what happened';
    COMMENT ON COLUMN call_events.payload IS 'the body; as a JSON string if it is no JSON';
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.create_call_tables(name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'create_call_tables');

COMMENT ON FUNCTION @extschema@.create_call_tables(name) IS
'creates <schema>.calls, hardened, and <schema>.call_events, an event log of 64 lanes for it. schema: the current one '
'by default. Errors: 22004 no schema, 3F000 no such schema, 42P07 one of the tables is there already, 42501 no right '
'to create in the schema, or not the task own (see grant_call_role)';
