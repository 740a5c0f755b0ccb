\set SHOW_CONTEXT never
-- tables of a new installation, in a schema with an odd name
CREATE SCHEMA "phone ""calls""";
SELECT create_call_tables('phone "calls"');
\d "phone ""calls""".calls
\d "phone ""calls""".call_events
SELECT events, calls, provider, lanes, (SELECT count(*) FROM call_lanes l WHERE l.log_id = c.log_id) FROM call_event_logs c;
SELECT attname, attcompression = CASE WHEN 'lz4' = ANY (s.enumvals) THEN 'l' ELSE '' END AS as_the_server_can
FROM pg_attribute JOIN pg_settings s ON s.name = 'default_toast_compression'
WHERE attrelid IN ('"phone ""calls""".calls'::regclass, '"phone ""calls""".call_events'::regclass) AND atttypid = 'jsonb'::regtype;
SELECT count(*) FROM pg_description WHERE objoid IN ('"phone ""calls""".calls'::regclass, '"phone ""calls""".call_events'::regclass);

-- the current schema is the default
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

-- a log of which nothing could be processed
CREATE TABLE other (LIKE "phone ""calls""".call_events INCLUDING ALL);
SELECT register_call_event_log('other', '"phone ""calls""".calls', 'nonesuch', 1);
SELECT register_call_event_log('other', '"phone ""calls""".calls', 'dialpad', 0);
SELECT register_call_event_log('other', '"phone ""calls""".calls', 'dialpad', 1025);
SELECT register_call_event_log('other', '"phone ""calls""".calls', NULL, 1);
DROP TABLE other;

DROP SCHEMA "phone ""calls""" CASCADE;
