"""What listens at an address that does not answer as a web server does."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

_PATIENCE_S = 1.0
_SHOWN_CHARS = 60


async def greeting(url: str) -> str | None:
    """
    Return the first words of what listens at an ``http://`` URL, when they are no HTTP; None when it is silent.

    An HTTP client does not show them: it waits for the rest of a reply until the connection ends.
    """
    address = urlsplit(url)
    if address.scheme != "http" or address.hostname is None:
        return None
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            reader, writer = await asyncio.open_connection(address.hostname, address.port or 80)
            try:
                writer.write(f"GET / HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode("ascii", "replace"))
                words = (await reader.read(1000)).decode("ascii", "replace").strip()
            finally:
                writer.close()
        first = words.splitlines()[0][:_SHOWN_CHARS] if words else ""
        return first if first and not first.startswith("HTTP/") else None
    return None
