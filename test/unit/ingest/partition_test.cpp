#include "core/ingest/partition.hpp"
#include "core/json/json_scan.hpp"
#include "core/lanes/position.hpp"
#include "core/providers/built_in_shapes.hpp"

#include "test/unit/sanitize.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

using namespace callhardening;
using test::Heap;

namespace
{

std::string CallId(const std::string &body, const std::string &provider = "dialpad",
                   KeyKind key = KeyKind::integer8)
{
    Arena arena(Heap::Allocate);
    return std::string(CallIdOfBody(body, *BuiltInShape(provider), key, arena, no_interrupt));
}

int Partition(const std::string &body, int partitions)
{
    Arena arena(Heap::Allocate);
    return PartitionOfBody(body, {BuiltInShape("dialpad"), KeyKind::integer8, partitions}, arena,
                           no_interrupt);
}

TEST(PartitionOf, IsPublishedSoItNeverChanges)
{
    EXPECT_EQ(PartitionOf("5780678246121472", 65536), 30813);
    EXPECT_EQ(PartitionOf("call-1", 65536), 52145);
    EXPECT_EQ(PartitionOf("", 65536), 63148);
    EXPECT_EQ(PartitionOf("7", 1), 0);
}

TEST(PartitionOf, SplitsEachPartitionWhenTheyDouble)
{
    for (int call = 0; call < 1000; ++call)
        for (int partitions = 1; partitions <= max_partitions / 2; partitions = partitions * 2 + call % 2) {
            const std::string id = std::to_string(call);
            const int before = PartitionOf(id, partitions), after = PartitionOf(id, 2 * partitions);
            EXPECT_TRUE(after == before || after == before + partitions) << id;
        }
}

// By the same bits as the lane, the calls of one of 64 partitions would be in one lane.
TEST(PartitionOf, LeavesAllLanesToAPartition)
{
    std::map<int, std::set<int>> lanes;
    std::map<int, int> calls;
    for (int call = 0; call < 128 * 1000; ++call) {
        const std::string id = std::to_string(5000000000000000 + call);
        const int partition = PartitionOf(id, 64);
        lanes[partition].insert(LaneOf(id, 64));
        ++calls[partition];
    }
    ASSERT_EQ(lanes.size(), 64);
    for (const auto &[partition, used] : lanes) {
        EXPECT_EQ(used.size(), 64) << partition;
        EXPECT_NEAR(calls[partition], 2000, 250);
    }
}

TEST(CallIdOfBody, ReadsEachFormThatALogTakes)
{
    EXPECT_EQ(CallId(R"({"call_id": 7})"), "7");
    EXPECT_EQ(CallId(" \n{\"call_id\": \"007\"}\n"), "7");
    EXPECT_EQ(CallId("\xef\xbb\xbf{\"call_id\": 7.0}"), "7");
    EXPECT_EQ(CallId(R"({"data": {"call": {"id": 7}}})"), "7");
    EXPECT_EQ(CallId("CallSid=CA7&CallStatus=busy", "twilio", KeyKind::text), "CA7");
    EXPECT_EQ(CallId("\r\n CallSid=CA7&CallStatus=busy \r\n", "twilio", KeyKind::text), "CA7");
    EXPECT_EQ(CallId(R"("CallSid=CA7&CallStatus=busy")", "twilio", KeyKind::text), "CA7");
    EXPECT_EQ(CallId("e30.eyJjYWxsX2lkIjogN30.AAAA"), "7");
    EXPECT_EQ(CallId(" e30.eyJjYWxsX2lkIjogN30.AAAA\n"), "7");
}

TEST(CallIdOfBody, SpellsItAsTheKey)
{
    EXPECT_EQ(CallId(R"({"call_id": "00123"})"), "123");
    EXPECT_EQ(CallId(R"({"call_id": "00123"})", "dialpad", KeyKind::text), "00123");
    EXPECT_EQ(CallId(R"({"call_id": " abc "})", "dialpad", KeyKind::text), "abc");
    EXPECT_EQ(CallId(R"({"call_id": "abc"})"), "");
    EXPECT_EQ(CallId(R"({"call_id": 9223372036854775808})"), "");
}

TEST(CallIdOfBody, IsEmptyForAllOtherBodies)
{
    for (const char *body : {"", " ", "7", "null", "[]", "[7]", "{}", R"({"call_id": null})",
                             R"({"call_id": {}})", "\"x\"", "a.b.c", "..", "a=1&b=2", "%", "{", "\xff\xfe"})
        EXPECT_EQ(CallId(body), "") << body;
    EXPECT_EQ(CallId("{\"call_id\": \"" + std::string(256, 'a') + "\"}", "dialpad", KeyKind::text), "");
}

TEST(PartitionOfBody, TakesTheBytesOfABodyWithoutACall)
{
    const std::string bytes("\0\xff{", 3);
    EXPECT_EQ(Partition(bytes, 65536), PartitionOf(bytes, 65536));
    EXPECT_EQ(Partition("", 65536), PartitionOf("", 65536));
    EXPECT_EQ(Partition(R"({"call_id": "7"})", 65536), PartitionOf("7", 65536));
}

TEST(PartitionOfBody, SaysThatThereIsNoMemory)
{
    for (const char *body :
         {"CallSid=CA7&CallStatus=busy", R"({"call_id": "\u0037"})", "e30.eyJjYWxsX2lkIjogN30.AAAA"}) {
        Heap::left = 0;
        Arena arena(Heap::Allocate);
        PartitionOfBody(body, {BuiltInShape("dialpad"), KeyKind::integer8, 4}, arena, no_interrupt);
        Heap::left = -1;
        EXPECT_TRUE(arena.failed()) << body;
    }
}

} // namespace
