
-- status ---------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.normalize_call_status(status text, provider text DEFAULT NULL) RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_normalize_call_status';

COMMENT ON FUNCTION @extschema@.normalize_call_status(text, text) IS
'Returns the status of a provider''s word: ringing, active, ended, missed, rejected or voicemail.
Case, white space, - and _ make no difference. Returns NULL for NULL, for an empty word, and for
a known event without a status, such as a recording or a transcript. For any other word returns
NULL with the warning "Unknown call status". Never fails.
- provider: as in "dialpad" or "zoom_phone"; NULL: the general meaning of the word in a live
  event; an unknown provider: the same, with the warning "Unknown call provider" and the nearest
  name';
