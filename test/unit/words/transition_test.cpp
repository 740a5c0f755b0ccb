#include "core/words/transition.hpp"

#include <string>

#include <gtest/gtest.h>

using namespace callhardening;

namespace
{

constexpr OptionalText null;

// The mistake as "field: reason"; empty for a valid graph.
std::string Mistake(std::string_view json)
{
    TransitionGraph graph;
    TransitionGraphError error;
    if (ParseTransitionGraph(json, graph, error))
        return {};
    return std::string(error.field) + ": " + error.reason;
}

TransitionGraph Parsed(std::string_view json)
{
    TransitionGraph graph;
    TransitionGraphError error;
    EXPECT_TRUE(ParseTransitionGraph(json, graph, error)) << error.field << ": " << error.reason;
    return graph;
}

std::string Statuses(int first, int last)
{
    std::string list;
    for (int i = first; i <= last; ++i)
        list += (i > first ? ",\"s" : "\"s") + std::to_string(i) + '"';
    return list;
}

} // namespace

TEST(Transition, DefaultGraphHasSevenEdges)
{
    const TransitionGraph &graph = DefaultTransitionGraph();
    ASSERT_EQ(graph.size(), 6);
    std::string edges;
    for (int current = 0; current < graph.size(); ++current)
        for (int next = 0; next < graph.size(); ++next)
            if (graph.Allows(current, next))
                edges += std::string(graph.Name(current)) + '>' + std::string(graph.Name(next)) + ' ';
    EXPECT_EQ(edges, "ringing>active ringing>ended ringing>missed ringing>rejected ringing>voicemail "
                     "active>ended active>voicemail ");
    for (const char *word : {"ended", "missed", "rejected", "voicemail"})
        EXPECT_TRUE(graph.IsTerminal(graph.Find(word))) << word;
    EXPECT_FALSE(graph.IsTerminal(graph.Find("active")));
}

TEST(Transition, NullAndWordsOutsideTheGraph)
{
    const TransitionGraph &graph = DefaultTransitionGraph();
    EXPECT_TRUE(IsValidTransition(graph, null, null));
    EXPECT_TRUE(IsValidTransition(graph, null, "ended"));
    EXPECT_FALSE(IsValidTransition(graph, "ended", null));
    EXPECT_FALSE(IsValidTransition(graph, null, "completed"));
    EXPECT_TRUE(IsValidTransition(graph, "completed", "ringing"));
    EXPECT_TRUE(IsValidTransition(graph, "completed", "completed"));
    EXPECT_FALSE(IsValidTransition(graph, "completed", null));
    // An empty word is not NULL.
    EXPECT_FALSE(IsValidTransition(graph, null, ""));
    EXPECT_FALSE(IsValidTransition(graph, "", null));
    EXPECT_TRUE(IsValidTransition(graph, "", ""));
}

TEST(Transition, FoldedWordsAreFoundByTheFoldedLookUpOnly)
{
    const TransitionGraph graph = Parsed(R"({"on_hold": ["Ended"]})");
    EXPECT_EQ(graph.Find("On Hold"), -1);
    EXPECT_EQ(graph.FindFolded("On Hold"), graph.Find("on_hold"));
    EXPECT_EQ(graph.FindFolded("ended"), graph.Find("Ended"));
    EXPECT_EQ(graph.FindFolded(""), -1);
}

TEST(Transition, OwnGraph)
{
    const TransitionGraph graph = Parsed(R"({"a": ["b", "c"], "b": ["b"]})");
    EXPECT_TRUE(IsValidTransition(graph, "a", "b"));
    EXPECT_TRUE(IsValidTransition(graph, "b", "b"));
    EXPECT_TRUE(graph.IsTerminal(graph.Find("b")));
    EXPECT_TRUE(graph.IsTerminal(graph.Find("c")));
    EXPECT_FALSE(IsValidTransition(graph, "b", "a"));
    EXPECT_TRUE(IsValidTransition(graph, "ringing", "a"));
    EXPECT_FALSE(IsValidTransition(graph, "a", "ringing"));
}

TEST(Transition, Limits)
{
    EXPECT_EQ(Parsed("{\"s1\": [" + Statuses(2, 64) + "]}").size(), 64);
    EXPECT_EQ(Mistake("{\"s1\": [" + Statuses(2, 65) + "]}"),
              "transitions.s1[63]: is one status more than the limit of 64");
    const std::string longest(TransitionGraph::max_status_bytes, 'x');
    EXPECT_EQ(Parsed("{\"" + longest + "\": []}").Name(0), longest);
    EXPECT_EQ(Mistake("{\"" + longest + "x\": []}"), "a key of transitions: must have at most 63 bytes");
    // The longest field and the longest number of a target fit.
    EXPECT_EQ(Mistake("{\"" + longest + "\": [" + Statuses(1, 63) + ", 1]}"),
              "transitions." + longest + "[63]: must be a string");
}

TEST(Transition, Mistakes)
{
    EXPECT_EQ(Mistake(R"([])"),
              "transitions: must be an object with an array of next statuses for each status");
    EXPECT_EQ(Mistake(R"({})"), "transitions: must have at least one status");
    EXPECT_EQ(Mistake(R"({"a": 1})"), "transitions.a: must be an array of statuses");
    EXPECT_EQ(Mistake(R"({"a": ["b", 1]})"), "transitions.a[1]: must be a string");
    EXPECT_EQ(Mistake(R"({"a": ["b", -1e400]})"), "transitions.a[1]: must be a string");
    EXPECT_EQ(Mistake(R"({"a": ["b", "b"]})"), "transitions.a[1]: must not be listed twice");
    EXPECT_EQ(Mistake(R"({"a": ["b"], " ": []})"), "a key of transitions: must have a letter or digit");
    EXPECT_EQ(Mistake(R"({"a": ["A"]})"),
              "transitions.a[0]: must differ from other statuses in more than case, -, _ or white space");
}

TEST(Transition, RefusesGraphsThatAreNoJson)
{
    EXPECT_EQ(Mistake(""), "transitions: is not JSON in UTF-8");
    EXPECT_EQ(Mistake(R"({"a": ["b"])"), "transitions.a: is not JSON in UTF-8");
    EXPECT_EQ(Mistake("{\"a\": [\"\xff\"]}"), "transitions.a[0]: is not JSON in UTF-8");
    EXPECT_EQ(Mistake("{\"a\": " + std::string(1000000, '[')), "transitions.a[0]: must be a string");
}
