// A shape: where a provider's bodies keep each value of a call, compiled from its JSON document.
//
//   {"version": 1, "zone": "+05:30", "forms": [
//     {"name": "call", "when": {"$.event": "call.*"}, "has_one_of": ["id"], "call": "data.calls[]",
//      "like": "an earlier form",
//      "fields": {
//        "call_id": "id",
//        "state": ["$.event", "status"],
//        "direction": [{"when": {"$.event": "*_out"}, "value": "outbound"}, "way"],
//        "duration": {"path": "length", "as": "milliseconds"},
//        "started_at": {"join": ["date", "time"], "zone": "Europe/Paris"},
//        "connected_at": {"path": "answered", "none": ["never"]}}}]}
//
// A body has the first form whose conditions hold, that has one of the members and a call id. A path begins
// at the call, or with `$` at the root of the body. Arrays on the way stand for their first element, `[2]`
// for another. A field has the value of the first of its candidates that has one.
#pragma once

#include "core/events/event.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace callhardening
{

inline constexpr int shape_language_version = 1;

// The most that a shape may ask for.
inline constexpr std::size_t max_forms = 32;
inline constexpr std::size_t max_steps = 16;
inline constexpr std::size_t max_shape_parts = 4096; // candidates and conditions of all forms
inline constexpr std::size_t max_joined = 4;

struct ShapeError {
    bool out_of_memory;
    char field[128];  // "forms[3].fields.state[1].path"
    char reason[128]; // "must be a string"
};

struct ShapeStep {
    std::string name;    // of a member; empty: an element
    std::size_t element; // of an array
    bool takes_first;    // an array that this step leads to stands for its first element
};

struct ShapePath {
    std::string text; // as the document has it
    bool from_root = false;
    bool takes_first = false; // the same of where the path begins
    std::vector<ShapeStep> steps;
    std::string_view member; // of the call, where the path is no more than that
};

struct ShapeTest {
    enum class Kind : unsigned char { matches, is_there, is_missing, is_true, is_false } kind;
    std::string pattern;
};

struct ShapeCondition {
    ShapePath path;
    std::vector<ShapeTest> any_of;
};

// What a time without a zone is in.
struct ShapeZone {
    bool is_given = false;
    std::string name;                // empty: it is an offset
    std::int64_t offset_seconds = 0; // east of Greenwich
};

struct ShapeCandidate {
    Reading reading;
    bool is_constant = false;
    FieldValue constant;          // not known: the field has no value, whatever other candidates say
    std::string text;             // of a constant
    std::vector<ShapePath> paths; // more than one: their texts are joined
    std::vector<std::string> none;
    std::vector<ShapeCondition> when;
    ShapeZone zone;
};

// A candidate on its way to the reader. Most of them are members of the call: their names are enough, and lie
// together.
struct ShapeLookup {
    std::string_view member; // empty: the candidate says more
    const ShapeCandidate *candidate;
    Reading reading;
};

struct ShapeForm {
    std::string name;
    ShapePath call;
    std::vector<ShapeCondition> when;
    std::vector<ShapePath> has_one_of; // empty: none is asked for
    std::vector<ShapeCandidate> fields[field_count];
    std::vector<ShapeLookup> lookups; // of all fields, in their order
    std::uint16_t ends[field_count];  // where those of each field end
};

class Shape
{
public:
    // nullptr where the document is no shape: `error` says why. The caller owns the result (Delete).
    static const Shape *Compile(std::string_view json, ShapeError &error) noexcept;
    static void Delete(const Shape *shape) noexcept;

    const std::vector<ShapeForm> &forms() const noexcept { return forms_; }
    // The names of the zones that the document gives: the core knows offsets only.
    const std::vector<std::string> &zones() const noexcept { return zones_; }

private:
    friend class ShapeCompiler;
    std::vector<ShapeForm> forms_;
    std::vector<std::string> zones_;
};

} // namespace callhardening
