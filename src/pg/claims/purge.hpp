// The tables with the progress of purge_call_events.
#pragma once

#include "pg/log/event_log.hpp"

namespace callhardening
{

extern const CatalogLayout purges_layout, purge_leftovers_layout;

// Of a consumer that is dropped.
void forget_low_ends(const EventLog &consumer);

} // namespace callhardening
