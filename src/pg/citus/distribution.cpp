#include "pg/citus/distribution.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}

namespace callhardening
{

namespace
{

// Only a member of the extension citus is its catalog. Nobody else's table with this name counts.
bool is_catalog_of_citus(Oid table)
{
    static Oid known = InvalidOid;
    if (table == known)
        return true;
    const Oid extension = getExtensionOfObject(RelationRelationId, table);
    const char *name = OidIsValid(extension) ? get_extension_name(extension) : nullptr;
    if (name == nullptr || strcmp(name, "citus") != 0)
        return false;
    known = table;
    return true;
}

Oid catalog_of_citus()
{
    const Oid table = get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE);
    return OidIsValid(table) && is_catalog_of_citus(table) ? table : InvalidOid;
}

struct Partitioning {
    char method, replication;
    bool is_in_group; // of tables whose shards move together
};

Datum value_of(Relation catalog, HeapTuple row, const char *column)
{
    bool is_null;
    const AttrNumber number = get_attnum(RelationGetRelid(catalog), column);
    if (number == InvalidAttrNumber)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("this version of Citus is not known: pg_dist_partition has no column \"%s\"",
                               column)));
    return heap_getattr(row, number, RelationGetDescr(catalog), &is_null);
}

bool find_partitioning(Oid catalog_id, Oid table, Partitioning *found)
{
    ScanKeyData key;
    const Relation catalog = table_open(catalog_id, AccessShareLock);
    const Oid index = get_relname_relid("pg_dist_partition_logical_relid_index", PG_CATALOG_NAMESPACE);
    ScanKeyInit(&key, get_attnum(catalog_id, "logicalrelid"), BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(table));
    const SysScanDesc scan = systable_beginscan(catalog, index, OidIsValid(index), nullptr, 1, &key);
    const HeapTuple row = systable_getnext(scan);
    if (HeapTupleIsValid(row))
        *found = {DatumGetChar(value_of(catalog, row, "partmethod")),
                  DatumGetChar(value_of(catalog, row, "repmodel")),
                  DatumGetInt32(value_of(catalog, row, "colocationid")) != 0};
    const bool is_found = HeapTupleIsValid(row);
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    return is_found;
}

const char *name_of(const Partitioning &partitioning)
{
    constexpr char by_hash = 'h', by_append = 'a', by_range = 'r', by_two_phase_commit = 't';
    switch (partitioning.method) {
    case by_hash:
        return "hash";
    case by_append:
        return "append";
    case by_range:
        return "range";
    default:
        if (partitioning.replication == by_two_phase_commit)
            return "reference";
        return partitioning.is_in_group ? "schema" : "local";
    }
}

} // namespace

const char *distribution_of(Oid table)
{
    Partitioning partitioning;
    const Oid catalog = catalog_of_citus();
    return OidIsValid(catalog) && find_partitioning(catalog, table, &partitioning) ? name_of(partitioning)
                                                                                   : nullptr;
}

void refuse_distributed_log(Oid events, const char *name)
{
    if (distribution_of(events) == nullptr)
        return;
    ereport(
        ERROR,
        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("event log %s is distributed by Citus", name),
         errdetail("Its events are in shards. Each shard is a log of its own, on its node."),
         errhint("SELECT * FROM attach_call_shards(%s) attaches the shards, and names them and their nodes.",
                 quote_literal_cstr(name))));
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(distribution)
{
    const char *name = distribution_of(PG_GETARG_OID(0));
    if (name == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(name));
}

// True only if Citus is installed in this database: its other catalogs can be read then.
CALLHARDENING_FUNCTION(has_citus)
{
    static_cast<void>(fcinfo);
    PG_RETURN_BOOL(OidIsValid(catalog_of_citus()));
}
