"""Tasks in flows that are written by hand, against a real Prefect server on the embedded engine."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from tests.flows.observed import artifacts, final_state, flow_run_of, run_counts, task_states
from tests.flows.prefect_server import PrefectServer

from comfypipe.backends.base import Backend, RunHandle, Submission
from comfypipe.backends.embedded import EmbeddedBackend
from comfypipe.errors import (
    BackendError,
    BackendRejected,
    BackendUnavailable,
    PlanError,
    RunFailed,
    RunTimedOut,
    UsageError,
)
from comfypipe.execution.backoff import Patience
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.orchestration import (
    BatchReport,
    begin_batch,
    collect,
    open_project,
    render,
    run_batch,
    run_chunk,
    run_workflow,
    submit,
    wait,
)
from comfypipe.project import ProjectLayout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@flow(name="stages")
async def stages(project: Path, size: int, *, keep_open: bool = True) -> Run:
    """Run one prompt in four tasks."""
    async with open_project(project if keep_open else None):
        rendered = await render("cutout", {"photo": str(project / "assets/vase.png"), "size": size})
        return await collect(await wait(await submit(rendered)))


def test_four_tasks_make_a_run(prefect_api: PrefectServer, project_copy: Path) -> None:
    """render, submit, wait and collect, each a task run, give what Project.run gives; and again, from the store."""

    async def scenario() -> None:
        state = await final_state(stages, project=project_copy, size=64)
        run: Run = await state.aresult()
        names = {"render cutout", "submit cutout", "wait for cutout", "collect cutout"}
        assert dict.fromkeys(names, "Completed") == await task_states((await flow_run_of(state)).id, ended=4)
        again = await stages(project_copy, 64)
        async with Project.load(project_copy) as project:
            whole = await project.run("cutout", {"photo": str(project_copy / "assets/vase.png"), "size": 64})
            attempts = [len(await project.ledger.attempts(each)) for each in (run.id, again.id, whole.id)]
        assert ("completed", [1, 0, 0]) == (run.status, attempts)
        assert [False, True, True] == [run.cached, again.cached, whole.cached]
        assert 1 == len({each.outputs["image"].sha256 for each in (run, again, whole)})

    asyncio.run(scenario())


def test_a_prompt_in_this_process_needs_an_open_project(
    prefect_api: PrefectServer, project_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no project outlives the task, submitting to an engine in this process is an error that says what to do."""
    monkeypatch.chdir(project_copy)

    @flow
    async def careless() -> None:
        await submit(await render("cutout", {"photo": "assets/vase.png"}))

    with pytest.raises(UsageError, match="async with open_project"):
        asyncio.run(careless())


def test_a_prompt_that_changed_since_it_was_rendered_is_not_submitted(
    prefect_api: PrefectServer, project_copy: Path
) -> None:
    """What is submitted is what was rendered, or nothing."""

    @flow
    async def changed() -> None:
        async with open_project(project_copy) as project:
            rendered = await render("recolour", {"colour": "#336699"})
            template = project.layout.workflows / "recolour.json.j2"
            template.write_text(template.read_text().replace("multiply", "screen"))
            await submit(rendered)

    assert "multiply" in (project_copy / "workflows/recolour.json.j2").read_text()
    with pytest.raises(PlanError, match="changed since it was rendered"):
        asyncio.run(changed())


class Unreliable(EmbeddedBackend):
    """Refuses the first submissions with an error, then works."""

    def __init__(self, folder: Path, error: BackendError, faults: int) -> None:
        super().__init__(folder)
        self.error = error
        self.faults = faults

    async def submit(self, submission: Submission) -> RunHandle:
        """Refuse, while there are faults left."""
        if self.faults:
            self.faults -= 1
            raise self.error
        return await super().submit(submission)


@pytest.mark.parametrize(
    ("error", "expected"), [(BackendUnavailable("gone"), ("Completed", 2)), (BackendRejected("no"), ("Failed", 1))]
)
def test_only_faults_that_are_worth_it_are_tried_again(
    prefect_api: PrefectServer, project_copy: Path, error: BackendError, expected: tuple[str, int]
) -> None:
    """When the tries of the execution are used up, Prefect tries again what may succeed later, and nothing else."""
    layout = ProjectLayout.find(project_copy)

    def opener(_url: str, layout: ProjectLayout) -> Backend:
        return Unreliable(layout.engine, error, faults=3)  # as many as the manifest allows tries

    @flow
    async def outage() -> None:
        patience = Patience(first_delay_s=0.01)
        async with Project(layout, opener=opener, patience=patience) as project, open_project(project):
            await run_workflow.with_options(retry_delay_seconds=0.1)("recolour")

    async def scenario() -> None:
        state = await final_state(outage)
        flow_run_id = (await flow_run_of(state)).id
        assert {"recolour": expected[0]} == await task_states(flow_run_id, ended=1)
        assert {"recolour": expected[1]} == await run_counts(flow_run_id)

    asyncio.run(scenario())


def test_a_chunk_is_tried_again_while_rows_may_go_well(
    prefect_api: PrefectServer, project_copy: Path, tmp_path: Path
) -> None:
    """A server that is away for a while fails no row for good; rows that were done are not executed again."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"colour": "#112233"}\n{"colour": "#112244"}\n{"colour": "red"}\n')
    layout = ProjectLayout.find(project_copy)

    def opener(_url: str, layout: ProjectLayout) -> Backend:
        return Unreliable(
            layout.engine, BackendUnavailable("gone"), faults=4
        )  # three of the first row, one of the next

    @flow
    async def outage() -> BatchReport:
        patience = Patience(first_delay_s=0.01)
        async with Project(layout, opener=opener, patience=patience) as project, open_project(project):
            begun = await begin_batch("recolour", rows, skip_invalid=True)
            (chunk,) = begun.chunks
            return await run_chunk.with_options(retry_delay_seconds=0.1)(chunk, concurrency=1)

    async def scenario() -> None:
        state = await final_state(outage)
        report: BatchReport = await state.aresult()
        assert (2, 1, 0, 1, 0) == (report.completed, report.cached, report.failed, report.invalid, report.passing)
        flow_run_id = (await flow_run_of(state)).id
        await task_states(flow_run_id, ended=2)
        assert 2 == (await run_counts(flow_run_id))["recolour: 3 rows after 0"]

    asyncio.run(scenario())


def test_a_run_that_takes_too_long_is_stopped(prefect_api: PrefectServer, project_copy: Path) -> None:
    """The manifest's timeout_s holds in a flow: the run is cancelled on its backend, and the task fails for good."""
    manifest = project_copy / "manifests/card.yaml"
    manifest.write_text(manifest.read_text() + "timeout_s: 0.05\n")

    @flow
    async def hurried() -> None:
        async with open_project(project_copy):
            await run_workflow("card", {"product": str(project_copy / "assets/vase.png"), "size": 2048})

    async def scenario() -> None:
        state = await final_state(hurried)
        assert isinstance(await state.aresult(raise_on_failure=False), RunTimedOut)
        assert {"card": 1} == await run_counts((await flow_run_of(state)).id)
        async with Project.load(project_copy) as project:
            (run,) = await project.ledger.runs()
            assert ["cancelled"] == [each.status for each in await project.ledger.attempts(run.id)]

    asyncio.run(scenario())


def test_a_batch_runs_in_chunks_and_goes_on(prefect_api: PrefectServer, project_copy: Path, tmp_path: Path) -> None:
    """A task for each chunk, not for each row; a bad picture fails alone; with a good one only that row is executed."""
    rows, picture = tmp_path / "rows.csv", tmp_path / "photo.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    vase = project_copy / "assets/vase.png"
    colours = ["#112233", "#112244", "#112255", "#112266", "#112277"]
    lines = [f"{colour},{picture if number == 2 else vase}" for number, colour in enumerate(colours)]
    rows.write_text("\n".join(["colour,image", *lines]))

    @flow
    async def batch() -> BatchReport:
        async with open_project(project_copy):
            report = await run_batch("recolour", rows, out=tmp_path / "out", chunk_size=2, concurrency=2)
            return report.raise_if_failed()

    async def scenario() -> None:
        state = await final_state(batch)
        failure: Any = await state.aresult(raise_on_failure=False)
        assert isinstance(failure, RunFailed)
        assert "1 of 5 rows failed" in str(failure)
        flow_run_id = (await flow_run_of(state)).id
        tasks = await task_states(flow_run_id, ended=5)
        chunks = {f"recolour: {n} rows after {after}" for n, after in ((2, 0), (2, 2), (1, 4))}
        assert {"rows of recolour", "results of recolour", *chunks} == {*tasks}
        shown = await artifacts(flow_run_id)
        assert {"recolour-rows-2-failed", "recolour-batch"} == {key for key in shown if not key.endswith("progress")}

        picture.write_bytes(vase.read_bytes())
        assert BatchReport(completed=5, cached=4) == await batch()
        assert 5 == len({path.read_bytes() for path in (tmp_path / "out").rglob("*.png")})
        results = [json.loads(line) for line in (tmp_path / "out/results.jsonl").read_text().splitlines()]
        assert [(number, "completed") for number in range(1, 6)] == [(each["row"], each["status"]) for each in results]

    asyncio.run(scenario())
