// Statements run through SPI, with plans kept for the session.
#pragma once

#include <initializer_list>
#include <string_view>

#include "pg/base/postgres.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace callhardening
{

inline constexpr int max_spi_arguments = 33;

struct KeptPlan;

// The plans of one statement in the source, the last used first. Their texts differ in the names of tables.
// With more tables in turn, a session plans each statement again.
struct KeptPlans {
    static constexpr int most = 100;
    KeptPlan *first;
    int count;
};

struct SpiArgument {
    Oid type;
    Datum value;
    bool is_null;
};

// Runs `query` and keeps its plan. The result is in SPI_tuptable and SPI_processed. In READ COMMITTED each
// run sees all rows committed before it.
void run_statement(KeptPlans *kept, const char *query, std::initializer_list<SpiArgument> arguments);
void run_statement(KeptPlans *kept, const char *query, const SpiArgument *arguments, int count);

SpiArgument null_argument(Oid type);
SpiArgument text_value(std::string_view value);
SpiArgument int4_value(int32 value);
SpiArgument int8_value(int64 value);
SpiArgument bool_value(bool value);
SpiArgument xid8_value(uint64 value);

// Columns of a row of SPI_tuptable, counted from 1.
Datum spi_datum(uint64 row, int column, bool *is_null);
char *spi_cstring(uint64 row, int column); // NULL for NULL; copied into the current memory context
int64 spi_int8(uint64 row, int column);    // 0 for NULL
int32 spi_int4(uint64 row, int column);
bool spi_is_null(uint64 row, int column);

} // namespace callhardening
