#include "core/sanitizer/token.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace callhardening
{

std::uint32_t ValueEnd(std::span<const Token> tokens, std::uint32_t i) noexcept
{
    if (i < tokens.size() && tokens[i].kind == TokenKind::key)
        ++i;
    for (std::uint32_t depth = 0; i < tokens.size(); ++i) {
        depth += IsBegin(tokens[i].kind) ? 1 : 0;
        depth -= IsEnd(tokens[i].kind) ? 1 : 0;
        if (depth == 0)
            return i + 1;
    }
    return i;
}

void TokenList::PushCount(std::uint32_t count) noexcept
{
    constexpr std::size_t most_digits = 10;
    char *digits = arena_.AllocateText(most_digits);
    if (digits == nullptr)
        return;
    const char *end = std::to_chars(digits, digits + most_digits, count).ptr;
    Push(TokenKind::number_text, {digits, static_cast<std::size_t>(end - digits)});
}

void TokenList::PushSummary(ValueType type, std::size_t length, RuleIndex rule) noexcept
{
    Push({nullptr, 1, TokenKind::object_begin, rule});
    Push(TokenKind::key, "type");
    Push(TokenKind::string, NameOf(type));
    Push(TokenKind::key, "length");
    PushCount(static_cast<std::uint32_t>(std::min<std::size_t>(length, largest_length)));
    Push(TokenKind::object_end);
}

bool TokenList::Grow() noexcept
{
    constexpr std::uint32_t first = 128;
    if (capacity_ > std::numeric_limits<std::uint32_t>::max() / 2)
        arena_.Fail();
    const std::uint32_t capacity = capacity_ == 0 ? first : capacity_ * 2;
    Token *larger = arena_.Enlarge(tokens_, size_, capacity);
    if (larger == nullptr)
        return false;
    tokens_ = larger;
    capacity_ = capacity;
    return true;
}

} // namespace callhardening
