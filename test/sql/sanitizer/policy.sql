\set SHOW_CONTEXT never

-- Not a policy
\set VERBOSITY sqlstate
SELECT sanitize_call_payload('{}', 'null');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": 7}');
SELECT sanitize_call_payload('{}', jsonb_build_object('version', 1, 'secrets', jsonb_build_array(repeat('x', 300000))));
\set VERBOSITY default
SELECT sanitize_call_payload('{}', '{"version": 1, "rule": []}');
SELECT sanitize_call_payload('{}', jsonb_build_object('version', 1, 'secrets', jsonb_build_array(repeat('x', 300000))));
\set VERBOSITY terse
SELECT sanitize_call_payload('{}', 'null');
SELECT sanitize_call_payload('{}', '"default"');
SELECT sanitize_call_payload('{}', '[]');
SELECT sanitize_call_payload('{}', '{}');
SELECT sanitize_call_payload('{}', '{"version": "1"}');
SELECT sanitize_call_payload('{}', '{"version": 2}');
SELECT sanitize_call_payload('{}', '{"version": 1.0}');
SELECT sanitize_call_payload('{}', '{"version": 1, "version": null}');
SELECT sanitize_call_payload('{}', '{"version": 1, "Rules": []}');
SELECT sanitize_call_payload('{}', '{"version": 1, "function": "pg_read_file"}');
SELECT sanitize_call_payload('{}', '{"version": 1, "+1 (415) 555-0100": 1}');
-- Rules
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": {}}');
SELECT sanitize_call_payload('{}',
    jsonb_build_object('version', 1, 'rules', (SELECT jsonb_agg('{"path": "a", "action": "keep"}'::jsonb) FROM generate_series(1, 1001))));
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": ["**.a"]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"action": "keep"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": ["a"], "action": "keep"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "keep"}, {"path": "a", "action": "Keep"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "sql"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "keep", "comment": "why"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "drop", "keep": 4}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "mask", "length": 4}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "mask"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "mask", "keep": 9}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "mask", "keep": -1}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "truncate"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "truncate", "length": 7}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "truncate", "length": 1000001}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "truncate", "length": 10.5}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "truncate", "length": "10"}]}');
-- Paths
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "", "action": "keep"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": ".a", "action": "keep"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a.", "action": "keep"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a", "action": "keep"},
    {"path": "a", "action": "keep"}, {"path": "a", "action": "keep"}, {"path": "a..b", "action": "keep"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "**call_id", "action": "keep"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a.***", "action": "keep"}]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", "action": "keep"}]}');
-- Secrets
SELECT sanitize_call_payload('{}', '{"version": 1, "secrets": "door_code"}');
SELECT sanitize_call_payload('{}', '{"version": 1, "secrets": ["a", "b", 7]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "secrets": [""]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "secrets": [" _-"]}');
SELECT sanitize_call_payload('{}', '{"version": 1, "secrets": ["Length"]}');
SELECT sanitize_call_payload('{}',
    jsonb_build_object('version', 1, 'secrets', (SELECT jsonb_agg('s' || i) FROM generate_series(1, 1001) AS i)));
-- Detectors
SELECT sanitize_call_payload('{}', '{"version": 1, "detectors": []}');
SELECT sanitize_call_payload('{}', '{"version": 1, "detectors": {"phones": "mask"}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "detectors": {"phone": "drop"}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "detectors": {"ipv4": "mask"}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "detectors": {"iban": true}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "detectors": {"card": {"action": "mask"}}}');
-- Limits
SELECT sanitize_call_payload('{}', '{"version": 1, "limits": 7}');
SELECT sanitize_call_payload('{}', '{"version": 1, "limits": {"max_bytes": 1000}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "limits": {"depth": 0}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "limits": {"depth": 65}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "limits": {"members": 1000001}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "limits": {"items": -1}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "limits": {"characters": 7}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "limits": {"characters": null}}');
-- Budget
SELECT sanitize_call_payload('{}', '{"version": 1, "budget": 1000}');
SELECT sanitize_call_payload('{}', '{"version": 1, "budget": {"bytes": 1000}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "budget": {"max_bytes": 255}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "budget": {"max_bytes": 1000001}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "budget": {"max_bytes": 1e9}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "budget": {"max_bytes": -1000}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "budget": {"max_bytes": 1000.5}}');
SELECT sanitize_call_payload('{}', '{"version": 1, "budget": {"max_bytes": 1e400}}');
SELECT sanitize_call_payload('{}', ('{"version": 1, "budget": {"max_bytes": ' || repeat('[', 5000) || repeat(']', 5000) || '}}')::jsonb);
\set VERBOSITY default

-- The largest and the smallest policy
SELECT sanitize_call_payload('{"a": 1}', '{"version": 1, "secrets": [], "rules": [], "detectors": {}, "limits": {}, "budget": {}}');
SELECT sanitize_call_payload('{"a": 1}', '{"version": 1,
    "limits": {"depth": 64, "members": 1000000, "items": 1000000, "characters": 1000000}, "budget": {"max_bytes": 1000000}}');
SELECT sanitize_call_payload('{"a": 1}', '{"version": 1, "limits": {"depth": 1, "members": 1, "items": 1, "characters": 8},
    "budget": {"max_bytes": 256}, "detectors": {"phone": "keep", "email": "mask", "card": "mask"}}');
SELECT sanitize_call_payload('{"r999": "0123456789", "r1": "0123456789"}', jsonb_build_object('version', 1, 'rules',
    (SELECT jsonb_agg(jsonb_build_object('path', 'r' || i, 'action', 'truncate', 'length', 8 + i % 2) ORDER BY i)
        FROM generate_series(1, 1000) AS i)));
-- jsonb reads 1e3 as 1000.
SELECT sanitize_call_payload('{"a": 1}', '{"version": 1, "budget": {"max_bytes": 1e3}}');

-- NULL: no payload, the default policy
SELECT sanitize_call_payload(NULL, NULL), sanitize_call_payload(NULL, '{"version": 1}');
SELECT sanitize_call_payload('{"a": null}', NULL) = sanitize_call_payload('{"a": null}') AS same;
-- The document of a built-in policy is the same policy, and its record names it.
SELECT sanitize_call_payload(payload, call_payload_policy('default')) = sanitize_call_payload(payload) AS same,
       sanitize_call_payload(payload) ->> '_sanitized' = sanitize_call_payload(payload,
           call_payload_policy()) ->> '_sanitized' AS same_policy
FROM (VALUES ('{"call_id": 1, "email": "jane@example.com", "transcript": "Hello", "x": null}'::jsonb)) AS v (payload);
-- The order and spacing of its members make no difference.
SELECT count(DISTINCT sanitize_call_payload('{"pin": 1}', policy) ->> '_sanitized')
FROM (VALUES ('{"version": 1, "limits": {"items": 7, "depth": 3}}'::jsonb), ('{"limits":{"depth":3,"items":7},"version":1}'),
    ('{"version": 1, "limits": 8, "limits": {"depth": 3, "items": 7}}')) AS v (policy);
SELECT count(DISTINCT sanitize_call_payload('{"pin": 1}', call_payload_policy(name)) ->> '_sanitized')
FROM unnest('{default,size_only,strict}'::text[]) AS name;

-- A rule cannot keep secrets.
\set keeper '''{"version": 1, "rules": [{"path": "**.password", "action": "keep"}, '
\set keeper :keeper '{"path": "**.client.**", "action": "keep"}, {"path": "**", "action": "keep"}]}'''
SELECT sanitize_call_payload('{"password": "hunter2",
    "client": {"token": {"a": ["hunter2"]}, "url": "https://jane:hunter2@example.com/?sig=hunter2", "note": "password: hunter2"},
    "authorization": "Bearer hunter2hunter2"}', :keeper);
SELECT sanitize_call_payload('{"voicemail_link": "https://example.com/v/hunter2",
    "x": "{\"pass\\u0077ord\": \"hunter2\"}", "password=hunter2": 1}', :keeper);
SELECT sanitize_call_payload('{"password": "hunter2"}', '{"version": 1, "rules": [{"path": "**.password", "action": "mask", "keep": 8}]}');
SELECT sanitize_call_payload('{"password": "hunter2"}',
    '{"version": 1, "rules": [{"path": "**.password", "action": "truncate", "length": 1000}]}');
-- Names of the policy are compared whole and folded. No rule keeps them.
SELECT sanitize_call_payload('{"door_code": 1, "DoorCode": "2", "door-code": {"a": 3}, "front_door_code": 4, "a": [{"door code": [5]}]}',
    '{"version": 1, "secrets": ["door_code"], "rules": [{"path": "**", "action": "keep"}]}');
-- The same in texts
SELECT sanitize_call_payload('{"note": "my door_code: 4711, ok", "link": "https://example.com/?door_code=4711&a=1",
    "body": "{\"door\\u005fcode\": 4711, oops", "custom_data": "{\"DoorCode\": 4711}"}',
    jsonb_set(call_payload_policy(), '{secrets}', '["door_code"]'));

-- Detectors work on values without a rule.
SELECT sanitize_call_payload('{"a": "+1 415 555 0100 or jane@example.com", "b": "+1 415 555 0100", "c": "+1 415 555 0100",
    "d": "+1 415 555 0100 and more", "jane@example.com": 1}', '{"version": 1, "detectors": {"phone": "mask"},
    "rules": [{"path": "b", "action": "keep"}, {"path": "c", "action": "mask", "keep": 2},
    {"path": "d", "action": "truncate", "length": 16}]}');
-- Without a key a summary replaces the token.
SELECT sanitize_call_payload('{"a": "+14155550100", "b": {"c": 1, "d": ["x"]}}',
    '{"version": 1, "rules": [{"path": "a", "action": "hash"}, {"path": "b", "action": "hash"}]}');
-- The budget: values without a rule go first, then those of the last rule, and so on.
SELECT bytes, sanitize_call_payload(payload,
    jsonb_set('{"version": 1, "rules": [{"path": "c", "action": "keep"}, {"path": "b", "action": "keep"}], "budget": {}}',
    '{budget,max_bytes}', bytes)) AS result
FROM unnest('{1000,400,256}'::jsonb[]) AS bytes,
    (SELECT jsonb_build_object('a', repeat('a', 100), 'b', repeat('b', 100), 'c', repeat('c', 100), 'd', repeat('d', 100)) AS payload) AS p;
SELECT count(*) AS documents, count(*) FILTER (WHERE octet_length(sanitize_call_payload(payload, policy)::text) > bytes) AS larger
FROM generate_series(256, 2000, 100) AS bytes, unnest('{default,size_only,strict}'::text[]) AS name,
    jsonb_set(call_payload_policy(name), '{budget,max_bytes}', to_jsonb(bytes)) AS policy,
     (SELECT jsonb_object_agg(CASE i % 4 WHEN 0 THEN 'call_id' WHEN 1 THEN 'note' WHEN 2 THEN 'custom_data' ELSE 'transcript' END
         || CASE WHEN i > 3 THEN i::text ELSE '' END, repeat('word ' || i, 1 + i % 40)) AS payload FROM generate_series(0, 80) AS i) AS p;

-- strict: an allow-list
SELECT jsonb_pretty(sanitize_call_payload('{"call_id": 5635304278851584, "state": "hangup", "direction": "inbound",
    "date_started": 1787158716092, "duration": 11989.972, "event_timestamp": "2026-08-19T12:58:36Z",
    "contact": {"id": "shared_17", "name": "Jane Doe", "address": {"street": "Main Street"}},
    "target": {"id": 17, "office_id": 3, "type": "user"}, "transcription_text": "Hello, Jane", "is_vip": true, "price": 17.25,
    "labels": ["a", "b"], "note": {"id": 7}, "password": "hunter2"}', call_payload_policy('strict')));
-- Forms that wrap the call
SELECT sanitize_call_payload(payload, call_payload_policy('strict')) FROM (VALUES
    ('{"call": {"call_id": 1, "contact": {"id": 2, "name": "Jane Doe"}, "note": "Jane Doe"}, "event_type": "hangup"}'::jsonb),
    ('{"data": {"call": {"call_id": 1, "name": "Jane Doe"}, "note": "Jane Doe"}}'),
    ('{"data": {"payload": {"call_id": 1, "name": "Jane Doe"}, "record": "Jane Doe"}}'),
    ('{"items": [{"call_id": 1, "name": "Jane Doe"}, {"call_id": 2}, "Jane Doe"]}')) AS v (payload);
-- A known member contains unknown values.
SELECT sanitize_call_payload('{"contact": "Jane Doe", "target": ["Jane Doe"], "call": 4155550100, "data": {"contact": true}}',
    call_payload_policy('strict'));
SELECT sanitize_call_payload('{"call_id": {"name": "Jane Doe"}, "state": [{"name": "Jane Doe"}],
    "date_started": {"call_id": {"id": "Jane Doe"}}, "duration": {"state": "Jane Doe"},
    "id": [["Jane Doe, who lives in Main Street, and whose story is long enough to be cut"]]}', call_payload_policy('strict'));
-- Numbers of persons and accounts, and internet addresses: kept unless a policy masks them
SELECT policy, sanitize_call_payload('{"note": "178-05-1120 paid from DE89 3704 0044 0532 0130 00, 10.0.0.1 or fe80::1",
    "4111111111111111": 1, "sender": "98765 40100"}',
    ('{"version": 1, "detectors": ' || policy || '}')::jsonb) - '_sanitized' AS result
FROM unnest('{"{}","{\"ssn\": \"mask\"}","{\"iban\": \"mask\"}","{\"ip\": \"mask\"}",
    "{\"card\": \"mask\"}","{\"phone\": \"mask\"}"}'::text[]) AS policy;
SELECT sanitize_call_payload('{"note": "10.0.0.1 and 178-05-1120"}',
    '{"version": 1, "detectors": {"ip": "hash", "ssn": "hash"}}') - '_sanitized' AS no_key,
       sanitize_call_payload('{"4111111111111111": 1}',
           '{"version": 1, "detectors": {"card": "hash"}}') - '_sanitized' AS no_key_for_a_name;
SELECT name, call_payload_policy(name) -> 'detectors' AS detectors FROM unnest('{default,size_only,strict}'::text[]) AS name;
-- Detectors read kept values, and the names of dropped ones.
SELECT sanitize_call_payload('{"call_id": "call +1 415 555 0100", "state": "jane@example.com", "id": 5635304278851584,
    "date_started": "2026-08-19T12:58:36Z", "date_ended": 1787158716092, "+1 415 555 0100": 1}', call_payload_policy('strict'));
SELECT count(*) AS documents, count(*) FILTER (WHERE sanitize_call_payload(payload, call_payload_policy('strict'))::text ~ 'Jane') AS leaks
FROM (SELECT jsonb_build_object(a, jsonb_build_object(b, jsonb_build_object(c, 'Jane'))) AS payload
      FROM unnest('{call,data,payload,items,contact,target,call_id,id,state,date_started,duration,note}'::text[]) AS a,
           unnest('{call,contact,entry_point_target,group_id,status,talk_time,note}'::text[]) AS b,
           unnest('{name,email,note,x,contact,call,data}'::text[]) AS c) AS d;

-- size_only: only large values go.
SELECT sanitize_call_payload('{"call_id": 5635304278851584, "state": "hangup", "external_number": "+14155550100",
    "contact": {"id": 1, "name": "Jane Doe", "email": "jane@example.com", "phone": "+14155550100"},
    "card": "4111 1111 1111 1111", "audio": "UklGRiQAAABXQVZF", "recordings": [{"id": 1, "data": "UklGRiQAAABXQVZF"}],
    "metadata": "{\"plan\": \"gold\", \"empty\": null}", "password": "hunter2"}', call_payload_policy('size_only'));
SELECT length(value ->> 'transcript') AS transcript, length(value ->> 'note') AS note,
    jsonb_array_length(value -> 'list') AS list, value -> 'pcm_base64' AS pcm
FROM sanitize_call_payload(jsonb_build_object('transcript', repeat('Hello. ', 1000), 'note', repeat('word ', 500), 'list',
    (SELECT jsonb_agg(i) FROM generate_series(1, 100) AS i), 'pcm_base64', repeat('QUFB', 5000)),
    call_payload_policy('size_only')) AS value;

-- Sanitizing twice equals sanitizing once, with each policy.
SELECT name, count(*) FILTER (WHERE sanitize_call_payload(once, policy) = once) AS unchanged, count(*) AS documents
FROM (VALUES ('default'), ('size_only'), ('strict')) AS n (name), call_payload_policy(name) AS policy,
     LATERAL (SELECT sanitize_call_payload(payload, policy) AS once FROM (VALUES
        ('{"call": {"call_id": 1, "contact": {"id": 2, "name": "Jane Doe"}, "note": null},
            "metadata": "{\"a\": \"{\\\"b\\\": 1}\"}"}'::jsonb),
        ('{"contact": "Jane Doe", "target": ["x"], "call": 1, "recap_summary": "my token: abc", "audio": "abc", "integrations": {"a": 1}}'),
        ('[{"type": "string", "length": 7}, {"type": "text", "length": 7}]')) AS v (payload)) AS d
GROUP BY name ORDER BY name;

-- Compiled policies are cached: more than fit, and again.
CREATE TEMPORARY TABLE wanted AS
SELECT i AS length, jsonb_build_object('version', 1, 'rules',
    jsonb_build_array(jsonb_build_object('path', 'a', 'action', 'truncate', 'length', i))) AS policy
FROM generate_series(8, 107) AS i;
SELECT count(*) FILTER (WHERE length(sanitize_call_payload(jsonb_build_object('a', repeat('x', 200)), policy) ->> 'a') = length) AS right
FROM (SELECT * FROM wanted ORDER BY length) AS w;
SELECT count(*) FILTER (WHERE length(sanitize_call_payload(jsonb_build_object('a', repeat('x', 200)), policy) ->> 'a') = length) AS right
FROM (SELECT * FROM wanted ORDER BY length DESC) AS w;
SELECT count(*) FILTER (WHERE length(sanitize_call_payload(jsonb_build_object('a', repeat('x', 200)), policy) ->> 'a') = length) AS right
FROM (SELECT w.* FROM wanted AS w, generate_series(1, 20) AS i ORDER BY w.length * i % 17, w.length, i) AS w;
-- An error in between changes nothing.
DO $$
DECLARE
    w wanted;
    refused integer := 0;
BEGIN
    FOR w IN SELECT * FROM wanted LOOP
        BEGIN
            PERFORM sanitize_call_payload('{}', w.policy || '{"budget": 7}');
        EXCEPTION WHEN invalid_parameter_value THEN
            refused := refused + 1;
        END;
        ASSERT length(sanitize_call_payload(jsonb_build_object('a', repeat('x', 200)), w.policy) ->> 'a') = w.length;
    END LOOP;
    RAISE NOTICE '% refused', refused;
END
$$;

-- A policy in use outlives its place in the cache: between two rows of a statement, a hundred others are used.
CREATE TABLE called (dialpad_call_id bigint, status text, direction text);
SELECT harden_calls('called', policy => '{"version": 1, "rules": [{"path": "a", "action": "truncate", "length": 9}]}');
CREATE FUNCTION use_others() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sanitize_call_payload('{"a": "0123456789"}', policy) FROM wanted;
    RETURN NEW;
END
$$;
CREATE TRIGGER use_others BEFORE INSERT ON called FOR EACH ROW EXECUTE FUNCTION use_others();
INSERT INTO called (dialpad_call_id, raw_payload)
SELECT i, jsonb_build_object('a', repeat('x', 20)) FROM generate_series(1, 5) AS i RETURNING raw_payload ->> 'a' AS cut;
-- An error ends the statement and frees the policy.
INSERT INTO called (dialpad_call_id, raw_payload)
SELECT 6 + i % 3, jsonb_build_object('a', repeat('x', 20)) FROM generate_series(1, 5) AS i;
INSERT INTO called (dialpad_call_id, raw_payload) SELECT 6, jsonb_build_object('a', repeat('x', 20)) RETURNING raw_payload ->> 'a' AS cut;
-- In a recursive function
CREATE FUNCTION nested(depth integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    below text;
BEGIN
    SELECT string_agg(coalesce(sanitize_call_payload(jsonb_build_object('a', repeat('x', 200)), w.policy) ->> 'a', '')
        || CASE WHEN depth < 100 AND w.length = 8 + depth THEN nested(depth + 9) ELSE '' END, '') INTO below
    FROM wanted AS w WHERE w.length BETWEEN 8 + depth AND 16 + depth;
    RETURN coalesce(below, '');
END
$$;
SELECT octet_length(replace(nested(0), '…', '.')) = (SELECT sum(length) FROM wanted) AS right;
DROP FUNCTION nested(integer);
DROP TABLE called;
DROP FUNCTION use_others();
