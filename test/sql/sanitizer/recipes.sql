SELECT sanitize_call_payload('{}', '{"version": 1, "rules": [{"path": "a..b", "action": "keep"}]}');

SELECT sanitize_call_payload('{"contact": {"id": 3, "name": "Jane Doe"}}', '{"version": 1, "rules": [
    {"path": "**.contact.id", "action": "keep"},
    {"path": "**.contact", "action": "mask", "keep": 0}]}') - '_sanitized' AS result;

SELECT sanitize_call_payload('{"contact": {"id": 3, "name": "Jane Doe"}}', '{"version": 1, "rules": [
    {"path": "**.contact.id", "action": "keep"},
    {"path": "**.contact.*", "action": "summary"},
    {"path": "**.contact", "action": "keep"},
    {"path": "**.*", "action": "summary"}]}') - '_sanitized' AS result;

SELECT sanitize_call_payload('{"call_id": 17, "contact": {"id": 3, "name": "Jane Doe", "email": "jane@example.com"}}',
    jsonb_insert(call_payload_policy(), '{rules,0}', '{"path": "**.contact.name", "action": "keep"}'))
    - '_sanitized' AS result;

SELECT sanitize_call_payload('{"call_id": 17, "custom_data": "{\"account\": \"DE-7700142\", \"plan\": \"gold\"}"}',
    jsonb_insert(call_payload_policy(), '{rules,0}',
        '{"path": "**.custom_data.account", "action": "mask", "keep": 3}')) - '_sanitized' AS result;

SELECT sanitize_call_payload('{"call_id": 17, "integrations": {"hubspot": {"contact_id": 3, "note": "Jane"},
        "zendesk": {"ticket": 12}}}',
    jsonb_set(policy, '{rules}', '[{"path": "**.integrations.hubspot", "action": "drop"},
        {"path": "**.integrations", "action": "keep"}]' || (policy -> 'rules'))) - '_sanitized' AS result
FROM call_payload_policy() AS policy;

SELECT sanitize_call_payload('{"call_id": 17, "custom_data": {"door_code": 4711, "floor": 3}}',
    jsonb_set(call_payload_policy(), '{secrets}', '["door_code", "alarm word"]')) - '_sanitized' AS result;

SELECT jsonb_pretty(sanitize_call_payload('{"call_id": 17, "mos_score": 4.41, "note": "Jane called",
        "contact": {"id": 3, "name": "Jane Doe"}}',
    jsonb_insert(call_payload_policy('strict'), '{rules,0}', '{"path": "**.mos_score", "action": "keep"}'))
    - '_sanitized') AS result;

SELECT sanitize_call_payload('{"call_id": 17, "labels": ["vip", "de", "gold", "late"],
        "note": "The caller asked for a refund."}',
    call_payload_policy() || '{"limits": {"items": 2, "characters": 15}}') - '_sanitized' AS result;

BEGIN;
SELECT add_call_pseudonym_key('\x8f1e6b0a4c5d7e3f92a1b0c4d5e6f708');

CREATE TEMPORARY TABLE followed_calls (dialpad_call_id bigint, status text, direction text);
SELECT harden_calls('followed_calls', policy => jsonb_insert(call_payload_policy(), '{rules,0}',
    '{"path": "**.external_number", "action": "hash"}'));

INSERT INTO followed_calls VALUES
    (17, 'hangup', 'inbound', '{"external_number": "+14155550100"}'),
    (18, 'hangup', 'inbound', '{"external_number": "+1 (415) 555-0100"}'),
    (19, 'hangup', 'inbound', '{"external_number": "+14155550199"}')
RETURNING dialpad_call_id, raw_payload ->> 'external_number' AS external_number;

SELECT dialpad_call_id FROM followed_calls
WHERE raw_payload ->> 'external_number' = call_pseudonym('tel:+14155550100');

ROLLBACK;

SELECT bytes, coalesce(split_part(split_part(result ->> '_sanitized', ' ', 1), ',', 4), '0') AS shed,
    ARRAY(SELECT jsonb_object_keys(result - '_sanitized')) AS members
FROM unnest('{400,330,256}'::jsonb[]) AS bytes, (VALUES ('{"call_id": 17, "state": "hangup", "mos_score": 4.41,
    "labels": ["vip", "late"], "date_started": 1787158716092, "date_ended": 1787158916555,
    "target": {"id": 3, "type": "user"},
    "note": "Ordered twice, sent back once, then asked for the money. No further questions.",
    "recap_summary": "The caller asked for a refund, got one, and was told when."}'::jsonb)) AS v (payload),
    sanitize_call_payload(payload, jsonb_set(call_payload_policy(), '{budget,max_bytes}', bytes)) AS result;

SELECT sanitize_call_payload('{"call_id": 17,
    "note": "Jane (jane@example.com, +1 415 555 0100) paid with 4111 1111 1111 1111"}', policy) - '_sanitized' AS result
FROM call_payload_policy() AS original,
    LATERAL (VALUES (original), (jsonb_set(original, '{detectors,email}', '"keep"'))) AS v (policy);

CREATE TEMPORARY TABLE calls (dialpad_call_id bigint, status text, direction text);
SELECT harden_calls('calls', policy => jsonb_insert(call_payload_policy('strict'), '{rules,0}',
    '{"path": "**.mos_score", "action": "keep"}'));

INSERT INTO calls VALUES (17, 'hangup', 'inbound', '{"call_id": 17, "mos_score": 4.41, "note": "Jane called"}')
RETURNING raw_payload - '_sanitized' AS raw_payload;

SELECT policy -> 'budget' AS budget, policy #> '{rules,0}' AS first_rule FROM call_settings('calls');
