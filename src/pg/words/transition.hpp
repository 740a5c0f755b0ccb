// Graphs of statuses in jsonb.
#pragma once

#include "core/words/transition.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// Reads a graph; 22023 with the place of the mistake if it is invalid.
void parse_transition_graph(const Jsonb *transitions, TransitionGraph *graph);

// The graph of argument `n`, or the default one for NULL. It is kept for the call site in fn_extra. It is
// read again only if the argument's bytes change.
const TransitionGraph *transition_graph_argument(FunctionCallInfo fcinfo, int n);

} // namespace callhardening
