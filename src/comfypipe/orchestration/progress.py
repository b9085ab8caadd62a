"""How far a run is, as Prefect shows it: a progress artifact, a task run for each step, and lines in the log."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, cast

from prefect import State, task
from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Cancelled, Completed, Failed

from comfypipe.errors import ComfypipeError
from comfypipe.execution.events import Event, JobFailed, JobFinished, RunStarted, StepFinished, StepSkipped, StepStarted
from comfypipe.orchestration.artifacts import artifact_key, attempt

MakeState: TypeAlias = Callable[[], State]
"""Makes a state when it is due: Prefect's server orders states by the time at which they were made."""

EVERY_S = 2.0
"""Progress is told no more often, and not before: each time is a request to Prefect's server."""


@dataclass(slots=True)
class Tally:
    """
    Counts what is done; each step weighs the same, as nobody knows beforehand how many jobs a later one has.

    Attributes:
        changed: Set whenever there is something new.
    """

    changed: asyncio.Event = field(default_factory=asyncio.Event)
    steps: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Count *event*."""
        match event:
            case RunStarted():
                self.steps = dict.fromkeys(event.steps, (0, 1))
            case StepStarted():
                self.steps[event.step] = (0, max(1, event.jobs))
            case JobFinished() | JobFailed():
                done, of = self.steps.get(event.step, (0, 1))
                self.steps[event.step] = (min(done + 1, of), of)
            case StepFinished() | StepSkipped():
                self.steps[event.step] = (1, 1)
            case _:
                return
        self.changed.set()

    @property
    def percent(self) -> float:
        """How much is done, from 0 to 100."""
        return 100 * sum(done / of for done, of in self.steps.values()) / len(self.steps) if self.steps else 0.0


@asynccontextmanager
async def progress_artifact(name: str, percent: Callable[[], float], changed: asyncio.Event) -> AsyncIterator[None]:
    """
    Keep a Prefect progress artifact up to date for the length of the block; none is made for a block that is short.

    Args:
        percent: Asked for the progress, from 0 to 100, after *changed* was set.
    """
    telling = asyncio.create_task(_tell(name, percent, changed))
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling


async def _tell(name: str, percent: Callable[[], float], changed: asyncio.Event) -> None:
    await asyncio.sleep(EVERY_S)
    key = artifact_key(name, "progress")
    made = await attempt(acreate_progress_artifact(_rounded(percent), key=key, description=name))
    if made is None:
        return
    try:
        while True:
            await changed.wait()
            changed.clear()
            await attempt(aupdate_progress_artifact(made, _rounded(percent)))
            await asyncio.sleep(EVERY_S)
    finally:
        await attempt(aupdate_progress_artifact(made, _rounded(percent)))


def _rounded(percent: Callable[[], float]) -> float:
    return round(percent(), 1)


class StepTasks:
    """
    A Prefect task run for each step of a run, from its start to its end, so that Prefect shows them as it shows tasks.

    The steps themselves are run by `comfypipe.execution`; these task runs follow them.
    """

    def __init__(self) -> None:
        self._ended: dict[str, asyncio.Future[MakeState]] = {}
        self._errors: dict[str, ComfypipeError] = {}
        self._following: set[asyncio.Task[Any]] = set()

    def __call__(self, event: Event) -> None:
        """Begin or end a task run, where *event* begins or ends a step."""
        match event:
            case StepStarted():
                self._begin(event.step)
            case JobFailed():
                self._errors.setdefault(event.step, event.error)
            case StepSkipped():
                self._end(event.step, partial(Completed, name="Skipped"))
            case StepFinished():
                self._end(event.step, self._state(event))

    async def settle(self) -> None:
        """Wait for the task runs to end; those whose steps never did are cancelled."""
        for ended in self._ended.values():
            if not ended.done():
                ended.set_result(partial(Cancelled, message="the run was cancelled"))
        await asyncio.gather(*self._following, return_exceptions=True)

    def _begin(self, step: str) -> asyncio.Future[MakeState]:
        ended = self._ended[step] = asyncio.get_running_loop().create_future()

        @task(name=step, task_run_name=step, cache_policy=NO_CACHE)
        async def follow() -> State:
            made: State = (await asyncio.shield(ended))()
            return made

        # Prefect's types say that the state is there at once; for an async task it is awaited.
        call = cast("Coroutine[Any, Any, State]", follow(return_state=True))
        self._following.add(asyncio.create_task(call))
        return ended

    def _end(self, step: str, state: MakeState) -> None:
        ended = self._ended.get(step) or self._begin(step)
        ended.set_result(state)

    def _state(self, event: StepFinished) -> MakeState:
        if event.status == "completed":
            return Completed
        if event.status == "cancelled":
            return partial(Cancelled, message="a step that it reads did not end well")
        error = self._errors.get(event.step)
        return partial(Failed, message=str(error) if error else "failed")
