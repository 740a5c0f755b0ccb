\set SHOW_CONTEXT never
CREATE FUNCTION utf8(body text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT convert_to(body, 'UTF8') $$;

-- These values never change, in no version and on no server: partitions of databases in use depend on them.
SELECT id, call_event_partition(body, 1) AS of_1, call_event_partition(body, 2) AS of_2, call_event_partition(body, 3) AS of_3,
    call_event_partition(body, 4) AS of_4, call_event_partition(body, 16) AS of_16, call_event_partition(body, 65536) AS of_65536
FROM unnest('{0,1,-1,7,123,5780678246121472,6452247499866112,9223372036854775807}'::text[]) AS id,
    utf8(jsonb_build_object('call_id', id)::text) AS body;
SELECT id, call_event_partition(body, 16, 'twilio', 'text') AS of_16, call_event_partition(body, 65536, 'twilio', 'text') AS of_65536
FROM unnest('{CA0123456789abcdef0123456789abcdef,é,00123}'::text[]) AS id, utf8('CallSid=' || id || '&CallStatus=busy') AS body;

-- A body without a call id goes by its bytes.
SELECT n, octet_length(body) AS bytes, call_event_partition(body, 4) AS of_4, call_event_partition(body, 65536) AS of_65536
FROM (VALUES (1, ''::bytea), (2, '\x00'), (3, '\xff00fe'), (4, '{}'), (5, '{ }'), (6, 'null'), (7, '[]'), (8, '{"call_id": '),
    (9, '{"call_id": null}'), (10, '{"call_id": "\\u0000"}'), (11, 'hello'), (12, 'a.b.c'), (13, '{"call_id": {"id": 7}}'),
    (14, '{"call_id": "abc"}'), (15, '{"call_id": 9223372036854775808}'), (16, '"'), (17, '"\\'), (18, '{"a'), (19, '%')) AS b (n, body);

-- One call, many bodies
SELECT DISTINCT call_event_partition(utf8(body), 65536) AS of_65536 FROM unnest(ARRAY[
    '{"call_id": 123}', '{"call_id": "123"}', '{"call_id": " 00123 "}', '{"call_id": 123.0}', '{"call_id": 1.23e2}',
    E'\ufeff{"call_id": 123}', E'\r\n{"call_id"\t: 123 }\n', '{"call_id": 7, "call_id": 123}', '{"c\u0061ll_id": "\u0031\u00323"}',
    '{"call": {"id": 123}}', '{"data": {"call": {"call_id": 123}}}', '{"x": {"call_id": 7}, "call_id": 123, "y": "{\"call_id\": 7}"}',
    '{"call_id": 123, "number": 1e400}', '{"deep": ' || repeat('[', 2000) || repeat(']', 2000) || ', "call_id": 123}',
    '{"long": "' || repeat('\"x', 1000000) || '", "call_id": 123}', 'eyJhbGciOiJIUzI1NiJ9.eyJjYWxsX2lkIjogMTIzfQ.c2lnbmF0dXJl',
    E' eyJhbGciOiJIUzI1NiJ9.eyJjYWxsX2lkIjogMTIzfQ.c2lnbmF0dXJl\n']) AS body;
-- With a key of text, other spellings are other calls.
SELECT call_event_partition('{"call_id": "00123"}', 65536) = call_event_partition('{"call_id": "123"}', 65536) AS bigint,
    call_event_partition('{"call_id": "00123"}', 65536, key_type => 'text') = call_event_partition('{"call_id": "123"}', 65536) AS text;
-- A form, also as a JSON string
SELECT DISTINCT call_event_partition(utf8(body), 65536, 'Twilio', 'text') AS of_65536 FROM unnest(ARRAY[
    'CallSid=CA1&CallStatus=busy', 'To=%2B1&CallSid=CA%31&CallStatus=completed', '"CallSid=CA1&CallStatus=busy"',
    E'CallSid=CA1&CallStatus=busy\r\n']) AS body;

-- The log reads the same call, in all made-up traffic. It has redeliveries: they go the same way.
CREATE TEMP TABLE body AS SELECT provider, id_type, body, utf8(body) AS bytes FROM call_providers() AS p
    JOIN unnest('{dialpad,aircall,twilio,zoom_phone}'::text[]) AS made (provider) USING (provider), call_traffic(200, 1, provider) AS body;
CREATE FUNCTION opened(body text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
SELECT CASE WHEN body LIKE '{%' THEN body::jsonb ELSE to_jsonb(body) END
$$;
SELECT provider, count(*) > 500 AS many, count(*) FILTER (WHERE call_id IS NULL) AS with_several_calls,
    count(*) FILTER (WHERE call_id IS NOT NULL AND call_event_partition(bytes, 65536, provider, id_type) <>
        call_event_partition(utf8(jsonb_build_object('call_id', call_id)::text), 65536, 'dialpad', id_type)) AS elsewhere
FROM body, _callhardening.event_stamp(opened(body), provider, 64, id_type, 'null') GROUP BY provider ORDER BY provider;

-- With twice the partitions, a body stays, or its number grows by the number of partitions.
SELECT partitions, count(*) FILTER (WHERE after = before) > 500 AS many_stay,
    count(*) FILTER (WHERE after = before + partitions) > 500 AS many_move,
    count(*) FILTER (WHERE after NOT IN (before, before + partitions)) AS wrong
FROM unnest('{1,2,3,4,8,1000,32768}'::int[]) AS partitions, body, call_event_partition(bytes, partitions, provider, id_type) AS before,
    call_event_partition(bytes, 2 * partitions, provider, id_type) AS after GROUP BY partitions ORDER BY partitions;
-- The calls of a partition are in all lanes.
SELECT partition, count(*) > 1000 AS many_calls, count(DISTINCT event_lane) AS lanes
FROM generate_series(1, 8000) AS id, jsonb_build_object('call_id', id) AS call, call_event_partition(utf8(call::text), 4) AS partition,
    _callhardening.event_stamp(call, 'dialpad', 64, 'bigint', 'null')
GROUP BY partition ORDER BY partition;

-- A body with several calls: its parts are those of the log, and each goes to the partition of its call.
SELECT part_no, convert_from(part, 'UTF8') AS part FROM divide_call_event(utf8(E'\ufeff {"uuid": "u-1", "body": {"telephonySessionId": "s",
    "parties": [ {"id": "p-1", "n": "]"} , {"id": "p-2"},7], "x": [1, 2]}} \n'), 'ringcentral');
SELECT part_no, convert_from(part, 'UTF8') AS part FROM divide_call_event('[{"type": "com.twilio.voice.twiml.call.ringing",
    "data": {"sid": "CA1"}} , {"type": "x"}, 7]', 'twilio');
SELECT part_no, convert_from(part, 'UTF8') AS part FROM divide_call_event(' {"call_id": 7} ');
SELECT part FROM divide_call_event('\x7b00ff');
-- A log does not divide a body with more than 1000 calls.
SELECT calls, count(*) AS parts, max(part_no) AS last FROM unnest('{1000,1001}'::int[]) AS calls,
    jsonb_build_object('body', jsonb_build_object('telephonySessionId', 's', 'parties',
        (SELECT jsonb_agg(jsonb_build_object('id', n)) FROM generate_series(1, calls) AS n))) AS body,
    divide_call_event(utf8(body::text), 'ringcentral') GROUP BY calls ORDER BY calls;
SELECT count(*) AS nulls FROM divide_call_event(NULL) AS a FULL JOIN divide_call_event('{}', NULL) AS b ON true;
SELECT divide_call_event('{}', 'dialpd');
CREATE SCHEMA inbox;
SET client_min_messages = error;
SELECT create_call_tables('inbox', 'zoom_phone');
SELECT count(ingest_call_event(body, 'inbox.call_events')) > 500 AS ingested FROM body WHERE provider = 'zoom_phone';
SELECT count(*) FILTER (WHERE part_no > 1) > 20 AS divided, count(*) FILTER (WHERE e.event_seq IS NULL) AS other,
    count(*) FILTER (WHERE call_event_partition(part, 65536, 'zoom_phone', 'text') <>
        call_event_partition(utf8(jsonb_build_object('call_id', call_id)::text), 65536, 'dialpad', 'text')) AS elsewhere,
    (SELECT count(*) FROM inbox.call_events) - count(DISTINCT e.event_seq) AS left_out
FROM body, divide_call_event(bytes, 'zoom_phone') LEFT JOIN inbox.call_events AS e ON e.payload = convert_from(part, 'UTF8')::jsonb
WHERE provider = 'zoom_phone';
DROP SCHEMA inbox CASCADE;
RESET client_min_messages;

-- Each body has a partition. These are pieces of real ones, with another byte at the end.
SELECT count(*) AS pieces, count(*) FILTER (WHERE p BETWEEN 0 AND 3) AS with_partition
FROM (SELECT call_event_partition(substring(bytes FOR octet_length(bytes) * n / 40) || set_byte('\x00', 0, n * 6), 4,
        provider, id_type) AS p
    FROM (SELECT * FROM body WHERE octet_length(bytes) < 3000 LIMIT 300) AS b, generate_series(0, 40) AS n) AS pieces;
SELECT call_event_partition(decode(repeat('00', 5000000), 'hex'), 4) AS megabytes;

SELECT call_event_partition(NULL, 4) IS NULL AND call_event_partition('{}', NULL) IS NULL AND call_event_partition('{}', 4, NULL) IS NULL
    AND call_event_partition('{}', 4, 'dialpad', NULL) IS NULL AS nulls;
SELECT call_event_partition('{}', 0);
SELECT call_event_partition('{}', -1);
SELECT call_event_partition('{}', 65537);
SELECT call_event_partition('{}', 4, 'dialpd');
SELECT call_event_partition('{}', 4, 'cloudtalk');
SELECT call_event_partition('{}', 4, '');
SELECT call_event_partition('{}', 4, '*');
SELECT call_event_partition('{}', 4, key_type => 'uuid');
SELECT call_event_partition('{}', 4, key_type => '');
