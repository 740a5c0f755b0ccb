// The column processed_at of a log that was an event table before: whoever has processed an event sets it, a
// worker of ours or somebody else, and whoever finds it set leaves the event alone.
#pragma once

#include "pg/claims/claim.hpp"

namespace callhardening
{

// Takes the events that are to be applied: sets processed_at. What another session has processed since is
// marked as done in the claim, and what it has locked as held. Needs an open SPI connection, and does nothing
// where the log has no such column, as those below.
void take_claimed(const EventLog &log, Claim *claim);

// These were not processed after all.
void give_back(const EventLog &log, const int64 *seqs, int count);

// Sets it for all events of an open claim, but for those that have failed in it.
void mark_claim(const EventLog &log, const LaneRecord &record);

} // namespace callhardening
