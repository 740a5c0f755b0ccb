// Times of PostgreSQL, counted from 2000, and of the core, counted from 1970: both in microseconds.
#pragma once

#include "pg/postgres.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

inline constexpr int64 microseconds_1970_to_2000 =
    static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

// Infinity, which is no time of an event, is the end of what the core counts.
constexpr int64 unix_microseconds(TimestampTz time)
{
    if (TIMESTAMP_NOT_FINITE(time))
        return time;
    return time + microseconds_1970_to_2000;
}

constexpr TimestampTz postgres_time(int64 microseconds)
{
    return microseconds - microseconds_1970_to_2000;
}

} // namespace callhardening
