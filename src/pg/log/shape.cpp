#include "core/base/text.hpp"
#include "core/lanes/position.hpp"
#include "core/providers/built_in_shapes.hpp"
#include "core/words/direction.hpp"
#include "core/words/provider.hpp"
#include "core/words/status.hpp"

#include "pg/base/text.hpp"
#include "pg/base/time.hpp"
#include "pg/log/event.hpp"
#include "pg/log/form.hpp"
#include "pg/log/parts.hpp"
#include "pg/log/shape.hpp"
#include "pg/words/provider.hpp"

extern "C" {
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
}

namespace callhardening
{

namespace
{

[[noreturn]] void refuse_unknown_provider(std::string_view provider)
{
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    LooksLikeWord(provider) ? errmsg("unknown call provider \"%s\"", to_cstring(provider))
                                            : errmsg("unknown call provider of %zu bytes", provider.size()),
                    hint_at_provider(provider)));
    pg_unreachable();
}

// -- a shape of one's own ------------------------------------------------------------------------

// A payload in the place of a shape would take long to parse.
constexpr size_t most_shape_bytes = 64 * 1024;

void delete_shape(void *shape)
{
    Shape::Delete(static_cast<const Shape *>(shape));
}

// The shape goes with the current memory context, also after an error.
void keep_in_context(const Shape *shape)
{
    auto *callback = static_cast<MemoryContextCallback *>(
        MemoryContextAllocExtended(CurrentMemoryContext, sizeof(MemoryContextCallback), MCXT_ALLOC_NO_OOM));
    if (callback == nullptr) {
        Shape::Delete(shape);
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    }
    *callback = {delete_shape, const_cast<Shape *>(shape), nullptr};
    MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

[[noreturn]] void refuse_shape(const SettingError &error)
{
    if (error.out_of_memory)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("An event shape could not be compiled.")));
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid event shape: %s: %s", error.field, error.reason),
                    errhint("call_event_shape() returns the shapes of providers, as examples.")));
    pg_unreachable();
}

void require_known_zones(const Shape &shape)
{
    for (const std::string &zone : shape.zones())
        if (pg_tzset(zone.c_str()) == nullptr)
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("invalid event shape: unknown time zone \"%s\"", zone.c_str())));
}

} // namespace

std::string_view shape_text(Jsonb *document)
{
    const size_t size = VARSIZE(document);
    if (size > most_shape_bytes)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("event shape of %zu bytes is too long", size),
                        errdetail("A shape may have %zu bytes.", most_shape_bytes)));
    StringInfoData json;
    initStringInfo(&json);
    JsonbToCString(&json, &document->root, static_cast<int>(size));
    return {json.data, static_cast<size_t>(json.len)};
}

const Shape *compile_shape(Jsonb *document)
{
    const std::string_view json = shape_text(document);
    SettingError error;
    const Shape *shape = Shape::Compile(json, error);
    if (shape == nullptr)
        refuse_shape(error);
    keep_in_context(shape);
    require_known_zones(*shape);
    return shape;
}

// -- the shape of a log --------------------------------------------------------------------------

namespace
{

// A dump can come from a newer version, or from an editor.
[[noreturn]] void refuse_stored_shape(const EventLog &log, const SettingError &error)
{
    if (error.out_of_memory)
        refuse_shape(error);
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the shape of event log %s cannot be used: %s: %s",
                           log.events_name != nullptr ? log.events_name : "", error.field, error.reason),
                    errhint("Give the log another one with configure_call_event_log(log, shape => ...).")));
    pg_unreachable();
}

} // namespace

const Shape *shape_of_log(const EventLog &log)
{
    if (log.own_shape != nullptr)
        return log.own_shape;
    if (log.shape_document == 0)
        return shape_of_provider(log.provider);
    const Shape *kept = find_kept_shape(log.shape_version);
    if (kept != nullptr)
        return kept;
    const std::string_view json = shape_text(DatumGetJsonbP(log.shape_document));
    KeptShape *room = reserve_kept_shape(log.shape_version);
    SettingError error;
    const Shape *shape = Shape::Compile(json, error);
    if (shape == nullptr) {
        pfree(room);
        refuse_stored_shape(log, error);
    }
    keep_shape(room, shape);
    return shape;
}

namespace
{

// -- explaining ----------------------------------------------------------------------------------

struct Explanation {
    const ReturnSetInfo *result;
    std::string_view provider;
};

void put_row(const Explanation &to, const char *field, const char *path, const char *value,
             const char *outcome)
{
    const char *texts[] = {field, path, value, outcome};
    Datum columns[lengthof(texts)];
    bool nulls[lengthof(texts)];
    for (size_t i = 0; i < lengthof(texts); ++i) {
        nulls[i] = texts[i] == nullptr;
        columns[i] = nulls[i] ? Datum{0} : CStringGetTextDatum(texts[i]);
    }
    tuplestore_putvalues(to.result->setResult, to.result->setDesc, columns, nulls);
}

const char *words_of(FormOutcome outcome)
{
    switch (outcome) {
    case FormOutcome::fits:
        return "fits";
    case FormOutcome::no_call:
        return "no call there";
    case FormOutcome::unmet:
        return "a condition does not hold";
    case FormOutcome::no_call_id:
        return "no call id";
    case FormOutcome::no_member:
        return "has none of has_one_of";
    }
    return nullptr;
}

const char *words_of(CandidateOutcome outcome)
{
    switch (outcome) {
    case CandidateOutcome::value:
        return "taken";
    case CandidateOutcome::nothing:
        return "no value, by the shape";
    case CandidateOutcome::unmet:
        return "a condition does not hold";
    case CandidateOutcome::missing:
        return "missing";
    case CandidateOutcome::unreadable:
        return "not readable as this field";
    case CandidateOutcome::none:
        return "stands for no value";
    case CandidateOutcome::no_zone:
        return "local time, and the shape has no zone";
    case CandidateOutcome::unknown_zone:
        return "unknown time zone";
    }
    return nullptr;
}

const char *value_text(Reading reading, const FieldValue &value)
{
    if (!value.known)
        return nullptr;
    if (IsTime(reading))
        return DatumGetCString(
            DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(postgres_time(value.number))));
    if (IsDuration(reading))
        return psprintf("%lld s", static_cast<long long>(value.number));
    if (reading == Reading::flag)
        return value.number != 0 ? "true" : "false";
    return to_cstring(value.text);
}

// NULL for a constant.
const char *path_text(const ShapeCandidate &candidate)
{
    StringInfoData text;
    if (candidate.is_constant)
        return nullptr;
    initStringInfo(&text);
    for (const ShapePath &path : candidate.paths)
        appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "", path.text.c_str());
    return text.data;
}

// Candidates up to the one that settles the field.
FieldValue explain_field(ShapeReader<JsonbBody> *reader, const ShapeForm &form, Field field,
                         const Explanation &to)
{
    for (const ShapeCandidate &candidate : form.fields[static_cast<size_t>(field)]) {
        CHECK_FOR_INTERRUPTS();
        FieldValue value;
        const CandidateOutcome outcome = reader->ReadCandidate(candidate, value);
        put_row(to, FactsOf(field).name.data(), path_text(candidate), value_text(candidate.reading, value),
                words_of(outcome));
        if (outcome == CandidateOutcome::value || outcome == CandidateOutcome::nothing)
            return value;
    }
    return {};
}

void explain_status(std::string_view word, const Explanation &to)
{
    const Status status = NormalizeStatus(word, to.provider);
    const std::string_view name = StatusName(status);
    put_row(to, "-> status", nullptr, name.empty() ? nullptr : to_cstring(name),
            status == Status::unknown ? "unknown word"
            : status == Status::none  ? "the word says nothing about the status"
                                      : "the meaning of the word");
}

void explain_direction(std::string_view word, const Explanation &to)
{
    const Direction direction = NormalizeDirection(word, to.provider);
    const std::string_view name = DirectionName(direction);
    put_row(to, "-> direction", nullptr, name.empty() ? nullptr : to_cstring(name),
            direction == Direction::unknown ? "unknown word"
            : direction == Direction::none  ? "the word says nothing about the direction"
                                            : "the meaning of the word");
}

void explain_form(ShapeReader<JsonbBody> *reader, const ShapeForm &form, const Explanation &to)
{
    FieldValue values[field_count];
    for (size_t i = 0; i < field_count; ++i)
        values[i] = explain_field(reader, form, static_cast<Field>(i), to);
    const FieldValue &state = values[static_cast<size_t>(Field::state)];
    const FieldValue &direction = values[static_cast<size_t>(Field::direction)];
    if (state.known)
        explain_status(state.text, to);
    if (direction.known)
        explain_direction(direction.text, to);
}

void explain_event(Jsonb *body, const Shape &shape, const Explanation &to)
{
    JsonbBody document(body);
    ShapeReader reader(document);
    for (const ShapeForm &form : shape.forms()) {
        FieldValue call_id;
        const FormOutcome outcome = reader.Enter(form, call_id);
        put_row(to, "form", form.call.text.empty() ? "$" : form.call.text.c_str(),
                form.name.empty() ? nullptr : form.name.c_str(), words_of(outcome));
        if (outcome == FormOutcome::fits)
            return explain_form(&reader, form, to);
    }
    put_row(to, "-> event", nullptr, nullptr, "dead: no form fits");
}

struct ExplainedParts {
    const Explanation *to;
    const Shape *shape;
    size_t count;
    int number; // of the part, from 1
};

void explain_part(void *state, Jsonb *part)
{
    auto *parts = static_cast<ExplainedParts *>(state);
    put_row(*parts->to, "part", nullptr, psprintf("%d of %zu", parts->number++, parts->count),
            "an event of its own");
    explain_event(part, *parts->shape, *parts->to);
}

void explain_body(Jsonb *body, const Shape &shape, const Explanation &to)
{
    const PartsOfBody parts = find_parts(body, &shape);
    if (!parts.IsDivided())
        return explain_event(body, shape, to);
    if (!can_divide(body, parts))
        return put_row(to, "-> event", nullptr, nullptr,
                       psprintf("dead: %s", no_lane::FindReason(no_lane::too_many_calls)->error));
    ExplainedParts explained = {&to, &shape, parts.count, 1};
    for_each_part(body, parts, explain_part, &explained);
}

// JSON that holds a call begins with a brace or a bracket. Other bodies can be forms.
Jsonb *document_of(std::string_view body)
{
    const size_t first = RunEnd(body, 0, IsAsciiSpace);
    char *text = to_cstring(body);
    if (first < body.size() && (body[first] == '{' || body[first] == '['))
        return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
    JsonbValue string;
    string.type = jbvString;
    string.val.string.val = text;
    string.val.string.len = static_cast<int>(body.size());
    return open_body(JsonbValueToJsonb(&string)).document;
}

const Shape *require_shape_of(std::string_view provider)
{
    if (IsBlank(provider))
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a provider or a shape must be given")));
    const Shape *shape = shape_of_provider(provider);
    if (shape == nullptr && !IsKnownProvider(provider))
        refuse_unknown_provider(provider);
    if (shape == nullptr)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("events of call provider \"%s\" cannot be read", to_cstring(provider)),
                 errhint("call_providers() lists the providers with a shape, whose events can be read.")));
    return shape;
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(explain_call_event)
{
    enum { body, provider, shape };
    InitMaterializedSRF(fcinfo, 0);
    if (PG_ARGISNULL(body))
        PG_RETURN_NULL();
    const std::string_view whose =
        PG_ARGISNULL(provider) ? std::string_view{} : text_argument(fcinfo, provider);
    const Shape *used =
        PG_ARGISNULL(shape) ? require_shape_of(whose) : compile_shape(PG_GETARG_JSONB_P(shape));
    explain_body(document_of(text_argument(fcinfo, body)), *used,
                 {castNode(ReturnSetInfo, fcinfo->resultinfo), whose});
    PG_RETURN_NULL();
}

CALLHARDENING_FUNCTION(call_event_shape)
{
    const std::string_view provider = text_argument(fcinfo, 0);
    const std::string_view shape = BuiltInShapeText(provider);
    if (shape.empty() && !IsKnownProvider(provider))
        refuse_unknown_provider(provider);
    if (shape.empty())
        PG_RETURN_NULL();
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(to_cstring(shape)));
}

CALLHARDENING_FUNCTION(require_event_shape)
{
    compile_shape(PG_GETARG_JSONB_P(0));
    PG_RETURN_VOID();
}
