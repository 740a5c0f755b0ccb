// Numbers of JSON as jsonb prints them.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace callhardening
{

// Longer numbers become a summary.
inline constexpr std::size_t longest_number = 40;

struct PrintedNumber {
    std::string_view text; // empty if it would be longer than the room
    std::size_t length;
};

// `number` is a number of JSON with an exponent that fits into an int. The result refers to it, or to `room`
// if jsonb prints the number differently.
PrintedNumber PrintNumber(std::string_view number, std::span<char> room) noexcept;

} // namespace callhardening
