"""One run from the queue to its end: its files brought, executed, its outputs and its end stored."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from logging import getLogger

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ComfypipeError
from comfypipe.execution.events import Event, JobProgress, JobQueued, JobRetried
from comfypipe.execution.job import run_job
from comfypipe.execution.records import Run, files_in
from comfypipe.execution.run import run as run_plan
from comfypipe.execution.submit import key_of, withdraw
from comfypipe.plan.steps import Job, Plan
from comfypipe.service.ending import Ending, store_end, store_start
from comfypipe.service.failures import CANCELLED, failure_of
from comfypipe.service.fetching import bring
from comfypipe.service.jobs import job_of, ledger_record
from comfypipe.service.placing import place
from comfypipe.service.rows import RunRow
from comfypipe.service.runs import find_run
from comfypipe.service.state import Parts
from comfypipe.service.telling import progress_data
from comfypipe.service.times import now_ms
from comfypipe.store.records import OPEN, OutputRecord, RunRecord

_log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """
    A run whose files are here.

    Attributes:
        work: Its job, or the plan of a published workflow.
        recovered: An earlier process may have begun it.
    """

    run: RunRow
    work: Job | Plan
    download_ms: int
    recovered: bool


async def prepare(parts: Parts, run_id: str, *, recovered: bool) -> Prepared | None:
    """Bring a run's files here; None when it has ended, by now or before."""
    run = await parts.worker.read(lambda connection: find_run(connection, run_id))
    if run is None or run.ended:
        return None
    if run.cancelled:
        await _withdraw_all(parts, run)
        await store_end(parts, run, Ending(error=CANCELLED))
        return None
    try:
        return await _prepared(parts, run, recovered=recovered)
    except ComfypipeError as error:
        await store_end(parts, run, Ending(error=failure_of(error)))
        return None


async def execute(parts: Parts, prepared: Prepared) -> None:
    """Execute a run and store how it ended; when this is cancelled, its end is not stored."""
    performance = _Performance(parts, prepared)
    try:
        ending = await performance.ending()
    except ComfypipeError as error:
        ending = performance.failed(failure_of(error))
    except Exception as mistake:  # noqa: BLE001  a fault of ours must not leave the run open for ever
        _log.exception("run %s failed", prepared.run.id)
        ending = performance.failed(failure_of(mistake))
    # Whoever cancels from here on is too late: the end is stored, and told, all the same.
    await asyncio.shield(asyncio.create_task(performance.end(ending)))


class _Performance:
    """One run while it is executed, and what is known of it so far."""

    def __init__(self, parts: Parts, prepared: Prepared) -> None:
        self._parts = parts
        self._run = prepared.run
        self._prepared = prepared
        self._attempts = prepared.run.attempts
        self._record: RunRecord | None = None
        self._began: float | None = None
        self._starting: asyncio.Task[None] | None = None
        self._nodes: dict[str, str] = {}

    async def ending(self) -> Ending:
        parts, work = self._parts, self._prepared.work
        execution = parts.execution(self._listen)
        backend = parts.backends.get(parts.settings.backend).url
        plan = work if isinstance(work, Plan) else None
        self._record = await ledger_record(parts.ledger, self._run, backend, plan, known=self._prepared.recovered)
        if isinstance(work, Plan):
            run = await run_plan(execution, work, self._record, resumed=self._prepared.recovered)
            if run.failure is not None:
                raise run.failure
            return self._ended(_files_of_run(run), simulated=run.simulated)
        result = await run_job(execution, work, self._record)
        key = key_of(work, self._record)
        records = (await parts.ledger.outputs([key]))[key]
        return self._ended(_files_of_job(records), simulated=result.simulated)

    def failed(self, error: JSONObject) -> Ending:
        return replace(self._ended([], simulated=False), error=error)

    async def end(self, ending: Ending) -> None:
        """Store how it ended; the ledger, which nobody waits for, after the service's own database."""
        if self._starting is not None:
            await self._starting
        await store_end(self._parts, self._run, ending)
        if self._record is not None and isinstance(self._prepared.work, Job):
            status = "completed" if ending.error is None else "failed"
            await self._parts.ledger.end_run(replace(self._record, status=status, ended_ms=now_ms()))

    def _ended(self, files: list[JSON], *, simulated: bool) -> Ending:
        run_time_ms = round((time.monotonic() - self._began) * 1000) if self._began is not None else None
        return Ending(files, None, run_time_ms, self._prepared.download_ms, self._attempts, simulated)

    def _listen(self, event: Event) -> None:
        match event:
            case JobQueued():
                self._attempts = max(self._attempts, event.attempt)
                self._nodes = event.nodes
            case JobProgress():
                if event.progress.state == "started" and self._starting is None:
                    self._start()
                self._tell(progress_data(event, self._nodes))
            case JobRetried():
                self._tell({"state": "retrying", "message": event.error.message, "delay": event.delay_s})

    def _start(self) -> None:
        self._began = time.monotonic()
        self._starting = asyncio.create_task(store_start(self._parts, self._run, self._run.accelerator))

    def _tell(self, data: JSONObject | None) -> None:
        if data is not None:
            self._parts.broadcast.tell(self._run.id, "progress", data)


async def _prepared(parts: Parts, run: RunRow, *, recovered: bool) -> Prepared:
    bring_here = partial(bring, parts)
    if "inputs" in run.request:
        began = time.monotonic()
        plan = await _plan(parts, run)
        return Prepared(run, plan, round((time.monotonic() - began) * 1000), recovered)
    files = {path.removeprefix("/"): url for path, url in run.request.get("files", {}).items()}
    placed = await place(run.request["prompt"], files, bring_here)
    return Prepared(run, job_of(run, placed, timeout_s=parts.settings.run_timeout_s), placed.download_ms, recovered)


async def _plan(parts: Parts, run: RunRow) -> Plan:
    published = parts.published
    if published is None or run.workflow_id not in published:
        raise ComfypipeError(f'the workflow "{run.workflow_id}" is not published any more')
    inputs = await published.bring_inputs(run.workflow_id, run.request["inputs"], partial(bring, parts))
    return await asyncio.to_thread(
        published.plan,
        run.workflow_id,
        inputs,
        preset=run.request.get("preset"),
        object_info=None,
        seeds=run.request.get("seeds"),
    )


async def _withdraw_all(parts: Parts, run: RunRow) -> None:
    """Stop what an earlier process had submitted for a run."""
    for attempt in await parts.ledger.attempts(run.ledger_id):
        if attempt.status in OPEN:
            await withdraw(parts.execution(), attempt)


def _files_of_job(records: Sequence[OutputRecord]) -> list[JSON]:
    return [
        {
            "name": each.name,
            "node": each.node_id,
            "filename": each.filename,
            "sha256": each.sha256,
            "media_type": each.media_type,
            "size_bytes": each.size_bytes,
        }
        for each in records
        if each.sha256 is not None
    ]


def _files_of_run(run: Run) -> list[JSON]:
    return [
        {
            "name": name,
            "filename": file.filename,
            "sha256": file.sha256,
            "media_type": file.media_type,
            "size_bytes": file.size_bytes,
        }
        for name, value in run.outputs.items()
        for file in files_in(value)
    ]
