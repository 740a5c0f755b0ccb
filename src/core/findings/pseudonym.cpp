#include "core/findings/pseudonym.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <cstring>

namespace callhardening
{

namespace
{

constexpr std::string_view prefix = "pn_";
constexpr std::size_t body_bytes = 10, check_bytes = 4, key_id_bytes = key_id_size / 2;
constexpr std::size_t body_begin = prefix.size() + key_id_size + 1;
constexpr std::size_t check_begin = body_begin + 2 * body_bytes + 1;
static_assert(check_begin + 2 * check_bytes == token_size);

// A signed text begins with its purpose: an HMAC for one purpose is useless for another.
constexpr std::string_view key_purpose = "callhardening key:", check_purpose = "callhardening check:";
constexpr std::string_view purposes[] = {
    "callhardening phone:", "callhardening address:", "callhardening text:"};

// Four bits a letter. Letters only, so that no detector finds a number in a token.
void WriteLetters(const unsigned char *bytes, std::size_t count, char *out) noexcept
{
    for (std::size_t i = 0; i < count; ++i) {
        *out++ = static_cast<char>('a' + (bytes[i] >> 4));
        *out++ = static_cast<char>('a' + (bytes[i] & 15));
    }
}

bool AreLetters(std::string_view text) noexcept
{
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'p'; });
}

// ---- normalization ------------------------------------------------------------------------------

constexpr std::string_view Trim(std::string_view text) noexcept
{
    while (!text.empty() && IsAsciiSpace(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && IsAsciiSpace(text.back()))
        text.remove_suffix(1);
    return text;
}

// "Jane" <sip:jane@example.com>;tag=1 is sip:jane@example.com.
std::string_view Unwrap(std::string_view text) noexcept
{
    const std::size_t open = text.rfind('<');
    const std::size_t close = open == text.npos ? text.npos : text.find('>', open);
    return close == text.npos ? text : Trim(text.substr(open + 1, close - open - 1));
}

bool RemovePrefix(std::string_view &text, std::string_view lower_prefix) noexcept
{
    if (text.size() < lower_prefix.size() ||
        !std::equal(lower_prefix.begin(), lower_prefix.end(), text.begin(),
                    [](char p, char c) { return p == LowerAscii(c); }))
        return false;
    text.remove_prefix(lower_prefix.size());
    return true;
}

bool RemoveScheme(std::string_view &text) noexcept
{
    for (const std::string_view scheme : {"sip:", "sips:", "tel:", "callto:", "sms:", "fax:", "mailto:"})
        if (RemovePrefix(text, scheme))
            return true;
    return false;
}

// The size of a separator inside a number, 0: none. U+00A0 looks like a space, U+2010 to U+2015 like a
// hyphen.
std::size_t SeparatorSize(std::string_view text) noexcept
{
    constexpr std::string_view separators = " -./()";
    if (separators.find(text.front()) != separators.npos)
        return 1;
    if (text.starts_with("\xC2\xA0"))
        return 2;
    return text.size() >= 3 && text.starts_with("\xE2\x80") && text[2] >= '\x90' && text[2] <= '\x95' ? 3 : 0;
}

// Removes the extension of 555-0100x12.
std::string_view WithoutExtension(std::string_view text) noexcept
{
    std::size_t end = text.size();
    while (end > 0 && IsAsciiDigit(text[end - 1]))
        --end;
    return end > 1 && end < text.size() && LowerAscii(text[end - 1]) == 'x' ? text.substr(0, end - 1) : text;
}

// Reads the digits of a number with signs between them: at most most_phone_digits, and two zeros before them.
// 0: not a number. `international`: nobody dials the (0) of +49 (0)30.
std::size_t ReadDigits(std::string_view text, bool international, char *digits) noexcept
{
    constexpr std::string_view trunk_zero = "(0)";
    std::size_t size = 0;
    while (!text.empty()) {
        if (IsAsciiDigit(text.front())) {
            if (size == most_phone_digits + 2)
                return 0;
            digits[size++] = text.front();
            text.remove_prefix(1);
        } else if (international && text.starts_with(trunk_zero)) {
            text.remove_prefix(trunk_zero.size());
        } else if (const std::size_t separator = SeparatorSize(text); separator > 0) {
            text.remove_prefix(separator);
        } else {
            return 0;
        }
    }
    return size;
}

// Empty: no phone number.
std::string_view NormalizePhone(std::string_view text, char *digits) noexcept
{
    constexpr std::size_t fewest_digits = 7, fewest_after_zeros = 8;
    const bool uri = RemoveScheme(text);
    const bool plus = RemovePrefix(text, "+") || RemovePrefix(text, "%2b");
    if (plus || uri)
        text = text.substr(0, text.find_first_of(uri ? "@;:?" : "@"));
    text = WithoutExtension(text);
    const bool zeros = !plus && text.starts_with("00");
    const std::size_t size = ReadDigits(text, plus || zeros, digits);
    const std::size_t skipped = zeros && size >= fewest_after_zeros + 2 ? 2 : 0;
    const std::size_t count = size - skipped;
    return size < fewest_digits || count > most_phone_digits ? std::string_view{}
                                                             : std::string_view{digits + skipped, count};
}

// Empty: no address.
std::string_view NormalizeAddress(std::string_view text, char (&buffer)[longest_address]) noexcept
{
    RemoveScheme(text);
    std::size_t at = text.rfind('@'), at_size = 1;
    if (at == text.npos) {
        at = text.rfind("%40");
        at_size = 3;
    }
    if (at == text.npos)
        return {};
    std::string_view user = text.substr(0, at), host = text.substr(at + at_size);
    user = user.substr(0, user.find_first_of(":;"));
    host = host.substr(0, host.find_first_of(":;?"));
    const auto is_space = [](char c) { return IsAsciiSpace(c); };
    if (user.empty() || host.empty() || user.size() + 1 + host.size() > longest_address ||
        std::any_of(user.begin(), user.end(), is_space) || std::any_of(host.begin(), host.end(), is_space))
        return {};
    char *end = std::transform(user.begin(), user.end(), buffer, LowerAscii);
    *end++ = '@';
    end = std::transform(host.begin(), host.end(), end, LowerAscii);
    return {buffer, static_cast<std::size_t>(end - buffer)};
}

bool Sign(const Pseudonyms &pseudonyms, std::size_t key, std::string_view purpose, std::string_view text,
          unsigned char (&mac)[mac_size]) noexcept
{
    return pseudonyms.sign(pseudonyms.state, key, purpose, text, mac);
}

} // namespace

NormalizedValue NormalizeForPseudonym(std::string_view value, char (&buffer)[longest_address]) noexcept
{
    // No longer text is a number or an address, even with parameters and names around it.
    constexpr std::size_t longest_of_interest = 1024;
    const std::string_view text = Trim(value);
    if (text.empty() || text.size() > longest_of_interest)
        return {PseudonymKind::text, text};
    const std::string_view inner = Unwrap(text);
    if (const std::string_view phone = NormalizePhone(inner, buffer); !phone.empty())
        return {PseudonymKind::phone, phone};
    if (const std::string_view address = NormalizeAddress(inner, buffer); !address.empty())
        return {PseudonymKind::address, address};
    return {PseudonymKind::text, text};
}

bool DeriveKeyId(SignFunction sign, void *state, KeyId &id) noexcept
{
    unsigned char mac[mac_size];
    if (!sign(state, 0, key_purpose, {}, mac))
        return false;
    WriteLetters(mac, key_id_bytes, id.letters);
    return true;
}

bool WriteToken(const Pseudonyms &pseudonyms, std::size_t key, std::string_view value,
                char (&out)[token_size]) noexcept
{
    if (key >= pseudonyms.keys.size())
        return false;
    char buffer[longest_address];
    const NormalizedValue normalized = NormalizeForPseudonym(value, buffer);
    unsigned char mac[mac_size];
    if (!Sign(pseudonyms, key, purposes[static_cast<std::size_t>(normalized.kind)], normalized.text, mac))
        return false;
    std::memset(out, '_', token_size);
    std::memcpy(out, prefix.data(), prefix.size());
    std::memcpy(out + prefix.size(), pseudonyms.keys[key].letters, key_id_size);
    WriteLetters(mac, body_bytes, out + body_begin);
    if (!Sign(pseudonyms, key, check_purpose, {out + body_begin, 2 * body_bytes}, mac))
        return false;
    WriteLetters(mac, check_bytes, out + check_begin);
    return true;
}

bool IsKeyId(std::string_view text) noexcept
{
    return text.size() == key_id_size && AreLetters(text);
}

bool HasTokenForm(std::string_view text) noexcept
{
    return text.size() == token_size && text.starts_with(prefix) && text[body_begin - 1] == '_' &&
           text[check_begin - 1] == '_' && IsKeyId(text.substr(prefix.size(), key_id_size)) &&
           AreLetters(text.substr(body_begin, 2 * body_bytes)) && AreLetters(text.substr(check_begin));
}

std::size_t FindTokenForm(std::string_view text, std::size_t from) noexcept
{
    for (std::size_t i = text.find(prefix, from); i != text.npos; i = text.find(prefix, i + 1))
        if (HasTokenForm(text.substr(i, token_size)))
            return i;
    return text.npos;
}

bool IsToken(const Pseudonyms &pseudonyms, std::string_view text) noexcept
{
    if (!HasTokenForm(text))
        return false;
    const std::string_view id = text.substr(prefix.size(), key_id_size);
    const auto key = std::find_if(pseudonyms.keys.begin(), pseudonyms.keys.end(),
                                  [id](const KeyId &known) { return known.text() == id; });
    if (key == pseudonyms.keys.end())
        return false;
    unsigned char mac[mac_size];
    char check[2 * check_bytes];
    if (!Sign(pseudonyms, static_cast<std::size_t>(key - pseudonyms.keys.begin()), check_purpose,
              text.substr(body_begin, 2 * body_bytes), mac))
        return false;
    WriteLetters(mac, check_bytes, check);
    return text.substr(check_begin) == std::string_view{check, sizeof check};
}

} // namespace callhardening
