#include "core/detectors/card_number.hpp"

#include "core/base/text.hpp"
#include "core/detectors/letters.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace callhardening
{

namespace
{

constexpr std::string_view id_words[] = {
    "call", "calls",    "case",   "channel", "conference", "event", "id",        "ids",     "leg",
    "legs", "order",    "parcel", "queue",   "recording",  "ref",   "reference", "request", "session",
    "sid",  "shipment", "ticket", "trace",   "tracking",   "uuid",  "voicemail",
};

// After a number, these words mark a card, even if a word for an id stands before it: order 4111111111111111
// exp 12/27.
constexpr std::string_view card_words[] = {"amex",    "card",   "cvc",        "cvv", "exp",
                                           "expires", "expiry", "mastercard", "visa"};

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

// A time in milliseconds begins with none of these digits.
constexpr char first_card_digit = '2', last_card_digit = '6';
static_assert(std::all_of(std::begin(issuers), std::end(issuers), [](const IssuerRow &issuer) {
    return issuer.first / 1000 >= first_card_digit - '0' && issuer.last / 1000 <= last_card_digit - '0';
}));

// The formula of Luhn.
bool HasCheckDigit(std::string_view digits) noexcept
{
    unsigned sum = 0;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const auto value = static_cast<unsigned>(digits[i] - '0');
        const bool doubled = (digits.size() - i) % 2 == 0;
        sum += doubled ? 2 * value - (value > 4 ? 9 : 0) : value;
    }
    return sum % 10 == 0;
}

bool HasIssuer(std::string_view digits) noexcept
{
    unsigned prefix = 0;
    for (const char digit : digits.substr(0, 4))
        prefix = prefix * 10 + static_cast<unsigned>(digit - '0');
    return std::any_of(std::begin(issuers), std::end(issuers), [&](const IssuerRow &issuer) {
        return prefix >= issuer.first && prefix <= issuer.last && digits.size() >= issuer.shortest &&
               digits.size() <= issuer.longest;
    });
}

// A number in one piece has to stand alone: after a slash, a colon or an equals sign it is an id.
bool StandsAlone(std::string_view text, std::size_t begin, std::size_t end) noexcept
{
    constexpr std::string_view before = " \t\r\n\"'([<>|*", after = " \t\r\n\"')]<>|*,.;!?";
    const bool has_extension =
        end + 1 < text.size() && text[end] == '.' && HasClass(text[end + 1], alpha_letter);
    return (begin == 0 || before.find(text[begin - 1]) != before.npos) &&
           (end == text.size() || after.find(text[end]) != after.npos) && !has_extension;
}

// The groups on embossed cards.
constexpr std::size_t embossed[][5] = {{4, 4, 4, 4, 3}, {4, 4, 4, 4}, {4, 6, 5}, {4, 6, 4}, {4, 4, 4, 1}};
constexpr std::size_t embossed_first = 4;

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

// The end of a card number in one piece, else 0.
std::size_t UnbrokenEnd(const Groups &g, std::size_t begin, std::size_t from) noexcept
{
    const std::size_t end = CardEnd(g, 1);
    const bool found = end > 0 && StandsAlone(g.text, begin, end) &&
                       (!FollowsWord(g.text, from, begin, id_words) || PrecedesWord(g.text, end, card_words));
    return found ? end : 0;
}

// The end of a card number in the groups of a card, else 0.
std::size_t EmbossedEnd(const Groups &g) noexcept
{
    for (const auto &sizes : embossed)
        if (IsEmbossed(g, sizes))
            if (const std::size_t end = CardEnd(g, std::size(sizes) - std::count(sizes, std::end(sizes), 0u));
                end > 0)
                return end;
    return 0;
}

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
    while (end > 0 && !HasClass(name[end - 1], alpha_letter))
        --end;
    const std::size_t begin = WordBegin(name, 0, end);
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

} // namespace

bool IsCardNumber(std::string_view digits) noexcept
{
    return digits.size() >= shortest_card && digits.size() <= longest_card && digits[0] >= first_card_digit &&
           digits[0] <= last_card_digit && HasCheckDigit(digits) && HasIssuer(digits);
}

bool IsCardByName(std::string_view digits, std::string_view name) noexcept
{
    return IsCardNumber(digits) && !IsIdName(name);
}

Detection FindCard(const Groups &g, const NumberStart &start, std::size_t from) noexcept
{
    if (start.plus || start.uri || start.open)
        return no_detection;
    const std::size_t first = g.group[0].size();
    const std::size_t end = first >= shortest_card    ? UnbrokenEnd(g, start.begin, from)
                            : first == embossed_first ? EmbossedEnd(g)
                                                      : 0;
    return end > 0 ? Detection{start.begin, end, Detector::card} : no_detection;
}

} // namespace callhardening
