// Claiming events of a log, and ending claims.
#pragma once

#include "core/lanes/claim.hpp"

#include "pg/claims/waiting.hpp"
#include "pg/log/lane.hpp"
#include "pg/log/log_table.hpp"

namespace callhardening
{

struct ClaimedEvent {
    LogEvent event;
    int attempt;          // number of attempts, including this one
    bool is_held = false; // another session holds a lock on its row, and may be processing it
};

inline EventInLane in_lane(int lane, const LogEvent &event)
{
    return {lane, event.position, event.call_id};
}

// The part of a claim in one lane.
struct LaneClaim {
    LaneRecord record; // the open record
    int first, end;    // range in the claim's events
    bool is_emptied;   // the lane has no more events
};

// Everything lives in the memory context at the time of the claim.
struct Claim {
    int event_count, event_room;
    ClaimedEvent *events; // by lane, then in the order of the log
    int lane_count;
    LaneClaim *lanes;
};

// When a claim without events may find some, though none were appended.
struct Outlook {
    TimestampTz next; // a lease ends, or a retry becomes due; DT_NOEND: neither
    bool is_blocked;  // events wait for the end of another session's claim
};

struct ClaimOptions {
    int max_events;
    bool has_lease; // without a lease, the claim ends with the transaction: then any worker may take it over
    int64 lease;    // in microseconds
    const char *worker;
    // The claimer completes the claim in the same transaction with complete_own_claim. Only then is a record
    // appended. Such a claim is short, so it may take all lanes.
    bool is_completed_here;
    bool skips_retries;
    // Takes each event at once, so that a claim of large bodies needs the memory of one. The claim then has
    // no events of its own.
    void (*receive)(void *receiver, int64 claim_id, const ClaimedEvent &claimed) = nullptr;
    void *receiver = nullptr;
    Outlook *outlook = nullptr; // filled for a waiter
};

inline constexpr int most_claimed_events = 100000;

// Claims up to `max_events`, from a random lane on. Needs READ COMMITTED.
// A claim that outlives the transaction takes at most an eighth of the lanes, so other workers find events.
// Lanes of other workers are skipped. If no events are available, the function takes no lock and no
// transaction id, and writes nothing.
void claim_events(EventLog *log, const ClaimOptions &options, Claim *claim);

// Looks for an event as a claim does, but locks no lane and writes nothing: a claim would find one, unless
// another session is faster. Locks of tables stay until the end of the (sub)transaction.
bool has_claimable_event(EventLog *log, Outlook *outlook);

// The visible transactions of a lane, as a snapshot. The ids of an old lane may be from another cluster.
// There everything is visible, except settled marks and transactions in progress.
XidSnapshot end_of_lane(const EventLog &log, int lane, XidSnapshot now);

// Ends a claim. The caller holds the lane's lock.
void complete_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record);
void release_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record);

// Completes a claim of the present transaction with is_completed_here.
void complete_own_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record);

// Records a failed attempt at an event of the open claim `record`. The caller holds the lane's lock. True if
// the event is dead now, else it is retried.
bool fail_claimed_event(const EventLog &log, const LaneRecord &record, const LogEvent &event,
                        const TimestampTz *due_at, const Failure &failure);

// Another session holds a lock on a row needed by the event. The event is retried soon, and no attempt
// counts. `is_first`: it is the first event of its call here, else it is blocked behind the first.
void retry_locked_event(const EventLog &log, const LaneRecord &record, const LogEvent &event, bool is_first);

// Blocks events of the same call: all later ones of the claim, or one certain event.
void block_later_events(const EventLog &log, const LogTable &table, const LaneRecord &record,
                        const LogEvent &event);
void block_event(const EventLog &log, const LaneRecord &record, const LogEvent &event);

// The argument, 1 to most_claimed_events; else 22023.
int max_events_argument_of(FunctionCallInfo fcinfo, int argument);

// Checks the transaction before any other argument: 0A000 above read committed, 25006 if it cannot write,
// 55006 from a trigger inside without_reentrance.
void require_claim_conditions(const char *function);
void require_claim_transaction(const char *function); // the same without 55006

// True while the session applies, completes or deletes events.
extern bool is_dealing_with_events;

// Runs `deal`. It fires triggers of users, and these must not change the same claims: the change would be
// done twice.
template <typename Deal>
auto without_reentrance(Deal deal)
{
    decltype(deal()) result = {};
    is_dealing_with_events = true;
    PG_TRY();
    {
        result = deal();
    }
    PG_FINALLY();
    {
        is_dealing_with_events = false;
    }
    PG_END_TRY();
    return result;
}

// Operators recognize a session by its application name and process id.
char *default_worker();

} // namespace callhardening
