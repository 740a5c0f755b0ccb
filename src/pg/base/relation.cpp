#include "pg/base/relation.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/partition.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
}

namespace callhardening
{

Relation open_table(Oid table, LOCKMODE lock)
{
    Relation relation = try_relation_open(table, lock);
    if (relation == nullptr)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table %u no longer exists", table)));
    return relation;
}

char *relation_name(Oid relation)
{
    const char *name = get_rel_name(relation);
    if (name == nullptr)
        return nullptr;
    return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name);
}

Oid (*distributed_table_of)(Oid table) = nullptr;

Oid known_table(Oid table)
{
    const Oid distributed = distributed_table_of == nullptr ? InvalidOid : distributed_table_of(table);
    return OidIsValid(distributed) ? distributed : table;
}

const char *known_name(Relation table)
{
    const Oid known = known_table(RelationGetRelid(table));
    const char *name = known == RelationGetRelid(table) ? nullptr : get_rel_name(known);
    return name != nullptr ? name : RelationGetRelationName(table);
}

bool is_part_of(Relation relation, Oid table)
{
    return RelationGetRelid(relation) == table ||
           (relation->rd_rel->relispartition &&
            list_member_oid(get_partition_ancestors(RelationGetRelid(relation)), table));
}

AttrNumber find_column(Relation relation, const char *name)
{
    const TupleDesc columns = RelationGetDescr(relation);
    for (int i = 0; i < columns->natts; ++i) {
        const Form_pg_attribute column = TupleDescAttr(columns, i);
        if (!column->attisdropped && strcmp(NameStr(column->attname), name) == 0)
            return column->attnum;
    }
    return 0;
}

namespace
{

bool is_domain_not_null(Oid type)
{
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    if (!HeapTupleIsValid(tuple))
        return false;
    const auto form = reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple));
    const bool is_not_null = form->typnotnull;
    const Oid base = form->typbasetype;
    ReleaseSysCache(tuple);
    return is_not_null || (OidIsValid(base) && is_domain_not_null(base));
}

bool has_default(Form_pg_attribute column)
{
    return column->atthasdef || column->attidentity != '\0' || get_typdefault(column->atttypid) != nullptr;
}

bool refuses_null(Form_pg_attribute column)
{
    return column->attnotnull || is_domain_not_null(column->atttypid);
}

} // namespace

bool is_string_type(Oid type)
{
    char category;
    bool is_preferred;
    get_type_category_preferred(type, &category, &is_preferred);
    return category == TYPCATEGORY_STRING;
}

bool needs_value(Form_pg_attribute column)
{
    return !column->attisdropped && refuses_null(column) && !has_default(column);
}

AttrNumber require_column(Relation relation, const char *name, const char *hint)
{
    const AttrNumber column = find_column(relation, name);
    if (column == 0)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("table \"%s\" no longer has column \"%s\"", known_name(relation), name),
                 errdetail("A trigger of callhardening was created for this column."), errhint("%s", hint)));
    return column;
}

AttrNumber require_typed_column(Relation relation, const char *name, Oid type, const char *hint)
{
    const AttrNumber column = require_column(relation, name, hint);
    if (getBaseType(TupleDescAttr(RelationGetDescr(relation), column - 1)->atttypid) != type)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("column \"%s\" of table \"%s\" must be %s", name, known_name(relation),
                        format_type_be(type)),
                 errdetail("Its type was altered after a trigger of callhardening was created for it."),
                 errhint("Alter the type back.")));
    return column;
}

} // namespace callhardening

using namespace callhardening;

// Both return NULL for a dropped type: the catalogs may be read with an older snapshot.
CALLHARDENING_FUNCTION(base_type)
{
    const Oid type = PG_GETARG_OID(0);
    if (!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(type)))
        PG_RETURN_NULL();
    PG_RETURN_OID(getBaseType(type));
}

CALLHARDENING_FUNCTION(type_below)
{
    const Oid type = PG_GETARG_OID(0);
    if (!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(type)))
        PG_RETURN_NULL();
    TupleDesc descriptor;
    get_call_result_type(fcinfo, nullptr, &descriptor);
    int32 typmod = PG_GETARG_INT32(1);
    const Oid base = getBaseTypeAndTypmod(type, &typmod);
    Datum values[] = {ObjectIdGetDatum(base), Int32GetDatum(typmod), BoolGetDatum(is_domain_not_null(type))};
    bool nulls[lengthof(values)] = {};
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls)));
}
