#include "core/traffic/generate_people.hpp"

#include "core/traffic/generate_words.hpp"

#include <chrono>
#include <iterator>

namespace callhardening
{

std::string RandomLetters(Random &random, int length)
{
    constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    std::string token;
    for (int i = 0; i < length; ++i)
        token += letters[random.Below(sizeof letters - 1)];
    return token;
}

void AppendNumber(std::string &text, std::int64_t value, std::size_t digits)
{
    std::string number = std::to_string(value);
    text.append(digits > number.size() ? digits - number.size() : 0, '0');
    text += number;
}

ClockTime ClockTimeOf(std::int64_t milliseconds) noexcept
{
    const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(milliseconds)};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const auto seconds = static_cast<int>(std::chrono::floor<std::chrono::seconds>(time - day).count());
    return {static_cast<int>(date.year()),
            static_cast<int>(static_cast<unsigned>(date.month())),
            static_cast<int>(static_cast<unsigned>(date.day())),
            static_cast<int>(std::chrono::weekday(day).c_encoding()),
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60};
}

void AppendIsoTime(std::string &text, std::int64_t milliseconds)
{
    const ClockTime time = ClockTimeOf(milliseconds);
    const int parts[] = {time.year, time.month, time.day, time.hour, time.minute, time.second};
    constexpr char ends[] = "--T::Z";
    for (int i = 0; i < 6; ++i) {
        AppendNumber(text, parts[i], i == 0 ? 4 : 2);
        text += ends[i];
    }
}

// -- people ------------------------------------------------------------------------------------------------

std::string PhoneOfContact(std::uint32_t contact)
{
    std::string phone;
    if (contact >= us_contacts) {
        phone = "+442079460";
        AppendNumber(phone, contact - us_contacts, 3);
        return phone;
    }
    phone = "+1";
    phone += us_area_codes[contact / 100];
    phone += "55501";
    AppendNumber(phone, contact % 100, 2);
    return phone;
}

std::string PhoneOfParty(Party party)
{
    constexpr std::uint32_t first[] = {0, 0, 60, 70, 80}; // by kind
    std::string phone = "+1";
    phone += company_area_code;
    phone += "55501";
    AppendNumber(phone, first[static_cast<int>(party.kind)] + party.number, 2);
    return phone;
}

std::int64_t IdOf(std::uint64_t kind, std::uint32_t number)
{
    return static_cast<std::int64_t>(std::uint64_t{1} << 52 | DeriveSeed(kind, number) >> 12);
}
std::int64_t IdOf(Party party)
{
    return IdOf(static_cast<std::uint64_t>(party.kind), party.number);
}

std::string NameOfPerson(std::uint32_t number)
{
    std::string name(first_names[number % std::size(first_names)]);
    name += ' ';
    name += last_names[(number * 7 + number / 30) % std::size(last_names)];
    return name;
}

std::string NameOf(Party party)
{
    switch (party.kind) {
    case PartyKind::callcenter:
        return std::string(callcenter_names[party.number]);
    case PartyKind::department:
        return std::string(department_names[party.number]);
    case PartyKind::office:
        return std::string(office_name);
    case PartyKind::user:
    case PartyKind::none:
        break;
    }
    return NameOfPerson(party.number);
}

std::string EmailOf(Party party)
{
    if (party.kind != PartyKind::user)
        return {};
    std::string address = "agent";
    AppendNumber(address, party.number, 2);
    return address + "@example.com";
}

// -- what is said and sent ---------------------------------------------------------------------------------

void AppendSentence(std::string &text, Random &random)
{
    text += Pick(openings, random);
    text += ' ';
    text += Pick(subjects, random);
    text += ' ';
    text += Pick(predicates, random);
    text += ". ";
}

void AppendPersonalDetail(std::string &text, Random &random)
{
    if (random.Chance(5000)) {
        text += "My number is ";
        text += PhoneOfContact(random.Below(contact_count));
    } else {
        text += "You can write to customer";
        text += std::to_string(random.Below(contact_count));
        text += "@example.com";
    }
    text += ". ";
}

std::string Speech(std::uint64_t seed, std::size_t bytes)
{
    Random random(seed);
    std::string text;
    text.reserve(bytes + 200);
    while (text.size() < bytes) {
        AppendSentence(text, random);
        if (random.Chance(150))
            AppendPersonalDetail(text, random);
    }
    return text;
}

} // namespace callhardening
