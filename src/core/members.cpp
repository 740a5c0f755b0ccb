#include "core/members.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace callhardening
{

static_assert(std::is_trivially_copyable_v<Member>);

void MemberStack::Push(const Member &member) noexcept
{
    constexpr std::uint32_t first = 64;
    if (size_ == capacity_) {
        const std::uint32_t capacity = capacity_ == 0 ? first : 2 * capacity_;
        auto *larger = static_cast<Member *>(arena_.Allocate(capacity * sizeof(Member)));
        if (larger == nullptr)
            return;
        if (size_ > 0)
            std::memcpy(larger, members_, size_ * sizeof(Member));
        members_ = larger;
        capacity_ = capacity;
    }
    members_[size_++] = member;
}

MemberStack::Order MemberStack::OrderOf(std::uint32_t member) const noexcept
{
    const std::string_view name = members_[member].text();
    std::uint64_t prefix = 0;
    for (std::size_t i = 0; i < sizeof(prefix); ++i)
        prefix = prefix << 8 | (i < name.size() ? static_cast<unsigned char>(name[i]) : 0u);
    return {prefix, static_cast<std::uint32_t>(name.size()), member};
}

// jsonb's order of names; of equal ones, the order in which they came.
bool MemberStack::IsBefore(const Order &a, const Order &b) const noexcept
{
    if (a.name_size != b.name_size)
        return a.name_size < b.name_size;
    if (a.prefix != b.prefix)
        return a.prefix < b.prefix;
    const int order = a.name_size <= sizeof(a.prefix)
                          ? 0
                          : std::memcmp(members_[a.member].name, members_[b.member].name, a.name_size);
    return order != 0 ? order < 0 : a.member < b.member;
}

// Bodies come in any order but jsonb's, and what is read from jsonb is in order already.
void MemberStack::Sort(std::uint32_t first, Order *order) noexcept
{
    for (std::uint32_t i = first; i < size_; ++i)
        order[i - first] = OrderOf(i);
    std::sort(order, order + (size_ - first),
              [this](const Order &a, const Order &b) { return IsBefore(a, b); });
}

SanitizeCounts MemberStack::DoneTo(std::uint32_t member, const SanitizeCounts &until) const noexcept
{
    return (member + 1 == size_ ? until : members_[member + 1].before) - members_[member].before;
}

// Leaves the members that `order` names, in that order, and their tokens. `counts` is what was done by now
// and becomes what was done to them, after what `done` says.
void MemberStack::Keep(std::uint32_t first, const Order *order, std::uint32_t count, SanitizeCounts done,
                       SanitizeCounts &counts) noexcept
{
    const std::uint32_t begin = members_[first].first_token, tokens_size = tokens_.size() - begin;
    auto *members =
        moved_.Reserve<Member>(arena_, count + (tokens_size * sizeof(Token)) / sizeof(Member) + 1);
    if (members == nullptr)
        return;
    auto *tokens = reinterpret_cast<Token *>(members + count);
    std::uint32_t size = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint32_t member = order[i].member;
        const std::uint32_t from = members_[member].first_token,
                            to = member + 1 < size_ ? members_[member + 1].first_token : tokens_.size();
        members[i] = members_[member];
        members[i].first_token = begin + size;
        members[i].before = done;
        done += DoneTo(member, counts);
        std::memcpy(tokens + size, tokens_.data() + from, (to - from) * sizeof(Token));
        size += to - from;
    }
    std::memcpy(members_ + first, members, count * sizeof(Member));
    std::memcpy(tokens_.data() + begin, tokens, size * sizeof(Token));
    size_ = first + count;
    tokens_.Truncate(begin + size);
    counts = done;
}

MemberStack::Arranged MemberStack::Arrange(std::uint32_t first, std::uint32_t limit,
                                           SanitizeCounts &counts) noexcept
{
    Arranged result{};
    const std::uint32_t count = size_ - first;
    Order *order = count == 0 ? nullptr : order_.Reserve<Order>(arena_, count);
    if (order == nullptr)
        return result;
    Sort(first, order);
    SanitizeCounts done = members_[first].before;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint32_t member = order[i].member;
        const Member &here = members_[member];
        if (i + 1 < count && members_[order[i + 1].member].text() == here.text())
            result.shadowed += here.record ? 0 : 1;
        else if (!here.empty && !here.record && result.kept == limit)
            result.cut = true;
        else if (here.kept)
            order[result.kept++] = order[i];
        else {
            done += DoneTo(member, counts);
            if (!here.empty && !here.record)
                result.last_emptied = here.text();
        }
    }
    Keep(first, order, result.kept, done, counts);
    return result;
}

std::uint32_t MemberStack::ArrangeRenamed(std::uint32_t begin) noexcept
{
    const std::uint32_t first = size_;
    for (std::uint32_t i = begin; i < tokens_.size(); i = ValueEnd(tokens_.all(), i))
        Push({tokens_[i].data, tokens_[i].size, i, {}, false, false, true});
    const std::uint32_t count = size_ - first;
    Order *order = count == 0 ? nullptr : order_.Reserve<Order>(arena_, count);
    if (order == nullptr)
        return 0;
    Sort(first, order);
    std::uint32_t left = 0;
    for (std::uint32_t i = 0; i < count; ++i)
        if (left == 0 || members_[order[i].member].text() != members_[order[left - 1].member].text())
            order[left++] = order[i];
    SanitizeCounts none{};
    Keep(first, order, left, {}, none);
    size_ = first;
    return count - left;
}

// FNV-1a. Who makes two names collide gets no more than the slower way.
void NameHashes::Push(std::string_view name) noexcept
{
    constexpr std::uint32_t first = 1024;
    if (size_ == capacity_) {
        const std::uint32_t capacity = capacity_ == 0 ? first : 2 * capacity_;
        auto *larger = static_cast<std::uint64_t *>(arena_.Allocate(capacity * sizeof(std::uint64_t)));
        if (larger == nullptr)
            return;
        if (size_ > 0)
            std::memcpy(larger, hashes_, size_ * sizeof(std::uint64_t));
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

} // namespace callhardening
