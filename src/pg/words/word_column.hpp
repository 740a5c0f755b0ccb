// A column of words: text or varchar, char(n), citext, an enum, or a domain over one of them.
#pragma once

#include <string_view>

#include "pg/base/postgres.hpp"

extern "C" {
#include "executor/tuptable.h"
#include "utils/rel.h"
}

namespace callhardening
{

struct WordColumn {
    AttrNumber attnum;
    bool is_text;   // text and varchar, and domains over them: the value is the word
    bool is_padded; // char(n)
    int32 typmod;
    Oid input_parameter;
    FmgrInfo output, input; // for all other types
};

// Looks a column up, once per statement; `context` keeps the data of its conversions.
void open_word_column(WordColumn *column, Relation relation, const char *name, MemoryContext context);

// The word of a value, in the current memory context or in the value itself.
std::string_view read_word(WordColumn *column, Datum value);

// A value of the column's type, in the current memory context. The column can hold every canonical word:
// harden_calls has checked it. Its type cannot be altered, because a trigger's WHEN names it.
Datum write_word(WordColumn *column, std::string_view word);

} // namespace callhardening
