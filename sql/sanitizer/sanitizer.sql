
-- payload --------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.sanitize_call_payload(payload jsonb, policy jsonb DEFAULT NULL) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_sanitize_call_payload';

COMMENT ON FUNCTION @extschema@.sanitize_call_payload(jsonb, jsonb) IS
'Returns a webhook body without secrets and bulk. Any policy removes credentials. Null and empty
members go too. Sanitizing twice changes nothing. Returns NULL for a NULL payload.

The member _sanitized records the changes: "dropped,masked,truncated,shed policy", with four
counts up to 99 and version:hash of the policy. It is absent if nothing changed, if only empty
members went, or if a few masks saved less than its size.
- policy: the rules to keep, drop, mask and limit values, in the language of
  call_payload_policy; NULL: the policy default
Errors:
- 22023: the policy is malformed; the message has the place of the mistake
- 53200: no memory
- 54000: the policy is above 256 kB';

CREATE FUNCTION @extschema@.sanitize_call_payload(payload text, policy jsonb DEFAULT NULL) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_sanitize_call_payload_text';

COMMENT ON FUNCTION @extschema@.sanitize_call_payload(text, jsonb) IS
'Takes the text of a webhook body, and parses it once. The result equals
sanitize_call_payload(payload::jsonb, policy). It is faster because dropped values are never
built. Invalid jsonb raises the SQLSTATE of payload::jsonb (22P02, 22P05, 22003, 54000, 54001
and others). The message quotes nothing of it.';

CREATE FUNCTION @extschema@.call_payload_policy(name text DEFAULT 'default') RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_payload_policy';

COMMENT ON FUNCTION @extschema@.call_payload_policy(text) IS
'Returns the document of a built-in policy, as the sanitizer uses it. Returns NULL for NULL.
- name: default; size_only: removes only bulk; strict: keeps ids, states and times, and of all
  other values only type and size
Errors:
- 22023: the name is unknown; HINT has the names';
