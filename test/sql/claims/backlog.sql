-- How many events a claim takes from a backlog, and what the claim costs.
\set ECHO none
\i test/setup/claims.sql
\set ECHO all

-- Retries and new events take turns.
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

-- During an outage, max_retrying limits how many events are retrying.
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

-- A batch from several lanes: at most max_events, from at most an eighth of the lanes. In the end all events are claimed.
TRUNCATE call_events RESTART IDENTITY;
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'), 'call_events')) FROM generate_series(1, 2000) AS id;
CREATE TABLE batches (batch int, claim_id bigint, event_seq bigint, lane int);
CREATE PROCEDURE drain() LANGUAGE plpgsql AS $$
DECLARE
    found bigint := 1;
BEGIN
    FOR i IN 1..1000 LOOP
        INSERT INTO batches SELECT i, c.claim_id, c.event_seq, e.event_lane
        FROM claim_call_events(100, log => 'call_events') c JOIN call_events e USING (event_seq);
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
-- In the order of the log, lane by lane
SELECT count(*) AS out_of_order
FROM (SELECT batch, event_seq, lag(batch) OVER (PARTITION BY lane ORDER BY event_seq) AS before FROM batches) AS b WHERE before > batch;
-- Old records of claims are removed.
CALL loop(100);
SELECT max(record_no) >= 200 AS many FROM _callhardening.claims;
SELECT max(records) <= 72 AS few FROM (SELECT count(*) AS records FROM _callhardening.claims GROUP BY consumer_id, lane) AS lanes;
CALL start_again();

-- Two lanes side by side both have their turns, even if all others are empty.
SELECT count(ingest_call_event(jsonb_build_object('call_id', call, 'state', 'ringing', 'n', n), 'call_events'))
FROM (SELECT lane, (SELECT call FROM generate_series(1, 10000) AS call
                    WHERE (_callhardening.event_stamp(jsonb_build_object('call_id', call), 'dialpad', 64, 'bigint')).event_lane = lane
                    LIMIT 1)
      FROM unnest('{7,8}'::int[]) AS lane) AS of, generate_series(1, 40) AS n;
CREATE FUNCTION turns(n int) RETURNS TABLE (lane int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. n LOOP
        RETURN QUERY WITH claimed AS (SELECT * FROM claim_call_events(1, log => 'call_events'))
            SELECT event_lane FROM call_events JOIN claimed USING (event_seq)
            WHERE EXISTS (SELECT FROM complete_call_events(ARRAY[claimed.claim_id]));
    END LOOP;
END $$;
-- One lane has less than 5 turns by chance once in five million runs.
SELECT lane, count(*) >= 5 AS often FROM turns(40) GROUP BY lane ORDER BY lane;
DROP FUNCTION turns;
CALL start_again();

-- A poll without events takes no transaction id and writes nothing.
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
VACUUM _callhardening.claims, _callhardening.lanes, _callhardening.logs,
    _callhardening.retrying_events, _callhardening.dead_events, call_events, queue;
SELECT poll() AS takes_xid;
SELECT wal_of('SELECT * FROM claim_call_events(log => ''call_events'')') AS wal_bytes;

-- The cost of a claim does not depend on the backlog.
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
        buffers_of('SELECT * FROM complete_call_events(
            (SELECT array_agg(claim_id) FROM _callhardening.claims WHERE worker = ''measured''))'));
    DELETE FROM _callhardening.claims;
END $$;
CREATE PROCEDURE fill(pending int) LANGUAGE sql AS $$
    INSERT INTO queue (payload) SELECT jsonb_build_object('call_id', id, 'state', 'ringing') FROM generate_series(1, pending) AS id $$;
CALL fill(1000);
VACUUM ANALYZE queue;
CALL measure(0); -- fills the caches of the session
CALL measure(1000);
CALL fill(49000);
VACUUM ANALYZE queue;
CALL measure(50000);
SELECT large.claim - small.claim BETWEEN -8 AND 8 AS claim, large.complete - small.complete BETWEEN -8 AND 8 AS complete,
    small.claim < 300 AS cheap FROM prices small, prices large WHERE small.pending = 1000 AND large.pending = 50000;
CALL start_again();

DROP TABLE batches, prices;
DROP PROCEDURE drain, measure, fill;
DROP FUNCTION poll, wal_of, buffers_of;
\set ECHO none
\i test/setup/claims_end.sql
