// A JSON document as it is, as a list of tokens in jsonb's order, and such a list for a Sanitizer.
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

// Takes the tokens that a Sanitizer takes. A number that is too long for a text is a token without one.
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
    std::uint32_t first_members_[deepest_json + 1]; // of the containers that are open, in the order of a text
};

void FeedTokens(std::span<const Token> tokens, Sanitizer &sanitizer) noexcept;

// Reports one token, with a container that the sanitizer skips. Returns the next one to report.
std::uint32_t FeedToken(std::span<const Token> tokens, std::uint32_t i, Sanitizer &sanitizer) noexcept;

} // namespace callhardening
