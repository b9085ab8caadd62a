"""
What `comfyui.md` lists: 28 points, each played on a server over sockets, through the whole of `Project.run`.

Every case says how the run has to end, what the ledger has to say of its attempts, and how often it was executed.
"""

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from tests.contract.setting import TIMING, Play, is_canonical, pixel, play, png
from websockets.sync.client import connect

from comfypipe.backends.base import RunHandle, RunStatus
from comfypipe.backends.comfyui.watch import Timing
from comfypipe.errors import (
    BackendRejected,
    BackendUnavailable,
    ComfypipeError,
    OutOfMemory,
    PromptInvalid,
    RunCancelled,
    RunFailed,
)
from comfypipe.execution.events import Event, JobProgress, JobQueued, RunStarted
from comfypipe.execution.records import Output, Run
from comfypipe.testing import BlackHole, fault_proxy, node
from comfypipe.testing.servers import post_json

Course: TypeAlias = Callable[[Play], Awaitable[Run]]
Check: TypeAlias = Callable[[Play, Run], Awaitable[None]]


async def once(play: Play) -> Run:
    """Run the workflow, and nothing else."""
    return await play.run()


async def nothing_more(play: Play, run: Run) -> None:
    """Look at nothing else."""


@dataclass(frozen=True)
class Case:
    """
    One way in which a server behaves.

    Attributes:
        point: Its number in `comfyui.md`.
        course: What is done.
        error: What the run fails of; None where it completes.
        executed: How each execution of the server ended.
        or_never: Whether it may also not have been executed at all: it was cancelled before its turn came.
        attempts: How each attempt stands in the ledger in the end.
        check: What has to be true besides.
        late_s: How long after its end on the server the run may end here; None where it is not to be measured.
    """

    point: int
    name: str
    faults: tuple[str, ...] = ()
    course: Course = once
    error: type[ComfypipeError] | None = None
    executed: tuple[str, ...] = ("success",)
    attempts: tuple[str, ...] = ("completed",)
    check: Check = nothing_more
    late_s: float | None = None
    timing: Timing = TIMING
    or_never: bool = False


def workflow(name: str, inputs: Mapping[str, Any] | None = None, **options: Any) -> Course:
    """Return the course that runs another workflow."""

    async def course(play: Play) -> Run:
        return await play.run(name, inputs, **options)

    return course


def posted(times: int) -> Check:
    """Return the check that so many prompts were sent, all of them the same one."""

    async def check(play: Play, run: Run) -> None:
        ids = [body["prompt_id"] for body in play.posts()]
        assert (times, 1) == (len(ids), len(set(ids)))

    return check


# 1 to 5: identity and retries


async def ids_are_canonical(play: Play, run: Run) -> None:
    """What newer servers refuse is not sent."""
    assert [True] == [is_canonical(body["prompt_id"]) for body in play.posts()]


async def six_rows(play: Play) -> Run:
    """Run six prompts at once."""
    async with play.project() as project:
        rows = ({"colour": each} for each in range(6))
        runs = [run async for run in project.run_many("picture", rows, backend="http://server")]
    assert {"completed"} == {run.status for run in runs}
    return runs[-1]


async def no_number_no_front(play: Play, run: Run) -> None:
    """No place in the queue is asked for."""
    assert {"prompt", "prompt_id", "client_id", "extra_data"} == {key for body in play.posts() for key in body}


async def refused_and_gone(play: Play, run: Run) -> None:
    """The error names the output that would have been left out, and nothing of the prompt is left on the server."""
    assert isinstance(run.failure, PromptInvalid)
    assert ["4"] == list(run.failure.node_errors)
    queue = await play.ask("/queue")
    assert ([], []) == (queue["queue_running"], queue["queue_pending"])


async def copy_was_deleted(play: Play, run: Run) -> None:
    """What waited under the same id was taken out of the queue."""
    assert [{"delete": [play.posts()[0]["prompt_id"]]}] == [each.body for each in play.sent("POST", "/queue")]


# 6 to 10: how a run has ended


async def names_the_cycle(play: Play, run: Run) -> None:
    """The messages tell what the status hides."""
    assert "DependencyCycleError" in str(run.failure)


async def has_one_file(play: Play, run: Run) -> None:
    """What was not blocked is there."""
    assert ["image"] == [each.media_type.partition("/")[0] for each in files_of(run)]


async def interrupted_by_another(play: Play) -> Run:
    """Somebody presses the button on the server."""
    running = asyncio.ensure_future(play.run())
    await play.until(lambda: "running" in play.executed())
    await play.tell("/interrupt", {})
    return await running


async def kept_what_was_saved(play: Play, run: Run) -> None:
    """The result of the failed run has the file of the node that had saved."""
    async with play.project() as project:
        backend = project.backends.get("http://server")
        result = await backend.wait(RunHandle(play.posts()[0]["prompt_id"]))
    assert (RunStatus.FAILED, ["2"]) == (result.status, [each.node_id for each in result.files])


# 11, 12: cancelling


async def cancelled_at_once(play: Play) -> Run:
    """Cancel the run as soon as it is queued; what the ledger says of it is returned."""

    def stop(event: Event) -> None:
        if isinstance(event, JobQueued):
            running.cancel()

    play.listener = stop
    running = asyncio.ensure_future(play.run())
    await asyncio.wait({running})
    assert running.cancelled()
    return await latest(play)


async def cancelled_while_it_runs(play: Play) -> Run:
    """Cancel the run once the server executes it."""
    running = asyncio.ensure_future(play.run())
    await play.until(lambda: play.executed() == ["running"])
    running.cancel()
    await asyncio.wait({running})
    return await latest(play)


async def cancelled_behind_another(play: Play) -> Run:
    """Cancel the run while it waits for another client's."""
    await play.blocked()
    run = await cancelled_at_once(play)
    await play.until(lambda: "running" not in play.executed())
    return run


async def left_no_trace(play: Play, run: Run) -> None:
    """Queue and history have nothing of it."""
    prompt_id = play.posts()[0]["prompt_id"]
    assert {} == await play.ask(f"/history/{prompt_id}")


async def was_really_stopped(play: Play, run: Run) -> None:
    """Nothing runs, and nothing waits: in one request where there are jobs, else by asking until it was so."""
    queue = await play.ask("/queue")
    assert ([], []) == (queue["queue_running"], queue["queue_pending"])
    at_once = play.sent("POST", f"/api/jobs/{play.posts()[0]['prompt_id']}/cancel")
    interrupts = play.sent("POST", "/interrupt")
    assert {play.posts()[0]["prompt_id"]} >= {each.body["prompt_id"] for each in interrupts}
    assert (1, 0) == (len(at_once), len(interrupts)) if play.jobs_api else len(interrupts) > 1


# 13 to 19: the socket


async def one_after_the_other(play: Play) -> Run:
    """Run twice; the socket breaks in the first run."""
    async with play.project() as project:
        await play.run_in(project, inputs={"colour": 1})
        await asyncio.sleep(0.5)  # it connects again
        play.events.clear()
        return await play.run_in(project)


async def heard_under_another_id(play: Play, run: Run) -> None:
    """A connection has a client id that no other had, and what happens is heard by it."""
    first, second = (body["client_id"] for body in play.posts())
    assert first != second
    assert "running" in states(play)


async def beside_a_talkative_one(play: Play) -> Run:
    """Run behind another client's long prompt, whose every message that client has to get."""
    async with play.project() as project:
        await play.run_in(project, inputs={"colour": 1})  # connected from now on
        told, seconds = await asyncio.to_thread(talk, play.server.url)
        assert told > 250
        assert seconds < 20
        return await play.run_in(project)


async def another_without_an_id(play: Play) -> Run:
    """Run while the progress of a nameless client's prompts goes to everybody."""
    async with play.project() as project:
        await play.run_in(project, inputs={"colour": 1})
        play.events.clear()
        for _ in range(3):
            await play.tell("/prompt", {"prompt": noisy()})
        return await play.run_in(project)


async def heard_only_its_own(play: Play, run: Run) -> None:
    """Every message was about its own prompt, and a client id was sent."""
    own = play.posts()[-1]["prompt_id"]
    assert {own} == {event.progress.prompt_id for event in play.events if isinstance(event, JobProgress)}
    assert "" not in {body["client_id"] for body in play.posts()}


async def heard_of_the_nodes(play: Play, run: Run) -> None:
    """The socket brought word of the nodes, and never broke."""
    done = {e.progress.node_id for e in play.events if isinstance(e, JobProgress) and e.progress.state == "finished"}
    assert len(done) >= 299


async def through_a_hole(play: Play) -> Run:
    """Run while nothing comes through the socket any more, whose connection stays."""
    with fault_proxy(play.server.url) as proxy:
        proxy.script(None, BlackHole(400))  # requests pass; the socket does after its first words
        play.reached = proxy.url
        run = await play.run()
        assert proxy.connections > 2, "a dead socket was kept"
    return run


# 20 to 24: caches, files, restarts


async def prefixes_are_its_own(play: Play, run: Run) -> None:
    """Each attempt saves below its own id."""
    prefixes = [(body["prompt"]["2"]["inputs"]["filename_prefix"], body["prompt_id"]) for body in play.posts()]
    assert [f"comfypipe/{own}/picture" for _, own in prefixes] == [prefix for prefix, _ in prefixes]


async def between_deletions(play: Play) -> Run:
    """Run, delete every output file of the server, and run with another colour."""
    first = await play.run(inputs={"colour": 0x00FF00})
    shutil.rmtree(play.server.folder / "output")
    second = await play.run()
    assert (0, 255, 0) == pixel(first.outputs["image"])
    return second


async def twice(play: Play) -> Run:
    """Run, and run the same again without our own cache."""
    await play.run()
    return await play.run(cache=False)


async def names_itself(play: Play, run: Run) -> None:
    """Every prompt has a client id: without one the second had come back empty."""
    assert [True, True] == [bool(body["client_id"]) for body in play.posts()]


async def cut_off_under_way(play: Play) -> Run:
    """Cut the input file off once it was looked at."""
    photo = play.root / "photo.png"
    photo.write_bytes(png())

    def cut(event: Event) -> None:
        if isinstance(event, RunStarted):
            photo.write_bytes(photo.read_bytes()[:-20])

    play.listener = cut
    return await play.run("photo", {"photo": photo})


async def nothing_was_uploaded(play: Play, run: Run) -> None:
    """The half file did not leave this machine."""
    assert ([], []) == (play.sent("POST", "/upload/image"), play.posts())
    assert "has changed" in str(run.failure)


# 25 to 28: health


async def told_of_the_worker(play: Play, run: Run) -> None:
    """The error says what is wrong and what to do."""
    assert "executes nothing" in str(run.failure)
    assert "restart that server" in str(run.failure)


async def requests_are_sound(play: Play, run: Run) -> None:
    """No Origin is sent, ``extra_data`` is an object, every body is JSON, and ``/free`` is left alone."""
    assert [] == [each for each in play.requests if "origin" in each.headers]
    assert [dict] == [type(body["extra_data"]) for body in play.posts()]
    bodies = [each.body for each in play.requests if each.method == "POST" and each.path != "/upload/image"]
    assert all(isinstance(body, dict) for body in bodies)
    assert [] == play.sent("POST", "/free")


async def says_how_long_is_too_long(play: Play, run: Run) -> None:
    """The error is the server's own, with what to do."""
    assert "maximum recursion depth exceeded" in str(run.failure)
    assert "part the workflow in two" in str(run.failure)


# What the courses use


def files_of(run: Run) -> list[Output]:
    """Return the output files of a run."""
    return [each for value in run.outputs.values() for each in (value if isinstance(value, tuple) else (value,))]


async def latest(play: Play) -> Run:
    """Return the newest run of the ledger."""
    async with play.project() as project:
        return (await project.runs(limit=1))[0]


def states(play: Play) -> set[str]:
    """Return what was heard of nodes and runs."""
    return {event.progress.state for event in play.events if isinstance(event, JobProgress)}


def noisy() -> dict[str, Any]:
    """Return a prompt of 30 nodes that nobody has run before."""
    links = {str(each): node("ImageInvert", image=[str(each - 1), 0]) for each in range(2, 30)}
    start = node("EmptyImage", width=8, height=8, batch_size=1, color=uuid4().int % 0xFFFFFF)
    return {"1": start, **links, "end": node("SaveImage", images=["29", 0], filename_prefix="noisy")}


def talk(url: str) -> tuple[int, float]:
    """Run a prompt of many nodes as another client does; return how many messages came, and in how many seconds."""
    began, told, client_id = time.monotonic(), 0, uuid4().hex
    with connect(f"{url.replace('http', 'ws', 1)}/ws?clientId={client_id}", max_size=None) as socket:
        prompt = {str(key): value for each in range(4) for key, value in renamed(noisy(), f"{each}-").items()}
        post_json(f"{url}/prompt", {"prompt": prompt, "client_id": client_id})
        while True:
            message = json.loads(socket.recv(timeout=10))
            told += 1
            if message["type"] == "executing" and message["data"].get("node") is None:
                return told, time.monotonic() - began


def renamed(prompt: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return a prompt under other ids, so that several fit into one."""
    return {
        f"{prefix}{node_id}": {
            "class_type": each["class_type"],
            "inputs": {k: [f"{prefix}{v[0]}", v[1]] if isinstance(v, list) else v for k, v in each["inputs"].items()},
        }
        for node_id, each in prompt.items()
    }


CASES = (
    Case(1, "lost reply", ("lost-reply=once",), check=posted(1)),
    Case(1, "lost request", ("lost-request=once",), check=posted(2)),
    Case(1, "queued later", ("late-queue=ms:100",), check=posted(1)),
    Case(1, "queued later than it was waited for", ("late-queue=ms:1500", "slow-runs=ms:3500"), check=copy_was_deleted),
    Case(1, "repeated by a proxy", ("duplicated-id=once", "slow-runs=ms:2500"), check=copy_was_deleted),
    Case(2, "only canonical ids", ("strict-ids",), check=ids_are_canonical),
    Case(3, "queued, and a 500", ("queued-500=once",), check=posted(1)),
    Case(
        4,
        "no place in the queue",
        course=six_rows,
        executed=("success",) * 6,
        attempts=("completed",) * 6,
        check=no_number_no_front,
    ),
    Case(
        5,
        "node_errors in a 200",
        ("dropped-output=once", "slow-runs=ms:3000"),
        workflow("two"),
        PromptInvalid,
        ("interrupted",),
        ("failed",),
        refused_and_gone,
        or_never=True,  # taken out of the queue before it began
    ),
    Case(6, "lying status", ("lying-status=once",), once, RunFailed, ("error",), ("failed",), names_the_cycle),
    Case(7, "ExecutionBlocked", ("blocked=once",), workflow("two"), check=has_one_file),
    Case(
        8,
        "interrupted by another",
        ("slow-runs=ms:5000",),
        interrupted_by_another,
        RunCancelled,
        ("interrupted",),
        ("cancelled",),
    ),
    Case(9, "late history", ("late-history=ms:500",), late_s=1.0),
    Case(
        10,
        "partial outputs",
        ("cuda-error=node:ImageInvert",),
        workflow("two"),
        RunFailed,
        ("error",),
        ("failed",),
        kept_what_was_saved,
    ),
    Case(
        11,
        "lost interrupts",
        ("lost-interrupt=first:3", "slow-runs=ms:5000"),
        cancelled_while_it_runs,
        RunCancelled,
        ("interrupted",),
        ("cancelled",),
        was_really_stopped,
    ),
    Case(
        12,
        "deleted while it waits",
        (),
        cancelled_behind_another,
        RunCancelled,
        ("success",),
        ("cancelled",),
        left_no_trace,
    ),
    Case(
        13,
        "silenced by an old socket",
        ("silenced-client", "closed-socket=once"),
        one_after_the_other,
        executed=("success",) * 2,
        attempts=("completed",) * 2,
        check=heard_under_another_id,
    ),
    Case(
        14,
        "clients that block others",
        ("stalled-clients",),
        beside_a_talkative_one,
        executed=("success",) * 3,
        attempts=("completed",) * 2,
    ),
    Case(15, "closed socket", ("closed-socket=once", "slow-runs=ms:500"), late_s=2.0),
    Case(15, "silent socket", ("silent-socket=always", "slow-runs=ms:500"), late_s=2.0),
    Case(
        16,
        "others' progress",
        (),
        another_without_an_id,
        executed=("success",) * 5,
        attempts=("completed",) * 2,
        check=heard_only_its_own,
    ),
    Case(
        17,
        "large frames",
        ("slow-runs=ms:300",),
        workflow("chain"),
        check=heard_of_the_nodes,
        late_s=10.0,
        # Megabytes stand before the answer to a ping, and before the end, which a look at the queue would see first:
        # there is one when the run begins, and none until it has ended.
        timing=replace(TIMING, ping_s=20.0, poll_s=20.0),
    ),
    Case(18, "no heartbeat", ("slow-runs=ms:2000",), through_a_hole, late_s=2.0),
    Case(19, "nodes made by expansion", ("expanded-nodes=once",)),
    Case(
        20,
        "cached, and the file is gone",
        ("file-gone=once",),
        executed=("success", "success"),
        attempts=("lost", "completed"),
        check=prefixes_are_its_own,
    ),
    Case(
        21,
        "names used again",
        (),
        between_deletions,
        executed=("success", "success"),
        attempts=("completed", "completed"),
        check=prefixes_are_its_own,
    ),
    Case(
        22,
        "cached runs without outputs",
        ("no-cached-outputs",),
        twice,
        executed=("success", "success"),
        attempts=("completed", "completed"),
        check=names_itself,
    ),
    Case(
        23,
        "cut off input",
        (),
        cut_off_under_way,
        BackendRejected,
        (),
        ("failed",),
        nothing_was_uploaded,
    ),
    Case(24, "restart before it ran", ("restart=at:queued",), attempts=("lost", "completed")),
    Case(
        24,
        "restart while it ran",
        ("restart=at:running,down_ms:200",),
        executed=("lost", "success"),
        attempts=("lost", "completed"),
    ),
    Case(
        25,
        "zombie worker",
        ("zombie=once",),
        workflow("stubborn"),
        BackendUnavailable,
        (),
        ("submitted",),
        told_of_the_worker,
    ),
    Case(26, "out of memory", ("out-of-memory=once",), once, OutOfMemory, ("error",), ("failed",)),
    Case(26, "CUDA error", ("cuda-error=once",), once, RunFailed, ("error",), ("failed",)),
    Case(27, "unsound requests", check=requests_are_sound),
    Case(
        28,
        "a chain too long",
        ("recursion-limit=nodes:1000",),
        workflow("long"),
        PromptInvalid,
        (),
        ("failed",),
        says_how_long_is_too_long,
    ),
)

NEVER_STRUCK = {"silenced-client", "stalled-clients", "no-cached-outputs"}
"""Faults that need a client that behaves otherwise, or that are not counted."""


def label(case: Case) -> str:
    """Return what a case is called."""
    return f"{case.point}: {case.name}"


@pytest.mark.parametrize("jobs_api", [False, True], ids=["0.3.64", "with jobs"])
@pytest.mark.parametrize("case", CASES, ids=label)
def test_fault_ends_as_it_has_to(case: Case, jobs_api: bool, tmp_path: Path) -> None:
    """The run ends in the right state, the ledger has its attempts, and the server executed it so often."""
    with play(tmp_path / "project", case.faults, jobs_api=jobs_api, timing=case.timing) as played:
        asyncio.run(verify(case, played))


async def verify(case: Case, play: Play) -> None:
    """Play a case, and look at everything that came of it."""
    run = await case.course(play)
    late_s = await play.late_s(play.posts()[-1]["prompt_id"]) if case.late_s is not None else 0.0
    assert ended(case.error) == (run.status, (run.error or {}).get("type"))
    assert list(case.executed) == play.executed() or (case.or_never and play.executed() == [])
    assert list(case.attempts) == [each.status for each in await play.attempts()]
    assert late_s <= (case.late_s or 0.0)
    if case.error is None and "image" in run.outputs:
        assert (255, 0, 0) == pixel(run.outputs["image"]) or "chain" in run.name or case.course is six_rows
    names = {each.partition("=")[0] for each in case.faults} - NEVER_STRUCK
    names -= {"lost-interrupt"} if play.jobs_api else set()
    assert set() == {name for name in names if not play.server.faults.struck(name)}
    await case.check(play, run)


def ended(error: type[ComfypipeError] | None) -> tuple[str, str | None]:
    """Return the status of a run that ended with an error, and the error's name."""
    if error is None:
        return "completed", None
    return ("cancelled" if issubclass(error, RunCancelled) else "failed"), error.__name__


def test_every_point_is_played() -> None:
    """No number from 1 to 28 is missing."""
    assert set(range(1, 29)) == {case.point for case in CASES}
