
-- direction ------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.normalize_call_direction(direction text, provider text DEFAULT NULL) RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_normalize_call_direction';

COMMENT ON FUNCTION @extschema@.normalize_call_direction(text, text) IS
'Returns the direction of a provider''s word: inbound or outbound. Case, white space, - and _ make
no difference. Returns NULL for NULL, for an empty word, and for a word without a direction at
the provider, such as a transfer. For any other word returns NULL with the warning "Unknown call
direction". Never fails.
- provider: as in "dialpad" or "zoom_phone"; NULL: the general meaning of the word; an unknown
  provider: the same, with the warning "Unknown call provider" and the nearest name';
