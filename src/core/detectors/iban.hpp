// Finds international bank account numbers.
#pragma once

#include "core/detectors/detector.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

// `i` is at the check digits, after the country. The number is in one piece or in groups of four.
Detection FindIban(std::string_view text, std::size_t i, std::size_t from) noexcept;

} // namespace callhardening
