// Checks UTF-8 texts, and counts and cuts them by characters.
//
// Every function is defined for any bytes: a database in SQL_ASCII does not check its texts.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

// True for UTF-8 in PostgreSQL's sense, and for NUL: no surrogates and no overlong characters.
bool IsUtf8(std::string_view text) noexcept;

// Characters (code points) of a text.
std::size_t CountCharacters(std::string_view text) noexcept;

// Bytes of the first `characters` characters. The whole size if the text has no more.
std::size_t HeadBytes(std::string_view text, std::size_t characters) noexcept;

// The last position at or before `position` for a cut between two units. A unit is a letter with its
// accents, an emoji with its colour, or a flag.
std::size_t CutPosition(std::string_view text, std::size_t position) noexcept;

// The start of the last `characters` characters, moved to the end of a unit if it is inside one.
std::size_t TailPosition(std::string_view text, std::size_t characters) noexcept;

} // namespace callhardening
