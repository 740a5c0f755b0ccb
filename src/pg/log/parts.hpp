// The parts of a jsonb body with several calls.
#pragma once

#include "core/events/parts.hpp"

#include "pg/log/event.hpp"

namespace callhardening
{

// An object, or a filled array if the shape reads arrays.
bool can_hold_calls(Jsonb *body, const Shape *shape);

// Which form divides the body, and into how many parts.
PartsOfBody find_parts(Jsonb *body, const Shape *shape);

// False: there are too many parts, or together they are too long.
bool can_divide(Jsonb *body, const PartsOfBody &parts);

// Calls take(state, part) for each part, in the order of the body. The part lives in the current memory
// context.
using TakePart = void (*)(void *state, Jsonb *part);
void for_each_part(Jsonb *body, const PartsOfBody &parts, TakePart take, void *state);

} // namespace callhardening
