#include "pg/base/time.hpp"
#include "pg/citus/distribution.hpp"
#include "pg/claims/adopt.hpp"
#include "pg/claims/claim.hpp"
#include "pg/claims/claim_lane.hpp"
#include "pg/claims/dead.hpp"
#include "pg/claims/purge.hpp"
#include "pg/claims/waiting.hpp"
#include "pg/log/consumer.hpp"
#include "pg/log/snapshot.hpp"
#include "pg/shared/wake.hpp"

#include <algorithm>

extern "C" {
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
}

namespace callhardening
{

namespace
{

// -- the new position ----------------------------------------------------------------------------

// The consumer gets the events received at this time or later, and with this number or a higher one.
struct Target {
    int64 received_at; // in microseconds since the epoch
    int64 seq;
    bool is_now; // no event that is committed now
    bool is_beginning;
};

struct Seek {
    EventLog consumer;
    Target target;
    LaneTables tables;
    LogTable table;
    Snapshot snapshot;
    XidSnapshot now;
    MemoryContext scratch; // for one event
    bool uses_old_lanes;   // the consumer gets events of lanes before the first one
};

bool is_wanted(const Target &target, const LogEvent &event)
{
    return event.received_at >= target.received_at && event.position.seq >= target.seq;
}

// All ids of an old lane but those that may still append. The settled marks of restores are in it.
XidSnapshot all_of_old_lane(const XidSnapshot &now)
{
    return {now.in_progress.empty() ? no_xid_end : now.in_progress.front(), no_xid_end, now.in_progress};
}

// The first wanted event of the lane; false if there is none.
bool find_first(const Seek &seek, int lane, const XidSnapshot &end, LogPosition *first)
{
    bool found = seek.target.is_beginning;
    *first = {1, 1}; // no transaction has the id 1, and a dump with 0 could not be restored
    if (seek.target.is_now || found)
        return found;
    LaneReader reader = begin_reading(seek.table, seek.snapshot, lane, window_between({0, 0, {}}, end), {});
    const MemoryContext caller = MemoryContextSwitchTo(seek.scratch);
    while (!found && next_event(&reader)) {
        CHECK_FOR_INTERRUPTS();
        found = is_wanted(seek.target, present_event(seek.consumer, reader));
        *first = reader.position;
        MemoryContextReset(seek.scratch);
    }
    MemoryContextSwitchTo(caller);
    end_reading(reader);
    return found;
}

// A lane without a wanted event is done, as far as this snapshot sees. If the snapshot were newer than the
// look, an event committed in between would be skipped.
void move_lane(Seek *seek, int lane)
{
    const bool is_old = lane < seek->consumer.first_lane;
    const XidSnapshot end = is_old ? all_of_old_lane(seek->now) : seek->now;
    LogPosition first;
    LanePosition position;
    position.done_snapshot = end;
    if (find_first(*seek, lane, end, &first))
        position = PositionFrom(end, first);
    const bool has_row = has_lane(seek->consumer, seek->tables, seek->snapshot, lane);
    if (!has_row && !position.in_window)
        return; // nothing is wanted of an old lane
    if (!has_row)
        create_lane(seek->consumer, seek->tables, lane);
    seek->uses_old_lanes = seek->uses_old_lanes || is_old;
    append_position(seek->consumer, seek->tables,
                    newest_record(seek->consumer, seek->tables, seek->snapshot, lane), position);
}

// The consumer's old lanes, and those with events.
void move_old_lanes(Seek *seek)
{
    int with_events = before_worker_lanes;
    const KeyScan scan = begin_lane_numbers(seek->table, seek->snapshot);
    for (int lane = 0; lane < seek->consumer.first_lane; ++lane) {
        while (with_events < lane && next_lane_number(scan, seek->snapshot, &with_events)) {
        }
        if (with_events == lane || has_lane(seek->consumer, seek->tables, seek->snapshot, lane))
            move_lane(seek, lane);
    }
    end_key_scan(scan);
}

void lock_lanes(const Seek &seek)
{
    const Snapshot snapshot = take_snapshot();
    for (int lane = 0; lane < seek.consumer.first_lane + seek.consumer.lanes; ++lane)
        lock_lane(seek.consumer, seek.tables, snapshot, lane, LockWaitBlock);
    UnregisterSnapshot(snapshot);
}

// Workers skip the lanes before the first one, until the log says that they have events.
void open_old_lanes(const LockedLog &locked, const Seek &seek)
{
    EventLog log = seek.consumer;
    if (!seek.uses_old_lanes || log.has_old_lanes)
        return;
    log.adopted = seek.now;
    write_adoption(locked, log);
}

// The log is locked after the lanes, in the order of the workers. Until then its old lanes may have ended,
// another session may have dropped the consumer, or a worker may have adopted the log.
LockedLog lock_present_log(EventLog *consumer)
{
    const EventLog before = *consumer;
    const LockedLog locked = lock_event_log(before);
    if (!find_log_of_consumer(before.consumer_id, consumer))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("another transaction has dropped consumer \"%s\" of event log %s",
                               before.consumer, before.events_name)));
    if (consumer->first_lane != before.first_lane)
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("event log %s was adopted by another transaction", before.events_name),
                        errhint("Try again.")));
    return locked;
}

void open_seek(Seek *seek)
{
    open_log_table(seek->consumer, &seek->table);
    seek->tables = open_lanes(seek->consumer, RowExclusiveLock);
    if (needs_adoption(seek->consumer, seek->tables, seek->table)) // no position here settles such events
        adopt_event_log(&seek->consumer, seek->table);
    seek->scratch =
        AllocSetContextCreate(CurrentMemoryContext, "callhardening event", ALLOCSET_DEFAULT_SIZES);
}

void close_seek(const Seek &seek)
{
    close_lanes(seek.tables, NoLock);
    close_log_table(seek.table);
}

void run_seek(Seek *seek)
{
    open_seek(seek);
    lock_lanes(*seek);
    const LockedLog locked = lock_present_log(&seek->consumer);
    seek->snapshot = take_snapshot();
    seek->now = xids_of(seek->snapshot);
    move_old_lanes(seek);
    for (int i = 0; i < seek->consumer.lanes; ++i)
        move_lane(seek, seek->consumer.first_lane + i);
    UnregisterSnapshot(seek->snapshot);
    open_old_lanes(locked, *seek);
    forget_waiting(seek->consumer);
    close_locked_log(locked);
    close_seek(*seek);
    wake_at_commit(seek->consumer.log_id, seek->consumer.consumer_id);
}

// -- creating and dropping -----------------------------------------------------------------------

const char *consumer_argument(FunctionCallInfo fcinfo)
{
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
        ereport(ERROR,
                (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("log and consumer must not be null")));
    const char *name = NameStr(*PG_GETARG_NAME(1));
    if (*name == '\0')
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the name of a consumer must not be empty")));
    return name;
}

void require_new_name(const EventLog &log, const char *name)
{
    EventLog other = log;
    if (strcmp(name, "default") == 0 || find_consumer(name, &other))
        ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
                        errmsg("event log %s already has a consumer \"%s\"", log.events_name, name),
                        errhint("Choose another name, or move that consumer with seek_call_consumer.")));
}

// An old lane that another consumer has may still get events.
void create_lanes(const EventLog &consumer, std::span<const EventLog> others)
{
    const LaneTables tables = open_lanes(consumer, RowExclusiveLock);
    const Snapshot snapshot = take_snapshot();
    const auto has_other = [&](int lane) {
        return std::ranges::any_of(
            others, [&](const EventLog &other) { return has_lane(other, tables, snapshot, lane); });
    };
    for (int lane = 0; lane < consumer.first_lane + consumer.lanes; ++lane)
        if (lane >= consumer.first_lane || has_other(lane))
            create_lane(consumer, tables, lane);
    UnregisterSnapshot(snapshot);
    close_lanes(tables, NoLock);
}

// The lock keeps purges out: one with the consumers of before would take events that the new one has not
// settled.
void create_consumer(EventLog *log, const char *name)
{
    const LockedLog locked = lock_event_log(*log);
    read_locked_log(locked, log);
    require_new_name(*log, name);
    const std::span<const EventLog> others = consumers_of(*log);
    add_consumer(locked, name, log);
    close_locked_log(locked);
    create_lanes(*log, others);
}

void require_no_default(const EventLog &consumer)
{
    if (consumer.consumer_id == consumer.log_id)
        ereport(ERROR,
                (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                 errmsg("the default consumer of event log %s cannot be dropped", consumer.events_name),
                 errdetail("process_call_events needs it."),
                 errhint("To give its events up, move it: seek_call_consumer(..., received_at => "
                         "'infinity').")));
}

void run_drop(Seek *seek)
{
    const bool has_events = distribution_of(seek->consumer.events) == nullptr; // else shards have them
    if (has_events)
        open_seek(seek);
    else
        seek->tables = open_lanes(seek->consumer, RowExclusiveLock);
    lock_lanes(*seek);
    const LockedLog locked = lock_present_log(&seek->consumer);
    drop_consumer(locked, seek->consumer.consumer_id);
    close_locked_log(locked);
    for (int lane = 0; lane < seek->consumer.first_lane + seek->consumer.lanes; ++lane)
        drop_lane(seek->consumer, seek->tables, lane);
    forget_dead(seek->consumer); // first, since another session may revive these events
    forget_waiting(seek->consumer);
    forget_low_ends(seek->consumer);
    close_lanes(seek->tables, NoLock);
    if (has_events)
        close_log_table(seek->table);
    wake_at_commit(seek->consumer.log_id, seek->consumer.consumer_id); // its workers end
}

// -- arguments -----------------------------------------------------------------------------------

enum SeekArgument { seek_log, seek_consumer, seek_received_at, seek_event_seq };

[[noreturn]] void raise_no_target(const char *message)
{
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", message),
             errhint("received_at => '-infinity' is the first event that is kept, 'infinity' the first "
                     "one from now on.")));
    pg_unreachable();
}

Target target_of_time(const EventLog &log, TimestampTz time)
{
    const bool is_finite = !TIMESTAMP_NOT_FINITE(time);
    if (is_finite && log.received_at_column == nullptr)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("event log %s has no column for the time of receipt", log.events_name),
                        errhint("Give an event_seq, or harden the table with received_at_column.")));
    return {is_finite ? unix_microseconds(time) : 0, PG_INT64_MIN, TIMESTAMP_IS_NOEND(time),
            TIMESTAMP_IS_NOBEGIN(time)};
}

Target target_of(FunctionCallInfo fcinfo, const EventLog &log)
{
    if (PG_ARGISNULL(seek_received_at) == PG_ARGISNULL(seek_event_seq))
        raise_no_target("either received_at or event_seq must be given");
    if (!PG_ARGISNULL(seek_received_at))
        return target_of_time(log, PG_GETARG_TIMESTAMPTZ(seek_received_at));
    if (PG_GETARG_INT64(seek_event_seq) < 1)
        raise_no_target("event_seq must be 1 or more");
    return {PG_INT64_MIN, PG_GETARG_INT64(seek_event_seq), false, false};
}

// A log that Citus has distributed can still have consumers from before. attach_call_shards waits for their
// end.
void find_log_to_drop_from(FunctionCallInfo fcinfo, EventLog *log)
{
    find_any_event_log(fcinfo, 0, log);
    if (log->other_consumers.empty())
        require_log_here(*log);
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(create_call_consumer)
{
    const char *name = consumer_argument(fcinfo);
    const bool from_beginning = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
    require_claim_conditions("create_call_consumer");
    Seek seek = {};
    find_event_log(fcinfo, 0, &seek.consumer);
    require_operate_rights(seek.consumer);
    create_consumer(&seek.consumer, name);
    seek.target = {0, 0, !from_beginning, from_beginning};
    run_seek(&seek);
    PG_RETURN_VOID();
}

CALLHARDENING_FUNCTION(drop_call_consumer)
{
    consumer_argument(fcinfo);
    require_claim_conditions("drop_call_consumer");
    Seek seek = {};
    find_log_to_drop_from(fcinfo, &seek.consumer);
    choose_consumer(fcinfo, 1, &seek.consumer);
    require_operate_rights(seek.consumer);
    require_no_default(seek.consumer);
    run_drop(&seek);
    PG_RETURN_VOID();
}

CALLHARDENING_FUNCTION(seek_call_consumer)
{
    require_claim_conditions("seek_call_consumer");
    if (PG_ARGISNULL(seek_log))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("log must not be null")));
    Seek seek = {};
    find_event_log(fcinfo, seek_log, &seek.consumer);
    choose_consumer(fcinfo, seek_consumer, &seek.consumer);
    require_operate_rights(seek.consumer);
    seek.target = target_of(fcinfo, seek.consumer);
    run_seek(&seek);
    PG_RETURN_VOID();
}
