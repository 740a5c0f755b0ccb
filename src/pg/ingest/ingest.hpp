// Appending a webhook body to an event log.
#pragma once

#include "pg/ingest/carry.hpp"
#include "pg/log/event_log.hpp"

namespace callhardening
{

// Appends a body in its original bytes, and returns its sequence number. A redelivery gets the number of the
// first delivery. Needs an open SPI connection.
int64 ingest_body(const EventLog *log, std::string_view body, OptionalText event_type, OptionalText event_key,
                  const CarriedValues &carried);

} // namespace callhardening
