"""What an execution works with: passed to every stage, so that none needs a global."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from comfypipe.backends.base import Backend
from comfypipe.backends.registry import BackendPool
from comfypipe.execution.backoff import Patience
from comfypipe.execution.events import Listener, ignore
from comfypipe.execution.urls import UrlFiles
from comfypipe.plan.steps import Job
from comfypipe.project import ProjectLayout
from comfypipe.store.artifacts import ArtifactStore
from comfypipe.store.ledger import Ledger

_AT_ONCE = 32
_FOR_A_SLOT = 2


class KeyedLocks:
    """Locks by name, kept only while somebody holds or waits for them."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Hold the lock called *key*."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = lock, users - 1


def at_once(backend: Backend) -> int:
    """Return how many jobs to submit at once, so that the queue of every server is fed and none waits."""
    held = getattr(backend, "slots", None)  # of a fleet, which keeps in line here what its servers have no room for
    return max(_AT_ONCE, _FOR_A_SLOT * held) if isinstance(held, int) else _AT_ONCE


@dataclass(frozen=True, slots=True)
class Execution:
    """
    What the stages share.

    Attributes:
        backend: Where jobs run whose step names no backend.
        override: *backend* was asked for by the user: it also takes the place of those that steps name.
        cache: Whether results of other runs may be taken; a run's own finished jobs always are.
        slots: How many jobs may be submitted at once; what has run, and is being collected, does not count.
        batch_id: The batch that the runs are rows of.
        row_key: The row that the next run is: no other row's run is taken for it.
        urls: What fetches files that are named by URL; None where nothing may be fetched.
        same: Keeps jobs with the same digest from running at the same time: the second takes the first one's result.
    """

    layout: ProjectLayout
    ledger: Ledger
    artifacts: ArtifactStore
    backends: BackendPool
    backend: str
    override: bool = False
    cache: bool = True
    listener: Listener = ignore
    patience: Patience = field(default_factory=Patience)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))
    urls: UrlFiles | None = None
    same: KeyedLocks = field(default_factory=KeyedLocks)
    batch_id: str | None = None
    row_key: str | None = None

    @property
    def row(self) -> tuple[str, str] | None:
        """The batch and the key of the row that is run, where it is one."""
        return (self.batch_id, self.row_key) if self.batch_id is not None and self.row_key is not None else None

    def backend_of(self, job: Job) -> Backend:
        """Return the backend that *job* runs on."""
        return self.backends.get(self.backend if self.override or job.backend is None else job.backend)


def now_ms() -> int:
    """Return the time as the ledger keeps it: milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
