#include "core/text.hpp"

#include "pg/text.hpp"
#include "pg/warning.hpp"

namespace callhardening
{

const char *printable_word(std::string_view word)
{
    if (word.data() == nullptr)
        return "NULL";
    return LooksLikeWord(word) ? psprintf("\"%s\"", to_cstring(word)) : psprintf("%zu bytes", word.size());
}

void warn_unknown_word(const char *what, std::string_view word)
{
    ereport(WARNING, (errmsg("Unknown call %s: %s", what, printable_word(word))));
}

} // namespace callhardening
