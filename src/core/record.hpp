// The record of what was done to a payload: "_sanitized": {"n": [dropped, masked, truncated, shed], "p":
// "1:0f0f0f"}.
#pragma once

#include "core/token.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace callhardening
{

inline constexpr std::string_view record_member = "_sanitized";
inline constexpr std::size_t record_counts = 4;
inline constexpr std::uint32_t largest_count = 9999;

struct SanitizeCounts {
    std::uint32_t dropped;
    std::uint32_t masked;
    std::uint32_t truncated;
    std::uint32_t shed;
    std::uint32_t opened; // strings that were JSON; not in the record

    bool Any() const noexcept { return (dropped | masked | truncated | shed | opened) != 0; }
    SanitizeCounts &operator+=(const SanitizeCounts &other) noexcept;
    SanitizeCounts operator-(const SanitizeCounts &other) const noexcept;
};

// What the record says: the counts end at largest_count.
struct Record {
    std::uint32_t counts[record_counts];
    std::string_view policy; // "1:0f0f0f"
};

// The counts of a record, as they are written in it.
Record MakeRecord(const SanitizeCounts &counts, std::string_view policy) noexcept;

// True for the text of a policy in a record.
bool IsRecordedPolicy(std::string_view p) noexcept;

// False where a value is no record. Its numbers are texts.
bool ReadRecord(std::span<const Token> value, Record &record) noexcept;

// Puts the record into the root object that `tokens` is, in jsonb's order, in the place of a member of that
// name.
void WriteRecord(TokenList &tokens, const Record &record) noexcept;

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
