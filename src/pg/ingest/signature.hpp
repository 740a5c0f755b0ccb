// Event logs that take signed bodies only.
#pragma once

#include "pg/ingest/event_secret.hpp"
#include "pg/log/event_log.hpp"

namespace callhardening
{

// Raises 55000 if there is none.
void require_secrets(const EventLog *log, const EventSecrets &secrets);

// Raises 28000 if the log takes signed bodies only.
void refuse_unsigned_body(const EventLog *log);

} // namespace callhardening
