"""The steps of a plan: order, fan-out, skipping, and what a failure stops."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.execution.folder_backend import FolderBackend
from tests.unit.execution.projects import make_project, open_project

from comfypipe.backends.base import RunHandle, RunResult
from comfypipe.errors import RunFailed
from comfypipe.execution import events
from comfypipe.execution.events import Event
from comfypipe.execution.records import Run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of the example project."""
    return make_project(tmp_path / "project").root


@pytest.fixture
def backend(tmp_path: Path) -> FolderBackend:
    """Return a backend whose server is a folder."""
    return FolderBackend(tmp_path / "server")


def run(root: Path, backend: FolderBackend, name: str, inputs: dict[str, Any] | None = None, **options: Any) -> Run:
    """Run a workflow or pipeline of the example project."""

    async def session() -> Run:
        async with open_project(root, backend) as project:
            return await project.run(name, inputs, **options)

    return asyncio.run(session())


def statuses(run: Run) -> dict[str, str]:
    """Return how each step ended."""
    return {step.id: step.status for step in run.steps}


def pipeline(root: Path, name: str, steps: str) -> None:
    """Add a pipeline to the project."""
    text = f"apiVersion: comfypipe/v1\nkind: Pipeline\nname: {name}\nsteps:\n{steps}"
    (root / "manifests" / f"{name}.yaml").write_text(text)


def test_outputs_feed_later_steps(root: Path, backend: FolderBackend) -> None:
    """What a step saved is the next one's input file, byte for byte; a fan-out gathers into a list, in its order."""
    made = run(root, backend, "card", {"caption": True})
    assert dict.fromkeys(["draw", "variants", "sheet", "words", "again"], "completed") == statuses(made)
    sheet = made.outputs["sheet"].path.read_bytes()
    variants = [output.path.read_bytes() for output in made.outputs["variants"]]
    places = [sheet.index(content.hex().encode()) for content in variants]
    assert (3, sorted(places)) == (len(places), places)
    assert all(
        f'"{colour}"'.encode() in content for colour, content in zip(["red", "green", "blue"], variants, strict=True)
    )
    assert "a boat" == made.outputs["words"]


def test_a_skipped_step_skips_what_reads_it(root: Path, backend: FolderBackend) -> None:
    """A step whose condition is false does not run, nor does its reader; the others do, and its output is None."""
    heard: list[Event] = []
    made = run(root, backend, "card", listener=heard.append)
    assert ("skipped", "skipped", "completed") == tuple(statuses(made)[step] for step in ("words", "again", "sheet"))
    assert made.outputs["words"] is None
    assert [events.StepSkipped(made.id, "words"), events.StepSkipped(made.id, "again")] == [
        event for event in heard if isinstance(event, events.StepSkipped)
    ]


def test_an_empty_fan_out_is_done_at_once(root: Path, backend: FolderBackend) -> None:
    """A fan-out over nothing is completed, not skipped: what reads it gets an empty list."""
    made = run(root, backend, "card", {"colours": []})
    assert ("completed", "completed", ()) == (
        statuses(made)["variants"],
        statuses(made)["sheet"],
        made.outputs["variants"],
    )


def test_a_failing_job_stops_only_what_needs_it(root: Path, backend: FolderBackend) -> None:
    """One broken item fails its step and cancels the reader; its siblings and other branches finish and stay."""
    made = run(root, backend, "card", {"colours": ["red", "broken", "blue"], "caption": True}, check=False)
    assert {
        "draw": "completed",
        "variants": "failed",
        "sheet": "cancelled",
        "words": "completed",
        "again": "completed",
    } == statuses(made)
    assert ("failed", "RunFailed") == (made.status, (made.error or {})["type"])
    assert 5 == len(backend.executions)  # draw, three variants, one caption that serves both steps


def test_the_error_is_raised_unless_it_is_asked_for(root: Path, backend: FolderBackend) -> None:
    """A failed run raises what went wrong, as its own kind."""
    with pytest.raises(RunFailed, match="a node failed"):
        run(root, backend, "card", {"colours": ["broken"]})


def test_mending_the_cause_runs_only_what_failed(root: Path, backend: FolderBackend) -> None:
    """After a failure the same command takes up the seeds and finished jobs of the failed run."""
    first = run(root, backend, "card", {"colours": ["red", "broken", "blue"]}, check=False)
    template = root / "workflows" / "recolour.json.j2"
    template.write_text(template.read_text().replace('"broken"', '"nothing"'))
    second = run(root, backend, "card", {"colours": ["red", "broken", "blue"]})
    assert (first.id, first.inputs["seed"]) == (second.continues, second.inputs["seed"])
    assert ("completed", 6) == (second.status, len(backend.executions))


def test_steps_that_do_not_read_each_other_run_at_once(root: Path, backend: FolderBackend) -> None:
    """Two branches are in the backend's hands at the same time."""
    pipeline(
        root,
        "both",
        "  - {id: a, workflow: caption, inputs: {text: a}}\n  - {id: b, workflow: caption, inputs: {text: b}}\n",
    )
    both = asyncio.Barrier(2)

    class Meeting(FolderBackend):
        async def wait(self, handle: RunHandle, on_progress: Any = None) -> RunResult:
            async with asyncio.timeout(10), both:
                return await super().wait(handle, on_progress)

    assert "completed" == run(root, Meeting(backend.folder), "both").status


def test_events_tell_the_course_of_a_run(root: Path, backend: FolderBackend) -> None:
    """Whoever listens can follow a run: its steps, their jobs, and how they ended, in order."""
    heard: list[Event] = []
    made = run(root, backend, "portrait", {"seed": 1}, listener=heard.append)
    told = [replace(event, prompt_id="x") if isinstance(event, events.JobQueued) else event for event in heard]
    assert [
        events.RunStarted(made.id, "portrait", ("portrait",)),
        events.StepStarted(made.id, "portrait", 1),
        events.JobQueued(made.id, "portrait", None, "x", 1, "folder:", {"1": "SaveImage"}, "folder-1"),
        events.JobFinished(made.id, "portrait", None, cached=False),
        events.StepFinished(made.id, "portrait", "completed"),
        events.RunFinished(made.id, "completed"),
    ] == [event for event in told if not isinstance(event, events.JobProgress)]


def test_a_plain_workflow_without_declared_outputs_gives_what_it_saved(root: Path, backend: FolderBackend) -> None:
    """Everything saved is an output, under a name made from the node."""
    manifest = root / "manifests" / "portrait.yaml"
    manifest.write_text(manifest.read_text().split("        outputs:")[0])
    made = run(root, backend, "portrait", {"count": 2})
    assert ["save_image"] == list(made.outputs)
    assert ["portrait_00001_.png", "portrait_00002_.png"] == [file.filename for file in made.outputs["save_image"]]
