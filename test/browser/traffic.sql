-- What the report has to show: traffic, faults of each kind, and canaries that must not be in it
SET client_min_messages = error;
CREATE EXTENSION callhardening;
SELECT create_call_tables('public');
SELECT generate_call_events(200);
-- Over two days, as the time of receipt is all that the charts go by.
UPDATE call_events SET received_at = received_at - (event_seq * 37 % 2880) * interval '1 minute';
SELECT claimed FROM process_call_events(100000);

-- Unknown words, refusals, bodies without a call; each body has canaries.
SET application_name = 'receiver +14155550188';
SELECT ingest_call_event(format('{"call_id": %s, "state": "%s", "password": "canary-secret", "note": "canary note", '
    '"external_number": "+14155550199"}', 880000 + n, CASE n % 4 WHEN 0 THEN 'teleported' WHEN 1 THEN '4155550123'
    WHEN 2 THEN 'canary <b>' ELSE 'sk_live_4eC39HqLyjWDarjtT1zdp7dc' END)) FROM generate_series(1, 8) AS n;
SELECT ingest_call_event('{"note": "canary without a call"}');
SELECT ingest_call_event('{"call_id": 890001, "state": "hangup"}'), ingest_call_event('{"call_id": 890001, "state": "ringing"}');
SELECT ingest_call_event('{"call_id": 890001, "state": "hangup"}');
SELECT claimed FROM process_call_events(100000);

-- A second reader: one event is dead, one retrying, one blocked behind it, and the errors quote bodies.
SELECT create_call_consumer('call_events', 'crm');
SELECT ingest_call_event(format('{"call_id": %s, "state": "%s"}', 900000 + call, state))
FROM generate_series(1, 3) AS call, unnest(ARRAY['ringing', 'connected']) AS state;
CREATE TEMP TABLE taken AS SELECT * FROM claim_call_events(100, worker => 'crm of +14155550177', consumer => 'crm');
SELECT configure_call_event_log('call_events', max_attempts => 1);
SELECT fail_call_event(claim_id, event_seq, 'canary error <script>') FROM taken WHERE event_seq = (SELECT min(event_seq) FROM taken);
SELECT configure_call_event_log('call_events', max_attempts => 5);
SELECT fail_call_event(claim_id, event_seq, 'canary error +14155550199', '1 hour') FROM taken
WHERE event_seq = (SELECT min(event_seq) FROM taken WHERE call_id = '900002');
SELECT complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM taken));
SELECT ingest_call_event('{"call_id": 910001, "state": "ringing"}');

-- Names that would be markup, a log of changes, a gap
CREATE SCHEMA "<img src=x onerror=alert(1)>";
CREATE TABLE "<img src=x onerror=alert(1)>"."</script><b>" (sid text PRIMARY KEY, direction text, status text, raw_payload jsonb);
SELECT harden_calls('"<img src=x onerror=alert(1)>"."</script><b>"', call_id_column => 'sid', provider => 'twilio');
INSERT INTO "<img src=x onerror=alert(1)>"."</script><b>" VALUES ('CA1', 'inbound', 'completed', '{"From": "+14155550100"}');
ALTER TABLE "<img src=x onerror=alert(1)>"."</script><b>" DISABLE TRIGGER validate_hardened_call_update;
SELECT create_call_changes('calls');
UPDATE calls SET status = 'ended' WHERE status = 'ringing';
