// Each provider's made-up bodies, read by the provider's shape.
#include "core/traffic/traffic_provider.hpp"

#include "core/events/form.hpp"
#include "core/providers/built_in_shapes.hpp"
#include "core/traffic/generate.hpp"
#include "test/unit/json_body.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace callhardening
{
namespace
{

using Json = nlohmann::json;

constexpr std::string_view providers[] = {"dialpad", "aircall", "twilio", "zoom_phone"};

std::vector<std::string> Bodies(std::string_view provider, std::int32_t calls, std::int32_t seed)
{
    const std::unique_ptr<CallTraffic> traffic(
        CallTraffic::Start(calls, seed, *FindTrafficProvider(provider)));
    std::vector<std::string> bodies;
    std::string_view body;
    while (traffic->Next(body) == CallTraffic::Step::item)
        bodies.emplace_back(body);
    return bodies;
}

std::vector<CallFacts> Facts(std::string_view provider, std::int32_t calls, std::int32_t seed)
{
    const std::unique_ptr<CallTraffic> traffic(
        CallTraffic::Start(calls, seed, *FindTrafficProvider(provider)));
    std::vector<CallFacts> all;
    const CallFacts *facts = nullptr;
    while (traffic->NextFacts(facts) == CallTraffic::Step::item)
        all.push_back(*facts);
    return all;
}

// A form as the object that a shape reads.
std::string JsonOf(const std::string &body)
{
    if (!LooksLikeForm(body))
        return body;
    std::vector<char> room(body.size() + 1);
    std::vector<FormMember> places(CountFormMembers(body));
    const Form form = DecodeForm(body, room, places);
    EXPECT_EQ(form.flaw, FormFlaw::none) << body;
    Json object = Json::object();
    for (const FormMember &member : form.members)
        object[std::string(member.name)] = std::string(member.value);
    return object.dump();
}

std::map<Field, std::string> Read(std::string_view provider, const std::string &text)
{
    const std::string json = JsonOf(text);
    JsonBody body(json);
    FieldValue values[field_count];
    std::map<Field, std::string> row;
    if (ShapeReader(body).Read(*BuiltInShape(provider), ~FieldSet{0}, values) == nullptr)
        return row;
    for (const Field field : {Field::call_id, Field::state, Field::direction, Field::event_id})
        if (values[static_cast<std::size_t>(field)].known)
            row[field] = values[static_cast<std::size_t>(field)].text;
    return row;
}

TEST(TrafficProvider, SameSeedSameBytesAndFacts)
{
    for (const std::string_view provider : providers) {
        EXPECT_EQ(Bodies(provider, 200, 5), Bodies(provider, 200, 5)) << provider;
        EXPECT_NE(Bodies(provider, 200, 5), Bodies(provider, 200, 6)) << provider;
        EXPECT_EQ(Facts(provider, 200, 5).size(), 200U) << provider;
        EXPECT_TRUE(Facts(provider, 0, 5).empty()) << provider;
    }
}

TEST(TrafficProvider, IsFoundInAnySpelling)
{
    EXPECT_EQ(FindTrafficProvider("Zoom Phone"), FindTrafficProvider("zoom_phone"));
    EXPECT_EQ(FindTrafficProvider("ringcentral"), nullptr);
    EXPECT_EQ(FindTrafficProvider(""), nullptr);
    std::string names;
    for (const std::string_view provider : providers)
        names.append(names.empty() ? "" : ", ").append(FindTrafficProvider(provider)->name);
    EXPECT_EQ(TrafficProviderNames(), names);
}

// The bodies are of the described calls, and of no other.
TEST(TrafficProvider, BodiesHaveTheIdsOfTheFacts)
{
    for (const std::string_view provider : providers)
        for (const std::int32_t calls : {1, 2, 3, 300}) {
            std::set<std::string> described, seen;
            for (const CallFacts &facts : Facts(provider, calls, calls))
                described.insert(facts.call_id);
            for (const std::string &body : Bodies(provider, calls, calls))
                seen.insert(Read(provider, body)[Field::call_id]);
            EXPECT_EQ(described.size(), static_cast<std::size_t>(calls)) << provider;
            EXPECT_EQ(seen, described) << provider;
        }
}

TEST(TrafficProvider, BodiesAreAsciiInWordsOfTheVocabulary)
{
    for (const std::string_view provider : providers)
        for (const std::string &body : Bodies(provider, 300, 3)) {
            for (const char c : body)
                ASSERT_TRUE(c >= 0x20 && c < 0x7f) << body;
            auto row = Read(provider, body);
            if (row.contains(Field::state))
                EXPECT_NE(NormalizeStatus(row[Field::state], provider), Status::unknown) << body;
            if (row.contains(Field::direction) && provider != "dialpad")
                EXPECT_FALSE(DirectionName(NormalizeDirection(row[Field::direction], provider)).empty())
                    << body;
        }
}

// What a provider can send. Transcripts are longer.
TEST(TrafficProvider, BodiesHaveTheSizesOfTheProvider)
{
    const std::map<std::string_view, std::pair<std::size_t, std::size_t>> sizes = {
        {"aircall", {1100, 3100}}, {"twilio", {290, 1600}}, {"zoom_phone", {500, 5000}}};
    for (const auto &[provider, range] : sizes)
        for (const std::string &body : Bodies(provider, 300, 3)) {
            EXPECT_GE(body.size(), range.first) << body;
            EXPECT_LE(body.size(), range.second) << body;
        }
}

// A redelivery has the same bytes, so an event id never has two bodies.
TEST(TrafficProvider, OneBodyPerEventId)
{
    std::map<std::string, std::string> bodies;
    for (const std::string &body : Bodies("twilio", 800, 8)) {
        const std::string id = Read("twilio", body)[Field::event_id];
        if (!id.empty())
            EXPECT_EQ(bodies.emplace(id, body).first->second, body);
    }
    EXPECT_GT(bodies.size(), 500U);
}

TEST(TrafficProvider, CallsHaveEveryOutcome)
{
    const std::map<std::string_view, std::set<Status>> outcomes = {
        {"dialpad",
         {Status::ringing, Status::active, Status::ended, Status::missed, Status::rejected,
          Status::voicemail}},
        {"aircall", {Status::ended, Status::missed, Status::voicemail}},
        {"twilio", {Status::ringing, Status::active, Status::ended, Status::missed, Status::rejected}},
        {"zoom_phone", {Status::ended, Status::missed, Status::rejected, Status::voicemail}}};
    for (const std::string_view provider : providers) {
        std::set<Status> seen;
        for (const CallFacts &facts : Facts(provider, 3000, 2))
            seen.insert(facts.status);
        EXPECT_EQ(seen, outcomes.at(provider)) << provider;
    }
}

} // namespace
} // namespace callhardening
