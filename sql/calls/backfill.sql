
-- backfill -------------------------------------------------------------------------------------
--
-- A table is walked in the order of its pages, which needs no index. Rows that clients update meanwhile may move
-- behind the walk's back; so it is followed by others, each of which looks at what was written since the one before it
-- began, until one finds nothing. What a client has locked just now is passed, remembered, and waited for at the end,
-- one row at a time with no other lock on the table's rows: so nobody can wait in a circle.

-- Not dumped: pages and transaction ids mean nothing elsewhere.
CREATE TABLE _callhardening.backfills (
    calls regclass NOT NULL,
    part regclass NOT NULL,
    filenode oid NOT NULL,
    rules bigint NOT NULL,
    pass int NOT NULL DEFAULT 1,
    began pg_catalog.xid8 NOT NULL DEFAULT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()),
    written_since pg_catalog.xid8,
    page bigint NOT NULL DEFAULT 0,
    pages bigint NOT NULL,
    found bigint NOT NULL DEFAULT 0,
    passed pg_catalog.tid[] NOT NULL DEFAULT '{}',
    looked_at bigint NOT NULL DEFAULT 0,
    repaired bigint NOT NULL DEFAULT 0,
    unwritten bigint NOT NULL DEFAULT 0,
    failed_with pg_catalog.text,
    busy interval NOT NULL DEFAULT '0',
    pid int NOT NULL DEFAULT pg_catalog.pg_backend_pid(),
    started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    batch_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    finished_at timestamptz,
    is_obsolete boolean NOT NULL DEFAULT false,
    CONSTRAINT backfills_pkey PRIMARY KEY (calls, part)
) WITH (fillfactor = 50);
REVOKE ALL ON _callhardening.backfills FROM PUBLIC;

COMMENT ON TABLE _callhardening.backfills IS
'how far each backfill_calls is: a row per table or partition. call_backfill_progress is easier to read';
COMMENT ON COLUMN _callhardening.backfills.calls IS 'the hardened table';
COMMENT ON COLUMN _callhardening.backfills.part IS 'where its rows are: a partition, or the table itself';
COMMENT ON COLUMN _callhardening.backfills.filenode IS 'the file of page: after VACUUM FULL or CLUSTER it is another';
COMMENT ON COLUMN _callhardening.backfills.rules IS
'a hash of the settings: if they have changed, rows are looked at once more';
COMMENT ON COLUMN _callhardening.backfills.pass IS
'1 looks at all rows, each further one at what was written since the one before it began';
COMMENT ON COLUMN _callhardening.backfills.began IS 'every transaction below this had ended when the pass began';
COMMENT ON COLUMN _callhardening.backfills.written_since IS
'the pass looks at rows of this transaction and later ones; NULL: at all';
COMMENT ON COLUMN _callhardening.backfills.page IS 'the next page of the pass';
COMMENT ON COLUMN _callhardening.backfills.pages IS 'how many there were when it began';
COMMENT ON COLUMN _callhardening.backfills.found IS 'rows repaired in the pass; 0 at its end: it was the last';
COMMENT ON COLUMN _callhardening.backfills.passed IS
'rows locked by others or suppressed by a trigger: they are tried once more';
COMMENT ON COLUMN _callhardening.backfills.looked_at IS 'rows of the first pass so far';
COMMENT ON COLUMN _callhardening.backfills.repaired IS 'rows written';
COMMENT ON COLUMN _callhardening.backfills.unwritten IS
'rows with a failed repair: a trigger of the table has suppressed it, or it failed';
COMMENT ON COLUMN _callhardening.backfills.failed_with IS 'SQLSTATE of the first failure; NULL: none has';
COMMENT ON COLUMN _callhardening.backfills.busy IS 'time of batches, with their commits';
COMMENT ON COLUMN _callhardening.backfills.pid IS 'process id of the session at work on it, or of the last one';
COMMENT ON COLUMN _callhardening.backfills.batch_at IS 'when the last batch ended';
COMMENT ON COLUMN _callhardening.backfills.is_obsolete IS 'true deletes the row';
COMMENT ON COLUMN _callhardening.backfills.finished_at IS
'when the last pass ended; NULL: calling backfill_calls again goes on from here';

-- backfill_calls cannot run as the extension's owner, since it commits: so owners of tables write here themselves, with
-- the rights of the task own. That is UPDATE of columns: DELETE, or UPDATE of the whole, would let them lock the table.
CREATE FUNCTION _callhardening.delete_obsolete_backfill() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    DELETE FROM _callhardening.backfills AS b WHERE b.calls = NEW.calls AND b.part = NEW.part AND b.is_obsolete;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.delete_obsolete_backfill() FROM PUBLIC;
CREATE TRIGGER delete_obsolete_backfill AFTER UPDATE ON _callhardening.backfills FOR EACH ROW
    WHEN (NEW.is_obsolete) EXECUTE FUNCTION _callhardening.delete_obsolete_backfill();

COMMENT ON FUNCTION _callhardening.delete_obsolete_backfill() IS
'trigger function: deletes a row of backfills for an owner without the right to do it';

-- Rows of a dropped table are in the way of nobody.
CREATE VIEW _callhardening.my_backfills WITH (security_barrier) AS
SELECT b.* FROM _callhardening.backfills b
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) b.calls::oid AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE'))
WITH CHECK OPTION;
REVOKE ALL ON _callhardening.my_backfills FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('own', 'my_backfills', 'SELECT', NULL),
    ('own', 'my_backfills', 'INSERT', NULL),
    ('own', 'my_backfills', 'UPDATE', '{calls, part}');

COMMENT ON VIEW _callhardening.my_backfills IS
'the rows of backfills of the caller''s own tables: what backfill_calls reads and writes';

CREATE FUNCTION _callhardening.rules_hash(calls regclass) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT hashtextextended(@extschema@.call_settings(calls)::text COLLATE "C", 0)
$$;

COMMENT ON FUNCTION _callhardening.rules_hash(regclass) IS
'a hash of the settings of a hardened table';

CREATE FUNCTION _callhardening.table_pages(part regclass) RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT pg_relation_size(part) / current_setting('block_size')::int
$$;

COMMENT ON FUNCTION _callhardening.table_pages(regclass) IS
'number of pages that a table has now, those of long values left out';

CREATE FUNCTION _callhardening.begin_backfill(calls regclass, batch_size int) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
#variable_conflict use_column
DECLARE
    hardened regclass := calls;
    settings _callhardening.settings;
    elsewhere text;
    goes_on boolean;
BEGIN
    PERFORM _callhardening.require_calls_table(hardened);
    PERFORM _callhardening.require_undistributed(hardened, 'be backfilled as one'::text,
        format('Backfill its shards: SELECT * FROM run_command_on_placements(%L, '
            '''CALL %s.backfill_calls(''''%%s'''')'').', hardened,
            (SELECT quote_ident(n.nspname) FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
             WHERE e.extname = 'callhardening')));
    IF batch_size IS NULL OR batch_size NOT BETWEEN 1 AND 100000 THEN
        PERFORM _callhardening.raise_error('22023',
            format('batch_size must be 1 to 100000, not %s', coalesce(batch_size::text, 'NULL')));
    END IF;
    SELECT * INTO settings FROM @extschema@.call_settings(hardened);
    IF settings.call_id_column IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is not hardened', hardened),
            hint => 'Harden it with harden_calls first, so that no new row needs a repair. audit_calls shows what '
                'would be repaired.');
    END IF;
    PERFORM _callhardening.require_valid_settings(hardened, settings);

    SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text COLLATE "C") INTO elsewhere
    FROM pg_class AS c WHERE c.relkind = 'f' AND c.oid IN (SELECT relid FROM pg_partition_tree(hardened));
    IF elsewhere IS NOT NULL THEN
        PERFORM _callhardening.report('WARNING',
            format('backfill of table %s leaves out foreign tables among its partitions: %s',
            hardened, elsewhere),
            hint => 'Harden and backfill their tables at their servers.');
    END IF;

    UPDATE _callhardening.my_backfills SET is_obsolete = true WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = calls);
    goes_on := EXISTS (SELECT FROM _callhardening.my_backfills WHERE calls = hardened AND finished_at IS NULL);
    UPDATE _callhardening.my_backfills SET is_obsolete = true WHERE calls = hardened AND (NOT goes_on
        OR rules <> _callhardening.rules_hash(hardened) OR filenode IS DISTINCT FROM pg_relation_filenode(part)
        OR part NOT IN (SELECT _callhardening.table_leaves(hardened)));
    UPDATE _callhardening.my_backfills SET pid = pg_backend_pid(), batch_at = clock_timestamp() WHERE calls = hardened
        AND finished_at IS NULL;
    INSERT INTO _callhardening.my_backfills (calls, part, filenode, rules, pages)
    SELECT hardened, leaf, pg_relation_filenode(leaf), _callhardening.rules_hash(hardened),
        _callhardening.table_pages(leaf)
    FROM _callhardening.table_leaves(hardened) AS leaf
    ON CONFLICT DO NOTHING;
END
$$;

COMMENT ON FUNCTION _callhardening.begin_backfill(regclass, int) IS
'a part of backfill_calls: refuses what it cannot work on, and remembers what there is to do, or what is left of it';

CREATE FUNCTION _callhardening.qualified_name(relation regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
-- A regclass leaves the schema of a temporary table out, which the caller's path may have after others.
SELECT format('%s.%I', relnamespace::regnamespace, relname) FROM pg_class WHERE oid = relation
$$;

COMMENT ON FUNCTION _callhardening.qualified_name(regclass) IS
'the name of a relation for a statement run with another search path';

CREATE FUNCTION _callhardening.repaired_value(calls regclass, column_name name, member text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- A dropped column has no type: the statement says so then.
SELECT format('coalesce(CAST((f.repair).%s AS %s), c.%I)', member, coalesce((
    SELECT format('%I.%I', n.nspname, t.typname)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE a.attrelid = calls AND a.attname = column_name AND NOT a.attisdropped), 'pg_catalog.text'), column_name)
$$;

COMMENT ON FUNCTION _callhardening.repaired_value(regclass, name, text) IS
'a part of repair_statement: what it writes to a column, from a member of what repaired_row returns';

CREATE FUNCTION _callhardening.can_repair_move_rows(calls regclass, written name[]) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT EXISTS (
    SELECT FROM pg_partition_tree(calls) t JOIN pg_partitioned_table p ON p.partrelid = t.relid
    CROSS JOIN unnest(p.partattrs) AS k (attnum)
    WHERE k.attnum = 0 -- an expression
       OR k.attnum IN (SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = t.relid AND a.attname = ANY (written)))
$$;

COMMENT ON FUNCTION _callhardening.can_repair_move_rows(regclass, name[]) IS
'whether a row may belong to another partition after these columns are written';

CREATE FUNCTION _callhardening.repair_statement(calls regclass, part regclass, all_rows boolean) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings _callhardening.settings := @extschema@.call_settings(calls);
    written CONSTANT name[] := ARRAY[settings.status_column, settings.direction_column, settings.payload_column];
    status CONSTANT text := quote_ident(settings.status_column);
    direction CONSTANT text := quote_ident(settings.direction_column);
    payload CONSTANT text := quote_ident(settings.payload_column);
    rows_of_part CONSTANT text := 'ONLY ' || _callhardening.qualified_name(part);
    target text := rows_of_part;
    of_part text := '';
    written_since text := '';
BEGIN
    -- A row can move to another partition by the partitioned table alone.
    IF _callhardening.can_repair_move_rows(calls, written) THEN
        target := _callhardening.qualified_name(calls);
        of_part := format(' AND c.tableoid OPERATOR(pg_catalog.=) %s', part::oid);
    END IF;
    IF NOT all_rows THEN
        written_since := ' AND pg_catalog.age(xmin) OPERATOR(pg_catalog.<=)
            pg_catalog.age(CAST(CAST($1[3] AS pg_catalog.xid8) AS pg_catalog.xid))';
    END IF;
    RETURN '
WITH looked AS MATERIALIZED (
    SELECT ctid AS row_id, _callhardening.repaired_row(' || status || '::pg_catalog.text, '
        || direction || '::pg_catalog.text, ' || payload || '::pg_catalog.jsonb, '
        || format('CAST(%L AS pg_catalog.oid)::pg_catalog.regclass', part::oid) || ') AS repair
    FROM ' || rows_of_part || '
    WHERE ctid OPERATOR(pg_catalog.>=) CAST($1[1] AS pg_catalog.tid)
        AND ctid OPERATOR(pg_catalog.<=) CAST($1[2] AS pg_catalog.tid)' || written_since || '),
faulty AS MATERIALIZED (SELECT row_id, repair FROM looked WHERE NOT repair IS NULL),
free AS MATERIALIZED (
    SELECT ctid AS row_id FROM ' || rows_of_part || '
    WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT row_id FROM faulty)) FOR NO KEY UPDATE SKIP LOCKED),
repaired AS (
    UPDATE ' || target || ' AS c
    SET ' || status || ' = ' || _callhardening.repaired_value(calls, settings.status_column, 'status'::text) || ',
        ' || direction || ' = ' || _callhardening.repaired_value(calls, settings.direction_column, 'direction'::text)
            || ',
        ' || payload || ' = ' || _callhardening.repaired_value(calls, settings.payload_column, 'payload'::text) || '
    FROM faulty f
    WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT row_id FROM free))
        AND c.ctid OPERATOR(pg_catalog.=) f.row_id' || of_part || '
    RETURNING f.row_id)
SELECT (SELECT pg_catalog.count(*) FROM looked) AS looked_at,
    (SELECT pg_catalog.count(*) FROM repaired) AS repaired,
    ARRAY(SELECT row_id FROM faulty EXCEPT SELECT row_id FROM repaired) AS unwritten';
END
$$;

COMMENT ON FUNCTION _callhardening.repair_statement(regclass, regclass, boolean) IS
'the statement to repair the rows of a part of a table from place $1[1] to $1[2], without locked rows. It returns how '
'many rows it read, how many it repaired, and the places of those left. A row written since its snapshot is never '
'overwritten: once locked, a row at its place is the newest version. all_rows false: only what transactions from '
'$1[3] on have written';

CREATE FUNCTION _callhardening.row_ids(part regclass, first pg_catalog.tid, last pg_catalog.tid)
    RETURNS SETOF pg_catalog.tid
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN QUERY SELECT r.row_id FROM _callhardening.query_as_owner(part,
        format('SELECT ctid FROM ONLY %s WHERE ctid >= %L AND ctid <= %L', part, first, last),
        NULL::text[]) AS r (row_id tid);
END
$$;

COMMENT ON FUNCTION _callhardening.row_ids(regclass, pg_catalog.tid, pg_catalog.tid) IS
'a part of backfill_calls: where the rows of a part of the table are, from one place to another';

CREATE FUNCTION _callhardening.repair_rows(statement text, part regclass, first pg_catalog.tid, last pg_catalog.tid,
        written_since pg_catalog.xid8, OUT looked_at bigint, OUT repaired bigint, OUT unwritten pg_catalog.tid[],
        OUT failed bigint, OUT failed_with text)
    LANGUAGE plpgsql
    AS $$
DECLARE
    row_id pg_catalog.tid;
    one record;
BEGIN
    failed := 0;
    -- A deferred trigger cannot fire with the owner's rights, and its error would end the backfill.
    SET CONSTRAINTS ALL IMMEDIATE;
    FOR attempt IN 1 .. 5 LOOP
        BEGIN
            SELECT r.looked_at, r.repaired, r.unwritten INTO looked_at, repaired, unwritten
            FROM _callhardening.query_as_owner(part, statement,
                ARRAY[first::pg_catalog.text, last::pg_catalog.text, written_since::pg_catalog.text])
                AS r (looked_at pg_catalog.int8, repaired pg_catalog.int8, unwritten pg_catalog.tid[]);
            RETURN;
        EXCEPTION
            WHEN serialization_failure THEN
                -- A row has moved to another partition just now; the next snapshot sees it there.
                IF attempt OPERATOR(pg_catalog.=) 5 THEN
                    RAISE;
                END IF;
            -- These name whole classes: errors of what is in a row, or of what a constraint or a trigger thinks of it.
            WHEN data_exception OR integrity_constraint_violation OR triggered_data_change_violation
                OR with_check_option_violation
                OR program_limit_exceeded OR plpgsql_error THEN
                failed_with := SQLSTATE;
                EXIT;
        END;
    END LOOP;
    repaired := 0;
    unwritten := '{}'::pg_catalog.tid[];
    IF first OPERATOR(pg_catalog.=) last THEN
        looked_at := 1;
        failed := 1;
        RETURN;
    END IF;
    looked_at := 0;
    failed_with := NULL;
    FOR row_id IN SELECT p.row_id FROM _callhardening.row_ids(part, first, last) AS p (row_id) LOOP
        one := _callhardening.repair_rows(statement, part, row_id, row_id, written_since);
        looked_at := looked_at OPERATOR(pg_catalog.+) one.looked_at;
        repaired := repaired OPERATOR(pg_catalog.+) one.repaired;
        unwritten := unwritten OPERATOR(pg_catalog.||) one.unwritten;
        failed := failed OPERATOR(pg_catalog.+) one.failed;
        failed_with := coalesce(failed_with, one.failed_with);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.repair_rows(text, regclass, pg_catalog.tid, pg_catalog.tid, pg_catalog.xid8) IS
'a part of backfill_calls: runs the statement of repair_statement as the owner of the part (see query_as_owner); for '
'the owner with his own search path, since triggers of the table may need it. If it fails with an error of the data '
'(classes 22, 23, 27, 44, 54 and P0), row by row: failed is the number of failures, failed_with the SQLSTATE of the '
'first';

-- Citus lets nobody lock a shard without this setting.
CREATE FUNCTION _callhardening.take_backfill(calls regclass) RETURNS _callhardening.backfills
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    SET citus.enable_manual_changes_to_shards = on
    AS $$
DECLARE
    backfill _callhardening.backfills;
BEGIN
    PERFORM _callhardening.hold_placed(calls);
    LOOP
        -- Sessions at work on one table take turns.
        SELECT * INTO backfill FROM _callhardening.my_backfills AS b WHERE b.calls = take_backfill.calls
            AND b.finished_at IS NULL
            ORDER BY b.part LIMIT 1 FOR UPDATE;
        IF NOT FOUND AND EXISTS (SELECT FROM _callhardening.my_backfills AS b WHERE b.calls = take_backfill.calls
            AND b.finished_at IS NULL) THEN
            CONTINUE; -- the other one has finished that part
        END IF;
        EXIT WHEN backfill.part IS NULL;
        IF backfill.part IN (SELECT _callhardening.table_leaves(calls)) THEN
            EXECUTE format('LOCK TABLE ONLY %s IN ROW EXCLUSIVE MODE', backfill.part);
            EXIT WHEN pg_relation_filenode(backfill.part) = backfill.filenode
                AND _callhardening.rules_hash(calls) = backfill.rules;
        END IF;
        -- A dropped partition, a rewritten table, or other rules.
        UPDATE _callhardening.my_backfills AS b SET is_obsolete = true
        WHERE b.calls = backfill.calls AND b.part = backfill.part;
        INSERT INTO _callhardening.my_backfills (calls, part, filenode, rules, pages)
        SELECT backfill.calls, leaf, pg_relation_filenode(leaf), _callhardening.rules_hash(calls),
            _callhardening.table_pages(leaf)
        FROM _callhardening.table_leaves(calls) AS leaf WHERE leaf = backfill.part;
    END LOOP;
    RETURN backfill;
END
$$;

COMMENT ON FUNCTION _callhardening.take_backfill(regclass) IS
'a part of backfill_calls: the part of the table worked on next, locked; NULL if all are finished';

CREATE FUNCTION _callhardening.end_backfill_pass(backfill _callhardening.backfills) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
UPDATE _callhardening.my_backfills AS b SET finished_at = clock_timestamp()
WHERE b.calls = backfill.calls AND b.part = backfill.part AND b.found = 0;
UPDATE _callhardening.my_backfills AS b SET pass = b.pass + 1, written_since = b.began,
    began = pg_snapshot_xmin(pg_current_snapshot()), page = 0,
    pages = _callhardening.table_pages(b.part), found = 0
WHERE b.calls = backfill.calls AND b.part = backfill.part AND b.found > 0;
$$;

COMMENT ON FUNCTION _callhardening.end_backfill_pass(_callhardening.backfills) IS
'a part of backfill_calls: begins another pass if the last one had something to repair';

CREATE FUNCTION _callhardening.lock_passed_row(backfill _callhardening.backfills) RETURNS pg_catalog.tid
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    row_id tid;
BEGIN
    SELECT r.row_id INTO row_id FROM _callhardening.query_as_owner(backfill.part,
        format('SELECT ctid FROM ONLY %s WHERE ctid = %L FOR NO KEY UPDATE', backfill.part, backfill.passed[1]),
        NULL::text[]) AS r (row_id tid);
    UPDATE _callhardening.my_backfills AS b SET passed = b.passed[2:]
    WHERE b.calls = backfill.calls AND b.part = backfill.part;
    RETURN row_id;
END
$$;

COMMENT ON FUNCTION _callhardening.lock_passed_row(_callhardening.backfills) IS
'a part of backfill_calls: waits for the first row locked by others, and returns its place; NULL if it was written or '
'deleted meanwhile: then it is for the next pass';

CREATE FUNCTION _callhardening.backfill_step(backfill _callhardening.backfills, batch_size int) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
-- Later passes look at few of the rows of a page.
SELECT greatest(batch_size * CASE backfill.pass WHEN 1 THEN 1 ELSE 10 END / greatest(coalesce(
    CASE WHEN backfill.pass = 1 AND backfill.page > 0 THEN backfill.looked_at / backfill.page::float8
        WHEN c.reltuples >= 0 AND c.relpages > 0 THEN c.reltuples / c.relpages END, 50), 1), 1)::bigint
FROM pg_class c WHERE c.oid = backfill.part
$$;

COMMENT ON FUNCTION _callhardening.backfill_step(_callhardening.backfills, int) IS
'a part of backfill_calls: how many pages have about batch_size rows';

CREATE FUNCTION _callhardening.next_backfill_batch(calls regclass, batch_size int, OUT part regclass,
        OUT first pg_catalog.tid, OUT last pg_catalog.tid, OUT next_page bigint, OUT written_since pg_catalog.xid8,
        OUT statement text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    most_passed CONSTANT int := 1000;
    b _callhardening.backfills;
BEGIN
    LOOP
        b := _callhardening.take_backfill(calls);
        EXIT WHEN b.part IS NULL;
        IF cardinality(b.passed) > 0 AND (b.page >= b.pages OR cardinality(b.passed) > most_passed) THEN
            first := _callhardening.lock_passed_row(b);
            last := first;
            EXIT WHEN first IS NOT NULL;
        ELSIF b.page < b.pages THEN
            next_page := least(b.page + _callhardening.backfill_step(b, batch_size), b.pages);
            first := format('(%s,0)', b.page)::tid;
            last := format('(%s,65535)', next_page - 1)::tid;
            written_since := b.written_since;
            EXIT;
        ELSE
            PERFORM _callhardening.end_backfill_pass(b);
        END IF;
    END LOOP;
    part := b.part;
    statement := _callhardening.repair_statement(calls, part, written_since IS NULL);
    IF part IS NOT NULL AND statement IS NULL THEN
        PERFORM _callhardening.raise_error('55000', format('table %s is no longer hardened', calls));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.next_backfill_batch(regclass, int) IS
'a part of backfill_calls: what comes next: some pages, or (next_page NULL) a row locked by others before and by us '
'now; part NULL: nothing is left to do';

CREATE FUNCTION _callhardening.end_backfill_batch(calls regclass, part regclass, next_page bigint, looked_at bigint,
        repaired bigint, unwritten pg_catalog.tid[], failed bigint, failed_with text)
    RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
UPDATE _callhardening.my_backfills AS b SET page = coalesce(next_page, b.page),
    found = b.found + CASE WHEN next_page IS NULL THEN 0
        ELSE end_backfill_batch.repaired + cardinality(end_backfill_batch.unwritten) END,
    passed = CASE WHEN next_page IS NULL THEN b.passed ELSE b.passed || end_backfill_batch.unwritten END,
    -- What fails is not tried again.
    unwritten = b.unwritten + failed + CASE WHEN next_page IS NULL THEN cardinality(end_backfill_batch.unwritten)
        ELSE 0 END,
    failed_with = coalesce(b.failed_with, end_backfill_batch.failed_with),
    looked_at = b.looked_at + CASE WHEN next_page IS NULL OR b.pass > 1 THEN 0 ELSE end_backfill_batch.looked_at END,
    repaired = b.repaired + end_backfill_batch.repaired,
    -- From one batch of this session to the next, so that commits count.
    busy = b.busy + (clock_timestamp() - CASE b.pid WHEN pg_backend_pid() THEN b.batch_at
        ELSE transaction_timestamp() END),
    batch_at = clock_timestamp(), pid = pg_backend_pid()
WHERE b.calls = end_backfill_batch.calls AND b.part = end_backfill_batch.part
$$;

COMMENT ON FUNCTION _callhardening.end_backfill_batch(regclass, regclass, bigint, bigint, bigint, pg_catalog.tid[],
    bigint, text) IS
'a part of backfill_calls: remembers how far it got, in the transaction of the rows';

CREATE FUNCTION _callhardening.known_rows(relation regclass) RETURNS real
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT reltuples FROM pg_class WHERE oid = relation
$$;

COMMENT ON FUNCTION _callhardening.known_rows(regclass) IS
'how many rows the last ANALYZE has found; -1: there was none; NULL: no such relation';

-- NULLIF cannot name its operator: between two values of one type it is that of pg_catalog, also beside other
-- operators.
CREATE VIEW @extschema@.call_backfill_progress AS
SELECT b.calls, b.part, b.pass,
    CASE WHEN b.finished_at IS NOT NULL THEN 'finished'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid OPERATOR(pg_catalog.=) b.pid
            AND a.state OPERATOR(pg_catalog.=) 'active' AND a.query_start OPERATOR(pg_catalog.<=) b.batch_at)
                THEN 'running'
        ELSE 'interrupted' END AS state,
    b.looked_at AS rows_done,
    CASE WHEN b.pass OPERATOR(pg_catalog.>) 1 OR b.finished_at IS NOT NULL THEN 0
        WHEN b.page OPERATOR(pg_catalog.>) 0 THEN (b.looked_at::float8 OPERATOR(pg_catalog./) b.page::float8
            OPERATOR(pg_catalog.*) (b.pages OPERATOR(pg_catalog.-) b.page)::float8)::bigint
        ELSE NULLIF(c.reltuples, '-1'::real)::bigint END AS rows_left,
    (b.looked_at::float8 OPERATOR(pg_catalog./) NULLIF(pg_catalog.date_part('epoch', b.busy), 0::float8))::numeric(20,
        1) AS rows_per_second,
    b.repaired AS rows_repaired, b.unwritten AS rows_unwritten, pg_catalog.cardinality(b.passed) AS rows_locked,
    b.page AS pages_done, b.pages, b.pid, b.started_at, b.batch_at, b.finished_at
FROM _callhardening.backfills b CROSS JOIN LATERAL (SELECT _callhardening.known_rows(b.part) AS reltuples) c
WHERE pg_catalog.pg_relation_filenode(b.part) OPERATOR(pg_catalog.=) b.filenode;
REVOKE ALL ON @extschema@.call_backfill_progress FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_backfill_progress', 'SELECT'),
    ('monitor', 'call_backfill_progress', 'SELECT'),
    ('own', 'call_backfill_progress', 'SELECT');

COMMENT ON VIEW @extschema@.call_backfill_progress IS
'How far backfill_calls is, or was when it ended: a row per table or partition, until the table
is backfilled again. An interrupted backfill continues at the next call.';
COMMENT ON COLUMN @extschema@.call_backfill_progress.calls IS 'the hardened table';
COMMENT ON COLUMN @extschema@.call_backfill_progress.part IS 'a partition, or the table itself';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_repaired IS 'rows written';
COMMENT ON COLUMN @extschema@.call_backfill_progress.pages_done IS 'pages of the present pass that were looked at';
COMMENT ON COLUMN @extschema@.call_backfill_progress.pages IS 'how many pages there were when the pass began';
COMMENT ON COLUMN @extschema@.call_backfill_progress.pid IS
'process id of the session at work on it, or of the last one';
COMMENT ON COLUMN @extschema@.call_backfill_progress.started_at IS 'when the first batch began';
COMMENT ON COLUMN @extschema@.call_backfill_progress.batch_at IS 'when the last batch ended';
COMMENT ON COLUMN @extschema@.call_backfill_progress.finished_at IS
'when the last pass ended; NULL: it runs, or was interrupted';
COMMENT ON COLUMN @extschema@.call_backfill_progress.pass IS
'1 looks at all rows, the further ones at what was written meanwhile';
COMMENT ON COLUMN @extschema@.call_backfill_progress.state IS 'running, interrupted or finished';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_done IS 'rows looked at in the first pass';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_left IS 'rows still to come, estimated; NULL: not known yet';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_per_second IS
'rows looked at, by the time of batches, later passes included; NULL: none has ended';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_unwritten IS
'rows that need a repair, which a trigger of the table has suppressed or which failed';
COMMENT ON COLUMN @extschema@.call_backfill_progress.rows_locked IS
'rows locked by others: the pass waits for them at its end';

CREATE FUNCTION _callhardening.report_backfill(calls regclass, told timestamptz) RETURNS timestamptz
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    done record;
BEGIN
    IF clock_timestamp() < told + interval '10 seconds' THEN
        RETURN told;
    END IF;
    SELECT sum(b.looked_at) AS looked_at, sum(b.repaired) AS repaired, sum(b.unwritten) AS unwritten,
        (array_agg(b.failed_with ORDER BY b.part) FILTER (WHERE b.failed_with IS NOT NULL))[1] AS failed_with,
        bool_and(b.finished_at IS NOT NULL) AS is_over,
        sum(CASE
            WHEN b.pass = 1 AND b.page > 0 THEN b.looked_at::float8 / b.page * (b.pages - b.page)
            WHEN b.pass = 1 THEN greatest(c.reltuples, 0)
            ELSE 0 END)::bigint AS rows_left,
        (sum(b.looked_at) / nullif(date_part('epoch', sum(b.busy)), 0))::bigint AS per_second
    INTO done FROM _callhardening.my_backfills b JOIN pg_class c ON c.oid = b.part
    WHERE b.calls = report_backfill.calls;
    IF NOT done.is_over THEN
        IF told IS NULL THEN
            RETURN clock_timestamp();
        END IF;
        PERFORM _callhardening.report('NOTICE',
            format('backfill of table %s: %s rows done, about %s left, %s per second, %s repaired',
                calls, done.looked_at, done.rows_left, done.per_second, done.repaired));
    ELSE
        PERFORM _callhardening.report('NOTICE', format('backfill of table %s is finished: %s rows done, %s repaired',
            calls, done.looked_at, done.repaired));
        IF done.unwritten > 0 THEN
            PERFORM _callhardening.report('WARNING',
                format('%s rows of table %s could not be repaired', done.unwritten, calls),
                detail => coalesce('The first one that failed did so with SQLSTATE ' || done.failed_with || '.',
                    'A trigger of the table suppresses their UPDATE.'));
        END IF;
    END IF;
    RETURN clock_timestamp();
END
$$;

COMMENT ON FUNCTION _callhardening.report_backfill(regclass, timestamptz) IS
'a part of backfill_calls: a NOTICE every 10 seconds, and one at the end; told: when the last one was';

-- A procedure with COMMIT can have no search_path of its own: so nothing here needs one.
CREATE PROCEDURE @extschema@.backfill_calls(calls regclass, batch_size int DEFAULT 1000)
    LANGUAGE plpgsql
    AS $$
DECLARE
    batch record;
    result record;
    told pg_catalog.timestamptz;
BEGIN
    PERFORM _callhardening.begin_backfill(calls, batch_size);
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        batch := _callhardening.next_backfill_batch(calls, batch_size);
        EXIT WHEN batch.part IS NULL;
        result := _callhardening.repair_rows(batch.statement, batch.part, batch.first, batch.last, batch.written_since);
        PERFORM _callhardening.end_backfill_batch(calls, batch.part, batch.next_page, result.looked_at,
            result.repaired, result.unwritten,
            result.failed, result.failed_with);
        told := _callhardening.report_backfill(calls, told);
    END LOOP;
    PERFORM _callhardening.report_backfill(calls, NULL::pg_catalog.timestamptz);
END
$$;
REVOKE EXECUTE ON PROCEDURE @extschema@.backfill_calls(regclass, int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'backfill_calls');

COMMENT ON PROCEDURE @extschema@.backfill_calls(regclass, int) IS
'Repairs existing rows of a hardened table, in short transactions. Other spellings and providers''
words become the canonical ones. Payloads are sanitized by the table''s policy. Unknown words
stay.

Each transaction remembers how far it got: after a cancel, an error or a crash, call it again.
Rows locked by others come at the end, one by one, and the procedure waits for them. If the
repair of a row fails with an error of the data (classes 22, 23, 27, 44, 54 and P0), the row
stays as it is, and a WARNING at the end tells how many. NOTICEs and call_backfill_progress show
the progress. Foreign tables among the partitions are left out, with a WARNING.

The table''s own triggers fire, with the rights of its owner. If another role calls this, such as
a superuser, they run in a security-restricted operation with the search path pg_catalog.
- batch_size: about so many rows in a transaction, 1 to 100000, at least those of one page
Errors:
- 0A000: Citus has distributed the table: backfill its shards
- 22004: an argument is NULL
- 22023: batch_size out of range
- 2D000: inside a transaction block or a function
- 42501: the caller is not the owner
- 42703: a column of the settings is gone
- 42809: it is no table, or a partition of a hardened one
- 55000: the table is not hardened, or it is a shard that Citus has moved to another server
- 55P03: lock_timeout was over';
