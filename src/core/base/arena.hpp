// Memory of one document, cut from blocks. An arena never frees memory itself.
//
// The caller's function allocates the blocks in the caller's memory context. An arena owns nothing, so an
// error of PostgreSQL can leave it at any time.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace callhardening
{

class Arena
{
public:
    // Memory of any size, or nullptr. It must not raise an error.
    using AllocateFunction = void *(*)(std::size_t size);

    explicit Arena(AllocateFunction allocate) noexcept : allocate_(allocate) {}

    // nullptr if there is no memory. All later calls then return nullptr too, so one look at failed() at the
    // end is enough.
    void *Allocate(std::size_t size) noexcept;
    // The same without an alignment.
    char *AllocateText(std::size_t size) noexcept;
    // Copies the items to a larger array. The old array stays allocated. nullptr: no memory.
    template <typename Item>
    Item *Enlarge(const Item *items, std::size_t count, std::size_t capacity) noexcept
    {
        static_assert(std::is_trivially_copyable_v<Item>);
        auto *larger = static_cast<Item *>(Allocate(capacity * sizeof(Item)));
        if (larger != nullptr && count > 0)
            std::memcpy(larger, items, count * sizeof(Item));
        return larger;
    }
    // Empty if there is no memory.
    std::string_view Copy(std::string_view text) noexcept;

    bool failed() const noexcept { return failed_; }
    void Fail() noexcept { failed_ = true; }

private:
    char *NewBlock(std::size_t size) noexcept;

    AllocateFunction allocate_;
    char *free_ = nullptr;
    std::size_t left_ = 0;
    std::size_t block_ = 0;
    bool failed_ = false;
};

// Memory for repeated use. Its content is lost when it grows.
class Scratch
{
public:
    template <typename Item>
    Item *Reserve(Arena &arena, std::size_t items) noexcept
    {
        return static_cast<Item *>(ReserveBytes(arena, items * sizeof(Item)));
    }

private:
    void *ReserveBytes(Arena &arena, std::size_t size) noexcept;

    void *memory_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace callhardening
