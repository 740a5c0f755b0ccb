// Finds phone numbers by their form: international, of North America, and of countries with a leading zero.
#pragma once

#include "core/detectors/detector.hpp"
#include "core/detectors/digit_groups.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

// The number of groups from the first one on. `from` is the end of the finding before.
Detection FindPhone(const Groups &g, const NumberStart &start, std::size_t from) noexcept;

// The number at `i` that omits the part that it shares with the finding before, up to `from`:
// 415-555-0100/555-0101.
Detection FindSharing(std::string_view text, std::size_t i, std::size_t from) noexcept;

} // namespace callhardening
