// Reading an event out of jsonb.
#pragma once

#include "core/event.hpp"

#include "pg/postgres.hpp"

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

// False where the document has no call id in any of the provider's shapes; `fields` is empty then.
bool read_event(Jsonb *body, std::string_view provider, EventFields *fields);

} // namespace callhardening
