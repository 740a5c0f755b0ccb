// A document that is there as tokens in jsonb's order, for a Sanitizer.
#pragma once

#include "core/sanitizer/sanitizer.hpp"

#include <cstdint>
#include <span>

namespace callhardening
{

void FeedTokens(std::span<const Token> tokens, Sanitizer &sanitizer) noexcept;

// Reports a scalar.
void FeedScalar(const Token &scalar, Sanitizer &sanitizer) noexcept;

// The children of the container that begins at `begin`.
std::size_t CountChildren(std::span<const Token> tokens, std::uint32_t begin) noexcept;

// Where the sanitizer has just been told the name at `key`, and it is that of a value in a pair: tells the
// names of the pair that stand behind it.
void TellPairNames(std::span<const Token> tokens, std::uint32_t key, Sanitizer &sanitizer) noexcept;

} // namespace callhardening
