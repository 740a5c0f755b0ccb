// Reads the text of a JSON document value by value, without building anything.
//
// jsonb surely accepts every accepted text too, so no question to jsonb is needed. A refused text is in
// doubt. It may be no JSON, or it may come near a limit of jsonb (of sizes, numbers, depth).
#pragma once

#include "core/base/core.hpp"

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace callhardening
{

// Containers inside each other.
inline constexpr std::size_t deepest_json = 128;

// The first byte with a special meaning in a string: a quote, a backslash or a control character.
const char *FindEscaped(const char *at, const char *end) noexcept;

// The text of a string between its quotes. Its escapes are valid.
struct RawString {
    std::string_view text;
    bool escaped;
};

inline constexpr std::sig_atomic_t no_interrupt = 0;

// Resolves the escapes into `out` and returns the number of bytes. `out` has room for the size of the raw
// text. Stops early if `interrupt` is not 0: 200 MB of escapes take a second.
std::size_t Unescape(std::string_view raw, char *out,
                     const volatile std::sig_atomic_t &interrupt = no_interrupt) noexcept;

// Walks through a text and reports its tokens to a reader:
//
//     bool Begin(bool object), bool End(bool object), bool Name(const RawString &), bool String(const
//     RawString &), bool Number(std::string_view), bool Boolean(bool), bool Null()
//
// If a call returns false, the scanner stops. Open containers are in an array and not on the processor's
// stack, so a document of any depth is safe.
class JsonScanner
{
public:
    // Stops if `interrupt` is not 0. nullptr: never stops.
    JsonScanner(std::string_view text, const volatile std::sig_atomic_t *interrupt) noexcept;

    // Takes the value that starts here. false: it is in doubt, or the reader has stopped.
    template <typename Reader>
    bool Read(Reader &reader) noexcept;

    // A reader may call these two to skip tokens without reports. Within Begin: the whole container. After an
    // item: the rest of its array without its end; `items` is the number of skipped items.
    bool SkipContainer() noexcept;
    bool SkipItems(std::size_t &items) noexcept;

    // Open containers.
    std::size_t depth() const noexcept { return depth_; }
    // Within Begin: true if the container is empty.
    bool IsEmptyContainer() noexcept { return AtClosingBracket(); }

    bool Interrupted() const noexcept { return *interrupt_ != 0; }
    const volatile std::sig_atomic_t &interrupt() const noexcept { return *interrupt_; }

    // True if everything was read and jsonb cannot find it too big.
    bool Complete() noexcept;

private:
    // The next byte after white space. 0: none is left.
    char Peek() noexcept
    {
        while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r'))
            ++at_;
        return at_ < end_ ? *at_ : '\0';
    }
    bool Take(char c) noexcept
    {
        const bool here = Peek() == c;
        at_ += here ? 1 : 0;
        return here;
    }
    bool InObject() const noexcept { return is_object_[depth_]; }
    bool AtClosingBracket() noexcept { return Peek() == (InObject() ? '}' : ']'); }
    void TakeClosingBracket() noexcept
    {
        ++at_;
        --depth_;
    }

    template <typename Reader>
    bool ReadChildren(Reader &reader, bool first) noexcept;
    template <typename Reader>
    bool ReadName(Reader &reader) noexcept;
    template <typename Reader>
    bool ReadValue(Reader &reader) noexcept;
    template <typename Reader>
    bool Open(Reader &reader, bool object) noexcept;

    // Each takes the token that starts here. false: it is in doubt.
    bool TakeString(RawString &string) noexcept;
    bool TakeNumber(std::string_view &number) noexcept;
    bool TakeLiteral(std::string_view literal) noexcept;

    const char *at_;
    const char *end_;
    const volatile std::sig_atomic_t *interrupt_;
    std::size_t size_;
    std::size_t values_ = 0; // including names and containers
    std::size_t depth_ = 0;
    bool is_object_[deepest_json + 1]; // for each open container, from the second element on
};

template <typename Reader>
bool JsonScanner::Read(Reader &reader) noexcept
{
    const std::size_t outer = depth_;
    if (!ReadValue(reader))
        return false;
    if (depth_ == outer)
        return true;
    if (!ReadChildren(reader, true))
        return false;
    const bool object = InObject();
    TakeClosingBracket();
    return reader.End(object);
}

// Reads up to the closing bracket of the innermost container. `first`: starts after the opening bracket, else
// after a child.
template <typename Reader>
bool JsonScanner::ReadChildren(Reader &reader, bool first) noexcept
{
    const std::size_t outer = depth_;
    while (!Interrupted()) {
        const bool object = InObject();
        if (AtClosingBracket()) {
            if (depth_ == outer)
                return true;
            TakeClosingBracket();
            if (!reader.End(object))
                return false;
            first = false;
            continue;
        }
        if (!first && !Take(','))
            return false;
        const std::size_t depth = depth_;
        if ((object && !ReadName(reader)) || !ReadValue(reader))
            return false;
        first = depth_ > depth;
    }
    return false;
}

template <typename Reader>
bool JsonScanner::ReadName(Reader &reader) noexcept
{
    RawString name;
    return Peek() == '"' && TakeString(name) && reader.Name(name) && Take(':');
}

template <typename Reader>
bool JsonScanner::ReadValue(Reader &reader) noexcept
{
    RawString string;
    std::string_view number;
    switch (Peek()) {
    case '{':
        return Open(reader, true);
    case '[':
        return Open(reader, false);
    case '"':
        return TakeString(string) && reader.String(string);
    case 't':
        return TakeLiteral("true") && reader.Boolean(true);
    case 'f':
        return TakeLiteral("false") && reader.Boolean(false);
    case 'n':
        return TakeLiteral("null") && reader.Null();
    default:
        return TakeNumber(number) && reader.Number(number);
    }
}

template <typename Reader>
bool JsonScanner::Open(Reader &reader, bool object) noexcept
{
    if (depth_ == deepest_json)
        return false;
    ++at_;
    ++values_;
    is_object_[++depth_] = object;
    return reader.Begin(object);
}

} // namespace callhardening
