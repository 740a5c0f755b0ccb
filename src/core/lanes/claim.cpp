#include "core/lanes/claim.hpp"

#include <algorithm>
#include <cmath>

namespace callhardening
{

namespace
{

constexpr int record_shift = claim_id_random_bits;
constexpr int lane_shift = record_shift + claim_id_record_bits;
constexpr int log_shift = lane_shift + claim_id_lane_bits;

template <int bits>
constexpr std::uint64_t Low(std::uint64_t number) noexcept
{
    return number & ((std::uint64_t{1} << bits) - 1);
}

void ForgetRedelivery(LanePosition &position) noexcept
{
    position.has_redelivery = false;
    position.redelivered_to = {};
    position.redeliveries = 0;
}

} // namespace

std::int64_t MakeClaimId(const ClaimAddress &address, std::uint64_t random) noexcept
{
    return static_cast<std::int64_t>(
        static_cast<std::uint64_t>(address.consumer_id) << log_shift |
        Low<claim_id_lane_bits>(static_cast<std::uint64_t>(address.lane)) << lane_shift |
        Low<claim_id_record_bits>(static_cast<std::uint64_t>(address.record_no)) << record_shift |
        Low<claim_id_random_bits>(random));
}

bool ReadClaimId(std::int64_t claim_id, ClaimAddress &address) noexcept
{
    if (claim_id <= 0)
        return false;
    const auto id = static_cast<std::uint64_t>(claim_id);
    address.consumer_id = static_cast<int>(id >> log_shift);
    address.lane = static_cast<int>(Low<claim_id_lane_bits>(id >> lane_shift));
    address.record_no = static_cast<std::int64_t>(Low<claim_id_record_bits>(id >> record_shift));
    return true;
}

bool IsSettled(const LanePosition &position, const LogPosition &event) noexcept
{
    return position.done_snapshot.Sees(event.xid) ||
           (position.in_window && position.window_snapshot.Sees(event.xid) && event <= position.read);
}

void CloseWindow(LanePosition &position) noexcept
{
    position.done_snapshot = position.window_snapshot;
    position.window_snapshot = {};
    position.in_window = false;
    position.read = {};
    ForgetRedelivery(position);
}

LanePosition PositionAfter(const LaneRecord &claim) noexcept
{
    LanePosition position = claim.position;
    if (claim.is_retry)
        return position;
    if (claim.is_window_end) {
        CloseWindow(position);
        return position;
    }
    position.read = claim.to;
    if (position.has_redelivery && position.redelivered_to <= claim.to)
        ForgetRedelivery(position);
    return position;
}

LanePosition PositionAfterRelease(const LaneRecord &claim) noexcept
{
    LanePosition position = claim.position;
    if (claim.is_retry || position.has_redelivery)
        return position;
    position.has_redelivery = true;
    position.redelivered_to = claim.to;
    return position;
}

bool IsLostForGood(const LaneRecord &claim) noexcept
{
    const LanePosition &position = claim.position;
    const bool had_more = position.has_redelivery && position.redelivered_to > claim.to;
    return !claim.is_retry && (position.NextAttempt() >= most_lost_ranges || had_more);
}

LanePosition PositionAfterLoss(const LaneRecord &claim) noexcept
{
    if (IsLostForGood(claim))
        return PositionAfter(claim);
    LanePosition position = PositionAfterRelease(claim);
    if (!claim.is_retry)
        ++position.redeliveries;
    return position;
}

LanePosition PositionFrom(const XidSnapshot &now, const LogPosition &first) noexcept
{
    LanePosition position;
    const auto &open = now.in_progress;
    position.done_snapshot = {std::min(now.xmin, first.xid),
                              std::min(now.xmax, first.xid),
                              {open.begin(), std::lower_bound(open.begin(), open.end(), first.xid)}};
    position.in_window = now.Sees(first.xid);
    if (position.in_window) {
        position.window_snapshot = now;
        position.read = {first.xid, first.seq - 1};
    }
    return position;
}

LanePosition WithoutMarks(const LanePosition &position) noexcept
{
    LanePosition before = position;
    before.done_snapshot = WithoutMarks(position.done_snapshot);
    before.window_snapshot = WithoutMarks(position.window_snapshot);
    if (position.in_window && position.read.xid >= first_restore_mark)
        CloseWindow(before); // all of its transactions are done
    if (before.has_redelivery && before.redelivered_to.xid >= first_restore_mark)
        ForgetRedelivery(before);
    return before;
}

std::int64_t Backoff(int attempts, std::int64_t base, std::int64_t cap, double random) noexcept
{
    // ldexp returns infinity instead of an overflow, for any number of attempts.
    const double longest =
        std::min(std::ldexp(static_cast<double>(base), std::max(attempts, 1) - 1), static_cast<double>(cap));
    return static_cast<std::int64_t>(longest * random);
}

} // namespace callhardening
