// The server's own HMAC-SHA256 for the core, and the tables that secrets are kept in.
//
//     HmacSigner signer = open_hmac(keys);
//     ... the core calls sign_hmac with &signer, and raises nothing ...
//     close_hmac(&signer);
//
// After an error between the two, the resource owner frees what was opened.
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

// The block of SHA-256: a longer key would have to be hashed first, for which the server may allocate.
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

// A SignFunction; `state` is the HmacSigner. Called by the core: nothing in it can raise.
bool sign_hmac(void *state, size_t key, std::string_view first, std::string_view second,
               unsigned char (&mac)[mac_size]) noexcept;

// What is left to say where sign_hmac could not: 53200.
[[noreturn]] void raise_not_signed(const char *detail);

// 55000 where the first columns of a table of ours are not of these types any more: read as what they are
// not, they crash the server. `hint`: how the table is got back.
void require_key_table(Relation table, std::initializer_list<Oid> types, const char *hint);

} // namespace callhardening
