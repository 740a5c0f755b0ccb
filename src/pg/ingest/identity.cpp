#include "pg/ingest/identity.hpp"

#include "pg/log/form.hpp"
#include "pg/log/parts.hpp"

extern "C" {
#include "common/cryptohash.h"
#include "common/sha2.h"
}

namespace callhardening
{

namespace
{

constexpr size_t digest_bytes = 16;

void update_hash(pg_cryptohash_ctx *hash, const void *data, size_t size)
{
    if (pg_cryptohash_update(hash, static_cast<const uint8 *>(data), size) < 0)
        elog(ERROR, "could not compute the SHA-256 of an event");
}

// Two events are the same if half of their SHA-256 is equal. `kind` tells apart a key, an event id, a part, a
// JSON body, other text, and other bytes. The last two are kept as JSON strings, and a JSON body can be the
// same string.
bytea *digest_of(char kind, std::string_view scope, std::string_view identity)
{
    uint8 digest[PG_SHA256_DIGEST_LENGTH];
    const size_t scope_size = scope.size();
    pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
    if (hash == nullptr || pg_cryptohash_init(hash) < 0)
        elog(ERROR, "could not compute the SHA-256 of an event");
    update_hash(hash, &kind, sizeof(kind));
    update_hash(hash, &scope_size, sizeof(scope_size));
    update_hash(hash, scope.data(), scope.size());
    update_hash(hash, identity.data(), identity.size());
    if (pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
        elog(ERROR, "could not compute the SHA-256 of an event");
    pg_cryptohash_free(hash);

    auto *result = static_cast<bytea *>(palloc(VARHDRSZ + digest_bytes));
    SET_VARSIZE(result, VARHDRSZ + digest_bytes);
    memcpy(VARDATA(result), digest, digest_bytes);
    return result;
}

} // namespace

bytea *digest_of_key(std::string_view event_key)
{
    return digest_of('k', {}, event_key);
}

bytea *digest_of_body(Jsonb *body, BodyKind kind, OptionalText event_type)
{
    return digest_of(static_cast<char>(kind), event_type.value_or(std::string_view{}),
                     {VARDATA(body), VARSIZE(body) - VARHDRSZ});
}

// A redelivery is about the same call. So if a provider uses an id again, no event of another call is lost.
bytea *digest_of_event_id(const EventLog &log, const Shape *shape, Jsonb *body)
{
    constexpr size_t longest_id = 255;
    EventFields fields;
    if (shape == nullptr || !shape->has_event_ids())
        return nullptr;
    body = open_body(body).document;
    if (!can_hold_calls(body, shape) || !read_event(body, shape, SetOfFields(Field::event_id), &fields))
        return nullptr;
    const std::string_view id = fields[Field::event_id].text, call_id = fields[Field::call_id].text;
    if (id.empty() || id.size() > longest_id || call_id.size() > max_call_id_bytes)
        return nullptr;
    const char *scope = psprintf("%s %zu", log.provider, id.size());
    char identity[longest_id + max_call_id_bytes];
    memcpy(identity, id.data(), id.size());
    memcpy(identity + id.size(), call_id.data(), call_id.size());
    return digest_of('i', scope, {identity, id.size() + call_id.size()});
}

bytea *digest_of_part(bytea *whole, int64 number)
{
    if (number == 0)
        return whole;
    char identity[digest_bytes + sizeof(number)];
    memcpy(identity, VARDATA(whole), digest_bytes);
    memcpy(identity + digest_bytes, &number, sizeof(number));
    return digest_of('p', {}, {identity, sizeof(identity)});
}

bool is_same_digest(const bytea *left, const bytea *right)
{
    return memcmp(VARDATA(left), VARDATA(right), digest_bytes) == 0;
}

} // namespace callhardening
