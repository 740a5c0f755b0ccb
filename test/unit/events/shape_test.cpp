#include "core/providers/built_in_shapes.hpp"
#include "test/unit/json_body.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

using namespace callhardening;

namespace
{

struct DeleteShape {
    void operator()(const Shape *shape) const { Shape::Delete(shape); }
};
using OwnedShape = std::unique_ptr<const Shape, DeleteShape>;

OwnedShape Compiled(const std::string &json)
{
    SettingError error;
    OwnedShape shape(Shape::Compile(json, error));
    EXPECT_TRUE(shape) << error.field << ": " << error.reason;
    return shape;
}

std::string Refusal(const std::string &json)
{
    SettingError error;
    const OwnedShape shape(Shape::Compile(json, error));
    return shape ? "none" : std::string(error.field) + ": " + error.reason;
}

// A form with the call id `id` and one more field.
std::string WithField(const std::string &field, const std::string &more = "")
{
    return R"({"version": 1, )" + more + R"("forms": [{"fields": {"call_id": "id", )" + field + "}}]}";
}

// The value of a field in a body, as text; "-": none.
std::string Read(const Shape &shape, Field field, const std::string &text)
{
    JsonBody body(text);
    FieldValue values[field_count];
    if (ShapeReader(body).Read(shape, ~FieldSet{0}, values) == nullptr)
        return "no form";
    const FieldValue &value = values[static_cast<std::size_t>(field)];
    const Reading reading = FactsOf(field).reading;
    if (!value.known)
        return "-";
    return IsTime(reading) || IsDuration(reading) || reading == Reading::flag ? std::to_string(value.number)
                                                                              : std::string(value.text);
}

std::string FormOf(const Shape &shape, const std::string &text)
{
    JsonBody body(text);
    FieldValue values[field_count];
    const ShapeForm *form = ShapeReader(body).Read(shape, 0, values);
    return form == nullptr ? "none" : form->name;
}

TEST(Shape, ReadsPathsOfAnyLength)
{
    const auto shape = Compiled(WithField(R"("to_number": "a.b.c.d.e")"));
    EXPECT_EQ(Read(*shape, Field::to_number, R"({"id": 1, "a": {"b": {"c": {"d": {"e": "x"}}}}})"), "x");
    EXPECT_EQ(Read(*shape, Field::to_number, R"({"id": 1, "a": {"b": {"c": {"d": 5}}}})"), "-");
    EXPECT_EQ(Read(*shape, Field::to_number, R"({"a": {}})"), "no form");
}

TEST(Shape, ReadsElementsOfArrays)
{
    const std::string body = R"({"id": 1, "a": [{"b": ["x", "y"]}, {"b": ["z"]}]})";
    const auto read = [&](const std::string &path) {
        return Read(*Compiled(WithField(R"("state": ")" + path + '"')), Field::state, body);
    };
    EXPECT_EQ(read("a.b"), "x") << "an array stands for its first element";
    EXPECT_EQ(read("a[].b"), "x");
    EXPECT_EQ(read("a[].b[]"), "x");
    EXPECT_EQ(read("a[0].b[1]"), "y");
    EXPECT_EQ(read("a[1].b"), "z");
    EXPECT_EQ(read("a[2].b"), "-");
    EXPECT_EQ(read("a[1][0].b"), "-");
    EXPECT_EQ(Read(*Compiled(WithField(R"("state": "a\\.b.c\\[0]")")), Field::state,
                   R"({"id": 1, "a.b": {"c[0]": "w"}})"),
              "w")
        << "a backslash makes the next character one of the name";
}

TEST(Shape, ReadsBeginningAtTheCallOrAtTheRoot)
{
    const auto shape = Compiled(R"({"version": 1, "forms": [{"call": "data.calls[]", "fields": {
        "call_id": "id", "state": ["$.event", "status"]}}]})");
    EXPECT_EQ(Read(*shape, Field::state, R"({"data": {"calls": [{"id": 1, "status": "b"}]}, "event": "a"})"),
              "a");
    EXPECT_EQ(Read(*shape, Field::state, R"({"data": {"calls": [{"id": 1, "status": "b"}]}})"), "b");
    EXPECT_EQ(Read(*shape, Field::call_id, R"({"data": {"calls": [{"id": 1}, {"id": 2}]}})"), "1");
    EXPECT_EQ(Read(*shape, Field::call_id, R"({"data": {"calls": []}})"), "no form");
}

TEST(Shape, TakesTheFirstCandidateThatHasAValue)
{
    const auto shape = Compiled(WithField(R"("started_at": ["a", "b", "c"])"));
    EXPECT_EQ(Read(*shape, Field::started_at, R"({"id": 1, "a": null, "b": "soon", "c": 1})"), "1000000");
    EXPECT_EQ(Read(*shape, Field::started_at, R"({"id": 1, "a": 2, "b": 3})"), "2000000");
}

TEST(Shape, TakesAConstantWhereItsConditionsHold)
{
    const auto shape = Compiled(WithField(R"("direction": [
        {"when": {"$.event": ["*_out", "dial*"], "internal": [null, false]}, "value": "outbound"},
        {"when": {"$.event": "*"}, "value": "inbound"}])"));
    EXPECT_EQ(Read(*shape, Field::direction, R"({"id": 1, "event": "call_out"})"), "outbound");
    EXPECT_EQ(Read(*shape, Field::direction, R"({"id": 1, "event": "dialled", "internal": "FALSE"})"),
              "outbound");
    EXPECT_EQ(Read(*shape, Field::direction, R"({"id": 1, "event": "call_out", "internal": true})"),
              "inbound");
    EXPECT_EQ(Read(*shape, Field::direction, R"({"id": 1, "event": ""})"), "-");
}

TEST(Shape, TestsWhetherAMemberIsThere)
{
    const auto holds = [](const std::string &test, const std::string &value) {
        const auto shape =
            Compiled(WithField(R"("was_recorded": {"when": {"r": )" + test + R"(}, "value": true})"));
        return Read(*shape, Field::was_recorded,
                    R"({"id": 1)" + (value.empty() ? "" : R"(, "r": )" + value) + "}") == "1";
    };
    for (const char *there : {R"("x")", "0", "false", R"({"a": null})", R"([{"id": 5}])"}) {
        EXPECT_TRUE(holds(R"("*")", there)) << there;
        EXPECT_FALSE(holds("null", there)) << there;
    }
    for (const char *missing : {"", "null", R"("")", R"(" ")", "{}", "[]"}) {
        EXPECT_FALSE(holds(R"("*")", missing)) << missing;
        EXPECT_TRUE(holds("null", missing)) << missing;
    }
    EXPECT_TRUE(holds("true", "true"));
    EXPECT_TRUE(holds("true", R"("TRUE")"));
    EXPECT_FALSE(holds("true", "false"));
    EXPECT_FALSE(holds("false", "null"));
    EXPECT_TRUE(holds("false", "0"));
    EXPECT_TRUE(holds(R"("16")", "16"));
    EXPECT_FALSE(holds(R"("16")", R"("Q16")"));
    EXPECT_FALSE(holds(R"("a*")", '"' + std::string(2000, 'a') + '"')) << "a word is shorter";
}

TEST(Shape, SettlesAFieldWithNothing)
{
    const auto shape = Compiled(WithField(R"("state": [{"when": {"k": "tag"}, "value": null}, "s"])"));
    EXPECT_EQ(Read(*shape, Field::state, R"({"id": 1, "k": "tag", "s": "done"})"), "-");
    EXPECT_EQ(Read(*shape, Field::state, R"({"id": 1, "k": "call", "s": "done"})"), "done");
}

TEST(Shape, TakesTextsThatStandForNoValue)
{
    const auto shape =
        Compiled(WithField(R"("from_number": [{"path": "a", "none": ["0", "anonymous"]}, "b"])"));
    EXPECT_EQ(Read(*shape, Field::from_number, R"({"id": 1, "a": "anonymous", "b": "101"})"), "101");
    EXPECT_EQ(Read(*shape, Field::from_number, R"({"id": 1, "a": 0, "b": "101"})"), "101");
    EXPECT_EQ(Read(*shape, Field::from_number, R"({"id": 1, "a": "102", "b": "101"})"), "102");
}

TEST(Shape, ReadsUnits)
{
    EXPECT_EQ(Read(*Compiled(WithField(R"("duration": {"path": "d", "as": "milliseconds"})")),
                   Field::duration, R"({"id": 1, "d": 61500})"),
              "62");
    EXPECT_EQ(Read(*Compiled(WithField(R"("duration": {"path": "d", "as": "seconds"})")), Field::duration,
                   R"({"id": 1, "d": "61"})"),
              "61");
    EXPECT_EQ(Read(*Compiled(WithField(R"("ended_at": {"path": "d", "as": "microseconds"})")),
                   Field::ended_at, R"({"id": 1, "d": "1375609854385581"})"),
              "1375609854385581");
}

TEST(Shape, JoinsMembers)
{
    const auto shape = Compiled(WithField(R"("started_at": {"join": ["day", "$.clock"]})"));
    EXPECT_EQ(Read(*shape, Field::started_at, R"({"id": 1, "day": "1970-01-02", "clock": "00:00:01"})"),
              "86401000000");
    EXPECT_EQ(Read(*shape, Field::started_at, R"({"id": 1, "day": "1970-01-02"})"), "-");
    EXPECT_EQ(Read(*shape, Field::started_at, R"({"id": 1, "day": "1970-01-02", "clock": null})"), "-");
}

TEST(Shape, PutsATimeWithoutAZoneInItsOwn)
{
    const std::string india = "86381000000"; // 19 seconds before noon, less 5:30
    const auto read = [](const Shape &shape, const std::string &time) {
        return Read(shape, Field::started_at, R"({"id": 1, "at": ")" + time + "\"}");
    };
    const auto offset = Compiled(WithField(R"("started_at": "at")", R"("zone": "+05:30", )"));
    EXPECT_EQ(read(*offset, "1970-01-02 05:29:41"), india);
    EXPECT_EQ(read(*offset, "1970-01-02 05:29:41Z"), "106181000000") << "it has one";
    EXPECT_EQ(read(*offset, "86381"), india) << "a number is no local time";
    const auto name = Compiled(WithField(R"("started_at": "at")", R"("zone": "Asia/Kolkata", )"));
    EXPECT_EQ(read(*name, "1970-01-02 05:29:41"), india);
    EXPECT_EQ(name->zones().size(), 1u);
    const auto own =
        Compiled(WithField(R"("started_at": {"path": "at", "zone": "Z"})", R"("zone": "-08:00", )"));
    EXPECT_EQ(read(*own, "1970-01-01 23:59:41"), india);
    const auto unknown = Compiled(WithField(R"("started_at": "at")", R"("zone": "Mars/Base", )"));
    EXPECT_EQ(read(*unknown, "1970-01-02 05:29:41"), "-");
}

TEST(Shape, KnowsNoLocalTimeWithoutAZone)
{
    const std::string field = R"("started_at": [{"path": "at", "as": "local"}, "utc"])";
    const auto read = [](const Shape &shape, const std::string &time) {
        return Read(shape, Field::started_at, R"({"id": 1, "at": ")" + time + R"(", "utc": 7})");
    };
    const auto none = Compiled(WithField(field));
    EXPECT_EQ(read(*none, "1970-01-02 05:29:41"), "7000000");
    EXPECT_EQ(read(*none, "1970-01-02 05:29:41+05:30"), "86381000000") << "it has one";
    EXPECT_EQ(read(*Compiled(WithField(field, R"("zone": "+05:30", )")), "1970-01-02 05:29:41"),
              "86381000000");
    const auto own = Compiled(WithField(R"("started_at": {"path": "at", "as": "local", "zone": "+05:30"})"));
    EXPECT_EQ(read(*own, "1970-01-02 05:29:41"), "86381000000");
}

TEST(Shape, HasTheFirstFormThatFits)
{
    const auto shape = Compiled(R"({"version": 1, "forms": [
        {"name": "live", "when": {"$.type": "call.*"}, "fields": {"call_id": "id"}},
        {"name": "record", "has_one_of": ["start", "end"], "fields": {"call_id": "id"}},
        {"name": "other", "call": "call", "fields": {"call_id": "id"}}]})");
    EXPECT_EQ(FormOf(*shape, R"({"id": 1, "type": "call.x", "start": 1})"), "live");
    EXPECT_EQ(FormOf(*shape, R"({"id": 1, "type": "text", "end": null})"), "record") << "null is there";
    EXPECT_EQ(FormOf(*shape, R"({"type": "call.x", "call": {"id": 1}})"), "other");
    EXPECT_EQ(FormOf(*shape, R"({"id": 1})"), "none");
    for (const char *body : {"[]", "7", R"("x")", "null", "{}", "[[]]"})
        EXPECT_EQ(FormOf(*shape, body), "none") << body;
}

TEST(Shape, TakesOverTheFieldsOfAnEarlierForm)
{
    const auto shape = Compiled(R"({"version": 1, "forms": [
        {"name": "one", "has_one_of": ["one"], "fields": {"call_id": "id", "state": ["a", "b"], "direction": "way"}},
        {"like": "one", "fields": {"state": "c"}}]})");
    EXPECT_EQ(Read(*shape, Field::state, R"({"id": 1, "one": 1, "b": "x"})"), "x");
    EXPECT_EQ(Read(*shape, Field::state, R"({"id": 1, "b": "x"})"), "-");
    EXPECT_EQ(Read(*shape, Field::state, R"({"id": 1, "c": "y"})"), "y");
    EXPECT_EQ(Read(*shape, Field::direction, R"({"id": 1, "way": "in"})"), "in");
}

TEST(Shape, ReadsOnlyTheWantedFields)
{
    const auto shape = Compiled(WithField(R"("state": "s", "direction": "d")"));
    JsonBody body(R"({"id": 7, "s": "x", "d": "in"})");
    FieldValue values[field_count];
    ASSERT_NE(ShapeReader(body).Read(*shape, SetOfFields(Field::direction), values), nullptr);
    EXPECT_EQ(values[static_cast<int>(Field::call_id)].text, "7");
    EXPECT_EQ(values[static_cast<int>(Field::direction)].text, "in");
    EXPECT_FALSE(values[static_cast<int>(Field::state)].known);
}

TEST(Shape, NamesThePlaceOfAMistake)
{
    const std::map<std::string, std::string> refusals = {
        {"{", "document: is no JSON, or has a number out of range"},
        {"[]", "document: must be an object"},
        {"{}", "version: must be 1"},
        {R"({"version": 2})", "version: must be 1"},
        {R"({"version": 1, "form": []})", "document: has an unknown member \"form\""},
        {R"({"version": 1, "+1 415": []})", "document: has an unknown member of 6 bytes"},
        {R"({"version": 1})", "forms: must be an array of 1 to 32 forms"},
        {R"({"version": 1, "forms": []})", "forms: must be an array of 1 to 32 forms"},
        {R"({"version": 1, "forms": [5]})", "forms[0]: must be an object"},
        {R"({"version": 1, "forms": [{"fields": {}}]})", "forms[0].fields.call_id: is missing"},
        {R"({"version": 1, "forms": [{"field": {}}]})", "forms[0]: has an unknown member \"field\""},
        {R"({"version": 1, "forms": [{"like": "x"}]})", "forms[0].like: must be the name of an earlier form"},
        {R"({"version": 1, "forms": [{"name": "+1"}]})",
         "forms[0].name: must be a name of at most 40 letters, digits, spaces, and . _ -"},
        {R"({"version": 1, "zone": "my zone", "forms": []})",
         "zone: must be a time zone: an offset such as +05:30, or a name"},
        {WithField(R"("status": "s")"), "forms[0].fields: has an unknown member \"status\""},
        {WithField(R"("state": 5)"),
         "forms[0].fields.state: must be a path, an object, or an array of these"},
        {WithField(R"("state": ["a", ""])"), "forms[0].fields.state[1]: must be a path"},
        {WithField(R"("state": "a..b")"), "forms[0].fields.state: has an empty name"},
        {WithField(R"("state": "a.")"), "forms[0].fields.state: has an empty name"},
        {WithField(R"("state": ".a")"), "forms[0].fields.state: has an empty name"},
        {WithField(R"("state": "a[x]")"), "forms[0].fields.state: has brackets without a whole number"},
        {WithField(R"("state": "a[1")"), "forms[0].fields.state: has brackets without a whole number"},
        {WithField(R"("state": "a[99999999]")"),
         "forms[0].fields.state: has brackets without a whole number"},
        {WithField(R"("state": {"path": "a", "value": "b"})"),
         "forms[0].fields.state: must have one of path, join, value"},
        {WithField(R"("state": {"path": "a", "a": "b"})"),
         "forms[0].fields.state: has an unknown member \"a\""},
        {WithField(R"("state": {"path": "a", "zone": "Z"})"),
         "forms[0].fields.state: has an unknown member \"zone\""},
        {WithField(R"("state": {"value": []})"),
         "forms[0].fields.state.value: must be a value of the field, as text, true or false, or null"},
        {WithField(R"("ended_at": {"value": "soon"})"),
         "forms[0].fields.ended_at.value: must be a value of the field, as text, true or false, or null"},
        {WithField(R"("state": {"path": "a", "as": "seconds"})"),
         "forms[0].fields.state.as: is for times and durations"},
        {WithField(R"("duration": {"path": "a", "as": "minutes"})"),
         "forms[0].fields.duration.as: must be seconds or milliseconds"},
        {WithField(R"("ended_at": {"path": "a", "as": "seconds"})"),
         "forms[0].fields.ended_at.as: must be time, local or microseconds"},
        {WithField(R"("state": {"join": []})"),
         "forms[0].fields.state.join: must be an array of 1 to 4 paths"},
        {WithField(R"("state": {"path": "a", "none": [null]})"),
         "forms[0].fields.state.none[0]: must be a text"},
        {WithField(R"("state": {"path": "a", "when": []})"),
         "forms[0].fields.state.when: must be an object of paths and tests"},
        {WithField(R"("state": {"path": "a", "when": {"": true}})"),
         "forms[0].fields.state.when.: must be a path"},
        {WithField(R"("state": {"path": "a", "when": {"b": []}})"),
         "forms[0].fields.state.when.b: must have a test"},
        {WithField(R"("state": {"path": "a", "when": {"b": [{}]}})"),
         "forms[0].fields.state.when.b[0]: must be a pattern of at most 255 bytes, null, true or false"},
    };
    for (const auto &[json, refusal] : refusals)
        EXPECT_EQ(Refusal(json), refusal) << json;
}

std::string Repeated(const std::string &text, int times)
{
    std::string all = text;
    for (int i = 1; i < times; ++i)
        all += "," + text;
    return all;
}

TEST(Shape, IsBounded)
{
    EXPECT_EQ(Refusal(WithField(R"("state": [)" + Repeated(R"("a")", 4095) + "]")), "none");
    EXPECT_EQ(
        Refusal(WithField(R"("state": [)" + Repeated(R"("a")", 4096) + "]")),
        "forms[0].fields.state[4095]: is beyond the 4096 candidates and conditions that a shape may have");
    const std::string form = R"({"fields": {"call_id": "id"}})";
    EXPECT_EQ(Refusal(R"({"version": 1, "forms": [)" + Repeated(form, 33) + "]}"),
              "forms: must be an array of 1 to 32 forms");
    std::string path = "a";
    for (int i = 1; i < 17; ++i)
        path += ".a";
    EXPECT_EQ(Refusal(WithField(R"("state": ")" + path + '"')),
              "forms[0].fields.state: has more than 16 steps");
    EXPECT_EQ(
        Refusal(R"({"version": 1, "forms": )" + std::string(100000, '[') + std::string(100000, ']') + "}"),
        "forms[0]: must be an object");
    // `like` copies, so the copied rules count.
    std::string copies =
        R"({"name": "a", "fields": {"call_id": "id", "state": [)" + Repeated(R"("a")", 400) + "]}}";
    EXPECT_EQ(
        Refusal(R"({"version": 1, "forms": [)" + copies + "," + Repeated(R"({"like": "a"})", 20) + "]}"),
        "forms[10].like: is beyond the 4096 candidates and conditions that a shape may have");
}

TEST(BuiltInShapes, AreShapes)
{
    for (const BuiltInShapeDocument &document : BuiltInShapeDocuments()) {
        SettingError error;
        const OwnedShape shape(Shape::Compile(*document.json, error));
        EXPECT_TRUE(shape) << document.provider << ": " << error.field << ": " << error.reason;
        EXPECT_EQ(BuiltInShapeText(document.provider), *document.json);
        EXPECT_NE(BuiltInShape(document.provider), nullptr);
    }
    EXPECT_EQ(BuiltInShape("Dialpad"), BuiltInShape("dialpad"));
    EXPECT_EQ(BuiltInShape("no such provider"), nullptr);
    EXPECT_EQ(BuiltInShapeText("no such provider"), "");
}

bool IsOf(const ShapeForm &form, std::string_view name)
{
    return form.call.text == name || form.call.text.ends_with("." + std::string(name));
}

// At the top level `id` may be the id of anything, except beside the state of a call, and so in a recording
// or a voicemail.
TEST(DialpadShape, NamesTheCallByItsIdOnlyWhereThereIsNoOtherId)
{
    for (const ShapeForm &form : BuiltInShape("Dialpad")->forms())
        for (const ShapeCandidate &candidate : form.fields[static_cast<int>(Field::call_id)])
            if (candidate.paths[0].steps.size() == 1 && !IsOf(form, "call") && !form.name.ends_with(" id")) {
                EXPECT_EQ(candidate.paths[0].text, "call_id") << form.name;
            }
}

TEST(DialpadShape, TakesNoLinkOfAVoicemailForThatOfARecording)
{
    for (const ShapeForm &form : BuiltInShape("dialpad")->forms())
        for (const ShapeCandidate &candidate : form.fields[static_cast<int>(Field::recording_url)]) {
            EXPECT_FALSE(IsOf(form, "voicemail"));
            EXPECT_EQ(candidate.paths[0].text.find("voicemail"), std::string::npos);
        }
}

} // namespace
