\set SHOW_CONTEXT never
-- A superuser, the owner of the tables and a member of the owner can set up, in any order. New objects belong to the
-- owner of the table.
SET client_min_messages = warning;
CREATE ROLE regress_setup_owner;
CREATE ROLE regress_setup_member IN ROLE regress_setup_owner;
SELECT grant_call_role('regress_setup_owner', 'own');
CREATE SCHEMA setup AUTHORIZATION regress_setup_owner;
CREATE SCHEMA fresh AUTHORIZATION regress_setup_owner;
SET ROLE regress_setup_owner;
CREATE TABLE setup.calls (dialpad_call_id bigint, status text, direction text, app_id int);
CREATE TABLE setup.hooks (app_id int, payload jsonb, processed_at timestamptz);
CREATE TABLE setup.model (event_seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_lane int NOT NULL, event_xid xid8 NOT NULL, event_digest bytea UNIQUE,
    call_id text, event_type text, received_at timestamptz DEFAULT now(), payload jsonb, UNIQUE (event_lane, event_xid, event_seq));
INSERT INTO setup.hooks SELECT 1, format('{"call_id": %s, "state": "ringing"}', i)::jsonb FROM generate_series(6, 9) AS i;
RESET ROLE;
CREATE VIEW state AS
SELECT 'column' AS kind, attrelid::regclass AS object, attname::text AS name FROM pg_attribute
    WHERE attrelid IN ('setup.calls'::regclass, 'setup.hooks'::regclass) AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'relation', oid, relname FROM pg_class WHERE relnamespace IN ('setup'::regnamespace, 'fresh'::regnamespace)
UNION ALL SELECT 'trigger', tgrelid, tgname FROM pg_trigger WHERE NOT tgisinternal;
CREATE TABLE before AS SELECT kind, name FROM state;
CREATE TABLE faults (first regrole, second regrole, fault text);
-- One role audits, hardens, backfills, prepares, registers, configures and creates. Another repeats it, and goes back.
CREATE TABLE steps (n int GENERATED ALWAYS AS IDENTITY, by text, statement text);
INSERT INTO steps (by, statement) VALUES
    ('superuser', 'INSERT INTO setup.calls SELECT i, ''completed'', ''in'' FROM generate_series(1, 5) AS i'),
    ('first', 'SELECT audit_calls(''setup.calls'')'),
    ('first', 'SELECT harden_calls(''setup.calls'')'),
    ('first', 'CALL backfill_calls(''setup.calls'')'),
    ('first',
        'CALL prepare_harden_call_events(''setup.hooks'', ''setup.calls'',
            processed_at_column => ''processed_at'', carry => ''{app_id}'')'),
    ('first',
        'SELECT harden_call_events(''setup.hooks'', ''setup.calls'',
            processed_at_column => ''processed_at'', carry => ''{app_id}'')'),
    ('first', 'SELECT configure_call_event_log(''setup.hooks'', max_attempts => 3)'),
    ('first', 'SELECT set_call_event_secret(''setup.hooks'', ''12345678901234567890123456789012''),
        set_call_event_secret(''setup.hooks'', NULL)'),
    ('second', 'SELECT harden_calls(''setup.calls'', on_invalid => ''reject'')'),
    ('second', 'CALL backfill_calls(''setup.calls'')'),
    ('second', 'SELECT configure_call_event_log(''setup.hooks'', is_default => true)'),
    ('regress_setup_owner', 'CREATE TABLE setup.events (LIKE setup.model INCLUDING ALL)'),
    ('first', 'SELECT register_call_event_log(''setup.events'', ''setup.calls'', ''dialpad'', 2)'),
    ('second', 'SELECT configure_call_event_log(''setup.events'', is_default => true)'),
    ('first', 'SELECT create_call_tables(''fresh'')'),
    ('superuser', 'INSERT INTO setup.hooks (payload) VALUES (''{"call_id": 7, "state": "hangup"}'')'),
    ('superuser', 'INSERT INTO faults SELECT ''FIRST'', ''SECOND'', format(''%s applied'', sum(applied))
        FROM generate_series(1, 3) AS n, process_call_events(1000 + n, ''setup.hooks'') HAVING sum(applied) <> 5'),
    ('superuser', 'INSERT INTO faults SELECT ''FIRST'', ''SECOND'', format(''%s belongs to %s'', oid::regclass, relowner::regrole)
        FROM pg_class WHERE relnamespace = ''setup''::regnamespace AND relowner <> ''regress_setup_owner''::regrole'),
    ('superuser',
        'INSERT INTO faults SELECT ''FIRST'', ''SECOND'', format(''%s: %s'', relation, gap) FROM call_enforcement WHERE level = ''gap'''),
    ('superuser', 'INSERT INTO faults SELECT ''FIRST'', ''SECOND'', format(''%s is %s'', dialpad_call_id, status)
        FROM setup.calls WHERE dialpad_call_id < 6 AND status <> ''ended'''),
    ('second', 'SELECT unharden_call_events(''setup.hooks'')'),
    ('superuser', 'DROP TABLE setup.events, fresh.call_events, fresh.calls'),
    ('second', 'SELECT unharden_calls(''setup.calls'', drop_payload => true)'),
    ('superuser', 'UPDATE setup.hooks SET processed_at = NULL; DELETE FROM setup.hooks WHERE payload ->> ''state'' = ''hangup'''),
    ('superuser', 'TRUNCATE setup.calls'),
    ('superuser', 'INSERT INTO faults SELECT ''FIRST'', ''SECOND'', format(''%s %s'', kind, name)
        FROM (SELECT kind, name FROM state EXCEPT TABLE before) AS d');
\o /dev/null
SELECT unnest(ARRAY[format('SET ROLE %s',
    CASE s.by WHEN 'first' THEN first WHEN 'second' THEN second WHEN 'superuser' THEN current_user ELSE s.by END),
    replace(replace(s.statement, 'FIRST', first), 'SECOND', second)])
FROM unnest(ARRAY['regress_setup_owner', 'regress_setup_member', current_user]) AS first,
    unnest(ARRAY['regress_setup_owner', 'regress_setup_member', current_user]) AS second, steps AS s
ORDER BY first COLLATE "C", second COLLATE "C", s.n
\set ECHO errors
\gexec
\set ECHO all
\o
RESET ROLE;
TABLE faults;
SELECT count(*) FROM call_event_logs;
DROP SCHEMA setup, fresh CASCADE;
DROP TABLE before, faults, steps;
DROP OWNED BY regress_setup_owner, regress_setup_member;
DROP ROLE regress_setup_owner, regress_setup_member;
