"""Faults with more than one server, and what proxies do to replies: each through the whole of `Project.run`."""

import asyncio
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.contract.setting import Play, executions, pixel, play, png, write_project

from comfypipe.errors import BackendUnavailable
from comfypipe.execution.events import Event, JobProgress, JobQueued, JobRetried
from comfypipe.execution.records import Run
from comfypipe.testing import EngineServer, Faults, engine_process, engine_server, node

# More than one server


@pytest.mark.parametrize(
    ("faults", "name", "attempts", "first"),
    [
        (("zombie=once",), "stubborn", ["lost", "completed"], []),
        (("out-of-memory=once",), "large", ["failed", "completed"], ["error"]),
        (("restart=at:running,down_ms:100",), "large", ["lost", "completed"], ["lost"]),
    ],
    ids=["25: zombie worker", "26: out of memory", "24: restart"],
)
def test_the_run_moves_on(
    faults: tuple[str, ...], name: str, attempts: list[str], first: list[str], tmp_path: Path
) -> None:
    """With an elsewhere the run is executed there, once; where it had not begun, its one attempt was not spent."""
    with engine_server() as other, play(tmp_path / "project", faults, fleet=True, others=[other]) as played:

        async def course() -> None:
            run = await played.run(name)
            assert ("completed", None) == (run.status, run.error)
            assert attempts == [each.status for each in await played.attempts()]
            assert (255, 0, 0) == pixel(run.outputs["image"])

        asyncio.run(course())
        elsewhere = [each["status"] for each in executions(other)]
        assert first == played.executed()[: len(first)]
        assert ["success"] == [each for each in played.executed() + elsewhere if each == "success"]


def test_a_server_that_dies_before_a_run_began_costs_it_nothing(tmp_path: Path) -> None:
    """25: its one attempt is left to a run that waited on a server that was gone for good: it is executed elsewhere."""
    with ExitStack() as leaving, engine_server() as other:
        played = leaving.enter_context(play(tmp_path / "project", fleet=True, others=[other]))

        def leave(event: Event) -> None:
            if isinstance(event, JobQueued):
                gone.append(event.server)
                threading.Thread(target=leaving.close).start()

        gone: list[str | None] = []
        played.listener = leave

        async def course() -> Run:
            await played.blocked(seconds=30)
            return await played.run("stubborn")

        run = asyncio.run(course())
        assert ("completed", None) == (run.status, run.error)
        assert played.server.url == gone[0]
        assert ["success"] == [each["status"] for each in executions(other)]


def test_a_run_behind_anothers_dead_prompt_moves_on(tmp_path: Path) -> None:
    """25: what somebody else's prompt has killed executes nothing of ours either: what waits there runs elsewhere."""
    faults = ("zombie=once,match:blocker",)
    with engine_server() as other, play(tmp_path / "project", faults, fleet=True, others=[other]) as played:

        async def course() -> Run:
            blocker = {
                "1": node("EmptyImage", width=8, height=8, batch_size=1, color=1),
                "2": node("SaveImage", images=["1", 0], filename_prefix="blocker"),
            }
            await played.tell("/prompt", {"prompt": blocker})
            return await played.run("stubborn")

        run = asyncio.run(course())
        assert ("completed", None) == (run.status, run.error)
        assert ["lost", "completed"] == [each.status for each in asyncio.run(played.attempts())]
        assert ([], ["success"]) == (played.executed(), [each["status"] for each in executions(other)])


def test_a_server_that_is_killed_and_started_again(tmp_path: Path) -> None:
    """24: it has forgotten everything; the run is a new attempt, and the time nobody listened cost none."""
    with engine_process(tmp_path / "server", faults=["slow-runs=ms:1200"]) as server:
        reached = EngineServer(server.url, server.folder, Faults())
        write_project(tmp_path / "project")
        played = Play(tmp_path / "project", reached)

        def kill(event: Event) -> None:
            if isinstance(event, JobProgress) and event.progress.state == "started" and not killed:
                killed.append(event)
                server.kill()
                threading.Timer(2.5, server.start).start()

        killed: list[Event] = []
        played.listener = kill
        run = asyncio.run(played.run("large"))
        assert ("completed", None) == (run.status, run.error)
        attempts = [each.status for each in asyncio.run(played.attempts()) if each.submitted_ms is not None]
        assert ["lost", "completed"] == attempts
        assert {"success": 1} == Counter(each["status"] for each in server.executions()["executions"])


# Proxies, and what they do to replies


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("path", ["/object_info", "/history", "/view", "/queue", "/upload/image"])
def test_a_proxys_errors_are_waited_out(status: int, path: str, tmp_path: Path) -> None:
    """What may be asked twice is, without anybody noticing: one attempt, one execution, no fault told."""
    photo = tmp_path / "photo.png"
    photo.write_bytes(png())
    faults = (f"bad-gateway=first:2,path:{path},status:{status}", "slow-runs=ms:1200")
    with play(tmp_path / "project", faults) as played:
        run = asyncio.run(played.run("photo", {"photo": photo}))
        assert ("completed", None) == (run.status, run.error)
        assert [] == [each for each in played.events if isinstance(each, JobRetried)]
        assert (["success"], 2) == (played.executed(), played.server.faults.struck("bad-gateway"))


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    """A server that asks for a second of peace gets it."""
    with play(tmp_path / "project", ("bad-gateway=once,path:/object_info,status:503,retry_after:1",)) as played:
        began = time.monotonic()
        run = asyncio.run(played.run())
        assert ("completed", True) == (run.status, time.monotonic() - began >= 1)


def test_too_many_requests_is_no_doubt(tmp_path: Path) -> None:
    """A 429 to a submission says that nothing was queued: it is sent again after the time that was asked for."""
    with play(tmp_path / "project", ("bad-gateway=once,path:/prompt,status:429,retry_after:1",)) as played:
        run = asyncio.run(played.run())
        assert ("completed", ["success"]) == (run.status, played.executed())
        (retried,) = [each for each in played.events if isinstance(each, JobRetried)]
        assert (BackendUnavailable, 1.0) == (type(retried.error), retried.delay_s)


def test_a_broken_download_goes_on_where_it_was(tmp_path: Path) -> None:
    """After half of a file, the other half is asked for, and the file is whole."""
    with play(tmp_path / "project", ("truncated-body=once",)) as played:
        run = asyncio.run(played.run())
        assert (255, 0, 0) == pixel(run.outputs["image"])
        first, second = played.sent("GET", "/view")
        assert (True, False) == ("range" in second.headers, "range" in first.headers)
        assert (["success"], ["completed"]) == (played.executed(), [e.status for e in asyncio.run(played.attempts())])
