#include "core/text.hpp"

#include "pg/text.hpp"
#include "pg/warning.hpp"

namespace callhardening
{

void warn_unknown_word(const char *what, std::string_view word)
{
    if (LooksLikeWord(word))
        ereport(WARNING, (errmsg("Unknown call %s: \"%s\"", what, to_cstring(word))));
    else
        ereport(WARNING, (errmsg("Unknown call %s: %zu bytes", what, word.size())));
}

} // namespace callhardening
