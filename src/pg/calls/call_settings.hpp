// The settings of a hardened table: what harden_calls was told. They are the arguments of the table's BEFORE
// trigger, so partitions have them too and a dump keeps them.
#pragma once

#include "core/words/transition.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/rel.h"
#include "utils/reltrigger.h"
}

namespace callhardening
{

// What the trigger does with a refused status.
enum class OnInvalid : unsigned char {
    keep,   // the old status stays, the rest of the row is written
    skip,   // the row is left untouched
    reject, // the statement fails
};

// Plain data; the strings and the graph live in the memory context they were read in.
struct CallSettings {
    const char *call_id_column;
    const char *status_column;
    const char *direction_column;
    const char *payload_column;
    OnInvalid on_invalid;
    const char *transitions; // as jsonb prints it; "" is the default graph
    const TransitionGraph *graph;
    const char *provider; // "" is none
    const char *policy;   // the document; "" is the policy `default`
};

// Reads the arguments of the BEFORE trigger; 39P01 where they are not what harden_calls writes.
void read_call_settings(const Trigger *trigger, CallSettings *settings);

// The settings of a table or partition, from its BEFORE trigger: under any name, also where it is disabled.
// false: there is none, the table is not hardened.
bool find_call_settings(Relation calls, CallSettings *settings);

// The same for an AFTER trigger, which has none of its own; 55000 where the BEFORE trigger is gone.
void require_call_settings(Relation calls, CallSettings *settings);

} // namespace callhardening
