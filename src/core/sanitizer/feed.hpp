// A document that is there as tokens in jsonb's order, for a Sanitizer.
#pragma once

#include "core/sanitizer/sanitizer.hpp"

#include <cstdint>
#include <span>

namespace callhardening
{

void FeedTokens(std::span<const Token> tokens, Sanitizer &sanitizer) noexcept;

// Reports one token, with a container that the sanitizer skips. Returns the next one to report.
std::uint32_t FeedToken(std::span<const Token> tokens, std::uint32_t i, Sanitizer &sanitizer) noexcept;

} // namespace callhardening
