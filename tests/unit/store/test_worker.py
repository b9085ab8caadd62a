"""One thread for the database: order, shared transactions, and writes that nobody waits for."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from tests.unit.store.builders import a_job, a_run, an_attempt, an_output

from comfypipe.store.connection import Connection
from comfypipe.store.ledger import Ledger
from comfypipe.store.migrations import LEDGER
from comfypipe.store.records import OutputRecord, columns
from comfypipe.store.statements import insert
from comfypipe.store.worker import DatabaseWorker

T = TypeVar("T")


def use(location: Path | str, steps: Callable[[DatabaseWorker], Awaitable[T]], *, soon_s: float = 0.05) -> T:
    """Open a worker on the ledger at *location*, do *steps*, close it."""

    async def session() -> T:
        worker = DatabaseWorker(location, LEDGER, soon_s=soon_s)
        try:
            return await steps(worker)
        finally:
            await worker.close()

    return asyncio.run(session())


def adding(run_id: str) -> Callable[[Connection], None]:
    """Return what stores a run."""
    return lambda connection: insert(connection, "runs", columns(a_run(run_id)))


def ids(connection: Connection) -> list[str]:
    """Return the ids of the runs that are stored."""
    return [row["id"] for row in connection.execute("SELECT id FROM runs ORDER BY id")]


def test_what_is_written_soon_is_seen_by_the_next_call(location: Path | str) -> None:
    """Calls are done in the order in which they were made, whether or not anybody waits for them."""

    async def steps(worker: DatabaseWorker) -> list[str]:
        worker.write_soon(adding("run1"))
        await worker.write(adding("run2"))
        worker.write_soon(adding("run3"))
        return await worker.read(ids)

    assert ["run1", "run2", "run3"] == use(location, steps)


def test_a_read_may_go_ahead_of_what_is_written_soon(location: Path | str) -> None:
    """What may be passed waits for a call that does not go ahead, and then is written first."""

    async def steps(worker: DatabaseWorker) -> list[list[str]]:
        worker.write_soon(adding("run1"), passable=True)
        ahead = await worker.read(ids, ahead=True)
        await worker.write(adding("run2"))
        worker.write_soon(adding("run3"), passable=True)
        return [ahead, await worker.read(ids, ahead=True), await worker.read(ids)]

    assert [[], ["run1", "run2"], ["run1", "run2", "run3"]] == use(location, steps, soon_s=600)


def test_no_read_goes_ahead_of_what_may_not_be_passed(location: Path | str) -> None:
    """It sees that, and what was to be written before that."""

    async def steps(worker: DatabaseWorker) -> list[str]:
        worker.write_soon(adding("run1"), passable=True)
        worker.write_soon(adding("run2"))
        return await worker.read(ids, ahead=True)

    assert ["run1", "run2"] == use(location, steps, soon_s=600)


def test_any_number_of_writes_is_written_without_a_next_call(location: Path | str) -> None:
    """Those too that do not fit into the first transaction."""
    wanted = [f"run{number:03}" for number in range(150)]

    async def steps(worker: DatabaseWorker) -> list[str]:
        await worker.read(ids)
        for run_id in wanted:
            worker.write_soon(adding(run_id), passable=True)
        other = DatabaseWorker(location, LEDGER)
        try:
            while len(found := await other.read(ids)) < len(wanted):
                pass
        finally:
            await other.close()
        return found

    assert wanted == use(location, steps)


def test_a_value_can_be_named_more_than_once(location: Path | str) -> None:
    """It stands wherever a statement names it."""
    text = "SELECT CAST(:a AS TEXT) AS first, CAST(:ab AS TEXT) AS second, CAST(:a AS TEXT) AS third"
    expected = [{"first": "x", "second": "y", "third": "x"}]
    assert expected == use(location, lambda worker: worker.read(lambda made: made.execute(text, {"ab": "y", "a": "x"})))


def test_what_is_written_soon_is_written_without_a_next_call(location: Path | str) -> None:
    """Another connection sees it a moment later."""

    async def steps(worker: DatabaseWorker) -> list[str]:
        await worker.read(ids)
        worker.write_soon(adding("run1"))
        other = DatabaseWorker(location, LEDGER)
        try:
            while not (found := await other.read(ids)):
                pass
        finally:
            await other.close()
        return found

    assert ["run1"] == use(location, steps)


def test_closing_writes_what_is_to_be_written_soon(location: Path | str) -> None:
    """Nothing is lost that a program left to be written when it closed the database."""

    async def steps(worker: DatabaseWorker) -> None:
        worker.write_soon(adding("run1"))

    use(location, steps)
    assert ["run1"] == use(location, lambda worker: worker.read(ids))


def test_a_write_fails_with_what_it_comes_after(location: Path | str) -> None:
    """It has that error, and writes nothing; others are stored all the same."""

    async def steps(worker: DatabaseWorker) -> tuple[str, list[str]]:
        await worker.write(adding("run1"))
        doubled = worker.write_soon(adding("run1"))
        others = asyncio.ensure_future(worker.write(adding("run2")))
        with pytest.raises(Exception, match=r"(?i)unique") as raised:
            await worker.write(adding("run3"), after=doubled)
        await others
        return type(raised.value).__name__, await worker.read(ids)

    assert ("StoreError", ["run1", "run2"]) == use(location, steps)


def test_an_intent_is_not_stored_without_its_run(location: Path | str) -> None:
    """A run that is to be stored soon and cannot be keeps its first intent from being stored: nothing is sent then."""

    async def session() -> int:
        ledger = Ledger(location)
        run = a_run()
        await ledger.add_run(run)
        ledger.add_run_soon(run)
        with pytest.raises(Exception, match=r"(?i)unique.*runs"):
            await ledger.intend(a_job(run), an_attempt(a_job(run)))
        stored = len(await ledger.attempts(run.id))
        await ledger.close()
        return stored

    assert 0 == asyncio.run(session())


def test_what_was_stored_soon_is_found(location: Path | str) -> None:
    """A run that continues another one, by its request; and what became of an attempt."""

    async def session() -> tuple[list[str], list[str]]:
        ledger = Ledger(location)
        first, second = a_run("run1"), replace(a_run("run2"), continues="run1")
        job = a_job(first)
        ledger.add_run_soon(first)
        ledger.add_run_soon(second)
        runs = [run.id for run in await ledger.runs_of_request(first.request_digest)]
        await ledger.intend(job, an_attempt(job))
        ledger.update_attempt_soon(an_attempt(job).prompt_id, status="submitted")
        attempts = [attempt.status for attempt in await ledger.attempts_at(job.id)]
        await ledger.close()
        return runs, attempts

    assert (["run2", "run1"], ["submitted"]) == asyncio.run(session())


def test_the_only_job_of_a_run_is_stored_with_the_end_of_the_run(location: Path | str) -> None:
    """What it gave is there when the run has ended; where it cannot be stored, the run does not end."""

    async def session() -> tuple[object, ...]:
        ledger = Ledger(location)
        run = a_run()
        job = a_job(run)
        ledger.add_run_soon(run)
        await ledger.intend(job, an_attempt(job))
        twice = [an_output(job), an_output(job)]

        async def complete(given: list[OutputRecord]) -> None:
            attempt = an_attempt(job).prompt_id
            await ledger.complete_job(job.id, given, ended_ms=9, prompt_id=attempt, run_id=run.id)

        await complete(twice)
        with pytest.raises(Exception, match=r"(?i)unique.*outputs"):
            await ledger.end_run(run)
        before = (await ledger.jobs(run.id))[0].status
        await complete(twice[:1])
        await ledger.end_run(run)
        after = (await ledger.jobs(run.id))[0].status, len((await ledger.outputs([job.id]))[job.id])
        await ledger.close()
        return before, *after

    assert ("running", "completed", 1) == asyncio.run(session())
