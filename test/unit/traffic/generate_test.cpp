#include "core/traffic/generate.hpp"

#include "core/traffic/dialpad_traffic.hpp"
#include "core/words/status.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace callhardening
{
namespace
{

using Json = nlohmann::json;

std::vector<std::string> Bodies(std::int32_t calls, std::int32_t seed)
{
    const std::unique_ptr<CallTraffic> traffic(CallTraffic::Start(calls, seed, dialpad_traffic));
    std::vector<std::string> bodies;
    std::string_view body;
    while (traffic->Next(body) == CallTraffic::Step::item)
        bodies.emplace_back(body);
    return bodies;
}

std::string CallId(const Json &event)
{
    const Json &id = event.at("call_id");
    return id.is_string() ? id.get<std::string>() : std::to_string(id.get<std::int64_t>());
}

TEST(Generate, SameSeedSameBytes)
{
    EXPECT_EQ(Bodies(300, 5), Bodies(300, 5));
    EXPECT_NE(Bodies(300, 5), Bodies(300, 6));
    EXPECT_NE(Bodies(300, 5), Bodies(300, -5));
}

TEST(Generate, EndsAndStaysAtTheEnd)
{
    const std::unique_ptr<CallTraffic> traffic(CallTraffic::Start(0, 1, dialpad_traffic));
    std::string_view body;
    EXPECT_EQ(traffic->Next(body), CallTraffic::Step::end);
    EXPECT_EQ(traffic->Next(body), CallTraffic::Step::end);
}

TEST(Generate, EveryNumberOfCallsIsMetExactly)
{
    for (std::int32_t calls = 1; calls <= 40; ++calls) {
        std::set<std::string> ids;
        for (const std::string &body : Bodies(calls, calls))
            ids.insert(CallId(Json::parse(body)));
        EXPECT_EQ(ids.size(), static_cast<std::size_t>(calls));
    }
}

// Each body has all members for a receiver, in words of the vocabulary. Only the odd direction is
// unknown.
TEST(Generate, EveryBodyIsAnEventOfOneCall)
{
    std::map<std::string, std::set<Direction>> directions;
    for (const std::string &body : Bodies(1500, 3)) {
        const Json event = Json::parse(body);
        EXPECT_NE(NormalizeStatus(event.at("state").get<std::string>(), "dialpad"), Status::unknown) << body;
        EXPECT_TRUE(event.at("event_timestamp").is_number_integer());
        EXPECT_LE(body.size(), 200000U);
        directions[CallId(event)].insert(
            NormalizeDirection(event.at("direction").get<std::string>(), "dialpad"));
    }
    std::size_t unknown = 0;
    for (const auto &[id, seen] : directions) {
        EXPECT_EQ(seen.size(), 1U) << id;
        unknown += seen.contains(Direction::unknown);
    }
    EXPECT_GT(unknown, 0U);
    EXPECT_LT(unknown, 30U);
}

TEST(Generate, BodiesAreAscii)
{
    for (const std::string &body : Bodies(200, 11))
        for (const char c : body)
            ASSERT_TRUE(c >= 0x20 && c < 0x7f) << body;
}

// A redelivery repeats the bytes, so an event must not come as two different bodies.
TEST(Generate, OneBodyPerCallStateAndTime)
{
    std::map<std::string, std::string> bodies;
    std::size_t redelivered = 0;
    for (const std::string &body : Bodies(1500, 8)) {
        const Json event = Json::parse(body);
        const std::string key =
            CallId(event) + event.at("state").get<std::string>() + event.at("event_timestamp").dump();
        const auto [found, is_new] = bodies.emplace(key, body);
        EXPECT_EQ(found->second, body);
        redelivered += !is_new;
    }
    EXPECT_GT(redelivered, bodies.size() / 100);
    EXPECT_LT(redelivered, bodies.size() / 25);
}

TEST(Generate, CallIdsAreDistinctAndExactInADouble)
{
    CallIds ids(99);
    std::set<std::int64_t> seen;
    for (int i = 0; i < 200000; ++i) {
        const std::int64_t id = ids.Next();
        ASSERT_GE(id, std::int64_t{1} << 52);
        ASSERT_LT(id, std::int64_t{1} << 53);
        ASSERT_TRUE(seen.insert(id).second);
    }
}

TEST(Generate, DaysAreWorkingDaysOfTwoThousandCalls)
{
    constexpr std::int64_t monday = 1767571200000, day = 86400000, share = WorkingDays::positions_per_call;
    struct {
        std::int64_t calls, days;
    } const cases[] = {
        {1, 1}, {2000, 1}, {2001, 2}, {10000, 5}, {10001, 8}, {40000, 26}, {CallTraffic::max_calls, 26}};
    for (const auto &[calls, days] : cases) {
        WorkingDays calendar(calls);
        std::int64_t previous = 0;
        for (std::int64_t call = 0; call < calls; call += 1 + calls / 5000) {
            const std::int64_t start = calendar.StartOf(call * share);
            ASSERT_GE(start, previous);
            previous = start;
        }
        EXPECT_GE(WorkingDays(calls).StartOf(0), monday);
        const std::int64_t last = calendar.StartOf(calls * share - 1);
        EXPECT_GE(last, monday + (days - 1) * day) << calls;
        EXPECT_LT(last, monday + days * day) << calls;
    }
}

TEST(Generate, RandomIsSplitMix64)
{
    Random random(1234567);
    EXPECT_EQ(random.Next(), 6457827717110365317U);
    EXPECT_EQ(random.Next(), 3203168211198807973U);
}

TEST(Generate, LongTailStaysInItsRange)
{
    Random random(1);
    std::int64_t longest = 0;
    for (int i = 0; i < 100000; ++i) {
        const std::int64_t value = random.LongTail(10, 20, 4);
        ASSERT_GE(value, 10);
        longest = std::max(longest, value);
    }
    EXPECT_EQ(longest, 320);
}

// A body shows only facts from before its event.
TEST(Generate, BodyKnowsNothingOfTheFuture)
{
    Leg leg;
    leg.call_id = 5635304278851584;
    leg.target = {PartyKind::user, 0};
    leg.started = 1000;
    leg.rang = 2000;
    leg.connected = leg.answered = 3000;
    leg.ended = 9000;
    std::string body;
    dialpad_traffic.write(leg, static_cast<EventKind>(CallState::ringing), 2100, body);
    const Json ringing = Json::parse(body);
    EXPECT_EQ(ringing.at("date_rang"), 2000);
    EXPECT_TRUE(ringing.at("date_connected").is_null());
    EXPECT_EQ(ringing.at("talk_time"), 0);
    EXPECT_FALSE(ringing.contains("public_call_review_share_link"));

    body.clear();
    dialpad_traffic.write(leg, static_cast<EventKind>(CallState::hangup), 9500, body);
    const Json hangup = Json::parse(body);
    EXPECT_EQ(hangup.at("date_ended"), 9000);
    EXPECT_NEAR(hangup.at("talk_time").get<double>(), 6000, 1);
    EXPECT_NEAR(hangup.at("total_duration").get<double>(), 8000, 1);
    EXPECT_TRUE(hangup.contains("public_call_review_share_link"));
}

} // namespace
} // namespace callhardening
