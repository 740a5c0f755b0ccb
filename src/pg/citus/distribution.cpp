#include "pg/citus/distribution.hpp"
#include "pg/citus/catalog.hpp"

extern "C" {
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
}

namespace callhardening
{

namespace
{

constexpr const char *partition_catalog = "pg_dist_partition";

struct Partitioning {
    char method, replication;
    bool is_in_group; // of tables whose shards move together
};

bool find_partitioning(Oid catalog, Oid table, Partitioning *partitioning)
{
    const CitusRow found = find_citus_row(catalog, "pg_dist_partition_logical_relid_index", "logicalrelid",
                                          F_OIDEQ, ObjectIdGetDatum(table));
    const bool is_found = HeapTupleIsValid(found.row);
    if (is_found)
        *partitioning = {DatumGetChar(value_of(found, "partmethod")),
                         DatumGetChar(value_of(found, "repmodel")),
                         DatumGetInt32(value_of(found, "colocationid")) != 0};
    close_citus_row(found);
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
    const Oid catalog = catalog_of_citus(partition_catalog);
    return OidIsValid(catalog) && find_partitioning(catalog, table, &partitioning) ? name_of(partitioning)
                                                                                   : nullptr;
}

void refuse_distributed_log(Oid events, const char *name, bool is_by_call)
{
    const char *kind = distribution_of(events);
    if (kind == nullptr)
        return;
    const bool can_attach = is_by_call || strcmp(kind, "schema") == 0;
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("event log %s is distributed by Citus", name),
             errdetail("Its events are in shards. Each shard is a log of its own, on its node."),
             can_attach ? errhint("SELECT * FROM attach_call_shards(%s) attaches the shards, and names them "
                                  "and their nodes.",
                                  quote_literal_cstr(name))
                        : errhint("The shards of a %s table cannot be attached. Copy its rows into a log of "
                                  "create_distributed_call_tables, or of a distributed schema.",
                                  kind)));
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
    PG_RETURN_BOOL(OidIsValid(catalog_of_citus(partition_catalog)));
}

// A subtransaction can be that of a function with EXCEPTION. Then it is not known.
CALLHARDENING_FUNCTION(is_in_transaction_block)
{
    static_cast<void>(fcinfo);
    PG_RETURN_BOOL(IsTransactionBlock() && GetCurrentTransactionNestLevel() == 1);
}
