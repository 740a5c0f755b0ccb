#include "pg/citus/origin.hpp"
#include "pg/base/versions.hpp"
#include "pg/citus/catalog.hpp"

#include <string_view>

extern "C" {
#include "utils/fmgroids.h"
}

namespace callhardening
{

namespace
{

// Citus names its connections like this: citus_internal gpid=20000012345. The number has the node and the
// process of the client.
constexpr std::string_view number_mark = " gpid=";
constexpr const char *prefixes[] = {
    "citus_internal gpid=", "citus_run_command gpid=", "citus_rebalancer gpid="};
constexpr uint64 node_factor = 10000000000;

uint64 number_of_client(std::string_view application)
{
    return strtoull(application.data() + application.find(number_mark) + number_mark.size(), nullptr, 10);
}

bool is_own_node(uint64 node)
{
    const Oid nodes = catalog_of_citus("pg_dist_node");
    if (!OidIsValid(nodes))
        return false;
    const CitusRow found = find_citus_row(nodes, "pg_dist_node_pkey", "nodeid", F_INT4EQ,
                                          Int32GetDatum(static_cast<int32>(node)));
    const bool is_own =
        HeapTupleIsValid(found.row) && DatumGetInt32(value_of(found, "groupid")) == own_group();
    close_citus_row(found);
    return is_own;
}

char *application_of(int pid)
{
    const int count = pgstat_fetch_stat_numbackends();
    for (int i = 1; i <= count; ++i) {
        const LocalPgBackendStatus *session = session_status(i);
        if (session != nullptr && session->backendStatus.st_procpid == pid &&
            *session->backendStatus.st_appname != '\0')
            return pstrdup(session->backendStatus.st_appname);
    }
    return nullptr;
}

} // namespace

bool is_between_nodes(const char *application)
{
    if (application == nullptr || strstr(application, number_mark.data()) == nullptr)
        return false;
    for (const char *prefix : prefixes)
        if (strncmp(application, prefix, strlen(prefix)) == 0)
            return OidIsValid(catalog_of_citus("pg_dist_node"));
    return false;
}

char *client_between_nodes(const char *application)
{
    const uint64 client = number_of_client(application);
    return is_own_node(client / node_factor) ? application_of(static_cast<int>(client % node_factor))
                                             : nullptr;
}

} // namespace callhardening
