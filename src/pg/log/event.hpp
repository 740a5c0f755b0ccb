// Reading an event out of jsonb.
#pragma once

#include "core/events/shape_reader.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// The values of an event as its provider sends them. Texts lie in `body` or in the current memory context.
struct EventFields {
    FieldValue values[field_count];

    FieldValue &operator[](Field field) { return values[static_cast<size_t>(field)]; }
};

// The shape of a provider's bodies; nullptr where we know none.
const Shape *shape_of_provider(std::string_view provider);

// Reads the call id and the fields that are wanted; others stay unknown. False where the body has no call id
// in any form of the shape; `fields` is empty then.
bool read_event(Jsonb *body, const Shape *shape, FieldSet wanted, EventFields *fields);

} // namespace callhardening
