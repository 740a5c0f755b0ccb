// A worker that listens: claims, writes a row for each event, and completes, in one transaction.

'use strict';

const { Client } = require('pg');

async function main() {
    const client = new Client();
    await client.connect();
    let wake = () => {};
    client.on('notification', () => wake());
    const { rows: [{ channel }] } = await client.query('SELECT call_event_log_channel() AS channel');
    await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
    for (;;) {
        const woken = new Promise((resolve) => { wake = resolve; });
        for (;;) {
            const { rowCount } = await client.query(`
                WITH claimed AS MATERIALIZED (SELECT claim_id, call_id FROM claim_call_events(1000)),
                completed AS MATERIALIZED (SELECT FROM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM claimed)))
                INSERT INTO applied SELECT call_id::bigint FROM claimed, (SELECT count(*) FROM completed) AS c`);
            if (rowCount === 0)
                break;
        }
        await Promise.race([woken, new Promise((resolve) => { setTimeout(resolve, 5000); })]);
    }
}

main().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
});
