#!/usr/bin/env python3
"""This worker writes its results to the same database. Each event counts once.

    apt-get install python3-psycopg2
    worker.py                  with leases; PGHOST, PGDATABASE, ... name the database
    worker.py --transaction    each batch in one transaction, without a lease

CONSUMER names the consumer. Without it the worker shares the events with process_call_events.
"""
import os
import select
import signal
import socket
import sys

import psycopg2
from psycopg2.extras import NamedTupleCursor

LEASE = "1 minute"  # longer than the work for one batch
POLL_AFTER = 5  # seconds; retries and expired claims send no notification
CONSUMER = os.environ.get("CONSUMER")
WORKER = f"worker.py on {socket.gethostname()}, pid {os.getpid()}"


def handle(cursor, event):
    """The work for one event: store its talk time."""
    if event.payload.get("talk_time") is not None:  # some events have null
        cursor.execute("INSERT INTO talked VALUES (%s, %s, %s)",
                       (event.event_seq, event.call_id, event.payload["talk_time"]))


def check_setup(cursor):
    """Fails if the table or the right to write to it is missing. EXPLAIN checks both and writes nothing."""
    cursor.execute("EXPLAIN INSERT INTO talked VALUES (0, '', 0)")


def claim(cursor, lease):
    cursor.execute("SELECT * FROM claim_call_events(100, %s, %s, consumer => %s)", (lease, WORKER, CONSUMER))
    return cursor.fetchall()


def process(cursor, events):
    """Writes and completion are one transaction: both happen, or neither."""
    failed_calls = set()
    for event in events:
        if event.call_id in failed_calls:
            continue  # it is blocked behind the failed event
        cursor.execute("SAVEPOINT event")
        try:
            handle(cursor, event)
        except (psycopg2.OperationalError, psycopg2.ProgrammingError):
            raise  # not the fault of the event: a lost connection, table or right. The batch is rolled back
        except Exception as error:
            failed_calls.add(event.call_id)
            cursor.execute("ROLLBACK TO SAVEPOINT event")
            cursor.execute("SELECT fail_call_event(%s, %s, %s) AS outcome",  # the name of the error, without data
                           (event.claim_id, event.event_seq, type(error).__name__))
            print(f"event {event.event_seq}: {type(error).__name__}: {cursor.fetchone().outcome}", flush=True)
        cursor.execute("RELEASE SAVEPOINT event")
    cursor.execute("SELECT * FROM complete_call_events(%s)", (claims_of(events),))
    outcomes = [row.outcome for row in cursor.fetchall()]
    print(f"{len(events)} events, {outcomes.count('completed')} of {len(outcomes)} claims completed", flush=True)


def claims_of(events):
    return sorted({event.claim_id for event in events})  # sorted: all sessions lock in the same order


def work_with_lease(db):
    with db, db.cursor() as cursor:
        events = claim(cursor, LEASE)
    if not events:
        return 0
    try:
        with db, db.cursor() as cursor:
            for claim_id in claims_of(events):  # raises 55000 if another worker has the events now
                cursor.execute("SELECT assert_call_claim(%s)", (claim_id,))
            process(cursor, events)
    except psycopg2.Error as error:
        if db.closed:
            raise
        print(f"a batch is given back: {type(error).__name__}", file=sys.stderr)
        with db, db.cursor() as cursor:
            cursor.execute("SELECT * FROM release_call_events(%s)", (claims_of(events),))
        return 0  # so main waits before the next claim
    return len(events)


def work_in_one_transaction(db):
    with db, db.cursor() as cursor:
        events = claim(cursor, None)
        if events:
            process(cursor, events)
    return len(events)


def wait(db):
    """Waits for a notification, at most POLL_AFTER seconds."""
    db.poll()
    if not db.notifies:
        select.select([db], [], [], POLL_AFTER)
    db.notifies.clear()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # open transactions are rolled back
    work = work_in_one_transaction if "--transaction" in sys.argv[1:] else work_with_lease
    db = psycopg2.connect("", cursor_factory=NamedTupleCursor)
    with db, db.cursor() as cursor:
        check_setup(cursor)
        cursor.execute("SELECT call_event_log_channel() AS name")
        cursor.execute(f'LISTEN "{cursor.fetchone().name}"')
    while True:
        if work(db) == 0:
            wait(db)


if __name__ == "__main__":
    try:
        main()
    except psycopg2.Error as error:
        sys.exit(f"worker.py: {error}")
