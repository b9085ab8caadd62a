"""The flows of this repository, as `flows/` has them."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest
from flows.nightly_turntable import nightly_turntable
from flows.product_card import product_card
from flows.recolour_batch import recolour_batch
from prefect import get_client
from prefect.flow_runs import aresume_flow_run
from tests.flows.observed import eventually, final_state
from tests.flows.prefect_server import PrefectServer

from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.orchestration import BatchReport

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def here(prefect_api: PrefectServer, project_copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory: a copy of this project."""
    monkeypatch.chdir(project_copy)
    return project_copy


def test_the_turntable_is_made_once_for_the_same_frames(here: Path) -> None:
    """A night after which no frame changed costs nothing; one on which a frame did makes a new video."""
    first: Run = asyncio.run(nightly_turntable())
    second: Run = asyncio.run(nightly_turntable())
    (here / "assets/turntable/00.png").unlink()
    third: Run = asyncio.run(nightly_turntable())
    assert [False, True, False] == [run.cached for run in (first, second, third)]
    assert ".mp4" == Path(first.outputs["video"].filename).suffix
    assert (here / "out/turntable/video.mp4").read_bytes() != (here / "out/turntable/video_2.mp4").read_bytes()


def test_the_batch_makes_a_picture_a_row(here: Path) -> None:
    """Each row of the file is one picture in the folder, whatever the size of the chunks."""
    assert BatchReport(completed=6) == asyncio.run(recolour_batch(chunk_size=4))
    assert 6 == len(list((here / "out/recolour").rglob("*.png")))


def test_a_sheet_waits_for_approval(here: Path) -> None:
    """Asked to, the flow waits until somebody has looked at the cards; those that are left out are not on the sheet."""

    async def scenario() -> None:
        flow_run = asyncio.ensure_future(final_state(product_card, size=128, ask=True))
        await aresume_flow_run(await paused("product_card"), run_input={"approved": True, "leave_out": [2]})
        run: Run = await (await flow_run).aresult()
        async with Project.load(here) as project:
            (job,) = (await project.details(run.id)).jobs
        assert 2 == len(job.job.inputs["images"])

    asyncio.run(scenario())


async def paused(name: str) -> UUID:
    """Return the id of the flow run of *name* that waits for an answer."""

    async def read() -> UUID | None:
        async with get_client() as client:
            found = [each for each in await client.read_flow_runs() if each.state_name == "Paused"]
            flows = {each.id: (await client.read_flow(each.flow_id)).name for each in found}
        return next((each for each, of in flows.items() if of == name), None)

    return await eventually(read, what="a flow run that is paused")
