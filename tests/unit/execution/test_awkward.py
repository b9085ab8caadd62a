"""What a job does when a file is gone, or a server before it began; and when it is cancelled amid anything."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.execution.folder_backend import Fault, FolderBackend
from tests.unit.execution.setting import IMPATIENT, Setting, a_prompt_job
from tests.unit.store.builders import a_run

from comfypipe._types import JSONObject
from comfypipe.backends.base import RunHandle
from comfypipe.backends.comfyui.fleet import FleetBackend
from comfypipe.backends.comfyui.member import Server
from comfypipe.errors import BackendUnavailable, OutputGone, ServerStateLost
from comfypipe.execution.context import Execution
from comfypipe.execution.events import JobRetried
from comfypipe.execution.job import run_job
from comfypipe.execution.offered import Offered
from comfypipe.execution.submission import made_anew
from comfypipe.manifest.schema import RetrySpec
from comfypipe.prompt.object_info import ObjectInfo
from comfypipe.store.records import RunRecord

JOB = a_prompt_job()


def run_in(setting: Setting, attempts: int = 3) -> None:
    """Run a job."""
    job = a_prompt_job(retry=RetrySpec(attempts=attempts))
    setting.use(lambda execution, run: run_job(execution, job, run))


def statuses(setting: Setting) -> list[str]:
    """Return how each attempt stands."""
    return [each.status for each in setting.attempts()]


def test_what_lost_its_file_runs_anew(setting: Setting) -> None:
    """The attempt counts as lost, the next one saves under a name of its own, and nothing is answered by a cache."""
    setting.backend.hook = Fault("fetch", OutputGone("gone", node_id="1"))
    run_in(setting)
    assert (["lost", "completed"], 2) == (statuses(setting), len(setting.backend.executions))
    prefixes = {each.prompt["1"]["inputs"]["filename_prefix"] for each in setting.backend.submissions}
    assert 2 == len(prefixes)


def test_what_loses_its_file_every_time_is_given_up(setting: Setting) -> None:
    """Tries have an end here too."""
    setting.backend.hook = Fault("fetch", OutputGone("gone", node_id="1"), times=9)
    with pytest.raises(OutputGone):
        run_in(setting)
    assert ["lost", "lost", "lost"] == statuses(setting)


def test_only_the_ends_without_a_prefix_are_marked() -> None:
    """What others read keeps its place in the server's cache; what has a prefix has one of its own already."""
    prompt: JSONObject = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        "4": {"class_type": "NoInputs"},
    }
    made = made_anew(prompt, "x")
    assert (prompt["1"], prompt["2"]) == (made["1"], made["2"])
    assert {"images": ["1", 0], "comfypipe_attempt": "x"} == made["3"]["inputs"]
    assert {"comfypipe_attempt": "x"} == made["4"]["inputs"]
    assert "comfypipe_attempt" not in prompt["3"]["inputs"]


def test_a_backend_that_asks_for_peace_gets_it(setting: Setting) -> None:
    """The next try waits for as long as was asked, where that is longer than it would have waited."""
    setting.backend.hook = Fault("before submit", BackendUnavailable("busy", retry_after_s=0.05))
    run_in(setting)
    (retried,) = [each for each in setting.events if isinstance(each, JobRetried)]
    assert 0.05 == retried.delay_s


def test_a_server_lost_before_the_run_began_costs_no_attempt(setting: Setting) -> None:
    """One attempt is enough for a run that three servers lost before they came to it."""
    setting.backend.hook = Fault("before wait", ServerStateLost("gone", began=False), times=3)
    run_in(setting, attempts=1)
    assert ["lost", "lost", "lost", "completed"] == statuses(setting)


def test_an_outage_costs_nothing_for_a_while(setting: Setting) -> None:
    """A server that restarts is waited for, however few tries there are; one that stays away is given up."""
    setting.backend.hook = Fault("before submit", BackendUnavailable("refused", down=True), times=5)
    run_in(setting, attempts=1)
    assert ["failed"] * 5 + ["completed"] == statuses(setting)
    setting.backend.hook = Fault("before submit", BackendUnavailable("refused", down=True), times=99)
    job = a_prompt_job(digest="e" * 64, retry=RetrySpec(attempts=1))
    patience = replace(IMPATIENT, outage_s=0.02)
    with pytest.raises(BackendUnavailable):
        setting.use(lambda execution, run: run_job(execution, job, run), run=a_run("0q3k7f2a0002"), patience=patience)


def test_even_spared_losses_have_an_end(setting: Setting) -> None:
    """A fleet that loses everything is given up."""
    setting.backend.hook = Fault("before wait", ServerStateLost("gone", began=False), times=99)
    with pytest.raises(ServerStateLost):
        run_in(setting, attempts=1)
    assert 11 == len(statuses(setting))


# Cancelled at awkward moments

MOMENTS = ("before submit", "amid submit", "after submit", "before wait", "after wait", "find")


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_attempt_stays_in_doubt(setting: Setting, moment: str) -> None:
    """Cancelled wherever it talks to its backend, the attempt ends as cancelled, and nothing runs on."""
    setting.backend.hold = moment != "after wait"
    if moment == "find":
        setting.backend.hook = Fault("before wait", BackendUnavailable("reset"))

    async def steps(execution: Execution, run: RunRecord) -> None:
        task = asyncio.current_task()
        assert task is not None
        before = setting.backend.hook

        def stop(point: str, prompt_id: str) -> None:
            if point == moment and not task.cancelling():
                task.cancel()
            before(point, prompt_id)

        setting.backend.hook = stop
        await run_job(execution, JOB, run)

    with pytest.raises(asyncio.CancelledError):
        setting.use(steps)
    setting.backend.hook = lambda point, prompt_id: None
    left = [each.status for each in setting.attempts()]
    assert [] == [each for each in left if each == "intended"]
    if "submitted" in left:  # it has run, and is collected by the next run
        assert "after wait" == moment


@pytest.mark.parametrize("steps_before", range(12))
def test_no_attempt_stays_intended_whenever_it_is_cancelled(setting: Setting, steps_before: int) -> None:
    """Cancelled after any number of turns of the event loop, amid whatever is written, nothing stays in doubt."""
    setting.backend.hold = True

    async def steps(execution: Execution, run: RunRecord) -> None:
        running = asyncio.ensure_future(run_job(execution, JOB, run))
        for _ in range(steps_before):
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()

    setting.use(steps)
    assert {"cancelled"} >= set(statuses(setting))


def test_what_cannot_be_withdrawn_is_tried_once(setting: Setting) -> None:
    """A backend that is gone keeps nobody waiting twice; the attempt stays open, with why."""
    setting.backend.hold = True

    async def steps(execution: Execution, run: RunRecord) -> None:
        task = asyncio.current_task()
        assert task is not None

        def gone(point: str, prompt_id: str) -> None:
            if point == "before wait":
                task.cancel()
            if point == "find":
                asked.append(prompt_id)
                raise BackendUnavailable("gone")

        setting.backend.hook = gone
        await run_job(replace(execution, patience=IMPATIENT), JOB, run)

    asked: list[str] = []
    with pytest.raises(asyncio.CancelledError):
        setting.use(steps)
    (left,) = setting.attempts()
    assert ("submitted", "BackendUnavailable", 1) == (left.status, (left.error or {})["type"], len(asked))


# Which server is asked, and what for


def test_the_server_that_the_ledger_names_is_asked_first(setting: Setting, tmp_path: Path) -> None:
    """When it knows the run, no other one is asked."""
    asked: list[str] = []
    servers = [FolderBackend(tmp_path / name, url=f"folder:{name}") for name in ("a", "b")]
    for each in servers:
        each.hook = lambda point, _, name=each.url: asked.append(name) if point == "find" else None  # type: ignore[misc]
    (tmp_path / "b" / "prompts").mkdir(parents=True)
    (tmp_path / "b" / "prompts" / "known.json").write_text("{}")

    async def find() -> RunHandle | None:
        fleet = FleetBackend([Server(each, each.url) for each in servers])
        found = await fleet.find("known", "folder:b")
        await fleet.close()
        return found

    found = asyncio.run(find())
    assert found is not None
    assert ("folder:b", ["folder:b"]) == (found.server, asked)


def test_what_is_offered_is_asked_again_before_something_is_refused(setting: Setting) -> None:
    """A copy is known until there are news; where nothing is new, and soon after, there are none."""
    setting.backend.nodes = {"A": {"input": {}}}

    async def steps(execution: Execution, _: RunRecord) -> None:
        offered = Offered()
        seen = await offered.get(execution)
        assert seen is await offered.get(execution)
        setting.backend.nodes = {"A": {"input": {}}, "B": {"input": {}}}
        news = await offered.news(execution, seen)
        assert isinstance(news, ObjectInfo)
        assert ({"A", "B"}, news) == (set(news), await offered.get(execution))
        assert await offered.news(execution, news) is None
        assert await offered.news(execution, None) is None

    setting.use(steps, run=a_run())
