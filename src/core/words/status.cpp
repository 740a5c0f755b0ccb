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
    switch (status) {
    case Status::ringing:
        return "ringing";
    case Status::active:
        return "active";
    case Status::ended:
        return "ended";
    case Status::missed:
        return "missed";
    case Status::rejected:
        return "rejected";
    case Status::voicemail:
        return "voicemail";
    case Status::unknown:
    case Status::none:
        break;
    }
    return {};
}

} // namespace callhardening
