#include "pg/claims/adopt.hpp"
#include "pg/base/versions.hpp"
#include "pg/claims/claim.hpp"
#include "pg/claims/dead.hpp"
#include "pg/log/consumer.hpp"
#include "pg/log/snapshot.hpp"

#include <algorithm>

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
}

namespace callhardening
{

namespace
{

// While the log has old lanes, each claim visits every lane number up to the newest. An owner can write any
// number into a row.
constexpr int most_lane_numbers = 1 << 16;

// -- events outside the workers' reach ------------------------------------------------------------

std::span<const XidRange> one_range(uint64 first, uint64 end)
{
    auto *range = static_cast<XidRange *>(palloc(sizeof(XidRange)));
    *range = {first, end};
    return {range, 1};
}

// Ids ahead of this cluster: rows inserted with their stamps can have them.
std::span<const XidRange> ids_ahead()
{
    return one_range(U64FromFullTransactionId(ReadNextFullTransactionId()), no_xid_end);
}

std::span<const XidRange> unsettled_marks(const EventLog &log, int lane)
{
    const XidSnapshot transactions = {first_restore_mark, first_restore_mark, {}};
    return window_between(transactions, end_of_lane(log, lane, transactions));
}

// For a lane before the first one of the log, if it still has a row.
std::span<const XidRange> window_of_old_lane(const EventLog &log, const LaneTables &tables, Snapshot snapshot,
                                             int lane)
{
    if (log.has_old_lanes || log.is_restored)
        return {};
    return window_between(newest_record(log, tables, snapshot, lane).position.done_snapshot,
                          end_of_lane(log, lane, xids_of(snapshot)));
}

} // namespace

std::span<const XidRange> stray_window(const EventLog &log, const LaneTables &tables, Snapshot snapshot,
                                       int lane)
{
    if (!IsLane(lane)) // events in the other lanes are dead
        return lane == no_lane::not_stamped ? one_range(0, no_xid_end) : std::span<const XidRange>{};
    const bool has_row = has_lane(log, tables, snapshot, lane);
    if (lane < log.first_lane) // a lane without a row was emptied
        return has_row ? window_of_old_lane(log, tables, snapshot, lane) : unsettled_marks(log, lane);
    if (!has_row || lane >= log.first_lane + log.lanes)
        return one_range(0, no_xid_end);
    if (log.is_restored)
        return {};
    return ids_ahead();
}

KeyScan begin_lane_numbers(const LogTable &table, Snapshot snapshot)
{
    return begin_key_scan(table.by_lane, snapshot, {int4_key(1, 0, BTGreaterStrategyNumber)});
}

bool next_lane_number(const KeyScan &scan, Snapshot snapshot, int *lane)
{
    CHECK_FOR_INTERRUPTS();
    restart_key_scan(scan, snapshot, {int4_key(1, *lane, BTGreaterStrategyNumber)});
    if (!next_row(scan))
        return false;
    bool is_null;
    const Relation index = scan.scan->indexRelation;
    *lane = DatumGetInt32(row_value(scan.slot, index->rd_index->indkey.values[0], &is_null));
    return true;
}

namespace
{

bool has_event(const LogTable &table, Snapshot snapshot, int lane, std::span<const XidRange> window)
{
    if (window.empty())
        return false;
    LaneReader reader = begin_reading(table, snapshot, lane, window, {});
    const bool found = next_event(&reader);
    end_reading(reader);
    return found;
}

// The lanes with stray events, in ascending order. The search stops at `most` lanes.
int find_stray_lanes(const EventLog &log, const LaneTables &tables, const LogTable &table, int *lanes,
                     int most)
{
    int count = 0;
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_lane_numbers(table, snapshot);
    for (int lane = before_worker_lanes;
         count < most && next_lane_number(scan, snapshot, &lane) && lane < most_lane_numbers;)
        if (has_event(table, snapshot, lane, stray_window(log, tables, snapshot, lane)))
            lanes[count++] = lane;
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    return count;
}

} // namespace

bool needs_adoption(const EventLog &log, const LaneTables &tables, const LogTable &table)
{
    int lane;
    return log.is_restored || (log.first_lane + 2 * log.lanes <= most_lane_numbers &&
                               find_stray_lanes(log, tables, table, &lane, 1) > 0);
}

// -- waiting for the writers ---------------------------------------------------------------------

namespace
{

bool may_write(const LockInstanceData &lock, Oid table)
{
    constexpr LOCKMASK writes = LOCKBIT_ON(RowExclusiveLock) | LOCKBIT_ON(ShareRowExclusiveLock) |
                                LOCKBIT_ON(ExclusiveLock) | LOCKBIT_ON(AccessExclusiveLock);
    return lock.locktag.locktag_type == LOCKTAG_RELATION && lock.locktag.locktag_field1 == MyDatabaseId &&
           lock.locktag.locktag_field2 == table && (lock.holdMask & writes) != 0 && lock.pid != MyProcPid;
}

// Open transactions may have written rows with ids of another cluster. Workers would move the positions of
// the old lanes behind these rows before they are visible. A transaction that begins meanwhile finds the log,
// so its rows go to the fresh lanes. Prepared transactions count too. WaitForLockers would wait for a vacuum.
void wait_for_writers(Oid table)
{
    const LockData *locks = GetLockStatusData();
    for (int i = 0; i < locks->nelements; ++i)
        if (may_write(locks->locks[i], table))
            VirtualXactLock(transaction_of(locks->locks[i]), true);
}

} // namespace

// -- adopting ------------------------------------------------------------------------------------

namespace
{

void create_lanes(const EventLog &log, const LaneTables &tables, int first)
{
    const Snapshot snapshot = take_snapshot();
    for (int lane = first; lane < first + log.lanes; ++lane)
        if (!has_lane(log, tables, snapshot, lane))
            create_lane(log, tables, lane);
    UnregisterSnapshot(snapshot);
}

// Everything in an emptied lane is settled, except the events of a later restore. Without the appended
// position, workers would get settled events again.
void revive_lane(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane, int left)
{
    if (has_lane(log, tables, snapshot, lane))
        return;
    create_lane(log, tables, lane);
    if (lane >= left)
        return;
    LanePosition position;
    position.done_snapshot = {first_restore_mark, first_restore_mark, {}};
    append_position(log, tables, newest_record(log, tables, snapshot, lane), position);
}

// The position in a dump can include marks of an earlier restore. An event of this restore can have the same
// mark.
void forget_marks(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane)
{
    const LaneRecord record = newest_record(log, tables, snapshot, lane);
    const LanePosition &position = record.position;
    if (position.done_snapshot.xmax > first_restore_mark ||
        (position.in_window && position.window_snapshot.xmax > first_restore_mark))
        append_position(log, tables, record, WithoutMarks(position));
}

// Waiting events follow their calls to the new lanes, because later events of these calls are stamped there.
void move_waiting(const EventLog &log)
{
    const CatalogTable waiting = open_waiting(RowExclusiveLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(waiting, snapshot, {int4_key(1, log.consumer_id)});
    while (next_row(scan)) {
        CHECK_FOR_INTERRUPTS();
        if (!lock_newest_row(waiting, scan, snapshot)) // a worker has ended its retry
            continue;
        const int lane = home_lane(log, row_int4(scan.slot, waiting_lane));
        update_row(waiting, scan,
                   {{waiting_lane, Int32GetDatum(lane), false}, {waiting_xid, UInt64GetDatum(0), false}});
    }
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_catalog_table(waiting, NoLock);
}

struct StrayLanes {
    int *lanes;
    int count;
};

// The consumers of a log have events out of reach in different lanes: one of them may read an old lane again.
StrayLanes *stray_lanes_of(std::span<const EventLog> consumers, const LogTable &table)
{
    auto *strays = static_cast<StrayLanes *>(palloc(sizeof(StrayLanes) * consumers.size()));
    for (size_t i = 0; i < consumers.size(); ++i) {
        const LaneTables tables = open_lanes(consumers[i], RowExclusiveLock);
        strays[i].lanes = static_cast<int *>(palloc(sizeof(int) * most_lane_numbers));
        strays[i].count = find_stray_lanes(consumers[i], tables, table, strays[i].lanes, most_lane_numbers);
        close_lanes(tables, NoLock);
    }
    return strays;
}

// An event ahead of this cluster is out of the workers' reach in a fresh lane, too.
bool has_event_ahead(const EventLog &log, const LogTable &table, Snapshot snapshot, int first)
{
    bool found = false;
    const std::span<const XidRange> ahead = ids_ahead();
    for (int lane = first; !found && lane < first + log.lanes; ++lane)
        found = has_event(table, snapshot, lane, ahead);
    return found;
}

// number_of_lane (stamp.cpp) expects the next lanes here when it stamps future lanes. If there are events
// beyond these lanes, or ahead of this cluster, the fresh lanes begin behind the last event.
int next_first_lane(const EventLog &log, const LogTable &table, Snapshot snapshot,
                    std::span<const StrayLanes> strays)
{
    const int next = log.first_lane + log.lanes;
    int last = 0;
    for (const StrayLanes &of_consumer : strays)
        last = of_consumer.count > 0 ? Max(last, of_consumer.lanes[of_consumer.count - 1]) : last;
    return last < next + log.lanes && !has_event_ahead(log, table, snapshot, next)
               ? next
               : (last / log.lanes + 1) * log.lanes;
}

// Running statements may still stamp lanes that are old now. `adopted` stays empty if they cannot: the log
// was restored, and no lane is skipped.
void start_fresh_lanes(EventLog *log, int first, Snapshot snapshot)
{
    const bool is_next = first == log->first_lane + log->lanes;
    log->adopted = log->is_restored && is_next ? XidSnapshot{} : xids_of(snapshot);
    log->first_lane = first;
    log->has_old_lanes = true;
}

// `log` as it was before, and `fresh` with the fresh lanes.
void move_consumer(const EventLog &log, EventLog fresh, const StrayLanes &strays, bool keeps_marks)
{
    fresh.consumer_id = log.consumer_id;
    const LaneTables tables = open_lanes(fresh, RowExclusiveLock);
    const Snapshot snapshot = take_snapshot();
    for (int i = 0; i < strays.count; ++i)
        if (strays.lanes[i] < fresh.first_lane)
            revive_lane(fresh, tables, snapshot, strays.lanes[i], log.first_lane);
    if (log.is_restored && !keeps_marks)
        for (int lane = 0; lane < log.lanes; ++lane)
            forget_marks(fresh, tables, snapshot, lane);
    // Open transactions may stamp the next lanes, even if the fresh lanes begin behind these.
    create_lanes(fresh, tables, log.first_lane + log.lanes);
    create_lanes(fresh, tables, fresh.first_lane);
    UnregisterSnapshot(snapshot);
    close_lanes(tables, NoLock);
    move_waiting(fresh);
    if (log.is_restored)
        end_leases_of_old_lanes(fresh);
}

void move_to_fresh_lanes(EventLog *log, const LogTable &table, const LockedLog &locked, bool keeps_marks)
{
    const std::span<const EventLog> consumers = consumers_of(*log);
    const StrayLanes *strays = stray_lanes_of(consumers, table);
    const Snapshot snapshot = take_snapshot();
    const int first = next_first_lane(*log, table, snapshot, {strays, consumers.size()});
    start_fresh_lanes(log, first, snapshot);
    UnregisterSnapshot(snapshot);
    write_adoption(locked, *log);
    for (size_t i = 0; i < consumers.size(); ++i)
        move_consumer(consumers[i], *log, strays[i], keeps_marks);
    log->is_restored = false;
}

} // namespace

void adopt_event_log(EventLog *log, const LogTable &table, bool keeps_marks)
{
    const int left = log->first_lane, consumer_id = log->consumer_id;
    wait_for_writers(log->events); // before the lock, which they may need
    const LockedLog locked = lock_event_log(*log);
    read_locked_log(locked, log);
    // Another session may have adopted it. A consumer that was dropped has no lanes, so it takes all events
    // for strays.
    if (log->first_lane == left && (log->is_restored || has_consumer(*log, consumer_id)))
        move_to_fresh_lanes(log, table, locked, keeps_marks);
    see_as_consumer(consumer_id, log);
    close_locked_log(locked);
}

namespace
{

// -- the end of the old lanes --------------------------------------------------------------------

// The first mark at or after `mark` among the lane's events; 0 if there is none.
uint64 next_mark(const LogTable &table, Snapshot snapshot, int lane, uint64 mark)
{
    const std::span<const XidRange> window = one_range(mark, no_xid_end);
    LaneReader reader = begin_reading(table, snapshot, lane, window, {});
    const uint64 found = next_event(&reader) ? reader.position.xid : 0;
    end_reading(reader);
    return found;
}

// A linear insert is enough: each restore of data alone adds one mark.
void add_mark(EventLog *log, uint64 mark)
{
    const std::span<const uint64> marks = log->settled_marks;
    const auto place = std::lower_bound(marks.begin(), marks.end(), mark);
    if (place != marks.end() && *place == mark)
        return;
    auto *more = static_cast<uint64 *>(palloc(sizeof(uint64) * (marks.size() + 1)));
    auto *next = std::copy(marks.begin(), place, more);
    *next++ = mark;
    std::copy(place, marks.end(), next);
    log->settled_marks = {more, marks.size() + 1};
}

void add_marks_of_lanes(EventLog *log, const LogTable &table)
{
    const Snapshot snapshot = take_snapshot();
    for (int lane = 0; lane < log->lanes; ++lane)
        for (uint64 mark = first_restore_mark; (mark = next_mark(table, snapshot, lane, mark)) != 0; ++mark)
            add_mark(log, mark);
    UnregisterSnapshot(snapshot);
}

} // namespace

void forget_old_lanes(const EventLog &log, const LogTable &table)
{
    EventLog present = log;
    const LockedLog locked = lock_event_log(log);
    read_locked_log(locked, &present);
    if (present.first_lane == log.first_lane) {
        add_marks_of_lanes(&present, table);
        write_end_of_old_lanes(locked, present);
    }
    close_locked_log(locked);
}

namespace
{

struct StrayCount {
    EventLog log;
    LaneTables lanes;
    LogTable table;
    Snapshot snapshot;
    int64 count, most;
};

void count_in_lane(StrayCount *strays, int lane)
{
    const std::span<const XidRange> window = stray_window(strays->log, strays->lanes, strays->snapshot, lane);
    LaneReader reader = begin_reading(strays->table, strays->snapshot, lane, window, {});
    while (strays->count < strays->most && next_event(&reader))
        strays->count += !is_done(reader);
    end_reading(reader);
}

void count_strays(StrayCount *strays)
{
    const KeyScan scan = begin_lane_numbers(strays->table, strays->snapshot);
    for (int lane = before_all_lanes;
         strays->count < strays->most && next_lane_number(scan, strays->snapshot, &lane);)
        // The next worker gives a restored log the lanes of its events, so these are not lost.
        if (!strays->log.is_restored || !IsLane(lane))
            count_in_lane(strays, lane);
    end_key_scan(scan);
}

} // namespace

} // namespace callhardening

using namespace callhardening;

// The first claim does this too. Here the caller needs the lanes of this cluster at once.
CALLHARDENING_FUNCTION(adopt_log)
{
    EventLog log;
    LogTable table;
    find_event_log(fcinfo, 0, &log);
    require_operate_rights(log);
    if (!log.is_restored)
        PG_RETURN_VOID();
    open_log_table(log, &table);
    adopt_event_log(&log, table, PG_GETARG_BOOL(1));
    close_log_table(table);
    PG_RETURN_VOID();
}

// Returns NULL if another session keeps the log locked. A view does not wait for it.
CALLHARDENING_FUNCTION(stray_events)
{
    StrayCount strays = {};
    strays.most = PG_GETARG_INT64(1);
    find_event_log(fcinfo, 0, &strays.log);
    const std::span<const EventLog> consumers = consumers_of(strays.log);
    if (consumers.empty()) // nobody reads this log of changes yet
        PG_RETURN_INT64(0);
    strays.log = consumers.front();
    if (!ConditionalLockRelationOid(strays.log.events, AccessShareLock))
        PG_RETURN_NULL();
    strays.lanes = open_lanes(strays.log, AccessShareLock);
    open_log_table(strays.log, &strays.table);
    strays.snapshot = take_snapshot();
    count_strays(&strays);
    UnregisterSnapshot(strays.snapshot);
    close_log_table(strays.table);
    close_lanes(strays.lanes, AccessShareLock);
    PG_RETURN_INT64(strays.count);
}
