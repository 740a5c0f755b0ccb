// Finds social security numbers of the USA.
#pragma once

#include "core/detectors/detector.hpp"
#include "core/detectors/digit_groups.hpp"

#include <string_view>

namespace callhardening
{

// 123-45-6789: no area is 000, 666 or above 899, no group 00, no serial number 0000.
Detection FindSsn(const Groups &g, const NumberStart &start) noexcept;

} // namespace callhardening
