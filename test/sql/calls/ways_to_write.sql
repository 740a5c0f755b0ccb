-- Every way to write a status gives the same verdict, as in is_valid_status_transition. The test tries each pair of
-- statuses, each kind of statement, each mode and each kind of table. The id of a call is its pair of statuses:
-- 10 * current + next.
CREATE EXTENSION citext;
CREATE EXTENSION postgres_fdw;
CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw;
DO $$
BEGIN
    EXECUTE format('ALTER SERVER loopback OPTIONS (ADD host %L, ADD port %L, ADD dbname %L)',
        split_part(current_setting('unix_socket_directories'), ', ', 1), current_setting('port'), current_database());
    EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER loopback OPTIONS (user %L)', current_user);
END
$$;
CREATE TABLE status (number bigint PRIMARY KEY, word text);
INSERT INTO status VALUES (1, 'ringing'), (2, 'active'), (3, 'ended'), (4, 'missed'), (5, 'rejected'), (6, 'voicemail');
CREATE VIEW pair AS
SELECT 10 * a.number + b.number AS call_id, a.word AS current, b.word AS next, is_valid_status_transition(a.word, b.word) AS valid
FROM status a, status b;

-- The ways: %1$s is the call and %2$L the status. @table, @status and @type are the table and its column. The column
-- `before` prepares the statement. A way to a new call adds 100 to the id: any status may be the first.
CREATE TABLE way (way text PRIMARY KEY, statement text, before text, is_new boolean GENERATED ALWAYS AS (way ~ 'COPY|INSERT') STORED);
INSERT INTO way (way, statement, before) VALUES
    ('INSERT', 'INSERT INTO @table (dialpad_call_id, @status, note) VALUES (100 + %1$s, %2$L, ''written'')', NULL),
    ('INSERT SELECT', 'INSERT INTO @table (dialpad_call_id, @status, note) SELECT 100 + dialpad_call_id, %2$L::@type, ''written''
        FROM @table WHERE dialpad_call_id = %1$s', NULL),
    ('COPY', 'COPY @table (dialpad_call_id, @status, note) FROM PROGRAM ''printf "1%1$s\t%2$s\twritten\n"''', NULL),
    ('UPDATE', 'UPDATE @table SET @status = %2$L, note = ''written'' WHERE dialpad_call_id = %1$s', NULL),
    ('UPDATE of a row', 'UPDATE @table SET (note, @status) = (SELECT ''written'', %2$L::@type) WHERE dialpad_call_id = %1$s', NULL),
    ('UPDATE FROM', 'UPDATE @table SET @status = event.word, note = ''written''
        FROM (VALUES (%1$s, %2$L::@type)) AS event (id, word) WHERE dialpad_call_id = event.id', NULL),
    ('ON CONFLICT', 'INSERT INTO @table (dialpad_call_id, @status, note) VALUES (%1$s, %2$L, ''written'')
        ON CONFLICT (dialpad_call_id) DO UPDATE SET @status = EXCLUDED.@status, note = EXCLUDED.note', NULL),
    ('MERGE', 'MERGE INTO @table USING (VALUES (%1$s, %2$L::@type)) AS event (id, word) ON dialpad_call_id = id
        WHEN MATCHED THEN UPDATE SET @status = word, note = ''written''', NULL),
    ('MERGE INSERT', 'MERGE INTO @table USING (VALUES (100 + %1$s, %2$L::@type)) AS event (id, word) ON dialpad_call_id = id
        WHEN NOT MATCHED THEN INSERT (dialpad_call_id, @status, note) VALUES (id, word, ''written'')', NULL),
    ('writable CTE', 'WITH written AS (UPDATE @table SET @status = %2$L, note = ''written''
        WHERE dialpad_call_id = %1$s RETURNING *) SELECT count(*) FROM written', NULL),
    ('updatable view', 'UPDATE way_view SET @status = %2$L, note = ''written'' WHERE dialpad_call_id = %1$s',
        'CREATE VIEW way_view AS SELECT note, @status, dialpad_call_id FROM @table WHERE dialpad_call_id > 0 WITH CHECK OPTION'),
    ('view with a trigger', 'UPDATE way_view SET @status = %2$L WHERE dialpad_call_id = %1$s',
        'CREATE VIEW way_view AS SELECT dialpad_call_id, @status, note FROM @table OFFSET 0;
         CREATE FUNCTION way_trigger() RETURNS trigger LANGUAGE plpgsql AS
         ''BEGIN UPDATE @table SET @status = NEW.@status, note = ''''written''''
             WHERE dialpad_call_id = NEW.dialpad_call_id; RETURN NEW; END'';
         CREATE TRIGGER way INSTEAD OF UPDATE ON way_view FOR EACH ROW EXECUTE FUNCTION way_trigger()'),
    ('rule DO INSTEAD', 'UPDATE way_view SET @status = %2$L, note = ''written'' WHERE dialpad_call_id = %1$s',
        'CREATE VIEW way_view AS SELECT dialpad_call_id, @status, note FROM @table OFFSET 0;
         CREATE RULE way AS ON UPDATE TO way_view DO INSTEAD UPDATE @table SET @status = NEW.@status, note = NEW.note
             WHERE dialpad_call_id = OLD.dialpad_call_id'),
    ('rule DO ALSO', 'INSERT INTO way_queue VALUES (%1$s, %2$L)',
        'CREATE TABLE way_queue (id bigint, word @type);
         CREATE RULE way AS ON INSERT TO way_queue DO ALSO UPDATE @table SET @status = NEW.word, note = ''written''
             WHERE dialpad_call_id = NEW.id'),
    ('queue with a trigger', 'INSERT INTO way_queue VALUES (%1$s, %2$L)',
        'CREATE TABLE way_queue (id bigint, word @type);
         CREATE FUNCTION way_trigger() RETURNS trigger LANGUAGE plpgsql AS
         ''BEGIN UPDATE @table SET @status = NEW.word, note = ''''written'''' WHERE dialpad_call_id = NEW.id; RETURN NULL; END'';
         CREATE TRIGGER way AFTER INSERT ON way_queue FOR EACH ROW EXECUTE FUNCTION way_trigger()'),
    ('prepared statement', 'EXECUTE way (%1$s, %2$L)',
        'PREPARE way (bigint, @type) AS UPDATE @table SET @status = $2, note = ''written'' WHERE dialpad_call_id = $1'),
    ('SQL function', 'SELECT way_function(%1$s, %2$L)',
        'CREATE FUNCTION way_function(id bigint, word @type) RETURNS void LANGUAGE sql AS
         ''UPDATE @table SET @status = word, note = ''''written'''' WHERE dialpad_call_id = id'''),
    ('PL/pgSQL', 'SELECT way_function(%1$s, %2$L)',
        'CREATE FUNCTION way_function(id bigint, word @type) RETURNS void LANGUAGE plpgsql AS
         ''BEGIN UPDATE @table SET @status = word, note = ''''written'''' WHERE dialpad_call_id = id; END'''),
    ('cursor', 'SELECT way_function(%1$s, %2$L)',
        'CREATE FUNCTION way_function(id bigint, word @type) RETURNS void LANGUAGE plpgsql AS
         ''DECLARE call CURSOR FOR SELECT * FROM @table WHERE dialpad_call_id = id FOR UPDATE; this @table;
           BEGIN OPEN call; FETCH call INTO this; UPDATE @table SET @status = word, note = ''''written''''
               WHERE CURRENT OF call; CLOSE call; END'''),
    -- A status that is rolled back to a savepoint does not count.
    ('after a savepoint', 'SELECT way_function(%1$s, %2$L)',
        'CREATE FUNCTION way_function(id bigint, word @type) RETURNS void LANGUAGE plpgsql AS
         ''BEGIN
               BEGIN
                   UPDATE @table SET @status = ''''ended'''', note = ''''undone'''' WHERE dialpad_call_id = id;
                   RAISE division_by_zero;
               EXCEPTION WHEN division_by_zero OR check_violation THEN NULL;
               END;
               UPDATE @table SET @status = word, note = ''''written'''' WHERE dialpad_call_id = id;
           END'''),
    ('postgres_fdw', 'UPDATE way_foreign SET @status = %2$L, note = ''written'' WHERE dialpad_call_id = %1$s',
        'CREATE FOREIGN TABLE way_foreign (dialpad_call_id bigint, @status @type, note text) SERVER loopback
            OPTIONS (table_name ''@table'')'),
    -- Either the other server finds the row, or this one.
    ('postgres_fdw, row by row',
        'UPDATE way_foreign SET @status = %2$L, note = ''written'' WHERE dialpad_call_id = %1$s AND pg_backend_pid() > 0',
        'CREATE FOREIGN TABLE way_foreign (dialpad_call_id bigint, @status @type, note text) SERVER loopback
            OPTIONS (table_name ''@table'')'),
    ('postgres_fdw INSERT', 'INSERT INTO way_foreign VALUES (100 + %1$s, %2$L, ''written'')',
        'CREATE FOREIGN TABLE way_foreign (dialpad_call_id bigint, @status @type, note text) SERVER loopback
            OPTIONS (table_name ''@table'')');

-- Tables.
CREATE TABLE plain (dialpad_call_id bigint, status text, direction text, note text);
CREATE TYPE call_status AS ENUM ('ringing', 'active', 'ended', 'missed', 'rejected', 'voicemail');
CREATE DOMAIN call_word AS varchar(9) CHECK (VALUE IN ('ringing', 'active', 'ended', 'missed', 'rejected', 'voicemail'));
CREATE TABLE of_varchar (dialpad_call_id bigint, status varchar(9), direction varchar(8), note text);
CREATE TABLE of_enum (dialpad_call_id bigint, status call_status, direction text, note text);
CREATE TABLE of_domain (dialpad_call_id bigint, status call_word, direction text, note text);
CREATE TABLE of_citext (dialpad_call_id bigint, status citext, direction citext, note text);
CREATE TABLE generated (is_over boolean GENERATED ALWAYS AS (status NOT IN ('ringing', 'active')) STORED,
    dialpad_call_id bigint, status text, direction text, note text, CHECK (is_over = (status NOT IN ('ringing', 'active'))));

-- Other triggers: an earlier one is corrected. A later one is refused, in every mode.
CREATE FUNCTION set_status() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.status := NEW.wanted; RETURN NEW; END';
CREATE TABLE early (dialpad_call_id bigint, status text, direction text, note text, wanted text);
CREATE TRIGGER a_early BEFORE INSERT OR UPDATE ON early FOR EACH ROW EXECUTE FUNCTION set_status();
CREATE TABLE late (dialpad_call_id bigint, status text, direction text, note text, wanted text);
CREATE TRIGGER zz_late BEFORE INSERT OR UPDATE ON late FOR EACH ROW EXECUTE FUNCTION set_status();

-- Deferred: keys, and a constraint trigger that writes the status.
CREATE TABLE app (id bigint PRIMARY KEY);
CREATE TABLE deferred (dialpad_call_id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED, status text, direction text, note text, wanted text,
    app_id bigint DEFAULT 1 REFERENCES app DEFERRABLE INITIALLY DEFERRED);
INSERT INTO app VALUES (1);
CREATE FUNCTION write_status() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN UPDATE deferred SET status = NEW.wanted WHERE dialpad_call_id = NEW.dialpad_call_id; RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER write_status AFTER INSERT OR UPDATE OF wanted ON deferred DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION write_status();

-- Partitions by status: every call moves, some of them between sub-partitions. Partitions by call id: those that are
-- attached after hardening have their columns in another order.
CREATE TABLE by_status (dialpad_call_id bigint, status text, direction text, note text) PARTITION BY LIST (status);
CREATE TABLE by_status_open PARTITION OF by_status FOR VALUES IN ('ringing', 'active') PARTITION BY LIST (status);
CREATE TABLE by_status_ringing PARTITION OF by_status_open FOR VALUES IN ('ringing');
CREATE TABLE by_status_active PARTITION OF by_status_open FOR VALUES IN ('active');
CREATE TABLE by_status_closed PARTITION OF by_status FOR VALUES IN ('ended', 'missed');
CREATE TABLE by_id (dialpad_call_id bigint PRIMARY KEY, status text, direction text, note text) PARTITION BY RANGE (dialpad_call_id);
CREATE TABLE by_id_low PARTITION OF by_id FOR VALUES FROM (0) TO (30);

-- Inheritance: each child is hardened as a table of its own, and written to through its parent.
CREATE TABLE parent (dialpad_call_id bigint, status text, direction text, note text);
CREATE TABLE child (PRIMARY KEY (dialpad_call_id)) INHERITS (parent);
CREATE FUNCTION to_child() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO public.child (dialpad_call_id, status, note) VALUES (NEW.dialpad_call_id, NEW.status, NEW.note); RETURN NULL; END$$;
CREATE TRIGGER a_to_child BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION to_child();

-- Written to in a session like that of a subscriber.
CREATE TABLE always (dialpad_call_id bigint, status text, direction text, note text);

-- The kinds of tables. Some ways do not exist:
-- - ON CONFLICT without a unique call id
-- - a cursor on pruned partitions
-- - postgres_fdw on partitions: two rows can have the same ctid, and postgres_fdw takes the wrong one
-- - rules and triggers on the subscriber, since they do not fire there
-- - an end of the transaction on the other side
-- If only the type or a trigger differs, some ways stand for all.
CREATE TABLE ground (ground text PRIMARY KEY, written text, type text, closed_ways text, late boolean, deferred boolean);
INSERT INTO ground (ground, written, type, closed_ways, late, deferred) VALUES
    ('plain',      'status', 'text',        '^$',                                            false, false),
    ('of_varchar', 'status', 'varchar(9)',  'COPY|SELECT|FROM|row|CTE|view|rule|queue|SQL',  false, false),
    ('of_enum',    'status', 'call_status', 'COPY|SELECT|FROM|row|CTE|view|rule|queue|SQL',  false, false),
    ('of_domain',  'status', 'call_word',   'COPY|SELECT|FROM|row|CTE|view|rule|queue|SQL',  false, false),
    ('of_citext',  'status', 'citext',      'COPY|SELECT|FROM|row|CTE|view|rule|queue|SQL',  false, false),
    ('generated',  'status', 'text',        'COPY|SELECT|CTE|view|rule|queue|SQL',           false, false),
    ('early',      'wanted', 'text',        'COPY|SELECT|CTE|view|rule|queue|SQL',           false, false),
    ('late',       'wanted', 'text',        'COPY|SELECT|CTE|view|rule|queue|SQL',           true,  false),
    ('deferred',   'wanted', 'text',        'COPY|SELECT|CTE|view|rule|queue|SQL|fdw|CONFLICT', false, true),
    ('by_status',  'status', 'text',        'CONFLICT|cursor|row by row',                    false, false),
    ('by_id',      'status', 'text',        'cursor|row by row',                             false, false),
    ('parent',     'status', 'text',        'CONFLICT|row by row',                           false, false),
    ('always',     'status', 'text',        'COPY|fdw|rule|trigger',                         false, false);

CREATE FUNCTION adapt(statement text, ground ground) RETURNS text LANGUAGE sql AS $$
SELECT replace(replace(replace(statement, '@table', ground.ground), '@status', ground.written), '@type', ground.type)
$$;
CREATE TABLE verdict (ground text, mode text, way text, call_id bigint, sqlstate text, refused_by text, status text, note text);
-- Ends with COMMIT: postgres_fdw writes in another session.
CREATE PROCEDURE take_way(way way, ground ground, mode text) LANGUAGE plpgsql AS $$
DECLARE
    pair record;
    state text;
    refused_by text;
BEGIN
    EXECUTE format('DELETE FROM %I', ground.ground);
    EXECUTE adapt('INSERT INTO @table (dialpad_call_id, @status) SELECT call_id, current::@type FROM pair', ground);
    EXECUTE coalesce(adapt(way.before, ground), 'SELECT');
    COMMIT;
    CREATE TEMP TABLE refused (id bigint, state text, refused_by text);
    FOR pair IN SELECT * FROM pair LOOP
        BEGIN
            SET CONSTRAINTS ALL DEFERRED;
            EXECUTE format(adapt(way.statement, ground), pair.call_id, pair.next);
            SET CONSTRAINTS ALL IMMEDIATE;
        EXCEPTION WHEN check_violation THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, refused_by = CONSTRAINT_NAME;
            INSERT INTO refused VALUES (pair.call_id, state, refused_by);
        END;
    END LOOP;
    COMMIT;
    EXECUTE format('INSERT INTO verdict SELECT %L, %L, %L, call_id, state, refused_by, status, note
        FROM pair LEFT JOIN %I ON dialpad_call_id = call_id + %s LEFT JOIN refused ON refused.id = call_id',
        ground.ground, mode, way.way, ground.ground, CASE WHEN way.is_new THEN 100 ELSE 0 END);
    DROP TABLE refused;
    DROP FOREIGN TABLE IF EXISTS way_foreign;
    DROP VIEW IF EXISTS way_view;
    DROP TABLE IF EXISTS way_queue;
    DROP FUNCTION IF EXISTS way_function, way_trigger;
    DEALLOCATE ALL;
    COMMIT;
END
$$;
CREATE PROCEDURE take_all_ways(mode text, grounds text DEFAULT '') LANGUAGE plpgsql AS $$
DECLARE
    ground ground;
    way way;
BEGIN
    FOR ground IN SELECT * FROM ground AS g WHERE g.ground ~ grounds LOOP
        FOR way IN SELECT * FROM way AS r WHERE r.way !~ ground.closed_ways LOOP
            CALL take_way(way, ground, mode);
        END LOOP;
    END LOOP;
END
$$;

SET client_min_messages = error;
SET synchronous_commit = off;
SELECT count(*) FROM (SELECT harden_calls(ground::regclass) FROM ground UNION ALL SELECT harden_calls('child')) AS hardened;
CREATE TABLE by_status_rejected (note text, direction text, raw_payload jsonb, status text, dialpad_call_id bigint);
ALTER TABLE by_status ATTACH PARTITION by_status_rejected FOR VALUES IN ('rejected');
CREATE TABLE by_status_other (status text, raw_payload jsonb, note text,
    dialpad_call_id bigint, direction text) PARTITION BY HASH (dialpad_call_id);
CREATE TABLE by_status_other_0 PARTITION OF by_status_other FOR VALUES WITH (MODULUS 2, REMAINDER 0);
ALTER TABLE by_status ATTACH PARTITION by_status_other DEFAULT;
CREATE TABLE by_status_other_1 (dialpad_call_id bigint, note text, raw_payload jsonb, direction text, status text);
ALTER TABLE by_status_other ATTACH PARTITION by_status_other_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE by_id_high (note text, raw_payload jsonb, direction text, status text, dialpad_call_id bigint NOT NULL);
ALTER TABLE by_id ATTACH PARTITION by_id_high DEFAULT;

SELECT count(*) FROM (SELECT harden_calls(ground::regclass, on_invalid => 'keep')
    FROM ground UNION ALL SELECT harden_calls('child', on_invalid => 'keep')) AS hardened;
CALL take_all_ways('keep', '^(?!always)');
ALTER TABLE always ENABLE ALWAYS TRIGGER validate_hardened_call;
-- Nothing changes when the table is hardened again.
SET session_replication_role = replica;
CALL take_all_ways('keep', 'always');
RESET session_replication_role;
SELECT count(*) FROM (SELECT harden_calls(ground::regclass, on_invalid => 'skip')
    FROM ground UNION ALL SELECT harden_calls('child', on_invalid => 'skip')) AS hardened;
CALL take_all_ways('skip', '^(?!always)');
SET session_replication_role = replica;
CALL take_all_ways('skip', 'always');
RESET session_replication_role;
SELECT count(*) FROM (SELECT harden_calls(ground::regclass, on_invalid => 'reject')
    FROM ground UNION ALL SELECT harden_calls('child', on_invalid => 'reject')) AS hardened;
CALL take_all_ways('reject', '^(?!always)');
SET session_replication_role = replica;
CALL take_all_ways('reject', 'always');
RESET session_replication_role;
RESET client_min_messages;

CREATE VIEW judged AS
SELECT ground, mode, way, current, next, v.status, v.note, v.sqlstate, v.refused_by,
    v.status IS NOT DISTINCT FROM CASE WHEN legal THEN next ELSE current END
    AND v.note IS NOT DISTINCT FROM CASE WHEN legal OR (mode = 'keep' AND NOT late) OR (mode <> 'reject' AND deferred) THEN 'written' END
    AND v.sqlstate IS NOT DISTINCT FROM CASE WHEN NOT legal AND (mode = 'reject' OR late) THEN '23514' END
    -- postgres_fdw reports the code and the text of an error, and no constraint.
    AND coalesce(v.refused_by ~ '_status_transition$', false) = (v.sqlstate IS NOT NULL AND way !~ 'fdw') AS is_right
FROM ground CROSS JOIN way CROSS JOIN pair CROSS JOIN unnest('{keep,skip,reject}'::text[]) AS mode
CROSS JOIN LATERAL (SELECT valid OR is_new AS legal) AS l
LEFT JOIN verdict v USING (ground, mode, way, call_id)
WHERE way !~ closed_ways;

-- The ways to each table, and the pairs treated correctly by each mode: 36 times as many
SELECT ground, count(DISTINCT way) AS ways, count(*) / 3 AS pairs, count(*) FILTER (WHERE mode = 'keep' AND is_right) AS keep,
    count(*) FILTER (WHERE mode = 'skip' AND is_right) AS skip, count(*) FILTER (WHERE mode = 'reject' AND is_right) AS reject
FROM judged GROUP BY ground ORDER BY 1;
SELECT way, count(DISTINCT ground) AS tables, count(*) / 3 AS pairs, count(*) FILTER (WHERE mode = 'keep' AND is_right) AS keep,
    count(*) FILTER (WHERE mode = 'skip' AND is_right) AS skip, count(*) FILTER (WHERE mode = 'reject' AND is_right) AS reject
FROM judged GROUP BY way ORDER BY 1;
-- The pairs treated wrongly
SELECT ground, mode, way, current, next, status, note, sqlstate, refused_by FROM judged WHERE NOT is_right ORDER BY 1, 2, 3, 4, 5 LIMIT 100;

SET client_min_messages = error;
DROP EXTENSION postgres_fdw CASCADE;
DROP TABLE status, way, ground, verdict, plain, of_varchar, of_enum, of_domain, of_citext, generated, early, late, deferred, app,
    by_status, by_id, parent, always CASCADE;
DROP FUNCTION set_status, write_status, to_child;
DROP PROCEDURE take_all_ways;
DROP TYPE call_status;
DROP DOMAIN call_word;
DROP EXTENSION citext;
