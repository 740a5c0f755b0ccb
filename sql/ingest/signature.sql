
-- signed bodies --------------------------------------------------------------------------------

-- Not among what pg_dump takes along with the extension: a reader of the dump could sign. That a log takes signed
-- bodies only is dumped, in call_event_logs.
CREATE TABLE _callhardening.event_secrets (
    secret_number bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT event_secrets_pkey PRIMARY KEY,
    log_id int NOT NULL REFERENCES _callhardening.logs ON DELETE CASCADE,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
REVOKE ALL ON _callhardening.event_secrets FROM PUBLIC;

COMMENT ON TABLE _callhardening.event_secrets IS
'what the bodies of a log are signed with, for the owner only; pg_dump leaves it out';
COMMENT ON COLUMN _callhardening.event_secrets.secret_number IS 'the two highest ones of a log are valid';
COMMENT ON COLUMN _callhardening.event_secrets.secret IS 'what the provider was given, byte for byte';

CREATE FUNCTION @extschema@.set_call_event_secret(log regclass, secret bytea) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_set_call_event_secret';
REVOKE EXECUTE ON FUNCTION @extschema@.set_call_event_secret(regclass, bytea) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'set_call_event_secret');

COMMENT ON FUNCTION @extschema@.set_call_event_secret(regclass, bytea) IS
'sets what the bodies of an event log are signed with: from now on it takes signed bodies only '
'(ingest_signed_call_event). The secret before stays valid beside the new one, until the new one is set once more. '
'log: NULL is the default log. secret: the bytes given to the provider, 8 to 1024; NULL removes all of the log''s: it '
'takes unsigned bodies again. For the owner of the log''s table. Errors: 42501 another role, 22023 another length, or '
'a key in PEM or of SSH, 55000 no such log, 42P08 several logs, none is the default and none is named; a warning '
'below 32 bytes';

CREATE FUNCTION @extschema@.ingest_signed_call_event(body text, log regclass DEFAULT NULL, carry jsonb DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ingest_signed_call_event';
REVOKE EXECUTE ON FUNCTION @extschema@.ingest_signed_call_event(text, regclass, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('ingest', 'ingest_signed_call_event');

COMMENT ON FUNCTION @extschema@.ingest_signed_call_event(text, regclass, jsonb) IS
'checks a webhook body in the form of a compact JWS with HS256, and appends its claims to an event log as '
'ingest_call_event does with an unsigned body; returns the event''s sequence number. log: NULL is the default log. '
'carry: as ingest_call_event has it. Errors: 28000 anything wrong with header, encoding or signature: nothing is '
'kept, 22004 body is NULL, 55000 the log has no secret, or no such log; and those of ingest_call_event';
