// The faults in a row of calls from a time without rules, and their repair.
#pragma once

#include "core/words/transition.hpp"

#include <string_view>

namespace callhardening
{

enum class WordFault : unsigned char {
    none,       // a canonical word, or NULL
    repairable, // another spelling of a canonical word, or a provider's word for it
    unknown,    // anything else: nobody knows the right word, so nobody may change it
};

struct WordRepair {
    WordFault fault;
    std::string_view word; // the canonical word; empty if the fault is unknown, or the word was NULL
};

// Like the trigger for words of a new row, but without a warning.
WordRepair RepairStatus(const TransitionGraph &graph, OptionalText status,
                        std::string_view provider) noexcept;
WordRepair RepairDirection(OptionalText direction, std::string_view provider) noexcept;

} // namespace callhardening
