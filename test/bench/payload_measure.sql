-- The measurements of payload.sh: pairs of expressions over the same documents, in interleaved rounds.

CREATE TABLE measurement (id int GENERATED ALWAYS AS IDENTITY, documents text,
    ours text, ours_from regclass, other text, other_from regclass,
    title text, wanted text, in_client text, pairs int DEFAULT 7);
CREATE TABLE sample (measurement int, round int, ours float8, other float8);

-- The members that sanitizing removes, or shortens to less than a tenth.
ALTER TABLE bulky ADD dropped text[];
ALTER TABLE repetitive ADD dropped text[];
ALTER TABLE structured ADD dropped text[];
CREATE FUNCTION dropped_members(payload jsonb, sanitized jsonb) RETURNS text[] LANGUAGE sql AS $$
SELECT array_agg(key) FROM jsonb_each(payload)
WHERE NOT sanitized ? key OR octet_length((sanitized -> key)::text) * 10 < octet_length(value::text)
$$;
UPDATE bulky SET dropped = dropped_members(payload, sanitize_call_payload(payload));
UPDATE repetitive SET dropped = dropped_members(payload, sanitize_call_payload(payload));
UPDATE structured SET dropped = dropped_members(payload, sanitize_call_payload(payload));
VACUUM FULL bulky, repetitive, structured;

-- Rules without a match.
CREATE FUNCTION idle_policy(rules int, path text) RETURNS jsonb LANGUAGE sql AS $$
SELECT jsonb_build_object('version', 1, 'rules', jsonb_agg(jsonb_build_object('path', format(path, i), 'action', 'drop')))
FROM generate_series(1, rules) AS i
$$;
CREATE FUNCTION with_idle_policy(rules int, path text) RETURNS text LANGUAGE sql AS $$
SELECT format('sanitize_call_payload(payload, %L::jsonb)', idle_policy(rules, path))
$$;

INSERT INTO measurement (documents, ours, ours_from, other, other_from, title, wanted, in_client) VALUES
    ('15 kB', 'sanitize_call_payload(payload)', 'bulky', 'payload - dropped', 'bulky', '`payload - text[]`', 'at most 1.5', NULL),
    ('15 kB, repetitive', 'sanitize_call_payload(payload)', 'repetitive',
        'payload - dropped', 'repetitive', '`payload - text[]`', 'at most 1.5', NULL),
    ('30 kB, structured', 'sanitize_call_payload(payload)', 'structured',
        'payload - dropped', 'structured', '`payload - text[]`', 'at most 2.0', NULL),
    ('30 kB, structured', 'sanitize_call_payload(payload)', 'structured', 'payload::text', 'structured', '`payload::text`', '', NULL),
    ('1.2 kB', 'sanitize_call_payload(payload)', 'event', 'payload::text', 'event', '`payload::text`', 'at most 1.2', NULL),
    ('15 kB, text', 'sanitize_call_payload(body)', 'bulky_body', 'body::jsonb', 'bulky_body', '`body::jsonb`', 'at most 1.0', NULL),
    ('15 kB, repetitive, text', 'sanitize_call_payload(body)', 'repetitive_body',
        'body::jsonb', 'repetitive_body', '`body::jsonb`', 'at most 1.0', NULL),
    ('1.2 kB, text', 'sanitize_call_payload(body)', 'event_body', 'body::jsonb', 'event_body', '`body::jsonb`', 'at most 1.3', NULL),
    ('15 kB', 'sanitize_call_payload(payload)', 'bulky', 'clean_in_plpgsql(payload)', 'bulky', 'PL/pgSQL', 'at most 1/20', NULL),
    ('1.2 kB', 'sanitize_call_payload(payload)', 'event', 'clean_in_plpgsql(payload)', 'event', 'PL/pgSQL', 'at most 1/20', NULL),
    ('15 kB, text', 'sanitize_call_payload(body)', 'bulky_body', 'body::jsonb',
        'bulky_cleaned', 'JavaScript and `::jsonb`', 'at most 1/3', 'bulky'),
    ('1.2 kB, text', 'sanitize_call_payload(body)', 'event_body', 'body::jsonb',
        'event_cleaned', 'JavaScript and `::jsonb`', 'at most 1/3', 'event'),
    ('15 kB, text', 'sanitize_call_payload(body)', 'bulky_body', NULL, NULL, 'nlohmann''s SAX, empty handler', '', 'sax_bulky'),
    ('1.2 kB, text', 'sanitize_call_payload(body)', 'event_body', NULL, NULL, 'nlohmann''s SAX, empty handler', '', 'sax_event'),
    ('15 kB, 1000 rules that match nothing', with_idle_policy(1000, '**.absent_%s'),
        'bulky', with_idle_policy(10, '**.absent_%s'), 'bulky', '10 rules', 'about 1', NULL),
    ('1.2 kB, 1000 rules that match nothing', with_idle_policy(1000, '**.absent_%s'),
        'event', with_idle_policy(10, '**.absent_%s'), 'event', '10 rules', 'about 1', NULL),
    ('1.2 kB, the same with a star in each name', with_idle_policy(1000, '**.absent_%s_*'),
        'event', with_idle_policy(10, '**.absent_%s_*'), 'event', '10 rules', 'about 1', NULL);

UPDATE measurement SET pairs = 1 WHERE title = 'PL/pgSQL';

-- Planned once: reading a policy of 1000 rules takes longer than using it.
CREATE PROCEDURE prepare_measurements() LANGUAGE plpgsql AS $$
DECLARE
    m measurement;
BEGIN
    FOR m IN SELECT * FROM measurement LOOP
        EXECUTE format('PREPARE ours_%s AS SELECT count(%s) FROM %s', m.id, m.ours, m.ours_from);
        IF m.other IS NOT NULL THEN
            EXECUTE format('PREPARE other_%s AS SELECT count(%s) FROM %s', m.id, m.other, m.other_from);
        END IF;
    END LOOP;
END
$$;

-- Processor microseconds of this session. The kernel updates them when a process leaves the
-- processor.
CREATE FUNCTION processor_time() RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(0.0001);
    RETURN split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1000;
END
$$;

-- For one document. The argument is a column, so nothing is computed beforehand, and count() needs each value.
CREATE FUNCTION microseconds(prepared text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    before float8 := processor_time();
    documents bigint;
BEGIN
    EXECUTE 'EXECUTE ' || prepared INTO documents;
    RETURN (processor_time() - before) / documents;
END
$$;

-- One round with all pairs. Their order rotates, so that no expression always gains from the one before it. `client`
-- is the time of programs outside the server. Round 0 warms up.
CREATE PROCEDURE measure(round int, client jsonb) LANGUAGE plpgsql AS $$
DECLARE
    m measurement;
    ours float8;
    other float8;
BEGIN
    FOR m IN SELECT * FROM measurement WHERE in_client IS NULL OR client ->> in_client IS NOT NULL ORDER BY id LOOP
        FOR pair IN 1 .. m.pairs LOOP
            IF (round + pair) % 2 = 0 THEN
                ours := microseconds('ours_' || m.id);
            END IF;
            other := coalesce((client ->> m.in_client)::float8, 0);
            IF m.other IS NOT NULL THEN
                other := other + microseconds('other_' || m.id);
            END IF;
            IF (round + pair) % 2 = 1 THEN
                ours := microseconds('ours_' || m.id);
            END IF;
            INSERT INTO sample VALUES (m.id, round, ours, other);
        END LOOP;
    END LOOP;
END
$$;

CREATE FUNCTION median(numbers float8[]) RETURNS numeric LANGUAGE sql AS $$
SELECT (percentile_cont(0.5) WITHIN GROUP (ORDER BY n))::numeric FROM unnest(numbers) AS n
$$;

-- Lines of a markdown table.
CREATE VIEW ratio AS
SELECT m.id, m.documents, m.title, m.wanted, s.ours, s.other,
    CASE WHEN wanted LIKE '%1/%' THEN s.other / s.ours ELSE s.ours / s.other END AS ratio
FROM measurement AS m LEFT JOIN sample AS s ON measurement = m.id AND round > 0;

CREATE FUNCTION quartile(numbers float8[], part float8) RETURNS numeric LANGUAGE sql AS $$
SELECT (percentile_cont(part) WITHIN GROUP (ORDER BY n))::numeric(12,2) FROM unnest(numbers) AS n
$$;

-- The spread is that of the middle half of the ratios.
CREATE VIEW result AS
SELECT id, '| ' || concat_ws(' | ', documents, title,
    coalesce(median(array_agg(ours))::numeric(12,1) || ' us', '-'), coalesce(median(array_agg(other))::numeric(12,1) || ' us', '-'),
    CASE WHEN count(ours) = 0 THEN 'its program is not here'
         WHEN wanted LIKE '%1/%' THEN '1/' || quartile(array_agg(ratio), 0.5)::numeric(12,1)
         ELSE quartile(array_agg(ratio), 0.5)::text END,
    CASE WHEN count(ours) = 0 THEN '-'
         WHEN wanted LIKE '%1/%' THEN format('1/%s to 1/%s', quartile(array_agg(ratio), 0.25)::numeric(12,1),
             quartile(array_agg(ratio), 0.75)::numeric(12,1))
         ELSE format('%s to %s', quartile(array_agg(ratio), 0.25), quartile(array_agg(ratio), 0.75)) END,
    wanted) || ' |' AS line
FROM ratio GROUP BY id, documents, title, wanted;

CREATE VIEW document_size AS
SELECT '| ' || concat_ws(' | ', d.documents, count(*), round(avg(octet_length(payload::text))), round(avg(pg_column_size(payload))),
    round(avg(octet_length(sanitize_call_payload(payload)::text))),
    round(100 - 100 * avg(octet_length(sanitize_call_payload(payload)::text)::numeric / octet_length(payload::text)), 1)
        || ' %') || ' |' AS line
FROM (SELECT 1 AS id, '1.2 kB' AS documents, payload FROM event UNION ALL SELECT 2, '15 kB', payload FROM bulky
    UNION ALL SELECT 3, '15 kB, repetitive', payload FROM repetitive
    UNION ALL SELECT 4, '30 kB, structured', payload FROM structured) AS d
GROUP BY d.id, d.documents ORDER BY d.id;

-- The agreement of the other languages with the sanitizer. JavaScript prints the fewest digits of a double, so the test also
-- compares its documents with the sanitizer's after reading their numbers as doubles.
CREATE FUNCTION as_doubles(document jsonb) RETURNS jsonb LANGUAGE sql AS $$
SELECT CASE jsonb_typeof(document)
    WHEN 'number' THEN to_jsonb((document::text)::float8)
    WHEN 'object' THEN (SELECT coalesce(jsonb_object_agg(key, as_doubles(value)), '{}') FROM jsonb_each(document))
    WHEN 'array' THEN (SELECT coalesce(jsonb_agg(as_doubles(value)), '[]') FROM jsonb_array_elements(document))
    ELSE document END
$$;

CREATE VIEW agreement AS
SELECT format('Of %s documents, PL/pgSQL makes what the sanitizer does of %s, '
    'and JavaScript of %s (%s with numbers as doubles), records included; %s go over the budget.',
    count(*), count(*) FILTER (WHERE clean_in_plpgsql(payload) = sanitized), count(*) FILTER (WHERE body::jsonb = sanitized),
    count(*) FILTER (WHERE as_doubles(body::jsonb) = as_doubles(sanitized)),
    count(*) FILTER (WHERE sanitized ->> '_sanitized' ~ '[1-9]\d? ')) AS line
FROM (SELECT payload, body, sanitize_call_payload(payload) AS sanitized FROM (
    SELECT payload, body FROM event LEFT JOIN event_cleaned USING (id)
    UNION ALL SELECT payload, body FROM bulky LEFT JOIN bulky_cleaned USING (id)) AS d) AS s;
