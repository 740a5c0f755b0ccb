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

void warn_unknown_word(const char *what, std::string_view word)
{
    ErrorContextCallback *context = hide_error_context();
    ereport(WARNING, (errmsg("Unknown call %s: %s", what, printable_word(word))));
    error_context_stack = context;
}

} // namespace callhardening
