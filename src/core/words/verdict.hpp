// Decides about a status written to a call.
#pragma once

#include "core/words/transition.hpp"

#include <string_view>

namespace callhardening
{

enum class StatusVerdict : unsigned char {
    unknown_word, // not in the graph, and the vocabulary does not know it or means a status outside the graph
    no_status,    // NULL, blank, or a known word without a status
    same,         // the call's current status
    valid,
    refused, // the graph does not allow it
};

struct StatusDecision {
    StatusVerdict verdict;
    int next; // the position of the new status in the graph; -1 for unknown_word and no_status
};

// Decides about `word` for a call with the status `current`. NULL: a new call. A word of the graph, exact or
// folded, comes before the provider's meaning of the word.
StatusDecision DecideStatus(const TransitionGraph &graph, OptionalText current, std::string_view word,
                            std::string_view provider) noexcept;

// True for a value that a direction column may hold, apart from NULL.
bool IsCanonicalDirection(std::string_view direction) noexcept;

// False for a forbidden change of a direction: to an unknown word, or from a known one to NULL. `current` is
// NULL for a new call.
bool IsValidDirectionChange(OptionalText current, OptionalText next) noexcept;

} // namespace callhardening
