// The record of what was done to a payload: "_sanitized": "4,3,1,0 1:0f0f0f".
//
// That is how many values were dropped, masked, truncated and shed, and the mark of the policy. A text and
// not an object, so that it takes at most 40 bytes of a stored document.
#pragma once

#include "core/sanitizer/token.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace callhardening
{

inline constexpr std::string_view record_member = "_sanitized";
inline constexpr std::uint32_t largest_count = 99; // stands for more, too

struct SanitizeCounts {
    std::uint32_t dropped;
    std::uint32_t masked;
    std::uint32_t truncated;
    std::uint32_t shed;
    std::uint32_t opened; // strings that were JSON; not in the record
    std::uint32_t empty;  // of those that were dropped: null and empty members, with what held nothing else

    bool Any() const noexcept { return (dropped | masked | truncated | shed | opened) != 0; }
    // Something else was done than to drop empty members.
    bool AnyButEmpty() const noexcept { return dropped > empty || (masked | truncated | shed | opened) != 0; }
    SanitizeCounts &operator+=(const SanitizeCounts &other) noexcept;
    SanitizeCounts operator-(const SanitizeCounts &other) const noexcept;
};

// Empty where there is no memory.
std::string_view MakeRecord(const SanitizeCounts &counts, std::string_view policy, Arena &arena) noexcept;

// True for what MakeRecord may have made.
bool IsRecord(std::string_view text) noexcept;

// Puts the record into the root object that `tokens` is, in jsonb's order, in the place of a member of that
// name.
void WriteRecord(TokenList &tokens, std::string_view record) noexcept;

// The tokens [begin, end) of the record of a root object; an empty range where there is none.
struct TokenRange {
    std::uint32_t begin, end;
};
TokenRange FindRecord(std::span<const Token> tokens) noexcept;

// <0, 0, >0 as `a` stands before, with or after `b` in jsonb: shorter names first.
inline int CompareNames(std::string_view a, std::string_view b) noexcept
{
    if (a.size() != b.size())
        return a.size() < b.size() ? -1 : 1;
    return a.compare(b);
}

} // namespace callhardening
