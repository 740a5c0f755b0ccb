// Counts for Prometheus. All names begin with callhardening_receiver_.
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export class Metrics {
    static TYPE = 'text/plain; version=0.0.4; charset=utf-8';
    #requests = new Map(); // labels and their count
    #buckets = new Map(BUCKETS.map((bound) => [bound, 0]));
    #seconds = 0;
    #spool;
    inFlight = 0;
    drained = 0;
    dropped = 0;

    constructor(spool) { this.#spool = spool; }

    count(webhook, code, seconds) {
        const labels = `{webhook="${webhook}",code="${code}"}`;
        this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
        this.#seconds += seconds;
        for (const bound of BUCKETS) if (seconds <= bound) this.#buckets.set(bound, this.#buckets.get(bound) + 1);
    }

    #histogram() {
        const total = [...this.#requests.values()].reduce((sum, count) => sum + count, 0);
        const buckets = [...this.#buckets, ['+Inf', total]].map(([bound, count]) => [`_bucket{le="${bound}"}`, count]);
        return [...buckets, ['_sum', this.#seconds], ['_count', total]];
    }

    text() {
        const families = [
            ['requests_total', 'counter', 'Webhooks by answer.', [...this.#requests]],
            ['request_duration_seconds', 'histogram', 'Time from the headers of a webhook to its answer.', this.#histogram()],
            ['requests_in_flight', 'gauge', 'Requests without an answer yet.', [['', this.inFlight]]],
            ['spool_files', 'gauge', 'Webhooks on disk that wait for the database.', [['', this.#spool?.files ?? 0]]],
            ['spool_bytes', 'gauge', 'Their bytes.', [['', this.#spool?.bytes ?? 0]]],
            ['spool_drained_total', 'counter', 'Webhooks from the spool that the database has.', [['', this.drained]]],
            ['spool_dropped_total', 'counter', 'Webhooks from the spool that it refused.', [['', this.dropped]]],
        ];
        return families.map(([name, type, help, samples]) => `# HELP callhardening_receiver_${name} ${help}\n`
            + `# TYPE callhardening_receiver_${name} ${type}\n`
            + samples.map(([labels, value]) => `callhardening_receiver_${name}${labels} ${value}\n`).join('')).join('');
    }
}
