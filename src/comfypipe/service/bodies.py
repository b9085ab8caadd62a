"""
Bodies of requests: refused before they are in memory.

What is declared to be too large is refused unread; what comes in pieces, as soon as it is too much. Small bodies are
read at once. Larger ones take turns, so that a hundred of them do not fill the memory together; whoever has no key gets
no turn.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comfypipe.service.errors import Problem

Streams: TypeAlias = Callable[[Scope], bool]
"""Whether a request's body is read piece by piece by its route, which limits it itself."""

Admit: TypeAlias = Callable[[Scope], Awaitable[object]]

READ_S = 20.0
"""How long a body may take to come: once from its start, and for a large one again from its turn."""

_SMALL_BYTES, _MEDIUM_BYTES = 64 * 1024, 512 * 1024
_MEDIUM_AT_ONCE, _LARGE_AT_ONCE = 8, 1
_DRAINED_BYTES = 256 * 1024 * 1024
_DRAINED_S = 10.0


class BodyLimits:
    """
    ASGI middleware that reads bodies whole, up to a limit, and passes them on.

    Args:
        most_bytes: How large a body may be.
        streams: Which requests it leaves alone.
        admit: Asked before a larger body is read; raises `Problem` for whoever may not send one.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int, streams: Streams, admit: Admit | None = None) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._streams = streams
        self._admit = admit
        self._medium = asyncio.Semaphore(_MEDIUM_AT_ONCE)
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._streams(scope):
            await self._app(scope, receive, send)
            return
        refused, body = None, None
        try:
            body = await self._read(scope, receive)
        except Problem as problem:
            refused = problem.with_traceback(None)  # with it goes what was read, which would be kept while it is told
        if refused is not None:
            await _refuse(refused, receive, send)
        elif body is not None:  # else the client has gone
            await self._app(scope, _first(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        declared = Headers(scope=scope).get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()) or int(declared[:20]) > self._most_bytes:
            raise self._too_large()
        body = _Body(receive)
        try:
            async with asyncio.timeout(READ_S):
                await body.read(min(_SMALL_BYTES, self._most_bytes))
            if not body.whole and body.size_bytes <= self._most_bytes:
                if self._admit is not None:
                    await self._admit(scope)
                medium = 0 < int(declared) <= _MEDIUM_BYTES
                async with self._medium if medium else self._large:  # until its turn, it holds a small piece
                    async with asyncio.timeout(READ_S):
                        await body.read(self._most_bytes)
        except TimeoutError:
            raise Problem(408, "request-timeout", f"the body did not come within {READ_S:.0f} s") from None
        if body.size_bytes > self._most_bytes:
            raise self._too_large()
        return None if body.broken_off else body.join()

    def _too_large(self) -> Problem:
        return Problem(413, "too-large", f"the body is too large: at most {self._most_bytes} bytes are taken")


class _Body:
    """What has come of a body."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._parts: list[bytes] = []
        self.size_bytes = 0
        self.whole = False
        self.broken_off = False

    async def read(self, most_bytes: int) -> None:
        """Take what comes, until it is whole or is more than *most_bytes*."""
        while not self.whole and self.size_bytes <= most_bytes:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.whole = self.broken_off = True
                return
            part = message.get("body", b"")
            self._parts.append(part)
            self.size_bytes += len(part)
            self.whole = not message.get("more_body", False)

    def join(self) -> bytes:
        """Return it in one piece."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)


def _first(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body, and then what else comes: that the client has gone."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(refused: Problem, receive: Receive, send: Send) -> None:
    """
    Answer at once, and let the client finish, up to a point, before the connection is closed.

    Most clients send all they have before they look for an answer; were the connection closed before, they would only
    see that it broke off.
    """
    refused.headers["Connection"] = "close"
    response = refused.response()
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAINED_S):
            await _drain(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    drained = 0
    while drained < _DRAINED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
        drained += len(message.get("body", b""))
