// The record of the sanitizer's actions on a payload: "_sanitized": "4,3,1,0 1:0f0f0f".
//
// It counts dropped, masked, truncated and shed values, and names the policy. It is a text and not an object,
// so it takes at most 40 bytes of a stored document. Visible masks alone need no record: it could make the
// document longer than the original.
#pragma once

#include "core/sanitizer/token.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace callhardening
{

inline constexpr std::string_view record_member = "_sanitized";
inline constexpr std::uint32_t largest_count = 99;     // also stands for every higher count
inline constexpr std::int32_t most_record_bytes = 40;  // of a stored document
inline constexpr std::size_t small_document = 250;     // prints in at most this: always gets a record
inline constexpr std::uint32_t empty_member_bytes = 8; // stored, without its name

struct SanitizeCounts {
    std::uint32_t dropped;
    std::uint32_t masked;
    std::uint32_t truncated;
    std::uint32_t shed;
    std::uint32_t opened; // strings that were JSON; not in the record
    std::uint32_t empty;  // of the dropped: null and empty members, and those with nothing else in them
    std::uint32_t saved;  // bytes, by masks and empty members; signed, and wraparound does no harm

    bool Any() const noexcept { return (dropped | masked | truncated | shed | opened) != 0; }
    // Something else than dropping empty members was done.
    bool AnyButEmpty() const noexcept { return dropped > empty || (masked | truncated | shed | opened) != 0; }
    // The savings are smaller than a record, and every loss is visible where it happened.
    bool LessThanRecord() const noexcept
    {
        return dropped == empty && (truncated | shed | opened) == 0 &&
               static_cast<std::int32_t>(saved) < most_record_bytes;
    }
    SanitizeCounts &operator+=(const SanitizeCounts &other) noexcept;
    SanitizeCounts operator-(const SanitizeCounts &other) const noexcept;
};

// Empty if there is no memory.
std::string_view MakeRecord(const SanitizeCounts &counts, std::string_view policy, Arena &arena) noexcept;

// True if MakeRecord may have made the text.
bool IsRecord(std::string_view text) noexcept;

// Inserts the record into the root object `tokens`, in jsonb's order. It replaces a member of its name.
void WriteRecord(TokenList &tokens, std::string_view record) noexcept;

// The tokens [begin, end) of the record of a root object. Empty range: it has none.
struct TokenRange {
    std::uint32_t begin, end;
};
TokenRange FindRecord(std::span<const Token> tokens) noexcept;

// Negative, 0 or positive, as `a` stands before, with or after `b` in jsonb: shorter names first.
inline int CompareNames(std::string_view a, std::string_view b) noexcept
{
    if (a.size() != b.size())
        return a.size() < b.size() ? -1 : 1;
    return a.compare(b);
}

} // namespace callhardening
