"""Several coroutines at once."""

import asyncio

import pytest

from comfypipe.errors import RunCancelled, RunFailed
from comfypipe.execution.together import as_they_end, settle, shielded


async def give(value: int) -> int:
    """Return *value*, a little later."""
    await asyncio.sleep(0)
    return value


async def fail(error: BaseException) -> int:
    """Raise *error*."""
    raise error


def test_errors_are_results_and_stop_nobody() -> None:
    """What each gave, or raised on purpose, comes back in order."""

    async def steps() -> list[object]:
        return list(await settle([give(1), fail(RunFailed("no")), give(3)]))

    first, second, third = asyncio.run(steps())
    assert (1, "no", 3) == (first, str(second), third)


def test_a_mistake_is_raised_as_itself() -> None:
    """An exception that nobody meant to raise stops the others and is not wrapped."""

    async def steps() -> None:
        await settle([give(1), fail(ZeroDivisionError())])

    with pytest.raises(ZeroDivisionError):
        asyncio.run(steps())


def test_a_cancellation_that_nobody_asked_for_is_an_error() -> None:
    """When something inside is cancelled by itself, that part has failed and the others go on."""

    async def steps() -> list[object]:
        return list(await settle([fail(asyncio.CancelledError()), give(2)]))

    first, second = asyncio.run(steps())
    assert (RunCancelled, 2) == (type(first), second)


def test_cancelling_waits_for_all() -> None:
    """When the whole is cancelled each part has finished its own clean-up before it ends."""
    cleaned: list[int] = []

    async def part(number: int, begun: asyncio.Event) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(number)

    async def steps() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(settle([part(1, asyncio.Event()), part(2, begun)]))
        await begun.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(steps())
    assert [1, 2] == sorted(cleaned)


def test_results_come_as_they_end_and_no_more_is_begun_than_there_is_room_for() -> None:
    """With room for two, the third is begun when one has ended; everything comes, in the order of ending."""
    begun: list[int] = []

    async def part(number: int, gate: asyncio.Event) -> int:
        begun.append(number)
        await gate.wait()
        return number

    async def steps() -> tuple[list[int], list[int]]:
        gates = [asyncio.Event() for _ in range(3)]
        gates[1].set()
        results: list[int] = []
        async for result in as_they_end((part(number, gates[number]) for number in range(3)), 2):
            results.append(result)
            if result == 1:
                assert [0, 1] == begun
            gates[2].set()
            if result == 2:
                gates[0].set()
        return results, begun

    assert ([1, 2, 0], [0, 1, 2]) == asyncio.run(steps())


def test_shielded_work_ends_however_often_it_is_cancelled() -> None:
    """What it gives comes back; the cancellation comes to pass at the next await."""

    async def session() -> list[str]:
        seen: list[str] = []
        release = asyncio.Event()

        async def work() -> str:
            await release.wait()
            return "done"

        async def caller() -> None:
            seen.append(await shielded(work()))
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        task = asyncio.create_task(caller())
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        release.set()
        await asyncio.gather(task, return_exceptions=True)
        return [*seen, f"{task.cancelled()}"]

    assert ["done", "cancelled", "True"] == asyncio.run(session())


def test_errors_come_out_of_shielded_work() -> None:
    """An error is raised where the work was asked for."""

    async def work() -> None:
        raise RunFailed("no")

    with pytest.raises(RunFailed):
        asyncio.run(shielded(work()))
