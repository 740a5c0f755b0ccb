// The sanitizer for other parts of the glue.
#pragma once

#include "core/findings/pseudonym.hpp"
#include "core/policy/policy.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// `payload` by `policy`, in the current memory context; the very same pointer where nothing had to be done.
// `function` is any function of the installation whose keys make pseudonyms.
Jsonb *sanitize_payload(Jsonb *payload, const Policy *policy);

// The same for the text of a document, of which jsonb is asked only where the core is not sure. Errors have
// the SQLSTATE of jsonb_in's, and not its words, which quote the text.
Jsonb *sanitize_payload(std::string_view text, const Policy *policy);

// ---- for whoever runs a sanitizer of his own ---------------------------------------------------------

// What a document needs on the way, in a memory context of its own.
struct PayloadPass {
    const Policy *policy;
    const Pseudonyms *pseudonyms;
    MemoryContext result;
    MemoryContext scratch;
};

// Switches to the pass's context. `function` is one of ours: whose keys are asked for, where the policy needs
// any.
PayloadPass begin_pass(const Policy *policy);
void end_pass(const PayloadPass *pass);

// For the core, which must not be left by a longjmp.
void *allocate_for_payload(size_t size);
[[noreturn]] void out_of_payload_memory();

// The policy that argument 1 is. One of the caller's own would answer whose pseudonym one is: whoever wants
// that needs the right to (42501).
const Policy *callers_policy(FunctionCallInfo fcinfo);

} // namespace callhardening
