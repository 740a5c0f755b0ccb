#include "core/providers/provider_support.hpp"
#include "core/words/provider.hpp"

#include <gtest/gtest.h>

#include <string_view>

using namespace callhardening;

namespace
{

ProviderSupport SupportOf(std::string_view provider)
{
    for (std::size_t i = 0; i < ProviderCount(); ++i)
        if (SupportOfProvider(i).provider == provider)
            return SupportOfProvider(i);
    return {};
}

} // namespace

TEST(ProviderSupport, IsThatOfTheTables)
{
    for (std::size_t i = 0; i < ProviderCount(); ++i) {
        const ProviderSupport support = SupportOfProvider(i);
        EXPECT_EQ(support.words, IsKnownProvider(support.provider)) << support.provider;
        EXPECT_EQ(support.shape, HasEventShape(support.provider)) << support.provider;
    }
}

TEST(ProviderSupport, IsWholeForDialpad)
{
    EXPECT_TRUE(SupportOf("dialpad").words);
    EXPECT_TRUE(SupportOf("dialpad").shape);
    EXPECT_TRUE(SupportOf("dialpad").signature);
    EXPECT_TRUE(HasEventShape("Dial-Pad"));
}

TEST(ProviderSupport, HasIntegerIdsIfTheyAreDocumented)
{
    EXPECT_TRUE(SupportOf("dialpad").integer_ids);
    EXPECT_TRUE(HasIntegerIds("Air Call"));
    EXPECT_FALSE(HasIntegerIds("twilio"));
    EXPECT_FALSE(HasIntegerIds(""));
}

TEST(ProviderSupport, HasWordsAloneForSomeProviders)
{
    EXPECT_TRUE(SupportOf("cloudtalk").words);
    EXPECT_FALSE(SupportOf("cloudtalk").shape);
    EXPECT_FALSE(SupportOf("cloudtalk").signature);
    EXPECT_FALSE(HasEventShape(""));
    EXPECT_FALSE(HasEventShape("no such provider"));
}
