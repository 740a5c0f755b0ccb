\set SHOW_CONTEXT never
-- Several providers, each with its own log, and one calls table
CREATE SCHEMA every;
SELECT create_call_tables('every', provider => '*');
SELECT create_call_event_log('every.calls', 'Zoom Phone');
SELECT create_call_event_log('every.calls', 'aircall');
SELECT create_call_event_log('every.calls', 'ringcentral', events => 'Ring "Central"', lanes => 4);
SELECT call_id_column, provider FROM call_settings('every.calls');
SELECT events, calls, provider, lanes FROM call_event_logs ORDER BY log_id;
\d every."Ring ""Central"""
SET client_min_messages = warning;

-- The same raw id at three providers is three calls.
CREATE FUNCTION every.zoom(call text, event text, at int) RETURNS text LANGUAGE sql AS $$
SELECT jsonb_build_object('event', 'phone.callee_' || event, 'event_ts', 1767225600000 + 1000 * at, 'payload', jsonb_build_object(
    'object', jsonb_build_object('call_id', call, 'callee', jsonb_build_object('user_id', 'u-7', 'phone_number', '+14155550100'))))::text
$$;
CREATE FUNCTION every.aircall(call text, event text, at int) RETURNS text LANGUAGE sql AS $$
SELECT jsonb_build_object('event', 'call.' || event, 'timestamp', 1767225600 + at, 'data', jsonb_build_object('id', call::jsonb,
    'direction', 'inbound', 'raw_digits', '+14155550111', 'answered_at', 1767225600, 'user', '{"id": 7}'::jsonb))::text
$$;
CREATE FUNCTION every.ring(call text, session text, code text, at int) RETURNS text LANGUAGE sql AS $$
SELECT jsonb_build_object('uuid', 'e' || at, 'body', jsonb_build_object('telephonySessionId', session, 'sequence', at,
    'eventTime', '2026-01-01T00:00:0' || at || 'Z', 'parties', jsonb_build_array(jsonb_build_object('id', call, 'direction', 'Inbound',
    'extensionId', '7', 'status', jsonb_build_object('code', code)))))::text
$$;
SELECT count(ingest_call_event(every.zoom('42', e, n), 'every.zoom_phone_events'))
FROM (VALUES ('ringing', 1), ('answered', 2)) AS v (e, n);
SELECT count(ingest_call_event(every.aircall(call, e, n), 'every.aircall_events'))
FROM (VALUES ('42', 'created', 1), ('"42"', 'hungup', 3), ('9223372036854775808', 'created', 1)) AS v (call, e, n);
SELECT count(ingest_call_event(every.ring('42', 's-1', e, n), 'every."Ring ""Central"""'))
FROM (VALUES ('Proceeding', 1), ('Answered', 2)) AS v (e, n);
SELECT l.events, p.* FROM call_event_logs l CROSS JOIN LATERAL process_call_events(log => l.events) AS p ORDER BY l.log_id;
SELECT call_id, status, direction, user_id, master_call_id FROM every.calls ORDER BY call_id COLLATE "C";
-- The log, a claim and a retry speak of the same key. The log of another provider with the same raw id is left alone.
SELECT DISTINCT call_id FROM every.aircall_events ORDER BY 1;
SELECT count(ingest_call_event(every.zoom('43', 'ringing', 1), 'every.zoom_phone_events'));
BEGIN;
SELECT call_id FROM claim_call_events(log => 'every.zoom_phone_events', lease => NULL);
SELECT count(ingest_call_event(every.zoom('43', 'answered', 2), 'every.zoom_phone_events'));
ROLLBACK;
SELECT fail_call_event(claim_id, event_seq, 'made up', '1 hour') FROM claim_call_events(log => 'every.zoom_phone_events');
SELECT call_id, attempts FROM call_retrying_events;
SELECT configure_call_event_log('every.zoom_phone_events', max_attempts => 1);
SELECT count(ingest_call_event(every.zoom('44', 'ringing', 1), 'every.zoom_phone_events'));
SELECT claim_id, fail_call_event(claim_id, event_seq, 'made up') AS outcome FROM claim_call_events(log => 'every.zoom_phone_events') \gset
SELECT :'outcome' AS failed, outcome FROM complete_call_events(ARRAY[:claim_id]);
SELECT call_id FROM call_dead_events;
SELECT retry_dead_call_events('every.zoom_phone_events');
SELECT applied FROM process_call_events(log => 'every.zoom_phone_events');
SELECT call_id, status FROM every.calls WHERE call_id = 'zoom_phone:44';

-- Two logs of one provider share its ids.
SELECT create_call_event_log('every.calls', 'aircall', 'second_account');
SELECT count(ingest_call_event(every.aircall('42', 'tagged', 9), 'every.second_account'));
SELECT applied FROM process_call_events(log => 'every.second_account');
SELECT count(*) FROM every.calls WHERE call_id ~ '^aircall:42$';

-- A provider nobody knows, by a shape of its own
SELECT create_call_event_log('every.calls', 'acme', shape => '{"version": 1, "forms": [{"fields": {"call_id": "id", "state": "what",
    "master_call_id": "of"}}]}');
SELECT ingest_call_event('{"id": 42, "what": "ringing", "of": 41}'::text, 'every.acme_events') > 0 AS kept;
SELECT applied FROM process_call_events(log => 'every.acme_events');
SELECT call_id, master_call_id, status FROM every.calls WHERE call_id ~ '^acme';
SELECT create_call_event_log('every.calls', 'Acme: phones', 'no_log', shape => '{"version": 1, "forms": [{"fields": {"call_id": "id"}}]}');

-- 255 bytes count with the provider. Text that looks like a key is a part of the id.
SELECT count(ingest_call_event(every.zoom(call, 'ringing', 1), 'every.zoom_phone_events'))
FROM (VALUES (repeat('x', 244)), (repeat('x', 245)),
    ('aircall:42'), (' 45 '), ('   '), (':'), (E'\u00fc')) AS v (call);
SELECT applied, failed FROM process_call_events(log => 'every.zoom_phone_events');
SELECT call_id, error FROM call_dead_events ORDER BY event_seq;
SELECT left(call_id, 30) AS call_id, octet_length(call_id) AS bytes FROM every.calls
WHERE call_id ~ '^zoom_phone:[^4]' OR call_id = 'zoom_phone:45' ORDER BY call_id COLLATE "C";

-- A client writes the same key, and other keys are refused. Words have their general meaning.
INSERT INTO every.calls (call_id, status, direction) VALUES ('twilio:CA1', 'no-answer', 'outbound-api')
RETURNING call_id, status, direction;
\set VERBOSITY terse
INSERT INTO every.calls (call_id, status) VALUES ('CA1', 'ringing');
\set VERBOSITY default
INSERT INTO every.calls (call_id, status) VALUES ('aircall:42', 'ended')
ON CONFLICT (call_id) DO UPDATE SET user_id = 'mine' RETURNING user_id, status;
SELECT check_name, violations FROM audit_calls('every.calls') WHERE violations <> 0 AND check_name !~ '^stuck';
SELECT relation, gap, detail FROM call_enforcement WHERE level <> 'ok' AND relation::text ~ 'every';
SELECT * FROM check_call_hardening() WHERE NOT ok;
CALL backfill_calls('every.calls');

-- The kind of key stays while the table has logs.
SELECT harden_calls('every.calls', provider => 'twilio');
SELECT harden_calls('every.calls', provider => '');
SELECT harden_calls('every.calls', on_invalid => 'skip');
SELECT unharden_calls('every.calls');
SELECT harden_calls('every.calls');
SELECT harden_calls('every.calls', provider => '*');
SELECT provider FROM call_settings('every.calls');
CREATE SCHEMA one;
SELECT create_call_tables('one', 'twilio');
SELECT harden_calls('one.calls', provider => '*');
-- A second provider with bare ids gives a warning.
SELECT create_call_event_log('one.calls', 'vonage');
SELECT create_call_event_log('one.calls', 'twilio', 'second_account');
SELECT relation, gap, detail FROM call_enforcement WHERE level <> 'ok' AND relation = 'one.calls'::regclass;
-- A trigger that was altered by hand
BEGIN;
DROP TRIGGER stamp_call_event ON every.aircall_events;
CREATE TRIGGER stamp_call_event BEFORE INSERT ON every.aircall_events FOR EACH ROW
    EXECUTE FUNCTION _callhardening.stamp_call_event('payload', 'aircall', '64', 'text');
SELECT gap, detail FROM call_enforcement WHERE relation = 'every.aircall_events'::regclass AND gap = 'settings_differ';
ROLLBACK;

-- Only text holds such keys.
CREATE TABLE number (call_id bigint, status text, direction text);
SELECT harden_calls('number', provider => '*');
SELECT * FROM normalize_call_status('no-answer', '*'), normalize_call_direction('outbound-api', '*');
SELECT create_call_event_log('number', 'twilio');
SELECT create_call_event_log(NULL, 'twilio');
SELECT create_call_event_log('every.calls', NULL);
SELECT create_call_event_log('every.calls', '*');
SELECT create_call_event_log('every.calls', 'twillio');
SELECT create_call_event_log('every.calls', 'aircall');
SELECT create_call_event_log('every.calls', 'twilio', lanes => 0);
SELECT create_call_event_log('every.calls', 'twilio', repeat('long', 20)::name);
SELECT create_call_event_log('pg_class', 'twilio');

-- Tables in use: calls with bare ids, and events with pending rows
CREATE TABLE used_calls (call_id text PRIMARY KEY, status text, direction text, master_call_id text);
INSERT INTO used_calls VALUES ('vonage:a1', 'ringing', 'inbound');
CREATE TABLE used_events (body jsonb, done_at timestamptz);
INSERT INTO used_events VALUES ('{"uuid": "a1", "status": "answered", "conversation_uuid": "c1"}'), ('{"uuid": "a2", "status": "started"}'),
    ('{"uuid": "a3", "status": "started"}');
UPDATE used_events SET done_at = now() WHERE body ->> 'uuid' = 'a3';
SELECT harden_calls('used_calls', provider => '*');
SELECT harden_call_events('used_events', 'used_calls', 'body', processed_at_column => 'done_at', provider => 'vonage');
SELECT applied FROM process_call_events(log => 'used_events');
INSERT INTO used_events VALUES ('{"uuid": "a3", "status": "answered"}');
SELECT applied FROM process_call_events(log => 'used_events');
SELECT call_id, status, master_call_id FROM used_calls ORDER BY 1;
SELECT unharden_call_events('used_events'), unharden_calls('used_calls');
DROP SCHEMA every, one CASCADE;
DROP TABLE number, used_calls, used_events;
