"""What an execution works with: passed to every stage, so that none needs a global."""

import asyncio
import time
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

    def hold(self, key: str) -> "_Held":
        """Hold the lock called *key*, in an ``async with`` block."""
        return _Held(self._locks, key)


class _Held:
    """One use of a lock; made by hand, since each run and each job has several."""

    __slots__ = ("_key", "_locks")

    def __init__(self, locks: dict[str, tuple[asyncio.Lock, int]], key: str) -> None:
        self._locks = locks
        self._key = key

    async def __aenter__(self) -> None:
        lock, users = self._locks.get(self._key) or (asyncio.Lock(), 0)
        self._locks[self._key] = lock, users + 1
        try:
            await lock.acquire()
        except BaseException:
            self._forget()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._forget().release()

    def _forget(self) -> asyncio.Lock:
        lock, users = self._locks.pop(self._key)
        if users > 1:
            self._locks[self._key] = lock, users - 1
        return lock


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
