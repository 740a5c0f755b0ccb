#include "core/sanitizer/explain.hpp"

#include "pg/base/text.hpp"
#include "pg/sanitizer/numeric.hpp"
#include "pg/sanitizer/sanitizer.hpp"

extern "C" {
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"
}

using namespace callhardening;

namespace
{

void copy_number(Numeric number, DocumentTokens *document)
{
    const size_t length = printed_length(number);
    if (length > longest_number) {
        document->LongNumber(length);
        return;
    }
    auto *text = static_cast<char *>(palloc(length));
    print_number(number, text);
    document->Number({text, length});
}

void copy_scalar(const JsonbValue *value, DocumentTokens *document)
{
    switch (value->type) {
    case jbvString:
        document->String({value->val.string.val, static_cast<size_t>(value->val.string.len)});
        break;
    case jbvNumeric:
        copy_number(value->val.numeric, document);
        break;
    case jbvBool:
        document->Boolean(value->val.boolean);
        break;
    default:
        document->Null();
    }
}

// jsonb keeps a scalar in an array of its own. The array is not part of the document.
void copy_document(Jsonb *payload, DocumentTokens *document)
{
    JsonbIterator *iterator = JsonbIteratorInit(&payload->root);
    const bool scalar = JB_ROOT_IS_SCALAR(payload);
    JsonbValue value;
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        switch (JsonbIteratorNext(&iterator, &value, false)) {
        case WJB_BEGIN_OBJECT:
            document->BeginObject(Sanitizer::unknown_count);
            break;
        case WJB_END_OBJECT:
            document->EndObject();
            break;
        case WJB_BEGIN_ARRAY:
            if (!scalar)
                document->BeginArray(Sanitizer::unknown_count);
            break;
        case WJB_END_ARRAY:
            if (!scalar)
                document->EndArray();
            break;
        case WJB_KEY:
            document->Key({value.val.string.val, static_cast<size_t>(value.val.string.len)});
            break;
        case WJB_ELEM:
        case WJB_VALUE:
            copy_scalar(&value, document);
            break;
        default:
            return;
        }
    }
}

void put_row(const ReturnSetInfo *result, Explainer *explainer, const ExplainedValue &value)
{
    Datum columns[] = {PointerGetDatum(to_text(explainer->PathText(value))),
                       PointerGetDatum(to_text(explainer->ActionText(value))),
                       PointerGetDatum(to_text(explainer->ReasonText(value))),
                       Int32GetDatum(static_cast<int32>(value.bytes_in)),
                       Int32GetDatum(static_cast<int32>(value.bytes_out))};
    bool nulls[lengthof(columns)] = {};
    if (explainer->failed())
        out_of_payload_memory();
    tuplestore_putvalues(result->setResult, result->setDesc, columns, nulls);
    for (int i = 0; i < 3; ++i)
        pfree(DatumGetPointer(columns[i]));
}

void explain_payload(Jsonb *payload, const PayloadPass *pass, const ReturnSetInfo *result)
{
    Explainer explainer(*pass->policy, *pass->pseudonyms, allocate_for_payload);
    copy_document(payload, &explainer.document());
    while (explainer.Step())
        CHECK_FOR_INTERRUPTS();
    if (!explainer.Finish())
        out_of_payload_memory();
    for (const ExplainedValue &value : explainer.values()) {
        CHECK_FOR_INTERRUPTS();
        put_row(result, &explainer, value);
    }
}

} // namespace

CALLHARDENING_FUNCTION(explain_call_payload)
{
    InitMaterializedSRF(fcinfo, 0);
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    const Policy *policy = callers_policy(fcinfo);
    Jsonb *payload = PG_GETARG_JSONB_P(0);
    const PayloadPass pass = begin_pass(policy);
    explain_payload(payload, &pass, castNode(ReturnSetInfo, fcinfo->resultinfo));
    end_pass(&pass);
    PG_RETURN_NULL();
}
