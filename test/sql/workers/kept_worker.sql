-- Without preloading no worker is kept. TAP (workers/kept_workers) has the rest.
SELECT create_call_tables('public');
SET client_min_messages = error; -- this role is a superuser
SELECT start_call_worker(keep => true);
SELECT count(*) FROM _callhardening.kept_workers;
SELECT * FROM call_worker_status;
SELECT start_call_worker(keep => NULL);
SELECT log, consumer, status, running, kept, launcher, why FROM call_worker_status;
SELECT stop_call_worker();

-- Workers of a consumer are its own.
SELECT create_call_consumer('call_events', 'crm');
SELECT start_call_worker(consumer => 'crm', workers => 2);
SELECT start_call_worker();
SELECT consumer, status, running FROM call_worker_status ORDER BY consumer;
SELECT DISTINCT application_name FROM pg_stat_activity WHERE pid IN (SELECT call_worker_pids(consumer => 'crm'));
SELECT count(*) FROM call_worker_pids();
SELECT stop_call_worker(consumer => 'crm');
SELECT count(*) FROM call_worker_pids();
SELECT start_call_worker(consumer => 'crm');
SELECT stop_call_worker();
SELECT start_call_worker(consumer => 'other');
SELECT stop_call_worker(consumer => 'other');

-- A worker of a dropped consumer ends at once.
SELECT start_call_worker(consumer => 'crm', poll => '1 hour', workers => 2);
CREATE TEMP TABLE worker AS SELECT call_worker_pids() AS pid;
SELECT drop_call_consumer('call_events', 'crm');
DO $$ BEGIN
    FOR i IN 1 .. 600 LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid IN (SELECT pid FROM worker));
        PERFORM pg_sleep(0.1), pg_stat_clear_snapshot();
    END LOOP;
END $$;
SELECT count(*) FROM pg_stat_activity WHERE pid IN (SELECT pid FROM worker);

-- The module's settings have descriptions, bounds and units.
SELECT name, setting, unit, vartype, context, min_val, max_val, short_desc, extra_desc FROM pg_settings
WHERE name LIKE 'callhardening.%' ORDER BY name;

-- Rows are not written by SQL, whatever the role and its settings.
\set SHOW_CONTEXT never
INSERT INTO _callhardening.kept_workers
SELECT log_id, log_id, (SELECT oid FROM pg_database WHERE datname = current_database()), 'pg_database_owner'::regrole, 1, 10, 200,
    now() FROM call_event_logs;
SET session_replication_role = replica;
INSERT INTO _callhardening.kept_workers
SELECT log_id, log_id, 0, 'pg_database_owner'::regrole, 1, 10, 200, now() FROM call_event_logs;
RESET session_replication_role;

-- As if a server without the launcher had the rows of one with it, and of a copied database.
ALTER TABLE _callhardening.kept_workers DISABLE TRIGGER refuse_kept_worker;
INSERT INTO _callhardening.kept_workers
SELECT log_id, log_id, (SELECT oid FROM pg_database WHERE datname = current_database()), 'pg_database_owner'::regrole, 2, 10, 1500,
    '2026-01-01 00:00Z' FROM call_event_logs;
SELECT status, running, kept, role, max_events, poll, launcher, why, last_failure, next_try FROM call_worker_status;
SELECT detail FROM check_call_hardening() WHERE check_name IN ('kept_workers', 'event_triggers');
SELECT * FROM call_health('calls') WHERE figure = 'missing_workers';
UPDATE _callhardening.kept_workers SET database = 1;
SELECT status, running, kept, why FROM call_worker_status;
SELECT detail FROM check_call_hardening() WHERE check_name = 'kept_workers';
SELECT * FROM call_health('calls') WHERE figure = 'missing_workers';
ALTER TABLE _callhardening.kept_workers ENABLE ALWAYS TRIGGER refuse_kept_worker;

-- A read-only transaction cannot end them.
BEGIN READ ONLY;
SELECT stop_call_worker();
ROLLBACK;
SELECT stop_call_worker();
BEGIN READ ONLY;
SELECT stop_call_worker();
COMMIT;
SELECT status FROM call_worker_status;

-- An altered table is a clear error.
BEGIN;
ALTER TABLE _callhardening.kept_workers ALTER log_id TYPE bigint;
SELECT stop_call_worker();
ROLLBACK;
BEGIN;
ALTER TABLE _callhardening.kept_workers RENAME CONSTRAINT kept_workers_pkey TO other_key;
SELECT stop_call_worker();
ROLLBACK;
BEGIN;
ALTER TABLE _callhardening.kept_workers DROP CONSTRAINT kept_workers_pkey;
SELECT detail FROM check_call_hardening() WHERE check_name = 'bookkeeping_indexes';
ROLLBACK;

-- What is kept goes with the log.
ALTER TABLE _callhardening.kept_workers DISABLE TRIGGER refuse_kept_worker;
INSERT INTO _callhardening.kept_workers SELECT log_id, log_id, 1, 10, 1, 10, 200, now() FROM call_event_logs;
ALTER TABLE _callhardening.kept_workers ENABLE ALWAYS TRIGGER refuse_kept_worker;
DROP TABLE calls, call_events;
SELECT count(*) FROM _callhardening.kept_workers;
SELECT * FROM call_worker_status;
