"""Flows made of manifests, run against a real Prefect server on the embedded engine."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.flows.observed import artifacts, final_state, flow_run_of, task_states
from tests.flows.prefect_server import PrefectServer

from comfypipe.errors import InputInvalid
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.orchestration import flow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_a_pipeline_is_a_flow_with_a_task_run_for_each_step(prefect_api: PrefectServer, project_copy: Path) -> None:
    """A pipeline's flow returns its run; Prefect has the steps as task runs, a readable name, and artifacts of it."""

    async def scenario() -> None:
        state = await final_state(flow("product_card", project_copy), size=128, colours=["#336699", "#993333"])
        run: Run = await state.aresult()
        flow_run = await flow_run_of(state)
        assert ("product_card: colours 2 items, size 128", True) == (flow_run.name, state.is_completed())
        assert {"cutout": "Completed", "variants": "Completed", "cards": "Completed", "sheet": "Completed"} == (
            await task_states(flow_run.id, ended=4)
        )
        assert [("cutout", 1), ("variants", 2), ("cards", 2), ("sheet", 1)] == [
            (step.id, step.jobs) for step in run.steps
        ]

        shown = await artifacts(flow_run.id)
        assert {"product-card-steps", "product-card-outputs"} == set(shown) - {"product-card-progress"}
        assert ["cutout", "variants", "cards", "sheet"] == [
            row["step"] for row in json.loads(str(shown["product-card-steps"].data))
        ]
        assert str(run.outputs["sheet"].path) in str(shown["product-card-outputs"].data)

    asyncio.run(scenario())
    assert [] == list(project_copy.glob(".comfypipe/prefect/*"))


def test_a_skipped_step_and_a_picture_with_an_address(
    prefect_api: PrefectServer, project_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that was not to run is a task run called Skipped; pictures are shown where a browser can reach them."""
    monkeypatch.setenv("COMFYPIPE_ARTIFACT_URL", "https://files.example/{sha256}")
    (project_copy / "manifests/either.yaml").write_text(
        """
        apiVersion: comfypipe/v1
        kind: Pipeline
        inputs: {tint: {type: boolean, default: false}, photo: {type: image, default: assets/vase.png}}
        steps:
          - {id: small, workflow: cutout, inputs: {photo: "{{ inputs.photo }}", size: 64}}
          - {id: tinted, workflow: recolour, when: "{{ inputs.tint }}",
             inputs: {image: "{{ steps.small.outputs.image }}"}}
        outputs: {small: "{{ steps.small.outputs.image }}"}
        """
    )

    async def scenario() -> None:
        state = await final_state(flow("either", project_copy))
        run: Run = await state.aresult()
        flow_run = await flow_run_of(state)
        assert {"small": "Completed", "tinted": "Skipped"} == await task_states(flow_run.id, ended=2)
        picture = (await artifacts(flow_run.id))["either-small"]
        assert ("image", f"https://files.example/{run.outputs['small'].sha256}") == (picture.type, picture.data)

    asyncio.run(scenario())


def test_a_failed_run_fails_the_flow_with_its_error(prefect_api: PrefectServer, project_copy: Path) -> None:
    """A step that fails is a failed task run, what reads it is cancelled, and the flow fails with the run's error."""
    (project_copy / "manifests/broken.yaml").write_text(
        """
        apiVersion: comfypipe/v1
        kind: Pipeline
        inputs: {photo: {type: image}}
        steps:
          - {id: first, workflow: cutout, inputs: {photo: "{{ inputs.photo }}"}}
          - {id: second, workflow: recolour, inputs: {image: "{{ steps.first.outputs.image }}"}}
        outputs: {image: "{{ steps.second.outputs.image }}"}
        """
    )
    (project_copy / "no.png").write_bytes(b"this is no picture")

    async def scenario() -> None:
        state = await final_state(flow("broken", project_copy), photo=str(project_copy / "no.png"))
        flow_run = await flow_run_of(state)
        assert state.is_failed()
        assert "no.png" in str(await state.aresult(raise_on_failure=False))
        assert {"first": "Failed", "second": "Cancelled"} == await task_states(flow_run.id, ended=2)
        rows = json.loads(str((await artifacts(flow_run.id))["broken-steps"].data))
        assert [("first", "failed"), ("second", "cancelled")] == [(row["step"], row["status"]) for row in rows]

    asyncio.run(scenario())


def test_a_missing_file_fails_before_anything_runs(prefect_api: PrefectServer, project_copy: Path) -> None:
    """An input that does not fit fails the flow run, and leaves nothing in the ledger."""

    async def scenario() -> None:
        state = await final_state(flow("recolour", project_copy), image=str(project_copy / "none.png"))
        assert isinstance(await state.aresult(raise_on_failure=False), InputInvalid)
        async with Project.load(project_copy) as project:
            assert () == await project.runs()

    asyncio.run(scenario())


def test_the_same_flow_again_is_answered_from_the_store(prefect_api: PrefectServer, project_copy: Path) -> None:
    """A second run of the same request executes nothing: the ledger, not Prefect's cache, has the outputs."""

    async def scenario() -> None:
        made = flow("recolour", project_copy)
        first, second = await made(colour="#336699"), await made(colour="#336699")
        assert (False, True) == (first.cached, second.cached)
        assert first.outputs["image"].sha256 == second.outputs["image"].sha256
        assert first.id != second.id

    asyncio.run(scenario())
