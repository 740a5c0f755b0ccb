// A shape: the paths of a call's values in a provider's bodies. It is compiled from its JSON document.
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
//        "connected_at": {"path": "answered", "none": ["never"]},
//        "ended_at": {"path": "end", "as": "local"}}}]}
//
// A body has the first form with true conditions, one of the members and a call id. A path begins at the
// call, or with `$` at the root of the body. An array on the path stands for its first element, or with `[2]`
// for another one. A field takes its value from the first candidate that has one.
//
// If `call` has `[*]`, each element of the array is a call of its own (core/events/parts.hpp).
#pragma once

#include "core/events/event.hpp"
#include "core/json/setting.hpp"

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

struct ShapeStep {
    std::string name;    // of a member; empty: an element
    std::size_t element; // of an array
    bool takes_first;    // if this step leads to an array, it takes the first element
    bool is_every;       // `[*]`
};

struct ShapePath {
    std::string text; // as in the document
    bool from_root = false;
    bool takes_first = false; // the same for the start of the path
    bool has_every = false;
    std::vector<ShapeStep> steps;
    std::string_view member; // of the call, if the path is only that
};

struct ShapeTest {
    enum class Kind : unsigned char { matches, is_there, is_missing, is_true, is_false } kind;
    std::string pattern;
};

struct ShapeCondition {
    ShapePath path;
    std::vector<ShapeTest> any_of;
};

// The zone of a time without a zone.
struct ShapeZone {
    bool is_given = false;
    std::string name;                // empty: it is an offset
    std::int64_t offset_seconds = 0; // east of Greenwich
};

struct ShapeCandidate {
    Reading reading;
    bool is_constant = false;
    FieldValue constant;          // not known: the field has no value, and later candidates do not count
    std::string text;             // of a constant
    std::vector<ShapePath> paths; // more than one: their texts are joined
    std::vector<std::string> none;
    std::vector<ShapeCondition> when;
    ShapeZone zone;
    bool is_local = false; // without a zone, the time is unknown
};

// A candidate in the form for the reader. Most candidates are members of the call: only their names are
// needed, and the names lie together.
struct ShapeLookup {
    std::string_view member; // empty: the candidate says more
    const ShapeCandidate *candidate;
    Reading reading;
};

struct ShapeForm {
    std::string name;
    ShapePath call;
    std::vector<ShapeCondition> when;
    std::vector<ShapePath> has_one_of; // empty: no member is required
    std::vector<ShapeCandidate> fields[field_count];
    std::vector<ShapeLookup> lookups; // of all fields, in their order
    std::uint16_t ends[field_count];  // the end of each field's lookups
};

class Shape
{
public:
    // nullptr: the document is no shape, and `error` says why. The caller owns the result and calls Delete.
    static const Shape *Compile(std::string_view json, SettingError &error) noexcept;
    static void Delete(const Shape *shape) noexcept;

    const std::vector<ShapeForm> &forms() const noexcept { return forms_; }
    // The names of the document's zones. The core itself only knows offsets.
    const std::vector<std::string> &zones() const noexcept { return zones_; }
    // A body may have several calls.
    bool has_parts() const noexcept { return has_parts_; }
    // The provider's events have ids.
    bool has_event_ids() const noexcept { return has_event_ids_; }
    // A body may be an array.
    bool reads_arrays() const noexcept { return reads_arrays_; }

private:
    friend class ShapeCompiler;
    std::vector<ShapeForm> forms_;
    std::vector<std::string> zones_;
    bool has_parts_ = false;
    bool reads_arrays_ = false;
    bool has_event_ids_ = false;
};

} // namespace callhardening
