// Applying events to the calls table.
#pragma once

#include "pg/claims/claim.hpp"

namespace callhardening
{

struct ApplyCounts {
    int64 claimed, applied, unchanged, refused, failed;
    int64 locked; // another session had a row of their calls; not among those claimed, as they come again
};

// Claims up to `max_events`, applies and completes them, all in the caller's transaction. Warnings are
// counted for `statement`. Needs an open SPI connection.
ApplyCounts apply_events(EventLog *log, int max_events, MemoryContext statement);

// Applies what an earlier transaction has claimed with a lease, and completes it; what has become stale since
// is left to whom it belongs.
ApplyCounts apply_claimed_events(const EventLog &log, Claim *claim, MemoryContext statement);

} // namespace callhardening
