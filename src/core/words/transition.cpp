#include "core/words/transition.hpp"

#include "core/base/text.hpp"
#include "core/json/json_parser.hpp"
#include "core/words/status.hpp"

#include <cstdio>
#include <string>

namespace callhardening
{

namespace
{

constexpr TransitionGraph MakeDefaultGraph() noexcept
{
    TransitionGraph graph;
    for (const StatusFacts &facts : status_facts)
        graph.Add(facts.name);
    for (const StatusFacts &from : status_facts)
        for (const StatusFacts &to : status_facts)
            if ((from.next & SetOf(to.status)) != 0)
                graph.Allow(graph.Find(from.name), graph.Find(to.name));
    return graph;
}

constexpr TransitionGraph default_graph = MakeDefaultGraph();

// Reads a graph token by token and stops at the first one that does not belong there. So it keeps nothing,
// and any depth of the input is fine.
class GraphReader final : public JsonListener
{
public:
    GraphReader(TransitionGraph &graph, TransitionGraphError &error) noexcept : graph_(graph), error_(error)
    {
    }

    bool Null() override { return Misplaced(); }
    bool Boolean(bool) override { return Misplaced(); }
    bool Whole(std::uint64_t) override { return Misplaced(); }
    bool Negative(std::int64_t) override { return Misplaced(); }
    bool Fraction() override { return Misplaced(); }

    bool StartObject() override
    {
        if (depth_ != 0)
            return Misplaced();
        depth_ = 1;
        return true;
    }

    bool Key(std::string &status) override
    {
        current_ = -1;
        current_ = AddStatus(status);
        return current_ >= 0;
    }

    bool StartArray() override
    {
        if (depth_ != 1)
            return Misplaced();
        depth_ = 2;
        target_ = 0;
        return true;
    }

    bool String(std::string &status) override
    {
        if (depth_ != 2)
            return Misplaced();
        const int next = AddStatus(status);
        if (next < 0)
            return false;
        if (graph_.Allows(current_, next))
            return Wrong("must not be listed twice");
        // The same status again is always allowed, so it must not make a terminal status non-terminal.
        if (next != current_)
            graph_.Allow(current_, next);
        ++target_;
        return true;
    }

    bool EndArray() override
    {
        depth_ = 1;
        return true;
    }

    bool EndObject() override
    {
        depth_ = 0;
        return graph_.size() > 0 || Wrong("must have at least one status");
    }

    // A number such as 1e400 is valid JSON. It is a misplaced number all the same.
    void Mistake(bool is_overflow) noexcept override
    {
        if (is_overflow)
            Misplaced();
        else
            Wrong("is not JSON in UTF-8");
    }

private:
    bool Misplaced() noexcept
    {
        if (depth_ == 0)
            return Wrong("must be an object with an array of next statuses for each status");
        return Wrong(depth_ == 1 ? "must be an array of statuses" : "must be a string");
    }

    // -1: `status` cannot be one, and the error is set.
    int AddStatus(std::string_view status) noexcept
    {
        if (IsBlank(status))
            Wrong("must have a letter or digit");
        else if (status.size() > TransitionGraph::max_status_bytes)
            Wrong("must have at most 63 bytes");
        else if (graph_.Find(status) < 0 && graph_.FindFolded(status) >= 0)
            Wrong("must differ from other statuses in more than case, -, _ or white space");
        else if (const int added = graph_.Add(status); added >= 0)
            return added;
        else
            Wrong("is one status more than the limit of 64");
        return -1;
    }

    bool Wrong(const char *reason) noexcept
    {
        std::snprintf(error_.reason, sizeof error_.reason, "%s", reason);
        if (depth_ == 0)
            std::snprintf(error_.field, sizeof error_.field, "transitions");
        else if (current_ < 0)
            std::snprintf(error_.field, sizeof error_.field, "a key of transitions");
        else if (const std::string_view name = graph_.Name(current_); depth_ == 1)
            std::snprintf(error_.field, sizeof error_.field, "transitions.%.*s",
                          static_cast<int>(name.size()), name.data());
        else
            std::snprintf(error_.field, sizeof error_.field, "transitions.%.*s[%d]",
                          static_cast<int>(name.size()), name.data(), target_);
        return false;
    }

    TransitionGraph &graph_;
    TransitionGraphError &error_;
    int depth_ = 0;    // 1 in the object, 2 in the array of a status
    int current_ = -1; // the status of the array being read; -1 while its name is checked
    int target_ = 0;   // the number of targets read so far
};

static_assert(TransitionGraph::max_status_bytes == 63 && TransitionGraph::max_statuses == 64,
              "the messages of AddStatus name the limits");

} // namespace

int TransitionGraph::FindFolded(std::string_view word) const noexcept
{
    for (int i = 0; i < size_; ++i)
        if (EqualFolded(Name(i), word))
            return i;
    return -1;
}

const TransitionGraph &DefaultTransitionGraph() noexcept
{
    return default_graph;
}

bool ParseTransitionGraph(std::string_view json, TransitionGraph &graph, TransitionGraphError &error) noexcept
{
    graph = TransitionGraph{};
    error = TransitionGraphError{};
    try {
        GraphReader reader(graph, error);
        return ParseJson(json, reader);
    } catch (...) {
        error.out_of_memory = true;
        return false;
    }
}

bool IsValidTransition(const TransitionGraph &graph, OptionalText current, OptionalText next) noexcept
{
    if (current == next)
        return true;
    const int to = next ? graph.Find(*next) : -1;
    if (to < 0)
        return false;
    const int from = current ? graph.Find(*current) : -1;
    return from < 0 || graph.Allows(from, to);
}

} // namespace callhardening
