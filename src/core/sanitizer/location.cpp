#include "core/sanitizer/location.hpp"

namespace callhardening
{

PathNode *Location::RoomForMember(const MemberContext &object) noexcept
{
    const std::size_t begin = ReachedEnd(object), needed = begin + max_reached_;
    if (needed > reached_capacity_) {
        PathNode *larger = arena_.Enlarge(reached_, reached_capacity_, 2 * needed);
        if (larger == nullptr)
            return nullptr;
        reached_ = larger;
        reached_capacity_ = 2 * needed;
    }
    return reached_ + begin;
}

} // namespace callhardening
