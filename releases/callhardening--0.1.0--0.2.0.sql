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
    IF cardinality(others) < 2 AND NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.is_default) THEN
        UPDATE _callhardening.logs AS l SET is_default = true WHERE l.log_id = coalesce(others[1], newcomer);
    END IF;
    RETURN (SELECT l.events FROM _callhardening.logs AS l WHERE l.is_default);
EXCEPTION WHEN unique_violation THEN
    RETURN (SELECT l.events FROM _callhardening.logs AS l WHERE l.is_default);
END
$$;

CREATE OR REPLACE FUNCTION _callhardening.follow_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    chosen regclass;
    gone int[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        gone := OLD.log_id || ARRAY(SELECT c.consumer_id FROM _callhardening.consumers AS c
            WHERE c.log_id = OLD.log_id);
        DELETE FROM _callhardening.consumers WHERE log_id = OLD.log_id;
        DELETE FROM _callhardening.lanes WHERE consumer_id = ANY (gone);
        DELETE FROM _callhardening.claims WHERE consumer_id = ANY (gone);
        DELETE FROM _callhardening.retrying_events WHERE consumer_id = ANY (gone);
        DELETE FROM _callhardening.dead_events WHERE consumer_id = ANY (gone);
        PERFORM _callhardening.drop_counts(OLD.events, gone);
        DELETE FROM _callhardening.purges WHERE log_id = ANY (gone);
        DELETE FROM _callhardening.purge_leftovers WHERE log_id = OLD.log_id;
        PERFORM _callhardening.forget_workers_of(gone);
        PERFORM _callhardening.choose_default_log(NULL::int);
    ELSIF NEW.system_identifier <> 0 THEN
        -- A DROP in REPEATABLE READ does not see the row of a log made after its snapshot.
        DELETE FROM _callhardening.logs AS l
        WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = l.events);
        IF NEW.is_of_changes THEN -- it is never the default, and has no consumer of its own
            RETURN NULL;
        END IF;
        INSERT INTO _callhardening.consumers (consumer_id, log_id, name) VALUES (NEW.log_id, NEW.log_id, 'default');
        INSERT INTO _callhardening.lanes SELECT NEW.log_id, lane FROM generate_series(0, NEW.lanes - 1) AS lane;
        IF NEW.shard_id IS NOT NULL THEN -- the distributed log may be the default
            RETURN NULL;
        END IF;
        chosen := _callhardening.choose_default_log(NEW.log_id);
        IF chosen IS DISTINCT FROM NEW.events THEN
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

CREATE OR REPLACE FUNCTION @extschema@.register_call_event_log(events regclass, calls regclass, provider text DEFAULT 'dialpad',
        lanes int DEFAULT 64, shape jsonb DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
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

CREATE OR REPLACE FUNCTION _callhardening.log_table_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
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
FROM logs l CROSS JOIN LATERAL _callhardening.stray_event_gaps(l.events) AS s WHERE l.relkind = 'r'
$$;

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
    PERFORM _callhardening.require_free_names(schema, '{calls,call_events}'::name[], 'Name another schema.'::text);
    PERFORM _callhardening.require_valid_log_settings('dialpad'::text, NULL::jsonb, lanes);
    calls := _callhardening.create_calls_table(schema, 'dialpad'::text);
    events := _callhardening.create_event_table(schema, 'call_events'::name);
    PERFORM _callhardening.make_distributable(calls, events);
    PERFORM _callhardening.add_merge_columns(calls);
    PERFORM _callhardening.create_event_triggers(events, ARRAY['payload', 'dialpad', lanes::text, 'bigint']);
    PERFORM _callhardening.distribute_call_tables(calls, events, shard_count);
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
create_call_tables for Dialpad, without the column id, and with the column call_key. Call
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
    SELECT e.shardid, pg_catalog.shard_name(e.logicalrelid, e.shardid), pg_catalog.shard_name(c.logicalrelid, c.shardid)
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

-- A log that takes signed bodies only does so on every server, before its secrets are there.
CREATE VIEW _callhardening.signed_logs WITH (security_barrier) AS
SELECT l.log_id, l.events, false AS signed FROM _callhardening.my_logs l;
REVOKE ALL ON _callhardening.signed_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'signed_logs', 'SELECT', NULL), ('own', 'signed_logs', 'UPDATE', '{log_id, events}');

COMMENT ON VIEW _callhardening.signed_logs IS
'the logs of the caller''s tables: attach_call_shards sets signed, so that the log takes signed bodies only';

CREATE FUNCTION _callhardening.sign_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE _callhardening.logs AS l SET signed = true WHERE l.log_id = OLD.log_id AND NEW.signed AND NOT l.signed;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.sign_log() FROM PUBLIC;
CREATE TRIGGER sign_log INSTEAD OF UPDATE ON _callhardening.signed_logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.sign_log();

COMMENT ON FUNCTION _callhardening.sign_log() IS
'trigger function: lets a log take signed bodies only, for an owner without the right to do it';

CREATE FUNCTION _callhardening.attach_shard(shard bigint, shard_events regclass, shard_calls regclass,
        settings _callhardening.logs)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log int;
BEGIN
    IF EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = shard_events) THEN
        RETURN 'was attached';
    END IF;
    INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, shape, route_column, shard_id)
    VALUES (shard_events, shard_calls, settings.provider, settings.lanes, settings.shape, settings.route_column, shard)
    RETURNING log_id INTO log;
    PERFORM _callhardening.bury_stamped_events(log, shard_events);
    RETURN 'attached';
END
$$;

COMMENT ON FUNCTION _callhardening.attach_shard(bigint, regclass, regclass, _callhardening.logs) IS
'makes a shard of a distributed log an event log of this server; all of its events are delivered from the beginning';

CREATE FUNCTION _callhardening.pass_settings(events regclass, settings _callhardening.logs) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
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

CREATE FUNCTION _callhardening.attach_node_shards(events regclass, calls regclass, settings jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
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
    UPDATE _callhardening.signed_logs AS l SET signed = true
    WHERE l.events = attach_node_shards.events AND given.signed;
    FOR place IN SELECT * FROM _callhardening.local_shards(events) LOOP
        answer := answer || jsonb_build_object('shard_id', place.shard_id, 'result', _callhardening.attach_shard(
            place.shard_id, place.shard::regclass, place.calls_shard::regclass, given));
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

CREATE FUNCTION @extschema@.attach_call_shards(log regclass) RETURNS TABLE (shard_id bigint, node text, result text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    known _callhardening.logs;
    answer record;
BEGIN
    PERFORM _callhardening.require_citus('attach_call_shards'::text);
    PERFORM _callhardening.require_relation(log, 'log'::text);
    SELECT * INTO known FROM _callhardening.logs AS l WHERE l.events = log AND l.route_column IS NOT NULL
        AND l.shard_id IS NULL;
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('%s is not a distributed log of this server', log),
            HINT = 'Create one with create_distributed_call_tables, and name it on the same server.';
    END IF;
    PERFORM _callhardening.require_table_owner(log);
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
settings of the log on to all servers. Returns a row for each shard. Call it after the creation,
and let a scheduler call it: it does nothing where nothing is to do. After a move, a split or a
restore by other means than move_call_shard, all events of a shard that are not purged are
delivered once more. A node that does not answer is a WARNING and a row without a shard.
- log: the distributed log; name it on the server where it was created or configured
- node: host and port
- result: attached, was attached, moved away (from this node), or an error
Errors:
- 22004: log is NULL
- 42501: the caller is not the owner of the tables
- 42P01: no such table
- 55000: this database has no Citus, or it is no distributed log';

-- ingest/partition ----------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_event_partition(body bytea, partitions int, provider text DEFAULT 'dialpad',
        key_type text DEFAULT 'bigint')
    RETURNS int
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_event_partition';

COMMENT ON FUNCTION @extschema@.call_event_partition(bytea, int, text, text) IS
'Returns the partition of a webhook body, 0 to partitions - 1, for a router in front of several
databases. All bodies of a call have one partition. A body without a call id goes by its bytes,
so a redelivery finds the first one. Any body has a partition: JSON, a form, a signed body (its
signature is not verified), broken bytes. Of a body with several calls, the first one counts. The
hash never changes, in no version and on no server. With twice the partitions, a body stays, or
its number grows by partitions. Returns NULL if an argument is NULL.
- partitions: 1 to 65536
- provider: as call_providers() spells it; its shape says where the call id is
- key_type: of the calls tables: bigint for whole numbers, else text. With bigint, 00123 and 123
  are one call
Errors:
- 22023: partitions is out of range, an unknown provider, one without a shape, another key_type
- 53200: no memory';

-- the members as installed ---------------------------------------------------------------------

DELETE FROM _callhardening.installed_members;
INSERT INTO _callhardening.installed_members SELECT * FROM _callhardening.members();
