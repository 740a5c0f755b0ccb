-- the words of Dialpad
SELECT word, normalize_call_status(word, 'dialpad')
FROM unnest(ARRAY['calling', 'preanswer', 'queued', 'ringing', 'connected', 'hold', 'parked', 'merged', 'hangup',
    'missed', 'blocked', 'voicemail', 'call.ring', 'call.started', 'call.ended', 'voicemail.received',
    'call.voicemail']) AS word;

-- one word, several meanings
SELECT provider, normalize_call_status('answered', provider)
FROM unnest(ARRAY['aircall', 'justcall', 'rdstation', 'no such provider', NULL]) AS provider;
SELECT provider, normalize_call_status('hangup', provider) FROM unnest(ARRAY['dialpad', 'ringcentral', NULL]) AS provider;

-- known, and nothing to say about the status: silently
SELECT normalize_call_status('recap_summary', 'dialpad');
SELECT normalize_call_status('voicemail_uploaded');
SELECT normalize_call_status(NULL);
SELECT normalize_call_status('');
SELECT normalize_call_status('  ');

-- unknown
SELECT normalize_call_status('on_hold_forever');
SELECT normalize_call_status('{"state": "hangup"}');
SELECT normalize_call_status(repeat('ended', 200000));

-- what it gives is a fixed point
SELECT word FROM unnest(ARRAY['ringing', 'active', 'ended', 'missed', 'rejected', 'voicemail']) AS word
WHERE normalize_call_status(word) IS DISTINCT FROM word;
