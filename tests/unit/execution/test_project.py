"""The project as programs use it: running again, resuming, looking back."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.unit.execution.folder_backend import Fault, FolderBackend, no_hook
from tests.unit.execution.projects import make_project, open_project
from tests.unit.store.limits import file_size_limit

from comfypipe.errors import (
    BackendUnavailable,
    InputInvalid,
    ProjectNotFound,
    PromptInvalid,
    RunFailed,
    StoreError,
    UsageError,
)
from comfypipe.execution.events import RunStarted
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.project import ProjectLayout

T = TypeVar("T")


@pytest.fixture
def backend(tmp_path: Path) -> FolderBackend:
    """Return a backend whose server is a folder."""
    return FolderBackend(tmp_path / "server")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of the example project."""
    return make_project(tmp_path / "project").root


def use(root: Path, backend: FolderBackend, steps: Callable[[Project], Awaitable[T]]) -> T:
    """Do *steps* with the project, opened for them alone."""

    async def session() -> T:
        async with open_project(root, backend) as project:
            return await steps(project)

    return asyncio.run(session())


def run(root: Path, backend: FolderBackend, name: str = "portrait", *, given: Any = None, **options: Any) -> Run:
    """Run a workflow of the example project, in an opening of its own."""
    return use(root, backend, lambda project: project.run(name, given, **options))


def interrupt(root: Path, backend: FolderBackend, name: str, *, after: int, **options: Any) -> None:
    """Run until so many jobs were executed, then cancel the whole as Ctrl-C does."""

    async def steps(project: Project) -> None:
        whole = asyncio.current_task()
        assert whole is not None

        def stop(point: str, _prompt_id: str) -> None:
            if point == "before wait" and len(backend.executions) > after:
                whole.cancel()

        backend.hook = stop
        await project.run(name, options.pop("given", None), **options)

    with pytest.raises(asyncio.CancelledError):
        use(root, backend, steps)
    backend.hook = no_hook


# Running again


def test_the_same_plan_again_returns_the_stored_outputs(root: Path, backend: FolderBackend) -> None:
    """With the same inputs nothing is executed, and the run is one of its own."""
    first, second = (run(root, backend, given={"seed": 7}) for _ in range(2))
    assert (False, True, 1) == (first.cached, second.cached, len(backend.executions))
    assert (first.outputs, first.plan_digest) == (second.outputs, second.plan_digest)
    assert (None, True) == (second.continues, first.id < second.id)


def test_without_the_cache_it_runs_anew(root: Path, backend: FolderBackend) -> None:
    """``cache=False`` executes everything again."""
    for _ in range(2):
        run(root, backend, given={"seed": 7}, cache=False)
    assert 2 == len(backend.executions)


def test_a_completed_run_does_not_bind_the_next_seed(root: Path, backend: FolderBackend) -> None:
    """Asked for again, a picture without a given seed is another picture."""
    first, second = (run(root, backend) for _ in range(2))
    assert (first.inputs["seed"] != second.inputs["seed"], 2) == (True, len(backend.executions))


def test_a_changed_input_file_is_another_request(root: Path, backend: FolderBackend, tmp_path: Path) -> None:
    """Files count by their content, not by their path."""
    photo = tmp_path / "photo.png"
    for content in (b"\x89PNG\r\n\x1a\none", b"\x89PNG\r\n\x1a\ntwo", b"\x89PNG\r\n\x1a\none"):
        photo.write_bytes(content)
        run(root, backend, "recolour", given={"image": photo})
    assert 2 == len(backend.executions)


# Going on


def test_after_ctrl_c_the_same_command_goes_on(root: Path, backend: FolderBackend) -> None:
    """A cancelled run stays cancelled; the next takes up its seeds and finished jobs, and executes only the rest."""
    interrupt(root, backend, "card", after=2)
    before = len(backend.executions)
    made = run(root, backend, "card")
    first = use(root, backend, lambda project: project.details(str(made.continues)))
    assert ("cancelled", "completed") == (first.run.status, made.status)
    assert first.run.inputs["seed"] == made.inputs["seed"]
    assert before < len(backend.executions) == len(set(backend.executions)) == 5


def test_without_the_cache_too_an_interrupted_run_goes_on(root: Path, backend: FolderBackend) -> None:
    """Running anew does not mean beginning anew after each interruption."""
    run(root, backend, "card", given={"seed": 3}, cache=False)
    interrupt(root, backend, "card", after=6, given={"seed": 3}, cache=False)
    made = run(root, backend, "card", given={"seed": 3}, cache=False)
    step = {step.id: step for step in made.steps}
    assert (1, 0) == (step["draw"].cached, step["sheet"].cached)


def test_another_request_does_not_go_on(root: Path, backend: FolderBackend) -> None:
    """Other inputs are another request: nothing is taken up."""
    interrupt(root, backend, "card", after=2)
    assert run(root, backend, "card", given={"subject": "a fox"}).continues is None


def test_a_run_is_continued_once(root: Path, backend: FolderBackend) -> None:
    """Two runs at once after an interruption: one goes on, the other is a run of its own with its own seed."""
    interrupt(root, backend, "card", after=2)

    async def both(project: Project) -> list[Run]:
        return list(await asyncio.gather(project.run("card"), project.run("card")))

    first, second = use(root, backend, both)
    assert 1 == sum(run.continues is not None for run in (first, second))
    assert first.inputs["seed"] != second.inputs["seed"]


def test_a_run_that_somebody_works_on_is_left_alone(root: Path, backend: FolderBackend) -> None:
    """The same request twice at once is two runs; neither takes the other's over."""

    async def both(project: Project) -> list[Run]:
        return list(await asyncio.gather(project.run("portrait"), project.run("portrait")))

    first, second = use(root, backend, both)
    assert (2, None, None) == (len({first.id, second.id}), first.continues, second.continues)


def test_progress_says_what_is_taken_up(root: Path, backend: FolderBackend) -> None:
    """The first event names the run that is continued."""
    interrupt(root, backend, "card", after=2)
    heard: list[Any] = []
    made = run(root, backend, "card", listener=heard.append)
    steps = ("draw", "variants", "sheet", "words", "again")
    assert RunStarted(made.id, "card", steps, continues=made.continues) == heard[0]


# Many


def test_many_rows_run_in_one_project(root: Path, backend: FolderBackend) -> None:
    """Each row is a run; a row that does not fit, and one that fails, stop nobody."""

    async def all_of(project: Project) -> list[Run]:
        rows = [{"subject": f"{number}"} for number in range(10)] + [{"count": "many"}]
        return [run async for run in project.run_many("portrait", rows, concurrency=3)]

    runs = use(root, backend, all_of)
    failed = [run for run in runs if run.status != "completed"]
    assert [("", "InputInvalid", {"count": "many"})] == [
        (run.id, (run.error or {})["type"], run.inputs) for run in failed
    ], [run.error for run in failed]
    assert (11, 10) == (len(runs), len(backend.executions))


def test_rows_are_taken_as_they_are_needed(root: Path, backend: FolderBackend) -> None:
    """There may be any number of rows: no more are read than are submitted, and as many again."""
    taken = 0

    def rows() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield {"subject": f"{taken}"}

    async def first_of(project: Project) -> int:
        async with aclosing(project.run_many("portrait", rows(), concurrency=2)) as runs:
            await anext(runs)
        return taken

    assert 4 == use(root, backend, first_of)


def test_rows_export_into_folders_of_their_own(root: Path, backend: FolderBackend, tmp_path: Path) -> None:
    """Outputs of each run are copied below its id, so that no two runs meet."""

    async def all_of(project: Project) -> list[Run]:
        return [run async for run in project.run_many("portrait", [{}, {}], out=tmp_path / "out")]

    runs = use(root, backend, all_of)
    expected = sorted(f"{run.id}/{name}" for run in runs for name in ("image.png", "image.json"))
    found = (path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert expected == sorted(found)


# Looking back


def test_provenance_leads_to_the_run_that_executed(root: Path, backend: FolderBackend, tmp_path: Path) -> None:
    """A file that came from the store names the earlier run, its attempt and its prompt."""
    first = run(root, backend, given={"seed": 7})
    second = run(root, backend, given={"seed": 7}, out=tmp_path / "out")
    made = json.loads((tmp_path / "out" / "image.json").read_text())
    attempt = use(root, backend, lambda project: project.details(first.id)).jobs[0].attempts[0]
    assert (second.id, first.id) == (made["run"]["id"], made["job"]["run"])
    assert (attempt.prompt_id, "folder:", 1) == (
        made["job"]["prompt_id"],
        made["job"]["backend"],
        made["job"]["attempt"],
    )
    assert ["a lighthouse", 7, "v1"] == made["job"]["prompt"]["1"]["inputs"]["subject"]


def test_a_record_has_no_paths_of_this_machine(root: Path, backend: FolderBackend, tmp_path: Path) -> None:
    """Input files of the project stand in the record relative to its root, stored ones by digest alone."""
    (root / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\none")
    made = run(root, backend, "recolour", given={"image": root / "photo.png"})
    again = run(root, backend, "recolour", given={"image": made.outputs["image"].path})
    assert ("photo.png", None) == (made.inputs["image"]["path"], again.inputs["image"]["path"])


def test_runs_are_found_again(root: Path, backend: FolderBackend) -> None:
    """A listed run, and one asked for by the beginning of its id, equal the one that was returned."""
    made = run(root, backend, given={"seed": 7})
    assert (made,) == use(root, backend, lambda project: project.runs())
    assert made == use(root, backend, lambda project: project.details(made.id[:10])).run
    assert () == use(root, backend, lambda project: project.runs(name="other"))


def test_details_have_jobs_attempts_and_outputs(root: Path, backend: FolderBackend) -> None:
    """Each prompt of a run is there, with what it gave and how often it was tried."""
    made = run(root, backend, "card")
    details = use(root, backend, lambda project: project.details("latest"))
    assert ["draw", "variants", "variants", "variants", "sheet"] == [each.job.step for each in details.jobs]
    assert {1} == {len(each.attempts) for each in details.jobs}
    files = details.jobs[-1].files(Project(ProjectLayout(root)).artifacts)
    assert (made.outputs["sheet"],) == files


def test_a_failed_run_keeps_what_it_gave(root: Path, backend: FolderBackend) -> None:
    """The steps and errors of a failed run can be looked at later, and the files of its finished jobs."""
    made = run(root, backend, "card", given={"colours": ["red", "broken"]}, check=False)
    details = use(root, backend, lambda project: project.details(made.id))
    assert (made, "failed") == (details.run, details.run.status)
    assert [("draw", 1), ("variants", 1), ("variants", 0)] == [
        (each.job.step, len(each.outputs)) for each in details.jobs
    ]


# What can be wrong


def test_an_unknown_name_has_a_suggestion(root: Path, backend: FolderBackend) -> None:
    """A typing error in the workflow's name is a usage error with the nearest name."""
    with pytest.raises(UsageError, match='no workflow or pipeline "portait"') as raised:
        run(root, backend, "portait")
    assert "did you mean portrait?" == raised.value.hint


def test_nothing_is_submitted_when_an_input_does_not_fit(root: Path, backend: FolderBackend) -> None:
    """Inputs are checked before anything is sent or stored."""
    with pytest.raises(InputInvalid):
        run(root, backend, given={"count": "many"})
    assert ([], ()) == (backend.submissions, use(root, backend, lambda project: project.runs()))


def test_nothing_is_submitted_when_a_later_step_would_be_refused(root: Path, backend: FolderBackend) -> None:
    """All steps are checked against what the backend offers before the first is submitted."""
    backend.nodes = {
        "SaveImage": {"input": {}, "output": [], "output_node": True},
        "LoadImage": {"input": {}, "output": ["IMAGE"]},
    }
    with pytest.raises(PromptInvalid, match="ShowText"):
        run(root, backend, "card", given={"caption": True})
    assert [] == backend.submissions


def test_a_full_disk_is_an_error_and_the_next_run_goes_on(root: Path, backend: FolderBackend) -> None:
    """When outputs cannot be stored the run fails with a hint; with room again only the rest is done."""

    async def fill(project: Project) -> Run:
        await project.runs()
        with file_size_limit(1000):
            return await project.run("card", {"seed": 1})

    with pytest.raises(StoreError, match="free some space"):
        use(root, backend, fill)
    made = run(root, backend, "card", given={"seed": 1})
    assert ("completed", len(set(backend.executions))) == (made.status, len(backend.executions))


def test_a_mistake_of_a_program_ends_the_run_and_is_raised(root: Path, backend: FolderBackend) -> None:
    """An exception that nobody meant to raise is not hidden, and the run does not stay open."""
    backend.hook = Fault("before wait", ZeroDivisionError("division by zero"))
    with pytest.raises(ZeroDivisionError):
        run(root, backend)
    (made,) = use(root, backend, lambda project: project.runs())
    assert ("failed", "ZeroDivisionError: division by zero") == (made.status, (made.error or {})["message"])


def test_a_listener_that_fails_ends_the_run(root: Path, backend: FolderBackend) -> None:
    """What a listener raises is raised to who gave it."""

    def listen(_event: object) -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        run(root, backend, listener=listen)


# Backends


def test_the_backend_is_chosen_in_order(root: Path, backend: FolderBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument goes before the environment, that before what a step names, that before the settings."""
    manifest = root / "manifests" / "card.yaml"
    manifest.write_text(manifest.read_text().replace("id: draw,", 'id: draw, backend: "step:",'))
    asked: list[str] = []

    def opener(url: str, _layout: ProjectLayout) -> FolderBackend:
        asked.append(url)
        return FolderBackend(backend.folder / url.rstrip(":"), url=url)

    async def session(**options: Any) -> dict[str, str]:
        async with Project(ProjectLayout(root), opener=opener) as project:
            made = await project.run("card", {"seed": 1}, cache=False, **options)
            jobs = (await project.details(made.id)).jobs
            return {each.job.step: each.attempts[0].backend for each in jobs}

    assert {"draw": "step:", "variants": "embedded:", "sheet": "embedded:"} == asyncio.run(session())
    monkeypatch.setenv("COMFYPIPE_BACKEND", "environment:")
    assert {"environment:"} == set(asyncio.run(session()).values())
    assert {"argument:"} == set(asyncio.run(session(backend="argument:")).values())


def test_backends_are_closed_with_the_project(root: Path, backend: FolderBackend) -> None:
    """Leaving the project lets go of its backends and its locks."""
    run(root, backend)
    assert backend.closed
    assert [] == list((root / ".comfypipe" / "locks").iterdir())


def test_a_backend_that_is_down_is_told_as_such(root: Path, backend: FolderBackend) -> None:
    """After its tries a run fails with the backend's error, which says that it may be tried again."""
    backend.hook = Fault("before submit", BackendUnavailable("refused"), times=99)
    with pytest.raises(BackendUnavailable, match="refused"):
        run(root, backend)


# Finding it


def test_a_project_is_found_from_below_and_loaded_from_its_root(root: Path) -> None:
    """``find`` looks upward, ``load`` takes the root or its pyproject.toml and nothing else."""
    assert root == Project.find(root / "manifests").layout.root
    assert root == Project.load(root).layout.root == Project.load(root / "pyproject.toml").layout.root
    with pytest.raises(ProjectNotFound, match="is not the root of a project"):
        Project.load(root / "manifests")


def test_a_failing_run_names_its_node(root: Path, backend: FolderBackend) -> None:
    """The error has node and class, for programs that act on it."""
    with pytest.raises(RunFailed) as raised:
        run(root, backend, "card", given={"colours": ["broken"]})
    assert ("2", "Fail") == (raised.value.node_id, raised.value.class_type)
