#include "core/repair.hpp"
#include "core/status.hpp"

#include "pg/payload.hpp"
#include "pg/policy.hpp"
#include "pg/pseudonym.hpp"
#include "pg/text.hpp"
#include "pg/transition.hpp"
#include "pg/warning.hpp"

extern "C" {
#include "access/detoast.h"
#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/memutils.h"
}

using namespace callhardening;

namespace
{

// The arguments of both functions.
enum Argument {
    argument_status,
    argument_direction,
    argument_payload,
    argument_transitions,
    argument_provider,
    argument_policy,
};

// What audit_calls counts; sql/audit.sql has the numbers.
enum Fault : int {
    fault_status = 1,
    fault_unknown_status = 2,
    fault_direction = 4,
    fault_unknown_direction = 8,
    fault_payload = 16,
    fault_big_payload = 32,
    is_ringing = 64,
    is_open = 128, // any other status that is not over
};

// Above it, a payload shrinks to a tenth at most.
constexpr Size big_payload_bytes = 10 * 1024;

// The rules of a table, kept with the call site. They are the same for all rows of a statement, but PL/pgSQL
// may call with others through the same FmgrInfo.
struct Rules {
    MemoryContext context;
    const Jsonb *transitions; // NULL: the graph of a call
    const Jsonb *policy;      // NULL: the policy default
    TransitionGraph graph;
    const Policy *compiled;
    TupleDesc result; // of repaired_call_row
};

const Jsonb *jsonb_argument(FunctionCallInfo fcinfo, int n)
{
    return PG_ARGISNULL(n) ? nullptr : PG_GETARG_JSONB_P(n);
}

bool is_same_document(const Jsonb *a, const Jsonb *b)
{
    if (a == nullptr || b == nullptr)
        return a == b;
    return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

const Jsonb *copy_document(const Jsonb *document)
{
    return document == nullptr
               ? nullptr
               : static_cast<Jsonb *>(memcpy(palloc(VARSIZE(document)), document, VARSIZE(document)));
}

const Policy *compile_policy(const Jsonb *policy, MemoryContext user)
{
    if (policy == nullptr)
        return default_policy();
    return policy_of_text(
        JsonbToCString(nullptr, const_cast<JsonbContainer *>(&policy->root), VARSIZE(policy)), user);
}

Rules *read_rules(FunctionCallInfo fcinfo, const Jsonb *transitions, const Jsonb *policy)
{
    MemoryContext context =
        AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "callhardening rules", ALLOCSET_SMALL_SIZES);
    const MemoryContext caller = MemoryContextSwitchTo(context);
    auto *rules = static_cast<Rules *>(palloc0(sizeof(Rules)));
    rules->context = context;
    rules->transitions = copy_document(transitions);
    rules->policy = copy_document(policy);
    rules->graph = DefaultTransitionGraph();
    if (transitions != nullptr)
        parse_transition_graph(transitions, &rules->graph);
    rules->compiled = compile_policy(policy, context);
    if (rules->compiled->hashes())
        require_pseudonym_privilege(fcinfo->flinfo->fn_oid);
    get_call_result_type(fcinfo, nullptr, &rules->result);
    MemoryContextSwitchTo(caller);
    return rules;
}

const Rules *rules_of(FunctionCallInfo fcinfo)
{
    const Jsonb *transitions = jsonb_argument(fcinfo, argument_transitions),
                *policy = jsonb_argument(fcinfo, argument_policy);
    auto *rules = static_cast<Rules *>(fcinfo->flinfo->fn_extra);
    if (rules != nullptr && is_same_document(rules->transitions, transitions) &&
        is_same_document(rules->policy, policy))
        return rules;
    fcinfo->flinfo->fn_extra = nullptr;
    if (rules != nullptr)
        MemoryContextDelete(rules->context);
    fcinfo->flinfo->fn_extra = rules = read_rules(fcinfo, transitions, policy);
    return rules;
}

// NULL where the payload is NULL, or as the policy wants it.
Jsonb *repaired_payload(FunctionCallInfo fcinfo, const Rules *rules)
{
    if (PG_ARGISNULL(argument_payload))
        return nullptr;
    Jsonb *payload = PG_GETARG_JSONB_P(argument_payload);
    Jsonb *sanitized = sanitize_payload(payload, rules->compiled, fcinfo->flinfo->fn_oid);
    return sanitized == payload ? nullptr : sanitized;
}

bool is_big(FunctionCallInfo fcinfo)
{
    return !PG_ARGISNULL(argument_payload) &&
           toast_raw_datum_size(PG_GETARG_DATUM(argument_payload)) > big_payload_bytes;
}

bool is_over(const TransitionGraph &graph, std::string_view status)
{
    const int known = graph.Find(status);
    return known < 0 || graph.IsTerminal(known);
}

int status_faults(const TransitionGraph &graph, const WordRepair &status)
{
    int faults = 0;
    if (status.fault == WordFault::repairable)
        faults |= fault_status;
    if (status.fault == WordFault::unknown)
        faults |= fault_unknown_status;
    if (!is_over(graph, status.word))
        faults |= status.word == StatusName(Status::ringing) ? is_ringing : is_open;
    return faults;
}

int direction_faults(const WordRepair &direction)
{
    switch (direction.fault) {
    case WordFault::repairable:
        return fault_direction;
    case WordFault::unknown:
        return fault_unknown_direction;
    case WordFault::none:
        break;
    }
    return 0;
}

WordRepair status_repair(FunctionCallInfo fcinfo, const Rules *rules)
{
    return RepairStatus(rules->graph, text_argument(fcinfo, argument_status),
                        text_argument(fcinfo, argument_provider));
}

WordRepair direction_repair(FunctionCallInfo fcinfo)
{
    return RepairDirection(text_argument(fcinfo, argument_direction),
                           text_argument(fcinfo, argument_provider));
}

} // namespace

CALLHARDENING_FUNCTION(call_row_faults)
{
    const Rules *rules = rules_of(fcinfo);
    int faults = status_faults(rules->graph, status_repair(fcinfo, rules)) |
                 direction_faults(direction_repair(fcinfo));
    if (is_big(fcinfo))
        faults |= fault_big_payload;
    if (repaired_payload(fcinfo, rules) != nullptr)
        faults |= fault_payload;
    PG_RETURN_INT32(faults);
}

CALLHARDENING_FUNCTION(repaired_call_row)
{
    const Rules *rules = rules_of(fcinfo);
    const WordRepair status = status_repair(fcinfo, rules), direction = direction_repair(fcinfo);
    Jsonb *payload = repaired_payload(fcinfo, rules);
    Datum values[3] = {};
    bool nulls[3] = {status.fault != WordFault::repairable, direction.fault != WordFault::repairable,
                     payload == nullptr};
    if (nulls[0] && nulls[1] && nulls[2])
        PG_RETURN_NULL();
    if (!nulls[0])
        values[0] = PointerGetDatum(to_text(status.word));
    if (!nulls[1])
        values[1] = PointerGetDatum(to_text(direction.word));
    values[2] = PointerGetDatum(payload);
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(rules->result, values, nulls)));
}

CALLHARDENING_FUNCTION(call_row_sample)
{
    const char *id = PG_ARGISNULL(0) ? "NULL" : shown_word(text_argument(fcinfo, 0));
    if (PG_ARGISNULL(1))
        PG_RETURN_TEXT_P(cstring_to_text(id));
    PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s: %s", id, shown_word(text_argument(fcinfo, 1)))));
}
