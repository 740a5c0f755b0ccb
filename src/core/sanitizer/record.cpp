#include "core/sanitizer/record.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <initializer_list>

namespace callhardening
{

SanitizeCounts &SanitizeCounts::operator+=(const SanitizeCounts &other) noexcept
{
    dropped += other.dropped;
    masked += other.masked;
    truncated += other.truncated;
    shed += other.shed;
    opened += other.opened;
    empty += other.empty;
    saved += other.saved;
    return *this;
}

SanitizeCounts SanitizeCounts::operator-(const SanitizeCounts &other) const noexcept
{
    return {dropped - other.dropped, masked - other.masked, truncated - other.truncated, shed - other.shed,
            opened - other.opened,   empty - other.empty,   saved - other.saved};
}

namespace
{

constexpr std::size_t record_counts = 4;
constexpr std::size_t policy_size = 8;
constexpr std::size_t longest_record = record_counts * sizeof("99") - 1 + sizeof(" ") - 1 + policy_size;

// The mark of a policy: 1:0f0f0f.
bool IsPolicyMark(std::string_view text) noexcept
{
    if (text.size() != policy_size || !IsAsciiDigit(text[0]) || text[1] != ':')
        return false;
    return std::all_of(text.begin() + 2, text.end(),
                       [](char c) { return IsAsciiDigit(c) || (c >= 'a' && c <= 'f'); });
}

// The size of the count at the start of a text: one digit, or two without a leading zero. 0: no count.
std::size_t CountSize(std::string_view text) noexcept
{
    if (text.empty() || !IsAsciiDigit(text[0]))
        return 0;
    return text[0] != '0' && text.size() > 1 && IsAsciiDigit(text[1]) ? 2 : 1;
}

} // namespace

std::string_view MakeRecord(const SanitizeCounts &counts, std::string_view policy, Arena &arena) noexcept
{
    char *const record = arena.AllocateText(longest_record);
    if (record == nullptr)
        return {};
    char *end = record;
    for (const std::uint32_t count : {counts.dropped, counts.masked, counts.truncated, counts.shed}) {
        end = std::to_chars(end, record + longest_record, std::min(count, largest_count)).ptr;
        *end++ = ',';
    }
    end[-1] = ' ';
    end = std::copy(policy.begin(), policy.end(), end);
    return {record, static_cast<std::size_t>(end - record)};
}

bool IsRecord(std::string_view text) noexcept
{
    for (std::size_t i = 1; i <= record_counts; ++i) {
        const std::size_t size = CountSize(text);
        if (size == 0 || size == text.size() || text[size] != (i < record_counts ? ',' : ' '))
            return false;
        text.remove_prefix(size + 1);
    }
    return IsPolicyMark(text);
}

namespace
{

// The position of the member, or of its insertion. The members of the root are in jsonb's order.
TokenRange FindPosition(std::span<const Token> tokens) noexcept
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
    return tokens.empty() || tokens[0].kind != TokenKind::object_begin ? TokenRange{0, 0}
                                                                       : FindPosition(tokens);
}

void WriteRecord(TokenList &tokens, std::string_view record) noexcept
{
    const TokenRange found = FindPosition(tokens.all());
    std::memmove(tokens.data() + found.begin, tokens.data() + found.end,
                 (tokens.size() - found.end) * sizeof(Token));
    const std::uint32_t end = tokens.size() - (found.end - found.begin);
    tokens.Truncate(end);
    tokens.Push(TokenKind::key, record_member);
    tokens.Push(TokenKind::string, record);
    std::rotate(tokens.data() + found.begin, tokens.data() + end, tokens.data() + tokens.size());
}

} // namespace callhardening
