// Any bytes as a shape, and behind the first NUL as a body: refused with a field and a reason, or compiled to
// one that reads every body.
#include "core/events/parts.hpp"

#include "fuzz.hpp"
#include "test/unit/json_body.hpp"

using namespace callhardening;

namespace
{

void Check(const Shape &shape)
{
    Require(!shape.forms().empty() && shape.forms().size() <= max_forms, "a number of forms out of range");
    for (const ShapeForm &form : shape.forms())
        for (const auto &candidates : form.fields)
            for (const ShapeCandidate &candidate : candidates) {
                Require(candidate.is_constant == candidate.paths.empty(), "a candidate without a source");
                Require(candidate.paths.size() <= max_joined, "too many members are joined");
            }
}

void Read(const Shape &shape, std::string_view text)
{
    JsonBody body(text);
    FieldValue values[field_count];
    const ShapeForm *form = ShapeReader(body).Read(shape, ~FieldSet{0}, values);
    for (const FieldValue &value : values)
        Require(form != nullptr || !value.known, "a value of no form");
    Require(form == nullptr || values[static_cast<std::size_t>(Field::call_id)].known,
            "a form without a call id");
}

// Every step of a part leads somewhere, and the number of parts is bounded.
void Divide(const Shape &shape, std::string_view text)
{
    JsonBody body(text);
    PartFinder finder(body);
    const PartsOfBody parts = finder.Find(shape);
    Require(parts.count <= max_parts + 1, "too many parts");
    std::size_t visited = 0;
    if (parts.IsDivided())
        finder.Visit(*parts.form, [&](std::span<const PartStep> steps, JsonBody::Node) {
            Require(!steps.empty() && steps.size() <= max_part_steps, "a part without a way to it");
            return ++visited < parts.count;
        });
    Require(visited == parts.count, "a part is missing");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view text = ToText(data, size);
    const std::size_t end = text.find('\0');
    SettingError error;
    const Shape *shape = Shape::Compile(text.substr(0, end), error);
    if (shape == nullptr) {
        Require(!error.out_of_memory, "memory is there");
        Require(error.field[0] != '\0' && error.reason[0] != '\0', "a refusal without a reason");
        return 0;
    }
    Check(*shape);
    Read(*shape, end == std::string_view::npos ? std::string_view("{}") : text.substr(end + 1));
    Divide(*shape, end == std::string_view::npos ? std::string_view("{}") : text.substr(end + 1));
    Shape::Delete(shape);
    return 0;
}
