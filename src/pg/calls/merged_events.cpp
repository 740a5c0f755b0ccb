#include "pg/calls/merged_events.hpp"

#include "pg/base/relation.hpp"

namespace callhardening
{

namespace
{

constinit const MergedEvents *present = nullptr;

} // namespace

void hand_over_merged_events(const MergedEvents *merged)
{
    present = merged;
}

const MergedEvents *take_merged_events(Relation calls, std::string_view call_id, OptionalText status)
{
    const MergedEvents *merged = present;
    if (merged == nullptr || merged->call_id != call_id || !is_part_of(calls, merged->calls))
        return nullptr;
    if (merged->count > 0 && !(status && *status == merged->steps[merged->count - 1].status))
        return nullptr;
    present = nullptr; // a trigger may write the row once more
    return merged;
}

} // namespace callhardening
