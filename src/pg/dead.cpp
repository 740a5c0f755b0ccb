#include "pg/dead.hpp"
#include "pg/issue.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

constexpr Oid dead_types[] = {INT4OID, INT8OID, INT4OID,  TEXTOID,       INT4OID,
                              TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID};
static_assert(lengthof(dead_types) == dead_columns, "each column has its type here");

// An event can die twice, where it was appended again with its number after its death.
void exhume(const EventLog &log, const OwnTable &dead, int64 seq)
{
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(dead, snapshot, {int4_key(1, log.log_id), int8_key(2, seq)});
    if (next_row(scan))
        delete_row(dead, scan);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
}

} // namespace

OwnTable open_dead(const EventLog &log, LOCKMODE lock)
{
    return open_own_table(log.schema, "call_dead_events", "call_dead_events_pkey", dead_types, lock);
}

void bury(const EventLog &log, const EventInLane &event, int attempts, Datum errors, const Failure &failure)
{
    const OwnTable dead = open_dead(log, RowExclusiveLock);
    exhume(log, dead, event.place.seq);
    bool nulls[dead_columns] = {};
    Datum values[dead_columns];
    values[dead_log - 1] = Int32GetDatum(log.log_id);
    values[dead_seq - 1] = Int64GetDatum(event.place.seq);
    values[dead_lane - 1] = Int32GetDatum(event.lane);
    values[dead_call_id - 1] = CStringGetTextDatum(event.call_id);
    values[dead_attempts - 1] = Int32GetDatum(attempts);
    values[dead_sqlstate - 1] = text_or_null(failure.sqlstate, &nulls[dead_sqlstate - 1]);
    values[dead_error - 1] = CStringGetTextDatum(cut_error(failure.error));
    values[dead_errors - 1] = errors;
    values[dead_since - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
    insert_row(dead, values, nulls);
    close_own_table(dead, NoLock);
    note_issue(
        log.schema,
        {IssueKind::dead_event, log.events, event.call_id, {}, {}, event.place.seq, "see call_dead_events"});
}

namespace
{

bool has_dead(const EventLog &log, Snapshot snapshot, std::initializer_list<Key> keys)
{
    const OwnTable dead = open_dead(log, AccessShareLock);
    const KeyScan scan = begin_key_scan(dead, snapshot, keys);
    const bool found = next_row(scan);
    end_key_scan(scan);
    close_own_table(dead, AccessShareLock);
    return found;
}

} // namespace

bool is_dead(const EventLog &log, Snapshot snapshot, int64 seq)
{
    return has_dead(log, snapshot, {int4_key(1, log.log_id), int8_key(2, seq)});
}

bool has_any_dead(const EventLog &log, Snapshot snapshot)
{
    return has_dead(log, snapshot, {int4_key(1, log.log_id)});
}

} // namespace callhardening
