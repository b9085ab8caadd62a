"""One file from the network to the disk: streamed, hashed, bounded, resumed, tried again while it is worth it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import httpx

from comfypipe.downloads.partial import Partial
from comfypipe.downloads.replies import (
    Interrupted,
    Validators,
    end_of,
    ends_visibly,
    failed,
    refusal,
    refuse_encoded,
    total_bytes,
    validators_of,
)
from comfypipe.downloads.requests import Opener, Source
from comfypipe.errors import DownloadFailed, DownloadMissing, DownloadRefused, StoreError
from comfypipe.store.files import disk_faults

_BATCH_BYTES = 1 << 20
"""What goes to the disk at once; twice that is in memory at most."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of a file beforehand."""

    sha256: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole file under its unfinished name, and what its server says of it."""

    sha256: str
    size_bytes: int
    validators: Validators
    media_type: str | None


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """
    How far a download is.

    Attributes:
        url: As messages show it.
        total_bytes: None when the server does not say.
    """

    url: str
    received_bytes: int
    total_bytes: int | None


OnProgress: TypeAlias = Callable[[DownloadProgress], None]


class Transfer:
    """
    One download into an unfinished file.

    When it fails the unfinished file stays, for the next try to go on with; not so when the file is not to be had, or
    the disk is full.

    Args:
        known: Validators of the file as it was fetched before: unchanged, it is not sent again.
    """

    def __init__(
        self,
        opener: Opener,
        source: Source,
        partial: Partial,
        *,
        expected: Expected | None = None,
        known: Validators | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._opener = opener
        self._limits = opener.limits
        self._source = source
        self._partial = partial
        self._expected = expected or Expected()
        self._known = known or Validators()
        self._on_progress = on_progress
        self._total: int | None = None
        self._furthest = 0

    async def run(self) -> Fetched | None:
        """
        Return the whole file; None when it has not changed since *known*.

        Raises:
            DownloadRefused: The address, the size or the bytes are not allowed, or not those that were expected.
            DownloadMissing: The server does not give it.
            DownloadFailed: It broke off too often, or took too long.
            StoreError: The disk is full, or cannot be written.
        """
        keep = True
        try:
            async with asyncio.timeout(self._limits.total_s):
                with disk_faults(self._partial.path):
                    await asyncio.to_thread(self._partial.open)
                    return await self._until_whole()
        except TimeoutError:
            raise self._failed(f"it took longer than {self._limits.total_s:g} s") from None
        except StoreError as error:
            keep = isinstance(error, DownloadFailed | DownloadMissing)
            raise
        finally:
            await asyncio.to_thread(self._partial.leave, keep=keep)

    async def _until_whole(self) -> Fetched | None:
        faults = 0
        while True:
            try:
                return await self._attempt()
            except Interrupted as fault:
                further = self._partial.size_bytes > self._furthest
                self._furthest = max(self._furthest, self._partial.size_bytes)
                faults = 1 if further else faults + 1
                if faults >= self._limits.faults or (fault.wait_s or 0.0) > self._limits.longest_wait_s:
                    raise self._failed(fault.problem) from fault
                await asyncio.sleep(max(self._limits.delay_s(faults), fault.wait_s or 0.0))

    async def _attempt(self) -> Fetched | None:
        try:
            async with self._opener.open(self._source, self._headers()) as response:
                if response.status_code == httpx.codes.NOT_MODIFIED and self._known.headers:
                    return None
                if not self._is_all_here(response):
                    await self._begin(response)
                    await self._pour(response)
                return await self._finish(response)
        except (httpx.TransportError, httpx.StreamError) as error:
            raise Interrupted(str(error) or type(error).__name__) from error

    def _headers(self) -> Mapping[str, str]:
        headers = dict(self._known.headers)
        if self._partial.size_bytes and self._partial.etag:
            headers |= {"range": f"bytes={self._partial.size_bytes}-", "if-range": self._partial.etag}
        return headers

    def _is_all_here(self, response: httpx.Response) -> bool:
        """Whether an earlier try, or process, had received everything, and only ended too soon."""
        end = end_of(response)
        if end is None or end != self._partial.size_bytes:
            return False
        self._total = end
        return True

    async def _begin(self, response: httpx.Response) -> None:
        """Look at what the reply is about to send, and make ready for it."""
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and self._partial.size_bytes:
            await asyncio.to_thread(self._partial.restart, None)
            raise Interrupted("it has no more of the file than there is here")
        if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise refusal(response)
        refuse_encoded(response)
        etag = validators_of(response).strong_etag
        if response.status_code == httpx.codes.OK:
            await asyncio.to_thread(self._partial.restart, etag)
        elif self._partial.size_bytes and etag not in (None, self._partial.etag):
            await asyncio.to_thread(self._partial.restart, None)
            raise Interrupted("it sent a part of another file")
        have = self._partial.size_bytes
        self._partial.resumed = have > 0
        self._total = total_bytes(response, have)
        self._check_size(self._total or have)
        if self._total is not None and self._expected.size_bytes not in (None, self._total):
            raise DownloadRefused(
                f"{self._source} has {self._total} bytes, not {self._expected.size_bytes} as declared",
                hint="the file was changed, or the declaration is wrong",
            )
        if self._expected == Expected() and not ends_visibly(response):
            raise DownloadMissing(
                f"{self._source} is sent without its length: whether it is whole could not be told",
                hint="give its sha256 or size_bytes",
            )
        await asyncio.to_thread(self._partial.check_room, (self._total or have) - have)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._limits.max_bytes:
            raise DownloadRefused(
                f"{self._source} is larger than the {self._limits.max_bytes / 1e6:g} MB that a download may have",
                hint="where this is meant, raise max_bytes in [tool.comfypipe.downloads]",
            )

    async def _pour(self, response: httpx.Response) -> None:
        """Bring the body to the disk; while a batch is hashed and written, the next one is received."""
        batch: list[bytes] = []
        gathered, received = 0, self._partial.size_bytes
        writing = asyncio.create_task(asyncio.sleep(0))
        try:
            async for chunk in response.aiter_raw():
                batch.append(chunk)
                gathered += len(chunk)
                received += len(chunk)
                self._check_size(received)
                if gathered >= _BATCH_BYTES:
                    await writing
                    writing = asyncio.create_task(asyncio.to_thread(self._partial.write, batch))
                    batch, gathered = [], 0
                    self._tell(received)
        finally:
            # Also when it broke off: what has arrived need not be sent again.
            await writing
            await asyncio.to_thread(self._partial.write, batch)
            await asyncio.to_thread(self._partial.flush)
        self._tell(received)

    async def _finish(self, response: httpx.Response) -> Fetched:
        size_bytes = self._partial.size_bytes
        if self._total is not None and size_bytes != self._total:
            raise Interrupted(f"it ended after {size_bytes} of {self._total} bytes")
        digest = await asyncio.to_thread(self._partial.finish)
        if self._expected.size_bytes not in (None, size_bytes) or self._expected.sha256 not in (None, digest):
            await self._mistaken(digest, size_bytes)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower() or None
        return Fetched(digest, size_bytes, validators_of(response), media_type)

    async def _mistaken(self, digest: str, size_bytes: int) -> None:
        """Deal with bytes that are not those expected: gone on with, they are fetched anew; fetched anew, refused."""
        resumed = self._partial.resumed
        await asyncio.to_thread(self._partial.restart, None)
        if resumed:
            raise Interrupted("its parts do not fit together")
        raise DownloadRefused(
            f"{self._source} is not the file that was declared: it has {size_bytes} bytes and SHA-256 {digest}",
            hint="the file was changed, or the declaration is wrong",
        )

    def _tell(self, received: int) -> None:
        if self._on_progress is not None:
            self._on_progress(DownloadProgress(str(self._source), received, self._total))

    def _failed(self, problem: str) -> DownloadFailed:
        return failed(str(self._source), problem, self._partial.size_bytes, self._total)
