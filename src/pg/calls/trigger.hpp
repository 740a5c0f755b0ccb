// The triggers of a hardened table.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
PGDLLEXPORT Datum callhardening_validate_hardened_call(PG_FUNCTION_ARGS);
}
