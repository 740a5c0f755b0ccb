// The direction of a call, as seen by the company that keeps the table.
#pragma once

#include "core/base/core.hpp"

#include <string_view>

namespace callhardening
{

enum class Direction : unsigned char {
    unknown, // the word is not in the vocabulary
    none,    // the provider uses the word, but not for a direction (a transfer, an internal call)
    inbound,
    outbound,
};

// The direction of `word` at `provider`. For an unknown provider, "" or a provider without a row for the
// word, it is the word's meaning elsewhere. Never allocates. Texts of any size are fine.
Direction NormalizeDirection(std::string_view word, std::string_view provider) noexcept;

// "inbound" or "outbound". Empty for the other two.
std::string_view DirectionName(Direction direction) noexcept;

} // namespace callhardening
