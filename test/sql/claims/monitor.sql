SELECT create_call_tables('public');
SELECT log, calls, lanes, pending_estimate, open_claims, claims_over, claimed, retrying, blocked, dead, events_per_second
FROM call_event_log_status;
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', state)))
FROM generate_series(1, 600) AS id, unnest(ARRAY['ringing', 'connected']) AS state;
SELECT count(ingest_call_event('no JSON'::text));

-- The estimate is close, and the count is exact.
SELECT pending_estimate BETWEEN 900 AND 1300 AS is_near, oldest_received_at <= now() AS has_oldest, dead FROM call_event_log_status;
SELECT sum(pending), count(*), min(oldest_event_seq) FROM pending_call_events(exact => true);

-- Claimed events are not pending. The view shows them with their worker.
CREATE TEMP TABLE claimed AS SELECT * FROM claim_call_events(50, worker => 'one');
SELECT sum(pending) FROM pending_call_events('call_events', true);
SELECT worker, sum(events) AS events, min(attempt) AS attempt, bool_or(is_over) AS is_over, max(age) < '1 minute' AS is_young,
    max(lease_end - claimed_at) AS lease FROM call_open_claims GROUP BY worker;
SELECT open_claims > 0 AS has_claims, claimed, claims_over FROM call_event_log_status;
SELECT sum(claimed) AS claimed, count(DISTINCT worker) AS workers FROM call_lane_status;

-- Failed events, and the events blocked behind them
SELECT configure_call_event_log(retry_base => '1 hour', retry_cap => '1 hour');
SELECT fail_call_event(claim_id, event_seq, 'no') FROM claimed
WHERE call_id IN (SELECT call_id FROM claimed GROUP BY 1 HAVING count(*) = 2) ORDER BY event_seq LIMIT 1;
SELECT retrying, blocked FROM call_event_log_status;
SELECT count(*) FROM call_lane_status WHERE retrying = 1 AND blocked = 1;
SELECT count(DISTINCT outcome) FROM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM claimed));
SELECT open_claims, claimed, events_per_second > 0 AS has_rate FROM call_event_log_status;

-- The events of an expired claim are pending again.
CREATE TEMP TABLE lost AS SELECT * FROM claim_call_events(10, '1 millisecond', 'two');
SELECT pg_sleep(0.01);
SELECT worker, is_over FROM call_open_claims GROUP BY 1, 2;
SELECT sum(pending) FROM pending_call_events('call_events', true);

-- So are the events of a claim from the future, after the clock was set back. Workers and views agree.
BEGIN;
UPDATE _callhardening.claims SET claimed_at = claimed_at + interval '1 hour', lease_end = lease_end + interval '1 hour'
WHERE worker = 'two';
SELECT worker, is_over FROM call_open_claims GROUP BY 1, 2;
SELECT sum(pending) FROM pending_call_events('call_events', true);
ROLLBACK;

-- An event without a stamp is no consumer's. pending_call_events has its lane.
BEGIN;
ALTER TABLE call_events DISABLE TRIGGER USER;
INSERT INTO call_events (payload) VALUES ('{"call_id": 1}');
SELECT lane, pending FROM pending_call_events('call_events', true) WHERE lane < 0;
SELECT pending_estimate = (SELECT sum(pending) FROM pending_call_events('call_events') WHERE lane >= 0) AS without_it FROM call_consumers;
ROLLBACK;

-- The horizon: a transaction of this session holds the oldest snapshot.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM calls;
SELECT holder, name = pg_backend_pid()::text AS is_mine FROM call_horizon WHERE name = pg_backend_pid()::text;
COMMIT;

-- rights
CREATE ROLE regress_operator;
GRANT SELECT ON call_event_log_status, call_lane_status, call_open_claims, call_horizon TO regress_operator;
GRANT EXECUTE ON FUNCTION pending_call_events(regclass, boolean, name),
    _callhardening.pending_events_or_error(regclass, name), ignored_call_events(regclass) TO regress_operator;
SET ROLE regress_operator;
SELECT count(*) > 0 AS has_claims FROM call_open_claims;
SELECT dead FROM call_event_log_status;
RESET ROLE;
GRANT SELECT ON call_events TO regress_operator;
SET ROLE regress_operator;
SELECT dead FROM call_event_log_status;
SELECT * FROM _callhardening.claims;
RESET ROLE;
DROP OWNED BY regress_operator;
DROP ROLE regress_operator;
SET client_min_messages = error;
DROP TABLE calls, call_events;
