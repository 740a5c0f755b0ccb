// Runs the sanitizer over a JSON document without a server.
#pragma once

#include "core/built_in_policy.hpp"
#include "core/payload.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace callhardening::test
{

using Json = nlohmann::json;

// The sanitizer never frees: its caller's memory context does, here at the end of a run.
struct Arena {
    static inline std::vector<std::unique_ptr<char[]>> blocks;
    static inline long left = -1; // allocations that still succeed; negative: all

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
    if (!root.is_object() || !root.contains("_sanitized"))
        return false;
    const Json &record = root["_sanitized"];
    if (!record.is_object() || record.size() != 2 || !record.contains("n") || !record.contains("p"))
        return false;
    const Json &n = record["n"], &p = record["p"];
    if (!n.is_array() || n.size() != record_counts || !p.is_string())
        return false;
    for (const Json &count : n)
        if (!count.is_number_unsigned() || count > largest_count)
            return false;
    return IsRecordedPolicy(p.get_ref<const std::string &>());
}

inline void Feed(const Json &value, Sanitizer &sanitizer, std::vector<std::unique_ptr<std::string>> &texts)
{
    if (value.is_object()) {
        if (sanitizer.BeginObject(value.size()) == Walk::skip)
            return;
        for (const auto &[name, member] : value.items()) {
            texts.push_back(std::make_unique<std::string>(name));
            sanitizer.Key(*texts.back());
            Feed(member, sanitizer, texts);
        }
        sanitizer.EndObject();
    } else if (value.is_array()) {
        if (sanitizer.BeginArray(value.size()) == Walk::skip)
            return;
        for (const Json &item : value)
            Feed(item, sanitizer, texts);
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

inline std::string ToText(std::span<const Token> tokens)
{
    std::string out;
    bool first = true;
    const auto separate = [&] {
        if (!first)
            out += ',';
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
            out += Json(std::string(token.text())).dump() + ':';
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

struct Result {
    Json document;
    SanitizeCounts counts;
    bool changed;
    bool complete;
};

inline Result Sanitize(const Json &document, const Policy *policy = DefaultPolicy())
{
    std::vector<std::unique_ptr<std::string>> texts;
    Sanitizer sanitizer(*policy, Arena::Allocate, HasRecord(document));
    Feed(document, sanitizer, texts);
    const bool complete = sanitizer.Finish();
    Result result{{}, sanitizer.counts(), sanitizer.changed(), complete};
    if (complete)
        result.document = Json::parse(ToText(sanitizer.tokens()));
    Arena::blocks.clear();
    return result;
}

// A policy from its document; a mistake in a test's policy ends the test.
inline std::shared_ptr<const Policy> MakePolicy(const std::string &text)
{
    PolicyError error;
    const Policy *policy = Policy::Compile(text, error);
    if (policy == nullptr)
        throw std::runtime_error(std::string(error.place) + " " + error.reason);
    return {policy, Policy::Delete};
}

} // namespace callhardening::test
