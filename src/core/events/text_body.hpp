// A JSON text or a form as the document of a shape's reader, without a server.
//
// The reader asks for a few values, so nothing is built: each question walks over the text. What jsonb reads
// from a text, this reads too. It does not look for mistakes behind the values: it may also read a text that
// jsonb refuses.
#pragma once

#include "core/base/arena.hpp"
#include "core/events/form.hpp"
#include "core/events/shape_reader.hpp"
#include "core/json/json_scan.hpp"

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace callhardening
{

class TextBody
{
public:
    struct Node {
        const char *at = nullptr; // the first letter of a value
    };

    // Results live in the text or in the arena. After an interrupt they mean nothing.
    TextBody(std::string_view json, Arena &arena, const volatile std::sig_atomic_t &interrupt) noexcept;

    Node Root() const noexcept { return root_; }
    static bool Exists(Node node) noexcept { return node.at != nullptr; }
    static bool IsArray(Node node) noexcept { return node.at != nullptr && *node.at == '['; }
    static bool IsObject(Node node) noexcept { return node.at != nullptr && *node.at == '{'; }
    bool IsFilled(Node node) const noexcept;
    Node Member(Node object, std::string_view name) noexcept;
    Node Element(Node array, std::size_t n) noexcept;
    JsonScalar Scalar(Node node) noexcept;
    // The text of a value. Empty: there is none.
    std::string_view Text(Node node) const noexcept;
    std::string_view Join(std::span<const std::string_view> texts) noexcept;
    // Only times have zones, and who reads a text needs no time.
    static std::optional<std::int64_t> InZone(std::string_view, std::int64_t) noexcept
    {
        return std::nullopt;
    }

private:
    char At(const char *at) const noexcept { return at < end_ ? *at : '\0'; }
    bool Interrupted() const noexcept { return interrupt_ != 0; }
    const char *AfterSpace(const char *at) const noexcept;
    const char *AfterString(const char *at) const noexcept;
    const char *AfterContainer(const char *at) const noexcept;
    const char *AfterValue(const char *at) const noexcept;
    bool IsNamed(const char *at, const char *after, std::string_view name) noexcept;

    const char *end_;
    Arena &arena_;
    const volatile std::sig_atomic_t &interrupt_;
    Node root_;

    // The last found element: its neighbour is often asked for next.
    struct {
        const char *array;
        std::size_t n;
        const char *at;
    } last_ = {};
};

// The members of a form, as decoded. A name that repeats is an array.
class FormBody
{
public:
    struct Node {
        enum class Kind : unsigned char { nothing, form, array, text } kind = Kind::nothing;
        std::span<const FormMember> members;
    };

    FormBody(std::span<const FormMember> members, Arena &arena) noexcept : members_(members), arena_(arena) {}

    Node Root() const noexcept { return {Node::Kind::form, members_}; }
    static bool Exists(const Node &node) noexcept { return node.kind != Node::Kind::nothing; }
    static bool IsArray(const Node &node) noexcept { return node.kind == Node::Kind::array; }
    static bool IsFilled(const Node &node) noexcept
    {
        return node.kind != Node::Kind::text && !node.members.empty();
    }
    static Node Member(const Node &form, std::string_view name) noexcept;
    static Node Element(const Node &array, std::size_t n) noexcept;
    static JsonScalar Scalar(const Node &node) noexcept;
    std::string_view Join(std::span<const std::string_view> texts) noexcept;
    static std::optional<std::int64_t> InZone(std::string_view, std::int64_t) noexcept
    {
        return std::nullopt;
    }

private:
    std::span<const FormMember> members_;
    Arena &arena_;
};

} // namespace callhardening
