// Opens the reports in Chromium: network, console, charts, axe, keyboard, narrow screen, paper.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
const require = createRequire(process.env.NODE_PATH ? `${process.env.NODE_PATH.split(':')[0]}/x.js` : import.meta.url);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const place = process.argv[2];
const expected = JSON.parse(readFileSync(`${place}/expected.json`, 'utf8'));
let number = 0,
    failed = 0;
function check(what, is, ...more) {
    console.log(`${is ? 'ok' : 'not ok'} ${++number} - ${what}`);
    if (!is) {
        failed++;
        more.forEach(m => console.log(`# ${typeof m === 'string' ? m : JSON.stringify(m)}`));
    }
}
const equals = (what, found, wanted) =>
    check(what, JSON.stringify(found) === JSON.stringify(wanted), { found, wanted });

// The pages are our own, and a container may have no place for a sandbox.
const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});

async function open(name, { scheme = 'light', width = 1280, height = 900 } = {}) {
    const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height } });
    const page = await context.newPage();
    page.faults = [];
    // The checks themselves read the pixels.
    page.on(
        'console',
        m =>
            ['error', 'warning'].includes(m.type()) &&
            !m.text().includes('willReadFrequently') &&
            page.faults.push(m.text()),
    );
    page.on('pageerror', e => page.faults.push(String(e)));
    page.on('request', r => r.url() === `file://${place}/${name}.html` || page.faults.push(`request of ${r.url()}`));
    page.on('dialog', d => {
        page.faults.push('a dialog');
        d.dismiss();
    });
    await page.goto(`file://${place}/${name}.html`);
    await page.waitForTimeout(150);
    return page;
}

// What a reader of tables sees: for each chart the sum of its columns, and whether its picture has colour.
const chartsOf = page =>
    page.$$eval('figure[data-chart]', figures =>
        figures.map(figure => {
            const canvas = figure.querySelector('canvas');
            const numbers = row =>
                [...row.querySelectorAll('td.number')].map(td => Number(td.textContent.replace(/,/g, '')));
            const rows = [...figure.querySelectorAll('table tbody tr')].map(numbers);
            const pixels = canvas?.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            const colours = new Set();
            for (let i = 0; pixels && i < pixels.length; i += 4) {
                if (pixels[i + 3] === 255) colours.add(`${pixels[i]},${pixels[i + 1]},${pixels[i + 2]}`);
            }
            return {
                id: figure.dataset.chart,
                isEmpty: 'empty' in figure.dataset,
                rows,
                colours: colours.size,
                caption: figure.querySelector('figcaption h3')?.textContent,
                summary: figure.querySelector('figcaption p')?.textContent,
                label: figure.querySelector('[role=img]')?.getAttribute('aria-label') ?? null,
                hasCanvas: Boolean(canvas),
            };
        }),
    );
const sums = chart => chart.rows.reduce((a, row) => row.map((n, i) => n + (a[i] ?? 0)), []);
const sum = chart => sums(chart).reduce((a, b) => a + b, 0);

async function findings(page) {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
    return violations.map(
        v =>
            `${v.id}: ${v.nodes
                .map(n => n.target.join(' '))
                .slice(0, 3)
                .join(', ')}`,
    );
}

for (const name of ['report_of_traffic', 'report_of_nothing', 'report_of_tables']) {
    for (const scheme of name === 'report_of_traffic' ? ['light', 'dark'] : ['dark']) {
        const page = await open(name, { scheme });
        await page.$$eval('details', all =>
            all.forEach(d => {
                d.open = true;
            }),
        );
        equals(`${name}, ${scheme}: axe finds nothing, with all tables open`, await findings(page), []);
        equals(`${name}, ${scheme}: no error, no warning, no request`, page.faults, []);
        if (process.env.KEEP) await page.screenshot({ path: `${place}/${name}-${scheme}.png`, fullPage: true });
        await page.context().close();
    }
}

// -- the numbers ------------------------------------------------------------------------------------

const page = await open('report_of_traffic');
const charts = await chartsOf(page);
const chart = id => charts.find(c => c.id === id) ?? { rows: [] };
equals(
    'each chart has a caption and numbers in words',
    charts.filter(c => !c.caption || !c.summary || (!c.isEmpty && !/\d/.test(c.summary))).map(c => c.id),
    [],
);
equals(
    'each picture has colours, a label and a table',
    charts
        .filter(c => c.hasCanvas && (c.colours < 3 || !c.label?.includes(c.summary) || c.rows.length === 0))
        .map(c => c.id),
    [],
);
check(
    'there are pictures',
    charts.filter(c => c.hasCanvas).length >= 6,
    charts.map(c => c.id),
);
equals('events over time', sum(chart('events:public.call_events')), expected['events:public.call_events']);
equals('waiting events', await page.$eval('[data-figure=waiting]', e => Number(e.textContent)), expected.waiting);
equals(
    'the funnel',
    chart('funnel:public.call_events').rows.map(r => r[0]),
    expected['funnel:public.call_events'],
);
equals('the lag', sum(chart('lag:public.call_events:default')), expected['lag:public.call_events:default']);
equals('issues and dead events', sum(chart('issues')), expected.issues);
equals(
    'calls',
    Object.fromEntries(Object.keys(expected.calls).map(d => [d, sum(chart(`calls:public.calls:${d}`))])),
    expected.calls,
);
equals('changes', sum(chart('events:public.call_changes')), expected.changes);
equals('dead events at a glance', await page.$eval('[data-figure=dead]', e => Number(e.textContent)), expected.dead);
equals(
    'failures by cause',
    await page.$$eval('#failures tbody tr', rows =>
        rows.reduce((n, r) => n + Number(r.querySelector('td.number').textContent), 0),
    ),
    expected.failures,
);
equals(
    'gaps, with what to do',
    await page.$$eval(
        '#enforcement tbody tr',
        rows => rows.filter(r => r.children[1].textContent === 'gap' && r.querySelector('code')).length,
    ),
    expected.gaps,
);
equals(
    'the headline counts gaps and dead events',
    await page.textContent('h1'),
    `${expected.gaps} gap in enforcement, ${expected.dead} events need attention.`,
);
check(
    'bytes before the sanitizer',
    (await page.textContent('[data-chart="bodies:public.call_events"] figcaption p')).includes('% less'),
);
check('the life of a call', (await page.$$eval('#call ol.life li', l => l.length)) > 0);
equals(
    'names are text',
    [
        await page.$$eval('img, main b', e => e.length),
        (await page.textContent('main')).includes('<img src=x onerror=alert(1)>'),
    ],
    [0, true],
);

const text = readFileSync(`${place}/report_of_traffic.html`, 'utf8');
equals('no body, number, secret or error is in the file', text.match(/canary|4155550\d\d\d|4eC39/gi) ?? [], []);
check(
    'the policy of the file allows nothing inline but by its hash, and no network',
    /content="default-src 'none'; style-src 'sha256-[^ ]+'; script-src 'sha256-[^ ]+' 'sha256-[^ ]+'; base/.test(text),
);
equals(
    'and no address but that of uPlot',
    [...new Set(text.match(/https?:\/\/[\w./]+/g))],
    ['https://github.com/leeoniya/uPlot'],
);

// -- keyboard ---------------------------------------------------------------------------------------

const focused = () =>
    page.evaluate(() => {
        const e = document.activeElement;
        return e === document.body
            ? null
            : `${e.tagName} ${e.getAttribute('href') ?? e.getAttribute('aria-label') ?? e.textContent}`;
    });
await page.keyboard.press('Tab');
equals('the first stop skips to the report', await focused(), 'A #main');
await page.keyboard.press('Enter');
await page.waitForTimeout(100);
equals('and it does', await page.evaluate(() => document.activeElement.id), 'main');
await page.evaluate(() => {
    document.activeElement.blur();
    window.getSelection().removeAllRanges();
    scrollTo(0, 0);
});
const wanted = await page.$$eval(
    'a[href], summary, [tabindex="0"]',
    all => all.filter(e => e.checkVisibility()).length,
);
const stops = [];
await page.reload();
for (let i = 0; i < wanted + 5; i++) {
    await page.keyboard.press('Tab');
    const stop = await focused();
    if (stop === null) break;
    stops.push(stop);
}
equals('every link, table and summary is a stop, once', stops.length, wanted);
await page.focus('figure summary');
await page.keyboard.press('Enter');
check(
    'a key opens a table',
    await page.$eval('figure details', d => d.open && d.querySelector('table').checkVisibility()),
);

// -- what is not known ------------------------------------------------------------------------------

const unreadable = await open('report_of_an_unreadable_log');
equals(
    'what waits in an unreadable log is not known',
    await unreadable.$eval('[data-figure=waiting]', e => e.textContent),
    'not known',
);
check(
    'and the first lines say so',
    (await unreadable.textContent('#lead')).includes('How many events wait for a worker is not known.'),
    await unreadable.textContent('#lead'),
);

// -- narrow, paper ----------------------------------------------------------------------------------

const narrow = await open('report_of_traffic', { width: 390, height: 844 });
equals('390 pixels are wide enough', await narrow.evaluate(() => document.documentElement.scrollWidth), 390);
equals(
    'and its charts are',
    (await chartsOf(narrow)).filter(c => c.hasCanvas && c.colours < 3).map(c => c.id),
    [],
);
if (process.env.KEEP) await narrow.screenshot({ path: `${place}/narrow.png`, fullPage: true });

const dark = await open('report_of_traffic', { scheme: 'dark' });
const blue = target =>
    target.$eval('[data-chart="events:public.call_events"] canvas', canvas => {
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        for (let i = 0; i < pixels.length; i += 4)
            if (pixels[i] === 0x1f && pixels[i + 1] === 0x6f && pixels[i + 2] === 0xb2) return true;
        return false;
    });
equals('a dark screen has other colours', await blue(dark), false);
await dark.evaluate(() => {
    window.addEventListener('beforeprint', () => {
        window.printed = document.querySelector('canvas').toDataURL();
    });
});
const pdf = await dark.pdf({ path: process.env.KEEP ? `${place}/print.pdf` : undefined, preferCSSPageSize: true });
check('it prints', pdf.subarray(0, 5).toString() === '%PDF-' && pdf.length > 50000, pdf.length);
check('the charts were drawn again for paper', await dark.evaluate(() => Boolean(window.printed)));
await dark.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
await dark.waitForTimeout(50);
equals('paper is light', await blue(dark), true);
await dark.evaluate(() => window.dispatchEvent(new Event('afterprint')));
await dark.waitForTimeout(50);
equals('and the screen dark again', await blue(dark), false);
equals('none of it logs an error', [...page.faults, ...narrow.faults, ...dark.faults], []);

await browser.close();
console.log(`1..${number}`);
process.exit(failed > 0 ? 1 : 0);
