#include "core/words/verdict.hpp"

#include <gtest/gtest.h>

using namespace callhardening;

namespace
{

constexpr OptionalText null;

// The verdict, and the status of the word in the graph ("" for none).
void Expect(const TransitionGraph &graph, OptionalText current, OptionalText word, std::string_view provider,
            StatusVerdict verdict, std::string_view next)
{
    const StatusDecision decision = DecideStatus(graph, current, word.value_or(std::string_view{}), provider);
    EXPECT_EQ(decision.verdict, verdict) << current.value_or("NULL") << " to " << word.value_or("NULL");
    EXPECT_EQ(decision.next < 0 ? std::string_view{} : graph.Name(decision.next), next)
        << current.value_or("NULL") << " to " << word.value_or("NULL");
}

TransitionGraph Parsed(std::string_view json)
{
    TransitionGraph graph;
    TransitionGraphError error;
    EXPECT_TRUE(ParseTransitionGraph(json, graph, error)) << error.field << ": " << error.reason;
    return graph;
}

} // namespace

TEST(Verdict, AgreesWithTheRuleForEveryPair)
{
    const TransitionGraph &graph = DefaultTransitionGraph();
    for (int current = 0; current < graph.size(); ++current) {
        for (int next = 0; next < graph.size(); ++next) {
            const StatusVerdict verdict = current == next ? StatusVerdict::same
                                          : IsValidTransition(graph, graph.Name(current), graph.Name(next))
                                              ? StatusVerdict::valid
                                              : StatusVerdict::refused;
            Expect(graph, graph.Name(current), graph.Name(next), "", verdict, graph.Name(next));
        }
    }
}

TEST(Verdict, WordsOfProviders)
{
    const TransitionGraph &graph = DefaultTransitionGraph();
    Expect(graph, "ringing", "In-Progress", "", StatusVerdict::valid, "active");
    Expect(graph, "ended", "calling", "dialpad", StatusVerdict::refused, "ringing");
    Expect(graph, "ended", "hangup", "dialpad", StatusVerdict::same, "ended");
    Expect(graph, "missed", "hangup", "ringcentral", StatusVerdict::same, "missed");
    Expect(graph, "ringing", "hangup", "ringcentral", StatusVerdict::valid, "missed");
}

TEST(Verdict, WordsThatAreNoStatus)
{
    const TransitionGraph &graph = DefaultTransitionGraph();
    Expect(graph, "ended", null, "", StatusVerdict::no_status, "");
    Expect(graph, "ended", "", "", StatusVerdict::no_status, "");
    Expect(graph, "ended", " -_", "", StatusVerdict::no_status, "");
    Expect(graph, "ended", "recap_summary", "dialpad", StatusVerdict::no_status, "");
    Expect(graph, "ended", "jumping", "", StatusVerdict::unknown_word, "");
    Expect(graph, null, "jumping", "", StatusVerdict::unknown_word, "");
}

TEST(Verdict, NoCurrentStatusOrAnOldWord)
{
    const TransitionGraph &graph = DefaultTransitionGraph();
    Expect(graph, null, "ended", "", StatusVerdict::valid, "ended");
    Expect(graph, "Completed", "ringing", "", StatusVerdict::valid, "ringing");
    Expect(graph, "", "ringing", "", StatusVerdict::valid, "ringing");
    // This word is not in the graph, so its row may be repaired with it.
    Expect(graph, "ENDED", "ended", "", StatusVerdict::valid, "ended");
}

TEST(Verdict, OwnGraph)
{
    const TransitionGraph graph = Parsed(R"({"Ringing": ["recording", "Ended"], "recording": ["Ended"]})");
    // A word of the graph comes before its meaning in the vocabulary. There a recording is no status.
    Expect(graph, "Ringing", "recording", "dialpad", StatusVerdict::valid, "recording");
    Expect(graph, "recording", "RINGING", "", StatusVerdict::refused, "Ringing");
    Expect(graph, "recording", "hangup", "dialpad", StatusVerdict::valid, "Ended");
    // The vocabulary knows the word, but this graph has no such status.
    Expect(graph, "Ringing", "voicemail", "dialpad", StatusVerdict::unknown_word, "");
}

TEST(Verdict, CanonicalDirections)
{
    EXPECT_TRUE(IsCanonicalDirection("inbound"));
    EXPECT_TRUE(IsCanonicalDirection("outbound"));
    for (std::string_view other :
         {std::string_view{}, std::string_view{""}, std::string_view{"Inbound"}, std::string_view{"in"}})
        EXPECT_FALSE(IsCanonicalDirection(other)) << other;
}
