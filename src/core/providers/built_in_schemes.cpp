#include "core/providers/built_in_schemes.hpp"

#include "core/base/text.hpp"

#include <iterator>

namespace callhardening
{

namespace
{

// Sorted by name. The default of a provider covers the body, if any of its signatures does. Some schemes have
// no provider: no words of the sender are known.
constexpr BuiltInScheme schemes[] = {
    {"aircall", "aircall", R"({"version": 1, "algorithm": "token", "signature": {"member": "token"}})"},
    {"atendesimples", "", R"({"version": 1, "algorithm": "hmac-sha1",
  "signature": {"header": "X-Hub-Signature", "format": "sha1={signature}", "encoding": "hex"},
  "signed": "{body}"})"},
    {"bandwidth", "bandwidth", R"({"version": 1, "algorithm": "token",
  "signature": {"header": "Authorization", "format": "Basic {signature}", "encoding": "base64"}})"},
    {"callrail", "callrail", R"({"version": 1, "algorithm": "hmac-sha1",
  "signature": {"header": "Signature", "encoding": "base64"}, "signed": "{body}"})"},
    {"dial9", "dial9", R"({"version": 1, "algorithm": "token", "signature": {"member": "auth_token"}})"},
    {"dialpad", "dialpad", R"({"version": 1, "algorithm": "jws"})"},
    {"didww_phone_systems", "", R"({"version": 1, "algorithm": "hmac-sha256",
  "signature": {"header": "X-PS-Signature", "format": "t={timestamp},v1={signature}", "encoding": "hex"},
  "signed": "{timestamp}.{body}", "timestamp": {"unit": "seconds"}, "tolerance": 300})"},
    {"hubspot", "hubspot", R"({"version": 1, "algorithm": "hmac-sha256",
  "signature": {"header": "X-HubSpot-Signature-v3", "encoding": "base64"},
  "signed": "POST{url}{body}{timestamp}",
  "timestamp": {"header": "X-HubSpot-Request-Timestamp", "unit": "milliseconds"}, "tolerance": 300})"},
    {"hubspot_v1", "hubspot", R"({"version": 1, "algorithm": "sha256",
  "signature": {"header": "X-HubSpot-Signature", "encoding": "hex"}, "signed": "{secret}{body}"})"},
    {"hubspot_v2", "hubspot", R"({"version": 1, "algorithm": "sha256",
  "signature": {"header": "X-HubSpot-Signature", "encoding": "hex"}, "signed": "{secret}POST{url}{body}"})"},
    {"justcall", "justcall", R"({"version": 1, "algorithm": "hmac-sha256",
  "signature": {"header": "x-justcall-signature", "encoding": "hex"},
  "signed": "{secret}|{escaped_url}|{member:type}|{timestamp}",
  "timestamp": {"header": "x-justcall-request-timestamp"}})"},
    {"ms_teams", "ms_teams",
     R"({"version": 1, "algorithm": "token", "signature": {"member": "value[].clientState"},
  "handshake": {"token": {"query": "validationToken"}, "answer": "{token}"}})"},
    {"openphone_quo", "openphone_quo", R"({"version": 1, "algorithm": "hmac-sha256",
  "signature": {"header": "webhook-signature", "format": "v1,{signature}", "separator": " ", "encoding": "base64"},
  "signed": "{header:webhook-id}.{timestamp}.{body}", "secret": {"encoding": "base64", "prefix": "whsec_"},
  "timestamp": {"header": "webhook-timestamp", "unit": "seconds"}, "tolerance": 300, "event_key": "webhook-id"})"},
    {"openphone_quo_legacy", "openphone_quo", R"({"version": 1, "algorithm": "hmac-sha256",
  "signature": {"header": "openphone-signature", "format": "hmac;1;{timestamp};{signature}", "encoding": "base64"},
  "signed": "{timestamp}.{body}", "secret": {"encoding": "base64"},
  "timestamp": {"unit": "milliseconds"}, "tolerance": 300})"},
    {"plivo", "plivo", R"({"version": 1, "algorithm": "hmac-sha256",
  "signature": {"header": "X-Plivo-Signature-V3", "separator": ",", "encoding": "base64"},
  "signed": "{base_url}{parameters}.{header:X-Plivo-Signature-V3-Nonce}"})"},
    {"plivo_v2", "plivo", R"({"version": 1, "algorithm": "hmac-sha256",
  "signature": {"header": "X-Plivo-Signature-V2", "separator": ",", "encoding": "base64"},
  "signed": "{base_url}{header:X-Plivo-Signature-V2-Nonce}"})"},
    // The handshake comes without a body. Some events may have the same header.
    {"ringcentral", "ringcentral", R"({"version": 1, "algorithm": "token",
  "signature": {"header": "Verification-Token"},
  "handshake": {"token": {"header": "Validation-Token"}, "empty_body": true, "answer": "{token}"}})"},
    {"signalwire", "signalwire", R"({"version": 1, "algorithm": "hmac-sha1",
  "signature": {"header": "X-SignalWire-Signature", "encoding": "base64"}, "signed": "{url}{form}",
  "body_hash": {"query": "bodySHA256"}, "either_port": true})"},
    {"standard_webhooks", "", R"({"version": 1, "algorithm": "hmac-sha256",
  "signature": {"header": "webhook-signature", "format": "v1,{signature}", "separator": " ", "encoding": "base64"},
  "signed": "{header:webhook-id}.{timestamp}.{body}", "secret": {"encoding": "base64", "prefix": "whsec_"},
  "timestamp": {"header": "webhook-timestamp", "unit": "seconds"}, "tolerance": 300, "event_key": "webhook-id"})"},
    {"telnyx", "telnyx", R"({"version": 1, "algorithm": "ed25519",
  "signature": {"header": "telnyx-signature-ed25519", "encoding": "base64"}, "signed": "{timestamp}|{body}",
  "timestamp": {"header": "telnyx-timestamp", "unit": "seconds"}, "tolerance": 300})"},
    {"twilio", "twilio", R"({"version": 1, "algorithm": "hmac-sha1",
  "signature": {"header": "X-Twilio-Signature", "encoding": "base64"}, "signed": "{url}{form}",
  "body_hash": {"query": "bodySHA256"}, "either_port": true})"},
    {"twilio_shared_key", "twilio", R"({"version": 1, "algorithm": "hmac-sha256",
  "signature": {"header": "X-Twilio-Signature", "encoding": "base64"}, "signed": "{url}{form}",
  "body_hash": {"query": "bodySHA256"}, "either_port": true})"},
    {"vonage", "vonage", R"({"version": 1, "algorithm": "jwt",
  "signature": {"header": "Authorization", "format": "Bearer {signature}"},
  "timestamp": {"claim": "iat", "unit": "seconds"}, "tolerance": 300, "body_hash": {"claim": "payload_hash"}})"},
    {"webex_calling", "webex_calling", R"({"version": 1, "algorithm": "hmac-sha1",
  "signature": {"header": "X-Spark-Signature", "encoding": "hex"}, "signed": "{body}"})"},
    {"zoom_phone", "zoom_phone", R"({"version": 1, "algorithm": "hmac-sha256",
  "signature": {"header": "x-zm-signature", "format": "v0={signature}", "encoding": "hex"},
  "signed": "v0:{timestamp}:{body}",
  "timestamp": {"header": "x-zm-request-timestamp", "unit": "seconds"}, "tolerance": 300,
  "handshake": {"token": {"member": "payload.plainToken"}, "when": {"event": "endpoint.url_validation"},
    "answer": "{\"plainToken\":\"{token}\",\"encryptedToken\":\"{hmac}\"}"}})"},
};

} // namespace

std::span<const BuiltInScheme> BuiltInSchemes() noexcept
{
    return schemes;
}

const BuiltInScheme *FindBuiltInScheme(std::string_view name) noexcept
{
    for (const BuiltInScheme &scheme : schemes)
        if (EqualFolded(scheme.name, name))
            return &scheme;
    return nullptr;
}

const Scheme *CompiledScheme(const BuiltInScheme &scheme) noexcept
{
    static constinit const Scheme *compiled[std::size(schemes)] = {};
    const Scheme *&kept = compiled[&scheme - schemes];
    if (kept == nullptr) {
        SettingError error;
        kept = CompileScheme(scheme.json, error);
    }
    return kept;
}

} // namespace callhardening
