-- The rules of the policy default in PL/pgSQL, written to be quick: members and items by set-returning functions,
-- no call for what is empty, and the regular expressions, some 5 us each, only for a name whose last three letters end
-- one of their words.
--
-- Left out, which makes it quicker still: secrets in names, the finer points of those in texts, cuts that spare
-- accents and emoji, long numbers and names, summaries known again, detectors by name, the budget, the record of what
-- was done, and policies: the rules are in the code.

CREATE TYPE place AS (
    name text,
    parent text,
    rule int, -- 1 keep, 2 mask, 3 drop, 4 summary, 5 truncate to 60, 6 summary of what is like it, 7 json, 9 none
    depth int,
    secret boolean,
    link boolean,
    media boolean);

CREATE FUNCTION enter_member(name text, above place) RETURNS place LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    folded text := lower(translate(name, '_- ', ''));
    rule int := CASE
        WHEN name = ANY ('{call_id,state,status,direction,event_type,event_timestamp,duration,total_duration,talk_time,hold_time,hangup_cause,mos_score,csat_score,master_call_id,entry_point_call_id,operator_call_id,group_id,target_availability_status,is_transferred,is_internal,was_recorded,callback_requested,labels,call_recording_ids,voicemail_recording_id}')
            OR starts_with(name, 'date_') THEN 1
        WHEN name = ANY ('{external_number,internal_number,selected_caller_id,from,to,phone_number,phone}') THEN 2
        WHEN name = ANY ('{id,type}') AND (above.name = 'contact' OR above.name LIKE '%target') THEN 1
        WHEN name = 'email' OR name = 'name' AND (above.name = ANY ('{contact,transferred_from}') OR above.name LIKE '%target') THEN 3
        WHEN above.name = 'routing_breadcrumbs' AND name = ANY ('{request,response}') THEN 4
        WHEN name = ANY ('{transcription_text,transcript,recap_summary}') OR name = 'url' AND above.name = 'routing_breadcrumbs' THEN 5
        WHEN name = ANY ('{csat_transcriptions,integrations}') OR starts_with(name, 'recap_') THEN 6
        WHEN name = 'custom_data' THEN 7
        ELSE 9 END;
BEGIN
    IF right(folded, 3) <> ALL ('{256,ail,als,ard,ase,ash,ber,cvc,cvv,dia,ets,eys,ial,ies,ils,ing,ink,ion,its,jwt,ken,key,kie,mac,ngs,nks,nts,ode,ord,otp,pin,put,pwd,rds,ref,rer,ret,rls,ssn,swd,tmf,ure,uri,url,uth,yer,yid}') THEN
        RETURN (name, above.name, least(rule, above.rule), above.depth + 1, above.secret, above.link, above.media)::place;
    END IF;
    RETURN (name, above.name, least(rule, above.rule), above.depth + 1,
        above.secret OR folded ~ '(passwords?|passwordhash|passwd|passphrase|passcode|pwd|secrets?|token|jwt|authorization|cookies?|(api|access|secret|private|signing|encryption|shared|auth|session)key|apikeys|accesskeyid|credentials?|signature|signature256|hmac|(access|security|verification|otp|pin)code|(user|access|voicemail|conference|meeting)pin|dtmfdigits|dtmfinput|gathereddigits|cardnumber|creditcard)$|^(auth|bearer|otp|pin|dtmf|digits|cvv|cvc|ssn)$',
        above.link OR folded ~ '((share|access)links?|download(url|link)|recording(urls?|uri|links?|player)|voicemail(url|links?)|mediaurls?|audiourl|content(uri|url))$'
            OR above.media AND folded ~ '(urls?|uri|links?|href)$',
        above.media OR folded ~ '(recordings?|recordingdetails|voicemails?|media|attachments)$')::place;
END
$$;

CREATE FUNCTION summarize(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
SELECT jsonb_build_object('type', jsonb_typeof(value), 'length', CASE jsonb_typeof(value)
    WHEN 'object' THEN (SELECT count(*) FROM jsonb_object_keys(value)) WHEN 'array' THEN jsonb_array_length(value) ELSE length(value #>> '{}') END)
$$;

-- Most texts have none, and few letters tell.
CREATE FUNCTION redact(word text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF word !~* '[=:]|eyj|bearer|basic|begin' THEN
        RETURN word;
    END IF;
    word := regexp_replace(word, 'eyJ[\w-]{7,}\.[\w-]{4,}(\.[\w-]*)*', '[secret]', 'g');
    word := regexp_replace(word, '\m(bearer|basic)[ \t]+[\w.~+/=-]{16,}', '[secret]', 'gi');
    word := regexp_replace(word, '-----BEGIN .*?(-----END [^-]*-----|$)', '[secret]', 'g');
    word := regexp_replace(word, '://[^/?#\s"''<>@]*@', '://[secret]@', 'g');
    RETURN regexp_replace(word,
        '((password|passwd|pwd|secret|token|jwt|authorization|cookie|api_?key|access_?key|signature|sig|code|key)["'']?\s*[=:]\s*["'']?)[^\s"'',;&)}\]\[#]+', '\1[secret]', 'gi');
END
$$;

-- Addresses and numbers of telephones and cards.
CREATE FUNCTION mask_parties(word text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF word ~ '@' THEN
        word := regexp_replace(word, '[\w.+-]+@([\w-]+\.[\w.-]+)', '***@\1', 'g');
    END IF;
    IF word ~ '[0-9][0-9 ().-]{7}' THEN
        word := regexp_replace(word, '(\+\d|\(?\d{3}\)?[ .-]\d{3}[ .-]|\d{4}[ -])[\d ().-]*(\d{4})', '***\2', 'g');
    END IF;
    RETURN word;
END
$$;

-- NULL for what goes.
CREATE FUNCTION clean_value(value jsonb, at place) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    kind text := jsonb_typeof(value);
    word text;
    most int;
BEGIN
    IF kind = 'null' THEN
        RETURN value;
    ELSIF at.secret AND kind <> 'boolean' THEN
        RETURN '"[secret]"';
    ELSIF at.rule = 3 THEN
        RETURN NULL;
    ELSIF at.rule IN (4, 6) OR at.depth >= 10 AND kind IN ('object', 'array') THEN
        RETURN summarize(value);
    ELSIF kind = 'object' THEN
        RETURN (SELECT jsonb_object_agg(m.key, m.cleaned) FROM (
            SELECT each.key, clean_value(each.value, enter_member(each.key, at)) AS cleaned FROM jsonb_each(value) AS each
            WHERE each.value <> ALL ('{"null","\"\"","{}","[]"}'::jsonb[])) AS m
            WHERE m.cleaned IS NOT NULL LIMIT 60);
    ELSIF kind = 'array' THEN
        at.depth := at.depth + 1;
        RETURN (SELECT jsonb_agg(coalesce(clean_value(item, at), '{}')) FROM (
            SELECT item FROM jsonb_array_elements(value) AS item LIMIT 20) AS i);
    ELSIF at.rule <> 2 AND kind <> 'string' THEN
        RETURN value;
    END IF;
    word := value #>> '{}';
    IF at.rule = 7 AND word ~ '^\s*[{\[]' THEN
        BEGIN
            RETURN clean_value(word::jsonb, at);
        EXCEPTION WHEN invalid_text_representation OR untranslatable_character THEN
            NULL;
        END;
    END IF;
    IF at.rule = 2 THEN
        RETURN to_jsonb('***' || CASE WHEN length(word) BETWEEN 5 AND 256 THEN right(word, 4) ELSE '' END);
    ELSIF at.link AND word LIKE '%://%' THEN
        RETURN to_jsonb(regexp_replace(word, '://(?:[^/?#@]*@)?([^/?#]+).*', '://\1'));
    END IF;
    most := CASE at.rule WHEN 5 THEN 60 ELSE 200 END;
    word := redact(left(word, 8 * most));
    IF at.rule IN (5, 9) THEN
        word := mask_parties(word);
    END IF;
    RETURN to_jsonb(CASE WHEN length(word) > most THEN left(word, most - 1) || '…' ELSE word END);
END
$$;

CREATE FUNCTION clean_in_plpgsql(payload jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
SELECT coalesce(clean_value(payload, (NULL, NULL, 9, 0, false, false, false)::place), '{}')
$$;
