#include "pg/log/shape_cache.hpp"

extern "C" {
#include "utils/memutils.h"
}

namespace callhardening
{

struct KeptShape {
    ShapeVersion version;
    const Shape *shape;
    int users;    // memory contexts
    bool is_kept; // by the session; false: the last user frees it
    uint64 last_use;
};

namespace
{

// A log has one version at a time. A compiled shape can have some megabytes.
constexpr int most_kept = 8;
KeptShape *kept[most_kept];
uint64 uses;

void free_unused(KeptShape *entry)
{
    if (entry->users > 0 || entry->is_kept)
        return;
    Shape::Delete(entry->shape);
    pfree(entry);
}

void end_use(void *argument)
{
    auto *entry = static_cast<KeptShape *>(argument);
    --entry->users;
    free_unused(entry);
}

void begin_use(KeptShape *entry)
{
    auto *callback = static_cast<MemoryContextCallback *>(palloc(sizeof(MemoryContextCallback)));
    *callback = {end_use, entry, nullptr};
    ++entry->users;
    entry->last_use = ++uses;
    MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

// The older version of the same log, a free place, or the least used one.
KeptShape **place_for(const ShapeVersion &version)
{
    KeptShape **oldest = kept;
    for (KeptShape *&place : kept) {
        if (place != nullptr && place->version.log_id == version.log_id)
            return &place;
        if (*oldest != nullptr && (place == nullptr || place->last_use < (*oldest)->last_use))
            oldest = &place;
    }
    return oldest;
}

} // namespace

const Shape *find_kept_shape(const ShapeVersion &version)
{
    for (KeptShape *entry : kept) {
        if (entry == nullptr || entry->version != version)
            continue;
        begin_use(entry);
        return entry->shape;
    }
    return nullptr;
}

KeptShape *reserve_kept_shape(const ShapeVersion &version)
{
    const size_t size = version.bytes.size();
    auto *room = static_cast<KeptShape *>(MemoryContextAllocZero(TopMemoryContext, sizeof(KeptShape) + size));
    auto *bytes = reinterpret_cast<char *>(room + 1);
    memcpy(bytes, version.bytes.data(), size);
    room->version = {version.log_id, version.xmin, {bytes, size}};
    return room;
}

void keep_shape(KeptShape *room, const Shape *shape)
{
    KeptShape **place = place_for(room->version), *former = *place;
    room->shape = shape;
    room->is_kept = true;
    *place = room;
    if (former != nullptr) {
        former->is_kept = false;
        free_unused(former);
    }
    begin_use(room);
}

} // namespace callhardening
