#!/usr/bin/env bash
# Does the history test find what it is there for? The module is built once as it is, of which the test has to find
# nothing, and then without each of its safeguards in turn, of which it has to find the consequence that the table below
# names. Long: some minutes for each.
#
#   test/history/mutants.sh                     all
#   test/history/mutants.sh fence own-xid       some; `none` is the module as it is
#   CALLHARDENING_HISTORY_SECONDS=60            how long the test looks for one, with each of three seeds (20)
#
# Those of random histories are looked for by test/t/claims/random_histories.pl. The topic `skipped_events` has what they meet too
# seldom: a full lane reads its range if its retries wait for that, and a dead event that is handed out again is dead no more.
#
# That retries do not go before the rest of their range has too few moments in a history to be found: the topic `claim` and the
# model have it.
#
# The last line is "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

PASSED=0 FAILED=0 FINISHED=
SECONDS_EACH=${CALLHARDENING_HISTORY_SECONDS:-20}
WANTED=" $* "

last_words() {
    [ -n "$FINISHED" ] || FAILED=$((FAILED + 1))
    printf '\n%d passed, %d failed\n' "$PASSED" "$FAILED"
    [ "$FAILED" -eq 0 ]
}

# history_test SEED: the test $TEST, in the installation as it is now; the log is $WORK/history.log
TEST=claims/history
history_test() {
    run env "CALLHARDENING_SEED=$1" "CALLHARDENING_HISTORY_SECONDS=$SECONDS_EACH" CALLHARDENING_HISTORY_SYNCHRONOUS=0 CALLHARDENING_HISTORIES=42 \
        make -C "$WORK/src" -s "PG_CONFIG=$PG_CONFIG" check-tap "TAP=test/t/$TEST.pl" PROVE_FLAGS=--verbose \
        >"$WORK/history.log" 2>&1
}

# What the checker said, without the names and numbers of this run.
violations() { sed -nE 's/^# *([a-z ]+): .*(claim|[a-z]+[0-9]+:[0-9]+|[0-9A-Z]{5}).*/\1/p; s/^(# )?(not ok [0-9]+ - .*)/\2/p' "$WORK/history.log" | sort | uniq -c; }

verdict() {
    printf '  %-20s %s\n' "$2" "$3"
    if [ "$1" = passed ]; then
        PASSED=$((PASSED + 1))
    else
        FAILED=$((FAILED + 1))
        violations
    fi
}

try_unchanged() {
    wanted none || return 0
    if history_test 1; then
        verdict passed none 'nothing is found'
    else
        verdict failed none 'something is found in the module as it is'
    fi
}

wanted() { [ "$WANTED" = "  " ] || [[ $WANTED == *" $1 "* ]]; }

# Three seeds: each of them has other moments.
is_found() {
    local seed
    for seed in 1 2 3; do
        if ! history_test "$seed" && grep -qE "$1" "$WORK/history.log"; then
            return 0
        fi
    done
    return 1
}

rebuild() { make_in "$WORK/src" -s "-j$(nproc)" "${BUILD_OPTIONS[@]}" install >"$WORK/build.log" 2>&1; }

# apply 'sed script': to all of the sources; prints the files that it changes and keeps what they were. All others stay as
# they are, to be built once.
apply() {
    local file
    for file in "$WORK"/src/src/*/*/*.[ch]pp; do
        sed -E "$1" "$file" >"$WORK/mutated"
        if ! cmp -s "$file" "$WORK/mutated"; then
            cp "$file" "$file.original"
            cp "$WORK/mutated" "$file"
            echo "$file"
        fi
    done
}

restore() {
    local file
    for file; do
        mv "$file.original" "$file"
        touch "$file"
    done
}

# mutant NAME 'what is found' 'sed script': one that changes nothing, or several places, has gone out of date.
mutant() {
    local name=$1 expected=$2 changed=()
    wanted "$name" || return 0
    mapfile -t changed < <(apply "$3")
    if [ "${#changed[@]}" -ne 1 ]; then
        verdict failed "$name" "the sources have changed (${#changed[@]} places): write the mutant anew"
    elif ! rebuild; then
        tail -n 5 "$WORK/build.log"
        verdict failed "$name" 'does not build'
    elif is_found "$expected"; then
        verdict passed "$name" "found: $(grep -oE "$expected" "$WORK/history.log" | head -n 1)"
    else
        verdict failed "$name" 'is not found'
    fi
    restore "${changed[@]}"
}

prepare
heading "Mutants"
try_unchanged

# Any claim id of a lane ends the claim that is open in it.
mutant fence 'finished twice:|late answer:|closed twice:' \
    's/found->is_current = is_newest && /found->is_current = /'
# Claiming does not lock the lane; two that do it at once meet in the key of the records.
mutant claim-lock 'overlap:|unexpected error: .* 23505' \
    's/lock_lane\(\*.*context->log, .*, LockWaitSkip\)/true/'
# Nor do the other verbs.
mutant verb-lock 'late answer:|finished twice:|overlap:|unexpected error: .* (23505|XX000)' \
    's/const bool locked = lock_lane\(found->log.*\);/const bool locked = true;/'
# The lane is looked at with a snapshot from before the lock.
mutant look-again 'overlap:|handed out again:|finished twice:|unexpected error: .* 23505' \
    '/^void look_again/,/^}/s/take_snapshot\(\)/RegisterSnapshot(GetActiveSnapshot())/'
# A snapshot does not list its own transaction: what that appends later is taken for settled.
mutant own-xid 'lost:' 's/^( *)return WithOwnXid\(others, own, .*/\1(void)own;\n\1return others;/'
# What was in progress when the last window ended is not looked for in the next one.
mutant late-commit 'lost:' 's/^( *)if \(current\.Sees\(xid\)\)$/\1if (current.Sees(xid) \&\& false)/'
# A window that was begun does not keep its end: what comes into it behind the cursor is passed over.
mutant moving-window 'lost:|disorder:' \
    's/^( *)if \(is_last\) \{$/\1if (true) {/'
# A lease is over as soon as somebody asks.
mutant lease 'overlap:|stale too early:' '/bool IsOver/,/\}/s/return lease_end .*;/return lease_end < now + 1000000000000;/'
# Of a call that waits, later events are handed out.
mutant hold-back-new 'disorder:' 's/if \(!has_waiting_call\(lane->waiting, event\.call_id\)\)/if (true)/'
# Of a call that has failed, the later events in the claim are completed with it.
mutant hold-back-claimed 'lost:' 's/^( *)if \(!record\.is_retry\) \/\/.*/\1if (false)/'
# Lost workers do not count.
mutant attempts 'attempts:' 's/\+\+position\.redeliveries;/position.redeliveries += 0;/'
# A range is handed out beyond the end of what was handed out before.
mutant again 'attempts:' '/^bool is_beyond_redelivery/,/^\}/s/return .*;/return position.has_redelivery \&\& place > position.redelivered_to \&\& false;/'
# What takes its workers with it never goes out alone.
mutant poison 'attempts:|death:|not ok .*everything is done' \
    '/^bool IsLostForGood/,/^\}/s/return .*;/return claim.record_no < 0 \&\& most_lost_ranges > 0;/'
# No attempt is the last one.
mutant limit 'attempts:' 's/attempts >= log\.max_attempts/attempts > log.max_attempts * 1000/'
# Claim ids can be told in advance, and come again after a crash.
mutant random 'repeated claim id:' 's/Low<claim_id_random_bits>\(random\)/Low<claim_id_random_bits>(random * 0)/'
# A retry that was completed is not over.
mutant retry 'handed out again:|finished twice:|attempts:|double effect:' \
    's/^( *)complete_retry\(log, record\.lane, record\.claim_id\);/\1release_retry(log, record.lane, record.claim_id);/'
# What was processed is not settled.
mutant process 'not every event was processed once|not ok .*everything is done' \
    '/^void complete_claims/,/^\}/s/batch\.complete\(.*\);/release_claim(*batch.log, tables, batch.claim->lanes[i].record);/'
# What is blocked behind an event of its call forgets that it was handed out before.
mutant uncounted 'attempts:' '/^bool hand_out_or_block/,/^\}/s/NextAttempt\(\) - 1/NextAttempt() * 0/'
# The last attempt may be one among others.
mutant last-attempt 'attempts:|death:' '/^bool is_alone/,/^\}/s/ \|\| event\.attempts \+ 1 >= log\.max_attempts//'
# The purge takes what is pending, and what waits to be tried again.
mutant purge-pending 'lost:|death:' 's/\(lane\.is_live && !IsSettled\(lane\.position, event\.place\)\)/(lane.is_live \&\& false)/'
mutant purge-waiting 'lost:|death:' '/^bool is_waiting_or_dead/,/^\}/s/return /return event.place.seq < 0 \&\& /'

TEST=claims/random_histories
try_unchanged
# That a window was read and all of it skipped is not written down.
mutant skipped-window 'is not delivered|finds nothing writes|is still there' 's/ \|\| pass\.passed > 0;/;/'
# What waits is not read anew behind a step that drops waiting events: later ones are blocked behind what is gone.
mutant old-list 'is not delivered|is still waiting' \
    '/^bool try_retry/,/^\}/s/while \(lane->has_old_waiting\)/while (false)/; /^bool try_range/,/^\}/s/(refresh_waiting\(lane\))/if (lane->waiting.events == nullptr) \1/'

FINISHED=yes
