#include "core/events/merge.hpp"
#include "core/words/direction.hpp"
#include "core/words/provider.hpp"

#include "pg/apply/calls_table.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/spi.hpp"
#include "pg/base/text.hpp"
#include "pg/base/time.hpp"
#include "pg/calls/call_key.hpp"
#include "pg/calls/end_permission.hpp"
#include "pg/calls/merge_state.hpp"
#include "pg/log/event.hpp"
#include "pg/log/shape.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_index.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "rewrite/rewriteHandler.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
}

namespace callhardening
{

namespace
{

// -- columns -------------------------------------------------------------------------------------

bool is_integer_type(Oid type)
{
    return type == INT2OID || type == INT4OID || type == INT8OID;
}

bool can_hold(Oid type, ColumnKind kind)
{
    switch (kind) {
    case ColumnKind::text:
        return is_string_type(type);
    case ColumnKind::id:
        return is_string_type(type) || is_integer_type(type);
    case ColumnKind::time:
        return type == TIMESTAMPTZOID || type == TIMESTAMPOID;
    case ColumnKind::seconds:
        return type == INT4OID || type == INT8OID || type == NUMERICOID;
    case ColumnKind::flag:
        return type == BOOLOID;
    }
    return false;
}

Oid column_type(Relation relation, int number)
{
    return TupleDescAttr(RelationGetDescr(relation), number - 1)->atttypid;
}

const char *column_identifier(CallColumn column)
{
    return quote_identifier(to_cstring(FactsOf(column).name));
}

bool is_assignable(Relation relation, int number)
{
    const Form_pg_attribute column = TupleDescAttr(RelationGetDescr(relation), number - 1);
    return column->attgenerated == '\0' && column->attidentity != ATTRIBUTE_IDENTITY_ALWAYS;
}

// A carried column gets its value from the first event's row, not from event bodies.
bool is_carried(const EventLog &log, std::string_view name)
{
    for (int i = 0; i < log.carry_count; ++i)
        if (name == log.carry[i])
            return true;
    return false;
}

// A table with Dialpad's names keeps a user_id of its own: it may be a key of the owner's users.
bool has_own_user_id(Relation calls)
{
    return find_column(calls, "dialpad_call_id") != 0 || find_column(calls, "dialpad_user_id") != 0;
}

void find_columns(CallsTable *table)
{
    for (int i = 0; i < call_column_count; ++i) {
        const CallColumnFacts &facts = FactsOf(static_cast<CallColumn>(i));
        const int number = find_column(table->relation, to_cstring(facts.name));
        if (number == 0 || !is_assignable(table->relation, number) || is_carried(*table->log, facts.name))
            continue;
        table->column_type[i] = getBaseType(column_type(table->relation, number));
        table->columns.present[i] = can_hold(table->column_type[i], facts.kind);
        table->columns.id_kind[i] = KeyKindOf(format_type_be(table->column_type[i]));
    }
    if (has_own_user_id(table->relation))
        table->columns.present[static_cast<int>(CallColumn::user_id)] = false;
}

// One BEFORE INSERT trigger is the extension's.
bool has_insert_trigger(Relation relation)
{
    int count = 0;
    for (int i = 0; relation->trigdesc != nullptr && i < relation->trigdesc->numtriggers; ++i)
        count += TRIGGER_TYPE_MATCHES(relation->trigdesc->triggers[i].tgtype, TRIGGER_TYPE_ROW,
                                      TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_INSERT);
    return count > 1;
}

void require_state_columns(Relation relation)
{
    for (const StateColumn &column : state_columns) {
        const int number = find_column(relation, column.name);
        if (number == 0 || column_type(relation, number) != column.type)
            ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                            errmsg("table %s has no column \"%s\" of type %s",
                                   relation_name(RelationGetRelid(relation)), column.name,
                                   format_type_be(column.type)),
                            errdetail("Workers keep the state of merged events in it."),
                            errhint("Harden the table again with harden_calls: it adds the column.")));
    }
}

// -- statements ----------------------------------------------------------------------------------
//
// Parameters: the call id, status, direction and payload, the state of the merge, then the table's columns in
// the order of CallColumn. Strings are assigned without a cast. An explicit cast would cut a long value
// instead of raising an error.

enum : int {
    id_parameter = 1,
    status_parameter,
    direction_parameter,
    payload_parameter,
    first_state_parameter,
    first_column_parameter = first_state_parameter + state_column_count
};

const char *typed_parameter(int number, Oid type)
{
    if (is_string_type(type))
        return psprintf("$%d", number);
    return psprintf("CAST($%d AS %s)", number, format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY));
}

const char *column_parameter(const CallsTable *table, int column, int number)
{
    if (FactsOf(static_cast<CallColumn>(column)).kind == ColumnKind::id)
        return typed_parameter(number, table->column_type[column]);
    return psprintf("$%d", number);
}

// The columns of every calls table of a log, then the others.
struct Assignment {
    const char *name;
    const char *value;
    bool is_whole; // NULL is written; otherwise NULL keeps the old value
};

int list_assignments(const CallsTable *table, Assignment *list)
{
    const CallSettings &settings = table->settings;
    const char *words[] = {settings.status_column, settings.direction_column};
    int count = 0;
    for (int i = 0; i < 2; ++i) {
        const Oid type =
            column_type(table->relation, require_column(table->relation, words[i], calls_column_hint));
        list[count++] = {words[i], typed_parameter(status_parameter + i, type), false};
    }
    list[count++] = {settings.payload_column, psprintf("$%d", payload_parameter), false};
    for (int i = 0; i < state_column_count; ++i)
        list[count++] = {state_columns[i].name, psprintf("$%d", first_state_parameter + i), true};
    for (int i = 0, number = first_column_parameter; i < call_column_count; ++i)
        if (table->columns.present[i])
            list[count++] = {to_cstring(FactsOf(static_cast<CallColumn>(i)).name),
                             column_parameter(table, i, number++), false};
    return count;
}

constexpr int most_assignments = call_column_count + 3 + state_column_count;
static_assert(most_assignments + 2 <= max_spi_arguments);

// A column named in an INSERT does not get its default, but may be NOT NULL.
const char *value_or_default(CallsTable *table, const char *column, const char *value)
{
    Node *otherwise = build_column_default(table->relation, find_column(table->relation, column));
    if (otherwise == nullptr)
        return value;
    table->fills_new_rows = true;
    return psprintf("COALESCE(%s, %s)", value, deparse_expression(otherwise, NIL, false, false));
}

void add_value(StringInfo columns, StringInfo values, const char *column, const char *value)
{
    appendStringInfo(columns, ", %s", quote_identifier(column));
    appendStringInfo(values, ", %s", value);
}

// COALESCE takes one type. If the types differ, the assignment converts the value. A missing column raises
// its error when the log is read.
bool has_type_in_events(const CallsTable &table, const char *column)
{
    const Oid events = table.log->events, type = get_atttype(events, get_attnum(events, column));
    return OidIsValid(type) &&
           getBaseType(type) == getBaseType(column_type(table.relation, find_column(table.relation, column)));
}

void add_carried(CallsTable *table, StringInfo columns, StringInfo values)
{
    for (int i = 0; i < table->log->carry_count; ++i) {
        const char *column = table->log->carry[i];
        const char *value = psprintf("event.%s", quote_identifier(column));
        add_value(columns, values, column,
                  has_type_in_events(*table, column) ? value_or_default(table, column, value) : value);
    }
}

const char *from_event(const CallsTable *table)
{
    int number = first_column_parameter;
    for (const bool has_column : table->columns.present)
        number += has_column;
    return psprintf(" FROM %s AS event WHERE event.event_seq OPERATOR(pg_catalog.=) $%d",
                    table->log->events_name, number);
}

const char *insert_statement(CallsTable *table, const char *id, const char *id_value)
{
    Assignment list[most_assignments];
    const int count = list_assignments(table, list);
    StringInfoData columns, values;
    initStringInfo(&columns);
    initStringInfo(&values);
    for (int i = 0; i < count; ++i)
        add_value(&columns, &values, list[i].name, value_or_default(table, list[i].name, list[i].value));
    add_carried(table, &columns, &values);
    const bool has_carried = table->log->carry_count > 0;
    return psprintf("INSERT INTO %s (%s%s) %s%s%s%s ON CONFLICT (%s) DO NOTHING",
                    relation_name(RelationGetRelid(table->relation)), id, columns.data,
                    has_carried ? "SELECT " : "VALUES (", id_value, values.data,
                    has_carried ? from_event(table) : ")", id);
}

const char *update_statement(const CallsTable *table, const char *condition)
{
    Assignment list[most_assignments];
    const int count = list_assignments(table, list);
    StringInfoData changes;
    initStringInfo(&changes);
    for (int i = 0; i < count; ++i) {
        const Assignment &set = list[i];
        const char *column = quote_identifier(set.name);
        appendStringInfo(&changes, "%s%s = %s", i == 0 ? "" : ", ", column,
                         set.is_whole ? set.value : psprintf("COALESCE(%s, %s)", set.value, column));
    }
    return psprintf("UPDATE %s SET %s WHERE %s", relation_name(RelationGetRelid(table->relation)),
                    changes.data, condition);
}

const char *select_statement(const CallsTable *table, const char *condition)
{
    const CallSettings &settings = table->settings;
    StringInfoData columns;
    initStringInfo(&columns);
    appendStringInfo(&columns, "CAST(%s AS pg_catalog.text), CAST(%s AS pg_catalog.text), %s IS NOT NULL",
                     quote_identifier(settings.status_column), quote_identifier(settings.direction_column),
                     quote_identifier(settings.payload_column));
    for (const StateColumn &column : state_columns)
        appendStringInfo(&columns, ", %s", column.name);
    for (int i = 0; i < call_column_count; ++i)
        if (table->columns.present[i])
            appendStringInfo(&columns, ", %s", column_identifier(static_cast<CallColumn>(i)));
    return psprintf("SELECT %s FROM %s WHERE %s", columns.data,
                    relation_name(RelationGetRelid(table->relation)), condition);
}

void write_statements(CallsTable *table, Oid id_type, LOCKMODE lock)
{
    const char *id = quote_identifier(table->settings.call_id_column);
    const char *id_value = typed_parameter(id_parameter, id_type);
    const char *condition = psprintf("%s OPERATOR(pg_catalog.=) %s", id, id_value);
    table->insert = insert_statement(table, id, id_value);
    table->update = update_statement(table, condition);
    const char *select = select_statement(table, condition);
    table->select = lock == AccessShareLock ? select : psprintf("%s FOR NO KEY UPDATE", select);
    table->select_nowait = psprintf("%s NOWAIT", table->select);
}

// -- opening -------------------------------------------------------------------------------------

void require_unique_call_id(Relation relation, const char *column, AttrNumber number)
{
    if (find_call_key(relation, number).state == KeyState::unique)
        return;
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("column \"%s\" of table %s has no unique index", column,
                           relation_name(RelationGetRelid(relation))),
                    errdetail("Events of one call could become several rows."),
                    errhint("Remove the rows with the same call id, and harden the table again.")));
}

void require_key_type(Relation relation, const char *name, AttrNumber number)
{
    if (key_obstacle(*TupleDescAttr(RelationGetDescr(relation), number - 1)) == nullptr)
        return;
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("column \"%s\" of table %s cannot be the key of events", name,
                           relation_name(RelationGetRelid(relation))),
                    errdetail("It cannot hold every call id unchanged."),
                    errhint("Use text or varchar with a deterministic collation, or an integer type, and no "
                            "GENERATED ALWAYS.")));
}

void require_carried_columns(const CallsTable &table)
{
    for (int i = 0; i < table.log->carry_count; ++i)
        if (find_column(table.relation, table.log->carry[i]) == 0)
            ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                            errmsg("table %s no longer has column \"%s\"", relation_name(table.log->calls),
                                   table.log->carry[i]),
                            errdetail("Event log %s carries it to new calls.", table.log->events_name),
                            errhint("Rename the column back, or call unharden_call_events and harden the "
                                    "table again.")));
}

} // namespace

void open_calls_table(const EventLog &log, LOCKMODE lock, CallsTable *table)
{
    *table = {};
    table->relation = open_table(log.calls, lock);
    table->provider = log.provider;
    table->shape = shape_of_log(log);
    table->log = &log;
    if (!find_call_settings(table->relation, &table->settings))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("table %s is not hardened", relation_name(known_table(log.calls))),
                        errhint("Harden it with harden_calls.")));
    const int number = require_column(table->relation, table->settings.call_id_column, calls_column_hint);
    const Oid id_type = column_type(table->relation, number);
    require_typed_column(table->relation, table->settings.payload_column, JSONBOID, calls_column_hint);
    require_key_type(table->relation, table->settings.call_id_column, number);
    require_unique_call_id(table->relation, table->settings.call_id_column, number);
    table->key = KeyKindOf(format_type_be(getBaseType(id_type)));
    if (table->settings.provider == several_providers)
        table->key_prefix = key_prefix_of(log.provider);
    require_carried_columns(*table);
    require_state_columns(table->relation);
    find_columns(table);
    table->fills_new_rows = has_insert_trigger(table->relation);
    write_statements(table, id_type, lock);
}

namespace
{

// -- reading -------------------------------------------------------------------------------------

enum : int {
    status_result = 1,
    direction_result,
    has_payload_result,
    newest_result,
    talk_time_result,
    end_result,
    status_before_end_result,
    sequence_result,
    first_column_result
};

FieldValue time_value(Datum value)
{
    const TimestampTz time = DatumGetTimestampTz(value);
    if (TIMESTAMP_NOT_FINITE(time))
        return {};
    return {true, unix_microseconds(time), {}};
}

FieldValue column_value(ColumnKind kind, int position)
{
    bool is_null;
    const Datum value = spi_datum(0, position, &is_null);
    if (is_null)
        return {};
    switch (kind) {
    case ColumnKind::text:
    case ColumnKind::id:
        return {true, 0, spi_cstring(0, position)};
    case ColumnKind::seconds:
        return ReadField(Reading::seconds, {JsonScalar::Kind::number, false, spi_cstring(0, position)});
    case ColumnKind::time:
        return time_value(value);
    case ColumnKind::flag:
        return {true, DatumGetBool(value), {}};
    }
    return {};
}

int read_status(const CallsTable &table, int position)
{
    const char *status = spi_cstring(0, position);
    return status == nullptr ? unset_status : table.settings.graph->Find(status);
}

// Before the first merge a row has no state. Then last_event_at is its newest event. Later, last_event_at may
// be only the column's default.
MergeState read_state(const CallsTable &table, const FieldValue &last_event)
{
    MergeState state;
    const FieldValue newest = column_value(ColumnKind::time, newest_result);
    const FieldValue talk_time = column_value(ColumnKind::flag, talk_time_result);
    const FieldValue &known = talk_time.known ? newest : last_event;
    state.has_newest_event = known.known;
    state.newest_event = known.number;
    state.has_talk_time = talk_time.number != 0;
    const FieldValue end = column_value(ColumnKind::time, end_result);
    state.has_end = end.known;
    state.end = end.number;
    bool is_null;
    state.sequence = DatumGetInt64(spi_datum(0, sequence_result, &is_null));
    state.has_sequence = !is_null;
    state.status_before_end = end.known ? read_status(table, status_before_end_result) : unset_status;
    return state;
}

} // namespace

bool read_call(const CallsTable &table, const char *call_id, bool waits, Call *call)
{
    static KeptPlans plans;
    *call = {};
    run_statement(&plans, waits ? table.select : table.select_nowait, {text_value(call_id)});
    if (SPI_processed == 0) {
        SPI_freetuptable(SPI_tuptable); // otherwise each new call of a batch keeps 8 kB
        return false;
    }

    const char *direction = spi_cstring(0, direction_result);
    call->status = read_status(table, status_result);
    call->direction =
        direction == nullptr ? Direction::unknown : NormalizeDirection(direction, table.provider);
    for (int i = 0, position = first_column_result; i < call_column_count; ++i)
        if (table.columns.present[i])
            call->columns[i] = column_value(FactsOf(static_cast<CallColumn>(i)).kind, position++);
    call->has_payload = DatumGetBool(column_value(ColumnKind::flag, has_payload_result).number);
    call->state = read_state(table, (*call)[CallColumn::last_event_at]);
    SPI_freetuptable(SPI_tuptable);
    return true;
}

namespace
{

// -- writing -------------------------------------------------------------------------------------

SpiArgument id_argument(Oid type, std::string_view id)
{
    // An integer column cannot hold a user id with letters. The rest of the call is written without it.
    if (!is_string_type(type) && CanonicalCallId(id, KeyKindOf(format_type_be(type))).empty())
        return null_argument(TEXTOID);
    return text_value(id);
}

SpiArgument column_argument(const CallsTable &table, int column, const FieldValue &value)
{
    const Oid type = table.column_type[column];
    switch (FactsOf(static_cast<CallColumn>(column)).kind) {
    case ColumnKind::text:
        return value.known ? text_value(value.text) : null_argument(TEXTOID);
    case ColumnKind::id:
        return value.known ? id_argument(type, value.text) : null_argument(TEXTOID);
    case ColumnKind::time:
        return {type, TimestampTzGetDatum(postgres_time(value.number)), !value.known};
    case ColumnKind::seconds:
        return {INT8OID, Int64GetDatum(value.number), !value.known};
    case ColumnKind::flag:
        return {BOOLOID, BoolGetDatum(value.number != 0), !value.known};
    }
    return null_argument(TEXTOID);
}

SpiArgument word_argument(bool changed, std::string_view word)
{
    return changed && !word.empty() ? text_value(word) : null_argument(TEXTOID);
}

SpiArgument status_argument(const CallsTable &table, bool changed, int status)
{
    return word_argument(changed,
                         status == unset_status ? std::string_view{} : table.settings.graph->Name(status));
}

SpiArgument time_argument(bool is_known, int64 time)
{
    return {TIMESTAMPTZOID, TimestampTzGetDatum(postgres_time(time)), !is_known};
}

// Writes all of the state, in the order of state_columns.
int add_state_arguments(const CallsTable &table, const MergeState &state, SpiArgument *arguments, int count)
{
    arguments[count++] = time_argument(state.has_newest_event, state.newest_event);
    arguments[count++] = {BOOLOID, BoolGetDatum(state.has_talk_time), false};
    arguments[count++] = time_argument(state.has_end, state.end);
    arguments[count++] = status_argument(table, state.has_end, state.status_before_end);
    arguments[count++] = {INT8OID, Int64GetDatum(state.sequence), !state.has_sequence};
    return count;
}

// Unchanged values are NULL, and the statement keeps them. The state is always written. `seq` is the event
// with the carried columns of a new call, or NULL.
void run_write(KeptPlans *plans, const char *statement, const CallsTable &table, const char *call_id,
               const Call &call, const Datum *payload, const int64 *seq)
{
    SpiArgument arguments[max_spi_arguments];
    int count = 0;
    arguments[count++] = text_value(call_id);
    arguments[count++] = status_argument(table, call.status_changed, call.status);
    arguments[count++] = word_argument(call.direction_changed, DirectionName(call.direction));
    arguments[count++] =
        payload == nullptr ? null_argument(JSONBOID) : SpiArgument{JSONBOID, *payload, false};
    count = add_state_arguments(table, call.state, arguments, count);
    for (int i = 0; i < call_column_count; ++i)
        if (table.columns.present[i])
            arguments[count++] = column_argument(table, i, call.changed[i] ? call.columns[i] : FieldValue{});
    if (seq != nullptr)
        arguments[count++] = int8_value(*seq);
    run_statement(plans, statement, arguments, count);
}

} // namespace

bool insert_call(const CallsTable &table, const char *call_id, const Call &call, Datum payload, int64 seq)
{
    static KeptPlans plans;
    run_write(&plans, table.insert, table, call_id, call, &payload,
              table.log->carry_count > 0 ? &seq : nullptr);
    return SPI_processed > 0;
}

bool update_call(const CallsTable &table, const char *call_id, const Call &call, const Datum *payload,
                 bool refines_the_end)
{
    static KeptPlans plans;
    const PermittedEnd end = {RelationGetRelid(table.relation), call_id,
                              refines_the_end ? table.settings.graph->Name(call.status) : std::string_view{}};
    permit_end(refines_the_end ? &end : nullptr);
    PG_TRY();
    {
        run_write(&plans, table.update, table, call_id, call, payload, nullptr);
    }
    PG_FINALLY();
    {
        permit_end(nullptr);
    }
    PG_END_TRY();
    return SPI_processed > 0;
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(can_fill_column)
{
    enum { name_argument, type_argument };
    const char *name = NameStr(*PG_GETARG_NAME(name_argument));
    const Oid type = PG_GETARG_OID(type_argument);
    if (!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(type)))
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("type with OID %u does not exist", type));
    for (int i = 0; i < call_column_count; ++i) {
        const CallColumnFacts &facts = FactsOf(static_cast<CallColumn>(i));
        if (facts.name == name)
            PG_RETURN_BOOL(can_hold(getBaseType(type), facts.kind));
    }
    PG_RETURN_BOOL(false);
}
