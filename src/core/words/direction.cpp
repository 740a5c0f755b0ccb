#include "core/words/direction.hpp"

#include "core/words/lookup.hpp"
#include "core/words/vocabulary.hpp"

namespace callhardening
{

Direction NormalizeDirection(std::string_view word, std::string_view provider) noexcept
{
    return LookUp(direction_vocabulary, word, provider, Direction::unknown);
}

std::string_view DirectionName(Direction direction) noexcept
{
    switch (direction) {
    case Direction::inbound:
        return "inbound";
    case Direction::outbound:
        return "outbound";
    case Direction::unknown:
    case Direction::none:
        break;
    }
    return {};
}

} // namespace callhardening
