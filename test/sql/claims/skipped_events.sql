\set SHOW_CONTEXT never
-- Events that a worker meets and does not hand out: an old processor has marked them, they are waiting, or they were deleted. A window
-- whose events are all skipped is done with, and what waits for a skipped event waits no more. Random histories of that kind: 022 in TAP.
SELECT create_call_tables('public');
CREATE TABLE hooks (payload jsonb NOT NULL, processed_at timestamptz);
SELECT harden_call_events('hooks', 'calls', processed_at_column => 'processed_at', lanes => 1);
CREATE FUNCTION add(VARIADIC calls int[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO hooks (payload) SELECT jsonb_build_object('call_id', call, 'state', 'ringing', 'n', n)
        FROM unnest(calls) WITH ORDINALITY AS c (call, n) $$;
CREATE FUNCTION mark(VARIADIC seqs int[]) RETURNS void LANGUAGE sql AS $$
    UPDATE hooks SET processed_at = now() WHERE event_seq = ANY (seqs) $$;
-- Claims, fails the events that are named, and completes.
CREATE FUNCTION work(VARIADIC failed int[] DEFAULT '{}')
    RETURNS TABLE (event_seq bigint, call_id text, attempt int, outcome text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    CREATE TEMP TABLE batch AS SELECT * FROM claim_call_events(100, '1 minute', 'worker', 'hooks');
    RETURN QUERY SELECT event_seq, call_id, attempt,
        CASE WHEN event_seq = ANY (failed) THEN fail_call_event(claim_id, event_seq, 'failed', '0') END FROM batch ORDER BY event_seq;
    PERFORM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM batch));
    DROP TABLE batch;
END $$;
CREATE FUNCTION waiting() RETURNS TABLE (event_seq bigint, call_id text, due boolean) LANGUAGE sql AS $$
    SELECT event_seq, call_id, due_at <= clock_timestamp() FROM call_retrying_events ORDER BY event_seq $$;
-- What a poll finds, and whether it writes: a row of ours takes a transaction id. Readers may log a page that they tidy up.
CREATE FUNCTION poll() RETURNS TABLE (events bigint, takes_xid boolean) LANGUAGE sql AS $$
    SELECT count(*), pg_current_xact_id_if_assigned() IS NOT NULL FROM claim_call_events(log => 'hooks') $$;
-- As a restored dump leaves the log: the first poll adopts it, and the lanes until then are old.
CREATE FUNCTION restore() RETURNS void LANGUAGE sql AS $$ UPDATE _callhardening.logs SET system_identifier = 0
    WHERE events = 'hooks'::regclass $$;
-- As a restore of data alone leaves it: all events are there to be read again.
CREATE FUNCTION forget_positions() RETURNS void LANGUAGE sql AS $$ DELETE FROM _callhardening.claims $$;
CREATE PROCEDURE start_again() LANGUAGE sql AS $$
    DELETE FROM _callhardening.claims; DELETE FROM _callhardening.retrying_events;
    DELETE FROM _callhardening.dead_events; TRUNCATE hooks; SELECT setval('hooks_event_seq_seq', 1, false) $$;

-- an old processor has marked all that there is: the poll that finds it out moves the lane on, and the next one costs nothing
SELECT add(101, 102, 103);
SELECT mark(1, 2, 3);
SELECT * FROM work();
SELECT * FROM poll();
-- more of them than a claim looks at
SELECT count(add(101)) FROM generate_series(1, 300);
UPDATE hooks SET processed_at = now() WHERE processed_at IS NULL;
SELECT count(*) FROM claim_call_events(100, log => 'hooks');
SELECT * FROM poll();
CALL start_again();

-- an old lane of which all is marked does not keep the new one waiting
SELECT add(101);
SELECT mark(1);
SELECT restore();
SELECT add(101, 102);
SELECT * FROM work();
SELECT * FROM poll(); -- drops the old lane
SELECT * FROM poll();
SELECT lane - first_lane AS lane FROM _callhardening.lanes JOIN _callhardening.logs USING (log_id) WHERE events = 'hooks'::regclass;
CALL start_again();
-- nor does one of which all is waiting
SELECT add(101, 102);
SELECT * FROM work(1, 2);
UPDATE call_retrying_events SET due_at = now() + interval '1 hour';
SELECT forget_positions(), restore();
SELECT add(103);
SELECT * FROM work();
UPDATE call_retrying_events SET due_at = now();
SELECT * FROM work();
SELECT * FROM poll();
SELECT * FROM poll();
CALL start_again();

-- a full lane: its retries wait for their range, and the range does not wait for them
SELECT configure_call_event_log('hooks', max_retrying => 1);
SELECT add(101, 102);
SELECT * FROM work(2);
UPDATE hooks SET processed_at = NULL;
SELECT forget_positions();
SELECT * FROM work();
SELECT * FROM work();
SELECT * FROM poll();
SELECT configure_call_event_log('hooks', max_retrying => 1000);
CALL start_again();

-- a dead event that is to be read again is dead no more: it can fail again, and what comes after it waits
SELECT configure_call_event_log('hooks', max_attempts => 1);
SELECT add(101);
SELECT * FROM work(1);
SELECT forget_positions();
SELECT configure_call_event_log('hooks', max_attempts => 5);
SELECT add(101);
SELECT * FROM work(1);
SELECT event_seq FROM call_dead_events;
SELECT * FROM work();
SELECT * FROM work();
SELECT event_seq FROM call_dead_events;
CALL start_again();

-- an event that waits to be tried again is marked: what comes for its call does not wait behind it
SELECT add(101);
SELECT * FROM work(1);
SELECT mark(1);
SELECT add(101);
SELECT * FROM work();
SELECT * FROM waiting();
CALL start_again();
-- or deleted
SELECT add(101);
SELECT * FROM work(1);
DELETE FROM hooks WHERE event_seq = 1;
SELECT add(101);
SELECT * FROM work();
SELECT * FROM waiting();
SELECT event_seq, error FROM call_dead_events;
CALL start_again();
-- with those behind it, in one poll
SELECT add(101, 101, 101, 101);
SELECT * FROM work(1);
SELECT mark(1, 2, 3);
SELECT * FROM work();
SELECT * FROM waiting();
SELECT * FROM poll();
CALL start_again();
-- in the other order of ranges and retries
SELECT add(101, 102);
SELECT * FROM work(1, 2);
SELECT * FROM work(1, 2); -- the last claim is one of retries
SELECT mark(1);
SELECT add(101);
SELECT * FROM work();
SELECT * FROM work();
SELECT * FROM waiting();
CALL start_again();
-- or is another call's by now, since the numbers begin anew: the retry was another event's, or waited for a lane that is not its own
SELECT add(101);
SELECT * FROM work(1);
TRUNCATE hooks;
SELECT setval('hooks_event_seq_seq', 1, false);
SELECT add(102, 101);
SELECT * FROM work();
SELECT * FROM work();
SELECT * FROM waiting();
SELECT ingest_call_event('{"call_id": 9, "state": "ringing"}'::jsonb, 'call_events') AS seq, 51 AS lane;
CREATE TEMP TABLE batch AS SELECT * FROM claim_call_events(log => 'call_events');
SELECT fail_call_event(claim_id, event_seq, 'failed', '0') FROM batch;
SELECT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM batch));
DROP TABLE batch;
TRUNCATE call_events RESTART IDENTITY;
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'), 'call_events')) FROM unnest('{20, 9}'::int[]) AS id;
SELECT claimed FROM process_call_events(log => 'call_events');
SELECT dialpad_call_id FROM calls ORDER BY 1;
SELECT event_seq, event_lane FROM call_events ORDER BY 1;
SELECT * FROM waiting();
CALL start_again();
-- an event whose call id was altered is the same event
SELECT add(101);
SELECT * FROM work(1);
UPDATE hooks SET call_id = '102';
SELECT * FROM work();
CALL start_again();
SELECT configure_call_event_log('hooks', max_attempts => 1);
SELECT add(101);
SELECT * FROM work(1);
UPDATE hooks SET call_id = '102';
SELECT retry_dead_call_events(log => 'hooks');
SELECT * FROM work();
SELECT configure_call_event_log('hooks', max_attempts => 5);
CALL start_again();
-- a call of which all is held back, whatever has done that, goes on with the next poll that looks at the lane
SELECT add(101, 101);
SELECT * FROM work(1);
UPDATE call_retrying_events SET due_at = NULL;
SELECT add(102);
SELECT * FROM work();
SELECT * FROM work();
SELECT * FROM work();
DROP TABLE hooks;
DROP TABLE call_events, calls;
DROP FUNCTION add, mark, work, waiting, poll, restore, forget_positions;
DROP PROCEDURE start_again;
