#include "pg/base/owner_rights.hpp"

#include "pg/base/relation.hpp"
#include "pg/base/versions.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/tstoreReceiver.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}

namespace callhardening
{

namespace
{

Oid owner_of(Oid table)
{
    HeapTuple row = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
    if (!HeapTupleIsValid(row))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table %u no longer exists", table)));
    const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(row))->relowner;
    ReleaseSysCache(row);
    return owner;
}

// The owner may see rows hidden from the caller. The caller must not learn of them.
void require_all_rows(Oid table)
{
    if (check_enable_rls(table, InvalidOid, true) == RLS_ENABLED)
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("row-level security of table %s hides rows from role \"%s\"",
                               relation_name(table), GetUserNameFromId(GetUserId(), false)),
                        errhint("Call this as a role not subject to row-level security.")));
}

ParamListInfo parameters_of(Datum arguments)
{
    ParamListInfo parameters = makeParamList(1);
    parameters->params[0] = {arguments, arguments == Datum{0}, PARAM_FLAG_CONST, TEXTARRAYOID};
    return parameters;
}

int pin_search_path()
{
    const int settings = NewGUCNestLevel();
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                      0, false);
    return settings;
}

// The caller's search path could lead to the caller's functions. They would run as the owner.
List *analyze(const char *statement)
{
    const Oid type = TEXTARRAYOID;
    const int settings = pin_search_path();
    const List *parsed = pg_parse_query(statement);
    if (list_length(parsed) != 1)
        ereport(ERROR,
                (errcode(ERRCODE_SYNTAX_ERROR), errmsg("only one statement can run as an owner at a time")));
    List *queries =
        pg_analyze_and_rewrite_fixedparams(linitial_node(RawStmt, parsed), statement, &type, 1, nullptr);
    AtEOXact_GUC(false, settings);
    return queries;
}

bool writes(const Query *query)
{
    return query->commandType != CMD_SELECT || query->hasModifyingCTE || query->rowMarks != NIL;
}

PlannedStmt *plan_as_owner(Oid table, Query *query, const char *statement, ParamListInfo parameters)
{
    const CallerRights caller = take_owner_rights(table);
    PlannedStmt *plan = pg_plan_query(query, statement, CURSOR_OPT_PARALLEL_OK, parameters);
    give_back_rights(caller);
    require_plan_rights(plan);
    return plan;
}

uint64 execute_as_owner(Oid table, PlannedStmt *plan, const char *statement, ParamListInfo parameters,
                        DestReceiver *receiver)
{
    const CallerRights caller = take_owner_rights(table);
    QueryDesc *query = CreateQueryDesc(plan, statement, GetActiveSnapshot(), InvalidSnapshot, receiver,
                                       parameters, nullptr, 0);
    ExecutorStart(query, 0);
    run_executor(query);
    const uint64 rows = query->estate->es_processed;
    ExecutorFinish(query);
    ExecutorEnd(query);
    FreeQueryDesc(query);
    give_back_rights(caller);
    return rows;
}

uint64 run_query(Oid table, Query *query, const char *statement, ParamListInfo parameters,
                 DestReceiver *receiver)
{
    if (query->commandType == CMD_UTILITY)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("utility statements cannot run as an owner")));
    if (writes(query))
        CommandCounterIncrement();
    PushActiveSnapshot(writes(query) ? GetTransactionSnapshot() : GetActiveSnapshot());
    PlannedStmt *plan = plan_as_owner(table, query, statement, parameters);
    const uint64 rows = execute_as_owner(table, plan, statement, parameters, receiver);
    PopActiveSnapshot();
    if (writes(query))
        CommandCounterIncrement();
    return rows;
}

} // namespace

CallerRights take_owner_rights(Oid table)
{
    CallerRights caller = {};
    GetUserIdAndSecContext(&caller.role, &caller.security);
    const Oid owner = owner_of(table);
    caller.are_kept = owner == caller.role;
    if (caller.are_kept)
        return caller;
    SetUserIdAndSecContext(owner, caller.security | SECURITY_RESTRICTED_OPERATION);
    caller.settings = pin_search_path();
    return caller;
}

void give_back_rights(const CallerRights &caller)
{
    if (caller.are_kept)
        return;
    AtEOXact_GUC(false, caller.settings);
    SetUserIdAndSecContext(caller.role, caller.security);
}

uint64 run_as_owner(Oid table, const char *statement, Datum arguments, DestReceiver *receiver)
{
    require_all_rows(table);
    const ParamListInfo parameters = parameters_of(arguments);
    const List *queries = analyze(statement);
    // Rules of the table may have added queries.
    uint64 rows = 0;
    const ListCell *cell;
    foreach (cell, queries) {
        auto *query = lfirst_node(Query, cell);
        const uint64 done =
            run_query(table, query, statement, parameters, query->canSetTag ? receiver : None_Receiver);
        if (query->canSetTag)
            rows = done;
    }
    return rows;
}

void return_as_owner(FunctionCallInfo fcinfo, Oid table, const char *statement, Datum arguments)
{
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    DestReceiver *receiver = CreateDestReceiver(DestTuplestore);
    SetTuplestoreDestReceiverParams(receiver, result->setResult, result->econtext->ecxt_per_query_memory,
                                    false, result->setDesc,
                                    "a statement run as an owner returns other columns");
    run_as_owner(table, statement, arguments, receiver);
    receiver->rDestroy(receiver);
}

namespace
{

// Only a role with the owner's rights may run any statement: it could do so anyway.
Oid require_owned_table(FunctionCallInfo fcinfo)
{
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
        ereport(ERROR,
                (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("owned and statement must not be NULL")));
    const Oid table = PG_GETARG_OID(0);
    if (!has_privs_of_role(GetUserId(), owner_of(table)))
        aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, relation_name(table));
    return table;
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(query_as_owner)
{
    const Oid table = require_owned_table(fcinfo);
    return_as_owner(fcinfo, table, text_to_cstring(PG_GETARG_TEXT_PP(1)),
                    PG_ARGISNULL(2) ? Datum{0} : PG_GETARG_DATUM(2));
    return Datum{0};
}

CALLHARDENING_FUNCTION(write_as_owner)
{
    const Oid table = require_owned_table(fcinfo);
    PG_RETURN_INT64(
        static_cast<int64>(run_as_owner(table, text_to_cstring(PG_GETARG_TEXT_PP(1)),
                                        PG_ARGISNULL(2) ? Datum{0} : PG_GETARG_DATUM(2), None_Receiver)));
}
