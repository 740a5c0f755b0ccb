// Signed bodies: a compact JWS (RFC 7515) with HS256, whose claims are the event.
//
//     base64url(header) . base64url(claims) . base64url(HMAC-SHA256 of all before the second dot)
//
// What a header asks for is never followed: it says HS256 and nothing that would have to be understood, or
// the body is refused.
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
    repeated_parameter, // what two readers would read differently
    no_algorithm,
    algorithm,    // not HS256: none, a public key's, a name in another case
    critical,     // `crit`, by which the sender demands something of the reader
    embedded_key, // the sender would choose what its own signature is checked with
    mismatch,
    out_of_memory,
};

// What is wrong, as the end of a message: nothing of the body in it.
const char *Describe(SignatureFlaw flaw) noexcept;

// The secrets that are valid, by what can be done with them.
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

// True for a provider that signs its bodies in this way.
bool SignsBodies(std::string_view provider) noexcept;

// The bytes of a text in base64url, written to `room`. Nothing where it is none: padding, white space,
// another letter, bits that would be lost.
OptionalText DecodeBase64Url(std::string_view text, std::span<char> room) noexcept;

inline constexpr std::size_t shortest_event_secret = 8, longest_event_secret = 1024;
inline constexpr std::size_t strong_event_secret = 32; // what RFC 7518 demands of HS256

// True for a PEM block or an SSH key. Used as an HMAC's secret, a public key lets everybody sign.
bool IsKeyOfAnotherKind(std::string_view secret) noexcept;

} // namespace callhardening
