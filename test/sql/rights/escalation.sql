\set SHOW_CONTEXT never
-- An administrator manages the tables of a tenant. No code of the tenant runs with the administrator's rights. Each
-- function of the tenant records its current role. With a superuser's rights it makes the tenant a superuser.
SET client_min_messages = warning;
CREATE ROLE regress_call_tenant;
CREATE ROLE regress_call_watcher;
CREATE ROLE regress_call_member;
GRANT regress_call_tenant TO regress_call_member;
CREATE SCHEMA tenant AUTHORIZATION regress_call_tenant;
GRANT USAGE ON SCHEMA _callhardening TO regress_call_watcher;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public, _callhardening TO regress_call_watcher;
REVOKE EXECUTE ON FUNCTION _callhardening.count_hidden_calls FROM regress_call_watcher; -- of the task monitor
GRANT USAGE ON SCHEMA tenant TO regress_call_watcher;
-- The record is a sequence, so it survives an error and a rollback. A role with the right to read it may advance it.
SET ROLE regress_call_tenant;
CREATE SEQUENCE tenant.ran;
CREATE SEQUENCE tenant.escalated;
GRANT USAGE ON SEQUENCE tenant.ran, tenant.escalated TO PUBLIC;
CREATE FUNCTION tenant.note() RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY INVOKER AS $$
BEGIN
    PERFORM pg_catalog.nextval('tenant.ran');
    IF current_user <> 'regress_call_tenant' THEN
        PERFORM pg_catalog.nextval('tenant.escalated');
    END IF;
    RETURN true;
END
$$;
-- The functions claim to be IMMUTABLE, so that the planner runs them as well.
CREATE FUNCTION tenant.f(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM tenant.note(); RETURN value; END $$;
CREATE FUNCTION tenant.f(value int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM tenant.note(); RETURN value; END $$;
CREATE FUNCTION tenant.f(value jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN tenant.note(); END $$;
CREATE FUNCTION tenant.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM tenant.note(); RETURN NEW; END $$;
-- Types: a domain with a check, an enum with casts and operators of its own
CREATE DOMAIN tenant.word AS text CHECK (tenant.f(VALUE) IS NOT DISTINCT FROM VALUE);
CREATE DOMAIN tenant.body AS jsonb CHECK (tenant.f(VALUE));
CREATE TYPE tenant.direction AS ENUM ('inbound', 'outbound', 'in');
CREATE FUNCTION tenant.text(value tenant.direction) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN PERFORM tenant.note(); RETURN pg_catalog.concat(value); END $$;
CREATE CAST (tenant.direction AS text) WITH FUNCTION tenant.text(tenant.direction) AS IMPLICIT;
CREATE FUNCTION tenant.direction(value text) RETURNS tenant.direction LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE d tenant.direction; BEGIN PERFORM tenant.note(); FOREACH d IN ARRAY pg_catalog.enum_range(NULL::tenant.direction) LOOP
    IF pg_catalog.concat(d) = value THEN RETURN d; END IF; END LOOP; RETURN NULL; END $$;
CREATE CAST (text AS tenant.direction) WITH FUNCTION tenant.direction(text) AS ASSIGNMENT;
CREATE FUNCTION tenant.same(a tenant.direction, b text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN tenant.note(); END $$;
CREATE OPERATOR tenant.= (FUNCTION = tenant.same, LEFTARG = tenant.direction, RIGHTARG = text);
CREATE TABLE tenant.calls (
    dialpad_call_id bigint,
    status tenant.word,
    direction tenant.direction,
    raw_payload tenant.body,
    n int DEFAULT tenant.f(1),
    doubled int GENERATED ALWAYS AS (tenant.f(n) * 2) STORED,
    started_at timestamptz,
    CHECK (tenant.f(n) IS NOT NULL)
);
CREATE INDEX ON tenant.calls (tenant.f(n)) WHERE tenant.f(1) = 1;
CREATE INDEX ON tenant.calls ((tenant.f(2)));
CREATE STATISTICS tenant.of_calls ON (tenant.f(n)), (tenant.f(3)) FROM tenant.calls;
CREATE TRIGGER a_fire BEFORE INSERT OR UPDATE ON tenant.calls FOR EACH ROW EXECUTE FUNCTION tenant.fire();
CREATE TRIGGER b_fire AFTER INSERT OR UPDATE ON tenant.calls FOR EACH ROW WHEN (tenant.f(NEW.n) IS NOT NULL) EXECUTE FUNCTION tenant.fire();
CREATE TRIGGER c_fire AFTER UPDATE ON tenant.calls FOR EACH STATEMENT EXECUTE FUNCTION tenant.fire();
CREATE CONSTRAINT TRIGGER d_fire AFTER UPDATE ON tenant.calls DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tenant.fire();
INSERT INTO tenant.calls (dialpad_call_id, status, direction, raw_payload, started_at)
SELECT i, CASE i % 3 WHEN 0 THEN 'ringing' WHEN 1 THEN 'Hangup' ELSE 'odd' END, 'in', '{"password": "x"}', '2020-01-01'
FROM generate_series(1, 9) AS i;
INSERT INTO tenant.calls (dialpad_call_id) VALUES (9), (10);
CREATE TABLE tenant.child (CHECK (tenant.f(n) > 0)) INHERITS (tenant.calls);
-- The policies apply to the owner, and not to the administrator.
ALTER TABLE tenant.calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant.calls FORCE ROW LEVEL SECURITY;
CREATE POLICY odd ON tenant.calls USING (tenant.f(n) = 1);
CREATE TABLE tenant.hooks (id serial, payload jsonb, received_at timestamptz DEFAULT now(), processed_at timestamptz, n int DEFAULT 1,
    doubled int GENERATED ALWAYS AS (tenant.f(n) * 2) STORED, CHECK (tenant.f(n) IS NOT NULL));
CREATE INDEX ON tenant.hooks (tenant.f(id)) WHERE tenant.f(1) = 1;
CREATE TRIGGER a_fire BEFORE INSERT OR UPDATE ON tenant.hooks FOR EACH ROW EXECUTE FUNCTION tenant.fire();
CREATE TRIGGER b_fire AFTER UPDATE ON tenant.hooks FOR EACH ROW EXECUTE FUNCTION tenant.fire();
INSERT INTO tenant.hooks (payload) SELECT format('{"call_id": %s, "state": "ringing"}', i)::jsonb FROM generate_series(1, 5) AS i;
INSERT INTO tenant.hooks (payload) VALUES ('{"text": "no call"}');
CREATE TABLE tenant.parts (LIKE tenant.calls INCLUDING ALL) PARTITION BY RANGE (dialpad_call_id);
CREATE TABLE tenant.part PARTITION OF tenant.parts FOR VALUES FROM (0) TO (1000);
INSERT INTO tenant.parts (dialpad_call_id, status, direction) VALUES (1, 'Hangup', 'in');
RESET ROLE;
-- The control: these functions do run, as the writer and as the planner.
SELECT nextval('tenant.ran') > 50 AS ran, (SELECT is_called FROM tenant.escalated) AS escalated;
BEGIN;
SELECT count(*) FROM tenant.calls WHERE n = 2;
SELECT is_called AS escalated FROM tenant.escalated;
ROLLBACK;
ALTER SEQUENCE tenant.escalated RESTART;
\set told 'SELECT is_called AS escalated FROM tenant.escalated; ALTER SEQUENCE tenant.escalated RESTART;'
-- Each function in a session of its own, without the table in its caches or plans
\c -
SET client_min_messages = error;
\set SHOW_CONTEXT never
SELECT check_name, violations FROM audit_calls('tenant.calls') WHERE violations > 0;
:told
SELECT count(*) FROM audit_calls('tenant.parts');
:told
\c -
SET client_min_messages = error;
\set SHOW_CONTEXT never
SELECT harden_calls('tenant.parts');
SELECT harden_calls('tenant.calls');
:told
\c -
SET client_min_messages = error;
\set SHOW_CONTEXT never
SELECT figure, value FROM call_health('tenant.calls') WHERE figure IN ('calls', 'duplicates', 'directions', 'stuck_calls');
SELECT count(*) > 10 AS looked FROM call_health('tenant.parts', exact => true);
:told
\c -
SET client_min_messages = error;
\set SHOW_CONTEXT never
CALL backfill_calls('tenant.calls');
CALL backfill_calls('tenant.parts');
SELECT calls, state, rows_done, rows_repaired FROM call_backfill_progress WHERE calls::text LIKE 'tenant.%' ORDER BY 1;
:told
SET ROLE regress_call_tenant;
ALTER TABLE tenant.calls NO FORCE ROW LEVEL SECURITY;
DELETE FROM tenant.calls WHERE dialpad_call_id = 9 AND status IS NULL;
RESET ROLE;
SELECT harden_calls('tenant.calls');
\c -
SET client_min_messages = error;
\set SHOW_CONTEXT never
SELECT grant_call_role('regress_call_tenant', 'own');
SET ROLE regress_call_tenant;
CALL prepare_harden_call_events('tenant.hooks', 'tenant.calls', received_at_column => 'received_at', processed_at_column => 'processed_at');
-- Indexes that look like those of the log
CREATE UNIQUE INDEX ON tenant.hooks (event_lane, event_xid, event_seq) WHERE event_lane IS NOT NULL AND tenant.f(1) = 1;
CREATE UNIQUE INDEX ON tenant.hooks (event_seq) WHERE event_seq IS NOT NULL AND tenant.f(1) = 1;
INSERT INTO tenant.hooks (payload) VALUES ('{"call_id": 6, "state": "ringing"}'), ('{"text": "no call"}');
RESET ROLE;
\c -
SET client_min_messages = error;
\set SHOW_CONTEXT never
CALL prepare_harden_call_events('tenant.hooks', 'tenant.calls', received_at_column => 'received_at', processed_at_column => 'processed_at');
:told
\c -
SET client_min_messages = error;
\set SHOW_CONTEXT never
SET ROLE regress_call_tenant;
INSERT INTO tenant.hooks (payload) VALUES ('{"call_id": 7, "state": "ringing"}');
RESET ROLE;
SELECT harden_call_events('tenant.hooks', 'tenant.calls', received_at_column => 'received_at', processed_at_column => 'processed_at');
:told
\c -
SET client_min_messages = error;
\set SHOW_CONTEXT never
SELECT sum(pending) AS pending FROM pending_call_events('tenant.hooks', exact => true);
SELECT figure, value FROM call_health('tenant.calls') WHERE figure = 'pending';
:told
SELECT lane, error FROM call_dead_events;
SELECT ok, detail FROM check_call_hardening() WHERE check_name = 'purge';
SELECT relation, level, gap FROM call_enforcement WHERE relation::text LIKE 'tenant.%' AND level = 'gap';
SELECT figure, level FROM call_health('tenant.calls') WHERE figure = 'calls';
:told
-- A role with SELECT on a table sees only some of its rows. It gets no figure about the others.
GRANT SELECT ON tenant.calls, tenant.parts TO regress_call_watcher;
SET ROLE regress_call_watcher;
SELECT count(*) FROM audit_calls('tenant.calls');
SELECT count(*) FROM call_health('tenant.calls');
SELECT check_name, violations FROM audit_calls('tenant.parts') WHERE check_name = 'repairable_statuses';
-- The role cannot run code as the table's owner: neither a statement, nor a function planted under a name of ours.
SELECT * FROM _callhardening.query_as_owner('tenant.parts', 'SELECT 1', NULL) AS r (n int);
SELECT _callhardening.write_as_owner('tenant.parts', 'DELETE FROM tenant.parts', NULL);
RESET ROLE;
CREATE SCHEMA planted AUTHORIZATION regress_call_watcher;
SET ROLE regress_call_watcher;
CREATE FUNCTION planted.note() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'ran as %', current_user; RETURN 'planted'; END $$;
CREATE FUNCTION planted.concat(tenant.direction) RETURNS text LANGUAGE sql AS 'SELECT planted.note()';
CREATE FUNCTION planted.count(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT planted.note()::bigint';
CREATE FUNCTION planted.pg_column_size(tenant.body) RETURNS int LANGUAGE sql AS 'SELECT planted.note()::int';
SET search_path = planted, public, pg_catalog;
SET client_min_messages = warning;
SELECT count(*) FROM _callhardening.row_groups('tenant.parts', 'status', 'direction', 'raw_payload', '{started_at}', NULL);
SELECT count(*) FROM _callhardening.faulty_rows('tenant.parts', 'dialpad_call_id',
    'status', 'direction', 'raw_payload', '{started_at}', NULL, NULL, NULL);
SELECT count(*) FROM _callhardening.repeated_call_ids('tenant.parts', 'dialpad_call_id');
SELECT _callhardening.held_word('tenant.hooks', 'id', '1');
SELECT _callhardening.repaired_row('Hangup', NULL, NULL, 'tenant.parts');
RESET search_path;
RESET ROLE;
:told
-- A policy hashes. The owner cannot make pseudonyms, but the rows are repaired.
SELECT add_call_pseudonym_key('an unguessable secret of a test.') IS NOT NULL AS added;
SELECT harden_calls('tenant.parts', policy => '{"version": 1, "rules": [{"path": "to", "action": "hash"}]}');
ALTER TABLE tenant.parts DISABLE TRIGGER ALL;
SET ROLE regress_call_tenant;
INSERT INTO tenant.parts (dialpad_call_id, status, raw_payload) VALUES (2, 'ringing', '{"to": "+14155550100"}');
RESET ROLE;
ALTER TABLE tenant.parts ENABLE TRIGGER ALL;
\c -
SET client_min_messages = error;
\set SHOW_CONTEXT never
SELECT violations FROM audit_calls('tenant.parts') WHERE check_name = 'unsanitized_payloads';
CALL backfill_calls('tenant.parts');
SELECT violations FROM audit_calls('tenant.parts') WHERE check_name = 'unsanitized_payloads';
:told
-- A member of the owner is as protected as a superuser.
SELECT grant_call_role('regress_call_member', 'own');
SET ROLE regress_call_tenant;
INSERT INTO tenant.parts (dialpad_call_id, status) VALUES (3, 'ringing');
RESET ROLE;
SELECT harden_calls('tenant.parts', policy => 'null'::jsonb);
\c -
SET client_min_messages = error;
\set SHOW_CONTEXT never
SET ROLE regress_call_member;
SELECT check_name, violations FROM audit_calls('tenant.parts') WHERE violations > 0;
SELECT harden_calls('tenant.parts', on_invalid => 'skip');
CALL backfill_calls('tenant.parts');
RESET ROLE;
:told
DELETE FROM _callhardening.pseudonym_keys;
SELECT unharden_call_events('tenant.hooks');
SELECT unharden_calls('tenant.calls'), unharden_calls('tenant.parts');
:told
-- The role and the search path of these statements
SELECT * FROM _callhardening.query_as_owner('tenant.parts',
    'SELECT current_user, current_setting(''search_path'')', NULL) AS r (role name, path text);
SELECT _callhardening.write_as_owner('tenant.parts', 'TRUNCATE tenant.parts', NULL);
SELECT current_user = session_user AS is_back, current_setting('search_path') AS path;
DROP SCHEMA tenant CASCADE;
DROP OWNED BY regress_call_tenant, regress_call_watcher, regress_call_member;
DROP ROLE regress_call_tenant, regress_call_watcher, regress_call_member;
