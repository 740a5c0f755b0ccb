// The signature scheme of an event log: a provider's, or one of its own.
#pragma once

#include "core/ingest/scheme.hpp"

#include "pg/log/event_log.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

// nullptr: the log names none, and no scheme of its provider is known.
const Scheme *scheme_of_log(const EventLog *log);

// A document of a user, compiled and kept until other ones take its place. Raises 22023 for a mistake, and
// 55000 if `log` has the document.
const Scheme *compile_scheme(Jsonb *document, const EventLog *log = nullptr);

} // namespace callhardening
