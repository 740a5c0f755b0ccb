#include "pg/postgres.hpp"

extern "C" {
PG_MODULE_MAGIC;
}

CALLHARDENING_FUNCTION(call_library_version)
{
    static_cast<void>(fcinfo);
    PG_RETURN_TEXT_P(cstring_to_text(CALLHARDENING_VERSION));
}
