"""Fetched files, each kept once by its content: one transfer, however many tasks and processes ask."""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakValueDictionary

import httpx
from filelock import Timeout

from comfypipe.downloads.credentials import Credentials
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.downloads.leases import Hold
from comfypipe.downloads.limits import GIB, Limits
from comfypipe.downloads.model_files import Check
from comfypipe.downloads.requests import Opener, Source
from comfypipe.downloads.shelf import Entry, Shelf
from comfypipe.downloads.transfer import Expected, Fetched, OnProgress, Transfer
from comfypipe.downloads.transport import Resolver, guarded_client, resolve
from comfypipe.errors import DownloadFailed, DownloadRefused

_LOOK_AGAIN_S = (0.02, 0.5)
"""How soon, first and at most, a lock is tried again that another process holds."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """
    A file that was fetched.

    Attributes:
        path: In the cache. Do not write to it; it is there as long as the hold that was given lasts.
        seconds: What the asker spent on it: on the transfer, or on waiting for somebody else's.
        cached: Nothing was transferred for this asker.
        media_type: As its server called it.
    """

    path: Path
    sha256: str
    size_bytes: int
    seconds: float
    cached: bool
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request of a file."""

    source: Source
    expected: Expected
    limits: Limits
    hold: Hold | None
    check: Check | None
    on_progress: OnProgress | None
    fresh_since_ms: int
    key: str


class DownloadCache:
    """
    Fetches files, and keeps them.

    Several tasks and processes may use one folder; close it when done (``async with`` does).

    Args:
        folder: Where the files lie; made when it is needed.
        policy: Which addresses may be connected to.
        max_bytes: What all files together may have; those that were used longest ago go first, those held never.
        credentials: Keys, each for its own hosts. Leave them out where those who ask may not share them.
        fresh_s: A URL that was asked this long ago at most is not asked again; later it is, whether it has changed.
    """

    def __init__(
        self,
        folder: Path,
        policy: AddressPolicy,
        *,
        max_bytes: int = 50 * GIB,
        limits: Limits | None = None,
        credentials: Credentials | None = None,
        fresh_s: float = 60.0,
        resolver: Resolver = resolve,
        **client_options: Any,
    ) -> None:
        self._shelf = Shelf(folder, max_bytes)
        self._policy = policy
        self._limits = limits or Limits()
        self._credentials = credentials or Credentials()
        self._fresh_s = fresh_s
        self._resolver = resolver
        self._client_options = client_options
        self._client: httpx.AsyncClient | None = None
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections and let go of what was held."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        await asyncio.to_thread(self._shelf.close)

    def hold(self) -> Hold:
        """Return what keeps files from being evicted while it lasts; it is given to `get`."""
        return self._shelf.leases.hold()

    def check_url(self, url: str) -> None:
        """
        Refuse a URL before anything is fetched; its host's addresses are looked at when it is.

        Raises:
            DownloadRefused: It is not allowed.
        """
        self._policy.check_url(url)

    def find(self, sha256: str) -> Path | None:
        """Return where a file of this digest lies; None when it is not here."""
        place = self._shelf.place(sha256.lower())
        return place if place.is_file() else None

    async def get(
        self,
        url: str,
        *,
        sha256: str | None = None,
        size_bytes: int | None = None,
        size_limit: int | None = None,
        headers: Mapping[str, str] | None = None,
        check: Check | None = None,
        hold: Hold | None = None,
        on_progress: OnProgress | None = None,
    ) -> Downloaded:
        """
        Return the file that *url* names: from the cache where that is right, else fetched.

        Args:
            sha256: What its bytes must be, as hex; then a file with these bytes is taken, wherever it came from.
            size_bytes: How many these must be.
            size_limit: How many they may be, where that is less than the cache's own limit.
            headers: Sent to the URL's own origin, not beyond redirects; other headers give another file.
            check: Looks into the file before it is kept or given.
            hold: Keeps the file from being evicted; without one it may go as soon as others come.
            on_progress: Is told of the transfer, in the event loop.

        Raises:
            DownloadRefused: The URL is not allowed, or gives another file than was meant, or one too large.
            DownloadMissing: The server does not give it.
            DownloadFailed: The transfer broke off, more than once.
            StoreError: It cannot be stored.
        """
        began = time.monotonic()
        asked = self._asked(url, sha256, size_bytes, size_limit, headers, check, hold, on_progress)
        found = await asyncio.to_thread(self._by_digest, asked)
        if found is None:
            async with self._turn(asked.key):
                found = await self._get(asked)
        return replace(found, seconds=time.monotonic() - began)

    def _asked(
        self,
        url: str,
        sha256: str | None,
        size_bytes: int | None,
        size_limit: int | None,
        headers: Mapping[str, str] | None,
        check: Check | None,
        hold: Hold | None,
        on_progress: OnProgress | None,
    ) -> _Asked:
        location = self._policy.check_url(url)
        if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
            raise DownloadRefused("a SHA-256 has 64 hexadecimal digits")
        source = Source(str(location.url), dict(headers or {}))
        limit = min(self._limits.max_bytes, size_limit if size_limit is not None else self._limits.max_bytes)
        return _Asked(
            source=source,
            expected=Expected(sha256.lower() if sha256 else None, size_bytes),
            limits=replace(self._limits, max_bytes=limit),
            hold=hold,
            check=check,
            on_progress=on_progress,
            fresh_since_ms=_now_ms() - int(self._fresh_s * 1000),
            key=_key(source),
        )

    async def _get(self, asked: _Asked) -> Downloaded:
        """Look again, now that nobody else fetches the same URL; then fetch it."""
        found = await asyncio.to_thread(self._by_digest, asked) or await asyncio.to_thread(self._by_url, asked)
        if found is not None:
            return found
        known = await asyncio.to_thread(self._held, asked)
        partial = self._shelf.partial(asked.key)
        fetched = await Transfer(
            self._opener(asked.limits),
            asked.source,
            partial,
            expected=asked.expected,
            known=known.validators if known else None,
            on_progress=asked.on_progress,
        ).run()
        if fetched is None:
            return await asyncio.to_thread(self._unchanged, asked, known)
        return await asyncio.to_thread(self._keep, asked, fetched)

    def _by_digest(self, asked: _Asked) -> Downloaded | None:
        expected = asked.expected
        return self._take(asked, expected.sha256, None) if expected.sha256 is not None else None

    def _by_url(self, asked: _Asked) -> Downloaded | None:
        entry = self._known(asked)
        if entry is None or entry.checked_ms < asked.fresh_since_ms:
            return None
        return self._take(asked, entry.sha256, entry.media_type)

    def _known(self, asked: _Asked) -> Entry | None:
        """Return what the URL gave before, where that may be what is asked for."""
        entry = self._shelf.entry(asked.key)
        if entry is None or asked.expected.sha256 not in (None, entry.sha256):
            return None
        return entry if asked.expected.size_bytes in (None, entry.size_bytes) else None

    def _held(self, asked: _Asked) -> Entry | None:
        """Return what the URL gave before, kept from being evicted while its server is asked whether it has changed."""
        known = self._known(asked)
        return known if known and self._shelf.take(known.sha256, asked.hold) else None

    def _take(self, asked: _Asked, sha256: str, media_type: str | None) -> Downloaded | None:
        path = self._shelf.take(sha256, asked.hold, asked.expected.size_bytes)
        if path is None:
            return None
        size_bytes = path.stat().st_size
        if size_bytes > asked.limits.max_bytes:
            raise DownloadRefused(f"{asked.source} is larger than {asked.limits.max_bytes / 1e6:g} MB")
        if asked.check is not None:
            asked.check(path)
        return Downloaded(path, sha256, size_bytes, 0.0, cached=True, media_type=media_type)

    def _unchanged(self, asked: _Asked, known: Entry | None) -> Downloaded:
        found = self._take(asked, known.sha256, known.media_type) if known else None
        if known is None or found is None:
            raise DownloadFailed(f"{asked.source} was evicted while it was asked for", hint="give the cache more room")
        confirmed = Entry(known.sha256, known.size_bytes, _now_ms(), known.validators, known.media_type)
        self._shelf.note(asked.key, confirmed)
        return found

    def _keep(self, asked: _Asked, fetched: Fetched) -> Downloaded:
        partial = self._shelf.partial(asked.key)
        try:
            if asked.check is not None:
                asked.check(partial.path)
            path = self._shelf.add(partial, fetched.sha256, fetched.size_bytes, asked.hold)
        except BaseException:
            partial.remove()
            raise
        entry = Entry(fetched.sha256, fetched.size_bytes, _now_ms(), fetched.validators, fetched.media_type)
        self._shelf.note(asked.key, entry)
        return Downloaded(path, fetched.sha256, fetched.size_bytes, 0.0, cached=False, media_type=fetched.media_type)

    def _opener(self, limits: Limits) -> Opener:
        if self._client is None:
            timeout = httpx.Timeout(limits.stall_s, connect=limits.connect_s)
            self._client = guarded_client(
                self._policy, resolver=self._resolver, timeout=timeout, **self._client_options
            )
        return Opener(self._client, self._policy, limits, self._credentials)

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        """Wait until nobody else, here or in another process, fetches the same URL."""
        lock = self._turns.setdefault(key, asyncio.Lock())
        async with lock:
            across = await asyncio.to_thread(self._shelf.lock, key)
            pause_s, longest_s = _LOOK_AGAIN_S
            while True:
                try:
                    across.acquire(blocking=False)
                    break
                except Timeout:
                    await asyncio.sleep(pause_s)
                    pause_s = min(longest_s, pause_s * 2)
            try:
                yield
            finally:
                across.release()


def _key(source: Source) -> str:
    lines = [source.url, *sorted(f"{name.lower()}: {value}" for name, value in source.headers.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
