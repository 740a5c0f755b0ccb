// The tables in which purge_call_events remembers how far it got.
#pragma once

#include "pg/base/catalog_table.hpp"

namespace callhardening
{

extern const CatalogLayout purges_layout, purge_leftovers_layout;

} // namespace callhardening
