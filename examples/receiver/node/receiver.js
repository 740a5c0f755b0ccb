#!/usr/bin/env node
// Receives webhooks over HTTP. The database checks their signatures and keeps them. docs/receiver.md has the settings.
//
//   npm install
//   WEBHOOKS='{"dialpad": {"log": "public.call_events"}}' node receiver.js     PGHOST, PGDATABASE, ... name the database
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Metrics } from './metrics.js';
import { Spool } from './spool.js';

const { env } = process;
const HOST = env.HOST ?? '127.0.0.1';
const PORT = Number(env.PORT ?? 8080);
const BODY_BYTES = Number(env.BODY_BYTES ?? 1_000_000);
const POOL_SIZE = Number(env.POOL_SIZE ?? 10);
const REQUESTS = Number(env.REQUESTS ?? 100); // at a time: bounds the queue for the pool, and the memory of bodies
const SPOOL_BYTES = Number(env.SPOOL_BYTES ?? 100_000_000);
const DRAIN_SECONDS = Number(env.DRAIN_SECONDS ?? 3); // a balancer needs them to see that this receiver stops
const STOP_SECONDS = Number(env.STOP_SECONDS ?? 20);

// Zoom waits 3 seconds for an answer, Dialpad 5.
const CONNECT_MS = 1000;
const STATEMENT_MS = 1500;
const RETRY_AFTER = '5'; // seconds

// A sender chooses the path. The name of a log comes from here, never from a path.
const webhooks = new Map(Object.entries(JSON.parse(env.WEBHOOKS ?? '{}')));
const spool = env.SPOOL ? new Spool(env.SPOOL, SPOOL_BYTES) : null;
const metrics = new Metrics(spool);
let stopping = false;

// Never a body, a header or a query: they have numbers and secrets.
function log(level, event, fields) {
    process.stdout.write(`${JSON.stringify({ time: new Date(), level, event, ...fields })}\n`);
}

// What is answered instead of 200, and why.
class Refusal extends Error {
    constructor(status, { cause, headers } = {}) {
        super(`answered with ${status}`, { cause });
        Object.assign(this, { status, headers });
    }

    // The server's messages of these classes can quote a value.
    fields() {
        const code = this.cause?.code;
        return { code, message: /^(22|23|P0)/.test(code) ? undefined : this.cause?.message };
    }
}

// ---- the database ------------------------------------------------------------------------------------------

const db = new pg.Pool({
    application_name: 'call receiver',
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_MS, // includes the wait for a free connection
    statement_timeout: STATEMENT_MS,
    query_timeout: STATEMENT_MS + 500, // if the network is gone, the server's timeout does not arrive
    keepAlive: true,
});
db.on('connect', (client) => client.on('error', () => {})); // else a broken connection would end this process
db.on('error', () => {}); // the pool replaces a broken idle connection

// One statement is one transaction. pg fulfills its promise after the commit. By its name it is prepared once for each
// connection: planning costs more than the rest.
const INGEST = {
    name: 'ingest',
    text: `
        WITH handshake AS MATERIALIZED (SELECT answer_call_handshake($1, $2, $3, $4::text::regclass) AS answer)
        SELECT answer, CASE WHEN answer IS NULL THEN ingest_call_webhook($1, $2, $3, $4::text::regclass) END AS event
        FROM handshake`,
};

// A log without a secret would refuse each webhook, and so would a standby.
const READY = {
    name: 'ready',
    text: `
        SELECT current_setting('transaction_read_only') = 'off' AND bool_and(signed IS TRUE) AS ready
        FROM unnest($1::text[]) AS name LEFT JOIN call_event_logs ON events = to_regclass(name)`,
};

// By what a second delivery could change. docs/receiver.md has the table.
function statusOf({ severity, code }) {
    if (!severity || /^(08|25006|40|53|55P|57|58)/.test(code)) return 503; // the database is away, busy or a standby
    if (code === '28000') return 401;
    if (code === '22004') return 500; // the setting `url` is missing
    if (code.startsWith('54')) return 413;
    if (/^2[23]/.test(code)) return 400; // the table of the log refuses this body, and would refuse it again
    return 500;
}

async function query(statement, values) {
    const client = await db.connect().catch((cause) => {
        throw new Refusal(503, { cause }); // also for 28000: here it is a refused login
    });
    try {
        const { rows } = await client.query({ ...statement, values });
        client.release();
        return rows[0];
    } catch (cause) {
        client.release(!cause.severity || /^(08|25006|57P)/.test(cause.code)); // true closes it: a standby stays one
        throw new Refusal(statusOf(cause), { cause });
    }
}

// A restart of the server breaks connections, and two deliveries can deadlock. So a webhook has a second try, if its
// provider still waits. If the first try was committed, the second one finds the event.
async function ingest({ webhook, body, headers, url }) {
    const values = [body, JSON.stringify(headers), url, webhooks.get(webhook).log];
    const started = performance.now();
    try {
        return await query(INGEST, values);
    } catch (refusal) {
        if (refusal.status !== 503 || performance.now() - started > CONNECT_MS) throw refusal;
        return query(INGEST, values);
    }
}

async function isReady() {
    if (stopping) return false;
    const all = [...webhooks.values()];
    try {
        const { ready } = await query(READY, [all.map((webhook) => webhook.log)]);
        if (!ready) log('warning', 'database not ready', { message: 'a log is missing or has no secret, or this is a standby' });
        return ready;
    } catch (refusal) {
        log('warning', 'database not ready', refusal.fields());
        return all.every((webhook) => webhook.spool) && spool.hasRoom();
    }
}

// ---- requests ----------------------------------------------------------------------------------------------

function checkRequest({ method, headers }) {
    if (method !== 'POST') throw new Refusal(405, { headers: { allow: 'POST' } });
    if (headers['content-encoding'] !== undefined) throw new Refusal(415); // signatures are of the plain bytes
    if (Number(headers['content-length']) > BODY_BYTES) throw new Refusal(413);
    if (metrics.inFlight > REQUESTS) throw new Refusal(503);
}

// The bytes as they came: a body that was parsed and written again has another signature.
async function readBody(request) {
    const parts = [];
    let bytes = 0;
    for await (const part of request) {
        bytes += part.length;
        if (bytes <= BODY_BYTES) parts.push(part); // the rest is read, and forgotten: else nobody reads the answer
    }
    if (bytes > BODY_BYTES) throw new Refusal(413);
    return Buffer.concat(parts);
}

// RingCentral expects the answer in a header, Zoom as JSON, Microsoft as text.
function answerHandshake(answer, { headers }) {
    if (headers['validation-token'] !== undefined) return { status: 200, headers: { 'validation-token': answer } };
    const type = answer.startsWith('{') ? 'application/json' : 'text/plain';
    return { status: 200, headers: { 'content-type': type }, text: answer };
}

async function receive(request, webhook, search) {
    checkRequest(request);
    const { url, spool: mayKeep } = webhooks.get(webhook);
    const delivery = {
        webhook,
        body: await readBody(request),
        headers: request.headersDistinct,
        url: url === undefined ? null : url + search, // a proxy changes the host, so the setting has it
    };
    try {
        const { answer, event } = await ingest(delivery);
        return answer === null ? { status: 200, fields: { event_seq: event } } : answerHandshake(answer, request);
    } catch (refusal) {
        if (refusal.status < 500 || !mayKeep || !(await spool.keep(delivery))) throw refusal;
        return { status: 202, fields: refusal.fields() };
    }
}

async function answer(request, path, search) {
    const webhook = path.replace(/^\/webhooks\//, '');
    if (webhook !== path && webhooks.has(webhook)) return receive(request, webhook, search);
    if (path === '/healthz') return { status: stopping ? 503 : 200 };
    if (path === '/readyz') return { status: (await isReady()) ? 200 : 503 };
    if (path === '/metrics') return { status: 200, headers: { 'content-type': Metrics.TYPE }, text: metrics.text() };
    throw new Refusal(404);
}

async function handle(request, response) {
    const started = performance.now();
    const [, path, search] = /^([^?]*)(.*)$/s.exec(request.url);
    metrics.inFlight += 1;
    const { status, headers, text = '', fields } = await answer(request, path, search).catch((error) => {
        const status = request.complete ? 500 : 499; // the sender has gone, or was cut off: nobody reads this
        const refusal = error instanceof Refusal ? error : new Refusal(status, { cause: error });
        return { status: refusal.status, headers: refusal.headers, fields: refusal.fields() };
    });
    metrics.inFlight -= 1;
    if (status === 503) response.setHeader('retry-after', RETRY_AFTER);
    if (stopping) response.setHeader('connection', 'close');
    response.writeHead(status, { 'content-length': Buffer.byteLength(text), ...headers }).end(text);
    if (!path.startsWith('/webhooks/')) return;
    const name = path.slice('/webhooks/'.length);
    const webhook = webhooks.has(name) ? name : 'unknown'; // a sender must not add to metrics, nor write to the log
    const seconds = (performance.now() - started) / 1000;
    metrics.count(webhook, status, seconds);
    log(status < 300 ? 'info' : 'warning', 'webhook', { webhook, status, seconds: Number(seconds.toFixed(4)), ...fields });
}

// ---- the spool ---------------------------------------------------------------------------------------------

// Webhooks that were answered with 202. The pass ends if the database is away.
async function ingestSpooled(delivery) {
    try {
        if (!webhooks.has(delivery.webhook)) return false;
        await ingest(delivery);
        metrics.drained += 1;
    } catch (refusal) {
        if (refusal.status === 503) throw refusal;
        if (refusal.status === 500) return false; // until the mistake is mended
        metrics.dropped += 1;
        log('warning', 'spooled webhook dropped', { webhook: delivery.webhook, ...refusal.fields() });
    }
    return true;
}

async function drainSpool() {
    while (!stopping) {
        await spool.drain(ingestSpooled).catch((error) => {
            if (!(error instanceof Refusal)) log('error', 'spool not readable', { code: error.code ?? error.name });
        });
        await sleep(1000, undefined, { ref: false });
    }
}

// ---- the life of the process -------------------------------------------------------------------------------

const server = createServer({
    headersTimeout: 5_000, // a slow sender holds a connection
    requestTimeout: 10_000,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 75_000, // longer than the proxy's: else a request meets a connection that is being closed
}, handle);
server.maxConnections = 1000;

// First the balancer sees 503 in /readyz, and each answer closes its connection. Then nobody is left to be cut off.
async function stop(signal) {
    if (stopping) return;
    stopping = true;
    log('info', 'stopping', { signal });
    setTimeout(() => process.exit(1), STOP_SECONDS * 1000).unref();
    await sleep(DRAIN_SECONDS * 1000);
    await new Promise((resolve) => { server.close(resolve); server.closeIdleConnections(); });
    await db.end();
    log('info', 'stopped', {});
    process.exit(0);
}

for (const [name, webhook] of webhooks) {
    if (typeof webhook.log !== 'string') throw new Error(`WEBHOOKS: ${name} has no log`);
    if (webhook.spool && !spool) throw new Error(`WEBHOOKS: ${name} has a spool, and SPOOL names no directory`);
}
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, stop);
await spool?.open();
if (spool) drainSpool();
server.listen(PORT, HOST, () => log('info', 'listening', { host: HOST, port: server.address().port }));
