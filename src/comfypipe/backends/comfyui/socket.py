"""The WebSocket of a ComfyUI server: for speed and progress. What is true, polling tells."""

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from uuid import uuid4

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from comfypipe.backends.base import NodeProgress
from comfypipe.backends.comfyui.wire import Ended, Preview, parse_binary, parse_message
from comfypipe.jsontext import from_text

OnMessage: TypeAlias = Callable[[NodeProgress | Ended | Preview], None]

_MAX_FRAME_BYTES = 64 << 20  # `progress_state` grows with the square of the graph
_LONGEST_DELAY_S = 5.0
_FAREWELL_S = 0.5  # a server that is gone, or has much to send first, does not answer that the connection ends
_HELLO = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})


class Socket:
    """
    A connection that comes back by itself and is always drained: a client that stops reading blocks all others.

    Args:
        url: Of the server: ``http://host:8188``.
        on_message: Called for every message that means something.
        tls: What certificates are trusted; those that the system trusts where nothing is said.
        ping_s: Between two pings; one that is not answered for as long ends the connection.
    """

    def __init__(
        self,
        url: str,
        on_message: OnMessage,
        *,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        ping_s: float = 20.0,
    ) -> None:
        self._url = f"ws{url.removeprefix('http')}/ws"
        self._on_message = on_message
        self._options: dict[str, Any] = {"ping_interval": ping_s, "ping_timeout": ping_s, "close_timeout": _FAREWELL_S}
        self._options |= {"additional_headers": dict(headers or {}), "max_size": _MAX_FRAME_BYTES}
        if tls is not None:
            self._options["ssl"] = tls
        self._heard = False
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self.client_id = uuid4().hex

    @property
    def connected(self) -> bool:
        """Whether messages come."""
        return self._connected.is_set()

    def hears(self, client_id: str) -> bool:
        """Whether messages for this client id would be heard: one of any kind came since it connected so."""
        return self.connected and self._heard and client_id == self.client_id

    async def open(self, patience_s: float = 2.0) -> None:
        """Connect, once, and wait a little for it; without a socket everything works, only later."""
        if self._task is None:
            self._task = asyncio.create_task(self._stay())
            try:
                await asyncio.wait_for(self._connected.wait(), patience_s)
            except TimeoutError:
                return

    async def close(self) -> None:
        """Disconnect for good."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _stay(self) -> None:
        delay_s = 0.1
        while True:
            # A new id for each connection: when the old one closes, a server silences the new one under the same id.
            self.client_id = uuid4().hex
            try:
                await self._listen(self.client_id)
                delay_s = 0.1
            except (OSError, WebSocketException, InvalidHandshake, InvalidURI, ssl.SSLError, TimeoutError):
                delay_s = min(delay_s * 2, _LONGEST_DELAY_S)
            finally:
                self._connected.clear()
                self._heard = False
            await asyncio.sleep(delay_s)

    async def _listen(self, client_id: str) -> None:
        url = f"{self._url}?clientId={client_id}"
        # The server sends no heartbeat: the library's pings find out that it is gone. Packing such small messages takes
        # both sides longer than sending them.
        async with connect(url, open_timeout=5, proxy=None, compression=None, **self._options) as socket:
            await socket.send(_HELLO)
            self._connected.set()
            async for frame in socket:
                self._heard = True
                self._read(frame)

    def _read(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            preview = parse_binary(frame)
            if preview is not None:
                self._on_message(preview)
            return
        try:
            body = from_text(frame)
        except (ValueError, RecursionError):
            return  # not for us
        for message in parse_message(body):
            self._on_message(message)
