"""
Prefect tasks: each is one line around a function that knows nothing of Prefect.

They are async, and pass small references to each other. Faults that are worth it are tried again by Prefect too,
minutes later, when the tries of the execution, seconds apart, are used up. What was finished before is in the ledger,
and is never run twice: not by a retry, and not by a new flow run after a crash.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from prefect import State, Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.context import TaskRunContext

from comfypipe.errors import BackendUnavailable, ComfypipeError
from comfypipe.execution.records import Run
from comfypipe.orchestration import batch, stages
from comfypipe.orchestration.batch import BatchReport, BegunBatch, Chunk
from comfypipe.orchestration.reporting import run_reported
from comfypipe.orchestration.session import is_open, open_project
from comfypipe.orchestration.stages import Rendered, Submitted


async def worth_retrying(task: Task[..., Any], task_run: TaskRun, state: State) -> bool:  # noqa: ARG001 - Prefect's names
    """Return whether the same task may succeed later: by the error's own word, and after a time-out of Prefect's."""
    error = state.data
    return error.retryable if isinstance(error, ComfypipeError) else isinstance(error, TimeoutError)


DELAYS_S: Final = [10.0, 60.0, 300.0]
"""Before each further try: for a server that is being restarted, or a network that is away."""

_TRIED: Final[dict[str, Any]] = {
    "retries": len(DELAYS_S),
    "retry_delay_seconds": DELAYS_S,
    "retry_jitter_factor": 0.3,
    "retry_condition_fn": worth_retrying,
    # Not Prefect's cache: the ledger is one that holds across flow runs and knows when a stored file is damaged.
    "cache_policy": NO_CACHE,
}


@task(task_run_name="render {name}", timeout_seconds=300, **_TRIED)
async def render(
    name: str, inputs: Mapping[str, Any] | None = None, *, preset: str | None = None, backend: str | None = None
) -> Rendered:
    """Resolve the inputs of a workflow, draw its seeds, render and check its prompt: `stages.render`."""
    async with open_project() as project:
        return await stages.render(project, name, inputs or {}, preset=preset, backend=backend)


@task(task_run_name="submit {rendered.name}", timeout_seconds=900, **_TRIED)
async def submit(rendered: Rendered) -> Submitted:
    """Submit a prompt once, with its files: `stages.submit`."""
    lasting = is_open()
    async with open_project() as project:
        return await stages.submit(project, rendered, lasting=lasting)


@task(task_run_name="wait for {submitted.rendered.name}", **_TRIED)
async def wait(submitted: Submitted) -> Submitted:
    """Wait for a prompt to end, as long as its manifest's ``timeout_s`` at most: `stages.wait`."""
    async with open_project() as project:
        return await stages.wait(project, submitted)


@task(task_run_name="collect {submitted.rendered.name}", timeout_seconds=3600, **_TRIED)
async def collect(submitted: Submitted) -> Run:
    """Store what a prompt made, and return its run: `stages.collect`."""
    async with open_project() as project:
        return await stages.collect(project, submitted)


@task(task_run_name="{name}", **_TRIED)
async def run_workflow(
    name: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    backend: str | None = None,
    out: str | Path | None = None,
) -> Run:
    """Run a workflow or pipeline from start to end, and show its progress: `Project.run`. Outputs are references."""
    async with open_project() as project:
        return await run_reported(project, name, inputs or {}, preset=preset, backend=backend, out=out)


@task(task_run_name="rows of {name}", timeout_seconds=3600, cache_policy=NO_CACHE)
async def begin_batch(
    name: str,
    rows: str | Path | None = None,
    *,
    sweep: Sequence[str] = (),
    zipped: bool = False,
    repeat: int = 1,
    columns: Mapping[str, str] | None = None,
    allow_extra: bool = False,
    skip_invalid: bool = False,
    inputs: Mapping[str, Any] | None = None,
    preset: str | None = None,
    backend: str | None = None,
    out: str | Path | None = None,
    names: str | None = None,
    chunk_size: int = 500,
) -> BegunBatch:
    """Check the rows of a batch and divide them into chunks: `batch.begin`. 500 to 1,000 rows are a task's worth."""
    choices = {"sweep": tuple(sweep), "zipped": zipped, "repeat": repeat, "columns": columns, "inputs": inputs}
    choices |= {"allow_extra": allow_extra, "skip_invalid": skip_invalid, "preset": preset, "backend": backend}
    request = batch.request_of(name, rows, out, names=names, **choices)
    async with open_project() as project:
        return await batch.begin(project, request, chunk_size)


@task(task_run_name="{chunk.name}: {chunk.count} rows after {chunk.after}", **_TRIED)
async def run_chunk(chunk: Chunk, *, concurrency: int | None = None, retry_failed: bool = False) -> BatchReport:
    """
    Run what is still to be done of a chunk, *concurrency* rows at once: `batch.run_chunk`.

    While rows fail in a way that may pass, and tries are left, the chunk is tried again; rows that are done are not.
    """
    async with open_project() as project:
        report = await batch.run_chunk(project, chunk, concurrency=concurrency, retry_failed=retry_failed)
    if report.passing and _tries_left():
        raise BackendUnavailable(f"{report.passing} of {report.rows} rows failed in a way that may pass")
    return report


@task(task_run_name="results of {begun.name}", timeout_seconds=3600, cache_policy=NO_CACHE)
async def end_batch(begun: BegunBatch) -> BatchReport:
    """Write the results of a batch, in the order of its rows, and a table of how it went: `batch.end`."""
    async with open_project() as project:
        return await batch.end(project, begun.id)


async def run_batch(
    name: str, rows: str | Path | None = None, *, concurrency: int | None = None, **options: Any
) -> BatchReport:
    """
    Run a batch inside a flow: `begin_batch`, `run_chunk` for one chunk after the other, `end_batch`.

    Args:
        concurrency: How many rows are worked on at once; None lets the backend say.
        options: Those of `begin_batch`.
    """
    report = BatchReport()
    async with open_project():
        begun = await begin_batch(name, rows, **options)
        for chunk in begun.chunks:
            report += await run_chunk(chunk, concurrency=concurrency)
        await end_batch(begun)
    return report


def _tries_left() -> bool:
    context = TaskRunContext.get()
    return context is not None and context.task_run.run_count <= context.task.retries
