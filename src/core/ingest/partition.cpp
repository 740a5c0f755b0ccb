#include "core/ingest/partition.hpp"

#include "core/base/text.hpp"
#include "core/events/text_body.hpp"
#include "core/ingest/signature.hpp"
#include "core/lanes/position.hpp"

#include <algorithm>

namespace callhardening
{

namespace
{

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
    // Some senders begin a body with a mark of the byte order.
    static std::string_view AfterMark(std::string_view body) noexcept
    {
        constexpr std::string_view mark = "\xef\xbb\xbf";
        body.remove_prefix(body.starts_with(mark) ? mark.size() : 0);
        body.remove_prefix(RunEnd(body, 0, IsAsciiSpace));
        return body;
    }

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

} // namespace

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
