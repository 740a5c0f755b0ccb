#include "core/ingest/member.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace callhardening
{

namespace
{

using Json = nlohmann::json;

// Follows the path through the document. The first `on_path_` open containers are the path's.
class PathReader
{
public:
    PathReader(const MemberPath &path, MemberText &found) : path_(path), found_(found) {}

    bool null() { return Scalar(nullptr); }
    bool boolean(bool) { return Scalar(nullptr); }
    bool number_integer(Json::number_integer_t number) { return Number(std::to_string(number)); }
    bool number_unsigned(Json::number_unsigned_t number) { return Number(std::to_string(number)); }
    bool number_float(Json::number_float_t, const Json::string_t &) { return Scalar(nullptr); }
    bool binary(Json::binary_t &) { return false; }
    bool string(Json::string_t &text) { return Scalar(&text); }
    bool key(Json::string_t &name)
    {
        is_named_ = open_ == on_path_ && !path_[on_path_ - 1].is_element && path_[on_path_ - 1].name == name;
        return true;
    }
    bool start_object(std::size_t) { return Open(false); }
    bool start_array(std::size_t) { return Open(true); }
    bool end_object() { return Close(); }
    bool end_array() { return Close(); }
    bool parse_error(std::size_t, const std::string &, const Json::exception &) { return false; }

    bool is_missing() const noexcept { return is_missing_ || !has_text_; }
    bool is_different() const noexcept { return is_different_; }

private:
    // True if the value that begins now is the next one on the path.
    bool IsNext() const noexcept
    {
        if (open_ != on_path_ || on_path_ == 0)
            return false;
        return path_[on_path_ - 1].is_element ? in_array_ : is_named_;
    }

    bool Number(std::string text) { return Scalar(&text); }

    bool Scalar(std::string *text)
    {
        if (!IsNext())
            return true;
        is_named_ = false;
        if (on_path_ < path_.size() || text == nullptr) {
            is_missing_ = true;
            return true;
        }
        is_seen_ = true;
        if (has_text_)
            is_different_ = is_different_ || found_.text != *text;
        else
            found_.text = std::move(*text);
        has_text_ = true;
        return true;
    }

    bool Open(bool is_array)
    {
        const bool enters = open_ == 0 || (IsNext() && on_path_ < path_.size());
        if (open_ > 0 && IsNext() && !enters)
            is_missing_ = true; // a container in place of the text
        is_named_ = false;
        ++open_;
        if (!enters)
            return true;
        ++on_path_;
        in_array_ = is_array;
        is_seen_ = false;
        is_missing_ = is_missing_ || path_[on_path_ - 1].is_element != is_array;
        return true;
    }

    bool Close()
    {
        if (open_ == on_path_) {
            if (on_path_ == path_.size())
                is_missing_ = is_missing_ || !is_seen_;
            --on_path_;
            in_array_ = on_path_ > 0 && path_[on_path_ - 1].is_element;
        }
        --open_;
        return true;
    }

    const MemberPath &path_;
    MemberText &found_;
    std::size_t open_ = 0, on_path_ = 0;
    bool in_array_ = false, is_named_ = false, is_seen_ = false;
    bool has_text_ = false, is_missing_ = false, is_different_ = false;
};

} // namespace

MemberText ReadMember(std::string_view json, const MemberPath &path)
{
    MemberText found;
    PathReader reader(path, found);
    // The parser would take a NUL for the end and ignore the rest.
    if (json.find('\0') != json.npos || !Json::sax_parse(json.begin(), json.end(), &reader))
        found.flaw = MemberFlaw::no_json;
    else if (reader.is_missing())
        found.flaw = MemberFlaw::missing;
    else
        found.flaw = reader.is_different() ? MemberFlaw::different : MemberFlaw::none;
    return found;
}

} // namespace callhardening
