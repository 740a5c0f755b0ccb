// Names of members that say that their value is a phone number.
#pragma once

#include "core/base/core.hpp"

#include <string_view>

namespace callhardening
{

enum class PhoneName : unsigned char {
    none,
    doubtful, // `from` may be the begin of a span of time, `customer_number` the number of an account
    sure,
};

// By a grammar: the parties of a call and the words for a number, with a modifier or a number behind them.
PhoneName ClassifyPhoneName(std::string_view name) noexcept;

} // namespace callhardening
