\set SHOW_CONTEXT never
-- What roles are granted for their tasks, and that it is enough and no more.
CREATE SCHEMA "Tele phone";
SELECT create_call_tables('Tele phone');
CREATE ROLE "regress call ingest";
CREATE ROLE regress_call_process;
CREATE ROLE regress_call_claim;
CREATE ROLE regress_call_operate;
CREATE ROLE regress_call_read;
SELECT what, grants.* FROM unnest('{ingest,process,claim,operate,read}'::text[]) AS what, call_role_grants(what) AS grants ORDER BY what, object COLLATE "C";
SELECT grant_call_role('"regress call ingest"', 'ingest');
SELECT grant_call_role('regress_call_process', 'process');
SELECT grant_call_role('regress_call_claim', 'claim');
SELECT grant_call_role('regress_call_operate', 'operate', '"Tele phone".call_events');
SELECT grant_call_role('regress_call_read', 'read');

-- refused
SELECT grant_call_role(NULL, 'read');
SELECT grant_call_role('regress_call_read', 'everything');
SELECT grant_call_role('regress_call_read', NULL);
SELECT grant_call_role('regress_call_read', 'read', 'pg_class');
SELECT grant_call_role('regress_call_nobody', 'read');
SELECT revoke_call_role(NULL, 'read');

-- each does what it is for
SET ROLE "regress call ingest";
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb), ingest_call_event('{"call_id": 2, "state": "ringing"}', event_key => 'k');
SELECT process_call_events();
SELECT count(*) FROM claim_call_events();
SELECT count(*) FROM "Tele phone".calls;
DELETE FROM "Tele phone".call_events;
SET ROLE regress_call_claim;
SELECT count(*) AS claimed, min(outcome) AS outcome FROM claim_call_events(1), complete_call_events(ARRAY[claim_id]);
SELECT ingest_call_event('{"call_id": 3}'::jsonb);
UPDATE "Tele phone".call_events SET payload = '{}';
TABLE call_claims;
SET ROLE regress_call_process;
SELECT * FROM process_call_events();
SELECT ingest_call_event('{"call_id": 3}'::jsonb);
DELETE FROM "Tele phone".calls;
SET ROLE regress_call_operate;
SELECT pending_estimate, open_claims, dead FROM call_log_status;
SELECT count(*) FROM call_dead_events;
SELECT retry_dead_call_events(), purge_call_events('1 hour');
SELECT configure_call_log(notify => false);
SELECT process_call_events();
SELECT count(*) FROM "Tele phone".calls;
TABLE call_pseudonym_keys;
TABLE call_event_secrets;
SET ROLE regress_call_read;
SELECT count(*) FROM "Tele phone".calls;
SELECT on_invalid FROM call_settings('"Tele phone".calls');
SELECT count(*) FROM "Tele phone".call_events;
UPDATE "Tele phone".calls SET status = 'ended';
SELECT grant_call_role('regress_call_read', 'operate');
RESET ROLE;

-- row-level security of the calls table is honoured by processing: like a missing right, what a policy forbids fails the call
-- of the function, and leaves everything pending
ALTER TABLE "Tele phone".calls ENABLE ROW LEVEL SECURITY;
CREATE POLICY odd ON "Tele phone".calls TO regress_call_process USING (dialpad_call_id % 2 = 1);
SELECT count(ingest_call_event(format('{"call_id": %s, "state": "connected"}', id))) FROM generate_series(11, 14) AS id;
SET ROLE regress_call_process;
SELECT * FROM process_call_events();
RESET ROLE;
SELECT dialpad_call_id, status FROM "Tele phone".calls WHERE dialpad_call_id > 10 ORDER BY 1;
ALTER POLICY odd ON "Tele phone".calls USING (dialpad_call_id > 10);
SET ROLE regress_call_process;
SELECT * FROM process_call_events();
RESET ROLE;
SELECT dialpad_call_id, status FROM "Tele phone".calls WHERE dialpad_call_id > 10 ORDER BY 1;

-- and back: nothing is left but the way into the schemas
SELECT revoke_call_role('"regress call ingest"', 'ingest');
SELECT revoke_call_role('regress_call_process', 'process');
SELECT revoke_call_role('regress_call_claim', 'claim');
SELECT revoke_call_role('regress_call_operate', 'operate');
SELECT revoke_call_role('regress_call_read', 'read');
SELECT r.rolname, g.privilege_type, g.object FROM pg_roles r JOIN (
    SELECT grantee, privilege_type, p.oid::regprocedure::text AS object FROM pg_proc p, aclexplode(proacl)
    UNION ALL SELECT grantee, privilege_type, c.oid::regclass::text FROM pg_class c, aclexplode(relacl)
    UNION ALL SELECT grantee, privilege_type, n.nspname FROM pg_namespace n, aclexplode(nspacl)) g ON g.grantee = r.oid
WHERE r.rolname LIKE 'regress%call%' ORDER BY 1, 2, 3;

SET client_min_messages = error;
DROP SCHEMA "Tele phone" CASCADE;
DROP OWNED BY "regress call ingest", regress_call_process, regress_call_claim, regress_call_operate, regress_call_read;
DROP ROLE "regress call ingest", regress_call_process, regress_call_claim, regress_call_operate, regress_call_read;
