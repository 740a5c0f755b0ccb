// The registry of event logs.
#pragma once

#include "pg/postgres.hpp"

namespace callhardening
{

struct EventLog {
    int32 log_id;
    Oid events;
    Oid calls;
    char *provider;
    bool is_signed;          // takes signed bodies only
    const char *events_name; // qualified and quoted, ready for a statement
    const char *extension;   // the extension's schema, quoted
};

// The log that `log` names, or the only one there is. Needs an open SPI connection; the strings live in the
// current memory context. Errors: no such log, none at all, or several and none named.
void find_event_log(FunctionCallInfo fcinfo, int log_argument, EventLog *log);

} // namespace callhardening
