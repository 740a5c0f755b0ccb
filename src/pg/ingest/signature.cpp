#include "core/ingest/signature.hpp"

#include "pg/base/hmac.hpp"
#include "pg/base/text.hpp"
#include "pg/ingest/event_secret.hpp"
#include "pg/ingest/ingest.hpp"
#include "pg/ingest/signature.hpp"
#include "pg/log/event_log.hpp"

extern "C" {
#include "common/cryptohash.h"
}

namespace callhardening
{

namespace
{

// ---- checking a body -----------------------------------------------------------------------------------

// HMAC replaces a key longer than its block by the key's hash.
void hash_long_key(std::string_view secret, HmacKey *key)
{
    pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
    key->size = mac_size;
    if (hash == nullptr || pg_cryptohash_init(hash) < 0 ||
        pg_cryptohash_update(hash, reinterpret_cast<const uint8 *>(secret.data()), secret.size()) < 0 ||
        pg_cryptohash_final(hash, key->bytes, key->size) < 0)
        raise_not_signed("A secret could not be hashed.");
    pg_cryptohash_free(hash);
}

void make_keys(const EventSecrets &secrets, HmacKey *keys)
{
    for (size_t i = 0; i < secrets.count; ++i) {
        const std::string_view secret = secrets.secrets[i];
        keys[i].size = secret.size();
        if (keys[i].size > longest_hmac_key)
            hash_long_key(secret, &keys[i]);
        else
            memcpy(keys[i].bytes, secret.data(), secret.size());
    }
}

// A public key is no secret here: everybody could sign with it.
std::string_view open_body(const EventLog *log, std::string_view body)
{
    EventSecrets secrets;
    HmacKey keys[most_event_secrets];
    read_event_secrets(log->log_id, false, &secrets);
    require_secrets(log, secrets);
    make_keys(secrets, keys);
    auto *room = static_cast<char *>(palloc(body.size() + 1));
    HmacSigner signer = open_hmac(keys);
    const SignedBody opened =
        OpenSignedBody(body, {&signer, sign_hmac, secrets.count}, {room, body.size() + 1});
    close_hmac(&signer);
    explicit_bzero(keys, sizeof keys);
    forget_event_secrets(&secrets);
    if (opened.flaw == SignatureFlaw::out_of_memory)
        raise_not_signed("A signature could not be checked.");
    if (opened.flaw != SignatureFlaw::none)
        ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                        errmsg("invalid signed body: %s", Describe(opened.flaw))));
    return opened.claims;
}

} // namespace

void require_secrets(const EventLog *log, const EventSecrets &secrets)
{
    if (secrets.count == 0)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("event log %s has no secret", log->events_name),
                        errhint("Set it with set_call_event_secret.")));
}

void refuse_unsigned_body(const EventLog *log)
{
    if (!log->is_signed)
        return;
    EventSecrets secrets, public_keys;
    read_event_secrets(log->log_id, false, &secrets);
    read_event_secrets(log->log_id, true, &public_keys);
    ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                    errmsg("event log %s takes signed bodies only", log->events_name),
                    secrets.count + public_keys.count > 0
                        ? errhint("Use ingest_call_webhook, or ingest_signed_call_event for a JWS.")
                        : errhint("Its secret is missing, for example after a restore. Set it again with "
                                  "set_call_event_secret, and use ingest_call_webhook.")));
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(ingest_signed_call_event)
{
    enum { body_argument, log_argument, carry_argument };
    EventLog log;
    CarriedValues carried;
    if (PG_ARGISNULL(body_argument))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("body must not be null")));
    SPI_connect();
    find_any_event_log(fcinfo, log_argument, &log);
    require_log_of_webhooks(log, "ingest_signed_call_event");
    const std::string_view claims = open_body(&log, text_argument(fcinfo, body_argument));
    read_carry(log, PG_ARGISNULL(carry_argument) ? nullptr : PG_GETARG_JSONB_P(carry_argument), &carried);
    const int64 event_seq = ingest_body(&log, claims, {}, {}, carried);
    SPI_finish();
    PG_RETURN_INT64(event_seq);
}
