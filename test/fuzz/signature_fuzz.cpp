// Any bytes as a signed body: an accepted body is signed, and no other body decodes to the same.
//
// "MAC" instead of the signature stands for the right one, so the fuzzer gets past it.
#include "core/ingest/signature.hpp"

#include "fuzz.hpp"

#include <algorithm>
#include <string>

using namespace callhardening;

namespace
{

// Not an HMAC, but a function of its input: a checksum in each byte.
bool Sign(void *, std::size_t key, std::string_view first, std::string_view second,
          unsigned char (&mac)[mac_size]) noexcept
{
    std::uint64_t hash = 0xcbf29ce484222325 + key;
    for (const std::string_view text : {first, second})
        for (const char c : text)
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    for (unsigned char &byte : mac)
        byte = static_cast<unsigned char>((hash *= 0xd6e8feb86659fd93) >> 56);
    return true;
}

std::string Encode(std::string_view bytes)
{
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string text;
    unsigned bits = 0, count = 0;
    for (const char c : bytes) {
        bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xffff;
        for (count += 8; count >= 6; count -= 6)
            text += letters[bits >> (count - 6) & 63];
    }
    if (count > 0)
        text += letters[bits << (6 - count) & 63];
    return text;
}

std::string WithMac(const std::string &body)
{
    constexpr std::string_view mark = ".MAC";
    if (body.size() < mark.size() || !body.ends_with(mark))
        return body;
    const std::string input = body.substr(0, body.size() - mark.size());
    unsigned char mac[mac_size];
    Sign(nullptr, 1, input, {}, mac);
    return input + "." + Encode({reinterpret_cast<const char *>(mac), mac_size});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string body = WithMac(std::string(ToText(data, size)));
    std::string room(body.size(), '\0');
    const SignedBody opened = OpenSignedBody(body, {nullptr, Sign, 2}, room);
    Require(opened.flaw != SignatureFlaw::out_of_memory, "memory is there");
    Require(opened.flaw == SignatureFlaw::none || opened.claims.empty(), "a refused body has claims");
    if (opened.flaw != SignatureFlaw::none)
        return 0;
    const std::size_t first = body.find('.'), second = body.find('.', first + 1);
    Require(body.substr(first + 1, second - first - 1) == Encode(opened.claims),
            "two texts are the same claims");
    std::string header_room(first, '\0');
    const std::size_t begin = body.find_first_not_of(" \t\n\v\f\r");
    const auto header = nlohmann::json::parse(
        *DecodeBase64Url(std::string_view(body).substr(begin, first - begin), header_room), nullptr, false);
    Require(header.is_object() && header.value("alg", nlohmann::json()) == "HS256",
            "another algorithm is taken");
    for (const char *name : {"crit", "jwk", "jku", "x5c", "x5u"})
        Require(!header.contains(name), "a header is taken that asks for something");
    return 0;
}
