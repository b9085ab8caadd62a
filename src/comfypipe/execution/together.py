"""Several coroutines at once."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable
from itertools import islice
from typing import Any, TypeVar

from comfypipe.errors import ComfypipeError, RunCancelled

T = TypeVar("T")


async def settle(work: Iterable[Coroutine[Any, Any, T]]) -> list[T | ComfypipeError]:
    """
    Run all of *work* at once, and return what each gave, or the error that it raised on purpose.

    One that fails does not stop the others. Cancelling cancels them all, and waits for them. Any other exception is a
    mistake in a program: it stops the others and is raised.
    """
    several = list(work)
    if len(several) == 1:
        return [await _caught(several[0])]  # a task would cost more than many a piece of work
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_caught(each)) for each in several]
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None
    return [task.result() for task in tasks]


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """
    Do *work* to its end, however often this is cancelled meanwhile: a cancellation comes to pass at the next await.

    For what makes good what a cancellation leaves behind.
    """
    task, working, cancelled = asyncio.current_task(), asyncio.ensure_future(work), False
    while not working.done():
        try:
            await asyncio.wait({working})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled and task is not None:
        task.uncancel()
        task.cancel()
    return working.result()


async def as_they_end(work: Iterable[Coroutine[Any, Any, T]], at_once: int) -> AsyncGenerator[T, None]:
    """
    Run *work*, so many *at_once*, and yield what each gives as it ends.

    Of *work* only as much is taken as there is room for. Closing the generator cancels what goes on, and waits for it.
    """
    pending: set[asyncio.Task[T]] = set()
    waiting = iter(work)
    try:
        while True:
            pending |= {asyncio.create_task(each) for each in islice(waiting, at_once - len(pending))}
            if not pending:
                return
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


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
