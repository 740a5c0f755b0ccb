#include "core/words/verdict.hpp"

#include "core/base/text.hpp"
#include "core/words/direction.hpp"
#include "core/words/status.hpp"

namespace callhardening
{

namespace
{

StatusDecision Meaning(const TransitionGraph &graph, std::string_view word,
                       std::string_view provider) noexcept
{
    int next = graph.Find(word);
    if (next < 0 && IsBlank(word))
        return {StatusVerdict::no_status, -1};
    if (next < 0)
        next = graph.FindFolded(word);
    if (next >= 0)
        return {StatusVerdict::valid, next};

    const Status status = NormalizeStatus(word, provider);
    if (status == Status::none)
        return {StatusVerdict::no_status, -1};
    next = status == Status::unknown ? -1 : graph.FindFolded(StatusName(status));
    return {next < 0 ? StatusVerdict::unknown_word : StatusVerdict::valid, next};
}

} // namespace

StatusDecision DecideStatus(const TransitionGraph &graph, OptionalText current, std::string_view word,
                            std::string_view provider) noexcept
{
    StatusDecision decision = Meaning(graph, word, provider);
    const int now = current ? graph.Find(*current) : -1;
    if (decision.next < 0 || now < 0)
        return decision;
    if (decision.next == now)
        decision.verdict = StatusVerdict::same;
    else if (!graph.Allows(now, decision.next))
        decision.verdict = StatusVerdict::refused;
    return decision;
}

bool IsCanonicalDirection(std::string_view direction) noexcept
{
    return direction == DirectionName(Direction::inbound) || direction == DirectionName(Direction::outbound);
}

bool IsValidDirectionChange(OptionalText current, OptionalText next) noexcept
{
    if (current == next)
        return true;
    return next ? IsCanonicalDirection(*next) : !IsCanonicalDirection(*current);
}

} // namespace callhardening
