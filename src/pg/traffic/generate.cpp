#include "core/traffic/generate.hpp"

#include "pg/base/text.hpp"
#include "pg/base/time.hpp"

extern "C" {
#include "funcapi.h"
#include "miscadmin.h"
}

using namespace callhardening;

namespace
{

// The traffic is in the core's memory, so the memory context of the call frees it. This also works if a LIMIT
// or an error ends the call early.
struct TrafficOwner {
    MemoryContextCallback callback;
    CallTraffic *traffic;
};

void free_traffic(void *owner)
{
    delete static_cast<TrafficOwner *>(owner)->traffic;
}

void raise_out_of_memory()
{
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                    errdetail("There is not enough memory for the calls in progress.")));
}

int32 require_calls(FunctionCallInfo fcinfo)
{
    if (PG_ARGISNULL(0))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("calls must not be null")));
    const int32 calls = PG_GETARG_INT32(0);
    if (calls < 0 || calls > CallTraffic::max_calls)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("calls must be between 0 and %d, not %d", CallTraffic::max_calls, calls)));
    return calls;
}

int32 require_seed(FunctionCallInfo fcinfo)
{
    if (PG_ARGISNULL(1))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("seed must not be null")));
    return PG_GETARG_INT32(1);
}

const TrafficProvider *require_traffic_provider(FunctionCallInfo fcinfo)
{
    if (PG_ARGISNULL(2))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("provider must not be null")));
    const TrafficProvider *provider = FindTrafficProvider(text_argument(fcinfo, 2));
    if (provider == nullptr) {
        const std::string_view names = TrafficProviderNames();
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("there is no made-up traffic of this provider"),
                        errhint("There is traffic of %.*s.", static_cast<int>(names.size()), names.data())));
    }
    return provider;
}

CallTraffic *start_traffic(FunctionCallInfo fcinfo, MemoryContext context)
{
    const int32 calls = require_calls(fcinfo), seed = require_seed(fcinfo);
    const TrafficProvider *provider = require_traffic_provider(fcinfo);
    // Registered before the allocation, so a later error cannot leak the traffic.
    auto *owner = static_cast<TrafficOwner *>(MemoryContextAllocZero(context, sizeof(TrafficOwner)));
    owner->callback.func = free_traffic;
    owner->callback.arg = owner;
    MemoryContextRegisterResetCallback(context, &owner->callback);
    owner->traffic = CallTraffic::Start(calls, seed, *provider);
    if (owner->traffic == nullptr)
        raise_out_of_memory();
    return owner->traffic;
}

FuncCallContext *next_call(FunctionCallInfo fcinfo)
{
    if (SRF_IS_FIRSTCALL()) {
        FuncCallContext *first = SRF_FIRSTCALL_INIT();
        first->user_fctx = start_traffic(fcinfo, first->multi_call_memory_ctx);
    }
    CHECK_FOR_INTERRUPTS();
    return SRF_PERCALL_SETUP();
}

// Whole seconds: no provider but Dialpad and Zoom tells more, and those only about the event itself.
Datum second_or_null(int64 milliseconds, bool *is_null)
{
    *is_null = milliseconds == 0;
    return TimestampTzGetDatum(postgres_time(milliseconds / 1000 * USECS_PER_SEC));
}

Datum word_or_null(std::string_view word, bool *is_null)
{
    *is_null = word.empty();
    return *is_null ? Datum{0} : PointerGetDatum(to_text(word));
}

Datum to_row(FunctionCallInfo fcinfo, const CallFacts &facts)
{
    TupleDesc columns;
    if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "call_traffic_calls must return rows");
    Datum values[7];
    bool nulls[7] = {};
    values[0] = PointerGetDatum(to_text(facts.call_id));
    values[1] = word_or_null(StatusName(facts.status), &nulls[1]);
    values[2] = word_or_null(DirectionName(facts.direction), &nulls[2]);
    values[3] = second_or_null(facts.started, &nulls[3]);
    values[4] = second_or_null(facts.connected, &nulls[4]);
    values[5] = second_or_null(facts.ended, &nulls[5]);
    values[6] = Int32GetDatum(static_cast<int32>(facts.duration));
    nulls[6] = facts.duration < 0;
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls));
}

} // namespace

CALLHARDENING_FUNCTION(call_traffic)
{
    FuncCallContext *call = next_call(fcinfo);
    std::string_view body;
    switch (static_cast<CallTraffic *>(call->user_fctx)->Next(body)) {
    case CallTraffic::Step::out_of_memory:
        raise_out_of_memory();
        break;
    case CallTraffic::Step::item:
        SRF_RETURN_NEXT(call, PointerGetDatum(to_text(body)));
    case CallTraffic::Step::end:
        break;
    }
    SRF_RETURN_DONE(call);
}

CALLHARDENING_FUNCTION(call_traffic_calls)
{
    FuncCallContext *call = next_call(fcinfo);
    const CallFacts *facts = nullptr;
    switch (static_cast<CallTraffic *>(call->user_fctx)->NextFacts(facts)) {
    case CallTraffic::Step::out_of_memory:
        raise_out_of_memory();
        break;
    case CallTraffic::Step::item:
        SRF_RETURN_NEXT(call, to_row(fcinfo, *facts));
    case CallTraffic::Step::end:
        break;
    }
    SRF_RETURN_DONE(call);
}
