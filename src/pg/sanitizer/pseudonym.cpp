#include "core/findings/pseudonym.hpp"
#include "core/base/text.hpp"

#include "pg/base/catalog_table.hpp"
#include "pg/base/hmac.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/text.hpp"
#include "pg/base/versions.hpp"
#include "pg/sanitizer/pseudonym.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
}

namespace callhardening
{

namespace
{

constexpr size_t shortest_secret = 16, longest_secret = longest_hmac_key;

[[noreturn]] void raise_no_pseudonym()
{
    raise_not_signed("A pseudonym could not be computed.");
}

// ---- the key table -------------------------------------------------------------------------------------

// The columns of the table, created in sql/sanitizer/pseudonym.sql.
enum KeyColumn { column_number = 1, column_id, column_secret, column_count = column_secret };

struct KeyCache {
    MemoryContext context;
    Oid table;
    uint64 invalidations; // number of invalidations before the table was read
    size_t count;
    int64 *numbers;
    KeyId *ids;
    HmacKey *secrets;
};

KeyCache cache;
uint64 invalidations;

// Each change of the table sends an invalidation (forget_pseudonym_keys): to this session even after a
// rollback, to other sessions at commit. Before the first read, the table's oid is unknown.
void note_invalidation(Datum, Oid relation)
{
    if (relation == InvalidOid || relation == cache.table)
        ++invalidations;
}

void grow(KeyCache *keys, size_t capacity)
{
    keys->numbers = static_cast<int64 *>(repalloc(keys->numbers, capacity * sizeof(int64)));
    keys->ids = static_cast<KeyId *>(repalloc(keys->ids, capacity * sizeof(KeyId)));
    keys->secrets = static_cast<HmacKey *>(repalloc(keys->secrets, capacity * sizeof(HmacKey)));
}

// Inserts a row so that the newest key comes first.
void add_key(KeyCache *keys, HeapTuple row, TupleDesc columns)
{
    bool is_null[column_count];
    Datum values[column_count];
    for (int i = 0; i < column_count; ++i)
        values[i] = heap_getattr(row, i + 1, columns, &is_null[i]);
    if (is_null[0] || is_null[1] || is_null[2])
        return;
    const int64 number = DatumGetInt64(values[0]);
    const text *id = DatumGetTextPP(values[1]);
    const bytea *secret = DatumGetByteaPP(values[2]);
    if (VARSIZE_ANY_EXHDR(id) != key_id_size || VARSIZE_ANY_EXHDR(secret) > longest_secret)
        return;
    size_t place = keys->count++;
    grow(keys, keys->count);
    for (; place > 0 && keys->numbers[place - 1] < number; --place) {
        keys->numbers[place] = keys->numbers[place - 1];
        keys->ids[place] = keys->ids[place - 1];
        keys->secrets[place] = keys->secrets[place - 1];
    }
    keys->numbers[place] = number;
    memcpy(keys->ids[place].letters, VARDATA_ANY(id), key_id_size);
    keys->secrets[place].size = VARSIZE_ANY_EXHDR(secret);
    memcpy(keys->secrets[place].bytes, VARDATA_ANY(secret), keys->secrets[place].size);
}

// Reads with a snapshot of its own, like the server reads its catalogs. The caller has no privilege on the
// table, and a key counts as soon as it is committed.
void read_keys(Oid table_oid)
{
    static bool registered = false;
    if (!registered)
        CacheRegisterRelcacheCallback(note_invalidation, Datum{0});
    registered = true;

    KeyCache fresh{};
    fresh.context =
        AllocSetContextCreate(CurrentMemoryContext, "callhardening pseudonym keys", ALLOCSET_SMALL_SIZES);
    fresh.table = cache.table = table_oid;
    ++invalidations; // if this fails, the cached keys are invalid
    const Relation table = open_table(table_oid, AccessShareLock);
    fresh.invalidations = invalidations;
    require_key_table(table, {INT8OID, TEXTOID, BYTEAOID},
                      "Drop and create the extension, and add the keys again.");
    const MemoryContext caller = MemoryContextSwitchTo(fresh.context);
    fresh.numbers = static_cast<int64 *>(palloc(sizeof(int64)));
    fresh.ids = static_cast<KeyId *>(palloc(sizeof(KeyId)));
    fresh.secrets = static_cast<HmacKey *>(palloc(sizeof(HmacKey)));
    const SysScanDesc scan = systable_beginscan(table, InvalidOid, false, nullptr, 0, nullptr);
    for (HeapTuple row; HeapTupleIsValid(row = systable_getnext(scan));)
        add_key(&fresh, row, RelationGetDescr(table));
    systable_endscan(scan);
    MemoryContextSwitchTo(caller);
    table_close(table, AccessShareLock);

    if (cache.context != nullptr)
        MemoryContextDelete(cache.context);
    MemoryContextSetParent(fresh.context, CacheMemoryContext);
    cache = fresh;
}

void require_key(const Pseudonyms *pseudonyms)
{
    if (!pseudonyms->has_key())
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("there is no pseudonym key"),
                 errhint("The owner of the extension adds one with add_call_pseudonym_key().")));
}

size_t require_key_id(const Pseudonyms *pseudonyms, std::string_view id)
{
    for (size_t key = 0; key < pseudonyms->keys.size(); ++key)
        if (pseudonyms->keys[key].text() == id)
            return key;
    // Prints only an id: another text may be a key or a phone number.
    const bool is_id = IsKeyId(id);
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    is_id ? errmsg("unknown pseudonym key \"%s\"", to_cstring(id))
                          : errmsg("unknown pseudonym key of %zu bytes", id.size()),
                    errhint("Pass the six letters returned by add_call_pseudonym_key.")));
    pg_unreachable();
}

Datum token_datum(const Pseudonyms *pseudonyms, size_t key, std::string_view value)
{
    char token[token_size];
    if (!WriteToken(*pseudonyms, key, value, token))
        raise_no_pseudonym();
    return PointerGetDatum(to_text({token, token_size}));
}

} // namespace

const Pseudonyms *open_pseudonyms()
{
    struct Opened {
        Pseudonyms pseudonyms;
        HmacSigner signer;
    };
    AcceptInvalidationMessages();
    const Oid table = get_relname_relid("pseudonym_keys", own_schema());
    auto *opened = static_cast<Opened *>(palloc0(sizeof(Opened)));
    if (!OidIsValid(table))
        return &opened->pseudonyms;
    if (cache.context == nullptr || cache.table != table || cache.invalidations != invalidations)
        read_keys(table);
    if (cache.count > 0)
        opened->signer = open_hmac(cache.secrets);
    opened->pseudonyms = {&opened->signer, sign_hmac, {cache.ids, cache.count}};
    return &opened->pseudonyms;
}

void close_pseudonyms(const Pseudonyms *pseudonyms)
{
    if (pseudonyms->has_key())
        close_hmac(static_cast<HmacSigner *>(pseudonyms->state));
    pfree(const_cast<Pseudonyms *>(pseudonyms));
}

void require_pseudonym_privilege()
{
    constexpr Oid arguments[] = {TEXTOID, TEXTOID};
    const Oid call_pseudonym = GetSysCacheOid3(
        PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("call_pseudonym"),
        PointerGetDatum(buildoidvector(arguments, lengthof(arguments))), ObjectIdGetDatum(users_schema()));
    const bool allowed = OidIsValid(call_pseudonym) && can_execute(call_pseudonym, GetUserId());
    if (!allowed)
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("permission denied to hash with a custom policy"),
                        errdetail("A role that computes pseudonyms can find their values by trying."),
                        errhint("GRANT EXECUTE ON FUNCTION call_pseudonym(text, text) allows it.")));
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(call_pseudonym_key_id)
{
    const bytea *argument = PG_GETARG_BYTEA_PP(0);
    HmacKey secret;
    secret.size = VARSIZE_ANY_EXHDR(argument);
    if (secret.size < shortest_secret || secret.size > longest_secret)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("a pseudonym key must have %zu to %zu bytes, not %zu", shortest_secret,
                               longest_secret, secret.size)));
    memcpy(secret.bytes, VARDATA_ANY(argument), secret.size);
    HmacSigner signer = open_hmac(&secret);
    KeyId id;
    if (!DeriveKeyId(sign_hmac, &signer, id))
        raise_no_pseudonym();
    close_hmac(&signer);
    PG_RETURN_TEXT_P(to_text(id.text()));
}

CALLHARDENING_FUNCTION(call_pseudonym)
{
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    const std::string_view value = text_argument(fcinfo, 0);
    const Pseudonyms *pseudonyms = open_pseudonyms();
    require_key(pseudonyms);
    const size_t key = PG_ARGISNULL(1) ? 0 : require_key_id(pseudonyms, text_argument(fcinfo, 1));
    const Datum token =
        IsToken(*pseudonyms, value) ? PointerGetDatum(to_text(value)) : token_datum(pseudonyms, key, value);
    close_pseudonyms(pseudonyms);
    PG_RETURN_DATUM(token);
}

CALLHARDENING_FUNCTION(call_pseudonyms)
{
    const std::string_view value = text_argument(fcinfo, 0);
    const Pseudonyms *pseudonyms = open_pseudonyms();
    require_key(pseudonyms);
    const size_t count = pseudonyms->keys.size();
    auto *tokens = static_cast<Datum *>(palloc(count * sizeof(Datum)));
    for (size_t key = 0; key < count; ++key)
        tokens[key] = token_datum(pseudonyms, key, value);
    close_pseudonyms(pseudonyms);
    PG_RETURN_ARRAYTYPE_P(construct_array(tokens, static_cast<int>(count), TEXTOID, -1, false, TYPALIGN_INT));
}

CALLHARDENING_FUNCTION(forget_pseudonym_keys)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("forget_pseudonym_keys: must be called as trigger")));
    CacheInvalidateRelcache(reinterpret_cast<const TriggerData *>(fcinfo->context)->tg_relation);
    return PointerGetDatum(nullptr); // a trigger returns a null pointer, not SQL NULL
}
