// Included by every file of src/pg after the headers of the core and before anything else of PostgreSQL.
//
// Rules of this directory, each with what breaks without it:
//  - lower_case functions may ereport (longjmp): no object with a destructor is alive when they are called.
//    `std::string s = ...; ereport(ERROR, ...)` leaks s; in a catch block it also leaves the exception alive.
//  - CamelCase functions are the core's: noexcept, and they never call PostgreSQL.
//  - payload content never gets into an error: neither in the message nor in the detail.
#pragma once

#include "core/base/core.hpp"

// Debian's PostgreSQL 15 leaves this empty, and the library is compiled with -fvisibility=hidden.
#define PGDLLEXPORT __attribute__((visibility("default")))

extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#if PG_VERSION_NUM >= 160000 // in postgres.h before
#include "varatt.h"
#endif
}

// Defines the SQL-callable function callhardening_<name>. The prefix keeps the library's few exported
// symbols apart from those of other extensions.
#define CALLHARDENING_FUNCTION(name)                                                                         \
    extern "C" {                                                                                             \
    PG_FUNCTION_INFO_V1(callhardening_##name);                                                               \
    PGDLLEXPORT Datum callhardening_##name(PG_FUNCTION_ARGS);                                                \
    }                                                                                                        \
    Datum callhardening_##name(PG_FUNCTION_ARGS)
