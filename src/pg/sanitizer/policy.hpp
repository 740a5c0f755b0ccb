// Compiled policies from jsonb or text. Sixteen are kept per session: each webhook is a statement of one row,
// and compiling costs more than sanitizing it.
//
// Errors of all functions: 22023 with the place of the mistake, 54000 too long, 53200 no memory.
#pragma once

#include "core/policy/policy.hpp"

#include "pg/base/postgres.hpp"

namespace callhardening
{

// Stays valid until `user` is reset or deleted, even if many other policies are used.
const Policy *policy_of_text(const char *policy, MemoryContext user);

// The policy of argument `n`, or `default` for NULL. The call site holds it in fn_extra. It is looked up
// again only if the argument's bytes change.
const Policy *policy_argument(FunctionCallInfo fcinfo, int n);

const Policy *default_policy();

} // namespace callhardening
