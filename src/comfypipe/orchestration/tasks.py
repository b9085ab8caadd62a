"""
Prefect tasks: each is one line around a function that knows nothing of Prefect.

They are async, and pass small references to each other. Faults that are worth it are tried again by Prefect too,
minutes later, when the tries of the execution, seconds apart, are used up. What was finished before is in the ledger,
and is never run twice: not by a retry, and not by a new flow run after a crash.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from prefect import State, Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.context import TaskRunContext

from comfypipe.errors import BackendUnavailable, ComfypipeError
from comfypipe.execution.records import Run
from comfypipe.orchestration import batch, stages
from comfypipe.orchestration.batch import BatchReport
from comfypipe.orchestration.reporting import run_reported
from comfypipe.orchestration.rows import Chunk, chunks
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


@task(task_run_name="rows of {path}", timeout_seconds=3600, cache_policy=NO_CACHE)
async def find_chunks(path: str | Path, size: int = 500) -> tuple[Chunk, ...]:
    """Divide the rows of a CSV or JSONL file into chunks: `rows.chunks`. 500 to 1,000 rows are a task's worth."""
    return await asyncio.to_thread(chunks, Path(path), size)


@task(task_run_name="{name}: {chunk.count} rows from {chunk.first}", **_TRIED)
async def run_chunk(
    name: str,
    chunk: Chunk,
    *,
    preset: str | None = None,
    backend: str | None = None,
    out: str | Path | None = None,
    concurrency: int = 8,
) -> BatchReport:
    """
    Run a workflow or pipeline for every row of a chunk, *concurrency* at once: `batch.run_chunk_reported`.

    While rows fail in a way that may pass, and tries are left, the chunk is tried again; rows that are done are not.
    """
    folder = Path(out) if out else None
    async with open_project() as project:
        report = await batch.run_chunk_reported(
            project, name, chunk, preset=preset, backend=backend, out=folder, concurrency=concurrency
        )
    if report.passing and _tries_left():
        raise BackendUnavailable(f"{report.passing} of {report.rows} rows failed in a way that may pass")
    return report


def _tries_left() -> bool:
    context = TaskRunContext.get()
    return context is not None and context.task_run.run_count <= context.task.retries
