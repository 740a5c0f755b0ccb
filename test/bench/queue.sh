#!/usr/bin/env bash
# Claiming and completing: the event log against a textbook table and PgQ by one client program, and against graphile-worker
# and pg-boss by node. All run on the server that libpq finds (PGHOST, PGUSER, ...), with its durability. Prints markdown tables
# of medians, and the ratios of rounds with one system directly after the other. The floor is not a queue: two durable commits
# and the rows, as every queue needs them.
#
#   make build/bench/queue_client && test/bench/queue.sh [part ...]    parts: batches next held backlogs clients polls node
#
# ROUNDS, and the size of a round (smaller for a try):
#   EVENTS (batches of 100)  SINGLE_EVENTS (batches of 1)  HELD_EVENTS and HELD_SECONDS (the time limit for a peer)
#   BACKLOGS and BACKLOG_EVENTS  CLIENTS and SWEEP_EVENTS  OPEN_EVENTS (of the open insert)  POLLS  NODE_EVENTS
#
# Needs a superuser, and the extensions callhardening and pgq on the server (without pgq its columns stay empty). The part
# `node` needs the packages pg, graphile-worker and pg-boss in NODE_PATH, otherwise it installs them into a temporary directory.
. "$(dirname "$0")/event_log.sh"

: "${ROUNDS:=3}" "${EVENTS:=100000}" "${SINGLE_EVENTS:=3000}" "${HELD_EVENTS:=1000000}" "${HELD_SECONDS:=120}"
: "${BACKLOGS:=1000 100000 5000000}" "${BACKLOG_EVENTS:=20000}" "${CLIENTS:=2 4 8 16 32 64}" \
    "${SWEEP_EVENTS:=200000}" "${OPEN_EVENTS:=300000}" "${POLLS:=2000}"
: "${NODE_EVENTS:=20000}"

systems="ours textbook"

# prepare SYSTEM SCHEMA CLIENTS EVENTS BYTES BATCH: creates the tables and fills them with a tenth more than the work.
prepare() {
    local system=$1 schema=$2 clients=$3 bytes=$5 batch=$6 last=$(($4 + $4 / 10 + $3 * $6))
    # Before filling. After a checkpoint each page that a peer updates would be written to the WAL in full.
    run -c "CHECKPOINT"
    case ${system/next/ours} in
    ours | textbook | floor)
        system=${system/next/ours}
        fast -c "CALL create_$system('$schema')" -c "CALL fill_$system('$schema', 1, $last, $bytes)"
        ;;
    pgq) fast -c "CALL create_pgq($clients)" -c "CALL fill_pgq($clients, 1, $last, $bytes, $batch)" ;;
    esac
    run -c "VACUUM (ANALYZE)"
    # The kernel would otherwise write its dirty pages during the first commits.
    sync
}

# work SYSTEM SCHEMA BATCH CLIENTS EVENTS SECONDS: prints the line of the client.
work() { "$client" run "$@"; }

field() { cut -d' ' -f"$1"; }

# -- batches -------------------------------------------------------------------------------------

part_batches() {
    local bytes batch clients events round system name lsn line
    echo "| claim and complete, events/s | ours | textbook | PgQ | ours / textbook | ours / PgQ | server's us per event: ours |" \
        "textbook | PgQ | textbook / ours | PgQ / ours | WAL bytes per event: ours | textbook | PgQ | floor, events/s |" \
        "floor / textbook | floor / PgQ | ours / floor |"
    echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    for bytes in 300 2000; do
        for batch in 100 1; do
            events=$EVENTS
            [ $batch = 100 ] || events=$SINGLE_EVENTS
            for clients in 1 2 8; do
                for ((round = 0; round < ROUNDS; ++round)); do
                    for system in $systems floor; do
                        name=batches_${system}_${bytes}_${batch}_$clients
                        prepare "$system" bench "$clients" "$events" "$bytes" "$batch"
                        lsn=$(wal_position)
                        line=$(work "$system" bench "$batch" "$clients" "$events" 60)
                        echo $((($(wal_position) - lsn) / $(field 1 <<<"$line"))) >>"$files/wal_$name"
                        field 2 <<<"$line" >>"$files/$name"
                        field 6 <<<"$line" >>"$files/cpu_$name"
                    done
                done
                batches_row
            done
        done
    done
    echo
}

batches_row() {
    local point=${bytes}_${batch}_$clients
    echo "| $bytes B, batches of $batch, $clients clients | $(rate "batches_ours_$point") | $(rate "batches_textbook_$point") |" \
        "$(if_pgq rate "batches_pgq_$point") | $(ratio "batches_ours_$point" "batches_textbook_$point") |" \
        "$(if_pgq ratio "batches_ours_$point" "batches_pgq_$point") | $(time_of "cpu_batches_ours_$point") |" \
        "$(time_of "cpu_batches_textbook_$point") | $(if_pgq time_of "cpu_batches_pgq_$point") |" \
        "$(ratio "cpu_batches_textbook_$point" "cpu_batches_ours_$point") |" \
        "$(if_pgq ratio "cpu_batches_pgq_$point" "cpu_batches_ours_$point") | $(rate "wal_batches_ours_$point") |" \
        "$(rate "wal_batches_textbook_$point") | $(if_pgq rate "wal_batches_pgq_$point") |" \
        "$(rate "batches_floor_$point") | $(ratio "batches_floor_$point" "batches_textbook_$point") |" \
        "$(if_pgq ratio "batches_floor_$point" "batches_pgq_$point") | $(ratio "batches_ours_$point" "batches_floor_$point") |"
}

if_pgq() { case $systems in *pgq*) "$@" ;; esac }

# -- completing with the next claim --------------------------------------------------------------

part_next() {
    local batch clients events round system point
    echo "| 300 B, events/s | claims and completions apart | together (complete =>) | together / apart | floor | apart / floor |" \
        "together / floor | server's us per event: apart | together |"
    echo "|---|---|---|---|---|---|---|---|---|"
    for batch in 100 1; do
        events=$EVENTS
        [ $batch = 100 ] || events=$SINGLE_EVENTS
        for clients in 1 2 8; do
            for ((round = 0; round < ROUNDS; ++round)); do
                for system in ours next floor; do
                    prepare "$system" bench "$clients" "$events" 300 "$batch"
                    work "$system" bench "$batch" "$clients" "$events" 60 >"$files/line"
                    field 2 <"$files/line" >>"$files/next_${system}_${batch}_$clients"
                    field 6 <"$files/line" >>"$files/cpu_next_${system}_${batch}_$clients"
                done
            done
            point=${batch}_$clients
            echo "| batches of $batch, $clients clients | $(rate "next_ours_$point") | $(rate "next_next_$point") |" \
                "$(ratio "next_next_$point" "next_ours_$point") | $(rate "next_floor_$point") |" \
                "$(ratio "next_ours_$point" "next_floor_$point") | $(ratio "next_next_$point" "next_floor_$point") |" \
                "$(time_of "cpu_next_ours_$point") | $(time_of "cpu_next_next_$point") |"
        done
    done
    echo
}

# -- an old snapshot -----------------------------------------------------------------------------

# The rate of the last tenth says more than the mean, since the cost of a snapshot grows with the work done under it.
part_held() {
    local round rounds system held line
    echo "| batches of 100, 300 B, 2 clients | events done | events/s | its last tenth | with a snapshot held: events done |" \
        "events/s | its last tenth | held / not | last tenths, held / not | server's us per event, held / not |"
    echo "|---|---|---|---|---|---|---|---|---|---|"
    for system in $systems; do
        # Peers take long under the snapshot and lose far more than some percent, so one round is enough.
        rounds=1
        [ "$system" != ours ] || rounds=$ROUNDS
        for ((round = 0; round < rounds; ++round)); do
            for held in free held; do
                prepare "$system" bench 2 "$HELD_EVENTS" 300 100
                [ $held = free ] || hold 1 "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM filler"
                line=$(work "$system" bench 100 2 "$HELD_EVENTS" "$HELD_SECONDS")
                let_go
                field 1 <<<"$line" >>"$files/${held}_${system}_events"
                field 2 <<<"$line" >>"$files/${held}_${system}_rate"
                field 3 <<<"$line" >>"$files/${held}_${system}_last"
                field 6 <<<"$line" >>"$files/${held}_${system}_cpu"
            done
        done
        echo "| $system | $(rate free_${system}_events) | $(rate free_${system}_rate) | $(rate free_${system}_last) |" \
            "$(rate held_${system}_events) | $(rate held_${system}_rate) |" \
            "$(rate held_${system}_last) | $(ratio held_${system}_rate free_${system}_rate) |" \
            "$(ratio held_${system}_last free_${system}_last) |" \
            "$(ratio held_${system}_cpu free_${system}_cpu) |"
    done
    echo
}

# -- backlogs ------------------------------------------------------------------------------------

# One client. Its events return to a small backlog, half a backlog at a time, outside the measured time. A small backlog has few
# events in each lane. So a batch of 100 comes from several lanes, and a batch of 10 from one or two.
part_backlogs() {
    local system round backlog batch
    for system in ours textbook; do
        for backlog in $BACKLOGS; do
            fast -c "CALL create_$system('${system}_$backlog')" -c "CALL fill_$system('${system}_$backlog', 1, $backlog, 300)"
        done
    done
    run -c "VACUUM (ANALYZE)" -c "CHECKPOINT"
    sync
    for ((round = 0; round < ROUNDS; ++round)); do
        for batch in 100 10; do
            for system in ours textbook; do
                for backlog in $BACKLOGS; do
                    measure_backlog
                done
            done
        done
    done
    for batch in 100 10; do
        backlogs_table "${BACKLOGS%% *}"
    done
}

measure_backlog() {
    local line point=${system}_${batch}_$backlog
    line=$(work "$system" "${system}_$backlog" "$batch" 1 $((BACKLOG_EVENTS * batch / 100)) 60 $((backlog / 2)) \
        "CALL fill_$system('${system}_$backlog', 1, $((backlog / 2)), 300)")
    field 2 <<<"$line" >>"$files/backlog_$point"
    field 4 <<<"$line" >>"$files/batch_$point"
    field 5 <<<"$line" >>"$files/size_$point"
    field 6 <<<"$line" >>"$files/cpu_backlog_$point"
}

# backlogs_table SMALLEST
backlogs_table() {
    local ours=ours_$batch textbook=textbook_$batch
    echo "| backlog, batches of $batch, 1 client | ours, events/s | to a backlog of $1 | events of a batch | ms of a batch |" \
        "to a backlog of $1 | server's us per event | textbook, events/s | to a backlog of $1 |"
    echo "|---|---|---|---|---|---|---|---|---|"
    for backlog in $BACKLOGS; do
        echo "| $backlog | $(rate backlog_${ours}_$backlog) | $(ratio backlog_${ours}_$backlog backlog_${ours}_$1) |" \
            "$(rate size_${ours}_$backlog) |" \
            "$(time_of batch_${ours}_$backlog 2) | $(ratio batch_${ours}_$backlog batch_${ours}_$1) |" \
            "$(time_of cpu_backlog_${ours}_$backlog) |" \
            "$(rate backlog_${textbook}_$backlog) | $(ratio backlog_${textbook}_$backlog backlog_${textbook}_$1) |"
    done
    echo
}

# -- clients -------------------------------------------------------------------------------------

part_clients() {
    local system round clients line
    for ((round = 0; round < ROUNDS; ++round)); do
        for clients in $CLIENTS; do
            for system in ours textbook; do
                prepare "$system" bench "$clients" "$SWEEP_EVENTS" 300 100
                line=$(work "$system" bench 100 "$clients" "$SWEEP_EVENTS" 60)
                field 2 <<<"$line" >>"$files/clients_${system}_$clients"
                field 6 <<<"$line" >>"$files/cpu_clients_${system}_$clients"
            done
        done
    done
    echo "| clients, batches of 100, 300 B | ours, events/s | to ${CLIENTS%% *} clients | server's us per event | textbook, events/s |" \
        "to ${CLIENTS%% *} clients | server's us per event |"
    echo "|---|---|---|---|---|---|---|"
    for clients in $CLIENTS; do
        echo "| $clients | $(rate clients_ours_$clients) | $(ratio clients_ours_$clients clients_ours_${CLIENTS%% *}) |" \
            "$(time_of cpu_clients_ours_$clients) |" \
            "$(rate clients_textbook_$clients) | $(ratio clients_textbook_$clients clients_textbook_${CLIENTS%% *}) |" \
            "$(time_of cpu_clients_textbook_$clients) |"
    done
    echo
}

# -- empty polls ---------------------------------------------------------------------------------

drain() { "$client" run ours bench 1000 1 1000000000 600 >/dev/null; }

polls_row() {
    local times
    times=$("$client" poll bench "$POLLS")
    field 1 <<<"$times" >>"$files/poll_$2"
    field 3 <<<"$times" >>"$files/cpu_poll_$2"
    echo "| $1 | $(field 1 <<<"$times") | $(field 2 <<<"$times") | $(ratio "poll_$2" poll_idle) |" \
        "$(field 3 <<<"$times") | $(ratio "cpu_poll_$2" cpu_poll_idle) | $(xid_of_poll) | $(wal_of_poll) |"
}

xid_of_poll() {
    run <<'SQL'
BEGIN;
SELECT FROM claim_call_events(log => 'bench.call_events');
SELECT CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN 'none' ELSE 'taken' END;
COMMIT;
SQL
}

wal_of_poll() {
    run -c "EXPLAIN (ANALYZE, WAL, FORMAT json) SELECT * FROM claim_call_events(log => 'bench.call_events')" |
        awk -F': *' '/"WAL Bytes"/ && !seen++ { sub(",", "", $2); print $2 }'
}

# Each of 60 transactions appends to some lanes. Events committed later move all lanes' positions beyond them.
part_polls() {
    echo "| empty poll over 64 lanes | ms, median | ms, 99 % | to idle | server's us | to idle | transaction id | WAL bytes |"
    echo "|---|---|---|---|---|---|---|---|"
    fast -c "CALL create_ours('bench')" -c "CALL fill_ours('bench', 1, 20000, 300)"
    drain
    run -c "VACUUM (ANALYZE)"
    polls_row "idle" idle
    hold 60 "INSERT INTO bench.call_events (payload) SELECT payload FROM bodies(1000000 + # * 100, 1000000 + # * 100 + 99, 300)"
    fast -c "CALL fill_ours('bench', 20001, 40000, 300)"
    drain
    polls_row "60 writers open, their ids in the lanes' positions" writers
    let_go
    drain
    hold 1 "INSERT INTO bench.call_events (payload) SELECT payload FROM bodies(2000001, 2000000 + $OPEN_EVENTS, 300)"
    polls_row "beside an open insert of $OPEN_EVENTS events" insert
    fast -c "CALL fill_ours('bench', 40001, 60000, 300)"
    drain
    polls_row "the same, its id in the lanes' positions" insert_passed
    let_go
    echo
}

# -- node ----------------------------------------------------------------------------------------

part_node() {
    local round system batch
    install_node_packages pg graphile-worker pg-boss
    for batch in 100 1; do
        for ((round = 0; round < ROUNDS; ++round)); do
            for system in ours graphile pgboss; do
                [ $system != ours ] || fast -c "CALL create_ours('bench')" -c "CALL fill_ours('bench', 1, $NODE_EVENTS, 300)"
                node "$here/queue_node.js" $system "$NODE_EVENTS" $batch >>"$files/node_${system}_$batch"
            done
        done
    done
    echo "| one client in node, 300 B, events/s | ours | graphile-worker | pg-boss | ours / graphile-worker | ours / pg-boss |"
    echo "|---|---|---|---|---|---|"
    for batch in 100 1; do
        echo "| batches of $batch | $(rate node_ours_$batch) | $(rate node_graphile_$batch) | $(rate node_pgboss_$batch) |" \
            "$(ratio node_ours_$batch node_graphile_$batch) | $(ratio node_ours_$batch node_pgboss_$batch) |"
    done
    echo
}

create_database
run -f "$here/queue_peers.sql"
if run -c "CREATE EXTENSION pgq" 2>"$files/pgq"; then
    systems="$systems pgq"
fi
settings
for part in ${@:-batches next held backlogs clients polls node}; do
    part_$part
done
