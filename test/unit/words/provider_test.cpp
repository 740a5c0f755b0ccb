#include "core/base/text.hpp"
#include "core/words/provider.hpp"
#include "core/words/vocabulary.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

using namespace callhardening;

TEST(Providers, AreKnownInAnySpelling)
{
    EXPECT_TRUE(IsKnownProvider("dialpad"));
    EXPECT_TRUE(IsKnownProvider("Zoom Phone"));
    EXPECT_TRUE(IsKnownProvider("3cx"));
    EXPECT_TRUE(IsKnownProvider("zoom_phone"));
    EXPECT_FALSE(IsKnownProvider(""));
    EXPECT_FALSE(IsKnownProvider("no such provider"));
}

TEST(Providers, HaveOneSpelling)
{
    EXPECT_EQ(KnownProvider("Zoom Phone"), "zoom_phone");
    EXPECT_EQ(KnownProvider(" DIAL-PAD "), "dialpad");
    EXPECT_EQ(KnownProvider("zzz"), "");
    EXPECT_EQ(KnownProvider(""), "");
}

TEST(Providers, AreListedOnceAndInOrder)
{
    EXPECT_GT(vocabulary_providers.size(), 40u);
    for (std::size_t i = 1; i < vocabulary_providers.size(); ++i)
        EXPECT_LT(CompareFolded(vocabulary_providers[i - 1], vocabulary_providers[i]), 0);
    for (const auto &row : status_vocabulary)
        EXPECT_TRUE(row.provider.empty() || IsKnownProvider(row.provider)) << row.provider;
    for (const auto &row : direction_vocabulary)
        EXPECT_TRUE(row.provider.empty() || IsKnownProvider(row.provider)) << row.provider;
}

TEST(NearestProvider, IsTheOneWithTheFewestMistakes)
{
    EXPECT_EQ(NearestProvider("dialpd"), "dialpad");
    EXPECT_EQ(NearestProvider("Dial-Pads"), "dialpad");
    EXPECT_EQ(NearestProvider("twillio"), "twilio");
    EXPECT_EQ(NearestProvider("tiwlio"), "twilio");
    EXPECT_EQ(NearestProvider("ring central 1"), "ringcentral");
    EXPECT_EQ(NearestProvider("ringovr"), "ringover");
    EXPECT_EQ(NearestProvider("dialpad"), "dialpad");
}

TEST(NearestProvider, IsOneWithTheNameAsAPart)
{
    EXPECT_EQ(NearestProvider("zoom"), "zoom_phone");
    EXPECT_EQ(NearestProvider("quo"), "openphone_quo");
    EXPECT_EQ(NearestProvider("webex"), "webex_calling");
    EXPECT_EQ(NearestProvider("Twilio Programmable Voice"), "twilio");
}

TEST(NearestProvider, IsNoneForAnotherName)
{
    EXPECT_EQ(NearestProvider(""), "");
    EXPECT_EQ(NearestProvider(" -_"), "");
    EXPECT_EQ(NearestProvider("x"), "");
    EXPECT_EQ(NearestProvider("no such provider"), "");
    EXPECT_EQ(NearestProvider(std::string(41, 'd')), "");
    EXPECT_EQ(NearestProvider(std::string(1000000, 'd')), "");
    EXPECT_EQ(NearestProvider("{\"provider\": 7}"), "");
}
