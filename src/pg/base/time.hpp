// Times of PostgreSQL count from 2000, those of the core from 1970, both in microseconds.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "common/int.h"
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

// A month counts as 30 days, as in the server's comparison of intervals. A sum out of range becomes the
// nearest number.
inline int64 interval_microseconds(const Interval *interval)
{
    const int64 days = interval->day + static_cast<int64>(interval->month) * DAYS_PER_MONTH;
    int64 sum;
    if (pg_mul_s64_overflow(days, USECS_PER_DAY, &sum))
        return days < 0 ? PG_INT64_MIN : PG_INT64_MAX;
    if (pg_add_s64_overflow(sum, interval->time, &sum))
        return interval->time < 0 ? PG_INT64_MIN : PG_INT64_MAX;
    return sum;
}

constexpr TimestampTz postgres_time(int64 microseconds)
{
    return microseconds - microseconds_1970_to_2000;
}

} // namespace callhardening
