-- The sanitizer's searches in texts with regular expressions: secrets and detectors. Each kind is searched only after a cheap
-- test for it.

CREATE FUNCTION is_card_number(digits text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
SELECT digits ~ '^((222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720|5[1-5]\d\d)\d{12}|30[0-5]\d{11}|3095\d{10}|3[47]\d{13}'
    '|35(2[89]|[3-8]\d)\d{12,15}|3[689]\d{12}|4(\d{12}|\d{15}|\d{18})|(6011|62\d\d|64[4-9]\d|65\d\d)\d{12,15})$'
    AND (SELECT sum(CASE WHEN i % 2 = 1 THEN d ELSE 2 * d - CASE WHEN d > 4 THEN 9 ELSE 0 END END)
         FROM (SELECT d::int, row_number() OVER (ORDER BY n DESC) AS i
             FROM string_to_table(digits, NULL) WITH ORDINALITY AS t (d, n)) AS s) % 10 = 0
$$;

-- The meaning of seven to nineteen digits as the value of a member of this name.
CREATE FUNCTION are_digits_party(digits text, name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    folded text := lower(translate(name, '_- ', ''));
BEGIN
    IF length(digits) <= 15 AND (left(digits, 1) <> '1' OR length(digits) = 11) AND (
        folded ~ '(phones?|phonenumbers?|phoneno|telephone|mobile|mobilenumber|cellnumber|cellphone|fax|faxnumber|msisdn'
            '|callerid|calleridnumber|callernumber|callingnumber|callednumber|partynumber|fromnumber|tonumber|externalnumber'
            '|internalnumber|dialednumber|sourcenumber|targetnumber|destinationnumber|forwardingnumber|transfernumber'
            '|contactnumber|proxynumber|smsnumber|callbacknumber|didnumber|e164)$'
        OR length(digits) >= 10 AND left(digits, 1) <> '0'
            AND folded ~ '^(from|to|caller|callee|called|calling|number|numbers|did|ani|dnis|cli|tel)$') THEN
        RETURN true;
    END IF;
    RETURN length(digits) >= 13 AND folded !~ '(id|ids|uuid|guid|key|ref|reference|at|time|timestamp|ts|date|sequence|seq|ms)$'
        AND is_card_number(digits);
END
$$;

CREATE FUNCTION replace_secrets(word text, only_hosts boolean) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF word !~ '[=:]|%3[dD]|eyJ|[bB][eE][aA][rR][eE][rR]|[bB][aA][sS][iI][cC]|-----BEGIN ' THEN
        RETURN word;
    END IF;
    IF word ~ '-----BEGIN ' THEN
        word := regexp_replace(word, '-----BEGIN .*?(-----END .*?-----|$)', '[secret]', 'g');
    END IF;
    IF word ~ 'eyJ' THEN
        word := regexp_replace(word, 'eyJ[\w-]{7,}\.[\w-]{4,}(\.[\w-]*)*', '[secret]', 'g');
    END IF;
    IF word ~* 'bearer|basic' THEN
        word := regexp_replace(word, '([bB][eE][aA][rR][eE][rR]|[bB][aA][sS][iI][cC])([ \t]+)(?=[\w.~+/=-]{16}'
            '|[\w.~+/=-]{6})(?=[\w.~+/=-]{16}|[\w.~+/=-]+[0-9A-Z_+/=])[\w.~+/=-]+', '\1\2[secret]', 'g');
    END IF;
    IF word ~ '://' THEN
        word := regexp_replace(word, '(://)[^/?#\s"''<>`\\]+@', CASE WHEN only_hosts THEN '\1' ELSE '\1[secret]@' END, 'g');
        IF only_hosts THEN
            word := regexp_replace(word, '(://[^/?#\s"''<>`\\]*)[/?#][^\s"''<>`\\]*', '\1', 'g');
        END IF;
    END IF;
    IF word ~* 'sips?:' THEN
        word := regexp_replace(word, '(sips?:[^\s"''<>`\\@;?:]*:)[^\s"''<>`\\@;?]+@', '\1[secret]@', 'gi');
    END IF;
    IF word ~* 'authorization|cookie' THEN
        word := regexp_replace(word,
            '((?:authorization|cookie)[ "''\\]*:[ \t=>]*)(?=[^"''\\\s])(?!\[secret\])(?:=\\*".*?"|[^\r\n"''\\])+', '\1[secret]', 'gi');
    END IF;
    IF word ~ '[=:]|%3[dD]' THEN
        word := regexp_replace(word,
            '((?:pass[_-]?words?|password[_-]?hash|passwd|pass[_-]?phrase|passcode|pwd|secrets?|token|jwt|authorization'
                '|cookies?|(?:api|access|secret|private|signing|encryption|shared|auth|session)[_-]?keys?(?:[_-]?id)?'
                '|credentials?|signature(?:[_-]?256)?|hmac|(?:access|security|verification|otp|pin)[_-]?code|(?:user|access'
                '|voicemail|conference|meeting)[_-]?pin|dtmf[_-]?digits|dtmf[_-]?input|gathered[_-]?digits|card[_-]?number'
                '|credit[_-]?card|\m(?:auth|bearer|otp|pin|dtmf|digits|cvv|cvc|ssn)|[?&#;%](?:sig|code|sas|hash|signed|pass'
                '|[\w.-]*key))[_-]*(?:\\*["''][\]]*\s*[:=]\s*|[\]]* *(?:[:=]|%3d))[ \t=>]*\\*["'']?)(?!\[secret\]|true\M'
                '|false\M|null\M|/)(?:(?!%26)[^\s"''<>`\\&;,)}\]#])+',
            '\1[secret]', 'gi');
    END IF;
    RETURN word;
END
$$;

-- Unchanged, except for forms with more than one party in one place.
CREATE FUNCTION mask_parties(word text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    number text[];
BEGIN
    IF strpos(word, '@') > 0 OR strpos(word, '%40') > 0 THEN
        word := regexp_replace(word, '(?:sips?:)?[\w.%+-]{1,64}(?:@|%40)(?!\dx\.)((?:[A-Za-z0-9-]+\.)*[A-Za-z]{2,})', '***@\1', 'gi');
    END IF;
    IF word !~ '\d[\d ().+/-]{5,}\d' OR word ~ '^\d+$' THEN
        RETURN word;
    END IF;
    FOR number IN SELECT regexp_matches(word,
        '(?:^|[^\w.%+@-])(\d{4}([ -])\d{4}\2\d{4}\2\d{4}(?:\2\d{1,3})?|\d{4}([ -])\d{6}\3\d{4,5}|\d{13,19})(?![\w@]|[.-]\d)', 'g') LOOP
        IF is_card_number(translate(number[1], ' -', '')) THEN
            word := replace(word, number[1], '***' || right(translate(number[1], ' -', ''), 4));
        END IF;
    END LOOP;
    -- +1 has eleven digits, other countries eight to fifteen; then those of North America, and with leading zeros.
    RETURN regexp_replace(word,
        '(^|\\[nrt]|[^\w.%+@-])(?:(?:tel|sips?|callto|sms|fax):)?(?:\+1(?:\)?[ ./-]?\(?\d){6}'
            '|\+[2-9](?:\)?[ ./-]?\(?\d){3,10}|(?:1[ ./-])?\(?[2-9](?!11)[0-8]\d\)?[ ./-]\(?[2-9](?!11)\d\d[ ./-]'
            '|(?:1[ ./-])?\([2-9](?!11)[0-8]\d\)[ ./-]?[2-9](?!11)\d\d[ ./-]?|00[1-9](?:[ ./-]?\d){2,10}'
            '|0[1-9]\d{1,4}[ /-](?:\d[ /-]?){3,6}|0[1-9] \d\d \d\d )'
            '(\)?[ ./-]?\(?\d)[ ./-]?(\d)[ ./-]?(\d)[ ./-]?(\d)(?![A-WYZa-wyz0-9_]|[xX]\d|[.-]\d|[\w.%+-]*@)',
        '\1***\2\3\4\5', 'g');
END
$$;
