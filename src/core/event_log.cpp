#include "core/event_log.hpp"

#include <algorithm>
#include <charconv>

namespace callhardening
{

int LaneOf(std::string_view call_id, int lanes) noexcept
{
    std::uint64_t hash = 0xcbf29ce484222325; // FNV-1a
    for (const char c : call_id)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash ^= hash >> 32; // ids that differ in the last digit only would else share their high bits
    hash *= 0xd6e8feb86659fd93;
    hash ^= hash >> 32;
    return static_cast<int>(hash % static_cast<unsigned>(lanes));
}

bool XidSnapshot::Sees(std::uint64_t xid) const noexcept
{
    return xid < xmax && !std::binary_search(in_progress.begin(), in_progress.end(), xid);
}

namespace
{

// Takes a number and the separator behind it off `text`.
bool TakeNumber(std::string_view &text, char separator, std::uint64_t &number) noexcept
{
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{})
        return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty())
        return separator == ',';
    if (text.front() != separator)
        return false;
    text.remove_prefix(1);
    return true;
}

// Writes numbers one behind the other into room that may run out.
class NumberWriter
{
public:
    explicit NumberWriter(std::span<char> room) noexcept : next_(room.data()), end_(room.data() + room.size())
    {
    }

    void Write(std::uint64_t number) noexcept
    {
        const auto [end, error] = std::to_chars(next_, end_, number);
        fits_ = fits_ && error == std::errc{};
        next_ = end;
    }

    void Write(char c) noexcept
    {
        fits_ = fits_ && next_ != end_;
        if (fits_)
            *next_++ = c;
    }

    bool fits() const noexcept { return fits_; }
    char *next() const noexcept { return next_; }

private:
    char *next_;
    char *end_;
    bool fits_ = true;
};

} // namespace

std::size_t CountInProgress(std::string_view text) noexcept
{
    if (text.empty() || text.back() == ':')
        return 0;
    return 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), ','));
}

bool ParseSnapshot(std::string_view text, std::span<std::uint64_t> room, XidSnapshot &snapshot) noexcept
{
    if (!TakeNumber(text, ':', snapshot.xmin) || !TakeNumber(text, ':', snapshot.xmax))
        return false;
    std::size_t count = 0;
    while (!text.empty()) {
        if (count == room.size() || !TakeNumber(text, ',', room[count++]))
            return false;
    }
    snapshot.in_progress = room.first(count);
    return snapshot.xmin <= snapshot.xmax &&
           std::is_sorted(snapshot.in_progress.begin(), snapshot.in_progress.end());
}

std::size_t FormatSnapshot(const XidSnapshot &snapshot, std::uint64_t own, std::span<char> room) noexcept
{
    bool own_is_due = own != 0 && snapshot.Sees(own);
    NumberWriter writer(room);
    writer.Write(own_is_due ? std::min(own, snapshot.xmin) : snapshot.xmin);
    writer.Write(':');
    writer.Write(snapshot.xmax);
    char separator = ':';
    const auto write_xid = [&](std::uint64_t xid) {
        writer.Write(separator);
        writer.Write(xid);
        separator = ',';
    };
    for (const std::uint64_t xid : snapshot.in_progress) {
        if (own_is_due && own < xid) {
            write_xid(own);
            own_is_due = false;
        }
        write_xid(xid);
    }
    if (own_is_due)
        write_xid(own);
    if (separator == ':')
        writer.Write(separator);
    writer.Write('\0');
    return writer.fits() ? static_cast<std::size_t>(writer.next() - room.data()) - 1 : 0;
}

std::size_t WindowRanges(const XidSnapshot &settled, const XidSnapshot &current,
                         std::span<XidRange> room) noexcept
{
    std::size_t count = 0;
    for (const std::uint64_t xid : settled.in_progress)
        if (current.Sees(xid))
            room[count++] = {xid, xid + 1};

    std::uint64_t first = settled.xmax;
    for (const std::uint64_t xid : current.in_progress) {
        if (xid < first)
            continue;
        if (xid > first)
            room[count++] = {first, xid};
        first = xid + 1;
    }
    if (first < current.xmax)
        room[count++] = {first, current.xmax};
    return count;
}

} // namespace callhardening
