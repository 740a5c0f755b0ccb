-- The forms of events, and values without meaning. Each body is an event of its own call.
SELECT create_call_tables('public');

\set shown 'dialpad_call_id AS id, status, direction, from_number, to_number, dialpad_user_id AS user_id, '
\set shown :shown 'started_at AT TIME ZONE ''UTC'' AS started, '
\set shown :shown 'connected_at AT TIME ZONE ''UTC'' AS connected, ended_at AT TIME ZONE ''UTC'' AS ended, '
\set shown :shown 'duration_seconds AS seconds, recording_url AS recording, voicemail_url AS voicemail, is_voicemail'
\pset null -
\pset format unaligned

-- Calls as integrations send them: with their own names, and durations in seconds
SELECT count(ingest_call_event(body::jsonb)) FROM unnest(ARRAY[
    '{"call": {"id": 101, "direction": "incoming", "caller": "+14155550100", "callee": "+14155550199",
    "owner": {"id": 7}, "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:02:00Z",
    "duration": 120, "recording": {"url": "https://example.com/r/101"}}, "event_type": "call.ended"}',
    '{"data": {"call": {"id": 102, "direction": "outbound", "caller": {"number": "+14155550199"},
    "callee": {"phone_number": "+14155550100"}, "created_at": "2026-01-01T00:00:00Z",
    "recording": {"download_url": "https://example.com/r/102"}}}, "event_type": "call.started"}',
    '{"data": {"event_type": "call.ended", "call": {"id": 103, "owner": {"id": 0}, "voicemail": {"url": "https://example.com/v/103"}}}}',
    '{"call_id": 104, "event_type": "call.ended", "from": "+14155550100", "to": "+14155550199",
    "user_id": 7, "started_at": "2026-01-01T00:00:00Z", "duration": 90}',
    '{"data": {"call_id": 105, "from": "+14155550100", "created_at": "2026-01-01T00:00:00Z", "duration": 90}, "event_type": "call.ended"}',
    '{"call_id": 106, "id": 999, "status": "completed", "start_time": 1767225600, "end_time": 1767225690, "duration": "90"}'
]) AS body;
SELECT * FROM process_call_events();
SELECT :shown FROM calls WHERE dialpad_call_id BETWEEN 101 AND 109 ORDER BY 1;

-- With Dialpad's own names durations are milliseconds, even beside other names.
SELECT count(ingest_call_event(body::jsonb)) FROM unnest(ARRAY[
    '{"call_id": 111, "state": "hangup", "duration": 90000}',
    '{"call_id": 112, "state": "hangup", "duration": 90000, "from": "+14155550100",
    "to": "+14155550199", "user_id": 7, "event_timestamp": 1767225690000}',
    '{"data": {"call_id": 113, "state": "hangup", "talk_time": 90000}}'
]) AS body;
SELECT * FROM process_call_events();
SELECT :shown FROM calls WHERE dialpad_call_id BETWEEN 111 AND 119 ORDER BY 1;

-- Recordings and voicemails name their call. Their status and duration are not those of the call.
SELECT count(ingest_call_event(body::jsonb)) FROM unnest(ARRAY[
    '{"recording": {"id": 1, "call_id": 121, "url": "https://example.com/r/121", "status": "completed",
    "duration": 33, "created_at": "2026-01-01T00:05:00Z"}, "event_type": "call.recording.completed"}',
    '{"data": {"recording": {"call_id": "122", "download_url": "https://example.com/r/122"}}, "event_type": "call.recording.completed"}',
    '{"voicemail": {"id": 1, "call_id": 123, "url": "https://example.com/v/123", "from": "+14155550100", "duration": 12},
    "event_type": "voicemail.received"}',
    '{"data": {"voicemail": {"call_id": 124, "recording_url": "https://example.com/v/124"}}, "event_type": "call.voicemail"}',
    '{"call_id": 125, "event_type": "call.recording.completed", "recording": {"url": "https://example.com/r/125"}}',
    '{"recording": {"call_id": 126, "url": "https://example.com/v/126", "type": "voicemail"}, "event_type": "call.recording.completed"}'
]) AS body;
SELECT * FROM process_call_events();
SELECT :shown FROM calls WHERE dialpad_call_id BETWEEN 121 AND 129 ORDER BY 1;
SELECT dialpad_call_id AS id, last_event_at AT TIME ZONE 'UTC' AS last_event FROM calls WHERE dialpad_call_id IN (112, 121) ORDER BY 1;

-- The link of a voicemail never becomes the link of a recording.
SELECT count(ingest_call_event(body::jsonb)) FROM unnest(ARRAY[
    '{"call": {"id": 131, "recording_url": "https://example.com/v/131"}, "event_type": "voicemail.received"}',
    '{"call_id": 132, "state": "hangup", "recording_details": [{"url": "https://example.com/v/132", "recording_type": "voicemail"}]}',
    '{"call_id": 133, "event_type": "voicemail.received", "voicemail": {"download_url": "https://example.com/v/133"}}'
]) AS body;
SELECT * FROM process_call_events();
SELECT dialpad_call_id AS id, status, recording_url, voicemail_url, is_voicemail
FROM calls WHERE dialpad_call_id BETWEEN 131 AND 139 ORDER BY 1;

-- The event type can stand beside the body only. An id of something else is no call id.
SELECT ingest_call_event('{"recording": {"call_id": 141, "url": "https://example.com/r/141"}}'::text,
    event_type => 'call.recording.completed') IS NOT NULL;
SELECT ingest_call_event('{"voicemail": {"call_id": 142, "url": "https://example.com/v/142"}}'::text,
    event_type => 'call.voicemail') IS NOT NULL;
SELECT ingest_call_event('{"recording": {"id": 143, "url": "https://example.com/r/143"}}'::text) IS NOT NULL;
SELECT ingest_call_event('{"voicemail": {"id": 144}}'::text) IS NOT NULL;
SELECT ingest_call_event('{"id": 145, "text": "a message", "direction": "inbound"}'::text) IS NOT NULL;
SELECT ingest_call_event('{"id": 146, "state": "ringing", "direction": "inbound"}'::text) IS NOT NULL;
SELECT * FROM process_call_events();
SELECT dialpad_call_id AS id, status, recording_url, voicemail_url FROM calls WHERE dialpad_call_id BETWEEN 141 AND 149 ORDER BY 1;
SELECT error, count(*) FROM call_dead_events GROUP BY 1;

-- Zero and empty values erase nothing.
SELECT ingest_call_event('{"call_id": 151, "state": "hangup", "direction": "inbound", "external_number": "+14155550100",
    "internal_number": "+14155550199", "target": {"id": 7, "type": "user"}, "master_call_id": 5,
    "date_started": 1767225600000, "date_connected": 1767225610000, "date_ended": 1767225690000, "talk_time": 80000,
    "recording_url": ["https://example.com/r/151"], "was_recorded": true, "event_timestamp": 1767225690000}'::jsonb) IS NOT NULL;
SELECT claimed FROM process_call_events();
CREATE TEMP TABLE known AS SELECT * FROM calls WHERE dialpad_call_id = 151;
SELECT count(ingest_call_event(jsonb_build_object('call_id', 151, 'event_timestamp', 1767225700000 + n) || body::jsonb)) FROM unnest(ARRAY[
    '{"date_started": 0, "date_connected": 0, "date_ended": 0, "duration": 0, "talk_time": 0}',
    '{"date_started": "0", "date_connected": "1970-01-01T00:00:00Z",
    "date_ended": "0001-01-01T00:00:00Z", "duration": "0", "talk_time": "0.0"}',
    '{"state": "", "direction": " ", "external_number": "", "internal_number": "  ",
    "target": {}, "master_call_id": 0, "recording_url": [], "was_recorded": ""}',
    '{"state": null, "direction": null, "external_number": null, "target": {"id": 0, "type": "user"},
    "master_call_id": "0", "recording_url": "", "was_recorded": null}'
]) WITH ORDINALITY AS e(body, n);
SELECT claimed, refused, failed FROM process_call_events();
SELECT (to_jsonb(c) - '{raw_payload,last_event_at,merge_newest_at}'::text[])
    = (to_jsonb(k) - '{raw_payload,last_event_at,merge_newest_at}'::text[]) AS same
FROM calls c, known k WHERE c.dialpad_call_id = 151;
-- A time of zero counts as no time: the event has its time of receipt.
SELECT ingest_call_event('{"call_id": 152, "state": "ringing", "event_timestamp": 0}'::jsonb) IS NOT NULL;
SELECT claimed FROM process_call_events();
SELECT last_event_at = received_at AS is_received FROM calls c JOIN call_events e ON e.call_id = '152' WHERE dialpad_call_id = 152;
-- A zero before the end of the call is no talk time.
SELECT count(ingest_call_event(body::jsonb)) FROM unnest(ARRAY[
    '{"call_id": 153, "state": "ringing", "talk_time": 0, "duration": 0, "event_timestamp": 1767225600000}',
    '{"call_id": 153, "state": "hangup", "duration": 9000, "event_timestamp": 1767225609000}']) AS body;
SELECT claimed FROM process_call_events();
SELECT duration_seconds FROM calls WHERE dialpad_call_id = 153;

-- A byte order mark before JSON, and a number with a fraction of zeros
SELECT ingest_call_event('\xefbbbf7b2263616c6c5f6964223a203136317d'::bytea) IS NOT NULL;
SELECT ingest_call_event(U&'\FEFF{"call_id": 161}') = max(event_seq) AS repeated FROM call_events;
SELECT ingest_call_event('{"call_id": 161}'::jsonb) = max(event_seq) AS repeated FROM call_events;
SELECT ingest_call_event('{"call_id": 162.0, "master_call_id": 161.0}'::text) IS NOT NULL;
SELECT ingest_call_event('{"call_id": "163.00"}'::text) IS NOT NULL;
SELECT ingest_call_event('{"call_id": 164.5}'::text) IS NOT NULL;
SELECT ingest_call_event(U&'\FEFFno JSON') IS NOT NULL;
SELECT call_id, payload #>> '{}' LIKE U&'\FEFF%' AS is_as_it_came, error
FROM _callhardening.dead_events JOIN call_events USING (event_seq, call_id)
UNION ALL SELECT e.call_id, payload #>> '{}' LIKE U&'\FEFF%', error FROM _callhardening.dead_events d
    JOIN call_events e USING (event_seq) WHERE e.call_id IS NULL ORDER BY 1, 2, 3;
SELECT claimed FROM process_call_events();
SELECT dialpad_call_id AS id, master_call_id FROM calls WHERE dialpad_call_id > 160 ORDER BY 1;
DROP TABLE calls, call_events;
