"""One run from the queue to its end: its files brought, executed, its outputs and its end stored."""

import asyncio
import time
from dataclasses import dataclass, replace
from logging import getLogger

from comfypipe._types import JSON, JSONObject
from comfypipe.downloads.leases import Hold
from comfypipe.errors import ComfypipeError
from comfypipe.execution.events import Event, JobProgress, JobQueued, JobRetried
from comfypipe.execution.job import run_job
from comfypipe.execution.remote import brought
from comfypipe.execution.run import run as run_plan
from comfypipe.execution.submit import key_of, withdraw
from comfypipe.plan.steps import Job, Plan
from comfypipe.service.ending import Ending, store_end, store_start
from comfypipe.service.failures import CANCELLED, failure_of
from comfypipe.service.fetching import Fetcher
from comfypipe.service.gathering import files_of_job, files_of_run, shown_by
from comfypipe.service.jobs import job_of, ledger_record
from comfypipe.service.placing import place
from comfypipe.service.rows import RunRow
from comfypipe.service.runs import find_run
from comfypipe.service.state import Parts
from comfypipe.service.telling import progress_data
from comfypipe.service.times import now_ms
from comfypipe.store.records import OPEN, RunRecord

_log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """
    A run whose files are here.

    Attributes:
        work: Its job, or the plan of a published workflow.
        hold: Keeps its files until it has ended.
        recovered: An earlier process may have begun it.
    """

    run: RunRow
    work: Job | Plan
    download_ms: int
    recovered: bool
    hold: Hold


async def prepare(parts: Parts, run_id: str, *, recovered: bool) -> Prepared | None:
    """Bring a run's files here; None when it has ended, by now or before."""
    run = await parts.worker.read(lambda connection: find_run(connection, run_id))
    if run is None or run.ended:
        return None
    if run.cancelled:
        await _withdraw_all(parts, run)
        await store_end(parts, run, Ending(error=CANCELLED))
        return None
    hold = parts.downloads.hold()
    try:
        return await _prepared(parts, run, hold, recovered=recovered)
    except BaseException as error:
        await asyncio.to_thread(hold.release)
        if not isinstance(error, Exception):
            raise
        if not isinstance(error, ComfypipeError):
            _log.exception("the files of run %s", run.id)
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
    await asyncio.to_thread(prepared.hold.release)


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
        self._prompt_id = ""
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
            return self._ended(files_of_run(run), simulated=run.simulated)
        result = await run_job(execution, work, self._record)
        await brought(execution, result.values, self._record)  # what a backend has left with itself
        key = key_of(work, self._record)
        records = (await parts.ledger.outputs([key]))[key]
        made = parts.detachment.result(self._prompt_id)
        ending = self._ended(files_of_job(records, made, self._prompt_id), simulated=result.simulated)
        return replace(ending, shown=shown_by(made)) if made is not None else ending

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
        return Ending(
            files=files,
            run_time_ms=run_time_ms,
            download_ms=self._prepared.download_ms,
            attempts=self._attempts,
            simulated=simulated,
        )

    def _listen(self, event: Event) -> None:
        match event:
            case JobQueued():
                self._attempts = max(self._attempts, event.attempt)
                self._nodes = event.nodes
                self._prompt_id = event.prompt_id
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


async def _prepared(parts: Parts, run: RunRow, hold: Hold, *, recovered: bool) -> Prepared:
    if "inputs" in run.request:
        began = time.monotonic()
        plan = await _plan(parts, run, hold)
        return Prepared(run, plan, round((time.monotonic() - began) * 1000), recovered, hold)
    prompt = run.request["prompt"]
    files = {path.removeprefix("/"): url for path, url in run.request.get("files", {}).items()}
    placed = await place(prompt, files, Fetcher(parts, hold, prompt))
    job = job_of(run, placed, timeout_s=parts.settings.run_timeout_s)
    return Prepared(run, job, placed.download_ms, recovered, hold)


async def _plan(parts: Parts, run: RunRow, hold: Hold) -> Plan:
    published, name = parts.published, run.workflow_id
    if published is None or name not in published:
        raise ComfypipeError(f'the workflow "{name}" is not published any more')
    inputs = await published.bring_inputs(name, run.request["inputs"], Fetcher(parts, hold, {}).bring)
    preset, seeds = run.request.get("preset"), run.request.get("seeds")
    plan = await asyncio.to_thread(published.plan, name, inputs, preset=preset, object_info=None, seeds=seeds)
    return plan.on(run.accelerator) if run.accelerator else plan


async def _withdraw_all(parts: Parts, run: RunRow) -> None:
    """Stop what an earlier process had submitted for a run."""
    for attempt in await parts.ledger.attempts(run.ledger_id):
        if attempt.status in OPEN:
            await withdraw(parts.execution(), attempt)
