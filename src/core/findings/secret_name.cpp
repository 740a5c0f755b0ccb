#include "core/findings/secret_name.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace callhardening
{

namespace
{

enum class Match : unsigned char {
    end,      // of the name, also within a word: accesstoken
    word,     // of the name, at the beginning of a word: db_pass, sipPass, but not compass
    whole,    // the name itself
    modifier, // of the name, also within a word; the part before it decides
    apart,    // a modifier that has to be a whole word
};

struct NameRow {
    std::string_view word; // folded
    MemberClass meaning;
    Match match;
};

using enum MemberClass;

// A plain row is an exception to a shorter word.
constexpr auto listed_names = std::to_array<NameRow>({
    {"password", credential, Match::end},
    {"passwords", credential, Match::end},
    {"passwd", credential, Match::end},
    {"passphrase", credential, Match::end},
    {"passcode", credential, Match::end},
    {"passkey", credential, Match::end},
    {"pass", credential, Match::word},
    {"boardingpass", plain, Match::end},
    {"pwd", credential, Match::end},
    {"pswd", credential, Match::end},
    {"secret", credential, Match::end},
    {"secrets", credential, Match::end},
    {"creds", credential, Match::word},
    {"cred", credential, Match::word},
    {"clientstate", credential, Match::end},
    {"credential", credential, Match::end},
    {"credentials", credential, Match::end},

    {"token", credential, Match::end},
    {"tokens", credential, Match::whole},
    {"idtokens", credential, Match::end},
    {"accesstokens", credential, Match::end},
    {"apitokens", credential, Match::end},
    {"authtokens", credential, Match::end},
    {"bearertokens", credential, Match::end},
    {"devicetokens", credential, Match::end},
    {"pushtokens", credential, Match::end},
    {"refreshtokens", credential, Match::end},
    {"sessiontokens", credential, Match::end},
    {"usertokens", credential, Match::end},
    {"jwt", credential, Match::end},
    {"bearer", credential, Match::whole},
    {"authorization", credential, Match::end},
    {"auth", credential, Match::word},
    {"cookie", credential, Match::end},
    {"cookies", credential, Match::end},
    {"phpsessid", credential, Match::whole},
    {"jsessionid", credential, Match::whole},
    {"aspsessionid", credential, Match::whole},
    {"asp.netsessionid", credential, Match::whole},
    {"connect.sid", credential, Match::whole},

    {"apikey", credential, Match::end},
    {"apikeys", credential, Match::end},
    {"accesskey", credential, Match::end},
    {"accesskeys", credential, Match::end},
    {"accesskeyid", credential, Match::end},
    {"accountkey", credential, Match::end},
    {"adminkey", credential, Match::end},
    {"appkey", credential, Match::word},
    {"authkey", credential, Match::end},
    {"clientkey", credential, Match::end},
    {"consumerkey", credential, Match::end},
    {"decryptionkey", credential, Match::end},
    {"deploykey", credential, Match::end},
    {"encryptionkey", credential, Match::end},
    {"functionskey", credential, Match::end},
    {"hmackey", credential, Match::end},
    {"integrationkey", credential, Match::end},
    {"licensekey", credential, Match::end},
    {"masterkey", credential, Match::end},
    {"privatekey", credential, Match::end},
    {"privatekeys", credential, Match::end},
    {"rootkey", credential, Match::end},
    {"rsakey", credential, Match::end},
    {"secretkey", credential, Match::end},
    {"secretkeys", credential, Match::end},
    {"serverkey", credential, Match::end},
    {"servicekey", credential, Match::end},
    {"sessionkey", credential, Match::end},
    {"sharedkey", credential, Match::end},
    {"signingkey", credential, Match::end},
    {"sshkey", credential, Match::end},
    {"storagekey", credential, Match::end},
    {"subscriptionkey", credential, Match::end},
    {"webhookkey", credential, Match::end},
    {"recoveryphrase", credential, Match::end},
    {"seedphrase", credential, Match::end},
    {"signature", credential, Match::end},
    {"hmac", credential, Match::end},
    {"sig", credential, Match::word},

    {"accesscode", credential, Match::end},
    {"authcode", credential, Match::end},
    {"authorizationcode", credential, Match::end},
    {"backupcode", credential, Match::end},
    {"backupcodes", credential, Match::end},
    {"factorcode", credential, Match::end},
    {"factorcodes", credential, Match::end},
    {"logincode", credential, Match::end},
    {"mfacode", credential, Match::end},
    {"onetimecode", credential, Match::end},
    {"onetimecodes", credential, Match::end},
    {"otpcode", credential, Match::end},
    {"otpcodes", credential, Match::end},
    {"recoverycode", credential, Match::end},
    {"recoverycodes", credential, Match::end},
    {"securitycode", credential, Match::end},
    {"smscode", credential, Match::end},
    {"totpcode", credential, Match::end},
    {"2facode", credential, Match::end},
    {"verificationcode", credential, Match::end},
    {"mfa", credential, Match::whole},
    {"otp", credential, Match::word},
    {"totp", credential, Match::word},
    {"otpseed", credential, Match::end},
    {"mfaseed", credential, Match::end},
    {"pin", credential, Match::word},
    {"pincode", credential, Match::end},
    {"voicemailpin", credential, Match::end},
    {"areapin", plain, Match::end},
    {"billingpin", plain, Match::end},
    {"deliverypin", plain, Match::end},
    {"droppin", plain, Match::end},
    {"locationpin", plain, Match::end},
    {"mappin", plain, Match::end},
    {"postalpin", plain, Match::end},
    {"shippingpin", plain, Match::end},

    // Digits typed by a caller may be a PIN or a card number. `raw_digits` are the dialled ones.
    {"dtmf", credential, Match::whole},
    {"dtmfdigits", credential, Match::end},
    {"dtmfinput", credential, Match::end},
    {"dtmftones", credential, Match::end},
    {"digits", credential, Match::whole},
    {"collecteddigits", credential, Match::end},
    {"digitscollected", credential, Match::end},
    {"digitsentered", credential, Match::end},
    {"digitspressed", credential, Match::end},
    {"entereddigits", credential, Match::end},
    {"gathereddigits", credential, Match::end},
    {"presseddigits", credential, Match::end},

    {"cardnumber", credential, Match::end},
    {"creditcard", credential, Match::end},
    {"cvv", credential, Match::word},
    {"cvc", credential, Match::word},
    {"ssn", credential, Match::word},
    {"socialsecuritynumber", credential, Match::end},

    {"sharelink", link, Match::end},
    {"sharelinks", link, Match::end},
    {"accesslink", link, Match::end},
    {"accesslinks", link, Match::end},
    {"downloadurl", link, Match::end},
    {"downloadlink", link, Match::end},
    {"recordingurl", link, Match::end},
    {"recordingurls", link, Match::end},
    {"recordinguri", link, Match::end},
    {"recordinglink", link, Match::end},
    {"recordinglinks", link, Match::end},
    {"recordingplayer", link, Match::end},
    {"recordurl", link, Match::end},
    {"recordingshorturl", link, Match::end},
    {"signedurl", link, Match::end},
    {"transcripturl", link, Match::end},
    {"transcriptionurl", link, Match::end},
    {"asset", link, Match::whole}, // the page of a recording at Aircall
    {"voicemailurl", link, Match::end},
    {"voicemailshorturl", link, Match::end},
    {"voicemaillink", link, Match::end},
    {"voicemaillinks", link, Match::end},
    {"mediaurl", link, Match::end},
    {"mediaurls", link, Match::end},
    {"audiourl", link, Match::end},
    {"contenturi", link, Match::end},
    {"contenturl", link, Match::end},

    {"recording", media, Match::end},
    {"recordings", media, Match::end},
    {"recordingdetails", media, Match::end},
    {"voicemail", media, Match::end},
    {"voicemails", media, Match::end},
    {"media", media, Match::end},
    {"attachments", media, Match::end},

    {"url", address, Match::end},
    {"urls", address, Match::end},
    {"uri", address, Match::end},
    {"link", address, Match::end},
    {"links", address, Match::end},
    {"href", address, Match::end},

    {"confirmation", plain, Match::modifier},
    {"confirm", plain, Match::modifier},
    {"value", plain, Match::modifier},
    {"header", plain, Match::modifier},
    {"hash", plain, Match::modifier},
    {"digest", plain, Match::modifier},
    {"base64", plain, Match::modifier},
    {"encrypted", plain, Match::modifier},
    {"hashed", plain, Match::modifier},
    {"current", plain, Match::modifier},
    {"previous", plain, Match::modifier},
    {"primary", plain, Match::modifier},
    {"secondary", plain, Match::modifier},
    {"string", plain, Match::modifier},
    {"plaintext", plain, Match::modifier},
    {"again", plain, Match::apart},
    {"b64", plain, Match::apart},
    {"ed", plain, Match::apart}, // ed25519
    {"enc", plain, Match::apart},
    {"json", plain, Match::apart},
    {"md", plain, Match::apart}, // md5
    {"new", plain, Match::apart},
    {"old", plain, Match::apart},
    {"pem", plain, Match::apart},
    {"raw", plain, Match::apart},
    {"salt", plain, Match::apart},
    {"sha", plain, Match::apart},
    {"text", plain, Match::apart},
    {"v", plain, Match::apart},
    {"ver", plain, Match::apart},
});

// Names with one of these words at the start ask or count.
constexpr std::string_view asking_words[] = {"allows", "are",      "can",   "count", "has", "is",
                                             "max",    "min",      "must",  "needs", "num", "requires",
                                             "should", "supports", "total", "uses",  "was"};

// Sorted by last letter, so an empty bucket decides most names. Longer words come first: `recordingurl` says
// more than `url`.
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
    return c == '_' || c == '-' || c == ' ' || c == '[' || c == ']';
}

// The start of `word` at the end of a name. `word` is folded. npos: the name ends otherwise.
std::size_t EndingBegin(std::string_view name, std::string_view word) noexcept
{
    std::size_t left = word.size(), i = name.size();
    while (left > 0 && i > 0) {
        const char c = name[--i];
        if (IsNameSeparator(c))
            continue;
        if (LowerAscii(c) != word[left - 1])
            return std::string_view::npos;
        --left;
    }
    return left == 0 ? i : std::string_view::npos;
}

// sip_pass, sipPass, SIPPass, sip2pass
bool BeginsWord(std::string_view name, std::size_t i) noexcept
{
    if (i == 0 || !IsAsciiLetter(name[i - 1]))
        return true;
    return IsAsciiUpper(name[i]) &&
           (!IsAsciiUpper(name[i - 1]) || (i + 1 < name.size() && !IsAsciiUpper(name[i + 1])));
}

bool Matches(std::string_view name, std::size_t begin, Match match) noexcept
{
    switch (match) {
    case Match::whole:
        return std::all_of(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(begin), IsNameSeparator);
    case Match::word:
    case Match::apart:
        return BeginsWord(name, begin);
    default:
        return true;
    }
}

struct Ending {
    const NameRow *row; // nullptr: none is listed
    std::size_t begin;
};

Ending FindEnding(std::string_view name) noexcept
{
    const auto last = static_cast<unsigned char>(LowerAscii(name.back()));
    if (last >= 128)
        return {nullptr, 0};
    const char before_last = name.size() > 1 ? LowerAscii(name[name.size() - 2]) : '_';
    for (std::size_t row = bucket[last]; row < bucket[last + 1u]; ++row) {
        const std::string_view word = name_rows[row].word;
        if (word.size() > 1 && word[word.size() - 2] != before_last && !IsNameSeparator(before_last))
            continue;
        const std::size_t begin = EndingBegin(name, word);
        if (begin != std::string_view::npos && Matches(name, begin, name_rows[row].match))
            return {&name_rows[row], begin};
    }
    return {nullptr, 0};
}

// A name with a replaced secret: token=[secret]. user[secret] is a name from a form.
bool IsMarked(std::string_view name) noexcept
{
    constexpr std::string_view marker = "[secret]";
    if (!name.ends_with(marker))
        return false;
    return name.size() == marker.size() || !IsAsciiLetter(name[name.size() - marker.size() - 1]);
}

std::string_view WithoutNumber(std::string_view name) noexcept
{
    while (!name.empty() && (IsNameSeparator(name.back()) || IsAsciiDigit(name.back())))
        name.remove_suffix(1);
    return name;
}

bool Asks(std::string_view name) noexcept
{
    std::size_t end = 0;
    while (end < name.size() && IsAsciiLetter(name[end]) &&
           (end == 0 || !IsAsciiUpper(name[end]) || IsAsciiUpper(name[end - 1])))
        ++end;
    const std::string_view first = name.substr(0, end);
    return end < name.size() &&
           std::any_of(std::begin(asking_words), std::end(asking_words),
                       [first](std::string_view word) { return EqualFolded(first, word); });
}

} // namespace

MemberClass ClassifyMember(std::string_view name) noexcept
{
    constexpr int most_modifiers = 4; // nobody has longer names
    if (IsMarked(name))
        return plain;
    std::string_view rest = name;
    while (!rest.empty() && IsNameSeparator(rest.back()))
        rest.remove_suffix(1);
    for (int modifiers = 0; !rest.empty() && modifiers <= most_modifiers; ++modifiers) {
        const Ending ending = FindEnding(rest);
        const bool modifier = ending.row != nullptr && ending.row->match >= Match::modifier;
        if (ending.row != nullptr && !modifier)
            return ending.row->meaning == credential && Asks(name) ? plain : ending.row->meaning;
        const std::string_view shorter = WithoutNumber(modifier ? rest.substr(0, ending.begin) : rest);
        if (shorter.size() == rest.size())
            break;
        rest = shorter;
    }
    return plain;
}

bool IsSecretParameter(std::string_view name) noexcept
{
    static constexpr std::string_view words[] = {"key", "code", "sas", "hash", "signed"};
    return ClassifyMember(name) == credential ||
           std::any_of(std::begin(words), std::end(words),
                       [name](std::string_view word) { return EqualFolded(name, word); });
}

bool IsSecretHeader(std::string_view name) noexcept
{
    return EndingBegin(name, "authorization") != std::string_view::npos ||
           EndingBegin(name, "cookie") != std::string_view::npos;
}

} // namespace callhardening
