// Lists of tokens of unchanged JSON documents in jsonb's order, and functions to feed them to a Sanitizer.
#pragma once

#include "core/json/json_scan.hpp"
#include "core/sanitizer/members.hpp"
#include "core/sanitizer/sanitizer.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace callhardening
{

// Has the same functions as a Sanitizer. A number too long for a text becomes a token without text.
class DocumentTokens
{
public:
    DocumentTokens(Arena &arena, MemberOrder order) noexcept
        : arena_(arena), tokens_(arena), members_(arena, tokens_), order_(order)
    {
    }

    Walk BeginObject(std::size_t) noexcept;
    Walk BeginArray(std::size_t) noexcept;
    void EndObject() noexcept;
    void EndArray() noexcept;
    void Key(std::string_view name) noexcept;
    void String(std::string_view text) noexcept { tokens_.Push(TokenKind::string, text); }
    void Number(std::string_view text) noexcept { tokens_.Push(TokenKind::number_text, text); }
    void LongNumber(std::size_t printed) noexcept;
    void Boolean(bool value) noexcept
    {
        tokens_.Push({nullptr, value ? 1u : 0u, TokenKind::boolean, no_rule});
    }
    void Null() noexcept { tokens_.Push(TokenKind::null); }

    Arena &arena() noexcept { return arena_; }
    static constexpr bool IsFull() noexcept { return false; }
    void PassItems(std::size_t) noexcept {}

    std::span<const Token> tokens() const noexcept { return tokens_.all(); }

private:
    Arena &arena_;
    TokenList tokens_;
    MemberStack members_;
    const MemberOrder order_;
    std::size_t depth_ = 0;
    std::uint32_t first_members_[deepest_json + 1]; // of the open containers, in the order of a text
};

void FeedTokens(std::span<const Token> tokens, Sanitizer &sanitizer) noexcept;

// Feeds one token, or a whole container if the sanitizer skips it. Returns the next token to feed.
std::uint32_t FeedToken(std::span<const Token> tokens, std::uint32_t i, Sanitizer &sanitizer) noexcept;

} // namespace callhardening
