"""A file that is being received, over several replies where connections break off."""

import asyncio
import re
from typing import BinaryIO

import httpx

_CHUNK_BYTES = 1 << 20


class Receiving:
    """
    What of a file is there, and what is missing.

    Args:
        file: Written as it comes, however large it is.
        limit_bytes: How large it may be.

    Attributes:
        received: How many bytes are there.
        whole: Whether it is complete.
    """

    def __init__(self, file: BinaryIO, limit_bytes: int) -> None:
        self._file = file
        self._limit_bytes = limit_bytes
        self._etag: str | None = None
        self.received = 0
        self.whole = False

    def headers(self) -> dict[str, str]:
        """Return what to send with a request for the rest: for all of it where the server cannot know the rest."""
        plain = {"Accept-Encoding": "identity"}  # so that the length that is said is that of the file
        if self.received and self._etag is not None:
            return plain | {"Range": f"bytes={self.received}-", "If-Range": self._etag}
        return plain

    async def take(self, response: httpx.Response) -> bool:
        """
        Write what a reply brings; False when it is too much.

        Raises:
            httpx.TransportError: The connection broke off; what came before is kept.
        """
        declared = _length(response)
        if not self._goes_on(response):
            etag = response.headers.get("etag", "")
            # a weak one does not say that the bytes are the same
            self._etag = etag if etag.startswith('"') and declared is not None else None
            if self.received:
                self._file.seek(0)
                self._file.truncate()
            self.received = 0
        if self.received + (declared or 0) > self._limit_bytes:
            return False
        end = None if declared is None else self.received + declared
        if not await self._write(response):
            return False
        if end is not None and self.received != end:
            raise httpx.ReadError(f"the body has {self.received} bytes instead of {end}", request=response.request)
        self.whole = True
        return True

    async def _write(self, response: httpx.Response) -> bool:
        waiting = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                waiting += chunk
                if self.received + len(waiting) > self._limit_bytes:
                    return False
                if len(waiting) >= _CHUNK_BYTES:
                    await asyncio.to_thread(self._file.write, waiting)
                    self.received += len(waiting)
                    waiting = bytearray()
        finally:
            self._file.write(waiting)
            self.received += len(waiting)
        return True

    def _goes_on(self, response: httpx.Response) -> bool:
        """Whether a reply brings the rest of what is there, and not the whole."""
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            return False
        place = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
        if place is None or int(place[1]) != self.received:
            raise httpx.RemoteProtocolError(
                "incomplete: another part came than was asked for", request=response.request
            )
        return True


def _length(response: httpx.Response) -> int | None:
    """Return how many bytes a reply says that it brings; None where it does not, or where they are encoded."""
    said = response.headers.get("content-length", "")
    return int(said) if said.isdecimal() and "content-encoding" not in response.headers else None
