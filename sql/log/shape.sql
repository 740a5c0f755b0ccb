
-- the shapes of bodies --------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_event_shape(provider text) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_event_shape';

COMMENT ON FUNCTION @extschema@.call_event_shape(text) IS
'the document that says where the bodies of a call provider have each value. It is the one that event logs of this '
'provider use. NULL for NULL, and for a provider whose events cannot be read (call_providers). Error 22023 for an '
'unknown provider, with the nearest name in the hint';

CREATE FUNCTION @extschema@.explain_call_event(body text, provider text DEFAULT NULL, shape jsonb DEFAULT NULL)
    RETURNS TABLE (field text, path text, value text, outcome text)
    LANGUAGE c STABLE PARALLEL SAFE ROWS 50
    AS 'MODULE_PATHNAME', 'callhardening_explain_call_event';

COMMENT ON FUNCTION @extschema@.explain_call_event(text, text, jsonb) IS
'what an event log finds in a body, by the shape of a provider, or by the shape that is given. A row for each form up '
'to the one that fits, for each candidate of a field up to the one with a value, and for the status and the direction '
'that the words have at the provider. path: NULL for a constant. No rows for a NULL body. Errors: 22P02 a body that '
'is no JSON; 22023 an unknown provider, one without a shape, neither provider nor shape, a malformed shape, with the '
'place of the mistake; 54000 a shape above 64 kB; 53200 no memory';
