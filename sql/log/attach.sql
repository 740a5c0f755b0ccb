
-- attaching a log --------------------------------------------------------------------------------

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
        is_default = CASE WHEN settings.is_default AND l.shard_id IS NULL
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

-- Rows of before the detach can have new marks only if a trigger was there while they were copied. In a shard the
-- numbers do not tell: each node of Citus has numbers of its own.
CREATE FUNCTION _callhardening.warn_of_lost_stamps(log _callhardening.logs, unregistered text, arguments text[])
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    lost bigint := (SELECT r.lost FROM _callhardening.query_as_owner(log.events,
        format('SELECT count(*) FROM (%s) AS u WHERE u.event_seq <= CAST($1[3] AS bigint)', unregistered), arguments)
        AS r (lost bigint));
BEGIN
    IF lost > 0 AND log.shard_id IS NULL THEN
        PERFORM _callhardening.report('WARNING',
            format('%s events of table %s have lost their stamps', lost, log.events),
            detail => 'They were copied through the trigger stamp_call_event, and are processed once more.',
            hint => 'Roll back, and copy them into a table without triggers. attach_call_event_log creates these.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.warn_of_lost_stamps(_callhardening.logs, text, text[]) IS
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
    WHERE x.event_xid <> ALL (ARRAY(SELECT CAST(k AS xid8) FROM jsonb_array_elements_text(CAST($1[2] AS jsonb)) AS k))',
    log.events)
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

CREATE FUNCTION _callhardening.warn_of_unstamped_rows(log _callhardening.logs, state jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    number bigint := _callhardening.unstamped_rows(log);
BEGIN
    IF number > (state ->> 'unstamped')::bigint THEN
        PERFORM _callhardening.report('WARNING',
            format('%s rows of table %s have no stamp, and count as processed', number, log.events),
            detail => format('There were %s of them when the log was detached. The others came without its trigger, '
                'or before the attach.', state ->> 'unstamped'),
            hint => 'Insert these again. They are processed then.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.warn_of_unstamped_rows(_callhardening.logs, jsonb) IS
'a part of attach_call_event_log: a WARNING if a table without a column for what is processed has more rows without a '
'stamp than before';

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
    PERFORM _callhardening.warn_of_lost_stamps(log, unregistered, arguments);
    PERFORM _callhardening.write_as_owner(log.events, format('UPDATE %s AS e SET event_xid = pg_current_xact_id(),
        (call_id, event_lane%s) = (SELECT s.call_id, s.event_lane%s
            FROM _callhardening.log_event_stamp(%s::oid::regclass, $1[4], e.%I, %s) AS s)
        WHERE e.event_seq IN (%s)', log.events,
        CASE WHEN log.sequence IS NULL THEN ', event_type' END,
        CASE WHEN log.sequence IS NULL THEN ', coalesce(e.event_type, s.event_type)' END, log.events::oid,
        log.payload_column, _callhardening.given_type(log), unregistered), arguments);
    PERFORM _callhardening.number_unregistered_events(log, arguments[4]);
    PERFORM _callhardening.warn_of_unstamped_rows(log, state);
END
$$;

COMMENT ON FUNCTION _callhardening.stamp_unregistered_events(_callhardening.logs, jsonb) IS
'a part of attach_call_event_log: stamps the events that came while the table was no log, as its trigger would have '
'done. state: NULL stamps only events without a stamp';

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
    SELECT l.route_column, l.shape INTO log.route_column, log.shape FROM _callhardening.logs AS l
    WHERE l.events = _callhardening.shell_of(settings_of_triggers.events);
    RETURN log;
END
$$;

COMMENT ON FUNCTION _callhardening.settings_of_triggers(regclass) IS
'a part of attach_call_event_log: the settings of a log without a state. Error: 55000 its triggers do not tell them';

CREATE FUNCTION _callhardening.advice_without_state(events regclass, calls regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT 'Without a state, all events are processed once more: ' || CASE
    WHEN NOT EXISTS (SELECT FROM _callhardening.my_detached_logs AS d
        WHERE d.events = advice_without_state.events AND d.state IS NOT NULL)
        THEN format('SELECT attach_call_event_log(%L, %L).', events, calls)
    WHEN EXISTS (SELECT FROM _callhardening.trigger_states() AS s
        WHERE s.relation = advice_without_state.events AND s.part = 'stamp' AND cardinality(s.arguments) = 5)
        THEN format('SELECT unharden_call_events(%L), then harden_call_events with all arguments.', events)
    ELSE format('SELECT register_call_event_log(%L, %L, provider, lanes).', events, calls) END
$$;

COMMENT ON FUNCTION _callhardening.advice_without_state(regclass, regclass) IS
'a part of attach_call_event_log: the statement that begins anew, as a hint. Where a state is kept, an attach takes it';

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
            hint => 'Name a calls table like that of the other place. '
                || _callhardening.advice_without_state(events, calls));
    END IF;
    PERFORM _callhardening.require_lanes_left((state #>> '{settings,first_lane}')::int,
        (state #>> '{settings,lanes}')::int, _callhardening.advice_without_state(events, calls));
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

-- Events with a mark, or without a stamp, come as new ones. With a foreign state, the others could count as settled.
-- Each attach takes lanes above those of before. Numbers alone do not tell: each node of Citus has numbers of its own.
CREATE FUNCTION _callhardening.compare_with_state(events regclass, state jsonb, OUT equal bigint, OUT other bigint,
        OUT later bigint, OUT is_stamped boolean)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
    SET enable_hashjoin = off
    SET enable_mergejoin = off
    AS $$
SELECT r.* FROM _callhardening.query_as_owner(events, format('
    WITH named AS MATERIALIZED (
        SELECT n.event_seq, count(*) FILTER (WHERE e.event_lane = n.lane AND e.event_xid = n.xid) AS equal,
            count(*) FILTER (WHERE e.event_xid < _callhardening.first_restore_mark()
                AND e.event_lane <> _callhardening.no_lane(''not_stamped'')) AS stamped
        FROM jsonb_to_recordset(CAST($1[1] AS jsonb)) AS n (event_seq bigint, lane int, xid xid8)
        JOIN %1$s AS e ON e.event_seq = n.event_seq GROUP BY n.event_seq, n.lane, n.xid)
    SELECT (SELECT coalesce(sum(equal), 0) FROM named)::bigint,
        (SELECT min(event_seq) FROM named WHERE equal = 0 AND stamped > 0),
        (SELECT min(l.event_seq) FROM (
            (SELECT e.event_seq FROM %1$s AS e WHERE e.event_seq > CAST($1[2] AS bigint) AND e.event_lane >= 0
                AND e.event_xid < _callhardening.first_restore_mark() ORDER BY e.event_seq LIMIT 1)
            UNION ALL
            (SELECT e.event_seq FROM %1$s AS e WHERE e.event_lane >= CAST($1[3] AS int)
                AND e.event_xid < _callhardening.first_restore_mark() ORDER BY e.event_lane LIMIT 1)) AS l),
        EXISTS (SELECT FROM %1$s AS e WHERE e.event_lane >= 0 AND e.event_xid < _callhardening.first_restore_mark())',
    events), ARRAY[(state -> 'events')::text, state ->> 'last_seq',
        ((state #>> '{settings,first_lane}')::int + (state #>> '{settings,lanes}')::int)::text])
    AS r (equal bigint, other bigint, later bigint, is_stamped boolean)
$$;

COMMENT ON FUNCTION _callhardening.compare_with_state(regclass, jsonb) IS
'a part of attach_call_event_log: how many events have the stamps that the state names, the first one with other '
'stamps, the first one that a log has stamped later, and whether any event has the stamp of a log';

CREATE FUNCTION _callhardening.require_table_of_state(events regclass, calls regclass, log _callhardening.logs,
        state jsonb)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    found record;
    fault text;
BEGIN
    SELECT * INTO found FROM _callhardening.compare_with_state(events, state);
    -- In the shard of a distributed log, events of several nodes can have one number.
    IF found.other IS NOT NULL AND log.route_column IS NULL THEN
        fault := format('Event %s has not the stamp that the state names.', found.other);
    ELSIF found.later IS NOT NULL THEN
        fault := format('A log has stamped event %s after the state was taken.', found.later);
    ELSIF found.equal = 0 AND found.is_stamped THEN
        fault := format('The table has none of the %s events that the state names.',
            jsonb_array_length(state -> 'events'));
    END IF;
    IF fault IS NOT NULL THEN
        PERFORM _callhardening.raise_error('55000', format('the state is not of table %s', events), detail => fault,
            hint => 'Give what detach_call_event_log has returned last for this table, or for the one it was copied '
                'from. ' || _callhardening.advice_without_state(events, calls));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_table_of_state(regclass, regclass, _callhardening.logs, jsonb) IS
'a part of attach_call_event_log: refuses (55000) the valid state of another table, and one from before the table was '
'a log the last time. The table may be a part of the one that the state is of';

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

CREATE FUNCTION _callhardening.is_attached(events regclass, calls regclass, state jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = is_attached.events) THEN
        RETURN false;
    ELSIF NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = is_attached.events
        AND l.calls = is_attached.calls) THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is an event log of another calls table', events),
            hint => 'The table call_event_logs names it.');
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

COMMENT ON FUNCTION _callhardening.is_attached(regclass, regclass, jsonb) IS
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
    SET citus.override_table_visibility = off
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
    PERFORM _callhardening.bury_stamped_events(log.log_id, events);
    PERFORM _callhardening.move_event_sequence(events);
    UPDATE _callhardening.shard_logs AS l SET has_new_shards = true
    WHERE l.events = _callhardening.shell_of(log.events);
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
BEGIN
    PERFORM _callhardening.require_read_committed('an event log cannot be attached'::text);
    PERFORM _callhardening.require_event_table(events);
    PERFORM _callhardening.require_calls_table(calls);
    IF state IS NOT NULL THEN -- a long state is read before the lock
        PERFORM _callhardening.require_valid_state(state);
    END IF;
    PERFORM _callhardening.hold_shard(events, calls);
    -- Waits for the writers: afterwards each event of the time without a log is here.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', events);
    IF _callhardening.is_attached(events, calls, state) THEN
        RETURN 'was attached';
    END IF;
    PERFORM _callhardening.require_newest_state(events, calls, state);
    present := coalesce(state,
        (SELECT d.state FROM _callhardening.my_detached_logs AS d WHERE d.events = attach_call_event_log.events),
        (_callhardening.noted_move(_callhardening.shell_of(events), _callhardening.shard_of(events))).state);
    log := CASE WHEN present IS NULL THEN _callhardening.settings_of_triggers(events)
        ELSE _callhardening.settings_of_state(events, calls, present) END;
    PERFORM _callhardening.require_attachable_log(events, calls, log);
    IF present IS NOT NULL THEN
        PERFORM _callhardening.require_table_of_state(events, calls, log, present);
    END IF;
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
    PERFORM _callhardening.forget_move(_callhardening.shell_of(events), _callhardening.shard_of(events));
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
  its indexes; it is attached without this state; the state is not of this table, or not its
  last one; neither a state nor triggers tell its settings; or it is a shard on its way to another
  node, or calls is not the shard beside it';
