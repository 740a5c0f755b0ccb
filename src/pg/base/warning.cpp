#include "core/base/text.hpp"

#include "pg/base/text.hpp"
#include "pg/base/warning.hpp"

namespace callhardening
{

const char *printable_word(OptionalText word)
{
    if (!word)
        return "NULL";
    return LooksLikeWord(*word) ? psprintf("\"%s\"", to_cstring(*word)) : psprintf("%zu bytes", word->size());
}

char *shown_word(OptionalText word)
{
    if (!word)
        return nullptr;
    return LooksLikeWord(*word) && !word->empty() ? to_cstring(*word) : psprintf("(%zu bytes)", word->size());
}

ErrorContextCallback *hide_error_context()
{
    ErrorContextCallback *context = error_context_stack;
    error_context_stack = nullptr;
    return context;
}

char *context_of_caller(const char *context)
{
    const char *rest = context, *own = context;
    while (rest != nullptr && (own = strstr(own, "_callhardening.")) != nullptr)
        rest = own = strchr(own, '\n');
    // Skips the other lines of a statement, if the last match was in it.
    while (rest != nullptr && isspace(static_cast<unsigned char>(rest[1])))
        rest = strchr(rest + 1, '\n');
    if (rest == nullptr || *rest == '\0')
        return nullptr;
    return pstrdup(*rest == '\n' ? rest + 1 : rest);
}

void warn_unknown_word(const char *what, std::string_view word)
{
    ErrorContextCallback *context = hide_error_context();
    ereport(WARNING, (errmsg("Unknown call %s: %s", what, printable_word(word))));
    error_context_stack = context;
}

} // namespace callhardening

using namespace callhardening;

namespace
{

void raise_with_context(const char *code, const char *message, const char *detail, const char *hint)
{
    ereport(ERROR, (errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])),
                    errmsg_internal("%s", message), detail == nullptr ? 0 : errdetail_internal("%s", detail),
                    hint == nullptr ? 0 : errhint("%s", hint)));
}

char *cstring_argument(FunctionCallInfo fcinfo, int n)
{
    return PG_ARGISNULL(n) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

} // namespace

CALLHARDENING_FUNCTION(raise_error)
{
    char *code = cstring_argument(fcinfo, 0), *message = cstring_argument(fcinfo, 1);
    if (code == nullptr || strlen(code) != 5)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("code must be an SQLSTATE")));
    const MemoryContext context = CurrentMemoryContext;
    PG_TRY();
    {
        raise_with_context(code, message == nullptr ? "" : message, cstring_argument(fcinfo, 2),
                           cstring_argument(fcinfo, 3));
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        ErrorData *error = CopyErrorData();
        FlushErrorState();
        error->context = error->context == nullptr ? nullptr : context_of_caller(error->context);
        ReThrowError(error);
    }
    PG_END_TRY();
    PG_RETURN_VOID();
}
