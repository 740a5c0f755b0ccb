-- The figures of the report: against the tables, without a body, a number or a secret, and not 0 where nothing is known
\set ECHO none
\i test/setup/claims.sql
DELETE FROM _callhardening.issues;
-- The report is made once for each look, as `SELECT make()` says.
CREATE TABLE made (report jsonb);
CREATE FUNCTION make(since interval DEFAULT '7 days', call_id text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
    DELETE FROM made; INSERT INTO made SELECT call_report(since, call_id) $$;
CREATE FUNCTION log_part(wanted regclass) RETURNS jsonb LANGUAGE sql AS $$
    SELECT l FROM made, jsonb_array_elements(report -> 'logs') AS l WHERE l ->> 'log' IN (wanted::text, 'public.' || wanted::text) $$;
CREATE FUNCTION table_part(wanted regclass) RETURNS jsonb LANGUAGE sql AS $$
    SELECT t FROM made, jsonb_array_elements(report -> 'tables') AS t WHERE t ->> 'table' IN (wanted::text, 'public.' || wanted::text) $$;
CREATE FUNCTION bins(part jsonb, VARIADIC names text[]) RETURNS TABLE (name text, total numeric) LANGUAGE sql AS $$
    SELECT n.name, sum((b ->> n.name)::numeric) FROM unnest(names) WITH ORDINALITY AS n (name, place),
        jsonb_array_elements(part -> 'bins') AS b GROUP BY n.name, n.place ORDER BY n.place $$;
\set ECHO all

-- Empty logs and an empty table
SELECT make();
SELECT jsonb_object_agg(key, jsonb_typeof(value)) FROM made, jsonb_each(report);
SELECT l -> 'counts' AS counts, l #- '{events,percentage}' -> 'events' AS events, l -> 'bodies' AS bodies FROM log_part('queue') AS l;
SELECT key, value FROM jsonb_each(log_part('queue') #> '{consumers,0}') WHERE key <> 'lag';
SELECT log_part('queue') #>> '{consumers,0,lag,events}' AS events, log_part('queue') #>> '{consumers,0,lag,percentiles}' AS percentiles;
SELECT table_part('calls') #- '{calls,newest}' -> 'calls' AS calls;
SELECT report -> 'issues' AS issues, report -> 'failures' AS failures, report -> 'call' AS call FROM made;

-- Webhooks: bodies with secrets, numbers and words that nobody knows; a redelivery, a body without a call, a refusal
SELECT configure_call_event_log('call_events', ignored_event_types => '{ping}');
SELECT count(ingest_call_event(body, 'call_events')) FROM unnest(ARRAY[
    '{"call_id": 7, "state": "ringing", "direction": "Incoming", "event_timestamp": 1700000000000, "external_number": "+14155550199"}',
    '{"call_id": 7, "state": "ringing", "direction": "Incoming", "event_timestamp": 1700000000000, "external_number": "+14155550199"}',
    '{"call_id": 7, "state": "hangup", "event_timestamp": 1700000001000, "password": "canary-secret", "note": "canary note"}',
    '{"call_id": 7, "state": "connected", "event_timestamp": 1700000002000}',
    '{"call_id": 8, "state": "teleported", "direction": "sideways"}', '{"call_id": 9, "state": "4155550123"}',
    '{"call_id": 10, "state": "sk_live_4eC39HqLyjWDarjtT1zdp7dc"}', '{"call_id": 11, "state": "canary <b>"}',
    '{"note": "canary without a call"}', '{"event_type": "ping"}']::text[]) AS body;
SET application_name = 'applier of +1 415 555 0177';
SELECT claimed, applied, refused FROM process_call_events(log => 'call_events');
-- A client gives an event up, another one back, and quotes the bodies.
SELECT configure_call_event_log('queue', max_attempts => 1);
SELECT add(101, 102, 102, 103);
SELECT count(*) FROM take('client one');
SELECT fail_call_event(id('client one'), 1, 'canary error +14155550188');
SELECT configure_call_event_log('queue', max_attempts => 5);
SELECT fail_call_event(id('client one'), 2, 'canary error again', '1 hour');
SELECT complete('client one');
RESET application_name;
SELECT make();
SELECT report::text ~* 'canary|4155550|4eC39|415 555|\+1' AS has_canary, report::text LIKE '%<%' AS has_markup FROM made;

-- The log: as it counts itself, and as its rows say
SELECT c ->> 'delivered' AS delivered, c ->> 'redelivered' AS redelivered FROM (SELECT log_part('call_events') -> 'counts') AS l (c);
SELECT b.* FROM bins(log_part('call_events') -> 'events', 'received', 'ignored', 'without_call', 'waiting') AS b;
SELECT count(*) AS rows, count(*) FILTER (WHERE event_lane = -10) AS ignored,
    count(*) FILTER (WHERE event_lane BETWEEN -9 AND -1) AS without_call
FROM call_events;
SELECT c ->> 'applied' AS applied, c ->> 'refused' AS refused, c ->> 'died' AS died, c -> 'lag' ->> 'events' AS lag,
    (c -> 'lag' -> 'percentiles' -> 0 ->> 'up_to')::numeric > 0 AS has_median
FROM jsonb_array_elements(log_part('call_events') -> 'consumers') AS c;
-- Waiting: what no worker has, and what a worker has not completed
SELECT add(104, 105);
SELECT count(*) FROM take('client two', 1);
SELECT make();
SELECT b.* FROM bins(log_part('queue') -> 'events', 'received', 'waiting') AS b;
SELECT complete('client two');
SELECT make();
SELECT b.* FROM bins(log_part('queue') -> 'events', 'received', 'waiting') AS b;
-- The same from a sample of all pages; and from half of the pages, times two
SELECT sum(received) AS received, sum(waiting) AS waiting
FROM _callhardening.logs AS l, _callhardening.binned_events(l, 100, now() - interval '1 day', clock_timestamp(), '1 day')
WHERE l.events = 'queue'::regclass;
SELECT coalesce((_callhardening.report_events(l, '{"percentage": 50}', now() - interval '1 day', clock_timestamp(), '1 day')
    #>> '{bins,0,received}')::int % 2, 0) AS odd FROM _callhardening.logs AS l WHERE l.events = 'call_events'::regclass;

-- Bodies, before and after: the sums of the sanitizer's own
SELECT (b ->> 'bodies')::int AS bodies, (b ->> 'before')::bigint = s.before AS before, (b ->> 'after')::bigint = s.after AS after
FROM (SELECT log_part('call_events') -> 'bodies') AS l (b), (SELECT sum(octet_length(payload::text)) AS before,
    sum(octet_length(sanitize_call_payload(payload)::text)) AS after FROM call_events) AS s;
SELECT c ->> 'action' AS action, c ->> 'reason' AS reason, c ->> 'values' AS values
FROM jsonb_array_elements(log_part('call_events') #> '{bodies,changes}') AS c ORDER BY 1, 2;

-- Calls: all rows, by direction and status
SELECT b ->> 'direction' AS direction, b ->> 'status' AS status, sum((b ->> 'calls')::int) AS calls
FROM jsonb_array_elements(table_part('calls') #> '{calls,bins}') AS b GROUP BY 1, 2 ORDER BY 1, 2;
SELECT direction, status, count(*) AS calls FROM calls GROUP BY 1, 2 ORDER BY 1, 2;
SELECT table_part('calls') #> '{calls,stored}' ->> 'payloads' AS payloads, table_part('calls') #>> '{calls,stored,masked}' AS masked;
SELECT count(*) AS figures, count(h ->> 'why') AS reasons FROM jsonb_array_elements(table_part('calls') -> 'health') AS h;

-- What went wrong
SELECT b ->> 'kind' AS kind, sum((b ->> 'occurrences')::int) AS issues
FROM made, jsonb_array_elements(report #> '{issues,bins}') AS b GROUP BY 1 ORDER BY 1;
SELECT w ->> 'kind' AS kind, w ->> 'word' AS word, w ->> 'provider' AS provider, w ->> 'client' AS client, w ->> 'occurrences' AS times
FROM made, jsonb_array_elements(report #> '{issues,words}') AS w ORDER BY 1, 2;
SELECT s ->> 'old' AS old, s ->> 'new' AS new, s ->> 'client' AS client FROM made, jsonb_array_elements(report #> '{issues,steps}') AS s;
SELECT c ->> 'log' AS log, c ->> 'state' AS state, c ->> 'cause' AS cause, c ->> 'detail' AS detail, c ->> 'events' AS events
FROM made, jsonb_array_elements(report #> '{failures,causes}') AS c ORDER BY 1, 2, 3;
SELECT e ->> 'level' AS level, e ->> 'gap' AS gap, e ->> 'relation' AS relation
FROM made, jsonb_array_elements(report -> 'enforcement') AS e ORDER BY 2, 3;

-- One call: the most telling one without its id, or the named one
SELECT report -> 'call' ->> 'kind' AS kind, report -> 'call' ? 'call_id' AS has_id, report -> 'call' ->> 'log' AS log FROM made;
SELECT e ->> 'type' AS type, e ->> 'state' AS state, e ->> 'sqlstate' AS sqlstate
FROM made, jsonb_array_elements(report #> '{call,events}') AS e;
SELECT make(call_id => '7');
SELECT report -> 'call' ->> 'call_id' AS call_id, report -> 'call' ->> 'log' AS log FROM made;
SELECT e ->> 'type' AS type, e ->> 'state' AS state, e ->> 'old' AS old, e ->> 'new' AS new, e ->> 'worker' AS worker
FROM made, jsonb_array_elements(report #> '{call,events}') AS e;
SELECT make(call_id => 'nobody''s');
SELECT report -> 'call' AS call FROM made;

-- A log of changes, a table of other names without a log, a table without times, and a log of an existing table
SELECT create_call_changes('calls');
CREATE TYPE spoken AS ENUM ('ringing', 'active', 'ended', 'missed', 'rejected', 'voicemail');
CREATE TABLE "Anrufe" ("Nummer" text PRIMARY KEY, "Richtung" text, "Stand" spoken, "Inhalt" jsonb);
SELECT harden_calls('"Anrufe"', 'Nummer', 'Stand', 'Richtung', 'Inhalt', provider => 'twilio');
INSERT INTO "Anrufe" VALUES ('CA1', 'inbound', 'ended', '{"From": "+14155550100"}'), ('CA2', NULL, NULL, NULL);
INSERT INTO calls (dialpad_call_id, status) VALUES (999, 'ringing');
CREATE TABLE old_events (id int PRIMARY KEY, body jsonb, came timestamp, done timestamp);
INSERT INTO old_events VALUES (1, '{"call_id": 1}', now(), now());
SET client_min_messages = warning;
SELECT harden_call_events('old_events', 'calls', payload_column => 'body', received_at_column => 'came', processed_at_column => 'done');
RESET client_min_messages;
INSERT INTO old_events VALUES (2, '{"call_id": 2, "state": "ringing"}', now()), (3, '{"call_id": 3, "state": "ringing"}', now());
SELECT claimed FROM process_call_events(1, 'old_events');
SELECT make();
SELECT l ->> 'log' AS log, l ->> 'is_of_changes' AS changes, l -> 'consumers' = '[]' AS no_consumers, l -> 'bodies' = 'null' AS no_bodies
FROM made, jsonb_array_elements(report -> 'logs') AS l ORDER BY 1;
SELECT b.* FROM bins(log_part('call_changes') -> 'events', 'received', 'waiting') AS b;
SELECT b.* FROM bins(log_part('old_events') -> 'events', 'received', 'waiting') AS b;
SELECT table_part('"Anrufe"') ->> 'provider' AS provider, table_part('"Anrufe"') #> '{calls,time_column}' AS time_column,
    table_part('"Anrufe"') #> '{calls,bins}' AS bins, table_part('"Anrufe"') #> '{calls,stored}' ->> 'payloads' AS payloads;

-- A part that cannot be read does not hide the others, and has no text. The owner's cast quotes the canary,
-- and runs with the owner's rights.
CREATE ROLE regress_report_owner;
ALTER TABLE "Anrufe" OWNER TO regress_report_owner;
GRANT USAGE ON SCHEMA public TO regress_report_owner;
CREATE FUNCTION quotes(value spoken) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE 'canary' USING ERRCODE = CASE current_user WHEN 'regress_report_owner' THEN 'P0042' ELSE 'P0001' END;
END $$;
CREATE CAST (spoken AS text) WITH FUNCTION quotes(spoken);
ALTER TABLE queue DROP COLUMN received_at;
SELECT make();
SELECT log_part('queue') -> 'events' AS events, log_part('queue') #> '{consumers,0}' ->> 'unknown' AS consumers,
    table_part('"Anrufe"') -> 'calls' AS calls, report::text LIKE '%canary%' AS has_canary FROM made;
SELECT count(*) > 0 AS has_gaps, bool_and(e ->> 'advice' <> '') AS with_advice
FROM made, jsonb_array_elements(report -> 'enforcement') AS e WHERE e ->> 'level' = 'gap';

-- Times do not go through the session's style: IST would be read as the time of Israel, and the last hour would be empty.
SET datestyle = 'SQL';
SET timezone = 'Asia/Kolkata';
SELECT make('1 hour');
RESET datestyle;
RESET timezone;
SELECT b.* FROM bins(log_part('call_events') -> 'events', 'received') AS b;

-- What is purged is not 0: the log says so, and since when it has events.
SELECT purge_call_events('0', 'call_events');
SELECT make();
SELECT log_part('call_events') -> 'counts' ->> 'purged' AS purged, jsonb_array_length(log_part('call_events') #> '{events,bins}') AS bins;

-- A monitor: the same figures of its logs, and no word of a body. Without a task: nothing.
CREATE ROLE regress_report_reader;
SET ROLE regress_report_reader;
SELECT call_report();
RESET ROLE;
SELECT ingest_call_event('{"call_id": 12, "state": "ringing"}', 'call_events') > 0 AS kept,
    ingest_call_event('{"call_id": 12, "state": "voicemail"}', 'call_events') > 0 AS kept;
SELECT claimed FROM process_call_events(log => 'call_events');
SELECT grant_call_role('regress_report_reader', 'monitor', 'call_events');
SELECT make();
CREATE TABLE seen AS SELECT call_report() AS report LIMIT 0;
GRANT INSERT ON seen TO regress_report_reader;
SET ROLE regress_report_reader;
INSERT INTO seen SELECT call_report(call_id => '12');
RESET ROLE;
SELECT jsonb_path_query_array(seen.report, '$.logs[*].log') AS logs, seen.report -> 'shows_words' AS shows_words,
    seen.report #> '{logs,0,events,rows_read}' AS rows_read, log_part('call_events') #> '{events,rows_read}' AS same_rows,
    seen.report #> '{logs,0,bodies}' = log_part('call_events') -> 'bodies' AS same_bodies,
    jsonb_path_query_array(seen.report, '$.tables[*].calls.stored') = jsonb_path_query_array(made.report, '$.tables[*].calls.stored')
        AS same_payloads
FROM seen, made;
SELECT w ->> 'word' AS word, w ->> 'occurrences' AS times FROM seen, jsonb_array_elements(report #> '{issues,words}') AS w;
SELECT c ->> 'state' AS state, c ->> 'cause' AS cause FROM seen, jsonb_array_elements(report #> '{failures,causes}') AS c ORDER BY 1, 2;
SELECT jsonb_path_query_array(report, '$.call.events[*].type') AS types,
    jsonb_path_query_array(report, '$.call.events[*].state') AS states FROM seen;
-- Rows are counted for the report alone: only of logs and hardened tables, and without the text of an error.
SET ROLE regress_report_reader;
SELECT _callhardening.count_rows('calls', 'pg_authid', NULL, now() - interval '1 day', now(), NULL, true);
SELECT _callhardening.count_rows('extent', 'pg_authid', NULL, now() - interval '1 day', now(), NULL, true);
SELECT call_report(NULL);
SELECT call_report('-1 day');
SELECT call_report('10000000 days');
SELECT call_report(exact => NULL);
RESET ROLE;
DROP OWNED BY regress_report_reader;
DROP ROLE regress_report_reader;

\set ECHO none
SET client_min_messages = warning;
DROP TABLE call_changes, "Anrufe", old_events, made, seen;
DROP TYPE spoken CASCADE;
DROP FUNCTION make, log_part, table_part, bins;
DROP OWNED BY regress_report_owner;
DROP ROLE regress_report_owner;
\i test/setup/claims_end.sql
