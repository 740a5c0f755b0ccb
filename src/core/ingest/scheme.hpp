// A signature scheme: the way in which a provider signs its webhooks. It is compiled from its JSON document.
//
//   {"version": 1, "algorithm": "hmac-sha256",
//    "signature": {"header": "x-zm-signature", "format": "v0={signature}", "encoding": "hex"},
//    "signed": "v0:{timestamp}:{body}",
//    "timestamp": {"header": "x-zm-request-timestamp", "unit": "seconds"}, "tolerance": 300}
//
// The scheme decides on everything. A header never chooses a weaker scheme.
#pragma once

#include "core/json/setting.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace callhardening
{

inline constexpr int scheme_language_version = 1;

// The most that a scheme may ask for.
inline constexpr std::size_t max_scheme_headers = 8;
inline constexpr std::size_t max_signed_parts = 32;
inline constexpr std::size_t max_member_steps = 8;
inline constexpr std::size_t max_scheme_text = 200; // letters of a text in the document
inline constexpr std::uint64_t max_tolerance = 31'536'000;

enum class SignatureAlgorithm : unsigned char {
    hmac_sha1,
    hmac_sha256,
    sha256, // of a text with the secret in it
    ed25519,
    token, // the sender sends the secret itself
    jwt,   // in a header; HS256
    jws,   // the body; HS256
};

enum class TextEncoding : unsigned char { text, hex, base64 };
enum class TimeUnit : unsigned char { none, seconds, milliseconds };

// A path to a text in a JSON document. `value[].clientState` is a text in every element.
struct MemberStep {
    bool is_element;
    std::string name; // of a member
};
using MemberPath = std::vector<MemberStep>;

struct SignedPart {
    enum class Kind : unsigned char {
        text,
        body,
        url,
        base_url,    // without query
        escaped_url, // as a value in a URL
        form,        // names and values of the body, sorted
        parameters,  // those of the query and of the body, sorted
        secret,
        timestamp,
        header,
        member, // of the body
        signature,
        token, // of a handshake
        mac,   // of the token
    };
    Kind kind;
    std::string text{};     // a literal
    std::size_t header = 0; // of the scheme's headers
    MemberPath member{};
};

// A handshake's token gets a MAC with these letters only. A signed text has others, so nobody can have one
// signed.
bool IsLetterOfMacToken(char c) noexcept;

// A request that asks for an answer instead of bringing an event.
struct HandshakeScheme {
    bool is_there = false;
    std::size_t header; // the token's source: a header, a member of the body or of the query
    MemberPath member;
    std::string query;
    MemberPath when; // empty, or the place of a text that only handshakes have
    std::string when_text;
    bool has_empty_body = false;
    std::vector<SignedPart> answer;
};

struct Scheme {
    static constexpr std::size_t no_header = ~std::size_t{0};

    SignatureAlgorithm algorithm;
    std::vector<std::string> headers; // the names, each once
    std::vector<bool> is_required;    // of the headers: not only for handshakes

    std::size_t signature_header = no_header;
    MemberPath signature_member;
    std::vector<SignedPart> format; // of one signature in the header
    char separator = 0;             // between several signatures in the header
    TextEncoding encoding = TextEncoding::text;

    std::vector<SignedPart> message; // the signed text

    TextEncoding secret_encoding = TextEncoding::text;
    std::string secret_prefix;

    std::size_t timestamp_header = no_header;
    std::string timestamp_claim;
    TimeUnit unit = TimeUnit::none;
    std::uint64_t tolerance = 0; // in seconds; 0: any time

    std::string body_hash_query, body_hash_claim; // the hexadecimal SHA-256 of the body is signed instead
    bool either_port = false;                     // the signed URL may have its port or not
    std::size_t event_key_header = no_header;     // it names the event, also in a redelivery
    HandshakeScheme handshake;

    bool covers_body = false, covers_url = false, covers_time = false;

    bool IsPublicKey() const noexcept { return algorithm == SignatureAlgorithm::ed25519; }
    bool NeedsUrl() const noexcept;
};

// nullptr: the document is no scheme, and `error` says why. The caller owns the result.
const Scheme *CompileScheme(std::string_view json, SettingError &error) noexcept;
void DeleteScheme(const Scheme *scheme) noexcept;

std::string_view AlgorithmName(SignatureAlgorithm algorithm) noexcept;

} // namespace callhardening
