CREATE EXTENSION callhardening;
SELECT create_call_tables();
SELECT ingest_call_event('{"call_id": 4711, "state": "ringing", "direction": "Incoming"}');
SELECT ingest_call_event('{"call_id": 4711, "state": "hangup", "talk_time": 61250, "access_token": "s3cr3t"}');
DO $$
BEGIN
    ASSERT (SELECT claimed = 2 AND applied = 2 AND failed = 0 FROM process_call_events()), 'both events are applied';
    ASSERT (SELECT (direction, status, duration_seconds) = ('inbound', 'ended', 61) FROM calls), 'the call has ended';
    ASSERT (SELECT raw_payload::text NOT LIKE '%s3cr3t%' FROM calls), 'the payload is free of secrets';
    ASSERT NOT EXISTS (SELECT FROM check_call_hardening() WHERE NOT ok), 'the self-test passes';
END $$;
