// Bodies with several calls.
//
// If the `call` of a form has `[*]`, each element of that array is a part. A part is the body with this
// element alone in its array: the shape reads it like any other body. The paths `a[*].b[*]` have a part for
// each element of each `b`. An element of `a` without a `b`, or with an empty one, is a part too. It is no
// call, but nothing of the body is lost.
//
// The root of a body can be the array, as in `$[*]`. Then an object is a part without the array around it.
#pragma once

#include "core/events/shape_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>

namespace callhardening
{

// The most parts of a body. The members around a part are stored with each, so their sum has a limit too.
inline constexpr std::size_t max_parts = 1000;
inline constexpr std::size_t max_bytes_of_parts = 64 * 1024 * 1024;

// A step from the root of the body towards a part.
struct PartStep {
    std::string_view member; // of an object; empty: an element
    std::size_t element;     // of an array
    bool is_chosen;          // the part has no other element of this array
};

// Each step of a path may be behind the first element of an array.
inline constexpr std::size_t max_part_steps = 2 * max_steps + 1;

struct PartsOfBody {
    const ShapeForm *form = nullptr; // nullptr: the body is not divided
    std::size_t count = 0;           // above max_parts: there are more

    bool IsDivided() const noexcept { return form != nullptr; }
};

template <typename Document>
class PartFinder
{
public:
    using Node = typename Document::Node;

    explicit PartFinder(Document &document) noexcept : document_(document) {}

    // The first form that fits a part divides the body. With one part, or with an earlier form that fits
    // without parts, the body stays whole. But a root array of one element is divided, so that all parts look
    // alike.
    PartsOfBody Find(const Shape &shape)
    {
        if (!shape.has_parts() || !HasSeveral(shape))
            return {};
        ShapeReader<Document> reader(document_);
        FieldValue call_id;
        for (const ShapeForm &form : shape.forms()) {
            if (!form.call.has_every || Count(form) == 0) {
                if (reader.Enter(form, call_id) == FormOutcome::fits)
                    return {};
                continue;
            }
            if (AnyFits(form, reader))
                return IsSeveral(form) ? PartsOfBody{&form, Count(form)} : PartsOfBody{};
        }
        return {};
    }

    // Calls visit(steps, element) for each part, in the order of the body. `element` is the innermost chosen
    // one. The visitor returns false to stop.
    template <typename Visitor>
    void Visit(const ShapeForm &form, Visitor visitor)
    {
        Walk(form, [&](const Node &, const Node &element) { return visitor(Steps(), element); });
    }

private:
    std::span<const PartStep> Steps() const noexcept { return {steps_, step_count_}; }

    std::size_t Count(const ShapeForm &form)
    {
        std::size_t count = 0;
        Walk(form, [&](const Node &, const Node &) { return ++count <= max_parts; });
        return count;
    }

    bool IsSeveral(const ShapeForm &form)
    {
        const bool is_root_array = form.call.steps.front().is_every && document_.IsArray(document_.Root());
        return Count(form) > (is_root_array ? 0U : 1U);
    }

    bool HasSeveral(const Shape &shape)
    {
        return std::any_of(shape.forms().begin(), shape.forms().end(),
                           [&](const ShapeForm &form) { return form.call.has_every && IsSeveral(form); });
    }

    bool AnyFits(const ShapeForm &form, ShapeReader<Document> &reader)
    {
        bool fits = false;
        std::size_t left = max_parts;
        Walk(form, [&](const Node &call, const Node &) {
            FieldValue call_id;
            fits = reader.EnterAt(form, RootOfPart(form), call, call_id) == FormOutcome::fits;
            return !fits && --left > 0;
        });
        return fits;
    }

    // In a root array the part itself is the root.
    Node RootOfPart(const ShapeForm &form)
    {
        const Node root = document_.Root();
        const bool is_element = form.call.steps.front().is_every && document_.IsArray(root);
        return is_element ? document_.Element(root, steps_[0].element) : root;
    }

    template <typename Visitor>
    void Walk(const ShapeForm &form, Visitor visitor)
    {
        step_count_ = 0;
        const Node root = document_.Root();
        WalkFrom(form.call, 0, root, root, visitor);
    }

    // False: the visitor has stopped. The recursion is as deep as the path.
    template <typename Visitor>
    bool WalkFrom(const ShapePath &path, std::size_t i, Node node, const Node &element, Visitor &visitor)
    {
        const std::size_t before = step_count_;
        if (i > 0 ? path.steps[i - 1].takes_first : path.takes_first)
            TakeFirst(node);
        bool goes_on = true;
        if (i == path.steps.size() || !document_.Exists(node))
            goes_on = !HasChosen() || visitor(node, element);
        else if (!path.steps[i].is_every)
            goes_on = WalkFrom(path, i + 1, TakeStep(path.steps[i], node), element, visitor);
        else if (document_.IsArray(node))
            goes_on = WalkElements(path, i, node, element, visitor);
        else
            goes_on = WalkFrom(path, i + 1, node, element, visitor);
        step_count_ = before;
        return goes_on;
    }

    template <typename Visitor>
    bool WalkElements(const ShapePath &path, std::size_t i, const Node &array, const Node &outer,
                      Visitor &visitor)
    {
        Node element = document_.Element(array, 0);
        if (!document_.Exists(element))
            return !HasChosen() || visitor(element, outer);
        const std::size_t before = step_count_;
        for (std::size_t n = 0; document_.Exists(element); element = document_.Element(array, ++n)) {
            steps_[step_count_++] = {{}, n, true};
            const bool goes_on = WalkFrom(path, i + 1, element, element, visitor);
            step_count_ = before;
            if (!goes_on)
                return false;
        }
        return true;
    }

    Node TakeStep(const ShapeStep &step, const Node &node)
    {
        steps_[step_count_++] = {step.name, step.element, false};
        return step.name.empty() ? document_.Element(node, step.element) : document_.Member(node, step.name);
    }

    void TakeFirst(Node &node)
    {
        if (!document_.IsArray(node))
            return;
        steps_[step_count_++] = {{}, 0, false};
        node = document_.Element(node, 0);
    }

    bool HasChosen() const noexcept
    {
        return std::any_of(steps_, steps_ + step_count_, [](const PartStep &step) { return step.is_chosen; });
    }

    Document &document_;
    PartStep steps_[max_part_steps];
    std::size_t step_count_ = 0;
};

} // namespace callhardening
