#include "core/base/text.hpp"
#include "core/providers/built_in_shapes.hpp"
#include "core/words/provider.hpp"

#include "pg/base/text.hpp"
#include "pg/log/event.hpp"
#include "pg/log/shape.hpp"
#include "pg/words/provider.hpp"

extern "C" {
#include "lib/stringinfo.h"
#include "pgtime.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
}

namespace callhardening
{

[[noreturn]] void refuse_unknown_provider(std::string_view provider)
{
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    LooksLikeWord(provider) ? errmsg("unknown call provider \"%s\"", to_cstring(provider))
                                            : errmsg("unknown call provider of %zu bytes", provider.size()),
                    hint_at_provider(provider)));
    pg_unreachable();
}

const Shape *require_shape(std::string_view provider, const char *hint)
{
    const Shape *shape = shape_of_provider(provider);
    if (shape == nullptr && !IsKnownProvider(provider))
        refuse_unknown_provider(provider);
    if (shape == nullptr)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("events of call provider \"%s\" cannot be read", to_cstring(provider)),
                        errhint("%s", hint)));
    return shape;
}

namespace
{

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
                            errmsg("invalid event shape: unknown time zone \"%s\"", zone.c_str()),
                            errhint("The view pg_timezone_names lists the names.")));
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

} // namespace callhardening

using namespace callhardening;

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
