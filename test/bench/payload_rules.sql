-- The sanitizer's rules in fast PL/pgSQL. The default policy is compiled once to the code of a function, a loop reads the
-- members, and nothing is called for empty values. Regular expressions take some 5 us each, so they run only for a name whose
-- last three letters end one of their words.
--
-- Left out: secrets in names, emoji of several characters, the action `hash`.

-- All rules that meet these documents are of one or two names behind `**.`.
DO $do$
DECLARE
    policy jsonb := call_payload_policy();
    exact jsonb;
    others text;
BEGIN
    CREATE TEMP TABLE rule ON COMMIT DROP AS
    SELECT n::int - 1 AS n, r ->> 'action' AS action, coalesce(r -> 'keep', r -> 'length', '0')::int AS amount,
        reverse(split_part(reverse(r ->> 'path'), '.', 1)) AS name,
        nullif(reverse(split_part(reverse(r ->> 'path'), '.', 2)), '**') AS parent
    FROM jsonb_array_elements(policy -> 'rules') WITH ORDINALITY AS t (r, n);
    SELECT jsonb_object_agg(name, n) INTO exact FROM rule WHERE parent IS NULL AND name NOT LIKE '%*%';
    SELECT string_agg(format('CASE WHEN name %s%s THEN %s END',
        CASE WHEN name LIKE '%*%' THEN format('LIKE %L', replace(replace(name, '_', '\_'), '*', '%')) ELSE format('= %L', name) END,
        CASE WHEN parent LIKE '%*%' THEN format(' AND parent LIKE %L', replace(replace(parent, '_', '\_'), '*', '%'))
            WHEN parent IS NOT NULL THEN format(' AND parent = %L', parent) END, n), ', ' ORDER BY n)
    INTO others FROM rule WHERE parent IS NOT NULL OR name LIKE '%*%';
    EXECUTE format('CREATE FUNCTION rule_of(name text, parent text)
        RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(least((%L::jsonb ->> name)::int, %s), 9999) $$', exact, others);
    EXECUTE format('CREATE FUNCTION action_of(rule int)
        RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce((%L::text[])[rule + 1], %L) $$',
        (SELECT array_agg(action ORDER BY n) FROM rule), 'none');
    EXECUTE format('CREATE FUNCTION amount_of(rule int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT (%L::int[])[rule + 1] $$',
        (SELECT array_agg(amount ORDER BY n) FROM rule));
    EXECUTE format('CREATE FUNCTION limit_of(name text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT (%L::jsonb ->> name)::int $$',
        policy -> 'limits' || (policy -> 'budget'));
    EXECUTE format('CREATE FUNCTION recorded_policy() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT %L::text $$',
        right(sanitize_call_payload('{"pin": 1}'::jsonb) ->> '_sanitized', 8));
END
$do$;

CREATE TYPE place AS (name text, rule int, action text, depth int, secret boolean, link boolean, media boolean);

-- The resulting value, NULL for a dropped one, and the action.
CREATE TYPE cleaned AS (value jsonb, dropped int, masked int, truncated int, opened int, empty int);

CREATE FUNCTION enter_member(name text, above place) RETURNS place LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    folded text := lower(translate(name, '_- ', ''));
    rule int := least(rule_of(name, above.name), above.rule);
BEGIN
    IF right(folded, 3) <> ALL ('{256,ail,als,ard,ase,ash,ber,cvc,cvv,dia,ets,eys,ial,ies,ils,ing,ink,ion,its,jwt,ken,key,'
        'kie,mac,ngs,nks,nts,ode,ord,otp,pin,put,pwd,rds,ref,rer,ret,rls,ssn,swd,tmf,ure,uri,url,uth,yer,yid}') THEN
        RETURN (name, rule, action_of(rule), above.depth + 1, above.secret, above.link, above.media)::place;
    END IF;
    RETURN (name, rule, action_of(rule), above.depth + 1,
        above.secret OR folded ~ '(passwords?|passwordhash|passwd|passphrase|passcode|pwd|secrets?|token|jwt|authorization'
            '|cookies?|(api|access|secret|private|signing|encryption|shared|auth|session)key|apikeys|accesskeyid'
            '|credentials?|signature|signature256|hmac|(access|security|verification|otp|pin)code|(user|access|voicemail'
            '|conference|meeting)pin|dtmfdigits|dtmfinput|gathereddigits|cardnumber|creditcard)$|^(auth|bearer|otp|pin|dtmf'
            '|digits|cvv|cvc|ssn)$',
        above.link OR folded ~ '((share|access)links?|download(url|link)|recording(urls?|uri|links?|player)|voicemail(url'
            '|links?)|mediaurls?|audiourl|content(uri|url))$'
            OR above.media AND folded ~ '(urls?|uri|links?|href)$',
        above.media OR folded ~ '(recordings?|recordingdetails|voicemails?|media|attachments)$')::place;
END
$$;

-- Not inside a marker, nor before an accent.
CREATE FUNCTION cut_text(word text, most int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    last int := most - 1;
    around int := greatest(most - 7, 1);
    marker int := strpos(substr(word, around, 14), '[secret]');
BEGIN
    IF length(word) <= most THEN
        RETURN word;
    END IF;
    WHILE substr(word, last + 1, 1) ~ '[\u0300-\u036f\u0483-\u0489\u200d\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]'
        OR last > 0 AND substr(word, last, 1) = U&'\200d' LOOP
        last := last - 1;
    END LOOP;
    RETURN left(word, CASE WHEN marker > 0 THEN least(last, around + marker - 2) ELSE last END) || '…';
END
$$;

CREATE FUNCTION summarize(value jsonb) RETURNS cleaned LANGUAGE sql IMMUTABLE AS $$
SELECT jsonb_build_object('type', jsonb_typeof(value), 'length', CASE jsonb_typeof(value)
    WHEN 'object' THEN (SELECT count(*) FROM jsonb_object_keys(value)) WHEN 'array' THEN jsonb_array_length(value)
    WHEN 'boolean' THEN 1 ELSE length(value #>> '{}') END), 1, 0, 0, 0, 0
$$;

CREATE FUNCTION is_summary(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
SELECT jsonb_typeof(value) = 'object' AND value ?& '{type,length}' AND value - '{type,length}'::text[] = '{}'
    AND value ->> 'type' IN ('string', 'number', 'boolean', 'object', 'array') AND (value -> 'length')::text ~ '^(0|[1-9]\d{0,9})$'
$$;

-- One round over a text. It reads no further than the limit, except for matches that begin there.
CREATE FUNCTION fit_once(word text, at place, most int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    head text := left(word, 4 * most + 324);
    fitted text;
BEGIN
    IF at.link AND word <> '[secret]' AND strpos(word, '/') > 0 AND strpos(word, '://') = 0 THEN
        RETURN '[secret]';
    END IF;
    fitted := replace_secrets(head, at.link OR at.media);
    IF at.action IN ('none', 'truncate', 'json') THEN
        fitted := mask_parties(fitted);
    END IF;
    RETURN fitted || CASE WHEN head <> word THEN substr(word, length(head) + 1) ELSE '' END;
END
$$;

CREATE FUNCTION mask_text(word text, rest int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT CASE WHEN starts_with(word, '***') AND length(word) <= 3 + rest THEN word
    WHEN length(word) <= rest OR octet_length(word) > 256 OR replace_secrets(word, true) <> word THEN '***'
    ELSE '***' || right(word, rest) END
$$;

CREATE FUNCTION clean_text(word text, at place) RETURNS cleaned LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    most int := CASE at.action WHEN 'truncate' THEN amount_of(at.rule) ELSE limit_of('characters') END;
    before text := word;
    fitted text;
BEGIN
    IF at.action = 'mask' THEN
        word := mask_text(word, amount_of(at.rule));
    ELSIF at.action IN ('none', 'truncate', 'json') AND word ~ '^\d{7,19}$' AND are_digits_party(word, at.name) THEN
        word := '***' || right(word, 4);
    END IF;
    LOOP
        fitted := fit_once(word, at, most);
        EXIT WHEN fitted = word;
        word := fitted;
    END LOOP;
    RETURN (to_jsonb(cut_text(word, most)), 0, (word <> before)::int, (length(word) > most)::int, 0, 0)::cleaned;
END
$$;

CREATE FUNCTION clean_object(value jsonb, at place) RETURNS cleaned LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    result cleaned := (NULL, 0, 0, 0, 0, 0)::cleaned;
    member cleaned;
    names text[] := '{}';
    members jsonb[] := '{}';
    name text;
    inside jsonb;
    over int := 0;
BEGIN
    FOR name, inside IN SELECT * FROM jsonb_each(value) LOOP
        IF inside = ANY ('{"null","\"\"","{}","[]"}'::jsonb[]) THEN
            result.dropped := result.dropped + 1;
            result.empty := result.empty + 1;
        ELSIF cardinality(names) = limit_of('members') THEN
            over := 1;
        ELSE
            member := clean_value(inside, enter_member(name, at));
            IF member.value IS NULL THEN
                result.dropped := result.dropped + 1;
                result.empty := result.empty + (member.dropped = member.empty AND member.masked + member.truncated = 0)::int;
            ELSE
                names := names || name;
                members := members || member.value;
                result.dropped := result.dropped + member.dropped;
                result.masked := result.masked + member.masked;
                result.truncated := result.truncated + member.truncated;
                result.opened := result.opened + member.opened;
                result.empty := result.empty + member.empty;
            END IF;
        END IF;
    END LOOP;
    result.truncated := result.truncated + over;
    result.value := (SELECT jsonb_object_agg(n, m) FROM unnest(names, members) AS t (n, m));
    RETURN result;
END
$$;

CREATE FUNCTION clean_array(value jsonb, at place) RETURNS cleaned LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    result cleaned := (NULL, 0, 0, (jsonb_array_length(value) > limit_of('items'))::int, 0, 0)::cleaned;
    item cleaned;
    items jsonb[] := '{}';
    inside jsonb;
BEGIN
    at.depth := at.depth + 1;
    FOR inside IN SELECT * FROM jsonb_array_elements(value) LIMIT limit_of('items') LOOP
        IF inside = ANY ('{"null","\"\"","{}","[]"}'::jsonb[]) THEN
            items := items || inside;
        ELSE
            item := clean_value(inside, at);
            items := items || coalesce(item.value, '{}');
            result.dropped := result.dropped + item.dropped;
            result.masked := result.masked + item.masked;
            result.truncated := result.truncated + item.truncated;
            result.opened := result.opened + item.opened;
            result.empty := result.empty + item.empty;
        END IF;
    END LOOP;
    result.value := to_jsonb(items);
    RETURN result;
END
$$;

CREATE FUNCTION clean_value(value jsonb, at place) RETURNS cleaned LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    kind text := jsonb_typeof(value);
    word text;
    result cleaned;
BEGIN
    IF at.secret AND kind <> 'boolean' THEN
        RETURN ('"[secret]"'::jsonb, 0, (value <> '"[secret]"')::int, 0, 0, 0)::cleaned;
    ELSIF at.action = 'drop' THEN
        RETURN (NULL, 1, 0, 0, 0, 0)::cleaned;
    ELSIF value = '"[secret]"' OR kind = 'boolean' AND (at.secret OR at.action NOT IN ('mask', 'summary'))
        OR kind = 'object' AND is_summary(value) THEN
        RETURN (value, 0, 0, 0, 0, 0)::cleaned;
    ELSIF at.action = 'summary' OR at.depth >= limit_of('depth') AND kind IN ('object', 'array') THEN
        RETURN summarize(value);
    ELSIF kind = 'object' THEN
        RETURN clean_object(value, at);
    ELSIF kind = 'array' THEN
        RETURN clean_array(value, at);
    ELSIF kind = 'boolean' THEN
        RETURN ('"***"'::jsonb, 0, 1, 0, 0, 0)::cleaned;
    END IF;
    word := value #>> '{}';
    IF kind = 'number' THEN
        IF length(word) > 40 THEN
            RETURN summarize(value);
        ELSIF at.action = 'mask' OR at.action IN ('none', 'truncate', 'json')
            AND word ~ '^\d{7,19}$' AND are_digits_party(word, at.name) THEN
            result := clean_text(word, at);
            result.masked := 1;
            RETURN result;
        END IF;
        RETURN (value, 0, 0, 0, 0, 0)::cleaned;
    END IF;
    IF at.action = 'json' AND word ~ '^\s*["{[]' THEN
        BEGIN
            value := word::jsonb;
            IF value = ANY ('{"null","\"\"","{}","[]"}'::jsonb[]) THEN
                RETURN (NULL, 1, 0, 0, 1, 1)::cleaned;
            END IF;
            result := clean_value(value, at);
            result.opened := result.opened + 1;
            RETURN result;
        EXCEPTION WHEN invalid_text_representation OR untranslatable_character THEN
            NULL;
        END;
    END IF;
    RETURN clean_text(word, at);
END
$$;

-- Each leaf with its position in the document, its rule, and the bytes it prints with its name; each container with the
-- bytes of its name and brackets.
CREATE FUNCTION leaves(value jsonb, path text[], name text, rule int, bytes int)
    RETURNS TABLE (leaf boolean, place text[], by_rule int, size int) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    inside jsonb;
    key text;
    n int;
    inner_rule int;
    name_bytes int;
BEGIN
    IF path <> '{}' AND (jsonb_typeof(value) NOT IN ('object', 'array') OR value IN ('{}', '[]') OR is_summary(value)) THEN
        RETURN QUERY SELECT true, path, rule, bytes + octet_length(value::text);
        RETURN;
    END IF;
    RETURN QUERY SELECT false, path, rule, bytes + 2;
    FOR key, inside, n IN
        SELECT k, v, o FROM jsonb_each(CASE WHEN jsonb_typeof(value) = 'object' THEN value ELSE '{}' END) WITH ORDINALITY AS m (k, v, o)
        UNION ALL SELECT NULL, v, o
            FROM jsonb_array_elements(CASE WHEN jsonb_typeof(value) = 'array' THEN value ELSE '[]' END) WITH ORDINALITY AS i (v, o)
    LOOP
        IF path <> '{}' OR key IS DISTINCT FROM '_sanitized' THEN
            inner_rule := CASE WHEN key IS NULL THEN rule ELSE least(rule, rule_of(key, name)) END;
            name_bytes := CASE WHEN key IS NULL THEN 0 ELSE octet_length(to_json(key)::text) + 2 END;
            RETURN QUERY SELECT * FROM leaves(inside, path || coalesce(key, (n - 1)::text), coalesce(key, name), inner_rule, name_bytes);
        END IF;
    END LOOP;
END
$$;

-- Without the values at the given positions.
CREATE FUNCTION without(value jsonb, path text[], gone jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF gone ? path::text THEN
        RETURN NULL;
    ELSIF jsonb_typeof(value) = 'object' THEN
        RETURN (SELECT coalesce(jsonb_object_agg(k, w) FILTER (WHERE w IS NOT NULL), '{}')
            FROM (SELECT k, without(v, path || k, gone) AS w FROM jsonb_each(value) AS m (k, v)) AS t);
    ELSIF jsonb_typeof(value) = 'array' THEN
        RETURN (SELECT coalesce(jsonb_agg(w ORDER BY n) FILTER (WHERE w IS NOT NULL), '[]') FROM (
            SELECT n, without(v, path || (n - 1)::text, gone) AS w FROM jsonb_array_elements(value) WITH ORDINALITY AS i (v, n)) AS t);
    END IF;
    RETURN value;
END
$$;

-- Values without a rule go first, then those of the last rule. Within each, the last in the document goes first. A leaf takes
-- a separator with it. A container goes with its last leaf, and has one separator less than values.
-- Bytes of the printed number of shed values.
CREATE FUNCTION digits_of(count bigint) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT length(least(count, 99)::text) $$;

CREATE FUNCTION shed(document jsonb, record text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    gone jsonb;
    count int;
    remains boolean;
BEGIN
    WITH node AS MATERIALIZED (
        SELECT *, row_number() OVER () AS n FROM leaves(document, '{}', NULL, 9999, 0)),
    leaf AS (
        SELECT place, size, row_number() OVER (ORDER BY by_rule DESC, n DESC)::int AS turn FROM node WHERE leaf),
    container AS (
        SELECT c.place, c.size, max(l.turn) AS turn FROM node AS c JOIN leaf AS l ON l.place[:cardinality(c.place)] = c.place
        WHERE NOT c.leaf AND c.place <> '{}' GROUP BY c.place, c.size),
    part AS (
        SELECT place, turn, size + 2 AS size FROM leaf UNION ALL SELECT place, turn, size FROM container),
    step AS (
        SELECT turn, octet_length(document::text) - sum(sum(size)) OVER (ORDER BY turn) + digits_of(turn) - 1 AS left_over
        FROM part GROUP BY turn)
    SELECT s.turn, s.turn < (SELECT max(turn) FROM leaf), (SELECT jsonb_object_agg(p.place::text, 1) FROM part AS p WHERE p.turn <= s.turn)
    INTO count, remains, gone
    FROM (SELECT coalesce(min(turn) FILTER (WHERE left_over <= limit_of('max_bytes')), max(turn)) AS turn FROM step) AS s;
    record := regexp_replace(record, '\d+ ', least(count, 99) || ' ');
    IF NOT coalesce(remains, false) THEN
        RETURN NULL;
    END IF;
    document := without(document, '{}', gone);
    RETURN CASE WHEN document ? '_sanitized' THEN document || jsonb_build_object('_sanitized', record) ELSE document END;
END
$$;

CREATE FUNCTION clean_in_plpgsql(payload jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    result cleaned;
    record text;
    is_object boolean := jsonb_typeof(payload) = 'object';
    document jsonb;
BEGIN
    IF payload IN ('null', '""', '{}', '[]') THEN
        RETURN payload;
    END IF;
    IF is_object AND (payload -> '_sanitized')::text ~ '^"((0|[1-9]\d?),){3}(0|[1-9]\d?) \d:[0-9a-f]{6}"$' THEN
        record := payload ->> '_sanitized';
    END IF;
    result := clean_value(CASE WHEN record IS NULL THEN payload ELSE payload - '_sanitized' END,
        (NULL, 9999, 'none', 0, false, false, false)::place);
    document := coalesce(result.value, '{}');
    IF result.dropped - result.empty + result.masked + result.truncated + result.opened > 0
        OR octet_length(document::text) > limit_of('max_bytes') THEN
        record := format('%s,%s,%s,0 %s', least(result.dropped, 99),
            least(result.masked, 99), least(result.truncated, 99), recorded_policy());
    END IF;
    IF is_object AND record IS NOT NULL THEN
        document := document || jsonb_build_object('_sanitized', record);
    END IF;
    IF octet_length(document::text) > limit_of('max_bytes') THEN
        document := coalesce(shed(document, record),
            (summarize(payload)).value || CASE WHEN is_object THEN jsonb_build_object('_sanitized', record) ELSE '{}' END);
    END IF;
    RETURN document;
END
$$;
