#include "core/sanitizer/members.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace callhardening
{

bool MemberStack::Grow() noexcept
{
    constexpr std::uint32_t first = 64;
    const std::uint32_t capacity = capacity_ == 0 ? first : 2 * capacity_;
    Member *larger = arena_.Enlarge(members_, size_, capacity);
    if (larger == nullptr)
        return false;
    members_ = larger;
    capacity_ = capacity;
    return true;
}

namespace
{

std::uint64_t LoadBigEndian(const char *from) noexcept
{
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    if constexpr (std::endian::native == std::endian::little)
        word = __builtin_bswap64(word);
    return word;
}

// Orders names like jsonb, as far as their ranks differ: the size, limited to one byte, then the first seven
// bytes.
std::uint64_t Rank(std::string_view name) noexcept
{
    constexpr std::size_t largest_size = 255;
    constexpr unsigned prefix_bytes = 7, size_shift = 8 * prefix_bytes;
    std::uint64_t prefix = 0;
    if (name.size() > prefix_bytes)
        prefix = LoadBigEndian(name.data()) >> 8;
    else
        for (std::size_t i = 0; i < name.size(); ++i)
            prefix |= std::uint64_t{static_cast<unsigned char>(name[i])} << (size_shift - 8 - 8 * i);
    return std::uint64_t{std::min(name.size(), largest_size)} << size_shift | prefix;
}

} // namespace

bool MemberStack::SameName(const Order &a, const Order &b) const noexcept
{
    return a.rank == b.rank && members_[a.member].text() == members_[b.member].text();
}

// jsonb's order of names. Equal names stay in the order of arrival.
bool MemberStack::IsBefore(const Order &a, const Order &b) const noexcept
{
    if (a.rank != b.rank)
        return a.rank < b.rank;
    const int order = CompareNames(members_[a.member].text(), members_[b.member].text());
    return order != 0 ? order < 0 : a.member < b.member;
}

// The members from `first` on, in jsonb's order. nullptr: there are none, or no memory.
MemberStack::Order *MemberStack::Sort(std::uint32_t first) noexcept
{
    const std::uint32_t count = size_ - first;
    Order *order = count == 0 ? nullptr : order_.Reserve<Order>(arena_, count);
    if (order == nullptr)
        return nullptr;
    for (std::uint32_t i = 0; i < count; ++i)
        order[i] = {Rank(members_[first + i].text()), first + i, 0};
    std::sort(order, order + count, [this](const Order &a, const Order &b) { return IsBefore(a, b); });
    return order;
}

SanitizeCounts MemberStack::DoneTo(std::uint32_t member, const SanitizeCounts &until) const noexcept
{
    return (member + 1 == size_ ? until : members_[member + 1].before) - members_[member].before;
}

// Leaves the members that stay in `order`.
MemberStack::Arranged MemberStack::Choose(Order *order, std::uint32_t count, std::uint32_t limit,
                                          SanitizeCounts &counts) const noexcept
{
    Arranged result{};
    const SanitizeCounts until = counts;
    for (std::uint32_t i = 0; i < count; ++i) {
        const Member &here = members_[order[i].member];
        const bool shadowed = i + 1 < count && SameName(order[i], order[i + 1]);
        const bool beyond = !shadowed && !here.empty && !here.record && result.kept == limit;
        if (shadowed || beyond)
            counts = counts - DoneTo(order[i].member, until);
        else if (here.kept)
            order[result.kept++] = order[i];
        else if (!here.empty && !here.record)
            result.last_emptied = here.text();
        result.shadowed += shadowed && !here.record ? 1 : 0;
        result.cut = result.cut || beyond;
    }
    if (result.kept > 0)
        result.last_kept = members_[order[result.kept - 1].member].text();
    return result;
}

// Leaves the tokens of the members in `order`, in that order.
void MemberStack::MoveTokens(std::uint32_t first, Order *order, std::uint32_t count) noexcept
{
    const auto end_of = [this](std::uint32_t member) {
        return member + 1 < size_ ? members_[member + 1].first_token : tokens_.size();
    };
    std::uint32_t i = 0, begin = members_[first].first_token;
    for (; i < count && members_[order[i].member].first_token == begin; ++i) {
        order[i].first_token = begin;
        begin = end_of(order[i].member);
    }
    // Room for one token at least: the remaining members may have lost all tokens and still need a position.
    Token *const moved =
        i == count ? nullptr : moved_tokens_.Reserve<Token>(arena_, tokens_.size() - begin + 1);
    std::uint32_t size = 0;
    for (; i < count && moved != nullptr; ++i) {
        const std::uint32_t from = members_[order[i].member].first_token, to = end_of(order[i].member);
        order[i].first_token = begin + size;
        std::memcpy(moved + size, tokens_.data() + from, (to - from) * sizeof(Token));
        size += to - from;
    }
    if (size > 0)
        std::memcpy(tokens_.data() + begin, moved, size * sizeof(Token));
    tokens_.Truncate(begin + size);
}

// Runs after MoveTokens. `until`: the actions before. `counts`: those of them that still count.
void MemberStack::MoveMembers(std::uint32_t first, const Order *order, std::uint32_t count,
                              const SanitizeCounts &until, const SanitizeCounts &counts) noexcept
{
    auto *moved = moved_members_.Reserve<Member>(arena_, count + 1);
    if (moved == nullptr)
        return;
    SanitizeCounts done = counts;
    for (std::uint32_t i = count; i-- > 0;) {
        done = done - DoneTo(order[i].member, until);
        moved[i] = members_[order[i].member];
        moved[i].first_token = order[i].first_token;
        moved[i].before = done;
    }
    std::memcpy(members_ + first, moved, count * sizeof(Member));
    size_ = first + count;
}

MemberStack::Arranged MemberStack::Arrange(std::uint32_t first, std::uint32_t limit,
                                           SanitizeCounts &counts) noexcept
{
    Order *order = Sort(first);
    if (order == nullptr)
        return {};
    const SanitizeCounts until = counts;
    const Arranged result = Choose(order, size_ - first, limit, counts);
    MoveTokens(first, order, result.kept);
    MoveMembers(first, order, result.kept, until, counts);
    return result;
}

MemberStack::Arranged MemberStack::Close(std::uint32_t first, std::uint32_t limit,
                                         SanitizeCounts &counts) noexcept
{
    Order *order = Sort(first);
    if (order == nullptr)
        return {};
    const Arranged result = Choose(order, size_ - first, limit, counts);
    MoveTokens(first, order, result.kept);
    size_ = first;
    return result;
}

std::uint32_t MemberStack::ArrangeRenamed(std::uint32_t begin, Observer *observer) noexcept
{
    const std::uint32_t first = size_;
    for (std::uint32_t i = begin; i < tokens_.size(); i = ValueEnd(tokens_.all(), i))
        Push(tokens_[i].text(), i, {});
    const std::uint32_t count = size_ - first;
    Order *order = Sort(first);
    if (order == nullptr)
        return 0;
    std::uint32_t left = 0;
    for (std::uint32_t i = 0; i < count; ++i)
        if (left == 0 || !SameName(order[i], order[left - 1]))
            order[left++] = order[i];
        else if (observer != nullptr)
            observer->LostName(order[i].member - first);
    MoveTokens(first, order, left);
    size_ = first;
    if (observer != nullptr)
        observer->Renamed();
    return count - left;
}

// FNV-1a. An attacker with colliding names only causes the slower way.
void NameHashes::Push(std::string_view name) noexcept
{
    constexpr std::uint32_t first = 1024;
    if (size_ == capacity_) {
        const std::uint32_t capacity = capacity_ == 0 ? first : 2 * capacity_;
        std::uint64_t *larger = arena_.Enlarge(hashes_, size_, capacity);
        if (larger == nullptr)
            return;
        hashes_ = larger;
        capacity_ = capacity;
    }
    std::uint64_t hash = 14695981039346656037u;
    for (const char c : name)
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    hashes_[size_++] = hash;
}

bool NameHashes::MayRepeat(std::uint32_t first) noexcept
{
    std::sort(hashes_ + first, hashes_ + size_);
    return std::adjacent_find(hashes_ + first, hashes_ + size_) != hashes_ + size_;
}

// Removes members that can no longer come out. An object of a million members thus takes no more memory than
// one of a hundred. At its end, the hashes of the names tell whether this was right.
MemberStack::Arranged ObjectMembers::Crowd(OpenMembers &object, std::uint32_t limit,
                                           SanitizeCounts &counts) noexcept
{
    if (!object.crowded)
        for (std::uint32_t i = object.first; i < stack_.size(); ++i)
            hashes_.Push(stack_.NameAt(i));
    object.crowded = true;
    const MemberStack::Arranged arranged = stack_.Arrange(object.first, limit, counts);
    if (CompareNames(object.emptied, arranged.last_emptied) < 0)
        object.emptied = arranged.last_emptied;
    return arranged;
}

// A crowded object is doubtful in two cases. A name may have come twice. Or a dropped value was counted, and
// later members may sort before its member and move it beyond the limit.
bool ObjectMembers::IsDoubtful(const OpenMembers &object, const MemberStack::Arranged &closed,
                               bool cut) noexcept
{
    return object.crowded && (hashes_.MayRepeat(object.first_hash) ||
                              (cut && CompareNames(closed.last_kept, object.emptied) < 0));
}

} // namespace callhardening
