#!/usr/bin/env node
// This worker sends each event to another system.
//
//   npm install pg
//   TARGET=https://crm.example.com/calls CONSUMER=crm node worker.js      PGHOST, PGDATABASE, ... name the database
'use strict';
const { Client } = require('pg');

const LEASE = '30 seconds'; // longer than the work for one event
const RENEW_AFTER = 10000; // milliseconds
const POLL_AFTER = 5000; // milliseconds; retries and expired claims send no notification
const CONSUMER = process.env.CONSUMER ?? null; // null: shares the events with process_call_events
const WORKER = `worker.js on ${require('os').hostname()}, pid ${process.pid}`;

// Before any claim: each failed delivery would cost an event an attempt.
async function checkTarget() {
    if (!process.env.TARGET) throw new Error('TARGET is not set: it is the URL that events are sent to');
    const { protocol } = new URL(process.env.TARGET);
    if (!['http:', 'https:'].includes(protocol)) throw new Error(`TARGET is no URL of a web server: ${protocol}`);
    try {
        await fetch(process.env.TARGET, { method: 'HEAD', signal: AbortSignal.timeout(20000) }); // any answer will do
    } catch (error) {
        throw new Error(`TARGET cannot be reached: ${error.cause?.message ?? error.message}`);
    }
}

// The work for one event. If this worker dies before it completes the claim, the work is done twice: hence the key.
async function handle(event) {
    const response = await fetch(process.env.TARGET, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': event.event_seq },
        body: JSON.stringify(event.payload),
        signal: AbortSignal.timeout(20000),
    });
    if (!response.ok) throw new Error(`the target answered ${response.status}`);
}

// pg returns claim ids and sequence numbers (bigint) as strings. Keep them: a number has only 53 bits.
async function renew(db, claims) {
    for (const claim of [...claims]) {
        const { rows } = await db.query('SELECT renew_call_claim($1, $2) AS lease_end', [claim, LEASE]);
        if (rows[0].lease_end === null) claims.delete(claim); // another worker has its events
    }
}

async function processBatch(db, events) {
    const claims = new Set(events.map((event) => event.claim_id));
    const failedCalls = new Set();
    let renewedAt = Date.now();
    for (const event of events) {
        if (Date.now() - renewedAt > RENEW_AFTER) {
            await renew(db, claims);
            renewedAt = Date.now();
        }
        if (!claims.has(event.claim_id) || failedCalls.has(event.call_id)) continue;
        try {
            await handle(event);
        } catch (error) {
            failedCalls.add(event.call_id); // skip its later events, they are blocked
            const { rows } = await db.query('SELECT fail_call_event($1, $2, $3) AS outcome',
                [event.claim_id, event.event_seq, error.message]);
            console.log(`event ${event.event_seq}: ${error.message}: ${rows[0].outcome}`);
        }
    }
    console.log(`${events.length} events of ${claims.size} claims are done`);
    return [...claims];
}

async function complete(db, done) {
    const { rows } = await db.query('SELECT * FROM complete_call_events($1)', [done]);
    const completed = rows.filter((row) => row.outcome === 'completed').length;
    console.log(`${completed} of ${rows.length} claims completed`);
}

// Completes the claims that are done and claims the next events, in one commit. If one claim is lost (55000), nothing
// has happened. Then the others are completed by themselves.
async function next(db, done) {
    try {
        const { rows } = await db.query('SELECT * FROM claim_call_events(100, $1, $2, complete => $3, consumer => $4)',
            [LEASE, WORKER, done, CONSUMER]);
        if (done.length > 0) console.log(`${done.length} of ${done.length} claims completed`);
        return rows;
    } catch (error) {
        if (error.code !== '55000' || done.length === 0) throw error;
        await complete(db, done);
        return next(db, []);
    }
}

async function main() {
    await checkTarget();
    let stopping = false, wake = () => {};
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { stopping = true; wake(); });
    const db = new Client();
    db.on('notification', () => wake());
    await db.connect();
    const channel = await db.query('SELECT call_event_log_channel() AS name');
    await db.query(`LISTEN ${db.escapeIdentifier(channel.rows[0].name)}`);
    let done = []; // claims that are done, and not completed yet
    while (!stopping) {
        const awake = new Promise((resolve) => { wake = resolve; }); // created first, so that no notification is missed
        const events = await next(db, done);
        done = events.length > 0 ? await processBatch(db, events) : [];
        if (events.length > 0) continue;
        const timer = setTimeout(() => wake(), POLL_AFTER);
        await awake;
        clearTimeout(timer);
    }
    if (done.length > 0) await complete(db, done);
    await db.end();
}

main().catch((error) => {
    console.error(error.message);
    process.exit(1);
});
