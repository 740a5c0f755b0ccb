#include "core/process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <vector>

using namespace callhardening;

namespace
{

int StatusNamed(std::string_view name)
{
    return DefaultTransitionGraph().Find(name);
}

CallEvent EventAt(std::int64_t time, std::string_view status = {}, Direction direction = Direction::inbound)
{
    CallEvent event;
    event.time = time;
    event.status = status.empty() ? unset_status : StatusNamed(status);
    event.direction = direction;
    return event;
}

CallEvent With(CallEvent event, Field field, std::string_view text)
{
    event.fields[static_cast<std::size_t>(field)] = {true, 0, text};
    return event;
}

CallEvent With(CallEvent event, Field field, std::int64_t number)
{
    event.fields[static_cast<std::size_t>(field)] = {true, number, {}};
    return event;
}

MergeResult Apply(const CallEvent &event, Call &call)
{
    return MergeEvent(DefaultTransitionGraph(), event, call);
}

TEST(MergeEvent, FollowsTheGraph)
{
    Call call;
    EXPECT_EQ(Apply(EventAt(1, "ringing"), call).merge, Merge::applied);
    EXPECT_EQ(Apply(EventAt(2, "active"), call).merge, Merge::applied);
    EXPECT_EQ(Apply(EventAt(3, "ended"), call).merge, Merge::applied);
    EXPECT_EQ(call.status, StatusNamed("ended"));
}

TEST(MergeEvent, RefusesTheStatusAndMergesTheRest)
{
    Call call;
    Apply(EventAt(3, "ended"), call);
    const auto result = Apply(With(EventAt(2, "ringing"), Field::started_at, 1), call);
    EXPECT_EQ(result.merge, Merge::refused);
    EXPECT_FALSE(result.takes_payload);
    EXPECT_EQ(call.status, StatusNamed("ended"));
    EXPECT_EQ(call[CallColumn::started_at].number, 1);
}

TEST(MergeEvent, TakesAHangupAfterTheEndAsOrdinary)
{
    for (const char *status : {"missed", "rejected", "voicemail"}) {
        Call call;
        Apply(EventAt(1, status), call);
        EXPECT_EQ(Apply(With(EventAt(2, "ended"), Field::ended_at, 2), call).merge, Merge::applied) << status;
        EXPECT_EQ(call.status, StatusNamed(status));
        EXPECT_EQ(call[CallColumn::ended_at].number, 2);
    }
}

TEST(MergeEvent, TurnsThePartiesWithTheDirection)
{
    const auto numbers = [](Direction direction) {
        return With(With(EventAt(1, "ringing", direction), Field::external_number, "+1"),
                    Field::internal_number, "+2");
    };
    Call inbound, outbound, unknown;
    Apply(numbers(Direction::inbound), inbound);
    Apply(numbers(Direction::outbound), outbound);
    Apply(numbers(Direction::unknown), unknown);
    EXPECT_EQ(inbound[CallColumn::from_number].text, "+1");
    EXPECT_EQ(inbound[CallColumn::to_number].text, "+2");
    EXPECT_EQ(outbound[CallColumn::from_number].text, "+2");
    EXPECT_EQ(outbound[CallColumn::to_number].text, "+1");
    EXPECT_FALSE(unknown[CallColumn::from_number].known);
    EXPECT_FALSE(unknown[CallColumn::to_number].known);
}

TEST(MergeEvent, KeepsAKnownDirection)
{
    Call call;
    Apply(EventAt(1, "ringing", Direction::outbound), call);
    Apply(EventAt(2, "active", Direction::unknown), call);
    Apply(EventAt(3, "ended", Direction::none), call);
    EXPECT_EQ(call.direction, Direction::outbound);
}

TEST(MergeEvent, NamesAUserOnlyWhereTheTargetIsOne)
{
    Call office, user;
    Apply(With(With(EventAt(1), Field::user_id, "5"), Field::user_type, "office"), office);
    Apply(With(With(EventAt(1), Field::user_id, "5"), Field::user_type, "user"), user);
    EXPECT_FALSE(office[CallColumn::dialpad_user_id].known);
    EXPECT_EQ(user[CallColumn::dialpad_user_id].text, "5");
}

TEST(MergeEvent, LetsTheNewestWinAndLateOnesFillGaps)
{
    Call call;
    Apply(With(EventAt(5, "ringing"), Field::duration, 50), call);
    Apply(With(With(EventAt(4), Field::duration, 40), Field::started_at, 1), call);
    EXPECT_EQ(call[CallColumn::duration_seconds].number, 50);
    EXPECT_EQ(call[CallColumn::started_at].number, 1);
    Apply(With(EventAt(6), Field::duration, 60), call);
    EXPECT_EQ(call[CallColumn::duration_seconds].number, 60);
}

TEST(MergeEvent, TrustsATalkTimeMoreThanADuration)
{
    Call call;
    Apply(With(EventAt(1, "active"), Field::duration, 10), call);
    Apply(With(With(EventAt(2, "ended"), Field::talk_time, 61), Field::duration, 95), call);
    Apply(With(EventAt(3), Field::duration, 96), call);
    EXPECT_EQ(call[CallColumn::duration_seconds].number, 61);
}

TEST(MergeEvent, TrustsALateTalkTimeMoreThanADuration)
{
    Call call;
    Apply(With(EventAt(2, "ended"), Field::duration, 95), call);
    Apply(With(EventAt(1), Field::talk_time, 61), call);
    EXPECT_EQ(call[CallColumn::duration_seconds].number, 61);
}

// What is zero before a call has ended is no talk time, and what is zero afterwards erases none.
TEST(MergeEvent, TakesZeroForNoDuration)
{
    Call call;
    Apply(With(With(EventAt(1, "ringing"), Field::talk_time, 0), Field::duration, 0), call);
    EXPECT_EQ(call[CallColumn::duration_seconds].number, 0);
    Apply(With(EventAt(2, "ended"), Field::duration, 95), call);
    EXPECT_EQ(call[CallColumn::duration_seconds].number, 95);
    Apply(With(EventAt(3), Field::duration, 0), call);
    EXPECT_EQ(call[CallColumn::duration_seconds].number, 95);
    Apply(With(EventAt(4), Field::talk_time, 61), call);
    Apply(With(EventAt(5), Field::talk_time, 0), call);
    EXPECT_EQ(call[CallColumn::duration_seconds].number, 61);
}

TEST(MergeEvent, TakesTheLinkOfAVoicemailForNoRecording)
{
    Call by_word, by_type, both;
    Apply(With(EventAt(1, "voicemail"), Field::recording_url, "https://example.com/1"), by_word);
    Apply(With(With(EventAt(1), Field::recording_url, "https://example.com/2"), Field::recording_type,
               "Voicemail"),
          by_type);
    Apply(With(With(EventAt(1, "voicemail"), Field::recording_url, "https://example.com/3"),
               Field::voicemail_url, "https://example.com/4"),
          both);
    EXPECT_FALSE(by_word[CallColumn::recording_url].known);
    EXPECT_EQ(by_word[CallColumn::voicemail_url].text, "https://example.com/1");
    EXPECT_FALSE(by_type[CallColumn::recording_url].known);
    EXPECT_EQ(by_type[CallColumn::voicemail_url].text, "https://example.com/2");
    EXPECT_EQ(by_type[CallColumn::is_voicemail].number, 1);
    EXPECT_EQ(both[CallColumn::recording_url].text, "https://example.com/3");
    EXPECT_EQ(both[CallColumn::voicemail_url].text, "https://example.com/4");
}

TEST(MergeEvent, KeepsThePayloadOfTheNewest)
{
    Call call;
    EXPECT_TRUE(Apply(EventAt(5), call).takes_payload);
    EXPECT_FALSE(Apply(EventAt(4), call).takes_payload);
    EXPECT_FALSE(Apply(EventAt(5), call).takes_payload);
    EXPECT_TRUE(Apply(EventAt(6), call).takes_payload);
}

// Whatever the order: a second run over the same events finds nothing to change.
TEST(MergeEvent, ChangesNothingTheSecondTime)
{
    std::vector<CallEvent> events = {
        With(EventAt(1, "ringing"), Field::started_at, 1),
        With(EventAt(2, "active", Direction::unknown), Field::connected_at, 2),
        With(With(EventAt(4, "ended"), Field::ended_at, 4), Field::duration, 2),
        With(EventAt(5, {}, Direction::outbound), Field::recording_url, "https://example.com"),
        With(EventAt(5), Field::recording_url, "https://example.org"),
        With(EventAt(3, "voicemail"), Field::voicemail_url, "https://example.net"),
    };
    std::vector<int> order = {0, 1, 2, 3, 4, 5};
    do {
        Call call;
        for (const int i : order)
            Apply(events[static_cast<std::size_t>(i)], call);
        for (const int i : order)
            EXPECT_NE(Apply(events[static_cast<std::size_t>(i)], call).merge, Merge::applied);
    } while (std::next_permutation(order.begin(), order.end()));
}

} // namespace
