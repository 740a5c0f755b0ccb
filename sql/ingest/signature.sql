
-- signed bodies --------------------------------------------------------------------------------

-- Not among what pg_dump takes along with the extension: a reader of the dump could sign. That a log takes signed
-- bodies only is dumped, in call_event_logs.
CREATE TABLE _callhardening.event_secrets (
    log_id int NOT NULL REFERENCES _callhardening.logs ON DELETE CASCADE,
    name name NOT NULL,
    secret bytea NOT NULL,
    is_public boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CONSTRAINT event_secrets_pkey PRIMARY KEY (log_id, name)
);
REVOKE ALL ON _callhardening.event_secrets FROM PUBLIC;

COMMENT ON TABLE _callhardening.event_secrets IS
'what the bodies of a log are signed with, for the owner only; pg_dump leaves it out';
COMMENT ON COLUMN _callhardening.event_secrets.name IS 'chosen by the user; every secret of a log is valid';
COMMENT ON COLUMN _callhardening.event_secrets.secret IS 'what the provider was given or shows, byte for byte';
COMMENT ON COLUMN _callhardening.event_secrets.is_public IS
'a public key of Ed25519: never taken for the secret of another scheme';

CREATE FUNCTION @extschema@.set_call_event_secret(log regclass, secret bytea, name name DEFAULT 'default') RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_set_call_event_secret';
REVOKE EXECUTE ON FUNCTION @extschema@.set_call_event_secret(regclass, bytea, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'set_call_event_secret');

COMMENT ON FUNCTION @extschema@.set_call_event_secret(regclass, bytea, name) IS
'Sets a secret for the signed webhooks of an event log. From now on the log takes signed webhooks
only (ingest_call_webhook, ingest_signed_call_event). A log has up to 8 secrets, one for each
name, and all are valid. For the owner of the log''s table.
- log: NULL is the default log
- secret: 8 to 1024 bytes, as the provider shows them or was given them; for Ed25519 the public
  key in base64; NULL removes the secret of this name, and a log without secrets takes unsigned
  bodies again (NOTICE: there was none). WARNING: below 32 bytes, unless the secret is sent as a
  token.
- name: a new secret replaces the one of the same name
Errors:
- 22004: name is NULL
- 22023: another length, not in the form that the scheme demands, or a key in PEM or of SSH
- 42501: the caller is not the owner of the log''s table
- 42P08: several logs, none is the default and none is named
- 54000: too many names
- 55000: no such log';

CREATE FUNCTION @extschema@.ingest_signed_call_event(body text, log regclass DEFAULT NULL, carry jsonb DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ingest_signed_call_event';
REVOKE EXECUTE ON FUNCTION @extschema@.ingest_signed_call_event(text, regclass, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('ingest', 'ingest_signed_call_event');

COMMENT ON FUNCTION @extschema@.ingest_signed_call_event(text, regclass, jsonb) IS
'Checks a webhook body signed with HS256, a compact JWS, and appends its claims to an event log.
The rest is as in ingest_call_event, also its errors. Returns the event''s sequence number.
- log: NULL is the default log
- carry: as ingest_call_event takes it
Errors:
- 22004: body is NULL
- 28000: anything wrong with header, encoding or signature: nothing is kept
- 55000: the log has no secret, or no such log';
