#include "core/lanes/claim.hpp"

#include "pg/base/spi.hpp"
#include "pg/base/time.hpp"
#include "pg/claims/claim.hpp"
#include "pg/claims/dead.hpp"
#include "pg/claims/purge.hpp"
#include "pg/claims/waiting.hpp"
#include "pg/log/ignored_event.hpp"
#include "pg/log/snapshot.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

enum LowEndColumn {
    low_log = 1,
    low_lane,
    low_record_no,
    low_xid,
    low_seq,
    low_time,
    low_columns = low_time
};
constexpr CatalogColumn columns_of_purges[] = {{"log_id", INT4OID},    {"lane", INT4OID},
                                               {"record_no", INT8OID}, {"low_xid", XID8OID},
                                               {"low_seq", INT8OID},   {"purged_at", TIMESTAMPTZOID}};
static_assert(lengthof(columns_of_purges) == low_columns, "each column is here");
constexpr CatalogColumn columns_of_leftovers[] = {{"log_id", INT4OID}, {"event_seq", INT8OID}};

// What is passed costs as much as what is purged, and all there is can wait: so each call looks at so
// many leftovers and at so many events of lanes at most, or at max_events where that is more.
constexpr int fewest_looks = 1000;

// No lanes: among the low ends, where the next look at the leftovers and at the dead events begins.
constexpr int leftovers_lane = PG_INT32_MIN, graveyard = PG_INT32_MIN + 1;

struct Purge {
    EventLog log;
    LaneTables lanes;
    LogTable table;
    CatalogTable waiting;
    CatalogTable purges;
    CatalogTable leftovers;
    CatalogTable dead;
    Snapshot snapshot;
    XidSnapshot now;
    int64 before; // microseconds since the epoch
    bool takes_dead;
    TimestampTz dead_before; // of those that died before this time
    int left;                // events that may be purged
    int looks;               // that may be taken
    int64 purged;
    MemoryContext scratch; // of the event that is looked at
};

// Where a lane's next purge begins.
struct LowEnd {
    int64 record_no;
    LogPosition low;
};

// -- what may go ---------------------------------------------------------------------------------

struct LaneOfLog {
    int number;
    bool is_live; // workers take its events
    LanePosition position;
};

bool is_waiting_or_dead(const Purge &purge, const LogEvent &event)
{
    return is_waiting(purge.log, purge.waiting, purge.snapshot, event.lane, event.place.seq) ||
           is_dead(purge.log, purge.snapshot, event.place.seq);
}

// -- deleting ------------------------------------------------------------------------------------

// The log is its owner's table: the caller needs the right to delete from it, and its triggers fire.
bool delete_event(Purge *purge, int lane, const LogPosition &place)
{
    static KeptPlans plans;
    run_statement(&plans,
                  psprintf("DELETE FROM %s WHERE event_lane OPERATOR(pg_catalog.=) $1"
                           " AND event_xid OPERATOR(pg_catalog.=) $2 AND event_seq OPERATOR(pg_catalog.=) $3",
                           purge->log.events_name),
                  {int4_value(lane), xid8_value(place.xid), int8_value(place.seq)});
    purge->purged += static_cast<int64>(SPI_processed);
    --purge->left;
    return SPI_processed > 0;
}

// -- low ends ------------------------------------------------------------------------------------

LowEnd find_low_end(const Purge &purge, int lane)
{
    LowEnd end = {};
    const KeyScan scan =
        begin_key_scan(purge.purges, purge.snapshot, {int4_key(1, purge.log.log_id), int4_key(2, lane)});
    if (next_row(scan, BackwardScanDirection)) {
        end.record_no = row_int8(scan.slot, low_record_no);
        end.low = {static_cast<uint64>(row_int8(scan.slot, low_xid)), row_int8(scan.slot, low_seq)};
    }
    end_key_scan(scan);
    return end;
}

void drop_low_end(const Purge &purge, int lane, int64 record_no)
{
    const KeyScan scan =
        begin_key_scan(purge.purges, purge.snapshot,
                       {int4_key(1, purge.log.log_id), int4_key(2, lane), int8_key(3, record_no)});
    if (next_row(scan))
        delete_row(purge.purges, scan);
    end_key_scan(scan);
}

void append_low_end(const Purge &purge, int lane, const LowEnd &end)
{
    const Datum values[] = {Int32GetDatum(purge.log.log_id), Int32GetDatum(lane),
                            Int64GetDatum(end.record_no),    UInt64GetDatum(end.low.xid),
                            Int64GetDatum(end.low.seq),      TimestampTzGetDatum(GetCurrentTimestamp())};
    const bool nulls[low_columns] = {};
    insert_row(purge.purges, values, nulls);
    drop_low_end(purge, lane, end.record_no - 1);
}

// -- leftovers -----------------------------------------------------------------------------------

void remember_leftover(const Purge &purge, int64 seq)
{
    const Datum values[] = {Int32GetDatum(purge.log.log_id), Int64GetDatum(seq)};
    const bool nulls[2] = {};
    const KeyScan scan =
        begin_key_scan(purge.leftovers, purge.snapshot, {int4_key(1, purge.log.log_id), int8_key(2, seq)});
    if (!next_row(scan)) // numbers of a log that was truncated come again
        insert_row(purge.leftovers, values, nulls);
    end_key_scan(scan);
}

// Behind its lane's low end, it is not what an earlier purge has passed: numbers of a log that was truncated
// come again, and it may be pending.
bool must_stay(const Purge &purge, const LogEvent &event)
{
    return event.received_at >= purge.before || find_low_end(purge, event.lane).low < event.place ||
           is_waiting_or_dead(purge, event);
}

// The present row of the scan. One whose event is gone goes.
void look_at_leftover(Purge *purge, const KeyScan &scan)
{
    LogEvent event;
    const MemoryContext caller = MemoryContextSwitchTo(purge->scratch);
    --purge->looks;
    if (!find_event(purge->log, purge->table, purge->snapshot, row_int8(scan.slot, 2), &event))
        delete_row(purge->leftovers, scan);
    else if (!must_stay(*purge, event)) {
        delete_event(purge, event.lane, event.place);
        delete_row(purge->leftovers, scan);
    }
    MemoryContextSwitchTo(caller);
    MemoryContextReset(purge->scratch);
}

// -- dead events ---------------------------------------------------------------------------------

LaneOfLog look_at_lane(const Purge &purge, int number)
{
    LaneOfLog lane = {};
    lane.number = number;
    lane.is_live = IsLane(number) && has_lane(purge.log, purge.lanes, purge.snapshot, number);
    if (lane.is_live)
        lane.position = newest_record(purge.log, purge.lanes, purge.snapshot, number).position;
    return lane;
}

// Workers have done with it. One that is still to come has the number of a dead event of a log that was
// truncated.
bool is_dealt_with(const Purge &purge, const LogEvent &event)
{
    const LaneOfLog lane = look_at_lane(purge, event.lane);
    return lane.is_live ? IsSettled(lane.position, event.place) : event.lane < purge.log.first_lane;
}

// Another client has processed it, or the settings of the log have come to ignore it: then it is settled.
bool is_no_death(const Purge &purge, const LogEvent &event)
{
    if (event.is_done || IsLane(event.lane))
        return event.is_done;
    const std::string_view type = event.event_type == nullptr ? "" : event.event_type;
    return ignores_events(purge.log) && is_ignored(purge.log, type, {}, DatumGetJsonbP(event.payload));
}

bool is_dead_for_long(const Purge &purge, const KeyScan &scan)
{
    return purge.takes_dead && row_int8(scan.slot, dead_since) < purge.dead_before;
}

// The present row of the scan.
void look_at_dead(Purge *purge, const KeyScan &scan)
{
    LogEvent event;
    const MemoryContext caller = MemoryContextSwitchTo(purge->scratch);
    --purge->looks;
    const bool exists =
        find_event(purge->log, purge->table, purge->snapshot, row_int8(scan.slot, dead_seq), &event);
    const bool is_over = !exists || is_no_death(*purge, event);
    // Another session may be about to give it all its attempts again.
    if ((is_over || (is_dead_for_long(*purge, scan) && is_dealt_with(*purge, event))) &&
        lock_row(purge->dead, scan, purge->snapshot, LockWaitSkip) &&
        (is_over || delete_event(purge, event.lane, event.place)))
        delete_row(purge->dead, scan);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(purge->scratch);
}

// -- in a round ----------------------------------------------------------------------------------

// Rows by log and event number, of which each call looks at some, from where the last one stopped.
struct Round {
    int lane; // that remembers this
    CatalogTable table;
    void (*look)(Purge *purge, const KeyScan &scan);
};

// Those with the given numbers; `last` is the last one that was looked at. False where there may be more.
bool look_at_rows(Purge *purge, const Round &round, const Key &numbers, int64 *last)
{
    bool at_end = false;
    const KeyScan scan =
        begin_key_scan(round.table, purge->snapshot, {int4_key(1, purge->log.log_id), numbers});
    while (purge->left > 0 && purge->looks > 0 && !at_end) {
        CHECK_FOR_INTERRUPTS();
        if (at_end = !next_row(scan); !at_end) {
            *last = row_int8(scan.slot, 2);
            round.look(purge, scan);
        }
    }
    end_key_scan(scan);
    return at_end;
}

void look_around(Purge *purge, const Round &round)
{
    const LowEnd end = find_low_end(*purge, round.lane);
    int64 last = end.low.seq;
    if (look_at_rows(purge, round, int8_key(2, end.low.seq, BTGreaterStrategyNumber), &last) &&
        look_at_rows(purge, round, int8_key(2, end.low.seq, BTLessEqualStrategyNumber), &last))
        return; // the whole round
    append_low_end(*purge, round.lane, {end.record_no + 1, {0, last}});
}

// -- a lane --------------------------------------------------------------------------------------

// In an old lane without a row nothing is left to do, but for what a restore of data alone has appended
// since.
std::span<const XidRange> settled_ids(const EventLog &log)
{
    const size_t count = log.settled_marks.size() + 1;
    auto *ranges = static_cast<XidRange *>(palloc(sizeof(XidRange) * count));
    ranges[0] = {0, first_restore_mark};
    for (size_t i = 1; i < count; ++i)
        ranges[i] = {log.settled_marks[i - 1], log.settled_marks[i - 1] + 1};
    return {ranges, count};
}

// What may still be appended before an event keeps the purge from passing it.
std::span<const XidRange> purgeable_xids(const Purge &purge, const LaneOfLog &lane)
{
    static const XidRange all = {0, no_xid_end};
    if (lane.number == no_lane::not_stamped)
        return {}; // nobody has dealt with them
    if (!IsLane(lane.number))
        return {&all, 1}; // no worker can take these
    if (lane.is_live)
        return window_between({0, 0, {}}, {purge.now.xmin, purge.now.xmin, {}});
    if (lane.number >= purge.log.first_lane)
        return {}; // no worker has looked at them
    return settled_ids(purge.log);
}

// The present event; false where the lane is not to be purged any further.
bool look_at_event(Purge *purge, const LaneOfLog &lane, const LaneReader &reader)
{
    const LogEvent event = present_event(purge->log, reader);
    if (event.received_at >= purge->before || (lane.is_live && !IsSettled(lane.position, event.place)))
        return false;
    --purge->looks;
    if (is_waiting_or_dead(*purge, event))
        remember_leftover(*purge, event.place.seq);
    else
        delete_event(purge, lane.number, event.place);
    return true;
}

bool purge_next_event(Purge *purge, const LaneOfLog &lane, LaneReader *reader)
{
    if (purge->left == 0 || purge->looks == 0 || !next_event(reader))
        return false;
    const MemoryContext caller = MemoryContextSwitchTo(purge->scratch);
    const bool goes_on = look_at_event(purge, lane, *reader);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(purge->scratch);
    return goes_on;
}

// In a lane of events that no worker takes, what may still come keeps a purge from passing an event. The rows
// of another cluster can have higher ids than those to come, and are not passed either.
bool may_pass(const Purge &purge, const LaneOfLog &lane, const LogPosition &place)
{
    return IsLane(lane.number) || place.xid < purge.now.xmin;
}

void purge_lane(Purge *purge, int number)
{
    const LaneOfLog lane = look_at_lane(*purge, number);
    if (lane.is_live && number < purge->log.first_lane)
        return; // of another cluster, and not done with
    LowEnd end = find_low_end(*purge, number);
    if (!may_pass(*purge, lane, end.low))
        end.low = {}; // remembered in another cluster
    LaneReader reader =
        begin_reading(purge->table, purge->snapshot, number, purgeable_xids(*purge, lane), end.low);
    bool moved = false;
    while (purge_next_event(purge, lane, &reader)) {
        if (!may_pass(*purge, lane, reader.place))
            continue;
        end.low = reader.place;
        moved = true;
    }
    end_reading(reader);
    ++end.record_no;
    if (moved)
        append_low_end(*purge, number, end);
}

void purge_lanes(Purge *purge)
{
    constexpr int first = no_lane::ignored;
    const int count = purge->log.first_lane + purge->log.lanes - first;
    const auto start = static_cast<int>(pg_prng_uint64_range(&pg_global_prng_state, 0, count - 1));
    for (int i = 0; i < count && purge->left > 0 && purge->looks > 0; ++i)
        purge_lane(purge, first + (start + i) % count);
}

void open_purge(Purge *purge)
{
    purge->lanes = open_lanes(purge->log, AccessShareLock);
    purge->waiting = open_waiting(AccessShareLock);
    purge->purges = open_catalog_table(purges_layout, "purges_pkey", RowExclusiveLock);
    purge->leftovers = open_catalog_table(purge_leftovers_layout, "purge_leftovers_pkey", RowExclusiveLock);
    purge->dead = open_dead(RowExclusiveLock);
    open_log_table(purge->log, &purge->table);
    purge->snapshot = take_snapshot();
    purge->now = xids_of(purge->snapshot);
    purge->scratch =
        AllocSetContextCreate(CurrentMemoryContext, "callhardening event", ALLOCSET_DEFAULT_SIZES);
}

void close_purge(const Purge &purge)
{
    UnregisterSnapshot(purge.snapshot);
    close_log_table(purge.table);
    close_catalog_table(purge.dead, NoLock);
    close_catalog_table(purge.leftovers, NoLock);
    close_catalog_table(purge.purges, NoLock);
    close_catalog_table(purge.waiting, AccessShareLock);
    close_lanes(purge.lanes, AccessShareLock);
}

enum PurgeArgument { older_than_argument, purge_log_argument, purge_max_argument, dead_older_than_argument };

TimestampTz cutoff_of(FunctionCallInfo fcinfo, int argument, const char *name)
{
    const TimestampTz now = GetCurrentTimestamp();
    const TimestampTz before = DatumGetTimestampTz(
        DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(now), PG_GETARG_DATUM(argument)));
    if (before > now)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must not be negative", name)));
    return before;
}

void read_ages(FunctionCallInfo fcinfo, Purge *purge)
{
    if (PG_ARGISNULL(older_than_argument))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("older_than must not be null")));
    purge->before = unix_microseconds(cutoff_of(fcinfo, older_than_argument, "older_than"));
    purge->takes_dead = !PG_ARGISNULL(dead_older_than_argument);
    if (purge->takes_dead)
        purge->dead_before = cutoff_of(fcinfo, dead_older_than_argument, "dead_older_than");
}

void check_has_age(const EventLog &log)
{
    if (log.received_at_column == nullptr && log.processed_at_column == nullptr)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("event log %s has no column that says how old an event is", log.events_name),
                        errhint("Harden it with received_at_column or processed_at_column.")));
}

int64 run_purge(Purge *purge, int most_looks)
{
    SPI_connect();
    open_purge(purge);
    // Each has looks of its own: none is kept waiting by what another has to pass.
    purge->looks = most_looks;
    look_around(purge, {graveyard, purge->dead, look_at_dead});
    purge->looks = most_looks;
    look_around(purge, {leftovers_lane, purge->leftovers, look_at_leftover});
    purge->looks = most_looks;
    purge_lanes(purge);
    close_purge(*purge);
    SPI_finish();
    return purge->purged;
}

} // namespace

constinit const CatalogLayout purges_layout = {"purges", columns_of_purges};
constinit const CatalogLayout purge_leftovers_layout = {"purge_leftovers", columns_of_leftovers};

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(purge_call_events)
{
    Purge purge = {};
    read_ages(fcinfo, &purge);
    purge.left = max_events_argument_of(fcinfo, purge_max_argument);
    const int most_looks = Max(purge.left, fewest_looks);
    check_can_claim("purge_call_events");
    find_event_log(fcinfo, purge_log_argument, &purge.log);
    check_has_age(purge.log);
    // Where the log was restored, what is settled is known when a worker has adopted it.
    if (purge.log.is_restored || !try_lock_event_log(purge.log))
        PG_RETURN_INT64(0);
    PG_RETURN_INT64(without_reentrance([&purge, most_looks] { return run_purge(&purge, most_looks); }));
}
