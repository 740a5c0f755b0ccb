#include "core/ingest/webhook.hpp"

#include "pg/ingest/webhook_hash.hpp"

#include <dlfcn.h>

extern "C" {
#include "common/sha1.h"
#include "common/sha2.h"
}

namespace callhardening
{

namespace
{

const uint8 *bytes_of(std::string_view text)
{
    return reinterpret_cast<const uint8 *>(text.data());
}

// ---- functions of OpenSSL, as its manual has them -------------------------------------------------------

// A server with OpenSSL has them in its process. Linking the library here would demand OpenSSL of every
// server.
template <typename Function>
bool find_function(const char *name, Function **function)
{
    *function = reinterpret_cast<Function *>(dlsym(RTLD_DEFAULT, name));
    return *function != nullptr;
}

// ---- hashes --------------------------------------------------------------------------------------------

struct HashFunctions {
    void *(*fetch)(void *library, const char *name, const char *properties);
    void *(*new_context)();
    int (*begin)(void *context, const void *hash, void *engine);
    int (*update)(void *context, const void *data, size_t size);
    int (*finish)(void *context, unsigned char *digest, unsigned int *size);
};

HashFunctions ssl;

// Kept by the process. OpenSSL 3 would look up the hash for each use: for a body of 1 kB this takes longer
// than the hash.
struct KeptHash {
    bool was_tried;
    void *hash;
    void *context;
};

KeptHash kept_sha1, kept_sha256;

void prepare_kept_hash(const char *name, KeptHash *kept)
{
    if (kept->was_tried)
        return;
    kept->was_tried = true;
    if (find_function("EVP_MD_fetch", &ssl.fetch) && find_function("EVP_MD_CTX_new", &ssl.new_context) &&
        find_function("EVP_DigestInit_ex", &ssl.begin) && find_function("EVP_DigestUpdate", &ssl.update) &&
        find_function("EVP_DigestFinal_ex", &ssl.finish) &&
        (kept->hash = ssl.fetch(nullptr, name, nullptr)) != nullptr)
        kept->context = ssl.new_context();
}

bool begin_hash(const ServerHash &hash)
{
    return hash.kept_context != nullptr ? ssl.begin(hash.kept_context, hash.kept_hash, nullptr) == 1
                                        : hash.own != nullptr && pg_cryptohash_init(hash.own) == 0;
}

bool add_bytes(const ServerHash &hash, const uint8 *bytes, size_t size)
{
    return hash.kept_context != nullptr ? ssl.update(hash.kept_context, bytes, size) == 1
                                        : pg_cryptohash_update(hash.own, bytes, size) == 0;
}

bool finish_hash(const ServerHash &hash, uint8 *digest, size_t size)
{
    return hash.kept_context != nullptr ? ssl.finish(hash.kept_context, digest, nullptr) == 1
                                        : pg_cryptohash_final(hash.own, digest, size) == 0;
}

bool add_pieces(const ServerHash &hash, TextPieces pieces)
{
    bool done = true;
    for (size_t i = 0; done && i < pieces.size(); ++i)
        done = add_bytes(hash, bytes_of(pieces[i]), pieces[i].size());
    return done;
}

bool hash_pieces(const ServerHash &hash, TextPieces pieces, uint8 *digest, size_t size)
{
    return begin_hash(hash) && add_pieces(hash, pieces) && finish_hash(hash, digest, size);
}

// ---- HMAC ----------------------------------------------------------------------------------------------

// Both hashes have blocks of 64 bytes. HMAC replaces a longer key by the key's hash.
constexpr size_t block_size = 64;

struct HmacBlock {
    uint8 bytes[block_size];
};

bool make_block(const ServerHash &hash, size_t hash_size, std::string_view key, HmacBlock *block)
{
    const std::string_view pieces[] = {key};
    *block = {};
    if (key.size() > block_size)
        return hash_pieces(hash, TextPieces(pieces), block->bytes, hash_size);
    memcpy(block->bytes, key.data(), key.size());
    return true;
}

// Hashes the block with each byte changed by `pad`, and then the pieces.
bool hash_behind_block(const ServerHash &hash, HmacBlock block, uint8 pad, TextPieces pieces, uint8 *digest,
                       size_t size)
{
    for (uint8 &byte : block.bytes)
        byte ^= pad;
    const bool done = begin_hash(hash) && add_bytes(hash, block.bytes, block_size) &&
                      add_pieces(hash, pieces) && finish_hash(hash, digest, size);
    explicit_bzero(&block, sizeof block);
    return done;
}

// RFC 2104
bool compute_mac(void *state, HashKind kind, std::string_view key, TextPieces pieces,
                 unsigned char *mac) noexcept
{
    const auto *hashes = static_cast<const WebhookHashes *>(state);
    const bool is_sha1 = kind == HashKind::sha1;
    const ServerHash &hash = is_sha1 ? hashes->sha1 : hashes->sha256;
    const size_t size = is_sha1 ? SHA1_DIGEST_LENGTH : PG_SHA256_DIGEST_LENGTH;
    HmacBlock block;
    const std::string_view inner[] = {{reinterpret_cast<const char *>(mac), size}};
    const bool done = make_block(hash, size, key, &block) &&
                      hash_behind_block(hash, block, 0x36, pieces, mac, size) &&
                      hash_behind_block(hash, block, 0x5c, TextPieces(inner), mac, size);
    explicit_bzero(&block, sizeof block);
    return done;
}

bool compute_sha256(void *state, TextPieces pieces, unsigned char *digest) noexcept
{
    return hash_pieces(static_cast<const WebhookHashes *>(state)->sha256, pieces, digest,
                       PG_SHA256_DIGEST_LENGTH);
}

// ---- Ed25519 -------------------------------------------------------------------------------------------

struct KeyFunctions {
    void *(*new_public_key)(int type, void *engine, const unsigned char *key, size_t size);
    void (*free_key)(void *key);
    void *(*new_context)();
    void (*free_context)(void *context);
    int (*begin)(void *context, void **key_context, const void *digest, void *engine, void *key);
    int (*verify)(void *context, const unsigned char *signature, size_t signature_size,
                  const unsigned char *message, size_t size);
    void (*clear_errors)();
};

constexpr int ed25519_key = 1087; // NID_ED25519

bool find_key_functions(KeyFunctions *keys)
{
    return find_function("EVP_PKEY_new_raw_public_key", &keys->new_public_key) &&
           find_function("EVP_PKEY_free", &keys->free_key) &&
           find_function("EVP_MD_CTX_new", &keys->new_context) &&
           find_function("EVP_MD_CTX_free", &keys->free_context) &&
           find_function("EVP_DigestVerifyInit", &keys->begin) &&
           find_function("EVP_DigestVerify", &keys->verify) &&
           find_function("ERR_clear_error", &keys->clear_errors);
}

KeyAnswer verify_with(const KeyFunctions &keys, std::string_view key, std::string_view message,
                      std::string_view signature)
{
    void *public_key = keys.new_public_key(ed25519_key, nullptr, bytes_of(key), key.size());
    void *context = public_key == nullptr ? nullptr : keys.new_context();
    const bool valid =
        context != nullptr && keys.begin(context, nullptr, nullptr, nullptr, public_key) == 1 &&
        keys.verify(context, bytes_of(signature), signature.size(), bytes_of(message), message.size()) == 1;
    if (context != nullptr)
        keys.free_context(context);
    if (public_key != nullptr)
        keys.free_key(public_key);
    keys.clear_errors(); // else the server would take them for those of a connection
    return valid ? KeyAnswer::valid : KeyAnswer::invalid;
}

KeyAnswer verify_ed25519(void *, std::string_view key, std::string_view message,
                         std::string_view signature) noexcept
{
    KeyFunctions keys;
    return find_key_functions(&keys) ? verify_with(keys, key, message, signature) : KeyAnswer::unavailable;
}

// Without OpenSSL 3 it is the server's own.
void open_hash(const char *name, pg_cryptohash_type type, KeptHash *kept, ServerHash *hash)
{
    prepare_kept_hash(name, kept);
    hash->kept_hash = kept->hash;
    hash->kept_context = kept->context;
    if (kept->context == nullptr)
        hash->own = pg_cryptohash_create(type);
}

} // namespace

void open_webhook_hashes(const Scheme &scheme, WebhookHashes *hashes)
{
    const bool is_sha1 = scheme.algorithm == SignatureAlgorithm::hmac_sha1;
    const bool hashes_body = !scheme.body_hash_query.empty() || !scheme.body_hash_claim.empty();
    const bool has_hash = !scheme.IsPublicKey() && scheme.algorithm != SignatureAlgorithm::token;
    *hashes = {};
    if (is_sha1)
        open_hash("SHA1", PG_SHA1, &kept_sha1, &hashes->sha1);
    if (hashes_body || (has_hash && !is_sha1))
        open_hash("SHA256", PG_SHA256, &kept_sha256, &hashes->sha256);
}

void close_webhook_hashes(WebhookHashes *hashes)
{
    pg_cryptohash_free(hashes->sha1.own);
    pg_cryptohash_free(hashes->sha256.own);
    *hashes = {};
}

WebhookHasher hasher_of(WebhookHashes *hashes)
{
    return {hashes, compute_mac, compute_sha256, verify_ed25519};
}

} // namespace callhardening
