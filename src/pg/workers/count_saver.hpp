// Saves counted numbers of a database that nobody else saves in time: the launcher starts this process.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "postmaster/bgworker.h"
}

namespace callhardening
{

BackgroundWorker describe_count_saver(Oid database);

} // namespace callhardening
