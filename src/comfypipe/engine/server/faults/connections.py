"""The connections of a server, so that they can be broken off as a real network breaks them."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from comfypipe.engine.server.gathering import Gathers, gathering_protocol

Address: TypeAlias = tuple[str, int]
"""Of a client: what ASGI calls ``scope["client"]``."""


class Connections:
    """TCP connections by the client's address. Belongs to the event loop."""

    def __init__(self) -> None:
        self._transports: dict[Address, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """Return uvicorn's HTTP protocol, made to note its connections here."""
        transports = self._transports

        class Noted(Gathers):
            transport: asyncio.Transport

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                transports[transport.get_extra_info("peername")[:2]] = self.transport

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                transports.pop(self.transport.get_extra_info("peername")[:2], None)

        return gathering_protocol(Noted)

    def drop(self, address: Address) -> None:
        """Break a connection off: what was not sent yet is never sent."""
        transport = self._transports.pop(address, None)
        if transport is not None:
            transport.abort()

    def finish(self, address: Address) -> None:
        """Close a connection once everything is sent."""
        transport = self._transports.pop(address, None)
        if transport is not None:
            transport.close()


@dataclass(slots=True, eq=False)
class Link:
    """One WebSocket; *silent* ones get no messages."""

    client_id: str | None
    address: Address
    silent: bool = False


class Links:
    """The WebSockets of a server. Belongs to the event loop, except for `break_off`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._links: list[Link] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.turn = asyncio.Lock()

    def join(self, link: Link) -> None:
        """Add a socket."""
        self._loop = asyncio.get_running_loop()
        self._links.append(link)

    def leave(self, link: Link) -> None:
        """Remove a socket."""
        self._links.remove(link)

    def of(self, client_id: Any) -> Iterator[Link]:
        """Yield the sockets of a client; all where None."""
        return (each for each in list(self._links) if client_id in (None, each.client_id))

    def break_off(self, client_id: str | None = None) -> None:
        """Break off the sockets of a client, or all; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._break_off, client_id)

    def _break_off(self, client_id: str | None) -> None:
        for link in self.of(client_id):
            link.silent = True  # whoever still sends need not learn what a broken connection is
            self._connections.drop(link.address)
