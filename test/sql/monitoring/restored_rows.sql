-- Rows that come with their stamps into a log that goes on. Workers ran between the restore of the settings and that of the events.
SELECT create_call_tables('public');
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'))) FROM generate_series(101, 102) AS id;
SELECT claimed FROM process_call_events();
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', 'ringing'))) FROM generate_series(103, 104) AS id;
CREATE TABLE dump AS TABLE call_events;
CREATE VIEW gaps AS SELECT gap, detail, advice FROM call_enforcement WHERE relation = 'call_events'::regclass AND level = 'gap';
CREATE PROCEDURE start_again() LANGUAGE sql AS $$
    TRUNCATE call_events, calls; UPDATE _callhardening.logs SET system_identifier = 0 $$;

-- The settings come first, and a worker adopts the log at once.
CALL start_again();
SELECT claimed FROM process_call_events();
SELECT claimed FROM process_call_events();
SELECT * FROM gaps;
ALTER TABLE call_events DISABLE TRIGGER ALL;
INSERT INTO call_events OVERRIDING SYSTEM VALUE TABLE dump;
ALTER TABLE call_events ENABLE TRIGGER ALL;
SELECT claimed FROM process_call_events();
\x
SELECT * FROM gaps;
\x
-- What the advice says
SELECT seek_call_consumer('call_events', 'default', received_at => '-infinity');
SELECT claimed FROM process_call_events();
ALTER TABLE public.call_events ENABLE ALWAYS TRIGGER stamp_call_event, ENABLE ALWAYS TRIGGER bury_call_event,
    ENABLE REPLICA TRIGGER keep_call_event_stamp;
SELECT * FROM gaps;

-- A replica's rows get new stamps: the trigger fires always.
CALL start_again();
SELECT claimed FROM process_call_events();
SET session_replication_role = replica;
INSERT INTO call_events OVERRIDING SYSTEM VALUE TABLE dump;
RESET session_replication_role;
SELECT claimed FROM process_call_events();

DROP VIEW gaps;
DROP PROCEDURE start_again;
DROP TABLE calls, call_events, dump;
