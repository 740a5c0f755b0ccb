
-- status ---------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.normalize_call_status(status text, provider text DEFAULT NULL) RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_normalize_call_status';

COMMENT ON FUNCTION @extschema@.normalize_call_status(text, text) IS
'the status of a call provider''s word: ringing, active, ended, missed, rejected or voicemail. Case, white space, - '
'and _ make no difference. NULL for NULL, for an empty word and for a known event without a status (a recording or a '
'transcript). Any other word: NULL with the warning "Unknown call status". provider: as in "dialpad" or "zoom_phone"; '
'NULL: the meaning of the word for a live event. An unknown provider: the same, with the warning "Unknown call '
'provider" and the nearest name. Never fails';
