"""One job from start to end: from the cache, or submitted, waited for and collected, with tries by kind of fault."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from comfypipe.backends.base import NodeProgress, RunResult
from comfypipe.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    BackendUnavailable,
    ComfypipeError,
    OutOfMemory,
    OutputGone,
    RunCancelled,
    ServerStateLost,
)
from comfypipe.execution.backoff import worth_another_try
from comfypipe.execution.collect import collect_records
from comfypipe.execution.context import Execution, now_ms
from comfypipe.execution.events import JobFailed, JobFinished, JobProgress, JobRetried
from comfypipe.execution.remote import still_there, with_files_for
from comfypipe.execution.submit import Attempt, attempts_at, job_record, key_of, rejoin, submit, withdraw
from comfypipe.execution.together import shielded
from comfypipe.execution.values import values_of
from comfypipe.execution.wait import wait
from comfypipe.manifest.values import Value
from comfypipe.plan.steps import Job
from comfypipe.store.records import OPEN, OutputRecord, RunRecord

_LONGEST_ASKED_S = 600.0
"""A backend that asks to be left alone for longer is asked again all the same."""

_MOST_SPARED = 10
"""So many lost servers cost no attempt: a fleet that loses more has a fault that does not pass."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """
    What a job gave.

    Attributes:
        cached: It was there before, and nothing was executed.
    """

    values: Mapping[str, Value]
    cached: bool
    simulated: bool


async def run_job(
    execution: Execution, job: Job, run: RunRecord, *, new: bool = False, alone: bool = False
) -> JobResult:
    """
    Return what *job* gives: stored outputs where they are whole, else those of a new attempt.

    Args:
        new: The run was begun here, and continues none: nobody has tried the job yet.
        alone: The run has no other job, and its end is stored next: what the job gave is stored with that.

    Raises:
        RunError: It failed, and no further try is due.
        BackendError: It could not be run.
        StoreError: Its outputs could not be kept.
    """
    # Jobs with the same digest wait for each other, so that the second finds what the first stored.
    key = job.digest if execution.cache else key_of(job, run)
    try:
        async with execution.same.hold(key):
            stored = await stored_result(execution, job, run)
            result = stored or await _execute(execution, job, run, new=new, alone=alone)
    except ComfypipeError as error:
        execution.listener(JobFailed(run.id, job.step_id, job.item, error))
        raise
    execution.listener(JobFinished(run.id, job.step_id, job.item, result.cached, result.simulated))
    return result


async def stored_result(execution: Execution, job: Job, run: RunRecord) -> JobResult | None:
    """Return the stored outputs of a job with the same digest, when every byte of them is there; else None."""
    simulated = execution.backend_of(job).simulated
    origin = None if execution.cache else run.origin
    for done, kept in await execution.ledger.stored_jobs(job.digest, simulated=simulated, origin=origin):
        records = await still_there(execution, kept) if await asyncio.to_thread(_whole, execution, kept) else None
        if records is None:
            continue
        if done.run_id != run.id or done.step != job.step_id or done.item != job.item:
            ended = {"status": "completed", "simulated": done.simulated, "ended_ms": now_ms()}
            taken = job_record(execution, job, run, cached_from=done.cached_from or done.id, **ended)
            await execution.ledger.add_finished_job(taken, records)
        elif records != kept:
            await execution.ledger.replace_outputs(done.id, records)
        return JobResult(values_of(records, execution.artifacts), cached=True, simulated=done.simulated)
    return None


def _whole(execution: Execution, records: tuple[OutputRecord, ...]) -> bool:
    try:
        for record in records:
            if record.sha256 is not None:
                execution.artifacts.verify(record.sha256)
    except (ArtifactMissing, ArtifactCorrupt):
        return False
    return True


async def _execute(execution: Execution, job: Job, run: RunRecord, *, new: bool, alone: bool) -> JobResult:
    tries = Tries(execution, await with_files_for(execution, job), run, new=new, alone=alone)
    return await tries.until_done()


class Tries:
    """
    The attempts at one job, until one succeeds or no further one is worth it.

    The ledger says what is still open: an attempt that may run on, after a lost connection or the death of an earlier
    process, is joined again and never made anew.

    Args:
        new: As for `run_job`.
        alone: As for `run_job`.
    """

    def __init__(
        self, execution: Execution, job: Job, run: RunRecord, *, new: bool = False, alone: bool = False
    ) -> None:
        self._execution = execution
        self._job = job
        self._run = run
        self._untried = new
        self._alone = run if alone else None
        self._faults = 0
        self._spared = 0
        self._waits = 0
        self._down_since: float | None = None
        self._collecting = False
        self._accelerator = job.accelerator
        self._used: str | None = None

    async def until_done(self) -> JobResult:
        """Return what the job gave; when this is cancelled, nothing is left running or in doubt that can be reached."""
        try:
            while True:
                try:
                    # What has run makes room for the next one at once: a server is not kept waiting for its files.
                    async with self._execution.slots:
                        attempt = await self.begin()
                        self._down_since, self._used = None, attempt.handle.accelerator
                        result = await self._ended(attempt)
                    return await self._finish(attempt, result)
                except ComfypipeError as error:
                    await self._after(error)
        except asyncio.CancelledError:
            if not self._collecting:
                await self._withdraw_open()
            raise

    async def begin(self) -> Attempt:
        """Join the attempt that is still open, or make the next one."""
        execution, job, run = self._execution, self._job, self._run
        made = () if self._untried else await attempts_at(execution, job, run)
        self._untried = False
        last = made[-1] if made else None
        if last is not None and last.status in OPEN:
            joined = await rejoin(execution, job, run, last)
            if joined is not None:
                return joined
            if self._waits:  # lost by the backend under our eyes, not together with a dead process: that costs a try
                raise ServerStateLost(f"{last.backend} does not know the run any more that it had accepted")
        number = last.number + 1 if last else 1
        return await submit(execution, job, run, number=number, accelerator=self._accelerator)

    async def _ended(self, attempt: Attempt) -> RunResult:
        result = await wait(self._execution, attempt, timeout_s=self._job.timeout_s, on_progress=self._tell)
        # Cancelled from here on, the attempt stays open: it has run, and the next run of this request collects it.
        self._collecting = True
        return result

    async def _finish(self, attempt: Attempt, result: RunResult) -> JobResult:
        execution, job = self._execution, self._job
        try:
            records = await collect_records(execution, job, attempt, result, alone=self._alone)
        except OutputGone as error:
            gone = {"status": "lost", "ended_ms": now_ms(), "error": error.to_json()}
            await execution.ledger.update_attempt(attempt.prompt_id, **gone)
            raise
        return JobResult(values_of(records, execution.artifacts), cached=False, simulated=result.simulated)

    async def _after(self, error: ComfypipeError) -> None:
        """Get ready for another try, or raise *error*."""
        self._collecting = False
        self._count(error)
        left = len(self._accelerator) - 1
        if not worth_another_try(error, self._faults, self._job.retry.attempts, left):
            await self._give_up(error)
            raise error
        if isinstance(error, OutOfMemory):
            self._accelerator = _without(self._accelerator, self._used)
        self._waits += 1
        delay_s = self._execution.patience.delay_s(self._waits)
        if isinstance(error, BackendUnavailable) and error.retry_after_s is not None:
            delay_s = max(delay_s, min(error.retry_after_s, _LONGEST_ASKED_S))
        self._execution.listener(JobRetried(self._run.id, self._job.step_id, self._job.item, error, delay_s))
        await asyncio.sleep(delay_s)

    def _count(self, error: ComfypipeError) -> None:
        """Count a fault, unless it is no fault of the run's: a server that is restarting, or lost before it began."""
        if isinstance(error, ServerStateLost) and not error.began and self._spared < _MOST_SPARED:
            self._spared += 1
        elif not (isinstance(error, BackendUnavailable) and error.down and self._may_come_back()):
            self._faults += 1

    def _may_come_back(self) -> bool:
        now = time.monotonic()
        self._down_since = now if self._down_since is None else self._down_since
        return now - self._down_since < self._execution.patience.outage_s

    async def _give_up(self, error: ComfypipeError) -> None:
        status = "cancelled" if isinstance(error, RunCancelled) else "failed"
        key = key_of(self._job, self._run)
        await self._execution.ledger.end_job(key, status, ended_ms=now_ms(), error=error.to_json())

    async def _withdraw_open(self) -> None:
        async def withdraw_all() -> None:
            for attempt in await attempts_at(self._execution, self._job, self._run):
                if attempt.status in OPEN and attempt.error is None:  # else that was tried, and failed
                    await withdraw(self._execution, attempt)

        await shielded(withdraw_all())

    def _tell(self, progress: NodeProgress) -> None:
        self._execution.listener(JobProgress(self._run.id, self._job.step_id, self._job.item, progress))


def _without(wanted: tuple[str, ...], used: str | None) -> tuple[str, ...]:
    """Return the accelerators that are left: without the one that had too little memory, the first if nobody says."""
    if used not in wanted:
        return wanted[1:]
    return tuple(each for each in wanted if each != used)
