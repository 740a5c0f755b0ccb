// The time from the receipt of an event to its application, as a histogram with buckets that double.
#pragma once

#include "core/base/core.hpp"

#include <bit>
#include <cstdint>

namespace callhardening
{

// Bucket n has the times up to LagBound(n). The last one has all longer times.
inline constexpr int lag_buckets = 25;

// 1 ms, 2 ms, 4 ms, ... up to 2.3 hours, in microseconds. 0: no bound.
constexpr std::int64_t LagBound(int bucket) noexcept
{
    return bucket < lag_buckets - 1 ? std::int64_t{1000} << bucket : 0;
}

// A clock that was set back gives a negative time: it counts as none.
constexpr int LagBucket(std::int64_t microseconds) noexcept
{
    if (microseconds <= 1000)
        return 0;
    const auto milliseconds = static_cast<std::uint64_t>((microseconds - 1) / 1000); // rounded up, less one
    const int bucket = std::bit_width(milliseconds);
    return bucket < lag_buckets ? bucket : lag_buckets - 1;
}

} // namespace callhardening
