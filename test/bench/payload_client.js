// The rules of payload_rules.sql, with what is left out there, in a client: body in, cleaned body out.
//
//   node payload_client.js clean < bodies       the cleaned bodies, one a line
//   node payload_client.js time < bodies        microseconds of this process's processor for a body, once it is warm

'use strict';

const KEEP = 1, MASK = 2, DROP = 3, SUMMARY = 4, TRUNCATE = 5, RECAP = 6, JSON_IN_STRING = 7, NONE = 9;
const rules = new Map();
const name = (rule, names) => names.split(',').forEach((word) => rules.set(word, rule));
name(KEEP, 'call_id,state,status,direction,event_type,event_timestamp,duration,total_duration,talk_time,hold_time,' +
    'hangup_cause,mos_score,csat_score,master_call_id,entry_point_call_id,operator_call_id,group_id,' +
    'target_availability_status,is_transferred,is_internal,was_recorded,callback_requested,labels,' +
    'call_recording_ids,voicemail_recording_id');
name(MASK, 'external_number,internal_number,selected_caller_id,from,to,phone_number,phone');
name(DROP, 'email');
name(TRUNCATE, 'transcription_text,transcript,recap_summary');
name(RECAP, 'csat_transcriptions,integrations');
name(JSON_IN_STRING, 'custom_data');

const credential = /(passwords?|passwordhash|passwd|passphrase|passcode|pwd|secrets?|token|jwt|authorization|cookies?|(api|access|secret|private|signing|encryption|shared|auth|session)key|apikeys|accesskeyid|credentials?|signature|signature256|hmac|(access|security|verification|otp|pin)code|(user|access|voicemail|conference|meeting)pin|dtmfdigits|dtmfinput|gathereddigits|cardnumber|creditcard)$|^(auth|bearer|otp|pin|dtmf|digits|cvv|cvc|ssn)$/;
const link = /((share|access)links?|download(url|link)|recording(urls?|uri|links?|player)|voicemail(url|links?)|mediaurls?|audiourl|content(uri|url))$/;
const media = /(recordings?|recordingdetails|voicemails?|media|attachments)$/;
const address = /(urls?|uri|links?|href)$/;

function ruleOf(key, above) {
    const rule = rules.get(key);
    if (rule !== undefined)
        return rule;
    if (key.startsWith('date_'))
        return KEEP;
    if ((key === 'id' || key === 'type') && (above === 'contact' || above.endsWith('target')))
        return KEEP;
    if (key === 'name' && (above === 'contact' || above === 'transferred_from' || above.endsWith('target')))
        return DROP;
    if (above === 'routing_breadcrumbs')
        return key === 'request' || key === 'response' ? SUMMARY : key === 'url' ? TRUNCATE : NONE;
    return key.startsWith('recap_') ? RECAP : NONE;
}

// A client sees the same names again and again.
const classes = new Map();
function classify(key) {
    let found = classes.get(key);
    if (found === undefined) {
        const folded = key.toLowerCase().replace(/[_\- ]/g, '');
        found = { credential: credential.test(folded), link: link.test(folded), media: media.test(folded), address: address.test(folded) };
        if (classes.size < 10000)
            classes.set(key, found);
    }
    return found;
}

function enter(key, above) {
    const of = classify(key);
    return {
        name: key,
        rule: Math.min(ruleOf(key, above.name), above.rule),
        depth: above.depth + 1,
        secret: above.secret || of.credential,
        link: above.link || of.link || (above.media && of.address),
        media: above.media || of.media,
    };
}

const isEmpty = (value) => value === null || value === '' ||
    (typeof value === 'object' && (Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0));

function summarize(value) {
    if (Array.isArray(value))
        return { type: 'array', length: value.length };
    if (typeof value === 'object')
        return { type: 'object', length: Object.keys(value).length };
    return { type: typeof value, length: Array.from(String(value)).length };
}

function cleanObject(object, at) {
    const out = {};
    let members = 0;
    for (const key in object) {
        if (isEmpty(object[key]))
            continue;
        const cleaned = clean(object[key], enter(key, at));
        if (cleaned !== undefined && members++ < 60)
            out[key] = cleaned;
    }
    return members > 0 ? out : undefined;
}

// Most texts have none, and few letters tell.
const hint = /[=:]|eyj|bearer|basic|begin/i;
const secrets = [
    [/eyJ[\w-]{7,}\.[\w-]{4,}(?:\.[\w-]*)*/g, '[secret]'],
    [/\b(?:bearer|basic)[ \t]+[\w.~+/=-]{16,}/gi, '[secret]'],
    [/-----BEGIN [^]*?(?:-----END [^-]*-----|$)/g, '[secret]'],
    [/:\/\/[^/?#\s"'<>@]*@/g, '://[secret]@'],
    [/((?:password|passwd|pwd|secret|token|jwt|authorization|cookie|api_?key|access_?key|signature|sig|code|key)["']?\s*[=:]\s*["']?)[^\s"',;&)}\]\[#]+/gi, '$1[secret]'],
];
const redact = (text) => hint.test(text) ? secrets.reduce((left, [what, by]) => left.replace(what, by), text) : text;

// Addresses and numbers of telephones and cards.
function maskParties(text) {
    if (text.includes('@'))
        text = text.replace(/[\w.+-]+@([\w-]+\.[\w.-]+)/g, '***@$1');
    if (/\d[\d ().-]{7}/.test(text))
        text = text.replace(/(?:\+\d|\(?\d{3}\)?[ .-]\d{3}[ .-]|\d{4}[ -])[\d ().-]*(\d{4})/g, '***$1');
    return text;
}

function cut(word, most) {
    if (word.length <= most)
        return word;
    const characters = Array.from(word.slice(0, 2 * most + 2));
    return characters.length <= most ? word : characters.slice(0, most - 1).join('') + '…';
}

function cleanString(word, at) {
    if (at.rule === JSON_IN_STRING && /^\s*[{[]/.test(word)) {
        try {
            return clean(JSON.parse(word), at);
        } catch {
            // a text like any other
        }
    }
    if (at.link && word.includes('://'))
        return word.replace(/:\/\/(?:[^/?#@]*@)?([^/?#]+).*/s, '://$1');
    const most = at.rule === TRUNCATE ? 60 : 200;
    const redacted = redact(word.slice(0, 8 * most));
    return cut(at.rule === TRUNCATE || at.rule === NONE ? maskParties(redacted) : redacted, most);
}

// undefined for what goes.
function clean(value, at) {
    if (value === null)
        return value;
    if (at.secret && typeof value !== 'boolean')
        return '[secret]';
    if (at.rule === DROP)
        return undefined;
    if (at.rule === SUMMARY || at.rule === RECAP || (at.depth >= 10 && typeof value === 'object'))
        return summarize(value);
    if (Array.isArray(value))
        return value.slice(0, 20).map((item) => clean(item, { ...at, depth: at.depth + 1 }) ?? {});
    if (typeof value === 'object')
        return cleanObject(value, at);
    if (at.rule === MASK) {
        const word = String(value);
        return word.length > 4 && word.length <= 256 ? '***' + word.slice(-4) : '***';
    }
    return typeof value === 'string' ? cleanString(value, at) : value;
}

const root = { name: '', rule: NONE, depth: 0, secret: false, link: false, media: false };
const cleanBody = (bytes) => Buffer.from(JSON.stringify(clean(JSON.parse(bytes.toString('utf8')), root) ?? {}), 'utf8');

const bodies = require('fs').readFileSync(0, 'utf8').split('\n').filter((line) => line !== '').map((line) => Buffer.from(line, 'utf8'));

let written = 0; // what nobody looks at need not be done
function timeOnce() {
    const before = process.cpuUsage();
    for (const body of bodies)
        written += cleanBody(body).length;
    const used = process.cpuUsage(before);
    return (used.user + used.system) / bodies.length;
}

if (process.argv[2] === 'clean') {
    for (const body of bodies)
        process.stdout.write(cleanBody(body) + '\n');
} else {
    const passes = Math.ceil(20000 / bodies.length);
    const times = [];
    for (let pass = 0; pass < passes; ++pass)
        times.push(timeOnce());
    const warm = times.slice(passes >> 1).sort((a, b) => a - b);
    console.log(warm[warm.length >> 1].toFixed(3));
}
