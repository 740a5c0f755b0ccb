// The sanitizer for other parts of the glue.
#pragma once

#include "core/policy.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// `payload` by `policy`, in the current memory context; the very same pointer where nothing had to be done.
Jsonb *sanitize_payload(Jsonb *payload, const Policy *policy);

} // namespace callhardening
