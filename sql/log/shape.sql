
-- the shapes of bodies --------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_event_shape(provider text) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_event_shape';

COMMENT ON FUNCTION @extschema@.call_event_shape(text) IS
'the document that says where the bodies of a call provider have each value. It is the one that event logs of this '
'provider use. NULL for NULL, and for a provider whose events cannot be read (call_providers). Error 22023 for an '
'unknown provider, with the nearest name in the hint';
