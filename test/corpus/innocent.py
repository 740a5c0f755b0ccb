"""Values that are not secret and must stay: names, sentences, ids, and a long transcript."""

import json
import uuid

NAMES = """has_password hasPassword is_password_set password_updated_at passwordChangedAt password_expires_at
password_length password_policy password_strength password_reset_required password_attempts must_change_password
token_count token_type token_expires_at tokens_used max_tokens total_tokens prompt_tokens completion_tokens tokenizer
tokenized has_token is_token_valid author authors authored_by authority authentic authorized authorized_by
auth_method auth_type auth_provider auth_status authenticated is_authenticated keyboard keyboard_layout keynote
monkey turkey hockey whiskey jersey_number sort_key primary_key primary_key_name foreign_key idempotency_key
routing_key partition_key public_key key keys keyword keywords key_count key_type passenger passengers
passenger_count passed passed_tests passing passive passport_country compass encompass bypass surpass trespass
boarding_pass pass_rate pass_count pinned is_pinned pinned_by pin_count pin_attempts spin spinning opinion opinions
pineapple shopping map_pin drop_pin shipping_pin secretary secretariat secret_count has_secret is_secret secretion
signal signals signal_strength signed signed_by design designer signature_count signature_required signage
cookie_consent cookie_policy cookieless has_cookies cookies_enabled session_id sessionId telephonySessionId
call_session_id session_count session_start credential_type credential_count credentials_valid otp_enabled
otp_sent_at is_otp_required mfa_enabled mfa_method two_factor_enabled hash hashes hashtag commit_hash file_hash
raw_digits digit_count dialed_digits cvv_required is_cvv_present card_type card_brand card_last_four card_expiry
ssn_required has_ssn bearer_channel bearer_type code country_code area_code status_code hangup_cause_code
error_code zip_code language_code currency_code promo_code code_name encoded barcode qualification
accesskey_count api_key_count has_api_key recording_enabled recording_id voicemail_id media_type media_count""".split()

SENTENCES = """We did basic troubleshooting.
She has basic responsibilities and a Basic iPhone.
The token is valid: see below.
Please reset the password, then call back.
My secret to success is patience.
The key issue: customers cannot log in.
He forgot his PIN and his password.
Pass the call to sales, key account, extension 12.
Authorization: the manager has given it on the phone.
Cookie: what is that?
The bearer of this letter is my brother.
Their cookies are delicious; the baker's name is Bob.
Authorization was given by the manager.
The code is in the repository, and the signature is on page two.
SIP;cause=200;code=404
Reason: Q.850;cause=16;text="Normal call clearing"
Meeting at 10:30, room 5: bring the keyboard.
Two-factor codes were sent at 12:00.
version v1.0-beta, task-list, sk-learn, pat.txt
see https://h.example/?monkey=1&sort_key=b&primary_key=c&idempotency_key=d
has_password=true token: true otp_enabled: false
password_updated_at: 2026-01-01T00:00:00Z
the secretary: Anna, the author: Bob, the passenger: Carl
Content-Type: application/json; charset=utf-8
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36
Cache-Control: no-cache, no-store, must-revalidate
Call-ID: a84b4c76e66710@pc33.atlanta.example
Via: SIP/2.0/UDP pc33.atlanta.example;branch=z9hG4bK776asdhds
From: Alice <sip:alice@atlanta.example>;tag=1928301774
a=rtpmap:0 PCMU/8000
m=audio 49172 RTP/AVP 0
The passcode was wrong, so the call was dropped.
API documentation is at https://docs.example/api-keys/overview
She said: "the password policy is too strict".
Press 1 for sales, 2 for support, 3 for billing.
The pass rate: 95 percent.
Do not share your password or token with anybody.
Our SK team won. EAA membership, YC batch, AKIA is a name.
key-value stores, api-first design, sdk-based apps
The hash of the commit: see the log.
ratio 3:4, scale 1:1000, time 12:30:45, a=b, c==d
Error: ENOENT: no such file, open '/etc/app/key.pem'
npm_config_registry, hf_hub, sl.example, s.example.com
function(x) { return x.y.z; }""".split("\n")

WORDS = """the a and to of in that it is was for on are with they be at one have this from or had by but what some we can
out other were all there when up use your how said an each she which do their time if will way about many then them
write would like so these her long make thing see him two has look more day could go come did my sound no most number
who over know water than call first people may down side been now find call caller agent customer account billing
support sales phone line token password key basic pass pin code secret secure signature cookie session bearer
authorization credential access private public keyboard author monkey design opinion signal problem question answer
please thanks sorry hold transfer voicemail message recording queue minutes hours tomorrow yesterday invoice payment
card refund order ship address email website login account reset update upgrade plan contract renewal discount""".split()

PUNCTUATION = [" "] * 40 + [", ", ", ", ". ", "? ", "; ", ": ", " - ", "! ", " (", ") "]
TRANSCRIPT_WORDS = 200_000
LINES = 200
IDS = 300


def hexadecimal(dice, count):
    return "".join(dice.choice("0123456789abcdef") for _ in range(count))


def base62(dice, count):
    return "".join(dice.choice("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") for _ in range(count))


ID_FORMS = {
    "UUID": lambda dice: str(uuid.UUID(int=dice.getrandbits(128), version=4)),
    "32 hexadecimal digits": lambda dice: hexadecimal(dice, 32),
    "hash of a commit": lambda dice: hexadecimal(dice, 40),
    "SHA-256": lambda dice: hexadecimal(dice, 64),
    "id of a call by Twilio": lambda dice: dice.choice(("CA", "AC", "RE", "PN", "SM", "CF")) + hexadecimal(dice, 32),
    "22 letters and digits": lambda dice: base62(dice, 22),
    "27 letters and digits": lambda dice: base62(dice, 27),
    "ULID": lambda dice: "01" + "".join(dice.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(24)),
    "16 digits": lambda dice: str(dice.randrange(10**15, 10**16)),
    "prefixed id": lambda dice: dice.choice(("call_", "evt_", "leg_", "usr_", "s-", "p-")) + base62(dice, 24),
    "trace": lambda dice: f"00-{hexadecimal(dice, 32)}-{hexadecimal(dice, 16)}-01",
    "address of a device": lambda dice: ":".join(hexadecimal(dice, 2) for _ in range(6)),
}


# The sanitizer takes a word after one of these and a colon for a secret.
SAY_SECRET = {"token", "password", "pass", "pin", "secret", "signature", "cookie", "bearer", "credential"}


def transcript(dice, words):
    said = []
    for _ in range(words):
        word, sign = dice.choice(WORDS), dice.choice(PUNCTUATION)
        said.append(word + (", " if sign == ": " and word in SAY_SECRET | {"key", "code", "number", "card"} else sign))
    return "".join(said).strip()


def value_of(dice, name):
    return dice.choice(("yes", "email", "strict", 3, 12.5, "2026-01-02T03:04:05Z", base62(dice, 20), hexadecimal(dice, 32)))


def bodies(dice):
    for name in NAMES:
        yield "name and value", {name: value_of(dice, name)}
        yield "name and value in a text", {"note": f"{name}={base62(dice, 12)}"}
        yield "name and value in JSON in a string", {"note": json.dumps({"a": 1, name: base62(dice, 12)})}
    for text in SENTENCES:
        yield "sentence", {"note": text}
    for form in ID_FORMS.values():
        for i in range(IDS):
            made = form(dice)
            yield "id", {("call_id", "id", "session_id", "leg_id")[i % 4]: made}
            yield "id in a sentence", {"note": f"call {made} ended, see https://h.example/calls/{made}?ref={made}"}
    for _ in range(LINES):
        yield "words of a transcript", {"transcript": transcript(dice, TRANSCRIPT_WORDS // LINES)}


BOUNDS = {"name and value": 0, "name and value in a text": 0, "name and value in JSON in a string": 0, "sentence": 0,
          "id": 0, "id in a sentence": 3, "words of a transcript": 0}


def count(kind):
    of_names = kind.startswith("name and value")
    return (len(NAMES) if of_names else len(SENTENCES) if kind == "sentence"
            else TRANSCRIPT_WORDS if kind == "words of a transcript" else IDS * len(ID_FORMS))


def lost(body, result):
    """The number of changed values; for a transcript, of changed words."""
    gone = 0
    for name, value in body.items():
        left = result.get(name)
        if name == "transcript":
            gone += len(value.split()) - len([word for word in (left or "").split() if "[secret]" not in word])
        else:
            gone += left != value
    return gone
