// Values that a receiver gives an event beside its body, for the columns that a log carries to new calls.
#pragma once

#include "pg/base/spi.hpp"
#include "pg/log/event_log.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// An INSERT has three other arguments.
inline constexpr int most_carried = max_spi_arguments - 3;

struct CarriedValues {
    int count;
    const char *columns[most_carried];
    SpiArgument values[most_carried];
};

// Reads {"column": value, ...}; nullptr is no values. A JSON null counts as not given. Errors: 22023 no
// object, 42703 a column that the log does not carry, or what the column's type says of the value.
void read_carry(const EventLog &log, Jsonb *carry, CarriedValues *values);

// Refuses (55000) an event that lacks a value which the log cannot do without: the log's own error would
// print the row, and the body with it. What only the calls table needs is not asked for: a body is worth
// keeping.
void check_can_fill(const EventLog &log, const CarriedValues &carried);

} // namespace callhardening
