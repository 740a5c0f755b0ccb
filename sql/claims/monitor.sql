
-- what an operator looks at --------------------------------------------------------------------

CREATE FUNCTION @extschema@.pending_call_events(log regclass DEFAULT NULL, exact boolean DEFAULT false,
        consumer name DEFAULT NULL)
    RETURNS TABLE (lane int, pending bigint, oldest_event_seq bigint, oldest_received_at timestamptz)
    LANGUAGE c ROWS 64
    AS 'MODULE_PATHNAME', 'callhardening_pending_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.pending_call_events(regclass, boolean, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'pending_call_events'), ('operate', 'pending_call_events'), ('monitor', 'pending_call_events');

COMMENT ON FUNCTION @extschema@.pending_call_events(regclass, boolean, name) IS
'Counts the events that no worker has yet, one row for each lane of a log. Retrying, blocked and
dead events do not count. The row has the first pending event in the order of the lane; NULL:
there is none. Events that are pending in a lane that workers no longer use have a row too.
- log: NULL is the default log
- exact: false or NULL estimates the number from the first event''s, at the price of a poll; true
  reads the row of each pending event
- consumer: of the log (create_call_consumer); NULL is the default one
Errors:
- 42501: no SELECT on the log
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log, or a log of changes and no consumer';

CREATE FUNCTION _callhardening.stray_events(log regclass, most bigint) RETURNS bigint
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_stray_events';
REVOKE EXECUTE ON FUNCTION _callhardening.stray_events(regclass, bigint) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.stray_events(regclass, bigint) IS
'how many events of a log are in no lane of a worker, most at most. A worker adopts the log for them within a minute, '
'unless they have no lane or a number above 65535. Events of a restore are not counted: the next claim finds them. '
'NULL: an argument is NULL, or another session has locked the log. Errors: 42501 no SELECT on the log, 55000 no such '
'log, or altered';

CREATE FUNCTION _callhardening.unstamped_events(log regclass) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    done name := (SELECT l.processed_at_column FROM _callhardening.logs AS l WHERE l.events = log);
BEGIN
    IF done IS NULL THEN
        RETURN 0;
    END IF;
    RETURN (SELECT q.count FROM _callhardening.query_as_owner(log,
        format('SELECT count(*) FROM ONLY %s WHERE event_lane IS NULL AND %I IS NULL', log, done), NULL::text[])
        AS q (count bigint));
END
$$;

COMMENT ON FUNCTION _callhardening.unstamped_events(regclass) IS
'how many events of a hardened event table have no stamp, though processed_at_column is NULL: it was set back after '
'the table was hardened, or the trigger was off. No worker looks for them. Reads the table, or an index on '
'processed_at_column. 0: the log has no such column';

CREATE VIEW @extschema@.call_open_claims AS
SELECT l.events AS log, k.name AS consumer, c.lane, c.claim_id, c.worker, c.is_retry, c.events,
       CASE WHEN c.is_retry THEN NULL ELSE c.redeliveries OPERATOR(pg_catalog.+) 1 END AS attempt,
       c.claimed_at, pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) c.claimed_at AS age, c.lease_end,
       -- As workers see it: a claim from the future is over, since the clock was set back.
       c.lease_end OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() OR c.claimed_at OPERATOR(pg_catalog.>)
           (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) interval '1 minute') AS is_over,
       c.to_seq AS last_event_seq
FROM _callhardening.placed_logs l JOIN _callhardening.consumers k ON k.log_id OPERATOR(pg_catalog.=) l.log_id
JOIN _callhardening.lanes t ON t.consumer_id OPERATOR(pg_catalog.=) k.consumer_id
CROSS JOIN LATERAL (SELECT * FROM _callhardening.claims r
    WHERE r.consumer_id OPERATOR(pg_catalog.=) t.consumer_id AND r.lane OPERATOR(pg_catalog.=) t.lane
        ORDER BY r.record_no DESC LIMIT 1) c
WHERE c.state OPERATOR(pg_catalog.=) ANY (ARRAY['claimed', 'renewed']);
REVOKE ALL ON @extschema@.call_open_claims FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_open_claims', 'SELECT'), ('monitor', 'call_open_claims', 'SELECT');

COMMENT ON VIEW @extschema@.call_open_claims IS
'The open claims of workers, with age and lease.';
COMMENT ON COLUMN @extschema@.call_open_claims.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_open_claims.consumer IS 'the consumer';
COMMENT ON COLUMN @extschema@.call_open_claims.lane IS 'the number of the lane';
COMMENT ON COLUMN @extschema@.call_open_claims.claim_id IS 'the claim, as claim_call_events returned it';
COMMENT ON COLUMN @extschema@.call_open_claims.worker IS 'the name that the worker gave';
COMMENT ON COLUMN @extschema@.call_open_claims.is_retry IS 'the claim is of retrying events';
COMMENT ON COLUMN @extschema@.call_open_claims.events IS 'how many events it has';
COMMENT ON COLUMN @extschema@.call_open_claims.attempt IS
'which attempt of its events this is; NULL: a retry, as each event has a number of its own';
COMMENT ON COLUMN @extschema@.call_open_claims.claimed_at IS 'when it was handed out';
COMMENT ON COLUMN @extschema@.call_open_claims.age IS 'time since then';
COMMENT ON COLUMN @extschema@.call_open_claims.lease_end IS
'when other workers may take its events; -infinity: at once';
COMMENT ON COLUMN @extschema@.call_open_claims.is_over IS
'no worker has taken its events over yet, though any may';
COMMENT ON COLUMN @extschema@.call_open_claims.last_event_seq IS
'the last event of the claim; NULL: it is of retrying events';

CREATE FUNCTION _callhardening.pending_events_or_error(log regclass, consumer name)
    RETURNS TABLE (lane int, pending bigint, oldest_event_seq bigint, oldest_received_at timestamptz, error text)
    LANGUAGE plpgsql ROWS 64 SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN QUERY SELECT p.lane, p.pending, p.oldest_event_seq, p.oldest_received_at, NULL::text
    FROM @extschema@.pending_call_events(log, false, consumer) AS p;
EXCEPTION WHEN OTHERS THEN
    -- An unreadable log does not hide the others.
    RETURN QUERY SELECT n, NULL::bigint, NULL::bigint, NULL::timestamptz, format('%s (%s)', SQLERRM, SQLSTATE)
    FROM @extschema@.call_event_logs AS l, generate_series(l.first_lane, l.first_lane + l.lanes - 1) AS n
    WHERE l.events = log;
END
$$;

COMMENT ON FUNCTION _callhardening.pending_events_or_error(regclass, name) IS
'the estimates of pending_call_events for the views; for an unreadable log, its lanes with NULL, and why';

-- Parsed now: readers of the view have no right on the schema.
CREATE FUNCTION _callhardening.why_elsewhere(log regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    RETURN CASE WHEN _callhardening.distribution(log) IS NOT NULL
        THEN format('event log %s is distributed by Citus (0A000)', log) END;

COMMENT ON FUNCTION _callhardening.why_elsewhere(regclass) IS
'the error of the views for a log with its events in shards; NULL: they are here';

CREATE VIEW @extschema@.call_lane_status AS
SELECT l.events AS log, k.name AS consumer, p.lane, p.pending AS pending_estimate, p.oldest_event_seq,
       p.oldest_received_at, c.claim_id, c.worker, c.events AS claimed, c.age AS claim_age, c.lease_end, c.is_over,
       CASE WHEN _callhardening.distribution(l.events) IS NULL THEN w.retrying END AS retrying,
       CASE WHEN _callhardening.distribution(l.events) IS NULL THEN w.blocked END AS blocked,
       CASE WHEN _callhardening.distribution(l.events) IS NULL THEN d.dead END AS dead,
       CASE WHEN _callhardening.distribution(l.events) IS NULL THEN t.events_per_second END AS events_per_second,
       p.error
FROM _callhardening.shown_logs l JOIN _callhardening.consumers k ON k.log_id OPERATOR(pg_catalog.=) l.log_id
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
        AND r.state OPERATOR(pg_catalog.=) 'completed') t;
REVOKE ALL ON @extschema@.call_lane_status FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_lane_status', 'SELECT'), ('monitor', 'call_lane_status', 'SELECT');

COMMENT ON VIEW @extschema@.call_lane_status IS
'Each lane of each consumer of a log: what is pending (estimated, see pending_call_events), its
worker, what waits or is dead, and how fast it goes. Logs without SELECT for the reader are left
out.';
COMMENT ON COLUMN @extschema@.call_lane_status.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_lane_status.consumer IS 'the consumer';
COMMENT ON COLUMN @extschema@.call_lane_status.lane IS 'the number of the lane';
COMMENT ON COLUMN @extschema@.call_lane_status.pending_estimate IS
'events without a worker, estimated; NULL: the log cannot be read';
COMMENT ON COLUMN @extschema@.call_lane_status.oldest_event_seq IS 'the first pending event; NULL: none';
COMMENT ON COLUMN @extschema@.call_lane_status.claim_id IS 'the open claim; NULL: none, as for the next five columns';
COMMENT ON COLUMN @extschema@.call_lane_status.worker IS 'the name that the worker gave';
COMMENT ON COLUMN @extschema@.call_lane_status.claimed IS 'events in the claim';
COMMENT ON COLUMN @extschema@.call_lane_status.claim_age IS 'time since the claim';
COMMENT ON COLUMN @extschema@.call_lane_status.lease_end IS
'when other workers may take its events; -infinity: at once';
COMMENT ON COLUMN @extschema@.call_lane_status.is_over IS
'the lease has expired, and no worker has taken the events over';
COMMENT ON COLUMN @extschema@.call_lane_status.dead IS
'events given up. NULL, as are retrying, blocked and events_per_second: Citus has distributed the log (error)';
COMMENT ON COLUMN @extschema@.call_lane_status.oldest_received_at IS
'when the first pending event of the lane was received';
COMMENT ON COLUMN @extschema@.call_lane_status.retrying IS 'failed events with a time for their next attempt';
COMMENT ON COLUMN @extschema@.call_lane_status.blocked IS 'events behind them in the same call';
COMMENT ON COLUMN @extschema@.call_lane_status.error IS
'why the log cannot be read, with an SQLSTATE: what is pending is not known then; NULL: it can';
COMMENT ON COLUMN @extschema@.call_lane_status.events_per_second IS
'completed, over the remembered records; 0 if the last claim is older than a minute';

CREATE FUNCTION @extschema@.ignored_call_events(log regclass DEFAULT NULL) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ignored_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.ignored_call_events(regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'ignored_call_events'), ('monitor', 'ignored_call_events');

COMMENT ON FUNCTION @extschema@.ignored_call_events(regclass) IS
'Counts the events of a log that were ignored when they were appended (configure_call_event_log)
and are not purged, up to 10000.
- log: NULL is the default log
Errors:
- 42501: no SELECT on the log
- 42P08: several logs, none is the default and none is named
- 55000: no such log';

CREATE VIEW @extschema@.call_event_log_status AS
SELECT l.events AS log, l.calls, l.lanes, s.pending_estimate, s.oldest_received_at, s.open_claims, s.claims_over,
    s.claimed, s.retrying, s.blocked, d.dead, s.events_per_second,
    COALESCE(s.error, _callhardening.why_elsewhere(l.events)) AS error,
    CASE WHEN COALESCE(s.error, _callhardening.why_elsewhere(l.events)) IS NULL
        THEN @extschema@.ignored_call_events(l.events) END AS ignored,
    l.ignored_event_types, l.ignored_members, pg_catalog.cardinality(l.other_consumers) AS other_consumers
FROM _callhardening.shown_logs l
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
    ON NOT l.is_of_changes AND _callhardening.distribution(l.events) IS NULL;
REVOKE ALL ON @extschema@.call_event_log_status FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_event_log_status', 'SELECT'), ('monitor', 'call_event_log_status', 'SELECT');

COMMENT ON VIEW @extschema@.call_event_log_status IS
'Each event log in one row, as its default consumer sees it: pending, claimed, retrying, blocked,
dead, events per second. call_lane_status has the same by lane. Logs without SELECT for the
reader are left out.';
COMMENT ON COLUMN @extschema@.call_event_log_status.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_event_log_status.calls IS 'its calls table; -: it was dropped';
COMMENT ON COLUMN @extschema@.call_event_log_status.lanes IS 'the number of its lanes';
COMMENT ON COLUMN @extschema@.call_event_log_status.oldest_received_at IS
'when the first pending event was received; NULL: nothing is pending, or the log has no time of receipt';
COMMENT ON COLUMN @extschema@.call_event_log_status.open_claims IS 'claims of workers';
COMMENT ON COLUMN @extschema@.call_event_log_status.claims_over IS
'of these, claims with an expired lease that no worker has taken over';
COMMENT ON COLUMN @extschema@.call_event_log_status.claimed IS 'events in open claims';
COMMENT ON COLUMN @extschema@.call_event_log_status.retrying IS 'failed events with a time for their next attempt';
COMMENT ON COLUMN @extschema@.call_event_log_status.blocked IS 'events behind them in the same calls';
COMMENT ON COLUMN @extschema@.call_event_log_status.events_per_second IS
'completed, over the remembered records of each lane';
COMMENT ON COLUMN @extschema@.call_event_log_status.ignored_event_types IS 'settings of configure_call_event_log';
COMMENT ON COLUMN @extschema@.call_event_log_status.ignored_members IS 'likewise';
COMMENT ON COLUMN @extschema@.call_event_log_status.dead IS 'with the events that have no lane';
COMMENT ON COLUMN @extschema@.call_event_log_status.error IS
'why the log cannot be read, with an SQLSTATE; NULL: it can';
COMMENT ON COLUMN @extschema@.call_event_log_status.ignored IS
'events without a call, as ignored_event_types and ignored_members say, counted up to 10000; NULL: the log cannot be '
'read';
COMMENT ON COLUMN @extschema@.call_event_log_status.pending_estimate IS
'events of the default consumer without a worker, estimated. NULL, as are the next columns: it is a log of changes '
'(create_call_changes), without a default consumer, or Citus has distributed the log (error). NULL alone: the log '
'cannot be read (error)';
COMMENT ON COLUMN @extschema@.call_event_log_status.other_consumers IS
'number of further consumers: the other columns do not count their events, call_consumers does';

CREATE VIEW @extschema@.call_consumers AS
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
    FROM _callhardening.shown_logs l JOIN _callhardening.consumers c ON c.log_id OPERATOR(pg_catalog.=) l.log_id
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
        WHERE r.consumer_id OPERATOR(pg_catalog.=) c.consumer_id AND r.claim_id IS NOT NULL) n) k;
REVOKE ALL ON @extschema@.call_consumers FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_consumers', 'SELECT'), ('monitor', 'call_consumers', 'SELECT');

COMMENT ON VIEW @extschema@.call_consumers IS
'Each consumer of each log: how far it is, its limits, and whether purges wait for it. Logs
without SELECT for the reader are left out.';
COMMENT ON COLUMN @extschema@.call_consumers.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_consumers.created_at IS 'when the consumer was created';
COMMENT ON COLUMN @extschema@.call_consumers.oldest_event_seq IS 'its first pending event; NULL: none';
COMMENT ON COLUMN @extschema@.call_consumers.oldest_received_at IS
'when this event was received; NULL: nothing is pending, or the log has no time of receipt';
COMMENT ON COLUMN @extschema@.call_consumers.open_claims IS 'claims of its workers';
COMMENT ON COLUMN @extschema@.call_consumers.claims_over IS
'of these, claims with an expired lease that no worker has taken over';
COMMENT ON COLUMN @extschema@.call_consumers.retrying IS 'failed events with a time for their next attempt';
COMMENT ON COLUMN @extschema@.call_consumers.blocked IS 'events behind them in the same calls';
COMMENT ON COLUMN @extschema@.call_consumers.dead IS 'events given up';
COMMENT ON COLUMN @extschema@.call_consumers.max_attempts IS
'after so many failures an event is dead; its own setting or that of the log, as the next three';
COMMENT ON COLUMN @extschema@.call_consumers.retry_base IS 'the longest pause before the first retry';
COMMENT ON COLUMN @extschema@.call_consumers.retry_cap IS 'the longest pause before any retry';
COMMENT ON COLUMN @extschema@.call_consumers.max_retrying IS
'a lane with so many retrying and blocked events takes no new ones';
COMMENT ON COLUMN @extschema@.call_consumers.consumer IS
'default: the one of process_call_events, and of functions called without a consumer';
COMMENT ON COLUMN @extschema@.call_consumers.pending_estimate IS
'events without a worker of this consumer (see pending_call_events); events without a stamp are
no consumer''s, and check_call_hardening counts them; NULL: the log cannot be read';
COMMENT ON COLUMN @extschema@.call_consumers.last_claimed_at IS
'the last claim among the remembered records; NULL: none. The consumer sleeps if this is long ago and events are '
'pending';
COMMENT ON COLUMN @extschema@.call_consumers.behind IS
'age of its first pending event; NULL: nothing is pending, or the log has no time of receipt';
COMMENT ON COLUMN @extschema@.call_consumers.holds_purges IS
'true: of the log''s consumers this one has the first event that is pending, claimed, retrying or blocked. Purges wait '
'for it: start its workers, move it (seek_call_consumer), or drop it (drop_call_consumer)';
COMMENT ON COLUMN @extschema@.call_consumers.error IS
'why the log cannot be read, with an SQLSTATE; NULL: it can';

CREATE VIEW @extschema@.call_horizon AS
SELECT h.holder, h.name, h.role, h.application, h.xmin, pg_catalog.age(h.xmin) AS transactions, h.since
FROM (
    SELECT 'backend' AS holder, a.pid::text AS name, a.usename::text AS role, a.application_name AS application,
           COALESCE(a.backend_xmin, a.backend_xid) AS xmin, a.xact_start AS since -- between two statements: no xmin
    FROM pg_catalog.pg_stat_activity a WHERE COALESCE(a.backend_xmin, a.backend_xid) IS NOT NULL
        AND a.backend_type OPERATOR(pg_catalog.<>) 'walsender'
    UNION ALL
    SELECT 'standby', r.pid::text, r.usename::text, r.application_name, r.backend_xmin, r.backend_start
    FROM pg_catalog.pg_stat_replication r WHERE r.backend_xmin IS NOT NULL
    UNION ALL
    SELECT 'replication slot', s.slot_name::text, NULL, s.plugin::text, s.xmin, NULL
    FROM pg_catalog.pg_replication_slots s WHERE s.xmin IS NOT NULL
    UNION ALL
    SELECT 'prepared transaction', p.gid, p.owner::text, NULL, p.transaction, p.prepared
    FROM pg_catalog.pg_prepared_xacts p) h
ORDER BY pg_catalog.age(h.xmin) DESC;
REVOKE ALL ON @extschema@.call_horizon FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_horizon', 'SELECT'), ('monitor', 'call_horizon', 'SELECT');

COMMENT ON VIEW @extschema@.call_horizon IS
'What holds old snapshots, the oldest first: transactions and slots. Dead rows stay because of
them: bad for the calls table and for purges, not for the log.';
COMMENT ON COLUMN @extschema@.call_horizon.holder IS 'backend, standby, replication slot or prepared transaction';
COMMENT ON COLUMN @extschema@.call_horizon.name IS
'process id of a backend or a standby; name of a slot; identifier of a prepared transaction';
COMMENT ON COLUMN @extschema@.call_horizon.role IS 'the role behind it; NULL: a slot';
COMMENT ON COLUMN @extschema@.call_horizon.application IS 'application name; plugin of a slot; NULL: none';
COMMENT ON COLUMN @extschema@.call_horizon.xmin IS 'no row that this transaction could see is removed';
COMMENT ON COLUMN @extschema@.call_horizon.transactions IS 'how many began since';
COMMENT ON COLUMN @extschema@.call_horizon.since IS 'NULL: not known';
