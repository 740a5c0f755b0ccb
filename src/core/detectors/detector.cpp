#include "core/detectors/detector.hpp"

#include "core/base/text.hpp"
#include "core/detectors/card_number.hpp"
#include "core/detectors/email_address.hpp"
#include "core/detectors/iban.hpp"
#include "core/detectors/ip_address.hpp"
#include "core/detectors/letters.hpp"
#include "core/detectors/phone_name.hpp"
#include "core/detectors/phone_number.hpp"
#include "core/detectors/ssn.hpp"

#include <algorithm>
#include <cstring>

namespace callhardening
{

namespace
{

// A replacement is never found again, and makes nothing beside it a finding. There are three reasons:
//  - A number begins only if no letter, digit or sign of an address stands before it. So it never begins
//    directly after a finding, and never with the four digits of a mask.
//  - The end of a number depends only on its own letters, the two after them, and on having no `@` in reach
//    through the letters of an address.
//  - An address contains all possible letters and `@` before its host, and all following ones up to another
//    host. The asterisks of a mask are no such letters, and a token never stands before an `@`.

bool IsMasked(std::string_view text, std::size_t digit, std::size_t digits_end) noexcept
{
    return digits_end - digit == 4 && text.substr(0, digit).ends_with("***");
}

// The account or the internet address around the digits [i, end).
Detection FindWithLetters(std::string_view text, std::size_t i, std::size_t end, std::size_t from,
                          const Detectors &wanted) noexcept
{
    if (wanted.wants(Detector::iban))
        if (const Detection iban = FindIban(text, i, from); iban.Found())
            return iban;
    return wanted.wants(Detector::ip) ? FindIp(text, i, end, from) : no_detection;
}

// The number that begins with the digits [i, end).
Detection FindGroups(std::string_view text, std::size_t i, std::size_t end, std::size_t from,
                     const Detectors &wanted) noexcept
{
    constexpr std::size_t longest_first_group = 6;
    const auto sharing = [&] {
        return wanted.wants(Detector::phone) ? FindSharing(text, i, from) : no_detection;
    };
    const NumberStart start = FindStart(text, i, end, from);
    const bool has_country = start.plus || start.uri;
    if (end - i > longest_first_group && end - i < shortest_card && !has_country)
        return sharing();
    if (!MayBegin(text, start.begin))
        return no_detection;
    const Groups groups = ReadGroups(text, i, start.open);
    if (wanted.wants(Detector::ssn))
        if (const Detection ssn = FindSsn(groups, start); ssn.Found())
            return ssn;
    if (wanted.wants(Detector::card))
        if (const Detection card = FindCard(groups, start, from); card.Found())
            return card;
    if (wanted.wants(Detector::phone))
        if (const Detection phone = FindPhone(groups, start, from); phone.Found())
            return phone;
    return sharing();
}

// A text of only digits has no finding.
Detection FindNumber(std::string_view text, std::size_t i, std::size_t end, std::size_t from,
                     const Detectors &wanted) noexcept
{
    if (end - i == text.size() || IsMasked(text, i, end))
        return no_detection;
    if (const Detection found = FindWithLetters(text, i, end, from, wanted); found.Found())
        return found;
    const bool groups =
        wanted.wants(Detector::phone) || wanted.wants(Detector::card) || wanted.wants(Detector::ssn);
    return groups ? FindGroups(text, i, end, from, wanted) : no_detection;
}

std::size_t MaskEmail(std::string_view found, char (&out)[mask_room]) noexcept
{
    const std::size_t at = found.rfind('@') + 1, encoded = found.rfind("%40") + 1; // 0: none
    const std::size_t host = encoded > at ? encoded + 2 : at;
    // After a letter that is not ASCII a number may begin, so such a domain is not shown.
    std::string_view domain = found.substr(host, longest_domain);
    if (!std::all_of(domain.begin(), domain.end(), [](char c) { return HasClass(c, joint_letter); }))
        domain = {};
    out[3] = '@';
    std::copy(domain.begin(), domain.end(), out + 4);
    return 4 + domain.size();
}

std::size_t MaskNumber(std::string_view found, char (&out)[mask_room]) noexcept
{
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

} // namespace

Detection Detect(std::string_view text, std::size_t from, std::size_t until, const Detectors &wanted) noexcept
{
    // An address or URI may begin before `until` but show itself only after it.
    const std::size_t limit = std::min(text.size(), until + longest_local + 8);
    const bool numbers = wanted.numbers();
    const auto next = [text, limit](std::size_t i) {
        return FindLetter(text, i, limit, detector_letters, trigger_letter);
    };
    for (std::size_t i = next(from), last; i < limit; i = next(last + 1)) {
        Detection found = no_detection;
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
            return found.begin < until ? found : no_detection;
    }
    return no_detection;
}

std::optional<Detector> DetectDigits(std::string_view digits, std::string_view name,
                                     const Detectors &wanted) noexcept
{
    if (wanted.wants(Detector::phone) && IsPhoneByName(digits, name))
        return Detector::phone;
    if (digits.size() < fewest_digits || digits.size() > longest_card ||
        !std::all_of(digits.begin(), digits.end(), IsAsciiDigit))
        return std::nullopt;
    if (wanted.wants(Detector::card) && IsCardByName(digits, name))
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
    return what == Detector::email ? MaskEmail(found, out) : MaskNumber(found, out);
}

} // namespace callhardening
