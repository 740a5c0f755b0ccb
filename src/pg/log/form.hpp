// Bodies that are forms. The log keeps a form as a JSON string of its text, as it came; what it says is the
// document of its members.
#pragma once

#include "core/events/form.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

struct OpenedBody {
    Jsonb
        *document; // an object with a string for each name, an array of strings where it repeats; or the body
    FormFlaw flaw; // not_a_form for a body that is none
};

// The document in which values are found: that of a form's members, or else the body itself.
OpenedBody open_body(Jsonb *body);

// The same for a value as it is stored. Of a big one only the beginning is read.
Datum open_payload(Datum payload);

} // namespace callhardening
