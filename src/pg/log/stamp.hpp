// The trigger that stamps events: their lane, transaction and number.
#pragma once

#include "pg/log/event_log.hpp"

namespace callhardening
{

// The row that was stamped last met a conflict: it is not in the log.
void uncount_last_row(const EventLog &log);

} // namespace callhardening
