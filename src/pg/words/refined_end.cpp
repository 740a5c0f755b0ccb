#include "pg/words/refined_end.hpp"

extern "C" {
#include "catalog/partition.h"
#include "nodes/pg_list.h"
}

namespace callhardening
{

namespace
{

constinit const RefinedEnd *allowed = nullptr;

bool is_part_of(Relation calls, Oid table)
{
    return RelationGetRelid(calls) == table ||
           (calls->rd_rel->relispartition &&
            list_member_oid(get_partition_ancestors(RelationGetRelid(calls)), table));
}

} // namespace

void allow_refined_end(const RefinedEnd *refined)
{
    allowed = refined;
}

bool is_refined_end(Relation calls, std::string_view call_id, std::string_view status)
{
    return allowed != nullptr && allowed->status == status && allowed->call_id == call_id &&
           is_part_of(calls, allowed->calls);
}

} // namespace callhardening
