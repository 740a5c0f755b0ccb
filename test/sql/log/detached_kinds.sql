-- Signed logs, own shapes, tables older than their log, logs with workers and logs of changes are detached.
SET client_min_messages = warning;
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
CREATE SCHEMA kinds;
SELECT create_call_tables('kinds');
CREATE FUNCTION take(log regclass) RETURNS text LANGUAGE sql AS $$
    WITH claimed AS (SELECT * FROM claim_call_events(1000, NULL, 'worker', log)),
        done AS (SELECT count(*) FROM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM claimed)))
    SELECT string_agg(event_seq || ' of ' || call_id, ', ' ORDER BY event_seq) FROM claimed, done $$;
RESET client_min_messages;

-- -- a signed log -----------------------------------------------------------------------------------------------------

SELECT set_call_event_secret('kinds.call_events', 'a secret of more than thirty-two bytes', 'first');
SELECT set_call_event_signature('kinds.call_events', call_signature_scheme('aircall'));
SELECT detach_call_event_log('kinds.call_events') AS state \gset
-- The scheme travels, the secret does not.
SELECT :'state'::jsonb ->> 'signature' = call_signature_scheme('aircall')::text AS has_scheme,
    position('thirty-two' IN :'state') + position(encode('thirty-two', 'hex') IN :'state') AS has_secret;
SELECT count(*) FROM _callhardening.event_secrets;
SELECT attach_call_event_log('kinds.call_events', 'kinds.calls');
SELECT signed, scheme = call_signature_scheme('aircall') AS has_scheme
FROM call_event_logs JOIN _callhardening.event_signatures USING (log_id);
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}', 'kinds.call_events');
SELECT ingest_call_webhook('{"call_id": 1, "state": "ringing"}', '{}', NULL, 'kinds.call_events');
SELECT set_call_event_secret('kinds.call_events', 'a secret of more than thirty-two bytes');
SELECT set_call_event_secret('kinds.call_events', NULL);
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}', 'kinds.call_events');

-- -- a shape of its own -----------------------------------------------------------------------------------------------

SELECT create_call_event_log('kinds.calls', 'acme', 'acme', 8, '{"version": 1, "forms": [{"fields": {"call_id": "no", "state": "what"}}]}');
SELECT configure_call_event_log('kinds.acme', ignored_event_types => '{sms}');
INSERT INTO kinds.acme (payload) VALUES ('{"no": 1, "what": "ringing"}');
SELECT detach_call_event_log('kinds.acme') IS NOT NULL AS detached;
-- The trigger does not know the shape, until the log is attached.
INSERT INTO kinds.acme (payload) VALUES ('{"no": 1, "what": "hangup"}'), ('{"no": 2, "what": "sms"}'), ('{}');
SELECT event_seq, call_id, event_type, _callhardening.why_no_lane(event_lane) FROM kinds.acme ORDER BY 1;
SELECT attach_call_event_log('kinds.acme', 'kinds.calls');
SELECT event_seq, call_id, event_type, _callhardening.why_no_lane(event_lane) FROM kinds.acme ORDER BY 1;
SELECT event_seq, error FROM call_dead_events ORDER BY 1;
SELECT take('kinds.acme');

-- -- a table older than its log ---------------------------------------------------------------------------------------

CREATE TABLE kinds.hooks (id int GENERATED ALWAYS AS IDENTITY, body jsonb, kind text, came timestamptz, done timestamptz);
INSERT INTO kinds.hooks (body, done) VALUES ('{"call_id": 1, "state": "ringing"}', '2026-01-01'),
    ('{"call_id": 2, "state": "ringing"}', NULL);
SELECT harden_call_events('kinds.hooks', 'kinds.calls', 'body', 'kind', 'came', 'done');
INSERT INTO kinds.hooks (body, came) VALUES ('{"call_id": 3, "state": "ringing"}', '2026-01-03');
SELECT detach_call_event_log('kinds.hooks') ->> 'is_existing' AS is_existing;
-- New rows, one of them done by another client, and one without any trigger.
INSERT INTO kinds.hooks (body, came) VALUES ('{"call_id": 2, "state": "hangup"}', '2026-01-04');
INSERT INTO kinds.hooks (body, came, done) VALUES ('{"call_id": 3, "state": "hangup"}', '2026-01-05', '2026-01-05');
ALTER TABLE kinds.hooks DISABLE TRIGGER USER;
INSERT INTO kinds.hooks (body, came) VALUES ('{"call_id": 4, "state": "hangup"}', '2026-01-07'),
    ('{"call_id": 5, "state": "hangup"}', '2026-01-06'), ('[]', NULL);
ALTER TABLE kinds.hooks ENABLE TRIGGER USER;
SELECT attach_call_event_log('kinds.hooks', 'kinds.calls');
SELECT id, event_seq, call_id, event_lane >= 0 AS has_lane, done FROM kinds.hooks ORDER BY 1;
SELECT event_seq, error FROM call_dead_events JOIN call_event_logs USING (log_id) WHERE events = 'kinds.hooks'::regclass;
SELECT take('kinds.hooks');
SELECT take('kinds.hooks');
SELECT count(*) FROM kinds.hooks WHERE done IS NULL;
-- Without its state, its columns are not known.
SELECT detach_call_event_log('kinds.hooks') IS NOT NULL AS detached;
DELETE FROM _callhardening.detached_logs WHERE events = 'kinds.hooks'::regclass;
SELECT attach_call_event_log('kinds.hooks', 'kinds.calls');
SELECT unharden_call_events('kinds.hooks');
DROP TABLE kinds.hooks;

-- Without a column that tells, all rows of before are settled, and new ones are events.
CREATE TABLE kinds.hooks (payload jsonb);
INSERT INTO kinds.hooks VALUES ('{"call_id": 1, "state": "ringing"}');
SELECT harden_call_events('kinds.hooks', 'kinds.calls');
SELECT detach_call_event_log('kinds.hooks') IS NOT NULL AS detached;
INSERT INTO kinds.hooks VALUES ('{"call_id": 1, "state": "hangup"}');
SELECT attach_call_event_log('kinds.hooks', 'kinds.calls');
SELECT take('kinds.hooks');

-- -- workers, and changes ---------------------------------------------------------------------------------------------

SET client_min_messages = error;
SELECT start_call_worker('kinds.hooks');
RESET client_min_messages;
SELECT detach_call_event_log('kinds.hooks');
SELECT stop_call_worker('kinds.hooks');
SELECT detach_call_event_log('kinds.hooks') IS NOT NULL AS detached;
SELECT create_call_changes('kinds.calls');
SELECT detach_call_event_log('kinds.call_changes');
SET client_min_messages = warning;
DROP SCHEMA kinds CASCADE;
DROP FUNCTION take;
