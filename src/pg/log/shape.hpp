// Shapes given by users: for one query, or for an event log.
#pragma once

#include "core/events/shape.hpp"

#include "pg/log/event_log.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

[[noreturn]] void refuse_unknown_provider(std::string_view provider);

// The shape of a provider. Raises 22023 for an unknown provider, and for one without a shape, with this hint.
const Shape *require_shape(std::string_view provider, const char *hint);

// The document as text. Raises an error if it is too long to be a shape.
std::string_view shape_text(Jsonb *document);

// Raises an error if the document is no shape. The shape is freed with the current memory context.
const Shape *compile_shape(Jsonb *document);

// The shape of the log's bodies: its own, or that of its provider. nullptr: there is none. It stays as long
// as the current memory context and that of the log. A session compiles a log's own shape once. Raises an
// error if a restored document is no shape here.
const Shape *shape_of_log(const EventLog &log);

} // namespace callhardening
