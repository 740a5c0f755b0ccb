-- Every spelling of the two directions
SELECT word, normalize_call_direction(word)
FROM unnest(ARRAY['inbound', 'INBOUND', 'In-Bound', ' in_bound ', 'in', 'incoming', 'outbound', 'Outbound API',
    'outbound-api', 'OUT', 'Outgoing', E'\tout\n']) AS word;
SELECT normalize_call_direction('trunking-originating', 'twilio'), normalize_call_direction('trunking-terminating');

-- No word: NULL without a warning
SELECT normalize_call_direction(NULL);
SELECT normalize_call_direction('');
SELECT normalize_call_direction(E' \t_-\n');
SELECT normalize_call_direction('transfer');

-- Unknown words: the warning quotes at most one word.
SELECT normalize_call_direction('sideways');
SELECT normalize_call_direction('in', 'no such provider');
SELECT normalize_call_direction('+1 415 555 0100');
SELECT normalize_call_direction('ｉｎｂｏｕｎｄ');
SELECT normalize_call_direction('ınbound');
SELECT normalize_call_direction(repeat('x', 41));
SELECT normalize_call_direction(repeat('in', 524288));
SELECT normalize_call_direction(repeat(' ', 1048576) || 'in' || repeat('_', 1048576));

-- A result is normalized to itself.
SELECT normalize_call_direction(normalize_call_direction('Incoming'));
