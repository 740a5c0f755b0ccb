// Tokens that show by their own form whose they are: ghp_..., AKIA..., hooks.slack.com/services/...
//
// A table of facts, as the vocabulary is. Each row has a marker, the letters around it and how many they are.
// A search costs the same for ten rows as for a thousand: a letter that no marker is looked up by is passed
// over, and two letters lead to the few rows that may be meant.
#pragma once

#include "core/base/core.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace callhardening
{

// Bytes [begin, end) of a text; empty where there is no token.
struct TokenSpan {
    std::size_t begin;
    std::size_t end;

    bool Found() const noexcept { return begin < end; }
};

// The letters that a marker is looked up by: elsewhere no search is needed.
inline constexpr std::string_view vendor_letters = "!$%-./:=ABFGJKSTVYZ_bpz|~";

// What of a letter tells whether a marker may be there: a bit for each of those.
struct VendorLetter {
    std::uint32_t is;     // the letter's own bit
    std::uint32_t before; // those that may be looked up behind it
    std::uint32_t behind; // those that a marker begins with, and that may be looked up before it
};
extern const std::array<VendorLetter, 256> vendor_letter;

// The token of a marker that is looked up at `i` by the letter there and the one before it, or, where it
// begins there, by that letter alone.
TokenSpan FindTokenByPair(std::string_view text, std::size_t i, std::size_t from) noexcept;
TokenSpan FindTokenByLetter(std::string_view text, std::size_t i, std::size_t from) noexcept;

// The token whose marker is looked up at `i`. Nothing of it stands before `from`. Nearly everywhere the
// letters beside it show that there is none.
inline TokenSpan FindVendorToken(std::string_view text, std::size_t i, std::size_t from) noexcept
{
    const auto at = [text](std::size_t k) { return vendor_letter[static_cast<unsigned char>(text[k])]; };
    if (i > from && (at(i).is & at(i - 1).before) != 0)
        if (const TokenSpan token = FindTokenByPair(text, i, from); token.Found())
            return token;
    if (i + 1 < text.size() && (at(i).is & at(i + 1).behind) != 0)
        return FindTokenByLetter(text, i, from);
    return {0, 0};
}

} // namespace callhardening
