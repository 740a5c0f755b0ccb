#include "core/sanitizer/json_text.hpp"

#include "core/base/text.hpp"
#include "core/json/json_scan.hpp"
#include "core/json/number.hpp"

namespace callhardening
{

namespace
{

// Reports the content of a text to a sink. It uses our scanner and not nlohmann's parser. The parser copies
// every string and number before it reports them, cannot skip unneeded parts, and stops at no interrupt. With
// an empty handler the parser takes 114,000 instructions for an ordinary event; scanner and sanitizer
// together take 83,000. Reading only brackets with a placeholder for each scalar, it added 9 % to these, and
// an input iterator to this file. The parser stays for documents that are kept (policies, graphs of statuses,
// signed headers). The tests use it too and compare the two.
template <typename Sink>
class TextReader
{
public:
    TextReader(std::string_view text, Sink &sink, const volatile std::sig_atomic_t *interrupt) noexcept
        : scanner_(text, interrupt), sink_(sink)
    {
    }

    TextVerdict Read() noexcept
    {
        const bool read = scanner_.Read(*this) && scanner_.Complete();
        // Checked first, since an interrupt may have cut a string.
        if (scanner_.Interrupted())
            return TextVerdict::interrupted;
        return read ? TextVerdict::done : TextVerdict::doubt;
    }

    bool Begin(bool object) noexcept
    {
        const std::size_t count = scanner_.IsEmptyContainer() ? 0 : Sanitizer::unknown_count;
        const Walk walk = object ? sink_.BeginObject(count) : sink_.BeginArray(count);
        return walk == Walk::enter || (scanner_.SkipContainer() && SkipItems());
    }
    bool End(bool object) noexcept
    {
        object ? sink_.EndObject() : sink_.EndArray();
        return SkipItems();
    }
    bool Name(const RawString &name) noexcept
    {
        sink_.Key(Resolve(name));
        return true;
    }
    bool String(const RawString &string) noexcept
    {
        sink_.String(Resolve(string));
        return SkipItems();
    }
    bool Number(std::string_view number) noexcept
    {
        char room[longest_number];
        const PrintedNumber printed = PrintNumber(number, room);
        if (printed.length > longest_number)
            sink_.LongNumber(printed.length);
        else
            sink_.Number(printed.text.data() == room ? sink_.arena().Copy(printed.text) : printed.text);
        return SkipItems();
    }
    bool Boolean(bool value) noexcept
    {
        sink_.Boolean(value);
        return SkipItems();
    }
    bool Null() noexcept
    {
        sink_.Null();
        return SkipItems();
    }

private:
    std::string_view Resolve(const RawString &string) noexcept
    {
        if (!string.escaped)
            return string.text;
        char *text = sink_.arena().AllocateText(string.text.size());
        if (text == nullptr)
            return {};
        return {text, Unescape(string.text, text, scanner_.interrupt())};
    }

    // After a value. At depth 0, IsFull would be about the array around a text in a string.
    bool SkipItems() noexcept
    {
        if (scanner_.depth() == 0 || !sink_.IsFull())
            return true;
        std::size_t items = 0;
        const bool skipped = scanner_.SkipItems(items);
        sink_.PassItems(items);
        return skipped;
    }

    JsonScanner scanner_;
    Sink &sink_;
};

} // namespace

TextVerdict FeedText(std::string_view text, Sanitizer &sanitizer,
                     const volatile std::sig_atomic_t *interrupt) noexcept
{
    return TextReader(text, sanitizer, interrupt).Read();
}

TextVerdict FeedEmbeddedText(std::string_view text, Sanitizer &sanitizer) noexcept
{
    return TextReader(text, sanitizer, nullptr).Read();
}

TextVerdict FeedEmbeddedText(std::string_view text, DocumentTokens &document) noexcept
{
    return TextReader(text, document, nullptr).Read();
}

bool LooksLikeJson(std::string_view text) noexcept
{
    while (!text.empty() && IsAsciiSpace(text.front()))
        text.remove_prefix(1);
    return !text.empty() && (text.front() == '{' || text.front() == '[' || text.front() == '"');
}

} // namespace callhardening
