#include "core/words/repair.hpp"

#include "core/words/direction.hpp"
#include "core/words/verdict.hpp"

namespace callhardening
{

namespace
{

WordRepair Compare(std::string_view written, std::string_view canonical) noexcept
{
    if (canonical.empty())
        return {WordFault::unknown, {}};
    return {written == canonical ? WordFault::none : WordFault::repairable, canonical};
}

} // namespace

WordRepair RepairStatus(const TransitionGraph &graph, OptionalText status, std::string_view provider) noexcept
{
    if (!status)
        return {WordFault::none, {}};
    const StatusDecision decision = DecideStatus(graph, {}, *status, provider);
    return Compare(*status, decision.next < 0 ? std::string_view{} : graph.Name(decision.next));
}

WordRepair RepairDirection(OptionalText direction, std::string_view provider) noexcept
{
    if (!direction)
        return {WordFault::none, {}};
    return Compare(*direction, DirectionName(NormalizeDirection(*direction, provider)));
}

} // namespace callhardening
