#include "core/base/arena.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace callhardening
{

namespace
{

constexpr std::size_t first_block = 4096;
constexpr std::size_t largest_block = 64 * 1024;
constexpr std::size_t alignment = 8;

} // namespace

// A request that would leave most of a block unused gets memory of its own.
char *Arena::NewBlock(std::size_t size) noexcept
{
    block_ = block_ == 0 ? first_block : std::min(2 * block_, largest_block);
    const bool alone = size > block_ / 4;
    const std::size_t bytes = alone ? size : block_;
    auto *memory = failed_ ? nullptr : static_cast<char *>(allocate_(bytes));
    if (memory == nullptr) {
        failed_ = true;
        return nullptr;
    }
    if (!alone) {
        free_ = memory + size;
        left_ = bytes - size;
    }
    return memory;
}

void *Arena::Allocate(std::size_t size) noexcept
{
    const std::size_t padding = (alignment - reinterpret_cast<std::uintptr_t>(free_) % alignment) % alignment;
    if (failed_ || left_ < padding || left_ - padding < size)
        return NewBlock(size);
    char *memory = free_ + padding;
    free_ += padding + size;
    left_ -= padding + size;
    return memory;
}

char *Arena::AllocateText(std::size_t size) noexcept
{
    if (failed_ || left_ < size)
        return NewBlock(size);
    char *memory = free_;
    free_ += size;
    left_ -= size;
    return memory;
}

std::string_view Arena::Copy(std::string_view text) noexcept
{
    if (text.empty())
        return text;
    char *copy = AllocateText(text.size());
    if (copy == nullptr)
        return {};
    std::memcpy(copy, text.data(), text.size());
    return {copy, text.size()};
}

// At least doubles the size, so the abandoned memory is never more than the memory in use.
void *Scratch::ReserveBytes(Arena &arena, std::size_t size) noexcept
{
    if (size > size_) {
        const std::size_t larger = std::max(size, 2 * size_);
        memory_ = arena.Allocate(larger);
        size_ = memory_ == nullptr ? 0 : larger;
    }
    return memory_;
}

} // namespace callhardening
