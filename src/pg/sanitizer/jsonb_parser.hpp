// Makes jsonb from a text with the same bytes and errors as jsonb_in. But it checks for a cancel between any
// two values. jsonb_in would run to the end: ten seconds for 200 MB.
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
