"""What goes wrong between a client and the server: requests, replies, sockets."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import parse_qs, urlencode

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comfypipe.engine.server.encoding import server_error
from comfypipe.engine.server.faults.connections import Connections, Link, Links
from comfypipe.engine.server.faults.faults import Faults, Settings

CONTROL = "/comfypipe/"
"""Below it, nothing goes wrong."""

_BAD_GATEWAY = """<html>
<head><title>{status} Bad Gateway</title></head>
<body><center><h1>{status} Bad Gateway</h1></center><hr><center>proxy</center></body>
</html>
"""


@dataclass(slots=True)
class Wire:
    """
    The way to a server: its connections, and whether it can be reached.

    Attributes:
        down_until: In the time of the event loop's clock.
        posted_at: When the last prompt came.
    """

    connections: Connections
    links: Links
    down_until: float = 0.0
    posted_at: float = 0.0
    later: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def is_down(self) -> bool:
        """Whether nobody answers."""
        return monotonic() < self.down_until


class Gate:
    """Plays the faults of requests and sockets around an application that knows nothing of them."""

    def __init__(self, app: ASGIApp, faults: Faults, wire: Wire) -> None:
        self._app = app
        self._faults = faults
        self._wire = wire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or not, or half."""
        path = scope.get("path", "")
        if scope["type"] not in ("http", "websocket") or path.startswith(CONTROL):
            await self._app(scope, receive, send)
        elif self._wire.is_down:
            await self._drop(scope, receive)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._request(scope, receive, send, (scope["method"], path.removeprefix("/api")))

    async def _request(self, scope: Scope, receive: Receive, send: Send, request: tuple[str, str]) -> None:
        method, path = request
        bad = self._faults.take("bad-gateway", path=path)
        if bad is not None:
            await _bad_gateway(bad)(scope, receive, send)
        elif request == ("POST", "/prompt"):
            await self._prompt(scope, receive, send)
        elif request == ("POST", "/interrupt") and self._loses_interrupt():
            await Response()(scope, receive, send)
        elif method == "GET" and self._faults.take("truncated-body", path=path) is not None:
            await self._truncate(scope, receive, send)
        else:
            await self._app(_unmasked(scope) if path == "/view" else scope, receive, send)

    async def _prompt(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._wire.posted_at = monotonic()
        body = await _read(receive)
        text = body.decode(errors="replace")

        def due(name: str) -> Settings | None:
            return self._faults.take(name, text=text)

        if due("lost-request") is not None:
            await self._drop(scope, receive)
        elif (late := due("late-queue")) is not None:
            self._post_later(scope, body, int(late["ms"]) / 1000)
            await self._drop(scope, receive)
        elif due("lost-reply") is not None:
            await self._collect(scope, body)
            await self._drop(scope, receive)
        elif due("queued-500") is not None:
            await self._collect(scope, body)
            await server_error()(scope, receive, send)
        else:
            await self._app(scope, _again(body, receive), send)

    def _loses_interrupt(self) -> bool:
        within = self._faults.settings("lost-interrupt")
        if within is None or (within["ms"] and (monotonic() - self._wire.posted_at) * 1000 > int(within["ms"])):
            return False
        return self._faults.take("lost-interrupt") is not None

    def _post_later(self, scope: Scope, body: bytes, delay_s: float) -> None:
        async def post() -> None:
            await asyncio.sleep(delay_s)
            await self._collect(scope, body)

        task = asyncio.create_task(post())
        self._wire.later.add(task)
        task.add_done_callback(self._wire.later.discard)

    async def _collect(self, scope: Scope, body: bytes) -> Sequence[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, _again(body, _nothing_more), keep)
        return messages

    async def _truncate(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, *parts = await self._collect(_unmasked(scope), b"")
        body = b"".join(part.get("body", b"") for part in parts)
        await send(start)
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        self._wire.connections.finish(scope["client"])
        await _disconnected(receive)

    async def _drop(self, scope: Scope, receive: Receive) -> None:
        self._wire.connections.drop(scope["client"])
        await _disconnected(receive)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        client_id = parse_qs(scope["query_string"].decode()).get("clientId", [None])[0]
        silent = self._faults.take("silent-socket") is not None
        link = Link(client_id, tuple(scope["client"]), silent)
        in_turn = self._faults.settings("stalled-clients") is not None

        async def passed(message: Message) -> None:
            if message["type"] != "websocket.send":
                await send(message)
            elif in_turn:
                async with self._wire.links.turn:
                    await _unless_silent(link, message, send)
            else:
                await _unless_silent(link, message, send)

        self._wire.links.join(link)
        try:
            await self._app(scope, receive, passed)
        finally:
            self._wire.links.leave(link)
            if client_id is not None:
                self._silence_others(client_id)

    def _silence_others(self, client_id: str) -> None:
        others = list(self._wire.links.of(client_id))
        if others and self._faults.take("silenced-client") is not None:
            for other in others:
                other.silent = True


async def _unless_silent(link: Link, message: Message, send: Send) -> None:
    if not link.silent:
        await send(message)


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes, rest: Receive) -> Receive:
    waiting = [body]

    async def receive() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await rest()

    return receive


async def _nothing_more() -> Message:
    await asyncio.Event().wait()  # the client stays connected, as far as the application is to know
    raise AssertionError("nobody sets it")


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


def _bad_gateway(settings: Settings) -> Response:
    status = int(settings["status"])
    headers = {"Retry-After": str(settings["retry_after"])} if settings["retry_after"] else None
    return Response(_BAD_GATEWAY.format(status=status), status, headers, "text/html")


def _unmasked(scope: Scope) -> Scope:
    """Lead a request for a file under a hostile name to the file: such a server would not refuse it either."""
    if not scope["path"].endswith("/view"):
        return scope
    query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
    real = scope["app"].state.server.disguise.real(query.get("filename", ""))
    if real is None:
        return scope
    place = {"subfolder": real.get("subfolder", ""), "type": real.get("type", "output")}
    return {**scope, "query_string": urlencode({**query, "filename": real["filename"], **place}).encode()}
