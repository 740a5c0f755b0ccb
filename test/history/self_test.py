"""Made-up histories: a good one, and for each rule one that breaks it."""

import check

BASE = 1000000000
OTHER = 'o'  # the client of another consumer


class Story:
    """Writes logs as the clients do. Times are in milliseconds, and so are WAL positions."""

    def __init__(self):
        self.logs, self.tables = {}, {'ingested': [], 'dead': [], 'effects': [], 'settings': [('5',)]}
        self.life, self.sync, self.names = 1000, 'sync', 0

    def say(self, client, *words):
        if client not in self.logs:
            self.logs[client] = []
            self.start(client)
        self.logs[client].append('\t'.join(str(word) for word in words))

    def start(self, client):
        self.logs[client].append(f'life\t{self.life}\t{self.sync}\t1')

    def crash(self, life):
        self.life = life
        for client in self.logs:
            self.start(client)

    def when(self, at):
        return BASE + at * 1000, BASE + at * 1000 + 10, at * 1000

    def over(self, client, name, at, how='commit'):
        self.say(client, 'ended', name, how)
        self.say(client, 'past', name, BASE + at * 1000 + 100, at * 1000 + 100)

    def open(self, client, kind='auto'):
        self.names += 1
        self.say(client, kind, self.names)
        return self.names

    def append(self, tag, at, call='1', end='commit', kept=True, client='a'):
        name = self.open(client, 'begin')
        self.say(client, 'begun', name, BASE + at * 1000)
        self.say(client, 'append', name, tag, call)
        if end:
            self.say(client, 'end?', name, end)
            self.over(client, name, at, end)
        if kept and end == 'commit':
            self.tables['ingested'].append((tag, str(len(self.tables['ingested'])), '1', '0', call))
        return self

    def claim(self, client, number, tags, at, lease=1000, attempt=1, call='1', name=None, most=10):
        auto = name is None
        name = name or self.open(client)
        self.say(client, 'claim?', name, lease, most, BASE + at * 1000)
        self.say(client, 'claim!', name, lease, most, len(tags), *self.when(at))
        for tag in tags:
            self.say(client, 'row', name, number, 1, attempt, call, tag)
        if auto:
            self.over(client, name, at)
        return self

    def close(self, client, number, at, answer='completed', kind='complete', answered=True, name=None):
        auto = name is None
        name = name or self.open(client)
        self.say(client, 'close?', name, kind, f'{{{number}}}', BASE + at * 1000)
        if answered:
            self.say(client, 'close!', name, kind, number, answer, *self.when(at))
            if auto:
                self.over(client, name, at)
        return self

    def next(self, client, done, number, tags, at, lost=None, **others):
        """Completes the claims `done` with the next claim. `lost` of them undoes the statement."""
        name = self.open(client)
        self.say(client, 'close?', name, 'complete', '{' + ','.join(map(str, done)) + '}', BASE + at * 1000)
        self.say(client, 'claim?', name, 1000, 10, BASE + at * 1000)
        if lost is not None:
            self.say(client, 'lost', name, lost, 'stale', BASE + at * 1000, BASE + at * 1000 + 10)
            self.over(client, name, at, 'rollback')
            return self
        for one in done:
            self.say(client, 'close!', name, 'complete', one, 'completed', *self.when(at))
        self.claim(client, number, tags, at, name=name, **others)
        self.over(client, name, at)
        return self

    def fail(self, client, number, tag, at, answer='retry'):
        name = self.open(client)
        self.say(client, 'fail?', name, number, 1, tag, BASE + at * 1000)
        self.say(client, 'fail!', name, number, 1, tag, answer, *self.when(at))
        self.over(client, name, at)
        return self

    def renew(self, client, number, at, end):
        name = self.open(client)
        self.say(client, 'renew?', name, number, 1000, BASE + at * 1000)
        self.say(client, 'renew!', name, number, end if end == 'stale' else BASE + end * 1000, *self.when(at))
        self.over(client, name, at)
        return self

    def has(self, table, *row):
        self.tables[table].append(tuple(str(word) for word in row))
        return self

    def violations(self):
        history = check.History()
        for client, lines in self.logs.items():
            history.read_log(client, '\n'.join(lines) + '\n', client != OTHER)
        history.read_tables(self.tables)
        history.settle()
        return check.Checker(history).check()


def appended(*tags, sync='sync'):
    story = Story()
    story.sync = sync
    for i, tag in enumerate(tags):
        story.append(tag, i)
    return story


def good():
    story = appended('a:1', 'a:2', 'a:3')
    story.claim('w', 1, ['a:1', 'a:2'], 10).fail('w', 1, 'a:1', 11).close('w', 1, 12)
    story.claim('v', 2, ['a:1'], 20, attempt=2).close('v', 2, 21)
    story.claim('v', 3, ['a:2'], 30, attempt=2, lease=5).claim('w', 4, ['a:2'], 50, attempt=3)
    story.close('v', 3, 60, 'stale').close('w', 4, 61)
    story.claim('w', 5, ['a:3'], 70).close('w', 5, 71, 'released', 'release')
    return story.claim('w', 6, ['a:3'], 80).close('w', 6, 81).has('effects', 'a:3', 6, 1)


# Claim 1 is lost to another worker, so claim 2 stays open as well.
def next_after_loss():
    story = appended('a:1').append('a:2', 5, call='2').claim('w', 1, ['a:1'], 10, lease=5)
    story.claim('w', 2, ['a:2'], 11, call='2')
    return story.claim('v', 3, ['a:1'], 20, attempt=2).close('v', 3, 21).next('w', [1, 2], 4, [], 30, lost=1)


def dead():
    story = appended('a:1')
    for attempt in range(1, 5):
        story.claim('w', attempt, ['a:1'], attempt * 10, attempt=attempt).fail('w', attempt, 'a:1', attempt * 10 + 1)
        story.close('w', attempt, attempt * 10 + 2)
    return story.claim('w', 5, ['a:1'], 60, attempt=5).has('dead', 'a:1', 0, 5, BASE + 61000)


def lost_with_crash(completed_at, recovered, second=True):
    story = appended('a:1', sync='async')
    story.claim('w', 1, ['a:1'], 5).close('w', 1, completed_at)
    story.crash(recovered * 1000)
    if second:
        story.claim('w', 2, ['a:1'], 40, attempt=2).close('w', 2, 41)
    return story


def in_transaction(number, tags, at, end, ended_at, story):
    name = story.open('t', 'begin')
    story.claim('t', number, tags, at, lease=0, name=name)
    story.close('t', number, ended_at, name=name)
    story.say('t', 'end?', name, end)
    story.over('t', name, ended_at, end)
    return story


def half_written():
    story = appended('a:1')
    name = story.open('w')
    story.say('w', 'claim?', name, 10, 10, BASE + 10000)
    story.say('w', 'claim!', name, 10, 10, 2, *story.when(10))
    story.say('w', 'row', name, 1, 1, 1, '1', 'a:1')
    return story.claim('v', 2, ['a:1'], 40, attempt=2).close('v', 2, 41)


def of_other():
    return Story().append('o:1', 1, client=OTHER)


GOOD = {
    'completed with the next claim': lambda: appended('a:1', 'a:2').claim('w', 1, ['a:1'], 5)
        .next('w', [1], 2, ['a:2'], 10).close('w', 2, 12),
    'completed after the next claim was refused': lambda: next_after_loss().close('w', 2, 31),
    'a good history': good,
    'another consumer has the same events': lambda: good().claim(OTHER, 9, ['a:1', 'a:2'], 6).close(OTHER, 9, 7),
    'the events of a client of another consumer': lambda: of_other().claim('w', 1, ['o:1'], 5).close('w', 1, 6),
    'a death': lambda: dead().fail('w', 5, 'a:1', 61, 'dead'),
    'a death with the worker': dead,
    'completed again, since a crash has taken it back': lambda: lost_with_crash(30, 20),
    'claimed and completed once more after a rollback': lambda: in_transaction(
        1, ['a:1'], 10, 'rollback', 15, appended('a:1')).claim('w', 2, ['a:1'], 20).close('w', 2, 21),
    'a claim of which nothing is known': half_written,
    'a claim behind a dead event, rolled back': lambda: in_transaction(7, ['a:2'], 80, 'rollback', 85, dead()
        .append('a:2', 70)).claim('v', 8, ['a:2'], 90).close('v', 8, 91),
    'a completion without an answer': lambda: appended('a:1').claim('w', 1, ['a:1'], 5).close('w', 1, 6, answered=False),
}

BAD = {
    'lost: to another consumer': lambda: appended('a:1').claim(OTHER, 1, ['a:1'], 5).close(OTHER, 1, 6),
    'lost: of a client of another consumer': lambda: of_other().claim(OTHER, 1, ['o:1'], 5).close(OTHER, 1, 6),
    'lost': lambda: appended('a:1', 'a:2').claim('w', 1, ['a:1'], 5).close('w', 1, 6),
    'lost: with a lost claim': lambda: next_after_loss().claim('w', 6, ['a:2'], 70, call='2', attempt=2),
    'lost: completed too late': lambda: appended('a:1').claim('w', 1, ['a:1'], 5).close('w', 1, 6, 'stale'),
    'lost: it has failed': lambda: appended('a:1').claim('w', 1, ['a:1'], 5).fail('w', 1, 'a:1', 6).close('w', 1, 7),
    'lost: it was held back': lambda: appended('a:1', 'a:2').claim('w', 1, ['a:1', 'a:2'], 5)
        .fail('w', 1, 'a:1', 6).close('w', 1, 7).claim('w', 2, ['a:1'], 9, attempt=2).close('w', 2, 10),
    'lost: with the crash': lambda: lost_with_crash(30, 20, second=False),
    'lost: completed in a transaction that was rolled back': lambda: in_transaction(
        1, ['a:1'], 10, 'rollback', 15, appended('a:1')),
    'phantom: rolled back': lambda: Story().append('a:1', 1, end='rollback').claim('w', 1, ['a:1'], 5).close('w', 1, 6),
    'phantom: never committed': lambda: Story().append('a:1', 1, end=None).claim('w', 1, ['a:1'], 5),
    'phantom: not there': lambda: Story().append('a:1', 1, kept=False).claim('w', 1, ['a:1'], 5).close('w', 1, 6),
    'finished twice': lambda: appended('a:1').claim('w', 1, ['a:1'], 5, lease=5)
        .claim('v', 2, ['a:1'], 20, attempt=2).close('w', 1, 21).close('v', 2, 22),
    'handed out again: after a crash that has not taken it back': lambda: lost_with_crash(10, 20),
    'handed out again': lambda: in_transaction(2, ['a:1'], 20, 'rollback', 25, appended('a:1')
        .claim('w', 1, ['a:1'], 5).close('w', 1, 6)),
    'handed out again: though dead': lambda: dead().fail('w', 5, 'a:1', 61, 'dead').claim('w', 6, ['a:1'], 70, attempt=5),
    'late answer: fail': lambda: appended('a:1').claim('w', 1, ['a:1'], 5, lease=5)
        .claim('v', 2, ['a:1'], 20, attempt=2).fail('w', 1, 'a:1', 21).close('v', 2, 22),
    'late answer: renew': lambda: appended('a:1').claim('w', 1, ['a:1'], 5, lease=5)
        .claim('v', 2, ['a:1'], 20, attempt=2).renew('w', 1, 21, 30).close('v', 2, 22),
    'closed twice': lambda: good().close('w', 6, 90),
    'double effect': lambda: good().has('effects', 'a:3', 5, 1),
    'double effect: of a dead event': lambda: dead().has('effects', 'a:1', 5, 5),
    'disorder': lambda: appended('a:1', 'a:2').claim('w', 1, ['a:2'], 5).close('w', 1, 6)
        .claim('w', 2, ['a:1'], 7).close('w', 2, 8),
    'disorder: in a claim': lambda: appended('a:1', 'a:2').claim('w', 1, ['a:2', 'a:1'], 5).close('w', 1, 6),
    'disorder: before the retry': lambda: appended('a:1', 'a:2').claim('w', 1, ['a:1'], 5).fail('w', 1, 'a:1', 6)
        .close('w', 1, 7).claim('w', 2, ['a:2'], 8).close('w', 2, 9).claim('w', 3, ['a:1'], 10, attempt=2).close('w', 3, 11),
    'attempts: too many': lambda: appended('a:1').claim('w', 1, ['a:1'], 5, attempt=6).close('w', 1, 6),
    'attempts: one that nobody had': lambda: appended('a:1').claim('w', 1, ['a:1'], 5, attempt=2).close('w', 1, 6),
    'attempts: not counted': lambda: appended('a:1').claim('w', 1, ['a:1'], 5, lease=5)
        .claim('v', 2, ['a:1'], 20).close('v', 2, 21),
    'attempts: dead too early': lambda: appended('a:1').claim('w', 1, ['a:1'], 5).fail('w', 1, 'a:1', 6, 'dead')
        .has('dead', 'a:1', 0, 1, BASE + 6000),
    'attempts: retried for ever': lambda: dead().fail('w', 5, 'a:1', 61, 'retry'),
    'overlap': lambda: appended('a:1').claim('w', 1, ['a:1'], 5, lease=50)
        .claim('v', 2, ['a:1'], 20, attempt=2).close('v', 2, 21),
    'overlap: it was renewed': lambda: appended('a:1').claim('w', 1, ['a:1'], 5, lease=5).renew('w', 1, 7, 100)
        .claim('v', 2, ['a:1'], 20, attempt=2).close('v', 2, 21),
    'overlap: of a transaction': lambda: in_transaction(1, ['a:1'], 10, 'rollback', 50, appended('a:1')
        .claim('w', 2, ['a:1'], 20).close('w', 2, 60)),
    'repeated claim id': lambda: good().append('a:4', 85).claim('w', 6, ['a:4'], 90).close('w', 6, 91),
    'too many events': lambda: appended('a:1', 'a:2').claim('w', 1, ['a:1', 'a:2'], 5, most=1).close('w', 1, 6),
    'twice in a batch': lambda: appended('a:1').claim('w', 1, ['a:1', 'a:1'], 5).close('w', 1, 6),
    'handed out again: with the next claim': lambda: appended('a:1', 'a:2').claim('w', 1, ['a:1'], 5)
        .next('w', [1], 2, ['a:2'], 10).close('w', 2, 12).claim('v', 3, ['a:1'], 11, attempt=2).close('v', 3, 13),
    'stale too early: with the next claim': lambda: appended('a:1').claim('w', 1, ['a:1'], 5).next('w', [1], 2, [], 6, lost=1)
        .claim('v', 2, ['a:1'], 2000, attempt=2).close('v', 2, 2001),
    'stale too early': lambda: appended('a:1').claim('w', 1, ['a:1'], 5).close('w', 1, 6, 'stale')
        .claim('v', 2, ['a:1'], 2000, attempt=2).close('v', 2, 2001),
    'death: after few attempts': lambda: appended('a:1').claim('w', 1, ['a:1'], 5).has('dead', 'a:1', 0, 1, BASE + 9000),
    'death: with others': lambda: appended('a:1', 'a:2').claim('w', 1, ['a:1', 'a:2'], 5, attempt=5)
        .has('dead', 'a:1', 0, 5, BASE + 9000),
    'death: completed': lambda: good().has('dead', 'a:3', 0, 5, BASE + 99000),
}


def main():
    failed = 0
    print(f'1..{len(GOOD) + len(BAD)}')
    for number, (name, make) in enumerate([*GOOD.items(), *BAD.items()], 1):
        found = make().violations()
        rule = name.split(':')[0]
        is_right = not found if name in GOOD else any(violation.startswith(rule + ':') for violation in found)
        failed += not is_right
        print(f'{"ok" if is_right else "not ok"} {number} - {name}')
        for violation in [] if is_right else found:
            print(f'# {violation}')
    return 1 if failed else 0
