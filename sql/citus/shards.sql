
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

CREATE FUNCTION _callhardening.place_of_shard(shard bigint, OUT relation regclass, OUT host text, OUT port int)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT p.* FROM _callhardening.citus_rows('SELECT s.logicalrelid, n.nodename::text, n.nodeport
    FROM pg_catalog.pg_dist_shard AS s
    LEFT JOIN pg_catalog.pg_dist_placement AS p ON p.shardid = s.shardid
    LEFT JOIN pg_catalog.pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole = ''primary''
    WHERE s.shardid = ($1)[1]::bigint ORDER BY n.nodeid LIMIT 1', ARRAY[shard::text])
    AS p (relation regclass, host text, port int)
$$;

COMMENT ON FUNCTION _callhardening.place_of_shard(bigint) IS
'the distributed table of a shard, and the server that has it; NULL: not known';

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

CREATE FUNCTION _callhardening.ask_node(host text, port int, statement text, OUT answer text, OUT error text)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN a.success THEN a.result END, CASE WHEN NOT a.success THEN a.result END
FROM _callhardening.citus_rows('SELECT r.success, r.result
    FROM pg_catalog.master_run_on_worker(ARRAY[($1)[1]], ARRAY[($1)[2]::int], ARRAY[($1)[3]], false) AS r',
    ARRAY[host, port::text, statement]) AS a (success boolean, result text)
$$;

COMMENT ON FUNCTION _callhardening.ask_node(text, int, text) IS
'what a node answers to a statement with one row and one column, in a transaction of its own, run as the caller; '
'error: why it does not';

-- A node that does not answer has a row with its error. So has one that Citus does not ask, as it is disabled.
CREATE FUNCTION _callhardening.ask_nodes(statement text, warns boolean)
    RETURNS TABLE (node text, answer text, error text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    FOR node, answer, error IN SELECT * FROM _callhardening.citus_rows('
        SELECT n.nodename || '':'' || n.nodeport, CASE WHEN a.success THEN a.result END,
            CASE WHEN a.success IS NULL THEN ''the node is disabled'' WHEN NOT a.success THEN a.result END
        FROM pg_catalog.pg_dist_node AS n
        LEFT JOIN pg_catalog.run_command_on_all_nodes(($1)[1]) AS a ON a.nodeid = n.nodeid
        WHERE n.noderole = ''primary''
        UNION ALL
        SELECT ''coordinator'', NULL,
            ''no node knows it: SELECT citus_set_coordinator_host(host, port) on the coordinator''
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_dist_node WHERE groupid = 0)
            AND EXISTS (SELECT FROM pg_catalog.pg_dist_node) ORDER BY 1', ARRAY[statement])
        AS a (node text, answer text, error text)
    LOOP
        IF error IS NOT NULL AND warns THEN
            PERFORM _callhardening.report('WARNING'::text, format('node %s did not answer', node), detail => error,
                hint => 'What is on this node is not known.'::text);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.ask_nodes(text, boolean) IS
'what each node of the cluster answers to a statement with one row and one column, run as the caller; error: it does '
'not answer. warns: with a WARNING for such a node. No row: this is no cluster';

-- What a server is told about a shard, or a distributed log, by another server.
CREATE VIEW _callhardening.shard_logs WITH (security_barrier) AS
SELECT l.log_id, l.events, false AS signed, false AS has_new_shards FROM _callhardening.my_logs l;
REVOKE ALL ON _callhardening.shard_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'shard_logs', 'SELECT', NULL), ('own', 'shard_logs', 'UPDATE', '{log_id, events}');

COMMENT ON VIEW _callhardening.shard_logs IS
'the logs of the caller''s tables: attach_call_shards sets signed, so that the log takes signed bodies only, before '
'its secrets are here, and has_new_shards, so that roles get their rights on them';

CREATE FUNCTION _callhardening.set_shard_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE _callhardening.logs AS l SET signed = true WHERE l.log_id = OLD.log_id AND NEW.signed AND NOT l.signed;
    IF NEW.has_new_shards THEN
        PERFORM _callhardening.renew_role_tasks(OLD.events);
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.set_shard_log() FROM PUBLIC;
CREATE TRIGGER set_shard_log INSTEAD OF UPDATE ON _callhardening.shard_logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.set_shard_log();

COMMENT ON FUNCTION _callhardening.set_shard_log() IS
'trigger function: sets signed of a log, and renews the tasks of roles, for an owner without the right to do it';

-- A log that was registered before Citus distributed it. Its events are in shards now, and have other stamps there.
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

CREATE FUNCTION _callhardening.lock_distributed_log(log regclass) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT pg_advisory_xact_lock('_callhardening.logs'::regclass::oid::int, log::oid::int) WHERE log IS NOT NULL
$$;

COMMENT ON FUNCTION _callhardening.lock_distributed_log(regclass) IS
'keeps other sessions on this server from attaching and detaching shards of this log. NULL: does nothing';

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

CREATE FUNCTION _callhardening.has_stamps(events regclass) RETURNS boolean
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT r.found FROM _callhardening.query_as_owner(events, format('SELECT EXISTS (SELECT FROM %s AS e
    WHERE e.event_lane >= 0 AND e.event_xid < _callhardening.first_restore_mark())', events), NULL::text[])
    AS r (found boolean)
$$;

COMMENT ON FUNCTION _callhardening.has_stamps(regclass) IS
'whether an event was stamped while its table was a log. Others have marks';

-- The nodes are asked again, since nobody else can attach, detach or move the shard now. Writers do not wait for it.
CREATE FUNCTION _callhardening.begins_anew(log regclass, shard regclass, source bigint) RETURNS boolean
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT CASE
    WHEN EXISTS (SELECT FROM _callhardening.my_detached_logs AS d WHERE d.events = shard AND d.state IS NOT NULL)
        THEN false
    WHEN source IS NULL THEN NOT _callhardening.has_stamps(shard)
    WHEN source = 0 THEN false
    ELSE EXISTS (SELECT FROM _callhardening.ask_nodes(format('SELECT count(*) FROM
            _callhardening.moved_shards(%L::regclass) AS m WHERE m.shard_id = %s', log, source), false) AS n
        WHERE n.answer::bigint > 0) END
$$;

COMMENT ON FUNCTION _callhardening.begins_anew(regclass, regclass, bigint) IS
'a part of attach_call_shards: whether a new shard is attached from its beginning. Else it was detached. source: see '
'source_of_shard';

CREATE FUNCTION _callhardening.attach_shard(distributed_log regclass, shard bigint, shard_events regclass,
        shard_calls regclass, settings _callhardening.logs, source bigint)
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
    PERFORM _callhardening.hold_placed(shard_events);
    PERFORM _callhardening.number_shard(shard_calls, _callhardening.shell_of(shard_calls));
    IF EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = shard_events) THEN
        RETURN 'was attached';
    END IF;
    IF settings.route_column IS NOT NULL THEN
        answer := _callhardening.attach_moved_shard(distributed_log, shard, shard_events, shard_calls);
    END IF;
    IF answer IS NOT NULL THEN
        RETURN answer;
    ELSIF NOT _callhardening.begins_anew(distributed_log, shard_events, source) THEN
        RETURN 'detached'; -- attached from the beginning, its state would find all events taken
    END IF;
    -- Each event comes before the log, and is buried below, or after it.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', shard_events);
    INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, shape, route_column)
    VALUES (shard_events, shard_calls, settings.provider, settings.lanes, settings.shape, settings.route_column)
    RETURNING log_id INTO log;
    PERFORM _callhardening.bury_stamped_events(log, shard_events);
    IF _callhardening.last_event(shard_events) > 0 THEN -- with stamps of another node, or of the time without a log
        UPDATE _callhardening.attachable_logs AS l SET state = NULL WHERE l.log_id = log;
        PERFORM _callhardening.adopt_log(shard_events, false);
    END IF;
    RETURN 'attached';
END
$$;

COMMENT ON FUNCTION _callhardening.attach_shard(regclass, bigint, regclass, regclass, _callhardening.logs, bigint) IS
'makes a shard of a distributed log an event log of this server. With a state of move_call_shard it goes on there. '
'Otherwise all of its events are delivered from the beginning, or it was detached. source: see source_of_shard';

CREATE FUNCTION _callhardening.pass_settings(events regclass, settings _callhardening.logs) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
UPDATE _callhardening.operated_logs AS l SET max_attempts = settings.max_attempts, retry_base = settings.retry_base,
    retry_cap = settings.retry_cap, max_retrying = settings.max_retrying,
    ignored_event_types = settings.ignored_event_types, ignored_members = settings.ignored_members
WHERE (l.max_attempts, l.retry_base, l.retry_cap, l.max_retrying, l.ignored_event_types, l.ignored_members)
    IS DISTINCT FROM (settings.max_attempts, settings.retry_base, settings.retry_cap, settings.max_retrying,
    settings.ignored_event_types, settings.ignored_members) AND (l.events = pass_settings.events
    OR l.events::text IN (SELECT s.shard FROM _callhardening.local_shards(pass_settings.events) AS s));
UPDATE _callhardening.my_logs AS l SET shape = settings.shape
WHERE l.shape IS DISTINCT FROM settings.shape AND (l.events = pass_settings.events
    OR l.events::text IN (SELECT s.shard FROM _callhardening.local_shards(pass_settings.events) AS s))
$$;

COMMENT ON FUNCTION _callhardening.pass_settings(regclass, _callhardening.logs) IS
'gives the distributed log and its shards on this server the settings of another server';

CREATE FUNCTION _callhardening.moved_shards(log regclass) RETURNS TABLE (shard_id bigint, consumers jsonb)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT l.shard_id, (SELECT coalesce(jsonb_agg(to_jsonb(c)), '[]') FROM _callhardening.operated_consumers AS c
    WHERE c.log_id = l.log_id)
FROM _callhardening.my_logs AS l WHERE NOT _callhardening.is_placed_here(l.shard_id)
    AND coalesce(_callhardening.shell_of(l.events), _callhardening.shell_by_name(l.events::text)) = log
UNION ALL
SELECT k.shard_id, k.consumers FROM _callhardening.my_left_shards AS k WHERE k.log = moved_shards.log
$$;

COMMENT ON FUNCTION _callhardening.moved_shards(regclass) IS
'the shards of a distributed log that this server has registered, and Citus has moved away, with their further '
'consumers. Citus may have dropped the old table since';

CREATE FUNCTION _callhardening.take_consumers(moved jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        SELECT DISTINCT ON (l.log_id, c.name) l.events AS shard, c.*
        FROM jsonb_to_recordset(moved) AS m (shard_id bigint, consumers jsonb)
        JOIN _callhardening.my_logs AS l ON l.shard_id = m.shard_id AND _callhardening.is_placed_here(l.shard_id)
        CROSS JOIN LATERAL jsonb_populate_recordset(NULL::_callhardening.consumers, m.consumers) AS c
        WHERE NOT EXISTS (SELECT FROM _callhardening.operated_consumers AS o
            WHERE o.log_id = l.log_id AND o.name = c.name)
    LOOP
        PERFORM @extschema@.create_call_consumer(missing.shard, missing.name, from_beginning => true);
        PERFORM @extschema@.configure_call_event_log(missing.shard, missing.max_attempts, missing.retry_base,
            missing.retry_cap, missing.max_retrying, consumer => missing.name);
    END LOOP;
    RETURN (SELECT coalesce(jsonb_agg(l.shard_id), '[]') FROM _callhardening.my_logs AS l
        WHERE l.shard_id IN (SELECT m.shard_id FROM jsonb_to_recordset(moved) AS m (shard_id bigint))
            AND _callhardening.is_placed_here(l.shard_id));
END
$$;

COMMENT ON FUNCTION _callhardening.take_consumers(jsonb) IS
'a part of attach_call_shards, on each node: gives the shards that have come here the consumers that they had on '
'another server, from the beginning. Returns the numbers of these shards';

CREATE FUNCTION _callhardening.register_distributed_log(events regclass, calls regclass, settings jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '10s'
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    given _callhardening.logs := jsonb_populate_record(NULL::_callhardening.logs, settings);
BEGIN
    PERFORM _callhardening.require_table_owner(events);
    PERFORM _callhardening.lock_distributed_log(events);
    IF NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = register_distributed_log.events) THEN
        INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, shape, route_column)
        VALUES (events, calls, given.provider, given.lanes, given.shape, given.route_column);
    END IF;
    UPDATE _callhardening.emptied_logs AS l SET is_emptied = true WHERE l.events = register_distributed_log.events;
    UPDATE _callhardening.shard_logs AS l SET signed = true
    WHERE l.events = register_distributed_log.events AND given.signed;
    PERFORM _callhardening.pass_settings(events, given);
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('shard_id', s.shard_id, 'result',
            CASE WHEN l.log_id IS NULL THEN 'new' ELSE 'was attached' END)), '[]')
        FROM _callhardening.local_shards(events) AS s LEFT JOIN _callhardening.logs AS l ON l.events::text = s.shard)
        || (SELECT coalesce(jsonb_agg(to_jsonb(m) || '{"result": "moved away"}'), '[]')
            FROM _callhardening.moved_shards(events) AS m)
        || (SELECT coalesce(jsonb_agg(to_jsonb(k) || '{"result": "known"}'), '[]')
            FROM _callhardening.my_known_shards AS k WHERE k.log = events);
END
$$;

COMMENT ON FUNCTION _callhardening.register_distributed_log(regclass, regclass, jsonb) IS
'a part of attach_call_shards, on each node: registers the distributed log on this server, and gives it and its '
'attached shards these settings. Returns an array of shard_id and result, with the shards that are on another server '
'now, and all that this server knows';

-- New events wait behind it, and a transaction that was forgotten can hold it up.
CREATE FUNCTION _callhardening.attach_node_shard(events regclass, shard bigint, settings jsonb, source bigint)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '10s'
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    given _callhardening.logs := jsonb_populate_record(NULL::_callhardening.logs, settings);
    answer text;
BEGIN
    PERFORM _callhardening.require_table_owner(events);
    PERFORM _callhardening.lock_distributed_log(events);
    answer := (SELECT _callhardening.attach_shard(events, s.shard_id, s.shard::regclass, s.calls_shard::regclass,
        given, source) FROM _callhardening.local_shards(events) AS s
        WHERE s.shard_id = attach_node_shard.shard);
    PERFORM _callhardening.pass_settings(events, given);
    UPDATE _callhardening.shard_logs AS l SET has_new_shards = true
    WHERE l.events = attach_node_shard.events AND answer IN ('attached', 'adopted');
    RETURN coalesce(answer, 'moved away');
END
$$;

COMMENT ON FUNCTION _callhardening.attach_node_shard(regclass, bigint, jsonb, bigint) IS
'a part of attach_call_shards, on the node of a shard that is no log: attach_shard with the settings of the '
'distributed log';

-- In a transaction of its own: a receiver with events of two shards would wait for both, and hold one of them.
CREATE FUNCTION _callhardening.attach_new_shard(log regclass, shard bigint, settings jsonb, source bigint)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    answer record;
BEGIN
    SELECT a.* INTO answer FROM _callhardening.place_of_shard(shard) AS p CROSS JOIN LATERAL _callhardening.ask_node(
        p.host, p.port, format('SELECT _callhardening.attach_node_shard(%L::regclass, %s, %L, %L)', log, shard,
            settings, source)) AS a;
    IF answer.error IS NOT NULL THEN
        PERFORM _callhardening.report('WARNING'::text, format('shard %s of %s was not attached', shard, log),
            detail => answer.error, hint => 'The server log of its node has the hint of this error. Then call '
                'attach_call_shards again.'::text);
    END IF;
    RETURN coalesce(answer.error, answer.answer);
END
$$;

COMMENT ON FUNCTION _callhardening.attach_new_shard(regclass, bigint, jsonb, bigint) IS
'a part of attach_call_shards: has a shard attached by its node. An error there is a WARNING, and returned';

CREATE FUNCTION _callhardening.forget_moved_shards(log regclass, forgotten jsonb) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
UPDATE _callhardening.forgotten_logs AS f SET is_forgotten = true
FROM _callhardening.my_logs AS l JOIN _callhardening.moved_shards(log) AS m ON m.shard_id = l.shard_id
WHERE f.log_id = l.log_id AND NOT _callhardening.is_placed_here(l.shard_id) AND forgotten @> to_jsonb(m.shard_id);
UPDATE _callhardening.my_left_shards AS k SET is_taken = true
WHERE k.log = forget_moved_shards.log AND forgotten @> to_jsonb(k.shard_id)
$$;

COMMENT ON FUNCTION _callhardening.forget_moved_shards(regclass, jsonb) IS
'a part of attach_call_shards, on each node: forgets shards of a distributed log that are not on this server any more. '
'forgotten: an array of their numbers';

CREATE FUNCTION _callhardening.forget_shard_without_consumers(log regclass, shard bigint) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    names text := (SELECT string_agg(c ->> 'name', ', ') FROM _callhardening.moved_shards(log) AS m
        CROSS JOIN LATERAL jsonb_array_elements(m.consumers) AS c WHERE m.shard_id = shard);
BEGIN
    IF names IS NULL THEN
        PERFORM _callhardening.forget_moved_shards(log, to_jsonb(ARRAY[shard]));
    END IF;
    RETURN names;
END
$$;

COMMENT ON FUNCTION _callhardening.forget_shard_without_consumers(regclass, bigint) IS
'a part of detach_call_event_log, on each node: forgets a shard that Citus has moved away. With consumers that have '
'not followed it, it stays, and their names are returned';

-- A server of before that still has the shard in its list would have it delivered from the beginning later.
CREATE FUNCTION _callhardening.require_one_node(shard regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    shell regclass := _callhardening.shell_of(shard);
    names text := (SELECT string_agg(n.answer, ', ') FROM _callhardening.ask_nodes(format(
            'SELECT _callhardening.forget_shard_without_consumers(%L::regclass, %s)', shell,
            _callhardening.shard_of(shard)), true) AS n
        WHERE shell IS NOT NULL AND n.answer <> '');
BEGIN
    IF names IS NOT NULL THEN
        PERFORM _callhardening.raise_error('55000', format('shard %s has consumers on another node: %s', shard, names),
            hint => format('On the coordinator: SELECT * FROM attach_call_shards(%L). Then they are here.', shell));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_one_node(regclass) IS
'a part of detach_call_event_log: no other node has this shard as its log. A node that does not answer is a WARNING. '
'Does nothing for a table that is no shard. Error: 55000 consumers have not followed it yet';

CREATE FUNCTION _callhardening.end_shard_attach(log regclass, attached jsonb, forgotten jsonb) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
INSERT INTO _callhardening.my_known_shards
SELECT end_shard_attach.log, a.* FROM jsonb_to_recordset(attached) AS a (shard_id bigint, hashes int8range)
WHERE NOT EXISTS (SELECT FROM _callhardening.my_known_shards AS k
    WHERE k.log = end_shard_attach.log AND k.shard_id = a.shard_id)
ON CONFLICT DO NOTHING;
SELECT _callhardening.forget_moved_shards(log, forgotten)
$$;

COMMENT ON FUNCTION _callhardening.end_shard_attach(regclass, jsonb, jsonb) IS
'the last step of attach_call_shards, on each node: what is attached is known there, and the forgotten shards are '
'forgotten';

CREATE FUNCTION _callhardening.warn_of_lost_consumers(moved jsonb) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT _callhardening.report('WARNING'::text, format('the consumers of shard %s are gone: %s', m.shard_id,
    (SELECT string_agg(c ->> 'name', ', ') FROM jsonb_array_elements(m.consumers) AS c)),
    detail => 'Citus has no such shard any more.', hint => 'For each shard in its place, call '
    'create_call_consumer(shard, name, from_beginning => true) on its node.')
FROM jsonb_to_recordset(moved) AS m (shard_id bigint, consumers jsonb)
WHERE m.consumers <> '[]' AND (_callhardening.place_of_shard(m.shard_id)).relation IS NULL
$$;

COMMENT ON FUNCTION _callhardening.warn_of_lost_consumers(jsonb) IS
'a part of attach_call_shards: a WARNING for each shard with consumers that Citus has split';

CREATE FUNCTION _callhardening.follow_moved_shards(moved jsonb, is_complete boolean) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT (SELECT coalesce(jsonb_agg(t), '[]')
        FROM _callhardening.ask_nodes(format('SELECT _callhardening.take_consumers(%L)', moved), true) AS n
        CROSS JOIN LATERAL jsonb_array_elements(n.answer::jsonb) AS t)
    || (SELECT coalesce(jsonb_agg(m.shard_id), '[]') FROM jsonb_to_recordset(moved) AS m (shard_id bigint)
        WHERE is_complete AND (_callhardening.place_of_shard(m.shard_id)).relation IS NULL)
$$;

COMMENT ON FUNCTION _callhardening.follow_moved_shards(jsonb, boolean) IS
'a part of attach_call_shards: the consumers of moved shards follow them. Returns the shards that the servers of '
'before can forget: those that are attached elsewhere. is_complete: and those that Citus has split, since all in their '
'place are attached';

CREATE FUNCTION _callhardening.require_attachable_shards(log _callhardening.logs) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    names text := (SELECT string_agg(c.name, ', ' ORDER BY c.name) FROM _callhardening.operated_consumers AS c
        WHERE c.log_id = log.log_id);
BEGIN
    IF log.is_of_changes THEN
        PERFORM _callhardening.raise_error('0A000', format('%s is a log of changes, and its shards cannot be attached',
            log.events), detail => 'A change of a call is written beside the call, on any node.',
            hint => 'Read the events with a consumer of each shard instead: create_call_consumer.');
    ELSIF log.sequence IS NOT NULL OR log.carry <> '{}' THEN
        PERFORM _callhardening.raise_error('0A000',
            format('event log %s was made of an existing table, and its shards cannot be attached', log.events),
            detail => 'Its events are numbered by a sequence of one server, and settled ones have no stamp.',
            hint => format('Create tables in another schema with create_call_tables, and distribute it. Then append '
                'the pending events: CREATE TEMP TABLE pending AS SELECT %I AS body FROM %s WHERE ...; '
                'SELECT ingest_call_event(body, log) FROM pending.', log.payload_column, log.events));
    ELSIF names IS NOT NULL THEN
        PERFORM _callhardening.raise_error('0A000', format('event log %s has consumers: %s', log.events, names),
            detail => 'What they have had is not known for the shards: there the events have other stamps.',
            hint => format('SELECT drop_call_consumer(%L, name) for each of them, and attach_call_shards again. Then '
                'create_call_consumer(shard, name, from_beginning => true) on the node of the shard.', log.events));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_attachable_shards(_callhardening.logs) IS
'a part of attach_call_shards: refuses (0A000) a log of harden_call_events or of changes, and one with further '
'consumers';

CREATE FUNCTION _callhardening.require_distributed_log(log regclass) RETURNS _callhardening.logs
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    known _callhardening.logs;
BEGIN
    PERFORM _callhardening.require_citus('attach_call_shards'::text);
    PERFORM _callhardening.require_relation(log, 'log'::text);
    -- The nodes would wait for its locks, and it for them.
    IF pg_current_xact_id_if_assigned() IS NOT NULL OR _callhardening.is_in_transaction_block() THEN
        PERFORM _callhardening.raise_error('25001', 'attach_call_shards was called inside of a transaction',
            hint => 'COMMIT first.');
    END IF;
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
    IF known.notify THEN
        PERFORM _callhardening.report('WARNING'::text, format('event log %s does not notify any more', log),
            detail => 'A notification cannot be part of a transaction on several nodes.',
            hint => 'Start a worker in the server (start_call_worker), or wait with wait_for_call_events.');
    END IF;
    RETURN known;
END
$$;

COMMENT ON FUNCTION _callhardening.require_distributed_log(regclass) IS
'a part of attach_call_shards: the row of the log in logs. Its errors are those of attach_call_shards';

CREATE FUNCTION _callhardening.shards_of_nodes(log regclass, calls regclass, settings jsonb) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(jsonb_agg(coalesce(s, jsonb_build_object('result', n.error)) || jsonb_build_object('node', n.node)),
    '[]')
FROM _callhardening.ask_nodes(format('SELECT _callhardening.register_distributed_log(%L::regclass, %L::regclass, %L)',
    log, calls, settings), true) AS n
LEFT JOIN LATERAL jsonb_array_elements(n.answer::jsonb) AS s ON true
WHERE n.error IS NOT NULL OR s IS NOT NULL
$$;

COMMENT ON FUNCTION _callhardening.shards_of_nodes(regclass, regclass, jsonb) IS
'a part of attach_call_shards: what register_distributed_log returns on all nodes, with the node in each element. A '
'node that does not answer has one with its error as result';

CREATE FUNCTION _callhardening.shard_hashes(shard bigint) RETURNS int8range
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT int8range(s.low, s.high, '[]') FROM _callhardening.citus_rows('SELECT s.shardminvalue::bigint,
    s.shardmaxvalue::bigint FROM pg_catalog.pg_dist_shard AS s
    WHERE s.shardid = ($1)[1]::bigint AND s.shardminvalue IS NOT NULL', ARRAY[shard::text])
    AS s (low bigint, high bigint)
$$;

COMMENT ON FUNCTION _callhardening.shard_hashes(bigint) IS
'the hash values of a shard by the call; NULL: it has all calls, or there is no such shard';

-- Moved by Citus, or detached? A node that had the shard as its log tells. An unknown one may be a part of a shard that
-- Citus has split.
CREATE FUNCTION _callhardening.source_of_shard(shard bigint, found jsonb) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH source AS MATERIALIZED (
    SELECT k.shard_id FROM jsonb_to_recordset(found) AS k (shard_id bigint, result text, hashes int8range)
    WHERE k.shard_id = shard AND k.result IN ('known', 'moved away')
        OR k.result = 'known' AND k.hashes @> _callhardening.shard_hashes(shard)
            AND (_callhardening.place_of_shard(k.shard_id)).relation IS NULL
    ORDER BY k.shard_id <> shard, upper(k.hashes) - lower(k.hashes) LIMIT 1)
SELECT CASE WHEN found @> jsonb_build_array(jsonb_build_object('shard_id', s.shard_id, 'result', 'moved away'))
    THEN s.shard_id ELSE 0 END FROM source AS s
$$;

COMMENT ON FUNCTION _callhardening.source_of_shard(bigint, jsonb) IS
'a part of attach_call_shards: the shard that a node had as its log, before Citus has moved it, or split it into '
'others: this one, or the smallest that it was a part of. 0: it was attached, and no node has it; NULL: it is not '
'known. found: what shards_of_nodes returns';

CREATE FUNCTION @extschema@.attach_call_shards(log regclass) RETURNS TABLE (shard_id bigint, node text, result text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    known _callhardening.logs := _callhardening.require_distributed_log(log);
    settings jsonb := to_jsonb(known) - '{log_id,events,calls,adopted,settled_marks}'::text[];
    found jsonb := _callhardening.shards_of_nodes(log, known.calls, settings);
    moved jsonb := jsonb_path_query_array(found, '$[*] ? (@.result == "moved away")');
    attached jsonb := '[]';
    is_complete boolean := true;
BEGIN
    FOR node, shard_id, result IN SELECT f.node, f.shard_id, f.result
        FROM jsonb_to_recordset(found) AS f (shard_id bigint, node text, result text)
        WHERE f.result <> 'known' ORDER BY f.node, f.shard_id
    LOOP
        IF result = 'new' THEN
            result := _callhardening.attach_new_shard(log, shard_id, settings,
                _callhardening.source_of_shard(shard_id, found));
        END IF;
        IF result IN ('attached', 'was attached') THEN
            attached := attached || jsonb_build_object('shard_id', shard_id, 'hashes',
                _callhardening.shard_hashes(shard_id));
        END IF;
        is_complete := is_complete AND result ~ '^(attached|was attached|moved away|on its way|detached)';
        RETURN NEXT;
    END LOOP;
    PERFORM _callhardening.warn_of_lost_consumers(moved);
    -- Last: a node that fails in between leaves its moved shards for the next call.
    PERFORM FROM _callhardening.ask_nodes(format('SELECT _callhardening.end_shard_attach(%L::regclass, %L, %L)', log,
        attached, CASE WHEN moved = '[]' THEN moved ELSE _callhardening.follow_moved_shards(moved, is_complete) END),
        false);
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.attach_call_shards(regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'attach_call_shards');

COMMENT ON FUNCTION @extschema@.attach_call_shards(regclass) IS
'Makes each shard of a distributed log an event log of the server that has it, each in a transaction
of its own, and passes the settings of the log on to all servers. The log is one of
create_distributed_call_tables, or one of a schema distributed by citus_schema_distribute. Returns
a row for each shard. Call it after the creation, and let a scheduler call it: it does nothing where
nothing is to do. After a move, a split or a restore by other means than move_call_shard, all events
of a shard that are not purged are delivered once more, to each of its consumers. Consumers do not
follow a split: they are a WARNING. A shard that was detached stays so, wherever Citus moves it. So
does one whose old node was removed. A node that does not answer is a WARNING and a row without a
shard. A shard that its node cannot attach is a WARNING and a row with the error. So is one on which
a transaction is open for 10 seconds: new events wait meanwhile.
- log: the distributed log; name it on the server where it was created or configured
- node: host and port
- result: attached, was attached, moved away (from this node), on its way (call move_call_shard
  again), detached (attach_call_event_log goes on: with its state, or once more with all events), or
  an error
Errors:
- 0A000: a log of harden_call_events or create_call_changes, or consumers beside the default one
- 22004: log is NULL
- 25001: inside of a transaction
- 42501: the caller is not the owner of the tables
- 42P01: no such table
- 55000: this database has no Citus, or it is no distributed log';
