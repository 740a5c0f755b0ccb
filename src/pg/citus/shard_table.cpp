#include "pg/citus/shard_table.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/versions.hpp"
#include "pg/citus/catalog.hpp"
#include "pg/citus/shard.hpp"

#include <string_view>

extern "C" {
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

namespace callhardening
{

namespace
{

// -- by the name ----------------------------------------------------------------------------------

constexpr int digits_of_hash = 8;

// The number at the end of a shard's name, as in calls_102008; 0: there is none.
uint64 shard_number(std::string_view name)
{
    const size_t line = name.rfind('_');
    if (line == std::string_view::npos || line + 1 == name.size() || name.size() - line > 19)
        return 0;
    uint64 number = 0;
    for (const char digit : name.substr(line + 1)) {
        if (digit < '0' || digit > '9')
            return 0;
        number = number * 10 + static_cast<uint64>(digit - '0');
    }
    return number;
}

// Citus cuts a long name, and puts a hash of it before the number.
bool is_name_of_shard(std::string_view shard, std::string_view table)
{
    const std::string_view stem = shard.substr(0, shard.rfind('_'));
    if (stem == table)
        return true;
    const size_t line = stem.rfind('_');
    return line != std::string_view::npos && stem.size() - line - 1 == digits_of_hash &&
           shard.size() >= NAMEDATALEN - 4 && table.starts_with(stem.substr(0, line));
}

Oid table_of_number(Oid catalog, uint64 number)
{
    const CitusRow found = find_citus_row(catalog, "pg_dist_shard_shardid_index", "shardid", F_INT8EQ,
                                          Int64GetDatum(static_cast<int64>(number)));
    const Oid table =
        HeapTupleIsValid(found.row) ? DatumGetObjectId(value_of(found, "logicalrelid")) : InvalidOid;
    close_citus_row(found);
    return table;
}

Oid look_up(Oid relation, const char *name, uint64 number)
{
    const Oid catalog = catalog_of_citus("pg_dist_shard");
    const Oid table = OidIsValid(catalog) ? table_of_number(catalog, number) : InvalidOid;
    const char *table_name = OidIsValid(table) ? get_rel_name(table) : nullptr;
    const bool is_shard = table_name != nullptr && get_rel_namespace(table) == get_rel_namespace(relation) &&
                          is_name_of_shard(name, table_name);
    return is_shard ? table : InvalidOid;
}

// -- what the session knows ------------------------------------------------------------------------

struct KnownShard {
    Oid relation; // the key
    Oid table;
};

// A shard is looked up once. A table that is none is not in it: Citus may write its catalog later.
constinit HTAB *known_shards = nullptr;

void forget_shard(Datum, Oid relation)
{
    HASH_SEQ_STATUS all;
    if (OidIsValid(relation)) {
        hash_search(known_shards, &relation, HASH_REMOVE, nullptr);
        return;
    }
    hash_seq_init(&all, known_shards);
    while (const auto *shard = static_cast<KnownShard *>(hash_seq_search(&all)))
        hash_search(known_shards, &shard->relation, HASH_REMOVE, nullptr);
}

void open_known_shards()
{
    HASHCTL control = {};
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(KnownShard);
    control.hcxt = TopMemoryContext;
    known_shards = hash_create("callhardening shards", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    CacheRegisterRelcacheCallback(forget_shard, Datum{0});
}

void remember_shard(Oid relation, Oid table)
{
    if (known_shards == nullptr)
        open_known_shards();
    auto *shard = static_cast<KnownShard *>(hash_search(known_shards, &relation, HASH_ENTER, nullptr));
    shard->table = table;
}

// InvalidOid: it is no shard.
Oid table_of_shard(Oid relation)
{
    if (known_shards != nullptr)
        if (const void *found = hash_search(known_shards, &relation, HASH_FIND, nullptr); found != nullptr)
            return static_cast<const KnownShard *>(found)->table;
    const char *name = get_rel_name(relation);
    const uint64 number = name == nullptr ? 0 : shard_number(name);
    const Oid table = number == 0 ? InvalidOid : look_up(relation, name, number);
    if (OidIsValid(table))
        remember_shard(relation, table);
    return table;
}

} // namespace

int64 shard_of(Oid relation)
{
    const char *name = OidIsValid(table_of_shard(relation)) ? get_rel_name(relation) : nullptr;
    return name == nullptr ? 0 : static_cast<int64>(shard_number(name));
}

bool is_moved_away(Oid relation)
{
    return !is_shard_here(shard_of(relation));
}

void know_shards_by_their_table()
{
    distributed_table_of = table_of_shard;
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(is_moved_away)
{
    PG_RETURN_BOOL(is_moved_away(PG_GETARG_OID(0)));
}

CALLHARDENING_FUNCTION(shell_of)
{
    const Oid table = table_of_shard(PG_GETARG_OID(0));
    if (!OidIsValid(table))
        PG_RETURN_NULL();
    PG_RETURN_OID(table);
}

CALLHARDENING_FUNCTION(shard_of)
{
    const int64 shard = shard_of(PG_GETARG_OID(0));
    if (shard == 0)
        PG_RETURN_NULL();
    PG_RETURN_INT64(shard);
}

// A lock of Citus holds up its moves. So only an owner gets it.
CALLHARDENING_FUNCTION(hold_placed)
{
    const Oid relation = PG_GETARG_OID(0);
    const int64 shard = shard_of(relation);
    if (shard != 0 && !owns_relation(relation, GetUserId()))
        aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relation));
    require_shard(shard, relation_name(relation));
    PG_RETURN_VOID();
}
