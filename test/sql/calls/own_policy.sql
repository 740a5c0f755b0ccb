-- A policy of the table's own is the comment of the trigger, so that \d stays readable.
-- A NOTICE of ours has no CONTEXT.
\set SHOW_CONTEXT always
CREATE SCHEMA own;
CREATE TABLE own.calls (call_id text PRIMARY KEY, status text, direction text, note jsonb);
SELECT jsonb_insert(call_payload_policy(), '{rules,0}', '{"path": "**.memo", "action": "drop"}') AS policy \gset
SELECT harden_calls('own.calls', payload_column => 'note', policy => :'policy', provider => 'twilio');
\d own.calls
SELECT obj_description(oid, 'pg_trigger')::jsonb = :'policy' AS is_comment FROM pg_trigger WHERE tgname = 'validate_hardened_call';
SELECT (call_settings('own.calls')).policy = :'policy' AS is_setting;
INSERT INTO own.calls (call_id, note) VALUES ('a', '{"memo": "x", "state": "y"}') RETURNING note;
-- It is kept, changed and reset like every setting.
SELECT harden_calls('own.calls');
SELECT harden_calls('own.calls', on_invalid => 'reject');
SELECT (call_settings('own.calls')).policy = :'policy' AS is_setting;
SELECT harden_calls('own.calls', policy => '{"version": 1, "rules": [{"path": "**.memo", "action": "truncate", "length": 8}]}');
INSERT INTO own.calls (call_id, note) VALUES ('b', '{"memo": "a long memo"}') RETURNING note;
SELECT harden_calls('own.calls', policy => call_payload_policy('strict'));
SELECT harden_calls('own.calls', policy => 'null');
SELECT count(obj_description(oid, 'pg_trigger')) FROM pg_trigger WHERE tgname = 'validate_hardened_call';

-- A partition's trigger has the policy of the table.
CREATE TABLE own.days (call_id text, status text, direction text, raw_payload jsonb, day date, PRIMARY KEY (call_id, day))
    PARTITION BY RANGE (day);
CREATE TABLE own.day_1 PARTITION OF own.days FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
SET client_min_messages = error;
SELECT harden_calls('own.days', policy => '{"version": 1, "rules": [{"path": "**.memo", "action": "drop"}]}');
RESET client_min_messages;
CREATE TABLE own.day_2 PARTITION OF own.days FOR VALUES FROM ('2026-01-02') TO ('2026-01-03');
SELECT tgrelid::regclass AS relation, obj_description(oid, 'pg_trigger') IS NOT NULL AS has_comment
FROM pg_trigger WHERE tgname = 'validate_hardened_call' AND tgrelid::regclass::text ~ 'own.day' ORDER BY 1;
\c
INSERT INTO own.day_2 VALUES ('c', NULL, NULL, '{"memo": "x", "state": "y"}', '2026-01-02') RETURNING raw_payload;
INSERT INTO own.days VALUES ('c', NULL, NULL, '{"memo": "x", "state": "y"}', '2026-01-01') RETURNING raw_payload;
SELECT relation, level, gap FROM call_enforcement WHERE relation::text ~ '^own.day' ORDER BY relation::text;

-- Somebody has taken the comment away, or written another one.
SELECT harden_calls('own.calls', policy => :'policy');
COMMENT ON TRIGGER validate_hardened_call ON own.calls IS '{"version": 1, "rules": [{"path": "**", "action": "keep"}]}';
\c
INSERT INTO own.calls (call_id, note) VALUES ('d', '{"memo": "x"}');
SELECT * FROM call_settings('own.calls');
SELECT harden_calls('own.calls', on_invalid => 'keep');
COMMENT ON TRIGGER validate_hardened_call ON own.calls IS NULL;
INSERT INTO own.calls (call_id, note) VALUES ('d', '{"memo": "x"}');
SELECT level, gap, detail, advice FROM call_enforcement WHERE relation = 'own.calls'::regclass;
SELECT harden_calls('own.calls', policy => :'policy');
INSERT INTO own.calls (call_id, note) VALUES ('d', '{"memo": "x", "state": "y"}') RETURNING note;
SELECT level, gap FROM call_enforcement WHERE relation = 'own.calls'::regclass;
-- The trigger was renamed.
ALTER TRIGGER validate_hardened_call ON own.calls RENAME TO other_name;
\c
INSERT INTO own.calls (call_id, note) VALUES ('e', '{"memo": "x", "state": "y"}') RETURNING note;
SELECT harden_calls('own.calls', policy => to_jsonb(repeat('x', 20000)));
SET client_min_messages = error;
DROP SCHEMA own CASCADE;
