"""Rows at work: so many at once that every server's queue is fed, none held that has ended, stopped as one asks."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TypeGuard

from comfypipe.batch.keys import seeds_from
from comfypipe.batch.limits import Limits, Stop
from comfypipe.batch.request import BatchRequest
from comfypipe.batch.tally import Tally, Tell
from comfypipe.batch.work import Work, WorkList
from comfypipe.batch.writer import Ended, ResultsWriter
from comfypipe.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    BackendUnavailable,
    ComfypipeError,
    DownloadFailed,
    DownloadRefused,
    StoreError,
    UsageError,
)
from comfypipe.execution.context import Execution, now_ms
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run, time_of
from comfypipe.execution.run import run_of
from comfypipe.store.batches import BatchTable, RowRun

_ASKED_S = 1.0
"""How often the ledger is asked whether somebody wants the batch to end."""

_OF_ROW = (ArtifactMissing, ArtifactCorrupt, DownloadRefused, DownloadFailed)
"""Faults of the store that are one row's; any other is everybody's."""

_UNAVAILABLE_MOST = 10
"""So many rows one after the other find no backend, in spite of their tries, before the batch stops for now."""


class Runner:
    """
    Works on rows until none is left, or something stops it.

    `stop` lets what is in flight end; `cancel` ends it.

    Args:
        execution: What runs work with; each row's bears its key besides.
    """

    def __init__(
        self,
        project: Project,
        request: BatchRequest,
        batch_id: str,
        execution: Execution,
        work: WorkList,
        writer: ResultsWriter,
        limits: Limits,
        tally: Tally,
        tell: Tell,
    ) -> None:
        self._project = project
        self._request = request
        self._batch_id = batch_id
        self._execution = execution
        self._work = work
        self._writer = writer
        self._limits = limits
        self._tally = tally
        self._tell = tell
        self._table: BatchTable = project.ledger.batches
        self._by_key: dict[str, asyncio.Future[Run | None]] = {}
        self._workers: list[asyncio.Task[None]] = []
        self._unavailable = 0
        self.error: ComfypipeError | None = None

    def stop(self, reason: Stop, error: ComfypipeError | None = None) -> None:
        """Begin no further row; the first reason counts."""
        if self._tally.stop is None:
            self._tally.stop = reason
            self.error = error
            self._tell("stopping", {"reason": reason.value, "in_flight": self._tally.in_flight})

    def cancel(self, reason: Stop = Stop.CANCELLED) -> None:
        """Begin no further row, and cancel the runs that go on."""
        self.stop(reason)
        for worker in self._workers:
            worker.cancel()

    async def run(self, concurrency: int) -> None:
        """Work on the rows, *concurrency* at once; when this is cancelled, so are they."""
        writing = asyncio.create_task(self._writer.work())
        watching = [asyncio.create_task(self._watch_ledger()), asyncio.create_task(self._watch_clock())]
        try:
            if self._limits.max_cost is not None and self._tally.mean_cost is None:
                await self._learn_cost()
            await self._with_workers(concurrency)
        finally:
            for each in watching:
                each.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            await self._writer.finish()
            await writing
        if self._writer.error is not None:
            self.stop(Stop.STORE, self._writer.error)

    async def _learn_cost(self) -> None:
        """Run one row, and another one, until one has told what a run costs."""
        tally = self._tally
        while tally.mean_cost is None and not self._is_over():
            before = tally.settled
            await self._with_workers(1, most=1)
            await self._writer.drained()
            if tally.completed > tally.cached and tally.mean_cost is None:
                problem = "the backend does not say how long runs take, so that nobody knows what they cost"
                self.stop(Stop.COST, UsageError(problem, hint="limit the runs or the time: --max-runs, --max-time"))
            if tally.settled == before:
                return

    async def _with_workers(self, count: int, most: int | None = None) -> None:
        self._workers = [asyncio.create_task(self._worker(most)) for _ in range(count)]
        try:
            ended = await asyncio.gather(*self._workers, return_exceptions=True)
        except asyncio.CancelledError:
            self.cancel()
            await asyncio.gather(*self._workers, return_exceptions=True)
            raise
        mistakes = [each for each in ended if isinstance(each, BaseException)]
        for mistake in mistakes:
            if not isinstance(mistake, asyncio.CancelledError):
                raise mistake

    async def _worker(self, most: int | None) -> None:
        while most is None or most > 0:
            if self._is_over():
                return
            work = await self._work.take()
            if work is None or self._is_over():
                return
            await self._row(work)
            most = None if most is None else most - 1

    def _is_over(self) -> bool:
        tally, limits = self._tally, self._limits
        if tally.stop is None and limits.max_runs is not None and tally.begun >= limits.max_runs:
            self.stop(Stop.RUNS)
        if tally.stop is None and limits.max_cost is not None:
            expected = (tally.cost or 0.0) + (tally.in_flight + 1) * (tally.mean_cost or 0.0)
            if expected > limits.max_cost:
                self.stop(Stop.COST)
        if tally.stop is None and self._writer.error is not None:
            self.stop(Stop.STORE, self._writer.error)
        return tally.stop is not None

    # One row

    async def _row(self, work: Work) -> None:
        try:
            run, new = (await self._ended(work.ended), False) if work.ended else await self._once(work)
        except StoreError as error:
            self.stop(Stop.STORE, error)
            return
        if run is not None:
            entry = work.entry
            params = self._work.params(work.row)
            await self._writer.put(Ended(entry.number, entry.key, entry.mark, params, run, new))

    async def _ended(self, ended: RowRun) -> Run:
        """Return a run that has ended before."""
        record = (await self._table.runs([ended.run_id]))[ended.run_id]
        if record.status == "completed":
            self._tally.before += 1
        else:
            self._tally.failed_before += 1
        return run_of(record, self._project.artifacts)

    async def _once(self, work: Work) -> tuple[Run | None, bool]:
        """
        Run a row, and return its run, and whether it is new.

        One whose content is being run at the same time waits for that run, and takes it.
        """
        key = work.entry.key
        if key in self._by_key:
            run = await asyncio.shield(self._by_key[key])
            self._count(run, shared=True)
            return run, False
        if self._tally.repeated:
            found = (await self._table.rows(self._batch_id, [key])).get(key)
            if found is not None and found.status == "completed":
                return await self._ended(found), False
            if key in self._by_key:  # meanwhile
                return await self._once(work)
        future = self._by_key[key] = asyncio.get_running_loop().create_future()
        run = None
        try:
            self._tally.begun += 1
            ended = await self._run(work)
            if _is_everybodys(ended.failure):  # it is no fault of the row, which is left for the next time
                raise ended.failure
            run = ended
        finally:
            del self._by_key[key]
            future.set_result(run)
            if run is None:
                self._tally.begun -= 1
        self._count(run)
        return run, True

    async def _run(self, work: Work) -> Run:
        begun = None
        execution = replace(self._execution, batch_id=self._batch_id, row_key=work.entry.key)
        try:
            begun = await self._project.begin(
                execution,
                self._request.name,
                work.row.given,
                preset=self._request.preset,
                draw_seed=seeds_from(work.entry.key),
            )
            return await self._project.proceed(execution, begun)
        except ComfypipeError as error:
            if _is_everybodys(error):
                raise
            return self._never_begun(work, error)

    def _never_begun(self, work: Work, error: ComfypipeError) -> Run:
        return Run(
            id="",
            name=self._request.name,
            kind="",
            status="failed",
            backend="",
            plan_digest="",
            inputs=dict(work.row.given),
            outputs={},
            steps=(),
            started_at=time_of(now_ms()),
            ended_at=time_of(now_ms()),
            error=error.to_json(),
            failure=error,
        )

    def _count(self, run: Run | None, *, shared: bool = False) -> None:
        tally = self._tally
        if run is None:
            return
        if shared:
            tally.begun += 1
        if run.status == "completed":
            tally.completed += 1
            tally.cached += run.cached or shared
            tally.simulated += run.simulated
            self._unavailable = 0
            return
        tally.failed += 1
        if run.failure is not None and run.failure.retryable:
            tally.passing += 1
        self._consider(run)

    def _consider(self, run: Run) -> None:
        """Stop where failures say that going on is of no use."""
        if self._limits.max_failures is not None and self._tally.failed >= self._limits.max_failures:
            self.stop(Stop.FAILURES)
        self._unavailable = self._unavailable + 1 if isinstance(run.failure, BackendUnavailable) else 0
        if self._unavailable >= _UNAVAILABLE_MOST:
            self.stop(Stop.UNAVAILABLE, run.failure)

    # From outside

    async def _watch_ledger(self) -> None:
        with suppress(StoreError):  # whoever runs rows meets the same fault, and tells it
            while True:
                await asyncio.sleep(_ASKED_S)
                self._tell("progress", self._tally.to_json())
                if await self._table.status(self._batch_id) in (CANCELLING, CANCELLED):
                    self.cancel()
                    return

    async def _watch_clock(self) -> None:
        if self._limits.max_time_s is not None:
            await asyncio.sleep(self._limits.max_time_s)
            self.stop(Stop.TIME)


def _is_everybodys(error: ComfypipeError | None) -> TypeGuard[StoreError]:
    return isinstance(error, StoreError) and not isinstance(error, _OF_ROW)


RUNNING, CANCELLED = "running", "cancelled"
"""Status of a batch that is worked on, and of one that was cancelled."""

CANCELLING = "cancelling"
"""Status of a batch that somebody wants to end, and that its process still works on."""
