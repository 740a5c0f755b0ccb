// Events that wait outside their lane's range: retrying ones, which have failed or whose workers were lost
// twice, and the ones that are blocked behind them in the same call.
//
// Whoever changes what waits in a lane holds the lane's lock. What waits in a lane of another cluster is
// kept with the lane that follows it, and belongs to the first of them that is not done with.
#pragma once

#include "pg/base/catalog_table.hpp"
#include "pg/claims/failure.hpp"
#include "pg/log/event_log.hpp"

namespace callhardening
{

extern const CatalogLayout retrying_events_layout;

// As sql/log/event_log.sql creates retrying_events.
enum WaitingColumn {
    waiting_log = 1,
    waiting_lane,
    waiting_seq,
    waiting_xid,
    waiting_call_id,
    waiting_attempts,
    waiting_lease_expiries,
    waiting_due_at,
    waiting_claim,
    waiting_since,
    waiting_errors,
    waiting_lock_waits,
    waiting_columns = waiting_lock_waits
};

struct WaitingEvent {
    LogPosition place; // its xid is 0 where that is not known in this cluster: then it goes by its number
    char *call_id;
    int attempts;       // how often it was handed out, in claims that count
    int lease_expiries; // how often the worker that had it was lost
    bool has_due;       // false: blocked behind an earlier event of its call
    TimestampTz due_at;
    int64 claim_id; // the retry that has it; 0: none
};

// Those of one lane, call by call, and in the order of the log.
struct WaitingEvents {
    WaitingEvent *events;
    int count;
};

// After so many losses an event goes out alone, and so it does in its last attempt.
inline constexpr int lease_expiries_to_be_alone = 2;

CatalogTable open_waiting(LOCKMODE lock);
WaitingEvents read_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot, int lane);
const WaitingEvent *find_waiting(const WaitingEvents &waiting, const char *call_id, int64 seq);
bool has_waiting_call(const WaitingEvents &waiting, const char *call_id);
bool has_due_event(const WaitingEvents &waiting, const char *call_id); // one with a time, past or to come

bool has_any_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot);

// One event, by its key: whatever else waits in the lane does not matter.
bool is_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot, int lane, int64 seq);

// At least so many events wait in the lane.
bool has_many_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot, int lane,
                      int many);

// The first event of each call that is not waiting any more, the one that was due first in front. An event
// that is to go out alone is the only one where it is the first.
struct DueEvents {
    const WaitingEvent **events;
    int count;
};
DueEvents find_due(const EventLog &log, const WaitingEvents &waiting, TimestampTz now);

// Marks in `lanes[lane - log.first_lane]` which lanes have an event that is due; the array has log.lanes
// places. False where none has.
bool mark_due_lanes(const EventLog &log, Snapshot snapshot, TimestampTz now, bool *lanes);

// `due_at` NULL: blocked. `failure` NULL: it did not fail itself.
void add_waiting_event(const EventLog &log, const CatalogTable &waiting, const EventInLane &event,
                       int attempts, int lease_expiries, const TimestampTz *due_at, const Failure *failure);

// A row that the event needs is locked: it is tried again soon, and no attempt counts. `attempts`: those
// before.
void retry_locked(const EventLog &log, const CatalogTable &waiting, const EventInLane &event, int attempts);

// A failed attempt at an event, waiting or not yet: it is tried again at `due_at`, or after a backoff where
// that is NULL; dead where it was the last one that the log allows. True where it is dead.
bool fail_event(const EventLog &log, const CatalogTable &waiting, const EventInLane &event, int attempts,
                const TimestampTz *due_at, const Failure &failure);

// What becomes of the events of a retry when its claim ends.
void hand_out_waiting(const EventLog &log, const CatalogTable &waiting, int lane, const WaitingEvent &event,
                      int64 claim_id);
void complete_retry(const EventLog &log, int lane, int64 claim_id);
// A waiting event that somebody else has processed: the next one of its call has its turn.
void drop_done(const EventLog &log, const CatalogTable &waiting, int lane, const WaitingEvent &event);
void release_retry(const EventLog &log, int lane, int64 claim_id);
void expire_retry(const EventLog &log, int lane, int64 claim_id, const char *worker);

} // namespace callhardening
