
-- explain --------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.explain_call_payload(payload jsonb, policy jsonb DEFAULT NULL)
    RETURNS TABLE (path text, action text, reason text, bytes_in int, bytes_out int)
    LANGUAGE c STABLE PARALLEL SAFE ROWS 50
    AS 'MODULE_PATHNAME', 'callhardening_explain_call_payload';

COMMENT ON FUNCTION @extschema@.explain_call_payload(jsonb, jsonb) IS
'what sanitize_call_payload(payload, policy) does, one row for each value except opened containers, in the order of '
'jsonb, without what was removed. path: names as they come out, joined by dots, items as [0], the root as an empty '
'text, all beyond a limit as labels[20..] or data.*; JSON opened in a string goes on in its path. action: kept, or '
'all of dropped, replaced, masked, hashed, summarized, truncated, shed that were done. reason: rules[27] with its '
'path, no rule, detectors.phone, .email, .card, limits.depth, .members, .items, .characters, budget.max_bytes, empty, '
'secret name, secret (in a text), link, no key, number above 40 bytes, JSON in 16 strings, unsettled text, same name, '
'record; a changed member''s name has a row of its own, with name: before the reason. bytes_in, bytes_out: of the '
'value as text; 0 if nothing came out. No rows for a NULL payload; policy NULL: the policy default. Errors: as '
'sanitize_call_payload';
