// Saves counted numbers of a database that nobody else saves in time: the launcher starts this process.
#include "pg/base/postgres.hpp"
#include "pg/shared/counters.hpp"

extern "C" {
#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

PGDLLEXPORT void callhardening_count_saver_main(Datum database);
}

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
