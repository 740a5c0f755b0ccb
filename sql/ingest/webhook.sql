
-- webhooks of any provider, with their headers ------------------------------------------------

CREATE TABLE _callhardening.event_signatures (
    log_id int CONSTRAINT event_signatures_pkey PRIMARY KEY REFERENCES _callhardening.logs ON DELETE CASCADE,
    scheme jsonb NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.event_signatures', '');
REVOKE ALL ON _callhardening.event_signatures FROM PUBLIC;

COMMENT ON TABLE _callhardening.event_signatures IS
'the signature schemes of logs that do not use the default of their provider; dumped: it has no secret';
COMMENT ON COLUMN _callhardening.event_signatures.scheme IS 'as set_call_event_signature got it';

CREATE FUNCTION @extschema@.call_signature_scheme(name text) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_signature_scheme';

COMMENT ON FUNCTION @extschema@.call_signature_scheme(text) IS
'Returns the document of a built-in signature scheme, as set_call_event_signature takes it.
Returns NULL for a provider without a scheme.
- name: of a provider, for its default scheme, or another one of call_signature_schemes()
Errors:
- 22023: the name is unknown';

CREATE FUNCTION @extschema@.call_signature_schemes(OUT scheme text, OUT provider text, OUT is_default boolean,
                                                   OUT algorithm text, OUT covers text, OUT handshake boolean)
    RETURNS SETOF record
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_signature_schemes';

COMMENT ON FUNCTION @extschema@.call_signature_schemes() IS
'Lists the built-in signature schemes.
- provider: NULL is a scheme of no known provider
- is_default: the logs of the provider use it, unless set_call_event_signature sets another
- covers: what cannot be changed without the secret (body, URL, time), or nothing. If the body
  is not covered, a redelivery with another body is not noticed.
- handshake: answer_call_handshake answers the provider''s handshakes';

CREATE FUNCTION @extschema@.set_call_event_signature(log regclass, signature jsonb) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_set_call_event_signature';
REVOKE EXECUTE ON FUNCTION @extschema@.set_call_event_signature(regclass, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'set_call_event_signature');

COMMENT ON FUNCTION @extschema@.set_call_event_signature(regclass, jsonb) IS
'Sets how the webhooks of an event log are signed. Without it, the log uses the default scheme of
its provider. For the owner of the log''s table.
- log: NULL is the default log
- signature: a document like those of call_signature_scheme; NULL is the default again
Errors:
- 22023: a mistake in the document, with its place
- 42501: the caller is not the owner of the log''s table
- 42P08: several logs, none is the default and none is named
- 54000: a document above 16 kB
- 55000: no such log';

CREATE FUNCTION @extschema@.ingest_call_webhook(body bytea, headers jsonb, url text DEFAULT NULL,
                                                log regclass DEFAULT NULL, carry jsonb DEFAULT NULL) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ingest_call_webhook';
REVOKE EXECUTE ON FUNCTION @extschema@.ingest_call_webhook(bytea, jsonb, text, regclass, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('ingest', 'ingest_call_webhook');

COMMENT ON FUNCTION @extschema@.ingest_call_webhook(bytea, jsonb, text, regclass, jsonb) IS
'Checks the signature of a webhook by the scheme of its event log, and appends its body. The rest
is as in ingest_call_event, also its errors. Returns the event''s sequence number.
- body: as it came off the wire
- headers: an object of names, in any case, and values; a value may be an array with one
- url: as it is set at the provider, with its query; only some schemes need it
- log: NULL is the default log
- carry: as ingest_call_event takes it
Errors:
- 0A000: Ed25519 on a server without OpenSSL
- 22004: body or headers are NULL, or the URL is and is signed
- 22023: a handshake (answer_call_handshake), or headers are no object
- 28000: anything wrong with the request, its signature or its time: nothing is kept
- 55000: the log has no secret or no scheme, or no such log';

CREATE FUNCTION @extschema@.answer_call_handshake(body bytea, headers jsonb, url text DEFAULT NULL,
                                                  log regclass DEFAULT NULL) RETURNS text
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_answer_call_handshake';
REVOKE EXECUTE ON FUNCTION @extschema@.answer_call_handshake(bytea, jsonb, text, regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('ingest', 'answer_call_handshake');

COMMENT ON FUNCTION @extschema@.answer_call_handshake(bytea, jsonb, text, regclass) IS
'Returns the text that a provider expects as the answer to its handshake, before it sends events.
NULL: the request is no handshake. The arguments are those of ingest_call_webhook. An answer
with an HMAC uses the newest secret.
Errors:
- 22004: body or headers are NULL
- 28000: the token is missing, too long, or has letters that it must not have
- 55000: the log has no secret or no scheme, or no such log';

CREATE FUNCTION @extschema@.check_call_signature(body bytea, headers jsonb, secret bytea, signature jsonb,
                                                 url text DEFAULT NULL,
                                                 received_at timestamptz DEFAULT pg_catalog.clock_timestamp())
    RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_check_call_signature';

COMMENT ON FUNCTION @extschema@.check_call_signature(bytea, jsonb, bytea, jsonb, text, timestamptz) IS
'Checks the signature of a webhook without a log, for trying a scheme of one''s own. Returns NULL
if it is valid, else the reason.
- secret: as set_call_event_secret takes it
- signature: a document like those of call_signature_scheme
- received_at: the time to compare with
Errors:
- 0A000: Ed25519 on a server without OpenSSL
- 22004: an argument but url is NULL
- 22023: a mistake in the document, or headers are no object
- 54000: a document above 16 kB';
