-- A webhook also sends events that are no calls. With these settings they are settled, counted and purged. They do not
-- become dead events.
\set SHOW_CONTEXT never
SELECT create_call_tables('public');
CREATE VIEW state AS SELECT (SELECT claimed FROM process_call_events()) AS claimed, (SELECT count(*)
    FROM call_dead_events) AS dead, ignored,
    (SELECT sum(pending) FROM pending_call_events(NULL, true)) AS pending, (SELECT count(*) FROM call_events) AS events
    FROM call_event_log_status;

-- Without the settings they are dead.
SELECT count(ingest_call_event(body))
    FROM unnest(ARRAY['{"event_type": "sms.received", "text": "hello"}', '{"contact": {"name": "x"}}',
    '{"odd": 1}']::jsonb[]) AS body;
SELECT * FROM state;
SELECT level FROM call_health('calls') WHERE figure = 'dead';

-- By their type: beside the body, in the body, or in the member for the state. By a member, or by its value
SELECT configure_call_event_log(ignored_event_types => '{sms.*, presence, Recap Summary}',
    ignored_members => '{contact, data.user, kind=chat}');
SELECT ignored_event_types, ignored_members FROM call_event_log_status;
SELECT count(ingest_call_event(body, event_type => type)) FROM (VALUES
    ('{"event_type": "sms.sent", "text": "hello again"}'::jsonb, NULL), ('{"n": 2}', 'SMS.delivered'), ('{"n": 3}',
    'presence'),
    ('{"contact": {"name": "y"}}', NULL), ('{"data": {"user": 0}}', NULL), ('{"kind": "Chat"}', NULL),
    ('{"call_id": 1, "state": "recap_summary"}', NULL), ('{"call_id": 2, "state": "ringing", "contact": {}}', NULL),
    ('"a text"', 'sms.raw'),
    -- These are not ignored.
    ('{"contact": null, "call_id": 3, "state": "ringing"}', NULL),
    ('{"data": [{"user": 0}], "call_id": 4, "state": "ringing"}', NULL),
    ('{"call_id": 5, "state": "ringing", "kind": "chat room"}', 'presences')) AS v (body, type);
SELECT * FROM state;
SELECT event_lane, count(*) FROM call_events WHERE event_lane < 0 GROUP BY 1 ORDER BY 1 DESC;
-- SQL and the library use the same names for these lanes.
SELECT reason, _callhardening.no_lane(reason), (_callhardening.event_stamp(body::jsonb, 'dialpad', 8, key_type)).event_lane AS stamped
FROM (VALUES ('not_json', '"no event"', 'text'), ('not_an_object', '[]', 'text'), ('no_call_id', '{}', 'text'),
    ('call_id_too_long', format('{"call_id": "%s"}', repeat('x', 256)), 'text'),
    ('call_id_not_held', '{"call_id": "x"}', 'bigint')) AS v (reason, body, key_type);
SELECT count(*) > 0 AS ignored FROM call_events WHERE event_lane = _callhardening.no_lane('ignored');
SELECT pg_get_expr(adbin, adrelid) AS preset, _callhardening.no_lane('not_stamped')
FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
WHERE adrelid = 'call_events'::regclass AND attname = 'event_lane';
SELECT _callhardening.no_lane('none') IS NULL AS unknown;
SELECT dialpad_call_id, status FROM calls ORDER BY 1;
SELECT kind, count(*) FROM call_issues WHERE happened_at >= (SELECT min(received_at) FROM call_events) GROUP BY 1;
-- The log recognizes a redelivery.
SELECT count(DISTINCT ingest_call_event('{"contact": {"name": "y"}}'::jsonb)) FROM generate_series(1, 2);
SELECT ignored_call_events();

-- The next purge no longer treats old dead events of these types as dead, and deletes them like others.
SELECT purge_call_events('1 hour');
SELECT * FROM state;
SELECT purge_call_events('0');
SELECT * FROM state;

-- settings
SELECT configure_call_event_log(ignored_event_types => '{*}');
SELECT configure_call_event_log(ignored_event_types => '{""}');
SELECT configure_call_event_log(ignored_event_types => '{NULL}');
SELECT configure_call_event_log(ignored_event_types => array_fill('x'::text, ARRAY[101]));
SELECT configure_call_event_log(ignored_event_types => '{{a},{b}}');
SELECT configure_call_event_log(ignored_members => '{a..b}');
SELECT configure_call_event_log(ignored_members => '{=x}');
SELECT configure_call_event_log(ignored_members => ARRAY[repeat('x', 201)]);
SELECT configure_call_event_log(ignored_event_types => '{}', ignored_members => '{}');
SELECT ingest_call_event('{"contact": {"name": "z"}}'::jsonb) IS NOT NULL AS ingested;
SELECT * FROM state;

-- A purge deletes dead events by an age limit of their own.
SELECT purge_call_events('1 hour', dead_older_than => '1 hour');
UPDATE call_dead_events SET died_at = died_at - interval '2 hours' WHERE event_seq = (SELECT max(event_seq)
    FROM call_dead_events);
SELECT purge_call_events('1 hour');
SELECT * FROM state;
SELECT purge_call_events('1 hour', dead_older_than => '1 hour');
SELECT * FROM state;
SELECT purge_call_events('0', dead_older_than => '-1 hour');

-- An event with a call fails and dies.
SELECT configure_call_event_log(max_attempts => 1);
ALTER TABLE calls ADD CONSTRAINT short_calls CHECK (duration_seconds < 100) NOT VALID;
SELECT ingest_call_event('{"call_id": 7, "state": "hangup", "duration": 200000}'::jsonb) IS NOT NULL AS ingested;
SELECT * FROM state;
SELECT purge_call_events('0'), purge_call_events('0', dead_older_than => '0');
SELECT * FROM state;

-- TRUNCATE restarts the numbers. A pending event with the number of a dead one is not dead.
SELECT ingest_call_event('{"call_id": 7, "state": "hangup", "duration": 200000}'::jsonb) IS NOT NULL AS ingested;
SELECT failed FROM process_call_events();
TRUNCATE call_events;
SELECT setval(pg_get_serial_sequence('call_events', 'event_seq'), event_seq, false) = event_seq AS again FROM call_dead_events;
SELECT ingest_call_event('{"call_id": 8, "state": "hangup"}'::jsonb) = event_seq AS same_number FROM call_dead_events;
SELECT purge_call_events('0', dead_older_than => '0');
SELECT claimed FROM process_call_events();
SELECT purge_call_events('0', dead_older_than => '0');

-- A dead event without its row does not count.
SELECT ingest_call_event('{"odd": 2}'::jsonb) IS NOT NULL AS ingested;
DELETE FROM call_events WHERE event_lane < 0;
SELECT purge_call_events('1 hour');
SELECT * FROM state;

-- Many dead events: a call looks at max_events of them, and the next call goes on from there.
SELECT count(ingest_call_event(jsonb_build_object('odd', n))) FROM generate_series(3, 1502) AS n;
SELECT purge_call_events('1 hour', max_events => 400, dead_older_than => '0') FROM generate_series(1, 4) AS n;
SELECT count(ingest_call_event(jsonb_build_object('odd', n))) FROM generate_series(3, 1502) AS n;
DELETE FROM call_events;
SELECT purge_call_events('1 hour') FROM generate_series(1, 2) AS n;
SELECT * FROM state;

-- Purge positions from another cluster have higher transaction ids. They do not hide the events here.
SELECT configure_call_event_log(ignored_event_types => '{sms}');
INSERT INTO _callhardening.purges SELECT log_id, -9, 1000, '9000000000000', 1, now() FROM call_event_logs;
SELECT ingest_call_event('{"odd": 1}'::jsonb, event_type => 'sms') IS NOT NULL AS ingested;
SELECT purge_call_events('0');
SET client_min_messages = error;
DROP VIEW state;
DROP TABLE calls, call_events;

-- In a table with existing rows. An old processor may have settled a dead event.
CREATE TABLE old_calls (call_id text PRIMARY KEY, status text, direction text);
CREATE TABLE old_events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body jsonb NOT NULL, type varchar(10),
    processed_at timestamptz);
SELECT harden_calls('old_calls', 'call_id');
SELECT harden_call_events('old_events', 'old_calls', 'body', event_type_column => 'type',
    processed_at_column => 'processed_at');
INSERT INTO old_events (body, type) VALUES ('{"odd": 1}', 'sms');
SELECT configure_call_event_log(ignored_event_types => '{sms}');
INSERT INTO old_events (body, type) VALUES ('{"odd": 2}', 'sms'), ('{"odd": 3}', 'call'),
    ('{"call_id": 1, "state": "ringing"}', 'call');
SELECT claimed FROM process_call_events();
SELECT body, event_lane < 0 AS no_lane, event_lane, d.event_seq IS NOT NULL AS dead FROM old_events
LEFT JOIN call_dead_events AS d USING (event_seq) ORDER BY id;
UPDATE old_events SET processed_at = now() WHERE body @> '{"odd": 3}';
SELECT purge_call_events('0'), (SELECT count(*) FROM call_dead_events) AS dead_before;
SELECT count(*) FROM call_dead_events;
SELECT purge_call_events('0') IS NOT NULL AS purged FROM generate_series(1, 2) AS n;
SELECT body FROM old_events ORDER BY id;
DROP TABLE old_calls, old_events;
