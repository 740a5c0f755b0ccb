#include "pg/postgres.hpp"

extern "C" {
PG_MODULE_MAGIC;
}

CALLHARDENING_FUNCTION(call_library_version)
{
    PG_RETURN_TEXT_P(cstring_to_text(CALLHARDENING_VERSION));
}
