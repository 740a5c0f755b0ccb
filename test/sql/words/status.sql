-- The words of Dialpad
SELECT word, normalize_call_status(word, 'dialpad')
FROM unnest(ARRAY['calling', 'preanswer', 'queued', 'ringing', 'connected', 'hold', 'parked', 'merged', 'hangup',
    'missed', 'blocked', 'voicemail', 'call.ring', 'call.started', 'call.ended', 'voicemail.received',
    'call.voicemail']) AS word;

-- One word with several meanings
SELECT provider, normalize_call_status('answered', provider)
FROM unnest(ARRAY['aircall', 'justcall', 'rdstation', 'no such provider', NULL]) AS provider;
SELECT provider, normalize_call_status('hangup', provider) FROM unnest(ARRAY['dialpad', 'ringcentral', NULL]) AS provider;

-- Known words without a status give NULL without a warning.
SELECT normalize_call_status('recap_summary', 'dialpad');
SELECT normalize_call_status('voicemail_uploaded');
SELECT normalize_call_status(NULL);
SELECT normalize_call_status('');
SELECT normalize_call_status('  ');

-- Unknown words
SELECT normalize_call_status('on_hold_forever');
SELECT normalize_call_status('{"state": "hangup"}');
SELECT normalize_call_status(repeat('ended', 200000));

-- A result is normalized to itself.
SELECT word FROM unnest(ARRAY['ringing', 'active', 'ended', 'missed', 'rejected', 'voicemail']) AS word
WHERE normalize_call_status(word) IS DISTINCT FROM word;
