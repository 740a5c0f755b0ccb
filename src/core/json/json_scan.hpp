// Reads the text of a JSON document value by value, without building anything.
//
// What it accepts is surely accepted by jsonb too, which makes an answer without asking jsonb possible. What
// it refuses is in doubt: it may be no JSON, or come near to a limit of jsonb (of sizes, numbers, depth).
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

// The first byte that cannot stand in a string as it is: a quote, a backslash or a control character.
const char *FindEscaped(const char *at, const char *end) noexcept;

// A string as it stands between its quotes. Its escapes are known to be right.
struct RawString {
    std::string_view text;
    bool escaped;
};

inline constexpr std::sig_atomic_t no_interrupt = 0;

// Resolves the escapes into `out`, which has room for as many bytes as the raw text has. Returns how many
// there are. Stops before the end where `interrupt` is not 0: 200 MB of escapes take a second.
std::size_t Unescape(std::string_view raw, char *out,
                     const volatile std::sig_atomic_t &interrupt = no_interrupt) noexcept;

class JsonScanner
{
public:
    // Stops where `interrupt` is not 0; nullptr: never does.
    JsonScanner(std::string_view text, const volatile std::sig_atomic_t *interrupt) noexcept;

    // The next byte that is no white space; 0: none is left.
    char Peek() noexcept
    {
        while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r'))
            ++at_;
        return at_ < end_ ? *at_ : '\0';
    }
    // The byte that was seen by Peek.
    const char *Take() noexcept { return at_++; }

    // Each takes what starts here. False: it is in doubt, and nothing was taken.
    bool ReadString(RawString &string) noexcept;
    bool ReadNumber(std::string_view &number) noexcept;
    bool ReadLiteral(std::string_view literal) noexcept;

    // Containers count as values, by who takes their brackets.
    void CountValue() noexcept { ++values_; }

    // Takes what is inside of an object or array, from behind its opening bracket to before its closing one,
    // which is the `depth`th container that is open.
    bool SkipMembers(std::size_t depth) noexcept;
    bool SkipItems(std::size_t depth, std::size_t &items) noexcept;
    // The same from behind an item.
    bool SkipMoreItems(std::size_t depth, std::size_t &items) noexcept;

    bool Interrupted() const noexcept { return *interrupt_ != 0; }
    const volatile std::sig_atomic_t &interrupt() const noexcept { return *interrupt_; }

    // True where all was read and jsonb has no reason to find it too big.
    bool Complete() const noexcept;

private:
    enum class Expected : unsigned char { first_key, key, first_value, value, comma };

    struct Nesting;

    bool Skip(Expected expected, std::size_t depth, std::size_t &values) noexcept;
    bool SkipName() noexcept;
    bool SkipValue(Nesting &nesting, Expected &expected) noexcept;
    bool SkipScalar() noexcept;

    const char *at_;
    const char *end_;
    const volatile std::sig_atomic_t *interrupt_;
    std::size_t size_;
    std::size_t values_ = 0; // names included
};

} // namespace callhardening
