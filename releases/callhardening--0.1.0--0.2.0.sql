-- callhardening 0.1.0 to 0.2.0

\echo Use "ALTER EXTENSION callhardening UPDATE" to load this file. \quit

-- logs that are distributed by their calls ---------------------------------------------------

ALTER TABLE _callhardening.logs ADD COLUMN route_column name, ADD COLUMN shard_id bigint;
CREATE OR REPLACE VIEW @extschema@.call_event_logs AS SELECT * FROM _callhardening.logs;
COMMENT ON COLUMN @extschema@.call_event_logs.route_column IS
'the column that a distributed log is distributed by: the call id, or a negative number of an event without a call; '
'NULL: the log is not distributed by its calls';
COMMENT ON COLUMN @extschema@.call_event_logs.shard_id IS
'the number of the shard, if the log is a shard of a distributed log (attach_call_shards); NULL: it is none';

CREATE OR REPLACE VIEW _callhardening.my_logs WITH (security_barrier) AS
SELECT l.log_id, l.events, l.calls, l.provider, l.lanes, l.payload_column, l.event_type_column,
       l.received_at_column, l.processed_at_column, l.carry, l.sequence, l.shape, l.is_of_changes,
       (SELECT pg_catalog.count(*) FROM _callhardening.retrying_events e
        WHERE e.consumer_id OPERATOR(pg_catalog.=) l.log_id)
           OPERATOR(pg_catalog.+)
       (SELECT pg_catalog.count(*) FROM _callhardening.dead_events e
        WHERE e.consumer_id OPERATOR(pg_catalog.=) l.log_id) AS retrying_or_dead,
       l.route_column, l.shard_id
FROM _callhardening.logs l
WHERE EXISTS (SELECT FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) l.events::oid AND pg_catalog.pg_has_role(c.relowner, 'USAGE'))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c
      WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY[l.calls::oid, l.sequence::oid])
          AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE'))
WITH CHECK OPTION;
UPDATE _callhardening.task_grants SET except_columns = '{log_id, events, calls, provider, lanes, payload_column, event_type_column, '
        'received_at_column, processed_at_column, carry, sequence, is_of_changes, retrying_or_dead, route_column, '
        'shard_id}'
WHERE object = 'my_logs' AND privilege = 'UPDATE';

CREATE OR REPLACE FUNCTION _callhardening.choose_default_log(newcomer int) RETURNS regclass
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    others int[] := ARRAY(
        SELECT l.log_id FROM _callhardening.logs AS l JOIN pg_class AS c ON c.oid = l.events
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND l.log_id IS DISTINCT FROM newcomer
            AND NOT l.is_of_changes AND l.shard_id IS NULL LIMIT 2);
BEGIN
    IF cardinality(others) < 2 AND NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.is_default)
        AND NOT EXISTS (SELECT FROM _callhardening.detached_logs AS d WHERE d.is_default) THEN
        UPDATE _callhardening.logs AS l SET is_default = true WHERE l.log_id = coalesce(others[1], newcomer);
    END IF;
    RETURN (SELECT l.events FROM _callhardening.logs AS l WHERE l.is_default);
EXCEPTION WHEN unique_violation THEN
    RETURN (SELECT l.events FROM _callhardening.logs AS l WHERE l.is_default);
END
$$;

COMMENT ON FUNCTION _callhardening.choose_default_log(int) IS
'the default log; NULL: there is none. If there is none, it first makes the only other log the default, or else the '
'newcomer. Several other logs: it makes none, nor while the default log is detached: its bodies would go into another '
'log. Logs of changes do not count. newcomer: the log_id of a new log, or NULL';

CREATE FUNCTION _callhardening.bury_stamped_events(log int, events regclass) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
INSERT INTO _callhardening.my_dead_events (log_id, event_seq, lane, call_id, sqlstate, error)
SELECT log, e.event_seq, e.event_lane, e.call_id, '22023', _callhardening.why_no_lane(e.event_lane)
FROM _callhardening.query_as_owner(events, format('SELECT event_seq, event_lane, call_id FROM %s
    WHERE event_lane BETWEEN _callhardening.no_lane(''not_stamped'') AND _callhardening.no_lane(''not_json'')',
    events), NULL::text[])
    AS e (event_seq bigint, event_lane int, call_id text)
$$;

COMMENT ON FUNCTION _callhardening.bury_stamped_events(int, regclass) IS
'writes the events without a call of a newly registered log to call_dead_events';

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

-- shards of distributed logs ---------------------------------------------------------------------
--
-- Each shard of a distributed log is an event log of the server that has it. What is remembered about it is there, and
-- nowhere else.

CREATE FUNCTION _callhardening.citus_rows(statement text, arguments text[]) RETURNS SETOF record
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        RETURN QUERY EXECUTE statement USING arguments;
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.citus_rows(text, text[]) IS
'the rows of a statement on the catalogs of Citus; none in a database without Citus. $1 in the statement is arguments';

CREATE FUNCTION _callhardening.local_shards(events regclass)
    RETURNS TABLE (shard_id bigint, shard text, calls_shard text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT s.* FROM _callhardening.citus_rows('
    SELECT e.shardid, _callhardening.shard_name(e.logicalrelid, e.shardid),
        _callhardening.shard_name(c.logicalrelid, c.shardid)
    FROM pg_catalog.pg_dist_shard AS e JOIN pg_catalog.pg_dist_placement AS p ON p.shardid = e.shardid
    JOIN pg_catalog.pg_dist_local_group AS g ON g.groupid = p.groupid
    JOIN pg_catalog.pg_dist_shard AS c ON c.logicalrelid = ($1)[2]::oid
        AND c.shardminvalue IS NOT DISTINCT FROM e.shardminvalue
    WHERE e.logicalrelid = ($1)[1]::oid', ARRAY[events::oid::text,
        (SELECT l.calls::oid::text FROM _callhardening.logs AS l WHERE l.events = local_shards.events)])
    AS s (shard_id bigint, shard text, calls_shard text)
ORDER BY s.shard_id
$$;

COMMENT ON FUNCTION _callhardening.local_shards(regclass) IS
'the shards of a distributed log on this server, each with the shard of the calls table beside it';

CREATE FUNCTION _callhardening.is_placed_here(shard_id bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN shard_id IS NULL OR EXISTS (SELECT FROM _callhardening.citus_rows('SELECT p.shardid
        FROM pg_catalog.pg_dist_placement AS p JOIN pg_catalog.pg_dist_local_group AS g ON g.groupid = p.groupid
        WHERE p.shardid = ($1)[1]::bigint', ARRAY[shard_id::text]) AS s (shard_id bigint));
END
$$;

COMMENT ON FUNCTION _callhardening.is_placed_here(bigint) IS
'false: Citus has this shard on another server; true for NULL';

-- A move of Citus waits for those who hold this lock, and they see by the placement whether it came first.
CREATE FUNCTION _callhardening.call_shard_guard(shard_ids bigint[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE 'SELECT pg_catalog.lock_shard_metadata(5, $1)' USING shard_ids;
    RETURN (SELECT bool_and(_callhardening.is_placed_here(s.shard_id)) FROM unnest(shard_ids) AS s (shard_id));
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.call_shard_guard(bigint[]) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.call_shard_guard(bigint[]) IS
'takes what keeps Citus from moving these shards until the end of the transaction, and returns whether all of them are '
'on this server. SECURITY DEFINER, since Citus gives this lock to owners only';

-- A node that does not answer has a row with its error. So has one that Citus does not ask, as it is disabled.
CREATE FUNCTION _callhardening.ask_nodes(statement text) RETURNS TABLE (node text, answer text, error text)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT * FROM _callhardening.citus_rows('
    SELECT n.nodename || '':'' || n.nodeport, CASE WHEN a.success THEN a.result END,
        CASE WHEN a.success IS NULL THEN ''the node is disabled'' WHEN NOT a.success THEN a.result END
    FROM pg_catalog.pg_dist_node AS n LEFT JOIN pg_catalog.run_command_on_all_nodes(($1)[1]) AS a ON a.nodeid = n.nodeid
    WHERE n.noderole = ''primary'' ORDER BY n.groupid', ARRAY[statement])
    AS a (node text, answer text, error text)
$$;

COMMENT ON FUNCTION _callhardening.ask_nodes(text) IS
'what each node of the cluster answers to a statement with one row and one column, run as the caller; error: it does '
'not answer. No row: this is no cluster';

CREATE FUNCTION _callhardening.warn_of_silence(node text, error text) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT _callhardening.report('WARNING'::text, format('node %s did not answer', node),
    detail => error, hint => 'What is on this node is not known.'::text)
$$;

COMMENT ON FUNCTION _callhardening.warn_of_silence(text, text) IS 'a WARNING about a node whose answer is missing';

-- What a server is told about a shard, or a distributed log, by another server.
CREATE VIEW _callhardening.shard_logs WITH (security_barrier) AS
SELECT l.log_id, l.events, false AS signed, l.shard_id FROM _callhardening.my_logs l;
REVOKE ALL ON _callhardening.shard_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'shard_logs', 'SELECT', NULL), ('own', 'shard_logs', 'UPDATE', '{log_id, events}');

COMMENT ON VIEW _callhardening.shard_logs IS
'the logs of the caller''s tables: attach_call_shards sets signed, so that the log takes signed bodies only, before '
'its secrets are here; move_call_shard sets shard_id';

CREATE FUNCTION _callhardening.set_shard_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE _callhardening.logs AS l SET signed = l.signed OR NEW.signed, shard_id = NEW.shard_id
    WHERE l.log_id = OLD.log_id AND (NEW.signed AND NOT l.signed OR l.shard_id IS DISTINCT FROM NEW.shard_id);
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.set_shard_log() FROM PUBLIC;
CREATE TRIGGER set_shard_log INSTEAD OF UPDATE ON _callhardening.shard_logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.set_shard_log();

COMMENT ON FUNCTION _callhardening.set_shard_log() IS
'trigger function: sets signed and shard_id of a log for an owner without the right to do it';

CREATE FUNCTION _callhardening.attach_shard(distributed_log regclass, shard bigint, shard_events regclass,
        shard_calls regclass, settings _callhardening.logs)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    SET citus.enable_manual_changes_to_shards = on
    AS $$
DECLARE
    log int;
    answer text;
BEGIN
    PERFORM _callhardening.number_shard(shard_calls, _callhardening.shell_of(shard_calls));
    IF EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = shard_events) THEN
        RETURN 'was attached';
    END IF;
    IF settings.route_column IS NOT NULL THEN
        answer := _callhardening.attach_moved_shard(distributed_log, shard, shard_events, shard_calls);
    END IF;
    IF answer IS NOT NULL THEN
        RETURN answer;
    END IF;
    INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, shape, route_column, shard_id)
    VALUES (shard_events, shard_calls, settings.provider, settings.lanes, settings.shape, settings.route_column, shard)
    RETURNING log_id INTO log;
    PERFORM _callhardening.bury_stamped_events(log, shard_events);
    IF _callhardening.last_event(shard_events) > 0 THEN -- with stamps of another node, or of the time without a log
        UPDATE _callhardening.attachable_logs AS l SET state = NULL WHERE l.log_id = log;
        PERFORM _callhardening.adopt_log(shard_events, false);
    END IF;
    RETURN 'attached';
END
$$;

COMMENT ON FUNCTION _callhardening.attach_shard(regclass, bigint, regclass, regclass, _callhardening.logs) IS
'makes a shard of a distributed log an event log of this server. With a state of move_call_shard it goes on there. '
'Otherwise all of its events are delivered from the beginning';

CREATE FUNCTION _callhardening.pass_settings(events regclass, settings _callhardening.logs) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
UPDATE _callhardening.operated_logs AS l SET max_attempts = settings.max_attempts, retry_base = settings.retry_base,
    retry_cap = settings.retry_cap, max_retrying = settings.max_retrying,
    ignored_event_types = settings.ignored_event_types, ignored_members = settings.ignored_members
WHERE l.events = pass_settings.events
    OR l.events::text IN (SELECT s.shard FROM _callhardening.local_shards(pass_settings.events) AS s);
UPDATE _callhardening.my_logs AS l SET shape = settings.shape
WHERE l.shape IS DISTINCT FROM settings.shape AND (l.events = pass_settings.events
    OR l.events::text IN (SELECT s.shard FROM _callhardening.local_shards(pass_settings.events) AS s))
$$;

COMMENT ON FUNCTION _callhardening.pass_settings(regclass, _callhardening.logs) IS
'gives the distributed log and its shards on this server the settings of another server';

CREATE FUNCTION _callhardening.attach_node_shards(events regclass, calls regclass, settings jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    given _callhardening.logs := jsonb_populate_record(NULL::_callhardening.logs, settings);
    answer jsonb := '[]';
    place record;
BEGIN
    PERFORM _callhardening.require_table_owner(events);
    -- Two sessions would attach a shard twice.
    PERFORM pg_advisory_xact_lock('_callhardening.logs'::regclass::oid::int, events::oid::int);
    IF NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = attach_node_shards.events) THEN
        INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, shape, route_column)
        VALUES (events, calls, given.provider, given.lanes, given.shape, given.route_column);
    END IF;
    UPDATE _callhardening.emptied_logs AS l SET is_emptied = true WHERE l.events = attach_node_shards.events;
    PERFORM _callhardening.mark_shards();
    UPDATE _callhardening.shard_logs AS l SET signed = true
    WHERE l.events = attach_node_shards.events AND given.signed;
    FOR place IN SELECT * FROM _callhardening.local_shards(events) LOOP
        answer := answer || jsonb_build_object('shard_id', place.shard_id, 'result', _callhardening.attach_shard(
            events, place.shard_id, place.shard::regclass, place.calls_shard::regclass, given));
    END LOOP;
    -- What Citus has moved away. Its old table may still be here.
    FOR place IN SELECT l.log_id, l.shard_id FROM _callhardening.logs AS l
        WHERE NOT _callhardening.is_placed_here(l.shard_id)
            AND NOT EXISTS (SELECT FROM _callhardening.local_shards(attach_node_shards.events) AS s
                WHERE s.shard_id = l.shard_id)
    LOOP
        UPDATE _callhardening.forgotten_logs AS l SET is_forgotten = true WHERE l.log_id = place.log_id;
        answer := answer || jsonb_build_object('shard_id', place.shard_id, 'result', 'moved away');
    END LOOP;
    PERFORM _callhardening.pass_settings(events, given);
    RETURN answer;
END
$$;

COMMENT ON FUNCTION _callhardening.attach_node_shards(regclass, regclass, jsonb) IS
'a part of attach_call_shards, on each node: registers the distributed log and its shards on this server with these '
'settings of it, and forgets shards that are on another server now. Returns an array of shard_id and result';

CREATE FUNCTION @extschema@.attach_call_shards(log regclass)
    RETURNS TABLE (shard_id bigint, node text, result text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    known _callhardening.logs;
    answer record;
BEGIN
    PERFORM _callhardening.require_citus('attach_call_shards'::text);
    PERFORM _callhardening.require_relation(log, 'log'::text);
    SELECT * INTO known FROM _callhardening.logs AS l WHERE l.events = log AND l.shard_id IS NULL
        AND (l.route_column IS NOT NULL OR _callhardening.distribution(log) = 'schema');
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('%s is not a distributed log of this server', log),
            HINT = 'Create one with create_distributed_call_tables, or with create_call_tables and '
                'citus_schema_distribute. Name it on the same server.';
    END IF;
    PERFORM _callhardening.require_table_owner(log);
    PERFORM _callhardening.require_attachable_shards(known);
    FOR answer IN SELECT * FROM _callhardening.ask_nodes(
        format('SELECT _callhardening.attach_node_shards(%L::regclass, %L::regclass, %L)', log, known.calls,
            to_jsonb(known) - '{log_id,events,calls,adopted,settled_marks}'::text[]))
    LOOP
        IF answer.error IS NOT NULL THEN
            PERFORM _callhardening.warn_of_silence(answer.node, answer.error);
            RETURN QUERY SELECT NULL::bigint, answer.node, answer.error;
        END IF;
        RETURN QUERY SELECT s.shard_id, answer.node, s.result
        FROM jsonb_to_recordset(answer.answer::jsonb) AS s (shard_id bigint, result text) ORDER BY s.shard_id;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.attach_call_shards(regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'attach_call_shards');

COMMENT ON FUNCTION @extschema@.attach_call_shards(regclass) IS
'Makes each shard of a distributed log an event log of the server that has it, and passes the
settings of the log on to all servers. The log is one of create_distributed_call_tables, or one of
a schema distributed by citus_schema_distribute. Returns a row for each shard. Call it after the creation,
and let a scheduler call it: it does nothing where nothing is to do. After a move, a split or a
restore by other means than move_call_shard, all events of a shard that are not purged are
delivered once more. A node that does not answer is a WARNING and a row without a shard.
- log: the distributed log; name it on the server where it was created or configured
- node: host and port
- result: attached, was attached, moved away (from this node), on its way (call move_call_shard
  again), or an error
Errors:
- 0A000: a log made by harden_call_events, or with consumers beside the default one
- 22004: log is NULL
- 42501: the caller is not the owner of the tables
- 42P01: no such table
- 55000: this database has no Citus, or it is no distributed log';

-- ingest/partition ------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_event_partition(body bytea, partitions int, provider text DEFAULT 'dialpad',
        key_type text DEFAULT 'bigint')
    RETURNS int
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_event_partition';

COMMENT ON FUNCTION @extschema@.call_event_partition(bytea, int, text, text) IS
'Returns the partition of a webhook body, 0 to partitions - 1, for a router in front of several
databases. All bodies of a call have one partition. A body without a call id goes by its bytes,
so a redelivery finds the first one. Any body has a partition: JSON, a form, a signed body (its
signature is not verified), broken bytes. Of a body with several calls, the first one counts: divide
it first (divide_call_event). The hash never changes, in no version and on no server. With twice
the partitions, a body stays, or its number grows by partitions. Returns NULL if an argument is
NULL.
- partitions: 1 to 65536
- provider: as call_providers() spells it; its shape says where the call id is
- key_type: of the calls tables: bigint for whole numbers, else text. With bigint, 00123 and 123
  are one call
Errors:
- 22023: partitions is out of range, an unknown provider, one without a shape, another key_type
- 53200: no memory';

CREATE FUNCTION @extschema@.divide_call_event(body bytea, provider text DEFAULT 'dialpad')
    RETURNS TABLE (part_no int, part bytea)
    LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 3
    AS 'MODULE_PATHNAME', 'callhardening_divide_call_event';

COMMENT ON FUNCTION @extschema@.divide_call_event(bytea, text) IS
'Returns the parts of a body with several calls, as an event log divides it: a body for each call.
A router sends each part to its own partition (call_event_partition). A body of one call, or one
that a log does not divide, is its only part, byte by byte. No rows if an argument is NULL.
- provider: as call_providers() spells it; its shape says where the calls are
- part_no: from 1, in the order of the body
Errors:
- 22023: an unknown provider, or one without a shape
- 53200: no memory';

-- a log that is taken elsewhere ------------------------------------------------------------------
--
-- detach_call_event_log writes down what is remembered about a log, and forgets it: from then on no worker reads the
-- table. Its triggers stay. Without a row in logs they give each event a mark in the place of a transaction id, above
-- all ids. attach_call_event_log stamps these events anew.

CREATE TABLE _callhardening.detached_logs (
    events regclass CONSTRAINT detached_logs_pkey PRIMARY KEY,
    sequence regclass,
    state_id uuid NOT NULL,
    state jsonb,
    detached_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    is_default boolean NOT NULL DEFAULT false
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.detached_logs', '');
REVOKE ALL ON _callhardening.detached_logs FROM PUBLIC;

COMMENT ON TABLE _callhardening.detached_logs IS
'tables that were detached or attached here. The columns count from 1 in src/pg/log/event_log.cpp';
COMMENT ON COLUMN _callhardening.detached_logs.sequence IS
'numbers the events of a table older than its log, as in logs';
COMMENT ON COLUMN _callhardening.detached_logs.state_id IS 'the member id of the state';
COMMENT ON COLUMN _callhardening.detached_logs.state IS
'what detach_call_event_log has returned; NULL: the log was attached with this state';
COMMENT ON COLUMN _callhardening.detached_logs.is_default IS
'true: it is the detached default log. No other log takes its place, since it would get the bodies of this one';

CREATE VIEW _callhardening.my_detached_logs WITH (security_barrier) AS
SELECT d.events, d.state_id, d.state, d.detached_at FROM _callhardening.detached_logs d
WHERE EXISTS (SELECT FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) d.events::oid AND pg_catalog.pg_has_role(c.relowner, 'USAGE'));
REVOKE ALL ON _callhardening.my_detached_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'my_detached_logs', 'SELECT');

COMMENT ON VIEW _callhardening.my_detached_logs IS 'the rows of detached_logs for the caller''s tables';

CREATE FUNCTION _callhardening.adopt_log(log regclass, keeps_marks boolean) RETURNS void
    LANGUAGE c STRICT
    AS 'MODULE_PATHNAME', 'callhardening_adopt_log';
REVOKE EXECUTE ON FUNCTION _callhardening.adopt_log(regclass, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'adopt_log');

COMMENT ON FUNCTION _callhardening.adopt_log(regclass, boolean) IS
'gives a restored log lanes of this cluster at once, as its first claim does; another log stays as it is. keeps_marks: '
'no new event has a mark that is in the positions. Errors: 42501 neither its owner nor SELECT and DELETE on it, 55000 '
'no such log, or an altered one';

CREATE FUNCTION _callhardening.log_event_stamp(log regclass, key_type text, payload jsonb, given_type text,
        OUT call_id text, OUT event_type text, OUT event_lane int)
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_log_event_stamp';

COMMENT ON FUNCTION _callhardening.log_event_stamp(regclass, text, jsonb, text) IS
'the stamp of an event by the settings of its log, as stamp_call_event gives it, with a present lane of the log. '
'key_type: see call_key_type. given_type: what the provider says beside the body, or NULL';

-- -- detaching -----------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.first_restore_mark() RETURNS xid8
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT '4611686018427387905'::xid8
$$;

COMMENT ON FUNCTION _callhardening.first_restore_mark() IS
'the lowest mark in event_xid (src/core/lanes/position.hpp)';

-- By one step in the index for each mark, and not by a look at each event.
CREATE FUNCTION _callhardening.known_marks(log _callhardening.logs) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    step text := format('SELECT e.event_xid, e.event_seq FROM %s AS e WHERE e.event_lane = m.lane
        AND e.event_xid >= _callhardening.first_restore_mark() %%s
        ORDER BY e.event_xid DESC, e.event_seq DESC LIMIT 1', log.events);
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object('mark', k.mark, 'last_seq', k.last_seq)), '[]')
        FROM _callhardening.query_as_owner(log.events, format('
            WITH RECURSIVE m (lane, xid, seq) AS (
                SELECT m.lane, x.* FROM generate_series(0, %s) AS m (lane) CROSS JOIN LATERAL (%s) AS x
                UNION ALL
                SELECT m.lane, x.* FROM m CROSS JOIN LATERAL (%s) AS x)
            SELECT xid::text, max(seq) FROM m GROUP BY xid',
            log.lanes - 1, format(step, ''), format(step, 'AND e.event_xid < m.xid')), NULL::text[])
            AS k (mark text, last_seq bigint));
END
$$;

COMMENT ON FUNCTION _callhardening.known_marks(_callhardening.logs) IS
'a part of detach_call_event_log: the marks of earlier restores in a log, and the last event with each of them';

CREATE FUNCTION _callhardening.last_event(events regclass) RETURNS bigint
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce((SELECT m.seq FROM _callhardening.query_as_owner(events,
    format('SELECT max(event_seq) FROM %s', events), NULL::text[]) AS m (seq bigint)), 0)
$$;

COMMENT ON FUNCTION _callhardening.last_event(regclass) IS 'the highest event_seq of a log; 0: it has no event';

CREATE FUNCTION _callhardening.consumer_state(consumer _callhardening.consumers) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET intervalstyle = 'postgres'
    AS $$
-- Some clients read the numbers of JSON as floats: ids of 64 bits are texts.
SELECT jsonb_strip_nulls(to_jsonb(consumer) - '{consumer_id,log_id}'::text[]) || jsonb_build_object(
    'lanes', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('lane', l.lane, 'record',
                to_jsonb(r) - '{consumer_id,lane}'::text[] || jsonb_build_object('claim_id', r.claim_id::text)))
            ORDER BY l.lane), '[]')
        FROM _callhardening.lanes AS l LEFT JOIN LATERAL (
            SELECT * FROM _callhardening.claims AS c WHERE c.consumer_id = l.consumer_id AND c.lane = l.lane
            ORDER BY c.record_no DESC LIMIT 1) AS r ON true
        WHERE l.consumer_id = consumer.consumer_id),
    'retrying', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(w) - '{consumer_id,event_xid}'::text[]
                || jsonb_build_object('claim_id', w.claim_id::text)) ORDER BY w.lane, w.event_seq), '[]')
        FROM _callhardening.retrying_events AS w WHERE w.consumer_id = consumer.consumer_id),
    'dead', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(d) - 'consumer_id') ORDER BY d.event_seq), '[]')
        FROM _callhardening.dead_events AS d WHERE d.consumer_id = consumer.consumer_id))
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.consumer_state(_callhardening.consumers) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.consumer_state(_callhardening.consumers) IS
'a part of log_state: the settings of a consumer, the newest record of each of its lanes, its retrying and its dead '
'events';

CREATE FUNCTION _callhardening.log_state(log _callhardening.logs) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET intervalstyle = 'postgres'
    AS $$
SELECT jsonb_build_object(
    'format', 1,
    'id', gen_random_uuid(),
    'detached_at', clock_timestamp(),
    'key_type', _callhardening.call_key_type(log.calls),
    'is_existing', log.sequence IS NOT NULL,
    'settings', jsonb_strip_nulls(to_jsonb(log) - '{log_id,events,calls,system_identifier,adopted,sequence,shard_id,'
        'is_of_changes,other_consumers,shape}'::text[]),
    'shape', log.shape,
    'signature', (SELECT s.scheme FROM _callhardening.event_signatures AS s WHERE s.log_id = log.log_id),
    'consumers', (SELECT jsonb_agg(_callhardening.consumer_state(c) ORDER BY c.consumer_id)
        FROM _callhardening.consumers AS c WHERE c.log_id = log.log_id))
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.log_state(_callhardening.logs) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.log_state(_callhardening.logs) IS
'a part of detach_call_event_log: what is remembered about a log, without secrets and without what its triggers and '
'marks say. state_rules has its members';

CREATE FUNCTION _callhardening.require_no_call_worker(log _callhardening.logs) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF EXISTS (SELECT FROM _callhardening.kept_workers AS k WHERE k.log_id = log.log_id)
        OR EXISTS (SELECT FROM @extschema@.call_worker_pids(log.events, NULL::name))
    THEN
        PERFORM _callhardening.raise_error('55006', format('event log %s has background workers', log.events),
            hint => format('Stop them first: SELECT stop_call_worker(%L).', log.events));
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.require_no_call_worker(_callhardening.logs) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.require_no_call_worker(_callhardening.logs) IS
'refuses (55006) a log with running or kept background workers';

-- Lanes come before the log, as for a worker that adopts it. Whoever adds lanes has the lock of the log: so no lane
-- comes behind it.
CREATE FUNCTION _callhardening.lock_whole_log(number int) RETURNS _callhardening.logs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    locked _callhardening.lanes[];
    log _callhardening.logs;
BEGIN
    locked := ARRAY(SELECT l FROM _callhardening.lanes AS l
        WHERE l.consumer_id IN (SELECT c.consumer_id FROM _callhardening.consumers AS c WHERE c.log_id = number)
        ORDER BY l.consumer_id, l.lane FOR UPDATE);
    SELECT * INTO log FROM _callhardening.logs AS l WHERE l.log_id = number FOR UPDATE;
    IF log.log_id IS NULL OR EXISTS (
        SELECT l.consumer_id, l.lane FROM _callhardening.lanes AS l
        WHERE l.consumer_id IN (SELECT c.consumer_id FROM _callhardening.consumers AS c WHERE c.log_id = number)
        EXCEPT SELECT k.consumer_id, k.lane FROM unnest(locked) AS k)
    THEN
        PERFORM _callhardening.raise_error('40001', format('event log %s was changed by another transaction', number),
            hint => 'Try again.');
    END IF;
    RETURN log;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.lock_whole_log(int) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.lock_whole_log(int) IS
'a part of detach_call_event_log: waits for all transactions that work on events of a log, and keeps others from it. '
'Error: 40001 it got other lanes meanwhile, or is gone';

CREATE VIEW _callhardening.detachable_logs WITH (security_barrier) AS
SELECT l.log_id, NULL::pg_catalog.jsonb AS state FROM _callhardening.my_logs l;
REVOKE ALL ON _callhardening.detachable_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'detachable_logs', 'SELECT', NULL),
    ('own', 'detachable_logs', 'UPDATE', '{log_id}');

COMMENT ON VIEW _callhardening.detachable_logs IS
'the logs of the caller''s tables: detach_call_event_log writes the marks and the last number of the events to state, '
'and gets the whole state in their place';

CREATE FUNCTION _callhardening.detach_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log _callhardening.logs;
BEGIN
    SELECT * INTO log FROM _callhardening.logs AS l WHERE l.log_id = OLD.log_id;
    PERFORM _callhardening.require_no_call_worker(log);
    log := _callhardening.lock_whole_log(OLD.log_id);
    NEW.state := _callhardening.log_state(log) || NEW.state;
    INSERT INTO _callhardening.detached_logs (events, sequence, state_id, state, is_default)
    VALUES (log.events, log.sequence, (NEW.state ->> 'id')::uuid, NEW.state, log.is_default IS TRUE)
    ON CONFLICT (events) DO UPDATE SET sequence = excluded.sequence, state_id = excluded.state_id,
        state = excluded.state, detached_at = excluded.detached_at, is_default = excluded.is_default;
    DELETE FROM _callhardening.logs AS l WHERE l.log_id = log.log_id;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.detach_log() FROM PUBLIC;
CREATE TRIGGER detach_log INSTEAD OF UPDATE ON _callhardening.detachable_logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.detach_log();

COMMENT ON FUNCTION _callhardening.detach_log() IS
'trigger function: detaches a log for an owner without rights on the tables of the extension';

CREATE FUNCTION _callhardening.require_read_committed(what text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM _callhardening.raise_error('0A000',
            format('%s in a transaction with an isolation level above read committed', what),
            detail => 'It would not see what was written while it waited for its lock.',
            hint => 'Use SET TRANSACTION ISOLATION LEVEL READ COMMITTED.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_read_committed(text) IS
'refuses (0A000) REPEATABLE READ and SERIALIZABLE';

CREATE FUNCTION _callhardening.require_log_of_webhooks(log _callhardening.logs) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF log.is_of_changes THEN
        PERFORM _callhardening.raise_error('55000', format('%s is a log of changes', log.events),
            detail => 'While it is detached, no change of its calls table would be logged.',
            hint => format('When its consumers have read it: SELECT drop_call_changes(%L). In the other place: '
                'SELECT create_call_changes(calls).', log.calls));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_log_of_webhooks(_callhardening.logs) IS
'a part of detach_call_event_log: refuses (55000) a log of changes';

CREATE FUNCTION _callhardening.kept_state(events regclass) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    kept jsonb := (SELECT d.state FROM _callhardening.my_detached_logs AS d WHERE d.events = kept_state.events);
BEGIN
    IF kept IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('%s is not an event log', events),
            hint => 'The table call_event_logs lists the event logs of this database.');
    END IF;
    RETURN kept;
END
$$;

COMMENT ON FUNCTION _callhardening.kept_state(regclass) IS
'the state of a detached log. Error: 55000 there is none';

CREATE FUNCTION @extschema@.detach_call_event_log(log regclass) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    SET citus.enable_manual_changes_to_shards = on
    AS $$
DECLARE
    settings _callhardening.logs;
    state jsonb;
BEGIN
    PERFORM _callhardening.require_read_committed('an event log cannot be detached'::text);
    PERFORM _callhardening.require_relation(log, 'log'::text);
    PERFORM _callhardening.require_table_owner(log);
    -- Another session that detaches or attaches it waits here. Writers do not.
    EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', log);
    SELECT * INTO settings FROM _callhardening.logs AS l WHERE l.events = log;
    IF NOT FOUND THEN
        RETURN _callhardening.kept_state(log);
    END IF;
    PERFORM _callhardening.require_log_of_webhooks(settings);
    PERFORM _callhardening.adopt_log(log, false);
    UPDATE _callhardening.detachable_logs AS l SET state = jsonb_build_object(
        'marks', _callhardening.known_marks(settings), 'last_seq', _callhardening.last_event(log))
    WHERE l.log_id = settings.log_id RETURNING l.state INTO state;
    IF NOT FOUND THEN
        PERFORM _callhardening.require_table_owner(settings.calls);
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of table %s', settings.calls);
    END IF;
    -- Waits for the writers, so that a copy lacks no event with a stamp of this log. After the lanes, as workers do.
    EXECUTE format('LOCK TABLE %s IN SHARE MODE', log);
    RETURN state;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.detach_call_event_log(regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'detach_call_event_log');

COMMENT ON FUNCTION @extschema@.detach_call_event_log(regclass) IS
'Takes an event log out of this database, and returns its state: settings, positions, retrying and
dead events of all consumers. The table stays, with its events. Copy it with its stamps, and call
attach_call_event_log where it is then. Waits for transactions that work on events.

From then on no function of the extension knows the log. The triggers of the table stay: rows that
clients insert meanwhile are processed after it is attached. Claims become unknown. Their events
come again, and the attempt counts. The state has no secret. It is kept here until the log is
attached or the table is dropped: called again, the function returns it again.
A state fits the table that was detached with it. The detach waits for transactions with new events,
so a copy made afterwards has all events with stamps of this log. If it was the default log,
functions called without a log fail until it is attached, or until there is another default.
- log: NULL is an error
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: no log
- 40001: another transaction has changed the log meanwhile
- 42501: the caller is not the owner of both tables
- 42P01: no such table
- 55000: no such log, or a log of changes
- 55006: the log has background workers (stop_call_worker)';

-- -- the state -----------------------------------------------------------------------------------
--
-- It comes from the outside: each member is looked at before a value is used.

CREATE FUNCTION _callhardening.state_rules()
    RETURNS TABLE (part text, member text, is_optional boolean, type text, pattern text, kind text, low bigint,
        high bigint)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH rules (part, member, form, is_optional, low, high) AS (VALUES
    ('state', 'id', 'uuid', false, 0, 0),
    ('state', 'key_type', 'text', false, 1, 100),
    ('state', 'is_existing', 'boolean', false, 0, 0),
    ('state', 'settings', 'object', false, 0, 0),
    ('state', 'shape', 'object', true, 0, 0),
    ('state', 'signature', 'object', true, 0, 0),
    ('state', 'consumers', 'array', false, 1, 1000),
    ('state', 'marks', 'array', false, 0, 100000),
    ('state', 'last_seq', 'integer', false, 0, 9223372036854775807),
    ('mark', 'mark', 'id', false, 4611686018427387905, 9223372036854775807),
    ('mark', 'last_seq', 'integer', false, 0, 9223372036854775807),
    ('settings', 'provider', 'text', false, 1, 1000),
    ('settings', 'lanes', 'integer', false, 1, 1024),
    ('settings', 'first_lane', 'integer', false, 0, 65536),
    ('settings', 'notify', 'boolean', false, 0, 0),
    ('settings', 'max_attempts', 'integer', false, 1, 1000000),
    ('settings', 'retry_base', 'text', false, 1, 100),
    ('settings', 'retry_cap', 'text', false, 1, 100),
    ('settings', 'max_retrying', 'integer', false, 1, 1000000),
    ('settings', 'signed', 'boolean', false, 0, 0),
    ('settings', 'is_default', 'boolean', true, 0, 0),
    ('settings', 'payload_column', 'text', false, 1, 63),
    ('settings', 'event_type_column', 'text', true, 1, 63),
    ('settings', 'received_at_column', 'text', true, 1, 63),
    ('settings', 'processed_at_column', 'text', true, 1, 63),
    ('settings', 'route_column', 'text', true, 1, 63),
    ('settings', 'carry', 'texts', false, 1, 63),
    ('settings', 'ignored_event_types', 'texts', false, 1, 200),
    ('settings', 'ignored_members', 'texts', false, 1, 200),
    ('settings', 'settled_marks', 'ids', false, 4611686018427387905, 9223372036854775807),
    ('consumer', 'name', 'text', false, 1, 63),
    ('consumer', 'created_at', 'text', false, 1, 100),
    ('consumer', 'max_attempts', 'integer', true, 1, 1000000),
    ('consumer', 'retry_base', 'text', true, 1, 100),
    ('consumer', 'retry_cap', 'text', true, 1, 100),
    ('consumer', 'max_retrying', 'integer', true, 1, 1000000),
    ('consumer', 'lanes', 'array', false, 1, 65536),
    ('consumer', 'retrying', 'array', false, 0, 2147483647),
    ('consumer', 'dead', 'array', false, 0, 2147483647),
    ('lane', 'lane', 'integer', false, 0, 66560),
    ('lane', 'record', 'object', true, 0, 0),
    ('record', 'record_no', 'integer', false, 1, 1152921504606846976),
    ('record', 'state', 'record_state', false, 0, 0),
    ('record', 'done_snapshot', 'snapshot', false, 0, 9223372036854775807),
    ('record', 'window_snapshot', 'snapshot', true, 0, 9223372036854775807),
    ('record', 'read_xid', 'id', true, 0, 9223372036854775807),
    ('record', 'read_seq', 'integer', true, 0, 9223372036854775807),
    ('record', 'redelivered_to_xid', 'id', true, 0, 9223372036854775807),
    ('record', 'redelivered_to_seq', 'integer', true, 0, 9223372036854775807),
    ('record', 'redeliveries', 'integer', false, 0, 1000000000),
    ('record', 'claim_id', 'id', true, -9223372036854775807, 9223372036854775807),
    ('record', 'is_retry', 'boolean', false, 0, 0),
    ('record', 'to_xid', 'id', true, 0, 9223372036854775807),
    ('record', 'to_seq', 'integer', true, 0, 9223372036854775807),
    ('record', 'is_window_end', 'boolean', false, 0, 0),
    ('record', 'events', 'integer', false, 0, 1000000000),
    ('record', 'worker', 'text', true, 0, 1000),
    ('record', 'claimed_at', 'text', false, 1, 100),
    ('record', 'lease_end', 'text', true, 1, 100),
    ('retrying', 'lane', 'integer', false, 0, 66560),
    ('retrying', 'event_seq', 'integer', false, 1, 9223372036854775807),
    ('retrying', 'call_id', 'text', false, 1, 255),
    ('retrying', 'attempts', 'integer', false, 0, 1000000000),
    ('retrying', 'lease_expiries', 'integer', false, 0, 1000000000),
    ('retrying', 'due_at', 'text', true, 1, 100),
    ('retrying', 'claim_id', 'id', true, -9223372036854775807, 9223372036854775807),
    ('retrying', 'waiting_since', 'text', false, 1, 100),
    ('retrying', 'errors', 'array', true, 1, 10),
    ('retrying', 'lock_waits', 'integer', false, 0, 1000000000),
    ('dead', 'event_seq', 'integer', false, 1, 9223372036854775807),
    ('dead', 'lane', 'integer', false, -100, 66560),
    ('dead', 'call_id', 'text', true, 0, 255),
    ('dead', 'attempts', 'integer', false, 0, 1000000000),
    ('dead', 'sqlstate', 'text', true, 5, 5),
    ('dead', 'error', 'text', false, 0, 2000),
    ('dead', 'errors', 'array', true, 1, 10),
    ('dead', 'died_at', 'text', false, 1, 100),
    ('attempt', 'at', 'text', true, 1, 100),
    ('attempt', 'worker', 'text', true, 0, 1000),
    ('attempt', 'sqlstate', 'text', true, 5, 5),
    ('attempt', 'error', 'text', true, 0, 2000)
), forms (form, type, pattern, kind) AS (VALUES
    ('boolean', 'boolean', NULL, 'any'),
    ('object', 'object', NULL, 'any'),
    ('array', 'array', NULL, 'elements'),
    ('texts', 'array', NULL, 'texts'),
    ('ids', 'array', NULL, 'numbers'),
    ('text', 'string', NULL, 'bytes'),
    ('integer', 'number', '^-?[0-9]{1,19}$', 'number'),
    ('id', 'string', '^-?[0-9]{1,19}$', 'number'),
    ('uuid', 'string', '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'any'),
    ('snapshot', 'string', '^[0-9]{1,19}:[0-9]{1,19}:([0-9]{1,19}(,[0-9]{1,19})*)?$', 'snapshot'),
    ('record_state', 'string', '^(claimed|renewed|completed|released|moved)$', 'any')
)
SELECT r.part, r.member, r.is_optional, f.type, f.pattern, f.kind, r.low, r.high
FROM rules AS r JOIN forms AS f USING (form)
$$;

COMMENT ON FUNCTION _callhardening.state_rules() IS
'the members of a state. type: of JSON. low and high: of a number, of the bytes of a text, of the elements of an '
'array, as kind says';

CREATE FUNCTION _callhardening.state_parts(state jsonb) RETURNS TABLE (part text, value jsonb)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'state', state
UNION ALL SELECT 'settings', state -> 'settings'
UNION ALL SELECT 'mark', jsonb_path_query(state, '$.marks[*]')
UNION ALL SELECT 'consumer', jsonb_path_query(state, '$.consumers[*]')
UNION ALL SELECT 'lane', jsonb_path_query(state, '$.consumers[*].lanes[*]')
UNION ALL SELECT 'record', jsonb_path_query(state, '$.consumers[*].lanes[*].record')
UNION ALL SELECT 'retrying', jsonb_path_query(state, '$.consumers[*].retrying[*]')
UNION ALL SELECT 'dead', jsonb_path_query(state, '$.consumers[*].dead[*]')
UNION ALL SELECT 'attempt', jsonb_path_query(state, '$.consumers[*].retrying[*].errors[*]')
UNION ALL SELECT 'attempt', jsonb_path_query(state, '$.consumers[*].dead[*].errors[*]')
$$;

COMMENT ON FUNCTION _callhardening.state_parts(jsonb) IS
'each object of a state, with its part in state_rules. An array in the place of an object is one, too';

CREATE FUNCTION _callhardening.state_fault(state jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(
    (SELECT format('A part "%s" is not an object.', p.part)
     FROM _callhardening.state_parts(state) AS p WHERE jsonb_typeof(p.value) IS DISTINCT FROM 'object' LIMIT 1),
    (SELECT format('The member "%s" of a part "%s" is missing, or has another type or range.', r.member, r.part)
     FROM _callhardening.state_parts(state) AS p JOIN _callhardening.state_rules() AS r ON r.part = p.part
     CROSS JOIN LATERAL (VALUES (p.value -> r.member, p.value ->> r.member, jsonb_typeof(p.value -> r.member)))
         AS m (value, text, type)
     -- Without a function for one value: it would take most of the time.
     WHERE NOT CASE WHEN coalesce(m.type, 'null') = 'null' THEN r.is_optional
         WHEN m.type <> r.type THEN false
         WHEN r.pattern IS NOT NULL AND m.text !~ r.pattern THEN false
         ELSE CASE r.kind
             WHEN 'number' THEN m.text::numeric BETWEEN r.low AND r.high
             WHEN 'bytes' THEN octet_length(m.text) BETWEEN r.low AND r.high
             WHEN 'elements' THEN jsonb_array_length(m.value) BETWEEN r.low AND r.high
             WHEN 'snapshot' THEN (SELECT max(n::numeric) FROM regexp_split_to_table(rtrim(m.text, ':'), '[:,]') AS n)
                 <= r.high
             WHEN 'texts' THEN NOT EXISTS (SELECT FROM jsonb_array_elements(m.value) AS e
                 WHERE jsonb_typeof(e) <> 'string' OR octet_length(e #>> '{}') NOT BETWEEN r.low AND r.high)
             WHEN 'numbers' THEN NOT EXISTS (SELECT FROM jsonb_array_elements(m.value) AS e
                 WHERE NOT CASE WHEN e #>> '{}' ~ '^[0-9]{1,19}$' THEN (e #>> '{}')::numeric BETWEEN r.low AND r.high
                     ELSE false END)
             ELSE true END END
     LIMIT 1),
    (SELECT format('The member "%s" of the settings must be a multiple of "lanes".', 'first_lane')
     WHERE (state #>> '{settings,first_lane}')::bigint % (state #>> '{settings,lanes}')::bigint <> 0),
    (SELECT 'The consumer "default" is missing, or two consumers have one name.'
     FROM jsonb_array_elements(state -> 'consumers') AS c
     HAVING NOT coalesce(bool_or(c ->> 'name' = 'default'), false) OR count(*) <> count(DISTINCT c ->> 'name')),
    (SELECT 'A consumer has not each of the present lanes once.'
     FROM jsonb_array_elements(state -> 'consumers') AS c
     WHERE (SELECT (count(*) FILTER (WHERE (l ->> 'lane')::bigint >= (state #>> '{settings,first_lane}')::bigint),
                count(*) - count(DISTINCT l ->> 'lane'), max((l ->> 'lane')::bigint))
            FROM jsonb_array_elements(c -> 'lanes') AS l)
         IS DISTINCT FROM ((state #>> '{settings,lanes}')::bigint, 0::bigint,
             (state #>> '{settings,first_lane}')::bigint + (state #>> '{settings,lanes}')::bigint - 1) LIMIT 1))
$$;

COMMENT ON FUNCTION _callhardening.state_fault(jsonb) IS
'why a document is not the state of a log, as a sentence without values of it; NULL: it is one. Values of types that '
'are texts in JSON are looked at when they are written';

CREATE FUNCTION _callhardening.raise_invalid_state(fault text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM _callhardening.raise_error('22023', 'state is not the state of an event log', detail => fault,
        hint => 'Give what detach_call_event_log has returned. Without a state, all events are processed once more.');
END
$$;

COMMENT ON FUNCTION _callhardening.raise_invalid_state(text) IS 'refuses (22023) a document that is no state of a log';

CREATE FUNCTION _callhardening.require_valid_state(state jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    fault text;
BEGIN
    IF jsonb_typeof(state) <> 'object'
        OR jsonb_typeof(state -> 'format') IS DISTINCT FROM 'number' OR state ->> 'format' !~ '^[0-9]{1,9}$' THEN
        PERFORM _callhardening.raise_invalid_state('It has no member "format".'::text);
    ELSIF state ->> 'format' <> '1' THEN
        PERFORM _callhardening.raise_error('22023', format('the state has format %s', state ->> 'format'),
            detail => 'This version of the extension reads format 1.',
            hint => 'Update the extension here to the version of the place where the log was detached.');
    END IF;
    fault := _callhardening.state_fault(state);
    IF fault IS NOT NULL THEN
        PERFORM _callhardening.raise_invalid_state(fault);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_state(jsonb) IS
'refuses (22023) a document that is no state of a log, or one of a newer format';

-- -- attaching -----------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.write_consumer_state(number int, consumer jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO _callhardening.lanes SELECT number, l.lane FROM jsonb_to_recordset(consumer -> 'lanes') AS l (lane int);
    -- An open claim loses its id: its worker is told that the claim is unknown. No id is negative.
    INSERT INTO _callhardening.claims
    SELECT number, l.lane, r.record_no, r.state, r.done_snapshot, r.window_snapshot, r.read_xid, r.read_seq,
        r.redelivered_to_xid, r.redelivered_to_seq, r.redeliveries,
        CASE WHEN r.state IN ('claimed', 'renewed') THEN -abs(r.claim_id) END, r.is_retry, r.to_xid, r.to_seq,
        r.is_window_end, r.events, r.worker, r.claimed_at, r.lease_end
    FROM jsonb_to_recordset(consumer -> 'lanes') AS l (lane int, record jsonb)
    CROSS JOIN LATERAL jsonb_to_record(l.record) AS r (record_no bigint, state text, done_snapshot pg_snapshot,
        window_snapshot pg_snapshot, read_xid xid8, read_seq bigint, redelivered_to_xid xid8,
        redelivered_to_seq bigint, redeliveries int, claim_id bigint, is_retry boolean, to_xid xid8, to_seq bigint,
        is_window_end boolean, events int, worker text, claimed_at timestamptz, lease_end timestamptz)
    WHERE l.record IS NOT NULL;
    INSERT INTO _callhardening.retrying_events
    SELECT number, w.lane, w.event_seq, '0', w.call_id, w.attempts, w.lease_expiries, w.due_at, c.claim_id,
        w.waiting_since, w.errors, w.lock_waits
    FROM jsonb_to_recordset(consumer -> 'retrying') AS w (lane int, event_seq bigint, call_id text, attempts int,
        lease_expiries int, due_at timestamptz, claim_id bigint, waiting_since timestamptz, errors jsonb,
        lock_waits int)
    LEFT JOIN _callhardening.claims AS c ON c.consumer_id = number AND c.is_retry AND c.claim_id = -abs(w.claim_id);
    -- The first event of a call may be in another part of the log by now.
    UPDATE _callhardening.retrying_events AS w SET due_at = clock_timestamp()
    FROM (SELECT o.call_id, min(o.event_seq) AS first FROM _callhardening.retrying_events AS o
          WHERE o.consumer_id = number GROUP BY o.call_id
          HAVING count(o.due_at) = 0 AND count(o.claim_id) = 0) AS b
    WHERE w.consumer_id = number AND w.call_id = b.call_id AND w.event_seq = b.first;
    INSERT INTO _callhardening.dead_events (consumer_id, event_seq, lane, call_id, attempts, sqlstate, error, errors,
        died_at)
    SELECT number, d.event_seq, d.lane, d.call_id, d.attempts, d.sqlstate, d.error, d.errors, d.died_at
    FROM jsonb_to_recordset(consumer -> 'dead') AS d (event_seq bigint, lane int, call_id text, attempts int,
        sqlstate text, error text, errors jsonb, died_at timestamptz);
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.write_consumer_state(int, jsonb) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.write_consumer_state(int, jsonb) IS
'a part of attach_call_event_log: writes what a state has of a consumer';

CREATE FUNCTION _callhardening.write_log_state(log _callhardening.logs, state jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings record;
    consumer jsonb;
    number int;
    others int[] := '{}';
BEGIN
    SELECT * INTO settings FROM jsonb_to_record(state -> 'settings') AS s (first_lane int, notify boolean,
        max_attempts int, retry_base interval, retry_cap interval, max_retrying int, signed boolean,
        is_default boolean, ignored_event_types text[], ignored_members text[], settled_marks xid8[]);
    UPDATE _callhardening.logs AS l SET first_lane = settings.first_lane, notify = settings.notify,
        max_attempts = settings.max_attempts, retry_base = settings.retry_base, retry_cap = settings.retry_cap,
        max_retrying = settings.max_retrying, signed = settings.signed,
        ignored_event_types = settings.ignored_event_types, ignored_members = settings.ignored_members,
        settled_marks = settings.settled_marks,
        is_default = CASE WHEN settings.is_default
            AND NOT EXISTS (SELECT FROM _callhardening.logs AS d WHERE d.is_default) THEN true ELSE l.is_default END
    WHERE l.log_id = log.log_id;
    FOR consumer IN SELECT * FROM jsonb_array_elements(state -> 'consumers') LOOP
        IF consumer ->> 'name' = 'default' THEN
            number := log.log_id;
            UPDATE _callhardening.consumers AS c SET created_at = (consumer ->> 'created_at')::timestamptz
            WHERE c.consumer_id = number;
        ELSE
            number := nextval('_callhardening.logs_log_id_seq');
            IF number > 16383 THEN -- claim ids have room for so many
                PERFORM _callhardening.raise_error('2200H', 'the numbers of event logs and consumers are used up');
            END IF;
            others := others || number;
            INSERT INTO _callhardening.consumers
            SELECT number, log.log_id, c.* FROM jsonb_to_record(consumer) AS c (name name, created_at timestamptz,
                max_attempts int, retry_base interval, retry_cap interval, max_retrying int);
        END IF;
        PERFORM _callhardening.write_consumer_state(number, consumer);
    END LOOP;
    UPDATE _callhardening.logs AS l SET other_consumers = others WHERE l.log_id = log.log_id;
EXCEPTION WHEN sequence_generator_limit_exceeded THEN
    RAISE;
WHEN data_exception OR integrity_constraint_violation THEN
    PERFORM _callhardening.raise_invalid_state('A value is not valid as a time, an interval, a snapshot or a limit, '
        'or two rows have one key.'::text);
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.write_log_state(_callhardening.logs, jsonb) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.write_log_state(_callhardening.logs, jsonb) IS
'a part of attach_call_event_log: writes what a state has of a registered log. Error: 22023 a value of the state is '
'not valid';

CREATE VIEW _callhardening.attachable_logs WITH (security_barrier) AS
SELECT l.log_id, NULL::pg_catalog.jsonb AS state FROM _callhardening.my_logs l;
REVOKE ALL ON _callhardening.attachable_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'attachable_logs', 'SELECT', NULL),
    ('own', 'attachable_logs', 'UPDATE', '{log_id}');

COMMENT ON VIEW _callhardening.attachable_logs IS
'the logs of the caller''s tables: attach_call_event_log writes the state of a new log to state';

CREATE FUNCTION _callhardening.attach_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log _callhardening.logs;
BEGIN
    SELECT * INTO log FROM _callhardening.logs AS l WHERE l.log_id = OLD.log_id FOR UPDATE;
    IF EXISTS (SELECT FROM _callhardening.claims AS c WHERE c.consumer_id = log.log_id)
        OR log.other_consumers <> '{}' THEN
        PERFORM _callhardening.raise_error('55000', format('event log %s is in use', log.events));
    END IF;
    -- As a restored log: its first claim, or adopt_log, gives it lanes of this cluster.
    UPDATE _callhardening.logs AS l SET system_identifier = 0 WHERE l.log_id = log.log_id;
    DELETE FROM _callhardening.detached_logs AS d WHERE d.events = log.events;
    IF NEW.state IS NOT NULL THEN
        PERFORM _callhardening.require_valid_state(NEW.state);
        IF (NEW.state #>> '{settings,lanes}')::int <> log.lanes THEN
            PERFORM _callhardening.raise_invalid_state('The log has another number of lanes.'::text);
        END IF;
        DELETE FROM _callhardening.lanes AS l WHERE l.consumer_id = log.log_id;
        PERFORM _callhardening.write_log_state(log, NEW.state);
        INSERT INTO _callhardening.detached_logs (events, sequence, state_id)
        VALUES (log.events, log.sequence, (NEW.state ->> 'id')::uuid);
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.attach_log() FROM PUBLIC;
CREATE TRIGGER attach_log INSTEAD OF UPDATE ON _callhardening.attachable_logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.attach_log();

COMMENT ON FUNCTION _callhardening.attach_log() IS
'trigger function: writes the state of a new log for an owner without rights on the tables of the extension';

CREATE FUNCTION _callhardening.state_of_table(events regclass, state jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    wanted text[] := ARRAY(SELECT DISTINCT e FROM jsonb_path_query(state, '$.consumers[*].retrying[*].event_seq') AS e
        UNION SELECT e FROM jsonb_path_query(state, '$.consumers[*].dead[*].event_seq') AS e);
    present bigint[];
    missing bigint;
BEGIN
    present := ARRAY(SELECT e.seq FROM _callhardening.query_as_owner(events,
        format('SELECT event_seq FROM %s WHERE event_seq = ANY (CAST($1 AS bigint[]))', events), wanted)
        AS e (seq bigint));
    missing := cardinality(wanted) - cardinality(present);
    IF missing = 0 THEN
        RETURN state;
    END IF;
    PERFORM _callhardening.report('NOTICE', format('%s retrying or dead events of the state are not in table %s',
            missing, events),
        detail => 'They are left out. If they come later, they are processed as new events.');
    RETURN state || jsonb_build_object('consumers', (
        SELECT jsonb_agg(c || jsonb_build_object(
            'retrying', (SELECT coalesce(jsonb_agg(w), '[]') FROM jsonb_array_elements(c -> 'retrying') AS w
                WHERE (w ->> 'event_seq')::bigint = ANY (present)),
            'dead', (SELECT coalesce(jsonb_agg(d), '[]') FROM jsonb_array_elements(c -> 'dead') AS d
                WHERE (d ->> 'event_seq')::bigint = ANY (present))))
        FROM jsonb_array_elements(state -> 'consumers') AS c));
END
$$;

COMMENT ON FUNCTION _callhardening.state_of_table(regclass, jsonb) IS
'a part of attach_call_event_log: a valid state without the events that are not in the table, with a NOTICE';

-- Rows of before the detach can have new marks only if a trigger was there while they were copied.
CREATE FUNCTION _callhardening.warn_of_lost_stamps(events regclass, unregistered text, arguments text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    lost bigint := (SELECT r.lost FROM _callhardening.query_as_owner(events,
        format('SELECT count(*) FROM (%s) AS u WHERE u.event_seq <= CAST($1[3] AS bigint)', unregistered), arguments)
        AS r (lost bigint));
BEGIN
    IF lost > 0 THEN
        PERFORM _callhardening.report('WARNING', format('%s events of table %s have lost their stamps', lost, events),
            detail => 'They were copied through the trigger stamp_call_event, and are processed once more.',
            hint => 'Roll back, and copy them into a table without triggers. attach_call_event_log creates these.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.warn_of_lost_stamps(regclass, text, text[]) IS
'a part of attach_call_event_log: a WARNING if events of before the detach count as new';

-- $1: the lanes, the marks of the state, the last number of the state, the key type
CREATE FUNCTION _callhardening.unregistered_events(log _callhardening.logs) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format('SELECT x.event_seq
    FROM generate_series(_callhardening.no_lane(''ignored''), CAST($1[1] AS int) - 1) AS n (lane)
    CROSS JOIN LATERAL (SELECT e.event_seq, e.event_xid FROM %s AS e
        WHERE e.event_lane = n.lane AND e.event_xid >= CASE n.lane WHEN _callhardening.no_lane(''not_stamped'')
            THEN xid8 ''0'' ELSE _callhardening.first_restore_mark() END) AS x
    LEFT JOIN jsonb_to_recordset(CAST($1[2] AS jsonb)) AS k (mark xid8, last_seq bigint) ON k.mark = x.event_xid
    WHERE x.event_seq > coalesce(k.last_seq, 0)', log.events)
$$;

COMMENT ON FUNCTION _callhardening.unregistered_events(_callhardening.logs) IS
'a part of attach_call_event_log: a query for the events that came while the table was no log, or without a trigger';

CREATE FUNCTION _callhardening.given_type(log _callhardening.logs) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce('nullif(concat(e.' || quote_ident(log.event_type_column) || '), '''')', 'NULL')
$$;

COMMENT ON FUNCTION _callhardening.given_type(_callhardening.logs) IS
'an expression for the type of an event e beside its body';

-- In a table older than its log, a row without a trigger has no stamp at all. Pending ones get a number, in the order
-- of receipt.
CREATE FUNCTION _callhardening.number_unregistered_events(log _callhardening.logs, key_type text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF log.sequence IS NULL OR log.processed_at_column IS NULL THEN
        RETURN;
    END IF;
    PERFORM _callhardening.write_as_owner(log.events, format('
        WITH chosen AS MATERIALIZED (
            SELECT e.ctid AS row_id, e.%2$I AS payload, %3$s AS given_type FROM %1$s AS e
            WHERE e.%4$I IS NULL AND e.event_lane IS NULL ORDER BY %5$s e.ctid),
        numbered AS MATERIALIZED (
            SELECT row_id, nextval(%6$s::oid) AS seq, stamp.*
            FROM chosen CROSS JOIN LATERAL
                _callhardening.log_event_stamp(%7$s::oid::regclass, $1[1], payload, given_type) AS stamp)
        UPDATE %1$s AS e SET event_lane = n.event_lane, event_xid = pg_current_xact_id(), event_seq = n.seq,
            call_id = n.call_id
        FROM numbered n WHERE e.ctid = n.row_id', log.events, log.payload_column, _callhardening.given_type(log),
        log.processed_at_column, 'e.' || quote_ident(log.received_at_column) || ' NULLS FIRST,',
        log.sequence::oid, log.events::oid), ARRAY[key_type]);
END
$$;

COMMENT ON FUNCTION _callhardening.number_unregistered_events(_callhardening.logs, text) IS
'a part of attach_call_event_log: stamps the pending rows of a table older than its log that came without its trigger';

CREATE FUNCTION _callhardening.stamp_unregistered_events(log _callhardening.logs, state jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
    SET enable_hashjoin = off
    SET enable_mergejoin = off
    AS $$
DECLARE
    unregistered text := _callhardening.unregistered_events(log);
    lanes int := CASE WHEN state IS NULL THEN _callhardening.no_lane('not_stamped') + 1 ELSE log.lanes END;
    arguments text[] := ARRAY[lanes::text, (state -> 'marks')::text, state ->> 'last_seq',
        _callhardening.call_key_type(log.calls)];
BEGIN
    PERFORM _callhardening.warn_of_lost_stamps(log.events, unregistered, arguments);
    PERFORM _callhardening.write_as_owner(log.events, format('UPDATE %s AS e SET event_xid = pg_current_xact_id(),
        (call_id, event_lane%s) = (SELECT s.call_id, s.event_lane%s
            FROM _callhardening.log_event_stamp(%s::oid::regclass, $1[4], e.%I, %s) AS s)
        WHERE e.event_seq IN (%s)', log.events,
        CASE WHEN log.sequence IS NULL THEN ', event_type' END,
        CASE WHEN log.sequence IS NULL THEN ', coalesce(e.event_type, s.event_type)' END, log.events::oid,
        log.payload_column, _callhardening.given_type(log), unregistered), arguments);
    PERFORM _callhardening.number_unregistered_events(log, arguments[4]);
END
$$;

COMMENT ON FUNCTION _callhardening.stamp_unregistered_events(_callhardening.logs, jsonb) IS
'a part of attach_call_event_log: stamps the events that came while the table was no log, as its trigger would have '
'done. state: NULL stamps only events without a stamp';

CREATE FUNCTION _callhardening.bury_unregistered_events(log _callhardening.logs) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
INSERT INTO _callhardening.my_dead_events (log_id, event_seq, lane, call_id, sqlstate, error)
SELECT log.log_id, e.event_seq, e.event_lane, e.call_id, '22023', _callhardening.why_no_lane(e.event_lane)
FROM _callhardening.query_as_owner(log.events, format('SELECT event_seq, event_lane, call_id FROM %s
    WHERE event_lane BETWEEN _callhardening.no_lane(''not_stamped'') AND _callhardening.no_lane(''not_json'')%s',
    log.events, ' AND ' || quote_ident(log.processed_at_column) || ' IS NULL'), NULL::text[])
    AS e (event_seq bigint, event_lane int, call_id text)
ON CONFLICT DO NOTHING
$$;

COMMENT ON FUNCTION _callhardening.bury_unregistered_events(_callhardening.logs) IS
'a part of attach_call_event_log: the trigger bury_call_event finds no log while the table is none';

-- COPY and replication bring numbers, and do not move the sequence. A new event would get a number again.
CREATE FUNCTION _callhardening.move_event_sequence(events regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    sequence oid := (SELECT d.objid FROM pg_attribute AS a JOIN pg_depend AS d
            ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
            AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
        JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
        WHERE a.attrelid = events AND a.attname = 'event_seq' ORDER BY d.objid LIMIT 1);
    last bigint := _callhardening.last_event(events);
BEGIN
    IF sequence IS NOT NULL AND last > coalesce(pg_sequence_last_value(sequence), 0) THEN
        PERFORM FROM _callhardening.query_as_owner(events,
            format('SELECT setval(%s::oid, %s)', sequence, last), NULL::text[]) AS s (value bigint);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.move_event_sequence(regclass) IS
'a part of attach_call_event_log: new events get numbers behind those in the table';

CREATE FUNCTION _callhardening.require_event_log_table(events regclass, log _callhardening.logs) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    missing name;
    statement text;
BEGIN
    SELECT c.column_name INTO missing FROM _callhardening.event_columns() AS c
    WHERE NOT EXISTS (SELECT FROM pg_attribute AS a
        WHERE a.attrelid = events AND a.attname = c.column_name AND NOT a.attisdropped) LIMIT 1;
    IF FOUND THEN
        PERFORM _callhardening.raise_error('42703', format('table %s has no column %I', events, missing),
            hint => 'Copy the table with all of its columns. For a table that was never a log, call '
                'harden_call_events.');
    END IF;
    SELECT string_agg(format('CREATE UNIQUE INDEX ON %s (%s);', events, array_to_string(k.keys, ', ')), ' '
        ORDER BY e.index_no) INTO statement
    FROM _callhardening.event_indexes() AS e
    CROSS JOIN LATERAL (VALUES (array_remove(e.keys || log.route_column, NULL))) AS k (keys)
    WHERE NOT _callhardening.has_event_index(events, k.keys);
    IF statement IS NOT NULL THEN
        PERFORM _callhardening.raise_error('55000', format('table %s has not the indexes of an event log', events),
            hint => statement);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_event_log_table(regclass, _callhardening.logs) IS
'a part of attach_call_event_log: refuses a table without the columns (42703) or the indexes (55000) of an event log';

CREATE FUNCTION _callhardening.settings_of_triggers(events regclass) RETURNS _callhardening.logs
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    arguments text[] := (SELECT s.arguments FROM _callhardening.trigger_states() AS s
        WHERE s.relation = events AND s.part = 'stamp' ORDER BY s.is_as_created DESC LIMIT 1);
    log _callhardening.logs;
BEGIN
    IF arguments IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('table %s has not the triggers of an event log', events),
            detail => 'Without a state they tell the settings.',
            hint => format('SELECT register_call_event_log(%L, calls, provider, lanes).', events));
    ELSIF arguments[2] = 'call_changes' THEN
        PERFORM _callhardening.raise_error('55000', format('%s is a log of changes', events),
            hint => 'SELECT create_call_changes(calls) goes on with it.');
    ELSIF cardinality(arguments) = 5 THEN
        PERFORM _callhardening.raise_error('55000',
            format('table %s is older than its log, and no state tells its columns', events),
            hint => format('SELECT unharden_call_events(%L), then harden_call_events with all arguments.', events));
    END IF;
    log.provider := arguments[2];
    log.lanes := arguments[3]::int;
    log.payload_column := 'payload';
    log.event_type_column := 'event_type';
    log.received_at_column := 'received_at';
    log.carry := '{}';
    RETURN log;
END
$$;

COMMENT ON FUNCTION _callhardening.settings_of_triggers(regclass) IS
'a part of attach_call_event_log: the settings of a log without a state. Error: 55000 its triggers do not tell them';

CREATE FUNCTION _callhardening.settings_of_state(events regclass, calls regclass, state jsonb)
    RETURNS _callhardening.logs
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log _callhardening.logs;
    key_type text := _callhardening.call_key_type(calls);
BEGIN
    IF key_type <> state ->> 'key_type' THEN
        PERFORM _callhardening.raise_error('55000', format('the call id of table %s has type %s', calls, key_type),
            detail => format('The events have lanes for type %s.', state ->> 'key_type'),
            hint => 'Name a calls table like that of the other place. Or attach the log without a state.');
    END IF;
    -- Each place takes fresh lanes, and workers look at so many numbers (most_lane_numbers in adopt.cpp).
    IF (state #>> '{settings,first_lane}')::int + 3 * (state #>> '{settings,lanes}')::int > 65536 THEN
        PERFORM _callhardening.raise_error('54000', 'the numbers of the log''s lanes are used up',
            hint => format('SELECT register_call_event_log(%L, %L, ...) begins anew. All events are processed once '
                'more.', events, calls));
    END IF;
    SELECT s.provider, s.lanes, s.payload_column, s.event_type_column, s.received_at_column, s.processed_at_column,
        s.carry, s.route_column
    INTO log.provider, log.lanes, log.payload_column, log.event_type_column, log.received_at_column,
        log.processed_at_column, log.carry, log.route_column
    FROM jsonb_to_record(state -> 'settings') AS s (provider text, lanes int, payload_column name,
        event_type_column name, received_at_column name, processed_at_column name, carry name[], route_column name);
    log.shape := nullif(state -> 'shape', 'null');
    IF (state -> 'is_existing')::boolean THEN
        log.sequence := _callhardening.event_sequence(events);
        IF log.sequence IS NULL THEN
            PERFORM _callhardening.raise_error('55000', format('column event_seq of table %s has no sequence', events),
                hint => format('CREATE SEQUENCE name OWNED BY %s.event_seq;', events));
        END IF;
    END IF;
    RETURN log;
END
$$;

COMMENT ON FUNCTION _callhardening.settings_of_state(regclass, regclass, jsonb) IS
'a part of attach_call_event_log: the settings of a log in its valid state. Errors: 54000 no lanes are left, 55000 '
'the calls table has another type of key, or event_seq no sequence';

CREATE FUNCTION _callhardening.require_attachable_log(events regclass, calls regclass, log _callhardening.logs)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM _callhardening.require_log_tables(events, calls);
    PERFORM _callhardening.require_valid_log_settings(log.provider, log.shape, log.lanes);
    PERFORM _callhardening.require_event_log_table(events, log);
    PERFORM _callhardening.require_event_column(events, 'payload_column'::text, log.payload_column,
        '{jsonb}'::regtype[]);
    PERFORM _callhardening.require_event_column(events, 'event_type_column'::text, log.event_type_column,
        '{text}'::regtype[]);
    PERFORM _callhardening.require_event_column(events, 'received_at_column'::text, log.received_at_column,
        '{timestamp,timestamptz}'::regtype[]);
    PERFORM _callhardening.require_event_column(events, 'processed_at_column'::text, log.processed_at_column,
        '{timestamp,timestamptz}'::regtype[]);
    PERFORM _callhardening.require_no_obstacle(calls, log.carry);
    PERFORM _callhardening.require_carried_columns(events, calls, log.carry);
    PERFORM _callhardening.report_obstacles(events, calls, log.carry);
    PERFORM _callhardening.warn_of_shared_keys(events, calls, log.provider);
    PERFORM _callhardening.report_unknown_provider(log.provider);
END
$$;

COMMENT ON FUNCTION _callhardening.require_attachable_log(regclass, regclass, _callhardening.logs) IS
'a part of attach_call_event_log: refuses settings that do not fit the tables, as register_call_event_log and '
'harden_call_events do';

CREATE FUNCTION _callhardening.renew_event_triggers(events regclass, arguments text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF (SELECT count(*) = 3 AND bool_and(s.is_as_created AND s.state = CASE s.part WHEN 'keep' THEN 'R' ELSE 'A' END
                AND (s.part <> 'stamp' OR s.arguments = renew_event_triggers.arguments))
        FROM _callhardening.trigger_states() AS s WHERE s.relation = events) THEN
        RETURN; -- to drop them would lock out readers
    END IF;
    PERFORM _callhardening.drop_triggers(events, _callhardening.event_triggers(events));
    PERFORM _callhardening.create_event_triggers(events, arguments);
END
$$;

COMMENT ON FUNCTION _callhardening.renew_event_triggers(regclass, text[]) IS
'a part of attach_call_event_log: makes the triggers of a log anew if they are not like this';

CREATE FUNCTION _callhardening.is_attached(events regclass, state jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = is_attached.events) THEN
        RETURN false;
    END IF;
    IF state IS NOT NULL AND NOT EXISTS (SELECT FROM _callhardening.my_detached_logs AS d
        WHERE d.events = is_attached.events AND d.state_id::text = is_attached.state ->> 'id') THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is an event log already', events),
            detail => 'It was not attached with this state.',
            hint => 'Attach the state to a copy of the table that it was detached from.');
    END IF;
    RETURN true;
END
$$;

COMMENT ON FUNCTION _callhardening.is_attached(regclass, jsonb) IS
'a part of attach_call_event_log: whether there is nothing left to do. Error: 55000 it is a log without this state';

CREATE FUNCTION _callhardening.require_newest_state(events regclass, calls regclass, state jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
BEGIN
    IF EXISTS (SELECT FROM _callhardening.my_detached_logs AS d WHERE d.events = require_newest_state.events
        AND d.state IS NOT NULL AND d.state_id::text <> require_newest_state.state ->> 'id') THEN
        PERFORM _callhardening.raise_error('55000', format('this is not the newest state of table %s', events),
            detail => 'This database keeps another one, from the last time the table was detached here.',
            hint => format('SELECT attach_call_event_log(%L, %L) uses it.', events, calls));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_newest_state(regclass, regclass, jsonb) IS
'a part of attach_call_event_log: refuses (55000) a state beside the one that is kept here for the table';

CREATE FUNCTION _callhardening.finish_attaching(events regclass, state jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log _callhardening.logs;
BEGIN
    IF NOT _callhardening.are_ignored_events(
            ARRAY(SELECT jsonb_array_elements_text(state #> '{settings,ignored_event_types}')),
            ARRAY(SELECT jsonb_array_elements_text(state #> '{settings,ignored_members}'))) THEN
        PERFORM _callhardening.raise_invalid_state('ignored_event_types or ignored_members is not valid.'::text);
    END IF;
    -- All events with other marks get new stamps below.
    PERFORM _callhardening.adopt_log(events, true);
    IF jsonb_typeof(state -> 'signature') = 'object' THEN
        PERFORM @extschema@.set_call_event_signature(events, state -> 'signature');
    END IF;
    SELECT * INTO log FROM _callhardening.logs AS l WHERE l.events = finish_attaching.events;
    PERFORM _callhardening.stamp_unregistered_events(log, state);
    PERFORM _callhardening.bury_unregistered_events(log);
    PERFORM _callhardening.move_event_sequence(events);
    IF log.signed THEN
        PERFORM _callhardening.report('WARNING', format('event log %s takes no body until it has a secret', events),
            detail => 'It takes signed bodies only, and secrets do not travel with a state.',
            hint => format('SELECT set_call_event_secret(%L, secret).', events));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.finish_attaching(regclass, jsonb) IS
'a part of attach_call_event_log: what needs a registered log';

CREATE FUNCTION @extschema@.attach_call_event_log(events regclass, calls regclass, state jsonb DEFAULT NULL)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    SET citus.enable_manual_changes_to_shards = on
    AS $$
DECLARE
    log _callhardening.logs;
    present jsonb;
    signature jsonb;
BEGIN
    PERFORM _callhardening.require_read_committed('an event log cannot be attached'::text);
    PERFORM _callhardening.require_event_table(events);
    PERFORM _callhardening.require_calls_table(calls);
    IF state IS NOT NULL THEN -- a long state is read before the lock
        PERFORM _callhardening.require_valid_state(state);
    END IF;
    PERFORM _callhardening.number_shard(calls, _callhardening.shell_of(calls));
    -- Waits for the writers: afterwards each event of the time without a log is here.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', events);
    IF _callhardening.is_attached(events, state) THEN
        RETURN 'was attached';
    END IF;
    PERFORM _callhardening.require_newest_state(events, calls, state);
    present := coalesce(state,
        (SELECT d.state FROM _callhardening.my_detached_logs AS d WHERE d.events = attach_call_event_log.events));
    log := CASE WHEN present IS NULL THEN _callhardening.settings_of_triggers(events)
        ELSE _callhardening.settings_of_state(events, calls, present) END;
    PERFORM _callhardening.require_attachable_log(events, calls, log);
    PERFORM _callhardening.add_merge_columns(calls);
    PERFORM _callhardening.renew_event_triggers(events, ARRAY[log.payload_column, log.provider, log.lanes::text,
        _callhardening.lock_call_key(calls)] || CASE WHEN log.sequence IS NOT NULL THEN '{existing}'::text[] END);
    -- The trigger takes a missing identifier for this cluster's.
    INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, payload_column, event_type_column,
        received_at_column, processed_at_column, carry, sequence, shape, route_column)
    VALUES (events, calls, log.provider, log.lanes, log.payload_column, log.event_type_column,
        log.received_at_column, log.processed_at_column, log.carry, log.sequence, log.shape, log.route_column);
    UPDATE _callhardening.attachable_logs AS l SET state = _callhardening.state_of_table(events, present)
    WHERE l.log_id = (SELECT m.log_id FROM _callhardening.my_logs AS m WHERE m.events = attach_call_event_log.events);
    PERFORM _callhardening.finish_attaching(events, present);
    RETURN CASE WHEN present IS NULL THEN 'adopted' ELSE 'attached' END;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.attach_call_event_log(regclass, regclass, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'attach_call_event_log');

COMMENT ON FUNCTION @extschema@.attach_call_event_log(regclass, regclass, jsonb) IS
'Makes the table of a detached log an event log again, in this database or in another one. Workers go
on where they were, and every event is processed once. Locks the table against writers for a
moment (SHARE ROW EXCLUSIVE). Returns attached; adopted: without a state; was attached: nothing
was left to do.

Copy the table with its stamps: into a table without triggers, as pg_dump does, or by COPY or
replication. The function creates the triggers. It moves the sequence of event_seq behind the
last event. Events that came since the log was detached count as new.

Counts and purge positions begin anew. WARNING: the log takes signed bodies only, and has no
secret yet; or events were copied through the trigger, and come once more. NOTICE: retrying or
dead events of the state are not in the table; they are left out.
- calls: the hardened calls table of its events; its call id has the type that it had
- state: what detach_call_event_log has returned; NULL: what it kept in this database. Without
  either, all events of the table are processed once more, by the settings in its triggers.
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: no events or calls
- 22023: no valid state, or one of a newer version of the extension
- 42501: the caller is not the owner of both tables
- 42703: a column of the log is missing
- 42804: a column of the wrong type
- 42809: events is no ordinary table, or is temporary or unlogged, or calls is no table
- 42P01: no such table
- 54000: the numbers of the lanes are used up
- 55000: calls is not hardened, takes no event, or has another type of call id; the log has not
  its indexes; it is attached without this state; or neither a state nor triggers tell its
  settings';

CREATE OR REPLACE FUNCTION _callhardening.forget_dropped_call_event_logs() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    relations oid[] := ARRAY(SELECT objid FROM pg_event_trigger_dropped_objects()
                             WHERE classid = 'pg_class'::regclass AND objsubid = 0);
    schemas text[] := ARRAY(SELECT object_name FROM pg_event_trigger_dropped_objects()
                            WHERE classid = 'pg_namespace'::regclass);
BEGIN
    DELETE FROM _callhardening.logs WHERE events IN (SELECT unnest(relations));
    DELETE FROM _callhardening.detached_logs WHERE events IN (SELECT unnest(relations));
    -- A number would be dumped in the place of its name, and be another table where that is restored.
    UPDATE _callhardening.logs SET calls = 0 WHERE calls IN (SELECT unnest(relations));
    -- Asked first, since grant_call_role keeps others from writing here until its transaction ends.
    IF EXISTS (SELECT FROM _callhardening.role_tasks AS t WHERE t.relation IN (SELECT unnest(relations))
                   OR t.log IN (SELECT unnest(relations)) OR t.schema IN (SELECT unnest(schemas))) THEN
        DELETE FROM _callhardening.role_tasks AS t
        WHERE t.relation IN (SELECT unnest(relations)) OR t.schema IN (SELECT unnest(schemas));
        UPDATE _callhardening.role_tasks AS t SET log = 0 WHERE t.log IN (SELECT unnest(relations));
    END IF;
END
$$;

-- Citus: citus/distribution -------------------------------------------------------------------

CREATE FUNCTION _callhardening.has_citus() RETURNS boolean
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_has_citus';

COMMENT ON FUNCTION _callhardening.has_citus() IS
'whether this database has the extension citus, with its catalog pg_dist_partition';

CREATE FUNCTION _callhardening.distribution(relation regclass) RETURNS text
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_distribution';

COMMENT ON FUNCTION _callhardening.distribution(regclass) IS
'how Citus keeps a table, if its rows are in shards: schema, hash, append, range, reference or local. NULL: it is an '
'ordinary table, or a shard';

CREATE FUNCTION _callhardening.shard_name(shell regclass, shard_id bigint) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    name text;
BEGIN
    IF NOT _callhardening.has_citus() THEN
        RETURN NULL;
    END IF;
    EXECUTE 'SELECT pg_catalog.shard_name($1, $2)' INTO name USING shell, shard_id;
    -- Citus leaves out this one schema.
    RETURN (SELECT CASE n.nspname WHEN 'public' THEN 'public.' ELSE '' END || name
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = shell);
END
$$;

COMMENT ON FUNCTION _callhardening.shard_name(regclass, bigint) IS
'the qualified name of a shard of a distributed table, for a statement; NULL: there is no such table, or '
'no Citus';

CREATE FUNCTION _callhardening.shards_of(relation regclass)
    RETURNS TABLE (shard_id bigint, shard text, node text, port int, is_here boolean)
    LANGUAGE plpgsql STABLE STRICT ROWS 32
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF _callhardening.distribution(relation) IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE 'SELECT s.shardid, _callhardening.shard_name(s.logicalrelid, s.shardid), n.nodename,
            n.nodeport, p.groupid = g.groupid
        FROM pg_catalog.pg_dist_shard AS s JOIN pg_catalog.pg_dist_placement AS p ON p.shardid = s.shardid
        JOIN pg_catalog.pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole = ''primary''
        CROSS JOIN pg_catalog.pg_dist_local_group AS g
        WHERE s.logicalrelid = $1 ORDER BY s.shardid, n.nodename, n.nodeport' USING relation;
END
$$;

COMMENT ON FUNCTION _callhardening.shards_of(regclass) IS
'the shards of a table that Citus has distributed: their numbers, their qualified names, and their nodes. is_here: '
'the shard is on this node';

CREATE FUNCTION _callhardening.local_shards() RETURNS TABLE (relation regclass, shell regclass, shard_id bigint)
    LANGUAGE plpgsql STABLE ROWS 32
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF _callhardening.has_citus() THEN
        RETURN QUERY EXECUTE 'SELECT to_regclass(_callhardening.shard_name(s.logicalrelid, s.shardid)), s.logicalrelid,
                s.shardid
            FROM pg_catalog.pg_dist_shard AS s JOIN pg_catalog.pg_dist_placement AS p ON p.shardid = s.shardid
            JOIN pg_catalog.pg_dist_local_group AS g ON g.groupid = p.groupid';
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.local_shards() IS
'the shards on this node: each with the distributed table it belongs to (shell). relation: NULL: it is missing here';

CREATE FUNCTION _callhardening.shell_of(relation regclass) RETURNS regclass
    LANGUAGE sql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT s.shell FROM _callhardening.local_shards() AS s WHERE s.relation = shell_of.relation
$$;

COMMENT ON FUNCTION _callhardening.shell_of(regclass) IS
'the distributed table of a shard on this node; NULL: the table is no shard';

CREATE FUNCTION _callhardening.require_undistributed(relation regclass, deed text, advice text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF _callhardening.distribution(relation) IS NOT NULL THEN
        PERFORM _callhardening.raise_error('0A000',
            format('table %s is distributed by Citus and cannot %s', relation, deed),
            detail => 'Its rows are in shards.', hint => advice);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_undistributed(regclass, text, text) IS
'refuses (0A000) a table that Citus has distributed. deed: what it cannot, as in "be an event log"';

CREATE FUNCTION _callhardening.require_no_shard(relation regclass, advice text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    shell regclass := _callhardening.shell_of(relation);
BEGIN
    IF shell IS NOT NULL THEN
        PERFORM _callhardening.raise_error('0A000',
            format('table %s is a shard of the distributed table %s', relation, shell),
            detail => 'Citus makes all shards alike.', hint => format(advice, shell));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_no_shard(regclass, text) IS
'refuses (0A000) a shard. advice: a hint, with %L in the place of the distributed table';

-- Citus: calls/harden -------------------------------------------------------------------------

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

CREATE OR REPLACE FUNCTION _callhardening.add_unique_call_id(calls regclass, call_id_column name) RETURNS void
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

CREATE OR REPLACE FUNCTION _callhardening.drop_triggers(relation regclass, triggers name[]) RETURNS void
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

CREATE OR REPLACE FUNCTION _callhardening.create_call_triggers(calls regclass, settings _callhardening.settings)
    RETURNS void
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

CREATE OR REPLACE FUNCTION _callhardening.has_call_triggers(calls regclass, settings _callhardening.settings)
    RETURNS boolean
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

CREATE OR REPLACE FUNCTION _callhardening.settings_change(present text[], wanted text[]) RETURNS text
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

CREATE OR REPLACE FUNCTION _callhardening.replace_call_triggers(calls regclass, settings _callhardening.settings)
    RETURNS void
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

CREATE OR REPLACE FUNCTION @extschema@.harden_calls(calls regclass, call_id_column name DEFAULT NULL,
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

CREATE OR REPLACE FUNCTION @extschema@.unharden_calls(calls regclass, drop_payload boolean DEFAULT false) RETURNS void
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

-- Citus: calls/backfill -----------------------------------------------------------------------

CREATE OR REPLACE FUNCTION _callhardening.begin_backfill(calls regclass, batch_size int) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
#variable_conflict use_column
DECLARE
    hardened regclass := calls;
    settings _callhardening.settings;
    elsewhere text;
    goes_on boolean;
BEGIN
    PERFORM _callhardening.require_calls_table(hardened);
    PERFORM _callhardening.require_undistributed(hardened, 'be backfilled as one'::text,
        format('Backfill its shards: SELECT * FROM run_command_on_placements(%L, '
            '''CALL %s.backfill_calls(''''%%s'''')'').', hardened,
            (SELECT quote_ident(n.nspname) FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
             WHERE e.extname = 'callhardening')));
    IF batch_size IS NULL OR batch_size NOT BETWEEN 1 AND 100000 THEN
        PERFORM _callhardening.raise_error('22023',
            format('batch_size must be 1 to 100000, not %s', coalesce(batch_size::text, 'NULL')));
    END IF;
    SELECT * INTO settings FROM @extschema@.call_settings(hardened);
    IF settings.call_id_column IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is not hardened', hardened),
            hint => 'Harden it with harden_calls first, so that no new row needs a repair. audit_calls shows what '
                'would be repaired.');
    END IF;
    PERFORM _callhardening.require_valid_settings(hardened, settings);

    SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text COLLATE "C") INTO elsewhere
    FROM pg_class AS c WHERE c.relkind = 'f' AND c.oid IN (SELECT relid FROM pg_partition_tree(hardened));
    IF elsewhere IS NOT NULL THEN
        PERFORM _callhardening.report('WARNING',
            format('backfill of table %s leaves out foreign tables among its partitions: %s',
            hardened, elsewhere),
            hint => 'Harden and backfill their tables at their servers.');
    END IF;

    UPDATE _callhardening.my_backfills SET is_obsolete = true WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = calls);
    goes_on := EXISTS (SELECT FROM _callhardening.my_backfills WHERE calls = hardened AND finished_at IS NULL);
    UPDATE _callhardening.my_backfills SET is_obsolete = true WHERE calls = hardened AND (NOT goes_on
        OR rules <> _callhardening.rules_hash(hardened) OR filenode IS DISTINCT FROM pg_relation_filenode(part)
        OR part NOT IN (SELECT _callhardening.table_leaves(hardened)));
    UPDATE _callhardening.my_backfills SET pid = pg_backend_pid(), batch_at = clock_timestamp() WHERE calls = hardened
        AND finished_at IS NULL;
    INSERT INTO _callhardening.my_backfills (calls, part, filenode, rules, pages)
    SELECT hardened, leaf, pg_relation_filenode(leaf), _callhardening.rules_hash(hardened),
        _callhardening.table_pages(leaf)
    FROM _callhardening.table_leaves(hardened) AS leaf
    ON CONFLICT DO NOTHING;
END
$$;

CREATE OR REPLACE FUNCTION _callhardening.take_backfill(calls regclass) RETURNS _callhardening.backfills
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    SET citus.enable_manual_changes_to_shards = on
    AS $$
DECLARE
    backfill _callhardening.backfills;
BEGIN
    LOOP
        -- Sessions at work on one table take turns.
        SELECT * INTO backfill FROM _callhardening.my_backfills AS b WHERE b.calls = take_backfill.calls
            AND b.finished_at IS NULL
            ORDER BY b.part LIMIT 1 FOR UPDATE;
        IF NOT FOUND AND EXISTS (SELECT FROM _callhardening.my_backfills AS b WHERE b.calls = take_backfill.calls
            AND b.finished_at IS NULL) THEN
            CONTINUE; -- the other one has finished that part
        END IF;
        EXIT WHEN backfill.part IS NULL;
        IF backfill.part IN (SELECT _callhardening.table_leaves(calls)) THEN
            EXECUTE format('LOCK TABLE ONLY %s IN ROW EXCLUSIVE MODE', backfill.part);
            EXIT WHEN pg_relation_filenode(backfill.part) = backfill.filenode
                AND _callhardening.rules_hash(calls) = backfill.rules;
        END IF;
        -- A dropped partition, a rewritten table, or other rules.
        UPDATE _callhardening.my_backfills AS b SET is_obsolete = true
        WHERE b.calls = backfill.calls AND b.part = backfill.part;
        INSERT INTO _callhardening.my_backfills (calls, part, filenode, rules, pages)
        SELECT backfill.calls, leaf, pg_relation_filenode(leaf), _callhardening.rules_hash(calls),
            _callhardening.table_pages(leaf)
        FROM _callhardening.table_leaves(calls) AS leaf WHERE leaf = backfill.part;
    END LOOP;
    RETURN backfill;
END
$$;

CREATE FUNCTION _callhardening.known_rows(relation regclass) RETURNS real
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT reltuples FROM pg_class WHERE oid = relation
$$;

COMMENT ON FUNCTION _callhardening.known_rows(regclass) IS
'how many rows the last ANALYZE has found; -1: there was none; NULL: no such relation';

CREATE OR REPLACE VIEW @extschema@.call_backfill_progress AS
SELECT b.calls, b.part, b.pass,
    CASE WHEN b.finished_at IS NOT NULL THEN 'finished'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid OPERATOR(pg_catalog.=) b.pid
            AND a.state OPERATOR(pg_catalog.=) 'active' AND a.query_start OPERATOR(pg_catalog.<=) b.batch_at)
                THEN 'running'
        ELSE 'interrupted' END AS state,
    b.looked_at AS rows_done,
    CASE WHEN b.pass OPERATOR(pg_catalog.>) 1 OR b.finished_at IS NOT NULL THEN 0
        WHEN b.page OPERATOR(pg_catalog.>) 0 THEN (b.looked_at::float8 OPERATOR(pg_catalog./) b.page::float8
            OPERATOR(pg_catalog.*) (b.pages OPERATOR(pg_catalog.-) b.page)::float8)::bigint
        ELSE NULLIF(c.reltuples, '-1'::real)::bigint END AS rows_left,
    (b.looked_at::float8 OPERATOR(pg_catalog./) NULLIF(pg_catalog.date_part('epoch', b.busy), 0::float8))::numeric(20,
        1) AS rows_per_second,
    b.repaired AS rows_repaired, b.unwritten AS rows_unwritten, pg_catalog.cardinality(b.passed) AS rows_locked,
    b.page AS pages_done, b.pages, b.pid, b.started_at, b.batch_at, b.finished_at
FROM _callhardening.backfills b CROSS JOIN LATERAL (SELECT _callhardening.known_rows(b.part) AS reltuples) c
WHERE pg_catalog.pg_relation_filenode(b.part) OPERATOR(pg_catalog.=) b.filenode;

COMMENT ON PROCEDURE @extschema@.backfill_calls(regclass, int) IS
'Repairs existing rows of a hardened table, in short transactions. Other spellings and providers''
words become the canonical ones. Payloads are sanitized by the table''s policy. Unknown words
stay.

Each transaction remembers how far it got: after a cancel, an error or a crash, call it again.
Rows locked by others come at the end, one by one, and the procedure waits for them. If the
repair of a row fails with an error of the data (classes 22, 23, 27, 44, 54 and P0), the row
stays as it is, and a WARNING at the end tells how many. NOTICEs and call_backfill_progress show
the progress. Foreign tables among the partitions are left out, with a WARNING.

The table''s own triggers fire, with the rights of its owner. If another role calls this, such as
a superuser, they run in a security-restricted operation with the search path pg_catalog.
- batch_size: about so many rows in a transaction, 1 to 100000, at least those of one page
Errors:
- 0A000: Citus has distributed the table: backfill its shards
- 22004: an argument is NULL
- 22023: batch_size out of range
- 2D000: inside a transaction block or a function
- 42501: the caller is not the owner
- 42703: a column of the settings is gone
- 42809: it is no table, or a partition of a hardened one
- 55000: the table is not hardened
- 55P03: lock_timeout was over';

-- Citus: log/event_log ------------------------------------------------------------------------

CREATE FUNCTION _callhardening.forget_consumers(log int, numbers int[]) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
DELETE FROM _callhardening.consumers WHERE consumer_id = ANY (numbers);
DELETE FROM _callhardening.lanes WHERE consumer_id = ANY (numbers);
DELETE FROM _callhardening.claims WHERE consumer_id = ANY (numbers);
DELETE FROM _callhardening.retrying_events WHERE consumer_id = ANY (numbers);
DELETE FROM _callhardening.dead_events WHERE consumer_id = ANY (numbers);
DELETE FROM _callhardening.purges WHERE log_id = ANY (numbers);
DELETE FROM _callhardening.purge_leftovers WHERE log_id = log;
SELECT _callhardening.forget_workers_of(numbers);
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.forget_consumers(int, int[]) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.forget_consumers(int, int[]) IS
'forgets all consumers of a log: their lanes, claims, retrying and dead events, and their workers. log: its log_id. '
'numbers: those of the consumers';

CREATE OR REPLACE FUNCTION _callhardening.follow_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    chosen regclass;
    gone int[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        gone := OLD.log_id || ARRAY(SELECT c.consumer_id FROM _callhardening.consumers AS c
            WHERE c.log_id = OLD.log_id);
        PERFORM _callhardening.forget_consumers(OLD.log_id, gone);
        PERFORM _callhardening.drop_counts(OLD.events, gone);
        PERFORM _callhardening.choose_default_log(NULL::int);
    ELSIF NEW.system_identifier <> 0 THEN
        -- A DROP in REPEATABLE READ does not see the row of a log made after its snapshot.
        DELETE FROM _callhardening.logs AS l
        WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = l.events);
        WITH was AS (DELETE FROM _callhardening.detached_logs AS d WHERE d.events = NEW.events RETURNING d.is_default)
        UPDATE _callhardening.logs AS l SET is_default = true FROM was
        WHERE l.log_id = NEW.log_id AND was.is_default
            AND NOT EXISTS (SELECT FROM _callhardening.logs AS d WHERE d.is_default);
        IF NEW.is_of_changes THEN -- it is never the default, and has no consumer of its own
            RETURN NULL;
        END IF;
        IF _callhardening.distribution(NEW.events) IS NULL THEN -- else its shards have consumers
            INSERT INTO _callhardening.consumers (consumer_id, log_id, name)
            VALUES (NEW.log_id, NEW.log_id, 'default');
            INSERT INTO _callhardening.lanes SELECT NEW.log_id, lane FROM generate_series(0, NEW.lanes - 1) AS lane;
        END IF;
        IF NEW.shard_id IS NOT NULL THEN -- the distributed log may be the default
            RETURN NULL;
        END IF;
        chosen := _callhardening.choose_default_log(NEW.log_id);
        IF chosen IS DISTINCT FROM NEW.events
            AND NOT EXISTS (SELECT FROM _callhardening.detached_logs AS d WHERE d.is_default) THEN
            PERFORM _callhardening.report('NOTICE', format('event log %s is not the default', NEW.events),
                detail => coalesce('Functions called without a log use ' || chosen::text || '.',
                    'None of the event logs is: functions called without a log fail.'),
                hint => format('To make it the default: SELECT configure_call_event_log(%L, is_default => true).',
                    NEW.events));
        END IF;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION _callhardening.require_new_log(events regclass, calls regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM _callhardening.require_undistributed(events, 'become an event log'::text,
        'Register the log in an ordinary schema. Then distribute the schema, and call attach_call_shards.'::text);
    PERFORM _callhardening.require_undistributed(calls, 'get an event log'::text,
        'Create the log in an ordinary schema. Then distribute the schema, and call attach_call_shards.'::text);
    PERFORM _callhardening.require_no_shard(events, 'SELECT * FROM attach_call_shards(%L).'::text);
END
$$;

COMMENT ON FUNCTION _callhardening.require_new_log(regclass, regclass) IS
'refuses (0A000) to make a log of tables that Citus has distributed, or of a shard';

CREATE OR REPLACE FUNCTION @extschema@.register_call_event_log(events regclass, calls regclass,
        provider text DEFAULT 'dialpad',
        lanes int DEFAULT 64, shape jsonb DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    key_type text;
    missing name;
    left_over name[] := ARRAY(
        SELECT t.name FROM unnest(_callhardening.event_triggers(events)) AS t (name)
        WHERE NOT EXISTS (SELECT FROM _callhardening.logs l WHERE l.events = register_call_event_log.events));
    was_log boolean := cardinality(left_over) > 0;
    log int;
BEGIN
    IF events IS NULL OR calls IS NULL OR provider IS NULL OR lanes IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'events, calls, provider and lanes must not be NULL';
    END IF;
    PERFORM _callhardening.require_log_tables(events, calls);
    PERFORM _callhardening.require_new_log(events, calls);
    PERFORM _callhardening.require_valid_log_settings(provider, shape, lanes);
    SELECT c.name INTO missing
    FROM unnest('{event_seq,event_lane,event_xid,call_id,payload}'::name[]) WITH ORDINALITY AS c (name, position)
    WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = events AND attname = c.name AND NOT attisdropped)
    ORDER BY c.position LIMIT 1;
    IF FOUND THEN
        RAISE undefined_column USING MESSAGE = format('table %s has no column %I', events, missing),
            HINT = 'For a table of events in use, call harden_call_events.';
    END IF;
    PERFORM _callhardening.require_no_obstacle(calls, '{}'::name[]);
    PERFORM _callhardening.report_obstacles(events, calls, '{}'::name[]);
    PERFORM _callhardening.warn_of_shared_keys(events, calls, provider);
    PERFORM _callhardening.report_unknown_provider(provider);
    PERFORM _callhardening.add_merge_columns(calls);
    key_type := _callhardening.lock_call_key(calls);
    -- A schema restored without data has the triggers, and no row of the log.
    PERFORM _callhardening.drop_triggers(events, left_over);
    PERFORM _callhardening.create_event_triggers(events, ARRAY['payload', provider, lanes::text, key_type]);
    -- The trigger takes a missing identifier for this cluster's.
    INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, shape)
    VALUES (events, calls, provider, lanes, shape) RETURNING log_id INTO log;
    -- What was appended without a log has a mark of a restore. Without a trigger it has no stamp. The rows of a copy
    -- have the stamps and lanes of another log.
    PERFORM _callhardening.write_as_owner(events, format('UPDATE %s AS e SET event_xid = pg_current_xact_id(),
        (call_id, event_lane) = (SELECT s.call_id, s.event_lane
            FROM _callhardening.event_stamp(e.payload::jsonb, $1[1], CAST($1[2] AS int), $1[3],
                (SELECT CAST($1[5] AS jsonb))) AS s)
        WHERE CAST($1[4] AS boolean) OR event_lane = _callhardening.no_lane(''not_stamped'')
           OR event_lane >= CAST($1[2] AS int) OR event_xid > pg_current_xact_id()', events),
        ARRAY[provider, lanes::text, key_type, was_log::text, coalesce(shape, 'null')::text]);
    PERFORM _callhardening.bury_stamped_events(log, events);
END
$$;

COMMENT ON FUNCTION @extschema@.register_call_event_log(regclass, regclass, text, int, jsonb) IS
'Makes a table with the columns of call_events (create_call_tables) the event log of a hardened
calls table. It stamps what is appended from now on, and adds the columns merge_... to the calls
table (ACCESS EXCLUSIVE for a moment). If a restore without data has left triggers on a table
that is not in call_event_logs, they are made anew, and so are the stamps of its events. The
first log is the default log. A later one is not: NOTICE. WARNING: the calls table has a log of
another provider, and its call ids do not begin with their provider (harden_calls).
- lanes: 1 to 1024
- shape: where the bodies have each value (configure_call_event_log); with one, the provider may
  have any name
Errors:
- 0A000: Citus has distributed one of the tables, or it is a shard
- 22004: an argument but shape is NULL
- 22023: lanes out of range, events of this provider cannot be read, or a malformed shape
- 42501: the caller is not the owner of both tables
- 42703: a column of call_events is missing
- 42809: events is no ordinary table, or is temporary or unlogged, or calls is temporary
- 54000: a shape above 64 kB';

CREATE FUNCTION _callhardening.configured_log(log regclass, notify boolean) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    number int := _callhardening.operated_log(log);
    events regclass := (SELECT l.events FROM _callhardening.logs AS l WHERE l.log_id = number);
BEGIN
    PERFORM _callhardening.require_undistributed(events, 'be configured as one'::text,
        format('Configure its shards, each on its node. SELECT * FROM attach_call_shards(%L) names them.', events));
    IF notify AND _callhardening.shell_of(events) IS NOT NULL THEN
        PERFORM _callhardening.raise_error('0A000', format('shard %s cannot notify', events),
            detail => 'A transaction with shards of several nodes would fail at its commit.',
            hint => 'Start a worker in the server (start_call_worker), or wait with wait_for_call_events.');
    END IF;
    RETURN number;
END
$$;

COMMENT ON FUNCTION _callhardening.configured_log(regclass, boolean) IS
'a part of configure_call_event_log: operated_log, and it refuses (0A000) a log that Citus has distributed, and '
'notifications for a shard';

CREATE OR REPLACE FUNCTION @extschema@.configure_call_event_log(log regclass DEFAULT NULL,
        max_attempts int DEFAULT NULL,
        retry_base interval DEFAULT NULL, retry_cap interval DEFAULT NULL, max_retrying int DEFAULT NULL,
        notify boolean DEFAULT NULL, is_default boolean DEFAULT NULL, ignored_event_types text[] DEFAULT NULL,
        ignored_members text[] DEFAULT NULL, shape jsonb DEFAULT NULL, consumer name DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    number int := _callhardening.configured_log(log, notify);
    is_of_changes boolean := (SELECT l.is_of_changes FROM _callhardening.logs AS l WHERE l.log_id = number);
BEGIN
    PERFORM _callhardening.require_valid_limits(max_attempts, retry_base, retry_cap, max_retrying);
    -- A log of changes has no default consumer.
    IF consumer IS NOT NULL AND (consumer <> 'default' OR is_of_changes) THEN
        IF notify IS NOT NULL OR is_default IS NOT NULL OR ignored_event_types IS NOT NULL
            OR ignored_members IS NOT NULL OR shape IS NOT NULL
        THEN
            RAISE invalid_parameter_value USING MESSAGE = 'only limits can be set for a consumer',
                DETAIL = 'The other settings are those of the log.',
                HINT = 'Give max_attempts, retry_base, retry_cap or max_retrying, or leave the consumer out.';
        END IF;
        PERFORM _callhardening.configure_consumer(number, consumer, max_attempts, retry_base, retry_cap, max_retrying);
        RETURN;
    END IF;
    IF (is_default OR ignored_event_types IS NOT NULL OR ignored_members IS NOT NULL OR shape IS NOT NULL)
        AND is_of_changes
    THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('%s is a log of changes', (SELECT l.events FROM _callhardening.logs AS l
                WHERE l.log_id = number)),
            DETAIL = 'It has no shape and no ignored events, and it is never the default log.';
    END IF;
    IF NOT _callhardening.are_ignored_events(coalesce(ignored_event_types, '{}'::text[]),
            coalesce(ignored_members, '{}'::text[])) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'ignored_event_types or ignored_members is not valid',
            DETAIL = 'Each has at most 100 texts of 1 to 200 bytes. "*" alone is no type. A name in the path of a '
                'member is not empty.';
    END IF;
    PERFORM _callhardening.configure_shape(number, shape);
    UPDATE _callhardening.operated_logs AS l SET
        max_attempts = coalesce(configure_call_event_log.max_attempts, l.max_attempts),
        retry_base = coalesce(configure_call_event_log.retry_base, l.retry_base),
        retry_cap = coalesce(configure_call_event_log.retry_cap, l.retry_cap),
        max_retrying = coalesce(configure_call_event_log.max_retrying, l.max_retrying),
        notify = coalesce(configure_call_event_log.notify, l.notify),
        ignored_event_types = coalesce(configure_call_event_log.ignored_event_types, l.ignored_event_types),
        ignored_members = coalesce(configure_call_event_log.ignored_members, l.ignored_members)
    WHERE l.log_id = number;
    IF configure_call_event_log.is_default THEN
        PERFORM _callhardening.move_default_log(number);
    ELSIF EXISTS (SELECT FROM _callhardening.logs AS l
                  WHERE l.log_id = number AND l.is_default <> configure_call_event_log.is_default) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'the default log cannot be given up',
            HINT = 'Choose another one in its place: configure_call_event_log(log, is_default => true).';
    END IF;
END
$$;

COMMENT ON FUNCTION @extschema@.configure_call_event_log(regclass, int, interval, interval, int, boolean,
    boolean, text[], text[], jsonb, name) IS
'Changes the settings of an event log, or the limits of a consumer, from the next claim on. NULL
leaves a setting as it is.
- log: NULL is the default log
- max_attempts: after so many failures an event is dead; 1 to 1000000, at first 5
- retry_base, retry_cap: the nth retry comes at a random time within retry_base * 2^(n-1), at
  most retry_cap; 0 to 365 days, at first 1 second and 15 minutes
- max_retrying: a lane with so many retrying and blocked events takes no new ones; 1 to 1000000,
  at first 1000
- notify: sends a notification for new events (call_event_log_channel); at first false
- is_default: true makes it the log of functions called without one
- ignored_event_types, ignored_members: events without a call; at first none, at most 100 each,
  ''{}'' is none again. They are settled when they are appended, from now on. No worker gets them,
  they are no dead events, and purge_call_events takes them like others. A type is compared with
  event_type, with the state of the call and with the member event_type of the body. Case makes
  no difference, and a type may end with *. A member is a path such as contact or data.sms, or a
  path and a value such as type=sms.
- shape: where the bodies have each value, from the next event on: a document in the terms of
  call_event_shape, at most 64 kB; ''null''::jsonb is the shape of the provider again. Only an
  owner of the log and of its calls table may set it.
- consumer: sets max_attempts, retry_base, retry_cap and max_retrying for this consumer alone
  (create_call_consumer), which keeps them when those of the log change; NULL or default: the
  settings of the log, for the default consumer and for all limits that a consumer does not have
Errors:
- 0A000: Citus has distributed the log, or notify is true for a shard
- 22023: out of range, no such setting, a malformed shape with the place of the mistake, no
  shape for a provider without one, is_default is false for the default log, or another setting
  than a limit for a consumer
- 40001: another session has chosen a default meanwhile
- 42501: the caller is not the owner of the log, and has not SELECT and DELETE on it, or for
  is_default on the present default
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 54000: a shape above 64 kB
- 55000: no such log, or a setting of webhooks for a log of changes';

-- Citus: log/harden_events --------------------------------------------------------------------

CREATE OR REPLACE FUNCTION _callhardening.require_event_table(events regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    class pg_class;
BEGIN
    PERFORM _callhardening.require_relation(events, 'events'::text);
    PERFORM _callhardening.require_undistributed(events, 'be changed as an event log'::text,
        format('SELECT citus_schema_undistribute(...) or undistribute_table(%L) first.', events));
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

CREATE OR REPLACE FUNCTION _callhardening.require_valid_event_settings(events regclass, calls regclass,
        payload_column name,
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


-- Citus: ingest/change ------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.create_call_changes(calls regclass, events name DEFAULT NULL,
        lanes int DEFAULT 64)
    RETURNS regclass
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    present record;
    registered regclass[];
    log regclass;
BEGIN
    PERFORM _callhardening.require_calls_table(calls);
    PERFORM _callhardening.require_undistributed(calls, 'log its changes'::text,
        format('Read its events with a consumer instead: create_call_consumer for each shard of its event log.'));
    PERFORM _callhardening.require_no_shard(calls,
        'Read the events of %L with a consumer instead: create_call_consumer.'::text);
    IF lanes IS NULL OR lanes NOT BETWEEN 1 AND 1024 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'lanes must be between 1 and 1024';
    END IF;
    IF _callhardening.trigger_settings(calls) IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is not hardened', calls),
            HINT = 'Harden it with harden_calls.';
    END IF;
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', calls);
    present := _callhardening.change_trigger(calls);
    registered := _callhardening.logs_of_changes(calls);
    log := coalesce(present.log, registered[1]);
    IF present.log = ANY (registered) THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('the changes of table %s are logged already', calls),
            DETAIL = format('The log is %s.', log),
            HINT = 'Each reader needs a consumer of its own (create_call_consumer), and not a log.';
    ELSIF events <> (SELECT c.relname FROM pg_class AS c WHERE c.oid = log) THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('table %s has a log of changes already', calls),
            DETAIL = format('%s is not written any more.', log),
            HINT = format('Leave events NULL to go on with it, or drop it: DROP TABLE %s.', log);
    END IF;
    log := coalesce(log,
        _callhardening.create_change_table(calls, coalesce(events, 'call_changes'), lanes));
    IF log <> ALL (registered) THEN
        PERFORM _callhardening.register_changes(log, calls);
    END IF;
    IF present.trigger_name IS NOT NULL AND present.log IS NULL THEN
        PERFORM _callhardening.drop_triggers(calls, ARRAY[present.trigger_name]);
    END IF;
    IF present.log IS NULL THEN
        PERFORM _callhardening.create_change_trigger(calls, log);
    END IF;
    RETURN log;
END
$$;

-- Citus: workers/worker_status ----------------------------------------------------------------

CREATE FUNCTION _callhardening.is_table(relation regclass) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = relation AND c.relkind = 'r')
$$;

COMMENT ON FUNCTION _callhardening.is_table(regclass) IS 'whether a relation is there, and is an ordinary table';

CREATE OR REPLACE VIEW @extschema@.call_worker_status AS
SELECT l.events AS log, n.name AS consumer, s.status, r.running, k.workers AS kept,
    (SELECT a.rolname FROM pg_catalog.pg_roles a WHERE a.oid OPERATOR(pg_catalog.=) k.role) AS role,
    k.max_events, pg_catalog.make_interval(secs => k.poll::float8 OPERATOR(pg_catalog./) 1000::float8) AS poll,
    k.kept_since, f.launcher, s.why,
    -- The launcher knows the end of a worker, and not that somebody stopped it for good.
    CASE WHEN k.workers IS NOT NULL THEN t.failure END AS last_failure,
    CASE WHEN k.workers IS NOT NULL THEN t.failed_at END AS last_failed_at,
    CASE WHEN s.status OPERATOR(pg_catalog.=) 'waiting'::text THEN t.next_try END AS next_try
FROM _callhardening.logs l
JOIN _callhardening.consumers n ON n.log_id OPERATOR(pg_catalog.=) l.log_id
CROSS JOIN LATERAL (
    SELECT pg_catalog.count(*)::int AS running FROM @extschema@.call_worker_pids(l.events, n.name)) r
CROSS JOIN _callhardening.launcher_state() f
LEFT JOIN _callhardening.kept_workers k ON k.consumer_id OPERATOR(pg_catalog.=) n.consumer_id
LEFT JOIN _callhardening.kept_worker_states() t ON t.consumer_id OPERATOR(pg_catalog.=) n.consumer_id
CROSS JOIN LATERAL _callhardening.worker_status(k, r.running, f.fault, t.consumer_id IS NOT NULL, t.failure,
    l.system_identifier OPERATOR(pg_catalog.=) 0::bigint) s
WHERE _callhardening.is_table(l.events) AND (n.consumer_id OPERATOR(pg_catalog.=) l.log_id
    OR r.running OPERATOR(pg_catalog.>) 0 OR k.workers IS NOT NULL);

-- Citus: claims/monitor -----------------------------------------------------------------------

-- Parsed now: readers of the view have no right on the schema.
CREATE FUNCTION _callhardening.why_elsewhere(log regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    RETURN CASE WHEN _callhardening.distribution(log) IS NOT NULL
        THEN format('event log %s is distributed by Citus (0A000)', log) END;

COMMENT ON FUNCTION _callhardening.why_elsewhere(regclass) IS
'the error of the views for a log with its events in shards; NULL: they are here';

CREATE OR REPLACE VIEW @extschema@.call_lane_status AS
SELECT l.events AS log, k.name AS consumer, p.lane, p.pending AS pending_estimate, p.oldest_event_seq,
       p.oldest_received_at, c.claim_id, c.worker, c.events AS claimed, c.age AS claim_age, c.lease_end, c.is_over,
       CASE WHEN _callhardening.distribution(l.events) IS NULL THEN w.retrying END AS retrying,
       CASE WHEN _callhardening.distribution(l.events) IS NULL THEN w.blocked END AS blocked,
       CASE WHEN _callhardening.distribution(l.events) IS NULL THEN d.dead END AS dead,
       CASE WHEN _callhardening.distribution(l.events) IS NULL THEN t.events_per_second END AS events_per_second,
       p.error
FROM _callhardening.logs l JOIN _callhardening.consumers k ON k.log_id OPERATOR(pg_catalog.=) l.log_id
CROSS JOIN LATERAL _callhardening.pending_events_or_error(l.events, k.name) p
LEFT JOIN @extschema@.call_open_claims c ON c.log OPERATOR(pg_catalog.=) l.events
    AND c.consumer OPERATOR(pg_catalog.=) k.name AND c.lane OPERATOR(pg_catalog.=) p.lane
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) FILTER (WHERE e.due_at IS NOT NULL) AS retrying,
        pg_catalog.count(*) FILTER (WHERE e.due_at IS NULL) AS blocked
    FROM _callhardening.retrying_events e
    WHERE e.consumer_id OPERATOR(pg_catalog.=) k.consumer_id AND e.lane OPERATOR(pg_catalog.=) p.lane) w
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS dead FROM _callhardening.dead_events e
    WHERE e.consumer_id OPERATOR(pg_catalog.=) k.consumer_id AND e.lane OPERATOR(pg_catalog.=) p.lane) d
-- Over the kept records, as long as the last of them is not older than a minute.
CROSS JOIN LATERAL (SELECT CASE WHEN pg_catalog.max(r.claimed_at) OPERATOR(pg_catalog.>)
            (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) interval '1 minute')
        THEN pg_catalog.sum(r.events) OPERATOR(pg_catalog./) NULLIF(pg_catalog.date_part('epoch',
            pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.min(r.claimed_at)), 0::float8)
                ELSE 0 END AS events_per_second
    FROM _callhardening.claims r
    WHERE r.consumer_id OPERATOR(pg_catalog.=) k.consumer_id AND r.lane OPERATOR(pg_catalog.=) p.lane
        AND r.state OPERATOR(pg_catalog.=) 'completed') t
WHERE pg_catalog.has_any_column_privilege(l.events::oid, 'SELECT');

COMMENT ON COLUMN @extschema@.call_lane_status.dead IS
'events given up. NULL, as are retrying, blocked and events_per_second: Citus has distributed the log (error)';

CREATE OR REPLACE VIEW @extschema@.call_event_log_status AS
SELECT l.events AS log, l.calls, l.lanes, s.pending_estimate, s.oldest_received_at, s.open_claims, s.claims_over,
    s.claimed, s.retrying, s.blocked, d.dead, s.events_per_second,
    COALESCE(s.error, _callhardening.why_elsewhere(l.events)) AS error,
    CASE WHEN COALESCE(s.error, _callhardening.why_elsewhere(l.events)) IS NULL
        THEN @extschema@.ignored_call_events(l.events) END AS ignored,
    l.ignored_event_types, l.ignored_members, pg_catalog.cardinality(l.other_consumers) AS other_consumers
FROM _callhardening.logs l
-- A log of changes has no default consumer: NULL, and not 0.
LEFT JOIN LATERAL (SELECT pg_catalog.sum(v.pending_estimate)::bigint AS pending_estimate,
        pg_catalog.min(v.oldest_received_at) AS oldest_received_at, pg_catalog.count(v.claim_id) AS open_claims,
        pg_catalog.count(*) FILTER (WHERE v.is_over) AS claims_over,
        coalesce(pg_catalog.sum(v.claimed), 0)::bigint AS claimed,
        pg_catalog.sum(v.retrying)::bigint AS retrying, pg_catalog.sum(v.blocked)::bigint AS blocked,
        pg_catalog.sum(v.events_per_second) AS events_per_second, pg_catalog.min(v.error) AS error
    FROM @extschema@.call_lane_status v
    WHERE v.log OPERATOR(pg_catalog.=) l.events AND v.consumer OPERATOR(pg_catalog.=) 'default') s
    ON NOT l.is_of_changes AND _callhardening.distribution(l.events) IS NULL
LEFT JOIN LATERAL (SELECT pg_catalog.count(*) AS dead FROM _callhardening.dead_events e
    WHERE e.consumer_id OPERATOR(pg_catalog.=) l.log_id) d
    ON NOT l.is_of_changes AND _callhardening.distribution(l.events) IS NULL
WHERE pg_catalog.has_any_column_privilege(l.events::oid, 'SELECT');

COMMENT ON COLUMN @extschema@.call_event_log_status.pending_estimate IS
'events of the default consumer without a worker, estimated. NULL, as are the next columns: it is a log of changes '
'(create_call_changes), without a default consumer, or Citus has distributed the log (error). NULL alone: the log '
'cannot be read (error)';

CREATE OR REPLACE VIEW @extschema@.call_consumers AS
SELECT k.log, k.consumer, k.created_at, k.pending_estimate, k.oldest_event_seq, k.oldest_received_at, k.open_claims,
    k.claims_over, k.retrying, k.blocked, k.dead, k.last_claimed_at, k.behind, k.max_attempts, k.retry_base,
    k.retry_cap, k.max_retrying, k.error, k.first_kept IS NOT NULL
    AND k.first_kept OPERATOR(pg_catalog.=) pg_catalog.min(k.first_kept) OVER (PARTITION BY k.log) AS holds_purges
FROM (
    SELECT l.events AS log, c.name AS consumer, c.created_at, s.pending_estimate, s.oldest_event_seq,
        s.oldest_received_at, CASE WHEN _callhardening.distribution(l.events) IS NULL THEN s.open_claims END
            AS open_claims,
        CASE WHEN _callhardening.distribution(l.events) IS NULL THEN s.claims_over END AS claims_over,
        s.retrying, s.blocked,
        CASE WHEN _callhardening.distribution(l.events) IS NULL THEN d.dead END AS dead, n.last_claimed_at,
        pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) s.oldest_received_at AS behind,
        COALESCE(c.max_attempts, l.max_attempts) AS max_attempts, COALESCE(c.retry_base, l.retry_base) AS retry_base,
        COALESCE(c.retry_cap, l.retry_cap) AS retry_cap, COALESCE(c.max_retrying, l.max_retrying) AS max_retrying,
        s.error, LEAST(s.oldest_event_seq, w.oldest_event_seq, o.last_event_seq) AS first_kept
    FROM _callhardening.logs l JOIN _callhardening.consumers c ON c.log_id OPERATOR(pg_catalog.=) l.log_id
    CROSS JOIN LATERAL (SELECT pg_catalog.sum(v.pending_estimate)::bigint AS pending_estimate,
            pg_catalog.min(v.oldest_event_seq) AS oldest_event_seq,
            pg_catalog.min(v.oldest_received_at) AS oldest_received_at, pg_catalog.count(v.claim_id) AS open_claims,
            pg_catalog.count(*) FILTER (WHERE v.is_over) AS claims_over,
            pg_catalog.sum(v.retrying)::bigint AS retrying, pg_catalog.sum(v.blocked)::bigint AS blocked,
            pg_catalog.min(v.error) AS error
        FROM @extschema@.call_lane_status v -- below 0: no consumer can get these events
        WHERE v.log OPERATOR(pg_catalog.=) l.events AND v.consumer OPERATOR(pg_catalog.=) c.name
            AND v.lane OPERATOR(pg_catalog.>=) 0) s
    CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS dead FROM _callhardening.dead_events e
        WHERE e.consumer_id OPERATOR(pg_catalog.=) c.consumer_id) d
    CROSS JOIN LATERAL (SELECT pg_catalog.min(e.event_seq) AS oldest_event_seq
        FROM _callhardening.retrying_events e WHERE e.consumer_id OPERATOR(pg_catalog.=) c.consumer_id) w
    CROSS JOIN LATERAL (SELECT pg_catalog.min(v.last_event_seq) AS last_event_seq FROM @extschema@.call_open_claims v
        WHERE v.log OPERATOR(pg_catalog.=) l.events AND v.consumer OPERATOR(pg_catalog.=) c.name) o
    CROSS JOIN LATERAL (SELECT pg_catalog.max(r.claimed_at) AS last_claimed_at FROM _callhardening.claims r
        WHERE r.consumer_id OPERATOR(pg_catalog.=) c.consumer_id AND r.claim_id IS NOT NULL) n
    WHERE pg_catalog.has_any_column_privilege(l.events::oid, 'SELECT')) k;

-- Citus: monitoring/event_log_gaps ------------------------------------------------------------

CREATE OR REPLACE FUNCTION _callhardening.log_trigger_gaps() RETURNS SETOF _callhardening.gap
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
SELECT l.events, 'note', 'subscription',
       'a subscription writes to this log: its deletes also take events not yet processed here',
       'Let the publication publish inserts only: ALTER PUBLICATION ... SET (publish = ''insert'').'
FROM logs l WHERE EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = l.events)
$$;

CREATE OR REPLACE FUNCTION _callhardening.log_table_gaps() RETURNS SETOF _callhardening.gap
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


-- Citus: citus/distribution_gaps --------------------------------------------------------------

CREATE FUNCTION _callhardening.distribution_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states() WHERE part = 'stamp'
), shells AS MATERIALIZED (
    SELECT s.relation::regclass AS events, l.log_id,
        EXISTS (SELECT FROM _callhardening.consumers AS c WHERE c.log_id = l.log_id) AS has_lanes
    FROM states AS s LEFT JOIN _callhardening.logs AS l ON l.events = s.relation
    WHERE _callhardening.distribution(s.relation) IS NOT NULL
), shards AS MATERIALIZED (
    SELECT s.* FROM _callhardening.local_shards() AS s WHERE s.shell IN (SELECT relation FROM states)
)
SELECT s.events, 'gap', CASE WHEN s.has_lanes THEN 'distributed_log' ELSE 'log_not_registered' END,
    CASE WHEN s.has_lanes THEN 'Citus has distributed the log: no worker here finds its new events'
        ELSE 'Citus has distributed the log, and it has no row in call_event_logs here: this node ingests nothing' END,
    format('On the coordinator: SELECT * FROM attach_call_shards(%L).', s.events)
FROM shells AS s WHERE s.has_lanes OR s.log_id IS NULL
UNION ALL
SELECT s.events, 'note', 'distributed',
    format('Citus has distributed the log: its events are in %s', coalesce(string_agg(
        format('%s on %s:%s', h.shard, h.node, h.port), ', ' ORDER BY h.shard_id), 'no shard')),
    'Workers and views of its events are on these nodes.'
FROM shells AS s LEFT JOIN LATERAL (SELECT * FROM _callhardening.shards_of(s.events) LIMIT 4) AS h ON true
WHERE s.log_id IS NOT NULL AND NOT s.has_lanes
GROUP BY s.events
UNION ALL
SELECT coalesce(s.relation, s.shell), 'gap', 'shard_not_attached',
    format('this node has shard %s of %s, and the shard is no event log: no worker finds its events', s.shard_id,
        s.shell),
    format('SELECT * FROM attach_call_shards(%L).', s.shell)
FROM shards AS s WHERE NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = s.relation)
UNION ALL
SELECT l.events, 'gap', 'shard_moved_away', format('Citus has moved shard %s to another node: its events are there',
        l.shard_id),
    'SELECT * FROM attach_call_shards(log), with the distributed log.'
FROM _callhardening.logs AS l WHERE NOT _callhardening.is_placed_here(l.shard_id)
$$;

COMMENT ON FUNCTION _callhardening.distribution_gaps() IS
'gaps of event logs that Citus has distributed: shards that no worker reads, and nodes where nothing can be ingested';

-- Citus: monitoring/enforcement ---------------------------------------------------------------

CREATE OR REPLACE FUNCTION _callhardening.enforcement_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH watched AS MATERIALIZED (
    SELECT h.relation FROM _callhardening.hardened_tables() h UNION SELECT l.events FROM _callhardening.logs l
), gaps AS MATERIALIZED (
    SELECT * FROM _callhardening.table_trigger_gaps()
    UNION ALL
    SELECT * FROM _callhardening.change_trigger_gaps()
    UNION ALL
    SELECT * FROM _callhardening.table_column_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_trigger_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_table_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_column_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_calls_gaps()
    UNION ALL
    SELECT * FROM _callhardening.distribution_gaps()
    UNION ALL
    SELECT * FROM _callhardening.replica_gaps()
    UNION ALL
    SELECT * FROM _callhardening.firing_gaps(ARRAY(SELECT relation FROM watched))
)
SELECT * FROM gaps
UNION ALL
SELECT w.relation, 'ok', 'none', 'every row written here passes the rules', NULL
FROM watched w WHERE NOT EXISTS (SELECT FROM gaps g WHERE g.relation = w.relation AND g.level = 'gap')
$$;

COMMENT ON COLUMN @extschema@.call_enforcement.gap IS
'trigger_disabled, trigger_replica_only, trigger_missing, trigger_altered, settings_differ, '
'policy_missing, rule, '
'partition_not_hardened, child_not_hardened, foreign_partition, unique_key_missing, unique_key_invalid, '
'unique_key_deferrable, key_unfit, column_missing, column_type, replica_role; of calls tables with a log also '
'column_not_filled, unique_not_filled, partition_missing; of event logs also log_missing, log_detached, '
'log_not_registered, table_altered, table_unlogged, index_missing, calls_missing, calls_not_hardened, '
'calls_column_missing, carried_column_missing, carried_column_type, sequence_missing, shape_unusable, '
'events_outside_lanes, trigger_not_always, distributed_log, shard_not_attached, shard_moved_away; notes: '
'later_trigger, subscription, row_security, column_not_null, column_short, carried_column_null, call_ids_shared, '
'not_read, default_log, no_default_log, payload_index_missing, distributed; none';

-- Citus: monitoring/health --------------------------------------------------------------------

CREATE FUNCTION _callhardening.elsewhere_health(calls regclass) RETURNS SETOF _callhardening.figure
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT k.figure, NULL::numeric, k.unit, 'warning',
    'not known here: each shard has figures of its own on its node: '
        || coalesce((SELECT string_agg(format('call_health(%L) on %s:%s', s.shard, s.node, s.port), ', '
               ORDER BY s.shard_id) FROM (SELECT * FROM _callhardening.shards_of(calls) LIMIT 4) AS s), 'it has none')
FROM (VALUES ('refused_hour', 'issues'), ('refused_day', 'issues'), ('unknown_words_hour', 'issues'),
    ('unknown_words_day', 'issues'), ('unusable_bodies_hour', 'issues'), ('unusable_bodies_day', 'issues'),
    ('pending', 'events'), ('dead', 'events'), ('oldest_pending', 'seconds'), ('oldest_locked', 'seconds'),
    ('oldest_snapshot', 'seconds'), ('consumer_behind', 'seconds'), ('missing_workers', 'workers'))
    AS k (figure, unit)
$$;

COMMENT ON FUNCTION _callhardening.elsewhere_health(regclass) IS
'the figures of call_health that a distributed table has only on the nodes of its shards: NULL, and where they are';

CREATE OR REPLACE FUNCTION @extschema@.call_health(calls regclass, exact boolean DEFAULT false)
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

-- Citus: monitoring/collectors ----------------------------------------------------------------

CREATE OR REPLACE FUNCTION _callhardening.size_metrics()
    RETURNS TABLE (relation text, kind text, relation_bytes numeric)
    LANGUAGE sql ROWS 8 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    SET citus.override_table_visibility = off
    AS $$
-- The rows of a distributed table are in shards.
SELECT h.root::text, 'calls', sum(CASE WHEN _callhardening.distribution(h.root) IS NULL
    THEN pg_total_relation_size(h.relation) END)
FROM _callhardening.hardened_tables() AS h GROUP BY h.root
UNION ALL
SELECT l.events::text, 'events', CASE WHEN _callhardening.distribution(l.events) IS NULL
    THEN pg_total_relation_size(l.events) END FROM _callhardening.logs AS l
UNION ALL
SELECT '_callhardening', 'bookkeeping', sum(pg_total_relation_size(c.oid)) FROM pg_class AS c
WHERE c.relnamespace = '_callhardening'::regnamespace AND c.relkind = 'r'
$$;


-- Citus: monitoring/check ---------------------------------------------------------------------

CREATE OR REPLACE FUNCTION _callhardening.running_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('enforcement', $check$
    SELECT format('gaps: %s, see call_enforcement (%s)', count(*), string_agg(DISTINCT gap, ', '))
    FROM @extschema@.call_enforcement WHERE level = 'gap' HAVING count(*) > 0
$check$, 'no gap in any hardened table or event log'),
('lanes', $check$
    SELECT string_agg(format('consumer %s of %s has %s of %s lanes', c.name, l.events, n.count, l.lanes), ', '
        ORDER BY c.consumer_id)
    FROM _callhardening.logs AS l JOIN _callhardening.consumers AS c ON c.log_id = l.log_id
    CROSS JOIN LATERAL (SELECT count(*) FROM _callhardening.lanes AS t
        WHERE t.consumer_id = c.consumer_id AND t.lane >= l.first_lane AND t.lane < l.first_lane + l.lanes) AS n
    WHERE n.count <> l.lanes
$check$, 'each consumer of an event log has its lanes'),
('events', $check$
    SELECT string_agg(CASE WHEN n.strays IS NULL THEN format('%s is locked: its events were not looked at', l.events)
        ELSE format('no worker looks for %s events of %s', n.strays + n.unstamped, l.events) END, ', '
        ORDER BY l.log_id)
    FROM _callhardening.logs AS l JOIN pg_class AS c ON c.oid = l.events AND c.relkind = 'r'
    CROSS JOIN LATERAL (SELECT _callhardening.stray_events(l.events, 9223372036854775807::bigint) AS strays,
        _callhardening.unstamped_events(l.events) AS unstamped
        WHERE _callhardening.distribution(l.events) IS NULL) AS n
    WHERE n.strays IS NULL OR n.strays + n.unstamped > 0
$check$, 'workers look into the lane of each pending event'),
('sequences', $check$
    -- Replication, and numbers written by an owner, do not move the sequence.
    SELECT string_agg(format('%s has event %s, and its sequence is behind: SELECT setval(%L, %s)',
        n.events, n.newest, n.sequence, n.newest), ', ' ORDER BY n.log_id)
    FROM (SELECT l.log_id, l.events, coalesce(l.sequence, d.objid)::regclass AS sequence, q.newest
          FROM _callhardening.logs AS l JOIN pg_class AS c ON c.oid = l.events AND c.relkind = 'r'
          JOIN pg_attribute AS a ON a.attrelid = l.events AND a.attname = 'event_seq' AND a.atttypid = 'bigint'::regtype
          LEFT JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
              AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype = 'i'
          CROSS JOIN LATERAL _callhardening.query_as_owner(l.events,
              format('SELECT max(event_seq) FROM ONLY %s', l.events),
              NULL::text[]) AS q (newest bigint)
          -- Each node of Citus has numbers of its own, and a shard has no sequence.
          WHERE _callhardening.distribution(l.events) IS NULL
              AND l.events NOT IN (SELECT h.relation FROM _callhardening.local_shards() AS h
                  WHERE h.relation IS NOT NULL)) AS n
    WHERE n.newest > coalesce(pg_sequence_last_value(n.sequence), 0)
$check$, 'none is behind the newest event of its log'),
('consumers', $check$
    SELECT string_agg(CASE WHEN c.error IS NOT NULL THEN format('consumer %s of %s: %s', c.consumer, c.log, c.error)
        ELSE format('consumer %s of %s has not had events of %s', c.consumer, c.log,
            to_char(c.oldest_received_at, 'YYYY-MM-DD')) END, ', ' ORDER BY c.log::text, c.consumer)
    FROM @extschema@.call_consumers AS c WHERE c.error IS NOT NULL OR c.behind > interval '1 day'
$check$, 'none is a day behind'),
('kept_workers', $check$
    SELECT string_agg(format('%s of %s kept workers of %s run: %s', least(w.running, w.kept), w.kept, w.log,
        coalesce(w.why, w.status)), '; ' ORDER BY w.log::text)
    FROM @extschema@.call_worker_status AS w
    WHERE w.kept IS NOT NULL AND w.launcher <> 'standby' AND w.status <> 'copied'
        AND (w.running < w.kept OR w.why IS NOT NULL)
$check$, 'all kept workers run')
$$;

CREATE OR REPLACE FUNCTION _callhardening.upkeep_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('publications', $check$
    SELECT string_agg(problem, ', ' ORDER BY problem)
    FROM (
        SELECT format('publication %I carries %s: publish calls tables and event logs by name', p.pubname,
            string_agg(p.tablename, ', ' ORDER BY p.tablename)) AS problem
        FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
        WHERE c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass))
        GROUP BY p.pubname
        UNION ALL
        SELECT format('a subscription writes to %s', r.srrelid::regclass) FROM pg_subscription_rel r
        WHERE r.srrelid IN (SELECT _callhardening.member_oids('pg_class'::regclass))) AS p
$check$, 'no publication carries secrets, keys or another table of the extension'),
('autovacuum', $check$
    SELECT string_agg(problem, ', ' ORDER BY problem)
    FROM (
        SELECT 'off in the server' AS problem WHERE NOT current_setting('autovacuum')::boolean
        UNION ALL
        SELECT 'off for ' || c.oid::regclass FROM pg_class c CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS o
        WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean AND (
            c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass))
            OR c.oid IN (SELECT h.relation FROM _callhardening.hardened_tables() AS h)
            OR c.oid IN (SELECT l.events FROM _callhardening.logs AS l))
        UNION ALL
        SELECT 'claims waits for a share of its rows' FROM pg_class c
        WHERE c.oid = '_callhardening.claims'::regclass
            AND NOT coalesce(c.reloptions, '{}') @> '{autovacuum_vacuum_scale_factor=0}') AS p
$check$, 'on, and claims is vacuumed by number of rows'),
('purge', $check$
    SELECT string_agg(format('%s has events of %s: %s', l.events, to_char(o.received, 'YYYY-MM-DD'),
        coalesce(k.advice, 'call purge_call_events')), ', ' ORDER BY l.log_id)
    FROM _callhardening.logs AS l
    CROSS JOIN LATERAL _callhardening.overdue_events(l.events, interval '90 days') AS o (received)
    LEFT JOIN LATERAL (SELECT format('consumer %s has not had them, see call_consumers', c.consumer) AS advice
        FROM @extschema@.call_consumers AS c
        WHERE c.log = l.events AND c.holds_purges AND c.behind > interval '90 days' LIMIT 1) AS k ON true
    WHERE o.received IS NOT NULL AND _callhardening.distribution(l.events) IS NULL
$check$, 'no event is older than 90 days'),
('issues', $check$
    -- A file once full is as large when it is empty.
    SELECT CASE WHEN s.is_full THEN 'call_issues is full, and the oldest rows make room: call purge_call_issues'
                ELSE 'call_issues has rows older than 90 days: call purge_call_issues' END
    FROM (SELECT CASE WHEN pg_relation_size('_callhardening.issues') >= 33554432
                      THEN (SELECT sum(pg_column_size(i)) FROM _callhardening.issues AS i) > 16777216
                          ELSE false END AS is_full,
                 (SELECT min(happened_at) FROM _callhardening.issues) AS oldest) AS s
    WHERE s.is_full OR s.oldest < clock_timestamp() - interval '90 days'
$check$, 'purged')
$$;

-- Citus hides shards in pg_class --------------------------------------------------------------

ALTER FUNCTION _callhardening.require_relation(regclass, text) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.require_table_owner(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.require_calls_table(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.table_leaves(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.has_payload_index(regclass, name) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.add_payload(regclass, name) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.require_auditable(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.qualified_name(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.end_backfill_pass(_callhardening.backfills) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.lock_passed_row(_callhardening.backfills) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.backfill_step(_callhardening.backfills, int)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.end_backfill_batch(regclass, regclass, bigint, bigint, bigint, pg_catalog.tid[], bigint, text)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.report_backfill(regclass, timestamptz) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.require_log_tables(regclass, regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.choose_default_log(int) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.has_event_index(regclass, name[]) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.bury_stamped_events(int, regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.operated_log(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.move_default_log(int) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.configure_shape(int, jsonb) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.configure_consumer(int, name, int, interval, interval, int)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.require_free_names(name, name[], text) SET citus.override_table_visibility = off;
ALTER FUNCTION @extschema@.create_call_event_log(regclass, text, name, int, jsonb)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.row_obstacles(regclass, _callhardening.settings, name[])
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.event_sequence(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.add_event_columns(regclass, text) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.free_relation_name(oid, name, text) SET citus.override_table_visibility = off;
ALTER FUNCTION @extschema@.harden_call_events(regclass, regclass, name, name, name, name, text, name[], int, jsonb)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.warn_of_unprocessed_events(_callhardening.logs)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.warn_of_dropped_consumers(_callhardening.logs)
    SET citus.override_table_visibility = off;
ALTER FUNCTION @extschema@.unharden_call_events(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.create_change_table(regclass, name, int) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.register_changes(regclass, regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.logs_of_changes(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.kept_state(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.bury_unregistered_events(_callhardening.logs)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.move_event_sequence(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.is_attached(regclass, jsonb) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.make_distributable(regclass, regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION @extschema@.create_distributed_call_tables(name, int, int) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.attach_shard(regclass, bigint, regclass, regclass, _callhardening.logs)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.pass_settings(regclass, _callhardening.logs)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.attach_node_shards(regclass, regclass, jsonb)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.hardened_tables() SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.change_trigger_gaps() SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.stray_event_gaps(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.log_column_gaps() SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.log_calls_gaps() SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.table_extent(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.issues_health(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.event_logs_health(regclass) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.worker_metrics() SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.backfill_metrics() SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.overdue_events(regclass, interval) SET citus.override_table_visibility = off;
ALTER FUNCTION @extschema@.check_call_hardening() SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.role_log_needs(text, _callhardening.logs) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.role_needs(text, _callhardening.logs) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.role_object(_callhardening.role_tasks) SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.has_role_privilege(oid, _callhardening.role_tasks, boolean)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.take_role_privilege(oid, _callhardening.role_tasks)
    SET citus.override_table_visibility = off;
ALTER FUNCTION _callhardening.members() SET citus.override_table_visibility = off;

-- all shards of a server ---------------------------------------------------------------------------

CREATE FUNCTION _callhardening.placed_shards() RETURNS SETOF regclass
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT l.events FROM _callhardening.logs AS l
WHERE l.shard_id IS NOT NULL AND _callhardening.is_placed_here(l.shard_id) ORDER BY random()
$$;

COMMENT ON FUNCTION _callhardening.placed_shards() IS
'the attached shards of distributed logs that are on this server';

CREATE FUNCTION _callhardening.process_shard(shard regclass, max_events int) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM @extschema@.process_call_events(max_events, shard, NULL::name);
EXCEPTION WHEN OTHERS THEN
    -- One shard does not stop the others.
    PERFORM _callhardening.report('WARNING'::text, format('events of %s were not processed', shard),
        detail => format('%s (%s)', SQLERRM, SQLSTATE));
END
$$;

COMMENT ON FUNCTION _callhardening.process_shard(regclass, int) IS
'a part of process_node_call_events: an error of one shard is a WARNING';

CREATE PROCEDURE @extschema@.process_node_call_events(max_events int DEFAULT 1000)
    LANGUAGE plpgsql
    AS $$
DECLARE
    shard pg_catalog.regclass;
BEGIN
    IF max_events IS NULL OR NOT max_events OPERATOR(pg_catalog.>=) 1
        OR NOT max_events OPERATOR(pg_catalog.<=) 100000 THEN
        PERFORM _callhardening.raise_error('22023'::pg_catalog.text,
            'max_events must be between 1 and 100000'::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text);
    END IF;
    COMMIT; -- also without a shard: an error inside of a transaction
    FOR shard IN SELECT s FROM _callhardening.placed_shards() AS s LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM _callhardening.process_shard(shard, max_events);
    END LOOP;
END
$$;
REVOKE EXECUTE ON PROCEDURE @extschema@.process_node_call_events(int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'process_node_call_events');

COMMENT ON PROCEDURE @extschema@.process_node_call_events(int) IS
'Processes pending events of all shards on this server, each in a transaction of its own, as
process_call_events does. Call it on each server that has shards, as a statement of its own,
outside of a transaction. If a shard fails, a WARNING comes, and the others go on.
- max_events: of each shard, 1 to 100000
Errors:
- 22023: max_events out of range
- 2D000: inside of a transaction';

CREATE FUNCTION @extschema@.call_worker_pids(log regclass, node boolean) RETURNS SETOF int
    LANGUAGE c STABLE ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_node_worker_pids';
REVOKE EXECUTE ON FUNCTION @extschema@.call_worker_pids(regclass, boolean) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_worker_pids(regclass, boolean) IS
'Returns the process ids of the background workers for all shards of this server.
- log: must be NULL
- node: must be true
Errors:
- 22023: another argument';

CREATE FUNCTION @extschema@.start_call_worker(log regclass, node boolean, max_events int DEFAULT 1000,
        poll interval DEFAULT '200 milliseconds', workers int DEFAULT 1)
    RETURNS int
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_start_node_worker';
REVOKE EXECUTE ON FUNCTION @extschema@.start_call_worker(regclass, boolean, int, interval, int) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.start_call_worker(regclass, boolean, int, interval, int) IS
'Makes background workers run that process the events of all shards on this server, and returns
how many it had to start: start_call_worker(log => NULL, node => true). One is enough for many
shards. A shard that comes later is worked on too, as soon as it is attached. A scheduler may
call the function again and again, on each server that has shards. No launcher keeps these
workers.
- log: must be NULL
- node: must be true
- max_events, poll, workers: as for the worker of a log
Errors:
- 22023: an argument out of range, or a log
- 25006: on a standby
- 28000: the caller has no LOGIN
- 42501: no CONNECT
- 53000: a worker did not come up within 10 seconds (the others stay)
- 53400: callhardening.max_workers is reached, or no background worker slot is left
  (max_worker_processes)';

CREATE FUNCTION @extschema@.stop_call_worker(log regclass, node boolean) RETURNS int
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
    AS $$
SELECT count(*)::int FROM @extschema@.call_worker_pids(log, node) AS pid WHERE pg_terminate_backend(pid, 10000)
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.stop_call_worker(regclass, boolean) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.stop_call_worker(regclass, boolean) IS
'Ends the background workers for all shards of this server, and returns how many have ended. It
waits up to 10 seconds for each.
- log: must be NULL
- node: must be true
Errors:
- 22023: another argument
- 42501: they run as another role (pg_signal_backend allows it)';

-- moving a shard with what is remembered about it ----------------------------------------------------
--
-- Citus moves the rows of a shard. The state of its log is detached before, noted in a table that all servers have, and
-- attached after it. Events are taken all the time. Each step can be repeated.

CREATE FUNCTION _callhardening.moving_table(log regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT format('%I.call_moving', n.nspname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = log
$$;

COMMENT ON FUNCTION _callhardening.moving_table(regclass) IS
'the table of a distributed log with the states of shards that are on their way';

CREATE FUNCTION _callhardening.create_moving_table(schema name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I.call_moving (
        shard_id bigint PRIMARY KEY,
        state jsonb NOT NULL,
        to_host text NOT NULL,
        to_port int NOT NULL,
        noted_at timestamptz NOT NULL DEFAULT now())', schema);
    EXECUTE format('COMMENT ON TABLE %I.call_moving IS
        ''callhardening: shards that move_call_shard has detached and not attached yet, with their states''',
        schema);
    EXECUTE format('SELECT pg_catalog.create_reference_table(%L::regclass)', format('%I.call_moving', schema));
END
$$;

COMMENT ON FUNCTION _callhardening.create_moving_table(name) IS
'a part of create_distributed_call_tables: the table call_moving, the same on each server';

CREATE FUNCTION _callhardening.noted_move(log regclass, shard bigint, OUT state jsonb, OUT to_host text,
        OUT to_port int)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('SELECT m.state, m.to_host, m.to_port FROM %s AS m WHERE m.shard_id = $1',
        _callhardening.moving_table(log)) INTO state, to_host, to_port USING shard;
END
$$;

COMMENT ON FUNCTION _callhardening.noted_move(regclass, bigint) IS
'the state of a shard that is on its way, and where to; NULL: it is not';

CREATE FUNCTION _callhardening.is_this_node(host text, port int) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT EXISTS (SELECT FROM _callhardening.citus_rows('SELECT n.nodeid FROM pg_catalog.pg_dist_node AS n
    JOIN pg_catalog.pg_dist_local_group AS g ON g.groupid = n.groupid
    WHERE n.nodename = ($1)[1] AND n.nodeport = ($1)[2]::int', ARRAY[host, port::text]) AS n (nodeid int))
$$;

COMMENT ON FUNCTION _callhardening.is_this_node(text, int) IS 'whether Citus knows this server by that host and port';

CREATE FUNCTION _callhardening.note_move(log regclass, shard bigint, to_host text, to_port int) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.enable_manual_changes_to_shards = on
    AS $$
DECLARE
    shard_events regclass := (SELECT s.shard::regclass FROM _callhardening.local_shards(log) AS s
        WHERE s.shard_id = note_move.shard);
BEGIN
    IF (_callhardening.noted_move(log, shard)).state IS NOT NULL THEN
        EXECUTE format('UPDATE %s SET to_host = $2, to_port = $3 WHERE shard_id = $1',
            _callhardening.moving_table(log)) USING shard, to_host, to_port;
        RETURN 'was noted';
    END IF;
    -- A shard that is not attached has no state.
    IF NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = shard_events) THEN
        RETURN 'not attached';
    END IF;
    EXECUTE format('INSERT INTO %s (shard_id, state, to_host, to_port) VALUES ($1, $2, $3, $4)',
        _callhardening.moving_table(log))
    USING shard, @extschema@.detach_call_event_log(shard_events), to_host, to_port;
    RETURN 'noted';
END
$$;

COMMENT ON FUNCTION _callhardening.note_move(regclass, bigint, text, int) IS
'the first step of move_call_shard, on the server with the shard: detaches it, and notes its state, in one transaction';

CREATE FUNCTION _callhardening.attach_moved_shard(log regclass, shard bigint, shard_events regclass,
        shard_calls regclass)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    note record := _callhardening.noted_move(log, shard);
    answer text;
BEGIN
    IF note.state IS NULL THEN
        RETURN NULL;
    ELSIF NOT _callhardening.is_this_node(note.to_host, note.to_port) THEN
        RETURN format('on its way to %s:%s', note.to_host, note.to_port);
    END IF;
    EXECUTE format('DELETE FROM %s WHERE shard_id = $1', _callhardening.moving_table(log)) USING shard;
    answer := @extschema@.attach_call_event_log(shard_events, shard_calls, note.state);
    UPDATE _callhardening.shard_logs AS l SET shard_id = shard WHERE l.events = shard_events;
    RETURN answer;
END
$$;

COMMENT ON FUNCTION _callhardening.attach_moved_shard(regclass, bigint, regclass, regclass) IS
'the last step of move_call_shard, on the server that has the shard now: attaches it with the noted state, and deletes '
'the note, in one transaction. NULL: nothing is noted';

CREATE FUNCTION _callhardening.ask_node(host text, port int, statement text) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    answer record;
BEGIN
    SELECT * INTO answer FROM _callhardening.citus_rows('SELECT r.success, r.result
        FROM pg_catalog.master_run_on_worker(ARRAY[($1)[1]], ARRAY[($1)[2]::int], ARRAY[($1)[3]], false) AS r',
        ARRAY[host, port::text, statement]) AS a (success boolean, result text);
    IF NOT answer.success THEN
        PERFORM _callhardening.raise_error('58000', format('node %s:%s did not do its part', host, port),
            detail => answer.result, hint => 'Call move_call_shard again: it goes on where it has stopped.');
    END IF;
    RETURN answer.result;
END
$$;

COMMENT ON FUNCTION _callhardening.ask_node(text, int, text) IS
'runs a statement on one node, in a transaction of its own, and returns its answer. Error: 58000 it has failed';

CREATE FUNCTION _callhardening.shard_place(log regclass, shard bigint, OUT host text, OUT port int)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    SELECT * INTO host, port FROM _callhardening.citus_rows('SELECT n.nodename::text, n.nodeport
        FROM pg_catalog.pg_dist_shard AS s JOIN pg_catalog.pg_dist_placement AS p ON p.shardid = s.shardid
        JOIN pg_catalog.pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole = ''primary''
        WHERE s.logicalrelid = ($1)[1]::oid AND s.shardid = ($1)[2]::bigint', ARRAY[log::oid::text, shard::text])
        AS p (host text, port int);
    IF host IS NULL THEN
        PERFORM _callhardening.raise_error('22023', format('%s has no shard %s', log, shard),
            hint => 'attach_call_shards lists the shards.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.shard_place(regclass, bigint) IS
'the server that has a shard of this distributed log. Error: 22023 there is no such shard';

CREATE FUNCTION _callhardening.begin_shard_move(log regclass, shard bigint, to_host text, to_port int)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    place record;
BEGIN
    PERFORM _callhardening.require_citus('move_call_shard'::text);
    PERFORM _callhardening.require_relation(log, 'log'::text);
    IF shard IS NULL OR to_host IS NULL OR to_port IS NULL THEN
        PERFORM _callhardening.raise_error('22004', 'shard_id, to_host and to_port must not be NULL');
    END IF;
    PERFORM _callhardening.require_table_owner(log);
    IF _callhardening.distribution(log) = 'schema' THEN
        PERFORM _callhardening.raise_error('0A000', format('event log %s moves with its schema', log),
            hint => 'detach_call_event_log on the node of the shard, citus_schema_move on the coordinator, '
                'attach_call_event_log on the new node.');
    END IF;
    place := _callhardening.shard_place(log, shard);
    IF NOT EXISTS (SELECT FROM _callhardening.citus_rows('SELECT n.nodeid FROM pg_catalog.pg_dist_node AS n
        WHERE n.nodename = ($1)[1] AND n.nodeport = ($1)[2]::int AND n.isactive', ARRAY[to_host, to_port::text])
        AS n (nodeid int)) THEN
        PERFORM _callhardening.raise_error('22023', format('there is no active node %s:%s', to_host, to_port),
            hint => 'SELECT nodename, nodeport FROM pg_dist_node lists the nodes.');
    END IF;
    -- A note stays in any case: to move a shard to the server where it is gives it back to that server.
    IF (place.host, place.port) <> (to_host, to_port) OR (_callhardening.noted_move(log, shard)).state IS NOT NULL THEN
        PERFORM _callhardening.ask_node(place.host, place.port,
            format('SELECT _callhardening.note_move(%L::regclass, %s, %L, %s)', log, shard, to_host, to_port));
    END IF;
    RETURN (place.host, place.port) <> (to_host, to_port);
END
$$;

COMMENT ON FUNCTION _callhardening.begin_shard_move(regclass, bigint, text, int) IS
'a part of move_call_shard: detaches the shard on its server. True: Citus has to move it. Its errors are those of '
'move_call_shard';

CREATE FUNCTION _callhardening.move_shard_rows(log regclass, shard bigint, to_host text, to_port int, mode text)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    place record := _callhardening.shard_place(log, shard);
BEGIN
    EXECUTE 'SELECT pg_catalog.citus_move_shard_placement($1, $2, $3, $4, $5,
        $6::text::citus.shard_transfer_mode)'
    USING shard, place.host, place.port, to_host, to_port, mode;
END
$$;

COMMENT ON FUNCTION _callhardening.move_shard_rows(regclass, bigint, text, int, text) IS
'a part of move_call_shard: Citus moves the rows of the shard and of the shards beside it';

CREATE FUNCTION _callhardening.end_shard_move(log regclass, to_host text, to_port int) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT _callhardening.ask_node(to_host, to_port, format('SELECT _callhardening.attach_node_shards(%L::regclass,
    %L::regclass, %L)', log, l.calls, to_jsonb(l) - '{log_id,events,calls,adopted,settled_marks}'::text[]))
FROM _callhardening.logs AS l WHERE l.events = log
$$;

COMMENT ON FUNCTION _callhardening.end_shard_move(regclass, text, int) IS
'a part of move_call_shard: attaches the shard on its new server';

CREATE PROCEDURE @extschema@.move_call_shard(log regclass, shard_id bigint, to_host text, to_port int,
        shard_transfer_mode text DEFAULT 'auto')
    LANGUAGE plpgsql
    AS $$
DECLARE
    moves boolean;
BEGIN
    moves := _callhardening.begin_shard_move(log, shard_id, to_host, to_port);
    COMMIT;
    IF moves THEN
        PERFORM _callhardening.move_shard_rows(log, shard_id, to_host, to_port, shard_transfer_mode);
        COMMIT;
    END IF;
    PERFORM _callhardening.end_shard_move(log, to_host, to_port);
    COMMIT;
END
$$;
REVOKE EXECUTE ON PROCEDURE @extschema@.move_call_shard(regclass, bigint, text, int, text) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'move_call_shard');

COMMENT ON PROCEDURE @extschema@.move_call_shard(regclass, bigint, text, int, text) IS
'Moves a shard of a distributed log, and the calls beside it, to another server, with what is
remembered about it: each event is processed once. Call it on the coordinator, as a statement of
its own, outside of a transaction. Events are taken meanwhile, and processed after the move.
Claims of the shard become unknown, and their events come again. If it fails, call it again: it
goes on where it has stopped. With the server where the shard is, it gives the shard back.
- shard_id: of attach_call_shards
- to_host, to_port: as in pg_dist_node
- shard_transfer_mode: auto, force_logical or block_writes, as for citus_move_shard_placement
Errors:
- 0A000: the log of a distributed schema (citus_schema_move)
- 22004: an argument is NULL
- 22023: no such shard, or no active node with this name
- 2D000: inside of a transaction
- 42501: the caller is not the owner of the tables
- 42P01: no such table
- 55000: this database has no Citus
- 58000: a node did not do its part';

-- figures of all nodes -----------------------------------------------------------------------------
--
-- Each node answers for what is on it. A node that does not answer is a WARNING and a row, and never a zero.

CREATE FUNCTION _callhardening.distributed_name(shard text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce((SELECT s.name FROM _callhardening.citus_rows('SELECT s.logicalrelid::regclass::text
        FROM pg_catalog.pg_dist_shard AS s
        WHERE s.shardid = substring(($1)[1] FROM ''_([0-9]{1,18})"?$'')::bigint
            AND pg_catalog.shard_name(s.logicalrelid, s.shardid) = ($1)[1]', ARRAY[shard]) AS s (name text)), shard)
$$;

COMMENT ON FUNCTION _callhardening.distributed_name(text) IS
'the name of the distributed table of a shard, which is named as in a message; any other name stays as it is';

CREATE FUNCTION _callhardening.node_figures(what text) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    CASE what
        WHEN 'status' THEN
            RETURN (SELECT jsonb_agg(to_jsonb(s) || jsonb_build_object('shard_id', l.shard_id, 'distributed_log',
                    CASE WHEN l.shard_id IS NOT NULL THEN _callhardening.distributed_name(l.events::text) END))
                FROM @extschema@.call_event_log_status AS s JOIN _callhardening.logs AS l ON l.events = s.log
                WHERE _callhardening.is_placed_here(l.shard_id) AND (l.route_column IS NULL OR l.shard_id IS NOT NULL));
        WHEN 'issues' THEN
            RETURN (SELECT jsonb_agg(to_jsonb(i)
                || jsonb_build_object('table_name', _callhardening.distributed_name(i.table_name)))
                FROM @extschema@.call_issues AS i);
        WHEN 'dead_events' THEN
            RETURN (SELECT jsonb_agg(to_jsonb(d)
                || jsonb_build_object('log', _callhardening.distributed_name(l.events::text), 'shard_id', l.shard_id))
                FROM @extschema@.call_dead_events AS d LEFT JOIN _callhardening.logs AS l ON l.log_id = d.log_id
                WHERE _callhardening.is_placed_here(l.shard_id));
        WHEN 'enforcement' THEN
            RETURN (SELECT jsonb_agg(to_jsonb(e)) FROM @extschema@.call_enforcement AS e);
    END CASE;
END
$$;

COMMENT ON FUNCTION _callhardening.node_figures(text) IS
'the rows of this node for a cluster view: status, issues, dead_events or enforcement, as an array; NULL: no row';

CREATE FUNCTION _callhardening.cluster_figures(what text) RETURNS TABLE (node text, figures jsonb, error text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    answer record;
BEGIN
    PERFORM _callhardening.require_citus(format('cluster_call_%s', CASE what WHEN 'status' THEN 'event_log_status'
        ELSE what END));
    FOR answer IN SELECT * FROM _callhardening.ask_nodes(format('SELECT _callhardening.node_figures(%L)', what)) LOOP
        IF answer.error IS NOT NULL THEN
            PERFORM _callhardening.warn_of_silence(answer.node, answer.error);
            RETURN QUERY SELECT answer.node, NULL::jsonb, answer.error;
        END IF;
        RETURN QUERY SELECT answer.node, f.figures, NULL::text
        FROM jsonb_array_elements(nullif(answer.answer, '')::jsonb) AS f (figures);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.cluster_figures(text) IS
'the rows of all nodes for a cluster view. A node that does not answer has a row with its error alone. Error: 55000 no '
'Citus';

CREATE VIEW @extschema@.cluster_call_event_log_status AS
SELECT c.node, f.log, f.distributed_log, f.shard_id, f.calls, f.lanes, f.pending_estimate, f.oldest_received_at,
    f.open_claims, f.claims_over, f.claimed, f.retrying, f.blocked, f.dead, f.events_per_second, f.ignored,
    COALESCE(c.error, f.error) AS error
FROM _callhardening.cluster_figures('status'::text) c
LEFT JOIN LATERAL pg_catalog.jsonb_to_record(c.figures) f (log text, distributed_log text, shard_id bigint, calls text,
    lanes int, pending_estimate bigint, oldest_received_at timestamptz, open_claims bigint, claims_over bigint,
    claimed bigint, retrying bigint, blocked bigint, dead bigint, events_per_second float8, ignored bigint, error text)
    ON true;
REVOKE ALL ON @extschema@.cluster_call_event_log_status FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'cluster_call_event_log_status', 'SELECT'), ('monitor', 'cluster_call_event_log_status', 'SELECT');

COMMENT ON VIEW @extschema@.cluster_call_event_log_status IS
'call_event_log_status of all nodes of a cluster of Citus: each shard, and each log that is not
distributed. A node that does not answer is a WARNING, and a row with its error: its figures are
NULL. So a sum over the nodes is complete only if no row has an error. Error: 55000 without Citus.';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.node IS 'host and port';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.log IS
'the event log or shard, by its name on the node; NULL: the node does not answer, as for all columns but error';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.distributed_log IS
'the distributed log of the shard; NULL: it is none';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.shard_id IS 'the number of the shard; NULL: it is none';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.calls IS 'its calls table, or the shard of it';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.lanes IS
'this and the next columns are those of call_event_log_status';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.pending_estimate IS 'events without a worker, estimated';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.oldest_received_at IS
'when the first pending event was received';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.open_claims IS 'claims of workers';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.claims_over IS 'of these, with an expired lease';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.claimed IS 'events in open claims';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.retrying IS
'failed events with a time for their next attempt';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.blocked IS 'events behind them in the same calls';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.dead IS 'events given up, and events without a call';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.events_per_second IS 'completed';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.ignored IS 'events without a call, by the settings';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.error IS
'why the node did not answer, or the log cannot be read; NULL: all figures are here';

CREATE VIEW @extschema@.cluster_call_issues AS
SELECT c.node, f.happened_at, f.kind, f.table_name, f.call_id, f.old_value, f.new_value, f.event_seq, f.occurrences,
    f.detail, f.role_name, f.application_name, c.error
FROM _callhardening.cluster_figures('issues'::text) c
LEFT JOIN LATERAL pg_catalog.jsonb_to_record(c.figures) f (happened_at timestamptz, kind text, table_name text,
    call_id text, old_value text, new_value text, event_seq bigint, occurrences bigint, detail text, role_name text,
    application_name text) ON true;
REVOKE ALL ON @extschema@.cluster_call_issues FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'cluster_call_issues', 'SELECT'), ('monitor', 'cluster_call_issues', 'SELECT');

COMMENT ON VIEW @extschema@.cluster_call_issues IS
'call_issues of all nodes of a cluster of Citus. A node that does not answer is a WARNING, and a
row with its error. Error: 55000 without Citus.';
COMMENT ON COLUMN @extschema@.cluster_call_issues.node IS 'host and port';
COMMENT ON COLUMN @extschema@.cluster_call_issues.happened_at IS 'this and the next columns are those of call_issues';
COMMENT ON COLUMN @extschema@.cluster_call_issues.kind IS 'what was refused or not understood';
COMMENT ON COLUMN @extschema@.cluster_call_issues.table_name IS
'the calls table or event log; of a shard, the distributed table';
COMMENT ON COLUMN @extschema@.cluster_call_issues.call_id IS 'the call';
COMMENT ON COLUMN @extschema@.cluster_call_issues.old_value IS 'what the row had before';
COMMENT ON COLUMN @extschema@.cluster_call_issues.new_value IS 'the refused value, or the unknown word';
COMMENT ON COLUMN @extschema@.cluster_call_issues.event_seq IS 'the event behind it; NULL: a statement';
COMMENT ON COLUMN @extschema@.cluster_call_issues.occurrences IS '1; or of how many more the row is all there is';
COMMENT ON COLUMN @extschema@.cluster_call_issues.detail IS 'what else is known';
COMMENT ON COLUMN @extschema@.cluster_call_issues.role_name IS 'the role of the session';
COMMENT ON COLUMN @extschema@.cluster_call_issues.application_name IS 'of the session on the node';
COMMENT ON COLUMN @extschema@.cluster_call_issues.error IS 'why the node did not answer; NULL: it did';

CREATE VIEW @extschema@.cluster_call_dead_events AS
SELECT c.node, f.log, f.shard_id, f.consumer, f.event_seq, f.lane, f.call_id, f.attempts, f.sqlstate,
    COALESCE(c.error, f.error) AS error, f.errors, f.died_at, c.error IS NULL AS is_answered
FROM _callhardening.cluster_figures('dead_events'::text) c
LEFT JOIN LATERAL pg_catalog.jsonb_to_record(c.figures) f (log text, shard_id bigint, consumer text, event_seq bigint,
    lane int, call_id text, attempts int, sqlstate text, error text, errors jsonb, died_at timestamptz) ON true;
REVOKE ALL ON @extschema@.cluster_call_dead_events FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'cluster_call_dead_events', 'SELECT'), ('monitor', 'cluster_call_dead_events', 'SELECT');

COMMENT ON VIEW @extschema@.cluster_call_dead_events IS
'call_dead_events of all nodes of a cluster of Citus. A node that does not answer is a WARNING,
and a row with its error. To try an event again, call retry_dead_call_events on its node, for its
shard. Error: 55000 without Citus.';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.node IS 'host and port';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.log IS 'the event log; of a shard, the distributed log';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.shard_id IS 'the number of the shard; NULL: it is none';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.consumer IS
'this and the next columns are those of call_dead_events';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.event_seq IS 'the number of the event in its log';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.lane IS 'below 0: the event has no call';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.call_id IS 'the call';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.attempts IS 'how often it was handed out';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.sqlstate IS 'of the last error';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.error IS 'the last error, or why the node did not answer';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.errors IS 'the last 10 failed attempts';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.died_at IS 'when it was given up';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.is_answered IS
'false: the row is no dead event, but a node that did not answer';

CREATE VIEW @extschema@.cluster_call_enforcement AS
SELECT c.node, f.relation, COALESCE(f.level, 'gap') AS level, COALESCE(f.gap, 'node_silent') AS gap,
    COALESCE(f.detail, 'the node did not answer: ' OPERATOR(pg_catalog.||) c.error) AS detail, f.advice
FROM _callhardening.cluster_figures('enforcement'::text) c
LEFT JOIN LATERAL pg_catalog.jsonb_to_record(c.figures) f (relation text, level text, gap text, detail text,
    advice text) ON true;
REVOKE ALL ON @extschema@.cluster_call_enforcement FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'cluster_call_enforcement', 'SELECT'), ('monitor', 'cluster_call_enforcement', 'SELECT');

COMMENT ON VIEW @extschema@.cluster_call_enforcement IS
'call_enforcement of all nodes of a cluster of Citus. A node that does not answer is a WARNING,
and a gap. Error: 55000 without Citus.';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.node IS 'host and port';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.relation IS
'the table, by its name on the node; NULL: the gap is everywhere';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.level IS 'gap, note or ok';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.gap IS
'the words of call_enforcement; node_silent: the node did not answer, so what is on it is not known';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.detail IS 'what was found';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.advice IS 'what to do about it; NULL: nothing';

-- Citus, one schema for a tenant ------------------------------------------------------------

CREATE VIEW _callhardening.emptied_logs WITH (security_barrier) AS
SELECT l.log_id, l.events, false AS is_emptied FROM _callhardening.my_logs l
WHERE _callhardening.distribution(l.events) IS NOT NULL;

REVOKE ALL ON _callhardening.emptied_logs FROM PUBLIC;

INSERT INTO _callhardening.task_grants VALUES
    ('own', 'emptied_logs', 'SELECT', NULL), ('own', 'emptied_logs', 'UPDATE', '{log_id, events}');

COMMENT ON VIEW _callhardening.emptied_logs IS
'the distributed logs of the caller''s tables: attach_call_shards sets is_emptied, so that only the settings stay';

CREATE FUNCTION _callhardening.empty_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT NEW.is_emptied OR NOT EXISTS (SELECT FROM _callhardening.consumers AS c WHERE c.log_id = OLD.log_id) THEN
        RETURN NEW;
    END IF;
    PERFORM _callhardening.forget_consumers(OLD.log_id, ARRAY[OLD.log_id]);
    UPDATE _callhardening.logs SET first_lane = 0, adopted = NULL, settled_marks = '{}', notify = false
    WHERE log_id = OLD.log_id;
    RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION _callhardening.empty_log() FROM PUBLIC;

CREATE TRIGGER empty_log INSTEAD OF UPDATE ON _callhardening.emptied_logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.empty_log();

COMMENT ON FUNCTION _callhardening.empty_log() IS
'trigger function: forgets lanes, claims, retrying and dead events of a log that has no events here any more';

CREATE FUNCTION _callhardening.mark_shards() RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
UPDATE _callhardening.logs AS l SET shard_id = s.shard_id, is_default = NULL
FROM _callhardening.local_shards() AS s WHERE l.events = s.relation AND l.shard_id IS NULL
$$;

REVOKE EXECUTE ON FUNCTION _callhardening.mark_shards() FROM PUBLIC;

INSERT INTO _callhardening.task_grants VALUES ('own', 'mark_shards');

COMMENT ON FUNCTION _callhardening.mark_shards() IS
'writes down which logs are shards, by the catalogs of Citus. A shard is never the default log';

CREATE FUNCTION _callhardening.number_shard(shard regclass, shell regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    numbered name;
BEGIN
    FOR numbered IN SELECT a.attname FROM pg_attribute AS a JOIN pg_attribute AS s ON s.attname = a.attname
        WHERE a.attrelid = shell AND a.attidentity <> '' AND s.attrelid = shard AND NOT s.atthasdef
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT nextval(%L::regclass)', shard, numbered,
            pg_get_serial_sequence(shell::text, numbered));
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.number_shard(regclass, regclass) IS
'gives the identity columns of a distributed table a default in a shard. Citus leaves it out, and each node has '
'numbers of its own';

CREATE FUNCTION _callhardening.require_attachable_shards(log _callhardening.logs) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF log.sequence IS NOT NULL OR log.carry <> '{}' THEN
        PERFORM _callhardening.raise_error('0A000',
            format('event log %s was made of an existing table, and its shards cannot be attached', log.events),
            hint => 'Undistribute the schema. Create a log with create_call_event_log, and distribute it again.');
    ELSIF log.other_consumers <> '{}' THEN
        PERFORM _callhardening.raise_error('0A000', format('event log %s has consumers', log.events),
            detail => 'Each shard has consumers of its own.',
            hint => 'Undistribute the schema, and drop the consumers (drop_call_consumer). After attach_call_shards '
                'create them again for the shards.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_attachable_shards(_callhardening.logs) IS
'a part of attach_call_shards: refuses (0A000) a log made by harden_call_events, and one with further consumers';

-- the members as installed ---------------------------------------------------------------------

DELETE FROM _callhardening.installed_members;
INSERT INTO _callhardening.installed_members SELECT * FROM _callhardening.members();
