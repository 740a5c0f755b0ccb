
-- process --------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.process_call_events(max_events int DEFAULT 1000, log regclass DEFAULT NULL,
        OUT claimed bigint, OUT applied bigint, OUT unchanged bigint, OUT refused bigint, OUT failed bigint)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_process_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.process_call_events(int, regclass) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'process_call_events');

COMMENT ON FUNCTION @extschema@.process_call_events(int, regclass) IS
'claims up to max_events pending events (1 to 100000), applies them to the calls table, each call''s in the order of '
'the log, and settles them, in the caller''s transaction. Goes through all lanes until it has max_events or nothing '
'is left. A failed event is tried once in each call. Any number of workers may call it at the same time; events of '
'one call never go to two of them. claimed is the sum of the others: applied changed a call, unchanged said nothing '
'new, refused had a status outside the graph (its other values were merged), failed could not be written, or come '
'after such an event of their call: they are tried again (call_retrying_events), or dead after max_attempts '
'(call_dead_events). Events of a call with a row locked by another session for long are in none of these: they wait '
'without an attempt, and come again within 10 seconds; a batch waits for rows at most one second in all. 0 claimed: '
'nothing was pending, or other workers hold it. log: NULL is the default log. Errors: 22023 max_events out of range, '
'0A000 in REPEATABLE READ and SERIALIZABLE, 25006 on a standby or in a read-only transaction, 42501 no SELECT on the '
'log, 55000 no such log, its calls table is not hardened or its call id not unique, the log was altered, or row-level '
'security hides events of it, 55006 called by a trigger while it runs, 42P08 several logs, none is the default and '
'none is named';
