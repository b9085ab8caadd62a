"""Connected clients, and what is sent to them."""

import asyncio
from collections import deque
from threading import Lock
from typing import Protocol, TypeAlias

from comfypipe._types import JSONObject
from comfypipe.engine.server.encoding import encode

OUTBOX_BYTES = 256 * 1024 * 1024
"""What may wait for a client that does not read, before it is let go."""

_Parcel: TypeAlias = tuple[str | bytes, str | None, bool | None]
"""A frame, whom it is for (all where None), and which form of previews they must read (either where None)."""


class Socket(Protocol):
    """What the hub needs of a WebSocket."""

    async def send_text(self, data: str) -> None:
        """Send a text frame."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame."""


class Client:
    """
    One connection: frames wait in an outbox of its own, so that a client that does not read delays nobody else.

    Attributes:
        wants_preview_metadata: Which of the two kinds of preview frames the client understands.
    """

    def __init__(self, client_id: str, socket: Socket) -> None:
        self.client_id = client_id
        self.wants_preview_metadata = False
        self._socket = socket
        self._outbox: deque[str | bytes] = deque()
        self._waiting_bytes = 0
        self._filled = asyncio.Event()
        self._overflowed = False

    def put(self, frame: str | bytes) -> None:
        """Add a frame to the outbox; call it in the event loop."""
        self._outbox.append(frame)
        self._waiting_bytes += len(frame)
        self._overflowed = self._overflowed or self._waiting_bytes > OUTBOX_BYTES
        self._filled.set()

    async def send_all(self) -> None:
        """Send frames as they come, for ever; returns when too many wait."""
        while not self._overflowed:
            await self._filled.wait()
            self._filled.clear()
            while self._outbox:
                await self._send(self._outbox.popleft())

    async def _send(self, frame: str | bytes) -> None:
        self._waiting_bytes -= len(frame)
        if isinstance(frame, str):
            await self._socket.send_text(frame)
        else:
            await self._socket.send_bytes(frame)


class Hub:
    """
    The clients of a server by id. Messages may come from any thread; order is kept.

    The event loop is woken for the first message that waits, and takes those that have come until then with it: each
    time that it is woken costs more than the message.
    """

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[_Parcel] = []
        self._lock = Lock()

    def start(self) -> None:
        """Bind to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def connect(self, client: Client) -> None:
        """Add a client; an earlier one of the same id gets nothing any more, as in ComfyUI."""
        self._clients[client.client_id] = client

    def disconnect(self, client: Client) -> None:
        """Remove a client, unless another has taken its id since."""
        if self._clients.get(client.client_id) is client:
            del self._clients[client.client_id]

    def listens(self, client_id: str | None) -> bool:
        """Tell whether a message to that client, or to all where None, would reach anybody."""
        return bool(self._clients) if client_id is None else client_id in self._clients

    def publish(self, kind: str, data: JSONObject, client_id: str | None = None) -> None:
        """Send a message to one client, or to all where None."""
        if self.listens(client_id):
            self._on_loop((text_frame(kind, data), client_id, None))

    def publish_frame(self, frame: bytes, client_id: str | None = None, wants_metadata: bool | None = None) -> None:
        """Send a binary frame; with *wants_metadata* only to clients that read that form of previews."""
        if self.listens(client_id):
            self._on_loop((frame, client_id, wants_metadata))

    def _on_loop(self, parcel: _Parcel) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        with self._lock:
            self._waiting.append(parcel)
            first = len(self._waiting) == 1
        if first:
            self._loop.call_soon_threadsafe(self._deliver_all)

    def _deliver_all(self) -> None:
        with self._lock:
            parcels, self._waiting = self._waiting, []
        for parcel in parcels:
            self._deliver(*parcel)

    def _deliver(self, frame: str | bytes, client_id: str | None, wants_metadata: bool | None) -> None:
        for client in list(self._clients.values()):
            meant = client_id is None or client.client_id == client_id
            if meant and wants_metadata in (None, client.wants_preview_metadata):
                client.put(frame)


def text_frame(kind: str, data: JSONObject) -> str:
    """Return a message as the text of a frame."""
    return encode({"type": kind, "data": data}).decode()
