// Writes JSON text member by member.
#pragma once

#include "core/base/core.hpp"

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace callhardening
{

// Appends to the caller's string, compact and in ASCII. It has no state: the last character tells whether a
// comma is due. May throw bad_alloc.
class JsonWriter
{
public:
    explicit JsonWriter(std::string &out) noexcept : out_(out) {}

    void Open(char bracket)
    {
        Separate();
        out_ += bracket;
    }
    void Close(char bracket) { out_ += bracket; }

    JsonWriter &Key(std::string_view name)
    {
        Separate();
        out_ += '"';
        out_ += name;
        out_ += "\":";
        return *this;
    }

    // A number, true, false or null, written as given.
    void Literal(std::string_view value)
    {
        Separate();
        out_ += value;
    }
    void Null() { Literal("null"); }
    void Number(std::int64_t value)
    {
        char digits[24];
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        Literal({digits, static_cast<std::size_t>(end - digits)});
    }

    // `value` is UTF-8 of Latin-1 letters. Every server encoding of a language can hold these.
    void Text(std::string_view value)
    {
        Separate();
        out_ += '"';
        std::size_t plain = 0;
        for (std::size_t i = 0; i < value.size(); ++i) {
            if (!IsSpecial(value[i]))
                continue;
            out_ += value.substr(plain, i - plain);
            i += Escape(value, i);
            plain = i + 1;
        }
        out_ += value.substr(plain);
        out_ += '"';
    }

private:
    static bool IsSpecial(char c) noexcept
    {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte >= 0x80 || c == '"' || c == '\\';
    }

    // Returns the number of bytes taken beyond the first one.
    std::size_t Escape(std::string_view value, std::size_t i)
    {
        constexpr char hex[] = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(value[i]);
        if (byte == '"' || byte == '\\') {
            out_ += '\\';
            out_ += value[i];
            return 0;
        }
        const bool pair = byte >= 0x80 && i + 1 < value.size();
        const unsigned code =
            pair ? (byte & 0x1fU) << 6 | (static_cast<unsigned char>(value[i + 1]) & 0x3fU) : byte;
        out_ += "\\u00";
        out_ += hex[code >> 4 & 0xf];
        out_ += hex[code & 0xf];
        return pair ? 1 : 0;
    }

    void Separate()
    {
        if (!out_.empty() && out_.back() != '{' && out_.back() != '[' && out_.back() != ':')
            out_ += ',';
    }

    std::string &out_;
};

} // namespace callhardening
