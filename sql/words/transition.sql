
-- transition -----------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.is_valid_status_transition(current_status text, next_status text,
        transitions jsonb DEFAULT NULL)
    RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_valid_status_transition';

COMMENT ON FUNCTION @extschema@.is_valid_status_transition(text, text, jsonb) IS
'Tells if the graph lets a call go from one status to the next. Both are spelled as in the graph.
True if both are the same, even NULL. True from NULL, or from a word outside the graph, to any
status of the graph. Otherwise false if next_status is NULL or a word outside the graph. Never
NULL.
- transitions: {"status": ["next", ...], ...}; a status that is only a target is terminal; NULL:
  the graph of call_status_transitions
Errors:
- 22023: transitions is no such graph (at most 64 statuses of 63 bytes); DETAIL has the place of
  the mistake';

CREATE FUNCTION @extschema@.call_status_transitions(transitions jsonb DEFAULT NULL)
    RETURNS TABLE (current_status text, next_status text)
    LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 10
    AS 'MODULE_PATHNAME', 'callhardening_call_status_transitions';

COMMENT ON FUNCTION @extschema@.call_status_transitions(jsonb) IS
'Lists the steps of a graph of statuses, one row each. A terminal status is never a
current_status.
- transitions: {"status": ["next", ...], ...}; NULL: the graph of a call
Errors:
- 22023: transitions is no such graph (at most 64 statuses of 63 bytes); DETAIL has the place of
  the mistake';
