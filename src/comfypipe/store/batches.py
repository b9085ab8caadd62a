"""The ledger's batches, and their rows: runs that bear a batch's id and a row's key."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.errors import UsageError
from comfypipe.jsontext import from_text
from comfypipe.store.connection import Connection
from comfypipe.store.records import BatchRecord, RunRecord, columns, record_of, stored
from comfypipe.store.statements import insert, update
from comfypipe.store.worker import DatabaseWorker

_TOGETHER = 250
"""Keys that one statement looks up."""


@dataclass(frozen=True, slots=True)
class RowRun:
    """The newest run of a row, in short."""

    run_id: str
    status: str
    owner: str
    error: JSONObject | None


@dataclass(frozen=True, slots=True)
class RowAttempt:
    """One submission of a run's prompt, as far as results and costs need it."""

    run_id: str
    backend: str
    server: str | None
    accelerator: tuple[str, ...]
    status: str
    execution_s: float | None


class BatchTable:
    """Batches and their rows, in the same database as the runs; every call is one transaction."""

    def __init__(self, worker: DatabaseWorker) -> None:
        self._worker = worker

    async def add(self, batch: BatchRecord) -> None:
        """Store a new batch."""
        await self._worker.write(lambda connection: insert(connection, "batches", columns(batch)))

    async def change(self, batch_id: str, **changes: Any) -> None:
        """Store what became of a batch."""
        await self._worker.write(lambda connection: update(connection, "batches", {"id": batch_id}, stored(changes)))

    async def take(self, batch_id: str, *, owner: str, by: str) -> bool:
        """Make *by* the owner of a batch that *owner* had; False when another process was faster."""
        had, taken = {"id": batch_id, "owner": owner}, {"owner": by, "status": "running", "ended_ms": None}
        return await self._worker.write(lambda connection: update(connection, "batches", had, taken) == 1)

    async def status(self, batch_id: str) -> str:
        """Return the status of a batch: another process may have asked for its end."""

        def read(connection: Connection) -> str:
            (row,) = connection.execute("SELECT status FROM batches WHERE id = :id", {"id": batch_id})
            return str(row["status"])

        return await self._worker.read(read)

    async def get(self, reference: str) -> BatchRecord:
        """
        Return the batch with this id, or the only one whose id begins with it; ``latest`` is the newest.

        Raises:
            UsageError: None, or several, fit.
        """
        found = [each for each in await self.newest() if reference == "latest" or each.id.startswith(reference.lower())]
        if reference == "latest":
            found = found[:1]
        if not reference or not found:
            raise UsageError(f'no batch has the id "{reference}"', hint="`comfypipe batch list` names them")
        if len(found) > 1:
            ids = ", ".join(each.id for each in found[:3])
            raise UsageError(f'more than one batch begins with "{reference}": {ids}', hint="write more of the id")
        return found[0]

    async def newest(self, *, name: str | None = None, limit: int = 10_000) -> tuple[BatchRecord, ...]:
        """Return the newest batches, newest first."""
        where = "WHERE name = :name" if name is not None else ""
        query = f"SELECT * FROM batches {where} ORDER BY id DESC LIMIT :limit"  # noqa: S608 - no value in it
        values = {"limit": limit} | ({"name": name} if name is not None else {})
        rows = await self._worker.read(lambda connection: connection.execute(query, values))
        return tuple(record_of(BatchRecord, row) for row in rows)

    async def rows(self, batch_id: str, keys: Sequence[str]) -> dict[str, RowRun]:
        """Return by key the newest run of each of these rows that has one."""

        def read(connection: Connection) -> dict[str, RowRun]:
            found: dict[str, RowRun] = {}
            for some in _portions(keys):
                for row in connection.execute(_ROWS, {"batch": batch_id, **some}):
                    error = from_text(row["error"]) if row["error"] is not None else None
                    found[row["row_key"]] = RowRun(row["id"], row["status"], row["owner"], error)
            return found

        return await self._worker.read(read)

    async def has_begun(self, batch_id: str) -> bool:
        """Return whether any row was begun."""
        query = "SELECT 1 FROM runs WHERE batch_id = :batch LIMIT 1"
        return bool(await self._worker.read(lambda connection: connection.execute(query, {"batch": batch_id})))

    async def counts(self, batch_id: str) -> dict[str, int]:
        """Return by status how many rows have a newest run of it."""
        rows = await self._worker.read(lambda connection: connection.execute(_COUNTS, {"batch": batch_id}))
        return {row["status"]: int(row["count"]) for row in rows}

    async def runs(self, run_ids: Sequence[str]) -> dict[str, RunRecord]:
        """Return runs by id."""

        def read(connection: Connection) -> dict[str, RunRecord]:
            return {
                row["id"]: record_of(RunRecord, row)
                for some in _portions(run_ids)
                for row in connection.execute(_RUNS, some)
            }

        return await self._worker.read(read)

    async def attempts(self, run_ids: Sequence[str]) -> dict[str, list[RowAttempt]]:
        """Return by run the attempts at its jobs, in the order in which they were made."""

        def read(connection: Connection) -> dict[str, list[RowAttempt]]:
            found: dict[str, list[RowAttempt]] = {run_id: [] for run_id in run_ids}
            for some in _portions(run_ids):
                for row in connection.execute(_ATTEMPTS, some):
                    found[row["run_id"]].append(_attempt(row))
            return found

        return await self._worker.read(read)

    async def prompts(self, run_ids: Sequence[str]) -> dict[str, dict[str | None, JSONObject]]:
        """Return by run, and by the digest of each file that it gave, what made it; None for what gave no file."""

        def read(connection: Connection) -> dict[str, dict[str | None, JSONObject]]:
            found: dict[str, dict[str | None, JSONObject]] = {}
            for some in _portions(run_ids):
                for row in connection.execute(_PROMPTS, some):
                    found.setdefault(row["run_id"], {})[row["sha256"]] = from_text(row["prompt"])
            return found

        return await self._worker.read(read)

    async def spent(self, batch_id: str) -> list[RowAttempt]:
        """Return what the runs of a batch executed so far: one for each server and accelerators, seconds added up."""
        rows = await self._worker.read(lambda connection: connection.execute(_SPENT, {"batch": batch_id}))
        return [_attempt(row) for row in rows]

    async def open_runs(self, batch_id: str) -> tuple[RunRecord, ...]:
        """Return the runs of a batch that have not ended."""
        query = "SELECT * FROM runs WHERE batch_id = :batch AND status = 'running' ORDER BY id"
        rows = await self._worker.read(lambda connection: connection.execute(query, {"batch": batch_id}))
        return tuple(record_of(RunRecord, row) for row in rows)

    async def earlier(self, name: str, limit: int = 50) -> list[RowAttempt]:
        """Return the completed attempts of the newest completed runs of a workflow, that something was executed for."""
        values = {"name": name, "cached": False, "limit": limit}
        rows = await self._worker.read(lambda connection: connection.execute(_EARLIER, values))
        found = await self.attempts([row["id"] for row in rows])
        made = [each for attempts in found.values() for each in attempts]
        return [each for each in made if each.status == "completed" and each.execution_s is not None]


def _portions(keys: Sequence[str]) -> Iterator[dict[str, str | None]]:
    """Yield the parameters of statements that look up so many keys each: always as many, so that they are the same."""
    waiting = iter(keys)
    while some := list(islice(waiting, _TOGETHER)):
        padded = [*some, *[None] * (_TOGETHER - len(some))]
        yield {f"k{index}": key for index, key in enumerate(padded)}


def _attempt(row: Mapping[str, Any]) -> RowAttempt:
    accelerator = tuple(from_text(row["accelerator"]))
    return RowAttempt(row["run_id"], row["backend"], row["server"], accelerator, row["status"], row["execution_s"])


_KEYS = ", ".join(f":k{index}" for index in range(_TOGETHER))


_ROWS = f"""
SELECT row_key, id, status, owner, error FROM runs
WHERE batch_id = :batch AND row_key IN ({_KEYS}) ORDER BY id
"""  # noqa: S608 - names of parameters

_PROMPTS = f"""
SELECT jobs.run_id, jobs.prompt, outputs.sha256 FROM jobs LEFT JOIN outputs ON outputs.job_id = jobs.id
WHERE jobs.run_id IN ({_KEYS})
"""  # noqa: S608 - names of parameters

_RUNS = f"SELECT * FROM runs WHERE id IN ({_KEYS})"  # noqa: S608 - names of parameters

_ATTEMPTS = f"""
SELECT jobs.run_id, attempts.backend, attempts.server, attempts.accelerator, attempts.status, attempts.execution_s
FROM jobs JOIN attempts ON attempts.job_id = jobs.id
WHERE jobs.run_id IN ({_KEYS}) ORDER BY attempts.created_ms, attempts.number
"""  # noqa: S608 - names of parameters

_COUNTS = """
SELECT runs.status, COUNT(*) AS count FROM runs
JOIN (SELECT MAX(id) AS id FROM runs WHERE batch_id = :batch GROUP BY row_key) AS newest ON newest.id = runs.id
GROUP BY runs.status
"""

_SPENT = """
SELECT '' AS run_id, attempts.backend, attempts.server, attempts.accelerator, 'completed' AS status,
    SUM(attempts.execution_s) AS execution_s
FROM runs JOIN jobs ON jobs.run_id = runs.id JOIN attempts ON attempts.job_id = jobs.id
WHERE runs.batch_id = :batch AND attempts.execution_s IS NOT NULL
GROUP BY attempts.backend, attempts.server, attempts.accelerator
"""

# Not the bare column: SQLite would take the index of statuses, and read every run that has ever completed.
_EARLIER = """
SELECT id FROM runs WHERE name = :name AND status || '' = 'completed' AND cached = :cached ORDER BY id DESC LIMIT :limit
"""
