"""Which run goes when: open runs in fair order, their files brought first, as many at the backend as it takes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from logging import getLogger

from comfypipe.service.ending import Ending, store_end
from comfypipe.service.failures import CANCELLED
from comfypipe.service.fair import FairQueue
from comfypipe.service.running import Prepared, execute, prepare
from comfypipe.service.runs import OpenRun, find_run, open_runs
from comfypipe.service.state import Parts

_PREPARING = 16
"""How many runs have their files brought at once."""
_AHEAD = 4
"""How many runs stand ready beyond those at the backend, so that it never waits."""

_log = getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """A run in our hands."""

    run: OpenRun
    task: "asyncio.Task[None]"


class Dispatcher:
    """
    Takes runs from the queue to their end. Used in one event loop.

    Args:
        in_flight: How many runs the backend has at once.
    """

    def __init__(self, parts: Parts, in_flight: int) -> None:
        self._parts = parts
        self._in_flight = in_flight
        self._waiting: FairQueue[tuple[OpenRun, bool]] = FairQueue()
        self._ready: FairQueue[tuple[OpenRun, Prepared]] = FairQueue()
        self._preparing: dict[str, _Work] = {}
        self._executing: dict[str, _Work] = {}
        self._closing = False

    async def start(self) -> None:
        """Take up every run that has not ended."""
        for run in await self._parts.worker.read(open_runs):
            self._waiting.put(run.tenant, (run, True))
        self._fill()

    def submit(self, run: OpenRun) -> None:
        """Take on a run that was just stored."""
        self._waiting.put(run.tenant, (run, False))
        self._fill()

    @property
    def load(self) -> dict[str, int]:
        """How many runs wait, have their files brought, and are at the backend."""
        waiting = len(self._waiting) + len(self._ready)
        return {"waiting": waiting, "preparing": len(self._preparing), "executing": len(self._executing)}

    async def cancel(self, run: OpenRun) -> None:
        """Return when a run has ended, or goes on no more; that it is to end is stored already."""
        work = self._preparing.get(run.id) or self._executing.get(run.id)
        if work is not None:
            work.task.cancel()
            await asyncio.wait([work.task])
        self._waiting.remove(run.tenant, lambda each: each[0].id == run.id)
        ready = self._ready.remove(run.tenant, lambda each: each[0].id == run.id)
        if ready is not None:
            await asyncio.to_thread(ready[1].hold.release)
        await self._end_cancelled(run)

    async def close(self, drain_s: float) -> None:
        """
        Let runs end that end soon, and leave the others for the next process.

        Where the backend goes on without us, they go on.
        """
        self._closing = True
        tasks = [each.task for each in self._executing.values()]
        if tasks and drain_s > 0:
            await asyncio.wait(tasks, timeout=drain_s)
        self._parts.detachment.begun = True
        left = [each.task for each in (*self._preparing.values(), *self._executing.values())]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    def _fill(self) -> None:
        """Begin whatever there is room for."""
        if self._closing:
            return
        while len(self._executing) < self._in_flight and (ready := self._ready.take()) is not None:
            run, prepared = ready
            self._begin(self._executing, run, partial(execute, self._parts, prepared))
        while self._has_room() and (waiting := self._waiting.take()) is not None:
            run, recovered = waiting
            self._begin(self._preparing, run, partial(self._prepare, run, recovered))

    def _has_room(self) -> bool:
        ahead = len(self._ready) + len(self._executing)
        return len(self._preparing) < _PREPARING and ahead < self._in_flight + _AHEAD

    def _begin(self, place: dict[str, _Work], run: OpenRun, steps: Callable[[], Awaitable[None]]) -> None:
        work = _Work(run, asyncio.create_task(self._guarded(run, steps)))
        place[run.id] = work
        work.task.add_done_callback(lambda _: self._done(place, run))

    def _done(self, place: dict[str, _Work], run: OpenRun) -> None:
        del place[run.id]
        self._fill()

    async def _prepare(self, run: OpenRun, recovered: bool) -> None:
        prepared = await prepare(self._parts, run.id, recovered=recovered)
        if prepared is not None:
            self._ready.put(run.tenant, (run, prepared))

    async def _guarded(self, run: OpenRun, steps: Callable[[], Awaitable[None]]) -> None:
        try:
            await steps()
        except Exception:  # noqa: BLE001  one run's fault must not end the others; it stays open, for the next start
            _log.exception("run %s could not be brought to its end", run.id)

    async def _end_cancelled(self, run: OpenRun) -> None:
        row = await self._parts.worker.read(lambda connection: find_run(connection, run.id))
        if row is not None:
            await store_end(self._parts, row, Ending(error=CANCELLED, attempts=row.attempts))
