#include "core/secret.hpp"

#include "core/pseudonym.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>

namespace callhardening
{

namespace
{

// ---- names --------------------------------------------------------------------------------------

enum class Match : unsigned char { exact, suffix };

struct NameRow {
    std::string_view word; // folded
    MemberClass meaning;
    Match match;
};

// `pin`, `auth` and `digits` count only as the whole name: as a suffix they would take `shipping_pin_code`'s
// neighbours such as `raw_digits` (the digits that were dialled) with them.
constexpr auto listed_names = std::to_array<NameRow>({
    {"password", MemberClass::credential, Match::suffix},
    {"passwords", MemberClass::credential, Match::suffix},
    {"passwordhash", MemberClass::credential, Match::suffix},
    {"passwd", MemberClass::credential, Match::suffix},
    {"passphrase", MemberClass::credential, Match::suffix},
    {"passcode", MemberClass::credential, Match::suffix},
    {"pwd", MemberClass::credential, Match::suffix},
    {"secret", MemberClass::credential, Match::suffix},
    {"secrets", MemberClass::credential, Match::suffix},
    {"token", MemberClass::credential, Match::suffix},
    {"jwt", MemberClass::credential, Match::suffix},
    {"authorization", MemberClass::credential, Match::suffix},
    {"auth", MemberClass::credential, Match::exact},
    {"basicauth", MemberClass::credential, Match::exact},
    {"accesstokens", MemberClass::credential, Match::suffix},
    {"refreshtokens", MemberClass::credential, Match::suffix},
    {"bearer", MemberClass::credential, Match::exact},
    {"cookie", MemberClass::credential, Match::suffix},
    {"cookies", MemberClass::credential, Match::suffix},
    {"apikey", MemberClass::credential, Match::suffix},
    {"apikeys", MemberClass::credential, Match::suffix},
    {"accesskey", MemberClass::credential, Match::suffix},
    {"accesskeyid", MemberClass::credential, Match::suffix},
    {"secretkey", MemberClass::credential, Match::suffix},
    {"privatekey", MemberClass::credential, Match::suffix},
    {"signingkey", MemberClass::credential, Match::suffix},
    {"encryptionkey", MemberClass::credential, Match::suffix},
    {"sharedkey", MemberClass::credential, Match::suffix},
    {"authkey", MemberClass::credential, Match::suffix},
    {"sessionkey", MemberClass::credential, Match::suffix},
    {"credential", MemberClass::credential, Match::suffix},
    {"credentials", MemberClass::credential, Match::suffix},
    {"signature", MemberClass::credential, Match::suffix},
    {"signature256", MemberClass::credential, Match::suffix},
    {"hmac", MemberClass::credential, Match::suffix},
    {"accesscode", MemberClass::credential, Match::suffix},
    {"securitycode", MemberClass::credential, Match::suffix},
    {"verificationcode", MemberClass::credential, Match::suffix},
    {"otp", MemberClass::credential, Match::exact},
    {"otpcode", MemberClass::credential, Match::suffix},
    {"mfacode", MemberClass::credential, Match::suffix},
    {"authcode", MemberClass::credential, Match::suffix},
    {"authorizationcode", MemberClass::credential, Match::suffix},
    {"pin", MemberClass::credential, Match::exact},
    {"pincode", MemberClass::credential, Match::suffix},
    {"userpin", MemberClass::credential, Match::suffix},
    {"accesspin", MemberClass::credential, Match::suffix},
    {"voicemailpin", MemberClass::credential, Match::suffix},
    {"conferencepin", MemberClass::credential, Match::suffix},
    {"meetingpin", MemberClass::credential, Match::suffix},
    {"dtmf", MemberClass::credential, Match::exact},
    {"dtmfdigits", MemberClass::credential, Match::suffix},
    {"dtmfinput", MemberClass::credential, Match::suffix},
    {"digits", MemberClass::credential, Match::exact},
    {"gathereddigits", MemberClass::credential, Match::suffix},
    {"cardnumber", MemberClass::credential, Match::suffix},
    {"creditcard", MemberClass::credential, Match::suffix},
    {"cvv", MemberClass::credential, Match::exact},
    {"cvv2", MemberClass::credential, Match::exact},
    {"cvc", MemberClass::credential, Match::exact},
    {"ssn", MemberClass::credential, Match::exact},

    {"sharelink", MemberClass::link, Match::suffix},
    {"sharelinks", MemberClass::link, Match::suffix},
    {"accesslink", MemberClass::link, Match::suffix},
    {"accesslinks", MemberClass::link, Match::suffix},
    {"downloadurl", MemberClass::link, Match::suffix},
    {"downloadlink", MemberClass::link, Match::suffix},
    {"recordingurl", MemberClass::link, Match::suffix},
    {"recordingurls", MemberClass::link, Match::suffix},
    {"recordinguri", MemberClass::link, Match::suffix},
    {"recordinglink", MemberClass::link, Match::suffix},
    {"recordinglinks", MemberClass::link, Match::suffix},
    {"recordingplayer", MemberClass::link, Match::suffix},
    {"signedurl", MemberClass::link, Match::suffix},
    {"voicemailurl", MemberClass::link, Match::suffix},
    {"voicemaillink", MemberClass::link, Match::suffix},
    {"voicemaillinks", MemberClass::link, Match::suffix},
    {"mediaurl", MemberClass::link, Match::suffix},
    {"mediaurls", MemberClass::link, Match::suffix},
    {"audiourl", MemberClass::link, Match::suffix},
    {"contenturi", MemberClass::link, Match::suffix},
    {"contenturl", MemberClass::link, Match::suffix},

    {"recording", MemberClass::media, Match::suffix},
    {"recordings", MemberClass::media, Match::suffix},
    {"recordingdetails", MemberClass::media, Match::suffix},
    {"voicemail", MemberClass::media, Match::suffix},
    {"voicemails", MemberClass::media, Match::suffix},
    {"media", MemberClass::media, Match::suffix},
    {"attachments", MemberClass::media, Match::suffix},

    {"url", MemberClass::address, Match::suffix},
    {"urls", MemberClass::address, Match::suffix},
    {"uri", MemberClass::address, Match::suffix},
    {"link", MemberClass::address, Match::suffix},
    {"links", MemberClass::address, Match::suffix},
    {"href", MemberClass::address, Match::suffix},
});

// By last letter, so that most names are decided by an empty bucket; longer words first, since
// `recordingurl` says more than `url`.
constexpr auto name_rows = [] {
    auto rows = listed_names;
    std::sort(rows.begin(), rows.end(), [](const NameRow &a, const NameRow &b) {
        return a.word.back() != b.word.back() ? a.word.back() < b.word.back() : a.word.size() > b.word.size();
    });
    return rows;
}();

constexpr auto bucket = [] {
    std::array<unsigned char, 129> start{};
    for (std::size_t letter = 0; letter < start.size(); ++letter)
        start[letter] = static_cast<unsigned char>(
            std::count_if(name_rows.begin(), name_rows.end(), [letter](const NameRow &row) {
                return static_cast<unsigned char>(row.word.back()) < letter;
            }));
    return start;
}();
static_assert(name_rows.size() < 256);

constexpr bool IsNameSeparator(char c) noexcept
{
    return c == '_' || c == '-' || c == ' ';
}

bool Matches(std::string_view name, const NameRow &row) noexcept
{
    return row.match == Match::suffix ? EndsWithFolded(name, row.word) : EqualFolded(name, row.word);
}

// Names of URL parameters that are secrets beyond those of members.
bool IsSecretParameter(std::string_view name) noexcept
{
    static constexpr std::string_view words[] = {"key", "sig", "code", "sas", "hash", "signed", "pass"};
    if (ClassifyMember(name) == MemberClass::credential)
        return true;
    return std::any_of(std::begin(words), std::end(words), [name](std::string_view word) {
        return EqualFolded(name, word) ||
               (word == "key" && Matches(name, {word, MemberClass::credential, Match::suffix}));
    });
}

// ---- letters ------------------------------------------------------------------------------------

constexpr bool IsAlnum(char c) noexcept
{
    const char lower = LowerAscii(c);
    return (lower >= 'a' && lower <= 'z') || IsAsciiDigit(c);
}

constexpr bool IsBase64Url(char c) noexcept
{
    return IsAlnum(c) || c == '-' || c == '_';
}

constexpr bool IsTokenLetter(char c) noexcept
{
    return IsBase64Url(c) || c == '.' || c == '~' || c == '+' || c == '/' || c == '=';
}

constexpr bool IsNameLetter(char c) noexcept
{
    return IsBase64Url(c) || c == '.';
}

constexpr bool EndsUrl(char c) noexcept
{
    return static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' ||
           c == '\\' || c == '`';
}

constexpr bool EndsValue(char c) noexcept
{
    return EndsUrl(c) || c == '&' || c == ';' || c == ',' || c == ')' || c == '}' || c == ']' || c == '#';
}

constexpr bool EndsHeader(char c) noexcept
{
    return c == '\r' || c == '\n' || c == '"' || c == '\'' || c == '\\';
}

template <typename Predicate>
std::size_t RunEnd(std::string_view text, std::size_t i, Predicate inside) noexcept
{
    while (i < text.size() && inside(text[i]))
        ++i;
    return i;
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

// A value that has been dealt with stays: replacing the marker again would change nothing but the count.
SecretSpan Hide(std::string_view text, std::size_t begin, std::size_t end) noexcept
{
    const std::string_view value = text.substr(begin, end - begin);
    if (value.empty() || value == secret_marker || value == cut_marker)
        return nothing;
    return {begin, end, secret_marker};
}

// ---- tokens that show themselves -------------------------------------------------------------------

// eyJ is how base64 spells `{"`. Up to `searched` there is none: all that begin in one run of letters end
// with it, and a text of nothing but eyJ would be read once for each.
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

// `bearer of news` and `basic information` are prose: a token has a digit, a sign or a capital in it, or is
// long. `basic ann@example.com` is prose too, and so is what hashing makes of it.
bool LooksLikeToken(std::string_view token) noexcept
{
    constexpr std::size_t shortest = 6, surely = 16;
    if (token.size() < shortest || HasTokenForm(token.substr(0, token_size)))
        return false;
    if (token.size() >= surely)
        return true;
    return std::any_of(token.begin() + 1, token.end(), [](char c) {
        return IsAsciiDigit(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '+' || c == '/' || c == '=';
    });
}

SecretSpan FindHeaderToken(std::string_view text, std::size_t i) noexcept
{
    std::size_t begin = i;
    if (StartsFolded(text, i, "bearer"))
        begin += 6;
    else if (StartsFolded(text, i, "basic"))
        begin += 5;
    else
        return nothing;
    const std::size_t space = begin;
    begin = RunEnd(text, begin, [](char c) { return c == ' ' || c == '\t'; });
    if (begin == space)
        return nothing;
    const std::size_t end = RunEnd(text, begin, IsTokenLetter);
    return LooksLikeToken(text.substr(begin, end - begin)) ? SecretSpan{begin, end, secret_marker} : nothing;
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

// Behind the slash at `i`, which JSON in a string may write as \/; 0 where there is none.
std::size_t SlashEnd(std::string_view text, std::size_t i) noexcept
{
    const std::size_t slash = RunEnd(text, i, [](char c) { return c == '\\'; });
    return slash < text.size() && text[slash] == '/' ? slash + 1 : 0;
}

// Behind the `://` at `i`; 0 where there is none.
std::size_t AuthorityBegin(std::string_view text, std::size_t i) noexcept
{
    const std::size_t slash = SlashEnd(text, i + 1);
    return slash == 0 ? 0 : SlashEnd(text, slash);
}

std::size_t UrlEnd(std::string_view text, std::size_t i) noexcept
{
    for (;;) {
        i = RunEnd(text, i, [](char c) { return !EndsUrl(c); });
        const std::size_t slash = SlashEnd(text, i);
        if (slash == 0)
            return i;
        i = slash;
    }
}

SecretSpan FindInUrl(std::string_view text, std::size_t authority, std::size_t from, bool only_hosts) noexcept
{
    const std::size_t end =
        RunEnd(text, authority, [](char c) { return !EndsUrl(c) && c != '/' && c != '?' && c != '#'; });
    std::size_t host = text.substr(authority, end - authority).rfind('@');
    host = host == std::string_view::npos ? authority : authority + host + 1;
    if (authority < from)
        return nothing;
    if (!only_hosts)
        return host == authority ? nothing : Hide(text, authority, host - 1);
    const std::size_t rest = UrlEnd(text, end);
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

// ---- name=value, name: value, "name": "value" ------------------------------------------------------------

struct Quote {
    std::size_t escapes; // backslashes before it: more than none inside of JSON inside of a string
    char letter;
};

// After the opening quote, to the quote that has as many backslashes before it.
std::size_t QuotedEnd(std::string_view text, std::size_t begin, Quote quote) noexcept
{
    std::size_t escapes = 0;
    for (std::size_t i = begin; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++escapes;
            continue;
        }
        if (text[i] == quote.letter && escapes <= quote.escapes)
            return i - escapes;
        escapes = 0;
    }
    return text.size();
}

// A bracket in a string does not count.
std::size_t BracketEnd(std::string_view text, std::size_t begin) noexcept
{
    std::size_t depth = 0, escapes = 0;
    for (std::size_t i = begin; i < text.size(); ++i) {
        if (text[i] == '"')
            i = QuotedEnd(text, i + 1, {escapes, '"'}) + escapes;
        else if (text[i] == '{' || text[i] == '[')
            ++depth;
        else if ((text[i] == '}' || text[i] == ']') && --depth == 0)
            return i + 1;
        escapes = i < text.size() && text[i] == '\\' ? escapes + 1 : 0;
    }
    return text.size();
}

// A quote ends a header that is itself quoted, but in `Digest username="..."` it belongs to it.
std::size_t HeaderEnd(std::string_view text, std::size_t begin) noexcept
{
    std::size_t i = begin;
    while (i < text.size() && !EndsHeader(text[i])) {
        const std::size_t quote = RunEnd(text, i + 1, [](char c) { return c == '\\'; });
        if (text[i] == '=' && quote < text.size() && text[quote] == '"')
            i = std::min(text.size(), QuotedEnd(text, quote + 1, {quote - i - 1, '"'}) + (quote - i));
        else
            ++i;
    }
    return i;
}

SecretSpan HideBareValue(std::string_view text, std::size_t begin) noexcept
{
    std::size_t from = begin;
    if (text.substr(begin).starts_with(secret_marker))
        from += secret_marker.size();
    else if (text[begin] == '{' || text[begin] == '[')
        from = BracketEnd(text, begin);
    std::size_t end = from;
    while (end < text.size() && !EndsValue(text[end]) && !StartsFolded(text, end, "%26"))
        ++end;
    const std::string_view value = text.substr(begin, end - begin);
    if (value == "true" || value == "false" || value == "null")
        return nothing;
    return Hide(text, begin, end);
}

SecretSpan HideValue(std::string_view text, std::size_t begin, bool header) noexcept
{
    begin = RunEnd(text, begin, [](char c) { return c == ' ' || c == '\t' || c == '=' || c == '>'; });
    if (begin == text.size())
        return nothing;
    const std::size_t quote = RunEnd(text, begin, [](char c) { return c == '\\'; });
    if (quote < text.size() && (text[quote] == '"' || text[quote] == '\'')) {
        const std::size_t end = QuotedEnd(text, quote + 1, {quote - begin, text[quote]});
        return Hide(text, quote + 1, end);
    }
    const bool json = text[begin] == '{' || text[begin] == '[';
    if (header && !json)
        return Hide(text, begin, HeaderEnd(text, begin));
    return HideBareValue(text, begin);
}

// JSON may have a new line between a name and its value; in a string of JSON it is escaped.
std::size_t SkipWhiteSpace(std::string_view text, std::size_t i) noexcept
{
    for (;;) {
        i = RunEnd(text, i, IsAsciiSpace);
        const std::size_t letter = RunEnd(text, i, [](char c) { return c == '\\'; });
        if (letter == i || letter == text.size() ||
            (text[letter] != 'n' && text[letter] != 'r' && text[letter] != 't'))
            return i;
        i = letter + 1;
    }
}

// A header's value goes to the end of its line: `Cookie: a=1; b=2`.
bool IsHeader(std::string_view name) noexcept
{
    return Matches(name, {"authorization", MemberClass::credential, Match::suffix}) ||
           Matches(name, {"cookie", MemberClass::credential, Match::suffix});
}

constexpr std::size_t longest_name = 64;
constexpr std::size_t escape_size = 6; // \u0077

constexpr int HexValue(char c) noexcept
{
    const char lower = LowerAscii(c);
    return IsAsciiDigit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The ASCII letter that the escape of JSON before `end` spells, or 0.
char EscapedLetter(std::string_view text, std::size_t end) noexcept
{
    if (end < escape_size || text[end - 6] != '\\' || text[end - 5] != 'u' || text[end - 4] != '0' ||
        text[end - 3] != '0' || HexValue(text[end - 2]) < 0 || HexValue(text[end - 1]) < 0)
        return 0;
    const int letter = HexValue(text[end - 2]) * 16 + HexValue(text[end - 1]);
    return letter < 128 ? static_cast<char>(letter) : '\0';
}

// A name that ends at `end` of a text, where some of its letters are spelt as escapes: "pass\u0077ord". What
// it means is written to the end of `out`.
std::string_view EscapedName(std::string_view text, std::size_t end, char (&out)[longest_name]) noexcept
{
    std::size_t begin = longest_name;
    while (end > 0 && begin > 0) {
        const char escaped = EscapedLetter(text, end);
        const char letter = escaped != 0 ? escaped : text[end - 1];
        if (!IsNameLetter(letter))
            break;
        out[--begin] = letter;
        end -= escaped != 0 ? escape_size : 1;
        while (escaped != 0 && end > 0 && text[end - 1] == '\\') // JSON in a string has more of them
            --end;
    }
    return {out + begin, longest_name - begin};
}

// In texts as in members: the policy's own names count whole, without what they are a part of.
bool IsSecretName(std::string_view name, bool parameter, SecretNames names) noexcept
{
    return (parameter ? IsSecretParameter(name) : ClassifyMember(name) == MemberClass::credential) ||
           names.Has(name.substr(name.rfind('.') + 1));
}

std::size_t NameBegin(std::string_view text, std::size_t end, bool spaced) noexcept
{
    std::size_t begin = end;
    while (begin > 0 && end - begin < longest_name &&
           (IsNameLetter(text[begin - 1]) || (spaced && text[begin - 1] == ' ')))
        --begin;
    return begin;
}

bool IsQuoting(char c) noexcept
{
    return c == '"' || c == '\'' || c == '\\' || IsAsciiSpace(c);
}

// A URL with a name before it, `recording_url=https://...` or `"recording_url": "https://..."`, is what a
// member of that name would be. `colon` is the one of its scheme.
bool IsNamedLink(std::string_view text, std::size_t colon) noexcept
{
    std::size_t i = colon;
    while (i > 0 && IsAlnum(text[i - 1]))
        --i;
    while (i > 0 && IsQuoting(text[i - 1]))
        --i;
    if (i == 0 || (text[i - 1] != '=' && text[i - 1] != ':'))
        return false;
    --i;
    while (i > 0 && IsQuoting(text[i - 1]))
        --i;
    const std::size_t begin = NameBegin(text, i, false);
    return ClassifyMember(text.substr(begin, i - begin)) == MemberClass::link;
}

SecretSpan FindAssignment(std::string_view text, std::size_t i, std::size_t after, SecretNames names) noexcept
{
    std::size_t end = i;
    while (end > 0 && IsAsciiSpace(text[end - 1]))
        --end;
    const bool quoted = end > 0 && (text[end - 1] == '"' || text[end - 1] == '\'');
    while (end > 0 &&
           (text[end - 1] == '"' || text[end - 1] == '\'' || text[end - 1] == '\\' || text[end - 1] == ']'))
        --end;
    while (quoted && end > 0 && text[end - 1] == ' ')
        --end;
    const std::size_t begin = NameBegin(text, end, false);
    if (begin == end)
        return nothing;
    const char before = begin > 0 ? text[begin - 1] : ' ';
    char unescaped[longest_name];
    const std::string_view name = before == '\\' && text[begin] == 'u' ? EscapedName(text, end, unescaped)
                                                                       : text.substr(begin, end - begin);
    const bool escaped_ampersand = before == '\\' && text.substr(begin).starts_with("u0026");
    const bool parameter = before == '?' || before == '&' || before == '#' || before == ';' ||
                           before == '%' || escaped_ampersand;
    if (!IsSecretName(name, parameter, names)) {
        const std::size_t spaced = NameBegin(text, end, quoted); // "api key"
        if (spaced == begin || !IsSecretName(text.substr(spaced, end - spaced), false, names))
            return nothing;
    }
    return HideValue(text, quoted ? SkipWhiteSpace(text, after) : after, text[i] == ':' && IsHeader(name));
}

// Most strings have none of these letters, and are passed over by one look-up a byte.
constexpr auto is_trigger = [] {
    std::array<bool, 256> table{};
    for (const char c : {':', '=', '%', 'J', 'B', 'b', '-'})
        table[static_cast<unsigned char>(c)] = true;
    return table;
}();

SecretSpan FindAt(std::string_view text, std::size_t i, std::size_t from, bool only_hosts, SecretNames names,
                  std::size_t &searched) noexcept
{
    switch (text[i]) {
    case ':':
        if (const std::size_t authority = AuthorityBegin(text, i); authority != 0)
            return FindInUrl(text, authority, from, only_hosts || IsNamedLink(text, i));
        if (const SecretSpan sip = FindInSip(text, i); sip.Found())
            return sip;
        return FindAssignment(text, i, i + 1, names);
    case '=':
        return FindAssignment(text, i, i + 1, names);
    case '%':
        return StartsFolded(text, i, "%3d") ? FindAssignment(text, i, i + 3, names) : nothing;
    case 'J':
        return i >= from + 2 && text[i - 1] == 'y' && text[i - 2] == 'e' ? FindJwt(text, i - 2, searched)
                                                                         : nothing;
    case '-':
        return FindPem(text, i);
    default:
        return FindHeaderToken(text, i);
    }
}

} // namespace

MemberClass ClassifyMember(std::string_view name) noexcept
{
    while (!name.empty() && IsNameSeparator(name.back()))
        name.remove_suffix(1);
    if (name.empty())
        return MemberClass::plain;
    const auto last = static_cast<unsigned char>(LowerAscii(name.back()));
    if (last >= 128)
        return MemberClass::plain;
    for (std::size_t row = bucket[last]; row < bucket[last + 1u]; ++row)
        if (Matches(name, name_rows[row]))
            return name_rows[row].meaning;
    return MemberClass::plain;
}

SecretSpan FindSecret(std::string_view text, std::size_t from, std::size_t until, bool only_hosts,
                      SecretNames names) noexcept
{
    std::size_t searched = from; // for tokens in base64
    for (std::size_t i = from; i < until; ++i) {
        if (!is_trigger[static_cast<unsigned char>(text[i])])
            continue;
        const SecretSpan span = FindAt(text, i, from, only_hosts, names, searched);
        if (span.Found() && span.begin >= from)
            return span;
    }
    return nothing;
}

} // namespace callhardening
