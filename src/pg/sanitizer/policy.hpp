// Policies that come as jsonb or as text, compiled. Sixteen are kept per backend, since a webhook is a
// statement of one row, and compiling costs more than sanitizing its body.
//
// Errors of all functions: 22023 with the place of the mistake, 54000 too long, 53200 no memory.
#pragma once

#include "core/policy/policy.hpp"

#include "pg/base/postgres.hpp"

namespace callhardening
{

// Stays valid until `user` is reset or deleted, however many other policies are used before.
const Policy *policy_of_text(const char *policy, MemoryContext user);

// The policy of argument `n`, `default` where it is NULL. It is held by the call site (fn_extra, which has to
// be free for it) and looked up again only when the argument's bytes change.
const Policy *policy_argument(FunctionCallInfo fcinfo, int n);

const Policy *default_policy();

} // namespace callhardening
