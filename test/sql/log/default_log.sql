\set SHOW_CONTEXT never
-- Functions without a log argument use the default log. The first log is the default until it is dropped or another
-- is chosen. A row of a dropped table never becomes the default, nor does a log without rights for its caller.
CREATE ROLE regress_default_owner;
CREATE ROLE regress_default_tenant;
CREATE ROLE regress_default_operator;
CREATE ROLE regress_default_receiver LOGIN;
CREATE SCHEMA one AUTHORIZATION regress_default_owner;
CREATE SCHEMA two AUTHORIZATION regress_default_tenant;
CREATE SCHEMA three;
GRANT USAGE ON SCHEMA one, two, three TO PUBLIC;
SELECT grant_call_role('regress_default_owner', 'own'), grant_call_role('regress_default_tenant', 'own');
CREATE VIEW defaults AS SELECT events, is_default FROM call_event_logs ORDER BY log_id;
CREATE VIEW notes AS SELECT relation, level, gap, detail FROM call_enforcement WHERE gap ~ 'default_log';
GRANT SELECT ON defaults TO PUBLIC;

-- No log, the first log, the second log
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb);
SET ROLE regress_default_owner;
SELECT create_call_tables('one');
SET ROLE regress_default_tenant;
SELECT create_call_tables('two');
RESET ROLE;
TABLE defaults;
TABLE notes;
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb);
SELECT (SELECT count(*) FROM one.call_events) AS one, (SELECT count(*) FROM two.call_events) AS two;

-- A second log takes no events of callers without a log argument. A caller without rights on the default gets an error.
SELECT grant_call_role('regress_default_receiver', what, 'two.call_events') FROM unnest('{ingest,process,claim,operate}'::text[]) AS what;
SET ROLE regress_default_receiver;
\set VERBOSITY sqlstate
SELECT ingest_call_event('{"call_id": 2}'::jsonb);
SELECT process_call_events();
SELECT claim_call_events();
SELECT pending_call_events();
SELECT purge_call_events('0');
SELECT generate_call_events(1);
SELECT start_call_worker();
SELECT retry_dead_call_events();
SELECT configure_call_event_log(notify => true);
SELECT configure_call_event_log(is_default => true);
\set VERBOSITY default
SELECT ingest_call_event('{"call_id": 2}'::jsonb, 'two.call_events');
RESET ROLE;

-- Only a role with the right to configure both logs moves the default.
SET ROLE regress_default_tenant;
SELECT configure_call_event_log('two.call_events', max_attempts => 7);
SELECT configure_call_event_log('two.call_events', is_default => true);
UPDATE _callhardening.operated_logs SET is_default = true;
UPDATE _callhardening.operated_logs SET is_default = NULL WHERE events = 'one.call_events'::regclass;
UPDATE _callhardening.operated_logs SET events = 'one.calls';
SET ROLE regress_default_owner;
SELECT configure_call_event_log('two.call_events', is_default => true);
SELECT configure_call_event_log(is_default => false);
RESET ROLE;
SELECT grant_call_role('regress_default_operator', 'operate', 'one.call_events');
SET ROLE regress_default_operator;
SELECT configure_call_event_log('two.call_events', is_default => true);
RESET ROLE;
TABLE defaults;
SELECT grant_call_role('regress_default_operator', 'operate', 'two.call_events');
SET ROLE regress_default_operator;
SELECT configure_call_event_log('two.call_events', is_default => true);
SELECT configure_call_event_log('two.call_events', is_default => true);
RESET ROLE;
TABLE defaults;
SELECT relation, detail FROM notes;
SELECT configure_call_event_log('one.call_events', is_default => true);

-- The default log is dropped. A single remaining log becomes the default. With several logs none does.
DROP TABLE one.call_events;
TABLE defaults;
SELECT create_call_tables('three');
TABLE defaults;
CREATE TABLE three.more (LIKE three.call_events INCLUDING ALL);
SELECT register_call_event_log('three.more', 'three.calls', 'dialpad', 1);
DROP TABLE two.call_events;
TABLE defaults;
TABLE notes;
-- A log added later does not become the default, and the NOTICE names no log.
CREATE TABLE three.late (LIKE three.call_events INCLUDING ALL);
SELECT register_call_event_log('three.late', 'three.calls', 'dialpad', 1);
DROP TABLE three.late;
\set VERBOSITY terse
SELECT ingest_call_event('{"call_id": 3}'::jsonb);
SELECT process_call_events();
SELECT _callhardening.log_number(NULL);
SELECT configure_call_event_log(max_attempts => 3);
\set VERBOSITY default
SELECT configure_call_event_log('three.more', is_default => true);
TABLE defaults;
-- Unhardening counts as a drop, too.
CREATE TABLE three.hooks (payload jsonb);
SELECT harden_call_events('three.hooks', 'three.calls');
SELECT configure_call_event_log('three.hooks', is_default => true);
SELECT unharden_call_events('three.hooks');
TABLE defaults;
DROP TABLE three.more;
TABLE defaults;

-- A row of a dropped table is no log for any function. It goes when the next log is created.
ALTER EVENT TRIGGER forget_dropped_call_event_logs DISABLE;
CREATE TABLE three.lost (LIKE three.call_events INCLUDING ALL);
SELECT register_call_event_log('three.lost', 'three.calls', 'dialpad', 2);
SELECT configure_call_event_log('three.lost', is_default => true);
DROP TABLE three.lost;
ALTER EVENT TRIGGER forget_dropped_call_event_logs ENABLE ALWAYS;
SELECT count(*), count(is_default) FROM call_event_logs;
SELECT ingest_call_event('{"call_id": 4, "state": "ringing"}'::jsonb);
SELECT log, pending_estimate, error FROM call_event_log_status;
SELECT figure, value FROM call_health('three.calls') WHERE figure = 'pending';
CREATE TABLE three.more (LIKE three.call_events INCLUDING ALL);
SELECT register_call_event_log('three.more', 'three.calls', 'dialpad', 1);
TABLE defaults;
SELECT count(DISTINCT consumer_id) FROM _callhardening.lanes;
-- Another log can also take its place as default.
ALTER EVENT TRIGGER forget_dropped_call_event_logs DISABLE;
DROP TABLE three.call_events;
ALTER EVENT TRIGGER forget_dropped_call_event_logs ENABLE ALWAYS;
SELECT configure_call_event_log('three.more', is_default => true);
SELECT is_default FROM _callhardening.logs WHERE events = 'three.more'::regclass;
DELETE FROM call_event_logs WHERE events NOT IN (SELECT oid FROM pg_class);

-- A log from a dump does not take the place of the default. It becomes the default if there is none.
BEGIN;
INSERT INTO call_event_logs (log_id, events, calls, provider, lanes, system_identifier, is_default) OVERRIDING SYSTEM VALUE
VALUES (9000, 'three.calls', 'three.calls', 'dialpad', 1, 1, true);
TABLE defaults;
ROLLBACK;
BEGIN;
UPDATE call_event_logs SET is_default = NULL;
INSERT INTO call_event_logs (log_id, events, calls, provider, lanes, system_identifier, is_default) OVERRIDING SYSTEM VALUE
VALUES (9000, 'three.calls', 'three.calls', 'dialpad', 1, 1, true);
TABLE defaults;
ROLLBACK;

-- Not an event log: a temporary table, an unlogged one (a crash empties it), a view, a partitioned table
CREATE TEMPORARY TABLE passing (LIKE three.more INCLUDING ALL);
CREATE UNLOGGED TABLE three.fleeting (LIKE three.more INCLUDING ALL);
CREATE TEMPORARY TABLE passing_calls (LIKE three.calls INCLUDING ALL);
CREATE VIEW three.seen AS SELECT * FROM three.more;
CREATE TABLE three.parted (LIKE three.more) PARTITION BY LIST (event_lane);
SELECT harden_calls('passing_calls');
SELECT regexp_replace(settings.call_id_column, '^', 'hardened: ') FROM call_settings('passing_calls') AS settings;
\set VERBOSITY terse
SELECT register_call_event_log('passing', 'three.calls', 'dialpad', 1);
SELECT register_call_event_log('three.fleeting', 'three.calls', 'dialpad', 1);
SELECT register_call_event_log('three.seen', 'three.calls', 'dialpad', 1);
SELECT register_call_event_log('three.parted', 'three.calls', 'dialpad', 1);
SELECT register_call_event_log('three.fleeting', 'passing_calls', 'dialpad', 1);
SELECT harden_call_events('passing', 'three.calls');
SELECT harden_call_events('three.fleeting', 'three.calls');
SELECT harden_call_events('three.fleeting', 'passing_calls');
CALL prepare_harden_call_events('passing', 'three.calls');
INSERT INTO _callhardening.my_logs (events, calls, provider, lanes) VALUES ('passing', 'three.calls', 'dialpad', 1);
INSERT INTO _callhardening.my_logs (events, calls, provider, lanes) VALUES ('three.seen', 'three.calls', 'dialpad', 1);
\set VERBOSITY default
-- A log that becomes unlogged is shown as a gap.
ALTER TABLE three.more SET UNLOGGED;
SELECT relation, gap, detail, advice FROM call_enforcement WHERE gap = 'table_unlogged';
ALTER TABLE three.more SET LOGGED;

-- The view shows the status of all logs, even if one was altered.
CREATE TABLE three.good (LIKE three.more INCLUDING ALL);
SELECT register_call_event_log('three.good', 'three.calls', 'dialpad', 2);
SELECT count(ingest_call_event(jsonb_build_object('call_id', i, 'state', 'ringing'), log))
FROM generate_series(1, 3) AS i, unnest('{three.more,three.good}'::regclass[]) AS log;
ALTER TABLE three.more RENAME event_xid TO xid;
SELECT log, pending_estimate IS NULL AS unknown, open_claims, error FROM call_event_log_status ORDER BY log::text;
SELECT log, lane, pending_estimate IS NULL AS unknown, error FROM call_lane_status ORDER BY log::text, lane;

SET client_min_messages = error;
DROP SCHEMA one, two, three CASCADE;
DROP VIEW defaults, notes;
DROP TABLE passing, passing_calls;
SELECT count(*) FROM call_event_logs;
DROP OWNED BY regress_default_owner, regress_default_tenant, regress_default_operator, regress_default_receiver;
DROP ROLE regress_default_owner, regress_default_tenant, regress_default_operator, regress_default_receiver;
