#!/usr/bin/env bash
# Does the history test find missing safeguards? The module is built unchanged once, and the test must find no fault. Then it
# is built without each safeguard in turn, and the test must find the fault listed below. Takes some minutes
# for each.
#
#   test/history/mutants.sh                     all
#   test/history/mutants.sh fence own-xid       some; `none` is the module as it is
#   CALLHARDENING_HISTORY_SECONDS=60            seconds of a run, with each of three seeds (20)
#
# test/t/claims/random_histories.pl finds the mutants of random histories. The topic `skipped_events` tests cases that are too
# rare there: a full lane reads its range if its retries wait for it, and a dead event claimed again is no longer dead.
#
# A retry must not be claimed before the rest of its range. A history has too few such moments, so a topic of claims and the
# model test it.
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

# history_test SEED: runs $TEST with the current installation. The log is $WORK/history.log.
TEST=claims/history
history_test() {
    run env "CALLHARDENING_SEED=$1" "CALLHARDENING_HISTORY_SECONDS=$SECONDS_EACH" CALLHARDENING_HISTORY_SYNCHRONOUS=0 \
        CALLHARDENING_HISTORIES=42 PG_TEST_TIMEOUT_DEFAULT=60 \
        make -C "$WORK/src" -s "PG_CONFIG=$PG_CONFIG" check-tap "TAP=test/t/$TEST.pl" PROVE_FLAGS=--verbose \
        >"$WORK/history.log" 2>&1
}

# The message of the checker, without the names and numbers of this run.
violations() {
    sed -nE -e 's/^# *([a-z ]+): .*(claim|[a-z]+[0-9]+:[0-9]+|[0-9A-Z]{5}).*/\1/p' -e 's/^(# )?(not ok [0-9]+ - .*)/\2/p' \
        "$WORK/history.log" | sort | uniq -c
}

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
        verdict passed none 'the unchanged module has no fault'
    else
        verdict failed none 'the unchanged module has a fault'
    fi
}

wanted() { [ "$WANTED" = "  " ] || [[ $WANTED == *" $1 "* ]]; }

# Three seeds, since each gives different moments.
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

# apply 'sed script': changes all sources, keeps the originals, and prints the changed files. Unchanged files keep their
# time, so that make does not build them again.
apply() {
    local file
    for file in "$WORK"/src/src/*/*/*.[ch]pp "$WORK"/src/sql/*/*.sql; do
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

# mutant NAME 'fault' 'sed script': a script that changes no place, or several, is out of date.
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

prepare_server "${TEST_PACKAGES[@]}"
prepare_module
heading "Mutants"
try_unchanged

# Any claim id of a lane ends the lane's open claim.
mutant fence 'finished twice:|late answer:|closed twice:' \
    's/found->is_current = is_newest && /found->is_current = /'
# Claiming does not lock the lane. Two concurrent claims collide in the key of the records.
mutant claim-lock 'overlap:|unexpected error: .* 23505' \
    's/lock_lane\(\*.*context->log, .*, LockWaitSkip\)/true/'
# The other verbs do not lock it either.
mutant verb-lock 'late answer:|finished twice:|overlap:|unexpected error: .* (23505|XX000)' \
    's/const bool locked = lock_lane\(found->log.*\);/const bool locked = true;/'
# The claim reads the lane with a snapshot from before the lock.
mutant look-again 'overlap:|handed out again:|finished twice:|unexpected error: .* 23505' \
    '/^void look_again/,/^}/s/take_snapshot\(\)/RegisterSnapshot(GetActiveSnapshot())/'
# A snapshot does not list its own transaction, so events it appends later count as settled.
mutant own-xid 'lost:' 's/^( *)return WithOwnXid\(others, own, .*/\1(void)own;\n\1return others;/'
# The next window leaves out transactions in progress at the end of the last window.
mutant late-commit 'lost:' 's/^( *)if \(current\.Sees\(xid\)\)$/\1if (current.Sees(xid) \&\& false)/'
# A window does not keep its end. Events that enter it behind the cursor are skipped.
mutant moving-window 'lost:|disorder:' \
    's/^( *)if \(is_last\) \{$/\1if (true) {/'
# A lease has expired as soon as another worker asks.
mutant lease 'overlap:|stale too early:' '/bool IsOver/,/\}/s/return lease_end .*;/return lease_end < now + 1000000000000;/'
# Later events of a waiting call are claimed.
mutant hold-back-new 'disorder:' 's/if \(!has_waiting_call\(lane->waiting, event\.call_id\)\)/if (true)/'
# Completing the claim also completes later events of a failed call.
mutant hold-back-claimed 'lost:' 's/^( *)if \(!record\.is_retry\) \/\/.*/\1if (false)/'
# Lost workers do not count as attempts.
mutant attempts 'attempts:' 's/\+\+position\.redeliveries;/position.redeliveries += 0;/'
# A range is claimed beyond the end of its first claim.
mutant again 'attempts:' \
    '/^bool is_beyond_redelivery/,/^\}/s/return .*;/return position.has_redelivery \&\& event > position.redelivered_to \&\& false;/'
# An event that crashes its workers is never claimed alone.
mutant poison 'attempts:|death:|not ok .*all events are settled' \
    '/^bool IsLostForGood/,/^\}/s/return .*;/return claim.record_no < 0 \&\& most_lost_ranges > 0;/'
# No attempt is the last one.
mutant limit 'attempts:' 's/attempts >= log\.max_attempts/attempts > log.max_attempts * 1000/'
# Claim ids are predictable, and repeat after a crash.
mutant random 'repeated claim id:' 's/Low<claim_id_random_bits>\(random\)/Low<claim_id_random_bits>(random * 0)/'
# A completed retry is not finished.
mutant retry 'handed out again:|finished twice:|attempts:|double effect:' \
    's/^( *)complete_retry\(log, record\.lane, record\.claim_id\);/\1release_retry(log, record.lane, record.claim_id);/'
# Processed events are not settled.
mutant process 'not every event was processed once|not ok .*all events are settled' \
    '/^void complete_claims/,/^\}/s/batch\.complete\(.*\);/release_claim(*batch.log, tables, batch.claim->lanes[i].record);/'
# An event blocked behind another of its call loses its earlier attempts.
mutant uncounted 'attempts:' '/^bool hand_out_or_block/,/^\}/s/NextAttempt\(\) - 1/NextAttempt() * 0/'
# An event in its last attempt may be claimed with others.
mutant last-attempt 'attempts:|death:' '/^bool is_alone/,/^\}/s/ \|\| event\.attempts \+ 1 >= log\.max_attempts//'
# The purge deletes pending events, and waiting ones.
mutant purge-pending 'lost:|death:' 's/\(lane\.is_live && !is_settled_in\(\*purge, lane, event\.position\)\)/(lane.is_live \&\& false)/'
mutant purge-waiting 'lost:|death:' '/^bool is_waiting_or_dead_for/,/^\}/s/return /return event.position.seq < 0 \&\& /'
# The purge deletes what the first consumer has settled.
mutant purge-one 'lost:|death:|disorder:|did not get event' '/^bool is_settled_in/,/^\}/s/i < purge\.consumers\.size\(\)/i < 1/'
# A seek skips events of transactions that are open during it: of all of them, or of those that end while it looks.
mutant seek-open 'did not get event' \
    's/^( *)position\.window_snapshot = now;/\1position.window_snapshot = {now.xmax, now.xmax, {}};/'
mutant seek-late 'did not get event' \
    's/^( *)position = PositionFrom\(end, first\);/&\n\1else\n\1position.done_snapshot = xids_of(take_snapshot());/'

TEST=claims/random_histories
try_unchanged
# A fully skipped window is not recorded.
mutant skipped-window 'is not delivered|finds nothing writes|is still there' 's/ \|\| pass\.passed > 0;/;/'
# After a step that drops waiting events, the list of waiting events is not read again. Later events wait behind dropped ones.
mutant old-list 'is not delivered|is still waiting' \
    '/^bool try_retry/,/^\}/s/while \(lane->has_old_waiting\)/while (false)/
    /^bool try_range/,/^\}/s/(refresh_waiting\(lane\))/if (lane->waiting.events == nullptr) \1/'
# A seek takes the ids in the old lanes of a restored log for ids of this cluster.
mutant seek-old 'does not come from the beginning|is there again' 's/is_old \? all_of_old_lane\(seek->now\) : seek->now/seek->now/'

TEST=workers/wake
try_unchanged
# A worker looks first, and registers then. A commit in between does not wake it.
mutant register-late 'not ok .*no wake-up of a worker is lost' \
    '/^void claim_as_waiter/,/^\}/{s/^( *)start_waiting\(.*;/\1;/
    s/^( *)set_blocked\(.*/\1start_waiting({log->log_id, log->consumer_id, WaiterKind::worker});/}'
# The same of a client. Its net finds the event after a second.
mutant register-late-client 'not ok .*no wake-up of a client is lost' \
    '/^void look_for_event/,/^\}/{s/^( *)start_waiting\(.*;/\1;/
    s/^( *look->found = .*)/\1\n    start_waiting({log.log_id, log.consumer_id, WaiterKind::client});/}'

TEST=log/detach
try_unchanged
# The state is read while workers are in the middle of their batches.
mutant detach-lanes 'was applied [0-9]+ times|is dead and was applied' \
    's/ORDER BY l\.consumer_id, l\.lane FOR UPDATE/ORDER BY l.consumer_id, l.lane/'
# An event that comes while its table is no log gets a transaction id of this server. Positions of another one settle it.
mutant detach-mark 'was lost|not ok .*clients append while' \
    's/return stamper->log\.log_id == 0 \? stamper->restore_mark/return stamper == nullptr ? stamper->restore_mark/'
# Such events keep their marks. Positions settle the same marks of the next time.
mutant detach-stamps 'was lost' 's/PERFORM _callhardening\.stamp_unregistered_events\(log, state\);//'

# -- shards of Citus -----------------------------------------------------------------------------
#
# C1 to C6 are what the nodes of a cluster rely on.

if [ -e "$("$PG_CONFIG" --sharedir)/extension/citus.control" ]; then
    # C1: work on a shard holds a lock that moves of Citus wait for.
    TEST=citus/nodes
    try_unchanged
    mutant shard-lock 'not ok .*a move waits for the end' \
        "s/EXECUTE 'SELECT pg_catalog\.lock_shard_metadata\(5, [$]1\)' USING shard_ids;//"
    # Under this lock each verb looks where the shard is.
    mutant shard-place 'not ok .*: the shard has left meanwhile' \
        's/RETURN \(SELECT bool_and\(_callhardening\.is_placed_here\(s\.shard_id\)\) FROM .*/RETURN true;/'
    mutant shard-process 'not ok .*process: the shard has left meanwhile' \
        '/^ApplyCounts apply_events/,/^\}/s/require_shard\(log->shard_id, log->events_name\);//'
    mutant shard-claim 'not ok .*they wait for a move' 's/if \(!hold_shard\(log->shard_id\)\)/if (false)/'
    mutant shard-complete 'not ok .*nor does it complete' 's/^( *)!hold_shard\(found->log\.shard_id\)\)/\1false)/'
    mutant shard-purge 'not ok .*they wait for a move' 's/^( *)require_shard\(purge\.log\.shard_id, .*/\1;/'
    mutant shard-backfill 'not ok .*they wait for a move' 's/PERFORM _callhardening\.hold_placed\(calls\);//'
    # Without the lock each verb looks there first, so that it says what is wrong.
    mutant shard-look 'not ok .*nor does it claim events' 's/require_shard_here\(log\.shard_id, log\.events_name\);//'
    # C3: the node that had a moved shard forgets it.
    mutant shard-moved 'not ok .*registers it where it is' \
        's/^(FROM _callhardening\.my_logs AS l) WHERE NOT _callhardening\.is_placed_here\(l\.shard_id\)$/\1 WHERE false/'
    # C6: a silent node has a row, and a warning. A disabled one is silent.
    mutant silent-row 'not ok .*has a row of the silent node' \
        's/WHERE n\.error IS NOT NULL OR f\.figures IS NOT NULL/WHERE f.figures IS NOT NULL/'
    mutant silent-warning 'not ok .*and a warning' \
        "s/(PERFORM _callhardening\.report\()'WARNING'(::text, format\('node %s did)/\1'NOTICE'\2/"
    TEST=citus/moved_away
    try_unchanged
    # Until then it is no figure.
    mutant shard-figures 'not ok .*has no figure of it after the move' \
        's/^(SELECT \* FROM _callhardening\.logs l) WHERE _callhardening\.is_placed_here\(l\.shard_id\);/\1;/'
    # The consumers of a shard follow it, and are kept until they have.
    mutant shard-consumers 'not ok .*the consumer has followed the shard' \
        '/FUNCTION _callhardening\.take_consumers/,/^[$]{2};/s/WHERE NOT EXISTS/WHERE false AND NOT EXISTS/'
    mutant shard-forget 'not ok .*keeps the consumer' 's/ AND forgotten @> to_jsonb\(m\.shard_id\);/;/'
    # A shard begins anew only if a node had it as a log. Its owner has the state of a detached one.
    TEST=citus/detached_shards
    try_unchanged
    mutant detached-known 'not ok .*a detached shard stays so after a move' \
        's/^( *)WHEN source = 0 THEN false/\1WHEN source = 0 THEN true/'
    mutant detached-empty 'not ok .*an empty shard stays detached' 's/THEN s\.shard_id ELSE 0 END FROM/THEN s.shard_id END FROM/'
    mutant detached-split 'not ok .*the parts are attached' 's/k\.hashes @> _callhardening\.shard_hashes\(shard\)/false/'
    mutant detached-unknown 'not ok .*if its node alone knows it' "s/k\.result IN \('known', 'moved away'\)/k.result = 'known'/"
    mutant detached-consumers 'not ok .*before its consumers are there' 's/^( *)IF names IS NOT NULL THEN/\1IF false THEN/'
    mutant detached-elsewhere 'not ok .*the node before the detach does not count' \
        's/PERFORM _callhardening\.require_one_node\(log\);//'
    mutant move-hand 'not ok .*is not attached by hand' \
        's/IF note\.state IS NOT NULL AND NOT _callhardening\.is_this_node\(.*/IF false THEN/'
    mutant move-wait 'not ok .*a second session waits for the move' \
        "s/^SELECT pg_advisory_xact_lock\('_callhardening\.left_shards'.*/SELECT/"
    mutant detached-left 'not ok .*the last node that had the log counts' \
        's/IF _callhardening\.distribution\(shell\) IS NOT NULL THEN/IF false THEN/'
    mutant detached-lock 'not ok .*a transaction that has written is refused' \
        's/IF pg_current_xact_id_if_assigned\(\) IS NOT NULL OR .*/IF false THEN/'
    mutant move-note-gone 'not ok .*a shard that was given back does not move' \
        's/ELSE \(noted\.to_host, noted\.to_port\) IS DISTINCT FROM .*/ELSE false END) THEN/'
    TEST=citus/nodes
    mutant silent-disabled 'not ok .*a disabled node has a row' 's/LEFT (JOIN pg_catalog\.run_command_on_all_nodes)/\1/'

    # C2: the key of an event is that of its call. Without a call it is one of the body, so that redeliveries meet.
    TEST=citus/by_call
    try_unchanged
    mutant shard-key 'not ok .*without the trigger too' \
        's/(ADD CONSTRAINT %2[$]I CHECK \(CASE WHEN event_lane >= 0 THEN) call_key = call_id::bigint/\1 true/'
    mutant shard-route 'not ok .*finds its first delivery from each node' \
        '/^int64 route_of_event/,/^\}/s/memcpy\(&number, VARDATA\(digest\), .*/number = static_cast<uint64>(getpid());/'
    # C4: each lane that an event can get has a row on the node of the shard.
    mutant shard-lanes 'not ok .*' \
        's/(VALUES \(shard_events, shard_calls, settings\.provider), settings\.lanes,/\1, 2,/'

    # C5: the state of a shard on its way is noted in the transaction that detaches it, and each step can be repeated.
    TEST=citus/shard_move
    try_unchanged
    mutant move-note 'not ok .*the move has no fault' \
        "s/^ *RETURN 'noted';/PERFORM _callhardening.write_move(log, ARRAY['DELETE FROM %s']); &/"
    mutant move-repeat 'not ok .*a step that was done is not done again' \
        "/FUNCTION _callhardening\.note_move/,/RETURN 'noted'/s/IF NOT EXISTS .* THEN$/IF false THEN/"
    # A time without a log has a mark of its own.
    mutant move-mark 'not ok .*while its shard was on its way is processed' \
        's/MyDatabaseId, events, detached\.state_id\}/MyDatabaseId, events, {}}/'
    mutant move-early 'not ok .*does not attach it without its state' \
        's/ELSIF NOT _callhardening\.is_this_node\(note\.to_host, note\.to_port\) THEN/ELSIF false THEN/'
    # An attach holds its shard, and events without a call wait for it.
    mutant move-attach 'not ok .*an attach waits for a move' 's/PERFORM _callhardening\.hold_placed\(events\);//'
    mutant move-bury 'not ok .*(a receiver waits|its event is a dead one)' \
        "s/EXECUTE format\('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', shard_events\);//"
    mutant move-owner 'not ok .*of another owner has no states' 's/PERFORM _callhardening\.required_moving_table\(log\); -- .*//'
    mutant move-state 'not ok .*(no event is lost|with the attempts)' \
        's/answer := _callhardening\.attach_moved_shard\(.*\);//'
else
    echo '  this server has no Citus: the mutants of shards are left out'
fi

FINISHED=yes
