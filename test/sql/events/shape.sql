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

-- what a log finds in a body
SET timezone = 'UTC';
SELECT * FROM explain_call_event('{"event": "call.ended", "timestamp": 1767225640, "data": {"id": 77, "direction": "inbound",
    "answered_at": null, "ended_at": "soon", "duration": 20, "raw_digits": "+44 20 7000 0000"}}', 'aircall');
SELECT * FROM explain_call_event('{"event": "user.created", "data": {"id": 77}}', 'aircall');
SELECT * FROM explain_call_event('CallSid=u1&CallStatus=no-answer&CallDuration=0', 'signalwire') WHERE outcome <> 'missing';
-- times on the clock of the account
SELECT * FROM explain_call_event('CallUUID=u1&CallStatus=completed&StartTime=2026-01-01+05%3A30%3A00&EndTime=soon', 'plivo')
WHERE field LIKE '%ed_at';
SELECT value, outcome FROM explain_call_event('CallUUID=u1&CallStatus=completed&StartTime=2026-01-01+05%3A30%3A00',
    shape => call_event_shape('plivo') || '{"zone": "Asia/Kolkata"}') WHERE field = 'started_at';
-- by a shape of one's own
SELECT * FROM explain_call_event('{"what": "hung up", "calls": [{"no": "7", "way": "OUT", "day": "2026-01-01",
    "clock": "12:00:00", "rec": 1}]}',
    shape => '{"version": 1, "zone": "Europe/Paris", "forms": [{"name": "call", "call": "calls[]", "fields": {"call_id": "no",
        "state": [{"when": {"$.what": "hung*"}, "value": "hangup"}, "$.what"], "direction": "way",
        "started_at": {"join": ["day", "clock"]}, "was_recorded": {"when": {"rec": "*"}, "value": true},
        "user_id": {"path": "no", "none": ["7"]}}}]}');
SELECT * FROM explain_call_event(NULL, 'no such provider');
SELECT * FROM explain_call_event('{}');
SELECT * FROM explain_call_event('{}', 'dialpd');
SELECT * FROM explain_call_event('{}', 'cloudtalk');
SELECT * FROM explain_call_event('{', 'dialpad');
SELECT * FROM explain_call_event('{}', shape => '{"version": 1, "forms": [{"fields": {"call_id": "a..b"}}]}');
SELECT * FROM explain_call_event('{}', shape => '{"version": 1, "zone": "Mars/Base", "forms": [{"fields": {"call_id": "a"}}]}');
SELECT * FROM explain_call_event('{}', shape => to_jsonb(repeat('x', 70000)));
-- hostile: deep, wide, and slow to compare
SELECT * FROM explain_call_event('{"a": 1}', shape => ('{"version": 1, "forms": ' || repeat('[', 5000) || repeat(']', 5000) || '}')::jsonb);
SELECT count(*) FROM explain_call_event(jsonb_build_object('id', 1, 's', repeat('a', 1000))::text,
    shape => jsonb_build_object('version', 1, 'forms', jsonb_build_array(
        jsonb_build_object('fields', jsonb_build_object('call_id', 'id', 'state', (
        SELECT jsonb_agg(jsonb_build_object('when', jsonb_build_object('s', repeat('*a', 60) || 'b'), 'value', 'x'))
        FROM generate_series(1, 300)))))));
-- nothing is left of a shape, and it is the caller's each time
SELECT n, value FROM generate_series(1, 3) AS n, explain_call_event('{"a": 1, "b": 2, "c": 3}',
    shape => format('{"version": 1, "forms": [{"fields": {"call_id": "%s"}}]}', chr(96 + n))::jsonb) WHERE field = 'call_id' ORDER BY n;
RESET timezone;
