// A JSON document as a list of tokens. The sanitizer makes it, and the glue builds jsonb from it.
#pragma once

#include "core/base/arena.hpp"
#include "core/policy/policy.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace callhardening
{

enum class TokenKind : unsigned char {
    object_begin, // Token::size is 1 if it begins a summary
    object_end,
    array_begin,
    array_end,
    key,
    string,
    number_text, // as jsonb prints it
    number,      // the caller's own number: Token::data is its pointer, Token::size its printed size
    boolean,     // Token::size is 0 or 1
    null,
    gone, // shed; a complete list has none
};

struct Token {
    const char *data;
    std::uint32_t size;
    TokenKind kind;
    RuleIndex rule; // of the value

    std::string_view text() const noexcept { return {data, size}; }
};
static_assert(sizeof(Token) == 16);

constexpr bool IsBegin(TokenKind kind) noexcept
{
    return kind == TokenKind::object_begin || kind == TokenKind::array_begin;
}
constexpr bool IsEnd(TokenKind kind) noexcept
{
    return kind == TokenKind::object_end || kind == TokenKind::array_end;
}

enum class ValueType : unsigned char { none, string, number, boolean, object, array };

inline constexpr std::string_view type_names[] = {"", "string", "number", "boolean", "object", "array"};

constexpr std::string_view NameOf(ValueType type) noexcept
{
    return type_names[static_cast<int>(type)];
}

inline constexpr std::uint32_t summary_tokens = 6; // {"type": "string", "length": 48211}
inline constexpr std::uint32_t largest_length = 2147483647;

// The token after the value at `i`. The end of the list if the value is not complete.
std::uint32_t ValueEnd(std::span<const Token> tokens, std::uint32_t i) noexcept;

class TokenList
{
public:
    explicit TokenList(Arena &arena) noexcept : arena_(arena) {}

    void Push(const Token &token) noexcept
    {
        if (size_ < capacity_ || Grow())
            tokens_[size_++] = token;
    }
    void Push(TokenKind kind, std::string_view text = {}, RuleIndex rule = no_rule) noexcept
    {
        Push({text.data(), static_cast<std::uint32_t>(text.size()), kind, rule});
    }
    void PushCount(std::uint32_t count) noexcept;
    // The summary of a value of this type and length.
    void PushSummary(ValueType type, std::size_t length, RuleIndex rule = no_rule) noexcept;

    std::uint32_t size() const noexcept { return size_; }
    void Truncate(std::uint32_t size) noexcept { size_ = size; }
    Token *data() noexcept { return tokens_; }
    Token &operator[](std::uint32_t i) noexcept { return tokens_[i]; }
    const Token &operator[](std::uint32_t i) const noexcept { return tokens_[i]; }
    std::span<const Token> all() const noexcept { return {tokens_, size_}; }

private:
    bool Grow() noexcept;

    Arena &arena_;
    Token *tokens_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = 0;
};

} // namespace callhardening
