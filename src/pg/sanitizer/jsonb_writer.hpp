// The sanitizer's result as jsonb.
#pragma once

#include "core/sanitizer/sanitizer.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// Writes a complete list of tokens as jsonb in `result`, with the same bytes as the server's own functions.
// The temporary data, four bytes for each token, stays in the current memory context.
Jsonb *build_jsonb(std::span<const Token> tokens, MemoryContext result);

} // namespace callhardening
