// Checks the signature of a webhook.
//
// The caller computes all hashes. So the core has no cryptography, and no secret stays here.
#pragma once

#include "core/ingest/scheme.hpp"
#include "core/ingest/signature.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace callhardening
{

inline constexpr std::size_t longest_header = 8192; // bytes of a value, and of a URL
inline constexpr std::size_t most_sent_signatures = 16;
inline constexpr std::size_t most_secrets = 8;

enum class WebhookFlaw : unsigned char {
    none,
    header_missing,
    header_repeated,
    header_value, // no text, or too long
    format,       // of the signature in its header
    url_missing,
    url,        // too long, or its query is unreadable
    body_form,  // no form
    body_json,  // no JSON
    member,     // missing in the body
    body_hash,  // missing, or of another body
    jws,        // see Verdict::jws
    mismatch,   // of the signature
    timestamp,  // no number
    time,       // out of the tolerance
    no_ed25519, // this server has no such function
    no_secret,  // none is usable
    no_token,   // a handshake's token is missing, or has letters that it must not have
    out_of_memory,
};

enum class HashKind : unsigned char { sha1, sha256 };
enum class KeyAnswer : unsigned char { valid, invalid, unavailable };
inline constexpr std::size_t largest_hash = 32, public_key_size = 32, public_signature_size = 64;

using TextPieces = std::span<const std::string_view>;

// The functions must not raise a PostgreSQL error. false: no memory.
struct WebhookHasher {
    void *state = nullptr;
    bool (*mac)(void *state, HashKind kind, std::string_view key, TextPieces pieces,
                unsigned char *mac) noexcept = nullptr;
    bool (*sha256)(void *state, TextPieces pieces, unsigned char *digest) noexcept = nullptr;
    KeyAnswer (*ed25519)(void *state, std::string_view key, std::string_view message,
                         std::string_view signature) noexcept = nullptr;
};

struct WebhookHeader {
    std::string_view value;
    unsigned count = 0; // of the values
    bool is_text = true;
};

struct WebhookRequest {
    std::string_view body;
    OptionalText url;
    std::span<const WebhookHeader> headers; // as the scheme has them
    std::int64_t now = 0;                   // milliseconds since 1970
    std::span<char> room;                   // as many bytes as the body, for the claims of a JWS
};

struct WebhookVerdict {
    WebhookFlaw flaw;
    SignatureFlaw jws = SignatureFlaw::none;
    const char *name = "";        // of the header with the flaw
    std::int64_t seconds_ago = 0; // of a time out of the tolerance
    std::string_view event;       // the body, or its claims
    OptionalText event_key;
};

// The secrets as they were set, at most most_secrets. Every one is tried, so the time does not reveal the
// matching one.
WebhookVerdict VerifyWebhook(const Scheme &scheme, const WebhookRequest &request,
                             std::span<const std::string_view> secrets, const WebhookHasher &hasher) noexcept;

// True if the scheme can use the secret.
bool IsUsableSecret(const Scheme &scheme, std::string_view secret) noexcept;

// The flaw as the end of a message, without content of the request.
const char *Describe(const WebhookVerdict &verdict) noexcept;

} // namespace callhardening
