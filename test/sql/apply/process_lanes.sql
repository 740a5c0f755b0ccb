-- One call of process_call_events takes up to max_events pending events, from all lanes.
CREATE SCHEMA lanes;
SELECT create_call_tables('lanes');
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'), 'lanes.call_events'))
    FROM generate_series(1, 50) AS id;
SELECT count(DISTINCT event_lane) > 8 AS many_lanes FROM lanes.call_events;
SELECT * FROM process_call_events(1000, 'lanes.call_events');

-- Exactly max_events are taken: many of one call, and of few calls.
SELECT count(ingest_call_event(jsonb_build_object('call_id', id % 3, 'state', 'ringing', 'n', id),
    'lanes.call_events')) FROM generate_series(1, 1200) AS id;
SELECT claimed FROM process_call_events(1000, 'lanes.call_events');
SELECT claimed FROM process_call_events(150, 'lanes.call_events');
SELECT claimed FROM process_call_events(1000, 'lanes.call_events');

-- The claim of a lane is recorded once, when it ends.
SELECT DISTINCT state FROM _callhardening.claims JOIN call_event_logs AS l ON l.log_id = consumer_id
    WHERE l.events = 'lanes.call_events'::regclass;

-- Retries, and new events of the same lane and behind them in the same call
SELECT configure_call_event_log('lanes.call_events', retry_base => '0', retry_cap => '0');
ALTER TABLE lanes.calls ADD CONSTRAINT short_calls CHECK (duration_seconds < 100) NOT VALID;
SELECT count(ingest_call_event(jsonb_build_object('call_id', 100 + id % 2, 'state', 'connected', 'n', id, 'duration',
    200000), 'lanes.call_events')) FROM generate_series(1, 10) AS id;
SELECT * FROM process_call_events(1000, 'lanes.call_events');
-- A run retries each call once, even if its event is due again.
SELECT call_id, attempts, due_at IS NULL AS blocked, count(*) FROM call_retrying_events
    JOIN call_event_logs USING (log_id)
WHERE events = 'lanes.call_events'::regclass GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT claimed, failed FROM process_call_events(1000, 'lanes.call_events');
ALTER TABLE lanes.calls DROP CONSTRAINT short_calls;
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'), 'lanes.call_events'))
    FROM generate_series(201, 300) AS id;
SELECT claimed, failed FROM process_call_events(1000, 'lanes.call_events');
SELECT count(*) FROM call_retrying_events;

-- A claim that outlives its transaction leaves lanes for others. With or without a lease it takes an eighth of the lanes.
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'hangup'), 'lanes.call_events'))
    FROM generate_series(201, 300) AS id;
BEGIN;
SELECT count(DISTINCT claim_id) FROM claim_call_events(1000, NULL, NULL, 'lanes.call_events');
ROLLBACK;
SELECT count(DISTINCT claim_id) FROM claim_call_events(1000, '1 minute', NULL, 'lanes.call_events');

-- An existing table: all lanes in one pass, since others lock its rows before calls
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
