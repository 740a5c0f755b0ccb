#include "core/lanes/claim.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <vector>

using namespace callhardening;

namespace
{

constexpr std::int64_t second = 1'000'000;

// A claim of the events after {5, 1} up to {8, 4}, in the window of xids 3 to 9.
LaneRecord Range()
{
    LaneRecord claim;
    claim.record_no = 7;
    claim.state = RecordState::claimed;
    claim.position.window_snapshot = {10, 10, {}};
    claim.position.in_window = true;
    claim.position.read = {5, 1};
    claim.claim_id = 42;
    claim.to = {8, 4};
    claim.events = 3;
    return claim;
}

TEST(ClaimId, LeadsToItsLaneAndIsPositive)
{
    for (const int log : {1, max_consumer_id})
        for (const int lane : {0, 1, claim_id_lanes - 1})
            for (const std::int64_t record_no : {std::int64_t{1}, claim_id_records - 1}) {
                const std::int64_t id = MakeClaimId({log, lane, record_no}, ~std::uint64_t{0});
                ClaimAddress address;
                EXPECT_GT(id, 0);
                ASSERT_TRUE(ReadClaimId(id, address));
                EXPECT_EQ(address.consumer_id, log);
                EXPECT_EQ(address.lane, lane);
                EXPECT_EQ(address.record_no, record_no);
            }
}

TEST(ClaimId, KeepsTheLowBitsOfLargeNumbers)
{
    ClaimAddress address;
    ASSERT_TRUE(ReadClaimId(MakeClaimId({1, claim_id_lanes + 3, claim_id_records + 9}, 0), address));
    EXPECT_EQ(address.lane, 3);
    EXPECT_EQ(address.record_no, 9);
}

TEST(ClaimId, DiffersInItsRandomBitsWhereALaneIssuesTheSameNumberAgain)
{
    EXPECT_NE(MakeClaimId({1, 2, 3}, 17), MakeClaimId({1, 2, 3}, 18));
    EXPECT_NE(MakeClaimId({1, 2, 3}, 0), MakeClaimId({1, 2, 3}, 1 << 15)) << "16 bits at least";
}

TEST(ClaimId, RefusesNumbersThatAreNoClaimIds)
{
    ClaimAddress address;
    for (const std::int64_t id :
         {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()})
        EXPECT_FALSE(ReadClaimId(id, address));
}

TEST(PositionAfter, IsBehindTheRange)
{
    const LanePosition position = PositionAfter(Range());
    EXPECT_TRUE(position.in_window);
    EXPECT_EQ(position.read, (LogPosition{8, 4}));
    EXPECT_FALSE(position.has_redelivery);
}

TEST(IsSettled, IsTrueUpToTheLastSettledEvent)
{
    LanePosition position = Range().position; // reads xids below 10, done up to {5, 1}
    EXPECT_TRUE(IsSettled(position, {4, 9}));
    EXPECT_TRUE(IsSettled(position, {5, 1}));
    EXPECT_FALSE(IsSettled(position, {5, 2}));
    EXPECT_FALSE(IsSettled(position, {10, 0})) << "not in the window";
    CloseWindow(position);
    EXPECT_TRUE(IsSettled(position, {9, 9}));
    EXPECT_FALSE(IsSettled(position, {10, 0}));
}

TEST(PositionAfter, ClosesTheWindowAtItsEnd)
{
    LaneRecord claim = Range();
    claim.is_window_end = true;
    const LanePosition position = PositionAfter(claim);
    EXPECT_FALSE(position.in_window);
    EXPECT_EQ(position.done_snapshot.xmax, 10u);
    EXPECT_EQ(position.read, LogPosition{});
}

TEST(PositionAfter, StaysWhereItIsForARetry)
{
    LaneRecord claim = Range();
    claim.is_retry = claim.is_window_end = true;
    EXPECT_TRUE(PositionAfter(claim).in_window);
    EXPECT_EQ(PositionAfter(claim).read, (LogPosition{5, 1}));
    EXPECT_FALSE(PositionAfterLoss(claim).has_redelivery) << "its events are waiting, and known one by one";
    EXPECT_FALSE(IsLostForGood(claim));
}

TEST(PositionAfterRelease, DoesNotCount)
{
    LaneRecord claim = Range();
    claim.position = PositionAfterRelease(claim);
    EXPECT_EQ(claim.position.read, (LogPosition{5, 1}));
    EXPECT_EQ(claim.position.redelivered_to, (LogPosition{8, 4}))
        << "some of its events may have been waiting";
    EXPECT_EQ(claim.position.NextAttempt(), 1);
    EXPECT_EQ(PositionAfterRelease(claim).NextAttempt(), 1);
}

TEST(WithoutMarks, IsDoneWithTheTransactionsOfAWindowThatHasReachedTheMarks)
{
    LanePosition position = Range().position;
    position.window_snapshot = {no_xid_end, no_xid_end, {}};
    position.has_redelivery = true;
    position.redelivered_to = {RestoreMark(1), 4};
    const LanePosition before = WithoutMarks(position);
    EXPECT_TRUE(before.in_window);
    EXPECT_EQ(before.read, position.read);
    EXPECT_EQ(before.window_snapshot.xmax, first_restore_mark);
    EXPECT_FALSE(before.has_redelivery);

    position.read = {RestoreMark(1), 3};
    const LanePosition behind = WithoutMarks(position);
    EXPECT_FALSE(behind.in_window);
    EXPECT_EQ(behind.done_snapshot.xmax, first_restore_mark);
}

// Events of a lane, and which of their transactions were open at two moments.
struct RandomLane {
    static constexpr std::uint64_t last_xid = 40;

    explicit RandomLane(std::mt19937 &random)
    {
        const std::uint64_t next = 3 + random() % (last_xid - 3), later_next = next + random() % 8;
        for (std::uint64_t xid = 3; xid < later_next; ++xid) {
            if (xid < next && random() % 4 == 0)
                open.push_back(xid);
            if ((xid >= next || std::ranges::binary_search(open, xid)) && random() % 2 == 0)
                open_later.push_back(xid);
            for (std::uint64_t i = random() % 3; i > 0; --i)
                events.push_back({xid, static_cast<std::int64_t>(random() % 1000)});
        }
        now = {open.empty() ? next : open.front(), next, open};
        later = {open_later.empty() ? later_next : open_later.front(), later_next, open_later};
    }
    std::vector<std::uint64_t> open, open_later;
    std::vector<LogPosition> events;
    XidSnapshot now, later;
};

// How often each event is read: up to the end of the position's window, and then up to the later snapshot.
std::map<LogPosition, int> ReadOn(LanePosition position, const RandomLane &lane)
{
    std::map<LogPosition, int> times;
    const auto read = [&](const XidSnapshot &done, const XidSnapshot &end, const LogPosition &behind) {
        std::vector<XidRange> ranges(done.in_progress.size() + end.in_progress.size() + 1);
        ranges.resize(WindowRanges(done, end, ranges));
        for (const LogPosition &event : lane.events)
            for (const XidRange &range : ranges)
                times[event] += event > behind && event.xid >= range.first && event.xid < range.end;
    };
    if (position.in_window) {
        read(position.done_snapshot, position.window_snapshot, position.read);
        CloseWindow(position);
    }
    read(position.done_snapshot, lane.later, {});
    return times;
}

// An event that the first snapshot shows comes if it is not before the first one. All others come as soon as
// they are visible.
int TimesFrom(const LogPosition &first, const LogPosition &event, const RandomLane &lane)
{
    return lane.now.Sees(event.xid) ? event >= first : lane.later.Sees(event.xid);
}

TEST(PositionFrom, GivesTheEventsFromTheFirstOneAndAllLaterCommitsOnce)
{
    std::mt19937 random(7);
    for (int round = 0; round < 500; ++round) {
        const RandomLane lane(random);
        std::vector<LogPosition> firsts{{1, 1}};
        std::ranges::copy_if(lane.events, std::back_inserter(firsts),
                             [&](const LogPosition &event) { return lane.now.Sees(event.xid); });
        for (const LogPosition &first : firsts) {
            const LanePosition position = PositionFrom(lane.now, first);
            auto times = ReadOn(position, lane);
            for (const LogPosition &event : lane.events) {
                ASSERT_EQ(times[event] > 0, TimesFrom(first, event, lane) > 0)
                    << event.xid << "," << event.seq << " from " << first.xid << "," << first.seq;
                ASSERT_LE(times[event], std::ranges::count(lane.events, event));
                ASSERT_EQ(IsSettled(position, event), lane.now.Sees(event.xid) && event < first);
            }
        }
    }
}

TEST(PositionFrom, HasSnapshotsThatADumpCanKeep)
{
    const std::uint64_t open[] = {5, 9, 12};
    for (const std::uint64_t xid : {1, 3, 6, 8, 10, 11, 13}) {
        const XidSnapshot done = PositionFrom({5, 14, open}, {xid, 1}).done_snapshot;
        EXPECT_LE(done.xmin, done.xmax) << xid;
        for (const std::uint64_t id : done.in_progress)
            EXPECT_TRUE(id >= done.xmin && id < done.xmax) << xid;
    }
}

TEST(PositionAfterLoss, ReadsTheRangeASecondTimeAndThenPassesIt)
{
    LaneRecord claim = Range();
    EXPECT_FALSE(IsLostForGood(claim));
    claim.position = PositionAfterLoss(claim);
    EXPECT_EQ(claim.position.read, (LogPosition{5, 1}));
    EXPECT_EQ(claim.position.NextAttempt(), 2);
    EXPECT_TRUE(IsLostForGood(claim));
    EXPECT_EQ(PositionAfterLoss(claim).read, (LogPosition{8, 4}));
}

TEST(PositionAfterLoss, KeepsTheOldEndWhereAPartIsClaimedAgain)
{
    LaneRecord claim = Range();
    claim.position = PositionAfterLoss(claim);
    claim.to = {6, 2};
    const LanePosition rest = PositionAfter(claim);
    EXPECT_EQ(rest.read, (LogPosition{6, 2}));
    EXPECT_EQ(rest.redelivered_to, (LogPosition{8, 4}));
    EXPECT_EQ(rest.NextAttempt(), 2) << "they were handed out once";
    claim.to = {8, 4};
    EXPECT_FALSE(PositionAfter(claim).has_redelivery);
    EXPECT_EQ(PositionAfter(claim).NextAttempt(), 1);
}

TEST(PositionAfterLoss, DoesNotCountForTheRestOfAReleasedRange)
{
    LaneRecord claim = Range();
    claim.position = PositionAfterRelease(claim);
    claim.to = {6, 2};
    EXPECT_TRUE(IsLostForGood(claim)) << "its events are known one by one from now on";
    const LanePosition rest = PositionAfterLoss(claim);
    EXPECT_EQ(rest.read, (LogPosition{6, 2}));
    EXPECT_EQ(rest.redelivered_to, (LogPosition{8, 4}));
    EXPECT_EQ(rest.NextAttempt(), 1);
}

TEST(IsOver, AtTheEndOfTheLeaseAndWhenTheClockWasSetBack)
{
    LaneRecord claim = Range();
    claim.claimed_at = 1000 * second;
    claim.lease_end = 1030 * second;
    EXPECT_FALSE(claim.IsOver(1000 * second));
    EXPECT_FALSE(claim.IsOver(1030 * second - 1));
    EXPECT_TRUE(claim.IsOver(1030 * second));
    EXPECT_FALSE(claim.IsOver(990 * second)) << "clocks are corrected by seconds all the time";
    EXPECT_TRUE(claim.IsOver(500 * second)) << "and would else be closed for 530 seconds";
}

TEST(Backoff, DoublesUpToItsCap)
{
    EXPECT_EQ(Backoff(1, second, 60 * second, 1.0), second);
    EXPECT_EQ(Backoff(2, second, 60 * second, 1.0), 2 * second);
    EXPECT_EQ(Backoff(5, second, 60 * second, 1.0), 16 * second);
    EXPECT_EQ(Backoff(7, second, 60 * second, 1.0), 60 * second);
}

TEST(Backoff, IsRandomFromZeroToItsLimit)
{
    EXPECT_EQ(Backoff(3, second, 60 * second, 0.0), 0);
    EXPECT_EQ(Backoff(3, second, 60 * second, 0.5), 2 * second);
}

TEST(Backoff, SurvivesAnyNumberOfAttempts)
{
    for (const int attempts : {0, -1, 64, 1000, std::numeric_limits<int>::max()}) {
        const std::int64_t wait = Backoff(attempts, second, 900 * second, 1.0);
        EXPECT_GE(wait, 0) << attempts;
        EXPECT_LE(wait, 900 * second) << attempts;
    }
    EXPECT_EQ(Backoff(1000, 0, 900 * second, 1.0), 0);
}

} // namespace
