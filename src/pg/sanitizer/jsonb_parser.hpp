// jsonb from a text, as jsonb_in makes it: the same bytes, the same errors. But a cancel is answered between
// any two values, where jsonb_in goes on to the end: ten seconds for a text of 200 MB.
#pragma once

#include <string_view>

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

Jsonb *parse_jsonb(std::string_view text);

} // namespace callhardening
