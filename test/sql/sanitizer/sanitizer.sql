-- Nothing to do: the document stays unchanged.
SELECT sanitize_call_payload('{"call_id": 5635304278851584, "state": "ringing", "mos_score": 4.41, "is_internal": false}');
SELECT sanitize_call_payload(NULL), sanitize_call_payload('{}'), sanitize_call_payload('[]'), sanitize_call_payload('null'),
       sanitize_call_payload('"text"'), sanitize_call_payload('1.10'), sanitize_call_payload('true');

-- Null and empty members are dropped at once. Items of arrays keep their positions.
SELECT sanitize_call_payload('{"a": {"b": null, "c": {"d": []}}, "e": "", "f": 0, "g": [null, "", {}, [], {"h": null}]}');

-- Numbers keep every digit, or become a summary.
SELECT sanitize_call_payload('{"a": 9007199254740993, "b": 18446744073709551616,
    "c": 1.10, "d": -0, "e": 1234567890123456789012345678901234567890, "f": 0.00}');
SELECT sanitize_call_payload('{"a": 12345678901234567890123456789012345678901,
    "b": 1e400, "c": 1e131071, "d": 1e-16383, "e": -1e39, "f": -1e38}');

-- Credentials by name
SELECT sanitize_call_payload('{"password": "x", "Api-Key": 17,
    "client_secret": {"a": [1]}, "user_token": ["x"], "cookies": {"a": "b"}, "pin": ""}');
SELECT sanitize_call_payload('{"author": "x", "tokenizer": "x", "keyboard": "x",
    "session_id": "x", "raw_digits": "17", "client_type": "eHg=", "has_token": false}');
-- Credentials by their form
SELECT sanitize_call_payload('{"a": "https://user:pw@example.com/x?sig=abc&page=1#key=abc",
    "b": "Authorization: Bearer abc123def", "c": "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln"}');
SELECT sanitize_call_payload(jsonb_build_object('pem',
    E'x -----BEGIN KEY-----\nMII\n-----END KEY----- y', 'eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln', 1));
SELECT sanitize_call_payload('{"note": "{\"password\": \"hunter2\", \"x\": 1}", "body": "user=jane&password=hunter2&x=1"}');
-- Links to a recording keep scheme and host.
SELECT sanitize_call_payload('{"voicemail_link": "https://dialpad.example/vm/xyz",
    "call_recording_share_links": ["https://dialpad.example/r/1?a=b"], "access_link": "/r/1"}');
SELECT sanitize_call_payload('{"recording_details": [{"id": 7, "url": "https://u:p@dialpad.example/r/1",
    "duration": 1.5, "recording_type": "admincallrecording"}], "hook_url": "https://example.com/hook"}');

-- Large values shrink, personal ones are masked.
SELECT sanitize_call_payload(jsonb_build_object('transcription_text',
    repeat('Hello, how are you? ', 1000), 'recap_summary', repeat('ä', 100),
    'recap_action_items', jsonb_build_array(repeat('x', 100), 'short'), 'integrations', '{"a": 1, "b": 2, "c": 3}'::jsonb));
SELECT sanitize_call_payload('{"external_number": "+14155550100", "internal_number": "0100",
    "contact": {"id": 1, "name": "Jane", "phone": 4155550100, "email": "j@example.com"}}');
SELECT sanitize_call_payload('{"routing_breadcrumbs": [{"breadcrumb_type": "callrouter", "date": 1,
    "target_type": "user", "target_id": 7, "request": {"a": 1, "b": {"c": 2}}, "response": "<html>"}]}');
SELECT sanitize_call_payload('{"custom_data": "{\"order\": {\"id\": 1.50e1, \"secret\": \"x\", \"empty\": null}}"}');
SELECT sanitize_call_payload('{"custom_data": "{not json, password: hunter2}"}');

-- Limits
SELECT length(sanitize_call_payload(jsonb_build_object('a', repeat('x', 300)))->>'a');
SELECT sanitize_call_payload(jsonb_build_object('a', (SELECT jsonb_agg(i) FROM generate_series(1, 21) AS i)));
SELECT count(*), count(*) FILTER (WHERE key = '_sanitized')
FROM jsonb_object_keys(sanitize_call_payload((SELECT jsonb_object_agg('m' || i, i) FROM generate_series(1, 1000) AS i))) AS key;
-- Of 300 variables, those that say which call it was, when and how long stay. Their names are not the shortest.
SELECT key, value FROM jsonb_each(sanitize_call_payload((SELECT jsonb_build_object('variables', jsonb_object_agg(name, value))
    FROM (SELECT 'v' || i, 'value ' || i FROM generate_series(1, 300) AS i
        UNION ALL VALUES ('originating_leg_uuid', '01df56f4-d99a-4ef6-b7fe-b924b2415b7f'), ('hangup_cause', 'NORMAL_CLEARING'),
            ('answer_epoch', '1375609856'), ('billsec', '4'), ('switch_r_sdp', repeat('a=rtpmap ', 90)))
        AS variable (name, value))) -> 'variables') WHERE key NOT LIKE 'v%' ORDER BY key;
SELECT sanitize_call_payload('{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":{"j":{"k":1}}}}}}}}}}}');

-- The record: forged, foreign, of an earlier pass
SELECT sanitize_call_payload('{"_sanitized": {"mine": true}}');
SELECT sanitize_call_payload('{"_sanitized": {"mine": true}, "a": null}');
SELECT sanitize_call_payload('{"_sanitized": {"mine": true}, "pin": 1234}');
SELECT sanitize_call_payload('{"_sanitized": "1,2,3,0 1:0f0f0f", "a": 1}');
SELECT sanitize_call_payload('{"_sanitized": "1,2,3,0 1:0f0f0f", "a": null}');
SELECT sanitize_call_payload('{"_sanitized": "1,2,3,0 1:0f0f0f", "pin": 1234}');
SELECT sanitize_call_payload('{"_sanitized": "1,2,3,-1 1:0f0f0f", "pin": 1234}');
-- Its counts end at 99. Stored, it takes at most 40 bytes, with any other members.
SELECT sanitized ->> '_sanitized' AS record,
    max(pg_column_size(sanitized || other) - pg_column_size(sanitized - '_sanitized' || other)) <= 40 AS is_cheap
FROM sanitize_call_payload(jsonb_build_object('pins', (SELECT jsonb_agg(jsonb_build_object('pin', i)) FROM generate_series(1, 120) AS i),
         'texts', (SELECT jsonb_agg(jsonb_build_object('drop', i)) FROM generate_series(1, 120) AS i),
         'b', (SELECT jsonb_agg(repeat('x', 2000)) FROM generate_series(1, 100))),
         '{"version": 1, "rules": [{"path": "pins", "action": "keep"}, {"path": "**.drop", "action": "drop"}],
         "limits": {"items": 1000, "characters": 8}, "budget": {"max_bytes": 1000}}') AS sanitized,
     (SELECT jsonb_build_object(repeat('n', a), CASE WHEN b < 0 THEN to_jsonb(b) ELSE to_jsonb(repeat('v', b)) END,
         repeat('z', 12 + a), to_jsonb(b)) FROM generate_series(1, 9) AS a, generate_series(-1, 4) AS b) AS others (other)
GROUP BY sanitized;
-- A body above 300 bytes takes no more space after sanitizing.
BEGIN;
CREATE SCHEMA traffic;
SELECT create_call_tables('traffic');
SELECT generate_call_events(200);
SELECT count(*) > 300 AS many, count(*) FILTER (WHERE pg_column_size(sanitized) > pg_column_size(payload)) AS grew,
       count(*) FILTER (WHERE octet_length(sanitized::text) > octet_length(payload::text)) AS printed_longer
FROM (SELECT payload, sanitize_call_payload(payload) AS sanitized FROM traffic.call_events) AS e WHERE octet_length(payload::text) > 300;
ROLLBACK;

-- Large documents
SELECT octet_length(sanitize_call_payload((repeat('{"a":', 6000) || '1' || repeat('}', 6000))::jsonb)::text);
SELECT octet_length(sanitize_call_payload((repeat('[', 6000) || repeat(']', 6000))::jsonb)::text);
SELECT sanitize_call_payload((SELECT jsonb_agg(i) FROM generate_series(1, 100000) AS i));
SELECT sanitize_call_payload((SELECT jsonb_agg(1e131071) FROM generate_series(1, 6)));
SELECT octet_length(sanitize_call_payload(jsonb_build_object('a', repeat('eyJ token: x', 4000000)))::text) < 300 AS bounded;
SELECT octet_length(sanitize_call_payload(jsonb_build_object('custom_data', repeat('[', 5000000)))::text) < 300 AS bounded;

-- Large events shrink by nine tenths: a transcript, a recap, breadcrumbs with bodies, custom data
CREATE TEMPORARY TABLE bulky AS
SELECT kind, '{"call_id": 5635304278851584, "state": "hangup", "direction": "outbound", "date_started": 1787158716092, "date_rang": null,
    "date_connected": 1787158720092, "date_ended": 1787158916555, "talk_time": 196463.0, "hold_time": 0, "duration": 196463.0,
    "total_duration": 200463.294, "external_number": "+17025550133", "internal_number": "+12085550120", "group_id": null,
    "contact": {"id": 6051533200162816, "type": "local", "phone": "+17025550133", "name": "(702) 555-0133", "email": ""},
    "target": {"id": 5171365938069504, "type": "user", "email": "agent@example.com", "phone": "+12085550120", "name": "Agent Example"},
    "event_timestamp": 1787158916666, "mos_score": 4.41, "labels": [], "was_recorded": false, "integrations": {}}'::jsonb || more AS payload
FROM (VALUES
    ('transcript', jsonb_build_object('transcription_text', repeat('Thank you for calling. ', 500))),
    ('recap', jsonb_build_object('recap_summary', repeat('The caller asked. ', 400),
        'recap_action_items', (SELECT jsonb_agg(repeat('Do it. ', 60)) FROM generate_series(1, 12)))),
    ('breadcrumbs', jsonb_build_object('routing_breadcrumbs',
        (SELECT jsonb_agg(jsonb_build_object('breadcrumb_type', 'callrouter', 'date', 1787158716092 + i,
        'target_id', 1, 'target_type', 'user', 'url', 'https://example.com/route', 'request',
        repeat('{"a": 1}', 500), 'response', repeat('x', 3000))) FROM generate_series(1, 4) AS i))),
    ('custom data', jsonb_build_object('custom_data',
        (SELECT jsonb_object_agg('answer' || i, repeat('word ', 1000)) FROM generate_series(1, 4) AS i)::text))) AS bulk (kind, more);
SELECT kind, octet_length(payload::text) AS before, octet_length(sanitize_call_payload(payload)::text) AS after,
       octet_length(sanitize_call_payload(payload)::text) * 10 <= octet_length(payload::text) AS nine_tenths
FROM bulky ORDER BY kind;

-- Sanitizing twice equals sanitizing once.
WITH RECURSIVE document(n, value) AS (
    SELECT 0, '{"recap_summary": "my token: abc, https://a:b@example.com/?sig=x", "a": null}'::jsonb
    UNION ALL
    SELECT n + 1, jsonb_build_object('a' || n, value, 'custom_data', value::text, 'items', jsonb_build_array(value, n))
    FROM document WHERE n < 8)
SELECT count(*) AS documents,
    count(*) FILTER (WHERE sanitize_call_payload(sanitize_call_payload(value)) = sanitize_call_payload(value)) AS unchanged
FROM document;

-- The policy
SELECT call_payload_policy() = call_payload_policy('default') AS same, call_payload_policy() ->> 'version' AS version,
       jsonb_object_keys(call_payload_policy() -> 'limits') AS limits;
SELECT call_payload_policy(NULL);
SELECT call_payload_policy('strictest');
SELECT call_payload_policy('');
SELECT call_payload_policy('+1 415 555 0100');

-- Every published payload (skipped without CALLHARDENING_PAYLOADS)
\getenv payloads CALLHARDENING_PAYLOADS
\if :{?payloads}
\else
\set payloads ''
\endif
CREATE TEMPORARY TABLE published AS
SELECT file, pg_read_file(:'payloads' || '/payloads/' || file)::jsonb AS payload
FROM pg_ls_dir(nullif(:'payloads', '') || '/payloads') AS file WHERE file LIKE '%.json';
SELECT file FROM published
WHERE sanitize_call_payload(payload) <> sanitize_call_payload(sanitize_call_payload(payload))
   OR sanitize_call_payload(payload)::text ~ 'REDACTEDx|mySecretPassword|puppy|test_secret|access_key=3b|dialpad.com/vm'
   OR EXISTS (SELECT FROM jsonb_each(CASE jsonb_typeof(payload) WHEN 'object' THEN payload ELSE '{}' END) AS member
              WHERE (member.key IN ('call_id', 'state', 'direction', 'duration', 'talk_time', 'hold_time', 'mos_score', 'total_duration')
                     OR member.key LIKE 'date\_%')
                AND jsonb_typeof(member.value) <> 'null'
                AND sanitize_call_payload(payload) -> member.key IS DISTINCT FROM member.value)
   -- its size before compression
   OR pg_column_size(sanitize_call_payload(payload)) > pg_column_size(payload::text::jsonb) + CASE
       WHEN pg_column_size(payload::text::jsonb) > 300 THEN 0 ELSE 40 END;
