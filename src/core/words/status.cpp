#include "core/words/status.hpp"

#include "core/words/lookup.hpp"
#include "core/words/vocabulary.hpp"

namespace callhardening
{

Status NormalizeStatus(std::string_view word, std::string_view provider) noexcept
{
    return LookUp(status_vocabulary, word, provider, Status::unknown);
}

std::string_view StatusName(Status status) noexcept
{
    for (const StatusFacts &facts : status_facts)
        if (facts.status == status)
            return facts.name;
    return {};
}

} // namespace callhardening
