
-- event log ------------------------------------------------------------------------------------
--
-- An event log is a table that is only ever appended to. What is remembered about it is appended too, here:
-- nothing that a worker does updates a row, so an old snapshot that somebody holds costs the workers nothing.

CREATE TABLE @extschema@.call_logs (
    log_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    events regclass NOT NULL UNIQUE,
    calls regclass NOT NULL,
    provider text NOT NULL,
    lanes int NOT NULL CHECK (lanes BETWEEN 1 AND 1024),
    signed boolean NOT NULL DEFAULT false
);
SELECT pg_catalog.pg_extension_config_dump('@extschema@.call_logs', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.call_logs_log_id_seq', '');
REVOKE ALL ON @extschema@.call_logs FROM PUBLIC;
GRANT SELECT ON @extschema@.call_logs TO PUBLIC;

COMMENT ON TABLE @extschema@.call_logs IS 'the event logs of this database';
COMMENT ON COLUMN @extschema@.call_logs.events IS 'the event log';
COMMENT ON COLUMN @extschema@.call_logs.calls IS 'the calls table that its events are applied to';
COMMENT ON COLUMN @extschema@.call_logs.provider IS 'whose events these are: decides where their values are found and what their words mean';
COMMENT ON COLUMN @extschema@.call_logs.lanes IS 'number of lanes: at most an eighth of them is worked on by one worker at a time';
COMMENT ON COLUMN @extschema@.call_logs.signed IS 'true: only signed bodies are taken. Dumped, which the secrets are not: a restored log refuses every body until set_call_event_secret is called again';

CREATE TABLE @extschema@.call_lanes (
    log_id int NOT NULL,
    lane int NOT NULL,
    PRIMARY KEY (log_id, lane)
);
SELECT pg_catalog.pg_extension_config_dump('@extschema@.call_lanes', '');
REVOKE ALL ON @extschema@.call_lanes FROM PUBLIC;

COMMENT ON TABLE @extschema@.call_lanes IS 'one row per lane of a log: locked while the lane is worked on, never updated';

CREATE TABLE @extschema@.call_claims (
    log_id int NOT NULL,
    lane int NOT NULL,
    n bigint NOT NULL,
    settled pg_catalog.pg_snapshot NOT NULL,
    reading pg_catalog.pg_snapshot,
    read_xid pg_catalog.xid8,
    read_seq bigint,
    events int NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (log_id, lane, n)
);
SELECT pg_catalog.pg_extension_config_dump('@extschema@.call_claims', '');
REVOKE ALL ON @extschema@.call_claims FROM PUBLIC;

COMMENT ON TABLE @extschema@.call_claims IS 'how far each lane of a log has been processed: the record with the highest n of a lane is its truth';
COMMENT ON COLUMN @extschema@.call_claims.settled IS 'every event of the lane that this snapshot sees has been dealt with';
COMMENT ON COLUMN @extschema@.call_claims.reading IS 'the window being read: what this snapshot sees and settled does not; NULL between two windows';
COMMENT ON COLUMN @extschema@.call_claims.read_xid IS 'with read_seq: the last event of the window that has been dealt with';
COMMENT ON COLUMN @extschema@.call_claims.events IS 'number of events that were claimed with this record';

CREATE TABLE @extschema@.call_dead_events (
    log_id int NOT NULL,
    event_seq bigint NOT NULL,
    call_id text,
    sqlstate text NOT NULL,
    error text NOT NULL,
    died_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (log_id, event_seq)
);
SELECT pg_catalog.pg_extension_config_dump('@extschema@.call_dead_events', '');
REVOKE ALL ON @extschema@.call_dead_events FROM PUBLIC;

COMMENT ON TABLE @extschema@.call_dead_events IS 'events that could not be applied to the calls table; their bodies are in the event log, under the same event_seq';
COMMENT ON COLUMN @extschema@.call_dead_events.error IS 'why, without any of the body; what was raised by the calls table is quoted up to 1000 bytes';

-- Stamps an event with what the workers go by: its call, the lane of that call and the transaction that appends it.
CREATE FUNCTION @extschema@.stamp_call_event() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_stamp_call_event';
REVOKE EXECUTE ON FUNCTION @extschema@.stamp_call_event() FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.stamp_call_event() IS
'trigger function of event logs, BEFORE INSERT FOR EACH ROW: fills call_id, event_type, event_lane and event_xid. Arguments: payload column, provider, number of lanes, type of the calls table''s key';

-- An event without a lane is kept, since its provider will not send it again, but no worker can apply it.
CREATE FUNCTION @extschema@.bury_call_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- The log's owner may have given its columns types with casts of his own, and they would run as the owner of
    -- the extension. The statement below is not looked at before it is reached.
    IF (SELECT count(*) FROM pg_attribute WHERE attrelid = TG_RELID AND (attname, atttypid) IN (
            ('event_seq', 'bigint'::regtype), ('event_lane', 'integer'::regtype), ('call_id', 'text'::regtype))) <> 3 THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is no event log any more', TG_RELID::regclass),
            DETAIL = 'The type of event_seq, event_lane or call_id was altered.';
    END IF;
    INSERT INTO @extschema@.call_dead_events (log_id, event_seq, call_id, sqlstate, error)
    SELECT log_id, NEW.event_seq, NEW.call_id, '22023', CASE NEW.event_lane
               WHEN -1 THEN 'the body is a JSON string, or no JSON that jsonb can hold'
               WHEN -2 THEN 'the body is not a JSON object'
               WHEN -3 THEN 'the body has no call id'
               WHEN -4 THEN 'the call id is longer than 255 bytes'
               ELSE format('the call id cannot be held by the key of %s', calls) END
    FROM @extschema@.call_logs WHERE events = TG_RELID
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.bury_call_event() FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.bury_call_event() IS
'trigger function of event logs, AFTER INSERT FOR EACH ROW: writes an event without a lane to call_dead_events';

CREATE FUNCTION @extschema@.register_call_log(events regclass, calls regclass, provider text, lanes int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    home name := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'callhardening');
    key_type text := (SELECT format_type(atttypid, NULL) FROM pg_attribute
                      WHERE attrelid = calls AND attname = (@extschema@.call_settings(calls)).call_id_column);
    log int;
BEGIN
    EXECUTE format('CREATE TRIGGER stamp_call_event BEFORE INSERT ON %s FOR EACH ROW
        EXECUTE FUNCTION %I.stamp_call_event(%L, %L, %L, %L)', events, home, 'payload', provider, lanes, key_type);
    EXECUTE format('CREATE TRIGGER bury_call_event AFTER INSERT ON %s FOR EACH ROW WHEN (NEW.event_lane < 0)
        EXECUTE FUNCTION %I.bury_call_event()', events, home);
    INSERT INTO @extschema@.call_logs (events, calls, provider, lanes)
    VALUES (events, calls, provider, lanes) RETURNING log_id INTO log;
    INSERT INTO @extschema@.call_lanes SELECT log, lane FROM generate_series(0, lanes - 1) AS lane;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.register_call_log(regclass, regclass, text, int) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.register_call_log(regclass, regclass, text, int) IS
'makes a table with the columns of call_events (see create_call_tables) the event log of a hardened calls table: stamps what is appended to it from now on';

-- A log that is dropped takes along what is remembered about it: its oid may come back as another table.
CREATE FUNCTION @extschema@.forget_dropped_call_logs() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    dropped int;
BEGIN
    FOR dropped IN
        DELETE FROM @extschema@.call_logs
        WHERE events IN (SELECT objid FROM pg_event_trigger_dropped_objects() WHERE classid = 'pg_class'::regclass AND objsubid = 0)
        RETURNING log_id
    LOOP
        DELETE FROM @extschema@.call_lanes WHERE log_id = dropped;
        DELETE FROM @extschema@.call_claims WHERE log_id = dropped;
        DELETE FROM @extschema@.call_dead_events WHERE log_id = dropped;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.forget_dropped_call_logs() FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.forget_dropped_call_logs() IS
'event trigger function: removes the settings, positions and dead events of a log that is dropped';

CREATE EVENT TRIGGER forget_dropped_call_logs ON sql_drop
    EXECUTE FUNCTION @extschema@.forget_dropped_call_logs();
