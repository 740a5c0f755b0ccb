#include "core/record.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace callhardening
{

SanitizeCounts &SanitizeCounts::operator+=(const SanitizeCounts &other) noexcept
{
    dropped += other.dropped;
    masked += other.masked;
    truncated += other.truncated;
    shed += other.shed;
    opened += other.opened;
    return *this;
}

SanitizeCounts SanitizeCounts::operator-(const SanitizeCounts &other) const noexcept
{
    return {dropped - other.dropped, masked - other.masked, truncated - other.truncated, shed - other.shed,
            opened - other.opened};
}

Record MakeRecord(const SanitizeCounts &counts, std::string_view policy) noexcept
{
    return {{std::min(counts.dropped, largest_count), std::min(counts.masked, largest_count),
             std::min(counts.truncated, largest_count), std::min(counts.shed, largest_count)},
            policy};
}

bool IsRecordedPolicy(std::string_view p) noexcept
{
    if (p.size() != 8 || !IsAsciiDigit(p[0]) || p[1] != ':')
        return false;
    return std::all_of(p.begin() + 2, p.end(),
                       [](char c) { return IsAsciiDigit(c) || (c >= 'a' && c <= 'f'); });
}

namespace
{

// Where the member is, or would be: the members of the root stand in jsonb's order.
TokenRange FindPlace(std::span<const Token> tokens) noexcept
{
    std::uint32_t i = 1;
    while (i < tokens.size() && tokens[i].kind == TokenKind::key) {
        const int order = CompareNames(tokens[i].text(), record_member);
        if (order == 0)
            return {i, ValueEnd(tokens, i)};
        if (order > 0)
            break;
        i = ValueEnd(tokens, i);
    }
    return {i, i};
}

} // namespace

TokenRange FindRecord(std::span<const Token> tokens) noexcept
{
    return tokens.empty() || tokens[0].kind != TokenKind::object_begin ? TokenRange{0, 0} : FindPlace(tokens);
}

bool ReadRecord(std::span<const Token> value, Record &record) noexcept
{
    constexpr std::size_t tokens = 7 + record_counts;
    if (value.size() != tokens || value[1].kind != TokenKind::key || value[1].text() != "n" ||
        value[2].kind != TokenKind::array_begin || value[tokens - 3].kind != TokenKind::key ||
        value[tokens - 3].text() != "p" || value[tokens - 2].kind != TokenKind::string)
        return false;
    for (std::size_t i = 0; i < record_counts; ++i) {
        const Token &count = value[3 + i];
        if (count.kind != TokenKind::number_text || count.data == nullptr)
            return false;
        const auto [end, error] = std::from_chars(count.data, count.data + count.size, record.counts[i]);
        if (error != std::errc{} || end != count.data + count.size || record.counts[i] > largest_count)
            return false;
    }
    record.policy = value[tokens - 2].text();
    return IsRecordedPolicy(record.policy);
}

void WriteRecord(TokenList &tokens, const Record &record) noexcept
{
    const TokenRange place = FindPlace(tokens.all());
    std::memmove(tokens.data() + place.begin, tokens.data() + place.end,
                 (tokens.size() - place.end) * sizeof(Token));
    const std::uint32_t end = tokens.size() - (place.end - place.begin);
    tokens.Truncate(end);
    tokens.Push(TokenKind::key, record_member);
    tokens.Push(TokenKind::object_begin);
    tokens.Push(TokenKind::key, "n");
    tokens.Push(TokenKind::array_begin);
    for (const std::uint32_t count : record.counts)
        tokens.PushCount(count);
    tokens.Push(TokenKind::array_end);
    tokens.Push(TokenKind::key, "p");
    tokens.Push(TokenKind::string, record.policy);
    tokens.Push(TokenKind::object_end);
    std::rotate(tokens.data() + place.begin, tokens.data() + end, tokens.data() + tokens.size());
}

} // namespace callhardening
