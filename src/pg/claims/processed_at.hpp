// The column processed_at of a former event table. Any processor of an event sets it, even an old one outside
// this extension. If it is set, all processors skip the event.
#pragma once

#include "pg/claims/claim.hpp"

namespace callhardening
{

// Sets processed_at of the claimed events before they are applied. Events processed by another session are
// marked as done, and those locked by one as held. Needs an open SPI connection. Like the functions below, it
// does nothing if the log has no such column.
void take_claimed(const EventLog &log, Claim *claim);

// Takes processed_at back: these events were not processed.
void give_back(const EventLog &log, const int64 *seqs, int count);

// Sets it for all events of an open claim, except those failed in it.
void mark_claim(const EventLog &log, const LaneRecord &record);

} // namespace callhardening
