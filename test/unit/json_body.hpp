// A body out of a text, as a shape's reader walks it.
#pragma once

#include "core/events/shape_reader.hpp"

#include <nlohmann/json.hpp>

#include <deque>
#include <string>

namespace callhardening
{

class JsonBody
{
public:
    using Json = nlohmann::json;
    using Node = const Json *;

    // A body that is no JSON is null.
    explicit JsonBody(std::string_view text) : json_(Json::parse(text, nullptr, false)) {}

    Node Root() const { return &json_; }
    static bool Exists(Node node) { return node != nullptr; }
    static bool IsArray(Node node) { return node != nullptr && node->is_array(); }
    static bool IsFilled(Node node)
    {
        return node != nullptr && (node->is_array() || node->is_object()) && !node->empty();
    }
    static Node Member(Node node, std::string_view name)
    {
        if (node == nullptr || !node->is_object())
            return nullptr;
        const auto found = node->find(std::string(name));
        return found == node->end() ? nullptr : &*found;
    }
    static Node Element(Node node, std::size_t n)
    {
        return IsArray(node) && n < node->size() ? &(*node)[n] : nullptr;
    }
    JsonScalar Scalar(Node node)
    {
        if (node == nullptr)
            return {};
        if (node->is_boolean())
            return {JsonScalar::Kind::boolean, node->get<bool>(), {}};
        if (node->is_string())
            return {JsonScalar::Kind::string, false, node->get_ref<const std::string &>()};
        if (node->is_number())
            return {JsonScalar::Kind::number, false, Keep(node->dump())};
        return {};
    }
    std::string_view Join(std::span<const std::string_view> texts)
    {
        std::string joined;
        for (const std::string_view text : texts)
            joined.append(joined.empty() ? "" : " ").append(text);
        return Keep(std::move(joined));
    }
    // One zone is enough to see that it is asked for.
    static std::optional<std::int64_t> InZone(std::string_view name, std::int64_t time)
    {
        return name == "Asia/Kolkata" ? std::optional(time - 19800 * std::int64_t{1000000}) : std::nullopt;
    }

private:
    std::string_view Keep(std::string text) { return texts_.emplace_back(std::move(text)); }

    Json json_;
    std::deque<std::string> texts_;
};

} // namespace callhardening
