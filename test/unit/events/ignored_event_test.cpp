#include "core/events/ignored_event.hpp"

#include <gtest/gtest.h>

namespace callhardening
{

TEST(IgnoredEvent, TypesMatchWholeOrByTheirBeginning)
{
    EXPECT_TRUE(MatchesEventType("sms", "SMS"));
    EXPECT_TRUE(MatchesEventType("sms_sent", "sms-sent"));
    EXPECT_FALSE(MatchesEventType("sms", "sms.sent"));
    EXPECT_TRUE(MatchesEventType("sms.*", "sms.sent"));
    EXPECT_TRUE(MatchesEventType("sms*", "sms"));
    EXPECT_FALSE(MatchesEventType("sms.*", "sm"));
    EXPECT_FALSE(MatchesEventType("sms.*", ""));
}

TEST(IgnoredEvent, AMemberIsAPathAndPerhapsAValue)
{
    std::string_view name;
    IgnoredMember member("data.sms");
    EXPECT_FALSE(member.HasValue());
    ASSERT_TRUE(member.NextName(name));
    EXPECT_EQ(name, "data");
    ASSERT_TRUE(member.NextName(name));
    EXPECT_EQ(name, "sms");
    EXPECT_FALSE(member.NextName(name));

    IgnoredMember value("type=a=b.c");
    ASSERT_TRUE(value.NextName(name));
    EXPECT_EQ(name, "type");
    EXPECT_FALSE(value.NextName(name));
    EXPECT_TRUE(value.HasValue());
    EXPECT_TRUE(value.MatchesValue("A=B.C"));
}

TEST(IgnoredEvent, SettingsThatWouldIgnoreAllOrNothingAreRefused)
{
    for (const char *wrong : {"", " ", "*", "-"})
        EXPECT_FALSE(IsIgnoredEventType(wrong)) << wrong;
    for (const char *wrong : {"", ".", "a.", ".a", "a..b", "=x"})
        EXPECT_FALSE(IsIgnoredMember(wrong)) << wrong;
    EXPECT_FALSE(IsIgnoredEventType(std::string(201, 'a')));
    EXPECT_FALSE(IsIgnoredMember(std::string(201, 'a')));
    EXPECT_TRUE(IsIgnoredEventType("sms.*"));
    EXPECT_TRUE(IsIgnoredMember("data.sms=x"));
    EXPECT_TRUE(IsIgnoredMember("type="));
}

} // namespace callhardening
