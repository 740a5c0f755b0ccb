-- call_enforcement finds every way around the rules, one by one.
CREATE SCHEMA "has ""q";
SET search_path = "has ""q", public;
SELECT create_call_tables('has "q');
CREATE VIEW gaps AS SELECT relation, level, gap, detail, advice FROM call_enforcement WHERE level <> 'ok';
SELECT * FROM call_enforcement;
\pset format unaligned
\pset tuples_only on

-- Triggers of a calls table
BEGIN;
ALTER TABLE calls DISABLE TRIGGER validate_hardened_call;
TABLE gaps;
SELECT relation, level FROM call_enforcement;
ROLLBACK;
BEGIN;
ALTER TABLE calls DISABLE TRIGGER ALL;
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
BEGIN;
ALTER TABLE calls ENABLE REPLICA TRIGGER validate_hardened_call_update;
TABLE gaps;
ROLLBACK;
BEGIN;
DROP TRIGGER validate_hardened_call ON calls;
TABLE gaps;
SELECT harden_calls('calls', provider => 'dialpad');
TABLE gaps;
ROLLBACK;
BEGIN;
DROP TRIGGER validate_hardened_call_insert ON calls;
TABLE gaps;
ROLLBACK;
-- A renamed trigger is the same trigger. With another event or condition it is not.
BEGIN;
ALTER TRIGGER validate_hardened_call ON calls RENAME TO "a b";
TABLE gaps;
DROP TRIGGER "a b" ON calls;
CREATE TRIGGER late BEFORE UPDATE ON calls FOR EACH ROW
    EXECUTE FUNCTION _callhardening.validate_hardened_call('dialpad_call_id',
        'status', 'direction', 'raw_payload', 'keep', '', 'dialpad', '');
TABLE gaps;
ROLLBACK;
BEGIN;
DROP TRIGGER validate_hardened_call ON calls;
CREATE TRIGGER validate_hardened_call BEFORE INSERT OR UPDATE ON calls FOR EACH ROW WHEN (NEW.status IS NOT NULL)
    EXECUTE FUNCTION _callhardening.validate_hardened_call('dialpad_call_id',
        'status', 'direction', 'raw_payload', 'keep', '', 'dialpad', '');
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
BEGIN;
DROP TRIGGER validate_hardened_call ON calls;
CREATE TRIGGER validate_hardened_call BEFORE INSERT OR UPDATE ON calls FOR EACH ROW
    EXECUTE FUNCTION _callhardening.validate_hardened_call('one');
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
BEGIN;
DROP TRIGGER validate_hardened_call ON calls;
CREATE TRIGGER validate_hardened_call BEFORE INSERT OR UPDATE ON calls FOR EACH ROW
    EXECUTE FUNCTION _callhardening.validate_hardened_call('dialpad_call_id',
        'status', 'direction', 'raw_payload', 'skip', '', 'dialpad', '');
SELECT relation, gap, detail FROM gaps;
ROLLBACK;

-- Rules in place of writes, and later triggers
BEGIN;
CREATE RULE quiet AS ON UPDATE TO calls WHERE OLD.status = 'ended' DO INSTEAD NOTHING;
TABLE gaps;
ALTER TABLE calls DISABLE RULE quiet;
TABLE gaps;
DROP RULE quiet ON calls;
CREATE RULE also AS ON INSERT TO calls DO ALSO NOTHING;
TABLE gaps;
ROLLBACK;
BEGIN;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER zz BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER aa BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER zzz AFTER UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER zzzz BEFORE DELETE ON calls FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER zz BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION touch();
TABLE gaps;
SELECT relation, level FROM call_enforcement;
ALTER TABLE calls DISABLE TRIGGER zz;
SELECT relation FROM gaps;
ROLLBACK;

-- The unique key
BEGIN;
ALTER TABLE calls DROP CONSTRAINT calls_dialpad_call_id_key;
TABLE gaps;
ALTER TABLE calls ADD UNIQUE (dialpad_call_id) DEFERRABLE;
TABLE gaps;
CREATE UNIQUE INDEX whole ON calls (dialpad_call_id) INCLUDE (status);
TABLE gaps;
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'whole'::regclass;
TABLE gaps;
DROP INDEX whole;
ALTER TABLE calls DROP CONSTRAINT calls_dialpad_call_id_key;
CREATE UNIQUE INDEX part ON calls (dialpad_call_id) WHERE status <> 'ended';
SELECT relation, gap FROM gaps;
ROLLBACK;

-- Columns
BEGIN;
ALTER TABLE calls RENAME raw_payload TO payload;
TABLE gaps;
ROLLBACK;
BEGIN;
ALTER TABLE calls DROP raw_payload;
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
BEGIN;
DROP INDEX idx_calls_raw_payload;
ALTER TABLE calls ALTER raw_payload TYPE text;
TABLE gaps;
CREATE DOMAIN body AS jsonb;
CREATE DOMAIN small_body AS body;
ALTER TABLE calls ALTER raw_payload TYPE small_body USING raw_payload::small_body;
TABLE gaps;
ROLLBACK;

BEGIN;
DROP INDEX idx_calls_raw_payload;
TABLE gaps;
SELECT relation, level FROM call_enforcement WHERE level = 'ok';
CREATE INDEX ON calls USING gin (raw_payload) WHERE status = 'ended';
SELECT relation, gap FROM gaps;
CREATE INDEX ON calls USING gin (raw_payload jsonb_path_ops);
TABLE gaps;
ROLLBACK;

-- Partitions, children, foreign tables
CREATE TABLE legs (dialpad_call_id bigint NOT NULL, direction text, status text, day date) PARTITION BY LIST (day);
CREATE TABLE legs_1 PARTITION OF legs FOR VALUES IN ('2026-01-01') PARTITION BY LIST (dialpad_call_id);
CREATE TABLE legs_11 PARTITION OF legs_1 DEFAULT;
SELECT harden_calls('legs');
CREATE TABLE legs_2 PARTITION OF legs DEFAULT;
TABLE gaps;
SELECT relation, level FROM call_enforcement WHERE relation::text LIKE '%legs%';
BEGIN;
ALTER TABLE legs_11 DISABLE TRIGGER validate_hardened_call;
SELECT relation, gap FROM gaps WHERE gap <> 'unique_key_missing';
ROLLBACK;
BEGIN;
-- A superuser can change the catalogs like this.
DELETE FROM pg_depend WHERE classid = 'pg_trigger'::regclass AND objid IN (SELECT oid FROM pg_trigger WHERE tgrelid = 'legs_2'::regclass);
DELETE FROM pg_trigger WHERE tgrelid = 'legs_2'::regclass;
SELECT * FROM gaps WHERE gap <> 'unique_key_missing';
ROLLBACK;
BEGIN;
CREATE FOREIGN DATA WRAPPER regress_dummy;
CREATE SERVER regress_there FOREIGN DATA WRAPPER regress_dummy;
CREATE FOREIGN TABLE legs_3 PARTITION OF legs FOR VALUES IN ('2026-01-03') SERVER regress_there;
SELECT * FROM gaps WHERE gap <> 'unique_key_missing';
ROLLBACK;
BEGIN;
CREATE TABLE calls_child () INHERITS (calls);
TABLE gaps;
SELECT harden_calls('calls_child', on_invalid => 'skip');
TABLE gaps;
SELECT relation, level FROM call_enforcement WHERE relation::text LIKE '%child%';
ROLLBACK;
DROP TABLE legs;

-- Roles and databases with all triggers off
BEGIN;
CREATE ROLE "regress r";
ALTER ROLE "regress r" SET session_replication_role = replica;
SELECT format('ALTER ROLE "regress r" IN DATABASE %I SET session_replication_role = replica', current_database()) \gexec
TABLE gaps;
ALTER ROLE "regress r" SET session_replication_role = local;
SELECT format('ALTER ROLE "regress r" IN DATABASE %I RESET session_replication_role', current_database()) \gexec
TABLE gaps;
ALTER ROLE ALL SET session_replication_role = replica;
SELECT format('ALTER DATABASE %I SET session_replication_role = ''replica''', current_database()) \gexec
TABLE gaps;
ROLLBACK;

-- Event logs
BEGIN;
DROP TRIGGER stamp_call_event ON call_events;
ALTER TABLE call_events DISABLE TRIGGER bury_call_event;
TABLE gaps;
ROLLBACK;
BEGIN;
DROP TRIGGER bury_call_event ON call_events;
DROP TRIGGER stamp_call_event ON call_events;
CREATE TRIGGER stamp_call_event BEFORE INSERT ON call_events FOR EACH ROW
    EXECUTE FUNCTION _callhardening.stamp_call_event('payload', 'dialpad', '128', 'bigint');
TABLE gaps;
ROLLBACK;
BEGIN;
DROP INDEX idx_call_events_lane;
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'call_events_event_digest_key'::regclass;
TABLE gaps;
ROLLBACK;
BEGIN;
ALTER TABLE call_events RENAME event_type TO kind;
ALTER TABLE call_events ALTER call_id TYPE varchar;
CREATE TABLE events_child () INHERITS (call_events);
TABLE gaps;
ROLLBACK;
BEGIN;
SELECT unharden_calls('calls');
TABLE gaps;
DROP TABLE calls;
TABLE gaps;
ROLLBACK;
BEGIN;
ALTER EVENT TRIGGER forget_dropped_call_event_logs DISABLE;
DROP TABLE call_events;
SELECT level, gap, advice FROM gaps;
ROLLBACK;
BEGIN;
CREATE RULE quiet AS ON INSERT TO call_events DO INSTEAD NOTHING;
SELECT relation, gap, detail FROM gaps;
ROLLBACK;

-- A role needs SELECT on the view. Names have their schema if it is not in the search path.
CREATE ROLE regress_reader;
GRANT USAGE ON SCHEMA "has ""q", public TO regress_reader;
SET ROLE regress_reader;
SELECT count(*) FROM call_enforcement;
RESET ROLE;
GRANT SELECT ON call_enforcement TO regress_reader;
GRANT EXECUTE ON FUNCTION _callhardening.enforcement_gaps() TO regress_reader;
SET ROLE regress_reader;
SELECT relation, level FROM call_enforcement;
RESET ROLE;
DROP OWNED BY regress_reader;
DROP ROLE regress_reader;

-- Arguments with any characters
SELECT _callhardening.trigger_arguments(convert_to('é\', 'UTF8') || '\x0000' || convert_to('00 ', 'UTF8') || '\x00');
SELECT _callhardening.trigger_arguments('') IS NULL;
RESET search_path;
\set VERBOSITY terse
DROP SCHEMA "has ""q" CASCADE;

-- The settings of an event log name its columns.
\set VERBOSITY default
CREATE SCHEMA shop;
SET search_path = shop, public;
SELECT create_call_tables('shop');
CREATE TABLE leads (dialpad_call_id bigint UNIQUE, direction text, status text, raw_payload jsonb, app_id int, at timestamp);
CREATE TABLE hooks (kind text, body jsonb, received timestamp, done timestamp, app_id int, at timestamp);
SELECT harden_calls('leads');
SELECT harden_call_events('hooks', 'leads', 'body', 'kind', 'received', 'done', carry => '{app_id,at}');
CREATE VIEW gaps AS SELECT relation, level, gap, detail, advice FROM call_enforcement WHERE level <> 'ok' AND gap <> 'default_log';
SELECT relation, level FROM call_enforcement WHERE gap <> 'default_log';
BEGIN;
ALTER TABLE hooks RENAME body TO text;
TABLE gaps;
ROLLBACK;
BEGIN;
ALTER TABLE hooks RENAME kind TO "what else";
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
BEGIN;
ALTER TABLE hooks RENAME done TO over;
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
BEGIN;
ALTER TABLE hooks DROP done, DROP received;
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
BEGIN;
ALTER TABLE hooks RENAME at TO since;
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
BEGIN;
ALTER TABLE hooks ALTER done TYPE text, ALTER kind TYPE int USING 1;
TABLE gaps;
ROLLBACK;
BEGIN;
DROP SEQUENCE hooks_event_seq_seq;
TABLE gaps;
ROLLBACK;
BEGIN;
ALTER TABLE leads RENAME app_id TO app;
TABLE gaps;
ROLLBACK;
BEGIN;
ALTER TABLE leads ALTER app_id TYPE uuid USING NULL;
ALTER TABLE hooks ALTER at TYPE text;
TABLE gaps;
ALTER TABLE leads ALTER app_id TYPE bigint USING NULL, ALTER at TYPE varchar(40);
TABLE gaps;
ROLLBACK;
BEGIN;
ALTER TABLE call_events RENAME payload TO body;
ALTER TABLE call_events RENAME received_at TO received;
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
BEGIN;
ALTER TABLE call_events ALTER payload TYPE text;
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
BEGIN;
ALTER TABLE call_events ENABLE ROW LEVEL SECURITY;
TABLE gaps;
ROLLBACK;
-- Accepted: domains and other types
BEGIN;
CREATE DOMAIN moment AS timestamptz;
CREATE DOMAIN document AS jsonb;
ALTER TABLE hooks ALTER done TYPE moment, ALTER kind TYPE varchar(9), ALTER body TYPE document;
TABLE gaps;
ROLLBACK;
RESET search_path;
\set VERBOSITY terse
DROP SCHEMA shop CASCADE;

-- An enum has lost a word of the graph.
\set VERBOSITY default
CREATE SCHEMA shop;
SET search_path = shop, public;
CREATE TYPE ste AS ENUM ('ringing', 'active', 'ended', 'missed', 'rejected', 'voicemail', 'spare');
CREATE DOMAIN way AS ste;
CREATE TYPE direction AS ENUM ('inbound', 'outbound');
CREATE TABLE legs (dialpad_call_id bigint UNIQUE, direction direction, status ste, raw_payload jsonb);
CREATE TABLE more (dialpad_call_id bigint UNIQUE, direction text, status way, raw_payload jsonb);
SELECT harden_calls('legs'), harden_calls('more', transitions => '{"ringing": ["missed"], "spare": []}');
CREATE VIEW gaps AS SELECT relation, level, gap, detail, advice FROM call_enforcement WHERE level <> 'ok' AND gap <> 'default_log';
SELECT relation, level FROM call_enforcement WHERE gap <> 'default_log';
INSERT INTO legs VALUES (1, 'inbound', 'ended');
BEGIN;
ALTER TYPE ste RENAME VALUE 'ended' TO 'finished';
TABLE gaps;
ROLLBACK;
BEGIN;
ALTER TYPE ste RENAME VALUE 'missed' TO 'Missed';
ALTER TYPE ste RENAME VALUE 'spare' TO 'lost';
ALTER TYPE direction RENAME VALUE 'inbound' TO 'in';
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
-- An invalid graph gives a gap, not an error.
BEGIN;
DROP TRIGGER validate_hardened_call ON more;
DROP TRIGGER validate_hardened_call_insert ON more;
DROP TRIGGER validate_hardened_call_update ON more;
CREATE TRIGGER validate_hardened_call BEFORE INSERT OR UPDATE ON more FOR EACH ROW
    EXECUTE FUNCTION _callhardening.validate_hardened_call('dialpad_call_id',
        'status', 'direction', 'raw_payload', 'keep', '{"a": 1}', 'dialpad', '');
SELECT relation, gap, detail FROM gaps;
ROLLBACK;
RESET search_path;
\set VERBOSITY terse
DROP SCHEMA shop CASCADE;

-- The comment of the column has each word that the functions raise, and docs/enforcement.md explains it; both ways.
\set page `cat "$PG_ABS_SRCDIR/../docs/enforcement.md"`
CREATE TEMP VIEW raised AS
SELECT DISTINCT w.m[1] AS word
FROM pg_proc AS p, regexp_matches(p.prosrc, '''(?:gap|note)'',\s+(.*)', 'gn') AS line (m),
    regexp_matches(line.m[1], '(?:^|THEN |ELSE )''([a-z_]+[a-z])''', 'g') AS w (m)
WHERE p.pronamespace = '_callhardening'::regnamespace
UNION SELECT 'unique_key_' || state FROM unnest('{missing,invalid,deferrable}'::text[]) AS state;
CREATE TEMP VIEW commented AS
SELECT DISTINCT m[1] AS word
FROM pg_attribute, regexp_matches(col_description(attrelid, attnum), '(?:^|[,:] |also )([a-z_]+)(?=[,;]|$)', 'g') AS m
WHERE attrelid = 'call_enforcement'::regclass AND attname = 'gap';
CREATE TEMP VIEW explained AS
SELECT DISTINCT w.m[1] AS word
FROM regexp_matches(:'page', '\n\| `gap` \| meaning \|((?:\n\|[^\n]*)+)', 'g') AS tables (m),
    regexp_matches(tables.m[1], '\n\| ([^|]*)', 'g') AS first_column (m), regexp_matches(first_column.m[1], '`([a-z_]+)`', 'g') AS w (m);
SELECT count(*) > 30 AS words FROM raised;
SELECT word AS not_commented FROM raised EXCEPT SELECT word FROM commented ORDER BY 1;
SELECT word AS commented_only FROM commented EXCEPT SELECT word FROM raised ORDER BY 1;
SELECT word AS not_explained FROM raised EXCEPT SELECT word FROM explained ORDER BY 1;
SELECT word AS explained_only FROM explained EXCEPT SELECT word FROM raised ORDER BY 1;
