"""The ledger: which runs there were, what they needed, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.errors import UsageError
from comfypipe.store.batches import BatchTable
from comfypipe.store.connection import Connection, Values
from comfypipe.store.migrations import LEDGER
from comfypipe.store.pruning import Pruning
from comfypipe.store.records import AttemptRecord, JobRecord, OutputRecord, R, RunRecord, columns, record_of, stored
from comfypipe.store.statements import insert, put, update
from comfypipe.store.worker import Call, DatabaseWorker

LATEST = "latest"
"""What can be written for the id of the newest run. No id has these letters."""


class Ledger:
    """
    Runs, jobs, attempts and outputs, each call one transaction that is on the disk when it returns.

    Safe to use from several tasks, and from several processes at once. Opened, and brought up to date, at the first
    call. Every method raises `StoreError` (`LedgerUnusable`) when the database cannot be used.

    Args:
        location: The path of a SQLite file, or a database URL.
    """

    def __init__(self, location: Path | str) -> None:
        self._worker = DatabaseWorker(location, LEDGER)
        self._soon: dict[str, Call] = {}  # by run, what the next write of it may not do without
        self.batches = BatchTable(self._worker)
        self.pruning = Pruning(self._worker)

    async def close(self) -> None:
        """Finish what is being written."""
        await self._worker.close()

    # Runs

    async def add_run(self, run: RunRecord) -> None:
        """Store a new run."""
        await self._worker.write(lambda connection: insert(connection, "runs", columns(run)))

    def add_run_soon(self, run: RunRecord) -> None:
        """
        Store a new run together with its first intent, or its end: those fail when it cannot be stored.

        Until then `runs_of_request` need not find it, unless it continues another one: nobody takes up what is being
        worked on here, but two must not continue the same run.
        """
        self._soon[run.id] = self._worker.write_soon(
            lambda connection: insert(connection, "runs", columns(run)), passable=run.continues is None
        )

    async def adopt_run(self, run_id: str, *, owner: str, by: str, plan_digest: str) -> bool:
        """Make *by* the owner of a run that *owner* left unfinished; False when another process was faster."""
        left = {"id": run_id, "owner": owner, "status": "running"}
        taken = {"owner": by, "plan_digest": plan_digest}
        return await self._worker.write(lambda connection: update(connection, "runs", left, taken) == 1)

    async def end_run(self, run: RunRecord, *, jobs_ended: bool = False) -> None:
        """
        Store how a run ended, and end the jobs of it that were left open. A run that has ended stays as it is.

        Args:
            jobs_ended: None was left open.
        """

        def write(connection: Connection) -> None:
            update(connection, "runs", {"id": run.id, "status": "running"}, _end_of(run))
            if not jobs_ended:
                ended = {"status": "cancelled", "ended_ms": run.ended_ms}
                update(connection, "jobs", {"run_id": run.id, "status": "running"}, ended)

        await self._worker.write(write, after=self._soon.pop(run.id, None))

    async def run(self, reference: str) -> RunRecord:
        """
        Return the run with this id, or the only one whose id begins with it; ``latest`` is the newest.

        Raises:
            UsageError: None, or several, fit.
        """
        if reference == LATEST:
            found = await self._rows(RunRecord, "SELECT * FROM runs ORDER BY id DESC LIMIT 1")
        else:
            found = await self._rows(RunRecord, _RUNS_NAMED, _range_of(reference.lower()))
        if not reference or not found:
            raise UsageError(f'no run has the id "{reference}"', hint="`comfypipe runs list` names them")
        if len(found) > 1 and found[-1].id != reference:
            ids = ", ".join(each.id for each in found)
            raise UsageError(f'more than one run begins with "{reference}": {ids}', hint="write more of the id")
        return found[0]

    async def runs(
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        batch_id: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> tuple[RunRecord, ...]:
        """Return the newest runs, newest first; *before* an id gives the next page."""
        asked = {"name": name, "status": status, "batch_id": batch_id, "before": before}
        values = {key: value for key, value in asked.items() if value is not None}
        wanted = [_BEFORE if key == "before" else f"{key} = :{key}" for key in values]
        where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
        query = f"SELECT * FROM runs {where} ORDER BY id DESC LIMIT :limit"  # noqa: S608 - only names of columns
        return await self._rows(RunRecord, query, values | {"limit": limit})

    async def runs_of_request(self, request_digest: str, *, limit: int = 20) -> tuple[RunRecord, ...]:
        """Return the newest runs that were asked for in the same words, newest first."""
        values = {"request": request_digest, "limit": limit}
        return await self._rows(RunRecord, _RUNS_OF_REQUEST, values, ahead=True)

    # Jobs

    async def jobs(self, run_id: str) -> tuple[JobRecord, ...]:
        """Return the jobs of a run in the order in which they began."""
        return await self._rows(JobRecord, _JOBS_OF_RUN, {"run": run_id})

    async def job(self, job_id: str) -> JobRecord | None:
        """Return the job with this id."""
        found = await self._rows(JobRecord, "SELECT * FROM jobs WHERE id = :job", {"job": job_id})
        return found[0] if found else None

    async def outputs(self, job_ids: Sequence[str]) -> Mapping[str, tuple[OutputRecord, ...]]:
        """Return by job what it gave, in stored order."""

        def read(connection: Connection) -> dict[str, tuple[OutputRecord, ...]]:
            return {job_id: _outputs_of(connection, job_id) for job_id in job_ids}

        return await self._worker.read(read)

    async def stored_jobs(
        self, digest: str, *, simulated: bool, origin: str | None = None
    ) -> tuple[tuple[JobRecord, tuple[OutputRecord, ...]], ...]:
        """
        Return completed jobs of this digest with their outputs: real ones first, then the newest.

        Args:
            simulated: Whether simulated ones will do.
            origin: Look only at the runs of one chain.
        """
        query = _STORED_JOBS if origin is None else _STORED_JOBS_OF_CHAIN
        values = {"digest": digest, "simulated": simulated, "real": False, "origin": origin}
        if origin is None:
            del values["origin"]

        def read(connection: Connection) -> tuple[tuple[JobRecord, tuple[OutputRecord, ...]], ...]:
            found = [record_of(JobRecord, row) for row in connection.execute(query, values)]
            return tuple((job, _outputs_of(connection, job.id)) for job in found)

        return await self._worker.read(read, ahead=True)

    async def add_finished_job(self, job: JobRecord, given: Sequence[OutputRecord]) -> None:
        """Store a job that needed no submission: its outputs were there."""

        def write(connection: Connection) -> None:
            _put_job(connection, job)
            _add_outputs(connection, job.id, given)

        await self._worker.write(write, after=self._soon.pop(job.run_id, None))

    async def end_job(self, job_id: str, status: str, *, ended_ms: int, error: JSONObject | None = None) -> None:
        """Store that a job ended without outputs."""
        end = stored({"status": status, "ended_ms": ended_ms, "error": error})
        open_job = {"id": job_id, "status": "running"}
        await self._worker.write(lambda connection: update(connection, "jobs", open_job, end))

    async def complete_job(
        self,
        job_id: str,
        given: Sequence[OutputRecord],
        *,
        ended_ms: int,
        prompt_id: str,
        simulated: bool = False,
        execution_s: float | None = None,
        run_id: str | None = None,
    ) -> None:
        """
        Store what a job gave, and that the attempt *prompt_id* did it: together, so that no crash parts them.

        Args:
            run_id: Of the run that has this job alone, and whose end is stored next: this is stored with it, and not
                waited for. The end fails when this cannot be stored.
        """

        def write(connection: Connection) -> None:
            done = {"status": "completed", "ended_ms": ended_ms, "error": None}
            update(connection, "jobs", {"id": job_id}, done | {"simulated": simulated})
            update(connection, "attempts", {"prompt_id": prompt_id}, done | {"execution_s": execution_s})
            _add_outputs(connection, job_id, given)

        if run_id is None:
            await self._worker.write(write)
        else:
            self._soon[run_id] = self._worker.write_soon(write)

    async def keep_fetched(self, run_id: str, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Store, by URL, what became known of files that a run's jobs had left elsewhere when they were fetched."""

        def write(connection: Connection) -> None:
            for row in connection.execute(_LEFT_ELSEWHERE, {"run": run_id}):
                if row["url"] in found:
                    where = {name: row[name] for name in ("job_id", "name", "position")}
                    update(connection, "outputs", where, found[row["url"]])

        await self._worker.write(write)

    async def replace_outputs(self, job_id: str, given: Sequence[OutputRecord]) -> None:
        """Store the outputs of a job in place of what was stored of them."""
        await self._worker.write(lambda connection: _add_outputs(connection, job_id, given))

    # Attempts

    async def intend(self, job: JobRecord, attempt: AttemptRecord) -> None:
        """Store that *attempt* at *job* will be submitted: before anything is sent."""

        def write(connection: Connection) -> None:
            _put_job(connection, job)
            insert(connection, "attempts", columns(attempt))

        await self._worker.write(write, after=self._soon.pop(job.run_id, None))

    async def update_attempt(self, prompt_id: str, **changes: Any) -> None:
        """Store what became of an attempt."""
        made = {"prompt_id": prompt_id}
        await self._worker.write(lambda connection: update(connection, "attempts", made, stored(changes)))

    def update_attempt_soon(self, prompt_id: str, **changes: Any) -> None:
        """
        Store what became of an attempt, together with what is stored next.

        Nobody hears whether that succeeded: it must be something that is found out anew when it is not there.
        """
        made = {"prompt_id": prompt_id}
        self._worker.write_soon(lambda connection: update(connection, "attempts", made, stored(changes)), passable=True)

    async def move_attempt(self, prompt_id: str, job: JobRecord) -> None:
        """Make an attempt of an earlier run one at *job*, which goes on with it."""

        def write(connection: Connection) -> None:
            _put_job(connection, job)
            update(connection, "attempts", {"prompt_id": prompt_id}, {"job_id": job.id})

        await self._worker.write(write)

    async def attempts(self, run_id: str) -> tuple[AttemptRecord, ...]:
        """Return the attempts at all jobs of a run, in the order in which they were made."""
        return await self._rows(AttemptRecord, _ATTEMPTS_OF_RUN, {"run": run_id})

    async def attempts_at(self, job_id: str) -> tuple[AttemptRecord, ...]:
        """Return the attempts at a job, first to last."""
        return await self._rows(AttemptRecord, _ATTEMPTS_AT, {"job": job_id})

    async def _rows(
        self, kind: type[R], query: str, values: Values | None = None, *, ahead: bool = False
    ) -> tuple[R, ...]:
        def read(connection: Connection) -> tuple[R, ...]:
            return tuple(record_of(kind, row) for row in connection.execute(query, values))

        return await self._worker.read(read, ahead=ahead)


def _end_of(run: RunRecord) -> Values:
    names = ("status", "outputs", "steps", "simulated", "cached", "error", "ended_ms")
    return stored({name: getattr(run, name) for name in names})


def _outputs_of(connection: Connection, job_id: str) -> tuple[OutputRecord, ...]:
    return tuple(record_of(OutputRecord, row) for row in connection.execute(_OUTPUTS_OF, {"job": job_id}))


def _add_outputs(connection: Connection, job_id: str, given: Sequence[OutputRecord]) -> None:
    connection.change("DELETE FROM outputs WHERE job_id = :job", {"job": job_id})
    for each in given:
        insert(connection, "outputs", columns(replace(each, job_id=job_id)))


def _put_job(connection: Connection, job: JobRecord) -> None:
    """Store a job, in place of what a resumed run had stored of it before."""
    put(connection, "jobs", "id", columns(job))


def _range_of(prefix: str) -> Values:
    """Return the bounds of the ids that begin with *prefix*: an index finds them, and no character is a wildcard."""
    return {"first": prefix, "last": prefix + "z" * 16}


_BEFORE = "id < :before"
_RUNS_NAMED = "SELECT * FROM runs WHERE id >= :first AND id <= :last ORDER BY id DESC LIMIT 3"
_RUNS_OF_REQUEST = "SELECT * FROM runs WHERE request_digest = :request ORDER BY id DESC LIMIT :limit"
_JOBS_OF_RUN = "SELECT * FROM jobs WHERE run_id = :run ORDER BY created_ms, step, item"
_ATTEMPTS_OF_RUN = """
    SELECT attempts.* FROM attempts JOIN jobs ON jobs.id = attempts.job_id WHERE jobs.run_id = :run
    ORDER BY attempts.created_ms, attempts.number"""
_ATTEMPTS_AT = "SELECT * FROM attempts WHERE job_id = :job ORDER BY number"
_OUTPUTS_OF = "SELECT * FROM outputs WHERE job_id = :job ORDER BY name, position"
_LEFT_ELSEWHERE = """
    SELECT job_id, outputs.name, position, url FROM outputs JOIN jobs ON jobs.id = outputs.job_id
    WHERE jobs.run_id = :run AND url IS NOT NULL AND sha256 IS NULL"""
_STORED_JOBS = """
    SELECT * FROM jobs WHERE digest = :digest AND status = 'completed' AND simulated IN (:real, :simulated)
    ORDER BY simulated, created_ms DESC LIMIT 3"""
_STORED_JOBS_OF_CHAIN = """
    SELECT jobs.* FROM jobs JOIN runs ON runs.id = jobs.run_id
    WHERE digest = :digest AND jobs.status = 'completed' AND jobs.simulated IN (:real, :simulated)
    AND runs.origin = :origin ORDER BY jobs.simulated, jobs.created_ms DESC LIMIT 3"""
