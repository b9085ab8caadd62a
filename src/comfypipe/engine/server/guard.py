"""What is turned away before any route sees it: foreign web pages, and bodies that are too large."""

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comfypipe.engine.server.state import MAX_BODY_BYTES


class Guard:
    """
    Refuses requests that a web page of another origin makes (403), and bodies over 100 MiB (413).

    Whoever reaches the server can read and write its folders; a browser on the same machine can be made to reach it. So
    an ``Origin`` must be the server's own, and a server on loopback must be called by a name of loopback: a name that
    was bound to 127.0.0.1 by its owner (DNS rebinding) is foreign.

    Args:
        loopback: Whether the server can only be reached from this machine.
    """

    def __init__(self, app: ASGIApp, *, loopback: bool = True) -> None:
        self._app = app
        self._loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._is_foreign(headers):
            await Response(status_code=403)(scope, receive, send)
        elif int(headers.get("content-length") or 0) > MAX_BODY_BYTES:
            await _too_large()(scope, receive, send)
        elif "transfer-encoding" in headers:
            await _Body(self._app).run(scope, receive, send)
        else:  # what comes is as long as it says, or nothing
            await self._app(scope, receive, send)

    def _is_foreign(self, headers: Headers) -> bool:
        host = headers.get("host", "")
        origin = headers.get("origin")
        if self._loopback and not _names_loopback(host):
            return True
        return origin is not None and urlsplit(origin).netloc.lower() != host.lower()


class _Body:
    """Counts a body that does not tell its length."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._bytes = 0
        self._answered = False

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted() -> Message:
            message = await receive()
            self._bytes += len(message.get("body", b""))
            if self._bytes > MAX_BODY_BYTES:
                raise _TooLargeError
            return message

        async def noted(message: Message) -> None:
            self._answered = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _TooLargeError:
            if not self._answered:
                await _too_large()(scope, receive, send)


class _TooLargeError(Exception):
    pass


@lru_cache(maxsize=64)
def _names_loopback(header: str) -> bool:
    return is_loopback(urlsplit(f"//{header}").hostname)


def is_loopback(host: str | None) -> bool:
    """Tell whether a host, as in a URL, is this machine's own loopback."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _too_large() -> Response:
    return Response(f"Maximum request body size {MAX_BODY_BYTES} exceeded.", 413, media_type="text/plain")
