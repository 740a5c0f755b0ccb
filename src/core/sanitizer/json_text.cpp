#include "core/sanitizer/json_text.hpp"

#include "core/base/text.hpp"
#include "core/json/json_scan.hpp"
#include "core/json/number.hpp"

#include <nlohmann/json.hpp>

#include <iterator>

namespace callhardening
{

namespace
{

using Json = nlohmann::json;

// The parser sees brackets, colons and commas as they are. A string, number or literal is scanned here,
// several bytes at a time, and stands in as the shortest token that is read without looking at the byte
// behind it: an empty string. Its event asks for what stood there. Two things it does not see at all: what is
// inside of containers that the sanitizer skips, and members with such a value that follow on a name.
template <typename Sink>
class TextFeed
{
public:
    TextFeed(std::string_view text, Sink &sink, const volatile std::sig_atomic_t *interrupt) noexcept
        : scan_(text, interrupt), sink_(sink)
    {
    }

    TextVerdict Verdict(bool parsed) const noexcept
    {
        // First, since a string may have been cut then.
        if (scan_.Interrupted())
            return TextVerdict::interrupted;
        return parsed && scan_.Complete() ? TextVerdict::done : TextVerdict::doubt;
    }

    // The bytes for the parser, as Bytes reads them.
    bool AtEnd() noexcept { return pending_.empty() && !Refill(); }
    char Current() const noexcept { return pending_.front(); }
    void Advance() noexcept { pending_.remove_prefix(1); }

    // The events of the parser.
    bool key(Json::string_t &)
    {
        if (scalar_ != Scalar::string)
            return false;
        ReportName();
        return ReadMembers();
    }
    bool string(Json::string_t &)
    {
        Report();
        return PassItems();
    }
    bool start_object(std::size_t) { return Begin(true); }
    bool start_array(std::size_t) { return Begin(false); }
    bool end_object() { return End(true); }
    bool end_array() { return End(false); }

    bool null() { return true; } // ends what ReadMembers has read

    // These it never has.
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
            pending_ = {scan_.Take(), 1};
            return true;
        case '\0':
            return false;
        default:
            pending_ = "\"\"";
            return ReadScalar();
        }
    }

    // Behind a name: reads this member and the next ones, up to the first that is a container. The rest of
    // the last one is left to the parser.
    bool ReadMembers() noexcept
    {
        while (scan_.Peek() == ':' && !scan_.Interrupted()) {
            scan_.Take();
            if (scan_.Peek() == '{' || scan_.Peek() == '[') {
                pending_ = ":";
                return true;
            }
            if (!ReadScalar())
                return false;
            Report();
            if (scan_.Peek() != ',') {
                pending_ = ":null";
                return true;
            }
            scan_.Take();
            if (scan_.Peek() != '"' || !scan_.ReadString(string_))
                return false;
            ReportName();
        }
        return false;
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
            sink_.String(Text());
            break;
        case Scalar::number:
            ReportNumber();
            break;
        case Scalar::null_literal:
            sink_.Null();
            break;
        default:
            sink_.Boolean(scalar_ == Scalar::true_literal);
        }
    }

    void ReportNumber() noexcept
    {
        char room[longest_number];
        const PrintedNumber printed = PrintNumber(number_, room);
        if (printed.length > longest_number)
            sink_.LongNumber(printed.length);
        else
            sink_.Number(printed.text.data() == room ? sink_.arena().Copy(printed.text) : printed.text);
    }

    std::string_view Text() noexcept
    {
        if (!string_.escaped)
            return string_.text;
        char *text = sink_.arena().AllocateText(string_.text.size());
        if (text == nullptr)
            return {};
        return {text, Unescape(string_.text, text, scan_.interrupt())};
    }

    bool Begin(bool object) noexcept
    {
        if (++depth_ > deepest_json)
            return false;
        const bool empty = scan_.Peek() == (object ? '}' : ']');
        const std::size_t count = empty ? 0 : Sanitizer::unknown_count;
        skipped_ = (object ? sink_.BeginObject(count) : sink_.BeginArray(count)) == Walk::skip;
        std::size_t items = 0;
        if (skipped_)
            return object ? scan_.SkipMembers(depth_) : scan_.SkipItems(depth_, items);
        if (object || !sink_.IsFull())
            return true;
        const bool passed = scan_.SkipItems(depth_, items);
        sink_.PassItems(items);
        return passed;
    }

    bool End(bool object) noexcept
    {
        --depth_;
        if (!skipped_ && object)
            sink_.EndObject();
        else if (!skipped_)
            sink_.EndArray();
        skipped_ = false;
        return PassItems();
    }

    // Behind a value. The array around a text in a string is no business of the text.
    bool PassItems() noexcept
    {
        if (depth_ == 0 || !sink_.IsFull())
            return true;
        std::size_t items = 0;
        const bool passed = scan_.SkipMoreItems(depth_, items);
        sink_.PassItems(items);
        return passed;
    }

    void ReportName() noexcept { sink_.Key(Text()); }

    JsonScanner scan_;
    Sink &sink_;
    std::string_view pending_; // what the parser has not read of the token at hand
    RawString string_{};
    std::string_view number_;
    std::size_t depth_ = 0;
    Scalar scalar_ = Scalar::null_literal;
    bool skipped_ = false; // the container that ends next
};

// Copies of it read on together, as those of an input iterator do. Without a feed: the end.
template <typename Sink>
class Bytes
{
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char *;
    using reference = char;

    Bytes() = default;
    explicit Bytes(TextFeed<Sink> &feed) noexcept : feed_(&feed) {}

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
    TextFeed<Sink> *feed_ = nullptr;
};

} // namespace

namespace
{

template <typename Sink>
TextVerdict Feed(std::string_view text, Sink &sink, const volatile std::sig_atomic_t *interrupt) noexcept
{
    try {
        TextFeed<Sink> feed(text, sink, interrupt);
        return feed.Verdict(Json::sax_parse(Bytes<Sink>(feed), Bytes<Sink>(), &feed));
    } catch (...) {
        return TextVerdict::out_of_memory; // the parser reports its errors by events
    }
}

} // namespace

TextVerdict FeedText(std::string_view text, Sanitizer &sanitizer,
                     const volatile std::sig_atomic_t *interrupt) noexcept
{
    return Feed(text, sanitizer, interrupt);
}

TextVerdict FeedEmbeddedText(std::string_view text, Sanitizer &sanitizer) noexcept
{
    return Feed(text, sanitizer, nullptr);
}

TextVerdict FeedEmbeddedText(std::string_view text, DocumentTokens &document) noexcept
{
    return Feed(text, document, nullptr);
}

bool LooksLikeJson(std::string_view text) noexcept
{
    while (!text.empty() && IsAsciiSpace(text.front()))
        text.remove_prefix(1);
    return !text.empty() && (text.front() == '{' || text.front() == '[' || text.front() == '"');
}

} // namespace callhardening
