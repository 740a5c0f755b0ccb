
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
'the logs of the caller''s tables: detach_call_event_log writes what it has read in the table to state, and gets the '
'whole state in its place. NULL only locks the log';

CREATE FUNCTION _callhardening.detach_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log _callhardening.logs;
BEGIN
    SELECT * INTO log FROM _callhardening.logs AS l WHERE l.log_id = OLD.log_id;
    PERFORM _callhardening.require_no_call_worker(log);
    log := _callhardening.lock_whole_log(OLD.log_id);
    IF NEW.state IS NULL THEN
        RETURN NEW;
    END IF;
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

-- Each place takes fresh lanes, and workers look at so many numbers (most_lane_numbers in adopt.cpp).
CREATE FUNCTION _callhardening.require_lanes_left(first_lane int, lanes int, advice text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF first_lane + 3 * lanes > 65536 THEN
        PERFORM _callhardening.raise_error('54000', 'the numbers of the log''s lanes are used up', hint => advice);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_lanes_left(int, int, text) IS
'refuses (54000) a log that could get no fresh lanes in another place';

CREATE FUNCTION _callhardening.require_detachable_log(log _callhardening.logs) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM _callhardening.require_log_of_webhooks(log);
    PERFORM _callhardening.require_lanes_left(log.first_lane, log.lanes,
        format('Register another log, and insert the bodies of %s into it. All of them are processed once more.',
            log.events));
END
$$;

COMMENT ON FUNCTION _callhardening.require_detachable_log(_callhardening.logs) IS
'a part of detach_call_event_log: refuses a log of changes (55000), and one without lanes for another place (54000)';

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
    PERFORM _callhardening.lock_distributed_log(_callhardening.shell_of(log));
    -- Another session that detaches or attaches it waits here. Writers do not.
    EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', log);
    SELECT * INTO settings FROM _callhardening.logs AS l WHERE l.events = log;
    IF NOT FOUND THEN
        RETURN _callhardening.kept_state(log);
    END IF;
    PERFORM _callhardening.adopt_log(log, false);
    SELECT * INTO settings FROM _callhardening.logs AS l WHERE l.events = log;
    PERFORM _callhardening.require_detachable_log(settings);
    PERFORM _callhardening.require_one_node(log);
    UPDATE _callhardening.detachable_logs AS l SET state = NULL WHERE l.log_id = settings.log_id;
    IF NOT FOUND THEN
        PERFORM _callhardening.require_table_owner(settings.calls);
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of table %s', settings.calls);
    END IF;
    -- Waits for the writers, so that a copy lacks no event with a stamp of this log. After the lanes, as workers do.
    EXECUTE format('LOCK TABLE %s IN SHARE MODE', log);
    UPDATE _callhardening.detachable_logs AS l SET state = jsonb_build_object(
        'marks', _callhardening.known_marks(settings), 'last_seq', _callhardening.last_event(log),
        'events', _callhardening.named_events(log), 'unstamped', _callhardening.unstamped_rows(settings))
    WHERE l.log_id = settings.log_id RETURNING l.state INTO state;
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
functions called without a log fail until it is attached, or until there is another default. Of a
shard of Citus, the other nodes are told: a silent one is a WARNING.
- log: NULL is an error
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: no log
- 40001: another transaction has changed the log meanwhile
- 42501: the caller is not the owner of both tables
- 42P01: no such table
- 54000: the numbers of the lanes are used up
- 55000: no such log, a log of changes, or a shard with consumers that have not followed it
- 55006: the log has background workers (stop_call_worker)';
