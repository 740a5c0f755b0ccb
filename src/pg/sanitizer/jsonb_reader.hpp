// jsonb into the sanitizer.
#pragma once

#include "core/sanitizer/sanitizer.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// Reports a whole document. What the sanitizer skips is not read; damaged data is an error (XX001).
void feed_jsonb(const Jsonb *document, Sanitizer *sanitizer);

} // namespace callhardening
