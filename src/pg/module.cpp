#include "pg/apply/call_worker.hpp"
#include "pg/base/postgres.hpp"

extern "C" {
PG_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

// Needs no shared_preload_libraries: each session and each worker that uses a setting has loaded the library.
void _PG_init()
{
    callhardening::define_worker_settings();
}

CALLHARDENING_FUNCTION(call_library_version)
{
    static_cast<void>(fcinfo);
    PG_RETURN_TEXT_P(cstring_to_text(CALLHARDENING_VERSION));
}
