-- Webhooks with their headers. The test signs with HMAC-SHA256, made from the SHA-256 of the server.
CREATE FUNCTION hmac(secret bytea, message bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    padded bytea := CASE WHEN octet_length(secret) > 64 THEN sha256(secret) ELSE secret END;
    inner_key bytea := decode(repeat('36', 64), 'hex');
    outer_key bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR i IN 0 .. octet_length(padded) - 1 LOOP
        inner_key := set_byte(inner_key, i, get_byte(padded, i) # 54);
        outer_key := set_byte(outer_key, i, get_byte(padded, i) # 92);
    END LOOP;
    RETURN sha256(outer_key || sha256(inner_key || message));
END
$$;
CREATE FUNCTION hmac(secret text, message text) RETURNS bytea LANGUAGE sql AS $$
    SELECT hmac(convert_to(secret, 'UTF8'), convert_to(message, 'UTF8')) $$;
CREATE FUNCTION zoom(body text, ago int = 0, secret text = 'a secret of thirty-two bytes: 32') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('X-Zm-Request-Timestamp', sent, 'x-zm-signature',
        'v0=' || encode(hmac(secret, 'v0:' || sent || ':' || body), 'hex'))
    FROM concat(extract(epoch FROM clock_timestamp())::bigint - ago) AS sent $$;

-- The built-in schemes. Each compiles.
SELECT * FROM call_signature_schemes();
SELECT call_signature_scheme('Zoom Phone');
SELECT call_signature_scheme('twilo');
SELECT call_signature_scheme('cloudtalk'), call_signature_scheme(NULL);

SELECT ingest_call_webhook('{}', '{}');
SELECT create_call_tables('public');
SELECT set_call_event_signature('call_events', call_signature_scheme('zoom_phone'));
SELECT ingest_call_webhook('{}', zoom('{}'));
SELECT set_call_event_secret('call_events', 'a secret of thirty-two bytes: 32');

-- A signed webhook is an event. Other names and letters of headers do not matter.
SELECT ingest_call_webhook('{"call_id": 1, "state": "ringing"}', zoom('{"call_id": 1, "state": "ringing"}'));
SELECT ingest_call_webhook('{"call_id": 1, "state": "ringing"}', zoom('{"call_id": 1, "state": "ringing"}')
    || '{"Host": ["a", "b"], "deep": {"x-zm-signature": [[1]]}, "": null}') AS redelivered;
SELECT ingest_call_webhook('{"call_id": 2}', (SELECT jsonb_object_agg(upper(key), jsonb_build_array(value))
    FROM jsonb_each(zoom('{"call_id": 2}'))));
SELECT ingest_call_event('{"call_id": 3}');
SELECT event_seq, call_id, payload FROM call_events ORDER BY 1;

-- An invalid one gives an error and is not kept.
SELECT ingest_call_webhook(NULL, '{}');
SELECT ingest_call_webhook('{}', NULL);
SELECT ingest_call_webhook('{}', 'null');
SELECT ingest_call_webhook('{}', '[]');
SELECT ingest_call_webhook('{}', '"x-zm-signature"');
SELECT ingest_call_webhook('{}', '{}');
SELECT ingest_call_webhook('{}', zoom('{}') - 'x-zm-signature');
SELECT ingest_call_webhook('{}', zoom('{}') || '{"X-ZM-SIGNATURE": "v0=00"}');
SELECT ingest_call_webhook('{}', zoom('{}') || '{"x-zm-signature": ["v0=00", "v0=00"]}');
SELECT ingest_call_webhook('{}', zoom('{}') || '{"x-zm-signature": []}');
SELECT ingest_call_webhook('{}', zoom('{}') || '{"x-zm-signature": null}');
SELECT ingest_call_webhook('{}', zoom('{}') || '{"x-zm-signature": 1}');
SELECT ingest_call_webhook('{}', zoom('{}') || '{"x-zm-signature": {"v0": "00"}}');
SELECT ingest_call_webhook('{}', zoom('{}') || '{"x-zm-signature": [["v0=00"]]}');
SELECT ingest_call_webhook('{}', zoom('{}') || '{"x-zm-signature": ""}');
SELECT ingest_call_webhook('{}', zoom('{}') || '{"x-zm-signature": "v0="}');
SELECT ingest_call_webhook('{}', zoom('{}') || '{"x-zm-signature": "v1=00"}');
SELECT ingest_call_webhook('{}', zoom('{}') || '{"x-zm-signature": "v0=00"}');
SELECT ingest_call_webhook('{}', zoom('{}') || jsonb_build_object('x-zm-signature', repeat('v0=', 3000)));
SELECT ingest_call_webhook('{}', zoom('{}') || jsonb_build_object('other', repeat('x', 300000)));
SELECT ingest_call_webhook('{}', zoom('{}') || '{"X-Zm-Request-Timestamp": "0"}');
SELECT ingest_call_webhook('{ }', zoom('{}'));
SELECT ingest_call_webhook('{}', zoom('{}', secret => 'another secret: thirty-two bytes'));
SELECT ingest_call_webhook('{}', jsonb_set(zoom('{}'), '{x-zm-signature}', to_jsonb(upper(zoom('{}')->>'x-zm-signature'))));
SELECT ingest_call_webhook('{}', zoom('{}'), log => 'calls');
\set VERBOSITY sqlstate
SELECT ingest_call_webhook('{}', '{}');
SELECT ingest_call_webhook('{}', zoom('{}') || jsonb_build_object('other', repeat('x', 300000)));
\set VERBOSITY default
SELECT count(*) FROM call_events;

-- The time, in both directions. The number of seconds is about right.
CREATE FUNCTION refusal(ago int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    PERFORM ingest_call_webhook('{"call_id": 4}', zoom('{"call_id": 4}', ago));
    RETURN 'taken';
EXCEPTION WHEN invalid_authorization_specification THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN SQLERRM || '; ' || regexp_replace(detail, '\d ', '? ');
END
$$;
SELECT ago, refusal(ago) FROM unnest('{0, 290, -290, 313, -315}'::int[]) AS ago;
SELECT set_call_event_signature('call_events', call_signature_scheme('zoom_phone') || '{"tolerance": 3600}');
SELECT refusal(3500), refusal(3613);
SELECT set_call_event_signature('call_events', call_signature_scheme('zoom_phone') - 'tolerance');
SELECT refusal(1000000);

-- Names of secrets: each is valid.
SELECT set_call_event_secret('call_events', 'another secret: thirty-two bytes', 'next');
SELECT ingest_call_webhook('{"call_id": 5}', zoom('{"call_id": 5}', secret => secret)) IS NOT NULL AS taken
FROM unnest('{a secret of thirty-two bytes: 32,another secret: thirty-two bytes}'::text[]) AS secret;
SELECT set_call_event_secret('call_events', NULL);
SELECT ingest_call_webhook('{"call_id": 5}', zoom('{"call_id": 5}'));
SELECT ingest_call_webhook('{"call_id": 5}', zoom('{"call_id": 5}', secret => 'another secret: thirty-two bytes')) IS NOT NULL AS taken;

-- A handshake is answered with the newest secret, and is no event. The token has no letters of a signed text.
\set handshake '{"event": "endpoint.url_validation", "payload": {"plainToken": "madeUp-token_1"}}'
SELECT answer_call_handshake(:'handshake', '{}');
SELECT encode(hmac('another secret: thirty-two bytes', 'madeUp-token_1'), 'hex') AS hmac;
SELECT ingest_call_webhook(:'handshake', zoom(:'handshake', secret => 'another secret: thirty-two bytes'));
SELECT answer_call_handshake('{"event": "phone.callee_ended", "payload": {"plainToken": "madeUp-token_1"}}', '{}') IS NULL AS is_event;
SELECT answer_call_handshake('{"event": "endpoint.url_validation", "payload": {"plainToken": "v0:1788256940:{}"}}', '{}');
SELECT answer_call_handshake('{"event": "endpoint.url_validation", "payload": {"plainToken": ""}}', '{}');
SELECT answer_call_handshake('{"event": "endpoint.url_validation", "payload": {}}', '{}');
SELECT answer_call_handshake('{"event": "endpoint.url_validation", "payload": {"plainToken": {"a": "b"}}}', '{}');
SELECT answer_call_handshake(convert_to('{"event": "endpoint.url_validation", "payload": {"plainToken": "'
    || repeat('a', 1025) || '"}}', 'UTF8'), '{}');
SELECT answer_call_handshake('endpoint.url_validation', '{}') IS NULL AS is_event;
SELECT answer_call_handshake(NULL, '{}');

-- Handshakes in a header and in the URL
SELECT set_call_event_signature('call_events', call_signature_scheme('ringcentral'));
SELECT answer_call_handshake('', '{"validation-token": "made-up-token"}');
SELECT answer_call_handshake('', '{"validation-token": ["made-up-token", "another"]}');
SELECT answer_call_handshake('{"event": "x"}', '{"validation-token": "made-up-token"}') IS NULL AS is_event;
SELECT answer_call_handshake('', '{"validation-token": "<script>"}');
SELECT ingest_call_webhook('', '{"validation-token": "made-up-token"}');
SELECT set_call_event_signature('call_events', call_signature_scheme('ms_teams'));
SELECT answer_call_handshake('', '{}', 'https://hook.example.com/?validationToken=Made%20up%3a+token');
SELECT answer_call_handshake('', '{}', 'https://hook.example.com/?token=1') IS NULL AS is_event;
SELECT answer_call_handshake('', '{}') IS NULL AS is_event;

-- Tokens in bodies: in every element, and one of a repeated member is not enough.
SELECT check_call_signature(body::bytea, '{}', 'made-up-token', call_signature_scheme('ms_teams')), body
FROM unnest(ARRAY['{"value": [{"clientState": "made-up-token"}]}',
    '{"value": [{"clientState": "made-up-token", "x": {"clientState": 1}}, {"x": [[]], "clientState": "made-up-token"}]}',
    '{"value": [{"clientState": "made-up-token"}, {"x": 1}]}',
    '{"value": [{"clientState": "made-up-token"}, {"clientState": "other"}]}',
    '{"value": [{"clientState": "made-up-token"}, 7]}',
    '{"value": [{"clientState": "made-up-token"}, {"clientState": ["made-up-token"]}]}',
    '{"value": {"clientState": "made-up-token"}}', '{"value": []}', '{}', '[]', '"made-up-token"', 'made-up-token', '',
    '{"x": {"value": [{"clientState": "made-up-token"}]}}']) AS body;
SELECT check_call_signature('{"token": "wrong", "token": "made-up-token"}', '{}', 'made-up-token', call_signature_scheme('aircall')),
    check_call_signature('{"token": "made-up-token"}\000{', '{}', 'made-up-token', call_signature_scheme('aircall')),
    check_call_signature(convert_to('{"token": "made-up-token", "x": ' || repeat('[', 100000) || repeat(']', 100000) || '}', 'UTF8'),
        '{}', 'made-up-token', call_signature_scheme('aircall')) AS deep;

-- URLs and forms: the port does not matter, the order of parameters neither.
CREATE FUNCTION form_scheme() RETURNS jsonb LANGUAGE sql AS $$
    SELECT call_signature_scheme('twilio_shared_key') $$;
SELECT sent, check_call_signature(body::bytea, jsonb_build_object('X-Twilio-Signature',
    encode(hmac('a secret of thirty-two bytes: 32', signed), 'base64')), 'a secret of thirty-two bytes: 32', form_scheme(), sent), body
FROM (VALUES
    ('https://example.com/a?b=c', 'https://example.com/a?b=cA1B2', 'B=2&A=1'),
    ('https://example.com:443/a?b=c', 'https://example.com/a?b=cA1B2', 'B=2&A=1'),
    ('https://example.com/a?b=c', 'https://example.com:443/a?b=cA1B2', 'A=1&B=2'),
    ('http://example.com/a', 'http://example.com:80/aA1', 'A=1'),
    ('http://u:p@[::1]/a', 'http://u:p@[::1]:80/aA1', 'A=1'),
    ('http://u:p@[::1]:8080/a', 'http://u:p@[::1]/aA1', 'A=1'),
    ('example.com', 'example.comA1', 'A=1'),
    ('https://example.com/', 'https://example.com/', ''),
    ('https://example.com/', 'https://example.com/A1A2BÜ x', 'B=%C3%9C+x&A=2&A=1&A=2'),
    ('https://example.com/b', 'https://example.com/A1', 'A=1'),
    ('https://example.com/', 'https://example.com/A1', 'A=%zz'),
    ('https://example.com/', 'https://example.com/{"A":1}', '{"A":1}'),
    ('https://example.com/', 'https://example.com/', '{"A":1}'),
    (NULL, 'A1', 'A=1')) AS v (sent, signed, body);
SELECT check_call_signature('{"A":1}', jsonb_build_object('X-Twilio-Signature',
    encode(hmac('a secret of thirty-two bytes: 32', url), 'base64')), 'a secret of thirty-two bytes: 32', form_scheme(), url)
FROM unnest(ARRAY['https://example.com/?bodySHA256=' || encode(sha256('{"A":1}'), 'hex'), 'https://example.com/?bodySHA256=',
    'https://example.com/?bodySHA256=' || encode(sha256('{"A":2}'), 'hex')]) AS url;
SELECT set_call_event_signature('call_events', form_scheme());
SELECT ingest_call_webhook('A=1', '{"X-Twilio-Signature": "x"}');
SELECT ingest_call_webhook('A=1', '{"X-Twilio-Signature": "x"}', repeat('x', 9000));

-- Several signatures in a header, up to 16. The header with the event's id is signed, and names the event.
CREATE FUNCTION standard(id text, body text, before text = '') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('webhook-id', id, 'webhook-timestamp', sent, 'webhook-signature', before || 'v1,'
        || encode(hmac('a secret of thirty-two bytes: 32', id || '.' || sent || '.' || body), 'base64'))
    FROM concat(extract(epoch FROM clock_timestamp())::bigint) AS sent $$;
SELECT set_call_event_signature('call_events', call_signature_scheme('standard_webhooks'));
SELECT set_call_event_secret('call_events', 'no base64: it has spaces and colons');
SELECT ingest_call_webhook('{"call_id": 6}', standard('a', '{"call_id": 6}'));
SELECT set_call_event_secret('call_events', NULL, 'next');
SELECT set_call_event_secret('call_events', convert_to('whsec_' || encode('a secret of thirty-two bytes: 32', 'base64'), 'UTF8'));
SELECT ingest_call_webhook('{"call_id": 6}', standard('a', '{"call_id": 6}', 'v1a,xx v1, v1,bm8= ')) AS first \gset
SELECT ingest_call_webhook('{"call_id": 6, "attempt": 2}', standard('a', '{"call_id": 6, "attempt": 2}')) = :first AS redelivered;
SELECT ingest_call_webhook('{"call_id": 6}', standard('b', '{"call_id": 6}')) = :first AS redelivered;
SELECT ingest_call_webhook('{"call_id": 6}', standard('a', '{"call_id": 6}') || '{"webhook-id": "c"}');
SELECT check_call_signature('{}', standard('a', '{}', repeat('v1,eA== ', n)), 'whsec_YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlczogMzI=',
    call_signature_scheme('standard_webhooks')) FROM unnest('{15, 16, 900}'::int[]) AS n;

-- A public key is never a secret: everybody could sign with it.
SELECT set_call_event_signature('call_events', call_signature_scheme('telnyx'));
SELECT ingest_call_webhook('{}', '{"telnyx-timestamp": "1", "telnyx-signature-ed25519": "x"}');
SELECT set_call_event_secret('call_events', 'no key');
SELECT set_call_event_secret('call_events', 'no key either');
SELECT set_call_event_secret('call_events', 'HOEge1JIdd9DTbNsHOu3kdEibYhNEmUjEVhXqjAxYcA=');
SELECT ingest_call_webhook('{}', '{"telnyx-timestamp": "1", "telnyx-signature-ed25519": "x"}');
SELECT ingest_signed_call_event('eyJhbGciOiJIUzI1NiJ9.e30.'
    || translate(encode(hmac('HOEge1JIdd9DTbNsHOu3kdEibYhNEmUjEVhXqjAxYcA=', 'eyJhbGciOiJIUzI1NiJ9.e30'), 'base64'), '+/=', '-_'));
SELECT set_call_event_signature('call_events', call_signature_scheme('zoom_phone'));
SELECT ingest_call_webhook('{}', zoom('{}', secret => 'HOEge1JIdd9DTbNsHOu3kdEibYhNEmUjEVhXqjAxYcA='));

-- Dialpad's bodies are their own signature. Logs of other providers without a scheme are told.
SELECT set_call_event_signature('call_events', NULL);
SELECT set_call_event_secret('call_events', 'a secret of thirty-two bytes: 32');
SELECT ingest_call_webhook(convert_to(input || '.' || translate(encode(hmac('a secret of thirty-two bytes: 32', input), 'base64'),
    '+/=', '-_'), 'UTF8'), '{}') IS NOT NULL AS taken FROM concat('eyJhbGciOiJIUzI1NiJ9.eyJjYWxsX2lkIjogMX0') AS input;
SELECT ingest_call_webhook('{"call_id": 1}', '{}');
SELECT ingest_call_webhook('eyJhbGciOiJub25lIn0.e30.', '{}');
UPDATE _callhardening.logs SET provider = 'exotel';
SELECT ingest_call_webhook('{}', '{}');
UPDATE _callhardening.logs SET provider = '';
SELECT ingest_call_webhook('{}', '{}');

-- Mistakes in a scheme
SELECT set_call_event_signature('call_events', '"twilio"');
SELECT set_call_event_signature('call_events', '{}');
SELECT set_call_event_signature('call_events', '{"version": 2}');
SELECT set_call_event_signature('call_events', jsonb_build_object('version', repeat('x', 20000)));
CREATE FUNCTION mistake(change jsonb, name text = 'zoom_phone') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN 'none: ' || coalesce(check_call_signature('', '{}', '12345678', call_signature_scheme(name) || change), 'valid');
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN SQLERRM;
END
$$;
SELECT mistake('{"algorithm": "md5"}');
SELECT mistake('{"algorithm": null}');
SELECT mistake('{"made_up": 1}');
SELECT mistake('{"signature": "x-zm-signature"}');
SELECT mistake('{"signature": {}}');
SELECT mistake('{"signature": {"header": "x", "member": "y", "encoding": "hex"}}');
SELECT mistake('{"signature": {"member": "y", "encoding": "hex"}}');
SELECT mistake('{"signature": {"header": "a b", "encoding": "hex"}}');
SELECT mistake('{"signature": {"header": "x"}}');
SELECT mistake('{"signature": {"header": "x", "encoding": "base32"}}');
SELECT mistake('{"signature": {"header": "x", "encoding": "hex", "format": "v0"}}');
SELECT mistake('{"signature": {"header": "x", "encoding": "hex", "format": "{signature}{timestamp}"}}');
SELECT mistake('{"signature": {"header": "x", "encoding": "hex", "format": "{body}"}}');
SELECT mistake('{"signature": {"header": "x", "encoding": "hex", "separator": ", "}}');
SELECT mistake('{"signed": ""}');
SELECT mistake('{"signed": 1}');
SELECT mistake('{"signed": "{boddy}"}');
SELECT mistake('{"signed": "{timestamp"}');
SELECT mistake('{"signed": "{header:}"}');
SELECT mistake('{"signed": "{member:a..b}"}');
SELECT mistake('{"signed": "{member:a.b.c.d.e.f.g.h.i}"}');
SELECT mistake(jsonb_build_object('signed', repeat('x{body}', 17)));
SELECT mistake(jsonb_build_object('signed', repeat('x', 201)));
SELECT mistake('{"signed": "{header:a}{header:b}{header:c}{header:d}{header:e}{header:f}{header:g}"}');
SELECT mistake('{"signed": "{body}"}');
SELECT mistake('{"signed": "v0"}', 'callrail');
SELECT mistake('{"signed": "{secret}:v0"}', 'callrail');
SELECT mistake('{"timestamp": null}');
SELECT mistake('{"timestamp": {"claim": "iat"}}');
SELECT mistake('{"timestamp": {"header": "x", "unit": "hours"}}');
SELECT mistake('{"tolerance": 0}');
SELECT mistake('{"tolerance": -1}');
SELECT mistake('{"tolerance": 31536001}');
SELECT mistake('{"body_hash": {"query": "x"}}');
SELECT mistake('{"body_hash": {}}');
SELECT mistake('{"event_key": "unsigned"}');
SELECT mistake('{"either_port": 1}');
SELECT mistake('{"either_port": true}');
SELECT mistake('{"secret": {"encoding": "hex"}}');
SELECT mistake('{"handshake": {}}');
SELECT mistake('{"handshake": {"token": {"member": "a"}, "answer": "{token}"}}');
SELECT mistake('{"handshake": {"token": {"cookie": "a"}, "answer": "{token}"}}');
SELECT mistake('{"handshake": {"token": {"query": "a"}, "answer": "{secret}"}}');
SELECT mistake('{"handshake": {"token": {"query": "a"}, "answer": "{hmac}"}}', 'callrail');
SELECT mistake('{"signed": "{timestamp}{header:nonce}"}');
SELECT mistake('{"signed": "{form}a-b_c{timestamp}"}');
SELECT mistake('{"signed": "{timestamp}.{header:nonce}"}');
SELECT mistake('{"signed": "{body}"}', 'hubspot_v1');
SELECT mistake('{"signed": "{secret}{secret}"}', 'hubspot_v1');
SELECT mistake('{"signed": "{secret}{body}"}', 'telnyx');
SELECT mistake('{"signed": "{body}"}', 'aircall');
SELECT mistake('{"signature": {"header": "x"}}', 'dialpad');
SELECT mistake('{"signature": {"header": "x", "encoding": "hex"}}', 'vonage');
SELECT mistake('{}');
SELECT check_call_signature('', NULL, '12345678', call_signature_scheme('callrail'));

-- as a dump of a newer version: the sender shall try again
SELECT set_call_event_signature('call_events', call_signature_scheme('zoom_phone'));
UPDATE _callhardening.event_signatures SET scheme = '{"version": 7}';
\set VERBOSITY sqlstate
SELECT ingest_call_webhook('{}', '{}');
SELECT answer_call_handshake('{}', '{}');
\set VERBOSITY default
SELECT ingest_call_webhook('{}', '{}');

-- Rights: the owner chooses the scheme. A receiver needs no right on its table.
CREATE ROLE regress_callhardening_receiver;
SELECT grant_call_role('regress_callhardening_receiver', 'ingest');
GRANT SELECT, INSERT ON call_events TO regress_callhardening_receiver;
SELECT set_call_event_signature('call_events', call_signature_scheme('zoom_phone'));
SET ROLE regress_callhardening_receiver;
SELECT ingest_call_webhook('{"call_id": 9}', zoom('{"call_id": 9}')) IS NOT NULL AS taken;
SELECT answer_call_handshake(:'handshake', '{}') IS NOT NULL AS answered;
SELECT set_call_event_signature('call_events', NULL);
SELECT scheme FROM _callhardening.event_signatures;
RESET ROLE;

-- The scheme is dumped, and goes with its log.
SELECT c.oid::regclass AS dumped FROM pg_extension e, unnest(e.extconfig) AS c(oid)
WHERE extname = 'callhardening' AND c.oid IN ('_callhardening.event_secrets'::regclass, '_callhardening.event_signatures'::regclass);
DROP TABLE calls, call_events;
SELECT count(*) FROM _callhardening.event_signatures;
DROP OWNED BY regress_callhardening_receiver;
DROP ROLE regress_callhardening_receiver;
DROP FUNCTION refusal(int), mistake(jsonb, text), form_scheme(), standard(text, text, text), zoom(text, int, text), hmac(text, text),
    hmac(bytea, bytea);
