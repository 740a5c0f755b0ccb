\set SHOW_CONTEXT never
-- A monitor sees figures. It sees nothing that a body, an error or a client's word has put there.
CREATE ROLE regress_call_monitor;
-- Tables of calls can be watched without a log.
CREATE SCHEMA watched;
CREATE TABLE watched.plain (dialpad_call_id bigint, status text, direction text);
INSERT INTO watched.plain VALUES (1, 'canarystatus', 'canarydirection'), (1, 'ended', 'inbound'), (2, 'ringing', 'canary +1');
SET client_min_messages = error;
SELECT harden_calls('watched.plain');
RESET client_min_messages;
SELECT grant_call_role('regress_call_monitor', 'monitor');
SELECT * FROM call_role_tasks;
GRANT USAGE ON SCHEMA watched TO regress_call_monitor;
SET ROLE regress_call_monitor;
SELECT * FROM watched.plain;
SELECT figure, value, unit, level, why FROM call_health('watched.plain') WHERE figure ~ '^(calls|dup|dir|payl|stuck)';
SELECT figure, value FROM call_health('watched.plain', exact => true) WHERE figure = 'duplicates';
RESET ROLE;
SELECT figure, why FROM call_health('watched.plain') WHERE figure = 'directions';
-- Row-level security hides rows, and no figure. A table that is not hardened is not read.
ALTER TABLE watched.plain ENABLE ROW LEVEL SECURITY;
SET ROLE regress_call_monitor;
SELECT value FROM call_health('watched.plain') WHERE figure = 'calls';
SELECT _callhardening.count_hidden_calls('pg_authid', NULL);
RESET ROLE;
DROP TABLE watched.plain;
SELECT revoke_call_role('regress_call_monitor', 'monitor');
REVOKE USAGE ON SCHEMA watched FROM regress_call_monitor;

-- A log with canaries in bodies, words, types, call ids, errors and a secret
\set ECHO none
\pset tuples_only on
SET client_min_messages = error;
SELECT create_call_tables('watched', 'twilio');
SELECT create_call_consumer('watched.call_events', 'crm');
ALTER TABLE watched.calls DISABLE TRIGGER USER;
INSERT INTO watched.calls (call_id, status, direction, raw_payload)
    VALUES ('old', 'canarystatus', 'canarydirection', '{"note": "canary"}'), ('odd', 'ended', '+1 canary', '{"note": "canary"}');
ALTER TABLE watched.calls ENABLE TRIGGER USER;
UPDATE watched.calls SET status = 'canaryword', direction = 'canaryword';
SELECT ingest_call_event('not json: canary'::text, event_type => 'canarytype'), ingest_call_event('{"canary": 1}'::text),
    ingest_call_event('CallSid=CA1&CallStatus=canarystate&Direction=canaryway&Note=canary'::text, event_type => 'canarytype'),
    ingest_call_event('CallSid=CA1&CallStatus=completed&Direction=inbound&Note=canary'::text),
    ingest_call_event('CallSid=CA1&CallStatus=ringing&Direction=inbound&Note=canary'::text),
    ingest_call_event('CallSid=canary%2B1&CallStatus=ringing&Direction=inbound&Note=canary'::text),
    ingest_call_event('CallSid=CA2&CallStatus=ringing&Note=canary'::text);
-- Errors of the calls table and of a client
CREATE FUNCTION watched.quote() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'canary: %', NEW.raw_payload USING ERRCODE = 'ZZ001'; END $$;
CREATE TRIGGER quote BEFORE INSERT ON watched.calls FOR EACH ROW WHEN (NEW.call_id <> 'CA1') EXECUTE FUNCTION watched.quote();
SELECT configure_call_event_log('watched.call_events', max_attempts => 2, retry_base => '0');
SELECT claimed FROM generate_series(1000, 1004) AS most, process_call_events(most);
SELECT configure_call_event_log('watched.call_events', max_attempts => 9, retry_base => '1 hour', retry_cap => '1 hour');
SELECT ingest_call_event('CallSid=CA3&CallStatus=ringing&Note=canary'::text);
SELECT claimed FROM process_call_events();
SELECT fail_call_event(claim_id, event_seq, 'canary: ' || payload::text, '1 hour')
FROM claim_call_events(100, worker => 'crm-worker', consumer => 'crm') WHERE call_id = 'CA1';
-- An event table in use, with a mark of its own
CREATE TABLE watched.hooks (body jsonb, kind text, came timestamptz, done timestamptz, app text);
SELECT harden_call_events('watched.hooks', 'watched.calls', payload_column => 'body', event_type_column => 'kind',
    received_at_column => 'came', processed_at_column => 'done', provider => 'twilio', carry => '{}');
INSERT INTO watched.hooks VALUES ('"CallSid=canary1&CallStatus=ringing&Note=canary"', 'canarytype', now(), NULL, 'canary');
SELECT set_call_event_secret('watched.hooks', 'canary secret');
\pset tuples_only off
\set ECHO all
-- The canaries are there.
SELECT kind, call_id, old_value, new_value FROM call_issues WHERE table_name ~ 'watched' ORDER BY happened_at, event_seq, kind;
SELECT call_id, sqlstate, error, errors -> 0 ->> 'error' AS first FROM call_dead_events ORDER BY consumer, event_seq;
SELECT call_id, errors -> 0 ->> 'error' AS error FROM call_retrying_events ORDER BY consumer, event_seq;
SELECT event_type, state, reason FROM call_timeline('CA1', consumer => 'crm');

SELECT grant_call_role('regress_call_monitor', 'monitor', log) FROM unnest('{watched.call_events,watched.hooks}'::regclass[]) AS log;
\pset format unaligned
SELECT * FROM call_role_grants('monitor', 'watched.hooks') ORDER BY object COLLATE "C";
\pset format aligned
SET ROLE regress_call_monitor;
SELECT event_seq, event_lane, done IS NOT NULL AS is_done FROM watched.hooks;
SELECT body FROM watched.hooks;
SELECT call_id FROM watched.hooks;
SELECT * FROM watched.call_events;
SELECT count(*) FROM watched.calls;
-- It sees that something happened, when, where, how often, and to which event.
SELECT log, pending_estimate, retrying, blocked, dead, error, ignored FROM call_event_log_status ORDER BY log::text;
SELECT log, consumer, pending_estimate, retrying, dead, error FROM call_consumers ORDER BY log::text, consumer;
SELECT log, consumer, received, redelivered, failed, dead FROM call_event_counts ORDER BY log::text, consumer;
SELECT sum(pending) FROM pending_call_events('watched.call_events', exact => true, consumer => 'crm');
SELECT kind, call_id, old_value, new_value, detail FROM call_issues WHERE table_name ~ 'watched' ORDER BY happened_at, event_seq, kind;
SELECT call_id, sqlstate, error, (errors -> 0) - 'at' AS first FROM call_dead_events ORDER BY consumer, event_seq;
SELECT call_id, (errors -> 0) - 'at' AS first FROM call_retrying_events ORDER BY consumer, event_seq;
SELECT event_type, state, attempts, reason FROM call_timeline('CA1', 'watched.call_events');
SELECT event_type, state, attempts, worker, reason FROM call_timeline('CA1', 'watched.call_events', 'crm');
SELECT figure, value, level, why FROM call_health('watched.calls')
WHERE figure IN ('calls', 'directions', 'unknown_words_day', 'unusable_bodies_day', 'pending', 'dead');
-- A function in a condition gets the same values as the query.
CREATE FUNCTION pg_temp.looks_odd(word text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
    $$ BEGIN IF word ~* 'canary' THEN RAISE 'it leaks'; END IF; RETURN true; END $$;
SELECT count(*) > 0 AS rows FROM call_dead_events
WHERE pg_temp.looks_odd(coalesce(error, '')) AND pg_temp.looks_odd(coalesce(errors::text, '')) AND pg_temp.looks_odd(coalesce(call_id, ''));
SELECT count(*) > 0 AS rows FROM call_issues
WHERE pg_temp.looks_odd(coalesce(old_value, '')) AND pg_temp.looks_odd(coalesce(new_value, ''));
RESET ROLE;

-- Every function, view and table of the extension, as the catalogs have them. Each function gets the log, the calls table
-- or a call, by the type and the name of a parameter. Strict functions are not called with NULL, so most types have a value.
CREATE FUNCTION argument_of(parameter text, type regtype) RETURNS text LANGUAGE sql AS $$
SELECT format('%L::%s', CASE
    WHEN parameter = 'calls' AND type = 'regclass'::regtype THEN 'watched.calls'
    WHEN type = 'regclass'::regtype THEN 'watched.call_events'
    WHEN type = '_callhardening.settings'::regtype THEN call_settings('watched.calls')::text
    WHEN type = '_callhardening.logs'::regtype
        THEN (SELECT l::text FROM call_event_logs AS l WHERE l.events = 'watched.call_events'::regclass)
    ELSE (SELECT w.value FROM (VALUES ('oid', 'watched.call_events'::regclass::oid::text), ('bool', 'true'), ('int4', '1'), ('int8', '1'),
        ('text', 'CA1'), ('name', 'crm'), ('bytea', 'CA1'), ('jsonb', '{}'), ('interval', '1 hour')) AS w (name, value)
        WHERE w.name::regtype = type) END, type)
$$;
CREATE TABLE attempts AS
SELECT c.relkind = 'v' AS is_view, c.relnamespace = '_callhardening'::regnamespace AS is_internal, c.oid::regclass::text AS object,
    format('SELECT count(*) FILTER (WHERE v::text ~* ''canary'') FROM %s AS v', c.oid::regclass) AS query
FROM pg_class AS c WHERE c.relkind IN ('r', 'v') AND c.oid IN (SELECT _callhardening.member_oids('pg_class'))
UNION ALL
SELECT NULL, p.pronamespace = '_callhardening'::regnamespace, p.oid::regprocedure::text,
    format(CASE p.prokind WHEN 'p' THEN 'CALL %s(%s)'
        ELSE 'SELECT count(*) FILTER (WHERE v::text ~* ''canary'') FROM (SELECT %s(%s) AS v) AS called' END,
        p.oid::regproc, (SELECT string_agg(argument_of(p.proargnames[i], p.proargtypes[i - 1]), ', ' ORDER BY i)
            FROM generate_series(1, p.pronargs) AS i))
FROM pg_proc AS p WHERE p.oid IN (SELECT _callhardening.member_oids('pg_proc'))
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype);
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    canaries bigint;
    detail text;
    hint text;
BEGIN
    EXECUTE query INTO canaries;
    RETURN CASE canaries WHEN 0 THEN 'no canary' ELSE 'CANARIES: ' || canaries END;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN CASE WHEN concat(SQLERRM, detail, hint) ~* 'canary' THEN 'CANARY in an error'
        WHEN SQLSTATE = '42501' AND SQLERRM ~ '^permission denied for (function|procedure|view|table|sequence) ' THEN 'refused'
        ELSE SQLSTATE END;
END
$$;
GRANT SELECT ON attempts TO regress_call_monitor;
SELECT (SELECT count(*) FROM watched.call_events) AS events, (SELECT count(*) FROM call_issues) AS issues,
    (SELECT count(*) FROM call_dead_events) AS dead,
    (SELECT md5(string_agg(l::text, '')) FROM call_event_logs AS l) AS settings \gset before_
SET ROLE regress_call_monitor;
CREATE TEMP TABLE outcomes AS SELECT *, try(query) AS outcome FROM attempts;
RESET ROLE;
-- None has changed anything.
SELECT (SELECT count(*) FROM watched.call_events) = :before_events AS events, (SELECT count(*) FROM call_issues) = :before_issues AS issues,
    (SELECT count(*) FROM call_dead_events) = :before_dead AS dead,
    (SELECT md5(string_agg(l::text, '')) FROM call_event_logs AS l) = :'before_settings' AS settings;
-- None has a canary.
SELECT object, outcome FROM outcomes WHERE outcome ~ 'CANAR' ORDER BY object COLLATE "C";
-- The views for users, and what is open of the internal tables
SELECT object, outcome FROM outcomes WHERE is_view AND NOT is_internal ORDER BY object COLLATE "C";
SELECT object, outcome FROM outcomes WHERE is_internal AND is_view IS NOT NULL AND outcome <> 'refused' ORDER BY object COLLATE "C";
-- The functions for users that the monitor may not call, and those that PUBLIC may not call and the monitor may
SELECT object FROM outcomes WHERE is_view IS NULL AND NOT is_internal AND outcome = 'refused' ORDER BY object COLLATE "C";
SELECT object, outcome FROM outcomes
WHERE is_view IS NULL AND outcome <> 'refused' AND NOT has_function_privilege('public', object, 'EXECUTE') ORDER BY object COLLATE "C";
-- The same search finds them as a superuser.
SELECT object FROM (SELECT object, try(query) AS outcome FROM attempts WHERE is_view AND NOT is_internal) AS o
WHERE outcome ~ 'CANAR' ORDER BY object COLLATE "C";

-- For the calls tables alone, beside a log
SELECT grant_call_role('regress_call_monitor', 'monitor', '-');
SELECT task, log FROM call_role_tasks ORDER BY log::text;
SELECT revoke_call_role('regress_call_monitor', 'monitor', '-');
SELECT grant_call_role('regress_call_monitor', 'read', '-');

-- Row-level security on the log would hide events from a count.
ALTER TABLE watched.call_events ENABLE ROW LEVEL SECURITY;
SET ROLE regress_call_monitor;
SELECT sum(pending) FROM pending_call_events('watched.call_events');
RESET ROLE;
DROP TABLE attempts;
SELECT revoke_call_role('regress_call_monitor', 'monitor', log) FROM unnest('{watched.call_events,watched.hooks}'::regclass[]) AS log;
SELECT c.oid::regclass FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE a.grantee = 'regress_call_monitor'::regrole;
SELECT attrelid::regclass, attname FROM pg_attribute, aclexplode(attacl) AS a WHERE a.grantee = 'regress_call_monitor'::regrole;
SELECT nspname FROM pg_namespace, aclexplode(nspacl) AS a WHERE a.grantee = 'regress_call_monitor'::regrole;
SELECT p.oid::regprocedure FROM pg_proc AS p, aclexplode(p.proacl) AS a WHERE a.grantee = 'regress_call_monitor'::regrole;

DROP TABLE outcomes;
DROP FUNCTION argument_of, try;
DROP SCHEMA watched CASCADE;
DROP OWNED BY regress_call_monitor;
DROP ROLE regress_call_monitor;
