
-- the shapes of bodies --------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_event_shape(provider text) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_event_shape';

COMMENT ON FUNCTION @extschema@.call_event_shape(text) IS
'the document that says where the bodies of a call provider have each value. It is the one that event logs of this '
'provider use. NULL for NULL, and for a provider whose events cannot be read (call_providers). Error 22023 for an '
'unknown provider, with the nearest name in the hint';

CREATE FUNCTION @extschema@.explain_call_event(body text, provider text DEFAULT NULL, shape jsonb DEFAULT NULL,
        log regclass DEFAULT NULL)
    RETURNS TABLE (field text, path text, value text, outcome text)
    LANGUAGE c STABLE ROWS 50
    AS 'MODULE_PATHNAME', 'callhardening_explain_call_event';

COMMENT ON FUNCTION @extschema@.explain_call_event(text, text, jsonb, regclass) IS
'what an event log finds in a body, by the shape of a provider, or by the shape that is given, and what the event '
'would do. A row for each form up to the one that fits, for each candidate of a field up to the one with a value, '
'and for the status and the direction that the words have at the provider. Then a row for the event, and one for '
'each changed column of its call. path: NULL for a constant. log: its shape, its provider and its calls table count, '
'with the row of the call as it is; NULL: the call has no row, and its table any column. Nothing is written. No rows '
'for a NULL body. Errors: 22P02 a body that is no JSON; 22023 an unknown provider, one without a shape, none of '
'provider, shape and log, a malformed shape, with the place of the mistake; 42501 no SELECT on the calls table; '
'55000 no event log, or its calls table takes no event; 54000 a shape above 64 kB; 53200 no memory';
