// The catalogs of Citus. Without Citus a look at them costs one look into a cache.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup.h"
#include "utils/relcache.h"
}

namespace callhardening
{

// A catalog by its name. InvalidOid: this database has no Citus.
Oid catalog_of_citus(const char *name);

struct CitusRow {
    Relation catalog;
    SysScanDesc scan;
    HeapTuple row; // invalid: there is none
};

// The first row with this key. `equal` compares the column with it. The index may be missing.
CitusRow find_citus_row(Oid catalog, const char *index, const char *column, RegProcedure equal, Datum key);
Datum value_of(const CitusRow &found, const char *column);
void close_citus_row(const CitusRow &found);

// The group of this server, as in pg_dist_node. -1: it is in no cluster.
int32 own_group();

} // namespace callhardening
