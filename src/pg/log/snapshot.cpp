#include "pg/log/snapshot.hpp"

#include <algorithm>

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
}

namespace callhardening
{

namespace
{

// The stored form of pg_snapshot. Its declaration is private to the server. The layout is stable, because
// pg_upgrade keeps tables on disk.
struct StoredSnapshot {
    int32 size;
    uint32 count;
    uint64 xmin;
    uint64 xmax;
    // followed by the ids in progress
};

uint64 *ids_of(StoredSnapshot *stored)
{
    return reinterpret_cast<uint64 *>(stored + 1);
}

uint64 *make_room(size_t count)
{
    return static_cast<uint64 *>(palloc(sizeof(uint64) * Max(count, 1)));
}

// A snapshot's ids have 32 bits. They are within two thousand million of the next id, so the epoch is known.
uint64 widen(TransactionId xid, FullTransactionId next)
{
    uint32 epoch = EpochFromFullTransactionId(next);
    if (xid > XidFromFullTransactionId(next))
        --epoch;
    return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, xid));
}

} // namespace

XidSnapshot xids_of(Snapshot snapshot)
{
    const FullTransactionId next = ReadNextFullTransactionId();
    const uint64 own = U64FromFullTransactionId(GetTopFullTransactionIdIfAny());
    uint64 *ids = make_room(snapshot->xcnt);
    for (uint32 i = 0; i < snapshot->xcnt; ++i)
        ids[i] = widen(snapshot->xip[i], next);
    std::sort(ids, ids + snapshot->xcnt);
    const XidSnapshot others = {
        widen(snapshot->xmin, next), widen(snapshot->xmax, next), {ids, snapshot->xcnt}};
    return WithOwnXid(others, own, {make_room(snapshot->xcnt + 1), snapshot->xcnt + 1});
}

XidSnapshot read_snapshot(Datum stored)
{
    auto *snapshot = reinterpret_cast<StoredSnapshot *>(PG_DETOAST_DATUM_COPY(stored));
    return {snapshot->xmin, snapshot->xmax, {ids_of(snapshot), snapshot->count}};
}

Datum snapshot_datum(const XidSnapshot &snapshot)
{
    const size_t count = snapshot.in_progress.size();
    const size_t size = sizeof(StoredSnapshot) + sizeof(uint64) * count;
    auto *stored = static_cast<StoredSnapshot *>(palloc(size));
    SET_VARSIZE(stored, size);
    stored->count = static_cast<uint32>(count);
    stored->xmin = snapshot.xmin;
    stored->xmax = snapshot.xmax;
    std::copy(snapshot.in_progress.begin(), snapshot.in_progress.end(), ids_of(stored));
    return PointerGetDatum(stored);
}

std::span<const XidRange> window_between(const XidSnapshot &done, const XidSnapshot &current)
{
    const size_t room = done.in_progress.size() + current.in_progress.size() + 1;
    auto *ranges = static_cast<XidRange *>(palloc(sizeof(XidRange) * room));
    return {ranges, WindowRanges(done, current, {ranges, room})};
}

} // namespace callhardening
