-- The documents of payload.sh, made from call_traffic: ordinary events of 1.2 kB, events of 15 kB with a transcript, a recap or
-- the dialogue of a router, and events of 30 kB with a transcript of one object for each
-- line.
--
-- A body has its members in the sender's order and is not compressed, as it arrives. A payload is stored as PostgreSQL stores
-- it: above 2 kB compressed and out of line.

CREATE FUNCTION create_documents(kind text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (id int, payload jsonb)', kind);
    EXECUTE format('CREATE TABLE %I (id int GENERATED ALWAYS AS IDENTITY, body text)', kind || '_body');
    EXECUTE format('ALTER TABLE %I ALTER body SET STORAGE EXTERNAL', kind || '_body');
END
$$;
SELECT create_documents('event'), create_documents('bulky'), create_documents('repetitive'), create_documents('structured');

CREATE TABLE traffic AS SELECT row_number() OVER () AS id, body FROM (SELECT call_traffic(2000) AS body) AS t;

INSERT INTO event_body (body)
SELECT body FROM traffic WHERE octet_length(body) BETWEEN 1150 AND 1250 ORDER BY id LIMIT 1000;

-- The talk of long calls.
CREATE TABLE talk AS
SELECT row_number() OVER () AS n, said FROM (
    SELECT DISTINCT body::json ->> 'transcription_text' AS said FROM traffic
    WHERE octet_length(body) > 15000 AND body NOT LIKE '%"transcription_text":null%' ORDER BY 1) AS t
WHERE octet_length(said) > 14000;

-- Events with space for large values, and talk in turn.
CREATE VIEW base AS
SELECT body, said FROM (SELECT row_number() OVER (ORDER BY id) AS n, body FROM event_body
    WHERE body LIKE '%"transcription_text":null%' AND body LIKE '%"routing_breadcrumbs":[]%') AS e
JOIN talk ON talk.n = e.n % (SELECT count(*) FROM talk) + 1
ORDER BY e.n LIMIT 40;

CREATE FUNCTION with_transcript(body text, said text) RETURNS text LANGUAGE sql AS $$
SELECT replace(body, '"transcription_text":null', '"transcription_text":' || to_json(said))
$$;

CREATE FUNCTION with_recap(body text, said text) RETURNS text LANGUAGE sql AS $$
SELECT left(body, -1) || ',"recap_summary":' || to_json(left(said, 3000)) || ',"recap_action_items":' ||
    (SELECT json_agg(substr(said, 3000 + i * 250, 250)) FROM generate_series(0, (length(said) - 3000) / 250) AS i) || '}'
$$;

-- Removes the spaces of json_build_object, since no sender writes them.
CREATE FUNCTION with_breadcrumbs(body text, said text) RETURNS text LANGUAGE sql AS $$
SELECT replace(body, '"routing_breadcrumbs":[]', '"routing_breadcrumbs":' || replace((SELECT json_agg(json_build_object('breadcrumb_type',
    'external_api', 'date', 1767571666459 + i, 'url', 'https://router.example.com/v2/route?call=' || i,
        'request', json_build_object('method', 'POST', 'headers',
            json_build_object('Content-Type', 'application/json', 'X-Request-Id', md5(said || i)),
            'body', json_build_object('attempt', i, 'language', 'en', 'priority', 3)::text),
        'response', json_build_object('status', 200, 'body', json_build_object('action', 'bridge', 'customer',
            (SELECT json_agg(json_build_object('order_id', 100000 + 100 * i + j, 'status',
                'open', 'address', NULL, 'note', substr(said, i * 3000 + j * 180, 120)))
             FROM generate_series(1, 16) AS j))::text)))
     FROM generate_series(0, length(said) / 3000 - 1) AS i)::text, '" : ', '":'))
$$;

-- A sentence of each of 170 lines: "00:04 Ana Lee: One moment please, ...".
CREATE FUNCTION with_lines(body text, said text) RETURNS text LANGUAGE sql AS $$
SELECT left(body, -1) || ',"transcript":{"lines":' || replace(json_agg(json_build_object(
    'time', 1767571666459 + 4000 * n, 'name', split_part(substr(line, 7), ': ', 1), 'type', 'transcript',
    'content', split_part(split_part(substr(line, 7), ': ', 2), '. ', 1), 'user_id', '5244533702646659'
    ) ORDER BY n)::text, '" : ', '":') || '}}'
FROM string_to_table(said, E'\n') WITH ORDINALITY AS t (line, n) WHERE n <= 170
$$;

INSERT INTO bulky_body (body)
SELECT with_transcript(body, left(said, 13600)) FROM base
UNION ALL SELECT with_recap(body, left(said, 13400)) FROM base
UNION ALL SELECT with_breadcrumbs(body, left(said, 12600)) FROM base;

INSERT INTO repetitive_body (body)
SELECT with_transcript(body, repeat('Thank you for calling. ', 590)) FROM base
UNION ALL SELECT with_recap(body, repeat('Thank you for calling. ', 580)) FROM base;

INSERT INTO structured_body (body)
SELECT with_lines(body, (SELECT string_agg(said, E'\n' ORDER BY talk.n) FROM talk
    WHERE talk.n IN (1 + base.n % (SELECT count(*) FROM talk), 1 + (base.n + 1) % (SELECT count(*) FROM talk))))
FROM (SELECT row_number() OVER () AS n, body FROM base) AS base;

INSERT INTO event SELECT id, body::jsonb FROM event_body;
INSERT INTO bulky SELECT id, body::jsonb FROM bulky_body;
INSERT INTO repetitive SELECT id, body::jsonb FROM repetitive_body;
INSERT INTO structured SELECT id, body::jsonb FROM structured_body;
VACUUM ANALYZE;
