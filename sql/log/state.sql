
-- the state of a log that is taken elsewhere -------------------------------------------------------
--
-- detach_call_event_log writes down what is remembered about a log as one document, and attach_call_event_log reads it.

CREATE FUNCTION _callhardening.first_restore_mark() RETURNS xid8
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT '4611686018427387905'::xid8
$$;

COMMENT ON FUNCTION _callhardening.first_restore_mark() IS
'the lowest mark in event_xid (src/core/lanes/position.hpp)';

-- By one step in the index for each mark, and not by a look at each event.
CREATE FUNCTION _callhardening.known_marks(log _callhardening.logs) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    step text := format('SELECT e.event_xid FROM %s AS e WHERE e.event_lane = m.lane
        AND e.event_xid >= _callhardening.first_restore_mark() %%s ORDER BY e.event_xid DESC LIMIT 1',
        replace(log.events::text, '%', '%%')); -- it is a format once more
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(k.mark), '[]')
        FROM _callhardening.query_as_owner(log.events, format('
            WITH RECURSIVE m (lane, xid) AS (
                SELECT m.lane, x.* FROM generate_series(_callhardening.no_lane(''ignored''), %s) AS m (lane)
                CROSS JOIN LATERAL (%s) AS x
                UNION ALL
                SELECT m.lane, x.* FROM m CROSS JOIN LATERAL (%s) AS x)
            SELECT DISTINCT xid::text FROM m',
            log.lanes - 1, format(step, ''), format(step, 'AND e.event_xid < m.xid')), NULL::text[])
            AS k (mark text));
END
$$;

COMMENT ON FUNCTION _callhardening.known_marks(_callhardening.logs) IS
'a part of detach_call_event_log: the marks of earlier restores in a log';

CREATE FUNCTION _callhardening.last_event(events regclass) RETURNS bigint
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce((SELECT m.seq FROM _callhardening.query_as_owner(events,
    format('SELECT max(event_seq) FROM %s', events), NULL::text[]) AS m (seq bigint)), 0)
$$;

COMMENT ON FUNCTION _callhardening.last_event(regclass) IS 'the highest event_seq of a log; 0: it has no event';

-- The newest events, and some of all times: so a part of the table has some of them.
CREATE FUNCTION _callhardening.named_events(events regclass) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
    AS $$
SELECT coalesce(jsonb_agg(to_jsonb(n) ORDER BY n.event_seq), '[]')
FROM _callhardening.query_as_owner(events, format('
    (SELECT event_seq, event_lane, CAST(event_xid AS text) FROM %1$s
     WHERE event_seq IS NOT NULL ORDER BY event_seq DESC LIMIT 100)
    UNION
    SELECT e.event_seq, e.event_lane, CAST(e.event_xid AS text)
    FROM (SELECT min(event_seq) AS first, max(event_seq) AS last FROM %1$s) AS ends
    CROSS JOIN generate_series(0, 99) AS part (n)
    CROSS JOIN LATERAL (SELECT * FROM %1$s
        WHERE event_seq >= CAST(ends.first + (CAST(ends.last AS numeric) - ends.first) * part.n / 100 AS bigint)
        ORDER BY event_seq LIMIT 1) AS e', events), NULL::text[]) AS n (event_seq bigint, lane int, xid text)
$$;

COMMENT ON FUNCTION _callhardening.named_events(regclass) IS
'a part of detach_call_event_log: the stamps of up to 200 events, by which attach_call_event_log knows the table';

CREATE FUNCTION _callhardening.unstamped_rows(log _callhardening.logs) RETURNS bigint
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN log.sequence IS NULL OR log.processed_at_column IS NOT NULL THEN 0 ELSE (
    SELECT r.number FROM _callhardening.query_as_owner(log.events,
        format('SELECT count(*) FROM %s WHERE event_lane IS NULL', log.events), NULL::text[]) AS r (number bigint)) END
$$;

COMMENT ON FUNCTION _callhardening.unstamped_rows(_callhardening.logs) IS
'the rows of a table older than its log that count as processed because they have no stamp; 0 if a column says what is '
'processed';

CREATE FUNCTION _callhardening.consumer_state(consumer _callhardening.consumers) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET intervalstyle = 'postgres'
    AS $$
-- Some clients read the numbers of JSON as floats: ids of 64 bits are texts.
SELECT jsonb_strip_nulls(to_jsonb(consumer) - '{consumer_id,log_id}'::text[]) || jsonb_build_object(
    'lanes', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('lane', l.lane, 'record',
                to_jsonb(r) - '{consumer_id,lane}'::text[] || jsonb_build_object('claim_id', r.claim_id::text)))
            ORDER BY l.lane), '[]')
        FROM _callhardening.lanes AS l LEFT JOIN LATERAL (
            SELECT * FROM _callhardening.claims AS c WHERE c.consumer_id = l.consumer_id AND c.lane = l.lane
            ORDER BY c.record_no DESC LIMIT 1) AS r ON true
        WHERE l.consumer_id = consumer.consumer_id),
    'retrying', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(w) - '{consumer_id,event_xid}'::text[]
                || jsonb_build_object('claim_id', w.claim_id::text)) ORDER BY w.lane, w.event_seq), '[]')
        FROM _callhardening.retrying_events AS w WHERE w.consumer_id = consumer.consumer_id),
    'dead', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(d) - 'consumer_id') ORDER BY d.event_seq), '[]')
        FROM _callhardening.dead_events AS d WHERE d.consumer_id = consumer.consumer_id))
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.consumer_state(_callhardening.consumers) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.consumer_state(_callhardening.consumers) IS
'a part of log_state: the settings of a consumer, the newest record of each of its lanes, its retrying and its dead '
'events';

CREATE FUNCTION _callhardening.log_state(log _callhardening.logs) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET intervalstyle = 'postgres'
    AS $$
SELECT jsonb_build_object(
    'format', 1,
    'id', gen_random_uuid(),
    'detached_at', clock_timestamp(),
    'key_type', _callhardening.call_key_type(log.calls),
    'is_existing', log.sequence IS NOT NULL,
    'settings', jsonb_strip_nulls(to_jsonb(log) - '{log_id,events,calls,system_identifier,adopted,sequence,shard_id,'
        'is_of_changes,other_consumers,shape}'::text[]),
    'shape', log.shape,
    'signature', (SELECT s.scheme FROM _callhardening.event_signatures AS s WHERE s.log_id = log.log_id),
    'consumers', (SELECT jsonb_agg(_callhardening.consumer_state(c) ORDER BY c.consumer_id)
        FROM _callhardening.consumers AS c WHERE c.log_id = log.log_id))
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.log_state(_callhardening.logs) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.log_state(_callhardening.logs) IS
'a part of detach_call_event_log: what is remembered about a log, without secrets and without what its triggers and '
'marks say. state_rules has its members';

-- -- reading it ----------------------------------------------------------------------------------
--
-- It comes from the outside: each member is looked at before a value is used.

CREATE FUNCTION _callhardening.state_rules()
    RETURNS TABLE (part text, member text, is_optional boolean, type text, pattern text, kind text, low bigint,
        high bigint)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH rules (part, member, form, is_optional, low, high) AS (VALUES
    ('state', 'id', 'uuid', false, 0, 0),
    ('state', 'key_type', 'text', false, 1, 100),
    ('state', 'is_existing', 'boolean', false, 0, 0),
    ('state', 'settings', 'object', false, 0, 0),
    ('state', 'shape', 'object', true, 0, 0),
    ('state', 'signature', 'object', true, 0, 0),
    ('state', 'consumers', 'array', false, 1, 1000),
    ('state', 'marks', 'ids', false, 4611686018427387905, 9223372036854775807),
    ('state', 'last_seq', 'integer', false, 0, 9223372036854775807),
    ('state', 'events', 'array', false, 0, 1000),
    ('state', 'unstamped', 'integer', false, 0, 9223372036854775807),
    ('event', 'event_seq', 'integer', false, -9223372036854775807, 9223372036854775807),
    ('event', 'lane', 'integer', false, -100, 2147483647),
    ('event', 'xid', 'id', false, 0, 9223372036854775807),
    ('settings', 'provider', 'text', false, 1, 1000),
    ('settings', 'lanes', 'integer', false, 1, 1024),
    ('settings', 'first_lane', 'integer', false, 0, 65536),
    ('settings', 'notify', 'boolean', false, 0, 0),
    ('settings', 'max_attempts', 'integer', false, 1, 1000000),
    ('settings', 'retry_base', 'text', false, 1, 100),
    ('settings', 'retry_cap', 'text', false, 1, 100),
    ('settings', 'max_retrying', 'integer', false, 1, 1000000),
    ('settings', 'signed', 'boolean', false, 0, 0),
    ('settings', 'is_default', 'boolean', true, 0, 0),
    ('settings', 'payload_column', 'text', false, 1, 63),
    ('settings', 'event_type_column', 'text', true, 1, 63),
    ('settings', 'received_at_column', 'text', true, 1, 63),
    ('settings', 'processed_at_column', 'text', true, 1, 63),
    ('settings', 'route_column', 'text', true, 1, 63),
    ('settings', 'carry', 'texts', false, 1, 63),
    ('settings', 'ignored_event_types', 'texts', false, 1, 200),
    ('settings', 'ignored_members', 'texts', false, 1, 200),
    ('settings', 'settled_marks', 'ids', false, 4611686018427387905, 9223372036854775807),
    ('consumer', 'name', 'text', false, 1, 63),
    ('consumer', 'created_at', 'text', false, 1, 100),
    ('consumer', 'max_attempts', 'integer', true, 1, 1000000),
    ('consumer', 'retry_base', 'text', true, 1, 100),
    ('consumer', 'retry_cap', 'text', true, 1, 100),
    ('consumer', 'max_retrying', 'integer', true, 1, 1000000),
    ('consumer', 'lanes', 'array', false, 1, 65536),
    ('consumer', 'retrying', 'array', false, 0, 2147483647),
    ('consumer', 'dead', 'array', false, 0, 2147483647),
    ('lane', 'lane', 'integer', false, 0, 66560),
    ('lane', 'record', 'object', true, 0, 0),
    ('record', 'record_no', 'integer', false, 1, 1152921504606846976),
    ('record', 'state', 'record_state', false, 0, 0),
    ('record', 'done_snapshot', 'snapshot', false, 0, 9223372036854775807),
    ('record', 'window_snapshot', 'snapshot', true, 0, 9223372036854775807),
    ('record', 'read_xid', 'id', true, 0, 9223372036854775807),
    ('record', 'read_seq', 'integer', true, 0, 9223372036854775807),
    ('record', 'redelivered_to_xid', 'id', true, 0, 9223372036854775807),
    ('record', 'redelivered_to_seq', 'integer', true, 0, 9223372036854775807),
    ('record', 'redeliveries', 'integer', false, 0, 1000000000),
    ('record', 'claim_id', 'id', true, -9223372036854775807, 9223372036854775807),
    ('record', 'is_retry', 'boolean', false, 0, 0),
    ('record', 'to_xid', 'id', true, 0, 9223372036854775807),
    ('record', 'to_seq', 'integer', true, 0, 9223372036854775807),
    ('record', 'is_window_end', 'boolean', false, 0, 0),
    ('record', 'events', 'integer', false, 0, 1000000000),
    ('record', 'worker', 'text', true, 0, 1000),
    ('record', 'claimed_at', 'text', false, 1, 100),
    ('record', 'lease_end', 'text', true, 1, 100),
    ('retrying', 'lane', 'integer', false, 0, 66560),
    ('retrying', 'event_seq', 'integer', false, 1, 9223372036854775807),
    ('retrying', 'call_id', 'text', false, 1, 255),
    ('retrying', 'attempts', 'integer', false, 0, 1000000000),
    ('retrying', 'lease_expiries', 'integer', false, 0, 1000000000),
    ('retrying', 'due_at', 'text', true, 1, 100),
    ('retrying', 'claim_id', 'id', true, -9223372036854775807, 9223372036854775807),
    ('retrying', 'waiting_since', 'text', false, 1, 100),
    ('retrying', 'errors', 'array', true, 1, 10),
    ('retrying', 'lock_waits', 'integer', false, 0, 1000000000),
    ('dead', 'event_seq', 'integer', false, 1, 9223372036854775807),
    ('dead', 'lane', 'integer', false, -100, 66560),
    ('dead', 'call_id', 'text', true, 0, 255),
    ('dead', 'attempts', 'integer', false, 0, 1000000000),
    ('dead', 'sqlstate', 'text', true, 5, 5),
    ('dead', 'error', 'text', false, 0, 2000),
    ('dead', 'errors', 'array', true, 1, 10),
    ('dead', 'died_at', 'text', false, 1, 100),
    ('attempt', 'at', 'text', true, 1, 100),
    ('attempt', 'worker', 'text', true, 0, 1000),
    ('attempt', 'sqlstate', 'text', true, 5, 5),
    ('attempt', 'error', 'text', true, 0, 2000)
), forms (form, type, pattern, kind) AS (VALUES
    ('boolean', 'boolean', NULL, 'any'),
    ('object', 'object', NULL, 'any'),
    ('array', 'array', NULL, 'elements'),
    ('texts', 'array', NULL, 'texts'),
    ('ids', 'array', NULL, 'numbers'),
    ('text', 'string', NULL, 'bytes'),
    ('integer', 'number', '^-?[0-9]{1,19}$', 'number'),
    ('id', 'string', '^-?[0-9]{1,19}$', 'number'),
    ('uuid', 'string', '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'any'),
    ('snapshot', 'string', '^[0-9]{1,19}:[0-9]{1,19}:([0-9]{1,19}(,[0-9]{1,19})*)?$', 'snapshot'),
    ('record_state', 'string', '^(claimed|renewed|completed|released|moved)$', 'any')
)
SELECT r.part, r.member, r.is_optional, f.type, f.pattern, f.kind, r.low, r.high
FROM rules AS r JOIN forms AS f USING (form)
$$;

COMMENT ON FUNCTION _callhardening.state_rules() IS
'the members of a state. type: of JSON. low and high: of a number, of the bytes of a text, of the elements of an '
'array, as kind says';

CREATE FUNCTION _callhardening.state_parts(state jsonb) RETURNS TABLE (part text, value jsonb)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'state', state
UNION ALL SELECT 'settings', state -> 'settings'
UNION ALL SELECT 'event', jsonb_path_query(state, '$.events[*]')
UNION ALL SELECT 'consumer', jsonb_path_query(state, '$.consumers[*]')
UNION ALL SELECT 'lane', jsonb_path_query(state, '$.consumers[*].lanes[*]')
UNION ALL SELECT 'record', jsonb_path_query(state, '$.consumers[*].lanes[*].record')
UNION ALL SELECT 'retrying', jsonb_path_query(state, '$.consumers[*].retrying[*]')
UNION ALL SELECT 'dead', jsonb_path_query(state, '$.consumers[*].dead[*]')
UNION ALL SELECT 'attempt', jsonb_path_query(state, '$.consumers[*].retrying[*].errors[*]')
UNION ALL SELECT 'attempt', jsonb_path_query(state, '$.consumers[*].dead[*].errors[*]')
$$;

COMMENT ON FUNCTION _callhardening.state_parts(jsonb) IS
'each object of a state, with its part in state_rules. An array in the place of an object is one, too';

CREATE FUNCTION _callhardening.state_fault(state jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(
    (SELECT format('A part "%s" is not an object.', p.part)
     FROM _callhardening.state_parts(state) AS p WHERE jsonb_typeof(p.value) IS DISTINCT FROM 'object' LIMIT 1),
    (SELECT format('The member "%s" of a part "%s" is missing, or has another type or range.', r.member, r.part)
     FROM _callhardening.state_parts(state) AS p JOIN _callhardening.state_rules() AS r ON r.part = p.part
     CROSS JOIN LATERAL (VALUES (p.value -> r.member, p.value ->> r.member, jsonb_typeof(p.value -> r.member)))
         AS m (value, text, type)
     -- Without a function for one value: it would take most of the time.
     WHERE NOT CASE WHEN coalesce(m.type, 'null') = 'null' THEN r.is_optional
         WHEN m.type <> r.type THEN false
         WHEN r.pattern IS NOT NULL AND m.text !~ r.pattern THEN false
         ELSE CASE r.kind
             WHEN 'number' THEN m.text::numeric BETWEEN r.low AND r.high
             WHEN 'bytes' THEN octet_length(m.text) BETWEEN r.low AND r.high
             WHEN 'elements' THEN jsonb_array_length(m.value) BETWEEN r.low AND r.high
             WHEN 'snapshot' THEN (SELECT max(n::numeric) FROM regexp_split_to_table(rtrim(m.text, ':'), '[:,]') AS n)
                 <= r.high
             WHEN 'texts' THEN NOT EXISTS (SELECT FROM jsonb_array_elements(m.value) AS e
                 WHERE jsonb_typeof(e) <> 'string' OR octet_length(e #>> '{}') NOT BETWEEN r.low AND r.high)
             WHEN 'numbers' THEN NOT EXISTS (SELECT FROM jsonb_array_elements(m.value) AS e
                 WHERE NOT CASE WHEN e #>> '{}' ~ '^[0-9]{1,19}$' THEN (e #>> '{}')::numeric BETWEEN r.low AND r.high
                     ELSE false END)
             ELSE true END END
     LIMIT 1),
    (SELECT format('The member "%s" of the settings must be a multiple of "lanes".', 'first_lane')
     WHERE (state #>> '{settings,first_lane}')::bigint % (state #>> '{settings,lanes}')::bigint <> 0),
    (SELECT 'The consumer "default" is missing, or two consumers have one name.'
     FROM jsonb_array_elements(state -> 'consumers') AS c
     HAVING NOT coalesce(bool_or(c ->> 'name' = 'default'), false) OR count(*) <> count(DISTINCT c ->> 'name')),
    (SELECT 'A consumer has not each of the present lanes once.'
     FROM jsonb_array_elements(state -> 'consumers') AS c
     WHERE (SELECT (count(*) FILTER (WHERE (l ->> 'lane')::bigint >= (state #>> '{settings,first_lane}')::bigint),
                count(*) - count(DISTINCT l ->> 'lane'), max((l ->> 'lane')::bigint))
            FROM jsonb_array_elements(c -> 'lanes') AS l)
         IS DISTINCT FROM ((state #>> '{settings,lanes}')::bigint, 0::bigint,
             (state #>> '{settings,first_lane}')::bigint + (state #>> '{settings,lanes}')::bigint - 1) LIMIT 1))
$$;

COMMENT ON FUNCTION _callhardening.state_fault(jsonb) IS
'why a document is not the state of a log, as a sentence without values of it; NULL: it is one. Values of types that '
'are texts in JSON are looked at when they are written';

CREATE FUNCTION _callhardening.raise_invalid_state(fault text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM _callhardening.raise_error('22023', 'state is not the state of an event log', detail => fault,
        hint => 'Give what detach_call_event_log has returned.');
END
$$;

COMMENT ON FUNCTION _callhardening.raise_invalid_state(text) IS 'refuses (22023) a document that is no state of a log';

CREATE FUNCTION _callhardening.require_valid_state(state jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    fault text;
BEGIN
    IF jsonb_typeof(state) <> 'object'
        OR jsonb_typeof(state -> 'format') IS DISTINCT FROM 'number' OR state ->> 'format' !~ '^[0-9]{1,9}$' THEN
        PERFORM _callhardening.raise_invalid_state('It has no member "format".'::text);
    ELSIF state ->> 'format' <> '1' THEN
        PERFORM _callhardening.raise_error('22023', format('the state has format %s', state ->> 'format'),
            detail => 'This version of the extension reads format 1.',
            hint => 'Update the extension here to the version of the place where the log was detached.');
    END IF;
    fault := _callhardening.state_fault(state);
    IF fault IS NOT NULL THEN
        PERFORM _callhardening.raise_invalid_state(fault);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_valid_state(jsonb) IS
'refuses (22023) a document that is no state of a log, or one of a newer format';
