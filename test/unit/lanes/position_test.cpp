#include "core/lanes/position.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace callhardening;

namespace
{

// A snapshot with its own ids, from PostgreSQL's text: xmin:xmax:xids
struct OwnedSnapshot {
    explicit OwnedSnapshot(const std::string &text)
    {
        std::istringstream in(text);
        char colon;
        in >> snapshot.xmin >> colon >> snapshot.xmax >> colon;
        for (std::uint64_t xid; in >> xid; in >> colon)
            ids.push_back(xid);
        snapshot.in_progress = ids;
    }
    std::vector<std::uint64_t> ids;
    XidSnapshot snapshot;
};

std::string Print(const XidSnapshot &snapshot)
{
    std::string text = std::to_string(snapshot.xmin) + ":" + std::to_string(snapshot.xmax) + ":";
    for (const std::uint64_t xid : snapshot.in_progress)
        text += (text.back() == ':' ? "" : ",") + std::to_string(xid);
    return text;
}

std::string WithOwn(const std::string &text, std::uint64_t own)
{
    const OwnedSnapshot others(text);
    std::vector<std::uint64_t> room(others.ids.size() + 1);
    return Print(WithOwnXid(others.snapshot, own, room));
}

std::vector<XidRange> Ranges(const std::string &done, const std::string &current)
{
    const OwnedSnapshot older(done), newer(current);
    std::vector<XidRange> ranges(older.ids.size() + newer.ids.size() + 1);
    ranges.resize(WindowRanges(older.snapshot, newer.snapshot, ranges));
    return ranges;
}

TEST(LaneOf, IsStoredSoItNeverChanges)
{
    EXPECT_EQ(LaneOf("5780678246121472", 64), 50);
    EXPECT_EQ(LaneOf("call-1", 64), 43);
    EXPECT_EQ(LaneOf("", 1), 0);
}

TEST(LaneOf, SpreadsConsecutiveIds)
{
    std::array<int, 64> events{};
    for (int id = 0; id < 64000; ++id)
        ++events[static_cast<std::size_t>(LaneOf(std::to_string(5780678246121472 + id), 64))];
    for (const int count : events) {
        EXPECT_GT(count, 800);
        EXPECT_LT(count, 1200);
    }
}

TEST(NoLane, HasOneReasonForEachNumberDown)
{
    int lane = 0;
    for (const no_lane::Reason &reason : no_lane::reasons) {
        EXPECT_EQ(reason.lane, --lane) << reason.word;
        EXPECT_EQ(no_lane::FindReason(lane), &reason) << reason.word;
        EXPECT_EQ(no_lane::FindReason(reason.word), &reason) << reason.word;
    }
    EXPECT_EQ(lane, no_lane::ignored);
    EXPECT_EQ(no_lane::FindReason(lane - 1), nullptr);
    EXPECT_EQ(no_lane::FindReason(0), nullptr);
    EXPECT_EQ(no_lane::FindReason("none"), nullptr);
}

TEST(XidSnapshot, SeesEndedTransactions)
{
    const OwnedSnapshot busy("10:20:10,14,18");
    EXPECT_TRUE(busy.snapshot.Sees(9));
    EXPECT_FALSE(busy.snapshot.Sees(14));
    EXPECT_TRUE(busy.snapshot.Sees(19));
    EXPECT_FALSE(busy.snapshot.Sees(20));
}

TEST(RestoreMark, IsBehindAllTransactionsAndBeforeTheEnd)
{
    for (const std::uint64_t hash : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
        EXPECT_GE(RestoreMark(hash), first_restore_mark);
        EXPECT_LT(RestoreMark(hash), no_xid_end);
        EXPECT_NE(static_cast<std::uint32_t>(RestoreMark(hash)), 0u) << "pg_snapshot would not take it";
    }
    EXPECT_NE(RestoreMark(2), RestoreMark(4));
}

TEST(WithoutMarks, KeepsWhatASnapshotSaysOfTransactions)
{
    const std::uint64_t ids[] = {5, 9, RestoreMark(1), RestoreMark(3)};
    const XidSnapshot cut = WithoutMarks({5, no_xid_end, ids});
    EXPECT_TRUE(cut.Sees(4));
    EXPECT_FALSE(cut.Sees(9));
    EXPECT_TRUE(cut.Sees(first_restore_mark - 1));
    EXPECT_FALSE(cut.Sees(RestoreMark(7)));
    EXPECT_EQ(cut.in_progress.size(), 2u);
    EXPECT_EQ(Print(WithoutMarks({5, 12, std::span(ids).first(2)})), "5:12:5,9");
}

TEST(WithOwnXid, CountsItsOwnTransactionAsInProgress)
{
    EXPECT_EQ(WithOwn("10:20:14", 0), "10:20:14");
    EXPECT_EQ(WithOwn("10:20:14", 12), "10:20:12,14");
    EXPECT_EQ(WithOwn("10:20:14", 16), "10:20:14,16");
    EXPECT_EQ(WithOwn("10:20:14", 14), "10:20:14");
    EXPECT_EQ(WithOwn("10:20:14", 20), "10:20:14") << "not seen anyway";
    EXPECT_EQ(WithOwn("20:20:", 5), "5:20:5");
}

TEST(RangeFrom, FindsTheFirstRangeThatEndsAfterTheTransaction)
{
    const XidRange ranges[] = {{5, 6}, {10, 20}};
    EXPECT_EQ(RangeFrom(ranges, 0), 0u);
    EXPECT_EQ(RangeFrom(ranges, 5), 0u);
    EXPECT_EQ(RangeFrom(ranges, 6), 1u);
    EXPECT_EQ(RangeFrom(ranges, 19), 1u);
    EXPECT_EQ(RangeFrom(ranges, 20), 2u);
    EXPECT_EQ(RangeFrom({}, 0), 0u);
}

TEST(WindowRanges, SkipsOpenTransactions)
{
    const auto ranges = Ranges("10:20:12,15", "12:30:12,22,23");
    ASSERT_EQ(ranges.size(), 3u);
    EXPECT_EQ(ranges[0].first, 15u);
    EXPECT_EQ(ranges[0].end, 16u);
    EXPECT_EQ(ranges[1].first, 20u);
    EXPECT_EQ(ranges[1].end, 22u);
    EXPECT_EQ(ranges[2].first, 24u);
    EXPECT_EQ(ranges[2].end, 30u);
}

TEST(WindowRanges, IsEmptyWhereNothingEnded)
{
    EXPECT_TRUE(Ranges("10:20:12,15", "10:20:12,15").empty());
    EXPECT_TRUE(Ranges("10:20:", "10:21:20").empty());
}

std::string SnapshotOf(const std::set<std::uint64_t> &open, std::uint64_t xmax)
{
    std::string text = std::to_string(open.empty() ? xmax : *open.begin()) + ":" + std::to_string(xmax);
    char separator = ':';
    for (const std::uint64_t xid : open) {
        text += separator + std::to_string(xid);
        separator = ',';
    }
    return separator == ':' ? text + ":" : text;
}

// Transactions begin and end at random. Each ended one must be in exactly one of the windows between the
// snapshots.
TEST(WindowRanges, ShowsEveryTransactionOnce)
{
    std::mt19937 random(1);
    for (int round = 0; round < 50; ++round) {
        std::set<std::uint64_t> open;
        std::uint64_t next = 3;
        std::string done = "3:3:";
        std::vector<int> seen(400, 0);
        const auto look = [&] {
            const std::string current = SnapshotOf(open, next);
            for (const XidRange &range : Ranges(done, current))
                for (std::uint64_t xid = range.first; xid < range.end; ++xid)
                    ++seen[xid];
            done = current;
        };
        while (next < 300) {
            if (random() % 3 != 0)
                open.insert(next++);
            else if (!open.empty())
                open.erase(std::next(open.begin(), static_cast<long>(random() % open.size())));
            if (random() % 10 == 0)
                look();
        }
        open.clear();
        look();
        for (std::uint64_t xid = 3; xid < next; ++xid)
            ASSERT_EQ(seen[xid], 1) << "xid " << xid << " in round " << round;
    }
}

} // namespace
