"""What the ledger keeps, and gives back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from tests.unit.store.builders import a_job, a_run, an_attempt, an_output

from comfypipe._types import JSON
from comfypipe.errors import UsageError
from comfypipe.store.ledger import Ledger
from comfypipe.store.records import JobRecord, OutputRecord, RunRecord

T = TypeVar("T")
Use = Callable[[Callable[[Ledger], Awaitable[T]]], T]


def use(location: Path | str, steps: Callable[[Ledger], Awaitable[T]]) -> T:
    """Open the ledger at *location*, do *steps*, close it."""

    async def session() -> T:
        ledger = Ledger(location)
        try:
            return await steps(ledger)
        finally:
            await ledger.close()

    return asyncio.run(session())


async def finish(
    ledger: Ledger, job: JobRecord, *given: OutputRecord, number: int = 1, simulated: bool = False
) -> None:
    """Store that attempt *number* at *job* gave *given*."""
    prompt_id = an_attempt(job, number).prompt_id
    await ledger.complete_job(job.id, given, ended_ms=1_800_000_000_009, prompt_id=prompt_id, simulated=simulated)


async def completed(
    ledger: Ledger, run: RunRecord, job: JobRecord, *given: OutputRecord, simulated: bool = False
) -> None:
    """Store *run* with one job that gave *given*."""
    await ledger.add_run(run)
    await ledger.intend(job, an_attempt(job))
    await finish(ledger, job, *given, simulated=simulated)


def test_a_run_comes_back_as_it_was_stored(location: Path | str) -> None:
    """A run read by another opening of the ledger equals the one that was stored, a 64-bit seed included."""

    async def store(ledger: Ledger) -> None:
        await ledger.add_run(a_run())

    use(location, store)
    assert a_run() == use(location, lambda ledger: ledger.run(a_run().id))


def test_a_run_ends_once(location: Path | str) -> None:
    """An ended run keeps its end: a later one changes nothing."""

    async def steps(ledger: Ledger) -> RunRecord:
        await ledger.add_run(a_run())
        await ledger.end_run(replace(a_run(), status="completed", ended_ms=5, outputs={"image": "x"}))
        await ledger.end_run(replace(a_run(), status="failed", ended_ms=6, error={"message": "late"}))
        return await ledger.run(a_run().id)

    assert replace(a_run(), status="completed", ended_ms=5, outputs={"image": "x"}) == use(location, steps)


def test_ending_a_run_ends_its_open_jobs(location: Path | str) -> None:
    """No job of an ended run stays running; one that completed stays completed."""

    async def steps(ledger: Ledger) -> list[tuple[str, str]]:
        run = a_run()
        await completed(ledger, run, a_job(run, "first"))
        await ledger.intend(a_job(run, "second"), an_attempt(a_job(run, "second")))
        await ledger.end_run(replace(run, status="cancelled", ended_ms=5))
        return [(job.step, job.status) for job in await ledger.jobs(run.id)]

    assert [("first", "completed"), ("second", "cancelled")] == use(location, steps)


def test_an_intent_to_do_a_job_again_opens_it(location: Path | str) -> None:
    """A job of the same id takes the place of what was stored of it, and its outputs stay until there are others."""

    async def steps(ledger: Ledger) -> tuple[list[tuple[str, str]], int]:
        run = a_run()
        job = a_job(run)
        await completed(ledger, run, job, an_output(job))
        await ledger.intend(replace(job, workflow="mended"), an_attempt(job, 2))
        kept = (await ledger.outputs([job.id]))[job.id]
        return [(each.workflow, each.status) for each in await ledger.jobs(run.id)], len(kept)

    assert ([("mended", "running")], 1) == use(location, steps)


def test_a_run_is_found_by_the_beginning_of_its_id(location: Path | str) -> None:
    """As many characters as make it the only one are enough; "latest" is the newest."""

    async def steps(ledger: Ledger) -> list[str]:
        for run_id in ("0q3k7f2a0001", "0q3k7f2b0001", "0q3k7f2b0002"):
            await ledger.add_run(a_run(run_id))
        return [(await ledger.run(given)).id for given in ("0q3k7f2a", "0Q3K7F2A0", "0q3k7f2b0002", "latest")]

    assert ["0q3k7f2a0001", "0q3k7f2a0001", "0q3k7f2b0002", "0q3k7f2b0002"] == use(location, steps)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0q3k7f2b", "more than one run begins with"),
        ("zz", 'no run has the id "zz"'),
        ("%", 'no run has the id "%"'),
        ("", 'no run has the id ""'),
    ],
)
def test_an_id_that_names_no_single_run_is_a_usage_error(location: Path | str, given: str, message: str) -> None:
    """Unknown and ambiguous ids are told apart; wildcards of the database are plain characters."""

    async def steps(ledger: Ledger) -> None:
        for run_id in ("0q3k7f2a0001", "0q3k7f2b0001", "0q3k7f2b0002"):
            await ledger.add_run(a_run(run_id))
        await ledger.run(given)

    with pytest.raises(UsageError, match=message):
        use(location, steps)


def test_runs_are_listed_newest_first_a_page_at_a_time(location: Path | str) -> None:
    """Pages follow each other without gap or repetition; name and status narrow them."""

    async def steps(ledger: Ledger) -> list[list[str]]:
        for number in range(5):
            await ledger.add_run(a_run(f"run{number}", name="odd" if number % 2 else "even"))
        await ledger.end_run(replace(a_run("run1", name="odd"), status="completed", ended_ms=5))
        pages = [
            await ledger.runs(limit=2),
            await ledger.runs(limit=2, before="run3"),
            await ledger.runs(name="odd"),
            await ledger.runs(status="running", name="odd"),
        ]
        return [[run.id for run in page] for page in pages]

    assert [["run4", "run3"], ["run2", "run1"], ["run3", "run1"], ["run3"]] == use(location, steps)


def test_runs_of_the_same_request_are_found(location: Path | str) -> None:
    """A run is found by what was asked for, newest first, others are not."""

    async def steps(ledger: Ledger) -> list[str]:
        for run_id, request in (("run1", "a"), ("run2", "b"), ("run3", "a")):
            await ledger.add_run(a_run(run_id, request=request))
        return [run.id for run in await ledger.runs_of_request("a")]

    assert ["run3", "run1"] == use(location, steps)


def test_an_orphaned_run_is_adopted_by_one_process_only(location: Path | str) -> None:
    """Of two processes that want the run of a dead one, the first gets it and the second is told."""

    async def steps(ledger: Ledger) -> tuple[bool, bool, str]:
        await ledger.add_run(a_run())
        first = await ledger.adopt_run(a_run().id, owner="owner-1", by="owner-2", plan_digest="q" * 64)
        second = await ledger.adopt_run(a_run().id, owner="owner-1", by="owner-3", plan_digest="q" * 64)
        return first, second, (await ledger.run(a_run().id)).owner

    assert (True, False, "owner-2") == use(location, steps)


def test_an_intent_is_stored_with_its_job(location: Path | str) -> None:
    """Job and attempt are there, as given, after the intent; what became of the attempt is kept."""
    run = a_run()
    job = a_job(run)

    async def steps(ledger: Ledger) -> tuple[object, object]:
        await ledger.add_run(run)
        await ledger.intend(job, an_attempt(job))
        await ledger.update_attempt(an_attempt(job).prompt_id, status="submitted", server="gpu1", submitted_ms=7)
        return await ledger.jobs(run.id), await ledger.attempts(run.id)

    submitted = replace(an_attempt(job), status="submitted", server="gpu1", submitted_ms=7)
    assert ((job,), (submitted,)) == use(location, steps)


def test_a_second_attempt_keeps_the_job(location: Path | str) -> None:
    """Attempts at one job are listed first to last; the job is one row."""
    run = a_run()
    job = a_job(run)

    async def steps(ledger: Ledger) -> tuple[int, list[int]]:
        await ledger.add_run(run)
        await ledger.intend(job, an_attempt(job, 1))
        await ledger.intend(job, an_attempt(job, 2))
        return len(await ledger.jobs(run.id)), [each.number for each in await ledger.attempts_at(job.id)]

    assert (1, [1, 2]) == use(location, steps)


def test_a_completed_job_completes_its_attempt(location: Path | str) -> None:
    """Job and attempt are completed together, with the outputs."""
    run = a_run()
    job = a_job(run)
    attempt = an_attempt(job)

    async def steps(ledger: Ledger) -> object:
        await ledger.add_run(run)
        await ledger.intend(job, attempt)
        await ledger.complete_job(job.id, [an_output(job)], ended_ms=9, prompt_id=attempt.prompt_id, execution_s=0.5)
        return await ledger.jobs(run.id), await ledger.attempts(run.id)

    done = (
        replace(job, status="completed", ended_ms=9),
        replace(attempt, status="completed", ended_ms=9, execution_s=0.5),
    )
    assert ((done[0],), (done[1],)) == use(location, steps)


def test_an_attempt_without_its_job_is_not_stored(location: Path | str) -> None:
    """A transaction that fails leaves nothing of itself: the job is not there either."""
    run = a_run()
    job = a_job(run)

    async def steps(ledger: Ledger) -> tuple[int, int]:
        await ledger.add_run(run)
        await ledger.intend(job, an_attempt(job))
        other = a_job(run, "other")
        with pytest.raises(Exception, match=r"(?i)unique"):
            await ledger.intend(other, replace(an_attempt(other), prompt_id=an_attempt(job).prompt_id))
        return len(await ledger.jobs(run.id)), len(await ledger.attempts(run.id))

    assert (1, 1) == use(location, steps)


def test_outputs_come_back_in_order(location: Path | str) -> None:
    """Files under one name keep their order; plain values, null included, come back as they were."""
    run = a_run()
    job = a_job(run)
    given = (
        OutputRecord(job.id, "caption", "3", value={"a": [1, None]}),
        an_output(job, "image", position=0, sha256="b" * 64),
        an_output(job, "image", position=1, sha256="a" * 64),
        OutputRecord(job.id, "nothing", "4", value=None),
    )

    async def steps(ledger: Ledger) -> object:
        await completed(ledger, run, job, *given)
        return await ledger.outputs([job.id, "unknown"])

    assert {job.id: given, "unknown": ()} == use(location, steps)


@pytest.mark.parametrize("value", [7, 1.0, 2**70, -(2**63), "7", "1e5", "a\ud800", [2**64], {"a": 0.1}, True, 1e300])
def test_a_plain_value_comes_back_as_it_was(location: Path | str, value: JSON) -> None:
    """No database makes another number of a number, or a number of a text."""
    run = a_run()
    job = a_job(run)

    async def steps(ledger: Ledger) -> JSON:
        await completed(ledger, run, job, OutputRecord(job.id, "value", "3", value=value))
        return (await ledger.outputs([job.id]))[job.id][0].value

    found = use(location, steps)
    assert (value, type(value)) == (found, type(found))


def test_the_runs_of_a_batch_are_found(location: Path | str) -> None:
    """Runs know the row of the batch that they belong to, and a list can be kept to one batch."""
    rows = [replace(a_run(f"run{n}"), batch_id="batch1", row_key=f"row{n}") for n in range(2)]

    async def steps(ledger: Ledger) -> tuple[RunRecord, ...]:
        for run in (*rows, a_run("run3")):
            await ledger.add_run(run)
        return await ledger.runs(batch_id="batch1")

    assert (rows[1], rows[0]) == use(location, steps)


def test_completed_jobs_are_found_by_digest(location: Path | str) -> None:
    """Completed jobs of a digest come with their outputs, the newest first; failed and running ones do not."""

    async def steps(ledger: Ledger) -> list[tuple[str, int]]:
        for number, status in enumerate(["completed", "completed", "failed", "running"]):
            run = a_run(f"run{number}")
            job = replace(a_job(run), created_ms=number)
            await ledger.add_run(run)
            await ledger.intend(job, an_attempt(job))
            if status == "completed":
                await finish(ledger, job, an_output(job))
            elif status == "failed":
                await ledger.end_job(job.id, "failed", ended_ms=9, error={"message": "no"})
        return [(job.run_id, len(given)) for job, given in await ledger.stored_jobs("d" * 64, simulated=False)]

    assert [("run1", 1), ("run0", 1)] == use(location, steps)


def test_simulated_results_satisfy_only_those_who_ask_for_them(location: Path | str) -> None:
    """A simulated job is found only by a simulated run, and there after the real ones."""

    async def steps(ledger: Ledger) -> tuple[list[str], list[str]]:
        for run_id, simulated in (("real", False), ("simulated", True)):
            run = a_run(run_id)
            await completed(ledger, run, a_job(run), simulated=simulated)
        found = [await ledger.stored_jobs("d" * 64, simulated=simulated) for simulated in (False, True)]
        return [job.run_id for job, _ in found[0]], [job.run_id for job, _ in found[1]]

    assert (["real"], ["real", "simulated"]) == use(location, steps)


def test_a_search_can_be_kept_to_one_chain_of_runs(location: Path | str) -> None:
    """With an origin, only jobs of runs that continue each other are found."""

    async def steps(ledger: Ledger) -> list[str]:
        other, first = a_run("run1"), a_run("run2")
        for run in (other, first):
            await completed(ledger, run, a_job(run))
        return [job.run_id for job, _ in await ledger.stored_jobs("d" * 64, simulated=False, origin="run2")]

    assert ["run2"] == use(location, steps)


def test_a_job_that_was_begun_can_be_taken_from_the_cache(location: Path | str) -> None:
    """A resumed run may find that the job it had begun is done elsewhere: the job becomes the finished one."""
    run = a_run()
    job = a_job(run)
    done = replace(job, status="completed", cached_from="some-other-job", ended_ms=9)

    async def steps(ledger: Ledger) -> object:
        await ledger.add_run(run)
        await ledger.intend(job, an_attempt(job))
        await ledger.add_finished_job(done, [an_output(job)])
        return await ledger.jobs(run.id), await ledger.outputs([job.id])

    assert ((done,), {job.id: (an_output(job),)}) == use(location, steps)


def test_doing_a_job_again_replaces_its_outputs(location: Path | str) -> None:
    """When a stored file was lost and the job ran again, only the new outputs remain."""
    run = a_run()
    job = a_job(run)
    new = an_output(job, sha256="b" * 64)

    async def steps(ledger: Ledger) -> object:
        await completed(ledger, run, job, an_output(job), an_output(job, "mask"))
        await ledger.intend(job, an_attempt(job, 2))
        await finish(ledger, job, new, number=2)
        return await ledger.outputs([job.id])

    assert {job.id: (new,)} == use(location, steps)


def test_calls_at_the_same_time_are_all_stored(location: Path | str) -> None:
    """A hundred runs stored at once are all there, and one that cannot be stored does not take others with it."""

    async def steps(ledger: Ledger) -> tuple[int, int]:
        doubled = [a_run(f"run{number % 100:03}") for number in range(101)]
        results = await asyncio.gather(*(ledger.add_run(run) for run in doubled), return_exceptions=True)
        return sum(result is not None for result in results), len(await ledger.runs(limit=1000))

    assert (1, 100) == use(location, steps)
