#include "core/words/repair.hpp"
#include "core/words/status.hpp"

#include "pg/base/relation.hpp"
#include "pg/base/text.hpp"
#include "pg/base/versions.hpp"
#include "pg/base/warning.hpp"
#include "pg/calls/call_settings.hpp"
#include "pg/calls/repair.hpp"
#include "pg/sanitizer/pseudonym.hpp"
#include "pg/sanitizer/sanitizer.hpp"
#include "pg/words/transition.hpp"

extern "C" {
#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
}

using namespace callhardening;

namespace
{

// The arguments of both functions. After the payload, row_faults has rules, and repaired_row has a table.
enum Argument {
    argument_status,
    argument_direction,
    argument_payload,
    argument_transitions,
    argument_calls = argument_transitions,
    argument_provider,
    argument_policy,
};

// The rules of repaired_row, kept for the call site.
struct TableRules {
    RowRules rules;
    Oid calls;
    TupleDesc result;
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

// Sanitizing shrinks a bigger payload to a tenth or less.
constexpr Size big_payload_bytes = 10 * 1024;

const Policy *compile_policy(const Jsonb *policy, MemoryContext user)
{
    if (policy == nullptr)
        return default_policy();
    return policy_of_text(
        JsonbToCString(nullptr, const_cast<JsonbContainer *>(&policy->root), VARSIZE(policy)), user);
}

// Kept for the call site. All rows of a statement have the same rules. PL/pgSQL may pass others through the
// same FmgrInfo, so they are compared.
const RowRules *rules_of(FunctionCallInfo fcinfo)
{
    const Jsonb *transitions = jsonb_argument(fcinfo, argument_transitions),
                *policy = jsonb_argument(fcinfo, argument_policy);
    const std::string_view provider = text_argument(fcinfo, argument_provider);
    auto *rules = static_cast<RowRules *>(fcinfo->flinfo->fn_extra);
    if (rules != nullptr && is_same_document(rules->transitions, transitions) &&
        is_same_document(rules->policy, policy) && rules->provider == provider)
        return rules;
    fcinfo->flinfo->fn_extra = nullptr;
    if (rules != nullptr)
        MemoryContextDelete(rules->context);
    fcinfo->flinfo->fn_extra = rules = read_row_rules(fcinfo->flinfo->fn_mcxt, transitions, policy, provider);
    return rules;
}

// NULL if the payload is NULL, or already sanitized.
Jsonb *repaired_payload(const RowRules *rules, const Datum *payload)
{
    if (payload == nullptr)
        return nullptr;
    Jsonb *document = DatumGetJsonbP(*payload);
    Jsonb *sanitized = sanitize_payload(document, rules->compiled);
    return sanitized == document ? nullptr : sanitized;
}

bool is_over(const TransitionGraph &graph, std::string_view status)
{
    const int known = graph.Find(status);
    return known < 0 || graph.IsTerminal(known);
}

int faults_of_status(const TransitionGraph &graph, const WordRepair &status)
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

int faults_of_direction(const WordRepair &direction)
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

// The table's trigger makes pseudonyms for every writer. So the table's owner needs no right to make them.
TableRules *read_table_rules(FunctionCallInfo fcinfo, Oid calls)
{
    if (!owns_relation(calls, GetUserId()))
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("must be owner of table %s", relation_name(calls))));
    const MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
    auto *table = static_cast<TableRules *>(palloc0(sizeof(TableRules)));
    CallSettings settings;
    Relation relation = open_table(calls, AccessShareLock);
    if (!find_call_settings(relation, &settings))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("table %s is no longer hardened", relation_name(calls))));
    relation_close(relation, AccessShareLock);
    table->calls = calls;
    table->rules.graph = *settings.graph;
    table->rules.provider = settings.provider;
    table->rules.compiled =
        *settings.policy == '\0' ? default_policy() : policy_of_text(settings.policy, CurrentMemoryContext);
    get_call_result_type(fcinfo, nullptr, &table->result);
    MemoryContextSwitchTo(caller);
    return table;
}

const TableRules *table_rules_of(FunctionCallInfo fcinfo)
{
    const Oid calls = PG_GETARG_OID(argument_calls);
    auto *table = static_cast<TableRules *>(fcinfo->flinfo->fn_extra);
    if (table == nullptr || table->calls != calls)
        fcinfo->flinfo->fn_extra = table = read_table_rules(fcinfo, calls);
    return table;
}

} // namespace

namespace callhardening
{

RowRules *read_row_rules(MemoryContext parent, const Jsonb *transitions, const Jsonb *policy,
                         std::string_view provider)
{
    MemoryContext context = AllocSetContextCreate(parent, "callhardening rules", ALLOCSET_SMALL_SIZES);
    const MemoryContext caller = MemoryContextSwitchTo(context);
    auto *rules = static_cast<RowRules *>(palloc0(sizeof(RowRules)));
    rules->context = context;
    rules->transitions = copy_document(transitions);
    rules->policy = copy_document(policy);
    rules->graph = DefaultTransitionGraph();
    if (transitions != nullptr)
        parse_transition_graph(transitions, &rules->graph);
    rules->compiled = compile_policy(policy, context);
    if (rules->compiled->hashes())
        require_pseudonym_privilege();
    rules->provider = to_cstring(provider);
    MemoryContextSwitchTo(caller);
    return rules;
}

int faults_of_row(const RowRules *rules, OptionalText status, OptionalText direction, const Datum *payload)
{
    int faults = faults_of_status(rules->graph, RepairStatus(rules->graph, status, rules->provider)) |
                 faults_of_direction(RepairDirection(direction, rules->provider));
    if (payload != nullptr && toast_raw_datum_size(*payload) > big_payload_bytes)
        faults |= fault_big_payload;
    if (repaired_payload(rules, payload) != nullptr)
        faults |= fault_payload;
    return faults;
}

} // namespace callhardening

// In the order of audit_calls.
CALLHARDENING_FUNCTION(fault_bits)
{
    constexpr struct {
        const char *check_name;
        Fault bit;
    } checks[] = {
        {"null_call_ids", fault_no_call_id},
        {"repairable_statuses", fault_status},
        {"unknown_statuses", fault_unknown_status},
        {"repairable_directions", fault_direction},
        {"unknown_directions", fault_unknown_direction},
        {"unsanitized_payloads", fault_payload},
        {"big_payloads", fault_big_payload},
        {"stuck_ringing", is_ringing},
        {"stuck_active", is_open},
    };
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = castNode(ReturnSetInfo, fcinfo->resultinfo);
    for (const auto &check : checks) {
        Datum values[] = {CStringGetTextDatum(check.check_name), Int32GetDatum(check.bit)};
        bool nulls[lengthof(values)] = {};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    return Datum{0};
}

CALLHARDENING_FUNCTION(row_faults)
{
    const Datum payload = PG_ARGISNULL(argument_payload) ? Datum{0} : PG_GETARG_DATUM(argument_payload);
    PG_RETURN_INT32(faults_of_row(rules_of(fcinfo), optional_text_argument(fcinfo, argument_status),
                                  optional_text_argument(fcinfo, argument_direction),
                                  PG_ARGISNULL(argument_payload) ? nullptr : &payload));
}

CALLHARDENING_FUNCTION(repaired_row)
{
    if (PG_ARGISNULL(argument_calls))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("calls must not be NULL")));
    const TableRules *table = table_rules_of(fcinfo);
    const RowRules *rules = &table->rules;
    const Datum stored = PG_ARGISNULL(argument_payload) ? Datum{0} : PG_GETARG_DATUM(argument_payload);
    const WordRepair status = RepairStatus(rules->graph, optional_text_argument(fcinfo, argument_status),
                                           rules->provider),
                     direction =
                         RepairDirection(optional_text_argument(fcinfo, argument_direction), rules->provider);
    Jsonb *payload = repaired_payload(rules, PG_ARGISNULL(argument_payload) ? nullptr : &stored);
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
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(table->result, values, nulls)));
}

CALLHARDENING_FUNCTION(row_sample)
{
    const char *id = PG_ARGISNULL(0) ? "NULL" : shown_word(text_argument(fcinfo, 0));
    if (PG_ARGISNULL(1))
        PG_RETURN_TEXT_P(cstring_to_text(id));
    PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s: %s", id, shown_word(text_argument(fcinfo, 1)))));
}
