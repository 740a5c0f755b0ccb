#include "core/words/transition.hpp"

#include "pg/base/text.hpp"
#include "pg/words/transition.hpp"

extern "C" {
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
}

using namespace callhardening;

namespace
{

struct CachedGraph {
    Jsonb *source; // the graph's document
    TransitionGraph graph;
};

bool is_same_document(const Jsonb *a, const Jsonb *b)
{
    return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

CachedGraph *read_into_cache(MemoryContext context, const Jsonb *transitions)
{
    auto *cached = static_cast<CachedGraph *>(MemoryContextAlloc(context, sizeof(CachedGraph)));
    parse_transition_graph(transitions, &cached->graph);
    cached->source = static_cast<Jsonb *>(MemoryContextAlloc(context, VARSIZE(transitions)));
    memcpy(cached->source, transitions, VARSIZE(transitions));
    return cached;
}

} // namespace

void callhardening::parse_transition_graph(const Jsonb *transitions, TransitionGraph *graph)
{
    StringInfoData json;
    initStringInfo(&json);
    JsonbToCString(&json, const_cast<JsonbContainer *>(&transitions->root), VARSIZE(transitions));

    TransitionGraphError error;
    if (!ParseTransitionGraph({json.data, static_cast<size_t>(json.len)}, *graph, error)) {
        if (error.out_of_memory)
            ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid status transitions"),
             errdetail("%s: %s.", error.field, error.reason),
             errhint("A graph looks like {\"ringing\": [\"active\", \"ended\"], \"active\": [\"ended\"]}.")));
    }
    pfree(json.data);
}

const TransitionGraph *callhardening::transition_graph_argument(FunctionCallInfo fcinfo, int n)
{
    if (PG_ARGISNULL(n))
        return &DefaultTransitionGraph();
    const Jsonb *transitions = PG_GETARG_JSONB_P(n);
    auto *cached = static_cast<CachedGraph *>(fcinfo->flinfo->fn_extra);
    if (cached == nullptr || !is_same_document(cached->source, transitions)) {
        CachedGraph *fresh = read_into_cache(fcinfo->flinfo->fn_mcxt, transitions);
        if (cached != nullptr) {
            pfree(cached->source);
            pfree(cached);
        }
        fcinfo->flinfo->fn_extra = cached = fresh;
    }
    return &cached->graph;
}

CALLHARDENING_FUNCTION(is_valid_status_transition)
{
    const TransitionGraph *graph = transition_graph_argument(fcinfo, 2);
    PG_RETURN_BOOL(
        IsValidTransition(*graph, optional_text_argument(fcinfo, 0), optional_text_argument(fcinfo, 1)));
}

CALLHARDENING_FUNCTION(call_status_transitions)
{
    TransitionGraph graph = DefaultTransitionGraph();
    if (!PG_ARGISNULL(0))
        parse_transition_graph(PG_GETARG_JSONB_P(0), &graph);

    InitMaterializedSRF(fcinfo, 0);
    const auto *result = castNode(ReturnSetInfo, fcinfo->resultinfo);
    for (int current = 0; current < graph.size(); ++current) {
        for (int next = 0; next < graph.size(); ++next) {
            if (!graph.Allows(current, next))
                continue;
            Datum values[2] = {PointerGetDatum(to_text(graph.Name(current))),
                               PointerGetDatum(to_text(graph.Name(next)))};
            bool nulls[2] = {false, false};
            tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
        }
    }
    PG_RETURN_NULL();
}
