"""Submitting a job once: the intent is on the disk before anything is sent, a lost reply is looked into."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from comfypipe.backends.base import RunHandle
from comfypipe.errors import ComfypipeError, SubmissionUnknown
from comfypipe.execution.context import Execution, now_ms
from comfypipe.execution.events import JobQueued
from comfypipe.execution.submission import node_names, submission_of
from comfypipe.execution.together import shielded
from comfypipe.execution.values import value_to_json
from comfypipe.plan.steps import Job
from comfypipe.store.ids import job_id, prompt_id
from comfypipe.store.records import OPEN, AttemptRecord, JobRecord, RunRecord

_POSTS = 3
"""How often the same attempt is sent at most, when no reply comes and the backend does not know it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    A job that a backend has taken.

    Attributes:
        backend: URL of the backend, credentials removed.
    """

    prompt_id: str
    job_id: str
    number: int
    backend: str
    handle: RunHandle


async def submit(
    execution: Execution, job: Job, run: RunRecord, *, number: int = 1, accelerator: tuple[str, ...] | None = None
) -> Attempt:
    """
    Store that *job* will be submitted, submit it, and store who took it.

    Args:
        number: Which attempt at the job it is; its ``prompt_id`` follows from run, job and number.
        accelerator: Wanted accelerators, where not all that the job names.

    Raises:
        BackendError: It was not taken; the ledger says why.
        PromptInvalid: The backend refuses the prompt.
    """
    record = _attempt_record(execution, job, run, number, job.accelerator if accelerator is None else accelerator)
    await execution.ledger.intend(job_record(execution, job, run), record)
    return await _send(execution, job, run, record, _POSTS)


async def rejoin(
    execution: Execution, job: Job, run: RunRecord, record: AttemptRecord, posts: int = _POSTS
) -> Attempt | None:
    """
    Take up an attempt that may or may not have arrived, after a lost reply or the death of the process that made it.

    One that its backend knows is taken up as it is. One that was never confirmed, and that the backend does not know
    after a time of grace either, did not arrive: it is sent again, under the same ``prompt_id``. One that was
    confirmed and is unknown now is lost: None, and the next attempt has to be another one.

    Raises:
        BackendUnavailable: It could not be asked; the attempt stays open.
    """
    backend = execution.backends.get(record.backend)
    async with _withdrawn_when_cancelled(execution, record):
        handle = await backend.find(record.prompt_id, record.server)
        if handle is None and record.status == "intended":
            # A server may still be checking the prompt, and show it nowhere yet: hence a second look. The time of grace
            # begins with the first one: nobody knows when it was sent, its files may have taken minutes before.
            await asyncio.sleep(execution.patience.grace_s)
            handle = await backend.find(record.prompt_id, record.server)
        if handle is not None:
            return _taken(execution, job, run, record, handle)
    if record.status == "intended":
        return await _send(execution, job, run, record, posts, again=True)
    await execution.ledger.update_attempt(record.prompt_id, status="lost", ended_ms=now_ms())
    return None


async def withdraw(
    execution: Execution, attempt: Attempt | AttemptRecord, error: ComfypipeError | None = None
) -> ComfypipeError | None:
    """
    Make sure that an attempt does not run on, whether or not the backend has it, and store that it was cancelled.

    Shielded from cancellation, as it is what cancellation calls for; it takes ``patience.cancel_s`` at most. When the
    backend cannot be reached, or has no way to cancel, the attempt stays open: it may run to its end, and the next run
    of the same request takes it up. Why that is so is stored, and returned.
    """
    return await shielded(_withdraw(execution, attempt, error))


async def _withdraw(
    execution: Execution, attempt: Attempt | AttemptRecord, error: ComfypipeError | None
) -> ComfypipeError | None:
    backend = execution.backends.get(attempt.backend)
    unreached: ComfypipeError | None = None
    changes: dict[str, Any] = {"error": error.to_json() if error else None}
    try:
        async with asyncio.timeout(execution.patience.cancel_s):
            server = attempt.handle.server if isinstance(attempt, Attempt) else attempt.server
            handle = await backend.find(attempt.prompt_id, server)
            if handle is not None:
                await backend.cancel(handle)
    except (ComfypipeError, TimeoutError) as failure:
        unreached = failure if isinstance(failure, ComfypipeError) else ComfypipeError("did not stop in time")
        changes = {"error": unreached.to_json()}
    else:
        changes |= {"status": "cancelled", "ended_ms": now_ms()}
    await execution.ledger.update_attempt(attempt.prompt_id, **changes)
    return unreached


async def attempts_at(execution: Execution, job: Job, run: RunRecord) -> tuple[AttemptRecord, ...]:
    """
    Return the attempts at a job, first to last.

    An attempt that the run before, which this one continues, could neither collect nor withdraw becomes this run's.
    """
    made = await execution.ledger.attempts_at(key_of(job, run))
    if made or run.continues is None:
        return made
    before = await execution.ledger.attempts_at(job_id(run.continues, job.step_id, job.item, job.digest))
    for attempt in before:
        if attempt.status in OPEN:
            await execution.ledger.move_attempt(attempt.prompt_id, job_record(execution, job, run))
    return await execution.ledger.attempts_at(key_of(job, run))


def job_record(execution: Execution, job: Job, run: RunRecord, **changes: Any) -> JobRecord:
    """Return the record of a job of *run*."""
    values: dict[str, Any] = {
        "id": key_of(job, run),
        "run_id": run.id,
        "step": job.step_id,
        "item": job.item,
        "workflow": job.workflow,
        "digest": job.digest,
        "created_ms": now_ms(),
        "inputs": {name: value_to_json(value, execution.layout) for name, value in job.values.items()},
        "prompt": job.prompt,
        "models": msgspec.to_builtins(job.models),
    }
    return JobRecord(**(values | changes))


def key_of(job: Job, run: RunRecord) -> str:
    """Return the ledger's id of a job of *run*."""
    return job_id(run.id, job.step_id, job.item, job.digest)


def _attempt_record(
    execution: Execution, job: Job, run: RunRecord, number: int, accelerator: tuple[str, ...]
) -> AttemptRecord:
    return AttemptRecord(
        prompt_id=prompt_id(key_of(job, run), number),
        job_id=key_of(job, run),
        number=number,
        backend=execution.backend_of(job).url,
        created_ms=now_ms(),
        accelerator=list(accelerator),
    )


async def _send(
    execution: Execution, job: Job, run: RunRecord, record: AttemptRecord, posts: int, *, again: bool = False
) -> Attempt:
    backend = execution.backends.get(record.backend)
    try:
        async with _withdrawn_when_cancelled(execution, record):
            handle = await backend.submit(submission_of(job, run, record, again=again))
            return _taken(execution, job, run, record, handle)
    except SubmissionUnknown as error:
        attempt = await rejoin(execution, job, run, record, posts - 1) if posts > 1 else None
        if attempt is None:
            await _close(execution, record, "lost", error)
            raise
        return attempt
    except ComfypipeError as error:
        await _close(execution, record, "failed", error)
        raise


def _taken(execution: Execution, job: Job, run: RunRecord, record: AttemptRecord, handle: RunHandle) -> Attempt:
    # Soon is enough: a process that dies before finds the attempt intended, and asks the backend for it.
    execution.ledger.update_attempt_soon(
        record.prompt_id,
        status="submitted",
        server=handle.server,
        remote_id=handle.remote_id,
        submitted_ms=record.submitted_ms or now_ms(),
    )
    names = node_names(job.prompt)
    taken = (record.prompt_id, record.number, record.backend, names, handle.server)
    execution.listener(JobQueued(run.id, job.step_id, job.item, *taken))
    return Attempt(record.prompt_id, record.job_id, record.number, record.backend, handle)


async def _close(execution: Execution, record: AttemptRecord, status: str, error: ComfypipeError) -> None:
    await execution.ledger.update_attempt(record.prompt_id, status=status, ended_ms=now_ms(), error=error.to_json())


@asynccontextmanager
async def _withdrawn_when_cancelled(execution: Execution, record: AttemptRecord) -> AsyncIterator[None]:
    try:
        yield
    except asyncio.CancelledError:
        await withdraw(execution, record)
        raise
