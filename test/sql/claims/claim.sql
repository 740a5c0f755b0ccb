\set SHOW_CONTEXT never
-- Claims of one worker at a time; test/specs has what happens between several. Claim ids are random: they are kept under a name.
SELECT create_call_tables('public');
CREATE TABLE queue (LIKE call_events INCLUDING ALL); -- a log of one lane, where all goes in one order
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
CREATE FUNCTION ids(wanted text) RETURNS bigint[] LANGUAGE sql STABLE AS $$ SELECT array_agg(DISTINCT claim_id) FROM taken WHERE name = wanted $$;
CREATE FUNCTION id(wanted text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT DISTINCT claim_id FROM taken WHERE name = wanted $$;
CREATE FUNCTION complete(wanted text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT outcome FROM complete_call_events(ids(wanted)) $$;
CREATE FUNCTION release(wanted text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT outcome FROM release_call_events(ids(wanted)) $$;
CREATE FUNCTION fail(wanted text, seq bigint, retry_after interval DEFAULT '0') RETURNS text LANGUAGE sql AS $$
    SELECT fail_call_event(id(wanted), seq, 'error of event ' || seq, retry_after) $$;
CREATE FUNCTION parked() RETURNS TABLE (event_seq bigint, call_id text, attempts int, lease_expiries int, due text, claimed boolean, errors int)
    LANGUAGE sql AS $$
    SELECT event_seq, call_id, attempts, lease_expiries, CASE WHEN due_at IS NULL THEN 'blocked' WHEN due_at <= clock_timestamp() THEN 'now' ELSE 'later' END,
        claim_id IS NOT NULL, jsonb_array_length(errors)
    FROM call_retrying_events ORDER BY event_seq $$;
CREATE FUNCTION dead() RETURNS TABLE (event_seq bigint, call_id text, attempts int, sqlstate text, error text, errors int) LANGUAGE sql AS $$
    SELECT event_seq, call_id, attempts, sqlstate, error, jsonb_array_length(errors) FROM call_dead_events ORDER BY event_seq $$;
CREATE PROCEDURE start_again() LANGUAGE sql AS $$
    DELETE FROM _callhardening.claims; DELETE FROM _callhardening.retrying_events; DELETE FROM _callhardening.dead_events; DELETE FROM taken; TRUNCATE queue, call_events RESTART IDENTITY $$;

-- in the order of the log, up to max_events, and nobody else gets them
SELECT add(101, 102, 101, 103);
SELECT event_seq, call_id, event_type, attempt, received_at <= clock_timestamp() AS received, payload ->> 'call_id' AS payload
FROM claim_call_events(3, '1 minute', 'one', 'queue');
SELECT count(*) FROM claim_call_events(log => 'queue');
SELECT state, events, worker, is_retry, lease_end - claimed_at AS lease FROM _callhardening.claims;
CALL start_again();

-- the name of a worker that gives none
SELECT add(101);
SET application_name = 'telephone';
SELECT count(*) FROM claim_call_events(log => 'queue');
SELECT worker = 'telephone (pid ' || pg_backend_pid() || ')' AS named FROM _callhardening.claims;
RESET application_name;
CALL start_again();

-- completed, and only once; each further claim is of what comes next
SELECT add(101, 102, 101, 103);
SELECT * FROM take('first', 3);
SELECT complete('first');
SELECT complete('first');
SELECT * FROM take('second', 3);
SELECT * FROM take('none');
SELECT complete('second');
SELECT * FROM take('none');

-- one row for each id, in the order given
SELECT add(101);
SELECT * FROM take('third');
SELECT row_number() OVER (), CASE claim_id WHEN id('third') THEN 'third' WHEN id('first') THEN 'first' ELSE claim_id::text END AS claim, outcome
FROM complete_call_events(ARRAY[id('first'), NULL, id('third'), 0, -1, 1, 9223372036854775807, id('third')]);
SELECT * FROM complete_call_events('{}');
SELECT * FROM complete_call_events(NULL);
SELECT * FROM release_call_events(NULL);
SELECT outcome FROM release_call_events(ARRAY[id('third'), 0, NULL]);
SELECT outcome FROM complete_call_events(ARRAY[ARRAY[id('third')], ARRAY[0]]);
-- the bits that are left to chance are looked at as well
SELECT add(101);
SELECT * FROM take('fourth');
SELECT outcome FROM complete_call_events(ARRAY[id('fourth') # 1, id('fourth') # (1 << 18)]);
SELECT outcome FROM release_call_events(ARRAY[id('fourth') # 1]);
SELECT renew_call_claim(id('fourth') # 1) IS NULL AS stale;
SELECT fail_call_event(id('fourth') # 1, 6, 'x');
SELECT complete('fourth');
-- what is not remembered any more is unknown
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
CALL loop(20);
SELECT complete('first') AS first, complete('loop 20') AS last;
SELECT id('first') > 0 AND count(DISTINCT claim_id) = count(DISTINCT name) AS differ FROM taken;
CALL start_again();

-- released: at once, for anyone, and the attempt does not count
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

-- a lease that is over can be completed, as long as nobody has taken the events
SELECT add(101, 102);
SELECT * FROM take('one', lease => '1 millisecond');
SELECT pg_sleep(0.005);
SELECT complete('one');
SELECT * FROM take('none');
-- and not any more when somebody has
SELECT add(101, 102);
SELECT * FROM take('two', lease => '1 millisecond');
SELECT pg_sleep(0.005);
SELECT * FROM take('three');
SELECT complete('two'), release('two'), fail('two', 3), renew_call_claim(id('two')) IS NULL AS stale;
SELECT assert_call_claim(id('three'));
SELECT complete('three');
SELECT complete('three'), release('three'), fail('three', 3), renew_call_claim(id('three')) IS NULL AS stale;
CALL start_again();

-- renewed
SELECT add(101);
SELECT * FROM take('one', lease => '1 millisecond');
SELECT pg_sleep(0.005);
SELECT renew_call_claim(id('one'), '1 hour') BETWEEN clock_timestamp() + '59 minutes' AND clock_timestamp() + '1 hour' AS renewed;
SELECT renew_call_claim(id('one')) BETWEEN clock_timestamp() + '29 seconds' AND clock_timestamp() + '30 seconds' AS renewed;
SELECT * FROM take('none');
SELECT record_no, state, worker, attempt FROM _callhardening.claims, LATERAL (SELECT redeliveries + 1 AS attempt) a ORDER BY record_no;
-- as often as it likes
SELECT count(renew_call_claim(id('one'), '1 hour')) FROM generate_series(1, 40);
SELECT complete('one');
-- not one that is over and taken
SELECT add(101);
SELECT * FROM take('two', lease => '1 millisecond');
SELECT renew_call_claim(id('two'), '1 millisecond') IS NOT NULL AS renewed;
SELECT pg_sleep(0.005);
SELECT * FROM take('three');
SELECT renew_call_claim(id('two')) IS NULL AS stale, renew_call_claim(0) IS NULL AS unknown;
SELECT complete('three');
CALL start_again();

-- asserted
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

-- failed: tried again later, or at once; what comes later for the call waits behind it, in this claim and in later ones
SELECT add(101, 102, 101, 103, 101);
SELECT * FROM take('one', 4);
SELECT fail('one', 1, '1 hour');
SELECT * FROM parked();
SELECT fail('one', 1), fail('one', 3);
SELECT * FROM parked();
SELECT complete('one');
SELECT * FROM take('two');
SELECT add(101, 104);
SELECT * FROM take('two');
SELECT complete('two');
SELECT * FROM parked();
-- in the order of the call, one at a time
UPDATE call_retrying_events SET due_at = now() WHERE due_at IS NOT NULL;
SELECT * FROM take('three');
SELECT * FROM parked();
SELECT complete('three');
SELECT * FROM take('four');
SELECT fail('four', 3, '1 hour');
SELECT complete('four');
SELECT * FROM take('none');
SELECT * FROM parked();
UPDATE call_retrying_events SET due_at = now() WHERE due_at IS NOT NULL;
SELECT * FROM take('five');
SELECT complete('five');
SELECT * FROM take('six');
SELECT complete('six');
SELECT * FROM take('seven');
SELECT complete('seven');
SELECT * FROM take('none');
SELECT * FROM parked();
CALL start_again();

-- in the order of the log: a transaction may draw its number before another one that gets its id first
INSERT INTO queue (event_seq, payload) OVERRIDING SYSTEM VALUE VALUES (20, '{"call_id": 101, "state": "ringing"}');
INSERT INTO queue (event_seq, payload) OVERRIDING SYSTEM VALUE VALUES (10, '{"call_id": 101, "state": "hangup"}');
SELECT * FROM take('one');
SELECT fail('one', 20);
SELECT complete('one');
SELECT * FROM take('two');
SELECT complete('two');
SELECT * FROM take('three');
SELECT complete('three');
CALL start_again();

-- an event before the failed one in its call, in a claim that is given back: still before it
SELECT add(101, 101, 101, 102);
SELECT * FROM take('one');
SELECT fail('one', 2);
SELECT release('one');
SELECT * FROM take('two');
SELECT complete('two');
SELECT * FROM take('three');
SELECT complete('three');
SELECT * FROM take('four');
SELECT complete('four');
SELECT * FROM take('five');
SELECT complete('five');
SELECT * FROM take('none');
CALL start_again();

-- and in one whose worker is lost; its attempt counts
SELECT add(101, 101, 102);
SELECT * FROM take('one', lease => '1 millisecond');
SELECT fail('one', 2);
SELECT pg_sleep(0.005);
SELECT * FROM take('two');
SELECT complete('two');
SELECT * FROM take('three');
SELECT complete('three');
SELECT * FROM take('four');
SELECT complete('four');
SELECT * FROM take('five');
CALL start_again();

-- where no more events are taken than are parked already, either
SELECT configure_call_event_log('queue', max_retrying => 1);
SELECT add(101, 101, 102);
SELECT * FROM take('one');
SELECT fail('one', 2);
SELECT release('one');
SELECT * FROM take('two');
SELECT complete('two');
SELECT * FROM take('three');
SELECT complete('three');
SELECT * FROM take('four');
SELECT complete('four');
SELECT configure_call_event_log('queue', max_retrying => 1000);
CALL start_again();

-- dead after the last attempt, with the errors of the last ten; the call goes on
SELECT configure_call_event_log('queue', max_attempts => 12);
SELECT add(101, 101);
SELECT * FROM take('0');
SELECT fail('0', 1);
SELECT complete('0');
SELECT * FROM parked();
DO $$
BEGIN
    FOR i IN 1..10 LOOP
        PERFORM take(i::text);
        PERFORM fail_call_event(id(i::text), 1, 'attempt ' || i + 1, '0');
        PERFORM complete(i::text);
    END LOOP;
END $$;
SELECT * FROM parked();
SELECT e ->> 'worker' AS worker, e ->> 'error' AS error, (e ->> 'at')::timestamptz <= clock_timestamp() AS at
FROM call_retrying_events, jsonb_array_elements(errors) WITH ORDINALITY AS t (e, n) WHERE event_seq = 1 ORDER BY n;
SELECT * FROM take('11');
SELECT fail('11', 1), fail('11', 1);
SELECT * FROM dead();
SELECT * FROM parked();
SELECT complete('11');
SELECT * FROM take('12');
SELECT complete('12');
-- another chance, before what came later for the call
SELECT add(101, 102);
SELECT retry_dead_call_events('queue', '{7}'), retry_dead_call_events('queue', '{}');
SELECT retry_dead_call_events('queue', '{1,7}');
SELECT * FROM parked();
SELECT * FROM dead();
SELECT retry_dead_call_events('queue');
SELECT * FROM take('13');
SELECT complete('13');
SELECT * FROM take('14');
SELECT fail('14', 1, NULL);
SELECT * FROM parked() WHERE due <> 'later';
SELECT complete('14');
-- what no worker can take stays dead
SELECT ingest_call_event('no JSON'::text, 'queue');
SELECT retry_dead_call_events('queue');
SELECT * FROM dead();
SELECT configure_call_event_log('queue', max_attempts => 5);
CALL start_again();

-- dead at once, in a claim that is given back: it does not come again, and what is behind it comes in its order
SELECT configure_call_event_log('queue', max_attempts => 1);
SELECT add(101, 101, 101, 102);
SELECT * FROM take('one');
SELECT fail('one', 2);
SELECT * FROM dead();
SELECT * FROM parked();
SELECT release('one');
SELECT * FROM take('two');
SELECT complete('two');
SELECT * FROM take('three');
SELECT complete('three');
SELECT * FROM take('four');
SELECT complete('four');
SELECT * FROM take('five');
SELECT * FROM dead();
CALL start_again();
-- nor does it where an event before it fails then
SELECT add(101, 101, 102);
SELECT * FROM take('one');
SELECT fail('one', 2);
SELECT release('one');
SELECT * FROM take('two');
SELECT fail('two', 1);
SELECT complete('two');
SELECT * FROM parked();
SELECT * FROM dead();
SELECT configure_call_event_log('queue', max_attempts => 5);
CALL start_again();

-- an event that is appended once more after its death, as after a restore, can die again, or wait while it is dead
SELECT configure_call_event_log('queue', max_attempts => 1);
CREATE PROCEDURE append_again() LANGUAGE sql AS $$
    WITH again AS (DELETE FROM queue RETURNING *)
    INSERT INTO queue (event_seq, event_lane, event_xid, payload) OVERRIDING SYSTEM VALUE SELECT event_seq, event_lane, event_xid, payload FROM again $$;
ALTER TABLE calls ADD CONSTRAINT nobody CHECK (dialpad_call_id <> 101);
SELECT add(101);
SELECT failed FROM process_call_events(log => 'queue');
CALL append_again();
SELECT failed FROM process_call_events(log => 'queue');
SELECT * FROM dead();
SELECT configure_call_event_log('queue', max_attempts => 5);
CALL append_again();
SELECT failed FROM process_call_events(log => 'queue');
SELECT retry_dead_call_events('queue');
SELECT event_seq, call_id, attempts FROM parked();
SELECT * FROM dead();
ALTER TABLE calls DROP CONSTRAINT nobody;
DROP PROCEDURE append_again;
CALL start_again();

-- an event that was deleted while it was parked
SELECT add(101, 101);
SELECT * FROM take('one');
SELECT fail('one', 1);
SELECT complete('one');
DELETE FROM queue WHERE event_seq = 1;
SELECT * FROM take('two');
SELECT * FROM dead();
CALL start_again();

-- failing in a batch of retries, of which the others are completed or given back
SELECT add(101, 102, 103, 104);
SELECT * FROM take('one');
SELECT fail('one', 1), fail('one', 2), fail('one', 3, '1 hour');
SELECT * FROM parked();
SELECT complete('one');
SELECT * FROM take('two');
SELECT fail('two', 2, '1 hour');
SELECT release('two');
SELECT * FROM parked();
SELECT * FROM take('three');
SELECT complete('three');
SELECT * FROM parked();
CALL start_again();

-- retries and new events take turns
SELECT add(101, 102, 103);
SELECT * FROM take('one', 1);
SELECT fail('one', 1), complete('one');
SELECT * FROM take('two', 1);
SELECT fail('two', 1), complete('two');
SELECT * FROM take('three', 1);
SELECT complete('three');
SELECT * FROM take('four', 1);
SELECT fail('four', 1), complete('four');
SELECT * FROM take('five', 1);
SELECT complete('five');
SELECT * FROM take('six', 1);
SELECT fail('six', 1), complete('six');
SELECT * FROM take('seven', 1);
CALL start_again();

-- in an outage the backlog stays where it is
SELECT configure_call_event_log('queue', max_retrying => 2);
SELECT add(101, 102, 103, 104);
SELECT * FROM take('one', 2);
SELECT fail('one', 1, '1 hour'), fail('one', 2, '1 hour'), complete('one');
SELECT * FROM take('none');
SELECT configure_call_event_log('queue', max_retrying => 3);
SELECT * FROM take('two');
SELECT complete('two');
SELECT configure_call_event_log('queue', max_retrying => 1000);
CALL start_again();

-- Poison: a range whose worker is lost twice goes out event by event. The one that kills its workers stands alone then; the others are done.
SELECT add(101, 666, 102, 666, 103);
CREATE TABLE history (name text, event_seq bigint, attempt int, outcome text);
CREATE PROCEDURE work(times int) LANGUAGE plpgsql AS $$
DECLARE
    has_poison boolean;
    ended text;
BEGIN
    FOR i IN 1..times LOOP
        CREATE TEMP TABLE batch AS SELECT * FROM take('claim ' || i, lease => '1 millisecond');
        EXIT WHEN NOT EXISTS (SELECT FROM batch);
        SELECT bool_or(event_seq = 2) INTO has_poison FROM batch;
        IF has_poison THEN
            PERFORM pg_sleep(0.005);
            ended := 'lost';
        ELSE
            SELECT min(c) INTO ended FROM complete('claim ' || i) AS c;
        END IF;
        INSERT INTO history SELECT 'claim ' || i, event_seq, attempt, ended FROM batch;
        DROP TABLE batch;
        COMMIT;
    END LOOP;
    DROP TABLE IF EXISTS batch;
END $$;
CALL work(20);
SELECT * FROM history ORDER BY substr(name, 7)::int, event_seq;
SELECT * FROM dead();
SELECT e ->> 'worker' AS worker, e ->> 'error' AS error FROM call_dead_events, jsonb_array_elements(errors) WITH ORDINALITY AS t (e, n) ORDER BY n;
SELECT * FROM parked();
TRUNCATE history;
CALL start_again();

-- the same in a batch of retries
SELECT add(101, 666, 102);
SELECT * FROM take('one');
SELECT fail('one', 1), fail('one', 2), fail('one', 3), complete('one');
CALL work(20);
SELECT * FROM history ORDER BY substr(name, 7)::int, event_seq;
SELECT * FROM dead();
SELECT * FROM parked();
TRUNCATE history;
CALL start_again();

-- at most max_events of a range whose worker was lost, and never more than it had
SELECT add(101, 102, 103, 104);
SELECT * FROM take('one', 3, '1 millisecond');
SELECT pg_sleep(0.005);
SELECT * FROM take('two', 2);
SELECT complete('two');
SELECT * FROM take('three', 2);
SELECT complete('three');
SELECT * FROM take('four', 2);
SELECT complete('four');
CALL start_again();

-- what was given back and not taken since has no attempt that counts, whatever becomes of what was
SELECT add(101, 102, 103);
SELECT * FROM take('one');
SELECT release('one');
SELECT * FROM take('two', 1, '1 millisecond');
SELECT pg_sleep(0.005);
SELECT * FROM take('three');
SELECT complete('three');
SELECT * FROM take('four');
SELECT complete('four');
SELECT * FROM take('none');
CALL start_again();

-- A claim without a lease is its transaction's: a rollback makes it as if nothing had been claimed.
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
-- committed without being completed, it can be taken by anyone, or completed still
SELECT add(101);
SELECT * FROM take('three', lease => NULL);
SELECT complete('three');
SELECT add(101);
SELECT * FROM take('four', lease => NULL);
SELECT lease_end FROM _callhardening.claims ORDER BY record_no DESC LIMIT 1;
SELECT * FROM take('five', lease => NULL);
SELECT complete('four'), complete('five');
-- given a lease
SELECT add(101);
BEGIN;
SELECT * FROM take('six', lease => NULL);
SELECT renew_call_claim(id('six')) IS NOT NULL AS renewed;
COMMIT;
SELECT * FROM take('none');
SELECT complete('six');
-- in a part of a transaction that is rolled back
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
-- what the transaction that claims appends itself comes when it has been committed
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

-- arguments
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
SELECT errors -> 0 ->> 'error' = 'no error was given' AS none, length(errors -> 0 ->> 'error'), due_at > now() + '364 days' AS far FROM call_retrying_events ORDER BY event_seq;
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

-- settings: one leaves the others as they are
SELECT configure_call_event_log('queue', 3, '2 seconds', '1 minute', 7, true);
SELECT configure_call_event_log('queue');
SELECT max_attempts, retry_base, retry_cap, max_retrying, notify FROM _callhardening.logs WHERE events = 'queue'::regclass;
SELECT max_attempts, retry_base, retry_cap, max_retrying, notify FROM _callhardening.logs WHERE events = 'call_events'::regclass;
SELECT configure_call_event_log('queue', 5, '1 second', '15 minutes', 1000, false);
-- the backoff doubles up to its limit, and is left to chance below it
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
    IF waits[1] > '1 minute' OR waits[2] > '2 minutes' OR (SELECT max(w) NOT BETWEEN '2 minutes' AND '3 minutes' OR min(w) > '1 minute' FROM unnest(waits) AS w) THEN
        RAISE 'the backoff is not as it should be: %', waits;
    END IF;
END $$;
SELECT configure_call_event_log('queue', 5, '1 second', '15 minutes');
CALL start_again();

-- levels of isolation, and where nothing can be written
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

-- several logs: a claim id says which one it is of
SELECT add(101);
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb, 'call_events') IS NOT NULL AS ingested;
SELECT * FROM take('queue');
INSERT INTO taken SELECT 'call_events', claim_id, event_seq FROM claim_call_events(log => 'call_events');
SELECT outcome FROM complete_call_events(ids('queue') || ids('call_events'));
CALL start_again();

-- a batch from several lanes: at most max_events, at most an eighth of the lanes, and all of them in the end
TRUNCATE call_events RESTART IDENTITY;
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'), 'call_events')) FROM generate_series(1, 2000) AS id;
CREATE TABLE batches (batch int, claim_id bigint, event_seq bigint, lane int);
CREATE PROCEDURE drain() LANGUAGE plpgsql AS $$
DECLARE
    found bigint := 1;
BEGIN
    FOR i IN 1..1000 LOOP
        INSERT INTO batches SELECT i, c.claim_id, c.event_seq, e.event_lane FROM claim_call_events(100, log => 'call_events') c JOIN call_events e USING (event_seq);
        GET DIAGNOSTICS found = ROW_COUNT;
        EXIT WHEN found = 0;
        PERFORM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM batches WHERE batch = i));
        COMMIT;
    END LOOP;
END $$;
CALL drain();
SELECT count(*), count(DISTINCT event_seq), max(events) <= 100 AS bounded, max(lanes) <= 8 AS shared
FROM batches, LATERAL (SELECT count(*) AS events, count(DISTINCT lane) AS lanes FROM batches b WHERE b.batch = batches.batch) AS of_batch;
SELECT count(*) AS claims_of_several_lanes FROM (SELECT FROM batches GROUP BY claim_id HAVING count(DISTINCT lane) > 1) AS mixed;
-- in the order of the log, lane by lane
SELECT count(*) AS out_of_order FROM (SELECT batch, event_seq, lag(batch) OVER (PARTITION BY lane ORDER BY event_seq) AS before FROM batches) AS b WHERE before > batch;
-- the records that are remembered stay few
CALL loop(100);
SELECT max(record_no) >= 200 AS many FROM _callhardening.claims;
SELECT max(records) <= 24 AS few FROM (SELECT count(*) AS records FROM _callhardening.claims GROUP BY log_id, lane) AS lanes;
CALL start_again();

-- A poll that finds nothing takes no transaction id and writes nothing.
CREATE FUNCTION poll() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM claim_call_events(log => 'call_events');
    PERFORM claim_call_events(log => 'queue');
    RETURN pg_current_xact_id_if_assigned() IS NOT NULL;
END $$;
CREATE FUNCTION wal_of(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, WAL, FORMAT JSON) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'WAL Bytes';
END $$;
VACUUM _callhardening.claims, _callhardening.lanes, _callhardening.logs, _callhardening.retrying_events, _callhardening.dead_events, call_events, queue;
SELECT poll() AS takes_xid;
SELECT wal_of('SELECT * FROM claim_call_events(log => ''call_events'')') AS wal_bytes;

-- The price of a claim does not depend on the backlog.
CREATE FUNCTION buffers_of(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
    RETURN (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint;
END $$;
CREATE TABLE prices (pending int, claim bigint, complete bigint);
CREATE PROCEDURE measure(pending int) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM claim_call_events(100, '1 minute', 'warm up', 'queue');
    PERFORM release_call_events(array_agg(claim_id)) FROM _callhardening.claims WHERE worker = 'warm up';
    INSERT INTO prices VALUES (pending, buffers_of('SELECT * FROM claim_call_events(100, ''1 minute'', ''measured'', ''queue'')'),
        buffers_of('SELECT * FROM complete_call_events((SELECT array_agg(claim_id) FROM _callhardening.claims WHERE worker = ''measured''))'));
    DELETE FROM _callhardening.claims;
END $$;
CREATE PROCEDURE fill(pending int) LANGUAGE sql AS $$
    INSERT INTO queue (payload) SELECT jsonb_build_object('call_id', id, 'state', 'ringing') FROM generate_series(1, pending) AS id $$;
CALL fill(1000);
VACUUM ANALYZE queue;
CALL measure(0); -- so that what the session looks up once is not counted
CALL measure(1000);
CALL fill(49000);
VACUUM ANALYZE queue;
CALL measure(50000);
SELECT large.claim - small.claim BETWEEN -8 AND 8 AS claim, large.complete - small.complete BETWEEN -8 AND 8 AS complete,
    small.claim < 300 AS cheap FROM prices small, prices large WHERE small.pending = 1000 AND large.pending = 50000;
CALL start_again();

-- Rights: EXECUTE on the verbs and SELECT on the log are enough, and both are needed.
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
GRANT EXECUTE ON FUNCTION claim_call_events, complete_call_events, release_call_events, fail_call_event, renew_call_claim, assert_call_claim TO regress_claimer;
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
-- a role that does not see all rows would settle what it does not see
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

-- the dead stay dead when an event before them fails in the same claim
SELECT configure_call_event_log('queue', max_attempts => 1);
SELECT add(101, 101);
SELECT * FROM take('one');
SELECT fail('one', 2), fail('one', 1);
SELECT complete('one');
SELECT event_seq, attempts FROM dead();
SELECT * FROM take('none');
SELECT configure_call_event_log('queue', max_attempts => 5);
CALL start_again();

-- a lost range whose last event was deleted from the log
SELECT add(101, 101, 101);
SELECT * FROM take('lost', 2, '1 millisecond');
SELECT pg_sleep(0.01);
DELETE FROM queue WHERE event_seq = 2;
SELECT * FROM take('one');
SELECT complete('one');
SELECT * FROM take('two');
SELECT complete('two');
CALL start_again();

-- in another cluster, no worker has the claims that were open: they are over at once, for the one as well that finds that out
SELECT add(101, 102);
SELECT * FROM take('one');
UPDATE _callhardening.logs SET system_identifier = 1 WHERE events = 'queue'::regclass;
SELECT * FROM take('two');
SELECT complete('one'), complete('two');
SELECT * FROM take('none');

-- a long name of a worker is cut, at a whole letter
SELECT add(101);
SELECT count(*) FROM claim_call_events(1, worker => repeat('ü', 5000), log => 'queue');
SELECT octet_length(worker) AS bytes, char_length(worker) AS letters FROM _callhardening.claims;
CALL start_again();

-- who may not claim from a log ends nothing of it
SELECT add(101);
SELECT count(*) FROM take('foreign');
CREATE ROLE regress_claimer;
GRANT EXECUTE ON FUNCTION complete_call_events, release_call_events, renew_call_claim, assert_call_claim, fail_call_event TO regress_claimer;
GRANT SELECT ON taken TO regress_claimer;
SET ROLE regress_claimer;
SELECT complete('foreign'), release('foreign'), renew_call_claim(id('foreign')), fail('foreign', 1);
DO $$ BEGIN PERFORM assert_call_claim(id('foreign')); EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d+', '#'); END $$;
RESET ROLE;
GRANT SELECT ON queue TO regress_claimer;
SET ROLE regress_claimer;
SELECT complete('foreign');
RESET ROLE;
DROP OWNED BY regress_claimer;
DROP ROLE regress_claimer;
CALL start_again();

-- of two lanes side by side, both have their turns, though all others are empty
SELECT count(ingest_call_event(jsonb_build_object('call_id', call, 'state', 'ringing', 'n', n), 'call_events'))
FROM (SELECT lane, (SELECT call FROM generate_series(1, 10000) AS call
                    WHERE (_callhardening.event_stamp(jsonb_build_object('call_id', call), 'dialpad', 64, 'bigint')).event_lane = lane LIMIT 1)
      FROM unnest('{7,8}'::int[]) AS lane) AS of, generate_series(1, 40) AS n;
CREATE FUNCTION turns(n int) RETURNS TABLE (lane int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. n LOOP
        RETURN QUERY WITH claimed AS (SELECT * FROM claim_call_events(1, log => 'call_events'))
            SELECT event_lane FROM call_events JOIN claimed USING (event_seq) WHERE EXISTS (SELECT FROM complete_call_events(ARRAY[claimed.claim_id]));
    END LOOP;
END $$;
-- that one comes to less than 5 has a chance of one in five million
SELECT lane, count(*) >= 5 AS often FROM turns(40) GROUP BY lane ORDER BY lane;
DROP FUNCTION turns;
CALL start_again();

SELECT add(103);
SELECT count(*) FROM take('dropped');
DROP TABLE queue;
-- claims of a log that was dropped
SELECT complete('dropped');

DROP TABLE call_events, calls, taken, history, batches, prices;
DROP PROCEDURE start_again, loop, work, drain, measure, fill;
DROP FUNCTION add, take, ids, id, complete, release, fail, parked, dead, poll, wal_of, buffers_of;
