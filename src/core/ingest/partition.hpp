// The partition of a webhook's body behind a router.
//
// A body goes where the other bodies of its call go. The body is read as an event log reads it, but without a
// server. So every version and every server gives the same partition. What the log refuses may have a call
// id here: the log of its partition refuses it.
#pragma once

#include "core/base/arena.hpp"
#include "core/events/shape.hpp"

#include <csignal>
#include <span>
#include <string_view>

namespace callhardening
{

struct Routing {
    const Shape *shape;
    KeyKind key; // of the calls table
    int partitions;
};

// The call id of a body in the key's spelling. Empty: the body has none that the key can hold. It lives in
// the body or in the arena, and means nothing if the arena has failed or after an interrupt.
std::string_view CallIdOfBody(std::string_view body, const Shape &shape, KeyKind key, Arena &arena,
                              const volatile std::sig_atomic_t &interrupt) noexcept;

// By the call id, else by all bytes of the body.
int PartitionOfBody(std::string_view body, const Routing &routing, Arena &arena,
                    const volatile std::sig_atomic_t &interrupt) noexcept;

// The parts of a body with several calls, as a log divides it (core/events/parts.hpp), in the arena. Empty:
// the body stays whole.
std::span<const std::string_view> DivideBody(std::string_view body, const Shape &shape, Arena &arena,
                                             const volatile std::sig_atomic_t &interrupt) noexcept;

} // namespace callhardening
