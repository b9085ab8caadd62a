"""The progress artifact, on a real Prefect server."""

import asyncio
from uuid import UUID

import pytest
from prefect import flow, runtime
from tests.flows.observed import artifacts, eventually
from tests.flows.prefect_server import PrefectServer

from comfypipe.execution.events import JobFinished, RunStarted, StepFinished, StepStarted
from comfypipe.orchestration.progress import Tally, progress_artifact

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


async def shown(flow_run_id: UUID, percent: float) -> bool:
    """Return when the flow run has a progress artifact that says *percent*."""

    async def read() -> bool | None:
        found = (await artifacts(flow_run_id)).get("dots-progress")
        return True if found is not None and found.data == percent else None

    return await eventually(read, what=f"a progress of {percent} %")


def test_progress_follows_a_run(prefect_api: PrefectServer) -> None:
    """The artifact is brought up to date while the run goes on, and a last time when it ends."""

    @flow
    async def dots() -> UUID:
        tally, flow_run_id = Tally(), UUID(str(runtime.flow_run.get_id()))
        async with progress_artifact("dots", lambda: tally.percent, tally.changed):
            tally(RunStarted("r", "dots", ("first", "second")))
            tally(StepStarted("r", "first", 4))
            tally(JobFinished("r", "first", 0, cached=False))
            await shown(flow_run_id, 12.5)
            tally(StepFinished("r", "first", "completed"))
            await shown(flow_run_id, 50)
            tally(StepFinished("r", "second", "completed"))
        return flow_run_id

    async def scenario() -> None:
        assert 100 == (await artifacts(await dots()))["dots-progress"].data

    asyncio.run(scenario())


def test_a_short_run_has_none(prefect_api: PrefectServer) -> None:
    """What is over at once costs Prefect's server nothing."""

    @flow
    async def dot() -> UUID:
        async with progress_artifact("dots", lambda: 100.0, asyncio.Event()):
            return UUID(str(runtime.flow_run.get_id()))

    async def scenario() -> None:
        assert {} == await artifacts(await dot())

    asyncio.run(scenario())
