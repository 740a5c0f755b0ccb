// The budget: what a policy gives up first until a document prints in so many bytes.
#pragma once

#include "core/sanitizer/observer.hpp"
#include "core/sanitizer/token.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace callhardening
{

// octet_length(document::text) of a list of tokens; of one that is not complete, as if it ended there.
std::size_t PrintedSize(std::span<const Token> tokens) noexcept;
// The same compared with a limit: of a document that is larger, no more than that is looked at.
bool PrintsWithin(std::span<const Token> tokens, std::size_t max_bytes) noexcept;

// What is never shed (the record), and the count in it that grows with every leaf.
struct ShedRecord {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t shed = 0; // before
};

// `ahead` of the end of the document, what is left prints in more than the budget: so that the rest of the
// chain, which takes what comes later in the document first, goes on behind what has been taken.
enum class Shedding : unsigned char { complete, ahead };

// Takes leaves (scalars, summaries, empty containers) from the tokens that follow `first` until those print
// in `max_bytes`, with the containers that lose everything; the outermost stays. Returns how many leaves.
//
// One chain: leaves that no rule matched go first, then those of the last rule, ..., those of the first rule
// last; among equals, the last one in the document goes first. The shortest sufficient beginning of the chain
// is taken, so a smaller budget takes what a larger one takes, and more: it never shows more.
std::uint32_t ShedLeaves(TokenList &tokens, std::uint32_t first, std::size_t max_bytes, Shedding shedding,
                         const ShedRecord &record, Scratch &scratch, Arena &arena,
                         Observer *observer = nullptr) noexcept;

} // namespace callhardening
