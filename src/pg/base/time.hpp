// Times of PostgreSQL count from 2000, those of the core from 1970, both in microseconds.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

inline constexpr int64 microseconds_1970_to_2000 =
    static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

// A time beyond the core's range, like infinity, becomes the core's last time.
constexpr int64 unix_microseconds(TimestampTz time)
{
    if (time > PG_INT64_MAX - microseconds_1970_to_2000)
        return PG_INT64_MAX;
    return time + microseconds_1970_to_2000;
}

// A month counts as 30 days, as in the server's comparison of intervals.
constexpr int64 interval_microseconds(const Interval *interval)
{
    return interval->time +
           (interval->day + static_cast<int64>(interval->month) * DAYS_PER_MONTH) * USECS_PER_DAY;
}

constexpr TimestampTz postgres_time(int64 microseconds)
{
    return microseconds - microseconds_1970_to_2000;
}

} // namespace callhardening
