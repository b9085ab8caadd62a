"""The deployments of prefect.yaml: deployed to a real server, one run through a real worker, and one cancelled."""

import asyncio
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.states import Cancelling
from tests.flows.observed import artifacts, eventually, task_states
from tests.flows.prefect_server import PrefectServer, running

from comfypipe.execution.project import Project
from comfypipe.execution.records import Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

COLOURS = [f"#{number:02x}4080" for number in range(0, 240, 30)]


async def deployments() -> dict[str, DeploymentResponse]:
    """Return the deployments of the server by name."""
    async with get_client() as client:
        return {each.name: each for each in await client.read_deployments()}


def shlex_lines(page: Path) -> list[list[str]]:
    """Return the arguments of the commands of a page, each of which is Prefect's."""
    (block,) = re.findall(r"^```sh prefect\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line) for line in block.splitlines()]
    assert {"prefect"} == {command[0] for command in commands}
    return [command[1:] for command in commands]


async def only_run(deployment: DeploymentResponse) -> UUID:
    """Return the one run that a deployment has."""
    async with get_client() as client:
        wanted = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
        (run,) = await client.read_flow_runs(deployment_filter=wanted)
    return run.id


async def start(deployment: DeploymentResponse, **parameters: Any) -> UUID:
    """Ask for a run of a deployment, as its form does."""
    async with get_client() as client:
        return (await client.create_flow_run_from_deployment(deployment.id, parameters=parameters)).id


async def ended(flow_run_id: UUID) -> FlowRun:
    """Return a flow run when it has ended."""

    async def read() -> FlowRun | None:
        async with get_client() as client:
            run = await client.read_flow_run(flow_run_id)
        return run if run.state is not None and run.state.is_final() else None

    return await eventually(read, what="the end of the flow run", timeout_s=150)


async def begun(project: Project, runs: int) -> None:
    """Return when the ledger has so many runs at once that go on."""

    async def read() -> bool | None:
        return True if len(await project.ledger.runs(status="running")) >= runs else None

    await eventually(read, what=f"{runs} runs at once", timeout_s=120)


def test_deployments(prefect_api: PrefectServer, project_copy: Path, root: Path, tmp_path: Path) -> None:
    """The page's commands deploy all three and run one, whose result is read; another is cancelled."""
    *commands, worker = shlex_lines(root / "docs/prefect.md")
    for command in commands:
        prefect_api.prefect(*command, cwd=project_copy)
    keep = {"PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true"}

    async def scenario() -> None:
        found = await deployments()
        assert_deployed(found)
        sheet = await only_run(found["sheet"])
        with running(
            [sys.executable, "-m", "prefect", *worker],
            {**prefect_api.environment, **keep},
            project_copy,
            tmp_path / "worker.log",
        ):
            await assert_made(await ended(sheet), project_copy)
            await assert_cancelled(found["sheet"], project_copy)

    try:
        asyncio.run(scenario())
    except BaseException:
        print((tmp_path / "worker.log").read_text())  # noqa: T201 - shown by pytest where the test fails
        raise


def assert_deployed(found: dict[str, DeploymentResponse]) -> None:
    """The server has what prefect.yaml says."""
    assert {"batch", "nightly", "sheet"} == set(found)
    assert ["0 3 * * *"] == [getattr(each.schedule, "cron", None) for each in found["nightly"].schedules]
    limits = {name: each.global_concurrency_limit for name, each in found.items()}
    assert {"batch": 1, "nightly": 1, "sheet": 2} == {name: limit.limit for name, limit in limits.items() if limit}
    assert {"ENQUEUE"} == {
        str(each.concurrency_options.collision_strategy.value) for each in found.values() if each.concurrency_options
    }
    form = found["sheet"].parameter_openapi_schema or {}
    assert (8, 128, 2048) == tuple(form["properties"]["size"][key] for key in ("multipleOf", "minimum", "maximum"))


async def assert_made(flow_run: FlowRun, project_copy: Path) -> None:
    """The flow run ended well; its result, its files, its task runs and its Prefect artifacts can be read."""
    assert flow_run.state is not None
    run: Run = await flow_run.state.aresult()
    assert ("Completed", "contact_sheet", "completed") == (flow_run.state_name, run.name, run.status)
    (sheet,) = (project_copy / "out/product_card").glob("*.png")
    assert sheet == project_copy / run.outputs["image"].path
    provenance = json.loads(sheet.with_suffix(".json").read_text())
    assert run.id in json.dumps(provenance)
    names = await task_states(flow_run.id, ended=4)
    assert {"cutout", "recolour", "card", "contact_sheet"} == {name.split("-")[0] for name in names}
    assert {f"{name}-outputs" for name in ("cutout", "recolour", "card", "contact-sheet")} <= set(
        await artifacts(flow_run.id)
    )


async def assert_cancelled(deployment: DeploymentResponse, project_copy: Path) -> None:
    """A flow run that is cancelled in Prefect, in the middle of its fan-out, stops its prompts; the ledger says so."""
    flow_run_id = await start(deployment, size=2048, colours=COLOURS)
    async with Project.load(project_copy) as project:
        await begun(project, 3)
        async with get_client() as client:
            await client.set_flow_run_state(flow_run_id, Cancelling())
        assert "Cancelled" == (await ended(flow_run_id)).state_name
        runs = await project.ledger.runs(limit=100)
        assert {"completed", "cancelled"} == {run.status for run in runs}
        # Whether the process had time to withdraw its attempts, or was ended before, is the worker's affair: the hook
        # has ended the run either way, and the next run of the same request looks into what is open.
        stopped = [run for run in runs if run.status == "cancelled"]
        assert stopped
        assert all(run.ended_ms for run in stopped)
