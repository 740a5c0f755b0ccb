#include "core/events/event.hpp"

#include "core/base/text.hpp"

#include <charconv>
#include <chrono>
#include <cmath>
#include <iterator>

namespace callhardening
{

namespace
{

// In the order of Field.
constexpr FieldFacts field_facts[] = {
    {"call_id", Reading::id},
    {"state", Reading::text},
    {"event_time", Reading::time},
    {"direction", Reading::text},
    {"external_number", Reading::text},
    {"internal_number", Reading::text},
    {"from_number", Reading::text},
    {"to_number", Reading::text},
    {"user_id", Reading::reference},
    {"user_type", Reading::text},
    {"started_at", Reading::time},
    {"connected_at", Reading::time},
    {"ended_at", Reading::time},
    {"talk_time", Reading::seconds},
    {"duration", Reading::seconds},
    {"recording_url", Reading::text},
    {"recording_type", Reading::text},
    {"voicemail_url", Reading::text},
    {"was_recorded", Reading::flag},
    {"is_transferred", Reading::flag},
    {"master_call_id", Reading::reference},
    {"entry_point_call_id", Reading::reference},
    {"operator_call_id", Reading::reference},
    {"event_id", Reading::id},
    {"sequence", Reading::id},
};
static_assert(std::size(field_facts) == field_count);

std::string_view Trim(std::string_view text) noexcept
{
    while (!text.empty() && IsAsciiSpace(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && IsAsciiSpace(text.back()))
        text.remove_suffix(1);
    return text;
}

// 2.0 is 2: some languages have only floating-point numbers.
std::string_view WithoutZeroFraction(std::string_view number) noexcept
{
    const std::size_t point = number.find('.');
    if (point == std::string_view::npos || point + 1 == number.size() ||
        number.find_first_not_of('0', point + 1) != std::string_view::npos)
        return number;
    return number.substr(0, point);
}

FieldValue ReadText(const JsonScalar &value) noexcept
{
    // No longer text is a number, a word or a link.
    constexpr std::size_t longest_text = 8192;
    if (value.kind == JsonScalar::Kind::boolean || value.text.size() > longest_text ||
        Trim(value.text).empty())
        return {};
    return {true, 0, value.text};
}

FieldValue ReadId(const JsonScalar &value) noexcept
{
    FieldValue id = ReadText(value);
    if (value.kind == JsonScalar::Kind::number)
        id.text = WithoutZeroFraction(id.text);
    return id;
}

FieldValue ReadReference(const JsonScalar &value) noexcept
{
    const FieldValue id = ReadId(value);
    return Trim(id.text) == "0" ? FieldValue{} : id;
}

FieldValue ReadTime(const JsonScalar &value) noexcept
{
    const auto time = ParseTime(value.text);
    return time ? FieldValue{true, *time, {}} : FieldValue{};
}

std::optional<double> ParseNumber(std::string_view text) noexcept
{
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(number))
        return std::nullopt;
    return number;
}

// Rounded to whole seconds. A duration is never negative. More than a century is no duration of a call.
FieldValue ReadDuration(const JsonScalar &value, double per_second) noexcept
{
    constexpr double longest = 100.0 * 366 * 24 * 3600;
    const auto number = ParseNumber(value.text);
    if (!number || *number < 0 || *number / per_second > longest)
        return {};
    return {true, std::llround(*number / per_second), {}};
}

FieldValue ReadFlag(const JsonScalar &value) noexcept
{
    if (value.kind == JsonScalar::Kind::boolean)
        return {true, value.boolean, {}};
    if (EqualFolded(value.text, "true") || value.text == "1")
        return {true, 1, {}};
    if (EqualFolded(value.text, "false") || value.text == "0")
        return {true, 0, {}};
    return {};
}

// Reads a date and time from left to right.
class TimeReader
{
public:
    explicit TimeReader(std::string_view text) noexcept : rest_(text) {}

    bool AtEnd() const noexcept { return rest_.empty(); }

    bool Skip(std::string_view any_of) noexcept
    {
        if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos)
            return false;
        rest_.remove_prefix(1);
        return true;
    }

    // Exactly `digits` digits, at most `most`. -1 otherwise.
    int Number(std::size_t digits, int most) noexcept
    {
        if (rest_.size() < digits)
            return -1;
        int number = 0;
        for (std::size_t i = 0; i < digits; ++i) {
            if (!IsAsciiDigit(rest_[i]))
                return -1;
            number = number * 10 + (rest_[i] - '0');
        }
        rest_.remove_prefix(digits);
        return number <= most ? number : -1;
    }

    std::string_view Letters() noexcept
    {
        const std::size_t end = RunEnd(rest_, 0, IsAsciiLetter);
        const std::string_view letters = rest_.substr(0, end);
        rest_.remove_prefix(end);
        return letters;
    }

    // The name of a zone, as in "Etc/UTC".
    std::string_view ZoneName() noexcept
    {
        const std::size_t end = RunEnd(rest_, 0, [](char c) { return IsAsciiLetter(c) || c == '/'; });
        const std::string_view name = rest_.substr(0, end);
        rest_.remove_prefix(end);
        return name;
    }

    bool IsAtDigits(std::size_t digits) const noexcept
    {
        return rest_.size() >= digits && RunEnd(rest_, 0, IsAsciiDigit) >= digits;
    }

    // The digits after the decimal point, as microseconds. Finer digits are cut off.
    std::int64_t Fraction() noexcept
    {
        std::int64_t microseconds = 0, unit = 100000;
        while (!rest_.empty() && IsAsciiDigit(rest_.front())) {
            microseconds += (rest_.front() - '0') * unit;
            unit /= 10;
            rest_.remove_prefix(1);
        }
        return microseconds;
    }

private:
    std::string_view rest_;
};

constexpr std::int64_t microseconds_per_second = 1000000;
constexpr std::int64_t first_second = -62135596800, last_second = 253402300799; // of the years 1 and 9999

// Seconds east of Greenwich. Hours and minutes, with or without a colon, or hours alone.
std::optional<std::int64_t> ReadOffset(TimeReader &reader) noexcept
{
    const bool east = reader.Skip("+");
    if (!east && !reader.Skip("-"))
        return std::nullopt;
    const int hours = reader.Number(2, 15);
    const bool has_minutes = reader.Skip(":") || !reader.AtEnd();
    const int minutes = has_minutes ? reader.Number(2, 59) : 0;
    if (hours < 0 || minutes < 0)
        return std::nullopt;
    const std::int64_t seconds = hours * 3600 + minutes * 60;
    return east ? seconds : -seconds;
}

// 0: there is no zone.
std::optional<std::int64_t> ReadZone(TimeReader &reader, bool *has_zone) noexcept
{
    *has_zone = !reader.AtEnd();
    if (reader.AtEnd() || reader.Skip("Zz"))
        return 0;
    return ReadOffset(reader);
}

// Seconds from the epoch to the beginning of the day.
std::optional<std::int64_t> SecondsOfDay(int y, int m, int d) noexcept
{
    using namespace std::chrono;
    if (y < 1 || m < 1 || d < 1)
        return std::nullopt;
    const year_month_day date{year{y}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d)}};
    if (!date.ok())
        return std::nullopt;
    return sys_days{date}.time_since_epoch().count() * std::int64_t{86400};
}

std::optional<std::int64_t> ReadDay(TimeReader &reader) noexcept
{
    const int y = reader.Number(4, 9999);
    const bool dash = reader.Skip("-");
    const int m = reader.Number(2, 12);
    const bool second_dash = reader.Skip("-");
    const int d = reader.Number(2, 31);
    return dash && second_dash ? SecondsOfDay(y, m, d) : std::nullopt;
}

struct Clock {
    std::int64_t seconds;  // since midnight
    std::int64_t fraction; // microseconds
};

std::optional<Clock> ReadClock(TimeReader &reader) noexcept
{
    const int hour = reader.Number(2, 24);
    const bool colon = reader.Skip(":");
    const int minute = reader.Number(2, 59);
    const int second = reader.Skip(":") ? reader.Number(2, 60) : 0; // 60: a leap second is the next minute
    if (hour < 0 || !colon || minute < 0 || second < 0)
        return std::nullopt;
    return Clock{hour * 3600 + minute * 60 + second, reader.Skip(".,") ? reader.Fraction() : 0};
}

std::optional<WrittenTime> Together(std::int64_t day, const Clock &clock, std::int64_t offset,
                                    bool has_zone) noexcept
{
    const std::int64_t seconds = day + clock.seconds - offset;
    if (seconds < first_second || seconds > last_second)
        return std::nullopt;
    return WrittenTime{seconds * microseconds_per_second + clock.fraction, has_zone};
}

std::optional<WrittenTime> ParseIsoTime(std::string_view text) noexcept
{
    TimeReader reader(text);
    const auto day = ReadDay(reader);
    if (!day || !reader.Skip("Tt "))
        return std::nullopt;
    const auto clock = ReadClock(reader);
    if (!clock)
        return std::nullopt;
    reader.Skip(" ");
    bool has_zone;
    const auto offset = ReadZone(reader, &has_zone);
    if (!offset || !reader.AtEnd())
        return std::nullopt;
    return Together(*day, *clock, *offset, has_zone);
}

// The number of a month by its first three letters: some senders write "Sept". 0: no month.
int MonthOf(std::string_view name) noexcept
{
    constexpr std::string_view months[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                           "jul", "aug", "sep", "oct", "nov", "dec"};
    for (std::size_t i = 0; i < std::size(months); ++i)
        if (name.size() >= 3 && EqualFolded(name.substr(0, 3), months[i]))
            return static_cast<int>(i) + 1;
    return 0;
}

// "25 Mar 2018", with or without the day of the week before it.
std::optional<std::int64_t> ReadMailDay(TimeReader &reader) noexcept
{
    if (!reader.Letters().empty() && (!reader.Skip(",") || !reader.Skip(" ")))
        return std::nullopt;
    const int d = reader.Number(reader.IsAtDigits(2) ? 2 : 1, 31);
    const bool space = reader.Skip(" ");
    const int m = MonthOf(reader.Letters());
    const bool second_space = reader.Skip(" ");
    const int y = reader.Number(4, 9999);
    return space && second_space ? SecondsOfDay(y, m, d) : std::nullopt;
}

// RFC 2822, as in mail: "Sun, 25 Mar 2018 09:53:19 +0000".
std::optional<WrittenTime> ParseMailTime(std::string_view text) noexcept
{
    TimeReader reader(text);
    const auto day = ReadMailDay(reader);
    if (!day || !reader.Skip(" "))
        return std::nullopt;
    const auto clock = ReadClock(reader);
    if (!clock)
        return std::nullopt;
    reader.Skip(" ");
    bool has_zone = true;
    std::string_view name = reader.ZoneName();
    if (name.starts_with("Etc/"))
        name.remove_prefix(4);
    if (!name.empty() && !EqualFolded(name, "gmt") && !EqualFolded(name, "utc") && !EqualFolded(name, "z"))
        return std::nullopt;
    const auto offset = name.empty() ? ReadZone(reader, &has_zone) : 0;
    if (!offset || !reader.AtEnd())
        return std::nullopt;
    return Together(*day, *clock, *offset, has_zone);
}

std::optional<WrittenTime> ParseEpochTime(double number, double per_second) noexcept
{
    const double seconds = number / per_second;
    if (seconds < 0 || seconds > static_cast<double>(last_second))
        return std::nullopt;
    return WrittenTime{std::llround(seconds * microseconds_per_second), true};
}

FieldValue ReadMicroseconds(const JsonScalar &value) noexcept
{
    const auto number = ParseNumber(Trim(value.text));
    const auto time = number ? ParseEpochTime(*number, microseconds_per_second) : std::nullopt;
    return time && time->time != 0 ? FieldValue{true, time->time, {}} : FieldValue{};
}

template <typename Integer>
bool Holds(std::string_view digits) noexcept
{
    Integer value;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc{} && end == digits.data() + digits.size();
}

bool KeyHolds(KeyKind key, std::string_view digits) noexcept
{
    switch (key) {
    case KeyKind::integer2:
        return Holds<std::int16_t>(digits);
    case KeyKind::integer4:
        return Holds<std::int32_t>(digits);
    case KeyKind::integer8:
        return Holds<std::int64_t>(digits);
    case KeyKind::text:
        break;
    }
    return true;
}

} // namespace

const FieldFacts &FactsOf(Field field) noexcept
{
    return field_facts[static_cast<std::size_t>(field)];
}

FieldValue ReadField(Reading reading, const JsonScalar &value) noexcept
{
    if (value.kind == JsonScalar::Kind::absent)
        return {};
    switch (reading) {
    case Reading::text:
        return ReadText(value);
    case Reading::id:
        return ReadId(value);
    case Reading::reference:
        return ReadReference(value);
    case Reading::time:
        return ReadTime(value);
    case Reading::microseconds:
        return ReadMicroseconds(value);
    case Reading::milliseconds:
        return ReadDuration(value, 1000);
    case Reading::seconds:
        return ReadDuration(value, 1);
    case Reading::flag:
        return ReadFlag(value);
    }
    return {};
}

std::optional<WrittenTime> ReadWrittenTime(std::string_view text) noexcept
{
    constexpr double milliseconds_from = 1e11;
    text = Trim(text);
    std::optional<WrittenTime> time;
    if (const auto number = ParseNumber(text))
        time = ParseEpochTime(*number, *number > milliseconds_from ? 1000 : 1);
    else if (time = ParseIsoTime(text); !time)
        time = ParseMailTime(text);
    const bool is_none = time && (time->time == 0 || time->time == first_second * microseconds_per_second);
    return is_none ? std::nullopt : time;
}

std::optional<std::int64_t> ParseTime(std::string_view text) noexcept
{
    const auto time = ReadWrittenTime(text);
    return time ? std::optional(time->time) : std::nullopt;
}

std::optional<std::int64_t> ParseOffset(std::string_view text) noexcept
{
    TimeReader reader(text);
    if (reader.Skip("Zz"))
        return reader.AtEnd() ? std::optional<std::int64_t>(0) : std::nullopt;
    const auto offset = ReadOffset(reader);
    return reader.AtEnd() ? offset : std::nullopt;
}

KeyKind KeyKindOf(std::string_view type_name) noexcept
{
    if (type_name == "bigint")
        return KeyKind::integer8;
    if (type_name == "integer")
        return KeyKind::integer4;
    return type_name == "smallint" ? KeyKind::integer2 : KeyKind::text;
}

std::string_view CanonicalCallId(std::string_view id, KeyKind key) noexcept
{
    id = Trim(id);
    if (key == KeyKind::text)
        return id;
    id = WithoutZeroFraction(id);
    while (id.size() > 1 && id.front() == '0')
        id.remove_prefix(1);
    const bool has_other_spelling = id == "-0" || (id.size() > 1 && id.front() == '-' && id[1] == '0');
    return !has_other_spelling && KeyHolds(key, id) ? id : std::string_view{};
}

} // namespace callhardening
