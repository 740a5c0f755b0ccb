#include "pg/calls/end_permission.hpp"

extern "C" {
#include "catalog/partition.h"
#include "nodes/pg_list.h"
}

namespace callhardening
{

namespace
{

constinit const PermittedEnd *permitted = nullptr;

bool is_part_of(Relation calls, Oid table)
{
    return RelationGetRelid(calls) == table ||
           (calls->rd_rel->relispartition &&
            list_member_oid(get_partition_ancestors(RelationGetRelid(calls)), table));
}

} // namespace

void permit_end(const PermittedEnd *end)
{
    permitted = end;
}

bool is_permitted_end(Relation calls, std::string_view call_id, std::string_view status)
{
    return permitted != nullptr && permitted->status == status && permitted->call_id == call_id &&
           is_part_of(calls, permitted->calls);
}

} // namespace callhardening
