#include "core/ingest/partition.hpp"

#include "core/base/text.hpp"
#include "core/events/parts.hpp"
#include "core/events/text_body.hpp"
#include "core/ingest/signature.hpp"
#include "core/lanes/position.hpp"

#include <algorithm>

namespace callhardening
{

namespace
{

// Some senders begin a body with a mark of the byte order.
std::string_view AfterMark(std::string_view body) noexcept
{
    constexpr std::string_view mark = "\xef\xbb\xbf";
    body.remove_prefix(body.starts_with(mark) ? mark.size() : 0);
    body.remove_prefix(RunEnd(body, 0, IsAsciiSpace));
    return body;
}

// Finds the call id of a body in each form that a log takes.
class CallFinder
{
public:
    CallFinder(const Shape &shape, KeyKind key, Arena &arena,
               const volatile std::sig_atomic_t &interrupt) noexcept
        : shape_(shape), key_(key), arena_(arena), interrupt_(interrupt)
    {
    }

    // A text that begins like JSON is no form, and a form is no signed body.
    std::string_view FindInBody(std::string_view body) noexcept
    {
        const std::string_view text = AfterMark(body);
        if (BeginsLikeJson(text))
            return FindInJson(text);
        if (LooksLikeForm(text))
            return FindInForm(text);
        const std::string_view claims = ClaimsOf(body);
        return BeginsLikeJson(claims) ? FindInJson(claims) : FindInForm(claims);
    }

private:
    static bool BeginsLikeJson(std::string_view text) noexcept
    {
        return text.starts_with('{') || text.starts_with('[') || text.starts_with('"');
    }

    // A log also opens a form in a JSON string.
    std::string_view FindInJson(std::string_view json) noexcept
    {
        TextBody body(json, arena_, interrupt_);
        const TextBody::Node root = body.Root();
        if (TextBody::IsObject(root) || (body.IsFilled(root) && shape_.reads_arrays()))
            return FindIn(body);
        const JsonScalar scalar = body.Scalar(root);
        return scalar.kind == JsonScalar::Kind::string ? FindInForm(scalar.text) : std::string_view{};
    }

    std::string_view FindInForm(std::string_view text) noexcept
    {
        const std::size_t size = std::min(text.size(), longest_form) + 1, count = CountFormMembers(text);
        char *const room = arena_.AllocateText(size);
        auto *const places = static_cast<FormMember *>(arena_.Allocate(sizeof(FormMember) * count));
        if (arena_.failed())
            return {};
        const Form form = DecodeForm(text, {room, size}, {places, count});
        FormBody body(form.members, arena_);
        return form.flaw == FormFlaw::none ? FindIn(body) : std::string_view{};
    }

    // The signature may be anybody's: the claims tell where the body belongs, and nothing else.
    std::string_view ClaimsOf(std::string_view body) noexcept
    {
        const std::string_view encoded = UnverifiedClaims(body);
        char *const room = arena_.AllocateText(encoded.size());
        return arena_.failed() ? std::string_view{}
                               : DecodeBase64Url(encoded, {room, encoded.size()}).value_or("");
    }

    template <typename Document>
    std::string_view FindIn(Document &document) noexcept
    {
        FieldValue fields[field_count];
        if (ShapeReader<Document>(document).Read(shape_, 0, fields) == nullptr)
            return {};
        const std::string_view id = fields[static_cast<std::size_t>(Field::call_id)].text;
        return id.size() > max_call_id_bytes ? std::string_view{} : CanonicalCallId(id, key_);
    }

    const Shape &shape_;
    const KeyKind key_;
    Arena &arena_;
    const volatile std::sig_atomic_t &interrupt_;
};

// Cuts parts out of a text. All around the chosen elements stays as it is.
class PartCutter
{
public:
    PartCutter(TextBody &body, Arena &arena) noexcept : body_(body), arena_(arena) {}

    // Empty if there is no memory.
    std::string_view Cut(std::span<const PartStep> steps) noexcept
    {
        Node node = body_.Root();
        Begin(node);
        for (const PartStep &step : steps) {
            const Node next =
                step.member.empty() ? body_.Element(node, step.element) : body_.Member(node, step.member);
            if (step.is_chosen)
                Choose(node, next);
            node = next;
        }
        return Join();
    }

private:
    using Node = TextBody::Node;

    void Begin(Node node) noexcept
    {
        depth_ = 0;
        kept_ = body_.Text(node);
    }

    // An object in a root array is a part without the array.
    void Choose(Node array, Node element) noexcept
    {
        const std::string_view chosen = body_.Text(element), whole = body_.Text(array);
        if (array.at != body_.Root().at || !TextBody::IsObject(element)) {
            const char *const bracket = whole.data() + whole.size() - 1;
            before_[depth_] = Between(kept_.data(), array.at + 1);
            behind_[depth_++] = Between(bracket, kept_.data() + kept_.size());
        }
        kept_ = chosen;
    }

    static std::string_view Between(const char *begin, const char *end) noexcept
    {
        return {begin, static_cast<std::size_t>(end - begin)};
    }

    std::string_view Join() noexcept
    {
        std::size_t size = kept_.size();
        for (std::size_t i = 0; i < depth_; ++i)
            size += before_[i].size() + behind_[i].size();
        char *const part = arena_.AllocateText(size), *end = part;
        if (part == nullptr)
            return {};
        for (std::size_t i = 0; i < depth_; ++i)
            end = std::copy(before_[i].begin(), before_[i].end(), end);
        end = std::copy(kept_.begin(), kept_.end(), end);
        for (std::size_t i = depth_; i-- > 0;)
            end = std::copy(behind_[i].begin(), behind_[i].end(), end);
        return {part, size};
    }

    TextBody &body_;
    Arena &arena_;
    std::string_view kept_;                                            // the innermost chosen element
    std::string_view before_[max_part_steps], behind_[max_part_steps]; // of the elements around it
    std::size_t depth_ = 0;                                            // how many are around it
};

// The members around a part are in each of them.
bool IsTooLong(TextBody &body, PartFinder<TextBody> &finder, const PartsOfBody &parts) noexcept
{
    std::size_t chosen = 0;
    finder.Visit(*parts.form, [&](std::span<const PartStep>, TextBody::Node element) {
        chosen += body.Text(element).size();
        return true;
    });
    const std::size_t size = body.Text(body.Root()).size();
    return parts.count * (size - std::min(size, chosen)) + chosen > max_bytes_of_parts;
}

} // namespace

std::span<const std::string_view> DivideBody(std::string_view body, const Shape &shape, Arena &arena,
                                             const volatile std::sig_atomic_t &interrupt) noexcept
{
    TextBody text(AfterMark(body), arena, interrupt);
    PartFinder finder(text);
    const PartsOfBody parts = finder.Find(shape);
    if (!parts.IsDivided() || parts.count > max_parts || IsTooLong(text, finder, parts))
        return {};
    auto *const cut = static_cast<std::string_view *>(arena.Allocate(sizeof(std::string_view) * parts.count));
    std::size_t count = 0;
    PartCutter cutter(text, arena);
    if (cut != nullptr)
        finder.Visit(*parts.form, [&](std::span<const PartStep> steps, TextBody::Node) {
            cut[count++] = cutter.Cut(steps);
            return count < parts.count && !arena.failed();
        });
    return {cut, count};
}

std::string_view CallIdOfBody(std::string_view body, const Shape &shape, KeyKind key, Arena &arena,
                              const volatile std::sig_atomic_t &interrupt) noexcept
{
    return CallFinder(shape, key, arena, interrupt).FindInBody(body);
}

int PartitionOfBody(std::string_view body, const Routing &routing, Arena &arena,
                    const volatile std::sig_atomic_t &interrupt) noexcept
{
    const std::string_view call_id = CallIdOfBody(body, *routing.shape, routing.key, arena, interrupt);
    return PartitionOf(call_id.empty() ? body : call_id, routing.partitions);
}

} // namespace callhardening
