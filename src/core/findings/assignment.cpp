#include "core/findings/assignment.hpp"

#include "core/base/text.hpp"
#include "core/findings/pseudonym.hpp"
#include "core/findings/secret_name.hpp"

#include <algorithm>
#include <cstdint>

namespace callhardening
{

namespace
{

constexpr ValueSpan nothing{0, 0};
constexpr std::string_view no_break_space = "\xC2\xA0";
constexpr std::size_t longest_name = 64, most_words = 3;
constexpr std::string_view marker = "[secret]"; // a replaced value

constexpr bool IsNameLetter(char c) noexcept
{
    return IsAsciiAlnum(c) || c == '_' || c == '-' || c == '.' || c == '[' || c == ']';
}

constexpr bool IsBlankLetter(char c) noexcept
{
    return c == ' ' || c == '\t';
}

std::size_t SkipBlanks(std::string_view text, std::size_t i) noexcept
{
    for (;;) {
        i = RunEnd(text, i, IsBlankLetter);
        if (!text.substr(i).starts_with(no_break_space))
            return i;
        i += no_break_space.size();
    }
}

// ---- names ----------------------------------------------------------------------------------------

// `words` are lower-case. Nearly all other words differ in length or in the last letter.
template <std::size_t count>
bool IsOneOf(std::string_view word, const std::string_view (&words)[count]) noexcept
{
    return std::any_of(words, words + count, [word](std::string_view one) {
        return word.size() == one.size() && LowerAscii(word.back()) == one.back() && EqualFolded(word, one);
    });
}

struct Name {
    std::size_t begin, end;
    bool quoted;
};

// Names added by the policy count only whole, without any owner before them.
bool IsSecretName(std::string_view name, bool parameter, SecretNames names) noexcept
{
    return (parameter ? IsSecretParameter(name) : ClassifyMember(name) == MemberClass::credential) ||
           names.Has(name.substr(name.rfind('.') + 1));
}

std::size_t NameBegin(std::string_view text, std::size_t end) noexcept
{
    std::size_t begin = end;
    while (begin > 0 && end - begin < longest_name && IsNameLetter(text[begin - 1]))
        --begin;
    return begin;
}

// The name before `i`, with or without quotes. Empty if there is none, or if a backslash shows that its
// quotes belong to another spelling.
Name NameBefore(std::string_view text, std::size_t i) noexcept
{
    std::size_t end = i;
    while (end > 0 && (IsAsciiSpace(text[end - 1]) || text[end - 1] == '+' || text[end - 1] == '*'))
        --end; // +=, a space in a form, **name** in Markdown
    if (end > 1 && text[end - 1] == ']' && IsQuote(text[end - 2])) // $a['password'] = 'V'
        --end;
    const bool quoted = end > 0 && IsQuote(text[end - 1]);
    if (quoted) {
        --end;
        if (end > 0 && text[end - 1] == text[end]) // doubled, as in CSV
            --end;
        if (end > 0 && text[end - 1] == '\\')
            return {end, end, true};
        while (end > 0 && text[end - 1] == ' ')
            --end;
    }
    return {NameBegin(text, end), end, quoted};
}

// Includes the word before: "api key", "social security number", in a form "api+key".
std::size_t LongerNameBegin(std::string_view text, std::size_t begin, bool in_form) noexcept
{
    const std::string_view before = text.substr(0, begin);
    const bool blank = before.ends_with(' ') || (in_form && before.ends_with('+'));
    const std::size_t size = blank ? 1 : before.ends_with(no_break_space) ? no_break_space.size() : 0;
    const std::size_t longer = NameBegin(text, begin - size);
    return size == 0 || longer == begin - size ? begin : longer;
}

// True for words with any signs between them.
bool IsSecretPhrase(std::string_view phrase, bool is_listed, SecretNames names) noexcept
{
    char name[most_words * longest_name + most_words * no_break_space.size()];
    std::transform(phrase.begin(), phrase.end(), name, [](char c) { return IsNameLetter(c) ? c : ' '; });
    const std::string_view spelled{name, phrase.size()};
    return is_listed ? IsSecretName(spelled, false, names) : names.Has(spelled);
}

// In a form, a plus is a space.
bool FollowsParameterMark(std::string_view text, std::size_t begin) noexcept
{
    while (begin > 0 && text[begin - 1] == '+')
        --begin;
    return begin > 0 && (text[begin - 1] == '?' || text[begin - 1] == '&' || text[begin - 1] == '#');
}

bool SaysSecret(std::string_view text, const Name &name, SecretNames names) noexcept
{
    constexpr std::string_view last_words[] = {"key", "code", "number", "pin", "phrase", "word", "card"};
    std::size_t begin = name.begin;
    const std::string_view word = text.substr(begin, name.end - begin);
    if (IsSecretName(word, FollowsParameterMark(text, begin), names))
        return true;
    const bool is_listed = IsOneOf(word, last_words);
    if (!is_listed && names.is_secret == nullptr)
        return false;
    const bool in_form = !IsBlankLetter(text[name.end]); // no sum: pin+code = 2
    for (std::size_t words = 1; words < most_words; ++words) {
        const std::size_t longer = LongerNameBegin(text, begin, in_form);
        if (longer == begin)
            return false;
        begin = longer;
        if (IsSecretPhrase(text.substr(begin, name.end - begin), is_listed, names))
            return true;
    }
    return false;
}

// ---- the ends of values ------------------------------------------------------------------------------

// From after the opening quote to the next quote without a backslash.
std::size_t QuotedEnd(std::string_view text, std::size_t begin, char quote) noexcept
{
    for (std::size_t i = begin; i < text.size(); ++i) {
        if (text[i] == '\\')
            ++i;
        else if (text[i] == quote)
            return i;
    }
    return text.size();
}

// A bracket in a string does not count.
std::size_t BracketEnd(std::string_view text, std::size_t begin) noexcept
{
    std::size_t depth = 0;
    for (std::size_t i = begin; i < text.size(); ++i) {
        if (text[i] == '"')
            i = QuotedEnd(text, i + 1, '"');
        else if (text[i] == '{' || text[i] == '[')
            ++depth;
        else if ((text[i] == '}' || text[i] == ']') && --depth == 0)
            return i + 1;
    }
    return text.size();
}

// True if the quote or bracket at `i` really closes: the end, white space or one of the enders follows.
bool Closes(std::string_view text, std::size_t i) noexcept
{
    constexpr std::string_view enders = ",;:)}]>\"'`.!?&";
    return i + 1 >= text.size() || IsAsciiSpace(text[i + 1]) || enders.find(text[i + 1]) != enders.npos;
}

// True if a further assignment begins at `i`: &b=2, ; Path=/.
bool AssignmentFollows(std::string_view text, std::size_t i) noexcept
{
    i = SkipBlanks(text, i);
    if (i < text.size() && IsQuote(text[i]))
        ++i;
    const std::size_t end = RunEnd(text, i, IsNameLetter);
    if (end == i || end == text.size())
        return false;
    const std::size_t sign = IsQuote(text[end]) && end + 1 < text.size() ? end + 1 : end;
    return text[sign] == '=' || text[sign] == ':';
}

// At an escape, the spelled text decides how the value goes on. A parameter of a URL is itself written with
// percent signs.
bool BeginsEscape(const SpelledText &spelled, std::size_t i, bool parameter) noexcept
{
    const std::string_view text = spelled.text;
    if (spelled.is_plain)
        return false;
    return text[i] == '\\' ||
           (text[i] == '%' && !parameter && i + 2 < text.size() && IsAsciiAlnum(text[i + 1]) &&
            IsAsciiAlnum(text[i + 2])) ||
           (text[i] == '&' && text.substr(i, 10).find(';') != std::string_view::npos);
}

bool EndsBareValue(const SpelledText &spelled, std::size_t i, bool parameter) noexcept
{
    const std::string_view text = spelled.text;
    switch (text[i]) {
    case '"':
    case '\'':
    case '`':
    case ')':
    case '}':
    case ']':
        return Closes(text, i);
    case ',':
    case ';':
    case '|':
        return i + 1 == text.size() || IsAsciiSpace(text[i + 1]) || AssignmentFollows(text, i + 1);
    case '&':
        return parameter || AssignmentFollows(text, i + 1);
    case '#':
        return parameter;
    case '<':
        return true;
    default:
        return static_cast<unsigned char>(text[i]) <= ' ' || text.substr(i).starts_with(no_break_space);
    }
}

std::size_t BareEnd(const SpelledText &spelled, std::size_t begin, bool parameter) noexcept
{
    std::size_t end = begin;
    while (end < spelled.text.size() && !EndsBareValue(spelled, end, parameter) &&
           !BeginsEscape(spelled, end, parameter))
        ++end;
    constexpr std::string_view closing = ".!?,;:";
    const bool at_end = end == spelled.text.size() || IsAsciiSpace(spelled.text[end]);
    while (at_end && end > begin + 1 && closing.find(spelled.text[end - 1]) != closing.npos)
        --end;
    return end;
}

// The quotes of a value in a header belong to it, as in `Digest username="ann"`.
bool OpensInHeader(std::string_view text, std::size_t i, bool is_quoted) noexcept
{
    const bool behind_sign = text[i - 1] == '=' || (!is_quoted && text[i - 1] == ' ');
    return behind_sign && i + 1 < text.size() && (!is_quoted || (!Closes(text, i) && text[i + 1] != '\\'));
}

// To the end of the line, or to the end of the quotes around the line.
std::size_t HeaderEnd(const SpelledText &spelled, std::size_t name, std::size_t begin) noexcept
{
    constexpr std::string_view after = ",}]";
    const std::string_view text = spelled.text;
    const bool is_quoted = name > 0 && IsQuote(text[name - 1]);
    const char quote = is_quoted ? text[name - 1] : '"';
    for (std::size_t i = begin; i < text.size(); ++i) {
        if (text[i] == '\r' || text[i] == '\n' || (text[i] == '\\' && !spelled.is_plain))
            return i;
        if (text[i] != quote)
            continue;
        if (OpensInHeader(text, i, is_quoted))
            i = QuotedEnd(text, i + 1, quote);
        else if (is_quoted ? Closes(text, i) : i + 1 == text.size() || after.find(text[i + 1]) != after.npos)
            return i;
    }
    return text.size();
}

// True for three words of a sentence: "Authorization: the manager has given it".
bool IsProse(std::string_view text, std::size_t begin) noexcept
{
    constexpr int words = 3;
    constexpr std::string_view signs = ",.;:?!'()-";
    for (int word = 0; word < words; ++word) {
        const std::size_t first = begin,
                          rest = first + (first < text.size() && IsAsciiLetter(text[first]) ? 1 : 0);
        const std::size_t end = RunEnd(text, rest, [](char c) { return c >= 'a' && c <= 'z'; });
        begin = RunEnd(text, end, [signs](char c) { return c == ' ' || signs.find(c) != signs.npos; });
        const bool apart = begin == text.size() || text.substr(end, begin - end).find(' ') != text.npos;
        if (rest == first || !apart)
            return false;
    }
    return true;
}

std::size_t LineBegin(std::string_view text, std::size_t i) noexcept
{
    const std::size_t line = i == 0 ? std::string_view::npos : text.rfind('\n', i - 1);
    return line == std::string_view::npos ? 0 : line + 1;
}

std::size_t Indentation(std::string_view text, std::size_t line) noexcept
{
    return RunEnd(text, line, [](char c) { return c == ' '; }) - line;
}

// The lines after `password: |` with a deeper indentation. `begin` is after the colon.
ValueSpan BlockValue(std::string_view text, std::size_t name, std::size_t begin) noexcept
{
    std::size_t i = RunEnd(text, begin, IsBlankLetter);
    if (i < text.size() && (text[i] == '|' || text[i] == '>'))
        i = RunEnd(text, i + 1,
                   [](char c) { return c == '+' || c == '-' || IsAsciiDigit(c) || IsBlankLetter(c); });
    i = RunEnd(text, i, [](char c) { return c == '\r'; });
    if (i >= text.size() || text[i] != '\n')
        return nothing;
    const std::size_t depth = Indentation(text, LineBegin(text, name)), first = i + 1;
    std::size_t end = first;
    for (std::size_t line = first; line < text.size() && Indentation(text, line) > depth; line = end + 1)
        end = std::min(text.find('\n', line), text.size());
    const std::size_t value = first + Indentation(text, first);
    return value < end ? ValueSpan{value, end} : nothing;
}

// JSON may have a new line between a name and its value.
std::size_t SkipToValue(std::string_view text, std::size_t i, bool quoted_name) noexcept
{
    for (std::size_t before = text.size() + 1; before != i;) {
        before = i;
        i = SkipBlanks(text, i);
        i = RunEnd(text, i, [](char c) { return c == '=' || c == '>'; });
        if (text.substr(i).starts_with("** ")) // **Password:** V
            i += 2;
        if (quoted_name)
            i = RunEnd(text, i, IsAsciiSpace);
    }
    return i;
}

// string(1) "V", as PHP dumps it.
std::size_t SkipType(std::string_view text, std::size_t i) noexcept
{
    constexpr std::string_view type = "string(", behind = ") \"";
    if (!text.substr(i).starts_with(type))
        return i;
    const std::size_t end = RunEnd(text, i + type.size(), IsAsciiDigit);
    return text.substr(end).starts_with(behind) ? end + behind.size() - 1 : i;
}

// u'V', b"V": strings of Python and other languages.
std::size_t SkipStringPrefix(std::string_view text, std::size_t i) noexcept
{
    const std::size_t quote = RunEnd(text.substr(0, i + 2), i, [](char c) {
        const char lower = LowerAscii(c);
        return lower == 'u' || lower == 'b' || lower == 'r';
    });
    return quote < text.size() && IsQuote(text[quote]) ? quote : i;
}

// The quote may be doubled, as in CSV, or tripled, as in Python. In SQL a doubled one belongs to the value.
ValueSpan QuotedValue(std::string_view text, std::size_t i) noexcept
{
    constexpr std::size_t most_quotes = 3;
    const char quote = text[i];
    const std::size_t begin = RunEnd(text, i, [quote](char c) { return c == quote; }), quotes = begin - i;
    const bool is_empty = quotes == 2 && Closes(text, i + 1);
    if (quotes > 1 && quotes <= most_quotes && !is_empty)
        if (const std::size_t end = text.find(text.substr(i, quotes), begin); end != text.npos)
            return {begin, end};
    std::size_t end = QuotedEnd(text, i + 1, quote);
    while (quotes == 1 && end + 1 < text.size() && text[end + 1] == quote && !Closes(text, end + 1))
        end = QuotedEnd(text, end + 2, quote);
    return {i + 1, end};
}

ValueSpan Value(const SpelledText &spelled, const Name &name, std::size_t after, bool parameter,
                bool header) noexcept
{
    const std::string_view text = spelled.text;
    if (const ValueSpan block = BlockValue(text, name.begin, after); block.Found() && !name.quoted)
        return block;
    std::size_t begin = SkipToValue(text, after, name.quoted);
    if (begin == text.size() || (text[begin] == '\\' && !spelled.is_plain))
        return nothing;
    begin = SkipStringPrefix(text, SkipType(text, begin));
    if (IsQuote(text[begin]))
        return QuotedValue(text, begin);
    const bool done = text.substr(begin).starts_with(marker);
    if (!done && (text[begin] == '{' || text[begin] == '['))
        return {begin, BareEnd(spelled, BracketEnd(text, begin), parameter)};
    if (header && IsProse(text, begin))
        return nothing;
    if (header)
        return {begin, HeaderEnd(spelled, name.begin, begin)};
    if (text[begin] == '<' && begin + 1 < text.size() && text[begin + 1] != '/')
        ++begin;
    return {begin, BareEnd(spelled, begin + (done ? marker.size() : 0), parameter)};
}

// ---- pairs ---------------------------------------------------------------------------------------------

bool IsSign(char c) noexcept
{
    return c == '=' || c == ':';
}

// The name given by an assignment, if it assigns to a word for names. `i` is at its sign. Empty: another
// assignment.
std::string_view NamedBy(std::string_view text, std::size_t i) noexcept
{
    const Name word = NameBefore(text, i);
    if (!IsPairName(text.substr(word.begin, word.end - word.begin)))
        return {};
    std::size_t begin = SkipToValue(text, i + 1, word.quoted);
    if (begin < text.size() && IsQuote(text[begin]))
        ++begin;
    return text.substr(begin, RunEnd(text, begin, IsNameLetter) - begin);
}

// Takes the letters of the first letter's braces or tag, one after another, without those of inner braces. At
// `<` and `>` a tag begins or ends.
class SameBraces
{
public:
    SameBraces(char opening, char closing) noexcept : opening_(opening), closing_(closing) {}

    bool Leaves(char c) const noexcept { return depth_ == 0 && (c == closing_ || c == '<' || c == '>'); }
    bool Takes(char c) noexcept
    {
        depth_ += c == opening_ ? 1 : c == closing_ ? -1 : 0;
        return depth_ == 0;
    }

private:
    char opening_, closing_;
    int depth_ = 0;
};

// The value that a name in the same braces or tag belongs to. The name stands before or after it.
ValueSpan PairedValue(const SpelledText &spelled, const Name &word, std::size_t i, SecretNames names) noexcept
{
    constexpr std::size_t reach = 512, longest = 4096;
    const std::string_view text = spelled.text.substr(0, i + longest);
    const ValueSpan value = Value({text, spelled.is_plain}, word, i + 1, false, false);
    const auto names_secret = [&](std::size_t sign) {
        const std::string_view name = IsSign(text[sign]) ? NamedBy(text, sign) : std::string_view{};
        return !name.empty() && IsSecretName(name, false, names);
    };
    SameBraces before('}', '{'), behind('{', '}');
    const std::size_t first = word.begin - std::min(word.begin, reach);
    for (std::size_t k = word.begin; k > first && !before.Leaves(text[k - 1]); --k)
        if (before.Takes(text[k - 1]) && names_secret(k - 1))
            return value;
    const std::size_t last = std::min(text.size(), value.end + reach);
    for (std::size_t k = value.end; k < last && !behind.Leaves(text[k]); ++k)
        if (behind.Takes(text[k]) && names_secret(k))
            return value;
    return nothing;
}

// ---- other syntaxes -------------------------------------------------------------------------------------

// True if `word` stands close before `i`.
bool StandsBefore(std::string_view text, std::size_t i, std::string_view word) noexcept
{
    constexpr std::size_t reach = 80;
    const std::size_t begin = i - std::min(i, reach);
    return text.substr(begin, i - begin).find(word) != text.npos;
}

// s:8:"password";s:1:"V", as PHP writes it. `size` is before the `:` at `i`.
ValueSpan SerializedValue(std::string_view text, const Name &size, std::size_t i, SecretNames names) noexcept
{
    constexpr std::string_view before = ";s:";
    if (!text.substr(i + 1).starts_with('"') || !text.substr(0, size.begin).ends_with(before))
        return nothing;
    const Name name = NameBefore(text, size.begin - before.size());
    return name.quoted && SaysSecret(text, name, names) ? ValueSpan{i + 2, QuotedEnd(text, i + 2, '"')}
                                                        : nothing;
}

// The value in a part of a form: form-data; name="password", the other headers, an empty line and the value.
// The `=` is at `i`.
ValueSpan PartValue(std::string_view text, std::size_t i, SecretNames names) noexcept
{
    constexpr std::size_t longest_head = 256;
    if (!StandsBefore(text, i, "form-data") || !IsSecretName(NamedBy(text, i), false, names))
        return nothing;
    const std::string_view head = text.substr(0, i + longest_head);
    const std::size_t line = head.find("\n\n", i), line_of_http = head.find("\n\r\n", i);
    if (line == text.npos && line_of_http == text.npos)
        return nothing;
    const std::size_t begin = line < line_of_http ? line + 2 : line_of_http + 3;
    const std::size_t end = std::min(text.find("\n--", begin), text.size());
    return {begin, end > begin && text[end - 1] == '\r' ? end - 1 : end};
}

// In a description of a call: a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:V
bool IsKeyOfCall(std::string_view text, const Name &name) noexcept
{
    return text.substr(name.begin, name.end - name.begin) == "inline" &&
           StandsBefore(text, name.begin, "crypto:");
}

// The name in the element before the tag at `open`: <key>password</key> <string>V</string>.
std::string_view NamedByElement(std::string_view text, std::size_t open) noexcept
{
    std::size_t end = open;
    while (end > 0 && IsAsciiSpace(text[end - 1]))
        --end;
    if (end == 0 || text[end - 1] != '>')
        return {};
    const std::size_t tag = NameBegin(text, end - 1);
    if (!text.substr(0, tag).ends_with("</") || !IsPairName(text.substr(tag, end - 1 - tag)))
        return {};
    const std::size_t name = NameBegin(text, tag - 2);
    return name > 0 && text[name - 1] == '>' ? text.substr(name, tag - 2 - name) : std::string_view{};
}

// The name in the attributes from `i` on: <entry key="password">V</entry>. An id is the element's own name.
std::string_view NamedByAttribute(std::string_view tag, std::size_t i) noexcept
{
    for (i = tag.find('=', i); i != tag.npos; i = tag.find('=', i + 1)) {
        const std::string_view name = NamedBy(tag, i);
        if (!name.empty() && LowerAscii(tag[i - 1]) != 'd')
            return name;
    }
    return {};
}

// The name of an element, or the element before it, marks the element's text as a secret.
bool IsSecretElement(std::string_view text, std::string_view tag, std::size_t open,
                     SecretNames names) noexcept
{
    constexpr std::string_view value_tags[] = {"value", "val", "content", "string", "integer", "data"};
    const std::string_view name = tag.substr(tag.rfind(':') + 1);
    return !name.empty() &&
           (IsSecretName(name, false, names) ||
            (IsOneOf(name, value_tags) && IsSecretName(NamedByElement(text, open), false, names)));
}

// The text of an element. Its tag ends at `i`. A name from an attribute needs the element's end after the
// text: the text after <input name="pin"> is not its own. Wrapped data ends with the text at the latest.
ValueSpan ElementText(std::string_view text, std::string_view tag, std::size_t i, bool by_attribute) noexcept
{
    constexpr std::string_view data = "<![CDATA[", data_end = "]]>";
    if (text.substr(i + 1).starts_with(data)) {
        const std::size_t begin = i + 1 + data.size();
        return {begin, std::min(text.find(data_end, begin), text.size())};
    }
    const std::size_t end = text.find('<', i + 1);
    const bool closed =
        end != text.npos &&
        (!by_attribute || (text.substr(end).starts_with("</") && text.substr(end + 2).starts_with(tag)));
    return closed ? ValueSpan{i + 1, end} : nothing;
}

// A heading has a caption, and so has an element that repeats its name: <th key="pin">PIN</th>.
bool IsCaption(std::string_view tag, std::string_view name, std::string_view caption) noexcept
{
    constexpr std::string_view heading_tags[] = {"th", "label", "option", "button", "legend", "dt"};
    return IsOneOf(tag, heading_tags) || (caption.size() == name.size() && EqualFolded(caption, name));
}

// first_name, X-Request-Id, verificationStatus: words of letters, not tokens.
bool IsNames(std::string_view text) noexcept
{
    constexpr std::size_t letters_of_word = 4;
    std::size_t words = 1;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!IsAsciiLetter(text[i]) && text[i] != '_' && text[i] != '-' && text[i] != '.' && text[i] != ' ')
            return false;
        const bool is_upper = text[i] >= 'A' && text[i] <= 'Z';
        words += i > 0 && is_upper && text[i - 1] >= 'a' && text[i - 1] <= 'z' ? 1 : 0;
    }
    return words * letters_of_word <= text.size() + letters_of_word;
}

// The value after an option's name and a space. In a form, a plus replaces the space.
ValueSpan OptionValue(std::string_view text, const Name &name, bool in_form) noexcept
{
    if (in_form) {
        const std::size_t begin = RunEnd(text, name.end, [](char c) { return c == '+'; });
        const std::size_t end = std::min(text.find_first_of("+& \t\r\n\"'", begin), text.size());
        return begin == name.end ? nothing : ValueSpan{begin, end};
    }
    const bool assigned = text.substr(name.end).starts_with('=');
    const std::size_t begin = assigned ? name.end + 1 : SkipBlanks(text, name.end);
    if (begin == name.end || begin >= text.size())
        return nothing;
    return Value({text, true}, name, begin, false, false);
}

// Drops values that are no secret under any name.
ValueSpan Checked(std::string_view text, const ValueSpan &value) noexcept
{
    const std::string_view found = value.Found() ? text.substr(value.begin, value.end - value.begin) : "";
    return found == "true" || found == "false" || found == "null" || IsTime(found) ? nothing : value;
}

// What a sentence has behind "password ->" is a secret only if it is no word.
ValueSpan CheckedNoWord(std::string_view text, const ValueSpan &value) noexcept
{
    const std::string_view found = value.Found() ? text.substr(value.begin, value.end - value.begin) : "";
    const bool no_word = std::any_of(found.begin(), found.end(), IsAsciiDigit) || LooksLikeToken(found);
    return no_word ? Checked(text, value) : nothing;
}

// the api_key is: V
ValueSpan SaidValue(const SpelledText &spelled, std::size_t is, std::size_t colon, SecretNames names) noexcept
{
    const Name name = NameBefore(spelled.text, is);
    if (name.begin == name.end || !SaysSecret(spelled.text, name, names))
        return nothing;
    return CheckedNoWord(spelled.text, Value(spelled, name, colon + 1, false, false));
}

} // namespace

bool IsTime(std::string_view value) noexcept
{
    constexpr std::string_view shape = "dddd-dd-ddTdd:dd", rest = "0123456789:.+-Z ";
    constexpr std::size_t longest_time = 40;
    if (value.size() < shape.size() || value.size() > longest_time ||
        value.find_first_not_of(rest, shape.size()) != std::string_view::npos)
        return false;
    return std::equal(shape.begin(), shape.end(), value.begin(), [](char form, char c) {
        return form == 'd' ? IsAsciiDigit(c) : form == 'T' ? c == 'T' || c == ' ' : form == c;
    });
}

bool LooksLikeToken(std::string_view text) noexcept
{
    constexpr std::size_t shortest = 6, surely = 16;
    if (text.size() < shortest || HasTokenForm(text.substr(0, token_size)))
        return false;
    if (text.size() >= surely)
        return true;
    return std::any_of(text.begin() + 1, text.end(), [](char c) {
        return IsAsciiDigit(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '+' || c == '/' || c == '=';
    });
}

PairWord ToPairWord(std::string_view member) noexcept
{
    using enum PairWord;
    const auto is = [member](std::string_view word) { // of the same length
        return std::equal(word.begin(), word.end(), member.begin(),
                          [](char letter, char c) { return letter == LowerAscii(c); });
    };
    switch (member.size()) {
    case 2:
        return is("id") ? name : none;
    case 3:
        return is("key") ? name : is("val") ? value : none;
    case 4:
        return is("name") ? name : none;
    case 5:
        return is("label") || is("field") || is("param") ? name : is("value") ? value : none;
    case 6:
        return is("header") ? name : none;
    case 7:
        return is("content") ? value : none;
    default:
        return none;
    }
}

bool LooksLikeLabel(std::string_view text) noexcept
{
    constexpr int most_spaces = 2;
    return !text.empty() && text.size() <= longest_name && !HasTokenForm(text.substr(0, token_size)) &&
           text.find(marker) == text.npos && std::count(text.begin(), text.end(), ' ') <= most_spaces &&
           std::all_of(text.begin(), text.end(), [](char c) { return IsNameLetter(c) || c == ' '; });
}

bool LooksLikeListedValue(std::string_view text) noexcept
{
    const auto is_plain = [](char c) { return c >= ' ' && c < 0x7F && c != '*'; };
    return LooksLikeToken(text) && !IsTime(text) && !IsNames(text) &&
           std::all_of(text.begin(), text.end(), is_plain) &&
           (text.find(' ') == text.npos || text.find('=') != text.npos) && text.find("://") == text.npos &&
           text.find(marker) == text.npos && FindTokenForm(text, 0) == text.npos;
}

ValueSpan FindAssignedValue(const SpelledText &spelled, std::size_t i, SecretNames names) noexcept
{
    const std::string_view text = spelled.text;
    const Name name = NameBefore(text, i);
    if (name.begin == name.end)
        return nothing;
    const std::string_view word = text.substr(name.begin, name.end - name.begin);
    if (ToPairWord(word) == PairWord::value)
        return Checked(text, PairedValue(spelled, name, i, names));
    if (word.size() == 2 && text[i] == ':' && EqualFolded(word, "is"))
        return SaidValue(spelled, name.begin, i, names);
    if (EqualFolded(word, "name") && text[i] == '=')
        if (const ValueSpan value = PartValue(text, i, names); value.Found())
            return value;
    if (IsAsciiDigit(word.front()))
        if (const ValueSpan value = SerializedValue(text, name, i, names); value.Found())
            return value;
    if (!SaysSecret(text, name, names) && !IsKeyOfCall(text, name))
        return nothing;
    const bool header = text[i] == ':' && !name.quoted && IsSecretHeader(word);
    return Checked(text, Value(spelled, name, i + 1, FollowsParameterMark(text, name.begin), header));
}

ValueSpan FindListedValue(std::string_view text, std::size_t i, SecretNames names) noexcept
{
    const Name name = NameBefore(text, i);
    const std::size_t quote = SkipStringPrefix(text, RunEnd(text, i + 1, IsAsciiSpace));
    if (name.begin == name.end || quote == text.size() || !IsQuote(text[quote]) ||
        !SaysSecret(text, name, names))
        return nothing;
    const ValueSpan value{quote + 1, QuotedEnd(text, quote + 1, text[quote])};
    return LooksLikeListedValue(text.substr(value.begin, value.end - value.begin)) ? Checked(text, value)
                                                                                   : nothing;
}

ValueSpan FindElementText(std::string_view text, std::size_t i, SecretNames names) noexcept
{
    constexpr std::size_t longest_tag = 256;
    const std::string_view before = text.substr(0, i);
    std::size_t open = i;
    while (open > 0 && i - open < longest_tag && text[open - 1] != '<' && text[open - 1] != '>')
        --open;
    if (open == 0 || text[--open] != '<' || text[i - 1] == '/')
        return nothing;
    const std::size_t name_end = RunEnd(before, open + 1, [](char c) { return IsNameLetter(c) || c == ':'; });
    const std::string_view tag = text.substr(open + 1, name_end - open - 1);
    const bool own = IsSecretElement(text, tag, open, names);
    if (own)
        return Checked(text, ElementText(text, tag, i, false));
    const std::string_view name =
        !tag.empty() && name_end < i ? NamedByAttribute(before, name_end) : std::string_view{};
    if (!IsSecretName(name, false, names))
        return nothing;
    const ValueSpan value = ElementText(text, tag, i, true);
    const bool is_caption =
        value.Found() && IsCaption(tag, name, text.substr(value.begin, value.end - value.begin));
    return is_caption ? nothing : Checked(text, value);
}

ValueSpan FindOptionValue(std::string_view text, std::size_t i, SecretNames names) noexcept
{
    const bool in_form = i > 0 && text[i - 1] == '+'; // a space there
    if (i > 0 && !in_form && !IsAsciiSpace(text[i - 1]) && !IsQuote(text[i - 1]))
        return nothing;
    const std::size_t begin = RunEnd(text, i, [](char c) { return c == '-'; });
    const std::string_view name = text.substr(begin, RunEnd(text, begin, IsNameLetter) - begin);
    const ValueSpan value =
        name.empty() ? nothing : OptionValue(text, {begin, begin + name.size(), false}, in_form);
    if (!value.Found() || text[value.begin] == '-')
        return nothing;
    const bool user = name == "u" || name == "user";
    if (!user)
        return begin - i == 2 && IsSecretName(name, false, names) ? Checked(text, value) : nothing;
    const std::size_t colon = text.substr(0, value.end).find(':', value.begin);
    const bool is_url = colon != text.npos && text.substr(colon).starts_with("://");
    return colon == text.npos || is_url ? nothing : Checked(text, {colon + 1, value.end});
}

ValueSpan FindPointedValue(const SpelledText &spelled, std::size_t i, SecretNames names) noexcept
{
    const std::string_view text = spelled.text;
    if (i == 0 || text[i - 1] != ' ' || !text.substr(i).starts_with("-> "))
        return nothing;
    const Name name = NameBefore(text, i);
    if (name.begin == name.end || !SaysSecret(text, name, names))
        return nothing;
    return CheckedNoWord(text, Value(spelled, name, i + 2, false, false));
}

ValueSpan FindStatementValue(std::string_view text, std::size_t i) noexcept
{
    const std::string_view before = text.substr(0, i), rest = text.substr(i);
    const bool password = rest.starts_with("ASSWORD ") && before.ends_with('P');
    if (!password && !(rest.starts_with("BY ") && before.ends_with("IDENTIFIED ")))
        return nothing;
    const std::size_t quote = SkipBlanks(text, text.find(' ', i));
    return quote < text.size() && IsQuote(text[quote]) ? Checked(text, QuotedValue(text, quote)) : nothing;
}

} // namespace callhardening
