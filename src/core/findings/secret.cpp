#include "core/findings/secret.hpp"

#include "core/base/text.hpp"
#include "core/findings/vendor_token.hpp"

#include <algorithm>

namespace callhardening
{

namespace
{

// ---- letters ------------------------------------------------------------------------------------

constexpr bool IsBase64Url(char c) noexcept
{
    return IsAsciiAlnum(c) || c == '-' || c == '_';
}

enum LetterClass : unsigned char {
    sign = 1, // of a name and its value, a URL, a header
    vendor = 2,
    escape = 4,
    url_end = 8,
    host_end = 16,
};

constexpr auto classes = [] {
    LetterClasses table{};
    const auto add = [&table](std::string_view letters, unsigned added) {
        for (const char c : letters)
            table[static_cast<unsigned char>(c)] |= static_cast<unsigned char>(added);
    };
    add(":=AJBb-,>", sign);
    add(vendor_letters, vendor);
    add("\\%&", escape);
    add("\"'<>\\`", url_end | host_end);
    add("/?#", host_end);
    for (unsigned char c = 0; c <= ' '; ++c)
        table[c] |= url_end | host_end;
    return table;
}();

constexpr bool EndsUrl(char c) noexcept
{
    return (ClassesOf(c, classes) & url_end) != 0;
}

std::size_t UrlEnd(std::string_view text, std::size_t i) noexcept
{
    return FindLetter(text, i, text.size(), classes, url_end);
}

std::size_t HostEnd(std::string_view text, std::size_t i) noexcept
{
    return FindLetter(text, i, text.size(), classes, host_end);
}

bool StartsFolded(std::string_view text, std::size_t i, std::string_view lower_word) noexcept
{
    if (text.size() - i < lower_word.size())
        return false;
    for (std::size_t k = 0; k < lower_word.size(); ++k)
        if (LowerAscii(text[i + k]) != lower_word[k])
            return false;
    return true;
}

constexpr SecretSpan nothing{0, 0, {}};

// A replaced value stays: replacing the marker again would only change the count.
SecretSpan Hide(std::string_view text, std::size_t begin, std::size_t end) noexcept
{
    if (begin >= end)
        return nothing;
    const std::string_view value = text.substr(begin, end - begin);
    if (value == secret_marker || value == cut_marker)
        return nothing;
    return {begin, end, secret_marker};
}

SecretSpan Hide(std::string_view text, const ValueSpan &value) noexcept
{
    return Hide(text, value.begin, value.end);
}

// ---- tokens that show themselves -------------------------------------------------------------------

// eyJ is base64 of `{"`, and eyA of `{ `. There is none up to `searched`. All tokens that begin in one run of
// letters end with it: without `searched`, a text of only eyJ would be read once for each.
SecretSpan FindJwt(std::string_view text, std::size_t begin, std::size_t &searched) noexcept
{
    constexpr std::size_t shortest_header = 10, shortest_claims = 4;
    if (begin < searched)
        return nothing;
    std::size_t end = searched = RunEnd(text, begin, IsBase64Url);
    if (end - begin < shortest_header || end == text.size() || text[end] != '.')
        return nothing;
    std::size_t claims = end + 1;
    if (claims < text.size() && text[claims] == '.') // encrypted with a key that both sides have
        ++claims;
    end = RunEnd(text, claims, IsBase64Url);
    if (end - claims < shortest_claims)
        return nothing;
    while (end < text.size() && text[end] == '.')
        end = RunEnd(text, end + 1, IsBase64Url);
    return {begin, end, secret_marker};
}

// White space, a no-break space and quotes between a scheme and its token.
std::size_t SkipToToken(std::string_view text, std::size_t i) noexcept
{
    constexpr std::string_view no_break_space = "\xC2\xA0";
    for (;;) {
        i = RunEnd(text, i,
                   [](char c) { return c == ' ' || c == '\t' || c == '"' || c == '\'' || c == '`'; });
        if (!text.substr(i).starts_with(no_break_space))
            return i;
        i += no_break_space.size();
    }
}

// White space, a quote or an enclosing sign ends a token. A full stop or a comma after it belongs to the
// sentence.
std::size_t TokenEnd(const SpelledText &spelled, std::size_t begin) noexcept
{
    const std::string_view text = spelled.text;
    std::size_t end = RunEnd(text, begin, [&spelled](char c) {
        return static_cast<unsigned char>(c) > ' ' && static_cast<unsigned char>(c) < 0x80 && c != '"' &&
               c != '\'' && c != '`' && c != ',' && c != ';' && c != '<' && c != '>' &&
               (spelled.is_plain || c != '\\');
    });
    constexpr std::string_view closing = ".:!?)]}";
    while (end > begin && closing.find(text[end - 1]) != closing.npos)
        --end;
    return end;
}

constexpr int Base64Value(char c) noexcept
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (IsAsciiDigit(c))
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

// True for base64 of `user:password`. `basic troubleshooting` is prose.
bool SpellsUserAndPassword(std::string_view token) noexcept
{
    bool colon = false;
    unsigned bits = 0, count = 0;
    for (const char c : token.substr(0, token.find('='))) {
        const int value = Base64Value(c);
        if (value < 0)
            return false;
        bits = bits << 6 | static_cast<unsigned>(value);
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        const auto byte = static_cast<unsigned char>(bits >> count);
        if (byte < ' ')
            return false;
        colon = colon || byte == ':';
    }
    return colon;
}

// Letters of both cases and digits, and too long for a name.
bool LooksRandom(std::string_view token) noexcept
{
    constexpr std::size_t shortest = 16;
    const auto has = [token](auto is) { return std::any_of(token.begin(), token.end(), is); };
    return token.size() >= shortest && has(IsAsciiDigit) &&
           has([](char c) { return c >= 'A' && c <= 'Z'; }) &&
           has([](char c) { return c >= 'a' && c <= 'z'; });
}

bool HasDigitAndIsLong(std::string_view token) noexcept
{
    constexpr std::size_t shortest = 16;
    return token.size() >= shortest && std::any_of(token.begin(), token.end(), IsAsciiDigit);
}

SecretSpan FindHeaderToken(const SpelledText &spelled, std::size_t i) noexcept
{
    const std::string_view text = spelled.text;
    if (i > 0 && IsAsciiAlnum(text[i - 1]))
        return nothing;
    const bool bearer = StartsFolded(text, i, "bearer"), basic = !bearer && StartsFolded(text, i, "basic");
    if (!bearer && !basic)
        return nothing;
    const std::size_t word_end = i + (bearer ? 6 : 5);
    const bool listed = bearer && text.substr(word_end).starts_with(','); // Sec-WebSocket-Protocol: bearer, V
    const std::size_t space = word_end + (listed ? 1 : 0), begin = SkipToToken(text, space);
    if (begin == space)
        return nothing;
    const std::size_t end = TokenEnd(spelled, begin);
    const std::string_view token = text.substr(begin, end - begin);
    const bool secret = listed   ? HasDigitAndIsLong(token)
                        : bearer ? LooksLikeToken(token)
                                 : SpellsUserAndPassword(token) || LooksRandom(token);
    return secret ? Hide(text, begin, end) : nothing;
}

SecretSpan FindPem(std::string_view text, std::size_t begin) noexcept
{
    constexpr std::string_view head = "-----BEGIN ", foot = "-----END ", rule = "-----";
    if (!text.substr(begin).starts_with(head))
        return nothing;
    std::size_t end = text.find(foot, begin + head.size());
    if (end != std::string_view::npos)
        end = text.find(rule, end + foot.size());
    end = end == std::string_view::npos ? text.size() : end + rule.size();
    return {begin, end, secret_marker};
}

// ---- URLs -------------------------------------------------------------------------------------------

// A port that cannot be a password.
bool IsPort(std::string_view text, std::size_t colon) noexcept
{
    constexpr std::size_t longest = 5;
    constexpr std::string_view enders = "/?#,;)]}.!";
    const std::size_t end = RunEnd(text, colon + 1, IsAsciiDigit);
    return end > colon + 1 && end - colon <= longest + 1 &&
           (end == text.size() || EndsUrl(text[end]) || enders.find(text[end]) != enders.npos);
}

// The `@` after user and password. A password may contain raw slashes, spaces and signs. npos: the authority
// has none. It then ends at `end`.
std::size_t UserEnd(std::string_view text, std::size_t authority, std::size_t end) noexcept
{
    constexpr std::size_t longest = 256;
    const std::string_view whole = text.substr(0, end), line = text.substr(0, authority + longest);
    const std::size_t colon = whole.find(':', authority), in_host = whole.substr(authority).rfind('@');
    const std::size_t plain = in_host == std::string_view::npos ? in_host : authority + in_host;
    if (colon == std::string_view::npos || IsPort(text, colon))
        return plain;
    const std::size_t line_end = RunEnd(line, colon, [](char c) {
        return c != '\r' && c != '\n' && c != '"' && c != '<' && c != '>' && c != '\\' && c != '`';
    });
    const std::size_t last = line.substr(0, std::min(line_end, line.find("://", authority))).rfind('@');
    const bool has_host = last != std::string_view::npos && last > authority && last + 1 < text.size() &&
                          IsAsciiAlnum(text[last + 1]);
    return has_host ? last : plain;
}

SecretSpan FindInUrl(std::string_view text, std::size_t authority, std::size_t from, bool only_hosts) noexcept
{
    if (authority < from)
        return nothing;
    const std::size_t first = HostEnd(text, authority), at = UserEnd(text, authority, first);
    const std::size_t host = at == std::string_view::npos ? authority : at + 1;
    if (!only_hosts)
        return host == authority ? nothing : Hide(text, authority, at);
    const std::size_t end = HostEnd(text, host), rest = UrlEnd(text, end);
    return host == authority ? SecretSpan{end, rest, {}}
                             : SecretSpan{authority, rest, text.substr(host, end - host)};
}

// sip:alice:secret@host has a password without `//`.
SecretSpan FindInSip(std::string_view text, std::size_t i) noexcept
{
    const bool sip = i >= 3 && StartsFolded(text, i - 3, "sip");
    const bool sips = i >= 4 && StartsFolded(text, i - 4, "sips");
    if (!sip && !sips)
        return nothing;
    constexpr std::size_t longest_user = 256;
    const std::size_t at = RunEnd(text.substr(0, i + longest_user), i + 1,
                                  [](char c) { return !EndsUrl(c) && c != '@' && c != ';' && c != '?'; });
    const std::size_t colon = text.substr(0, at).find(':', i + 1);
    if (at == text.size() || text[at] != '@' || colon == std::string_view::npos)
        return nothing;
    return Hide(text, colon + 1, at);
}

// A URL after a name, `recording_url=https://...` or `"recording_url": "https://..."`, counts like a member
// of that name. `colon` is the colon of its scheme.
bool IsNamedLink(std::string_view text, std::size_t colon) noexcept
{
    const auto is_quoting = [](char c) { return c == '"' || c == '\'' || IsAsciiSpace(c); };
    std::size_t i = colon;
    while (i > 0 && IsAsciiAlnum(text[i - 1]))
        --i;
    while (i > 0 && is_quoting(text[i - 1]))
        --i;
    if (i == 0 || (text[i - 1] != '=' && text[i - 1] != ':'))
        return false;
    --i;
    while (i > 0 && is_quoting(text[i - 1]))
        --i;
    std::size_t begin = i;
    while (begin > 0 && (IsBase64Url(text[begin - 1]) || text[begin - 1] == '.'))
        --begin;
    return ClassifyMember(text.substr(begin, i - begin)) == MemberClass::link;
}

// ---- the walk -----------------------------------------------------------------------------------------

// The letters at which a secret may show itself.
constexpr unsigned trigger = sign | vendor | escape;

struct Search {
    const SpelledText &spelled;
    std::size_t from;
    bool only_hosts;
    SecretNames names;
    std::size_t searched; // for tokens in base64
};

SecretSpan FindByColon(const Search &search, std::size_t i) noexcept
{
    const std::string_view text = search.spelled.text;
    if (text.substr(i).starts_with("://"))
        return FindInUrl(text, i + 3, search.from, search.only_hosts || IsNamedLink(text, i));
    const SecretSpan sip = FindInSip(text, i);
    return sip.Found() ? sip : Hide(text, FindAssignedValue(search.spelled, i, search.names));
}

// The block of a key, or the value of --password and the like.
SecretSpan FindByHyphen(Search &search, std::size_t i) noexcept
{
    const std::string_view text = search.spelled.text;
    if (i > 0 && IsAsciiAlnum(text[i - 1]))
        return nothing;
    if (const SecretSpan pem = FindPem(text, i); pem.Found())
        return pem;
    if (i + 1 < text.size() && text[i + 1] == '>')
        return Hide(text, FindPointedValue(search.spelled, i, search.names));
    return Hide(text, FindOptionValue(text, i, search.names));
}

// `i` is at the third letter of eyJ and eyA.
SecretSpan FindJwtAt(Search &search, std::size_t i) noexcept
{
    const std::string_view text = search.spelled.text;
    const bool begins = i >= search.from + 2 && text[i - 1] == 'y' && text[i - 2] == 'e';
    return begins ? FindJwt(text, i - 2, search.searched) : nothing;
}

SecretSpan FindAt(Search &search, std::size_t i) noexcept
{
    const std::string_view text = search.spelled.text;
    switch (text[i]) {
    case ':':
        return FindByColon(search, i);
    case '=':
        return Hide(text, FindAssignedValue(search.spelled, i, search.names));
    case ',':
        return i > 0 && IsQuote(text[i - 1]) ? Hide(text, FindListedValue(text, i, search.names)) : nothing;
    case '>':
        return Hide(text, FindElementText(text, i, search.names));
    case 'A':
        return i > 0 && text[i - 1] == 'P' ? Hide(text, FindStatementValue(text, i)) : FindJwtAt(search, i);
    case 'J':
        return FindJwtAt(search, i);
    case '-':
        return FindByHyphen(search, i);
    case 'B':
        if (const ValueSpan value = FindStatementValue(text, i); value.Found())
            return Hide(text, value);
        return FindHeaderToken(search.spelled, i);
    default:
        return FindHeaderToken(search.spelled, i);
    }
}

// Searches from the trigger at `i`.
SecretSpan FindFrom(Search search, std::size_t i, std::size_t until, bool *escape_found) noexcept
{
    const std::string_view text = search.spelled.text;
    for (; i < until; i = FindLetter(text, i + 1, until, classes, trigger)) {
        const unsigned found = ClassesOf(text[i], classes);
        if ((found & escape) != 0 && escape_found != nullptr) {
            *escape_found = true;
            return nothing;
        }
        if ((found & sign) != 0)
            if (const SecretSpan span = FindAt(search, i); span.Found() && span.begin >= search.from)
                return span;
        if ((found & vendor) != 0)
            if (const TokenSpan token = FindVendorToken(text, i, search.from); token.Found())
                return {token.begin, token.end, secret_marker};
    }
    return nothing;
}

} // namespace

bool MayHaveSecret(std::string_view text) noexcept
{
    return FindLetter(text, 0, text.size(), classes, trigger) < text.size();
}

SecretSpan FindSecret(const SpelledText &spelled, std::size_t from, std::size_t until, bool only_hosts,
                      SecretNames names, bool *escape_found) noexcept
{
    const std::size_t first = FindLetter(spelled.text, from, until, classes, trigger);
    return first == until ? nothing
                          : FindFrom({spelled, from, only_hosts, names, from}, first, until, escape_found);
}

} // namespace callhardening
