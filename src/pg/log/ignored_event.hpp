// Events that are no calls, as the settings of their log say.
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

// `event_type` is what the provider says beside the body, `state` what the body says about the call; either
// may be empty.
bool is_ignored(const EventLog &log, std::string_view event_type, std::string_view state, Jsonb *body);

} // namespace callhardening
