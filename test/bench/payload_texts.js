// The sanitizer's searches in texts and names: secrets and detectors. One regular expression for a text finds the letters
// that can indicate a secret. The text around them decides.

'use strict';

const MARKER = '[secret]', CUT = '…';

// ---- names --------------------------------------------------------------------------------------

const credentialName = /(?:passwords?|passwordhash|passwd|passphrase|passcode|pwd|secrets?|token|jwt|authorization|cookies?|(?:api|access|secret|private|signing|encryption|shared|auth|session)key|apikeys|accesskeyid|credentials?|signature|signature256|hmac|(?:access|security|verification|otp|pin)code|(?:user|access|voicemail|conference|meeting)pin|dtmfdigits|dtmfinput|gathereddigits|cardnumber|creditcard)$|^(?:auth|bearer|otp|pin|dtmf|digits|cvv|cvc|ssn)$/;
const linkName = /(?:(?:share|access)links?|download(?:url|link)|recording(?:urls?|uri|links?|player)|voicemail(?:url|links?)|mediaurls?|audiourl|content(?:uri|url))$/;
const mediaName = /(?:recordings?|recordingdetails|voicemails?|media|attachments)$/;
const addressName = /(?:urls?|uri|links?|href)$/;
const parameterName = /^(?:sig|code|sas|hash|signed|pass)$|key$/;

const fold = (name) => name.toLowerCase().replace(/[\s_-]+/g, '');

// 0 nothing, 1 a credential, 2 a link that opens something, 3 media, 4 an address.
function classifyName(name) {
    const folded = fold(name);
    return credentialName.test(folded) ? 1 : linkName.test(folded) ? 2 : mediaName.test(folded) ? 3 : addressName.test(folded) ? 4 : 0;
}

// ---- secrets ------------------------------------------------------------------------------------

function matchAt(pattern, text, at) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    return found === null ? '' : found[0];
}

function hide(text, begin, end) {
    const value = text.slice(begin, end);
    return value === '' || value === MARKER || value === CUT ? null : { begin, end, by: MARKER };
}

const jwt = /eyJ[\w-]{7,4093}\.[\w-]{4,}(?:\.[\w-]*)*/y;
function findJwt(text, at) {
    const found = matchAt(jwt, text, at);
    return found === '' ? null : { begin: at, end: at + found.length, by: MARKER };
}

// `bearer of news` is prose: a token has a digit, a sign or a capital in it, or is long.
const header = /(?:bearer|basic)[ \t]+/iy, headerToken = /[\w.~+/=-]{6,}/y;
const pseudonym = /^pn_[a-p]{6}_[a-p]{20}_[a-p]{8}/;
function findHeaderToken(text, at) {
    const begin = at + matchAt(header, text, at).length;
    const token = begin === at ? '' : matchAt(headerToken, text, begin);
    const looksLikeOne = token !== '' && (token.length >= 16 || /^.+[\dA-Z_+/=]/.test(token)) && !pseudonym.test(token);
    return looksLikeOne ? { begin, end: begin + token.length, by: MARKER } : null;
}

const pem = /-----BEGIN (?:[^]*?-----END [^]*?-----|[^]*)/y;
function findPem(text, at) {
    return { begin: at, end: at + matchAt(pem, text, at).length, by: MARKER };
}

const authority = /[^\0-\x20"'<>\\`/?#]*/y, restOfUrl = /[^\0-\x20"'<>\\`]*/y;
function findInUrl(text, colon, from, onlyHosts) {
    const begin = colon + 3;
    if (begin < from)
        return null;
    const end = begin + matchAt(authority, text, begin).length;
    const host = text.slice(begin, end).lastIndexOf('@') + 1 + begin;
    if (!onlyHosts)
        return host === begin ? null : hide(text, begin, host - 1);
    const rest = end + matchAt(restOfUrl, text, end).length;
    if (host > begin)
        return { begin, end: rest, by: text.slice(host, end) };
    return rest === end ? null : { begin: end, end: rest, by: '' };
}

// sip:alice:secret@host has a password without `//`.
const sipUser = /:([^\0-\x20"'<>\\`@;?:]*:)[^\0-\x20"'<>\\`@;?]*(?=@)/y;
function findInSip(text, colon) {
    if (!/sips?$/i.test(text.slice(Math.max(0, colon - 4), colon)))
        return null;
    sipUser.lastIndex = colon;
    const found = sipUser.exec(text);
    return found === null || found[0].length > 256 ? null : hide(text, colon + 1 + found[1].length, colon + found[0].length);
}

// From the opening quote to the quote with as many backslashes before it.
function quotedEnd(text, begin, escapes, quote) {
    for (let at = begin; (at = text.indexOf(quote, at)) >= 0; ++at) {
        let before = 0;
        while (at - before > begin && text[at - before - 1] === '\\')
            ++before;
        if (before <= escapes)
            return at - before;
    }
    return text.length;
}

function bracketEnd(text, begin) {
    const bracket = /[{}[\]]/g;
    bracket.lastIndex = begin;
    let depth = 0;
    for (let found; (found = bracket.exec(text)) !== null;) {
        depth += found[0] === '{' || found[0] === '[' ? 1 : -1;
        if (depth === 0)
            return bracket.lastIndex;
    }
    return text.length;
}

// A quote ends a quoted header, but in `Digest username="..."` it belongs to the header.
const headerPart = /=(\\*)"|[\r\n"'\\]/g;
function headerEnd(text, begin) {
    headerPart.lastIndex = begin;
    for (let found; (found = headerPart.exec(text)) !== null;) {
        if (found[1] === undefined)
            return found.index;
        headerPart.lastIndex = Math.min(text.length, quotedEnd(text, headerPart.lastIndex, found[1].length, '"') + found[1].length + 1);
    }
    return text.length;
}

const bareValue = /(?:(?!%26)[^\0-\x20"'<>\\`&;,)}\]#])*/iy;
function hideBareValue(text, begin) {
    const first = text[begin];
    const from = text.startsWith(MARKER, begin) ? begin + MARKER.length : first === '{' || first === '[' ? bracketEnd(text, begin) : begin;
    const end = from + matchAt(bareValue, text, from).length;
    return /^(?:true|false|null)$/.test(text.slice(begin, end)) ? null : hide(text, begin, end);
}

const beforeValue = /[ \t=>]*/y, openingQuote = /\\*["']/y, whiteSpace = /(?:\s|\\+[nrt])*/y;
function hideValue(text, begin, isHeader) {
    begin += matchAt(beforeValue, text, begin).length;
    if (begin === text.length)
        return null;
    const quote = matchAt(openingQuote, text, begin);
    if (quote !== '')
        return hide(text, begin + quote.length, quotedEnd(text, begin + quote.length, quote.length - 1, quote[quote.length - 1]));
    if (isHeader && text[begin] !== '{' && text[begin] !== '[')
        return hide(text, begin, headerEnd(text, begin));
    return hideBareValue(text, begin);
}

const isNameLetter = Array.from({ length: 128 }, (_, code) => /[\w.-]/.test(String.fromCharCode(code)));
const escapedName = /((?:[\w.-]|\\+u00[0-7][\da-f])+)$/i;
function findAssignment(text, at, after, isSecret) {
    let end = at;
    while (end > 0 && ' "\'\\]'.includes(text[end - 1]))
        --end;
    let begin = end;
    while (begin > 0 && end - begin < 64 && isNameLetter[text.charCodeAt(begin - 1)] === true)
        --begin;
    if (begin === end)
        return null;
    let name = text.slice(begin, end);
    const sign = text[begin - 1];
    if (sign === '\\' && name[0] === 'u')
        name = escapedName.exec(text.slice(Math.max(0, end - 384), end))[1]
            .replace(/\\+u00([0-7][\da-f])/gi, (all, code) => String.fromCharCode(parseInt(code, 16)));
    if (!isSecret(name, sign !== undefined && '?&#;%'.includes(sign)))
        return null;
    if (/["']/.test(text.slice(end, at)))
        after += matchAt(whiteSpace, text, after).length;
    return hideValue(text, after, text[at] === ':' && /(?:authorization|cookie)$/.test(fold(name)));
}

const sign = /[:=]|%3[dD]|eyJ|[bB](?:[eE][aA][rR][eE][rR]|[aA][sS][iI][cC])|-----BEGIN /g;
function findSecret(text, from, onlyHosts, isSecret) {
    sign.lastIndex = from;
    for (let found; (found = sign.exec(text)) !== null; sign.lastIndex = found.index + 1) {
        const at = found.index;
        let span;
        switch (text.charCodeAt(at)) {
        case 58: // :
            if (text.startsWith('//', at + 1))
                span = findInUrl(text, at, from, onlyHosts);
            else
                span = findInSip(text, at) ?? findAssignment(text, at, at + 1, isSecret);
            break;
        case 61: // =
            span = findAssignment(text, at, at + 1, isSecret);
            break;
        case 37: // %
            span = findAssignment(text, at, at + 3, isSecret);
            break;
        case 101: // e
            span = findJwt(text, at);
            break;
        case 45: // -
            span = findPem(text, at);
            break;
        default:
            span = findHeaderToken(text, at);
        }
        if (span !== null && span.begin >= from)
            return span;
    }
    return null;
}

// ---- addresses ----------------------------------------------------------------------------------

const localPart = /[\w.%+\-@\u0080-\uffff]{1,65}$/;
const namedHost = /(?!\dx\.)(?:[A-Za-z\d\-\u0080-\uffff]+\.)*[A-Za-z\d\-\u0080-\uffff]*/y;
const anyHost = /[A-Za-z\d\-.\u0080-\uffff]{1,253}/y;

// The longest beginning with a last label of two letters or more. A host of one label counts only after `sip:`.
function domainEnd(text, begin) {
    let host = matchAt(namedHost, text, begin).slice(0, 253);
    while (host !== '' && !/(?:^|\.)[A-Za-z]{2,}$/.test(host))
        host = /\.[A-Za-z]{2,}[^A-Za-z.][^.]*$/.test(host) ? '' : host.slice(0, Math.max(0, host.lastIndexOf('.')));
    return begin + host.length;
}

function hostEnd(text, begin, any) {
    const end = domainEnd(text, begin);
    return any ? Math.max(end, begin + matchAt(anyHost, text, begin).replace(/\.+$/, '').length) : end;
}

const toHost = /[\w.%+\-\u0080-\uffff]{0,64}?(?:@|%40)/y;
function addressEnd(text, at) {
    const size = matchAt(toHost, text, at).length;
    if (size === 0)
        return at;
    const end = hostEnd(text, at + size, true);
    return end > at + size ? end : at;
}

function lastAddressEnd(text, end) {
    for (let next; (next = addressEnd(text, end)) > end;)
        end = next;
    return end;
}

const mayFollow = /(?:^|\\[nrt]|[^\w.%+\-@])$/;
const mayBegin = (text, at) => mayFollow.test(text.slice(Math.max(0, at - 2), at));

function findAddress(text, at, size, from) {
    const local = localPart.exec(text.slice(Math.max(from, at - 65), at));
    if (local === null || local[0].length > 64 || text[at - 1] === '@')
        return null;
    let begin = at - local[0].length;
    const scheme = /sips?:$/i.exec(text.slice(Math.max(from, begin - 5), begin));
    const isSip = scheme !== null && mayBegin(text, begin - scheme[0].length);
    if (isSip)
        begin -= scheme[0].length;
    const end = hostEnd(text, at + size, isSip);
    return end === at + size ? null : { begin, end: lastAddressEnd(text, end), what: 'email' };
}

// ---- groups of digits ---------------------------------------------------------------------------

const nextGroup = /(\)?)([ \-./\u00a0\u2010-\u2015]?)(\(?)(\d{1,20})/y;
function readGroups(text, begin, end, open) {
    const groups = [{ begin, end, digits: text.slice(begin, end), separator: ' ', open }];
    while (groups.length < 8) {
        nextGroup.lastIndex = end;
        const found = nextGroup.exec(text);
        if (found === null)
            break;
        const [all, close, separator, opening, digits] = found;
        if ((close !== '' && !open) || close + separator + opening === '' || (opening !== '' && open && close === ''))
            break;
        open = opening !== '' || (open && close === '');
        end += all.length;
        groups.push({
            begin: end - digits.length, end, digits, open,
            separator: separator === '' ? (opening !== '' ? ' ' : ')') : separator === '\u00a0' ? ' ' : separator > '\u2000' ? '-' : separator,
        });
    }
    return groups;
}

const goesOn = /[xX]\d|[A-WYZa-wyz\d_]|[-.]\d/y;
const endsNumber = (text, end) => end === text.length || (matchAt(goesOn, text, end) === '' && addressEnd(text, end) === end);

// ---- phone numbers ------------------------------------------------------------------------------

const phoneScheme = /(?:tel|sips?|callto|sms|fax):$/i;
function findStart(text, at, end, from) {
    const start = { begin: at, plus: false, uri: false, open: false };
    const closed = text[end] === ')';
    const stepOverParenthesis = () => {
        if (!closed || start.begin === from || text[start.begin - 1] !== '(')
            return;
        start.open = true;
        if (mayBegin(text, start.begin - 1))
            --start.begin;
    };
    stepOverParenthesis();
    if (start.begin > from && text[start.begin - 1] === '+') {
        --start.begin;
        start.plus = true;
    }
    if (start.plus && !start.open)
        stepOverParenthesis();
    if (text[start.begin - 1] === ':') {
        const scheme = phoneScheme.exec(text.slice(Math.max(from, start.begin - 7), start.begin));
        if (scheme !== null && mayBegin(text, start.begin - scheme[0].length)) {
            start.begin -= scheme[0].length;
            start.uri = true;
        }
    }
    return start;
}

const uriLetters = /[\w.%+\-;=:@~[\]]+/y;
function uriEnd(text, end, start) {
    const isUser = start.plus && (start.begin === 0 || !/[\w.%+\-\u0080-\uffff]/.test(text[start.begin - 1]));
    if (!(start.uri && /[@;:]/.test(text[end] ?? ' ')) && !(isUser && text[end] === '@'))
        return end;
    const rest = matchAt(uriLetters, text, end).replace(/[^A-Za-z\d\]]+$/, '').length;
    return rest > 0 ? lastAddressEnd(text, end + rest) : end;
}

function internationalGroups(text, groups, start, skipped) {
    const nanp = groups[0].digits[0] === '1' && start.plus;
    let total = 0, found = 0;
    for (let k = 0; k < groups.length && total <= 15 + skipped; ++k) {
        const group = groups[k];
        total += group.digits.length;
        const enough = total >= skipped + (start.uri ? 7 : 8) && total <= 15 + skipped;
        if (enough && (!nanp || total === 11 || k === 0) && (uriEnd(text, group.end, start) > group.end || endsNumber(text, group.end)))
            found = k + 1;
        if (k === 0 && total >= 9 + skipped)
            break;
    }
    return found;
}

const sizesOf = (groups) => groups.map((group) => group.digits.length).join();

function doubleZeroGroups(text, groups, start) {
    if (!/^00[1-9]/.test(groups[0].digits.length === 2 && groups.length > 1 ? groups[0].digits + groups[1].digits[0] : groups[0].digits) ||
        groups.length < 2)
        return 0;
    const found = internationalGroups(text, groups, start, 2);
    return found < 2 || groups.slice(0, found).every((group) => group.digits.length === 2) ? 0 : found;
}

// Area and exchange: neither begins with 0 or 1 or is 911 and the like.
const nanpArea = /^[2-9](?!11)[0-8]/, nanpExchange = /^[2-9](?!11)/;
function nanpGroups(text, groups) {
    const first = groups[0].digits === '1' ? 1 : 0;
    const sizes = sizesOf(groups.slice(first, first + 3));
    const count = first + (sizes === '3,3,4' ? 3 : /^3,7(,|$)/.test(sizes) && groups[first].open ? 2 : NaN);
    if (Number.isNaN(count) || !nanpArea.test(groups[first].digits) || !nanpExchange.test(groups[first + 1].digits))
        return 0;
    return endsNumber(text, groups[count - 1].end) ? count : 0;
}

// National forms of countries with a leading zero: 030 123456, 020 7946 0958, 01 42 68 53 00.
function nationalGroups(text, groups) {
    const area = groups[0].digits.length;
    if (area < 2 || area > 6 || !/^0[1-9]/.test(groups[0].digits))
        return 0;
    const ends = (count) => endsNumber(text, groups[count - 1].end) ? count : 0;
    if (area === 2) {
        const separator = groups.length > 1 ? groups[1].separator : '-';
        const sizes = sizesOf(groups) + ',';
        if (sizes.startsWith('2,2,2,2,2,'))
            return separator === ' ' || separator === '.' ? ends(5) : 0;
        return separator === '.' ? 0 : sizes.startsWith('2,4,4,') ? ends(3) : sizes.startsWith('2,8,') ? ends(2) : 0;
    }
    let total = area, found = 0;
    for (let k = 1; k < groups.length && k < 5; ++k) {
        total += groups[k].digits.length;
        if (groups[k].digits.length < 2 || groups[k].separator === '.' || total > 12)
            break;
        if (total >= 9 && ends(k + 1) > 0)
            found = k + 1;
    }
    return found;
}

function findPhone(text, groups, start) {
    const zero = groups[0].digits[0] === '0';
    let count = 0;
    if (start.uri || (start.plus && !zero))
        count = internationalGroups(text, groups, start, 0);
    else if (!start.plus)
        count = zero ? doubleZeroGroups(text, groups, start) || nationalGroups(text, groups) : nanpGroups(text, groups);
    if (count === 0)
        return null;
    const last = groups[count - 1];
    const begin = start.begin + (last.open && text[start.begin] === '(' ? 1 : 0);
    return { begin, end: uriEnd(text, last.end, start), what: 'phone' };
}

// ---- card numbers -------------------------------------------------------------------------------

const issuer = /^(?:(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720|5[1-5]\d\d)\d{12}|30[0-5]\d{11}|3095\d{10}|3[4,7]\d{13}|35(?:2[89]|[3-8]\d)\d{12,15}|3[689]\d{12}|4(?:\d{12}|\d{15}|\d{18})|(?:6011|62\d\d|64[4-9]\d|65\d\d)\d{12,15})$/;
function isCardNumber(digits) {
    if (!issuer.test(digits))
        return false;
    let sum = 0;
    for (let i = digits.length - 1, doubled = false; i >= 0; --i, doubled = !doubled) {
        const value = digits.charCodeAt(i) - 48;
        sum += doubled ? 2 * value - (value > 4 ? 9 : 0) : value;
    }
    return sum % 10 === 0;
}

const embossed = [/^4,4,4,4,3(,|$)/, /^4,4,4,4(,|$)/, /^4,6,5(,|$)/, /^4,6,4(,|$)/, /^4,4,4,1(,|$)/];
const embossedGroups = [5, 4, 3, 3, 4];
function findCard(text, groups, start) {
    if (start.plus || start.uri || start.open)
        return null;
    const { digits, end } = groups[0];
    if (digits.length >= 13) {
        const alone = (start.begin === 0 || ' \t\r\n"\'([<>|*'.includes(text[start.begin - 1])) &&
            (end === text.length || (' \t\r\n"\')]<>|*,.;!?'.includes(text[end]) && !/^\.[A-Za-z]/.test(text.slice(end, end + 2))));
        return alone && isCardNumber(digits) && endsNumber(text, end) ? { begin: start.begin, end, what: 'card' } : null;
    }
    const separator = groups.length > 1 ? groups[1].separator : '.';
    if (digits.length !== 4 || (separator !== ' ' && separator !== '-'))
        return null;
    const sizes = sizesOf(groups);
    for (let form = 0; form < embossed.length; ++form) {
        const some = groups.slice(0, embossedGroups[form]), last = some[some.length - 1];
        if (embossed[form].test(sizes) && some.every((group, k) => !group.open && (k === 0 || group.separator === separator)) &&
            isCardNumber(some.map((group) => group.digits).join('')) && endsNumber(text, last.end))
            return { begin: start.begin, end: last.end, what: 'card' };
    }
    return null;
}

// ---- detectors ----------------------------------------------------------------------------------

function findNumber(text, at, digits, from, wanted) {
    const size = digits.length, end = at + size;
    if (size === text.length || (size === 4 && text.endsWith('***', at) && text.slice(at - 3, at) === '***'))
        return null;
    const start = findStart(text, at, end, from);
    if ((size > 6 && size < 13 && !start.plus && !start.uri) || !mayBegin(text, start.begin))
        return null;
    const groups = readGroups(text, at, Math.min(end, at + 20), start.open);
    return (wanted.card ? findCard(text, groups, start) : null) ?? (wanted.phone ? findPhone(text, groups, start) : null);
}

const party = /\d+|@|%40/g;
function detect(text, from, wanted) {
    party.lastIndex = from;
    for (let found; (found = party.exec(text)) !== null;) {
        const at = found.index, next = party.lastIndex;
        const isNumber = text.charCodeAt(at) <= 57 && text.charCodeAt(at) >= 48;
        let span = null;
        if (!isNumber)
            span = wanted.email ? findAddress(text, at, found[0].length, from) : null;
        else if ((wanted.phone || wanted.card) && (at === 0 || text.charCodeAt(at - 1) < 48 || text.charCodeAt(at - 1) > 57))
            span = findNumber(text, at, found[0], from, wanted);
        if (span !== null)
            return span;
        party.lastIndex = next;
    }
    return null;
}

const phoneName = /(?:phones?|phonenumbers?|phoneno|telephone|mobile|mobilenumber|cellnumber|cellphone|fax|faxnumber|msisdn|callerid|calleridnumber|callernumber|callingnumber|callednumber|partynumber|fromnumber|tonumber|externalnumber|internalnumber|dialednumber|sourcenumber|targetnumber|destinationnumber|forwardingnumber|transfernumber|contactnumber|proxynumber|smsnumber|callbacknumber|didnumber|e164)$/;
const doubtfulPhoneName = /^(?:from|to|caller|callee|called|calling|number|numbers|did|ani|dnis|cli|tel)$/;
const idName = /(?:id|ids|uuid|guid|key|ref|reference|at|time|timestamp|ts|date|sequence|seq|ms)$/;

const nameKinds = (name) => {
    const folded = fold(name);
    return { phone: phoneName.test(folded), doubtful: doubtfulPhoneName.test(folded), id: idName.test(folded) };
};

// The meaning of seven to nineteen digits as the value of a name of these kinds.
function areDigitsParty(digits, kinds, wanted) {
    if (wanted.phone && digits.length <= 15 && (digits[0] !== '1' || digits.length === 11) &&
        (kinds.phone || (kinds.doubtful && digits[0] !== '0' && digits.length >= 10)))
        return true;
    return wanted.card && !kinds.id && isCardNumber(digits);
}

function maskParty(found, what) {
    if (what !== 'email')
        return '***' + /\d[^@;:]*/.exec(found)[0].replace(/\D/g, '').slice(-4);
    const encoded = found.lastIndexOf('%40') + 1;
    const at = found.lastIndexOf('@') + 1;
    const domain = found.slice(encoded > at ? encoded + 2 : at).slice(0, 253);
    return '***@' + (/^[\w.%+\-@]*$/.test(domain) ? domain : '');
}

module.exports = { MARKER, CUT, fold, classifyName, parameterName, findSecret, detect, nameKinds, areDigitsParty, maskParty };
