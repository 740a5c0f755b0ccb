// Which status may follow which.
#pragma once

#include "core/base/core.hpp"
#include "core/words/status.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace callhardening
{

// A graph of statuses. Owns nothing outside itself and is trivially destructible, so glue may keep one in a
// memory context while PostgreSQL code runs.
class TransitionGraph
{
public:
    static constexpr int max_statuses = 64;
    static constexpr int max_status_bytes = 63;

    // Position of a status, exactly as written; -1 where the graph does not have it.
    constexpr int Find(std::string_view status) const noexcept
    {
        for (int i = 0; i < size_; ++i)
            if (Name(i) == status)
                return i;
        return -1;
    }
    // The same for a word that may differ in case, `-`, `_` and white space.
    int FindFolded(std::string_view word) const noexcept;

    constexpr int size() const noexcept { return size_; }
    constexpr std::string_view Name(int status) const noexcept { return {name_[status], length_[status]}; }
    constexpr const StatusFacts &Facts(int status) const noexcept { return *facts_[status]; }
    // Whether `next` is one of the statuses that follow `current`; the same status again is not in question
    // here.
    constexpr bool Allows(int current, int next) const noexcept { return (next_[current] >> next & 1) != 0; }
    constexpr bool IsTerminal(int status) const noexcept { return next_[status] == 0; }

    // Adds a status, or finds it. -1: the graph is full, or the name is empty or too long.
    constexpr int Add(std::string_view status) noexcept
    {
        const int known = Find(status);
        if (known >= 0)
            return known;
        if (status.empty() || status.size() > max_status_bytes || size_ == max_statuses)
            return -1;
        std::copy(status.begin(), status.end(), name_[size_]);
        length_[size_] = static_cast<unsigned char>(status.size());
        facts_[size_] = &FactsOfStatus(status);
        return size_++;
    }
    constexpr void Allow(int current, int next) noexcept { next_[current] |= std::uint64_t{1} << next; }

private:
    int size_ = 0;
    std::uint64_t next_[max_statuses] = {};
    const StatusFacts *facts_[max_statuses] = {}; // the names are compared when the graph is made
    unsigned char length_[max_statuses] = {};
    char name_[max_statuses][max_status_bytes] = {};
};

// The graph of a call unless a table brings its own.
const TransitionGraph &DefaultTransitionGraph() noexcept;

// What is wrong with a graph, and where: "transitions.ringing[1]", "must be a string". Both are
// NUL-terminated.
struct TransitionGraphError {
    bool out_of_memory;
    char place[128];
    char reason[160];
};

// A graph of one's own, from the text of a JSON document such as {"ringing": ["active", "on_hold"], ...}.
// A status that is only the target of others is terminal. False on failure, with `error` filled in; the
// place is empty only where memory ran out.
bool ParseTransitionGraph(std::string_view json, TransitionGraph &graph,
                          TransitionGraphError &error) noexcept;

// The rule of is_valid_status_transition.
bool IsValidTransition(const TransitionGraph &graph, OptionalText current, OptionalText next) noexcept;

} // namespace callhardening
