#include "pg/words/word_column.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/text.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
}

namespace callhardening
{

void open_word_column(WordColumn *column, Relation relation, const char *name, MemoryContext context)
{
    column->attnum = require_column(relation, name, calls_column_hint);
    const Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), column->attnum - 1);
    column->typmod = attribute->atttypmod;

    const Oid type = getBaseType(attribute->atttypid);
    column->is_text = type == TEXTOID || type == VARCHAROID;
    column->is_padded = type == BPCHAROID;
    if (column->is_text)
        return;

    Oid function;
    bool is_varlena;
    getTypeOutputInfo(attribute->atttypid, &function, &is_varlena);
    fmgr_info_cxt(function, &column->output, context);
    getTypeInputInfo(attribute->atttypid, &function, &column->input_parameter);
    fmgr_info_cxt(function, &column->input, context);
}

std::string_view read_word(WordColumn *column, Datum value)
{
    if (column->is_text) {
        return text_view(DatumGetTextPP(value));
    }
    std::string_view word = OutputFunctionCall(&column->output, value);
    while (column->is_padded && word.ends_with(' '))
        word.remove_suffix(1);
    return word;
}

Datum write_word(WordColumn *column, std::string_view word)
{
    if (column->is_text)
        return PointerGetDatum(to_text(word));
    return InputFunctionCall(&column->input, to_cstring(word), column->input_parameter, column->typmod);
}

} // namespace callhardening
