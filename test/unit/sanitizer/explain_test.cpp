#include "test/unit/sanitize.hpp"

#include "core/sanitizer/explain.hpp"
#include "core/sanitizer/json_text.hpp"

#include <gtest/gtest.h>

using namespace callhardening;
using namespace callhardening::test;

namespace
{

struct Row {
    std::string path, action, reason;
    std::uint32_t bytes_in, bytes_out;

    bool operator==(const Row &) const = default;
};

std::ostream &operator<<(std::ostream &out, const Row &row)
{
    return out << row.path << " | " << row.action << " | " << row.reason << " | " << row.bytes_in << " | "
               << row.bytes_out;
}

struct Explained {
    std::vector<Row> rows;
    std::string result;
    bool complete;
};

// Expects members in jsonb's order.
Explained Explain(const std::string &text, const Policy *policy = DefaultPolicy())
{
    const Pseudonyms no_keys;
    Explained explained{};
    const auto explainer = std::make_unique<Explainer>(*policy, no_keys, Heap::Allocate);
    if (FeedEmbeddedText(text, explainer->document()) == TextVerdict::done) {
        while (explainer->Step()) {
        }
        explained.complete = explainer->Finish();
    }
    for (const ExplainedValue &value :
         explained.complete ? explainer->values() : std::span<const ExplainedValue>{})
        explained.rows.push_back(
            {std::string(explainer->PathText(value)), std::string(explainer->ActionText(value)),
             std::string(explainer->ReasonText(value)), value.bytes_in, value.bytes_out});
    explained.complete = explained.complete && !explainer->failed();
    if (explained.complete)
        explained.result = ToText(explainer->result());
    Heap::blocks.clear();
    return explained;
}

TEST(Explain, SaysWhatWasDoneAndWhy)
{
    const auto policy = MakePolicy(R"({"version": 1, "rules": [{"path": "**.id", "action": "keep"},
        {"path": "data", "action": "json"}, {"path": "**.note", "action": "mask", "keep": 2}], "limits": {"items": 1}})");
    EXPECT_EQ(
        Explain(
            R"({"a": null, "id": 17, "data": "{\"note\": \"12345\", \"list\": [1, 22, 333]}", "note": "x"})",
            policy.get())
            .rows,
        (std::vector<Row>{{"a", "dropped", "empty", 4, 0},
                          {"id", "kept", "rules[0] **.id", 2, 2},
                          {"data.list[0]", "kept", "rules[1] data", 1, 1},
                          {"data.list[1..]", "truncated", "limits.items", 5, 0},
                          {"data.note", "kept", "rules[1] data", 7, 7},
                          {"note", "masked", "rules[2] **.note", 3, 5}}));
}

// An observer must not change the result.
TEST(Explain, ChangesNothing)
{
    for (const char *text :
         {R"({"a": {"b": null}, "c": [1, [], {"d": ""}], "password": {"x": 1}})", R"([{"token": "x"}, 1.5])",
          R"({"custom_data": "{\"b\": 1, \"a\": 2, \"a\": {\"token=x\": 1, \"token=y\": 2}}"})",
          R"("Bearer abcdefghijk")", R"({"token=a": [1], "token=b": {"c": 2}, "token=cd": null})",
          R"({"_sanitized": 1, "recap_summary": "x"})"}) {
        const Explained explained = Explain(text);
        ASSERT_TRUE(explained.complete) << text;
        EXPECT_EQ(Json::parse(explained.result), Sanitize(Json::parse(text)).document) << text;
    }
}

TEST(Explain, EndsWhereThereIsNoMemory)
{
    const std::string text =
        R"({"a": {"b": null}, "url": "https://a:b@c/?token=x", "token=a": 1, "custom_data": "{\"a\": [{\"password\": 1}, 2]}"})";
    long allocations = 0;
    for (;; ++allocations) {
        Heap::left = allocations;
        const bool complete = Explain(text).complete;
        Heap::left = -1;
        if (complete)
            break;
    }
    EXPECT_GT(allocations, 1);
}

} // namespace
