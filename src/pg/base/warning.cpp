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

namespace
{

// The context without one of its entries. Other lines are those of the user's own triggers, and of callers.
char *context_without(const char *context, const char *entry)
{
    const char *place = strstr(context, entry);
    if (place == nullptr)
        return pstrdup(context);
    const char *rest = place + strlen(entry);
    const bool is_last = *rest == '\0';
    const size_t before = place - context - (is_last && place > context ? 1 : 0);
    if (before == 0 && is_last)
        return nullptr;
    return psprintf("%.*s%s", static_cast<int>(before), context, *rest == '\n' ? rest + 1 : rest);
}

// Without the lines of the extension's PL/pgSQL functions. nullptr if nothing is left.
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

} // namespace

void rethrow_for_caller(MemoryContext context, const char *statement)
{
    MemoryContextSwitchTo(context);
    ErrorData *error = CopyErrorData();
    FlushErrorState();
    if (error->context != nullptr)
        error->context = statement == nullptr
                             ? context_of_caller(error->context)
                             : context_without(error->context, psprintf("SQL statement \"%s\"", statement));
    ReThrowError(error);
    pg_unreachable();
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
        rethrow_for_caller(context, nullptr);
    }
    PG_END_TRY();
    PG_RETURN_VOID();
}

CALLHARDENING_FUNCTION(report)
{
    const char *level = cstring_argument(fcinfo, 0), *message = cstring_argument(fcinfo, 1),
               *detail = cstring_argument(fcinfo, 2), *hint = cstring_argument(fcinfo, 3);
    const bool is_warning = level != nullptr && strcmp(level, "WARNING") == 0;
    if (!is_warning && (level == nullptr || strcmp(level, "NOTICE") != 0))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("level must be NOTICE or WARNING")));
    ErrorContextCallback *context = hide_error_context();
    ereport(is_warning ? WARNING : NOTICE, (errmsg_internal("%s", message == nullptr ? "" : message),
                                            detail == nullptr ? 0 : errdetail_internal("%s", detail),
                                            hint == nullptr ? 0 : errhint("%s", hint)));
    error_context_stack = context;
    PG_RETURN_VOID();
}
