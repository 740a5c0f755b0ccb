
-- the changes of calls as a log ------------------------------------------------------------------

CREATE FUNCTION _callhardening.add_call_change() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_add_call_change';
REVOKE EXECUTE ON FUNCTION _callhardening.add_call_change() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'add_call_change');

COMMENT ON FUNCTION _callhardening.add_call_change() IS
'the AFTER row trigger of a hardened table with a log of changes: appends each change to the log of its FROM clause, '
'with the rights of the log''s owner. Created by create_call_changes, as a constraint trigger: so it can name the log, '
'and DROP TABLE of the log takes the trigger along. Without a row in call_event_logs for both tables it does nothing. '
'Error: 55000 the settings of the table are gone';

CREATE FUNCTION _callhardening.change_trigger(calls regclass, OUT trigger_name name, OUT log regclass)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT t.tgname, (SELECT s.relation FROM _callhardening.trigger_states() AS s
    WHERE s.relation = t.tgconstrrelid AND s.part = 'stamp' AND s.arguments[2] = 'call_changes' LIMIT 1)
FROM (VALUES (calls)) AS wanted (calls)
LEFT JOIN pg_trigger AS t
    ON t.tgrelid = wanted.calls AND t.tgfoid = '_callhardening.add_call_change()'::regprocedure
ORDER BY t.oid LIMIT 1
$$;

COMMENT ON FUNCTION _callhardening.change_trigger(regclass) IS
'the trigger that logs the changes of a table, under any name, and its log; NULL: there is none, or the table of the '
'trigger is no log of changes';

-- Triggers of one event run in the order of their names. Another AFTER trigger may write the row again: so the name of
-- ours is early in the alphabet.
CREATE FUNCTION _callhardening.create_change_trigger(calls regclass, log regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('CREATE CONSTRAINT TRIGGER add_call_change AFTER INSERT OR UPDATE OR DELETE ON %s FROM %s
        FOR EACH ROW EXECUTE FUNCTION _callhardening.add_call_change()', calls, log);
END
$$;

COMMENT ON FUNCTION _callhardening.create_change_trigger(regclass, regclass) IS
'creates the trigger that logs the changes of a table';

CREATE FUNCTION _callhardening.create_change_table(calls regclass, events name, lanes int) RETURNS regclass
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    schema name := (SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                    WHERE c.oid = calls);
    log regclass;
BEGIN
    PERFORM _callhardening.require_free_names(schema, ARRAY[events], 'Give the log another name in events.');
    log := _callhardening.create_event_table(schema, events);
    PERFORM _callhardening.comment_on_columns(log, ARRAY[
        ['event_digest', 'callhardening: NULL, since no change comes twice'],
        ['event_type', 'created, status, changed or deleted'],
        ['received_at', 'when the call was changed'],
        ['payload', 'the change: see create_call_changes']]);
    EXECUTE format('COMMENT ON TABLE %s IS %L', log, format('changes of %s: an append-only event log', calls));
    PERFORM _callhardening.create_event_triggers(log, ARRAY['payload', 'call_changes', lanes::text, 'text']);
    RETURN log;
END
$$;

COMMENT ON FUNCTION _callhardening.create_change_table(regclass, name, int) IS
'a part of create_call_changes: the table of the log, with its triggers';

CREATE FUNCTION _callhardening.register_changes(log regclass, calls regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    lanes text := (SELECT s.arguments[3] FROM _callhardening.trigger_states() AS s
                   WHERE s.relation = log AND s.part = 'stamp' LIMIT 1);
BEGIN
    PERFORM _callhardening.require_table_owner(log);
    INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, is_of_changes)
    VALUES (log, calls, 'call_changes', lanes::int, true);
    -- What was appended without a log has a mark of a restore.
    PERFORM _callhardening.write_as_owner(log, format('UPDATE %s SET event_xid = pg_current_xact_id()
        WHERE event_xid <> pg_current_xact_id()', log), NULL::text[]);
END
$$;

COMMENT ON FUNCTION _callhardening.register_changes(regclass, regclass) IS
'a part of create_call_changes: registers a table with its triggers as the log of changes of a calls table. Error: '
'42501 not the owner';

CREATE FUNCTION _callhardening.logs_of_changes(calls regclass) RETURNS regclass[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT ARRAY(SELECT l.events FROM _callhardening.logs AS l JOIN pg_class AS c ON c.oid = l.events
             WHERE l.calls = logs_of_changes.calls AND l.is_of_changes ORDER BY l.log_id)
$$;

COMMENT ON FUNCTION _callhardening.logs_of_changes(regclass) IS 'the registered logs of the changes of a calls table';

CREATE FUNCTION @extschema@.create_call_changes(calls regclass, events name DEFAULT NULL, lanes int DEFAULT 64)
    RETURNS regclass
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    present record;
    registered regclass[];
    log regclass;
BEGIN
    PERFORM _callhardening.require_calls_table(calls);
    PERFORM _callhardening.require_undistributed(calls, 'log its changes'::text,
        format('Read its events with a consumer instead: create_call_consumer for each shard of its event log.'));
    PERFORM _callhardening.require_no_shard(calls,
        'Read the events of %L with a consumer instead: create_call_consumer.'::text);
    IF lanes IS NULL OR lanes NOT BETWEEN 1 AND 1024 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'lanes must be between 1 and 1024';
    END IF;
    IF _callhardening.trigger_settings(calls) IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is not hardened', calls),
            HINT = 'Harden it with harden_calls.';
    END IF;
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', calls);
    present := _callhardening.change_trigger(calls);
    registered := _callhardening.logs_of_changes(calls);
    log := coalesce(present.log, registered[1]);
    IF present.log = ANY (registered) THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('the changes of table %s are logged already', calls),
            DETAIL = format('The log is %s.', log),
            HINT = 'Each reader needs a consumer of its own (create_call_consumer), and not a log.';
    ELSIF events <> (SELECT c.relname FROM pg_class AS c WHERE c.oid = log) THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('table %s has a log of changes already', calls),
            DETAIL = format('%s is not written any more.', log),
            HINT = format('Leave events NULL to go on with it, or drop it: DROP TABLE %s.', log);
    END IF;
    log := coalesce(log,
        _callhardening.create_change_table(calls, coalesce(events, 'call_changes'), lanes));
    IF log <> ALL (registered) THEN
        PERFORM _callhardening.register_changes(log, calls);
    END IF;
    IF present.trigger_name IS NOT NULL AND present.log IS NULL THEN
        PERFORM _callhardening.drop_triggers(calls, ARRAY[present.trigger_name]);
    END IF;
    IF present.log IS NULL THEN
        PERFORM _callhardening.create_change_trigger(calls, log);
    END IF;
    RETURN log;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.create_call_changes(regclass, name, int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'create_call_changes');

COMMENT ON FUNCTION @extschema@.create_call_changes(regclass, name, int) IS
'Creates a log of the changes of a hardened calls table, in its schema, and returns it. From now
on each transaction that changes a call appends the change, as an event for claim_call_events
with a consumer (create_call_consumer). Each status of a batch is an event of its own. TRUNCATE,
replication and session_replication_role = replica log nothing.

event_type is created, status (the status is another one), changed (other columns are) or
deleted. The body has call_id, status_before, status, changed (the names of the changed columns;
no values), changed_at and by (the role of the session). If process_call_events has written the
change, the body also has event_log, event_seq and happened_at: the event behind it and its
time.

If the table has a log of changes without a trigger (after unharden_calls, or restored without
data), the function goes on with that log.
- calls: the table, not a partition
- events: the name of the log; NULL: call_changes
- lanes: 1 to 1024
Errors:
- 22004: calls is NULL
- 22023: lanes out of range
- 42501: not the owner, no right to create in the schema, or not the task own (grant_call_role)
- 42809: no table, a partition, or a partition is a foreign table
- 42P01: no such table
- 42P07: the name is taken
- 55000: the table is not hardened, or has a log of changes';

CREATE FUNCTION @extschema@.drop_call_changes(calls regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    present record;
    logs regclass[];
    log regclass;
BEGIN
    PERFORM _callhardening.require_relation(calls, 'calls'::text);
    PERFORM _callhardening.require_table_owner(calls);
    -- Writers lock the calls table first. So does this: a plain DROP TABLE of the log may deadlock with them.
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', calls);
    present := _callhardening.change_trigger(calls);
    logs := _callhardening.logs_of_changes(calls);
    IF present.log IS NOT NULL AND present.log <> ALL (logs) THEN
        logs := logs || present.log;
    END IF;
    IF present.trigger_name IS NOT NULL THEN
        PERFORM _callhardening.drop_triggers(calls, ARRAY[present.trigger_name]);
    ELSIF logs = '{}' THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('table %s has no log of changes', calls);
    END IF;
    FOREACH log IN ARRAY logs LOOP
        EXECUTE format('DROP TABLE %s', log);
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.drop_call_changes(regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'drop_call_changes');

COMMENT ON FUNCTION @extschema@.drop_call_changes(regclass) IS
'Drops the log of the changes of a calls table, with its consumers and all unread changes. Waits
for the writers of the calls table, and then locks it (ACCESS EXCLUSIVE).
Errors:
- 22004: calls is NULL
- 2BP01: an object depends on the log
- 42501: the caller is not the owner of both tables
- 42P01: no such table
- 55000: the table has no log of changes';
