"""What the ledger knows of batches, and what it forgets."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.store.builders import a_job, a_run, an_attempt, an_output

from comfypipe.errors import UsageError
from comfypipe.store.batches import RowAttempt, RowRun
from comfypipe.store.ledger import Ledger
from comfypipe.store.records import BatchRecord, RunRecord

BATCH = BatchRecord("batch1", "portraits", "rows.csv", "owner-1", 5, settings={"repeat": 2**70, "note": "a\0b"})


@pytest.fixture
def filled(location: Path | str) -> Path | str:
    """Return a ledger that holds a batch of two rows, the first of which was run again."""

    async def fill() -> None:
        ledger = Ledger(location)
        await ledger.batches.add(BATCH)
        for run_id, row_key, seconds in (("run1", "row1", 0.5), ("run2", "row2", 1.5), ("run3", "row1", 2.0)):
            run = row_of(run_id, row_key)
            job = a_job(run)
            await ledger.add_run(run)
            await ledger.intend(job, an_attempt(job))
            given = [an_output(job, sha256=run_id[-1] * 64)]
            prompt_id = an_attempt(job).prompt_id
            await ledger.complete_job(job.id, given, ended_ms=9, prompt_id=prompt_id, execution_s=seconds)
            if run_id != "run2":
                await ledger.end_run(replace(run, status="completed", ended_ms=9))
        await ledger.close()

    asyncio.run(fill())
    return location


def row_of(run_id: str, row_key: str) -> RunRecord:
    """Return a run of a row that has just begun."""
    return replace(a_run(run_id), batch_id="batch1", row_key=row_key)


def test_a_batch_comes_back_as_it_was_stored(filled: Path | str) -> None:
    """It is found by the beginning of its id, as the latest, and in the list; an unknown one is a usage error."""

    async def session() -> tuple[object, ...]:
        ledger = Ledger(filled)
        found = [await ledger.batches.get(each) for each in ("bat", "latest")]
        listed = await ledger.batches.newest(name="portraits"), await ledger.batches.newest(name="others")
        with pytest.raises(UsageError, match="no batch has the id"):
            await ledger.batches.get("%")
        await ledger.close()
        return found, listed

    assert ([BATCH, BATCH], ((BATCH,), ())) == asyncio.run(session())


def test_a_batch_is_taken_by_one_process(filled: Path | str) -> None:
    """Of several that want a batch at the same time, from ledgers of their own, one gets it."""

    async def session() -> list[bool]:
        ledgers = [Ledger(filled) for _ in range(4)]
        taken = await asyncio.gather(
            *(each.batches.take("batch1", owner="owner-1", by=f"owner-{n}") for n, each in enumerate(ledgers, 2))
        )
        for each in ledgers:
            await each.close()
        return sorted(taken)

    assert [False, False, False, True] == asyncio.run(session())


def test_a_row_is_its_newest_run(filled: Path | str) -> None:
    """Rows, counts, and the runs that are open speak of the newest run of each row."""

    async def session() -> tuple[object, ...]:
        ledger = Ledger(filled)
        batches = ledger.batches
        rows = await batches.rows("batch1", ["row1", "row2", "row3"])
        counts, begun = await batches.counts("batch1"), [await batches.has_begun(each) for each in ("batch1", "other")]
        still_open = [run.id for run in await batches.open_runs("batch1")]
        await ledger.close()
        return rows, counts, begun, still_open

    rows = {"row1": RowRun("run3", "completed", "owner-1", None), "row2": RowRun("run2", "running", "owner-1", None)}
    assert (rows, {"completed": 1, "running": 1}, [True, False], ["run2"]) == asyncio.run(session())


def test_what_a_batch_executed_is_known(filled: Path | str) -> None:
    """Attempts come by run, seconds added up by where they were spent; prompts by the file that they gave."""

    async def session() -> tuple[object, ...]:
        ledger = Ledger(filled)
        batches = ledger.batches
        attempts, spent = await batches.attempts(["run1", "run9"]), await batches.spent("batch1")
        prompts, earlier = await batches.prompts(["run2"]), await batches.earlier("portrait", limit=1)
        runs = sorted(await batches.runs(["run1", "run3", "run9"]))
        await ledger.close()
        return attempts, spent, prompts, earlier, runs

    def attempt(run_id: str, seconds: float) -> RowAttempt:
        return RowAttempt(run_id, "embedded:", None, ("L4",), "completed", seconds)

    expected = (
        {"run1": [attempt("run1", 0.5)], "run9": []},
        [attempt("", 4.0)],
        {"run2": {"2" * 64: a_job(a_run()).prompt}},
        [attempt("run3", 2.0)],
        ["run1", "run3"],
    )
    assert expected == asyncio.run(session())


def test_a_run_is_forgotten_with_all_that_was_recorded_of_it(filled: Path | str) -> None:
    """Only ended runs are old; what others refer to stays, what only the forgotten referred to does not."""

    async def session() -> tuple[object, ...]:
        ledger = Ledger(filled)
        pruning = ledger.pruning
        old = await pruning.old_runs(before_ms=2_000_000_000_000, name="portrait", status="completed")
        without = await pruning.referred_to(without=["run1"])
        await pruning.forget([])
        await pruning.forget(["run1"])
        left = await pruning.referred_to()
        found = [run.id for run in await ledger.runs()], await ledger.jobs("run1"), await ledger.attempts("run1")
        await ledger.close()
        return old, without == left, sorted(digest[0] for digest in left), found

    assert (("run1", "run3"), True, ["2", "3"], (["run3", "run2"], (), ())) == asyncio.run(session())
