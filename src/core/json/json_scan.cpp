#include "core/json/json_scan.hpp"

#include "core/base/text.hpp"

#include <bit>
#include <cstring>

namespace callhardening
{

namespace
{

// ---- limits -------------------------------------------------------------------------------------------

// jsonb holds less than 2^28 bytes in a container. Besides its text, a value takes at most 4 bytes for its
// offset, 3 for alignment, and 4 for a container's header or 12 for a number's. The digits of a number are
// packed.
constexpr std::size_t largest_jsonb = 0x0FFFFFFF;
constexpr std::size_t value_overhead = 24;

// While jsonb builds an object, it needs 72 bytes for each member. It doubles that memory as it grows and
// cannot get more than 2^30 bytes in one piece.
constexpr std::size_t most_values = 8 * 1024 * 1024;

// A numeric has 131072 digits before the decimal point and 16383 after it.
constexpr std::size_t longest_digits = 4000;
constexpr int largest_exponent = 12000;
static_assert(largest_exponent + longest_digits < 16383);

// ---- strings ------------------------------------------------------------------------------------------

using Word = std::uint64_t;

constexpr std::ptrdiff_t word_size = sizeof(Word);

// Sixteen bytes: processors compare these at once.
using Block = unsigned char __attribute__((vector_size(2 * sizeof(Word))));
using Words = Word __attribute__((vector_size(2 * sizeof(Word))));

constexpr std::ptrdiff_t block_size = sizeof(Block);

Word Load(const char *from) noexcept
{
    Word word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

inline std::ptrdiff_t FirstByte(Word found) noexcept
{
    if constexpr (std::endian::native == std::endian::big)
        found = __builtin_bswap64(found);
    return std::countr_zero(found) / 8;
}

// The first byte with a special meaning in a string, among eight bytes here and eight there, or nullptr.
inline const char *FirstEscaped(const char *here, const char *there) noexcept
{
    const auto bytes = reinterpret_cast<Block>(Words{Load(here), Load(there)});
    const auto found = reinterpret_cast<Words>((bytes == '"') | (bytes == '\\') | (bytes < ' '));
    if ((found[0] | found[1]) == 0)
        return nullptr;
    return found[0] != 0 ? here + FirstByte(found[0]) : there + FirstByte(found[1]);
}

constexpr int HexDigit(char c) noexcept
{
    const char lower = LowerAscii(c);
    if (IsAsciiDigit(c))
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The four digits after `\u`. -1: there are not four.
int ReadUnit(const char *at, const char *end) noexcept
{
    if (end - at < 4)
        return -1;
    int unit = 0;
    for (int i = 0; i < 4; ++i) {
        const int digit = HexDigit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

constexpr bool IsHighSurrogate(int unit) noexcept
{
    return unit >= 0xD800 && unit < 0xDC00;
}

constexpr bool IsLowSurrogate(int unit) noexcept
{
    return unit >= 0xDC00 && unit < 0xE000;
}

constexpr std::size_t unit_size = 6; // \u1234

// Not a search in a string: in embedded JSON every other word has an escape.
constexpr bool IsEscapedLetter(char c) noexcept
{
    return c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'n' || c == 'r' || c == 't';
}

// The size of an escape that jsonb resolves. 0: jsonb would refuse it.
std::size_t EscapeSize(const char *at, const char *end) noexcept
{
    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return IsEscapedLetter(at[1]) ? 2 : 0;
    const int unit = ReadUnit(at + 2, end);
    if (IsHighSurrogate(unit)) {
        const char *low = at + unit_size;
        const bool pair =
            end - low > 2 && low[0] == '\\' && low[1] == 'u' && IsLowSurrogate(ReadUnit(low + 2, end));
        return pair ? 2 * unit_size : 0;
    }
    return unit > 0 && !IsLowSurrogate(unit) ? unit_size : 0;
}

char *WriteUtf8(char *out, unsigned code) noexcept
{
    const auto put = [&out](unsigned byte) { *out++ = static_cast<char>(byte); };
    const auto rest = [code](unsigned shift) { return 0x80U | (code >> shift & 0x3FU); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0U | code >> 6), put(rest(0));
    } else if (code < 0x10000) {
        put(0xE0U | code >> 12), put(rest(6)), put(rest(0));
    } else {
        put(0xF0U | code >> 18), put(rest(12)), put(rest(6)), put(rest(0));
    }
    return out;
}

constexpr char EscapedLetter(char letter) noexcept
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter;
    }
}

} // namespace

// May read the last eight bytes twice.
const char *FindEscaped(const char *at, const char *end) noexcept
{
    for (; end - at >= block_size; at += block_size)
        if (const char *escaped = FirstEscaped(at, at + word_size))
            return escaped;
    if (end - at >= word_size) {
        const char *escaped = FirstEscaped(at, end - word_size);
        return escaped != nullptr ? escaped : end;
    }
    while (at < end && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= ' ')
        ++at;
    return at;
}

namespace
{

// Copies the text up to the next escape, and more bytes of the loaded block. There is room for these: the
// result so far is no longer than the raw text so far. false: there is no more escape.
bool CopyPlain(const char *&at, const char *end, char *&out) noexcept
{
    while (end - at >= block_size) {
        std::memcpy(out, at, block_size);
        const char *escape = FirstEscaped(at, at + word_size);
        const std::ptrdiff_t plain = escape == nullptr ? block_size : escape - at;
        at += plain;
        out += plain;
        if (escape != nullptr)
            return true;
    }
    while (at < end && *at != '\\')
        *out++ = *at++;
    return at < end;
}

unsigned ReadCodePoint(const char *&at, const char *end) noexcept
{
    const int unit = ReadUnit(at + 2, end);
    at += unit_size;
    if (!IsHighSurrogate(unit))
        return static_cast<unsigned>(unit);
    const int low = ReadUnit(at + 2, end);
    at += unit_size;
    return 0x10000U + ((static_cast<unsigned>(unit) & 0x3FFU) << 10) + (static_cast<unsigned>(low) & 0x3FFU);
}

} // namespace

std::size_t Unescape(std::string_view raw, char *out, const volatile std::sig_atomic_t &interrupt) noexcept
{
    const char *at = raw.data(), *const end = at + raw.size();
    char *const begin = out;
    while (CopyPlain(at, end, out) && interrupt == 0) {
        if (at[1] == 'u') {
            out = WriteUtf8(out, ReadCodePoint(at, end));
        } else {
            *out++ = EscapedLetter(at[1]);
            at += 2;
        }
    }
    return static_cast<std::size_t>(out - begin);
}

// ---- scalars --------------------------------------------------------------------------------------------

JsonScanner::JsonScanner(std::string_view text, const volatile std::sig_atomic_t *interrupt) noexcept
    : at_(text.data()), end_(text.data() + text.size()),
      interrupt_(interrupt == nullptr ? &no_interrupt : interrupt), size_(text.size())
{
}

bool JsonScanner::Complete() noexcept
{
    Peek();
    return at_ == end_ && values_ <= most_values && size_ + value_overhead * values_ <= largest_jsonb;
}

bool JsonScanner::TakeString(RawString &string) noexcept
{
    const char *const begin = at_ + 1;
    const char *at = FindEscaped(begin, end_);
    string.escaped = false;
    while (at < end_ && *at == '\\') {
        const std::size_t size = EscapeSize(at, end_);
        if (size == 0 || Interrupted())
            return false;
        string.escaped = true;
        at = FindEscaped(at + size, end_);
    }
    if (at == end_ || *at != '"')
        return false;
    string.text = {begin, static_cast<std::size_t>(at - begin)};
    at_ = at + 1;
    ++values_;
    return true;
}

namespace
{

// nullptr: there are no digits.
const char *SkipDigits(const char *at, const char *end) noexcept
{
    const char *const begin = at;
    while (at < end && IsAsciiDigit(*at))
        ++at;
    return at == begin ? nullptr : at;
}

const char *SkipExponent(const char *at, const char *end) noexcept
{
    if (at < end && (*at == '+' || *at == '-'))
        ++at;
    const char *const begin = at;
    int exponent = 0;
    for (; at < end && IsAsciiDigit(*at); ++at) {
        exponent = exponent * 10 + (*at - '0');
        if (exponent > largest_exponent)
            return nullptr;
    }
    return at == begin ? nullptr : at;
}

} // namespace

bool JsonScanner::TakeNumber(std::string_view &number) noexcept
{
    const char *at = at_ + (at_ < end_ && *at_ == '-' ? 1 : 0);
    const bool zero = at < end_ && *at == '0';
    at = zero ? at + 1 : SkipDigits(at, end_);
    if (at != nullptr && at < end_ && *at == '.')
        at = SkipDigits(at + 1, end_);
    if (at == nullptr || at - at_ > static_cast<std::ptrdiff_t>(longest_digits))
        return false;
    if (at < end_ && (*at == 'e' || *at == 'E'))
        at = SkipExponent(at + 1, end_);
    if (at == nullptr)
        return false;
    number = {at_, static_cast<std::size_t>(at - at_)};
    at_ = at;
    ++values_;
    return true;
}

bool JsonScanner::TakeLiteral(std::string_view literal) noexcept
{
    if (!std::string_view{at_, static_cast<std::size_t>(end_ - at_)}.starts_with(literal))
        return false;
    at_ += literal.size();
    ++values_;
    return true;
}

// ---- containers -------------------------------------------------------------------------------------------

namespace
{

// Counts the children and needs nothing else.
class ChildCounter
{
public:
    bool Begin(bool) noexcept
    {
        ++depth_;
        return true;
    }
    bool End(bool) noexcept
    {
        --depth_;
        return Count();
    }
    bool Name(const RawString &) noexcept { return true; }
    bool String(const RawString &) noexcept { return Count(); }
    bool Number(std::string_view) noexcept { return Count(); }
    bool Boolean(bool) noexcept { return Count(); }
    bool Null() noexcept { return Count(); }

    std::size_t children() const noexcept { return children_; }

private:
    bool Count() noexcept
    {
        children_ += depth_ == 0 ? 1 : 0;
        return true;
    }

    std::size_t depth_ = 0;
    std::size_t children_ = 0;
};

} // namespace

bool JsonScanner::SkipContainer() noexcept
{
    ChildCounter children;
    if (!ReadChildren(children, true))
        return false;
    TakeClosingBracket();
    return true;
}

bool JsonScanner::SkipItems(std::size_t &items) noexcept
{
    ChildCounter counter;
    const bool skipped = ReadChildren(counter, false);
    items = counter.children();
    return skipped;
}

} // namespace callhardening
