#include "pg/claims/claim.hpp"
#include "pg/claims/dead.hpp"
#include "pg/log/snapshot.hpp"

extern "C" {
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

// -- ending a claim ------------------------------------------------------------------------------

namespace
{

void append_end(const EventLog &log, const LaneTables &tables, const LaneRecord &claim, int64 n,
                RecordState state, const LanePosition &position)
{
    LaneRecord end = claim;
    end.n = n;
    end.state = state;
    end.position = position;
    append_record(log, tables, end, nullptr);
}

void complete_as(const EventLog &log, const LaneTables &tables, const LaneRecord &record, int64 n)
{
    if (record.is_retry)
        complete_retry(log, record.lane, record.claim_id);
    append_end(log, tables, record, n, RecordState::completed, PositionAfter(record));
}

} // namespace

void complete_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record)
{
    complete_as(log, tables, record, record.n + 1);
}

void complete_own_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record)
{
    complete_as(log, tables, record, record.n);
}

void release_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record)
{
    if (record.is_retry)
        release_retry(log, record.lane, record.claim_id);
    append_end(log, tables, record, record.n + 1, RecordState::released, PositionAfterRelease(record));
}

namespace
{

// Behind an event of its call that waits, an event is held back; where there is none, since the event before
// it has died, it is due.
void park_behind(const EventLog &log, const CatalogTable &parked, const LaneRecord &record,
                 const LogEvent &event, bool waits)
{
    const TimestampTz now = GetCurrentTimestamp();
    park_event(log, parked, in_lane(record.lane, event), record.position.NextAttempt(), 0,
               waits ? nullptr : &now, nullptr);
}

// Those of the same call, as far as the claim's range goes.
void park_later_events(const EventLog &log, const LogTable &table, const LaneRecord &record,
                       const LogEvent &event)
{
    const Snapshot snapshot = take_snapshot();
    const LanePosition &position = record.position;
    const CatalogTable parked = open_parked(RowExclusiveLock);
    const ParkedEvents waiting = read_parked(log, parked, snapshot, record.lane);
    bool waits = has_due_event(waiting, event.call_id);
    LaneReader reader = begin_reading(table, snapshot, record.lane,
                                      window_between(position.settled, position.reading), event.place);
    while (next_event(&reader) && reader.place <= record.to) {
        const LogEvent later = present_event(log, reader);
        if (later.is_done || strcmp(later.call_id, event.call_id) != 0 ||
            find_parked(waiting, later.call_id, later.place.seq) != nullptr ||
            is_dead(log, snapshot, later.place.seq))
            continue;
        park_behind(log, parked, record, later, waits);
        waits = true;
    }
    end_reading(reader);
    close_catalog_table(parked, NoLock);
    UnregisterSnapshot(snapshot);
}

int attempts_of(const EventLog &log, const LaneRecord &record, const LogEvent &event)
{
    if (!record.is_retry)
        return record.position.NextAttempt();
    const Snapshot snapshot = take_snapshot();
    const CatalogTable parked = open_parked(AccessShareLock);
    const ParkedEvents waiting = read_parked(log, parked, snapshot, record.lane);
    const ParkedEvent *found = find_parked(waiting, event.call_id, event.place.seq);
    close_catalog_table(parked, AccessShareLock);
    UnregisterSnapshot(snapshot);
    return found == nullptr ? 0 : found->attempts;
}

} // namespace

bool fail_claimed_event(const EventLog &log, const LaneRecord &record, const LogEvent &event,
                        const TimestampTz *due_at, const Failure &failure)
{
    const CatalogTable parked = open_parked(RowExclusiveLock);
    const bool is_dead = fail_event(log, parked, in_lane(record.lane, event), attempts_of(log, record, event),
                                    due_at, failure);
    close_catalog_table(parked, NoLock);
    return is_dead;
}

void park_locked_event(const EventLog &log, const LaneRecord &record, const LogEvent &event, bool is_first)
{
    const CatalogTable parked = open_parked(RowExclusiveLock);
    const int attempts = attempts_of(log, record, event) - 1;
    if (is_first)
        park_locked(log, parked, in_lane(record.lane, event), attempts);
    else
        park_event(log, parked, in_lane(record.lane, event), attempts, 0, nullptr, nullptr);
    close_catalog_table(parked, NoLock);
}

void hold_back_later_events(const EventLog &log, const LogTable &table, const LaneRecord &record,
                            const LogEvent &event)
{
    if (!record.is_retry) // which has no other event of the call
        park_later_events(log, table, record, event);
}

void hold_back_event(const EventLog &log, const LaneRecord &record, const LogEvent &event)
{
    const Snapshot snapshot = take_snapshot();
    const CatalogTable parked = open_parked(RowExclusiveLock);
    const ParkedEvents waiting = read_parked(log, parked, snapshot, record.lane);
    park_behind(log, parked, record, event, has_due_event(waiting, event.call_id));
    close_catalog_table(parked, NoLock);
    UnregisterSnapshot(snapshot);
}

} // namespace callhardening
