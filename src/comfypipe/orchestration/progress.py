"""How far a run is, as Prefect shows it: a progress artifact, a task run for each step, and lines in the log."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

from comfypipe.execution.events import Event, JobFailed, JobFinished, RunStarted, StepFinished, StepSkipped, StepStarted
from comfypipe.orchestration.artifacts import artifact_key, attempt

EVERY_S = 2.0
"""Progress is told no more often: each time is a request to Prefect's server."""


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
    Keep a Prefect progress artifact up to date for the length of the block.

    Args:
        percent: Asked for the progress, from 0 to 100, after *changed* was set.
    """
    made = await attempt(acreate_progress_artifact(0.0, key=artifact_key(name, "progress"), description=name))
    if made is None:
        yield
        return

    async def tell() -> None:
        await attempt(aupdate_progress_artifact(made, round(percent(), 1)))

    telling = asyncio.create_task(_whenever(changed, tell))
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        await tell()


async def _whenever(changed: asyncio.Event, tell: Callable[[], Awaitable[None]]) -> None:
    while True:
        await changed.wait()
        changed.clear()
        await tell()
        await asyncio.sleep(EVERY_S)
