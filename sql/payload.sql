
-- payload --------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.sanitize_call_payload(payload jsonb) RETURNS jsonb
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_sanitize_call_payload';

COMMENT ON FUNCTION @extschema@.sanitize_call_payload(jsonb) IS
'a webhook body made small and free of secrets, by the policy default (see call_payload_policy). Credentials always go, whatever a policy says; null and empty members go; what was done is told by the member _sanitized, which is absent where nothing was: {"n": [dropped, masked, truncated, shed], "p": "version:hash of the policy"}. Sanitizing twice changes nothing. NULL for NULL; fails only for lack of memory (53200)';

CREATE FUNCTION @extschema@.sanitize_call_payload(payload text) RETURNS jsonb
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_sanitize_call_payload_text';

COMMENT ON FUNCTION @extschema@.sanitize_call_payload(text) IS
'the same from a webhook body as it came, parsed once: equal to sanitize_call_payload(payload::jsonb), and faster, since what is dropped is never built. NULL for NULL; what is no jsonb raises what payload::jsonb does (22P02, 22P05, 22003, 54000, 54001, ...)';

CREATE FUNCTION @extschema@.call_payload_policy(name text DEFAULT 'default') RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_payload_policy';

COMMENT ON FUNCTION @extschema@.call_payload_policy(text) IS
'the document of a built-in policy, as the sanitizer uses it. NULL for NULL; a name that is none: error 22023, with the names in the hint';
