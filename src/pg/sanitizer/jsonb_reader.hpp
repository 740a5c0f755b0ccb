// jsonb into the sanitizer.
#pragma once

#include "core/sanitizer/sanitizer.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// Passes a whole document to the sanitizer. Containers skipped by the sanitizer are not read. Damaged data
// raises XX001.
void feed_jsonb(const Jsonb *document, Sanitizer *sanitizer);

} // namespace callhardening
