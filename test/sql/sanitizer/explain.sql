\set SHOW_CONTEXT never
\pset null NULL

-- The changes of a document by the default policy
SELECT * FROM explain_call_payload('{"call_id": 5635304278851584, "state": "hangup",
    "date_rang": null, "labels": [], "external_number": "+14155550100",
    "contact": {"id": 1, "name": "Jane", "email": ""}, "talk_time": 8951.030,
    "voicemail_link": "https://dialpad.example/vm/xyz", "integrations": {"hubspot": {"id": 1}},
    "recap_summary": "Caller could not reach the VPN; we have reset their token and called back.",
    "password": "hunter2", "was_recorded": false,
    "custom_data": "{\"order\": {\"id\": 1.50e1, \"id\": 2, \"secret\": \"x\", \"empty\": null}}",
    "recording_details": [{"id": 7, "url": "https://u:p@dialpad.example/r/1"}]}');

-- Roots, empty containers, summaries
SELECT * FROM explain_call_payload(NULL);
SELECT * FROM explain_call_payload('{}');
SELECT * FROM explain_call_payload('[]');
SELECT * FROM explain_call_payload('"https://user:pw@example.com/"');
SELECT * FROM explain_call_payload('{"a": {"b": null, "c": {"d": []}}}');
SELECT * FROM explain_call_payload('[1, null, "", {}, {"a": null}, [{"b": true}]]');
SELECT * FROM explain_call_payload('{"a": {"type": "string", "length": 48211},
    "integrations": {"type": "object", "length": 7}, "b": {"type": "string", "length": -1}}');

-- Actions and their reasons
SELECT * FROM explain_call_payload('{"k": 1, "d": {"x": 1}, "m": "12345678", "mb": true, "mn": 4155550100,
    "t": "a long text", "s": [1, 2], "sb": false, "h": "+14155550100", "ho": {"a": "x"}, "free": "x"}',
    '{"version": 1, "rules": [{"path": "k", "action": "keep"}, {"path": "d", "action": "drop"}, {"path": "m*", "action": "mask", "keep": 2},
      {"path": "t", "action": "truncate", "length": 8}, {"path": "s*", "action": "summary"}, {"path": "h*.**", "action": "hash"}]}');
SELECT * FROM explain_call_payload('{"a": "Call +1 415 555 0100 or jane@example.com, password: hunter2",
    "phone": 4155550100, "card": "4111 1111 1111 1111", "+1 415 555 0100": "in a name", "password=hunter2": 1}',
    '{"version": 1, "detectors": {"phone": "mask", "email": "mask", "card": "mask"}}');
SELECT * FROM explain_call_payload('{"a": "178-05-1120", "b": "DE89370400440532013000 from 10.0.0.1", "4111111111111111": 1}',
    '{"version": 1, "detectors": {"card": "mask", "ssn": "mask", "iban": "mask", "ip": "mask"}}');
SELECT * FROM explain_call_payload('{"a": "Call +1 415 555 0100", "b": "jane@example.com"}',
    '{"version": 1, "detectors": {"phone": "hash", "email": "mask"}}');
SELECT * FROM explain_call_payload('{"url": "https://example.com/?token=abc&page=1", "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln",
    "secret": {"a": 1}, "token": true, "pin": "[secret]", "n": 1e100, "access_link": "/r/1"}');
SELECT * FROM explain_call_payload(jsonb_build_object('custom_data', '{not json, password: hunter2}'));
SELECT * FROM explain_call_payload('{"custom_data": "{\"a\": null}", "x": 1}');
SELECT * FROM explain_call_payload('{"custom_data": "\"{\\\"a\\\": [1, \\\"x\\\"]}\"", "x": 1}');

-- Limits
SELECT * FROM explain_call_payload('{"labels": [1, 2, 3, 4], "o": {"e": null, "a": 1, "b": 2, "c": 3, "dd": 4},
    "text": "longer than twelve", "deep": {"x": {"y": {"z": 1}}}, "a name that is too long": 1}',
    '{"version": 1, "limits": {"items": 2, "members": 2, "characters": 12, "depth": 2}}');
SELECT * FROM explain_call_payload('{"labels": [1, 2, 3, 4], "o": {"e": null, "a": 1, "b": 2, "c": 3, "dd": 4},
    "text": "longer than twelve", "a name that is too long": 1, "deep": {"x": {"y": {"z": 1}}}}',
    '{"version": 1, "limits": {"items": 2, "members": 5, "characters": 12, "depth": 2}}');

-- Different names become the same name.
SELECT * FROM explain_call_payload('{"a": {"token=abc": 1, "token=abcd": {"x": 1}, "z": 2}}');

-- The budget: values without a rule go first, and among these the last one first.
SELECT path, action, reason, bytes_out FROM explain_call_payload(
    (SELECT jsonb_object_agg('m' || lpad(i::text, 2, '0'), repeat('x', 20)) FROM generate_series(1, 10) AS i),
    '{"version": 1, "rules": [{"path": "m09", "action": "keep"}, {"path": "m08", "action": "mask", "keep": 1}],
    "budget": {"max_bytes": 256}}');
SELECT * FROM explain_call_payload(jsonb_build_object('a', repeat('x', 900)), '{"version": 1, "budget": {"max_bytes": 256}}');
SELECT * FROM explain_call_payload(to_jsonb(repeat('x', 900)), '{"version": 1, "budget": {"max_bytes": 256}}');

-- The record of an earlier pass has no row. Another member of this name is replaced if the document gets a record.
SELECT * FROM explain_call_payload('{"_sanitized": "1,2,3,0 1:0f0f0f", "a": 1}');
SELECT * FROM explain_call_payload('{"_sanitized": {"mine": true}, "a": 1}');
SELECT * FROM explain_call_payload('{"_sanitized": {"mine": true}, "a": null}');
SELECT * FROM explain_call_payload('{"_sanitized": {"mine": true}, "pin": 1234}');

-- No row contains a removed value.
CREATE TEMPORARY TABLE secret AS
SELECT jsonb_build_object('password', 'CANARY', 'session', jsonb_build_object('token', '{"CANARY": "CANARY"}'::jsonb),
    'token=CANARY', 1, 'note', 'password: CANARY and more',
    'url', 'https://user:CANARY@example.com/?sig=CANARY', 'recording_url', 'https://example.com/CANARY',
    'custom_data', '{"secret": "CANARY", "text": "Bearer CANARYCANARY", "api_key=CANARY": 1}',
    'transcript', repeat('x', 300) || 'CANARY', 'contact', jsonb_build_object('name', 'CANARY', 'email', 'canary@example.com'),
    'Bearer CANARYCANARY', NULL, 'integrations', '{"CANARY": 1}'::jsonb) AS payload;
SELECT name, count(*) > 8 AS rows, count(*) FILTER (WHERE explained::text ~* 'canary') AS shown
FROM secret, unnest('{default,strict}'::text[]) AS name,
    explain_call_payload(payload, call_payload_policy(name)) AS explained GROUP BY name ORDER BY name;

-- Large documents
SELECT count(*) FROM explain_call_payload((repeat('{"a":', 6000) || '1' || repeat('}', 6000))::jsonb);
SELECT * FROM explain_call_payload((SELECT jsonb_agg(i) FROM generate_series(1, 100000) AS i), '{"version": 1, "limits": {"items": 2}}');
SELECT action, count(*) FROM explain_call_payload((SELECT jsonb_object_agg('m' || i, jsonb_build_array(i, NULL))
    FROM generate_series(1, 20000) AS i), '{"version": 1, "limits": {"members": 1000000}}') GROUP BY action ORDER BY action;

-- Invalid policies
SELECT * FROM explain_call_payload('{}', '{"version": 2}');
SELECT * FROM explain_call_payload('{}', '{"version": 1, "rules": [{"path": "a..b", "action": "keep"}]}');

-- The rows add up to the record, and the remaining document matches them.
CREATE FUNCTION pg_temp.leaves(document jsonb) RETURNS TABLE (path text, bytes int) LANGUAGE sql AS $$
    WITH RECURSIVE value(path, value) AS (
        SELECT '', CASE jsonb_typeof(document) WHEN 'object' THEN document - '_sanitized' ELSE document END
        UNION ALL
        SELECT value.path || child.step, child.value
        FROM value, LATERAL (
            SELECT CASE value.path WHEN '' THEN '' ELSE '.' END || key, member.value
            FROM jsonb_each(CASE jsonb_typeof(value.value) WHEN 'object' THEN value.value ELSE '{}' END) AS member
            WHERE NOT (value.value ?& '{type,length}' AND value.value - 'type' - 'length' = '{}')
            UNION ALL
            SELECT '[]', item.value FROM jsonb_array_elements(CASE jsonb_typeof(value.value)
                WHEN 'array' THEN value.value ELSE '[]' END) AS item (value)) AS child (step, value))
    SELECT value.path, octet_length(value.value::text) FROM value
    WHERE value.value IN ('{}', '[]') OR jsonb_typeof(value.value) NOT IN ('object', 'array')
       OR (value.value ?& '{type,length}' AND value.value - 'type' - 'length' = '{}')
$$;
CREATE FUNCTION pg_temp.is_true(payload jsonb, policy jsonb) RETURNS boolean LANGUAGE sql AS $$
    WITH row AS (SELECT * FROM explain_call_payload(payload, policy)),
         result AS (SELECT sanitize_call_payload(payload, policy) AS document),
         said AS (SELECT concat_ws(',',
             least(99, count(*) FILTER (WHERE action ~ 'dropped|summarized' AND (path, reason) <> ('', 'budget.max_bytes'))),
                                   least(99, count(*) FILTER (WHERE action ~ 'masked|hashed')),
                                   least(99, count(*) FILTER (WHERE action ~ 'truncated')),
                                   least(99, count(*) FILTER (WHERE action ~ 'shed'))) AS n,
                         count(*) FILTER (WHERE action <> 'kept' AND reason <> 'empty') > 0 AS worth_a_record FROM row)
    SELECT (SELECT coalesce(split_part(document ->> '_sanitized', ' ', 1) = n, NOT worth_a_record) FROM said, result)
       AND (SELECT array_agg((path, bytes) ORDER BY path COLLATE "C", bytes) FROM result, pg_temp.leaves(document)) IS NOT DISTINCT FROM
           (SELECT array_agg((p, bytes_out) ORDER BY p COLLATE "C", bytes_out) FROM (
                SELECT regexp_replace(path, '\[\d+\]', '[]', 'g') AS p, bytes_out
                FROM row WHERE bytes_out > 0 AND reason !~ '^name: ') AS left_over)
$$;
BEGIN;
CREATE SCHEMA traffic;
SELECT create_call_tables('traffic');
SELECT generate_call_events(30);
CREATE TEMPORARY TABLE policy AS
SELECT name, call_payload_policy(name) AS policy FROM unnest('{default,size_only,strict}'::text[]) AS name
UNION ALL SELECT 'small', call_payload_policy() || '{"budget": {"max_bytes": 300}}'
UNION ALL SELECT 'limits', call_payload_policy() || '{"limits": {"depth": 3, "members": 12, "items": 2, "characters": 20}}'
UNION ALL SELECT 'detectors',
    '{"version": 1, "rules": [{"path": "**.*_id", "action": "keep"}, {"path": "**.custom_data", "action": "json"},
    {"path": "**.*number", "action": "hash"}],
    "detectors": {"phone": "mask", "email": "mask", "card": "mask"}, "budget": {"max_bytes": 800}}';
SELECT name, count(*) > 100 AS many, count(*) FILTER (WHERE NOT pg_temp.is_true(payload, policy)) AS wrong
FROM traffic.call_events, policy GROUP BY name ORDER BY name;
ROLLBACK;
