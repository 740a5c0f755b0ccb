#include "pg/workers/count_saver.hpp"
#include "pg/shared/counters.hpp"

extern "C" {
#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

PGDLLEXPORT void callhardening_count_saver_main(Datum database);
}

namespace callhardening
{

BackgroundWorker describe_count_saver(Oid database)
{
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    worker.bgw_main_arg = ObjectIdGetDatum(database);
    strlcpy(worker.bgw_library_name, "callhardening", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, "callhardening_count_saver_main", sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_type, "callhardening count saver", sizeof worker.bgw_type);
    snprintf(worker.bgw_name, sizeof worker.bgw_name, "callhardening count saver for database %u", database);
    return worker;
}

} // namespace callhardening

using namespace callhardening;

// As the superuser of the cluster. Only the extension's own table is written, by key: no code of users runs.
void callhardening_count_saver_main(Datum database)
{
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);
    SetConfigOption("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION); // it waits for no standby
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    XactIsoLevel = XACT_READ_COMMITTED; // against other defaults of the database
    XactReadOnly = false;
    PushActiveSnapshot(GetTransactionSnapshot());
    pgstat_report_activity(STATE_RUNNING, "saving counted numbers");
    save_counts();
    PopActiveSnapshot();
    CommitTransactionCommand();
}
