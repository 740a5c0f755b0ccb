
-- transition -----------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.is_valid_status_transition(current_status text, next_status text,
        transitions jsonb DEFAULT NULL)
    RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_valid_status_transition';

COMMENT ON FUNCTION @extschema@.is_valid_status_transition(text, text, jsonb) IS
'tells if a call may go from current_status to next_status, both spelled as in the graph. true if both are the same, '
'even NULL. true from NULL or from a word outside the graph to any status of the graph. Otherwise false if '
'next_status is NULL or a word outside the graph. transitions: {"status": ["next", ...], ...}; a status used only as '
'a target is terminal. NULL: the graph of call_status_transitions(). Never NULL. Error 22023 with the location of the '
'mistake if transitions is no such graph (at most 64 statuses of 63 bytes)';

CREATE FUNCTION @extschema@.call_status_transitions(transitions jsonb DEFAULT NULL)
    RETURNS TABLE (current_status text, next_status text)
    LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 10
    AS 'MODULE_PATHNAME', 'callhardening_call_status_transitions';

COMMENT ON FUNCTION @extschema@.call_status_transitions(jsonb) IS
'the edges of a graph of statuses, one row each. A terminal status is never a current_status. transitions: {"status": '
'["next", ...], ...}; NULL: the graph of a call. Error 22023 with the location of the mistake if transitions is no '
'such graph (at most 64 statuses of 63 bytes)';
