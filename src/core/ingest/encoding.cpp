#include "core/ingest/encoding.hpp"

#include "core/ingest/signature.hpp"
#include "core/ingest/webhook.hpp"

#include <cstdint>

namespace callhardening
{

std::string ToHex(std::string_view bytes)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text(bytes.size() * 2, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        text[2 * i] = digits[byte >> 4];
        text[2 * i + 1] = digits[byte & 15];
    }
    return text;
}

std::string ToBase64(std::string_view bytes)
{
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    text.reserve(bytes.size() / 3 * 4 + 4);
    std::uint32_t bits = 0;
    unsigned count = 0; // of the unwritten bits
    for (const char c : bytes) {
        bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xffffff;
        for (count += 8; count >= 6; count -= 6)
            text += letters[bits >> (count - 6) & 63];
    }
    if (count > 0)
        text += letters[bits << (6 - count) & 63];
    while (text.size() % 4 != 0)
        text += '=';
    return text;
}

bool FromBase64(std::string_view text, std::string &bytes)
{
    while (text.ends_with('='))
        text.remove_suffix(1);
    std::string url_letters(text);
    for (char &c : url_letters) {
        if (c == '-' || c == '_')
            return false;
        c = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    bytes.resize(text.size());
    const OptionalText decoded = DecodeBase64Url(url_letters, bytes);
    if (decoded)
        bytes.resize(decoded->size());
    return decoded.has_value();
}

std::string EncodeText(std::string_view bytes, TextEncoding encoding)
{
    return encoding == TextEncoding::hex      ? ToHex(bytes)
           : encoding == TextEncoding::base64 ? ToBase64(bytes)
                                              : std::string(bytes);
}

// The compiler must not know that a difference remains one. Else it could end the loop early.
bool EqualInConstantTime(std::string_view wanted, std::string_view sent) noexcept
{
    unsigned difference = wanted.size() == sent.size() && !wanted.empty() ? 0 : 1;
    const std::size_t last = sent.empty() ? 0 : sent.size() - 1;
    const char *others = sent.empty() ? wanted.data() : sent.data();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        difference |= static_cast<unsigned char>(wanted[i] ^ others[i < last ? i : last]);
        asm volatile("" : "+r"(difference));
    }
    return difference == 0;
}

bool DecodeSecret(const Scheme &scheme, std::string_view secret, std::string &room, std::string_view &key)
{
    if (secret.starts_with(scheme.secret_prefix))
        secret.remove_prefix(scheme.secret_prefix.size());
    key = secret;
    if (scheme.secret_encoding == TextEncoding::base64) {
        if (!FromBase64(secret, room))
            return false;
        key = room;
    }
    return !key.empty() && (!scheme.IsPublicKey() || key.size() == public_key_size);
}

} // namespace callhardening
