#include "pg/calls/end_permission.hpp"

#include "pg/base/relation.hpp"

namespace callhardening
{

namespace
{

constinit const PermittedEnd *permitted = nullptr;

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
