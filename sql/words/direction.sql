
-- direction ------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.normalize_call_direction(direction text, provider text DEFAULT NULL) RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_normalize_call_direction';

COMMENT ON FUNCTION @extschema@.normalize_call_direction(text, text) IS
'the direction of a call provider''s word: inbound or outbound. Case, white space, - and _ make no difference. NULL '
'for NULL, for an empty word and for a word without a direction as the provider uses it (a transfer). Any other word: '
'NULL with the warning "Unknown call direction". provider: as in "dialpad" or "zoom_phone"; NULL: the general meaning '
'of the word. An unknown provider: the same, with the warning "Unknown call provider" and the nearest name. Never '
'fails';
