// Applying events to the calls table.
#pragma once

#include "pg/claims/claim.hpp"

namespace callhardening
{

struct ApplyCounts {
    int64 claimed, applied, unchanged, refused, failed;
    int64 locked; // another session holds a row of their calls; not in `claimed`, because they return
};

// Claims up to `max_events`, then applies and completes them in the caller's transaction. Warnings count for
// `statement`. Needs an open SPI connection.
ApplyCounts apply_events(EventLog *log, int max_events, MemoryContext statement);

// Applies and completes a claim with a lease, made by an earlier transaction. Stale parts are skipped.
ApplyCounts apply_claimed_events(const EventLog &log, Claim *claim, MemoryContext statement);

} // namespace callhardening
