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
