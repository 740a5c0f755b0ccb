#include "core/findings/detector.hpp"

#include "core/base/text.hpp"
#include "core/findings/phone_name.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <span>

namespace callhardening
{

namespace
{

// A replacement is never found again, and makes nothing beside it a finding. There are three reasons:
//  - A number begins only if no letter, digit or sign of an address stands before it. So it never begins
//  directly
//    after a finding, and never with the four digits of a mask.
//  - The end of a number depends only on its own letters, the two after them, and on having no `@` in reach
//    through the letters of an address.
//  - An address contains all possible letters and `@` before its host, and all following ones up to another
//  host.
//    The asterisks of a mask are no such letters, and a token never stands before an `@`.

// ---- letters ------------------------------------------------------------------------------------

enum LetterClass : unsigned char {
    digit_letter = 1,
    alpha_letter = 2,
    label_letter = 4,  // of a host's name
    local_letter = 8,  // of the part before the @
    uri_letter = 16,   // of a host, its port and parameters
    joint_letter = 32, // no number begins after it
    trigger_letter = 64,
};

constexpr auto classes = [] {
    LetterClasses table{};
    for (int c = 'a'; c <= 'z'; ++c)
        table[c] = table[c - 'a' + 'A'] =
            alpha_letter | label_letter | local_letter | uri_letter | joint_letter;
    for (int c = '0'; c <= '9'; ++c)
        table[c] = digit_letter | label_letter | local_letter | uri_letter | joint_letter | trigger_letter;
    for (int c = 0x80; c <= 0xFF; ++c)
        table[c] = label_letter | local_letter;
    for (const char c : {'.', '_', '%', '+', '-'})
        table[static_cast<unsigned char>(c)] |= local_letter | uri_letter | joint_letter;
    for (const char c : {';', '=', ':', '@', '~', '[', ']'})
        table[static_cast<unsigned char>(c)] |= uri_letter;
    table['-'] |= label_letter;
    table['@'] |= joint_letter | trigger_letter;
    table['%'] |= trigger_letter;
    return table;
}();

constexpr bool Is(char c, unsigned char wanted) noexcept
{
    return (classes[static_cast<unsigned char>(c)] & wanted) != 0;
}

std::size_t RunEnd(std::string_view text, std::size_t i, unsigned char wanted) noexcept
{
    while (i < text.size() && Is(text[i], wanted))
        ++i;
    return i;
}

// True if `lower_word` stands directly before `i`, in any case, and not before `from`.
bool Precedes(std::string_view text, std::size_t from, std::size_t i, std::string_view lower_word) noexcept
{
    if (i - from < lower_word.size())
        return false;
    return std::equal(lower_word.begin(), lower_word.end(),
                      text.begin() + static_cast<std::ptrdiff_t>(i - lower_word.size()),
                      [](char word, char c) { return word == LowerAscii(c); });
}

// ---- the word before a number ---------------------------------------------------------------------

using Words = std::span<const std::string_view>;

constexpr std::string_view id_words[] = {
    "call", "calls",    "case",   "channel", "conference", "event", "id",        "ids",     "leg",
    "legs", "order",    "parcel", "queue",   "recording",  "ref",   "reference", "request", "session",
    "sid",  "shipment", "ticket", "trace",   "tracking",   "uuid",  "voicemail",
};

constexpr std::string_view number_words[] = {"no", "nr", "num", "number"};

// After a number, these words mark a card, even if a word for an id stands before it: order 4111111111111111
// exp 12/27.
constexpr std::string_view card_words[] = {"amex",    "card",   "cvc",        "cvv", "exp",
                                           "expires", "expiry", "mastercard", "visa"};

constexpr std::string_view version_words[] = {"firmware", "release", "ver", "version"};

constexpr std::size_t longest_word = 10;

// The word that ends at `i` or before a few signs there: `"callId": "`, `call_id=(`. Nothing before `from`
// counts: a finding ends there, and a text has to read the same after its replacement.
std::string_view WordBefore(std::string_view text, std::size_t from, std::size_t i) noexcept
{
    constexpr std::string_view signs = " \t\"'(<[#:=\\";
    constexpr std::size_t most_signs = 6;
    std::size_t end = i;
    while (end > from && i - end < most_signs && signs.find(text[end - 1]) != signs.npos)
        --end;
    std::size_t begin = end;
    while (begin > from && end - begin <= longest_word && Is(text[begin - 1], alpha_letter) &&
           !(begin < end && IsAsciiUpper(text[begin]) && !IsAsciiUpper(text[begin - 1])))
        --begin;
    return text.substr(begin, end - begin);
}

bool IsOneOf(std::string_view word, Words words) noexcept
{
    return std::any_of(words.begin(), words.end(), [word](std::string_view each) {
        return word.size() == each.size() && Precedes(word, 0, word.size(), each);
    });
}

// True after one of the words, also with the word `number` after it.
bool FollowsWord(std::string_view text, std::size_t from, std::size_t i, Words words) noexcept
{
    std::string_view word = WordBefore(text, from, i);
    if (IsOneOf(word, number_words))
        word = WordBefore(text, from, static_cast<std::size_t>(word.data() - text.data()));
    return IsOneOf(word, words);
}

// Only the next word counts. Signs before it may not belong to a replacement.
bool PrecedesWord(std::string_view text, std::size_t i, Words words) noexcept
{
    constexpr std::string_view signs = " ,;.(";
    const std::size_t begin = std::min(text.find_first_not_of(signs, i), text.size());
    return IsOneOf(text.substr(begin, RunEnd(text, begin, alpha_letter) - begin), words);
}

// ---- addresses ----------------------------------------------------------------------------------

constexpr std::size_t longest_local = 64;

// The size of the sign between user and host, also encoded as in forms. 0: none.
std::size_t AtSize(std::string_view text, std::size_t i) noexcept
{
    if (i >= text.size())
        return 0;
    return text[i] == '@' ? 1 : text.substr(i).starts_with("%40") ? 3 : 0;
}

// The longest beginning that is a name with a top-level domain of letters. `begin`: none.
std::size_t DomainEnd(std::string_view text, std::size_t begin) noexcept
{
    const std::size_t limit = std::min(text.size(), begin + longest_domain);
    std::size_t end = begin, label = begin;
    bool letters = true;
    for (std::size_t i = begin;; ++i) {
        const char c = i < limit ? text[i] : ' ';
        if (Is(c, alpha_letter))
            continue;
        if (letters && label > begin && i - label >= 2)
            end = i;
        if (c == '.' && i > label) {
            label = i + 1;
            letters = true;
        } else if (Is(c, label_letter)) {
            letters = false;
        } else {
            return end;
        }
    }
}

// logo@2x.png is a picture.
bool IsPictureScale(std::string_view host) noexcept
{
    return host.size() > 2 && IsAsciiDigit(host[0]) && host[1] == 'x' && host[2] == '.';
}

std::size_t NamedHostEnd(std::string_view text, std::size_t begin) noexcept
{
    return IsPictureScale(text.substr(begin)) ? begin : DomainEnd(text, begin);
}

// After `sip:` any host counts.
std::size_t AnyHostEnd(std::string_view text, std::size_t begin) noexcept
{
    const std::size_t limit = std::min(text.size(), begin + longest_domain);
    std::size_t end = begin;
    while (end < limit && (Is(text[end], label_letter) || text[end] == '.'))
        ++end;
    while (end > begin && text[end - 1] == '.')
        --end;
    return end;
}

// The end of the host after an `@`. `begin`: none.
std::size_t HostEnd(std::string_view text, std::size_t begin, bool any_host) noexcept
{
    const std::size_t end = NamedHostEnd(text, begin);
    return any_host ? std::max(end, AnyHostEnd(text, begin)) : end;
}

// The end of the address, with any host, around the letters from `i` on. `i`: they belong to no address.
std::size_t AddressEnd(std::string_view text, std::size_t i) noexcept
{
    const std::size_t limit = std::min(text.size(), i + longest_local + 1);
    for (std::size_t at = i; at < limit; ++at) {
        if (const std::size_t size = AtSize(text, at); size > 0)
            if (const std::size_t end = HostEnd(text, at + size, true); end > at + size)
                return end;
        if (!Is(text[at], local_letter | joint_letter))
            break;
    }
    return i;
}

// The same for a@b.com@c.com: the next search would find the rest after the first address.
std::size_t LastAddressEnd(std::string_view text, std::size_t end) noexcept
{
    for (std::size_t next; (next = AddressEnd(text, end)) > end;)
        end = next;
    return end;
}

// True if no letter, digit or sign of an address stands before `begin`. An escaped line break may stand
// there: \n415-555-0100.
bool MayBegin(std::string_view text, std::size_t begin) noexcept
{
    if (begin == 0)
        return true;
    const char before = text[begin - 1];
    if (begin > 1 && text[begin - 2] == '\\' && (before == 'n' || before == 'r' || before == 't'))
        return true;
    return !Is(before, joint_letter);
}

std::size_t SchemeBegin(std::string_view text, std::size_t from, std::size_t i,
                        std::string_view lower_scheme) noexcept
{
    if (!Precedes(text, from, i, lower_scheme))
        return i;
    const std::size_t begin = i - lower_scheme.size();
    return MayBegin(text, begin) ? begin : i;
}

std::size_t SipBegin(std::string_view text, std::size_t from, std::size_t i) noexcept
{
    const std::size_t begin = SchemeBegin(text, from, i, "sips:");
    return begin < i ? begin : SchemeBegin(text, from, i, "sip:");
}

constexpr Detection nothing{0, 0, Detector::phone};

// `at` is at the `@`.
Detection FindAddress(std::string_view text, std::size_t at, std::size_t from) noexcept
{
    std::size_t local = at;
    while (local > from && at - local <= longest_local && Is(text[local - 1], local_letter | joint_letter))
        --local;
    if (local == at || at - local > longest_local || text[at - 1] == '@')
        return nothing;
    const std::size_t begin = SipBegin(text, from, local);
    const std::size_t host = at + AtSize(text, at);
    const std::size_t end = HostEnd(text, host, begin < local);
    if (end == host)
        return nothing;
    return {begin, LastAddressEnd(text, end), Detector::email};
}

// ---- groups of digits ---------------------------------------------------------------------------

constexpr std::size_t most_groups = 8;
constexpr std::size_t longest_group = 20; // longer groups do not matter

struct Group {
    std::size_t begin;
    std::size_t end;
    char separator; // before it: ' ' - . / )
    bool open;      // it is in a parenthesis

    std::size_t size() const noexcept { return end - begin; }
};

// A possible number: groups of digits with one separator between them.
struct Groups {
    std::string_view text;
    Group group[most_groups];
    std::size_t count;

    char digit(std::size_t g, std::size_t i) const noexcept { return text[group[g].begin + i]; }
    bool HasSizes(std::size_t first, std::initializer_list<std::size_t> sizes) const noexcept
    {
        if (first + sizes.size() > count)
            return false;
        return std::equal(sizes.begin(), sizes.end(), group + first,
                          [](std::size_t size, const Group &g) { return size == g.size(); });
    }
};

// A no-break space counts as a space. The hyphens and dashes U+2010 to U+2015 count as a hyphen.
std::size_t OneSeparator(std::string_view text, std::size_t i, char &separator) noexcept
{
    const char c = i < text.size() ? text[i] : 'x';
    if (c == ' ' || c == '-' || c == '.' || c == '/') {
        separator = c;
        return 1;
    }
    const std::string_view rest = text.substr(std::min(i, text.size()));
    if (rest.starts_with("\xC2\xA0")) {
        separator = ' ';
        return 2;
    }
    if (rest.size() >= 3 && rest.starts_with("\xE2\x80") && rest[2] >= '\x90' && rest[2] <= '\x95') {
        separator = '-';
        return 3;
    }
    return 0;
}

// Skips from a group's end to the next group: `)`, a separator, `(`. At least one of them has to be there.
std::size_t NextGroup(std::string_view text, std::size_t i, Group &next, bool open) noexcept
{
    const std::size_t begin = i;
    if (open && i < text.size() && text[i] == ')') {
        next.separator = ')';
        open = false;
        ++i;
    }
    i += OneSeparator(text, i, next.separator);
    if (!open && i < text.size() && text[i] == '(') {
        if (i == begin)
            next.separator = ' ';
        open = true;
        ++i;
    }
    next.open = open;
    return i > begin && i < text.size() && IsAsciiDigit(text[i]) ? i : text.size();
}

Groups ReadGroups(std::string_view text, std::size_t begin, bool open) noexcept
{
    Groups groups{text, {}, 0};
    Group next{begin, begin, ' ', open};
    while (groups.count < most_groups && begin < text.size()) {
        next.begin = begin;
        next.end = RunEnd(text.substr(0, begin + longest_group), begin, digit_letter);
        groups.group[groups.count++] = next;
        begin = NextGroup(text, next.end, next, next.open);
    }
    return groups;
}

// A number ends if no letter follows and no further group is joined to it. This excludes parts of dates and
// versions. 555-0100x12 has an extension.
bool EndsNumber(std::string_view text, std::size_t end) noexcept
{
    if (end == text.size())
        return true;
    const char c = text[end];
    const bool digit_follows = end + 1 < text.size() && IsAsciiDigit(text[end + 1]);
    if (LowerAscii(c) == 'x' ? !digit_follows : Is(c, alpha_letter | digit_letter) || c == '_')
        return false;
    if (digit_follows && (c == '-' || c == '.'))
        return false;
    return AddressEnd(text, end) == end;
}

// ---- phone numbers ------------------------------------------------------------------------------

constexpr std::size_t fewest_digits = 7;
constexpr std::size_t most_digits = 15;

struct NumberStart {
    std::size_t begin; // with sign and scheme
    bool plus;
    bool uri;
    bool open; // in a parenthesis
};

std::size_t PhoneSchemeBegin(std::string_view text, std::size_t from, std::size_t i) noexcept
{
    if (i == from || text[i - 1] != ':')
        return i;
    for (const std::string_view scheme : {"tel:", "sip:", "sips:", "callto:", "sms:", "fax:"})
        if (const std::size_t begin = SchemeBegin(text, from, i, scheme); begin < i)
            return begin;
    return i;
}

std::size_t Ipv4End(std::string_view text, std::size_t begin) noexcept;

// 4155550100@10.0.0.1 is the user of a SIP address without its scheme.
bool IsSipUser(std::string_view text, std::size_t digit, std::size_t digits_end) noexcept
{
    const std::size_t size = digits_end - digit, host = digits_end + 1;
    return size >= fewest_digits && size <= most_digits && host < text.size() && text[digits_end] == '@' &&
           Ipv4End(text, host) > host;
}

bool IsMasked(std::string_view text, std::size_t digit, std::size_t digits_end) noexcept
{
    return digits_end - digit == 4 && text.substr(0, digit).ends_with("***");
}

NumberStart FindStart(std::string_view text, std::size_t digit, std::size_t digits_end,
                      std::size_t from) noexcept
{
    NumberStart start{digit, false, false, false};
    const bool closed = digits_end < text.size() && text[digits_end] == ')';
    const auto step_over_parenthesis = [&] {
        if (!closed || start.begin == from || text[start.begin - 1] != '(')
            return;
        start.open = true;
        if (MayBegin(text, start.begin - 1))
            --start.begin;
    };
    step_over_parenthesis();
    if (start.begin > from && text[start.begin - 1] == '+') {
        start.begin -= 1;
        start.plus = true;
    } else if (Precedes(text, from, start.begin, "%2b")) {
        start.begin -= 3;
        start.plus = true;
    }
    if (start.plus && !start.open)
        step_over_parenthesis();
    const std::size_t scheme = PhoneSchemeBegin(text, from, start.begin);
    start.uri = scheme < start.begin || IsSipUser(text, digit, digits_end);
    start.begin = scheme;
    return start;
}

// sip:+14155550100@host;user=phone: the number's finding extends to the end of its URI.
std::size_t UriEnd(std::string_view text, std::size_t end, const NumberStart &start) noexcept
{
    const char c = end < text.size() ? text[end] : ' ';
    // After other letters of an address, the number is a part of that address.
    const bool is_user = start.plus && (start.begin == 0 || !Is(text[start.begin - 1], local_letter));
    if (!(start.uri && (c == '@' || c == ';' || c == ':')) && !(is_user && c == '@'))
        return end;
    const std::size_t number_end = end;
    end = RunEnd(text, end, uri_letter);
    while (end > number_end && !Is(text[end - 1], alpha_letter | digit_letter) && text[end - 1] != ']')
        --end;
    return end > number_end ? LastAddressEnd(text, end) : end;
}

bool EndsInternational(std::string_view text, std::size_t end, const NumberStart &start) noexcept
{
    return UriEnd(text, end, start) > end || EndsNumber(text, end);
}

bool BeginsNational(const Groups &g) noexcept;

// True for text between two numbers of one line.
bool Joins(std::string_view between) noexcept
{
    constexpr std::string_view joints[] = {" ", ",", ";", "/", "|", "&", "or", "and"};
    constexpr std::size_t longest = 5;
    if (between.empty() || between.size() > longest)
        return false;
    if (between.size() > 1 && between.front() == ' ')
        between.remove_prefix(1);
    if (between.size() > 1 && between.back() == ' ')
        between.remove_suffix(1);
    return std::find(std::begin(joints), std::end(joints), between) != std::end(joints);
}

// True if both texts have digits at the same positions and the same signs between them.
bool HasSameForm(std::string_view text, std::size_t end, std::size_t other_end, std::size_t size) noexcept
{
    const std::string_view left = text.substr(end - size, size), right = text.substr(other_end - size, size);
    return std::equal(left.begin(), left.end(), right.begin(),
                      [](char a, char b) { return a == b || (IsAsciiDigit(a) && IsAsciiDigit(b)); });
}

// A group begins at `i`, and another one stands before it.
bool IsInsideNumber(std::string_view text, std::size_t i) noexcept
{
    if (i < 2 || Is(text[i - 1], alpha_letter | digit_letter))
        return false;
    const char before = text[i - 2];
    return IsAsciiDigit(before) || before == ')' || static_cast<unsigned char>(before) >= 0x80;
}

// A number begins at `i`, and a digit stands before the text that joins it to another one.
bool IsJoined(std::string_view text, std::size_t i) noexcept
{
    constexpr std::size_t longest = 5;
    for (std::size_t size = 1; size <= longest && size < i; ++size)
        if (IsAsciiDigit(text[i - size - 1]))
            return Joins(text.substr(i - size, size));
    return false;
}

// The end of a number that begins with `g` and omits the part that it shares with the number before. That one
// ends at `before`: 415-555-0100/555-0101. Both have the same form after the country or the area. If the
// number before `is_found`, it may omit that part too. 0: none.
std::size_t SharingEnd(const Groups &g, std::size_t before, bool is_found) noexcept
{
    constexpr std::size_t fewest = 6, most_of_local = 11;
    const std::size_t begin = g.group[0].begin;
    if (!Joins(g.text.substr(before, begin - before)))
        return 0;
    std::size_t digits = 0, found = 0;
    for (std::size_t k = 0; k < g.count && g.group[k].end - begin < before && digits < most_digits; ++k) {
        const std::size_t end = g.group[k].end, other = before - (end - begin);
        digits += g.group[k].size();
        const bool is_rest = IsInsideNumber(g.text, other) || (k > 0 && g.text[other - 1] == '+') ||
                             (is_found && digits <= most_of_local && IsJoined(g.text, other));
        if (digits >= fewest && is_rest && HasSameForm(g.text, before, end, end - begin) &&
            EndsNumber(g.text, end))
            found = end;
    }
    return found;
}

// True if another number begins after `count` groups: +49 30 1230100 030 1230101.
bool AnotherFollows(const Groups &g, std::size_t count) noexcept
{
    if (count >= g.count || g.group[count].open)
        return false;
    const Groups next = ReadGroups(g.text, g.group[count].begin, false);
    return BeginsNational(next) || SharingEnd(next, g.group[count - 1].end, false) > 0;
}

// After 00: only the countries 1 and 7 have one digit.
bool HasShortCountry(const Groups &g) noexcept
{
    const char first = g.group[0].size() > 2 ? g.digit(0, 2) : g.count > 1 ? g.digit(1, 0) : '0';
    return first == '1' || first == '7';
}

// The number of groups of a number that begins with its country, after `skipped` zeros. +1, 001 and 007 have
// eleven digits. Elsewhere a number in one piece is complete. A number in groups extends as far as possible,
// but not into another number.
std::size_t InternationalGroups(const Groups &g, const NumberStart &start, std::size_t skipped) noexcept
{
    constexpr std::size_t complete = 9, fewest = 8, fewest_of_uri = 7;
    const bool eleven = skipped > 0 ? HasShortCountry(g) : g.digit(0, 0) == '1' && start.plus;
    std::size_t total = 0, found = 0, split = 0;
    for (std::size_t k = 0; k < g.count && total <= most_digits + skipped; ++k) {
        const Group &group = g.group[k];
        total += group.size();
        const bool enough =
            total >= skipped + (start.uri ? fewest_of_uri : fewest) && total <= most_digits + skipped;
        const bool fits = !eleven || total == 11 + skipped || k == 0;
        if (enough && fits && EndsInternational(g.text, group.end, start)) {
            found = k + 1;
            split = AnotherFollows(g, found) ? found : split;
        }
        if (k == 0 && total >= complete + skipped)
            break;
    }
    return split > 0 ? split : found;
}

// 0049 30 123456. A number of only pairs is hexadecimal.
std::size_t DoubleZeroGroups(const Groups &g, const NumberStart &start) noexcept
{
    const std::size_t area = g.group[0].size();
    if (area < 2 || g.digit(0, 0) != '0' || g.digit(0, 1) != '0' || g.count < 2 ||
        (area == 2 ? g.digit(1, 0) : g.digit(0, 2)) == '0' || (area == 3 && !HasShortCountry(g)))
        return 0;
    const std::size_t found = InternationalGroups(g, start, 2);
    const bool pairs =
        std::all_of(g.group, g.group + found, [](const Group &group) { return group.size() == 2; });
    return found < 2 || pairs ? 0 : found;
}

// Area and exchange: neither begins with 0 or 1 or is 911 and the like.
bool IsNanpCode(const Groups &g, std::size_t group, std::size_t i) noexcept
{
    return g.digit(group, i) >= '2' && !(g.digit(group, i + 1) == '1' && g.digit(group, i + 2) == '1');
}

std::size_t NanpGroups(const Groups &g) noexcept
{
    const std::size_t first = g.HasSizes(0, {1}) && g.digit(0, 0) == '1' ? 1 : 0;
    const bool in_three = g.HasSizes(first, {3, 3, 4});
    const bool in_two = g.HasSizes(first, {3, 7}) && g.group[first].open;
    if ((!in_three && !in_two) || !IsNanpCode(g, first, 0) || g.digit(first, 1) == '9' ||
        !IsNanpCode(g, first + 1, 0))
        return 0;
    const std::size_t count = first + (in_three ? 3 : 2);
    return EndsNumber(g.text, g.group[count - 1].end) ? count : 0;
}

// The notation of countries with a leading zero: 030 123456, 020 7946 0958, 01 42 68 53 00. Takes the
// shortest or the longest such number.
template <bool shortest>
std::size_t NationalGroups(const Groups &g) noexcept
{
    const std::size_t area = g.group[0].size();
    if (area < 2 || area > 6 || g.digit(0, 0) != '0' || g.digit(0, 1) == '0')
        return 0;
    const auto ends = [&g](std::size_t count) {
        return EndsNumber(g.text, g.group[count - 1].end) ? count : 0;
    };
    if (area == 2) {
        const char separator = g.count > 1 ? g.group[1].separator : '-';
        if (g.HasSizes(0, {2, 2, 2, 2, 2}))
            return separator == ' ' || separator == '.' ? ends(5) : 0;
        if (separator == '.')
            return 0;
        if (g.HasSizes(0, {2, 4, 4}))
            return ends(3);
        return g.HasSizes(0, {2, 8}) ? ends(2) : 0;
    }
    constexpr std::size_t fewest = 9, most = 12;
    std::size_t total = area, found = 0;
    for (std::size_t k = 1; k < g.count && k < 5; ++k) {
        const Group &group = g.group[k];
        total += group.size();
        if (group.size() < 2 || group.separator == '.' || (k > 1 && group.separator == '/') || total > most)
            break;
        if (total >= fewest && ends(k + 1) > 0)
            found = k + 1;
        if (found > 0 && (shortest || AnotherFollows(g, found)))
            break;
    }
    return found;
}

bool BeginsNational(const Groups &g) noexcept
{
    return g.digit(0, 0) == '0' ? NationalGroups<true>(g) > 0 : NanpGroups(g) > 0;
}

// 8924 0483 1899 6206, 0483 1899 6206 1111: groups of four before or after mark an id. A finding beside it
// could change more groups after it or an address, so these may not decide.
bool IsInFours(const Groups &g, const NumberStart &start, std::size_t from) noexcept
{
    constexpr std::size_t size = 4;
    if (!g.HasSizes(0, {size, size}))
        return false;
    const char separator = g.group[1].separator;
    if (g.count == 4 && g.HasSizes(2, {size, size}) && g.group[2].separator == separator &&
        g.group[3].separator == separator && EndsNumber(g.text, g.group[3].end) &&
        !g.text.substr(g.group[3].end).starts_with(':'))
        return true;
    const std::size_t before = start.begin - std::min(start.begin, size + 1);
    return before >= from && start.begin - before == size + 1 && g.text[start.begin - 1] == separator &&
           RunEnd(g.text, before, digit_letter) == start.begin - 1;
}

Detection FindPhone(const Groups &g, const NumberStart &start, std::size_t from) noexcept
{
    const bool zero = g.digit(0, 0) == '0';
    std::size_t count = 0;
    if (start.uri || (start.plus && !zero))
        count = InternationalGroups(g, start, 0);
    else if (!start.plus && !zero)
        count = NanpGroups(g);
    else if (!start.plus && (count = DoubleZeroGroups(g, start)) == 0 && !IsInFours(g, start, from))
        count = NationalGroups<false>(g);
    if (count == 0)
        return nothing;
    // In (+14155550100) the parenthesis is around the number and not in it.
    const Group &last = g.group[count - 1];
    const std::size_t begin = start.begin + (last.open && g.text[start.begin] == '(');
    return {begin, UriEnd(g.text, last.end, start), Detector::phone};
}

// ---- card numbers -------------------------------------------------------------------------------

struct IssuerRow {
    unsigned first, last; // of the first four digits
    unsigned char shortest, longest;
};

// Beginnings in use (issuer identification numbers, ISO/IEC 7812-1), with the published lengths of the
// brands. Only Visa still has numbers of 13 digits.
constexpr IssuerRow issuers[] = {
    {2221, 2720, 16, 16}, // Mastercard
    {3000, 3059, 14, 14}, // Diners Club
    {3095, 3095, 14, 14}, //
    {3400, 3499, 15, 15}, // American Express
    {3528, 3589, 16, 19}, // JCB
    {3600, 3699, 14, 14}, // Diners Club
    {3700, 3799, 15, 15}, // American Express
    {3800, 3999, 14, 14}, // Diners Club
    {4000, 4999, 13, 13}, // Visa
    {4000, 4999, 16, 16}, //
    {4000, 4999, 19, 19}, //
    {5100, 5599, 16, 16}, // Mastercard
    {6011, 6011, 16, 19}, // Discover
    {6200, 6299, 16, 19}, // UnionPay
    {6440, 6599, 16, 19}, // Discover
};

constexpr std::size_t shortest_card = 13, longest_card = 19;

// A time in milliseconds begins with none of these digits.
constexpr char first_card_digit = '2', last_card_digit = '6';
static_assert(std::all_of(std::begin(issuers), std::end(issuers), [](const IssuerRow &issuer) {
    return issuer.first / 1000 >= first_card_digit - '0' && issuer.last / 1000 <= last_card_digit - '0';
}));

bool IsCardNumber(std::string_view digits) noexcept
{
    if (digits.size() < shortest_card || digits.size() > longest_card || digits[0] < first_card_digit ||
        digits[0] > last_card_digit)
        return false;
    unsigned prefix = 0, sum = 0;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const auto value = static_cast<unsigned>(digits[i] - '0');
        if (i < 4)
            prefix = prefix * 10 + value;
        const bool doubled = (digits.size() - i) % 2 == 0;
        sum += doubled ? 2 * value - (value > 4 ? 9 : 0) : value;
    }
    return sum % 10 == 0 && std::any_of(std::begin(issuers), std::end(issuers), [&](const IssuerRow &issuer) {
               return prefix >= issuer.first && prefix <= issuer.last && digits.size() >= issuer.shortest &&
                      digits.size() <= issuer.longest;
           });
}

// A number in one piece has to stand alone: after a slash, a colon or an equals sign it is an id.
bool StandsAlone(std::string_view text, std::size_t begin, std::size_t end) noexcept
{
    constexpr std::string_view before = " \t\r\n\"'([<>|*", after = " \t\r\n\"')]<>|*,.;!?";
    const bool has_extension = end + 1 < text.size() && text[end] == '.' && Is(text[end + 1], alpha_letter);
    return (begin == 0 || before.find(text[begin - 1]) != before.npos) &&
           (end == text.size() || after.find(text[end]) != after.npos) && !has_extension;
}

// The groups on embossed cards.
constexpr std::size_t embossed[][5] = {{4, 4, 4, 4, 3}, {4, 4, 4, 4}, {4, 6, 5}, {4, 6, 4}, {4, 4, 4, 1}};

bool IsEmbossed(const Groups &g, const std::size_t (&sizes)[5]) noexcept
{
    const char separator = g.count > 1 ? g.group[1].separator : '.';
    if (separator != ' ' && separator != '-')
        return false;
    for (std::size_t k = 0; k < std::size(sizes) && sizes[k] > 0; ++k)
        if (k == g.count || g.group[k].size() != sizes[k] || g.group[k].open ||
            (k > 0 && g.group[k].separator != separator))
            return false;
    return true;
}

// The end of the first `count` groups if they are one card number, else 0.
std::size_t CardEnd(const Groups &g, std::size_t count) noexcept
{
    char digits[longest_card];
    std::size_t size = 0;
    for (std::size_t k = 0; k < count; ++k) {
        if (g.group[k].size() > longest_card - size)
            return 0;
        std::memcpy(digits + size, g.text.data() + g.group[k].begin, g.group[k].size());
        size += g.group[k].size();
    }
    const std::size_t end = g.group[count - 1].end;
    return IsCardNumber({digits, size}) && EndsNumber(g.text, end) ? end : 0;
}

// A number in one piece after a word for an id is an id, unless a word for a card follows.
Detection FindCard(const Groups &g, const NumberStart &start, std::size_t from) noexcept
{
    if (start.plus || start.uri || start.open)
        return nothing;
    if (g.group[0].size() >= shortest_card) {
        const std::size_t end = CardEnd(g, 1);
        const bool found =
            end > 0 && StandsAlone(g.text, start.begin, end) &&
            (!FollowsWord(g.text, from, start.begin, id_words) || PrecedesWord(g.text, end, card_words));
        return found ? Detection{start.begin, end, Detector::card} : nothing;
    }
    for (const auto &sizes : embossed)
        if (IsEmbossed(g, sizes))
            if (const std::size_t end = CardEnd(g, std::size(sizes) - std::count(sizes, std::end(sizes), 0u));
                end > 0)
                return {start.begin, end, Detector::card};
    return nothing;
}

// ---- addresses of the internet --------------------------------------------------------------------

constexpr std::size_t longest_ipv6 = 39;

constexpr bool IsHexDigit(char c) noexcept
{
    return IsAsciiDigit(c) || (LowerAscii(c) >= 'a' && LowerAscii(c) <= 'f');
}

// The end of four numbers of 0 to 255 without leading zeros. `begin`: none.
std::size_t Ipv4End(std::string_view text, std::size_t begin) noexcept
{
    std::size_t i = begin;
    for (int part = 0; part < 4; ++part) {
        if (part > 0 && (i == text.size() || text[i++] != '.'))
            return begin;
        const std::size_t end = RunEnd(text.substr(0, i + 4), i, digit_letter), size = end - i;
        unsigned value = 0;
        for (std::size_t k = i; k < end; ++k)
            value = value * 10 + static_cast<unsigned>(text[k] - '0');
        if (size == 0 || size > 3 || value > 255 || (size > 1 && text[i] == '0'))
            return begin;
        i = end;
    }
    return i;
}

// The end of eight groups of up to four hexadecimal digits, or of fewer with one `::`. `begin`: none. At
// least one digit is no letter, so a::b in a program is no address.
std::size_t Ipv6End(std::string_view text, std::size_t begin) noexcept
{
    constexpr int all_groups = 8;
    constexpr std::size_t longest = 4;
    int groups = 0;
    bool skipped = false, digit = false;
    std::size_t i = begin;
    if (text.substr(i).starts_with("::")) {
        skipped = true;
        i += 2;
    }
    while (groups < all_groups) {
        const std::size_t group = i;
        for (; i < text.size() && i - group <= longest && IsHexDigit(text[i]); ++i)
            digit = digit || IsAsciiDigit(text[i]);
        if (i - group > longest)
            return begin;
        if (i == group)
            break;
        ++groups;
        if (i + 1 >= text.size() || text[i] != ':' || (text[i + 1] != ':' && !IsHexDigit(text[i + 1])))
            break;
        const bool skips = text[i + 1] == ':';
        if (skips && skipped)
            return begin;
        skipped = skipped || skips;
        i += skips ? 2 : 1;
    }
    return digit && groups > 0 && (groups == all_groups) != skipped ? i : begin;
}

// The letter after an address begins nothing by itself, so the asterisks of the mask do not make it a number.
// After an address with colons no other colon follows. If its last letter is a colon, no asterisk follows: it
// may be a mask.
bool EndsIp(std::string_view text, std::size_t end, bool colons) noexcept
{
    if (end == text.size())
        return true;
    const char c = text[end], next = end + 1 < text.size() ? text[end + 1] : ' ';
    if (c == '.')
        return !Is(next, alpha_letter | digit_letter);
    if (c == ':')
        return colons ? next == ' ' : next != ':';
    const bool may_go_on = c == '*' && text[end - 1] == ':';
    return !may_go_on && c != '(' && c != '@' && c != '\\' && !Is(c, joint_letter | label_letter);
}

// `i` is at a digit.
Detection FindIp(std::string_view text, std::size_t i, std::size_t from) noexcept
{
    std::size_t begin = i, end = Ipv4End(text, i);
    const bool colons = end == i;
    if (colons) {
        while (begin > from && i - begin < longest_ipv6 &&
               (IsHexDigit(text[begin - 1]) || text[begin - 1] == ':'))
            --begin;
        if (begin < i && text[begin] == ':' && (begin + 1 == i || text[begin + 1] != ':'))
            ++begin; // a colon before it
        end = Ipv6End(text, begin);
        // The rest of a masked number is no part of an address.
        if (end <= i || (begin > 0 && text[begin - 1] == '*'))
            return nothing;
    }
    const bool found = MayBegin(text, begin) && EndsIp(text, end, colons) &&
                       (colons || !FollowsWord(text, from, begin, version_words));
    return found ? Detection{begin, end, Detector::ip} : nothing;
}

// ---- numbers of persons and accounts -----------------------------------------------------------------

// 123-45-6789: no area is 000, 666 or above 899, no group 00, no serial number 0000.
Detection FindSsn(const Groups &g, const NumberStart &start) noexcept
{
    if (start.plus || start.uri || start.open || !g.HasSizes(0, {3, 2, 4}) || g.group[1].separator != '-' ||
        g.group[2].separator != '-' || g.group[1].open || g.group[2].open)
        return nothing;
    const auto part = [&g](std::size_t k) { return g.text.substr(g.group[k].begin, g.group[k].size()); };
    const bool valid =
        part(0) != "000" && part(0) != "666" && part(0)[0] != '9' && part(1) != "00" && part(2) != "0000";
    const std::size_t end = g.group[2].end;
    return valid && EndsNumber(g.text, end) ? Detection{start.begin, end, Detector::ssn} : nothing;
}

struct IbanRow {
    char country[3];
    unsigned char size;
};

// The registry of ISO 13616, as of 2024.
constexpr IbanRow iban_rows[] = {
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22},
    {"BH", 22}, {"BI", 27}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24},
    {"DE", 22}, {"DJ", 27}, {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18},
    {"FK", 18}, {"FO", 18}, {"FR", 27}, {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27},
    {"GT", 28}, {"HN", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26},
    {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20},
    {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MN", 20},
    {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18}, {"NO", 15}, {"OM", 23}, {"PK", 24},
    {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"RU", 33}, {"SA", 24},
    {"SC", 31}, {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"SO", 23}, {"ST", 25},
    {"SV", 28}, {"TL", 23}, {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20},
    {"YE", 30},
};

std::size_t IbanSize(std::string_view country) noexcept
{
    const auto *row = std::find_if(std::begin(iban_rows), std::end(iban_rows),
                                   [country](const IbanRow &each) { return country == each.country; });
    return row == std::end(iban_rows) ? 0 : row->size;
}

constexpr bool IsIbanLetter(char c) noexcept
{
    return IsAsciiDigit(c) || (c >= 'A' && c <= 'Z');
}

// The remainder of the number with its first four letters moved to the end. The check digits make it 1.
unsigned IbanRemainder(std::string_view letters) noexcept
{
    constexpr std::size_t moved = 4;
    unsigned rest = 0;
    for (std::size_t i = 0; i < letters.size(); ++i) {
        const char c = letters[(i + moved) % letters.size()];
        rest = IsAsciiDigit(c) ? rest * 10 + static_cast<unsigned>(c - '0')
                               : rest * 100 + static_cast<unsigned>(c - 'A') + 10;
        rest %= 97;
    }
    return rest;
}

// `i` is at the check digits, after the country. The number is in one piece or in groups of four.
Detection FindIban(std::string_view text, std::size_t i, std::size_t from) noexcept
{
    constexpr std::size_t longest = 34, group = 4;
    const std::size_t begin = i - 2;
    if (i < from + 2 || !MayBegin(text, begin))
        return nothing;
    const std::size_t size = IbanSize(text.substr(begin, 2));
    char letters[longest];
    std::size_t at = begin;
    const bool spaced = size > 0 && begin + group < text.size() && text[begin + group] == ' ';
    for (std::size_t k = 0; k < size; ++k) {
        if (spaced && k > 0 && k % group == 0 && at < text.size() && text[at] == ' ')
            ++at;
        if (at == text.size() || !IsIbanLetter(text[at]))
            return nothing;
        letters[k] = text[at++];
    }
    const bool found =
        size > 0 && IsAsciiDigit(letters[3]) && IbanRemainder({letters, size}) == 1 && EndsNumber(text, at);
    return found ? Detection{begin, at, Detector::iban} : nothing;
}

// ---- numbers by the name of their member ----------------------------------------------------------

// Ends of the last word, as in `callid`, and whole words.
constexpr std::string_view id_endings[] = {
    "id",   "ids",       "uuid",  "guid", "key",      "ref", "reference",
    "time", "timestamp", "stamp", "date", "sequence", "seq",
};
constexpr std::string_view short_id_words[] = {"at", "ms", "ts"};
constexpr std::string_view no_id_words[] = {"android", "bid",      "grid",   "invalid", "paid",
                                            "prepaid", "postpaid", "unpaid", "valid",   "void"};

// Ignores a number at the end: Id of leg_id_2 and callerId.
std::string_view LastWord(std::string_view name) noexcept
{
    std::size_t end = name.size();
    while (end > 0 && !Is(name[end - 1], alpha_letter))
        --end;
    std::size_t begin = end;
    while (begin > 0 && Is(name[begin - 1], alpha_letter) &&
           !(begin < end && IsAsciiUpper(name[begin]) && !IsAsciiUpper(name[begin - 1])))
        --begin;
    return name.substr(begin, end - begin);
}

// True for an id or a time.
bool IsIdName(std::string_view name) noexcept
{
    const std::string_view word = LastWord(name);
    return IsOneOf(word, short_id_words) ||
           (!IsOneOf(word, no_id_words) &&
            std::any_of(std::begin(id_endings), std::end(id_endings),
                        [word](std::string_view ending) { return EndsWithFolded(word, ending); }));
}

// The number of digits in a text of digits, signs and an extension. 0: it has something else.
std::size_t CountPhoneDigits(std::string_view text, bool &in_one_piece) noexcept
{
    constexpr std::string_view signs = "+-./() \t";
    std::size_t digits = 0, i = 0;
    in_one_piece = true;
    for (char separator; i < text.size() && digits <= most_digits;) {
        if (IsAsciiDigit(text[i])) {
            ++digits;
            ++i;
        } else if (const std::size_t size = OneSeparator(text, i, separator); size > 0) {
            in_one_piece = false;
            i += size;
        } else if (signs.find(text[i]) != signs.npos) {
            in_one_piece = false;
            ++i;
        } else {
            break;
        }
    }
    const std::string_view rest = text.substr(i);
    const bool extension =
        rest.empty() || (digits > 0 && (LowerAscii(rest[0]) == 'x' || rest.starts_with("ext")));
    return extension ? digits : 0;
}

// 2024-11-14, 14.11.2024
bool IsDate(std::string_view text) noexcept
{
    const Groups g = ReadGroups(text, 0, false);
    const auto is_year = [&g](std::size_t k) {
        return g.group[k].size() == 4 && (g.digit(k, 0) == '1' || g.digit(k, 0) == '2');
    };
    return g.count >= 3 &&
           ((g.HasSizes(0, {4, 2, 2}) && is_year(0)) || (g.HasSizes(0, {2, 2, 4}) && is_year(2)));
}

// Excludes accounts and times under a name with several meanings. After its zero, a national number has an
// area, and no area begins with zero. Numbers of accounts are padded with zeros.
bool MayBeNumberOfMany(std::string_view text, std::size_t digits) noexcept
{
    constexpr std::size_t shortest = 10, longest_national = 12;
    if (digits < shortest || text[0] != '0')
        return digits >= shortest;
    return digits <= longest_national && text[1] != '0';
}

// A time in seconds or milliseconds begins with 1 (until 2033). No phone number of ten or thirteen digits
// does. Digits with signs between them are no time but may be a date.
bool IsPhoneByName(std::string_view text, std::string_view name) noexcept
{
    constexpr std::size_t longest_text = 48;
    if (text.size() < fewest_digits || text.size() > longest_text)
        return false;
    bool in_one_piece;
    const std::size_t digits = CountPhoneDigits(text, in_one_piece);
    if (digits < fewest_digits || digits > most_digits)
        return false;
    if (in_one_piece ? text[0] == '1' && digits != 11 : IsAsciiDigit(text[0]) && IsDate(text))
        return false;
    const PhoneName meaning = ClassifyPhoneName(name);
    return meaning == PhoneName::sure || (meaning == PhoneName::doubtful && MayBeNumberOfMany(text, digits));
}

// ---- the walk -------------------------------------------------------------------------------------

// The number after the finding that ends at `from`. It omits a part of that finding.
Detection FindSharing(std::string_view text, std::size_t i, std::size_t from,
                      const Detectors &wanted) noexcept
{
    if (!wanted.wants(Detector::phone) || from == 0 || !IsAsciiDigit(text[from - 1]) || !MayBegin(text, i))
        return nothing;
    const std::size_t end = SharingEnd(ReadGroups(text, i, false), from, true);
    return end > 0 ? Detection{i, end, Detector::phone} : nothing;
}

// `i` is at the first of the digits that end at `end`.
Detection FindNumber(std::string_view text, std::size_t i, std::size_t end, std::size_t from,
                     const Detectors &wanted) noexcept
{
    constexpr std::size_t longest_first_group = 6;
    if (end - i == text.size() || IsMasked(text, i, end))
        return nothing;
    if (wanted.wants(Detector::iban))
        if (const Detection iban = FindIban(text, i, from); iban.Found())
            return iban;
    if (wanted.wants(Detector::ip))
        if (const Detection ip = FindIp(text, i, from); ip.Found())
            return ip;
    if (!wanted.wants(Detector::phone) && !wanted.wants(Detector::card) && !wanted.wants(Detector::ssn))
        return nothing;
    const NumberStart start = FindStart(text, i, end, from);
    const bool has_country = start.plus || start.uri;
    if (end - i > longest_first_group && end - i < shortest_card && !has_country)
        return FindSharing(text, i, from, wanted);
    if (!MayBegin(text, start.begin))
        return nothing;
    const Groups groups = ReadGroups(text, i, start.open);
    if (wanted.wants(Detector::ssn))
        if (const Detection ssn = FindSsn(groups, start); ssn.Found())
            return ssn;
    if (wanted.wants(Detector::card))
        if (const Detection card = FindCard(groups, start, from); card.Found())
            return card;
    if (!wanted.wants(Detector::phone))
        return nothing;
    const Detection phone = FindPhone(groups, start, from);
    return phone.Found() ? phone : FindSharing(text, i, from, wanted);
}

} // namespace

Detection Detect(std::string_view text, std::size_t from, std::size_t until, const Detectors &wanted) noexcept
{
    // An address or URI may begin before `until` but show itself only after it.
    const std::size_t limit = std::min(text.size(), until + longest_local + 8);
    const bool numbers = wanted.numbers();
    const auto next = [text, limit](std::size_t i) {
        return FindLetter(text, i, limit, classes, trigger_letter);
    };
    for (std::size_t i = next(from), last; i < limit; i = next(last + 1)) {
        Detection found = nothing;
        last = i;
        if (IsAsciiDigit(text[i])) {
            const std::size_t end = RunEnd(text, i, digit_letter);
            if (numbers && (i == 0 || !IsAsciiDigit(text[i - 1])))
                found = FindNumber(text, i, end, from, wanted);
            last = end - 1;
        } else if (wanted.wants(Detector::email) && AtSize(text, i) > 0) {
            found = FindAddress(text, i, from);
        }
        if (found.Found())
            return found.begin < until ? found : nothing;
    }
    return nothing;
}

std::optional<Detector> DetectDigits(std::string_view digits, std::string_view name,
                                     const Detectors &wanted) noexcept
{
    if (wanted.wants(Detector::phone) && IsPhoneByName(digits, name))
        return Detector::phone;
    if (digits.size() < fewest_digits || digits.size() > longest_card ||
        !std::all_of(digits.begin(), digits.end(), IsAsciiDigit))
        return std::nullopt;
    if (wanted.wants(Detector::card) && IsCardNumber(digits) && !IsIdName(name))
        return Detector::card;
    return std::nullopt;
}

bool IsCardName(std::string_view name) noexcept
{
    return std::all_of(name.begin(), name.end(), IsAsciiDigit) && IsCardNumber(name);
}

std::size_t MaskDetected(std::string_view found, Detector what, char (&out)[mask_room]) noexcept
{
    std::memcpy(out, "***", 3);
    if (what == Detector::ip)
        return 3;
    if (what == Detector::email) {
        const std::size_t at = found.rfind('@') + 1, encoded = found.rfind("%40") + 1; // 0: none
        const std::size_t host = encoded > at ? encoded + 2 : at;
        // After a letter that is not ASCII a number may begin, so such a domain is not shown.
        std::string_view domain = found.substr(host, longest_domain);
        if (!std::all_of(domain.begin(), domain.end(), [](char c) { return Is(c, joint_letter); }))
            domain = {};
        out[3] = '@';
        std::copy(domain.begin(), domain.end(), out + 4);
        return 4 + domain.size();
    }
    // The digits of sip:+14155550100@10.0.0.1:5060 end before the host.
    const std::size_t number = found.find_first_of("0123456789");
    const std::string_view digits = found.substr(0, found.find_first_of("@;:", number));
    char last[4] = {};
    std::size_t size = 0;
    for (std::size_t i = digits.size(); i > 0 && size < 4; --i)
        if (IsAsciiDigit(digits[i - 1]))
            last[size++] = digits[i - 1];
    std::reverse_copy(last, last + size, out + 3);
    return 3 + size;
}

} // namespace callhardening
