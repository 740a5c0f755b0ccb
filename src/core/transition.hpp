// Which status may follow which.
#pragma once

#include "core/core.hpp"

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
    int Find(std::string_view status) const noexcept;
    // The same for a word that may differ in case, `-`, `_` and white space.
    int FindFolded(std::string_view word) const noexcept;

    int size() const noexcept { return size_; }
    std::string_view Name(int status) const noexcept;
    bool Allows(int current, int next) const noexcept { return (next_[current] >> next & 1) != 0; }
    bool IsTerminal(int status) const noexcept { return next_[status] == 0; }

    // Adds a status, or finds it. -1: the graph is full, or the name is empty or too long.
    int Add(std::string_view status) noexcept;
    void Allow(int current, int next) noexcept { next_[current] |= std::uint64_t{1} << next; }

private:
    int size_ = 0;
    std::uint64_t next_[max_statuses] = {};
    unsigned char length_[max_statuses] = {};
    char name_[max_statuses][max_status_bytes] = {};
};

// The graph of a call unless a table brings its own.
const TransitionGraph &DefaultTransitionGraph() noexcept;

// A graph of one's own, from the text of a JSON document such as {"ringing": ["active", "on_hold"], ...}.
// On failure returns false, and `place` and `reason` say what is wrong where ("transitions.ringing[1]",
// "must be a string"); both are NUL-terminated and never longer than their arrays.
struct TransitionGraphError {
    char place[128];
    char reason[128];
};
bool ParseTransitionGraph(std::string_view json, TransitionGraph &graph, TransitionGraphError &error) noexcept;

// The rule of is_valid_status_transition. `data() == nullptr` stands for NULL.
bool IsValidTransition(const TransitionGraph &graph, std::string_view current, std::string_view next) noexcept;

} // namespace callhardening
