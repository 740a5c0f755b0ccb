// The faults of a row of calls, and its repaired values.
#pragma once

#include "core/words/transition.hpp"

#include "pg/sanitizer/policy.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// The faults counted by audit_calls. In SQL these bits have the names of its checks: fault_bits.
enum Fault : int {
    fault_status = 1,
    fault_unknown_status = 2,
    fault_direction = 4,
    fault_unknown_direction = 8,
    fault_payload = 16,
    fault_big_payload = 32,
    is_ringing = 64,
    is_open = 128, // any other status of an open call
    fault_no_call_id = 256,
};

// The rules of a table. They are plain data in a memory context of their own.
struct RowRules {
    MemoryContext context;
    const Jsonb *transitions; // NULL: the default graph
    const Jsonb *policy;      // NULL: the policy default
    TransitionGraph graph;
    const Policy *compiled;
    std::string_view provider;
};

// Reads rules into a child of `parent`. Raises 42501 if the policy hashes and the current user may not make
// pseudonyms.
RowRules *read_row_rules(MemoryContext parent, const Jsonb *transitions, const Jsonb *policy,
                         std::string_view provider);

inline constexpr int status_faults = fault_status | fault_unknown_status,
                     direction_faults = fault_direction | fault_unknown_direction,
                     quiet_faults = is_ringing | is_open; // none if the call was changed lately

// `payload` is a jsonb, or null. Returns all bits of Fault except the last.
int faults_of_row(const RowRules *rules, OptionalText status, OptionalText direction, const Datum *payload);

} // namespace callhardening
