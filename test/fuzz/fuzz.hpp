// The common parts of the fuzz targets.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

inline std::string_view ToText(const std::uint8_t *data, std::size_t size)
{
    return {reinterpret_cast<const char *>(data), size};
}

inline void Require(bool holds, const char *what)
{
    if (holds)
        return;
    std::fprintf(stderr, "wrong: %s\n", what);
    std::abort();
}

// True for texts that the type text can hold in a UTF8 database.
inline bool IsText(const std::string &bytes)
{
    try {
        return bytes.find('\0') == std::string::npos && !nlohmann::json(bytes).dump().empty();
    } catch (const nlohmann::json::exception &) {
        return false;
    }
}
