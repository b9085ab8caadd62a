"""Kept-open HTTP/1.1 connections to one server, under httpx: a request costs a third of what httpx's own pool takes."""

import asyncio
import re
import select
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from comfypipe.backends.answers import Answer

_MOST = 32
_BUFFER_BYTES = 1 << 18
"""As much is read ahead of whoever takes a body, and put into one write."""

_UNSENDABLE = re.compile(rb"[\r\n\0]")


class ServerTransport(httpx.AsyncBaseTransport):
    """
    What httpx sends requests through, for servers that are asked thousands of small things.

    Connections are kept for the next request, which costs as much with many of them as with one. What happens to one
    is raised as httpx's own pool would: ``ConnectError``, ``ReadError``, ``RemoteProtocolError``, ``ReadTimeout``, …

    Args:
        tls: What certificates are trusted; those of public authorities where nothing is said.
        idle_s: How long an idle connection is good for: servers close those that were idle for longer.
        most: How many connections there are at most; further requests wait.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, idle_s: float = 4.0, most: int = _MOST) -> None:
        self._tls = tls
        self._idle_s = idle_s
        self._room = asyncio.Semaphore(most)
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeouts: Mapping[str, float | None] = request.extensions.get("timeout", {})
        await self._room.acquire()
        connection: _Connection | None = None
        try:
            connection = self._kept(request.url) or await self._connect(request.url, timeouts)
            answer = await connection.ask(request, timeouts)
        except BaseException:
            self._let_go(connection)
            raise
        given: dict[str, Any] = {"headers": answer.headers, "extensions": answer.extensions, "request": request}
        if answer.complete:  # as of nearly every one: there is nothing to wait for, and the connection is free
            self.done_with(connection)
            return httpx.Response(answer.status, content=b"".join(answer.parts), **given)
        return httpx.Response(answer.status, stream=_Body(self, connection, timeouts.get("read")), **given)

    async def aclose(self) -> None:
        connections, self._idle = list(self._all), []
        for each in connections:
            each.abort()
        await asyncio.gather(*(each.closed for each in connections), return_exceptions=True)

    def done_with(self, connection: "_Connection") -> None:
        """Keep a connection for the next request, if it can have one."""
        if connection.rest():
            self._idle.append(connection)
            self._room.release()
        else:
            self._let_go(connection)

    def forget(self, connection: "_Connection") -> None:
        """Note that a connection is closed."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _let_go(self, connection: "_Connection | None") -> None:
        if connection is not None:
            connection.abort()
        self._room.release()

    def _kept(self, url: httpx.URL) -> "_Connection | None":
        where = _where(url)
        oldest = asyncio.get_running_loop().time() - self._idle_s
        while self._idle:
            connection = self._idle.pop()
            if connection.where == where and connection.idle_since >= oldest and connection.is_quiet():
                return connection
            connection.abort()
        return None

    async def _connect(self, url: httpx.URL, timeouts: Mapping[str, float | None]) -> "_Connection":
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"happy_eyeballs_delay": 0.25}
        if url.scheme == "https":
            self._tls = self._tls or httpx.create_ssl_context(trust_env=False)
            options |= {"ssl": self._tls, "server_hostname": url.host}
        connection = _Connection(self, _where(url))
        try:
            async with asyncio.timeout(timeouts.get("connect")):
                await loop.create_connection(lambda: connection, url.host, connection.where[2], **options)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except (OSError, ssl.SSLError, UnicodeError) as error:
            raise httpx.ConnectError(str(error)) from error
        self._all.add(connection)
        return connection


class _Connection(asyncio.Protocol):
    """
    One connection.

    Attributes:
        where: Scheme, host and port.
        idle_since: By the event loop's clock.
        ended: The server sends nothing any more.
        closed: Done when it is closed.
    """

    def __init__(self, owner: ServerTransport, where: tuple[str, str, int]) -> None:
        self.where = where
        self.idle_since = 0.0
        self.closed = asyncio.get_running_loop().create_future()
        self._owner = owner
        self._answer: Answer | None = None
        self._transport: asyncio.Transport | None = None
        self._unread = 0
        self.ended = False
        self._reading: asyncio.Future[None] | None = None
        self._writing: asyncio.Future[None] | None = None

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nobody asked
            self.abort()
            return
        self._answer.feed(data)
        self._unread += len(data)
        if self._unread > _BUFFER_BYTES and self._transport is not None:
            self._transport.pause_reading()
        _wake(self._reading)

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)
        _wake(self._writing)
        if not self.closed.done():
            self.closed.set_result(None)
        self._owner.forget(self)

    def pause_writing(self) -> None:
        self._writing = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        _wake(self._writing)
        self._writing = None

    def _end(self, broken: Exception | None) -> None:
        self.ended = True
        if self._answer is not None:
            self._answer.end(broken)
        _wake(self._reading)

    # What is done with it

    async def ask(self, request: httpx.Request, timeouts: Mapping[str, float | None]) -> Answer:
        """Send a request, and return the answer once its head is there."""
        self._answer = Answer()
        await self._send(request, timeouts.get("write"))
        while not self._answer.has_head:
            await self._more(self._answer, timeouts.get("read"))
        return self._answer

    async def next_part(self, timeout_s: float | None) -> bytes | None:
        """Return what comes next of a body; None when that was all."""
        answer = self._answer
        while answer is not None:
            if answer.parts:
                return answer.parts.popleft()
            if answer.complete:
                return None
            await self._more(answer, timeout_s)
        return None

    def rest(self) -> bool:
        """Get ready for the next request; False when there can be none."""
        answer, self._answer = self._answer, None
        if self.ended or answer is None or not answer.kept_alive:
            return False
        self._read_on()
        self.idle_since = asyncio.get_running_loop().time()
        return True

    def is_quiet(self) -> bool:
        """Whether nothing has come since its last answer, not even an end that the event loop did not come to yet."""
        if self.ended or self._transport is None:
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def abort(self) -> None:
        """Close it at once."""
        self.ended = True
        if self._transport is not None:
            self._transport.abort()

    async def _send(self, request: httpx.Request, timeout_s: float | None) -> None:
        waiting = _head(request)
        chunked = "transfer-encoding" in request.headers
        async for part in request.stream:  # type: ignore[union-attr]
            waiting += b"%x\r\n%s\r\n" % (len(part), part) if chunked and part else part
            if len(waiting) > _BUFFER_BYTES:
                await self._write(waiting, timeout_s)
                waiting = b""
                if self.ended:
                    return  # it has answered before it heard everything, and closed: what it said is to be read
        await self._write(waiting + b"0\r\n\r\n" if chunked else waiting, timeout_s)

    async def _write(self, data: bytes, timeout_s: float | None) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._writing is not None:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._writing
            except TimeoutError as error:
                raise httpx.WriteTimeout("nothing was taken in time") from error

    def _read_on(self) -> None:
        if self._unread > _BUFFER_BYTES and self._transport is not None:
            self._transport.resume_reading()
        self._unread = 0

    async def _more(self, answer: Answer, timeout_s: float | None) -> None:
        """Wait until more of an answer has come."""
        if answer.failure is not None:
            raise answer.failure
        self._read_on()
        self._reading = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await self._reading
        except TimeoutError as error:
            raise httpx.ReadTimeout("nothing came in time") from error
        finally:
            self._reading = None


class _Body(httpx.AsyncByteStream):
    """The body of an answer; its connection is free when it is closed."""

    def __init__(self, owner: ServerTransport, connection: _Connection, timeout_s: float | None) -> None:
        self._owner = owner
        self._connection = connection
        self._timeout_s = timeout_s
        self._open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (part := await self._connection.next_part(self._timeout_s)) is not None:
            yield part

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._owner.done_with(self._connection)


def target_of(request: httpx.Request) -> bytes:
    """Return what a request asks for: path and query, which httpx's ``target`` may say in place of the URL's."""
    target: bytes = request.extensions.get("target") or request.url.raw_path
    return target


def _head(request: httpx.Request) -> bytes:
    """Return the head of a request as it is sent."""
    fields = [request.method.encode("ascii") + b" " + target_of(request) + b" HTTP/1.1"]
    fields += [name + b": " + value for name, value in request.headers.raw]
    if any(_UNSENDABLE.search(field) for field in fields):
        raise httpx.LocalProtocolError("a header, or the address, has a character that cannot be sent")
    return b"\r\n".join((*fields, b"", b""))


def _where(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _wake(future: "asyncio.Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)
