// The columns of a calls table with the state of merged events. They are no values of the call. harden_calls
// adds them: add_merge_columns in sql/calls/harden.sql.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "catalog/pg_type.h"
}

namespace callhardening
{

struct StateColumn {
    const char *name;
    Oid type;
};

inline constexpr StateColumn state_columns[] = {
    {"merge_newest_at", TIMESTAMPTZOID}, {"merge_has_talk_time", BOOLOID},
    {"merge_ended_at", TIMESTAMPTZOID},  {"merge_status_before_end", TEXTOID},
    {"merge_sequence", INT8OID},
};

inline constexpr int state_column_count = static_cast<int>(lengthof(state_columns));

} // namespace callhardening
