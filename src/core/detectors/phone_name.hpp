// Finds out by a member's name whether its value is a phone number.
#pragma once

#include "core/base/core.hpp"

#include <string_view>

namespace callhardening
{

enum class PhoneName : unsigned char {
    none,
    doubtful, // `from` may begin a span of time, `customer_number` may be an account's number
    sure,
};

// Uses a grammar: the parties of a call and the words for a number, then a modifier or a number.
PhoneName ClassifyPhoneName(std::string_view name) noexcept;

// A time in seconds or milliseconds begins with 1 (until 2033). No phone number of ten or thirteen digits
// does. Digits with signs between them are no time but may be a date.
bool IsPhoneByName(std::string_view text, std::string_view name) noexcept;

} // namespace callhardening
