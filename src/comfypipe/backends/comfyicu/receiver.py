"""A small receiver of webhooks: what it hears only makes the client ask sooner; what is true is asked for."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from comfypipe._types import JSON
from comfypipe.errors import BackendUnavailable
from comfypipe.webhooks import WebhookInvalid, verify

_HEAD_BYTES = 32 * 1024
_BODY_BYTES = 16 * 1024 * 1024
_PATIENCE_S = 30.0
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large"}

Woken = Callable[[str], None]


class WebhookReceiver:
    """
    Listens for deliveries, and tells of which run each one speaks.

    Args:
        url: What the other side is given: the public address of this receiver.
        listen: ``host:port`` on this machine, where such a request arrives.
        secret: ``whsec_…`` of the endpoint: deliveries without a signature that fits are refused.
    """

    def __init__(self, url: str, listen: str, *, secret: str | None = None) -> None:
        self.url = url
        self._path = urlsplit(url).path or "/"
        self._listen = listen
        self._secret = secret
        self._server: asyncio.Server | None = None
        self._starting = asyncio.Lock()
        self._woken: Woken = _nobody

    async def open(self, woken: Woken) -> None:
        """
        Begin to listen, unless it does already; *woken* is told the id of each run that a delivery speaks of.

        Raises:
            BackendUnavailable: The address cannot be had.
        """
        self._woken = woken
        async with self._starting:
            if self._server is not None:
                return
            host, _, port = self._listen.rpartition(":")
            try:
                self._server = await asyncio.start_server(self._serve, host.strip("[]") or "127.0.0.1", int(port))
            except (OSError, ValueError, OverflowError) as error:
                hint = "webhook_listen takes an address of this machine, such as 127.0.0.1:8899"
                raise BackendUnavailable(f"cannot listen for webhooks on {self._listen}: {error}", hint=hint) from error

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server is not None else 0

    async def close(self) -> None:
        """Listen no more."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                status = await self._answer(reader)
                body = b"{}" if status == 200 else json.dumps({"error": _REASONS[status]}).encode()
                head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
                writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # whoever it was has gone, and will deliver again
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> int:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.LimitOverrunError:
            return 413
        request, *lines = head.split("\r\n")
        method, _, rest = request.partition(" ")
        if rest.partition(" ")[0].partition("?")[0] != self._path:
            return 404
        if method != "POST":
            return 405
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = headers.get("content-length", "")
        if not length.isdecimal():
            return 400
        if int(length) > _BODY_BYTES:
            return 413
        return self._receive(await reader.readexactly(int(length)), headers)

    def _receive(self, body: bytes, headers: Mapping[str, str]) -> int:
        try:
            run: JSON = json.loads(body) if self._secret is None else verify(body, headers, self._secret)
        except (WebhookInvalid, ValueError, RecursionError):
            return 400
        run_id = run.get("id") if isinstance(run, dict) else None
        if not isinstance(run_id, str):
            return 400
        self._woken(run_id)
        return 200


def _nobody(_run_id: str) -> None:
    pass
