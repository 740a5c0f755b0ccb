#include "core/policy/built_in_policy.hpp"

#include "pg/sanitizer/policy.hpp"

extern "C" {
#include "nodes/pg_list.h"
#include "nodes/primnodes.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
}

namespace callhardening
{

namespace
{

// Parsing cannot be interrupted. The limit rejects a payload passed by mistake as a policy.
constexpr Size most_policy_bytes = 256 * 1024;

// In TopMemoryContext, followed by its source. It lives while it is listed or used.
struct CachedPolicy {
    const Policy *policy;
    int users;
    bool is_listed;
    bool is_text; // else jsonb
    Size size;

    char *source() { return reinterpret_cast<char *>(this + 1); }
};

constexpr int cache_size = 16;
constinit CachedPolicy *cache[cache_size] = {}; // the last used one first

// Holds a policy for a memory context. If an error ends the context, the policy is released.
struct PolicyUse {
    CachedPolicy *cached;
    MemoryContextCallback at_end;
};

[[noreturn]] void out_of_memory()
{
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                    errdetail("A payload policy could not be compiled.")));
    pg_unreachable();
}

const Policy *compile(std::string_view json)
{
    SettingError error;
    const Policy *policy = Policy::Compile(json, error);
    if (policy != nullptr)
        return policy;
    if (error.out_of_memory)
        out_of_memory();
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid payload policy: %s: %s", error.field, error.reason),
                    errhint("A policy looks like {\"version\": 1, \"rules\": [{\"path\": \"**.transcript\", "
                            "\"action\": \"truncate\", \"length\": 500}]}.")));
}

const Policy *compile_source(const char *source, Size size, bool is_text)
{
    if (is_text)
        return compile({source, size});
    auto *policy = reinterpret_cast<Jsonb *>(const_cast<char *>(source));
    StringInfoData json;
    initStringInfo(&json);
    JsonbToCString(&json, &policy->root, static_cast<int>(size));
    const Policy *compiled = compile({json.data, static_cast<size_t>(json.len)});
    pfree(json.data);
    return compiled;
}

void free_if_idle(CachedPolicy *cached)
{
    if (cached->users > 0 || cached->is_listed)
        return;
    Policy::Delete(cached->policy);
    pfree(cached);
}

void move_to_front(CachedPolicy *cached, int from)
{
    memmove(cache + 1, cache, static_cast<size_t>(from) * sizeof(cache[0]));
    cache[0] = cached;
}

void list(CachedPolicy *cached)
{
    CachedPolicy *last = cache[cache_size - 1];
    move_to_front(cached, cache_size - 1);
    cached->is_listed = true;
    if (last != nullptr) {
        last->is_listed = false;
        free_if_idle(last);
    }
}

CachedPolicy *compile_into_cache(const char *source, Size size, bool is_text)
{
    if (size > most_policy_bytes)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("payload policy of %zu bytes is too long", size),
                        errdetail("A policy may have %zu bytes.", most_policy_bytes)));
    const Policy *policy = compile_source(source, size, is_text);
    // An error here would leak the policy.
    auto *cached = static_cast<CachedPolicy *>(
        MemoryContextAllocExtended(TopMemoryContext, sizeof(CachedPolicy) + size, MCXT_ALLOC_NO_OOM));
    if (cached == nullptr) {
        Policy::Delete(policy);
        out_of_memory();
    }
    *cached = {policy, 0, false, is_text, size};
    memcpy(cached->source(), source, size);
    list(cached);
    return cached;
}

bool is_of(CachedPolicy *cached, const char *source, Size size, bool is_text)
{
    return cached->is_text == is_text && cached->size == size && memcmp(cached->source(), source, size) == 0;
}

CachedPolicy *find_policy(const char *source, Size size, bool is_text)
{
    for (int i = 0; i < cache_size && cache[i] != nullptr; ++i) {
        CachedPolicy *cached = cache[i];
        if (is_of(cached, source, size, is_text)) {
            move_to_front(cached, i);
            return cached;
        }
    }
    return compile_into_cache(source, size, is_text);
}

void let_go(void *argument)
{
    auto *use = static_cast<PolicyUse *>(argument);
    CachedPolicy *cached = use->cached;
    use->cached = nullptr;
    if (cached != nullptr) {
        --cached->users;
        free_if_idle(cached);
    }
}

PolicyUse *new_use(MemoryContext user)
{
    auto *use = static_cast<PolicyUse *>(MemoryContextAllocZero(user, sizeof(PolicyUse)));
    use->at_end.func = let_go;
    use->at_end.arg = use;
    MemoryContextRegisterResetCallback(user, &use->at_end);
    return use;
}

// Is the argument a constant in the caller's expression? get_fn_expr_arg_stable() is also true for a
// parameter. PL/pgSQL passes other values of a variable through the same FmgrInfo.
bool is_constant(const FmgrInfo *flinfo, int n)
{
    if (flinfo->fn_expr == nullptr || !IsA(flinfo->fn_expr, FuncExpr))
        return false;
    const List *arguments = reinterpret_cast<const FuncExpr *>(flinfo->fn_expr)->args;
    return n < list_length(arguments) && IsA(list_nth(arguments, n), Const);
}

const Policy *hold(PolicyUse *use, CachedPolicy *cached)
{
    ++cached->users;
    let_go(use);
    use->cached = cached;
    return cached->policy;
}

} // namespace

const Policy *policy_of_text(const char *policy, MemoryContext user)
{
    PolicyUse *use = new_use(user);
    return hold(use, find_policy(policy, strlen(policy), true));
}

const Policy *default_policy()
{
    const Policy *policy = DefaultPolicy();
    if (policy == nullptr)
        out_of_memory();
    return policy;
}

const Policy *policy_argument(FunctionCallInfo fcinfo, int n)
{
    if (PG_ARGISNULL(n))
        return default_policy();
    auto *use = static_cast<PolicyUse *>(fcinfo->flinfo->fn_extra);
    if (use == nullptr)
        fcinfo->flinfo->fn_extra = use = new_use(fcinfo->flinfo->fn_mcxt);
    if (use->cached != nullptr && is_constant(fcinfo->flinfo, n))
        return use->cached->policy;
    const Jsonb *policy = PG_GETARG_JSONB_P(n);
    const auto *source = reinterpret_cast<const char *>(policy);
    if (use->cached != nullptr && is_of(use->cached, source, VARSIZE(policy), false))
        return use->cached->policy;
    return hold(use, find_policy(source, VARSIZE(policy), false));
}

} // namespace callhardening
