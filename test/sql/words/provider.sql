\set SHOW_CONTEXT never
-- The words of each provider
SELECT count(*) > 40 AS providers, count(*) FILTER (WHERE words) = count(*) AS with_words,
    count(*) = count(DISTINCT provider) AS distinct,
    array_agg(provider) = array_agg(provider ORDER BY replace(provider, '_', '') COLLATE "C") AS in_order
FROM call_providers();
SELECT * FROM call_providers() WHERE provider = 'dialpad';
SELECT provider FROM call_providers() WHERE NOT is_known_call_provider(provider);
-- A log can use every provider with an event shape.
SELECT provider FROM call_providers() WHERE shape <> _callhardening.has_event_shape(provider);
SELECT provider, words FROM call_providers()
WHERE provider IN ('bulutfon', 'dial9', 'hipcall', 'relatel', 'vonage_business', 'wephone');

-- An unknown provider gives a warning with the nearest name, and the word keeps its general meaning.
SELECT normalize_call_status('hangup', 'dialpd');
SELECT normalize_call_status('answered', 'no such provider');
SELECT normalize_call_direction('Outgoing', 'zoom');
SELECT normalize_call_direction('nowhere', 'Twillio');
-- The warning quotes the name only if it looks like a word.
SELECT normalize_call_status('hangup', '{"provider": "dialpad"}');
SELECT normalize_call_status('hangup', repeat('dialpad ', 200000));
-- One warning in a statement
SELECT count(normalize_call_status(word, provider))
FROM (VALUES ('hangup', 'dialpd'), ('ringing', 'dialpd'), ('missed', 'dialpd')) AS v (word, provider);
SELECT word, normalize_call_status(word, provider)
FROM (VALUES ('hangup', 'dialpd'), ('ringing', 'dialpad'), ('missed', 'airkall')) AS v (word, provider);
-- No warning without a word or a provider
SELECT normalize_call_status('', 'dialpd'), normalize_call_status(NULL, 'dialpd'),
    normalize_call_status('hangup', ' '), normalize_call_status('hangup', NULL);

-- Functions for setting up raise an error.
CREATE TABLE provider_calls (dialpad_call_id bigint PRIMARY KEY, status text, direction text, raw_payload jsonb);
SELECT harden_calls('provider_calls', provider => 'dialpd');
SELECT harden_calls('provider_calls', provider => 'no such provider');
SELECT * FROM audit_calls('provider_calls', provider => 'ring_central_2');
CREATE SCHEMA provider_log;
SELECT create_call_tables('provider_log');
CREATE TABLE provider_events (LIKE provider_log.call_events INCLUDING ALL);
SELECT register_call_event_log('provider_events', 'provider_calls', 'dialpd', 4);
SELECT register_call_event_log('provider_events', 'provider_calls', 'cloudtalk', 4);
SELECT harden_calls('provider_calls', provider => 'cloudtalk');
SELECT harden_call_events('provider_events', 'provider_calls', provider => 'Dial Pa');
SET client_min_messages = warning;
DROP SCHEMA provider_log CASCADE;
DROP TABLE provider_calls, provider_events;
