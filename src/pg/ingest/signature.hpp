// Event logs that take signed bodies only.
#pragma once

#include "pg/log/event_log.hpp"

namespace callhardening
{

// Raises 28000 if the log takes signed bodies only.
void refuse_unsigned_body(const EventLog *log);

} // namespace callhardening
