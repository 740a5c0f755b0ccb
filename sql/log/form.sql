
-- form -----------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.decode_call_form(form text) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_decode_call_form';

COMMENT ON FUNCTION @extschema@.decode_call_form(text) IS
'Returns the members of a form (application/x-www-form-urlencoded) as a JSON object: a string for
each name, an array of strings for a name that repeats, an empty string for a name without "=".
An event log keeps a form as a JSON string of its text: decode_call_form(payload #>> ''{}'').
Returns NULL for NULL.
Errors:
- 22023: it is no form, a % has no two digits behind it, a text is no UTF-8 or has a NUL, or it
  has more than 4096 members, 16 MB, or 1024 bytes in a name';
