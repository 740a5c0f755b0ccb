// Tokens with the form of a vendor: ghp_..., AKIA..., hooks.slack.com/services/...
//
// A table of facts, like the vocabulary. Each row has a marker, the letters around it and their number. A
// search costs the same for ten rows as for a thousand. It skips letters that no marker is looked up by, and
// two letters lead to the few possible rows.
#pragma once

#include "core/base/core.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace callhardening
{

// Bytes [begin, end) of a text. Empty: no token.
struct TokenSpan {
    std::size_t begin;
    std::size_t end;

    bool Found() const noexcept { return begin < end; }
};

// The letters for looking up a marker. Other letters need no search.
inline constexpr std::string_view vendor_letters = "!$%-./:=ABFGJKSTVYZ_bpz|~";

// Tells by the letter beside it whether a letter may belong to a marker. It has one bit for each vendor
// letter.
struct VendorLetter {
    std::uint32_t is;     // the letter's own bit
    std::uint32_t before; // letters looked up after this one
    std::uint32_t behind; // letters at the start of a marker, looked up before this one
};
extern const std::array<VendorLetter, 256> vendor_letter;

// The token of a marker at `i`. ByPair looks it up by the letter there and the one before. ByLetter looks it
// up by the letter alone, if the marker begins there.
TokenSpan FindTokenByPair(std::string_view text, std::size_t i, std::size_t from) noexcept;
TokenSpan FindTokenByLetter(std::string_view text, std::size_t i, std::size_t from) noexcept;

// The token of a marker looked up at `i`. It begins at or after `from`. Nearly everywhere the letters beside
// `i` exclude a token.
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
