#!/usr/bin/env bash
# check.sh DIRECTORY: spin checks the models of the event log in every scenario, and must find a failure in each variant.
# `spin -t -p -g` in the directory of a variant replays its failure.
set -euo pipefail

MODEL=$PWD/test/model/event_log.pml
WORK=$1
FAILED=0

# search NAME OPTIMIZATION DEFINE ...: writes pan's report to $WORK/NAME/report.
search() {
    local directory=$WORK/$1 optimization=$2
    shift 2
    mkdir -p "$directory"
    (
        cd "$directory"
        rm -f pan* ./*.trail
        spin -a "$@" "$MODEL"
        "${CC:-gcc}" -w "$optimization" -DSAFETY -DCOLLAPSE -DMEMLIM=900 -o pan pan.c
        ./pan -w21 -m50000
    ) >"$directory/report" 2>&1 || true
}

# say 'ok' OR 'not ok', what, report
say() {
    local states
    states=$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' "$3")
    printf '%s - %s (%s states)\n' "$1" "$2" "${states:-no}"
    [ "$1" = ok ] || { FAILED=1; cat "$3"; }
}

# passes SCENARIO 'what'
passes() {
    local report=$WORK/scenario_$1/report outcome='not ok'
    if grep -q 'errors: 0$' "$report" && ! grep -Eiq 'max search depth|out of memory|not completed' "$report"; then
        outcome=ok
    fi
    say "$outcome" "$2: every state keeps the promises" "$report"
}

# is_found VARIANT SCENARIO 'what'
is_found() {
    local report=$WORK/$1/report outcome='not ok'
    search "$1" -O0 -DSCENARIO="$2" "-D$1"
    if grep -q 'assertion violated' "$report"; then
        outcome=ok
    fi
    say "$outcome" "found out: $3" "$report"
}

# Other scenarios beside the variants. Most of them take longer to compile than to search.
{
    search scenario_2 -O1 -DSCENARIO=2
    search scenario_4 -O1 -DSCENARIO=4
    search scenario_3 -O1 -DSCENARIO=3
    search scenario_1 -O1 -DSCENARIO=1
} &

is_found NO_FENCE 2 'a claim is ended by its lane, not by its id'
is_found NO_LOCK 2 'the lane is not locked'
is_found RECORD_BEFORE_LOCK 2 'the newest record is read before the lock'
is_found S1_BEFORE_LOCK 1 'the snapshot is taken before the lock'
is_found BY_NUMBER 1 'a position is a sequence number'
is_found BY_XID 1 'a position is a transaction id'
is_found OWN_XID_SETTLED 3 'the own transaction counts as ended'
is_found CURSOR_PASSES_LOST 2 'the cursor passes a range whose lease expired'
is_found LATER_NOT_BLOCKED 2 'later events of the call stay in the claim of a failed one'
is_found CALL_NOT_BLOCKED 2 'later events of the call are claimed while one waits'
is_found RETRY_BEFORE_CURSOR 2 'an event is tried again before the cursor has passed it'
is_found DEAD_BLOCKED 4 'a dead event is blocked with the later ones of its call'
is_found WAITING_BY_NUMBER 3 'waiting events go by sequence number alone'
is_found FULL_STOPS_ALL 2 'with too many waiting events, a range that was lost is not claimed again'

MODEL=$PWD/test/model/consumers.pml
search scenario_5 -O1 -DSCENARIO=5
search scenario_6 -O1 -DSCENARIO=6
is_found PURGE_OF_ONE 5 'a purge takes what one consumer has settled'
is_found PURGE_WITHOUT_LOCK 5 'a consumer comes during a purge'
is_found SEEK_SNAPSHOT_AFTER_LOOK 5 'a seek takes its snapshot after its look'
is_found SEEK_PASSES_OPEN 5 'a seek passes the events of open transactions'

wait
passes 1 'late and long transactions'
passes 2 'failures and lost workers'
passes 3 'failures, late transactions and a client that appends'
passes 4 'failures that are final'
passes 5 'consumers, purges and a seek to the second event'
passes 6 'consumers, purges and a seek to the last event'

exit "$FAILED"
