
-- status ---------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.normalize_call_status(status text, provider text DEFAULT NULL) RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_normalize_call_status';

COMMENT ON FUNCTION @extschema@.normalize_call_status(text, text) IS
'the status that a call provider''s word stands for: ringing, active, ended, missed, rejected or voicemail. Blind to '
'case, white space, - and _. NULL for NULL, for an empty word and for a known event that says nothing about the '
'status (a recording, a transcript); NULL with the warning "Unknown call status" for any other. provider: whose word '
'it is, as in "dialpad" or "zoom_phone"; NULL: the meaning that the word has for a live event, as for an unknown '
'one, with the warning "Unknown call provider" and the nearest name. Never fails';
