#include "core/lanes/position.hpp"

#include "pg/base/relation.hpp"
#include "pg/base/spi.hpp"
#include "pg/base/subtransaction.hpp"
#include "pg/base/text.hpp"
#include "pg/base/versions.hpp"
#include "pg/ingest/carry.hpp"
#include "pg/ingest/identity.hpp"
#include "pg/ingest/ingest.hpp"
#include "pg/ingest/signature.hpp"
#include "pg/log/event.hpp"
#include "pg/log/event_log.hpp"
#include "pg/log/form.hpp"
#include "pg/log/parts.hpp"
#include "pg/log/shape.hpp"
#include "pg/log/stamp.hpp"
#include "pg/sanitizer/jsonb_parser.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
}

namespace callhardening
{

namespace
{

// -- bodies --------------------------------------------------------------------------------------

struct Parse {
    char *body;
    Jsonb *parsed;
};

void parse_body(void *state)
{
    auto *parse = static_cast<Parse *>(state);
    parse->parsed = parse_jsonb(parse->body);
}

Jsonb *json_string(char *text, size_t size)
{
    JsonbValue string;
    string.type = jbvString;
    string.val.string.val = text;
    string.val.string.len = static_cast<int>(size);
    return JsonbValueToJsonb(&string);
}

// Some senders put a byte order mark before their JSON. jsonb would reject it.
char *after_byte_order_mark(char *body)
{
    constexpr std::string_view mark = "\xef\xbb\xbf";
    return std::string_view(body).starts_with(mark) ? body + mark.size() : body;
}

// If jsonb rejects a body, its text is kept as a JSON string.
Jsonb *body_of_text(std::string_view body, BodyKind *kind)
{
    char *text = to_cstring(body);
    Parse parse = {after_byte_order_mark(text), nullptr};
    *kind = BodyKind::json;
    if (try_in_subtransaction(parse_body, &parse) == nullptr)
        return parse.parsed;
    *kind = BodyKind::other;
    return json_string(text, body.size());
}

// A body that is not text is kept as a JSON string of its base64.
Jsonb *body_of_binary(std::string_view body)
{
    const int64 size = (static_cast<int64>(body.size()) + 2) / 3 * 4;
    if (size > JENTRY_OFFLENMASK)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("a binary body of %zu bytes is too long", body.size()),
                        errdetail("Its base64 would have %lld bytes, but jsonb holds at most %d.",
                                  static_cast<long long>(size), JENTRY_OFFLENMASK)));
    auto *encoded = static_cast<char *>(palloc(size + 1));
    const int written = encode_base64(body, encoded, static_cast<int>(size));
    return json_string(encoded, static_cast<size_t>(written));
}

Jsonb *body_of_bytes(std::string_view body, BodyKind *kind)
{
    if (pg_verify_mbstr(PG_UTF8, body.data(), static_cast<int>(body.size()), true))
        return body_of_text(body, kind);
    *kind = BodyKind::binary;
    return body_of_binary(body);
}

// -- appending ------------------------------------------------------------------------------------

struct Event {
    Jsonb *body;
    BodyKind kind;
    OptionalText type, key; // from beside the body
    const CarriedValues *carried;
    bytea *digest;
    int64 route; // only if the log has a route column
};

constexpr int first_carried = 4; // among the parameters, counted from 1

const char *insert_statement(const EventLog *log, const CarriedValues &carried)
{
    const char *type = log->event_type_column;
    StringInfoData columns, values;
    initStringInfo(&columns);
    initStringInfo(&values);
    for (int i = 0; i < carried.count; ++i) {
        appendStringInfo(&columns, ", %s", quote_identifier(carried.columns[i]));
        appendStringInfo(&values, ", $%d", first_carried + i);
    }
    if (log->route_column != nullptr) {
        appendStringInfo(&columns, ", %s", quote_identifier(log->route_column));
        appendStringInfo(&values, ", $%d", first_carried + carried.count);
    }
    return psprintf(
        "INSERT INTO %s (%s%s%s, event_digest%s) VALUES ($1%s, $3%s)"
        " ON CONFLICT (%sevent_digest) WHERE event_digest IS NOT NULL DO NOTHING RETURNING event_seq",
        log->events_name, quote_identifier(log->payload_column), type == nullptr ? "" : ", ",
        type == nullptr ? "" : quote_identifier(type), columns.data, type == nullptr ? "" : ", $2",
        values.data,
        log->route_column == nullptr ? "" : psprintf("%s, ", quote_identifier(log->route_column)));
}

const char *lookup_statement(const EventLog *log)
{
    const char *route = log->route_column;
    return psprintf(
        "SELECT event_seq FROM %s WHERE event_digest OPERATOR(pg_catalog.=) $1%s", log->events_name,
        route == nullptr ? "" : psprintf(" AND %s OPERATOR(pg_catalog.=) $2", quote_identifier(route)));
}

// 0: it is not visible.
int64 find_first_delivery(const EventLog *log, const SpiArgument &identity, const SpiArgument &route)
{
    static KeptPlans lookups;
    const SpiArgument arguments[] = {identity, route};
    run_statement(&lookups, lookup_statement(log), arguments, log->route_column == nullptr ? 1 : 2);
    if (SPI_processed == 0)
        return 0;
    count_events(counted_log(*log), Counter::redelivered);
    return spi_int8(0, 1);
}

// Appends the event, or finds its first delivery; 0 if neither is visible.
int64 append_or_find(const EventLog *log, const Event &event)
{
    static KeptPlans inserts;
    const SpiArgument identity = {BYTEAOID, PointerGetDatum(event.digest), false};
    SpiArgument arguments[max_spi_arguments] = {
        {JSONBOID, JsonbPGetDatum(event.body), false},
        event.type ? text_value(*event.type) : null_argument(TEXTOID),
        identity,
    };
    const CarriedValues &carried = *event.carried;
    int count = first_carried - 1 + carried.count;
    memcpy(arguments + first_carried - 1, carried.values, sizeof(SpiArgument) * carried.count);
    const SpiArgument route = int8_value(event.route);
    if (log->route_column != nullptr)
        arguments[count++] = route;

    run_statement(&inserts, insert_statement(log, carried), arguments, count);
    if (SPI_processed > 0)
        return spi_int8(0, 1);
    uncount_last_row(*log);
    return find_first_delivery(log, identity, route);
}

// Without a type from beside the body, the body's own is taken. This is only for tables older than the log:
// in other logs the trigger sets it.
OptionalText type_of_event(const EventLog *log, Jsonb *body, OptionalText event_type)
{
    constexpr size_t longest_event_type = 64;
    EventFields fields;
    if (event_type || !OidIsValid(log->sequence) || log->event_type_column == nullptr)
        return event_type;
    body = open_body(body).document;
    if (!JB_ROOT_IS_OBJECT(body) || !read_event(body, shape_of_log(*log), SetOfFields(Field::state), &fields))
        return event_type;
    const FieldValue &state = fields[Field::state];
    return state.known && state.text.size() <= longest_event_type ? OptionalText{state.text} : event_type;
}

int64 append_one(const EventLog *log, Event event)
{
    event.type = type_of_event(log, event.body, event.type);
    if (log->route_column != nullptr)
        event.route = route_of_event(*log, event.body, event.digest);
    // If a purge deletes the first delivery between the two statements, the redelivery becomes a new event.
    constexpr int attempts = 3;
    for (int i = 0; i < attempts; ++i) {
        const int64 event_seq = append_or_find(log, event);
        if (event_seq != 0)
            return event_seq;
    }
    ereport(ERROR, (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
                    errmsg("the event was not written to %s", log->events_name),
                    errhint("A trigger or a row-level security policy of that table suppresses it.")));
}

// The provider's id of the event comes before the document, and a given key before both.
bytea *identity_of(const EventLog *log, const Shape *shape, const Event &event)
{
    if (event.key)
        return digest_of_key(*event.key);
    bytea *digest = digest_of_event_id(*log, shape, event.body);
    return digest != nullptr ? digest : digest_of_body(event.body, event.kind, event.type);
}

struct Division {
    const EventLog *log;
    const Shape *shape;
    const Event *whole; // with the digest of its key or its document
    int64 part;
    int64 first_seq;
    bytea **event_ids;             // the digests of the parts until now; NULL: the part has no event id
    MemoryContext caller, scratch; // the second is for one part
};

// The parts of a body can share one event id, or each can have its own. If the provider sends the latter
// again in another body, they are found there as well.
bytea *identity_of_part(Division *division, Jsonb *part)
{
    bytea *digest =
        division->whole->key ? nullptr : digest_of_event_id(*division->log, division->shape, part);
    division->event_ids[division->part] = nullptr;
    if (digest == nullptr)
        return digest_of_part(division->whole->digest, division->part);
    int64 same = 0;
    for (int64 i = 0; i < division->part; ++i) {
        const bytea *earlier = division->event_ids[i];
        same += earlier != nullptr && is_same_digest(earlier, digest);
    }
    auto *kept = static_cast<bytea *>(MemoryContextAlloc(division->caller, VARSIZE(digest)));
    memcpy(kept, digest, VARSIZE(digest));
    division->event_ids[division->part] = kept;
    return digest_of_part(digest, same);
}

void append_part(void *state, Jsonb *part)
{
    auto *division = static_cast<Division *>(state);
    Event event = *division->whole;
    event.body = part;
    event.digest = identity_of_part(division, part);
    const int64 seq = append_one(division->log, event);
    SPI_freetuptable(SPI_tuptable);
    if (division->part++ == 0)
        division->first_seq = seq;
    MemoryContextReset(division->scratch);
}

// A redelivery finds all parts. If a purge has deleted some of them, these are appended anew.
int64 append_parts(const EventLog *log, const Shape *shape, const Event &event, const PartsOfBody &parts)
{
    Division division = {log, shape, &event, 0, 0, nullptr, CurrentMemoryContext, nullptr};
    division.event_ids = static_cast<bytea **>(palloc(sizeof(bytea *) * parts.count));
    division.scratch = AllocSetContextCreate(division.caller, "callhardening part", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(division.scratch);
    for_each_part(event.body, parts, append_part, &division);
    MemoryContextSwitchTo(division.caller);
    MemoryContextDelete(division.scratch);
    return division.first_seq;
}

// In another shard than that of its call, an event would be applied to a second row of the call.
void refuse_shard(const EventLog &log)
{
    if (log.shard_id != 0)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("%s is a shard, and takes no event by its own name", log.events_name),
                        errdetail("Citus puts an event into the shard of its call."),
                        errhint("Ingest it into the distributed log, on any node.")));
}

// A body with too many parts is appended whole, and the trigger makes it a dead event.
int64 append_event(const EventLog *log, Event event)
{
    refuse_shard(*log);
    require_filled_columns(*log, *event.carried);
    const Shape *shape = shape_of_log(*log);
    const PartsOfBody parts = find_parts(event.body, shape);
    const bool divides = parts.IsDivided() && can_divide(event.body, parts);
    event.digest = identity_of(log, divides ? nullptr : shape, event);
    return divides ? append_parts(log, shape, event, parts) : append_one(log, event);
}

// -- arguments -----------------------------------------------------------------------------------

enum IngestArgument { body_argument, log_argument, event_type_argument, event_key_argument, carry_argument };

void open_log(FunctionCallInfo fcinfo, EventLog *log)
{
    if (PG_ARGISNULL(body_argument))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("payload must not be null")));
    SPI_connect();
    find_any_event_log(fcinfo, log_argument, log);
    require_log_of_webhooks(*log, "ingest_call_event");
    refuse_unsigned_body(log);
}

void read_carry_argument(FunctionCallInfo fcinfo, const EventLog &log, CarriedValues *carried)
{
    read_carry(log, PG_ARGISNULL(carry_argument) ? nullptr : PG_GETARG_JSONB_P(carry_argument), carried);
}

// For bytea and text alike: both are a length and bytes.
int64 ingest_bytes(FunctionCallInfo fcinfo)
{
    EventLog log;
    CarriedValues carried;
    open_log(fcinfo, &log);
    read_carry_argument(fcinfo, log, &carried);
    const int64 event_seq = ingest_body(&log, text_argument(fcinfo, body_argument),
                                        optional_text_argument(fcinfo, event_type_argument),
                                        optional_text_argument(fcinfo, event_key_argument), carried);
    SPI_finish();
    return event_seq;
}

} // namespace

int64 ingest_body(const EventLog *log, std::string_view body, OptionalText event_type, OptionalText event_key,
                  const CarriedValues &carried)
{
    BodyKind kind;
    Jsonb *payload = body_of_bytes(body, &kind);
    return append_event(log, {payload, kind, event_type, event_key, &carried, nullptr, 0});
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(ingest_call_event_jsonb)
{
    EventLog log;
    CarriedValues carried;
    open_log(fcinfo, &log);
    read_carry_argument(fcinfo, log, &carried);
    Jsonb *body = PG_GETARG_JSONB_P(body_argument);
    const OptionalText event_type = optional_text_argument(fcinfo, event_type_argument);
    const OptionalText event_key = optional_text_argument(fcinfo, event_key_argument);
    const int64 event_seq =
        append_event(&log, {body, BodyKind::json, event_type, event_key, &carried, nullptr, 0});
    SPI_finish();
    PG_RETURN_INT64(event_seq);
}

CALLHARDENING_FUNCTION(ingest_call_event_text)
{
    PG_RETURN_INT64(ingest_bytes(fcinfo));
}

CALLHARDENING_FUNCTION(ingest_call_event_bytea)
{
    PG_RETURN_INT64(ingest_bytes(fcinfo));
}
