-- What is no state of a log is refused, and changes nothing. A state gives no rights.
SET client_min_messages = error;
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SELECT create_call_tables();
SELECT configure_call_event_log(max_attempts => 1);
SELECT create_call_consumer('call_events', 'crm', true);
INSERT INTO call_events (payload) SELECT jsonb_build_object('call_id', n, 'state', 'ringing') FROM generate_series(1, 4) AS n;
CREATE TABLE taken AS SELECT * FROM claim_call_events(100, '1 hour', 'worker');
SELECT fail_call_event(claim_id, event_seq, 'no') FROM taken WHERE event_seq = 1;
SELECT configure_call_event_log(max_attempts => 5);
SELECT fail_call_event(claim_id, event_seq, 'no', '1 hour') FROM taken WHERE event_seq = 2;
CREATE TABLE states AS SELECT detach_call_event_log('call_events') AS state;
CREATE FUNCTION error_of(state jsonb, events regclass DEFAULT 'call_events') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    why text;
BEGIN
    PERFORM attach_call_event_log(events, 'calls', state);
    RAISE EXCEPTION 'attached';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(': ', CASE WHEN SQLSTATE <> 'P0001' THEN SQLSTATE END, SQLERRM, nullif(why, ''));
END $$;
-- The state with another value at a place.
CREATE FUNCTION error_with(path text[], value jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT error_of(jsonb_set(state, path, value)) FROM states $$;
RESET client_min_messages;

SELECT error_of(state) FROM states;
-- another document, or of another version
SELECT error_of('null');
SELECT error_of('[]');
SELECT error_of('{}');
SELECT error_of('"state"');
SELECT error_of('{"format": "1"}');
SELECT error_of('{"format": 1}');
SELECT error_of('{"format": 2}');
SELECT error_of('{"format": 1e30}');
SELECT error_with('{format}', '2');
-- the log
SELECT error_with('{id}', '"1"');
SELECT error_with('{key_type}', '"text"');
SELECT error_with('{is_existing}', 'null');
SELECT error_with('{is_existing}', 'true');
SELECT error_with('{settings}', '[]');
SELECT error_with('{settings,lanes}', '0');
SELECT error_with('{settings,lanes}', '1025');
SELECT error_with('{settings,lanes}', '63.5');
SELECT error_with('{settings,lanes}', '"64"');
SELECT error_with('{settings,lanes}', '32');
SELECT error_with('{settings,first_lane}', '-64');
SELECT error_with('{settings,first_lane}', '1');
SELECT error_with('{settings,first_lane}', '64');
SELECT error_of(jsonb_set(jsonb_set(state, '{settings,first_lane}', '65472'), '{consumers}', (
    SELECT jsonb_agg(jsonb_set(c, '{lanes}', (SELECT jsonb_agg(jsonb_build_object('lane', n)) FROM generate_series(65472, 65535) AS n)))
    FROM jsonb_array_elements(state -> 'consumers') AS c))) FROM states;
SELECT error_with('{settings,provider}', '"nobody"');
SELECT error_with('{settings,provider}', '""');
SELECT error_with('{settings,payload_column}', '"call_id"');
SELECT error_with('{settings,payload_column}', '"no such"');
SELECT error_with('{settings,processed_at_column}', '"event_seq"');
SELECT error_with('{settings,carry}', '["status"]');
SELECT error_with('{settings,carry}', '[null]');
SELECT error_with('{settings,carry}', '"call_id"');
SELECT error_with('{settings,retry_base}', '"soon"');
SELECT error_with('{settings,retry_base}', '"-1 s"');
SELECT error_with('{settings,max_attempts}', '0');
SELECT error_with('{settings,max_retrying}', '1e9');
SELECT error_with('{settings,notify}', '1');
SELECT error_with('{settings,ignored_event_types}', '["*"]');
SELECT error_with('{settings,ignored_members}', '["a..b"]');
SELECT error_with('{settings,settled_marks}', '["5"]');
SELECT error_with('{settings,settled_marks}', '["99999999999999999999"]');
SELECT error_with('{shape}', '{"version": 1}');
SELECT error_with('{shape}', '7');
SELECT error_with('{signature}', '{"algorithm": "none"}');
SELECT error_with('{marks}', '["1"]');
SELECT error_with('{marks}', '[7]');
SELECT error_with('{last_seq}', '-1');
-- consumers
SELECT error_with('{consumers}', '[]');
SELECT error_with('{consumers}', 'null');
SELECT error_with('{consumers,0}', '7');
SELECT error_with('{consumers,0,name}', '"other"');
SELECT error_with('{consumers,1,name}', '"default"');
SELECT error_with('{consumers,1,name}', to_jsonb(repeat('x', 64)));
SELECT error_with('{consumers,1,created_at}', '"yesterday or so"');
SELECT error_with('{consumers,1,retry_cap}', '"1 fortnight of years"');
SELECT error_with('{consumers,1,lanes}', '[]');
SELECT error_with('{consumers,1,lanes,0}', '{"lane": 1}');
SELECT error_with('{consumers,1,lanes,0}', '{"lane": 64}');
SELECT error_with('{consumers,1,lanes,0}', '{"lane": -1}');
SELECT error_with('{consumers,1,lanes,0,record}', '7');
SELECT error_with('{consumers,1,lanes,0,record}', '{}');
CREATE FUNCTION error_of_record(member text, value jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT error_with('{consumers,1,lanes,0,record}', jsonb_set('{"record_no": 1, "state": "completed", "done_snapshot": "10:20:15",
        "redeliveries": 0, "is_retry": false, "is_window_end": true, "events": 1, "claimed_at": "2026-01-01"}', ARRAY[member], value)) $$;
SELECT error_of_record('events', '1');
SELECT error_of_record('state', '"none"');
SELECT error_of_record('record_no', '0');
SELECT error_of_record('record_no', '9223372036854775807');
SELECT error_of_record('done_snapshot', '"20:10:"');
SELECT error_of_record('done_snapshot', '"10:20:5"');
SELECT error_of_record('done_snapshot', '"0:20:"');
SELECT error_of_record('done_snapshot', '"1:9999999999999999999:"');
SELECT error_of_record('window_snapshot', '"x"');
SELECT error_of_record('read_xid', '"-1"');
SELECT error_of_record('read_xid', '1');
SELECT error_of_record('redeliveries', '2147483647');
SELECT error_of_record('claim_id', '"x"');
SELECT error_of_record('claim_id', '7');
SELECT error_of_record('worker', to_jsonb(repeat('x', 2000)));
SELECT error_of_record('lease_end', '"never"');
-- retrying and dead events
SELECT error_with('{consumers,0,retrying,0,event_seq}', '0');
SELECT error_with('{consumers,0,retrying,0,call_id}', to_jsonb(repeat('x', 300)));
SELECT error_with('{consumers,0,retrying,0,due_at}', '"later"');
SELECT error_with('{consumers,0,retrying,0,attempts}', '-1');
SELECT error_with('{consumers,0,retrying,0,errors}', '{"at": 1}');
SELECT error_with('{consumers,0,retrying,0,errors}', '[1]');
SELECT error_with('{consumers,0,retrying,0,errors}', '[[]]');
SELECT error_with('{consumers,0,retrying,0,errors}', '[{"error": {}}]');
SELECT error_with('{consumers,0,retrying,0,lane}', '70000');
SELECT error_with('{consumers,0,retrying,1}', state #> '{consumers,0,retrying,0}') FROM states;
SELECT error_with('{consumers,0,dead,0,error}', 'null');
SELECT error_with('{consumers,0,dead,0,error}', to_jsonb(repeat('x', 3000)));
SELECT error_with('{consumers,0,dead,0,sqlstate}', '"1"');
SELECT error_with('{consumers,0,dead,0,died_at}', '"infinite"');
SELECT error_with('{consumers,0,dead,0,errors}', '[{"at": "now", "error": 1}]');
-- None of them left anything.
SELECT count(*) FROM call_event_logs;
SELECT count(*) FROM _callhardening.lanes;
SELECT count(*) FROM _callhardening.claims;
SELECT count(*) FROM _callhardening.detached_logs WHERE state IS NOT NULL;

-- -- the tables -------------------------------------------------------------------------------------------------------

SELECT detach_call_event_log(NULL);
SELECT detach_call_event_log('calls');
SELECT detach_call_event_log('pg_class');
SELECT attach_call_event_log(NULL, 'calls');
SELECT attach_call_event_log('call_events', NULL);
SELECT attach_call_event_log('call_events', 'call_event_logs');
SELECT attach_call_event_log('calls', 'calls', state) FROM states;
CREATE TABLE copy (LIKE call_events);
SELECT attach_call_event_log('copy', 'calls', state) FROM states;
ALTER TABLE copy ADD UNIQUE (event_seq), ADD UNIQUE (event_digest), ADD UNIQUE (event_lane, event_xid, event_seq);
ALTER TABLE copy DROP COLUMN event_digest;
SELECT attach_call_event_log('copy', 'calls', state) FROM states;
DROP TABLE copy;
CREATE TABLE unhardened (dialpad_call_id bigint);
SELECT attach_call_event_log('call_events', 'unhardened');
DROP TABLE unhardened;
CREATE UNLOGGED TABLE copy (LIKE call_events INCLUDING ALL);
SELECT attach_call_event_log('copy', 'calls', state) FROM states;
DROP TABLE copy;

-- Events of the state may be in another part of the log: then they are left out, and the first event of the call is due.
CREATE TABLE copy (LIKE call_events INCLUDING ALL);
INSERT INTO copy OVERRIDING SYSTEM VALUE SELECT * FROM call_events WHERE event_seq > 2;
SELECT attach_call_event_log('copy', 'calls', jsonb_set(state, '{consumers,0,retrying,1}',
    state #> '{consumers,0,retrying,0}' || '{"event_seq": 3, "due_at": null}')) FROM states;
SELECT event_seq, due_at IS NOT NULL AS is_due, claim_id FROM call_retrying_events;
SELECT count(*) FROM call_dead_events;
-- The next event gets the next number: a copy does not move the sequence.
SELECT ingest_call_event('{"call_id": 9, "state": "ringing"}', 'copy');
DROP TABLE copy;

-- Rows that are copied through the trigger lose their stamps.
CREATE TABLE copy (LIKE call_events INCLUDING ALL);
CREATE TRIGGER stamp_call_event BEFORE INSERT ON copy FOR EACH ROW
    EXECUTE FUNCTION _callhardening.stamp_call_event('payload', 'dialpad', '64', 'bigint');
INSERT INTO copy OVERRIDING SYSTEM VALUE SELECT * FROM call_events;
SELECT attach_call_event_log('copy', 'calls', state) FROM states;
DROP TABLE copy;

-- -- rights -----------------------------------------------------------------------------------------------------------

SET client_min_messages = warning;
CREATE ROLE regress_detaching;
GRANT USAGE, CREATE ON SCHEMA public TO regress_detaching;
GRANT SELECT ON states, call_events TO regress_detaching;
SET ROLE regress_detaching;
SELECT detach_call_event_log('call_events');
RESET ROLE;
SELECT grant_call_role('regress_detaching', 'own');
SET ROLE regress_detaching;
SELECT detach_call_event_log('call_events');
SELECT attach_call_event_log('call_events', 'calls', state) FROM states;
SELECT * FROM _callhardening.my_detached_logs;
SELECT create_call_event_log('calls', 'dialpad', 'mine');
RESET ROLE;
-- The owner of the log alone has no right on its calls table.
ALTER TABLE call_events OWNER TO regress_detaching;
SET ROLE regress_detaching;
SELECT attach_call_event_log('call_events', 'calls', state) FROM states;
RESET ROLE;
SELECT attach_call_event_log('call_events', 'calls', state) FROM states;
SET ROLE regress_detaching;
SELECT detach_call_event_log('call_events');
RESET ROLE;
ALTER TABLE calls OWNER TO regress_detaching;
SET ROLE regress_detaching;
SELECT detach_call_event_log('call_events') IS NOT NULL AS detached;
SELECT attach_call_event_log('call_events', 'calls');
-- A log in use gets no other state.
UPDATE _callhardening.attachable_logs SET state = (SELECT state FROM states);
CREATE TABLE other (LIKE call_events INCLUDING ALL);
SELECT register_call_event_log('other', 'calls', lanes => 8);
UPDATE _callhardening.attachable_logs SET state = (SELECT state FROM states)
WHERE log_id = (SELECT log_id FROM call_event_logs WHERE events = 'other'::regclass);
DROP TABLE other;
UPDATE _callhardening.detachable_logs SET log_id = 1;
RESET ROLE;
SELECT revoke_call_role('regress_detaching', 'own');
DROP FUNCTION error_of, error_with, error_of_record;
DROP TABLE call_events, calls, taken, states;
DROP OWNED BY regress_detaching;
DROP ROLE regress_detaching;

-- ---- the table of a state ----------------------------------------------------------------------------
-- A state is taken only for the table that it is of, for a copy of the table, and for a part of it.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SELECT create_call_tables();
CREATE TABLE other (LIKE call_events INCLUDING ALL);
SELECT register_call_event_log('other', 'calls');
CREATE FUNCTION add(log regclass, first int, last int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %s (payload) SELECT jsonb_build_object(''call_id'', n, ''state'', ''ringing'')
        FROM generate_series(%s, %s) AS n', log, first, last);
END $$;
-- A copy has the stamps.
CREATE PROCEDURE copy(log regclass, condition text DEFAULT 'true') LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS copied;
    CREATE TABLE copied (LIKE call_events INCLUDING ALL);
    EXECUTE format('INSERT INTO copied OVERRIDING SYSTEM VALUE SELECT * FROM %s AS e WHERE %s', log, condition);
END $$;
CREATE TABLE states (name text PRIMARY KEY, state jsonb);
CREATE FUNCTION attach(wanted text, log text DEFAULT 'copied') RETURNS text LANGUAGE sql AS $$
    SELECT attach_call_event_log(log::regclass, 'calls', state) FROM states WHERE name = wanted $$;

SELECT add('call_events', 1, 1000);
SELECT claimed FROM process_call_events(400, log => 'call_events');
SELECT add('other', 2001, 2050);
INSERT INTO states VALUES ('first', detach_call_event_log('call_events')), ('other', detach_call_event_log('other'));
SELECT name, jsonb_array_length(state -> 'events') AS events, state ->> 'last_seq' AS last FROM states;
-- The newest ones, and some of all times
SELECT count(*) FILTER (WHERE event_seq > 900) AS newest, max(gap) FROM (
    SELECT e.event_seq, e.event_seq - lag(e.event_seq) OVER (ORDER BY e.event_seq) AS gap
    FROM states, jsonb_to_recordset(state -> 'events') AS e (event_seq int) WHERE name = 'first') AS e;

-- another table, with numbers in common and without
CALL copy('other');
SELECT attach('first');
CALL copy('call_events');
SELECT attach('other');
CALL copy('call_events', 'event_seq BETWEEN 501 AND 503');
SELECT attach('other');
-- A part that none of the named events is in
CALL copy('call_events', $$event_seq NOT IN (
    SELECT (jsonb_array_elements(state -> 'events') ->> 'event_seq')::int FROM states WHERE name = 'first')$$);
SELECT attach('first');
-- and what the advice says, after the triggers
SELECT attach_call_event_log('copied', 'calls');

-- a copy, and each half of it
CALL copy('call_events');
SELECT attach('first');
SELECT claimed FROM process_call_events(log => 'copied');
CALL copy('call_events', 'call_id::int % 2 = 1');
SELECT attach('first');
SELECT claimed AS odd FROM process_call_events(log => 'copied') \gset
CALL copy('call_events', 'call_id::int % 2 = 0');
SELECT attach('first');
SELECT claimed + :odd AS claimed FROM process_call_events(log => 'copied');
-- an empty one, and one that was copied through the trigger
CALL copy('call_events', 'false');
SELECT attach('first');
CALL copy('call_events', 'false');
CREATE TRIGGER stamp_call_event BEFORE INSERT ON copied FOR EACH ROW
    EXECUTE FUNCTION _callhardening.stamp_call_event('payload', 'dialpad', '64', 'bigint');
INSERT INTO copied OVERRIDING SYSTEM VALUE SELECT * FROM call_events;
SELECT attach('first');
-- events that came meanwhile
SELECT add('call_events', 1001, 1010);
CALL copy('call_events');
SELECT attach('first');
SELECT claimed FROM process_call_events(log => 'copied');

-- An older state: the log went on, here and in the copy.
SELECT attach_call_event_log('call_events', 'calls');
SELECT add('call_events', 1011, 1020);
INSERT INTO states VALUES ('second', detach_call_event_log('call_events'));
SELECT attach('first', 'call_events');
CALL copy('call_events');
SELECT attach('first');
SELECT attach('second');
SELECT add('copied', 3001, 3010);
INSERT INTO states VALUES ('copied', detach_call_event_log('copied'));
-- The state of a copy, after both went on
SELECT attach_call_event_log('call_events', 'calls');
SELECT add('call_events', 1021, 1025);
INSERT INTO states VALUES ('third', detach_call_event_log('call_events'));
CREATE TABLE again (LIKE call_events INCLUDING ALL);
INSERT INTO again OVERRIDING SYSTEM VALUE SELECT * FROM call_events;
SELECT attach('copied', 'again');
TRUNCATE again;
INSERT INTO again OVERRIDING SYSTEM VALUE SELECT * FROM copied;
SELECT attach('third', 'again');
SELECT attach('copied', 'again');

-- Another node of Citus has lower numbers. The lanes tell that a log went on.
CREATE TABLE lower (LIKE call_events INCLUDING ALL);
INSERT INTO lower OVERRIDING SYSTEM VALUE SELECT * FROM call_events;
SELECT attach('third', 'lower');
INSERT INTO lower (event_seq, payload) OVERRIDING SYSTEM VALUE VALUES (-1, '{"call_id": 1, "state": "ended"}');
INSERT INTO states VALUES ('lower', detach_call_event_log('lower'));
CREATE TABLE moved (LIKE call_events INCLUDING ALL);
INSERT INTO moved OVERRIDING SYSTEM VALUE SELECT * FROM lower;
SELECT attach('third', 'moved');
SELECT attach('lower', 'moved');
DROP TABLE lower, moved;

-- In its place, the hints name what begins anew: a state is kept here.
UPDATE call_events SET event_xid = '3' WHERE event_seq = 1025;
SELECT attach_call_event_log('call_events', 'calls');
SELECT register_call_event_log('call_events', 'calls', 'dialpad', 64);
SELECT claimed FROM process_call_events(2000, 'call_events');

-- No lane numbers are left for another place: the detach says so.
UPDATE _callhardening.logs SET first_lane = 65408 WHERE events = 'call_events'::regclass;
UPDATE _callhardening.lanes SET lane = lane + 65408
WHERE consumer_id = (SELECT log_id FROM _callhardening.logs WHERE events = 'call_events'::regclass);
SELECT detach_call_event_log('call_events') IS NULL;
CREATE TABLE anew (LIKE call_events INCLUDING ALL);
SELECT register_call_event_log('anew', 'calls');
INSERT INTO anew (payload) SELECT payload FROM call_events ORDER BY event_seq;
SELECT claimed FROM process_call_events(2000, 'anew');

-- Without a column for what is processed, rows without a stamp count as processed.
CREATE TABLE hooks (id int, payload jsonb);
INSERT INTO hooks SELECT n, jsonb_build_object('call_id', n, 'state', 'ringing') FROM generate_series(1, 3) AS n;
SELECT harden_call_events('hooks', 'calls');
INSERT INTO hooks SELECT n, jsonb_build_object('call_id', n, 'state', 'ringing') FROM generate_series(4, 5) AS n;
INSERT INTO states VALUES ('hooks', detach_call_event_log('hooks'));
SELECT state ->> 'unstamped' AS unstamped FROM states WHERE name = 'hooks';
CREATE TABLE hooks_copy (LIKE hooks INCLUDING ALL);
CREATE SEQUENCE hooks_seq OWNED BY hooks_copy.event_seq;
INSERT INTO hooks_copy SELECT * FROM hooks;
BEGIN;
SELECT attach('hooks', 'hooks_copy');
ROLLBACK;
INSERT INTO hooks_copy VALUES (6, '{"call_id": 6, "state": "ringing"}');
SELECT attach('hooks', 'hooks_copy');
INSERT INTO hooks_copy VALUES (6, '{"call_id": 6, "state": "ringing"}');
SELECT claimed FROM process_call_events(log => 'hooks_copy');

DROP TABLE call_events, other, anew, copied, again, hooks, hooks_copy, calls, states;
DROP FUNCTION add, attach;
DROP PROCEDURE copy;
