// The settings of a hardened table, passed to harden_calls. They are arguments of the table's BEFORE trigger,
// and a policy of the table's own is its comment. So partitions and dumps have them too.
#pragma once

#include "core/words/transition.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/rel.h"
#include "utils/reltrigger.h"
}

namespace callhardening
{

// The trigger's action for an invalid status.
enum class OnInvalid : unsigned char {
    keep,   // keeps the old status, and writes the rest of the row
    skip,   // does not write the row
    reject, // the statement fails
};

// Plain data; the strings and the graph live in the memory context at the time of reading.
struct CallSettings {
    const char *call_id_column;
    const char *status_column;
    const char *direction_column;
    const char *payload_column;
    OnInvalid on_invalid;
    const char *transitions; // printed by jsonb; "" is the default graph
    const TransitionGraph *graph;
    const char *provider; // "" means none
    const char *policy;   // the document; "" is the policy `default`
};

// Reads the arguments of the BEFORE trigger; 39P01 if harden_calls did not write them.
void read_call_settings(const Trigger *trigger, CallSettings *settings);

// The settings of a table or partition from its BEFORE trigger. The trigger may have any name and may be
// disabled. False if the table is not hardened.
bool find_call_settings(Relation calls, CallSettings *settings);

// The settings for an AFTER trigger, because it has none of its own. Raises 55000 if the BEFORE trigger was
// dropped.
void require_call_settings(Relation calls, CallSettings *settings);

} // namespace callhardening
