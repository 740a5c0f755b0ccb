#include "core/lanes/position.hpp"

#include "pg/base/text.hpp"
#include "pg/base/versions.hpp"
#include "pg/calls/issue.hpp"
#include "pg/claims/dead.hpp"
#include "pg/claims/waiting.hpp"
#include "pg/log/consumer.hpp"
#include "pg/shared/wake.hpp"

extern "C" {
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

constexpr CatalogColumn columns_of_dead_events[] = {
    {"consumer_id", INT4OID}, {"event_seq", INT8OID}, {"lane", INT4OID},
    {"call_id", TEXTOID},     {"attempts", INT4OID},  {"sqlstate", TEXTOID},
    {"error", TEXTOID},       {"errors", JSONBOID},   {"died_at", TIMESTAMPTZOID}};
static_assert(lengthof(columns_of_dead_events) == dead_columns, "each column is here");

// Another session may revive the event at the same time.
void drop_row_of(const EventLog &log, const CatalogTable &dead, int64 seq)
{
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(dead, snapshot, {int4_key(1, log.consumer_id), int8_key(2, seq)});
    if (next_row(scan) && lock_row(dead, scan, snapshot, LockWaitBlock))
        delete_row(dead, scan);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
}

} // namespace

constinit const CatalogLayout dead_events_layout = {"dead_events", columns_of_dead_events};

CatalogTable open_dead(LOCKMODE lock)
{
    return open_catalog_table(dead_events_layout, "dead_events_pkey", lock);
}

void bury(const EventLog &log, const EventInLane &event, int attempts, Datum errors, const Failure &failure)
{
    const CatalogTable dead = open_dead(RowExclusiveLock);
    drop_row_of(log, dead, event.position.seq); // an event with the same number was appended later
    bool nulls[dead_columns] = {};
    Datum values[dead_columns];
    values[dead_consumer - 1] = Int32GetDatum(log.consumer_id);
    values[dead_seq - 1] = Int64GetDatum(event.position.seq);
    values[dead_lane - 1] = Int32GetDatum(event.lane);
    values[dead_call_id - 1] = CStringGetTextDatum(event.call_id);
    values[dead_attempts - 1] = Int32GetDatum(attempts);
    values[dead_sqlstate - 1] = text_or_null(failure.sqlstate, &nulls[dead_sqlstate - 1]);
    values[dead_error - 1] = CStringGetTextDatum(cut_error(failure.error));
    values[dead_errors - 1] = errors;
    values[dead_since - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
    insert_row(dead, values, nulls);
    close_catalog_table(dead, NoLock);
    count_events(counted(log), Counter::dead);
    note_issue({IssueKind::dead_event,
                log.events,
                event.call_id,
                {},
                {},
                event.position.seq,
                psprintf("see call_dead_events, consumer %s",
                         log.consumer == nullptr ? "default" : quote_identifier(log.consumer))});
}

namespace
{

bool has_dead(Snapshot snapshot, std::initializer_list<Key> keys)
{
    const CatalogTable dead = open_dead(AccessShareLock);
    const KeyScan scan = begin_key_scan(dead, snapshot, keys);
    const bool found = next_row(scan);
    end_key_scan(scan);
    close_catalog_table(dead, AccessShareLock);
    return found;
}

} // namespace

bool is_dead(const EventLog &log, Snapshot snapshot, int64 seq)
{
    return has_dead(snapshot, {int4_key(1, log.consumer_id), int8_key(2, seq)});
}

bool has_any_dead(const EventLog &log, Snapshot snapshot)
{
    return has_dead(snapshot, {int4_key(1, log.consumer_id)});
}

int64 newest_dead(const EventLog &log, Snapshot snapshot)
{
    const CatalogTable dead = open_dead(AccessShareLock);
    const KeyScan scan = begin_key_scan(dead, snapshot, {int4_key(1, log.consumer_id)});
    const int64 newest = next_row(scan, BackwardScanDirection) ? row_int8(scan.slot, dead_seq) : 0;
    end_key_scan(scan);
    close_catalog_table(dead, AccessShareLock);
    return newest;
}

void exhume(const EventLog &log, int64 seq)
{
    const CatalogTable dead = open_dead(RowExclusiveLock);
    drop_row_of(log, dead, seq);
    close_catalog_table(dead, NoLock);
}

void forget_dead(const EventLog &consumer)
{
    const CatalogTable dead = open_dead(RowExclusiveLock);
    delete_rows(dead, {int4_key(1, consumer.consumer_id)});
    close_catalog_table(dead, NoLock);
}

void require_operate_rights(const EventLog &log)
{
    const Oid role = GetUserId();
    if (!owns_relation(log.events, role) && (pg_class_aclcheck(log.events, role, ACL_SELECT) != ACLCHECK_OK ||
                                             pg_class_aclcheck(log.events, role, ACL_DELETE) != ACLCHECK_OK))
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("permission denied for event log %s", log.events_name),
                        errdetail("This needs the ownership of the log, or SELECT and DELETE on it.")));
}

namespace
{

// The event starts again with no attempt, before the waiting events of its call.
void retry_dead(const EventLog &log, const CatalogTable &waiting, TupleTableSlot *event)
{
    bool nulls[waiting_columns] = {};
    Datum values[waiting_columns] = {};
    values[waiting_consumer - 1] = Int32GetDatum(log.consumer_id);
    values[waiting_lane - 1] = Int32GetDatum(home_lane(log, row_int4(event, dead_lane)));
    values[waiting_seq - 1] = Int64GetDatum(row_int8(event, dead_seq));
    values[waiting_xid - 1] = UInt64GetDatum(0);
    values[waiting_call_id - 1] = row_value(event, dead_call_id, &nulls[waiting_call_id - 1]);
    values[waiting_attempts - 1] = Int32GetDatum(0);
    values[waiting_lease_expiries - 1] = Int32GetDatum(0);
    values[waiting_due_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
    nulls[waiting_claim - 1] = true;
    values[waiting_since - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
    values[waiting_errors - 1] = row_value(event, dead_errors, &nulls[waiting_errors - 1]);
    values[waiting_lock_waits - 1] = Int32GetDatum(0);
    insert_row(waiting, values, nulls);
}

// False if an event with the same number was appended again and waits.
bool revive_event(const EventLog &log, const CatalogTable &dead, const CatalogTable &waiting,
                  const KeyScan &scan)
{
    const Snapshot now = take_snapshot();
    const int lane = home_lane(log, row_int4(scan.slot, dead_lane));
    const bool waits = is_waiting(log, waiting, now, lane, row_int8(scan.slot, dead_seq));
    UnregisterSnapshot(now);
    if (!waits)
        retry_dead(log, waiting, scan.slot);
    delete_row(dead, scan);
    return !waits;
}

struct Revival {
    CatalogTable dead;
    CatalogTable waiting;
    int64 count;
};

void revive_events(const EventLog &log, Revival *revival, std::initializer_list<Key> keys)
{
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(revival->dead, snapshot, keys);
    while (next_row(scan)) {
        CHECK_FOR_INTERRUPTS();
        // Events without a call have no lane, so no worker can take them. Another session may revive the
        // event too.
        if (IsLane(row_int4(scan.slot, dead_lane)) && lock_row(revival->dead, scan, snapshot, LockWaitBlock))
            revival->count += revive_event(log, revival->dead, revival->waiting, scan);
    }
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
}

void revive_chosen(const EventLog &log, Revival *revival, ArrayType *chosen)
{
    Datum *seqs;
    bool *nulls;
    int count;
    deconstruct_array(chosen, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &seqs, &nulls,
                      &count);
    for (int i = 0; i < count; ++i)
        if (!nulls[i])
            revive_events(log, revival, {int4_key(1, log.consumer_id), int8_key(2, DatumGetInt64(seqs[i]))});
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(retry_dead_call_events)
{
    EventLog log;
    PreventCommandIfReadOnly("retry_dead_call_events()");
    find_event_log(fcinfo, 0, &log);
    choose_consumer(fcinfo, 2, &log);
    require_operate_rights(log);
    Revival revival = {open_catalog_table(dead_events_layout, "dead_events_pkey", RowExclusiveLock),
                       open_waiting(RowExclusiveLock), 0};
    if (PG_ARGISNULL(1))
        revive_events(log, &revival, {int4_key(1, log.consumer_id)});
    else
        revive_chosen(log, &revival, PG_GETARG_ARRAYTYPE_P(1));
    close_catalog_table(revival.waiting, NoLock);
    close_catalog_table(revival.dead, NoLock);
    if (revival.count > 0)
        wake_at_commit(log.log_id, log.consumer_id);
    PG_RETURN_INT64(revival.count);
}
