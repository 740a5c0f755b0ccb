// The trigger that stamps events: their lane, transaction and number.
#pragma once

#include "pg/log/event_log.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// The value of the log's route column for a body: its call id, or a negative number from its digest. It depends on
// nothing else, so a redelivery goes where the first delivery is.
int64 route_of_event(const EventLog &log, Jsonb *body, const bytea *digest);

// The row that was stamped last met a conflict: it is not in the log.
void uncount_last_row(const EventLog &log);

} // namespace callhardening
