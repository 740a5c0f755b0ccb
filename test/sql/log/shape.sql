\set SHOW_CONTEXT never
-- the document of a built-in shape
SELECT jsonb_pretty(call_event_shape('vonage'));
SELECT call_event_shape('Zoom Phone') = call_event_shape('zoom_phone') AS same;
SELECT provider FROM call_providers() WHERE shape <> (call_event_shape(provider) IS NOT NULL);
SELECT call_event_shape(NULL), call_event_shape('cloudtalk');
SELECT call_event_shape('dialpd');
SELECT call_event_shape('no such provider');
SELECT call_event_shape('{"provider": "dialpad"}');

-- a log of another provider than Dialpad
CREATE SCHEMA shape_log;
SELECT create_call_tables('shape_log');
CREATE TABLE shape_calls (LIKE shape_log.calls INCLUDING ALL);
ALTER TABLE shape_calls ALTER dialpad_call_id TYPE text, ALTER dialpad_user_id TYPE text, ALTER master_call_id TYPE text;
SELECT harden_calls('shape_calls', provider => 'vonage');
CREATE TABLE shape_events (LIKE shape_log.call_events INCLUDING ALL);
SELECT register_call_event_log('shape_events', 'shape_calls', 'vonage', 4);
INSERT INTO shape_events (payload) VALUES
    ('{"uuid": "u1", "status": "ringing", "direction": "inbound", "from": "442079460000", "timestamp": "2026-01-01T00:00:00Z"}'),
    ('{"uuid": "u1", "status": "answered", "timestamp": "2026-01-01T00:00:05Z"}'),
    ('{"conversation_uuid": "CON-1", "status": "completed"}');
SELECT ingest_call_event('{"uuid": "u1", "conversation_uuid": "CON-1", "status": "completed", "duration": "15",
    "start_time": "2026-01-01 00:00:05.25", "timestamp": "2026-01-01T00:00:20Z"}'::text, 'shape_events') > 0 AS ingested;
SELECT call_id, event_type, event_lane >= 0 AS has_lane FROM shape_events ORDER BY event_seq;
SELECT applied, failed FROM process_call_events(log => 'shape_events');
SELECT dialpad_call_id, direction, status, from_number, started_at AT TIME ZONE 'UTC' AS started_at, duration_seconds, master_call_id
FROM shape_calls;
DROP TABLE shape_events, shape_calls;
DROP SCHEMA shape_log CASCADE;
