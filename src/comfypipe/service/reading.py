"""How the server reads from connections: in small pieces, so that many at once do not fill the memory."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

_READ_BYTES = 32 * 1024
"""Of a connection at a time. asyncio takes up to 256 KiB, and every layer above it keeps its copy for a while."""


class SmallReads(H11Protocol):
    """The protocol of HTTP, of connections that give little at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  a stream's
        if hasattr(transport, "max_size"):
            transport.max_size = _READ_BYTES
        super().connection_made(transport)
