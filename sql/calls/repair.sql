
-- repair ---------------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.fault_bits() RETURNS TABLE (check_name text, mask int)
    LANGUAGE c IMMUTABLE ROWS 9
    AS 'MODULE_PATHNAME', 'callhardening_fault_bits';

COMMENT ON FUNCTION _callhardening.fault_bits() IS
'the bits in which faults of a row of calls are told, by the names of the checks of audit_calls';

CREATE FUNCTION _callhardening.row_faults(status text, direction text, payload jsonb, transitions jsonb,
        provider text, policy jsonb)
    RETURNS int
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_row_faults';

COMMENT ON FUNCTION _callhardening.row_faults(text, text, jsonb, jsonb, text, jsonb) IS
'what is wrong with a row of calls, in the bits of fault_bits. Those of stuck calls only mean a ringing or open call. '
'In silence: the functions to normalize words warn. transitions, provider and policy as in harden_calls. Never NULL. '
'Errors: 22023 malformed graph or policy, 42501 a policy with hash and no right to call_pseudonym';

CREATE FUNCTION _callhardening.repaired_row(INOUT status text, INOUT direction text, INOUT payload jsonb,
        calls regclass)
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_repaired_row';

COMMENT ON FUNCTION _callhardening.repaired_row(text, text, jsonb, regclass) IS
'what a row of calls should say: a member is NULL if the column is to stay as it is, and all of it is NULL if nothing '
'can be repaired. Unknown words stay. calls: the hardened table with the rules. Errors: 22004 calls is NULL, 42501 '
'not the owner of calls, 55000 it is not hardened';

CREATE FUNCTION _callhardening.row_sample(call_id text, word text) RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_row_sample';

COMMENT ON FUNCTION _callhardening.row_sample(text, text) IS
'a call and a word of it as they may be shown to anybody: 5: completed, and in parentheses the length if it does not '
'look like a word (at most 40 letters, digits, spaces, ., _ and -). The call alone if word is NULL. Never NULL';
