#include "pg/log/lane.hpp"
#include "pg/log/consumer.hpp"
#include "pg/log/snapshot.hpp"
#include "pg/shared/wake.hpp"

#include <algorithm>

extern "C" {
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// The columns of claims, created in sql/log/event_log.sql.
enum ClaimColumn {
    claim_consumer = 1,
    claim_lane,
    claim_record_no,
    claim_state,
    claim_done_snapshot,
    claim_window_snapshot,
    claim_read_xid,
    claim_read_seq,
    claim_redelivered_to_xid,
    claim_redelivered_to_seq,
    claim_redeliveries,
    claim_id,
    claim_is_retry,
    claim_to_xid,
    claim_to_seq,
    claim_is_window_end,
    claim_events,
    claim_worker,
    claim_claimed_at,
    claim_lease_end,
    claim_columns = claim_lease_end
};
constexpr CatalogColumn columns_of_claims[] = {{"consumer_id", INT4OID},
                                               {"lane", INT4OID},
                                               {"record_no", INT8OID},
                                               {"state", TEXTOID},
                                               {"done_snapshot", PG_SNAPSHOTOID},
                                               {"window_snapshot", PG_SNAPSHOTOID},
                                               {"read_xid", XID8OID},
                                               {"read_seq", INT8OID},
                                               {"redelivered_to_xid", XID8OID},
                                               {"redelivered_to_seq", INT8OID},
                                               {"redeliveries", INT4OID},
                                               {"claim_id", INT8OID},
                                               {"is_retry", BOOLOID},
                                               {"to_xid", XID8OID},
                                               {"to_seq", INT8OID},
                                               {"is_window_end", BOOLOID},
                                               {"events", INT4OID},
                                               {"worker", TEXTOID},
                                               {"claimed_at", TIMESTAMPTZOID},
                                               {"lease_end", TIMESTAMPTZOID}};
static_assert(lengthof(columns_of_claims) == claim_columns, "each column is here");

constexpr const char *state_names[] = {"none", "claimed", "renewed", "completed", "released", "moved"};

RecordState state_of(const char *name)
{
    for (size_t i = 0; i < lengthof(state_names); ++i)
        if (strcmp(state_names[i], name) == 0)
            return static_cast<RecordState>(i);
    elog(ERROR, "unknown state in claims");
}

} // namespace

constinit const CatalogLayout claims_layout = {"claims", columns_of_claims};

LaneTables open_lanes(const EventLog &log, LOCKMODE lock)
{
    LaneTables tables;
    tables.lanes = open_catalog_table(lanes_layout, "lanes_pkey", lock);
    tables.claims = open_catalog_table(claims_layout, "claims_pkey", lock);
    tables.newest =
        begin_key_scan(tables.claims, GetActiveSnapshot(), {int4_key(1, log.consumer_id), int4_key(2, 0)});
    return tables;
}

void close_lanes(const LaneTables &tables, LOCKMODE lock)
{
    end_key_scan(tables.newest);
    close_catalog_table(tables.lanes, lock);
    close_catalog_table(tables.claims, lock);
}

namespace
{

KeyScan scan_lane(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane)
{
    return begin_key_scan(tables.lanes, snapshot, {int4_key(1, log.consumer_id), int4_key(2, lane)});
}

} // namespace

bool has_lane(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane)
{
    const KeyScan scan = scan_lane(log, tables, snapshot, lane);
    const bool found = next_row(scan);
    end_key_scan(scan);
    return found;
}

namespace
{

bool lock_one_lane(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane,
                   LockWaitPolicy wait)
{
    const KeyScan scan = scan_lane(log, tables, snapshot, lane);
    const bool locked = next_row(scan) && lock_row(tables.lanes, scan, snapshot, wait);
    end_key_scan(scan);
    return locked;
}

} // namespace

bool lock_lane(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane,
               LockWaitPolicy wait)
{
    const int home = home_lane(log, lane);
    if (!lock_one_lane(log, tables, snapshot, lane, wait))
        return false;
    wake_at_end(log.log_id, log.consumer_id);
    return home == lane || lock_one_lane(log, tables, snapshot, home, wait);
}

namespace
{

// The server changes both under the lock of the row's buffer.
struct RowLock {
    TransactionId xmax;
    uint16 flags;
};

RowLock lock_of_row(TupleTableSlot *slot)
{
    bool is_copy;
    const HeapTupleHeader row = ExecFetchSlotHeapTuple(slot, false, &is_copy)->t_data;
    const Buffer buffer = reinterpret_cast<BufferHeapTupleTableSlot *>(slot)->buffer;
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    const RowLock lock = {HeapTupleHeaderGetRawXmax(row), row->t_infomask};
    LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
    return lock;
}

bool is_locked(TupleTableSlot *slot)
{
    const RowLock lock = lock_of_row(slot);
    if ((lock.flags & HEAP_XMAX_INVALID) != 0)
        return false;
    if ((lock.flags & HEAP_XMAX_IS_MULTI) != 0)
        return MultiXactIdIsRunning(lock.xmax, HEAP_XMAX_IS_LOCKED_ONLY(lock.flags));
    return TransactionIdIsInProgress(lock.xmax);
}

} // namespace

bool is_lane_locked(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane)
{
    const KeyScan scan = scan_lane(log, tables, snapshot, lane);
    const bool locked = next_row(scan) && is_locked(scan.slot);
    end_key_scan(scan);
    return locked;
}

namespace
{

// -- reading records -----------------------------------------------------------------------------

LogPosition row_position(TupleTableSlot *slot, int xid_column, int seq_column)
{
    return {static_cast<uint64>(row_int8(slot, xid_column)), row_int8(slot, seq_column)};
}

bool row_is_null(TupleTableSlot *slot, int column)
{
    bool is_null;
    row_value(slot, column, &is_null);
    return is_null;
}

LanePosition position_in_slot(TupleTableSlot *slot)
{
    LanePosition position;
    bool is_null;
    const Datum done = row_value(slot, claim_done_snapshot, &is_null);
    if (!is_null)
        position.done_snapshot = read_snapshot(done);
    const Datum window = row_value(slot, claim_window_snapshot, &is_null);
    position.in_window = !is_null;
    if (position.in_window)
        position.window_snapshot = read_snapshot(window);
    position.read = row_position(slot, claim_read_xid, claim_read_seq);
    position.has_redelivery = !row_is_null(slot, claim_redelivered_to_seq);
    position.redelivered_to = row_position(slot, claim_redelivered_to_xid, claim_redelivered_to_seq);
    position.redeliveries = row_int4(slot, claim_redeliveries);
    return position;
}

// A claim without a lease ends with its transaction.
int64 lease_end_in_slot(TupleTableSlot *slot)
{
    bool is_null;
    const int64 end = row_int8(slot, claim_lease_end);
    const Datum xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &is_null);
    const bool is_own = TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
    return end == DT_NOBEGIN && is_own ? DT_NOEND : end;
}

LaneRecord record_in_slot(TupleTableSlot *slot)
{
    LaneRecord record;
    record.lane = row_int4(slot, claim_lane);
    record.record_no = row_int8(slot, claim_record_no);
    record.state = state_of(row_text(slot, claim_state));
    record.position = position_in_slot(slot);
    record.claim_id = row_int8(slot, claim_id);
    record.is_retry = row_bool(slot, claim_is_retry);
    record.to = row_position(slot, claim_to_xid, claim_to_seq);
    record.is_window_end = row_bool(slot, claim_is_window_end);
    record.events = row_int4(slot, claim_events);
    record.claimed_at = row_int8(slot, claim_claimed_at);
    record.lease_end = lease_end_in_slot(slot);
    return record;
}

bool find_newest(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane)
{
    restart_key_scan(tables.newest, snapshot, {int4_key(1, log.consumer_id), int4_key(2, lane)});
    return next_row(tables.newest, BackwardScanDirection);
}

} // namespace

LaneRecord newest_record(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane)
{
    LaneRecord record;
    if (find_newest(log, tables, snapshot, lane))
        record = record_in_slot(tables.newest.slot);
    record.lane = lane;
    return record;
}

char *newest_worker(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane)
{
    return find_newest(log, tables, snapshot, lane) ? row_text(tables.newest.slot, claim_worker) : nullptr;
}

namespace
{

KeyScan scan_record(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane,
                    int64 record_no)
{
    return begin_key_scan(tables.claims, snapshot,
                          {int4_key(1, log.consumer_id), int4_key(2, lane), int8_key(3, record_no)});
}

} // namespace

bool has_record(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane, int64 record_no,
                int64 wanted)
{
    const KeyScan scan = scan_record(log, tables, snapshot, lane, record_no);
    const bool found = next_row(scan) && row_int8(scan.slot, claim_id) == wanted;
    end_key_scan(scan);
    return found;
}

namespace
{

// Doubles the array. Rows are read from its end to its start.
void make_room_in_front(KeptRecords *kept, int *room)
{
    auto *records = static_cast<KeptRecord *>(palloc(sizeof(KeptRecord) * *room * 2));
    kept->records = std::copy_backward(kept->records, kept->records + kept->count, records + *room * 2);
    *room *= 2;
}

} // namespace

KeptRecords kept_records(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane)
{
    int room = 32;
    KeptRecords kept = {static_cast<KeptRecord *>(palloc(sizeof(KeptRecord) * room)) + room, 0};
    for (bool found = find_newest(log, tables, snapshot, lane); found;
         found = next_row(tables.newest, BackwardScanDirection)) {
        if (kept.count == room)
            make_room_in_front(&kept, &room);
        *--kept.records = {record_in_slot(tables.newest.slot), row_text(tables.newest.slot, claim_worker)};
        ++kept.count;
    }
    return kept;
}

namespace
{

// -- writing records -----------------------------------------------------------------------------

struct RecordRow {
    Datum values[claim_columns];
    bool nulls[claim_columns];

    void Set(int column, Datum value) { values[column - 1] = value; }
    void SetOrNull(int column, bool is_set, Datum value)
    {
        values[column - 1] = is_set ? value : Datum{0};
        nulls[column - 1] = !is_set;
    }
    void SetPosition(int xid_column, int seq_column, bool is_set, const LogPosition &position)
    {
        SetOrNull(xid_column, is_set, UInt64GetDatum(position.xid));
        SetOrNull(seq_column, is_set, Int64GetDatum(position.seq));
    }
};

void set_position(RecordRow *row, const LanePosition &position)
{
    row->Set(claim_done_snapshot, snapshot_datum(position.done_snapshot));
    row->SetOrNull(claim_window_snapshot, position.in_window,
                   position.in_window ? snapshot_datum(position.window_snapshot) : Datum{0});
    row->SetPosition(claim_read_xid, claim_read_seq, position.in_window && position.read.xid != 0,
                     position.read);
    row->SetPosition(claim_redelivered_to_xid, claim_redelivered_to_seq, position.has_redelivery,
                     position.redelivered_to);
    row->Set(claim_redeliveries, Int32GetDatum(position.redeliveries));
}

void set_claim(RecordRow *row, const LaneRecord &record, const char *worker)
{
    row->SetOrNull(claim_id, record.claim_id != 0, Int64GetDatum(record.claim_id));
    row->Set(claim_is_retry, BoolGetDatum(record.is_retry));
    row->SetPosition(claim_to_xid, claim_to_seq, record.to.xid != 0, record.to);
    row->Set(claim_is_window_end, BoolGetDatum(record.is_window_end));
    row->Set(claim_events, Int32GetDatum(record.events));
    row->SetOrNull(claim_worker, worker != nullptr,
                   worker != nullptr ? CStringGetTextDatum(worker) : Datum{0});
    row->Set(claim_claimed_at, TimestampTzGetDatum(record.claimed_at));
    row->SetOrNull(claim_lease_end, record.state != RecordState::moved,
                   TimestampTzGetDatum(record.lease_end));
}

// Deletes old records by number. A scan from the oldest one would read every dead row kept by an old
// snapshot. One search costs more than one deletion, so several records go at a time.
void drop_old_records(const EventLog &log, const LaneTables &tables, const LaneRecord &record)
{
    constexpr int64 kept = 64, at_a_time = 8;
    if (record.record_no % at_a_time != 0 || record.record_no <= kept)
        return;
    const int64 end = record.record_no - kept;
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(tables.claims, snapshot,
                                        {int4_key(1, log.consumer_id), int4_key(2, record.lane),
                                         int8_key(3, end - at_a_time, BTGreaterStrategyNumber),
                                         int8_key(3, end, BTLessEqualStrategyNumber)});
    while (next_row(scan))
        delete_row(tables.claims, scan);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
}

} // namespace

void append_record(const EventLog &log, const LaneTables &tables, const LaneRecord &record,
                   const char *worker)
{
    RecordRow row = {};
    row.Set(claim_consumer, Int32GetDatum(log.consumer_id));
    row.Set(claim_lane, Int32GetDatum(record.lane));
    row.Set(claim_record_no, Int64GetDatum(record.record_no));
    row.Set(claim_state, CStringGetTextDatum(state_names[static_cast<int>(record.state)]));
    set_position(&row, record.position);
    set_claim(&row, record, worker);
    insert_row(tables.claims, row.values, row.nulls);
    drop_old_records(log, tables, record);
}

void append_position(const EventLog &log, const LaneTables &tables, const LaneRecord &newest,
                     const LanePosition &position)
{
    LaneRecord record;
    record.lane = newest.lane;
    record.record_no = newest.record_no + 1;
    record.state = RecordState::moved;
    record.position = position;
    append_record(log, tables, record, nullptr);
}

void create_lane(const EventLog &log, const LaneTables &tables, int lane)
{
    const Datum values[] = {Int32GetDatum(log.consumer_id), Int32GetDatum(lane)};
    const bool nulls[2] = {};
    insert_row(tables.lanes, values, nulls);
}

void drop_lane(const EventLog &log, const LaneTables &tables, int lane)
{
    const Snapshot snapshot = take_snapshot();
    if (find_newest(log, tables, snapshot, lane))
        do
            delete_row(tables.claims, tables.newest);
        while (next_row(tables.newest, BackwardScanDirection));
    const KeyScan row = scan_lane(log, tables, snapshot, lane);
    if (next_row(row))
        delete_row(tables.lanes, row);
    end_key_scan(row);
    UnregisterSnapshot(snapshot);
}

namespace
{

void end_lease(const EventLog &log, const LaneTables &tables, int lane)
{
    const Snapshot snapshot = take_snapshot();
    LaneRecord record = newest_record(log, tables, snapshot, lane);
    if (record.IsOpen()) {
        char *worker = newest_worker(log, tables, snapshot, lane);
        ++record.record_no;
        record.state = RecordState::renewed;
        record.lease_end = GetCurrentTimestamp(); // for this transaction, -infinity would mean no end
        append_record(log, tables, record, worker);
    }
    UnregisterSnapshot(snapshot);
}

// The claim may end between the first look and the lock, so end_lease looks again.
void try_to_end_lease(const EventLog &log, const LaneTables &tables, int lane)
{
    const Snapshot snapshot = take_snapshot();
    const bool is_locked = newest_record(log, tables, snapshot, lane).IsOpen() &&
                           lock_lane(log, tables, snapshot, lane, LockWaitSkip);
    UnregisterSnapshot(snapshot);
    if (is_locked)
        end_lease(log, tables, lane);
}

} // namespace

void end_leases_of_old_lanes(const EventLog &log)
{
    const LaneTables tables = open_lanes(log, RowExclusiveLock);
    for (int lane = 0; lane < log.first_lane; ++lane)
        try_to_end_lease(log, tables, lane);
    close_lanes(tables, NoLock);
}

bool is_ahead_of_cluster(const EventLog &log, int lane)
{
    const LaneTables tables = open_lanes(log, AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    uint64 newest = 0;
    for (const EventLog &consumer : consumers_of(log)) {
        const LanePosition position = newest_record(consumer, tables, snapshot, lane).position;
        newest =
            Max(newest, position.in_window ? position.window_snapshot.xmax : position.done_snapshot.xmax);
    }
    UnregisterSnapshot(snapshot);
    close_lanes(tables, AccessShareLock);
    return newest > U64FromFullTransactionId(ReadNextFullTransactionId());
}

} // namespace callhardening
