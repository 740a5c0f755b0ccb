
-- transition -----------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.is_valid_status_transition(current_status text, next_status text,
        transitions jsonb DEFAULT NULL)
    RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_valid_status_transition';

COMMENT ON FUNCTION @extschema@.is_valid_status_transition(text, text, jsonb) IS
'whether a call may go from current_status to next_status, both as written in the graph. true for the same status '
'again, NULL included, and for any status of the graph if the current one is NULL or no word of the graph; false if '
'the next one is NULL or no word of the graph. transitions: {"status": ["next", ...], ...}, a status used only as a '
'target is terminal; NULL: the graph of call_status_transitions(). Never NULL. Error 22023 with the place of the '
'mistake if transitions is no such graph (at most 64 statuses of 63 bytes)';

CREATE FUNCTION @extschema@.call_status_transitions(transitions jsonb DEFAULT NULL)
    RETURNS TABLE (current_status text, next_status text)
    LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 10
    AS 'MODULE_PATHNAME', 'callhardening_call_status_transitions';

COMMENT ON FUNCTION @extschema@.call_status_transitions(jsonb) IS
'the edges of a graph of statuses, one row each; a terminal status is never a current_status. transitions: {"status": '
'["next", ...], ...}; NULL: the graph of a call. Error 22023 with the place of the mistake if transitions is no such '
'graph (at most 64 statuses of 63 bytes)';
