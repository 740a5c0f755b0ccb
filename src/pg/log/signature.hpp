// Event logs that take signed bodies only.
#pragma once

#include "pg/log/event_log.hpp"

namespace callhardening
{

// 28000 where the log takes signed bodies only.
void refuse_unsigned_body(const EventLog *log);

} // namespace callhardening
