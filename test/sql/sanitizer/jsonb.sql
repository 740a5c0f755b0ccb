\set SHOW_CONTEXT never

-- The sanitizer writes the same bytes as the server does for this document: *= compares the bytes.
CREATE FUNCTION pg_temp.same(a jsonb, b jsonb)
    RETURNS boolean LANGUAGE sql AS $$ SELECT ROW(a)::record OPERATOR(pg_catalog.*=) ROW(b)::record $$;
\set wide '{"version": 1, "rules": [{"path": "**.phone", "action": "mask", "keep": 4}, {"path": "**.custom_data", "action": "json"}], '
\set wide :wide '"limits": {"depth": 64, "members": 1000000, "items": 1000000, "characters": 1000000}, "budget": {"max_bytes": 1000000}}'
-- The empty member is dropped, so every document is written again.
CREATE TEMPORARY TABLE document (kind text, payload jsonb);
INSERT INTO document
SELECT 'members', jsonb_build_object('empty', '') || (SELECT jsonb_object_agg('m' || i, CASE i % 5
    WHEN 0 THEN to_jsonb(i) WHEN 1 THEN to_jsonb(repeat('x', i))
        WHEN 2 THEN to_jsonb(i % 2 = 0) WHEN 3 THEN to_jsonb(i / 8.0) ELSE '[true, 1]' END)
    FROM generate_series(1, members) AS i)
FROM generate_series(1, 140) AS members;
INSERT INTO document
SELECT 'items', jsonb_build_object('empty', '', 'items', (SELECT jsonb_agg(CASE i % 6
    WHEN 0 THEN to_jsonb(i) WHEN 1 THEN to_jsonb(repeat('x', i)) WHEN 2 THEN 'null'
        WHEN 3 THEN to_jsonb(i / 8.0) WHEN 4 THEN '{"a": 1}' ELSE '[]' END)
    FROM generate_series(1, items) AS i))
FROM generate_series(1, 140) AS items;
INSERT INTO document
SELECT 'nested', (repeat('{"a": [1, ', depth) || '{"empty": ""}' || repeat('], "bc": 1.5, "empty": ""}', depth))::jsonb
FROM generate_series(1, 33) AS depth;
INSERT INTO document
SELECT 'alignment', jsonb_build_object('empty', '', repeat('k', keys), repeat('v', characters), 'other',
    ARRAY[repeat('i', characters)], 'object', jsonb_build_object('k', keys, 'l', '{}'::jsonb), 'number', 1.10)
FROM generate_series(1, 9) AS keys, generate_series(0, 9) AS characters;
INSERT INTO document
SELECT 'string', jsonb_build_object('empty', '', 'string', repeat('ä', characters))
FROM generate_series(0, 3000, 100) AS characters;
INSERT INTO document VALUES
    ('root', '"Bearer abc123def"'), ('root', '[{"empty": ""}]'), ('root', '[{"empty": ""}, 1.5, [], {}]'),
    ('root', '{"empty": ""}'), ('root', '[[[{"empty": null}]]]'),
    ('names', '{"https://u:p@a.example/": 1, "b": 2, "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln": 3}'),
    ('names', '{"Bearer abc123def": 1, "Bearer abc123deg": 2}'),
    ('record', '{"empty": "", "_sanitized": "1,2,3,0 1:0f0f0f", "a_very_long_name": 1}');
INSERT INTO document SELECT 'traffic', body::jsonb FROM call_traffic(20) AS body;

CREATE TEMPORARY TABLE result AS SELECT kind, payload, sanitize_call_payload(payload, :'wide') AS sanitized FROM document
UNION ALL SELECT kind || ', default', payload, sanitize_call_payload(payload) FROM document;
SELECT kind, count(*) AS documents, count(*) FILTER (WHERE sanitized <> payload) AS written,
    count(*) FILTER (WHERE NOT pg_temp.same(sanitized, sanitized::text::jsonb)) AS different
FROM result GROUP BY kind ORDER BY kind COLLATE "C";

-- Numbers in a text and in a JSON string: the digits of their text, the bytes of the server's.
CREATE TEMPORARY TABLE number AS
SELECT DISTINCT sign || whole || fraction AS text
FROM (VALUES (''), ('-')) AS s (sign),
    (SELECT left(digits, size) FROM generate_series(1, 19) AS size,
        unnest(ARRAY['1000000000000000000', '1234567890123456789', '9999999999999999999', '1000010000000000001']) AS digits
     UNION ALL VALUES ('0')) AS w (whole),
    (SELECT '.' || left(digits, size) FROM generate_series(1, 19) AS size, unnest(ARRAY['0000000000000000000',
        '1234567890123456789', '0000000000000000001', '9000000000000000000', '0000100001000000000']) AS digits
     UNION ALL VALUES ('')) AS f (fraction);
INSERT INTO number
    VALUES ('1e3'), ('-1E+3'), ('15e-1'), ('1.50e1'), ('1e-38'), ('1e39'), ('0e0'), ('12345678901234567890123456789012345678.9');
SELECT count(*) AS numbers,
    count(*) FILTER (WHERE NOT pg_temp.same(sanitized -> 'custom_data', jsonb_build_object('number', text::numeric))) AS different
FROM (SELECT text, sanitize_call_payload(jsonb_build_object('custom_data', '{"number": ' || text || '}'), :'wide') AS sanitized
    FROM number) AS t;
SELECT count(*) AS numbers,
    count(*) FILTER (WHERE NOT pg_temp.same(sanitized - '_sanitized', jsonb_build_object('number', text::numeric))) AS different
FROM (SELECT text, sanitize_call_payload('{"empty": "", "number": ' || text || '}', :'wide') AS sanitized FROM number) AS t;

-- Numbers of the document: their length as printed, and their text if a rule needs it
SELECT count(*) AS numbers,
    count(*) FILTER (WHERE masked <> CASE WHEN length(printed) > 4 THEN '***' || right(printed, 4) ELSE '***' END) AS different
FROM (SELECT text::numeric::text AS printed,
    sanitize_call_payload(jsonb_build_object('phone', text::numeric), :'wide') ->> 'phone' AS masked FROM number) AS t;
SELECT count(*) AS numbers,
    count(*) FILTER (WHERE length IS DISTINCT FROM CASE WHEN length(printed) > 40 THEN length(printed) END) AS different
FROM (SELECT n::text AS printed, (sanitize_call_payload(jsonb_build_object('a', n), :'wide') #>> '{a,length}')::int AS length
      FROM generate_series(0, 60) AS digits, generate_series(0, 60) AS scale, (VALUES (1), (-1)) AS s (sign),
          LATERAL (SELECT sign * (repeat('9', digits) || '0.' || repeat('0', scale))::numeric AS n) AS made) AS t;

-- Damaged data gives an error. The words are those of a little-endian machine.
CREATE CAST (bytea AS jsonb) WITHOUT FUNCTION;
CREATE FUNCTION pg_temp.damaged(root text, entries text, data text = '') RETURNS jsonb LANGUAGE sql AS
$$ SELECT decode(string_agg(substr(word, 7, 2) || substr(word, 5, 2) || substr(word, 3, 2) || substr(word, 1, 2), '' ORDER BY n)
    || data, 'hex')::jsonb
   FROM regexp_split_to_table(concat_ws(' ', root, nullif(entries, '')), ' ') WITH ORDINALITY AS w (word, n) $$;
-- {"a": "b"}, then damaged: more members than bytes, a number as key, a value beyond the end, an offset that goes back
SELECT sanitize_call_payload(pg_temp.damaged('20000001', '80000001 00000001', '6162'));
SELECT sanitize_call_payload(pg_temp.damaged('20000003', '80000001 00000001', '6162'));
SELECT sanitize_call_payload(pg_temp.damaged('20000001', '90000001 00000001', '6162'));
SELECT sanitize_call_payload(pg_temp.damaged('20000001', '80000001 00000011', '6162'));
SELECT sanitize_call_payload(pg_temp.damaged('20000001', '80000001 80000000', '6162'));
-- A scalar root with no value and with two
SELECT sanitize_call_payload('0'::jsonb), sanitize_call_payload(pg_temp.damaged('50000001', '80000001', '61'));
SELECT sanitize_call_payload(pg_temp.damaged('50000000', ''));
SELECT sanitize_call_payload(pg_temp.damaged('50000002', '80000001 00000001', '6162'));
-- [...]: neither an array nor an object, an invalid type, a number of no bytes, a number longer than its space,
-- a container of no bytes
SELECT sanitize_call_payload(pg_temp.damaged('00000001', '80000001', '61'));
SELECT sanitize_call_payload(pg_temp.damaged('40000001', 'e0000001', '61'));
SELECT sanitize_call_payload(pg_temp.damaged('40000001', '90000000'));
SELECT sanitize_call_payload(pg_temp.damaged('40000001', '90000006', '400000000080'));
SELECT sanitize_call_payload(pg_temp.damaged('40000001', 'd0000002', '4000'));
SELECT sanitize_call_payload(pg_temp.damaged('50000001', 'd0000004', '00000000'));
DROP CAST (bytea AS jsonb);
