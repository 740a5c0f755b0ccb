// The sanitizer for other parts of src/pg.
#pragma once

#include "core/findings/pseudonym.hpp"
#include "core/policy/policy.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// Sanitizes `payload` by `policy` in the current memory context. Returns the same pointer if nothing changes.
Jsonb *sanitize_payload(Jsonb *payload, const Policy *policy);

// The same for the text of a document. Only if the core is not sure, jsonb parses the text. Errors have the
// SQLSTATE of jsonb_in. Its message is replaced, because it prints a part of the text.
Jsonb *sanitize_payload(std::string_view text, const Policy *policy);

// ---- for code with a sanitizer of its own --------------------------------------------------------------

// The state of one document's sanitizing, with a memory context of its own.
struct PayloadPass {
    const Policy *policy;
    const Pseudonyms *pseudonyms;
    MemoryContext result;
    MemoryContext scratch;
};

// Switches to the pass's memory context. Opens the keys if the policy needs them.
PayloadPass begin_pass(const Policy *policy);
void end_pass(const PayloadPass *pass);

// For the core: a longjmp must not leave it.
void *allocate_for_payload(size_t size);
[[noreturn]] void out_of_payload_memory();

// The policy of argument 1. A caller's own policy could find the value of a pseudonym by trying, so it needs
// the privilege (42501).
const Policy *callers_policy(FunctionCallInfo fcinfo);

} // namespace callhardening
