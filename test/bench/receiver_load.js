// Webhooks of 20 connections: receiver_load.js URL SECONDS. Prints the rate, the 99th percentile in milliseconds and the number.

'use strict';

const autocannon = require('autocannon');

const [url, seconds] = process.argv.slice(2);
let call = Date.now() * 1000;

// Each webhook is another event.
function withBody(request) {
    return { ...request, body: JSON.stringify({ event: 'call.created', token: 'a made-up token', data: { id: ++call } }) };
}

autocannon({ url, connections: 20, duration: Number(seconds), requests: [{ method: 'POST', setupRequest: withBody }] })
    .then(({ requests, latency, non2xx, errors }) => {
        if (non2xx + errors > 0) throw new Error(`${non2xx} answers without success, ${errors} errors`);
        console.log(requests.average, latency.p99, requests.total);
    })
    .catch((error) => {
        console.error(error.message);
        process.exitCode = 1;
    });
