-- The rights that claims require, and the claims of a dropped log.
\set ECHO none
\i test/setup/claims.sql
\set ECHO all

-- A role needs EXECUTE on the functions and SELECT on the log.
CREATE ROLE regress_claimer;
SELECT add(101, 102);
SET ROLE regress_claimer;
SELECT claim_call_events(log => 'queue');
SELECT complete_call_events('{}');
SELECT release_call_events('{}');
SELECT fail_call_event(1, 1, 'x');
SELECT renew_call_claim(1);
SELECT assert_call_claim(1);
SELECT retry_dead_call_events('queue');
SELECT configure_call_event_log('queue');
SELECT count(*) FROM _callhardening.claims;
RESET ROLE;
GRANT EXECUTE ON FUNCTION claim_call_events, complete_call_events, release_call_events,
    fail_call_event, renew_call_claim, assert_call_claim TO regress_claimer;
SET ROLE regress_claimer;
SELECT claim_call_events(log => 'queue');
RESET ROLE;
GRANT SELECT ON queue TO regress_claimer;
SET ROLE regress_claimer;
CREATE TEMP TABLE work AS SELECT * FROM claim_call_events(log => 'queue', worker => 'a role');
SELECT event_seq, call_id, attempt FROM work;
SELECT assert_call_claim(claim_id) FROM work LIMIT 1;
SELECT renew_call_claim(claim_id) IS NOT NULL AS renewed FROM work LIMIT 1;
SELECT fail_call_event(claim_id, event_seq, 'x', '0') FROM work WHERE event_seq = 1;
SELECT outcome FROM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM work));
DROP TABLE work;
CREATE TEMP TABLE work AS SELECT * FROM claim_call_events(log => 'queue');
SELECT event_seq, call_id, attempt FROM work;
SELECT outcome FROM release_call_events((SELECT array_agg(DISTINCT claim_id) FROM work));
DROP TABLE work;
RESET ROLE;
-- With row-level security a role could settle events without seeing them, so the claim fails.
ALTER TABLE queue ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON queue USING (true);
SET ROLE regress_claimer;
SELECT claim_call_events(log => 'queue');
RESET ROLE;
ALTER ROLE regress_claimer BYPASSRLS;
SET ROLE regress_claimer;
SELECT event_seq, call_id, attempt FROM claim_call_events(log => 'queue');
RESET ROLE;
DROP OWNED BY regress_claimer;
DROP ROLE regress_claimer;
CALL start_again();

-- Without the right to claim from a log, a role cannot end its claims.
SELECT add(101);
SELECT count(*) FROM take('foreign');
CREATE ROLE regress_claimer;
GRANT EXECUTE ON FUNCTION complete_call_events, release_call_events,
    renew_call_claim, assert_call_claim, fail_call_event TO regress_claimer;
GRANT SELECT ON taken TO regress_claimer;
SET ROLE regress_claimer;
SELECT complete('foreign'), release('foreign'), renew_call_claim(id('foreign')), fail('foreign', 1);
DO $$ BEGIN PERFORM assert_call_claim(id('foreign'));
EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d+', '#'); END $$;
RESET ROLE;
GRANT SELECT ON queue TO regress_claimer;
SET ROLE regress_claimer;
SELECT complete('foreign');
RESET ROLE;
DROP OWNED BY regress_claimer;
DROP ROLE regress_claimer;
CALL start_again();

SELECT add(103);
SELECT count(*) FROM take('dropped');
DROP TABLE queue;
-- Claims of a dropped log
SELECT complete('dropped');

\set ECHO none
\i test/setup/claims_end.sql
