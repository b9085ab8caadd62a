"""Several coroutines at once."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from comfypipe.errors import ComfypipeError, RunCancelled

T = TypeVar("T")


async def settle(work: Iterable[Coroutine[Any, Any, T]]) -> list[T | ComfypipeError]:
    """
    Run all of *work* at once, and return what each gave, or the error that it raised on purpose.

    One that fails does not stop the others. Cancelling cancels them all, and waits for them. Any other exception is a
    mistake in a program: it stops the others and is raised.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_caught(each)) for each in work]
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None
    return [task.result() for task in tasks]


async def _caught(work: Coroutine[Any, Any, T]) -> T | ComfypipeError:
    task = asyncio.current_task()
    try:
        return await work
    except ComfypipeError as error:
        return error
    except asyncio.CancelledError:
        if task is not None and task.cancelling():
            raise
        # Something inside was cancelled, and nobody asked for it: a group would pass over that in silence.
        return RunCancelled("was cancelled from inside")
