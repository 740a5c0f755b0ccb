#include "core/ingest/member.hpp"

#include "core/json/json_parser.hpp"

#include <string>
#include <utility>

namespace callhardening
{

namespace
{

// Follows the path through the document. The first `on_path_` open containers are the path's.
class PathReader final : public JsonListener
{
public:
    PathReader(const MemberPath &path, MemberText &found) : path_(path), found_(found) {}

    bool Null() override { return Scalar(nullptr); }
    bool Boolean(bool) override { return Scalar(nullptr); }
    bool Whole(std::uint64_t number) override { return Number(std::to_string(number)); }
    bool Negative(std::int64_t number) override { return Number(std::to_string(number)); }
    bool Fraction() override { return Scalar(nullptr); }
    bool String(std::string &text) override { return Scalar(&text); }
    bool Key(std::string &name) override
    {
        is_named_ = open_ == on_path_ && !path_[on_path_ - 1].is_element && path_[on_path_ - 1].name == name;
        return true;
    }
    bool StartObject() override { return Open(false); }
    bool StartArray() override { return Open(true); }
    bool EndObject() override { return Close(); }
    bool EndArray() override { return Close(); }

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
    if (!ParseJson(json, reader))
        found.flaw = MemberFlaw::no_json;
    else if (reader.is_missing())
        found.flaw = MemberFlaw::missing;
    else
        found.flaw = reader.is_different() ? MemberFlaw::different : MemberFlaw::none;
    return found;
}

} // namespace callhardening
