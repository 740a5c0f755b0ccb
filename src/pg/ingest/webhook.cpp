#include "core/ingest/webhook.hpp"
#include "core/ingest/handshake.hpp"

#include "pg/base/text.hpp"
#include "pg/ingest/event_secret.hpp"
#include "pg/ingest/ingest.hpp"
#include "pg/ingest/log_scheme.hpp"
#include "pg/ingest/signature.hpp"
#include "pg/ingest/webhook_hash.hpp"
#include "pg/log/event_log.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// ---- headers -------------------------------------------------------------------------------------------

// Web servers refuse more than some 64 kB before.
constexpr size_t most_header_bytes = 256 * 1024;

bool is_header_name(const std::string &name, const JsonbValue &key)
{
    return name.size() == static_cast<size_t>(key.val.string.len) &&
           pg_strncasecmp(name.c_str(), key.val.string.val, name.size()) == 0;
}

void add_value(const JsonbValue &value, WebhookHeader *header)
{
    ++header->count;
    header->is_text = header->is_text && value.type == jbvString;
    if (value.type == jbvString)
        header->value = {value.val.string.val, static_cast<size_t>(value.val.string.len)};
}

// A value of a header, or an array of all values of the same name.
void add_values(JsonbValue *value, WebhookHeader *header)
{
    if (value->type != jbvBinary) {
        add_value(*value, header);
        return;
    }
    JsonbValue element;
    JsonbIterator *iterator = JsonbIteratorInit(value->val.binary.data);
    const bool is_array = JsonbIteratorNext(&iterator, &element, true) == WJB_BEGIN_ARRAY;
    if (!is_array) {
        add_value(*value, header);
        return;
    }
    while (JsonbIteratorNext(&iterator, &element, true) == WJB_ELEM)
        add_value(element, header);
}

// The headers of the scheme. All others are skipped, with what is inside.
void read_headers(const Scheme &scheme, Jsonb *headers, WebhookHeader *found)
{
    JsonbValue key, value;
    JsonbIterator *iterator = JsonbIteratorInit(&headers->root);
    JsonbIteratorNext(&iterator, &key, true);
    while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY) {
        JsonbIteratorNext(&iterator, &value, true);
        for (size_t i = 0; i < scheme.headers.size(); ++i)
            if (is_header_name(scheme.headers[i], key))
                add_values(&value, &found[i]);
    }
}

void require_headers(Jsonb *headers)
{
    if (!JB_ROOT_IS_OBJECT(headers))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("headers must be a JSON object"),
                        errhint("Its members are the headers of the request, by name.")));
    if (VARSIZE(headers) > most_header_bytes)
        ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                        errmsg("invalid webhook: headers of %zu bytes are too long",
                               static_cast<size_t>(VARSIZE(headers))),
                        errdetail("They may have %zu bytes.", most_header_bytes)));
}

// ---- verifying -----------------------------------------------------------------------------------------

struct ReceivedWebhook {
    const Scheme *scheme;
    WebhookHeader headers[max_scheme_headers];
    WebhookRequest request;
};

int64 milliseconds(TimestampTz time)
{
    constexpr int64 epochs = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * static_cast<int64>(SECS_PER_DAY);
    return time / 1000 + epochs * 1000;
}

// Arguments 0 and 1 are the body and the headers.
void read_webhook(FunctionCallInfo fcinfo, const Scheme *scheme, int url_argument, TimestampTz now,
                  ReceivedWebhook *webhook)
{
    enum { body_argument, headers_argument };
    Jsonb *headers = PG_GETARG_JSONB_P(headers_argument);
    require_headers(headers);
    *webhook = {};
    webhook->scheme = scheme;
    read_headers(*scheme, headers, webhook->headers);
    WebhookRequest &request = webhook->request;
    request.body = text_argument(fcinfo, body_argument);
    request.url = optional_text_argument(fcinfo, url_argument);
    request.headers = {webhook->headers, scheme->headers.size()};
    request.now = milliseconds(now);
    if (scheme->algorithm == SignatureAlgorithm::jws) // nothing else needs room
        request.room = {static_cast<char *>(palloc(request.body.size() + 1)), request.body.size() + 1};
}

WebhookVerdict verify(const ReceivedWebhook &webhook, std::span<const std::string_view> secrets)
{
    WebhookHashes hashes;
    open_webhook_hashes(*webhook.scheme, &hashes);
    const WebhookVerdict verdict =
        VerifyWebhook(*webhook.scheme, webhook.request, secrets, hasher_of(&hashes));
    close_webhook_hashes(&hashes);
    return verdict;
}

// Flaws of the receiver, and not of the request.
void raise_own_flaw(const WebhookVerdict &verdict)
{
    switch (verdict.flaw) {
    case WebhookFlaw::out_of_memory:
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("A signature could not be checked.")));
    case WebhookFlaw::url_missing:
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("url must not be null"),
                        errdetail("The provider signs the URL of its webhooks."),
                        errhint("Give the URL as it is set at the provider, with its query.")));
    case WebhookFlaw::no_ed25519:
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("this server cannot check Ed25519"),
                        errdetail("It has no OpenSSL 1.1.1 or later."),
                        errhint("Install a PostgreSQL that was built with OpenSSL.")));
    case WebhookFlaw::no_secret:
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("no secret of the event log fits its signature scheme"),
                        errhint("Set it again with set_call_event_secret.")));
    default:
        break;
    }
}

[[noreturn]] void refuse_webhook(const WebhookVerdict &verdict, uint64 tolerance)
{
    raise_own_flaw(verdict);
    ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                    errmsg("invalid webhook: %s", Describe(verdict)),
                    verdict.name[0] != '\0' ? errdetail("The header is \"%s\".", verdict.name) : 0,
                    verdict.flaw == WebhookFlaw::time
                        ? errdetail("It was signed %lld seconds ago, and the tolerance is %llu seconds.",
                                    static_cast<long long>(verdict.seconds_ago),
                                    static_cast<unsigned long long>(tolerance))
                        : 0));
    pg_unreachable();
}

// ---- arguments -----------------------------------------------------------------------------------------

enum WebhookArgument { body_argument, headers_argument, url_argument, log_argument, carry_argument };

const Scheme *require_scheme(const EventLog *log)
{
    const Scheme *scheme = scheme_of_log(log);
    if (scheme == nullptr)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("event log %s has no signature scheme", log->events_name),
                        errdetail("The signatures of its provider are not known."),
                        errhint("Describe them with set_call_event_signature.")));
    return scheme;
}

void require_not_null(FunctionCallInfo fcinfo, int argument, const char *name)
{
    if (PG_ARGISNULL(argument))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
}

void open_webhook(FunctionCallInfo fcinfo, EventLog *log, ReceivedWebhook *webhook)
{
    require_not_null(fcinfo, body_argument, "body");
    require_not_null(fcinfo, headers_argument, "headers");
    SPI_connect();
    find_any_event_log(fcinfo, log_argument, log);
    require_log_of_webhooks(*log, "ingest_call_webhook");
    read_webhook(fcinfo, require_scheme(log), url_argument, GetCurrentTimestamp(), webhook);
}

// A handshake brings no event. Its text must not become one.
void refuse_handshake(const ReceivedWebhook &webhook)
{
    if (IsHandshake(*webhook.scheme, webhook.request))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the request is a handshake, and not an event"),
                        errhint("Answer it with the text of answer_call_handshake.")));
}

WebhookVerdict verify_for_log(const EventLog *log, const ReceivedWebhook &webhook)
{
    EventSecrets secrets;
    read_event_secrets(log->log_id, webhook.scheme->IsPublicKey(), &secrets);
    require_secrets(log, secrets);
    const WebhookVerdict verdict = verify(webhook, {secrets.secrets, secrets.count});
    forget_event_secrets(&secrets);
    if (verdict.flaw != WebhookFlaw::none)
        refuse_webhook(verdict, webhook.scheme->tolerance);
    return verdict;
}

// ---- handshakes ----------------------------------------------------------------------------------------

HandshakeAnswer answer(const EventLog *log, const ReceivedWebhook &webhook, char *room)
{
    EventSecrets secrets = {};
    WebhookHashes hashes;
    if (NeedsSecret(webhook.scheme->handshake)) {
        read_event_secrets(log->log_id, false, &secrets);
        require_secrets(log, secrets);
    }
    open_webhook_hashes(*webhook.scheme, &hashes);
    const HandshakeAnswer answer =
        AnswerHandshake(*webhook.scheme, webhook.request, secrets.secrets[secrets.newest], hasher_of(&hashes),
                        {room, longest_handshake_answer});
    close_webhook_hashes(&hashes);
    forget_event_secrets(&secrets);
    return answer;
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(ingest_call_webhook)
{
    EventLog log;
    CarriedValues carried;
    ReceivedWebhook webhook;
    open_webhook(fcinfo, &log, &webhook);
    refuse_handshake(webhook);
    const WebhookVerdict verdict = verify_for_log(&log, webhook);
    read_carry(log, PG_ARGISNULL(carry_argument) ? nullptr : PG_GETARG_JSONB_P(carry_argument), &carried);
    const int64 event_seq = ingest_body(&log, verdict.event, {}, verdict.event_key, carried);
    SPI_finish();
    PG_RETURN_INT64(event_seq);
}

CALLHARDENING_FUNCTION(answer_call_handshake)
{
    EventLog log;
    ReceivedWebhook webhook;
    char room[longest_handshake_answer];
    open_webhook(fcinfo, &log, &webhook);
    if (!IsHandshake(*webhook.scheme, webhook.request)) {
        SPI_finish();
        PG_RETURN_NULL();
    }
    const HandshakeAnswer answered = answer(&log, webhook, room);
    SPI_finish();
    if (answered.flaw != WebhookFlaw::none) {
        WebhookVerdict verdict = {};
        verdict.flaw = answered.flaw;
        refuse_webhook(verdict, 0);
    }
    PG_RETURN_TEXT_P(to_text(answered.text));
}

CALLHARDENING_FUNCTION(check_call_signature)
{
    enum { secret = 2, signature, url, received_at };
    ReceivedWebhook webhook;
    require_not_null(fcinfo, body_argument, "body");
    require_not_null(fcinfo, headers_argument, "headers");
    require_not_null(fcinfo, secret, "secret");
    require_not_null(fcinfo, signature, "signature");
    require_not_null(fcinfo, received_at, "received_at");
    read_webhook(fcinfo, compile_scheme(PG_GETARG_JSONB_P(signature)), url,
                 PG_GETARG_TIMESTAMPTZ(received_at), &webhook);
    const std::string_view secrets[] = {text_argument(fcinfo, secret)};
    const WebhookVerdict verdict = verify(webhook, {secrets, 1});
    if (verdict.flaw == WebhookFlaw::none)
        PG_RETURN_NULL();
    if (verdict.flaw == WebhookFlaw::out_of_memory || verdict.flaw == WebhookFlaw::no_ed25519)
        raise_own_flaw(verdict);
    if (verdict.name[0] != '\0')
        PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s: %s", verdict.name, Describe(verdict))));
    PG_RETURN_TEXT_P(cstring_to_text(Describe(verdict)));
}
