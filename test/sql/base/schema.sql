\set SHOW_CONTEXT never
-- The extension finds its tables by the name of its schema. If the schema got another name, somebody could make the old one anew.
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
-- by its owner, and by a superuser
SET ROLE regress_call_planter;
ALTER SCHEMA hardening RENAME TO elsewhere;
ALTER SCHEMA hardening OWNER TO regress_call_planter; -- his already: nothing changes
RESET ROLE;
ALTER SCHEMA hardening RENAME TO elsewhere;
ALTER SCHEMA hardening OWNER TO CURRENT_USER;
DO $$ BEGIN ALTER SCHEMA hardening RENAME TO elsewhere; END $$;
SET session_replication_role = replica;
ALTER SCHEMA hardening RENAME TO elsewhere;
RESET session_replication_role;
ALTER EXTENSION callhardening SET SCHEMA other;
DROP SCHEMA hardening;
-- other schemas are none of its business
ALTER SCHEMA other RENAME TO another;
ALTER SCHEMA another OWNER TO regress_call_planter;
ALTER SCHEMA telephone RENAME TO calls;
SELECT hardening.ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb) IS NOT NULL AS ingested;
SELECT applied FROM hardening.process_call_events();
DROP TABLE calls.call_events;
SELECT count(*) AS logs FROM hardening.call_event_logs;
-- the self-test knows the guard
SELECT ok, detail FROM hardening.check_call_hardening() WHERE check_name = 'event_triggers';
ALTER EVENT TRIGGER keep_call_schema DISABLE;
SELECT ok, detail FROM hardening.check_call_hardening() WHERE check_name = 'event_triggers';
ALTER EXTENSION callhardening DROP EVENT TRIGGER keep_call_schema;
DROP EVENT TRIGGER keep_call_schema;
SELECT ok, detail FROM hardening.check_call_hardening() WHERE check_name = 'event_triggers';
-- whoever drops the schema with all that depends on it drops the extension, and nothing of it stays
DROP SCHEMA hardening CASCADE;
SELECT count(*) AS triggers FROM pg_trigger WHERE tgname ~ 'call';
SELECT count(*) AS event_triggers FROM pg_event_trigger;
CREATE TABLE calls.plain (); DROP TABLE calls.plain;
INSERT INTO calls.calls (dialpad_call_id, status) VALUES (2, 'any');
CREATE EXTENSION callhardening SCHEMA public;
SELECT count(*) AS event_triggers FROM pg_event_trigger;
ALTER SCHEMA public RENAME TO private;
DROP EXTENSION callhardening;
ALTER SCHEMA public RENAME TO private;
\c :here
DROP DATABASE regress_callhardening_schema;
DROP ROLE regress_call_planter;
