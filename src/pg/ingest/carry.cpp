#include "core/lanes/position.hpp"

#include "pg/base/relation.hpp"
#include "pg/base/warning.hpp"
#include "pg/ingest/carry.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/syscache.h"
}

namespace callhardening
{

namespace
{

// -- reading -------------------------------------------------------------------------------------

const char *carried_column(const EventLog &log, std::string_view name)
{
    for (int i = 0; i < log.carry_count; ++i)
        if (name == log.carry[i])
            return log.carry[i];
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                    errmsg("event log %s carries no column %s", log.events_name, printable_word(name)),
                    errhint("call_event_logs.carry lists the carried columns.")));
}

char *json_text(JsonbValue *value)
{
    Jsonb *document = JsonbValueToJsonb(value);
    return JsonbToCString(nullptr, &document->root, VARSIZE(document));
}

// The input function of the type takes this text.
char *text_of_value(JsonbValue *value, Oid type)
{
    const Oid base = getBaseType(type);
    if (value->type == jbvString && base != JSONBOID && base != JSONOID)
        return pnstrdup(value->val.string.val, value->val.string.len);
    return json_text(value);
}

struct ColumnType {
    Oid type;
    int32 typmod;
};

ColumnType type_of_column(const EventLog &log, const char *name)
{
    HeapTuple tuple = SearchSysCacheAttName(log.events, name);
    if (!HeapTupleIsValid(tuple))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("event log %s no longer has column \"%s\"", log.events_name, name),
                        errdetail("It is carried to new calls."), errhint("%s", hardened_log_column_hint)));
    const auto column = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
    const ColumnType type = {column->atttypid, column->atttypmod};
    ReleaseSysCache(tuple);
    return type;
}

bool is_about_value(const ErrorData *error)
{
    switch (ERRCODE_TO_CATEGORY(error->sqlerrcode)) {
    case ERRCODE_INSUFFICIENT_RESOURCES:
    case ERRCODE_OPERATOR_INTERVENTION:
    case ERRCODE_SYSTEM_ERROR:
    case ERRCODE_INTERNAL_ERROR:
        return false;
    default:
        return true;
    }
}

// The type's own message would print the value.
[[noreturn]] void raise_without_value(const char *name, ColumnType type, MemoryContext context)
{
    MemoryContextSwitchTo(context);
    ErrorData *error = CopyErrorData();
    if (!is_about_value(error))
        PG_RE_THROW();
    FlushErrorState();
    ereport(ERROR, (errcode(error->sqlerrcode), errmsg("carry has no valid value for column \"%s\"", name),
                    errdetail("Its type is %s.", format_type_with_typemod(type.type, type.typmod))));
}

Datum input_value(char *text, const char *name, ColumnType type)
{
    const MemoryContext context = CurrentMemoryContext;
    Oid function, parameter;
    Datum value;
    getTypeInputInfo(type.type, &function, &parameter);
    PG_TRY();
    {
        value = OidInputFunctionCall(function, text, parameter, type.typmod);
    }
    PG_CATCH();
    {
        raise_without_value(name, type, context);
    }
    PG_END_TRY();
    return value;
}

void add_value(const EventLog &log, std::string_view name, JsonbValue *value, CarriedValues *values)
{
    const char *column = carried_column(log, name);
    if (value->type == jbvNull)
        return;
    if (values->count == most_carried)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("carry has more than %d values", most_carried)));
    const ColumnType type = type_of_column(log, column);
    values->columns[values->count] = column;
    values->values[values->count] = {type.type, input_value(text_of_value(value, type.type), column, type),
                                     false};
    ++values->count;
}

// -- required columns -----------------------------------------------------------------------------

bool has_value(const CarriedValues &carried, const char *column)
{
    for (int i = 0; i < carried.count; ++i)
        if (strcmp(carried.columns[i], column) == 0)
            return true;
    return false;
}

// Another trigger of the table may fill a missing value. One BEFORE INSERT trigger is the extension's.
bool has_own_trigger(Relation relation)
{
    const TriggerDesc *triggers = relation->trigdesc;
    int before_insert = 0;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i)
        before_insert += TRIGGER_TYPE_MATCHES(triggers->triggers[i].tgtype, TRIGGER_TYPE_ROW,
                                              TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_INSERT);
    return before_insert > 1;
}

[[noreturn]] void raise_missing(const EventLog &log, const char *column)
{
    bool carries = false;
    for (int i = 0; i < log.carry_count; ++i)
        carries = carries || strcmp(log.carry[i], column) == 0;
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("an event has no value for column \"%s\" of %s, a NOT NULL column without a default",
                    column, log.events_name),
             carries ? errhint("Pass its value in carry.")
                     : errhint("Give the column a default, or INSERT into the table as its clients do.")));
}

void require_log_columns(const EventLog &log, const CarriedValues &carried)
{
    Relation events = open_table(log.events, AccessShareLock);
    const TupleDesc columns = RelationGetDescr(events);
    if (!has_own_trigger(events))
        for (int i = 0; i < columns->natts; ++i) {
            const Form_pg_attribute column = TupleDescAttr(columns, i);
            const char *name = NameStr(column->attname);
            if (needs_value(column) && strcmp(name, log.payload_column) != 0 && !has_value(carried, name))
                raise_missing(log, name);
        }
    table_close(events, NoLock);
}

} // namespace

void read_carry(const EventLog &log, Jsonb *carry, CarriedValues *values)
{
    values->count = 0;
    if (carry == nullptr)
        return;
    if (!JB_ROOT_IS_OBJECT(carry))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("carry must be a JSON object"),
                        errhint("Its members must be columns carried by the event log.")));
    JsonbValue name, value;
    JsonbIterator *iterator = JsonbIteratorInit(&carry->root);
    JsonbIteratorNext(&iterator, &name, true);
    while (JsonbIteratorNext(&iterator, &name, true) == WJB_KEY) {
        JsonbIteratorNext(&iterator, &value, true);
        add_value(log, {name.val.string.val, static_cast<size_t>(name.val.string.len)}, &value, values);
    }
}

void require_filled_columns(const EventLog &log, const CarriedValues &carried)
{
    if (!OidIsValid(log.sequence))
        return;
    require_log_columns(log, carried);
}

} // namespace callhardening
