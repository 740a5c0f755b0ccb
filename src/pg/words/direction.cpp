#include "core/words/direction.hpp"
#include "core/base/text.hpp"

#include "pg/base/text.hpp"
#include "pg/base/warning.hpp"
#include "pg/words/provider.hpp"

using namespace callhardening;

CALLHARDENING_FUNCTION(normalize_call_direction)
{
    const std::string_view word = text_argument(fcinfo, 0);
    if (IsBlank(word))
        PG_RETURN_NULL();

    const Direction direction = NormalizeDirection(word, provider_of_words(fcinfo, 1));
    if (direction == Direction::unknown)
        warn_unknown_word("direction", word);
    const std::string_view name = DirectionName(direction);
    if (name.empty())
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(to_text(name));
}
