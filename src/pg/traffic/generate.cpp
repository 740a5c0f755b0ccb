#include "core/traffic/generate.hpp"

#include "pg/base/text.hpp"

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

CallTraffic *start_traffic(FunctionCallInfo fcinfo, MemoryContext context)
{
    const int32 calls = require_calls(fcinfo), seed = require_seed(fcinfo);
    // Registered before the allocation, so a later error cannot leak the traffic.
    auto *owner = static_cast<TrafficOwner *>(MemoryContextAllocZero(context, sizeof(TrafficOwner)));
    owner->callback.func = free_traffic;
    owner->callback.arg = owner;
    MemoryContextRegisterResetCallback(context, &owner->callback);
    owner->traffic = CallTraffic::Start(calls, seed);
    if (owner->traffic == nullptr)
        raise_out_of_memory();
    return owner->traffic;
}

} // namespace

CALLHARDENING_FUNCTION(call_traffic)
{
    if (SRF_IS_FIRSTCALL()) {
        FuncCallContext *first = SRF_FIRSTCALL_INIT();
        first->user_fctx = start_traffic(fcinfo, first->multi_call_memory_ctx);
    }
    FuncCallContext *call = SRF_PERCALL_SETUP();
    CHECK_FOR_INTERRUPTS();

    std::string_view body;
    switch (static_cast<CallTraffic *>(call->user_fctx)->Next(body)) {
    case CallTraffic::Step::out_of_memory:
        raise_out_of_memory();
        break;
    case CallTraffic::Step::body:
        SRF_RETURN_NEXT(call, PointerGetDatum(to_text(body)));
    case CallTraffic::Step::end:
        break;
    }
    SRF_RETURN_DONE(call);
}
