
-- event log ------------------------------------------------------------------------------------
--
-- An event log is a table that is only ever appended to. What is remembered about it is appended too, here:
-- nothing that a worker does updates a row, so an old snapshot that somebody holds costs the workers nothing.
-- Keys are found by their names, so they are named: one that is taken ends CREATE EXTENSION, and gives us no other.

CREATE TABLE _callhardening.logs (
    log_id int GENERATED ALWAYS AS IDENTITY CONSTRAINT logs_pkey PRIMARY KEY CHECK (log_id BETWEEN 1 AND 16383),
    events regclass NOT NULL CONSTRAINT logs_events_key UNIQUE,
    calls regclass NOT NULL,
    provider text NOT NULL,
    lanes int NOT NULL CHECK (lanes BETWEEN 1 AND 1024),
    first_lane int NOT NULL DEFAULT 0,
    system_identifier bigint NOT NULL,
    adopted pg_catalog.pg_snapshot,
    notify boolean NOT NULL DEFAULT false,
    max_attempts int NOT NULL DEFAULT 5 CHECK (max_attempts BETWEEN 1 AND 1000000),
    retry_base interval NOT NULL DEFAULT '1 second' CHECK (retry_base BETWEEN interval '0' AND interval '365 days'),
    retry_cap interval NOT NULL DEFAULT '15 minutes' CHECK (retry_cap BETWEEN interval '0' AND interval '365 days'),
    max_retrying int NOT NULL DEFAULT 1000 CHECK (max_retrying BETWEEN 1 AND 1000000),
    signed boolean NOT NULL DEFAULT false,
    payload_column name NOT NULL DEFAULT 'payload',
    event_type_column name DEFAULT 'event_type',
    received_at_column name DEFAULT 'received_at',
    processed_at_column name,
    carry name[] NOT NULL DEFAULT '{}',
    sequence regclass,
    -- NULL and not false, so that a plain unique key keeps it to one log.
    is_default boolean CHECK (is_default) CONSTRAINT logs_is_default_key UNIQUE,
    ignored_event_types text[] NOT NULL DEFAULT '{}',
    ignored_members text[] NOT NULL DEFAULT '{}',
    settled_marks pg_catalog.xid8[] NOT NULL DEFAULT '{}',
    shape jsonb,
    is_of_changes boolean NOT NULL DEFAULT false,
    -- As in consumers: a session reads them with the log.
    other_consumers int[] NOT NULL DEFAULT '{}',
    route_column name,
    shard_id bigint,
    CONSTRAINT logs_of_changes CHECK (NOT is_of_changes OR is_default IS NULL AND provider = 'call_changes')
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.logs', '');
SELECT pg_catalog.pg_extension_config_dump('_callhardening.logs_log_id_seq', '');
REVOKE ALL ON _callhardening.logs FROM PUBLIC;
GRANT SELECT ON _callhardening.logs TO PUBLIC;

COMMENT ON TABLE _callhardening.logs IS 'what call_event_logs shows';

CREATE VIEW @extschema@.call_event_logs AS SELECT * FROM _callhardening.logs;
REVOKE ALL ON @extschema@.call_event_logs FROM PUBLIC;
GRANT SELECT ON @extschema@.call_event_logs TO PUBLIC;

COMMENT ON VIEW @extschema@.call_event_logs IS
'The event logs of this database, their tables of calls and their settings.
configure_call_event_log changes the settings.';
COMMENT ON COLUMN @extschema@.call_event_logs.log_id IS 'the number of the log: other views have it too';
COMMENT ON COLUMN @extschema@.call_event_logs.events IS 'the event log';
COMMENT ON COLUMN @extschema@.call_event_logs.calls IS 'the calls table of its events; -: it was dropped';
COMMENT ON COLUMN @extschema@.call_event_logs.provider IS
'the source of these events: decides on the places of values and the meaning of words';
COMMENT ON COLUMN @extschema@.call_event_logs.lanes IS
'number of lanes: claim_call_events takes events of at most an eighth of them';
COMMENT ON COLUMN @extschema@.call_event_logs.first_lane IS
'number of the first of these lanes: after a restore into another cluster the log goes on in fresh ones';
COMMENT ON COLUMN @extschema@.call_event_logs.system_identifier IS
'the cluster of the lanes'' transaction ids (see pg_control_system); 0: the log was restored from a dump, and nothing '
'has been claimed since';
COMMENT ON COLUMN @extschema@.call_event_logs.adopted IS
'what had ended when the log was taken over from another cluster; NULL: nothing is left to do in lanes before '
'first_lane';
COMMENT ON COLUMN @extschema@.call_event_logs.notify IS
'whether new events are notified on the channel callhardening_<log_id>';
COMMENT ON COLUMN @extschema@.call_event_logs.max_attempts IS 'after so many failures an event is dead';
COMMENT ON COLUMN @extschema@.call_event_logs.retry_base IS
'the first retry comes within this time, each further one within twice the time of the one before';
COMMENT ON COLUMN @extschema@.call_event_logs.retry_cap IS 'no retry comes later than this';
COMMENT ON COLUMN @extschema@.call_event_logs.max_retrying IS
'with so many events retrying or blocked in a lane, it takes no new ones: in an outage, the backlog stays where it is';
COMMENT ON COLUMN @extschema@.call_event_logs.signed IS
'true: only signed bodies are taken. Dumped, unlike the secrets: a restored log refuses every body until '
'set_call_event_secret is called again';
COMMENT ON COLUMN @extschema@.call_event_logs.payload_column IS 'the column of events with the bodies';
COMMENT ON COLUMN @extschema@.call_event_logs.event_type_column IS
'the one with what the provider says beside the body; NULL: there is none, as for the two below';
COMMENT ON COLUMN @extschema@.call_event_logs.received_at_column IS 'the one with the time of receipt';
COMMENT ON COLUMN @extschema@.call_event_logs.processed_at_column IS
'the one set after an event was processed, by this extension or by other clients of the table';
COMMENT ON COLUMN @extschema@.call_event_logs.carry IS 'columns copied from an event to the new row of its call';
COMMENT ON COLUMN @extschema@.call_event_logs.sequence IS
'numbers the events of an existing table (harden_call_events); NULL: the column event_seq has a default';
COMMENT ON COLUMN @extschema@.call_event_logs.is_default IS
'true: the log of functions called without one; NULL: another log is, or none. The first log is the default, until '
'configure_call_event_log chooses another';
COMMENT ON COLUMN @extschema@.call_event_logs.ignored_event_types IS
'events of these types are no calls: they are settled when they are appended';
COMMENT ON COLUMN @extschema@.call_event_logs.ignored_members IS 'and so are bodies with one of these members';
COMMENT ON COLUMN @extschema@.call_event_logs.settled_marks IS
'marks of data-only restores in event_xid, if their events are done';
COMMENT ON COLUMN @extschema@.call_event_logs.other_consumers IS
'numbers of the consumers beside the default one (call_consumers)';
COMMENT ON COLUMN @extschema@.call_event_logs.route_column IS
'the column that a distributed log is distributed by: the call id, or a negative number of an event without a call; '
'NULL: the log is not distributed by its calls';
COMMENT ON COLUMN @extschema@.call_event_logs.shard_id IS
'the number of the shard, if the log is a shard of a distributed log (attach_call_shards); NULL: it is none';
COMMENT ON COLUMN @extschema@.call_event_logs.shape IS
'the shape of the bodies, as configure_call_event_log was given it; NULL: that of the provider (call_event_shape)';
COMMENT ON COLUMN @extschema@.call_event_logs.is_of_changes IS
'true: the events are the changes of the calls table, and not webhooks (create_call_changes)';

CREATE TABLE _callhardening.lanes (
    consumer_id int NOT NULL,
    lane int NOT NULL,
    CONSTRAINT lanes_pkey PRIMARY KEY (consumer_id, lane)
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.lanes', '');
REVOKE ALL ON _callhardening.lanes FROM PUBLIC;

COMMENT ON TABLE _callhardening.lanes IS
'one row per lane of a log and consumer: locked while the lane is claimed, never updated';

-- Rows are written by key, without a look at constraints, by the functions alone; the columns count from 1 in
-- src/pg/log/lane.cpp. Autovacuum comes when some thousand records are gone, however many there are.
CREATE TABLE _callhardening.claims (
    consumer_id int NOT NULL,
    lane int NOT NULL,
    record_no bigint NOT NULL,
    state text NOT NULL,
    done_snapshot pg_catalog.pg_snapshot NOT NULL,
    window_snapshot pg_catalog.pg_snapshot,
    read_xid pg_catalog.xid8,
    read_seq bigint,
    redelivered_to_xid pg_catalog.xid8,
    redelivered_to_seq bigint,
    redeliveries int NOT NULL,
    claim_id bigint,
    is_retry boolean NOT NULL,
    to_xid pg_catalog.xid8,
    to_seq bigint,
    is_window_end boolean NOT NULL,
    events int NOT NULL,
    worker text,
    claimed_at timestamptz NOT NULL,
    lease_end timestamptz,
    CONSTRAINT claims_pkey PRIMARY KEY (consumer_id, lane, record_no)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.claims', '');
REVOKE ALL ON _callhardening.claims FROM PUBLIC;

COMMENT ON TABLE _callhardening.claims IS
'what happened to each lane of a consumer: the record with the highest record_no of a lane is its truth, the last 64 '
'at least are kept';
COMMENT ON COLUMN _callhardening.claims.state IS
'claimed or renewed: a claim is open; completed, released or moved (on, without events): none is';
COMMENT ON COLUMN _callhardening.claims.done_snapshot IS 'every event of the lane in this snapshot is done';
COMMENT ON COLUMN _callhardening.claims.window_snapshot IS
'the window being read: what this snapshot sees and done_snapshot does not; NULL between two windows';
COMMENT ON COLUMN _callhardening.claims.read_xid IS 'with read_seq: the last done event of the window';
COMMENT ON COLUMN _callhardening.claims.redelivered_to_xid IS
'with redelivered_to_seq: events of the window up to here were handed out before';
COMMENT ON COLUMN _callhardening.claims.redeliveries IS 'how often, without released claims';
COMMENT ON COLUMN _callhardening.claims.claim_id IS 'the claim of the record';
COMMENT ON COLUMN _callhardening.claims.is_retry IS 'the claim is of retrying events, and not of a range of the lane';
COMMENT ON COLUMN _callhardening.claims.to_xid IS 'with to_seq: the last event of the claim''s range';
COMMENT ON COLUMN _callhardening.claims.is_window_end IS 'nothing comes after it in the window';
COMMENT ON COLUMN _callhardening.claims.events IS 'number of events handed out with the claim';
COMMENT ON COLUMN _callhardening.claims.worker IS 'the worker';
COMMENT ON COLUMN _callhardening.claims.lease_end IS
'of an open claim: when others may take over what it has not completed; -infinity: at once, as it was its '
'transaction''s. completed or released: when the claim ended';

CREATE FUNCTION _callhardening.attempts_without_errors(errors jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('at', a.attempt -> 'at', 'worker', a.attempt -> 'worker',
    'sqlstate', a.attempt -> 'sqlstate')) ORDER BY a.number)
FROM jsonb_array_elements(errors) WITH ORDINALITY AS a (attempt, number)
$$;

COMMENT ON FUNCTION _callhardening.attempts_without_errors(jsonb) IS
'failed attempts as the views show them to a reader without quoted_bodies: without the messages';

CREATE TABLE _callhardening.retrying_events (
    consumer_id int NOT NULL,
    lane int NOT NULL,
    event_seq bigint NOT NULL,
    event_xid pg_catalog.xid8 NOT NULL,
    call_id text NOT NULL,
    attempts int NOT NULL,
    lease_expiries int NOT NULL,
    due_at timestamptz,
    claim_id bigint,
    waiting_since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    errors jsonb,
    lock_waits int NOT NULL DEFAULT 0,
    CONSTRAINT retrying_events_pkey PRIMARY KEY (consumer_id, lane, event_seq)
);
CREATE INDEX idx_retrying_events_due ON _callhardening.retrying_events (consumer_id, due_at);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.retrying_events', '');
REVOKE ALL ON _callhardening.retrying_events FROM PUBLIC;

COMMENT ON TABLE _callhardening.retrying_events IS 'what call_retrying_events shows';

-- What is remembered of a shard that Citus has moved is history: the server that has the shard now has its figures.
CREATE VIEW _callhardening.placed_logs AS
SELECT * FROM _callhardening.logs l WHERE _callhardening.is_placed_here(l.shard_id);
REVOKE ALL ON _callhardening.placed_logs FROM PUBLIC;
GRANT SELECT ON _callhardening.placed_logs TO PUBLIC;

COMMENT ON VIEW _callhardening.placed_logs IS 'the logs without the shards that are on another server now';

CREATE VIEW _callhardening.shown_logs AS
SELECT * FROM _callhardening.placed_logs l WHERE pg_catalog.has_any_column_privilege(l.events::oid, 'SELECT');
REVOKE ALL ON _callhardening.shown_logs FROM PUBLIC;
GRANT SELECT ON _callhardening.shown_logs TO PUBLIC;

COMMENT ON VIEW _callhardening.shown_logs IS 'those of them with figures for the reader: he may read their events';

CREATE VIEW _callhardening.absent_consumers AS
SELECT c.consumer_id FROM _callhardening.consumers c
JOIN _callhardening.logs l ON l.log_id OPERATOR(pg_catalog.=) c.log_id
WHERE NOT _callhardening.is_placed_here(l.shard_id);
REVOKE ALL ON _callhardening.absent_consumers FROM PUBLIC;

COMMENT ON VIEW _callhardening.absent_consumers IS
'the consumers of shards that are on another server now: views leave them out';

CREATE VIEW @extschema@.call_retrying_events AS
SELECT (SELECT c.log_id FROM _callhardening.consumers c
           WHERE c.consumer_id OPERATOR(pg_catalog.=) e.consumer_id) AS log_id,
       (SELECT c.name FROM _callhardening.consumers c
           WHERE c.consumer_id OPERATOR(pg_catalog.=) e.consumer_id) AS consumer,
       e.lane, e.event_seq, e.event_xid,
       CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
           THEN e.call_id ELSE _callhardening.row_sample(e.call_id, NULL::text) END AS call_id,
       e.attempts, e.lease_expiries, e.due_at, e.claim_id, e.waiting_since,
       CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
           THEN e.errors ELSE _callhardening.attempts_without_errors(e.errors) END AS errors,
       e.lock_waits
FROM _callhardening.retrying_events e
WHERE e.consumer_id OPERATOR(pg_catalog.<>) ALL (ARRAY(SELECT a.consumer_id FROM _callhardening.absent_consumers a));
REVOKE ALL ON @extschema@.call_retrying_events FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_retrying_events', 'SELECT'), ('monitor', 'call_retrying_events', 'SELECT');

COMMENT ON VIEW @extschema@.call_retrying_events IS
'Events waiting to be tried again, and events of the same calls blocked behind them. Their bodies
are in the event log.';
COMMENT ON COLUMN @extschema@.call_retrying_events.log_id IS 'the log (call_event_logs)';
COMMENT ON COLUMN @extschema@.call_retrying_events.lane IS 'the lane of the event';
COMMENT ON COLUMN @extschema@.call_retrying_events.event_seq IS 'the number of the event in its log';
COMMENT ON COLUMN @extschema@.call_retrying_events.waiting_since IS
'when it failed first, was blocked, or came back from the dead events';
COMMENT ON COLUMN @extschema@.call_retrying_events.consumer IS 'the consumer of the log whose attempt failed';
COMMENT ON COLUMN @extschema@.call_retrying_events.event_xid IS
'the transaction of the event''s INSERT: events of a call go by it, and then by event_seq; 0: not known here, as the '
'event was restored or had been dead, and goes by event_seq alone';
COMMENT ON COLUMN @extschema@.call_retrying_events.attempts IS
'how often the event was handed out, without released claims';
COMMENT ON COLUMN @extschema@.call_retrying_events.lease_expiries IS
'how often its worker was lost; from 2 on it is handed out alone, as it is in its last attempt';
COMMENT ON COLUMN @extschema@.call_retrying_events.due_at IS
'when it is tried again; NULL: when the events before it are done with';
COMMENT ON COLUMN @extschema@.call_retrying_events.claim_id IS 'its present claim';
COMMENT ON COLUMN @extschema@.call_retrying_events.call_id IS
'the call. A reader with only the task monitor sees at most 40 letters, digits, spaces, ., _ and -, and of anything '
'else the length';
COMMENT ON COLUMN @extschema@.call_retrying_events.errors IS
'the last 10 failed attempts: at, worker, sqlstate, error. A reader with only the task monitor sees no error';
COMMENT ON COLUMN @extschema@.call_retrying_events.lock_waits IS
'how often process_call_events met a locked row for it, without an attempt. 0: the event does not wait for a row';

CREATE FUNCTION _callhardening.why_no_lane(lane int) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_why_no_lane';

COMMENT ON FUNCTION _callhardening.why_no_lane(int) IS
'the error of an event with a negative event_lane, the same in call_dead_events and call_issues; NULL for other '
'numbers';

CREATE TABLE _callhardening.dead_events (
    consumer_id int NOT NULL,
    event_seq bigint NOT NULL,
    lane int NOT NULL,
    call_id text,
    attempts int NOT NULL DEFAULT 0,
    sqlstate text,
    error text NOT NULL,
    errors jsonb,
    died_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CONSTRAINT dead_events_pkey PRIMARY KEY (consumer_id, event_seq)
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.dead_events', '');
REVOKE ALL ON _callhardening.dead_events FROM PUBLIC;

COMMENT ON TABLE _callhardening.dead_events IS 'what call_dead_events shows';

CREATE VIEW @extschema@.call_dead_events AS
SELECT (SELECT c.log_id FROM _callhardening.consumers c
           WHERE c.consumer_id OPERATOR(pg_catalog.=) e.consumer_id) AS log_id,
       (SELECT c.name FROM _callhardening.consumers c
           WHERE c.consumer_id OPERATOR(pg_catalog.=) e.consumer_id) AS consumer,
       e.event_seq, e.lane,
       CASE WHEN e.call_id IS NULL
           OR pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
           THEN e.call_id ELSE _callhardening.row_sample(e.call_id, NULL::text) END AS call_id,
       e.attempts, e.sqlstate,
       CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
           THEN e.error WHEN e.lane OPERATOR(pg_catalog.<) 0 THEN _callhardening.why_no_lane(e.lane) END AS error,
       CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
           THEN e.errors ELSE _callhardening.attempts_without_errors(e.errors) END AS errors,
       e.died_at
FROM _callhardening.dead_events e
WHERE e.consumer_id OPERATOR(pg_catalog.<>) ALL (ARRAY(SELECT a.consumer_id FROM _callhardening.absent_consumers a));
REVOKE ALL ON @extschema@.call_dead_events FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_dead_events', 'SELECT'), ('monitor', 'call_dead_events', 'SELECT');

COMMENT ON VIEW @extschema@.call_dead_events IS
'Events given up after their last attempt, and why. Their bodies are in the event log, under the
same event_seq. retry_dead_call_events gives them another chance.';
COMMENT ON COLUMN @extschema@.call_dead_events.log_id IS 'the log (call_event_logs)';
COMMENT ON COLUMN @extschema@.call_dead_events.event_seq IS 'the number of the event in its log';
COMMENT ON COLUMN @extschema@.call_dead_events.died_at IS 'when it was given up';
COMMENT ON COLUMN @extschema@.call_dead_events.consumer IS
'the consumer of the log that gave it up; default: also events without a call';
COMMENT ON COLUMN @extschema@.call_dead_events.lane IS 'below 0: the event has no call, and no worker can take it';
COMMENT ON COLUMN @extschema@.call_dead_events.attempts IS 'how often it was handed out';
COMMENT ON COLUMN @extschema@.call_dead_events.sqlstate IS 'of the last error, if process_call_events met it';
COMMENT ON COLUMN @extschema@.call_dead_events.error IS
'the last error, up to 1000 bytes: what a worker said, or what was raised by the calls table. NULL: the reader has '
'only the task monitor';
COMMENT ON COLUMN @extschema@.call_dead_events.call_id IS
'as in call_retrying_events. NULL: the event names no call';
COMMENT ON COLUMN @extschema@.call_dead_events.errors IS
'the last 10 failed attempts, as in call_retrying_events';

-- Every session and the next start of the server have to find what is in an event log.
CREATE FUNCTION _callhardening.require_log_tables(events regclass, calls regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    class pg_class;
BEGIN
    SELECT * INTO class FROM pg_class WHERE oid = calls;
    IF class.relpersistence = 't' THEN
        PERFORM _callhardening.raise_error('42809', format('table %s is temporary', calls),
            detail => 'No other session could apply the events of the log to it.');
    END IF;
    SELECT * INTO class FROM pg_class WHERE oid = events;
    IF class.relkind IS DISTINCT FROM 'r' THEN
        PERFORM _callhardening.raise_error('42809', format('%s is not an ordinary table', events),
            hint => 'An event log is read through an index on all of its rows. Only ordinary tables have one.');
    ELSIF class.relpersistence = 't' THEN
        PERFORM _callhardening.raise_error('42809', format('table %s is temporary', events),
            detail => 'No other session could read its events, and they end with this one.');
    ELSIF class.relpersistence = 'u' THEN
        PERFORM _callhardening.raise_error('42809', format('table %s is unlogged', events),
            detail => 'A crash of the server would empty it.',
            hint => format('ALTER TABLE %s SET LOGGED.', events));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_log_tables(regclass, regclass) IS
'refuses what cannot be an event log, or its calls table: 42809 no ordinary table, a temporary or an unlogged one; '
'the calls table may be unlogged. calls: NULL or a missing table is not looked at';

-- Rows inserted by statements come from a dump, except a new log's own. Their transaction ids are those of another
-- cluster, or of another time of this one: a clone has the identifier of its original, and a dump may be older than its
-- cluster is by now.
CREATE FUNCTION _callhardening.mark_restored_log() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
BEGIN
    IF NEW.system_identifier IS NULL THEN
        PERFORM _callhardening.require_log_tables(NEW.events, NEW.calls);
        NEW.system_identifier := (SELECT system_identifier FROM pg_control_system());
        -- Nobody's say: with the number of another owner's shard, a log would get hold of it.
        NEW.shard_id := (SELECT _callhardening.shard_of(NEW.events) FROM pg_class AS e
            JOIN pg_class AS s ON s.oid = _callhardening.shell_of(NEW.events) AND s.relowner = e.relowner
            WHERE e.oid = NEW.events);
    ELSE
        NEW.system_identifier := 0;
        -- The default log of this database stays the default.
        IF EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.is_default) THEN
            NEW.is_default := NULL;
        END IF;
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.mark_restored_log() FROM PUBLIC;
CREATE TRIGGER mark_restored_log BEFORE INSERT ON _callhardening.logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.mark_restored_log();
ALTER TABLE _callhardening.logs ENABLE ALWAYS TRIGGER mark_restored_log;

COMMENT ON FUNCTION _callhardening.mark_restored_log() IS
'trigger function: knows a restored log, from any cluster, and a shard by its table';

-- Sessions making the first log at the same time meet at the unique key.
CREATE FUNCTION _callhardening.choose_default_log(newcomer int) RETURNS regclass
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
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

-- A transaction that has notified cannot be prepared. Citus prepares each transaction with shards of several nodes.
CREATE FUNCTION _callhardening.refuse_notifying_shard() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NEW.shard_id IS NULL AND _callhardening.shell_of(NEW.events) IS NULL
        AND (TG_OP = 'INSERT' OR OLD.notify OR _callhardening.distribution(NEW.events) IS NULL) THEN
        RETURN NEW;
    END IF;
    PERFORM _callhardening.raise_error('0A000', format('%s %s cannot notify',
            CASE WHEN _callhardening.distribution(NEW.events) IS NULL THEN 'shard' ELSE 'distributed log' END,
            NEW.events),
        detail => 'A transaction with shards of several nodes would fail at its commit.',
        hint => 'Start a worker in the server (start_call_worker), or wait with wait_for_call_events. In a state for '
            'attach_call_event_log: jsonb_set(state, ''{settings,notify}'', ''false'').');
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.refuse_notifying_shard() FROM PUBLIC;
CREATE TRIGGER refuse_notifying_shard BEFORE INSERT OR UPDATE OF notify, shard_id ON _callhardening.logs
    FOR EACH ROW WHEN (NEW.notify) EXECUTE FUNCTION _callhardening.refuse_notifying_shard();

COMMENT ON FUNCTION _callhardening.refuse_notifying_shard() IS
'trigger function: refuses (0A000) notifications for a shard or a distributed log, however its settings come';

CREATE FUNCTION _callhardening.warn_of_unsigned_nodes() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF _callhardening.distribution(NEW.events) IS NOT NULL THEN
        PERFORM _callhardening.report('WARNING'::text,
            format('the other nodes still take unsigned bodies for %s', NEW.events),
            hint => format('SELECT * FROM attach_call_shards(%L) here. Then they take none until they have the secret.',
                NEW.events));
    END IF;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.warn_of_unsigned_nodes() FROM PUBLIC;
CREATE TRIGGER warn_of_unsigned_nodes AFTER UPDATE OF signed ON _callhardening.logs
    FOR EACH ROW WHEN (NEW.signed AND NOT OLD.signed) EXECUTE FUNCTION _callhardening.warn_of_unsigned_nodes();

COMMENT ON FUNCTION _callhardening.warn_of_unsigned_nodes() IS
'trigger function: a WARNING if a distributed log takes signed bodies only from now on, and other nodes do not know it';

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

-- What is remembered about a log comes and goes with its row, by any writer: owners of logs have no right on the other
-- tables, and need none. For a restored log, the dump has it.
CREATE FUNCTION _callhardening.follow_log() RETURNS trigger
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
            INSERT INTO _callhardening.known_shards VALUES (_callhardening.shell_of(NEW.events), NEW.shard_id,
                _callhardening.shard_hashes(NEW.shard_id)) ON CONFLICT DO NOTHING;
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
REVOKE EXECUTE ON FUNCTION _callhardening.follow_log() FROM PUBLIC;
CREATE TRIGGER follow_log AFTER INSERT OR DELETE ON _callhardening.logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.follow_log();
ALTER TABLE _callhardening.logs ENABLE ALWAYS TRIGGER follow_log;

COMMENT ON FUNCTION _callhardening.follow_log() IS
'trigger function: gives a registered log its default consumer and its lanes, and removes what is remembered about a '
'dropped one';

-- What an owner of tables may write of ours. Rights on the tables are those of the view's owner, but the owner of a log
-- is checked for the caller: only an owner of both tables has a row here.
CREATE VIEW _callhardening.my_logs WITH (security_barrier) AS
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
REVOKE ALL ON _callhardening.my_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'my_logs', 'SELECT', NULL),
    ('own', 'my_logs', 'INSERT', '{log_id, retrying_or_dead, shard_id}'),
    ('own', 'my_logs', 'UPDATE', '{log_id, events, calls, provider, lanes, payload_column, event_type_column, '
        'received_at_column, processed_at_column, carry, sequence, is_of_changes, retrying_or_dead, route_column, '
        'shard_id}');

COMMENT ON VIEW _callhardening.my_logs IS
'the logs of the caller''s tables: what harden_call_events and unharden_call_events write of call_event_logs, with '
'the rights of an owner with the task own (see grant_call_role)';
COMMENT ON COLUMN _callhardening.my_logs.retrying_or_dead IS 'how many events are retrying, blocked or dead';

-- DELETE on a view would let an owner lock the tables behind it, and stop all logs. UPDATE of a column does not.
CREATE VIEW _callhardening.forgotten_logs WITH (security_barrier) AS
SELECT l.log_id, false AS is_forgotten FROM _callhardening.my_logs l;
REVOKE ALL ON _callhardening.forgotten_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'forgotten_logs', 'SELECT', NULL),
    ('own', 'forgotten_logs', 'UPDATE', '{log_id}');

COMMENT ON VIEW _callhardening.forgotten_logs IS
'the logs of the caller''s tables: unharden_call_events sets is_forgotten to remove the log from call_event_logs';

CREATE FUNCTION _callhardening.forget_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NEW.is_forgotten THEN
        DELETE FROM _callhardening.logs AS l WHERE l.log_id = OLD.log_id;
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.forget_log() FROM PUBLIC;
CREATE TRIGGER forget_log INSTEAD OF UPDATE ON _callhardening.forgotten_logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.forget_log();

COMMENT ON FUNCTION _callhardening.forget_log() IS
'trigger function: removes a log for an owner without the right to do it';

CREATE VIEW _callhardening.my_dead_events WITH (security_barrier) AS
SELECT d.consumer_id AS log_id, d.event_seq, d.lane, d.call_id, d.sqlstate, d.error FROM _callhardening.dead_events d
WHERE d.consumer_id OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT l.log_id FROM _callhardening.my_logs l))
WITH CHECK OPTION;
REVOKE ALL ON _callhardening.my_dead_events FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'my_dead_events', 'INSERT');

COMMENT ON VIEW _callhardening.my_dead_events IS
'the dead events of the logs of the caller''s tables: what harden_call_events writes of call_dead_events';

-- The writable settings of a log: for its owner, and for roles with the right to read and purge it. A dropped log is in
-- the way of nobody.
CREATE VIEW _callhardening.operated_logs WITH (security_barrier) AS
SELECT l.log_id, l.events, l.max_attempts, l.retry_base, l.retry_cap, l.max_retrying, l.notify,
       l.is_default, l.ignored_event_types, l.ignored_members
FROM _callhardening.logs l
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) l.events::oid AND NOT (
    pg_catalog.pg_has_role(c.relowner, 'USAGE')
    OR pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'DELETE')))
WITH CHECK OPTION;
REVOKE ALL ON _callhardening.operated_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'operated_logs', 'SELECT', NULL),
    ('own', 'operated_logs', 'SELECT', NULL),
    ('own', 'operated_logs', 'UPDATE', '{log_id, events}'),
    ('operate', 'operated_logs', 'UPDATE', '{log_id, events}');

COMMENT ON VIEW _callhardening.operated_logs IS
'the settings of the logs of the caller''s, as owner or with the right to read and purge: what '
'configure_call_event_log writes of call_event_logs';

-- The limits of the consumers of logs that the caller may configure. The default consumer has those of its log.
CREATE VIEW _callhardening.operated_consumers WITH (security_barrier) AS
SELECT c.consumer_id, c.log_id, c.name, c.max_attempts, c.retry_base, c.retry_cap, c.max_retrying
FROM _callhardening.consumers c
WHERE c.consumer_id OPERATOR(pg_catalog.<>) c.log_id
  AND c.log_id OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT l.log_id FROM _callhardening.operated_logs l))
WITH CHECK OPTION;
REVOKE ALL ON _callhardening.operated_consumers FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'operated_consumers', 'SELECT', NULL),
    ('operate', 'operated_consumers', 'SELECT', NULL),
    ('own', 'operated_consumers', 'UPDATE', '{consumer_id, log_id, name}'),
    ('operate', 'operated_consumers', 'UPDATE', '{consumer_id, log_id, name}');

COMMENT ON VIEW _callhardening.operated_consumers IS
'the consumers of the logs of the caller''s, as owner or with the right to read and purge: what '
'configure_call_event_log writes of call_consumers';

-- Positions of another cluster would settle what a log of this cluster has stamped.
CREATE FUNCTION _callhardening.skip_restored_claim() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF EXISTS (SELECT FROM _callhardening.logs AS l JOIN _callhardening.consumers AS c ON c.log_id = l.log_id
        WHERE c.consumer_id = NEW.consumer_id AND l.system_identifier <> 0) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.skip_restored_claim() FROM PUBLIC;
CREATE TRIGGER skip_restored_claim BEFORE INSERT ON _callhardening.claims FOR EACH ROW
    EXECUTE FUNCTION _callhardening.skip_restored_claim();
ALTER TABLE _callhardening.claims ENABLE ALWAYS TRIGGER skip_restored_claim;

COMMENT ON FUNCTION _callhardening.skip_restored_claim() IS
'trigger function: claims of a dump are left out if the log was not restored with them';

CREATE FUNCTION _callhardening.forget_restored_event_xid() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log record;
BEGIN
    NEW.event_xid := '0';
    -- If a worker has adopted the log already, or it was made here, no worker looks into the lane of the dump.
    SELECT l.first_lane, l.lanes INTO log
    FROM _callhardening.logs AS l JOIN _callhardening.consumers AS c ON c.log_id = l.log_id
    WHERE c.consumer_id = NEW.consumer_id AND l.system_identifier <> 0;
    IF FOUND THEN
        NEW.lane := log.first_lane + NEW.lane % log.lanes;
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.forget_restored_event_xid() FROM PUBLIC;
CREATE TRIGGER forget_restored_event_xid BEFORE INSERT ON _callhardening.retrying_events FOR EACH ROW
    EXECUTE FUNCTION _callhardening.forget_restored_event_xid();
ALTER TABLE _callhardening.retrying_events ENABLE ALWAYS TRIGGER forget_restored_event_xid;

COMMENT ON FUNCTION _callhardening.forget_restored_event_xid() IS
'trigger function: the transaction of a retrying event that comes from a dump means nothing where it is restored, and '
'its lane is one of the log there';

-- Stamps an event with what the workers go by: its call, its lane and the transaction of the INSERT.
CREATE FUNCTION _callhardening.stamp_call_event() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_stamp_call_event';
REVOKE EXECUTE ON FUNCTION _callhardening.stamp_call_event() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'stamp_call_event');

COMMENT ON FUNCTION _callhardening.stamp_call_event() IS
'trigger function of event logs, BEFORE INSERT FOR EACH ROW: fills call_id, event_type, event_lane and event_xid. '
'Arguments: payload column, provider, number of lanes, key of the calls table (see call_key_type), and a fifth one for '
'existing tables: there it leaves event_type alone, and fills event_seq; a row without one is left as it is if the '
'log''s processed_at_column is set in it, or if call_event_logs has no row of the table (a restore of data alone)';

CREATE FUNCTION _callhardening.no_lane(reason text) RETURNS int
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_no_lane';

COMMENT ON FUNCTION _callhardening.no_lane(text) IS
'the event_lane of an event no worker looks for: not_json, not_an_object, no_call_id, call_id_too_long, '
'call_id_not_held (by the key of the calls table), malformed_form, several_calls (a client''s own row), too_many_calls '
'(for ingest_call_event), not_stamped (no trigger was there) or ignored. '
'NULL for any other word';

-- An event without a lane is kept, since its provider will not send it again, but no worker can apply it.
CREATE FUNCTION _callhardening.bury_call_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- The log's owner may have given its columns types with casts of his own, and they would run as the owner of
    -- the extension. The statement below is not looked at before it is reached.
    IF (SELECT count(*) FROM pg_attribute WHERE attrelid = TG_RELID AND (attname, atttypid) IN (
            ('event_seq', 'bigint'::regtype), ('event_lane', 'integer'::regtype),
            ('call_id', 'text'::regtype))) <> 3 THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('table %s is no longer an event log', TG_RELID::regclass),
            DETAIL = 'The type of event_seq, event_lane or call_id was altered.';
    END IF;
    IF NEW.event_lane = _callhardening.no_lane('ignored') THEN -- settled
        RETURN NULL;
    END IF;
    IF NEW.event_lane = _callhardening.no_lane('not_stamped') THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('the event got no stamp from the trigger stamp_call_event of table %s',
                TG_RELID::regclass),
            DETAIL = 'No worker would find it.',
            HINT = 'Enable the trigger, or call register_call_event_log if it is gone.';
    END IF;
    INSERT INTO _callhardening.dead_events (consumer_id, event_seq, lane, call_id, sqlstate, error)
    SELECT log_id, NEW.event_seq, NEW.event_lane, NEW.call_id, '22023',
        _callhardening.why_no_lane(NEW.event_lane)
    FROM _callhardening.logs WHERE events = TG_RELID
    ON CONFLICT DO NOTHING;
    PERFORM _callhardening.note_event_without_lane(TG_RELID::regclass, NEW.event_seq, NEW.event_lane, NEW.call_id);
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.bury_call_event() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'bury_call_event');

COMMENT ON FUNCTION _callhardening.bury_call_event() IS
'trigger function of event logs, AFTER INSERT FOR EACH ROW: writes an event without a lane to call_dead_events, and '
'to call_issues. Error: 55000 the event has no stamp';

-- An UPDATE of a subscription has all columns of its publisher, and so its stamps.
CREATE FUNCTION _callhardening.keep_call_event_stamp() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF current_setting('session_replication_role') = 'replica' THEN
        NEW.event_lane := OLD.event_lane;
        NEW.event_xid := OLD.event_xid;
        NEW.event_seq := OLD.event_seq;
        NEW.call_id := OLD.call_id;
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.keep_call_event_stamp() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'keep_call_event_stamp');

COMMENT ON FUNCTION _callhardening.keep_call_event_stamp() IS
'trigger function of event logs, BEFORE UPDATE FOR EACH ROW, for replication only: keeps the stamp an event has here';

-- A subscription writes as a replica. Its rows have the stamps of the publisher. Its lanes and transaction ids mean
-- nothing here: so the first two triggers fire always.
CREATE FUNCTION _callhardening.create_event_triggers(events regclass, arguments text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER stamp_call_event BEFORE INSERT ON %s FOR EACH ROW
        EXECUTE FUNCTION _callhardening.stamp_call_event(%s)', events,
        (SELECT string_agg(quote_literal(a.argument), ', ' ORDER BY a.n)
         FROM unnest(arguments) WITH ORDINALITY AS a (argument, n)));
    EXECUTE format('CREATE TRIGGER bury_call_event AFTER INSERT ON %s FOR EACH ROW WHEN (NEW.event_lane < 0)
        EXECUTE FUNCTION _callhardening.bury_call_event()', events);
    EXECUTE format('CREATE TRIGGER keep_call_event_stamp BEFORE UPDATE ON %s FOR EACH ROW
        EXECUTE FUNCTION _callhardening.keep_call_event_stamp()', events);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER stamp_call_event, ENABLE ALWAYS TRIGGER bury_call_event,
        ENABLE REPLICA TRIGGER keep_call_event_stamp', events);
END
$$;

COMMENT ON FUNCTION _callhardening.create_event_triggers(regclass, text[]) IS
'creates the triggers of an event log; arguments: those of stamp_call_event. Error: 42710 one of this name is there';

CREATE FUNCTION _callhardening.event_stamp(payload jsonb, provider text, lanes int, key_type text,
        shape jsonb DEFAULT 'null', OUT call_id text, OUT event_lane int)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_event_stamp';

COMMENT ON FUNCTION _callhardening.event_stamp(jsonb, text, int, text, jsonb) IS
'the call of an event and the lane stamp_call_event gives it, 0 to lanes - 1; call_id is NULL and event_lane below 0 '
'if the event has no call (see why_no_lane). key_type: see call_key_type. shape: the log''s own; null: that of the '
'provider. NULL for NULL. Errors: 22023 lanes out of range, no shape';

CREATE FUNCTION _callhardening.event_indexes() RETURNS TABLE (index_no int, keys name[])
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES (1, '{event_lane,event_xid,event_seq}'::name[]), (2, '{event_seq}'), (3, '{event_digest}')
$$;

COMMENT ON FUNCTION _callhardening.event_indexes() IS
'the columns of the unique indexes of an event log';

-- The library asks for the same definition (src/pg/log/log_table.cpp). An index with another order, condition or
-- operator class gives other events, or the same events in another order.
CREATE FUNCTION _callhardening.has_event_index(events regclass, keys name[]) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT EXISTS (
    SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
    WHERE i.indrelid = events AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indexprs IS NULL
      AND i.indnkeyatts = cardinality(keys)
      AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', keys[1]))
      AND NOT EXISTS (
          SELECT FROM generate_series(0, i.indnkeyatts - 1) AS k (n)
          LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.n]
          LEFT JOIN pg_opclass o ON o.oid = i.indclass[k.n] AND o.opcdefault
          WHERE a.attname IS DISTINCT FROM keys[k.n + 1] OR o.oid IS NULL OR i.indoption[k.n] <> 0
             OR i.indcollation[k.n] <> 0))
$$;

COMMENT ON FUNCTION _callhardening.has_event_index(regclass, name[]) IS
'whether an event log has a valid unique index on exactly these columns, ascending, with the default operator '
'classes. Its only possible condition is IS NOT NULL of the first column';

CREATE FUNCTION _callhardening.require_valid_log_settings(provider text, shape jsonb, lanes int) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF lanes NOT BETWEEN 1 AND 1024 THEN
        PERFORM _callhardening.raise_error('22023', 'lanes must be between 1 and 1024');
    END IF;
    PERFORM _callhardening.require_readable_events(provider, shape);
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_log_settings(text, jsonb, int) IS
'refuses (22023) a number of lanes out of range, a document that is no shape, and without one a provider without '
'readable events; only the shape may be NULL';

CREATE FUNCTION _callhardening.bury_stamped_events(log int, events regclass) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
INSERT INTO _callhardening.my_dead_events (log_id, event_seq, lane, call_id, sqlstate, error)
SELECT log, e.event_seq, e.event_lane, e.call_id, '22023', _callhardening.why_no_lane(e.event_lane)
FROM _callhardening.query_as_owner(events, format('SELECT event_seq, event_lane, call_id FROM %s
    WHERE event_lane BETWEEN _callhardening.no_lane(''not_stamped'') AND _callhardening.no_lane(''not_json'')%s',
    events, (SELECT ' AND ' || quote_ident(l.processed_at_column) || ' IS NULL' FROM _callhardening.logs AS l
     WHERE l.log_id = log)), NULL::text[])
    AS e (event_seq bigint, event_lane int, call_id text)
ON CONFLICT DO NOTHING
$$;

COMMENT ON FUNCTION _callhardening.bury_stamped_events(int, regclass) IS
'writes the events without a call that came before the log was registered to call_dead_events: the trigger '
'bury_call_event found no log. Those that a column marks as processed are left out';

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

CREATE FUNCTION @extschema@.register_call_event_log(events regclass, calls regclass, provider text DEFAULT 'dialpad',
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
    PERFORM _callhardening.require_no_split_shard(events);
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
REVOKE EXECUTE ON FUNCTION @extschema@.register_call_event_log(regclass, regclass, text, int, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'register_call_event_log');

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

-- Citus drops the old table of a moved shard some seconds after the move. Not dumped: the shards of another cluster
-- have other numbers.
CREATE TABLE _callhardening.left_shards (
    shard_id bigint CONSTRAINT left_shards_pkey PRIMARY KEY,
    log regclass NOT NULL,
    consumers jsonb NOT NULL
);
REVOKE ALL ON _callhardening.left_shards FROM PUBLIC;

COMMENT ON TABLE _callhardening.left_shards IS
'attached shards that were here, and that no other server has attached yet';
COMMENT ON COLUMN _callhardening.left_shards.log IS 'the distributed log';
COMMENT ON COLUMN _callhardening.left_shards.consumers IS 'the rows of consumers beside the default one, as an array';

CREATE VIEW _callhardening.my_left_shards WITH (security_barrier) AS
SELECT k.*, false AS is_taken FROM _callhardening.left_shards k WHERE EXISTS (SELECT FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) k.log::oid AND pg_catalog.pg_has_role(c.relowner, 'USAGE'));
REVOKE ALL ON _callhardening.my_left_shards FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'my_left_shards', 'SELECT', NULL),
    ('own', 'my_left_shards', 'UPDATE', '{shard_id, log, consumers}');

COMMENT ON VIEW _callhardening.my_left_shards IS
'the rows of left_shards for the caller''s logs: attach_call_shards sets is_taken to remove them';

CREATE FUNCTION _callhardening.remove_left_shard() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NEW.is_taken THEN
        DELETE FROM _callhardening.left_shards AS k WHERE k.shard_id = OLD.shard_id;
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.remove_left_shard() FROM PUBLIC;
CREATE TRIGGER remove_left_shard INSTEAD OF UPDATE ON _callhardening.my_left_shards FOR EACH ROW
    EXECUTE FUNCTION _callhardening.remove_left_shard();

COMMENT ON FUNCTION _callhardening.remove_left_shard() IS
'trigger function: forgets a shard that its new server knows, for an owner without rights on left_shards';

-- Each node knows what was attached anywhere. Not dumped, as left_shards.
CREATE TABLE _callhardening.known_shards (
    log regclass,
    shard_id bigint,
    hashes int8range,
    CONSTRAINT known_shards_pkey PRIMARY KEY (log, shard_id)
);
REVOKE ALL ON _callhardening.known_shards FROM PUBLIC;

COMMENT ON TABLE _callhardening.known_shards IS
'shards that have been attached on any server. One that is no log now was detached, and its owner has its state';
COMMENT ON COLUMN _callhardening.known_shards.log IS 'the distributed log';
COMMENT ON COLUMN _callhardening.known_shards.hashes IS
'the hash values of its calls, from which Citus makes others in a split; NULL: it has all calls';

CREATE VIEW _callhardening.my_known_shards WITH (security_barrier) AS
SELECT * FROM _callhardening.known_shards k WHERE EXISTS (SELECT FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) k.log::oid AND pg_catalog.pg_has_role(c.relowner, 'USAGE'))
WITH CHECK OPTION;
REVOKE ALL ON _callhardening.my_known_shards FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'my_known_shards', 'SELECT'), ('own', 'my_known_shards', 'INSERT');

COMMENT ON VIEW _callhardening.my_known_shards IS 'the rows of known_shards for the caller''s logs';

CREATE FUNCTION _callhardening.keep_left_shards() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    gone record;
    shell regclass;
BEGIN
    FOR gone IN SELECT l.shard_id, l.log_id, d.schema_name, d.object_name
        FROM _callhardening.logs AS l JOIN pg_event_trigger_dropped_objects() AS d
            ON d.classid = 'pg_class'::regclass AND d.objid = l.events AND d.objsubid = 0
        WHERE NOT _callhardening.is_placed_here(l.shard_id)
    LOOP
        shell := coalesce((_callhardening.place_of_shard(gone.shard_id)).relation,
            _callhardening.shell_by_name(format('%I.%I', gone.schema_name, gone.object_name)));
        IF _callhardening.distribution(shell) IS NOT NULL THEN
            INSERT INTO _callhardening.left_shards VALUES (gone.shard_id, shell,
                (SELECT coalesce(jsonb_agg(to_jsonb(c)), '[]') FROM _callhardening.consumers AS c
                WHERE c.log_id = gone.log_id AND c.consumer_id <> gone.log_id))
            ON CONFLICT (shard_id) DO UPDATE SET log = excluded.log, consumers = excluded.consumers;
        END IF;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.keep_left_shards() FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.keep_left_shards() IS
'a part of forget_dropped_call_event_logs: notes which shards were attached here, and that Citus has moved away and '
'drops now';

-- A dropped log takes along what is remembered about it: its oid may come back as another table.
CREATE FUNCTION _callhardening.forget_dropped_call_event_logs() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    relations oid[] := ARRAY(SELECT objid FROM pg_event_trigger_dropped_objects()
                             WHERE classid = 'pg_class'::regclass AND objsubid = 0);
    schemas text[] := ARRAY(SELECT object_name FROM pg_event_trigger_dropped_objects()
                            WHERE classid = 'pg_namespace'::regclass);
BEGIN
    PERFORM _callhardening.keep_left_shards();
    DELETE FROM _callhardening.logs WHERE events IN (SELECT unnest(relations));
    DELETE FROM _callhardening.left_shards WHERE log IN (SELECT unnest(relations));
    DELETE FROM _callhardening.known_shards WHERE log IN (SELECT unnest(relations));
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
REVOKE EXECUTE ON FUNCTION _callhardening.forget_dropped_call_event_logs() FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.forget_dropped_call_event_logs() IS
'event trigger function: removes the settings, positions and dead events of a dropped log, a dropped calls table from '
'the settings of its logs, and what role_tasks has of either';

CREATE EVENT TRIGGER forget_dropped_call_event_logs ON sql_drop
    EXECUTE FUNCTION _callhardening.forget_dropped_call_event_logs();
ALTER EVENT TRIGGER forget_dropped_call_event_logs ENABLE ALWAYS;

CREATE FUNCTION _callhardening.log_number(log regclass) RETURNS int
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_log_number';

COMMENT ON FUNCTION _callhardening.log_number(regclass) IS
'the log_id of an event log; NULL: of the default log. Errors: 55000 no such log, 42P08 several logs, none is the '
'default and none is named';

CREATE FUNCTION _callhardening.operated_log(log regclass) RETURNS int
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    number int := _callhardening.log_number(log);
BEGIN
    IF NOT EXISTS (SELECT FROM _callhardening.operated_logs AS l WHERE l.log_id = number) THEN
        PERFORM _callhardening.raise_error('42501',
            format('permission denied for event log %s',
                (SELECT l.events FROM _callhardening.logs AS l WHERE l.log_id = number)),
            detail => 'This needs the ownership of the log, or SELECT and DELETE on it.');
    END IF;
    RETURN number;
END
$$;

COMMENT ON FUNCTION _callhardening.operated_log(regclass) IS
'the log_id of an event log the caller may configure; NULL: of the default log. Errors: 42501 neither its owner nor '
'SELECT and DELETE on it, and those of log_number';

CREATE FUNCTION _callhardening.move_default_log(number int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    former _callhardening.logs;
BEGIN
    -- Another session may move it meanwhile: then it is taken from where it is now.
    LOOP
        SELECT * INTO former FROM _callhardening.logs AS l WHERE l.is_default AND l.log_id <> number;
        EXIT WHEN NOT FOUND;
        UPDATE _callhardening.operated_logs AS l SET is_default = NULL WHERE l.log_id = former.log_id;
        IF NOT FOUND AND EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.log_id = former.log_id) THEN
            PERFORM _callhardening.raise_error('42501', format('permission denied for event log %s', former.events),
                detail => 'It is the default log. Only a role with the right to configure it can choose another.');
        END IF;
    END LOOP;
    UPDATE _callhardening.operated_logs AS l SET is_default = true WHERE l.log_id = number;
EXCEPTION WHEN unique_violation THEN
    PERFORM _callhardening.raise_error('40001', 'another session has chosen a default log meanwhile',
        hint => 'Try again.');
END
$$;

COMMENT ON FUNCTION _callhardening.move_default_log(int) IS
'a part of configure_call_event_log: makes the log with this log_id the default. Errors: 42501 the caller may not '
'configure the present default, 40001 another session has chosen one meanwhile';

CREATE FUNCTION _callhardening.are_ignored_events(event_types text[], members text[]) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_are_ignored_events';

COMMENT ON FUNCTION _callhardening.are_ignored_events(text[], text[]) IS
'whether configure_call_event_log takes these settings of ignored events';

CREATE FUNCTION _callhardening.configure_shape(number int, shape jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    log _callhardening.logs;
BEGIN
    IF shape IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO log FROM _callhardening.logs AS l WHERE l.log_id = number;
    PERFORM _callhardening.require_readable_events(log.provider, nullif(shape, 'null'));
    -- A shape writes values into the calls.
    IF NOT (SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class AS c WHERE c.oid = log.events) THEN
        PERFORM _callhardening.raise_error('42501', format('must be owner of event log %s', log.events),
            detail => 'A shape decides on the values in the calls.');
    END IF;
    UPDATE _callhardening.my_logs AS l SET shape = nullif(configure_shape.shape, 'null') WHERE l.log_id = number;
    IF NOT FOUND THEN
        PERFORM _callhardening.raise_error('42501', format('must be owner of table %s', log.calls),
            detail => 'A shape decides on the values in the calls.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.configure_shape(int, jsonb) IS
'a part of configure_call_event_log: shape NULL leaves it as it is, JSON null is that of the provider';

CREATE FUNCTION _callhardening.configure_consumer(number int, consumer name, max_attempts int, retry_base interval,
        retry_cap interval, max_retrying int)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
BEGIN
    UPDATE _callhardening.operated_consumers AS c SET
        max_attempts = coalesce(configure_consumer.max_attempts, c.max_attempts),
        retry_base = coalesce(configure_consumer.retry_base, c.retry_base),
        retry_cap = coalesce(configure_consumer.retry_cap, c.retry_cap),
        max_retrying = coalesce(configure_consumer.max_retrying, c.max_retrying)
    WHERE c.log_id = number AND c.name = consumer;
    IF NOT FOUND THEN
        PERFORM _callhardening.raise_error('42704', format('event log %s has no consumer "%s"',
                (SELECT l.events FROM _callhardening.logs AS l WHERE l.log_id = number), consumer),
            hint => 'The view call_consumers lists the consumers.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.configure_consumer(int, name, int, interval, interval, int) IS
'a part of configure_call_event_log: the limits of a consumer of the log with this number. Error: 42704 no such '
'consumer, or the default one';

CREATE FUNCTION _callhardening.require_valid_limits(max_attempts int, retry_base interval, retry_cap interval,
        max_retrying int)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF max_attempts NOT BETWEEN 1 AND 1000000 THEN
        PERFORM _callhardening.raise_error('22023', 'max_attempts must be between 1 and 1000000');
    END IF;
    IF max_retrying NOT BETWEEN 1 AND 1000000 THEN
        PERFORM _callhardening.raise_error('22023', 'max_retrying must be between 1 and 1000000');
    END IF;
    IF retry_base NOT BETWEEN '0' AND '365 days' OR retry_cap NOT BETWEEN '0' AND '365 days' THEN
        PERFORM _callhardening.raise_error('22023', 'retry_base and retry_cap must be between 0 and 365 days');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_limits(int, interval, interval, int) IS
'a part of configure_call_event_log: refuses (22023) limits out of range; NULL is not looked at';

CREATE FUNCTION _callhardening.configured_log(log regclass) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    number int := _callhardening.operated_log(log);
    events regclass := (SELECT l.events FROM _callhardening.logs AS l WHERE l.log_id = number);
    shell regclass := _callhardening.shell_of(events);
BEGIN
    PERFORM _callhardening.require_placed(events);
    IF shell IS NOT NULL THEN
        PERFORM _callhardening.report('NOTICE', format('the shard %s gets the settings of %s again', events, shell),
            detail => 'attach_call_shards gives each shard the settings of its distributed log.',
            hint => format('SELECT configure_call_event_log(%L, ...) where it was created.', shell));
    ELSIF _callhardening.distribution(events) IS NOT NULL THEN
        PERFORM _callhardening.report('NOTICE', format('the shards of %s have the settings of before', events),
            hint => format('SELECT * FROM attach_call_shards(%L) passes the new ones on.', events));
    END IF;
    RETURN number;
END
$$;

COMMENT ON FUNCTION _callhardening.configured_log(regclass) IS
'a part of configure_call_event_log: operated_log, and a NOTICE for a log that Citus has distributed, and for a shard';

CREATE FUNCTION @extschema@.configure_call_event_log(log regclass DEFAULT NULL, max_attempts int DEFAULT NULL,
        retry_base interval DEFAULT NULL, retry_cap interval DEFAULT NULL, max_retrying int DEFAULT NULL,
        notify boolean DEFAULT NULL, is_default boolean DEFAULT NULL, ignored_event_types text[] DEFAULT NULL,
        ignored_members text[] DEFAULT NULL, shape jsonb DEFAULT NULL, consumer name DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    number int := _callhardening.configured_log(log);
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
REVOKE EXECUTE ON FUNCTION @extschema@.configure_call_event_log(regclass, int, interval, interval, int, boolean,
    boolean, text[], text[], jsonb, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'configure_call_event_log'),
    ('operate', 'configure_call_event_log');

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
- 0A000: notify is true, and Citus has distributed the log, or it is a shard
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

CREATE FUNCTION @extschema@.call_event_log_channel(log regclass DEFAULT NULL) RETURNS text
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_call_event_log_channel';

COMMENT ON FUNCTION @extschema@.call_event_log_channel(regclass) IS
'Returns the channel for a worker''s LISTEN, if the log notifies (configure_call_event_log(notify
=> true)): one notification, without a payload, for each transaction with new events.
- log: NULL is the default log
Errors:
- 42P08: several logs, none is the default and none is named
- 55000: no such log';
