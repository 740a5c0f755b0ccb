// Reading an event out of jsonb.
#pragma once

#include "core/events/event.hpp"

#include "pg/base/postgres.hpp"

#include <initializer_list>

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

// A set of fields: most callers want a few, and each one that is looked for costs a search in the document.
constexpr uint32 fields_of(std::initializer_list<Field> fields)
{
    uint32 set = 0;
    for (const Field field : fields)
        set |= uint32{1} << static_cast<unsigned>(field);
    return set;
}
inline constexpr uint32 all_fields = ~uint32{0};
static_assert(field_count <= 32);

// Reads the call id and the fields that are wanted; others stay unknown. False where the document has no call
// id in any of the provider's shapes; `fields` is empty then.
bool read_event(Jsonb *body, std::string_view provider, uint32 wanted, EventFields *fields);

} // namespace callhardening
