// Numbers of JSON as jsonb prints them.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

// Numbers that print longer than this become a summary.
inline constexpr std::size_t longest_number = 40;

struct PrintedNumber {
    std::string_view text; // empty where it would be longer than longest_number
    std::size_t length;
};

// `number` is one of JSON's, its exponent fits into an int. The result refers to it or, where it prints
// differently, to `room`.
PrintedNumber PrintNumber(std::string_view number, char (&room)[longest_number]) noexcept;

} // namespace callhardening
