#include "pg/claims/claim.hpp"
#include "pg/claims/dead.hpp"
#include "pg/log/snapshot.hpp"
#include "pg/shared/wake.hpp"

extern "C" {
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

// -- ending a claim ------------------------------------------------------------------------------

namespace
{

void append_end(const EventLog &log, const LaneTables &tables, const LaneRecord &claim, int64 record_no,
                RecordState state, const LanePosition &position, const char *worker)
{
    LaneRecord end = claim;
    end.record_no = record_no;
    end.state = state;
    end.position = position;
    end.lease_end = GetCurrentTimestamp();
    append_record(log, tables, end, worker);
}

void complete_as(const EventLog &log, const LaneTables &tables, const LaneRecord &record, int64 record_no,
                 const char *worker)
{
    if (record.is_retry)
        complete_retry(log, record.lane, record.claim_id);
    append_end(log, tables, record, record_no, RecordState::completed, PositionAfter(record), worker);
}

} // namespace

void complete_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record)
{
    complete_as(log, tables, record, record.record_no + 1, nullptr);
}

void complete_own_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record)
{
    complete_as(log, tables, record, record.record_no, default_worker());
}

void release_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record)
{
    if (record.is_retry)
        release_retry(log, record.lane, record.claim_id);
    wake_at_commit(log.log_id, log.consumer_id);
    append_end(log, tables, record, record.record_no + 1, RecordState::released, PositionAfterRelease(record),
               nullptr);
}

namespace
{

// If an earlier event of the call waits, this event is blocked. If it has died, this event is due.
void add_behind(const EventLog &log, const CatalogTable &waiting, const LaneRecord &record,
                const LogEvent &event, bool waits)
{
    const TimestampTz now = GetCurrentTimestamp();
    add_waiting_event(log, waiting, in_lane(record.lane, event), record.position.NextAttempt(), 0,
                      waits ? nullptr : &now, nullptr);
}

// Blocks later events of the same call, up to the end of the claim's range.
void block_rest_of_call(const EventLog &log, const LogTable &table, const LaneRecord &record,
                        const LogEvent &event)
{
    const Snapshot snapshot = take_snapshot();
    const LanePosition &position = record.position;
    const CatalogTable waiting = open_waiting(RowExclusiveLock);
    const WaitingEvents events = read_waiting(log, waiting, snapshot, record.lane);
    bool waits = has_due_event(events, event.call_id);
    LaneReader reader =
        begin_reading(table, snapshot, record.lane,
                      window_between(position.done_snapshot, position.window_snapshot), event.position);
    while (next_event(&reader) && reader.position <= record.to) {
        const LogEvent later = present_event(log, reader);
        if (later.is_done || strcmp(later.call_id, event.call_id) != 0 ||
            find_waiting(events, later.call_id, later.position.seq) != nullptr ||
            is_dead(log, snapshot, later.position.seq))
            continue;
        add_behind(log, waiting, record, later, waits);
        waits = true;
    }
    end_reading(reader);
    close_catalog_table(waiting, NoLock);
    UnregisterSnapshot(snapshot);
}

int attempts_of(const EventLog &log, const LaneRecord &record, const LogEvent &event)
{
    if (!record.is_retry)
        return record.position.NextAttempt();
    const Snapshot snapshot = take_snapshot();
    const CatalogTable waiting = open_waiting(AccessShareLock);
    const WaitingEvents events = read_waiting(log, waiting, snapshot, record.lane);
    const WaitingEvent *found = find_waiting(events, event.call_id, event.position.seq);
    close_catalog_table(waiting, AccessShareLock);
    UnregisterSnapshot(snapshot);
    return found == nullptr ? 0 : found->attempts;
}

} // namespace

bool fail_claimed_event(const EventLog &log, const LaneRecord &record, const LogEvent &event,
                        const TimestampTz *due_at, const Failure &failure)
{
    const CatalogTable waiting = open_waiting(RowExclusiveLock);
    const bool is_dead = fail_event(log, waiting, in_lane(record.lane, event),
                                    attempts_of(log, record, event), due_at, failure);
    close_catalog_table(waiting, NoLock);
    count_events(counted(log), Counter::failed);
    return is_dead;
}

void retry_locked_event(const EventLog &log, const LaneRecord &record, const LogEvent &event, bool is_first)
{
    const CatalogTable waiting = open_waiting(RowExclusiveLock);
    const int attempts = attempts_of(log, record, event) - 1;
    if (is_first)
        retry_locked(log, waiting, in_lane(record.lane, event), attempts);
    else
        add_waiting_event(log, waiting, in_lane(record.lane, event), attempts, 0, nullptr, nullptr);
    close_catalog_table(waiting, NoLock);
}

void block_later_events(const EventLog &log, const LogTable &table, const LaneRecord &record,
                        const LogEvent &event)
{
    if (!record.is_retry) // a retry has only one event of a call
        block_rest_of_call(log, table, record, event);
}

void block_event(const EventLog &log, const LaneRecord &record, const LogEvent &event)
{
    const Snapshot snapshot = take_snapshot();
    const CatalogTable waiting = open_waiting(RowExclusiveLock);
    const WaitingEvents events = read_waiting(log, waiting, snapshot, record.lane);
    add_behind(log, waiting, record, event, has_due_event(events, event.call_id));
    close_catalog_table(waiting, NoLock);
    UnregisterSnapshot(snapshot);
}

} // namespace callhardening
