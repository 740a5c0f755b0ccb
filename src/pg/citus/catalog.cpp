#include "pg/citus/catalog.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}

namespace callhardening
{

namespace
{

// Only a member of the extension citus is its catalog. Nobody else's table with this name counts.
bool is_member_of_citus(Oid table)
{
    const Oid extension = getExtensionOfObject(RelationRelationId, table);
    const char *name = OidIsValid(extension) ? get_extension_name(extension) : nullptr;
    return name != nullptr && strcmp(name, "citus") == 0;
}

bool has_citus()
{
    static Oid known = InvalidOid;
    const Oid table = get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE);
    if (!OidIsValid(table))
        return false;
    if (table != known && !is_member_of_citus(table))
        return false;
    known = table;
    return true;
}

CitusRow first_citus_row(Oid catalog)
{
    const Relation relation = table_open(catalog, AccessShareLock);
    const SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, nullptr, 0, nullptr);
    return {relation, scan, systable_getnext(scan)};
}

} // namespace

Oid catalog_of_citus(const char *name)
{
    return has_citus() ? get_relname_relid(name, PG_CATALOG_NAMESPACE) : InvalidOid;
}

CitusRow find_citus_row(Oid catalog, const char *index, const char *column, RegProcedure equal, Datum key)
{
    ScanKeyData scan_key;
    const Oid index_id = get_relname_relid(index, PG_CATALOG_NAMESPACE);
    const Relation relation = table_open(catalog, AccessShareLock);
    ScanKeyInit(&scan_key, get_attnum(catalog, column), BTEqualStrategyNumber, equal, key);
    const SysScanDesc scan =
        systable_beginscan(relation, index_id, OidIsValid(index_id), nullptr, 1, &scan_key);
    return {relation, scan, systable_getnext(scan)};
}

Datum value_of(const CitusRow &found, const char *column)
{
    bool is_null;
    const AttrNumber number = get_attnum(RelationGetRelid(found.catalog), column);
    if (number == InvalidAttrNumber)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("this version of Citus is not known: %s has no column \"%s\"",
                               RelationGetRelationName(found.catalog), column)));
    return heap_getattr(found.row, number, RelationGetDescr(found.catalog), &is_null);
}

void close_citus_row(const CitusRow &found)
{
    systable_endscan(found.scan);
    table_close(found.catalog, AccessShareLock);
}

int32 own_group()
{
    const Oid catalog = catalog_of_citus("pg_dist_local_group");
    if (!OidIsValid(catalog))
        return -1;
    const CitusRow found = first_citus_row(catalog);
    const int32 group = HeapTupleIsValid(found.row) ? DatumGetInt32(value_of(found, "groupid")) : -1;
    close_citus_row(found);
    return group;
}

} // namespace callhardening
