
-- moving a shard with what is remembered about it ----------------------------------------------------
--
-- Citus moves the rows of a shard. The state of its log is detached before, noted in a table that all servers have, and
-- attached after it. Events are taken all the time. Each step can be repeated.

CREATE FUNCTION _callhardening.moving_table(log regclass) RETURNS regclass
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT c.oid::regclass FROM pg_class AS l JOIN pg_class AS c ON c.relnamespace = l.relnamespace
WHERE l.oid = log AND c.relname = 'call_moving' AND c.relkind = 'r' AND c.relowner = l.relowner
    AND _callhardening.distribution(c.oid) = 'reference'
    AND 4 = (SELECT count(*) FROM pg_attribute AS a WHERE a.attrelid = c.oid AND (a.attname, a.atttypid) IN (
        ('shard_id', 'bigint'::regtype), ('state', 'jsonb'::regtype), ('to_host', 'text'::regtype),
        ('to_port', 'int'::regtype)))
$$;

COMMENT ON FUNCTION _callhardening.moving_table(regclass) IS
'the table of a distributed log with the states of shards that are on their way; NULL: it has none. Read and written '
'as its owner, since he may have altered it';

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
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    moving regclass := _callhardening.moving_table(log);
BEGIN
    IF moving IS NOT NULL AND (SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class AS c WHERE c.oid = moving)
        AND has_function_privilege('_callhardening.query_as_owner(regclass, text, text[])', 'EXECUTE') THEN
        SELECT m.* INTO state, to_host, to_port FROM _callhardening.query_as_owner(moving,
            format('SELECT m.state, m.to_host, m.to_port FROM %s AS m WHERE m.shard_id = %s', moving, shard),
            NULL::text[]) AS m (state jsonb, to_host text, to_port int);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.noted_move(regclass, bigint) IS
'the state of a shard that is on its way, and where to; NULL: it is not, or the caller has not the rights of the owner';

CREATE FUNCTION _callhardening.required_moving_table(log regclass) RETURNS regclass
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    moving regclass := _callhardening.moving_table(log);
BEGIN
    IF moving IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('event log %s has no table call_moving', log),
            detail => 'It has the states of shards that are on their way. A table of this name is one only as a '
                'reference table of the owner of the log.',
            hint => 'If the log was given to another owner, give call_moving to him too: ALTER TABLE ... OWNER TO.');
    END IF;
    RETURN moving;
END
$$;

COMMENT ON FUNCTION _callhardening.required_moving_table(regclass) IS 'moving_table. Error: 55000 the log has none';

-- With values, and no arguments: Citus 13.2 crashes where an UPDATE of a reference table has $1[1].
CREATE FUNCTION _callhardening.write_move(log regclass, words text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    moving regclass := _callhardening.required_moving_table(log);
BEGIN
    PERFORM _callhardening.write_as_owner(moving, format(words[1], VARIADIC moving::text || words[2:]), NULL::text[]);
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.write_move(regclass, text[]) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'write_move');

COMMENT ON FUNCTION _callhardening.write_move(regclass, text[]) IS
'a part of move_call_shard: writes to call_moving as its owner. words: a format and its arguments, of which the table '
'is the first';

CREATE FUNCTION _callhardening.forget_move(log regclass, shard bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF (_callhardening.noted_move(log, shard)).state IS NOT NULL THEN
        PERFORM _callhardening.write_move(log, ARRAY['DELETE FROM %s WHERE shard_id = %s', shard::text]);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.forget_move(regclass, bigint) IS
'a part of attach_call_event_log: a shard that is attached is not on its way. log: NULL: the table is no shard';

CREATE FUNCTION _callhardening.is_this_node(host text, port int) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT EXISTS (SELECT FROM _callhardening.citus_rows('SELECT n.nodeid FROM pg_catalog.pg_dist_node AS n
    JOIN pg_catalog.pg_dist_local_group AS g ON g.groupid = n.groupid
    WHERE n.nodename = ($1)[1] AND n.nodeport = ($1)[2]::int', ARRAY[host, port::text]) AS n (nodeid int))
$$;

COMMENT ON FUNCTION _callhardening.is_this_node(text, int) IS 'whether Citus knows this server by that host and port';

CREATE FUNCTION _callhardening.hold_shard(events regclass, calls regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    shell regclass := _callhardening.shell_of(events);
    number bigint := _callhardening.shard_of(events);
    note record;
    beside regclass;
BEGIN
    PERFORM _callhardening.require_no_split_shard(events);
    PERFORM _callhardening.lock_distributed_log(shell);
    PERFORM _callhardening.hold_placed(events);
    note := _callhardening.noted_move(shell, number);
    beside := (SELECT s.calls_shard::regclass FROM _callhardening.local_shards(shell) AS s WHERE s.shard_id = number);
    IF note.state IS NOT NULL AND NOT _callhardening.is_this_node(note.to_host, note.to_port) THEN
        PERFORM _callhardening.raise_error('55000', format('shard %s is on its way to %s:%s', events, note.to_host,
            note.to_port), hint => (SELECT format('On the coordinator: CALL move_call_shard(%L, %s, %L, %s) gives it '
                'back.', shell, number, p.host, p.port) FROM _callhardening.place_of_shard(number) AS p));
    ELSIF beside <> calls THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is not the shard of calls beside %s', calls,
            events), hint => format('The calls of its events are in %s.', beside));
    END IF;
    PERFORM _callhardening.number_shard(calls, _callhardening.shell_of(calls));
END
$$;

COMMENT ON FUNCTION _callhardening.hold_shard(regclass, regclass) IS
'a part of attach_call_event_log: keeps a shard from moves, by Citus and by move_call_shard. Does nothing for another '
'table. Errors: 55000 it is on its way to another server or there, Citus has split it, or calls is not the table '
'of its calls';

CREATE FUNCTION _callhardening.note_move(log regclass, shard bigint, to_host text, to_port int) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.enable_manual_changes_to_shards = on
    AS $$
DECLARE
    shard_events regclass := (SELECT s.shard::regclass FROM _callhardening.local_shards(log) AS s
        WHERE s.shard_id = note_move.shard);
BEGIN
    PERFORM _callhardening.lock_distributed_log(log);
    IF NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = shard_events) THEN
        PERFORM _callhardening.write_move(log, ARRAY['UPDATE %s SET to_host = %L, to_port = %s WHERE shard_id = %s',
            to_host, to_port::text, shard::text]);
        RETURN CASE WHEN (_callhardening.noted_move(log, shard)).state IS NULL THEN 'not attached' ELSE 'was noted' END;
    END IF;
    PERFORM _callhardening.write_move(log, ARRAY['INSERT INTO %s (shard_id, state, to_host, to_port)
        VALUES (%s, %L, %L, %s)', shard::text, @extschema@.detach_call_event_log(shard_events)::text, to_host,
        to_port::text]);
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
BEGIN
    IF EXISTS (SELECT FROM pg_class AS l JOIN pg_class AS c ON c.relnamespace = l.relnamespace
        WHERE l.oid = log AND c.relname = 'call_moving' AND c.relkind IN ('r', 'p')) THEN
        PERFORM _callhardening.required_moving_table(log); -- a state that cannot be read is not forgotten
    END IF;
    IF note.state IS NULL THEN
        RETURN NULL;
    ELSIF NOT _callhardening.is_this_node(note.to_host, note.to_port) THEN
        RETURN format('on its way to %s:%s', note.to_host, note.to_port);
    END IF;
    RETURN @extschema@.attach_call_event_log(shard_events, shard_calls, note.state);
END
$$;

COMMENT ON FUNCTION _callhardening.attach_moved_shard(regclass, bigint, regclass, regclass) IS
'the last step of move_call_shard, on the server that has the shard now: attaches it with the noted state, and deletes '
'the note, in one transaction. NULL: nothing is noted';

CREATE FUNCTION _callhardening.shard_place(log regclass, shard bigint, OUT host text, OUT port int)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    SELECT p.host, p.port INTO host, port FROM _callhardening.place_of_shard(shard) AS p WHERE p.relation = log;
    IF host IS NULL THEN
        PERFORM _callhardening.raise_error('22023', format('%s has no shard %s', log, shard),
            hint => 'attach_call_shards lists the shards.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.shard_place(regclass, bigint) IS
'the server that has a shard of this distributed log. Error: 22023 there is no such shard';

CREATE FUNCTION _callhardening.require_target(to_host text, to_port int, log regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    target record;
BEGIN
    SELECT * INTO target FROM _callhardening.citus_rows('SELECT n.shouldhaveshards, EXISTS (
            SELECT FROM pg_catalog.pg_dist_shard AS s JOIN pg_catalog.pg_dist_placement AS p ON p.shardid = s.shardid
            WHERE s.logicalrelid = ($1)[3]::oid AND p.groupid = n.groupid)
        FROM pg_catalog.pg_dist_node AS n
        WHERE n.nodename = ($1)[1] AND n.nodeport = ($1)[2]::int AND n.isactive',
        ARRAY[to_host, to_port::text, _callhardening.required_moving_table(log)::oid::text])
        AS n (takes_shards boolean, has_references boolean);
    IF NOT FOUND THEN
        PERFORM _callhardening.raise_error('22023', format('there is no active node %s:%s', to_host, to_port),
            hint => 'SELECT nodename, nodeport FROM pg_dist_node lists the nodes.');
    ELSIF NOT target.takes_shards THEN
        PERFORM _callhardening.raise_error('55000', format('node %s:%s takes no shards', to_host, to_port),
            hint => format('SELECT citus_set_node_property(%L, %s, ''shouldhaveshards'', true).', to_host, to_port));
    ELSIF NOT target.has_references THEN
        PERFORM _callhardening.raise_error('55000', format('node %s:%s has not the reference tables yet', to_host,
            to_port), hint => 'SELECT replicate_reference_tables().');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_target(text, int, regclass) IS
'a part of move_call_shard: refuses a node that Citus would refuse after the shard is on its way: 22023 no such node, '
'55000 it takes no shards, or has no reference tables';

CREATE FUNCTION _callhardening.require_part(shard bigint, error text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF error IS NOT NULL THEN
        PERFORM _callhardening.raise_error('58000', format('the node of shard %s did not do its part', shard),
            detail => error, hint => 'Call move_call_shard again: it goes on where it has stopped.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_part(bigint, text) IS
'a part of move_call_shard. Error: 58000 a node has failed';

-- Two sessions would take a shard out of each other's hands, and Citus would move one that is in use.
CREATE FUNCTION _callhardening.lock_shard_move(shard bigint) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT pg_advisory_xact_lock('_callhardening.left_shards'::regclass::oid::int, hashint8(shard))
$$;

COMMENT ON FUNCTION _callhardening.lock_shard_move(bigint) IS
'a part of move_call_shard, on the coordinator: waits for a step of another session that moves this shard';

CREATE FUNCTION _callhardening.begin_shard_move(log regclass, shard bigint, to_host text, to_port int, mode text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    place record;
    note text;
    fault text;
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
    PERFORM _callhardening.lock_shard_move(shard);
    place := _callhardening.shard_place(log, shard);
    PERFORM _callhardening.require_target(to_host, to_port, log);
    -- Whatever fails later leaves the shard on its way.
    IF mode IS NULL OR mode NOT IN ('auto', 'force_logical', 'block_writes') THEN
        PERFORM _callhardening.raise_error('22023',
            'shard_transfer_mode must be auto, force_logical or block_writes');
    ELSIF NOT EXISTS (SELECT FROM _callhardening.citus_rows('SELECT g.groupid FROM pg_catalog.pg_dist_local_group AS g
        WHERE g.groupid = 0', NULL) AS g (groupid int)) THEN
        PERFORM _callhardening.raise_error('55000', 'move_call_shard was not called on the coordinator',
            hint => 'SELECT nodename, nodeport FROM pg_dist_node WHERE groupid = 0 names it.');
    END IF;
    -- A note stays in any case: to move a shard to the server where it is gives it back to that server.
    IF (place.host, place.port) <> (to_host, to_port) OR (_callhardening.noted_move(log, shard)).state IS NOT NULL THEN
        SELECT a.* INTO note, fault FROM _callhardening.ask_node(place.host, place.port,
            format('SELECT _callhardening.note_move(%L::regclass, %s, %L, %s)', log, shard, to_host, to_port)) AS a;
        PERFORM _callhardening.require_part(shard, fault);
    END IF;
    RETURN note;
END
$$;

COMMENT ON FUNCTION _callhardening.begin_shard_move(regclass, bigint, text, int, text) IS
'a part of move_call_shard: detaches the shard on its server. Returns what note_move says there; NULL: the shard is '
'where it should be. Its errors are those of move_call_shard';

CREATE FUNCTION _callhardening.move_shard_rows(log regclass, shard bigint, to_host text, to_port int, mode text,
        note text)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    place record;
    noted record;
BEGIN
    PERFORM _callhardening.lock_shard_move(shard);
    place := _callhardening.shard_place(log, shard);
    noted := _callhardening.noted_move(log, shard);
    IF (place.host, place.port) = (to_host, to_port) THEN
        RETURN;
    ELSIF (CASE note WHEN 'not attached' THEN noted.state IS NOT NULL
        ELSE (noted.to_host, noted.to_port) IS DISTINCT FROM (to_host, to_port) END) THEN
        PERFORM _callhardening.raise_error('55000', format('shard %s is not on its way to %s:%s any more', shard,
            to_host, to_port), detail => 'Another session has attached it, or moves it to another server.',
            hint => 'Call move_call_shard again.');
    END IF;
    -- A literal: an owner without USAGE on the schema citus cannot name the type of the mode.
    EXECUTE format('SELECT pg_catalog.citus_move_shard_placement($1, $2, $3, $4, $5, %L)', mode)
    USING shard, place.host, place.port, to_host, to_port;
END
$$;

COMMENT ON FUNCTION _callhardening.move_shard_rows(regclass, bigint, text, int, text, text) IS
'a part of move_call_shard: Citus moves the rows of the shard and of the shards beside it. note: what begin_shard_move '
'has returned. Error: 55000 the shard is not on its way any more';

CREATE FUNCTION _callhardening.end_shard_move(log regclass, shard bigint) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT _callhardening.require_part(shard, CASE
    WHEN count(*) = 0 THEN 'It did not answer.'
    WHEN NOT bool_or(a.result IN ('attached', 'was attached', 'detached')) THEN min(a.result) END)
FROM @extschema@.attach_call_shards(log) AS a WHERE a.shard_id = shard AND a.result <> 'moved away'
$$;

COMMENT ON FUNCTION _callhardening.end_shard_move(regclass, bigint) IS
'a part of move_call_shard: attaches the shard on its new server. One that its owner has detached stays so. Error: '
'58000 it is not attached';

CREATE PROCEDURE @extschema@.move_call_shard(log regclass, shard_id bigint, to_host text, to_port int,
        shard_transfer_mode text DEFAULT 'auto')
    LANGUAGE plpgsql
    AS $$
DECLARE
    note text;
BEGIN
    note := _callhardening.begin_shard_move(log, shard_id, to_host, to_port, shard_transfer_mode);
    COMMIT;
    PERFORM _callhardening.move_shard_rows(log, shard_id, to_host, to_port, shard_transfer_mode, note);
    COMMIT;
    PERFORM _callhardening.end_shard_move(log, shard_id);
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
goes on where it has stopped. With the server where the shard is, it gives the shard back. The
owner of the tables needs LOGIN: Citus connects the servers as this role.
- shard_id: of attach_call_shards
- to_host, to_port: as in pg_dist_node
- shard_transfer_mode: auto, force_logical or block_writes, as for citus_move_shard_placement
Errors:
- 0A000: the log of a distributed schema (citus_schema_move)
- 22004: an argument is NULL
- 22023: no such shard, no active node with this name, or no such mode
- 2D000: inside of a transaction
- 42501: the caller is not the owner of the tables
- 42P01: no such table
- 55000: this database has no Citus, this server is not the coordinator, or the node cannot
  take the shard
- 58000: a node did not do its part';
