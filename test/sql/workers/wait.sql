-- Waiting for events, and being woken
SELECT create_call_tables('public');
\i test/setup/wait_for.sql
CREATE FUNCTION ingest(call_id int) RETURNS void LANGUAGE sql
    AS $$SELECT FROM ingest_call_event(jsonb_build_object('call_id', call_id, 'state', 'ringing'))$$;

-- It returns at the timeout, or at once if an event can be claimed.
SELECT clock_timestamp() AS begun \gset
CALL wait_for_call_events(timeout => '300 milliseconds');
SELECT clock_timestamp() - :'begun' >= interval '300 milliseconds' AS waited;
CALL wait_for_call_events(timeout => '0');
SELECT ingest(1);
SELECT clock_timestamp() AS begun \gset
CALL wait_for_call_events(NULL, '1 hour', NULL);
CALL wait_for_call_events('call_events', '1 day');
BEGIN;
CALL wait_for_call_events(timeout => '1 hour');
COMMIT;
DO $$ BEGIN CALL wait_for_call_events(timeout => '1 hour'); END $$;
SELECT clock_timestamp() - :'begun' < interval '10 minutes' AS waited_for_nothing;

-- A transaction block and a procedure go on with a snapshot.
BEGIN;
CALL wait_for_call_events(timeout => '1 hour');
SELECT count(*) FROM call_events;
SAVEPOINT a;
CALL wait_for_call_events(timeout => '1 hour');
SELECT count(*) FROM call_events;
COMMIT;
CREATE PROCEDURE wait_and_count() LANGUAGE plpgsql AS $$
BEGIN
    CALL wait_for_call_events(timeout => '1 hour');
    RAISE NOTICE '% event', (SELECT count(*) FROM call_events);
    COMMIT;
    CALL wait_for_call_events(timeout => '1 hour');
    BEGIN
        CALL wait_for_call_events(timeout => '1 hour');
    EXCEPTION WHEN active_sql_transaction THEN
        RAISE NOTICE '%', SQLERRM;
    END;
    COMMIT;
    CALL wait_for_call_events('pg_class', '1 hour');
END
$$;
CALL wait_and_count();

-- It takes neither a transaction id nor locks on tables.
BEGIN;
CALL wait_for_call_events(timeout => '1 hour');
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_xid;
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'
    AND relation <> ALL (ARRAY['pg_locks', 'pg_class', 'pg_class_oid_index', 'pg_class_relname_nsp_index',
        'pg_class_tblspc_relfilenode_index']::regclass[]);
COMMIT;

-- A claimed event is no event to wait for. A lease that ends is, and so are a release and a retry.
SELECT claim_id FROM claim_call_events(lease => '1 hour') \gset
CALL wait_for_call_events(timeout => '0');
SELECT renew_call_claim(:claim_id, '100 milliseconds') IS NOT NULL AS renewed;
SELECT clock_timestamp() AS begun \gset
CALL wait_for_call_events(timeout => '1 hour');
SELECT clock_timestamp() - :'begun' < interval '10 minutes' AS until_the_lease_ends;
SELECT claim_id, event_seq FROM claim_call_events(lease => '1 hour') \gset
SELECT fail_call_event(:claim_id, :event_seq, 'not yet', retry_after => '200 milliseconds');
SELECT outcome FROM complete_call_events(ARRAY[:claim_id]);
SELECT clock_timestamp() AS begun \gset
CALL wait_for_call_events(timeout => '1 hour');
SELECT clock_timestamp() - :'begun' < interval '10 minutes' AS until_the_retry;
SELECT call_id, outcome FROM claim_call_events() AS c, LATERAL complete_call_events(ARRAY[c.claim_id]) AS e;

-- Consumers wait for themselves.
SELECT create_call_consumer('call_events', 'crm');
CALL wait_for_call_events(timeout => '0', consumer => 'crm');
SELECT seek_call_consumer('call_events', 'crm', received_at => '-infinity');
SELECT clock_timestamp() AS begun \gset
CALL wait_for_call_events(timeout => '1 hour', consumer => 'crm');
SELECT clock_timestamp() - :'begun' < interval '10 minutes' AS waited_for_nothing;
SELECT kind, log, consumer, is_waiting FROM call_event_waiters;
CALL wait_for_call_events(timeout => '0');
SELECT drop_call_consumer('call_events', 'crm');
SELECT create_call_changes('calls');

-- Refused
\set VERBOSITY sqlstate
CALL wait_for_call_events(timeout => '-1 second');
CALL wait_for_call_events(timeout => '25 hours');
CALL wait_for_call_events(timeout => '1 month');
CALL wait_for_call_events(timeout => make_interval(days => -2147483648, secs => 1075146450105));
CALL wait_for_call_events(timeout => NULL);
CALL wait_for_call_events('pg_class');
CALL wait_for_call_events(consumer => 'crm');
CALL wait_for_call_events('call_changes');
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE FUNCTION wait_in_function() RETURNS void LANGUAGE plpgsql
    AS $$BEGIN CALL wait_for_call_events(timeout => '0'); END$$;
SELECT wait_in_function();
DO $$ BEGIN PERFORM wait_in_function(); END $$;
CREATE PROCEDURE wait_with_setting() LANGUAGE plpgsql SET work_mem = '1MB'
    AS $$BEGIN CALL wait_for_call_events(timeout => '0'); END$$;
CALL wait_with_setting();
BEGIN ISOLATION LEVEL REPEATABLE READ;
CALL wait_for_call_events(timeout => '0');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
CALL wait_for_call_events(timeout => '0');
ROLLBACK;
BEGIN;
SELECT ingest(2);
CALL wait_for_call_events(timeout => '0');
ROLLBACK;
BEGIN;
DECLARE open_cursor CURSOR FOR SELECT 1;
CALL wait_for_call_events(timeout => '0');
ROLLBACK;
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT 1 LOOP
        CALL wait_for_call_events(timeout => '0');
    END LOOP;
END
$$;
BEGIN;
SET LOCAL statement_timeout = '50ms';
CALL wait_for_call_events(timeout => '1 hour');
ROLLBACK;
CREATE ROLE regress_call_waiter;
SELECT grant_call_role('regress_call_waiter', 'claim');
REVOKE SELECT ON call_events FROM regress_call_waiter;
SET ROLE regress_call_waiter;
CALL wait_for_call_events(timeout => '0');
RESET ROLE;
DROP OWNED BY regress_call_waiter;
DROP ROLE regress_call_waiter;

-- A worker whose poll is an hour: only commits wake it.
SET client_min_messages = error; -- this role is a superuser
SELECT start_call_worker(poll => '1 hour');
SELECT wait_for('EXISTS (SELECT FROM call_event_waiters WHERE kind = ''worker'' AND is_waiting)');
SELECT ingest(3);
SELECT wait_for('EXISTS (SELECT FROM calls WHERE dialpad_call_id = 3)');
SELECT kind, log FROM call_event_waiters ORDER BY kind;
-- A rollback, also of a savepoint
BEGIN;
SELECT ingest(4);
ROLLBACK;
BEGIN;
SELECT ingest(5);
SAVEPOINT a;
SELECT ingest(6);
ROLLBACK TO a;
COMMIT;
SELECT wait_for('EXISTS (SELECT FROM calls WHERE dialpad_call_id = 5)');
SELECT dialpad_call_id FROM calls ORDER BY 1;
-- A failed event with a short pause, then as a dead one
SELECT configure_call_event_log(max_attempts => 3, retry_base => '1 millisecond');
ALTER TABLE calls ADD CONSTRAINT short_calls CHECK (duration_seconds < 100) NOT VALID;
SELECT ingest_call_event('{"call_id": 7, "state": "hangup", "duration": 200000}'::jsonb) IS NOT NULL AS ingested;
SELECT wait_for('EXISTS (SELECT FROM call_dead_events)');
ALTER TABLE calls DROP CONSTRAINT short_calls;
SELECT retry_dead_call_events();
SELECT wait_for('EXISTS (SELECT FROM calls WHERE dialpad_call_id = 7)');
-- A client's events: released, and completed with another event of their call behind them
SELECT stop_call_worker();
SELECT ingest(8), ingest(9);
SELECT array_agg(claim_id) AS claims FROM claim_call_events(lease => '1 hour') \gset
SELECT start_call_worker(poll => '1 hour');
SELECT wait_for('EXISTS (SELECT FROM call_event_waiters WHERE kind = ''worker'' AND is_waiting)');
SELECT outcome FROM release_call_events(:'claims');
SELECT wait_for('(SELECT count(*) FROM calls WHERE dialpad_call_id IN (8, 9)) = 2');
SELECT stop_call_worker();
SELECT ingest(10);
SELECT array_agg(claim_id) AS claims FROM claim_call_events(lease => '1 hour') \gset
SELECT start_call_worker(poll => '1 hour');
SELECT ingest_call_event('{"call_id": 10, "state": "hangup"}'::jsonb) IS NOT NULL AS ingested;
SELECT wait_for('EXISTS (SELECT FROM call_event_waiters WHERE kind = ''worker'' AND is_waiting)');
SELECT outcome FROM complete_call_events(:'claims');
SELECT wait_for('EXISTS (SELECT FROM calls WHERE dialpad_call_id = 10)');
-- Another transaction holds the lane, and rolls back.
SELECT stop_call_worker();
SELECT ingest(11);
BEGIN;
SELECT claimed FROM process_call_events();
SELECT start_call_worker(poll => '1 hour');
SELECT wait_for('EXISTS (SELECT FROM call_event_waiters WHERE kind = ''worker'' AND is_waiting)');
ROLLBACK;
SELECT wait_for('EXISTS (SELECT FROM calls WHERE dialpad_call_id = 11)');
SELECT stop_call_worker();
-- A retry of another consumer becomes due, and nobody commits.
SELECT create_call_consumer('call_events', 'crm');
SELECT configure_call_event_log('call_events', retry_base => '200 milliseconds', consumer => 'crm');
ALTER TABLE calls ADD CONSTRAINT short_calls CHECK (duration_seconds < 100) NOT VALID;
SELECT start_call_worker(poll => '1 hour', consumer => 'crm');
SELECT wait_for('EXISTS (SELECT FROM call_event_waiters WHERE kind = ''worker'' AND is_waiting)');
SELECT ingest_call_event('{"call_id": 12, "state": "hangup", "duration": 200000}'::jsonb) IS NOT NULL AS ingested;
SELECT wait_for('EXISTS (SELECT FROM call_dead_events WHERE consumer = ''crm'')');
SELECT stop_call_worker();
SELECT wait_for('NOT EXISTS (SELECT FROM call_event_waiters WHERE kind = ''worker'')');
-- A restore of data alone can append to a lane without workers. A claim brings such events back, so they end a wait.
ALTER TABLE call_events DISABLE TRIGGER USER;
INSERT INTO call_events (call_id, event_type, event_lane, payload) VALUES ('13', 'ringing', 64, '{}');
ALTER TABLE call_events ENABLE TRIGGER USER;
SELECT clock_timestamp() AS begun \gset
CALL wait_for_call_events(timeout => '20 seconds', consumer => 'crm');
SELECT clock_timestamp() - :'begun' < interval '20 seconds' AS waited_for_nothing;
SELECT call_id FROM claim_call_events(consumer => 'crm');
DROP TABLE calls, call_events, call_changes;
DROP FUNCTION wait_for, ingest, wait_in_function;
DROP PROCEDURE wait_and_count, wait_with_setting;
