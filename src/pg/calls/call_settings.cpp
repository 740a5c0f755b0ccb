#include "core/policy/built_in_policy.hpp"
#include "core/words/transition.hpp"

#include "pg/base/relation.hpp"
#include "pg/base/text.hpp"
#include "pg/base/warning.hpp"
#include "pg/calls/call_settings.hpp"
#include "pg/calls/trigger.hpp"
#include "pg/words/transition.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
}

using namespace callhardening;

namespace
{

// The order of arguments written by harden_calls.
enum Argument {
    argument_call_id_column,
    argument_status_column,
    argument_direction_column,
    argument_payload_column,
    argument_on_invalid,
    argument_transitions,
    argument_provider,
    argument_policy,
    argument_count,
};

// Before the digest of a policy, as SQL's policy_reference writes it.
constexpr const char *policy_reference_prefix = "policy ";

constexpr const char *mode_names[] = {"keep", "skip", "reject"};

OnInvalid parse_on_invalid(const char *mode)
{
    for (size_t i = 0; i < lengthof(mode_names); ++i)
        if (strcmp(mode, mode_names[i]) == 0)
            return static_cast<OnInvalid>(i);
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("on_invalid must be keep, skip or reject, not \"%s\"", mode)));
}

const TransitionGraph *read_graph(const char *transitions)
{
    if (*transitions == '\0')
        return &DefaultTransitionGraph();
    auto *graph = static_cast<TransitionGraph *>(palloc(sizeof(TransitionGraph)));
    parse_transition_graph(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(transitions))),
                           graph);
    return graph;
}

// -- a policy of the table's own -----------------------------------------------------------------

// Every statement reads its settings. A digest stands for one document, so the last one is kept.
struct KnownPolicy {
    char reference[32];
    char *document;
} known_policy;

bool is_document_of(const char *document, const char *reference)
{
    const Datum digest = DirectFunctionCall1(sha256_bytea, CStringGetTextDatum(document));
    char expected[sizeof known_policy.reference];
    const auto *bytes = reinterpret_cast<const unsigned char *>(VARDATA_ANY(DatumGetByteaPP(digest)));
    int length = snprintf(expected, sizeof expected, "%s", policy_reference_prefix);
    for (int i = 0; i < 8; ++i)
        length += snprintf(expected + length, sizeof expected - length, "%02x", bytes[i]);
    return strcmp(expected, reference) == 0;
}

// The trigger of a partition was cloned without its comment.
Oid parent_of(Oid trigger)
{
    const Relation triggers = table_open(TriggerRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(trigger));
    const SysScanDesc scan = systable_beginscan(triggers, TriggerOidIndexId, true, nullptr, 1, &key);
    const HeapTuple row = systable_getnext(scan);
    const Oid parent =
        HeapTupleIsValid(row) ? reinterpret_cast<Form_pg_trigger>(GETSTRUCT(row))->tgparentid : InvalidOid;
    systable_endscan(scan);
    table_close(triggers, AccessShareLock);
    return parent;
}

const char *comment_of(Oid trigger)
{
    const char *comment = nullptr;
    for (; OidIsValid(trigger) && comment == nullptr; trigger = parent_of(trigger))
        comment = GetComment(trigger, TriggerRelationId, 0);
    return comment;
}

void remember_policy(const char *reference, const char *document)
{
    char *copy = MemoryContextStrdup(TopMemoryContext, document);
    if (known_policy.document != nullptr)
        pfree(known_policy.document);
    known_policy.document = copy;
    strlcpy(known_policy.reference, reference, sizeof known_policy.reference);
}

const char *own_policy(const Trigger *trigger, const char *reference)
{
    if (strcmp(known_policy.reference, reference) == 0)
        return pstrdup(known_policy.document);
    const char *comment = comment_of(trigger->tgoid);
    if (comment == nullptr || !is_document_of(comment, reference))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("the payload policy of trigger \"%s\" is missing", trigger->tgname),
                        errdetail("It was the comment of the trigger."),
                        errhint("Call harden_calls again, with the policy.")));
    remember_policy(reference, comment);
    return comment;
}

const char *policy_document(const Trigger *trigger)
{
    const char *argument = trigger->tgargs[argument_policy];
    if (std::string_view{argument}.starts_with(policy_reference_prefix))
        return own_policy(trigger, argument);
    const std::string_view built_in = *argument == '\0' ? std::string_view{} : BuiltInPolicy(argument);
    return built_in.empty() ? pstrdup(argument) : to_cstring(built_in);
}

// -- the trigger ---------------------------------------------------------------------------------

// Compares the address of the C function, because users may rename the trigger, its function and the schema.
bool calls_function(const Trigger *trigger, PGFunction wanted)
{
    FmgrInfo function;
    fmgr_info(trigger->tgfoid, &function);
    return function.fn_addr == wanted;
}

bool is_validating_trigger(const Trigger *trigger)
{
    return TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_BEFORE(trigger->tgtype) &&
           calls_function(trigger, callhardening_validate_hardened_call);
}

// Needs a copy of the relation's triggers: looking up a function may rebuild them.
const Trigger *find_validating_trigger(const TriggerDesc *triggers)
{
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i)
        if (is_validating_trigger(&triggers->triggers[i]))
            return &triggers->triggers[i];
    return nullptr;
}

} // namespace

void callhardening::read_call_settings(const Trigger *trigger, CallSettings *settings)
{
    if (trigger->tgnargs != argument_count)
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("trigger \"%s\" must have %d arguments, not %d", trigger->tgname,
                               argument_count, trigger->tgnargs),
                        errhint("Let harden_calls create the triggers of a calls table.")));

    settings->call_id_column = pstrdup(trigger->tgargs[argument_call_id_column]);
    settings->status_column = pstrdup(trigger->tgargs[argument_status_column]);
    settings->direction_column = pstrdup(trigger->tgargs[argument_direction_column]);
    settings->payload_column = pstrdup(trigger->tgargs[argument_payload_column]);
    settings->on_invalid = parse_on_invalid(trigger->tgargs[argument_on_invalid]);
    settings->transitions = pstrdup(trigger->tgargs[argument_transitions]);
    settings->graph = read_graph(settings->transitions);
    settings->provider = pstrdup(trigger->tgargs[argument_provider]);
    settings->policy = policy_document(trigger);
}

bool callhardening::find_call_settings(Relation calls, CallSettings *settings)
{
    const Trigger *trigger = find_validating_trigger(CopyTriggerDesc(calls->trigdesc));
    if (trigger != nullptr)
        read_call_settings(trigger, settings);
    return trigger != nullptr;
}

void callhardening::require_call_settings(Relation calls, CallSettings *settings)
{
    if (!find_call_settings(calls, settings))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("the settings of table \"%s\" are missing", known_name(calls)),
                        errdetail("They were arguments of its BEFORE trigger. The trigger was dropped."),
                        errhint("Call harden_calls again, with every setting other than the defaults.")));
}

namespace
{

// The columns of the record have the order of the arguments.
struct SettingsRecord {
    Datum values[argument_count];
    bool nulls[argument_count];
};

void put(SettingsRecord *record, Argument column, const char *value, PGFunction input)
{
    record->values[column] = DirectFunctionCall1(input, CStringGetDatum(value));
    record->nulls[column] = false;
}

void put_unless_empty(SettingsRecord *record, Argument column, const char *value, PGFunction input)
{
    if (*value != '\0')
        put(record, column, value, input);
}

void put_settings(SettingsRecord *record, const CallSettings &settings)
{
    put(record, argument_call_id_column, settings.call_id_column, namein);
    put(record, argument_status_column, settings.status_column, namein);
    put(record, argument_direction_column, settings.direction_column, namein);
    put(record, argument_payload_column, settings.payload_column, namein);
    put(record, argument_on_invalid, mode_names[static_cast<size_t>(settings.on_invalid)], textin);
    put_unless_empty(record, argument_transitions, settings.transitions, jsonb_in);
    put_unless_empty(record, argument_provider, settings.provider, textin);
    put_unless_empty(record, argument_policy, settings.policy, jsonb_in);
}

} // namespace

CALLHARDENING_FUNCTION(call_settings)
{
    TupleDesc descriptor;
    if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("call_settings must return a record")));

    SettingsRecord record = {};
    memset(record.nulls, true, sizeof record.nulls);
    Relation calls = try_table_open(PG_GETARG_OID(0), AccessShareLock);
    CallSettings settings;
    if (calls != nullptr && find_call_settings(calls, &settings))
        put_settings(&record, settings);
    if (calls != nullptr)
        table_close(calls, AccessShareLock);
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, record.values, record.nulls)));
}

namespace
{

const Trigger *trigger_with_settings(Oid table)
{
    Relation calls = try_table_open(table, AccessShareLock);
    if (calls == nullptr)
        return nullptr;
    const TriggerDesc *triggers = CopyTriggerDesc(calls->trigdesc);
    table_close(calls, AccessShareLock);
    const Trigger *trigger = find_validating_trigger(triggers);
    return trigger == nullptr || trigger->tgnargs != argument_count ? nullptr : trigger;
}

} // namespace

CALLHARDENING_FUNCTION(trigger_policy)
{
    const Trigger *trigger = trigger_with_settings(PG_GETARG_OID(0));
    const char *volatile policy = "";
    const MemoryContext context = CurrentMemoryContext;
    PG_TRY();
    {
        if (trigger != nullptr)
            policy = policy_document(trigger);
    }
    PG_CATCH();
    {
        rethrow_for_caller(context, nullptr);
    }
    PG_END_TRY();
    if (*policy == '\0')
        PG_RETURN_NULL();
    PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(policy)));
}

CALLHARDENING_FUNCTION(trigger_settings)
{
    const Trigger *trigger = trigger_with_settings(PG_GETARG_OID(0));
    if (trigger == nullptr)
        PG_RETURN_NULL();
    Datum settings[argument_count];
    for (int i = 0; i < argument_count; ++i)
        settings[i] = CStringGetTextDatum(trigger->tgargs[i]);
    PG_RETURN_ARRAYTYPE_P(construct_array(settings, argument_count, TEXTOID, -1, false, TYPALIGN_INT));
}

// PostgreSQL keeps them this way: each argument ends with a zero byte.
CALLHARDENING_FUNCTION(trigger_arguments)
{
    const bytea *kept = PG_GETARG_BYTEA_PP(0);
    const char *argument = VARDATA_ANY(kept), *end = argument + VARSIZE_ANY_EXHDR(kept);
    ArrayBuildState *arguments = nullptr;
    while (const void *stop = memchr(argument, '\0', end - argument)) {
        const int length = static_cast<const char *>(stop) - argument;
        pg_verifymbstr(argument, length, false);
        arguments = accumArrayResult(arguments, PointerGetDatum(cstring_to_text_with_len(argument, length)),
                                     false, TEXTOID, CurrentMemoryContext);
        argument += length + 1;
    }
    if (arguments == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_DATUM(makeArrayResult(arguments, CurrentMemoryContext));
}
