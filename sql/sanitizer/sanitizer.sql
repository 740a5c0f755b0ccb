
-- payload --------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.sanitize_call_payload(payload jsonb, policy jsonb DEFAULT NULL) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_sanitize_call_payload';

COMMENT ON FUNCTION @extschema@.sanitize_call_payload(jsonb, jsonb) IS
'a webhook body made small and free of secrets. policy: what is kept, dropped, masked and limited, in the language of '
'call_payload_policy; NULL: the policy default. Credentials always go, under any policy; null and empty members go; '
'what was done is told by the member _sanitized. It is absent if nothing was, only empty members went, or a few masks '
'saved less than it takes: "dropped,masked,truncated,shed policy", four counts up to 99 and version:hash of the '
'policy. Sanitizing twice changes nothing. NULL for a NULL payload. Errors: 22023 a malformed policy, with the place '
'of the mistake, 54000 one above 256 kB, 53200 no memory';

CREATE FUNCTION @extschema@.sanitize_call_payload(payload text, policy jsonb DEFAULT NULL) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_sanitize_call_payload_text';

COMMENT ON FUNCTION @extschema@.sanitize_call_payload(text, jsonb) IS
'the same from a webhook body as it came, parsed once: equal to sanitize_call_payload(payload::jsonb, policy), and '
'faster, since what is dropped is never built. NULL for a NULL payload; what is no jsonb raises the SQLSTATE of '
'payload::jsonb (22P02, 22P05, 22003, 54000, 54001, ...), and the message quotes nothing';

CREATE FUNCTION @extschema@.call_payload_policy(name text DEFAULT 'default') RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_payload_policy';

COMMENT ON FUNCTION @extschema@.call_payload_policy(text) IS
'the document of a built-in policy, as the sanitizer uses it: default, size_only (bulk goes, nothing else) or strict '
'(ids, states and times stay, of all else type and size). NULL for NULL; an unknown name: error 22023, with the names '
'in the hint';
