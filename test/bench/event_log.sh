# queue.sh, process.sh, ingest.sh and others source this file: a database of their own, and tables of the rounds' results.

set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
client=$here/../../build/bench/queue_client
files=$(mktemp -d)
database=callhardening_bench_$$
holder=

export PGOPTIONS="${PGOPTIONS:-} -c client_min_messages=error -c search_path=public"
server_database=${PGDATABASE:-postgres}

run() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
# For filling only, not for measured statements.
fast() { PGOPTIONS="$PGOPTIONS -c synchronous_commit=off" run "$@"; }

clean_up() {
    let_go
    PGDATABASE=$server_database run -c "DROP DATABASE IF EXISTS $database WITH (FORCE)"
    rm -rf "$files"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

create_database() {
    run -d "$server_database" -c "CREATE DATABASE $database TEMPLATE template0"
    export PGDATABASE=$database
    run -c "CREATE EXTENSION callhardening SCHEMA public"
}

# hold CLIENTS SQL: opens transactions until let_go.
hold() {
    mkfifo "$files/hold"
    "$client" hold "$@" <"$files/hold" >"$files/held" &
    holder=$!
    exec {hold_end}>"$files/hold"
    until grep -q holding "$files/held"; do
        kill -0 $holder
        sleep 0.1
    done
}

let_go() {
    [ -n "$holder" ] || return 0
    exec {hold_end}>&-
    wait $holder || true
    holder=
    rm -f "$files/hold"
}

# The WAL position, in bytes.
wal_position() { run -c "SELECT pg_current_wal_insert_lsn() - '0/0'"; }

calculate() { awk "BEGIN { printf \"%.${2:-0}f\", $1 }"; }
lowest() { sort -g | head -n 1; }
highest() { sort -g | tail -n 1; }
median() { sort -g | awk '{ value[NR] = $1 } END { printf "%s", NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'; }

# Each result is a file in $files with one line for each round. ratios A B: A / B, round by round.
ratios() { paste "$files/$1" "$files/$2" | awk '$2 > 0 { print $1 / $2 }'; }

# ratio A B: the median of the rounds' ratios and their spread
ratio() { printf '%.2f (%.2f to %.2f)' "$(ratios "$1" "$2" | median)" "$(ratios "$1" "$2" | lowest)" "$(ratios "$1" "$2" | highest)"; }

# rate A: the median
rate() { printf '%.0f' "$(median <"$files/$1")"; }

# measure_session FILE SQL: milliseconds, and in cpu_FILE processor milliseconds of the session.
measure_session() {
    run -v statement="$2" >"$files/measured_$1" <<'SQL'
SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint AS before, clock_timestamp() AS start \gset
:statement;
SELECT extract(epoch FROM clock_timestamp() - :'start') * 1000,
    (split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint - :before) / 1e6;
SQL
    tail -n 1 "$files/measured_$1" | cut -d'|' -f1 >>"$files/$1"
    tail -n 1 "$files/measured_$1" | cut -d'|' -f2 >>"$files/cpu_$1"
}

# Installs packages into a temporary directory, unless NODE_PATH has them.
install_node_packages() {
    if ! node -e 'process.argv.slice(1).forEach((name) => require.resolve(name))' "$@" 2>/dev/null; then
        npm install --silent --no-audit --no-fund --prefix "$files" "$@" >/dev/null
        export NODE_PATH=$files/node_modules
    fi
    echo "node $(node --version), $(for name; do node -p "'$name ' + JSON.parse(fs.readFileSync(require('path').join(
        require.resolve('$name').split('node_modules')[0], 'node_modules/$name/package.json'))).version"; done |
        paste -sd, | sed 's/,/, /g')."
    echo
}

# time_of A [DIGITS]: the median
time_of() { printf "%.${2:-1}f" "$(median <"$files/$1")"; }

settings() {
    echo "$(run -c "SHOW server_version"):" \
        "$(run -c "SELECT string_agg(name || ' ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
        WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'wal_compression', 'shared_buffers',
            'max_wal_size', 'autovacuum', 'jit')")."
    echo "$(nproc) processors, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), load $(cut -d' ' -f1 /proc/loadavg)."
    echo
}
