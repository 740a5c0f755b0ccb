-- Shared by the topics of claims and waiting: a log of one lane, so that all events have one order, and short functions with names for
-- claims. Claim ids are random, so each is kept under a name. One worker at a time: test/specs has several.
SET client_min_messages = warning;
\o /dev/null
\set SHOW_CONTEXT never
SELECT create_call_tables('public');
CREATE TABLE queue (LIKE call_events INCLUDING ALL); -- a log of one lane with one order
SELECT register_call_event_log('queue', 'calls', 'dialpad', 1);
CREATE TABLE taken (name text, claim_id bigint, event_seq bigint);
CREATE FUNCTION add(VARIADIC calls int[]) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(ingest_call_event(jsonb_build_object('call_id', call, 'state', 'ringing', 'n', n || random()::text), 'queue'))
    FROM unnest(calls) WITH ORDINALITY AS c (call, n) $$;
CREATE FUNCTION take(wanted text, max_events int DEFAULT 100, lease interval DEFAULT '1 minute')
    RETURNS TABLE (event_seq bigint, call_id text, attempt int) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY WITH claimed AS (SELECT * FROM claim_call_events(max_events, lease, 'worker ' || wanted, 'queue')),
        kept AS (INSERT INTO taken SELECT wanted, claim_id, event_seq FROM claimed)
    SELECT event_seq, call_id, attempt FROM claimed;
END $$;
CREATE FUNCTION ids(wanted text) RETURNS bigint[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(DISTINCT claim_id) FROM taken WHERE name = wanted $$;
CREATE FUNCTION id(wanted text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT DISTINCT claim_id FROM taken WHERE name = wanted $$;
CREATE FUNCTION complete(wanted text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT outcome FROM complete_call_events(ids(wanted)) $$;
CREATE FUNCTION release(wanted text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT outcome FROM release_call_events(ids(wanted)) $$;
CREATE FUNCTION fail(wanted text, seq bigint, retry_after interval DEFAULT '0') RETURNS text LANGUAGE sql AS $$
    SELECT fail_call_event(id(wanted), seq, 'error of event ' || seq, retry_after) $$;
CREATE FUNCTION waiting()
    RETURNS TABLE (event_seq bigint, call_id text, attempts int, lease_expiries int, due text, claimed boolean, errors int)
    LANGUAGE sql AS $$
    SELECT event_seq, call_id, attempts, lease_expiries,
        CASE WHEN due_at IS NULL THEN 'blocked' WHEN due_at <= clock_timestamp() THEN 'now' ELSE 'later' END,
        claim_id IS NOT NULL, jsonb_array_length(errors)
    FROM call_retrying_events ORDER BY event_seq $$;
CREATE FUNCTION dead()
    RETURNS TABLE (event_seq bigint, call_id text, attempts int, sqlstate text, error text, errors int) LANGUAGE sql AS $$
    SELECT event_seq, call_id, attempts, sqlstate, error, jsonb_array_length(errors) FROM call_dead_events ORDER BY event_seq $$;
CREATE PROCEDURE start_again() LANGUAGE sql AS $$
    DELETE FROM _callhardening.claims; DELETE FROM _callhardening.retrying_events;
    DELETE FROM _callhardening.dead_events; DELETE FROM taken; TRUNCATE queue, call_events RESTART IDENTITY $$;
CREATE PROCEDURE loop(times int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..times LOOP
        PERFORM add(101);
        COMMIT;
        PERFORM take('loop ' || i);
        PERFORM complete('loop ' || i);
        COMMIT;
    END LOOP;
END $$;
\o
RESET client_min_messages;
