SELECT ingest_call_event('{"call_id": 1}'::jsonb);
SELECT create_call_tables('public');

-- A redelivery returns the number of the first event: the same bytes, the same document, the same key.
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb);
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::text);
SELECT ingest_call_event('{ "state": "ringing", "call_id": 1 }'::text);
SELECT ingest_call_event('{"call_id": 1, "state": "hangup"}'::jsonb, event_key => 'delivery-1') AS keyed \gset
SELECT ingest_call_event('{"call_id": 1, "state": "other"}'::jsonb, event_key => 'delivery-1') = :keyed AS repeated;
SELECT ingest_call_event('{"call_id": 1, "state": "hangup"}'::jsonb) = :keyed AS repeated;
SELECT ingest_call_event('{"call_id": 9}'::jsonb,
    event_type => 'missed') <> ingest_call_event('{"call_id": 9}'::jsonb, event_type => 'voicemail') AS differ;
SELECT ingest_call_event('abc'::text) <> ingest_call_event('"abc"'::text) AS differ;
SELECT ingest_call_event(payload => '{"call_id": 1,
    "duration": 1.0}'::jsonb) <> ingest_call_event('{"call_id": 1, "duration": 1.00}'::jsonb) AS differ;

-- The call id is found at the top level, under "call" and under "data.call". A plain "id" at the top level is no call id.
TRUNCATE call_events;
CREATE FUNCTION stamped(body text) RETURNS TABLE (call_id text, event_type text, has_lane boolean, error text)
LANGUAGE plpgsql AS $$
DECLARE
    seq bigint := ingest_call_event(body);
BEGIN
    RETURN QUERY SELECT e.call_id, e.event_type, e.event_lane >= 0, d.error
        FROM call_events e LEFT JOIN call_dead_events d USING (event_seq) WHERE event_seq = seq;
END
$$;
SELECT * FROM stamped('{"call_id": 5780678246121472, "state": "calling"}');
SELECT * FROM stamped('{"call_id": "5780678246121472", "state": "calling"}');
SELECT * FROM stamped('{"call_id": " 0042 ", "state": "calling"}');
SELECT * FROM stamped('{"call": {"id": 999}, "event_type": "call.ring"}');
SELECT * FROM stamped('{"data": {"call": {"id": "999", "state": "completed"}}}');
SELECT * FROM stamped('{"data": {"call": {"call_id": 998, "id": "xyz"}}}');
SELECT * FROM stamped('{"id": 7, "state": "hangup"}');
SELECT * FROM stamped('{"id": 7, "name": "an office"}');

-- A call has one lane, in every spelling of its id.
SELECT count(ingest_call_event(body)) FROM unnest(ARRAY['{"call_id": 42, "state": "a"}', '{"call_id": "42", "state": "b"}',
    '{"call_id": "00042", "state": "c"}', '{"call": {"id": 42}}']) AS body;
SELECT call_id, count(*), count(DISTINCT event_lane) AS lanes FROM call_events WHERE call_id = '42' GROUP BY 1;

-- A body that no worker can apply is kept with its error.
SELECT * FROM stamped('');
SELECT * FROM stamped('no JSON');
SELECT * FROM stamped('{"call_id": 1');
SELECT * FROM stamped('{"call_id": 1} x');
SELECT * FROM stamped('{"call_id": 1, "name": "\u0000"}');
SELECT * FROM stamped('{"call_id": 1, "name": "\ud800"}');
SELECT * FROM stamped('eyJhbGciOiJIUzI1NiJ9.eyJjYWxsX2lkIjoxfQ.c2lnbmF0dXJl');
SELECT * FROM stamped('[{"call_id": 1}]');
SELECT * FROM stamped('null');
SELECT * FROM stamped('17');
SELECT * FROM stamped('{}');
SELECT * FROM stamped('{"call_id": null}');
SELECT * FROM stamped('{"call_id": true}');
SELECT * FROM stamped('{"call_id": ""}');
SELECT * FROM stamped('{"call_id": "  "}');
SELECT * FROM stamped('{"call_id": {"id": 1}}');
SELECT * FROM stamped('{"call_id": "call-1"}');
SELECT * FROM stamped('{"call_id": 1.5}');
SELECT * FROM stamped('{"call_id": 9223372036854775808}');
SELECT * FROM stamped('{"call_id": 1e400}');
SELECT * FROM stamped('{"call_id": "' || repeat('9', 256) || '"}');
SELECT payload FROM call_events WHERE event_lane = -1 ORDER BY event_seq LIMIT 5;

-- Bytes as received: valid text gives the same event as text does. Other bytes are kept as base64.
SELECT ingest_call_event('{"call_id": 6, "name": "Zoë"}'::text) AS seq \gset
SELECT ingest_call_event(convert_to('{"call_id": 6, "name": "Zoë"}', 'UTF8')) = :seq AS repeated;
SELECT ingest_call_event(payload => '{"call_id": 6}'::bytea, log => 'call_events', event_type => 'missed', event_key => 'bytes') =
    ingest_call_event('{}'::text, event_key => 'bytes') AS repeated;
SELECT ingest_call_event('no JSON'::bytea) = ingest_call_event('no JSON') AS repeated;
SELECT ingest_call_event(''::bytea) = ingest_call_event('') AS repeated;
CREATE FUNCTION stamped(body bytea) RETURNS TABLE (payload jsonb, has_lane boolean, error text)
LANGUAGE plpgsql AS $$
DECLARE
    seq bigint := ingest_call_event(body);
BEGIN
    RETURN QUERY SELECT e.payload, e.event_lane >= 0, d.error
        FROM call_events e LEFT JOIN call_dead_events d USING (event_seq) WHERE event_seq = seq;
END
$$;
SELECT * FROM stamped('\x00'::bytea);
SELECT * FROM stamped('\x7b2263616c6c5f6964223a317d00'::bytea);
SELECT * FROM stamped('\x7b2263616c6c5f6964223a312c2278223a2200227d'::bytea);
SELECT * FROM stamped('\x7b2263616c6c5f6964223a312c2278223a22ff227d'::bytea);
SELECT * FROM stamped('\x7b2263616c6c5f6964223a312c2278223a22c3'::bytea);
SELECT * FROM stamped('\xeda080'::bytea);
SELECT * FROM stamped('\xc080'::bytea);
SELECT * FROM stamped('\xf4908080'::bytea);
SELECT ingest_call_event('\xff'::bytea) = ingest_call_event('\xff'::bytea) AS repeated;
SELECT ingest_call_event('\xff'::bytea) <> ingest_call_event('"/w=="'::text) AS differ;
SELECT ingest_call_event('\xff'::bytea) <> ingest_call_event('"/w=="'::jsonb) AS differ;
SELECT ingest_call_event('\xff'::bytea) <> ingest_call_event('/w=='::text) AS differ;
SELECT pg_typeof(payload), payload = to_jsonb(translate(encode(decode(repeat('ff', 100000), 'hex'), 'base64'), E'\n', '')) AS base64
FROM stamped(decode(repeat('ff', 100000), 'hex'));
-- A bare literal is read as text.
SELECT ingest_call_event('\xff') = ingest_call_event('\xff'::text) AS is_text;

-- A body of any depth and size
SELECT call_id, event_type, has_lane, error FROM stamped(repeat('[', 100000));
SELECT call_id, has_lane, length(event_type) FROM stamped('{"call_id": 3, "state": "' || repeat('x', 1000000) || '"}');

-- The event type that the provider sends beside the body
SELECT ingest_call_event('{"call": {"id": 5}}'::jsonb, event_type => 'call.started') IS NOT NULL;
SELECT event_type FROM call_events WHERE call_id = '5';

-- An event from a plain INSERT is stamped as well. The client cannot choose its stamps.
INSERT INTO call_events (payload, event_lane, event_xid, call_id) VALUES ('{"call_id": 42}', 63, '1', 'other')
RETURNING event_lane = (SELECT min(event_lane) FROM call_events WHERE call_id = '42') AS own_lane,
    event_xid = pg_current_xact_id() AS own_xid, call_id;
\set VERBOSITY terse
INSERT INTO call_events (payload) VALUES (NULL);
\set VERBOSITY default

-- Arguments
SELECT ingest_call_event(NULL::jsonb);
SELECT ingest_call_event(NULL::text);
SELECT ingest_call_event(NULL::bytea);
SELECT ingest_call_event('{"call_id": 1}'::jsonb, 'calls');
CREATE SCHEMA other;
SELECT create_call_tables('other');
SELECT ingest_call_event('{"call_id": 1}'::jsonb, 'other.call_events');
SELECT _callhardening.stamp_call_event();
CREATE TABLE not_a_log (payload jsonb);
CREATE TRIGGER stamp BEFORE INSERT ON not_a_log FOR EACH ROW
    EXECUTE FUNCTION _callhardening.stamp_call_event('payload', 'dialpad', '64', 'bigint');
INSERT INTO not_a_log VALUES ('{}');
DROP TRIGGER stamp ON not_a_log;
CREATE TRIGGER stamp AFTER INSERT ON not_a_log FOR EACH ROW
    EXECUTE FUNCTION _callhardening.stamp_call_event('payload', 'dialpad', '64', 'bigint');
INSERT INTO not_a_log VALUES ('{}');
DROP TRIGGER stamp ON not_a_log;
CREATE TRIGGER stamp BEFORE INSERT ON not_a_log FOR EACH ROW EXECUTE FUNCTION _callhardening.stamp_call_event('payload');
INSERT INTO not_a_log VALUES ('{}');
DROP TABLE not_a_log;

DROP FUNCTION stamped(text), stamped(bytea);
DROP SCHEMA other CASCADE;
DROP TABLE calls, call_events;
