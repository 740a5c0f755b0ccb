// The changes of a calls table as events of a log: an AFTER row trigger of the calls table. It names the log
// as the table of its FROM clause, so DROP TABLE of the log takes the trigger along.
#include "pg/base/owner_rights.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/spi.hpp"
#include "pg/base/text.hpp"
#include "pg/calls/call_settings.hpp"
#include "pg/calls/merge_state.hpp"
#include "pg/calls/merged_events.hpp"
#include "pg/log/event_log.hpp"
#include "pg/words/word_column.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
}

using namespace callhardening;

namespace
{

// -- the calls table and its log -----------------------------------------------------------------

constexpr int row_values = 4, most_rows = max_spi_arguments / row_values;

// Looked up once per statement and table.
struct ChangeLogger {
    EventLog log;
    const char *calls_name;
    bool is_registered;             // false: the table of the trigger is not the log of this calls table
    const char *inserts[most_rows]; // by number of rows, made when needed
    AttrNumber call_id;
    FmgrInfo call_id_output;
    WordColumn status;
    bool *is_state; // by column, from 0: the state of merged events, and no value of the call
    MemoryContext statement;
};

bool is_state_column(const FormData_pg_attribute &column)
{
    for (const StateColumn &state : state_columns)
        if (strcmp(NameStr(column.attname), state.name) == 0)
            return true;
    return false;
}

void find_columns(ChangeLogger *logger, Relation calls, MemoryContext statement)
{
    CallSettings settings;
    Oid output;
    bool is_varlena;
    const TupleDesc columns = RelationGetDescr(calls);
    require_call_settings(calls, &settings);
    logger->call_id = require_column(calls, settings.call_id_column, calls_column_hint);
    getTypeOutputInfo(TupleDescAttr(columns, logger->call_id - 1)->atttypid, &output, &is_varlena);
    fmgr_info_cxt(output, &logger->call_id_output, statement);
    open_word_column(&logger->status, calls, settings.status_column, statement);
    logger->is_state = static_cast<bool *>(palloc(sizeof(bool) * columns->natts));
    for (int i = 0; i < columns->natts; ++i)
        logger->is_state[i] = is_state_column(*TupleDescAttr(columns, i));
}

// Otherwise an owner of any table with the right TRIGGER on a log could append to it with its owner's rights.
// A schema restored without data has the trigger, and no log in the registry yet.
bool is_log_of(const EventLog &log, Relation calls)
{
    return log.is_of_changes && is_part_of(calls, log.calls);
}

ChangeLogger *open_logger(FunctionCallInfo fcinfo)
{
    const auto *event = reinterpret_cast<const TriggerData *>(fcinfo->context);
    const MemoryContext statement = fcinfo->flinfo->fn_mcxt, caller = MemoryContextSwitchTo(statement);
    auto *logger = static_cast<ChangeLogger *>(palloc0(sizeof(ChangeLogger)));
    logger->statement = statement;
    if (find_event_log_of(event->tg_trigger->tgconstrrelid, &logger->log) &&
        is_log_of(logger->log, event->tg_relation)) {
        find_columns(logger, event->tg_relation, statement);
        logger->calls_name = relation_name(logger->log.calls);
        logger->is_registered = true;
    }
    MemoryContextSwitchTo(caller);
    return logger;
}

ChangeLogger *logger_of(FunctionCallInfo fcinfo)
{
    if (fcinfo->flinfo->fn_extra == nullptr)
        fcinfo->flinfo->fn_extra = open_logger(fcinfo);
    return static_cast<ChangeLogger *>(fcinfo->flinfo->fn_extra);
}

// -- a change ------------------------------------------------------------------------------------

struct ChangedRow {
    TupleTableSlot *before, *after; // NULL: the row was created, or deleted
    const char *call_id;            // NULL: the row has none
    OptionalText status_before, status;
    const bool *changed; // by column of `after`, from 0
    bool has_changed;
};

const char *call_id_of(ChangeLogger *logger, TupleTableSlot *row)
{
    bool is_null;
    const Datum id = slot_getattr(row, logger->call_id, &is_null);
    return is_null ? nullptr : OutputFunctionCall(&logger->call_id_output, id);
}

OptionalText status_of(ChangeLogger *logger, TupleTableSlot *row)
{
    bool is_null;
    if (row == nullptr)
        return {};
    const Datum status = slot_getattr(row, logger->status.attnum, &is_null);
    return is_null ? OptionalText{} : read_word(&logger->status, status);
}

// An UPDATE passes on the toasted values that it does not set. So the bytes come first: nothing is read for
// them.
bool is_same_value(const FormData_pg_attribute &column, Datum before, Datum after)
{
    return datumIsEqual(before, after, column.attbyval, column.attlen) ||
           datum_image_eq(before, after, column.attbyval, column.attlen);
}

// The columns of two partitions can have different numbers. 0: the column is new.
int number_before(const ChangedRow &row, int number)
{
    const TupleDesc before = row.before->tts_tupleDescriptor, after = row.after->tts_tupleDescriptor;
    if (before == after)
        return number;
    const Form_pg_attribute wanted = TupleDescAttr(after, number - 1);
    for (int i = 0; i < before->natts; ++i) {
        const Form_pg_attribute column = TupleDescAttr(before, i);
        if (!column->attisdropped && column->atttypid == wanted->atttypid &&
            strcmp(NameStr(column->attname), NameStr(wanted->attname)) == 0)
            return i + 1;
    }
    return 0;
}

// Of a new row, each column with a value.
bool has_changed(const ChangedRow &row, int number)
{
    bool is_null, was_null = true;
    const Datum value = slot_getattr(row.after, number, &is_null);
    const int old_number = row.before == nullptr ? 0 : number_before(row, number);
    const Datum old_value = old_number == 0 ? Datum{0} : slot_getattr(row.before, old_number, &was_null);
    if (is_null || was_null)
        return is_null != was_null;
    return !is_same_value(*TupleDescAttr(row.after->tts_tupleDescriptor, number - 1), old_value, value);
}

void compare_columns(const ChangeLogger *logger, ChangedRow *row)
{
    const TupleDesc columns = row->after->tts_tupleDescriptor;
    auto *changed = static_cast<bool *>(palloc0(sizeof(bool) * columns->natts));
    for (int i = 0; i < columns->natts; ++i) {
        if (TupleDescAttr(columns, i)->attisdropped || logger->is_state[i])
            continue;
        changed[i] = has_changed(*row, i + 1);
        row->has_changed = row->has_changed || changed[i];
    }
    row->changed = changed;
}

// -- its events ----------------------------------------------------------------------------------

// One event: a step from one status to the next one, or the change of other columns.
struct Change {
    const char *type;
    OptionalText status_before, status;
    bool is_last; // of this write: it has the names of all changed columns
    const MergedEvent *cause;
};

void push_string(JsonbParseState **state, JsonbIteratorToken token, std::string_view text)
{
    JsonbValue value;
    value.type = jbvString;
    value.val.string.val = const_cast<char *>(text.data());
    value.val.string.len = static_cast<int>(text.size());
    pushJsonbValue(state, token, &value);
}

void push_member(JsonbParseState **state, const char *name, OptionalText value)
{
    push_string(state, WJB_KEY, name);
    if (value) {
        push_string(state, WJB_VALUE, *value);
        return;
    }
    JsonbValue null;
    null.type = jbvNull;
    pushJsonbValue(state, WJB_VALUE, &null);
}

void push_time(JsonbParseState **state, const char *name, TimestampTz time)
{
    const int utc = 0;
    auto *text = static_cast<char *>(palloc(MAXDATELEN + 1));
    push_member(state, name, JsonEncodeDateTime(text, TimestampTzGetDatum(time), TIMESTAMPTZOID, &utc));
}

void push_number(JsonbParseState **state, const char *name, int64 number)
{
    JsonbValue value;
    value.type = jbvNumeric;
    value.val.numeric = DatumGetNumeric(DirectFunctionCall1(int8_numeric, Int64GetDatum(number)));
    push_string(state, WJB_KEY, name);
    pushJsonbValue(state, WJB_VALUE, &value);
}

void push_columns(JsonbParseState **state, const ChangeLogger *logger, const ChangedRow &row,
                  const Change &change)
{
    const TupleDesc columns = row.after->tts_tupleDescriptor;
    const int status = logger->status.attnum - 1;
    push_string(state, WJB_KEY, "changed");
    pushJsonbValue(state, WJB_BEGIN_ARRAY, nullptr);
    for (int i = 0; i < columns->natts; ++i)
        if (change.is_last ? row.changed[i] : i == status)
            push_string(state, WJB_ELEM, NameStr(TupleDescAttr(columns, i)->attname));
    pushJsonbValue(state, WJB_END_ARRAY, nullptr);
}

void push_cause(JsonbParseState **state, const MergedEvents &merged, const MergedEvent &cause)
{
    push_member(state, "event_log", merged.events_name);
    push_number(state, "event_seq", cause.event_seq);
    if (cause.has_happened_at)
        push_time(state, "happened_at", cause.happened_at);
}

Jsonb *payload_of(const ChangeLogger *logger, const ChangedRow &row, const Change &change,
                  const MergedEvents *merged, TimestampTz now)
{
    JsonbParseState *state = nullptr;
    pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
    push_member(&state, "call_id", row.call_id);
    push_member(&state, "status_before", change.status_before);
    push_member(&state, "status", change.status);
    if (row.after != nullptr)
        push_columns(&state, logger, row, change);
    push_time(&state, "changed_at", now);
    // Not the current user: in a SECURITY DEFINER function, that is the function's owner.
    push_member(&state, "by", GetUserNameFromId(GetOuterUserId(), true));
    if (change.cause != nullptr)
        push_cause(&state, *merged, *change.cause);
    return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

// Rows for one INSERT.
struct NewEvents {
    ChangeLogger *logger;
    const ChangedRow *row;
    const MergedEvents *merged; // NULL: no events of a log are behind the change
    TimestampTz now;
    SpiArgument arguments[most_rows * row_values];
    int count;
};

const char *insert_statement(ChangeLogger *logger, int rows)
{
    StringInfoData statement;
    initStringInfo(&statement);
    appendStringInfo(&statement, "INSERT INTO %s (call_id, event_type, received_at, payload) VALUES",
                     logger->log.events_name);
    for (int i = 0; i < rows * row_values; i += row_values)
        appendStringInfo(&statement, "%s ($%d, $%d, $%d, $%d)", i == 0 ? "" : ",", i + 1, i + 2, i + 3,
                         i + 4);
    return MemoryContextStrdup(logger->statement, statement.data);
}

void write_events(NewEvents *events)
{
    static KeptPlans plans;
    const auto rows = static_cast<uint64>(events->count);
    const char **insert = &events->logger->inserts[events->count - 1];
    if (*insert == nullptr)
        *insert = insert_statement(events->logger, events->count);
    run_statement(&plans, *insert, events->arguments, events->count * row_values);
    events->count = 0;
    if (SPI_processed != rows)
        ereport(ERROR,
                (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
                 errmsg("the change was not written to %s", events->logger->log.events_name),
                 errhint("A trigger, a rule or a row-level security policy of that table suppresses it.")));
}

void add_event(NewEvents *events, const Change &change)
{
    if (events->count == most_rows)
        write_events(events);
    const ChangedRow &row = *events->row;
    SpiArgument *arguments = events->arguments + events->count++ * row_values;
    Jsonb *payload = payload_of(events->logger, row, change, events->merged, events->now);
    arguments[0] = text_value(row.call_id);
    arguments[1] = text_value(change.type);
    arguments[2] = {TIMESTAMPTZOID, TimestampTzGetDatum(events->now), false};
    arguments[3] = {JSONBOID, JsonbPGetDatum(payload), false};
}

// All steps of the status, in their order. The last one has the other columns.
void add_steps(NewEvents *events)
{
    const MergedEvents &merged = *events->merged;
    OptionalText before = events->row->status_before;
    for (int i = 0; i < merged.count; ++i) {
        const bool is_new = events->row->before == nullptr && i == 0;
        add_event(events, {is_new ? "created" : "status", before, merged.steps[i].status,
                           i + 1 == merged.count, &merged.steps[i]});
        before = merged.steps[i].status;
    }
}

const char *type_of(const ChangedRow &row)
{
    if (row.before == nullptr)
        return "created";
    if (row.after == nullptr)
        return "deleted";
    return row.status_before == row.status ? "changed" : "status";
}

void append_changes(ChangeLogger *logger, const ChangedRow &row, Relation calls)
{
    const MergedEvents *merged =
        row.after == nullptr ? nullptr : take_merged_events(calls, row.call_id, row.status);
    NewEvents events = {logger, &row, merged, GetCurrentTimestamp(), {}, 0};
    if (merged != nullptr && merged->count > 0)
        add_steps(&events);
    else if (row.has_changed || row.after == nullptr)
        add_event(&events, {type_of(row), row.status_before, row.status, true,
                            merged == nullptr ? nullptr : &merged->last});
    if (events.count > 0)
        write_events(&events);
}

// -- with the rights of the log's owner ----------------------------------------------------------

// After an error nothing can be looked up.
void name_change(void *state)
{
    const auto *logger = static_cast<const ChangeLogger *>(state);
    errcontext("logging a change of table %s in %s", logger->calls_name, logger->log.events_name);
}

// A writer of calls needs no right on the log. What the owner of the log has planted there (triggers, types,
// policies) runs with the rights of this owner.
void append_as_owner(ChangeLogger *logger, const ChangedRow &row, Relation calls)
{
    ErrorContextCallback context = {error_context_stack, name_change, logger};
    error_context_stack = &context;
    SPI_connect();
    const CallerRights caller = take_owner_rights(logger->log.events);
    append_changes(logger, row, calls);
    give_back_rights(caller);
    SPI_finish();
    error_context_stack = context.previous;
}

// -- rows that move between partitions -----------------------------------------------------------

// PostgreSQL fires DELETE for the old partition, and then INSERT for the new one. For the reader of changes
// this is an UPDATE.
struct MovingRow {
    FullTransactionId transaction; // the memory ends with it
    SubTransactionId subtransaction;
    MemoryContext memory; // until the row arrives
    Oid root;
    char *call_id;
    OptionalText status;
    HeapTuple row; // nullptr: it has arrived
    TupleDesc columns;
};

constinit MovingRow moving = {};

Oid root_of(Relation calls)
{
    if (!calls->rd_rel->relispartition)
        return RelationGetRelid(calls);
    return llast_oid(get_partition_ancestors(RelationGetRelid(calls)));
}

bool is_move(const TriggerData *event)
{
    return event->tg_relation->rd_rel->relispartition &&
           HeapTupleHeaderIndicatesMovedPartitions(event->tg_trigtuple->t_data);
}

bool is_present(const MovingRow &row)
{
    return row.row != nullptr && FullTransactionIdEquals(row.transaction, GetTopFullTransactionIdIfAny());
}

void remember_move(ChangeLogger *logger, const TriggerData *event)
{
    const char *call_id = call_id_of(logger, event->tg_trigslot);
    const OptionalText status = status_of(logger, event->tg_trigslot);
    if (is_present(moving))
        MemoryContextDelete(moving.memory); // it has left for a table of another log
    const MemoryContext memory =
        AllocSetContextCreate(TopTransactionContext, "callhardening moving row", ALLOCSET_SMALL_SIZES);
    const MemoryContext caller = MemoryContextSwitchTo(memory);
    moving = {GetTopFullTransactionId(),
              GetCurrentSubTransactionId(),
              memory,
              root_of(event->tg_relation),
              call_id == nullptr ? nullptr : pstrdup(call_id),
              status ? OptionalText{{to_cstring(*status), status->size()}} : OptionalText{},
              heap_copytuple(event->tg_trigtuple),
              CreateTupleDescCopyConstr(RelationGetDescr(event->tg_relation))}; // with values of new columns
    MemoryContextSwitchTo(caller);
}

// The row before its move; nullptr: the inserted row is new.
TupleTableSlot *take_moved(const ChangedRow &row, Relation calls)
{
    if (!is_present(moving))
        return nullptr;
    const bool is_same = moving.subtransaction == GetCurrentSubTransactionId() &&
                         is_part_of(calls, moving.root) && moving.call_id != nullptr &&
                         strcmp(moving.call_id, row.call_id) == 0;
    TupleTableSlot *before = nullptr;
    if (is_same) {
        before = MakeSingleTupleTableSlot(moving.columns, &TTSOpsHeapTuple);
        ExecStoreHeapTuple(moving.row, before, false);
    }
    MemoryContextSetParent(moving.memory, CurrentMemoryContext); // it ends with this call of the trigger
    moving.row = nullptr;
    return before;
}

// -- the trigger ---------------------------------------------------------------------------------

void require_change_trigger(FunctionCallInfo fcinfo)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("add_call_change must be called as a trigger")));
    const auto *event = reinterpret_cast<const TriggerData *>(fcinfo->context);
    if (!TRIGGER_FIRED_AFTER(event->tg_event) || !TRIGGER_FIRED_FOR_ROW(event->tg_event))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("add_call_change must be fired after the event for each row")));
    if (!OidIsValid(event->tg_trigger->tgconstrrelid))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("add_call_change needs a constraint trigger with the log in FROM"),
                        errhint("Let create_call_changes create the trigger.")));
}

ChangedRow changed_row(ChangeLogger *logger, const TriggerData *event)
{
    ChangedRow row = {};
    if (TRIGGER_FIRED_BY_INSERT(event->tg_event))
        row.after = event->tg_trigslot;
    else
        row.before = event->tg_trigslot;
    if (TRIGGER_FIRED_BY_UPDATE(event->tg_event))
        row.after = event->tg_newslot;
    row.call_id = call_id_of(logger, row.after != nullptr ? row.after : row.before);
    row.status = status_of(logger, row.after);
    row.status_before = status_of(logger, row.before);
    return row;
}

void take_move(ChangedRow *row, Relation calls)
{
    row->before = take_moved(*row, calls);
    if (row->before != nullptr)
        row->status_before = moving.status;
}

} // namespace

CALLHARDENING_FUNCTION(add_call_change)
{
    require_change_trigger(fcinfo);
    const auto *event = reinterpret_cast<const TriggerData *>(fcinfo->context);
    ChangeLogger *logger = logger_of(fcinfo);
    if (!logger->is_registered)
        return PointerGetDatum(nullptr);
    ChangedRow row = changed_row(logger, event);
    if (row.after == nullptr && is_move(event)) {
        remember_move(logger, event);
        return PointerGetDatum(nullptr);
    }
    if (row.call_id == nullptr) // no reader could find the call
        return PointerGetDatum(nullptr);
    if (row.before == nullptr)
        take_move(&row, event->tg_relation);
    if (row.after != nullptr)
        compare_columns(logger, &row);
    append_as_owner(logger, row, event->tg_relation);
    return PointerGetDatum(nullptr);
}
