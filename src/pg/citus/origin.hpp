// Whose statement a connection between two nodes of Citus runs.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

// Has Citus opened this connection, by its application name? False in a database without Citus.
bool is_between_nodes(const char *application);

// The application name of the client behind it, in the current memory context. NULL: the client is connected to
// another node, or has none.
char *client_between_nodes(const char *application);

} // namespace callhardening
