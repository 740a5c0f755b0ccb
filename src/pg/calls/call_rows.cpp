// Reads all rows of a calls table for audit_calls and call_health, as its owner. The output functions of the
// types convert the values: a cast may be the owner's own function.
#include "core/words/transition.hpp"

#include "pg/base/owner_rights.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/text.hpp"
#include "pg/calls/repair.hpp"
#include "pg/words/word_column.hpp"

extern "C" {
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"
}

using namespace callhardening;

namespace
{

const char *name_argument(FunctionCallInfo fcinfo, int n)
{
    return PG_ARGISNULL(n) ? nullptr : NameStr(*PG_GETARG_NAME(n));
}

Oid base_type_of(Relation calls, const char *column)
{
    const AttrNumber number = find_column(calls, column);
    if (number == 0)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                        errmsg("table \"%s\" has no column \"%s\"", RelationGetRelationName(calls), column)));
    return getBaseType(TupleDescAttr(RelationGetDescr(calls), number - 1)->atttypid);
}

const char *word_expression(Relation calls, const char *column)
{
    if (column == nullptr)
        return "NULL::text";
    const char *name = quote_identifier(column);
    switch (base_type_of(calls, column)) {
    case TEXTOID:
    case VARCHAROID:
        return psprintf("%s::text COLLATE \"C\"", name);
    case BPCHAROID:
        return psprintf("CASE WHEN %s IS NOT NULL THEN rtrim(concat(%s)) COLLATE \"C\" END", name, name);
    default:
        return psprintf("CASE WHEN %s IS NOT NULL THEN concat(%s) COLLATE \"C\" END", name, name);
    }
}

// The possible faults of open calls. The newest time decides: a call younger than an hour has none, and one
// younger than a day can only be ringing too long.
const char *quiet_expression(FunctionCallInfo fcinfo, int seen_at)
{
    if (PG_ARGISNULL(seen_at))
        return "0";
    StringInfoData times;
    initStringInfo(&times);
    const ArrayIterator iterator = array_create_iterator(PG_GETARG_ARRAYTYPE_P(seen_at), 0, nullptr);
    Datum name;
    bool is_null;
    while (array_iterate(iterator, &name, &is_null))
        if (!is_null)
            appendStringInfo(&times, ", %s::timestamptz", quote_identifier(NameStr(*DatumGetName(name))));
    return psprintf("CASE WHEN coalesce(NULL::timestamptz%s) < now() - interval '1 day' THEN %d "
                    "WHEN coalesce(NULL::timestamptz%s) < now() - interval '1 hour' THEN %d ELSE 0 END",
                    times.data, quiet_faults, times.data, is_ringing);
}

// Child tables by inheritance are tables of their own.
const char *rows_of(Relation calls)
{
    return psprintf("%s%s", calls->rd_rel->relkind == RELKIND_RELATION ? "ONLY " : "",
                    relation_name(RelationGetRelid(calls)));
}

// -- faults --------------------------------------------------------------------------------------

enum Column { column_call_id, column_status, column_direction, column_payload, column_quiet };

struct FaultReceiver {
    DestReceiver receiver; // must be first: PostgreSQL knows only this member
    const RowRules *rules;
    ReturnSetInfo *result;
    MemoryContext row;
};

OptionalText word_of(const TupleTableSlot *slot, Column column)
{
    return slot->tts_isnull[column] ? OptionalText{} : text_view(DatumGetTextPP(slot->tts_values[column]));
}

int faults_of(const FaultReceiver *self, const TupleTableSlot *slot)
{
    const Datum *payload = slot->tts_isnull[column_payload] ? nullptr : &slot->tts_values[column_payload];
    const int faults =
        faults_of_row(self->rules, word_of(slot, column_status), word_of(slot, column_direction), payload);
    return (faults & ~quiet_faults) | (faults & DatumGetInt32(slot->tts_values[column_quiet])) |
           (slot->tts_isnull[column_call_id] ? fault_no_call_id : 0);
}

bool receive_row(TupleTableSlot *slot, DestReceiver *receiver)
{
    const auto *self = reinterpret_cast<FaultReceiver *>(receiver);
    const MemoryContext caller = MemoryContextSwitchTo(self->row);
    slot_getallattrs(slot);
    if (const int faults = faults_of(self, slot); faults != 0) {
        Datum values[] = {slot->tts_values[column_call_id], slot->tts_values[column_status],
                          slot->tts_values[column_direction], Int32GetDatum(faults)};
        bool nulls[] = {slot->tts_isnull[column_call_id], (faults & status_faults) == 0,
                        (faults & direction_faults) == 0, false};
        tuplestore_putvalues(self->result->setResult, self->result->setDesc, values, nulls);
    }
    MemoryContextSwitchTo(caller);
    MemoryContextReset(self->row);
    return true;
}

void start_rows(DestReceiver *, int, TupleDesc) {}

void end_rows(DestReceiver *) {}

FaultReceiver fault_receiver(FunctionCallInfo fcinfo, const RowRules *rules)
{
    FaultReceiver self = {};
    self.receiver = {receive_row, start_rows, end_rows, end_rows, DestNone};
    self.rules = rules;
    self.result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    self.row = AllocSetContextCreate(CurrentMemoryContext, "callhardening row", ALLOCSET_DEFAULT_SIZES);
    return self;
}

} // namespace

CALLHARDENING_FUNCTION(faulty_rows)
{
    const Oid table = PG_GETARG_OID(0);
    Relation calls = open_table(table, AccessShareLock);
    const char *payload = name_argument(fcinfo, 4);
    const char *statement = psprintf(
        "SELECT %s, %s, %s, %s::jsonb, %s FROM %s", word_expression(calls, name_argument(fcinfo, 1)),
        word_expression(calls, name_argument(fcinfo, 2)), word_expression(calls, name_argument(fcinfo, 3)),
        payload == nullptr ? "NULL" : quote_identifier(payload), quiet_expression(fcinfo, 5), rows_of(calls));
    relation_close(calls, NoLock);
    const RowRules *rules =
        read_row_rules(CurrentMemoryContext, PG_ARGISNULL(6) ? nullptr : PG_GETARG_JSONB_P(6),
                       PG_ARGISNULL(8) ? nullptr : PG_GETARG_JSONB_P(8), text_argument(fcinfo, 7));
    InitMaterializedSRF(fcinfo, 0);
    FaultReceiver self = fault_receiver(fcinfo, rules);
    run_as_owner(table, statement, Datum{0}, &self.receiver);
    return Datum{0};
}

// -- figures -------------------------------------------------------------------------------------

CALLHARDENING_FUNCTION(row_groups)
{
    const Oid table = PG_GETARG_OID(0);
    Relation calls = open_table(table, AccessShareLock);
    const char *payload = name_argument(fcinfo, 3);
    const char *statement = psprintf(
        "SELECT status, direction, quiet, count(*), count(bytes), sum(bytes), max(bytes) FROM (SELECT %s AS "
        "status, "
        "%s AS direction, %s AS quiet, pg_column_size(%s) AS bytes FROM %s %s) AS rows GROUP BY 1, 2, 3",
        word_expression(calls, name_argument(fcinfo, 1)), word_expression(calls, name_argument(fcinfo, 2)),
        quiet_expression(fcinfo, 4), payload == nullptr ? "NULL::jsonb" : quote_identifier(payload),
        rows_of(calls), PG_ARGISNULL(5) ? "" : psprintf("TABLESAMPLE SYSTEM (%.4f)", PG_GETARG_FLOAT8(5)));
    relation_close(calls, NoLock);
    return_as_owner(fcinfo, table, statement, Datum{0});
    return Datum{0};
}

CALLHARDENING_FUNCTION(repeated_call_ids)
{
    const Oid table = PG_GETARG_OID(0);
    Relation calls = open_table(table, AccessShareLock);
    const char *column = name_argument(fcinfo, 1), *name = quote_identifier(column);
    const char *statement = psprintf(
        "SELECT %s, ids FROM (SELECT %s, count(*) OVER () AS ids FROM %s WHERE %s IS NOT NULL GROUP BY %s "
        "HAVING count(*) > 1 ORDER BY %s LIMIT 5) AS repeated",
        word_expression(calls, column), name, rows_of(calls), name, name, name);
    relation_close(calls, NoLock);
    return_as_owner(fcinfo, table, statement, Datum{0});
    return Datum{0};
}

// -- words ---------------------------------------------------------------------------------------

namespace
{

// A reader of a table may learn the possible values of its columns.
void require_reader(Oid table, AttrNumber column)
{
    if (pg_class_aclcheck(table, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
        pg_attribute_aclcheck(table, column, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(table));
}

// The word as shown by its column; NULL for NULL.
const char *hold_word(const FormData_pg_attribute &column, char *word)
{
    Oid input, output, parameter;
    bool is_varlena;
    getTypeInputInfo(column.atttypid, &input, &parameter);
    getTypeOutputInfo(column.atttypid, &output, &is_varlena);
    const Datum value = OidInputFunctionCall(input, word, parameter, column.atttypmod);
    return word == nullptr ? nullptr : OidOutputFunctionCall(output, value);
}

} // namespace

CALLHARDENING_FUNCTION(held_word)
{
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
        ereport(ERROR,
                (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("calls and column_name must not be NULL")));
    const Oid table = PG_GETARG_OID(0);
    Relation calls = open_table(table, AccessShareLock);
    const AttrNumber number = require_column(calls, name_argument(fcinfo, 1), calls_column_hint);
    require_reader(table, number);
    const FormData_pg_attribute column = *TupleDescAttr(RelationGetDescr(calls), number - 1);
    relation_close(calls, NoLock);

    char *word = PG_ARGISNULL(2) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(2));
    const CallerRights caller = take_owner_rights(table);
    const char *held = hold_word(column, word);
    give_back_rights(caller);
    if (held == nullptr)
        PG_RETURN_NULL();
    std::string_view shown = held;
    while (getBaseType(column.atttypid) == BPCHAROID && shown.ends_with(' '))
        shown.remove_suffix(1);
    PG_RETURN_TEXT_P(to_text(shown));
}
