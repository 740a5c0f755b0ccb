// The sections of the report, from the top of the page to its end.

const at = text => Date.parse(text) / 1000;
const isUnknown = part => part !== null && typeof part === 'object' && 'unknown' in part;
const isFine = part => part !== null && part !== undefined && !isUnknown(part);
const webhookLogs = report.logs.filter(log => !log.is_of_changes);
const consumersOf = log => (Array.isArray(log.consumers) ? log.consumers : []);
const defaultOf = log => consumersOf(log).find(c => c.consumer === 'default');
// Counted, if the log was read in full; else estimated.
const waitingIn = log => log.events?.waiting ?? defaultOf(log)?.pending;
const causes = isFine(report.failures) ? report.failures.causes : [];
const eventsIn = state =>
    sum(
        causes.filter(c => c.state === state),
        c => c.events,
    );
const gaps = Array.isArray(report.enforcement) ? report.enforcement.filter(g => g.level === 'gap') : [];
const notes = Array.isArray(report.enforcement) ? report.enforcement.filter(g => g.level === 'note') : [];
const enforced = Array.isArray(report.enforcement) ? report.enforcement.filter(g => g.level === 'ok') : [];
const figures = report.tables.flatMap(t =>
    Array.isArray(t.health) ? t.health.map(h => ({ ...h, table: t.table })) : [],
);
const worrying = figures.filter(h => h.level !== 'ok' && h.figure !== 'dead');
const isEmpty = report.tables.length === 0 && report.logs.length === 0;
const unknownParts = [
    ...report.logs.flatMap(l => ['counts', 'consumers', 'events', 'bodies'].map(p => [`${p} of ${l.log}`, l[p]])),
    ...report.tables.flatMap(t => ['calls', 'health'].map(p => [`${p} of ${t.table}`, t[p]])),
    ...['issues', 'failures', 'enforcement', 'call'].map(p => [p, report[p]]),
].filter(([, part]) => isUnknown(part));

// -- sections ---------------------------------------------------------------------------------------

const main = document.getElementById('main');
const charts = [];
function section(id, title, ...content) {
    const parts = content.flat(3).filter(part => part);
    charts.push(...parts.flatMap(p => [p, ...p.querySelectorAll('figure')]).filter(p => p.draw));
    main.append(
        element(
            'section',
            { id, 'aria-labelledby': `${id}-title` },
            element('h2', { id: `${id}-title` }, title),
            ...parts,
        ),
    );
    document.querySelector('#sections ul').append(element('li', {}, element('a', { href: `#${id}` }, title)));
}
const paragraph = (text, kind = null) => element('p', { class: kind }, text);

// The text of an advice, with its statements as code.
function advice(text) {
    const parts = text.split(
        /((?:SELECT|CALL|ALTER|CREATE INDEX|DROP (?:RULE|TABLE)) (?:[^.,]|\.(?=\S)|,(?! (?:with|or|and) ))+)/,
    );
    return parts.map((part, i) => (i % 2 ? element('code', {}, part) : part));
}

// -- the headline -----------------------------------------------------------------------------------

function headline() {
    const dead = eventsIn('dead');
    if (isEmpty) return ['Nothing is hardened yet.', ''];
    const first = isUnknown(report.enforcement)
        ? 'Enforcement is not known'
        : gaps.length > 0
          ? many(gaps.length, 'gap in enforcement', 'gaps in enforcement')
          : 'All enforced';
    if (dead > 0)
        return [`${first}, ${many(dead, 'event needs', 'events need')} attention.`, gaps.length > 0 ? 'bad' : 'warn'];
    if (gaps.length > 0) return [`${first}.`, 'bad'];
    if (worrying.length > 0)
        return [`${first}, ${many(worrying.length, 'figure needs', 'figures need')} a look.`, 'warn'];
    return unknownParts.length > 0
        ? [`${first}, as far as it is known.`, 'warn']
        : [`${first}, and all is well.`, 'good'];
}

function lead() {
    if (isEmpty) {
        return [
            'This database has no hardened table and no event log. To begin: SELECT create_call_tables(). ' +
                'For tables that you have: SELECT harden_calls(…).',
        ];
    }
    const waiting = total(waitingIn);
    const behind = webhookLogs.map(log => defaultOf(log)?.behind).filter(b => b !== null && b !== undefined);
    const sentences = [
        `${many(report.tables.length, 'table of calls', 'tables of calls')}, ` +
            `${many(report.logs.length, 'event log')}.`,
    ];
    if (webhookLogs.length > 0) {
        sentences.push(
            waiting === 0
                ? 'No event waits for a worker.'
                : waiting === null
                  ? 'How many events wait for a worker is not known.'
                  : `${many(waiting, 'event waits', 'events wait')} for a worker` +
                    (behind.length > 0 ? `, the first of them for ${duration(Math.max(...behind))}.` : '.'),
        );
    }
    if (eventsIn('retrying') > 0)
        sentences.push(`${many(eventsIn('retrying'), 'event is', 'events are')} tried again.`);
    return [sentences.join(' ')];
}

function begin() {
    const [text, level] = headline();
    document.title = `${text} ${report.database}: callhardening`;
    document.getElementById('made').textContent =
        `callhardening ${report.version} · database ${report.database} · ${time(report.made_at)} ${zone}`;
    const title = document.getElementById('headline');
    title.textContent = text;
    if (level) title.className = level;
    document.getElementById('lead').append(...lead().map(t => paragraph(t)));
}

// -- at a glance ------------------------------------------------------------------------------------

// NULL in one log makes the total unknown: a sum of the others would be too small.
function total(of) {
    const values = webhookLogs.map(of);
    return values.length === 0 || values.some(v => v === null || v === undefined) ? null : sum(values, v => v);
}

function figureList() {
    const rows = [
        ['delivered', total(log => log.counts?.delivered)],
        ['delivered again', total(log => log.counts?.redelivered)],
        ['applied to a call', total(log => defaultOf(log)?.applied)],
        ['status refused', total(log => defaultOf(log)?.refused)],
        ['dead', isFine(report.failures) ? eventsIn('dead') : null],
        ['waiting', total(waitingIn)],
    ];
    return element(
        'dl',
        { class: 'figures' },
        ...rows.map(([name, value]) =>
            element(
                'div',
                {},
                element('dt', {}, name),
                element('dd', { class: value === null ? 'unknown' : null, 'data-figure': name }, count(value)),
            ),
        ),
    );
}

function since() {
    const starts = webhookLogs.map(log => log.counts?.counted_since).filter(s => s);
    if (starts.length === 0) return 'Nothing was counted yet.';
    const first = starts.reduce((a, b) => (at(a) < at(b) ? a : b));
    return `Webhooks, counted since ${time(first)}. Dead and waiting events are those of now.`;
}

const FIGURES = {
    duplicates: 'Call ids in several rows',
    directions: 'Other words for a direction',
    payload_average: 'The average payload is large',
    payload_largest: 'A payload is large',
    stuck_calls: 'Calls without news',
    refused_hour: 'Refused statuses in the last hour',
    refused_day: 'Refused statuses in the last day',
    unknown_words_hour: 'Unknown words in the last hour',
    unknown_words_day: 'Unknown words in the last day',
    unusable_bodies_hour: 'Unusable bodies in the last hour',
    unusable_bodies_day: 'Unusable bodies in the last day',
    pending: 'Pending events',
    oldest_pending: 'Events wait long',
    oldest_locked: 'Events wait for a locked row',
    oldest_snapshot: 'An old snapshot',
    consumer_behind: 'A consumer is behind',
    missing_workers: 'Kept workers are missing',
    waiting_places: 'No places to wait',
};

function todoItem(level, title, text) {
    return element(
        'li',
        { class: level },
        element('p', {}, element('strong', {}, title)),
        element('p', { class: 'do' }, ...text),
    );
}

// Figures of an hour and of a day are one fault. A server-wide figure is the same for each table.
function healthItems() {
    const seen = new Set();
    return worrying
        .filter(
            h =>
                !h.figure.endsWith('_day') ||
                !worrying.some(o => o.table === h.table && o.figure === h.figure.replace('_day', '_hour')),
        )
        .filter(h => {
            const key = ['oldest_snapshot', 'waiting_places'].includes(h.figure) ? h.figure : `${h.table} ${h.figure}`;
            return !seen.has(key) && seen.add(key);
        })
        .map(h =>
            todoItem(
                h.level === 'critical' ? 'bad' : 'warn',
                `${FIGURES[h.figure] ?? h.figure}: ${h.value === null ? 'not known' : many(h.value, h.unit.replace(/s$/, ''), h.unit)}, ${h.table}`,
                h.why ? [sentence(h.why)] : advice(`SELECT * FROM call_health('${h.table}').`),
            ),
        );
}

function attention() {
    const dead = causes.filter(c => c.state === 'dead');
    const items = [
        ...gaps.map(g =>
            todoItem('bad', `${g.relation ?? 'Everywhere'}: ${g.detail}`, g.advice ? advice(g.advice) : []),
        ),
        ...dead.map(c =>
            todoItem(
                'bad',
                `${many(c.events, 'dead event')} of ${c.log}, consumer ${c.consumer}: ${causeName(c)}`,
                advice(causeAdvice(c)),
            ),
        ),
        ...unknownParts.map(([name, part]) =>
            todoItem('warn', `Not in this report: ${name}`, [`SQLSTATE ${part.unknown}, ${meaning(part.unknown)}.`]),
        ),
        ...healthItems(),
    ];
    if (items.length === 0) return [paragraph(isEmpty ? 'There is nothing to count yet.' : 'Nothing needs attention.')];
    return [element('h3', {}, 'What needs attention'), element('ul', { class: 'todo' }, ...items)];
}

// -- events -----------------------------------------------------------------------------------------

function funnel(log) {
    const own = defaultOf(log);
    if (!isFine(log.counts) || log.counts.delivered === null) {
        return emptyChart(
            `funnel:${log.log}`,
            `${log.log}: what became of the webhooks`,
            isUnknown(log.counts)
                ? unreadable('The counts', log.counts)
                : 'The server has no memory left to count the events of this log.',
        );
    }
    const { delivered, redelivered, received, purged, counted_since } = log.counts;
    if (!counted_since) {
        return emptyChart(
            `funnel:${log.log}`,
            `${log.log}: what became of the webhooks`,
            'No webhook has been counted yet.',
        );
    }
    const steps = [
        ['delivered', delivered, ''],
        ['delivered again, and not appended', redelivered, 'gray'],
        ['appended to the log', received, ''],
        ['applied to a call', own?.applied, ''],
        ['without news', own?.unchanged, 'gray'],
        ['status refused', own?.refused, 'orange'],
        ['died', own?.died, 'red'],
        ...(own?.completed > 0 ? [['completed by clients', own.completed, '']] : []),
    ];
    const most = Math.max(...steps.map(([, n]) => n ?? 0)),
        isOlder = own?.applied + own?.unchanged + own?.refused > received;
    const summary =
        `Of ${many(delivered, 'delivery', 'deliveries')} since ${time(counted_since)}, ${count(redelivered)} came again. ` +
        `${many(own?.applied, 'event was', 'events were')} applied, ${count(own?.refused)} had a status that the table refused, and ${count(own?.died)} died.` +
        (isOlder ? ' Some of these came before the counts began.' : '') +
        (purged > 0 ? ` ${count(purged)} are purged.` : '');
    return element(
        'figure',
        { 'data-chart': `funnel:${log.log}` },
        element(
            'figcaption',
            {},
            element('h3', {}, `${log.log}: what became of the webhooks`),
            element('p', {}, summary),
        ),
        table(
            `What became of the webhooks of ${log.log}`,
            [['step'], ['events', 'number'], ['share', 'number'], ['share as a bar', 'bar']],
            steps.map(([name, n, shade]) => [
                name,
                count(n),
                n > 0 && n <= delivered ? share(n, delivered) : '',
                bar(n ?? 0, most, shade),
            ]),
            { stretch: true },
        ),
    );
}

// A value for each bin of the axis. Before the first kept event nothing is known, if events were purged.
function binned({ begins, ends, width }, rows, of, keptSince) {
    const first = at(begins),
        found = new Map(rows.map(row => [Math.round((at(row.at) - first) / width), row]));
    const bins = Math.max(1, Math.floor((at(ends) - first) / width) + 1);
    return Array.from({ length: bins }, (_, i) => {
        const row = found.get(i);
        return row ? of(row) : keptSince && first + (i + 1) * width <= at(keptSince) ? null : 0;
    });
}
function axisOf({ begins, ends, width }) {
    const first = at(begins),
        bins = Math.max(1, Math.floor((at(ends) - first) / width) + 1);
    const xs = Array.from({ length: bins }, (_, i) => first + i * width);
    return {
        xs,
        names: xs.map(x => binTime(x * 1000, width)),
        x: timeAxis(first, first + bins * width, width),
        head: `from, for ${each(width)}`,
    };
}

function noEvents(log) {
    const events = log.events;
    if (isUnknown(events)) return unreadable('The log', events);
    if (!events.has_times)
        return 'The log has no column with the time of receipt (received_at_column), so nothing is known over time.';
    if (events.rows_read === 0) {
        return log.counts?.purged > 0
            ? `The log is empty: all ${count(log.counts.purged)} events are purged.`
            : 'The log is empty: no event has been received yet.';
    }
    return `No event was received since ${time(report.starts)}. The newest one came ${time(events.newest)}.`;
}

function eventsOverTime(log) {
    const id = `events:${log.log}`,
        title = `${log.log}: events by the time of their receipt`,
        events = log.events;
    if (isUnknown(events) || events.bins.length === 0) return emptyChart(id, title, noEvents(log));
    const purgedUntil = log.counts?.purged > 0 ? events.oldest : null;
    const knows = events.bins.every(b => b.waiting !== null);
    const waiting = b => b.waiting ?? 0;
    const series = [
        {
            name: log.is_of_changes || !knows ? 'received' : 'taken by a worker',
            color: '--blue',
            of: b => b.received - b.ignored - b.without_call - waiting(b),
        },
        { name: 'waiting', color: '--orange', of: waiting },
        { name: 'without a call', color: '--red', of: b => b.without_call },
        { name: 'ignored by the settings', color: '--gray', of: b => b.ignored },
    ].map(s => ({ ...s, values: binned(report.axis, events.bins, s.of, purgedUntil) }));
    const all = sum(events.bins, b => b.received),
        most = events.bins.reduce((a, b) => (a.received >= b.received ? a : b));
    const summary =
        `${many(all, 'event')}${purgedUntil ? ' still kept,' : ''} since ${time(report.axis.begins)}, at most ${count(most.received)} in ${each(report.axis.width)} (${binTime(most.at, report.axis.width)}). ` +
        (log.is_of_changes
            ? 'This is a log of changes.'
            : knows
              ? `Waiting: ${count(sum(events.bins, waiting))}.`
              : 'The log was restored: how many of them wait is not known here.') +
        (purgedUntil && at(purgedUntil) > at(report.starts)
            ? ` Events from before ${time(purgedUntil)} are no longer kept.`
            : '') +
        (events.percentage ? ` Estimated from ${many(events.rows_read, 'row')}.` : '');
    return chart({ id, title, summary, series, ...axisOf(report.axis) });
}

function issuesOverTime() {
    const id = 'issues',
        title = 'What went wrong, by the time it happened',
        issues = report.issues;
    if (isUnknown(issues)) return emptyChart(id, title, unreadable('call_issues', issues));
    const dead = isFine(report.failures) ? report.failures.bins : [];
    if (issues.bins.length === 0 && dead.length === 0) {
        return emptyChart(
            id,
            title,
            issues.oldest
                ? `Nothing since ${time(report.starts)}.`
                : 'Nothing yet: no status was refused, no word was unknown, and no event died.',
        );
    }
    const series = KINDS.map(([kind, name, shade]) => ({
        name,
        color: shade,
        values: binned(
            report.axis,
            kind === 'dead_event'
                ? dead.map(b => ({ at: b.at, occurrences: b.dead }))
                : issues.bins.filter(b => b.kind === kind),
            b => b.occurrences,
            null,
        ),
    }));
    const summary = series
        .map(s => [s.name, sum(s.values, v => v)])
        .filter(([, n]) => n > 0)
        .map(([name, n]) => `${name}: ${count(n)}`)
        .join(', ');
    return chart({
        id,
        title,
        summary: `Since ${time(report.axis.begins)}, ${summary}.`,
        series,
        ...axisOf(report.axis),
    });
}

// -- lag --------------------------------------------------------------------------------------------

// Of percentiles with the same bound the highest one says all.
function percentiles(lag) {
    const bounds = [...new Set(lag.percentiles.map(p => p.up_to))].filter(b => b !== null);
    const parts = bounds.map(
        b => `${Math.max(...lag.percentiles.filter(p => p.up_to === b).map(p => p.percent))} % within ${duration(b)}`,
    );
    return [
        ...parts,
        ...(lag.percentiles.some(p => p.up_to === null) ? ['the slowest took more than 2.3 h'] : []),
    ].join(', ');
}

function lagChart(log, consumer) {
    const id = `lag:${log.log}:${consumer.consumer}`,
        lag = consumer.lag;
    const title = `${log.log}, consumer ${consumer.consumer}: from receipt to ${consumer.consumer === 'default' ? 'application' : 'the first claim'}`;
    if (!lag?.buckets || lag.events === null) return emptyChart(id, title, 'The server has no memory left to count.');
    if (lag.events === 0) return emptyChart(id, title, 'No event with a time of receipt has been counted yet.');
    const values = lag.buckets.map((b, i) => b.events - (i === 0 ? 0 : lag.buckets[i - 1].events));
    const first = values.findIndex(v => v > 0),
        last = values.reduce((k, v, i) => (v > 0 ? i : k), first);
    const from = Math.max(0, first - 1),
        to = Math.min(values.length, Math.max(last + 2, from + 8));
    const names = lag.buckets.slice(from, to).map(b => (b.up_to === null ? 'more' : `≤ ${duration(b.up_to)}`));
    return chart({
        id,
        title,
        summary: `${many(lag.events, 'event')} since ${time(consumer.counted_since)}: ${percentiles(lag)}.`,
        series: [{ name: 'events', color: '--blue', values: values.slice(from, to) }],
        xs: names.map((_, i) => i),
        names,
        head: 'lag',
        x: nameAxis(names.map(n => n.replace('≤ ', ''))),
        height: 200,
    });
}

// -- calls ------------------------------------------------------------------------------------------

const statusSeries = rows => {
    const words = [...new Set(rows.map(r => r.status))];
    const known = STATUSES.filter(([s]) => words.includes(s));
    const own = words.filter(w => w !== null && w !== 'other' && !STATUSES.some(([s]) => s === w)).sort();
    return [
        ...known,
        ...own.map((w, i) => [w, ['--gold', '--sky', '--green', '--red'][i % 4]]),
        ...(words.includes('other') ? [['other', '--gold']] : []),
        ...(words.includes(null) ? [[null, '--gray']] : []),
    ];
};
const statusName = s => (s === null ? 'no status' : s === 'other' ? 'another word' : s);
const directionName = d => (d === null ? 'unknown direction' : d === 'other' ? 'another word' : d);

function directionTable(name, rows) {
    const statuses = statusSeries(rows).map(([s]) => s),
        directions = ['inbound', 'outbound', 'other', null].filter(d => rows.some(r => r.direction === d));
    const cell = (s, d) =>
        sum(
            rows.filter(r => r.status === s && (d === undefined || r.direction === d)),
            r => r.calls,
        );
    return table(
        `${name}: all calls by status and direction`,
        [['status'], ...directions.map(d => [directionName(d), 'number']), ['calls', 'number']],
        [
            ...statuses.map(s => [statusName(s), ...directions.map(d => count(cell(s, d))), count(cell(s))]),
            [
                'all',
                ...directions.map(d =>
                    count(
                        sum(
                            rows.filter(r => r.direction === d),
                            r => r.calls,
                        ),
                    ),
                ),
                count(sum(rows, r => r.calls)),
            ],
        ],
        { showsCaption: true },
    );
}

function callsByHour(name, calls) {
    const rows = calls.bins.filter(b => b.at !== null),
        id = `calls:${name}`,
        title = `${name}: calls by the time of their beginning`;
    if (!calls.time_column)
        return [emptyChart(id, title, 'The table has no column started_at, created_at, last_event_at or updated_at.')];
    if (rows.length === 0) return [emptyChart(id, title, 'No row has a time yet.')];
    const first = rows[0].at,
        axis = { begins: first, ends: calls.newest, width: calls.width };
    const binsOf = some =>
        binned(
            axis,
            [...new Set(some.map(r => r.at))].map(t => ({
                at: t,
                calls: sum(
                    some.filter(r => r.at === t),
                    r => r.calls,
                ),
            })),
            b => b.calls,
            null,
        );
    const most = Math.max(
        ...['inbound', 'outbound', 'other', null].map(d => Math.max(0, ...binsOf(rows.filter(r => r.direction === d)))),
    );
    return ['inbound', 'outbound', 'other', null]
        .filter(d => rows.some(r => r.direction === d))
        .map(d => {
            const some = rows.filter(r => r.direction === d),
                series = statusSeries(rows).map(([s, shade]) => ({
                    name: statusName(s),
                    color: shade,
                    values: binsOf(some.filter(r => r.status === s)),
                }));
            const parts = series
                .map(s => [s.name, sum(s.values, v => v)])
                .filter(([, n]) => n > 0)
                .map(([n, v]) => `${count(v)} ${n}`)
                .join(', ');
            return chart({
                id: `${id}:${d}`,
                title: `${name}: ${directionName(d)}`,
                summary: `${many(
                    sum(some, r => r.calls),
                    'call',
                )} from ${time(first)} to ${time(calls.newest)}${calls.time_column === 'started_at' ? '' : `, by ${calls.time_column}`}: ${parts}.`,
                series,
                most,
                ...axisOf(axis),
            });
        });
}

function callsOf({ table: name, calls }) {
    if (isUnknown(calls)) return [emptyChart(`calls:${name}`, name, unreadable('The table', calls))];
    if (calls.rows_read === 0) return [emptyChart(`calls:${name}`, name, 'The table is empty: no call has come yet.')];
    return [
        element('div', { class: 'panels' }, ...callsByHour(name, calls)),
        directionTable(name, calls.bins),
        calls.percentage ? paragraph(`Estimated from ${many(calls.rows_read, 'row')}.`, 'note') : null,
    ];
}

// -- payloads ---------------------------------------------------------------------------------------

function bodiesOf(log) {
    const id = `bodies:${log.log}`,
        title = `${log.log}: bodies before and after the sanitizer`,
        bodies = log.bodies;
    if (isUnknown(bodies)) return [emptyChart(id, title, unreadable('The bodies', bodies))];
    if (bodies.bodies === 0) return [emptyChart(id, title, 'The log has no body yet.')];
    const { before, after, changes } = bodies,
        most = Math.max(0, ...changes.map(c => c.saved));
    const difference =
        after <= before
            ? `${share(before - after, before)} less`
            : `${share(after - before, before)} more, for the records of the sanitizer`;
    const summary =
        `The newest ${many(bodies.bodies, 'body', 'bodies')} of the log, sanitized as the calls table does: ${size(before)} become ${size(after)}, ` +
        `${difference}. The largest one has ${size(bodies.largest_before)} before and at most ${size(bodies.largest_after)} are left of any.`;
    return [
        element(
            'figure',
            { 'data-chart': id },
            element('figcaption', {}, element('h3', {}, title), element('p', {}, summary)),
            table(
                'Bytes as text',
                [['bodies'], ['bytes', 'number'], ['average', 'number'], ['bytes as a bar', 'bar']],
                [
                    [
                        'as they came',
                        size(before),
                        size(before / bodies.bodies),
                        bar(before, Math.max(before, after), 'gray'),
                    ],
                    [
                        'as they are stored',
                        size(after),
                        size(after / bodies.bodies),
                        bar(after, Math.max(before, after), ''),
                    ],
                ],
                { stretch: true },
            ),
            changes.length > 0
                ? table(
                      'What went, by the rule that took it',
                      [
                          ['rule'],
                          ['what happened'],
                          ['values', 'number'],
                          ['bytes saved', 'number'],
                          ['saved, as a bar', 'bar'],
                      ],
                      changes.map(c => [
                          element('code', {}, c.reason ?? 'all others'),
                          (c.action ?? '')
                              .split(', ')
                              .map(a => ACTIONS[a] ?? a)
                              .join(', '),
                          count(c.values),
                          size(Math.max(0, c.saved)),
                          bar(Math.max(0, c.saved), most, ''),
                      ]),
                      { stretch: true, showsCaption: true },
                  )
                : null,
        ),
    ];
}

function storedTable() {
    const rows = report.tables.filter(t => isFine(t.calls)).map(t => [t.table, t.calls.stored]);
    const cells = s =>
        s === null
            ? ['no payload column', '', '', '', '', '', '']
            : [
                  count(s.payloads),
                  size(s.bytes),
                  s.largest === null ? '' : size(s.largest),
                  count(s.dropped),
                  count(s.masked),
                  count(s.truncated),
                  count(s.shed),
              ];
    return [
        element('h3', {}, 'Payloads in the tables of calls'),
        paragraph(
            'Bytes are as stored, compressed. The last four columns add up what the records of the payloads say. Payloads above 2000 bytes are not read for them.',
            'note',
        ),
        table(
            'Payloads in the tables of calls',
            [
                ['table'],
                ['payloads', 'number'],
                ['bytes', 'number'],
                ['largest', 'number'],
                ['values dropped', 'number'],
                ['masked', 'number'],
                ['cut short', 'number'],
                ['dropped for space', 'number'],
            ],
            rows.map(([name, s]) => [name, ...cells(s)]),
        ),
    ];
}

// -- failures, words and gaps -----------------------------------------------------------------------

function causesTable() {
    if (isUnknown(report.failures)) return [paragraph(unreadable('Dead and retrying events', report.failures))];
    if (causes.length === 0)
        return [
            paragraph(
                webhookLogs.length > 0
                    ? 'No event is dead, retrying or blocked.'
                    : 'There is no event log, so no event can fail.',
            ),
        ];
    return [
        paragraph(
            'The texts of errors are not shown, since they may quote a body. The views call_dead_events and call_retrying_events have them.',
            'note',
        ),
        table(
            'Dead, retrying and blocked events by cause',
            [
                ['cause'],
                ['state', 'time'],
                ['events', 'number'],
                ['log and consumer'],
                ['since', 'time'],
                ['what to do', 'wide'],
            ],
            causes.map(c => [
                causeName(c),
                c.state,
                count(c.events),
                `${c.log}, ${c.consumer}`,
                time(c.first),
                element('span', {}, ...advice(causeAdvice(c))),
            ]),
        ),
    ];
}

const kept = issues =>
    issues.oldest && at(issues.oldest) > at(report.starts) ? ` Issues are kept since ${time(issues.oldest)}.` : '';

function wordsTable() {
    const issues = report.issues;
    if (isUnknown(issues)) return [paragraph(unreadable('call_issues', issues))];
    const hidden = report.shows_words ? 'more, not listed' : 'not shown to a monitor';
    const rows = issues.words.map(w => [
        w.word ?? hidden,
        w.kind.replace('unknown_', ''),
        count(w.occurrences),
        w.provider ?? 'none set',
        w.client ?? 'no name',
        time(w.last),
    ]);
    if (isEmpty) return [paragraph('There is no hardened table and no event log yet.')];
    return rows.length === 0
        ? [paragraph(`Every word for a direction or a status was known.${kept(issues)}`)]
        : [
              paragraph(
                  `The nearest known word may be a setting away: harden_calls(…, provider => …).${kept(issues)}`,
                  'note',
              ),
              table(
                  'Unknown words by provider and client',
                  [['word'], ['for a', 'time'], ['times', 'number'], ['provider'], ['client'], ['last seen', 'time']],
                  rows,
                  { showsCaption: true },
              ),
              issues.more_words > 0 ? paragraph(`And ${many(issues.more_words, 'more row')}.`, 'note') : null,
          ];
}

function stepsTable() {
    const issues = report.issues;
    if (isUnknown(issues) || isEmpty) return [];
    if (issues.steps.length === 0) return [paragraph('No status was refused.')];
    return [
        table(
            'Refused statuses',
            [['from'], ['to', 'time'], ['times', 'number'], ['table'], ['client'], ['last seen', 'time']],
            issues.steps.map(s => [
                s.old ?? (report.shows_words ? 'more, not listed' : 'not shown'),
                s.new ?? '',
                count(s.occurrences),
                s.table_name,
                s.client ?? 'no name',
                time(s.last),
            ]),
            { showsCaption: true },
        ),
        issues.more_steps > 0 ? paragraph(`And ${many(issues.more_steps, 'more row')}.`, 'note') : null,
    ];
}

function enforcement() {
    if (isUnknown(report.enforcement)) return [paragraph(unreadable('call_enforcement', report.enforcement))];
    if (report.enforcement.length === 0) return [paragraph('There is no hardened table and no event log yet.')];
    const rows = [...gaps, ...notes].map(g => [
        g.relation ?? 'everywhere',
        g.level,
        g.detail,
        element('span', {}, ...advice(g.advice ?? '')),
    ]);
    return [
        paragraph(
            gaps.length === 0
                ? `Every row written to ${many(enforced.length, 'relation')} passes the rules.`
                : `${many(gaps.length, 'gap')}: rows can pass by the rules, or are not written at all.`,
        ),
        rows.length > 0
            ? table(
                  'Gaps and notes',
                  [['relation'], ['level', 'time'], ['what it is', 'wide'], ['what to do', 'wide']],
                  rows,
              )
            : null,
        enforced.length > 0 ? paragraph(`Without a gap: ${enforced.map(e => e.relation).join(', ')}.`, 'note') : null,
    ];
}

// -- the life of a call -----------------------------------------------------------------------------

const STORIES = {
    dead: 'The last call with a dead event',
    retrying: 'The call that has waited longest for a retry',
    refused: 'The last call with a refused status',
};

function step(event, before) {
    const gap =
        before?.received_at && event.received_at
            ? `${duration(at(event.received_at) - at(before.received_at))} later`
            : exactTime(event.received_at) || 'time not known';
    const facts = [
        event.attempts > 0 ? many(event.attempts, 'attempt') : null,
        event.worker ? `worker ${event.worker}` : null,
        event.settled_after !== null && event.settled_after !== undefined
            ? `settled after ${duration(event.settled_after)}`
            : null,
        event.sqlstate ? `SQLSTATE ${event.sqlstate}: ${meaning(event.sqlstate)}` : null,
        event.new ? `the table refused ${event.old ?? 'no status'} to ${event.new}` : null,
    ].filter(f => f);
    return element(
        'li',
        { class: STATES[event.state] || null },
        element('p', { class: 'what' }, `${event.type ?? 'event'}: ${event.state}`),
        element('p', { class: 'note' }, [gap, ...facts].join(' · ')),
    );
}

function life() {
    const call = report.call;
    if (isUnknown(call)) return [paragraph(unreadable('The timeline', call))];
    if (call === null)
        return [
            element(
                'p',
                {},
                'No call has a dead, a retrying or a refused event. To see the events of a call, name it: ',
                element('code', {}, 'report.sh\u00a0--call\u00a0ID'),
                '.',
            ),
        ];
    const events = call.events ?? [];
    const name = call.kind === 'named' ? `Call ${call.call_id}` : STORIES[call.kind];
    if (events.length === 0)
        return [
            paragraph(
                call.kind === 'named'
                    ? `${name} has no event in any log.`
                    : `${name} has no event in its log any more.`,
            ),
        ];
    const shown = events.slice(0, 60);
    return [
        paragraph(
            `${name}, in ${call.log} for consumer ${call.consumer}: ${many(events.length, 'event')}, the first ${time(events[0].received_at)}.`,
        ),
        element('ol', { class: 'life', 'data-chart': 'call' }, ...shown.map((e, i) => step(e, shown[i - 1]))),
        events.length > shown.length
            ? paragraph(`And ${many(events.length - shown.length, 'more event')}.`, 'note')
            : null,
    ];
}

// -- the page ---------------------------------------------------------------------------------------

function limits() {
    const samples = [
        ...report.logs.filter(l => l.events?.percentage).map(l => l.log),
        ...report.tables.filter(t => t.calls?.percentage).map(t => t.table),
    ];
    return [
        `Events, issues and dead events since ${time(report.starts)}. Calls of the same time up to the newest one. Times are in ${zone}.`,
        samples.length > 0
            ? `Estimated from a sample, since they have more than 256 MB: ${samples.join(', ')}. report.sh --exact reads all of them.`
            : 'Every log and table was read in full.',
        'Redeliveries have no time of their own: only their number since the beginning of the counts is known. A body, a phone number, a secret or the text of an error is not in this file.',
        `PostgreSQL ${report.server}, callhardening ${report.version}. The figures took ${duration(report.seconds)}. Charts: uPlot, MIT license.`,
    ];
}

begin();
section('glance', 'At a glance', webhookLogs.length > 0 ? [figureList(), paragraph(since(), 'note')] : [], attention());
section(
    'events',
    'Events',
    report.logs.length === 0
        ? [emptyChart('events', 'No event log', 'There is no event log yet, so there is nothing to count.')]
        : [...webhookLogs.map(funnel), ...report.logs.map(eventsOverTime)],
    issuesOverTime(),
);
section(
    'lag',
    'Lag',
    report.logs.length === 0
        ? [paragraph('There is no event log yet.')]
        : [
              element(
                  'div',
                  { class: 'panels' },
                  ...report.logs.flatMap(log => consumersOf(log).map(c => lagChart(log, c))),
              ),
          ],
);
section(
    'calls',
    'Calls',
    report.tables.length === 0 ? [paragraph('There is no hardened table yet.')] : report.tables.map(callsOf),
);
section(
    'payloads',
    'Payloads',
    webhookLogs.map(bodiesOf),
    report.tables.length > 0 ? storedTable() : [paragraph('There is no hardened table yet.')],
);
section('failures', 'Failures', causesTable());
section('words', 'Refusals and unknown words', wordsTable(), stepsTable());
section('enforcement', 'Enforcement', enforcement());
section('call', 'The life of a call', life());
document.getElementById('limits').append(...limits().map(t => paragraph(t)));
charts.forEach(figure => figure.draw());
redraw();
