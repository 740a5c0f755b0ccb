#include "pg/base/spi.hpp"

#include <new>

#include "pg/base/text.hpp"
#include "pg/base/warning.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/xid8.h"
}

namespace callhardening
{

struct KeptPlan {
    KeptPlan *next;
    SPIPlanPtr plan;
    int running; // how often in the call stack: a trigger may call this code again
    uint32 hash;
    int count;
    const Oid *types; // of the arguments: a column's type may change under the same statement
    const char *query;
};

namespace
{

struct Statement {
    const char *query;
    uint32 hash;
    int count;
    Oid types[max_spi_arguments];
};

bool is_plan_of(const KeptPlan &kept, const Statement &statement)
{
    return kept.hash == statement.hash && kept.count == statement.count &&
           memcmp(kept.types, statement.types, sizeof(Oid) * kept.count) == 0 &&
           strcmp(kept.query, statement.query) == 0;
}

void push(KeptPlans *kept, KeptPlan *plan)
{
    plan->next = kept->first;
    kept->first = plan;
    ++kept->count;
}

KeptPlan *take_out(KeptPlans *kept, KeptPlan **link)
{
    KeptPlan *plan = *link;
    *link = plan->next;
    --kept->count;
    return plan;
}

KeptPlan *find_plan(KeptPlans *kept, const Statement &statement)
{
    for (KeptPlan **link = &kept->first; *link != nullptr; link = &(*link)->next)
        if (is_plan_of(**link, statement)) {
            push(kept, take_out(kept, link));
            return kept->first;
        }
    return nullptr;
}

// A running plan is never freed: the executor up the stack still reads it.
void forget_oldest(KeptPlans *kept)
{
    KeptPlan **oldest = nullptr;
    for (KeptPlan **link = &kept->first; *link != nullptr; link = &(*link)->next)
        if ((*link)->running == 0)
            oldest = link;
    if (oldest == nullptr)
        return;
    KeptPlan *plan = take_out(kept, oldest);
    SPI_freeplan(plan->plan);
    pfree(plan);
}

KeptPlan *copy_statement(const Statement &statement)
{
    const Size types_size = sizeof(Oid) * statement.count, query_size = strlen(statement.query) + 1;
    char *memory =
        static_cast<char *>(MemoryContextAlloc(TopMemoryContext, sizeof(KeptPlan) + types_size + query_size));
    char *types = memory + sizeof(KeptPlan), *query = types + types_size;
    memcpy(types, statement.types, types_size);
    memcpy(query, statement.query, query_size);
    return new (memory) KeptPlan{
        nullptr, nullptr, 0, statement.hash, statement.count, reinterpret_cast<const Oid *>(types), query};
}

// After an error, PostgreSQL frees a plan not kept yet. So the list never has half a plan.
KeptPlan *prepare_plan(KeptPlans *kept, const Statement &statement)
{
    SPIPlanPtr plan = SPI_prepare_cursor(statement.query, statement.count, const_cast<Oid *>(statement.types),
                                         CURSOR_OPT_GENERIC_PLAN);
    if (plan == nullptr)
        elog(ERROR, "could not plan a statement of callhardening: %s", SPI_result_code_string(SPI_result));
    if (kept->count >= KeptPlans::most)
        forget_oldest(kept);
    KeptPlan *made = copy_statement(statement);
    if (SPI_keepplan(plan) != 0)
        elog(ERROR, "could not keep a plan of callhardening");
    made->plan = plan;
    push(kept, made);
    return made;
}

void set_off(const char *setting)
{
    set_config_option(setting, "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

// These statements find rows by key. A plan made on an empty table would read the whole table until the next
// ANALYZE, even with a million rows.
void plan_by_index(SPIPlanPtr plan)
{
    auto *source = linitial_node(CachedPlanSource, SPI_plan_get_plan_sources(plan));
    if (source->query_list == NIL) // a rule left nothing: then the server does not tell when the rule is gone
        source->is_valid = false;
    if (source->is_valid && source->gplan != nullptr && source->gplan->is_valid)
        return;
    const int level = NewGUCNestLevel();
    set_off("enable_seqscan");
    set_off("enable_bitmapscan");
    ReleaseCachedPlan(SPI_plan_get_cached_plan(plan), CurrentResourceOwner);
    AtEOXact_GUC(true, level);
}

void run_plan(KeptPlan *plan, const Datum *values, const char *nulls)
{
    volatile int result = 0;
    const MemoryContext context = CurrentMemoryContext;
    ++plan->running;
    PG_TRY();
    {
        plan_by_index(plan->plan);
        result = SPI_execute_plan(plan->plan, const_cast<Datum *>(values), nulls, false, 0);
    }
    PG_CATCH();
    {
        --plan->running;
        rethrow_for_caller(context, plan->query);
    }
    PG_END_TRY();
    --plan->running;
    if (result < 0)
        elog(ERROR, "could not run a statement of callhardening: %s", SPI_result_code_string(result));
}

} // namespace

void run_statement(KeptPlans *kept, const char *query, const SpiArgument *arguments, int count)
{
    Assert(count <= max_spi_arguments);
    Statement statement = {query, string_hash(query, strlen(query) + 1), count, {}};
    Datum values[max_spi_arguments];
    char nulls[max_spi_arguments];
    for (int i = 0; i < count; ++i) {
        statement.types[i] = arguments[i].type;
        values[i] = arguments[i].value;
        nulls[i] = arguments[i].is_null ? 'n' : ' ';
    }
    KeptPlan *plan = find_plan(kept, statement);
    if (plan == nullptr)
        plan = prepare_plan(kept, statement);
    run_plan(plan, values, nulls);
}

void run_statement(KeptPlans *kept, const char *query, std::initializer_list<SpiArgument> arguments)
{
    run_statement(kept, query, arguments.begin(), static_cast<int>(arguments.size()));
}

SpiArgument null_argument(Oid type)
{
    return {type, Datum{0}, true};
}

SpiArgument text_value(std::string_view value)
{
    return {TEXTOID, PointerGetDatum(to_text(value)), false};
}

SpiArgument int4_value(int32 value)
{
    return {INT4OID, Int32GetDatum(value), false};
}

SpiArgument int8_value(int64 value)
{
    return {INT8OID, Int64GetDatum(value), false};
}

SpiArgument bool_value(bool value)
{
    return {BOOLOID, BoolGetDatum(value), false};
}

SpiArgument xid8_value(uint64 value)
{
    return {XID8OID, UInt64GetDatum(value), false};
}

Datum spi_datum(uint64 row, int column, bool *is_null)
{
    return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, is_null);
}

char *spi_cstring(uint64 row, int column)
{
    return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

int64 spi_int8(uint64 row, int column)
{
    bool is_null;
    const Datum value = spi_datum(row, column, &is_null);
    return is_null ? 0 : DatumGetInt64(value);
}

int32 spi_int4(uint64 row, int column)
{
    bool is_null;
    const Datum value = spi_datum(row, column, &is_null);
    return is_null ? 0 : DatumGetInt32(value);
}

bool spi_is_null(uint64 row, int column)
{
    bool is_null;
    spi_datum(row, column, &is_null);
    return is_null;
}

} // namespace callhardening
