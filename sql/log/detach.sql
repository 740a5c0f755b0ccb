
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
