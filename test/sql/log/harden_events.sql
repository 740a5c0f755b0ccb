-- A table of events in use becomes an event log, and later a plain table again.
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA "web ""hooks""";
SET search_path = "web ""hooks""", public;
CREATE TABLE apps (id uuid PRIMARY KEY, name text);
INSERT INTO apps VALUES ('00000000-0000-0000-0000-00000000000a', 'one');
CREATE TABLE webhook_events (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid, event_type varchar(40), dialpad_event_id text UNIQUE,
    payload jsonb NOT NULL, processed_at timestamp, received_at timestamp DEFAULT now());
CREATE INDEX ON webhook_events (received_at) WHERE processed_at IS NULL;
CREATE TABLE calls (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps, dialpad_call_id bigint UNIQUE NOT NULL,
    direction text CHECK (direction IN ('inbound', 'outbound')), from_number text, to_number text, status text, dialpad_user_id bigint,
    started_at timestamp, ended_at timestamp, duration_seconds integer, recording_url text, is_voicemail boolean, raw_payload jsonb,
    created_at timestamp DEFAULT now());
CREATE FUNCTION body(call bigint) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('call',
        jsonb_build_object('id', call, 'direction', 'incoming', 'from', '+14155550100', 'to', '+14155550199', 'user_id', 7,
        'started_at', '2026-01-01T00:00:00Z', 'duration', 120)) $$;
-- Three events for each call. Those of calls 100 to 104 are processed.
INSERT INTO webhook_events (app_id, event_type, dialpad_event_id, payload, processed_at, received_at)
SELECT '00000000-0000-0000-0000-00000000000a', (ARRAY['call.ring', 'call.started', 'call.ended'])[1 + n % 3], 'e' || n, body(100 + n / 3),
    CASE WHEN n < 15 THEN timestamp '2026-01-02' END, timestamp '2026-01-01' + n * interval '1 second'
FROM generate_series(0, 29) AS n ORDER BY n % 7;
CREATE TABLE settings_of AS SELECT 'event_type' AS event_type_column; -- any table
CREATE VIEW things AS SELECT relname FROM pg_class WHERE relnamespace = '"web ""hooks"""'::regnamespace;

-- Each obstacle gives an error.
\set SHOW_CONTEXT never
SELECT harden_call_events('webhook_events', 'calls');
SELECT harden_calls('calls');
CREATE TEMP TABLE before AS TABLE webhook_events;
CREATE TEMP TABLE things_before AS TABLE things;
SELECT harden_call_events(NULL, 'calls');
SELECT harden_call_events('webhook_events', NULL);
SELECT harden_call_events('webhook_events', 'calls', payload_column => NULL);
SELECT harden_call_events('webhook_events', 'calls', provider => NULL);
SELECT harden_call_events('webhook_events', 'calls', lanes => NULL);
SELECT harden_call_events('webhook_events', 'calls', carry => NULL);
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id,NULL}');
SELECT harden_call_events('webhook_events', 'calls', lanes => 0);
SELECT harden_call_events('webhook_events', 'calls', lanes => 1025);
SELECT harden_call_events('webhook_events', 'calls', provider => 'nobody');
SELECT harden_call_events('webhook_events', 'calls', payload_column => 'body');
SELECT harden_call_events('webhook_events', 'calls', payload_column => 'event_type');
SELECT harden_call_events('webhook_events', 'calls', event_type_column => 'received_at');
SELECT harden_call_events('webhook_events', 'calls', event_type_column => 'kind');
SELECT harden_call_events('webhook_events', 'calls', received_at_column => 'event_type');
SELECT harden_call_events('webhook_events', 'calls', processed_at_column => 'id');
SELECT harden_call_events('webhook_events', 'calls', processed_at_column => 'received_at', received_at_column => 'received_at');
SELECT harden_call_events('webhook_events', 'calls', received_at_column => 'event_seq');
SELECT harden_call_events('webhook_events', 'calls');
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id,app_id}');
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id,dialpad_event_id}');
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id,created_at}');
SELECT harden_call_events('webhook_events', 'settings_of');
SELECT harden_call_events('things', 'calls');
BEGIN;
ALTER TABLE webhook_events ADD direction text, ADD from_number varchar(20), ADD whole text GENERATED ALWAYS AS (event_type || 'x') STORED;
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id,direction}');
ROLLBACK;
BEGIN;
ALTER TABLE webhook_events ADD from_number varchar(20);
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id,from_number}');
ROLLBACK;
BEGIN;
ALTER TABLE webhook_events ADD whole text GENERATED ALWAYS AS (event_type || 'x') STORED;
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id}', event_type_column => 'whole');
ROLLBACK;
BEGIN;
ALTER TABLE calls ALTER id DROP DEFAULT;
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id}');
ROLLBACK;
BEGIN;
ALTER TABLE webhook_events ADD call_id uuid;
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id}');
ROLLBACK;
BEGIN;
ALTER TABLE webhook_events ADD call_id text DEFAULT 'theirs';
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id}');
ROLLBACK;
BEGIN;
CREATE TABLE child () INHERITS (webhook_events);
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id}');
ROLLBACK;
CREATE TABLE parted (payload jsonb) PARTITION BY HASH (payload);
SELECT harden_call_events('parted', 'calls', carry => '{}');
DROP TABLE parted;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id}');
ROLLBACK;
CREATE ROLE regress_other;
GRANT USAGE ON SCHEMA _callhardening TO regress_other;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public, _callhardening TO regress_other;
GRANT USAGE ON SCHEMA "web ""hooks""" TO regress_other;
SET ROLE regress_other;
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id}');
SELECT unharden_call_events('webhook_events');
RESET ROLE;
SELECT unharden_call_events('webhook_events');
SELECT unharden_call_events(NULL);
-- The failed attempts leave nothing behind.
SELECT count(*) FROM pg_attribute WHERE attrelid = 'webhook_events'::regclass AND attnum > 7 AND NOT attisdropped;

-- Hardened
SELECT harden_call_events('webhook_events', 'calls', event_type_column => 'event_type', received_at_column => 'received_at',
    processed_at_column => 'processed_at', carry => '{app_id}', lanes => 1);
\d webhook_events
SELECT events, calls, provider, lanes, payload_column, event_type_column, received_at_column, processed_at_column, carry, sequence
FROM call_event_logs;
SELECT gap, detail FROM call_enforcement WHERE relation = 'webhook_events'::regclass AND gap IS NOT NULL;
SELECT harden_call_events('webhook_events', 'calls', carry => '{app_id}');
-- The rows are unchanged. Pending rows are stamped in the order of their arrival.
SELECT count(*) FROM (TABLE before EXCEPT SELECT id, app_id, event_type, dialpad_event_id, payload, processed_at, received_at
    FROM webhook_events) AS changed;
SELECT count(*) FILTER (WHERE processed_at IS NOT NULL) AS processed,
    count(*) FILTER (WHERE processed_at IS NOT NULL
        AND coalesce(event_lane::text, event_xid::text, event_seq::text, call_id) IS NULL) AS unstamped FROM webhook_events;
SELECT event_seq, call_id, event_type, received_at,
    event_lane = (_callhardening.event_stamp(payload, 'dialpad', 1, 'bigint')).event_lane AS in_lane
FROM webhook_events WHERE event_seq IS NOT NULL ORDER BY event_seq;
SELECT sum(pending), min(oldest_event_seq), min(oldest_received_at) FROM pending_call_events(exact => true);

-- Old webhooks insert as before, with no right except on the table. Their redelivery is no event.
CREATE ROLE regress_webhook;
GRANT USAGE ON SCHEMA "web ""hooks""" TO regress_webhook;
GRANT INSERT, SELECT (dialpad_event_id) ON webhook_events TO regress_webhook;
SET ROLE regress_webhook;
INSERT INTO webhook_events (app_id, event_type, dialpad_event_id, payload)
VALUES ('00000000-0000-0000-0000-00000000000a', 'call.recording.completed', 'e30',
    '{"data": {"call": {"id": 109, "recording_url": "https://example.com/r"}}}'),
    ('00000000-0000-0000-0000-00000000000a', 'call.ended', 'e29', '{"call": {"id": 109}}') ON CONFLICT (dialpad_event_id) DO NOTHING;
INSERT INTO webhook_events VALUES (gen_random_uuid(), NULL, 'sms.received', 'e31', '{"sms": {"id": 5}}');
RESET ROLE;
SELECT event_type, call_id, event_lane, event_seq IS NOT NULL AS numbered
FROM webhook_events WHERE dialpad_event_id IN ('e30', 'e31') ORDER BY 1;
SELECT call_id, lane, error FROM call_dead_events;

-- An old processor runs beside ours. Our worker leaves its events alone.
UPDATE webhook_events SET processed_at = '2026-01-03' WHERE dialpad_event_id IN ('e15', 'e16', 'e17');
SELECT call_id, event_type, attempt, CASE WHEN received_at < '2026-02-01' THEN received_at END AS received_at
FROM claim_call_events(max_events => 100, lease => NULL) ORDER BY event_seq;
SELECT * FROM process_call_events();
SELECT * FROM process_call_events();
SELECT dialpad_call_id, app_id, status, direction, from_number, to_number,
    dialpad_user_id, started_at, duration_seconds, recording_url, is_voicemail
FROM calls ORDER BY 1;
-- processed_at is set on processed events, and not on dead ones.
SELECT processed_at IS NULL AS pending, processed_at < now() - interval '1 day' AS by_others, count(*)
FROM webhook_events GROUP BY 1, 2 ORDER BY 1, 2;
SELECT event_type FROM webhook_events WHERE processed_at IS NULL;

-- When a client completes a claim, processed_at is set, except on failed events.
INSERT INTO webhook_events (app_id, event_type, dialpad_event_id, payload)
SELECT '00000000-0000-0000-0000-00000000000a', 'call.ring', 'c' || n, body(n) FROM generate_series(200, 205) AS n;
CREATE TEMP TABLE claimed AS SELECT * FROM claim_call_events(100);
CREATE TEMP VIEW state AS SELECT dialpad_event_id AS event, processed_at IS NOT NULL AS done
    FROM webhook_events WHERE dialpad_event_id LIKE 'c%';
SELECT fail_call_event(claim_id, event_seq, 'x', '0') FROM claimed WHERE call_id = '203';
UPDATE webhook_events SET processed_at = '2026-01-03' WHERE call_id = '205';
SELECT * FROM state ORDER BY 1;
SELECT DISTINCT outcome FROM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM claimed));
SELECT * FROM state ORDER BY 1;
SELECT processed_at FROM webhook_events WHERE call_id = '205';
-- An old processor has done the retry. The worker drops it.
SELECT call_id FROM call_retrying_events;
UPDATE webhook_events SET processed_at = now() WHERE call_id = '203';
SELECT call_id, event_type FROM claim_call_events(100);
SELECT call_id FROM call_retrying_events;

DROP VIEW state;

-- A failed event is not processed, and its processed_at stays NULL.
SELECT configure_call_event_log(retry_base => '0', retry_cap => '0', max_attempts => 2);
ALTER TABLE calls ADD CONSTRAINT short_calls CHECK (duration_seconds < 1000) NOT VALID;
INSERT INTO webhook_events (app_id, event_type, dialpad_event_id, payload)
VALUES ('00000000-0000-0000-0000-00000000000a', 'call.ended', 'f1', '{"call": {"id": 300, "duration": 5000}}'),
    ('00000000-0000-0000-0000-00000000000a', 'call.ended', 'f2', '{"call": {"id": 301, "duration": 5}}');
SELECT sum(failed) AS failed, sum(applied) AS applied FROM generate_series(1, 3) AS n, LATERAL process_call_events(1000 + n);
SELECT dialpad_event_id, processed_at IS NOT NULL AS done FROM webhook_events WHERE dialpad_event_id LIKE 'f%' ORDER BY 1;
SELECT call_id, attempts, error FROM call_dead_events WHERE lane >= 0;
SELECT retry_dead_call_events(event_seqs => ARRAY(SELECT event_seq FROM webhook_events WHERE dialpad_event_id = 'f1'));
ALTER TABLE calls DROP CONSTRAINT short_calls;
SELECT sum(applied) AS applied FROM generate_series(1, 3) AS n, LATERAL process_call_events(1000 + n);
SELECT dialpad_event_id, processed_at IS NOT NULL AS done FROM webhook_events WHERE dialpad_event_id = 'f1';

-- A trigger that suppresses our update would lose events, so processing fails.
CREATE FUNCTION suppress() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER suppress BEFORE UPDATE ON webhook_events FOR EACH ROW EXECUTE FUNCTION suppress();
INSERT INTO webhook_events (app_id, event_type, payload)
    VALUES ('00000000-0000-0000-0000-00000000000a', 'call.ended', '{"call": {"id": 302}}');
SELECT * FROM process_call_events();
DROP TRIGGER suppress ON webhook_events;
SELECT * FROM process_call_events();

-- Rights: a worker needs UPDATE on processed_at.
CREATE ROLE regress_worker;
GRANT USAGE ON SCHEMA "web ""hooks""" TO regress_worker;
GRANT EXECUTE ON FUNCTION process_call_events TO regress_worker;
GRANT SELECT ON webhook_events TO regress_worker;
GRANT SELECT, INSERT, UPDATE ON calls TO regress_worker;
INSERT INTO webhook_events (app_id, event_type, payload)
    VALUES ('00000000-0000-0000-0000-00000000000a', 'call.ended', '{"call": {"id": 303}}');
SET ROLE regress_worker;
SELECT * FROM process_call_events();
RESET ROLE;
GRANT UPDATE (processed_at) ON webhook_events TO regress_worker;
SET ROLE regress_worker;
SELECT * FROM process_call_events();
RESET ROLE;

-- ingest_call_event
SELECT ingest_call_event('{"call": {"id": 400},
    "event_type": "call.ring"}'::jsonb) = ingest_call_event('{"call": {"id": 400}, "event_type": "call.ring"}'::text) AS same;
SELECT ingest_call_event('{"call": {"id": 400}}'::jsonb, event_type => 'call.ended',
    event_key => 'k') = ingest_call_event('{"call": {"id": 401}}'::jsonb, event_key => 'k') AS same;
SELECT event_type, payload, received_at IS NOT NULL AS received, app_id FROM webhook_events WHERE call_id = '400' ORDER BY event_seq;
SELECT ingest_call_event('{"call": {"id": 400}}'::jsonb, event_type => repeat('x', 41));
SELECT claimed, failed FROM process_call_events(); -- these events have no app_id
SELECT errors #>> '{0,error}' AS error FROM call_retrying_events ORDER BY event_seq LIMIT 1;
UPDATE webhook_events SET app_id = '00000000-0000-0000-0000-00000000000a' WHERE call_id = '400';
SELECT sum(applied) AS applied, sum(failed) AS failed FROM generate_series(1, 4) AS n, LATERAL process_call_events(1000 + n);
SELECT dialpad_call_id, status FROM calls WHERE dialpad_call_id = 400;
ALTER TABLE webhook_events ALTER id DROP DEFAULT;
SELECT ingest_call_event('{"call": {"id": 402}}'::jsonb);
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := gen_random_uuid(); RETURN NEW; END $$;
CREATE TRIGGER fill BEFORE INSERT ON webhook_events FOR EACH ROW EXECUTE FUNCTION fill();
SELECT ingest_call_event('{"call": {"id": 402}}'::jsonb) IS NOT NULL AS ingested;
DROP TRIGGER fill ON webhook_events;
ALTER TABLE webhook_events ALTER id SET DEFAULT gen_random_uuid();
DELETE FROM webhook_events WHERE call_id = '402';

-- The settings name columns that were renamed, altered or dropped.
BEGIN;
ALTER TABLE webhook_events RENAME payload TO body;
SELECT * FROM process_call_events();
ROLLBACK;
BEGIN;
ALTER TABLE webhook_events RENAME payload TO body;
INSERT INTO webhook_events (body) VALUES ('{}');
ROLLBACK;
BEGIN;
ALTER TABLE webhook_events RENAME processed_at TO done_at;
SELECT * FROM process_call_events();
ROLLBACK;
BEGIN;
ALTER TABLE webhook_events DROP received_at;
SELECT * FROM process_call_events();
ROLLBACK;
BEGIN;
ALTER TABLE webhook_events ALTER event_type TYPE json USING '1';
SELECT * FROM process_call_events();
ROLLBACK;
BEGIN;
DROP INDEX "webhook_events_received_at_idx";
ALTER TABLE webhook_events ALTER processed_at TYPE text;
SELECT * FROM process_call_events();
ROLLBACK;
BEGIN;
ALTER TABLE webhook_events RENAME app_id TO app;
SELECT * FROM process_call_events();
ROLLBACK;
BEGIN;
ALTER TABLE calls RENAME app_id TO app;
SELECT * FROM process_call_events();
ROLLBACK;
-- Columns outside the settings may change.
ALTER TABLE webhook_events ALTER received_at TYPE timestamptz, ALTER processed_at TYPE timestamptz;
ALTER TABLE webhook_events RENAME TO hooks;
ALTER SEQUENCE webhook_events_event_seq_seq RENAME TO numbers;
ALTER TABLE hooks SET SCHEMA public;
INSERT INTO public.hooks (app_id, event_type, payload)
    VALUES ('00000000-0000-0000-0000-00000000000a', 'call.ended', '{"call": {"id": 500}}');
SELECT * FROM process_call_events();
SELECT processed_at IS NOT NULL AS done FROM public.hooks WHERE call_id = '500';
ALTER TABLE public.hooks SET SCHEMA "web ""hooks""";
ALTER TABLE hooks RENAME TO webhook_events;
ALTER TABLE webhook_events ALTER received_at TYPE timestamp, ALTER processed_at TYPE timestamp;

-- A purge deletes settled events. Rows processed before hardening are no events, and their owner deletes them.
SELECT purge_call_events('1 day');
SELECT count(*) FROM webhook_events WHERE event_seq IS NULL;
SELECT count(*) FROM webhook_events WHERE received_at < now() - interval '1 day' AND event_seq IS NOT NULL;

-- The way back keeps all data.
CREATE TEMP TABLE before_way_back AS SELECT id, app_id, event_type, dialpad_event_id, payload, processed_at, received_at
    FROM webhook_events;
SELECT unharden_call_events('webhook_events');
\d webhook_events
SELECT count(*) AS different
FROM ((TABLE before_way_back EXCEPT TABLE webhook_events) UNION ALL (TABLE webhook_events EXCEPT TABLE before_way_back)) AS d;
SELECT count(*) AS left_behind FROM (TABLE things EXCEPT TABLE things_before) AS t;
SELECT (SELECT count(*) FROM call_event_logs) AS logs, (SELECT count(*) FROM _callhardening.lanes) AS lanes,
    (SELECT count(*) FROM _callhardening.claims) AS claims,
    (SELECT count(*) FROM call_retrying_events) AS waiting, (SELECT count(*) FROM call_dead_events) AS dead,
    (SELECT count(*) FROM _callhardening.purges) AS purges;
INSERT INTO webhook_events (payload) VALUES ('{}');
DELETE FROM webhook_events WHERE payload = '{}';

-- Without processed_at and without times: existing rows are settled, and the time of an event is unknown.
CREATE TABLE bare (body jsonb);
INSERT INTO bare SELECT body(600);
SELECT harden_call_events('bare', 'calls', payload_column => 'body');
ALTER TABLE calls ALTER app_id DROP NOT NULL;
SELECT harden_call_events('bare', 'calls', payload_column => 'body', lanes => 1);
SELECT * FROM process_call_events();
INSERT INTO bare
    VALUES (body(601)), ('{"call": {"id": 601, "status": "ringing"}}'), ('{"call": {"id": 601, "status": "ended", "duration": 9}}'), (NULL);
SELECT lane, pending, oldest_event_seq, oldest_received_at FROM pending_call_events(exact => true);
BEGIN;
SELECT call_id, event_type, received_at FROM claim_call_events(1);
ROLLBACK;
SELECT * FROM process_call_events();
SELECT status, duration_seconds, raw_payload FROM calls WHERE dialpad_call_id = 601;
SELECT purge_call_events('1 day');
INSERT INTO bare VALUES (body(602));
SELECT unharden_call_events('bare');
DROP TABLE bare;
DELETE FROM calls WHERE app_id IS NULL;
ALTER TABLE calls ALTER app_id SET NOT NULL;

-- Prepared in short transactions: stamped rows are not stamped again, unless the number of lanes changes.
CALL prepare_harden_call_events('webhook_events', 'calls', event_type_column => 'event_type', received_at_column => 'received_at',
    processed_at_column => 'processed_at', carry => '{app_id}', lanes => 4, batch_size => 0);
INSERT INTO webhook_events (app_id, event_type, dialpad_event_id, payload, received_at)
SELECT '00000000-0000-0000-0000-00000000000a', 'call.ring', 'p' || n, body(n), timestamp '2027-01-01' - n * interval '1 second'
FROM generate_series(700, 709) AS n;
DELETE FROM webhook_events WHERE processed_at IS NULL AND dialpad_event_id NOT LIKE 'p%' OR dialpad_event_id IS NULL;
CALL prepare_harden_call_events('webhook_events', 'calls', event_type_column => 'event_type', received_at_column => 'received_at',
    processed_at_column => 'processed_at', carry => '{app_id}', lanes => 4, batch_size => 3);
CREATE TEMP TABLE prepared AS SELECT dialpad_event_id, event_lane, event_xid, event_seq, call_id
    FROM webhook_events WHERE event_lane IS NOT NULL;
SELECT count(*), count(DISTINCT event_xid) AS transactions, string_agg(call_id, ',' ORDER BY event_xid, event_seq) AS calls FROM prepared;
CREATE UNIQUE INDEX CONCURRENTLY ON webhook_events (event_lane, event_xid, event_seq) WHERE event_lane IS NOT NULL;
CREATE UNIQUE INDEX CONCURRENTLY own_name ON webhook_events (event_seq) WHERE event_seq IS NOT NULL;
INSERT INTO webhook_events (app_id, event_type, dialpad_event_id, payload)
    VALUES ('00000000-0000-0000-0000-00000000000a', 'call.ring', 'p710', body(710));
BEGIN;
SELECT harden_call_events('webhook_events', 'calls', event_type_column => 'event_type', received_at_column => 'received_at',
    processed_at_column => 'processed_at', carry => '{app_id}', lanes => 4);
SELECT mode FROM pg_locks WHERE relation = 'webhook_events'::regclass AND mode LIKE '%Exclusive%' ORDER BY 1;
SELECT count(*) AS changed
FROM (TABLE prepared EXCEPT SELECT dialpad_event_id, event_lane, event_xid, event_seq, call_id FROM webhook_events) AS changed;
SELECT call_id, event_seq FROM webhook_events WHERE dialpad_event_id = 'p710';
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'webhook_events'::regclass ORDER BY 1;
SELECT claimed > 0 AS works, applied = claimed AS all_applied FROM process_call_events();
ROLLBACK;
SELECT harden_call_events('webhook_events', 'calls', event_type_column => 'event_type', received_at_column => 'received_at',
    processed_at_column => 'processed_at', carry => '{app_id}', lanes => 64);
SELECT count(*) FILTER (WHERE event_lane <> (_callhardening.event_stamp(payload, 'dialpad', 64, 'bigint')).event_lane) AS wrong_lane,
    count(*) FROM webhook_events WHERE event_seq IS NOT NULL;
SELECT sum(claimed) FROM generate_series(1, 10) AS n, LATERAL process_call_events(1000 + n);
SELECT unharden_call_events('webhook_events');
-- The way back also removes what was only prepared.
CALL prepare_harden_call_events('webhook_events', 'calls', carry => '{app_id}');
SELECT unharden_call_events('webhook_events');
SELECT count(*) AS left_behind FROM (TABLE things EXCEPT TABLE things_before) AS t;

-- An empty column of the right type is used, and stays after the way back.
ALTER TABLE webhook_events ADD call_id text;
CREATE INDEX own ON webhook_events (call_id);
SELECT harden_call_events('webhook_events', 'calls', processed_at_column => 'processed_at', carry => '{app_id}');
SELECT unharden_call_events('webhook_events');
SELECT attname FROM pg_attribute WHERE attrelid = 'webhook_events'::regclass AND attnum > 7 AND NOT attisdropped;
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'webhook_events'::regclass ORDER BY 1;

-- The body column was renamed: following the hint helps.
ALTER TABLE webhook_events DROP call_id;
SELECT harden_call_events('webhook_events', 'calls', processed_at_column => 'processed_at', carry => '{app_id}');
INSERT INTO webhook_events (app_id, payload) VALUES ('00000000-0000-0000-0000-00000000000a', body(600));
ALTER TABLE webhook_events RENAME payload TO body;
INSERT INTO webhook_events (body) VALUES (body(601));
SELECT unharden_call_events('webhook_events');
SELECT harden_call_events('webhook_events', 'calls', 'body', processed_at_column => 'processed_at', carry => '{app_id}');
INSERT INTO webhook_events (app_id, body) VALUES ('00000000-0000-0000-0000-00000000000a', body(601));
SELECT sum(failed) AS failed FROM generate_series(1, 10) AS n, LATERAL process_call_events(1000 + n);
SELECT dialpad_call_id FROM calls WHERE dialpad_call_id BETWEEN 600 AND 601 ORDER BY 1;
SELECT unharden_call_events('webhook_events');
-- Without processed_at the pending events cannot be counted. The way back works all the same.
SELECT harden_call_events('webhook_events', 'calls', 'body', carry => '{app_id}');
INSERT INTO webhook_events (app_id, body) VALUES ('00000000-0000-0000-0000-00000000000a', body(602));
ALTER TABLE webhook_events RENAME body TO payload;
SELECT process_call_events();
SELECT unharden_call_events('webhook_events');
DELETE FROM webhook_events WHERE payload = body(602);

-- The log's clients continue after DROP EXTENSION. After CREATE EXTENSION the remains can be removed.
SELECT harden_call_events('webhook_events', 'calls', processed_at_column => 'processed_at', carry => '{app_id}');
BEGIN;
SET LOCAL client_min_messages = error;
DROP EXTENSION callhardening CASCADE;
INSERT INTO webhook_events (app_id, payload) VALUES ('00000000-0000-0000-0000-00000000000a', body(603)) RETURNING event_lane, event_seq;
CREATE EXTENSION callhardening SCHEMA public;
SELECT unharden_call_events('webhook_events');
SELECT attname FROM pg_attribute
WHERE attrelid = 'webhook_events'::regclass AND attname ~ '^event_|call_id' AND NOT attisdropped ORDER BY 1;
ROLLBACK;
SELECT unharden_call_events('webhook_events');

-- Dropping the table removes the settings. A log of a new installation becomes a plain table.
SELECT harden_call_events('webhook_events', 'calls', processed_at_column => 'processed_at', carry => '{app_id}');
DROP TABLE webhook_events;
SELECT (SELECT count(*) FROM call_event_logs) AS logs, (SELECT count(*) FROM _callhardening.lanes) AS lanes;
CREATE SCHEMA ours;
SELECT create_call_tables('ours');
BEGIN;
SELECT unharden_call_events('ours.call_events');
ROLLBACK;
ALTER TABLE ours.call_events RENAME payload TO body;
INSERT INTO ours.call_events (body) VALUES ('{}');
SELECT process_call_events();
ALTER TABLE ours.call_events RENAME body TO payload;
SELECT harden_call_events('ours.call_events', 'ours.calls');
DROP SCHEMA ours CASCADE;
RESET search_path;
DROP SCHEMA "web ""hooks""" CASCADE;
DROP OWNED BY regress_other, regress_webhook, regress_worker;
DROP ROLE regress_other, regress_webhook, regress_worker;
