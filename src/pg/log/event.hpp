// Reading an event out of jsonb.
#pragma once

#include "core/events/shape_reader.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// The values of an event in the provider's form. Texts live in `body` or in the current memory context.
struct EventFields {
    FieldValue values[field_count];

    FieldValue &operator[](Field field) { return values[static_cast<size_t>(field)]; }
};

// The shape of a provider's bodies; nullptr if the extension has none.
const Shape *shape_of_provider(std::string_view provider);

// Reads the call id and the wanted fields into `fields`, which come empty; the others stay unknown. False if
// no form of the shape finds a call id. Then no field is known.
bool read_event(Jsonb *body, const Shape *shape, FieldSet wanted, EventFields *fields);

} // namespace callhardening
