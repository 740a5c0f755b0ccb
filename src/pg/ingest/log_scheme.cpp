#include "core/base/text.hpp"
#include "core/providers/built_in_schemes.hpp"
#include "core/words/provider.hpp"

#include "pg/base/spi.hpp"
#include "pg/base/text.hpp"
#include "pg/ingest/event_secret.hpp"
#include "pg/ingest/log_scheme.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"
}

namespace callhardening
{

namespace
{

// ---- schemes of users ----------------------------------------------------------------------------------

// A payload in the place of a scheme would take long to parse.
constexpr size_t most_scheme_bytes = 16 * 1024;

// A session has few logs. Of more schemes than this, the oldest is compiled again.
constexpr size_t most_kept_schemes = 32;

struct KeptScheme {
    Jsonb *document;
    const Scheme *scheme;
};

// NULL would mean the default of the provider to set_call_event_signature: another scheme than the caller
// wants.
[[noreturn]] void refuse_unknown_scheme(std::string_view name)
{
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    LooksLikeWord(name) ? errmsg("unknown signature scheme \"%s\"", to_cstring(name))
                                        : errmsg("unknown signature scheme of %zu bytes", name.size()),
                    errhint("call_signature_schemes() lists the schemes.")));
    pg_unreachable();
}

[[noreturn]] void refuse_scheme(const SettingError &error)
{
    if (error.out_of_memory)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("A signature scheme could not be compiled.")));
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid signature scheme: %s: %s", error.field, error.reason),
                    errhint("call_signature_scheme() returns the schemes of providers, as examples.")));
    pg_unreachable();
}

// A dump can come from another version. The sender shall try again, so this is no flaw of its request.
[[noreturn]] void refuse_stored_scheme(const EventLog *log, const SettingError &error)
{
    if (error.out_of_memory)
        refuse_scheme(error);
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the signature scheme of event log %s cannot be used: %s: %s", log->events_name,
                           error.field, error.reason),
                    errhint("Set another one with set_call_event_signature.")));
    pg_unreachable();
}

// `log` has the document; nullptr: an argument is the document.
const Scheme *compile(Jsonb *document, size_t size, const EventLog *log)
{
    StringInfoData json;
    initStringInfo(&json);
    JsonbToCString(&json, &document->root, static_cast<int>(size));
    SettingError error;
    const Scheme *scheme = CompileScheme({json.data, static_cast<size_t>(json.len)}, error);
    if (scheme == nullptr)
        log == nullptr ? refuse_scheme(error) : refuse_stored_scheme(log, error);
    pfree(json.data);
    return scheme;
}

void keep(KeptScheme *place, Jsonb *document, size_t size, const EventLog *log)
{
    const Scheme *scheme = compile(document, size, log);
    auto *copy = static_cast<Jsonb *>(MemoryContextAllocExtended(TopMemoryContext, size, MCXT_ALLOC_NO_OOM));
    if (copy == nullptr) {
        DeleteScheme(scheme);
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    }
    memcpy(copy, document, size);
    if (place->document != nullptr) {
        pfree(place->document);
        DeleteScheme(place->scheme);
    }
    *place = {copy, scheme};
}

// ---- the table -----------------------------------------------------------------------------------------

// The columns of the table, created in sql/ingest/webhook.sql.
enum SchemeColumn { column_log = 1, column_scheme };

// The document of a log, in the current memory context; nullptr if it names none.
Jsonb *document_of_log(int32 log_id)
{
    Jsonb *document = nullptr;
    const Relation table = open_signature_table("event_signatures", {INT4OID, JSONBOID});
    const TupleDesc columns = RelationGetDescr(table);
    const SysScanDesc scan = systable_beginscan(table, InvalidOid, false, nullptr, 0, nullptr);
    for (HeapTuple row; document == nullptr && HeapTupleIsValid(row = systable_getnext(scan));) {
        bool no_log, no_scheme;
        const Datum log = heap_getattr(row, column_log, columns, &no_log);
        const Datum scheme = heap_getattr(row, column_scheme, columns, &no_scheme);
        if (!no_log && !no_scheme && DatumGetInt32(log) == log_id)
            document = DatumGetJsonbPCopy(scheme);
    }
    systable_endscan(scan);
    table_close(table, AccessShareLock);
    return document;
}

const Scheme *require_compiled(const BuiltInScheme &scheme)
{
    const Scheme *compiled = CompiledScheme(scheme);
    if (compiled == nullptr)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("The signature scheme of a provider could not be compiled.")));
    return compiled;
}

struct SchemeChange {
    SpiArgument log_id, scheme;
};

void write_scheme(void *state)
{
    static KeptPlans deletions, insertions;
    const auto *change = static_cast<const SchemeChange *>(state);
    if (change->scheme.is_null)
        run_statement(&deletions,
                      "DELETE FROM _callhardening.event_signatures WHERE log_id OPERATOR(pg_catalog.=) $1",
                      {change->log_id});
    else
        run_statement(
            &insertions,
            "INSERT INTO _callhardening.event_signatures (log_id, scheme) VALUES ($1, $2)"
            " ON CONFLICT ON CONSTRAINT event_signatures_pkey DO UPDATE SET scheme = EXCLUDED.scheme",
            {change->log_id, change->scheme});
}

// ---- listing -------------------------------------------------------------------------------------------

// The parts of a request that an attacker without the secret cannot change.
char *covered_parts(const Scheme &scheme)
{
    StringInfoData text;
    initStringInfo(&text);
    const auto add = [&text](bool covers, const char *what) {
        if (covers)
            appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "", what);
    };
    add(scheme.covers_body, "body");
    add(scheme.covers_url, "URL");
    add(scheme.covers_time, "time");
    add(text.len == 0, "nothing");
    return text.data;
}

} // namespace

const Scheme *compile_scheme(Jsonb *document, const EventLog *log)
{
    static KeptScheme kept[most_kept_schemes];
    static size_t next;
    const size_t size = VARSIZE(document);
    if (size > most_scheme_bytes)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("signature scheme of %zu bytes is too long", size),
                        errdetail("A scheme may have %zu bytes.", most_scheme_bytes)));
    for (const KeptScheme &one : kept)
        if (one.document != nullptr && VARSIZE(one.document) == size &&
            memcmp(VARDATA(one.document), VARDATA(document), size - VARHDRSZ) == 0)
            return one.scheme;
    KeptScheme *place = &kept[next % most_kept_schemes];
    keep(place, document, size, log);
    ++next;
    return place->scheme;
}

const Scheme *scheme_of_log(const EventLog *log)
{
    Jsonb *document = document_of_log(log->log_id);
    if (document != nullptr)
        return compile_scheme(document, log);
    const BuiltInScheme *scheme = IsBlank(log->provider) ? nullptr : FindBuiltInScheme(log->provider);
    return scheme == nullptr ? nullptr : require_compiled(*scheme);
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(set_call_event_signature)
{
    enum { log_argument, signature_argument };
    EventLog log;
    const bool resets = PG_ARGISNULL(signature_argument);
    SPI_connect();
    find_any_event_log(fcinfo, log_argument, &log);
    require_log_of_webhooks(log, "set_call_event_signature");
    require_log_owner(&log);
    Jsonb *document = resets ? nullptr : PG_GETARG_JSONB_P(signature_argument);
    if (!resets)
        compile_scheme(document);
    SchemeChange change = {int4_value(log.log_id),
                           {JSONBOID, resets ? Datum{0} : JsonbPGetDatum(document), resets}};
    write_as_owner_of_secrets(write_scheme, &change);
    SPI_finish();
    PG_RETURN_VOID();
}

CALLHARDENING_FUNCTION(call_signature_scheme)
{
    const std::string_view name = text_argument(fcinfo, 0);
    const BuiltInScheme *scheme = FindBuiltInScheme(name);
    if (scheme == nullptr && !IsKnownProvider(name))
        refuse_unknown_scheme(name);
    if (scheme == nullptr)
        PG_RETURN_NULL();
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(to_cstring(scheme->json)));
}

CALLHARDENING_FUNCTION(call_signature_schemes)
{
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = castNode(ReturnSetInfo, fcinfo->resultinfo);
    for (const BuiltInScheme &scheme : BuiltInSchemes()) {
        const Scheme *compiled = require_compiled(scheme);
        Datum values[] = {PointerGetDatum(to_text(scheme.name)),
                          PointerGetDatum(to_text(scheme.provider)),
                          BoolGetDatum(scheme.IsDefault()),
                          PointerGetDatum(to_text(AlgorithmName(compiled->algorithm))),
                          CStringGetTextDatum(covered_parts(*compiled)),
                          BoolGetDatum(compiled->handshake.is_there)};
        bool nulls[] = {false, scheme.provider.empty(), false, false, false, false};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    PG_RETURN_NULL();
}
