// Finds addresses of the internet, of both versions.
#pragma once

#include "core/detectors/detector.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

// The end of four numbers of 0 to 255 without leading zeros. `begin`: none.
std::size_t Ipv4End(std::string_view text, std::size_t begin) noexcept;

// The address around the digits [i, digits_end). It does not begin before `from`.
Detection FindIp(std::string_view text, std::size_t i, std::size_t digits_end, std::size_t from) noexcept;

} // namespace callhardening
