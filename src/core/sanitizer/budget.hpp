// The budget: sheds the values of a document, in the order of the policy, until it prints in max_bytes.
#pragma once

#include "core/sanitizer/observer.hpp"
#include "core/sanitizer/token.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace callhardening
{

// octet_length(document::text) of a list of tokens. An incomplete list is printed as if it ended there.
std::size_t PrintedSize(std::span<const Token> tokens) noexcept;
// Compares the printed size with a limit. It stops reading as soon as the limit is exceeded.
bool PrintsWithin(std::span<const Token> tokens, std::size_t max_bytes) noexcept;

// The tokens of the record. They are never shed. The record holds a count that grows with every shed leaf.
struct ShedRecord {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t shed = 0; // before this call
};

// `ahead`: before the end of the document. It leaves slightly more than the budget. Later values stand
// earlier in the chain, so the chain then continues after the leaves already shed.
enum class Shedding : unsigned char { complete, ahead };

// Sheds leaves (scalars, summaries, empty containers) from the tokens after `first` until these print in
// `max_bytes`. Containers that lose all their values go too, but the outermost stays. Returns the number of
// leaves.
//
// There is one chain. It begins with the leaves without a rule. The leaves of the last rule come next, and so
// on, up to the first rule. Within a rule, the last leaf in the document goes first. The shortest sufficient
// beginning of the chain is shed. A smaller budget thus sheds everything that a larger one sheds and never
// shows more.
std::uint32_t ShedLeaves(TokenList &tokens, std::uint32_t first, std::size_t max_bytes, Shedding shedding,
                         const ShedRecord &record, Scratch &scratch, Arena &arena,
                         Observer *observer = nullptr) noexcept;

} // namespace callhardening
