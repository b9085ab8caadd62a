"""The ledger: which runs there were, what they needed, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from comfypipe._types import JSONObject
from comfypipe.errors import UsageError
from comfypipe.store.database import sqlite_url
from comfypipe.store.records import AttemptRecord, JobRecord, OutputRecord, RunRecord, columns
from comfypipe.store.tables import attempts, jobs, outputs, runs
from comfypipe.store.worker import DatabaseWorker

R = TypeVar("R", RunRecord, JobRecord, AttemptRecord, OutputRecord)

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
        self._worker = DatabaseWorker(sqlite_url(location) if isinstance(location, Path) else location)

    async def close(self) -> None:
        """Finish what is being written."""
        await self._worker.close()

    # Runs

    async def add_run(self, run: RunRecord) -> None:
        """Store a new run."""
        await self._worker.write(lambda connection: connection.execute(_INSERT_RUN, columns(run)))

    async def adopt_run(self, run_id: str, *, owner: str, by: str, plan_digest: str) -> bool:
        """Make *by* the owner of a run that *owner* left unfinished; False when another process was faster."""
        left = {"id": run_id, "owner": owner, "status": "running"}
        taken = {"owner": by, "plan_digest": plan_digest}
        return await self._worker.write(lambda connection: _update(connection, runs, left, taken) == 1)

    async def end_run(self, run: RunRecord) -> None:
        """Store how a run ended, and end the jobs of it that were left open. A run that has ended stays as it is."""

        def write(connection: sa.Connection) -> None:
            _update(connection, runs, {"id": run.id, "status": "running"}, columns(run))
            ended = {"status": "cancelled", "ended_ms": run.ended_ms}
            _update(connection, jobs, {"run_id": run.id, "status": "running"}, ended)

        await self._worker.write(write)

    async def run(self, reference: str) -> RunRecord:
        """
        Return the run with this id, or the only one whose id begins with it; ``latest`` is the newest.

        Raises:
            UsageError: None, or several, fit.
        """
        query = sa.select(runs).order_by(runs.c.id.desc()).limit(3)
        if reference == LATEST:
            query = query.limit(1)
        else:
            query = query.where(runs.c.id.startswith(reference.lower(), autoescape=True))
        found = await self._rows(RunRecord, query)
        if not reference or not found:
            raise UsageError(f'no run has the id "{reference}"', hint="`comfypipe runs list` names them")
        if len(found) > 1 and found[-1].id != reference:
            ids = ", ".join(each.id for each in found)
            raise UsageError(f'more than one run begins with "{reference}": {ids}', hint="write more of the id")
        return found[0]

    async def runs(
        self, *, name: str | None = None, status: str | None = None, limit: int = 50, before: str | None = None
    ) -> tuple[RunRecord, ...]:
        """Return the newest runs, newest first; *before* an id gives the next page."""
        query = sa.select(runs).order_by(runs.c.id.desc()).limit(limit)
        for column, wanted in ((runs.c.name, name), (runs.c.status, status)):
            if wanted is not None:
                query = query.where(column == wanted)
        return await self._rows(RunRecord, query if before is None else query.where(runs.c.id < before))

    async def runs_of_request(self, request_digest: str, *, limit: int = 20) -> tuple[RunRecord, ...]:
        """Return the newest runs that were asked for in the same words, newest first."""
        return await self._rows(RunRecord, _RUNS_OF_REQUEST, {"request": request_digest, "limit": limit})

    # Jobs

    async def jobs(self, run_id: str) -> tuple[JobRecord, ...]:
        """Return the jobs of a run in the order in which they began."""
        query = sa.select(jobs).where(jobs.c.run_id == run_id)
        return await self._rows(JobRecord, query.order_by(jobs.c.created_ms, jobs.c.step, jobs.c.item))

    async def job(self, job_id: str) -> JobRecord | None:
        """Return the job with this id."""
        found = await self._rows(JobRecord, sa.select(jobs).where(jobs.c.id == job_id))
        return found[0] if found else None

    async def outputs(self, job_ids: Sequence[str]) -> Mapping[str, tuple[OutputRecord, ...]]:
        """Return by job what it gave, in stored order."""
        query = sa.select(outputs).where(outputs.c.job_id.in_(job_ids))
        found = await self._rows(OutputRecord, query.order_by(outputs.c.job_id, outputs.c.name, outputs.c.position))
        return {job_id: tuple(each for each in found if each.job_id == job_id) for job_id in job_ids}

    async def stored_jobs(
        self, digest: str, *, simulated: bool, origin: str | None = None
    ) -> tuple[tuple[JobRecord, tuple[OutputRecord, ...]], ...]:
        """
        Return completed jobs of this digest with their outputs: real ones first, then the newest.

        Args:
            simulated: Whether simulated ones will do.
            origin: Look only at the runs of one chain.
        """
        query = _stored_jobs(simulated, origin is not None)
        values = {"digest": digest} if origin is None else {"digest": digest, "origin": origin}

        def read(connection: sa.Connection) -> tuple[tuple[JobRecord, tuple[OutputRecord, ...]], ...]:
            found = [JobRecord(**row) for row in connection.execute(query, values).mappings()]
            return tuple((job, _outputs_of(connection, job.id)) for job in found)

        return await self._worker.read(read)

    async def add_finished_job(self, job: JobRecord, given: Sequence[OutputRecord]) -> None:
        """Store a job that needed no submission: its outputs were there."""

        def write(connection: sa.Connection) -> None:
            _put_job(connection, job)
            _add_outputs(connection, job.id, given)

        await self._worker.write(write)

    async def end_job(self, job_id: str, status: str, *, ended_ms: int, error: JSONObject | None = None) -> None:
        """Store that a job ended without outputs."""
        end = {"status": status, "ended_ms": ended_ms, "error": error}
        open_job = {"id": job_id, "status": "running"}
        await self._worker.write(lambda connection: _update(connection, jobs, open_job, end))

    async def complete_job(
        self,
        job_id: str,
        given: Sequence[OutputRecord],
        *,
        ended_ms: int,
        prompt_id: str,
        simulated: bool = False,
        execution_s: float | None = None,
    ) -> None:
        """Store what a job gave, and that the attempt *prompt_id* did it: together, so that no crash parts them."""

        def write(connection: sa.Connection) -> None:
            done = {"status": "completed", "ended_ms": ended_ms, "error": None}
            _update(connection, jobs, {"id": job_id}, done | {"simulated": simulated})
            _update(connection, attempts, {"prompt_id": prompt_id}, done | {"execution_s": execution_s})
            _add_outputs(connection, job_id, given)

        await self._worker.write(write)

    # Attempts

    async def intend(self, job: JobRecord, attempt: AttemptRecord) -> None:
        """Store that *attempt* at *job* will be submitted: before anything is sent."""

        def write(connection: sa.Connection) -> None:
            _put_job(connection, job)
            connection.execute(_INSERT_ATTEMPT, columns(attempt))

        await self._worker.write(write)

    async def update_attempt(self, prompt_id: str, **changes: Any) -> None:
        """Store what became of an attempt."""
        made = {"prompt_id": prompt_id}
        await self._worker.write(lambda connection: _update(connection, attempts, made, changes))

    async def move_attempt(self, prompt_id: str, job: JobRecord) -> None:
        """Make an attempt of an earlier run one at *job*, which goes on with it."""

        def write(connection: sa.Connection) -> None:
            _put_job(connection, job)
            _update(connection, attempts, {"prompt_id": prompt_id}, {"job_id": job.id})

        await self._worker.write(write)

    async def attempts(self, run_id: str) -> tuple[AttemptRecord, ...]:
        """Return the attempts at all jobs of a run, in the order in which they were made."""
        query = sa.select(attempts).join(jobs, jobs.c.id == attempts.c.job_id).where(jobs.c.run_id == run_id)
        return await self._rows(AttemptRecord, query.order_by(attempts.c.created_ms, attempts.c.number))

    async def attempts_at(self, job_id: str) -> tuple[AttemptRecord, ...]:
        """Return the attempts at a job, first to last."""
        return await self._rows(AttemptRecord, _ATTEMPTS_AT, {"job": job_id})

    async def _rows(
        self, kind: type[R], query: "sa.Select[Any]", values: Mapping[str, Any] | None = None
    ) -> tuple[R, ...]:
        def read(connection: sa.Connection) -> tuple[R, ...]:
            return tuple(kind(**row) for row in connection.execute(query, values).mappings())

        return await self._worker.read(read)


def _outputs_of(connection: sa.Connection, job_id: str) -> tuple[OutputRecord, ...]:
    return tuple(OutputRecord(**row) for row in connection.execute(_OUTPUTS_OF, {"job": job_id}).mappings())


def _add_outputs(connection: sa.Connection, job_id: str, given: Sequence[OutputRecord]) -> None:
    connection.execute(_DELETE_OUTPUTS, {"job": job_id})
    if given:
        connection.execute(_INSERT_OUTPUT, [columns(replace(each, job_id=job_id)) for each in given])


def _put_job(connection: sa.Connection, job: JobRecord) -> None:
    """Store a job, in place of what a resumed run had stored of it before."""
    if connection.execute(_JOB_IS_KNOWN, {"job": job.id}).first() is None:
        connection.execute(_INSERT_JOB, columns(job))
    else:
        _update(connection, jobs, {"id": job.id}, columns(job))


def _update(connection: sa.Connection, table: sa.Table, where: Mapping[str, Any], changes: Mapping[str, Any]) -> int:
    """Change the rows that are as *where* says, and return how many there were."""
    statement = _update_statement(table, tuple(where), tuple(changes))
    values = {f"is_{name}": value for name, value in where.items()}
    return connection.execute(statement, values | {f"to_{name}": value for name, value in changes.items()}).rowcount


# Statements are made once: putting one together costs as much as running it.


@cache
def _update_statement(table: sa.Table, where: tuple[str, ...], changed: tuple[str, ...]) -> sa.Update:
    found = [table.c[name] == sa.bindparam(f"is_{name}") for name in where]
    return sa.update(table).where(*found).values({name: sa.bindparam(f"to_{name}") for name in changed})


@cache
def _stored_jobs(simulated: bool, in_chain: bool) -> "sa.Select[Any]":
    query = sa.select(jobs).where(jobs.c.digest == sa.bindparam("digest"), jobs.c.status == "completed")
    if not simulated:
        query = query.where(jobs.c.simulated == sa.false())
    if in_chain:
        query = query.join(runs, runs.c.id == jobs.c.run_id).where(runs.c.origin == sa.bindparam("origin"))
    return query.order_by(jobs.c.simulated, jobs.c.created_ms.desc()).limit(3)


_INSERT_RUN, _INSERT_JOB, _INSERT_ATTEMPT, _INSERT_OUTPUT = map(sa.insert, (runs, jobs, attempts, outputs))
_RUNS_OF_REQUEST = (
    sa.select(runs)
    .where(runs.c.request_digest == sa.bindparam("request"))
    .order_by(runs.c.id.desc())
    .limit(sa.bindparam("limit"))
)
_DELETE_OUTPUTS = sa.delete(outputs).where(outputs.c.job_id == sa.bindparam("job"))
_JOB_IS_KNOWN = sa.select(jobs.c.id).where(jobs.c.id == sa.bindparam("job"))
_ATTEMPTS_AT = sa.select(attempts).where(attempts.c.job_id == sa.bindparam("job")).order_by(attempts.c.number)
_OUTPUTS_OF = (
    sa.select(outputs).where(outputs.c.job_id == sa.bindparam("job")).order_by(outputs.c.name, outputs.c.position)
)
