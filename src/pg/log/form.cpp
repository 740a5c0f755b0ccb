#include "core/events/form.hpp"

#include "pg/base/text.hpp"
#include "pg/log/form.hpp"

namespace callhardening
{

namespace
{

JsonbValue json_string(std::string_view text)
{
    JsonbValue value;
    value.type = jbvString;
    value.val.string.val = const_cast<char *>(text.data());
    value.val.string.len = static_cast<int>(text.size());
    return value;
}

void push_string(JsonbParseState **state, JsonbIteratorToken token, std::string_view text)
{
    JsonbValue value = json_string(text);
    pushJsonbValue(state, token, &value);
}

// Members of one name.
void push_members(JsonbParseState **state, std::span<const FormMember> members)
{
    push_string(state, WJB_KEY, members.front().name);
    if (members.size() == 1) {
        push_string(state, WJB_VALUE, members.front().value);
        return;
    }
    pushJsonbValue(state, WJB_BEGIN_ARRAY, nullptr);
    for (const FormMember &member : members)
        push_string(state, WJB_ELEM, member.value);
    pushJsonbValue(state, WJB_END_ARRAY, nullptr);
}

Jsonb *document_of(std::span<const FormMember> members)
{
    JsonbParseState *state = nullptr;
    pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
    while (!members.empty()) {
        size_t same = 1;
        while (same < members.size() && members[same].name == members.front().name)
            ++same;
        push_members(&state, members.first(same));
        members = members.subspan(same);
    }
    return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

OpenedBody open_form(std::string_view form)
{
    if (!LooksLikeForm(form))
        return {nullptr, FormFlaw::not_a_form};
    const size_t size = Min(form.size(), longest_form) + 1, count = CountFormMembers(form);
    const std::span<char> room(static_cast<char *>(palloc(size)), size);
    const std::span<FormMember> places(static_cast<FormMember *>(palloc(sizeof(FormMember) * count)), count);
    const Form opened = DecodeForm(form, room, places);
    return {opened.flaw == FormFlaw::none ? document_of(opened.members) : nullptr, opened.flaw};
}

bool is_scalar(Datum payload)
{
    uint32 header;
    auto *start = reinterpret_cast<struct varlena *>(DatumGetPointer(payload));
    if (VARATT_IS_COMPRESSED(start) || VARATT_IS_EXTERNAL(start))
        start = PG_DETOAST_DATUM_SLICE(payload, 0, sizeof(header));
    memcpy(&header, VARDATA_ANY(start), sizeof(header));
    return (header & JB_FSCALAR) != 0;
}

} // namespace

OpenedBody open_body(Jsonb *body)
{
    JsonbValue value;
    if (!JB_ROOT_IS_SCALAR(body) || !JsonbExtractScalar(&body->root, &value) || value.type != jbvString)
        return {body, FormFlaw::not_a_form};
    OpenedBody opened = open_form({value.val.string.val, static_cast<size_t>(value.val.string.len)});
    if (opened.document == nullptr)
        opened.document = body;
    return opened;
}

Datum open_payload(Datum payload)
{
    return is_scalar(payload) ? JsonbPGetDatum(open_body(DatumGetJsonbP(payload)).document) : payload;
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(decode_call_form)
{
    const OpenedBody opened = open_form(text_argument(fcinfo, 0));
    if (opened.document == nullptr)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("invalid form: %s", Describe(opened.flaw))));
    PG_RETURN_JSONB_P(opened.document);
}
