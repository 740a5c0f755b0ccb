\echo Use "CREATE EXTENSION callhardening" to load this file. \quit

-- The settings of functions would be stored with quotes, and check_call_hardening reads them.
SET LOCAL quote_all_identifiers = off;

-- What the sanitizer writes, and what it takes for a character, is UTF-8.
DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
        RAISE feature_not_supported USING
            MESSAGE = pg_catalog.format('callhardening needs a database in UTF8, not %s',
                pg_catalog.getdatabaseencoding()),
            HINT = 'Create the database with ENCODING ''UTF8'' TEMPLATE template0.';
    END IF;
END
$$;

-- the schemas of the extension -----------------------------------------------------------------
--
-- Users choose the schema of the public objects. The internal ones are in _callhardening. If this schema exists,
-- CREATE EXTENSION fails: the extension would run the code in it.

CREATE SCHEMA _callhardening;
REVOKE ALL ON SCHEMA _callhardening FROM PUBLIC;
COMMENT ON SCHEMA _callhardening IS 'internal tables and functions of the extension callhardening';

-- errors ---------------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.raise_error(code text, message text, detail text DEFAULT NULL, hint text DEFAULT NULL)
    RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_raise_error';

COMMENT ON FUNCTION _callhardening.raise_error(text, text, text, text) IS
'raises an error with this SQLSTATE. Use it in a function of this schema instead of RAISE: CONTEXT then leaves out '
'the functions of this schema, and begins with the function called by the user';

CREATE FUNCTION _callhardening.report(level text, message text, detail text DEFAULT NULL, hint text DEFAULT NULL)
    RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_report';

COMMENT ON FUNCTION _callhardening.report(text, text, text, text) IS
'reports a NOTICE or a WARNING without CONTEXT. Use it in a function of this schema instead of RAISE. Error: 22023 '
'another level';

-- All functions name both schemas. After a rename another role could create a schema with the old name. The functions
-- would then run its code with the rights of their callers.

CREATE FUNCTION _callhardening.keep_call_schema() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- By its oid: it may have another name by now.
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() AS c JOIN pg_extension AS e ON e.extname = 'callhardening'
               WHERE c.classid = 'pg_namespace'::regclass AND (c.objid = e.extnamespace OR EXISTS (
                   SELECT FROM pg_depend AS d WHERE d.classid = c.classid AND d.objid = c.objid
                       AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e')))
    THEN
        RAISE feature_not_supported USING MESSAGE = 'the schema of the extension callhardening cannot be altered',
            DETAIL = 'Functions of the extension find each other and their tables by the name of this schema.',
            HINT = 'Give the schema its name and owner before CREATE EXTENSION.';
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.keep_call_schema() FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.keep_call_schema() IS
'event trigger function: refuses (0A000) to rename a schema of the extension or to give it to another owner';

CREATE EVENT TRIGGER keep_call_schema ON ddl_command_end WHEN TAG IN ('ALTER SCHEMA')
    EXECUTE FUNCTION _callhardening.keep_call_schema();
ALTER EVENT TRIGGER keep_call_schema ENABLE ALWAYS;

-- tasks ----------------------------------------------------------------------------------------
--
-- What a task of grant_call_role needs of the extension stands beside each object, in its file. Objects go by name:
-- pg_upgrade copies the rows and makes functions with other oids. A function in _callhardening that acts with the
-- rights of its caller needs no row and no REVOKE: nobody gets at it without USAGE on the schema, which each task
-- grants.
CREATE TABLE _callhardening.task_grants (
    task text NOT NULL,
    object name NOT NULL,
    privilege text NOT NULL DEFAULT 'EXECUTE',
    except_columns name[]
);
REVOKE ALL ON _callhardening.task_grants FROM PUBLIC;

COMMENT ON TABLE _callhardening.task_grants IS
'what each task of grant_call_role needs on functions, procedures and views of the extension';
COMMENT ON COLUMN _callhardening.task_grants.object IS
'the name of a member of the extension: of functions, all with this name';
COMMENT ON COLUMN _callhardening.task_grants.except_columns IS
'the privilege is on all columns but these; NULL: on the whole';

-- Errors and unknown words can quote a body. Without this right a reader of a view finds NULL in their place, as in
-- pg_stat_activity.
CREATE VIEW _callhardening.quoted_bodies AS SELECT true AS are_shown;
REVOKE ALL ON _callhardening.quoted_bodies FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'quoted_bodies', 'SELECT');

COMMENT ON VIEW _callhardening.quoted_bodies IS
'SELECT on this view is the right to see texts that can quote bodies: errors of events, and unknown words';

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

-- payload --------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.sanitize_call_payload(payload jsonb, policy jsonb DEFAULT NULL) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_sanitize_call_payload';

COMMENT ON FUNCTION @extschema@.sanitize_call_payload(jsonb, jsonb) IS
'Returns a webhook body without secrets and bulk. Any policy removes credentials. Null and empty
members go too. Sanitizing twice changes nothing. Returns NULL for a NULL payload.

The member _sanitized records the changes: "dropped,masked,truncated,shed policy", with four
counts up to 99 and version:hash of the policy. It is absent if nothing changed, if only empty
members went, or if a few masks saved less than its size.
- policy: the rules to keep, drop, mask and limit values, in the language of
  call_payload_policy; NULL: the policy default
Errors:
- 22023: the policy is malformed; the message has the place of the mistake
- 53200: no memory
- 54000: the policy is above 256 kB';

CREATE FUNCTION @extschema@.sanitize_call_payload(payload text, policy jsonb DEFAULT NULL) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_sanitize_call_payload_text';

COMMENT ON FUNCTION @extschema@.sanitize_call_payload(text, jsonb) IS
'Takes the text of a webhook body, and parses it once. The result equals
sanitize_call_payload(payload::jsonb, policy). It is faster because dropped values are never
built. Invalid jsonb raises the SQLSTATE of payload::jsonb (22P02, 22P05, 22003, 54000, 54001
and others). The message quotes nothing of it.';

CREATE FUNCTION @extschema@.call_payload_policy(name text DEFAULT 'default') RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_payload_policy';

COMMENT ON FUNCTION @extschema@.call_payload_policy(text) IS
'Returns the document of a built-in policy, as the sanitizer uses it. Returns NULL for NULL.
- name: default; size_only: removes only bulk; strict: keeps ids, states and times, and of all
  other values only type and size
Errors:
- 22023: the name is unknown; HINT has the names';

-- explain --------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.explain_call_payload(payload jsonb, policy jsonb DEFAULT NULL)
    RETURNS TABLE (path text, action text, reason text, bytes_in int, bytes_out int)
    LANGUAGE c STABLE PARALLEL SAFE ROWS 50
    AS 'MODULE_PATHNAME', 'callhardening_explain_call_payload';

COMMENT ON FUNCTION @extschema@.explain_call_payload(jsonb, jsonb) IS
'Shows what a policy does to a payload, value by value: it explains
sanitize_call_payload(payload, policy). One row for each value except opened containers, in the
order of jsonb. It never shows removed values. Values inside a removed one have no row. No rows
for a NULL payload.
- policy: NULL is the policy default
- path: the names in the result, joined by dots; items as [0]; the root as an empty text. All
  values beyond a limit are one row, as labels[20..] or data.*. A path goes on into JSON in a
  string.
- action: kept, or each of dropped, replaced, masked, hashed, summarized, truncated and shed
  that applies
- reason: rules[27] with its path, no rule, detectors.phone, .email, .card, limits.depth,
  .members, .items, .characters, budget.max_bytes, empty, secret name, secret (in a text), link,
  no key, number above 40 bytes, JSON in 16 strings, unsettled text, same name, record. The
  changed name of a member has a row of its own, with name: before the reason.
- bytes_in, bytes_out: of the value as text; 0 if it was removed
Errors:
- those of sanitize_call_payload';

-- issues ---------------------------------------------------------------------------------------

-- Rows are written by src/pg/calls/issue.cpp, when a transaction commits; the columns count from 1 there.
CREATE TABLE _callhardening.issues (
    happened_at timestamptz NOT NULL,
    kind text NOT NULL,
    table_name text NOT NULL,
    call_id text,
    old_value text,
    new_value text,
    event_seq bigint,
    occurrences bigint NOT NULL,
    detail text,
    role_name text,
    application_name text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX idx_issues_happened_at ON _callhardening.issues (happened_at);
-- There is no key that a publication FOR ALL TABLES could send its deletions with.
ALTER TABLE _callhardening.issues REPLICA IDENTITY FULL;
REVOKE ALL ON _callhardening.issues FROM PUBLIC;

COMMENT ON TABLE _callhardening.issues IS 'what call_issues shows';

-- A status of the default graph quotes nothing.
CREATE VIEW @extschema@.call_issues AS
SELECT i.happened_at, i.kind, i.table_name, i.call_id,
    CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
            OR @extschema@.is_valid_status_transition(NULL::text, i.old_value, NULL::jsonb)
        THEN i.old_value END AS old_value,
    CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
            OR @extschema@.is_valid_status_transition(NULL::text, i.new_value, NULL::jsonb)
        THEN i.new_value END AS new_value,
    i.event_seq, i.occurrences, i.detail, i.role_name, i.application_name
FROM _callhardening.issues i;
REVOKE ALL ON @extschema@.call_issues FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_issues', 'SELECT'), ('monitor', 'call_issues', 'SELECT');

COMMENT ON VIEW @extschema@.call_issues IS
'What was refused or not understood in committed transactions: what, which call, when, by whom.
Dead events are in it too. A transaction leaves the first 100 of one kind and table, and how
many more there were. Bodies are in the event log and nowhere else. It keeps some 200,000 rows
(40 MB): then each new one takes the oldest away. Not dumped.';
COMMENT ON COLUMN @extschema@.call_issues.happened_at IS 'when the transaction noticed it';
COMMENT ON COLUMN @extschema@.call_issues.detail IS
'what else is known, such as the consumer of a dead event; NULL: nothing';
COMMENT ON COLUMN @extschema@.call_issues.kind IS
'refused_status, refused_call_id, refined_status (process_call_events replaced ended), unknown_status, '
'unknown_direction: of a calls table; unparsable_body, body_without_call, dead_event: of an event log';
COMMENT ON COLUMN @extschema@.call_issues.table_name IS
'the calls table or event log, as it was called then; a partitioned table for each of its partitions';
COMMENT ON COLUMN @extschema@.call_issues.call_id IS
'like old_value and new_value: at most 40 letters, digits, spaces, ., _ and -; of anything else the length, in '
'brackets';
COMMENT ON COLUMN @extschema@.call_issues.old_value IS
'what the row had before. NULL also: the reader has only the task monitor, and it is no status of the default graph';
COMMENT ON COLUMN @extschema@.call_issues.new_value IS
'the refused value, or the unknown word. NULL also: as in old_value';
COMMENT ON COLUMN @extschema@.call_issues.event_seq IS 'the event behind it, in its log; NULL: a statement';
COMMENT ON COLUMN @extschema@.call_issues.occurrences IS '1; or of how many more the row is all there is';
COMMENT ON COLUMN @extschema@.call_issues.application_name IS
'of the session; of a worker inside the server that has none, as those of subscriptions, the worker''s name';
COMMENT ON COLUMN @extschema@.call_issues.role_name IS
'the role of the session: the login role, or the role of SET ROLE';

CREATE FUNCTION _callhardening.note_event_without_lane(log regclass, event_seq bigint, lane int, call_id text)
    RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_note_event_without_lane';
REVOKE EXECUTE ON FUNCTION _callhardening.note_event_without_lane(regclass, bigint, int, text) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.note_event_without_lane(regclass, bigint, int, text) IS
'writes an event no worker can take to call_issues, for bury_call_event. log, event_seq and lane must not be NULL';

CREATE FUNCTION @extschema@.purge_call_issues(older_than interval, max_issues int DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    purged bigint;
BEGIN
    IF older_than IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'older_than must not be null';
    END IF;
    IF older_than < '0'::interval THEN
        RAISE invalid_parameter_value USING MESSAGE = 'older_than must not be negative';
    END IF;
    IF max_issues IS NULL OR max_issues NOT BETWEEN 1 AND 100000 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'max_issues must be between 1 and 100000';
    END IF;
    DELETE FROM _callhardening.issues WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM _callhardening.issues WHERE happened_at < clock_timestamp() - older_than
        ORDER BY happened_at LIMIT max_issues FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.purge_call_issues(interval, int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'purge_call_issues');

COMMENT ON FUNCTION @extschema@.purge_call_issues(interval, int) IS
'Deletes old rows of call_issues, the oldest first, and returns how many. The caller needs no
right on the table.
- older_than: by happened_at
- max_issues: at most so many rows, 1 to 100000
Errors:
- 22004: older_than is NULL
- 22008: older_than goes back beyond all times
- 22023: older_than is negative, or max_issues out of range
- 25006: on a standby, or in a read-only transaction';

-- the rights of a table's owner ----------------------------------------------------------------
--
-- An administrator looks after the tables of others. What their owners have written (functions of a domain's CHECK,
-- of an index, a trigger, a policy) never runs with the administrator's rights: src/pg/base/owner_rights.cpp.

CREATE FUNCTION _callhardening.query_as_owner(owned regclass, statement text, arguments text[]) RETURNS SETOF record
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_query_as_owner';
REVOKE EXECUTE ON FUNCTION _callhardening.query_as_owner(regclass, text, text[]) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'query_as_owner');

COMMENT ON FUNCTION _callhardening.query_as_owner(regclass, text, text[]) IS
'runs one statement with the rights of the owner of a table, and returns its rows. Names are found in pg_catalog '
'alone, and rights are checked as the caller before. If the caller is another role than the owner, the statement runs '
'in a security-restricted operation. $1 in the statement is arguments. Errors: 22004 owned or statement is NULL, '
'42501 the caller has not the rights of the owner, or row-level security hides rows from him';

CREATE FUNCTION _callhardening.write_as_owner(owned regclass, statement text, arguments text[]) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_write_as_owner';
REVOKE EXECUTE ON FUNCTION _callhardening.write_as_owner(regclass, text, text[]) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'write_as_owner');

COMMENT ON FUNCTION _callhardening.write_as_owner(regclass, text, text[]) IS
'as query_as_owner, for a statement that returns nothing: returns the number of rows it wrote';

CREATE FUNCTION _callhardening.held_word(calls regclass, column_name name, word text) RETURNS text
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_held_word';
REVOKE EXECUTE ON FUNCTION _callhardening.held_word(regclass, name, text) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'held_word'), ('operate', 'held_word');

COMMENT ON FUNCTION _callhardening.held_word(regclass, name, text) IS
'what a column would show of a word written to it. The type''s own checks run with the rights of the table''s owner. '
'NULL for NULL, if the type takes NULL. Errors: 22004 calls or column_name is NULL, 42501 no SELECT on the column, '
'55000 no such column, and those of the type: 22001, 22P02, 23502, 23514';

-- harden ---------------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.validate_hardened_call() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_validate_hardened_call';
REVOKE EXECUTE ON FUNCTION _callhardening.validate_hardened_call() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'validate_hardened_call');

COMMENT ON FUNCTION _callhardening.validate_hardened_call() IS
'the BEFORE INSERT OR UPDATE row trigger of a hardened table: normalizes direction and status, sanitizes the payload, '
'applies the graph. Created by harden_calls. Errors: 23514 refused in mode reject, 55000 a column of the settings is '
'gone';

CREATE FUNCTION _callhardening.refuse_illegal_call() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_refuse_illegal_call';
REVOKE EXECUTE ON FUNCTION _callhardening.refuse_illegal_call() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'refuse_illegal_call');

COMMENT ON FUNCTION _callhardening.refuse_illegal_call() IS
'the AFTER row trigger of a hardened table, fired only for a row made invalid by a later BEFORE trigger. Created by '
'harden_calls. It reads the settings of the BEFORE trigger, also if it is disabled. Errors: 23514, always; 55000 the '
'BEFORE trigger or a column of the settings is gone';

-- The conditions of the AFTER triggers. \d shows them, so they are short: only a graph of the table's own is passed.
CREATE FUNCTION _callhardening.is_invalid_insert(status text, direction text) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_invalid_insert';
CREATE FUNCTION _callhardening.is_invalid_insert(status text, direction text, transitions jsonb) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_invalid_insert';

COMMENT ON FUNCTION _callhardening.is_invalid_insert(text, text) IS
'whether a new call breaks the rules of the default graph or has an unknown direction';
COMMENT ON FUNCTION _callhardening.is_invalid_insert(text, text, jsonb) IS
'whether a new call breaks the rules of this graph or has an unknown direction. Error: 22023 malformed graph';

CREATE FUNCTION _callhardening.is_invalid_update(old_status text, new_status text, old_direction text,
        new_direction text)
    RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_invalid_update';
CREATE FUNCTION _callhardening.is_invalid_update(old_status text, new_status text, old_direction text,
        new_direction text, transitions jsonb)
    RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_is_invalid_update';

COMMENT ON FUNCTION _callhardening.is_invalid_update(text, text, text, text) IS
'whether a changed call breaks the rules of the default graph, or its new direction is unknown or was lost';
COMMENT ON FUNCTION _callhardening.is_invalid_update(text, text, text, text, jsonb) IS
'whether a changed call breaks the rules of this graph, or its new direction is unknown or was lost. Error: 22023 '
'malformed graph';

CREATE FUNCTION @extschema@.call_settings(calls regclass, OUT call_id_column name, OUT status_column name,
        OUT direction_column name, OUT payload_column name, OUT on_invalid text, OUT transitions jsonb,
        OUT provider text, OUT policy jsonb)
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_call_settings';
REVOKE EXECUTE ON FUNCTION @extschema@.call_settings(regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'call_settings'),
    ('operate', 'call_settings'),
    ('monitor', 'call_settings'),
    ('read', 'call_settings');

COMMENT ON FUNCTION @extschema@.call_settings(regclass) IS
'Returns the settings of a hardened table. All are NULL if it is not hardened. transitions,
provider and policy are NULL if none were given.';

CREATE TYPE _callhardening.settings AS (
    call_id_column name, status_column name, direction_column name, payload_column name,
    on_invalid text, transitions jsonb, provider text, policy jsonb);

COMMENT ON TYPE _callhardening.settings IS
'the settings of a hardened table, in the order of call_settings and of the BEFORE trigger''s arguments';

CREATE FUNCTION _callhardening.trigger_settings(calls regclass) RETURNS text[]
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_trigger_settings';

COMMENT ON FUNCTION _callhardening.trigger_settings(regclass) IS
'the eight settings of a hardened table as its BEFORE trigger has them: call id, status, direction and payload '
'column, on_invalid, transitions, provider, policy (see policy_argument). An empty string is the default. '
'Unlike call_settings it checks nothing. NULL: the table has no such trigger, or one with another number of arguments';

-- \d prints all arguments of a trigger. So a policy of the table's own is the comment of its trigger, and the argument
-- has its digest. Dumps have comments too.
CREATE FUNCTION _callhardening.policy_reference(document text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'policy ' || left(encode(sha256(convert_to(document, 'UTF8')), 'hex'), 16)
$$;

COMMENT ON FUNCTION _callhardening.policy_reference(text) IS
'the argument of the BEFORE trigger for a policy of the table''s own: "policy ", and the digest of its text';

CREATE FUNCTION _callhardening.policy_argument(policy jsonb) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE
    WHEN policy IS NULL OR policy = @extschema@.call_payload_policy('default'::text) THEN ''
    WHEN policy = @extschema@.call_payload_policy('size_only'::text) THEN 'size_only'
    WHEN policy = @extschema@.call_payload_policy('strict'::text) THEN 'strict'
    ELSE _callhardening.policy_reference(policy::text) END
$$;

COMMENT ON FUNCTION _callhardening.policy_argument(jsonb) IS
'a policy as an argument of the BEFORE trigger: an empty string for the default, the name of another built-in policy, '
'or the reference to the comment of the trigger';

CREATE FUNCTION _callhardening.trigger_policy(calls regclass) RETURNS jsonb
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_trigger_policy';

COMMENT ON FUNCTION _callhardening.trigger_policy(regclass) IS
'the policy of a hardened table; NULL: the default, or the table has no BEFORE trigger with eight arguments. Errors: '
'55000 the comment of the trigger is gone or altered, 22P02 the argument is no policy';

CREATE FUNCTION _callhardening.settings_arguments(settings _callhardening.settings) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT ARRAY[settings.call_id_column::text, settings.status_column, settings.direction_column, settings.payload_column,
    settings.on_invalid, coalesce(settings.transitions::text, ''), coalesce(settings.provider, ''),
    _callhardening.policy_argument(settings.policy)]
$$;

COMMENT ON FUNCTION _callhardening.settings_arguments(_callhardening.settings) IS
'settings as arguments of the BEFORE trigger: see trigger_settings';

CREATE FUNCTION _callhardening.setting_texts(arguments text[], OUT call_id_column text, OUT status_column text,
        OUT direction_column text, OUT payload_column text, OUT on_invalid text, OUT transitions text,
        OUT provider text, OUT policy text)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[6], arguments[7], arguments[8]
$$;

COMMENT ON FUNCTION _callhardening.setting_texts(text[]) IS
'the arguments of a BEFORE trigger by name, as they are: see trigger_settings. All NULL for NULL';

CREATE FUNCTION _callhardening.column_settings(arguments text[]) RETURNS _callhardening.settings
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT ROW(t.call_id_column, t.status_column, t.direction_column, t.payload_column, NULL, NULL, NULL, NULL)
    ::_callhardening.settings
FROM _callhardening.setting_texts(arguments) AS t
$$;

COMMENT ON FUNCTION _callhardening.column_settings(text[]) IS
'the columns of a BEFORE trigger''s arguments, as settings. The other settings are NULL: an altered trigger may have '
'no valid graph or policy. NULL for NULL';

CREATE FUNCTION _callhardening.settings_digest(settings text[]) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT left(encode(sha256(convert_to(settings::text, 'UTF8')), 'hex'), 16)
$$;

COMMENT ON FUNCTION _callhardening.settings_digest(text[]) IS
'the argument of the AFTER triggers of a hardened table: it proves they have these settings (see trigger_settings) '
'and fitting conditions';

CREATE FUNCTION _callhardening.require_relation(relation regclass, argument text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF relation IS NULL THEN
        PERFORM _callhardening.raise_error('22004', format('%s must not be NULL', argument));
    END IF;
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = relation) THEN
        PERFORM _callhardening.raise_error('42P01', format('relation with OID %s does not exist', relation::oid));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_relation(regclass, text) IS
'refuses what an argument of that name cannot be: 22004 NULL, 42P01 no relation';

CREATE FUNCTION _callhardening.require_table_owner(relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    class pg_class;
BEGIN
    SELECT * INTO class FROM pg_class WHERE oid = relation;
    IF class.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace,
        'pg_toast'::regnamespace) THEN
        PERFORM _callhardening.raise_error('42809', format('%s is a system table', relation));
    END IF;
    IF NOT pg_has_role(class.relowner, 'USAGE') THEN
        PERFORM _callhardening.raise_error('42501', format('must be owner of table %s', relation));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_table_owner(regclass) IS
'refuses a table not owned by the caller: 42809 a system table, 42501 not the owner';

CREATE FUNCTION _callhardening.require_calls_table(calls regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    class pg_class;
BEGIN
    PERFORM _callhardening.require_relation(calls, 'calls'::text);
    SELECT * INTO class FROM pg_class WHERE oid = calls;
    IF class.relkind NOT IN ('r', 'p') THEN
        PERFORM _callhardening.raise_error('42809', format('%s is not a table', calls),
            hint => 'Only tables and partitioned tables can be hardened; for a view, harden the table behind it.');
    END IF;
    PERFORM _callhardening.require_table_owner(calls);
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = calls AND tgparentid <> 0
        AND tgname = ANY (_callhardening.call_triggers(calls))) THEN
        PERFORM _callhardening.raise_error('42809', format('%s is a partition of a hardened table', calls),
            hint => 'Name the partitioned table instead.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_calls_table(regclass) IS
'refuses what cannot be hardened: 22004 NULL, 42P01 no relation, 42809 no ordinary or partitioned table, a system '
'table, or a partition of a hardened one, 42501 not the owner';

CREATE FUNCTION _callhardening.require_plain_column(relation regclass, column_name name, advice text)
    RETURNS pg_attribute
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    attribute pg_attribute;
BEGIN
    SELECT * INTO attribute FROM pg_attribute
    WHERE attrelid = relation AND attname = column_name AND attnum > 0 AND NOT attisdropped;
    IF NOT FOUND THEN
        PERFORM _callhardening.raise_error('42703', format('table %s has no column %I', relation, column_name),
            hint => advice);
    END IF;
    IF attribute.attgenerated <> '' THEN
        PERFORM _callhardening.raise_error('428C9',
            format('column %I of table %s is a generated column', column_name, relation));
    END IF;
    RETURN attribute;
END
$$;

COMMENT ON FUNCTION _callhardening.require_plain_column(regclass, name, text) IS
'the column of a table. Refuses a missing column (42703, with this advice) and a generated one (428C9)';

CREATE FUNCTION _callhardening.require_word_column(calls regclass, column_name name, words text[]) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    attribute pg_attribute := _callhardening.require_plain_column(calls, column_name,
        'Name the columns of the table in the arguments of harden_calls.');
    column_type text;
    word text;
    stored text;
BEGIN
    IF words IS NULL THEN
        RETURN;
    END IF;

    column_type := format_type(attribute.atttypid, attribute.atttypmod);
    IF (SELECT typcategory NOT IN ('S', 'E') FROM pg_type WHERE oid = attribute.atttypid) THEN
        PERFORM _callhardening.raise_error('42804',
            format('column %I of table %s must hold words, not %s', column_name, calls, column_type),
            hint => 'Its type can be text, varchar, char, citext, an enum, or a domain over one of them.');
    END IF;
    -- NULL stands for an unknown word.
    FOREACH word IN ARRAY words || NULL::text LOOP
        BEGIN
            stored := _callhardening.held_word(calls, column_name, word);
        EXCEPTION WHEN string_data_right_truncation OR invalid_text_representation OR check_violation
            OR not_null_violation THEN
            stored := CASE WHEN word IS NULL THEN '' END;
        END;
        IF stored COLLATE "C" IS DISTINCT FROM word COLLATE "C" THEN
            PERFORM _callhardening.raise_error('42804',
                format('column %I of table %s cannot hold %s', column_name, calls,
                    coalesce('"' || word || '"', 'NULL')),
                detail => format('Its type is %s.', column_type));
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.require_word_column(regclass, name, text[]) IS
'refuses a column unfit for one of the words or NULL: 42703 no such column, 428C9 generated, 42804 wrong type. words '
'NULL: any type will do';

CREATE FUNCTION _callhardening.base_type(type oid) RETURNS oid
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_base_type';

COMMENT ON FUNCTION _callhardening.base_type(oid) IS
'the type below all domains; itself if it is no domain. NULL: there is no such type';

CREATE FUNCTION _callhardening.type_below(type oid, typmod int, OUT base_type oid, OUT base_typmod int,
        OUT refuses_null boolean)
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_type_below';

COMMENT ON FUNCTION _callhardening.type_below(oid, int) IS
'what is below all domains of a column''s type: the type, its modifier, and whether one of the domains is NOT NULL. '
'NULL: there is no such type';

CREATE FUNCTION _callhardening.require_call_id_column(calls regclass, call_id_column name) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM _callhardening.require_word_column(calls, call_id_column, NULL::text[]);
    -- Of the type below all domains, and of no row: no code of the table's owner is run.
    EXECUTE format('SELECT FROM (SELECT NULL::%s AS key) AS k ORDER BY key LIMIT 0', (
        SELECT format_type(_callhardening.base_type(atttypid), NULL) FROM pg_attribute WHERE attrelid = calls
            AND attname = call_id_column));
EXCEPTION WHEN undefined_function THEN
    PERFORM _callhardening.raise_error('42804',
        format('column %I of table %s cannot be a key: its type has no order', call_id_column, calls));
END
$$;

COMMENT ON FUNCTION _callhardening.require_call_id_column(regclass, name) IS
'refuses a column unfit as the key of calls: 42703 no such column, 428C9 generated, 42804 a type without an order';

CREATE FUNCTION _callhardening.require_fitting_key(calls regclass, settings _callhardening.settings) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    column_type oid := (SELECT atttypid FROM pg_attribute WHERE attrelid = calls
        AND attname = settings.call_id_column);
    is_several boolean := coalesce(settings.provider = '*', false);
    log regclass;
BEGIN
    IF is_several AND _callhardening.base_type(column_type) NOT IN ('text'::regtype, 'varchar'::regtype) THEN
        PERFORM _callhardening.raise_error('42804',
            format('column %I of table %s cannot be the key of calls of several providers', settings.call_id_column,
                calls),
            detail => format('A key is "provider:call id", and its type is %s.', format_type(column_type, NULL)),
            hint => 'Use text or varchar, or another table of calls for each provider.');
    END IF;
    SELECT s.relation INTO log FROM _callhardening.trigger_states() AS s
    JOIN _callhardening.logs AS l ON l.events = s.relation AND l.calls = require_fitting_key.calls
        AND NOT l.is_of_changes
    WHERE s.part = 'stamp' AND cardinality(s.arguments) > 3 AND s.arguments[4] LIKE 'provider:%' <> is_several
    ORDER BY l.log_id LIMIT 1;
    IF FOUND THEN
        PERFORM _callhardening.raise_error('55000',
            format('the call ids of event log %s %s with their provider', log,
                CASE WHEN is_several THEN 'do not begin' ELSE 'begin' END),
            hint => CASE WHEN is_several THEN 'Call unharden_call_events for it first.'
                ELSE 'Call harden_calls(provider => ''*''), or unharden_call_events for the log first.' END);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_fitting_key(regclass, _callhardening.settings) IS
'refuses the provider * for a key that is no text (42804), and to choose or leave it while the table has logs (55000)';

CREATE FUNCTION _callhardening.require_payload_column(calls regclass, payload_column name) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    attribute pg_attribute;
BEGIN
    PERFORM _callhardening.require_word_column(calls, payload_column, NULL::text[]);
    SELECT * INTO attribute FROM pg_attribute WHERE attrelid = calls AND attname = payload_column AND NOT attisdropped;
    IF _callhardening.base_type(attribute.atttypid) <> 'jsonb'::regtype THEN
        PERFORM _callhardening.raise_error('42804',
            format('column %I of table %s must be jsonb, not %s', payload_column, calls,
                format_type(attribute.atttypid, attribute.atttypmod)));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_payload_column(regclass, name) IS
'refuses a column unfit for payloads: 42703 no such column, 428C9 generated, 42804 neither jsonb nor a domain over it';

CREATE FUNCTION _callhardening.status_words(transitions jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- An edge names two statuses, a status without edges only itself.
SELECT ARRAY(
    SELECT current_status FROM @extschema@.call_status_transitions(transitions)
    UNION SELECT next_status FROM @extschema@.call_status_transitions(transitions)
    UNION SELECT jsonb_object_keys(transitions))
$$;

COMMENT ON FUNCTION _callhardening.status_words(jsonb) IS
'the words of a graph of statuses; NULL: those of the graph of a call';

CREATE FUNCTION _callhardening.table_graph(transitions jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- The default graph may come in any order, with or without an entry for each final status.
SELECT transitions
WHERE transitions <> 'null' AND (
    ARRAY(SELECT word FROM unnest(_callhardening.status_words(transitions)) AS word ORDER BY word COLLATE "C")
        <> ARRAY(SELECT word FROM unnest(_callhardening.status_words(NULL)) AS word ORDER BY word COLLATE "C")
    OR EXISTS (SELECT * FROM @extschema@.call_status_transitions(transitions)
        EXCEPT SELECT * FROM @extschema@.call_status_transitions(NULL::jsonb))
    OR EXISTS (SELECT * FROM @extschema@.call_status_transitions(NULL::jsonb)
        EXCEPT SELECT * FROM @extschema@.call_status_transitions(transitions)))
$$;

COMMENT ON FUNCTION _callhardening.table_graph(jsonb) IS
'the graph of statuses of a table; NULL if it has the same steps as the default graph. Error: 22023 malformed graph';

CREATE FUNCTION _callhardening.table_leaves(calls regclass) RETURNS SETOF regclass
    LANGUAGE sql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT c.oid::regclass FROM pg_class c
WHERE c.relkind = 'r' AND (c.oid = calls OR c.oid IN (SELECT relid FROM pg_partition_tree(calls)))
$$;

COMMENT ON FUNCTION _callhardening.table_leaves(regclass) IS
'the tables with the rows of a table: itself, or its partitions at the lowest level, foreign tables left out. '
'Children by inheritance are tables of their own';

CREATE FUNCTION _callhardening.require_valid_documents(transitions jsonb, policy jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    why text;
    advice text;
BEGIN
    IF octet_length(policy::text) > 16384 THEN
        PERFORM _callhardening.raise_error('54000',
            format('payload policy of %s bytes is too long', octet_length(policy::text)),
            detail => 'The policy of a table is the comment of its trigger. Its text has 16384 bytes at most.');
    END IF;
    PERFORM @extschema@.sanitize_call_payload('{}'::jsonb, nullif(policy, 'null'));
    PERFORM _callhardening.status_words(nullif(transitions, 'null'));
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
    PERFORM _callhardening.raise_error(SQLSTATE, SQLERRM, nullif(why, ''), nullif(advice, ''));
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_documents(jsonb, jsonb) IS
'refuses a malformed policy or graph (22023), or a policy of more than 16384 bytes (54000). NULL: none is given';

CREATE FUNCTION _callhardening.require_valid_settings(calls regclass, settings _callhardening.settings) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    named name;
    seen name[] := '{}';
BEGIN
    PERFORM _callhardening.require_calls_table(calls);
    FOREACH named IN ARRAY ARRAY[settings.call_id_column, settings.status_column, settings.direction_column,
        settings.payload_column] LOOP
        IF named = ANY (seen) THEN
            PERFORM _callhardening.raise_error('42701', format('column %I is named twice', named),
                hint => 'Call id, status, direction and payload are four columns.');
        END IF;
        seen := seen || named;
    END LOOP;
    IF settings.on_invalid NOT IN ('keep', 'skip', 'reject') THEN
        PERFORM _callhardening.raise_error('22023',
            format('on_invalid must be keep, skip or reject, not "%s"', settings.on_invalid));
    END IF;
    PERFORM _callhardening.require_known_provider(settings.provider);
    PERFORM _callhardening.require_call_id_column(calls, settings.call_id_column);
    PERFORM _callhardening.require_fitting_key(calls, settings);
    PERFORM _callhardening.require_word_column(calls, settings.status_column,
        _callhardening.status_words(settings.transitions));
    PERFORM _callhardening.require_word_column(calls, settings.direction_column, ARRAY['inbound', 'outbound']);
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = calls AND attname = settings.payload_column
        AND NOT attisdropped) THEN
        PERFORM _callhardening.require_payload_column(calls, settings.payload_column);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_settings(regclass, _callhardening.settings) IS
'refuses arguments unfit for harden_calls; its comment lists the errors';

CREATE FUNCTION _callhardening.has_payload_index(calls regclass, payload_column name) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = calls AND m.amname = 'gin' AND i.indisvalid AND i.indpred IS NULL
      AND i.indnatts = 1 AND a.attname = payload_column)
$$;

COMMENT ON FUNCTION _callhardening.has_payload_index(regclass, name) IS
'whether a valid GIN index of this one column, and of all rows, is there: its name and its operator class do not '
'matter';

CREATE FUNCTION _callhardening.add_payload(calls regclass, payload_column name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    class pg_class;
    is_new boolean := NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = calls AND attname = payload_column
        AND NOT attisdropped);
    index_name name;
BEGIN
    IF is_new THEN
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I pg_catalog.jsonb %s', calls, payload_column,
            (SELECT 'COMPRESSION lz4' FROM pg_settings WHERE name = 'default_toast_compression'
                AND 'lz4' = ANY (enumvals)));
    END IF;
    PERFORM _callhardening.require_payload_column(calls, payload_column);
    IF _callhardening.has_payload_index(calls, payload_column) THEN
        RETURN;
    END IF;
    -- ADD COLUMN has locked everybody out until the end of the transaction, and building the index reads the table.
    IF is_new AND (SELECT sum(pg_relation_size(leaf))
        FROM _callhardening.table_leaves(calls) AS leaf) > 8 * 1024 * 1024 THEN
        PERFORM _callhardening.report('NOTICE',
            format('table %s has no GIN index on its new column %I', calls, payload_column),
            detail => 'The table is too big to be read while nobody else can use it.',
            hint => format('Where payloads are searched, CREATE INDEX CONCURRENTLY ON %s USING gin (%I).', calls,
                payload_column));
        RETURN;
    END IF;
    SELECT * INTO class FROM pg_class WHERE oid = calls;
    index_name := format('idx_%s_%s', class.relname, payload_column);
    EXECUTE format('CREATE INDEX %s ON %s USING gin (%I)',
        CASE WHEN to_regclass(format('%s.%I', class.relnamespace::regnamespace, index_name)) IS NULL
            THEN quote_ident(index_name) END,
        calls, payload_column);
END
$$;

COMMENT ON FUNCTION _callhardening.add_payload(regclass, name) IS
'adds the payload column of a hardened table and its GIN index if they are missing; a NOTICE instead of the index if '
'the column is new and the table has more than 8 MB. Errors: 42804 the column is no jsonb, 428C9 it is generated';

-- A row shows the state of its call, and not its history. The history has columns of its own: the next event is then
-- judged alike with any policy, and at any time.
CREATE FUNCTION _callhardening.add_column(relation regclass, column_name name, type regtype, note text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', relation, column_name, type);
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, column_name, note);
END
$$;

COMMENT ON FUNCTION _callhardening.add_column(regclass, name, regtype, text) IS 'adds a column with a comment';

CREATE FUNCTION _callhardening.merge_columns() RETURNS TABLE (column_name name, column_type regtype, note text)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('merge_newest_at'::name, 'timestamptz'::regtype,
    'callhardening: when the newest event that was merged happened; NULL: it is not known'),
    ('merge_has_talk_time', 'boolean', 'callhardening: the duration is a talk time'),
    ('merge_ended_at', 'timestamptz',
        'callhardening: when the event that set the status ended happened; NULL: none did, or it did not say'),
    ('merge_status_before_end', 'text', 'callhardening: the status before ended; NULL: there was none'),
    ('merge_sequence', 'bigint',
        'callhardening: the highest of the provider''s numbers of merged events; NULL: none had one')
$$;

COMMENT ON FUNCTION _callhardening.merge_columns() IS
'the columns of process_call_events for judging later events of a call, with their comments';

CREATE FUNCTION _callhardening.has_merge_columns(calls regclass) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT NOT EXISTS (SELECT FROM _callhardening.merge_columns() c
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = calls AND a.attname = c.column_name
        AND a.atttypid = c.column_type))
$$;

COMMENT ON FUNCTION _callhardening.has_merge_columns(regclass) IS
'whether a table has the columns process_call_events needs';

CREATE FUNCTION _callhardening.add_merge_columns(calls regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    wanted record;
    present regtype;
BEGIN
    FOR wanted IN SELECT * FROM _callhardening.merge_columns() LOOP
        SELECT atttypid INTO present FROM pg_attribute WHERE attrelid = calls AND attname = wanted.column_name;
        IF NOT FOUND THEN
            PERFORM _callhardening.add_column(calls, wanted.column_name, wanted.column_type, wanted.note);
        ELSIF present <> wanted.column_type THEN
            PERFORM _callhardening.raise_error('42804',
                format('column %I of table %s must be %s, not %s', wanted.column_name, calls, wanted.column_type,
                    present),
                detail => 'process_call_events needs a column of this name.');
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.add_merge_columns(regclass) IS
'adds the columns process_call_events needs to the calls table of an event log, if they are missing. Takes ACCESS '
'EXCLUSIVE for a moment then. Error: 42804 one of them is there with another type';

CREATE FUNCTION _callhardening.key_obstacle(calls regclass, call_id_column name) RETURNS text
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_key_obstacle';

COMMENT ON FUNCTION _callhardening.key_obstacle(regclass, name) IS
'why no event can be applied to a table with this call id, as a sentence; NULL: nothing stands in the way. Reads the '
'catalogs only';

CREATE FUNCTION _callhardening.key_state(calls regclass, call_id_column name) RETURNS text
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_key_state';

COMMENT ON FUNCTION _callhardening.key_state(regclass, name) IS
'whether a column alone is unique in all rows: unique; invalid or deferrable, if its best index is; missing. NULL: '
'there is no such column. Reads the catalogs only';

CREATE FUNCTION _callhardening.has_unique_call_id(calls regclass, call_id_column name) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(_callhardening.key_state(calls, call_id_column) = 'unique', false)
$$;

COMMENT ON FUNCTION _callhardening.has_unique_call_id(regclass, name) IS
'whether a valid unique index of this one column, and of all rows, is there and is not deferrable: a constraint''s, a '
'primary key''s or a plain one, under any name';

CREATE FUNCTION _callhardening.add_unique_call_id(calls regclass, call_id_column name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    repeated bigint;
BEGIN
    IF _callhardening.has_unique_call_id(calls, call_id_column) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE UNIQUE INDEX ON %s (%I)', calls, call_id_column);
EXCEPTION
    WHEN unique_violation THEN
        SELECT max(r.ids) INTO repeated FROM _callhardening.repeated_call_ids(calls, call_id_column) AS r;
        PERFORM _callhardening.report('WARNING',
            format('table %s has %s call ids more than once, and no unique index on column %I', calls,
                repeated, call_id_column),
            hint => format('Find them with SELECT %I, count(*) FROM %s GROUP BY 1 HAVING count(*) > 1, merge their '
                'rows and call harden_calls again.',
                call_id_column, calls));
    WHEN feature_not_supported THEN
        PERFORM _callhardening.report('WARNING',
            format('table %s cannot have a unique index on column %I alone', calls, call_id_column),
            detail => 'A unique index of a partitioned table has to contain the columns of its partition key.');
    WHEN wrong_object_type THEN
        PERFORM _callhardening.report('WARNING',
            format('table %s cannot have a unique index on column %I', calls, call_id_column),
            detail => 'Some of its partitions are foreign tables.');
END
$$;

COMMENT ON FUNCTION _callhardening.add_unique_call_id(regclass, name) IS
'makes a unique index on the call id of a hardened table if it has none; a WARNING instead if ids are repeated, if '
'the partition key is another column, or if a partition is a foreign table';

CREATE FUNCTION _callhardening.call_triggers(calls regclass) RETURNS name[]
    LANGUAGE sql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT ARRAY(
    SELECT t.tgname FROM pg_trigger t
    WHERE t.tgrelid = calls AND t.tgfoid IN (
        '_callhardening.validate_hardened_call()'::regprocedure, '_callhardening.refuse_illegal_call()'::regprocedure))
$$;

COMMENT ON FUNCTION _callhardening.call_triggers(regclass) IS
'the triggers of hardening on a table, under any name; a hardened table has three';

CREATE FUNCTION _callhardening.drop_triggers(relation regclass, triggers name[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    trigger_name name;
BEGIN
    FOREACH trigger_name IN ARRAY triggers LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', trigger_name, relation);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.drop_triggers(regclass, name[]) IS 'drops these triggers of a table';

CREATE FUNCTION _callhardening.create_call_triggers(calls regclass, settings _callhardening.settings) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    arguments text[] := _callhardening.settings_arguments(settings);
    digest text := quote_literal(_callhardening.settings_digest(arguments));
    graph text := coalesce(', ' || quote_literal(settings.transitions::text) || '::pg_catalog.jsonb', '');
    -- Each as it stands in the old and in the new row.
    call_id text := quote_ident(settings.call_id_column);
    status text := quote_ident(settings.status_column) || '::text';
    direction text := quote_ident(settings.direction_column) || '::text';
BEGIN
    EXECUTE 'CREATE TRIGGER validate_hardened_call BEFORE INSERT OR UPDATE ON ' || calls
        || ' FOR EACH ROW EXECUTE FUNCTION _callhardening.validate_hardened_call('
        || (SELECT string_agg(quote_literal(argument), ', ' ORDER BY argument_no)
            FROM unnest(arguments) WITH ORDINALITY AS a (argument, argument_no)) || ')';
    IF arguments[8] = _callhardening.policy_reference(settings.policy::text) THEN
        EXECUTE format('COMMENT ON TRIGGER validate_hardened_call ON %s IS %L', calls, settings.policy);
    END IF;
    EXECUTE 'CREATE TRIGGER validate_hardened_call_insert AFTER INSERT ON ' || calls || ' FOR EACH ROW WHEN ('
        || '_callhardening.is_invalid_insert(NEW.' || status || ', NEW.' || direction || graph || ')'
        || ') EXECUTE FUNCTION _callhardening.refuse_illegal_call(' || digest || ')';
    EXECUTE 'CREATE TRIGGER validate_hardened_call_update AFTER UPDATE ON ' || calls || ' FOR EACH ROW WHEN ('
        || '_callhardening.is_invalid_update(OLD.' || status || ', NEW.' || status
        || ', OLD.' || direction || ', NEW.' || direction || graph || ')'
        || ' OR (OLD.' || call_id || ' IS DISTINCT FROM NEW.' || call_id || ' AND OLD.' || call_id || ' IS NOT NULL)'
        || ') EXECUTE FUNCTION _callhardening.refuse_illegal_call(' || digest || ')';
END
$$;

COMMENT ON FUNCTION _callhardening.create_call_triggers(regclass, _callhardening.settings) IS
'creates the triggers of a hardened table. Triggers of one event run in the order of their names, and this one has to '
'see what the others made of the row: so its name is late in the alphabet';

CREATE FUNCTION _callhardening.has_trigger_policy(calls regclass) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT s.reference IS NULL OR s.reference NOT LIKE 'policy %' OR EXISTS (
    SELECT FROM pg_trigger AS t
    WHERE t.tgrelid = calls AND _callhardening.policy_reference(obj_description(t.oid, 'pg_trigger')) = s.reference)
FROM (SELECT (_callhardening.trigger_settings(calls))[8] AS reference) AS s
$$;

COMMENT ON FUNCTION _callhardening.has_trigger_policy(regclass) IS
'false: the BEFORE trigger of a table refers to its comment for the policy, and the comment is gone or altered';

CREATE FUNCTION _callhardening.has_call_triggers(calls regclass, settings _callhardening.settings) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- If one trigger was altered by hand, all are made again.
SELECT _callhardening.has_trigger_policy(calls)
    AND _callhardening.trigger_settings(calls) = _callhardening.settings_arguments(settings) COLLATE "C"
    AND (SELECT count(*) = 3 AND count(*) FILTER (
            WHERE t.tgargs = convert_to(_callhardening.settings_digest(_callhardening.settings_arguments(settings)),
                'UTF8') || '\x00') = 2
        FROM pg_trigger t
        WHERE t.tgrelid = calls AND t.tgname = ANY (_callhardening.call_triggers(calls)) AND t.tgenabled IN ('O', 'A'))
$$;

COMMENT ON FUNCTION _callhardening.has_call_triggers(regclass, _callhardening.settings) IS
'whether a table has the three triggers with just these settings, and none is disabled';

CREATE FUNCTION _callhardening.lock_calls_table(calls regclass, settings _callhardening.settings) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    adds_column boolean := NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = calls
        AND attname = settings.payload_column AND NOT attisdropped);
    adds_state boolean := NOT _callhardening.has_merge_columns(calls)
        AND EXISTS (SELECT FROM _callhardening.logs l WHERE l.calls = lock_calls_table.calls AND NOT l.is_of_changes);
    builds_index boolean := NOT _callhardening.has_unique_call_id(calls, settings.call_id_column)
        OR NOT adds_column AND NOT _callhardening.has_payload_index(calls, settings.payload_column);
    drops_triggers boolean := NOT _callhardening.has_call_triggers(calls, settings)
        AND cardinality(_callhardening.call_triggers(calls)) > 0;
BEGIN
    -- Upgrading the lock later could deadlock. But no index may be built under the stronger one.
    EXECUTE format('LOCK TABLE %s IN %s MODE', calls,
        CASE WHEN (adds_column OR adds_state OR drops_triggers) AND NOT builds_index THEN 'ACCESS EXCLUSIVE'
            ELSE 'SHARE ROW EXCLUSIVE' END);
END
$$;

COMMENT ON FUNCTION _callhardening.lock_calls_table(regclass, _callhardening.settings) IS
'the first lock of harden_calls: SHARE ROW EXCLUSIVE, unnoticed by readers. To add a column or replace a trigger '
'without building an index, ACCESS EXCLUSIVE at once';

CREATE FUNCTION _callhardening.merge_setting_column(calls regclass, given name, present text, usual name) RETURNS name
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- A column may have the name "default".
SELECT CASE
    WHEN given = 'default' AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = calls AND attname = given
        AND NOT attisdropped) THEN usual
    ELSE coalesce(given, present::name, usual) END
$$;

COMMENT ON FUNCTION _callhardening.merge_setting_column(regclass, name, text, name) IS
'the column meant by an argument of harden_calls. given NULL: the present one of the settings, or the usual one';

CREATE FUNCTION _callhardening.usual_call_id_column(calls regclass) RETURNS name
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN array_agg(attname) = ARRAY['call_id'::name] THEN 'call_id'::name ELSE 'dialpad_call_id' END
FROM pg_attribute WHERE attrelid = calls AND attname IN ('dialpad_call_id', 'call_id') AND NOT attisdropped
$$;

COMMENT ON FUNCTION _callhardening.usual_call_id_column(regclass) IS
'the call id of a table if none is named: call_id if it has this column and no dialpad_call_id, else dialpad_call_id';

CREATE FUNCTION _callhardening.merge_settings(calls regclass, given _callhardening.settings)
    RETURNS _callhardening.settings
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    present record := _callhardening.setting_texts(_callhardening.trigger_settings(calls));
    merged _callhardening.settings;
BEGIN
    merged.call_id_column := _callhardening.merge_setting_column(calls, given.call_id_column, present.call_id_column,
        _callhardening.usual_call_id_column(calls));
    merged.status_column := _callhardening.merge_setting_column(calls, given.status_column, present.status_column,
        'status'::name);
    merged.direction_column := _callhardening.merge_setting_column(calls, given.direction_column,
        present.direction_column, 'direction'::name);
    merged.payload_column := _callhardening.merge_setting_column(calls, given.payload_column,
        present.payload_column, 'raw_payload'::name);
    merged.on_invalid := CASE given.on_invalid WHEN 'default' THEN 'keep'
        ELSE coalesce(given.on_invalid, present.on_invalid, 'keep') END;
    merged.transitions := _callhardening.table_graph(
        coalesce(given.transitions, nullif(present.transitions, '')::jsonb));
    merged.provider := nullif(coalesce(given.provider, present.provider), '');
    merged.policy := nullif(coalesce(given.policy, _callhardening.trigger_policy(calls)), 'null');
    RETURN merged;
END
$$;

COMMENT ON FUNCTION _callhardening.merge_settings(regclass, _callhardening.settings) IS
'what arguments of harden_calls mean for this table: NULL is the present setting, or the default if there is none; '
'''default'' (columns, on_invalid), ''null''::jsonb (transitions, policy) and '''' (provider) are the default';

CREATE FUNCTION _callhardening.settings_change(present text[], wanted text[]) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT string_agg(format('%s: %s, now %s', s.name,
        CASE WHEN v.present = '' THEN s.unset WHEN v.present LIKE s.document THEN 'custom' ELSE v.present END,
        CASE
            WHEN v.wanted = '' THEN s.unset
            WHEN v.wanted NOT LIKE s.document THEN v.wanted
            WHEN v.present LIKE s.document THEN 'another'
            ELSE 'custom' END),
    '; ' ORDER BY v.argument_no)
FROM unnest(present, wanted) WITH ORDINALITY AS v (present, wanted, argument_no)
JOIN (VALUES
    (1, 'call_id_column', '', NULL),
    (2, 'status_column', '', NULL),
    (3, 'direction_column', '', NULL),
    (4, 'payload_column', '', NULL),
    (5, 'on_invalid', '', NULL),
    (6, 'transitions', '{%', 'default'),
    (7, 'provider', '', 'none'),
    (8, 'policy', 'policy %', 'default')) AS s (argument_no, name, document, unset) ON s.argument_no = v.argument_no
WHERE v.present <> v.wanted
$$;

COMMENT ON FUNCTION _callhardening.settings_change(text[], text[]) IS
'how two lists of settings (see trigger_settings) differ, in words; NULL: they do not. A graph and a policy are not '
'printed';

CREATE FUNCTION _callhardening.require_kept_payload(calls regclass, given name) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    present name := (_callhardening.column_settings(_callhardening.trigger_settings(calls))).payload_column;
BEGIN
    IF given IS NULL AND present IS NOT NULL
        AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = calls AND attname = present AND NOT attisdropped)
    THEN
        PERFORM _callhardening.raise_error('42703', format('table %s no longer has column %I', calls, present),
            detail => 'It was the payload column.',
            hint => 'If it was renamed, give the new name in payload_column. If it was dropped, give the old one: it '
                'is added again.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_kept_payload(regclass, name) IS
'refuses (42703) to keep a missing payload column: it may have been renamed, and a second one would be added beside '
'it';

CREATE FUNCTION _callhardening.replace_call_triggers(calls regclass, settings _callhardening.settings) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    trigger_name name;
    always boolean;
    present text[] := _callhardening.trigger_settings(calls);
    change text;
BEGIN
    IF _callhardening.has_call_triggers(calls, settings) THEN
        RETURN;
    END IF;
    -- A subscriber's owner wants them to fire for replicated rows too.
    always := EXISTS (SELECT FROM pg_trigger WHERE tgrelid = calls
        AND tgname = ANY (_callhardening.call_triggers(calls)) AND tgenabled = 'A');
    PERFORM _callhardening.drop_triggers(calls, _callhardening.call_triggers(calls));
    PERFORM _callhardening.create_call_triggers(calls, settings);
    IF always THEN
        FOREACH trigger_name IN ARRAY _callhardening.call_triggers(calls) LOOP
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', calls, trigger_name);
        END LOOP;
    END IF;
    change := _callhardening.settings_change(present, _callhardening.trigger_settings(calls));
    IF change IS NOT NULL THEN
        PERFORM _callhardening.report('NOTICE', format('settings of table %s change', calls), detail => change);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.replace_call_triggers(regclass, _callhardening.settings) IS
'gives a table its triggers with these settings; a NOTICE tells what changes. Nothing happens if it has them already';

CREATE FUNCTION @extschema@.harden_calls(calls regclass, call_id_column name DEFAULT NULL,
        status_column name DEFAULT NULL, direction_column name DEFAULT NULL, payload_column name DEFAULT NULL,
        on_invalid text DEFAULT NULL, transitions jsonb DEFAULT NULL, policy jsonb DEFAULT NULL,
        provider text DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    given CONSTANT _callhardening.settings := ROW(call_id_column, status_column, direction_column, payload_column,
        on_invalid, transitions, provider, policy)::_callhardening.settings;
    wanted _callhardening.settings;
    before oid[];
    made regclass;
BEGIN
    PERFORM _callhardening.require_calls_table(calls);
    PERFORM _callhardening.require_valid_documents(transitions, policy);
    wanted := _callhardening.merge_settings(calls, given);
    PERFORM _callhardening.require_valid_settings(calls, wanted);
    PERFORM _callhardening.require_kept_payload(calls, payload_column);
    PERFORM _callhardening.lock_calls_table(calls, wanted);
    -- While this session waited, another one may have changed what is to be kept.
    wanted := _callhardening.merge_settings(calls, given);
    PERFORM _callhardening.require_valid_settings(calls, wanted);

    IF cardinality(_callhardening.call_triggers(calls)) > 0 AND _callhardening.trigger_settings(calls) IS NULL THEN
        PERFORM _callhardening.report('WARNING', format('the settings of table %s are missing', calls),
            detail => 'They were arguments of its BEFORE trigger. Each setting not given is the default now.',
            hint => 'Call harden_calls again, and give each setting of your own.');
    END IF;
    before := ARRAY(SELECT indexrelid FROM pg_index WHERE indrelid = calls);
    -- In this order: what reads the table comes before what locks readers out.
    PERFORM _callhardening.add_unique_call_id(calls, wanted.call_id_column);
    PERFORM _callhardening.add_payload(calls, wanted.payload_column);
    IF EXISTS (SELECT FROM _callhardening.logs l WHERE l.calls = harden_calls.calls AND NOT l.is_of_changes) THEN
        PERFORM _callhardening.add_merge_columns(calls);
    END IF;
    -- Our own objects have a comment with this beginning. unharden_calls takes no other index away. The lock keeps
    -- others from making one.
    FOR made IN SELECT indexrelid FROM pg_index WHERE indrelid = calls AND indexrelid <> ALL (before) LOOP
        EXECUTE format('COMMENT ON INDEX %s IS %L', made, 'callhardening: of the hardened table');
    END LOOP;
    IF _callhardening.key_obstacle(calls, wanted.call_id_column) IS NOT NULL THEN
        PERFORM _callhardening.report('WARNING', format('column %I of table %s cannot be the key of events',
            wanted.call_id_column, calls),
            detail => _callhardening.key_obstacle(calls, wanted.call_id_column),
            hint => 'process_call_events refuses the table. What other clients write follows the rules.');
    END IF;
    PERFORM _callhardening.replace_call_triggers(calls, wanted);
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.harden_calls(regclass, name, name, name, name, text, jsonb, jsonb, text)
    FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'harden_calls');

COMMENT ON FUNCTION @extschema@.harden_calls(regclass, name, name, name, name, text, jsonb, jsonb, text) IS
'Puts the triggers on a table of calls. From then on each INSERT and UPDATE normalizes direction
and status, sanitizes the payload and follows the graph. Existing rows are not touched.

It adds what is missing: the payload column, its GIN index, and a unique index on the call id.
If the table has an event log, it also adds the columns that process_call_events needs. It marks
its indexes by a comment. If the payload column is new and the table has more than 8 MB, a
NOTICE comes instead of the GIN index. If call ids repeat, a WARNING comes instead of the unique
index. If the call id is unfit as the key of events, a WARNING comes.

Indexes are built under SHARE ROW EXCLUSIVE, unless they are there already. A new column and new
triggers need ACCESS EXCLUSIVE, for moments.

Called again, it keeps every setting that is not given or NULL, and a NOTICE lists the changes.
The settings are in the BEFORE trigger: if it was dropped or altered, they are the defaults
again, and a WARNING comes.
- call_id_column: at first dialpad_call_id, or call_id in a table without it; ''default'' is that
  again, also for the other three columns
- status_column, direction_column, payload_column: at first status, direction and raw_payload
- on_invalid: keep (the default: the old status stays, the rest is written, WARNING), skip (the
  row is left untouched, WARNING), reject (error 23514); ''default'' is keep
- transitions: {"status": ["next", ...], ...}; at first, and with ''null''::jsonb, the graph of
  call_status_transitions
- policy: what the payload is sanitized by (call_payload_policy), at most 16384 bytes as text;
  at first, and with ''null''::jsonb, the policy default
- provider: the source of the words; at first, and with '''', any provider; *: several providers,
  and each call id is "provider:call id" as text, also in events
Errors:
- 22004: calls is NULL
- 22023: unknown mode or provider, malformed graph or policy
- 42501: the caller is not the owner, or the policy has hash and the caller no right to
  call_pseudonym
- 42701: a column is named twice
- 42703: no such column
- 42804: a column is unfit for the words
- 42809: it is no table
- 54000: a policy of more than 16384 bytes';

CREATE FUNCTION _callhardening.added_merge_columns(calls regclass) RETURNS name[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT ARRAY(SELECT a.attname FROM pg_attribute a JOIN _callhardening.merge_columns() c ON c.column_name = a.attname
    WHERE a.attrelid = calls AND col_description(calls, a.attnum) LIKE 'callhardening: %' ORDER BY a.attnum)
$$;

COMMENT ON FUNCTION _callhardening.added_merge_columns(regclass) IS
'the columns add_merge_columns has added to a table';

-- A view on all columns of the table has come to need these as well. That is no reason to keep the triggers.
CREATE FUNCTION _callhardening.drop_merge_columns(calls regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    state_column name;
BEGIN
    FOREACH state_column IN ARRAY _callhardening.added_merge_columns(calls) LOOP
        EXECUTE format('ALTER TABLE %s DROP COLUMN %I', calls, state_column);
    END LOOP;
EXCEPTION WHEN dependent_objects_still_exist THEN
    PERFORM _callhardening.report('NOTICE', format('the columns merge_... of table %s stay', calls),
        detail => format('An object depends on column %I.', state_column),
        hint => 'Drop that object, and call unharden_calls again.');
END
$$;

COMMENT ON FUNCTION _callhardening.drop_merge_columns(regclass) IS
'takes the columns of add_merge_columns off a table; a NOTICE, and all of them stay, if something depends on one';

CREATE FUNCTION @extschema@.unharden_calls(calls regclass, drop_payload boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    payload name;
    change_trigger name;
    ours record;
BEGIN
    PERFORM _callhardening.require_calls_table(calls);
    change_trigger := (_callhardening.change_trigger(calls)).trigger_name;
    IF cardinality(_callhardening.call_triggers(calls)) = 0 AND change_trigger IS NULL
        AND cardinality(_callhardening.added_merge_columns(calls)) = 0
        AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = calls
            AND obj_description(i.indexrelid, 'pg_class') LIKE 'callhardening: %')
    THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is not hardened', calls);
    END IF;
    payload := (_callhardening.column_settings(_callhardening.trigger_settings(calls))).payload_column;
    IF drop_payload AND payload IS NULL THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('the settings of table %s were dropped with its triggers', calls),
            HINT = 'Leave drop_payload false, and drop the payload column yourself.';
    END IF;
    PERFORM _callhardening.drop_triggers(calls, array_remove(
        _callhardening.call_triggers(calls) || change_trigger, NULL));
    -- Other objects may need an index made here: a foreign key, a constraint or a replica identity.
    FOR ours IN
        SELECT i.indexrelid::regclass AS index, i.indisreplident OR
            EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid) AS is_needed
        FROM pg_index i WHERE i.indrelid = calls AND obj_description(i.indexrelid, 'pg_class') LIKE 'callhardening: %'
            ORDER BY 1
    LOOP
        IF ours.is_needed THEN
            PERFORM _callhardening.report('NOTICE', format('index %s of table %s stays', ours.index, calls),
                detail => 'A constraint or the replica identity needs it.');
        ELSE
            EXECUTE format('DROP INDEX %s', ours.index);
        END IF;
    END LOOP;
    PERFORM _callhardening.drop_merge_columns(calls);
    IF drop_payload THEN
        EXECUTE format('ALTER TABLE %s DROP COLUMN %I', calls, payload);
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.unharden_calls(regclass, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'unharden_calls');

COMMENT ON FUNCTION @extschema@.unharden_calls(regclass, boolean) IS
'Takes the triggers of a hardened table away, and the indexes made by harden_calls. The columns
of an event log go too, unless something depends on them: NOTICE. An index stays if a constraint
or the replica identity needs it: NOTICE. Other indexes stay, and so does a log of changes, but
nothing is appended to it.
- drop_payload: true drops the payload column with its content
Errors:
- 22004: calls is NULL
- 2BP01: drop_payload, and something depends on the payload column
- 42501: the caller is not the owner
- 42809: it is no table
- 55000: the table is not hardened';

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

-- audit ----------------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.require_auditable(calls regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    kind "char" := (SELECT relkind FROM pg_class WHERE oid = calls);
BEGIN
    PERFORM _callhardening.require_relation(calls, 'calls'::text);
    IF kind NOT IN ('r', 'p') THEN
        PERFORM _callhardening.raise_error('42809', format('%s is not a table', calls),
            hint => 'Only tables and partitioned tables can be hardened; for a view, audit the table behind it.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_auditable(regclass) IS
'refuses what cannot be audited: 22004 NULL, 42P01 no relation, 42809 no ordinary or partitioned table';

CREATE FUNCTION _callhardening.column_fault(calls regclass, column_name name, kind text, words text[]) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    CASE kind
        WHEN 'call id' THEN PERFORM _callhardening.require_call_id_column(calls, column_name);
        WHEN 'payload' THEN PERFORM _callhardening.require_payload_column(calls, column_name);
        WHEN 'words' THEN PERFORM _callhardening.require_word_column(calls, column_name, words);
    END CASE;
    RETURN NULL;
EXCEPTION
    WHEN undefined_column THEN
        RETURN 'missing';
    WHEN generated_always OR datatype_mismatch THEN
        RETURN sqlerrm;
END
$$;

COMMENT ON FUNCTION _callhardening.column_fault(regclass, name, text, text[]) IS
'why harden_calls would refuse a column: NULL it would not, missing, or the message. kind: call id, payload or words';

CREATE FUNCTION _callhardening.age_columns(calls regclass) RETURNS name[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- What a call's last sign of life is, the best known first.
SELECT array_agg(a.attname ORDER BY t.preference)
FROM unnest(ARRAY['last_event_at', 'updated_at', 'started_at', 'created_at']) WITH ORDINALITY AS t (name, preference)
JOIN pg_attribute a ON a.attrelid = calls AND a.attname = t.name AND NOT a.attisdropped
WHERE a.atttypid IN ('timestamp'::regtype, 'timestamptz'::regtype)
$$;

COMMENT ON FUNCTION _callhardening.age_columns(regclass) IS
'the columns with the time of a call''s last news, the best first; NULL: the table has none';

CREATE FUNCTION _callhardening.faulty_rows(calls regclass, call_id_column name, status_column name,
        direction_column name, payload_column name, seen_at name[], transitions jsonb, provider text, policy jsonb)
    RETURNS TABLE (call_id text, status text, direction text, faults int)
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_faulty_rows';
REVOKE EXECUTE ON FUNCTION _callhardening.faulty_rows(regclass, name, name, name, name, name[], jsonb, text, jsonb)
    FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'faulty_rows'), ('operate', 'faulty_rows');

COMMENT ON FUNCTION _callhardening.faulty_rows(regclass, name, name, name, name, name[], jsonb, text, jsonb) IS
'the faulty rows of a table of calls, in one scan. faults: see fault_bits; a stuck call has been ringing for an hour '
'without news, or was not over for a day. status and direction are NULL if they have no fault. NULL columns are not '
'looked at. seen_at: see age_columns. The table is read as its owner. Errors: as row_faults, 42501 no SELECT on the '
'columns or row-level security hides rows, 42P01 no table, 42703 no such column';

CREATE FUNCTION _callhardening.row_groups(calls regclass, status_column name, direction_column name,
        payload_column name, seen_at name[], percentage float8)
    RETURNS TABLE (status text, direction text, quiet int, calls_in_group bigint, payloads bigint, bytes bigint,
        largest int)
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_row_groups';
REVOKE EXECUTE ON FUNCTION _callhardening.row_groups(regclass, name, name, name, name[], float8) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'row_groups');

COMMENT ON FUNCTION _callhardening.row_groups(regclass, name, name, name, name[], float8) IS
'counts the rows of a table of calls by status, direction and quiet time. quiet is the bits of row_faults for the time '
'without an event: none, stuck_ringing after an hour, stuck_active as well after a day. bytes: of the payloads as '
'stored. percentage: reads a sample of the table; NULL: all of it. The other arguments are those of faulty_rows';

CREATE FUNCTION _callhardening.repeated_call_ids(calls regclass, call_id_column name)
    RETURNS TABLE (call_id text, ids bigint)
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_repeated_call_ids';
REVOKE EXECUTE ON FUNCTION _callhardening.repeated_call_ids(regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'repeated_call_ids'), ('operate', 'repeated_call_ids');

COMMENT ON FUNCTION _callhardening.repeated_call_ids(regclass, name) IS
'the first 5 call ids of several rows of a table, and how many such ids there are; no row: there are none. The table '
'is read as its owner. Errors: as faulty_rows';

CREATE FUNCTION _callhardening.audit_rows(calls regclass, settings _callhardening.settings, is_unique boolean)
    RETURNS TABLE (check_name text, violations bigint, sample text[])
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH faulty AS MATERIALIZED (
    SELECT r.* FROM _callhardening.faulty_rows(calls, settings.call_id_column, settings.status_column,
        settings.direction_column, settings.payload_column, _callhardening.age_columns(calls),
        settings.transitions, settings.provider, settings.policy) AS r),
kinds AS MATERIALIZED (SELECT faults, count(*) AS rows FROM faulty GROUP BY faults),
repeated AS MATERIALIZED (
    SELECT r.call_id, r.ids
    FROM _callhardening.repeated_call_ids(calls, CASE WHEN NOT is_unique THEN settings.call_id_column END) AS r)
SELECT f.check_name, coalesce((SELECT sum(k.rows) FROM kinds k WHERE k.faults & f.mask <> 0), 0)::bigint,
    ARRAY(SELECT _callhardening.row_sample(l.call_id, CASE
            WHEN f.check_name LIKE '%statuses' THEN l.status
            WHEN f.check_name LIKE '%directions' THEN l.direction END)
        FROM faulty l WHERE l.faults & f.mask <> 0 AND f.check_name <> 'null_call_ids' LIMIT 5)
FROM _callhardening.fault_bits() AS f
UNION ALL
SELECT 'repeated_call_ids', coalesce((SELECT max(r.ids) FROM repeated r), 0),
    ARRAY(SELECT _callhardening.row_sample(r.call_id, NULL::text) FROM repeated r)
$$;

COMMENT ON FUNCTION _callhardening.audit_rows(regclass, _callhardening.settings, boolean) IS
'counts the faults of rows, by the checks of audit_calls. NULL columns are not looked at. is_unique: no second scan '
'has to compare ids. Needs SELECT on the table';

CREATE FUNCTION _callhardening.audit_row_checks(calls regclass, call_id_column name, id_fault text, status_fault text,
        direction_fault text, payload_fault text)
    RETURNS TABLE (check_no int, check_name text, obstacle text, advice text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH say AS (
    SELECT format('harden_calls(%L)', calls) AS harden,
        CASE WHEN (@extschema@.call_settings(calls)).call_id_column IS NULL THEN 'Harden the table, then ' ELSE '' END
            || format('CALL backfill_calls(%L).', calls) AS backfill
), needs (name, obstacle) AS (
    VALUES ('call id', CASE WHEN id_fault IS NOT NULL THEN 'the call id is missing or unfit' END),
        ('status', CASE WHEN status_fault = 'missing' THEN 'the status is missing' END),
        ('direction', CASE WHEN direction_fault = 'missing' THEN 'the direction is missing' END),
        ('payload', CASE WHEN payload_fault IS NOT NULL THEN 'the payload is missing or unfit' END),
        ('time', CASE WHEN _callhardening.age_columns(calls) IS NULL THEN 'the table has no time to go by' END)
)
SELECT c.check_no, c.check_name, n.obstacle, c.advice
FROM say CROSS JOIN LATERAL (VALUES
    (1, 'null_call_ids', 'call id',
        format('Find them with SELECT * FROM %s WHERE %I IS NULL; no event will ever be applied to them.',
            calls, call_id_column)),
    (2, 'repeated_call_ids', 'call id',
        format('Merge their rows, then %s makes the unique index that process_call_events needs.', say.harden)),
    (3, 'repairable_statuses', 'status', say.backfill),
    (4, 'unknown_statuses', 'status',
        format('Any status of the graph can be set with UPDATE; backfill_calls leaves them. See provider and '
            'transitions of %s.', say.harden)),
    (5, 'repairable_directions', 'direction', say.backfill),
    (6, 'unknown_directions', 'direction',
        'Set inbound, outbound or NULL with UPDATE; backfill_calls leaves them.'),
    (7, 'unsanitized_payloads', 'payload', say.backfill),
    (8, 'big_payloads', 'payload', say.backfill),
    (9, 'stuck_ringing', 'time',
        'More than an hour old. Where no worker is behind (call_event_log_status), set their status to missed or '
            'ended with UPDATE.'),
    (10, 'stuck_active', 'time',
        'More than a day old. Where no worker is behind (call_event_log_status), set their status to ended with '
            'UPDATE.')) AS c (check_no, check_name, needs, advice)
JOIN needs AS n ON n.name = c.needs
$$;

COMMENT ON FUNCTION _callhardening.audit_row_checks(regclass, name, text, text, text, text) IS
'the checks of audit_calls that read rows. obstacle: why a check is not possible, or NULL. The faults are those of '
'column_fault';

CREATE FUNCTION @extschema@.audit_calls(calls regclass, call_id_column name DEFAULT NULL,
        status_column name DEFAULT NULL, direction_column name DEFAULT NULL, payload_column name DEFAULT NULL,
        transitions jsonb DEFAULT NULL, policy jsonb DEFAULT NULL, provider text DEFAULT NULL)
    RETURNS TABLE (check_name text, violations bigint, sample text[], advice text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    wanted _callhardening.settings;
    looked_at _callhardening.settings; -- without the columns that cannot be
    id_fault text; status_fault text; direction_fault text; payload_fault text;
    harden text := format('harden_calls(%L)', calls);
BEGIN
    PERFORM _callhardening.require_auditable(calls);
    wanted := _callhardening.merge_settings(calls, ROW(call_id_column, status_column, direction_column,
        payload_column, NULL, transitions, provider, policy)::_callhardening.settings);
    looked_at := wanted;
    PERFORM _callhardening.require_known_provider(wanted.provider);
    id_fault := _callhardening.column_fault(calls, wanted.call_id_column, 'call id'::text, NULL::text[]);
    status_fault := _callhardening.column_fault(calls, wanted.status_column, 'words'::text,
        _callhardening.status_words(wanted.transitions));
    direction_fault := _callhardening.column_fault(calls, wanted.direction_column, 'words'::text,
        ARRAY['inbound', 'outbound']);
    payload_fault := _callhardening.column_fault(calls, wanted.payload_column, 'payload'::text, NULL::text[]);
    looked_at.call_id_column := CASE WHEN id_fault IS DISTINCT FROM 'missing' THEN wanted.call_id_column END;
    looked_at.status_column := CASE WHEN status_fault IS DISTINCT FROM 'missing' THEN wanted.status_column END;
    looked_at.direction_column := CASE WHEN direction_fault IS DISTINCT FROM 'missing' THEN wanted.direction_column END;
    looked_at.payload_column := CASE WHEN payload_fault IS NULL THEN wanted.payload_column END;

    RETURN QUERY
    WITH columns (name, fault) AS (
        VALUES (wanted.call_id_column, id_fault), (wanted.status_column, status_fault),
            (wanted.direction_column, direction_fault), (wanted.payload_column, payload_fault)),
    found AS (
        -- An id no key can hold is not compared either.
        SELECT * FROM _callhardening.audit_rows(calls, looked_at,
            id_fault IS NOT NULL OR _callhardening.has_unique_call_id(calls, wanted.call_id_column))),
    checks (name, violations, sample, advice) AS (
        SELECT 'missing_columns', count(*), array_agg(c.name::text),
            format('%s adds a payload column; name the others in its arguments.', harden)
        FROM columns c WHERE c.fault = 'missing'
        UNION ALL
        SELECT 'unfit_columns', count(*), array_agg(c.name::text),
            format('%s refuses them: %s.', harden, string_agg(c.fault, '; ')) FROM columns c WHERE c.fault <> 'missing'
        UNION ALL
        SELECT 'unique_call_id',
            CASE WHEN id_fault IS NULL
                THEN (NOT _callhardening.has_unique_call_id(calls, wanted.call_id_column))::int END, NULL,
            CASE WHEN id_fault IS NULL THEN format('%s makes a unique index; CREATE UNIQUE INDEX CONCURRENTLY '
                'before it lets clients write meanwhile.', harden)
                ELSE 'Not looked at: the call id is missing or unfit.' END
        UNION ALL
        SELECT 'triggers', 3 - (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = calls AND t.tgenabled IN ('O', 'A')
                AND t.tgname = ANY (_callhardening.call_triggers(calls))), NULL, format('%s makes them.', harden)
        UNION ALL
        SELECT * FROM (
            SELECT c.check_name, CASE WHEN c.obstacle IS NULL THEN f.violations END, f.sample,
                coalesce('Not looked at: ' || c.obstacle || '.', c.advice)
            FROM found f JOIN _callhardening.audit_row_checks(calls, wanted.call_id_column, id_fault, status_fault,
                direction_fault, payload_fault) AS c ON c.check_name = f.check_name
            ORDER BY c.check_no) AS by_row)
    SELECT c.name, c.violations, coalesce(c.sample, '{}'), CASE WHEN c.violations IS DISTINCT FROM 0 THEN c.advice END
        FROM checks c;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.audit_calls(regclass, name, name, name, name, jsonb, jsonb, text) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'audit_calls'), ('operate', 'audit_calls');

COMMENT ON FUNCTION @extschema@.audit_calls(regclass, name, name, name, name, jsonb, jsonb, text) IS
'Counts what the rows of a table of calls break, hardened or not: a dry run. It changes nothing,
and works on a standby. It reads the table once, and without a unique index the call ids a
second time.

One row per check, always the same in one order: missing_columns, unfit_columns, unique_call_id,
triggers, null_call_ids, repeated_call_ids (how many ids), repairable_statuses,
unknown_statuses, repairable_directions, unknown_directions, unsanitized_payloads, big_payloads
(above 10 kB uncompressed), stuck_ringing (not heard of for an hour), stuck_active (with another
open status, for a day).

The caller needs SELECT on the table. What its owner has written (checks of types, conditions of
indexes) runs with the owner''s rights.
- call_id_column and the other arguments: as harden_calls takes them; NULL is the present
  setting of a hardened table, else the default
- violations: NULL if it could not be looked at
- sample: up to 5 calls with the word in question, only if it looks like a word
- advice: NULL if there is nothing to do
Errors:
- 22004: calls is NULL
- 22023: unknown provider, malformed graph or policy
- 42501: no SELECT on the table, row-level security hides rows of it, or the policy has hash and
  the caller no right to call_pseudonym
- 42809: it is no table
- 42P01: no such relation';

-- backfill -------------------------------------------------------------------------------------
--
-- A table is walked in the order of its pages, which needs no index. Rows that clients update meanwhile may move
-- behind the walk's back; so it is followed by others, each of which looks at what was written since the one before it
-- began, until one finds nothing. What a client has locked just now is passed, remembered, and waited for at the end,
-- one row at a time with no other lock on the table's rows: so nobody can wait in a circle.

-- Not dumped: pages and transaction ids mean nothing elsewhere.
CREATE TABLE _callhardening.backfills (
    calls regclass NOT NULL,
    part regclass NOT NULL,
    filenode oid NOT NULL,
    rules bigint NOT NULL,
    pass int NOT NULL DEFAULT 1,
    began pg_catalog.xid8 NOT NULL DEFAULT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()),
    written_since pg_catalog.xid8,
    page bigint NOT NULL DEFAULT 0,
    pages bigint NOT NULL,
    found bigint NOT NULL DEFAULT 0,
    passed pg_catalog.tid[] NOT NULL DEFAULT '{}',
    looked_at bigint NOT NULL DEFAULT 0,
    repaired bigint NOT NULL DEFAULT 0,
    unwritten bigint NOT NULL DEFAULT 0,
    failed_with pg_catalog.text,
    busy interval NOT NULL DEFAULT '0',
    pid int NOT NULL DEFAULT pg_catalog.pg_backend_pid(),
    started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    batch_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    finished_at timestamptz,
    is_obsolete boolean NOT NULL DEFAULT false,
    CONSTRAINT backfills_pkey PRIMARY KEY (calls, part)
) WITH (fillfactor = 50);
REVOKE ALL ON _callhardening.backfills FROM PUBLIC;

COMMENT ON TABLE _callhardening.backfills IS
'how far each backfill_calls is: a row per table or partition. call_backfill_progress is easier to read';
COMMENT ON COLUMN _callhardening.backfills.calls IS 'the hardened table';
COMMENT ON COLUMN _callhardening.backfills.part IS 'where its rows are: a partition, or the table itself';
COMMENT ON COLUMN _callhardening.backfills.filenode IS 'the file of page: after VACUUM FULL or CLUSTER it is another';
COMMENT ON COLUMN _callhardening.backfills.rules IS
'a hash of the settings: if they have changed, rows are looked at once more';
COMMENT ON COLUMN _callhardening.backfills.pass IS
'1 looks at all rows, each further one at what was written since the one before it began';
COMMENT ON COLUMN _callhardening.backfills.began IS 'every transaction below this had ended when the pass began';
COMMENT ON COLUMN _callhardening.backfills.written_since IS
'the pass looks at rows of this transaction and later ones; NULL: at all';
COMMENT ON COLUMN _callhardening.backfills.page IS 'the next page of the pass';
COMMENT ON COLUMN _callhardening.backfills.pages IS 'how many there were when it began';
COMMENT ON COLUMN _callhardening.backfills.found IS 'rows repaired in the pass; 0 at its end: it was the last';
COMMENT ON COLUMN _callhardening.backfills.passed IS
'rows locked by others or suppressed by a trigger: they are tried once more';
COMMENT ON COLUMN _callhardening.backfills.looked_at IS 'rows of the first pass so far';
COMMENT ON COLUMN _callhardening.backfills.repaired IS 'rows written';
COMMENT ON COLUMN _callhardening.backfills.unwritten IS
'rows with a failed repair: a trigger of the table has suppressed it, or it failed';
COMMENT ON COLUMN _callhardening.backfills.failed_with IS 'SQLSTATE of the first failure; NULL: none has';
COMMENT ON COLUMN _callhardening.backfills.busy IS 'time of batches, with their commits';
COMMENT ON COLUMN _callhardening.backfills.pid IS 'process id of the session at work on it, or of the last one';
COMMENT ON COLUMN _callhardening.backfills.batch_at IS 'when the last batch ended';
COMMENT ON COLUMN _callhardening.backfills.is_obsolete IS 'true deletes the row';
COMMENT ON COLUMN _callhardening.backfills.finished_at IS
'when the last pass ended; NULL: calling backfill_calls again goes on from here';

-- backfill_calls cannot run as the extension's owner, since it commits: so owners of tables write here themselves, with
-- the rights of the task own. That is UPDATE of columns: DELETE, or UPDATE of the whole, would let them lock the table.
CREATE FUNCTION _callhardening.delete_obsolete_backfill() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    DELETE FROM _callhardening.backfills AS b WHERE b.calls = NEW.calls AND b.part = NEW.part AND b.is_obsolete;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.delete_obsolete_backfill() FROM PUBLIC;
CREATE TRIGGER delete_obsolete_backfill AFTER UPDATE ON _callhardening.backfills FOR EACH ROW
    WHEN (NEW.is_obsolete) EXECUTE FUNCTION _callhardening.delete_obsolete_backfill();

COMMENT ON FUNCTION _callhardening.delete_obsolete_backfill() IS
'trigger function: deletes a row of backfills for an owner without the right to do it';

-- Rows of a dropped table are in the way of nobody.
CREATE VIEW _callhardening.my_backfills WITH (security_barrier) AS
SELECT b.* FROM _callhardening.backfills b
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) b.calls::oid AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE'))
WITH CHECK OPTION;
REVOKE ALL ON _callhardening.my_backfills FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'my_backfills', 'SELECT', NULL),
    ('own', 'my_backfills', 'INSERT', NULL),
    ('own', 'my_backfills', 'UPDATE', '{calls, part}');

COMMENT ON VIEW _callhardening.my_backfills IS
'the rows of backfills of the caller''s own tables: what backfill_calls reads and writes';

CREATE FUNCTION _callhardening.rules_hash(calls regclass) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT hashtextextended(@extschema@.call_settings(calls)::text COLLATE "C", 0)
$$;

COMMENT ON FUNCTION _callhardening.rules_hash(regclass) IS
'a hash of the settings of a hardened table';

CREATE FUNCTION _callhardening.table_pages(part regclass) RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT pg_relation_size(part) / current_setting('block_size')::int
$$;

COMMENT ON FUNCTION _callhardening.table_pages(regclass) IS
'number of pages that a table has now, those of long values left out';

CREATE FUNCTION _callhardening.begin_backfill(calls regclass, batch_size int) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    hardened regclass := calls;
    settings _callhardening.settings;
    elsewhere text;
    goes_on boolean;
BEGIN
    PERFORM _callhardening.require_calls_table(hardened);
    IF batch_size IS NULL OR batch_size NOT BETWEEN 1 AND 100000 THEN
        PERFORM _callhardening.raise_error('22023',
            format('batch_size must be 1 to 100000, not %s', coalesce(batch_size::text, 'NULL')));
    END IF;
    SELECT * INTO settings FROM @extschema@.call_settings(hardened);
    IF settings.call_id_column IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is not hardened', hardened),
            hint => 'Harden it with harden_calls first, so that no new row needs a repair. audit_calls shows what '
                'would be repaired.');
    END IF;
    PERFORM _callhardening.require_valid_settings(hardened, settings);

    SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text COLLATE "C") INTO elsewhere
    FROM pg_class AS c WHERE c.relkind = 'f' AND c.oid IN (SELECT relid FROM pg_partition_tree(hardened));
    IF elsewhere IS NOT NULL THEN
        PERFORM _callhardening.report('WARNING',
            format('backfill of table %s leaves out foreign tables among its partitions: %s',
            hardened, elsewhere),
            hint => 'Harden and backfill their tables at their servers.');
    END IF;

    UPDATE _callhardening.my_backfills SET is_obsolete = true WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = calls);
    goes_on := EXISTS (SELECT FROM _callhardening.my_backfills WHERE calls = hardened AND finished_at IS NULL);
    UPDATE _callhardening.my_backfills SET is_obsolete = true WHERE calls = hardened AND (NOT goes_on
        OR rules <> _callhardening.rules_hash(hardened) OR filenode IS DISTINCT FROM pg_relation_filenode(part)
        OR part NOT IN (SELECT _callhardening.table_leaves(hardened)));
    UPDATE _callhardening.my_backfills SET pid = pg_backend_pid(), batch_at = clock_timestamp() WHERE calls = hardened
        AND finished_at IS NULL;
    INSERT INTO _callhardening.my_backfills (calls, part, filenode, rules, pages)
    SELECT hardened, leaf, pg_relation_filenode(leaf), _callhardening.rules_hash(hardened),
        _callhardening.table_pages(leaf)
    FROM _callhardening.table_leaves(hardened) AS leaf
    ON CONFLICT DO NOTHING;
END
$$;

COMMENT ON FUNCTION _callhardening.begin_backfill(regclass, int) IS
'a part of backfill_calls: refuses what it cannot work on, and remembers what there is to do, or what is left of it';

CREATE FUNCTION _callhardening.qualified_name(relation regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- A regclass leaves the schema of a temporary table out, which the caller's path may have after others.
SELECT format('%s.%I', relnamespace::regnamespace, relname) FROM pg_class WHERE oid = relation
$$;

COMMENT ON FUNCTION _callhardening.qualified_name(regclass) IS
'the name of a relation for a statement run with another search path';

CREATE FUNCTION _callhardening.repaired_value(calls regclass, column_name name, member text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- A dropped column has no type: the statement says so then.
SELECT format('coalesce(CAST((f.repair).%s AS %s), c.%I)', member, coalesce((
    SELECT format('%I.%I', n.nspname, t.typname)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE a.attrelid = calls AND a.attname = column_name AND NOT a.attisdropped), 'pg_catalog.text'), column_name)
$$;

COMMENT ON FUNCTION _callhardening.repaired_value(regclass, name, text) IS
'a part of repair_statement: what it writes to a column, from a member of what repaired_row returns';

CREATE FUNCTION _callhardening.can_repair_move_rows(calls regclass, written name[]) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT EXISTS (
    SELECT FROM pg_partition_tree(calls) t JOIN pg_partitioned_table p ON p.partrelid = t.relid
    CROSS JOIN unnest(p.partattrs) AS k (attnum)
    WHERE k.attnum = 0 -- an expression
       OR k.attnum IN (SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = t.relid AND a.attname = ANY (written)))
$$;

COMMENT ON FUNCTION _callhardening.can_repair_move_rows(regclass, name[]) IS
'whether a row may belong to another partition after these columns are written';

CREATE FUNCTION _callhardening.repair_statement(calls regclass, part regclass, all_rows boolean) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings _callhardening.settings := @extschema@.call_settings(calls);
    written CONSTANT name[] := ARRAY[settings.status_column, settings.direction_column, settings.payload_column];
    status CONSTANT text := quote_ident(settings.status_column);
    direction CONSTANT text := quote_ident(settings.direction_column);
    payload CONSTANT text := quote_ident(settings.payload_column);
    rows_of_part CONSTANT text := 'ONLY ' || _callhardening.qualified_name(part);
    target text := rows_of_part;
    of_part text := '';
    written_since text := '';
BEGIN
    -- A row can move to another partition by the partitioned table alone.
    IF _callhardening.can_repair_move_rows(calls, written) THEN
        target := _callhardening.qualified_name(calls);
        of_part := format(' AND c.tableoid OPERATOR(pg_catalog.=) %s', part::oid);
    END IF;
    IF NOT all_rows THEN
        written_since := ' AND pg_catalog.age(xmin) OPERATOR(pg_catalog.<=)
            pg_catalog.age(CAST(CAST($1[3] AS pg_catalog.xid8) AS pg_catalog.xid))';
    END IF;
    RETURN '
WITH looked AS MATERIALIZED (
    SELECT ctid AS row_id, _callhardening.repaired_row(' || status || '::pg_catalog.text, '
        || direction || '::pg_catalog.text, ' || payload || '::pg_catalog.jsonb, '
        || format('CAST(%L AS pg_catalog.oid)::pg_catalog.regclass', part::oid) || ') AS repair
    FROM ' || rows_of_part || '
    WHERE ctid OPERATOR(pg_catalog.>=) CAST($1[1] AS pg_catalog.tid)
        AND ctid OPERATOR(pg_catalog.<=) CAST($1[2] AS pg_catalog.tid)' || written_since || '),
faulty AS MATERIALIZED (SELECT row_id, repair FROM looked WHERE NOT repair IS NULL),
free AS MATERIALIZED (
    SELECT ctid AS row_id FROM ' || rows_of_part || '
    WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT row_id FROM faulty)) FOR NO KEY UPDATE SKIP LOCKED),
repaired AS (
    UPDATE ' || target || ' AS c
    SET ' || status || ' = ' || _callhardening.repaired_value(calls, settings.status_column, 'status'::text) || ',
        ' || direction || ' = ' || _callhardening.repaired_value(calls, settings.direction_column, 'direction'::text)
            || ',
        ' || payload || ' = ' || _callhardening.repaired_value(calls, settings.payload_column, 'payload'::text) || '
    FROM faulty f
    WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT row_id FROM free))
        AND c.ctid OPERATOR(pg_catalog.=) f.row_id' || of_part || '
    RETURNING f.row_id)
SELECT (SELECT pg_catalog.count(*) FROM looked) AS looked_at,
    (SELECT pg_catalog.count(*) FROM repaired) AS repaired,
    ARRAY(SELECT row_id FROM faulty EXCEPT SELECT row_id FROM repaired) AS unwritten';
END
$$;

COMMENT ON FUNCTION _callhardening.repair_statement(regclass, regclass, boolean) IS
'the statement to repair the rows of a part of a table from place $1[1] to $1[2], without locked rows. It returns how '
'many rows it read, how many it repaired, and the places of those left. A row written since its snapshot is never '
'overwritten: once locked, a row at its place is the newest version. all_rows false: only what transactions from '
'$1[3] on have written';

CREATE FUNCTION _callhardening.row_ids(part regclass, first pg_catalog.tid, last pg_catalog.tid)
    RETURNS SETOF pg_catalog.tid
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN QUERY SELECT r.row_id FROM _callhardening.query_as_owner(part,
        format('SELECT ctid FROM ONLY %s WHERE ctid >= %L AND ctid <= %L', part, first, last),
        NULL::text[]) AS r (row_id tid);
END
$$;

COMMENT ON FUNCTION _callhardening.row_ids(regclass, pg_catalog.tid, pg_catalog.tid) IS
'a part of backfill_calls: where the rows of a part of the table are, from one place to another';

CREATE FUNCTION _callhardening.repair_rows(statement text, part regclass, first pg_catalog.tid, last pg_catalog.tid,
        written_since pg_catalog.xid8, OUT looked_at bigint, OUT repaired bigint, OUT unwritten pg_catalog.tid[],
        OUT failed bigint, OUT failed_with text)
    LANGUAGE plpgsql
    AS $$
DECLARE
    row_id pg_catalog.tid;
    one record;
BEGIN
    failed := 0;
    -- A deferred trigger cannot fire with the owner's rights, and its error would end the backfill.
    SET CONSTRAINTS ALL IMMEDIATE;
    FOR attempt IN 1 .. 5 LOOP
        BEGIN
            SELECT r.looked_at, r.repaired, r.unwritten INTO looked_at, repaired, unwritten
            FROM _callhardening.query_as_owner(part, statement,
                ARRAY[first::pg_catalog.text, last::pg_catalog.text, written_since::pg_catalog.text])
                AS r (looked_at pg_catalog.int8, repaired pg_catalog.int8, unwritten pg_catalog.tid[]);
            RETURN;
        EXCEPTION
            WHEN serialization_failure THEN
                -- A row has moved to another partition just now; the next snapshot sees it there.
                IF attempt OPERATOR(pg_catalog.=) 5 THEN
                    RAISE;
                END IF;
            -- These name whole classes: errors of what is in a row, or of what a constraint or a trigger thinks of it.
            WHEN data_exception OR integrity_constraint_violation OR triggered_data_change_violation
                OR with_check_option_violation
                OR program_limit_exceeded OR plpgsql_error THEN
                failed_with := SQLSTATE;
                EXIT;
        END;
    END LOOP;
    repaired := 0;
    unwritten := '{}'::pg_catalog.tid[];
    IF first OPERATOR(pg_catalog.=) last THEN
        looked_at := 1;
        failed := 1;
        RETURN;
    END IF;
    looked_at := 0;
    failed_with := NULL;
    FOR row_id IN SELECT p.row_id FROM _callhardening.row_ids(part, first, last) AS p (row_id) LOOP
        one := _callhardening.repair_rows(statement, part, row_id, row_id, written_since);
        looked_at := looked_at OPERATOR(pg_catalog.+) one.looked_at;
        repaired := repaired OPERATOR(pg_catalog.+) one.repaired;
        unwritten := unwritten OPERATOR(pg_catalog.||) one.unwritten;
        failed := failed OPERATOR(pg_catalog.+) one.failed;
        failed_with := coalesce(failed_with, one.failed_with);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.repair_rows(text, regclass, pg_catalog.tid, pg_catalog.tid, pg_catalog.xid8) IS
'a part of backfill_calls: runs the statement of repair_statement as the owner of the part (see query_as_owner); for '
'the owner with his own search path, since triggers of the table may need it. If it fails with an error of the data '
'(classes 22, 23, 27, 44, 54 and P0), row by row: failed is the number of failures, failed_with the SQLSTATE of the '
'first';

CREATE FUNCTION _callhardening.take_backfill(calls regclass) RETURNS _callhardening.backfills
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    backfill _callhardening.backfills;
BEGIN
    LOOP
        -- Sessions at work on one table take turns.
        SELECT * INTO backfill FROM _callhardening.my_backfills AS b WHERE b.calls = take_backfill.calls
            AND b.finished_at IS NULL
            ORDER BY b.part LIMIT 1 FOR UPDATE;
        IF NOT FOUND AND EXISTS (SELECT FROM _callhardening.my_backfills AS b WHERE b.calls = take_backfill.calls
            AND b.finished_at IS NULL) THEN
            CONTINUE; -- the other one has finished that part
        END IF;
        EXIT WHEN backfill.part IS NULL;
        IF backfill.part IN (SELECT _callhardening.table_leaves(calls)) THEN
            EXECUTE format('LOCK TABLE ONLY %s IN ROW EXCLUSIVE MODE', backfill.part);
            EXIT WHEN pg_relation_filenode(backfill.part) = backfill.filenode
                AND _callhardening.rules_hash(calls) = backfill.rules;
        END IF;
        -- A dropped partition, a rewritten table, or other rules.
        UPDATE _callhardening.my_backfills AS b SET is_obsolete = true
        WHERE b.calls = backfill.calls AND b.part = backfill.part;
        INSERT INTO _callhardening.my_backfills (calls, part, filenode, rules, pages)
        SELECT backfill.calls, leaf, pg_relation_filenode(leaf), _callhardening.rules_hash(calls),
            _callhardening.table_pages(leaf)
        FROM _callhardening.table_leaves(calls) AS leaf WHERE leaf = backfill.part;
    END LOOP;
    RETURN backfill;
END
$$;

COMMENT ON FUNCTION _callhardening.take_backfill(regclass) IS
'a part of backfill_calls: the part of the table worked on next, locked; NULL if all are finished';

CREATE FUNCTION _callhardening.end_backfill_pass(backfill _callhardening.backfills) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
UPDATE _callhardening.my_backfills AS b SET finished_at = clock_timestamp()
WHERE b.calls = backfill.calls AND b.part = backfill.part AND b.found = 0;
UPDATE _callhardening.my_backfills AS b SET pass = b.pass + 1, written_since = b.began,
    began = pg_snapshot_xmin(pg_current_snapshot()), page = 0,
    pages = _callhardening.table_pages(b.part), found = 0
WHERE b.calls = backfill.calls AND b.part = backfill.part AND b.found > 0;
$$;

COMMENT ON FUNCTION _callhardening.end_backfill_pass(_callhardening.backfills) IS
'a part of backfill_calls: begins another pass if the last one had something to repair';

CREATE FUNCTION _callhardening.lock_passed_row(backfill _callhardening.backfills) RETURNS pg_catalog.tid
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    row_id tid;
BEGIN
    SELECT r.row_id INTO row_id FROM _callhardening.query_as_owner(backfill.part,
        format('SELECT ctid FROM ONLY %s WHERE ctid = %L FOR NO KEY UPDATE', backfill.part, backfill.passed[1]),
        NULL::text[]) AS r (row_id tid);
    UPDATE _callhardening.my_backfills AS b SET passed = b.passed[2:]
    WHERE b.calls = backfill.calls AND b.part = backfill.part;
    RETURN row_id;
END
$$;

COMMENT ON FUNCTION _callhardening.lock_passed_row(_callhardening.backfills) IS
'a part of backfill_calls: waits for the first row locked by others, and returns its place; NULL if it was written or '
'deleted meanwhile: then it is for the next pass';

CREATE FUNCTION _callhardening.backfill_step(backfill _callhardening.backfills, batch_size int) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- Later passes look at few of the rows of a page.
SELECT greatest(batch_size * CASE backfill.pass WHEN 1 THEN 1 ELSE 10 END / greatest(coalesce(
    CASE WHEN backfill.pass = 1 AND backfill.page > 0 THEN backfill.looked_at / backfill.page::float8
        WHEN c.reltuples >= 0 AND c.relpages > 0 THEN c.reltuples / c.relpages END, 50), 1), 1)::bigint
FROM pg_class c WHERE c.oid = backfill.part
$$;

COMMENT ON FUNCTION _callhardening.backfill_step(_callhardening.backfills, int) IS
'a part of backfill_calls: how many pages have about batch_size rows';

CREATE FUNCTION _callhardening.next_backfill_batch(calls regclass, batch_size int, OUT part regclass,
        OUT first pg_catalog.tid, OUT last pg_catalog.tid, OUT next_page bigint, OUT written_since pg_catalog.xid8,
        OUT statement text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    most_passed CONSTANT int := 1000;
    b _callhardening.backfills;
BEGIN
    LOOP
        b := _callhardening.take_backfill(calls);
        EXIT WHEN b.part IS NULL;
        IF cardinality(b.passed) > 0 AND (b.page >= b.pages OR cardinality(b.passed) > most_passed) THEN
            first := _callhardening.lock_passed_row(b);
            last := first;
            EXIT WHEN first IS NOT NULL;
        ELSIF b.page < b.pages THEN
            next_page := least(b.page + _callhardening.backfill_step(b, batch_size), b.pages);
            first := format('(%s,0)', b.page)::tid;
            last := format('(%s,65535)', next_page - 1)::tid;
            written_since := b.written_since;
            EXIT;
        ELSE
            PERFORM _callhardening.end_backfill_pass(b);
        END IF;
    END LOOP;
    part := b.part;
    statement := _callhardening.repair_statement(calls, part, written_since IS NULL);
    IF part IS NOT NULL AND statement IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is no longer hardened', calls));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.next_backfill_batch(regclass, int) IS
'a part of backfill_calls: what comes next: some pages, or (next_page NULL) a row locked by others before and by us '
'now; part NULL: nothing is left to do';

CREATE FUNCTION _callhardening.end_backfill_batch(calls regclass, part regclass, next_page bigint, looked_at bigint,
        repaired bigint, unwritten pg_catalog.tid[], failed bigint, failed_with text)
    RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
UPDATE _callhardening.my_backfills AS b SET page = coalesce(next_page, b.page),
    found = b.found + CASE WHEN next_page IS NULL THEN 0
        ELSE end_backfill_batch.repaired + cardinality(end_backfill_batch.unwritten) END,
    passed = CASE WHEN next_page IS NULL THEN b.passed ELSE b.passed || end_backfill_batch.unwritten END,
    -- What fails is not tried again.
    unwritten = b.unwritten + failed + CASE WHEN next_page IS NULL THEN cardinality(end_backfill_batch.unwritten)
        ELSE 0 END,
    failed_with = coalesce(b.failed_with, end_backfill_batch.failed_with),
    looked_at = b.looked_at + CASE WHEN next_page IS NULL OR b.pass > 1 THEN 0 ELSE end_backfill_batch.looked_at END,
    repaired = b.repaired + end_backfill_batch.repaired,
    -- From one batch of this session to the next, so that commits count.
    busy = b.busy + (clock_timestamp() - CASE b.pid WHEN pg_backend_pid() THEN b.batch_at
        ELSE transaction_timestamp() END),
    batch_at = clock_timestamp(), pid = pg_backend_pid()
WHERE b.calls = end_backfill_batch.calls AND b.part = end_backfill_batch.part
$$;

COMMENT ON FUNCTION _callhardening.end_backfill_batch(regclass, regclass, bigint, bigint, bigint, pg_catalog.tid[],
    bigint, text) IS
'a part of backfill_calls: remembers how far it got, in the transaction of the rows';

-- NULLIF cannot name its operator: between two values of one type it is that of pg_catalog, also beside other
-- operators.
CREATE VIEW @extschema@.call_backfill_progress AS
SELECT b.calls, b.part, b.pass,
    CASE WHEN b.finished_at IS NOT NULL THEN 'finished'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid OPERATOR(pg_catalog.=) b.pid
            AND a.state OPERATOR(pg_catalog.=) 'active' AND a.query_start OPERATOR(pg_catalog.<=) b.batch_at)
                THEN 'running'
        ELSE 'interrupted' END AS state,
    b.looked_at AS rows_done,
    CASE WHEN b.pass OPERATOR(pg_catalog.>) 1 OR b.finished_at IS NOT NULL THEN 0
        WHEN b.page OPERATOR(pg_catalog.>) 0 THEN (b.looked_at::float8 OPERATOR(pg_catalog./) b.page::float8
            OPERATOR(pg_catalog.*) (b.pages OPERATOR(pg_catalog.-) b.page)::float8)::bigint
        ELSE NULLIF(c.reltuples, '-1'::real)::bigint END AS rows_left,
    (b.looked_at::float8 OPERATOR(pg_catalog./) NULLIF(pg_catalog.date_part('epoch', b.busy), 0::float8))::numeric(20,
        1) AS rows_per_second,
    b.repaired AS rows_repaired, b.unwritten AS rows_unwritten, pg_catalog.cardinality(b.passed) AS rows_locked,
    b.page AS pages_done, b.pages, b.pid, b.started_at, b.batch_at, b.finished_at
FROM _callhardening.backfills b JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) b.part::oid
    AND pg_catalog.pg_relation_filenode(c.oid) OPERATOR(pg_catalog.=) b.filenode;
REVOKE ALL ON @extschema@.call_backfill_progress FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_backfill_progress', 'SELECT'),
    ('monitor', 'call_backfill_progress', 'SELECT'),
    ('own', 'call_backfill_progress', 'SELECT');

COMMENT ON VIEW @extschema@.call_backfill_progress IS
'How far backfill_calls is, or was when it ended: a row per table or partition, until the table
is backfilled again. An interrupted backfill continues at the next call.';
COMMENT ON COLUMN @extschema@.call_backfill_progress.calls IS 'the hardened table';
COMMENT ON COLUMN @extschema@.call_backfill_progress.part IS 'a partition, or the table itself';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_repaired IS 'rows written';
COMMENT ON COLUMN @extschema@.call_backfill_progress.pages_done IS 'pages of the present pass that were looked at';
COMMENT ON COLUMN @extschema@.call_backfill_progress.pages IS 'how many pages there were when the pass began';
COMMENT ON COLUMN @extschema@.call_backfill_progress.pid IS
'process id of the session at work on it, or of the last one';
COMMENT ON COLUMN @extschema@.call_backfill_progress.started_at IS 'when the first batch began';
COMMENT ON COLUMN @extschema@.call_backfill_progress.batch_at IS 'when the last batch ended';
COMMENT ON COLUMN @extschema@.call_backfill_progress.finished_at IS
'when the last pass ended; NULL: it runs, or was interrupted';
COMMENT ON COLUMN @extschema@.call_backfill_progress.pass IS
'1 looks at all rows, the further ones at what was written meanwhile';
COMMENT ON COLUMN @extschema@.call_backfill_progress.state IS 'running, interrupted or finished';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_done IS 'rows looked at in the first pass';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_left IS 'rows still to come, estimated; NULL: not known yet';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_per_second IS
'rows looked at, by the time of batches, later passes included; NULL: none has ended';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_unwritten IS
'rows that need a repair, which a trigger of the table has suppressed or which failed';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_locked IS
'rows locked by others: the pass waits for them at its end';

CREATE FUNCTION _callhardening.report_backfill(calls regclass, told timestamptz) RETURNS timestamptz
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    done record;
BEGIN
    IF clock_timestamp() < told + interval '10 seconds' THEN
        RETURN told;
    END IF;
    SELECT sum(b.looked_at) AS looked_at, sum(b.repaired) AS repaired, sum(b.unwritten) AS unwritten,
        (array_agg(b.failed_with ORDER BY b.part) FILTER (WHERE b.failed_with IS NOT NULL))[1] AS failed_with,
        bool_and(b.finished_at IS NOT NULL) AS is_over,
        sum(CASE
            WHEN b.pass = 1 AND b.page > 0 THEN b.looked_at::float8 / b.page * (b.pages - b.page)
            WHEN b.pass = 1 THEN greatest(c.reltuples, 0)
            ELSE 0 END)::bigint AS rows_left,
        (sum(b.looked_at) / nullif(date_part('epoch', sum(b.busy)), 0))::bigint AS per_second
    INTO done FROM _callhardening.my_backfills b JOIN pg_class c ON c.oid = b.part
    WHERE b.calls = report_backfill.calls;
    IF NOT done.is_over THEN
        IF told IS NULL THEN
            RETURN clock_timestamp();
        END IF;
        PERFORM _callhardening.report('NOTICE',
            format('backfill of table %s: %s rows done, about %s left, %s per second, %s repaired',
                calls, done.looked_at, done.rows_left, done.per_second, done.repaired));
    ELSE
        PERFORM _callhardening.report('NOTICE', format('backfill of table %s is finished: %s rows done, %s repaired',
            calls, done.looked_at, done.repaired));
        IF done.unwritten > 0 THEN
            PERFORM _callhardening.report('WARNING',
                format('%s rows of table %s could not be repaired', done.unwritten, calls),
                detail => coalesce('The first one that failed did so with SQLSTATE ' || done.failed_with || '.',
                    'A trigger of the table suppresses their UPDATE.'));
        END IF;
    END IF;
    RETURN clock_timestamp();
END
$$;

COMMENT ON FUNCTION _callhardening.report_backfill(regclass, timestamptz) IS
'a part of backfill_calls: a NOTICE every 10 seconds, and one at the end; told: when the last one was';

-- A procedure with COMMIT can have no search_path of its own: so nothing here needs one.
CREATE PROCEDURE @extschema@.backfill_calls(calls regclass, batch_size int DEFAULT 1000)
    LANGUAGE plpgsql
    AS $$
DECLARE
    batch record;
    result record;
    told pg_catalog.timestamptz;
BEGIN
    PERFORM _callhardening.begin_backfill(calls, batch_size);
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        batch := _callhardening.next_backfill_batch(calls, batch_size);
        EXIT WHEN batch.part IS NULL;
        result := _callhardening.repair_rows(batch.statement, batch.part, batch.first, batch.last, batch.written_since);
        PERFORM _callhardening.end_backfill_batch(calls, batch.part, batch.next_page, result.looked_at,
            result.repaired, result.unwritten,
            result.failed, result.failed_with);
        told := _callhardening.report_backfill(calls, told);
    END LOOP;
    PERFORM _callhardening.report_backfill(calls, NULL::pg_catalog.timestamptz);
END
$$;
REVOKE EXECUTE ON PROCEDURE @extschema@.backfill_calls(regclass, int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'backfill_calls');

COMMENT ON PROCEDURE @extschema@.backfill_calls(regclass, int) IS
'Repairs existing rows of a hardened table, in short transactions. Other spellings and providers''
words become the canonical ones. Payloads are sanitized by the table''s policy. Unknown words
stay.

Each transaction remembers how far it got: after a cancel, an error or a crash, call it again.
Rows locked by others come at the end, one by one, and the procedure waits for them. If the
repair of a row fails with an error of the data (classes 22, 23, 27, 44, 54 and P0), the row
stays as it is, and a WARNING at the end tells how many. NOTICEs and call_backfill_progress show
the progress. Foreign tables among the partitions are left out, with a WARNING.

The table''s own triggers fire, with the rights of its owner. If another role calls this, such as
a superuser, they run in a security-restricted operation with the search path pg_catalog.
- batch_size: about so many rows in a transaction, 1 to 100000, at least those of one page
Errors:
- 22004: an argument is NULL
- 22023: batch_size out of range
- 2D000: inside a transaction block or a function
- 42501: the caller is not the owner
- 42703: a column of the settings is gone
- 42809: it is no table, or a partition of a hardened one
- 55000: the table is not hardened
- 55P03: lock_timeout was over';

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

-- the shapes of bodies --------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_event_shape(provider text) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_event_shape';

COMMENT ON FUNCTION @extschema@.call_event_shape(text) IS
'Returns the document that says where the bodies of a provider have each value. The event logs of
this provider use it. Returns NULL for NULL, and for a provider whose events cannot be read
(call_providers).
Errors:
- 22023: the provider is unknown; HINT has the nearest name';

CREATE FUNCTION @extschema@.explain_call_event(body text, provider text DEFAULT NULL, shape jsonb DEFAULT NULL,
        log regclass DEFAULT NULL)
    RETURNS TABLE (field text, path text, value text, outcome text)
    LANGUAGE c STABLE ROWS 50
    AS 'MODULE_PATHNAME', 'callhardening_explain_call_event';

COMMENT ON FUNCTION @extschema@.explain_call_event(text, text, jsonb, regclass) IS
'Shows which value an event log finds where in a body, what the words mean, and what the event
would do. Nothing is written. A row for each form up to the one that fits, and for each
candidate of a field up to the one with a value. Then a row for the status and the direction
that the words have at the provider, one for the event, and one for each changed column of its
call. No rows for a NULL body. Give a provider, a shape or a log.
- log: its shape, its provider and its calls table count, with the row of the call as it is;
  NULL: the call has no row, and its table any column
- path: NULL for a constant
Errors:
- 22023: an unknown provider, one without a shape, none of provider, shape and log, or a
  malformed shape, with the place of the mistake
- 22P02: the body is no JSON
- 42501: no SELECT on the calls table
- 53200: no memory
- 54000: a shape above 64 kB
- 55000: it is no event log, or its calls table takes no event';

-- consumer -------------------------------------------------------------------------------------
--
-- Every log has a default consumer, under the number of the log. The numbers of the others come from the same
-- sequence, since a claim id has room for one number.

CREATE TABLE _callhardening.consumers (
    consumer_id int CONSTRAINT consumers_pkey PRIMARY KEY CHECK (consumer_id BETWEEN 1 AND 16383),
    log_id int NOT NULL,
    name name NOT NULL CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    max_attempts int CHECK (max_attempts BETWEEN 1 AND 1000000),
    retry_base interval CHECK (retry_base BETWEEN interval '0' AND interval '365 days'),
    retry_cap interval CHECK (retry_cap BETWEEN interval '0' AND interval '365 days'),
    max_retrying int CHECK (max_retrying BETWEEN 1 AND 1000000),
    CONSTRAINT consumers_name_key UNIQUE (log_id, name)
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.consumers', '');
REVOKE ALL ON _callhardening.consumers FROM PUBLIC;

COMMENT ON TABLE _callhardening.consumers IS
'the consumers of each log. Each consumer has positions, claims, retries and dead events of its own';
COMMENT ON COLUMN _callhardening.consumers.consumer_id IS 'a number in claim ids; the default consumer has its log''s';
COMMENT ON COLUMN _callhardening.consumers.max_attempts IS
'NULL: as the log has it (call_event_logs), like the three below; the default consumer always has its log''s';

-- Not dumped: the counts of a restored log begin anew. Rows are written by src/pg/shared/counters.cpp at a commit, at
-- most once a minute for a consumer.
CREATE TABLE _callhardening.counts (
    consumer_id int CONSTRAINT counts_pkey PRIMARY KEY,
    counted_since timestamptz NOT NULL,
    numbers bigint[] NOT NULL
) WITH (fillfactor = 50);
REVOKE ALL ON _callhardening.counts FROM PUBLIC;

COMMENT ON TABLE _callhardening.counts IS
'what call_event_counts and call_event_lag show, without what was counted since the last row was written. numbers: in '
'the order of Counter in src/pg/shared/counters.hpp';

CREATE FUNCTION _callhardening.drop_counts(events regclass, consumers int[]) RETURNS void
    LANGUAGE c STRICT
    AS 'MODULE_PATHNAME', 'callhardening_drop_counts';
REVOKE EXECUTE ON FUNCTION _callhardening.drop_counts(regclass, int[]) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.drop_counts(regclass, int[]) IS
'forgets the counts of a dropped log: of its number, and of its consumers'' numbers';

CREATE FUNCTION @extschema@.create_call_consumer(log regclass, consumer name, from_beginning boolean DEFAULT false)
    RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_create_call_consumer';
REVOKE EXECUTE ON FUNCTION @extschema@.create_call_consumer(regclass, name, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'create_call_consumer'), ('operate', 'create_call_consumer');

COMMENT ON FUNCTION @extschema@.create_call_consumer(regclass, name, boolean) IS
'Adds a consumer to an event log. Each consumer gets every event for itself, with positions,
claims, retries and dead events of its own. A purge takes only what all consumers have settled.
Workers name the consumer: claim_call_events(consumer => ...). A log and all logs together can
have some 16000.
- log: NULL is an error
- from_beginning: false or NULL: it gets the events committed from now on; true: all events that
  are kept
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: no log or consumer
- 22023: the name is empty
- 25006: on a standby, or in a read-only transaction
- 42501: the caller is not the owner of the log, and has not SELECT and DELETE on it
- 42710: the log has such a consumer
- 55000: no such log';

CREATE FUNCTION @extschema@.drop_call_consumer(log regclass, consumer name) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_drop_call_consumer';
REVOKE EXECUTE ON FUNCTION @extschema@.drop_call_consumer(regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'drop_call_consumer'), ('operate', 'drop_call_consumer');

COMMENT ON FUNCTION @extschema@.drop_call_consumer(regclass, name) IS
'Removes a consumer of an event log, with its positions, claims, retries and dead events. Its
claims become unknown, and its events no longer hold purges back. The default consumer stays.
Waits for transactions that work on its events.
- log: NULL is an error
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: no log or consumer
- 25006: on a standby, or in a read-only transaction
- 2BP01: it is the default consumer
- 42501: the caller is not the owner of the log, and has not SELECT and DELETE on it
- 42704: no such consumer
- 55000: no such log';

CREATE FUNCTION @extschema@.seek_call_consumer(log regclass, consumer name,
        received_at timestamptz DEFAULT NULL, event_seq bigint DEFAULT NULL)
    RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_seek_call_consumer';
REVOKE EXECUTE ON FUNCTION @extschema@.seek_call_consumer(regclass, name, timestamptz, bigint) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'seek_call_consumer'), ('operate', 'seek_call_consumer');

COMMENT ON FUNCTION @extschema@.seek_call_consumer(regclass, name, timestamptz, bigint) IS
'Moves a consumer of an event log to a time or to an event. Give one of received_at and
event_seq. Its open claims become stale, its retries are forgotten, and dead events that come
again get new attempts. If another client has marked an event (processed_at_column), the default
consumer does not get it again. Waits for transactions that work on its events. Reads the log
once, unless received_at is infinite.
- log: NULL is an error
- consumer: NULL or default is the one of process_call_events
- received_at: the consumer gets the kept events received at this time or later; -infinity: all
  kept events; infinity: only events committed from now on
- event_seq: the kept events with this number or a higher one. Some earlier events of concurrent
  transactions can come too: delivery is at least once.
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: no log
- 22023: not one of the two, or event_seq below 1
- 25006: on a standby, or in a read-only transaction
- 42501: the caller is not the owner of the log, and has not SELECT and DELETE on it
- 42704: no such consumer
- 55000: no such log, or received_at is given and the log has no column for it
- 55006: called by a trigger while events are applied, completed or purged';

-- event log ------------------------------------------------------------------------------------
--
-- An event log is a table that is only ever appended to. What is remembered about it is appended too, here:
-- nothing that a worker does updates a row, so an old snapshot that somebody holds costs the workers nothing.
-- Keys are found by their names, so they are named: one that is taken ends CREATE EXTENSION, and gives us no other.

CREATE TABLE _callhardening.logs (
    log_id int GENERATED ALWAYS AS IDENTITY CONSTRAINT logs_pkey PRIMARY KEY CHECK (log_id BETWEEN 1 AND 16383),
    events regclass NOT NULL CONSTRAINT logs_events_key UNIQUE,
    calls regclass NOT NULL,
    provider text NOT NULL,
    lanes int NOT NULL CHECK (lanes BETWEEN 1 AND 1024),
    first_lane int NOT NULL DEFAULT 0,
    system_identifier bigint NOT NULL,
    adopted pg_catalog.pg_snapshot,
    notify boolean NOT NULL DEFAULT false,
    max_attempts int NOT NULL DEFAULT 5 CHECK (max_attempts BETWEEN 1 AND 1000000),
    retry_base interval NOT NULL DEFAULT '1 second' CHECK (retry_base BETWEEN interval '0' AND interval '365 days'),
    retry_cap interval NOT NULL DEFAULT '15 minutes' CHECK (retry_cap BETWEEN interval '0' AND interval '365 days'),
    max_retrying int NOT NULL DEFAULT 1000 CHECK (max_retrying BETWEEN 1 AND 1000000),
    signed boolean NOT NULL DEFAULT false,
    payload_column name NOT NULL DEFAULT 'payload',
    event_type_column name DEFAULT 'event_type',
    received_at_column name DEFAULT 'received_at',
    processed_at_column name,
    carry name[] NOT NULL DEFAULT '{}',
    sequence regclass,
    -- NULL and not false, so that a plain unique key keeps it to one log.
    is_default boolean CHECK (is_default) CONSTRAINT logs_is_default_key UNIQUE,
    ignored_event_types text[] NOT NULL DEFAULT '{}',
    ignored_members text[] NOT NULL DEFAULT '{}',
    settled_marks pg_catalog.xid8[] NOT NULL DEFAULT '{}',
    shape jsonb,
    is_of_changes boolean NOT NULL DEFAULT false,
    -- As in consumers: a session reads them with the log.
    other_consumers int[] NOT NULL DEFAULT '{}',
    CONSTRAINT logs_of_changes CHECK (NOT is_of_changes OR is_default IS NULL AND provider = 'call_changes')
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.logs', '');
SELECT pg_catalog.pg_extension_config_dump('_callhardening.logs_log_id_seq', '');
REVOKE ALL ON _callhardening.logs FROM PUBLIC;
GRANT SELECT ON _callhardening.logs TO PUBLIC;

COMMENT ON TABLE _callhardening.logs IS 'what call_event_logs shows';

CREATE VIEW @extschema@.call_event_logs AS SELECT * FROM _callhardening.logs;
REVOKE ALL ON @extschema@.call_event_logs FROM PUBLIC;
GRANT SELECT ON @extschema@.call_event_logs TO PUBLIC;

COMMENT ON VIEW @extschema@.call_event_logs IS
'The event logs of this database, their tables of calls and their settings.
configure_call_event_log changes the settings.';
COMMENT ON COLUMN @extschema@.call_event_logs.log_id IS 'the number of the log: other views have it too';
COMMENT ON COLUMN @extschema@.call_event_logs.events IS 'the event log';
COMMENT ON COLUMN @extschema@.call_event_logs.calls IS 'the calls table of its events; -: it was dropped';
COMMENT ON COLUMN @extschema@.call_event_logs.provider IS
'the source of these events: decides on the places of values and the meaning of words';
COMMENT ON COLUMN @extschema@.call_event_logs.lanes IS
'number of lanes: claim_call_events takes events of at most an eighth of them';
COMMENT ON COLUMN @extschema@.call_event_logs.first_lane IS
'number of the first of these lanes: after a restore into another cluster the log goes on in fresh ones';
COMMENT ON COLUMN @extschema@.call_event_logs.system_identifier IS
'the cluster of the lanes'' transaction ids (see pg_control_system); 0: the log was restored from a dump, and nothing '
'has been claimed since';
COMMENT ON COLUMN @extschema@.call_event_logs.adopted IS
'what had ended when the log was taken over from another cluster; NULL: nothing is left to do in lanes before '
'first_lane';
COMMENT ON COLUMN @extschema@.call_event_logs.notify IS
'whether new events are notified on the channel callhardening_<log_id>';
COMMENT ON COLUMN @extschema@.call_event_logs.max_attempts IS 'after so many failures an event is dead';
COMMENT ON COLUMN @extschema@.call_event_logs.retry_base IS
'the first retry comes within this time, each further one within twice the time of the one before';
COMMENT ON COLUMN @extschema@.call_event_logs.retry_cap IS 'no retry comes later than this';
COMMENT ON COLUMN @extschema@.call_event_logs.max_retrying IS
'with so many events retrying or blocked in a lane, it takes no new ones: in an outage, the backlog stays where it is';
COMMENT ON COLUMN @extschema@.call_event_logs.signed IS
'true: only signed bodies are taken. Dumped, unlike the secrets: a restored log refuses every body until '
'set_call_event_secret is called again';
COMMENT ON COLUMN @extschema@.call_event_logs.payload_column IS 'the column of events with the bodies';
COMMENT ON COLUMN @extschema@.call_event_logs.event_type_column IS
'the one with what the provider says beside the body; NULL: there is none, as for the two below';
COMMENT ON COLUMN @extschema@.call_event_logs.received_at_column IS 'the one with the time of receipt';
COMMENT ON COLUMN @extschema@.call_event_logs.processed_at_column IS
'the one set after an event was processed, by this extension or by other clients of the table';
COMMENT ON COLUMN @extschema@.call_event_logs.carry IS 'columns copied from an event to the new row of its call';
COMMENT ON COLUMN @extschema@.call_event_logs.sequence IS
'numbers the events of an existing table (harden_call_events); NULL: the column event_seq has a default';
COMMENT ON COLUMN @extschema@.call_event_logs.is_default IS
'true: the log of functions called without one; NULL: another log is, or none. The first log is the default, until '
'configure_call_event_log chooses another';
COMMENT ON COLUMN @extschema@.call_event_logs.ignored_event_types IS
'events of these types are no calls: they are settled when they are appended';
COMMENT ON COLUMN @extschema@.call_event_logs.ignored_members IS 'and so are bodies with one of these members';
COMMENT ON COLUMN @extschema@.call_event_logs.settled_marks IS
'marks of data-only restores in event_xid, if their events are done';
COMMENT ON COLUMN @extschema@.call_event_logs.other_consumers IS
'numbers of the consumers beside the default one (call_consumers)';
COMMENT ON COLUMN @extschema@.call_event_logs.shape IS
'the shape of the bodies, as configure_call_event_log was given it; NULL: that of the provider (call_event_shape)';
COMMENT ON COLUMN @extschema@.call_event_logs.is_of_changes IS
'true: the events are the changes of the calls table, and not webhooks (create_call_changes)';

CREATE TABLE _callhardening.lanes (
    consumer_id int NOT NULL,
    lane int NOT NULL,
    CONSTRAINT lanes_pkey PRIMARY KEY (consumer_id, lane)
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.lanes', '');
REVOKE ALL ON _callhardening.lanes FROM PUBLIC;

COMMENT ON TABLE _callhardening.lanes IS
'one row per lane of a log and consumer: locked while the lane is claimed, never updated';

-- Rows are written by key, without a look at constraints, by the functions alone; the columns count from 1 in
-- src/pg/log/lane.cpp. Autovacuum comes when some thousand records are gone, however many there are.
CREATE TABLE _callhardening.claims (
    consumer_id int NOT NULL,
    lane int NOT NULL,
    record_no bigint NOT NULL,
    state text NOT NULL,
    done_snapshot pg_catalog.pg_snapshot NOT NULL,
    window_snapshot pg_catalog.pg_snapshot,
    read_xid pg_catalog.xid8,
    read_seq bigint,
    redelivered_to_xid pg_catalog.xid8,
    redelivered_to_seq bigint,
    redeliveries int NOT NULL,
    claim_id bigint,
    is_retry boolean NOT NULL,
    to_xid pg_catalog.xid8,
    to_seq bigint,
    is_window_end boolean NOT NULL,
    events int NOT NULL,
    worker text,
    claimed_at timestamptz NOT NULL,
    lease_end timestamptz,
    CONSTRAINT claims_pkey PRIMARY KEY (consumer_id, lane, record_no)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.claims', '');
REVOKE ALL ON _callhardening.claims FROM PUBLIC;

COMMENT ON TABLE _callhardening.claims IS
'what happened to each lane of a consumer: the record with the highest record_no of a lane is its truth, the last 64 '
'at least are kept';
COMMENT ON COLUMN _callhardening.claims.state IS
'claimed or renewed: a claim is open; completed, released or moved (on, without events): none is';
COMMENT ON COLUMN _callhardening.claims.done_snapshot IS 'every event of the lane in this snapshot is done';
COMMENT ON COLUMN _callhardening.claims.window_snapshot IS
'the window being read: what this snapshot sees and done_snapshot does not; NULL between two windows';
COMMENT ON COLUMN _callhardening.claims.read_xid IS 'with read_seq: the last done event of the window';
COMMENT ON COLUMN _callhardening.claims.redelivered_to_xid IS
'with redelivered_to_seq: events of the window up to here were handed out before';
COMMENT ON COLUMN _callhardening.claims.redeliveries IS 'how often, without released claims';
COMMENT ON COLUMN _callhardening.claims.claim_id IS 'the claim of the record';
COMMENT ON COLUMN _callhardening.claims.is_retry IS 'the claim is of retrying events, and not of a range of the lane';
COMMENT ON COLUMN _callhardening.claims.to_xid IS 'with to_seq: the last event of the claim''s range';
COMMENT ON COLUMN _callhardening.claims.is_window_end IS 'nothing comes after it in the window';
COMMENT ON COLUMN _callhardening.claims.events IS 'number of events handed out with the claim';
COMMENT ON COLUMN _callhardening.claims.worker IS 'the worker';
COMMENT ON COLUMN _callhardening.claims.lease_end IS
'of an open claim: when others may take over what it has not completed; -infinity: at once, as it was its '
'transaction''s. completed or released: when the claim ended';

CREATE FUNCTION _callhardening.attempts_without_errors(errors jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('at', a.attempt -> 'at', 'worker', a.attempt -> 'worker',
    'sqlstate', a.attempt -> 'sqlstate')) ORDER BY a.number)
FROM jsonb_array_elements(errors) WITH ORDINALITY AS a (attempt, number)
$$;

COMMENT ON FUNCTION _callhardening.attempts_without_errors(jsonb) IS
'failed attempts as the views show them to a reader without quoted_bodies: without the messages';

CREATE TABLE _callhardening.retrying_events (
    consumer_id int NOT NULL,
    lane int NOT NULL,
    event_seq bigint NOT NULL,
    event_xid pg_catalog.xid8 NOT NULL,
    call_id text NOT NULL,
    attempts int NOT NULL,
    lease_expiries int NOT NULL,
    due_at timestamptz,
    claim_id bigint,
    waiting_since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    errors jsonb,
    lock_waits int NOT NULL DEFAULT 0,
    CONSTRAINT retrying_events_pkey PRIMARY KEY (consumer_id, lane, event_seq)
);
CREATE INDEX idx_retrying_events_due ON _callhardening.retrying_events (consumer_id, due_at);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.retrying_events', '');
REVOKE ALL ON _callhardening.retrying_events FROM PUBLIC;

COMMENT ON TABLE _callhardening.retrying_events IS 'what call_retrying_events shows';

CREATE VIEW @extschema@.call_retrying_events AS
SELECT (SELECT c.log_id FROM _callhardening.consumers c
           WHERE c.consumer_id OPERATOR(pg_catalog.=) e.consumer_id) AS log_id,
       (SELECT c.name FROM _callhardening.consumers c
           WHERE c.consumer_id OPERATOR(pg_catalog.=) e.consumer_id) AS consumer,
       e.lane, e.event_seq, e.event_xid,
       CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
           THEN e.call_id ELSE _callhardening.row_sample(e.call_id, NULL::text) END AS call_id,
       e.attempts, e.lease_expiries, e.due_at, e.claim_id, e.waiting_since,
       CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
           THEN e.errors ELSE _callhardening.attempts_without_errors(e.errors) END AS errors,
       e.lock_waits
FROM _callhardening.retrying_events e;
REVOKE ALL ON @extschema@.call_retrying_events FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_retrying_events', 'SELECT'), ('monitor', 'call_retrying_events', 'SELECT');

COMMENT ON VIEW @extschema@.call_retrying_events IS
'Events waiting to be tried again, and events of the same calls blocked behind them. Their bodies
are in the event log.';
COMMENT ON COLUMN @extschema@.call_retrying_events.log_id IS 'the log (call_event_logs)';
COMMENT ON COLUMN @extschema@.call_retrying_events.lane IS 'the lane of the event';
COMMENT ON COLUMN @extschema@.call_retrying_events.event_seq IS 'the number of the event in its log';
COMMENT ON COLUMN @extschema@.call_retrying_events.waiting_since IS
'when it failed first, was blocked, or came back from the dead events';
COMMENT ON COLUMN @extschema@.call_retrying_events.consumer IS 'the consumer of the log whose attempt failed';
COMMENT ON COLUMN @extschema@.call_retrying_events.event_xid IS
'the transaction of the event''s INSERT: events of a call go by it, and then by event_seq; 0: not known here, as the '
'event was restored or had been dead, and goes by event_seq alone';
COMMENT ON COLUMN @extschema@.call_retrying_events.attempts IS
'how often the event was handed out, without released claims';
COMMENT ON COLUMN @extschema@.call_retrying_events.lease_expiries IS
'how often its worker was lost; from 2 on it is handed out alone, as it is in its last attempt';
COMMENT ON COLUMN @extschema@.call_retrying_events.due_at IS
'when it is tried again; NULL: when the events before it are done with';
COMMENT ON COLUMN @extschema@.call_retrying_events.claim_id IS 'its present claim';
COMMENT ON COLUMN @extschema@.call_retrying_events.call_id IS
'the call. A reader with only the task monitor sees at most 40 letters, digits, spaces, ., _ and -, and of anything '
'else the length';
COMMENT ON COLUMN @extschema@.call_retrying_events.errors IS
'the last 10 failed attempts: at, worker, sqlstate, error. A reader with only the task monitor sees no error';
COMMENT ON COLUMN @extschema@.call_retrying_events.lock_waits IS
'how often process_call_events met a locked row for it, without an attempt. 0: the event does not wait for a row';

CREATE FUNCTION _callhardening.why_no_lane(lane int) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_why_no_lane';

COMMENT ON FUNCTION _callhardening.why_no_lane(int) IS
'the error of an event with a negative event_lane, the same in call_dead_events and call_issues; NULL for other '
'numbers';

CREATE TABLE _callhardening.dead_events (
    consumer_id int NOT NULL,
    event_seq bigint NOT NULL,
    lane int NOT NULL,
    call_id text,
    attempts int NOT NULL DEFAULT 0,
    sqlstate text,
    error text NOT NULL,
    errors jsonb,
    died_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CONSTRAINT dead_events_pkey PRIMARY KEY (consumer_id, event_seq)
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.dead_events', '');
REVOKE ALL ON _callhardening.dead_events FROM PUBLIC;

COMMENT ON TABLE _callhardening.dead_events IS 'what call_dead_events shows';

CREATE VIEW @extschema@.call_dead_events AS
SELECT (SELECT c.log_id FROM _callhardening.consumers c
           WHERE c.consumer_id OPERATOR(pg_catalog.=) e.consumer_id) AS log_id,
       (SELECT c.name FROM _callhardening.consumers c
           WHERE c.consumer_id OPERATOR(pg_catalog.=) e.consumer_id) AS consumer,
       e.event_seq, e.lane,
       CASE WHEN e.call_id IS NULL
           OR pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
           THEN e.call_id ELSE _callhardening.row_sample(e.call_id, NULL::text) END AS call_id,
       e.attempts, e.sqlstate,
       CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
           THEN e.error WHEN e.lane OPERATOR(pg_catalog.<) 0 THEN _callhardening.why_no_lane(e.lane) END AS error,
       CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
           THEN e.errors ELSE _callhardening.attempts_without_errors(e.errors) END AS errors,
       e.died_at
FROM _callhardening.dead_events e;
REVOKE ALL ON @extschema@.call_dead_events FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_dead_events', 'SELECT'), ('monitor', 'call_dead_events', 'SELECT');

COMMENT ON VIEW @extschema@.call_dead_events IS
'Events given up after their last attempt, and why. Their bodies are in the event log, under the
same event_seq. retry_dead_call_events gives them another chance.';
COMMENT ON COLUMN @extschema@.call_dead_events.log_id IS 'the log (call_event_logs)';
COMMENT ON COLUMN @extschema@.call_dead_events.event_seq IS 'the number of the event in its log';
COMMENT ON COLUMN @extschema@.call_dead_events.died_at IS 'when it was given up';
COMMENT ON COLUMN @extschema@.call_dead_events.consumer IS
'the consumer of the log that gave it up; default: also events without a call';
COMMENT ON COLUMN @extschema@.call_dead_events.lane IS 'below 0: the event has no call, and no worker can take it';
COMMENT ON COLUMN @extschema@.call_dead_events.attempts IS 'how often it was handed out';
COMMENT ON COLUMN @extschema@.call_dead_events.sqlstate IS 'of the last error, if process_call_events met it';
COMMENT ON COLUMN @extschema@.call_dead_events.error IS
'the last error, up to 1000 bytes: what a worker said, or what was raised by the calls table. NULL: the reader has '
'only the task monitor';
COMMENT ON COLUMN @extschema@.call_dead_events.call_id IS
'as in call_retrying_events. NULL: the event names no call';
COMMENT ON COLUMN @extschema@.call_dead_events.errors IS
'the last 10 failed attempts, as in call_retrying_events';

-- Every session and the next start of the server have to find what is in an event log.
CREATE FUNCTION _callhardening.require_log_tables(events regclass, calls regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    class pg_class;
BEGIN
    SELECT * INTO class FROM pg_class WHERE oid = calls;
    IF class.relpersistence = 't' THEN
        PERFORM _callhardening.raise_error('42809', format('table %s is temporary', calls),
            detail => 'No other session could apply the events of the log to it.');
    END IF;
    SELECT * INTO class FROM pg_class WHERE oid = events;
    IF class.relkind IS DISTINCT FROM 'r' THEN
        PERFORM _callhardening.raise_error('42809', format('%s is not an ordinary table', events),
            hint => 'An event log is read through an index on all of its rows. Only ordinary tables have one.');
    ELSIF class.relpersistence = 't' THEN
        PERFORM _callhardening.raise_error('42809', format('table %s is temporary', events),
            detail => 'No other session could read its events, and they end with this one.');
    ELSIF class.relpersistence = 'u' THEN
        PERFORM _callhardening.raise_error('42809', format('table %s is unlogged', events),
            detail => 'A crash of the server would empty it.',
            hint => format('ALTER TABLE %s SET LOGGED.', events));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_log_tables(regclass, regclass) IS
'refuses what cannot be an event log, or its calls table: 42809 no ordinary table, a temporary or an unlogged one; '
'the calls table may be unlogged. calls: NULL or a missing table is not looked at';

-- Rows inserted by statements come from a dump, except a new log's own. Their transaction ids are those of another
-- cluster, or of another time of this one: a clone has the identifier of its original, and a dump may be older than its
-- cluster is by now.
CREATE FUNCTION _callhardening.mark_restored_log() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NEW.system_identifier IS NULL THEN
        PERFORM _callhardening.require_log_tables(NEW.events, NEW.calls);
        NEW.system_identifier := (SELECT system_identifier FROM pg_control_system());
    ELSE
        NEW.system_identifier := 0;
        -- The default log of this database stays the default.
        IF EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.is_default) THEN
            NEW.is_default := NULL;
        END IF;
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.mark_restored_log() FROM PUBLIC;
CREATE TRIGGER mark_restored_log BEFORE INSERT ON _callhardening.logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.mark_restored_log();
ALTER TABLE _callhardening.logs ENABLE ALWAYS TRIGGER mark_restored_log;

COMMENT ON FUNCTION _callhardening.mark_restored_log() IS 'trigger function: knows a restored log, from any cluster';

-- Sessions making the first log at the same time meet at the unique key.
CREATE FUNCTION _callhardening.choose_default_log(newcomer int) RETURNS regclass
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    others int[] := ARRAY(
        SELECT l.log_id FROM _callhardening.logs AS l JOIN pg_class AS c ON c.oid = l.events
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND l.log_id IS DISTINCT FROM newcomer
            AND NOT l.is_of_changes LIMIT 2);
BEGIN
    IF cardinality(others) < 2 AND NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.is_default) THEN
        UPDATE _callhardening.logs AS l SET is_default = true WHERE l.log_id = coalesce(others[1], newcomer);
    END IF;
    RETURN (SELECT l.events FROM _callhardening.logs AS l WHERE l.is_default);
EXCEPTION WHEN unique_violation THEN
    RETURN (SELECT l.events FROM _callhardening.logs AS l WHERE l.is_default);
END
$$;

COMMENT ON FUNCTION _callhardening.choose_default_log(int) IS
'the default log; NULL: there is none. If there is none, it first makes the only other log the default, or else the '
'newcomer. Several other logs: it makes none. Logs of changes do not count. newcomer: the log_id of a new log, or NULL';

-- What is remembered about a log comes and goes with its row, by any writer: owners of logs have no right on the other
-- tables, and need none. For a restored log, the dump has it.
CREATE FUNCTION _callhardening.follow_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    chosen regclass;
    gone int[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        gone := OLD.log_id || ARRAY(SELECT c.consumer_id FROM _callhardening.consumers AS c
            WHERE c.log_id = OLD.log_id);
        DELETE FROM _callhardening.consumers WHERE log_id = OLD.log_id;
        DELETE FROM _callhardening.lanes WHERE consumer_id = ANY (gone);
        DELETE FROM _callhardening.claims WHERE consumer_id = ANY (gone);
        DELETE FROM _callhardening.retrying_events WHERE consumer_id = ANY (gone);
        DELETE FROM _callhardening.dead_events WHERE consumer_id = ANY (gone);
        PERFORM _callhardening.drop_counts(OLD.events, gone);
        DELETE FROM _callhardening.purges WHERE log_id = ANY (gone);
        DELETE FROM _callhardening.purge_leftovers WHERE log_id = OLD.log_id;
        PERFORM _callhardening.forget_workers_of(gone);
        PERFORM _callhardening.choose_default_log(NULL::int);
    ELSIF NEW.system_identifier <> 0 THEN
        -- A DROP in REPEATABLE READ does not see the row of a log made after its snapshot.
        DELETE FROM _callhardening.logs AS l
        WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = l.events);
        IF NEW.is_of_changes THEN -- it is never the default, and has no consumer of its own
            RETURN NULL;
        END IF;
        INSERT INTO _callhardening.consumers (consumer_id, log_id, name) VALUES (NEW.log_id, NEW.log_id, 'default');
        INSERT INTO _callhardening.lanes SELECT NEW.log_id, lane FROM generate_series(0, NEW.lanes - 1) AS lane;
        chosen := _callhardening.choose_default_log(NEW.log_id);
        IF chosen IS DISTINCT FROM NEW.events THEN
            PERFORM _callhardening.report('NOTICE', format('event log %s is not the default', NEW.events),
                detail => coalesce('Functions called without a log use ' || chosen::text || '.',
                    'None of the event logs is: functions called without a log fail.'),
                hint => format('To make it the default: SELECT configure_call_event_log(%L, is_default => true).',
                    NEW.events));
        END IF;
    END IF;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.follow_log() FROM PUBLIC;
CREATE TRIGGER follow_log AFTER INSERT OR DELETE ON _callhardening.logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.follow_log();
ALTER TABLE _callhardening.logs ENABLE ALWAYS TRIGGER follow_log;

COMMENT ON FUNCTION _callhardening.follow_log() IS
'trigger function: gives a registered log its default consumer and its lanes, and removes what is remembered about a '
'dropped one';

-- What an owner of tables may write of ours. Rights on the tables are those of the view's owner, but the owner of a log
-- is checked for the caller: only an owner of both tables has a row here.
CREATE VIEW _callhardening.my_logs WITH (security_barrier) AS
SELECT l.log_id, l.events, l.calls, l.provider, l.lanes, l.payload_column, l.event_type_column,
       l.received_at_column, l.processed_at_column, l.carry, l.sequence, l.shape, l.is_of_changes,
       (SELECT pg_catalog.count(*) FROM _callhardening.retrying_events e
        WHERE e.consumer_id OPERATOR(pg_catalog.=) l.log_id)
           OPERATOR(pg_catalog.+)
       (SELECT pg_catalog.count(*) FROM _callhardening.dead_events e
        WHERE e.consumer_id OPERATOR(pg_catalog.=) l.log_id) AS retrying_or_dead
FROM _callhardening.logs l
WHERE EXISTS (SELECT FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) l.events::oid AND pg_catalog.pg_has_role(c.relowner, 'USAGE'))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c
      WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY[l.calls::oid, l.sequence::oid])
          AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE'))
WITH CHECK OPTION;
REVOKE ALL ON _callhardening.my_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'my_logs', 'SELECT', NULL),
    ('own', 'my_logs', 'INSERT', '{log_id, retrying_or_dead}'),
    ('own', 'my_logs', 'UPDATE', '{log_id, events, calls, provider, lanes, payload_column, event_type_column, '
        'received_at_column, processed_at_column, carry, sequence, is_of_changes, retrying_or_dead}');

COMMENT ON VIEW _callhardening.my_logs IS
'the logs of the caller''s tables: what harden_call_events and unharden_call_events write of call_event_logs, with '
'the rights of an owner with the task own (see grant_call_role)';
COMMENT ON COLUMN _callhardening.my_logs.retrying_or_dead IS 'how many events are retrying, blocked or dead';

-- DELETE on a view would let an owner lock the tables behind it, and stop all logs. UPDATE of a column does not.
CREATE VIEW _callhardening.forgotten_logs WITH (security_barrier) AS
SELECT l.log_id, false AS is_forgotten FROM _callhardening.my_logs l;
REVOKE ALL ON _callhardening.forgotten_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'forgotten_logs', 'SELECT', NULL),
    ('own', 'forgotten_logs', 'UPDATE', '{log_id}');

COMMENT ON VIEW _callhardening.forgotten_logs IS
'the logs of the caller''s tables: unharden_call_events sets is_forgotten to remove the log from call_event_logs';

CREATE FUNCTION _callhardening.forget_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NEW.is_forgotten THEN
        DELETE FROM _callhardening.logs AS l WHERE l.log_id = OLD.log_id;
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.forget_log() FROM PUBLIC;
CREATE TRIGGER forget_log INSTEAD OF UPDATE ON _callhardening.forgotten_logs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.forget_log();

COMMENT ON FUNCTION _callhardening.forget_log() IS
'trigger function: removes a log for an owner without the right to do it';

CREATE VIEW _callhardening.my_dead_events WITH (security_barrier) AS
SELECT d.consumer_id AS log_id, d.event_seq, d.lane, d.call_id, d.sqlstate, d.error FROM _callhardening.dead_events d
WHERE d.consumer_id OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT l.log_id FROM _callhardening.my_logs l))
WITH CHECK OPTION;
REVOKE ALL ON _callhardening.my_dead_events FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'my_dead_events', 'INSERT');

COMMENT ON VIEW _callhardening.my_dead_events IS
'the dead events of the logs of the caller''s tables: what harden_call_events writes of call_dead_events';

-- The writable settings of a log: for its owner, and for roles with the right to read and purge it. A dropped log is in
-- the way of nobody.
CREATE VIEW _callhardening.operated_logs WITH (security_barrier) AS
SELECT l.log_id, l.events, l.max_attempts, l.retry_base, l.retry_cap, l.max_retrying, l.notify,
       l.is_default, l.ignored_event_types, l.ignored_members
FROM _callhardening.logs l
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) l.events::oid AND NOT (
    pg_catalog.pg_has_role(c.relowner, 'USAGE')
    OR pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'DELETE')))
WITH CHECK OPTION;
REVOKE ALL ON _callhardening.operated_logs FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'operated_logs', 'SELECT', NULL),
    ('own', 'operated_logs', 'SELECT', NULL),
    ('own', 'operated_logs', 'UPDATE', '{log_id, events}'),
    ('operate', 'operated_logs', 'UPDATE', '{log_id, events}');

COMMENT ON VIEW _callhardening.operated_logs IS
'the settings of the logs of the caller''s, as owner or with the right to read and purge: what '
'configure_call_event_log writes of call_event_logs';

-- The limits of the consumers of logs that the caller may configure. The default consumer has those of its log.
CREATE VIEW _callhardening.operated_consumers WITH (security_barrier) AS
SELECT c.consumer_id, c.log_id, c.name, c.max_attempts, c.retry_base, c.retry_cap, c.max_retrying
FROM _callhardening.consumers c
WHERE c.consumer_id OPERATOR(pg_catalog.<>) c.log_id
  AND c.log_id OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT l.log_id FROM _callhardening.operated_logs l))
WITH CHECK OPTION;
REVOKE ALL ON _callhardening.operated_consumers FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'operated_consumers', 'SELECT', NULL),
    ('operate', 'operated_consumers', 'SELECT', NULL),
    ('own', 'operated_consumers', 'UPDATE', '{consumer_id, log_id, name}'),
    ('operate', 'operated_consumers', 'UPDATE', '{consumer_id, log_id, name}');

COMMENT ON VIEW _callhardening.operated_consumers IS
'the consumers of the logs of the caller''s, as owner or with the right to read and purge: what '
'configure_call_event_log writes of call_consumers';

-- Positions of another cluster would settle what a log of this cluster has stamped.
CREATE FUNCTION _callhardening.skip_restored_claim() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF EXISTS (SELECT FROM _callhardening.logs AS l JOIN _callhardening.consumers AS c ON c.log_id = l.log_id
        WHERE c.consumer_id = NEW.consumer_id AND l.system_identifier <> 0) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.skip_restored_claim() FROM PUBLIC;
CREATE TRIGGER skip_restored_claim BEFORE INSERT ON _callhardening.claims FOR EACH ROW
    EXECUTE FUNCTION _callhardening.skip_restored_claim();
ALTER TABLE _callhardening.claims ENABLE ALWAYS TRIGGER skip_restored_claim;

COMMENT ON FUNCTION _callhardening.skip_restored_claim() IS
'trigger function: claims of a dump are left out if the log was not restored with them';

CREATE FUNCTION _callhardening.forget_restored_event_xid() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log record;
BEGIN
    NEW.event_xid := '0';
    -- If a worker has adopted the log already, or it was made here, no worker looks into the lane of the dump.
    SELECT l.first_lane, l.lanes INTO log
    FROM _callhardening.logs AS l JOIN _callhardening.consumers AS c ON c.log_id = l.log_id
    WHERE c.consumer_id = NEW.consumer_id AND l.system_identifier <> 0;
    IF FOUND THEN
        NEW.lane := log.first_lane + NEW.lane % log.lanes;
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.forget_restored_event_xid() FROM PUBLIC;
CREATE TRIGGER forget_restored_event_xid BEFORE INSERT ON _callhardening.retrying_events FOR EACH ROW
    EXECUTE FUNCTION _callhardening.forget_restored_event_xid();
ALTER TABLE _callhardening.retrying_events ENABLE ALWAYS TRIGGER forget_restored_event_xid;

COMMENT ON FUNCTION _callhardening.forget_restored_event_xid() IS
'trigger function: the transaction of a retrying event that comes from a dump means nothing where it is restored, and '
'its lane is one of the log there';

-- Stamps an event with what the workers go by: its call, its lane and the transaction of the INSERT.
CREATE FUNCTION _callhardening.stamp_call_event() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_stamp_call_event';
REVOKE EXECUTE ON FUNCTION _callhardening.stamp_call_event() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'stamp_call_event');

COMMENT ON FUNCTION _callhardening.stamp_call_event() IS
'trigger function of event logs, BEFORE INSERT FOR EACH ROW: fills call_id, event_type, event_lane and event_xid. '
'Arguments: payload column, provider, number of lanes, key of the calls table (see call_key_type), and a fifth one for '
'existing tables: there it leaves event_type alone, and fills event_seq; a row without one is left as it is if the '
'log''s processed_at_column is set in it, or if call_event_logs has no row of the table (a restore of data alone)';

CREATE FUNCTION _callhardening.no_lane(reason text) RETURNS int
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_no_lane';

COMMENT ON FUNCTION _callhardening.no_lane(text) IS
'the event_lane of an event no worker looks for: not_json, not_an_object, no_call_id, call_id_too_long, '
'call_id_not_held (by the key of the calls table), malformed_form, several_calls (a client''s own row), too_many_calls '
'(for ingest_call_event), not_stamped (no trigger was there) or ignored. '
'NULL for any other word';

-- An event without a lane is kept, since its provider will not send it again, but no worker can apply it.
CREATE FUNCTION _callhardening.bury_call_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- The log's owner may have given its columns types with casts of his own, and they would run as the owner of
    -- the extension. The statement below is not looked at before it is reached.
    IF (SELECT count(*) FROM pg_attribute WHERE attrelid = TG_RELID AND (attname, atttypid) IN (
            ('event_seq', 'bigint'::regtype), ('event_lane', 'integer'::regtype),
            ('call_id', 'text'::regtype))) <> 3 THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('table %s is no longer an event log', TG_RELID::regclass),
            DETAIL = 'The type of event_seq, event_lane or call_id was altered.';
    END IF;
    IF NEW.event_lane = _callhardening.no_lane('ignored') THEN -- settled
        RETURN NULL;
    END IF;
    IF NEW.event_lane = _callhardening.no_lane('not_stamped') THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('the event got no stamp from the trigger stamp_call_event of table %s',
                TG_RELID::regclass),
            DETAIL = 'No worker would find it.',
            HINT = 'Enable the trigger, or call register_call_event_log if it is gone.';
    END IF;
    INSERT INTO _callhardening.dead_events (consumer_id, event_seq, lane, call_id, sqlstate, error)
    SELECT log_id, NEW.event_seq, NEW.event_lane, NEW.call_id, '22023',
        _callhardening.why_no_lane(NEW.event_lane)
    FROM _callhardening.logs WHERE events = TG_RELID
    ON CONFLICT DO NOTHING;
    PERFORM _callhardening.note_event_without_lane(TG_RELID::regclass, NEW.event_seq, NEW.event_lane, NEW.call_id);
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.bury_call_event() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'bury_call_event');

COMMENT ON FUNCTION _callhardening.bury_call_event() IS
'trigger function of event logs, AFTER INSERT FOR EACH ROW: writes an event without a lane to call_dead_events, and '
'to call_issues. Error: 55000 the event has no stamp';

-- An UPDATE of a subscription has all columns of its publisher, and so its stamps.
CREATE FUNCTION _callhardening.keep_call_event_stamp() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF current_setting('session_replication_role') = 'replica' THEN
        NEW.event_lane := OLD.event_lane;
        NEW.event_xid := OLD.event_xid;
        NEW.event_seq := OLD.event_seq;
        NEW.call_id := OLD.call_id;
    END IF;
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.keep_call_event_stamp() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'keep_call_event_stamp');

COMMENT ON FUNCTION _callhardening.keep_call_event_stamp() IS
'trigger function of event logs, BEFORE UPDATE FOR EACH ROW, for replication only: keeps the stamp an event has here';

-- A subscription writes as a replica. Its rows have the stamps of the publisher. Its lanes and transaction ids mean
-- nothing here: so the first two triggers fire always.
CREATE FUNCTION _callhardening.create_event_triggers(events regclass, arguments text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER stamp_call_event BEFORE INSERT ON %s FOR EACH ROW
        EXECUTE FUNCTION _callhardening.stamp_call_event(%s)', events,
        (SELECT string_agg(quote_literal(a.argument), ', ' ORDER BY a.n)
         FROM unnest(arguments) WITH ORDINALITY AS a (argument, n)));
    EXECUTE format('CREATE TRIGGER bury_call_event AFTER INSERT ON %s FOR EACH ROW WHEN (NEW.event_lane < 0)
        EXECUTE FUNCTION _callhardening.bury_call_event()', events);
    EXECUTE format('CREATE TRIGGER keep_call_event_stamp BEFORE UPDATE ON %s FOR EACH ROW
        EXECUTE FUNCTION _callhardening.keep_call_event_stamp()', events);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER stamp_call_event, ENABLE ALWAYS TRIGGER bury_call_event,
        ENABLE REPLICA TRIGGER keep_call_event_stamp', events);
END
$$;

COMMENT ON FUNCTION _callhardening.create_event_triggers(regclass, text[]) IS
'creates the triggers of an event log; arguments: those of stamp_call_event. Error: 42710 one of this name is there';

CREATE FUNCTION _callhardening.event_stamp(payload jsonb, provider text, lanes int, key_type text,
        shape jsonb DEFAULT 'null', OUT call_id text, OUT event_lane int)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_event_stamp';

COMMENT ON FUNCTION _callhardening.event_stamp(jsonb, text, int, text, jsonb) IS
'the call of an event and the lane stamp_call_event gives it, 0 to lanes - 1; call_id is NULL and event_lane below 0 '
'if the event has no call (see why_no_lane). key_type: see call_key_type. shape: the log''s own; null: that of the '
'provider. NULL for NULL. Errors: 22023 lanes out of range, no shape';

CREATE FUNCTION _callhardening.event_indexes() RETURNS TABLE (index_no int, keys name[])
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES (1, '{event_lane,event_xid,event_seq}'::name[]), (2, '{event_seq}'), (3, '{event_digest}')
$$;

COMMENT ON FUNCTION _callhardening.event_indexes() IS
'the columns of the unique indexes of an event log';

-- The library asks for the same definition (src/pg/log/log_table.cpp). An index with another order, condition or
-- operator class gives other events, or the same events in another order.
CREATE FUNCTION _callhardening.has_event_index(events regclass, keys name[]) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT EXISTS (
    SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
    WHERE i.indrelid = events AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indexprs IS NULL
      AND i.indnkeyatts = cardinality(keys)
      AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', keys[1]))
      AND NOT EXISTS (
          SELECT FROM generate_series(0, i.indnkeyatts - 1) AS k (n)
          LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.n]
          LEFT JOIN pg_opclass o ON o.oid = i.indclass[k.n] AND o.opcdefault
          WHERE a.attname IS DISTINCT FROM keys[k.n + 1] OR o.oid IS NULL OR i.indoption[k.n] <> 0
             OR i.indcollation[k.n] <> 0))
$$;

COMMENT ON FUNCTION _callhardening.has_event_index(regclass, name[]) IS
'whether an event log has a valid unique index on exactly these columns, ascending, with the default operator '
'classes. Its only possible condition is IS NOT NULL of the first column';

CREATE FUNCTION _callhardening.require_valid_log_settings(provider text, shape jsonb, lanes int) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF lanes NOT BETWEEN 1 AND 1024 THEN
        PERFORM _callhardening.raise_error('22023', 'lanes must be between 1 and 1024');
    END IF;
    PERFORM _callhardening.require_readable_events(provider, shape);
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_log_settings(text, jsonb, int) IS
'refuses (22023) a number of lanes out of range, a document that is no shape, and without one a provider without '
'readable events; only the shape may be NULL';

CREATE FUNCTION @extschema@.register_call_event_log(events regclass, calls regclass, provider text DEFAULT 'dialpad',
        lanes int DEFAULT 64, shape jsonb DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    key_type text;
    missing name;
    left_over name[] := ARRAY(
        SELECT t.name FROM unnest(_callhardening.event_triggers(events)) AS t (name)
        WHERE NOT EXISTS (SELECT FROM _callhardening.logs l WHERE l.events = register_call_event_log.events));
    was_log boolean := cardinality(left_over) > 0;
    log int;
BEGIN
    IF events IS NULL OR calls IS NULL OR provider IS NULL OR lanes IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'events, calls, provider and lanes must not be NULL';
    END IF;
    PERFORM _callhardening.require_log_tables(events, calls);
    PERFORM _callhardening.require_valid_log_settings(provider, shape, lanes);
    SELECT c.name INTO missing
    FROM unnest('{event_seq,event_lane,event_xid,call_id,payload}'::name[]) WITH ORDINALITY AS c (name, position)
    WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = events AND attname = c.name AND NOT attisdropped)
    ORDER BY c.position LIMIT 1;
    IF FOUND THEN
        RAISE undefined_column USING MESSAGE = format('table %s has no column %I', events, missing),
            HINT = 'For a table of events in use, call harden_call_events.';
    END IF;
    PERFORM _callhardening.require_no_obstacle(calls, '{}'::name[]);
    PERFORM _callhardening.report_obstacles(events, calls, '{}'::name[]);
    PERFORM _callhardening.warn_of_shared_keys(events, calls, provider);
    PERFORM _callhardening.report_unknown_provider(provider);
    PERFORM _callhardening.add_merge_columns(calls);
    key_type := _callhardening.lock_call_key(calls);
    -- A schema restored without data has the triggers, and no row of the log.
    PERFORM _callhardening.drop_triggers(events, left_over);
    PERFORM _callhardening.create_event_triggers(events, ARRAY['payload', provider, lanes::text, key_type]);
    -- The trigger takes a missing identifier for this cluster's.
    INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, shape)
    VALUES (events, calls, provider, lanes, shape) RETURNING log_id INTO log;
    -- What was appended without a log has a mark of a restore. Without a trigger it has no stamp. The rows of a copy
    -- have the stamps and lanes of another log.
    PERFORM _callhardening.write_as_owner(events, format('UPDATE %s AS e SET event_xid = pg_current_xact_id(),
        (call_id, event_lane) = (SELECT s.call_id, s.event_lane
            FROM _callhardening.event_stamp(e.payload::jsonb, $1[1], CAST($1[2] AS int), $1[3],
                (SELECT CAST($1[5] AS jsonb))) AS s)
        WHERE CAST($1[4] AS boolean) OR event_lane = _callhardening.no_lane(''not_stamped'')
           OR event_lane >= CAST($1[2] AS int) OR event_xid > pg_current_xact_id()', events),
        ARRAY[provider, lanes::text, key_type, was_log::text, coalesce(shape, 'null')::text]);
    INSERT INTO _callhardening.my_dead_events (log_id, event_seq, lane, call_id, sqlstate, error)
    SELECT log, e.event_seq, e.event_lane, e.call_id, '22023', _callhardening.why_no_lane(e.event_lane)
    FROM _callhardening.query_as_owner(events, format('SELECT event_seq, event_lane, call_id FROM %s
        WHERE event_lane BETWEEN _callhardening.no_lane(''not_stamped'') AND _callhardening.no_lane(''not_json'')',
        events), NULL::text[])
        AS e (event_seq bigint, event_lane int, call_id text);
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.register_call_event_log(regclass, regclass, text, int, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'register_call_event_log');

COMMENT ON FUNCTION @extschema@.register_call_event_log(regclass, regclass, text, int, jsonb) IS
'Makes a table with the columns of call_events (create_call_tables) the event log of a hardened
calls table. It stamps what is appended from now on, and adds the columns merge_... to the calls
table (ACCESS EXCLUSIVE for a moment). If a restore without data has left triggers on a table
that is not in call_event_logs, they are made anew, and so are the stamps of its events. The
first log is the default log. A later one is not: NOTICE. WARNING: the calls table has a log of
another provider, and its call ids do not begin with their provider (harden_calls).
- lanes: 1 to 1024
- shape: where the bodies have each value (configure_call_event_log); with one, the provider may
  have any name
Errors:
- 22004: an argument but shape is NULL
- 22023: lanes out of range, events of this provider cannot be read, or a malformed shape
- 42501: the caller is not the owner of both tables
- 42703: a column of call_events is missing
- 42809: events is no ordinary table, or is temporary or unlogged, or calls is temporary
- 54000: a shape above 64 kB';

-- A dropped log takes along what is remembered about it: its oid may come back as another table.
CREATE FUNCTION _callhardening.forget_dropped_call_event_logs() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    relations oid[] := ARRAY(SELECT objid FROM pg_event_trigger_dropped_objects()
                             WHERE classid = 'pg_class'::regclass AND objsubid = 0);
    schemas text[] := ARRAY(SELECT object_name FROM pg_event_trigger_dropped_objects()
                            WHERE classid = 'pg_namespace'::regclass);
BEGIN
    DELETE FROM _callhardening.logs WHERE events IN (SELECT unnest(relations));
    -- A number would be dumped in the place of its name, and be another table where that is restored.
    UPDATE _callhardening.logs SET calls = 0 WHERE calls IN (SELECT unnest(relations));
    -- Asked first, since grant_call_role keeps others from writing here until its transaction ends.
    IF EXISTS (SELECT FROM _callhardening.role_tasks AS t WHERE t.relation IN (SELECT unnest(relations))
                   OR t.log IN (SELECT unnest(relations)) OR t.schema IN (SELECT unnest(schemas))) THEN
        DELETE FROM _callhardening.role_tasks AS t
        WHERE t.relation IN (SELECT unnest(relations)) OR t.schema IN (SELECT unnest(schemas));
        UPDATE _callhardening.role_tasks AS t SET log = 0 WHERE t.log IN (SELECT unnest(relations));
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.forget_dropped_call_event_logs() FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.forget_dropped_call_event_logs() IS
'event trigger function: removes the settings, positions and dead events of a dropped log, a dropped calls table from '
'the settings of its logs, and what role_tasks has of either';

CREATE EVENT TRIGGER forget_dropped_call_event_logs ON sql_drop
    EXECUTE FUNCTION _callhardening.forget_dropped_call_event_logs();
ALTER EVENT TRIGGER forget_dropped_call_event_logs ENABLE ALWAYS;

CREATE FUNCTION _callhardening.log_number(log regclass) RETURNS int
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_log_number';

COMMENT ON FUNCTION _callhardening.log_number(regclass) IS
'the log_id of an event log; NULL: of the default log. Errors: 55000 no such log, 42P08 several logs, none is the '
'default and none is named';

CREATE FUNCTION _callhardening.operated_log(log regclass) RETURNS int
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    number int := _callhardening.log_number(log);
BEGIN
    IF NOT EXISTS (SELECT FROM _callhardening.operated_logs AS l WHERE l.log_id = number) THEN
        PERFORM _callhardening.raise_error('42501',
            format('permission denied for event log %s',
                (SELECT l.events FROM _callhardening.logs AS l WHERE l.log_id = number)),
            detail => 'This needs the ownership of the log, or SELECT and DELETE on it.');
    END IF;
    RETURN number;
END
$$;

COMMENT ON FUNCTION _callhardening.operated_log(regclass) IS
'the log_id of an event log the caller may configure; NULL: of the default log. Errors: 42501 neither its owner nor '
'SELECT and DELETE on it, and those of log_number';

CREATE FUNCTION _callhardening.move_default_log(number int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    former _callhardening.logs;
BEGIN
    -- Another session may move it meanwhile: then it is taken from where it is now.
    LOOP
        SELECT * INTO former FROM _callhardening.logs AS l WHERE l.is_default AND l.log_id <> number;
        EXIT WHEN NOT FOUND;
        UPDATE _callhardening.operated_logs AS l SET is_default = NULL WHERE l.log_id = former.log_id;
        IF NOT FOUND AND EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.log_id = former.log_id) THEN
            PERFORM _callhardening.raise_error('42501', format('permission denied for event log %s', former.events),
                detail => 'It is the default log. Only a role with the right to configure it can choose another.');
        END IF;
    END LOOP;
    UPDATE _callhardening.operated_logs AS l SET is_default = true WHERE l.log_id = number;
EXCEPTION WHEN unique_violation THEN
    PERFORM _callhardening.raise_error('40001', 'another session has chosen a default log meanwhile',
        hint => 'Try again.');
END
$$;

COMMENT ON FUNCTION _callhardening.move_default_log(int) IS
'a part of configure_call_event_log: makes the log with this log_id the default. Errors: 42501 the caller may not '
'configure the present default, 40001 another session has chosen one meanwhile';

CREATE FUNCTION _callhardening.are_ignored_events(event_types text[], members text[]) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_are_ignored_events';

COMMENT ON FUNCTION _callhardening.are_ignored_events(text[], text[]) IS
'whether configure_call_event_log takes these settings of ignored events';

CREATE FUNCTION _callhardening.configure_shape(number int, shape jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log _callhardening.logs;
BEGIN
    IF shape IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO log FROM _callhardening.logs AS l WHERE l.log_id = number;
    PERFORM _callhardening.require_readable_events(log.provider, nullif(shape, 'null'));
    -- A shape writes values into the calls.
    IF NOT (SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class AS c WHERE c.oid = log.events) THEN
        PERFORM _callhardening.raise_error('42501', format('must be owner of event log %s', log.events),
            detail => 'A shape decides on the values in the calls.');
    END IF;
    UPDATE _callhardening.my_logs AS l SET shape = nullif(configure_shape.shape, 'null') WHERE l.log_id = number;
    IF NOT FOUND THEN
        PERFORM _callhardening.raise_error('42501', format('must be owner of table %s', log.calls),
            detail => 'A shape decides on the values in the calls.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.configure_shape(int, jsonb) IS
'a part of configure_call_event_log: shape NULL leaves it as it is, JSON null is that of the provider';

CREATE FUNCTION _callhardening.configure_consumer(number int, consumer name, max_attempts int, retry_base interval,
        retry_cap interval, max_retrying int)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE _callhardening.operated_consumers AS c SET
        max_attempts = coalesce(configure_consumer.max_attempts, c.max_attempts),
        retry_base = coalesce(configure_consumer.retry_base, c.retry_base),
        retry_cap = coalesce(configure_consumer.retry_cap, c.retry_cap),
        max_retrying = coalesce(configure_consumer.max_retrying, c.max_retrying)
    WHERE c.log_id = number AND c.name = consumer;
    IF NOT FOUND THEN
        PERFORM _callhardening.raise_error('42704', format('event log %s has no consumer "%s"',
                (SELECT l.events FROM _callhardening.logs AS l WHERE l.log_id = number), consumer),
            hint => 'The view call_consumers lists the consumers.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.configure_consumer(int, name, int, interval, interval, int) IS
'a part of configure_call_event_log: the limits of a consumer of the log with this number. Error: 42704 no such '
'consumer, or the default one';

CREATE FUNCTION _callhardening.require_valid_limits(max_attempts int, retry_base interval, retry_cap interval,
        max_retrying int)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF max_attempts NOT BETWEEN 1 AND 1000000 THEN
        PERFORM _callhardening.raise_error('22023', 'max_attempts must be between 1 and 1000000');
    END IF;
    IF max_retrying NOT BETWEEN 1 AND 1000000 THEN
        PERFORM _callhardening.raise_error('22023', 'max_retrying must be between 1 and 1000000');
    END IF;
    IF retry_base NOT BETWEEN '0' AND '365 days' OR retry_cap NOT BETWEEN '0' AND '365 days' THEN
        PERFORM _callhardening.raise_error('22023', 'retry_base and retry_cap must be between 0 and 365 days');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_limits(int, interval, interval, int) IS
'a part of configure_call_event_log: refuses (22023) limits out of range; NULL is not looked at';

CREATE FUNCTION @extschema@.configure_call_event_log(log regclass DEFAULT NULL, max_attempts int DEFAULT NULL,
        retry_base interval DEFAULT NULL, retry_cap interval DEFAULT NULL, max_retrying int DEFAULT NULL,
        notify boolean DEFAULT NULL, is_default boolean DEFAULT NULL, ignored_event_types text[] DEFAULT NULL,
        ignored_members text[] DEFAULT NULL, shape jsonb DEFAULT NULL, consumer name DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    number int := _callhardening.operated_log(log);
    is_of_changes boolean := (SELECT l.is_of_changes FROM _callhardening.logs AS l WHERE l.log_id = number);
BEGIN
    PERFORM _callhardening.require_valid_limits(max_attempts, retry_base, retry_cap, max_retrying);
    -- A log of changes has no default consumer.
    IF consumer IS NOT NULL AND (consumer <> 'default' OR is_of_changes) THEN
        IF notify IS NOT NULL OR is_default IS NOT NULL OR ignored_event_types IS NOT NULL
            OR ignored_members IS NOT NULL OR shape IS NOT NULL
        THEN
            RAISE invalid_parameter_value USING MESSAGE = 'only limits can be set for a consumer',
                DETAIL = 'The other settings are those of the log.',
                HINT = 'Give max_attempts, retry_base, retry_cap or max_retrying, or leave the consumer out.';
        END IF;
        PERFORM _callhardening.configure_consumer(number, consumer, max_attempts, retry_base, retry_cap, max_retrying);
        RETURN;
    END IF;
    IF (is_default OR ignored_event_types IS NOT NULL OR ignored_members IS NOT NULL OR shape IS NOT NULL)
        AND is_of_changes
    THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('%s is a log of changes', (SELECT l.events FROM _callhardening.logs AS l
                WHERE l.log_id = number)),
            DETAIL = 'It has no shape and no ignored events, and it is never the default log.';
    END IF;
    IF NOT _callhardening.are_ignored_events(coalesce(ignored_event_types, '{}'::text[]),
            coalesce(ignored_members, '{}'::text[])) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'ignored_event_types or ignored_members is not valid',
            DETAIL = 'Each has at most 100 texts of 1 to 200 bytes. "*" alone is no type. A name in the path of a '
                'member is not empty.';
    END IF;
    PERFORM _callhardening.configure_shape(number, shape);
    UPDATE _callhardening.operated_logs AS l SET
        max_attempts = coalesce(configure_call_event_log.max_attempts, l.max_attempts),
        retry_base = coalesce(configure_call_event_log.retry_base, l.retry_base),
        retry_cap = coalesce(configure_call_event_log.retry_cap, l.retry_cap),
        max_retrying = coalesce(configure_call_event_log.max_retrying, l.max_retrying),
        notify = coalesce(configure_call_event_log.notify, l.notify),
        ignored_event_types = coalesce(configure_call_event_log.ignored_event_types, l.ignored_event_types),
        ignored_members = coalesce(configure_call_event_log.ignored_members, l.ignored_members)
    WHERE l.log_id = number;
    IF configure_call_event_log.is_default THEN
        PERFORM _callhardening.move_default_log(number);
    ELSIF EXISTS (SELECT FROM _callhardening.logs AS l
                  WHERE l.log_id = number AND l.is_default <> configure_call_event_log.is_default) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'the default log cannot be given up',
            HINT = 'Choose another one in its place: configure_call_event_log(log, is_default => true).';
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.configure_call_event_log(regclass, int, interval, interval, int, boolean,
    boolean, text[], text[], jsonb, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'configure_call_event_log'),
    ('operate', 'configure_call_event_log');

COMMENT ON FUNCTION @extschema@.configure_call_event_log(regclass, int, interval, interval, int, boolean,
    boolean, text[], text[], jsonb, name) IS
'Changes the settings of an event log, or the limits of a consumer, from the next claim on. NULL
leaves a setting as it is.
- log: NULL is the default log
- max_attempts: after so many failures an event is dead; 1 to 1000000, at first 5
- retry_base, retry_cap: the nth retry comes at a random time within retry_base * 2^(n-1), at
  most retry_cap; 0 to 365 days, at first 1 second and 15 minutes
- max_retrying: a lane with so many retrying and blocked events takes no new ones; 1 to 1000000,
  at first 1000
- notify: sends a notification for new events (call_event_log_channel); at first false
- is_default: true makes it the log of functions called without one
- ignored_event_types, ignored_members: events without a call; at first none, at most 100 each,
  ''{}'' is none again. They are settled when they are appended, from now on. No worker gets them,
  they are no dead events, and purge_call_events takes them like others. A type is compared with
  event_type, with the state of the call and with the member event_type of the body. Case makes
  no difference, and a type may end with *. A member is a path such as contact or data.sms, or a
  path and a value such as type=sms.
- shape: where the bodies have each value, from the next event on: a document in the terms of
  call_event_shape, at most 64 kB; ''null''::jsonb is the shape of the provider again. Only an
  owner of the log and of its calls table may set it.
- consumer: sets max_attempts, retry_base, retry_cap and max_retrying for this consumer alone
  (create_call_consumer), which keeps them when those of the log change; NULL or default: the
  settings of the log, for the default consumer and for all limits that a consumer does not have
Errors:
- 22023: out of range, no such setting, a malformed shape with the place of the mistake, no
  shape for a provider without one, is_default is false for the default log, or another setting
  than a limit for a consumer
- 40001: another session has chosen a default meanwhile
- 42501: the caller is not the owner of the log, and has not SELECT and DELETE on it, or for
  is_default on the present default
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 54000: a shape above 64 kB
- 55000: no such log, or a setting of webhooks for a log of changes';

CREATE FUNCTION @extschema@.call_event_log_channel(log regclass DEFAULT NULL) RETURNS text
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_call_event_log_channel';

COMMENT ON FUNCTION @extschema@.call_event_log_channel(regclass) IS
'Returns the channel for a worker''s LISTEN, if the log notifies (configure_call_event_log(notify
=> true)): one notification, without a payload, for each transaction with new events.
- log: NULL is the default log
Errors:
- 42P08: several logs, none is the default and none is named
- 55000: no such log';

-- tables of a new installation -----------------------------------------------------------------

CREATE FUNCTION _callhardening.id_columns(provider text, OUT call_id_column name, OUT user_id_column name,
        OUT id_type text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN provider = 'dialpad' THEN 'dialpad_call_id' ELSE 'call_id' END,
    CASE WHEN provider = 'dialpad' THEN 'dialpad_user_id' ELSE 'user_id' END,
    coalesce((SELECT p.id_type FROM @extschema@.call_providers() AS p WHERE p.provider = id_columns.provider), 'text')
$$;

COMMENT ON FUNCTION _callhardening.id_columns(text) IS
'the columns of the ids in a new calls table of this provider, and their type. provider: as call_providers() spells '
'it; any other: the ids are text';

CREATE FUNCTION _callhardening.create_calls_table(schema name, provider text) RETURNS regclass
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    ids record := _callhardening.id_columns(provider);
    calls regclass;
BEGIN
    EXECUTE format('CREATE TABLE %1$I.calls (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        %2$I %4$s NOT NULL UNIQUE,
        direction text,
        status text,
        from_number text,
        to_number text,
        %3$I %4$s,
        started_at timestamptz,
        connected_at timestamptz,
        ended_at timestamptz,
        duration_seconds integer,
        recording_url text,
        voicemail_url text,
        is_voicemail boolean,
        was_recorded boolean,
        is_transferred boolean,
        master_call_id %4$s,
        entry_point_call_id %4$s,
        operator_call_id %4$s,
        last_event_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now()
    )', schema, ids.call_id_column, ids.user_id_column, ids.id_type);
    calls := format('%I.calls', schema)::regclass;
    -- Open calls are few, and a dashboard asks for them.
    EXECUTE format('CREATE INDEX idx_calls_started_at ON %1$s (started_at);
        CREATE INDEX idx_calls_open ON %1$s (started_at) WHERE status IN (''ringing'', ''active'');
        CREATE INDEX idx_calls_master_call_id ON %1$s (master_call_id) WHERE master_call_id IS NOT NULL;
        CREATE INDEX idx_calls_entry_point_call_id ON %1$s (entry_point_call_id)
            WHERE entry_point_call_id IS NOT NULL', calls);
    PERFORM @extschema@.harden_calls(calls, ids.call_id_column, 'status'::name, 'direction'::name,
        'raw_payload'::name, 'keep'::text, NULL::jsonb, NULL::jsonb,
        CASE WHEN provider = '*' OR @extschema@.is_known_call_provider(provider) THEN provider ELSE '' END);
    IF provider = '*' THEN
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT call_id_names_provider CHECK (call_id ~ ''^[a-z0-9_]+:.'')',
            calls);
    END IF;
    PERFORM _callhardening.comment_on_columns(calls, ARRAY[
        ['direction', 'inbound, outbound or NULL'],
        ['status', 'a status of call_status_transitions(), or NULL'],
        ['from_number', 'who called: the external number of an inbound call, the internal one of an outbound call'],
        [ids.user_id_column::text, 'the user whose leg this is; NULL for a department, an office, a call centre'],
        ['duration_seconds', 'seconds talked: '
            || CASE WHEN provider = 'dialpad' THEN 'Dialpad''s' ELSE 'the provider''s' END
            || ' talk_time, else its duration, rounded'],
        ['recording_url', 'link to the first recording: a credential: its holder can listen'],
        ['voicemail_url', 'link to the voicemail: a credential as well'],
        ['last_event_at', 'time of the newest applied event'],
        ['raw_payload', 'body of the newest event, sanitized']]);
    EXECUTE format('COMMENT ON TABLE %s IS ''calls: one row per leg, keyed by the provider''''s call id''', calls);
    RETURN calls;
END
$$;

COMMENT ON FUNCTION _callhardening.create_calls_table(name, text) IS
'a part of create_call_tables: the calls table of a provider, hardened';

CREATE FUNCTION _callhardening.comment_on_columns(relation regclass, comments text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    pair text[];
BEGIN
    FOREACH pair SLICE 1 IN ARRAY comments LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, pair[1], pair[2]);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.comment_on_columns(regclass, text[]) IS
'writes comments of columns; comments: pairs of a column and its comment';

CREATE FUNCTION _callhardening.create_event_table(schema name, events_name name) RETURNS regclass
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    events regclass;
    index_name name := format('idx_%s_lane', events_name)::name;
BEGIN
    -- The defaults are for a table after DROP EXTENSION took its triggers: -9 is no_lane('not_stamped'). Each body is
    -- read once at least: the toast_tuple_target leaves the body of an ordinary event in its row.
    EXECUTE format('CREATE TABLE %I.%I (
        event_seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_lane integer NOT NULL DEFAULT -9,
        event_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        event_digest bytea UNIQUE,
        call_id text,
        event_type text,
        received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        payload jsonb %s NOT NULL
    ) WITH (toast_tuple_target = 4064)', schema, events_name,
        (SELECT 'COMPRESSION lz4' FROM pg_settings WHERE name = 'default_toast_compression'
            AND 'lz4' = ANY (enumvals)));
    events := format('%I.%I', schema, events_name)::regclass;
    EXECUTE format('CREATE UNIQUE INDEX %s ON %s (event_lane, event_xid, event_seq)',
        CASE WHEN to_regclass(format('%I.%I', schema, index_name)) IS NULL THEN quote_ident(index_name) END, events);
    index_name := format('idx_%s_call_id', events_name)::name;
    EXECUTE format('CREATE INDEX %s ON %s (call_id, event_seq)',
        CASE WHEN to_regclass(format('%I.%I', schema, index_name)) IS NULL THEN quote_ident(index_name) END, events);
    PERFORM _callhardening.comment_on_columns(events, ARRAY[
        ['event_seq', 'sequence number of the event'],
        ['event_lane', 'callhardening: hash of the call id, the same for all events of a call; below 0: no worker can '
            'apply the event, see call_dead_events'],
        ['event_xid', 'callhardening: the transaction of the event''s INSERT'],
        ['event_digest', 'callhardening: tells a redelivery: half of the SHA-256 of the document, or of the event key '
            'given with it'],
        ['call_id', 'the call of the event'],
        ['event_type', 'the provider''s word for what happened'],
        ['payload', 'the body; as a JSON string if it is no JSON']]);
    EXECUTE format('COMMENT ON TABLE %s IS ''webhook bodies as they came: an append-only event log''', events);
    RETURN events;
END
$$;

COMMENT ON FUNCTION _callhardening.create_event_table(name, name) IS
'a part of create_call_tables: a table with the columns and indexes of an event log';

CREATE FUNCTION _callhardening.require_free_names(schema name, names name[], advice text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    taken name;
BEGIN
    IF schema IS NULL THEN
        PERFORM _callhardening.raise_error('22004', 'schema must not be null',
            hint => 'Name the schema for the tables.');
    END IF;
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = schema) THEN
        PERFORM _callhardening.raise_error('3F000', format('schema "%s" does not exist', schema),
            hint => 'Create the schema first. For a provider in the current schema, write provider => ''...''.');
    END IF;
    IF NOT has_schema_privilege(schema, 'CREATE') THEN
        PERFORM _callhardening.raise_error('42501', format('permission denied for schema %s', schema));
    END IF;
    SELECT relname INTO taken FROM pg_class WHERE relnamespace = quote_ident(schema)::regnamespace
        AND relname = ANY (names) ORDER BY relname DESC;
    IF FOUND THEN
        PERFORM _callhardening.raise_error('42P07', format('relation "%s" already exists', taken),
            hint => advice);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_free_names(name, name[], text) IS
'refuses a schema that cannot get these tables: 22004 none, 3F000 no such schema, 42501 no right to create in it, '
'42P07 one of the names is taken, with this advice';

CREATE FUNCTION _callhardening.require_provider(provider text, shape jsonb) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    known text := _callhardening.known_provider(provider);
BEGIN
    IF provider IS NULL THEN
        PERFORM _callhardening.raise_error('22004', 'provider must not be null',
            hint => 'call_providers() lists the providers.');
    ELSIF known IS NULL AND shape IS NULL THEN
        PERFORM _callhardening.raise_error('22023', format('unknown call provider "%s"', provider),
            hint => _callhardening.suggest_provider(provider) || ' For another provider, give its shape.');
    END IF;
    PERFORM _callhardening.require_readable_events(coalesce(known, provider), shape);
    RETURN coalesce(known, provider);
END
$$;

COMMENT ON FUNCTION _callhardening.require_provider(text, jsonb) IS
'the provider as call_providers() spells it. Refuses NULL (22004), a document that is no shape, and without one an '
'unknown provider, or one without readable events (22023)';

CREATE FUNCTION @extschema@.create_call_tables(schema name DEFAULT pg_catalog.current_schema(),
        provider text DEFAULT 'dialpad', shape jsonb DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    known text;
    calls regclass;
BEGIN
    PERFORM _callhardening.require_free_names(schema, '{calls,call_events}'::name[],
        'Harden your own table of calls with harden_calls, or name another schema.');
    known := CASE WHEN provider = '*' THEN provider ELSE _callhardening.require_provider(provider, shape) END;
    calls := _callhardening.create_calls_table(schema, known);
    IF known <> '*' THEN
        PERFORM @extschema@.register_call_event_log(
            _callhardening.create_event_table(schema, 'call_events'::name), calls, known, 64, shape);
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.create_call_tables(name, text, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'create_call_tables');

COMMENT ON FUNCTION @extschema@.create_call_tables(name, text, jsonb) IS
'Creates <schema>.calls, hardened, and <schema>.call_events, an event log of 64 lanes for it. The
columns for Dialpad are dialpad_call_id and dialpad_user_id, for others call_id and user_id.
Their type, and that of master_call_id, entry_point_call_id and operator_call_id, is the id_type
of call_providers().
- schema: the current one by default
- provider: the source of the events; *: several providers: it creates only calls, each call id
  is "provider:call id", and a check constraint wants it (then see create_call_event_log)
- shape: where the bodies have each value (configure_call_event_log); with one, the provider may
  have any name
Errors:
- 22004: no schema or provider
- 22023: unknown provider, its events cannot be read, or a malformed shape
- 3F000: no such schema
- 42501: no right to create in the schema, or not the task own (grant_call_role)
- 42P07: one of the tables is there already
- 54000: a shape above 64 kB';

CREATE FUNCTION @extschema@.create_call_event_log(calls regclass, provider text, events name DEFAULT NULL,
        lanes int DEFAULT 64, shape jsonb DEFAULT NULL)
    RETURNS regclass
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    known text := _callhardening.require_provider(provider, shape);
    schema name;
    log regclass;
BEGIN
    PERFORM _callhardening.require_calls_table(calls);
    events := coalesce(events, known || '_events');
    schema := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = calls);
    PERFORM _callhardening.require_free_names(schema, ARRAY[events], 'Give the new log another name in events.');
    log := _callhardening.create_event_table(schema, events);
    PERFORM @extschema@.register_call_event_log(log, calls, known, lanes, shape);
    RETURN log;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.create_call_event_log(regclass, text, name, int, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'create_call_event_log');

COMMENT ON FUNCTION @extschema@.create_call_event_log(regclass, text, name, int, jsonb) IS
'Creates an event log for a hardened calls table, in its schema, and returns it. The first log of
the database is the default log. A later one is not: NOTICE. WARNING: the calls table has a log
of another provider, and its call ids do not begin with their provider (harden_calls(provider =>
''*'')).
- provider: the source of the events
- events: the name of the log; NULL: <provider>_events
- lanes: 1 to 1024
- shape: where the bodies have each value (configure_call_event_log); with one, the provider may
  have any name
Errors:
- 22004: no calls table or provider
- 22023: unknown provider, its events cannot be read, a malformed shape, or lanes out of range
- 42501: not the owner, no right to create in the schema, or not the task own (grant_call_role)
- 42809: it is no table
- 42P01: no such table
- 42P07: the name is taken
- 54000: a shape above 64 kB
- 55000: the table is not hardened, or takes no event';

-- an existing table of events ------------------------------------------------------------------
--
-- It gets the columns of an event log, and the triggers that fill them. Its clients see no change and need no new
-- rights. Only pending rows are rewritten.

CREATE FUNCTION _callhardening.can_fill_column(column_name name, type oid) RETURNS boolean
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_can_fill_column';

COMMENT ON FUNCTION _callhardening.can_fill_column(name, oid) IS
'whether process_call_events fills a column of this name and type: it has one of the usual names, as in started_at, '
'and a type that can hold the values. Errors: 42704 no such type';

CREATE FUNCTION _callhardening.columns_to_fill(calls regclass, settings _callhardening.settings, carry name[])
    RETURNS TABLE (name name, attnum smallint, identity "char", type regtype, typmod int, has_default boolean,
        preset text, refuses_null boolean, is_filled boolean)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH types AS MATERIALIZED (
    SELECT a.attrelid, a.attname, a.attnum, a.attidentity, a.attgenerated,
        a.attnotnull OR b.refuses_null AS refuses_null,
        a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL AS has_default,
        coalesce(pg_get_expr(d.adbin, d.adrelid), t.typdefault) AS preset,
        b.base_type AS type, b.base_typmod AS typmod
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    CROSS JOIN LATERAL _callhardening.type_below(a.atttypid, a.atttypmod) AS b
    WHERE a.attrelid = ANY (calls::oid || ARRAY(SELECT leaf::oid FROM _callhardening.table_leaves(calls) AS leaf))
        AND a.attnum > 0 AND NOT a.attisdropped
), refusing AS MATERIALIZED (
    -- A partition may refuse what its table takes; the defaults are those of the table.
    SELECT y.attname FROM types y WHERE y.refuses_null
    UNION
    SELECT a.attname FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    WHERE c.conrelid = ANY (calls::oid || ARRAY(SELECT leaf::oid FROM _callhardening.table_leaves(calls) AS leaf))
        AND c.contype = 'c' AND cardinality(c.conkey) = 1
        AND pg_get_constraintdef(c.oid) LIKE 'CHECK ((' || quote_ident(a.attname) || ' IS NOT NULL))%'
)
SELECT y.attname, y.attnum, y.attidentity, y.type, y.typmod, y.has_default, y.preset,
    EXISTS (SELECT FROM refusing r WHERE r.attname = y.attname),
    y.attname IN (settings.call_id_column, settings.status_column, settings.direction_column,
            settings.payload_column)
        OR y.attname = ANY (carry)
        OR (y.attgenerated = '' AND y.attidentity <> 'a'
            AND _callhardening.can_fill_column(y.attname, y.type)
            -- A table with Dialpad's names keeps a user_id of its own.
            AND NOT (y.attname = 'user_id' AND EXISTS (SELECT FROM types d WHERE d.attrelid = calls
                AND d.attname IN ('dialpad_call_id', 'dialpad_user_id'))))
FROM types y WHERE y.attrelid = calls
$$;

COMMENT ON FUNCTION _callhardening.columns_to_fill(regclass, _callhardening.settings, name[]) IS
'the columns of a table of calls. type and typmod are those below a domain. preset: the default, as SQL. refuses_null: '
'also in one partition, or by a domain or a CHECK. is_filled: events fill it';

CREATE FUNCTION _callhardening.usual_lengths(call_id_column name) RETURNS TABLE (name name, what text, length int)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES (call_id_column, 'call ids', 20),
    ('from_number', 'numbers', 16),
    ('to_number', 'numbers', 16),
    ('recording_url', 'links', 255),
    ('voicemail_url', 'links', 255),
    ('dialpad_user_id', 'ids', 20),
    ('user_id', 'ids', 20),
    ('master_call_id', 'ids', 20),
    ('entry_point_call_id', 'ids', 20),
    ('operator_call_id', 'ids', 20)
$$;

COMMENT ON FUNCTION _callhardening.usual_lengths(name) IS
'the characters that values of a column can have. For row_obstacles';

CREATE FUNCTION _callhardening.row_obstacles(calls regclass, settings _callhardening.settings, carry name[])
    RETURNS TABLE (level text, gap text, detail text, advice text)
    LANGUAGE sql STABLE ROWS 4
    SET search_path = pg_catalog, pg_temp
    SET jit = off -- what it estimates for a few rows of the catalogs would cost seconds of compiling
    AS $$
WITH columns AS MATERIALIZED (
    SELECT * FROM _callhardening.columns_to_fill(calls, settings, carry)
), empty AS (
    -- A trigger of the table may fill what nobody else does.
    SELECT c.* FROM columns c WHERE NOT EXISTS (
        SELECT FROM pg_trigger t WHERE t.tgrelid = calls AND t.tgtype & 7 = 7 AND NOT t.tgisinternal
            AND t.tgenabled <> 'D'
            AND t.tgname <> ALL (ARRAY(SELECT unnest(_callhardening.call_triggers(calls)))))
)
SELECT 'gap', 'column_not_filled',
    format('no event fills column %I of table %s, but it is NOT NULL and has no default', e.name, calls),
    'Give the column a default, or name it in carry if the events have it.'
FROM empty e WHERE e.refuses_null AND NOT e.has_default AND NOT e.is_filled
UNION ALL
-- Each call would have the same value there, or the same NULL.
SELECT 'gap', 'unique_not_filled',
    format('no event fills the columns of the unique index %s of table %s: it takes one call',
        i.indexrelid::regclass, calls),
    'Drop it, or add the call id to its columns.'
FROM pg_index i WHERE i.indrelid = calls AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    AND NOT EXISTS (SELECT FROM columns c WHERE c.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
        AND (c.is_filled OR c.identity <> '' OR c.preset LIKE '%(%' OR c.preset LIKE 'CURRENT%'
            OR (c.preset IS NULL AND NOT i.indnullsnotdistinct)))
    AND NOT EXISTS (SELECT FROM columns c WHERE c.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
        AND NOT EXISTS (SELECT FROM empty e WHERE e.attnum = c.attnum))
UNION ALL
SELECT 'gap', 'partition_missing',
    format('the partitioned table %s has no partition for a row', calls), 'Create its partitions.'
FROM pg_class c WHERE c.oid = calls AND c.relkind = 'p'
    AND NOT EXISTS (SELECT FROM pg_partition_tree(calls) p WHERE p.isleaf AND p.level > 0)
UNION ALL
SELECT 'note', 'column_not_null',
    format('column %I of table %s is NOT NULL and has no default: an event without its value fails',
        e.name, calls),
    'Give the column a default, or drop NOT NULL.'
FROM empty e WHERE e.refuses_null AND NOT e.has_default AND e.is_filled
    AND e.name NOT IN (settings.call_id_column, settings.payload_column) AND e.name <> ALL (carry)
UNION ALL
SELECT 'note', 'column_short',
    format('column %I of table %s is %s: %s can be longer, and an event with such a value fails',
        c.name, calls, format_type(c.type, c.typmod), w.what), 'Make the column longer.'
FROM columns c JOIN _callhardening.usual_lengths(settings.call_id_column) AS w ON w.name = c.name
WHERE c.type IN ('varchar'::regtype, 'bpchar'::regtype) AND c.typmod >= 4 AND c.typmod - 4 < w.length
    OR c.name = settings.call_id_column AND c.type IN ('smallint'::regtype, 'integer'::regtype)
UNION ALL
SELECT 'note', 'row_security',
    format('row-level security is enabled for table %s: events fail if it applies to the worker''s role', calls),
    format('Give their roles BYPASSRLS or a policy, or ALTER TABLE %s DISABLE ROW LEVEL SECURITY.', calls)
FROM pg_class c WHERE c.oid = calls AND c.relrowsecurity
$$;

COMMENT ON FUNCTION _callhardening.row_obstacles(regclass, _callhardening.settings, name[]) IS
'why events fail to be applied to this table: each event (gap), or some (note). settings: of these only the columns '
'count. carry: see harden_call_events. Reads the catalogs only: what constraints, domains, foreign keys and triggers '
'say of a row is not looked at';

CREATE FUNCTION _callhardening.carried_column_nulls(events regclass, calls regclass, carry name[])
    RETURNS TABLE (detail text, advice text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format('the carried column %I may be NULL in %s, and not in %s: an event without its value fails',
        k.name, events, calls),
    format('Give the values in ingest_call_event(carry => ...), or the column of %s a default.', calls)
FROM unnest(carry) AS k (name)
JOIN pg_attribute e ON e.attrelid = events AND e.attname = k.name AND NOT e.attisdropped
    AND NOT e.attnotnull AND NOT e.atthasdef
JOIN pg_attribute c ON c.attrelid = calls AND c.attname = k.name AND NOT c.attisdropped
    AND c.attnotnull AND NOT c.atthasdef
$$;

COMMENT ON FUNCTION _callhardening.carried_column_nulls(regclass, regclass, name[]) IS
'the carried columns: optional in an event, required in a call';

CREATE FUNCTION _callhardening.require_no_obstacle(calls regclass, carry name[]) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings _callhardening.settings := _callhardening.column_settings(_callhardening.trigger_settings(calls));
    obstacle record;
BEGIN
    IF settings.call_id_column IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is not hardened', calls),
            hint => 'Call harden_calls for it first.');
    END IF;
    IF _callhardening.key_obstacle(calls, settings.call_id_column) IS NOT NULL THEN
        PERFORM _callhardening.raise_error('55000',
            format('column %I of table %s cannot be the key of events', settings.call_id_column, calls),
            detail => _callhardening.key_obstacle(calls, settings.call_id_column),
            hint => 'Use text or varchar with a deterministic collation, or an integer type. The column cannot be '
                'GENERATED ALWAYS.');
    END IF;
    FOR obstacle IN SELECT o.* FROM _callhardening.row_obstacles(calls, settings, carry) AS o
        WHERE o.gap IN ('column_not_filled', 'unique_not_filled')
    LOOP
        PERFORM _callhardening.raise_error('55000', obstacle.detail, hint => obstacle.advice);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.require_no_obstacle(regclass, name[]) IS
'refuses (55000) a calls table unfit for any event';

CREATE FUNCTION _callhardening.report_obstacles(events regclass, calls regclass, carry name[]) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    obstacle record;
BEGIN
    FOR obstacle IN
        SELECT o.detail, o.advice FROM _callhardening.row_obstacles(calls,
            _callhardening.column_settings(_callhardening.trigger_settings(calls)), carry) AS o
        UNION ALL
        SELECT n.detail, n.advice FROM _callhardening.carried_column_nulls(events, calls, carry) AS n
    LOOP
        PERFORM _callhardening.report('WARNING', obstacle.detail, hint => obstacle.advice);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.report_obstacles(regclass, regclass, name[]) IS
'a WARNING for each obstacle of row_obstacles, and for each of carried_column_nulls';

CREATE FUNCTION _callhardening.require_event_column(events regclass, argument text, column_name name, types regtype[])
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    attribute pg_attribute;
    base_type regtype;
BEGIN
    IF column_name IS NULL THEN
        RETURN;
    END IF;
    attribute := _callhardening.require_plain_column(events, column_name,
        format('Name a column of the table in %s.', argument));
    base_type := _callhardening.base_type(attribute.atttypid);
    IF types IS NOT NULL AND NOT (base_type = ANY (types)
            OR ('text'::regtype = ANY (types) AND (SELECT typcategory = 'S' FROM pg_type WHERE oid = base_type))) THEN
        PERFORM _callhardening.raise_error('42804',
            format('column %I of table %s is %s', column_name, events,
                format_type(attribute.atttypid, attribute.atttypmod)),
            detail => format('The column of %s must be %s.', argument,
                (SELECT string_agg(t::text, ' or ') FROM unnest(types) AS t)));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_event_column(regclass, text, name, regtype[]) IS
'refuses a column unfit for an argument of harden_call_events: 42703 no such column, 428C9 generated, 42804 of none '
'of the types (text: any type of strings; NULL: any type). column_name NULL: nothing is looked at';

CREATE FUNCTION _callhardening.require_event_table(events regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    class pg_class;
BEGIN
    PERFORM _callhardening.require_relation(events, 'events'::text);
    SELECT * INTO class FROM pg_class WHERE oid = events;
    IF class.relkind <> 'r' OR class.relispartition THEN
        PERFORM _callhardening.raise_error('42809', format('%s is not an ordinary table', events),
            hint => 'An event log is read through an index on all of its rows: views, foreign tables, partitioned '
                'tables and partitions have none.');
    END IF;
    IF EXISTS (SELECT FROM pg_inherits WHERE events IN (inhrelid, inhparent)) THEN
        PERFORM _callhardening.raise_error('42809', format('table %s inherits, or is inherited from', events),
            hint => 'The rows of an event log have to be in one table.');
    END IF;
    PERFORM _callhardening.require_table_owner(events);
END
$$;

COMMENT ON FUNCTION _callhardening.require_event_table(regclass) IS
'refuses what cannot be an event log: 22004 NULL, 42P01 no relation, 42809 no ordinary table, or one with '
'inheritance, 42501 not the owner';

CREATE FUNCTION _callhardening.require_carried_columns(events regclass, calls regclass, carry name[]) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings record := @extschema@.call_settings(calls);
    filled name[] := ARRAY[settings.call_id_column, settings.status_column, settings.direction_column,
        settings.payload_column];
    source pg_attribute;
    target pg_attribute;
    carried name;
BEGIN
    IF carry IS NULL OR array_position(carry, NULL) IS NOT NULL THEN
        PERFORM _callhardening.raise_error('22004', 'carry must not be NULL, nor have a NULL in it');
    END IF;
    FOREACH carried IN ARRAY carry LOOP
        IF (SELECT count(*) FROM unnest(carry) AS c WHERE c = carried) > 1 THEN
            PERFORM _callhardening.raise_error('42701', format('column %I is named twice in carry', carried));
        END IF;
        PERFORM _callhardening.require_event_column(events, 'carry'::text, carried, NULL::regtype[]);
        SELECT * INTO source FROM pg_attribute WHERE attrelid = events AND attname = carried;
        target := _callhardening.require_plain_column(calls, carried, 'carry names columns of both tables.');
        IF target.attidentity = 'a' THEN
            PERFORM _callhardening.raise_error('428C9',
                format('column %I of table %s is a generated column', carried, calls));
        END IF;
        IF carried = ANY (filled) THEN
            PERFORM _callhardening.raise_error('22023',
                format('column %I of table %s is filled by the events', carried, calls),
                hint => 'Leave it out of carry.');
        END IF;
        IF source.atttypid <> target.atttypid THEN
            PERFORM _callhardening.raise_error('42804',
                format('column %I is %s in %s and %s in %s', carried,
                    format_type(source.atttypid, source.atttypmod), events,
                    format_type(target.atttypid, target.atttypmod), calls));
        END IF;
    END LOOP;
    PERFORM _callhardening.require_no_obstacle(calls, carry);
END
$$;

COMMENT ON FUNCTION _callhardening.require_carried_columns(regclass, regclass, name[]) IS
'refuses columns that cannot be copied from an event to its call, and a calls table with columns that would stay '
'empty and must not; the errors are told at harden_call_events';

CREATE FUNCTION _callhardening.require_valid_event_settings(events regclass, calls regclass, payload_column name,
        event_type_column name, received_at_column name, processed_at_column name, provider text, carry name[],
        lanes int, shape jsonb)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    named name;
    seen name[] := '{event_lane,event_xid,event_seq,call_id,event_digest}';
BEGIN
    PERFORM _callhardening.require_event_table(events);
    IF calls IS NULL OR payload_column IS NULL OR provider IS NULL OR lanes IS NULL THEN
        PERFORM _callhardening.raise_error('22004', 'calls, payload_column, provider and lanes must not be NULL');
    END IF;
    PERFORM _callhardening.require_log_tables(events, calls);
    IF EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = require_valid_event_settings.events) THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is an event log already', events),
            hint => 'To change its settings, call unharden_call_events first.');
    END IF;
    IF (@extschema@.call_settings(calls)).call_id_column IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is not hardened', calls),
            hint => 'Call harden_calls for it first.');
    END IF;
    PERFORM _callhardening.require_table_owner(calls);
    PERFORM _callhardening.require_valid_log_settings(provider, shape, lanes);
    FOREACH named IN ARRAY array_remove(
            ARRAY[payload_column, event_type_column, received_at_column, processed_at_column], NULL) LOOP
        IF named = ANY (seen) THEN
            PERFORM _callhardening.raise_error('42701',
                format('column %I is named twice, or is one that the event log fills', named));
        END IF;
        seen := seen || named;
    END LOOP;
    PERFORM _callhardening.require_event_column(events, 'payload_column'::text, payload_column, '{jsonb}'::regtype[]);
    PERFORM _callhardening.require_event_column(events, 'event_type_column'::text,
        event_type_column, '{text}'::regtype[]);
    PERFORM _callhardening.require_event_column(events, 'received_at_column'::text, received_at_column,
        '{timestamp,timestamptz}'::regtype[]);
    PERFORM _callhardening.require_event_column(events, 'processed_at_column'::text, processed_at_column,
        '{timestamp,timestamptz}'::regtype[]);
    IF (SELECT attnotnull FROM pg_attribute WHERE attrelid = events AND attname = processed_at_column) THEN
        PERFORM _callhardening.raise_error('42804',
            format('column %I of table %s is NOT NULL', processed_at_column, events),
            detail => 'NULL means: the event is pending.');
    END IF;
    PERFORM _callhardening.require_carried_columns(events, calls, carry);
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_event_settings(regclass, regclass, name, name, name,
    name, text, name[], int, jsonb) IS
'refuses arguments unfit for harden_call_events; its comment lists the errors';

-- Our own objects have a comment with this beginning. unharden_call_events takes nothing else away.
CREATE FUNCTION _callhardening.event_stamp_comment(calls regclass, payload_column name, provider text, shape jsonb,
        lanes int)
    RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format('callhardening: lane of the call, one of %s; by the call ids of %s in %I for a key of %s; '
    'stamps of cluster %s', lanes,
    lower(provider) || coalesce(' (shape ' || md5(shape::text) || ')', ''), payload_column,
    _callhardening.call_key_type(calls), (SELECT system_identifier FROM pg_control_system()))
$$;

COMMENT ON FUNCTION _callhardening.event_stamp_comment(regclass, name, text, jsonb, int) IS
'the comment of the column event_lane of a hardened event table: stamps under another comment are made again';

CREATE FUNCTION _callhardening.call_key_type(calls regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN s.provider = '*' THEN 'provider:' ELSE '' END
    || format_type(_callhardening.base_type(a.atttypid), NULL)
FROM @extschema@.call_settings(calls) AS s JOIN pg_attribute a ON a.attrelid = calls AND a.attname = s.call_id_column
$$;

COMMENT ON FUNCTION _callhardening.call_key_type(regclass) IS
'the type of a hardened table''s call id, as in "bigint". "provider:text": each call id begins with its provider. NULL '
'if the table is not hardened';

-- harden_calls could choose another kind of key meanwhile. It would not see the new log.
CREATE FUNCTION _callhardening.lock_call_key(calls regclass) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', calls);
    RETURN _callhardening.call_key_type(calls);
END
$$;

COMMENT ON FUNCTION _callhardening.lock_call_key(regclass) IS
'what call_key_type returns. It stays so until the end of the transaction';

CREATE FUNCTION _callhardening.warn_of_shared_keys(events regclass, calls regclass, provider text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    other _callhardening.logs;
BEGIN
    SELECT l.* INTO other FROM _callhardening.logs AS l
    WHERE l.calls = warn_of_shared_keys.calls AND l.events <> warn_of_shared_keys.events AND NOT l.is_of_changes
        AND coalesce(_callhardening.known_provider(l.provider), l.provider)
            <> coalesce(_callhardening.known_provider(warn_of_shared_keys.provider), warn_of_shared_keys.provider)
    ORDER BY l.log_id LIMIT 1;
    IF FOUND AND _callhardening.call_key_type(calls) NOT LIKE 'provider:%' THEN
        PERFORM _callhardening.report('WARNING',
            format('the events of %s and of %s may have the same call ids', provider, other.provider),
            detail => format('Event logs %s and %s have the calls table %s. Two calls with one id become one row.',
                events, other.events, calls),
            hint => 'Use a calls table of several providers: harden_calls(provider => ''*'').');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.warn_of_shared_keys(regclass, regclass, text) IS
'a WARNING if a calls table gets a log of a second provider, and its call ids do not begin with their provider';

CREATE FUNCTION _callhardening.event_sequence(events regclass) RETURNS regclass
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT d.objid::regclass FROM pg_attribute a
JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
    AND d.refobjsubid = a.attnum AND d.deptype = 'a'
JOIN pg_class s ON d.classid = 'pg_class'::regclass AND s.oid = d.objid AND s.relkind = 'S'
WHERE a.attrelid = events AND a.attname = 'event_seq'
ORDER BY d.objid LIMIT 1
$$;

COMMENT ON FUNCTION _callhardening.event_sequence(regclass) IS
'the sequence of the events of a hardened event table; NULL: there is none';

CREATE FUNCTION _callhardening.event_columns() RETURNS TABLE (column_name name, column_type regtype, note text)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('event_lane'::name, 'integer'::regtype, NULL),
    ('event_xid', 'xid8', 'callhardening: the transaction that appended the event'),
    ('event_seq', 'bigint',
        'callhardening: sequence number of the event; NULL: it was processed before this was an event log'),
    ('call_id', 'text', 'callhardening: the call that the event is about'),
    ('event_digest', 'bytea', 'callhardening: tells a redelivery to ingest_call_event')
$$;

COMMENT ON FUNCTION _callhardening.event_columns() IS 'the columns of harden_call_events, with their comments';

CREATE FUNCTION _callhardening.has_event_columns(events regclass) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT _callhardening.event_sequence(events) IS NOT NULL AND NOT EXISTS (
    SELECT FROM _callhardening.event_columns() c
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = events AND a.attname = c.column_name))
$$;

COMMENT ON FUNCTION _callhardening.has_event_columns(regclass) IS
'whether an event table has the columns of an event log: hardening it takes no ACCESS EXCLUSIVE lock then';

CREATE FUNCTION _callhardening.add_event_columns(events regclass, stamp_comment text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    wanted record;
    attribute pg_attribute;
    has_values boolean;
    class pg_class;
    sequence text;
BEGIN
    FOR wanted IN SELECT * FROM _callhardening.event_columns() LOOP
        SELECT * INTO attribute FROM pg_attribute
        WHERE attrelid = events AND attname = wanted.column_name AND NOT attisdropped;
        IF NOT FOUND THEN
            PERFORM _callhardening.add_column(events, wanted.column_name, wanted.column_type,
                coalesce(wanted.note, stamp_comment));
        ELSIF attribute.atttypid <> wanted.column_type OR attribute.attgenerated <> '' THEN
            PERFORM _callhardening.raise_error('42804',
                format('column %I of table %s is %s%s', wanted.column_name, events,
                    CASE WHEN attribute.attgenerated <> '' THEN 'generated, of type ' END,
                    format_type(attribute.atttypid, attribute.atttypmod)),
                detail => format('The trigger of an event log fills a column of this name. Its type must be %s.',
                    wanted.column_type),
                hint => 'Rename the column.');
        ELSIF coalesce(col_description(events, attribute.attnum), '') NOT LIKE 'callhardening: %' THEN
            SELECT r.found INTO has_values
            FROM _callhardening.query_as_owner(events,
                format('SELECT EXISTS (SELECT FROM %s WHERE %I IS NOT NULL)', events, wanted.column_name),
                NULL::text[]) AS r (found boolean);
            IF has_values THEN
                PERFORM _callhardening.raise_error('55000',
                    format('column %I of table %s has values', wanted.column_name, events),
                    detail => 'The trigger of an event log fills a column of this name.',
                    hint => 'Rename the column.');
            END IF;
        END IF;
    END LOOP;
    IF _callhardening.event_sequence(events) IS NULL THEN
        SELECT * INTO class FROM pg_class WHERE oid = events;
        sequence := format('%s.%I', class.relnamespace::regnamespace,
            _callhardening.free_relation_name(class.relnamespace, class.relname, 'event_seq_seq'::text));
        EXECUTE format('CREATE SEQUENCE %s', sequence);
        -- A table owns only a sequence of its own owner, and a superuser or a member of the owner may be at work.
        EXECUTE format('ALTER SEQUENCE %s OWNER TO %s', sequence, class.relowner::regrole);
        EXECUTE format('ALTER SEQUENCE %s OWNED BY %s.event_seq', sequence, events);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.add_event_columns(regclass, text) IS
'adds the columns and the sequence of an event log if they are missing, without a look at the rows. Errors: 42804 a '
'column of this name has another type, 55000 it has values of its own';

CREATE FUNCTION _callhardening.free_relation_name(schema oid, relation name, suffix text) RETURNS name
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- Of a long name at most 40 bytes are left: what comes after them is not to be cut off.
SELECT candidate FROM (
    SELECT n, (left(relation, cut.characters) || '_' || suffix
        || CASE n WHEN 0 THEN '' ELSE n::text END)::name AS candidate
    FROM generate_series(0, 1000) AS n,
        (SELECT max(k) AS characters FROM generate_series(0, 40) AS k
            WHERE octet_length(left(relation, k)) <= 40) AS cut) AS names
WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = schema AND c.relname = candidate)
ORDER BY n LIMIT 1
$$;

COMMENT ON FUNCTION _callhardening.free_relation_name(oid, name, text) IS
'a free name in the schema, as in webhook_events_event_seq_seq';

CREATE FUNCTION _callhardening.missing_event_indexes(events regclass, beside_writers boolean) RETURNS SETOF text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format('CREATE UNIQUE INDEX %sON %s (%s) WHERE %s IS NOT NULL',
    CASE WHEN beside_writers THEN 'CONCURRENTLY ' END, events, array_to_string(keys, ', '), keys[1])
FROM _callhardening.event_indexes()
WHERE NOT _callhardening.has_event_index(events, keys)
ORDER BY index_no
$$;

COMMENT ON FUNCTION _callhardening.missing_event_indexes(regclass, boolean) IS
'the statements for the missing indexes of an event table for an event log';

CREATE FUNCTION _callhardening.add_event_indexes(events regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    statement text;
    before oid[];
    made oid;
BEGIN
    FOR statement IN SELECT * FROM _callhardening.missing_event_indexes(events, false) LOOP
        before := ARRAY(SELECT indexrelid FROM pg_index WHERE indrelid = events);
        EXECUTE statement;
        SELECT indexrelid INTO made FROM pg_index WHERE indrelid = events AND indexrelid <> ALL (before);
        EXECUTE format('COMMENT ON INDEX %s IS %L', made::regclass, 'callhardening: of the event log');
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.add_event_indexes(regclass) IS
'makes the missing indexes of an event table for an event log';

CREATE FUNCTION _callhardening.stamp_pending_events(events regclass, calls regclass, payload_column name,
        received_at_column name, processed_at_column name, provider text, shape jsonb, lanes int,
        max_events bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    stamp_comment text := _callhardening.event_stamp_comment(calls, payload_column, provider, shape, lanes);
    present_comment text := (SELECT col_description(events, attnum) FROM pg_attribute
        WHERE attrelid = events AND attname = 'event_lane');
    receipt text := CASE WHEN received_at_column IS NULL THEN ''
        ELSE format('%I NULLS FIRST, ', received_at_column) END;
    stamped bigint;
BEGIN
    -- A copy of a hardened table has the stamps and lanes of another log.
    IF max_events IS NULL THEN
        PERFORM _callhardening.write_as_owner(events, format('UPDATE %s SET
            event_lane = NULL, event_xid = NULL, event_seq = NULL, call_id = NULL
            WHERE event_lane IS NOT NULL AND %s', events,
            CASE WHEN processed_at_column IS NULL THEN '$1[1] IS NOT NULL'
                ELSE format('%I IS NULL AND (event_lane >= CAST($1[1] AS int) OR event_xid > pg_current_xact_id())',
                    processed_at_column) END),
            ARRAY[lanes::text]);
    END IF;
    IF processed_at_column IS NULL THEN
        RETURN 0;
    END IF;
    IF present_comment LIKE 'callhardening: %' AND present_comment <> stamp_comment THEN
        -- Calls would be in other lanes.
        PERFORM _callhardening.write_as_owner(events, format('UPDATE %s SET
            event_lane = NULL, event_xid = NULL, event_seq = NULL, call_id = NULL
            WHERE %I IS NULL AND event_lane IS NOT NULL', events, processed_at_column), NULL::text[]);
        EXECUTE format('COMMENT ON COLUMN %s.event_lane IS %L', events, stamp_comment);
    END IF;
    -- In the order of receipt. The rows are locked first: a row written by another session during the UPDATE would be
    -- left for later, and come behind the later events of its call.
    IF max_events IS NOT NULL THEN
        PERFORM _callhardening.write_as_owner(events, format('SELECT FROM %s WHERE %I IS NULL AND event_lane IS NULL
            ORDER BY %sctid LIMIT CAST($1[1] AS bigint) FOR NO KEY UPDATE', events, processed_at_column, receipt),
            ARRAY[max_events::text]);
    END IF;
    stamped := _callhardening.write_as_owner(events, format('
        WITH chosen AS MATERIALIZED (
            SELECT ctid AS row_id, %2$I AS payload FROM %1$s WHERE %3$I IS NULL AND event_lane IS NULL
            ORDER BY %4$sctid LIMIT CAST($1[4] AS bigint)),
        numbered AS MATERIALIZED (
            SELECT row_id, nextval(%5$s::oid) AS seq, stamp.*
            FROM chosen CROSS JOIN LATERAL _callhardening.event_stamp(
                coalesce(payload, ''null'')::jsonb, $1[1], CAST($1[2] AS int), $1[3],
                (SELECT CAST($1[5] AS jsonb))) AS stamp)
        UPDATE %1$s AS e SET
            event_lane = n.event_lane, event_xid = pg_current_xact_id(), event_seq = n.seq, call_id = n.call_id
        FROM numbered n WHERE e.ctid = n.row_id AND e.%3$I IS NULL',
        events, payload_column, processed_at_column, receipt, _callhardening.event_sequence(events)::oid),
        ARRAY[provider, lanes::text, _callhardening.call_key_type(calls), max_events::text,
            coalesce(shape, 'null')::text]);
    RETURN stamped;
END
$$;

COMMENT ON FUNCTION _callhardening.stamp_pending_events(regclass, regclass, name, name, name, text, jsonb, int,
    bigint) IS
'stamps up to max_events (NULL: all) unprocessed events of a future event log, as stamp_call_event stamps new ones; '
'returns how many. processed_at_column NULL: none are pending';

-- harden_call_events does not make it: the table is locked, and may be large.
CREATE FUNCTION _callhardening.offer_call_id_index(events regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = events AND i.indisvalid AND a.attname = 'call_id') THEN
        PERFORM _callhardening.report('NOTICE', format('event log %s has no index on call_id', events),
            detail => 'call_timeline reads the whole table.',
            hint => format('CREATE INDEX CONCURRENTLY ON %s (call_id, event_seq) WHERE call_id IS NOT NULL;', events));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.offer_call_id_index(regclass) IS
'a NOTICE with the index that call_timeline uses, if the log has none';

CREATE PROCEDURE @extschema@.prepare_harden_call_events(events regclass, calls regclass,
        payload_column name DEFAULT 'payload', event_type_column name DEFAULT NULL,
        received_at_column name DEFAULT NULL, processed_at_column name DEFAULT NULL, provider text DEFAULT 'dialpad',
        carry name[] DEFAULT '{}', lanes int DEFAULT 64, batch_size int DEFAULT 10000, shape jsonb DEFAULT NULL)
    LANGUAGE plpgsql
    AS $$
DECLARE
    stamped pg_catalog.int8;
    statement pg_catalog.text;
BEGIN
    -- A procedure with COMMIT cannot set its search_path: what is not ours is qualified.
    PERFORM _callhardening.require_valid_event_settings(events, calls, payload_column, event_type_column,
        received_at_column, processed_at_column, provider, carry, lanes, shape);
    IF batch_size OPERATOR(pg_catalog.<) 1 OR batch_size IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'batch_size must be at least 1';
    END IF;
    PERFORM _callhardening.add_event_columns(events,
        _callhardening.event_stamp_comment(calls, payload_column, provider, shape, lanes));
    COMMIT;
    PERFORM _callhardening.add_merge_columns(calls);
    COMMIT;
    LOOP
        stamped := _callhardening.stamp_pending_events(events, calls, payload_column, received_at_column,
            processed_at_column, provider, shape, lanes, batch_size::pg_catalog.int8);
        COMMIT;
        EXIT WHEN stamped OPERATOR(pg_catalog.<) batch_size;
    END LOOP;
    FOR statement IN SELECT * FROM _callhardening.missing_event_indexes(events, true) LOOP
        RAISE NOTICE 'still to be done: %;', statement;
    END LOOP;
    PERFORM _callhardening.offer_call_id_index(events);
END
$$;
REVOKE EXECUTE ON PROCEDURE @extschema@.prepare_harden_call_events(regclass, regclass, name, name, name, name, text,
    name[], int, int, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'prepare_harden_call_events');

COMMENT ON PROCEDURE @extschema@.prepare_harden_call_events(regclass, regclass, name, name, name, name,
    text, name[], int, int, jsonb) IS
'Does the long part of harden_call_events before, in short transactions, for a large table with
clients at work. It adds the columns of both tables (ACCESS EXCLUSIVE for moments), stamps what
is pending, and prints statements to build the indexes concurrently. Then call
harden_call_events with the same arguments. The way back is unharden_call_events for the columns
of events, and unharden_calls for those of calls.
- batch_size: so many events in a transaction
- the other arguments: as harden_call_events takes them
Errors:
- those of harden_call_events';

CREATE FUNCTION @extschema@.harden_call_events(events regclass, calls regclass, payload_column name DEFAULT 'payload',
        event_type_column name DEFAULT NULL, received_at_column name DEFAULT NULL,
        processed_at_column name DEFAULT NULL, provider text DEFAULT 'dialpad', carry name[] DEFAULT '{}',
        lanes int DEFAULT 64, shape jsonb DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log int;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE feature_not_supported USING
            MESSAGE = 'events cannot be hardened in a transaction with an isolation level above read committed',
            DETAIL = 'It would not see what was written while it waited for its lock.',
            HINT = 'Use SET TRANSACTION ISOLATION LEVEL READ COMMITTED.';
    END IF;
    PERFORM _callhardening.require_valid_event_settings(events, calls, payload_column, event_type_column,
        received_at_column, processed_at_column, provider, carry, lanes, shape);
    -- The lock comes before any row is written: a session waiting for one of our rows would hold a table lock against
    -- this one. The lock also waits for sessions with locked rows, so nothing below waits for a row.
    EXECUTE format('LOCK TABLE %s IN %s MODE', events,
        CASE WHEN _callhardening.has_event_columns(events) THEN 'EXCLUSIVE' ELSE 'ACCESS EXCLUSIVE' END);
    PERFORM _callhardening.require_valid_event_settings(events, calls, payload_column, event_type_column,
        received_at_column, processed_at_column, provider, carry, lanes, shape);
    -- After the lock on the events: a worker locks the events first.
    PERFORM _callhardening.add_merge_columns(calls);
    PERFORM _callhardening.lock_call_key(calls);
    PERFORM _callhardening.add_event_columns(events,
        _callhardening.event_stamp_comment(calls, payload_column, provider, shape, lanes));
    PERFORM _callhardening.add_event_indexes(events);
    PERFORM _callhardening.stamp_pending_events(events, calls, payload_column, received_at_column, processed_at_column,
        provider, shape, lanes, NULL::bigint);

    PERFORM _callhardening.report_obstacles(events, calls, carry);
    PERFORM _callhardening.warn_of_shared_keys(events, calls, provider);
    PERFORM _callhardening.report_unknown_provider(provider);
    PERFORM _callhardening.offer_call_id_index(events);
    PERFORM _callhardening.create_event_triggers(events,
        ARRAY[payload_column, provider, lanes::text, _callhardening.call_key_type(calls), 'existing']);
    -- The trigger takes a missing identifier for this cluster's.
    INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, payload_column, event_type_column,
        received_at_column, processed_at_column, carry, sequence, shape)
    VALUES (events, calls, provider, lanes, payload_column, event_type_column, received_at_column,
        processed_at_column, carry, _callhardening.event_sequence(events), shape) RETURNING log_id INTO log;
    IF processed_at_column IS NOT NULL THEN
        INSERT INTO _callhardening.my_dead_events (log_id, event_seq, lane, call_id, sqlstate, error)
        SELECT log, e.event_seq, e.event_lane, e.call_id, '22023', _callhardening.why_no_lane(e.event_lane)
        FROM _callhardening.query_as_owner(events, format('SELECT event_seq, event_lane, call_id FROM %s 
            WHERE event_lane BETWEEN _callhardening.no_lane(''not_stamped'') AND _callhardening.no_lane(''not_json'')
                AND %I IS NULL',
            events, processed_at_column), NULL::text[]) AS e (event_seq bigint, event_lane int, call_id text);
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.harden_call_events(regclass, regclass, name, name, name, name, text, name[], int,
    jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'harden_call_events');

COMMENT ON FUNCTION @extschema@.harden_call_events(regclass, regclass, name, name, name, name, text, name[], int,
    jsonb) IS
'Makes a table of events in use the event log of a hardened calls table. Clients go on as before.
It adds the columns event_lane, event_xid, event_seq, call_id and event_digest, their indexes
and three triggers, and the columns merge_... to the calls table. For large tables see
prepare_harden_call_events.
- payload_column: the bodies, jsonb
- event_type_column: what the provider says beside the body; NULL: nothing
- received_at_column: when an event came (timestamp is of the session''s time zone); NULL: not
  known: claims give NULL, and an event without a time of its own counts as newer than those
  before it
- processed_at_column: NULL in a pending event, and set after processing, also by this
  extension; without this column all existing rows are settled
- provider: the source of the events
- carry: columns copied from an event to the new row of its call
- lanes: 1 to 1024
- shape: where the bodies have each value (configure_call_event_log); with one, the provider may
  have any name
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: an argument that must be given is NULL
- 22023: lanes out of range, a provider without readable events, a malformed shape, or a carried
  column that events fill
- 42501: the caller is not the owner of both tables
- 42701: a column is named twice
- 42703: no such column
- 42804: a column of the wrong type
- 42809: no ordinary table, or a temporary or unlogged one
- 428C9: a generated column
- 54000: a shape above 64 kB
- 55000: an event log already, calls is not hardened or takes no event (its call id is of an
  unfit type, or a column would stay empty and must not), or one of the new columns is there
  with values
- 55P03: lock_timeout was over';

CREATE FUNCTION _callhardening.event_triggers(events regclass) RETURNS name[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT ARRAY(
    SELECT t.tgname FROM pg_trigger t
    WHERE t.tgrelid = events AND t.tgfoid IN (
        '_callhardening.stamp_call_event()'::regprocedure, '_callhardening.bury_call_event()'::regprocedure,
        '_callhardening.keep_call_event_stamp()'::regprocedure))
$$;

COMMENT ON FUNCTION _callhardening.event_triggers(regclass) IS 'the triggers of an event log, under any name';

CREATE FUNCTION _callhardening.warn_of_unprocessed_events(log _callhardening.logs) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    pending bigint;
BEGIN
    BEGIN
        SELECT sum(p.pending) + (SELECT l.retrying_or_dead FROM _callhardening.my_logs AS l
            WHERE l.log_id = log.log_id)
        INTO pending FROM @extschema@.pending_call_events(log.events, true, NULL::name) AS p;
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
        NULL; -- an altered table is a reason to go back, and none to stay
    END;
    IF pending IS DISTINCT FROM 0 THEN
        PERFORM _callhardening.report('WARNING', format('%s events of %s were not processed',
                coalesce(pending::text, 'an unknown number of'), log.events),
            detail => 'The table has no column to tell which.',
            hint => 'Roll back, and call process_call_events first.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.warn_of_unprocessed_events(_callhardening.logs) IS
'a part of unharden_call_events: a WARNING with the number of unprocessed events of a log';

CREATE FUNCTION _callhardening.warn_of_dropped_consumers(log _callhardening.logs) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    consumer name;
    pending bigint;
BEGIN
    FOR consumer IN
        SELECT c.name FROM _callhardening.operated_consumers AS c WHERE c.log_id = log.log_id ORDER BY c.name
    LOOP
        BEGIN
            pending := (SELECT sum(p.pending) FROM @extschema@.pending_call_events(log.events, true, consumer) AS p);
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            pending := NULL; -- an altered table
        END;
        PERFORM _callhardening.report('WARNING', format('consumer %I of %s is dropped (pending events: %s)', consumer,
                log.events, coalesce(pending::text, 'not known')),
            hint => 'If its workers still need it, roll back.');
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.warn_of_dropped_consumers(_callhardening.logs) IS
'a part of unharden_call_events: a WARNING for each consumer beside the default one';

CREATE FUNCTION @extschema@.unharden_call_events(events regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log _callhardening.logs;
    is_made boolean; -- as a log, by create_call_tables or as a copy of its table
    has_trigger boolean;
    ours text;
BEGIN
    PERFORM _callhardening.require_event_table(events);
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', events);
    SELECT * INTO log FROM _callhardening.logs AS l WHERE l.events = unharden_call_events.events;
    IF log.is_of_changes THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('%s is a log of changes', events),
            HINT = 'Drop it with drop_call_changes.';
    END IF;
    SELECT count(*) > 0, log.log_id IS NOT NULL AND log.sequence IS NULL OR coalesce(bool_or(t.tgnargs = 4), false)
    INTO has_trigger, is_made FROM pg_trigger t
    WHERE t.tgrelid = events AND t.tgname = ANY (_callhardening.event_triggers(events));
    IF log.log_id IS NULL AND NOT has_trigger
        AND NOT EXISTS (SELECT FROM pg_attribute
            WHERE attrelid = events AND attname IN (SELECT column_name FROM _callhardening.event_columns())
                AND col_description(attrelid, attnum) LIKE 'callhardening: %') THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('%s is not an event log', events);
    END IF;
    IF log.log_id IS NOT NULL AND log.processed_at_column IS NULL THEN
        PERFORM _callhardening.warn_of_unprocessed_events(log);
    END IF;
    PERFORM _callhardening.warn_of_dropped_consumers(log);

    PERFORM _callhardening.drop_triggers(events, _callhardening.event_triggers(events));
    -- With a column go its indexes and its sequence. A copy of a log need not have the comments.
    FOR ours IN
        SELECT attname FROM pg_attribute WHERE attrelid = events AND attnum > 0 AND NOT attisdropped
            AND attname IN (SELECT column_name FROM _callhardening.event_columns())
            AND (col_description(attrelid, attnum) LIKE 'callhardening: %' OR is_made
                AND attname IN ('event_lane', 'event_xid', 'event_digest'))
    LOOP
        EXECUTE format('ALTER TABLE %s DROP COLUMN %I', events, ours);
    END LOOP;
    FOR ours IN
        SELECT indexrelid::regclass::text FROM pg_index
        WHERE indrelid = events AND obj_description(indexrelid, 'pg_class') LIKE 'callhardening: %'
    LOOP
        EXECUTE format('DROP INDEX %s', ours);
    END LOOP;
    IF _callhardening.event_sequence(events) = log.sequence THEN
        EXECUTE format('DROP SEQUENCE %s', log.sequence);
    END IF;
    IF log.log_id IS NOT NULL THEN
        UPDATE _callhardening.forgotten_logs AS l SET is_forgotten = true WHERE l.log_id = log.log_id;
        IF NOT FOUND THEN
            RAISE insufficient_privilege USING MESSAGE = format('must be owner of table %s', log.calls);
        END IF;
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.unharden_call_events(regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'unharden_call_events');

COMMENT ON FUNCTION @extschema@.unharden_call_events(regclass) IS
'Makes an ordinary table of an event log again: the triggers, the stamp columns and indexes go,
and what is remembered about the log. It works for a log of create_call_tables too: its columns
event_seq, call_id, event_type, received_at and payload stay. All rows stay, and so does
processed_at. Pending, retrying and dead events have none. Takes ACCESS EXCLUSIVE for a moment.
Open claims are unknown then. Consumers are dropped, with a WARNING for each beside the default
one. Without processed_at_column, a WARNING tells how many events were not processed.
Errors:
- 22004: events is NULL
- 2BP01: something depends on the columns
- 42501: the caller is not the owner of both tables
- 42809: it is no table
- 55000: it is no event log, or a log of changes';

-- ingest ---------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.ingest_call_event(payload jsonb, log regclass DEFAULT NULL, event_type text DEFAULT NULL,
        event_key text DEFAULT NULL, carry jsonb DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ingest_call_event_jsonb';
REVOKE EXECUTE ON FUNCTION @extschema@.ingest_call_event(jsonb, regclass, text, text, jsonb) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.ingest_call_event(jsonb, regclass, text, text, jsonb) IS
'Appends a webhook body to an event log, and returns its sequence number. For a redelivery it
returns the first one''s number, and appends nothing. A redelivery has the same event_key.
Without one, it has the provider''s id of the event and the same call. Without both, it has the
same document and event_type. An event without a fitting call id is kept and becomes a dead
event (call_dead_events), unless the settings of the log ignore it (configure_call_event_log). A
body with several calls becomes an event for each, and the first one''s number is returned.
- log: NULL is the default log
- event_type: what the provider says beside the body; NULL is taken from the body
- event_key: the provider''s own id of the event, beside the body; NULL: none
- carry: values of the log''s carried columns (harden_call_events), as in {"app_id": 7}; NULL, or
  a missing or null member: the column has its default. Of a redelivery the first one''s values
  stay.
Errors:
- 22004: payload is NULL
- 22023: carry is no object
- 27000: a trigger of the log suppresses the row
- 28000: the log takes signed bodies only
- 40001: in REPEATABLE READ and SERIALIZABLE, the same event was committed meanwhile
- 40P01: two bodies with the same events in another order came at the same time: try again
- 42703: carry names a column that the log does not carry
- 42P08: several logs, none is the default and none is named
- 55000: no such log, or a column of the log lacks a required value
- those of a column''s type: carry has an unfit value';

CREATE FUNCTION @extschema@.ingest_call_event(payload text, log regclass DEFAULT NULL, event_type text DEFAULT NULL,
        event_key text DEFAULT NULL, carry jsonb DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ingest_call_event_text';
REVOKE EXECUTE ON FUNCTION @extschema@.ingest_call_event(text, regclass, text, text, jsonb) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.ingest_call_event(text, regclass, text, text, jsonb) IS
'Takes a body as it came off the wire. What jsonb refuses (no JSON, \u0000, a lone surrogate) is
kept as a JSON string. If that is a form, the event is what its members say (decode_call_form).
Any other becomes a dead event.
Errors:
- 54000: above 256 MB, the limit of jsonb';

CREATE FUNCTION @extschema@.ingest_call_event(payload bytea, log regclass DEFAULT NULL, event_type text DEFAULT NULL,
        event_key text DEFAULT NULL, carry jsonb DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ingest_call_event_bytea';
REVOKE EXECUTE ON FUNCTION @extschema@.ingest_call_event(bytea, regclass, text, text, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('ingest', 'ingest_call_event');

COMMENT ON FUNCTION @extschema@.ingest_call_event(bytea, regclass, text, text, jsonb) IS
'Takes any bytes. What is text (UTF-8 without NUL) is the event of its text. Anything else is
kept as a JSON string of its base64, and becomes a dead event.
Errors:
- 54000: above 256 MB, or 192 MB if it is no text';

-- signed bodies --------------------------------------------------------------------------------

-- Not among what pg_dump takes along with the extension: a reader of the dump could sign. That a log takes signed
-- bodies only is dumped, in call_event_logs.
CREATE TABLE _callhardening.event_secrets (
    log_id int NOT NULL REFERENCES _callhardening.logs ON DELETE CASCADE,
    name name NOT NULL,
    secret bytea NOT NULL,
    is_public boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CONSTRAINT event_secrets_pkey PRIMARY KEY (log_id, name)
);
REVOKE ALL ON _callhardening.event_secrets FROM PUBLIC;

COMMENT ON TABLE _callhardening.event_secrets IS
'what the bodies of a log are signed with, for the owner only; pg_dump leaves it out';
COMMENT ON COLUMN _callhardening.event_secrets.name IS 'chosen by the user; every secret of a log is valid';
COMMENT ON COLUMN _callhardening.event_secrets.secret IS 'what the provider was given or shows, byte for byte';
COMMENT ON COLUMN _callhardening.event_secrets.is_public IS
'a public key of Ed25519: never taken for the secret of another scheme';

CREATE FUNCTION @extschema@.set_call_event_secret(log regclass, secret bytea, name name DEFAULT 'default') RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_set_call_event_secret';
REVOKE EXECUTE ON FUNCTION @extschema@.set_call_event_secret(regclass, bytea, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'set_call_event_secret');

COMMENT ON FUNCTION @extschema@.set_call_event_secret(regclass, bytea, name) IS
'Sets a secret for the signed webhooks of an event log. From now on the log takes signed webhooks
only (ingest_call_webhook, ingest_signed_call_event). A log has up to 8 secrets, one for each
name, and all are valid. For the owner of the log''s table.
- log: NULL is the default log
- secret: 8 to 1024 bytes, as the provider shows them or was given them; for Ed25519 the public
  key in base64; NULL removes the secret of this name, and a log without secrets takes unsigned
  bodies again (NOTICE: there was none). WARNING: below 32 bytes, unless the secret is sent as a
  token.
- name: a new secret replaces the one of the same name
Errors:
- 22004: name is NULL
- 22023: another length, not in the form that the scheme demands, or a key in PEM or of SSH
- 42501: the caller is not the owner of the log''s table
- 42P08: several logs, none is the default and none is named
- 54000: too many names
- 55000: no such log';

CREATE FUNCTION @extschema@.ingest_signed_call_event(body text, log regclass DEFAULT NULL, carry jsonb DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ingest_signed_call_event';
REVOKE EXECUTE ON FUNCTION @extschema@.ingest_signed_call_event(text, regclass, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('ingest', 'ingest_signed_call_event');

COMMENT ON FUNCTION @extschema@.ingest_signed_call_event(text, regclass, jsonb) IS
'Checks a webhook body signed with HS256, a compact JWS, and appends its claims to an event log.
The rest is as in ingest_call_event, also its errors. Returns the event''s sequence number.
- log: NULL is the default log
- carry: as ingest_call_event takes it
Errors:
- 22004: body is NULL
- 28000: anything wrong with header, encoding or signature: nothing is kept
- 55000: the log has no secret, or no such log';

-- webhooks of any provider, with their headers ------------------------------------------------

CREATE TABLE _callhardening.event_signatures (
    log_id int CONSTRAINT event_signatures_pkey PRIMARY KEY REFERENCES _callhardening.logs ON DELETE CASCADE,
    scheme jsonb NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.event_signatures', '');
REVOKE ALL ON _callhardening.event_signatures FROM PUBLIC;

COMMENT ON TABLE _callhardening.event_signatures IS
'the signature schemes of logs that do not use the default of their provider; dumped: it has no secret';
COMMENT ON COLUMN _callhardening.event_signatures.scheme IS 'as set_call_event_signature got it';

CREATE FUNCTION @extschema@.call_signature_scheme(name text) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_signature_scheme';

COMMENT ON FUNCTION @extschema@.call_signature_scheme(text) IS
'Returns the document of a built-in signature scheme, as set_call_event_signature takes it.
Returns NULL for a provider without a scheme.
- name: of a provider, for its default scheme, or another one of call_signature_schemes()
Errors:
- 22023: the name is unknown';

CREATE FUNCTION @extschema@.call_signature_schemes(OUT scheme text, OUT provider text, OUT is_default boolean,
                                                   OUT algorithm text, OUT covers text, OUT handshake boolean)
    RETURNS SETOF record
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_signature_schemes';

COMMENT ON FUNCTION @extschema@.call_signature_schemes() IS
'Lists the built-in signature schemes.
- provider: NULL is a scheme of no known provider
- is_default: the logs of the provider use it, unless set_call_event_signature sets another
- covers: what cannot be changed without the secret (body, URL, time), or nothing. If the body
  is not covered, a redelivery with another body is not noticed.
- handshake: answer_call_handshake answers the provider''s handshakes';

CREATE FUNCTION @extschema@.set_call_event_signature(log regclass, signature jsonb) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_set_call_event_signature';
REVOKE EXECUTE ON FUNCTION @extschema@.set_call_event_signature(regclass, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'set_call_event_signature');

COMMENT ON FUNCTION @extschema@.set_call_event_signature(regclass, jsonb) IS
'Sets how the webhooks of an event log are signed. Without it, the log uses the default scheme of
its provider. For the owner of the log''s table.
- log: NULL is the default log
- signature: a document like those of call_signature_scheme; NULL is the default again
Errors:
- 22023: a mistake in the document, with its place
- 42501: the caller is not the owner of the log''s table
- 42P08: several logs, none is the default and none is named
- 54000: a document above 16 kB
- 55000: no such log';

CREATE FUNCTION @extschema@.ingest_call_webhook(body bytea, headers jsonb, url text DEFAULT NULL,
                                                log regclass DEFAULT NULL, carry jsonb DEFAULT NULL) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ingest_call_webhook';
REVOKE EXECUTE ON FUNCTION @extschema@.ingest_call_webhook(bytea, jsonb, text, regclass, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('ingest', 'ingest_call_webhook');

COMMENT ON FUNCTION @extschema@.ingest_call_webhook(bytea, jsonb, text, regclass, jsonb) IS
'Checks the signature of a webhook by the scheme of its event log, and appends its body. The rest
is as in ingest_call_event, also its errors. Returns the event''s sequence number.
- body: as it came off the wire
- headers: an object of names, in any case, and values; a value may be an array with one
- url: as it is set at the provider, with its query; only some schemes need it
- log: NULL is the default log
- carry: as ingest_call_event takes it
Errors:
- 0A000: Ed25519 on a server without OpenSSL
- 22004: body or headers are NULL, or the URL is and is signed
- 22023: a handshake (answer_call_handshake), or headers are no object
- 28000: anything wrong with the request, its signature or its time: nothing is kept
- 55000: the log has no secret or no scheme, or no such log';

CREATE FUNCTION @extschema@.answer_call_handshake(body bytea, headers jsonb, url text DEFAULT NULL,
                                                  log regclass DEFAULT NULL) RETURNS text
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_answer_call_handshake';
REVOKE EXECUTE ON FUNCTION @extschema@.answer_call_handshake(bytea, jsonb, text, regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('ingest', 'answer_call_handshake');

COMMENT ON FUNCTION @extschema@.answer_call_handshake(bytea, jsonb, text, regclass) IS
'Returns the text that a provider expects as the answer to its handshake, before it sends events.
NULL: the request is no handshake. The arguments are those of ingest_call_webhook. An answer
with an HMAC uses the newest secret.
Errors:
- 22004: body or headers are NULL
- 28000: the token is missing, too long, or has letters that it must not have
- 55000: the log has no secret or no scheme, or no such log';

CREATE FUNCTION @extschema@.check_call_signature(body bytea, headers jsonb, secret bytea, signature jsonb,
                                                 url text DEFAULT NULL,
                                                 received_at timestamptz DEFAULT pg_catalog.clock_timestamp())
    RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_check_call_signature';

COMMENT ON FUNCTION @extschema@.check_call_signature(bytea, jsonb, bytea, jsonb, text, timestamptz) IS
'Checks the signature of a webhook without a log, for trying a scheme of one''s own. Returns NULL
if it is valid, else the reason.
- secret: as set_call_event_secret takes it
- signature: a document like those of call_signature_scheme
- received_at: the time to compare with
Errors:
- 0A000: Ed25519 on a server without OpenSSL
- 22004: an argument but url is NULL
- 22023: a mistake in the document, or headers are no object
- 54000: a document above 16 kB';

-- the changes of calls as a log ------------------------------------------------------------------

CREATE FUNCTION _callhardening.add_call_change() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_add_call_change';
REVOKE EXECUTE ON FUNCTION _callhardening.add_call_change() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'add_call_change');

COMMENT ON FUNCTION _callhardening.add_call_change() IS
'the AFTER row trigger of a hardened table with a log of changes: appends each change to the log of its FROM clause, '
'with the rights of the log''s owner. Created by create_call_changes, as a constraint trigger: so it can name the log, '
'and DROP TABLE of the log takes the trigger along. Without a row in call_event_logs for both tables it does nothing. '
'Error: 55000 the settings of the table are gone';

CREATE FUNCTION _callhardening.change_trigger(calls regclass, OUT trigger_name name, OUT log regclass)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT t.tgname, (SELECT s.relation FROM _callhardening.trigger_states() AS s
    WHERE s.relation = t.tgconstrrelid AND s.part = 'stamp' AND s.arguments[2] = 'call_changes' LIMIT 1)
FROM (VALUES (calls)) AS wanted (calls)
LEFT JOIN pg_trigger AS t
    ON t.tgrelid = wanted.calls AND t.tgfoid = '_callhardening.add_call_change()'::regprocedure
ORDER BY t.oid LIMIT 1
$$;

COMMENT ON FUNCTION _callhardening.change_trigger(regclass) IS
'the trigger that logs the changes of a table, under any name, and its log; NULL: there is none, or the table of the '
'trigger is no log of changes';

-- Triggers of one event run in the order of their names. Another AFTER trigger may write the row again: so the name of
-- ours is early in the alphabet.
CREATE FUNCTION _callhardening.create_change_trigger(calls regclass, log regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('CREATE CONSTRAINT TRIGGER add_call_change AFTER INSERT OR UPDATE OR DELETE ON %s FROM %s
        FOR EACH ROW EXECUTE FUNCTION _callhardening.add_call_change()', calls, log);
END
$$;

COMMENT ON FUNCTION _callhardening.create_change_trigger(regclass, regclass) IS
'creates the trigger that logs the changes of a table';

CREATE FUNCTION _callhardening.create_change_table(calls regclass, events name, lanes int) RETURNS regclass
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    schema name := (SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                    WHERE c.oid = calls);
    log regclass;
BEGIN
    PERFORM _callhardening.require_free_names(schema, ARRAY[events], 'Give the log another name in events.');
    log := _callhardening.create_event_table(schema, events);
    PERFORM _callhardening.comment_on_columns(log, ARRAY[
        ['event_digest', 'callhardening: NULL, since no change comes twice'],
        ['event_type', 'created, status, changed or deleted'],
        ['received_at', 'when the call was changed'],
        ['payload', 'the change: see create_call_changes']]);
    EXECUTE format('COMMENT ON TABLE %s IS %L', log, format('changes of %s: an append-only event log', calls));
    PERFORM _callhardening.create_event_triggers(log, ARRAY['payload', 'call_changes', lanes::text, 'text']);
    RETURN log;
END
$$;

COMMENT ON FUNCTION _callhardening.create_change_table(regclass, name, int) IS
'a part of create_call_changes: the table of the log, with its triggers';

CREATE FUNCTION _callhardening.register_changes(log regclass, calls regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    lanes text := (SELECT s.arguments[3] FROM _callhardening.trigger_states() AS s
                   WHERE s.relation = log AND s.part = 'stamp' LIMIT 1);
BEGIN
    PERFORM _callhardening.require_table_owner(log);
    INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, is_of_changes)
    VALUES (log, calls, 'call_changes', lanes::int, true);
    -- What was appended without a log has a mark of a restore.
    PERFORM _callhardening.write_as_owner(log, format('UPDATE %s SET event_xid = pg_current_xact_id()
        WHERE event_xid <> pg_current_xact_id()', log), NULL::text[]);
END
$$;

COMMENT ON FUNCTION _callhardening.register_changes(regclass, regclass) IS
'a part of create_call_changes: registers a table with its triggers as the log of changes of a calls table. Error: '
'42501 not the owner';

CREATE FUNCTION _callhardening.logs_of_changes(calls regclass) RETURNS regclass[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT ARRAY(SELECT l.events FROM _callhardening.logs AS l JOIN pg_class AS c ON c.oid = l.events
             WHERE l.calls = logs_of_changes.calls AND l.is_of_changes ORDER BY l.log_id)
$$;

COMMENT ON FUNCTION _callhardening.logs_of_changes(regclass) IS 'the registered logs of the changes of a calls table';

CREATE FUNCTION @extschema@.create_call_changes(calls regclass, events name DEFAULT NULL, lanes int DEFAULT 64)
    RETURNS regclass
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    present record;
    registered regclass[];
    log regclass;
BEGIN
    PERFORM _callhardening.require_calls_table(calls);
    IF lanes IS NULL OR lanes NOT BETWEEN 1 AND 1024 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'lanes must be between 1 and 1024';
    END IF;
    IF _callhardening.trigger_settings(calls) IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is not hardened', calls),
            HINT = 'Harden it with harden_calls.';
    END IF;
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', calls);
    present := _callhardening.change_trigger(calls);
    registered := _callhardening.logs_of_changes(calls);
    log := coalesce(present.log, registered[1]);
    IF present.log = ANY (registered) THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('the changes of table %s are logged already', calls),
            DETAIL = format('The log is %s.', log),
            HINT = 'Each reader needs a consumer of its own (create_call_consumer), and not a log.';
    ELSIF events <> (SELECT c.relname FROM pg_class AS c WHERE c.oid = log) THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('table %s has a log of changes already', calls),
            DETAIL = format('%s is not written any more.', log),
            HINT = format('Leave events NULL to go on with it, or drop it: DROP TABLE %s.', log);
    END IF;
    log := coalesce(log,
        _callhardening.create_change_table(calls, coalesce(events, 'call_changes'), lanes));
    IF log <> ALL (registered) THEN
        PERFORM _callhardening.register_changes(log, calls);
    END IF;
    IF present.trigger_name IS NOT NULL AND present.log IS NULL THEN
        PERFORM _callhardening.drop_triggers(calls, ARRAY[present.trigger_name]);
    END IF;
    IF present.log IS NULL THEN
        PERFORM _callhardening.create_change_trigger(calls, log);
    END IF;
    RETURN log;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.create_call_changes(regclass, name, int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'create_call_changes');

COMMENT ON FUNCTION @extschema@.create_call_changes(regclass, name, int) IS
'Creates a log of the changes of a hardened calls table, in its schema, and returns it. From now
on each transaction that changes a call appends the change, as an event for claim_call_events
with a consumer (create_call_consumer). Each status of a batch is an event of its own. TRUNCATE,
replication and session_replication_role = replica log nothing.

event_type is created, status (the status is another one), changed (other columns are) or
deleted. The body has call_id, status_before, status, changed (the names of the changed columns;
no values), changed_at and by (the role of the session). If process_call_events has written the
change, the body also has event_log, event_seq and happened_at: the event behind it and its
time.

If the table has a log of changes without a trigger (after unharden_calls, or restored without
data), the function goes on with that log.
- calls: the table, not a partition
- events: the name of the log; NULL: call_changes
- lanes: 1 to 1024
Errors:
- 22004: calls is NULL
- 22023: lanes out of range
- 42501: not the owner, no right to create in the schema, or not the task own (grant_call_role)
- 42809: no table, a partition, or a partition is a foreign table
- 42P01: no such table
- 42P07: the name is taken
- 55000: the table is not hardened, or has a log of changes';

CREATE FUNCTION @extschema@.drop_call_changes(calls regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    present record;
    logs regclass[];
    log regclass;
BEGIN
    PERFORM _callhardening.require_relation(calls, 'calls'::text);
    PERFORM _callhardening.require_table_owner(calls);
    -- Writers lock the calls table first. So does this: a plain DROP TABLE of the log may deadlock with them.
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', calls);
    present := _callhardening.change_trigger(calls);
    logs := _callhardening.logs_of_changes(calls);
    IF present.log IS NOT NULL AND present.log <> ALL (logs) THEN
        logs := logs || present.log;
    END IF;
    IF present.trigger_name IS NOT NULL THEN
        PERFORM _callhardening.drop_triggers(calls, ARRAY[present.trigger_name]);
    ELSIF logs = '{}' THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('table %s has no log of changes', calls);
    END IF;
    FOREACH log IN ARRAY logs LOOP
        EXECUTE format('DROP TABLE %s', log);
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.drop_call_changes(regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'drop_call_changes');

COMMENT ON FUNCTION @extschema@.drop_call_changes(regclass) IS
'Drops the log of the changes of a calls table, with its consumers and all unread changes. Waits
for the writers of the calls table, and then locks it (ACCESS EXCLUSIVE).
Errors:
- 22004: calls is NULL
- 2BP01: an object depends on the log
- 42501: the caller is not the owner of both tables
- 42P01: no such table
- 55000: the table has no log of changes';

-- claims ---------------------------------------------------------------------------------------
--
-- Each verb locks its lane, looks at the newest record and appends another one. EXECUTE is all that a worker needs
-- for what is remembered about the log; to read the log itself, the function asks for SELECT on it.

CREATE FUNCTION @extschema@.claim_call_events(max_events int DEFAULT 100, lease interval DEFAULT '30 seconds',
        worker text DEFAULT NULL, log regclass DEFAULT NULL, complete bigint[] DEFAULT NULL,
        consumer name DEFAULT NULL)
    RETURNS TABLE (claim_id bigint, event_seq bigint, call_id text, event_type text, attempt int,
        received_at timestamptz, payload jsonb)
    LANGUAGE c ROWS 100
    AS 'MODULE_PATHNAME', 'callhardening_claim_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.claim_call_events(int, interval, text, regclass, bigint[], name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'claim_call_events');

COMMENT ON FUNCTION @extschema@.claim_call_events(int, interval, text, regclass, bigint[], name) IS
'Hands out pending events. No other worker gets them until the lease expires. The events of a
call come in their order. A batch has one claim for each of its lanes: give all its claim ids to
complete_call_events after the work. A claim is completed as a whole, unread events too: read
all rows. No rows: no event is available now, and nothing was written but the completed claims.
- max_events: 1 to 100000
- lease: at most 30 days; NULL: until the transaction ends; a rollback makes the events
  available again
- worker: a name for the views, cut at 200 bytes; NULL: application name and process id
- log: NULL is the default log
- complete: claims to complete first, in the same transaction, of any log; an id that is
  repeated counts once; NULL: none
- consumer: of the log (create_call_consumer); NULL is that of process_call_events
- attempt: the number of this attempt of the event; released claims do not count
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: complete contains NULL
- 22023: max_events or lease out of range
- 25006: on a standby, or in a read-only transaction
- 42501: no SELECT on the log
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: a claim of complete is stale or unknown (nothing was completed or claimed), no such
  log, or an altered one
- 55006: called by a trigger while events are applied, completed or purged';

CREATE FUNCTION @extschema@.complete_call_events(claim_ids bigint[]) RETURNS TABLE (claim_id bigint, outcome text)
    LANGUAGE c ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_complete_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.complete_call_events(bigint[]) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'complete_call_events');

COMMENT ON FUNCTION @extschema@.complete_call_events(bigint[]) IS
'Settles the events of claims, except those of fail_call_event. An expired claim can be completed
until another worker takes it. One row for each id, in the order given. No rows for NULL.
- outcome: completed; stale: the claim has ended, or another worker has taken its events over:
  undo what was done with them; unknown: no known claim has this id, or the caller may not
  SELECT from its log; a NULL id is unknown. Stale and unknown ones change nothing.
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 25006: on a standby, or in a read-only transaction
- 55006: called by a trigger while events are applied, completed or purged';

CREATE FUNCTION @extschema@.release_call_events(claim_ids bigint[]) RETURNS TABLE (claim_id bigint, outcome text)
    LANGUAGE c ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_release_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.release_call_events(bigint[]) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'release_call_events'), ('operate', 'release_call_events');

COMMENT ON FUNCTION @extschema@.release_call_events(bigint[]) IS
'Gives the events of claims back, for any worker to take at once. The attempt does not count.
- outcome: released, or stale or unknown as in complete_call_events
Errors:
- those of complete_call_events';

CREATE FUNCTION @extschema@.fail_call_event(claim_id bigint, event_seq bigint, error text,
        retry_after interval DEFAULT NULL)
    RETURNS text
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_fail_call_event';
REVOKE EXECUTE ON FUNCTION @extschema@.fail_call_event(bigint, bigint, text, interval) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'fail_call_event');

COMMENT ON FUNCTION @extschema@.fail_call_event(bigint, bigint, text, interval) IS
'Takes a failed event out of an open claim. The later events of its call leave the claim too:
skip them. New events of the call wait behind it. The worker completes the other events of the
claim.

Returns retry: the event is claimed again. dead: this was the last attempt (call_dead_events).
stale: the claim is not current, or the event has already failed in it, and nothing has changed.
retry and dead wait for the disk, even with synchronous_commit = off.
- error: the text to remember, up to 1000 bytes, without personal data; NULL: none
- retry_after: the pause before the retry, 0 to 365 days; NULL: a random time with a limit that
  doubles at each attempt (configure_call_event_log)
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: no claim_id or event_seq
- 22023: the event is not in the claim, or retry_after is out of range
- 25006: on a standby, or in a read-only transaction
- 42501: no SELECT on the log
- 55006: called by a trigger while events are applied, completed or purged';

CREATE FUNCTION @extschema@.renew_call_claim(claim_id bigint, lease interval DEFAULT '30 seconds') RETURNS timestamptz
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_renew_call_claim';
REVOKE EXECUTE ON FUNCTION @extschema@.renew_call_claim(bigint, interval) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'renew_call_claim');

COMMENT ON FUNCTION @extschema@.renew_call_claim(bigint, interval) IS
'Starts a new lease of a claim now, and returns its end. NULL: the claim is stale or unknown:
stop working on it.
- lease: at most 30 days
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: an argument is NULL
- 22023: lease out of range
- 25006: on a standby, or in a read-only transaction
- 55006: called by a trigger while events are applied, completed or purged';

CREATE FUNCTION @extschema@.assert_call_claim(claim_id bigint) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_assert_call_claim';
REVOKE EXECUTE ON FUNCTION @extschema@.assert_call_claim(bigint) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'assert_call_claim');

COMMENT ON FUNCTION @extschema@.assert_call_claim(bigint) IS
'Raises an error if a claim is stale or unknown: the fence for what a worker writes by itself.
Otherwise no other worker can take the claim over before the transaction ends, however long ago
its lease was over.
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: claim_id is NULL
- 25006: on a standby, or in a read-only transaction
- 55000: the claim is stale or unknown';

CREATE FUNCTION @extschema@.retry_dead_call_events(log regclass DEFAULT NULL, event_seqs bigint[] DEFAULT NULL,
        consumer name DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_retry_dead_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.retry_dead_call_events(regclass, bigint[], name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'retry_dead_call_events');

COMMENT ON FUNCTION @extschema@.retry_dead_call_events(regclass, bigint[], name) IS
'Gives dead events all their attempts again, as soon as a worker comes. Returns how many. Events
that no worker can take (no JSON, no call id: lane below 0) stay dead.
- log: NULL is the default log
- event_seqs: which; NULL: all
- consumer: of the log; NULL is the default one
Errors:
- 42501: the caller is not the owner of the log, and has not SELECT and DELETE on it
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log';

-- purge ----------------------------------------------------------------------------------------

CREATE TABLE _callhardening.purges (
    log_id int NOT NULL,
    lane int NOT NULL,
    record_no bigint NOT NULL,
    low_xid pg_catalog.xid8 NOT NULL,
    low_seq bigint NOT NULL,
    purged_at timestamptz NOT NULL,
    CONSTRAINT purges_pkey PRIMARY KEY (log_id, lane, record_no)
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.purges', '');
REVOKE ALL ON _callhardening.purges FROM PUBLIC;

COMMENT ON TABLE _callhardening.purges IS
'where the next purge of each lane begins: behind the dead rows of earlier purges. An old snapshot may keep those';
COMMENT ON COLUMN _callhardening.purges.lane IS
'the two lowest ints are no lanes: there, low_seq is the last of purge_leftovers and of call_dead_events looked at, '
'and the next purge goes on behind it';
COMMENT ON COLUMN _callhardening.purges.low_xid IS
'with low_seq: up to this event the lane has been purged, but for purge_leftovers';

CREATE TABLE _callhardening.purge_leftovers (
    log_id int NOT NULL,
    event_seq bigint NOT NULL,
    CONSTRAINT purge_leftovers_pkey PRIMARY KEY (log_id, event_seq)
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.purge_leftovers', '');
REVOKE ALL ON _callhardening.purge_leftovers FROM PUBLIC;

COMMENT ON TABLE _callhardening.purge_leftovers IS
'events a purge has passed because they were retrying, blocked or dead; a later one takes them when they are not any '
'more';

CREATE FUNCTION @extschema@.purge_call_events(older_than interval, log regclass DEFAULT NULL,
        max_events int DEFAULT 10000, dead_older_than interval DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_purge_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.purge_call_events(interval, regclass, int, interval) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'purge_call_events');

COMMENT ON FUNCTION @extschema@.purge_call_events(interval, regclass, int, interval) IS
'Deletes old settled events, the oldest of each lane first. Returns their number. Pending,
claimed, retrying and blocked events stay. Events after the oldest open transaction stay too. A
purged event is forgotten: delivered again, it is new. Call again, even after a result of 0: a
call looks at no more than max_events processed or tried events (at least 1000), and at as many
left by earlier calls. The next call goes on from there. If another purge of the log runs, the
result is 0. The caller needs SELECT and DELETE on the log.

A row of call_dead_events goes if its event is gone, processed by another client, or ignored by
now (configure_call_event_log).
- older_than: by the time of receipt
- log: NULL is the default log
- max_events: at most so many in one call, 1 to 100000
- dead_older_than: events dead for longer than this go with their rows of call_dead_events, at
  any age; NULL: dead events stay
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: older_than is NULL
- 22023: older_than or dead_older_than is negative, or max_events out of range
- 25006: on a standby, or in a read-only transaction
- 42501: no right on the log
- 42P08: several logs, none is the default and none is named
- 55000: no such log
- 55006: called by a trigger while events are applied, completed or purged';

-- process --------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.process_call_events(max_events int DEFAULT 1000, log regclass DEFAULT NULL,
        consumer name DEFAULT NULL,
        OUT claimed bigint, OUT applied bigint, OUT unchanged bigint, OUT refused bigint, OUT failed bigint)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_process_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.process_call_events(int, regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'process_call_events');

COMMENT ON FUNCTION @extschema@.process_call_events(int, regclass, name) IS
'Claims pending events, applies them to the calls table in the caller''s transaction, and settles
them. The events of each call are applied in the order of the log. It goes through all lanes
until it has max_events or no event is left. It tries a failed event once. Any number of workers
may call it at the same time. Events of one call never go to two of them.

If another session locks the row of a call for long, the events of the call are in none of the
counts. They come again within 10 seconds, and no attempt is counted. A batch waits for rows at
most one second in all.
- max_events: 1 to 100000
- log: NULL is the default log
- consumer: applies the events of another consumer of the log; NULL is the default one
- claimed: the sum of the other counts; 0: no event was pending, or other workers hold them
- applied: changed a call
- unchanged: had no news
- refused: the status is outside the graph, and the other values were merged
- failed: could not be written, or follows such an event of its call; it is retried
  (call_retrying_events), or dead after max_attempts (call_dead_events)
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22023: max_events out of range
- 25006: on a standby, or in a read-only transaction
- 42501: no SELECT on the log
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log, its calls table is not hardened or its call id not unique, the log was
  altered, or row-level security hides events of it
- 55006: called by a trigger while it runs';

-- workers that start with the server -----------------------------------------------------------
--
-- Not dumped, and with the oid of the database: a copy of the database starts none by itself.
CREATE TABLE _callhardening.kept_workers (
    consumer_id int NOT NULL CONSTRAINT kept_workers_pkey PRIMARY KEY,
    log_id int NOT NULL,
    database oid NOT NULL,
    role oid NOT NULL,
    workers int NOT NULL,
    max_events int NOT NULL,
    poll int NOT NULL,
    kept_since timestamptz NOT NULL
);
REVOKE ALL ON _callhardening.kept_workers FROM PUBLIC;

COMMENT ON TABLE _callhardening.kept_workers IS
'what start_call_worker(keep => true) has written down for the launcher: what call_worker_status shows';
COMMENT ON COLUMN _callhardening.kept_workers.database IS
'the database in which they were started; another one: this is a copy of it, and the row starts nothing';
COMMENT ON COLUMN _callhardening.kept_workers.role IS 'the role that started them, whatever its name is now';
COMMENT ON COLUMN _callhardening.kept_workers.poll IS 'in milliseconds';

-- The library writes rows without triggers, with the role of the caller in them. SQL could write another role.
CREATE FUNCTION _callhardening.refuse_kept_worker() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'kept workers cannot be written by SQL',
        HINT = 'Call start_call_worker(keep => true) as the role of the workers.';
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.refuse_kept_worker() FROM PUBLIC;
CREATE TRIGGER refuse_kept_worker BEFORE INSERT OR UPDATE ON _callhardening.kept_workers FOR EACH ROW
    EXECUTE FUNCTION _callhardening.refuse_kept_worker();
ALTER TABLE _callhardening.kept_workers ENABLE ALWAYS TRIGGER refuse_kept_worker;

COMMENT ON FUNCTION _callhardening.refuse_kept_worker() IS
'trigger function: only start_call_worker writes down a worker, for the role of its caller (42501)';

CREATE FUNCTION _callhardening.forget_kept_workers(log regclass, consumer name) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_forget_kept_workers';
REVOKE EXECUTE ON FUNCTION _callhardening.forget_kept_workers(regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('process', 'forget_kept_workers'), ('operate', 'forget_kept_workers');

COMMENT ON FUNCTION _callhardening.forget_kept_workers(regclass, name) IS
'a part of stop_call_worker: no worker of the consumer, or with NULL of the log, is kept from now on. Until the end of '
'the transaction the launcher starts none';

CREATE FUNCTION _callhardening.forget_workers_of(consumers int[]) RETURNS void
    LANGUAGE c STRICT
    AS 'MODULE_PATHNAME', 'callhardening_forget_workers_of';
REVOKE EXECUTE ON FUNCTION _callhardening.forget_workers_of(int[]) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.forget_workers_of(int[]) IS
'no worker of these consumers is kept from now on, since their log is dropped. The launcher hears of it at the commit';

CREATE FUNCTION _callhardening.launcher_state() RETURNS TABLE (launcher text, fault text)
    LANGUAGE c STABLE ROWS 1
    AS 'MODULE_PATHNAME', 'callhardening_launcher_state';

COMMENT ON FUNCTION _callhardening.launcher_state() IS
'launcher: running, not preloaded, standby or not running. fault: why no kept worker is started in this database, or '
'NULL';

CREATE FUNCTION _callhardening.kept_worker_states()
    RETURNS TABLE (consumer_id int, failure text, failed_at timestamptz, next_try timestamptz)
    LANGUAGE c STABLE ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_kept_worker_states';

COMMENT ON FUNCTION _callhardening.kept_worker_states() IS
'what the launcher knows of the kept workers of this database: a row for each consumer, with its last failure';

-- workers inside the server --------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_worker_pids(log regclass DEFAULT NULL, consumer name DEFAULT NULL) RETURNS SETOF int
    LANGUAGE c STABLE ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_call_worker_pids';
REVOKE EXECUTE ON FUNCTION @extschema@.call_worker_pids(regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('process', 'call_worker_pids'), ('operate', 'call_worker_pids'), ('monitor', 'call_worker_pids');

COMMENT ON FUNCTION @extschema@.call_worker_pids(regclass, name) IS
'Returns the process ids of the background workers of a log.
- log: NULL is the default log
- consumer: NULL is all consumers of the log
Errors:
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log';

CREATE FUNCTION @extschema@.start_call_worker(log regclass DEFAULT NULL, max_events int DEFAULT 1000,
        poll interval DEFAULT '200 milliseconds', workers int DEFAULT 1, keep boolean DEFAULT false,
        consumer name DEFAULT NULL)
    RETURNS int
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_start_call_worker';
REVOKE EXECUTE ON FUNCTION @extschema@.start_call_worker(regclass, int, interval, int, boolean, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'start_call_worker');

COMMENT ON FUNCTION @extschema@.start_call_worker(regclass, int, interval, int, boolean, name) IS
'Makes background workers run inside the server, and returns how many it had to start. A
scheduler may call it again and again.

A worker processes the log''s events as process_call_events does, with the rights of the caller:
a superuser gets a warning. It takes a lease of a minute first, so it counts an event even if
that event ends the server. After an error it goes on, after a pause of up to a minute. It goes
on after pg_cancel_backend too. It runs in read committed, with any defaults. pg_stat_activity
shows it as "callhardening worker for <log>". It ends with the server. It ends when the log, the
consumer or the extension is dropped, and when its role is dropped or may not log in or connect
any more. Without keep, nothing has to be preloaded.

The setting callhardening.max_workers limits the workers of all databases together.
- log: NULL is the default log
- max_events: of a batch, 1 to 100000
- poll: how long a worker sleeps when nothing is pending, 1 millisecond to 1 hour
- workers: so many shall run
- keep: true: the launcher of shared_preload_libraries = ''callhardening'' starts the workers
  after the commit, with the server, and when they end, until stop_call_worker. The function
  returns how many it will start. The last call with keep decides on number, role, max_events
  and poll. NULL: false
- consumer: NULL is the default one
Errors:
- 0A000: PREPARE TRANSACTION after keep
- 22023: an argument out of range
- 25006: on a standby, or keep in a read-only transaction
- 28000: the caller has no LOGIN
- 42501: no CONNECT, no SELECT on the log, keep where others are kept as a role that the caller
  may not signal, or where the owner of the extension is neither a superuser nor a member of the
  caller
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 53000: a worker did not come up within 10 seconds (the others stay)
- 53400: callhardening.max_workers is reached, or no background worker slot is left
  (max_worker_processes)
- 55000: no such log, or it was made or configured in this transaction, or keep without the
  launcher';

CREATE FUNCTION @extschema@.stop_call_worker(log regclass DEFAULT NULL, consumer name DEFAULT NULL) RETURNS int
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
    AS $$
SELECT _callhardening.forget_kept_workers(log, consumer);
SELECT count(*)::int FROM @extschema@.call_worker_pids(log, consumer) AS pid
WHERE pg_terminate_backend(pid, 10000)
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.stop_call_worker(regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'stop_call_worker'), ('operate', 'stop_call_worker');

COMMENT ON FUNCTION @extschema@.stop_call_worker(regclass, name) IS
'Ends the background workers of a log, and returns how many have ended. It waits up to 10 seconds
for each. After the commit none is kept any more (start_call_worker). Their work is rolled back
and released. Other workers get it at once, and the attempt does not count. A worker stopped
twice ends without a release: other workers get its events after the lease.
- log: NULL is the default log
- consumer: NULL is all consumers of the log
Errors:
- 0A000: PREPARE TRANSACTION after kept ones were stopped
- 25006: they are kept, and the transaction is read-only
- 42501: they run or are kept as another role (pg_signal_backend allows it)
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log';

-- waiting for events ------------------------------------------------------------------------------

-- A function would hold the snapshot of the query that calls it, and so would a procedure with an OUT parameter.
CREATE PROCEDURE @extschema@.wait_for_call_events(log regclass DEFAULT NULL, timeout interval DEFAULT '30 seconds',
        consumer name DEFAULT NULL)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_wait_for_call_events';
REVOKE EXECUTE ON PROCEDURE @extschema@.wait_for_call_events(regclass, interval, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'wait_for_call_events'), ('process', 'wait_for_call_events');

COMMENT ON PROCEDURE @extschema@.wait_for_call_events(regclass, interval, name) IS
'Returns as soon as an event of the log can be claimed, or after the timeout. A commit wakes it.
It also looks once a second. Another worker may be faster: then the next claim is empty. A retry
that becomes due and a lease that ends count too. While it waits, it holds no snapshot, no
transaction id and no lock on a table. It can be cancelled. Call it as a statement of its own,
outside of functions.
- log: NULL is the default log
- timeout: 0 to 24 hours; NULL is an error
- consumer: NULL is the default one
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22023: timeout is NULL or out of range
- 25001: called from a function, or the transaction has written
- 25006: on a standby
- 42501: no SELECT on the log
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: an open cursor holds a snapshot, or no such log';

CREATE FUNCTION _callhardening.waiters()
    RETURNS TABLE (pid int, kind text, log_id int, consumer_id int, is_waiting boolean)
    LANGUAGE c VOLATILE ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_waiters';

COMMENT ON FUNCTION _callhardening.waiters() IS
'the sessions of this database with a place for waiters in the shared memory. is_waiting: false while it works';

CREATE FUNCTION _callhardening.free_waiting_places() RETURNS int
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'callhardening_free_waiting_places';

COMMENT ON FUNCTION _callhardening.free_waiting_places() IS
'free places for waiters, of 256 in the server; NULL: the server has no room for the shared memory';

CREATE VIEW @extschema@.call_event_waiters AS
SELECT w.pid, w.kind, l.events AS log, c.name AS consumer, w.is_waiting
FROM _callhardening.waiters() AS w JOIN _callhardening.logs AS l ON l.log_id OPERATOR(pg_catalog.=) w.log_id
LEFT JOIN _callhardening.consumers AS c ON c.consumer_id OPERATOR(pg_catalog.=) w.consumer_id;
REVOKE ALL ON @extschema@.call_event_waiters FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_event_waiters', 'SELECT'), ('monitor', 'call_event_waiters', 'SELECT');

COMMENT ON VIEW @extschema@.call_event_waiters IS
'The sessions of this database that commits wake: workers in the server, and clients of
wait_for_call_events. A worker that is missing here only polls: call_health has the free places
of the server.';
COMMENT ON COLUMN @extschema@.call_event_waiters.pid IS 'process id of the session';
COMMENT ON COLUMN @extschema@.call_event_waiters.kind IS 'worker: inside the server; client: wait_for_call_events';
COMMENT ON COLUMN @extschema@.call_event_waiters.log IS 'the log of its last wait';
COMMENT ON COLUMN @extschema@.call_event_waiters.consumer IS 'the consumer of its last wait; NULL: it was dropped';
COMMENT ON COLUMN @extschema@.call_event_waiters.is_waiting IS 'false: it does something else';

-- what runs, and what should -------------------------------------------------------------------

CREATE FUNCTION _callhardening.worker_status(kept _callhardening.kept_workers, running int, fault text,
        is_known boolean, failure text, is_restored boolean, OUT status text, OUT why text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN kept.consumer_id IS NULL THEN 'not kept'
            WHEN kept.database <> d.oid THEN 'copied'
            WHEN running >= kept.workers THEN 'running'
            WHEN fault IS NOT NULL THEN 'stopped'
            WHEN failure IS NOT NULL OR NOT is_known THEN 'waiting'
            ELSE 'starting' END,
       CASE WHEN kept.consumer_id IS NULL AND is_restored THEN 'the log was restored: a dump has no kept workers'
            WHEN kept.consumer_id IS NULL THEN NULL
            WHEN kept.database <> d.oid THEN 'they were started in another database, and this is a copy of it'
            WHEN fault IS NOT NULL THEN fault
            WHEN running >= kept.workers THEN NULL
            WHEN NOT is_known THEN 'the launcher has not read it, or refuses it: the server log has the reason'
            ELSE failure END
FROM pg_database AS d WHERE d.datname = current_database()
$$;

COMMENT ON FUNCTION
    _callhardening.worker_status(_callhardening.kept_workers, int, text, boolean, text, boolean) IS
'the columns status and why of call_worker_status. fault: of launcher_state. is_known: the launcher knows the row. '
'failure: what it has met';

CREATE VIEW @extschema@.call_worker_status AS
SELECT l.events AS log, n.name AS consumer, s.status, r.running, k.workers AS kept,
    (SELECT a.rolname FROM pg_catalog.pg_roles a WHERE a.oid OPERATOR(pg_catalog.=) k.role) AS role,
    k.max_events, pg_catalog.make_interval(secs => k.poll::float8 OPERATOR(pg_catalog./) 1000::float8) AS poll,
    k.kept_since, f.launcher, s.why,
    -- The launcher knows the end of a worker, and not that somebody stopped it for good.
    CASE WHEN k.workers IS NOT NULL THEN t.failure END AS last_failure,
    CASE WHEN k.workers IS NOT NULL THEN t.failed_at END AS last_failed_at,
    CASE WHEN s.status OPERATOR(pg_catalog.=) 'waiting'::text THEN t.next_try END AS next_try
FROM _callhardening.logs l
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.events::oid
    AND c.relkind OPERATOR(pg_catalog.=) 'r'::"char"
JOIN _callhardening.consumers n ON n.log_id OPERATOR(pg_catalog.=) l.log_id
CROSS JOIN LATERAL (
    SELECT pg_catalog.count(*)::int AS running FROM @extschema@.call_worker_pids(l.events, n.name)) r
CROSS JOIN _callhardening.launcher_state() f
LEFT JOIN _callhardening.kept_workers k ON k.consumer_id OPERATOR(pg_catalog.=) n.consumer_id
LEFT JOIN _callhardening.kept_worker_states() t ON t.consumer_id OPERATOR(pg_catalog.=) n.consumer_id
CROSS JOIN LATERAL _callhardening.worker_status(k, r.running, f.fault, t.consumer_id IS NOT NULL, t.failure,
    l.system_identifier OPERATOR(pg_catalog.=) 0::bigint) s
WHERE n.consumer_id OPERATOR(pg_catalog.=) l.log_id OR r.running OPERATOR(pg_catalog.>) 0 OR k.workers IS NOT NULL;
REVOKE ALL ON @extschema@.call_worker_status FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('process', 'call_worker_status', 'SELECT'), ('operate', 'call_worker_status', 'SELECT'),
    ('monitor', 'call_worker_status', 'SELECT');

COMMENT ON VIEW @extschema@.call_worker_status IS
'Each event log of this database: its workers in the server, those that start_call_worker(keep =>
true) has written down, and why one does not run. Consumers beside the default one have a row if
they have such workers.';
COMMENT ON COLUMN @extschema@.call_worker_status.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_worker_status.consumer IS 'the consumer; default: the one of process_call_events';
COMMENT ON COLUMN @extschema@.call_worker_status.status IS
'running: as many as are kept run; starting; waiting: for the next try, see why; stopped: the launcher starts none, '
'see why; copied: they were started in another database, and this is a copy of it; not kept: none was written down';
COMMENT ON COLUMN @extschema@.call_worker_status.running IS 'how many workers run, kept or not';
COMMENT ON COLUMN @extschema@.call_worker_status.kept IS 'how many are kept; NULL: none, as for the next four columns';
COMMENT ON COLUMN @extschema@.call_worker_status.role IS
'the role that kept them: they have its rights; NULL also: it was dropped';
COMMENT ON COLUMN @extschema@.call_worker_status.max_events IS 'events of a batch';
COMMENT ON COLUMN @extschema@.call_worker_status.poll IS 'how long they sleep when nothing is pending';
COMMENT ON COLUMN @extschema@.call_worker_status.kept_since IS 'the last call of start_call_worker(keep => true)';
COMMENT ON COLUMN @extschema@.call_worker_status.launcher IS
'running; not preloaded: callhardening is not in shared_preload_libraries; standby: it starts with the promotion; not '
'running: the server starts it again within 5 seconds';
COMMENT ON COLUMN @extschema@.call_worker_status.why IS 'why not all of them run, or would not be started again';
COMMENT ON COLUMN @extschema@.call_worker_status.last_failure IS
'the last thing that kept one from running, since the launcher or the server has started; NULL: nothing did, or none '
'is kept';
COMMENT ON COLUMN @extschema@.call_worker_status.last_failed_at IS 'when that was';
COMMENT ON COLUMN @extschema@.call_worker_status.next_try IS 'when the launcher tries again; NULL: nothing waits';

-- what an operator looks at --------------------------------------------------------------------

CREATE FUNCTION @extschema@.pending_call_events(log regclass DEFAULT NULL, exact boolean DEFAULT false,
        consumer name DEFAULT NULL)
    RETURNS TABLE (lane int, pending bigint, oldest_event_seq bigint, oldest_received_at timestamptz)
    LANGUAGE c ROWS 64
    AS 'MODULE_PATHNAME', 'callhardening_pending_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.pending_call_events(regclass, boolean, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'pending_call_events'), ('operate', 'pending_call_events'), ('monitor', 'pending_call_events');

COMMENT ON FUNCTION @extschema@.pending_call_events(regclass, boolean, name) IS
'Counts the events that no worker has yet, one row for each lane of a log. Retrying, blocked and
dead events do not count. The row has the first pending event in the order of the lane; NULL:
there is none. Events that are pending in a lane that workers no longer use have a row too.
- log: NULL is the default log
- exact: false or NULL estimates the number from the first event''s, at the price of a poll; true
  reads the row of each pending event
- consumer: of the log (create_call_consumer); NULL is the default one
Errors:
- 42501: no SELECT on the log
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log, or a log of changes and no consumer';

CREATE FUNCTION _callhardening.stray_events(log regclass, most bigint) RETURNS bigint
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_stray_events';
REVOKE EXECUTE ON FUNCTION _callhardening.stray_events(regclass, bigint) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.stray_events(regclass, bigint) IS
'how many events of a log are in no lane of a worker, most at most. A worker adopts the log for them within a minute, '
'unless they have no lane or a number above 65535. Events of a restore are not counted: the next claim finds them. '
'NULL: an argument is NULL, or another session has locked the log. Errors: 42501 no SELECT on the log, 55000 no such '
'log, or altered';

CREATE FUNCTION _callhardening.unstamped_events(log regclass) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    done name := (SELECT l.processed_at_column FROM _callhardening.logs AS l WHERE l.events = log);
BEGIN
    IF done IS NULL THEN
        RETURN 0;
    END IF;
    RETURN (SELECT q.count FROM _callhardening.query_as_owner(log,
        format('SELECT count(*) FROM ONLY %s WHERE event_lane IS NULL AND %I IS NULL', log, done), NULL::text[])
        AS q (count bigint));
END
$$;

COMMENT ON FUNCTION _callhardening.unstamped_events(regclass) IS
'how many events of a hardened event table have no stamp, though processed_at_column is NULL: it was set back after '
'the table was hardened, or the trigger was off. No worker looks for them. Reads the table, or an index on '
'processed_at_column. 0: the log has no such column';

CREATE VIEW @extschema@.call_open_claims AS
SELECT l.events AS log, k.name AS consumer, c.lane, c.claim_id, c.worker, c.is_retry, c.events,
       CASE WHEN c.is_retry THEN NULL ELSE c.redeliveries OPERATOR(pg_catalog.+) 1 END AS attempt,
       c.claimed_at, pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) c.claimed_at AS age, c.lease_end,
       -- As workers see it: a claim from the future is over, since the clock was set back.
       c.lease_end OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() OR c.claimed_at OPERATOR(pg_catalog.>)
           (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) interval '1 minute') AS is_over,
       c.to_seq AS last_event_seq
FROM _callhardening.logs l JOIN _callhardening.consumers k ON k.log_id OPERATOR(pg_catalog.=) l.log_id
JOIN _callhardening.lanes t ON t.consumer_id OPERATOR(pg_catalog.=) k.consumer_id
CROSS JOIN LATERAL (SELECT * FROM _callhardening.claims r
    WHERE r.consumer_id OPERATOR(pg_catalog.=) t.consumer_id AND r.lane OPERATOR(pg_catalog.=) t.lane
        ORDER BY r.record_no DESC LIMIT 1) c
WHERE c.state OPERATOR(pg_catalog.=) ANY (ARRAY['claimed', 'renewed']);
REVOKE ALL ON @extschema@.call_open_claims FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_open_claims', 'SELECT'), ('monitor', 'call_open_claims', 'SELECT');

COMMENT ON VIEW @extschema@.call_open_claims IS
'The open claims of workers, with age and lease.';
COMMENT ON COLUMN @extschema@.call_open_claims.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_open_claims.consumer IS 'the consumer';
COMMENT ON COLUMN @extschema@.call_open_claims.lane IS 'the number of the lane';
COMMENT ON COLUMN @extschema@.call_open_claims.claim_id IS 'the claim, as claim_call_events returned it';
COMMENT ON COLUMN @extschema@.call_open_claims.worker IS 'the name that the worker gave';
COMMENT ON COLUMN @extschema@.call_open_claims.is_retry IS 'the claim is of retrying events';
COMMENT ON COLUMN @extschema@.call_open_claims.events IS 'how many events it has';
COMMENT ON COLUMN @extschema@.call_open_claims.attempt IS
'which attempt of its events this is; NULL: a retry, as each event has a number of its own';
COMMENT ON COLUMN @extschema@.call_open_claims.claimed_at IS 'when it was handed out';
COMMENT ON COLUMN @extschema@.call_open_claims.age IS 'time since then';
COMMENT ON COLUMN @extschema@.call_open_claims.lease_end IS
'when other workers may take its events; -infinity: at once';
COMMENT ON COLUMN @extschema@.call_open_claims.is_over IS
'no worker has taken its events over yet, though any may';
COMMENT ON COLUMN @extschema@.call_open_claims.last_event_seq IS
'the last event of the claim; NULL: it is of retrying events';

CREATE FUNCTION _callhardening.pending_events_or_error(log regclass, consumer name)
    RETURNS TABLE (lane int, pending bigint, oldest_event_seq bigint, oldest_received_at timestamptz, error text)
    LANGUAGE plpgsql ROWS 64 SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN QUERY SELECT p.lane, p.pending, p.oldest_event_seq, p.oldest_received_at, NULL::text
    FROM @extschema@.pending_call_events(log, false, consumer) AS p;
EXCEPTION WHEN OTHERS THEN
    -- An unreadable log does not hide the others.
    RETURN QUERY SELECT n, NULL::bigint, NULL::bigint, NULL::timestamptz, format('%s (%s)', SQLERRM, SQLSTATE)
    FROM @extschema@.call_event_logs AS l, generate_series(l.first_lane, l.first_lane + l.lanes - 1) AS n
    WHERE l.events = log;
END
$$;

COMMENT ON FUNCTION _callhardening.pending_events_or_error(regclass, name) IS
'the estimates of pending_call_events for the views; for an unreadable log, its lanes with NULL, and why';

CREATE VIEW @extschema@.call_lane_status AS
SELECT l.events AS log, k.name AS consumer, p.lane, p.pending AS pending_estimate, p.oldest_event_seq,
       p.oldest_received_at, c.claim_id, c.worker, c.events AS claimed, c.age AS claim_age, c.lease_end, c.is_over,
       w.retrying, w.blocked, d.dead, t.events_per_second, p.error
FROM _callhardening.logs l JOIN _callhardening.consumers k ON k.log_id OPERATOR(pg_catalog.=) l.log_id
CROSS JOIN LATERAL _callhardening.pending_events_or_error(l.events, k.name) p
LEFT JOIN @extschema@.call_open_claims c ON c.log OPERATOR(pg_catalog.=) l.events
    AND c.consumer OPERATOR(pg_catalog.=) k.name AND c.lane OPERATOR(pg_catalog.=) p.lane
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) FILTER (WHERE e.due_at IS NOT NULL) AS retrying,
        pg_catalog.count(*) FILTER (WHERE e.due_at IS NULL) AS blocked
    FROM _callhardening.retrying_events e
    WHERE e.consumer_id OPERATOR(pg_catalog.=) k.consumer_id AND e.lane OPERATOR(pg_catalog.=) p.lane) w
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS dead FROM _callhardening.dead_events e
    WHERE e.consumer_id OPERATOR(pg_catalog.=) k.consumer_id AND e.lane OPERATOR(pg_catalog.=) p.lane) d
-- Over the kept records, as long as the last of them is not older than a minute.
CROSS JOIN LATERAL (SELECT CASE WHEN pg_catalog.max(r.claimed_at) OPERATOR(pg_catalog.>)
            (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) interval '1 minute')
        THEN pg_catalog.sum(r.events) OPERATOR(pg_catalog./) NULLIF(pg_catalog.date_part('epoch',
            pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.min(r.claimed_at)), 0::float8)
                ELSE 0 END AS events_per_second
    FROM _callhardening.claims r
    WHERE r.consumer_id OPERATOR(pg_catalog.=) k.consumer_id AND r.lane OPERATOR(pg_catalog.=) p.lane
        AND r.state OPERATOR(pg_catalog.=) 'completed') t
WHERE pg_catalog.has_any_column_privilege(l.events::oid, 'SELECT');
REVOKE ALL ON @extschema@.call_lane_status FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_lane_status', 'SELECT'), ('monitor', 'call_lane_status', 'SELECT');

COMMENT ON VIEW @extschema@.call_lane_status IS
'Each lane of each consumer of a log: what is pending (estimated, see pending_call_events), its
worker, what waits or is dead, and how fast it goes. Logs without SELECT for the reader are left
out.';
COMMENT ON COLUMN @extschema@.call_lane_status.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_lane_status.consumer IS 'the consumer';
COMMENT ON COLUMN @extschema@.call_lane_status.lane IS 'the number of the lane';
COMMENT ON COLUMN @extschema@.call_lane_status.pending_estimate IS
'events without a worker, estimated; NULL: the log cannot be read';
COMMENT ON COLUMN @extschema@.call_lane_status.oldest_event_seq IS 'the first pending event; NULL: none';
COMMENT ON COLUMN @extschema@.call_lane_status.claim_id IS 'the open claim; NULL: none, as for the next five columns';
COMMENT ON COLUMN @extschema@.call_lane_status.worker IS 'the name that the worker gave';
COMMENT ON COLUMN @extschema@.call_lane_status.claimed IS 'events in the claim';
COMMENT ON COLUMN @extschema@.call_lane_status.claim_age IS 'time since the claim';
COMMENT ON COLUMN @extschema@.call_lane_status.lease_end IS
'when other workers may take its events; -infinity: at once';
COMMENT ON COLUMN @extschema@.call_lane_status.is_over IS
'the lease has expired, and no worker has taken the events over';
COMMENT ON COLUMN @extschema@.call_lane_status.dead IS 'events given up';
COMMENT ON COLUMN @extschema@.call_lane_status.oldest_received_at IS
'when the first pending event of the lane was received';
COMMENT ON COLUMN @extschema@.call_lane_status.retrying IS 'failed events with a time for their next attempt';
COMMENT ON COLUMN @extschema@.call_lane_status.blocked IS 'events behind them in the same call';
COMMENT ON COLUMN @extschema@.call_lane_status.error IS
'why the log cannot be read, with an SQLSTATE: what is pending is not known then; NULL: it can';
COMMENT ON COLUMN @extschema@.call_lane_status.events_per_second IS
'completed, over the remembered records; 0 if the last claim is older than a minute';

CREATE FUNCTION @extschema@.ignored_call_events(log regclass DEFAULT NULL) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ignored_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.ignored_call_events(regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'ignored_call_events'), ('monitor', 'ignored_call_events');

COMMENT ON FUNCTION @extschema@.ignored_call_events(regclass) IS
'Counts the events of a log that were ignored when they were appended (configure_call_event_log)
and are not purged, up to 10000.
- log: NULL is the default log
Errors:
- 42501: no SELECT on the log
- 42P08: several logs, none is the default and none is named
- 55000: no such log';

CREATE VIEW @extschema@.call_event_log_status AS
SELECT l.events AS log, l.calls, l.lanes, s.pending_estimate, s.oldest_received_at, s.open_claims, s.claims_over,
    s.claimed, s.retrying, s.blocked, d.dead, s.events_per_second, s.error,
    CASE WHEN s.error IS NULL THEN @extschema@.ignored_call_events(l.events) END AS ignored,
    l.ignored_event_types, l.ignored_members, pg_catalog.cardinality(l.other_consumers) AS other_consumers
FROM _callhardening.logs l
-- A log of changes has no default consumer: NULL, and not 0.
LEFT JOIN LATERAL (SELECT pg_catalog.sum(v.pending_estimate)::bigint AS pending_estimate,
        pg_catalog.min(v.oldest_received_at) AS oldest_received_at, pg_catalog.count(v.claim_id) AS open_claims,
        pg_catalog.count(*) FILTER (WHERE v.is_over) AS claims_over,
        coalesce(pg_catalog.sum(v.claimed), 0)::bigint AS claimed,
        pg_catalog.sum(v.retrying)::bigint AS retrying, pg_catalog.sum(v.blocked)::bigint AS blocked,
        pg_catalog.sum(v.events_per_second) AS events_per_second, pg_catalog.min(v.error) AS error
    FROM @extschema@.call_lane_status v
    WHERE v.log OPERATOR(pg_catalog.=) l.events AND v.consumer OPERATOR(pg_catalog.=) 'default') s
    ON NOT l.is_of_changes
LEFT JOIN LATERAL (SELECT pg_catalog.count(*) AS dead FROM _callhardening.dead_events e
    WHERE e.consumer_id OPERATOR(pg_catalog.=) l.log_id) d ON NOT l.is_of_changes
WHERE pg_catalog.has_any_column_privilege(l.events::oid, 'SELECT');
REVOKE ALL ON @extschema@.call_event_log_status FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_event_log_status', 'SELECT'), ('monitor', 'call_event_log_status', 'SELECT');

COMMENT ON VIEW @extschema@.call_event_log_status IS
'Each event log in one row, as its default consumer sees it: pending, claimed, retrying, blocked,
dead, events per second. call_lane_status has the same by lane. Logs without SELECT for the
reader are left out.';
COMMENT ON COLUMN @extschema@.call_event_log_status.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_event_log_status.calls IS 'its calls table; -: it was dropped';
COMMENT ON COLUMN @extschema@.call_event_log_status.lanes IS 'the number of its lanes';
COMMENT ON COLUMN @extschema@.call_event_log_status.oldest_received_at IS
'when the first pending event was received; NULL: nothing is pending, or the log has no time of receipt';
COMMENT ON COLUMN @extschema@.call_event_log_status.open_claims IS 'claims of workers';
COMMENT ON COLUMN @extschema@.call_event_log_status.claims_over IS
'of these, claims with an expired lease that no worker has taken over';
COMMENT ON COLUMN @extschema@.call_event_log_status.claimed IS 'events in open claims';
COMMENT ON COLUMN @extschema@.call_event_log_status.retrying IS 'failed events with a time for their next attempt';
COMMENT ON COLUMN @extschema@.call_event_log_status.blocked IS 'events behind them in the same calls';
COMMENT ON COLUMN @extschema@.call_event_log_status.events_per_second IS
'completed, over the remembered records of each lane';
COMMENT ON COLUMN @extschema@.call_event_log_status.ignored_event_types IS 'settings of configure_call_event_log';
COMMENT ON COLUMN @extschema@.call_event_log_status.ignored_members IS 'likewise';
COMMENT ON COLUMN @extschema@.call_event_log_status.dead IS 'with the events that have no lane';
COMMENT ON COLUMN @extschema@.call_event_log_status.error IS
'why the log cannot be read, with an SQLSTATE; NULL: it can';
COMMENT ON COLUMN @extschema@.call_event_log_status.ignored IS
'events without a call, as ignored_event_types and ignored_members say, counted up to 10000; NULL: the log cannot be '
'read';
COMMENT ON COLUMN @extschema@.call_event_log_status.pending_estimate IS
'events of the default consumer without a worker, estimated. NULL, as are the next columns: it is a log of changes '
'(create_call_changes), without a default consumer. NULL alone: the log cannot be read (error)';
COMMENT ON COLUMN @extschema@.call_event_log_status.other_consumers IS
'number of further consumers: the other columns do not count their events, call_consumers does';

CREATE VIEW @extschema@.call_consumers AS
SELECT k.log, k.consumer, k.created_at, k.pending_estimate, k.oldest_event_seq, k.oldest_received_at, k.open_claims,
    k.claims_over, k.retrying, k.blocked, k.dead, k.last_claimed_at, k.behind, k.max_attempts, k.retry_base,
    k.retry_cap, k.max_retrying, k.error, k.first_kept IS NOT NULL
    AND k.first_kept OPERATOR(pg_catalog.=) pg_catalog.min(k.first_kept) OVER (PARTITION BY k.log) AS holds_purges
FROM (
    SELECT l.events AS log, c.name AS consumer, c.created_at, s.pending_estimate, s.oldest_event_seq,
        s.oldest_received_at, s.open_claims, s.claims_over, s.retrying, s.blocked, d.dead, n.last_claimed_at,
        pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) s.oldest_received_at AS behind,
        COALESCE(c.max_attempts, l.max_attempts) AS max_attempts, COALESCE(c.retry_base, l.retry_base) AS retry_base,
        COALESCE(c.retry_cap, l.retry_cap) AS retry_cap, COALESCE(c.max_retrying, l.max_retrying) AS max_retrying,
        s.error, LEAST(s.oldest_event_seq, w.oldest_event_seq, o.last_event_seq) AS first_kept
    FROM _callhardening.logs l JOIN _callhardening.consumers c ON c.log_id OPERATOR(pg_catalog.=) l.log_id
    CROSS JOIN LATERAL (SELECT pg_catalog.sum(v.pending_estimate)::bigint AS pending_estimate,
            pg_catalog.min(v.oldest_event_seq) AS oldest_event_seq,
            pg_catalog.min(v.oldest_received_at) AS oldest_received_at, pg_catalog.count(v.claim_id) AS open_claims,
            pg_catalog.count(*) FILTER (WHERE v.is_over) AS claims_over,
            pg_catalog.sum(v.retrying)::bigint AS retrying, pg_catalog.sum(v.blocked)::bigint AS blocked,
            pg_catalog.min(v.error) AS error
        FROM @extschema@.call_lane_status v -- below 0: no consumer can get these events
        WHERE v.log OPERATOR(pg_catalog.=) l.events AND v.consumer OPERATOR(pg_catalog.=) c.name
            AND v.lane OPERATOR(pg_catalog.>=) 0) s
    CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS dead FROM _callhardening.dead_events e
        WHERE e.consumer_id OPERATOR(pg_catalog.=) c.consumer_id) d
    CROSS JOIN LATERAL (SELECT pg_catalog.min(e.event_seq) AS oldest_event_seq
        FROM _callhardening.retrying_events e WHERE e.consumer_id OPERATOR(pg_catalog.=) c.consumer_id) w
    CROSS JOIN LATERAL (SELECT pg_catalog.min(v.last_event_seq) AS last_event_seq FROM @extschema@.call_open_claims v
        WHERE v.log OPERATOR(pg_catalog.=) l.events AND v.consumer OPERATOR(pg_catalog.=) c.name) o
    CROSS JOIN LATERAL (SELECT pg_catalog.max(r.claimed_at) AS last_claimed_at FROM _callhardening.claims r
        WHERE r.consumer_id OPERATOR(pg_catalog.=) c.consumer_id AND r.claim_id IS NOT NULL) n
    WHERE pg_catalog.has_any_column_privilege(l.events::oid, 'SELECT')) k;
REVOKE ALL ON @extschema@.call_consumers FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_consumers', 'SELECT'), ('monitor', 'call_consumers', 'SELECT');

COMMENT ON VIEW @extschema@.call_consumers IS
'Each consumer of each log: how far it is, its limits, and whether purges wait for it. Logs
without SELECT for the reader are left out.';
COMMENT ON COLUMN @extschema@.call_consumers.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_consumers.created_at IS 'when the consumer was created';
COMMENT ON COLUMN @extschema@.call_consumers.oldest_event_seq IS 'its first pending event; NULL: none';
COMMENT ON COLUMN @extschema@.call_consumers.oldest_received_at IS
'when this event was received; NULL: nothing is pending, or the log has no time of receipt';
COMMENT ON COLUMN @extschema@.call_consumers.open_claims IS 'claims of its workers';
COMMENT ON COLUMN @extschema@.call_consumers.claims_over IS
'of these, claims with an expired lease that no worker has taken over';
COMMENT ON COLUMN @extschema@.call_consumers.retrying IS 'failed events with a time for their next attempt';
COMMENT ON COLUMN @extschema@.call_consumers.blocked IS 'events behind them in the same calls';
COMMENT ON COLUMN @extschema@.call_consumers.dead IS 'events given up';
COMMENT ON COLUMN @extschema@.call_consumers.max_attempts IS
'after so many failures an event is dead; its own setting or that of the log, as the next three';
COMMENT ON COLUMN @extschema@.call_consumers.retry_base IS 'the longest pause before the first retry';
COMMENT ON COLUMN @extschema@.call_consumers.retry_cap IS 'the longest pause before any retry';
COMMENT ON COLUMN @extschema@.call_consumers.max_retrying IS
'a lane with so many retrying and blocked events takes no new ones';
COMMENT ON COLUMN @extschema@.call_consumers.consumer IS
'default: the one of process_call_events, and of functions called without a consumer';
COMMENT ON COLUMN @extschema@.call_consumers.pending_estimate IS
'events without a worker of this consumer (see pending_call_events); events without a stamp are
no consumer''s, and check_call_hardening counts them; NULL: the log cannot be read';
COMMENT ON COLUMN @extschema@.call_consumers.last_claimed_at IS
'the last claim among the remembered records; NULL: none. The consumer sleeps if this is long ago and events are '
'pending';
COMMENT ON COLUMN @extschema@.call_consumers.behind IS
'age of its first pending event; NULL: nothing is pending, or the log has no time of receipt';
COMMENT ON COLUMN @extschema@.call_consumers.holds_purges IS
'true: of the log''s consumers this one has the first event that is pending, claimed, retrying or blocked. Purges wait '
'for it: start its workers, move it (seek_call_consumer), or drop it (drop_call_consumer)';
COMMENT ON COLUMN @extschema@.call_consumers.error IS
'why the log cannot be read, with an SQLSTATE; NULL: it can';

CREATE VIEW @extschema@.call_horizon AS
SELECT h.holder, h.name, h.role, h.application, h.xmin, pg_catalog.age(h.xmin) AS transactions, h.since
FROM (
    SELECT 'backend' AS holder, a.pid::text AS name, a.usename::text AS role, a.application_name AS application,
           COALESCE(a.backend_xmin, a.backend_xid) AS xmin, a.xact_start AS since -- between two statements: no xmin
    FROM pg_catalog.pg_stat_activity a WHERE COALESCE(a.backend_xmin, a.backend_xid) IS NOT NULL
        AND a.backend_type OPERATOR(pg_catalog.<>) 'walsender'
    UNION ALL
    SELECT 'standby', r.pid::text, r.usename::text, r.application_name, r.backend_xmin, r.backend_start
    FROM pg_catalog.pg_stat_replication r WHERE r.backend_xmin IS NOT NULL
    UNION ALL
    SELECT 'replication slot', s.slot_name::text, NULL, s.plugin::text, s.xmin, NULL
    FROM pg_catalog.pg_replication_slots s WHERE s.xmin IS NOT NULL
    UNION ALL
    SELECT 'prepared transaction', p.gid, p.owner::text, NULL, p.transaction, p.prepared
    FROM pg_catalog.pg_prepared_xacts p) h
ORDER BY pg_catalog.age(h.xmin) DESC;
REVOKE ALL ON @extschema@.call_horizon FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_horizon', 'SELECT'), ('monitor', 'call_horizon', 'SELECT');

COMMENT ON VIEW @extschema@.call_horizon IS
'What holds old snapshots, the oldest first: transactions and slots. Dead rows stay because of
them: bad for the calls table and for purges, not for the log.';
COMMENT ON COLUMN @extschema@.call_horizon.holder IS 'backend, standby, replication slot or prepared transaction';
COMMENT ON COLUMN @extschema@.call_horizon.name IS
'process id of a backend or a standby; name of a slot; identifier of a prepared transaction';
COMMENT ON COLUMN @extschema@.call_horizon.role IS 'the role behind it; NULL: a slot';
COMMENT ON COLUMN @extschema@.call_horizon.application IS 'application name; plugin of a slot; NULL: none';
COMMENT ON COLUMN @extschema@.call_horizon.xmin IS 'no row that this transaction could see is removed';
COMMENT ON COLUMN @extschema@.call_horizon.transactions IS 'how many began since';
COMMENT ON COLUMN @extschema@.call_horizon.since IS 'NULL: not known';

-- the triggers that enforce the rules ------------------------------------------------------------

CREATE FUNCTION _callhardening.trigger_arguments(tgargs bytea) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_trigger_arguments';

COMMENT ON FUNCTION _callhardening.trigger_arguments(bytea) IS
'the arguments of a trigger, from pg_trigger.tgargs; NULL if it has none. Never fails for what PostgreSQL has written '
'there. call_settings refuses other arguments than those of harden_calls. Error: 22021 no valid text';

CREATE FUNCTION _callhardening.trigger_states()
    RETURNS TABLE (relation oid, trigger_name name, part text, state "char", is_cloned boolean, is_as_created boolean,
        arguments text[])
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT t.tgrelid, t.tgname, k.part, t.tgenabled, t.tgparentid <> 0,
       t.tgtype = k.kind AND (t.tgqual IS NULL) = k.is_unconditional AND t.tgattr::text = ''
           AND (t.tgnargs = k.arguments OR (k.part = 'stamp' AND t.tgnargs = 5)),
       _callhardening.trigger_arguments(t.tgargs)
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid AND p.pronamespace = '_callhardening'::regnamespace
-- The kinds are sums: 1 for each row, 2 before, 4 INSERT, 8 DELETE, 16 UPDATE.
JOIN (VALUES
    ('validate_hardened_call', 'validate', 23, true, 8, true),
    ('refuse_illegal_call', 'insert', 5, false, 1, true),
    ('refuse_illegal_call', 'update', 17, false, 1, false),
    ('stamp_call_event', 'stamp', 7, true, 4, true),
    ('bury_call_event', 'bury', 5, false, 0, true),
    ('keep_call_event_stamp', 'keep', 19, true, 0, true),
    ('add_call_change', 'change', 29, true, 0, true))
    AS k (function, part, kind, is_unconditional, arguments, is_insert)
  ON k.function = p.proname AND (p.proname <> 'refuse_illegal_call' OR k.is_insert = (t.tgtype & 4 <> 0))
$$;

COMMENT ON FUNCTION _callhardening.trigger_states() IS
'the triggers of all calls tables and event logs, under any name. part: what it enforces. is_cloned: PostgreSQL made '
'it for a partition. is_as_created: nobody has altered it';

CREATE FUNCTION _callhardening.hardened_tables()
    RETURNS TABLE (relation regclass, root regclass, settings text[], relkind "char", relispartition boolean)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH RECURSIVE states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states() WHERE part IN ('validate', 'insert', 'update')
), tree AS (
    SELECT DISTINCT s.relation, s.relation AS root FROM states s WHERE NOT s.is_cloned
    UNION
    SELECT i.inhrelid, t.root FROM tree t JOIN pg_inherits i ON i.inhparent = t.relation
), members AS (
    -- A child by inheritance hardened by itself is its own table.
    SELECT t.relation, CASE WHEN bool_or(t.root = t.relation) THEN t.relation ELSE min(t.root) END AS root
    FROM tree t GROUP BY 1
)
SELECT m.relation, m.root, coalesce(
    (SELECT s.arguments FROM states s
        WHERE s.relation = m.relation AND s.part = 'validate' ORDER BY s.is_as_created DESC LIMIT 1),
    (SELECT s.arguments FROM states s WHERE s.relation = m.root AND s.part = 'validate' ORDER BY s.is_as_created DESC
        LIMIT 1)), c.relkind, c.relispartition
FROM members m JOIN pg_class c ON c.oid = m.relation
$$;

COMMENT ON FUNCTION _callhardening.hardened_tables() IS
'each hardened table with its partitions and children, the table it was hardened with (root), and the arguments of '
'its BEFORE trigger; NULL: it is gone';

CREATE TYPE _callhardening.gap AS (relation regclass, level text, gap text, detail text, advice text);

COMMENT ON TYPE _callhardening.gap IS 'a row of call_enforcement';

-- gaps of calls tables ---------------------------------------------------------------------------

CREATE FUNCTION _callhardening.missing_enum_words(type oid, what text, graph text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    words text[];
    enum oid;
BEGIN
    SELECT t.oid INTO enum FROM pg_type t WHERE t.oid = _callhardening.base_type(type) AND t.typtype = 'e';
    IF enum IS NULL THEN
        RETURN NULL;
    END IF;
    words := CASE what WHEN 'status' THEN _callhardening.status_words(nullif(graph, '')::jsonb)
        ELSE '{inbound,outbound}' END;
    -- Read from the catalogs. A cast would run the CHECK of a domain as the owner of the extension.
    RETURN (SELECT string_agg(format('"%s"', w), ', ' ORDER BY w COLLATE "C") FROM unnest(words) AS w
            WHERE NOT EXISTS (SELECT FROM pg_enum e
                WHERE e.enumtypid = enum AND e.enumlabel COLLATE "C" = w COLLATE "C"));
EXCEPTION WHEN data_exception OR statement_too_complex THEN
    RETURN NULL; -- the graph is malformed: all writes fail anyway
END
$$;

COMMENT ON FUNCTION _callhardening.missing_enum_words(oid, text, text) IS
'the words missing in the enum, or domain over an enum, of a column. what: status for the words of the graph (as a '
'trigger has it), otherwise the directions. NULL: no word is missing, the type is another, or the graph is malformed. '
'Runs no code of the owner of the type';

CREATE FUNCTION _callhardening.table_trigger_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH tables AS MATERIALIZED (
    SELECT * FROM _callhardening.hardened_tables()
), states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states() WHERE part <> 'change'
)
-- A partition or child without any trigger, or a table without some.
SELECT t.relation, 'gap', CASE WHEN t.relispartition THEN 'partition_not_hardened' ELSE 'child_not_hardened' END,
       format('%s of %s has no trigger of callhardening',
           CASE WHEN t.relispartition THEN 'this partition' ELSE 'this child by inheritance' END, t.root),
       CASE WHEN t.relispartition THEN 'Detach it and attach it again.'
           ELSE format('SELECT harden_calls(%L), with the settings of %s.', t.relation, t.root) END
FROM tables t WHERE NOT EXISTS (SELECT FROM states s WHERE s.relation = t.relation)
UNION ALL
SELECT t.relation, 'gap', 'trigger_missing', format('the trigger %s is gone', p.name),
       format('Call harden_calls(%L) again%s.', t.root,
           CASE p.part WHEN 'validate' THEN ', with all settings other than the defaults' ELSE '' END)
FROM tables t CROSS JOIN (VALUES ('validate', 'validate_hardened_call'), ('insert', 'validate_hardened_call_insert'),
                                 ('update', 'validate_hardened_call_update')) AS p (part, name)
WHERE EXISTS (SELECT FROM states s WHERE s.relation = t.relation)
  AND NOT EXISTS (SELECT FROM states s WHERE s.relation = t.relation AND s.part = p.part)
UNION ALL
SELECT t.relation, 'gap', 'trigger_altered',
       format('the trigger %I was not created by harden_calls: it has another event, condition or number of arguments',
           s.trigger_name),
       format('Drop it, and call harden_calls(%L) again.', t.root)
FROM tables t JOIN states s ON s.relation = t.relation WHERE NOT s.is_as_created
UNION ALL
SELECT t.relation, 'gap', 'settings_differ',
       format('the trigger %I has other settings than the others', s.trigger_name),
       format('Drop it, and call harden_calls(%L) again.', t.root)
FROM tables t JOIN states s ON s.relation = t.relation
WHERE s.is_as_created AND cardinality(t.settings) = 8
    AND s.arguments <> CASE s.part WHEN 'validate' THEN t.settings
        ELSE ARRAY[_callhardening.settings_digest(t.settings)] END
UNION ALL
SELECT t.relation, 'gap', 'policy_missing',
       format('the comment of the trigger %I is not its policy: writes fail', s.trigger_name),
       format('Call harden_calls(%L, policy => ...) with the policy.', t.root)
FROM tables t JOIN states s ON s.relation = t.root AND s.part = 'validate'
WHERE NOT _callhardening.has_trigger_policy(t.root) AND cardinality(t.settings) = 8
UNION ALL
SELECT t.relation, 'gap', 'foreign_partition',
       format('this partition of %s is a foreign table: a write at its server passes no trigger here', t.root),
       'Harden the table at its server.'
FROM tables t WHERE t.relkind = 'f'
UNION ALL
SELECT t.relation, 'note', 'subscription',
       format('a subscription writes to this table, and the trigger %I does not fire for it', s.trigger_name),
       format('Harden the publisher''s table, or ALTER TABLE %s ENABLE ALWAYS TRIGGER %I.', t.relation, s.trigger_name)
FROM tables t JOIN states s ON s.relation = t.relation
WHERE s.state = 'O' AND EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = t.relation)
$$;

COMMENT ON FUNCTION _callhardening.table_trigger_gaps() IS
'gaps of calls tables: missing or altered triggers, and tables without any';

CREATE FUNCTION _callhardening.change_trigger_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states() WHERE part = 'change'
), logs AS MATERIALIZED (
    SELECT l.events, l.calls, t.relid, t.isleaf
    FROM _callhardening.logs AS l JOIN pg_class AS c ON c.oid = l.calls
    CROSS JOIN LATERAL (
        SELECT p.relid, p.isleaf FROM pg_partition_tree(l.calls) AS p
        UNION SELECT l.calls, true WHERE c.relkind = 'r') AS t
    WHERE l.is_of_changes
)
SELECT l.relid, 'gap', 'trigger_missing',
       format('the trigger add_call_change is gone: changes are not logged in %s', l.events),
       CASE WHEN _callhardening.trigger_settings(l.calls) IS NULL
           THEN format('Harden the table, and call create_call_changes(%L). Or DROP TABLE %s.', l.calls, l.events)
           ELSE format('SELECT create_call_changes(%L).', l.calls) END
FROM logs AS l WHERE l.isleaf AND NOT EXISTS (SELECT FROM states AS s WHERE s.relation = l.relid)
UNION ALL
SELECT s.relation, 'gap', 'trigger_altered',
       format('the trigger %I was not created by create_call_changes: it has another event or condition',
           s.trigger_name),
       'Drop it, and call create_call_changes.'
FROM states AS s WHERE NOT s.is_as_created
UNION ALL
SELECT s.relation, 'note', 'subscription',
       format('a subscription writes to this table, and the trigger %I does not fire for it', s.trigger_name),
       format('Log the changes at the publisher, or ALTER TABLE %s ENABLE ALWAYS TRIGGER %I.', s.relation::regclass,
           s.trigger_name)
FROM states AS s
WHERE s.state = 'O' AND EXISTS (SELECT FROM pg_subscription_rel AS r WHERE r.srrelid = s.relation)
$$;

COMMENT ON FUNCTION _callhardening.change_trigger_gaps() IS
'gaps of calls tables with a log of changes: the trigger of the log is missing, altered, or silent for a subscription';

CREATE FUNCTION _callhardening.table_column_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH tables AS MATERIALIZED (
    SELECT * FROM _callhardening.hardened_tables()
), columns AS MATERIALIZED (
    SELECT t.relation, k.what, t.settings[k.position] AS column_name, a.attnum, a.atttypid, t.settings[6] AS graph
    FROM tables t CROSS JOIN (VALUES ('call id', 1), ('status', 2), ('direction', 3),
        ('payload', 4)) AS k (what, position)
    LEFT JOIN pg_attribute a ON a.attrelid = t.relation AND a.attname = t.settings[k.position] AND a.attnum > 0
        AND NOT a.attisdropped
    WHERE cardinality(t.settings) = 8
), keys AS (
    SELECT c.relation, c.column_name, t.relkind, _callhardening.key_state(c.relation, c.column_name::name) AS state,
        _callhardening.key_obstacle(c.relation, c.column_name::name) AS obstacle
    FROM columns c JOIN tables t ON t.relation = c.relation
    WHERE c.what = 'call id' AND c.attnum IS NOT NULL AND t.relation = t.root
)
-- What the settings name.
SELECT c.relation, 'gap', 'column_missing',
       format('the settings name the column %I for the %s, but the table does not have it', c.column_name, c.what),
       'Rename it back, or call harden_calls again with the present name. Until then, writes fail with 55000.'
FROM columns c WHERE c.attnum IS NULL
UNION ALL
SELECT c.relation, 'gap', 'column_type',
       format('the column %I for the %s is %s now', c.column_name, c.what, format_type(c.atttypid, NULL)),
       'Alter the type back. Until then, writes fail with 55000.'
FROM columns c JOIN pg_type y ON y.oid = c.atttypid
WHERE c.what IN ('status', 'direction') AND y.typcategory NOT IN ('S', 'E')
   OR c.what = 'payload' AND _callhardening.base_type(c.atttypid) <> 'jsonb'::regtype
UNION ALL
SELECT c.relation, 'gap', 'column_type',
       format('the type %s of the column %I for the %s has lost %s', format_type(c.atttypid, NULL),
           c.column_name, c.what, m.words),
       'ALTER TYPE ... RENAME VALUE back, or ADD VALUE. Until then, writes of the word fail.' ||
           CASE c.what WHEN 'status' THEN ' A row with another word in its place may go to any status.' ELSE '' END
FROM columns c CROSS JOIN LATERAL _callhardening.missing_enum_words(c.atttypid, c.what, c.graph) AS m (words)
WHERE c.what IN ('status', 'direction') AND c.attnum IS NOT NULL AND m.words IS NOT NULL
UNION ALL
SELECT k.relation, 'gap', 'unique_key_' || k.state,
       format(CASE k.state WHEN 'invalid' THEN 'the unique index on %I is not valid'
                           WHEN 'deferrable' THEN 'the unique constraint on %I is deferrable'
                           WHEN 'missing' THEN 'there is no unique index on %I alone, without a condition' END,
           k.column_name)
           || ': events are not applied to this table',
       CASE WHEN k.state = 'invalid' AND k.relkind = 'p' THEN 'Create the index on each partition and attach it.'
            WHEN k.state = 'invalid' THEN 'Drop it, remove the rows with the same call id, and create it again.'
            WHEN k.state = 'deferrable' THEN 'Make it NOT DEFERRABLE: drop the constraint and create it again.'
            WHEN k.relkind = 'p' THEN 'A unique index of a partitioned table has to contain the partition key: '
                    'partition by the call id.'
            ELSE 'Merge the rows with the same call id, and call harden_calls again.' END
FROM keys k WHERE k.state <> 'unique'
UNION ALL
SELECT k.relation, 'gap', 'key_unfit',
       format('events are not applied to this table, because the call id %I cannot be their key: %s',
           k.column_name, k.obstacle),
       'Use text or varchar with a deterministic collation, or an integer type, and no GENERATED ALWAYS.'
FROM keys k WHERE k.obstacle IS NOT NULL
UNION ALL
-- harden_calls does not build it for a new column of a big table.
SELECT c.relation, 'note', 'payload_index_missing',
       format('there is no valid GIN index on the payload column %I: a search in payloads reads the whole table',
           c.column_name),
       format('If you search payloads: CREATE INDEX %sON %s USING gin (%I).',
           CASE t.relkind WHEN 'p' THEN '' ELSE 'CONCURRENTLY ' END, c.relation, c.column_name)
FROM columns c JOIN tables t ON t.relation = c.relation AND t.relation = t.root
WHERE c.what = 'payload' AND _callhardening.base_type(c.atttypid) = 'jsonb'::regtype
    AND NOT _callhardening.has_payload_index(c.relation, c.column_name::name)
$$;

COMMENT ON FUNCTION _callhardening.table_column_gaps() IS
'gaps of calls tables: columns of the settings, missing or of another type, a call id unfit for events, and a missing '
'index of payloads';

-- gaps of event logs -----------------------------------------------------------------------------

CREATE FUNCTION _callhardening.stray_event_gaps(events regclass)
    RETURNS TABLE (level text, gap text, detail text, advice text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    most CONSTANT bigint := 1000;
    strays bigint;
BEGIN
    strays := _callhardening.stray_events(events, most);
    IF strays IS NULL THEN
        RETURN QUERY VALUES ('note', 'not_read', 'another session has locked the log: its events were not looked at',
            'Look again.');
    ELSIF strays > 0 THEN
        RETURN QUERY VALUES ('gap', 'events_outside_lanes',
            format('no worker looks for %s%s events: their lanes are not the log''s',
                    CASE strays WHEN most THEN 'at least ' ELSE '' END, strays),
            'A worker finds them within a minute. If they stay, insert their bodies again.');
    END IF;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    -- Another query reports an altered log as a gap. Row-level security is only a note.
    RETURN QUERY SELECT 'note', 'not_read', 'row-level security hides the events from the owner of the extension',
        'Look at pending_call_events as the owner.'
    FROM pg_class AS c WHERE c.oid = stray_event_gaps.events AND c.relrowsecurity;
END
$$;

COMMENT ON FUNCTION _callhardening.stray_event_gaps(regclass) IS
'a row for call_enforcement if a log has, or may have, events no worker looks for';

CREATE FUNCTION _callhardening.log_trigger_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states()
), logs AS MATERIALIZED (
    SELECT l.*, c.relkind, c.relpersistence FROM _callhardening.logs l JOIN pg_class c ON c.oid = l.events
)
-- A schema restored without data has the triggers, but no rows in call_event_logs.
SELECT s.relation::regclass, 'gap', 'log_not_registered',
       format('the table has the trigger %I, but no row in call_event_logs: no worker finds its events',
           s.trigger_name),
       'Restore the data of call_event_logs too, or call ' || CASE
           WHEN s.arguments[2] = 'call_changes' THEN 'create_call_changes for its calls table.'
           WHEN cardinality(s.arguments) = 5
               THEN format('unharden_call_events(%L), and harden_call_events again.', s.relation::regclass)
           ELSE format('register_call_event_log(%L, its calls table, %L, %s).', s.relation::regclass, s.arguments[2],
               s.arguments[3]) END
FROM states s WHERE s.part = 'stamp' AND NOT EXISTS (SELECT FROM logs l WHERE l.events = s.relation)
UNION ALL
SELECT l.events, 'gap', 'trigger_missing', format('the trigger %s is gone', p.name),
       CASE p.part
           WHEN 'stamp' THEN 'Rows cannot be inserted, or no worker finds them: create the trigger as '
           'register_call_event_log does.'
                   WHEN 'keep' THEN 'No worker finds an event after a subscription has updated it: create the '
                           'trigger as register_call_event_log does.'
                   ELSE 'Events without a call are not found in call_dead_events: create the trigger as '
                       'register_call_event_log does.' END
FROM logs l CROSS JOIN (VALUES ('stamp', 'stamp_call_event'), ('bury', 'bury_call_event'),
    ('keep', 'keep_call_event_stamp'))
    AS p (part, name)
WHERE NOT EXISTS (SELECT FROM states s WHERE s.relation = l.events AND s.part = p.part)
UNION ALL
SELECT l.events, 'gap', 'trigger_altered',
       format('the trigger %I is not as register_call_event_log has created it: it has another event, condition or '
       'number of arguments', s.trigger_name),
       'Drop it, and create it as register_call_event_log does.'
FROM logs l JOIN states s ON s.relation = l.events AND s.part IN ('stamp', 'bury') WHERE NOT s.is_as_created
UNION ALL
SELECT l.events, 'gap', 'settings_differ',
       format('the trigger %I has %s lanes and provider %s, call_event_logs has %s and %s', s.trigger_name,
           s.arguments[3], s.arguments[2], l.lanes, l.provider),
       'Drop it, and create it as register_call_event_log does.'
FROM logs l JOIN states s ON s.relation = l.events AND s.part = 'stamp'
WHERE s.is_as_created AND s.arguments[2:3] <> ARRAY[l.provider, l.lanes::text]
UNION ALL
SELECT l.events, 'gap', 'settings_differ',
       format('the trigger %I gives events a key of %s, the key of %s is %s', s.trigger_name, s.arguments[4], l.calls,
           k.type),
       'Call unharden_call_events, and make the log again.'
FROM logs l JOIN states s ON s.relation = l.events AND s.part = 'stamp' AND s.is_as_created AND NOT l.is_of_changes
JOIN states c ON c.relation = l.calls AND c.part = 'validate' AND c.is_as_created
JOIN pg_attribute a ON a.attrelid = l.calls AND a.attname = c.arguments[1]
CROSS JOIN LATERAL (VALUES (CASE WHEN c.arguments[7] = '*' THEN 'provider:' ELSE '' END
    || format_type(_callhardening.base_type(a.atttypid), NULL))) AS k (type)
-- With quote_all_identifiers a session writes "text" with its quotes.
WHERE replace(s.arguments[4], '"', '') <> replace(k.type, '"', '')
UNION ALL
SELECT l.events, 'gap', 'trigger_not_always',
       format('a subscription writes to this log, and the trigger %I does not fire for it: workers refuse the log',
           s.trigger_name),
       format('ALTER TABLE %s ENABLE %s TRIGGER %I. Earlier events have the stamps of the publisher: copy them '
           'again.',
           l.events, CASE s.part WHEN 'keep' THEN 'REPLICA' ELSE 'ALWAYS' END, s.trigger_name)
FROM logs l JOIN states s ON s.relation = l.events AND s.part IN ('stamp', 'bury', 'keep') AND s.state = 'O'
WHERE EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = l.events)
UNION ALL
SELECT l.events, 'note', 'subscription',
       'a subscription writes to this log: its deletes also take events not yet processed here',
       'Let the publication publish inserts only: ALTER PUBLICATION ... SET (publish = ''insert'').'
FROM logs l WHERE EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = l.events)
$$;

COMMENT ON FUNCTION _callhardening.log_trigger_gaps() IS
'gaps of event logs: triggers missing, altered, or silent for what a subscription writes';

CREATE FUNCTION _callhardening.log_table_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH logs AS MATERIALIZED (
    SELECT l.*, c.relkind, c.relpersistence FROM _callhardening.logs l JOIN pg_class c ON c.oid = l.events
)
SELECT l.events, 'gap', 'log_missing', format('event log %s was dropped while triggers were off', l.log_id),
    'Delete its row in call_event_logs.'
FROM _callhardening.logs l WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = l.events)
UNION ALL
SELECT l.events, 'gap', 'table_altered', 'the log is no ordinary table, or has children',
    'Copy the events to a new log.'
FROM logs l WHERE l.relkind <> 'r' OR EXISTS (SELECT FROM pg_inherits i WHERE l.events IN (i.inhparent, i.inhrelid))
UNION ALL
SELECT l.events, 'gap', 'table_unlogged', 'the log is an unlogged table: a crash of the server empties it',
    format('ALTER TABLE %s SET LOGGED.', l.events)
FROM logs l WHERE l.relpersistence = 'u'
UNION ALL
SELECT l.events, 'note', 'default_log', 'functions called without a log use this one',
    'To choose another: SELECT configure_call_event_log(log, is_default => true).'
FROM logs l WHERE l.is_default AND (SELECT count(*) FROM logs w WHERE NOT w.is_of_changes) > 1
UNION ALL
SELECT NULL, 'note', 'no_default_log',
    'there are several event logs, and none is the default: functions called without a log fail',
    'SELECT configure_call_event_log(log, is_default => true).'
WHERE (SELECT count(*) FROM logs l WHERE NOT l.is_of_changes) > 1 AND NOT EXISTS (SELECT FROM logs l WHERE l.is_default)
UNION ALL
SELECT l.events, 'gap', 'sequence_missing', 'the sequence of event_seq is gone: rows cannot be inserted',
    'Call unharden_call_events, and harden_call_events again.'
FROM logs l WHERE l.sequence IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_class s WHERE s.oid = l.sequence AND s.relkind = 'S')
UNION ALL
SELECT l.events, 'note', 'row_security',
       'row-level security is enabled: a worker fails if it applies to the worker''s role',
       format('Give their roles BYPASSRLS, or ALTER TABLE %s DISABLE ROW LEVEL SECURITY.', l.events)
FROM logs l JOIN pg_class c ON c.oid = l.events WHERE c.relrowsecurity
UNION ALL
SELECT l.events, 'gap', 'index_missing',
       format('there is no valid unique index on (%s)', array_to_string(k.keys, ', ')),
       format('CREATE UNIQUE INDEX ON %s (%s).', l.events, array_to_string(k.keys, ', '))
FROM logs l CROSS JOIN _callhardening.event_indexes() AS k
WHERE NOT _callhardening.has_event_index(l.events, k.keys)
UNION ALL
SELECT l.events, s.level, s.gap, s.detail, s.advice
FROM logs l CROSS JOIN LATERAL _callhardening.stray_event_gaps(l.events) AS s WHERE l.relkind = 'r'
$$;

COMMENT ON FUNCTION _callhardening.log_table_gaps() IS
'gaps of event logs: the table, its indexes and sequence, its row in call_event_logs, and events no worker finds';

CREATE FUNCTION _callhardening.log_column_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH logs AS MATERIALIZED (
    SELECT l.*, c.relkind, c.relpersistence FROM _callhardening.logs l JOIN pg_class c ON c.oid = l.events
), columns AS (
    SELECT l.events, k.name, k.type, a.attnum, a.atttypid
    FROM logs l CROSS JOIN (VALUES
        ('event_seq', 'bigint'::regtype),
        ('event_lane', 'integer'),
        ('event_xid', 'xid8'),
        ('call_id', 'text'),
        ('event_type', 'text')) AS k (name, type)
    LEFT JOIN pg_attribute a ON a.attrelid = l.events AND a.attname = k.name AND NOT a.attisdropped
    WHERE k.name <> 'event_type' OR l.sequence IS NULL -- what was there before has a column of its own, or none
), named AS (
    -- What the settings name, with what harden_call_events takes there; of a new log, the type of an event is one
    -- of those above.
    SELECT l.events, k.what, k.name, k.wanted, a.attnum, a.atttypid, y.oid AS base,
           k.types IS NULL OR y.oid = ANY (k.types) OR 'text'::regtype = ANY (k.types) AND y.typcategory = 'S' AS is_fit
    FROM logs l CROSS JOIN LATERAL (
        VALUES ('payload_column', l.payload_column, '{jsonb}'::regtype[], 'jsonb'),
               ('event_type_column', CASE WHEN l.sequence IS NOT NULL THEN l.event_type_column END, '{text}', 'text'),
               ('received_at_column', l.received_at_column, '{timestamp,timestamptz}',
                   'timestamp with or without time zone'),
               ('processed_at_column', l.processed_at_column, '{timestamp,timestamptz}',
                   'timestamp with or without time zone')
        UNION ALL SELECT 'carry', c, NULL, NULL FROM unnest(l.carry) AS c) AS k (what, name, types, wanted)
    LEFT JOIN pg_attribute a ON a.attrelid = l.events AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_type y ON y.oid = _callhardening.base_type(a.atttypid)
    WHERE k.name IS NOT NULL
)
SELECT c.events, 'gap', 'table_altered',
    CASE WHEN c.attnum IS NULL THEN format('the column %I is missing', c.name)
       ELSE format('the column %I is %s, not %s', c.name, format_type(c.atttypid, NULL), c.type) END, 'Alter it back.'
FROM columns c WHERE c.attnum IS NULL OR c.atttypid <> c.type
UNION ALL
SELECT n.events, 'gap', CASE WHEN n.attnum IS NULL THEN 'column_missing' ELSE 'column_type' END,
       CASE WHEN n.attnum IS NULL THEN format('call_event_logs names the column %I in %s, but the log does not have it',
           n.name, n.what)
            ELSE format('call_event_logs names the column %I in %s, but it is %s, not %s', n.name, n.what,
                format_type(n.atttypid, NULL), n.wanted) END,
       CASE WHEN n.attnum IS NULL THEN 'Rename it back, or add it again.' ELSE 'Alter the type back.' END
           || ' Until then, no worker takes an event.'
FROM named n WHERE n.attnum IS NULL OR NOT n.is_fit
UNION ALL
SELECT l.events, 'gap', 'carried_column_missing',
       format('call_event_logs names the column %I in carry, but %s does not have it', k.name, l.calls),
       'Rename it back, or add it again. Until then, events are not applied.'
FROM logs l JOIN pg_class c ON c.oid = l.calls CROSS JOIN unnest(l.carry) AS k (name)
WHERE NOT EXISTS (SELECT FROM pg_attribute a
    WHERE a.attrelid = l.calls AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped)
UNION ALL
SELECT l.events, 'note', 'carried_column_null', n.detail, n.advice
FROM logs l JOIN pg_class c ON c.oid = l.calls
CROSS JOIN LATERAL _callhardening.carried_column_nulls(l.events, l.calls, l.carry) AS n
UNION ALL
-- As an INSERT ... SELECT assigns it: by a cast, or to a type of strings.
SELECT n.events, 'gap', 'carried_column_type',
    format('the carried column %I is %s in the log, and %s in %s',
        n.name, format_type(n.atttypid, NULL), format_type(a.atttypid, NULL), l.calls),
    'Alter the type back. Until then, events are not applied.'
FROM named n JOIN logs l ON l.events = n.events AND n.what = 'carry'
JOIN pg_attribute a ON a.attrelid = l.calls AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type y ON y.oid = _callhardening.base_type(a.atttypid)
WHERE n.base <> y.oid AND y.typcategory <> 'S'
  AND NOT EXISTS (SELECT FROM pg_cast c
      WHERE c.castsource = n.base AND c.casttarget = y.oid AND c.castcontext IN ('a', 'i'))
$$;

COMMENT ON FUNCTION _callhardening.log_column_gaps() IS
'gaps of event logs: columns of ours or of call_event_logs: missing, of another type, or unfit for the calls table';

CREATE FUNCTION _callhardening.shape_fault(shape jsonb) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM _callhardening.require_event_shape(shape);
    RETURN NULL;
EXCEPTION WHEN invalid_parameter_value OR program_limit_exceeded THEN
    RETURN SQLERRM;
END
$$;

COMMENT ON FUNCTION _callhardening.shape_fault(jsonb) IS
'what is wrong with a shape of call_event_logs, for example after a restore from a newer version; NULL: nothing';

CREATE FUNCTION _callhardening.log_calls_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states()
), logs AS MATERIALIZED (
    SELECT l.*, c.relkind, c.relpersistence FROM _callhardening.logs l JOIN pg_class c ON c.oid = l.events
)
SELECT DISTINCT l.calls, o.level, o.gap, o.detail, o.advice
FROM logs l JOIN states s ON s.relation = l.calls AND s.part = 'validate' AND cardinality(s.arguments) = 8
CROSS JOIN LATERAL _callhardening.row_obstacles(l.calls, _callhardening.column_settings(s.arguments), l.carry) AS o
WHERE NOT l.is_of_changes
UNION ALL
SELECT l.events, 'gap', CASE WHEN c.oid IS NULL THEN 'calls_missing' ELSE 'calls_not_hardened' END,
       CASE WHEN c.oid IS NULL THEN 'the calls table of this log no longer exists'
           ELSE format('the calls table %s of this log is not hardened', l.calls) END
           || ': its events cannot be applied',
       CASE WHEN c.oid IS NULL THEN 'Restore the calls table, or move the events to another log.'
           ELSE format('SELECT harden_calls(%L).', l.calls) END
FROM logs l LEFT JOIN pg_class c ON c.oid = l.calls
WHERE NOT l.is_of_changes AND NOT EXISTS (SELECT FROM states s WHERE s.relation = l.calls AND s.part = 'validate')
UNION ALL
SELECT l.calls, 'note', 'call_ids_shared',
       format('events of %s are applied to this table: two calls with one id become one row',
           string_agg(DISTINCT coalesce(_callhardening.known_provider(l.provider), l.provider), ' and of ')),
       'Use a calls table of several providers: harden_calls(provider => ''*'').'
FROM logs l JOIN states s ON s.relation = l.calls AND s.part = 'validate' AND s.arguments[7] <> '*'
WHERE NOT l.is_of_changes
GROUP BY l.calls HAVING count(DISTINCT coalesce(_callhardening.known_provider(l.provider), l.provider)) > 1
UNION ALL
SELECT l.events, 'gap', 'shape_unusable', 'the shape of the log is refused: ' || f.fault,
       format('SELECT configure_call_event_log(%L, shape => ...). Until then, events are refused, or their times are '
           'not read.', l.events)
FROM logs l CROSS JOIN LATERAL _callhardening.shape_fault(l.shape) AS f (fault) WHERE f.fault IS NOT NULL
UNION ALL
SELECT l.events, 'gap', 'calls_column_missing',
       format('table %s has no column %I of type %s: no event can be applied', l.calls, m.column_name, m.column_type),
       format('SELECT harden_calls(%L).', l.calls)
FROM logs l JOIN pg_class c ON c.oid = l.calls CROSS JOIN _callhardening.merge_columns() AS m
WHERE NOT l.is_of_changes AND EXISTS (SELECT FROM states s WHERE s.relation = l.calls AND s.part = 'validate')
  AND NOT EXISTS (SELECT FROM pg_attribute a
      WHERE a.attrelid = l.calls AND a.attname = m.column_name AND a.atttypid = m.column_type)
$$;

COMMENT ON FUNCTION _callhardening.log_calls_gaps() IS
'gaps of event logs: a calls table unfit for some or all events';

-- what is enforced, and where it is not --------------------------------------------------------

CREATE FUNCTION _callhardening.firing_gaps(watched regclass[]) RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states()
)
SELECT w.relation, 'gap', CASE s.state WHEN 'D' THEN 'trigger_disabled' ELSE 'trigger_replica_only' END,
       format('the trigger %I %s', s.trigger_name,
           CASE s.state WHEN 'D' THEN 'is disabled' ELSE 'fires for replication only' END),
       format('ALTER TABLE %s ENABLE %sTRIGGER %I.', w.relation, CASE WHEN s.part IN ('stamp', 'bury') THEN 'ALWAYS '
           WHEN s.part = 'keep' THEN 'REPLICA ' ELSE '' END, s.trigger_name)
FROM unnest(watched) AS w (relation) JOIN states s ON s.relation = w.relation
WHERE s.state = 'D' OR s.state = 'R' AND s.part <> 'keep'
UNION ALL
SELECT w.relation, 'gap', 'rule',
       format('the rule %I does something else instead of %s', r.rulename,
           CASE r.ev_type WHEN '2' THEN 'UPDATE' ELSE 'INSERT' END),
       format('Make it a trigger, or DROP RULE %I ON %s. Its own statements are checked if they write to hardened '
           'tables.', r.rulename, w.relation)
FROM unnest(watched) AS w (relation)
JOIN pg_rewrite r ON r.ev_class = w.relation AND r.is_instead AND r.ev_type IN ('2', '3') AND r.ev_enabled <> 'D'
UNION ALL
SELECT w.relation, 'note', 'later_trigger', format('the BEFORE trigger %I runs after %I', t.tgname, s.trigger_name),
       CASE s.part
           WHEN 'validate' THEN 'An invalid status from it is refused, but a payload from it is not sanitized. '
               'Rename it to come before.'
           ELSE 'If it writes a body or a call id, the stamps of the event are wrong. Rename it to come before.' END
FROM unnest(watched) AS w (relation) JOIN states s ON s.relation = w.relation AND s.part IN ('validate', 'stamp')
JOIN pg_trigger t ON t.tgrelid = w.relation AND NOT t.tgisinternal AND t.tgenabled <> 'D'
    AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0
    AND t.tgname > s.trigger_name
WHERE NOT EXISTS (SELECT FROM states o WHERE o.relation = w.relation AND o.trigger_name = t.tgname)
$$;

COMMENT ON FUNCTION _callhardening.firing_gaps(regclass[]) IS
'of these tables and logs: silent triggers, rules before them, and triggers after them';

CREATE FUNCTION _callhardening.replica_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT NULL::regclass, 'gap', 'replica_role', format('session_replication_role is replica for %s%s: no trigger fires',
           CASE r.setrole WHEN 0 THEN 'all roles' ELSE 'role ' || r.setrole::regrole END,
               CASE r.setdatabase WHEN 0 THEN '' ELSE ' in this database' END),
       CASE WHEN r.setrole = 0 AND r.setdatabase = 0 THEN 'ALTER ROLE ALL RESET session_replication_role.'
            WHEN r.setrole = 0 THEN format('ALTER DATABASE %I RESET session_replication_role.', current_database())
            ELSE format('ALTER ROLE %s %sRESET session_replication_role.', r.setrole::regrole,
                        CASE r.setdatabase WHEN 0 THEN '' ELSE format('IN DATABASE %I ', current_database()) END) END
FROM pg_db_role_setting r
WHERE r.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND 'session_replication_role=replica' = ANY (SELECT lower(c) FROM unnest(r.setconfig) AS c)
UNION ALL
SELECT NULL, 'gap', 'replica_role', 'session_replication_role is replica for the whole server: no trigger fires',
    'Take it out of the server''s configuration.'
FROM pg_settings WHERE name = 'session_replication_role' AND setting = 'replica'
    AND source IN ('configuration file', 'command line', 'environment variable')
$$;

COMMENT ON FUNCTION _callhardening.replica_gaps() IS 'roles, databases and servers without firing triggers';

CREATE FUNCTION _callhardening.enforcement_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH watched AS MATERIALIZED (
    SELECT h.relation FROM _callhardening.hardened_tables() h UNION SELECT l.events FROM _callhardening.logs l
), gaps AS MATERIALIZED (
    SELECT * FROM _callhardening.table_trigger_gaps()
    UNION ALL
    SELECT * FROM _callhardening.change_trigger_gaps()
    UNION ALL
    SELECT * FROM _callhardening.table_column_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_trigger_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_table_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_column_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_calls_gaps()
    UNION ALL
    SELECT * FROM _callhardening.replica_gaps()
    UNION ALL
    SELECT * FROM _callhardening.firing_gaps(ARRAY(SELECT relation FROM watched))
)
SELECT * FROM gaps
UNION ALL
SELECT w.relation, 'ok', 'none', 'every row written here passes the rules', NULL
FROM watched w WHERE NOT EXISTS (SELECT FROM gaps g WHERE g.relation = w.relation AND g.level = 'gap')
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.enforcement_gaps() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'enforcement_gaps'), ('monitor', 'enforcement_gaps');

COMMENT ON FUNCTION _callhardening.enforcement_gaps() IS
'the rows of the view call_enforcement. SECURITY DEFINER, so readers of the view need no rights on its parts';

CREATE VIEW @extschema@.call_enforcement AS
SELECT g.relation, g.level, g.gap, g.detail, g.advice FROM _callhardening.enforcement_gaps() g
ORDER BY g.relation::text COLLATE "C", g.level, g.gap, g.detail COLLATE "C";
REVOKE ALL ON @extschema@.call_enforcement FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_enforcement', 'SELECT'), ('monitor', 'call_enforcement', 'SELECT');

COMMENT ON VIEW @extschema@.call_enforcement IS
'Each hardened table, its partitions and children, and each event log, with every way around the
rules in the catalogs. A table without a gap has one row of level ok. Not shown, because the
catalogs do not have it: earlier writes past the triggers, by a superuser, an owner or SET
session_replication_role. A reader needs EXECUTE on enforcement_gaps.';
COMMENT ON COLUMN @extschema@.call_enforcement.detail IS 'what was found';
COMMENT ON COLUMN @extschema@.call_enforcement.advice IS 'what to do about it; NULL: nothing';
COMMENT ON COLUMN @extschema@.call_enforcement.relation IS 'NULL: the gap is everywhere';
COMMENT ON COLUMN @extschema@.call_enforcement.level IS
'gap: rows can pass by, or are not written at all; note: look at it; ok: no gap';
COMMENT ON COLUMN @extschema@.call_enforcement.gap IS
'trigger_disabled, trigger_replica_only, trigger_missing, trigger_altered, settings_differ, '
'policy_missing, rule, '
'partition_not_hardened, child_not_hardened, foreign_partition, unique_key_missing, unique_key_invalid, '
'unique_key_deferrable, key_unfit, column_missing, column_type, replica_role; of calls tables with a log also '
'column_not_filled, unique_not_filled, partition_missing; of event logs also log_missing, log_not_registered, '
'table_altered, table_unlogged, index_missing, calls_missing, calls_not_hardened, calls_column_missing, '
'carried_column_missing, carried_column_type, sequence_missing, shape_unusable, events_outside_lanes, '
'trigger_not_always; notes: later_trigger, subscription, row_security, column_not_null, column_short, '
'carried_column_null, call_ids_shared, not_read, default_log, no_default_log, payload_index_missing; none';

-- how it is going ------------------------------------------------------------------------------

CREATE TYPE _callhardening.figure AS (figure text, value numeric, unit text, level text, why text);

COMMENT ON TYPE _callhardening.figure IS 'a row of call_health';

CREATE FUNCTION _callhardening.table_extent(calls regclass, OUT pages bigint, OUT known_rows bigint)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CAST(sum(pg_relation_size(c.oid)) / current_setting('block_size')::int AS bigint),
    CAST(sum(greatest(c.reltuples, 0)) AS bigint)
FROM pg_class c WHERE c.relkind <> 'p' AND (c.oid = calls OR c.oid IN (SELECT relid FROM pg_partition_tree(calls)))
$$;

COMMENT ON FUNCTION _callhardening.table_extent(regclass) IS
'the size of a table with its partitions, and the number of rows that the last ANALYZE found';

CREATE FUNCTION _callhardening.sample_percentage(relation regclass, exact boolean) RETURNS float8
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 100.0 * 32768 / 4 / e.pages FROM _callhardening.table_extent(relation) AS e WHERE NOT exact AND e.pages > 32768
$$;

COMMENT ON FUNCTION _callhardening.sample_percentage(regclass, boolean) IS
'how much of a table above 256 MB a sample of 64 MB is, with pages of 8 kB; NULL: it is smaller, or exact';

CREATE FUNCTION _callhardening.present_columns(calls regclass, settings _callhardening.settings)
    RETURNS _callhardening.settings
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    present name[] := ARRAY(SELECT attname FROM pg_attribute
        WHERE attrelid = calls AND attnum > 0 AND NOT attisdropped);
BEGIN
    settings.call_id_column := (SELECT p FROM unnest(present) AS p WHERE p = settings.call_id_column);
    settings.status_column := (SELECT p FROM unnest(present) AS p WHERE p = settings.status_column);
    settings.direction_column := (SELECT p FROM unnest(present) AS p WHERE p = settings.direction_column);
    settings.payload_column := (SELECT p FROM unnest(present) AS p WHERE p = settings.payload_column);
    RETURN settings;
END
$$;

COMMENT ON FUNCTION _callhardening.present_columns(regclass, _callhardening.settings) IS
'the settings, with NULL for each column that the table does not have';

-- Most calls are over, and cost no more than a look.
CREATE FUNCTION _callhardening.count_calls(calls regclass, settings _callhardening.settings, percentage float8,
        OUT rows_read bigint, OUT directions text[], OUT average numeric, OUT largest bigint, OUT stuck bigint,
        OUT repeated bigint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    seen_at name[] := _callhardening.age_columns(calls);
    over text[] := ARRAY(SELECT unnest(_callhardening.status_words(settings.transitions))
        EXCEPT SELECT current_status FROM @extschema@.call_status_transitions(settings.transitions));
BEGIN
    SELECT coalesce(sum(g.calls_in_group), 0),
        coalesce(array_agg(DISTINCT _callhardening.row_sample(g.direction, NULL::text))
               FILTER (WHERE g.direction NOT IN ('inbound', 'outbound')), '{}'),
        sum(g.bytes) / nullif(sum(g.payloads), 0), max(g.largest),
        coalesce(sum(g.calls_in_group) FILTER (WHERE g.status <> ALL (over) AND g.quiet
            & _callhardening.row_faults(g.status, NULL::text, NULL::jsonb, settings.transitions, settings.provider,
                NULL::jsonb) <> 0), 0)
    INTO rows_read, directions, average, largest, stuck
    FROM _callhardening.row_groups(calls, settings.status_column, settings.direction_column, settings.payload_column,
        seen_at, percentage) AS g;
    IF seen_at IS NULL THEN
        stuck := NULL;
    END IF;
    IF percentage IS NULL AND NOT _callhardening.has_unique_call_id(calls, settings.call_id_column) THEN
        SELECT coalesce(max(r.ids), 0) INTO repeated
        FROM _callhardening.repeated_call_ids(calls, settings.call_id_column) AS r;
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.count_calls(regclass, _callhardening.settings, float8) IS
'counts for call_health: rows, directions of another meaning, bytes of payloads, calls without news (NULL: no column '
'tells), call ids in several rows (NULL: a unique index forbids them, or it is a sample). A NULL column of the '
'settings is not read. percentage: of the table, for a sample; NULL: all of it';

-- For a reader of figures without a right on the rows. It reads only the columns of the settings, and tells numbers.
-- The messages of errors are left out: the table's own code can quote a row.
CREATE FUNCTION _callhardening.count_hidden_calls(calls regclass, percentage float8,
        OUT rows_read bigint, OUT directions text[], OUT average numeric, OUT largest bigint, OUT stuck bigint,
        OUT repeated bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings _callhardening.settings := @extschema@.call_settings(calls);
BEGIN
    IF settings.status_column IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is not hardened', calls);
    END IF;
    SELECT c.* INTO rows_read, directions, average, largest, stuck, repeated
    FROM _callhardening.count_calls(calls, _callhardening.present_columns(calls, settings), percentage) AS c;
    directions := array_fill(NULL::text, ARRAY[cardinality(directions)]);
EXCEPTION WHEN OTHERS THEN
    PERFORM _callhardening.raise_error(SQLSTATE, format('the rows of %s cannot be counted', calls));
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.count_hidden_calls(regclass, float8) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('monitor', 'count_hidden_calls');

COMMENT ON FUNCTION _callhardening.count_hidden_calls(regclass, float8) IS
'count_calls with the rights of the extension''s owner, for the task monitor: each direction is NULL. Errors: 55000 '
'the table is not hardened, and those of reading it, without their messages';

CREATE FUNCTION _callhardening.missing_figure(figure text, unit text, column_name name)
    RETURNS _callhardening.figure
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT figure, NULL::numeric, unit, 'warning',
    format('not counted: the settings name the column %I, but the table does not have it', column_name)
$$;

COMMENT ON FUNCTION _callhardening.missing_figure(text, text, name) IS
'a figure of call_health, if its column is missing';

CREATE FUNCTION _callhardening.duplicates_figure(is_unique boolean, repeated bigint) RETURNS _callhardening.figure
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'duplicates', CASE WHEN is_unique THEN 0 ELSE repeated END, 'call ids',
    CASE WHEN is_unique THEN 'ok' WHEN repeated > 0 THEN 'critical' ELSE 'warning' END,
    CASE WHEN is_unique THEN 'a unique index on the call id forbids them'
        WHEN repeated IS NULL
            THEN 'no unique index on the call id; not counted in a table of this size: call_health(..., exact => true)'
        WHEN repeated = 0 THEN 'none, but no unique index on the call id forbids them'
        ELSE 'call ids in several rows' END
$$;

COMMENT ON FUNCTION _callhardening.duplicates_figure(boolean, bigint) IS
'a figure of call_health: call ids in several rows. repeated: how many; NULL: not counted';

CREATE FUNCTION _callhardening.directions_figure(directions text[], estimate text) RETURNS _callhardening.figure
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'directions', cardinality(directions), 'words', CASE cardinality(directions) WHEN 0 THEN 'ok' ELSE 'warning' END,
    CASE cardinality(directions) WHEN 0 THEN 'only inbound, outbound and NULL'
        ELSE 'other words, from before hardening' || coalesce(': ' || nullif(array_to_string(directions[1:5], ', '),
            ''), '') END || estimate
$$;

COMMENT ON FUNCTION _callhardening.directions_figure(text[], text) IS
'a figure of call_health: other directions. An element is NULL if the reader may not see the word';

CREATE FUNCTION _callhardening.payload_figures(average numeric, largest bigint, estimate text)
    RETURNS SETOF _callhardening.figure
    LANGUAGE sql IMMUTABLE ROWS 2
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('payload_average', round(average), 'bytes', CASE WHEN average > 8192 THEN 'warning' ELSE 'ok' END,
        'as stored, compressed; warning above 8192' || estimate),
    ('payload_largest', largest, 'bytes', CASE WHEN largest > 65536 THEN 'warning' ELSE 'ok' END,
        'as stored, compressed; warning above 65536: not sanitized' || estimate)
$$;

COMMENT ON FUNCTION _callhardening.payload_figures(numeric, bigint, text) IS
'figures of call_health: sizes of payloads. NULL: there are none';

CREATE FUNCTION _callhardening.stuck_figure(stuck numeric, estimate text) RETURNS _callhardening.figure
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'stuck_calls', round(stuck), 'calls',
    CASE WHEN stuck > 100 THEN 'critical' WHEN stuck > 0 THEN 'warning' ELSE 'ok' END,
    CASE WHEN stuck IS NULL
        THEN 'not known: the table has no column last_event_at, updated_at, started_at or created_at'
        ELSE 'ringing without news for an hour, or not over without news for a day; warning from 1, critical above 100'
            || estimate END
$$;

COMMENT ON FUNCTION _callhardening.stuck_figure(numeric, text) IS
'a figure of call_health: calls without news. stuck NULL: no column tells the time of the last news';

CREATE FUNCTION _callhardening.rows_health(calls regclass, exact boolean) RETURNS SETOF _callhardening.figure
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings _callhardening.settings := @extschema@.call_settings(calls);
    present _callhardening.settings := _callhardening.present_columns(calls, settings);
    percentage float8 := _callhardening.sample_percentage(calls, exact);
    counted record;
    factor numeric := 1;
    estimate text := '';
BEGIN
    IF has_function_privilege('_callhardening.count_hidden_calls(regclass, float8)', 'EXECUTE')
        AND (NOT has_table_privilege(calls, 'SELECT') OR row_security_active(calls))
    THEN
        SELECT * INTO counted FROM _callhardening.count_hidden_calls(calls, percentage);
    ELSE
        SELECT * INTO counted FROM _callhardening.count_calls(calls, present, percentage);
    END IF;
    IF percentage IS NOT NULL THEN
        factor := greatest((_callhardening.table_extent(calls)).known_rows, counted.rows_read)::numeric
            / greatest(counted.rows_read, 1);
        estimate := format(' (estimated: %s rows were read)', counted.rows_read);
    END IF;

    RETURN QUERY VALUES ('calls', round(counted.rows_read * factor), 'calls', 'ok', 'rows of the table' || estimate);
    RETURN NEXT CASE WHEN present.call_id_column IS NULL
        THEN _callhardening.missing_figure('duplicates'::text, 'call ids'::text, settings.call_id_column)
        ELSE _callhardening.duplicates_figure(
            _callhardening.has_unique_call_id(calls, present.call_id_column), counted.repeated) END;
    RETURN NEXT CASE WHEN present.direction_column IS NULL
        THEN _callhardening.missing_figure('directions'::text, 'words'::text, settings.direction_column)
        ELSE _callhardening.directions_figure(counted.directions, estimate) END;
    IF present.payload_column IS NULL THEN
        RETURN NEXT _callhardening.missing_figure('payload_average'::text, 'bytes'::text, settings.payload_column);
        RETURN NEXT _callhardening.missing_figure('payload_largest'::text, 'bytes'::text, settings.payload_column);
    ELSE
        RETURN QUERY SELECT * FROM _callhardening.payload_figures(counted.average, counted.largest, estimate);
    END IF;
    RETURN NEXT CASE WHEN present.status_column IS NULL
        THEN _callhardening.missing_figure('stuck_calls'::text, 'calls'::text, settings.status_column)
        ELSE _callhardening.stuck_figure(counted.stuck * factor, estimate) END;
END
$$;

COMMENT ON FUNCTION _callhardening.rows_health(regclass, boolean) IS 'the figures of call_health from the calls table';

CREATE FUNCTION _callhardening.issues_health(calls regclass)
    RETURNS TABLE (figure text, value numeric, unit text, level text, why text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH recent AS (
    SELECT CASE WHEN i.kind LIKE 'refused%' THEN 'refused' WHEN i.kind LIKE 'unknown%' THEN 'unknown'
        ELSE 'unusable' END AS what, i.happened_at, i.occurrences
    FROM @extschema@.call_issues i
    WHERE i.happened_at > clock_timestamp() - interval '1 day' AND i.kind NOT IN ('dead_event', 'refined_status')
      AND i.table_name IN (
        SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = calls OR c.oid IN (SELECT l.events FROM _callhardening.logs l WHERE l.calls = issues_health.calls)
           OR c.relispartition AND c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = issues_health.calls))
), counts AS (
    SELECT k.figure || '_' || s.span AS figure, k.what, s.span, k.warning * s.factor AS warning,
           k.critical * s.factor AS critical,
           (SELECT coalesce(sum(r.occurrences), 0) FROM recent r
               WHERE r.what = k.what AND r.happened_at > clock_timestamp() - s.since) AS count
    FROM (VALUES (1, 'refused', 'refused', 100, 1000), (2, 'unknown_words', 'unknown', 1, 100),
        (3, 'unusable_bodies', 'unusable', 1, 100))
             AS k (position, figure, what, warning, critical)
    CROSS JOIN (VALUES ('hour', interval '1 hour', 1), ('day', '1 day', 10)) AS s (span, since, factor)
    ORDER BY k.position, s.factor
)
SELECT figure, count, 'issues',
       CASE WHEN count >= critical THEN 'critical' WHEN count >= warning THEN 'warning' ELSE 'ok' END,
       format('%s in the last %s, from call_issues; warning from %s, critical from %s',
           CASE what WHEN 'refused' THEN 'refused statuses and call ids'
               WHEN 'unknown' THEN 'unknown directions and statuses'
                     ELSE 'bodies without a JSON object or a call' END, span, warning, critical)
FROM counts
$$;

COMMENT ON FUNCTION _callhardening.issues_health(regclass) IS 'the figures of call_health from call_issues';

CREATE FUNCTION _callhardening.event_logs_health(calls regclass)
    RETURNS TABLE (figure text, value numeric, unit text, level text, why text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH logs AS MATERIALIZED (
    SELECT l.log_id, l.events, l.is_of_changes, cardinality(l.other_consumers) AS consumers
    FROM _callhardening.logs l JOIN pg_class c ON c.oid = l.events WHERE l.calls = event_logs_health.calls
), lanes AS MATERIALIZED (
    SELECT coalesce(sum(p.pending), 0) AS pending,
        extract(epoch FROM clock_timestamp() - min(p.oldest_received_at)) AS behind
    FROM logs l CROSS JOIN LATERAL @extschema@.pending_call_events(l.events, false, NULL::name) p
    WHERE NOT l.is_of_changes -- it has no default consumer
), consumers AS MATERIALIZED (
    SELECT l.events, c.consumer, extract(epoch FROM c.behind) AS behind,
        CASE WHEN c.log IS NULL THEN format('permission denied for %s', l.events)
             WHEN c.error IS NOT NULL THEN c.error
             WHEN c.behind IS NULL AND c.pending_estimate >= 10000
                 THEN format('consumer %s has %s pending events, and %s has no time of receipt', c.consumer,
                     c.pending_estimate, c.log) END AS why_unknown
    FROM logs l LEFT JOIN @extschema@.call_consumers c ON c.log = l.events AND c.consumer <> 'default'
    WHERE l.consumers > 0
), dead AS MATERIALIZED (
    SELECT coalesce(sum(k.count), 0) AS count,
        string_agg(format('%s of consumer %s', k.count, k.consumer), ', ' ORDER BY k.count DESC, k.consumer)
            FILTER (WHERE k.has_others) AS consumers
    FROM (SELECT d.consumer, count(*) AS count, bool_or(bool_or(d.consumer <> 'default')) OVER () AS has_others
          FROM @extschema@.call_dead_events d JOIN logs l ON l.log_id = d.log_id GROUP BY d.consumer) AS k
), locked AS MATERIALIZED (
    SELECT count(*) AS count, extract(epoch FROM clock_timestamp() - min(p.waiting_since)) AS age
    FROM @extschema@.call_retrying_events p JOIN logs l ON l.log_id = p.log_id
    WHERE p.lock_waits > 0 AND p.due_at IS NOT NULL
), holder AS MATERIALIZED (
    SELECT h.holder || ' ' || h.name AS name, extract(epoch FROM clock_timestamp() - h.since) AS age
    FROM @extschema@.call_horizon h
    WHERE h.since IS NOT NULL AND h.name <> pg_backend_pid()::text ORDER BY h.since LIMIT 1
), workers AS MATERIALIZED (
    SELECT coalesce(sum(w.kept), 0) AS kept, coalesce(sum(greatest(w.kept - w.running, 0)), 0) AS missing,
        min(w.why) AS why
    FROM @extschema@.call_worker_status w JOIN logs l ON l.events = w.log
    WHERE w.launcher <> 'standby' AND w.status <> 'copied'
), figures AS (
    SELECT 1 AS position, 'pending' AS figure, l.pending AS value, 'events' AS unit,
           10000 AS warning, 100000 AS critical,
           'events not yet claimed by a worker, estimated' AS what FROM lanes l
    UNION ALL SELECT 2, 'dead', d.count, 'events', 1, 100,
           'events after their last attempt' || coalesce(' (' || d.consumers || ')', '')
               || ': call_dead_events' FROM dead d
    UNION ALL SELECT 3, 'oldest_pending', coalesce(round(l.behind), 0), 'seconds', 60, 600,
        'since the first pending event was received' FROM lanes l
    UNION ALL SELECT 4, 'oldest_locked', coalesce(round(k.age), 0), 'seconds', 60, 600,
           format('since the oldest wait for a locked row began; %s events wait: call_retrying_events', k.count)
        FROM locked k
    UNION ALL SELECT 5, 'oldest_snapshot', coalesce((SELECT round(h.age) FROM holder h), 0), 'seconds', 3600, 86400,
           coalesce((SELECT format('held by %s', h.name) FROM holder h), 'no other session holds one')
               || ': dead rows stay as long (call_horizon)'
    UNION ALL SELECT 6, 'consumer_behind', CASE WHEN k.unknown IS NULL THEN coalesce(round(k.behind), 0) END,
           'seconds', 600, 86400, CASE WHEN k.unknown IS NOT NULL THEN 'not known: ' || k.unknown
               WHEN k.consumers = 0 THEN 'no log has a consumer beside the default one'
               WHEN k.behind IS NULL THEN 'no consumer beside the default one has pending events'
               ELSE format('since the first pending event of consumer %s was received: call_consumers', k.last) END
        FROM (SELECT count(*) AS consumers, max(c.behind) AS behind, min(c.why_unknown) AS unknown,
                  (array_agg(format('%s of %s', c.consumer, c.events) ORDER BY c.behind DESC NULLS LAST))[1] AS last
              FROM consumers c) k
    UNION ALL SELECT 7, 'missing_workers', w.missing, 'workers', 1, greatest(w.kept, 1),
           format('of %s kept workers%s: call_worker_status', w.kept, ', ' || w.why) FROM workers w
)
SELECT figure, value, unit,
       CASE WHEN value >= critical THEN 'critical' WHEN value >= warning OR value IS NULL THEN 'warning' ELSE 'ok' END,
       CASE WHEN figure = 'oldest_snapshot' OR EXISTS (SELECT FROM logs l
                WHERE NOT l.is_of_changes OR figure IN ('dead', 'consumer_behind'))
            THEN format('%s; warning from %s, critical from %s', what, warning, critical)
            ELSE 'no event log is applied to this table' END
FROM figures ORDER BY position
$$;

COMMENT ON FUNCTION _callhardening.event_logs_health(regclass) IS
'the figures of call_health from the event logs, and the oldest snapshot';

CREATE FUNCTION _callhardening.waiting_figure() RETURNS _callhardening.figure
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'waiting_places', p.places, 'places', CASE WHEN p.places > 0 THEN 'ok' ELSE 'warning' END,
    CASE WHEN p.places IS NULL
        THEN 'the server has no room for shared memory: commits wake nobody, workers and clients only poll'
        ELSE 'free in the server, for workers and clients to be woken by commits; warning at 0: others only poll' END
FROM _callhardening.free_waiting_places() AS p (places)
$$;

COMMENT ON FUNCTION _callhardening.waiting_figure() IS
'a figure of call_health: places for sessions that wait. value NULL: there is no shared memory';

CREATE FUNCTION @extschema@.call_health(calls regclass, exact boolean DEFAULT false)
    RETURNS TABLE (figure text, value numeric, unit text, level text, why text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF calls IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'calls must not be NULL';
    END IF;
    IF (@extschema@.call_settings(calls)).status_column IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is not hardened', calls),
            HINT = 'Harden it with harden_calls.';
    END IF;
    RETURN QUERY SELECT * FROM _callhardening.rows_health(calls, coalesce(exact, false));
    RETURN QUERY SELECT * FROM _callhardening.issues_health(calls);
    RETURN QUERY SELECT * FROM _callhardening.event_logs_health(calls);
    RETURN QUERY SELECT * FROM _callhardening.waiting_figure();
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_health(regclass, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'call_health'), ('monitor', 'call_health');

COMMENT ON FUNCTION @extschema@.call_health(regclass, boolean) IS
'Returns figures of a hardened table and its event logs. Each is ok, warning or critical. One row
per figure: calls, duplicates, directions, payload_average, payload_largest, stuck_calls,
refused_hour, refused_day, unknown_words_hour, unknown_words_day, unusable_bodies_hour,
unusable_bodies_day, pending, dead, oldest_pending, oldest_locked, oldest_snapshot,
consumer_behind, missing_workers, waiting_places.

pending and oldest_pending are those of process_call_events, consumer_behind that of the other
consumer furthest behind, and dead counts the events of all consumers. Children by inheritance
are tables of their own.

It reads the calls table once, without its TOAST. Without a valid unique index it also groups
the call ids. A caller with the task monitor sees how many other directions there are, and not
which. Other callers need SELECT on the calls table, its logs, call_issues, call_dead_events,
call_retrying_events, call_consumers, call_horizon and call_worker_status, and EXECUTE on the
functions in it.
- exact: false: above 256 MB it reads a random 64 MB of the table and estimates; true: it reads
  all
- value: in unit; NULL: not known, for example after a column of the settings was renamed
- level: ok, warning or critical
- why: the figure in words, and its bounds for warning and critical
Errors:
- 22004: calls is NULL
- 42501: no right
- 55000: the table is not hardened';

-- the life of a call -----------------------------------------------------------------------------

CREATE FUNCTION _callhardening.events_of_call(call_id text, log regclass, consumer name)
    RETURNS TABLE (events regclass, home_lane int, event_seq bigint, event_type text, received_at timestamptz, lane int,
        state text, attempts int, claimed_at timestamptz, worker text, settled_at timestamptz)
    LANGUAGE c ROWS 10
    AS 'MODULE_PATHNAME', 'callhardening_events_of_call';

COMMENT ON FUNCTION _callhardening.events_of_call(text, regclass, name) IS
'the events of a call by event_seq, and what their lanes say of them. For call_timeline, which adds retries, dead '
'events and issues. home_lane: the lane in call_retrying_events. NOTICE: the log has no index on call_id. Errors: as '
'call_timeline';

CREATE FUNCTION @extschema@.call_timeline(call_id text, log regclass DEFAULT NULL, consumer name DEFAULT NULL)
    RETURNS TABLE (event_seq bigint, event_type text, received_at timestamptz, state text, attempts int,
        claimed_at timestamptz, worker text, settled_at timestamptz, settled_after interval, reason text)
    LANGUAGE sql ROWS 10
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH found AS MATERIALIZED (
    SELECT l.log_id, l.calls::text AS calls,
        ARRAY[call_id, format('(%s bytes)', octet_length(call_id))] AS shown, e.*
    FROM _callhardening.events_of_call(call_id, log, consumer) AS e
    JOIN @extschema@.call_event_logs AS l ON l.events = e.events
), refusals AS MATERIALIZED (
    -- One read of at most some 200,000 rows
    SELECT i.* FROM @extschema@.call_issues AS i
    WHERE i.kind IN ('refused_status', 'refused_call_id') AND i.table_name = (SELECT f.calls FROM found AS f LIMIT 1)
        AND i.happened_at >= (SELECT min(coalesce(f.received_at, '-infinity')) FROM found AS f)
        AND coalesce(consumer, 'default') = 'default'
), issues AS MATERIALIZED (
    -- Two logs of one calls table can have the same numbers, so the call id is compared as well. If it is no word, an
    -- issue has its length.
    SELECT DISTINCT ON (i.event_seq) i.event_seq,
        concat(i.kind, CASE WHEN r.texts_are_shown
            THEN concat(': ', coalesce(i.old_value, 'NULL'), ' -> ', coalesce(i.new_value, 'NULL')) END) AS reason
    FROM refusals AS i JOIN found AS f ON f.event_seq = i.event_seq
    CROSS JOIN has_table_privilege('_callhardening.quoted_bodies'::regclass, 'SELECT') AS r (texts_are_shown)
    WHERE i.call_id = ANY (f.shown) AND i.happened_at >= coalesce(f.received_at, '-infinity')
    ORDER BY i.event_seq, i.happened_at DESC
), without_row AS (
    -- The refusals of a transaction behind the hundredth are one row.
    SELECT f.event_seq, sum(i.occurrences) AS refusals
    FROM refusals AS i JOIN found AS f ON i.happened_at BETWEEN coalesce(f.claimed_at, f.received_at, '-infinity')
        AND coalesce(f.settled_at, 'infinity')
    WHERE i.call_id IS NULL AND i.detail IS NOT NULL GROUP BY f.event_seq
), known AS (
    SELECT f.event_seq, f.event_type, f.received_at,
        CASE WHEN d.event_seq IS NOT NULL THEN 'dead'
            WHEN w.claim_id IS NOT NULL THEN 'claimed'
            WHEN w.due_at IS NOT NULL THEN 'retrying'
            WHEN w.event_seq IS NOT NULL THEN 'blocked'
            WHEN f.state = 'done' AND i.event_seq IS NOT NULL THEN 'refused'
            ELSE f.state END AS state,
        coalesce(d.attempts, w.attempts, f.attempts) AS attempts,
        coalesce(o.claimed_at, f.claimed_at) AS claimed_at,
        coalesce(o.worker, d.errors -> -1 ->> 'worker', w.errors -> -1 ->> 'worker', f.worker) AS worker,
        CASE WHEN d.event_seq IS NOT NULL THEN d.died_at WHEN w.event_seq IS NULL THEN f.settled_at END AS settled_at,
        CASE WHEN d.event_seq IS NOT NULL THEN nullif(concat_ws(': ', d.sqlstate, d.error), '')
            WHEN w.event_seq IS NOT NULL THEN nullif(concat_ws(': ', w.errors -> -1 ->> 'sqlstate',
                w.errors -> -1 ->> 'error'), '')
            WHEN f.lane < 0 THEN _callhardening.why_no_lane(f.lane)
            WHEN f.state = 'done' AND i.reason IS NULL AND r.refusals IS NOT NULL
                THEN format('refused or not: %s refusals of its batch have no row in call_issues', r.refusals)
            ELSE i.reason END AS reason
    FROM found AS f
    LEFT JOIN @extschema@.call_retrying_events AS w ON w.log_id = f.log_id AND w.lane = f.home_lane
        AND w.event_seq = f.event_seq AND w.consumer = coalesce(call_timeline.consumer, 'default')
    LEFT JOIN @extschema@.call_dead_events AS d ON d.log_id = f.log_id AND d.event_seq = f.event_seq
        AND d.consumer = coalesce(call_timeline.consumer, 'default')
    LEFT JOIN @extschema@.call_open_claims AS o ON o.claim_id = w.claim_id
    LEFT JOIN issues AS i ON i.event_seq = f.event_seq
    LEFT JOIN without_row AS r ON r.event_seq = f.event_seq
)
SELECT k.event_seq, k.event_type, k.received_at, k.state, k.attempts, k.claimed_at, k.worker, k.settled_at,
    k.settled_at - k.received_at, k.reason
FROM known AS k ORDER BY k.event_seq
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_timeline(text, regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'call_timeline'), ('monitor', 'call_timeline');

COMMENT ON FUNCTION @extschema@.call_timeline(text, regclass, name) IS
'Shows each event of a call in a log, by event_seq: its state for a consumer, who had it, when it
was done, and why it failed or was refused. NULL: not known, or it does not apply.

Events have no such columns: claims are read from the records of the lane, and each lane keeps
the last 64 records at least, some 32 claims. Of older claims nothing is known. The same holds
if the lane has had retries since: the event may have been one of them. The column processed_at,
if the log has one, always says when. A refusal is looked up in call_issues by number, table and
call id. Events from before harden_call_events have no call id. NOTICE: the log has no index on
call_id, so all of its events were read.
- call_id: as the log has it, with the provider if the calls table has several; NULL: no rows
- log: NULL is the default log
- consumer: of the log; NULL is the default one
- state: pending; claimed; retrying (it failed), blocked (behind such an event of the call),
  dead; done (applied, or completed by a client); refused (done, and the calls table refused its
  status); ignored (no call, by the settings of the log)
- attempts: how often it was handed out
- claimed_at, worker: the last claim; of a failed event, the worker of its last attempt
- settled_at: when it was done or died
- settled_after: how long after its receipt
- event_type: NULL also for a caller with the task monitor alone
- reason: of a failure the last error, of a refusal the kind, the old and the refused value; for
  the task monitor alone the SQLSTATE or the kind. A transaction has rows for a hundred refusals of
  a table: if there were more, the reason of its other events tells their number
Errors:
- 42501: no SELECT on the log or on call_issues
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log, or an altered one';

-- what happened, in numbers that only grow -------------------------------------------------------

CREATE FUNCTION _callhardening.total_counts(events regclass, consumer_id int, OUT counted_since timestamptz,
        OUT numbers bigint[])
    LANGUAGE c STRICT
    AS 'MODULE_PATHNAME', 'callhardening_total_counts';
REVOKE EXECUTE ON FUNCTION _callhardening.total_counts(regclass, int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'total_counts'), ('monitor', 'total_counts');

COMMENT ON FUNCTION _callhardening.total_counts(regclass, int) IS
'the counts of a consumer, of the table and of memory: received, redelivered, purged, claimed, completed, applied, '
'unchanged, refused, failed, dead, the sum of all lags in microseconds, and the buckets of their histogram. NULL: it '
'is not counted, since the server has no shared memory left, or 256 consumers count already. counted_since: NULL if '
'nothing was counted yet';

CREATE FUNCTION @extschema@.flush_call_event_counts() RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_flush_call_event_counts';
REVOKE EXECUTE ON FUNCTION @extschema@.flush_call_event_counts() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'flush_call_event_counts'), ('monitor', 'flush_call_event_counts');

COMMENT ON FUNCTION @extschema@.flush_call_event_counts() IS
'Saves the numbers of call_event_counts of this database at the commit. Call it before a planned
restart of the server, which empties its memory. Commits do it once a minute anyway.';

CREATE FUNCTION _callhardening.lag_bounds() RETURNS bigint[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_lag_bounds';

COMMENT ON FUNCTION _callhardening.lag_bounds() IS
'the upper bounds of the buckets of call_event_lag, in microseconds; NULL: no bound';

-- What happens to the log itself is in the row of its default consumer, which has the log's number. A log of changes
-- has no default consumer, so it has a row of its own.
CREATE VIEW _callhardening.counted_consumers AS
SELECT l.events, k.name AS consumer, k.consumer_id OPERATOR(pg_catalog.=) l.log_id AS has_log,
    true AS has_consumer, c.counted_since, c.numbers
FROM _callhardening.logs l JOIN _callhardening.consumers k ON k.log_id OPERATOR(pg_catalog.=) l.log_id
CROSS JOIN LATERAL _callhardening.total_counts(l.events, k.consumer_id) c
WHERE pg_catalog.has_any_column_privilege(l.events::oid, 'SELECT')
UNION ALL
SELECT l.events, NULL, true, false, c.counted_since, c.numbers
FROM _callhardening.logs l CROSS JOIN LATERAL _callhardening.total_counts(l.events, l.log_id) c
WHERE pg_catalog.has_any_column_privilege(l.events::oid, 'SELECT')
    AND NOT EXISTS (SELECT FROM _callhardening.consumers k WHERE k.consumer_id OPERATOR(pg_catalog.=) l.log_id);

COMMENT ON VIEW _callhardening.counted_consumers IS
'a part of call_event_counts and call_event_lag. has_log, has_consumer: whose counts the row has';

CREATE VIEW @extschema@.call_event_counts AS
SELECT c.events AS log, c.consumer, c.counted_since,
    CASE WHEN c.has_log THEN c.numbers[1] END AS received,
    CASE WHEN c.has_log THEN c.numbers[2] END AS redelivered,
    CASE WHEN c.has_log THEN c.numbers[3] END AS purged,
    CASE WHEN c.has_consumer THEN c.numbers[4] END AS claimed,
    CASE WHEN c.has_consumer THEN c.numbers[5] END AS completed,
    CASE WHEN c.has_consumer THEN c.numbers[6] END AS applied,
    CASE WHEN c.has_consumer THEN c.numbers[7] END AS unchanged,
    CASE WHEN c.has_consumer THEN c.numbers[8] END AS refused,
    CASE WHEN c.has_consumer THEN c.numbers[9] END AS failed,
    c.numbers[10] AS dead
FROM _callhardening.counted_consumers c;
REVOKE ALL ON @extschema@.call_event_counts FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_event_counts', 'SELECT'), ('monitor', 'call_event_counts', 'SELECT');

COMMENT ON VIEW @extschema@.call_event_counts IS
'What happened to the events of each log and consumer since counted_since: numbers that only
grow, of events received, applied, refused, dead. A rollback counts nothing, PREPARE TRANSACTION
counts like a commit. After a crash or a restart of the server, numbers of the last minute may be
missing. If the library is not preloaded, and neither a worker nor a claim has looked since, all
numbers since the last save are missing. Not dumped: a restored log begins anew. NULL: it is not
counted for this row, or the server has no memory for it. Logs without SELECT for the reader are
left out.';
COMMENT ON COLUMN @extschema@.call_event_counts.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_event_counts.consumer IS
'NULL: the row of a log of changes, which has no default consumer';
COMMENT ON COLUMN @extschema@.call_event_counts.counted_since IS
'when the numbers began. NULL: nothing was counted yet';
COMMENT ON COLUMN @extschema@.call_event_counts.received IS
'events appended to the log. In the row of the default consumer, as the two columns behind it';
COMMENT ON COLUMN @extschema@.call_event_counts.redelivered IS
'events that ingest_call_event and ingest_call_webhook found in the log';
COMMENT ON COLUMN @extschema@.call_event_counts.purged IS 'events deleted by purge_call_events';
COMMENT ON COLUMN @extschema@.call_event_counts.claimed IS
'events handed out by claim_call_events, each time it was handed out';
COMMENT ON COLUMN @extschema@.call_event_counts.completed IS
'events in claims that clients completed, also those that failed in the claim';
COMMENT ON COLUMN @extschema@.call_event_counts.applied IS 'events that process_call_events applied to a call';
COMMENT ON COLUMN @extschema@.call_event_counts.unchanged IS 'events that process_call_events found without news';
COMMENT ON COLUMN @extschema@.call_event_counts.refused IS 'events with a status that the calls table refused';
COMMENT ON COLUMN @extschema@.call_event_counts.failed IS
'failed attempts, of fail_call_event and process_call_events; lost workers do not count';
COMMENT ON COLUMN @extschema@.call_event_counts.dead IS
'events after their last attempt; in the row of the default consumer also events that no worker can take';

CREATE VIEW @extschema@.call_event_lag AS
SELECT c.events AS log, c.consumer,
    pg_catalog.make_interval(secs => b.bound OPERATOR(pg_catalog./) 1e6::float8) AS up_to,
    (SELECT pg_catalog.sum(n.number)::bigint
        FROM pg_catalog.unnest(c.numbers[12:11 OPERATOR(pg_catalog.+) b.bucket::int]) AS n (number)) AS events,
    pg_catalog.make_interval(secs => c.numbers[11] OPERATOR(pg_catalog./) 1e6::float8) AS total_lag
FROM _callhardening.counted_consumers c
CROSS JOIN LATERAL pg_catalog.unnest(_callhardening.lag_bounds()) WITH ORDINALITY AS b (bound, bucket)
WHERE c.has_consumer;
REVOKE ALL ON @extschema@.call_event_lag FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_event_lag', 'SELECT'), ('monitor', 'call_event_lag', 'SELECT');

COMMENT ON VIEW @extschema@.call_event_lag IS
'How long events waited until they were applied, as a cumulative histogram for each log and
consumer: from the receipt to the application by process_call_events, or to the first claim of a
client, as a completion does not name its events. Counted as call_event_counts is. Logs without
a received_at_column, and logs without SELECT for the reader, have no events here.';
COMMENT ON COLUMN @extschema@.call_event_lag.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_event_lag.consumer IS 'the consumer whose events waited';
COMMENT ON COLUMN @extschema@.call_event_lag.up_to IS
'the upper bound of the bucket: 1 ms, 2 ms, 4 ms, ... 2.3 hours; NULL: no bound';
COMMENT ON COLUMN @extschema@.call_event_lag.events IS
'events with this lag or a shorter one; NULL: not counted';
COMMENT ON COLUMN @extschema@.call_event_lag.total_lag IS 'the sum over all events, the same in each row of a consumer';

-- the values of the metrics --------------------------------------------------------------------
--
-- A collector is a function with the rights of its caller. Its columns are labels and metrics, without the prefix
-- callhardening_. sql/monitoring/metrics.sql says what each metric is. The files of docs/monitoring call collectors.
-- The queries are small, but PostgreSQL takes them for expensive: compiling them took twenty times as long as running.
-- A locked table must not hold a monitor up: its log or collector then has the SQLSTATE 55P03.

CREATE FUNCTION _callhardening.server_metrics()
    RETURNS TABLE (version text, library_version text, extension_info int, server_shared_memory_up int,
        server_free_waiting_places bigint, server_snapshots_visible int)
    LANGUAGE sql ROWS 1 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT e.extversion, @extschema@.call_library_version(), 1, (p.places IS NOT NULL)::int, p.places,
    pg_has_role('pg_read_all_stats', 'USAGE')::int
FROM pg_extension AS e, _callhardening.free_waiting_places() AS p (places) WHERE e.extname = 'callhardening'
$$;

COMMENT ON FUNCTION _callhardening.server_metrics() IS 'a collector: one row about the server and the extension';

-- A number that a monitor has seen must not fall after a crash: so the commit of the scrape saves what it reports.
CREATE FUNCTION _callhardening.count_metrics()
    RETURNS TABLE (log text, consumer text, events_received_total bigint, events_redelivered_total bigint,
        events_purged_total bigint, events_claimed_total bigint, events_completed_total bigint,
        events_applied_total bigint, events_unchanged_total bigint, events_refused_total bigint,
        events_failed_total bigint, events_dead_total bigint, counters_up int,
        counters_start_timestamp_seconds numeric)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT c.log::text, c.consumer::text, c.received, c.redelivered, c.purged, c.claimed, c.completed, c.applied,
    c.unchanged, c.refused, c.failed, c.dead, (c.dead IS NOT NULL)::int, extract(epoch FROM c.counted_since)
FROM @extschema@.call_event_counts AS c, @extschema@.flush_call_event_counts()
$$;

COMMENT ON FUNCTION _callhardening.count_metrics() IS
'a collector: call_event_counts. The commit saves the counts, unless the transaction is read-only';

CREATE FUNCTION _callhardening.lag_metrics()
    RETURNS TABLE (log text, consumer text, event_lag_seconds float8[], event_lag_seconds_bucket bigint[],
        event_lag_seconds_sum numeric, event_lag_seconds_count bigint)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT g.log::text, g.consumer::text, array_agg(extract(epoch FROM g.up_to)::float8 ORDER BY g.up_to)
        FILTER (WHERE g.up_to IS NOT NULL),
    array_agg(g.events ORDER BY g.up_to) FILTER (WHERE g.up_to IS NOT NULL), extract(epoch FROM min(g.total_lag)),
    max(g.events)
FROM @extschema@.call_event_lag AS g JOIN _callhardening.logs AS l ON l.events = g.log,
    @extschema@.flush_call_event_counts()
WHERE l.received_at_column IS NOT NULL AND g.events IS NOT NULL
GROUP BY g.log, g.consumer
$$;

COMMENT ON FUNCTION _callhardening.lag_metrics() IS
'a collector: call_event_lag, one row for each histogram: bounds and cumulative counts as arrays, without the last '
'bucket, then the sum and the count of all. Not counted: no row. The commit saves the counts, unless the transaction '
'is read-only';

CREATE FUNCTION _callhardening.lag_buckets()
    RETURNS TABLE (log text, consumer text, le text, event_lag_seconds_bucket bigint)
    LANGUAGE sql ROWS 100 SET search_path = pg_catalog, pg_temp
    AS $$
SELECT m.log, m.consumer, b.bound, b.events
FROM _callhardening.lag_metrics() AS m, ROWS FROM (unnest(m.event_lag_seconds::text[] || '+Inf'::text),
    unnest(m.event_lag_seconds_bucket || m.event_lag_seconds_count)) AS b (bound, events)
$$;

COMMENT ON FUNCTION _callhardening.lag_buckets() IS
'lag_metrics, a row for each bucket: for exporters that know no histograms';

CREATE FUNCTION _callhardening.log_metrics()
    RETURNS TABLE (log text, sqlstate text, event_log_up int, event_log_error_info int, event_log_lanes int,
        event_log_other_consumers int, event_log_ignored_events bigint, event_log_events_per_second numeric)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT l.events::text, f.sqlstate, (f.sqlstate IS NULL)::int, CASE WHEN f.sqlstate IS NOT NULL THEN 1 END, l.lanes,
    cardinality(l.other_consumers), s.ignored, s.events_per_second::numeric
FROM _callhardening.logs AS l LEFT JOIN @extschema@.call_event_log_status AS s ON s.log = l.events,
    -- A log that the reader may not read is not in the view.
    LATERAL (SELECT CASE WHEN s.log IS NULL THEN '42501' ELSE substring(s.error FROM '\((\w{5})\)$') END)
        AS f (sqlstate)
$$;

COMMENT ON FUNCTION _callhardening.log_metrics() IS
'a collector: call_event_log_status, for each log of the database. sqlstate: why the log cannot be read, or NULL';

CREATE FUNCTION _callhardening.consumer_metrics()
    RETURNS TABLE (log text, consumer text, consumer_pending_events bigint, consumer_oldest_pending_seconds numeric,
        consumer_open_claims bigint, consumer_expired_claims bigint, consumer_claimed_events bigint,
        consumer_oldest_claim_seconds numeric, consumer_last_claim_seconds numeric, consumer_retrying_events bigint,
        consumer_blocked_events bigint, consumer_oldest_retry_seconds numeric, consumer_lock_waiting_events bigint,
        consumer_oldest_lock_wait_seconds numeric, consumer_full_lanes bigint, consumer_dead_events bigint,
        consumer_holds_purges int)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
WITH claims AS MATERIALIZED (
    SELECT o.log, o.consumer, sum(o.events) AS events, max(o.age) AS age
    FROM @extschema@.call_open_claims AS o GROUP BY o.log, o.consumer
), lanes AS MATERIALIZED (
    SELECT l.events AS log, r.consumer, r.lane, count(r.due_at) AS retrying, count(*) - count(r.due_at) AS blocked,
        min(r.waiting_since) AS since, count(r.due_at) FILTER (WHERE r.lock_waits > 0) AS locked,
        min(r.waiting_since) FILTER (WHERE r.lock_waits > 0 AND r.due_at IS NOT NULL) AS locked_since
    FROM @extschema@.call_retrying_events AS r JOIN _callhardening.logs AS l ON l.log_id = r.log_id
    GROUP BY l.events, r.consumer, r.lane
)
SELECT c.log::text, c.consumer::text, c.pending_estimate,
    CASE WHEN c.behind IS NOT NULL OR c.error IS NULL AND c.oldest_event_seq IS NULL
        THEN greatest(extract(epoch FROM c.behind), 0) END,
    c.open_claims, c.claims_over, coalesce(o.events, 0)::bigint, greatest(extract(epoch FROM o.age), 0),
    CASE WHEN c.last_claimed_at IS NOT NULL
        THEN greatest(extract(epoch FROM clock_timestamp() - c.last_claimed_at), 0) END,
    coalesce(w.retrying, 0)::bigint, coalesce(w.blocked, 0)::bigint,
    greatest(extract(epoch FROM clock_timestamp() - w.since), 0), coalesce(w.locked, 0)::bigint,
    greatest(extract(epoch FROM clock_timestamp() - w.locked_since), 0), w.full_lanes, c.dead, c.holds_purges::int
FROM @extschema@.call_consumers AS c LEFT JOIN claims AS o ON o.log = c.log AND o.consumer = c.consumer,
    LATERAL (SELECT sum(n.retrying) AS retrying, sum(n.blocked) AS blocked, min(n.since) AS since,
            sum(n.locked) AS locked, min(n.locked_since) AS locked_since,
            count(*) FILTER (WHERE n.retrying + n.blocked >= c.max_retrying) AS full_lanes
        FROM lanes AS n WHERE n.log = c.log AND n.consumer = c.consumer) AS w
$$;

COMMENT ON FUNCTION _callhardening.consumer_metrics() IS
'a collector: call_consumers, with its claims and retries. An age is 0 if nothing waits, and NULL if it is not known';

CREATE FUNCTION _callhardening.worker_metrics()
    RETURNS TABLE (log text, consumer text, status text, launcher text, workers_running int, workers_kept int,
        worker_status_info int, worker_last_failure_timestamp_seconds numeric)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT w.log::text, w.consumer::text, w.status, w.launcher, w.running, coalesce(w.kept, 0), 1,
    extract(epoch FROM w.last_failed_at)
FROM @extschema@.call_worker_status AS w
$$;

COMMENT ON FUNCTION _callhardening.worker_metrics() IS 'a collector: call_worker_status';

CREATE FUNCTION _callhardening.waiter_metrics()
    RETURNS TABLE (log text, consumer text, kind text, state text, waiting_sessions bigint)
    LANGUAGE sql ROWS 8 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT w.log::text, w.consumer::text, w.kind, CASE WHEN w.is_waiting THEN 'waiting' ELSE 'working' END, count(*)
FROM @extschema@.call_event_waiters AS w GROUP BY 1, 2, 3, 4
$$;

COMMENT ON FUNCTION _callhardening.waiter_metrics() IS 'a collector: call_event_waiters, counted';

CREATE FUNCTION _callhardening.snapshot_metrics()
    RETURNS TABLE (holder text, oldest_snapshot_transactions bigint, oldest_snapshot_seconds numeric)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT k.holder, coalesce(max(h.transactions), 0), CASE WHEN count(h.holder) = count(h.since)
    THEN greatest(extract(epoch FROM clock_timestamp() - min(h.since)), 0) END
FROM (VALUES ('backend'), ('standby'), ('replication slot'), ('prepared transaction')) AS k (holder)
LEFT JOIN @extschema@.call_horizon AS h ON h.holder = k.holder AND h.name <> pg_backend_pid()::text
-- PostgreSQL shows the sessions of other roles only to these roles.
WHERE pg_has_role('pg_read_all_stats', 'USAGE')
GROUP BY k.holder
$$;

COMMENT ON FUNCTION _callhardening.snapshot_metrics() IS
'a collector: call_horizon, the oldest snapshot of each kind of holder. 0: no snapshot is held. No row: the reader is '
'not a member of pg_read_all_stats, and does not see the sessions of others';

CREATE FUNCTION _callhardening.enforcement_metrics()
    RETURNS TABLE (relation text, level text, gap text, enforcement_rows bigint)
    LANGUAGE sql ROWS 8 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT e.relation::text, e.level, e.gap, count(*) FROM @extschema@.call_enforcement AS e GROUP BY 1, 2, 3
$$;

COMMENT ON FUNCTION _callhardening.enforcement_metrics() IS
'a collector: call_enforcement, counted. relation NULL: the gap is everywhere';

-- The kinds of a table are there with 0 as well, so that a series does not begin with its first issue.
CREATE FUNCTION _callhardening.issue_metrics()
    RETURNS TABLE (relation text, kind text, issues_last_hour bigint)
    LANGUAGE sql ROWS 8 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
WITH kinds AS (
    SELECT h.relation::text AS relation, unnest('{refused_status, refused_call_id, refined_status, unknown_status,
        unknown_direction}'::text[]) AS kind
    FROM _callhardening.hardened_tables() AS h WHERE h.relation = h.root
    UNION ALL
    SELECT l.events::text, unnest('{unparsable_body, body_without_call, dead_event}'::text[])
    FROM _callhardening.logs AS l
), counts AS (
    SELECT i.table_name AS relation, i.kind, sum(i.occurrences)::bigint AS issues
    FROM @extschema@.call_issues AS i WHERE i.happened_at > clock_timestamp() - interval '1 hour'
    GROUP BY i.table_name, i.kind
)
SELECT coalesce(k.relation, c.relation), coalesce(k.kind, c.kind), coalesce(c.issues, 0)
FROM kinds AS k FULL JOIN counts AS c ON c.relation = k.relation AND c.kind = k.kind
$$;

COMMENT ON FUNCTION _callhardening.issue_metrics() IS
'a collector: call_issues of the last hour, by table and kind, under the name that the table had then';

CREATE FUNCTION _callhardening.size_metrics()
    RETURNS TABLE (relation text, kind text, relation_bytes numeric)
    LANGUAGE sql ROWS 8 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT h.root::text, 'calls', sum(pg_total_relation_size(h.relation))
FROM _callhardening.hardened_tables() AS h GROUP BY h.root
UNION ALL
SELECT l.events::text, 'events', pg_total_relation_size(l.events) FROM _callhardening.logs AS l
UNION ALL
SELECT '_callhardening', 'bookkeeping', sum(pg_total_relation_size(c.oid)) FROM pg_class AS c
WHERE c.relnamespace = '_callhardening'::regnamespace AND c.relkind = 'r'
$$;

COMMENT ON FUNCTION _callhardening.size_metrics() IS
'a collector: bytes with indexes and TOAST of hardened tables with their partitions, of event logs, and of the tables '
'of the extension. NULL: the table was dropped a moment ago';

CREATE FUNCTION _callhardening.backfill_metrics()
    RETURNS TABLE (relation text, part text, state text, backfill_state_info int, backfill_done_rows bigint,
        backfill_left_rows bigint, backfill_repaired_rows bigint, backfill_unwritten_rows bigint,
        backfill_locked_rows int)
    LANGUAGE sql ROWS 4 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT b.calls::text, b.part::text, b.state, 1, b.rows_done, b.rows_left, b.rows_repaired, b.rows_unwritten,
    b.rows_locked
FROM @extschema@.call_backfill_progress AS b
$$;

COMMENT ON FUNCTION _callhardening.backfill_metrics() IS 'a collector: call_backfill_progress';

CREATE FUNCTION _callhardening.health_or_error(calls regclass)
    RETURNS TABLE (figure text, value numeric, level text, sqlstate text)
    LANGUAGE plpgsql ROWS 20 SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN QUERY SELECT h.figure, h.value, h.level, NULL::text FROM @extschema@.call_health(calls, false) AS h;
EXCEPTION WHEN OTHERS THEN
    -- An unreadable table does not hide the others.
    RETURN QUERY SELECT NULL::text, NULL::numeric, NULL::text, SQLSTATE::text;
END
$$;

COMMENT ON FUNCTION _callhardening.health_or_error(regclass) IS
'call_health for a collector; for an unreadable table, one row with the SQLSTATE';

CREATE FUNCTION _callhardening.calls_metrics()
    RETURNS TABLE (relation text, figure text, sqlstate text, calls_up int, calls_error_info int,
        calls_table_rows numeric, calls_duplicate_ids numeric, calls_other_directions numeric,
        calls_average_payload_bytes numeric, calls_largest_payload_bytes numeric, stuck_calls numeric, health_level int)
    LANGUAGE sql ROWS 20 SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
SELECT t.relation::text, h.figure, h.sqlstate,
    CASE WHEN h.sqlstate IS NOT NULL THEN 0 WHEN h.figure = 'calls' THEN 1 END,
    CASE WHEN h.sqlstate IS NOT NULL THEN 1 END,
    CASE h.figure WHEN 'calls' THEN h.value END,
    CASE h.figure WHEN 'duplicates' THEN h.value END,
    CASE h.figure WHEN 'directions' THEN h.value END,
    CASE h.figure WHEN 'payload_average' THEN h.value END,
    CASE h.figure WHEN 'payload_largest' THEN h.value END,
    CASE h.figure WHEN 'stuck_calls' THEN h.value END,
    array_position('{ok,warning,critical}'::text[], h.level) - 1
FROM _callhardening.hardened_tables() AS t, _callhardening.health_or_error(t.relation) AS h
WHERE t.relation = t.root
$$;

COMMENT ON FUNCTION _callhardening.calls_metrics() IS
'a collector: call_health of each hardened table. It reads the calls tables, as call_health does. sqlstate: why a '
'table cannot be read, or NULL';

-- metrics for Prometheus -----------------------------------------------------------------------
--
-- The one list of metrics. call_metrics() and the files of docs/monitoring are made from it
-- (scripts/make_monitoring.py).

CREATE FUNCTION _callhardening.metrics()
    RETURNS TABLE (metric text, type text, labels text[], collector text, present_if text, help text)
    LANGUAGE sql IMMUTABLE ROWS 60 SET search_path = pg_catalog, pg_temp
    AS $$
VALUES
    ('extension_info', 'info', '{version,library_version}'::text[], 'server_metrics', NULL,
        'The version of the extension in this database and of the library in this session.'),
    ('server_shared_memory_up', 'gauge', '{}', 'server_metrics', NULL,
        '0: the server has no shared memory left for the extension. Commits wake nobody, and nothing is counted.'),
    ('server_free_waiting_places', 'gauge', '{}', 'server_metrics', 'server_free_waiting_places',
        'Free places of the server for workers and clients that commits wake. At 0 others only poll.'),
    ('server_snapshots_visible', 'gauge', '{}', 'server_metrics', NULL,
        '0: the reader is not a member of pg_read_all_stats. The metrics of snapshots are absent.'),

    ('event_log_up', 'gauge', '{log}', 'log_metrics', NULL,
        '0: the reader cannot read the log. event_log_error_info has the reason.'),
    ('event_log_error_info', 'info', '{log,sqlstate}', 'log_metrics', 'event_log_error_info',
        'Why the log cannot be read, as an SQLSTATE. 42501: the reader has no right.'),
    ('event_log_lanes', 'gauge', '{log}', 'log_metrics', NULL, 'Lanes of the log.'),
    ('event_log_other_consumers', 'gauge', '{log}', 'log_metrics', NULL,
        'Consumers of the log beside the default one.'),
    ('event_log_ignored_events', 'gauge', '{log}', 'log_metrics', 'event_log_ignored_events',
        'Ignored events in the log, counted up to 10000.'),
    ('event_log_events_per_second', 'gauge', '{log}', 'log_metrics', 'event_log_events_per_second',
        'Events completed by the default consumer, over the last records of each lane.'),

    ('events_received_total', 'counter', '{log}', 'count_metrics', 'events_received_total',
        'Events appended to the log.'),
    ('events_redelivered_total', 'counter', '{log}', 'count_metrics', 'events_received_total',
        'Events that were delivered again, and found in the log.'),
    ('events_purged_total', 'counter', '{log}', 'count_metrics', 'events_received_total',
        'Events deleted by purge_call_events.'),
    ('events_claimed_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Events handed out to clients, each time.'),
    ('events_completed_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Events in claims that clients completed.'),
    ('events_applied_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Events applied to a call by process_call_events.'),
    ('events_unchanged_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Events that process_call_events found without news.'),
    ('events_refused_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Events with a status that the calls table refused.'),
    ('events_failed_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Failed attempts. Lost workers do not count.'),
    ('events_dead_total', 'counter', '{log,consumer}', 'count_metrics', 'events_dead_total',
        'Events after their last attempt, and events that no worker can take.'),
    ('counters_up', 'gauge', '{log,consumer}', 'count_metrics', NULL,
        '0: the server has no memory to count these events. Their counters and histograms are absent.'),
    ('counters_start_timestamp_seconds', 'gauge', '{log,consumer}', 'count_metrics',
        'counters_start_timestamp_seconds',
        'When the counters began at 0. Absent: nothing was counted yet.'),
    ('event_lag_seconds', 'histogram', '{log,consumer}', 'lag_metrics', NULL,
        'Time from the receipt of an event to its application, or to the first claim of a client.'),

    ('consumer_pending_events', 'gauge', '{log,consumer}', 'consumer_metrics', 'consumer_pending_events',
        'Events without a worker, estimated. Absent: the log cannot be read.'),
    ('consumer_oldest_pending_seconds', 'gauge', '{log,consumer}', 'consumer_metrics',
        'consumer_oldest_pending_seconds',
        'Age of the first pending event. 0: nothing is pending. Absent: the log has no time of receipt.'),
    ('consumer_open_claims', 'gauge', '{log,consumer}', 'consumer_metrics', NULL, 'Claims of workers.'),
    ('consumer_expired_claims', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Claims with an expired lease. No other worker has taken their events over.'),
    ('consumer_claimed_events', 'gauge', '{log,consumer}', 'consumer_metrics', NULL, 'Events in open claims.'),
    ('consumer_oldest_claim_seconds', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Age of the oldest open claim. 0: there is none.'),
    ('consumer_last_claim_seconds', 'gauge', '{log,consumer}', 'consumer_metrics', 'consumer_last_claim_seconds',
        'Time since the last claim. Absent: there was none.'),
    ('consumer_retrying_events', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Failed events with a time for their next attempt.'),
    ('consumer_blocked_events', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Events behind retrying events of the same call.'),
    ('consumer_oldest_retry_seconds', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Time since the first retrying or blocked event began to wait. 0: there is none.'),
    ('consumer_lock_waiting_events', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Events that wait for a locked row of calls.'),
    ('consumer_oldest_lock_wait_seconds', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Time since the oldest wait for a locked row of calls began. 0: there is none.'),
    ('consumer_full_lanes', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Lanes that take no new events, since max_retrying events are retrying or blocked.'),
    ('consumer_dead_events', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Events that are never tried again.'),
    ('consumer_holds_purges', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        '1: of all consumers of the log, this one has the first event that is not done. Purges wait for it.'),

    ('workers_running', 'gauge', '{log,consumer}', 'worker_metrics', NULL, 'Workers inside the server that run.'),
    ('workers_kept', 'gauge', '{log,consumer}', 'worker_metrics', NULL, 'Workers that start with the server.'),
    ('worker_status_info', 'info', '{log,consumer,status,launcher}', 'worker_metrics', NULL,
        'The columns status and launcher of call_worker_status.'),
    ('worker_last_failure_timestamp_seconds', 'gauge', '{log,consumer}', 'worker_metrics',
        'worker_last_failure_timestamp_seconds',
        'When a kept worker last failed. Absent: none did, or none is kept.'),
    ('waiting_sessions', 'gauge', '{log,consumer,kind,state}', 'waiter_metrics', NULL,
        'Sessions that commits wake: workers in the server, and clients of wait_for_call_events.'),

    ('oldest_snapshot_transactions', 'gauge', '{holder}', 'snapshot_metrics', NULL,
        'Transactions that began since the oldest snapshot. 0: no snapshot is held.'),
    ('oldest_snapshot_seconds', 'gauge', '{holder}', 'snapshot_metrics', 'oldest_snapshot_seconds',
        'Age of the transaction with the oldest snapshot. Absent: slots have no time.'),

    ('enforcement_rows', 'gauge', '{relation,level,gap}', 'enforcement_metrics', NULL,
        'Rows of call_enforcement. level ok: the table has no gap. No relation: the gap is everywhere.'),
    ('issues_last_hour', 'gauge', '{relation,kind}', 'issue_metrics', NULL, 'Issues of the last hour in call_issues.'),
    ('relation_bytes', 'gauge', '{relation,kind}', 'size_metrics', 'relation_bytes',
        'Size on disk with indexes: calls tables, event logs, and the bookkeeping of the extension.'),

    ('backfill_state_info', 'info', '{relation,part,state}', 'backfill_metrics', NULL,
        'The state of the last backfill_calls: running, interrupted or finished.'),
    ('backfill_done_rows', 'gauge', '{relation,part}', 'backfill_metrics', NULL, 'Rows that the backfill looked at.'),
    ('backfill_left_rows', 'gauge', '{relation,part}', 'backfill_metrics', 'backfill_left_rows',
        'Rows still to come, estimated. Absent: not known yet.'),
    ('backfill_repaired_rows', 'gauge', '{relation,part}', 'backfill_metrics', NULL,
        'Rows that the backfill repaired.'),
    ('backfill_unwritten_rows', 'gauge', '{relation,part}', 'backfill_metrics', NULL, 'Rows with a failed repair.'),
    ('backfill_locked_rows', 'gauge', '{relation,part}', 'backfill_metrics', NULL, 'Rows locked by other sessions.'),

    ('calls_up', 'gauge', '{relation}', 'calls_metrics', 'calls_up',
        '0: the reader cannot read the calls table. calls_error_info has the reason.'),
    ('calls_error_info', 'info', '{relation,sqlstate}', 'calls_metrics', 'calls_error_info',
        'Why the calls table cannot be read, as an SQLSTATE.'),
    ('calls_table_rows', 'gauge', '{relation}', 'calls_metrics', 'calls_table_rows',
        'Rows of the calls table. A large table is estimated.'),
    ('calls_duplicate_ids', 'gauge', '{relation}', 'calls_metrics', 'calls_duplicate_ids',
        'Call ids in several rows. Absent: a large table without a unique index.'),
    ('calls_other_directions', 'gauge', '{relation}', 'calls_metrics', 'calls_other_directions',
        'Words beside inbound and outbound.'),
    ('calls_average_payload_bytes', 'gauge', '{relation}', 'calls_metrics', 'calls_average_payload_bytes',
        'Average size of a stored payload. Absent: there is none.'),
    ('calls_largest_payload_bytes', 'gauge', '{relation}', 'calls_metrics', 'calls_largest_payload_bytes',
        'Size of the largest stored payload. Absent: there is none.'),
    ('stuck_calls', 'gauge', '{relation}', 'calls_metrics', 'stuck_calls',
        'Calls without news: ringing for an hour, or not over for a day. Absent: no column tells the time.'),
    ('health_level', 'gauge', '{relation,figure}', 'calls_metrics', 'health_level',
        'The level of each figure of call_health. 0: ok, 1: warning, 2: critical.'),

    ('collector_up', 'gauge', '{collector}', 'call_metrics', NULL,
        '0: the collector failed, and its metrics are absent. collector_error_info has the reason.'),
    ('collector_error_info', 'info', '{collector,sqlstate}', 'call_metrics', 'collector_error_info',
        'Why the collector failed, as an SQLSTATE.'),
    ('collector_seconds', 'gauge', '{collector}', 'call_metrics', NULL, 'How long the collector took.')
$$;

COMMENT ON FUNCTION _callhardening.metrics() IS
'the metrics of this extension, in the order of call_metrics. metric: the name without the prefix callhardening_, and '
'the column of the collector. collector: the function with the values; call_metrics itself for how the collectors did. '
'present_if: the metric is absent if this column is NULL; NULL: it is always there';

CREATE FUNCTION _callhardening.metric_labels(labels jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce('{' || string_agg(format('%s="%s"', key,
    replace(replace(replace(value, '\', '\\'), '"', '\"'), E'\n', '\n')), ',' ORDER BY key) || '}', '')
FROM jsonb_each_text(labels) WHERE value IS NOT NULL
$$;

COMMENT ON FUNCTION _callhardening.metric_labels(jsonb) IS 'labels as OpenMetrics writes them; NULL is no label';

CREATE FUNCTION _callhardening.metric_samples(name text, metric text, type text, labels jsonb, found jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN type <> 'histogram'
    THEN format(E'%s%s %s\n', name, _callhardening.metric_labels(labels), found ->> metric)
    ELSE (SELECT string_agg(format(E'%s_bucket%s %s\n', name,
              _callhardening.metric_labels(labels || jsonb_build_object('le', b.bound)), b.events), '' ORDER BY b.n)
          FROM ROWS FROM (jsonb_array_elements_text((found -> metric) || '["+Inf"]'::jsonb),
              jsonb_array_elements_text((found -> (metric || '_bucket')) || (found -> (metric || '_count'))))
              WITH ORDINALITY AS b (bound, events, n))
        || (SELECT string_agg(format(E'%s_%s%s %s\n', name, s.suffix, _callhardening.metric_labels(labels),
              found ->> (metric || '_' || s.suffix)), '') FROM (VALUES ('count'), ('sum')) AS s (suffix)) END
$$;

COMMENT ON FUNCTION _callhardening.metric_samples(text, text, text, jsonb, jsonb) IS
'the samples of one row of a collector: one line, or the lines of a histogram';

CREATE FUNCTION _callhardening.metric_text(metric text, type text, labels text[], present_if text, help text,
        found jsonb)
    RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format(E'# TYPE %1$s %2$s\n%3$s# HELP %1$s %4$s\n', f.family, type,
    '# UNIT ' || f.family || ' ' || substring(f.family FROM '_(seconds|bytes)$') || E'\n', help) || s.samples
FROM (SELECT 'callhardening_' || regexp_replace(metric, '_(total|info)$', '')) AS f (family),
    (SELECT string_agg(_callhardening.metric_samples('callhardening_' || metric, metric, type,
         (SELECT jsonb_object_agg(label, r -> label) FROM unnest(labels) AS label), r), '')
     FROM jsonb_array_elements(found) AS r WHERE present_if IS NULL OR r ->> present_if IS NOT NULL) AS s (samples)
$$;

COMMENT ON FUNCTION _callhardening.metric_text(text, text, text[], text, text, jsonb) IS
'a row of metrics() with its samples, as OpenMetrics writes them; found: the rows of its collector. NULL: no sample';

CREATE FUNCTION @extschema@.call_metrics(calls boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    collector text;
    began timestamptz;
    found jsonb;
    collected jsonb := '{}';
    fault text;
    answers jsonb := '[]';
BEGIN
    FOR collector IN SELECT DISTINCT m.collector FROM _callhardening.metrics() AS m
        WHERE m.collector <> 'call_metrics' AND (coalesce(calls, false) OR m.collector <> 'calls_metrics')
    LOOP
        began := clock_timestamp();
        fault := NULL;
        BEGIN
            EXECUTE format('SELECT jsonb_agg(to_jsonb(c)) FROM _callhardening.%I() AS c', collector) INTO found;
            collected := collected || jsonb_build_object(collector, coalesce(found, '[]'));
        EXCEPTION WHEN OTHERS THEN
            fault := SQLSTATE; -- one fault does not hide the other metrics
        END;
        answers := answers || jsonb_build_object('collector', collector, 'sqlstate', fault,
            'collector_up', (fault IS NULL)::int, 'collector_error_info', CASE WHEN fault IS NOT NULL THEN 1 END,
            'collector_seconds', extract(epoch FROM clock_timestamp() - began));
    END LOOP;
    collected := collected || jsonb_build_object('call_metrics', answers);
    RETURN (SELECT string_agg(_callhardening.metric_text(m.metric, m.type, m.labels, m.present_if, m.help,
                collected -> m.collector), '' ORDER BY m.position)
            FROM _callhardening.metrics() WITH ORDINALITY
                AS m (metric, type, labels, collector, present_if, help, position)) || E'# EOF\n';
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_metrics(boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'call_metrics'), ('monitor', 'call_metrics');

COMMENT ON FUNCTION @extschema@.call_metrics(boolean) IS
'Returns every counter, gauge and histogram of this database as a text of OpenMetrics 1.0, for
Prometheus.

What is not known is absent. Then a metric with a name in up or visible is 0, and tells so. Times
are in seconds, sizes in bytes. The commit saves the counts, so that no counter falls after a crash
of the server. Two exceptions: a read-only transaction saves none, and no transaction saves those
that another session is saving.
- calls: true adds the metrics that read the calls tables, as call_health does; NULL: false';

-- a report for people ----------------------------------------------------------------------------
--
-- Events and calls are counted with the rights of the extension's owner, since a monitor has no right on bodies and
-- rows: count_rows. Tables are read as their owners (query_as_owner). All else comes from the views, as the caller sees
-- them. A part that cannot be read has its SQLSTATE: the text of an error may quote a body.

CREATE FUNCTION _callhardening.shown_word(word text) RETURNS text
    LANGUAGE sql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN word ~ '^\([0-9]{1,9} bytes\)$' OR word ~ '^[A-Za-z0-9 ._-]{1,40}$'
        AND length(regexp_replace(word, '[^0-9]', '', 'g')) <= 3
        AND @extschema@.sanitize_call_payload(jsonb_build_object('word', word), NULL::jsonb) ->> 'word' = word THEN word
    ELSE format('(%s bytes)', octet_length(word)) END
$$;

COMMENT ON FUNCTION _callhardening.shown_word(text) IS
'a word of a client as the report shows it: (12 bytes) if it has more than 3 digits, looks like no word, or is a '
'finding of the sanitizer';

CREATE FUNCTION _callhardening.shown_client(client text) RETURNS text
    LANGUAGE sql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT left(regexp_replace(@extschema@.sanitize_call_payload(jsonb_build_object('client',
    regexp_replace(client, ' \(pid [0-9]+\)$', '')), NULL::jsonb) ->> 'client', '[0-9]{5,}', '#', 'g'), 64)
$$;

COMMENT ON FUNCTION _callhardening.shown_client(text) IS
'an application name or a worker as the report shows it: at most 64 characters, without process id and findings of the '
'sanitizer, and # for numbers of 5 and more digits; NULL: it is empty';

CREATE FUNCTION _callhardening.report_width(span interval) RETURNS interval
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(min(w) FILTER (WHERE span <= w * 100), interval '28 days')
FROM unnest(ARRAY['1 second', '5 seconds', '15 seconds', '1 minute', '5 minutes', '15 minutes', '1 hour', '3 hours',
    '6 hours', '1 day', '7 days']::interval[]) AS w
$$;

COMMENT ON FUNCTION _callhardening.report_width(interval) IS
'the width of the bars of a chart over this time: at most some 100 bars';

-- what each log says of itself -------------------------------------------------------------------

CREATE FUNCTION _callhardening.sample_clause(percentage float8) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce('TABLESAMPLE system (' || percentage || ')', '')
$$;

COMMENT ON FUNCTION _callhardening.sample_clause(float8) IS
'the clause that reads this percentage of a table; NULL: all of it';

-- What events_of_call finds out for each event, for all at once. In a restored log positions mean less: NULL.
CREATE FUNCTION _callhardening.lane_positions(log _callhardening.logs) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(jsonb_agg(jsonb_build_object('lane', t.lane, 'done', c.done_snapshot, 'open', c.window_snapshot,
    'xid', c.read_xid, 'seq', c.read_seq)), '[]')
FROM _callhardening.lanes AS t CROSS JOIN LATERAL (
    SELECT * FROM _callhardening.claims AS r WHERE r.consumer_id = t.consumer_id AND r.lane = t.lane
    ORDER BY r.record_no DESC LIMIT 1) AS c
WHERE t.consumer_id = log.log_id
HAVING NOT log.is_of_changes AND log.adopted IS NULL AND log.first_lane = 0
    AND log.system_identifier = (SELECT system_identifier FROM pg_control_system())
$$;

COMMENT ON FUNCTION _callhardening.lane_positions(_callhardening.logs) IS
'how far the default consumer of a log is in each lane; NULL: it was restored, or it is a log of changes';

CREATE FUNCTION _callhardening.timed_events(log _callhardening.logs, percentage float8) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format('(SELECT CAST(%s AS timestamptz) AS t, e.event_lane AS lane, pg_column_size(e.%I) AS bytes,
        e.event_lane >= 0 AND %s AND (r.lane IS NULL OR NOT pg_visible_in_snapshot(e.event_xid, r.done) AND (
            r.open IS NULL OR NOT pg_visible_in_snapshot(e.event_xid, r.open) OR r.xid IS NULL
            OR (e.event_xid, e.event_seq) > (r.xid, r.seq))) AS is_waiting
    FROM ONLY %s AS e %s LEFT JOIN jsonb_to_recordset($1[1]::jsonb)
        AS r (lane int, done pg_snapshot, open pg_snapshot, xid xid8, seq bigint) ON r.lane = e.event_lane)',
    coalesce('e.' || quote_ident(log.received_at_column), 'NULL'), log.payload_column,
    coalesce('e.' || quote_ident(log.processed_at_column) || ' IS NULL', 'true'), log.events,
    _callhardening.sample_clause(percentage))
$$;

COMMENT ON FUNCTION _callhardening.timed_events(_callhardening.logs, float8) IS
'the subquery of a log for query_as_owner: t (of the receipt; NULL: not known), lane, bytes (as stored, compressed) '
'and is_waiting (not taken by the default consumer, or in an open claim) of each event. The first argument of the '
'statement is lane_positions';

CREATE FUNCTION _callhardening.log_extent(log _callhardening.logs, starts timestamptz, exact boolean) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT jsonb_build_object('rows_read', e.rows_read, 'percentage', p.percentage, 'oldest', e.oldest, 'first', e.first,
    'newest', e.newest, 'waiting', CASE WHEN p.percentage IS NULL AND l.lanes IS NOT NULL THEN e.waiting END)
FROM _callhardening.sample_percentage(log.events, exact) AS p (percentage)
CROSS JOIN _callhardening.lane_positions(log) AS l (lanes)
CROSS JOIN LATERAL _callhardening.query_as_owner(log.events,
    'SELECT count(*), min(t), min(t) FILTER (WHERE t >= $1[2]::timestamptz), max(t), count(*) FILTER (WHERE is_waiting)
        FROM ' || _callhardening.timed_events(log, p.percentage) || ' AS e', ARRAY[l.lanes::text, starts::text])
    AS e (rows_read bigint, oldest timestamptz, first timestamptz, newest timestamptz, waiting bigint)
$$;

COMMENT ON FUNCTION _callhardening.log_extent(_callhardening.logs, timestamptz, boolean) IS
'when events of a log were received, and how many of them wait. rows_read: of a sample, if percentage is not NULL. '
'first: since starts. NULL: there is none, it is not known, or the log has no received_at_column';

CREATE FUNCTION _callhardening.binned_events(log _callhardening.logs, percentage float8, starts timestamptz,
        ends timestamptz, width interval)
    RETURNS TABLE (at timestamptz, received bigint, ignored bigint, without_call bigint, waiting bigint, bytes bigint)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT e.at, e.received, e.ignored, e.without_call, CASE WHEN l.lanes IS NOT NULL THEN e.waiting END, e.bytes
FROM _callhardening.lane_positions(log) AS l (lanes)
CROSS JOIN LATERAL _callhardening.query_as_owner(log.events, format(
    'SELECT date_bin($1[4]::interval, t, date_trunc(''day'', $1[3]::timestamptz)), count(*),
        count(*) FILTER (WHERE lane = %1$s), count(*) FILTER (WHERE lane < 0 AND lane <> %1$s),
        count(*) FILTER (WHERE is_waiting), sum(bytes)
    FROM %2$s AS e WHERE t >= $1[2]::timestamptz AND t <= $1[3]::timestamptz GROUP BY 1',
    _callhardening.no_lane('ignored'), _callhardening.timed_events(log, percentage)),
    ARRAY[l.lanes::text, starts::text, ends::text, width::text])
    AS e (at timestamptz, received bigint, ignored bigint, without_call bigint, waiting bigint, bytes bigint)
$$;

COMMENT ON FUNCTION _callhardening.binned_events(_callhardening.logs, float8, timestamptz, timestamptz, interval) IS
'events of a log by the time of their receipt, as read (percentage: a sample). waiting: as in timed_events; NULL: not '
'known. bytes: of bodies as stored, compressed';

CREATE FUNCTION _callhardening.report_events(log _callhardening.logs, extent jsonb, starts timestamptz,
        ends timestamptz, width interval)
    RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT extent - 'first' || jsonb_build_object('has_times', log.received_at_column IS NOT NULL, 'bins', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('at', b.at, 'received', round(b.received * s.factor), 'ignored',
        round(b.ignored * s.factor), 'without_call', round(b.without_call * s.factor), 'waiting',
        round(b.waiting * s.factor), 'bytes', round(b.bytes * s.factor)) ORDER BY b.at), '[]')
    FROM _callhardening.binned_events(log, (extent ->> 'percentage')::float8, starts, ends, width) AS b))
FROM (SELECT coalesce(100 / (extent ->> 'percentage')::numeric, 1)) AS s (factor)
$$;

COMMENT ON FUNCTION _callhardening.report_events(_callhardening.logs, jsonb, timestamptz, timestamptz, interval) IS
'a part of call_report: the events of a log over time, estimated if extent is of a sample';

-- The newest bodies are sanitized once more. The log has them as they came, and the calls table only the last one of
-- each call.
CREATE FUNCTION _callhardening.newest_bodies(log _callhardening.logs, percentage float8, most int)
    RETURNS TABLE (body jsonb)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT q.body FROM _callhardening.query_as_owner(log.events, format(
    'SELECT e.%I::jsonb FROM ONLY %s AS e %s WHERE e.event_seq IS NOT NULL ORDER BY e.event_seq DESC LIMIT %s',
    log.payload_column, log.events, _callhardening.sample_clause(percentage), most), NULL) AS q (body jsonb)
WHERE NOT log.is_of_changes
$$;

COMMENT ON FUNCTION _callhardening.newest_bodies(_callhardening.logs, float8, int) IS
'the bodies of the newest events of a log, at most most; percentage: of those that a sample finds';

CREATE FUNCTION _callhardening.report_bodies(log _callhardening.logs, extent jsonb) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH bodies AS MATERIALIZED (
    SELECT n.body FROM _callhardening.newest_bodies(log, (extent ->> 'percentage')::float8, 300) AS n
), settings AS (
    SELECT (@extschema@.call_settings(log.calls)).policy
), sizes AS (
    SELECT octet_length(b.body::text) AS before,
        octet_length(@extschema@.sanitize_call_payload(b.body, s.policy)::text) AS after
    FROM bodies AS b, settings AS s
), changes AS (
    -- Of several reasons, the first one has decided.
    SELECT split_part(e.action, ', ', 1) AS action,
        regexp_replace(split_part(e.reason, ', ', 1), 'rules\[\d+\] ', '') AS reason, count(*) AS changed,
        sum(e.bytes_in - e.bytes_out) AS saved,
        row_number() OVER (ORDER BY sum(e.bytes_in - e.bytes_out) DESC, count(*) DESC, min(e.path)) AS place
    FROM bodies AS b, settings AS s, LATERAL @extschema@.explain_call_payload(b.body, s.policy) AS e
    WHERE e.action <> 'kept' GROUP BY 1, 2
), grouped AS (
    SELECT c.action, c.reason, c.changed, c.saved, c.place FROM changes AS c WHERE c.place <= 12
    UNION ALL
    SELECT NULL, NULL, sum(c.changed), sum(c.saved), 13 FROM changes AS c WHERE c.place > 12 HAVING count(*) > 0
)
SELECT jsonb_build_object('bodies', count(*), 'before', coalesce(sum(s.before), 0), 'after',
    coalesce(sum(s.after), 0), 'largest_before', max(s.before), 'largest_after', max(s.after), 'changes', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('action', g.action, 'reason', g.reason, 'values', g.changed,
            'saved', g.saved) ORDER BY g.place), '[]') FROM grouped AS g))
FROM sizes AS s
$$;

COMMENT ON FUNCTION _callhardening.report_bodies(_callhardening.logs, jsonb) IS
'a part of call_report: the newest 300 bodies of a log before and after the sanitizer, with the policy of the calls '
'table, in bytes as text. changes: the values that were changed, by reason; the reason NULL has all after the first 12';

CREATE FUNCTION _callhardening.sqlstate_of(error text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT substring(error FROM '\(([0-9A-Z]{5})\)$')
$$;

COMMENT ON FUNCTION _callhardening.sqlstate_of(text) IS 'the SQLSTATE of an error of call_lane_status';

CREATE FUNCTION _callhardening.report_lag(events regclass, named name) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH buckets AS MATERIALIZED (
    SELECT g.up_to, g.events, max(g.events) OVER () AS total
    FROM @extschema@.call_event_lag AS g WHERE g.log = report_lag.events AND g.consumer = named
)
SELECT jsonb_build_object('events', max(b.total), 'buckets', jsonb_agg(jsonb_build_object(
        'up_to', extract(epoch FROM b.up_to), 'events', b.events) ORDER BY b.up_to), 'percentiles', (
    SELECT jsonb_agg(jsonb_build_object('percent', p.percent, 'up_to', (
        SELECT extract(epoch FROM min(k.up_to)) FROM buckets AS k
        WHERE k.events >= k.total * p.percent / 100.0 AND k.total > 0)) ORDER BY p.percent)
    FROM unnest(ARRAY[50, 90, 95, 99]) AS p (percent)))
FROM buckets AS b
$$;

COMMENT ON FUNCTION _callhardening.report_lag(regclass, name) IS
'a part of call_report: the histogram of call_event_lag in seconds, and upper bounds of percentiles; NULL: no bound, '
'or no event';

CREATE FUNCTION _callhardening.report_consumers(events regclass) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(jsonb_agg(jsonb_build_object('consumer', c.consumer, 'pending', c.pending_estimate, 'retrying',
    c.retrying, 'blocked', c.blocked, 'dead', c.dead, 'claims_over', c.claims_over, 'behind',
    extract(epoch FROM c.behind), 'unknown', _callhardening.sqlstate_of(c.error), 'counted_since', n.counted_since,
    'claimed', n.claimed, 'completed', n.completed, 'applied', n.applied, 'unchanged', n.unchanged, 'refused',
    n.refused, 'failed', n.failed, 'died', n.dead, 'lag', _callhardening.report_lag(c.log, c.consumer))
    ORDER BY c.consumer <> 'default', c.consumer), '[]')
FROM @extschema@.call_consumers AS c
LEFT JOIN @extschema@.call_event_counts AS n ON n.log = c.log AND n.consumer = c.consumer
WHERE c.log = events
$$;

COMMENT ON FUNCTION _callhardening.report_consumers(regclass) IS
'a part of call_report: each consumer of a log, now and since counted_since';

CREATE FUNCTION _callhardening.report_counts(events regclass) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
-- Without received it is the row of another consumer, or the server has no memory for it.
SELECT jsonb_build_object('counted_since', n.counted_since, 'delivered', n.received + n.redelivered,
    'redelivered', n.redelivered, 'received', n.received, 'purged', n.purged)
FROM @extschema@.call_event_counts AS n
WHERE n.log = events AND coalesce(n.consumer, 'default') = 'default'
$$;

COMMENT ON FUNCTION _callhardening.report_counts(regclass) IS
'a part of call_report: what call_event_counts has of a log itself';

-- what the tables of calls say -------------------------------------------------------------------

CREATE FUNCTION _callhardening.report_time_columns(calls regclass) RETURNS name[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(array_agg(c.name ORDER BY array_position(ARRAY['started_at', 'created_at', 'last_event_at',
    'updated_at']::name[], c.name)), ARRAY[NULL]::name[])
FROM unnest(_callhardening.age_columns(calls)) AS c (name)
$$;

COMMENT ON FUNCTION _callhardening.report_time_columns(regclass) IS
'the columns that say when a call began, or at least when its row came or changed, the best first; one NULL: the table '
'has none';

CREATE FUNCTION _callhardening.newest_call(calls regclass, time_column name, percentage float8, OUT rows_read bigint,
        OUT newest timestamptz)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT q.rows_read, q.newest FROM _callhardening.query_as_owner(calls, format(
    'SELECT count(*), max(t) FILTER (WHERE t <= clock_timestamp()) FROM %s AS c %s
        CROSS JOIN LATERAL (SELECT CAST(%s AS timestamptz)) AS v (t)',
    calls, _callhardening.sample_clause(percentage), coalesce('c.' || quote_ident(time_column), 'NULL')), NULL)
    AS q (rows_read bigint, newest timestamptz)
$$;

COMMENT ON FUNCTION _callhardening.newest_call(regclass, name, float8) IS
'how many rows a sample of a table of calls has, and when the newest call began; times to come do not count';

-- A record is read only from a payload that is certainly in its row: reading others out of TOAST could take minutes.
CREATE FUNCTION _callhardening.binned_calls(calls regclass, settings _callhardening.settings, time_column name,
        percentage float8, starts timestamptz, ends timestamptz, width interval)
    RETURNS TABLE (at timestamptz, direction text, status text, calls_in_bin bigint, payloads bigint, bytes bigint,
        largest int, records bigint, dropped bigint, masked bigint, truncated bigint, shed bigint)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT q.* FROM _callhardening.query_as_owner(calls, format(
    'SELECT CASE WHEN t > $1[1]::timestamptz AND t <= $1[2]::timestamptz
            THEN date_bin($1[3]::interval, t, date_trunc(''day'', $1[2]::timestamptz)) END,
        CASE WHEN d IS NULL OR d IN (''inbound'', ''outbound'') THEN d ELSE ''other'' END,
        CASE WHEN s IS NULL OR s = ANY ($1[4]::text[]) THEN s ELSE ''other'' END, count(*), count(p),
        sum(pg_column_size(p))::bigint, max(pg_column_size(p)), count(k), sum(k[1])::bigint, sum(k[2])::bigint,
        sum(k[3])::bigint, sum(k[4])::bigint
    FROM %s AS c %s
    CROSS JOIN LATERAL (SELECT CAST(%s AS timestamptz), CAST(%s AS text), CAST(%s AS text), %s) AS v (t, d, s, p)
    CROSS JOIN LATERAL (SELECT CASE WHEN pg_column_size(p) <= 2000
        THEN substring(CAST(p AS jsonb) ->> ''_sanitized'' FROM ''^((\d{1,9},){3}\d{1,9}) '') END) AS w (record)
    CROSS JOIN LATERAL (SELECT CAST(string_to_array(record, '','') AS int[])) AS x (k)
    GROUP BY 1, 2, 3',
    calls, _callhardening.sample_clause(percentage), coalesce('c.' || quote_ident(time_column), 'NULL'),
    coalesce('c.' || quote_ident(settings.direction_column), 'NULL'),
    coalesce('c.' || quote_ident(settings.status_column), 'NULL'),
    coalesce('c.' || quote_ident(settings.payload_column), 'NULL::jsonb')),
    ARRAY[starts::text, ends::text, width::text, _callhardening.status_words(settings.transitions)::text])
    AS q (at timestamptz, direction text, status text, calls_in_bin bigint, payloads bigint, bytes bigint,
        largest int, records bigint, dropped bigint, masked bigint, truncated bigint, shed bigint)
$$;

COMMENT ON FUNCTION _callhardening.binned_calls(regclass, _callhardening.settings, name, float8, timestamptz,
    timestamptz, interval) IS
'counts the rows of a table of calls by the time of their beginning (NULL: not after starts, or not known), direction '
'and status (other: another word), and their payloads: bytes as stored, and what the records of those up to 2000 bytes '
'say. A NULL column of the settings is not read';

CREATE FUNCTION _callhardening.report_stored(settings _callhardening.settings, payloads numeric, bytes numeric,
        largest int, counts numeric[])
    RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- Without a row or a record the sums are NULL, and nothing was stored or dropped.
SELECT CASE WHEN settings.payload_column IS NOT NULL THEN jsonb_build_object('payloads', coalesce(payloads, 0),
    'bytes', coalesce(bytes, 0), 'largest', largest, 'records', coalesce(counts[1], 0),
    'dropped', coalesce(counts[2], 0), 'masked', coalesce(counts[3], 0), 'truncated', coalesce(counts[4], 0),
    'shed', coalesce(counts[5], 0)) END
$$;

COMMENT ON FUNCTION _callhardening.report_stored(_callhardening.settings, numeric, numeric, int, numeric[]) IS
'a part of call_report: the payloads of a table of calls as they are stored; NULL: there is no such column';

CREATE FUNCTION _callhardening.report_calls(calls regclass, since interval, exact boolean) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings _callhardening.settings := @extschema@.call_settings(calls);
    present _callhardening.settings := _callhardening.present_columns(calls, settings);
    time_columns name[] := _callhardening.report_time_columns(calls);
    time_column name;
    percentage float8 := _callhardening.sample_percentage(calls, exact);
    factor numeric := coalesce(100 / percentage::numeric, 1);
    width interval := CASE WHEN since <= interval '8 days' THEN interval '1 hour'
        ELSE _callhardening.report_width(since) END;
    newest record;
BEGIN
    IF settings.status_column IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is not hardened', calls);
    END IF;
    FOREACH time_column IN ARRAY time_columns LOOP
        SELECT * INTO newest FROM _callhardening.newest_call(calls, time_column, percentage);
        EXIT WHEN newest.newest IS NOT NULL;
        time_column := time_columns[1];
    END LOOP;
    RETURN (
        SELECT jsonb_build_object('time_column', time_column, 'width', extract(epoch FROM width), 'newest',
            newest.newest, 'rows_read', newest.rows_read, 'percentage', percentage, 'calls',
            coalesce(round(sum(b.calls_in_bin) * factor), 0), 'bins', coalesce(jsonb_agg(jsonb_build_object(
                'at', b.at, 'direction', b.direction, 'status', b.status, 'calls', round(b.calls_in_bin * factor))
                ORDER BY b.at, b.direction, b.status), '[]'),
            'stored', _callhardening.report_stored(present, round(sum(b.payloads) * factor),
                round(sum(b.bytes) * factor), max(b.largest), ARRAY[round(sum(b.records) * factor),
                    round(sum(b.dropped) * factor), round(sum(b.masked) * factor), round(sum(b.truncated) * factor),
                    round(sum(b.shed) * factor)]))
        FROM _callhardening.binned_calls(calls, present, time_column, percentage, newest.newest - since,
            newest.newest, width) AS b);
END
$$;

COMMENT ON FUNCTION _callhardening.report_calls(regclass, interval, boolean) IS
'a part of call_report: the calls of a table by hour, direction and status, over this time up to the newest call. The '
'bin without at has all other calls';

CREATE FUNCTION _callhardening.report_health(calls regclass, exact boolean) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
-- These two may quote a word of a row, or the error of a worker.
SELECT jsonb_agg(jsonb_build_object('figure', h.figure, 'value', h.value, 'unit', h.unit, 'level', h.level, 'why',
    CASE WHEN h.figure NOT IN ('directions', 'missing_workers') THEN h.why END))
FROM @extschema@.call_health(calls, exact) AS h
$$;

COMMENT ON FUNCTION _callhardening.report_health(regclass, boolean) IS 'a part of call_report: the rows of call_health';

-- what went wrong --------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.report_issues(starts timestamptz, ends timestamptz, width interval) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH recent AS MATERIALIZED (
    SELECT i.*, date_bin(width, i.happened_at, date_trunc('day', ends)) AS at
    FROM @extschema@.call_issues AS i WHERE i.happened_at >= starts
), providers AS MATERIALIZED (
    SELECT t.relation::text AS table_name, nullif(t.settings[7], '') AS provider
    FROM _callhardening.hardened_tables() AS t
), words AS (
    SELECT p.provider, _callhardening.shown_client(r.application_name) AS client, r.kind,
        _callhardening.shown_word(r.new_value) AS word, sum(r.occurrences) AS occurrences, max(r.happened_at) AS last
    FROM recent AS r LEFT JOIN providers AS p ON p.table_name = r.table_name
    WHERE r.kind LIKE 'unknown%' GROUP BY 1, 2, 3, 4
), steps AS (
    SELECT r.table_name, _callhardening.shown_client(r.application_name) AS client,
        _callhardening.shown_word(r.old_value) AS old, _callhardening.shown_word(r.new_value) AS new,
        sum(r.occurrences) AS occurrences, max(r.happened_at) AS last
    FROM recent AS r WHERE r.kind = 'refused_status' GROUP BY 1, 2, 3, 4
)
SELECT jsonb_build_object('oldest', (SELECT min(i.happened_at) FROM @extschema@.call_issues AS i), 'bins', (
        SELECT coalesce(jsonb_agg(to_jsonb(b) ORDER BY b.at, b.kind), '[]') FROM (
            SELECT r.at, r.kind, sum(r.occurrences) AS occurrences FROM recent AS r GROUP BY 1, 2) AS b),
    'words', (SELECT coalesce(jsonb_agg(to_jsonb(w) ORDER BY w.occurrences DESC, w.word), '[]') FROM (
        SELECT * FROM words ORDER BY occurrences DESC, word LIMIT 50) AS w),
    'more_words', (SELECT greatest(count(*) - 50, 0) FROM words),
    'steps', (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.occurrences DESC, s.new, s.old), '[]') FROM (
        SELECT * FROM steps ORDER BY occurrences DESC, new, old LIMIT 20) AS s),
    'more_steps', (SELECT greatest(count(*) - 20, 0) FROM steps))
$$;

COMMENT ON FUNCTION _callhardening.report_issues(timestamptz, timestamptz, interval) IS
'a part of call_report: call_issues over time, unknown words by provider and client, and refused steps by client';

-- The text of an error may quote a body, so events are counted by what they failed of. A monitor has no text at all.
CREATE FUNCTION _callhardening.failure_cause(lane int, attempt jsonb, sqlstate text, error text, lock_waits int,
        OUT cause text, OUT detail text)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN lane < 0 THEN 'no call' WHEN lock_waits > 0 THEN 'locked row' WHEN sqlstate IS NOT NULL THEN 'error'
        WHEN error = 'the lease expired before the claim was completed' THEN 'lost worker'
        WHEN error IS NOT NULL THEN 'client' WHEN attempt IS NULL THEN 'not tried' ELSE 'client or lost worker' END,
    CASE WHEN lane < 0 THEN _callhardening.why_no_lane(lane) ELSE sqlstate END
$$;

COMMENT ON FUNCTION _callhardening.failure_cause(int, jsonb, text, text, int) IS
'why an event is retrying or dead: no call (detail: why it has no lane), locked row, error (detail: the SQLSTATE), '
'lost worker, client (it called fail_call_event), client or lost worker (the caller may not see which), not tried (it '
'waits behind another event). attempt: the last one; NULL: there was none';

CREATE FUNCTION _callhardening.report_failures(starts timestamptz, ends timestamptz, width interval) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH failures AS MATERIALIZED (
    SELECT 'dead' AS state, d.log_id, d.consumer, d.died_at AS since, NULL::timestamptz AS due_at, c.*
    FROM @extschema@.call_dead_events AS d
    CROSS JOIN LATERAL _callhardening.failure_cause(d.lane, coalesce(d.errors -> -1, 'true'), d.sqlstate, d.error, 0)
        AS c
    UNION ALL
    SELECT CASE WHEN r.due_at IS NULL THEN 'blocked' ELSE 'retrying' END, r.log_id, r.consumer, r.waiting_since,
        r.due_at, c.*
    FROM @extschema@.call_retrying_events AS r
    CROSS JOIN LATERAL _callhardening.failure_cause(r.lane, r.errors -> -1, r.errors -> -1 ->> 'sqlstate',
        r.errors -> -1 ->> 'error', r.lock_waits) AS c
), causes AS (
    SELECT l.events AS log, f.consumer, f.state, f.cause, f.detail, count(*) AS events, min(f.since) AS first,
        max(f.since) AS last, min(f.due_at) AS due_at
    FROM failures AS f JOIN @extschema@.call_event_logs AS l ON l.log_id = f.log_id GROUP BY 1, 2, 3, 4, 5
)
SELECT jsonb_build_object('causes', (
        SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.state <> 'dead', c.events DESC, c.log::text, c.consumer,
            c.cause, c.detail), '[]') FROM causes AS c),
    'bins', (SELECT coalesce(jsonb_agg(to_jsonb(b) ORDER BY b.at), '[]') FROM (
        SELECT date_bin(width, f.since, date_trunc('day', ends)) AS at, count(*) AS dead
        FROM failures AS f WHERE f.state = 'dead' AND f.since >= starts GROUP BY 1) AS b))
$$;

COMMENT ON FUNCTION _callhardening.report_failures(timestamptz, timestamptz, interval) IS
'a part of call_report: dead, retrying and blocked events by cause, and dead ones by the time of their death';

CREATE FUNCTION _callhardening.report_gaps() RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(jsonb_agg(to_jsonb(e)), '[]') FROM @extschema@.call_enforcement AS e
$$;

COMMENT ON FUNCTION _callhardening.report_gaps() IS 'a part of call_report: the rows of call_enforcement';

-- the life of one call ---------------------------------------------------------------------------

CREATE FUNCTION _callhardening.telling_call(OUT log_id int, OUT consumer name, OUT call_id text, OUT kind text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT * FROM (
    (SELECT d.log_id, d.consumer, d.call_id, 'dead' FROM @extschema@.call_dead_events AS d
     WHERE d.call_id !~ '^\(' AND d.lane >= 0 ORDER BY d.died_at DESC LIMIT 1)
    UNION ALL
    (SELECT r.log_id, r.consumer, r.call_id, 'retrying' FROM @extschema@.call_retrying_events AS r
     WHERE r.due_at IS NOT NULL AND r.call_id !~ '^\(' ORDER BY r.waiting_since LIMIT 1)
    UNION ALL
    (SELECT l.log_id, 'default', i.call_id, 'refused' FROM @extschema@.call_issues AS i
     JOIN @extschema@.call_event_logs AS l ON l.calls::text = i.table_name AND NOT l.is_of_changes
     WHERE i.kind = 'refused_status' AND i.event_seq IS NOT NULL AND i.call_id !~ '^\(' ORDER BY i.happened_at DESC
     LIMIT 1)) AS c (log_id, consumer, call_id, kind)
LIMIT 1
$$;

COMMENT ON FUNCTION _callhardening.telling_call() IS
'the call that the report shows if none is named: the last one with a dead event, else the first one with a retrying '
'event, else the last one with a refused status; NULL: there is none';

CREATE FUNCTION _callhardening.report_steps(log_id int, consumer name, call_id text) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT jsonb_agg(jsonb_build_object('type', _callhardening.shown_word(t.event_type), 'received_at', t.received_at,
    'state', t.state, 'attempts', t.attempts, 'claimed_at', t.claimed_at, 'worker',
    _callhardening.shown_client(t.worker), 'settled_at', t.settled_at, 'settled_after',
    extract(epoch FROM t.settled_after), 'sqlstate', substring(t.reason FROM '^([0-9A-Z]{5})(?:: |$)'), 'old',
    _callhardening.shown_word(r.words[1]), 'new', _callhardening.shown_word(r.words[2])) ORDER BY t.event_seq)
FROM @extschema@.call_event_logs AS l
CROSS JOIN LATERAL @extschema@.call_timeline(report_steps.call_id, l.events, report_steps.consumer) AS t
CROSS JOIN LATERAL regexp_match(CASE t.state WHEN 'refused' THEN t.reason END, '^refused_status: (.*) -> (.*)$')
    AS r (words)
WHERE l.log_id = report_steps.log_id
$$;

COMMENT ON FUNCTION _callhardening.report_steps(int, name, text) IS
'a part of call_report: the rows of call_timeline without the texts of errors; NULL: the log has no event of the call';

CREATE FUNCTION _callhardening.report_call(call_id text) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    telling record;
    log _callhardening.logs;
    steps jsonb;
BEGIN
    IF call_id IS NULL THEN
        SELECT * INTO telling FROM _callhardening.telling_call();
        RETURN (SELECT jsonb_build_object('log', l.events, 'consumer', telling.consumer, 'kind', telling.kind,
                'events', _callhardening.report_steps(telling.log_id, telling.consumer, telling.call_id))
            FROM _callhardening.logs AS l WHERE l.log_id = telling.log_id);
    END IF;
    FOR log IN SELECT * FROM _callhardening.logs AS l
        WHERE NOT l.is_of_changes AND has_any_column_privilege(l.events::oid, 'SELECT') ORDER BY l.log_id
    LOOP
        steps := _callhardening.report_steps(log.log_id, 'default', call_id);
        EXIT WHEN steps IS NOT NULL;
    END LOOP;
    RETURN jsonb_build_object('kind', 'named', 'call_id', call_id, 'log', CASE WHEN steps IS NOT NULL THEN log.events
        END, 'consumer', 'default', 'events', coalesce(steps, '[]'));
END
$$;

COMMENT ON FUNCTION _callhardening.report_call(text) IS
'a part of call_report: the events of a call in the first log that has it. call_id: NULL is that of telling_call, which'
' is not shown';

-- all of it --------------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.count_rows(part text, relation regclass, extent jsonb, starts timestamptz,
        ends timestamptz, width interval, exact boolean)
    RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log _callhardening.logs;
BEGIN
    SELECT * INTO log FROM _callhardening.logs AS l WHERE l.events = relation;
    RETURN CASE part
        WHEN 'extent' THEN _callhardening.log_extent(log, starts, exact)
        WHEN 'events' THEN _callhardening.report_events(log, extent, starts, ends, width)
        WHEN 'bodies' THEN _callhardening.report_bodies(log, extent)
        WHEN 'calls' THEN _callhardening.report_calls(relation, ends - starts, exact) END;
EXCEPTION WHEN OTHERS THEN
    RETURN jsonb_build_object('unknown', SQLSTATE);
END
$$;
REVOKE EXECUTE ON FUNCTION
    _callhardening.count_rows(text, regclass, jsonb, timestamptz, timestamptz, interval, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'count_rows'), ('monitor', 'count_rows');

COMMENT ON FUNCTION _callhardening.count_rows(text, regclass, jsonb, timestamptz, timestamptz, interval, boolean) IS
'a part of call_report that reads events or calls: extent, events or bodies of a log, or calls of a hardened table. '
'extent: the first one of these. If it cannot be read: {"unknown": SQLSTATE}';

CREATE FUNCTION _callhardening.report_part(part text, relation regclass, starts timestamptz, ends timestamptz,
        width interval, exact boolean, call_id text)
    RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN CASE part
        WHEN 'consumers' THEN _callhardening.report_consumers(relation)
        WHEN 'counts' THEN _callhardening.report_counts(relation)
        WHEN 'health' THEN _callhardening.report_health(relation, exact)
        WHEN 'issues' THEN _callhardening.report_issues(starts, ends, width)
        WHEN 'failures' THEN _callhardening.report_failures(starts, ends, width)
        WHEN 'enforcement' THEN _callhardening.report_gaps()
        WHEN 'call' THEN _callhardening.report_call(call_id) END;
EXCEPTION WHEN OTHERS THEN
    RETURN jsonb_build_object('unknown', SQLSTATE);
END
$$;

COMMENT ON FUNCTION
    _callhardening.report_part(text, regclass, timestamptz, timestamptz, interval, boolean, text) IS
'a part of call_report that reads views, with the rights of the caller. If it cannot be read: {"unknown": SQLSTATE}';

CREATE FUNCTION _callhardening.report_beginning(extents jsonb, starts timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(min(f.first), starts) FROM (
    SELECT (e.value ->> 'first')::timestamptz FROM jsonb_each(extents) AS e
    UNION ALL SELECT min(i.happened_at) FROM @extschema@.call_issues AS i WHERE i.happened_at >= starts
    UNION ALL SELECT min(d.died_at) FROM @extschema@.call_dead_events AS d WHERE d.died_at >= starts) AS f (first)
$$;

COMMENT ON FUNCTION _callhardening.report_beginning(jsonb, timestamptz) IS
'where the time axis of a report begins: at its first event, issue or dead event since starts, else at starts. extents:'
' log_extent of each log';

CREATE FUNCTION _callhardening.report_logs(extents jsonb, starts timestamptz, ends timestamptz, width interval)
    RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(jsonb_agg(jsonb_build_object('log', l.events, 'calls', CASE WHEN l.calls <> 0 THEN l.calls END,
    'provider', l.provider, 'is_default', l.is_default IS TRUE, 'is_of_changes', l.is_of_changes,
    'counts', _callhardening.report_part('counts', l.events, starts, ends, width, false, NULL),
    'consumers', _callhardening.report_part('consumers', l.events, starts, ends, width, false, NULL),
    'events', CASE WHEN e.extent ? 'unknown' THEN e.extent
        ELSE _callhardening.count_rows('events', l.events, e.extent, starts, ends, width, false) END,
    'bodies', CASE WHEN l.is_of_changes THEN NULL WHEN e.extent ? 'unknown' THEN e.extent
        ELSE _callhardening.count_rows('bodies', l.events, e.extent, starts, ends, width, false) END)
    ORDER BY l.log_id), '[]')
FROM _callhardening.logs AS l JOIN jsonb_each(extents) AS e (log_id, extent) ON e.log_id = l.log_id::text
$$;

COMMENT ON FUNCTION _callhardening.report_logs(jsonb, timestamptz, timestamptz, interval) IS
'a part of call_report: each event log. extents: as in report_beginning';

CREATE FUNCTION _callhardening.report_tables(starts timestamptz, ends timestamptz, exact boolean) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(jsonb_agg(jsonb_build_object('table', t.root, 'provider', t.provider,
    'calls', _callhardening.count_rows('calls', t.root, NULL, starts, ends, NULL, exact),
    'health', _callhardening.report_part('health', t.root, starts, ends, NULL, exact, NULL))
    ORDER BY t.root::text), '[]')
FROM (SELECT h.root, min(nullif(h.settings[7], '')) AS provider FROM _callhardening.hardened_tables() AS h
      GROUP BY h.root) AS t
$$;

COMMENT ON FUNCTION _callhardening.report_tables(timestamptz, timestamptz, boolean) IS
'a part of call_report: each hardened table';

CREATE FUNCTION @extschema@.call_report(since interval DEFAULT '7 days', call_id text DEFAULT NULL,
        exact boolean DEFAULT false)
    RETURNS jsonb
    LANGUAGE plpgsql
    -- The queries are small, and compiling them would take longer than they do. A locked table has the SQLSTATE 55P03.
    -- Times are arguments as text: other styles than ISO have names of zones, and read some as another zone.
    SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s' SET datestyle = 'ISO'
    AS $$
DECLARE
    ends timestamptz := clock_timestamp();
    starts timestamptz := ends - since;
    extents jsonb;
    begins timestamptz;
    width interval;
BEGIN
    IF since IS NULL OR exact IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'since and exact must not be NULL';
    ELSIF starts >= ends THEN
        RAISE invalid_parameter_value USING MESSAGE = 'since must be longer than 0';
    END IF;
    extents := (SELECT coalesce(jsonb_object_agg(l.log_id, _callhardening.count_rows('extent', l.events, NULL, starts,
            ends, NULL, exact)), '{}')
        FROM _callhardening.logs AS l WHERE has_any_column_privilege(l.events::oid, 'SELECT'));
    begins := _callhardening.report_beginning(extents, starts);
    width := _callhardening.report_width(ends - begins);
    RETURN jsonb_build_object('version', (SELECT e.extversion FROM pg_extension AS e
            WHERE e.extname = 'callhardening'), 'server', current_setting('server_version'),
        'database', current_database(), 'time_zone', current_setting('TimeZone'), 'made_at', ends, 'starts', starts,
        'axis', jsonb_build_object('begins', date_bin(width, begins, date_trunc('day', ends)), 'ends', ends,
            'width', extract(epoch FROM width)),
        'shows_words', has_table_privilege('_callhardening.quoted_bodies'::regclass, 'SELECT'),
        'logs', _callhardening.report_logs(extents, starts, ends, width),
        'tables', _callhardening.report_tables(starts, ends, exact))
        || (SELECT jsonb_object_agg(p.part, _callhardening.report_part(p.part, NULL, starts, ends, width, exact,
                call_report.call_id))
            FROM unnest(ARRAY['issues', 'failures', 'enforcement', 'call']) AS p (part))
        || jsonb_build_object('seconds', round(extract(epoch FROM clock_timestamp() - ends), 3));
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_report(interval, text, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'call_report'), ('monitor', 'call_report');

COMMENT ON FUNCTION @extschema@.call_report(interval, text, boolean) IS
'Returns the figures of the report as one document: event logs, tables of calls, issues, dead and
retrying events, gaps in enforcement, and the life of one call.

It has no body, no text of an error, and no call id but call_id. Words of clients are shown if they
look like words, have at most 3 digits, and hold nothing that the sanitizer finds; to a caller with
the task monitor alone only the statuses of the default graph. Logs without SELECT on a column for
the caller are left out. A part that cannot be read is {"unknown": SQLSTATE}, after a second also if
its table is locked (55P03). NULL: not known, never 0. percentage: how much of a log or table was
read; the numbers are estimates then.
- since: how far back events, issues and dead events are counted, and how far back from the newest
  call the calls are
- call_id: shows the events of this call, as the log has it; NULL: those of the last call with a dead
  event, else of one with a retrying event, else of one with a refused status, without its id
- exact: false reads a random 64 MB of each log and table above 256 MB, true reads all
Errors:
- 22004: since or exact is NULL
- 22008: since goes back beyond all times
- 22023: since is not longer than 0';

-- the self-test --------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_library_version() RETURNS text
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_call_library_version';
REVOKE EXECUTE ON FUNCTION @extschema@.call_library_version() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'call_library_version'), ('monitor', 'call_library_version');

COMMENT ON FUNCTION @extschema@.call_library_version() IS
'Returns the version of the library in this session, as in "0.1.0". After an upgrade it is the
old one until the session ends.';

-- Each check is a query for what is wrong, or NULL.
CREATE FUNCTION _callhardening.answer_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('library_version', $check$
    SELECT format('the library is version %s, the extension %s: end the session, or update the extension',
        v.version, e.extversion)
    FROM @extschema@.call_library_version() AS v (version), pg_extension e
    WHERE e.extname = 'callhardening' AND v.version <> e.extversion
$check$, 'library and extension have the same version'),
('functions_present', $check$
    -- ALTER EXTENSION can take a member out and put another object in.
    SELECT string_agg(format('%s: %s', CASE WHEN m.object IS NULL THEN 'missing' ELSE 'not installed' END,
        coalesce(m.object, i.object)), ', ' ORDER BY coalesce(m.object, i.object))
    FROM (SELECT object FROM _callhardening.installed_members WHERE kind = 'function') AS i
    FULL JOIN (SELECT object FROM _callhardening.members() WHERE kind = 'function') AS m ON m.object = i.object
    WHERE m.object IS NULL OR i.object IS NULL
$check$, 'the extension has the functions that were installed, and no other'),
('direction', $check$
    SELECT string_agg(format('"%s" is %s', word,
        coalesce(@extschema@.normalize_call_direction(word, NULL::text), 'NULL')), ', ' ORDER BY word)
    FROM (VALUES ('Incoming', 'inbound'), ('IN', 'inbound'), ('out-bound', 'outbound'), (' outgoing ', 'outbound'),
        ('', NULL)) AS k (word, answer)
    WHERE @extschema@.normalize_call_direction(word, NULL::text) IS DISTINCT FROM answer
$check$, 'known answers'),
('status', $check$
    SELECT string_agg(format('"%s" is %s', word,
        coalesce(@extschema@.normalize_call_status(word, 'dialpad'::text), 'NULL')), ', ' ORDER BY word)
    FROM (VALUES ('hangup', 'ended'), ('Connected', 'active'), ('ringing', 'ringing'), ('voicemail', 'voicemail'),
        ('recording', NULL)) AS k (word, answer)
    WHERE @extschema@.normalize_call_status(word, 'dialpad'::text) IS DISTINCT FROM answer
$check$, 'known answers'),
('transitions', $check$
    WITH steps AS (SELECT current_status AS a, next_status AS b FROM @extschema@.call_status_transitions(NULL::jsonb)),
        statuses (status) AS (SELECT a FROM steps UNION SELECT b FROM steps),
        known (a, b, answer) AS (VALUES ('ringing', 'active', true), ('active', 'ended', true),
            ('active', 'ringing', false), ('ended', 'ringing', false), ('ended', 'active', false),
            ('missed', 'active', false), ('ended', 'ended', true))
    SELECT string_agg(format('"%s" to "%s"', a, b), ', ' ORDER BY a, b)
    FROM (SELECT k.a, k.b, k.answer FROM known AS k
          UNION SELECT x.status, y.status, x.status = y.status
              OR EXISTS (SELECT FROM steps AS s WHERE s.a = x.status AND s.b = y.status)
          FROM statuses AS x, statuses AS y) AS expected
    WHERE @extschema@.is_valid_status_transition(a, b, NULL::jsonb) IS DISTINCT FROM answer
$check$, 'known answers, and all pairs of statuses'),
('sanitizer', $check$
    SELECT 'a secret, a bulky text or the call id is not treated as it should be: '
        || octet_length(d.done::text) || ' bytes'
    FROM (SELECT @extschema@.sanitize_call_payload(format('{"call_id": 9007199254740993, "password": "hunter2-%s", '
            '"transcription_text": "%s"}', 'secret', repeat('word ', 4000)), NULL::jsonb) AS done) AS d
    WHERE d.done->>'call_id' IS DISTINCT FROM '9007199254740993' OR d.done::text LIKE '%hunter2%'
        OR octet_length(d.done::text) > 8192
$check$, 'secrets go, ids stay, within the size')
$$;

COMMENT ON FUNCTION _callhardening.answer_checks() IS
'checks of check_call_hardening: whether the functions are there and give known answers';

CREATE FUNCTION _callhardening.member_oids(catalog regclass) RETURNS SETOF oid
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT d.objid FROM pg_depend d
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'callhardening'
WHERE d.classid = catalog AND d.deptype = 'e'
$$;

COMMENT ON FUNCTION _callhardening.member_oids(regclass) IS
'the members of the extension in a catalog, as pg_class';

CREATE FUNCTION _callhardening.catalog_layouts() RETURNS TABLE (name text, columns text)
    LANGUAGE c STABLE ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_catalog_layouts';

COMMENT ON FUNCTION _callhardening.catalog_layouts() IS
'the tables the library reads and writes by the number of a column, and the columns expected there';

CREATE FUNCTION _callhardening.table_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('encoding', $check$
    SELECT format('the database is in %s', pg_encoding_to_char(encoding)) FROM pg_database
    WHERE datname = current_database() AND pg_encoding_to_char(encoding) <> 'UTF8'
$check$, 'UTF8'),
('bookkeeping_tables', $check$
    -- As the library reads and writes them, by number.
    SELECT string_agg(format('%s has %s', k.name, coalesce(a.columns, 'no columns')), '; ' ORDER BY k.name)
    FROM (
        SELECT * FROM _callhardening.catalog_layouts()
        -- These are read by the names of columns.
        UNION ALL VALUES ('event_secrets',
                'log_id integer, name name, secret bytea, is_public boolean, created_at timestamp with time zone'),
            ('event_signatures', 'log_id integer, scheme jsonb'),
            ('pseudonym_keys',
                'key_number bigint, key_id text, secret bytea, created_at timestamp with time zone'))
            AS k (name, columns)
    LEFT JOIN LATERAL (
        SELECT string_agg(
                CASE WHEN a.attisdropped THEN 'a dropped column'
                    ELSE a.attname || ' ' || format_type(a.atttypid, a.atttypmod) END, ', ' ORDER BY a.attnum)
            || CASE
                WHEN c.relkind <> 'r' THEN ', and is no table'
                WHEN c.relpersistence <> 'p' THEN ', and is not permanent'
                WHEN c.relrowsecurity THEN ', and row-level security'
                WHEN m.amname <> 'heap' THEN ', and the access method ' || m.amname
                ELSE '' END AS columns
        FROM pg_class c LEFT JOIN pg_am m ON m.oid = c.relam JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = '_callhardening'::regnamespace AND c.relname = k.name
        GROUP BY c.oid, c.relkind, c.relpersistence, c.relrowsecurity, m.amname) AS a ON true
    WHERE a.columns IS DISTINCT FROM k.columns
$check$, 'columns as the library expects them'),
('bookkeeping_indexes', $check$
    -- Rows are written without a look at expressions and conditions.
    SELECT string_agg(problem, ', ' ORDER BY problem)
    FROM (
        SELECT 'missing: ' || k.name AS problem FROM unnest('{claims_pkey,dead_events_pkey,event_secrets_pkey,
            event_signatures_pkey,
            lanes_pkey,logs_pkey,logs_events_key,logs_is_default_key,retrying_events_pkey,purge_leftovers_pkey,
            purges_pkey,kept_workers_pkey,
            idx_issues_happened_at,idx_retrying_events_due}'::name[]) AS k (name)
        WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
            WHERE c.relnamespace = '_callhardening'::regnamespace AND c.relname = k.name AND i.indisvalid
                AND 0 = ALL (i.indoption::int2[])) -- ascending
        UNION ALL
        SELECT 'with an expression or condition: ' || i.indexrelid::regclass FROM pg_index i
        WHERE i.indrelid IN (SELECT _callhardening.member_oids('pg_class'::regclass))
            AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)) AS p
$check$, 'there, valid, and without conditions'),
('event_triggers', $check$
    SELECT string_agg(problem, ', ' ORDER BY problem)
    FROM (
        SELECT format('event trigger %I does not fire', t.evtname) AS problem FROM pg_event_trigger t
        WHERE t.oid IN (SELECT _callhardening.member_oids('pg_event_trigger'::regclass)) AND t.evtenabled IN ('D', 'R')
        UNION ALL
        SELECT format('event trigger %s is gone', k.name)
        FROM unnest('{forget_dropped_call_event_logs,keep_call_schema}'::name[]) AS k (name) WHERE NOT EXISTS (
            SELECT FROM pg_event_trigger t
            JOIN pg_proc p ON p.oid = t.evtfoid AND p.pronamespace = '_callhardening'::regnamespace
            WHERE p.proname = k.name)
        UNION ALL
        -- pg_restore --disable-triggers enables them again as ordinary ones.
        SELECT CASE WHEN t.tgname IS NULL THEN format('trigger %s is gone', k.name)
                    ELSE format('trigger %s does not fire always: ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', k.name,
                        t.tgrelid::regclass, t.tgname) END
        FROM (VALUES ('mark_restored_log', 'logs'), ('follow_log', 'logs'), ('skip_restored_claim', 'claims'),
            ('forget_restored_event_xid', 'retrying_events'), ('locate_role_task', 'role_tasks'),
            ('refuse_kept_worker', 'kept_workers')) AS k (name, of)
        LEFT JOIN (pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid)
            ON c.relnamespace = '_callhardening'::regnamespace AND c.relname = k.of AND p.proname = k.name
        WHERE t.tgenabled IS DISTINCT FROM 'A') AS p
$check$, 'they fire')
$$;

COMMENT ON FUNCTION _callhardening.table_checks() IS
'checks of check_call_hardening: whether tables, indexes and triggers are as the library needs them';

CREATE FUNCTION _callhardening.rights_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('public_functions', $check$
    SELECT 'anybody may call ' || string_agg(m.object, ', ' ORDER BY m.object)
    FROM _callhardening.members() AS m
    LEFT JOIN _callhardening.installed_members AS i ON i.kind = m.kind AND i.object = m.object
    WHERE m.is_public AND i.is_public IS NOT TRUE
$check$, 'anybody may call no more functions than after the installation'),
('public_tables', $check$
    SELECT 'anybody has ' || string_agg(format('%s on %s', a.privilege_type, c.oid::regclass), ', '
        ORDER BY c.relname, a.privilege_type)
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    WHERE c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass)) AND a.grantee = 0
        AND (c.relname NOT IN ('call_event_logs', 'logs') OR a.privilege_type <> 'SELECT')
$check$, 'anybody may read call_event_logs, and nothing else'),
('own_schema', $check$
    SELECT string_agg(p.problem, ', ' ORDER BY p.problem)
    FROM pg_namespace n JOIN pg_extension e ON e.extname = 'callhardening' CROSS JOIN LATERAL (
        SELECT format('its owner is not %s, the owner of the extension', e.extowner::regrole)
        WHERE n.nspowner <> e.extowner
        UNION ALL
        SELECT format('%s may %s', CASE a.grantee WHEN 0 THEN 'anybody' ELSE a.grantee::regrole::text END,
            CASE a.privilege_type WHEN 'CREATE' THEN 'create in it' ELSE 'use it' END)
        FROM aclexplode(n.nspacl) AS a
        WHERE a.grantee <> n.nspowner AND (a.privilege_type = 'CREATE' OR a.grantee = 0)) AS p (problem)
    WHERE n.nspname = '_callhardening'
$check$, 'only its owner creates in it'),
('secrets', $check$
    SELECT string_agg(DISTINCT format('%I may read or write %s', r.rolname, c.oid::regclass), ', ')
    FROM pg_class c
    JOIN pg_roles r ON NOT r.rolsuper AND r.oid <> c.relowner AND r.oid >= 16384
    -- A backup role with pg_read_all_data may read keys and secrets. It may not write them.
    CROSS JOIN LATERAL (SELECT CASE WHEN pg_has_role(r.oid, 'pg_read_all_data', 'USAGE') THEN ''
        ELSE 'SELECT, ' END) AS m (reading)
    WHERE c.relnamespace = '_callhardening'::regnamespace AND c.relname IN ('pseudonym_keys', 'event_secrets')
        AND (has_table_privilege(r.oid, c.oid, m.reading || 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
        OR has_any_column_privilege(r.oid, c.oid, m.reading || 'INSERT, UPDATE'))
$check$, 'only owner, superusers and pg_read_all_data read keys and secrets'),
('search_paths', $check$
    SELECT 'the search_path of the caller applies in '
        || string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.proname)
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.oid IN (SELECT _callhardening.member_oids('pg_proc'::regclass))
      AND (p.prosecdef OR l.lanname IN ('sql', 'plpgsql'))
      AND p.prokind <> 'p' -- a procedure that commits cannot pin it
      AND p.proname <> 'repair_rows' -- nor what fires the triggers of a table, which see the caller's
      AND NOT coalesce(p.proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
$check$, 'pinned')
$$;

COMMENT ON FUNCTION _callhardening.rights_checks() IS
'checks of check_call_hardening: whether other roles have no more rights than after the installation';

CREATE FUNCTION _callhardening.member_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('views_present', $check$
    -- ALTER EXTENSION can take a member out and put another object in.
    SELECT string_agg(format('%s: %s', CASE WHEN m.object IS NULL THEN 'missing' ELSE 'not installed' END,
        coalesce(m.object, i.object)), ', ' ORDER BY coalesce(m.object, i.object))
    FROM (SELECT object FROM _callhardening.installed_members WHERE kind = 'view') AS i
    FULL JOIN (SELECT object FROM _callhardening.members() WHERE kind = 'view') AS m ON m.object = i.object
    WHERE m.object IS NULL OR i.object IS NULL
$check$, 'the extension has the views that were installed, and no other'),
('owners', $check$
    SELECT format('not owned by %I, the owner of the extension: ', e.extowner::regrole)
        || string_agg(x.object, ', ' ORDER BY x.object)
    FROM pg_extension e JOIN (
        SELECT p.proowner AS owner, p.oid::regprocedure::text AS object FROM pg_proc p
        WHERE p.oid IN (SELECT _callhardening.member_oids('pg_proc'::regclass))
        UNION ALL
        SELECT c.relowner, c.oid::regclass::text FROM pg_class c
        WHERE c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass))) AS x ON x.owner <> e.extowner
    WHERE e.extname = 'callhardening'
    GROUP BY e.extowner
$check$, 'functions, tables and views are the extension owner''s'),
('owner_rights', $check$
    -- A function with the rights of its owner acts as the owner of the extension for every caller.
    SELECT string_agg(format('%s with the rights of %s', m.object,
        CASE WHEN m.is_definer THEN 'its owner' ELSE 'its caller' END), ', ' ORDER BY m.object)
    FROM _callhardening.members() AS m
    JOIN _callhardening.installed_members AS i ON i.kind = m.kind AND i.object = m.object
    WHERE m.is_definer <> i.is_definer
$check$, 'functions run with the rights of their owner or caller as installed'),
('volatility', $check$
    SELECT string_agg(format('%s is %s', m.object,
        CASE m.volatility WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END), ', '
        ORDER BY m.object)
    FROM _callhardening.members() AS m
    JOIN _callhardening.installed_members AS i ON i.kind = m.kind AND i.object = m.object
    WHERE m.volatility <> i.volatility
$check$, 'functions are immutable, stable or volatile as installed')
$$;

COMMENT ON FUNCTION _callhardening.member_checks() IS
'checks of check_call_hardening: whether the extension''s functions and views are as they were installed';

CREATE FUNCTION _callhardening.overdue_events(log regclass, age interval) RETURNS timestamptz
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    received timestamptz;
BEGIN
    -- A superuser looks at tables of others here: a type of theirs may have casts of their own.
    IF (SELECT count(*) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind = 'r'
            WHERE c.oid = log AND (a.attname, a.atttypid) IN (
            ('event_seq', 'bigint'::regtype), ('received_at', 'timestamptz'::regtype),
            ('received_at', 'timestamp'::regtype))) = 2 THEN
        SELECT r.received INTO received FROM _callhardening.query_as_owner(log,
            format('SELECT received_at::timestamptz FROM %s WHERE event_seq <> ALL (CAST($1 AS bigint[])) '
                'ORDER BY event_seq LIMIT 1', log),
            ARRAY(SELECT d.event_seq::text FROM _callhardening.dead_events AS d
                JOIN _callhardening.consumers AS c ON c.consumer_id = d.consumer_id
                JOIN _callhardening.logs AS l ON l.log_id = c.log_id WHERE l.events = log))
            AS r (received timestamptz);
    END IF;
    RETURN CASE WHEN received < clock_timestamp() - age THEN received END;
END
$$;

COMMENT ON FUNCTION _callhardening.overdue_events(regclass, interval) IS
'receipt of the first living event of a log, if older than age; otherwise NULL. For check_call_hardening';

CREATE FUNCTION _callhardening.running_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('enforcement', $check$
    SELECT format('gaps: %s, see call_enforcement (%s)', count(*), string_agg(DISTINCT gap, ', '))
    FROM @extschema@.call_enforcement WHERE level = 'gap' HAVING count(*) > 0
$check$, 'no gap in any hardened table or event log'),
('lanes', $check$
    SELECT string_agg(format('consumer %s of %s has %s of %s lanes', c.name, l.events, n.count, l.lanes), ', '
        ORDER BY c.consumer_id)
    FROM _callhardening.logs AS l JOIN _callhardening.consumers AS c ON c.log_id = l.log_id
    CROSS JOIN LATERAL (SELECT count(*) FROM _callhardening.lanes AS t
        WHERE t.consumer_id = c.consumer_id AND t.lane >= l.first_lane AND t.lane < l.first_lane + l.lanes) AS n
    WHERE n.count <> l.lanes
$check$, 'each consumer of an event log has its lanes'),
('events', $check$
    SELECT string_agg(CASE WHEN n.strays IS NULL THEN format('%s is locked: its events were not looked at', l.events)
        ELSE format('no worker looks for %s events of %s', n.strays + n.unstamped, l.events) END, ', '
        ORDER BY l.log_id)
    FROM _callhardening.logs AS l JOIN pg_class AS c ON c.oid = l.events AND c.relkind = 'r'
    CROSS JOIN LATERAL (SELECT _callhardening.stray_events(l.events, 9223372036854775807::bigint) AS strays,
        _callhardening.unstamped_events(l.events) AS unstamped) AS n
    WHERE n.strays IS NULL OR n.strays + n.unstamped > 0
$check$, 'workers look into the lane of each pending event'),
('sequences', $check$
    -- Replication, and numbers written by an owner, do not move the sequence.
    SELECT string_agg(format('%s has event %s, and its sequence is behind: SELECT setval(%L, %s)',
        n.events, n.newest, n.sequence, n.newest), ', ' ORDER BY n.log_id)
    FROM (SELECT l.log_id, l.events, coalesce(l.sequence, d.objid)::regclass AS sequence, q.newest
          FROM _callhardening.logs AS l JOIN pg_class AS c ON c.oid = l.events AND c.relkind = 'r'
          JOIN pg_attribute AS a ON a.attrelid = l.events AND a.attname = 'event_seq' AND a.atttypid = 'bigint'::regtype
          LEFT JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
              AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype = 'i'
          CROSS JOIN LATERAL _callhardening.query_as_owner(l.events,
              format('SELECT max(event_seq) FROM ONLY %s', l.events),
              NULL::text[]) AS q (newest bigint)) AS n
    WHERE n.newest > coalesce(pg_sequence_last_value(n.sequence), 0)
$check$, 'none is behind the newest event of its log'),
('consumers', $check$
    SELECT string_agg(CASE WHEN c.error IS NOT NULL THEN format('consumer %s of %s: %s', c.consumer, c.log, c.error)
        ELSE format('consumer %s of %s has not had events of %s', c.consumer, c.log,
            to_char(c.oldest_received_at, 'YYYY-MM-DD')) END, ', ' ORDER BY c.log::text, c.consumer)
    FROM @extschema@.call_consumers AS c WHERE c.error IS NOT NULL OR c.behind > interval '1 day'
$check$, 'none is a day behind'),
('kept_workers', $check$
    SELECT string_agg(format('%s of %s kept workers of %s run: %s', least(w.running, w.kept), w.kept, w.log,
        coalesce(w.why, w.status)), '; ' ORDER BY w.log::text)
    FROM @extschema@.call_worker_status AS w
    WHERE w.kept IS NOT NULL AND w.launcher <> 'standby' AND w.status <> 'copied'
        AND (w.running < w.kept OR w.why IS NOT NULL)
$check$, 'all kept workers run')
$$;

COMMENT ON FUNCTION _callhardening.running_checks() IS
'checks of check_call_hardening: whether what was set up runs as it should';

CREATE FUNCTION _callhardening.upkeep_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('publications', $check$
    SELECT string_agg(problem, ', ' ORDER BY problem)
    FROM (
        SELECT format('publication %I carries %s: publish calls tables and event logs by name', p.pubname,
            string_agg(p.tablename, ', ' ORDER BY p.tablename)) AS problem
        FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
        WHERE c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass))
        GROUP BY p.pubname
        UNION ALL
        SELECT format('a subscription writes to %s', r.srrelid::regclass) FROM pg_subscription_rel r
        WHERE r.srrelid IN (SELECT _callhardening.member_oids('pg_class'::regclass))) AS p
$check$, 'no publication carries secrets, keys or another table of the extension'),
('autovacuum', $check$
    SELECT string_agg(problem, ', ' ORDER BY problem)
    FROM (
        SELECT 'off in the server' AS problem WHERE NOT current_setting('autovacuum')::boolean
        UNION ALL
        SELECT 'off for ' || c.oid::regclass FROM pg_class c CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS o
        WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean AND (
            c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass))
            OR c.oid IN (SELECT h.relation FROM _callhardening.hardened_tables() AS h)
            OR c.oid IN (SELECT l.events FROM _callhardening.logs AS l))
        UNION ALL
        SELECT 'claims waits for a share of its rows' FROM pg_class c
        WHERE c.oid = '_callhardening.claims'::regclass
            AND NOT coalesce(c.reloptions, '{}') @> '{autovacuum_vacuum_scale_factor=0}') AS p
$check$, 'on, and claims is vacuumed by number of rows'),
('purge', $check$
    SELECT string_agg(format('%s has events of %s: %s', l.events, to_char(o.received, 'YYYY-MM-DD'),
        coalesce(k.advice, 'call purge_call_events')), ', ' ORDER BY l.log_id)
    FROM _callhardening.logs AS l
    CROSS JOIN LATERAL _callhardening.overdue_events(l.events, interval '90 days') AS o (received)
    LEFT JOIN LATERAL (SELECT format('consumer %s has not had them, see call_consumers', c.consumer) AS advice
        FROM @extschema@.call_consumers AS c
        WHERE c.log = l.events AND c.holds_purges AND c.behind > interval '90 days' LIMIT 1) AS k ON true
    WHERE o.received IS NOT NULL
$check$, 'no event is older than 90 days'),
('issues', $check$
    -- A file once full is as large when it is empty.
    SELECT CASE WHEN s.is_full THEN 'call_issues is full, and the oldest rows make room: call purge_call_issues'
                ELSE 'call_issues has rows older than 90 days: call purge_call_issues' END
    FROM (SELECT CASE WHEN pg_relation_size('_callhardening.issues') >= 33554432
                      THEN (SELECT sum(pg_column_size(i)) FROM _callhardening.issues AS i) > 16777216
                          ELSE false END AS is_full,
                 (SELECT min(happened_at) FROM _callhardening.issues) AS oldest) AS s
    WHERE s.is_full OR s.oldest < clock_timestamp() - interval '90 days'
$check$, 'purged')
$$;

COMMENT ON FUNCTION _callhardening.upkeep_checks() IS
'checks of check_call_hardening: whether replication, vacuum and purges are set up';

CREATE FUNCTION @extschema@.check_call_hardening() RETURNS TABLE (check_name text, ok boolean, detail text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET quote_all_identifiers = off -- types are compared by their names
    AS $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT * FROM _callhardening.answer_checks()
        UNION ALL SELECT * FROM _callhardening.table_checks()
        UNION ALL SELECT * FROM _callhardening.rights_checks()
        UNION ALL SELECT * FROM _callhardening.member_checks()
        UNION ALL SELECT * FROM _callhardening.running_checks()
        UNION ALL SELECT * FROM _callhardening.upkeep_checks()
    LOOP
        check_name := item.check_name;
        BEGIN
            EXECUTE item.query INTO detail;
            ok := detail IS NULL;
            detail := coalesce(detail, item.passed);
        EXCEPTION WHEN OTHERS THEN
            ok := false;
            detail := format('%s (%s)', SQLERRM, SQLSTATE);
        END;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.check_call_hardening() FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.check_call_hardening() IS
'Tests an installation, for use after an installation, an upgrade or a restore. Call it as a
superuser or as the owner of the extension. It has one row per check. It tests versions, known
answers and the members of the extension. It tests the rights of PUBLIC, keys and secrets. It
tests gaps of call_enforcement, lanes, sequences, publications, autovacuum and purges. It writes
nothing.
- ok: false also if a check cannot run: detail has the error';
-- generate -------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_traffic(calls integer, seed integer DEFAULT 1, provider text DEFAULT 'dialpad')
    RETURNS SETOF text
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100 ROWS 10000
    AS 'MODULE_PATHNAME', 'callhardening_call_traffic';

COMMENT ON FUNCTION @extschema@.call_traffic(integer, integer, text) IS
'Returns the webhook bodies of a made-up company''s calls, as the provider sends them, in the
order of delivery: whole life cycles with bodies delivered twice, late, swapped and not at all.
The same arguments give the same bytes on every build of a version. In a select list the bodies
are made one by one, in FROM all of them first.
- calls: how many call ids, 0 to 10000000
- seed: which traffic, any number
- provider: dialpad, aircall, twilio (forms) or zoom_phone
Errors:
- 22004: an argument is NULL
- 22023: calls out of range, or a provider without made-up traffic';

CREATE FUNCTION @extschema@.call_traffic_calls(calls integer, seed integer DEFAULT 1, provider text DEFAULT 'dialpad',
        OUT call_id text, OUT status text, OUT direction text, OUT started_at timestamptz,
        OUT connected_at timestamptz, OUT ended_at timestamptz, OUT duration_seconds integer)
    RETURNS SETOF record
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100 ROWS 2000
    AS 'MODULE_PATHNAME', 'callhardening_call_traffic_calls';

COMMENT ON FUNCTION @extschema@.call_traffic_calls(integer, integer, text) IS
'Returns the calls of call_traffic(calls, seed, provider), as a receiver of all its bodies must
see them in the end. The rows come from the plan of the calls, not from the bodies. Times are
whole seconds.
- direction: NULL if the provider tells none, or both
- ended_at, duration_seconds: NULL if no delivered body tells them; the duration is what the
  provider counts
Errors:
- those of call_traffic';

-- call_traffic stands in a select list: in FROM all bodies would be written to a temporary file first.
CREATE FUNCTION @extschema@.generate_call_events(calls integer, seed integer DEFAULT 1, log regclass DEFAULT NULL,
        provider text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    sender text := coalesce(provider, (SELECT l.provider FROM @extschema@.call_event_logs AS l
        WHERE CASE WHEN log IS NULL THEN l.is_default ELSE l.events = log END), 'dialpad');
    body text;
    delivered bigint := 0;
BEGIN
    FOR body IN SELECT @extschema@.call_traffic(calls, seed, sender) LOOP
        PERFORM @extschema@.ingest_call_event(body, log, NULL::text, NULL::text, NULL::jsonb);
        delivered := delivered + 1;
    END LOOP;
    RETURN delivered;
END
$$;

REVOKE EXECUTE ON FUNCTION @extschema@.generate_call_events(integer, integer, regclass, text) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.generate_call_events(integer, integer, regclass, text) IS
'Ingests the bodies of call_traffic(calls, seed, provider) in the order of delivery: realistic
test traffic. Returns the number of bodies delivered, redeliveries included.
- log: NULL is the default log
- provider: NULL is the log''s
Errors:
- those of call_traffic and of ingest_call_event';

-- roles ----------------------------------------------------------------------------------------

-- What was granted is remembered with what each grant has added to the rights of the role: no other may be taken back.
-- Roles go by name, as a dump may come where they are not yet. No key: dropped logs leave equal rows.
CREATE TABLE _callhardening.role_tasks (
    role name NOT NULL,
    role_oid oid,
    task text NOT NULL,
    log regclass NOT NULL,
    relation regclass NOT NULL,
    column_name name,
    column_number smallint,
    function text,
    schema name,
    privilege text NOT NULL,
    is_added boolean NOT NULL
);
ALTER TABLE _callhardening.role_tasks REPLICA IDENTITY FULL;
SELECT pg_catalog.pg_extension_config_dump('_callhardening.role_tasks', '');
REVOKE ALL ON _callhardening.role_tasks FROM PUBLIC;

COMMENT ON TABLE _callhardening.role_tasks IS
'the tasks granted to roles by grant_call_role, a row for each privilege: what revoke_call_role goes by';
COMMENT ON COLUMN _callhardening.role_tasks.role_oid IS
'the role in this cluster; NULL: it did not exist when this was restored';
COMMENT ON COLUMN _callhardening.role_tasks.log IS
'the log the task is for; -: none (own, backup, monitor without a log), or it was dropped';
COMMENT ON COLUMN _callhardening.role_tasks.relation IS
'what the privilege is on: this relation, or with - the function or schema';
COMMENT ON COLUMN _callhardening.role_tasks.column_name IS
'the column the privilege is on, with column_number; NULL: on the whole';
COMMENT ON COLUMN _callhardening.role_tasks.is_added IS
'the role did not have the privilege before: it is revoked with the last task in need of it';

CREATE VIEW @extschema@.call_role_tasks AS SELECT DISTINCT t.role, t.task, t.log FROM _callhardening.role_tasks t;
REVOKE ALL ON @extschema@.call_role_tasks FROM PUBLIC;

COMMENT ON VIEW @extschema@.call_role_tasks IS
'The tasks granted to roles by grant_call_role, and for which log.';
COMMENT ON COLUMN @extschema@.call_role_tasks.role IS 'the name of the role';
COMMENT ON COLUMN @extschema@.call_role_tasks.task IS 'as in call_role_grants';
COMMENT ON COLUMN @extschema@.call_role_tasks.log IS
'the log the task is for; -: none (own, backup, monitor without a log), or it was dropped';

CREATE FUNCTION _callhardening.locate_role_task() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    NEW.role_oid := (SELECT oid FROM pg_roles WHERE rolname = NEW.role);
    NEW.column_number := (SELECT attnum FROM pg_attribute
                          WHERE attrelid = NEW.relation AND attname = NEW.column_name AND NOT attisdropped);
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.locate_role_task() FROM PUBLIC;
CREATE TRIGGER locate_role_task BEFORE INSERT ON _callhardening.role_tasks FOR EACH ROW
    EXECUTE FUNCTION _callhardening.locate_role_task();
ALTER TABLE _callhardening.role_tasks ENABLE ALWAYS TRIGGER locate_role_task;

COMMENT ON FUNCTION _callhardening.locate_role_task() IS
'trigger function: finds the role and the column of a remembered privilege by their names, in a restored database as '
'well';

CREATE FUNCTION _callhardening.role_log_needs(what text, log _callhardening.logs)
    RETURNS TABLE (relation oid, privilege text, column_number smallint)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT log.events, unnest(CASE what WHEN 'operate' THEN '{SELECT, DELETE}' ELSE '{SELECT}' END::text[]), NULL::smallint
WHERE what NOT IN ('read', 'monitor')
UNION ALL
-- Figures are counted by the stamps and times of events.
SELECT a.attrelid, 'SELECT', a.attnum FROM pg_attribute AS a
WHERE a.attrelid = log.events AND what = 'monitor' AND NOT a.attisdropped
  AND a.attname IN ('event_seq', 'event_lane', 'event_xid', log.received_at_column, log.processed_at_column)
UNION ALL
-- Who ingests does not number or stamp events: a number of his own would be in the way of those to come.
SELECT a.attrelid, 'INSERT', a.attnum FROM pg_attribute AS a
WHERE a.attrelid = log.events AND what = 'ingest' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  AND a.attname NOT IN ('event_seq', 'event_lane', 'event_xid')
UNION ALL
-- What an existing table says of its events is kept true.
SELECT a.attrelid, 'UPDATE', a.attnum FROM pg_attribute AS a
WHERE a.attrelid = log.events AND what IN ('process', 'claim') AND a.attname = log.processed_at_column
  AND NOT a.attisdropped
UNION ALL
SELECT log.calls, unnest(CASE what WHEN 'process' THEN '{SELECT, INSERT, UPDATE}' ELSE '{SELECT}' END::text[]), NULL
WHERE what IN ('process', 'operate', 'read') AND log.calls <> 0
UNION ALL
-- A serial column needs a right on its sequence at INSERT; an identity column does not, nor does a log's own.
SELECT d.objid, 'USAGE', NULL
FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'
  AND d.refobjid = CASE what WHEN 'ingest' THEN log.events WHEN 'process' THEN log.calls END
  AND d.objid IS DISTINCT FROM log.sequence
$$;

COMMENT ON FUNCTION _callhardening.role_log_needs(text, _callhardening.logs) IS
'what a task of call_role_grants needs on the tables and sequences of a log and its calls table';

CREATE FUNCTION _callhardening.role_needs(what text, log _callhardening.logs) RETURNS SETOF _callhardening.role_tasks
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET quote_all_identifiers = off -- a function is remembered by its text
    AS $$
WITH extension AS (
    SELECT oid, extnamespace AS home, extconfig FROM pg_extension WHERE extname = 'callhardening'
), members AS (
    SELECT d.classid, d.objid FROM extension AS e JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass
        AND d.refobjid = e.oid AND d.deptype = 'e'
), needed AS (
    SELECT g.privilege, g.except_columns, m.classid, m.objid
    FROM _callhardening.task_grants AS g
    JOIN members AS m ON g.object = CASE m.classid WHEN 'pg_proc'::regclass
        THEN (SELECT proname FROM pg_proc WHERE oid = m.objid)
        WHEN 'pg_class'::regclass THEN (SELECT relname FROM pg_class WHERE oid = m.objid) END
    WHERE g.task = what
), relations (relation, privilege, column_number) AS (
    SELECT * FROM _callhardening.role_log_needs(what, log) WHERE what NOT IN ('own', 'backup')
    UNION ALL SELECT n.objid, n.privilege, NULL FROM needed AS n WHERE n.classid = 'pg_class'::regclass
        AND n.except_columns IS NULL
    UNION ALL SELECT a.attrelid, n.privilege, a.attnum
    FROM needed AS n JOIN pg_attribute AS a ON a.attrelid = n.objid AND a.attnum > 0
        AND a.attname <> ALL (n.except_columns)
    WHERE n.classid = 'pg_class'::regclass
    UNION ALL SELECT unnest(extconfig), 'SELECT', NULL FROM extension WHERE what = 'backup'
)
SELECT NULL::name, NULL::oid, what, coalesce(log.events, 0), r.relation::regclass, a.attname, r.column_number,
    NULL::text, NULL::name, r.privilege, NULL::boolean
FROM relations AS r LEFT JOIN pg_attribute AS a ON a.attrelid = r.relation AND a.attnum = r.column_number
UNION ALL
SELECT NULL, NULL, what, coalesce(log.events, 0), 0, NULL, NULL, p.oid::regprocedure::text, NULL, 'EXECUTE', NULL
FROM needed AS n JOIN pg_proc AS p ON n.classid = 'pg_proc'::regclass AND p.oid = n.objid
UNION ALL
SELECT NULL, NULL, what, coalesce(log.events, 0), 0, NULL, NULL, NULL, n.nspname, 'USAGE', NULL
FROM extension, pg_namespace AS n
WHERE n.oid IN (home, '_callhardening'::regnamespace) OR n.oid IN (
    SELECT c.relnamespace FROM pg_class AS c
    WHERE c.oid = log.events AND what <> 'read'
       OR c.oid = log.calls AND what IN ('process', 'operate', 'read', 'monitor'))
$$;

COMMENT ON FUNCTION _callhardening.role_needs(text, _callhardening.logs) IS
'what call_role_grants lists, one privilege a row, as role_tasks remembers it. log: NULL for a task without one';

CREATE FUNCTION _callhardening.role_object(need _callhardening.role_tasks) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass
FROM pg_class AS c WHERE c.oid = need.relation
UNION ALL SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::regprocedure
FROM pg_proc AS p WHERE p.oid = to_regprocedure(need.function)
UNION ALL SELECT 'SCHEMA ' || quote_ident(n.nspname) FROM pg_namespace AS n WHERE n.nspname = need.schema
$$;

COMMENT ON FUNCTION _callhardening.role_object(_callhardening.role_tasks) IS
'what a privilege is on, as GRANT names it: "TABLE public.calls"; NULL if it is gone';

CREATE FUNCTION _callhardening.role_log(what text, log regclass) RETURNS _callhardening.logs
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    number int;
    settings _callhardening.logs;
BEGIN
    IF (what IN ('ingest', 'process', 'claim', 'operate', 'monitor', 'read', 'own', 'backup')) IS NOT TRUE THEN
        PERFORM _callhardening.raise_error('22023',
            format('what must be ingest, process, claim, operate, monitor, read, own or backup, not %s',
                coalesce('"' || what || '"', 'NULL')));
    END IF;
    -- An owner has tables before there is a log, a dump has what is remembered about all of them, and tables of calls
    -- can be watched without a log.
    IF NOT (what IN ('own', 'backup')
            OR what = 'monitor' AND coalesce(log = 0, NOT EXISTS (SELECT FROM _callhardening.logs))) THEN
        number := _callhardening.log_number(log);
        SELECT * INTO settings FROM _callhardening.logs AS l WHERE l.log_id = number;
        IF settings.is_of_changes AND what IN ('ingest', 'process') THEN
            PERFORM _callhardening.raise_error('55000', format('%s is a log of changes', settings.events),
                detail => 'Its events come from the calls table, and no function of ours applies them.',
                hint => 'Readers of changes need the task claim.');
        END IF;
    END IF;
    RETURN settings;
END
$$;

COMMENT ON FUNCTION _callhardening.role_log(text, regclass) IS
'the log a task is for; NULL for own, for backup, and for monitor if there is no log. Errors: those of '
'call_role_grants';

CREATE FUNCTION @extschema@.call_role_grants(what text, log regclass DEFAULT NULL)
    RETURNS TABLE (privileges text, object text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH privileges AS (
    SELECT _callhardening.role_object(n) AS object, n.privilege,
           ' (' || string_agg(quote_ident(n.column_name), ', ' ORDER BY n.column_number) || ')' AS columns
    FROM _callhardening.role_needs(what, _callhardening.role_log(what, log)) AS n
    GROUP BY 1, 2, n.column_number IS NULL
)
SELECT string_agg(p.privilege || coalesce(p.columns, ''), ', '
        ORDER BY array_position('{SELECT,INSERT,UPDATE,DELETE}', p.privilege)), p.object
FROM privileges AS p GROUP BY p.object
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_role_grants(text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_role_grants(text, regclass) IS
'Lists what a role needs for a task, and nothing else.
- what: ingest: events into the log, without a say in their numbers; process: them, and start
  workers; claim: them, in a client; operate: watch, audit, configure, retry and purge; reads
  bodies and calls; monitor: watch the figures of the log and of all calls tables, without bodies
  and texts that can quote one; read: the calls table; own: harden, audit, backfill, configure and
  unharden tables of the role; backup: pg_dump by a role with the right to read the other tables
  of the database: what a dump has of the extension: no bodies, keys or secrets
- log: NULL is the default log; does not matter for own and backup. -, or NULL without any log:
  monitor is for the calls tables alone
Errors:
- 22023: no such task
- 42P08: several logs, none is the default and none is named
- 55000: no such log';

CREATE FUNCTION _callhardening.find_role_tasks(role oid) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
-- A dropped role has lost its rights, and its name may be another's now.
DELETE FROM _callhardening.role_tasks AS t
WHERE t.role_oid IS NOT NULL AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = t.role_oid);
-- An update has dropped the function.
DELETE FROM _callhardening.role_tasks AS t WHERE t.function IS NOT NULL AND to_regprocedure(t.function) IS NULL;
UPDATE _callhardening.role_tasks AS t SET role = r.rolname
FROM pg_roles AS r WHERE r.oid = t.role_oid AND r.rolname <> t.role;
UPDATE _callhardening.role_tasks AS t SET role_oid = r.oid
FROM pg_roles AS r WHERE r.oid = find_role_tasks.role AND r.rolname = t.role AND t.role_oid IS NULL
$$;

COMMENT ON FUNCTION _callhardening.find_role_tasks(oid) IS
'a part of grant_call_role and revoke_call_role: afterwards role_oid finds what role_tasks has of this role, whether '
'it was renamed, dropped and made again or restored';

CREATE FUNCTION _callhardening.has_role_privilege(role oid, need _callhardening.role_tasks, by_task boolean)
    RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- Its own entry: others have the privilege by membership, PUBLIC or the whole table.
WITH lists (acl) AS (
    SELECT coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
    FROM pg_class WHERE oid = need.relation AND need.column_number IS NULL
    UNION ALL SELECT attacl FROM pg_attribute
    WHERE attrelid = need.relation AND attnum = need.column_number AND NOT attisdropped
    UNION ALL SELECT coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE oid = to_regprocedure(need.function)
    UNION ALL SELECT coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE nspname = need.schema)
SELECT EXISTS (SELECT FROM lists AS l, aclexplode(l.acl) AS a
               WHERE a.grantee = role AND a.privilege_type = need.privilege AND NOT (by_task AND a.is_grantable))
$$;

COMMENT ON FUNCTION _callhardening.has_role_privilege(oid, _callhardening.role_tasks, boolean) IS
'whether a role was granted a privilege by name; by_task: without the grant option, unused by tasks';

CREATE FUNCTION @extschema@.grant_call_role(role regrole, what text, log regclass DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    grantee oid := role;
    settings _callhardening.logs := _callhardening.role_log(what, log);
    need _callhardening.role_tasks;
BEGIN
    IF grantee IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'role must not be NULL';
    END IF;
    LOCK TABLE _callhardening.role_tasks IN SHARE ROW EXCLUSIVE MODE;
    PERFORM _callhardening.find_role_tasks(grantee);
    FOR need IN SELECT * FROM _callhardening.role_needs(what, settings) LOOP
        need.is_added := NOT _callhardening.has_role_privilege(grantee, need, false);
        IF need.is_added THEN
            EXECUTE format('GRANT %s%s ON %s TO %s', need.privilege, '(' || quote_ident(need.column_name) || ')',
                _callhardening.role_object(need), grantee::regrole);
            IF NOT _callhardening.has_role_privilege(grantee, need, false) THEN -- PostgreSQL warned
                RAISE insufficient_privilege USING
                    MESSAGE = format('no right to grant %s on %s', need.privilege, _callhardening.role_object(need));
            END IF;
        END IF;
        -- A row from before knows whether that was by us.
        UPDATE _callhardening.role_tasks AS t SET is_added = t.is_added OR need.is_added
        WHERE t.role_oid = grantee AND t.task = what AND t.log = need.log
          AND (t.relation, t.column_number, t.function, t.schema, t.privilege)
              IS NOT DISTINCT FROM (need.relation, need.column_number, need.function, need.schema, need.privilege);
        IF NOT FOUND THEN
            need.role := (SELECT r.rolname FROM pg_roles AS r WHERE r.oid = grantee);
            INSERT INTO _callhardening.role_tasks SELECT need.*;
        END IF;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.grant_call_role(regrole, text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.grant_call_role(regrole, text, regclass) IS
'Grants a role what call_role_grants lists for a task. It remembers the task (call_role_tasks),
and what it added to the rights of the role. The caller has to be able to grant it.
- what: a task of call_role_grants
- log: NULL is the default log
Errors:
- 22004: no role
- 22023: no such task
- 42501: the caller is not the owner
- 42P08: several logs, none is the default and none is named
- 55000: no such log';

CREATE FUNCTION _callhardening.take_role_privilege(role oid, need _callhardening.role_tasks) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    object text := _callhardening.role_object(need);
    present_name name := (
        SELECT attname FROM pg_attribute WHERE attrelid = need.relation AND attnum = need.column_number);
    kept name[];
    grantable boolean[];
BEGIN
    -- The rights of an owner are entries like others: those of the present owner are its own.
    IF NOT _callhardening.has_role_privilege(role, need, true) OR role IN (
        SELECT relowner FROM pg_class WHERE oid = need.relation AND need.column_number IS NULL
        UNION ALL SELECT proowner FROM pg_proc WHERE oid = to_regprocedure(need.function)
        UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = need.schema)
    THEN
        RETURN;
    END IF;
    -- REVOKE on a table takes the same privilege on its columns along.
    IF need.column_number IS NULL THEN
        SELECT array_agg(a.attname), array_agg(e.is_grantable) INTO kept, grantable
        FROM pg_attribute AS a, aclexplode(a.attacl) AS e
        WHERE a.attrelid = need.relation AND NOT a.attisdropped AND e.grantee = role
          AND e.privilege_type = need.privilege;
    END IF;
    EXECUTE format('REVOKE %s%s ON %s FROM %s', need.privilege, '(' || quote_ident(present_name) || ')', object,
        role::regrole);
    FOR i IN 1 .. coalesce(cardinality(kept), 0) LOOP
        EXECUTE format('GRANT %s (%I) ON %s TO %s %s', need.privilege, kept[i], object, role::regrole,
            CASE WHEN grantable[i] THEN 'WITH GRANT OPTION' END);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.take_role_privilege(oid, _callhardening.role_tasks) IS
'a part of revoke_call_role: takes one privilege back, and nothing with it; a dropped object or column is left out';

CREATE FUNCTION _callhardening.role_task_logs(role oid, what text, log regclass) RETURNS regclass[]
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    -- Dropped logs cannot be named any more.
    gone regclass[] := ARRAY(
        SELECT DISTINCT t.log FROM _callhardening.role_tasks AS t
        WHERE t.role_oid = role_task_logs.role AND t.task = what
          AND NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = t.log));
    settings _callhardening.logs;
BEGIN
    IF what IN ('own', 'backup') THEN
        RETURN ARRAY[0];
    ELSIF log = ANY (gone) THEN
        RETURN ARRAY[log, 0];
    END IF;
    BEGIN
        settings := _callhardening.role_log(what, log);
    EXCEPTION WHEN ambiguous_parameter OR object_not_in_prerequisite_state THEN
        IF log IS NOT NULL OR gone = '{}' THEN
            RAISE;
        END IF;
    END;
    RETURN settings.events || CASE WHEN log IS NULL THEN gone ELSE ARRAY[0::regclass] END;
END
$$;

COMMENT ON FUNCTION _callhardening.role_task_logs(oid, text, regclass) IS
'a part of revoke_call_role: the logs of the revoked task. log: NULL is the default log, if there is one, and the '
'former logs of the role''s task. Errors: those of call_role_grants';

CREATE FUNCTION @extschema@.revoke_call_role(role regrole, what text, log regclass DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    grantee oid := role;
    logs regclass[];
    was_granted boolean := false;
    taken _callhardening.role_tasks;
BEGIN
    IF grantee IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'role must not be NULL';
    END IF;
    LOCK TABLE _callhardening.role_tasks IN SHARE ROW EXCLUSIVE MODE;
    PERFORM _callhardening.find_role_tasks(grantee);
    logs := _callhardening.role_task_logs(grantee, what, log);
    FOR taken IN DELETE FROM _callhardening.role_tasks AS t
        WHERE t.role_oid = grantee AND t.task = what AND t.log = ANY (logs) RETURNING t.*
    LOOP
        was_granted := true;
        CONTINUE WHEN NOT taken.is_added;
        -- Another task needs it: then it is that one's.
        UPDATE _callhardening.role_tasks AS t SET is_added = true
        WHERE t.role_oid = grantee AND (t.relation, t.column_number, t.function, t.schema, t.privilege)
              IS NOT DISTINCT FROM (taken.relation, taken.column_number, taken.function, taken.schema, taken.privilege);
        IF NOT FOUND THEN
            PERFORM _callhardening.take_role_privilege(grantee, taken);
        END IF;
    END LOOP;
    IF NOT was_granted THEN
        PERFORM _callhardening.report('NOTICE', format('role %s was not granted %s', grantee::regrole, what),
            detail => 'Nothing is revoked. What was granted by other means than grant_call_role is revoked by REVOKE.');
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.revoke_call_role(regrole, text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.revoke_call_role(regrole, text, regclass) IS
'Takes back what grant_call_role has added to the rights of a role for a task, as far as no other
task of the role needs it. What the role had before, or owns, it keeps. NOTICE: the task was not
granted.
- log: NULL is the default log, and with it the former logs
Errors:
- those of grant_call_role';

-- the members as installed ---------------------------------------------------------------------
--
-- The last file of the install script: the list has to be complete. An update script fills the table again at its end.

CREATE FUNCTION _callhardening.members()
    RETURNS TABLE (kind text, object text, is_public boolean, is_definer boolean, volatility "char")
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET quote_all_identifiers = off
    AS $$
SELECT 'function', p.oid::regprocedure::text,
    EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
        WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE'),
    p.prosecdef, p.provolatile
FROM pg_proc p WHERE p.oid IN (SELECT _callhardening.member_oids('pg_proc'::regclass))
UNION ALL
SELECT 'view', c.oid::regclass::text, NULL, NULL, NULL
FROM pg_class c WHERE c.relkind = 'v' AND c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass))
$$;

COMMENT ON FUNCTION _callhardening.members() IS
'the functions, procedures and views of the extension as the catalogs have them now. is_public: PUBLIC may execute it. '
'is_definer: it runs with the rights of its owner. NULL for a view';

-- By name: pg_upgrade copies the rows and makes functions with other oids.
CREATE TABLE _callhardening.installed_members (
    kind text NOT NULL,
    object text NOT NULL,
    is_public boolean,
    is_definer boolean,
    volatility "char"
);
REVOKE ALL ON _callhardening.installed_members FROM PUBLIC;
INSERT INTO _callhardening.installed_members SELECT * FROM _callhardening.members();

COMMENT ON TABLE _callhardening.installed_members IS
'the members right after the installation. check_call_hardening compares them with the members now';
