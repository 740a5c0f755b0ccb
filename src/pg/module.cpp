#include "pg/base/catalog_table.hpp"
#include "pg/base/postgres.hpp"
#include "pg/calls/issue.hpp"
#include "pg/citus/shard_table.hpp"
#include "pg/claims/dead.hpp"
#include "pg/claims/purge.hpp"
#include "pg/claims/waiting.hpp"
#include "pg/log/consumer.hpp"
#include "pg/log/lane.hpp"
#include "pg/shared/counters.hpp"
#include "pg/shared/shared_memory.hpp"
#include "pg/workers/call_worker.hpp"
#include "pg/workers/kept_worker.hpp"
#include "pg/workers/launcher.hpp"

extern "C" {
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/tuplestore.h"

PG_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

// Only the launcher needs shared_preload_libraries: each session and worker loads the library before it uses
// a setting.
void _PG_init()
{
    callhardening::register_launcher();
    callhardening::define_worker_settings();
    callhardening::follow_dropped_consumers();
    callhardening::know_shards_by_their_table();
    callhardening::request_shared_memory();
}

CALLHARDENING_FUNCTION(call_library_version)
{
    static_cast<void>(fcinfo);
    PG_RETURN_TEXT_P(cstring_to_text(CALLHARDENING_VERSION));
}

using namespace callhardening;

namespace
{

// In the form of check_call_hardening's list of columns.
const char *columns_of(const CatalogLayout &layout)
{
    StringInfoData columns;
    initStringInfo(&columns);
    for (int i = 0; i < layout.count; ++i)
        appendStringInfo(&columns, "%s%s %s", i == 0 ? "" : ", ", layout.columns[i].name,
                         format_type_be(layout.columns[i].type));
    return columns.data;
}

} // namespace

CALLHARDENING_FUNCTION(catalog_layouts)
{
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = castNode(ReturnSetInfo, fcinfo->resultinfo);
    for (const CatalogLayout *layout :
         {&claims_layout, &consumers_layout, &counts_layout, &dead_events_layout, &issues_layout,
          &kept_workers_layout, &lanes_layout, &logs_layout, &retrying_events_layout, &purge_leftovers_layout,
          &purges_layout, &detached_logs_layout}) {
        if (layout == &detached_logs_layout && !has_detached_logs())
            continue;
        Datum values[] = {CStringGetTextDatum(layout->name), CStringGetTextDatum(columns_of(*layout))};
        bool nulls[lengthof(values)] = {};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    return Datum{0};
}
