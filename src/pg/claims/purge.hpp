// The tables with the progress of purge_call_events.
#pragma once

#include "pg/base/catalog_table.hpp"

namespace callhardening
{

extern const CatalogLayout purges_layout, purge_leftovers_layout;

} // namespace callhardening
