#include "core/lanes/claim.hpp"

#include "pg/base/time.hpp"
#include "pg/claims/adopt.hpp"
#include "pg/claims/claim.hpp"
#include "pg/log/consumer.hpp"
#include "pg/log/snapshot.hpp"

extern "C" {
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

struct Pending {
    int64 count;
    bool has_oldest;
    LogEvent oldest;
};

struct Monitor {
    EventLog log;
    LaneTables lanes;
    LogTable table;
    Snapshot snapshot;
    XidSnapshot now;
    bool exact;
};

// Adds the events of a window behind a position; without `exact`, only the first one.
void add_window(const Monitor &monitor, int lane, std::span<const XidRange> window, const LogPosition &behind,
                Pending *pending)
{
    LaneReader reader = begin_reading(monitor.table, monitor.snapshot, lane, window, behind);
    while ((monitor.exact || !pending->has_oldest) && next_event(&reader)) {
        if (is_done(reader))
            continue;
        if (!pending->has_oldest)
            pending->oldest = present_event(monitor.log, reader);
        pending->has_oldest = true;
        ++pending->count;
    }
    end_reading(reader);
}

// Pending events are behind the range of an open claim. If its lease has expired, its range is pending too.
void add_pending(const Monitor &monitor, int lane, Pending *pending)
{
    const LaneRecord record = newest_record(monitor.log, monitor.lanes, monitor.snapshot, lane);
    const bool is_out = record.IsOpen() && !record.IsOver(GetCurrentTimestamp());
    LanePosition position = is_out ? PositionAfter(record) : record.position;
    if (monitor.log.is_restored) // the next worker does the same
        position = WithoutMarks(position);
    if (position.in_window) {
        add_window(monitor, lane, window_between(position.done_snapshot, position.window_snapshot),
                   position.read, pending);
        CloseWindow(position);
    }
    add_window(monitor, lane,
               window_between(position.done_snapshot, end_of_lane(monitor.log, lane, monitor.now)), {},
               pending);
}

bool is_watched(const Monitor &monitor, int lane)
{
    return lane < monitor.log.first_lane + monitor.log.lanes &&
           has_lane(monitor.log, monitor.lanes, monitor.snapshot, lane);
}

// Stray events are pending too: a worker finds them when it adopts the log.
Pending pending_in(const Monitor &monitor, int lane)
{
    Pending pending = {};
    const bool has_workers = is_watched(monitor, lane);
    if (has_workers)
        add_pending(monitor, lane, &pending);
    if (!has_workers || lane >= monitor.log.first_lane)
        add_window(monitor, lane, stray_window(monitor.log, monitor.lanes, monitor.snapshot, lane), {},
                   &pending);
    return pending;
}

// Event numbers ascend, and calls are distributed randomly over the lanes. So the lane has an equal share of
// the events since its oldest one.
int64 estimate(const Monitor &monitor, const Pending &pending, int64 newest)
{
    if (!pending.has_oldest)
        return 0;
    return Max(1, (newest - pending.oldest.position.seq + monitor.log.lanes) / monitor.log.lanes);
}

void return_lane(FunctionCallInfo fcinfo, const Monitor &monitor, int lane, const Pending &pending,
                 int64 newest)
{
    const auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    const int64 count = monitor.exact ? pending.count : estimate(monitor, pending, newest);
    bool nulls[] = {false, false, !pending.has_oldest, !pending.oldest.has_received_at};
    Datum values[] = {Int32GetDatum(lane), Int64GetDatum(count), Int64GetDatum(pending.oldest.position.seq),
                      TimestampTzGetDatum(postgres_time(pending.oldest.received_at))};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

void return_lanes(FunctionCallInfo fcinfo, const Monitor &monitor, int64 newest)
{
    for (int lane = 0; lane < monitor.log.first_lane + monitor.log.lanes; ++lane) {
        CHECK_FOR_INTERRUPTS();
        if (is_watched(monitor, lane))
            return_lane(fcinfo, monitor, lane, pending_in(monitor, lane), newest);
    }
}

void return_stray_lanes(FunctionCallInfo fcinfo, const Monitor &monitor, int64 newest)
{
    const KeyScan scan = begin_lane_numbers(monitor.table, monitor.snapshot);
    for (int lane = before_all_lanes; next_lane_number(scan, monitor.snapshot, &lane);) {
        if (is_watched(monitor, lane))
            continue;
        const Pending pending = pending_in(monitor, lane);
        if (pending.count > 0)
            return_lane(fcinfo, monitor, lane, pending, newest);
    }
    end_key_scan(scan);
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(pending_call_events)
{
    Monitor monitor = {};
    monitor.exact = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
    InitMaterializedSRF(fcinfo, 0);
    find_event_log(fcinfo, 0, &monitor.log);
    choose_consumer(fcinfo, 2, &monitor.log);
    // Each server of a cluster numbers events from its own beginning. So numbers say nothing about how many there are.
    monitor.exact = monitor.exact || monitor.log.shard_id != 0;
    monitor.lanes = open_lanes(monitor.log, AccessShareLock);
    open_log_positions(monitor.log, &monitor.table);
    monitor.snapshot = take_snapshot();
    monitor.now = xids_of(monitor.snapshot);
    const int64 newest = monitor.exact ? 0 : newest_event(monitor.log, monitor.table, monitor.snapshot);
    return_lanes(fcinfo, monitor, newest);
    return_stray_lanes(fcinfo, monitor, newest);
    UnregisterSnapshot(monitor.snapshot);
    close_log_table(monitor.table);
    close_lanes(monitor.lanes, AccessShareLock);
    return Datum{0};
}

CALLHARDENING_FUNCTION(ignored_call_events)
{
    constexpr int64 most = 10000;
    constexpr XidRange all = {0, PG_INT64_MAX};
    Monitor monitor = {};
    int64 count = 0;
    find_event_log(fcinfo, 0, &monitor.log);
    open_log_positions(monitor.log, &monitor.table);
    monitor.snapshot = take_snapshot();
    LaneReader reader = begin_reading(monitor.table, monitor.snapshot, no_lane::ignored, {&all, 1}, {});
    while (count < most && next_event(&reader)) {
        CHECK_FOR_INTERRUPTS();
        ++count;
    }
    end_reading(reader);
    UnregisterSnapshot(monitor.snapshot);
    close_log_table(monitor.table);
    PG_RETURN_INT64(count);
}
