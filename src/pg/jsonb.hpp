// jsonb in and out of the sanitizer.
#pragma once

#include "core/payload.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// True where the root of a document has a `_sanitized` that an earlier pass has written.
bool has_record(JsonbContainer *root);

// Reports a whole document. What the sanitizer skips is not read.
void feed_jsonb(JsonbContainer *root, Sanitizer *sanitizer);

// The document of a complete list of tokens, in `result`; what is needed on the way is left in the current
// memory context.
Jsonb *build_jsonb(std::span<const Token> tokens, MemoryContext result);

} // namespace callhardening
