#!/usr/bin/env bash
# Verifying the HMAC of a webhook (Zoom's scheme, with the headers of a request), and hmac() of pgcrypto over the same bytes.
# Prints a markdown table with the lowest times.
#
#   test/bench/signature.sh            runs on the server that libpq finds (PGHOST, PGUSER, ...), as a superuser
#
# ROUNDS
set -euo pipefail

: "${ROUNDS:=400}"
database=callhardening_bench_signature
run() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }

run -d postgres -c "DROP DATABASE IF EXISTS $database" -c "CREATE DATABASE $database"
trap 'run -d postgres -c "DROP DATABASE IF EXISTS $database"' EXIT
export PGDATABASE=$database
run <<'SQL'
CREATE EXTENSION callhardening;
CREATE EXTENSION pgcrypto;
CREATE TABLE webhook (size int, body bytea, headers jsonb, signed bytea);
-- not toasted: both functions would detoast it
ALTER TABLE webhook ALTER body SET STORAGE PLAIN, ALTER signed SET STORAGE PLAIN;
CREATE FUNCTION webhook(size int) RETURNS webhook LANGUAGE sql AS $$
    SELECT size, body, jsonb_build_object('host', 'example.com', 'content-type', 'application/json', 'user-agent', 'a sender',
            'content-length', size::text, 'x-zm-request-timestamp', '1788256940', 'x-zm-signature',
            'v0=' || encode(hmac('v0:1788256940:'::bytea || body, 'a secret of thirty-two bytes: 32', 'sha256'), 'hex')),
        'v0:1788256940:'::bytea || body
    FROM convert_to(rpad('{"event": "phone.callee_ended", "payload": "', size - 2, 'x') || '"}', 'UTF8') AS body $$;
-- Both loops in turns, over values in memory, for some milliseconds each. The lowest time is that without other work on the
-- machine. The document of the scheme is a value as well, as a log's is.
CREATE FUNCTION compare(size int, rounds int, calls int, OUT verify interval, OUT hmac interval) LANGUAGE plpgsql AS $$
DECLARE
    w webhook := webhook(size);
    body bytea := w.body;
    headers jsonb := w.headers;
    signed bytea := w.signed;
    scheme jsonb := call_signature_scheme('zoom_phone');
    sent timestamptz := to_timestamp(1788256940);
    flaw text;
    mac bytea;
    t0 timestamptz;
    t1 timestamptz;
BEGIN
    FOR round IN 1 .. rounds LOOP
        t0 := clock_timestamp();
        FOR i IN 1 .. calls LOOP
            flaw := check_call_signature(body, headers, 'a secret of thirty-two bytes: 32', scheme, NULL, sent);
        END LOOP;
        t1 := clock_timestamp();
        FOR i IN 1 .. calls LOOP
            mac := hmac(signed, 'a secret of thirty-two bytes: 32', 'sha256');
        END LOOP;
        verify := least(verify, t1 - t0);
        hmac := least(hmac, clock_timestamp() - t1);
    END LOOP;
    IF flaw IS NOT NULL OR mac IS NULL THEN
        RAISE 'not valid: %', flaw;
    END IF;
END
$$;
SQL

echo "| body | verify, µs | pgcrypto, µs | ratio |"
echo "|---|---|---|---|"
for size in 1024 4096 65536 1048576; do
    calls=$((1048576 / size + 1))
    run -c "SELECT format('| %s | %s | %s | %s |', $size, round(1e6 * extract(epoch FROM verify) / $calls, 2),
            round(1e6 * extract(epoch FROM hmac) / $calls, 2), round(extract(epoch FROM verify) / extract(epoch FROM hmac), 2))
        FROM compare($size, $ROUNDS, $calls)"
done
