-- check_call_hardening finds one fault of each kind.
CREATE SCHEMA shop;
SELECT create_call_tables('shop');
SELECT * FROM check_call_hardening();
ALTER TABLE _callhardening.issues SET (autovacuum_vacuum_threshold = 1000000);
CREATE VIEW faults AS SELECT check_name, detail FROM check_call_hardening() WHERE NOT ok;
\pset format unaligned
\pset tuples_only on

-- Versions and functions
BEGIN;
SET LOCAL allow_system_table_mods = on;
UPDATE pg_extension SET extversion = '9.9' WHERE extname = 'callhardening';
SELECT check_name, regexp_replace(detail, '[0-9.]+,', 'N,') FROM faults;
ROLLBACK;
BEGIN;
SET LOCAL allow_system_table_mods = on;
UPDATE pg_proc SET prosrc = 'callhardening_of_another_library' WHERE proname = 'call_library_version';
SELECT check_name, regexp_replace(detail, '".*/', '".../') FROM faults;
ROLLBACK;
BEGIN;
ALTER EXTENSION callhardening DROP FUNCTION purge_call_events(interval, regclass, int, interval);
SELECT * FROM faults WHERE check_name = 'functions_present';
DROP FUNCTION purge_call_events(interval, regclass, int, interval);
TABLE faults;
ALTER EXTENSION callhardening DROP FUNCTION audit_calls;
ALTER EXTENSION callhardening DROP FUNCTION _callhardening.row_faults;
TABLE faults;
ROLLBACK;
BEGIN;
CREATE FUNCTION stranger() RETURNS int LANGUAGE sql SET search_path = pg_catalog, pg_temp AS 'SELECT 1';
ALTER EXTENSION callhardening ADD FUNCTION stranger();
TABLE faults;
ROLLBACK;
BEGIN;
CREATE OR REPLACE FUNCTION normalize_call_direction(direction text, provider text = NULL)
    RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS 'SELECT lower(direction)';
TABLE faults;
ROLLBACK;
BEGIN;
CREATE OR REPLACE FUNCTION normalize_call_status(status text, provider text = NULL)
    RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS 'SELECT lower(status)';
TABLE faults;
ROLLBACK;
BEGIN;
CREATE OR REPLACE FUNCTION is_valid_status_transition(current_status text, next_status text, transitions jsonb = NULL)
    RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS 'SELECT current_status = ''ringing'' OR current_status = next_status';
TABLE faults;
ROLLBACK;
BEGIN;
CREATE OR REPLACE FUNCTION sanitize_call_payload(payload text, policy jsonb = NULL) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS 'SELECT payload::jsonb - ''transcription_text''';
TABLE faults;
ROLLBACK;

-- The extension's own objects
BEGIN;
SET LOCAL allow_system_table_mods = on;
UPDATE pg_database SET encoding = 8 WHERE datname = current_database();
SELECT * FROM faults WHERE check_name = 'encoding';
ROLLBACK;
BEGIN;
ALTER TABLE _callhardening.lanes ADD note text;
TABLE faults;
ALTER TABLE _callhardening.lanes DROP note;
TABLE faults;
ROLLBACK;
BEGIN;
ALTER TABLE _callhardening.purges RENAME TO old_purges;
TABLE faults;
CREATE VIEW _callhardening.purges AS SELECT * FROM _callhardening.old_purges;
TABLE faults;
ROLLBACK;
BEGIN;
ALTER TABLE _callhardening.purges SET UNLOGGED;
ALTER TABLE _callhardening.lanes ENABLE ROW LEVEL SECURITY;
TABLE faults;
ROLLBACK;
BEGIN;
DROP INDEX _callhardening.idx_retrying_events_due;
CREATE INDEX open_claims ON _callhardening.claims (lane) WHERE state = 'claimed';
TABLE faults;
ROLLBACK;
BEGIN;
ALTER EVENT TRIGGER forget_dropped_call_event_logs DISABLE;
ALTER TABLE _callhardening.claims ENABLE TRIGGER skip_restored_claim;
TABLE faults;
ROLLBACK;
BEGIN;
ALTER EXTENSION callhardening DROP EVENT TRIGGER forget_dropped_call_event_logs;
DROP EVENT TRIGGER forget_dropped_call_event_logs;
DROP TRIGGER mark_restored_log ON _callhardening.logs;
ALTER TABLE _callhardening.logs ENABLE TRIGGER follow_log;
TABLE faults;
ROLLBACK;

-- Rights
BEGIN;
GRANT EXECUTE ON FUNCTION purge_call_issues(interval, int) TO PUBLIC;
TABLE faults;
ROLLBACK;
BEGIN;
GRANT SELECT ON call_issues TO PUBLIC;
GRANT INSERT ON call_event_logs TO PUBLIC;
TABLE faults;
ROLLBACK;
BEGIN;
CREATE ROLE regress_spy;
GRANT SELECT (secret) ON _callhardening.pseudonym_keys TO regress_spy;
TABLE faults;
REVOKE ALL (secret) ON _callhardening.pseudonym_keys FROM regress_spy;
GRANT pg_read_all_data TO regress_spy;
TABLE faults;
GRANT pg_write_all_data TO regress_spy;
TABLE faults;
ROLLBACK;
BEGIN;
ALTER FUNCTION _callhardening.bury_call_event() RESET ALL;
ALTER FUNCTION _callhardening.require_calls_table(regclass) SET search_path = public;
TABLE faults;
ROLLBACK;

-- Logs, issues and autovacuum
BEGIN;
ALTER TABLE shop.calls DISABLE TRIGGER validate_hardened_call;
DROP INDEX shop.idx_call_events_lane;
TABLE faults;
ROLLBACK;
BEGIN;
DELETE FROM _callhardening.lanes WHERE lane = 5;
TABLE faults;
ROLLBACK;
BEGIN;
ALTER TABLE _callhardening.claims SET (autovacuum_enabled = off);
ALTER TABLE _callhardening.claims RESET (autovacuum_vacuum_scale_factor);
ALTER TABLE shop.calls SET (autovacuum_enabled = false);
TABLE faults;
ROLLBACK;
BEGIN;
SELECT ingest_call_event('[]'::jsonb), ingest_call_event('{"call_id": 1}'::jsonb);
UPDATE shop.call_events SET received_at = '2020-01-01 12:00 UTC' WHERE call_id IS NULL;
TABLE faults;
UPDATE shop.call_events SET received_at = '2020-01-01 12:00 UTC' WHERE call_id = '1';
TABLE faults;
ROLLBACK;
BEGIN;
INSERT INTO call_issues (happened_at, kind, table_name, occurrences) VALUES ('2020-01-01', 'refused_status', 'shop.calls', 1);
TABLE faults;
INSERT INTO call_issues (happened_at, kind, table_name, detail, occurrences)
SELECT now(), 'refused_status', 'shop.calls', repeat('x', 1000), 1 FROM generate_series(1, 29000);
TABLE faults;
ROLLBACK;

-- If one check fails with an error, this is a fault, and the other checks run.
BEGIN;
ALTER TABLE _callhardening.issues RENAME TO old_issues;
TABLE faults;
ROLLBACK;

-- PUBLIC cannot call the function.
CREATE ROLE regress_reader;
GRANT USAGE ON SCHEMA public TO regress_reader;
SET ROLE regress_reader;
SELECT * FROM check_call_hardening();
RESET ROLE;
DROP OWNED BY regress_reader;
DROP ROLE regress_reader;
SELECT count(*) FROM faults;
\set VERBOSITY terse
DROP SCHEMA shop CASCADE;

-- In an odd schema
DROP EXTENSION callhardening CASCADE;
CREATE SCHEMA "has % space";
CREATE EXTENSION callhardening SCHEMA "has % space";
SELECT "has % space".create_call_tables('public');
SELECT check_name, detail FROM "has % space".check_call_hardening() WHERE NOT ok;
SELECT count(*) FROM "has % space".call_health('calls') WHERE level = 'ok';
SELECT count(*) FROM "has % space".audit_calls('calls') WHERE violations = 0;
CALL "has % space".backfill_calls('calls');
CREATE ROLE regress_odd;
SELECT "has % space".grant_call_role('regress_odd', what)
FROM unnest('{ingest,process,claim,operate,monitor,read,own,backup}'::text[]) AS what;
SELECT "has % space".revoke_call_role('regress_odd', what)
FROM unnest('{ingest,process,claim,operate,monitor,read,own,backup}'::text[]) AS what;
CREATE TABLE hooks (payload jsonb);
SELECT "has % space".harden_call_events('hooks', 'calls');
SELECT "has % space".unharden_call_events('hooks');
DROP TABLE hooks;
DROP OWNED BY regress_odd;
DROP ROLE regress_odd;
DROP TABLE calls, call_events;
DROP EXTENSION callhardening;
DROP SCHEMA "has % space";
CREATE EXTENSION callhardening;

-- Owners, rights and properties of the extension's objects
SELECT create_call_tables('public');
CREATE VIEW faults AS SELECT check_name, detail FROM check_call_hardening() WHERE NOT ok;
CREATE ROLE regress_spy;
TABLE faults;
BEGIN;
ALTER FUNCTION harden_calls(regclass, name, name, name, name, text, jsonb, jsonb, text) SECURITY DEFINER;
ALTER FUNCTION purge_call_issues SECURITY INVOKER;
TABLE faults;
ROLLBACK;
BEGIN;
ALTER FUNCTION _callhardening.validate_hardened_call() OWNER TO regress_spy;
ALTER TABLE _callhardening.lanes OWNER TO regress_spy;
SELECT check_name, replace(detail, 'not of ' || quote_ident(current_user), 'not of postgres') FROM faults;
ROLLBACK;
BEGIN;
ALTER EXTENSION callhardening DROP VIEW call_horizon;
TABLE faults;
ALTER VIEW call_lane_status RENAME TO lanes;
TABLE faults;
ROLLBACK;
BEGIN;
ALTER FUNCTION sanitize_call_payload(text, jsonb) VOLATILE;
ALTER FUNCTION normalize_call_status(text, text) STABLE;
ALTER FUNCTION call_health(regclass, boolean) IMMUTABLE;
TABLE faults;
ROLLBACK;
DROP ROLE regress_spy;
DROP VIEW faults;
DROP TABLE calls, call_events;
