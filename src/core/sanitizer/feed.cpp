#include "core/sanitizer/feed.hpp"

namespace callhardening
{

namespace
{

// The children of the container that begins at `begin`.
std::size_t CountChildren(std::span<const Token> tokens, std::uint32_t begin) noexcept
{
    std::size_t count = 0;
    for (std::uint32_t i = begin + 1; !IsEnd(tokens[i].kind); i = ValueEnd(tokens, i))
        ++count;
    return count;
}

void FeedScalar(const Token &scalar, Sanitizer &sanitizer) noexcept
{
    switch (scalar.kind) {
    case TokenKind::string:
        sanitizer.String(scalar.text());
        break;
    case TokenKind::boolean:
        sanitizer.Boolean(scalar.size != 0);
        break;
    case TokenKind::null:
        sanitizer.Null();
        break;
    default:
        if (scalar.data == nullptr)
            sanitizer.LongNumber(scalar.size);
        else
            sanitizer.Number(scalar.text());
    }
}

// Where the name at `key` is that of a value in a pair: tells the names of the pair that stand behind it.
// In jsonb's order longer names come later.
void TellPairNames(std::span<const Token> tokens, std::uint32_t key, Sanitizer &sanitizer) noexcept
{
    if (!sanitizer.IsAtPairedValue())
        return;
    for (std::uint32_t i = ValueEnd(tokens, key);
         i < tokens.size() && tokens[i].kind == TokenKind::key && tokens[i].size <= longest_pair_name;
         i = ValueEnd(tokens, i))
        if (IsPairName(tokens[i].text()) && tokens[i + 1].kind == TokenKind::string)
            sanitizer.NamePair(tokens[i + 1].text());
}

// The next token that has to be told.
std::uint32_t FeedContainer(std::span<const Token> tokens, std::uint32_t i, Sanitizer &sanitizer) noexcept
{
    const std::size_t count = CountChildren(tokens, i);
    const Walk walk =
        tokens[i].kind == TokenKind::array_begin ? sanitizer.BeginArray(count) : sanitizer.BeginObject(count);
    return walk == Walk::enter ? i + 1 : ValueEnd(tokens, i);
}

} // namespace

std::uint32_t FeedToken(std::span<const Token> tokens, std::uint32_t i, Sanitizer &sanitizer) noexcept
{
    sanitizer.At(tokens, i);
    if (IsBegin(tokens[i].kind))
        return FeedContainer(tokens, i, sanitizer);
    if (tokens[i].kind == TokenKind::key) {
        sanitizer.Key(tokens[i].text());
        TellPairNames(tokens, i, sanitizer);
    } else if (tokens[i].kind == TokenKind::object_end) {
        sanitizer.EndObject();
    } else if (tokens[i].kind == TokenKind::array_end) {
        sanitizer.EndArray();
    } else {
        FeedScalar(tokens[i], sanitizer);
    }
    return i + 1;
}

void FeedTokens(std::span<const Token> tokens, Sanitizer &sanitizer) noexcept
{
    for (std::uint32_t i = 0; i < tokens.size();)
        i = FeedToken(tokens, i, sanitizer);
}

} // namespace callhardening
