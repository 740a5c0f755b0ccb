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
    int attempt;          // how often it was handed out, this time included
    bool is_held = false; // another session has locked its row, and may be processing it
};

inline EventInLane in_lane(int lane, const LogEvent &event)
{
    return {lane, event.place, event.call_id};
}

// One lane's part of a claim.
struct LaneClaim {
    LaneRecord record; // as it is appended, open
    int first, end;    // its events
    bool is_emptied;   // nothing else of the lane was to be had
};

// Everything lives in the memory context that was current when the claim was made.
struct Claim {
    int event_count, event_room;
    ClaimedEvent *events; // lane by lane, in the order of the log
    int lane_count;
    LaneClaim *lanes;
};

struct ClaimOptions {
    int max_events;
    bool has_lease; // otherwise the claim is the transaction's: whoever finds it uncompleted may take it
    int64 lease;    // microseconds
    const char *worker;
    // The claimer completes the claim before the transaction ends (complete_own_claim): only then a record of
    // it is appended. Such a claim is over soon, and so takes all lanes that it needs.
    bool is_completed_here;
    bool skips_retries;
};

inline constexpr int most_claimed_events = 100000;

// Claims up to `max_events`, from a random lane on. Takes at most an eighth of the lanes, so that other
// workers find something, if the claim outlives the transaction. Lanes that others hold are passed over.
// Where nothing is to be had, nothing is locked, nothing is written and no transaction id is taken. Needs
// READ COMMITTED.
void claim_events(EventLog *log, const ClaimOptions &options, Claim *claim);

// What is to be seen of a lane. Of one that the log has left behind in another cluster, everything is over
// but what is still being appended: its transaction ids say nothing here.
XidSnapshot end_of_lane(const EventLog &log, int lane, XidSnapshot now);

// Ends a claim whose lane is locked.
void complete_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record);
void release_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record);

// Completes a claim that the present transaction has made with is_completed_here.
void complete_own_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record);

// An event of the open claim `record`, whose lane is locked, could not be processed: it is retried, or dead
// (true).
bool fail_claimed_event(const EventLog &log, const LaneRecord &record, const LogEvent &event,
                        const TimestampTz *due_at, const Failure &failure);

// A row that the event needs is locked. It is tried again soon, and no attempt counts; `is_first` of its
// call, or blocked behind the one that is.
void retry_locked_event(const EventLog &log, const LaneRecord &record, const LogEvent &event, bool is_first);

// Others of its call are blocked behind it: all that come later in the claim, or a certain one.
void block_later_events(const EventLog &log, const LogTable &table, const LaneRecord &record,
                        const LogEvent &event);
void block_event(const EventLog &log, const LaneRecord &record, const LogEvent &event);

// The argument, 1 to most_claimed_events; else 22023.
int max_events_argument_of(FunctionCallInfo fcinfo, int argument);

// Raises what a caller needs to know before anything else: 0A000 above read committed, 25006 where nothing
// can be written, 55006 from a trigger that fires in without_reentrance.
void check_can_claim(const char *function);
void check_can_read_claims(const char *function); // the same but for the last

// True while events are applied, completed or deleted.
extern bool is_dealing_with_events;

// Runs `deal`, which fires triggers of users. What they did to claims that are just being dealt with would be
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

// What an operator recognizes a session by: its application name and process id.
char *default_worker();

} // namespace callhardening
