// The sanitizer for other parts of the glue.
#pragma once

#include "pg/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// `payload` by the policy `default`, in the current memory context; the very same pointer where nothing had
// to be done.
Jsonb *sanitize_payload(Jsonb *payload);

} // namespace callhardening
