#include "core/words/status.hpp"
#include "core/base/text.hpp"

#include "pg/base/text.hpp"
#include "pg/base/warning.hpp"
#include "pg/words/provider.hpp"

using namespace callhardening;

CALLHARDENING_FUNCTION(normalize_call_status)
{
    const std::string_view word = text_argument(fcinfo, 0);
    if (IsBlank(word))
        PG_RETURN_NULL();

    const Status status = NormalizeStatus(word, provider_of_words(fcinfo, 1));
    if (status == Status::unknown)
        warn_unknown_word("status", word);
    const std::string_view name = StatusName(status);
    if (name.empty())
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(to_text(name));
}
