// The record of what was done to a payload: "_sanitized": "4,3,1,0 1:0f0f0f".
//
// That is how many values were dropped, masked, truncated and shed, and the mark of the policy. A text and
// not an object, so that it takes at most 40 bytes of a stored document. Nothing but values that show that
// they were masked is no reason to make a document longer than it came.
#pragma once

#include "core/sanitizer/token.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace callhardening
{

inline constexpr std::string_view record_member = "_sanitized";
inline constexpr std::uint32_t largest_count = 99;    // stands for more, too
inline constexpr std::int32_t most_record_bytes = 40; // of a stored document
inline constexpr std::size_t small_document = 250;    // prints in no more bytes, and has a record in any case
inline constexpr std::uint32_t empty_member_bytes = 8; // stored, without its name

struct SanitizeCounts {
    std::uint32_t dropped;
    std::uint32_t masked;
    std::uint32_t truncated;
    std::uint32_t shed;
    std::uint32_t opened; // strings that were JSON; not in the record
    std::uint32_t empty;  // of those that were dropped: null and empty members, with what held nothing else
    std::uint32_t saved;  // bytes, by masks and empty members; with a sign, but wraps around without harm

    bool Any() const noexcept { return (dropped | masked | truncated | shed | opened) != 0; }
    // Something else was done than to drop empty members.
    bool AnyButEmpty() const noexcept { return dropped > empty || (masked | truncated | shed | opened) != 0; }
    // Less was saved than a record takes, and nothing was lost but what a reader sees at its place.
    bool LessThanRecord() const noexcept
    {
        return dropped == empty && (truncated | shed | opened) == 0 &&
               static_cast<std::int32_t>(saved) < most_record_bytes;
    }
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
