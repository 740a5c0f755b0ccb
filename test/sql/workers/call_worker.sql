SELECT create_call_tables('public');
\i test/setup/wait_for.sql

-- A server process applies events as they arrive. pg_stat_activity shows its kind.
SELECT start_call_worker(poll => '10 milliseconds');
SET client_min_messages = error; -- this role is a superuser
SELECT backend_type, application_name FROM pg_stat_activity WHERE pid IN (SELECT call_worker_pids(NULL));
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'))) FROM generate_series(1, 200) AS id;
SELECT wait_for('(SELECT count(*) FROM calls) = 200');
SELECT wait_for('(SELECT count(*) FROM call_open_claims) = 0');

-- A second start changes nothing. A start with workers => 2 adds one.
SELECT start_call_worker();
SELECT start_call_worker('call_events', 10, '10 milliseconds', 2);
SELECT count(*) FROM call_worker_pids('call_events');

-- Locks that SQL can take do not count as a worker, and do not prevent one ("CALL", "CALS").
SELECT count(pg_advisory_lock_shared(1128352844, log_id)) FROM call_event_logs;
SELECT count(*) FROM call_worker_pids(NULL);
SELECT stop_call_worker();
SELECT count(pg_advisory_unlock_shared(1128352844, log_id)) FROM call_event_logs;
SELECT count(*) FROM call_event_logs, LATERAL (SELECT pg_advisory_lock(1128352844, log_id), pg_advisory_lock(1128352851, log_id)) AS locks;
SELECT start_call_worker(poll => '10 milliseconds', workers => 2);
SELECT pg_advisory_unlock_all();

-- An error without a faulty event: the worker goes on, no event is lost and no attempt counts.
ALTER TABLE calls RENAME COLUMN status TO state;
SELECT ingest_call_event('{"call_id": 1, "state": "hangup"}'::jsonb) IS NOT NULL AS ingested;
SELECT wait_for($$EXISTS (SELECT FROM _callhardening.claims WHERE state = 'released')$$);
ALTER TABLE calls RENAME COLUMN state TO status;
SELECT wait_for($$(SELECT status = 'ended' FROM calls WHERE dialpad_call_id = 1)$$);
SELECT count(*) FROM call_retrying_events;

-- A faulty event: it waits, and is retried until it is dead.
SELECT configure_call_event_log(max_attempts => 2, retry_base => '1 millisecond');
ALTER TABLE calls ADD CONSTRAINT short_calls CHECK (duration_seconds < 100) NOT VALID;
SELECT ingest_call_event('{"call_id": 2, "state": "hangup", "duration": 200000}'::jsonb) IS NOT NULL AS ingested;
SELECT wait_for('EXISTS (SELECT FROM call_dead_events)');
SELECT call_id, attempts, sqlstate, jsonb_array_length(errors) AS errors FROM call_dead_events;

-- Cancelled workers go on.
SELECT bool_and(pg_cancel_backend(pid) AND pg_sleep(0.02) IS NOT NULL) AS cancelled
FROM generate_series(1, 20), call_worker_pids(NULL) AS pid;
SELECT ingest_call_event('{"call_id": 3, "state": "hangup"}'::jsonb) IS NOT NULL AS ingested;
SELECT wait_for($$(SELECT status = 'ended' FROM calls WHERE dialpad_call_id = 3)$$);
SELECT count(*) FROM call_worker_pids(NULL);

-- stop_call_worker ends the workers.
SELECT stop_call_worker();
SELECT stop_call_worker();
SELECT count(*) FROM call_worker_pids(NULL);

-- Their claims are released, and no attempt counts.
SELECT ingest_call_event('{"call_id": 4, "state": "hangup"}'::jsonb) IS NOT NULL AS ingested;
BEGIN;
LOCK TABLE calls;
SELECT start_call_worker();
SELECT wait_for('EXISTS (SELECT FROM call_open_claims)');
SELECT stop_call_worker();
SELECT count(*) AS open_claims FROM call_open_claims;
COMMIT;
SELECT c.call_id, c.attempt, e.outcome FROM claim_call_events() AS c, release_call_events(ARRAY[c.claim_id]) AS e;

-- Workers run in read committed and can write, with any defaults.
CREATE TABLE seen (isolation text, read_only text);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen VALUES (current_setting('transaction_isolation'), current_setting('transaction_read_only'));
    RETURN NULL;
END
$$;
CREATE TRIGGER see AFTER UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION see();
ALTER DATABASE :"DBNAME" SET default_transaction_isolation = 'repeatable read';
SELECT start_call_worker(poll => '10 milliseconds');
SELECT wait_for('EXISTS (SELECT FROM seen)');
SELECT stop_call_worker();
ALTER DATABASE :"DBNAME" SET default_transaction_read_only = on;
SELECT ingest_call_event('{"call_id": 5, "state": "hangup"}'::jsonb) IS NOT NULL AS ingested;
SELECT start_call_worker(poll => '10 milliseconds');
SELECT wait_for($$(SELECT status = 'ended' FROM calls WHERE dialpad_call_id = 5)$$);
SELECT stop_call_worker();
SELECT DISTINCT isolation, read_only FROM seen;
ALTER DATABASE :"DBNAME" RESET default_transaction_isolation;
ALTER DATABASE :"DBNAME" RESET default_transaction_read_only;
DROP TRIGGER see ON calls;
DROP FUNCTION see();
DROP TABLE seen;

-- If start_call_worker times out, no worker starts later.
BEGIN;
LOCK TABLE _callhardening.logs;
SET LOCAL statement_timeout = '500ms';
SELECT start_call_worker();
ROLLBACK;
SELECT wait_for($$NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'callhardening worker' AND datname = current_database())$$);

-- A worker that fails to start is an error.
CREATE ROLE regress_call_starter LOGIN;
SELECT grant_call_role('regress_call_starter', 'process');
ALTER ROLE regress_call_starter SET lock_timeout = '10ms';
BEGIN;
LOCK TABLE _callhardening.logs;
SET LOCAL ROLE regress_call_starter;
SELECT start_call_worker();
ROLLBACK;

-- A role that cannot connect is an error, too.
REVOKE CONNECT ON DATABASE :"DBNAME" FROM PUBLIC;
SET ROLE regress_call_starter;
SELECT start_call_worker();
RESET ROLE;
GRANT CONNECT ON DATABASE :"DBNAME" TO PUBLIC;
ALTER ROLE regress_call_starter NOLOGIN;
SET ROLE regress_call_starter;
SELECT start_call_worker();
RESET ROLE;

-- A role without superuser rights starts a worker without a warning.
RESET client_min_messages;
ALTER ROLE regress_call_starter LOGIN;
ALTER ROLE regress_call_starter RESET lock_timeout;
SET ROLE regress_call_starter;
SELECT start_call_worker();
SELECT stop_call_worker();
RESET ROLE;
SET client_min_messages = error;
DROP OWNED BY regress_call_starter;
DROP ROLE regress_call_starter;

-- A setting of the server limits the workers of all databases, for every role.
SET callhardening.max_workers = 1000;
ALTER SYSTEM SET callhardening.max_workers = 2;
SELECT pg_reload_conf();
\set ECHO none
SELECT $$DO 'BEGIN IF current_setting(''callhardening.max_workers'') <> ''2'' THEN PERFORM pg_sleep(0.05); END IF; END'$$
FROM generate_series(1, 100) \gexec
\set ECHO all
SHOW callhardening.max_workers;
SELECT start_call_worker(poll => '1 hour', workers => 3);
SELECT count(*) FROM call_worker_pids(NULL);
SELECT current_database() AS here \gset
CREATE DATABASE regress_call_other TEMPLATE template0;
\c regress_call_other
SET callhardening.max_workers = 1000;
CREATE EXTENSION callhardening;
SELECT create_call_tables('public');
SHOW callhardening.max_workers;
SELECT start_call_worker();
\c :here
SET client_min_messages = error;
SELECT stop_call_worker();

-- DROP EXTENSION ends its workers.
\c regress_call_other
SET client_min_messages = error;
SELECT start_call_worker(poll => '10 milliseconds');
DROP EXTENSION callhardening CASCADE;
\c :here
SET client_min_messages = error;
SELECT wait_for($$NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'callhardening worker')$$);
DROP DATABASE regress_call_other;
ALTER SYSTEM SET callhardening.max_workers = 1000;
SELECT pg_reload_conf();
\set ECHO none
SELECT $$DO 'BEGIN IF current_setting(''callhardening.max_workers'') <> ''1000'' THEN PERFORM pg_sleep(0.05); END IF; END'$$
FROM generate_series(1, 100) \gexec
\set ECHO all

-- More workers than free slots: the started ones stay.
SELECT start_call_worker(poll => '1 hour', workers => 1000);
SELECT count(*) > 0 AS started, stop_call_worker() > 0 AS stopped FROM call_worker_pids(NULL);
ALTER SYSTEM RESET callhardening.max_workers;
SELECT pg_reload_conf();

-- Dropping a log ends its worker.
SELECT start_call_worker(poll => '10 milliseconds');
CREATE TEMP TABLE worker AS SELECT call_worker_pids(NULL) AS pid;
DROP TABLE call_events;
SELECT wait_for('NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid IN (SELECT pid FROM worker))');
DROP TABLE calls;

-- Arguments
\set SHOW_CONTEXT never
SELECT start_call_worker();
SELECT create_call_tables('public');
SELECT start_call_worker(max_events => 0);
SELECT start_call_worker(poll => '0');
SELECT start_call_worker(poll => NULL);
SELECT start_call_worker(poll => '2 hours');
SELECT start_call_worker(workers => 0);
SELECT start_call_worker(workers => NULL);
SELECT stop_call_worker('calls');
DROP TABLE calls, call_events;

-- A worker does not see uncommitted tables and events.
BEGIN;
SELECT create_call_tables('public');
SELECT start_call_worker();
ROLLBACK;
DROP FUNCTION wait_for;
