// The program for callgrind: the core alone, over the same documents again and again.
//
//   payload_instructions feed|text|sax POLICY BODIES PASSES
//
// POLICY is a file with a policy, BODIES one with a JSON document on each line. `feed` reports the tokens of
// documents read before, like a walk through a jsonb. `text` reads each body. `sax` reads it with nlohmann's
// parser and an empty handler. The program prints processor microseconds for a document. The difference
// between two numbers of passes is the cost of the documents, without the start.
#include "core/policy/policy.hpp"
#include "core/sanitizer/json_text.hpp"
#include "core/sanitizer/sanitizer.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace callhardening
{

namespace
{

using Json = nlohmann::json;

[[noreturn]] void Fail(const char *what)
{
    std::fprintf(stderr, "payload_instructions: %s\n", what);
    std::exit(1);
}

// A memory context for one document at a time.
class Memory
{
public:
    static void *Allocate(std::size_t size)
    {
        constexpr std::size_t alignment = 16;
        size = (size + alignment - 1) / alignment * alignment;
        if (size > sizeof memory_ - used_)
            return nullptr;
        used_ += size;
        return memory_ + used_ - size;
    }
    static void Reset() { used_ = 0; }

private:
    alignas(16) static inline char memory_[16 * 1024 * 1024];
    static inline std::size_t used_ = 0;
};

enum class EventKind : unsigned char { object, array, end, key, string, number, boolean, null };

struct Event {
    EventKind kind;
    std::string text;
    std::size_t count; // members or items; of a boolean, 1 for true
    std::size_t next;  // of a container: the event behind it
};

using Events = std::vector<Event>;

void Record(const Json &value, Events &events);

// In the order of jsonb.
void RecordMembers(const Json &object, Events &events)
{
    std::vector<std::string> names;
    for (const auto &[name, member] : object.items())
        names.push_back(name);
    std::sort(names.begin(), names.end(),
              [](const std::string &a, const std::string &b) { return CompareNames(a, b) < 0; });
    for (const std::string &name : names) {
        events.push_back({EventKind::key, name, 0, 0});
        Record(object[name], events);
    }
}

void RecordContainer(const Json &value, Events &events)
{
    const std::size_t begin = events.size();
    events.push_back({value.is_object() ? EventKind::object : EventKind::array, {}, value.size(), 0});
    if (value.is_object())
        RecordMembers(value, events);
    else
        for (const Json &item : value)
            Record(item, events);
    events.push_back({EventKind::end, {}, value.is_object() ? 1u : 0u, 0});
    events[begin].next = events.size();
}

void Record(const Json &value, Events &events)
{
    if (value.is_structured())
        RecordContainer(value, events);
    else if (value.is_string())
        events.push_back({EventKind::string, value.get<std::string>(), 0, 0});
    else if (value.is_number())
        events.push_back({EventKind::number, value.dump(), 0, 0});
    else if (value.is_boolean())
        events.push_back({EventKind::boolean, {}, value.get<bool>() ? 1u : 0u, 0});
    else
        events.push_back({EventKind::null, {}, 0, 0});
}

// Returns the place of the next event.
std::size_t Report(const Events &events, std::size_t at, Sanitizer &sanitizer)
{
    const Event &event = events[at];
    switch (event.kind) {
    case EventKind::object:
        return sanitizer.BeginObject(event.count) == Walk::skip ? event.next : at + 1;
    case EventKind::array:
        return sanitizer.BeginArray(event.count) == Walk::skip ? event.next : at + 1;
    case EventKind::end:
        event.count != 0 ? sanitizer.EndObject() : sanitizer.EndArray();
        break;
    case EventKind::key:
        sanitizer.Key(event.text);
        break;
    case EventKind::string:
        sanitizer.String(event.text);
        break;
    case EventKind::number:
        sanitizer.Number(event.text);
        break;
    case EventKind::boolean:
        sanitizer.Boolean(event.count != 0);
        break;
    case EventKind::null:
        sanitizer.Null();
        break;
    }
    return at + 1;
}

std::vector<std::string> ReadLines(const char *path)
{
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);)
        lines.push_back(line);
    if (lines.empty())
        Fail("no documents");
    return lines;
}

const Policy *ReadPolicy(const char *path)
{
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    SettingError error;
    const Policy *policy = Policy::Compile(text, error);
    if (policy == nullptr)
        Fail(error.reason);
    return policy;
}

template <typename Document, typename Feed>
void Repeat(const std::vector<Document> &documents, const Policy &policy, MemberOrder order, long passes,
            Feed feed)
{
    const Pseudonyms no_keys;
    for (long pass = 0; pass < passes; ++pass)
        for (const Document &document : documents) {
            Sanitizer sanitizer(policy, no_keys, Memory::Allocate, order);
            feed(document, sanitizer);
            if (!sanitizer.Finish())
                Fail("out of memory");
            Memory::Reset();
        }
}

void RepeatFeed(const std::vector<std::string> &bodies, const Policy &policy, long passes)
{
    std::vector<Events> documents(bodies.size());
    for (std::size_t i = 0; i < bodies.size(); ++i)
        Record(Json::parse(bodies[i]), documents[i]);
    Repeat(documents, policy, MemberOrder::jsonb, passes, [](const Events &events, Sanitizer &sanitizer) {
        for (std::size_t at = 0; at < events.size();)
            at = Report(events, at, sanitizer);
    });
}

void RepeatText(const std::vector<std::string> &bodies, const Policy &policy, long passes)
{
    Repeat(bodies, policy, MemberOrder::document, passes, [](const std::string &body, Sanitizer &sanitizer) {
        if (FeedText(body, sanitizer, nullptr) != TextVerdict::done)
            Fail("a body that is left to jsonb");
    });
}

struct EmptyHandler final : nlohmann::json_sax<Json> {
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t &) override { return true; }
    bool string(string_t &) override { return true; }
    bool binary(binary_t &) override { return true; }
    bool start_object(std::size_t) override { return true; }
    bool key(string_t &) override { return true; }
    bool end_object() override { return true; }
    bool start_array(std::size_t) override { return true; }
    bool end_array() override { return true; }
    bool parse_error(std::size_t, const std::string &, const nlohmann::detail::exception &) override
    {
        return false;
    }
};

void RepeatSax(const std::vector<std::string> &bodies, long passes)
{
    EmptyHandler handler;
    for (long pass = 0; pass < passes; ++pass)
        for (const std::string &body : bodies)
            if (!Json::sax_parse(body, &handler))
                Fail("a body that is no JSON");
}

} // namespace

} // namespace callhardening

int main(int count, char **arguments)
{
    using namespace callhardening;
    if (count != 5)
        Fail("feed|text|sax POLICY BODIES PASSES");
    const std::string_view mode = arguments[1];
    const Policy *policy = ReadPolicy(arguments[2]);
    const std::vector<std::string> bodies = ReadLines(arguments[3]);
    const long passes = std::strtol(arguments[4], nullptr, 10);
    const std::clock_t before = std::clock();
    if (mode == "text")
        RepeatText(bodies, *policy, passes);
    else if (mode == "sax")
        RepeatSax(bodies, passes);
    else
        RepeatFeed(bodies, *policy, passes);
    const double microseconds = 1e6 * static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
    std::printf("%.3f\n", microseconds / static_cast<double>(passes) / static_cast<double>(bodies.size()));
    Policy::Delete(policy);
}
