// The one status that follows a terminal one: process_call_events may replace `ended` by the status of an
// event that happened before. The triggers of the calls table ask here whether it is at that.
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

// What the statement that runs now may write; nullptr: nothing. The caller takes it back whatever becomes of
// the statement.
void allow_refined_end(const RefinedEnd *refined);

bool is_refined_end(Relation calls, std::string_view call_id, std::string_view status);

} // namespace callhardening
