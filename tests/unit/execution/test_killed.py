"""After kill -9, at any point: the same command goes on, and nothing that was done is done twice."""

import asyncio
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Event, Thread

import pytest
from tests.unit.execution.folder_backend import executions, serve
from tests.unit.execution.killed import main
from tests.unit.execution.projects import make_project

from comfypipe.execution.details import RunDetails
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.project import ProjectLayout

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.unit.execution.killed", "comfypipe.plan.build"])  # many processes, one import


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the root of the example project."""
    return make_project(tmp_path / "project").root


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """Return the folder that is the server."""
    return tmp_path / "server"


def start(project: Path, server: Path, point: str = "none", passes: int = 0, cache: bool = True) -> ForkServerProcess:
    """Start the pipeline in a process of its own."""
    process = CONTEXT.Process(target=main, args=(project, server, point, passes, cache))
    process.start()
    return process


def run(project: Path, server: Path, point: str = "none", passes: int = 0, cache: bool = True) -> int | None:
    """Run the pipeline in a process of its own, and return how that ended."""
    process = start(project, server, point, passes, cache)
    process.join()
    return process.exitcode


@contextmanager
def serving(server: Path) -> Iterator[None]:
    """Run what is submitted to the folder *server*, from this process."""
    ended = Event()

    def work() -> None:
        while not ended.wait(0.005):
            serve(server)

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def look(project: Path) -> tuple[tuple[Run, ...], RunDetails]:
    """Return all runs, and the newest one's details."""

    async def session() -> tuple[tuple[Run, ...], RunDetails]:
        async with Project(ProjectLayout(project)) as opened:
            return await opened.runs(), await opened.details("latest")

    return asyncio.run(session())


POINTS = [
    ("before submit", 0),  # the intent is stored, nothing was sent
    ("amid submit", 0),  # it arrived, the reply did not
    ("after submit", 3),
    ("JobQueued", 2),  # the ledger knows who took it
    ("before wait", 1),
    ("after wait", 1),  # it has run, and nothing was fetched
    ("fetch", 4),
    ("JobFinished", 0),
    ("between steps", 3),
]


@pytest.mark.parametrize(("point", "passes"), POINTS)
def test_a_killed_run_goes_on_where_it_was(project: Path, server: Path, point: str, passes: int) -> None:
    """Killed at a named point, the run is finished by the next call, under its id, with its seed, each job run once."""
    assert -signal.SIGKILL == run(project, server, point, passes)
    (killed,), _ = look(project)
    assert "interrupted" == killed.status
    serve(server)  # the server lives on, and runs what it was sent
    assert 0 == run(project, server)
    (finished,), details = look(project)
    assert (killed.id, killed.inputs, "completed") == (finished.id, finished.inputs, finished.status)
    done = executions(server)
    assert 6 == len(done) == len(set(done))
    assert {"completed"} == {attempt.status for job in details.jobs for attempt in job.attempts}
    assert [] == list((project / ".comfypipe" / "locks").iterdir())


def test_many_kills_in_one_run_are_survived(project: Path, server: Path) -> None:
    """A run that is killed again and again, at every point in turn, still runs each job once."""
    for point, _ in POINTS:
        run(project, server, point, 0)
    assert 0 == run(project, server)
    done = executions(server)
    assert len(set(done)) == len(done)
    assert {"completed"} == {run.status for run in look(project)[0]}


def test_without_the_cache_a_killed_run_goes_on_too(project: Path, server: Path) -> None:
    """Running anew begins anew once, not after each kill."""
    assert 0 == run(project, server, cache=False)
    assert -signal.SIGKILL == run(project, server, "between steps", 2, cache=False)
    assert 0 == run(project, server, cache=False)
    done = executions(server)
    assert 12 == len(done) == len(set(done))


def test_what_a_changed_plan_does_not_need_any_more_is_withdrawn(project: Path, server: Path) -> None:
    """After a kill and a change of the template, the prompt that nobody will collect is stopped."""
    run(project, server, "before wait")
    template = project / "workflows" / "portrait.json.j2"
    template.write_text(template.read_text().replace("v1", "v2"))
    assert 0 == run(project, server)
    (finished,), details = look(project)
    drawn = [job for job in details.jobs if job.job.step == "draw"]
    assert ("completed", ["cancelled", "completed"]) == (finished.status, [job.job.status for job in drawn])
    assert ["cancelled", "completed"] == [attempt.status for job in drawn for attempt in job.attempts]


def test_two_processes_run_at_once(project: Path, server: Path) -> None:
    """The same request in two processes is two runs, each with its own seed, on one ledger."""
    both = [start(project, server), start(project, server)]
    for process in both:
        process.join()
    first, second = look(project)[0]
    assert ([0, 0], "completed", "completed") == ([each.exitcode for each in both], first.status, second.status)
    assert first.inputs["seed"] != second.inputs["seed"]
    done = executions(server)
    assert len(set(done)) == len(done)


def test_kills_at_random_moments_lose_and_double_nothing(project: Path, server: Path) -> None:
    """Killed from outside at moments that nobody chose, the run ends well and each job ran once."""
    luck = random.Random(20_261_122)  # noqa: S311
    with serving(server):  # by a process that is not killed: a prompt that arrived is run, and run once
        for _ in range(12):
            process = CONTEXT.Process(target=main, args=(project, server, "none", 0, True, True))
            process.start()
            process.join(luck.uniform(0.05, 0.5))
            process.kill()
            process.join()
        process = CONTEXT.Process(target=main, args=(project, server, "none", 0, True, True))
        process.start()
        process.join()
    assert 0 == process.exitcode
    runs, _ = look(project)
    assert {"completed"} == {each.status for each in runs}
    done = executions(server)
    assert len(set(done)) == len(done)
