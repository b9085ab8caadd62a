"""A service without keys is this machine's own: web pages of others must not reach it through a browser here."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from comfypipe.engine.server.guard import is_loopback
from comfypipe.service.errors import problem


class LoopbackOnly:
    """
    ASGI middleware that answers 403 to whoever calls the service by a name that is not loopback's.

    A name that was bound to 127.0.0.1 by its owner (DNS rebinding) is foreign; so is an ``Origin`` that is not our own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_foreign(Headers(scope=scope)):
            refused = problem(403, "forbidden", "without keys, the service answers only those on its own machine")
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_foreign(headers: Headers) -> bool:
    host, origin = headers.get("host", ""), headers.get("origin")
    try:
        if not is_loopback(urlsplit(f"//{host}").hostname):
            return True
        return origin is not None and urlsplit(origin).netloc.lower() != host.lower()
    except ValueError:
        return True
