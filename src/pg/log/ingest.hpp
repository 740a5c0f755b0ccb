// Appending a webhook body to an event log.
#pragma once

#include "pg/log/carry.hpp"
#include "pg/log/event_log.hpp"

namespace callhardening
{

// Appends a body as it came off the wire, any bytes, and returns its sequence number; that of the first one
// where it is a redelivery. Needs an open SPI connection.
int64 ingest_body(const EventLog *log, std::string_view body, OptionalText event_type, OptionalText event_key,
                  const CarriedValues &carried);

} // namespace callhardening
