-- Events that reach the limit of attempts.
\set ECHO none
\i test/setup/claims.sql
\set ECHO all

-- After the last attempt the event is dead. It keeps its last ten errors. The call goes on.
SELECT configure_call_event_log('queue', max_attempts => 12);
SELECT add(101, 101);
SELECT * FROM take('0');
SELECT fail('0', 1);
SELECT complete('0');
SELECT * FROM waiting();
DO $$
BEGIN
    FOR i IN 1..10 LOOP
        PERFORM take(i::text);
        PERFORM fail_call_event(id(i::text), 1, 'attempt ' || i + 1, '0');
        PERFORM complete(i::text);
    END LOOP;
END $$;
SELECT * FROM waiting();
SELECT e ->> 'worker' AS worker, e ->> 'error' AS error, (e ->> 'at')::timestamptz <= clock_timestamp() AS at
FROM call_retrying_events, jsonb_array_elements(errors) WITH ORDINALITY AS t (e, n) WHERE event_seq = 1 ORDER BY n;
SELECT * FROM take('11');
SELECT fail('11', 1), fail('11', 1);
SELECT * FROM dead();
SELECT * FROM waiting();
SELECT complete('11');
SELECT * FROM take('12');
SELECT complete('12');
-- A retried dead event comes before later events of its call.
SELECT add(101, 102);
SELECT retry_dead_call_events('queue', '{7}'), retry_dead_call_events('queue', '{}');
SELECT retry_dead_call_events('queue', '{1,7}');
SELECT * FROM waiting();
SELECT * FROM dead();
SELECT retry_dead_call_events('queue');
SELECT * FROM take('13');
SELECT complete('13');
SELECT * FROM take('14');
SELECT fail('14', 1, NULL);
SELECT * FROM waiting() WHERE due <> 'later';
SELECT complete('14');
-- An event without a call stays dead.
SELECT ingest_call_event('no JSON'::text, 'queue');
SELECT retry_dead_call_events('queue');
SELECT * FROM dead();
SELECT configure_call_event_log('queue', max_attempts => 5);
CALL start_again();

-- An event died, then its claim was released. It is not claimed again, and later events keep their order.
SELECT configure_call_event_log('queue', max_attempts => 1);
SELECT add(101, 101, 101, 102);
SELECT * FROM take('one');
SELECT fail('one', 2);
SELECT * FROM dead();
SELECT * FROM waiting();
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
-- Nor is it claimed again if an earlier event fails later.
SELECT add(101, 101, 102);
SELECT * FROM take('one');
SELECT fail('one', 2);
SELECT release('one');
SELECT * FROM take('two');
SELECT fail('two', 1);
SELECT complete('two');
SELECT * FROM waiting();
SELECT * FROM dead();
SELECT configure_call_event_log('queue', max_attempts => 5);
CALL start_again();

-- A dead event is appended again, as after a restore. It can die again, or wait while it is dead.
SELECT configure_call_event_log('queue', max_attempts => 1);
CREATE PROCEDURE append_again() LANGUAGE sql AS $$
    WITH again AS (DELETE FROM queue RETURNING *)
    INSERT INTO queue (event_seq, event_lane, event_xid, payload) OVERRIDING SYSTEM VALUE
    SELECT event_seq, event_lane, event_xid, payload FROM again $$;
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
SELECT event_seq, call_id, attempts FROM waiting();
SELECT * FROM dead();
ALTER TABLE calls DROP CONSTRAINT nobody;
DROP PROCEDURE append_again;
CALL start_again();

-- An event is deleted from the log while it is retrying.
SELECT add(101, 101);
SELECT * FROM take('one');
SELECT fail('one', 1);
SELECT complete('one');
DELETE FROM queue WHERE event_seq = 1;
SELECT * FROM take('two');
SELECT * FROM dead();
CALL start_again();

-- A dead event stays dead if an event before it fails in the same claim.
SELECT configure_call_event_log('queue', max_attempts => 1);
SELECT add(101, 101);
SELECT * FROM take('one');
SELECT fail('one', 2), fail('one', 1);
SELECT complete('one');
SELECT event_seq, attempts FROM dead();
SELECT * FROM take('none');
SELECT configure_call_event_log('queue', max_attempts => 5);
CALL start_again();

\set ECHO none
\i test/setup/claims_end.sql
