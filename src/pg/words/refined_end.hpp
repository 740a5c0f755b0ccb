// The only status after a terminal one: process_call_events may replace `ended` by the status of an earlier
// event. The triggers of the calls table ask here if this is the case.
#pragma once

#include "pg/base/postgres.hpp"

#include <string_view>

extern "C" {
#include "utils/rel.h"
}

namespace callhardening
{

struct RefinedEnd {
    Oid calls; // the table, or the partitioned table
    const char *call_id;
    std::string_view status;
};

// Allows the next statement to write this end; nullptr: none. The caller must withdraw it, even after an
// error.
void allow_refined_end(const RefinedEnd *refined);

bool is_refined_end(Relation calls, std::string_view call_id, std::string_view status);

} // namespace callhardening
