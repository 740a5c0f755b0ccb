-- Valid and invalid arguments, settings and transactions.
\set ECHO none
\i test/setup/claims.sql
\set ECHO all

-- Arguments
SELECT claim_call_events(0, log => 'queue');
SELECT claim_call_events(-1, log => 'queue');
SELECT claim_call_events(NULL, log => 'queue');
SELECT claim_call_events(100001, log => 'queue');
SELECT claim_call_events(lease => '0', log => 'queue');
SELECT claim_call_events(lease => '-1 second', log => 'queue');
SELECT claim_call_events(lease => '30 days 1 microsecond', log => 'queue');
SELECT claim_call_events(lease => '1 month', log => 'queue');
SELECT claim_call_events(lease => '1 day -24 hours', log => 'queue');
SELECT claim_call_events(lease => '178000000 years', log => 'queue');
SELECT claim_call_events(100000, '30 days', '', 'queue');
SELECT claim_call_events(1, '1 microsecond', repeat('w', 10000), 'queue');
SELECT claim_call_events(log => 'calls');
SELECT claim_call_events(log => 0);
SELECT add(101, 102);
SELECT * FROM take('one');
SELECT fail_call_event(NULL, 1, 'x');
SELECT fail_call_event(id('one'), NULL, 'x');
SELECT fail_call_event(id('one'), 1, 'x', '-1 second');
SELECT fail_call_event(id('one'), 1, 'x', '366 days');
SELECT fail_call_event(id('one'), 1, 'x', '2 years');
\set VERBOSITY sqlstate
SELECT fail_call_event(id('one'), 3, 'x');
SELECT fail_call_event(id('one'), 0, 'x');
SELECT fail_call_event(id('one'), -9223372036854775808, 'x');
\set VERBOSITY default
SELECT fail_call_event(0, 1, 'x'), fail_call_event(-1, 1, 'x'), fail_call_event(9223372036854775807, 1, 'x');
SELECT fail_call_event(id('one'), 1, NULL, '365 days'), fail_call_event(id('one'), 2, repeat('é', 1000), '1 year');
SELECT errors -> 0 ->> 'error' = 'no error was given' AS none, length(errors -> 0 ->> 'error'), due_at > now() + '364 days' AS far
FROM call_retrying_events ORDER BY event_seq;
SELECT renew_call_claim(NULL);
SELECT renew_call_claim(id('one'), NULL);
SELECT renew_call_claim(id('one'), '0');
SELECT renew_call_claim(id('one'), '31 days');
SELECT assert_call_claim(NULL);
SELECT retry_dead_call_events('calls');
SELECT configure_call_event_log('queue', max_attempts => 0);
SELECT configure_call_event_log('queue', max_attempts => 1000001);
SELECT configure_call_event_log('queue', max_retrying => 0);
SELECT configure_call_event_log('queue', max_retrying => 1000001);
SELECT configure_call_event_log('queue', retry_base => '-1 second');
SELECT configure_call_event_log('queue', retry_cap => '366 days');
SELECT configure_call_event_log('calls');
SELECT complete('one');
CALL start_again();

-- Changing one setting leaves the others unchanged.
SELECT configure_call_event_log('queue', 3, '2 seconds', '1 minute', 7, true);
SELECT configure_call_event_log('queue');
SELECT max_attempts, retry_base, retry_cap, max_retrying, notify FROM _callhardening.logs WHERE events = 'queue'::regclass;
SELECT max_attempts, retry_base, retry_cap, max_retrying, notify FROM _callhardening.logs WHERE events = 'call_events'::regclass;
SELECT configure_call_event_log('queue', 5, '1 second', '15 minutes', 1000, false);
-- The pause doubles up to its limit, and is random below it.
SELECT configure_call_event_log('queue', 1000000, '1 minute', '3 minutes');
SELECT add(101);
DO $$
DECLARE
    due timestamptz;
    waits interval[];
BEGIN
    FOR i IN 1..40 LOOP
        PERFORM take('backoff ' || i);
        PERFORM fail('backoff ' || i, 1, NULL);
        PERFORM complete('backoff ' || i);
        SELECT due_at INTO due FROM call_retrying_events;
        waits := waits || (due - clock_timestamp());
        UPDATE call_retrying_events SET due_at = now();
    END LOOP;
    IF waits[1] > '1 minute' OR waits[2] > '2 minutes'
        OR (SELECT max(w) NOT BETWEEN '2 minutes' AND '3 minutes' OR min(w) > '1 minute' FROM unnest(waits) AS w) THEN
        RAISE 'the backoff is not as it should be: %', waits;
    END IF;
END $$;
SELECT configure_call_event_log('queue', 5, '1 second', '15 minutes');
CALL start_again();

-- Stricter isolation levels and read-only transactions
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT claim_call_events(log => 'queue');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT complete_call_events('{}');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT release_call_events('{}');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT fail_call_event(1, 1, 'x');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT renew_call_claim(1);
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT assert_call_claim(1);
ROLLBACK;
BEGIN READ ONLY;
SELECT claim_call_events(log => 'queue');
ROLLBACK;
BEGIN READ ONLY;
SELECT complete_call_events('{}');
ROLLBACK;
BEGIN READ ONLY;
SELECT assert_call_claim(1);
ROLLBACK;

\set ECHO none
\i test/setup/claims_end.sql
