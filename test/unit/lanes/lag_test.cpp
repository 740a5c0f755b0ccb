#include "core/lanes/lag.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace callhardening
{

TEST(Lag, ABoundBelongsToItsBucket)
{
    for (int bucket = 0; bucket < lag_buckets - 1; ++bucket) {
        EXPECT_EQ(LagBucket(LagBound(bucket)), bucket);
        EXPECT_EQ(LagBucket(LagBound(bucket) + 1), bucket + 1);
    }
}

TEST(Lag, BoundsDouble)
{
    EXPECT_EQ(LagBound(0), 1000);
    for (int bucket = 1; bucket < lag_buckets - 1; ++bucket)
        EXPECT_EQ(LagBound(bucket), 2 * LagBound(bucket - 1));
    EXPECT_EQ(LagBound(lag_buckets - 1), 0);
}

TEST(Lag, ExtremeTimesHaveABucket)
{
    EXPECT_EQ(LagBucket(0), 0);
    EXPECT_EQ(LagBucket(1), 0);
    EXPECT_EQ(LagBucket(INT64_MIN), 0);
    EXPECT_EQ(LagBucket(INT64_MAX), lag_buckets - 1);
}

} // namespace callhardening
