\set SHOW_CONTEXT never
-- Without a key there are no pseudonyms, and no weaker replacement.
SELECT call_pseudonym('+14155550100');
SELECT call_pseudonyms('+14155550100');
SELECT call_pseudonym(NULL), call_pseudonyms(NULL);
SELECT call_pseudonym('+14155550100', 'abcdef');

-- A key has 16 to 64 bytes. The error does not show it.
SELECT add_call_pseudonym_key('\x0102030405060708090a0b0c0d0e0f');
SELECT add_call_pseudonym_key(decode(repeat('ab', 65), 'hex'));
SELECT add_call_pseudonym_key('');
INSERT INTO _callhardening.pseudonym_keys (secret) VALUES ('\xdeadbeef');
\set VERBOSITY terse
INSERT INTO _callhardening.pseudonym_keys (secret) VALUES (NULL);
\set VERBOSITY default

-- The id is derived from the key.
SELECT add_call_pseudonym_key('an unguessable secret of a test.') AS first \gset
SELECT :'first' AS first, call_pseudonym_key_id('an unguessable secret of a test.') = :'first' AS same;
SELECT add_call_pseudonym_key('an unguessable secret of a test.');

-- A number has one token in every spelling and in every database with the key.
SELECT call_pseudonym('+14155550100') AS token \gset
SELECT :'token' AS token;
SELECT value, call_pseudonym(value) = :'token' AS same
FROM (VALUES (1, '14155550100'), (2, '+1 (415) 555-0100'), (3, 'tel:+14155550100'),
    (4, 'sip:+14155550100@host;user=phone'), (5, '0014155550100'),
             (6, '"Jane" <sip:+1-415-555-0100@host:5060>'), (7, '(415) 555-0100'),
             (8, '+14155550101'), (9, :'token')) AS v (n, value) ORDER BY n;
SELECT call_pseudonym('Ann@Example.com') = call_pseudonym('mailto:ann@example.com') AS same_address,
       call_pseudonym('Ann@Example.com') = call_pseudonym('sip:ann@example.com:5060;transport=tcp') AS same_user,
       call_pseudonym('Jane Doe') = call_pseudonym(' Jane Doe ') AS same_text,
       call_pseudonym('Jane Doe') = call_pseudonym('jane doe') AS other_text;
SELECT count(DISTINCT call_pseudonym((14150000000 + n)::text)) FROM generate_series(1, 1000000) AS n;

-- Rotation: new tokens have the id of the new key, old ones are still recognized.
SELECT add_call_pseudonym_key('another secret, a bit newer one.') AS second \gset
SELECT call_pseudonym('+14155550100') = :'token' AS old, substr(call_pseudonym('+14155550100'), 4, 6) = :'second' AS named,
       call_pseudonym('+14155550100', :'first') = :'token' AS still_computed, call_pseudonym(:'token') = :'token' AS stays;
SELECT call_pseudonyms('415-555-0100') = ARRAY[call_pseudonym('415-555-0100', :'second'),
    call_pseudonym('415-555-0100', :'first')] AS newest_first;
CREATE TEMPORARY TABLE calls AS
SELECT 1 AS id, jsonb_build_object('external_number', :'token') AS raw_payload
UNION ALL SELECT 2, jsonb_build_object('external_number', call_pseudonym('+14155550100'))
UNION ALL SELECT 3, jsonb_build_object('external_number', call_pseudonym('+14155550101'));
SELECT id FROM calls WHERE raw_payload->>'external_number' = call_pseudonym('+14155550100') ORDER BY id;
SELECT id FROM calls WHERE raw_payload->>'external_number' = ANY (call_pseudonyms('tel:+14155550100')) ORDER BY id;

-- A forged token is treated like any text.
SELECT call_pseudonym(overlay(:'token' PLACING 'aaaaaaaa' FROM 32)) = overlay(:'token' PLACING 'aaaaaaaa' FROM 32) AS believed;

-- A wrong id: the error shows it only if it looks like an id, since anything else could be a key.
SELECT call_pseudonym('+14155550100', 'aaaaaa');
SELECT call_pseudonym('+14155550100', 'an unguessable secret of a test.');
SELECT call_pseudonym('+14155550100', '');
SELECT call_pseudonym('+14155550100', NULL) = call_pseudonym('+14155550100') AS newest;

-- A rolled back key is forgotten, with savepoints too.
BEGIN;
SELECT add_call_pseudonym_key('a secret that is never committed') AS third \gset
SELECT substr(call_pseudonym('x'), 4, 6) = :'third' AS in_use;
ROLLBACK;
SELECT substr(call_pseudonym('x'), 4, 6) = :'second' AS as_before;
SELECT call_pseudonym('x', :'third') = 'x' AS used;
BEGIN;
SAVEPOINT one;
SELECT add_call_pseudonym_key('a secret that is never committed') = :'third' AS same_id;
SELECT substr(call_pseudonym('x'), 4, 6) = :'third' AS in_use;
ROLLBACK TO one;
SELECT substr(call_pseudonym('x'), 4, 6) = :'second' AS as_before;
SAVEPOINT two;
DELETE FROM _callhardening.pseudonym_keys WHERE key_id = :'second';
RELEASE two;
SELECT substr(call_pseudonym('x'), 4, 6) = :'first' AS previous;
TRUNCATE _callhardening.pseudonym_keys;
SELECT call_pseudonym('x');
ROLLBACK;
SELECT substr(call_pseudonym('x'), 4, 6) = :'second' AS as_before;
-- The same in a session that fires only triggers for replicas
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM _callhardening.pseudonym_keys WHERE key_id = :'second';
SELECT substr(call_pseudonym('x'), 4, 6) = :'first' AS previous;
ROLLBACK;
-- A read-only transaction can compute tokens.
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT call_pseudonym('+14155550100', :'first') = :'token' AS same;
COMMIT;
-- In a parallel worker
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
CREATE TABLE numbers AS SELECT 14155550100 + n AS number FROM generate_series(1, 1000) AS n;
SET LOCAL max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT number FROM numbers WHERE call_pseudonym(number::text) = 'x';
SELECT count(DISTINCT number) FROM numbers WHERE call_pseudonym(number::text, :'first') <> :'token';
ROLLBACK;

-- A new session has the same keys.
\c -
\set SHOW_CONTEXT never
SELECT call_pseudonym('+14155550100', :'first') = :'token' AS same, substr(call_pseudonym('x'), 4, 6) = :'second' AS newest;

-- Rights: PUBLIC has none. Computing tokens needs no right to read the keys.
CREATE ROLE regress_pseudonym;
GRANT USAGE ON SCHEMA _callhardening TO regress_pseudonym;
SET ROLE regress_pseudonym;
SELECT call_pseudonym('+14155550100');
SELECT call_pseudonyms('+14155550100');
SELECT call_pseudonym_key_id('an unguessable secret of a test.');
SELECT add_call_pseudonym_key();
SELECT * FROM _callhardening.pseudonym_keys;
TABLE _callhardening.pseudonym_keys_key_number_seq;
RESET ROLE;
GRANT EXECUTE ON FUNCTION call_pseudonym(text, text) TO regress_pseudonym;
SET ROLE regress_pseudonym;
SELECT call_pseudonym('+14155550100', :'first') = :'token' AS same;
SELECT secret FROM _callhardening.pseudonym_keys;
-- No setting contains a key, and no dump of the extension does.
SELECT count(*) FROM pg_settings WHERE setting LIKE '%unguessable%' OR boot_val LIKE '%unguessable%';
SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE '%unguessable%';
SELECT count(*) FROM pg_extension WHERE extname = 'callhardening' AND '_callhardening.pseudonym_keys'::regclass = ANY (extconfig);
RESET ROLE;
DROP OWNED BY regress_pseudonym;
DROP ROLE regress_pseudonym;

-- Each random key is different.
SELECT count(DISTINCT add_call_pseudonym_key()) FROM generate_series(1, 100);
SELECT count(DISTINCT secret), min(octet_length(secret)), max(octet_length(secret))
FROM _callhardening.pseudonym_keys WHERE key_id NOT IN (:'first', :'second');
SELECT array_length(call_pseudonyms('+14155550100'), 1);

-- Memory is freed, even after errors halfway.
DO $$
DECLARE
    before bigint;
BEGIN
    FOR i IN 1 .. 20000 LOOP
        PERFORM public.call_pseudonym('+1415' || i);
        IF i = 10000 THEN
            SELECT sum(total_bytes) INTO before FROM pg_backend_memory_contexts WHERE name <> 'ErrorContext';
        END IF;
    END LOOP;
    RAISE NOTICE 'grown: %', (SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name <> 'ErrorContext') > before + 100000;
END
$$;
DO $$
BEGIN
    FOR i IN 1 .. 100 LOOP
        BEGIN
            PERFORM public.call_pseudonym('x', 'aaaaaa');
        EXCEPTION WHEN invalid_parameter_value THEN
        END;
    END LOOP;
END
$$;

-- A token counts for the limit of characters, too.
SELECT sanitize_call_payload(body, policy) AS once,
    sanitize_call_payload(sanitize_call_payload(body, policy), policy) = sanitize_call_payload(body, policy) AS twice_the_same
FROM (SELECT '{"phone": "14155550100", "to": 14155550100}' AS body,
    '{"version": 1, "limits": {"characters": 16}, "detectors": {"phone": "hash"}}'::jsonb AS policy) AS v;

-- An altered table gives an error, not a crash.
BEGIN;
ALTER EXTENSION callhardening DROP VIEW call_pseudonym_keys;
DROP VIEW call_pseudonym_keys;
ALTER TABLE _callhardening.pseudonym_keys ALTER COLUMN key_number TYPE int;
SELECT call_pseudonym('x');
ROLLBACK;
BEGIN;
ALTER EXTENSION callhardening DROP TABLE _callhardening.pseudonym_keys;
ALTER TABLE _callhardening.pseudonym_keys RENAME TO earlier_keys;
CREATE VIEW _callhardening.pseudonym_keys AS SELECT * FROM _callhardening.earlier_keys;
SELECT call_pseudonym('x');
ROLLBACK;
DELETE FROM _callhardening.pseudonym_keys;
SELECT call_pseudonym('x');
