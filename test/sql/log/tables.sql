\set SHOW_CONTEXT never
-- Tables of a new installation, in a schema with an odd name
CREATE SCHEMA "phone ""calls""";
SELECT create_call_tables('phone "calls"');
\d "phone ""calls""".calls
\d "phone ""calls""".call_events
SELECT events, calls, provider, lanes, (SELECT count(*) FROM _callhardening.lanes l WHERE l.consumer_id = c.log_id) FROM call_event_logs c;
SELECT attname, attcompression = CASE WHEN 'lz4' = ANY (s.enumvals) THEN 'l' ELSE '' END AS as_the_server_can
FROM pg_attribute JOIN pg_settings s ON s.name = 'default_toast_compression'
WHERE attrelid IN ('"phone ""calls""".calls'::regclass, '"phone ""calls""".call_events'::regclass) AND atttypid = 'jsonb'::regtype;
SELECT count(*) FROM pg_description WHERE objoid IN ('"phone ""calls""".calls'::regclass, '"phone ""calls""".call_events'::regclass);

-- The current schema is the default.
SET search_path = "phone ""calls""", public;
\set VERBOSITY terse
SELECT create_call_tables();
\set VERBOSITY default
RESET search_path;

SELECT create_call_tables(NULL);
SELECT create_call_tables('no such schema');
CREATE ROLE regress_no_right;
SET ROLE regress_no_right;
SELECT create_call_tables('public');
RESET ROLE;
DROP ROLE regress_no_right;

-- A log without a valid provider could process no event, so it cannot be registered.
CREATE TABLE other (LIKE "phone ""calls""".call_events INCLUDING ALL);
SELECT register_call_event_log('other', '"phone ""calls""".calls', 'nonesuch', 1);
SELECT register_call_event_log('other', '"phone ""calls""".calls', 'dialpad', 0);
SELECT register_call_event_log('other', '"phone ""calls""".calls', 'dialpad', 1025);
SELECT register_call_event_log('other', '"phone ""calls""".calls', NULL, 1);
DROP TABLE other;

-- The way back keeps the data and leaves nothing of the extension.
SET search_path = "phone ""calls""", public;
SELECT ingest_call_event(format('{"call_id": %s, "state": "ringing"}', n)) > 0 AS kept FROM generate_series(1, 2) AS n;
CREATE VIEW ours AS
SELECT 'trigger' AS kind, tgname::text AS name FROM pg_trigger
WHERE tgrelid IN ('calls'::regclass, 'call_events'::regclass) AND NOT tgisinternal
UNION ALL SELECT 'marked', pg_describe_object(classoid, objoid, objsubid) FROM pg_description WHERE description LIKE 'callhardening:%'
    AND (objoid IN ('calls'::regclass, 'call_events'::regclass)
        OR objoid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN ('calls'::regclass, 'call_events'::regclass)))
UNION ALL SELECT 'log', events::text FROM call_event_logs UNION ALL SELECT 'lane', 'one' WHERE EXISTS (SELECT FROM _callhardening.lanes);
BEGIN;
SELECT unharden_call_events('call_events');
SELECT unharden_calls('calls');
TABLE ours;
INSERT INTO call_events (payload) VALUES ('{}');
SELECT event_seq > 0 AS has_seq, call_id, event_type, received_at IS NOT NULL AS has_time, payload FROM call_events ORDER BY event_seq;
\d call_events
SELECT unharden_call_events('call_events');
ROLLBACK;
-- A copy of a log, and a restore of the schema only
BEGIN;
CREATE TABLE copy (LIKE call_events INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING INDEXES);
SELECT register_call_event_log('copy', 'calls', 'dialpad', 1);
DELETE FROM _callhardening.logs WHERE events = 'copy'::regclass;
SELECT unharden_call_events('copy');
SELECT attname FROM pg_attribute WHERE attrelid = 'copy'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
ROLLBACK;

-- Without the trigger no worker would find an event, so the log takes none.
BEGIN;
ALTER TABLE call_events DISABLE TRIGGER stamp_call_event;
INSERT INTO call_events (payload) VALUES ('{"call_id": 3}');
ROLLBACK;

-- Clients continue after DROP EXTENSION. A new installation takes up the events appended meanwhile, or removes the remains.
SELECT applied FROM process_call_events();
BEGIN;
SET LOCAL client_min_messages = error;
DROP EXTENSION callhardening CASCADE;
INSERT INTO call_events (payload) VALUES ('{"call_id": 4, "state": "ringing"}'), ('{"state": "ringing"}') RETURNING event_lane, call_id;
INSERT INTO calls (dialpad_call_id, status, direction) VALUES (5, 'anything', 'sideways') RETURNING status, direction;
CREATE EXTENSION callhardening SCHEMA public;
SELECT harden_calls('calls'), register_call_event_log('call_events', 'calls', 'dialpad', 4);
SELECT applied FROM process_call_events();
SELECT call_id, error FROM call_dead_events;
SELECT dialpad_call_id, status FROM calls ORDER BY 1;
DROP EXTENSION callhardening CASCADE;
CREATE EXTENSION callhardening SCHEMA public;
SELECT unharden_call_events('call_events'), unharden_calls('calls');
SELECT count(*) FROM pg_description WHERE description LIKE 'callhardening:%' AND objoid::regclass::text ~ 'call';
SELECT unharden_calls('calls');
ROLLBACK;
RESET search_path;
DROP SCHEMA "phone ""calls""" CASCADE;
