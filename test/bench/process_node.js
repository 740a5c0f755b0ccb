// The older pipeline: it claims 50 events with SKIP LOCKED. For each of them it reads the call's status, decides, writes the
// call and marks the event. Prepared statements, no sanitizer.
//
//   node process_node.js autocommit    each statement by itself, as such workers do: the locks end before the work begins
//   node process_node.js transaction   a transaction for each batch, as they should
//
// Works on node.webhook_events until no event is left. Prints processor nanoseconds of its session in the server and of
// itself.

'use strict';

const { Client } = require('pg');

const STATUS = {
    calling: 'ringing', ringing: 'ringing', preanswer: 'ringing', parked: 'active', hold: 'active', connected: 'active',
    hangup: 'ended', missed: 'missed', rejected: 'rejected', voicemail: 'voicemail', voicemail_uploaded: 'voicemail',
};
const NEXT = {
    ringing: ['active', 'ended', 'missed', 'rejected', 'voicemail'],
    active: ['ended', 'voicemail'],
};
const DIRECTION = { inbound: 'inbound', incoming: 'inbound', outbound: 'outbound', outgoing: 'outbound' };

const time = (value) => value === undefined || value === null ? null : new Date(Number(value));
const seconds = (value) => value === undefined || value === null ? null : Math.round(Number(value) / 1000);

const CLAIM = { name: 'claim', text: `SELECT id, payload FROM node.webhook_events WHERE processed_at IS NULL
    ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED` };
const UPSERT = `INSERT INTO node.calls (dialpad_call_id, direction, status, from_number, to_number, dialpad_user_id, started_at,
        connected_at, ended_at, duration_seconds, recording_url, is_voicemail, raw_payload)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (dialpad_call_id) DO UPDATE SET direction = coalesce(EXCLUDED.direction, calls.direction),
        status = coalesce(EXCLUDED.status, calls.status), from_number = coalesce(EXCLUDED.from_number, calls.from_number),
        to_number = coalesce(EXCLUDED.to_number, calls.to_number), dialpad_user_id = coalesce(EXCLUDED.dialpad_user_id, calls.dialpad_user_id),
        started_at = coalesce(EXCLUDED.started_at, calls.started_at), connected_at = coalesce(EXCLUDED.connected_at, calls.connected_at),
        ended_at = coalesce(EXCLUDED.ended_at, calls.ended_at), duration_seconds = coalesce(EXCLUDED.duration_seconds, calls.duration_seconds),
        recording_url = coalesce(EXCLUDED.recording_url, calls.recording_url), is_voicemail = coalesce(EXCLUDED.is_voicemail, calls.is_voicemail),
        raw_payload = EXCLUDED.raw_payload`;

function allowed(current, next) {
    return next === null || current === null || current === next || (NEXT[current] ?? []).includes(next);
}

async function apply(client, event) {
    const body = event.payload;
    if (body.call_id === undefined)
        return;
    const found = await client.query({ name: 'status', text: 'SELECT status FROM node.calls WHERE dialpad_call_id = $1', values: [body.call_id] });
    let status = STATUS[body.state] ?? null;
    if (!allowed(found.rows[0]?.status ?? null, status))
        status = null;
    const direction = DIRECTION[String(body.direction).toLowerCase()] ?? null;
    const [from, to] = direction === 'outbound' ? [body.internal_number, body.external_number] : [body.external_number, body.internal_number];
    await client.query({ name: 'upsert', text: UPSERT, values: [body.call_id, direction, status, from, to,
        body.target?.type === 'user' ? body.target.id : null, time(body.date_started), time(body.date_connected), time(body.date_ended),
        seconds(body.talk_time ?? body.duration), body.recording_url?.[0] ?? null, body.state === 'voicemail' ? true : null, JSON.stringify(body)] });
}

async function main() {
    const transaction = process.argv[2] === 'transaction';
    const client = new Client();
    await client.connect();
    for (;;) {
        if (transaction)
            await client.query('BEGIN');
        const { rows } = await client.query(CLAIM);
        for (const event of rows) {
            await apply(client, event);
            await client.query({ name: 'mark', text: 'UPDATE node.webhook_events SET processed_at = now() WHERE id = $1', values: [event.id] });
        }
        if (transaction)
            await client.query('COMMIT');
        if (rows.length === 0)
            break;
    }
    const { rows: [used] } = await client.query("SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1) AS time");
    const { user, system } = process.cpuUsage();
    console.log(`${used.time}\n${(user + system) * 1000}`);
    await client.end();
}

main().catch((error) => {
    console.error(error.code, error.message);
    process.exit(1);
});
