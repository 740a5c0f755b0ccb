// Lanes and positions of an event log.
//
// A position in the log is a snapshot, not a number: sequence numbers and transaction ids become visible
// out of order, so "everything up to n" always misses what commits late. Everything that a lane's done
// snapshot sees has been dealt with; the next window is what a newer snapshot sees and the done one does not.
#pragma once

#include "core/base/core.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace callhardening
{

inline constexpr int max_lanes = 1024;

// The lane of a call, 0 to lanes - 1; the same in every version and on every machine, since it is stored.
int LaneOf(std::string_view call_id, int lanes) noexcept;

// Stamped in the place of a lane on an event that no worker takes. In SQL: no_lane('not_json'), ...
namespace no_lane
{
inline constexpr int not_json = -1; // kept as a JSON string
inline constexpr int not_an_object = -2;
inline constexpr int no_call_id = -3;
inline constexpr int call_id_too_long = -4;
inline constexpr int call_id_not_held = -5; // by the key of the calls table
inline constexpr int not_stamped = -6;      // the default of the column: no trigger was there
inline constexpr int ignored = -7;          // no call, as the settings of the log say: settled
} // namespace no_lane

constexpr bool IsLane(int lane) noexcept
{
    return lane >= 0;
}

// A restore of data alone can append events before the registry has their log. They get a mark in the place
// of a transaction id, which is behind all ids there are. Each restore has a mark of its own: so the log can
// remember which marks are done with, and a dump can bring them along.
inline constexpr std::uint64_t first_restore_mark = (std::uint64_t{1} << 62) + 1;
inline constexpr std::uint64_t no_xid_end = std::uint64_t{INT64_MAX}; // behind all marks

// Odd: pg_snapshot takes no id whose lower half is 0.
constexpr std::uint64_t RestoreMark(std::uint64_t hash) noexcept
{
    return first_restore_mark | (hash & ((std::uint64_t{1} << 61) - 1));
}

// PostgreSQL's pg_snapshot, of top-level transactions. `in_progress` is sorted and lies between xmin and
// xmax; it is owned by the caller.
struct XidSnapshot {
    std::uint64_t xmin = 3; // the first xid there is: a snapshot that has seen nothing
    std::uint64_t xmax = 3;
    std::span<const std::uint64_t> in_progress;

    bool Sees(std::uint64_t xid) const noexcept;
};

// A snapshot never lists its own transaction: one that claims and then appends would find its later events
// settled. So `own` is counted as in progress, in `room` for one id more than `snapshot` lists. 0: there is
// none.
XidSnapshot WithOwnXid(const XidSnapshot &snapshot, std::uint64_t own,
                       std::span<std::uint64_t> room) noexcept;

// An event's place in its lane: events are read in this order.
struct LogPosition {
    std::uint64_t xid = 0;
    std::int64_t seq = 0;

    auto operator<=>(const LogPosition &) const = default;
};

// Transaction ids from `first` up to, not including, `end`.
struct XidRange {
    std::uint64_t first;
    std::uint64_t end;
};

// The ids that `current` sees and `done` does not, in ascending order and as few ranges as possible: what
// is still in progress is skipped, not filtered. `room` has to hold one range more than both list ids
// together.
std::size_t WindowRanges(const XidSnapshot &done, const XidSnapshot &current,
                         std::span<XidRange> room) noexcept;

// What `snapshot` says of transactions. What it says of restore marks is left out.
XidSnapshot WithoutMarks(const XidSnapshot &snapshot) noexcept;

// How many of the transactions that `done` lists as in progress `current` sees.
std::size_t EndedAmong(const XidSnapshot &done, const XidSnapshot &current) noexcept;

// The first of the ranges, which are in ascending order, that ends behind `xid`; their number where none
// does.
std::size_t RangeFrom(std::span<const XidRange> ranges, std::uint64_t xid) noexcept;

} // namespace callhardening
