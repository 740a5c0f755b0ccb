#include "core/sanitizer/budget.hpp"

#include "core/json/json_scan.hpp"
#include "core/sanitizer/record.hpp"

#include <algorithm>
#include <array>

namespace callhardening
{

namespace
{

constexpr std::size_t separator = 2; // ", " between values, ": " behind a name
constexpr std::size_t brackets = 2;

// Bytes that JSON needs beyond the character itself: \n takes one, \u001f five.
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

// Without what stands between it and the next one.
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

constexpr std::uint32_t outermost = 0;

// A container that leaves are taken from.
struct Container {
    std::uint32_t begin; // its name, where it has one
    std::uint32_t end;   // its last token; 0 where it is open
    std::uint32_t parent;
    std::uint32_t values; // that are left in it
};

struct Leaf {
    std::uint64_t rank;  // those that go first have the highest
    std::uint32_t begin; // its name, where it has one
    std::uint32_t end;
    std::uint32_t container;
    std::uint32_t number; // in the order of the document
};

class Chain
{
public:
    Chain(TokenList &tokens, std::uint32_t first, const ShedRecord &record) noexcept
        : tokens_(tokens), first_(first), record_(record)
    {
    }

    bool Read(Scratch &scratch, Arena &arena) noexcept;
    std::uint32_t Shed(std::size_t max_bytes, Shedding shedding, Observer *observer) noexcept;
    void Compact() noexcept;

private:
    std::uint32_t LeafEnd(std::uint32_t i) const noexcept;
    void AddLeaf(std::uint32_t begin, std::uint32_t value, std::uint32_t end) noexcept;
    void AddContainer(std::uint32_t begin) noexcept;
    std::size_t Printed(std::uint32_t begin, std::uint32_t end) const noexcept;
    std::size_t GrownBy(std::uint32_t shed) const noexcept;
    std::size_t PrintedWith(const Leaf &leaf) const noexcept;
    void Take(const Leaf &leaf) noexcept;
    void Mark(std::uint32_t begin, std::uint32_t end) noexcept;

    TokenList &tokens_;
    const std::uint32_t first_;
    const ShedRecord record_;
    Leaf *leaves_ = nullptr;
    Container *containers_ = nullptr;
    std::uint32_t leaf_count_ = 0;
    std::uint32_t container_count_ = 0;
    std::uint32_t open_ = outermost;
    std::size_t printed_ = 0;
};

// Where the leaf that begins at `i` ends; `i` where a container begins that leaves are taken from.
std::uint32_t Chain::LeafEnd(std::uint32_t i) const noexcept
{
    const Token &token = tokens_.all()[i];
    if (!IsBegin(token.kind))
        return i + 1;
    const bool is_summary = token.size != 0;
    const bool is_empty = i + 1 < tokens_.size() && IsEnd(tokens_.all()[i + 1].kind);
    return is_summary ? ValueEnd(tokens_.all(), i) : is_empty && container_count_ > 0 ? i + 2 : i;
}

// A rule's index is at most no_rule, so of two leaves the rule decides, then the place.
void Chain::AddLeaf(std::uint32_t begin, std::uint32_t value, std::uint32_t end) noexcept
{
    const std::uint64_t rank = static_cast<std::uint64_t>(tokens_[value].rule) << 32 | begin;
    ++containers_[open_].values;
    if (begin == record_.begin && record_.begin < record_.end)
        return;
    leaves_[leaf_count_] = {rank, begin, end, open_, leaf_count_};
    ++leaf_count_;
}

void Chain::AddContainer(std::uint32_t begin) noexcept
{
    if (container_count_ > 0)
        ++containers_[open_].values;
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
    printed_ = Printed(first_, tokens_.size());
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
    return true;
}

std::size_t Chain::Printed(std::uint32_t begin, std::uint32_t end) const noexcept
{
    return PrintedSize(tokens_.all().subspan(begin, end - begin));
}

// The count of what was shed is in the document: its tenth makes the document longer.
std::size_t Chain::GrownBy(std::uint32_t shed) const noexcept
{
    static_assert(largest_count == 99);
    const auto digits = [](std::uint32_t count) { return count < 10 ? 1u : 2u; };
    return record_.begin == record_.end ? 0 : digits(record_.shed + shed) - digits(record_.shed);
}

void Chain::Mark(std::uint32_t begin, std::uint32_t end) noexcept
{
    for (std::uint32_t i = begin; i < end; ++i)
        tokens_[i].kind = TokenKind::gone;
}

// What goes with a leaf, and with the containers of which it is the last value.
std::size_t Chain::PrintedWith(const Leaf &leaf) const noexcept
{
    std::size_t size = Printed(leaf.begin, leaf.end);
    std::uint32_t container = leaf.container;
    for (; containers_[container].values == 1 && container != outermost;
         container = containers_[container].parent) {
        const std::uint32_t begin = containers_[container].begin;
        size += Printed(begin, begin + (tokens_[begin].kind == TokenKind::key ? 2 : 1));
    }
    return size + (containers_[container].values > 1 ? separator : 0);
}

// A container that has lost its last value goes too, but for the outermost.
void Chain::Take(const Leaf &leaf) noexcept
{
    Mark(leaf.begin, leaf.end);
    std::uint32_t container = leaf.container;
    while (--containers_[container].values == 0 && container != outermost) {
        const Container &empty = containers_[container];
        const std::uint32_t behind_name = empty.begin + (tokens_[empty.begin].kind == TokenKind::key ? 2 : 1);
        Mark(empty.begin, behind_name);
        if (empty.end != 0)
            Mark(empty.end, empty.end + 1);
        container = empty.parent;
    }
}

// The size of what is left never grows but by the count in the record, so the first sufficient step is found
// by going through them.
std::uint32_t Chain::Shed(std::size_t max_bytes, Shedding shedding, Observer *observer) noexcept
{
    std::sort(leaves_, leaves_ + leaf_count_, [](const Leaf &a, const Leaf &b) { return a.rank > b.rank; });
    std::uint32_t shed = 0;
    while (shed < leaf_count_ && printed_ + GrownBy(shed) > max_bytes) {
        const std::size_t left = printed_ - PrintedWith(leaves_[shed]);
        if (shedding == Shedding::ahead && left <= max_bytes)
            break;
        printed_ = left;
        if (observer != nullptr)
            observer->Shed(leaves_[shed].number);
        Take(leaves_[shed++]);
    }
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
    std::size_t size = 0;
    bool separated = true; // nothing, or a name or an opening bracket, is before
    for (const Token &token : tokens) {
        if (!separated && !IsEnd(token.kind))
            size += separator;
        separated = token.kind == TokenKind::key || IsBegin(token.kind);
        size += PrintedToken(token);
    }
    return size;
}

std::uint32_t ShedLeaves(TokenList &tokens, std::uint32_t first, std::size_t max_bytes, Shedding shedding,
                         const ShedRecord &record, Scratch &scratch, Arena &arena,
                         Observer *observer) noexcept
{
    Chain chain(tokens, first, record);
    if (!chain.Read(scratch, arena))
        return 0;
    const std::uint32_t shed = chain.Shed(max_bytes, shedding, observer);
    if (shed > 0)
        chain.Compact();
    return shed;
}

} // namespace callhardening
