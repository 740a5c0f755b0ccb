#include "core/events/merge.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
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
    event.has_time = event.has_own_time = true;
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

CallEvent Numbered(std::int64_t sequence, CallEvent event)
{
    event.has_sequence = true;
    event.sequence = sequence;
    return event;
}

CallColumns AllColumns()
{
    CallColumns columns = {};
    std::fill(std::begin(columns.present), std::end(columns.present), true);
    return columns;
}

MergeResult Apply(const CallEvent &event, Call &call)
{
    return MergeEvent(DefaultTransitionGraph(), AllColumns(), event, call);
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
    EXPECT_FALSE(office[CallColumn::user_id].known);
    EXPECT_EQ(user[CallColumn::dialpad_user_id].text, "5");
    EXPECT_EQ(user[CallColumn::user_id].text, "5");
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

TEST(MergeEvent, LetsTheHighestNumberWin)
{
    Call call;
    EXPECT_TRUE(Apply(Numbered(2, With(EventAt(5), Field::to_number, "two")), call).takes_payload);
    EXPECT_FALSE(Apply(Numbered(1, With(EventAt(5), Field::to_number, "one")), call).takes_payload);
    EXPECT_FALSE(Apply(Numbered(0, With(EventAt(9), Field::to_number, "zero")), call).takes_payload)
        << "its later time does not count";
    EXPECT_EQ(call[CallColumn::to_number].text, "two");
    EXPECT_TRUE(Apply(Numbered(7, With(EventAt(4), Field::to_number, "seven")), call).takes_payload)
        << "numbers have gaps, and a time can be wrong";
    EXPECT_EQ(call[CallColumn::to_number].text, "seven");
    EXPECT_EQ(call[CallColumn::last_event_at].number, 5) << "it never goes back";
    EXPECT_FALSE(Apply(Numbered(7, With(EventAt(6), Field::to_number, "again")), call).takes_payload);
}

TEST(MergeEvent, ComparesTimesIfAnEventHasNoNumber)
{
    Call call;
    Apply(Numbered(2, With(EventAt(5), Field::to_number, "two")), call);
    Apply(With(EventAt(4), Field::to_number, "early"), call);
    EXPECT_EQ(call[CallColumn::to_number].text, "two");
    Apply(With(EventAt(8), Field::to_number, "late"), call);
    EXPECT_EQ(call[CallColumn::to_number].text, "late");
    Apply(Numbered(1, With(EventAt(9), Field::to_number, "one")), call);
    EXPECT_EQ(call[CallColumn::to_number].text, "late") << "the highest number is known";
    Apply(Numbered(3, With(EventAt(6), Field::to_number, "three")), call);
    EXPECT_EQ(call[CallColumn::to_number].text, "three");
    EXPECT_EQ(call[CallColumn::last_event_at].number, 8);
}

TEST(ParseSequence, TakesWholeNumbers)
{
    EXPECT_EQ(ParseSequence("0"), 0);
    EXPECT_EQ(ParseSequence("9223372036854775807"), INT64_MAX);
    for (const char *text : {"", "-1", "+1", "1.5", "1e3", " 1", "x", "9223372036854775808"})
        EXPECT_EQ(ParseSequence(text), std::nullopt) << text;
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

// A zero before the end of a call is no talk time, and a zero after it erases none.
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

// A table has these by default.
TEST(MergeEvent, FillsZeroAndFalseByALateEvent)
{
    Call call;
    Apply(With(EventAt(5), Field::duration, 0), call);
    call[CallColumn::is_voicemail] = {true, 0, {}};
    Apply(With(EventAt(4, "voicemail"), Field::duration, 9), call);
    EXPECT_EQ(call[CallColumn::duration_seconds].number, 9);
    EXPECT_EQ(call[CallColumn::is_voicemail].number, 1);
    Apply(With(EventAt(3), Field::duration, 8), call);
    EXPECT_EQ(call[CallColumn::duration_seconds].number, 9);
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

// ---- the end of a call ----

CallEvent WithoutOwnTime(CallEvent event)
{
    event.has_own_time = false;
    return event;
}

std::string_view StatusAfter(const std::vector<CallEvent> &events)
{
    Call call;
    for (const CallEvent &event : events)
        Apply(event, call);
    return DefaultTransitionGraph().Name(call.status);
}

TEST(MergeEvent, RefinesTheEndByWhatHappenedBefore)
{
    for (const char *kind : {"missed", "rejected", "voicemail"}) {
        EXPECT_EQ(StatusAfter({EventAt(1, "ringing"), EventAt(5, "ended"), EventAt(4, kind)}), kind);
        EXPECT_EQ(StatusAfter({EventAt(1, "ringing"), EventAt(5, "ended"), EventAt(5, kind)}), kind);
        EXPECT_EQ(StatusAfter({EventAt(5, "ended"), EventAt(4, kind)}), kind) << "nothing was known before";
    }
    Call call;
    Apply(EventAt(5, "ended"), call);
    EXPECT_TRUE(Apply(EventAt(4, "missed"), call).refines_the_end);
    EXPECT_EQ(Apply(EventAt(3, "voicemail"), call).merge, Merge::refused) << "once";
}

TEST(MergeEvent, RefinesNoEndByAStatusThatCannotHaveLedToIt)
{
    EXPECT_EQ(StatusAfter({EventAt(5, "ended"), EventAt(6, "missed")}), "ended") << "it happened later";
    EXPECT_EQ(StatusAfter({EventAt(2, "active"), EventAt(5, "ended"), EventAt(4, "missed")}), "ended");
    EXPECT_EQ(StatusAfter({EventAt(2, "active"), EventAt(5, "ended"), EventAt(4, "voicemail")}), "voicemail");
    EXPECT_EQ(StatusAfter({EventAt(5, "ended"), EventAt(4, "active")}), "ended") << "what is over stays over";
    EXPECT_EQ(StatusAfter({EventAt(5, "missed"), EventAt(4, "voicemail")}), "missed")
        << "missed says how already";
    EXPECT_EQ(StatusAfter({WithoutOwnTime(EventAt(5, "ended")), EventAt(4, "missed")}), "ended");
    EXPECT_EQ(StatusAfter({EventAt(5, "ended"), WithoutOwnTime(EventAt(4, "missed"))}), "ended");
}

// ---- what a table has ----

TEST(MergeEvent, LeavesAColumnOutThatTheTableDoesNotHave)
{
    CallColumns columns = AllColumns();
    columns.present[static_cast<int>(CallColumn::recording_url)] = false;
    Call call;
    MergeEvent(DefaultTransitionGraph(), columns, EventAt(5), call);
    const CallEvent late = With(EventAt(4), Field::recording_url, "https://example.com");
    EXPECT_EQ(MergeEvent(DefaultTransitionGraph(), columns, late, call).merge, Merge::unchanged);
    EXPECT_FALSE(call[CallColumn::recording_url].known);
}

TEST(MergeEvent, KnowsAnIdAsTheColumnHoldsIt)
{
    CallColumns columns = AllColumns();
    columns.id_kind[static_cast<int>(CallColumn::dialpad_user_id)] = KeyKind::integer8;
    Call call;
    MergeEvent(DefaultTransitionGraph(), columns, With(EventAt(5), Field::user_id, "no number"), call);
    EXPECT_FALSE(call[CallColumn::dialpad_user_id].known);
    MergeEvent(DefaultTransitionGraph(), columns, With(EventAt(4), Field::user_id, "007"), call);
    EXPECT_EQ(call[CallColumn::dialpad_user_id].text, "7") << "a late event fills what is empty";
}

// ---- any partition of the same events gives the same call ----

class Streams
{
public:
    explicit Streams(unsigned seed) : random_(seed) {}

    std::vector<CallEvent> Next()
    {
        std::vector<CallEvent> events(1 + Below(12));
        for (CallEvent &event : events)
            event = Chance(8) && &event != &events.front() ? (&event)[-1] : NextEvent();
        return events;
    }

    bool Chance(unsigned one_in) { return Below(one_in) == 0; }
    unsigned Below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

private:
    CallEvent NextEvent()
    {
        static constexpr const char *statuses[] = {"",      "ringing", "active",   "ended",
                                                   "ended", "missed",  "rejected", "voicemail"};
        static constexpr Direction directions[] = {Direction::none, Direction::inbound, Direction::outbound,
                                                   Direction::unknown};
        static constexpr const char *texts[] = {"a", "b", "7", "007"};
        CallEvent event = EventAt(Below(6), statuses[Below(std::size(statuses))], directions[Below(4)]);
        event.has_own_time = !Chance(4);
        event.has_time = event.has_own_time || !Chance(3);
        event.has_sequence = Chance(2);
        event.sequence = event.has_sequence ? Below(6) : 0;
        for (FieldValue &field : event.fields)
            if (Chance(3))
                field = {true, Below(3), texts[Below(std::size(texts))]};
        return event;
    }

    std::minstd_rand random_;
};

// The values that a row can hold, and whether they changed.
Call WrittenAndReadAgain(const Call &call, const CallColumns &columns)
{
    Call row;
    row.status = call.status;
    row.direction = DirectionName(call.direction).empty() ? Direction::unknown : call.direction;
    row.has_payload = call.has_payload;
    row.state = call.state;
    for (int i = 0; i < call_column_count; ++i)
        if (columns.present[i])
            row.columns[i] = call.columns[i];
    return row;
}

void ExpectSame(const Call &a, const Call &b)
{
    EXPECT_EQ(a.status, b.status);
    EXPECT_EQ(DirectionName(a.direction), DirectionName(b.direction));
    EXPECT_TRUE(a.state == b.state);
    for (int i = 0; i < call_column_count; ++i) {
        EXPECT_EQ(a.columns[i].known, b.columns[i].known) << i;
        EXPECT_EQ(a.columns[i].number, b.columns[i].number) << i;
        EXPECT_EQ(a.columns[i].text, b.columns[i].text) << i;
    }
}

TEST(MergeEvent, GivesOneCallForEveryPartitionOfItsEvents)
{
    Streams streams(1);
    for (int i = 0; i < 20000; ++i) {
        const std::vector<CallEvent> events = streams.Next();
        CallColumns columns = AllColumns();
        for (int column = 0; column < call_column_count; ++column) {
            columns.present[column] = !streams.Chance(4);
            columns.id_kind[column] = streams.Chance(2) ? KeyKind::integer8 : KeyKind::text;
        }
        Call at_once, in_parts;
        std::size_t payload_at_once = 0, payload_in_parts = 0;
        for (std::size_t n = 0; n < events.size(); ++n) {
            if (MergeEvent(DefaultTransitionGraph(), columns, events[n], at_once).takes_payload)
                payload_at_once = n;
            if (MergeEvent(DefaultTransitionGraph(), columns, events[n], in_parts).takes_payload)
                payload_in_parts = n;
            if (streams.Chance(2))
                in_parts = WrittenAndReadAgain(in_parts, columns);
        }
        ExpectSame(at_once, in_parts);
        EXPECT_EQ(payload_at_once, payload_in_parts);
        ASSERT_FALSE(HasFailure()) << "stream " << i;
    }
}

// In any order: a second run over the same events changes nothing.
TEST(MergeEvent, ChangesNothingTheSecondTime)
{
    std::vector<CallEvent> events = {
        With(EventAt(1, "ringing"), Field::started_at, 1),
        With(EventAt(2, "active", Direction::unknown), Field::connected_at, 2),
        With(With(EventAt(4, "ended"), Field::ended_at, 4), Field::duration, 2),
        With(EventAt(5, {}, Direction::outbound), Field::recording_url, "https://example.com"),
        With(EventAt(5), Field::recording_url, "https://example.org"),
        With(EventAt(3, "voicemail"), Field::voicemail_url, "https://example.net"),
        Numbered(2, With(EventAt(1), Field::to_number, "two")),
        Numbered(1, With(EventAt(2, {}, Direction::outbound), Field::to_number, "one")),
    };
    std::vector<int> order = {0, 1, 2, 3, 4, 5, 6, 7};
    do {
        Call call;
        for (const int i : order)
            Apply(events[static_cast<std::size_t>(i)], call);
        for (const int i : order)
            EXPECT_NE(Apply(events[static_cast<std::size_t>(i)], call).merge, Merge::applied);
    } while (std::next_permutation(order.begin(), order.end()));
}

} // namespace
