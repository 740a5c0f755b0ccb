
-- pseudonyms -----------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_pseudonym_key_id(secret bytea) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_pseudonym_key_id';
REVOKE EXECUTE ON FUNCTION @extschema@.call_pseudonym_key_id(bytea) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_pseudonym_key_id(bytea) IS
'Returns the id of a key of pseudonyms: six letters. They are equal on every server with this
key. Returns NULL for NULL.
Errors:
- 22023: secret has not 16 to 64 bytes';

-- Not among what pg_dump takes along with the extension: a reader of a dump would have the key to the pseudonyms. The
-- id is computed and not checked, since the message of a failed CHECK prints the row.
CREATE TABLE _callhardening.pseudonym_keys (
    key_number bigint GENERATED ALWAYS AS IDENTITY,
    key_id text GENERATED ALWAYS AS (@extschema@.call_pseudonym_key_id(secret)) STORED
        CONSTRAINT pseudonym_keys_pkey PRIMARY KEY,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
REVOKE ALL ON _callhardening.pseudonym_keys FROM PUBLIC;

COMMENT ON TABLE _callhardening.pseudonym_keys IS 'keys of pseudonyms, for the owner only; pg_dump leaves them out';
COMMENT ON COLUMN _callhardening.pseudonym_keys.secret IS 'the key: 16 to 64 bytes';

CREATE VIEW @extschema@.call_pseudonym_keys AS SELECT key_number, key_id, created_at FROM _callhardening.pseudonym_keys;
REVOKE ALL ON @extschema@.call_pseudonym_keys FROM PUBLIC;

COMMENT ON VIEW @extschema@.call_pseudonym_keys IS
'The keys of pseudonyms without their secrets. Only the owner of the extension reads it.';
COMMENT ON COLUMN @extschema@.call_pseudonym_keys.created_at IS 'when it was added to this database';
COMMENT ON COLUMN @extschema@.call_pseudonym_keys.key_number IS 'the key with the highest number makes new pseudonyms';
COMMENT ON COLUMN @extschema@.call_pseudonym_keys.key_id IS 'what the key is known by in a pseudonym';

CREATE FUNCTION _callhardening.forget_pseudonym_keys() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'callhardening_forget_pseudonym_keys';
REVOKE EXECUTE ON FUNCTION _callhardening.forget_pseudonym_keys() FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.forget_pseudonym_keys() IS
'trigger function of pseudonym_keys: lets every session read the keys again';

CREATE TRIGGER forget_pseudonym_keys AFTER INSERT OR UPDATE OR DELETE ON _callhardening.pseudonym_keys
    FOR EACH ROW EXECUTE FUNCTION _callhardening.forget_pseudonym_keys();
CREATE TRIGGER forget_all_pseudonym_keys AFTER TRUNCATE ON _callhardening.pseudonym_keys
    FOR EACH STATEMENT EXECUTE FUNCTION _callhardening.forget_pseudonym_keys();
ALTER TABLE _callhardening.pseudonym_keys ENABLE ALWAYS TRIGGER forget_pseudonym_keys;
ALTER TABLE _callhardening.pseudonym_keys ENABLE ALWAYS TRIGGER forget_all_pseudonym_keys;

CREATE FUNCTION @extschema@.add_call_pseudonym_key(secret bytea DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    added text;
BEGIN
    -- 244 bits from the server's strong source of random numbers.
    INSERT INTO _callhardening.pseudonym_keys (secret)
    VALUES (coalesce(add_call_pseudonym_key.secret, sha256(uuid_send(gen_random_uuid())
        || uuid_send(gen_random_uuid()))))
    ON CONFLICT DO NOTHING
    RETURNING key_id INTO added;
    IF added IS NULL THEN
        RAISE duplicate_object USING MESSAGE = format('pseudonym key "%s" exists already',
            @extschema@.call_pseudonym_key_id(secret));
    END IF;
    RETURN added;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.add_call_pseudonym_key(bytea) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.add_call_pseudonym_key(bytea) IS
'Adds a key for new pseudonyms, and returns its id. The pseudonyms of earlier keys stay valid.
- secret: 16 to 64 bytes; NULL: 32 random bytes of the server
Errors:
- 22023: secret has another length
- 42501: the caller is not the owner of the extension
- 42710: the key is known';

CREATE FUNCTION @extschema@.call_pseudonym(value text, key_id text DEFAULT NULL) RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_pseudonym';
REVOKE EXECUTE ON FUNCTION @extschema@.call_pseudonym(text, text) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_pseudonym(text, text) IS
'Returns the pseudonym of a phone number or an address: the token that the action hash of the
sanitizer writes. Equal values have one pseudonym in any spelling. A pseudonym stays as it is.
Returns NULL for NULL. PUBLIC may not call it: numbers can be found by trying.
- key_id: of call_pseudonym_keys; NULL: the newest key
Errors:
- 22023: no key has this id
- 55000: there is no key';

CREATE FUNCTION @extschema@.call_pseudonyms(value text) RETURNS text[]
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_pseudonyms';
REVOKE EXECUTE ON FUNCTION @extschema@.call_pseudonyms(text) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_pseudonyms(text) IS
'Returns the pseudonyms of a value under every key, the newest first. WHERE x = ANY
(call_pseudonyms(...)) also finds values from before a change of keys. Returns NULL for NULL.
PUBLIC may not call it.
Errors:
- 55000: there is no key';
