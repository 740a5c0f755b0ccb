// Signed bodies: a compact JWS (RFC 7515) with HS256. Its claims are the event.
//
//     base64url(header) . base64url(claims) . base64url(HMAC-SHA256 of all before the second dot)
//
// The reader never follows a request of the header. The header has to say HS256 and must not have other
// parameters for the reader to understand. Else the body is invalid.
#pragma once

#include "core/base/keyed_hash.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace callhardening
{

enum class SignatureFlaw : unsigned char {
    none,
    parts,
    header_encoding,
    claims_encoding,
    signature_encoding,
    header,             // no JSON object
    repeated_parameter, // two readers would read it differently
    no_algorithm,
    algorithm,    // not HS256: none, a public key's, a name in another case
    critical,     // `crit`: the sender demands something of the reader
    embedded_key, // the sender would choose the key for checking its own signature
    mismatch,
    out_of_memory,
};

// The flaw as the end of a message, without content of the body.
const char *Describe(SignatureFlaw flaw) noexcept;

// The valid secrets and the use of them.
struct Secrets {
    void *state = nullptr;
    SignFunction sign = nullptr;
    std::size_t count = 0;
};

struct SignedBody {
    SignatureFlaw flaw;
    std::string_view claims; // of the room; any bytes
};

// Checks a body, with or without white space around it. `room` has at least as many bytes as the body.
SignedBody OpenSignedBody(std::string_view body, const Secrets &secrets, std::span<char> room) noexcept;

// The claims of a signed body, in base64url and not verified. Empty: it has not three parts.
std::string_view UnverifiedClaims(std::string_view body) noexcept;

// The bytes of a text in base64url, written to `room`. NULL for padding, white space, another letter, or lost
// bits.
OptionalText DecodeBase64Url(std::string_view text, std::span<char> room) noexcept;

inline constexpr std::size_t shortest_event_secret = 8, longest_event_secret = 1024;
inline constexpr std::size_t strong_event_secret = 32; // RFC 7518 demands it of HS256

// True for a PEM block or an SSH key. As an HMAC's secret, a public key would let everybody sign.
bool IsKeyOfAnotherKind(std::string_view secret) noexcept;

} // namespace callhardening
