// Where a UTF-8 text may be cut.
//
// Every function is defined for any bytes: a database in SQL_ASCII holds what it was given.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

// Characters (code points) of a text.
std::size_t CountCharacters(std::string_view text) noexcept;

// Bytes of the first `characters` of them; the whole size where there are no more.
std::size_t HeadBytes(std::string_view text, std::size_t characters) noexcept;

// The last place at or before `position` where a cut tears nothing apart: no accent from its letter, no emoji
// from its colour, no flag in two.
std::size_t CutPosition(std::string_view text, std::size_t position) noexcept;

// Where the last `characters` of a text start, never within such a unit.
std::size_t TailPosition(std::string_view text, std::size_t characters) noexcept;

} // namespace callhardening
