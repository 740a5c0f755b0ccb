
-- the shapes of bodies --------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_event_shape(provider text) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_event_shape';

COMMENT ON FUNCTION @extschema@.call_event_shape(text) IS
'Returns the document that says where the bodies of a provider have each value. The event logs of
this provider use it. Returns NULL for NULL, and for a provider whose events cannot be read
(call_providers).
Errors:
- 22023: the provider is unknown; HINT has the nearest name';

CREATE FUNCTION @extschema@.explain_call_event(body text, provider text DEFAULT NULL, shape jsonb DEFAULT NULL,
        log regclass DEFAULT NULL)
    RETURNS TABLE (field text, path text, value text, outcome text)
    LANGUAGE c STABLE ROWS 50
    AS 'MODULE_PATHNAME', 'callhardening_explain_call_event';

COMMENT ON FUNCTION @extschema@.explain_call_event(text, text, jsonb, regclass) IS
'Shows which value an event log finds where in a body, what the words mean, and what the event
would do. Nothing is written. A row for each form up to the one that fits, and for each
candidate of a field up to the one with a value. Then a row for the status and the direction
that the words have at the provider, one for the event, and one for each changed column of its
call. No rows for a NULL body. Give a provider, a shape or a log.
- log: its shape, its provider and its calls table count, with the row of the call as it is;
  NULL: the call has no row, and its table any column
- path: NULL for a constant
Errors:
- 22023: an unknown provider, one without a shape, none of provider, shape and log, or a
  malformed shape, with the place of the mistake
- 22P02: the body is no JSON
- 42501: no SELECT on the calls table
- 53200: no memory
- 54000: a shape above 64 kB
- 55000: it is no event log, or its calls table takes no event';
