// The server's own HMAC-SHA256 for the core, and the tables of secrets.
//
//     HmacSigner signer = open_hmac(keys);
//     ... the core calls sign_hmac with &signer, and raises nothing ...
//     close_hmac(&signer);
//
// After an error between the two, the resource owner frees the HMAC.
#pragma once

#include "core/base/keyed_hash.hpp"

#include <initializer_list>

#include "pg/base/postgres.hpp"

extern "C" {
#include "common/hmac.h"
#include "utils/relcache.h"
}

namespace callhardening
{

// The block of SHA-256. The server would first hash a longer key, and may allocate memory for it.
inline constexpr size_t longest_hmac_key = 64;

struct HmacKey {
    size_t size;
    unsigned char bytes[longest_hmac_key];
};

struct HmacSigner {
    pg_hmac_ctx *hmac;
    const HmacKey *keys;
};

HmacSigner open_hmac(const HmacKey *keys);
void close_hmac(HmacSigner *signer);

// A SignFunction; `state` is the HmacSigner. The core calls it, so it must not raise.
bool sign_hmac(void *state, size_t key, std::string_view first, std::string_view second,
               unsigned char (&mac)[mac_size]) noexcept;

// Raises 53200 after a failure of sign_hmac.
[[noreturn]] void raise_not_signed(const char *detail);

// Raises 55000 if a table's first columns do not have these types. Reading them as another type would crash
// the server. `hint` says how to get the table back.
void require_key_table(Relation table, std::initializer_list<Oid> types, const char *hint);

} // namespace callhardening
