// Runs the sanitizer over a JSON document without a server.
#pragma once

#include "core/policy/built_in_policy.hpp"
#include "core/sanitizer/sanitizer.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace callhardening::test
{

using Json = nlohmann::json;

// The sanitizer never frees memory. The memory context of its caller does, and here the end of a run.
struct Heap {
    static inline std::vector<std::unique_ptr<char[]>> blocks;
    static inline long left = -1; // remaining successful allocations; negative: all succeed

    static void *Allocate(std::size_t size)
    {
        if (left == 0)
            return nullptr;
        if (left > 0)
            --left;
        blocks.push_back(std::make_unique<char[]>(size));
        return blocks.back().get();
    }
};

inline bool HasRecord(const Json &root)
{
    return root.is_object() && root.contains("_sanitized") && root["_sanitized"].is_string() &&
           IsRecord(root["_sanitized"].get_ref<const std::string &>());
}

// "4,3,1,0" of a result. Empty: it has no record.
inline std::string RecordedCounts(const Json &root)
{
    if (!HasRecord(root))
        return {};
    const auto &record = root["_sanitized"].get_ref<const std::string &>();
    return record.substr(0, record.find(' '));
}

// Members come in jsonb's order. In the order of a document, they come in nlohmann's: alphabetical.
inline void Feed(const Json &value, Sanitizer &sanitizer, std::vector<std::unique_ptr<std::string>> &texts,
                 MemberOrder order)
{
    const bool sorted = order == MemberOrder::jsonb;
    const auto count = [sorted](std::size_t size) {
        return sorted || size == 0 ? size : Sanitizer::unknown_count;
    };
    if (value.is_object()) {
        if (sanitizer.BeginObject(count(value.size())) == Walk::skip)
            return;
        std::vector<std::string> names;
        for (const auto &member : value.items())
            names.push_back(member.key());
        if (sorted)
            std::sort(names.begin(), names.end(),
                      [](const std::string &a, const std::string &b) { return CompareNames(a, b) < 0; });
        for (const std::string &name : names) {
            texts.push_back(std::make_unique<std::string>(name));
            sanitizer.Key(*texts.back());
            for (const std::string &other : names)
                if (sorted && sanitizer.IsAtPairedValue() && IsPairName(other) && value[other].is_string())
                    sanitizer.NamePair(value[other].get_ref<const std::string &>());
            Feed(value[name], sanitizer, texts, order);
        }
        sanitizer.EndObject();
    } else if (value.is_array()) {
        if (sanitizer.BeginArray(count(value.size())) == Walk::skip)
            return;
        for (const Json &item : value)
            Feed(item, sanitizer, texts, order);
        sanitizer.EndArray();
    } else if (value.is_string()) {
        sanitizer.String(value.get_ref<const std::string &>());
    } else if (value.is_boolean()) {
        sanitizer.Boolean(value);
    } else if (value.is_null()) {
        sanitizer.Null();
    } else {
        texts.push_back(std::make_unique<std::string>(value.dump()));
        sanitizer.Number(*texts.back());
    }
}

// As jsonb prints it.
inline std::string ToText(std::span<const Token> tokens)
{
    std::string out;
    bool first = true;
    const auto separate = [&] {
        if (!first)
            out += ", ";
        first = false;
    };
    bool after_key = false;
    for (const Token &token : tokens) {
        const bool ends = token.kind == TokenKind::object_end || token.kind == TokenKind::array_end;
        if (!ends && !after_key)
            separate();
        after_key = token.kind == TokenKind::key;
        switch (token.kind) {
        case TokenKind::object_begin:
            out += '{', first = true;
            break;
        case TokenKind::array_begin:
            out += '[', first = true;
            break;
        case TokenKind::object_end:
            out += '}', first = false;
            break;
        case TokenKind::array_end:
            out += ']', first = false;
            break;
        case TokenKind::key:
            out += Json(std::string(token.text())).dump() + ": ";
            break;
        case TokenKind::string:
            out += Json(std::string(token.text())).dump();
            break;
        case TokenKind::number_text:
            out += token.text();
            break;
        case TokenKind::boolean:
            out += token.size != 0 ? "true" : "false";
            break;
        default:
            out += "null";
        }
    }
    return out;
}

struct SanitizeResult {
    Json document;
    std::size_t printed;
    SanitizeCounts counts;
    bool changed;
    bool complete;
};

inline SanitizeResult Sanitize(const Json &document, const Policy *policy = DefaultPolicy(),
                               MemberOrder order = MemberOrder::jsonb)
{
    std::vector<std::unique_ptr<std::string>> texts;
    const Pseudonyms no_keys;
    Sanitizer sanitizer(*policy, no_keys, Heap::Allocate, order);
    Feed(document, sanitizer, texts, order);
    const bool complete = sanitizer.Finish();
    SanitizeResult result{{}, 0, sanitizer.counts(), sanitizer.changed(), complete};
    if (complete) {
        const std::string text = ToText(sanitizer.tokens());
        result.document = Json::parse(text);
        result.printed = text.size();
    }
    Heap::blocks.clear();
    return result;
}

// Compiles a policy from its document. A mistake in a test's policy ends the test.
inline std::shared_ptr<const Policy> MakePolicy(const std::string &text)
{
    SettingError error;
    const Policy *policy = Policy::Compile(text, error);
    if (policy == nullptr)
        throw std::runtime_error(std::string(error.field) + " " + error.reason);
    return {policy, Policy::Delete};
}

} // namespace callhardening::test
