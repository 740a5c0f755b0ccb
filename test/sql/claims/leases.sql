-- Claims are released, expire, are renewed and asserted.
\set ECHO none
\i test/setup/claims.sql
\set ECHO all

-- Release makes events available at once. The attempt does not count.
SELECT add(101, 102, 101);
SELECT * FROM take('one', 2);
SELECT release('one');
SELECT release('one'), complete('one');
SELECT * FROM take('two');
SELECT release('two');
SELECT * FROM take('three');
SELECT * FROM take('four');
SELECT complete('three');
SELECT * FROM take('five');
SELECT release('five');
CALL start_again();

-- An expired claim can be completed until another worker takes the events.
SELECT add(101, 102);
SELECT * FROM take('one', lease => '1 millisecond');
SELECT pg_sleep(0.005);
SELECT complete('one');
SELECT * FROM take('none');
-- Another worker took the events: the outcome is stale.
SELECT add(101, 102);
SELECT * FROM take('two', lease => '1 millisecond');
SELECT pg_sleep(0.005);
SELECT * FROM take('three');
SELECT complete('two'), release('two'), fail('two', 3), renew_call_claim(id('two')) IS NULL AS stale;
SELECT assert_call_claim(id('three'));
SELECT complete('three');
SELECT complete('three'), release('three'), fail('three', 3), renew_call_claim(id('three')) IS NULL AS stale;
CALL start_again();

-- Renew
SELECT add(101);
SELECT * FROM take('one', lease => '1 millisecond');
SELECT pg_sleep(0.005);
SELECT renew_call_claim(id('one'), '1 hour') BETWEEN clock_timestamp() + '59 minutes' AND clock_timestamp() + '1 hour' AS renewed;
SELECT renew_call_claim(id('one')) BETWEEN clock_timestamp() + '29 seconds' AND clock_timestamp() + '30 seconds' AS renewed;
SELECT * FROM take('none');
SELECT record_no, state, worker, attempt FROM _callhardening.claims, LATERAL (SELECT redeliveries + 1 AS attempt) a ORDER BY record_no;
-- Any number of times
SELECT count(renew_call_claim(id('one'), '1 hour')) FROM generate_series(1, 40);
SELECT complete('one');
-- Renewing fails if another worker took the events.
SELECT add(101);
SELECT * FROM take('two', lease => '1 millisecond');
SELECT renew_call_claim(id('two'), '1 millisecond') IS NOT NULL AS renewed;
SELECT pg_sleep(0.005);
SELECT * FROM take('three');
SELECT renew_call_claim(id('two')) IS NULL AS stale, renew_call_claim(0) IS NULL AS unknown;
SELECT complete('three');
CALL start_again();

-- Assert
SELECT add(101);
SELECT * FROM take('one', lease => '1 millisecond');
SELECT pg_sleep(0.005);
SELECT assert_call_claim(id('one'));
SELECT complete('one');
\set VERBOSITY sqlstate
SELECT assert_call_claim(id('one'));
\set VERBOSITY default
SELECT assert_call_claim(0);
CALL start_again();

\set ECHO none
\i test/setup/claims_end.sql
