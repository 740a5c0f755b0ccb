#!/usr/bin/env python3
"""Sends signed webhooks as a provider does, and keeps what was answered.

    load.py PORT PATH SECRET SECONDS FILE         opens each closed connection again
    load.py PORT PATH SECRET SECONDS FILE once    does not, so the load ends when the receiver stops

20 connections send one delivery after the other. A delivery without an answer, or with a 5xx, is sent again, and each tenth is
sent twice anyway. FILE gets a line `call_id status` for each answer. At the end one line of JSON is printed: the number of
answers by status, and the number of requests without an answer.
"""
import asyncio
import base64
import collections
import hashlib
import hmac
import itertools
import json
import sys
import time

PORT, PATH, SECRET, SECONDS, FILE = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode(), float(sys.argv[4]), sys.argv[5]
ONCE = len(sys.argv) > 6
CONNECTIONS = 20
BEGIN = int(time.time() * 1000)

ids = itertools.count(BEGIN * 1000)
statuses = collections.Counter()
answers = open(FILE, "w", encoding="utf8")
end = time.monotonic() + SECONDS


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def request(call_id):
    claims = {"call_id": call_id, "state": "ringing", "direction": "inbound", "external_number": "+14155550199",
              "event_timestamp": BEGIN}
    signed = encode(b'{"alg":"HS256"}') + b"." + encode(json.dumps(claims).encode())
    body = signed + b"." + encode(hmac.digest(SECRET, signed, hashlib.sha256))
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (PATH.encode(), len(body), body)


async def read_answer(reader):
    """Status and whether the connection ends. Raises IncompleteReadError if nothing comes."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = [line.partition(":")[2] for line in head.split("\r\n") if line.startswith("content-length:")]
    await reader.readexactly(int(length[0]) if length else 0)
    return int(head.split()[1]), "connection: close" in head


class Sender:
    """One connection."""

    def __init__(self):
        self.streams = None

    async def send(self, call_id):
        """Sends a delivery once, and returns whether its provider is content."""
        try:
            self.streams = self.streams or await asyncio.open_connection("127.0.0.1", PORT)
        except OSError:
            statuses["refused"] += 1
            return False
        reader, writer = self.streams
        status, closes = None, True
        try:
            writer.write(request(call_id))
            status, closes = await asyncio.wait_for(read_answer(reader), 10)
            print(call_id, status, file=answers)
        except (OSError, EOFError, asyncio.TimeoutError):
            pass
        statuses[str(status or "unanswered")] += 1
        if closes:
            writer.close()
            self.streams = None
        return status is not None and status < 500

    async def run(self):
        for call_id in ids:
            for _ in range(1 if call_id % 10 else 2):
                while not await self.send(call_id) and time.monotonic() < end:
                    await asyncio.sleep(0.05)
                if time.monotonic() > end or ONCE and self.streams is None:
                    return


async def main():
    await asyncio.gather(*(Sender().run() for _ in range(CONNECTIONS)))
    answers.close()
    print(json.dumps(statuses))


asyncio.run(main())
