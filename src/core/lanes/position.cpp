#include "core/lanes/position.hpp"

#include <algorithm>
#include <iterator>

namespace callhardening
{

const no_lane::Reason *no_lane::FindReason(std::string_view word) noexcept
{
    const auto *found = std::ranges::find(reasons, word, &Reason::word);
    return found == std::end(reasons) ? nullptr : found;
}

const no_lane::Reason *no_lane::FindReason(int lane) noexcept
{
    const auto *found = std::ranges::find(reasons, lane, &Reason::lane);
    return found == std::end(reasons) ? nullptr : found;
}

namespace
{

std::uint64_t HashOf(std::string_view call_id) noexcept
{
    std::uint64_t hash = 0xcbf29ce484222325; // FNV-1a
    for (const char c : call_id)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash ^= hash >> 32; // else ids that differ only in the last digit would share their high bits
    hash *= 0xd6e8feb86659fd93;
    return hash ^ hash >> 32;
}

} // namespace

int LaneOf(std::string_view call_id, int lanes) noexcept
{
    return static_cast<int>(HashOf(call_id) % static_cast<unsigned>(lanes));
}

int PartitionOf(std::string_view call_id, int partitions) noexcept
{
    return static_cast<int>((HashOf(call_id) >> 32) % static_cast<unsigned>(partitions));
}

bool XidSnapshot::Sees(std::uint64_t xid) const noexcept
{
    return xid < xmax && !std::binary_search(in_progress.begin(), in_progress.end(), xid);
}

XidSnapshot WithOwnXid(const XidSnapshot &snapshot, std::uint64_t own, std::span<std::uint64_t> room) noexcept
{
    if (own == 0 || !snapshot.Sees(own))
        return snapshot;
    const auto &open = snapshot.in_progress;
    const auto position = std::lower_bound(open.begin(), open.end(), own);
    auto next = std::copy(open.begin(), position, room.begin());
    *next++ = own;
    next = std::copy(position, open.end(), next);
    return {std::min(own, snapshot.xmin), snapshot.xmax, room.first(open.size() + 1)};
}

std::size_t WindowRanges(const XidSnapshot &done, const XidSnapshot &current,
                         std::span<XidRange> room) noexcept
{
    std::size_t count = 0;
    for (const std::uint64_t xid : done.in_progress)
        if (current.Sees(xid))
            room[count++] = {xid, xid + 1};

    std::uint64_t first = done.xmax;
    for (const std::uint64_t xid : current.in_progress) {
        if (xid < first)
            continue;
        if (xid > first)
            room[count++] = {first, xid};
        first = xid + 1;
    }
    if (first < current.xmax)
        room[count++] = {first, current.xmax};
    return count;
}

XidSnapshot WithoutMarks(const XidSnapshot &snapshot) noexcept
{
    const auto &open = snapshot.in_progress;
    const auto end = std::lower_bound(open.begin(), open.end(), first_restore_mark);
    return {std::min(snapshot.xmin, first_restore_mark),
            std::min(snapshot.xmax, first_restore_mark),
            {open.begin(), end}};
}

std::size_t EndedAmong(const XidSnapshot &done, const XidSnapshot &current) noexcept
{
    const auto &open = done.in_progress;
    return static_cast<std::size_t>(
        std::count_if(open.begin(), open.end(), [&](std::uint64_t xid) { return current.Sees(xid); }));
}

std::size_t RangeFrom(std::span<const XidRange> ranges, std::uint64_t xid) noexcept
{
    const auto range = std::upper_bound(ranges.begin(), ranges.end(), xid,
                                        [](std::uint64_t id, const XidRange &r) { return id < r.end; });
    return static_cast<std::size_t>(range - ranges.begin());
}

} // namespace callhardening
