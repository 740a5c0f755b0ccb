#include "core/events/text_body.hpp"

#include "test/unit/json_body.hpp"
#include "test/unit/sanitize.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

using namespace callhardening;
using test::Heap;

namespace
{

// A value, as text: its kind and its content.
template <typename Body>
std::string Show(Body &body, const typename Body::Node &node)
{
    if (!body.Exists(node))
        return "nothing";
    const JsonScalar scalar = body.Scalar(node);
    switch (scalar.kind) {
    case JsonScalar::Kind::boolean:
        return scalar.boolean ? "true" : "false";
    case JsonScalar::Kind::number:
        return "number " + std::string(scalar.text);
    case JsonScalar::Kind::string:
        return "string " + std::string(scalar.text);
    case JsonScalar::Kind::absent:
        break;
    }
    return std::string(body.IsArray(node) ? "array" : "other") + (body.IsFilled(node) ? ", filled" : "");
}

std::string Root(const std::string &json)
{
    Arena arena(Heap::Allocate);
    TextBody body(json, arena, no_interrupt);
    return Show(body, body.Root());
}

std::string Member(const std::string &json, const std::string &name)
{
    Arena arena(Heap::Allocate);
    TextBody body(json, arena, no_interrupt);
    return Show(body, body.Member(body.Root(), name));
}

// Random documents with few names, so that paths through them meet values.
class Documents
{
public:
    explicit Documents(unsigned seed) : random_(seed) {}

    std::string Value(int depth)
    {
        switch (Below(depth > 0 ? 9 : 5)) {
        case 0:
            return std::to_string(static_cast<int>(Below(2000)) - 1000);
        case 1:
            return Below(2) == 0 ? "true" : "false";
        case 2:
            return "null";
        case 3:
        case 4:
            return Text();
        case 5:
        case 6:
            return Array(depth);
        default:
            return Object(depth);
        }
    }
    std::string Name()
    {
        static const std::vector<std::string> names = {"a", "b", "c d", "e\"f", "g\\", "\xc3\xa9", ""};
        return names[Below(names.size())];
    }
    std::size_t Below(std::size_t bound) { return random_() % bound; }

private:
    std::string Space() { return std::string(Below(3), " \n\t\r"[Below(4)]); }
    std::string Text() { return test::Json(Name() + Name() + "]},:{[").dump(-1, ' ', Below(2) == 0); }
    std::string Array(int depth)
    {
        std::string all = "[" + Space();
        for (std::size_t i = 0, size = Below(4); i < size; ++i)
            all += (i > 0 ? "," : "") + Space() + Value(depth - 1) + Space();
        return all + "]";
    }
    std::string Object(int depth)
    {
        std::string all = "{" + Space();
        for (std::size_t i = 0, size = Below(5); i < size; ++i)
            all += (i > 0 ? "," : "") + Space() + test::Json(Name()).dump(-1, ' ', Below(2) == 0) + Space() +
                   ":" + Space() + Value(depth - 1) + Space();
        return all + "}";
    }

    std::mt19937 random_;
};

// Walks the same random path in both.
void Compare(const std::string &json, Documents &documents)
{
    Arena arena(Heap::Allocate);
    TextBody text(json, arena, no_interrupt);
    JsonBody tree(json);
    TextBody::Node here = text.Root();
    JsonBody::Node there = tree.Root();
    ASSERT_EQ(Show(text, here), Show(tree, there)) << json;
    for (int step = 0; step < 6; ++step) {
        if (documents.Below(3) == 0) {
            const std::size_t n = documents.Below(3);
            here = text.Element(here, n), there = tree.Element(there, n);
        } else {
            const std::string name = documents.Name();
            here = text.Member(here, name), there = tree.Member(there, name);
        }
        ASSERT_EQ(Show(text, here), Show(tree, there)) << json;
    }
}

TEST(TextBody, ReadsWhatAParserReads)
{
    Documents documents(7);
    for (int i = 0; i < 20000; ++i) {
        const std::string json = documents.Value(5);
        for (int path = 0; path < 5; ++path)
            Compare(json, documents);
        Heap::blocks.clear();
    }
}

// PrintNumber has its own test.
TEST(TextBody, PrintsNumbersAsJsonbDoes)
{
    EXPECT_EQ(Root("-0"), "number 0");
    EXPECT_EQ(Root("1e3"), "number 1000");
    EXPECT_EQ(Root("1.50"), "number 1.50");
    EXPECT_EQ(Root("1E-2"), "number 0.01");
    EXPECT_EQ(Root("9007199254740993"), "number 9007199254740993");
    EXPECT_EQ(Root("1e60"), "number 1" + std::string(60, '0'));
    EXPECT_EQ(Root(std::string(60, '7')), "number " + std::string(60, '7'));
    EXPECT_EQ(Root("1e5000"), "number 1e5000"); // no call id
}

TEST(TextBody, TakesTheLastMemberOfAName)
{
    EXPECT_EQ(Member(R"({"a": 1, "b": 2, "\u0061": 3})", "a"), "number 3");
    EXPECT_EQ(Member(R"({"a": 1, "a": {}})", "a"), "other");
    EXPECT_EQ(Member(R"({"a": 1, "aa": 2})", "a"), "number 1");
}

TEST(TextBody, IsSafeInBrokenTexts)
{
    const std::string json = R"({"a": [1, {"b": "\ud83d\ude00 \"", "c": -1.5e3}], "d": null, "e": "x\\"})";
    for (std::size_t size = 0; size <= json.size(); ++size)
        for (const char letter : {'"', '\\', '{', ']', ':', ',', '\0', '\xff'}) {
            std::string broken = json.substr(0, size);
            broken += letter;
            broken += json.substr(std::min(size + 1, json.size()));
            for (const std::string &text : {broken, broken.substr(0, size + 1)})
                for (const char *name : {"a", "d", "e"})
                    Member(text, name);
        }
    EXPECT_EQ(Root(""), "nothing");
    EXPECT_EQ(Root("-"), "other");
    EXPECT_EQ(Root("007"), "number 0"); // jsonb refuses it, and no log takes it
    EXPECT_EQ(Root(R"("\u0000")"), "other");
    EXPECT_EQ(Root(R"("\ud83d")"), "other");
}

TEST(TextBody, TakesAnyDepth)
{
    const std::string deep(200000, '[');
    EXPECT_EQ(Member("{\"a\": " + deep + std::string(200000, ']') + ", \"b\": 1}", "b"), "number 1");
    EXPECT_EQ(Member("{\"a\": " + deep + ", \"b\": 1}", "b"), "nothing");
}

TEST(TextBody, StopsAtAnInterrupt)
{
    const volatile std::sig_atomic_t interrupt = 1;
    Arena arena(Heap::Allocate);
    const std::string json = R"({"a": 1, "b": [1, 2]})";
    TextBody body(json, arena, interrupt);
    EXPECT_FALSE(TextBody::Exists(body.Member(body.Root(), "b")));
}

TEST(FormBody, HasTextsAndArraysOfThem)
{
    const std::string form = "b=1&a=x&b=2";
    std::vector<char> room(form.size() + 1);
    std::vector<FormMember> places(CountFormMembers(form));
    const Form opened = DecodeForm(form, room, places);
    Arena arena(Heap::Allocate);
    FormBody body(opened.members, arena);
    const FormBody::Node root = body.Root(), b = FormBody::Member(root, "b");
    EXPECT_EQ(Show(body, FormBody::Member(root, "a")), "string x");
    EXPECT_EQ(Show(body, b), "array, filled");
    EXPECT_EQ(Show(body, FormBody::Element(b, 1)), "string 2");
    EXPECT_EQ(Show(body, FormBody::Element(b, 2)), "nothing");
    EXPECT_EQ(Show(body, FormBody::Member(b, "b")), "nothing");
    EXPECT_EQ(Show(body, FormBody::Member(root, "c")), "nothing");
}

} // namespace
