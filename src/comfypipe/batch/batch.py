"""A batch from its request to its results: opened, checked, run, finished; and gone on with, as often as need be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from comfypipe._types import JSONObject
from comfypipe.batch.check import Checked, check_again
from comfypipe.batch.files import PARQUET, check_parquet, read_about, write_about, write_results
from comfypipe.batch.limits import Limits, Stop
from comfypipe.batch.names import PLAIN, SHARDED, NameTemplate
from comfypipe.batch.prices import Prices, servers_of
from comfypipe.batch.request import BatchRequest
from comfypipe.batch.rows import RowSource
from comfypipe.batch.runner import CANCELLING, RUNNING, Runner
from comfypipe.batch.scratch import Scratch
from comfypipe.batch.tally import Tally, Tell, tell_nobody
from comfypipe.batch.trial import try_first_rows
from comfypipe.batch.work import WorkList
from comfypipe.batch.workflow import workflow_digest
from comfypipe.batch.writer import RESULTS, Ended, ResultsWriter
from comfypipe.errors import ComfypipeError, RunCancelled, UsageError
from comfypipe.execution.context import Execution, at_once, now_ms
from comfypipe.execution.events import Event, Listener, ignore
from comfypipe.execution.project import Project
from comfypipe.execution.records import time_of
from comfypipe.store.batches import BatchTable
from comfypipe.store.ids import new_run_id
from comfypipe.store.liveness import is_alive
from comfypipe.store.records import BatchRecord

_COLLECTED = 2
"""For each row whose prompt is with the backend, how many there are: the others are being planned or collected."""

_SMALL = 1000
"""Rows whose files one folder holds well."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How a session of a batch ended.

    Attributes:
        status: ``completed``, ``failed`` (some rows did), ``stopped`` or ``cancelled``.
        error: What stopped it, where that was no limit and nobody's wish.
    """

    batch_id: str
    status: str
    tally: Tally
    folder: Path
    error: ComfypipeError | None = None

    def to_json(self) -> JSONObject:
        """Return it as a JSON object."""
        stop = self.tally.stop
        about = {"id": self.batch_id, "status": self.status, "stop": stop.value if stop else None}
        return about | self.tally.to_json() | {"folder": str(self.folder), "results": str(self.folder / RESULTS)}


class Batch:
    """
    A batch that is open, and this process's to work on.

    Use `open_batch` or `reopen_batch`.
    """

    def __init__(
        self, project: Project, request: BatchRequest, record: BatchRecord, source: RowSource, scratch: Scratch
    ) -> None:
        self.project = project
        self.request = request
        self.record = record
        self.source = source
        self.scratch = scratch
        self.checked = Checked()
        self._runner: Runner | None = None

    @property
    def id(self) -> str:
        """Its id."""
        return self.record.id

    @cached_property
    def folder(self) -> Path:
        """Where outputs and results go."""
        out = self.request.out
        return out if out is not None else self.request.folder / "outputs" / f"{self.request.name}-{self.id}"

    @cached_property
    def names(self) -> NameTemplate:
        """What names files."""
        return NameTemplate(self.request.names or (PLAIN if self.checked.rows <= _SMALL else SHARDED))

    @property
    def table(self) -> BatchTable:
        """The ledger's batches."""
        return self.project.ledger.batches

    @property
    def prices(self) -> Prices:
        """What a second costs."""
        return Prices(self.project.layout.settings.prices, servers_of(self.project.backends.get(self.backend)))

    @property
    def backend(self) -> str:
        """URL or name of where it runs."""
        return self.project.execution(backend=self.request.backend).backend

    def portions(self, size: int) -> list[tuple[int, int]]:
        """Return for portions of *size* rows the number before the first row, and how many rows there are."""
        return self.scratch.portions(size)

    # Running

    def stop(self, reason: Stop = Stop.INTERRUPTED) -> None:
        """Begin no further row; what is in flight is finished."""
        if self._runner is not None:
            self._runner.stop(reason)

    def cancel(self) -> None:
        """Begin no further row, and cancel the runs that go on."""
        if self._runner is not None:
            self._runner.cancel()

    async def estimate(self) -> Tally:
        """Return what is known before anything runs: how many rows are done, and what a run takes and costs."""
        tally = Tally(rows=self.checked.rows, invalid=self.checked.invalid, repeated=self.checked.repeated)
        statuses = await asyncio.to_thread(self.scratch.statuses)
        tally.before, tally.failed_before = statuses.get("completed", 0), statuses.get("failed", 0)
        await self._learn(tally)
        return tally

    async def todo(self) -> int:
        """Return how many rows something is to be done for; reads all of them."""
        work, count = self._work(Tally()), 0
        while (each := await work.take()) is not None:
            count += each.ended is None
        return count

    async def run(
        self,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        *,
        after: int = 0,
        count: int | None = None,
        only_ended: bool = False,
        listener: Listener = ignore,
        tell: Tell = tell_nobody,
    ) -> Tally:
        """
        Run what is still to be done, and return how that went; rows that fail do not stop the others.

        Args:
            after: The number before the first row; with *count*, a portion of the batch.
            only_ended: Begin nothing: count, and write what is missing of rows that have ended.
            listener: Is told of each run's progress.
            tell: Is told of rows.

        Raises:
            UsageError: A limit of cost where nothing has a price.
            ComfypipeError: Not one of the first rows can be planned: the workflow or the backend is at fault.
        """
        if limits.max_cost is not None and not self.prices:
            raise UsageError(
                "a limit of cost needs prices", hint="add [tool.comfypipe.prices], such as  default = 0.0005  a second"
            )
        tally = Tally(rows=count or self.checked.rows, repeated=self.checked.repeated)
        tally.invalid = self.checked.invalid if count is None else 0
        await self._learn(tally)
        concurrency = limits.concurrency or _COLLECTED * at_once(self.project.backends.get(self.backend))
        execution = self._execution(limits.concurrency, _both(tally, listener))
        if not only_ended and not await self.table.has_begun(self.id):  # else it was tried when it began
            await try_first_rows(self.project, execution, self.request, self.source, self.scratch, after)
        writer = self._writer(tally, tell)
        work = self._work(tally, after=after, count=count, retry_failed=limits.retry_failed, only_ended=only_ended)
        self._runner = Runner(self.project, self.request, self.id, execution, work, writer, limits, tally, tell)
        try:
            await self._runner.run(concurrency)
        finally:
            self.error, self._runner, self._lines = self._runner.error, None, self._lines + writer.lines
        return tally

    error: ComfypipeError | None = None
    """What stopped the last run, where that was no limit and nobody's wish."""

    _lines = 0

    async def finish(self, tally: Tally) -> Outcome:
        """
        Write the results whole, in the order of the rows, and store how the batch stands.

        Raises:
            StoreError: They cannot be written; `results.jsonl` has a line for each row that has ended all the same.
        """
        status = _status(tally)
        outcome = Outcome(self.id, status, tally, self.folder, self.error)
        if not self._is_written():
            parquet = self.request.results == "parquet"
            size = await write_results(self.folder, self.id, self.scratch, self.table, parquet=parquet)
        else:
            size = (self.folder / RESULTS).stat().st_size
        ended_ms = now_ms()
        write_about(self.folder, self._about(outcome, size, ended_ms))
        await self.table.change(self.id, status=status, total=self.checked.rows, ended_ms=ended_ms)
        return outcome

    def _is_written(self) -> bool:
        """Whether the results are those of these rows already."""
        about, path = read_about(self.folder), self.folder / RESULTS
        same = about.get("id") == self.id and about.get("fingerprint") == self.checked.fingerprint and not self._lines
        parquet = self.request.results != "parquet" or (self.folder / PARQUET).is_file()
        return same and parquet and path.is_file() and path.stat().st_size == about.get("results_bytes")

    def _about(self, outcome: Outcome, results_bytes: int, ended_ms: int) -> JSONObject:
        request = self.request.to_json()
        return {
            "id": self.id,
            "name": self.request.name,
            "status": outcome.status,
            "stop": outcome.tally.stop.value if outcome.tally.stop else None,
            "created_at": time_of(self.record.created_ms).isoformat(),
            "ended_at": time_of(ended_ms).isoformat(),
            "counts": outcome.tally.counts(),
            "cost": outcome.tally.cost,
            "sweep": self.source.sweep.to_json(),
            "repeat": self.request.repeat,
            "rows": request["rows"],
            "backend": self.project.backends.get(self.backend).url,
            "settings": request,
            "results": RESULTS,
            "results_bytes": results_bytes,
            "fingerprint": self.checked.fingerprint,
        }

    # What running needs

    def _execution(self, concurrency: int | None, listener: Listener) -> Execution:
        request = self.request
        return self.project.execution(
            backend=request.backend, cache=request.cache, listener=listener, concurrency=concurrency
        )

    def _work(
        self,
        tally: Tally,
        *,
        after: int = 0,
        count: int | None = None,
        retry_failed: bool = False,
        only_ended: bool = False,
    ) -> WorkList:
        parts = (self.id, self.table, self.scratch, self.source, self.folder, tally)
        return WorkList(*parts, after=after, count=count, retry_failed=retry_failed, only_ended=only_ended)

    def _writer(self, tally: Tally, tell: Tell) -> ResultsWriter:
        spent = _Spending(tally)

        def written(ended: Ended, result: JSONObject) -> None:
            spent.add(ended, result)
            tell("row", {"row": ended.number} | result)

        return ResultsWriter(self.folder, self.scratch, self.table, self.names, self.prices, self.id, written)

    async def _learn(self, tally: Tally) -> None:
        """Find out what the batch has cost, and what a run takes and costs, from earlier ones."""
        prices, earlier = self.prices, await self.table.earlier(self.request.name)
        runs = len({each.run_id for each in earlier})
        if prices:
            tally.cost = prices.cost(await self.table.spent(self.id)) or 0.0
        if runs:
            tally.mean_s = sum(each.execution_s or 0.0 for each in earlier) / runs
            tally.mean_cost = (prices.cost(earlier) or 0.0) / runs if prices else None


class _Spending:
    """What the runs of a session cost, and take, on the average."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._runs = 0
        self._cost = self._seconds = 0.0

    def add(self, ended: Ended, result: JSONObject) -> None:
        if not ended.new or result["execution_s"] is None:
            return
        self._runs += 1
        self._seconds += result["execution_s"]
        self._tally.mean_s = self._seconds / self._runs
        if result["cost"] is not None:
            self._cost += result["cost"]
            self._tally.cost = (self._tally.cost or 0.0) + result["cost"]
            self._tally.mean_cost = self._cost / self._runs


@asynccontextmanager
async def open_batch(
    project: Project, request: BatchRequest, *, fresh: bool = False, keep: bool = True, tell: Tell = tell_nobody
) -> AsyncIterator[Batch]:
    """
    Open the batch of a request: the one that the same request began before, else a new one. All rows are checked.

    Args:
        fresh: Begin a new one in any case.
        keep: Without it nothing is stored: for a look at what would run.
        tell: Is told how far the check is.

    Raises:
        UsageError: There is no such workflow, the request does not fit it, or another process works on the batch.
        RowsInvalid: Rows cannot be run.
    """
    manifest = project.library.manifest(request.name)
    source = RowSource(request, manifest, project.layout)
    if request.results == "parquet":
        check_parquet()
    if request.names is not None:
        NameTemplate(request.names)
    identity = request.identity(workflow_digest(project.library, project.layout, request.name))
    earlier = None if fresh else await _earlier(project, request, identity)
    record = earlier or _new_record(request, source, identity)
    async with _opened(project, request, record, source, new=earlier is None, keep=keep, tell=tell) as batch:
        yield batch


@asynccontextmanager
async def reopen_batch(
    project: Project, reference: str, *, check: bool = True, own: bool = True, tell: Tell = tell_nobody
) -> AsyncIterator[Batch]:
    """
    Open a batch by its id, as it was asked for, whatever has become of the workflow since.

    Args:
        check: Check the rows; where that was done a moment ago, and the index is there, it need not be done again.
        own: Keep other processes from working on it.

    Raises:
        UsageError: There is none, or another process works on it.
        RowsInvalid: Rows cannot be run any more.
    """
    record = await project.ledger.batches.get(reference)
    request = BatchRequest.from_json(record.settings["request"])
    source = RowSource(request, project.library.manifest(request.name), project.layout)
    async with _opened(project, request, record, source, check=check, own=own, tell=tell) as batch:
        yield batch


@asynccontextmanager
async def _opened(
    project: Project,
    request: BatchRequest,
    record: BatchRecord,
    source: RowSource,
    *,
    new: bool = False,
    keep: bool = True,
    check: bool = True,
    own: bool = True,
    tell: Tell = tell_nobody,
) -> AsyncIterator[Batch]:
    scratch = await asyncio.to_thread(Scratch, index_of(project, record.id))
    batch = Batch(project, request, record, source, scratch)
    stored = not new
    try:
        await _check(batch, tell, anew=check)
        if not keep:
            yield batch
        elif own:
            await _own(batch, new)
            stored = True
            yield batch
        else:
            yield batch
    finally:
        await asyncio.to_thread(scratch.close)
        if not stored:
            scratch.remove()


async def _check(batch: Batch, tell: Tell, *, anew: bool) -> None:
    abandoned = False

    def hear(checked: Checked) -> None:
        if abandoned:  # nobody waits any more, and a thread cannot be cancelled
            raise RunCancelled("cancelled while rows were checked")
        loop.call_soon_threadsafe(tell, "checking", {"rows": checked.rows, "rows_per_s": round(checked.rate)})

    loop = asyncio.get_running_loop()
    if not anew and batch.scratch.count() > 0:
        batch.checked = await asyncio.to_thread(known, batch.scratch)
        return
    checking = asyncio.ensure_future(asyncio.to_thread(check_again, batch.source, batch.scratch, hear))
    try:
        batch.checked = checked = await asyncio.shield(checking)
    except asyncio.CancelledError:
        abandoned = True
        await asyncio.wait([checking])
        raise
    told = {"rows": checked.rows, "invalid": checked.invalid, "repeated": checked.repeated}
    tell("checked", told | {"seconds": round(checked.seconds, 3), "rows_per_s": round(checked.rate)})
    checked.raise_if_wrong(skip_invalid=batch.request.skip_invalid)
    if not checked.rows:
        raise UsageError(f"{batch.source.shown} has no rows")
    batch.names.check_columns(checked.columns, batch.project.library.manifest(batch.request.name).spec.inputs)


def known(scratch: Scratch) -> Checked:
    """Return what a check has found that was made before."""
    return Checked(rows=scratch.count(), invalid=scratch.invalid(), repeated=scratch.repeated())


def is_worked_on(project: Project, record: BatchRecord) -> bool:
    """Return whether a batch is in the hands of a process that lives."""
    return record.status in (RUNNING, CANCELLING) and is_alive(project.layout.state / "locks", record.owner)


async def _own(batch: Batch, new: bool) -> None:
    """Make a batch this process's own, until it ends or the project is closed."""
    project, record = batch.project, batch.record
    owner = await asyncio.to_thread(lambda: project.owner_id)
    if not new and record.owner != owner and is_worked_on(project, record):
        raise UsageError(
            f"another process works on batch {record.id}", hint=f"`comfypipe batch cancel {record.id}` ends that"
        )
    batch.record = replace(record, owner=owner, total=batch.checked.rows)
    if new:
        await batch.table.add(batch.record)
    elif not await batch.table.take(record.id, owner=record.owner, by=owner):
        raise UsageError(f"another process has just taken up batch {record.id}")
    else:
        settings = record.settings | {"request": batch.request.to_json()}  # another folder of outputs, perhaps
        await batch.table.change(record.id, settings=settings, total=batch.checked.rows)


def index_of(project: Project, batch_id: str) -> Path:
    """Return the place of a batch's index."""
    return project.layout.state / "batches" / f"{batch_id}.sqlite3"


async def _earlier(project: Project, request: BatchRequest, identity: str) -> BatchRecord | None:
    found = await project.ledger.batches.newest(name=request.name)
    return next((each for each in found if each.settings.get("identity") == identity), None)


def _new_record(request: BatchRequest, source: RowSource, identity: str) -> BatchRecord:
    now = now_ms()
    settings = {"request": request.to_json(), "identity": identity}
    return BatchRecord(new_run_id(now), request.name, source.shown, owner="", created_ms=now, settings=settings)


def _status(tally: Tally) -> str:
    if tally.stop is Stop.CANCELLED:
        return "cancelled"
    if tally.stop is not None:
        return "stopped"
    return "failed" if tally.failed or tally.failed_before else "completed"


def _both(tally: Tally, listener: Listener) -> Listener:
    def listen(event: Event) -> None:
        tally.hear(event)
        listener(event)

    return listen
