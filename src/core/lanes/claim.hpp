// Claims: the right to process a range of a lane, and what becomes of the lane when one is completed, given
// back or lost.
//
// Nothing of a lane is ever updated. Every step appends a record that says it all again, and the newest one
// is the truth about the lane.
#pragma once

#include "core/lanes/position.hpp"

#include <cstdint>

namespace callhardening
{

// -- the fencing token ---------------------------------------------------------------------------

// What a claim id leads to. A server that crashes can lose its last records, so that a lane issues the same
// number again: the random bits tell the two claims apart, and an id is compared whole.
struct ClaimAddress {
    int log_id;
    int lane;               // modulo `claim_id_lanes`
    std::int64_t record_no; // modulo `claim_id_records`
};

inline constexpr int claim_id_random_bits = 19, claim_id_record_bits = 18, claim_id_lane_bits = 12;
inline constexpr int max_log_id = (1 << 14) - 1;
inline constexpr int claim_id_lanes = 1 << claim_id_lane_bits;
inline constexpr std::int64_t claim_id_records = std::int64_t{1} << claim_id_record_bits;

// Positive, for a `log_id` up to `max_log_id`.
std::int64_t MakeClaimId(const ClaimAddress &address, std::uint64_t random) noexcept;

// False where no claim has such an id.
bool ReadClaimId(std::int64_t claim_id, ClaimAddress &address) noexcept;

// -- a lane --------------------------------------------------------------------------------------

// Of the events that are still to be done.
struct LanePosition {
    XidSnapshot done_snapshot;   // everything that it sees is done with
    XidSnapshot window_snapshot; // the window being read: what this one sees and `done_snapshot` does not
    bool in_window = false;
    LogPosition read; // the last event of the window that is done with
    // Events up to here were handed out before, and not completed: `redeliveries` times that count.
    bool has_redelivery = false;
    LogPosition redelivered_to;
    int redeliveries = 0;

    // The counted claims of its next event, that claim included.
    int NextAttempt() const noexcept { return has_redelivery ? redeliveries + 1 : 1; }
};

// Is the event at `place` of the lane done with, in its range at least?
bool IsSettled(const LanePosition &position, const LogPosition &place) noexcept;

enum class RecordState : unsigned char { none, claimed, renewed, completed, released, moved };

struct LaneRecord {
    int lane = 0;
    std::int64_t record_no = 0; // 0: the lane has no record yet
    RecordState state = RecordState::none;
    LanePosition position; // before the claim while it is open, after it then
    std::int64_t claim_id = 0;
    bool is_retry = false;                      // of waiting events: the position stays
    LogPosition to;                             // the last event of the claim's range
    bool is_window_end = false;                 // and of the window
    int events = 0;                             // handed out
    std::int64_t claimed_at = 0, lease_end = 0; // as the server counts its time

    bool IsOpen() const noexcept { return state == RecordState::claimed || state == RecordState::renewed; }

    // Of an open claim: whether its worker has lost it. A clock that was set back would keep the lane closed
    // for as long as it was set back: so a claim from the future is over as well.
    bool IsOver(std::int64_t now) const noexcept
    {
        constexpr std::int64_t slack = 60'000'000;
        return lease_end <= now || claimed_at > now + slack;
    }
};

// The window that was being read is done with.
void CloseWindow(LanePosition &position) noexcept;

// Where the lane stands once the claim's range is done with.
LanePosition PositionAfter(const LaneRecord &claim) noexcept;

// Where it stands when the claim was given back: as if it had not been made, but that some of its events may
// wait by now or have died.
LanePosition PositionAfterRelease(const LaneRecord &claim) noexcept;

// Where it stands when the claim's worker was lost. After the second loss the range is done with as a range:
// its events go out one by one, so that the one that kills its workers dies alone. So it is where the claim
// before, which was given back, had more events: the others have no lost worker.
inline constexpr int most_lost_ranges = 2;
bool IsLostForGood(const LaneRecord &claim) noexcept;
LanePosition PositionAfterLoss(const LaneRecord &claim) noexcept;

// What the position says of transactions. The restore marks are those of another restore, so nothing with
// such a mark is done with.
LanePosition WithoutMarks(const LanePosition &position) noexcept;

// -- failures ------------------------------------------------------------------------------------

// When to try again after `attempts` of them: somewhere between now and a time that doubles with each
// attempt, at most `cap`. The whole of it is left to chance (`random`, 0 to 1), so that events which failed
// together do not come back together. All in microseconds.
std::int64_t Backoff(int attempts, std::int64_t base, std::int64_t cap, double random) noexcept;

} // namespace callhardening
