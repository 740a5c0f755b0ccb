// One worker in node claims and completes events: by callhardening's functions, or by the libraries themselves.
//
//   node queue_node.js ours|graphile|pgboss EVENTS BATCH      prints events/s
//
// callhardening uses the filled event log bench.call_events. The libraries first get EVENTS jobs. graphile-worker gets batches
// from its local queue and completes finished jobs together. Its tasks are called one by one.

'use strict';

const { Pool } = require('pg');

const [system, eventsText, batchText] = process.argv.slice(2);
const events = Number(eventsText), batch = Number(batchText);
const pool = new Pool({ max: 4 });
pool.on('error', () => {});
pool.on('connect', (client) => client.on('error', () => {}));
const seconds = (start) => Number(process.hrtime.bigint() - start) / 1e9;
const sql = async (text, values) => (await pool.query(text, values)).rows;
const jobs = 'SELECT number, payload FROM bodies(1, $1, 300)';

async function ours() {
    const client = await pool.connect();
    const start = process.hrtime.bigint();
    let done = 0;
    while (done < events) {
        const { rows } = await client.query({ name: 'claim', text:
            "SELECT claim_id, event_seq, call_id, event_type, attempt, received_at, payload FROM claim_call_events($1, log => 'bench.call_events')",
            values: [batch] });
        if (rows.length === 0)
            break;
        const ids = [...new Set(rows.map((row) => row.claim_id))];
        await client.query({ name: 'complete', text: 'SELECT claim_id, outcome FROM complete_call_events($1)', values: [ids] });
        done += rows.length;
    }
    const rate = done / seconds(start);
    client.release();
    return rate;
}

async function graphile() {
    const { run, runMigrations } = require('graphile-worker');
    const logger = new (require('graphile-worker').Logger)(() => () => {});
    await sql('DROP SCHEMA IF EXISTS graphile_worker CASCADE');
    await runMigrations({ pgPool: pool, logger });
    await sql(`SELECT count(graphile_worker.add_job('bench', payload::json)) FROM (${jobs}) AS job`, [events]);
    await sql('VACUUM (ANALYZE) graphile_worker._private_jobs');
    let done = 0, start, finished;
    const all = new Promise((resolve) => { finished = resolve; });
    const preset = { worker: batch === 1 ? { concurrentJobs: 1 } : { concurrentJobs: batch, localQueue: { size: batch }, completeJobBatchDelay: 0 } };
    const task = () => {
        start ??= process.hrtime.bigint();
        if (++done === events)
            finished();
    };
    const runner = await run({ pgPool: pool, logger, noHandleSignals: true, taskList: { bench: task }, preset });
    await all;
    const rate = done / seconds(start);
    await runner.stop();
    return rate;
}

async function pgboss() {
    const PgBoss = require('pg-boss');
    await sql('DROP SCHEMA IF EXISTS pgboss CASCADE');
    const boss = new PgBoss({ db: { executeSql: (text, values) => pool.query(text, values) }, supervise: false, schedule: false });
    await boss.start();
    await boss.createQueue('bench');
    const rows = await sql(jobs, [events]);
    for (let i = 0; i < rows.length; i += 1000)
        await boss.insert(rows.slice(i, i + 1000).map((row) => ({ name: 'bench', data: row.payload })));
    await sql('VACUUM (ANALYZE)');
    const start = process.hrtime.bigint();
    let done = 0;
    while (done < events) {
        const fetched = await boss.fetch('bench', { batchSize: batch });
        if (fetched.length === 0)
            break;
        await boss.complete('bench', fetched.map((job) => job.id));
        done += fetched.length;
    }
    const rate = done / seconds(start);
    await boss.stop({ graceful: false });
    return rate;
}

({ ours, graphile, pgboss })[system]().then(async (rate) => {
    console.log(rate.toFixed(1));
    await pool.end().catch(() => {});
    process.exit(0);
}, (error) => {
    console.error(error);
    process.exit(1);
});
