
-- provider -------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.is_known_call_provider(provider text) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_known_call_provider';

COMMENT ON FUNCTION @extschema@.is_known_call_provider(text) IS
'Tells if callhardening knows the words of a call provider, as in "dialpad" or "zoom_phone".
Case, white space, - and _ make no difference. Returns NULL for NULL. Never fails.';

CREATE FUNCTION @extschema@.call_providers() RETURNS TABLE (provider text, words boolean, shape boolean,
    signature boolean, id_type text)
    LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 50
    AS 'MODULE_PATHNAME', 'callhardening_call_providers';

COMMENT ON FUNCTION @extschema@.call_providers() IS
'Lists the call providers by name, and what is known of each.
- words: the meaning of its words for directions and statuses (normalize_call_status)
- shape: the place of each value in its events: a log can be of this provider
  (register_call_event_log)
- signature: the way it signs its bodies (ingest_call_webhook)
- id_type: the type of the key in its calls table (create_call_tables): bigint if its ids are
  documented as such numbers, else text';

CREATE FUNCTION _callhardening.known_provider(provider text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_known_provider';

COMMENT ON FUNCTION _callhardening.known_provider(text) IS
'the provider as call_providers() spells it. NULL for NULL, and for a provider of which the vocabulary has no words';

CREATE FUNCTION _callhardening.has_event_shape(provider text) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_has_event_shape';

COMMENT ON FUNCTION _callhardening.has_event_shape(text) IS
'whether events of this call provider can be read. NULL for NULL';

CREATE FUNCTION _callhardening.nearest_provider(name text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_nearest_provider';

COMMENT ON FUNCTION _callhardening.nearest_provider(text) IS
'the call provider that a name was probably meant to be: few letters differ, or one is a part of the other. NULL for '
'NULL and where none is near';

CREATE FUNCTION _callhardening.suggest_provider(name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce('Did you mean "' || _callhardening.nearest_provider(name) || '"?',
    'call_providers() lists the providers.')
$$;

COMMENT ON FUNCTION _callhardening.suggest_provider(text) IS
'a hint for an unknown provider: the nearest name, or how to list them';

CREATE FUNCTION _callhardening.require_known_provider(provider text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF provider <> '*' AND NOT @extschema@.is_known_call_provider(provider) THEN
        PERFORM _callhardening.raise_error('22023', format('unknown call provider "%s"', provider),
            hint => concat_ws(' ', _callhardening.suggest_provider(provider),
                'Give an empty string to use the general meaning of words.'));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_known_provider(text) IS
'refuses (22023) a provider of which the vocabulary has no words. NULL: none is given. *: several providers';

CREATE FUNCTION _callhardening.require_event_shape(shape jsonb) RETURNS void
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_require_event_shape';

COMMENT ON FUNCTION _callhardening.require_event_shape(jsonb) IS
'refuses a document that is no shape: 22023 with the place of the mistake, 54000 more than 64 kB. NULL: none is given';

CREATE FUNCTION _callhardening.require_readable_events(provider text, shape jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF shape IS NULL THEN
        PERFORM _callhardening.require_readable_provider(provider);
        RETURN;
    END IF;
    PERFORM _callhardening.require_event_shape(shape);
    -- In a calls table of several providers, the name is a part of each key.
    IF NOT @extschema@.is_known_call_provider(provider) AND provider !~ '^[a-z0-9_]{1,63}$' THEN
        PERFORM _callhardening.raise_error('22023', format('invalid call provider "%s"', provider),
            detail => 'A name of your own has 1 to 63 characters: a to z, 0 to 9 and _.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_readable_events(text, jsonb) IS
'refuses what a log cannot read: a document that is no shape, or, without a document, a provider without a shape. With '
'a shape, any name of a to z, 0 to 9 and _ will do';

CREATE FUNCTION _callhardening.report_unknown_provider(provider text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT @extschema@.is_known_call_provider(provider)
            AND _callhardening.nearest_provider(provider) IS NOT NULL THEN
        PERFORM _callhardening.report('NOTICE', format('unknown call provider "%s"', provider),
            detail => 'Words have the same meaning as without a provider.',
            hint => _callhardening.suggest_provider(provider));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.report_unknown_provider(text) IS
'a NOTICE for an unknown provider with a name near that of a known one';

CREATE FUNCTION _callhardening.require_readable_provider(provider text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT _callhardening.has_event_shape(provider) THEN
        PERFORM _callhardening.raise_error('22023', format('events of call provider "%s" cannot be read', provider),
            hint => CASE WHEN @extschema@.is_known_call_provider(provider)
                THEN 'call_providers() lists the providers with a shape. For another provider, give its shape.'
                ELSE _callhardening.suggest_provider(provider) || ' For another provider, give its shape.' END);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_readable_provider(text) IS
'refuses (22023) a provider whose events cannot be read. NULL: none is given';
