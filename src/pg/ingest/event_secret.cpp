#include "core/ingest/signature.hpp"
#include "core/ingest/webhook.hpp"

#include "pg/base/catalog_table.hpp"
#include "pg/base/hmac.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/text.hpp"
#include "pg/base/versions.hpp"
#include "pg/ingest/event_secret.hpp"
#include "pg/ingest/log_scheme.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// The columns of the table, created in sql/ingest/signature.sql.
enum SecretColumn {
    column_log = 1,
    column_name,
    column_secret,
    column_is_public,
    column_created_at,
    column_count = column_created_at
};

Relation open_secrets()
{
    return open_signature_table("event_secrets", {INT4OID, NAMEOID, BYTEAOID, BOOLOID, TIMESTAMPTZOID});
}

std::string_view copy_secret(Datum value)
{
    const std::string_view secret = text_view(DatumGetByteaPP(value));
    auto *copy = static_cast<char *>(palloc(secret.size() + 1));
    memcpy(copy, secret.data(), secret.size());
    return {copy, secret.size()};
}

// ---- setting a secret ----------------------------------------------------------------------------------

void require_size(std::string_view secret)
{
    if (secret.size() < shortest_event_secret || secret.size() > longest_event_secret)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("a secret must have %zu to %zu bytes, not %zu", shortest_event_secret,
                               longest_event_secret, secret.size())));
}

void require_public_key(const Scheme &scheme, std::string_view key)
{
    if (!IsUsableSecret(scheme, key))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the public key of a log with Ed25519 must be 32 bytes in base64"),
                        errhint("Copy it from the provider's portal.")));
}

// A short token or password cannot be tried without asking the receiver. A signature can.
void warn_of_short_secret(const Scheme *scheme, std::string_view secret)
{
    if (secret.size() >= strong_event_secret ||
        (scheme != nullptr && scheme->algorithm == SignatureAlgorithm::token))
        return;
    ereport(WARNING, (errmsg("a secret for signatures should have %zu bytes or more, not %zu",
                             strong_event_secret, secret.size()),
                      errhint("With one signed body, an attacker can find a short secret by trying.")));
}

void require_secret(const Scheme *scheme, std::string_view secret)
{
    if (IsKeyOfAnotherKind(secret))
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a PEM or SSH key cannot be a secret"),
             errdetail("Anyone with the public key could sign with it."),
             errhint("Choose a random text of at least 32 characters, and set the same at the provider.")));
    if (scheme != nullptr && !IsUsableSecret(*scheme, secret))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the secret is not in base64"),
                        errdetail("The log's signature scheme demands it."),
                        errhint("Set the secret in the form in which the provider shows it.")));
    warn_of_short_secret(scheme, secret);
}

struct SecretChange {
    SpiArgument log_id, name, secret, is_public;
    bool removed; // an old secret of the name
    int64 left;   // secrets of the log
};

void write_secret(void *state)
{
    static KeptPlans locks, deletions, insertions, counts, flags;
    auto *change = static_cast<SecretChange *>(state);

    // Locks the log's row, so two sessions cannot set secrets at the same time.
    run_statement(&locks,
                  "SELECT FROM _callhardening.logs WHERE log_id OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE",
                  {change->log_id});
    run_statement(&deletions,
                  "DELETE FROM _callhardening.event_secrets WHERE log_id OPERATOR(pg_catalog.=) $1"
                  " AND name OPERATOR(pg_catalog.=) $2",
                  {change->log_id, change->name});
    change->removed = SPI_processed > 0;
    if (!change->secret.is_null)
        run_statement(&insertions,
                      "INSERT INTO _callhardening.event_secrets (log_id, name, secret, is_public)"
                      " VALUES ($1, $2, $3, $4)",
                      {change->log_id, change->name, change->secret, change->is_public});
    run_statement(&counts,
                  "SELECT pg_catalog.count(*) FROM _callhardening.event_secrets"
                  " WHERE log_id OPERATOR(pg_catalog.=) $1",
                  {change->log_id});
    change->left = spi_int8(0, 1);
    run_statement(&flags, "UPDATE _callhardening.logs SET signed = $2 WHERE log_id OPERATOR(pg_catalog.=) $1",
                  {change->log_id, bool_value(change->left > 0)});
}

void report_change(const EventLog *log, const SecretChange &change)
{
    const char *name = NameStr(*DatumGetName(change.name.value));
    if (change.left > static_cast<int64>(most_event_secrets))
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("event log %s would have more than %zu secrets", log->events_name,
                               most_event_secrets),
                        errhint("Remove an old one: set_call_event_secret(log, NULL, name).")));
    if (change.secret.is_null && !change.removed && change.left > 0)
        ereport(NOTICE, (errmsg("event log %s has no secret with the name \"%s\"", log->events_name, name)));
}

} // namespace

Relation open_signature_table(const char *name, std::initializer_list<Oid> types)
{
    const char *hint = "Drop and create the extension, and set the secrets again.";
    const Oid id = get_relname_relid(name, own_schema());
    if (!OidIsValid(id))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("table \"%s\" no longer exists", name), errhint("%s", hint)));
    const Relation table = open_table(id, AccessShareLock);
    require_key_table(table, types, hint);
    return table;
}

// Reads with a snapshot of its own, like the server reads its catalogs. The caller has no privilege on the
// table, and a secret counts as soon as it is committed. Each log has a few rows.
void read_event_secrets(int32 log_id, bool is_public, EventSecrets *secrets)
{
    TimestampTz newest = PG_INT64_MIN;
    *secrets = {};
    const Relation table = open_secrets();
    const TupleDesc columns = RelationGetDescr(table);
    const SysScanDesc scan = systable_beginscan(table, InvalidOid, false, nullptr, 0, nullptr);
    for (HeapTuple row; HeapTupleIsValid(row = systable_getnext(scan));) {
        bool is_null[column_count], has_null = false;
        Datum values[column_count];
        for (int i = 0; i < column_count; ++i) {
            values[i] = heap_getattr(row, i + 1, columns, &is_null[i]);
            has_null = has_null || is_null[i];
        }
        if (has_null || DatumGetInt32(values[column_log - 1]) != log_id ||
            DatumGetBool(values[column_is_public - 1]) != is_public || secrets->count == most_event_secrets)
            continue;
        const TimestampTz created_at = DatumGetTimestampTz(values[column_created_at - 1]);
        if (created_at >= newest)
            secrets->newest = secrets->count;
        newest = Max(newest, created_at);
        secrets->secrets[secrets->count++] = copy_secret(values[column_secret - 1]);
    }
    systable_endscan(scan);
    table_close(table, AccessShareLock);
}

void forget_event_secrets(EventSecrets *secrets)
{
    for (size_t i = 0; i < secrets->count; ++i)
        explicit_bzero(const_cast<char *>(secrets->secrets[i].data()), secrets->secrets[i].size());
    secrets->count = 0;
}

void require_log_owner(const EventLog *log)
{
    if (!owns_relation(log->events, GetUserId()))
        aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(log->events));
}

void write_as_owner_of_secrets(void (*write)(void *state), void *state)
{
    Oid caller;
    int context;
    const Relation table = open_secrets();
    const Oid owner = RelationGetForm(table)->relowner;
    table_close(table, NoLock);

    GetUserIdAndSecContext(&caller, &context);
    SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
    write(state);
    SetUserIdAndSecContext(caller, context); // after an error, the end of the transaction resets it
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(set_call_event_secret)
{
    enum { log_argument, secret_argument, name_argument };
    EventLog log;
    const bool removes = PG_ARGISNULL(secret_argument);
    if (PG_ARGISNULL(name_argument))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("name must not be null")));
    SPI_connect();
    find_any_event_log(fcinfo, log_argument, &log);
    require_log_of_webhooks(log, "set_call_event_secret");
    require_log_owner(&log);
    const Scheme *scheme = scheme_of_log(&log);
    const bool is_public = scheme != nullptr && scheme->IsPublicKey();
    if (!removes) {
        const std::string_view secret = text_argument(fcinfo, secret_argument);
        require_size(secret);
        is_public ? require_public_key(*scheme, secret) : require_secret(scheme, secret);
    }
    SecretChange change = {
        int4_value(log.log_id),
        {NAMEOID, PG_GETARG_DATUM(name_argument), false},
        {BYTEAOID, removes ? Datum{0} : PointerGetDatum(PG_GETARG_BYTEA_PP(secret_argument)), removes},
        bool_value(is_public),
        false,
        0};
    write_as_owner_of_secrets(write_secret, &change);
    report_change(&log, change);
    SPI_finish();
    PG_RETURN_VOID();
}
