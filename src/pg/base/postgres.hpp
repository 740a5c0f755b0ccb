// Every file of src/pg includes this after the headers of the core and before those of PostgreSQL.
//
// Rules of this directory, each with its reason:
//  - lower_case functions may ereport (longjmp): no object with a destructor is alive at their call.
//    `std::string s = ...; ereport(ERROR, ...)` leaks s. In a catch block it also leaves the exception alive.
//  - CamelCase functions are the core's: they are noexcept, and never call PostgreSQL.
//  - Payload content never gets into the message or the detail of an error.
#pragma once

#include "core/base/core.hpp"

// Debian's PostgreSQL 15 leaves this empty, but the library is compiled with -fvisibility=hidden.
#define PGDLLEXPORT __attribute__((visibility("default")))

extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#if PG_VERSION_NUM >= 160000 // before, postgres.h included it
#include "varatt.h"
#endif
}

// Defines the SQL-callable function callhardening_<name>. The prefix keeps its symbol apart from those of
// other extensions.
#define CALLHARDENING_FUNCTION(name)                                                                         \
    extern "C" {                                                                                             \
    PG_FUNCTION_INFO_V1(callhardening_##name);                                                               \
    PGDLLEXPORT Datum callhardening_##name(PG_FUNCTION_ARGS);                                                \
    }                                                                                                        \
    Datum callhardening_##name(PG_FUNCTION_ARGS)
