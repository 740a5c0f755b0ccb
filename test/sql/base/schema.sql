\set SHOW_CONTEXT never
-- The extension finds its tables by the name of its schema. After a rename an attacker could create the old name again.
\set here :DBNAME
SET client_min_messages = warning;
CREATE ROLE regress_call_planter;
CREATE DATABASE regress_callhardening_schema ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
GRANT CREATE ON DATABASE regress_callhardening_schema TO regress_call_planter;
\c regress_callhardening_schema
CREATE SCHEMA hardening AUTHORIZATION regress_call_planter;
CREATE EXTENSION callhardening SCHEMA hardening;
CREATE SCHEMA other;
CREATE SCHEMA telephone;
SELECT hardening.create_call_tables('telephone');
-- Neither the schema's owner nor a superuser can rename it.
SET ROLE regress_call_planter;
ALTER SCHEMA hardening RENAME TO elsewhere;
ALTER SCHEMA hardening OWNER TO regress_call_planter; -- already the owner: nothing changes
RESET ROLE;
ALTER SCHEMA hardening RENAME TO elsewhere;
ALTER SCHEMA hardening OWNER TO CURRENT_USER;
DO $$ BEGIN ALTER SCHEMA hardening RENAME TO elsewhere; END $$;
SET session_replication_role = replica;
ALTER SCHEMA hardening RENAME TO elsewhere;
RESET session_replication_role;
ALTER EXTENSION callhardening SET SCHEMA other;
DROP SCHEMA hardening;
-- The internal schema cannot be renamed either.
ALTER SCHEMA _callhardening RENAME TO elsewhere;
ALTER SCHEMA _callhardening OWNER TO regress_call_planter;
DROP SCHEMA _callhardening;
-- A role with every task and the right to create schemas can create nothing in it.
SELECT hardening.grant_call_role('regress_call_planter', what)
FROM unnest('{ingest,process,claim,operate,monitor,read,own,backup}'::text[]) AS what;
SET ROLE regress_call_planter;
CREATE SCHEMA _callhardening;
CREATE TABLE _callhardening.planted ();
CREATE VIEW _callhardening.planted AS SELECT 1;
CREATE SEQUENCE _callhardening.planted;
CREATE TYPE _callhardening.planted AS ENUM ();
CREATE FUNCTION _callhardening.planted() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION _callhardening.log_number(log oid) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE OPERATOR _callhardening.= (FUNCTION = pg_catalog.int4eq, LEFTARG = int, RIGHTARG = int);
CREATE INDEX ON _callhardening.logs (lanes);
CREATE TRIGGER planted BEFORE INSERT ON _callhardening.my_logs EXECUTE FUNCTION suppress_redundant_updates_trigger();
ALTER SCHEMA _callhardening RENAME TO elsewhere;
GRANT CREATE ON SCHEMA _callhardening TO PUBLIC;
ALTER FUNCTION hardening.harden_calls SET SCHEMA _callhardening;
CREATE FUNCTION pg_temp.planted() RETURNS int LANGUAGE sql AS 'SELECT 1';
ALTER FUNCTION pg_temp.planted() SET SCHEMA _callhardening;
RESET ROLE;
SELECT has_schema_privilege('regress_call_planter', '_callhardening', 'USAGE') AS uses,
    has_schema_privilege('regress_call_planter', '_callhardening', 'CREATE') AS creates,
    has_schema_privilege('public', '_callhardening', 'USAGE, CREATE') AS anybody;
-- The self-test names other roles with the right to create.
SELECT ok, detail FROM hardening.check_call_hardening() WHERE check_name = 'own_schema';
BEGIN;
GRANT CREATE ON SCHEMA _callhardening TO regress_call_planter;
GRANT USAGE ON SCHEMA _callhardening TO PUBLIC;
SELECT ok, detail FROM hardening.check_call_hardening() WHERE check_name = 'own_schema';
ROLLBACK;
SELECT hardening.revoke_call_role('regress_call_planter', what)
FROM unnest('{ingest,process,claim,operate,monitor,read,own,backup}'::text[]) AS what;
-- PUBLIC can use its functions without a right on the schema.
GRANT USAGE ON SCHEMA hardening TO regress_call_planter;
SET ROLE regress_call_planter;
SELECT count(*) AS logs FROM hardening.call_event_logs;
SELECT hardening.normalize_call_direction('in'), hardening.call_event_log_channel() LIKE 'callhardening_%' AS channel;
SELECT * FROM _callhardening.logs;
SELECT _callhardening.log_number(NULL);
RESET ROLE;
-- Other schemas can be renamed.
ALTER SCHEMA other RENAME TO another;
ALTER SCHEMA another OWNER TO regress_call_planter;
ALTER SCHEMA telephone RENAME TO calls;
SELECT hardening.ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb) IS NOT NULL AS ingested;
SELECT applied FROM hardening.process_call_events();
DROP TABLE calls.call_events;
SELECT count(*) AS logs FROM hardening.call_event_logs;
-- The self-test finds a missing guard.
SELECT ok, detail FROM hardening.check_call_hardening() WHERE check_name = 'event_triggers';
ALTER EVENT TRIGGER keep_call_schema DISABLE;
SELECT ok, detail FROM hardening.check_call_hardening() WHERE check_name = 'event_triggers';
ALTER EXTENSION callhardening DROP EVENT TRIGGER keep_call_schema;
DROP EVENT TRIGGER keep_call_schema;
SELECT ok, detail FROM hardening.check_call_hardening() WHERE check_name = 'event_triggers';
-- DROP SCHEMA ... CASCADE drops the extension, and nothing of it stays.
DROP SCHEMA hardening CASCADE;
SELECT count(*) AS triggers FROM pg_trigger WHERE tgname ~ 'call';
SELECT count(*) AS event_triggers FROM pg_event_trigger;
CREATE TABLE calls.plain (); DROP TABLE calls.plain;
INSERT INTO calls.calls (dialpad_call_id, status) VALUES (2, 'any');
CREATE EXTENSION callhardening SCHEMA public;
SELECT count(*) AS event_triggers FROM pg_event_trigger;
ALTER SCHEMA public RENAME TO private;
DROP EXTENSION callhardening;
-- CREATE EXTENSION does not use an existing schema of this name.
SET ROLE regress_call_planter;
CREATE SCHEMA _callhardening;
RESET ROLE;
CREATE EXTENSION callhardening SCHEMA public;
DROP SCHEMA _callhardening;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC;
CREATE EXTENSION callhardening SCHEMA public;
SELECT has_schema_privilege('public', '_callhardening', 'USAGE, CREATE') AS anybody;
DROP EXTENSION callhardening;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM PUBLIC;
ALTER SCHEMA public RENAME TO private;
\c :here
DROP DATABASE regress_callhardening_schema;
DROP ROLE regress_call_planter;
