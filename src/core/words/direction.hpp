// Direction of a call, seen from the company that keeps the table.
#pragma once

#include "core/base/core.hpp"

#include <string_view>

namespace callhardening
{

enum class Direction : unsigned char {
    unknown, // the word is not in the vocabulary
    none,    // a word that the provider does use, but not for a direction (a transfer, an internal call)
    inbound,
    outbound,
};

// The direction that `word` stands for at `provider`. A provider without a row for the word, an unknown
// one and "" give the meaning that the word has elsewhere. Never allocates, any size is fine.
Direction NormalizeDirection(std::string_view word, std::string_view provider) noexcept;

// "inbound" or "outbound"; empty for the other two.
std::string_view DirectionName(Direction direction) noexcept;

} // namespace callhardening
