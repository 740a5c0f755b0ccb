// The sanitizer for other parts of the glue.
#pragma once

#include <string_view>

#include "pg/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// `payload` by the policy `default`, in the current memory context; the very same pointer where nothing had
// to be done.
Jsonb *sanitize_payload(Jsonb *payload);

// The same for the text of a document, of which jsonb is asked only where the core is not sure.
Jsonb *sanitize_payload(std::string_view text);

// The memory of the core, which must not be left by a longjmp: nullptr where there is none.
void *allocate_payload_memory(size_t size);
[[noreturn]] void payload_out_of_memory();

} // namespace callhardening
