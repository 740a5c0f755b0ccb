#include "core/sanitizer/document.hpp"

#include <limits>

namespace callhardening
{

Walk DocumentTokens::BeginObject(std::size_t) noexcept
{
    tokens_.Push(TokenKind::object_begin);
    if (order_ == MemberOrder::document)
        first_members_[depth_++] = members_.size();
    return Walk::enter;
}

Walk DocumentTokens::BeginArray(std::size_t) noexcept
{
    tokens_.Push(TokenKind::array_begin);
    return Walk::enter;
}

void DocumentTokens::EndObject() noexcept
{
    if (order_ == MemberOrder::document) {
        const std::uint32_t first = first_members_[--depth_];
        SanitizeCounts none{};
        if (!arena_.failed())
            members_.Arrange(first, std::numeric_limits<std::uint32_t>::max(), none);
        members_.Truncate(first);
    }
    tokens_.Push(TokenKind::object_end);
}

void DocumentTokens::EndArray() noexcept
{
    tokens_.Push(TokenKind::array_end);
}

void DocumentTokens::Key(std::string_view name) noexcept
{
    if (order_ == MemberOrder::document)
        members_.Push(name, tokens_.size(), {}, true);
    tokens_.Push(TokenKind::key, name);
}

void DocumentTokens::LongNumber(std::size_t printed) noexcept
{
    tokens_.Push({nullptr, static_cast<std::uint32_t>(printed), TokenKind::number_text, no_rule});
}

namespace
{

// The number of children of the container at `begin`.
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

// For the name of a pair's value at `key`: reports the pair's names after it. Longer names come later in
// jsonb's order.
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

// Returns the next token to feed.
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
