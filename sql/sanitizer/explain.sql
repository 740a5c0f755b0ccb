
-- explain --------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.explain_call_payload(payload jsonb, policy jsonb DEFAULT NULL)
    RETURNS TABLE (path text, action text, reason text, bytes_in int, bytes_out int)
    LANGUAGE c STABLE PARALLEL SAFE ROWS 50
    AS 'MODULE_PATHNAME', 'callhardening_explain_call_payload';

COMMENT ON FUNCTION @extschema@.explain_call_payload(jsonb, jsonb) IS
'Shows what a policy does to a payload, value by value: it explains
sanitize_call_payload(payload, policy). One row for each value except opened containers, in the
order of jsonb. It never shows removed values. Values inside a removed one have no row. No rows
for a NULL payload.
- policy: NULL is the policy default
- path: the names in the result, joined by dots; items as [0]; the root as an empty text. All
  values beyond a limit are one row, as labels[20..] or data.*. A path goes on into JSON in a
  string.
- action: kept, or each of dropped, replaced, masked, hashed, summarized, truncated and shed
  that applies
- reason: rules[27] with its path, no rule, detectors.phone, .email, .card, limits.depth,
  .members, .items, .characters, budget.max_bytes, empty, secret name, secret (in a text), link,
  no key, number above 40 bytes, JSON in 16 strings, unsettled text, same name, record. The
  changed name of a member has a row of its own, with name: before the reason.
- bytes_in, bytes_out: of the value as text; 0 if it was removed
Errors:
- those of sanitize_call_payload';
