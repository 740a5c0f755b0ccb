// The sanitizer's result as jsonb.
#pragma once

#include "core/sanitizer/sanitizer.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// The document of a complete list of tokens, in `result`: the very bytes that the server's own functions
// would build. What is needed on the way, four bytes for each token, is left in the current memory context.
Jsonb *build_jsonb(std::span<const Token> tokens, MemoryContext result);

} // namespace callhardening
