"""Several coroutines at once."""

import asyncio

import pytest

from comfypipe.errors import RunCancelled, RunFailed
from comfypipe.execution.together import settle


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
