\set SHOW_CONTEXT never
SET client_min_messages = warning;
-- The provider's id of an event tells a redelivery. Without one the document does.
CREATE SCHEMA quo;
SELECT create_call_tables('quo', 'openphone_quo');
CREATE SCHEMA twilio;
SELECT create_call_tables('twilio', 'twilio');
CREATE SCHEMA ringcentral;
SELECT create_call_tables('ringcentral', 'ringcentral');

CREATE FUNCTION quo(id text, call text, more text DEFAULT '') RETURNS text LANGUAGE sql AS $$
SELECT format('{"id": %s, "type": "call.ringing", "data": {"object": {"id": "%s"%s}}}', id, call, more)
$$;
SELECT ingest_call_event(quo('"EV1"', 'AC1'), 'quo.call_events') AS first \gset
SELECT ingest_call_event(quo('"EV1"', 'AC1', ', "attempt": 2'), 'quo.call_events') = :first AS other_bytes,
    ingest_call_event(quo('"EV1"', 'AC1', ', "attempt": 3')::jsonb, 'quo.call_events') = :first AS jsonb,
    ingest_call_event(quo('"EV1"', 'AC1'), 'quo.call_events', event_type => 'x') = :first AS type_beside,
    ingest_call_event(quo('"EV2"', 'AC1'), 'quo.call_events') > :first AS other_id,
    ingest_call_event(quo('"EV1"', 'AC2'), 'quo.call_events') > :first AS other_call;
-- The first one wins.
SELECT payload #> '{data,object}' AS object FROM quo.call_events WHERE event_seq = :first;
-- A given key comes first.
SELECT ingest_call_event(quo('"EV1"', 'AC1'), 'quo.call_events', event_key => 'EV1') AS keyed \gset
SELECT :keyed > :first AS new, ingest_call_event(quo('"EV9"', 'AC9'), 'quo.call_events', event_key => 'EV1') = :keyed AS same_key;
-- No id, a blank one, one of another type, and one too long: the document.
SELECT left(id, 5) AS id, count(DISTINCT seq)
FROM unnest(ARRAY['null', '""', '" "', '{}', 'true', to_json(repeat('x', 256))::text]) AS id,
    LATERAL (SELECT ingest_call_event(quo(id, 'AC3', format(', "n": %s', n)), 'quo.call_events') AS seq
    FROM generate_series(1, 2) AS n) AS i GROUP BY 1 ORDER BY 1;
SELECT count(DISTINCT seq) FROM generate_series(1, 2) AS n,
    LATERAL (SELECT ingest_call_event(quo(to_json(repeat('x', 255))::text, 'AC3', format(', "n": %s', n)), 'quo.call_events') AS seq) AS i;
-- A body without a call has no event either.
SELECT ingest_call_event('{"id": "EV1", "type": "contact.updated"}', 'quo.call_events')
    <> ingest_call_event('{"id": "EV1", "type": "contact.deleted"}', 'quo.call_events') AS kept;
-- Rows that a client writes are not compared.
INSERT INTO quo.call_events (payload) SELECT quo('"EV1"', 'AC1')::jsonb RETURNING event_digest;

-- forms
CREATE FUNCTION twilio(number int, more text DEFAULT '') RETURNS text LANGUAGE sql AS $$
SELECT format('CallSid=CA1&CallStatus=ringing&CallbackSource=call-progress-events&SequenceNumber=%s%s', number, more)
$$;
SELECT count(DISTINCT seq) FROM (VALUES (twilio(1)), (twilio(1, '&Attempt=2')), (twilio(2)), (twilio(1, '&CallbackSource=other')),
    ('CallSid=CA1&CallStatus=ringing'), ('CallSid=CA1&CallStatus=ringing&Attempt=2')) AS b (body),
    LATERAL (SELECT ingest_call_event(body, 'twilio.call_events') AS seq) AS i;
-- Events of one body with ids of their own are found in another body.
CREATE FUNCTION stream(VARIADIC numbers int[]) RETURNS text LANGUAGE sql AS $$
SELECT jsonb_agg(jsonb_build_object('type', 'com.twilio.voice.x.call.ringing', 'id', 'NO' || n,
    'data', jsonb_build_object('sid', 'CB' || n)))::text
FROM unnest(numbers) AS n
$$;
SELECT ingest_call_event(stream(1, 2, 3), 'twilio.call_events') AS first \gset
SELECT ingest_call_event(stream(3, 4, 2), 'twilio.call_events') - :first AS third,
    ingest_call_event(stream(2), 'twilio.call_events') - :first AS second,
    ingest_call_event(stream(1, 2, 3), 'twilio.call_events') - :first AS first;
SELECT call_id FROM twilio.call_events WHERE event_seq >= :first ORDER BY event_seq;
SELECT ingest_call_event(stream(8, 8), 'twilio.call_events') AS first \gset
SELECT count(*) FROM twilio.call_events WHERE event_seq >= :first;

-- The parts of a body share an id. Two filters send one change under two ids: these are two events, and the second
-- changes nothing.
CREATE FUNCTION session(uuid text, parties text) RETURNS text LANGUAGE sql AS $$
SELECT format('{"uuid": "%s", "body": {"telephonySessionId": "s-1", "sequence": 3, "eventTime": "2026-01-01T00:00:00Z",
    "parties": %s}}', uuid, parties)
$$;
SELECT ingest_call_event(session('1', '[{"id": "p-1"}, {"id": "p-2"}, {"name": "x"}, {"id": "p-1"}]'),
    'ringcentral.call_events') AS first \gset
SELECT ingest_call_event(session('1', '[{"id": "p-1", "n": 2}, {"id": "p-2", "n": 2}, {"name": "x"}, {"id": "p-1", "n": 2}]'),
    'ringcentral.call_events') = :first AS same;
SELECT call_id, payload #> '{body,parties}' AS parties FROM ringcentral.call_events ORDER BY event_seq;
SELECT ingest_call_event(session('2', '[{"id": "p-1"}]'), 'ringcentral.call_events') > :first AS other_filter;
SELECT applied, unchanged FROM process_call_events(log => 'ringcentral.call_events');
DROP SCHEMA quo, twilio, ringcentral CASCADE;
DROP FUNCTION quo, twilio, stream, session;
