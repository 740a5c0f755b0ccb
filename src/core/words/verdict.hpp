// What becomes of a status that is written to a call.
#pragma once

#include "core/words/transition.hpp"

#include <string_view>

namespace callhardening
{

enum class StatusVerdict : unsigned char {
    unknown_word, // no word of the graph, and the vocabulary does not know it or means a status outside the
                  // graph
    no_status,    // NULL, blank, or a known word that says nothing about the status
    same,         // the status that the call has
    legal,
    refused, // the graph does not allow it
};

struct StatusDecision {
    StatusVerdict verdict;
    int next; // the position of the new status in the graph; -1 for unknown_word and no_status
};

// Decides on `word` for a call whose status is `current`; for a new call that is NULL. A word of the graph,
// exact or folded, goes before the provider's meaning of it.
StatusDecision DecideStatus(const TransitionGraph &graph, OptionalText current, std::string_view word,
                            std::string_view provider) noexcept;

// True for what a direction column may hold, apart from NULL.
bool IsCanonicalDirection(std::string_view direction) noexcept;

// False for a change of a direction that no writer may make: to an unknown word, or from a known one to NULL.
// For a new call `current` is NULL.
bool IsValidDirectionChange(OptionalText current, OptionalText next) noexcept;

} // namespace callhardening
