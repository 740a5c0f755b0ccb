-- One call of process_call_events takes what is pending up to max_events, in whatever lanes it is.
CREATE SCHEMA lanes;
SELECT create_call_tables('lanes');
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'), 'lanes.call_events'))
    FROM generate_series(1, 50) AS id;
SELECT count(DISTINCT event_lane) > 8 AS many_lanes FROM lanes.call_events;
SELECT * FROM process_call_events(1000, 'lanes.call_events');

-- no more than max_events, and all of these: many of one call, and of few calls
SELECT count(ingest_call_event(jsonb_build_object('call_id', id % 3, 'state', 'ringing', 'n', id),
    'lanes.call_events')) FROM generate_series(1, 1200) AS id;
SELECT claimed FROM process_call_events(1000, 'lanes.call_events');
SELECT claimed FROM process_call_events(150, 'lanes.call_events');
SELECT claimed FROM process_call_events(1000, 'lanes.call_events');

-- a lane's claim is recorded once, when it is over
SELECT DISTINCT state FROM _callhardening.claims JOIN call_event_logs AS l USING (log_id)
    WHERE l.events = 'lanes.call_events'::regclass;

-- what is tried again, and what comes new in the same lane and behind it in the same call
SELECT configure_call_event_log('lanes.call_events', retry_base => '0', retry_cap => '0');
ALTER TABLE lanes.calls ADD CONSTRAINT short_calls CHECK (duration_seconds < 100) NOT VALID;
SELECT count(ingest_call_event(jsonb_build_object('call_id', 100 + id % 2, 'state', 'connected', 'n', id, 'duration',
    200000), 'lanes.call_events')) FROM generate_series(1, 10) AS id;
SELECT * FROM process_call_events(1000, 'lanes.call_events');
-- once in each call, however soon it is due
SELECT call_id, attempts, due_at IS NULL AS blocked, count(*) FROM call_retrying_events
    JOIN call_event_logs USING (log_id)
WHERE events = 'lanes.call_events'::regclass GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT claimed, failed FROM process_call_events(1000, 'lanes.call_events');
ALTER TABLE lanes.calls DROP CONSTRAINT short_calls;
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'), 'lanes.call_events'))
    FROM generate_series(201, 300) AS id;
SELECT claimed, failed FROM process_call_events(1000, 'lanes.call_events');
SELECT count(*) FROM call_retrying_events;

-- a claim that outlives its transaction leaves other workers something: an eighth of the lanes, with a lease or without
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'hangup'), 'lanes.call_events'))
    FROM generate_series(201, 300) AS id;
BEGIN;
SELECT count(DISTINCT claim_id) FROM claim_call_events(1000, NULL, NULL, 'lanes.call_events');
ROLLBACK;
SELECT count(DISTINCT claim_id) FROM claim_call_events(1000, '1 minute', NULL, 'lanes.call_events');

-- a table that was there before: all of it, in one pass, since others lock its rows before calls
CREATE TABLE lanes.old_calls (call_id text PRIMARY KEY, status text, direction text, raw_payload jsonb);
CREATE TABLE lanes.old_events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload jsonb NOT NULL,
    processed_at timestamptz);
SELECT harden_calls('lanes.old_calls', 'call_id');
INSERT INTO lanes.old_events (payload) SELECT jsonb_build_object('call_id', id, 'state', 'ringing')
    FROM generate_series(1, 100) AS id;
SET client_min_messages = error;
SELECT harden_call_events('lanes.old_events', 'lanes.old_calls', processed_at_column => 'processed_at');
SELECT claimed, applied FROM process_call_events(1000, 'lanes.old_events');
SELECT count(*) FROM lanes.old_events WHERE processed_at IS NULL;
DROP SCHEMA lanes CASCADE;
