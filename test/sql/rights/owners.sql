\set SHOW_CONTEXT never
-- Owners without superuser rights: the whole life of their tables, with only the rights of the task own.
CREATE ROLE regress_call_owner;
CREATE ROLE regress_call_other;
CREATE ROLE regress_call_worker;
CREATE SCHEMA mine AUTHORIZATION regress_call_owner;
CREATE SCHEMA fresh AUTHORIZATION regress_call_owner;
CREATE SCHEMA theirs AUTHORIZATION regress_call_other;
GRANT USAGE ON SCHEMA mine TO regress_call_other;
GRANT USAGE ON SCHEMA theirs TO regress_call_owner;
SET ROLE regress_call_owner;
CREATE TABLE mine.calls (id serial PRIMARY KEY, dialpad_call_id bigint, status text, direction text, app_id int);
INSERT INTO mine.calls (dialpad_call_id, status, direction) SELECT i, 'completed', 'in' FROM generate_series(1, 10) AS i;
CREATE TABLE mine.hooks (id serial PRIMARY KEY, app_id int, payload jsonb, processed_at timestamp);
INSERT INTO mine.hooks (app_id, payload) SELECT 7, format('{"call_id": %s, "state": "ringing"}', i)::jsonb FROM generate_series(9, 20) AS i;
INSERT INTO mine.hooks (payload) VALUES ('{"text": "an SMS"}');
-- Owning a table is not enough.
SELECT audit_calls('mine.calls');
SELECT harden_calls('mine.calls');
SELECT harden_call_events('mine.hooks', 'mine.calls');
CALL backfill_calls('mine.calls');
RESET ROLE;
-- The grant needs no log.
SELECT count(*) AS logs FROM call_event_logs;
SELECT grant_call_role('regress_call_owner', 'own'), grant_call_role('regress_call_other', 'own');
\pset format unaligned
SELECT privileges, object FROM call_role_grants('own') WHERE object !~ '^FUNCTION' ORDER BY 2;
\pset format aligned

-- Calls
SET ROLE regress_call_owner;
SELECT check_name, violations FROM audit_calls('mine.calls') WHERE violations > 0;
SELECT harden_calls('mine.calls');
SELECT harden_calls('mine.calls', on_invalid => 'reject', transitions => '{"ringing": ["active", "ended"]}');
SELECT harden_calls('mine.calls');
SELECT on_invalid FROM call_settings('mine.calls');
CALL backfill_calls('mine.calls', 5);
SELECT calls, state, rows_repaired FROM call_backfill_progress;
SELECT status, direction, count(*) FROM mine.calls GROUP BY 1, 2;
SELECT count(*) AS left FROM audit_calls('mine.calls') WHERE violations > 0;

-- Events: at once, and back, then with clients at work
SELECT harden_call_events('mine.hooks', 'mine.calls', processed_at_column => 'processed_at', carry => '{app_id}');
SELECT unharden_call_events('mine.hooks');
SELECT harden_call_events('mine.hooks', 'mine.calls');
INSERT INTO mine.hooks (payload) VALUES ('{"call_id": 9, "state": "hangup"}');
INSERT INTO mine.hooks (payload) VALUES ('{"text": "an SMS"}');
SELECT unharden_call_events('mine.hooks');
CALL prepare_harden_call_events('mine.hooks', 'mine.calls', processed_at_column => 'processed_at', carry => '{app_id}');
CREATE UNIQUE INDEX CONCURRENTLY ON mine.hooks (event_lane, event_xid, event_seq) WHERE event_lane IS NOT NULL;
CREATE UNIQUE INDEX CONCURRENTLY ON mine.hooks (event_seq) WHERE event_seq IS NOT NULL;
CREATE UNIQUE INDEX CONCURRENTLY ON mine.hooks (event_digest) WHERE event_digest IS NOT NULL;
SELECT harden_call_events('mine.hooks', 'mine.calls', processed_at_column => 'processed_at', carry => '{app_id}');
SELECT events, calls, lanes, carry, retrying_or_dead FROM _callhardening.my_logs;
SELECT set_call_event_secret('mine.hooks', '12345678901234567890123456789012');
SELECT set_call_event_secret('mine.hooks', NULL);
RESET ROLE;
SELECT count(*) AS lanes FROM _callhardening.lanes;
SELECT lane, error FROM call_dead_events;
SELECT grant_call_role('regress_call_worker', 'process');
SET ROLE regress_call_worker;
SET client_min_messages = error; -- the order of refusals varies
SELECT sum(claimed) AS claimed, sum(failed) AS failed FROM generate_series(1000, 1020) AS most, process_call_events(most);
RESET client_min_messages;
RESET ROLE;
SELECT count(*), count(app_id) FROM mine.calls;

-- Another role with the same task gets no access to these tables.
SET ROLE regress_call_other;
CREATE TABLE theirs.hooks (payload jsonb);
CREATE TABLE theirs.calls (dialpad_call_id bigint, status text, direction text);
SELECT harden_calls('theirs.calls');
SELECT audit_calls('mine.calls');
SELECT harden_calls('mine.calls');
SELECT unharden_calls('mine.calls');
CALL backfill_calls('mine.calls');
SELECT harden_call_events('mine.hooks', 'theirs.calls');
SELECT harden_call_events('theirs.hooks', 'mine.calls');
SELECT unharden_call_events('mine.hooks');
SELECT set_call_event_secret('mine.hooks', '12345678901234567890123456789012');
SELECT count(*) FROM _callhardening.my_logs;
DELETE FROM _callhardening.my_logs;
UPDATE _callhardening.forgotten_logs SET is_forgotten = true;
UPDATE _callhardening.forgotten_logs SET log_id = 1;
-- The owner cannot lock tables of the extension.
SELECT c.relname, has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE') AS may_lock
FROM pg_class AS c JOIN pg_depend AS d ON d.objid = c.oid AND d.deptype = 'e'
JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'callhardening' WHERE has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE');
\set VERBOSITY terse
INSERT INTO _callhardening.my_logs (events, calls, provider, lanes) VALUES ('theirs.calls', 'mine.calls', 'dialpad', 1);
INSERT INTO _callhardening.my_logs (events, calls, provider, lanes) VALUES ('mine.calls', 'theirs.calls', 'dialpad', 1);
INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, sequence)
    VALUES ('theirs.hooks', 'theirs.calls', 'dialpad', 1, 'mine.calls_id_seq');
INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, signed) VALUES ('theirs.hooks', 'theirs.calls', 'dialpad', 1, true);
INSERT INTO _callhardening.my_logs (log_id, events, calls, provider, lanes) OVERRIDING SYSTEM VALUE
    VALUES (99, 'theirs.hooks', 'theirs.calls', 'dialpad', 1);
INSERT INTO _callhardening.my_dead_events (log_id, event_seq, lane, error) SELECT log_id, 1, 0, 'not yours' FROM call_event_logs;
\set VERBOSITY default
UPDATE _callhardening.my_logs SET lanes = 1;
SELECT count(*) AS logs FROM call_event_logs;
DELETE FROM call_event_logs;
DELETE FROM _callhardening.lanes;
DELETE FROM _callhardening.claims;
DELETE FROM call_dead_events;
-- The owner has no other task.
SELECT ingest_call_event('{"call_id": 1}'::jsonb);
SELECT process_call_events();
SELECT claim_call_events();
TABLE call_event_log_status;
TABLE call_issues;
SELECT configure_call_event_log(max_attempts => 1);
SELECT grant_call_role('regress_call_other', 'operate');
RESET ROLE;

-- The calls table now belongs to another role, so this role does not own all of its log.
ALTER TABLE mine.calls OWNER TO regress_call_other;
SET ROLE regress_call_owner;
SELECT unharden_call_events('mine.hooks');
RESET ROLE;
GRANT CREATE ON SCHEMA mine TO regress_call_owner;
ALTER TABLE mine.calls OWNER TO regress_call_owner;

-- The way back
SET ROLE regress_call_owner;
SELECT unharden_call_events('mine.hooks');
SELECT unharden_calls('mine.calls', drop_payload => true);
SELECT attname FROM pg_attribute WHERE attrelid IN ('mine.hooks'::regclass, 'mine.calls'::regclass) AND attnum > 0 AND NOT attisdropped;
RESET ROLE;
SELECT count(*) FROM call_event_logs;
SELECT count(*) FROM (SELECT consumer_id FROM _callhardening.lanes UNION ALL SELECT consumer_id
    FROM _callhardening.claims UNION ALL SELECT log_id FROM call_retrying_events
    UNION ALL SELECT log_id FROM call_dead_events UNION ALL SELECT log_id FROM _callhardening.purges) AS remembered;

-- A row that cannot be repaired
SET ROLE regress_call_owner;
CREATE TABLE mine.more (dialpad_call_id bigint, status text, direction text, CHECK (dialpad_call_id <> 2 OR status <> 'ended'));
INSERT INTO mine.more SELECT i, 'hangup', 'in' FROM generate_series(1, 3) AS i;
SELECT harden_calls('mine.more');
CALL backfill_calls('mine.more');
SELECT dialpad_call_id, status FROM mine.more ORDER BY 1;
SELECT unharden_calls('mine.more', drop_payload => true);
DROP TABLE mine.more;
RESET ROLE;

-- Tables of a new installation, and a dropped log
SET ROLE regress_call_owner;
SELECT create_call_tables('fresh');
\set VERBOSITY terse
SELECT create_call_tables('theirs');
\set VERBOSITY default
SELECT events FROM _callhardening.my_logs;
DROP TABLE fresh.call_events;
DROP TABLE fresh.calls;
SELECT create_call_tables('fresh', '*');
SELECT create_call_event_log('fresh.calls', 'zoom_phone');
RESET ROLE;
GRANT USAGE ON SCHEMA fresh TO regress_call_other;
SET ROLE regress_call_other;
\set VERBOSITY terse
SELECT create_call_event_log('fresh.calls', 'vonage');
\set VERBOSITY default
RESET ROLE;
SET ROLE regress_call_owner;
DROP TABLE fresh.zoom_phone_events;
DROP TABLE fresh.calls;
RESET ROLE;
SELECT count(*) FROM call_event_logs;
SELECT count(*) FROM _callhardening.lanes;

SELECT revoke_call_role('regress_call_owner', 'own'), revoke_call_role('regress_call_other', 'own');
SET ROLE regress_call_owner;
SELECT harden_calls('mine.calls');
SELECT count(*) FROM _callhardening.my_logs;
RESET ROLE;
SET client_min_messages = error;
DROP SCHEMA mine, fresh, theirs CASCADE;
DROP OWNED BY regress_call_owner, regress_call_other, regress_call_worker;
DROP ROLE regress_call_owner, regress_call_other, regress_call_worker;
