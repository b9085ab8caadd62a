"""
How soon receivers are told, while half of them fail and the sender is killed now and then.

``webhooks.py [EVENTS [A_SECOND [KILLS]]]``. Events go to 40 receivers in turn: 20 take them, 7 answer 500, 7 are not
there, 6 never answer. The sender runs in a process of its own, which commits an event in a transaction of its own.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from _timing import table
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.service.migrations import SERVICE
from comfypipe.service.webhooks import outbox, secrets
from comfypipe.service.webhooks.deliverer import Deliverer
from comfypipe.service.webhooks.secrets import SigningKey
from comfypipe.store.connection import Connection
from comfypipe.store.worker import DatabaseWorker

KINDS = ("takes",) * 20 + ("answers 500",) * 7 + ("is not there",) * 7 + ("never answers",) * 6
BODY = json.dumps({"id": "r", "status": "COMPLETED", "data": {"prompt": {"1": {"inputs": {}}}}, "pad": "x" * 2000})


async def send(folder: Path, urls: Sequence[str], events: int, a_second: float) -> None:
    """Store the events that are not stored yet, at a steady pace, and deliver until killed."""
    worker = DatabaseWorker(folder / "service.sqlite3", SERVICE)
    key = SigningKey.at(folder / "key")
    await worker.write(lambda connection: secrets.rotate(connection, key, "bench", overlap_ms=0, now_ms=0))
    deliverer = Deliverer(worker, AddressPolicy(frozenset(urls)), key)
    task = asyncio.create_task(deliverer.run())
    stored = len(await worker.read(lambda connection: connection.execute("SELECT id FROM webhook_outbox")))
    started = time.monotonic()
    pending: set[asyncio.Task[None]] = set()

    async def add(number: int) -> None:
        url = f"{urls[number % len(urls)]}/hook"

        def store(connection: Connection) -> None:
            outbox.enqueue(connection, "bench", f"r{number}", "run.completed", url, BODY.encode())

        await worker.write(store)
        deliverer.wake()

    for number in range(stored, events):
        await asyncio.sleep(started + (number - stored) / a_second - time.monotonic())
        adding = asyncio.create_task(add(number))
        pending.add(adding)
        adding.add_done_callback(pending.discard)
    await task


class Receivers:
    """All receivers, and what they were told."""

    def __init__(self) -> None:
        self.told: dict[str, int] = {}
        self.reached_ms: dict[str, float] = {}
        self.urls: list[str] = []
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Open those that are there."""
        for kind in KINDS:
            server = await asyncio.start_server(partial(self._serve, kind), "127.0.0.1", 0)
            self.urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            if kind == "is not there":
                server.close()
            self._servers.append(server)

    async def _serve(self, kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
                headers = dict(line.split(": ", 1) for line in head[1:] if line)
                await reader.readexactly(int(headers["content-length"]))
                webhook_id = headers["webhook-id"]
                self.reached_ms.setdefault(webhook_id, 1000 * time.time())
                if kind == "never answers":
                    await reader.read()
                    break
                if kind == "takes":
                    self.told[webhook_id] = self.told.get(webhook_id, 0) + 1
                status = b"200 OK" if kind == "takes" else b"500 Oops"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def close(self) -> None:
        """Close them, with their connections."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def measure(events: int, a_second: float, kills: int) -> None:
    """Print the table."""
    receivers = Receivers()
    await receivers.open()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pause_s = events / a_second / (kills + 1)
        for life in count():
            arguments = [str(folder), str(events), str(a_second), *receivers.urls]
            child = await asyncio.create_subprocess_exec(sys.executable, __file__, "--send", *arguments)
            try:
                await (asyncio.sleep(pause_s) if life < kills else _until_told(folder, receivers, events))
            finally:
                child.send_signal(signal.SIGKILL)
                await child.wait()
            if life >= kills:
                break
        _report(folder, receivers, events, a_second, kills)
    await receivers.close()


async def _until_told(folder: Path, receivers: Receivers, events: int) -> None:
    wanted = sum(KINDS[number % len(KINDS)] == "takes" for number in range(events))
    async with asyncio.timeout(60 + events / 10):
        while len(receivers.told) < wanted or _attempted(folder) < events:  # noqa: ASYNC110  another process writes
            await asyncio.sleep(0.5)


def _rows(folder: Path) -> list[tuple[str, str, int, int | None]]:
    """Return of each event its id, its receiver, when it was stored, and when its first attempt that ended began."""
    connection = sqlite3.connect(f"file:{folder}/service.sqlite3?mode=rw", uri=True)
    try:
        first = "SELECT MIN(started_ms) FROM webhook_attempts WHERE webhook_id = webhook_outbox.id"
        return connection.execute(f"SELECT id, url, created_ms, ({first}) FROM webhook_outbox").fetchall()  # noqa: S608
    finally:
        connection.close()


def _attempted(folder: Path) -> int:
    return sum(first is not None for *_, first in _rows(folder))


def _report(folder: Path, receivers: Receivers, events: int, a_second: float, kills: int) -> None:
    waits: dict[str, list[float]] = {}
    for webhook_id, url, created_ms, first_ms in _rows(folder):
        reached_ms = receivers.reached_ms.get(webhook_id, first_ms or 0)  # those that are not there saw nothing
        kind = KINDS[receivers.urls.index(url.removesuffix("/hook"))]
        for name in (kind, "all"):
            waits.setdefault(name, []).append(reached_ms - created_ms)
    rows = []
    for kind in (*dict.fromkeys(KINDS), "all"):
        ordered = sorted(waits[kind])
        p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
        rows.append((kind, str(len(ordered)), *(f"{each:.0f}" for each in (p50, p99, ordered[-1]))))
    print(table(("receiver", "events", "first attempt, median ms", "p99 ms", "most ms"), rows))
    again = sum(times - 1 for times in receivers.told.values())
    print(f"\n{events} events, {a_second:.0f} a second, killed {kills} times: none lost, {again} told twice")


def main() -> None:
    """Measure, or be the process that sends."""
    if sys.argv[1:2] == ["--send"]:
        folder, total, pace, *urls = sys.argv[2:]
        asyncio.run(send(Path(folder), urls, int(total), float(pace)))
        return
    numbers = [int(each) for each in sys.argv[1:]]
    events, a_second, kills = [*numbers, *(2000, 100, 1)[len(numbers) :]]
    asyncio.run(measure(events, a_second, kills))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
