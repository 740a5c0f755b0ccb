// Waiting events, outside their lane's range. Retrying events have failed, or their workers were lost twice.
// Blocked events are later ones of the same call.
//
// To change waiting events, a session must hold the lane's lock. Waiting events of an old lane are kept with
// its successor, and belong to the first unfinished one of these lanes.
#pragma once

#include "pg/base/catalog_table.hpp"
#include "pg/claims/failure.hpp"
#include "pg/log/event_log.hpp"

namespace callhardening
{

extern const CatalogLayout retrying_events_layout;

// The columns of retrying_events, created in sql/log/event_log.sql.
enum WaitingColumn {
    waiting_consumer = 1,
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
    LogPosition position; // xid 0: unknown in this cluster; only the number counts
    char *call_id;
    int attempts;       // times handed out, in counted claims
    int lease_expiries; // number of lost workers
    bool has_due;       // false: blocked behind an earlier event of its call
    TimestampTz due_at;
    int64 claim_id; // the retry's claim; 0: none
};

// The waiting events of one lane, by call, then in the order of the log.
struct WaitingEvents {
    WaitingEvent *events;
    int count;
};

// After this number of lost workers, or in its last attempt, an event is handed out alone.
inline constexpr int lease_expiries_to_be_alone = 2;

CatalogTable open_waiting(LOCKMODE lock);
WaitingEvents read_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot, int lane);
const WaitingEvent *find_waiting(const WaitingEvents &waiting, const char *call_id, int64 seq);
bool has_waiting_call(const WaitingEvents &waiting, const char *call_id);
bool has_due_event(const WaitingEvents &waiting, const char *call_id); // it has a time, past or future

bool has_any_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot);

// Looks up one event by its key, and so skips the other waiting ones.
bool is_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot, int lane, int64 seq);

// Do at least `many` events wait in the lane?
bool has_many_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot, int lane,
                      int many);

// The first event of each due call, ordered by due time. If the first of them must be handed out alone, it is
// the only one.
struct DueEvents {
    const WaitingEvent **events;
    int count;
};
DueEvents find_due(const EventLog &log, const WaitingEvents &waiting, TimestampTz now);

// Sets `lanes[lane - log.first_lane]` for each lane with a due event. The array has log.lanes elements. False
// if there is no such lane.
bool mark_due_lanes(const EventLog &log, Snapshot snapshot, TimestampTz now, bool *lanes);

// The time of the first retry after `now`; DT_NOEND: none.
TimestampTz next_due_time(const EventLog &log, Snapshot snapshot, TimestampTz now);

// `due_at` NULL: blocked. `failure` NULL: the event itself did not fail.
void add_waiting_event(const EventLog &log, const CatalogTable &waiting, const EventInLane &event,
                       int attempts, int lease_expiries, const TimestampTz *due_at, const Failure *failure);

// Another session holds a lock on a row needed by the event. It is retried soon, and no attempt counts.
// `attempts`: those before.
void retry_locked(const EventLog &log, const CatalogTable &waiting, const EventInLane &event, int attempts);

// Records a failed attempt at an event, waiting or not yet. The event is retried at `due_at`; if that is
// NULL, after a backoff. After the last allowed attempt it is dead, and the function returns true.
bool fail_event(const EventLog &log, const CatalogTable &waiting, const EventInLane &event, int attempts,
                const TimestampTz *due_at, const Failure &failure);

// The four ways of a retry's events: handed out, completed, released, expired.
void hand_out_waiting(const EventLog &log, const CatalogTable &waiting, int lane, const WaitingEvent &event,
                      int64 claim_id);
void complete_retry(const EventLog &log, int lane, int64 claim_id);
// For a waiting event processed by another client: the next one of its call becomes due.
void drop_done(const EventLog &log, const CatalogTable &waiting, int lane, const WaitingEvent &event);
void release_retry(const EventLog &log, int lane, int64 claim_id);
void expire_retry(const EventLog &log, int lane, int64 claim_id, const char *worker);

// Deletes the waiting events of a consumer. The caller has locked its lanes.
void forget_waiting(const EventLog &consumer);

} // namespace callhardening
