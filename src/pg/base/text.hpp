// text of PostgreSQL as a std::string_view, and back. A view owns nothing, so an error may skip it.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "mb/pg_wchar.h"
}

namespace callhardening
{

inline std::string_view text_view(const text *value)
{
    return {VARDATA_ANY(value), static_cast<size_t>(VARSIZE_ANY_EXHDR(value))};
}

// Argument `n`, detoasted; empty for NULL.
inline std::string_view text_argument(FunctionCallInfo fcinfo, int n)
{
    return PG_ARGISNULL(n) ? std::string_view{} : text_view(PG_GETARG_TEXT_PP(n));
}

// The same, but NULL differs from the empty text.
inline OptionalText optional_text_argument(FunctionCallInfo fcinfo, int n)
{
    return PG_ARGISNULL(n) ? OptionalText{} : text_view(PG_GETARG_TEXT_PP(n));
}

inline text *to_text(std::string_view value)
{
    return cstring_to_text_with_len(value.data(), static_cast<int>(value.size()));
}

inline Datum text_or_null(const char *text, bool *is_null)
{
    *is_null = text == nullptr;
    return text == nullptr ? Datum{0} : CStringGetTextDatum(text);
}

// A NUL-terminated copy in the current memory context.
inline char *to_cstring(std::string_view value)
{
    return pnstrdup(value.data(), value.size());
}

// The same, cut to at most `longest` bytes and between two characters.
inline char *cut_text(std::string_view value, int longest)
{
    const int length = pg_mbcliplen(value.data(), static_cast<int>(value.size()), longest);
    return pnstrdup(value.data(), length);
}

} // namespace callhardening
