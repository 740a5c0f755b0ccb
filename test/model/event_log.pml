/*
 * The protocol of the event log: one lane, its claims, and everything that may happen to them. `make check-model` lets spin
 * try every order of steps within the bounds of a scenario. Then it tries every variant below. Each variant leaves out one
 * safeguard, and spin must find its failure.
 *
 * One lane is enough, since lanes share nothing. A step is atomic in the server, too: a statement under the lane's lock
 * becomes visible at its commit, so a transaction that dies has changed nothing.
 *
 * Names, here and in src/core/lanes/claim.hpp and _callhardening.claims:
 *
 *   lane                   the lane's newest record (LaneRecord); older ones are history, which nothing decides by
 *   .open                  state: claimed or renewed; otherwise completed, released or moved
 *   .in_window             window_snapshot is not NULL
 *   .read, .to             (read_xid, read_seq), (to_xid, to_seq); 0: NULL
 *   .redelivered_to        (redelivered_to_xid, redelivered_to_seq); 0: NULL (then has_redelivery is false)
 *   .id, .retry            claim_id, is_retry
 *   .over                  lease_end has passed (LaneRecord::IsOver)
 *   waiting, attempts, ... call_retrying_events; due_at: blocked where NULL (neither `to_come` nor `due`), to come, or past;
 *                          `out`: claim_id is the lane's open claim
 *   dead                   call_dead_events
 *
 * A snapshot is the set of ended transactions, as bits. It stands for xmin, xmax and the list. (WindowRanges works on these,
 * and has unit tests.) Only transactions that append have a number here. A claim id is the smallest that no worker
 * remembers, so the number of claims and of states is bounded. A real one is never used again.
 *
 * Not modelled: several logs or lanes in one claim, several consumers and purges (consumers.pml), adoption after a restore,
 * notifications, times (a lease or a backoff ends at any moment), and a crash of the server, since it is a crash of all its
 * sessions at once.
 *
 * Some rules of the model look too strict. An event is retried only after the lane's cursor has passed it. The limit of
 * waiting events does not stop a range claimed before. A dead event never waits again. Waiting events go by (xid, seq), like
 * the log. Each rule has its variant.
 *
 * SCENARIO chooses the steps: 1 long and late transactions, 2 failures and poison, 3 some of both and a client that claims
 * and appends in one transaction, 4 final failures.
 */

#if SCENARIO == 1
#define EVENTS 3
#define WORKERS 2
#define RUN_INSERTERS run inserter(0, 1, 0); run inserter(1, 1, 0); run inserter(2, 1, 0)
#define LAST_XID 3
#elif SCENARIO == 2 || SCENARIO == 4
#define EVENTS 3
#define WORKERS 2
#define FAILURES
#define RUN_INSERTERS run inserter(0, 3, 4 /* the third is of call 1 */)
#define LAST_XID 1
#else
#define EVENTS 3
#define WORKERS 1
#define FAILURES
#define CLIENT
#define RUN_INSERTERS run inserter(0, 1, 0); run inserter(0, 1, 0)
#define LAST_XID 3
#endif

#define MOST_CLAIMED 2 /* at a time */
#if SCENARIO == 2
#define MAX_ATTEMPTS 3
#elif SCENARIO == 4
#define MAX_ATTEMPTS 1
#else
#define MAX_ATTEMPTS 2
#endif
#define MAX_RETRYING 2
#define ALONE 2 /* lease_expiries_to_be_alone, most_lost_ranges */

#define HAS(set, x) (((set) >> (x)) & 1)
#define ADD(set, x) set = set | (1 << (x))
#define REMOVE(set, x) set = set & ~(1 << (x))

/* -- the log ------------------------------------------------------------------------------------------------------------ */

byte next_seq, next_xid = 1;
byte xid[EVENTS];         /* stamps of the event with that sequence number; 0: not written */
byte calls;               /* of which of the two calls it is */
byte ended, committed;    /* transactions: what a snapshot sees, and of which of them there are rows */
byte ended_before[5];     /* ... when a transaction got its xid: the order that is promised */

#define CALL(e) HAS(calls, e)

/* The position of an event in the log, 0 before all. With BY_NUMBER it is only a number. */
#ifdef BY_NUMBER
#define PLACE(e) (8 + (e))
#else
#define PLACE(e) (xid[e] * 8 + (e))
#endif
#define EVENT_AT(place) ((place) & 7)
#define NO_PLACE 255

/* Of two events of a call, `a` must be processed before `b`. */
#define PRECEDES(a, b) (CALL(a) == CALL(b) && HAS(committed, xid[a]) && \
    (xid[a] == xid[b] -> a < b : HAS(ended_before[xid[b]], xid[a])))

/* -- the lane ----------------------------------------------------------------------------------------------------------- */

typedef Lane {
    bool open, retry, in_window, has_redelivery, is_window_end, over;
    byte done_snapshot, window_snapshot, read, redelivered_to, redeliveries, to, id
};
Lane lane;
bool locked; /* the row of lanes */

byte waiting, to_come, due, out, dead; /* sets of events */
byte attempts[EVENTS], lease_expiries[EVENTS];

/* The window: transactions that `window_snapshot` sees and `done_snapshot` does not. */
#if defined(BY_NUMBER) || defined(BY_XID)
#define WINDOW(l) l.window_snapshot
#else
#define WINDOW(l) (l.window_snapshot & ~l.done_snapshot)
#endif
#define IN(e, snapshot) (xid[e] != 0 && HAS(committed & (snapshot), xid[e]))
#define NEXT_ATTEMPT(l) (l.has_redelivery -> l.redeliveries + 1 : 1)
#define IS_DONE_WITH(l, e) (IN(e, l.done_snapshot) || (l.in_window && IN(e, WINDOW(l)) && PLACE(e) <= l.read))

/* -- the workers -------------------------------------------------------------------------------------------------------- */

#define CLIENT_TX WORKERS /* its place among the workers */
byte id[WORKERS + 1];   /* the claim that a worker holds, or believes to hold; 0: none */
byte has[WORKERS + 1];  /* the events it was handed out */
byte skipped[WORKERS + 1]; /* of them: those that it has failed, or skips since they come behind one that failed */
bool live[WORKERS + 1]; /* its lease has not ended; the model's knowledge */
byte seen[WORKERS + 1]; /* S1: the snapshot that it reads up to */
#if defined(NO_LOCK) || defined(RECORD_BEFORE_LOCK) || defined(S1_BEFORE_LOCK)
#define LOOKS_ONCE
Lane looked[WORKERS + 1];
#endif

byte done;    /* events that were in an accepted completion */
bool stopped; /* the end of time has come */

/* These variables are used inside one step only, so they do not belong to the state. */
hidden Lane next;
hidden byte was_retry, was_first, was_full, changed, idle_move, is_last, has_work, was_due, is_found;
hidden byte i, j, k, place, got, looked_at, count, first, w, e, limit, rounds;

#define RESET(l) l.open = 0; l.retry = 0; l.in_window = 0; l.has_redelivery = 0; l.is_window_end = 0; l.over = 0; l.done_snapshot = 0; \
    l.window_snapshot = 0; l.read = 0; l.redelivered_to = 0; l.redeliveries = 0; l.to = 0; l.id = 0
#define COPY(a, b) a.open = b.open; a.retry = b.retry; a.in_window = b.in_window; a.has_redelivery = b.has_redelivery; \
    a.is_window_end = b.is_window_end; a.over = b.over; a.done_snapshot = b.done_snapshot; \
    a.window_snapshot = b.window_snapshot; a.read = b.read; a.redelivered_to = b.redelivered_to; a.redeliveries = b.redeliveries; a.to = b.to; a.id = b.id

/* Sets `place` to that of the first event behind `behind` in the window of `l`. */
inline next_event(l, behind)
{
    place = NO_PLACE;
    for (i : 0 .. EVENTS - 1) {
        if
        :: IN(i, WINDOW(l)) && PLACE(i) > behind && PLACE(i) < place -> place = PLACE(i)
        :: else
        fi
    }
}

/* -- the promises ------------------------------------------------------------------------------------------------------- */

/* A claim never takes an event that is done, belongs to another worker, or comes behind an unfinished event of its call. */
inline check_handed_out(who)
{
    for (i : 0 .. EVENTS - 1) {
        if
        :: HAS(got, i) ->
            assert(!HAS(done | dead, i));
            for (j : 0 .. EVENTS - 1) {
                assert(!(xid[j] != 0 && j != i && PRECEDES(j, i)) || HAS(done | dead | got, j))
            }
        :: else
        fi
    }
    for (w : 0 .. WORKERS) {
        assert(w == who || !live[w] || (has[w] & got) == 0)
    }
}

/* Each event is completed once, and after the earlier ones of its call. */
inline check_completed(who)
{
    for (i : 0 .. EVENTS - 1) {
        if
        :: HAS(has[who] & ~skipped[who], i) ->
            assert(!HAS(done | dead, i));
            for (j : 0 .. EVENTS - 1) {
                assert(!(xid[j] != 0 && j != i && PRECEDES(j, i)) || HAS(done | dead | (has[who] & ~skipped[who]), j))
            }
        :: else
        fi
    }
    done = done | (has[who] & ~skipped[who])
}

/* -- waiting ------------------------------------------------------------------------------------------------------------ */

inline stop_waiting(e)
{
    REMOVE(waiting, e); REMOVE(to_come, e); REMOVE(due, e); REMOVE(out, e);
    attempts[e] = 0; lease_expiries[e] = 0
}

/* The order of retries within a call. A sequence number is drawn before the transaction has an xid. */
#ifdef WAITING_BY_NUMBER
#define WAITING_PLACE(e) (8 + (e))
#else
#define WAITING_PLACE(e) PLACE(e)
#endif

/* Sets `place` to that of the first waiting event of the call. */
inline first_waiting(call)
{
    place = NO_PLACE;
    for (i : 0 .. EVENTS - 1) {
        if
        :: HAS(waiting, i) && CALL(i) == call && WAITING_PLACE(i) < place -> place = WAITING_PLACE(i)
        :: else
        fi
    }
}

#define CALL_SET(call) ((call) -> calls : ~calls)

/* The next event of the call becomes due, unless another one must come first. */
inline release_call(call)
{
    if
    :: (CALL_SET(call) & (to_come | due)) == 0 ->
        first_waiting(call);
        if
        :: place != NO_PLACE -> ADD(due, EVENT_AT(place))
        :: else
        fi
    :: else
    fi
}

inline die(e)
{
    stop_waiting(e); ADD(dead, e); release_call(CALL(e))
}

/* fail_call_event for an event of the open claim. */
inline fail(who, e)
{
    attempts[e] = (lane.retry -> attempts[e] : NEXT_ATTEMPT(lane));
    if
    :: attempts[e] >= MAX_ATTEMPTS -> die(e)
    :: else -> ADD(waiting, e); ADD(to_come, e); REMOVE(due, e); REMOVE(out, e)
    fi;
    ADD(skipped[who], e);
    if
#ifdef LATER_NOT_BLOCKED
    :: false
#else
    :: !lane.retry -> block_later(who, e)
#endif
    :: else
    fi
}

#ifdef DEAD_BLOCKED
#define STAYS_DEAD 0
#else
#define STAYS_DEAD dead
#endif

/* Later events of the call in the claim wait behind it, and the worker skips them. Dead ones stay dead. */
inline block_later(who, e)
{
    was_due = (CALL_SET(CALL(e)) & (to_come | due)) != 0;
    next_event(lane, PLACE(e));
    do
    :: place <= lane.to ->
        k = EVENT_AT(place);
        if
        :: CALL(k) == CALL(e) && !HAS(waiting | STAYS_DEAD, k) ->
            ADD(waiting, k); attempts[k] = NEXT_ATTEMPT(lane); ADD(skipped[who], k);
            if
            :: !was_due -> ADD(due, k); was_due = true
            :: else
            fi
        :: else
        fi;
        first = place;
        next_event(lane, first)
    :: else -> break
    od
}

/* -- the position ------------------------------------------------------------------------------------------------------- */

inline forget_redelivery(l)
{
    l.has_redelivery = 0; l.redelivered_to = 0; l.redeliveries = 0
}

inline position_after(l)
{
    if
    :: l.retry
    :: !l.retry && l.is_window_end ->
        l.done_snapshot = l.window_snapshot; l.window_snapshot = 0; l.in_window = 0;
#if defined(BY_NUMBER) || defined(BY_XID)
        l.read = l.to;
#else
        l.read = 0;
#endif
        forget_redelivery(l)
    :: else ->
        l.read = l.to;
        if
        :: l.has_redelivery && l.redelivered_to <= l.to -> forget_redelivery(l)
        :: else
        fi
    fi
}

inline position_after_release(l)
{
    if
    :: !l.retry && !l.has_redelivery -> l.has_redelivery = 1; l.redelivered_to = l.to
    :: else
    fi
}

inline position_after_loss(l)
{
#ifdef CURSOR_PASSES_LOST
    position_after(l)
#else
    position_after_release(l);
    l.redeliveries = l.redeliveries + !l.retry
#endif
}

/* -- claiming ----------------------------------------------------------------------------------------------------------- */

inline expire_retry()
{
    for (k : 0 .. EVENTS - 1) {
        if
        :: HAS(out, k) && attempts[k] >= MAX_ATTEMPTS -> die(k) /* it was alone */
        :: HAS(out, k) && attempts[k] < MAX_ATTEMPTS ->
            lease_expiries[k] = (lease_expiries[k] < ALONE -> lease_expiries[k] + 1 : ALONE)
        :: else
        fi
    }
    out = 0
}

inline retry_one_by_one()
{
    next_event(lane, lane.read);
    do
    :: place <= lane.to ->
        k = EVENT_AT(place);
        if
        :: !HAS(waiting | dead, k) -> ADD(waiting, k); ADD(due, k); attempts[k] = NEXT_ATTEMPT(lane); lease_expiries[k] = NEXT_ATTEMPT(lane)
        :: else
        fi;
        first = place;
        next_event(lane, first)
    :: else -> break
    od
}

/* IsLostForGood: a range ends with its second loss, or with the loss of a part of a lost range. */
#define IS_LOST_FOR_GOOD (NEXT_ATTEMPT(lane) >= ALONE || (lane.has_redelivery && lane.redelivered_to > lane.to))

/* Handles the claim of a lost worker. */
inline take_over()
{
    if
    :: lane.retry -> expire_retry(); position_after_loss(next)
    :: !lane.retry && IS_LOST_FOR_GOOD -> retry_one_by_one(); position_after(next)
    :: else -> position_after_loss(next)
    fi;
    changed = true
}

/* Sets `place` to that of the call's due event. The lane's cursor must have passed it. Otherwise the lost or released range
 * of its failure would find it neither waiting nor dead, and claim it again. (take_events takes such a range before all
 * retries, with nearly the same effect: the variant leaves out both.) */
inline find_due(l, call)
{
    place = NO_PLACE;
    if
    :: (CALL_SET(call) & to_come) == 0 && (CALL_SET(call) & due) != 0 ->
        first_waiting(call);
#ifndef RETRY_BEFORE_CURSOR
        if
        :: !IS_DONE_WITH(l, EVENT_AT(place)) -> place = NO_PLACE
        :: else
        fi
#endif
    :: else
    fi
}

inline hand_out_waiting(e)
{
    ADD(out, e); ADD(got, e); attempts[e]++; count++
}

/* The first event of each call. An event with too many lost workers, or in its last attempt, is claimed alone. */
#define IS_ALONE(e) (lease_expiries[e] >= ALONE || attempts[e] + 1 >= MAX_ATTEMPTS)

inline take_retry(limit)
{
    count = 0;
    for (w : 0 .. 1) {
        find_due(next, w);
        if
        :: place == NO_PLACE || count >= limit
        :: else ->
            k = EVENT_AT(place);
            if
            :: !IS_ALONE(k) -> hand_out_waiting(k)
            :: IS_ALONE(k) && count == 0 -> hand_out_waiting(k); break
            :: else
            fi
        fi
    }
    next.retry = got != 0
}

inline place_event(e)
{
    if
    :: HAS(waiting, e) || (next.has_redelivery && HAS(dead, e))
#ifndef CALL_NOT_BLOCKED
    :: !HAS(waiting, e) && !(next.has_redelivery && HAS(dead, e)) && (CALL_SET(CALL(e)) & waiting) != 0 ->
        ADD(waiting, e); attempts[e] = NEXT_ATTEMPT(next) - 1; changed = true
#endif
    :: else -> ADD(got, e)
    fi
}

/* One pass through the window. Waiting events count too, and nothing beyond the end of an earlier claim is taken. */
inline read_window(limit)
{
    looked_at = 0; next.to = next.read;
    next_event(next, next.read);
    do
    :: place != NO_PLACE && looked_at < limit && !(next.has_redelivery && place > next.redelivered_to) ->
        next.to = place; looked_at++;
        k = EVENT_AT(place);
        place_event(k);
        next_event(next, next.to)
    :: else -> break
    od;
    next.is_window_end = place == NO_PLACE
}

/* Above a number of waiting events no new range is taken. A range claimed before is not new: retries wait for it. */
#define POPCOUNT(set) (HAS(set, 0) + HAS(set, 1) + HAS(set, 2))
#ifdef FULL_STOPS_ALL
#define MAY_TAKE_WHEN_FULL(l) false
#else
#define MAY_TAKE_WHEN_FULL(l) l.has_redelivery
#endif

inline take_range(limit, s1)
{
    was_full = POPCOUNT(waiting) >= MAX_RETRYING;
    do
    :: was_full && !MAY_TAKE_WHEN_FULL(next) -> break
    :: else ->
        is_last = !next.in_window;
        if
        :: is_last -> next.window_snapshot = s1; next.in_window = 1
        :: else
        fi;
        read_window(limit);
        if
        :: got != 0 -> break
        :: else
        fi;
        if
        :: !is_last || !next.is_window_end -> changed = true
        :: else
        fi;
        position_after(next);
        if
        :: is_last && next.is_window_end == 1 -> break
        :: else
        fi
    od
}

/* Retries alternate with new ranges. A range claimed before comes first. */
inline take_events(limit, s1)
{
#ifdef RETRY_BEFORE_CURSOR
    was_first = !was_retry;
#else
    was_first = !was_retry && !next.has_redelivery;
#endif
    next.retry = 0;
    if
    :: was_first -> take_retry(limit)
    :: else
    fi;
    if
    :: got == 0 -> take_range(limit, s1)
    :: else
    fi;
    if
    :: got == 0 && !was_first -> take_retry(limit)
    :: else
    fi
}

/* MakeClaimId: an id that no worker remembers. */
inline make_id()
{
    next.id = 1;
    do
    :: next.id == lane.id -> next.id++
    :: else ->
        is_found = false;
        for (w : 0 .. WORKERS) {
            is_found = is_found || id[w] == next.id
        }
        if
        :: is_found -> next.id++
        :: else -> break
        fi
    od
}

/* claim_lane: from the second look to the commit. `idle_move`: an empty window is moved on. */
inline claim(who, limit, s1, idle_move)
{
    COPY(next, lane);
    was_retry = lane.retry; changed = idle_move; got = 0;
    if
    :: lane.open -> take_over()
    :: else
    fi;
    next.open = 0; next.over = 0; next.id = 0; next.to = 0; next.is_window_end = 0;
    take_events(limit, s1);
    if
    :: got != 0 ->
        check_handed_out(who);
        make_id();
        id[who] = next.id; has[who] = got; skipped[who] = 0; live[who] = 1;
        next.open = 1
    :: else
    fi;
    if
    :: got == 0 || next.retry -> next.to = 0; next.is_window_end = 0
    :: else
    fi;
    if
    :: got != 0 || changed -> COPY(lane, next)
    :: else
    fi
}

/* look_at, without the lock: can anything be claimed? Sets has_work. */
inline look(s1)
{
    COPY(next, lane);
    has_work = lane.open && lane.over;
    if
    :: !lane.open ->
        find_due(lane, 0); has_work = place != NO_PLACE;
        find_due(lane, 1); has_work = has_work || place != NO_PLACE;
        if
        :: !has_work && (POPCOUNT(waiting) < MAX_RETRYING || MAY_TAKE_WHEN_FULL(lane)) ->
            next_event(lane, lane.read); has_work = lane.in_window && place != NO_PLACE;
            if
            :: lane.in_window -> next.done_snapshot = lane.window_snapshot
            :: else
            fi;
#if defined(BY_NUMBER) || defined(BY_XID)
            next.window_snapshot = s1; next_event(next, next.read);
#else
            next.window_snapshot = s1; next_event(next, 0);
#endif
            has_work = has_work || place != NO_PLACE
        :: else
        fi
    :: else
    fi
}

/* -- ending a claim ------------------------------------------------------------------------------------------------------ */

#ifdef NO_FENCE
#define IS_CURRENT(who) (lane.open)
#else
#define IS_CURRENT(who) (lane.open && lane.id == id[who])
#endif

inline forget_claim(who)
{
    id[who] = 0; has[who] = 0; skipped[who] = 0; live[who] = 0
}

inline close_record()
{
    lane.open = 0; lane.over = 0; lane.id = 0; lane.to = 0; lane.is_window_end = 0
}

inline complete(who)
{
    check_completed(who);
    for (k : 0 .. EVENTS - 1) {
        if
        :: HAS(out, k) -> stop_waiting(k); release_call(CALL(k))
        :: else
        fi
    }
    position_after(lane);
    close_record()
}

inline release()
{
    for (k : 0 .. EVENTS - 1) {
        attempts[k] = attempts[k] - HAS(out, k)
    }
    out = 0;
    position_after_release(lane);
    close_record()
}

/* When all appending transactions have ended, all workers may die, and a last worker makes no mistakes. In the end no event is
 * left, and every committed event was completed or is dead. The reset makes all of these ends one state. */
inline drain()
{
    locked = 0; rounds = 0;
    for (w : 0 .. WORKERS) {
        forget_claim(w)
    }
    do
    :: true ->
        lane.over = lane.open; due = due | to_come; to_come = 0;
        look(ended);
        if
        :: !has_work -> break
        :: else
        fi;
        rounds++;
        assert(rounds < 32);
        claim(0, MOST_CLAIMED, ended, false);
        if
        :: id[0] != 0 -> complete(0)
        :: else
        fi;
        forget_claim(0)
    od;
    for (i : 0 .. EVENTS - 1) {
        assert(xid[i] == 0 || !HAS(committed, xid[i]) || HAS(done | dead, i))
    }
    assert(!lane.open && waiting == 0)
}

inline reset_all()
{
    RESET(lane);
    next_seq = 0; next_xid = 0; calls = 0; ended = 0; committed = 0;
    waiting = 0; to_come = 0; due = 0; out = 0; dead = 0; done = 0;
    for (i : 0 .. EVENTS - 1) {
        xid[i] = 0; attempts[i] = 0; lease_expiries[i] = 0
    }
    for (w : 0 .. WORKERS) {
        forget_claim(w);
        seen[w] = 0;
#ifdef LOOKS_ONCE
        RESET(looked[w])
#endif
    }
    for (w : 0 .. 4) {
        ended_before[w] = 0
    }
}

/* Choices of the environment: max_events, 0 if the transaction is rolled back; and whether an idle window is moved. */
inline select_limit()
{
    if
    :: limit = 0
    :: limit = 1
    :: limit = MOST_CLAIMED
    fi;
    if
    :: idle_move = false
    :: idle_move = true
    fi
}

inline select_event()
{
    e = 0;
    do
    :: e < EVENTS - 1 -> e++
    :: break
    od
}

/* -- the processes ------------------------------------------------------------------------------------------------------- */

#ifdef NO_LOCK
#define LOCK
#define UNLOCK
#define IS_FREE true
#else
#define LOCK locked = 1
#define UNLOCK locked = 0
#define IS_FREE (!locked)
#endif
#if defined(NO_LOCK) || defined(RECORD_BEFORE_LOCK)
#define MAY_CLAIM true
#define USE_RECORD COPY(lane, looked[me])
#else
#define MAY_CLAIM (!lane.open || lane.over)
#define USE_RECORD skip
#endif

#ifdef LOOKS_ONCE
#define FORGET_LOOK seen[me] = 0; RESET(looked[me])
#else
#define FORGET_LOOK seen[me] = 0
#endif

inline take_xid(own)
{
    own = next_xid; next_xid++; ended_before[own] = ended
}

inline end_transaction(own, commits)
{
    ADD(ended, own);
    if
    :: commits -> ADD(committed, own)
    :: else
    fi
}

/* A transaction appends `n` events, the k-th of call HAS(of_call, k), and ends at any time. If transactions do the same, their
 * first events are numbered in one order only (`from`). This spares the mirror images. */
proctype inserter(byte from; byte n; byte of_call)
{
    byte own, seq, events;
    do
    :: d_step { events < n && own == 0 && next_seq >= from && next_seq < EVENTS -> seq = next_seq; next_seq++ };
        d_step { take_xid(own); xid[seq] = own; calls = calls | (HAS(of_call, 0) << seq); events++; seq = 0 }
    :: d_step { events < n && own != 0 ->
        xid[next_seq] = own; calls = calls | (HAS(of_call, events) << next_seq); next_seq++; events++ }
    :: d_step { events == n -> end_transaction(own, true); own = 0; events = 0; n = 0; from = 0 }; break
#if SCENARIO == 1 || SCENARIO == 3
    :: d_step { events == n && from < 2 -> end_transaction(own, false); own = 0; events = 0; n = 0; from = 0 }; break
#endif
    od
}

/* A worker with a lease claims, and ends its claim somehow. It may sleep or die anywhere. If it dies, its transaction is rolled
 * back and its claim is forgotten. A real worker first looks without the lock, but trusts nothing it saw, so the model locks at
 * any time. (drain checks that the look misses nothing.) */
proctype worker(byte me)
{
end_idle:
#ifdef LOOKS_ONCE
    atomic {
        !stopped;
        look(ended);
        if
        :: !has_work -> goto end_idle
        :: else -> seen[me] = ended; COPY(looked[me], lane)
        fi
    };
end_looked:
#endif
    atomic { /* SKIP LOCKED; the second look is one step: snapshot, newest record, S1 */
        !stopped && IS_FREE && MAY_CLAIM -> LOCK;
#ifndef S1_BEFORE_LOCK
        seen[me] = ended
#endif
    };
end_claim:
    atomic {
        !stopped;
        select_limit();
        if
        :: limit != 0 -> d_step { USE_RECORD; claim(me, limit, seen[me], idle_move) }
        :: else /* it died */
        fi;
        UNLOCK; FORGET_LOOK;
        if
        :: id[me] == 0 -> goto end_idle
        :: else
        fi
    };
end_holding:
    if
    :: d_step { !stopped && IS_FREE ->
            if
            :: IS_CURRENT(me) -> complete(me)
            :: else
            fi;
            forget_claim(me) }; goto end_idle
    :: d_step { !stopped && IS_FREE ->
            if
            :: IS_CURRENT(me) -> release()
            :: else
            fi;
            forget_claim(me) }; goto end_idle
    :: d_step { !stopped && IS_FREE && IS_CURRENT(me) -> lane.over = 0; live[me] = 1 }; goto end_holding /* renew */
    :: d_step { !stopped -> forget_claim(me) }; goto end_idle /* it died */
#ifdef FAILURES
    :: atomic { !stopped && IS_FREE && IS_CURRENT(me) && (has[me] & ~skipped[me]) != 0 ->
            select_event();
            if
            :: HAS(has[me] & ~skipped[me], e) -> d_step { fail(me, e) }
            :: else
            fi }; goto end_holding
#endif
    fi
}

/* A transaction claims, and appends after that. It completes its claim itself, or leaves it to any worker. */
proctype client()
{
    byte own;
end_idle:
    atomic {
        !stopped && IS_FREE && (!lane.open || lane.over) -> LOCK; take_xid(own); seen[CLIENT_TX] = ended;
#ifdef OWN_XID_SETTLED
        ADD(seen[CLIENT_TX], own)
#endif
    };
    d_step { xid[next_seq] = own; next_seq++ };
    atomic {
        select_limit();
        if
        :: limit != 0 -> d_step {
            claim(CLIENT_TX, limit, seen[CLIENT_TX], idle_move);
            if
            :: id[CLIENT_TX] != 0 && idle_move -> complete(CLIENT_TX)
            :: else -> lane.over = lane.open
            fi;
            end_transaction(own, true) }
        :: else -> end_transaction(own, false) /* it died, or was rolled back */
        fi;
        forget_claim(CLIENT_TX); UNLOCK; seen[CLIENT_TX] = 0; own = 0
    }
}

/* Time: leases end, backoffs end. */
proctype time()
{
    do
    :: d_step { !stopped && lane.open && !lane.over ->
            for (w : 0 .. WORKERS) {
                live[w] = live[w] && id[w] != lane.id
            };
            lane.over = 1 }
#if defined(NO_LOCK) || defined(RECORD_BEFORE_LOCK) || defined(NO_FENCE)
    :: d_step { !stopped && live[0] && id[0] != lane.id -> live[0] = 0 }
#endif
#ifdef FAILURES
    :: d_step { !stopped && (CALL_SET(0) & to_come) != 0 ->
            due = due | (CALL_SET(0) & to_come); to_come = to_come & ~CALL_SET(0) }
    :: d_step { !stopped && (CALL_SET(1) & to_come) != 0 ->
            due = due | (CALL_SET(1) & to_come); to_come = to_come & ~CALL_SET(1) }
#endif
    :: atomic { !stopped && ended == (1 << (LAST_XID + 1)) - 2 -> d_step { drain(); reset_all(); stopped = 1 } }; break
    od
}

init
{
    atomic {
        RUN_INSERTERS;
        run worker(0);
#if WORKERS > 1
        run worker(1);
#endif
#ifdef CLIENT
        run client();
#endif
        run time()
    }
}
