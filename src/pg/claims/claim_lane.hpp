// Claiming one lane: a look without a lock, and what is handed out under it.
#pragma once

#include "pg/claims/claim.hpp"

namespace callhardening
{

// What claiming goes by, opened once.
struct ClaimContext {
    EventLog *log;
    const ClaimOptions *options;
    LaneTables tables;
    LogTable table;
    CatalogTable waiting;
    bool any_waiting; // in the log, when the search began
    bool any_due;
    bool *due; // by lane of the log: something that waits in it is due
    bool knows_newest_dead;
    int64 newest_dead; // the highest number of a dead event
    Claim *claim;
};

enum class LaneState : unsigned char {
    empty,
    moving, // empty as well, but it took long to find out
    claimable,
    waiting, // for the worker that has it, or for retries
    ahead,   // of the transaction ids of this cluster: the log was restored from another one
};

// Without a lock: who locks first to look stops everybody.
LaneState state_of_lane(const ClaimContext &context, Snapshot snapshot, const XidSnapshot &now, int lane);

// Is there a range to be handed out behind the position?
LaneState state_of_range(const ClaimContext &context, Snapshot snapshot, LanePosition position, int lane,
                         const XidSnapshot &now);

// Claims up to `limit` events of a lane that is locked; where there are none, `moving` says whether to move
// on.
void claim_lane(ClaimContext *context, int number, int limit, bool moving);

} // namespace callhardening
