-- Completing claims together with the next claim
\set ECHO none
\i test/setup/claims.sql
CREATE FUNCTION next(wanted text, done bigint[], max_events int DEFAULT 100, lease interval DEFAULT '1 minute')
    RETURNS TABLE (event_seq bigint, call_id text, attempt int) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY WITH claimed AS (SELECT * FROM claim_call_events(max_events, lease, 'worker ' || wanted, 'queue', complete => done)),
        kept AS (INSERT INTO taken SELECT wanted, claim_id, event_seq FROM claimed)
    SELECT event_seq, call_id, attempt FROM claimed;
END $$;
-- Claim ids are random, so messages have the claim's name instead.
CREATE FUNCTION error_of(done bigint[]) RETURNS TABLE (code text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM next('error', done);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    SELECT DISTINCT replace(message, claim_id::text, quote_literal(name)) INTO message
    FROM taken WHERE claim_id = substring(message FROM '[0-9]{9,}')::bigint
    UNION ALL SELECT message LIMIT 1;
    RETURN NEXT;
END $$;
\set ECHO all

-- With one lane and one worker, the claim gets the next events of the lane at once. The last one leaves nothing open.
SELECT add(101, 102, 101, 103, 101);
SELECT * FROM next('first', NULL, 2);
SELECT * FROM next('none', '{}', 2);
SELECT * FROM next('second', ids('first'), 2);
SELECT * FROM next('third', ids('second'), 2);
SELECT * FROM next('none', ids('third'), 2);
SELECT state FROM _callhardening.claims ORDER BY record_no DESC LIMIT 1;
SELECT complete('first'), complete('second'), complete('third');

-- An id that is repeated counts once: a client can pass the id of each row.
SELECT add(104, 105, 106);
SELECT * FROM next('first', NULL, 2);
SELECT * FROM next('second', ARRAY(SELECT claim_id FROM taken WHERE name = 'first' AND event_seq > 5));
SELECT complete('second');
CALL start_again();

-- One stale or unknown claim: nothing is completed or claimed.
SELECT add(101, 102, 103, 104);
SELECT * FROM next('old', NULL, 1);
SELECT complete('old');
SELECT * FROM next('open', NULL, 1);
SELECT * FROM error_of(ids('open') || ids('old'));
SELECT * FROM error_of(ids('open') || 1::bigint);
SELECT * FROM error_of(ids('open') || ARRAY[0, -1, 9223372036854775807]);
SELECT * FROM error_of(ids('open') || NULL::bigint);
SELECT state, count(*) FROM _callhardening.claims GROUP BY 1 ORDER BY 1;
-- The claim is still open, and its lane closed.
SELECT * FROM next('none', NULL);
SELECT * FROM next('next', ids('open'));
SELECT complete('next');
CALL start_again();

-- A claim whose lease has expired can be completed, until another worker has taken its events over.
SELECT add(101, 102);
SELECT * FROM next('late', NULL, 1, '1 microsecond');
SELECT * FROM next('next', ids('late'), 1, '1 microsecond');
SELECT * FROM next('other', NULL, 1);
SELECT * FROM error_of(ids('next'));
SELECT * FROM next('none', ids('other'));
CALL start_again();

-- Without a lease, in one transaction: the claim before it, or its own
SELECT add(101, 102, 103);
BEGIN;
SELECT * FROM next('first', NULL, 1, NULL);
SELECT * FROM next('second', ids('first'), 1, NULL);
SAVEPOINT s;
SELECT * FROM next('third', ids('second'), 1, NULL);
ROLLBACK TO s;
SELECT * FROM next('fourth', ids('second'), 1, NULL);
ROLLBACK;
SELECT * FROM next('fifth', NULL, 2, NULL);
SELECT * FROM next('sixth', ids('fifth'));
SELECT complete('sixth');
CALL start_again();

-- Failed and blocked events stay, and the other events of the claim are settled.
SELECT add(101, 102, 101, 103);
SELECT * FROM next('first', NULL, 3);
SELECT fail('first', 1);
SELECT * FROM next('second', ids('first'));
SELECT event_seq, call_id, attempts, due FROM waiting();
SELECT * FROM next('third', ids('second'));
SELECT * FROM next('fourth', ids('third'));
SELECT * FROM next('none', ids('fourth'));
SELECT count(*) AS waiting FROM waiting();
CALL start_again();

-- The claims may be of another log.
SELECT add(101);
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb, 'call_events') IS NOT NULL AS ingested;
INSERT INTO taken SELECT 'call_events', claim_id, event_seq FROM claim_call_events(log => 'call_events');
SELECT * FROM next('queue', ids('call_events'));
SELECT outcome FROM complete_call_events(ids('call_events') || ids('queue'));
CALL start_again();

-- The completion has the conditions of complete_call_events.
SELECT add(101, 102);
SELECT * FROM next('first', NULL, 1);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT code FROM error_of(ids('first'));
ROLLBACK;
CREATE ROLE regress_claimer;
GRANT EXECUTE ON FUNCTION claim_call_events TO regress_claimer;
GRANT SELECT ON call_events, taken TO regress_claimer;
GRANT USAGE ON SCHEMA _callhardening TO regress_claimer;
SET ROLE regress_claimer;
DO $$ BEGIN PERFORM claim_call_events(log => 'call_events', complete => ids('first'));
EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d+', '#'); END $$;
RESET ROLE;
DROP OWNED BY regress_claimer;
DROP ROLE regress_claimer;

-- The claim fails after the completion: the completion is undone.
SELECT claim_call_events(0, log => 'queue', complete => ids('first'));
SELECT claim_call_events(log => 'calls', complete => ids('first'));
SELECT complete('first');
CALL start_again();

-- A log with a column processed_at: its trigger fires at the completion, and must not change claims.
CREATE TABLE hooks (id serial PRIMARY KEY, payload jsonb, processed_at timestamptz);
SELECT harden_call_events('hooks', 'calls', processed_at_column => 'processed_at', lanes => 1);
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM release_call_events(ARRAY(SELECT claim_id FROM taken));
    RETURN NULL;
END $$;
CREATE TRIGGER meddle AFTER UPDATE ON hooks FOR EACH ROW EXECUTE FUNCTION meddle();
INSERT INTO hooks (payload) SELECT jsonb_build_object('call_id', id, 'state', 'ringing') FROM generate_series(1, 3) AS id;
INSERT INTO taken SELECT 'hook', claim_id, event_seq FROM claim_call_events(1, log => 'hooks');
SELECT event_seq FROM claim_call_events(1, log => 'hooks', complete => ids('hook'));
SELECT count(processed_at) FROM hooks;
DROP TRIGGER meddle ON hooks;
SELECT event_seq FROM claim_call_events(1, log => 'hooks', complete => ids('hook'));
SELECT count(processed_at) FROM hooks;

\set ECHO none
DROP TABLE hooks;
DROP FUNCTION next, error_of, meddle;
\i test/setup/claims_end.sql
