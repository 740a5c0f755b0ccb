// Finds card numbers: the beginnings that issuers use, the lengths of the brands, and a check digit.
#pragma once

#include "core/detectors/detector.hpp"
#include "core/detectors/digit_groups.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

inline constexpr std::size_t shortest_card = 13, longest_card = 19;

bool IsCardNumber(std::string_view digits) noexcept;

// False for an id or a time by the member's name, too.
bool IsCardByName(std::string_view digits, std::string_view name) noexcept;

// A number in one piece after a word for an id is an id, unless a word for a card follows.
Detection FindCard(const Groups &g, const NumberStart &start, std::size_t from) noexcept;

} // namespace callhardening
