\set SHOW_CONTEXT never
-- A worker skips marked, waiting and deleted events. An old processor marks events.
-- If all events of a window are skipped, the window is done. Events behind a skipped event become free. TAP runs random histories of it.
SELECT create_call_tables('public');
CREATE TABLE hooks (payload jsonb NOT NULL, processed_at timestamptz);
SELECT harden_call_events('hooks', 'calls', processed_at_column => 'processed_at', lanes => 1);
CREATE FUNCTION add(VARIADIC calls int[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO hooks (payload) SELECT jsonb_build_object('call_id', call, 'state', 'ringing', 'n', n)
        FROM unnest(calls) WITH ORDINALITY AS c (call, n) $$;
CREATE FUNCTION mark(VARIADIC seqs int[]) RETURNS void LANGUAGE sql AS $$
    UPDATE hooks SET processed_at = now() WHERE event_seq = ANY (seqs) $$;
-- Claims events, fails the given ones, and completes the claim.
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
-- The events of a poll, and whether it took a transaction id. Writing WAL is no sign: readers may log a page they prune.
CREATE FUNCTION poll() RETURNS TABLE (events bigint, takes_xid boolean) LANGUAGE sql AS $$
    SELECT count(*), pg_current_xact_id_if_assigned() IS NOT NULL FROM claim_call_events(log => 'hooks') $$;
-- The state after restoring a dump: the first poll adopts the log, and the existing lanes are old.
CREATE FUNCTION restore() RETURNS void LANGUAGE sql AS $$ UPDATE _callhardening.logs SET system_identifier = 0
    WHERE events = 'hooks'::regclass $$;
-- The state after restoring data only: all events are read again.
CREATE FUNCTION forget_positions() RETURNS void LANGUAGE sql AS $$ DELETE FROM _callhardening.claims $$;
CREATE PROCEDURE start_again() LANGUAGE sql AS $$
    DELETE FROM _callhardening.claims; DELETE FROM _callhardening.retrying_events;
    DELETE FROM _callhardening.dead_events; TRUNCATE hooks; SELECT setval('hooks_event_seq_seq', 1, false) $$;

-- An old processor has marked every event. The first poll moves the lane on, and the next poll costs nothing.
SELECT add(101, 102, 103);
SELECT mark(1, 2, 3);
SELECT * FROM work();
SELECT * FROM poll();
-- More marked events than a claim looks at
SELECT count(add(101)) FROM generate_series(1, 300);
UPDATE hooks SET processed_at = now() WHERE processed_at IS NULL;
SELECT count(*) FROM claim_call_events(100, log => 'hooks');
SELECT * FROM poll();
CALL start_again();

-- An old lane with only marked events does not delay the new lane.
SELECT add(101);
SELECT mark(1);
SELECT restore();
SELECT add(101, 102);
SELECT * FROM work();
SELECT * FROM poll(); -- drops the old lane
SELECT * FROM poll();
SELECT lane - first_lane AS lane FROM _callhardening.lanes JOIN _callhardening.logs ON log_id = consumer_id
    WHERE events = 'hooks'::regclass;
CALL start_again();
-- The next lane of a restored log has an event ahead of this cluster. One adoption passes over both lanes.
SELECT add(101, 102);
SELECT restore();
UPDATE hooks SET event_lane = event_lane + 1, event_xid = '1000000000000' WHERE event_seq = 2;
SELECT * FROM work();
SELECT lane - first_lane AS lane FROM _callhardening.lanes JOIN _callhardening.logs ON log_id = consumer_id
    WHERE events = 'hooks'::regclass ORDER BY 1;
SELECT * FROM work();
SELECT * FROM poll(); -- drops the old lanes
SELECT * FROM poll();
CALL start_again();
-- An old lane with only waiting events does not delay it either.
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

-- A full lane: retries wait for their range, but the range does not wait for them.
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

-- A dead event that is read again is dead no more. It can fail again, and later events wait for it.
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

-- A waiting event is marked. Later events of its call do not wait for it.
SELECT add(101);
SELECT * FROM work(1);
SELECT mark(1);
SELECT add(101);
SELECT * FROM work();
SELECT * FROM waiting();
CALL start_again();
-- The waiting event is deleted.
SELECT add(101);
SELECT * FROM work(1);
DELETE FROM hooks WHERE event_seq = 1;
SELECT add(101);
SELECT * FROM work();
SELECT * FROM waiting();
SELECT event_seq, error FROM call_dead_events;
CALL start_again();
-- The events behind it are marked too. One poll skips them all.
SELECT add(101, 101, 101, 101);
SELECT * FROM work(1);
SELECT mark(1, 2, 3);
SELECT * FROM work();
SELECT * FROM waiting();
SELECT * FROM poll();
CALL start_again();
-- The same with the retries before the range
SELECT add(101, 102);
SELECT * FROM work(1, 2);
SELECT * FROM work(1, 2); -- the last claim takes retries
SELECT mark(1);
SELECT add(101);
SELECT * FROM work();
SELECT * FROM work();
SELECT * FROM waiting();
CALL start_again();
-- The numbers begin anew. A retry may belong to another event, or wait in the wrong lane.
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
-- An event with a changed call id is the same event.
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
-- All events of a call are blocked by mistake. The next poll of the lane continues with the call.
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
