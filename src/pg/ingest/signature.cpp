#include "core/ingest/signature.hpp"

#include "pg/base/catalog_table.hpp"
#include "pg/base/hmac.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/spi.hpp"
#include "pg/base/text.hpp"
#include "pg/base/versions.hpp"
#include "pg/ingest/ingest.hpp"
#include "pg/ingest/signature.hpp"
#include "pg/log/event_log.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}

namespace callhardening
{

namespace
{

// ---- the table of secrets ------------------------------------------------------------------------------

// The columns of the table, created in sql/ingest/signature.sql.
enum SecretColumn { column_number = 1, column_log, column_secret, column_count = column_secret };

constexpr size_t most_secrets = 2; // the present secret and the one before

struct EventSecrets {
    size_t count;
    int64 numbers[most_secrets]; // the newest first
    HmacKey keys[most_secrets];
};

Relation open_secrets()
{
    const Oid table = get_relname_relid("event_secrets", own_schema());
    if (!OidIsValid(table))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("table \"event_secrets\" no longer exists"),
                        errhint("Drop and create the extension, and set the secrets again.")));
    const Relation secrets = open_table(table, AccessShareLock);
    require_key_table(secrets, {INT8OID, INT4OID, BYTEAOID},
                      "Drop and create the extension, and set the secrets again.");
    return secrets;
}

// HMAC replaces a key longer than its block by the key's hash.
void hash_long_key(const bytea *secret, HmacKey *key)
{
    pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
    key->size = mac_size;
    if (hash == nullptr || pg_cryptohash_init(hash) < 0 ||
        pg_cryptohash_update(hash, reinterpret_cast<const uint8 *>(VARDATA_ANY(secret)),
                             VARSIZE_ANY_EXHDR(secret)) < 0 ||
        pg_cryptohash_final(hash, key->bytes, key->size) < 0)
        raise_not_signed("A secret could not be hashed.");
    pg_cryptohash_free(hash);
}

void add_secret(EventSecrets *secrets, int64 number, const bytea *secret)
{
    size_t place = 0;
    while (place < secrets->count && secrets->numbers[place] > number)
        ++place;
    if (place == most_secrets)
        return;
    secrets->count = Min(secrets->count + 1, most_secrets);
    for (size_t i = secrets->count - 1; i > place; --i) {
        secrets->numbers[i] = secrets->numbers[i - 1];
        secrets->keys[i] = secrets->keys[i - 1];
    }
    HmacKey *key = &secrets->keys[place];
    secrets->numbers[place] = number;
    key->size = VARSIZE_ANY_EXHDR(secret);
    if (key->size > longest_hmac_key)
        hash_long_key(secret, key);
    else
        memcpy(key->bytes, VARDATA_ANY(secret), key->size);
}

// Reads with a snapshot of its own, like the server reads its catalogs. The caller has no privilege on the
// table, and a secret counts as soon as it is committed. Each log has at most two rows.
void read_secrets(int32 log_id, EventSecrets *secrets)
{
    secrets->count = 0;
    const Relation table = open_secrets();
    const TupleDesc columns = RelationGetDescr(table);
    const SysScanDesc scan = systable_beginscan(table, InvalidOid, false, nullptr, 0, nullptr);
    for (HeapTuple row; HeapTupleIsValid(row = systable_getnext(scan));) {
        bool is_null[column_count];
        Datum values[column_count];
        for (int i = 0; i < column_count; ++i)
            values[i] = heap_getattr(row, i + 1, columns, &is_null[i]);
        if (!is_null[0] && !is_null[1] && !is_null[2] && DatumGetInt32(values[column_log - 1]) == log_id)
            add_secret(secrets, DatumGetInt64(values[column_number - 1]),
                       DatumGetByteaPP(values[column_secret - 1]));
    }
    systable_endscan(scan);
    table_close(table, AccessShareLock);
}

// ---- checking a body -----------------------------------------------------------------------------------

std::string_view open_body(const EventLog *log, std::string_view body)
{
    EventSecrets secrets;
    read_secrets(log->log_id, &secrets);
    if (secrets.count == 0)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("event log %s has no secret", log->events_name),
                        errhint("Set it with set_call_event_secret.")));
    auto *room = static_cast<char *>(palloc(body.size() + 1));
    HmacSigner signer = open_hmac(secrets.keys);
    const SignedBody opened =
        OpenSignedBody(body, {&signer, sign_hmac, secrets.count}, {room, body.size() + 1});
    close_hmac(&signer);
    explicit_bzero(&secrets, sizeof secrets);
    if (opened.flaw == SignatureFlaw::out_of_memory)
        raise_not_signed("A signature could not be checked.");
    if (opened.flaw != SignatureFlaw::none)
        ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                        errmsg("invalid signed body: %s", Describe(opened.flaw))));
    return opened.claims;
}

// ---- setting a secret ----------------------------------------------------------------------------------

void require_owner(Oid table)
{
    if (!owns_relation(table, GetUserId()))
        aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(table));
}

void require_usable_secret(std::string_view secret)
{
    if (secret.size() < shortest_event_secret || secret.size() > longest_event_secret)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("a secret must have %zu to %zu bytes, not %zu", shortest_event_secret,
                               longest_event_secret, secret.size())));
    if (IsKeyOfAnotherKind(secret))
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("a PEM or SSH key cannot be a secret for HS256"),
             errdetail("Anyone with the public key could sign with it."),
             errhint("Choose a random text of at least 32 characters, and set the same at the provider.")));
    if (secret.size() < strong_event_secret)
        ereport(WARNING, (errmsg("a secret for HS256 should have %zu bytes or more, not %zu",
                                 strong_event_secret, secret.size()),
                          errhint("With one signed body, an attacker can find a short secret by trying.")));
}

void write_secret(const EventLog *log, const SpiArgument &secret)
{
    static KeptPlans flags, deletions, insertions;
    const SpiArgument log_id = int4_value(log->log_id);

    // Locks the log's row, so two sessions cannot set secrets at the same time.
    run_statement(&flags, "UPDATE _callhardening.logs SET signed = $2 WHERE log_id OPERATOR(pg_catalog.=) $1",
                  {log_id, bool_value(!secret.is_null)});
    // Keeps only the newest secret. If that one is set again, no old secret stays.
    run_statement(&deletions,
                  "DELETE FROM _callhardening.event_secrets WHERE log_id OPERATOR(pg_catalog.=) $1"
                  " AND ($2 IS NULL OR secret OPERATOR(pg_catalog.=) $2"
                  " OR secret_number OPERATOR(pg_catalog.<>) (SELECT pg_catalog.max(secret_number)"
                  " FROM _callhardening.event_secrets WHERE log_id OPERATOR(pg_catalog.=) $1))",
                  {log_id, secret});
    if (!secret.is_null)
        run_statement(&insertions,
                      "INSERT INTO _callhardening.event_secrets (log_id, secret) VALUES ($1, $2)",
                      {log_id, secret});
}

// Writes as the table's owner: no other role can read or write it.
void write_secret_as_owner(const EventLog *log, const SpiArgument &secret)
{
    Oid caller;
    int context;
    const Relation table = open_secrets();
    const Oid owner = RelationGetForm(table)->relowner;
    table_close(table, NoLock);

    GetUserIdAndSecContext(&caller, &context);
    SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
    write_secret(log, secret);
    SetUserIdAndSecContext(caller, context); // after an error, the end of the transaction resets it
}

} // namespace

void refuse_unsigned_body(const EventLog *log)
{
    if (!log->is_signed)
        return;
    EventSecrets secrets;
    read_secrets(log->log_id, &secrets);
    ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                    errmsg("event log %s takes signed bodies only", log->events_name),
                    secrets.count > 0
                        ? errhint("Use ingest_signed_call_event.")
                        : errhint("Its secret is missing, for example after a restore. Set it again with "
                                  "set_call_event_secret, and use ingest_signed_call_event.")));
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(set_call_event_secret)
{
    enum { log_argument, secret_argument };
    EventLog log;
    const bool removes = PG_ARGISNULL(secret_argument);
    SPI_connect();
    find_event_log(fcinfo, log_argument, &log);
    require_owner(log.events);
    if (!removes)
        require_usable_secret(text_argument(fcinfo, secret_argument));
    const SpiArgument secret = {
        BYTEAOID, removes ? Datum{0} : PointerGetDatum(PG_GETARG_BYTEA_PP(secret_argument)), removes};
    write_secret_as_owner(&log, secret);
    SPI_finish();
    PG_RETURN_VOID();
}

CALLHARDENING_FUNCTION(ingest_signed_call_event)
{
    enum { body_argument, log_argument, carry_argument };
    EventLog log;
    CarriedValues carried;
    if (PG_ARGISNULL(body_argument))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("body must not be null")));
    SPI_connect();
    find_event_log(fcinfo, log_argument, &log);
    const std::string_view claims = open_body(&log, text_argument(fcinfo, body_argument));
    read_carry(log, PG_ARGISNULL(carry_argument) ? nullptr : PG_GETARG_JSONB_P(carry_argument), &carried);
    const int64 event_seq = ingest_body(&log, claims, {}, {}, carried);
    SPI_finish();
    PG_RETURN_INT64(event_seq);
}
