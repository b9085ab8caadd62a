"""What is written to a connection within one turn of the event loop, sent at once."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_ENOUGH_BYTES = 64 * 1024
"""So much is not held back: the transport is to say when a client does not keep up."""


class GatheringTransport:
    """
    A transport that holds back what is written until the event loop's next turn.

    A reply's head and body, and messages that come in a row, then cost one call of the system in place of many, for
    whoever reads them as well.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] = []
        self._held_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send *data*, after what was written before."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _ENOUGH_BYTES:
            self._flush()

    def close(self) -> None:
        """Close the connection once everything is sent."""
        self._flush()
        self._transport.close()

    def write_eof(self) -> None:
        """End what is sent, once everything is."""
        self._flush()
        self._transport.write_eof()

    def _flush(self) -> None:
        held, self._held, self._held_bytes = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))


class Gathers(asyncio.Protocol):
    """Makes a protocol write through a `GatheringTransport`; it stands before the protocol's own class."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with a transport that gathers."""
        gathering = GatheringTransport(cast("asyncio.Transport", transport))
        super().connection_made(cast("asyncio.Transport", gathering))


def gathering_protocol(kind: type[Gathers] = Gathers) -> type[asyncio.Protocol]:
    """Return the HTTP protocol that uvicorn takes by itself, and its WebSockets, made to gather what they write."""
    return type("GatheringProtocol", (kind, AutoHTTPProtocol), {})
