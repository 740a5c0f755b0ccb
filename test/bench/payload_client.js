// The sanitizer's rules in a client: a body in, a cleaned body with its record out. It reads the document of the policy, and
// computes the meaning of a path when the path first appears.
//
//   node payload_client.js clean POLICY < bodies       prints the cleaned bodies, one on a line
//   node payload_client.js time POLICY < bodies        prints this process's processor microseconds for a body, once warm
//
// Left out: the action `hash`, since the server keeps its key. Numbers are those of JavaScript.

'use strict';

const { readFileSync } = require('fs');
const texts = require('./payload_texts.js');
const { MARKER, CUT } = texts;

// ---- the policy ---------------------------------------------------------------------------------

const sorted = (value) => Array.isArray(value) ? value.map(sorted)
    : typeof value === 'object' && value !== null ? Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]))
    : value;

// FNV-1a, as the record names a policy.
function hashOf(document) {
    let hash = 2166136261;
    for (const byte of Buffer.from(JSON.stringify(sorted(document))))
        hash = Math.imul(hash ^ byte, 16777619);
    return (hash >>> 8).toString(16).padStart(6, '0');
}

// Over the names of a path, each after a NUL.
const pathPattern = (path) => new RegExp('^' + path.split('.').map((segment) => segment === '**' ? '(?:\0[^\0]*)*'
    : '\0' + segment.split('*').map((part) => part.replace(/[^\w]/g, '\\$&')).join('[^\0]*')).join('') + '$');

const policy = JSON.parse(readFileSync(process.argv[3], 'utf8'));
const limits = { depth: 16, members: 100, items: 100, characters: 1000, ...policy.limits };
const maxBytes = policy.budget?.max_bytes ?? 16384;
const secretNames = new Set((policy.secrets ?? []).map(texts.fold));
const rules = (policy.rules ?? []).map((rule) => ({ ...rule, pattern: pathPattern(rule.path) }));
const NO_RULE = rules.length;
const recordedPolicy = '1:' + hashOf(policy);
const wanted = Object.fromEntries(['phone', 'email', 'card'].map((what) => [what, policy.detectors?.[what] === 'mask']));
const detects = wanted.phone || wanted.email || wanted.card;

const classes = new Map();
function classOf(name) {
    let found = classes.get(name);
    if (found === undefined) {
        found = secretNames.has(texts.fold(name)) ? 1 : texts.classifyName(name);
        if (classes.size < 10000)
            classes.set(name, found);
    }
    return found;
}

// In texts a policy's own names match only as whole words.
const isSecretName = (name, parameter) => classOf(name) === 1 || (parameter && texts.parameterName.test(texts.fold(name))) ||
    secretNames.has(texts.fold(name.slice(name.lastIndexOf('.') + 1)));

// ---- places -------------------------------------------------------------------------------------

const KEEP = 0, DROP = 1, MASK = 2, TRUNCATE = 3, SUMMARY = 4, JSON_IN_STRING = 5;
const actions = { keep: KEEP, drop: DROP, mask: MASK, truncate: TRUNCATE, summary: SUMMARY, json: JSON_IN_STRING };

// The meaning of a path for its value. A sender has few paths, so each is computed once.
let places = 0;
class Place {
    constructor(name, path, rule) {
        this.name = name;
        this.path = path;
        this.rule = rule;
        this.action = rule === NO_RULE ? KEEP : actions[rules[rule].action];
        this.rest = rule === NO_RULE ? 0 : rules[rule].keep ?? 0;
        this.limit = this.action === TRUNCATE ? rules[rule].length : limits.characters;
        this.detects = detects && (rule === NO_RULE || this.action === TRUNCATE || this.action === JSON_IN_STRING);
        this.kinds = texts.nameKinds(name);
        this.encoded = Buffer.from(name, 'utf8');
        this.printed = Buffer.byteLength(JSON.stringify(name)) + 2;
        this.credential = this.link = this.media = this.nameMasked = this.nameCut = false;
        this.members = new Map();
    }

    member(name) {
        return this.members.get(name) ?? this.workOut(name);
    }

    workOut(name) {
        const fitted = fit(name, names);
        const path = this.path + '\0' + fitted.text;
        let rule = 0;
        while (rule < this.rule && !rules[rule].pattern.test(path))
            ++rule;
        const place = new Place(fitted.text, path, rule);
        const meaning = classOf(fitted.text);
        place.credential = this.credential || meaning === 1 || classOf(name) === 1;
        place.link = this.link || meaning === 2 || (this.media && meaning === 4);
        place.media = this.media || meaning === 3;
        place.nameMasked = fitted.masked;
        place.nameCut = fitted.cut;
        if (places < 10000) {
            ++places;
            this.members.set(name, place);
        }
        return place;
    }
}

const root = new Place('', '', NO_RULE);
const names = new Place('', '', NO_RULE);

// ---- texts --------------------------------------------------------------------------------------

const beyondBmp = /[\ud800-\udfff]/; // never tried on a string of one byte a letter
function countCharacters(text) {
    if (!beyondBmp.test(text))
        return text.length;
    let count = 0;
    for (const character of text)
        ++count;
    return count;
}

// The index after this many characters; the length of a shorter text.
function headLength(text, characters) {
    if (text.length <= characters || !beyondBmp.test(text.slice(0, 2 * characters)))
        return Math.min(text.length, characters);
    let index = 0;
    for (; index < text.length && characters > 0; --characters)
        index += text.codePointAt(index) > 0xffff ? 2 : 1;
    return index;
}

// Belongs to the letter before it, or is the second half of a flag.
const extender = /^[\p{Mn}\p{Me}\u200d\u1160-\u11ff\u{1f3fb}-\u{1f3ff}\u{e0020}-\u{e007f}]/u;
const halfFlag = /(?:^|[^\u{1f1e6}-\u{1f1ff}])(?:[\u{1f1e6}-\u{1f1ff}]{2})*[\u{1f1e6}-\u{1f1ff}]$/u;
function isInsideUnit(text, index) {
    if (index <= 0 || index >= text.length)
        return false;
    const code = text.charCodeAt(index);
    if (code < 0x300)
        return text.charCodeAt(index - 1) === 0x200d;
    return (code >= 0xdc00 && code <= 0xdfff) || text.charCodeAt(index - 1) === 0x200d || extender.test(text.slice(index, index + 2)) ||
        (code === 0xd83c && /^[\u{1f1e6}-\u{1f1ff}]/u.test(text.slice(index, index + 2)) && halfFlag.test(text.slice(0, index)));
}

function cutText(text, limit) {
    let index = headLength(text, limit - 1);
    while (isInsideUnit(text, index))
        --index;
    const marker = text.lastIndexOf(MARKER, index - 1);
    return text.slice(0, marker >= 0 && marker + MARKER.length > index ? marker : index) + CUT;
}

function maskText(text, rest) {
    if (text === '' || (text.startsWith('***') && headLength(text, 3 + rest) === text.length))
        return text;
    if (text.length > 256 || Buffer.byteLength(text) > 256 || headLength(text, rest) === text.length || texts.findSecret(text, 0, true, isSecretName) !== null)
        return '***';
    let index = text.length;
    for (; rest > 0; --rest)
        index -= index > 1 && text.codePointAt(index - 2) > 0xffff ? 2 : 1;
    while (isInsideUnit(text, index))
        ++index;
    return '***' + text.slice(index);
}

// The text without the matches of `next`; the same text if there are none.
function replace(text, next) {
    let span = next(0);
    if (span === null)
        return text;
    let out = '', from = 0;
    for (; span !== null; span = next(from)) {
        out += text.slice(from, span.begin) + span.by;
        from = span.end;
    }
    return out + text.slice(from);
}

const mayHoldSecret = /[:=]|%3d|eyJ|bearer|basic|-----BEGIN /i, mayHoldParty = /[\d@]/;
function redact(text, place) {
    let left = text;
    if (mayHoldSecret.test(left))
        left = replace(text, (from) => texts.findSecret(text, from, place.link || place.media, isSecretName));
    if (place.detects && mayHoldParty.test(left)) {
        const found = left;
        left = replace(found, (from) => {
            const span = texts.detect(found, from, wanted);
            if (span !== null)
                span.by = texts.maskParty(found.slice(span.begin, span.end), span.what);
            return span;
        });
    }
    return left;
}

function fitOnce(text, place) {
    if (place.link && text !== MARKER && text.includes('/') && !text.includes('://'))
        return { text: MARKER, masked: true, cut: false };
    if (place.action === MASK) {
        const masked = maskText(text, place.rest);
        if (masked !== text)
            return { text: masked, masked: true, cut: false };
    }
    // Reads no further than the limit, except for matches that begin there, or if little is left after it.
    const limit = place.limit, room = 4 * (limit + 1) + 320;
    const head = text.length > room ? text.slice(0, room) : text;
    let left = redact(head, place);
    let masked = left !== head;
    if (head !== text && left.length <= limit + 320) {
        left = redact(text, place);
        masked = left !== text;
    } else if (head !== text) {
        return { text: cutText(left, limit), masked, cut: true };
    }
    const fits = headLength(left, limit) === left.length;
    return { text: fits ? left : cutText(left, limit), masked, cut: !fits };
}

// Repeats until nothing changes.
function fit(text, place) {
    const all = fitOnce(text, place);
    for (let once = all; once.masked || once.cut;) {
        once = fitOnce(all.text, place);
        all.text = once.text;
        all.masked ||= once.masked;
        all.cut ||= once.cut;
    }
    return all;
}

// ---- values -------------------------------------------------------------------------------------

let dropped = 0, masked = 0, truncated = 0, opened = 0, empty = 0; // empty: of those that were dropped

const losses = () => dropped - empty + masked + truncated;

function isEmpty(value) {
    if (typeof value !== 'object')
        return value === '';
    if (value === null)
        return true;
    if (Array.isArray(value))
        return value.length === 0;
    for (const name in value)
        return false;
    return true;
}

const types = new Set(['string', 'number', 'boolean', 'object', 'array']);
const isSummary = (value) => types.has(value.type) && Number.isInteger(value.length) && value.length >= 0 && value.length <= 2147483647 &&
    !Array.isArray(value) && Object.keys(value).length === 2;

function summary(type, length) {
    ++dropped;
    return { type, length };
}

function put(object, name, value) {
    if (name === '__proto__')
        Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
    else
        object[name] = value;
}

// Shorter names come first, then the bytes decide.
const inOrder = (a, b) => a.encoded.length - b.encoded.length || Buffer.compare(a.encoded, b.encoded);
const byName = (a, b) => inOrder({ encoded: Buffer.from(a, 'utf8') }, { encoded: Buffer.from(b, 'utf8') });

function cleanObject(object, place, depth) {
    const out = {};
    let all = Object.keys(object);
    if (all.length > limits.members)
        all = all.sort(byName);
    let kept = 0, isCut = false;
    for (const name of all) {
        const value = object[name];
        if (isEmpty(value)) {
            ++dropped;
            ++empty;
            continue;
        }
        if (kept === limits.members) {
            isCut = true;
            continue;
        }
        const droppedBefore = dropped, maskedBefore = masked, truncatedBefore = truncated, openedBefore = opened, emptyBefore = empty;
        const at = place.member(name);
        masked += at.nameMasked ? 1 : 0;
        truncated += at.nameCut ? 1 : 0;
        const lossesBefore = losses(), cleaned = clean(value, at, depth, true);
        if (cleaned === undefined) {
            empty = emptyBefore + (at.action !== DROP && losses() === lossesBefore ? 1 : 0);
            dropped = droppedBefore + 1;
            masked = maskedBefore;
            truncated = truncatedBefore;
            opened = openedBefore;
        } else if (at.name !== name && Object.hasOwn(out, at.name)) {
            ++dropped;
        } else {
            put(out, at.name, cleaned);
            ++kept;
        }
    }
    truncated += isCut ? 1 : 0;
    return out;
}

function cleanArray(array, place, depth) {
    const most = Math.min(array.length, limits.items);
    const out = new Array(most);
    for (let i = 0; i < most; ++i)
        out[i] = clean(array[i], place, depth, false) ?? (array[i] === null ? null : {});
    truncated += array.length > most ? 1 : 0;
    return out;
}

function cleanContainer(value, place, depth, isMember) {
    const isArray = Array.isArray(value), size = isArray ? value.length : Object.keys(value).length;
    if (place.action !== SUMMARY && depth < limits.depth && !isSummary(value)) {
        const out = isArray ? cleanArray(value, place, depth + 1) : cleanObject(value, place, depth + 1);
        return isMember && isEmpty(out) ? undefined : out;
    }
    return isSummary(value) ? value : summary(isArray ? 'array' : 'object', size);
}

function openJson(text, place, depth, isMember) {
    try {
        const value = JSON.parse(text);
        ++opened;
        return { value: clean(value, place, depth, isMember) };
    } catch {
        return null;
    }
}

const startsJson = /^\s*[{["]/, digitsAlone = /^\d{7,19}$/;
function cleanString(text, place, depth, isMember) {
    if (text === '' || text === MARKER)
        return text;
    if (place.action === SUMMARY)
        return summary('string', countCharacters(text));
    if (place.action === JSON_IN_STRING && startsJson.test(text)) {
        const inside = openJson(text, place, depth, isMember);
        if (inside !== null)
            return inside.value;
    }
    if (place.detects && text.length < 20 && digitsAlone.test(text) && texts.areDigitsParty(text, place.kinds, wanted)) {
        ++masked;
        return texts.maskParty(text, 'phone');
    }
    const fitted = fit(text, place);
    masked += fitted.masked ? 1 : 0;
    truncated += fitted.cut ? 1 : 0;
    if (fitted.masked && place.action === JSON_IN_STRING && startsJson.test(fitted.text))
        return (openJson(fitted.text, place, depth, isMember) ?? { value: fitted.text }).value;
    return fitted.text;
}

function cleanNumber(number, place) {
    const printed = String(number);
    if (place.action === SUMMARY)
        return summary('number', printed.length);
    if (place.action === MASK) {
        ++masked;
        return maskText(printed, place.rest);
    }
    if (place.detects && digitsAlone.test(printed) && texts.areDigitsParty(printed, place.kinds, wanted)) {
        ++masked;
        return texts.maskParty(printed, 'phone');
    }
    return number;
}

function cleanBoolean(value, place) {
    if (place.credential || (place.action !== MASK && place.action !== SUMMARY))
        return value;
    if (place.action === SUMMARY)
        return summary('boolean', 1);
    ++masked;
    return '***';
}

// undefined for dropped values.
function clean(value, place, depth, isMember) {
    if (isEmpty(value))
        return isMember ? undefined : value;
    if (place.credential && typeof value !== 'boolean') {
        masked += value === MARKER ? 0 : 1;
        return MARKER;
    }
    if (place.action === DROP) {
        if (!isMember)
            ++dropped;
        return undefined;
    }
    switch (typeof value) {
    case 'string':
        return cleanString(value, place, depth, isMember);
    case 'number':
        return cleanNumber(value, place);
    case 'boolean':
        return cleanBoolean(value, place);
    default:
        return cleanContainer(value, place, depth, isMember);
    }
}

// ---- the budget ---------------------------------------------------------------------------------

// jsonb prints a space after each colon and comma.
function countSpaces(value) {
    if (typeof value !== 'object' || value === null)
        return 0;
    let spaces = -1;
    if (Array.isArray(value)) {
        for (const item of value)
            spaces += 1 + countSpaces(item);
    } else {
        for (const name in value)
            spaces += 2 + countSpaces(value[name]);
    }
    return Math.max(spaces, 0);
}

const printedSize = (value) => Buffer.byteLength(JSON.stringify(value)) + countSpaces(value);

// Leaves in jsonb's order, each with its containers.
function collectLeaf(value, key, place, name, container, leaves) {
    if (typeof value !== 'object' || isEmpty(value) || isSummary(value))
        leaves.push({ rule: place.rule, order: leaves.length, container, key, bytes: name + printedSize(value) });
    else
        collectLeaves(value, place, { value, above: container, left: 0, key, bytes: name + 2 }, leaves);
}

function collectLeaves(value, place, container, leaves) {
    if (Array.isArray(value)) {
        container.left = value.length;
        for (let i = 0; i < value.length; ++i)
            collectLeaf(value[i], i, place, 0, container, leaves);
    } else {
        const members = Object.keys(value).map((name) => place.member(name)).sort(inOrder);
        container.left = members.length;
        for (const at of members)
            if (container.above !== null || at.name !== '_sanitized')
                collectLeaf(value[at.name], at.name, at, at.printed, container, leaves);
    }
}

// Values without a rule go first, then those of the last rule. Within each, the last in the document goes first.
function shed(document) {
    const leaves = [];
    collectLeaves(document, root, { value: document, above: null, left: 0, key: undefined, bytes: 0 }, leaves);
    leaves.sort((a, b) => b.rule - a.rule || b.order - a.order);
    let size = printedSize(document), count = 0;
    const holed = new Set();
    while (count < leaves.length && size + String(Math.min(count, 99)).length - 1 > maxBytes) {
        let { container, key, bytes } = leaves[count++];
        for (;;) {
            size -= bytes;
            container.value[key] = undefined; // not printed
            if (Array.isArray(container.value))
                holed.add(container.value);
            if (--container.left > 0 || container.above === null)
                break;
            ({ above: container, key, bytes } = container);
        }
        size -= container.left > 0 ? 2 : 0;
    }
    for (const array of holed) {
        const left = array.filter((item) => item !== undefined);
        array.length = 0;
        array.push(...left);
    }
    return { count, remains: count < leaves.length };
}

const isRecord = (value) => typeof value === 'string' && /^((0|[1-9]\d?),){3}(0|[1-9]\d?) \d:[\da-f]{6}$/.test(value);

const newRecord = (shedCount) => [dropped, masked, truncated, shedCount].map((count) => Math.min(count, 99)).join() + ' ' + recordedPolicy;

function cleanBody(body) {
    const document = JSON.parse(body.toString('utf8'));
    dropped = masked = truncated = opened = empty = 0;
    const isObject = typeof document === 'object' && document !== null && !Array.isArray(document);
    const earlier = isObject && isRecord(document._sanitized) ? document._sanitized : undefined;
    if (earlier !== undefined)
        delete document._sanitized;
    let out = clean(document, root, 0, false) ?? {};
    if (isObject && losses() + opened !== 0)
        out._sanitized = newRecord(0);
    else if (earlier !== undefined)
        out._sanitized = earlier;
    const bytes = Buffer.from(JSON.stringify(out), 'utf8');
    if (bytes.length + countSpaces(out) <= maxBytes)
        return bytes;
    if (typeof out === 'string')
        return Buffer.from(JSON.stringify({ type: 'string', length: countCharacters(document) }), 'utf8');
    if (isObject)
        out._sanitized = newRecord(0);
    const { count, remains } = shed(out);
    if (!remains)
        out = { type: isObject ? 'object' : 'array', length: Object.keys(document).length };
    if (isObject)
        out._sanitized = newRecord(count);
    return Buffer.from(JSON.stringify(out), 'utf8');
}

// ---- bodies -------------------------------------------------------------------------------------

const bodies = readFileSync(0, 'utf8').split('\n').filter((line) => line !== '').map((line) => Buffer.from(line, 'utf8'));

let written = 0; // so that the engine cannot skip the work
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
