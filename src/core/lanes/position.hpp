// Lanes and positions of an event log.
//
// A position in the log is a snapshot, not a number. Sequence numbers and transaction ids become visible out
// of order, so "everything up to n" would miss late commits. All events seen by the lane's done snapshot are
// done. The next window holds the events seen by a newer snapshot and not by the done snapshot.
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

// The lane of a call, 0 to lanes - 1. It is stored, so it is the same in every version and on every machine.
int LaneOf(std::string_view call_id, int lanes) noexcept;

inline constexpr int max_partitions = 65536;

// The partition of a call behind a router, 0 to partitions - 1. docs/routers.md publishes the algorithm: it
// never changes. It takes other bits of the hash than the lane. Else the calls of a partition would share a
// few lanes. With twice the partitions, a call stays, or its number grows by `partitions`.
int PartitionOf(std::string_view call_id, int partitions) noexcept;

// Stamped instead of a lane on events that no worker takes. SQL gets these numbers and the reasons below
// from the library: no_lane('not_json'), why_no_lane(-1).
namespace no_lane
{
inline constexpr int not_json = -1; // kept as a JSON string
inline constexpr int not_an_object = -2;
inline constexpr int no_call_id = -3;
inline constexpr int call_id_too_long = -4;
inline constexpr int call_id_not_held = -5; // by the key of the calls table
inline constexpr int malformed_form = -6;
inline constexpr int several_calls = -7;  // written by a client itself: a trigger cannot divide a row
inline constexpr int too_many_calls = -8; // for ingest_call_event
inline constexpr int not_stamped = -9;    // the default of the column: no trigger ran
inline constexpr int ignored = -10;       // the settings of the log ignore it, since it is no call: settled

struct Reason {
    int lane;
    std::string_view word;
    const char *error; // of the dead event, and in call_issues
};

inline constexpr Reason reasons[] = {
    {not_json, "not_json", "the body is a JSON string, or not valid as jsonb"},
    {not_an_object, "not_an_object", "the body is not a JSON object"},
    {no_call_id, "no_call_id", "the body has no call id"},
    {call_id_too_long, "call_id_too_long", "the call id is longer than 255 bytes"},
    {call_id_not_held, "call_id_not_held", "the key of the calls table cannot hold the call id"},
    {malformed_form, "malformed_form", "the body is a form that cannot be decoded"},
    {several_calls, "several_calls", "the body has several calls: append it with ingest_call_event"},
    {too_many_calls, "too_many_calls", "the body has more than 1000 calls, or more than 64 MB of them"},
    {not_stamped, "not_stamped", "no trigger has stamped the event"},
    {ignored, "ignored", "the settings of the log ignore the event"},
};

// nullptr if there is none.
const Reason *FindReason(std::string_view word) noexcept;
const Reason *FindReason(int lane) noexcept;
} // namespace no_lane

constexpr bool IsLane(int lane) noexcept
{
    return lane >= 0;
}

// A data-only restore can append events before their log is registered. These get a mark instead of a
// transaction id, above all ids. Each restore has its own mark, so the log can remember done marks, and a
// dump can contain them.
inline constexpr std::uint64_t first_restore_mark = (std::uint64_t{1} << 62) + 1;
inline constexpr std::uint64_t no_xid_end = std::uint64_t{INT64_MAX}; // above all marks

// Odd: pg_snapshot accepts no id with a lower half of 0.
constexpr std::uint64_t RestoreMark(std::uint64_t hash) noexcept
{
    return first_restore_mark | (hash & ((std::uint64_t{1} << 61) - 1));
}

// PostgreSQL's pg_snapshot, of top-level transactions. `in_progress` is sorted and lies between xmin and
// xmax. The caller owns it.
struct XidSnapshot {
    std::uint64_t xmin = 3; // the first xid: a snapshot that has seen nothing
    std::uint64_t xmax = 3;
    std::span<const std::uint64_t> in_progress;

    bool Sees(std::uint64_t xid) const noexcept;
};

// A snapshot never lists its own transaction. A transaction that claims and then appends would find its later
// events settled. So `own` is counted as in progress. `room` has to hold one id more than `snapshot` lists.
// `own` is 0 if there is none.
XidSnapshot WithOwnXid(const XidSnapshot &snapshot, std::uint64_t own,
                       std::span<std::uint64_t> room) noexcept;

// The position of an event in its lane. Workers read events in this order.
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

// The ids seen by `current` and not by `done`, in ascending order and in as few ranges as possible. Ids in
// progress are between the ranges, so nothing has to filter them. `room` has to hold one range more than both
// list ids together.
std::size_t WindowRanges(const XidSnapshot &done, const XidSnapshot &current,
                         std::span<XidRange> room) noexcept;

// The snapshot of transactions alone, without restore marks.
XidSnapshot WithoutMarks(const XidSnapshot &snapshot) noexcept;

// Counts the transactions in progress in `done` and seen by `current`.
std::size_t EndedAmong(const XidSnapshot &done, const XidSnapshot &current) noexcept;

// The first range with an end above `xid`. The ranges are in ascending order. Returns their number if there
// is none.
std::size_t RangeFrom(std::span<const XidRange> ranges, std::uint64_t xid) noexcept;

} // namespace callhardening
