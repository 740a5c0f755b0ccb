/*
 * Several consumers of one lane: claims, a seek, a consumer that is created, and purges. `make check-model` lets spin try every
 * order of steps, and must find the failure of each variant.
 *
 * A consumer's position is the set of transactions whose events it has settled (done_snapshot). Claims and completions are one
 * step here: event_log.pml has their protocol. A seek and a purge look first and change the position or the log later, since
 * they read the log under their locks, while other sessions append.
 *
 * SCENARIO chooses the target of the seek: 5 the second event, 6 the third one.
 */

#define FROM (SCENARIO - 4)

#define EVENTS 3
#define CONSUMERS 2
#define HAS(set, x) (((set) >> (x)) & 1)
#define ADD(set, x) set = set | (1 << (x))

byte xid[EVENTS];      /* of the event with that sequence number, from 1; 0: not written */
byte next_xid = 1;
byte ended;            /* transactions: what a snapshot sees */
byte deleted;          /* events */
byte done[CONSUMERS];  /* transactions */
byte got[CONSUMERS];   /* events */
byte passed[CONSUMERS];/* events that a seek was to pass, or that were deleted before the consumer came */
bool exists[CONSUMERS];
bool lane_locked;      /* of consumer 0 */
bool log_locked;

#define IS_VISIBLE(e, snapshot) (xid[e] != 0 && HAS(snapshot, xid[e]))

hidden byte i, c, first, settled;

inline claim(who)
{
    for (i : 0 .. EVENTS - 1) {
        if
        :: IS_VISIBLE(i, ended & ~done[who]) && !HAS(deleted, i) -> ADD(got[who], i)
        :: else
        fi
    }
    done[who] = ended
}

/* The numbers are drawn first, the transaction ids later, and the commits come in any order. */
proctype inserter(byte seq)
{
    byte own;
    d_step { own = next_xid; next_xid++; xid[seq] = own };
    d_step { ADD(ended, own); own = 0 }
}

proctype worker(byte who)
{
    byte times;
    do
    :: d_step { times < 2 && exists[who] && !(who == 0 && lane_locked) -> claim(who); times++ }
    :: break
    od
}

#ifdef PURGE_WITHOUT_LOCK
#define LOCK_FOR_PURGE
#define UNLOCK_AFTER_PURGE
#define MAY_PURGE true
#else
#define LOCK_FOR_PURGE log_locked = 1
#define UNLOCK_AFTER_PURGE log_locked = 0
#define MAY_PURGE (!log_locked)
#endif

proctype purge()
{
    byte mine;
    d_step {
        MAY_PURGE -> LOCK_FOR_PURGE;
        mine = done[0];
#ifndef PURGE_OF_ONE
        if
        :: exists[1] -> mine = mine & done[1]
        :: else
        fi
#endif
    };
    d_step {
        for (i : 0 .. EVENTS - 1) {
            if
            :: IS_VISIBLE(i, mine) -> ADD(deleted, i)
            :: else
            fi
        };
        mine = 0;
        UNLOCK_AFTER_PURGE
    }
}

/* create_call_consumer(from_beginning => true) */
proctype creator()
{
    d_step { !log_locked -> log_locked = 1 };
    d_step { exists[1] = 1; passed[1] = deleted; log_locked = 0 }
}

/* Sets `first` to the place of the first event with this number or a higher one, among those that the snapshot sees. The log's
 * order is that of the transaction ids. */
inline find_first(from, snapshot)
{
    first = 0;
    for (i : from .. EVENTS - 1) {
        if
        :: IS_VISIBLE(i, snapshot) && !HAS(deleted, i) && (first == 0 || xid[i] < first) -> first = xid[i]
        :: else
        fi
    }
}

/* seek_call_consumer(event_seq => from) for consumer 0 */
proctype seeker(byte from)
{
    byte now, found;
    atomic { !lane_locked -> lane_locked = 1 };
    d_step { !log_locked -> log_locked = 1 };
    d_step {
        now = ended;
#ifdef SEEK_SNAPSHOT_AFTER_LOOK
        find_first(from, now); found = first
#endif
    };
    d_step {
#ifdef SEEK_SNAPSHOT_AFTER_LOOK
        now = ended;
#else
        find_first(from, now); found = first;
#endif
        for (i : 0 .. from - 1) {
            if
            :: IS_VISIBLE(i, now) -> ADD(passed[0], i)
            :: else
            fi
        };
        if
        :: found == 0 -> done[0] = now
#ifdef SEEK_PASSES_OPEN
        :: else -> done[0] = (1 << found) - 1
#else
        :: else -> done[0] = now & ((1 << found) - 1)
#endif
        fi;
        now = 0; found = 0; lane_locked = 0; log_locked = 0
    }
}

/* All transactions have ended, and all sessions. The workers claim once more, and each consumer has each event. */
proctype judge()
{
    d_step {
        ended == (1 << (EVENTS + 1)) - 2 && !log_locked && !lane_locked ->
        for (c : 0 .. CONSUMERS - 1) {
            if
            :: exists[c] ->
                claim(c);
                for (i : 0 .. EVENTS - 1) {
                    assert(HAS(got[c] | passed[c], i))
                }
            :: else
            fi
        }
    }
}

init
{
    atomic {
        exists[0] = 1;
        run inserter(0); run inserter(1); run inserter(2);
        run worker(0); run worker(1);
        run creator();
        run purge(); run purge();
        run seeker(FROM);
        run judge()
    }
}
