#include "core/words/repair.hpp"

#include <gtest/gtest.h>

using namespace callhardening;

namespace
{

constexpr OptionalText null;

void ExpectStatus(OptionalText status, std::string_view provider, WordFault fault, std::string_view word)
{
    const WordRepair repair = RepairStatus(DefaultTransitionGraph(), status, provider);
    EXPECT_EQ(repair.fault, fault) << status.value_or("NULL");
    EXPECT_EQ(repair.word, word) << status.value_or("NULL");
}

void ExpectDirection(OptionalText direction, WordFault fault, std::string_view word)
{
    const WordRepair repair = RepairDirection(direction, "");
    EXPECT_EQ(repair.fault, fault) << direction.value_or("NULL");
    EXPECT_EQ(repair.word, word) << direction.value_or("NULL");
}

} // namespace

TEST(Repair, Statuses)
{
    ExpectStatus("ended", "", WordFault::none, "ended");
    ExpectStatus(null, "", WordFault::none, "");
    ExpectStatus("Ended", "", WordFault::repairable, "ended");
    ExpectStatus(" ended", "", WordFault::repairable, "ended");
    ExpectStatus("completed", "", WordFault::repairable, "ended");
    ExpectStatus("hangup", "ringcentral", WordFault::repairable, "missed");
    ExpectStatus("", "", WordFault::unknown, "");
    ExpectStatus("recording", "", WordFault::unknown, "");
    ExpectStatus("jumping", "", WordFault::unknown, "");
}

TEST(Repair, StatusesOfAnotherGraph)
{
    TransitionGraph graph;
    TransitionGraphError error;
    ASSERT_TRUE(ParseTransitionGraph(R"({"Ringing": ["recording"]})", graph, error));
    EXPECT_EQ(RepairStatus(graph, "Ringing", "").fault, WordFault::none);
    EXPECT_EQ(RepairStatus(graph, "ringing", "").word, "Ringing");
    EXPECT_EQ(RepairStatus(graph, "calling", "dialpad").word, "Ringing");
    EXPECT_EQ(RepairStatus(graph, "recording", "").fault, WordFault::none);
    EXPECT_EQ(RepairStatus(graph, "completed", "").fault, WordFault::unknown);
}

TEST(Repair, Directions)
{
    ExpectDirection("inbound", WordFault::none, "inbound");
    ExpectDirection(null, WordFault::none, "");
    ExpectDirection("Incoming", WordFault::repairable, "inbound");
    ExpectDirection("OUT", WordFault::repairable, "outbound");
    ExpectDirection("transfer", WordFault::unknown, "");
    ExpectDirection("", WordFault::unknown, "");
    ExpectDirection("sideways", WordFault::unknown, "");
}
