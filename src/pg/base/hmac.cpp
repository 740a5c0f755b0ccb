#include "core/base/keyed_hash.hpp"

#include "pg/base/hmac.hpp"

extern "C" {
#include "utils/rel.h"
}

namespace callhardening
{

HmacSigner open_hmac(const HmacKey *keys)
{
    return {pg_hmac_create(PG_SHA256), keys};
}

void close_hmac(HmacSigner *signer)
{
    pg_hmac_free(signer->hmac);
    signer->hmac = nullptr;
}

bool sign_hmac(void *state, size_t key, std::string_view first, std::string_view second,
               unsigned char (&mac)[mac_size]) noexcept
{
    const auto *signer = static_cast<const HmacSigner *>(state);
    const auto update = [signer](std::string_view text) {
        return pg_hmac_update(signer->hmac, reinterpret_cast<const uint8 *>(text.data()), text.size()) == 0;
    };
    const HmacKey &secret = signer->keys[key];
    return pg_hmac_init(signer->hmac, secret.bytes, secret.size) == 0 && update(first) && update(second) &&
           pg_hmac_final(signer->hmac, mac, sizeof mac) == 0;
}

void raise_not_signed(const char *detail)
{
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"), errdetail("%s", detail)));
    pg_unreachable();
}

void require_key_table(Relation table, std::initializer_list<Oid> types, const char *hint)
{
    const TupleDesc columns = RelationGetDescr(table);
    const bool has_rows =
        RelationGetForm(table)->relkind == RELKIND_RELATION; // scanning another kind of relation would crash
    int column = 0;
    for (const Oid type : types) {
        if (!has_rows || columns->natts <= column || TupleDescAttr(columns, column)->attisdropped ||
            TupleDescAttr(columns, column)->atttypid != type)
            ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                            errmsg("table \"%s\" was altered", RelationGetRelationName(table)),
                            errhint("%s", hint)));
        ++column;
    }
}

} // namespace callhardening
