// Statements run through SPI, with plans that are kept for the session.
#pragma once

#include <initializer_list>
#include <string_view>

#include "pg/base/postgres.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace callhardening
{

inline constexpr int max_spi_arguments = 32;

struct KeptPlan;

// The plans of one statement of the source, the last used first: its text differs with the tables it names.
// A session that uses more tables in turn plans each statement again.
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

// Runs `query` and keeps its plan. The result is in SPI_tuptable and SPI_processed. Every run sees what was
// committed before it, in READ COMMITTED.
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
char *spi_cstring(uint64 row, int column); // NULL where it is; copied into the current memory context
int64 spi_int8(uint64 row, int column);    // 0 where it is NULL
int32 spi_int4(uint64 row, int column);
bool spi_is_null(uint64 row, int column);

} // namespace callhardening
