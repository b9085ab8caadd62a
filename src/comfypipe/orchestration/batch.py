"""The rows of a chunk, run together inside one task: a task for each row would cost Prefect more than the rows do."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from comfypipe.errors import RunFailed
from comfypipe.execution.events import Listener, ignore
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.orchestration.artifacts import publish_runs
from comfypipe.orchestration.progress import progress_artifact
from comfypipe.orchestration.reporting import begun_runs
from comfypipe.orchestration.rows import Chunk

FAILURES_KEPT = 100
"""Failed runs of a chunk that its report keeps; the ledger has all that were begun."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """
    How many rows went how. Small, however many there were.

    Attributes:
        cached: Of those that completed, those that nothing had to be executed for.
        passing: Of those that failed, those that may go well later.
        failures: Ids and errors of the first runs that failed; the id is empty where the row did not fit.
    """

    completed: int = 0
    failed: int = 0
    cached: int = 0
    passing: int = 0
    failures: tuple[tuple[str, str], ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there were."""
        return self.completed + self.failed

    def __add__(self, other: "BatchReport") -> "BatchReport":
        return BatchReport(
            self.completed + other.completed,
            self.failed + other.failed,
            self.cached + other.cached,
            self.passing + other.passing,
            (self.failures + other.failures)[:FAILURES_KEPT],
        )

    def raise_if_failed(self) -> "BatchReport":
        """
        Return the report when every row is done.

        Raises:
            RunFailed: Some rows failed.
        """
        if not self.failed:
            return self
        first = f" (first: {self.failures[0][1]})" if self.failures else ""
        hint = "run the batch again when the cause is mended: rows that are done are not run again"
        raise RunFailed(f"{self.failed} of {self.rows} rows failed{first}", hint=hint)


async def run_chunk(
    project: Project,
    name: str,
    chunk: Chunk,
    *,
    preset: str | None = None,
    backend: str | None = None,
    out: Path | None = None,
    concurrency: int = 8,
    tell: Callable[[BatchReport], None] = lambda _report: None,
    listener: Listener = ignore,
) -> tuple[BatchReport, tuple[Run, ...]]:
    """
    Run a workflow or pipeline for every row of a chunk; rows that fail do not stop the others.

    Args:
        out: Copy the outputs of each run into a folder here.
        concurrency: How many rows are worked on at once.
        tell: Is told after every row.
        listener: Is told of each run's progress.

    Returns:
        The report, and the first runs that failed.

    Raises:
        UsageError: There is no such workflow, or the rows cannot be read.
        InputInvalid: A line of the file is no row.
    """
    project.library.manifest(name)
    report, failed = BatchReport(), list[Run]()
    runs = project.run_many(
        name,
        chunk.rows(),
        preset=preset,
        backend=backend,
        out=out,
        concurrency=concurrency,
        listener=listener,
    )
    async with aclosing(runs):
        async for run in runs:
            report += _of(run)
            if run.failure is not None and len(failed) < FAILURES_KEPT:
                failed.append(run)
            tell(report)
    return report, tuple(failed)


async def run_chunk_reported(
    project: Project,
    name: str,
    chunk: Chunk,
    *,
    preset: str | None = None,
    backend: str | None = None,
    out: Path | None = None,
    concurrency: int = 8,
) -> BatchReport:
    """Do what `run_chunk` does inside a Prefect run: with a progress artifact, and a table of the runs that failed."""
    so_far, changed = [BatchReport()], asyncio.Event()

    def tell(report: BatchReport) -> None:
        so_far[0] = report
        changed.set()

    key = f"{name}-rows-{chunk.first}"
    async with progress_artifact(key, lambda: 100 * so_far[0].rows / max(1, chunk.count), changed):
        report, failed = await run_chunk(
            project,
            name,
            chunk,
            preset=preset,
            backend=backend,
            out=out,
            concurrency=concurrency,
            tell=tell,
            listener=begun_runs(project),
        )
    if failed:
        first, last = chunk.first + 1, chunk.first + chunk.count
        await publish_runs(failed, key=f"{key}-failed", description=f"failed, of rows {first} to {last}")
    return report


def _of(run: Run) -> BatchReport:
    if run.status == "completed":
        return BatchReport(completed=1, cached=int(run.cached))
    message = str((run.error or {}).get("message", run.status)).splitlines()[0][:500]
    passing = run.failure is not None and run.failure.retryable
    return BatchReport(failed=1, passing=int(passing), failures=((run.id, message),))
