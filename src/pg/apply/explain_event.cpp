#include "core/base/text.hpp"
#include "core/events/merge.hpp"
#include "core/lanes/position.hpp"
#include "core/words/direction.hpp"
#include "core/words/provider.hpp"
#include "core/words/status.hpp"

#include "pg/apply/call_event.hpp"
#include "pg/apply/calls_table.hpp"
#include "pg/base/spi.hpp"
#include "pg/base/text.hpp"
#include "pg/base/time.hpp"
#include "pg/log/event.hpp"
#include "pg/log/form.hpp"
#include "pg/log/parts.hpp"
#include "pg/log/shape.hpp"

extern "C" {
#include "access/table.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
}

namespace callhardening
{

namespace
{

struct Explanation {
    const ReturnSetInfo *result;
    std::string_view provider;
    const CallsTable *table; // of the log, or one that can hold everything
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

// -- the effect ----------------------------------------------------------------------------------

struct Effect {
    const TransitionGraph *graph;
    Call before, after;
    bool exists; // the call has a row
    MergeResult result;
};

void put_change(const char *column, const char *before, const char *after, const Explanation &to)
{
    put_row(to, psprintf("call.%s", column), nullptr, after,
            before == nullptr ? "set" : psprintf("was %s", before));
}

const char *status_name(const TransitionGraph &graph, int status)
{
    return status == unset_status ? nullptr : to_cstring(graph.Name(status));
}

const char *direction_name(Direction direction)
{
    const std::string_view name = DirectionName(direction);
    return name.empty() ? nullptr : to_cstring(name);
}

Reading reading_of(ColumnKind kind)
{
    switch (kind) {
    case ColumnKind::text:
    case ColumnKind::id:
        break;
    case ColumnKind::time:
        return Reading::time;
    case ColumnKind::seconds:
        return Reading::seconds;
    case ColumnKind::flag:
        return Reading::flag;
    }
    return Reading::text;
}

void put_changes(Effect &effect, bool has_own_time, const Explanation &to)
{
    Call &before = effect.before, &after = effect.after;
    if (after.status_changed)
        put_change("status", status_name(*effect.graph, before.status),
                   status_name(*effect.graph, after.status), to);
    if (after.direction_changed)
        put_change("direction", direction_name(before.direction), direction_name(after.direction), to);
    for (int i = 0; i < call_column_count; ++i) {
        const CallColumnFacts &facts = FactsOf(static_cast<CallColumn>(i));
        const Reading reading = reading_of(facts.kind);
        if (after.changed[i] && i == static_cast<int>(CallColumn::last_event_at) && !has_own_time)
            put_row(to, "call.last_event_at", nullptr, nullptr, "the time of receipt");
        else if (after.changed[i])
            put_change(facts.name.data(), value_text(reading, before.columns[i]),
                       value_text(reading, after.columns[i]), to);
    }
}

const char *words_of(const Effect &effect, const CallEvent &event)
{
    switch (effect.result.merge) {
    case Merge::applied:
        return effect.exists ? "changes the row" : "makes a row";
    case Merge::unchanged:
        return "changes nothing";
    case Merge::refused:
        return psprintf("refused: the graph does not allow %s after %s",
                        status_name(*effect.graph, event.status),
                        status_name(*effect.graph, effect.before.status));
    }
    return nullptr;
}

// Merges the event as process_call_events does, and writes nothing.
void explain_effect(const FieldValue (&values)[field_count], const Explanation &to)
{
    const CallsTable &table = *to.table;
    const std::string_view id = values[static_cast<size_t>(Field::call_id)].text;
    const std::string_view key =
        table.key_prefix.empty() ? CanonicalCallId(id, table.key) : prefixed_call_id(table.key_prefix, id);
    if (key.empty())
        return put_row(to, "-> event", nullptr, nullptr,
                       "dead: the key of the calls table cannot hold the call id");
    CallEvent event;
    Effect effect = {table.settings.graph, {}, {}, false, {}};
    memcpy(event.fields, values, sizeof(event.fields));
    read_meaning(table, {nullptr, true, unix_microseconds(GetCurrentTimestamp())}, &event);
    const char *call_id = to_cstring(key);
    effect.exists = table.relation != nullptr && read_call(table, call_id, true, &effect.before);
    effect.after = effect.before;
    effect.result = MergeEvent(*effect.graph, table.columns, event, effect.after);
    put_row(to, "-> event", nullptr, call_id, words_of(effect, event));
    put_changes(effect, event.has_own_time, to);
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
    explain_effect(values, to);
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
    return require_shape(provider, "call_providers() lists the providers with a shape. For another provider, "
                                   "give its shape.");
}

// A calls table with every column, and no calls.
CallsTable any_calls_table(const char *provider)
{
    CallsTable table = {};
    table.provider = provider;
    table.settings.graph = &DefaultTransitionGraph();
    table.key = KeyKind::text;
    for (int i = 0; i < call_column_count; ++i) {
        table.columns.present[i] = i != static_cast<int>(CallColumn::dialpad_user_id);
        table.columns.id_kind[i] = KeyKind::text;
    }
    return table;
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(explain_call_event)
{
    enum { body, provider, shape, log };
    InitMaterializedSRF(fcinfo, 0);
    if (PG_ARGISNULL(body))
        PG_RETURN_NULL();
    const char *whose = PG_ARGISNULL(provider) ? "" : to_cstring(text_argument(fcinfo, provider));
    Jsonb *document = document_of(text_argument(fcinfo, body));
    const Shape *given = PG_ARGISNULL(shape) ? nullptr : compile_shape(PG_GETARG_JSONB_P(shape));
    const auto *result = castNode(ReturnSetInfo, fcinfo->resultinfo);
    EventLog of;
    CallsTable table = any_calls_table(whose);
    if (PG_ARGISNULL(log)) {
        explain_body(document, given != nullptr ? *given : *require_shape_of(whose), {result, whose, &table});
        PG_RETURN_NULL();
    }
    SPI_connect();
    find_any_event_log(fcinfo, log, &of);
    require_log_of_webhooks(of, "explain_call_event");
    open_calls_table(of, AccessShareLock, &table);
    if (given == nullptr)
        given = table.shape;
    explain_body(document, *given, {result, table.provider, &table});
    table_close(table.relation, AccessShareLock);
    SPI_finish();
    PG_RETURN_NULL();
}
