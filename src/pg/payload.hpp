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
// `function` is any function of the installation whose keys make pseudonyms.
Jsonb *sanitize_payload(Jsonb *payload, const Policy *policy, Oid function);

// The same for the text of a document, of which jsonb is asked only where the core is not sure: errors are
// those of jsonb_in.
Jsonb *sanitize_payload(std::string_view text, const Policy *policy, Oid function);

} // namespace callhardening
