-- A signed body is a compact JWS. The test signs with HMAC-SHA256, made from the SHA-256 of the server.
CREATE FUNCTION base64url(bytes bytea) RETURNS text LANGUAGE sql AS $$ SELECT translate(encode(bytes, 'base64'), E'+/=\n', '-_') $$;
CREATE FUNCTION base64url(value text) RETURNS text LANGUAGE sql AS $$ SELECT base64url(convert_to(value, 'UTF8')) $$;
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
CREATE FUNCTION jws(claims bytea, secret bytea, header text) RETURNS text LANGUAGE sql AS $$
    SELECT input || '.' || base64url(hmac(secret, convert_to(input, 'UTF8')))
        FROM concat(base64url(header), '.', base64url(claims)) AS input $$;
CREATE FUNCTION jws(claims text, secret bytea = 'a secret of thirty-two bytes: 32', header text = '{"alg":"HS256","typ":"JWT"}')
    RETURNS text LANGUAGE sql AS $$
    SELECT jws(convert_to(claims, 'UTF8'), secret, header) $$;

SELECT set_call_event_secret(NULL, 'a secret of thirty-two bytes: 32');
SELECT ingest_signed_call_event(jws('{}'));
SELECT create_call_tables('public');
CREATE FUNCTION event(seq bigint) RETURNS TABLE (call_id text, event_type text, error text, payload jsonb) LANGUAGE sql AS $$
    SELECT e.call_id, e.event_type, d.error, e.payload FROM call_events e
        LEFT JOIN call_dead_events d USING (event_seq) WHERE event_seq = seq $$;

-- Without a secret no signature can be checked.
SELECT ingest_signed_call_event(jws('{"call_id": 1, "state": "ringing"}'));
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}');

-- With a secret the log takes only signed bodies, in every form.
SELECT set_call_event_secret(NULL, 'a secret of thirty-two bytes: 32');
SELECT events, signed FROM call_event_logs;
SELECT ingest_call_event('{"call_id": 2}');
SELECT ingest_call_event('{"call_id": 2}'::text);
SELECT ingest_call_event('{"call_id": 2}'::bytea);
SELECT ingest_call_event('{"call_id": 2}'::jsonb);
SELECT ingest_call_event('no JSON');
SELECT ingest_call_event(jws('{"call_id": 2}'));
SELECT ingest_call_event('{"call_id": 2}', 'call_events', 'ringing', 'key');
SELECT generate_call_events(1);
SELECT count(*) FROM call_events;

-- The claims are the event. The same document is a redelivery, signed or not, with any header.
SELECT * FROM event(ingest_signed_call_event(jws('{"call_id": 7, "state": "hangup"}')));
SELECT ingest_signed_call_event(jws('{"call_id": 1, "state": "ringing"}')) AS as_unsigned;
SELECT ingest_signed_call_event(jws('{ "state": "ringing", "call_id": 1 }',
    header => '{"typ":"JWT","kid":"1","alg":"HS256"}')) AS as_unsigned;
SELECT ingest_signed_call_event(E' \t' || jws('{"call_id": 1, "state": "ringing"}') || E'\r\n') AS as_unsigned;
SELECT ingest_signed_call_event(jws('{"call_id": 1, "state": "ringing"}',
    header => '{"\u0061lg": "HS\u00325\u0036", "x": {"alg": "none", "crit": [], "jwk": {"jwk": 1}}, "y": ["alg"]}')) AS as_unsigned;
SELECT * FROM event(ingest_signed_call_event(jws('{"call_id": 8, "name": "Zoë 📞"}'), 'call_events'));

-- The claims cannot be applied: the event is dead.
SELECT * FROM event(ingest_signed_call_event(jws('')));
SELECT * FROM event(ingest_signed_call_event(jws('no JSON')));
SELECT * FROM event(ingest_signed_call_event(jws('[{"call_id": 1}]')));
SELECT * FROM event(ingest_signed_call_event(jws('{"call_id": 1, "name": "\u0000"}')));
SELECT * FROM event(ingest_signed_call_event(jws('\xff007b'::bytea, 'a secret of thirty-two bytes: 32', '{"alg":"HS256"}')));
SELECT * FROM event(ingest_signed_call_event(jws('{"iat": 1696339200,
    "exp": 1696342800, "body": {"call": {"id": "5", "state": "completed"}}}')));
SELECT * FROM event(ingest_signed_call_event(jws(jws('{"call_id": 1}'), header => '{"alg":"HS256","cty":"JWT"}')));

-- An invalid body gives an error and is not kept.
SELECT count(*) AS before FROM call_events \gset
SELECT ingest_signed_call_event(NULL);
SELECT ingest_signed_call_event('');
SELECT ingest_signed_call_event('{"call_id": 1, "state": "ringing"}');
SELECT ingest_signed_call_event('a');
SELECT ingest_signed_call_event('a.b');
SELECT ingest_signed_call_event('a.b.c.d');
SELECT ingest_signed_call_event('a.b.c.d.e');
SELECT ingest_signed_call_event('..');
SELECT ingest_signed_call_event('e30..');
SELECT ingest_signed_call_event(jws('{"call_id": 1}') || '.');
SELECT ingest_signed_call_event('.' || jws('{"call_id": 1}'));
-- The signature
SELECT ingest_signed_call_event(jws('{"call_id": 1}', 'another secret: thirty-two bytes'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', ''));
SELECT ingest_signed_call_event(base64url('{"alg":"HS256"}') || '.' || base64url('{"call_id": 1}') || '.');
SELECT ingest_signed_call_event(regexp_replace(jws('{"call_id": 1}'), '\.[^.]*$', '.AAAA'));
SELECT ingest_signed_call_event(regexp_replace(jws('{"call_id": 1}'), '\.[^.]*$', '.' || repeat('A', 43)));
SELECT ingest_signed_call_event(jws('{"call_id": 1}') || 'AAAA');
SELECT ingest_signed_call_event(regexp_replace(jws('{"call_id": 1}'), '\.[^.]*\.', '.' || base64url('{"call_id": 2}') || '.'));
SELECT ingest_signed_call_event(regexp_replace(jws('{"call_id": 1}'), '^[^.]*', base64url('{"alg":"HS256"} ')));
-- Wrong base64url
SELECT ingest_signed_call_event('=' || jws('{"call_id": 1}'));
SELECT ingest_signed_call_event(replace(jws('{"call_id": 1}', header => '{"alg":"HS256"}'), '.', '=.'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}') || '=');
SELECT ingest_signed_call_event(jws('{"call_id": 1}') || '==');
SELECT ingest_signed_call_event(overlay(jws('{"call_id": 1}') placing ' ' from 5 for 0));
SELECT ingest_signed_call_event(overlay(jws('{"call_id": 1}') placing E'\n' from 45 for 0));
SELECT ingest_signed_call_event(replace(jws('{"call_id": 1}'), '.', '. '));
SELECT ingest_signed_call_event(overlay(jws('{"call_id": 1}') placing '+' from 45 for 1));
SELECT ingest_signed_call_event(overlay(jws('{"call_id": 1}') placing '/' from 5 for 1));
SELECT ingest_signed_call_event(overlay(jws('{"call_id": 1}') placing 'é' from 45 for 1));
SELECT ingest_signed_call_event(regexp_replace(jws('{"call_id": 1}'), '\.([^.]*)\.', '.\1AA.'));
SELECT ingest_signed_call_event('eyJhbGciOiJIUzI1NiJ9.eyJjYWxsX2lkIjoxfR.AAAA');
SELECT ingest_signed_call_event(left(body, -1) || chr(ascii(right(body, 1)) + 1)) FROM jws('{"call_id": 1}') AS body;
-- The header
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => ''));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => 'HS256'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '"HS256"'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '["alg", "HS256"]'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '[{"alg": "HS256"}]'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256"'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256"} x'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256"}{}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => repeat('[', 100000)));
SELECT ingest_signed_call_event('eyJhbGciOiJIUzI1NiJ9AA.e30.AAAA');
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"typ": "JWT"}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"ALG": "HS256"}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"x": {"alg": "HS256"}}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "none"}'));
SELECT ingest_signed_call_event(base64url('{"alg":"none"}') || '.' || base64url('{"call_id": 1}') || '.');
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "None"}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "hs256"}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256 "}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS384"}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "RS256"}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": null}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": ["HS256"]}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": {"alg": "HS256"}}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "none", "alg": "HS256"}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256", "\u0061lg": "HS256"}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256", "typ": "JWT", "typ": "JWT"}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256", "crit": ["exp"]}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256", "crit": []}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256", "b64": false, "crit": ["b64"]}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256", "jku": "https://example.com/"}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256", "x5c": []}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}', header => '{"alg": "HS256", "x5u": null}'));
SELECT ingest_signed_call_event(jws('{"call_id": 1}'), 'calls');
\set VERBOSITY sqlstate
SELECT ingest_signed_call_event('a.b.c');
SELECT ingest_signed_call_event(jws('{"call_id": 1}', 'another secret: thirty-two bytes'));
SELECT ingest_call_event('{}');
\set VERBOSITY default
SELECT count(*) - :before AS kept FROM call_events;

-- Rotation: each name is one valid secret. Setting a name again replaces its secret, NULL removes it.
SELECT set_call_event_secret('call_events', 'the second secret: 32 bytes long', 'next');
SELECT count(ingest_signed_call_event(jws('{"call_id": 10}', secret)))
FROM unnest('{a secret of thirty-two bytes: 32,the second secret: 32 bytes long}'::bytea[]) AS secret;
SELECT set_call_event_secret('call_events', repeat('a third one, longer than a block.', 4)::bytea);
SELECT ingest_signed_call_event(jws('{"call_id": 10}', 'a secret of thirty-two bytes: 32'));
SELECT ingest_signed_call_event(jws('{"call_id": 11}',
    'the second secret: 32 bytes long')) = ingest_signed_call_event(jws('{"call_id": 11}',
    repeat('a third one, longer than a block.', 4)::bytea)) AS both;
SELECT set_call_event_secret('call_events', NULL, 'next');
SELECT set_call_event_secret('call_events', NULL, 'next');
SELECT ingest_signed_call_event(jws('{"call_id": 12}', 'the second secret: 32 bytes long'));
SELECT ingest_signed_call_event(jws('{"call_id": 12}', repeat('a third one, longer than a block.', 4)::bytea)) IS NOT NULL AS taken;
SELECT set_call_event_secret('call_events', 'a secret of thirty-two bytes: 32', NULL);
SELECT set_call_event_secret('call_events', 'a secret of thirty-two bytes: 32', 'number ' || i) FROM generate_series(1, 8) AS i;
SELECT count(set_call_event_secret('call_events', 'a secret of thirty-two bytes: 32', 'number ' || i)) FROM generate_series(1, 7) AS i;
SELECT ingest_signed_call_event(jws('{"call_id": 12}')) IS NOT NULL AS taken;
SELECT count(set_call_event_secret('call_events', NULL, 'number ' || i)) FROM generate_series(1, 7) AS i;
SELECT name, is_public FROM _callhardening.event_secrets;
-- A rolled back secret was never valid.
BEGIN;
SELECT set_call_event_secret('call_events', 'a fourth one that is rolled back');
SELECT ingest_signed_call_event(jws('{"call_id": 13}', 'a fourth one that is rolled back')) IS NOT NULL AS taken;
ROLLBACK;
SELECT ingest_signed_call_event(jws('{"call_id": 13}', 'a fourth one that is rolled back'));

-- RFC 7515, appendix A.1
SELECT set_call_event_secret('call_events',
    decode('AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==', 'base64'));
SELECT * FROM event(ingest_signed_call_event('eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.'
    'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.'
    'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'));

-- Invalid secrets
SELECT set_call_event_secret('call_events', '');
SELECT set_call_event_secret('call_events', '1234567');
SELECT set_call_event_secret('call_events', repeat('x', 1025)::bytea);
SELECT set_call_event_secret('call_events', E'-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----\n');
SELECT set_call_event_secret('call_events',
    E'\n -----BEGIN RSA PRIVATE KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END RSA PRIVATE KEY-----\n');
SELECT set_call_event_secret('call_events', 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ');
SELECT set_call_event_secret('calls', 'a secret of thirty-two bytes: 32');
SELECT count(*) FROM _callhardening.event_secrets;

-- A signed log without its secret takes no events, as after a restore. Setting NULL opens it again.
DELETE FROM _callhardening.event_secrets;
SELECT ingest_call_event('{"call_id": 14}');
SELECT ingest_signed_call_event(jws('{"call_id": 14}'));
SELECT set_call_event_secret('call_events', 'a secret of thirty-two bytes: 32');
SELECT ingest_signed_call_event(jws('{"call_id": 14}')) IS NOT NULL AS taken;
SELECT set_call_event_secret('call_events', NULL);
SELECT signed, (SELECT count(*) FROM _callhardening.event_secrets) FROM call_event_logs;
SELECT ingest_call_event('{"call_id": 15}') IS NOT NULL AS taken;
SELECT ingest_signed_call_event(jws('{"call_id": 15}'));

-- A short secret gives a warning. The provider may already use it.
SELECT set_call_event_secret('call_events', '12345678');
SELECT ingest_signed_call_event(jws('{"call_id": 16}', '12345678')) IS NOT NULL AS taken;

-- Rights: the owner sets the secret and cannot read it. A receiver needs no right on the secret.
CREATE ROLE regress_callhardening_owner;
CREATE ROLE regress_callhardening_member IN ROLE regress_callhardening_owner;
CREATE ROLE regress_callhardening_receiver;
GRANT USAGE ON SCHEMA _callhardening TO regress_callhardening_owner, regress_callhardening_receiver;
GRANT EXECUTE ON FUNCTION set_call_event_secret(regclass, bytea, name),
    ingest_signed_call_event(text, regclass, jsonb), ingest_call_event(bytea, regclass, text, text, jsonb)
    TO regress_callhardening_owner, regress_callhardening_receiver;
GRANT SELECT, INSERT ON call_events TO regress_callhardening_receiver;
SET ROLE regress_callhardening_owner;
SELECT set_call_event_secret('call_events', 'a secret of thirty-two bytes: 32');
RESET ROLE;
ALTER TABLE call_events OWNER TO regress_callhardening_owner;
SET ROLE regress_callhardening_owner;
SELECT set_call_event_secret('call_events', 'a secret of thirty-two bytes: 32');
SELECT current_user;
SELECT secret FROM _callhardening.event_secrets;
UPDATE call_event_logs SET signed = false;
SET ROLE regress_callhardening_member;
SELECT set_call_event_secret('call_events', 'the second secret: 32 bytes long', 'second');
SET ROLE regress_callhardening_receiver;
SELECT set_call_event_secret('call_events', NULL);
SELECT ingest_signed_call_event(jws('{"call_id": 17}')) IS NOT NULL AS taken;
SELECT ingest_signed_call_event(jws('{"call_id": 17}', 'another secret: thirty-two bytes'));
SELECT ingest_call_event('{"call_id": 17}'::bytea);
SELECT secret FROM _callhardening.event_secrets;
RESET ROLE;
-- After an error inside the function the caller has the old role again.
ALTER TABLE _callhardening.event_secrets ADD CONSTRAINT none_more CHECK (secret IS NULL) NOT VALID;
SET ROLE regress_callhardening_owner;
DO $$
BEGIN
    PERFORM set_call_event_secret('call_events', 'a third secret that is not taken');
EXCEPTION WHEN check_violation THEN
    RAISE NOTICE 'refused, and still %', current_user;
END
$$;
RESET ROLE;
ALTER TABLE _callhardening.event_secrets DROP CONSTRAINT none_more;

-- Each log has its own secret. Dropping the log removes it.
CREATE SCHEMA other;
SELECT create_call_tables('other');
SELECT set_call_event_secret('other.call_events', 'another secret: thirty-two bytes');
SELECT ingest_signed_call_event(jws('{"call_id": 1}'), 'other.call_events');
SELECT ingest_signed_call_event(jws('{"call_id": 1}', 'another secret: thirty-two bytes'), 'other.call_events');
SELECT count(*) FROM _callhardening.event_secrets;
DROP SCHEMA other CASCADE;
SELECT count(*) FROM _callhardening.event_secrets;

-- A dump leaves out the secrets. It keeps the fact that the log is signed.
SELECT c.oid::regclass AS dumped FROM pg_extension e, unnest(e.extconfig) AS c(oid)
WHERE extname = 'callhardening' AND c.oid IN ('_callhardening.event_secrets'::regclass, '_callhardening.logs'::regclass);

-- The table of secrets was altered.
BEGIN;
ALTER TABLE _callhardening.event_secrets ALTER secret TYPE text USING encode(secret, 'hex');
SELECT ingest_signed_call_event(jws('{"call_id": 1}'));
ROLLBACK;

DROP TABLE calls, call_events;
DROP OWNED BY regress_callhardening_owner, regress_callhardening_receiver;
DROP ROLE regress_callhardening_owner, regress_callhardening_member, regress_callhardening_receiver;
DROP FUNCTION event(bigint);
DROP FUNCTION jws(text, bytea, text), jws(bytea, bytea, text), hmac(bytea, bytea), base64url(text), base64url(bytea);
