-- The text of a webhook body gives the same result as its jsonb.
\set SHOW_CONTEXT never
SELECT sanitize_call_payload(E' {"call_id": 5635304278851584 ,\n"state":"h\\u0061ngup",
    "date_rang": null, "labels": [ ], "external_number": "+1415555\\u00300100"} ');
SELECT sanitize_call_payload('{"call_id": 1}'::text), sanitize_call_payload(NULL::text), sanitize_call_payload('{}'::text),
       sanitize_call_payload(' [] '::text), sanitize_call_payload('null'::text), sanitize_call_payload('"text"'::text),
       sanitize_call_payload('1.10'::text), sanitize_call_payload('true'::text);
-- A bare literal is read as text.
SELECT sanitize_call_payload('{"a": 1, "a": null}');
SELECT sanitize_call_payload('{"password": "first", "password": {"a": "second"}, "a": "first", "a": 2}');

-- Errors have the SQLSTATE of jsonb, and do not quote the payload.
SELECT sanitize_call_payload('{"a": 1');
SELECT sanitize_call_payload('');
SELECT sanitize_call_payload('{"a": "\u0000"}');
SELECT sanitize_call_payload('{"a": "\ud800"}');
SELECT sanitize_call_payload('{"a": 1e400000}');

CREATE FUNCTION state_of(query text, body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result jsonb;
BEGIN
    EXECUTE query INTO result USING body;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;

CREATE TEMPORARY TABLE odd (body text);
INSERT INTO odd VALUES
    (''), (' '), ('{'), ('}'), ('['), (']'), (','), (':'), ('"'), ('"a'), ('{}{}'), ('{} []'), ('[1 2]'), ('[1,]'), ('[,1]'), ('[1,,2]'),
    ('{,}'), ('{"a"}'), ('{"a":}'), ('{"a" 1}'), ('{"a":1,}'), ('{1: 2}'),
    ('{true: 1}'), ('{[]: 1}'), ('{a: 1}'), ('{"a": 1 "b": 2}'), ('{"a": [}'),
    ('01'), ('+1'), ('-'), ('.5'), ('1.'), ('1.e5'), ('1e'), ('1e+'), ('1a'),
    ('0x1'), ('--1'), ('1-2'), ('-0'), ('-0.0e-0'), ('1E5'), ('1e-5'),
    ('1e400'), ('1e131071'), ('1e131072'), ('1e-16383'), ('1e-16384'), ('1e99999999999999999999'), ('1e-99999999999999999999'),
    (repeat('9', 131072)), (repeat('9', 131073)), ('0.' || repeat('1', 16383)), ('0.' || repeat('1', 16384)), ('9223372036854775808'),
    ('tru'), ('True'), ('truefalse'), ('nullx'), ('NaN'), ('Infinity'), ('-Infinity'), ('''a'''), ('// x'), ('/**/ 1'), ('1 // x'),
    (E'\uFEFF{}'), (E'{}\u00A0'), (E'\x0b1'), (E'{}\x0c'), (E'"\t"'), (E'"\x01"'), (E'"\n"'), (E'"\x7f"'), ('"\u00a0"'),
    ('"\x"'), ('"\"'), ('"\u12"'), ('"\u12g4"'), ('"\U0041"'), ('"\u0000"'),
    ('{"\u0000": 1}'), ('"\ud800"'), ('"\udc00"'), ('"\ud800\ud800"'),
    ('"\ud83d\ude00"'), ('"\ude00\ud83d"'), ('"\ud83dx"'), ('"\ud83d\n"'),
    ('"\ud83d\u0041"'), ('"\ud83d'), ('"\ud83d\u'), ('"\uffff"'), ('"a\/b"'),
    (repeat('[', 200) || repeat(']', 200)), (repeat('[', 5000) || repeat(']', 5000)), (repeat('{"a":', 5000) || '1' || repeat('}', 5000)),
    (repeat('[', 100000) || repeat(']', 100000)), (repeat('[', 100000)), (repeat('{"a":', 100000)), ('"' || repeat('x', 100000) || '"');
-- Dropped values are checked for valid JSON, too.
INSERT INTO odd SELECT '{"integrations": ' || body || '}' FROM odd
WHERE body NOT LIKE repeat('[', 5000) || '%' AND body NOT LIKE repeat('{"a":', 5000) || '%';
INSERT INTO odd SELECT '{"routing_breadcrumbs": [{"request": {"a": [{"b": ' || body || '}]}}], "password": ' || body || '}'
FROM odd WHERE length(body) < 1000;
SELECT left(body, 100), state_of('SELECT $1::jsonb', body), state_of('SELECT sanitize_call_payload($1)', body)
FROM odd
WHERE state_of('SELECT $1::jsonb', body) <> state_of('SELECT sanitize_call_payload($1)', body);
SELECT left(body, 100) FROM odd
WHERE CASE state_of('SELECT $1::jsonb', body)
    WHEN 'none' THEN sanitize_call_payload(body)::text <> sanitize_call_payload(body::jsonb)::text END;
SELECT left(state_of('SELECT sanitize_call_payload($1)', body), 5) AS state, count(*) FROM odd GROUP BY state ORDER BY state;

-- The same for generated traffic
CREATE TEMPORARY TABLE traffic AS SELECT body FROM call_traffic(200) AS body;
SELECT count(*) > 500 AS many,
       count(*) FILTER (WHERE sanitize_call_payload(body)::text <> sanitize_call_payload(body::jsonb)::text) AS different
FROM traffic;

-- Members in any order and some twice, with any white space and escapes
SELECT count(*) > 500 AS many,
       count(*) FILTER (WHERE sanitize_call_payload(shuffled)::text <> sanitize_call_payload(shuffled::jsonb)::text) AS different
FROM traffic,
     LATERAL (SELECT '{' || string_agg(E'\t' || to_json(key)::text || ' : ' || replace(value::text, '"d', '"\u0064') || E'\n', ','
         ORDER BY md5(key || value::text || length(body))) || '}' AS shuffled
              FROM (SELECT key, value FROM jsonb_each(body::jsonb)
                    UNION ALL SELECT key, '[{"again": null}, "x"]' FROM jsonb_each(body::jsonb)
                        WHERE length(key) % 3 = 0) AS members) AS shuffle;

-- Pieces of bodies give the same errors.
SELECT count(*) AS pieces,
       count(*) FILTER (WHERE state_of('SELECT $1::jsonb', piece) <> state_of('SELECT sanitize_call_payload($1)', piece)) AS different
FROM (SELECT left(body, 7 * i) AS piece
    FROM (SELECT body FROM traffic ORDER BY md5(body) LIMIT 5) AS body, generate_series(1, 200) AS i) AS pieces;

-- Large bodies
SELECT octet_length(sanitize_call_payload('{"a": [' || repeat('{"b": "c"},', 1000000) || '1]}')::text) < 1000 AS bounded;
SELECT octet_length(sanitize_call_payload('{"transcription_text": "' || repeat('\n says: ', 3000000) || '"}')::text) < 1000 AS bounded;
SELECT sanitize_call_payload('{"integrations": [' || repeat('[1, {"a": "b"}],', 100000) || '1]}');

-- Every published payload (skipped without CALLHARDENING_PAYLOADS)
\getenv payloads CALLHARDENING_PAYLOADS
\if :{?payloads}
\else
\set payloads ''
\endif
CREATE TEMPORARY TABLE published AS
SELECT file, pg_read_file(:'payloads' || '/payloads/' || file) AS body
FROM pg_ls_dir(nullif(:'payloads', '') || '/payloads') AS file WHERE file LIKE '%.json';
SELECT file FROM published WHERE sanitize_call_payload(body)::text <> sanitize_call_payload(body::jsonb)::text;

-- Some bodies are left to jsonb. That pass uses the same keys for pseudonyms.
SELECT sanitize_call_payload(repeat('[', 300) || '"+14155550100"' || repeat(']', 300),
    '{"version": 1, "limits": {"depth": 3}, "detectors": {"phone": "hash"}}');
-- Late members: earlier, dropped ones have used up the limit.
SELECT sanitize_call_payload(body, policy)::text = sanitize_call_payload(body::jsonb, policy)::text AS the_same
FROM (SELECT '{"k1": {"x": null}, ' || string_agg(format('"m%s": 1', n), ', ') || ', "a": 1}' AS body
    FROM generate_series(1000, 1099) AS n) AS v,
     LATERAL (VALUES ('{"version": 1, "limits": {"members": 1}}'::jsonb)) AS p (policy);
