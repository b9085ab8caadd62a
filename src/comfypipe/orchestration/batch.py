"""
Batches in Prefect: a task for each chunk of rows, as a task for each row would cost Prefect more than the rows do.

What passes between tasks is a batch's id and places in it; rows, runs and results are in its index and the ledger.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from comfypipe._types import JSONObject
from comfypipe.batch.batch import open_batch, reopen_batch
from comfypipe.batch.limits import Limits
from comfypipe.batch.request import BatchRequest
from comfypipe.batch.tally import Tally
from comfypipe.errors import RunFailed
from comfypipe.execution.project import Project
from comfypipe.orchestration.artifacts import publish_rows, publish_summary
from comfypipe.orchestration.progress import progress_artifact
from comfypipe.orchestration.reporting import begun_runs

FAILURES_KEPT = 100
"""Failed rows of a chunk that its report keeps; ``results.jsonl`` has all."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """
    Some rows of a batch: small enough to be a task's parameter, whatever they hold.

    Attributes:
        after: The number before the first row, whose rows are counted from 1.
        count: How many rows.
    """

    batch_id: str
    name: str
    after: int
    count: int


@dataclass(frozen=True, slots=True)
class BegunBatch:
    """A batch whose rows were checked, and the chunks that its rows are run in."""

    id: str
    name: str
    rows: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class BatchReport:
    """
    How many rows went how. Small, however many there were.

    Attributes:
        completed: Rows that are done, those included that were done before.
        cached: Of those, those that nothing was executed for this time.
        passing: Of those that failed, those that may go well later.
        failures: Numbers and errors of the first rows that failed.
    """

    completed: int = 0
    failed: int = 0
    invalid: int = 0
    cached: int = 0
    passing: int = 0
    failures: tuple[tuple[int, str], ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there were."""
        return self.completed + self.failed + self.invalid

    def __add__(self, other: "BatchReport") -> "BatchReport":
        return BatchReport(
            self.completed + other.completed,
            self.failed + other.failed,
            self.invalid + other.invalid,
            self.cached + other.cached,
            self.passing + other.passing,
            (self.failures + other.failures)[:FAILURES_KEPT],
        )

    def raise_if_failed(self) -> "BatchReport":
        """
        Return the report when every row is done that could be run.

        Raises:
            RunFailed: Some rows failed.
        """
        if not self.failed:
            return self
        first = f" (first, row {self.failures[0][0]}: {self.failures[0][1]})" if self.failures else ""
        hint = "when the cause is mended, `comfypipe batch retry-failed` runs those rows and no other"
        raise RunFailed(f"{self.failed} of {self.rows} rows failed{first}", hint=hint)


async def begin(project: Project, request: BatchRequest, chunk_size: int) -> BegunBatch:
    """
    Check the rows of a batch, and divide them; the same request goes on with the batch that it began before.

    Raises:
        UsageError: The request does not fit the workflow, or another process works on the batch.
        RowsInvalid: Rows cannot be run.
    """
    async with open_batch(project, request) as batch:
        portions = await asyncio.to_thread(batch.portions, chunk_size)
        chunks = tuple(Chunk(batch.id, request.name, after, count) for after, count in portions)
        return BegunBatch(batch.id, request.name, batch.checked.rows, chunks)


async def run_chunk(
    project: Project, chunk: Chunk, *, concurrency: int | None = None, retry_failed: bool = False
) -> BatchReport:
    """
    Run what is still to be done of a chunk, inside a Prefect run; rows that fail do not stop the others.

    Args:
        concurrency: How many rows are worked on at once; None lets the backend say.
        retry_failed: Try rows again that failed for good.
    """
    failed: list[JSONObject] = []
    settled, changed = [0], asyncio.Event()

    def tell(kind: str, about: JSONObject) -> None:
        if kind == "row":
            settled[0] += 1
            if about["status"] != "completed" and len(failed) < FAILURES_KEPT:
                failed.append(about)
        changed.set()

    key, limits = f"{chunk.name}-rows-{chunk.after}", Limits(concurrency, retry_failed=retry_failed)
    async with (
        progress_artifact(key, lambda: min(100.0, 100 * settled[0] / max(1, chunk.count)), changed),
        reopen_batch(project, chunk.batch_id, check=False) as batch,
    ):
        tally = await batch.run(limits, after=chunk.after, count=chunk.count, listener=begun_runs(project), tell=tell)
        if batch.error is not None and not tally.passing:
            raise batch.error
    if failed:
        first, last = chunk.after + 1, chunk.after + chunk.count
        await publish_rows(failed, key=f"{key}-failed", description=f"failed, of rows {first} to {last}")
    return _report(tally, failed)


async def end(project: Project, batch_id: str) -> BatchReport:
    """Write the results of a batch whole, publish a summary, and return how all of its rows went."""
    async with reopen_batch(project, batch_id, check=False) as batch:
        tally = await batch.run(only_ended=True)
        outcome = await batch.finish(tally)
    await publish_summary(outcome.to_json(), key=f"{batch.request.name}-batch")
    return _report(tally, ())


def request_of(name: str, rows: str | Path | None, out: str | Path | None, **options: object) -> BatchRequest:
    """Return the request of a flow, whose paths are relative to the working directory."""
    given = {key: value for key, value in options.items() if value is not None}
    return BatchRequest(
        name,
        rows=Path(rows).absolute() if rows is not None else None,
        out=Path(out).absolute() if out is not None else None,
        **given,  # type: ignore[arg-type]
    )


def _report(tally: Tally, failed: "list[JSONObject] | tuple[()]") -> BatchReport:
    shown = tuple((int(each["row"]), str((each["error"] or {}).get("message", ""))[:500]) for each in failed)
    return BatchReport(
        completed=tally.done,
        failed=tally.failed + tally.failed_before,
        invalid=tally.invalid,
        cached=tally.before + tally.cached,
        passing=tally.passing,
        failures=shown,
    )
