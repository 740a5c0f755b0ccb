// Claiming one lane: looking without a lock, then handing out events under the lock.
#pragma once

#include "pg/claims/claim.hpp"

namespace callhardening
{

// The state of one search, opened once.
struct ClaimContext {
    EventLog *log;
    const ClaimOptions *options;
    LaneTables tables;
    LogTable table;
    CatalogTable waiting;
    bool any_waiting; // in the log, at the start of the search
    bool any_due;
    bool *due; // by lane: a waiting event is due
    bool knows_newest_dead;
    int64 newest_dead; // the highest number of a dead event
    Claim *claim;
    MemoryContext event_memory; // for one event, if another one receives it
};

enum class LaneState : unsigned char {
    empty,
    moving, // empty too, but the search was long
    claimable,
    waiting, // for its worker, or for retries
    ahead,   // of this cluster's transaction ids: the log was restored from another cluster
};

// Looks without a lock. Otherwise a worker would stop all others while it looks.
LaneState state_of_lane(const ClaimContext &context, Snapshot snapshot, const XidSnapshot &now, int lane);

// Does the lane have a range to hand out behind the position?
LaneState state_of_range(const ClaimContext &context, Snapshot snapshot, LanePosition position, int lane,
                         const XidSnapshot &now);

// Claims up to `limit` events of a locked lane. If there are none and `moving` is true, the lane moves on.
void claim_lane(ClaimContext *context, int number, int limit, bool moving);

} // namespace callhardening
