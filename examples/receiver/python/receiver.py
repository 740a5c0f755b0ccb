#!/usr/bin/env python3
"""Receives webhooks over HTTP. The database checks their signatures and keeps them. docs/receiver.md has the settings.

    apt-get install python3-aiohttp python3-asyncpg python3-prometheus-client
    WEBHOOKS='{"dialpad": {"log": "public.call_events"}}' receiver.py      PGHOST, PGDATABASE, ... name the database
"""
from __future__ import annotations

import asyncio
import datetime
import json
import logging
import os
import signal
import sys
import time
from typing import Any

import asyncpg
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from spool import Delivery, Spool


def setting(name: str, default: float) -> float:
    return type(default)(os.environ.get(name, default))


HOST = os.environ.get("HOST", "127.0.0.1")
PORT = setting("PORT", 8080)
BODY_BYTES = setting("BODY_BYTES", 1_000_000)
POOL_SIZE = setting("POOL_SIZE", 10)
REQUESTS = setting("REQUESTS", 100)  # at a time: bounds the queue for the pool, and the memory of bodies
SPOOL_BYTES = setting("SPOOL_BYTES", 100_000_000)
DRAIN_SECONDS = setting("DRAIN_SECONDS", 3.0)  # a balancer needs them to see that this receiver stops
STOP_SECONDS = setting("STOP_SECONDS", 20.0)

# Zoom waits 3 seconds for an answer, Dialpad 5.
CONNECT_SECONDS = 1.0
STATEMENT_SECONDS = 1.5
RETRY_AFTER = 5
# A slow sender holds a connection. A kept one lives longer than at the proxy: else a request meets its end.
HEADER_SECONDS, REQUEST_SECONDS, KEEP_ALIVE_SECONDS = 5, 10, 75

# A sender chooses the path. The name of a log comes from here, never from a path.
WEBHOOKS: dict[str, dict[str, Any]] = json.loads(os.environ.get("WEBHOOKS", "{}"))

requests_total = Counter("callhardening_receiver_requests", "Webhooks by answer.", ["webhook", "code"])
duration = Histogram("callhardening_receiver_request_duration_seconds",
                     "Time from the headers of a webhook to its answer.",
                     buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5))
in_flight = Gauge("callhardening_receiver_requests_in_flight", "Requests without an answer yet.")
spool_files = Gauge("callhardening_receiver_spool_files", "Webhooks on disk that wait for the database.")
spool_bytes = Gauge("callhardening_receiver_spool_bytes", "Their bytes.")
drained = Counter("callhardening_receiver_spool_drained", "Webhooks from the spool that the database has.")
dropped = Counter("callhardening_receiver_spool_dropped", "Webhooks from the spool that it refused.")


def log(level: str, event: str, **fields: Any) -> None:
    """Writes a line. Never a body, a header or a query: they have numbers and secrets."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    print(json.dumps({"time": now, "level": level, "event": event, **fields}), flush=True)


class Refusal(Exception):
    """What is answered instead of 200, and why."""

    def __init__(self, status: int, cause: Exception | None = None, **headers: str) -> None:
        super().__init__(status)
        self.status, self.cause, self.headers = status, cause, headers

    def fields(self) -> dict[str, str]:
        """The server's messages of some classes can quote a value."""
        if self.cause is None:
            return {}
        code = getattr(self.cause, "sqlstate", None) or type(self.cause).__name__
        if code[:2] in ("22", "23", "P0"):
            return {"code": code}
        return {"code": code, "message": getattr(self.cause, "message", None) or str(self.cause)}


# ---- the database ---------------------------------------------------------------------------------------------------

# One statement is one transaction. asyncpg returns after the commit.
INGEST = """
    WITH handshake AS MATERIALIZED (SELECT answer_call_handshake($1, $2, $3, $4::text::regclass) AS answer)
    SELECT answer, CASE WHEN answer IS NULL THEN ingest_call_webhook($1, $2, $3, $4::text::regclass) END AS event
    FROM handshake"""

# A log without a secret would refuse each webhook, and so would a standby.
READY = """
    SELECT current_setting('transaction_read_only') = 'off' AND bool_and(signed IS TRUE) AS ready
    FROM unnest($1::text[]) AS name LEFT JOIN call_event_logs ON events = to_regclass(name)"""


class Connection(asyncpg.Connection):
    """A session without state of its own."""

    async def reset(self, *, timeout: float | None = None) -> None:
        """Does nothing: the pool would pay a second round trip for each webhook."""


def status_of(error: Exception) -> int:
    """By what a second delivery could change. docs/receiver.md has the table."""
    code = getattr(error, "sqlstate", None)
    if not code or code == "25006" or code[:2] in ("08", "40", "53", "57", "58") or code.startswith("55P"):
        return 503  # the database is away, busy or a standby
    if code == "28000":
        return 401
    if code == "22004":
        return 500  # the setting `url` is missing
    if code[:2] == "54":
        return 413
    return 400 if code[:2] in ("22", "23") else 500  # the table of the log refuses this body, and would refuse it again


def answer_handshake(answer: str, request: web.Request) -> web.Response:
    """RingCentral expects the answer in a header, Zoom as JSON, Microsoft as text."""
    if "Validation-Token" in request.headers:
        return web.Response(headers={"Validation-Token": answer})
    kind = "application/json" if answer.startswith("{") else "text/plain"
    return web.Response(text=answer, content_type=kind)


def count(name: str, status: int, seconds: float, fields: dict[str, Any]) -> None:
    webhook = name if name in WEBHOOKS else "unknown"  # a sender must not add to metrics, nor write to the log
    requests_total.labels(webhook, status).inc()
    duration.observe(seconds)
    level = "info" if status < 300 else "warning"
    log(level, "webhook", webhook=webhook, status=status, seconds=round(seconds, 4), **fields)


class Receiver:
    def __init__(self, pool: asyncpg.Pool, spool: Spool | None) -> None:
        self.pool, self.spool = pool, spool
        self.requests = 0
        self.stopping = False
        self.idle_since: dict[web.RequestHandler, float] = {}

    async def query(self, text: str, *values: Any) -> asyncpg.Record:
        connected = False
        try:
            async with self.pool.acquire(timeout=CONNECT_SECONDS) as connection:
                connected = True
                try:
                    return await connection.fetchrow(text, *values)
                except (asyncpg.ReadOnlySQLTransactionError, asyncpg.InternalClientError):
                    # A standby stays one. A server that stops closes an idle connection. If a webhook comes at this
                    # moment, asyncpg raises InternalClientError, and its pool never gets the place back.
                    connection.terminate()
                    raise
        except Exception as error:  # 28000 can also be a refused login
            raise Refusal(status_of(error) if connected else 503, error) from error

    async def ingest(self, delivery: Delivery) -> asyncpg.Record:
        """A restart of the server breaks connections, and two deliveries can deadlock. So a webhook has a second try,
        if its provider still waits. If the first try was committed, the second one finds the event."""
        values = (delivery.body, json.dumps(delivery.headers), delivery.url, WEBHOOKS[delivery.webhook]["log"])
        started = time.monotonic()
        try:
            return await self.query(INGEST, *values)
        except Refusal as refusal:
            if refusal.status != 503 or time.monotonic() - started > CONNECT_SECONDS:
                raise
            return await self.query(INGEST, *values)

    async def is_ready(self) -> bool:
        if self.stopping:
            return False
        try:
            ready = (await self.query(READY, [webhook["log"] for webhook in WEBHOOKS.values()]))["ready"]
        except Refusal as refusal:
            log("warning", "database not ready", **refusal.fields())
            return all(webhook.get("spool") for webhook in WEBHOOKS.values()) and self.spool.has_room()
        if not ready:
            log("warning", "database not ready", message="a log is missing or has no secret, or this is a standby")
        return ready

    # ---- requests ---------------------------------------------------------------------------------------------------

    def check_request(self, request: web.Request) -> None:
        if request.method != "POST":
            raise Refusal(405, Allow="POST")
        if "Content-Encoding" in request.headers:
            raise Refusal(415)  # signatures are of the plain bytes
        if (request.content_length or 0) > BODY_BYTES:
            raise Refusal(413)
        if self.requests > REQUESTS:
            raise Refusal(503)

    async def receive(self, request: web.Request, webhook: str) -> tuple[web.Response, dict[str, Any]]:
        self.check_request(request)
        setting = WEBHOOKS[webhook]
        headers: dict[str, list[str]] = {}
        for name, value in request.raw_headers:
            headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        try:
            # The bytes as they came: a body that was parsed and written again has another signature.
            body = await asyncio.wait_for(request.read(), REQUEST_SECONDS)
        except asyncio.TimeoutError:
            raise Refusal(408, Connection="close") from None
        except web.HTTPRequestEntityTooLarge:
            raise Refusal(413) from None
        except Exception:
            raise Refusal(499) from None  # the sender has gone: nobody reads this
        _, mark, search = request.raw_path.partition("?")
        # A proxy changes the host, so the setting has the URL.
        url = setting["url"] + mark + search if "url" in setting else None
        delivery = Delivery(webhook, body, headers, url)
        try:
            row = await self.ingest(delivery)
        except Refusal as refusal:
            if refusal.status < 500 or not setting.get("spool") or not await self.spool.keep(delivery):
                raise
            return web.Response(status=202), refusal.fields()
        if row["answer"] is None:
            return web.Response(), {"event_seq": row["event"]}
        return answer_handshake(row["answer"], request), {}

    async def answer(self, request: web.Request) -> tuple[web.Response, dict[str, Any]]:
        path = request.raw_path.partition("?")[0]
        webhook = path.removeprefix("/webhooks/")
        if webhook != path and webhook in WEBHOOKS:
            return await self.receive(request, webhook)
        if path == "/healthz":
            return web.Response(status=503 if self.stopping else 200), {}
        if path == "/readyz":
            return web.Response(status=200 if await self.is_ready() else 503), {}
        if path == "/metrics":
            return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST}), {}
        raise Refusal(404)

    async def handle(self, request: web.Request) -> web.Response:
        started = time.monotonic()
        self.idle_since[request.protocol] = float("inf")
        self.requests += 1
        try:
            response, fields = await self.answer(request)
        except Refusal as refusal:
            response, fields = web.Response(status=refusal.status, headers=refusal.headers), refusal.fields()
        except Exception as error:
            response, fields = web.Response(status=500), {"code": type(error).__name__}  # its message can quote
        finally:
            self.requests -= 1
            self.idle_since[request.protocol] = time.monotonic()
        if response.status == 503:
            response.headers["Retry-After"] = str(RETRY_AFTER)
        if self.stopping:
            response.force_close()
        path = request.raw_path.partition("?")[0]
        if path.startswith("/webhooks/"):
            count(path.removeprefix("/webhooks/"), response.status, time.monotonic() - started, fields)
        return response

    # ---- what goes on meanwhile ---------------------------------------------------------------------------------------

    async def ingest_spooled(self, delivery: Delivery) -> bool:
        """For webhooks that were answered with 202. The pass ends if the database is away."""
        if delivery.webhook not in WEBHOOKS:
            return False
        try:
            await self.ingest(delivery)
            drained.inc()
        except Refusal as refusal:
            if refusal.status == 503:
                raise
            if refusal.status == 500:
                return False  # until the mistake is mended
            dropped.inc()
            log("warning", "spooled webhook dropped", webhook=delivery.webhook, **refusal.fields())
        return True

    async def drain_spool(self) -> None:
        while True:
            try:
                await self.spool.drain(self.ingest_spooled)
            except Refusal:
                pass
            except Exception as error:
                log("error", "spool not readable", code=type(error).__name__)
            await asyncio.sleep(1)

    async def close_slow_connections(self, server: web.Server) -> None:
        """aiohttp has no limit for headers that never end. A new connection has HEADER_SECONDS for its first request."""
        while True:
            now = time.monotonic()
            new = now + HEADER_SECONDS - KEEP_ALIVE_SECONDS
            self.idle_since = {each: self.idle_since.get(each, new) for each in server.connections}
            for connection, since in self.idle_since.items():
                if now - since > KEEP_ALIVE_SECONDS:
                    connection.force_close()
            await asyncio.sleep(1)


# ---- the life of the process ----------------------------------------------------------------------------------------

async def stop(receiver: Receiver, server: asyncio.Server, runner: web.AppRunner) -> None:
    """First the balancer sees 503 in /readyz, and each answer closes its connection. Then nobody is left to be cut off."""
    receiver.stopping = True
    log("info", "stopping")
    asyncio.get_running_loop().call_later(STOP_SECONDS, os._exit, 1)
    await asyncio.sleep(DRAIN_SECONDS)
    server.close()
    while receiver.requests:
        await asyncio.sleep(0.05)
    await runner.cleanup()
    await receiver.pool.close()
    log("info", "stopped")


def check_settings() -> None:
    for name, webhook in WEBHOOKS.items():
        if not isinstance(webhook.get("log"), str):
            sys.exit(f"WEBHOOKS: {name} has no log")
        if webhook.get("spool") and not os.environ.get("SPOOL"):
            sys.exit(f"WEBHOOKS: {name} has a spool, and SPOOL names no directory")


async def main() -> None:
    check_settings()
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    milliseconds = str(int(STATEMENT_SECONDS * 1000))
    pool = asyncpg.create_pool(
        min_size=0, max_size=POOL_SIZE, connection_class=Connection, timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS + 0.5,  # if the network is gone, the server's timeout does not arrive
        server_settings={"application_name": "call receiver", "statement_timeout": milliseconds})
    spool = Spool(os.environ["SPOOL"], SPOOL_BYTES) if os.environ.get("SPOOL") else None
    receiver = Receiver(await pool, spool)
    application = web.Application(client_max_size=BODY_BYTES + 1)
    application.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=KEEP_ALIVE_SECONDS)
    await runner.setup()
    tasks = [asyncio.create_task(receiver.close_slow_connections(runner.server))]
    in_flight.set_function(lambda: receiver.requests)
    if spool:
        spool.open()
        spool_files.set_function(lambda: spool.files)
        spool_bytes.set_function(lambda: spool.bytes)
        tasks.append(asyncio.create_task(receiver.drain_spool()))
    server = await loop.create_server(runner.server, HOST, PORT)
    log("info", "listening", host=HOST, port=server.sockets[0].getsockname()[1])
    await stopped.wait()
    for task in tasks:
        task.cancel()
    await stop(receiver, server, runner)


if __name__ == "__main__":
    logging.getLogger("aiohttp.server").disabled = True  # its messages can quote a request
    asyncio.run(main())
