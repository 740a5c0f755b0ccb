// What is wrong with a row of calls that was written before there were rules, and what it should say.
#pragma once

#include "core/words/transition.hpp"

#include <string_view>

namespace callhardening
{

enum class WordFault : unsigned char {
    none,       // a canonical word, or NULL
    repairable, // another spelling of a canonical word, or a provider's word for it
    unknown,    // anything else: what it should have been is not known, so it is nobody's to change
};

struct WordRepair {
    WordFault fault;
    std::string_view word; // the canonical word; empty where the fault is unknown, or the word was NULL
};

// As the trigger takes the words of a new row, but in silence.
WordRepair RepairStatus(const TransitionGraph &graph, OptionalText status,
                        std::string_view provider) noexcept;
WordRepair RepairDirection(OptionalText direction, std::string_view provider) noexcept;

} // namespace callhardening
