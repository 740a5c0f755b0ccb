-- Bodies that are forms: application/x-www-form-urlencoded.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA forms;
SELECT create_call_tables('forms');
SET search_path = forms, public;
RESET client_min_messages;

-- Decoding
SELECT decode_call_form('CallSid=CA12&CallStatus=in-progress&From=%2B14155550100&City=S%C3%A3o+Paulo');
SELECT decode_call_form('ForwardedFrom&To=&a=3&a=1&%61=2&=4&b==c&&d=e=f&');
SELECT decode_call_form(E'\ufeffa=%7B%22b%22%3A1%7D\r\n');
SELECT decode_call_form(NULL);
SELECT decode_call_form('');
SELECT decode_call_form('hello');
SELECT decode_call_form('{"call_id": 1, "url": "https://h.example/?a=1&b=2"');
SELECT decode_call_form('a=%4');
SELECT decode_call_form('a=%zz');
SELECT decode_call_form('a=%00');
SELECT decode_call_form('a=%c3%28');
SELECT decode_call_form('a=%ed%a0%80');
SELECT decode_call_form(repeat('n', 1025) || '=1');
SELECT decode_call_form(repeat('a=1&', 4097));
SELECT decode_call_form('a=' || repeat('x', 16 * 1024 * 1024));
SELECT jsonb_array_length(decode_call_form(repeat('a=1&', 4096)) -> 'a'),
    octet_length(decode_call_form(repeat('n', 1024) || '=1')::text);

-- A form is an event.
SELECT ingest_call_event('call_id=7&state=ringing&direction=inbound&external_number=%2B14155550100'
    '&event_timestamp=1767225600000'::text);
SELECT ingest_call_event('call_id=7&state=hangup&date_ended=1767225670000&event_timestamp=1767225670500'
    '&note=a+b&note=c&password=hunter2%21'::bytea);
-- The log keeps the form unchanged.
SELECT event_seq, call_id, event_type, event_lane >= 0 AS has_lane, jsonb_typeof(payload), payload #>> '{}' AS body
FROM call_events ORDER BY event_seq;
-- A claim returns its members, and the processor reads them.
SELECT c.event_seq, c.call_id, c.event_type, c.payload FROM claim_call_events(2) AS c;
SELECT DISTINCT outcome FROM release_call_events(ARRAY(SELECT claim_id FROM call_open_claims));
SELECT claimed, applied, failed FROM process_call_events();
SELECT dialpad_call_id, direction, status, from_number, ended_at AT TIME ZONE 'UTC' AS ended_at FROM calls;
SELECT raw_payload FROM calls;
-- The call has the same sanitized payload as for JSON.
SELECT c.raw_payload = sanitize_call_payload(decode_call_form(e.payload #>> '{}')) AS same
FROM calls AS c, call_events AS e WHERE e.event_seq = 2;

-- A redelivery is found by its bytes.
SELECT ingest_call_event('call_id=7&state=ringing&direction=inbound&external_number=%2B14155550100'
    '&event_timestamp=1767225600000'::text);
SELECT ingest_call_event('call_id=7&state=ringing&direction=inbound&external_number=%2B14155550100'
    '&event_timestamp=1767225600000'::bytea);
SELECT ingest_call_event('call_id=7&state=ringing&direction=inbound&external_number=%2b14155550100'
    '&event_timestamp=1767225600000'::text) AS another;
SELECT ingest_call_event('call_id=7&state=hold'::text, event_key => 'key')
    = ingest_call_event('call_id=7&state=hold&x=1'::text, event_key => 'key') AS same_key;

-- An undecodable form is dead, with an error of its own.
SELECT ingest_call_event(body) FROM (VALUES
    ('call_id=8&state=%zz'), ('call_id=8&state=%c3%28'), ('call_id=8&x=%00'), (repeat('call_id=8&', 5000)),
    -- not a form, and forms without a call
    ('{"call_id": 8, "url": "https://h.example/?a=1&b=2"'), ('hello'), ('a=1'),
    ('call_id=ROOT&state=ringing'), ('call_id=&state=ringing'),
    ('call_id=8&call_id=9&state=ringing')) AS b (body);
SELECT event_seq, lane, sqlstate, call_id, error FROM call_dead_events ORDER BY event_seq;
SELECT kind, detail, occurrences, event_seq FROM call_issues WHERE detail LIKE '%a form%' ORDER BY event_seq;
-- Of a repeated name the first counts.
SELECT call_id FROM call_events WHERE payload #>> '{}' LIKE 'call_id=8&call_id=9%';

-- Payloads can be stored out of line or compressed.
SELECT ingest_call_event('call_id=30&state=ringing&x=' || string_agg(md5(i::text), '' ORDER BY i)) > 0 AS big
FROM generate_series(1, 1000) AS i;
SELECT ingest_call_event('call_id=31&state=ringing&x=' || repeat('y', 100000)) > 0 AS compressed;
SELECT ingest_call_event('{"call_id": 32, "state": "ringing", "x": "' || repeat('y', 100000) || '"}') > 0 AS compressed_json;
SELECT c.call_id, jsonb_typeof(c.payload) AS type, length(c.payload ->> 'x') AS x
FROM claim_call_events(100) AS c WHERE c.call_id IN ('30', '31', '32') ORDER BY 1;
SELECT DISTINCT outcome FROM release_call_events(ARRAY(SELECT claim_id FROM call_open_claims));

-- A client may insert a form as a JSON string. Other bodies are read as before.
INSERT INTO call_events (payload) VALUES ('"call_id=10&state=ringing"'), ('"hello"'), ('["call_id=10&state=ringing"]'), ('7');
SELECT call_id, event_type, event_lane >= 0 AS has_lane, payload FROM call_events ORDER BY event_seq DESC LIMIT 4;

-- Events that are no calls are ignored by type and members.
SELECT configure_call_event_log('call_events', ignored_event_types => '{sms}', ignored_members => '{MessageSid}');
SELECT ingest_call_event('MessageSid=SM1&Body=hello'::text);
SELECT ingest_call_event('event_type=sms&Body=hello'::text);
SELECT ignored_call_events('call_events');
SELECT purge_call_events('0', 'call_events', dead_older_than => '0') > 0 AS purged;

-- An existing table, with a column of its own
CREATE TABLE hooks (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body jsonb, done timestamptz);
INSERT INTO hooks (body) VALUES ('"call_id=20&state=ringing"'), ('"call_id=21&state=%zz"');
SET client_min_messages = warning;
CALL prepare_harden_call_events('hooks', 'calls', payload_column => 'body', processed_at_column => 'done');
SELECT harden_call_events('hooks', 'calls', payload_column => 'body', processed_at_column => 'done');
RESET client_min_messages;
INSERT INTO hooks (body) VALUES ('"call_id=20&state=connected"'), ('"call_id=22&state=%zz"');
SELECT event_seq, error FROM call_dead_events JOIN call_event_logs USING (log_id)
WHERE events = 'hooks'::regclass ORDER BY event_seq;
SELECT claimed, applied FROM process_call_events(log => 'hooks');
SELECT dialpad_call_id, status, raw_payload FROM calls WHERE dialpad_call_id > 15 ORDER BY 1;
SET client_min_messages = warning;
DROP SCHEMA forms CASCADE;
