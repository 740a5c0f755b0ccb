// The server's hashes and signatures for the core: SHA-256, HMAC, Ed25519.
//
//     WebhookHashes hashes;
//     open_webhook_hashes(scheme, &hashes);
//     ... the core calls hasher_of(&hashes), and raises nothing ...
//     close_webhook_hashes(&hashes);
//
// After an error between the two, the resource owner frees them.
#pragma once

#include "core/ingest/webhook.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "common/cryptohash.h"
}

namespace callhardening
{

struct ServerHash {
    void *kept_hash, *kept_context; // of OpenSSL 3
    pg_cryptohash_ctx *own;         // without it
};

struct WebhookHashes {
    ServerHash sha1, sha256;
};

void open_webhook_hashes(const Scheme &scheme, WebhookHashes *hashes);
void close_webhook_hashes(WebhookHashes *hashes);
WebhookHasher hasher_of(WebhookHashes *hashes);

} // namespace callhardening
