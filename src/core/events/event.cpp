#include "core/events/event.hpp"

#include "core/base/text.hpp"

#include <charconv>
#include <chrono>
#include <cmath>

namespace callhardening
{

namespace
{

constexpr Place in_call(Field field, Reading reading, std::string_view name, std::string_view member = {})
{
    return {field, reading, Origin::call, {name, member}};
}

constexpr Place beside_call(Field field, Reading reading, std::string_view name, std::string_view member = {})
{
    return {field, reading, Origin::beside_call, {name, member}};
}

constexpr Place at_root(Field field, Reading reading, std::string_view name)
{
    return {field, reading, Origin::root, {name, {}}};
}

// Dialpad's call events. At the top level only `call_id` names the call: an `id` there may be anything's.
// Durations are milliseconds; `talk_time` is the reliable one, the other includes the time in the menu.
constexpr Place dialpad_places[] = {
    in_call(Field::call_id, Reading::id, "call_id"),
    in_call(Field::state, Reading::text, "state"),
    in_call(Field::state, Reading::text, "event_type"),
    at_root(Field::state, Reading::text, "event_type"),
    in_call(Field::event_time, Reading::time, "event_timestamp"),
    in_call(Field::direction, Reading::text, "direction"),
    in_call(Field::external_number, Reading::text, "external_number"),
    in_call(Field::internal_number, Reading::text, "internal_number"),
    in_call(Field::from_number, Reading::text, "from"),
    in_call(Field::to_number, Reading::text, "to"),
    in_call(Field::user_id, Reading::reference, "target", "id"),
    in_call(Field::user_id, Reading::reference, "user_id"),
    in_call(Field::user_type, Reading::text, "target", "type"),
    in_call(Field::started_at, Reading::time, "date_started"),
    in_call(Field::started_at, Reading::time, "started_at"),
    in_call(Field::connected_at, Reading::time, "date_connected"),
    in_call(Field::ended_at, Reading::time, "date_ended"),
    in_call(Field::talk_time, Reading::milliseconds, "talk_time"),
    in_call(Field::duration, Reading::milliseconds, "duration"),
    in_call(Field::recording_url, Reading::text, "recording_url"),
    in_call(Field::recording_url, Reading::text, "recording_details", "url"),
    in_call(Field::recording_url, Reading::text, "admin_recording_urls"),
    in_call(Field::recording_type, Reading::text, "recording_details", "recording_type"),
    in_call(Field::voicemail_url, Reading::text, "voicemail_link"),
    in_call(Field::was_recorded, Reading::flag, "was_recorded"),
    in_call(Field::is_transferred, Reading::flag, "is_transferred"),
    in_call(Field::master_call_id, Reading::reference, "master_call_id"),
    in_call(Field::entry_point_call_id, Reading::reference, "entry_point_call_id"),
    in_call(Field::operator_call_id, Reading::reference, "operator_call_id"),
};

// The call as integrations send it: under `call` or `data.call`, or flat with these names. It has Dialpad's
// names or their own. Durations are seconds.
constexpr Place integration_places[] = {
    in_call(Field::call_id, Reading::id, "call_id"),
    in_call(Field::state, Reading::text, "state"),
    in_call(Field::state, Reading::text, "status"),
    beside_call(Field::state, Reading::text, "event_type"),
    beside_call(Field::state, Reading::text, "event"),
    at_root(Field::state, Reading::text, "event_type"),
    at_root(Field::state, Reading::text, "event"),
    in_call(Field::event_time, Reading::time, "event_timestamp"),
    at_root(Field::event_time, Reading::time, "event_timestamp"),
    at_root(Field::event_time, Reading::time, "timestamp"),
    in_call(Field::direction, Reading::text, "direction"),
    in_call(Field::external_number, Reading::text, "external_number"),
    in_call(Field::internal_number, Reading::text, "internal_number"),
    in_call(Field::from_number, Reading::text, "from"),
    in_call(Field::from_number, Reading::text, "from_number"),
    in_call(Field::from_number, Reading::text, "caller"),
    in_call(Field::from_number, Reading::text, "caller", "number"),
    in_call(Field::from_number, Reading::text, "caller", "phone_number"),
    in_call(Field::to_number, Reading::text, "to"),
    in_call(Field::to_number, Reading::text, "to_number"),
    in_call(Field::to_number, Reading::text, "callee"),
    in_call(Field::to_number, Reading::text, "callee", "number"),
    in_call(Field::to_number, Reading::text, "callee", "phone_number"),
    in_call(Field::user_id, Reading::reference, "user_id"),
    in_call(Field::user_id, Reading::reference, "owner", "id"),
    in_call(Field::user_type, Reading::text, "owner", "type"),
    in_call(Field::started_at, Reading::time, "started_at"),
    in_call(Field::started_at, Reading::time, "start_time"),
    in_call(Field::started_at, Reading::time, "date_started"),
    in_call(Field::started_at, Reading::time, "created_at"),
    in_call(Field::connected_at, Reading::time, "connected_at"),
    in_call(Field::connected_at, Reading::time, "answered_at"),
    in_call(Field::connected_at, Reading::time, "date_connected"),
    in_call(Field::ended_at, Reading::time, "ended_at"),
    in_call(Field::ended_at, Reading::time, "end_time"),
    in_call(Field::ended_at, Reading::time, "date_ended"),
    in_call(Field::duration, Reading::seconds, "duration"),
    in_call(Field::duration, Reading::seconds, "duration_seconds"),
    in_call(Field::recording_url, Reading::text, "recording_url"),
    in_call(Field::recording_url, Reading::text, "recording", "url"),
    in_call(Field::recording_url, Reading::text, "recording", "download_url"),
    in_call(Field::recording_url, Reading::text, "recordings", "url"),
    beside_call(Field::recording_url, Reading::text, "recording", "url"),
    beside_call(Field::recording_url, Reading::text, "recording", "download_url"),
    in_call(Field::recording_type, Reading::text, "recording", "type"),
    in_call(Field::voicemail_url, Reading::text, "voicemail_url"),
    in_call(Field::voicemail_url, Reading::text, "voicemail", "url"),
    in_call(Field::voicemail_url, Reading::text, "voicemail", "download_url"),
    beside_call(Field::voicemail_url, Reading::text, "voicemail", "url"),
    beside_call(Field::voicemail_url, Reading::text, "voicemail", "download_url"),
    in_call(Field::was_recorded, Reading::flag, "was_recorded"),
    in_call(Field::is_transferred, Reading::flag, "is_transferred"),
    in_call(Field::call_id, Reading::id, "id"), // the last one, see below
};

// At the top level an `id` may be anything's.
constexpr std::span<const Place> flat_places =
    std::span<const Place>(integration_places).first(std::size(integration_places) - 1);

// A recording or a voicemail that names its call. Its status and its duration are not those of the call.
constexpr Place recording_places[] = {
    in_call(Field::call_id, Reading::id, "call_id"),
    in_call(Field::call_id, Reading::id, "call", "id"),
    at_root(Field::state, Reading::text, "event_type"),
    at_root(Field::state, Reading::text, "event"),
    beside_call(Field::state, Reading::text, "event_type"),
    beside_call(Field::state, Reading::text, "event"),
    in_call(Field::event_time, Reading::time, "event_timestamp"),
    at_root(Field::event_time, Reading::time, "event_timestamp"),
    at_root(Field::event_time, Reading::time, "timestamp"),
    in_call(Field::event_time, Reading::time, "created_at"),
    in_call(Field::recording_url, Reading::text, "url"),
    in_call(Field::recording_url, Reading::text, "download_url"),
    in_call(Field::recording_url, Reading::text, "recording_url"),
    in_call(Field::recording_type, Reading::text, "type"),
    in_call(Field::recording_type, Reading::text, "recording_type"),
};

constexpr Place voicemail_places[] = {
    in_call(Field::call_id, Reading::id, "call_id"),
    in_call(Field::call_id, Reading::id, "call", "id"),
    at_root(Field::state, Reading::text, "event_type"),
    at_root(Field::state, Reading::text, "event"),
    beside_call(Field::state, Reading::text, "event_type"),
    beside_call(Field::state, Reading::text, "event"),
    in_call(Field::event_time, Reading::time, "event_timestamp"),
    at_root(Field::event_time, Reading::time, "event_timestamp"),
    at_root(Field::event_time, Reading::time, "timestamp"),
    in_call(Field::event_time, Reading::time, "created_at"),
    in_call(Field::direction, Reading::text, "direction"),
    in_call(Field::from_number, Reading::text, "from"),
    in_call(Field::from_number, Reading::text, "from_number"),
    in_call(Field::from_number, Reading::text, "caller"),
    in_call(Field::from_number, Reading::text, "caller", "number"),
    in_call(Field::to_number, Reading::text, "to"),
    in_call(Field::to_number, Reading::text, "to_number"),
    in_call(Field::to_number, Reading::text, "callee"),
    in_call(Field::to_number, Reading::text, "callee", "number"),
    in_call(Field::user_id, Reading::reference, "user_id"),
    in_call(Field::user_id, Reading::reference, "owner", "id"),
    in_call(Field::user_type, Reading::text, "owner", "type"),
    in_call(Field::voicemail_url, Reading::text, "url"),
    in_call(Field::voicemail_url, Reading::text, "download_url"),
    in_call(Field::voicemail_url, Reading::text, "voicemail_url"),
    in_call(Field::voicemail_url, Reading::text, "recording_url"),
};

// Names that tell who wrote a flat body. Dialpad's count before those of integrations.
constexpr std::string_view integration_names[] = {
    "from",       "to",        "user_id",     "started_at",    "start_time",  "ended_at",  "end_time",
    "created_at", "caller",    "callee",      "owner",         "from_number", "to_number", "duration_seconds",
    "recording",  "voicemail", "answered_at", "voicemail_url",
};
constexpr std::string_view dialpad_names[] = {
    "event_timestamp", "date_started", "date_connected",  "date_ended",
    "talk_time",       "target",       "external_number", "internal_number",
};

constexpr Shape dialpad_shapes[] = {
    {{}, dialpad_places, dialpad_names},
    {{}, flat_places, integration_names},
    {{}, dialpad_places},
    {{"call", {}}, integration_places},
    {{"data", "call"}, integration_places},
    {{"recording", {}}, recording_places},
    {{"data", "recording"}, recording_places},
    {{"voicemail", {}}, voicemail_places},
    {{"data", "voicemail"}, voicemail_places},
    {{"data", {}}, dialpad_places, dialpad_names},
    {{"data", {}}, flat_places, integration_names},
    {{"data", {}}, dialpad_places},
};

constexpr struct {
    std::string_view provider;
    std::span<const Shape> shapes;
} providers[] = {
    {"dialpad", dialpad_shapes},
};

std::string_view Trim(std::string_view text) noexcept
{
    while (!text.empty() && IsAsciiSpace(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && IsAsciiSpace(text.back()))
        text.remove_suffix(1);
    return text;
}

// 2.0 is 2: some languages know no other numbers.
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
    // What is longer is no number, no word and no link, whatever it is called.
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

// Rounded to whole seconds. A duration is never negative; one beyond a century is no duration of a call.
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

// Reads an ISO 8601 date and time from left to right.
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

    // Exactly `digits` digits, at most `most`; -1 otherwise.
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

    // The digits after the decimal point, as microseconds; what is finer is cut off.
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

std::optional<std::int64_t> ReadZone(TimeReader &reader) noexcept
{
    if (reader.AtEnd() || reader.Skip("Zz"))
        return 0;
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

std::optional<std::int64_t> ReadDay(TimeReader &reader) noexcept
{
    using namespace std::chrono;
    const int y = reader.Number(4, 9999);
    const bool dash = reader.Skip("-");
    const int m = reader.Number(2, 12);
    const bool second_dash = reader.Skip("-");
    const int d = reader.Number(2, 31);
    if (y < 1 || m < 1 || d < 1 || !dash || !second_dash)
        return std::nullopt;
    const year_month_day date{year{y}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d)}};
    if (!date.ok())
        return std::nullopt;
    return sys_days{date}.time_since_epoch().count() * std::int64_t{86400};
}

std::optional<std::int64_t> ParseIsoTime(std::string_view text) noexcept
{
    TimeReader reader(text);
    const auto day = ReadDay(reader);
    if (!day || !reader.Skip("Tt "))
        return std::nullopt;
    const int hour = reader.Number(2, 24);
    const bool colon = reader.Skip(":");
    const int minute = reader.Number(2, 59);
    const int second = reader.Skip(":") ? reader.Number(2, 60) : 0; // 60: a leap second is the next minute
    if (hour < 0 || !colon || minute < 0 || second < 0)
        return std::nullopt;
    const std::int64_t fraction = reader.Skip(".,") ? reader.Fraction() : 0;
    reader.Skip(" ");
    const auto zone = ReadZone(reader);
    if (!zone || !reader.AtEnd())
        return std::nullopt;
    const std::int64_t seconds = *day + hour * 3600 + minute * 60 + second - *zone;
    if (seconds < first_second || seconds > last_second)
        return std::nullopt;
    return seconds * microseconds_per_second + fraction;
}

std::optional<std::int64_t> ParseEpochTime(double number) noexcept
{
    constexpr double milliseconds_from = 1e11;
    const double seconds = number > milliseconds_from ? number / 1000 : number;
    if (seconds < 0 || seconds > static_cast<double>(last_second))
        return std::nullopt;
    return std::llround(seconds * microseconds_per_second);
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

std::span<const Shape> EventShapes(std::string_view provider) noexcept
{
    for (const auto &row : providers)
        if (EqualFolded(row.provider, provider))
            return row.shapes;
    return {};
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
    case Reading::milliseconds:
        return ReadDuration(value, 1000);
    case Reading::seconds:
        return ReadDuration(value, 1);
    case Reading::flag:
        return ReadFlag(value);
    }
    return {};
}

std::optional<std::int64_t> ParseTime(std::string_view text) noexcept
{
    text = Trim(text);
    const auto number = ParseNumber(text);
    const auto time = number ? ParseEpochTime(*number) : ParseIsoTime(text);
    const bool is_none = time && (*time == 0 || *time == first_second * microseconds_per_second);
    return is_none ? std::nullopt : time;
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
