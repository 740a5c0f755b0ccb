\set SHOW_CONTEXT never
-- Each task gets exactly the rights it needs.
CREATE SCHEMA "Tele phone";
SELECT create_call_tables('Tele phone');
CREATE ROLE "regress call ingest";
CREATE ROLE regress_call_process LOGIN;
CREATE ROLE regress_call_claim;
CREATE ROLE regress_call_operate;
CREATE ROLE regress_call_read;
\pset format unaligned
SELECT what, grants.* FROM unnest('{ingest,process,claim,operate,monitor,read}'::text[]) AS what, call_role_grants(what) AS grants
ORDER BY what, object COLLATE "C";
\pset format aligned
SELECT grant_call_role('"regress call ingest"', 'ingest');
SELECT grant_call_role('regress_call_process', 'process');
SELECT grant_call_role('regress_call_claim', 'claim');
SELECT grant_call_role('regress_call_operate', 'operate', '"Tele phone".call_events');
SELECT grant_call_role('regress_call_read', 'read');

-- Invalid arguments
SELECT grant_call_role(NULL, 'read');
SELECT grant_call_role('regress_call_read', 'everything');
SELECT grant_call_role('regress_call_read', NULL);
SELECT grant_call_role('regress_call_read', 'read', 'pg_class');
SELECT grant_call_role('regress_call_nobody', 'read');
SELECT revoke_call_role(NULL, 'read');

-- Each role does its task.
SET ROLE "regress call ingest";
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb),
    ingest_call_event('{"call_id": 2, "state": "ringing"}', event_key => 'k');
SELECT process_call_events();
SELECT count(*) FROM claim_call_events();
SELECT count(*) FROM "Tele phone".calls;
DELETE FROM "Tele phone".call_events;
-- The role cannot choose an event number: a low one would be in the way of later events.
INSERT INTO "Tele phone".call_events (event_seq, payload) OVERRIDING SYSTEM VALUE VALUES (3, '{"call_id": 1, "state": "hangup"}');
INSERT INTO "Tele phone".call_events (event_lane, event_xid, payload) VALUES (0, '1', '{"call_id": 1, "state": "hangup"}');
\copy "Tele phone".call_events (event_seq, payload) FROM /dev/null
INSERT INTO "Tele phone".call_events (event_type, received_at, payload)
    VALUES ('hangup', now(), '{"call_id": 9, "state": "hangup"}') RETURNING event_seq;
RESET ROLE;
-- The owner of the log can choose the number.
INSERT INTO "Tele phone".call_events (event_seq, payload) OVERRIDING SYSTEM VALUE VALUES (1000000, '{"call_id": 1}') RETURNING event_seq;
DELETE FROM "Tele phone".call_events WHERE event_seq = 1000000;
SET ROLE regress_call_claim;
SELECT count(*) AS claimed, min(outcome) AS outcome FROM claim_call_events(1), complete_call_events(ARRAY[claim_id]);
SELECT ingest_call_event('{"call_id": 3}'::jsonb);
UPDATE "Tele phone".call_events SET payload = '{}';
TABLE _callhardening.claims;
SET ROLE regress_call_process;
SELECT * FROM process_call_events();
SELECT start_call_worker(), stop_call_worker();
SELECT ingest_call_event('{"call_id": 3}'::jsonb);
DELETE FROM "Tele phone".calls;
SET ROLE regress_call_operate;
SELECT pending_estimate, open_claims, dead FROM call_event_log_status;
SELECT count(*) FROM call_dead_events;
SELECT retry_dead_call_events(), purge_call_events('1 hour');
SELECT configure_call_event_log(notify => false);
-- All queries of a monitor
SELECT count(*) FROM call_lane_status;
SELECT count(*) FROM call_open_claims;
SELECT count(*) >= 0 AS readable FROM call_horizon;
SELECT count(*) FROM call_retrying_events;
SELECT count(*) >= 0 AS readable FROM call_issues;
SELECT count(*) FROM call_backfill_progress;
SELECT relation, level, gap FROM call_enforcement;
SELECT figure, level FROM call_health('"Tele phone".calls') WHERE figure IN ('calls', 'duplicates', 'pending');
SELECT figure FROM call_health('"Tele phone".calls', exact => true) WHERE figure = 'calls';
SELECT check_name, violations FROM audit_calls('"Tele phone".calls') WHERE check_name IN ('unique_call_id', 'triggers', 'stuck_ringing');
SELECT purge_call_issues('1 hour');
SELECT * FROM release_call_events(ARRAY[1]);
-- The role has no right to lock a table of the extension.
SELECT c.relname FROM pg_class AS c JOIN pg_depend AS d ON d.objid = c.oid AND d.deptype = 'e'
JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'callhardening' WHERE has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE');
SELECT stop_call_worker();
-- The role can do nothing else.
SELECT process_call_events();
SELECT start_call_worker();
SELECT count(*) FROM claim_call_events();
SELECT ingest_call_event('{"call_id": 3}'::jsonb);
UPDATE "Tele phone".calls SET status = 'ended';
DELETE FROM "Tele phone".calls;
DELETE FROM call_issues;
DELETE FROM call_dead_events;
UPDATE "Tele phone".call_events SET payload = '{}';
SELECT harden_calls('"Tele phone".calls');
TABLE _callhardening.pseudonym_keys;
TABLE _callhardening.event_secrets;
SET ROLE regress_call_read;
SELECT count(*) FROM "Tele phone".calls;
SELECT on_invalid FROM call_settings('"Tele phone".calls');
SELECT count(*) FROM "Tele phone".call_events;
UPDATE "Tele phone".calls SET status = 'ended';
SELECT grant_call_role('regress_call_read', 'operate');
RESET ROLE;

-- Processing respects row-level security of the calls table. If a policy forbids a row, only its event fails.
SELECT configure_call_event_log(retry_base => '0');
ALTER TABLE "Tele phone".calls ENABLE ROW LEVEL SECURITY;
CREATE POLICY odd ON "Tele phone".calls TO regress_call_process USING (dialpad_call_id % 2 = 1);
SELECT count(ingest_call_event(format('{"call_id": %s, "state": "connected"}', id))) FROM generate_series(11, 14) AS id;
SET ROLE regress_call_process;
SELECT * FROM process_call_events();
RESET ROLE;
SELECT dialpad_call_id, status FROM "Tele phone".calls WHERE dialpad_call_id > 10 ORDER BY 1;
SELECT call_id, attempts, errors #>> '{0,sqlstate}' AS sqlstate, errors #>> '{0,error}' AS error FROM call_retrying_events ORDER BY 1;
-- The event is retried and dies in the end. A later event of its call waits behind it.
SELECT ingest_call_event('{"call_id": 12, "state": "hangup"}'::jsonb) IS NOT NULL AS ingested;
SELECT configure_call_event_log(max_attempts => 3);
SET ROLE regress_call_process;
SELECT sum(applied) AS applied, sum(failed) > 3 AS failed FROM generate_series(1000, 1010) AS most, process_call_events(most);
RESET ROLE;
SELECT call_id, attempts, sqlstate, error FROM call_dead_events WHERE call_id IN ('12', '14') ORDER BY 1, 2;
-- The role may see a row and not update it. Another row would become forbidden by the update.
CREATE POLICY see ON "Tele phone".calls FOR SELECT TO regress_call_process USING (true);
CREATE POLICY add ON "Tele phone".calls FOR INSERT TO regress_call_process WITH CHECK (true);
ALTER POLICY odd ON "Tele phone".calls USING (dialpad_call_id <> 11) WITH CHECK (status <> 'ended');
SELECT count(ingest_call_event(format('{"call_id": %s, "state": "hangup", "event_timestamp": 1767225700000}', id)))
FROM generate_series(11, 14) AS id;
SELECT count(ingest_call_event('{"call_id": 15, "state": "connected"}'));
SET ROLE regress_call_process;
SELECT sum(applied) AS applied, sum(failed) AS failed FROM generate_series(1000, 1010) AS most, process_call_events(most);
RESET ROLE;
SELECT call_id, sqlstate, error FROM call_dead_events WHERE call_id IN ('11', '13') ORDER BY 1;
ALTER POLICY odd ON "Tele phone".calls USING (true) WITH CHECK (true);
SELECT retry_dead_call_events();
SET ROLE regress_call_process;
SET client_min_messages = error; -- the order of refusals varies
SELECT sum(applied) > 0 AS applied, sum(failed) AS failed FROM generate_series(1000, 1010) AS most, process_call_events(most);
RESET client_min_messages;
RESET ROLE;
SELECT dialpad_call_id, status FROM "Tele phone".calls WHERE dialpad_call_id > 10 ORDER BY 1;
SELECT count(*) FROM call_retrying_events;

-- If the role lacks a right, the call fails and all events stay pending. The right is on the table, or used by its trigger.
SELECT count(ingest_call_event(format('{"call_id": %s, "state": "connected"}', id))) FROM generate_series(21, 24) AS id;
REVOKE UPDATE ON "Tele phone".calls FROM regress_call_process;
SET ROLE regress_call_process;
SELECT * FROM process_call_events();
RESET ROLE;
GRANT UPDATE ON "Tele phone".calls TO regress_call_process;
REVOKE INSERT ON "Tele phone".calls FROM regress_call_process;
SET ROLE regress_call_process;
SELECT * FROM process_call_events();
RESET ROLE;
GRANT INSERT ON "Tele phone".calls TO regress_call_process;
CREATE TABLE "Tele phone".journal (id bigint);
CREATE FUNCTION "Tele phone".keep_journal() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO "Tele phone".journal VALUES (NEW.dialpad_call_id); RETURN NULL; END $$;
CREATE TRIGGER keep_journal AFTER INSERT ON "Tele phone".calls FOR EACH ROW EXECUTE FUNCTION "Tele phone".keep_journal();
SET ROLE regress_call_process;
SELECT * FROM process_call_events();
RESET ROLE;
SELECT count(*) FROM call_retrying_events;
SELECT sum(pending) FROM pending_call_events(exact => true);
DROP TRIGGER keep_journal ON "Tele phone".calls;
SET ROLE regress_call_process;
SELECT * FROM process_call_events();
RESET ROLE;

-- Existing tables: numbers from a sequence, and a column for processed events
CREATE SCHEMA old;
CREATE TABLE old.calls (id serial PRIMARY KEY, dialpad_call_id bigint UNIQUE, status text, direction text);
CREATE TABLE old.hooks (id serial PRIMARY KEY, payload jsonb, processed_at timestamp, received_at timestamp);
INSERT INTO old.hooks (payload) SELECT format('{"call_id": %s, "state": "ringing"}', i)::jsonb FROM generate_series(1, 64) AS i;
SELECT harden_calls('old.calls'),
    harden_call_events('old.hooks', 'old.calls', received_at_column => 'received_at', processed_at_column => 'processed_at');
SELECT what, grants.*
FROM unnest('{ingest,process,claim,operate,monitor,read}'::text[]) AS what, call_role_grants(what, 'old.hooks') AS grants
WHERE object ~ ' old\.' ORDER BY what, object COLLATE "C", privileges;
SELECT what, grant_call_role(role, what, 'old.hooks')
FROM (VALUES ('"regress call ingest"'::regrole, 'ingest'), ('regress_call_process', 'process'),
    ('regress_call_claim', 'claim'), ('regress_call_operate', 'operate'), ('regress_call_read', 'read')) AS r (role, what);
SET ROLE "regress call ingest";
SELECT ingest_call_event('{"call_id": 65, "state": "ringing"}'::jsonb,
    'old.hooks') = ingest_call_event('{"call_id": 65, "state": "ringing"}'::text, 'old.hooks') AS once;
INSERT INTO old.hooks (payload, received_at) VALUES ('{"call_id": 66, "state": "ringing"}', now());
UPDATE old.hooks SET processed_at = now();
SELECT nextval('old.calls_id_seq');
SET ROLE regress_call_claim;
SELECT array_agg(DISTINCT claim_id) AS claims, (array_agg(claim_id))[1] AS claim_id, (array_agg(event_seq))[1] AS event_seq
FROM claim_call_events(8, log => 'old.hooks') \gset
SELECT fail_call_event(:claim_id, :event_seq, 'not today', '1 hour');
SELECT DISTINCT outcome FROM complete_call_events(:'claims');
SELECT count(processed_at) > 0 AS set FROM old.hooks;
UPDATE old.hooks SET processed_at = now(), payload = '{}';
SELECT count(*) FROM old.calls;
SET ROLE regress_call_process;
SELECT sum(applied) > 30 AS applied, sum(failed) AS failed FROM generate_series(1000, 1030) AS most, process_call_events(most, 'old.hooks');
UPDATE old.hooks SET payload = '{}';
SELECT nextval('old.hooks_id_seq');
SET ROLE regress_call_operate;
SELECT retrying, dead FROM call_event_log_status WHERE log = 'old.hooks'::regclass;
SELECT check_name FROM audit_calls('old.calls') WHERE violations IS NULL ORDER BY 1;
SELECT purge_call_events('0', 'old.hooks') > 0 AS purged;
UPDATE old.hooks SET processed_at = now();
SET ROLE regress_call_read;
SELECT count(*) > 0 AS calls FROM old.calls;
SELECT count(*) FROM old.hooks;
RESET ROLE;
SELECT count(*) > 0 AS applied FROM old.calls;
SELECT what, revoke_call_role(role, what, 'old.hooks')
FROM (VALUES ('"regress call ingest"'::regrole, 'ingest'), ('regress_call_process', 'process'),
    ('regress_call_claim', 'claim'), ('regress_call_operate', 'operate'), ('regress_call_read', 'read')) AS r (role, what);
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'old.hooks'::regclass AND attname = 'processed_at';
SET client_min_messages = error;
DROP SCHEMA old CASCADE;
RESET client_min_messages;

-- After the revoke only USAGE on the schemas is left.
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

-- The backup role reads all logs, and only objects of a dump.
SELECT * FROM call_role_grants('backup') ORDER BY object COLLATE "C";
SELECT count(*) FROM call_role_grants('backup', 'pg_class');

SET client_min_messages = error;
DROP SCHEMA "Tele phone" CASCADE;
DROP OWNED BY "regress call ingest", regress_call_process, regress_call_claim, regress_call_operate, regress_call_read;
DROP ROLE "regress call ingest", regress_call_process, regress_call_claim, regress_call_operate, regress_call_read;

-- A log was unhardened. Its tasks can still be revoked, except rights on its tables.
RESET client_min_messages;
CREATE ROLE regress_call_late;
CREATE TABLE late_calls (dialpad_call_id bigint UNIQUE, status text, direction text);
CREATE TABLE late_hooks (payload jsonb, processed_at timestamptz);
SELECT count(*) FROM call_event_logs;
SELECT harden_calls('late_calls');
SELECT harden_call_events('late_hooks', 'late_calls', processed_at_column => 'processed_at');
SELECT what, grant_call_role('regress_call_late', what) FROM unnest('{ingest,process,claim,operate,monitor,read}'::text[]) AS what;
SELECT unharden_call_events('late_hooks');
SELECT * FROM call_role_grants('process');
SELECT grant_call_role('regress_call_late', 'process');
SELECT revoke_call_role('regress_call_late', 'nothing');
SELECT revoke_call_role('regress_call_late', 'process');
SELECT revoke_call_role('regress_call_late', 'operate', 'late_hooks');
SELECT what, revoke_call_role('regress_call_late', what) FROM unnest('{ingest,claim,monitor,read}'::text[]) AS what;
SELECT count(*) FROM pg_proc, aclexplode(proacl) WHERE grantee = 'regress_call_late'::regrole;
SELECT c.oid::regclass, string_agg(privilege_type, ', ' ORDER BY privilege_type)
FROM pg_class c, aclexplode(relacl) WHERE grantee = 'regress_call_late'::regrole GROUP BY 1 ORDER BY 1::text;
SELECT unharden_calls('late_calls');
DROP TABLE late_calls, late_hooks;
DROP OWNED BY regress_call_late;
DROP ROLE regress_call_late;
