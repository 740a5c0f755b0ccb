
-- claims ---------------------------------------------------------------------------------------
--
-- Each verb locks its lane, looks at the newest record and appends another one. EXECUTE is all that a worker needs
-- for what is remembered about the log; to read the log itself, the function asks for SELECT on it.

CREATE FUNCTION @extschema@.claim_call_events(max_events int DEFAULT 100, lease interval DEFAULT '30 seconds',
        worker text DEFAULT NULL, log regclass DEFAULT NULL, complete bigint[] DEFAULT NULL,
        consumer name DEFAULT NULL)
    RETURNS TABLE (claim_id bigint, event_seq bigint, call_id text, event_type text, attempt int,
        received_at timestamptz, payload jsonb)
    LANGUAGE c ROWS 100
    AS 'MODULE_PATHNAME', 'callhardening_claim_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.claim_call_events(int, interval, text, regclass, bigint[], name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'claim_call_events');

COMMENT ON FUNCTION @extschema@.claim_call_events(int, interval, text, regclass, bigint[], name) IS
'Hands out pending events. No other worker gets them until the lease expires. The events of a
call come in their order. A batch has one claim for each of its lanes: give all its claim ids to
complete_call_events after the work. A claim is completed as a whole, unread events too: read
all rows. No rows: no event is available now, and nothing was written but the completed claims.
- max_events: 1 to 100000
- lease: at most 30 days; NULL: until the transaction ends; a rollback makes the events
  available again
- worker: a name for the views, cut at 200 bytes; NULL: application name and process id
- log: NULL is the default log
- complete: claims to complete first, in the same transaction, of any log; an id that is
  repeated counts once; NULL: none
- consumer: of the log (create_call_consumer); NULL is that of process_call_events
- attempt: the number of this attempt of the event; released claims do not count
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: complete contains NULL
- 22023: max_events or lease out of range
- 25006: on a standby, or in a read-only transaction
- 42501: no SELECT on the log
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: a claim of complete is stale or unknown (nothing was completed or claimed), no such
  log, or an altered one
- 55006: called by a trigger while events are applied, completed or purged';

CREATE FUNCTION @extschema@.complete_call_events(claim_ids bigint[]) RETURNS TABLE (claim_id bigint, outcome text)
    LANGUAGE c ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_complete_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.complete_call_events(bigint[]) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'complete_call_events');

COMMENT ON FUNCTION @extschema@.complete_call_events(bigint[]) IS
'Settles the events of claims, except those of fail_call_event. An expired claim can be completed
until another worker takes it. One row for each id, in the order given. No rows for NULL.
- outcome: completed; stale: the claim has ended, or another worker has taken its events over:
  undo what was done with them; unknown: no known claim has this id, or the caller may not
  SELECT from its log; a NULL id is unknown. Stale and unknown ones change nothing.
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 25006: on a standby, or in a read-only transaction
- 55006: called by a trigger while events are applied, completed or purged';

CREATE FUNCTION @extschema@.release_call_events(claim_ids bigint[]) RETURNS TABLE (claim_id bigint, outcome text)
    LANGUAGE c ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_release_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.release_call_events(bigint[]) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'release_call_events'), ('operate', 'release_call_events');

COMMENT ON FUNCTION @extschema@.release_call_events(bigint[]) IS
'Gives the events of claims back, for any worker to take at once. The attempt does not count.
- outcome: released, or stale or unknown as in complete_call_events
Errors:
- those of complete_call_events';

CREATE FUNCTION @extschema@.fail_call_event(claim_id bigint, event_seq bigint, error text,
        retry_after interval DEFAULT NULL)
    RETURNS text
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_fail_call_event';
REVOKE EXECUTE ON FUNCTION @extschema@.fail_call_event(bigint, bigint, text, interval) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'fail_call_event');

COMMENT ON FUNCTION @extschema@.fail_call_event(bigint, bigint, text, interval) IS
'Takes a failed event out of an open claim. The later events of its call leave the claim too:
skip them. New events of the call wait behind it. The worker completes the other events of the
claim.

Returns retry: the event is claimed again. dead: this was the last attempt (call_dead_events).
stale: the claim is not current, or the event has already failed in it, and nothing has changed.
retry and dead wait for the disk, even with synchronous_commit = off.
- error: the text to remember, up to 1000 bytes, without personal data; NULL: none
- retry_after: the pause before the retry, 0 to 365 days; NULL: a random time with a limit that
  doubles at each attempt (configure_call_event_log)
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: no claim_id or event_seq
- 22023: the event is not in the claim, or retry_after is out of range
- 25006: on a standby, or in a read-only transaction
- 42501: no SELECT on the log
- 55006: called by a trigger while events are applied, completed or purged';

CREATE FUNCTION @extschema@.renew_call_claim(claim_id bigint, lease interval DEFAULT '30 seconds') RETURNS timestamptz
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_renew_call_claim';
REVOKE EXECUTE ON FUNCTION @extschema@.renew_call_claim(bigint, interval) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'renew_call_claim');

COMMENT ON FUNCTION @extschema@.renew_call_claim(bigint, interval) IS
'Starts a new lease of a claim now, and returns its end. NULL: the claim is stale or unknown:
stop working on it.
- lease: at most 30 days
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: an argument is NULL
- 22023: lease out of range
- 25006: on a standby, or in a read-only transaction
- 55006: called by a trigger while events are applied, completed or purged';

CREATE FUNCTION @extschema@.assert_call_claim(claim_id bigint) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_assert_call_claim';
REVOKE EXECUTE ON FUNCTION @extschema@.assert_call_claim(bigint) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'assert_call_claim');

COMMENT ON FUNCTION @extschema@.assert_call_claim(bigint) IS
'Raises an error if a claim is stale or unknown: the fence for what a worker writes by itself.
Otherwise no other worker can take the claim over before the transaction ends, however long ago
its lease was over.
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: claim_id is NULL
- 25006: on a standby, or in a read-only transaction
- 55000: the claim is stale or unknown';

CREATE FUNCTION @extschema@.retry_dead_call_events(log regclass DEFAULT NULL, event_seqs bigint[] DEFAULT NULL,
        consumer name DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_retry_dead_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.retry_dead_call_events(regclass, bigint[], name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'retry_dead_call_events');

COMMENT ON FUNCTION @extschema@.retry_dead_call_events(regclass, bigint[], name) IS
'Gives dead events all their attempts again, as soon as a worker comes. Returns how many. Events
that no worker can take (no JSON, no call id: lane below 0) stay dead.
- log: NULL is the default log
- event_seqs: which; NULL: all
- consumer: of the log; NULL is the default one
Errors:
- 42501: the caller is not the owner of the log, and has not SELECT and DELETE on it
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log';
