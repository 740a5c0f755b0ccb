\set SHOW_CONTEXT never
SET TimeZone = 'UTC';

-- Relations without an audit
CREATE VIEW no_table AS SELECT 1 AS dialpad_call_id;
SELECT audit_calls(NULL);
SELECT audit_calls('no_table');
SELECT audit_calls('4294967295');
SELECT audit_calls('pg_class', provider => 'no such provider');
SELECT audit_calls('pg_class', transitions => '{"ringing": 1}');
SELECT audit_calls('pg_class', policy => '{}');
DROP VIEW no_table;

-- A table without any needed column
CREATE TABLE bare (id int);
SELECT * FROM audit_calls('bare') \g (format=unaligned)
DROP TABLE bare;

-- An existing installation with rows nobody has checked
CREATE TABLE calls (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, dialpad_call_id bigint, status text, direction text, raw_payload jsonb,
    started_at timestamp, created_at timestamptz DEFAULT now());
INSERT INTO calls (dialpad_call_id, status, direction, raw_payload, started_at) VALUES
    (1, 'completed', 'incoming', '{"call_id": 1, "password": "hunter2 is the secret"}', now()),
    (2, 'Ended', 'OUT', '{"call_id": 2}', now()),
    (3, 'jumping', 'sideways', jsonb_build_object('call_id', 3, 'note', repeat('all of it ', 2000)), now()),
    (3, 'recording', 'transfer', NULL, now()),
    (4, 'ended', 'inbound', '{"call_id": 4}', now()),
    (4, 'ringing', 'outbound', NULL, now() - interval '61 minutes'),
    (4, 'In-Progress', NULL, NULL, now() - interval '25 hours'),
    (5, 'ringing', NULL, NULL, now() - interval '40 minutes'),
    (6, 'active', NULL, NULL, now() - interval '23 hours'),
    (7, NULL, NULL, NULL, NULL),
    (NULL, '', '', NULL, now()),
    (NULL, '+1 (415) 555-0100', '{"password": "hunter2 is the secret"}', NULL, now());
CREATE VIEW findings AS SELECT check_name, violations, sample FROM audit_calls('calls');
SELECT * FROM findings;
SELECT check_name, advice FROM audit_calls('calls') WHERE advice IS NOT NULL \g (format=unaligned)
-- The findings quote no unknown word and no payload.
SELECT count(*) FROM audit_calls('calls') AS a WHERE a::text ~ 'hunter2|415|all of it';
-- Without a unique index the audit scans twice, with any findings. The second scan compares the call ids.
SELECT pg_stat_force_next_flush();
SELECT seq_scan AS before FROM pg_stat_user_tables WHERE relid = 'calls'::regclass \gset
SELECT count(*) FROM audit_calls('calls');
SELECT pg_stat_force_next_flush();
SELECT seq_scan - :before AS scans FROM pg_stat_user_tables WHERE relid = 'calls'::regclass;

-- The statuses of one provider, of another graph, of another policy
SELECT check_name, violations, sample
FROM audit_calls('calls', transitions => '{"ringing": ["recording", "jumping"]}', provider => 'dialpad')
WHERE check_name ~ 'statuses';
SELECT check_name, violations, sample
FROM audit_calls('calls', policy => '{"version": 1, "rules": [{"path": "call_id", "action": "drop"}]}')
WHERE check_name ~ 'payloads';

-- A hardened table is audited by its own settings.
SELECT harden_calls('calls', transitions => '{"ringing": ["recording", "ended"]}');
SELECT * FROM findings;
SELECT harden_calls('calls', transitions => 'null');
ALTER TABLE calls DISABLE TRIGGER validate_hardened_call_update;
SELECT * FROM findings WHERE check_name = 'triggers';
ALTER TABLE calls ENABLE TRIGGER validate_hardened_call_update;

-- Backfill repairs every row that needs no decision.
CALL backfill_calls('calls');
SELECT * FROM findings;
DELETE FROM calls WHERE id IN (4, 6, 7) OR dialpad_call_id IS NULL OR dialpad_call_id = 3;
SELECT harden_calls('calls');
SELECT * FROM findings WHERE violations <> 0;
-- With a unique index the audit scans once.
SELECT pg_stat_force_next_flush();
SELECT seq_scan AS before FROM pg_stat_user_tables WHERE relid = 'calls'::regclass \gset
SELECT count(*) FROM audit_calls('calls');
SELECT pg_stat_force_next_flush();
SELECT seq_scan - :before AS scans FROM pg_stat_user_tables WHERE relid = 'calls'::regclass;

-- The audit writes nothing, so it works on a standby and in a read-only transaction.
BEGIN READ ONLY;
SELECT count(*) FROM audit_calls('calls');
COMMIT;

-- The audit requires SELECT on the table.
CREATE ROLE regress_call_auditor;
GRANT USAGE ON SCHEMA _callhardening TO regress_call_auditor;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public, _callhardening TO regress_call_auditor;
SET ROLE regress_call_auditor;
SELECT count(*) FROM audit_calls('calls');
RESET ROLE;
GRANT SELECT ON calls TO regress_call_auditor;
SET ROLE regress_call_auditor;
SELECT count(*) FROM audit_calls('calls');
RESET ROLE;
DROP OWNED BY regress_call_auditor;
DROP ROLE regress_call_auditor;
DROP TABLE calls CASCADE;

-- Odd names, other types, and columns of the wrong type
CREATE SCHEMA "a""b c$";
CREATE TYPE "a""b c$".state AS ENUM ('ringing', 'active', 'ended', 'missed', 'rejected', 'voicemail', 'Completed');
CREATE TABLE "a""b c$"."calls %I" ("call ""id" varchar(20), "the state" "a""b c$".state,
    way char(12), body json, number int, UNIQUE ("call ""id") DEFERRABLE);
INSERT INTO "a""b c$"."calls %I" VALUES ('one', 'Completed', 'in', '{}', 1), ('a b%''"', 'ended', 'nowhere', '{}', 2);
SELECT check_name, violations, sample FROM audit_calls('"a""b c$"."calls %I"', 'call "id', 'the state', 'way', 'body');
SELECT check_name, violations, sample, advice FROM audit_calls('"a""b c$"."calls %I"', 'body', 'number', 'number', 'body')
WHERE check_name ~ 'columns|unique' \g (format=unaligned)
DROP SCHEMA "a""b c$" CASCADE;

-- A partitioned table with rows in every partition, and an inheritance parent without its children
CREATE TABLE calls (dialpad_call_id bigint, status text, direction text, raw_payload jsonb) PARTITION BY LIST (dialpad_call_id);
CREATE TABLE calls_1 PARTITION OF calls FOR VALUES IN (1) PARTITION BY LIST (status);
CREATE TABLE calls_1_rest PARTITION OF calls_1 DEFAULT;
CREATE TABLE calls_rest PARTITION OF calls DEFAULT;
INSERT INTO calls VALUES (1, 'completed', 'in', NULL), (2, 'completed', 'out', NULL), (2, 'completed', 'out', NULL);
SELECT check_name, violations, sample FROM audit_calls('calls') WHERE violations > 0;
SELECT check_name, violations, sample FROM audit_calls('calls_rest') WHERE violations > 0;
DROP TABLE calls;
CREATE TABLE parent (dialpad_call_id bigint, status text, direction text, raw_payload jsonb);
CREATE TABLE child () INHERITS (parent);
INSERT INTO child VALUES (1, 'completed', 'in', NULL);
SELECT check_name, violations FROM audit_calls('parent') WHERE check_name ~ '^repairable';
DROP TABLE parent CASCADE;
