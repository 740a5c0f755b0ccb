
-- tables that Citus distributes by the call ------------------------------------------------------
--
-- Citus is found by its catalogs, and its functions are called by EXECUTE: this extension does not need it.

CREATE FUNCTION _callhardening.require_citus(purpose text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM _callhardening.raise_error('55000', format('%s needs Citus', purpose),
            detail => 'The extension citus is not installed in this database.',
            hint => 'Put citus first in shared_preload_libraries, restart the server, and CREATE EXTENSION citus.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_citus(text) IS
'refuses (55000) what needs Citus, in a database without it';

-- A shard has no identity column, and each of its unique keys contains the column that the table is distributed by.
CREATE FUNCTION _callhardening.make_distributable(calls regclass, events regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    events_name name := (SELECT relname FROM pg_class WHERE oid = events);
    key record;
BEGIN
    FOR key IN SELECT c.conrelid::regclass AS owner, c.conname FROM pg_constraint AS c
        WHERE c.conrelid IN (calls, events) AND c.contype IN ('p', 'u') LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', key.owner, key.conname);
    END LOOP;
    FOR key IN SELECT i.indexrelid::regclass AS index FROM pg_index AS i
        WHERE i.indrelid = events AND i.indisunique LOOP
        EXECUTE format('DROP INDEX %s', key.index);
    END LOOP;
    EXECUTE format('ALTER TABLE %s DROP COLUMN id, ADD PRIMARY KEY (dialpad_call_id)', calls);
    -- The default of event_xid would be a transaction of the server of the INSERT, and not of the shard.
    EXECUTE format('ALTER TABLE %1$s ADD COLUMN call_key bigint NOT NULL, ALTER COLUMN event_xid SET DEFAULT ''0'',
        ADD PRIMARY KEY (event_seq, call_key), ADD UNIQUE (event_digest, call_key),
        ADD CONSTRAINT %2$I CHECK (CASE WHEN event_lane >= 0 THEN call_key = call_id::bigint
            ELSE call_key < 0 OR event_lane = %3$s END)',
        events, events_name || '_call_key_check', _callhardening.no_lane('ignored'));
    EXECUTE format('CREATE UNIQUE INDEX %I ON %s (event_lane, event_xid, event_seq, call_key)',
        format('idx_%s_lane', events_name), events);
    PERFORM _callhardening.comment_on_columns(events, ARRAY[['call_key',
        'callhardening: the call id, or a negative number if the event has no call: the table is distributed by it']]);
END
$$;

COMMENT ON FUNCTION _callhardening.make_distributable(regclass, regclass) IS
'a part of create_distributed_call_tables: gives new, empty tables the keys and the columns of distributed ones';

CREATE FUNCTION _callhardening.distribute_call_tables(calls regclass, events regclass, shard_count int) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.enable_unsafe_triggers = on
    AS $$
BEGIN
    EXECUTE format('SELECT pg_catalog.create_distributed_table(%L::regclass, ''dialpad_call_id''::text,
        colocate_with => ''none'', shard_count => %s)', calls, shard_count);
    EXECUTE format('SELECT pg_catalog.create_distributed_table(%L::regclass, ''call_key''::text, colocate_with => %L)',
        events, calls);
END
$$;

COMMENT ON FUNCTION _callhardening.distribute_call_tables(regclass, regclass, int) IS
'a part of create_distributed_call_tables: Citus takes the triggers along, to each shard';

CREATE FUNCTION @extschema@.create_distributed_call_tables(schema name, shard_count int DEFAULT 32, lanes int DEFAULT 8)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    calls regclass;
    events regclass;
BEGIN
    PERFORM _callhardening.require_citus('create_distributed_call_tables'::text);
    IF shard_count IS NULL OR lanes IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'shard_count and lanes must not be NULL';
    END IF;
    IF shard_count NOT BETWEEN 1 AND 4096 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'shard_count must be between 1 and 4096';
    END IF;
    PERFORM _callhardening.require_free_names(schema, '{calls,call_events,call_moving}'::name[],
        'Name another schema.'::text);
    PERFORM _callhardening.require_valid_log_settings('dialpad'::text, NULL::jsonb, lanes);
    calls := _callhardening.create_calls_table(schema, 'dialpad'::text);
    events := _callhardening.create_event_table(schema, 'call_events'::name);
    PERFORM _callhardening.make_distributable(calls, events);
    PERFORM _callhardening.add_merge_columns(calls);
    PERFORM _callhardening.create_event_triggers(events, ARRAY['payload', 'dialpad', lanes::text, 'bigint']);
    PERFORM _callhardening.distribute_call_tables(calls, events, shard_count);
    PERFORM _callhardening.create_moving_table(schema);
    INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, route_column)
    VALUES (events, calls, 'dialpad', lanes, 'call_key');
    PERFORM _callhardening.report('NOTICE'::text, format('the shards of %s are not attached yet', events),
        detail => 'Until then no worker finds their events, and only this server takes webhooks.',
        hint => format('After COMMIT: SELECT * FROM attach_call_shards(%L).', events));
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.create_distributed_call_tables(name, int, int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'create_distributed_call_tables');

COMMENT ON FUNCTION @extschema@.create_distributed_call_tables(name, int, int) IS
'Creates <schema>.calls, hardened, and <schema>.call_events, an event log for it, and lets Citus
distribute both by the call: all events of a call lie beside its row. The tables are those of
create_call_tables for Dialpad, without the column id, and with the column call_key. The table
<schema>.call_moving is for move_call_shard. Call
attach_call_shards after the commit.
- shard_count: 1 to 4096
- lanes: of each shard, 1 to 1024
Errors:
- 22004: an argument is NULL
- 22023: shard_count or lanes out of range
- 3F000: no such schema
- 42501: no right to create in the schema, or not the task own (grant_call_role)
- 42P07: one of the tables is there already
- 55000: this database has no Citus';
