// Events without a call, chosen by the log's settings.
#pragma once

#include <string_view>

#include "pg/log/event_log.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// Does the log ignore any events?
bool ignores_events(const EventLog &log);

// `event_type` comes from beside the body, `state` from the call in the body. Either may be empty.
bool is_ignored(const EventLog &log, std::string_view event_type, std::string_view state, Jsonb *body);

} // namespace callhardening
