#include "core/ingest/signature.hpp"

#include "core/base/text.hpp"
#include "core/json/json_parser.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <new>
#include <set>
#include <string>
#include <utility>

namespace callhardening
{

namespace
{

// -- base64url -----------------------------------------------------------------------------------

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t no_letter = 64;

constexpr std::array<std::uint8_t, 256> MakeValues() noexcept
{
    std::array<std::uint8_t, 256> values{};
    values.fill(no_letter);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return values;
}

constexpr std::array<std::uint8_t, 256> values = MakeValues();

// -- the header ----------------------------------------------------------------------------------

// Reads the parameters of a header. The content of their values does not matter.
class HeaderReader final : public JsonListener
{
public:
    bool Null() override { return true; }
    bool Boolean(bool) override { return true; }
    bool Whole(std::uint64_t) override { return true; }
    bool Negative(std::int64_t) override { return true; }
    bool Fraction() override { return true; }
    bool String(std::string &text) override
    {
        is_hs256_ = is_hs256_ || (depth_ == 1 && is_algorithm_ && text == "HS256");
        return true;
    }
    bool Key(std::string &name) override
    {
        if (depth_ != 1)
            return true;
        is_algorithm_ = name == "alg";
        has_algorithm_ = has_algorithm_ || is_algorithm_;
        critical_ = critical_ || name == "crit";
        embeds_key_ = embeds_key_ || name == "jwk" || name == "jku" || name == "x5c" || name == "x5u";
        repeats_ = !names_.insert(std::move(name)).second || repeats_;
        return true;
    }
    bool StartObject() override
    {
        is_object_ = is_object_ || depth_ == 0;
        ++depth_;
        return true;
    }
    bool StartArray() override
    {
        ++depth_;
        return true;
    }
    bool EndObject() override { return Leave(); }
    bool EndArray() override { return Leave(); }

    SignatureFlaw flaw() const noexcept
    {
        if (!is_object_)
            return SignatureFlaw::header;
        if (repeats_)
            return SignatureFlaw::repeated_parameter;
        if (!is_hs256_)
            return has_algorithm_ ? SignatureFlaw::algorithm : SignatureFlaw::no_algorithm;
        if (critical_)
            return SignatureFlaw::critical;
        return embeds_key_ ? SignatureFlaw::embedded_key : SignatureFlaw::none;
    }

private:
    bool Leave()
    {
        --depth_;
        return true;
    }

    std::set<std::string> names_;
    std::size_t depth_ = 0;
    bool is_object_ = false, repeats_ = false, critical_ = false, embeds_key_ = false;
    bool is_algorithm_ = false, has_algorithm_ = false, is_hs256_ = false;
};

SignatureFlaw CheckHeader(std::string_view header) noexcept
{
    try {
        HeaderReader reader;
        return ParseJson(header, reader) ? reader.flaw() : SignatureFlaw::header;
    } catch (const std::bad_alloc &) {
        return SignatureFlaw::out_of_memory;
    } catch (...) {
        return SignatureFlaw::header;
    }
}

// -- the signature -------------------------------------------------------------------------------

// Takes the same time for any difference. `volatile` keeps the compiler from ending the loop early.
bool EqualInConstantTime(const unsigned char (&a)[mac_size], const unsigned char (&b)[mac_size]) noexcept
{
    volatile unsigned char difference = 0;
    for (std::size_t i = 0; i < mac_size; ++i)
        difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
    return difference == 0;
}

// Every secret is tried, so the time does not reveal the matching one.
SignatureFlaw CheckSignature(std::string_view input, const unsigned char (&signature)[mac_size],
                             const Secrets &secrets) noexcept
{
    bool matches = false;
    for (std::size_t key = 0; key < secrets.count; ++key) {
        unsigned char mac[mac_size];
        if (!secrets.sign(secrets.state, key, input, {}, mac))
            return SignatureFlaw::out_of_memory;
        const bool equal = EqualInConstantTime(mac, signature);
        matches = matches || equal;
    }
    return matches ? SignatureFlaw::none : SignatureFlaw::mismatch;
}

// -- the parts -----------------------------------------------------------------------------------

std::string_view WithoutSpaceAround(std::string_view text) noexcept
{
    while (!text.empty() && IsAsciiSpace(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && IsAsciiSpace(text.back()))
        text.remove_suffix(1);
    return text;
}

struct Parts {
    std::string_view header, claims, signature;
    std::string_view input; // of the signature: the first two parts with their dot
};

bool Split(std::string_view body, Parts &parts) noexcept
{
    const std::size_t first = body.find('.');
    const std::size_t second = first == body.npos ? first : body.find('.', first + 1);
    if (second == body.npos || body.find('.', second + 1) != body.npos)
        return false;
    parts.header = body.substr(0, first);
    parts.claims = body.substr(first + 1, second - first - 1);
    parts.signature = body.substr(second + 1);
    parts.input = body.substr(0, second);
    return true;
}

} // namespace

OptionalText DecodeBase64Url(std::string_view text, std::span<char> room) noexcept
{
    if (text.size() % 4 == 1 || room.size() < text.size())
        return {};
    char *out = room.data();
    std::uint32_t bits = 0;
    unsigned count = 0; // of the unwritten bits
    for (const char c : text) {
        const std::uint8_t value = values[static_cast<unsigned char>(c)];
        if (value == no_letter)
            return {};
        bits = bits << 6 | value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *out++ = static_cast<char>(bits >> count);
            bits &= (1U << count) - 1;
        }
    }
    // Else two texts would be the same bytes.
    if (bits != 0)
        return {};
    return std::string_view{room.data(), static_cast<std::size_t>(out - room.data())};
}

SignedBody OpenSignedBody(std::string_view body, const Secrets &secrets, std::span<char> room) noexcept
{
    Parts parts;
    if (!Split(WithoutSpaceAround(body), parts))
        return {SignatureFlaw::parts, {}};
    const OptionalText header = DecodeBase64Url(parts.header, room);
    if (!header)
        return {SignatureFlaw::header_encoding, {}};
    if (const SignatureFlaw flaw = CheckHeader(*header); flaw != SignatureFlaw::none)
        return {flaw, {}};
    // Overwrites the header in the room: it is not needed any longer.
    const OptionalText sent = DecodeBase64Url(parts.signature, room);
    if (!sent)
        return {SignatureFlaw::signature_encoding, {}};
    const bool is_mac = sent->size() == mac_size;
    unsigned char signature[mac_size] = {};
    if (is_mac)
        std::memcpy(signature, sent->data(), mac_size);
    const OptionalText claims = DecodeBase64Url(parts.claims, room);
    if (!claims)
        return {SignatureFlaw::claims_encoding, {}};
    if (!is_mac)
        return {SignatureFlaw::mismatch, {}};
    const SignatureFlaw flaw = CheckSignature(parts.input, signature, secrets);
    return {flaw, flaw == SignatureFlaw::none ? *claims : std::string_view{}};
}

std::string_view UnverifiedClaims(std::string_view body) noexcept
{
    Parts parts;
    return Split(WithoutSpaceAround(body), parts) ? parts.claims : std::string_view{};
}

const char *Describe(SignatureFlaw flaw) noexcept
{
    switch (flaw) {
    case SignatureFlaw::none:
        return "nothing is wrong";
    case SignatureFlaw::parts:
        return "it has not three parts with dots between them";
    case SignatureFlaw::header_encoding:
        return "the header is not in base64url";
    case SignatureFlaw::claims_encoding:
        return "the claims are not in base64url";
    case SignatureFlaw::signature_encoding:
        return "the signature is not in base64url";
    case SignatureFlaw::header:
        return "the header is not a JSON object";
    case SignatureFlaw::repeated_parameter:
        return "the header has a parameter twice";
    case SignatureFlaw::no_algorithm:
        return "the header names no algorithm";
    case SignatureFlaw::algorithm:
        return "the algorithm is not HS256";
    case SignatureFlaw::critical:
        return "the header has critical parameters";
    case SignatureFlaw::embedded_key:
        return "the header brings a key";
    case SignatureFlaw::mismatch:
        return "the signature does not match";
    case SignatureFlaw::out_of_memory:
        break;
    }
    return "out of memory";
}

bool IsKeyOfAnotherKind(std::string_view secret) noexcept
{
    return secret.find("-----BEGIN ") != secret.npos || secret.starts_with("ssh-") ||
           secret.starts_with("ecdsa-sha2-");
}

} // namespace callhardening
