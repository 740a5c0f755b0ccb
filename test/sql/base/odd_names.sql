-- Odd names: one for the schema, the tables and, except for its last letter, the columns. Results and messages are the
-- same as with plain names: the test writes plain names over the odd ones.
\set here :DBNAME
SET client_min_messages = warning;
CREATE ROLE "regress odd ""role""";
CREATE DATABASE regress_callhardening_names ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
ALTER DATABASE regress_callhardening_names SET client_min_messages = warning;
ALTER DATABASE regress_callhardening_names SET timezone = 'UTC';
ALTER DATABASE regress_callhardening_names SET search_path = "of the Éxtension";
\c regress_callhardening_names
CREATE SCHEMA "of the Éxtension";
CREATE EXTENSION callhardening SCHEMA "of the Éxtension";

CREATE SCHEMA test;
CREATE TABLE test.names (number int GENERATED ALWAYS AS IDENTITY, name name);
INSERT INTO test.names (name)
    VALUES ('plain'), ('has space'), ('has$dollar'), ('a"b'), ('it''s'), ('Ünï'), (repeat('é', 31) || 'x'), ('%I %1$s'), ('back\slash');
CREATE FUNCTION test.variant(name text, letter text) RETURNS name LANGUAGE sql AS $$ SELECT (left(name, -1) || letter)::name $$;
CREATE VIEW test.odd AS
SELECT number, name, format('%I.%I', name, name) AS calls, format('%1$I.%2$I', name, test.variant(name, 'V')) AS events,
    test.variant(name, 'I') AS id, test.variant(name, 'S') AS status,
    test.variant(name, 'D') AS direction, test.variant(name, 'P') AS payload,
    test.variant(name, 'T') AS type, test.variant(name, 'R') AS received,
    test.variant(name, 'O') AS processed, test.variant(name, 'C') AS carried
FROM test.names;
CREATE TABLE test.said (number int, place int GENERATED ALWAYS AS IDENTITY, statement text, said text);
-- As quoted in SQL inside SQL, in SQL, in messages, and without quotes.
CREATE FUNCTION test.write_over(said text, o test.odd) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    names text[] := ARRAY[o.id, o.status, o.direction, o.payload, o.type,
    o.received, o.processed, o.carried, test.variant(o.name, 'V'), o.name];
    words text[] := '{<id>,<status>,<direction>,<payload>,<type>,<received>,<processed>,<carried>,<v>,<name>}';
BEGIN
    said := replace(replace(said, quote_literal(o.calls), '''<calls>'''), quote_literal(o.events), '''<events>''');
    said := replace(replace(said, o.calls, '<calls>'), o.events, '<events>');
    FOR i IN 1 .. cardinality(names) LOOP
        said := replace(replace(replace(replace(said, quote_literal(names[i]), '''' || words[i] || ''''), '"' || names[i] || '"', words[i]),
            quote_ident(names[i]), words[i]), names[i], words[i]);
    END LOOP;
    RETURN said;
END
$$;
CREATE PROCEDURE test.say(VARIADIC statements text[]) LANGUAGE plpgsql AS $$
DECLARE
    o test.odd;
    statement text;
    done text;
    said text;
BEGIN
    FOR o IN SELECT * FROM test.odd LOOP
        FOREACH statement IN ARRAY statements LOOP
            BEGIN
                said := NULL;
                done := format(statement, o.name, o.calls, o.events, o.id, o.status,
                    o.direction, o.payload, o.type, o.received, o.processed, o.carried);
                IF statement ~ '^SELECT' THEN
                    EXECUTE format('SELECT string_agg(l.line, E''\n'' ORDER BY l.line COLLATE "C") FROM (%s) AS r, test.write_over(
                        (SELECT string_agg(coalesce(value, ''''), '' | '' ORDER BY place)
                            FROM jsonb_each_text(to_jsonb(r)) WITH ORDINALITY AS v (key, value, place)), $1) AS l (line)', done)
                        INTO said USING o;
                ELSE
                    EXECUTE done;
                END IF;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS done = PG_EXCEPTION_DETAIL;
                said := test.write_over(concat_ws(E'\n', SQLSTATE, SQLERRM, nullif(done, '')), o);
            END;
            INSERT INTO test.said (number, statement, said) VALUES (o.number, statement, said);
        END LOOP;
    END LOOP;
END
$$;
CALL test.say(
    'CREATE SCHEMA %1$I',
    'CREATE TABLE %2$s (%4$I bigint, %5$I varchar(20), %6$I text, %11$I text)',
    'INSERT INTO %2$s VALUES (1, ''Hangup'', ''IN''), (2, ''ringing'', ''outgoing''), (2, ''who'', ''knows''), (NULL, NULL, NULL)',
    'SELECT check_name, violations, array_to_string(sample, '', '') AS sample, advice FROM audit_calls(%2$L, %4$L, %5$L, %6$L, %7$L)',
    'DELETE FROM %2$s WHERE %5$I = ''who''',
    'SELECT harden_calls(%2$L, %4$L, %5$L, %6$L, %7$L, ''reject'', provider => ''dialpad'')',
    'SELECT s.* FROM call_settings(%2$L) AS s',
    'SELECT pg_get_indexdef(indexrelid, 1, false) FROM pg_index WHERE indrelid = %2$L::regclass',
    'INSERT INTO %2$s VALUES (3, ''nothing'')',
    'UPDATE %2$s SET %5$I = ''active'' WHERE %4$I = 1',
    'UPDATE %2$s SET %4$I = 9 WHERE %4$I = 1');
SELECT format('CALL backfill_calls(%L)', calls) FROM test.odd \gexec
CALL test.say(
    'SELECT calls, part, state, rows_done, rows_repaired FROM call_backfill_progress WHERE calls = %2$L::regclass',
    'SELECT %4$I AS id, %5$I AS status, %6$I AS direction, to_jsonb(c)->%7$L AS payload, %11$I AS carried FROM %2$s AS c',
    'SELECT check_name, violations, array_to_string(sample, '', '') AS sample, advice FROM audit_calls(%2$L)',
    'CREATE TABLE %3$s (%7$I jsonb, %8$I text, %9$I timestamptz DEFAULT ''2020-01-01'', %10$I timestamptz, %11$I text DEFAULT ''carried'')',
    'INSERT INTO %3$s (%7$I, %8$I) SELECT jsonb_build_object(''call_id'', n, ''state'', ''ringing'', ''password'', ''x''), ''ring''
        FROM generate_series(11, 13) AS n',
    'SELECT harden_call_events(%3$L, %2$L, ''nothing'')');
SELECT format('CALL prepare_harden_call_events(%L, %L, %L, %L, %L, %L, carry => ARRAY[%L], lanes => 1)',
    events, calls, payload, type, received, processed, carried) FROM test.odd \gexec
CALL test.say(
    'SELECT m.* FROM _callhardening.missing_event_indexes(%3$L, true) AS m',
    'SELECT harden_call_events(%3$L, %2$L, %7$L, %8$L, %9$L, %10$L, carry => ARRAY[%11$L], lanes => 1)',
    'SELECT ingest_call_event(''{"call_id": 14, "state": "ringing"}''::jsonb, %3$L, ''ring'')',
    'SELECT ingest_call_event(''no JSON'', %3$L)',
    'SELECT p.pending, p.oldest_received_at FROM pending_call_events(%3$L, true) AS p');
CALL test.say('SELECT p.* FROM process_call_events(2, %3$L) AS p');
CALL test.say('SELECT c.outcome FROM complete_call_events(ARRAY(SELECT claim_id FROM claim_call_events(1, log => %3$L))) AS c');
CALL test.say(
    'SELECT %4$I AS id, %5$I AS status, %6$I AS direction, to_jsonb(c)->%7$L AS payload, %11$I AS carried FROM %2$s AS c',
    'SELECT %7$I AS a, %8$I AS b, %9$I AS c, %10$I IS NULL AS d, %11$I AS e, call_id FROM %3$s',
    'SELECT log, calls, lanes, dead FROM call_event_log_status WHERE log = %3$L::regclass',
    'SELECT e.* FROM call_enforcement AS e WHERE relation IN (%2$L, %3$L) AND gap <> ''default_log''',
    'ALTER TABLE %2$s DISABLE TRIGGER validate_hardened_call',
    'ALTER TABLE %3$s DISABLE TRIGGER stamp_call_event',
    'SELECT e.* FROM call_enforcement AS e WHERE relation IN (%2$L, %3$L) AND gap <> ''default_log''',
    'SELECT figure, level, why FROM call_health(%2$L) WHERE figure <> ''oldest_snapshot''',
    'SELECT t #>> ''{calls,calls}'' AS calls FROM jsonb_array_elements(call_report() -> ''tables'') AS t
        WHERE (t ->> ''table'')::regclass = %2$L::regclass',
    'SELECT l -> ''events'' ->> ''rows_read'' AS rows FROM jsonb_array_elements(call_report() -> ''logs'') AS l
        WHERE (l ->> ''log'')::regclass = %3$L::regclass',
    'SELECT grant_call_role(''"regress odd ""role"""'', what, %3$L)
        FROM unnest(''{ingest,process,claim,operate,monitor,read}''::text[]) AS what',
    'SELECT c.relname, a.privilege_type FROM pg_class c, aclexplode(c.relacl) AS a
        WHERE c.oid IN (%2$L::regclass, %3$L::regclass) AND a.grantee <> c.relowner',
    'SELECT revoke_call_role(''"regress odd ""role"""'', what, %3$L)
        FROM unnest(''{ingest,process,claim,operate,monitor,read}''::text[]) AS what',
    'SELECT set_call_event_secret(%3$L, ''a secret of thirty-two bytes: 32'')',
    'SELECT purge_call_events(''0'', %3$L)',
    'SELECT unharden_call_events(%3$L)',
    'SELECT unharden_calls(%2$L, true)',
    'SELECT %4$I AS id, %5$I AS status, %6$I AS direction, to_jsonb(c)->%7$L AS payload, %11$I AS carried FROM %2$s AS c',
    'SELECT create_call_tables(%1$L)',
    'DROP TABLE %1$I.calls, %1$I.call_events',
    'SELECT create_call_tables(%1$L, ''*'')',
    'SELECT create_call_event_log(format(''%%I.calls'', %1$L::name)::regclass, ''vonage'', test.variant(%1$L, ''L'')) IS NOT NULL',
    'SELECT ingest_call_event(''{"uuid": "a1", "status": "started"}''::jsonb, l.events) > 0 AS kept
        FROM call_event_logs AS l WHERE l.calls = format(''%%I.calls'', %1$L::name)::regclass');
CALL test.say('SELECT p.applied FROM call_event_logs AS l, process_call_events(log => l.events) AS p
        WHERE l.calls = format(''%%I.calls'', %1$L::name)::regclass',
    'SELECT i.kind, i.call_id, i.new_value FROM call_issues AS i WHERE table_name IN (%2$L, %3$L)',
    'ALTER TABLE %1$I.calls RENAME status TO %5$I',
    'SELECT harden_calls(format(''%%I.calls'', %1$L::name)::regclass, status_column => %5$L)',
    'SELECT create_call_changes(format(''%%I.calls'', %1$L::name)::regclass, test.variant(%1$L, ''M'')) IS NOT NULL',
    'SELECT create_call_consumer(l.events, test.variant(%1$L, ''R''), true) FROM call_event_logs AS l
        WHERE l.is_of_changes AND l.calls = format(''%%I.calls'', %1$L::name)::regclass',
    'UPDATE %1$I.calls SET %5$I = ''ended''');
CALL test.say('SELECT c.call_id, c.event_type, c.payload->''changed'' = jsonb_build_array(%5$L) AS same
        FROM call_event_logs AS l, claim_call_events(log => l.events, consumer => test.variant(%1$L, ''R'')) AS c
        WHERE l.is_of_changes AND l.calls = format(''%%I.calls'', %1$L::name)::regclass',
    'SELECT drop_call_changes(format(''%%I.calls'', %1$L::name)::regclass)');
SELECT n.name, p.statement, p.said AS plain, s.said
FROM (SELECT *, row_number() OVER (PARTITION BY number ORDER BY place) AS n FROM test.said) s
JOIN (SELECT *, row_number() OVER (PARTITION BY number ORDER BY place) AS n FROM test.said) p USING (n)
    JOIN test.names n ON n.number = s.number
WHERE p.number = 1 AND s.said IS DISTINCT FROM p.said ORDER BY s.number, s.place;
\pset format unaligned
\pset tuples_only on
SELECT statement || coalesce(E'\n    ' || replace(said, E'\n', E'\n    '), '') FROM test.said WHERE number = 1 ORDER BY place;
\pset tuples_only off
\pset format aligned
\c :here
DROP DATABASE regress_callhardening_names;
DROP ROLE "regress odd ""role""";
