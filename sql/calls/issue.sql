
-- issues ---------------------------------------------------------------------------------------

-- Rows are written by src/pg/calls/issue.cpp, when a transaction commits; the columns count from 1 there.
CREATE TABLE _callhardening.issues (
    happened_at timestamptz NOT NULL,
    kind text NOT NULL,
    table_name text NOT NULL,
    call_id text,
    old_value text,
    new_value text,
    event_seq bigint,
    occurrences bigint NOT NULL,
    detail text,
    role_name text,
    application_name text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX idx_issues_happened_at ON _callhardening.issues (happened_at);
-- There is no key that a publication FOR ALL TABLES could send its deletions with.
ALTER TABLE _callhardening.issues REPLICA IDENTITY FULL;
REVOKE ALL ON _callhardening.issues FROM PUBLIC;

COMMENT ON TABLE _callhardening.issues IS 'what call_issues shows';

-- A status of the default graph quotes nothing.
CREATE VIEW @extschema@.call_issues AS
SELECT i.happened_at, i.kind, i.table_name, i.call_id,
    CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
            OR @extschema@.is_valid_status_transition(NULL::text, i.old_value, NULL::jsonb)
        THEN i.old_value END AS old_value,
    CASE WHEN pg_catalog.has_table_privilege('_callhardening.quoted_bodies'::pg_catalog.regclass::oid, 'SELECT')
            OR @extschema@.is_valid_status_transition(NULL::text, i.new_value, NULL::jsonb)
        THEN i.new_value END AS new_value,
    i.event_seq, i.occurrences, i.detail, i.role_name, i.application_name
FROM _callhardening.issues i;
REVOKE ALL ON @extschema@.call_issues FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_issues', 'SELECT'), ('monitor', 'call_issues', 'SELECT');

COMMENT ON VIEW @extschema@.call_issues IS
'What was refused or not understood in committed transactions: what, which call, when, by whom.
Dead events are in it too. A transaction leaves the first 100 of one kind and table, and how
many more there were. Bodies are in the event log and nowhere else. It keeps some 200,000 rows
(40 MB): then each new one takes the oldest away. Not dumped.';
COMMENT ON COLUMN @extschema@.call_issues.happened_at IS 'when the transaction noticed it';
COMMENT ON COLUMN @extschema@.call_issues.detail IS
'what else is known, such as the consumer of a dead event; NULL: nothing';
COMMENT ON COLUMN @extschema@.call_issues.kind IS
'refused_status, refused_call_id, refined_status (process_call_events replaced ended), unknown_status, '
'unknown_direction: of a calls table; unparsable_body, body_without_call, dead_event: of an event log';
COMMENT ON COLUMN @extschema@.call_issues.table_name IS
'the calls table or event log, as it was called then; a partitioned table for each of its partitions';
COMMENT ON COLUMN @extschema@.call_issues.call_id IS
'like old_value and new_value: at most 40 letters, digits, spaces, ., _ and -; of anything else the length, in '
'brackets';
COMMENT ON COLUMN @extschema@.call_issues.old_value IS
'what the row had before. NULL also: the reader has only the task monitor, and it is no status of the default graph';
COMMENT ON COLUMN @extschema@.call_issues.new_value IS
'the refused value, or the unknown word. NULL also: as in old_value';
COMMENT ON COLUMN @extschema@.call_issues.event_seq IS 'the event behind it, in its log; NULL: a statement';
COMMENT ON COLUMN @extschema@.call_issues.occurrences IS '1; or of how many more the row is all there is';
COMMENT ON COLUMN @extschema@.call_issues.application_name IS
'of the session; of a worker inside the server that has none, as those of subscriptions, the worker''s name';
COMMENT ON COLUMN @extschema@.call_issues.role_name IS
'the role of the session: the login role, or the role of SET ROLE';

CREATE FUNCTION _callhardening.note_event_without_lane(log regclass, event_seq bigint, lane int, call_id text)
    RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_note_event_without_lane';
REVOKE EXECUTE ON FUNCTION _callhardening.note_event_without_lane(regclass, bigint, int, text) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.note_event_without_lane(regclass, bigint, int, text) IS
'writes an event no worker can take to call_issues, for bury_call_event. log, event_seq and lane must not be NULL';

CREATE FUNCTION @extschema@.purge_call_issues(older_than interval, max_issues int DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    purged bigint;
BEGIN
    IF older_than IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'older_than must not be null';
    END IF;
    IF older_than < '0'::interval THEN
        RAISE invalid_parameter_value USING MESSAGE = 'older_than must not be negative';
    END IF;
    IF max_issues IS NULL OR max_issues NOT BETWEEN 1 AND 100000 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'max_issues must be between 1 and 100000';
    END IF;
    DELETE FROM _callhardening.issues WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM _callhardening.issues WHERE happened_at < clock_timestamp() - older_than
        ORDER BY happened_at LIMIT max_issues FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.purge_call_issues(interval, int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'purge_call_issues');

COMMENT ON FUNCTION @extschema@.purge_call_issues(interval, int) IS
'Deletes old rows of call_issues, the oldest first, and returns how many. The caller needs no
right on the table.
- older_than: by happened_at
- max_issues: at most so many rows, 1 to 100000
Errors:
- 22004: older_than is NULL
- 22008: older_than goes back beyond all times
- 22023: older_than is negative, or max_issues out of range
- 25006: on a standby, or in a read-only transaction';
