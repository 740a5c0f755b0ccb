// Event logs that take signed bodies only.
#pragma once

#include "pg/log/event_log.hpp"

namespace callhardening
{

// 28000 where the log takes signed bodies only. `fcinfo`: of a function of the extension.
void refuse_unsigned_body(FunctionCallInfo fcinfo, const EventLog *log);

} // namespace callhardening
