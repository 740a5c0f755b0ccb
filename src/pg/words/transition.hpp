// Graphs of statuses that come as jsonb.
#pragma once

#include "core/words/transition.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// Reads a graph; 22023 with the place of the mistake where it is none.
void parse_transition_graph(const Jsonb *transitions, TransitionGraph *graph);

// The graph of argument `n`, the default one where it is NULL. It is kept with the call site (fn_extra, which
// has to be free for it) and read again only when the argument's bytes change.
const TransitionGraph *transition_graph_argument(FunctionCallInfo fcinfo, int n);

} // namespace callhardening
