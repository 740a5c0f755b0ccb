#include "core/base/text.hpp"
#include "core/events/merge.hpp"
#include "core/words/direction.hpp"
#include "core/words/status.hpp"
#include "core/words/verdict.hpp"

#include "pg/base/relation.hpp"
#include "pg/base/text.hpp"
#include "pg/base/versions.hpp"
#include "pg/base/warning.hpp"
#include "pg/calls/call_key.hpp"
#include "pg/calls/call_settings.hpp"
#include "pg/calls/end_permission.hpp"
#include "pg/calls/issue.hpp"
#include "pg/calls/refusal.hpp"
#include "pg/calls/trigger.hpp"
#include "pg/sanitizer/policy.hpp"
#include "pg/sanitizer/sanitizer.hpp"
#include "pg/words/transition.hpp"
#include "pg/words/word_column.hpp"

extern "C" {
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"
}

using namespace callhardening;

namespace
{

// An unknown word in a new row of an existing call. ON CONFLICT may update the old row, or do nothing.
struct HeldIssue {
    IssueKind kind;
    char *word;
};

// The trigger's data about its table, read once per statement and table and kept for the call site.
struct CallTrigger {
    CallSettings settings;
    AttrNumber call_id;
    AttrNumber payload;
    WordColumn status;
    WordColumn direction;
    const Policy *policy;
    MemoryContext statement; // has the statement's lifetime
    // The sanitized payload of the last INSERT. ON CONFLICT passes it to the UPDATE in EXCLUDED.
    Jsonb *sanitized;
    Size sanitized_capacity;
    HeldIssue held[2]; // of the last INSERT: the status, the direction
    int held_count;
};

// The row to be written, with its changes.
struct CallRow {
    Relation calls;
    TupleTableSlot *old_values; // null for a new row
    TupleTableSlot *new_values;
    int changes;
    int columns[4]; // call id, status, direction, payload
    Datum values[4];
    bool nulls[4];
};

struct Value {
    Datum datum;
    bool is_null;
};

Value value_of(TupleTableSlot *slot, AttrNumber column)
{
    Value value;
    value.datum = slot_getattr(slot, column, &value.is_null);
    return value;
}

void change(CallRow *row, AttrNumber column, Value value)
{
    row->columns[row->changes] = column;
    row->values[row->changes] = value.datum;
    row->nulls[row->changes] = value.is_null;
    ++row->changes;
}

// Compares the stored bytes, even if toasted: an UPDATE passes on the columns that it does not set.
bool is_unchanged(const CallRow *row, AttrNumber column)
{
    if (row->old_values == nullptr)
        return false;
    const Value before = value_of(row->old_values, column), after = value_of(row->new_values, column);
    const Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(row->calls), column - 1);
    return before.is_null == after.is_null &&
           (before.is_null ||
            datumIsEqual(before.datum, after.datum, attribute->attbyval, attribute->attlen));
}

// Compares by the type's operator, because 1 and 1.0 are equal with different bytes.
bool is_equal(const CallRow *row, AttrNumber column)
{
    const Value before = value_of(row->old_values, column), after = value_of(row->new_values, column);
    if (before.is_null || after.is_null)
        return before.is_null == after.is_null;
    const Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(row->calls), column - 1);
    TypeCacheEntry *type = lookup_type_cache(attribute->atttypid, TYPECACHE_EQ_OPR_FINFO);
    return OidIsValid(type->eq_opr_finfo.fn_oid) &&
           DatumGetBool(
               FunctionCall2Coll(&type->eq_opr_finfo, attribute->attcollation, before.datum, after.datum));
}

OptionalText word_of(TupleTableSlot *slot, WordColumn *column)
{
    if (slot == nullptr)
        return {};
    const Value value = value_of(slot, column->attnum);
    return value.is_null ? OptionalText{} : read_word(column, value.datum);
}

const char *column_name(const CallRow *row, AttrNumber column)
{
    return NameStr(TupleDescAttr(RelationGetDescr(row->calls), column - 1)->attname);
}

OptionalText text_of_value(const CallRow *row, TupleTableSlot *slot, AttrNumber column)
{
    const Value value = value_of(slot, column);
    if (value.is_null)
        return {};
    Oid function;
    bool is_varlena;
    getTypeOutputInfo(TupleDescAttr(RelationGetDescr(row->calls), column - 1)->atttypid, &function,
                      &is_varlena);
    return OidOutputFunctionCall(function, value.datum);
}

const char *printable_value(const CallRow *row, TupleTableSlot *slot, AttrNumber column)
{
    return printable_word(text_of_value(row, slot, column));
}

TupleTableSlot *known_values(const CallRow *row)
{
    return row->old_values != nullptr ? row->old_values : row->new_values;
}

Refusal refusal_of(const CallTrigger *trigger, const CallRow *row, AttrNumber column, const char *constraint,
                   const char *message)
{
    return {row->calls, column_name(row, column),
            constraint, printable_value(row, known_values(row), trigger->call_id),
            message,    nullptr};
}

void note_words(const CallTrigger *trigger, const CallRow *row, IssueKind kind, OptionalText old_word,
                OptionalText new_word)
{
    note_issue({kind, RelationGetRelid(row->calls), text_of_value(row, known_values(row), trigger->call_id),
                old_word, new_word, 0, nullptr});
}

bool has_row(Relation calls, Relation index, Value call_id)
{
    const Oid type = index->rd_opcintype[0],
              equal = get_opfamily_member(index->rd_opfamily[0], type, type, BTEqualStrategyNumber);
    ScanKeyData key;
    ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0],
                           get_opcode(equal), call_id.datum);
    const IndexScanDesc scan = begin_index_scan(calls, index, SnapshotSelf, 1);
    index_rescan(scan, &key, 1, nullptr, 0);
    TupleTableSlot *slot = table_slot_create(calls, nullptr);
    const bool found = index_getnext_slot(scan, ForwardScanDirection, slot);
    ExecDropSingleTupleTableSlot(slot);
    index_endscan(scan);
    return found;
}

// Does the call have a row already? Then this row is not inserted.
bool is_known_call(const CallTrigger *trigger, const CallRow *row)
{
    const Value call_id = value_of(row->new_values, trigger->call_id);
    const CallKey key = find_call_key(row->calls, trigger->call_id);
    if (call_id.is_null || key.state != KeyState::unique)
        return false;
    const Relation index = index_open(key.index, AccessShareLock);
    const bool is_known = index->rd_rel->relam == BTREE_AM_OID && has_row(row->calls, index, call_id);
    index_close(index, NoLock);
    return is_known;
}

void note_unknown_word(CallTrigger *trigger, const CallRow *row, IssueKind kind, OptionalText old_word,
                       std::string_view word)
{
    if (row->old_values != nullptr || !is_known_call(trigger, row)) {
        note_words(trigger, row, kind, old_word, word);
        return;
    }
    const MemoryContext caller = MemoryContextSwitchTo(trigger->statement);
    trigger->held[trigger->held_count++] = {kind, to_cstring(word)};
    MemoryContextSwitchTo(caller);
}

// ON CONFLICT runs its UPDATE directly after the INSERT. If the next row is an INSERT, ON CONFLICT did
// nothing.
void settle_held_issues(CallTrigger *trigger, const CallRow *row)
{
    for (int i = 0; i < trigger->held_count; ++i) {
        const HeldIssue &held = trigger->held[i];
        if (row->old_values != nullptr)
            note_words(trigger, row, held.kind, {}, held.word);
        pfree(held.word);
    }
    trigger->held_count = 0;
}

// True if the row is skipped. With `keep`, the column gets its old value back.
bool refuse(CallTrigger *trigger, CallRow *row, AttrNumber column, const Refusal &refusal)
{
    if (trigger->settings.on_invalid == OnInvalid::reject)
        raise_refusal(refusal);
    warn_refusal(refusal, trigger->statement);
    note_words(trigger, row,
               column == trigger->call_id ? IssueKind::refused_call_id : IssueKind::refused_status,
               text_of_value(row, row->old_values, column), text_of_value(row, row->new_values, column));
    if (trigger->settings.on_invalid == OnInvalid::skip)
        return true;
    change(row, column, value_of(row->old_values, column));
    return false;
}

const char *call_id_message(const CallTrigger *trigger, const CallRow *row)
{
    return psprintf("Invalid call id change: %s to %s",
                    printable_value(row, row->old_values, trigger->call_id),
                    printable_value(row, row->new_values, trigger->call_id));
}

bool has_other_call_id(const CallTrigger *trigger, const CallRow *row)
{
    return row->old_values != nullptr && !value_of(row->old_values, trigger->call_id).is_null &&
           !is_unchanged(row, trigger->call_id);
}

constexpr const char *call_id_constraint = "call_id";
constexpr const char *direction_constraint = "direction";

// The functions below return true if the row is skipped.

bool validate_call_id(CallTrigger *trigger, CallRow *row)
{
    const AttrNumber column = trigger->call_id;
    if (!has_other_call_id(trigger, row))
        return false;
    if (is_equal(row, column)) {
        change(row, column, value_of(row->old_values, column));
        return false;
    }
    return refuse(trigger, row, column,
                  refusal_of(trigger, row, column, call_id_constraint, call_id_message(trigger, row)));
}

// An UPDATE keeps the old status. A new row gets none.
void keep_status(const CallTrigger *trigger, CallRow *row)
{
    const AttrNumber column = trigger->status.attnum;
    change(row, column,
           row->old_values != nullptr ? value_of(row->old_values, column) : Value{Datum{0}, true});
}

void report_unknown_status(CallTrigger *trigger, const CallRow *row, OptionalText current,
                           std::string_view word)
{
    if (trigger->settings.on_invalid == OnInvalid::reject)
        raise_refusal(refusal_of(trigger, row, trigger->status.attnum, status_constraint,
                                 psprintf("Unknown call status: %s", printable_word(word))));
    warn_unknown_word("status", word);
    note_unknown_word(trigger, row, IssueKind::unknown_status, current, word);
}

// A subscription brings statuses refined by the publisher's processor. That processor has set merge_ended_at.
bool was_refined_by_publisher(const CallTrigger *trigger, const CallRow *row, std::string_view next)
{
    const TransitionGraph &graph = *trigger->settings.graph;
    const int status = graph.Find(next);
    if (SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA || status < 0 ||
        !IsKindOfEnd(graph, status))
        return false;
    const AttrNumber end = find_column(row->calls, "merge_ended_at");
    return end != 0 && !value_of(row->new_values, end).is_null;
}

bool refines_the_end(const CallTrigger *trigger, const CallRow *row, OptionalText current, OptionalText next)
{
    if (!current || !FactsOfStatus(*current).is_bare_end || !next)
        return false;
    const OptionalText call_id = text_of_value(row, known_values(row), trigger->call_id);
    return (call_id && is_permitted_end(row->calls, *call_id, *next)) ||
           was_refined_by_publisher(trigger, row, *next);
}

bool refuse_transition(CallTrigger *trigger, CallRow *row, OptionalText current, int next)
{
    const AttrNumber column = trigger->status.attnum;
    const TransitionGraph *graph = trigger->settings.graph;
    if (refines_the_end(trigger, row, current, graph->Name(next)))
        return false;
    return refuse(trigger, row, column,
                  refusal_of(trigger, row, column, status_constraint,
                             invalid_transition_message(graph, current, graph->Name(next))));
}

bool validate_status(CallTrigger *trigger, CallRow *row)
{
    const AttrNumber column = trigger->status.attnum;
    if (is_unchanged(row, column))
        return false;
    const TransitionGraph *graph = trigger->settings.graph;
    const OptionalText current = word_of(row->old_values, &trigger->status),
                       word = word_of(row->new_values, &trigger->status);
    const StatusDecision decision =
        DecideStatus(*graph, current, word.value_or(std::string_view{}), trigger->settings.provider);
    switch (decision.verdict) {
    case StatusVerdict::unknown_word:
        report_unknown_status(trigger, row, current, *word);
        [[fallthrough]];
    case StatusVerdict::no_status:
        if (word || row->old_values != nullptr)
            keep_status(trigger, row);
        return false;
    case StatusVerdict::same:
    case StatusVerdict::valid:
        if (word != graph->Name(decision.next))
            change(row, column, {write_word(&trigger->status, graph->Name(decision.next)), false});
        return false;
    case StatusVerdict::refused:
        break;
    }
    return refuse_transition(trigger, row, current, decision.next);
}

// The row's present direction, in any spelling: the row may be older than the trigger.
std::string_view known_direction(CallTrigger *trigger, const CallRow *row)
{
    const OptionalText word = word_of(row->old_values, &trigger->direction);
    return word ? DirectionName(NormalizeDirection(*word, trigger->settings.provider)) : std::string_view{};
}

void validate_direction(CallTrigger *trigger, CallRow *row)
{
    const AttrNumber column = trigger->direction.attnum;
    if (is_unchanged(row, column))
        return;
    const OptionalText written = word_of(row->new_values, &trigger->direction);
    const std::string_view word = written.value_or(std::string_view{});
    if (IsCanonicalDirection(word))
        return;
    const Direction direction =
        IsBlank(word) ? Direction::none : NormalizeDirection(word, trigger->settings.provider);
    if (direction == Direction::unknown) {
        warn_unknown_word("direction", word);
        note_unknown_word(trigger, row, IssueKind::unknown_direction,
                          word_of(row->old_values, &trigger->direction), word);
    }
    if (const std::string_view name = DirectionName(direction); !name.empty())
        change(row, column, {write_word(&trigger->direction, name), false});
    else if (const std::string_view known = known_direction(trigger, row); !known.empty())
        change(row, column, {write_word(&trigger->direction, known), false});
    else if (written)
        change(row, column, {Datum{0}, true});
}

void remember_sanitized(CallTrigger *trigger, const Jsonb *payload)
{
    if (trigger->sanitized_capacity < VARSIZE(payload)) {
        if (trigger->sanitized != nullptr)
            pfree(trigger->sanitized);
        trigger->sanitized = static_cast<Jsonb *>(MemoryContextAlloc(trigger->statement, VARSIZE(payload)));
        trigger->sanitized_capacity = VARSIZE(payload);
    }
    memcpy(trigger->sanitized, payload, VARSIZE(payload));
}

bool is_sanitized(const CallTrigger *trigger, const Jsonb *payload)
{
    return trigger->sanitized != nullptr && VARSIZE(trigger->sanitized) == VARSIZE(payload) &&
           memcmp(trigger->sanitized, payload, VARSIZE(payload)) == 0;
}

void validate_payload(CallTrigger *trigger, CallRow *row)
{
    const Value value = value_of(row->new_values, trigger->payload);
    if (value.is_null || is_unchanged(row, trigger->payload))
        return;
    Jsonb *payload = DatumGetJsonbP(value.datum);
    if (row->old_values != nullptr && is_sanitized(trigger, payload))
        return;
    Jsonb *sanitized = sanitize_payload(payload, trigger->policy);
    if (sanitized != payload)
        change(row, trigger->payload, {JsonbPGetDatum(sanitized), false});
    if (row->old_values == nullptr)
        remember_sanitized(trigger, sanitized);
}

void require_trigger_call(FunctionCallInfo fcinfo, const char *function, bool before)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("%s must be called as a trigger", function)));
    const TriggerEvent event = reinterpret_cast<TriggerData *>(fcinfo->context)->tg_event;
    if (before ? !TRIGGER_FIRED_BEFORE(event) : !TRIGGER_FIRED_AFTER(event))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("%s must be fired %s the event", function, before ? "before" : "after")));
    if (!TRIGGER_FIRED_FOR_ROW(event))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("%s must be fired for each row", function)));
    if (!TRIGGER_FIRED_BY_INSERT(event) && !TRIGGER_FIRED_BY_UPDATE(event))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("%s must be fired by INSERT or UPDATE", function)));
}

CallRow written_row(const TriggerData *event)
{
    CallRow row = {};
    row.calls = event->tg_relation;
    const bool is_update = TRIGGER_FIRED_BY_UPDATE(event->tg_event);
    row.old_values = is_update ? event->tg_trigslot : nullptr;
    row.new_values = is_update ? event->tg_newslot : event->tg_trigslot;
    return row;
}

CallTrigger *open_call_trigger(FunctionCallInfo fcinfo)
{
    const MemoryContext context = fcinfo->flinfo->fn_mcxt, caller = MemoryContextSwitchTo(context);
    auto *trigger = static_cast<CallTrigger *>(palloc0(sizeof(CallTrigger)));
    const auto *event = reinterpret_cast<TriggerData *>(fcinfo->context);
    const Relation calls = event->tg_relation;
    const bool is_before = TRIGGER_FIRED_BEFORE(event->tg_event);
    if (is_before)
        read_call_settings(event->tg_trigger, &trigger->settings);
    else
        require_call_settings(calls, &trigger->settings);
    trigger->call_id = require_column(calls, trigger->settings.call_id_column, calls_column_hint);
    trigger->payload =
        require_typed_column(calls, trigger->settings.payload_column, JSONBOID, calls_column_hint);
    open_word_column(&trigger->status, calls, trigger->settings.status_column, context);
    open_word_column(&trigger->direction, calls, trigger->settings.direction_column, context);
    const char *policy = trigger->settings.policy;
    if (is_before)
        trigger->policy = *policy == '\0' ? default_policy() : policy_of_text(policy, context);
    trigger->statement = context;
    MemoryContextSwitchTo(caller);
    return trigger;
}

CallTrigger *call_trigger_of(FunctionCallInfo fcinfo)
{
    if (fcinfo->flinfo->fn_extra == nullptr)
        fcinfo->flinfo->fn_extra = open_call_trigger(fcinfo);
    return static_cast<CallTrigger *>(fcinfo->flinfo->fn_extra);
}

// The same condition as in the trigger's WHEN clause.
bool has_invalid_direction(CallTrigger *trigger, const CallRow *row)
{
    return !IsValidDirectionChange(word_of(row->old_values, &trigger->direction),
                                   word_of(row->new_values, &trigger->direction));
}

// Argument `n` of a WHEN clause is the table's own graph. A table with the default graph does not pass it.
const TransitionGraph *graph_of_condition(FunctionCallInfo fcinfo, int n)
{
    return PG_NARGS() > n ? transition_graph_argument(fcinfo, n) : &DefaultTransitionGraph();
}

} // namespace

CALLHARDENING_FUNCTION(validate_hardened_call)
{
    require_trigger_call(fcinfo, "validate_hardened_call", true);
    const auto *event = reinterpret_cast<TriggerData *>(fcinfo->context);
    CallTrigger *trigger = call_trigger_of(fcinfo);
    CallRow row = written_row(event);
    settle_held_issues(trigger, &row);
    if (validate_call_id(trigger, &row) || validate_status(trigger, &row))
        return PointerGetDatum(nullptr);
    validate_direction(trigger, &row);
    validate_payload(trigger, &row);

    HeapTuple written = row.old_values != nullptr ? event->tg_newtuple : event->tg_trigtuple;
    if (row.changes == 0)
        return PointerGetDatum(written);
    return PointerGetDatum(heap_modify_tuple_by_cols(written, RelationGetDescr(row.calls), row.changes,
                                                     row.columns, row.values, row.nulls));
}

// The WHEN clauses of its triggers have the rules, so a valid row queues nothing. Each row here is invalid,
// unless it refines the end of a call. The function only reports the reason.
CALLHARDENING_FUNCTION(refuse_illegal_call)
{
    require_trigger_call(fcinfo, "refuse_illegal_call", false);
    const auto *event = reinterpret_cast<TriggerData *>(fcinfo->context);
    CallTrigger *trigger = call_trigger_of(fcinfo);
    const CallRow row = written_row(event);
    const OptionalText current = word_of(row.old_values, &trigger->status),
                       next = word_of(row.new_values, &trigger->status);

    Refusal refusal;
    const bool is_refined = refines_the_end(trigger, &row, current, next);
    if (is_refined && !has_other_call_id(trigger, &row) && !has_invalid_direction(trigger, &row))
        return PointerGetDatum(nullptr);
    if (!is_refined && !IsValidTransition(*trigger->settings.graph, current, next))
        refusal = refusal_of(trigger, &row, trigger->status.attnum, status_constraint,
                             invalid_transition_message(trigger->settings.graph, current, next));
    else if (has_other_call_id(trigger, &row))
        refusal =
            refusal_of(trigger, &row, trigger->call_id, call_id_constraint, call_id_message(trigger, &row));
    else
        refusal = refusal_of(trigger, &row, trigger->direction.attnum, direction_constraint,
                             psprintf("Invalid call direction: %s",
                                      printable_word(word_of(row.new_values, &trigger->direction))));
    refusal.hint = "A BEFORE trigger after validate_hardened_call has set this value.";
    raise_refusal(refusal);
}

CALLHARDENING_FUNCTION(is_invalid_insert)
{
    PG_RETURN_BOOL(
        !IsValidTransition(*graph_of_condition(fcinfo, 2), {}, optional_text_argument(fcinfo, 0)) ||
        !IsValidDirectionChange({}, optional_text_argument(fcinfo, 1)));
}

CALLHARDENING_FUNCTION(is_invalid_update)
{
    PG_RETURN_BOOL(
        !IsValidTransition(*graph_of_condition(fcinfo, 4), optional_text_argument(fcinfo, 0),
                           optional_text_argument(fcinfo, 1)) ||
        !IsValidDirectionChange(optional_text_argument(fcinfo, 2), optional_text_argument(fcinfo, 3)));
}
