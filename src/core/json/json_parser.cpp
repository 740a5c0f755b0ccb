#include "core/json/json_parser.hpp"

#include <nlohmann/json.hpp>

namespace callhardening
{

namespace
{

using Json = nlohmann::json;

// Has the names that the parser calls.
class Adapter
{
public:
    explicit Adapter(JsonListener &listener) noexcept : listener_(listener) {}

    bool null() { return listener_.Null(); }
    bool boolean(bool value) { return listener_.Boolean(value); }
    bool number_integer(Json::number_integer_t value) { return listener_.Negative(value); }
    bool number_unsigned(Json::number_unsigned_t value) { return listener_.Whole(value); }
    bool number_float(Json::number_float_t, const Json::string_t &) { return listener_.Fraction(); }
    bool binary(Json::binary_t &) { return false; }
    bool string(Json::string_t &text) { return listener_.String(text); }
    bool key(Json::string_t &name) { return listener_.Key(name); }
    bool start_object(std::size_t) { return listener_.StartObject(); }
    bool start_array(std::size_t) { return listener_.StartArray(); }
    bool end_object() { return listener_.EndObject(); }
    bool end_array() { return listener_.EndArray(); }
    bool parse_error(std::size_t, const std::string &, const Json::exception &exception)
    {
        constexpr int number_overflow = 406; // such as 1e400
        listener_.Mistake(exception.id == number_overflow);
        return false;
    }

private:
    JsonListener &listener_;
};

} // namespace

bool ParseJson(std::string_view json, JsonListener &listener)
{
    // The parser would take a NUL for the end and ignore the rest.
    if (json.find('\0') != json.npos) {
        listener.Mistake(false);
        return false;
    }
    Adapter adapter(listener);
    return Json::sax_parse(json.begin(), json.end(), &adapter);
}

} // namespace callhardening
