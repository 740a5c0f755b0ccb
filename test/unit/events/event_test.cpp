#include "core/events/event.hpp"

#include <gtest/gtest.h>

#include <string>

using namespace callhardening;

namespace
{

JsonScalar Text(std::string_view text)
{
    return {JsonScalar::Kind::string, false, text};
}

JsonScalar Number(std::string_view text)
{
    return {JsonScalar::Kind::number, false, text};
}

constexpr std::int64_t second = 1000000;

TEST(ParseTime, TakesSecondsAndMilliseconds)
{
    EXPECT_EQ(ParseTime("1"), second);
    EXPECT_EQ(ParseTime("1356998400"), 1356998400 * second);
    EXPECT_EQ(ParseTime("1356998400000"), 1356998400 * second);
    EXPECT_EQ(ParseTime("1731624049994"), 1731624049994000);
    EXPECT_EQ(ParseTime("100000000000"), 100000000000 * second) << "10^11 is the last number of seconds";
    EXPECT_EQ(ParseTime("100000000001"), 100000000001000);
    EXPECT_EQ(ParseTime("1356998400.25"), 1356998400 * second + 250000);
    EXPECT_EQ(ParseTime(" 1356998400 "), 1356998400 * second);
}

TEST(ParseTime, TakesIsoTimes)
{
    EXPECT_EQ(ParseTime("1970-01-01T00:00:01Z"), second);
    EXPECT_EQ(ParseTime("2026-01-01T00:00:00Z"), 1767225600 * second);
    EXPECT_EQ(ParseTime("2026-01-01 01:00:00+01:00"), 1767225600 * second);
    EXPECT_EQ(ParseTime("2025-12-31T19:00:00-0500"), 1767225600 * second);
    EXPECT_EQ(ParseTime("2026-01-01T01:00+01"), 1767225600 * second);
    EXPECT_EQ(ParseTime("2026-01-01T00:00:00.300000"), 1767225600 * second + 300000) << "without a zone: UTC";
    EXPECT_EQ(ParseTime("2026-01-01T00:00:00.1234567Z"), 1767225600 * second + 123456);
    EXPECT_EQ(ParseTime("2024-02-29T00:00:00Z"), 1709164800 * second);
}

TEST(ParseTime, RefusesTextsThatAreNoTimes)
{
    for (const char *text : {"", "now", "2026-01-01", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "-5",
                             "1e300", "nan", "inf", "2026-01-01T00:00:00+", "2026-01-01T00:00:00Zx",
                             "0000-01-01T00:00:00Z", "2026-01-01T25:00:00Z", "9999-12-31T23:59:60.9-15:59",
                             "0001-01-01T00:00:00+01:00", "2026-01-01T", "99999999999999999999", "0x10"})
        EXPECT_EQ(ParseTime(text), std::nullopt) << text;
}

// Senders write zero, of the epoch or of the calendar, if there is no time.
TEST(ParseTime, TakesZeroForNoTime)
{
    for (const char *text : {"0", "0.0", " 0 ", "-0", "0e5", "1970-01-01T00:00:00Z", "1970-01-01 01:00:00+01",
                             "0001-01-01T00:00:00Z"})
        EXPECT_EQ(ParseTime(text), std::nullopt) << text;
}

TEST(ParseTime, TakesTheTimesOfMail)
{
    constexpr std::int64_t time = 1521971599 * second;
    EXPECT_EQ(ParseTime("Sun, 25 Mar 2018 09:53:19 +0000"), time);
    EXPECT_EQ(ParseTime("25 Mar 2018 11:53:19 +0200"), time);
    EXPECT_EQ(ParseTime("Sun, 25 Mar 2018 09:53:19 GMT"), time);
    EXPECT_EQ(ParseTime("Sun, 25 Mar 2018 09:53:19 Etc/UTC"), time);
    EXPECT_EQ(ParseTime("sun, 25 mar 2018 09:53:19"), time) << "without a zone: UTC";
    EXPECT_EQ(ParseTime("Thur, 5 Sept 2019 10:00 +0000"), 1567677600 * second);
    for (const char *text :
         {"Sun 25 Mar 2018 09:53:19 +0000", "25 Ma 2018 09:53:19", "25 Foo 2018 09:53:19",
          "31 Feb 2018 09:53:19", "Sun,", "25 Mar 18 09:53:19", "25 Mar 2018", "25 Mar 2018 09:53:19 CET",
          "25 Mar 2018 09:53:19 Europe/Paris", "25 Mar 2018 09:53:19 /", "25 Mar 2018 09:53:19 Etc/UTC +01",
          "25 Mar 2018 09:53:19 +0000 (UTC)"})
        EXPECT_EQ(ParseTime(text), std::nullopt) << text;
}

TEST(ReadWrittenTime, SaysWhetherThereIsAZone)
{
    EXPECT_FALSE(ReadWrittenTime("2026-09-01 15:31:40")->has_zone);
    EXPECT_FALSE(ReadWrittenTime("25 Mar 2018 09:53:19")->has_zone);
    for (const char *text : {"1787158716", "2026-09-01T15:31:40Z", "2026-09-01T15:31:40+05:30",
                             "25 Mar 2018 09:53:19 GMT", "25 Mar 2018 09:53:19 -0700"})
        EXPECT_TRUE(ReadWrittenTime(text)->has_zone) << text;
}

TEST(ParseOffset, TakesHoursAndMinutes)
{
    EXPECT_EQ(ParseOffset("+05:30"), 19800);
    EXPECT_EQ(ParseOffset("-0800"), -28800);
    EXPECT_EQ(ParseOffset("+02"), 7200);
    EXPECT_EQ(ParseOffset("Z"), 0);
    for (const char *text : {"", "+", "05:30", "+5", "+05:3", "+05:60", "+16:00", "Zulu", "UTC"})
        EXPECT_EQ(ParseOffset(text), std::nullopt) << text;
}

TEST(ReadField, ReadsMicroseconds)
{
    EXPECT_EQ(ReadField(Reading::microseconds, Number("1375609854385581")).number, 1375609854385581);
    EXPECT_EQ(ReadField(Reading::microseconds, Text(" 1375609854385581 ")).number, 1375609854385581);
    for (const char *text : {"0", "-1", "1e40", "2026-09-01T15:31:40Z", ""})
        EXPECT_FALSE(ReadField(Reading::microseconds, Text(text)).known) << text;
}

TEST(ReadField, RoundsDurations)
{
    EXPECT_EQ(ReadField(Reading::milliseconds, Number("11989.972")).number, 12);
    EXPECT_EQ(ReadField(Reading::milliseconds, Text("8000")).number, 8);
    EXPECT_EQ(ReadField(Reading::milliseconds, Number("499")).number, 0);
    EXPECT_EQ(ReadField(Reading::seconds, Number("119.5")).number, 120);
    EXPECT_FALSE(ReadField(Reading::seconds, Number("-1")).known);
    EXPECT_FALSE(ReadField(Reading::seconds, Number("1e30")).known);
    EXPECT_FALSE(ReadField(Reading::seconds, Text("2 min")).known);
}

TEST(ReadField, TakesFlagsAsWords)
{
    EXPECT_EQ(ReadField(Reading::flag, Text("FALSE")).number, 0);
    EXPECT_EQ(ReadField(Reading::flag, Text("True")).number, 1);
    EXPECT_TRUE(ReadField(Reading::flag, {JsonScalar::Kind::boolean, false, {}}).known);
    EXPECT_FALSE(ReadField(Reading::flag, Text("maybe")).known);
    EXPECT_FALSE(ReadField(Reading::flag, {}).known);
}

TEST(ReadField, HasNoTextInABooleanOrAnEmptyString)
{
    EXPECT_FALSE(ReadField(Reading::id, {JsonScalar::Kind::boolean, true, {}}).known);
    EXPECT_FALSE(ReadField(Reading::text, Text("")).known);
    EXPECT_FALSE(ReadField(Reading::text, Text(" \t\n")).known) << "it would erase a text that is known";
    EXPECT_EQ(ReadField(Reading::id, Number("9007199254740993")).text, "9007199254740993");
}

TEST(ReadField, TakesZeroForNoReference)
{
    EXPECT_FALSE(ReadField(Reading::reference, Number("0")).known);
    EXPECT_FALSE(ReadField(Reading::reference, Number("0.0")).known);
    EXPECT_FALSE(ReadField(Reading::reference, Text(" 0 ")).known);
    EXPECT_EQ(ReadField(Reading::reference, Text("007")).text, "007");
    EXPECT_EQ(ReadField(Reading::id, Number("0")).text, "0");
}

TEST(ReadField, ReadsAWholeNumberThatIsWrittenWithAFraction)
{
    EXPECT_EQ(ReadField(Reading::id, Number("2.0")).text, "2");
    EXPECT_EQ(ReadField(Reading::id, Number("2.000")).text, "2");
    EXPECT_EQ(ReadField(Reading::id, Number("2.50")).text, "2.50");
    EXPECT_EQ(ReadField(Reading::id, Text("2.0")).text, "2.0") << "a key that is a text has it as it is";
}

TEST(CanonicalCallId, HasOneSpellingPerKey)
{
    EXPECT_EQ(CanonicalCallId("7", KeyKind::integer8), "7");
    EXPECT_EQ(CanonicalCallId(" 007 ", KeyKind::integer8), "7");
    EXPECT_EQ(CanonicalCallId("0", KeyKind::integer8), "0");
    EXPECT_EQ(CanonicalCallId("000", KeyKind::integer8), "0");
    EXPECT_EQ(CanonicalCallId(" 007 ", KeyKind::text), "007");
    EXPECT_EQ(CanonicalCallId("2.0", KeyKind::integer8), "2");
    EXPECT_EQ(CanonicalCallId("2.0", KeyKind::text), "2.0");
    EXPECT_EQ(CanonicalCallId("-12", KeyKind::integer2), "-12");
}

TEST(CanonicalCallId, IsEmptyWhereTheKeyCannotHoldIt)
{
    EXPECT_EQ(CanonicalCallId("9223372036854775807", KeyKind::integer8), "9223372036854775807");
    EXPECT_EQ(CanonicalCallId("9223372036854775808", KeyKind::integer8), "");
    EXPECT_EQ(CanonicalCallId("2147483648", KeyKind::integer4), "");
    EXPECT_EQ(CanonicalCallId("32768", KeyKind::integer2), "");
    for (const char *id :
         {"", "call-1", "1.5", "1.", ".0", "-0.0", "1e3", "+1", "1 2", "--1", "-", "-03", "-0"})
        EXPECT_EQ(CanonicalCallId(id, KeyKind::integer8), "") << id;
}

TEST(KeyKindOf, KnowsTheIntegerTypes)
{
    EXPECT_EQ(KeyKindOf("bigint"), KeyKind::integer8);
    EXPECT_EQ(KeyKindOf("integer"), KeyKind::integer4);
    EXPECT_EQ(KeyKindOf("smallint"), KeyKind::integer2);
    EXPECT_EQ(KeyKindOf("text"), KeyKind::text);
}

} // namespace
