// The permission to replace a terminal status. process_call_events gives it for one call, if the merge has
// refined `ended` by the status of an earlier event. The triggers of the calls table ask here before they
// refuse the write.
#pragma once

#include "pg/base/postgres.hpp"

#include <string_view>

extern "C" {
#include "utils/rel.h"
}

namespace callhardening
{

struct PermittedEnd {
    Oid calls; // the table, or the partitioned table
    const char *call_id;
    std::string_view status;
};

// Permits the next statement to write this end; nullptr: none. The caller must withdraw it, even after an
// error.
void permit_end(const PermittedEnd *end);

bool is_permitted_end(Relation calls, std::string_view call_id, std::string_view status);

} // namespace callhardening
