"""A TCP proxy that breaks what passes through it, between any client and any server."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

Side: TypeAlias = Literal["request", "reply"]

_CHUNK_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Delay:
    """Everything on one side comes *seconds* late."""

    seconds: float
    side: Side = "reply"


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset once *after_bytes* have passed on one side; 0: when the first byte is due."""

    after_bytes: int = 0
    side: Side = "reply"


@dataclass(frozen=True, slots=True)
class Truncate:
    """One side ends, in order, after *after_bytes*; the rest is swallowed."""

    after_bytes: int = 0
    side: Side = "reply"


@dataclass(frozen=True, slots=True)
class BlackHole:
    """Nothing passes on one side after *after_bytes*, and the connection stays open."""

    after_bytes: int = 0
    side: Side = "reply"


@dataclass(frozen=True, slots=True)
class Refuse:
    """The connection is closed as soon as it is made."""


Fault: TypeAlias = Delay | Reset | Truncate | BlackHole | Refuse


class FaultProxy:
    """
    Passes connections on to a server; made by `fault_proxy`.

    A fault holds for a whole TCP connection. HTTP clients use theirs again: a fault that is scripted for the next
    connection waits until they open one; `drop` makes them.

    Attributes:
        url: Where to reach the server through the proxy.
        connections: How many were made so far.
    """

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._script: deque[Fault | None] = deque()
        self._always: Fault | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.url = ""
        self.connections = 0

    def script(self, *faults: Fault | None) -> None:
        """Play these on the next connections, one each; None lets one pass unharmed."""
        self._script.extend(faults)

    def always(self, fault: Fault | None) -> None:
        """Play this on all other connections, those that are open included, from now on; None: no more."""
        self._always = fault

    def drop(self) -> None:
        """Reset all connections that are open; returns when it is done."""
        self._call(self._drop())

    async def serve(self) -> asyncio.Server:
        """Begin to listen, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def close(self) -> None:
        """End all connections."""
        await self._drop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None  # noqa: S101  it runs as long as anybody has this object
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _drop(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        scripted = self._script.popleft() if self._script else None

        def current() -> Fault | None:
            return scripted or self._always

        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._open.add(writer)
        try:
            if not isinstance(current(), Refuse):
                await self._pass(reader, writer, current)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, current: Callable[[], Fault | None]
    ) -> None:
        try:
            behind, ahead = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        self._open.add(ahead)
        sides = (_Side("request", reader, ahead, current), _Side("reply", behind, writer, current))
        tasks = [asyncio.ensure_future(side.run()) for side in sides]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            if any(isinstance(each, _Reset) for each in ended):
                writer.transport.abort()
                ahead.transport.abort()
            self._open.discard(ahead)
            ahead.close()


class _Reset(Exception):
    pass


class _Side:
    """One direction of a connection."""

    def __init__(
        self,
        name: Side,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        current: Callable[[], Fault | None],
    ) -> None:
        self._name = name
        self._reader = reader
        self._writer = writer
        self._current = current
        self._passed = 0

    async def run(self) -> None:
        with suppress(ConnectionError):
            while data := await self._reader.read(_CHUNK_BYTES):
                data, go_on = await self._harmed(data)
                self._writer.write(data)
                await self._writer.drain()
                self._passed += len(data)
                if not go_on:
                    return

    async def _harmed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what passes of *data*, and whether anything will after it."""
        fault = self._current()
        if fault is None or isinstance(fault, Refuse) or fault.side != self._name:
            return data, True
        if isinstance(fault, Delay):
            await asyncio.sleep(fault.seconds)
            return data, True
        rest = max(0, fault.after_bytes - self._passed)
        if len(data) < rest:
            return data, True
        return await self._cut(fault, data[:rest])

    async def _cut(self, fault: Reset | Truncate | BlackHole, data: bytes) -> tuple[bytes, bool]:
        if isinstance(fault, BlackHole):
            return data, True
        if isinstance(fault, Reset):
            self._writer.write(data)
            await self._writer.drain()
            raise _Reset
        return data, False


@contextmanager
def fault_proxy(target: str) -> Iterator[FaultProxy]:
    """
    Stand between clients and a server while the block lasts, in a thread of this process.

    Args:
        target: URL of the server.
    """
    proxy = FaultProxy(target)
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="comfypipe-proxy", daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(proxy.serve(), loop).result()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_end(server, proxy), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server, proxy: FaultProxy) -> None:
    server.close()
    await proxy.close()
    await server.wait_closed()
