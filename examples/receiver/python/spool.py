"""Webhooks on disk, while the database is away. One file for each, complete or not there."""
from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import os
import pathlib
import time
import uuid
from typing import Awaitable, Callable


@dataclasses.dataclass
class Delivery:
    webhook: str
    body: bytes
    headers: dict[str, list[str]]
    url: str | None

    def to_json(self) -> bytes:
        return json.dumps({**self.__dict__, "body": base64.b64encode(self.body).decode()}).encode()

    @staticmethod
    def from_json(content: bytes) -> Delivery:
        members = json.loads(content)
        return Delivery(**{**members, "body": base64.b64decode(members["body"])})


class Spool:
    def __init__(self, directory: str, limit: int) -> None:
        self.directory, self.limit = pathlib.Path(directory), limit
        self.bytes = self.files = 0

    def has_room(self) -> bool:
        return self.bytes < self.limit

    def open(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.directory.iterdir():
            if path.suffix == ".json":
                self._add(path.stat().st_size)
            else:
                path.unlink()  # its receiver died before it answered

    async def keep(self, delivery: Delivery) -> bool:
        """Whether there was room. After that the delivery survives a crash of this machine."""
        content = delivery.to_json()
        if self.bytes + len(content) > self.limit:
            return False
        path = self.directory / f"{int(time.time() * 1000)}-{uuid.uuid4()}.json"
        self._add(len(content))  # before the first await: others count on it
        try:
            await asyncio.to_thread(self._write, path, content)
        except OSError:  # the disk is full, or broken
            path.with_suffix(".new").unlink(missing_ok=True)
            self._remove(path, len(content))
            raise
        return True

    async def drain(self, ingest: Callable[[Delivery], Awaitable[bool]]) -> None:
        """Gives each delivery to `ingest`, the oldest first, and forgets it if the answer is true. A file that cannot be
        read holds up no other."""
        fault = None
        for path in sorted(self.directory.glob("*.json")):
            try:
                content = path.read_bytes()
                delivery = Delivery.from_json(content)
            except Exception as error:
                fault = error
                continue
            if await ingest(delivery):
                self._remove(path, len(content))
        if fault:
            raise fault

    @staticmethod
    def _write(path: pathlib.Path, content: bytes) -> None:
        new = path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)  # a new name is on disk after a flush of its directory
        finally:
            os.close(directory)

    def _remove(self, path: pathlib.Path, size: int) -> None:
        path.unlink(missing_ok=True)
        self._add(-size)

    def _add(self, size: int) -> None:
        self.bytes += size
        self.files += 1 if size > 0 else -1
