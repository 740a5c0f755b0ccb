\set SHOW_CONTEXT never
SET timezone = 'UTC';
-- The changes of calls as events of a log.
SELECT create_call_tables();
SELECT create_call_changes('calls');
SELECT events, calls, provider, is_default, is_of_changes FROM call_event_logs ORDER BY log_id;

-- New changes since the last look, without times and lanes.
CREATE TABLE look (last_seq bigint NOT NULL);
INSERT INTO look VALUES (0);
CREATE FUNCTION look(log text DEFAULT 'call_changes')
    RETURNS TABLE (call_id text, event_type text, before text, after text, changed text, cause text)
    LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT e.call_id, e.event_type, e.payload->>''status_before'', e.payload->>''status'',
        (SELECT string_agg(c, '' '') FROM jsonb_array_elements_text(e.payload->''changed'') AS c),
        concat_ws('' '', e.payload->>''event_log'', e.payload->>''event_seq'', e.payload->>''happened_at'')
        FROM %s AS e WHERE e.event_seq > (SELECT last_seq FROM look) ORDER BY e.event_seq', log);
    EXECUTE format('UPDATE look SET last_seq = coalesce((SELECT max(event_seq) FROM %s), last_seq)', log);
END
$$;

-- Each change of a row is an event of its own. No column has changed: none.
INSERT INTO calls (dialpad_call_id, status) VALUES (1, 'ringing'), (2, NULL);
UPDATE calls SET status = 'active', from_number = '+1' WHERE dialpad_call_id = 1;
UPDATE calls SET to_number = '+2' WHERE dialpad_call_id = 1;
UPDATE calls SET to_number = '+2', status = 'active' WHERE dialpad_call_id = 1;
UPDATE calls SET status = 'ended' WHERE dialpad_call_id = 2;
DELETE FROM calls WHERE dialpad_call_id = 1;
SELECT * FROM look();
-- The event has its call beside the body, and all members of the body.
SELECT DISTINCT e.call_id = payload->>'call_id' AS same_call, (payload->>'changed_at')::timestamptz = received_at AS same_time,
    payload->>'by' = current_user AS by, event_digest IS NULL AS no_digest, event_lane BETWEEN 0 AND 63 AS has_lane
FROM call_changes AS e;
SELECT DISTINCT key FROM call_changes, jsonb_object_keys(payload) AS key ORDER BY 1;

-- A refused status is no change. The rest of the row is one.
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 2;
UPDATE calls SET status = 'ringing', from_number = '+3' WHERE dialpad_call_id = 2;
SELECT * FROM look();
-- A later BEFORE trigger changes the row: the change is what is written.
CREATE FUNCTION fill_late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.recording_url := 'late'; RETURN NEW; END$$;
CREATE TRIGGER z BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION fill_late();
UPDATE calls SET from_number = '+4' WHERE dialpad_call_id = 2;
DROP TRIGGER z ON calls;
SELECT * FROM look();
-- An AFTER trigger writes the row again: the changes come in their order.
CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN UPDATE calls SET status = 'ended' WHERE dialpad_call_id = NEW.dialpad_call_id AND status = 'ringing'; RETURN NULL; END$$;
CREATE TRIGGER after_insert AFTER INSERT ON calls FOR EACH ROW EXECUTE FUNCTION follow();
INSERT INTO calls (dialpad_call_id, status) VALUES (3, 'ringing');
DROP TRIGGER after_insert ON calls;
SELECT * FROM look();

-- Other statements
INSERT INTO calls (dialpad_call_id, status) VALUES (4, 'ringing'), (3, 'ended')
    ON CONFLICT (dialpad_call_id) DO UPDATE SET status = EXCLUDED.status, to_number = '+5';
INSERT INTO calls (dialpad_call_id, status) VALUES (4, 'active') ON CONFLICT DO NOTHING;
WITH written AS (UPDATE calls SET status = 'active' WHERE dialpad_call_id = 4 RETURNING dialpad_call_id) SELECT * FROM written;
MERGE INTO calls USING (VALUES (4, 'ended'), (5, 'missed')) AS event (call, word) ON dialpad_call_id = call
    WHEN MATCHED THEN UPDATE SET status = word WHEN NOT MATCHED THEN INSERT (dialpad_call_id, status) VALUES (call, word);
COPY calls (dialpad_call_id, status) FROM PROGRAM 'printf "6\tringing\n"';
SELECT * FROM look();
-- What is rolled back leaves no event.
BEGIN;
SAVEPOINT s;
UPDATE calls SET status = 'active' WHERE dialpad_call_id = 6;
ROLLBACK TO s;
COMMIT;
SELECT * FROM look();
-- TRUNCATE and a replica's statements log nothing.
SET session_replication_role = replica;
UPDATE calls SET status = 'active' WHERE dialpad_call_id = 6;
RESET session_replication_role;
TRUNCATE calls;
SELECT * FROM look();

-- Each status of a batch is a change, in one write of the row. The event behind it is named.
CREATE FUNCTION sent(id bigint, state text, second int) RETURNS bigint LANGUAGE sql AS $$
SELECT ingest_call_event(jsonb_build_object('call_id', id, 'state', state, 'direction', 'inbound',
    'event_timestamp', 1700000000000 + second * 1000), 'call_events')
$$;
SELECT sent(10, 'ringing', 0), sent(10, 'connected', 1), sent(10, 'hangup', 9);
SELECT * FROM process_call_events();
SELECT * FROM look();
-- Events without another status, and an event that changes nothing
SELECT sent(11, 'ringing', 0), sent(11, 'recording', 2);
SELECT sent(10, 'hangup', 9) AS redelivered;
SELECT * FROM process_call_events();
SELECT * FROM look();
SELECT sent(11, 'ringing', 3), sent(11, 'transcription', 4);
SELECT * FROM process_call_events();
SELECT * FROM look();
-- A late status refines ended.
SELECT sent(12, 'hangup', 5), sent(12, 'missed', 4);
SELECT * FROM process_call_events();
SELECT * FROM look();
-- Two steps of the graph in one batch, with a refused status between them
SELECT sent(13, 'voicemail', 1), sent(13, 'connected', 2), sent(13, 'hangup', 3);
SELECT * FROM process_call_events();
SELECT * FROM look();
-- More statuses than one INSERT takes
CREATE TABLE loops (call_id text, status text, direction text);
SELECT harden_calls('loops', transitions => '{"ringing": ["active"], "active": ["ringing"]}', provider => 'dialpad');
SELECT create_call_event_log('loops', 'dialpad', 'loop_events');
SELECT create_call_changes('loops', 'loop_changes', lanes => 1);
SELECT count(ingest_call_event(jsonb_build_object('call_id', '"7"', 'state', CASE n % 2 WHEN 0 THEN 'ringing' ELSE 'connected' END,
    'event_timestamp', 1700000000000 + n), 'loop_events')) FROM generate_series(0, 19) AS n;
SELECT * FROM process_call_events(log => 'loop_events');
SELECT count(*), count(*) FILTER (WHERE event_type = 'created') AS created,
    bool_and(payload->>'status' = CASE event_seq % 2 WHEN 1 THEN 'ringing' ELSE 'active' END) AS alternate,
    bool_and(payload->'event_seq' = to_jsonb(event_seq)) AS in_order FROM loop_changes;
SELECT DISTINCT call_id, event_lane FROM loop_changes;

-- Batches of any size give the same statuses, in the same order and by the same events.
SET client_min_messages = error;
CREATE SCHEMA single;
CREATE SCHEMA batch;
CREATE FUNCTION steps_of(schema text) RETURNS TABLE (call_id text, steps text) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT e.call_id, string_agg(concat_ws('' '', e.payload->>''status_before'', e.payload->>''status'',
        e.payload->>''event_seq'', e.payload->>''happened_at''), '', '' ORDER BY e.event_seq)
        FROM %I.call_changes AS e WHERE e.payload->''status'' <> e.payload->''status_before'' GROUP BY e.call_id', schema);
END
$$;
SELECT create_call_tables('single'), create_call_tables('batch');
SELECT create_call_changes('single.calls'), create_call_changes('batch.calls');
SELECT generate_call_events(200, 18, 'single.call_events') = generate_call_events(200, 18, 'batch.call_events') AS filled;
DO $$BEGIN WHILE (SELECT claimed > 0 FROM process_call_events(1, 'single.call_events')) LOOP END LOOP; END$$;
SELECT claimed > 500 AS claimed FROM process_call_events(100000, 'batch.call_events');
SELECT count(*) > 150 AS calls, count(*) FILTER (WHERE s.steps IS DISTINCT FROM b.steps) AS different
FROM steps_of('single') AS s FULL JOIN steps_of('batch') AS b USING (call_id);
SELECT count(*) FILTER (WHERE event_type = 'created') = (SELECT count(*) FROM batch.calls) AS one_created,
    count(*) > (SELECT count(*) FROM batch.calls) * 2 AS several FROM batch.call_changes;
-- The last status is that of the row.
SELECT count(*) AS wrong FROM batch.calls AS c WHERE c.status IS DISTINCT FROM (SELECT e.payload->>'status'
    FROM batch.call_changes AS e WHERE e.call_id = c.dialpad_call_id::text ORDER BY e.event_seq DESC LIMIT 1);
DROP SCHEMA single, batch CASCADE;
DROP FUNCTION steps_of;
RESET client_min_messages;
-- A call without an id has no event until it gets one.
UPDATE look SET last_seq = 20;
INSERT INTO loops (status) VALUES ('ringing');
UPDATE loops SET call_id = '8' WHERE call_id IS NULL;
DELETE FROM loops WHERE call_id = '8';
SELECT * FROM look('loop_changes');
-- The columns that keep the state of merged events are none of the call.
UPDATE loops SET merge_newest_at = now(), merge_sequence = 3;
SELECT * FROM look('loop_changes');
-- An equal value in other bytes is a change, an unchanged toasted value is none.
ALTER TABLE loops ADD price numeric, ADD note text;
ALTER TABLE loops ALTER note SET STORAGE EXTERNAL;
UPDATE loops SET price = 1, note = repeat('a', 10000);
UPDATE loops SET price = 1.0;
UPDATE loops SET note = repeat('a', 9999) || 'a';
SELECT * FROM look('loop_changes');
-- Renamed columns
ALTER TABLE loops RENAME note TO "my note";
UPDATE loops SET "my note" = 'b';
SELECT * FROM look('loop_changes');

-- Partitions. A row that moves is an UPDATE for the reader.
CREATE TABLE parted (call_id text, day int, status text, direction text, note text) PARTITION BY LIST (day);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 (note text, gone int, direction text, status text, call_id text, day int);
ALTER TABLE parted_2 DROP gone;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2);
SELECT harden_calls('parted');
SELECT create_call_changes('parted_1');
SELECT create_call_changes('parted', 'parted_changes');
UPDATE look SET last_seq = 0;
INSERT INTO parted VALUES ('p', 1, 'ringing'), ('q', 2, 'ringing');
UPDATE parted SET day = 3 - day;
UPDATE parted SET day = 3 - day, status = 'ended', note = 'moved' WHERE call_id = 'p';
DELETE FROM parted WHERE call_id = 'p';
INSERT INTO parted VALUES ('p', 2, 'missed');
SELECT * FROM look('parted_changes');
CREATE TABLE parted_3 PARTITION OF parted FOR VALUES IN (3);
INSERT INTO parted_3 VALUES ('r', 3, 'ringing');
SELECT * FROM look('parted_changes');
-- A column that is younger than the row has its default, before and after the move.
ALTER TABLE parted ADD COLUMN source text DEFAULT 'sip';
UPDATE parted SET day = 1 WHERE call_id = 'r';
SELECT * FROM look('parted_changes');
-- Moves of many rows take the memory of one.
INSERT INTO parted SELECT 'm' || n, 1, 'ringing' FROM generate_series(1, 5000) AS n;
BEGIN;
UPDATE parted SET day = 3 WHERE day = 1;
SELECT count(*) AS kept FROM pg_backend_memory_contexts WHERE name = 'callhardening moving row';
SELECT sum(used_bytes) < 1000000 AS is_small FROM pg_backend_memory_contexts WHERE name = 'TopTransactionContext';
COMMIT;
SELECT event_type, changed, count(*) FROM look('parted_changes') GROUP BY 1, 2 ORDER BY 1;

-- Readers have a consumer each. There is no default one.
TRUNCATE call_changes, calls;
INSERT INTO calls (dialpad_call_id, status) VALUES (1, 'ringing'), (2, 'ringing');
SELECT claim_call_events(log => 'call_changes');
SELECT pending_call_events('call_changes');
SELECT retry_dead_call_events('call_changes');
SELECT create_call_consumer('call_changes', 'crm', from_beginning => true);
SELECT create_call_consumer('call_changes', 'wall');
UPDATE calls SET status = 'active';
CREATE TABLE claimed AS SELECT claim_id, event_seq, call_id, event_type, payload
    FROM claim_call_events(log => 'call_changes', consumer => 'crm');
SELECT call_id, event_type, payload->>'status' AS status FROM claimed ORDER BY event_seq;
SELECT call_id, event_type FROM claim_call_events(log => 'call_changes', consumer => 'wall') ORDER BY 1;
SELECT fail_call_event(claim_id, event_seq, 'no answer', '1 hour') FROM claimed WHERE call_id = '1' ORDER BY event_seq LIMIT 1;
SELECT DISTINCT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM claimed));
SELECT consumer, call_id, due_at IS NULL AS blocked FROM call_retrying_events ORDER BY event_seq;
-- A purge takes what all have settled, and everything without a reader.
SELECT purge_call_events('0', 'call_changes');
SELECT DISTINCT outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM call_open_claims WHERE consumer = 'wall'));
SELECT purge_call_events('0', 'call_changes');
SELECT call_id, event_type FROM call_changes ORDER BY event_seq;
SELECT drop_call_consumer('call_changes', 'crm'), drop_call_consumer('call_changes', 'wall');
SELECT purge_call_events('0', 'call_changes');
SELECT count(*) FROM call_changes;
DROP TABLE claimed;
-- The health of the calls is about the events applied to them.
SELECT figure, value FROM call_health('calls') WHERE figure IN ('pending', 'dead');
-- A repair of old rows is a change.
CREATE TABLE old_calls (call_id text, status text, direction text);
INSERT INTO old_calls VALUES ('old', 'Hangup', 'IN'), ('new', 'ended', 'inbound');
SELECT harden_calls('old_calls');
SELECT create_call_changes('old_calls', 'old_changes');
CALL backfill_calls('old_calls');
UPDATE look SET last_seq = 0;
SELECT * FROM look('old_changes');
DROP TABLE old_changes, old_calls;

-- No verb for webhooks takes the log.
SELECT * FROM process_call_events(log => 'call_changes');
SELECT start_call_worker('call_changes');
SELECT ingest_call_event('{"call_id": 1}'::text, 'call_changes');
SELECT ingest_call_webhook('{}'::bytea, '{}'::jsonb, log => 'call_changes');
SELECT ingest_signed_call_event('a.b.c', 'call_changes');
SELECT set_call_event_secret('call_changes', 'x');
SELECT set_call_event_signature('call_changes', NULL);
SELECT explain_call_event('{}', log => 'call_changes');
SELECT generate_call_events(1, log => 'call_changes');
SELECT configure_call_event_log('call_changes', is_default => true);
SELECT configure_call_event_log('call_changes', ignored_event_types => '{x}');
SELECT configure_call_event_log('call_changes', max_attempts => 3, notify => true);
SELECT unharden_call_events('call_changes');
SELECT call_role_grants('process', 'call_changes');
SELECT privileges, object FROM call_role_grants('claim', 'call_changes') WHERE object ~ 'TABLE';
-- Nor is it the default log, if it is the only one.
BEGIN;
DROP TABLE call_events, loop_events;
SELECT call_event_log_channel();
ROLLBACK;
\set VERBOSITY terse
UPDATE _callhardening.logs SET is_default = true WHERE events = 'call_changes'::regclass;
\set VERBOSITY default

-- Arguments
SELECT create_call_changes(NULL);
SELECT create_call_changes('look');
SELECT create_call_changes('calls', lanes => 0);
SELECT create_call_changes('calls', lanes => NULL);
SELECT create_call_changes('calls', 'more_changes');
CREATE TABLE others (call_id text, status text, direction text);
SELECT harden_calls('others');
SELECT create_call_changes('others');
SELECT drop_call_changes('others');
SELECT drop_call_changes(NULL);
SELECT drop_call_changes(0::regclass);

-- The view on gaps shows a silent trigger and a missing one.
CREATE VIEW gaps AS SELECT relation, gap, detail, advice FROM call_enforcement
    WHERE gap ~ 'trigger' AND relation::text ~ '^(calls|call_changes|parted)';
SELECT * FROM gaps;
ALTER TABLE calls DISABLE TRIGGER add_call_change;
ALTER TABLE parted_2 DISABLE TRIGGER USER;
SELECT * FROM gaps;
ALTER TABLE parted_2 ENABLE TRIGGER USER;
DROP TRIGGER add_call_change ON calls;
SELECT * FROM gaps;
INSERT INTO calls (dialpad_call_id, status) VALUES (20, 'ringing');
SELECT count(*) FROM call_changes WHERE call_id = '20';
-- The function goes on with the same log.
SELECT create_call_changes('calls', 'another');
SELECT create_call_changes('calls');
UPDATE calls SET status = 'active' WHERE dialpad_call_id = 20;
SELECT count(*) FROM call_changes WHERE call_id = '20';
DROP TRIGGER add_call_change ON calls;
CREATE CONSTRAINT TRIGGER add_call_change AFTER INSERT ON calls FROM call_changes FOR EACH ROW
    EXECUTE FUNCTION _callhardening.add_call_change();
SELECT * FROM gaps;
-- A trigger with another table does nothing: it names no log of this table.
DROP TRIGGER add_call_change ON calls;
CREATE CONSTRAINT TRIGGER x AFTER UPDATE ON calls FROM loop_changes FOR EACH ROW EXECUTE FUNCTION _callhardening.add_call_change();
CREATE CONSTRAINT TRIGGER y AFTER UPDATE ON calls FROM look FOR EACH ROW EXECUTE FUNCTION _callhardening.add_call_change();
UPDATE calls SET status = 'ended' WHERE dialpad_call_id = 20;
SELECT count(*) FROM loop_changes WHERE call_id = '20';
DROP TRIGGER x ON calls;
SELECT create_call_changes('calls');
UPDATE calls SET from_number = '+1' WHERE dialpad_call_id = 20;
SELECT event_type FROM call_changes WHERE call_id = '20' ORDER BY event_seq;
-- Not as a trigger of another kind
SELECT _callhardening.add_call_change();
CREATE TRIGGER x BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION _callhardening.add_call_change();
UPDATE calls SET from_number = '+2' WHERE dialpad_call_id = 20;
DROP TRIGGER x ON calls;
CREATE TRIGGER x AFTER UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION _callhardening.add_call_change();
UPDATE calls SET from_number = '+2' WHERE dialpad_call_id = 20;
DROP TRIGGER x ON calls;

-- The log suppresses an event, or has another column: the change fails, and the error names both tables.
\set SHOW_CONTEXT always
CREATE FUNCTION suppress() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER a BEFORE INSERT ON call_changes FOR EACH ROW EXECUTE FUNCTION suppress();
UPDATE calls SET from_number = '+3' WHERE dialpad_call_id = 20;
DROP TRIGGER a ON call_changes;
CREATE RULE nothing AS ON INSERT TO call_changes DO INSTEAD NOTHING;
UPDATE calls SET from_number = '+3' WHERE dialpad_call_id = 20;
DROP RULE nothing ON call_changes; -- and this session looks at the table again
ALTER TABLE call_changes RENAME payload TO body;
UPDATE calls SET from_number = '+3' WHERE dialpad_call_id = 20;
ALTER TABLE call_changes RENAME body TO payload;
\set SHOW_CONTEXT never

-- A writer of calls needs no right on the log. What its owner has planted there runs as this owner.
CREATE ROLE regress_writer;
CREATE ROLE regress_log_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON calls TO regress_writer;
GRANT USAGE, CREATE ON SCHEMA public TO regress_writer, regress_log_owner;
ALTER TABLE call_changes OWNER TO regress_log_owner;
SET ROLE regress_writer;
UPDATE calls SET from_number = '+5' WHERE dialpad_call_id = 20;
SELECT count(*) FROM call_changes;
INSERT INTO call_changes (call_id, payload) VALUES ('20', '{}');
RESET ROLE;
SELECT payload->>'by' AS by, payload->'changed' AS changed FROM call_changes ORDER BY event_seq DESC LIMIT 1;
SET ROLE regress_log_owner;
CREATE TABLE seen (what text, role name, path text);
CREATE FUNCTION spy(what text) RETURNS boolean LANGUAGE sql AS
    $$INSERT INTO public.seen VALUES (what, current_user, current_setting('search_path')); SELECT true$$;
CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM public.spy(TG_NAME::text); RETURN NEW; END$$;
CREATE TRIGGER a_before BEFORE INSERT ON call_changes FOR EACH ROW EXECUTE FUNCTION spy();
CREATE TRIGGER z_after AFTER INSERT ON call_changes FOR EACH ROW EXECUTE FUNCTION spy();
CREATE TRIGGER statement AFTER INSERT ON call_changes EXECUTE FUNCTION spy();
ALTER TABLE call_changes ADD extra boolean DEFAULT spy('default'), ADD CONSTRAINT c CHECK (spy('check'));
ALTER TABLE call_changes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON call_changes FOR INSERT WITH CHECK (spy('policy'));
CREATE RULE r AS ON INSERT TO call_changes DO ALSO SELECT spy('rule');
TRUNCATE seen;
RESET ROLE;
UPDATE calls SET from_number = '+6' WHERE dialpad_call_id = 20;
SET ROLE regress_writer;
UPDATE calls SET from_number = '+7' WHERE dialpad_call_id = 20;
RESET ROLE;
SELECT what, role, path FROM seen GROUP BY 1, 2, 3 ORDER BY what COLLATE "C";
-- Nor at the end of the transaction
SET ROLE regress_log_owner;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON call_changes INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION spy();
RESET ROLE;
UPDATE calls SET from_number = '+8' WHERE dialpad_call_id = 20;
SET ROLE regress_log_owner;
DROP TRIGGER late ON call_changes;
CREATE POLICY q ON call_changes AS RESTRICTIVE FOR INSERT WITH CHECK (call_id <> '20');
RESET ROLE;
UPDATE calls SET from_number = '+8' WHERE dialpad_call_id = 20;
-- Only the owner of both tables can switch the log off or on.
SET ROLE regress_log_owner;
SELECT drop_call_changes('calls');
RESET ROLE;
ALTER TABLE call_changes OWNER TO CURRENT_USER;

-- An owner needs the task own, a reader the task claim.
SET client_min_messages = warning;
CREATE SCHEMA mine AUTHORIZATION regress_log_owner;
GRANT USAGE ON SCHEMA mine TO regress_writer;
SELECT grant_call_role('regress_log_owner', 'own');
SET ROLE regress_log_owner;
SELECT create_call_tables('mine');
SELECT create_call_changes('mine.calls');
SELECT create_call_consumer('mine.call_changes', 'crm');
GRANT SELECT, INSERT ON mine.calls TO regress_writer;
RESET ROLE;
SELECT grant_call_role('regress_writer', 'claim', 'mine.call_changes');
SET ROLE regress_writer;
INSERT INTO mine.calls (dialpad_call_id, status) VALUES (1, 'ringing');
SELECT call_id, payload->>'by' AS by FROM claim_call_events(log => 'mine.call_changes', consumer => 'crm');
SELECT create_call_changes('mine.calls');
RESET ROLE;
SET ROLE regress_log_owner;
SELECT unharden_calls('mine.calls'), harden_calls('mine.calls'), create_call_changes('mine.calls') IS NOT NULL AS log,
    drop_call_changes('mine.calls');
INSERT INTO mine.calls (dialpad_call_id, status) VALUES (2, 'ringing');
RESET ROLE;
DROP SCHEMA mine CASCADE;
SELECT revoke_call_role('regress_log_owner', 'own'), revoke_call_role('regress_writer', 'claim');
RESET client_min_messages;

-- If only logs of changes are left, none of them is the default.
BEGIN;
DELETE FROM _callhardening.logs WHERE NOT is_of_changes;
SELECT revoke_call_role('regress_writer', 'claim');
ROLLBACK;

-- Off again: by the function, by DROP TABLE, and by unharden_calls.
SELECT drop_call_changes('calls');
UPDATE calls SET from_number = '+4' WHERE dialpad_call_id = 20;
SELECT to_regclass('call_changes'), count(*) FROM call_event_logs WHERE events::text ~ 'call_changes';
SELECT drop_call_changes('calls');
DROP TABLE parted_changes;
UPDATE parted SET note = 'x';
SELECT count(*) FROM pg_trigger WHERE tgfoid = '_callhardening.add_call_change()'::regprocedure AND tgrelid::regclass::text ~ 'parted';
SELECT unharden_calls('loops');
DELETE FROM loops;
SELECT * FROM call_enforcement WHERE relation IN ('loops'::regclass, 'loop_changes');
SELECT create_call_changes('loops');
SELECT harden_calls('loops', transitions => '{"ringing": ["active"], "active": ["ringing"]}');
SELECT create_call_changes('loops');
DROP TABLE loops;
SELECT events, calls FROM call_event_logs WHERE is_of_changes;
SELECT * FROM call_enforcement WHERE relation = 'loop_changes'::regclass;
DROP TABLE loop_changes;
-- DROP EXTENSION leaves the tables, and calls can be written.
SELECT create_call_changes('calls');
SET client_min_messages = warning;
BEGIN;
DROP EXTENSION callhardening CASCADE;
INSERT INTO calls (dialpad_call_id, status) VALUES (30, 'anything');
SELECT count(*) FROM call_changes;
ROLLBACK;
DROP VIEW gaps;
DROP TABLE call_changes, call_events, calls, loop_events, others, parted, look, seen;
DROP FUNCTION look, sent, fill_late, follow, suppress, spy(), spy(text);
DROP OWNED BY regress_writer, regress_log_owner;
DROP ROLE regress_writer, regress_log_owner;
