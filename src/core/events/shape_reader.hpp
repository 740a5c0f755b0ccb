// Reads the fields of a call from a body, by a shape.
//
// `Document` gives access to the body. The glue has one for jsonb, and the tests have one for a text. Its
// members are
//   Node                              something in the body, or nothing
//   Node Root()
//   Node Member(Node, name)           nothing if the node is no object or has no such member
//   Node Element(Node, n)             nothing if the node is no array or has no such element
//   bool IsArray(Node), bool Exists(Node)
//   bool IsFilled(Node)               a non-empty array or object
//   JsonScalar Scalar(Node)           absent for null, an array and an object
//   std::string_view Join(texts)      with a space in between
//   std::optional<std::int64_t> InZone(name, time)   UTC of a time on a clock in that zone
// Any of these may raise an error of PostgreSQL, so nothing here has a destructor.
#pragma once

#include "core/base/glob.hpp"
#include "core/base/text.hpp"
#include "core/events/shape.hpp"

#include <bit>
#include <span>

namespace callhardening
{

// The reason why a candidate has a value for the field or not.
enum class CandidateOutcome : unsigned char {
    value,
    nothing,    // the candidate says that the field has no value
    unmet,      // a condition is false
    missing,    // the member is missing or null
    unreadable, // the value does not fit the field
    none,       // one of the texts for no value
    no_zone,    // a time on a clock in a zone that nobody has given
    unknown_zone,
};

// Whether a body has a form, or why it has not.
enum class FormOutcome : unsigned char {
    fits,
    no_call, // there is nothing where the call is
    unmet,   // a condition does not hold
    no_call_id,
    no_member, // none of those of which a call of this form has one
};

template <typename Document>
class ShapeReader
{
public:
    using Node = typename Document::Node;

    explicit ShapeReader(Document &document) noexcept : document_(document) {}

    // Reads the call id and the wanted fields. The caller passes `values` without a known value. nullptr: the
    // body has none of the shape's forms, and no value is known.
    const ShapeForm *Read(const Shape &shape, FieldSet wanted, FieldValue (&values)[field_count])
    {
        for (const ShapeForm &form : shape.forms())
            if (ReadForm(form, wanted, values))
                return &form;
        return nullptr;
    }

    // From here on candidates are read in this form.
    FormOutcome Enter(const ShapeForm &form, FieldValue &call_id)
    {
        root_ = document_.Root();
        call_ = form.call.steps.empty() ? root_ : Find(root_, form.call);
        return EnterCall(form, call_id);
    }

    // The same for a call in the place of the form's first one.
    FormOutcome EnterAt(const ShapeForm &form, const Node &root, const Node &call, FieldValue &call_id)
    {
        root_ = root;
        call_ = call;
        return EnterCall(form, call_id);
    }

    CandidateOutcome ReadCandidate(const ShapeCandidate &candidate, FieldValue &value)
    {
        if (!Holds(candidate.when))
            return CandidateOutcome::unmet;
        if (!candidate.is_constant)
            return ReadPaths(candidate, value);
        value = candidate.constant;
        if (value.known && IsText(candidate.reading))
            value.text = candidate.text;
        return value.known ? CandidateOutcome::value : CandidateOutcome::nothing;
    }

private:
    static constexpr bool IsText(Reading reading) noexcept
    {
        return reading == Reading::text || reading == Reading::id || reading == Reading::reference;
    }

    FormOutcome EnterCall(const ShapeForm &form, FieldValue &call_id)
    {
        if (!document_.Exists(call_))
            return FormOutcome::no_call;
        if (!Holds(form.when))
            return FormOutcome::unmet;
        call_id = ReadLookups(form, 0, form.ends[static_cast<std::size_t>(Field::call_id)]);
        if (!call_id.known)
            return FormOutcome::no_call_id;
        return HasOneOf(form.has_one_of) ? FormOutcome::fits : FormOutcome::no_member;
    }

    bool ReadForm(const ShapeForm &form, FieldSet wanted, FieldValue (&values)[field_count])
    {
        constexpr auto call_id = static_cast<std::size_t>(Field::call_id);
        if (Enter(form, values[call_id]) != FormOutcome::fits) {
            values[call_id] = {};
            return false;
        }
        constexpr FieldSet fields = (FieldSet{1} << field_count) - 1;
        for (FieldSet rest = wanted & fields & ~SetOfFields(Field::call_id); rest != 0; rest &= rest - 1) {
            const auto i = static_cast<std::size_t>(std::countr_zero(rest));
            values[i] = ReadLookups(form, form.ends[i - 1], form.ends[i]);
        }
        return true;
    }

    // Reads one field.
    FieldValue ReadLookups(const ShapeForm &form, std::size_t first, std::size_t end)
    {
        for (std::size_t i = first; i < end; ++i) {
            const ShapeLookup &lookup = form.lookups[i];
            FieldValue value;
            if (!lookup.member.empty()) {
                value = ReadField(lookup.reading, document_.Scalar(FindMember(lookup.member)));
                if (value.known)
                    return value;
                continue;
            }
            const CandidateOutcome outcome = ReadCandidate(*lookup.candidate, value);
            if (outcome == CandidateOutcome::value || outcome == CandidateOutcome::nothing)
                return value;
        }
        return {};
    }

    CandidateOutcome ReadPaths(const ShapeCandidate &candidate, FieldValue &value)
    {
        JsonScalar scalar;
        if (candidate.paths.size() == 1)
            scalar = document_.Scalar(FindFrom(candidate.paths.front()));
        else
            scalar = ReadJoined(candidate.paths);
        if (scalar.kind == JsonScalar::Kind::absent)
            return CandidateOutcome::missing;
        for (const std::string &none : candidate.none)
            if (scalar.text == none)
                return CandidateOutcome::none;
        value = ReadField(candidate.reading, scalar);
        if (!value.known)
            return CandidateOutcome::unreadable;
        return (candidate.zone.is_given || candidate.is_local) && candidate.reading == Reading::time
                   ? PutInZone(candidate.zone, scalar.text, value)
                   : CandidateOutcome::value;
    }

    // All or nothing: a date without its time of day is no time.
    JsonScalar ReadJoined(const std::vector<ShapePath> &paths)
    {
        std::string_view texts[max_joined];
        for (std::size_t i = 0; i < paths.size(); ++i) {
            const JsonScalar scalar = document_.Scalar(FindFrom(paths[i]));
            if (scalar.text.empty())
                return {};
            texts[i] = scalar.text;
        }
        return {JsonScalar::Kind::string, false, document_.Join(std::span(texts, paths.size()))};
    }

    CandidateOutcome PutInZone(const ShapeZone &zone, std::string_view text, FieldValue &value)
    {
        const auto written = ReadWrittenTime(text);
        if (!written || written->has_zone)
            return CandidateOutcome::value;
        if (!zone.is_given) {
            value = {};
            return CandidateOutcome::no_zone;
        }
        const auto time = zone.name.empty()
                              ? std::optional(written->time - zone.offset_seconds * std::int64_t{1000000})
                              : document_.InZone(zone.name, written->time);
        if (!time)
            value = {};
        else
            value.number = *time;
        return time ? CandidateOutcome::value : CandidateOutcome::unknown_zone;
    }

    // ---- conditions ----

    bool Holds(const std::vector<ShapeCondition> &conditions)
    {
        for (const ShapeCondition &condition : conditions)
            if (!Holds(condition))
                return false;
        return true;
    }

    bool Holds(const ShapeCondition &condition)
    {
        const Node node = FindFrom(condition.path);
        const JsonScalar scalar = document_.Scalar(node);
        for (const ShapeTest &test : condition.any_of)
            if (Holds(test, node, scalar))
                return true;
        return false;
    }

    bool Holds(const ShapeTest &test, const Node &node, const JsonScalar &scalar)
    {
        constexpr std::size_t longest_text =
            1024; // a word is shorter, and a pattern is tried at every letter
        const bool is_there = scalar.kind == JsonScalar::Kind::absent   ? document_.IsFilled(node)
                              : scalar.kind == JsonScalar::Kind::string ? !IsBlank(scalar.text)
                                                                        : true;
        switch (test.kind) {
        case ShapeTest::Kind::is_there:
            return is_there;
        case ShapeTest::Kind::is_missing:
            return !is_there;
        case ShapeTest::Kind::matches:
            return is_there && scalar.text.size() <= longest_text && MatchesGlob(scalar.text, test.pattern);
        case ShapeTest::Kind::is_true:
        case ShapeTest::Kind::is_false:
            break;
        }
        const FieldValue flag = ReadField(Reading::flag, scalar);
        return flag.known && (flag.number != 0) == (test.kind == ShapeTest::Kind::is_true);
    }

    bool HasOneOf(const std::vector<ShapePath> &paths)
    {
        for (const ShapePath &path : paths)
            if (document_.Exists(FindFrom(path)))
                return true;
        return paths.empty();
    }

    // ---- paths ----

    Node FindFrom(const ShapePath &path)
    {
        return path.member.empty() ? Find(path.from_root ? root_ : call_, path) : FindMember(path.member);
    }

    Node FindMember(std::string_view name)
    {
        Node node = document_.Member(call_, name);
        TakeFirst(node);
        return node;
    }

    Node Find(Node node, const ShapePath &path)
    {
        if (path.takes_first)
            TakeFirst(node);
        for (const ShapeStep &step : path.steps) {
            if (!step.name.empty())
                node = document_.Member(node, step.name);
            else if (step.is_every)
                TakeFirst(node);
            else
                node = document_.Element(node, step.element);
            if (step.takes_first)
                TakeFirst(node);
        }
        return node;
    }

    void TakeFirst(Node &node)
    {
        if (document_.IsArray(node))
            node = document_.Element(node, 0);
    }

    Document &document_;
    Node root_, call_;
};

} // namespace callhardening
