\set SHOW_CONTEXT never

-- Tables and arguments that give an error
CREATE TABLE plain (dialpad_call_id bigint, status text, direction text);
CREATE VIEW plain_view AS SELECT * FROM plain;
CREATE MATERIALIZED VIEW plain_copy AS SELECT * FROM plain;
CREATE SEQUENCE plain_sequence;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE plain_foreign (dialpad_call_id bigint, status text, direction text) SERVER elsewhere;
\set VERBOSITY sqlstate
SELECT harden_calls(NULL);
SELECT harden_calls('plain_view');
SELECT harden_calls('plain', call_id_column => 'id');
SELECT harden_calls('plain', status_column => 'direction');
SELECT harden_calls('plain', on_invalid => 'ignore');
SELECT harden_calls('plain', transitions => '{"ringing": "active"}');
SELECT harden_calls('plain', policy => '{}');
SELECT harden_calls('plain', policy => jsonb_build_object('version', 1, 'secrets', jsonb_build_array(repeat('x', 16384))));
SELECT unharden_calls('plain');
\set VERBOSITY default
SELECT harden_calls(NULL);
SELECT harden_calls('plain_view');
SELECT harden_calls('plain_copy');
SELECT harden_calls('plain_sequence');
SELECT harden_calls('plain_foreign');
SELECT harden_calls('pg_catalog.pg_class');
SELECT harden_calls('information_schema.sql_features');
SELECT harden_calls('no_such_table');
SELECT harden_calls('4294967295');
SELECT harden_calls('plain', call_id_column => 'id');
SELECT harden_calls('plain', status_column => 'state');
SELECT harden_calls('plain', direction_column => 'Direction');
SELECT harden_calls('plain', direction_column => 'ctid');
SELECT harden_calls('plain', status_column => 'direction');
SELECT harden_calls('plain', payload_column => 'status');
SELECT harden_calls('plain', on_invalid => 'ignore');
SELECT harden_calls('plain', transitions => '{"ringing": ["active", 7]}');
SELECT harden_calls('plain', transitions => '{}');
SELECT harden_calls('plain', policy => '{"version": 1, "max_bytes": 100}');
SELECT harden_calls('plain', policy => jsonb_build_object('version', 1, 'secrets', jsonb_build_array(repeat('x', 16384))));
SELECT harden_calls('plain', provider => 'no such provider');
SELECT unharden_calls(NULL);
SELECT unharden_calls('plain');
SELECT unharden_calls('plain_view');
DROP FOREIGN DATA WRAPPER nowhere CASCADE;
-- The errors left nothing behind.
\d plain

-- Columns of types too small for the words
CREATE TYPE short_status AS ENUM ('ringing', 'active', 'ended');
CREATE DOMAIN known_status AS text NOT NULL;
CREATE DOMAIN narrow_direction AS text CHECK (VALUE IN ('in', 'out'));
CREATE TABLE wrong (dialpad_call_id bigint, direction text, integer_status integer, short_varchar varchar(8), short_char char(6),
    enum_status short_status, array_status text[], domain_status known_status, narrow narrow_direction, integer_direction integer,
    made text GENERATED ALWAYS AS ('ringing') STORED, text_payload text, json_payload json);
SELECT harden_calls('wrong', status_column => 'integer_status');
SELECT harden_calls('wrong', status_column => 'short_varchar');
SELECT harden_calls('wrong', status_column => 'short_char');
SELECT harden_calls('wrong', status_column => 'enum_status');
SELECT harden_calls('wrong', status_column => 'enum_status', transitions => '{"ringing": ["active", "parked"]}');
SELECT harden_calls('wrong', status_column => 'array_status');
SELECT harden_calls('wrong', status_column => 'domain_status');
SELECT harden_calls('wrong', status_column => 'made');
SELECT harden_calls('wrong', status_column => 'narrow', direction_column => 'integer_direction', transitions => '{"in": ["out"]}');
SELECT harden_calls('wrong', status_column => 'direction', direction_column => 'narrow');
SELECT harden_calls('wrong', status_column => 'narrow', transitions => '{"in": ["out"]}', payload_column => 'text_payload');
SELECT harden_calls('wrong', status_column => 'narrow', transitions => '{"in": ["out"]}', payload_column => 'json_payload');
DROP TABLE wrong;

-- A role without ownership of the table
CREATE ROLE regress_call_reader;
GRANT SELECT, UPDATE ON plain TO regress_call_reader;
SET ROLE regress_call_reader;
SELECT harden_calls('plain');
RESET ROLE;
GRANT USAGE ON SCHEMA _callhardening TO regress_call_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public, _callhardening TO regress_call_reader;
SET ROLE regress_call_reader;
SELECT harden_calls('plain');
SELECT unharden_calls('plain');
-- An owner without superuser rights
CREATE TABLE pg_temp.own (dialpad_call_id bigint, status text, direction text);
SELECT harden_calls('pg_temp.own', on_invalid => 'reject');
INSERT INTO own VALUES (1, 'hangup', 'in') RETURNING status, direction;
UPDATE own SET status = 'ringing';
SELECT unharden_calls('own');
DROP TABLE own;
RESET ROLE;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public, _callhardening FROM regress_call_reader;
REVOKE USAGE ON SCHEMA _callhardening FROM regress_call_reader;

-- An existing table: missing columns are added, and rows stay unchanged.
CREATE TABLE calls (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, dialpad_call_id bigint, status text, direction text, note text);
INSERT INTO calls (dialpad_call_id, status, direction) VALUES (1, 'Completed', 'incoming'), (2, 'ringing', NULL), (3, NULL, 'sideways');
SELECT harden_calls('calls');
\d calls
TABLE calls;

-- The same settings again change nothing.
CREATE FUNCTION call_catalog() RETURNS text LANGUAGE sql AS
$$SELECT (SELECT string_agg(oid || tgname, ',' ORDER BY oid) FROM pg_trigger WHERE tgrelid = 'calls'::regclass)
    || (SELECT string_agg(indexrelid::text, ',' ORDER BY indexrelid) FROM pg_index WHERE indrelid = 'calls'::regclass)$$;
SELECT call_catalog() AS before \gset
SELECT harden_calls('calls');
SELECT call_catalog() = :'before' AS nothing_changed;
-- New settings replace the old ones.
SELECT harden_calls('calls', on_invalid => 'reject', provider => 'dialpad', transitions => '{"ringing": ["ended"]}');
SELECT * FROM call_settings('calls');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'calls'::regclass;
SELECT * FROM call_settings('plain');
-- A setting left out or NULL stays as it is. Nothing is created again.
SELECT call_catalog() AS before \gset
SELECT harden_calls('calls');
SELECT harden_calls('calls', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT call_catalog() = :'before' AS nothing_changed;
SELECT harden_calls('calls', policy => '{"version": 1}');
SELECT harden_calls('calls', on_invalid => 'skip');
SELECT * FROM call_settings('calls');
-- Each setting alone returns to its default.
\set reset 'on_invalid => ''default'', transitions => ''null'', policy => ''null'', provider => '''''
BEGIN;
SELECT harden_calls('calls', on_invalid => 'default');
SELECT harden_calls('calls', transitions => 'null');
SELECT harden_calls('calls', policy => 'null');
SELECT harden_calls('calls', provider => '');
SELECT * FROM call_settings('calls');
ROLLBACK;
SELECT harden_calls('calls', :reset);
SELECT harden_calls('calls', :reset);
SELECT * FROM call_settings('calls');
-- The BEFORE trigger keeps the settings if other triggers are dropped or altered.
SELECT harden_calls('calls', on_invalid => 'skip', provider => 'zoom_phone');
DROP TRIGGER validate_hardened_call_insert ON calls;
SELECT harden_calls('calls');
DROP TRIGGER validate_hardened_call_insert ON calls;
CREATE TRIGGER validate_hardened_call_insert AFTER INSERT ON calls FOR EACH ROW
    EXECUTE FUNCTION _callhardening.refuse_illegal_call('dialpad_call_id', 'status', 'direction', 'raw_payload', 'keep', '', '', '');
SELECT harden_calls('calls');
SELECT tgname, encode(tgargs, 'escape') FROM pg_trigger WHERE tgrelid = 'calls'::regclass ORDER BY tgname;
-- If the BEFORE trigger is dropped or altered, the settings are lost.
BEGIN;
DROP TRIGGER validate_hardened_call ON calls;
SELECT harden_calls('calls', provider => 'zoom_phone');
SELECT * FROM call_settings('calls');
ROLLBACK;
BEGIN;
DROP TRIGGER validate_hardened_call ON calls;
CREATE TRIGGER validate_hardened_call BEFORE INSERT ON calls FOR EACH ROW EXECUTE FUNCTION _callhardening.validate_hardened_call('x');
SELECT harden_calls('calls', on_invalid => 'skip');
SELECT * FROM call_settings('calls');
ROLLBACK;
SELECT harden_calls('calls', :reset);
-- A new policy replaces the previous one, in every mode.
\set drop_note '''{"version": 1, "rules": [{"path": "note", "action": "drop"}]}'''
\set size_note '''{"version": 1, "rules": [{"path": "note", "action": "summary"}]}'''
SELECT harden_calls('calls', policy => :drop_note);
SELECT policy FROM call_settings('calls');
SELECT call_catalog() AS before \gset
SELECT harden_calls('calls', policy => :drop_note);
SELECT call_catalog() = :'before' AS nothing_changed;
INSERT INTO calls (dialpad_call_id, raw_payload)
    VALUES (90, '{"note": "x", "email": "jane@example.com", "password": "hunter2"}') RETURNING raw_payload - '_sanitized' AS raw_payload;
SELECT harden_calls('calls', policy => :size_note);
INSERT INTO calls (dialpad_call_id, raw_payload) VALUES (91, '{"note": "x"}') RETURNING raw_payload - '_sanitized' AS raw_payload;
UPDATE calls SET raw_payload = '{"note": "xyz"}' WHERE dialpad_call_id = 90 RETURNING raw_payload - '_sanitized' AS raw_payload;
SELECT harden_calls('calls', policy => call_payload_policy('strict'));
INSERT INTO calls (dialpad_call_id, raw_payload)
    VALUES (92, '{"call_id": 92, "o''clock": "x"}') RETURNING raw_payload - '_sanitized' AS raw_payload;
SELECT harden_calls('calls', policy => jsonb_set(:drop_note, '{rules,0,path}', to_jsonb('it''s a \name $$ "quoted" %s'::text)));
INSERT INTO calls (dialpad_call_id, raw_payload)
    VALUES (93, jsonb_build_object('it''s a \name $$ "quoted" %s', 1, 'a', 1)) RETURNING raw_payload - '_sanitized' AS raw_payload;
DELETE FROM calls WHERE dialpad_call_id BETWEEN 90 AND 93;
SELECT harden_calls('calls', policy => 'null');
SELECT policy FROM call_settings('calls');
-- The trigger stores a built-in policy by name and leaves out the default graph. So \d stays short.
SELECT harden_calls('calls', policy => call_payload_policy('size_only'));
SELECT policy = call_payload_policy('size_only') AS is_size_only FROM call_settings('calls');
INSERT INTO calls (dialpad_call_id, raw_payload) VALUES (94, '{"call_id": 94, "a": "x"}')
RETURNING raw_payload = sanitize_call_payload('{"call_id": 94, "a": "x"}'::jsonb, call_payload_policy('size_only')) AS is_alike;
DELETE FROM calls WHERE dialpad_call_id = 94;
SELECT harden_calls('calls', policy => call_payload_policy('strict'));
SELECT harden_calls('calls', provider => 'zoom_phone');
SELECT (_callhardening.trigger_settings('calls'))[8] AS policy, policy = call_payload_policy('strict') AS is_strict
FROM call_settings('calls');
SELECT harden_calls('calls', policy => call_payload_policy('default'), provider => '',
    transitions => '{"missed": [], "active": ["voicemail", "ended"],
    "ringing": ["active", "ended", "missed", "rejected", "voicemail"], "ended": [], "rejected": [], "voicemail": []}');
SELECT policy, transitions FROM call_settings('calls');
SELECT max(length(pg_get_triggerdef(oid, true))) < 350 AS is_short FROM pg_trigger WHERE tgrelid = 'calls'::regclass;
-- Hardening again restores a dropped trigger.
DROP TRIGGER validate_hardened_call_update ON calls;
SELECT harden_calls('calls');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'calls'::regclass;

-- Known words are normalized, unknown words give a warning.
INSERT INTO calls (dialpad_call_id, status, direction)
    VALUES (4, 'calling', 'Incoming'), (5, 'In-Progress', 'OUT'), (6, '', ' '), (7, 'recording', 'transfer')
RETURNING dialpad_call_id, status, direction;
INSERT INTO calls (dialpad_call_id, status, direction) VALUES (8, 'jumping', 'sideways') RETURNING status, direction;
UPDATE calls SET status = 'jumping', direction = 'sideways' WHERE dialpad_call_id = 5 RETURNING status, direction;
UPDATE calls SET status = '{"secret": "4111111111111111"}', direction = '+14155550100, and more'
WHERE dialpad_call_id = 5 RETURNING status, direction;
UPDATE calls SET status = NULL, direction = NULL WHERE dialpad_call_id = 5 RETURNING status, direction;
UPDATE calls SET status = 'recap_summary', direction = '' WHERE dialpad_call_id = 5 RETURNING status, direction;
UPDATE calls SET status = 'ACTIVE', direction = 'in' WHERE dialpad_call_id = 5 RETURNING status, direction;
-- An upsert gives one warning.
INSERT INTO calls (dialpad_call_id, status, direction, note) VALUES (5, 'jumping', 'sideways', 'upsert')
ON CONFLICT (dialpad_call_id) DO UPDATE
    SET status = EXCLUDED.status, direction = EXCLUDED.direction, note = EXCLUDED.note RETURNING status, direction, note;

-- A row with invalid words: other columns can be written, and any status can be set.
UPDATE calls SET note = 'seen' WHERE dialpad_call_id IN (1, 3) RETURNING status, direction, note;
UPDATE calls SET direction = NULL WHERE dialpad_call_id = 3 RETURNING direction;
UPDATE calls SET status = NULL WHERE dialpad_call_id = 1 RETURNING status;
UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1 RETURNING status;

-- The payload is sanitized when it is written, and not when other columns are.
UPDATE calls SET raw_payload = '{"call_id": 5, "password": "hunter2", "empty": null}'
WHERE dialpad_call_id = 5 RETURNING raw_payload - '_sanitized' AS raw_payload;
INSERT INTO calls (dialpad_call_id, raw_payload) VALUES (5, '{"call_id": 5, "api_key": "hunter3", "state": "hold"}')
ON CONFLICT (dialpad_call_id) DO UPDATE SET raw_payload = EXCLUDED.raw_payload RETURNING raw_payload - '_sanitized' AS raw_payload;
INSERT INTO calls (dialpad_call_id) VALUES (5)
ON CONFLICT (dialpad_call_id) DO UPDATE SET raw_payload = '{"call_id": 5, "api_key": "hunter4"}'
RETURNING raw_payload - '_sanitized' AS raw_payload;
UPDATE calls SET raw_payload = NULL WHERE dialpad_call_id = 5 RETURNING raw_payload;
ALTER TABLE calls DISABLE TRIGGER USER;
UPDATE calls SET raw_payload = '{"call_id": 5, "password": "from before"}' WHERE dialpad_call_id = 5;
ALTER TABLE calls ENABLE TRIGGER USER;
UPDATE calls SET note = 'an old payload stays as it is' WHERE dialpad_call_id = 5 RETURNING raw_payload;

-- An invalid status change: keep
UPDATE calls SET status = 'hangup' WHERE dialpad_call_id = 5 RETURNING status;
UPDATE calls SET status = 'ringing', note = 'late' WHERE dialpad_call_id = 5 RETURNING status, note;
-- The call id of a row cannot change.
UPDATE calls SET dialpad_call_id = 50, note = 'moved' WHERE dialpad_call_id = 5 RETURNING dialpad_call_id, note;
UPDATE calls SET dialpad_call_id = NULL WHERE dialpad_call_id = 5 RETURNING dialpad_call_id;
INSERT INTO calls (status) VALUES ('ended') RETURNING dialpad_call_id;
UPDATE calls SET dialpad_call_id = 9 WHERE dialpad_call_id IS NULL RETURNING dialpad_call_id;

-- skip: the row stays unchanged.
SELECT harden_calls('calls', on_invalid => 'skip');
UPDATE calls SET status = 'ringing', note = 'skipped' WHERE dialpad_call_id = 5 RETURNING status, note;
UPDATE calls SET dialpad_call_id = 50, note = 'skipped' WHERE dialpad_call_id = 5 RETURNING note;
UPDATE calls SET status = 'jumping', note = 'written' WHERE dialpad_call_id = 5 RETURNING status, note;
SELECT status, note FROM calls WHERE dialpad_call_id = 5;

-- reject: an error with all details for a client.
SELECT harden_calls('calls', on_invalid => 'reject');
CREATE FUNCTION refused(statement text) RETURNS TABLE (state text, message text, detail text, place text) LANGUAGE plpgsql AS $$
DECLARE s text; t text; c text; n text;
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        s = SCHEMA_NAME, t = TABLE_NAME, c = COLUMN_NAME, n = CONSTRAINT_NAME;
    place := concat_ws(' ', s, t, c, n);
    RETURN NEXT;
END
$$;
\x on
SELECT * FROM refused('UPDATE calls SET status = ''ringing'' WHERE dialpad_call_id = 5');
SELECT * FROM refused('UPDATE calls SET status = ''jumping'' WHERE dialpad_call_id = 5');
SELECT * FROM refused('INSERT INTO calls (dialpad_call_id, status) VALUES (10, ''jumping'')');
SELECT * FROM refused('INSERT INTO calls (dialpad_call_id, status) VALUES (10, ''4111 1111 1111 1111, 12/27, 123, John Q. Public'')');
SELECT * FROM refused('UPDATE calls SET dialpad_call_id = 50 WHERE dialpad_call_id = 5');
\x off
INSERT INTO calls (dialpad_call_id, status, direction) VALUES (10, 'ringing', 'sideways') RETURNING direction;

-- Many refusals in one statement: ten lines, and one line with the number of the others.
SELECT harden_calls('calls', :reset);
INSERT INTO calls (dialpad_call_id, status) SELECT i, 'ended' FROM generate_series(101, 125) AS i;
UPDATE calls SET status = 'active' WHERE dialpad_call_id > 100;
-- Each statement counts from zero. A failed statement discards its count.
UPDATE calls SET status = 'active' WHERE dialpad_call_id BETWEEN 101 AND 102;
UPDATE calls SET status = 'active', note = 1 / (dialpad_call_id - 120) WHERE dialpad_call_id > 100;
UPDATE calls SET status = 'active' WHERE dialpad_call_id = 101;
\set VERBOSITY terse
-- A statement inside a statement has its own count.
CREATE FUNCTION refused_inside() RETURNS bigint LANGUAGE sql AS
$$UPDATE calls SET status = 'missed' WHERE dialpad_call_id BETWEEN 103 AND 113; SELECT 1::bigint$$;
UPDATE calls SET status = 'active', note = refused_inside()::text WHERE dialpad_call_id BETWEEN 101 AND 102;
\set VERBOSITY default

-- Other triggers: words of an earlier trigger are corrected. Those of a later one are refused in every mode.
CREATE FUNCTION set_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.status := coalesce(nullif(current_setting('test.status', true), ''), NEW.status);
    NEW.direction := nullif(coalesce(nullif(current_setting('test.direction', true), ''), NEW.direction), 'none');
    NEW.dialpad_call_id := coalesce(nullif(current_setting('test.call_id', true), '')::bigint, NEW.dialpad_call_id);
    RETURN NEW;
END
$$;
CREATE TRIGGER early BEFORE INSERT OR UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION set_words();
BEGIN;
SET LOCAL test.status = 'calling';
SET LOCAL test.direction = 'OUT';
INSERT INTO calls (dialpad_call_id) VALUES (200) RETURNING status, direction;
ROLLBACK;
DROP TRIGGER early ON calls;
CREATE TRIGGER zz_late BEFORE INSERT OR UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION set_words();
INSERT INTO calls (dialpad_call_id, status, direction) VALUES (201, 'ended', 'in');
BEGIN; SET LOCAL test.status = 'ringing'; UPDATE calls SET note = 'x' WHERE dialpad_call_id = 201; ROLLBACK;
BEGIN; SET LOCAL test.status = 'hangup'; UPDATE calls SET note = 'x' WHERE dialpad_call_id = 201; ROLLBACK;
BEGIN; SET LOCAL test.status = 'hangup'; INSERT INTO calls (dialpad_call_id) VALUES (202); ROLLBACK;
BEGIN; SET LOCAL test.direction = 'OUT'; UPDATE calls SET note = 'x' WHERE dialpad_call_id = 201; ROLLBACK;
BEGIN; SET LOCAL test.direction = 'OUT'; INSERT INTO calls (dialpad_call_id) VALUES (202); ROLLBACK;
BEGIN; SET LOCAL test.direction = 'none'; UPDATE calls SET note = 'x' WHERE dialpad_call_id = 201; ROLLBACK;
BEGIN; SET LOCAL test.call_id = '203'; UPDATE calls SET note = 'x' WHERE dialpad_call_id = 201; ROLLBACK;
-- A later trigger may set valid words.
BEGIN; SET LOCAL test.direction = 'outbound'; UPDATE calls SET note = 'x' WHERE dialpad_call_id = 201 RETURNING direction; ROLLBACK;
-- Refused in every mode
SELECT harden_calls('calls', on_invalid => 'skip');
SET test.status = 'ringing';
\x on
SELECT * FROM refused('UPDATE calls SET note = ''x'' WHERE dialpad_call_id = 201');
RESET test.status;
SET test.call_id = '203';
SELECT * FROM refused('UPDATE calls SET note = ''x'' WHERE dialpad_call_id = 201');
RESET test.call_id;
SET test.direction = 'OUT';
SELECT * FROM refused('UPDATE calls SET note = ''x'' WHERE dialpad_call_id = 201');
RESET test.direction;
\x off
SELECT harden_calls('calls', :reset);
DROP TRIGGER zz_late ON calls;

-- A column was renamed after hardening.
ALTER TABLE calls RENAME COLUMN status TO call_status;
\set VERBOSITY sqlstate
UPDATE calls SET note = 'x' WHERE dialpad_call_id = 5;
\set VERBOSITY default
UPDATE calls SET note = 'x' WHERE dialpad_call_id = 5;
INSERT INTO calls (dialpad_call_id) VALUES (300);
SELECT harden_calls('calls');
SELECT harden_calls('calls', status_column => 'call_status');
UPDATE calls SET call_status = 'ringing' WHERE dialpad_call_id = 5 RETURNING call_status;
-- The same for the payload: the hint helps, and no second column is added.
ALTER TABLE calls RENAME COLUMN raw_payload TO body;
UPDATE calls SET note = 'x' WHERE dialpad_call_id = 5;
SELECT status_column, payload_column FROM call_settings('calls');
SELECT harden_calls('calls');
SELECT harden_calls('calls', payload_column => 'body');
UPDATE calls SET body = '{"password": "hunter2"}' WHERE dialpad_call_id = 5 RETURNING body - '_sanitized' AS body;
SELECT count(*) FROM pg_attribute WHERE attrelid = 'calls'::regclass AND atttypid = 'jsonb'::regtype;
ALTER TABLE calls RENAME COLUMN body TO raw_payload;
SELECT harden_calls('calls', payload_column => 'default');
-- The usual column name is used, unless a column has the name "default".
BEGIN;
ALTER TABLE calls RENAME COLUMN call_status TO "default";
SELECT harden_calls('calls', status_column => 'default');
ALTER TABLE calls RENAME COLUMN "default" TO status;
SELECT harden_calls('calls', status_column => 'default');
ROLLBACK;
-- PostgreSQL does not change the type of a column that the trigger uses.
ALTER TABLE calls ALTER COLUMN call_status TYPE varchar(3);

-- The way back
SELECT unharden_calls('calls');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'calls'::regclass;
UPDATE calls SET call_status = 'jumping' WHERE dialpad_call_id = 5 RETURNING call_status;
SELECT unharden_calls('calls', drop_payload => true);
SELECT harden_calls('calls', status_column => 'call_status');
SELECT unharden_calls('calls', drop_payload => true);
SELECT attname FROM pg_attribute WHERE attrelid = 'calls'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
DROP TABLE calls CASCADE;

-- Repeated call ids: no unique index, and the rest is done.
CREATE TABLE repeated (dialpad_call_id bigint, status text, direction text);
INSERT INTO repeated VALUES (1), (1), (2), (3), (3), (3), (NULL), (NULL);
SELECT harden_calls('repeated');
UPDATE repeated SET status = 'calling' WHERE dialpad_call_id = 2 RETURNING status;
DELETE FROM repeated WHERE dialpad_call_id IN (1, 3);
SELECT harden_calls('repeated');
SELECT indexdef FROM pg_indexes WHERE tablename = 'repeated' AND indexdef ~ 'UNIQUE';
DROP TABLE repeated;

-- Indexes that do not make the call id unique, and indexes that do
CREATE TABLE indexed (dialpad_call_id bigint, status text, direction text, raw_payload jsonb);
CREATE UNIQUE INDEX some_calls ON indexed (dialpad_call_id) WHERE status = 'ended';
CREATE UNIQUE INDEX two_columns ON indexed (dialpad_call_id, direction);
CREATE UNIQUE INDEX expression ON indexed ((dialpad_call_id + 1));
CREATE INDEX own_gin ON indexed USING gin (raw_payload jsonb_path_ops);
SELECT harden_calls('indexed');
SELECT indexname FROM pg_indexes WHERE tablename = 'indexed' ORDER BY 1;
DROP TABLE indexed;
CREATE TABLE indexed (dialpad_call_id bigint PRIMARY KEY, status text, direction text, note text);
CREATE TABLE idx_indexed_raw_payload ();
SELECT harden_calls('indexed');
SELECT indexname FROM pg_indexes WHERE tablename = 'indexed' ORDER BY 1;
DROP TABLE indexed, idx_indexed_raw_payload;

-- Quoted names
CREATE SCHEMA "Tele phone";
CREATE TABLE "Tele phone"."Calls" ("call id" text UNIQUE, "Status" text, "the ""direction""" text, "Ende'" int);
CREATE TABLE "Tele phone"."idx_Calls_Pay load" ();
SELECT harden_calls('"Tele phone"."Calls"', 'call id', 'Status',
    'the "direction"', 'Pay load', transitions => '{"it''s ringing": ["Über"]}');
SELECT * FROM call_settings('"Tele phone"."Calls"');
SELECT harden_calls('"Tele phone"."Calls"', 'call id', 'Status',
    'the "direction"', 'Pay load', transitions => '{"it''s ringing": ["Über"]}');
INSERT INTO "Tele phone"."Calls" VALUES ('a', 'Über', 'IN') RETURNING *;
UPDATE "Tele phone"."Calls" SET "Status" = 'IT''S RINGING' RETURNING *;
SELECT unharden_calls('"Tele phone"."Calls"', true);
DROP TABLE "Tele phone"."Calls", "Tele phone"."idx_Calls_Pay load";
DROP SCHEMA "Tele phone";

-- Suitable types for the words
CREATE EXTENSION citext;
CREATE TYPE call_status AS ENUM ('ringing', 'active', 'ended', 'missed', 'rejected', 'voicemail');
CREATE DOMAIN call_direction AS varchar(8) CHECK (VALUE IN ('inbound', 'outbound'));
CREATE DOMAIN payload AS jsonb;
CREATE TABLE typed (dialpad_call_id citext, status call_status, direction call_direction, raw_payload payload);
SELECT harden_calls('typed');
INSERT INTO typed VALUES ('a', 'ringing', 'inbound');
INSERT INTO typed VALUES ('a', 'ended', 'outbound')
ON CONFLICT (dialpad_call_id) DO UPDATE SET status = EXCLUDED.status, direction = EXCLUDED.direction RETURNING *;
UPDATE typed SET status = 'active' RETURNING *;
UPDATE typed SET dialpad_call_id = 'A' RETURNING *;
INSERT INTO typed VALUES ('b', 'calling', 'inbound');
DROP TABLE typed;
CREATE TABLE typed (dialpad_call_id numeric, status char(12), direction citext);
SELECT harden_calls('typed');
INSERT INTO typed VALUES (1, 'calling', 'INCOMING'), (2, 'ringing', 'Inbound') RETURNING *;
UPDATE typed SET status = 'Hangup' RETURNING *;
UPDATE typed SET status = 'active', dialpad_call_id = 1.0 WHERE dialpad_call_id = 1 RETURNING *;
DROP TABLE typed;
CREATE TABLE typed (dialpad_call_id uuid, status varchar(9), direction varchar(8));
SELECT harden_calls('typed', provider => 'Dialpad', on_invalid => 'reject');
INSERT INTO typed VALUES ('00000000-0000-0000-0000-000000000001', 'voicemail', 'outbound') RETURNING status, direction;
UPDATE typed SET status = 'ringing';
DROP TABLE typed;

-- A partitioned table: each partition has the triggers, and a valid row can move.
CREATE TABLE parted (dialpad_call_id bigint, status text, direction text, note text) PARTITION BY LIST (status);
CREATE TABLE parted_open PARTITION OF parted FOR VALUES IN ('ringing', 'active');
CREATE TABLE parted_closed (note text, direction text, status text, dialpad_call_id bigint);
ALTER TABLE parted ATTACH PARTITION parted_closed DEFAULT;
SELECT harden_calls('parted');
INSERT INTO parted VALUES (1, 'calling', 'in');
INSERT INTO parted VALUES (2, 'ringing', 'in');
UPDATE parted SET status = 'ended' WHERE dialpad_call_id = 2;
UPDATE parted SET status = 'active' WHERE dialpad_call_id = 2;
SELECT tableoid::regclass, dialpad_call_id, status, direction FROM parted ORDER BY 2;
SELECT on_invalid FROM call_settings('parted_closed');
SELECT harden_calls('parted_closed', on_invalid => 'skip');
SELECT harden_calls('parted', on_invalid => 'skip');
SELECT harden_calls('parted', provider => 'dialpad');
SELECT on_invalid, provider FROM call_settings('parted_closed');
SELECT unharden_calls('parted_closed');
SELECT unharden_calls('parted');
DROP TABLE parted;

-- The trigger functions work only in the extension's own triggers.
CREATE TRIGGER own BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION _callhardening.validate_hardened_call();
INSERT INTO plain VALUES (1);
DROP TRIGGER own ON plain;
CREATE TRIGGER own BEFORE INSERT ON plain FOR EACH ROW
    EXECUTE FUNCTION _callhardening.validate_hardened_call('a', 'b', 'c', 'd', 'e', '', '', '');
INSERT INTO plain VALUES (1);
DROP TRIGGER own ON plain;
CREATE TRIGGER own AFTER INSERT ON plain FOR EACH ROW
    EXECUTE FUNCTION _callhardening.validate_hardened_call('dialpad_call_id', 'status', 'direction', 'raw_payload', 'keep', '', '', '');
INSERT INTO plain VALUES (1);
DROP TRIGGER own ON plain;
CREATE TRIGGER own BEFORE INSERT ON plain FOR EACH STATEMENT
    EXECUTE FUNCTION _callhardening.validate_hardened_call('dialpad_call_id', 'status', 'direction', 'raw_payload', 'keep', '', '', '');
INSERT INTO plain VALUES (1);
DROP TRIGGER own ON plain;
CREATE TRIGGER own AFTER DELETE ON plain FOR EACH ROW
    EXECUTE FUNCTION _callhardening.refuse_illegal_call('dialpad_call_id', 'status', 'direction', 'raw_payload', 'keep', '', '', '');
INSERT INTO plain VALUES (1);
DELETE FROM plain;
DROP TRIGGER own ON plain;

-- An existing direction is also normalized, and a disabled trigger is replaced.
CREATE TABLE old_calls (dialpad_call_id bigint, status text, direction text);
INSERT INTO old_calls VALUES (1, 'ended', 'INBOUND');
SELECT harden_calls('old_calls');
UPDATE old_calls SET direction = NULL RETURNING direction;
ALTER TABLE old_calls DISABLE TRIGGER validate_hardened_call;
SELECT harden_calls('old_calls');
INSERT INTO old_calls VALUES (2, 'hangup', 'Outgoing') RETURNING status, direction;
DROP TRIGGER validate_hardened_call ON old_calls;
SELECT unharden_calls('old_calls', true);
SELECT unharden_calls('old_calls');
DROP TABLE old_calls;

-- Types without a unique index
CREATE TABLE old_calls (dialpad_call_id json, status text, direction text);
SELECT harden_calls('old_calls');
DROP TABLE old_calls;

DROP FUNCTION refused, refused_inside, set_words, call_catalog;
DROP TABLE plain CASCADE;
DROP TYPE short_status, call_status;
DROP DOMAIN known_status, narrow_direction, call_direction, payload;
DROP EXTENSION citext;
DROP ROLE regress_call_reader;

-- The way back drops only the indexes made by hardening.
CREATE FUNCTION call_indexes() RETURNS SETOF text LANGUAGE sql AS $$
SELECT format('%s: %s', indexrelid::regclass, coalesce(obj_description(indexrelid, 'pg_class'), 'no comment')) FROM pg_index
WHERE indrelid = to_regclass('old_calls') ORDER BY indexrelid::regclass::text COLLATE "C"
$$;
CREATE TABLE old_calls (dialpad_call_id bigint, status text, direction text, raw_payload jsonb);
SELECT harden_calls('old_calls');
SELECT * FROM call_indexes();
SELECT unharden_calls('old_calls');
SELECT * FROM call_indexes();
-- It keeps older indexes with a comment of their owner, and an index created since.
CREATE UNIQUE INDEX old_key ON old_calls (dialpad_call_id);
CREATE INDEX old_payload ON old_calls USING gin (raw_payload);
COMMENT ON INDEX old_key IS 'the old key';
SELECT harden_calls('old_calls');
CREATE INDEX meanwhile ON old_calls (status);
SELECT unharden_calls('old_calls');
SELECT * FROM call_indexes();
DROP INDEX old_key, old_payload, meanwhile;
-- The index was renamed, then the table was hardened again. It is still the index made by hardening.
SELECT harden_calls('old_calls');
ALTER INDEX idx_old_calls_raw_payload RENAME TO renamed;
SELECT harden_calls('old_calls', on_invalid => 'reject');
SELECT unharden_calls('old_calls');
SELECT * FROM call_indexes();
-- An index that another object needs stays, with a notice.
SELECT harden_calls('old_calls');
CREATE TABLE notes (dialpad_call_id bigint REFERENCES old_calls (dialpad_call_id));
SELECT unharden_calls('old_calls', drop_payload => true);
SELECT * FROM call_indexes();
DROP TABLE notes;
SELECT harden_calls('old_calls');
ALTER TABLE old_calls ALTER dialpad_call_id SET NOT NULL, REPLICA IDENTITY USING INDEX old_calls_dialpad_call_id_idx;
SELECT unharden_calls('old_calls');
DROP TABLE old_calls;
-- The indexes of partitions are dropped, too.
CREATE TABLE old_calls (dialpad_call_id bigint, status text, direction text) PARTITION BY RANGE (dialpad_call_id);
CREATE TABLE old_calls_1 PARTITION OF old_calls FOR VALUES FROM (1) TO (100);
SELECT harden_calls('old_calls');
SELECT unharden_calls('old_calls');
SELECT count(*) FROM pg_index WHERE indrelid IN ('old_calls'::regclass, 'old_calls_1'::regclass);
DROP TABLE old_calls;
DROP FUNCTION call_indexes;
