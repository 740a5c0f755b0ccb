// A JSON text as a sequence of tokens. The parser is nlohmann's. It takes the compiler seconds to read, so
// only one file includes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace callhardening
{

// Is told each token. A function that returns false ends the parsing.
class JsonListener
{
public:
    virtual bool Null() = 0;
    virtual bool Boolean(bool value) = 0;
    virtual bool Whole(std::uint64_t value) = 0;
    virtual bool Negative(std::int64_t value) = 0;
    virtual bool Fraction() = 0; // or a whole number that is out of range
    virtual bool String(std::string &text) = 0;
    virtual bool Key(std::string &name) = 0;
    virtual bool StartObject() = 0;
    virtual bool StartArray() = 0;
    virtual bool EndObject() = 0;
    virtual bool EndArray() = 0;
    // The text is no JSON in UTF-8, or has a number that no double can hold.
    virtual void Mistake(bool /*is_overflow*/) noexcept {}

protected:
    JsonListener() = default;
    ~JsonListener() = default;
};

// False: the text is no JSON in UTF-8, has a number out of range, or the listener ended it. May throw
// bad_alloc.
bool ParseJson(std::string_view json, JsonListener &listener);

} // namespace callhardening
