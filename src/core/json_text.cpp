#include "core/json_text.hpp"

#include "core/json_scan.hpp"
#include "core/number.hpp"
#include "core/text.hpp"

#include <nlohmann/json.hpp>

#include <iterator>

namespace callhardening
{

namespace
{

using Json = nlohmann::json;

// The parser sees the brackets, colons and commas of the document, and for every string, number and literal
// the shortest token that it can read without looking at the byte behind: an empty string. What stands there
// is scanned here, several bytes at a time, and the parser's events ask for it. So it checks the structure,
// and copies and converts nothing. Of what the sanitizer does not want to see it gets the brackets only.
class TextFeed
{
public:
    TextFeed(std::string_view text, Sanitizer &sanitizer,
             const volatile std::sig_atomic_t *interrupt) noexcept
        : scan_(text, interrupt), sanitizer_(sanitizer)
    {
    }

    TextVerdict Verdict(bool parsed) const noexcept
    {
        if (parsed && scan_.Complete())
            return TextVerdict::done;
        return scan_.Interrupted() ? TextVerdict::interrupted : TextVerdict::doubt;
    }

    // The bytes for the parser, as Bytes reads them.
    bool AtEnd() noexcept { return next_ == stop_ && !Refill(); }
    char Current() const noexcept { return *next_; }
    void Advance() noexcept { ++next_; }

    // The events of the parser.
    bool key(Json::string_t &)
    {
        if (scalar_ != Scalar::string)
            return false;
        sanitizer_.Key(Text());
        return true;
    }
    bool string(Json::string_t &)
    {
        Report();
        return true;
    }
    bool start_object(std::size_t) { return Begin(true); }
    bool start_array(std::size_t) { return Begin(false); }
    bool end_object() { return End(true); }
    bool end_array() { return End(false); }

    // These it never has: all scalars stand in as strings.
    bool null() { return false; }
    bool boolean(bool) { return false; }
    bool number_integer(Json::number_integer_t) { return false; }
    bool number_unsigned(Json::number_unsigned_t) { return false; }
    bool number_float(Json::number_float_t, const Json::string_t &) { return false; }
    bool binary(Json::binary_t &) { return false; }
    bool parse_error(std::size_t, const std::string &, const Json::exception &) { return false; }

private:
    enum class Scalar : unsigned char { string, number, true_literal, false_literal, null_literal };

    bool Refill() noexcept
    {
        if (scan_.Interrupted())
            return false;
        switch (scan_.Peek()) {
        case '{':
        case '[':
            scan_.CountValue();
            [[fallthrough]];
        case '}':
        case ']':
        case ':':
        case ',':
            next_ = scan_.Take();
            stop_ = next_ + 1;
            return true;
        case '\0':
            return false;
        default:
            next_ = stand_in.data();
            stop_ = next_ + stand_in.size();
            return ReadScalar();
        }
    }

    bool ReadScalar() noexcept
    {
        switch (scan_.Peek()) {
        case '"':
            scalar_ = Scalar::string;
            return scan_.ReadString(string_);
        case 't':
            scalar_ = Scalar::true_literal;
            return scan_.ReadLiteral("true");
        case 'f':
            scalar_ = Scalar::false_literal;
            return scan_.ReadLiteral("false");
        case 'n':
            scalar_ = Scalar::null_literal;
            return scan_.ReadLiteral("null");
        default:
            scalar_ = Scalar::number;
            return scan_.ReadNumber(number_);
        }
    }

    void Report() noexcept
    {
        switch (scalar_) {
        case Scalar::string:
            sanitizer_.String(Text());
            break;
        case Scalar::number:
            ReportNumber();
            break;
        case Scalar::null_literal:
            sanitizer_.Null();
            break;
        default:
            sanitizer_.Boolean(scalar_ == Scalar::true_literal);
        }
    }

    void ReportNumber() noexcept
    {
        char room[longest_number];
        const PrintedNumber printed = PrintNumber(number_, room);
        if (printed.length > longest_number)
            sanitizer_.LongNumber(printed.length);
        else
            sanitizer_.Number(printed.text.data() == room ? sanitizer_.arena().Copy(printed.text)
                                                          : printed.text);
    }

    std::string_view Text() noexcept
    {
        if (!string_.escaped)
            return string_.text;
        char *text = sanitizer_.arena().AllocateText(string_.text.size());
        return text == nullptr ? std::string_view{} : std::string_view{text, Unescape(string_.text, text)};
    }

    bool Begin(bool object) noexcept
    {
        if (++depth_ > deepest_json)
            return false;
        const bool empty = scan_.Peek() == (object ? '}' : ']');
        const std::size_t count = empty ? 0 : Sanitizer::unknown_count;
        skipped_ = (object ? sanitizer_.BeginObject(count) : sanitizer_.BeginArray(count)) == Walk::skip;
        return !skipped_ || (object ? scan_.SkipMembers(depth_) : scan_.SkipItems(depth_));
    }

    bool End(bool object) noexcept
    {
        --depth_;
        if (!skipped_ && object)
            sanitizer_.EndObject();
        else if (!skipped_)
            sanitizer_.EndArray();
        skipped_ = false;
        return true;
    }

    static constexpr std::string_view stand_in = "\"\"";

    JsonScanner scan_;
    Sanitizer &sanitizer_;
    const char *next_ = nullptr; // what the parser has not read of the token at hand
    const char *stop_ = nullptr;
    RawString string_{};
    std::string_view number_;
    std::size_t depth_ = 0;
    Scalar scalar_ = Scalar::null_literal;
    bool skipped_ = false; // the container that ends next
};

// Copies of it read on together, as those of an input iterator do. Without a feed: the end.
class Bytes
{
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char *;
    using reference = char;

    Bytes() = default;
    explicit Bytes(TextFeed &feed) noexcept : feed_(&feed) {}

    char operator*() const noexcept { return feed_->Current(); }
    Bytes &operator++() noexcept
    {
        feed_->Advance();
        return *this;
    }
    Bytes operator++(int) noexcept
    {
        feed_->Advance();
        return *this;
    }
    bool operator==(const Bytes &) const noexcept { return feed_ == nullptr || feed_->AtEnd(); }

private:
    TextFeed *feed_ = nullptr;
};

} // namespace

TextVerdict FeedText(std::string_view text, Sanitizer &sanitizer,
                     const volatile std::sig_atomic_t *interrupt) noexcept
{
    try {
        TextFeed feed(text, sanitizer, interrupt);
        return feed.Verdict(Json::sax_parse(Bytes(feed), Bytes(), &feed));
    } catch (...) {
        return TextVerdict::out_of_memory; // the parser reports its errors by events
    }
}

TextVerdict FeedEmbeddedText(std::string_view text, Sanitizer &sanitizer) noexcept
{
    return FeedText(text, sanitizer, nullptr);
}

bool LooksLikeJson(std::string_view text) noexcept
{
    while (!text.empty() && IsAsciiSpace(text.front()))
        text.remove_prefix(1);
    return !text.empty() && (text.front() == '{' || text.front() == '[' || text.front() == '"');
}

} // namespace callhardening
