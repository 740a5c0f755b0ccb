// Elements, tables and charts. A chart has a caption with its numbers in words, a legend, a picture and a data table.

function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
    }
    made.append(...children.filter(child => child !== null && child !== undefined && child !== ''));
    return made;
}

const hidden = text => element('span', { class: 'hidden' }, text);

// columns: [heading, kind], with the kinds number, time, wide and bar; the first column of a row is its heading. A
// caption that repeats the heading before it is for screen readers only.
function table(caption, columns, rows, { stretch = false, showsCaption = false } = {}) {
    const head = columns.map(([text, kind]) =>
        element('th', { scope: 'col', class: kind === 'number' ? kind : null }, kind === 'bar' ? hidden(text) : text),
    );
    const body = rows.map(row =>
        element(
            'tr',
            {},
            ...row.map((cell, i) => {
                const kind = columns[i][1];
                if (i === 0 && !kind) return element('th', { scope: 'row' }, cell);
                return element('td', { class: kind }, cell);
            }),
        ),
    );
    const made = element(
        'table',
        { class: stretch ? 'stretch' : null },
        element('caption', { class: showsCaption ? null : 'hidden' }, caption),
        element('thead', {}, element('tr', {}, ...head)),
        element('tbody', {}, ...body),
    );
    // A table that is wider than the screen scrolls, also by keyboard.
    return element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption }, made);
}

function bar(value, most, color) {
    if (!(value > 0)) return '';
    const made = element('span', { class: color, 'aria-hidden': 'true' });
    made.style.width = `${(100 * value) / most}%`;
    return made;
}

const disclosed = (label, content) => element('details', {}, element('summary', {}, label), content);

// -- colours ----------------------------------------------------------------------------------------

const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const drawn = []; // every chart, to be drawn again for another scheme, width or medium
const redraw = width =>
    drawn.forEach(({ chart, host, height }) => {
        chart.setSize({ width: Math.max(200, Math.floor(width ?? host.clientWidth)), height });
        chart.redraw(false, true);
    });

// The canvas keeps its pixels on paper, and a printer has more of them than a screen.
window.devicePixelRatio = Math.max(2, window.devicePixelRatio);
const PAPER = 640; // pixels of A4 and of Letter, within the margins
function forPaper(isPaper) {
    document.documentElement.classList.toggle('paper', isPaper);
    redraw(isPaper ? PAPER : undefined);
}
window.addEventListener('beforeprint', () => forPaper(true));
window.addEventListener('afterprint', () => forPaper(false));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => redraw());
let resizing;
window.addEventListener('resize', () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => redraw(), 80);
});

// -- stacked bars -----------------------------------------------------------------------------------

// Sums from the bottom up: the highest bar is drawn first, and the lower ones in front of it.
function stacked(series) {
    const sums = [];
    series.forEach(({ values }, k) => {
        sums.push(values.map((value, i) => (value === null ? null : value + (k === 0 ? 0 : (sums[k - 1][i] ?? 0)))));
    });
    return sums.reverse();
}

function timeLabels(splits, step) {
    let day = null;
    return splits.map(split => {
        if (step < 1 && !Number.isInteger(split)) return ''; // a label has whole seconds: else neighbours have the same
        const today = formatted(split * 1000, DAY);
        const clock = formatted(split * 1000, step < 60 ? { ...CLOCK, second: '2-digit' } : CLOCK);
        const isNew = today !== day;
        day = today;
        return step >= 86400 ? today : isNew ? `${clock}\n${today}` : clock;
    });
}

const axis = more => ({
    stroke: () => color('--soft'),
    font: '13px system-ui, sans-serif',
    ticks: { show: false },
    ...more,
});

function options(series, x, { height, most }) {
    return {
        width: 200,
        height,
        legend: { show: false },
        padding: [8, 28, 0, 0],
        ...x.options,
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
        scales: { x: x.scale, y: { range: (chart, low, high) => [0, Math.max(most ?? high ?? 1, 1)] } },
        axes: [
            axis({ grid: { show: false }, size: 44, ...x.axis }),
            axis({
                grid: { stroke: () => color('--grid'), width: 1 },
                size: 58,
                values: (chart, splits) => splits.map(s => (Number.isInteger(s) ? s.toLocaleString('en-GB') : '')),
            }),
        ],
        series: [
            {},
            ...[...series].reverse().map(s => ({
                label: s.name,
                fill: () => color(s.color),
                stroke: () => color('--page'),
                width: 0.5,
                points: { show: false },
                paths: uPlot.paths.bars({ size: [0.86, 60], align: x.align }),
            })),
        ],
    };
}

// The time axis is in seconds. Bars begin at their times.
const timeAxis = (begins, ends, width) => ({
    align: 1,
    scale: { time: true, range: [begins, Math.max(ends, begins + width)] },
    options: { tzDate: at => uPlot.tzDate(new Date(at * 1000), zone) },
    axis: { space: 64, values: (chart, splits, i, space, step) => timeLabels(splits, step) },
});

const nameAxis = names => ({
    align: 0,
    scale: { time: false, range: [-0.6, names.length - 0.4] },
    options: {},
    axis: {
        space: 56,
        incrs: [1, 2, 3, 4, 6, 8],
        values: (chart, splits) => splits.map(s => names[s] ?? ''),
    },
});

// spec: id, title, summary, series [{name, color, values}], xs, names (of the xs), x (an axis), head (of the names), note
function chart(spec) {
    const series = spec.series.filter(s => s.values.some(v => v > 0));
    const shown = series.length > 0 ? series : spec.series.slice(0, 1);
    const host = element('div', { class: 'plot', role: 'img', 'aria-label': `${spec.title}. ${spec.summary}` });
    const readout = element('p', { class: 'readout', 'aria-hidden': 'true' });
    const legend = shown.map(s => {
        const swatch = element('span', { class: 'swatch' });
        swatch.style.background = `var(${s.color})`;
        return element('li', {}, swatch, s.name);
    });
    const rows = spec.xs
        .map((x, i) => [spec.names[i], ...shown.map(s => (s.values[i] === null ? 'not kept' : count(s.values[i])))])
        .filter((row, i) => shown.some(s => s.values[i] !== 0));
    const figure = element(
        'figure',
        { 'data-chart': spec.id },
        element('figcaption', {}, element('h3', {}, spec.title), element('p', {}, spec.summary)),
        shown.length > 1 ? element('ul', { class: 'legend' }, ...legend) : null,
        host,
        readout,
        disclosed('Data table', table(spec.title, [[spec.head], ...shown.map(s => [s.name, 'number'])], rows)),
    );
    const height = spec.height ?? 220;
    const settings = options(shown, spec.x, { height, most: spec.most });
    settings.hooks = {
        setCursor: [
            ({ cursor: { idx } }) => {
                readout.textContent =
                    idx === null || idx === undefined
                        ? ''
                        : `${spec.names[idx]}: ${shown.map(s => `${s.values[idx] === null ? 'not kept' : count(s.values[idx])} ${s.name}`).join(', ')}`;
            },
        ],
    };
    figure.draw = () => {
        const made = new uPlot(settings, [spec.xs, ...stacked(shown)], host);
        drawn.push({ chart: made, host, height });
    };
    return figure;
}

// A place for a chart, if there is nothing to draw: it says why.
const emptyChart = (id, title, why) =>
    element(
        'figure',
        { 'data-chart': id, 'data-empty': '' },
        element('figcaption', {}, element('h3', {}, title), element('p', {}, why)),
    );
