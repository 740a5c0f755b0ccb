#include "core/sanitizer/budget.hpp"

#include "core/json/json_scan.hpp"
#include "core/sanitizer/record.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

namespace callhardening
{

namespace
{

constexpr std::size_t separator = 2; // ", " between values, ": " after a name
constexpr std::size_t brackets = 2;

// Bytes that JSON needs besides the character itself: \n takes one, \u001f five.
constexpr auto escape_bytes = [] {
    std::array<unsigned char, 256> table{};
    for (std::size_t c = 0; c < ' '; ++c)
        table[c] = 5;
    for (const char c : {'"', '\\', '\b', '\f', '\n', '\r', '\t'})
        table[static_cast<unsigned char>(c)] = 1;
    return table;
}();

std::size_t PrintedString(std::string_view text) noexcept
{
    constexpr std::size_t quotes = 2;
    std::size_t size = text.size() + quotes;
    const char *const end = text.data() + text.size();
    for (const char *at = text.data(); (at = FindEscaped(at, end)) < end; ++at)
        size += escape_bytes[static_cast<unsigned char>(*at)];
    return size;
}

// Without the separator after it.
std::size_t PrintedToken(const Token &token) noexcept
{
    switch (token.kind) {
    case TokenKind::object_begin:
    case TokenKind::array_begin:
        return brackets;
    case TokenKind::key:
        return PrintedString(token.text()) + separator;
    case TokenKind::string:
        return PrintedString(token.text());
    case TokenKind::number_text:
    case TokenKind::number:
        return token.size;
    case TokenKind::boolean:
        return token.size != 0 ? 4 : 5;
    case TokenKind::null:
        return 4;
    default:
        return 0;
    }
}

// The printed size of a list of tokens. It checks now and then, and stops above `enough`.
std::size_t PrintedUpTo(std::span<const Token> tokens, std::size_t enough) noexcept
{
    constexpr std::size_t step = 64;
    std::size_t size = 0;
    bool separated = true; // a name, an opening bracket or nothing comes before
    for (std::size_t i = 0; i < tokens.size() && size <= enough; i += step)
        for (const Token &token : tokens.subspan(i, std::min(step, tokens.size() - i))) {
            if (!separated && !IsEnd(token.kind))
                size += separator;
            separated = token.kind == TokenKind::key || IsBegin(token.kind);
            size += PrintedToken(token);
        }
    return size;
}

constexpr std::uint32_t outermost = 0;
constexpr std::uint32_t no_leaf = std::numeric_limits<std::uint32_t>::max();

// A container of leaves that may be shed.
struct Container {
    std::uint32_t begin; // its name, if it has one
    std::uint32_t end;   // its last token; 0 if it is open, as the outermost may be
    std::uint32_t parent;
    std::uint32_t kept; // values
};

struct Leaf {
    std::uint32_t begin; // its name, if it has one
    std::uint32_t end;
    std::uint32_t container;
    std::uint32_t next; // of the same rule
};

struct LeafList {
    std::uint32_t first;
    std::uint32_t last;
};

// Reads the chain from its end: keeps as many leaves as fit, and measures only these. The leaves of each rule
// are a list, so no sort is needed.
class Chain
{
public:
    Chain(TokenList &tokens, std::uint32_t first, const ShedRecord &record, std::size_t max_bytes,
          Shedding shedding) noexcept
        : tokens_(tokens), first_(first), record_(record), max_bytes_(max_bytes), shedding_(shedding)
    {
    }

    bool Read(Scratch &scratch, Arena &arena) noexcept;
    std::uint32_t Shed(Observer *observer) noexcept;
    void Compact() noexcept;

private:
    std::uint32_t LeafEnd(std::uint32_t i) const noexcept;
    LeafList &ListOf(RuleIndex rule) noexcept;
    void AddLeaf(std::uint32_t begin, std::uint32_t value, std::uint32_t end) noexcept;
    void AddContainer(std::uint32_t begin) noexcept;
    std::size_t Printed(std::uint32_t begin, std::uint32_t end) const noexcept;
    std::size_t PrintedHead(const Container &container) const noexcept;
    std::size_t GrownBy(std::uint32_t shed) const noexcept;
    std::size_t PrintedWith(const Leaf &leaf) const noexcept;
    bool Fits(std::size_t printed) const noexcept;
    void KeepValue(std::uint32_t container) noexcept;
    void Keep(const LeafList &list, Observer *observer) noexcept;
    void Mark(std::uint32_t begin, std::uint32_t end) noexcept;
    void MarkEmptied() noexcept;

    TokenList &tokens_;
    const std::uint32_t first_;
    const ShedRecord record_;
    const std::size_t max_bytes_;
    const Shedding shedding_;
    Leaf *leaves_ = nullptr; // in the order of the document
    Container *containers_ = nullptr;
    std::uint32_t leaf_count_ = 0;
    std::uint32_t container_count_ = 0;
    std::uint32_t open_ = outermost;
    std::uint32_t kept_ = 0;
    std::size_t printed_ = 0; // bytes of the kept tokens
    bool full_ = false;
    std::uint32_t list_count_ = 0;
    LeafList no_rule_{no_leaf, no_leaf};
    LeafList lists_[max_rules]; // those of the first list_count_ rules
};

// The end of the leaf that begins at `i`. `i` itself if a container of leaves begins there.
std::uint32_t Chain::LeafEnd(std::uint32_t i) const noexcept
{
    const Token &token = tokens_.all()[i];
    if (!IsBegin(token.kind))
        return i + 1;
    const bool is_summary = token.size != 0;
    const bool is_empty = i + 1 < tokens_.size() && IsEnd(tokens_.all()[i + 1].kind);
    return is_summary ? ValueEnd(tokens_.all(), i) : is_empty && container_count_ > 0 ? i + 2 : i;
}

// Creates lists only as far as needed: a policy may have a thousand rules, and a document uses few of them.
LeafList &Chain::ListOf(RuleIndex rule) noexcept
{
    if (rule >= max_rules)
        return no_rule_;
    while (list_count_ <= rule)
        lists_[list_count_++] = {no_leaf, no_leaf};
    return lists_[rule];
}

void Chain::AddLeaf(std::uint32_t begin, std::uint32_t value, std::uint32_t end) noexcept
{
    if (begin == record_.begin && record_.begin < record_.end) {
        KeepValue(open_);
        printed_ += Printed(begin, end);
        return;
    }
    LeafList &list = ListOf(tokens_[value].rule);
    leaves_[leaf_count_] = {begin, end, open_, no_leaf};
    (list.last == no_leaf ? list.first : leaves_[list.last].next) = leaf_count_;
    list.last = leaf_count_++;
}

void Chain::AddContainer(std::uint32_t begin) noexcept
{
    containers_[container_count_] = {begin, 0, open_, 0};
    open_ = container_count_++;
}

bool Chain::Read(Scratch &scratch, Arena &arena) noexcept
{
    const std::uint32_t count = tokens_.size() - first_;
    leaves_ = scratch.Reserve<Leaf>(arena, 2 * static_cast<std::size_t>(count));
    if (leaves_ == nullptr)
        return false;
    static_assert(sizeof(Container) <= sizeof(Leaf));
    containers_ = reinterpret_cast<Container *>(leaves_ + count);
    for (std::uint32_t i = first_; i < tokens_.size();) {
        if (IsEnd(tokens_[i].kind)) {
            containers_[open_].end = i++;
            open_ = containers_[open_].parent;
            continue;
        }
        const std::uint32_t value = tokens_[i].kind == TokenKind::key ? i + 1 : i;
        const std::uint32_t end = i == record_.begin && i < record_.end ? record_.end : LeafEnd(value);
        if (end > value)
            AddLeaf(i, value, end);
        else
            AddContainer(i);
        i = std::max(end, value + 1);
    }
    printed_ += PrintedHead(containers_[outermost]);
    return true;
}

std::size_t Chain::Printed(std::uint32_t begin, std::uint32_t end) const noexcept
{
    return PrintedSize(tokens_.all().subspan(begin, end - begin));
}

std::size_t Chain::PrintedHead(const Container &container) const noexcept
{
    const bool named = tokens_[container.begin].kind == TokenKind::key;
    return Printed(container.begin, container.begin + (named ? 2 : 1));
}

// The record counts the shed leaves. The tenth makes the document longer.
std::size_t Chain::GrownBy(std::uint32_t shed) const noexcept
{
    static_assert(largest_count == 99);
    const auto digits = [](std::uint32_t count) { return count < 10 ? 1u : 2u; };
    return record_.begin == record_.end ? 0 : digits(record_.shed + shed) - digits(record_.shed);
}

// A leaf comes with the containers of which it is the first value.
std::size_t Chain::PrintedWith(const Leaf &leaf) const noexcept
{
    std::size_t size = Printed(leaf.begin, leaf.end);
    std::uint32_t container = leaf.container;
    for (; containers_[container].kept == 0 && container != outermost;
         container = containers_[container].parent)
        size += PrintedHead(containers_[container]);
    return size + (containers_[container].kept > 0 ? separator : 0);
}

// `printed`: the size with one more leaf. With `ahead`, the first leaf above the budget is kept: it makes all
// others too much.
bool Chain::Fits(std::size_t printed) const noexcept
{
    return shedding_ == Shedding::ahead ? printed_ <= max_bytes_
                                        : printed + GrownBy(leaf_count_ - kept_ - 1) <= max_bytes_;
}

// The first kept value of a container makes the container a kept value too.
void Chain::KeepValue(std::uint32_t container) noexcept
{
    while (containers_[container].kept++ == 0 && container != outermost)
        container = containers_[container].parent;
}

// Another leaf never makes the result smaller, even with the count in the record. So after the first leaf
// that does not fit, no other fits.
void Chain::Keep(const LeafList &list, Observer *observer) noexcept
{
    for (std::uint32_t i = list.first; i != no_leaf; i = leaves_[i].next) {
        const Leaf &leaf = leaves_[i];
        const std::size_t printed = full_ ? 0 : printed_ + PrintedWith(leaf);
        full_ = full_ || !Fits(printed);
        if (!full_) {
            printed_ = printed;
            KeepValue(leaf.container);
            ++kept_;
            continue;
        }
        Mark(leaf.begin, leaf.end);
        if (observer != nullptr)
            observer->Shed(i);
    }
}

void Chain::Mark(std::uint32_t begin, std::uint32_t end) noexcept
{
    for (std::uint32_t i = begin; i < end; ++i)
        tokens_[i].kind = TokenKind::gone;
}

// A container without values goes too, except the outermost.
void Chain::MarkEmptied() noexcept
{
    for (std::uint32_t i = outermost + 1; i < container_count_; ++i) {
        const Container &container = containers_[i];
        if (container.kept > 0)
            continue;
        Mark(container.begin, container.begin + (tokens_[container.begin].kind == TokenKind::key ? 2 : 1));
        if (container.end != 0)
            Mark(container.end, container.end + 1);
    }
}

std::uint32_t Chain::Shed(Observer *observer) noexcept
{
    for (std::uint32_t i = 0; i < list_count_; ++i)
        if (lists_[i].first != no_leaf) // most rules have no leaf
            Keep(lists_[i], observer);
    Keep(no_rule_, observer);
    const std::uint32_t shed = leaf_count_ - kept_;
    if (shed > 0)
        MarkEmptied();
    return shed;
}

void Chain::Compact() noexcept
{
    Token *end = std::remove_if(tokens_.data() + first_, tokens_.data() + tokens_.size(),
                                [](const Token &token) { return token.kind == TokenKind::gone; });
    tokens_.Truncate(static_cast<std::uint32_t>(end - tokens_.data()));
}

} // namespace

std::size_t PrintedSize(std::span<const Token> tokens) noexcept
{
    return PrintedUpTo(tokens, std::numeric_limits<std::size_t>::max());
}

bool PrintsWithin(std::span<const Token> tokens, std::size_t max_bytes) noexcept
{
    return PrintedUpTo(tokens, max_bytes) <= max_bytes;
}

std::uint32_t ShedLeaves(TokenList &tokens, std::uint32_t first, std::size_t max_bytes, Shedding shedding,
                         const ShedRecord &record, Scratch &scratch, Arena &arena,
                         Observer *observer) noexcept
{
    Chain chain(tokens, first, record, max_bytes, shedding);
    if (!chain.Read(scratch, arena))
        return 0;
    const std::uint32_t shed = chain.Shed(observer);
    if (shed > 0)
        chain.Compact();
    return shed;
}

} // namespace callhardening
