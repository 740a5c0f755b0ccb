#include "core/embedded_json.hpp"

#include "core/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>

namespace callhardening
{

namespace
{

using Json = nlohmann::json;

// A number as jsonb prints it, where that takes no more than longest_number bytes.
struct PrintedNumber {
    char text[longest_number + 1];
    std::size_t length; // more than longest_number: `text` is not filled
};

// The parts of a number's text; `point` is where the decimal point stands among the digits.
struct Digits {
    std::string text;
    long long point;
    bool negative;
};

Digits ReadDigits(std::string_view number)
{
    constexpr long long beyond = 1000000000;
    Digits digits{{}, 0, !number.empty() && number.front() == '-'};
    number.remove_prefix(digits.negative ? 1 : 0);
    const std::size_t e = std::min(number.find_first_of("eE"), number.size());
    const std::size_t dot = std::min(number.find('.'), e);
    digits.text.append(number.substr(0, dot));
    if (dot < e)
        digits.text.append(number.substr(dot + 1, e - dot - 1));
    long long exponent = 0;
    if (e < number.size()) {
        const bool plus = number[e + 1] == '+';
        const char *first = number.data() + e + 1 + (plus ? 1 : 0);
        if (std::from_chars(first, number.data() + number.size(), exponent).ec != std::errc{})
            exponent = *first == '-' ? -beyond : beyond;
    }
    digits.point = static_cast<long long>(dot) + std::clamp(exponent, -beyond, beyond);
    return digits;
}

PrintedNumber PrintNumber(std::string_view number)
{
    const Digits digits = ReadDigits(number);
    const auto count = static_cast<long long>(digits.text.size());
    const std::size_t first = std::min(digits.text.find_first_not_of('0'), digits.text.size());
    const bool zero = first == digits.text.size();
    const long long whole = zero ? 1 : std::max(1LL, digits.point - static_cast<long long>(first));
    const long long fraction = std::max(0LL, count - digits.point);
    PrintedNumber printed{};
    printed.length = static_cast<std::size_t>((digits.negative && !zero ? 1 : 0) + whole +
                                              (fraction > 0 ? fraction + 1 : 0));
    if (printed.length > longest_number)
        return printed;
    char *out = printed.text;
    if (digits.negative && !zero)
        *out++ = '-';
    for (long long i = digits.point - whole; i < digits.point + fraction; ++i) {
        if (i == digits.point)
            *out++ = '.';
        *out++ = i >= 0 && i < count ? digits.text[static_cast<std::size_t>(i)] : '0';
    }
    return printed;
}

// Strings of the parser are gone after the event, so what the sanitizer may refer to is copied before.
class Reader : public nlohmann::json_sax<Json>
{
public:
    explicit Reader(Sanitizer &sanitizer) : sanitizer_(sanitizer) {}

    bool null() override
    {
        return Scalar([this] { sanitizer_.Null(); });
    }
    bool boolean(bool value) override
    {
        return Scalar([this, value] { sanitizer_.Boolean(value); });
    }
    bool number_integer(number_integer_t value) override { return Printed(std::to_string(value)); }
    bool number_unsigned(number_unsigned_t value) override { return Printed(std::to_string(value)); }
    bool number_float(number_float_t, const string_t &text) override { return Printed(text); }
    bool binary(binary_t &) override { return false; }
    bool string(string_t &text) override
    {
        if (text.find('\0') != string_t::npos) // \u0000, which no jsonb can hold
            return false;
        return Scalar([this, &text] { sanitizer_.String(Keep(text)); });
    }
    bool key(string_t &text) override
    {
        if (text.find('\0') != string_t::npos)
            return false;
        return Scalar([this, &text] { sanitizer_.Key(Keep(text)); });
    }
    bool start_object(std::size_t) override { return Begin(true); }
    bool start_array(std::size_t) override { return Begin(false); }
    bool end_object() override { return End(true); }
    bool end_array() override { return End(false); }
    bool parse_error(std::size_t, const std::string &, const Json::exception &) override { return false; }

private:
    template <typename Report>
    bool Scalar(Report report)
    {
        Open(Sanitizer::unknown_count);
        if (skipped_ == 0)
            report();
        return true;
    }

    bool Printed(const std::string &text)
    {
        return Scalar([this, &text] {
            const PrintedNumber number = PrintNumber(text);
            if (number.length > longest_number)
                sanitizer_.LongNumber(number.length);
            else
                sanitizer_.Number(Keep({number.text, number.length}));
        });
    }

    // What is begun is reported with the event that follows, when it is known whether it is empty.
    bool Begin(bool object)
    {
        Open(Sanitizer::unknown_count);
        if (skipped_ > 0) {
            ++skipped_;
        } else {
            begun_ = true;
            begun_object_ = object;
        }
        return true;
    }

    void Open(std::size_t count)
    {
        if (!begun_)
            return;
        begun_ = false;
        if ((begun_object_ ? sanitizer_.BeginObject(count) : sanitizer_.BeginArray(count)) == Walk::skip)
            skipped_ = 1;
    }

    bool End(bool object)
    {
        Open(0);
        if (skipped_ > 0)
            --skipped_;
        else if (object)
            sanitizer_.EndObject();
        else
            sanitizer_.EndArray();
        return true;
    }

    std::string_view Keep(std::string_view text) { return sanitizer_.arena().Copy(text); }

    Sanitizer &sanitizer_;
    std::size_t skipped_ = 0; // containers that the sanitizer does not want to see
    bool begun_ = false;
    bool begun_object_ = false;
};

} // namespace

bool LooksLikeJson(std::string_view text) noexcept
{
    while (!text.empty() && IsAsciiSpace(text.front()))
        text.remove_prefix(1);
    return !text.empty() && (text.front() == '{' || text.front() == '[' || text.front() == '"');
}

bool EmbeddedJson::Feed(std::string_view text, Sanitizer &sanitizer) noexcept
{
    try {
        Reader reader(sanitizer);
        return Json::sax_parse(text.begin(), text.end(), &reader);
    } catch (...) {
        sanitizer.arena().Fail(); // the parser reports its errors by events: this is memory
        return false;
    }
}

} // namespace callhardening
