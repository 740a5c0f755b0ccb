// Numbers, times and names as a reader sees them, and what to do about each fault.
// All texts of the database are data: they reach the page by textContent and attributes only.

const report = JSON.parse(document.getElementById('data').textContent);

// PostgreSQL accepts zones that the browser does not know, such as POSIX ones.
const zone = (() => {
    try {
        new Intl.DateTimeFormat('en-GB', { timeZone: report.time_zone });
        return report.time_zone;
    } catch {
        return 'UTC';
    }
})();

const count = n => (n === null || n === undefined ? 'not known' : Math.round(n).toLocaleString('en-GB'));
const many = (n, one, more = one + 's') => `${count(n)} ${n === 1 ? one : more}`;
const sum = (rows, of) => rows.reduce((total, row) => total + (of(row) || 0), 0);
const share = (part, all) => (all > 0 ? `${((100 * part) / all).toFixed(1)} %` : '');

function size(bytes) {
    if (bytes === null || bytes === undefined) return 'not known';
    const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
    const power = bytes < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
    return power === 0 ? `${Math.round(bytes)} bytes` : `${(bytes / 1000 ** power).toFixed(1)} ${units[power]}`;
}

function duration(seconds) {
    if (seconds === null || seconds === undefined) return 'not known';
    const s = Math.abs(seconds);
    if (s < 0.9995) return `${Number((seconds * 1000).toPrecision(3))} ms`;
    if (s < 60) return `${Number(seconds.toPrecision(3))} s`;
    if (s < 3600) return `${Number((seconds / 60).toPrecision(3))} min`;
    if (s < 172800) return `${Number((seconds / 3600).toPrecision(3))} h`;
    return `${Number((seconds / 86400).toPrecision(3))} days`;
}

const formats = {};
function formatted(at, options) {
    const key = JSON.stringify(options);
    formats[key] ??= new Intl.DateTimeFormat('en-GB', { timeZone: zone, ...options });
    return formats[key].format(new Date(at));
}
const DAY = { day: 'numeric', month: 'short' },
    CLOCK = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
const time = at => (at ? formatted(at, { ...DAY, year: 'numeric', ...CLOCK }) : 'not known');
const exactTime = at => (at ? formatted(at, { ...DAY, ...CLOCK, second: '2-digit' }) : '');
// A bin of a chart: as long as its width needs.
const binTime = (at, width) =>
    formatted(
        at,
        width >= 86400
            ? { ...DAY, year: 'numeric' }
            : width >= 60
              ? { ...DAY, ...CLOCK }
              : { ...CLOCK, second: '2-digit' },
    );
const span = width => ({ 1: 'second', 60: 'minute', 3600: 'hour', 86400: 'day', 604800: 'week' })[width];
const each = width => (span(width) ? `${width === 3600 ? 'an' : 'a'} ${span(width)}` : duration(width));
const sentence = text => text.charAt(0).toUpperCase() + text.slice(1) + (text.endsWith('.') ? '' : '.');

// -- errors ---------------------------------------------------------------------------------------

const CONDITIONS = {
    22001: 'a text is too long for its column',
    22003: 'a number is out of range',
    22007: 'not a valid time',
    22008: 'a time is out of range',
    22023: 'not a valid value',
    '22P02': 'not valid for the type of the column',
    23502: 'a column must not be NULL',
    23503: 'a row of another table is missing',
    23505: 'a row with this key exists',
    23514: 'a check refuses the row',
    25006: 'the server is read-only',
    27000: 'a trigger or a policy changed the row',
    40001: 'another transaction was first',
    '40P01': 'a deadlock',
    42501: 'a right is missing',
    42703: 'a column is missing',
    42883: 'a function is missing',
    '42P01': 'a table is missing',
    53100: 'the disk is full',
    53200: 'no memory is left',
    54000: 'too large',
    55000: 'not in the right state',
    '55P03': 'a lock was not free',
    57014: 'cancelled, or out of time',
    P0001: 'raised by a trigger',
    XX000: 'an internal error',
};
const CLASSES = {
    '08': 'the connection broke',
    21: 'not one row',
    22: 'not a valid value',
    23: 'a constraint refuses the row',
    25: 'the transaction cannot do it',
    40: 'the transaction was rolled back',
    42: 'a name or a right is missing',
    53: 'the server has not enough of something',
    54: 'a limit of the server',
    55: 'not in the right state',
    57: 'the server or a person intervened',
    58: 'an error of the system',
    P0: 'raised by a function',
    XX: 'an internal error',
};
const meaning = sqlstate => CONDITIONS[sqlstate] ?? CLASSES[sqlstate.slice(0, 2)] ?? 'an error';
const unreadable = (what, part) => `${what} could not be read: SQLSTATE ${part.unknown}, ${meaning(part.unknown)}.`;

// -- causes of failures -----------------------------------------------------------------------------

function causeName(row) {
    switch (row.cause) {
        case 'no call':
            return row.detail ?? 'the event has no call';
        case 'locked row':
            return 'another transaction holds the row of the call';
        case 'error':
            return `SQLSTATE ${row.detail}: ${meaning(row.detail)}`;
        case 'lost worker':
            return 'the worker did not come back before its lease expired';
        case 'client':
            return 'a client gave it back with fail_call_event';
        case 'client or lost worker':
            return 'a client gave it back, or its worker was lost';
        default:
            return 'not tried yet: an earlier event of its call failed';
    }
}

function causeAdvice(row) {
    if (row.state === 'blocked' || row.cause === 'not tried')
        return 'It comes after the event before it. Nothing to do here.';
    if (row.state === 'retrying') {
        return row.cause === 'locked row'
            ? 'Find the long transaction: SELECT * FROM call_horizon.'
            : 'It is tried again by itself. SELECT * FROM call_retrying_events has the errors.';
    }
    if (row.cause === 'no call') {
        return 'No worker can take it. If it is no call, name its type in ignored_event_types of configure_call_event_log.';
    }
    return `Find the cause: SELECT event_seq, error FROM call_dead_events. Then SELECT retry_dead_call_events('${row.log}').`;
}

// -- kinds ------------------------------------------------------------------------------------------

const KINDS = [
    ['refused_status', 'refused statuses', '--orange'],
    ['refused_call_id', 'refused call ids', '--purple'],
    ['unknown_status', 'unknown statuses', '--blue'],
    ['unknown_direction', 'unknown directions', '--sky'],
    ['unparsable_body', 'bodies that are no JSON', '--gold'],
    ['body_without_call', 'bodies without a call', '--gray'],
    ['dead_event', 'events that died', '--red'],
];

const STATUSES = [
    ['ended', '--blue'],
    ['active', '--green'],
    ['ringing', '--sky'],
    ['missed', '--orange'],
    ['rejected', '--red'],
    ['voicemail', '--purple'],
];

const STATES = {
    done: 'good',
    ignored: '',
    pending: '',
    claimed: '',
    retrying: 'warn',
    blocked: 'warn',
    refused: 'warn',
    dead: 'bad',
};

const ACTIONS = {
    dropped: 'dropped',
    masked: 'masked',
    truncated: 'cut short',
    summarized: 'replaced by its size',
    shed: 'dropped for space',
    hashed: 'replaced by a token',
    replaced: 'replaced',
};
