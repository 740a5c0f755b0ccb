// Values given beside an event's body, for the columns carried to new calls.
#pragma once

#include "pg/base/spi.hpp"
#include "pg/log/event_log.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// An INSERT has three other arguments, and a fourth one for a distributed log.
inline constexpr int most_carried = max_spi_arguments - 4;

struct CarriedValues {
    int count;
    const char *columns[most_carried];
    SpiArgument values[most_carried];
};

// Reads {"column": value, ...}; nullptr means no values. A JSON null counts as not given. Errors: 22023 if it
// is no object, 42703 for a column that the log does not carry, or the error of the column's type.
void read_carry(const EventLog &log, Jsonb *carry, CarriedValues *values);

// Raises 55000 if a required value is missing. The log's own error would print the row with the body. Values
// required only by the calls table are not checked: the body is worth keeping.
void require_filled_columns(const EventLog &log, const CarriedValues &carried);

} // namespace callhardening
