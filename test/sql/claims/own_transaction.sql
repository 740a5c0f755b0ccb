-- A claim without a lease lasts as long as its transaction.
\set ECHO none
\i test/setup/claims.sql
\set ECHO all

-- After a rollback the events are available again.
SELECT add(101, 102);
BEGIN;
SELECT * FROM take('one', lease => NULL);
SELECT * FROM take('none', lease => NULL);
SELECT * FROM take('none');
SELECT claimed FROM process_call_events(log => 'queue');
SAVEPOINT s;
SELECT * FROM take('none', lease => NULL);
ROLLBACK;
BEGIN;
SELECT * FROM take('two', lease => NULL);
SELECT complete('two');
COMMIT;
SELECT * FROM take('none');
-- Committed but not completed: the claim can be completed until another worker takes its events.
SELECT add(101);
SELECT * FROM take('three', lease => NULL);
SELECT complete('three');
SELECT add(101);
SELECT * FROM take('four', lease => NULL);
SELECT lease_end FROM _callhardening.claims ORDER BY record_no DESC LIMIT 1;
SELECT * FROM take('five', lease => NULL);
SELECT complete('four'), complete('five');
-- With a lease
SELECT add(101);
BEGIN;
SELECT * FROM take('six', lease => NULL);
SELECT renew_call_claim(id('six')) IS NOT NULL AS renewed;
COMMIT;
SELECT * FROM take('none');
SELECT complete('six');
-- Rolled back to a savepoint
SELECT add(101);
BEGIN;
SAVEPOINT s;
SELECT * FROM take('seven', lease => NULL);
ROLLBACK TO s;
SELECT * FROM take('eight', lease => NULL);
SAVEPOINT s;
SELECT complete('eight');
ROLLBACK TO s;
SELECT assert_call_claim(id('eight'));
SELECT complete('eight');
COMMIT;
-- A transaction does not claim its own events. A later transaction does.
BEGIN;
SELECT add(101);
SELECT * FROM take('none');
COMMIT;
BEGIN;
SELECT * FROM take('nine');
SELECT add(102);
SELECT complete('nine');
SELECT * FROM take('none');
COMMIT;
SELECT * FROM take('ten');
SELECT complete('ten');
CALL start_again();

\set ECHO none
\i test/setup/claims_end.sql
