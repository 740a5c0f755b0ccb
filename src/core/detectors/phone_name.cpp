#include "core/detectors/phone_name.hpp"

#include "core/base/text.hpp"
#include "core/detectors/digit_groups.hpp"

#include <algorithm>
#include <iterator>
#include <span>

namespace callhardening
{

namespace
{

using Words = std::span<const std::string_view>;

// Words for a phone number, with anything before them: work_phone, home_cell. The user of a SIP address is a
// number at FreeSWITCH.
constexpr std::string_view phone_words[] = {
    "ani",      "callerid",   "callfrom",       "callto",      "cell",       "cellphone", "cellular",
    "clid",     "did",        "dialeduser",     "dnis",        "e164",       "exophone",  "fax",
    "landline", "mobile",     "forwardedfrom",  "mobiles",     "msisdn",     "msisdns",   "phone",
    "phones",   "smartphone", "sipcontactuser", "sipfromuser", "siprequser", "siptouser", "telefon",
    "telefone", "telefono",   "telephone",      "whatsapp",
};

// These words make a number of the word before them, if that word belongs to a call.
constexpr std::string_view number_words[] = {"no", "nr", "num", "nums", "number", "numbers"};

constexpr std::string_view party_words[] = {
    "agent",      "ani",         "callback", "called",    "callee",    "calleeid",    "caller",
    "callerid",   "calling",     "cell",     "cellphone", "contact",   "destination", "dialed",
    "dialled",    "did",         "dnis",     "external",  "fax",       "forward",     "forwarded",
    "forwarding", "from",        "internal", "landline",  "mobile",    "originating", "our",
    "party",      "phone",       "proxy",    "receiver",  "recipient", "redirect",    "sender",
    "sms",        "source",      "target",   "tel",       "telephone", "terminating", "to",
    "transfer",   "transferred", "whatsapp", "whom",
};

// Persons and places also have numbers of other kinds. A provider names its customer's number after itself.
constexpr std::string_view doubtful_party_words[] = {
    "aircall", "alternate", "business", "client", "customer",    "dialpad",  "guest",  "home",    "justcall",
    "lead",    "office",    "operator", "plivo",  "ringcentral", "tracking", "twilio", "virtual", "work",
};

// Only as the whole name.
constexpr std::string_view doubtful_names[] = {
    "called",  "callee",    "caller",   "calling",   "cli",        "destination", "exten", "from", "number",
    "numbers", "rawdigits", "receiver", "recipient", "recipients", "sender",      "tel",   "to",
};

// Exotel's PhoneNumberSid is the number itself. Other sids have letters.
constexpr std::string_view modifiers[] = {
    "clean",      "display", "e164", "formatted", "full", "intl", "international", "national", "norm",
    "normalized", "primary", "raw",  "secondary", "sid",  "str",  "string",        "value",
};

// Takes words from the end of a name: agent_number, agentNumber, "Agent Number", agentnumber.
class NameEnd
{
public:
    explicit NameEnd(std::string_view name) noexcept : rest_(name) { Trim(); }

    bool empty() const noexcept { return rest_.empty(); }

    // Takes the longest of the words. `within` also allows the middle of a word.
    bool Take(Words words, bool within = false) noexcept
    {
        std::size_t best = rest_.size() + 1;
        for (const std::string_view word : words)
            if (const std::size_t begin = BeginOf(word); begin < best && (within || BeginsWord(begin)))
                best = begin;
        if (best > rest_.size())
            return false;
        rest_ = rest_.substr(0, best);
        Trim();
        return true;
    }

private:
    // A number at the end counts members of the same kind.
    void Trim() noexcept
    {
        while (!rest_.empty() && !IsAsciiLetter(rest_.back()) && !EndsWithFolded(rest_, "e164"))
            rest_.remove_suffix(1);
    }

    std::size_t BeginOf(std::string_view word) const noexcept
    {
        std::size_t left = word.size(), i = rest_.size();
        while (left > 0 && i > 0) {
            const char c = rest_[--i];
            if (c == '_' || c == '-' || c == ' ')
                continue;
            if (LowerAscii(c) != word[left - 1])
                return rest_.size() + 1;
            --left;
        }
        return left == 0 ? i : rest_.size() + 1;
    }

    bool BeginsWord(std::size_t i) const noexcept
    {
        if (i == 0 || !IsAsciiLetter(rest_[i - 1]))
            return true;
        return IsAsciiUpper(rest_[i]) &&
               (!IsAsciiUpper(rest_[i - 1]) || (i + 1 < rest_.size() && !IsAsciiUpper(rest_[i + 1])));
    }

    std::string_view rest_;
};

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

// Two zeros stand for the plus. Numbers of accounts are padded with zeros too, but have fewer digits.
bool HasCountryAfterZeros(std::string_view text, std::size_t digits) noexcept
{
    constexpr std::size_t shortest = 12, with_north_american = 13;
    return text.starts_with("00") && IsAsciiDigit(text[2]) && text[2] != '0' && digits >= shortest &&
           (text[2] != '1' || digits == with_north_american);
}

// Excludes accounts and times under a name with several meanings. After its zero, a national number has an
// area, and no area begins with zero. Numbers of accounts are padded with zeros.
bool MayBeNumberOfMany(std::string_view text, std::size_t digits) noexcept
{
    constexpr std::size_t shortest = 10, longest_national = 12;
    if (digits < shortest || text[0] != '0')
        return digits >= shortest;
    return (digits <= longest_national && text[1] != '0') || HasCountryAfterZeros(text, digits);
}

} // namespace

PhoneName ClassifyPhoneName(std::string_view name) noexcept
{
    constexpr std::size_t longest_name = 64;
    if (name.size() > longest_name)
        return PhoneName::none;
    NameEnd end(name);
    while (!end.empty() && !NameEnd(end).Take(phone_words) && end.Take(modifiers)) {
    }
    if (NameEnd whole = end; whole.Take(doubtful_names) && whole.empty())
        return PhoneName::doubtful;
    if (NameEnd(end).Take(phone_words))
        return PhoneName::sure;
    if (!end.Take(number_words, true))
        return PhoneName::none;
    if (NameEnd(end).Take(party_words))
        return PhoneName::sure;
    return end.Take(doubtful_party_words) ? PhoneName::doubtful : PhoneName::none;
}

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

} // namespace callhardening
