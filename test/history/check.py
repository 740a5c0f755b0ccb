#!/usr/bin/env python3
"""Checks the results of a run of test/t/claims/history.pl: the logs of its clients, and tables.

    check.py DIRECTORY [OTHERS]     prints the counts and each violation; its status is 1 if there is one
    check.py --self-test            checks the checker with made-up histories, as TAP

All workers of DIRECTORY are of one consumer. OTHERS has the logs of other consumers, whose workers append events too.

What a client knows is what it was answered. Between a question and its answer it may have been killed, and the server
too; with synchronous_commit = off a crash takes the last answers back. So each transaction of a client has a survival:

    void    was rolled back, or its COMMIT was never sent
    sure    was committed, and is there for ever: the client was told so by a server that had written it down, or no
            crash came, or the position of its end in the write-ahead log lies before where recovery came to
    lost    was committed, and a crash took it back: it began after where recovery came to
    maybe   all others

Within one life of the server (between two crashes) everything that was answered has to fit together, whatever became of
it; from one life to the next, what is sure. Times are of the server's clock, in microseconds; those of a question are
the client's, which is the same clock.

The rules have the names of the violations: see `Checker`.
"""

import bisect
import collections
import glob
import os
import sys

# Recovery ends at most one page header after the end of a transaction.
SLACK = 512


class Transaction:
    def __init__(self, client, name, life, is_sync, is_auto):
        self.client, self.name, self.life, self.is_sync, self.is_auto = client, name, life, is_sync, is_auto
        self.begun = None  # a time before it had an xid
        self.alive = 0  # the last time at which it was open for sure
        self.lowest = 0  # the log of changes had come so far before it ended
        self.end_asked = None  # commit, rollback
        self.ended = None  # commit, rollback
        self.past = None  # a time after its end
        self.highest = None  # the log of changes had come so far after it ended
        self.is_answered = False  # auto: the statement has been
        self.is_prepared = False  # another client may end it
        self.claims = []
        self.survival = None

    def saw(self, now, changes):
        self.alive = max(self.alive, int(now))
        self.lowest = max(self.lowest, int(changes))
        self.is_answered = True

    def is_committed(self):
        return self.ended == 'commit' or (self.is_auto and self.is_answered)


class Claim:
    def __init__(self, number, transaction, lease, started, now):
        self.number, self.transaction, self.lease, self.started, self.now = number, transaction, lease, started, now
        self.rows = []  # Handout, in order
        self.closes = []  # Verb complete or release
        self.fails = []  # Verb fail
        self.renewals = []
        self.is_undone = False
        self.place = {}  # of each tag in rows


class Handout:
    def __init__(self, claim, place, seq, attempt, call, tag):
        self.claim, self.place, self.seq, self.attempt, self.call, self.tag = claim, place, seq, attempt, call, tag


class Verb:
    """A question about a claim, and its answer: None where there is none."""

    def __init__(self, kind, transaction, claim, asked, tag=None):
        self.kind, self.transaction, self.claim, self.asked, self.tag = kind, transaction, claim, asked, tag
        self.answer, self.started, self.now = None, None, None

    def answered(self, answer, started, now):
        self.answer, self.started, self.now = answer, int(started), int(now)

    def is_accepted(self):
        return self.answer not in (None, 'stale', 'unknown') and self.transaction.survival != 'void'

    def may_be_accepted(self):
        return self.transaction.survival != 'void' and (self.answer is None or self.is_accepted())

    def earliest(self):
        return self.started if self.started is not None else self.asked


class Event:
    def __init__(self, tag, call, transaction):
        self.tag, self.call, self.transaction = tag, call, transaction
        self.number = int(tag.rsplit(':', 1)[1])
        self.is_undone = False
        self.handouts = []


class History:
    def __init__(self):
        self.lives = set()
        self.transactions = []
        self.claims = {}
        self.events = {}
        self.repeated_claims = []
        self.batches = []  # (most, rows) of each answered claim
        self.unseen = []  # times of possible claims without an answer
        self.errors = []
        self.counts = collections.Counter()
        self.ingested, self.dead, self.effects, self.max_attempts = {}, {}, [], 5

    # -- reading the logs --------------------------------------------------------------------------

    def read_log(self, client, text, is_of_consumer=True):
        reader = (LogReader if is_of_consumer else OtherReader)(self, client)
        lines = text.split('\n')
        for line in lines[:-1]:  # the last line is empty or cut off
            reader.read(line.split('\t'))
        reader.finish()

    def claim_of(self, number):
        # A client may ask about a claim without having seen its result. The rows of such a claim are unknown.
        if number not in self.claims:
            return None
        return self.claims[number]

    # -- reading the tables ------------------------------------------------------------------------

    def read_tables(self, tables):
        for tag, seq, xid, lane, call in tables.get('ingested', []):
            self.ingested[tag] = (int(seq), int(xid), int(lane), call)
        for tag, seq, attempts, died in tables.get('dead', []):
            self.dead[tag] = (int(seq), int(attempts), int(died))
        for tag, claim, attempt in tables.get('effects', []):
            self.effects.append((tag, int(claim), int(attempt)))
        for (attempts,) in tables.get('settings', []):
            self.max_attempts = int(attempts)

    def settle(self):
        lives = sorted(self.lives)
        for transaction in self.transactions:
            transaction.survival = survival_of(transaction, lives)
        for claim in self.claims.values():
            for handout in claim.rows:
                if handout.tag in self.events:
                    self.events[handout.tag].handouts.append(handout)
        for event in self.events.values():
            event.handouts.sort(key=lambda handout: handout.claim.now)
        self.unseen.sort()


def survival_of(transaction, lives):
    if not transaction.is_committed():
        is_void = transaction.ended == 'rollback' or (not transaction.is_auto and transaction.end_asked != 'commit')
        return 'void' if is_void else 'maybe'
    later = bisect.bisect_right(lives, transaction.life)
    if later == len(lives) or transaction.is_sync:
        return 'sure'
    recovered = lives[later]
    if transaction.highest is not None and transaction.highest + SLACK <= recovered:
        return 'sure'
    return 'lost' if transaction.lowest > recovered + SLACK else 'maybe'


class LogReader:
    def __init__(self, history, client):
        self.history, self.client = history, client
        self.life, self.is_sync = 0, False
        self.transactions = {}
        self.asked_claim = None  # (transaction, most, time)
        self.batch = None  # [transaction, lease, most, expected, started, now, rows]
        self.verbs = {}  # (kind, claim, tag): the last one

    def read(self, words):
        if words[0] != 'row':
            self.end_batch()
        name = 'read_' + words[0].replace('?', '_asked').replace('!', '_answered')
        getattr(self, name)(*words[1:])

    def finish(self):
        self.end_batch()
        self.forget_asked_claim()

    # Questions on a lost connection get no answer.
    def read_life(self, life, sync, _pid):
        self.forget_asked_claim()
        self.life, self.is_sync = int(life), sync == 'sync'
        self.history.lives.add(self.life)

    def read_stopped(self):
        pass

    def read_error(self, state, *text):
        # The server is shutting down or starting up.
        if state[:2] != '08' and state[:3] != '57P' and state != '':
            self.history.errors.append(f'{self.client}: {state} {" ".join(text)}')

    # -- transactions --------------------------------------------------------------------------------

    def start(self, name, is_auto):
        transaction = Transaction(self.client, name, self.life, self.is_sync, is_auto)
        self.transactions[name] = transaction
        self.history.transactions.append(transaction)

    def read_auto(self, name):
        self.start(name, True)

    def read_begin(self, name):
        self.start(name, False)

    def read_begun(self, name, now):
        self.transactions[name].begun = int(now)

    def read_end_asked(self, name, how):
        if not self.transactions[name].is_prepared:
            self.transactions[name].end_asked = how
        # A prepared transaction may end in another life or another kind of session.
        self.transactions[name].life, self.transactions[name].is_sync = self.life, self.is_sync

    def read_ended(self, name, how):
        self.transactions[name].ended = how

    def read_past(self, name, now, changes):
        self.transactions[name].past, self.transactions[name].highest = int(now), int(changes)

    def read_prepare_asked(self, name, _prepared):
        self.transactions[name].is_prepared = True
        self.transactions[name].end_asked = 'commit'

    def read_prepared(self, _name, _prepared):
        self.history.counts['prepared transactions'] += 1

    # -- events --------------------------------------------------------------------------------------

    def read_append(self, name, tag, call):
        self.history.events[tag] = Event(tag, call, self.transactions[name])

    def read_undone(self, _name, tag):
        self.history.events[tag].is_undone = True

    # -- claims --------------------------------------------------------------------------------------

    def forget_asked_claim(self):
        if self.asked_claim is not None and self.asked_claim[0].is_auto:
            self.history.unseen.append(self.asked_claim[1])
        self.asked_claim = None

    def read_claim_asked(self, name, _lease, _most, time):
        self.asked_claim = (self.transactions[name], int(time))

    def read_claim_answered(self, name, lease, most, rows, started, now, changes):
        transaction = self.transactions[name]
        transaction.saw(now, changes)
        self.batch = [transaction, int(lease), int(most), int(rows), int(started), int(now), []]

    def read_row(self, _name, claim, seq, attempt, call, tag):
        if self.batch is not None:
            self.batch[6].append((int(claim), int(seq), int(attempt), call, tag))

    def end_batch(self):
        if self.batch is None:
            return
        transaction, lease, most, expected, started, now, rows = self.batch
        self.batch = None
        if len(rows) < expected:  # the client was killed while it wrote them
            return
        self.asked_claim = None
        self.history.batches.append((most, rows))
        made = {}
        for number, seq, attempt, call, tag in rows:
            if number not in made:
                made[number] = self.new_claim(number, transaction, lease, started, now)
            claim = made[number]
            claim.place.setdefault(tag, len(claim.rows))
            claim.rows.append(Handout(claim, len(claim.rows), seq, attempt, call, tag))

    def new_claim(self, number, transaction, lease, started, now):
        if number in self.history.claims:
            self.history.repeated_claims.append(number)
        claim = Claim(number, transaction, lease, started, now)
        self.history.claims[number] = claim
        transaction.claims.append(claim)
        return claim

    def read_unclaimed(self, name):
        for claim in self.transactions[name].claims:
            claim.is_undone = True

    # -- verbs ---------------------------------------------------------------------------------------

    def ask(self, kind, name, number, time, tag=None):
        claim = self.history.claim_of(int(number))
        verb = Verb(kind, self.transactions[name], claim, int(time), tag)
        self.verbs[kind, int(number), tag] = verb
        if claim is not None:
            {'fail': claim.fails, 'renew': claim.renewals}.get(kind, claim.closes).append(verb)

    def answer(self, kind, name, number, tag, answer, started, now, changes):
        self.transactions[name].saw(now, changes)
        self.verbs[kind, int(number), tag].answered(answer, started, now)
        self.history.counts[f'{kind}: {answer}'] += 1

    def read_close_asked(self, name, kind, numbers, time):
        for number in numbers.strip('{}').split(','):
            self.ask(kind, name, number, time)

    def read_close_answered(self, name, kind, number, answer, started, now, changes):
        self.answer(kind, name, number, None, answer, started, now, changes)

    def read_lost(self, _name, number, answer, started, now):
        """A claim was to be completed with the next claim, and is lost: the statement has done nothing."""
        self.asked_claim = None
        self.verbs['complete', int(number), None].answered(answer, started, now)
        self.history.counts[f'complete with the next claim: {answer}'] += 1

    def read_fail_asked(self, name, number, _seq, tag, time):
        self.ask('fail', name, number, time, tag)

    def read_fail_answered(self, name, number, _seq, tag, answer, started, now, changes):
        self.answer('fail', name, number, tag, answer, started, now, changes)

    def read_renew_asked(self, name, number, _lease, time):
        self.ask('renew', name, number, time)

    def read_renew_answered(self, name, number, end, started, now, changes):
        self.transactions[name].saw(now, changes)
        self.verbs['renew', int(number), None].answered(end, started, now)
        self.history.counts['renew: ' + ('stale' if end == 'stale' else 'renewed')] += 1

    def read_assert_answered(self, name, _number, answer, *when):
        if when:
            self.transactions[name].saw(when[1], when[2])
        self.history.counts['assert: ' + answer] += 1


class OtherReader(LogReader):
    """The log of a client of another consumer: its events count, its claims do not."""

    def read_claim_asked(self, _name, _lease, _most, _time):
        pass

    def read_row(self, *_row):
        pass

    def end_batch(self):
        self.batch = None

    def ask(self, *_question):
        pass

    def answer(self, _kind, name, _number, _tag, _answer, _started, now, changes):
        self.transactions[name].saw(now, changes)

    def read_lost(self, *_answer):
        pass

    def read_renew_answered(self, name, _number, _end, _started, now, changes):
        self.transactions[name].saw(now, changes)


def is_effective(earlier, later):
    """Does the server know the commit of `earlier` at the time of `later`?"""
    if not earlier.is_committed():
        return False
    return earlier.survival == 'sure' if earlier.life < later.life else earlier.life == later.life


def may_be_effective(earlier, later):
    if earlier.survival == 'void':
        return False
    return earlier.survival != 'lost' if earlier.life < later.life else earlier.life == later.life


class Checker:
    def __init__(self, history):
        self.history = history
        self.found = []

    def report(self, rule, text):
        self.found.append(f'{rule}: {text}')

    def check(self):
        for rule in (self.unexpected_errors, self.repeated_claims, self.broken_batches, self.lost_events,
                     self.phantoms, self.finished_twice, self.closed_twice, self.late_answers, self.double_effects, self.disorder,
                     self.attempts, self.overlaps, self.stale_answers, self.deaths):
            rule()
        return self.found

    # -- helpers -------------------------------------------------------------------------------------

    def blocked(self, handout, is_certain):
        """Did the event, or an earlier one of its call, fail in its claim? Then a completion leaves it out."""
        claim = handout.claim
        for verb in claim.fails:
            place = claim.place.get(verb.tag)
            if place is None or place > handout.place or claim.rows[place].call != handout.call:
                continue
            if verb.is_accepted() if is_certain else verb.may_be_accepted():
                return True
        return False

    def finishes(self, event):
        """(handout, verb) of everything that may have finished it: a completion, or the answer "dead"."""
        for handout in event.handouts:
            for verb in handout.claim.closes:
                if verb.kind == 'complete' and verb.may_be_accepted() and not self.blocked(handout, True):
                    yield handout, verb
            for verb in handout.claim.fails:
                if verb.tag == event.tag and verb.may_be_accepted() and verb.answer in ('dead', None):
                    yield handout, verb

    # -- rules ---------------------------------------------------------------------------------------

    def unexpected_errors(self):
        for error in self.history.errors:
            self.report('unexpected error', error)

    def repeated_claims(self):
        for number in self.history.repeated_claims:
            self.report('repeated claim id', f'{number} was handed out twice')

    def broken_batches(self):
        for most, rows in self.history.batches:
            if len(rows) > most:
                self.report('too many events', f'{len(rows)} for {most}')
            tags = [row[4] for row in rows]
            for tag in {tag for tag in tags if tags.count(tag) > 1} if len(set(tags)) < len(tags) else ():
                self.report('twice in a batch', tag)

    def lost_events(self):
        for tag, (seq, _xid, lane, _call) in self.history.ingested.items():
            if lane < 0 or tag in self.history.dead:
                continue
            event = self.history.events.get(tag)
            if event is None:
                self.report('unknown event', f'{tag}: no client has appended it')
                continue
            if not any(verb.kind == 'complete' and verb.transaction.survival in ('sure', 'maybe')
                       for _, verb in self.finishes(event)):
                self.report('lost', f'{tag} (event_seq {seq}): handed out {len(event.handouts)} times, never finished')

    def phantoms(self):
        history = self.history
        for claim in history.claims.values():
            for handout in claim.rows:
                event = history.events.get(handout.tag)
                if event is None:
                    self.report('phantom', f'{handout.tag} was handed out, and no client has appended it')
                elif event.transaction is claim.transaction:
                    self.report('phantom', f'{handout.tag} was handed out to the transaction that appended it')
                elif event.is_undone or event.transaction.survival == 'void':
                    self.report('phantom', f'{handout.tag} was handed out, and was rolled back')
                elif handout.tag not in history.ingested and claim.transaction.survival == 'sure':
                    self.report('phantom', f'{handout.tag} was handed out in a claim that is there, and it is not')

    def finished_twice(self):
        for event in self.history.events.values():
            for first, verb in self.finishes(event):
                if not verb.is_accepted() or self.blocked(first, False) and verb.kind == 'complete':
                    continue
                for second in event.handouts:
                    if second.claim is not first.claim and second.claim.now > first.claim.now:
                        self.finished_before(event, verb, second.claim)

    def finished_before(self, event, verb, claim):
        one, other = verb.transaction, claim.transaction
        text = f'{event.tag}: {verb.kind} of claim {verb.claim.number}, and it is in claim {claim.number}'
        if claim.started > (one.past or sys.maxsize) and is_effective(one, other):
            self.report('handed out again', text)
        elif not claim.is_undone and one.is_committed() and other.is_committed():
            first, last = (one, other) if one.life <= other.life else (other, one)
            if is_effective(first, last):
                self.report('finished twice', text)

    def closed_twice(self):
        for claim in self.history.claims.values():
            accepted = [verb for verb in claim.closes if verb.is_accepted() and verb.transaction.is_committed()]
            for earlier in accepted:
                for later in accepted + [verb for verb in claim.fails if verb.is_accepted()]:
                    if (later is not earlier and later.started > (earlier.transaction.past or sys.maxsize) and
                            is_effective(earlier.transaction, later.transaction)):
                        self.report('closed twice', f'claim {claim.number}: {later.kind} after {earlier.kind}')

    def late_answers(self):
        """After a takeover no verb has an effect on the old claim."""
        for event in self.history.events.values():
            for i, first in enumerate(event.handouts):
                claim = first.claim
                for verb in claim.closes + claim.fails + claim.renewals:
                    if verb.is_accepted():
                        for second in event.handouts[i + 1:]:
                            self.check_late(verb, claim, second.claim)

    def check_late(self, verb, claim, other):
        if (other is not claim and not other.is_undone and is_effective(other.transaction, verb.transaction) and
                verb.started > (other.transaction.past or sys.maxsize)):
            self.report('late answer', f'claim {claim.number}: {verb.kind} after claim {other.number} had taken it over')

    def double_effects(self):
        seen = {}
        for tag, claim, _attempt in self.history.effects:
            if tag in seen:
                self.report('double effect', f'{tag}: of claims {seen[tag]} and {claim}')
            seen[tag] = claim
            if tag not in self.history.ingested:
                self.report('double effect', f'{tag}: there is no such event')
            if tag in self.history.dead:
                self.report('double effect', f'{tag}: it is dead')

    # -- order ---------------------------------------------------------------------------------------

    @staticmethod
    def comes_before(first, second):
        one, other = first.transaction, second.transaction
        if one is other:
            return first.number < second.number
        return (one.ended == 'commit' and one.past is not None and other.begun is not None and
                one.past < other.begun)

    def was_finished(self, event, claim):
        for _, verb in self.finishes(event):
            if verb.earliest() <= claim.now and may_be_effective(verb.transaction, claim.transaction):
                return True
        dead = self.history.dead.get(event.tag)
        if dead is None:
            return False
        if dead[2] <= claim.now:
            return True
        # The event may have died before a crash and again after it.
        return claim.transaction.survival != 'sure' and any(handout.attempt >= self.history.max_attempts for handout in event.handouts)

    def disorder(self):
        calls = collections.defaultdict(list)
        for event in self.history.events.values():
            if not event.is_undone:
                calls[event.call].append(event)
        for events in calls.values():
            for second in events:
                if second.handouts:
                    self.check_order(events, second)

    def check_order(self, events, second):
        for first in events:
            if first is second or not self.comes_before(first, second):
                continue
            if first.tag not in self.history.ingested and first.transaction is not second.transaction:
                continue
            for handout in second.handouts:
                place = handout.claim.place.get(first.tag)
                if place is not None:
                    if place > handout.place:
                        self.report('disorder', f'{second.tag} comes before {first.tag} in claim {handout.claim.number}')
                elif not self.was_finished(first, handout.claim):
                    self.report('disorder', f'{second.tag} is in claim {handout.claim.number}, and {first.tag} of the '
                                            f'same call was not finished')

    # -- attempts ------------------------------------------------------------------------------------

    def unseen_between(self, start, end):
        return bisect.bisect_right(self.history.unseen, end) - bisect.bisect_left(self.history.unseen, start)

    def attempts(self):
        for event in self.history.events.values():
            for handout in event.handouts:
                if not 1 <= handout.attempt <= self.history.max_attempts:
                    self.report('attempts', f'{event.tag} has attempt {handout.attempt}')
            for i, handout in enumerate(event.handouts):
                self.check_attempt(event, event.handouts[:i], handout)
            self.check_fail_answers(event)

    @staticmethod
    def may_be_released(claim):
        return any(verb.kind == 'release' and verb.may_be_accepted() for verb in claim.closes)

    def check_attempt(self, event, earlier, handout):
        claim = handout.claim
        least = 1
        for other in earlier:
            if is_effective(other.claim.transaction, claim.transaction) and not other.claim.is_undone:
                least = max(least, other.attempt + (0 if self.may_be_released(other.claim) else 1))
        if handout.attempt < least:
            self.report('attempts', f'{event.tag} has attempt {handout.attempt} in claim {claim.number}, and had '
                                    f'attempt {least - 1} before')
        start = 0
        most = 1
        counted = [other for other in earlier
                   if may_be_effective(other.claim.transaction, claim.transaction) and not other.claim.is_undone]
        if counted:
            # A claim asked for slightly earlier may have been made slightly later.
            start = counted[-1].claim.started - 2000000
            most = max(other.attempt for other in counted) + 1
        most += self.unseen_between(start, claim.now)
        if handout.attempt > most:
            self.report('attempts', f'{event.tag} has attempt {handout.attempt} in claim {claim.number}, and not more '
                                    f'than {most} can be explained')

    def check_fail_answers(self, event):
        for handout in event.handouts:
            for verb in handout.claim.fails:
                if verb.tag != event.tag or verb.answer not in ('retry', 'dead'):
                    continue
                if (verb.answer == 'dead') != (handout.attempt >= self.history.max_attempts):
                    self.report('attempts', f'{event.tag} failed in attempt {handout.attempt}: {verb.answer}')

    # -- leases --------------------------------------------------------------------------------------

    @staticmethod
    def lease_end(claim, time, known_to):
        """The earliest end of the lease, as known at `time`; 0 if unknown. A renewal may shorten a lease."""
        if claim.lease == 0:
            return 0
        end = claim.started + claim.lease * 1000
        for verb in claim.renewals:
            if verb.earliest() > time or not verb.may_be_accepted():
                continue
            renewed = int(verb.answer or 0)
            if is_effective(verb.transaction, known_to):
                end = renewed
            elif may_be_effective(verb.transaction, known_to):
                end = min(end, renewed)
        return end

    def may_have_ended(self, handout, time):
        """Before `time` the worker may have ended the claim, or failed the event in it."""
        claim = handout.claim
        if any(verb.may_be_accepted() and verb.earliest() <= time for verb in claim.closes):
            return True
        return any(verb.may_be_accepted() and verb.earliest() <= time and
                   claim.rows[claim.place.get(verb.tag, 0)].call == handout.call for verb in claim.fails)

    def overlaps(self):
        for event in self.history.events.values():
            for i, first in enumerate(event.handouts):
                for second in event.handouts[i + 1:]:
                    if first.claim is not second.claim:
                        self.check_overlap(event, first, second.claim)

    def check_overlap(self, event, first, claim):
        one = first.claim
        text = f'{event.tag} was in claim {one.number} of {one.transaction.client}, and went to claim {claim.number}'
        if one.is_undone:
            return
        if not one.transaction.is_auto and claim.now < one.transaction.alive:
            self.report('overlap', f'{text} while the transaction of the first was open')
            return
        end = self.lease_end(one, claim.now, claim.transaction)
        if (is_effective(one.transaction, claim.transaction) and claim.now < end and
                not self.may_have_ended(first, claim.now)):
            self.report('overlap', f'{text} {end - claim.now} us before the end of its lease')

    def stale_answers(self):
        """A claim is not stale before its lease ends, unless it was closed."""
        for claim in self.history.claims.values():
            for verb in claim.closes + claim.fails:
                if verb.answer not in ('stale', 'unknown') or not is_effective(claim.transaction, verb.transaction):
                    continue
                if claim.is_undone or verb.now >= self.lease_end(claim, verb.now, verb.transaction):
                    continue
                if self.was_asked_before(claim, verb):
                    continue
                self.report('stale too early', f'claim {claim.number}: {verb.kind} was {verb.answer}')

    @staticmethod
    def was_asked_before(claim, verb):
        others = [other for other in claim.closes if other is not verb]
        if verb.kind == 'fail':
            others += [other for other in claim.fails if other is not verb]
        return any(other.may_be_accepted() and other.earliest() <= verb.now for other in others)

    # -- deaths --------------------------------------------------------------------------------------

    def deaths(self):
        """A dead event had all its attempts. In the last one it failed, or its worker was lost with it alone."""
        most = self.history.max_attempts
        for tag, (seq, attempts, _died) in self.history.dead.items():
            event = self.history.events.get(tag)
            if event is None:
                continue
            if attempts != most:
                self.report('death', f'{tag} (event_seq {seq}) died after {attempts} attempts')
            for handout in event.handouts:
                if handout.attempt < most or handout.claim.transaction.survival != 'sure':
                    continue
                failed = any(verb.tag == tag and verb.may_be_accepted() for verb in handout.claim.fails)
                if not failed and len(handout.claim.rows) > 1:
                    self.report('death', f'{tag} died with others in claim {handout.claim.number}')
            for _, verb in self.finishes(event):
                if verb.kind == 'complete' and verb.is_accepted() and verb.transaction.survival == 'sure':
                    self.report('death', f'{tag} is dead, and was completed')


def read_table(path):
    with open(path, encoding='utf-8') as file:
        return [line.rstrip('\n').split('\t') for line in file]


def read_logs(history, directory, is_of_consumer):
    for path in sorted(glob.glob(os.path.join(directory, '*.log'))):
        with open(path, encoding='utf-8') as file:
            history.read_log(os.path.basename(path)[:-4], file.read(), is_of_consumer)


def read_directory(directory, others):
    history = History()
    read_logs(history, directory, True)
    for other in others:
        read_logs(history, other, False)
    history.read_tables({os.path.basename(path)[:-4]: read_table(path)
                         for path in glob.glob(os.path.join(directory, '*.tsv'))})
    history.settle()
    return history


def summary(history):
    counts = collections.Counter(history.counts)
    counts['events'] = len(history.ingested)
    counts['lives of the server'] = len(history.lives)
    counts['claims'] = len(history.claims)
    counts['claims of which nothing is known'] = len(history.unseen)
    counts['dead events'] = len(history.dead)
    counts['effects'] = len(history.effects)
    for claim in history.claims.values():
        for handout in claim.rows:
            counts['handed out'] += 1
            counts[f'attempt {handout.attempt}'] += 1
        for verb in claim.closes + claim.fails:
            if verb.is_accepted():
                counts[f'accepted, {verb.transaction.survival}'] += 1
    return counts


def main(directory, *others):
    history = read_directory(directory, others)
    found = Checker(history).check()
    for name, count in sorted(summary(history).items()):
        print(f'# {name}: {count}')
    for violation in found[:100]:
        print(violation)
    if len(found) > 100:
        print(f'and {len(found) - 100} more')
    return 1 if found else 0


if __name__ == '__main__':
    if sys.argv[1:] == ['--self-test']:
        import self_test
        sys.exit(self_test.main())
    sys.exit(main(*sys.argv[1:]))
