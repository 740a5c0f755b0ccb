// The compiled shapes of event logs with a shape of their own. A session keeps a few of them.
#pragma once

#include "core/events/shape.hpp"

#include "pg/base/postgres.hpp"

#include <string_view>

namespace callhardening
{

// The version of a log's own shape.
struct ShapeVersion {
    int32 log_id;
    TransactionId xmin;     // of the log's row
    std::string_view bytes; // as stored: if they are in another table, only a pointer

    bool operator==(const ShapeVersion &) const = default;
};

struct KeptShape;

// nullptr: this version is not kept. The shape stays at least as long as the current memory context.
const Shape *find_kept_shape(const ShapeVersion &version);

// Room for a shape. It takes memory, so it comes before the shape is compiled.
KeptShape *reserve_kept_shape(const ShapeVersion &version);

// The cache owns the shape from now on, and the shape stays as for find_kept_shape.
void keep_shape(KeptShape *room, const Shape *shape);

} // namespace callhardening
