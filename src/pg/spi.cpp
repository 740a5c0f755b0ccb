#include "pg/spi.hpp"

#include "pg/text.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/xid8.h"
}

namespace callhardening
{

namespace
{

SPIPlanPtr prepare(const KeptPlan &wanted)
{
    SPIPlanPtr plan = SPI_prepare_cursor(wanted.query, wanted.count, const_cast<Oid *>(wanted.types),
                                         CURSOR_OPT_GENERIC_PLAN);
    if (plan == nullptr)
        elog(ERROR, "could not plan a statement of callhardening: %s", SPI_result_code_string(SPI_result));
    return plan;
}

bool is_same(const KeptPlan &a, const KeptPlan &b)
{
    return a.count == b.count && memcmp(a.types, b.types, sizeof(Oid) * a.count) == 0 &&
           strcmp(a.query, b.query) == 0;
}

SPIPlanPtr find_or_prepare(KeptPlans *kept, KeptPlan wanted, bool *is_kept)
{
    *is_kept = true;
    for (int i = 0; i < kept->count; ++i)
        if (is_same(kept->plans[i], wanted))
            return kept->plans[i].plan;
    wanted.plan = prepare(wanted);
    if (kept->count < KeptPlans::most) {
        wanted.query = MemoryContextStrdup(TopMemoryContext, wanted.query);
        if (SPI_keepplan(wanted.plan) != 0)
            elog(ERROR, "could not keep a plan of callhardening");
        kept->plans[kept->count++] = wanted;
    } else {
        *is_kept = false;
    }
    return wanted.plan;
}

void set_off(const char *setting)
{
    set_config_option(setting, "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

// Our statements find rows by a key. A plan that was made while the table was empty would read all of it,
// until somebody analyzes the table; by then there may be a million rows.
void plan_by_index(SPIPlanPtr plan)
{
    const auto *source = linitial_node(CachedPlanSource, SPI_plan_get_plan_sources(plan));
    if (source->is_valid && source->gplan != nullptr && source->gplan->is_valid)
        return;
    const int level = NewGUCNestLevel();
    set_off("enable_seqscan");
    set_off("enable_bitmapscan");
    ReleaseCachedPlan(SPI_plan_get_cached_plan(plan), CurrentResourceOwner);
    AtEOXact_GUC(true, level);
}

} // namespace

void run_statement(KeptPlans *kept, const char *query, const SpiArgument *arguments, int count)
{
    Assert(count <= max_spi_arguments);
    KeptPlan wanted = {const_cast<char *>(query), count, {}, nullptr};
    Datum values[max_spi_arguments];
    char nulls[max_spi_arguments];
    for (int i = 0; i < count; ++i) {
        wanted.types[i] = arguments[i].type;
        values[i] = arguments[i].value;
        nulls[i] = arguments[i].is_null ? 'n' : ' ';
    }
    bool is_kept;
    SPIPlanPtr plan = find_or_prepare(kept, wanted, &is_kept);
    plan_by_index(plan);
    const int result = SPI_execute_plan(plan, values, nulls, false, 0);
    if (!is_kept)
        SPI_freeplan(plan);
    if (result < 0)
        elog(ERROR, "could not run a statement of callhardening: %s", SPI_result_code_string(result));
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
