#include "core/lanes/claim.hpp"

#include "pg/base/spi.hpp"
#include "pg/base/time.hpp"
#include "pg/citus/shard.hpp"
#include "pg/claims/claim.hpp"
#include "pg/claims/dead.hpp"
#include "pg/claims/purge.hpp"
#include "pg/claims/waiting.hpp"
#include "pg/log/consumer.hpp"
#include "pg/log/form.hpp"
#include "pg/log/ignored_event.hpp"
#include "pg/log/snapshot.hpp"

#include <algorithm>

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

// Passing an event costs as much as purging it, and all events could be waiting. So each call looks at this
// number of leftovers and of events in lanes, or at max_events if that is more.
constexpr int fewest_looks = 1000;

// Not lanes: these low ends say where the next look at leftovers and dead events begins.
constexpr int leftovers_lane = PG_INT32_MIN, graveyard = PG_INT32_MIN + 1;

struct Purge {
    EventLog log;
    std::span<const EventLog> consumers;
    LaneTables lanes;
    LogTable table;
    CatalogTable waiting;
    CatalogTable purges;
    CatalogTable leftovers;
    CatalogTable dead;
    Snapshot snapshot;
    XidSnapshot now;
    int64 before; // in microseconds since the epoch
    bool takes_dead;
    TimestampTz dead_before; // for the time of death
    int left;                // number of events to purge
    int looks;               // number of events to look at
    int64 purged;
    MemoryContext scratch; // for one event
};

// The start of the lane's next purge.
struct LowEnd {
    int64 record_no;
    LogPosition low;
};

// -- what may be purged ---------------------------------------------------------------------------

struct LaneOfLog {
    int number;
    bool is_live;            // the workers of all consumers take its events
    bool has_workers;        // those of some consumer do
    LanePosition *positions; // one for each consumer
};

bool is_waiting_or_dead_for(const Purge &purge, const EventLog &consumer, const LogEvent &event)
{
    return is_waiting(consumer, purge.waiting, purge.snapshot, event.lane, event.position.seq) ||
           is_dead(consumer, purge.snapshot, event.position.seq);
}

bool is_waiting_or_dead(const Purge &purge, const LogEvent &event)
{
    return std::ranges::any_of(purge.consumers, [&](const EventLog &consumer) {
        return is_waiting_or_dead_for(purge, consumer, event);
    });
}

bool is_settled_in(const Purge &purge, const LaneOfLog &lane, const LogPosition &event)
{
    for (size_t i = 0; i < purge.consumers.size(); ++i)
        if (!IsSettled(lane.positions[i], event))
            return false;
    return true;
}

// -- deleting ------------------------------------------------------------------------------------

// The log belongs to its owner: the caller needs the right to delete from it, and its triggers fire.
bool delete_event(Purge *purge, int lane, const LogPosition &position)
{
    static KeptPlans plans;
    run_statement(&plans,
                  psprintf("DELETE FROM %s WHERE event_lane OPERATOR(pg_catalog.=) $1"
                           " AND event_xid OPERATOR(pg_catalog.=) $2 AND event_seq OPERATOR(pg_catalog.=) $3",
                           purge->log.events_name),
                  {int4_value(lane), xid8_value(position.xid), int8_value(position.seq)});
    purge->purged += static_cast<int64>(SPI_processed);
    count_events(counted_log(purge->log), Counter::purged, static_cast<int64>(SPI_processed));
    --purge->left;
    return SPI_processed > 0;
}

// -- low ends ------------------------------------------------------------------------------------

LowEnd find_low_end(const Purge &purge, int32 id, int lane)
{
    LowEnd end = {};
    const KeyScan scan = begin_key_scan(purge.purges, purge.snapshot, {int4_key(1, id), int4_key(2, lane)});
    if (next_row(scan, BackwardScanDirection)) {
        end.record_no = row_int8(scan.slot, low_record_no);
        end.low = {static_cast<uint64>(row_int8(scan.slot, low_xid)), row_int8(scan.slot, low_seq)};
    }
    end_key_scan(scan);
    return end;
}

void drop_low_end(const Purge &purge, int32 id, int lane, int64 record_no)
{
    const KeyScan scan = begin_key_scan(purge.purges, purge.snapshot,
                                        {int4_key(1, id), int4_key(2, lane), int8_key(3, record_no)});
    if (next_row(scan))
        delete_row(purge.purges, scan);
    end_key_scan(scan);
}

void append_low_end(const Purge &purge, int32 id, int lane, const LowEnd &end)
{
    const Datum values[] = {
        Int32GetDatum(id),           Int32GetDatum(lane),        Int64GetDatum(end.record_no),
        UInt64GetDatum(end.low.xid), Int64GetDatum(end.low.seq), TimestampTzGetDatum(GetCurrentTimestamp())};
    const bool nulls[low_columns] = {};
    insert_row(purge.purges, values, nulls);
    drop_low_end(purge, id, lane, end.record_no - 1);
}

// A consumer without a row has emptied an old lane, and has not visited a present one yet.
LaneOfLog look_at_lane(const Purge &purge, int number)
{
    const size_t consumers = purge.consumers.size();
    LanePosition emptied;
    emptied.done_snapshot = {no_xid_end, no_xid_end, {}};
    LaneOfLog lane = {number, number >= purge.log.first_lane, false, nullptr};
    lane.positions = static_cast<LanePosition *>(palloc(sizeof(LanePosition) * Max(1, consumers)));
    for (size_t i = 0; i < consumers && IsLane(number); ++i) {
        const EventLog &consumer = purge.consumers[i];
        const bool has_row = has_lane(consumer, purge.lanes, purge.snapshot, number);
        lane.positions[i] =
            has_row ? newest_record(consumer, purge.lanes, purge.snapshot, number).position : emptied;
        lane.is_live = lane.is_live && has_row;
        lane.has_workers = lane.has_workers || has_row;
    }
    return lane;
}

// Have the workers of all consumers settled the event? If not, a consumer has come since, or was moved back.
// Or it is a new event with the number of a dead one or of a leftover, from before a TRUNCATE.
bool is_dealt_with(const Purge &purge, const LogEvent &event)
{
    if (!IsLane(event.lane))
        return true;
    const LaneOfLog lane = look_at_lane(purge, event.lane);
    return (lane.is_live || event.lane < purge.log.first_lane) && is_settled_in(purge, lane, event.position);
}

// -- leftovers -----------------------------------------------------------------------------------

void remember_leftover(const Purge &purge, int64 seq)
{
    const Datum values[] = {Int32GetDatum(purge.log.log_id), Int64GetDatum(seq)};
    const bool nulls[2] = {};
    const Snapshot now = take_snapshot(); // this purge may have remembered it as a dead event
    const KeyScan scan =
        begin_key_scan(purge.leftovers, now, {int4_key(1, purge.log.log_id), int8_key(2, seq)});
    if (!next_row(scan)) // after TRUNCATE, event numbers repeat
        insert_row(purge.leftovers, values, nulls);
    end_key_scan(scan);
    UnregisterSnapshot(now);
}

// An earlier purge passed only events before the lane's low end. Behind it, a truncated log has used the
// number again, and the event may be pending.
bool must_stay(const Purge &purge, const LogEvent &event)
{
    return event.received_at >= purge.before ||
           find_low_end(purge, purge.log.log_id, event.lane).low < event.position ||
           is_waiting_or_dead(purge, event) || !is_dealt_with(purge, event);
}

// Looks at the present row of the scan. If its event no longer exists, the row is deleted.
void look_at_leftover(Purge *purge, const KeyScan &scan)
{
    LogEvent event;
    const MemoryContext caller = MemoryContextSwitchTo(purge->scratch);
    --purge->looks;
    if (!find_event(purge->log, purge->table, purge->snapshot, row_int8(scan.slot, 2), &event))
        delete_row(purge->leftovers, scan);
    else if (!must_stay(*purge, event) && delete_event(purge, event.lane, event.position))
        delete_row(purge->leftovers, scan);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(purge->scratch);
}

// -- dead events ---------------------------------------------------------------------------------

// Another client has processed the event, or the log's settings now ignore it. Then it is settled.
bool is_no_death(const Purge &purge, const LogEvent &event)
{
    if (event.is_done || IsLane(event.lane))
        return event.is_done;
    const std::string_view type = event.event_type == nullptr ? "" : event.event_type;
    return ignores_events(purge.log) &&
           is_ignored(purge.log, type, {}, DatumGetJsonbP(open_payload(event.payload)));
}

bool is_dead_for_long(const Purge &purge, const KeyScan &scan)
{
    return purge.takes_dead && row_int8(scan.slot, dead_since) < purge.dead_before;
}

// Another consumer still needs the event.
bool is_needed_elsewhere(const Purge &purge, int32 consumer_id, const LogEvent &event)
{
    return std::ranges::any_of(purge.consumers, [&](const EventLog &consumer) {
        return consumer.consumer_id != consumer_id && is_waiting_or_dead_for(purge, consumer, event);
    });
}

// True if nothing is left for the dead event's row to tell.
bool take_dead_event(Purge *purge, int32 consumer_id, const LogEvent &event)
{
    if (!is_needed_elsewhere(*purge, consumer_id, event))
        return delete_event(purge, event.lane, event.position);
    remember_leftover(*purge, event.position.seq);
    return true;
}

// Looks at the present row of the scan.
void look_at_dead(Purge *purge, const KeyScan &scan)
{
    LogEvent event;
    const MemoryContext caller = MemoryContextSwitchTo(purge->scratch);
    const int32 consumer_id = row_int4(scan.slot, dead_consumer);
    --purge->looks;
    const bool exists =
        find_event(purge->log, purge->table, purge->snapshot, row_int8(scan.slot, dead_seq), &event);
    const bool is_over = !exists || (consumer_id == purge->log.log_id && is_no_death(*purge, event));
    // Another session may be reviving it.
    if ((is_over || (is_dead_for_long(*purge, scan) && is_dealt_with(*purge, event))) &&
        lock_row(purge->dead, scan, purge->snapshot, LockWaitSkip) &&
        (is_over || take_dead_event(purge, consumer_id, event)))
        delete_row(purge->dead, scan);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(purge->scratch);
}

// -- round by round -------------------------------------------------------------------------------

// Rows by log or consumer, and event number. Each call looks at some of them, and begins behind the last one.
struct Round {
    int32 id; // of the log or the consumer
    int lane; // its low end keeps the position
    CatalogTable table;
    void (*look)(Purge *purge, const KeyScan &scan);
};

// Looks at the rows with the given numbers; `last` becomes the last of them. False if there may be more.
bool look_at_rows(Purge *purge, const Round &round, const Key &numbers, int64 *last)
{
    bool at_end = false;
    const KeyScan scan = begin_key_scan(round.table, purge->snapshot, {int4_key(1, round.id), numbers});
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
    const LowEnd end = find_low_end(*purge, round.id, round.lane);
    int64 last = end.low.seq;
    if (look_at_rows(purge, round, int8_key(2, end.low.seq, BTGreaterStrategyNumber), &last) &&
        look_at_rows(purge, round, int8_key(2, end.low.seq, BTLessEqualStrategyNumber), &last))
        return; // the round is complete
    append_low_end(*purge, round.id, round.lane, {end.record_no + 1, {0, last}});
}

// -- a lane --------------------------------------------------------------------------------------

// An old lane without a row was settled. Only a later restore of data alone can add events to it.
std::span<const XidRange> settled_ids(const EventLog &log)
{
    const size_t count = log.settled_marks.size() + 1;
    auto *ranges = static_cast<XidRange *>(palloc(sizeof(XidRange) * count));
    ranges[0] = {0, first_restore_mark};
    for (size_t i = 1; i < count; ++i)
        ranges[i] = {log.settled_marks[i - 1], log.settled_marks[i - 1] + 1};
    return {ranges, count};
}

// The purge must not pass an event while an open transaction may still append an earlier one.
std::span<const XidRange> purgeable_xids(const Purge &purge, const LaneOfLog &lane)
{
    static const XidRange all = {0, no_xid_end};
    if (lane.number == no_lane::not_stamped)
        return {}; // no worker has processed them
    if (!IsLane(lane.number))
        return {&all, 1}; // no worker can take them
    if (lane.is_live)
        return window_between({0, 0, {}}, {purge.now.xmin, purge.now.xmin, {}});
    if (lane.number >= purge.log.first_lane)
        return {}; // no worker has visited them
    return settled_ids(purge.log);
}

// Looks at the present event; false if the purge of the lane ends here.
bool look_at_event(Purge *purge, const LaneOfLog &lane, const LaneReader &reader)
{
    const LogEvent event = present_event(purge->log, reader);
    if (event.received_at >= purge->before || (lane.is_live && !is_settled_in(*purge, lane, event.position)))
        return false;
    --purge->looks;
    // A trigger, a rule or a policy may keep the row: then it is not lost to later purges.
    if (is_waiting_or_dead(*purge, event) || !delete_event(purge, lane.number, event.position))
        remember_leftover(*purge, event.position.seq);
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

// In lanes without workers, an open transaction may still append an earlier event. Rows of another cluster
// can have ids above all ids here. The purge does not pass either of them.
bool may_pass(const Purge &purge, const LaneOfLog &lane, const LogPosition &position)
{
    return IsLane(lane.number) || position.xid < purge.now.xmin;
}

void purge_lane(Purge *purge, int number)
{
    const LaneOfLog lane = look_at_lane(*purge, number);
    if (lane.has_workers && number < purge->log.first_lane)
        return; // from another cluster
    LowEnd end = find_low_end(*purge, purge->log.log_id, number);
    if (!may_pass(*purge, lane, end.low))
        end.low = {}; // a position from another cluster
    LaneReader reader =
        begin_reading(purge->table, purge->snapshot, number, purgeable_xids(*purge, lane), end.low);
    bool moved = false;
    while (purge_next_event(purge, lane, &reader)) {
        if (!may_pass(*purge, lane, reader.position))
            continue;
        end.low = reader.position;
        moved = true;
    }
    end_reading(reader);
    ++end.record_no;
    if (moved)
        append_low_end(*purge, purge->log.log_id, number, end);
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
    purge->consumers = consumers_of(purge->log);
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

void require_age_column(const EventLog &log)
{
    if (log.received_at_column == nullptr && log.processed_at_column == nullptr)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("event log %s has no column for the age of its events", log.events_name),
                        errhint("Harden it with received_at_column or processed_at_column.")));
}

int64 run_purge(Purge *purge, int most_looks)
{
    SPI_connect();
    open_purge(purge);
    // Each part has looks of its own. Otherwise the events passed by one part would stop the others.
    for (const EventLog &consumer : purge->consumers) {
        purge->looks = most_looks;
        look_around(purge, {consumer.consumer_id, graveyard, purge->dead, look_at_dead});
    }
    purge->looks = most_looks;
    look_around(purge, {purge->log.log_id, leftovers_lane, purge->leftovers, look_at_leftover});
    purge->looks = most_looks;
    purge_lanes(purge);
    close_purge(*purge);
    SPI_finish();
    return purge->purged;
}

} // namespace

void forget_low_ends(const EventLog &consumer)
{
    const CatalogTable purges = open_catalog_table(purges_layout, "purges_pkey", RowExclusiveLock);
    delete_rows(purges, {int4_key(1, consumer.consumer_id)});
    close_catalog_table(purges, NoLock);
}

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
    require_claim_conditions("purge_call_events");
    find_event_log(fcinfo, purge_log_argument, &purge.log);
    require_age_column(purge.log);
    require_shard(purge.log.shard_id, purge.log.events_name);
    // A worker must adopt a restored log first. Before that, it is unknown which events are settled.
    if (purge.log.is_restored || !try_lock_event_log(purge.log))
        PG_RETURN_INT64(0);
    // Under the lock no consumer comes or goes. One may have come since.
    find_event_log_by_id(purge.log.log_id, &purge.log);
    PG_RETURN_INT64(without_reentrance([&purge, most_looks] { return run_purge(&purge, most_looks); }));
}
