// The allowed changes of a status.
#pragma once

#include "core/base/core.hpp"
#include "core/words/status.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace callhardening
{

// A graph of statuses. It owns nothing outside itself and is trivially destructible, so glue may keep one in
// a memory context while PostgreSQL code runs.
class TransitionGraph
{
public:
    static constexpr int max_statuses = 64;
    static constexpr int max_status_bytes = 63;

    // The position of a status in its exact spelling. -1: the graph does not have it.
    constexpr int Find(std::string_view status) const noexcept
    {
        for (int i = 0; i < size_; ++i)
            if (Name(i) == status)
                return i;
        return -1;
    }
    // The same for a word in another case, or with other `-`, `_` and white space.
    int FindFolded(std::string_view word) const noexcept;

    constexpr int size() const noexcept { return size_; }
    constexpr std::string_view Name(int status) const noexcept { return {name_[status], length_[status]}; }
    constexpr const StatusFacts &Facts(int status) const noexcept { return *facts_[status]; }
    // True if `next` may follow `current`. It is not asked about the same status.
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
    const StatusFacts *facts_[max_statuses] = {}; // so names are compared only when the graph is made
    unsigned char length_[max_statuses] = {};
    char name_[max_statuses][max_status_bytes] = {};
};

// The graph of a call, unless a table brings its own.
const TransitionGraph &DefaultTransitionGraph() noexcept;

// The mistake in a graph: "transitions.ringing[1]", "must be a string". Both are NUL-terminated.
struct TransitionGraphError {
    bool out_of_memory;
    char field[128];
    char reason[160];
};

// Reads the user's own graph from a JSON document such as {"ringing": ["active", "on_hold"], ...}. A status
// without a key is terminal. false: `error` says why. The field is empty only if memory ran out.
bool ParseTransitionGraph(std::string_view json, TransitionGraph &graph,
                          TransitionGraphError &error) noexcept;

// The rule of is_valid_status_transition.
bool IsValidTransition(const TransitionGraph &graph, OptionalText current, OptionalText next) noexcept;

} // namespace callhardening
