#include "core/events/parts.hpp"
#include "core/ingest/partition.hpp"
#include "core/json/json_scan.hpp"
#include "core/providers/built_in_shapes.hpp"
#include "test/unit/json_body.hpp"
#include "test/unit/sanitize.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

using namespace callhardening;

namespace
{

using Json = nlohmann::json;
using Texts = std::vector<std::string>;

struct DeleteShape {
    void operator()(const Shape *shape) const { Shape::Delete(shape); }
};
using OwnedShape = std::unique_ptr<const Shape, DeleteShape>;

OwnedShape Compiled(const std::string &forms)
{
    SettingError error;
    OwnedShape shape(Shape::Compile(R"({"version": 1, "forms": [)" + forms + "]}", error));
    EXPECT_TRUE(shape) << error.field << ": " << error.reason;
    return shape;
}

OwnedShape WithCall(const std::string &path)
{
    return Compiled(R"({"call": ")" + path + R"(", "fields": {"call_id": "id"}})");
}

std::string Refusal(const std::string &form)
{
    SettingError error;
    const OwnedShape shape(Shape::Compile(R"({"version": 1, "forms": [)" + form + "]}", error));
    return shape ? "none" : std::string(error.field) + ": " + error.reason;
}

// The body with only the chosen elements, as the server makes it.
Json Reduced(const Json &body, std::span<const PartStep> steps)
{
    if (steps.empty() || (body.is_object() && !body.contains(std::string(steps.front().member))) ||
        !body.is_structured())
        return body;
    const PartStep &step = steps.front();
    Json reduced = body;
    if (!step.member.empty())
        reduced[std::string(step.member)] = Reduced(body.at(std::string(step.member)), steps.subspan(1));
    else if (step.is_chosen)
        reduced = Json::array({Reduced(body.at(step.element), steps.subspan(1))});
    else
        reduced[step.element] = Reduced(body.at(step.element), steps.subspan(1));
    return reduced;
}

// A router cuts the same parts out of the text.
void CompareWithCut(const Shape &shape, const std::string &text, const Texts &parts)
{
    Arena arena(test::Heap::Allocate);
    const auto cut = DivideBody(text, shape, arena, no_interrupt);
    ASSERT_EQ(cut.size(), parts.size()) << text;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const Json part = Json::parse(parts[i]), other = Json::parse(cut[i]);
        EXPECT_TRUE(part == other || (part.is_array() && part.size() == 1 && part[0] == other)) << cut[i];
    }
}

// The parts of a body. Empty: it is not divided.
Texts Parts(const Shape &shape, const std::string &text)
{
    JsonBody body(text);
    PartFinder finder(body);
    const PartsOfBody parts = finder.Find(shape);
    Texts texts;
    if (parts.IsDivided())
        finder.Visit(*parts.form, [&](std::span<const PartStep> steps, JsonBody::Node) {
            texts.push_back(Reduced(Json::parse(text), steps).dump());
            return true;
        });
    EXPECT_EQ(parts.count, texts.size());
    CompareWithCut(shape, text, texts);
    return texts;
}

std::string CallId(const Shape &shape, const std::string &text)
{
    JsonBody body(text);
    FieldValue values[field_count];
    return ShapeReader(body).Read(shape, 0, values) == nullptr ? "none" : std::string(values[0].text);
}

Texts CallIds(const Shape &shape, const std::string &text)
{
    Texts ids;
    for (const std::string &part : Parts(shape, text))
        ids.push_back(CallId(shape, part));
    return ids;
}

TEST(Parts, HaveOneElementEachAndTheMembersAroundIt)
{
    const auto shape = WithCall("data.calls[*]");
    EXPECT_EQ(
        Parts(*shape, R"({"event": "end", "data": {"calls": [{"id": 1, "s": "a"}, {"id": 2}], "n": 2}})"),
        (Texts{R"({"data":{"calls":[{"id":1,"s":"a"}],"n":2},"event":"end"})",
               R"({"data":{"calls":[{"id":2}],"n":2},"event":"end"})"}));
}

TEST(Parts, AreReadByTheSameShape)
{
    const auto shape = WithCall("data.calls[*]");
    EXPECT_EQ(CallIds(*shape, R"({"data": {"calls": [{"id": 1}, {"id": 2}, {"id": 3}]}})"),
              (Texts{"1", "2", "3"}));
    EXPECT_EQ(CallId(*shape, R"({"data": {"calls": [{"id": 1}]}})"), "1");
    EXPECT_EQ(CallId(*shape, R"({"data": {"calls": {"id": 1}}})"), "1") << "without the array";
}

TEST(Parts, ABodyWithOneCallStaysWhole)
{
    const auto shape = WithCall("data.calls[*]");
    for (const char *body : {R"({"data": {"calls": [{"id": 1}]}})", R"({"data": {"calls": {"id": 1}}})",
                             R"({"data": {"calls": []}})", R"({"data": {}})", "{}", "[]", "7", "null",
                             R"([{"data": 1}, {"data": 2}])"})
        EXPECT_EQ(Parts(*shape, body), Texts{}) << body;
}

TEST(Parts, ABodyWithoutACallStaysWhole)
{
    EXPECT_EQ(Parts(*WithCall("calls[*]"), R"({"calls": [{}, {"id": null}, 5]})"), Texts{});
}

TEST(Parts, AnElementWithoutACallIdIsAPartToo)
{
    EXPECT_EQ(CallIds(*WithCall("calls[*]"), R"({"calls": [{}, {"id": 1}, 5, null, {"id": 2}]})"),
              (Texts{"none", "1", "none", "none", "2"}));
}

TEST(Parts, AreOnSeveralLevels)
{
    const auto shape = WithCall("people[*].calls[*]");
    const std::string body = R"({"people": [{"name": "a", "calls": [{"id": 1}, {"id": 2}]}, {"name": "b"},
        {"name": "c", "calls": []}, {"name": "d", "calls": [{"id": 3}]}]})";
    EXPECT_EQ(Parts(*shape, body),
              (Texts{R"({"people":[{"calls":[{"id":1}],"name":"a"}]})",
                     R"({"people":[{"calls":[{"id":2}],"name":"a"}]})", R"({"people":[{"name":"b"}]})",
                     R"({"people":[{"calls":[],"name":"c"}]})",
                     R"({"people":[{"calls":[{"id":3}],"name":"d"}]})"}));
    EXPECT_EQ(CallIds(*shape, body), (Texts{"1", "2", "none", "none", "3"}));
    EXPECT_EQ(Parts(*shape, R"({"people": [{"calls": [{"id": 1}]}]})"), Texts{});
}

TEST(Parts, OfARootArrayAreReadWithoutIt)
{
    const auto shape =
        Compiled(R"({"call": "$[*].data", "when": {"$.type": "call"}, "fields": {"call_id": "id"}})");
    EXPECT_TRUE(shape->reads_arrays());
    const std::string body = R"([{"type": "sms"}, {"type": "call", "data": {"id": 1}}])";
    EXPECT_EQ(CallIds(*shape, body), (Texts{"none", "1"})) << "a part is its own root";
    EXPECT_EQ(CallIds(*shape, R"([{"type": "call", "data": {"id": 1}}])"), Texts{"1"})
        << "all parts look alike";
    EXPECT_EQ(CallId(*shape, R"({"type": "call", "data": {"id": 1}})"), "1");
    EXPECT_EQ(Parts(*shape, R"({"type": "call", "data": {"id": 1}})"), Texts{});
    EXPECT_FALSE(WithCall("calls[*]")->reads_arrays());
}

TEST(Parts, TheFirstFormThatFitsDivides)
{
    const auto shape = Compiled(R"({"name": "one", "when": {"$.kind": "one"}, "fields": {"call_id": "id"}},
        {"name": "few", "call": "few[*]", "when": {"$.kind": "few"}, "fields": {"call_id": "id"}},
        {"name": "many", "call": "many[*]", "fields": {"call_id": "id"}})");
    const std::string arrays = R"("few": [{"id": 1}, {"id": 2}], "many": [{"id": 3}, {"id": 4}]})";
    EXPECT_EQ(Parts(*shape, R"({"kind": "one", "id": 9, )" + arrays), Texts{});
    EXPECT_EQ(CallIds(*shape, R"({"kind": "few", )" + arrays), (Texts{"1", "2"}));
    EXPECT_EQ(CallIds(*shape, R"({"kind": "any", )" + arrays), (Texts{"3", "4"}));
    EXPECT_EQ(Parts(*shape, R"({"kind": "few", "few": {"id": 1}, "many": [{"id": 3}, {"id": 4}]})"), Texts{});
}

TEST(Parts, OtherElementsOnTheWayStay)
{
    EXPECT_EQ(
        Parts(*WithCall("pages[1].calls[*]"), R"({"pages": [{"n": 0}, {"calls": [{"id": 1}, {"id": 2}]}]})"),
        (Texts{R"({"pages":[{"n":0},{"calls":[{"id":1}]}]})",
               R"({"pages":[{"n":0},{"calls":[{"id":2}]}]})"}));
    EXPECT_EQ(Parts(*WithCall("pages.calls[*]"), R"({"pages": [{"calls": [{"id": 1}, {"id": 2}]}, 7]})"),
              (Texts{R"({"pages":[{"calls":[{"id":1}]},7]})", R"({"pages":[{"calls":[{"id":2}]},7]})"}));
}

std::string WithCalls(std::size_t count)
{
    Json calls = Json::array();
    for (std::size_t i = 0; i < count; ++i)
        calls.push_back({{"id", i}});
    return Json({{"calls", calls}}).dump();
}

TEST(Parts, AreBounded)
{
    const auto shape = WithCall("calls[*]");
    JsonBody most(WithCalls(max_parts));
    EXPECT_EQ(PartFinder(most).Find(*shape).count, max_parts);
    JsonBody more(WithCalls(5 * max_parts));
    const PartsOfBody parts = PartFinder(more).Find(*shape);
    EXPECT_TRUE(parts.IsDivided());
    EXPECT_EQ(parts.count, max_parts + 1);
    std::string path = "a[*]", body = R"({"id": 1})"; // as many steps as a path has
    for (std::size_t i = 2; i < max_steps; i += 2)
        path += ".a[*]";
    for (std::size_t i = 0; i < max_steps; i += 2)
        body = R"({"a": [[)" + body + "], 5]}";
    const auto deep = WithCall(path);
    EXPECT_EQ(CallIds(*deep, body).front(), "1");
}

TEST(Parts, OnlyTheCallHasThem)
{
    EXPECT_EQ(Refusal(R"({"fields": {"call_id": "calls[*].id"}})"),
              "forms[0].fields.call_id: has [*], but only the path of a call may");
    EXPECT_EQ(Refusal(R"({"when": {"$.calls[*].id": "*"}, "fields": {"call_id": "id"}})"),
              "forms[0].when.$.calls[*].id: has [*], but only the path of a call may");
    EXPECT_EQ(Refusal(R"({"call": "calls[**]", "fields": {"call_id": "id"}})"),
              "forms[0].call: has brackets without a whole number");
    EXPECT_FALSE(BuiltInShape("dialpad")->has_parts());
}

TEST(Parts, OfBuiltInShapes)
{
    EXPECT_EQ(CallIds(*BuiltInShape("ringcentral"), R"({"body": {"telephonySessionId": "s-1", "parties": [
        {"id": "p-1-1"}, {"id": "p-1-2"}]}})"),
              (Texts{"p-1-1", "p-1-2"}));
    EXPECT_EQ(CallIds(*BuiltInShape("ringcentral"),
                      R"({"pn_apns": {"body": {"telephonySessionId": "s-1", "parties": [
        {"id": "p-1-1"}, {"id": "p-1-2"}]}}})"),
              (Texts{"p-1-1", "p-1-2"}));
    EXPECT_EQ(CallIds(*BuiltInShape("twilio"),
                      R"([{"type": "com.twilio.voice.x.call.ringing", "data": {"sid": "CA1"}},
        {"type": "com.twilio.voice.x.call.completed", "data": {"sid": "CA2"}}])"),
              (Texts{"CA1", "CA2"}));
    EXPECT_EQ(CallIds(*BuiltInShape("zoom_phone"),
                      R"({"event": "phone.callee_call_log_completed", "payload": {"object": {
        "call_logs": [{"call_id": "71"}, {"call_id": "72"}]}}})"),
              (Texts{"71", "72"}));
    EXPECT_EQ(
        CallIds(*BuiltInShape("zoom_phone"), R"({"event": "phone.recording_completed", "payload": {"object": {
        "recordings": [{"call_id": "71"}, {"call_id": "72"}]}}})"),
        (Texts{"71", "72"}));
}

} // namespace
