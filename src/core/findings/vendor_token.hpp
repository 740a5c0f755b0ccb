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

// The token whose marker has its rarest letter at `i`. Nothing of it stands before `from`.
TokenSpan FindVendorToken(std::string_view text, std::size_t i, std::size_t from) noexcept;

// The letters that a marker is looked up by: elsewhere no search is needed.
inline constexpr std::string_view vendor_letters = "!$%-./:=ABFGJKSTVYZ_bpz|~";

// For each of them a bit for each letter that has to stand before it, or, where a marker begins with it,
// behind it.
struct VendorNeighbours {
    std::uint64_t before[2];
    std::uint64_t behind[2];
};
extern const std::array<VendorNeighbours, 256> vendor_neighbours;

// False where FindVendorToken would find nothing at `i`, which is nearly everywhere.
inline bool MayBeVendorToken(std::string_view text, std::size_t i) noexcept
{
    const auto has = [](const std::uint64_t(&set)[2], char c) {
        const auto letter = static_cast<unsigned char>(c);
        return letter < 128 && (set[letter / 64] >> letter % 64 & 1) != 0;
    };
    const VendorNeighbours &here = vendor_neighbours[static_cast<unsigned char>(text[i])];
    return (i > 0 && has(here.before, text[i - 1])) || (i + 1 < text.size() && has(here.behind, text[i + 1]));
}

} // namespace callhardening
