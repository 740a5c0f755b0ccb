-- The BEFORE trigger holds the settings of a hardened table. They also apply to changes of a later trigger.
CREATE TABLE legs (dialpad_call_id bigint PRIMARY KEY, status text, direction text, note text);
SELECT harden_calls('legs', transitions => '{"new": ["held", "done"], "held": ["done"], "done": []}', on_invalid => 'reject');
CREATE FUNCTION set_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.status := coalesce(nullif(current_setting('test.status', true), ''), NEW.status);
    RETURN NEW;
END
$$;
CREATE FUNCTION refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'written';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN format('%s: %s (%s)', SQLSTATE, SQLERRM, detail);
END
$$;
CREATE TRIGGER zz_late BEFORE INSERT OR UPDATE ON legs FOR EACH ROW EXECUTE FUNCTION set_status();
INSERT INTO legs VALUES (1, 'new', 'inbound'), (2, 'held', 'inbound'), (3, 'done', 'inbound');
SET test.status = 'new';
SELECT refused('UPDATE legs SET note = ''x'' WHERE dialpad_call_id = 3');
SET test.status = 'ringing';
SELECT refused('INSERT INTO legs VALUES (4)');

-- Triggers and table can have any name.
BEGIN;
ALTER TRIGGER validate_hardened_call ON legs RENAME TO "a 'b";
ALTER TRIGGER validate_hardened_call_insert ON legs RENAME TO c;
ALTER TABLE legs RENAME TO pieces;
SELECT refused('INSERT INTO pieces VALUES (4)');
ROLLBACK;
-- The trigger is disabled, or fires for replicated rows only. It need not fire with the others.
BEGIN;
ALTER TABLE legs DISABLE TRIGGER validate_hardened_call;
SELECT refused('INSERT INTO legs VALUES (4)');
SELECT refused('UPDATE legs SET note = ''x'' WHERE dialpad_call_id = 3');
SELECT on_invalid, transitions FROM call_settings('legs');
ALTER TABLE legs ENABLE REPLICA TRIGGER validate_hardened_call;
SELECT refused('INSERT INTO legs VALUES (4)');
ALTER TABLE legs ENABLE TRIGGER validate_hardened_call, ENABLE ALWAYS TRIGGER validate_hardened_call_insert, ENABLE ALWAYS TRIGGER zz_late;
SET LOCAL session_replication_role = replica;
SELECT refused('INSERT INTO legs VALUES (4)');
ROLLBACK;
-- The trigger is gone. During a restore triggers are created in the order of their names.
BEGIN;
DROP TRIGGER validate_hardened_call ON legs;
SET LOCAL test.status = 'held';
SELECT refused('INSERT INTO legs VALUES (5)'), refused('UPDATE legs SET note = ''x'' WHERE dialpad_call_id = 1');
SET LOCAL test.status = 'ringing';
SELECT refused('INSERT INTO legs VALUES (4)'), refused('UPDATE legs SET note = ''x'' WHERE dialpad_call_id = 3');
INSERT INTO legs VALUES (4);
ROLLBACK;
-- The trigger was altered.
BEGIN;
DROP TRIGGER validate_hardened_call ON legs;
CREATE TRIGGER validate_hardened_call BEFORE UPDATE ON legs FOR EACH ROW EXECUTE FUNCTION _callhardening.validate_hardened_call('one');
SELECT refused('INSERT INTO legs VALUES (4)');
DROP TRIGGER validate_hardened_call ON legs;
CREATE TRIGGER validate_hardened_call BEFORE INSERT OR UPDATE ON legs FOR EACH ROW
    EXECUTE FUNCTION _callhardening.validate_hardened_call('dialpad_call_id', 'state', 'direction', 'raw_payload', 'keep', '', '', '');
ALTER TABLE legs DISABLE TRIGGER validate_hardened_call;
SELECT refused('INSERT INTO legs VALUES (4)');
ROLLBACK;

-- A session sees later changes of the settings, even in a prepared statement.
PREPARE late AS UPDATE legs SET note = 'x' WHERE dialpad_call_id = $1;
SET test.status = 'held';
SELECT refused('EXECUTE late(3)');
SELECT harden_calls('legs', transitions => '{"new": ["held", "done"], "held": ["done"], "done": ["held"]}');
EXECUTE late(3);
SELECT status FROM legs WHERE dialpad_call_id = 3;
SELECT harden_calls('legs', transitions => '{"new": ["held", "done"], "held": ["done"], "done": ["new"]}', on_invalid => 'keep');
UPDATE legs SET status = 'held', note = 'kept' WHERE dialpad_call_id = 3;
SET test.status = 'new';
SELECT refused('EXECUTE late(3)');
BEGIN;
DROP TRIGGER validate_hardened_call ON legs;
SELECT refused('EXECUTE late(3)');
ROLLBACK;
SELECT refused('EXECUTE late(3)');
RESET test.status;
DEALLOCATE late;

-- Several tables in one statement: each has its own settings.
CREATE TABLE others (dialpad_call_id bigint PRIMARY KEY, status text, direction text, note text);
SELECT harden_calls('others');
INSERT INTO others VALUES (1, 'ringing', 'inbound');
WITH l AS (UPDATE legs SET status = 'DONE' WHERE dialpad_call_id = 1 RETURNING status),
    o AS (UPDATE others SET status = 'Connected' WHERE dialpad_call_id = 1 RETURNING status)
SELECT l.status, o.status FROM l, o;
CREATE TRIGGER zz_late BEFORE INSERT OR UPDATE ON others FOR EACH ROW EXECUTE FUNCTION set_status();
SET test.status = 'new';
SELECT refused('WITH l AS (UPDATE legs SET note = ''x'' WHERE dialpad_call_id = 3) UPDATE others SET note = ''x''');
SET test.status = 'ended';
SELECT refused('WITH o AS (UPDATE others SET note = ''x'') UPDATE legs SET note = ''x'' WHERE dialpad_call_id = 3');
SELECT refused('UPDATE others SET note = ''x''');
RESET test.status;
-- The same if one table inherits from another
CREATE TABLE child () INHERITS (others);
SELECT harden_calls('child', transitions => '{"new": ["held"], "held": []}');
INSERT INTO child VALUES (2, 'new', 'outbound');
UPDATE others SET status = 'held' WHERE dialpad_call_id = 2 RETURNING tableoid::regclass, status;
CREATE TRIGGER zz_late BEFORE UPDATE ON child FOR EACH ROW EXECUTE FUNCTION set_status();
SET test.status = 'missed';
SELECT refused('UPDATE others SET note = ''x'' WHERE dialpad_call_id = 2'),
    refused('UPDATE others SET note = ''x'' WHERE dialpad_call_id = 1');
RESET test.status;
DROP TABLE child, others;

-- Partitions have their own copies of the triggers.
CREATE TABLE parted (dialpad_call_id bigint, status text, direction text, note text, raw_payload jsonb) PARTITION BY LIST (status);
CREATE TABLE parted_new PARTITION OF parted FOR VALUES IN ('new', 'held');
SELECT harden_calls('parted', transitions => '{"new": ["held", "done"], "held": ["done"], "done": []}', on_invalid => 'reject');
CREATE TABLE parted_done (raw_payload jsonb, note text, direction text, status text, dialpad_call_id bigint);
ALTER TABLE parted ATTACH PARTITION parted_done DEFAULT;
CREATE TRIGGER zz_late BEFORE INSERT OR UPDATE ON parted_done FOR EACH ROW EXECUTE FUNCTION set_status();
CREATE TRIGGER zz_late BEFORE INSERT OR UPDATE ON parted_new FOR EACH ROW EXECUTE FUNCTION set_status();
INSERT INTO parted VALUES (1, 'new', 'in'), (2, 'new', 'in'), (3, 'done', 'in');
UPDATE parted SET status = 'done' WHERE dialpad_call_id = 1 RETURNING tableoid::regclass, status, direction;
SELECT refused('UPDATE parted SET status = ''new'' WHERE dialpad_call_id = 3');
SET test.status = 'ringing';
SELECT refused('INSERT INTO parted VALUES (4, ''done'')'), refused('INSERT INTO parted_done (dialpad_call_id) VALUES (4)');
ALTER TABLE parted_done DISABLE TRIGGER validate_hardened_call;
SELECT refused('INSERT INTO parted VALUES (4, ''done'')'), refused('UPDATE parted SET note = ''x'' WHERE dialpad_call_id = 3');
RESET test.status;
SELECT tgrelid::regclass, tgname, tgenabled, length(tgargs) > 40 AS has_settings FROM pg_trigger
WHERE tgrelid IN ('parted'::regclass, 'parted_new'::regclass, 'parted_done'::regclass) AND tgname LIKE 'validate%'
ORDER BY tgrelid::regclass::text, tgname;
ALTER TABLE parted DETACH PARTITION parted_done;
SELECT transitions FROM call_settings('parted_done');
DROP TABLE parted, parted_done, legs;
DROP FUNCTION set_status, refused;
