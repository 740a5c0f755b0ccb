SELECT create_call_tables('public');
CREATE PROCEDURE drain() LANGUAGE plpgsql AS $$
DECLARE
    batch bigint;
BEGIN
    LOOP
        SELECT claimed INTO batch FROM process_call_events();
        EXIT WHEN batch = 0;
        COMMIT;
    END LOOP;
END
$$;
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'))) FROM generate_series(1, 500) AS id;

-- A pending event stays, even if it is old.
SELECT purge_call_events('0 seconds');
CALL drain();

-- A young event stays.
SELECT purge_call_events('1 hour');
SELECT count(*) FROM call_events;

-- One call deletes up to max_events, the next call goes on.
SELECT purge_call_events('0 seconds', max_events => 100);
SELECT purge_call_events('0 seconds', 'call_events', 1000);
SELECT purge_call_events('0 seconds');
SELECT count(*) FROM call_events;

-- A call continues after the purge of its first event.
SELECT ingest_call_event('{"call_id": 1, "state": "connected"}'::jsonb) IS NOT NULL AS ingested;
CALL drain();
SELECT status FROM calls WHERE dialpad_call_id = 1;

-- A claimed, retrying, blocked or dead event stays. Once it is settled, a later purge deletes it.
SELECT configure_call_event_log(retry_base => '1 hour', retry_cap => '1 hour');
SELECT count(ingest_call_event(body)) FROM unnest(ARRAY[
    '{"call_id": 1001, "state": "ringing", "n": 1}', '{"call_id": 1001, "state": "connected", "n": 2}',
    '{"call_id": 1002, "state": "ringing"}', '{"call_id": 1003, "state": "ringing"}']::jsonb[]) AS body;
SELECT ingest_call_event('no JSON'::text) IS NOT NULL AS ingested;
CREATE TEMP TABLE claimed AS SELECT * FROM claim_call_events();
SELECT fail_call_event(claim_id, event_seq, 'no') FROM claimed WHERE call_id = '1001' ORDER BY event_seq LIMIT 1;
SELECT outcome FROM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM claimed WHERE call_id = '1001'));
SELECT purge_call_events('0 seconds');
SELECT call_id, payload -> 'n' AS n FROM call_events ORDER BY event_seq;
SELECT count(*) FROM _callhardening.purge_leftovers;
SELECT count(*) FROM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM claimed)) WHERE outcome = 'completed';
SELECT purge_call_events('0 seconds');
UPDATE call_retrying_events SET due_at = now() WHERE due_at IS NOT NULL;
CALL drain();
CALL drain();
DELETE FROM call_dead_events;
SELECT purge_call_events('0 seconds');
SELECT count(*) FROM call_events;
SELECT count(*) FROM _callhardening.purge_leftovers;

-- Each lane keeps one record of the position for the next purge.
SELECT max(records) FROM (SELECT count(*) AS records FROM _callhardening.purges GROUP BY log_id, lane) AS lanes;

-- The log has forgotten a purged event, so a redelivery is a new event.
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb) IS NOT NULL AS ingested;
SELECT claimed, refused FROM process_call_events();

-- TRUNCATE restarts the event numbers.
TRUNCATE call_events RESTART IDENTITY;
SELECT ingest_call_event('no JSON'::text);
SELECT purge_call_events('0 seconds');
SELECT count(*) FROM call_events;

-- The old positions do not hide new events with the same numbers.
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'))) FROM generate_series(2001, 2020) AS id;
CREATE PROCEDURE fail_all() LANGUAGE plpgsql AS $$
DECLARE
    claims bigint[];
BEGIN
    LOOP
        SELECT array_agg(DISTINCT claim_id) FILTER (WHERE fail_call_event(claim_id, event_seq, 'no', '300 days') = 'retry') INTO claims
        FROM claim_call_events(100000);
        EXIT WHEN claims IS NULL;
        PERFORM complete_call_events(claims);
        COMMIT;
    END LOOP;
END
$$;
CALL fail_all();
SELECT purge_call_events('0 seconds');
SELECT count(*) FROM _callhardening.purge_leftovers;
TRUNCATE call_events RESTART IDENTITY;
DELETE FROM call_retrying_events;
DELETE FROM call_dead_events;
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'))) FROM generate_series(3001, 3021) AS id;
SELECT purge_call_events('0 seconds');
CALL drain();
SELECT purge_call_events('0 seconds');
SELECT purge_call_events('0 seconds');
SELECT count(*) FROM _callhardening.purge_leftovers;

-- An outage: every new event waits, and the settled ones are behind it. One call looks at 1000 events and at 1000 leftovers,
-- or at max_events of each if that is more. The next call continues there.
SELECT configure_call_event_log(max_retrying => 1000000);
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'))) FROM generate_series(10001, 15000) AS id;
CALL fail_all();
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'))) FROM generate_series(20001, 21000) AS id;
CALL drain();
-- Each event is purged or becomes a leftover. "waiting" counts the rows of call_retrying_events read.
CREATE FUNCTION purge_in_outage(max_events int, OUT purged bigint, OUT passed bigint, OUT waiting bigint) LANGUAGE plpgsql AS $$
BEGIN
    passed := -(SELECT count(*) FROM _callhardening.purge_leftovers);
    waiting := -pg_stat_get_xact_tuples_fetched('_callhardening.retrying_events_pkey'::regclass);
    purged := purge_call_events('0', max_events => max_events);
    passed := passed + (SELECT count(*) FROM _callhardening.purge_leftovers);
    waiting := waiting + pg_stat_get_xact_tuples_fetched('_callhardening.retrying_events_pkey'::regclass);
END
$$;
CREATE TEMP TABLE purges_in_outage (call int, purged bigint, passed bigint, waiting bigint);
SELECT format('INSERT INTO purges_in_outage SELECT %s, p.* FROM purge_in_outage(1000) AS p', call) FROM generate_series(1, 7) AS call \gexec
SELECT call, purged + passed AS looked_at, waiting <= 2000 AS bounded FROM purges_in_outage ORDER BY call;
SELECT count(*), bool_and(call_id::int <= 15000) AS waiting FROM call_events;
SELECT format('SELECT * FROM purge_in_outage(%s)', max_events) FROM unnest(ARRAY[10, 10, 2000]) AS max_events \gexec

-- A round of calls finds the settled events among the others. Young events stay.
DELETE FROM call_retrying_events WHERE event_seq % 100 = 7;
SELECT purge_call_events('1 hour', max_events => 100000);
SELECT 'SELECT purge_call_events(''0 seconds'', max_events => 10)' FROM generate_series(1, 6) AS call \gexec
SELECT count(*) FROM call_events;
SELECT count(*) FROM _callhardening.purge_leftovers;
DELETE FROM call_retrying_events;
SELECT purge_call_events('0 seconds', max_events => 100000);
SELECT count(*) FROM call_events;
SELECT count(*) FROM _callhardening.purge_leftovers;

-- Rights: SELECT and DELETE on the log, and EXECUTE on the function
CREATE ROLE regress_purger;
GRANT EXECUTE ON FUNCTION purge_call_events(interval, regclass, int, interval) TO regress_purger;
GRANT SELECT ON call_events TO regress_purger;
SELECT ingest_call_event('{"call_id": 5, "state": "ringing"}'::jsonb) IS NOT NULL AS ingested;
CALL drain();
SET ROLE regress_purger;
SELECT purge_call_events('0 seconds');
RESET ROLE;
GRANT DELETE ON call_events TO regress_purger;
SET ROLE regress_purger;
SELECT purge_call_events('0 seconds');
RESET ROLE;

-- arguments
SELECT purge_call_events(NULL);
SELECT purge_call_events('-1 second');
SELECT purge_call_events('1 day', max_events => 0);
SELECT purge_call_events('1 day', max_events => NULL);
SELECT purge_call_events('1 day', 'calls');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT purge_call_events('1 day');
ROLLBACK;
BEGIN READ ONLY;
SELECT purge_call_events('1 day');
ROLLBACK;

DROP OWNED BY regress_purger;
DROP ROLE regress_purger;
SET client_min_messages = error;
DROP TABLE calls, call_events;
