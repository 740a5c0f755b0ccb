// Claims: the right to process a range of a lane. They say how the lane goes on after a claim is completed,
// released or lost.
//
// A lane is never updated. Every step appends a complete record, and the newest record is the state of the
// lane.
#pragma once

#include "core/lanes/position.hpp"

#include <cstdint>

namespace callhardening
{

// -- the fencing token ---------------------------------------------------------------------------

// The parts of a claim id. A server crash can lose the last records of a lane, so the lane issues the same
// number again. The random bits keep the two claims apart, since a whole id is compared.
struct ClaimAddress {
    int consumer_id;
    int lane;               // modulo `claim_id_lanes`
    std::int64_t record_no; // modulo `claim_id_records`
};

inline constexpr int claim_id_random_bits = 19, claim_id_record_bits = 18, claim_id_lane_bits = 12;
inline constexpr int max_consumer_id = (1 << 14) - 1;
inline constexpr int claim_id_lanes = 1 << claim_id_lane_bits;
inline constexpr std::int64_t claim_id_records = std::int64_t{1} << claim_id_record_bits;

// Positive, for a `consumer_id` up to `max_consumer_id`.
std::int64_t MakeClaimId(const ClaimAddress &address, std::uint64_t random) noexcept;

// False if no claim has such an id.
bool ReadClaimId(std::int64_t claim_id, ClaimAddress &address) noexcept;

// -- a lane --------------------------------------------------------------------------------------

// The position of a lane between its done and its open events.
struct LanePosition {
    XidSnapshot done_snapshot;   // all events seen by it are done
    XidSnapshot window_snapshot; // the window being read: it sees these events, and `done_snapshot` does not
    bool in_window = false;
    LogPosition read; // the last done event of the window
    // Events up to here were handed out before and not completed. `redeliveries` of these times count.
    bool has_redelivery = false;
    LogPosition redelivered_to;
    int redeliveries = 0;

    // The number of counted claims of its next event, including the next one.
    int NextAttempt() const noexcept { return has_redelivery ? redeliveries + 1 : 1; }
};

// True if the event of the lane is done, at least as a part of a range.
bool IsSettled(const LanePosition &position, const LogPosition &event) noexcept;

enum class RecordState : unsigned char { none, claimed, renewed, completed, released, moved };

struct LaneRecord {
    int lane = 0;
    std::int64_t record_no = 0; // 0: the lane has no record yet
    RecordState state = RecordState::none;
    LanePosition position; // while the claim is open: before the claim; later: after it
    std::int64_t claim_id = 0;
    bool is_retry = false;                      // of waiting events: the position stays
    LogPosition to;                             // the last event of the claim's range
    bool is_window_end = false;                 // that event also ends the window
    int events = 0;                             // handed out
    std::int64_t claimed_at = 0, lease_end = 0; // in the server's time

    bool IsOpen() const noexcept { return state == RecordState::claimed || state == RecordState::renewed; }

    // True if an open claim is over and its worker has lost it. A claim from the future is over too: else a
    // clock set back would keep the lane closed for just as long.
    bool IsOver(std::int64_t now) const noexcept
    {
        constexpr std::int64_t slack = 60'000'000;
        return lease_end <= now || claimed_at > now + slack;
    }
};

// Marks the whole window as done.
void CloseWindow(LanePosition &position) noexcept;

// The position after the claim's range is done.
LanePosition PositionAfter(const LaneRecord &claim) noexcept;

// The position after a release: as before the claim. But some of its events may now wait or be dead.
LanePosition PositionAfterRelease(const LaneRecord &claim) noexcept;

// The position after the claim's worker was lost. After the second loss the range is done as a range, and its
// events go out one by one. So an event that kills its workers dies alone. The range is also done if the
// previous claim was released and had more events: a loss must not count for its other events.
inline constexpr int most_lost_ranges = 2;
bool IsLostForGood(const LaneRecord &claim) noexcept;
LanePosition PositionAfterLoss(const LaneRecord &claim) noexcept;

// The position from which `first` and the events behind it come next, but nothing before it. `now` was taken
// before the caller looked for `first`. A transaction in progress in it may have appended events since, so
// these come too. Its ids are shared with `now`.
LanePosition PositionFrom(const XidSnapshot &now, const LogPosition &first) noexcept;

// Only the transactions of the position. Restore marks in it belong to another restore, so no event with such
// a mark is done.
LanePosition WithoutMarks(const LanePosition &position) noexcept;

// -- failures ------------------------------------------------------------------------------------

// The time until the next try after `attempts` attempts. It is random between 0 and a limit. The limit
// doubles with each attempt, up to `cap`. `random` (0 to 1) decides all of it: events that failed together
// then do not come back together. All in microseconds.
std::int64_t Backoff(int attempts, std::int64_t base, std::int64_t cap, double random) noexcept;

} // namespace callhardening
