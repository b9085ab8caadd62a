"""Several servers as one backend."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from tests.unit.backends.comfyui.simulated_server import (
    SimulatedServer,
    broken_gpu,
    out_of_memory,
    prompt,
    submission,
)
from tests.unit.backends.comfyui.virtual_time import in_virtual_time

from comfypipe._types import JSONObject
from comfypipe.backends.base import NodeProgress, OutputFile, RunHandle, RunResult, RunStatus, Submission
from comfypipe.backends.comfyui.fleet import FleetBackend
from comfypipe.backends.comfyui.health import FleetTiming, ServerState
from comfypipe.backends.comfyui.member import Server
from comfypipe.errors import (
    BackendRejected,
    BackendUnavailable,
    OutOfMemory,
    PromptInvalid,
    ServerStateLost,
    SubmissionUnknown,
    UsageError,
)

UP, DRAINING, QUARANTINED = ServerState.UP, ServerState.DRAINING, ServerState.QUARANTINED
TIMING = FleetTiming()


def fleet_of(
    *servers: SimulatedServer,
    accelerators: Sequence[str | None] = (),
    depth: int | None = None,
    timing: FleetTiming = TIMING,
) -> FleetBackend:
    """Return a fleet of these servers, called by their host's name."""
    having = [*accelerators, *[None] * (len(servers) - len(accelerators))]
    members = [
        Server(each, each.url.split("/")[2].split(":")[0], having[index], depth) for index, each in enumerate(servers)
    ]
    return FleetBackend(members, timing=timing)


def in_time(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test in virtual time."""

    async def run() -> None:
        await test()

    in_virtual_time(run())


async def run_one(fleet: FleetBackend, wanted: Submission) -> RunResult:
    """Submit, and wait for the end."""
    return await fleet.wait(await fleet.submit(wanted))


async def run_until_done(fleet: FleetBackend, wanted: Submission) -> RunResult:
    """Do what execution does with a lost run: submit it again, under another id."""
    try:
        return await run_one(fleet, wanted)
    except ServerStateLost:
        return await run_until_done(fleet, submission())


def states(fleet: FleetBackend) -> dict[str, ServerState]:
    """Return how each server is."""
    return {each.name: each.state for each in fleet.status()}


def test_work_waits_in_the_fleet_and_no_server_holds_more_than_its_depth() -> None:
    """Forty runs on two servers end in the time of twenty, and neither queue was ever longer than two."""

    async def test() -> None:
        a, b = SimulatedServer("a"), SimulatedServer("b")
        fleet = fleet_of(a, b)
        results = await asyncio.gather(*(run_one(fleet, submission()) for _ in range(40)))
        assert [RunStatus.COMPLETED] * 40 == [each.status for each in results]
        assert (20, 20, 2, 2) == (len(a.executed), len(b.executed), a.most_queued, b.most_queued)
        assert 20.0 == pytest.approx(asyncio.get_running_loop().time())
        await fleet.close()
        assert a.closed
        assert b.closed

    in_time(test)


@pytest.mark.parametrize(("run_s", "depth", "most"), [(0.05, None, 5), (0.01, None, 8), (0.2, None, 2), (0.01, 3, 3)])
def test_short_runs_queue_deeper(run_s: float, depth: int | None, most: int) -> None:
    """Once it is known that runs are over in a moment, a server gets a quarter of a second of them; not if one says."""

    async def test() -> None:
        a = SimulatedServer("a", run_s=run_s)
        fleet = fleet_of(a, depth=depth)
        await asyncio.gather(*(run_one(fleet, submission()) for _ in range(40)))
        assert (40, most) == (len(a.executed), a.most_queued)
        await fleet.close()

    in_time(test)


def test_handles_and_files_name_their_server(tmp_path: Path) -> None:
    """What was made on a server is fetched from there, and a run is found where it is."""

    async def test() -> None:
        a, b = SimulatedServer("a"), SimulatedServer("b")
        fleet = fleet_of(a, b)
        first, second = await asyncio.gather(fleet.submit(submission()), fleet.submit(submission()))
        assert ["a", "b"] == [first.server, second.server]
        assert second == await fleet.find(second.prompt_id)
        result = await fleet.wait(second)
        assert ["b"] == [each.server for each in result.files]
        await fleet.fetch(result.files[0], tmp_path / "x")
        assert ([], [f"{second.prompt_id}.png"]) == (a.fetched, b.fetched)
        assert result == await fleet.wait(second)
        await fleet.close()

    in_time(test)


def test_another_process_finds_and_joins_the_run() -> None:
    """A fleet that did not submit it asks all its servers, and follows it to its end; progress comes too."""

    async def test() -> None:
        a, b = SimulatedServer("a"), SimulatedServer("b")
        handle = await b.submit(submission())
        fleet = fleet_of(a, b)
        found = await fleet.find(handle.prompt_id)
        assert RunHandle(handle.prompt_id, "b") == found
        assert found is not None
        assert RunStatus.COMPLETED == (await fleet.wait(found)).status
        assert RunStatus.COMPLETED == (await fleet.wait(RunHandle(handle.prompt_id))).status
        assert await fleet.find(submission().prompt_id) is None
        await fleet.close()

    in_time(test)


def test_progress_reaches_who_waits_late() -> None:
    """What happened before anybody waited is told first."""

    async def test() -> None:
        fleet = fleet_of(SimulatedServer("a"))
        handle = await fleet.submit(submission())
        await asyncio.sleep(5)
        told: list[NodeProgress] = []
        await fleet.wait(handle, told.append)
        assert ["finished"] == [each.state for each in told]
        await fleet.close()

    in_time(test)


def test_models_stay_where_they_are() -> None:
    """Two models that come in turns load once each, on a server of its own."""

    async def test() -> None:
        a, b = SimulatedServer("a", load_s=5), SimulatedServer("b", load_s=5)
        fleet = fleet_of(a, b)
        wanted = [submission(("x.safetensors", "y.safetensors")[index % 2]) for index in range(20)]
        await asyncio.gather(*(run_one(fleet, each) for each in wanted))
        assert (1, 1) == (a.loads, b.loads)
        assert [("x.safetensors",), ("y.safetensors",)] == [each.models for each in fleet.status()]
        await fleet.close()

    in_time(test)


def test_accelerators_are_kept_to_first_choice_first() -> None:
    """A prompt goes to its first choice while that has room, and never where it does not want to be."""

    async def test() -> None:
        a, b, c = SimulatedServer("a"), SimulatedServer("b"), SimulatedServer("c")
        fleet = fleet_of(a, b, c, accelerators=["T4", "H100", "L4"])
        handles = [await fleet.submit(submission("", "L4", "H100")) for _ in range(4)]
        assert ["c", "b", "c", "b"] == [each.server for each in handles]
        assert [] == a.queued
        with pytest.raises(BackendRejected, match="no server of the fleet has A100") as caught:
            await fleet.submit(submission("", "A100"))
        assert "they have H100, L4, T4: name one of these under accelerator in the manifest" == caught.value.hint
        await fleet.close()

    in_time(test)


def info(*classes: str, models: Sequence[str] = ()) -> JSONObject:
    """Return what a server offers: classes with one choice of models each."""
    return {
        each: {"input": {"required": {"model_0": [list(models), {}]}}, "output": [], "output_node": True}
        for each in classes
    }


def test_what_a_prompt_needs_decides_where_it_can_go() -> None:
    """A server that lacks the class or the model gets none of it; where all do, each is named with what it lacks."""

    async def test() -> None:
        a = SimulatedServer("a", info=info("Draw", models=["x.pt"]))
        b = SimulatedServer("b", info=info("Draw", "Paint", models=["y.pt"]))
        fleet = fleet_of(a, b)
        offered = await fleet.object_info()
        assert offered is not None
        assert (["Draw", "Paint"], ("x.pt", "y.pt")) == (list(offered), offered["Draw"].inputs["model_0"].choices)
        wanted = [submission("y.pt"), submission("x.pt"), submission(class_type="Paint"), submission("y.pt")]
        handles = [await fleet.submit(each) for each in wanted[:3]]
        assert ["b", "a", "b"] == [each.server for each in handles]
        with pytest.raises(PromptInvalid) as caught:
            await fleet.submit(submission("x.pt", class_type="Paint"))
        assert (
            "no server of the fleet has everything that the prompt needs:\n"
            "  a lacks the node class Paint\n"
            "  b lacks the model x.pt"
        ) == caught.value.message
        await fleet.close()

    in_time(test)


def test_model_deleted_since_sends_the_prompt_elsewhere() -> None:
    """A refusal is looked into: where the server lost a model meanwhile, another one gets the prompt."""

    async def test() -> None:
        a = SimulatedServer("a", info=info("Draw", models=["x.pt"]))
        b = SimulatedServer("b", info=info("Draw", models=["x.pt"]))
        fleet = fleet_of(a, b)
        await fleet.object_info()
        a.info, a.refuses = info("Draw", models=[]), PromptInvalid("value not in list")
        assert "b" == (await fleet.submit(submission("x.pt"))).server
        b.refuses = PromptInvalid("value smaller than min")
        with pytest.raises(PromptInvalid, match="smaller"):
            await fleet.submit(submission("x.pt"))
        await fleet.close()

    in_time(test)


def test_lost_server_loses_no_run_and_none_runs_twice_on_those_that_live() -> None:
    """A server goes for good amid a batch: all is done by the others, each run once."""

    async def test() -> None:
        servers = [SimulatedServer(name) for name in "abc"]
        fleet = fleet_of(*servers)
        batch = asyncio.gather(*(run_until_done(fleet, submission()) for _ in range(60)))
        await asyncio.sleep(5.5)
        servers[0].becomes_zombie()
        servers[0].falls_silent()
        results = await batch
        assert [RunStatus.COMPLETED] * 60 == [each.status for each in results]
        executed = [each for server in servers for each in server.executed]
        assert (60, 60) == (len(executed), len(set(executed)))
        assert {"a": QUARANTINED, "b": UP, "c": UP} == states(fleet)
        await fleet.close()

    in_time(test)


def test_run_of_a_server_that_is_only_away_stays_its_own() -> None:
    """Silent for less than lost_s, the server keeps its run, which is not run anywhere else."""

    async def test() -> None:
        a, b = SimulatedServer("a", run_s=30), SimulatedServer("b")
        fleet = fleet_of(a, b)
        handle = await fleet.submit(submission())
        waiting = asyncio.ensure_future(fleet.wait(handle))
        await asyncio.sleep(1)
        a.falls_silent()
        await asyncio.sleep(30)
        assert {"a": QUARANTINED, "b": UP} == states(fleet)
        a.silent = False
        assert RunStatus.COMPLETED == (await waiting).status
        assert ([handle.prompt_id], []) == (a.executed, b.executed)
        assert {"a": UP, "b": UP} == states(fleet)
        await fleet.close()

    in_time(test)


def test_run_that_was_given_up_is_cancelled_when_its_server_is_back() -> None:
    """A server that was away for too long comes back with the run: it is cancelled there before new work comes."""

    async def test() -> None:
        a, b = SimulatedServer("a", run_s=1000), SimulatedServer("b")
        fleet = fleet_of(a, b)
        handle = await fleet.submit(submission())
        waiting = asyncio.ensure_future(fleet.wait(handle))
        await asyncio.sleep(1)
        a.falls_silent()
        with pytest.raises(ServerStateLost, match="a has not answered for 60 s"):
            await waiting
        assert await fleet.find(handle.prompt_id) is None
        a.run_s, a.silent = 1, False
        await asyncio.sleep(200)
        assert ([], []) == (a.queued, b.queued)
        assert handle.prompt_id not in a.executed
        assert {"a": UP, "b": UP} == states(fleet)
        await fleet.close()

    in_time(test)


def test_whoever_asks_for_a_run_of_a_silent_server_waits_until_it_is_lost() -> None:
    """Only then is the answer that nobody has it; before, it might be run twice."""

    async def test() -> None:
        a, b = SimulatedServer("a"), SimulatedServer("b")
        a.falls_silent()
        fleet = fleet_of(a, b)
        assert await fleet.find(submission().prompt_id) is None
        assert TIMING.lost_s <= asyncio.get_running_loop().time() < TIMING.lost_s + 5
        assert await fleet.find(submission().prompt_id) is None
        assert asyncio.get_running_loop().time() < TIMING.lost_s + 5
        await fleet.close()

    in_time(test)


def test_zombie_is_given_up_and_back_after_a_restart() -> None:
    """What it holds is taken off it and lost to it; restarted, it runs the probe and takes work."""

    async def test() -> None:
        a, b = SimulatedServer("a"), SimulatedServer("b")
        fleet = fleet_of(a, b)
        await fleet.object_info()
        a.becomes_zombie()
        held = [await fleet.submit(submission()) for _ in range(4)]
        ends = await asyncio.gather(*(fleet.wait(each) for each in held), return_exceptions=True)
        assert [ServerStateLost, RunResult] * 2 == [type(each) for each in ends]
        assert 60 <= asyncio.get_running_loop().time() <= 60 + 2 * TIMING.withdraw_s
        assert QUARANTINED == states(fleet)["a"]
        assert ["b", "b"] == [(await fleet.submit(submission())).server for _ in range(2)]
        a.restarts()
        await asyncio.sleep(300)
        assert {"a": UP, "b": UP} == states(fleet)
        assert 1 == len(a.executed)
        await fleet.close()

    in_time(test)


def test_restart_loses_the_runs_of_that_server_alone() -> None:
    """Each is lost, so that it is tried again; the server takes work at once, and its models count as gone."""

    async def test() -> None:
        a, b = SimulatedServer("a"), SimulatedServer("b")
        fleet = fleet_of(a, b)
        held = [await fleet.submit(submission("x.pt")) for _ in range(2)]
        a.restarts()
        ends = await asyncio.gather(*(fleet.wait(each) for each in held), return_exceptions=True)
        assert [ServerStateLost, ServerStateLost] == [type(each) for each in ends]
        assert [(), ()] == [each.models for each in fleet.status()]
        assert RunStatus.COMPLETED == (await run_one(fleet, submission())).status
        await fleet.close()

    in_time(test)


@pytest.mark.parametrize("fault", [out_of_memory, broken_gpu])
def test_poisoned_server_gets_a_probe_before_new_work(fault: Callable[[], OutOfMemory]) -> None:
    """The run that failed says so; the one behind it failed for the server, and is lost to it instead."""

    async def test() -> None:
        a, b = SimulatedServer("a"), SimulatedServer("b")
        fleet = fleet_of(a, b)
        held = [await fleet.submit(submission("x.pt")) for _ in range(2)]
        a.failing = fault()
        first, second = await asyncio.gather(*(fleet.wait(each) for each in held), return_exceptions=True)
        assert isinstance(first, RunResult)
        assert (RunStatus.FAILED, a.failing) == (first.status, first.error)
        assert isinstance(second, ServerStateLost)
        assert QUARANTINED == states(fleet)["a"]
        await asyncio.sleep(10)
        assert QUARANTINED == states(fleet)["a"]
        assert "it fails a small prompt: " in str(fleet.status()[0].reason)
        assert "b" == (await fleet.submit(submission("x.pt"))).server
        a.failing = None
        await asyncio.sleep(30)
        assert UP == states(fleet)["a"]
        await fleet.close()

    in_time(test)


def test_unreachable_server_is_passed_over() -> None:
    """A submission that cannot be sent goes to another server at once."""

    async def test() -> None:
        a, b = SimulatedServer("a"), SimulatedServer("b")
        fleet = fleet_of(a, b)
        await fleet.object_info()
        a.falls_silent()
        assert "b" == (await fleet.submit(submission())).server
        assert 0.0 == asyncio.get_running_loop().time()
        assert "nobody there" == fleet.status()[0].reason
        await fleet.close()

    in_time(test)


def test_fleet_with_no_server_there_says_so_at_once() -> None:
    """Where none ever answered, addresses are wrong: no long wait."""

    async def test() -> None:
        a, b = SimulatedServer("a"), SimulatedServer("b")
        a.falls_silent()
        b.falls_silent()
        fleet = fleet_of(a, b)
        for asked in (fleet.object_info, lambda: fleet.submit(submission())):
            with pytest.raises(BackendUnavailable) as caught:
                await asked()
            lines = ["no server of the fleet that could run this is up:", "  a: nobody there", "  b: nobody there"]
            assert "\n".join(lines) == caught.value.message
        assert 0.0 == asyncio.get_running_loop().time()
        await fleet.close()

    in_time(test)


def test_submission_waits_out_a_bad_moment_of_all_servers() -> None:
    """They are back before hold_s is over: it is sent; when they are not, it is not sent, and says why."""

    async def test() -> None:
        a = SimulatedServer("a")
        fleet = fleet_of(a)
        await run_one(fleet, submission())
        a.falls_silent()
        sending = asyncio.ensure_future(fleet.submit(submission()))
        await asyncio.sleep(20)
        a.silent = False
        assert "a" == (await sending).server
        a.falls_silent()
        with pytest.raises(BackendUnavailable, match="a: nobody there"):
            await fleet.submit(submission())
        await fleet.close()

    in_time(test)


def test_lost_reply_is_looked_for_where_it_was_sent() -> None:
    """The run is found there; sent again, it goes to the same server."""

    async def test() -> None:
        a, b = SimulatedServer("a"), SimulatedServer("b")
        fleet = fleet_of(a, b)
        a.loses_reply = True
        wanted = submission()
        with pytest.raises(SubmissionUnknown):
            await fleet.submit(wanted)
        a.loses_reply = False
        assert RunHandle(wanted.prompt_id, "a") == await fleet.find(wanted.prompt_id)
        a.restarts()
        assert await fleet.find(wanted.prompt_id) is None
        assert "a" == (await fleet.submit(wanted)).server
        await fleet.close()

    in_time(test)


def test_drained_server_ends_what_it_has_and_takes_nothing() -> None:
    """Readmitted, it takes work again."""

    async def test() -> None:
        a, b = SimulatedServer("a"), SimulatedServer("b")
        fleet = fleet_of(a, b)
        held = await fleet.submit(submission())
        fleet.drain("a")
        assert ["b", "b"] == [(await fleet.submit(submission())).server for _ in range(2)]
        assert RunStatus.COMPLETED == (await fleet.wait(held)).status
        assert {"a": DRAINING, "b": UP} == states(fleet)
        fleet.readmit("a")
        assert "a" == (await fleet.submit(submission())).server
        with pytest.raises(UsageError, match='the fleet has no server "c"'):
            fleet.drain("c")
        await fleet.close()

    in_time(test)


def test_cancelled_submission_leaves_the_line() -> None:
    """It is never sent, and takes nobody's place."""

    async def test() -> None:
        a = SimulatedServer("a")
        fleet = fleet_of(a, depth=1)
        first = await fleet.submit(submission())
        waiting, wanted = asyncio.ensure_future(fleet.submit(submission())), submission()
        last = asyncio.ensure_future(fleet.submit(wanted))
        await asyncio.sleep(0.5)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await fleet.wait(first)
        await fleet.wait(await last)
        assert [first.prompt_id, wanted.prompt_id] == a.executed
        await fleet.close()

    in_time(test)


def test_cancelled_run_stops_on_its_server() -> None:
    """Whoever waits for it hears of it, and the server's place is free."""

    async def test() -> None:
        a = SimulatedServer("a", run_s=1000)
        fleet = fleet_of(a, depth=1)
        handle = await fleet.submit(submission())
        waiting = asyncio.ensure_future(fleet.wait(handle))
        await asyncio.sleep(1)
        await fleet.cancel(RunHandle(handle.prompt_id))
        assert RunStatus.CANCELLED == (await waiting).status
        assert 0 == fleet.status()[0].queued
        await fleet.close()

    in_time(test)


def test_run_and_file_of_a_server_that_left_the_fleet(tmp_path: Path) -> None:
    """Both say which server that was."""

    async def test() -> None:
        fleet = fleet_of(SimulatedServer("a"))
        with pytest.raises(ServerStateLost) as caught:
            await fleet.wait(RunHandle(submission().prompt_id, "gone"))
        assert "it went to gone, which is no longer one of them" == caught.value.hint
        with pytest.raises(BackendRejected, match=r"x\.png lies on gone, which is none of the fleet"):
            await fleet.fetch(OutputFile("1", "images", "x.png", server="gone"), tmp_path / "x.png")
        await fleet.close()

    in_time(test)


def test_closing_sends_everybody_away() -> None:
    """Those in the line hear that the fleet is closed."""

    async def test() -> None:
        fleet = fleet_of(SimulatedServer("a", run_s=1000), depth=1)
        await fleet.submit(submission())
        waiting = asyncio.ensure_future(fleet.submit(submission()))
        await asyncio.sleep(1)
        await fleet.close()
        with pytest.raises(BackendUnavailable, match="closed"):
            await waiting

    in_time(test)


def test_fleet_needs_servers_with_names_of_their_own() -> None:
    """None, the same twice, and a depth of nothing are refused."""
    server = SimulatedServer("a")
    for servers in ([], [Server(server, "a"), Server(server, "a")]):
        with pytest.raises(UsageError, match="each with a name of its own"):
            FleetBackend(servers)
    with pytest.raises(UsageError, match="depth of the server a is 0"):
        Server(server, "a", depth=0)


def test_prompt_that_is_none_is_refused_before_it_waits() -> None:
    """A document without classes never gets into the line."""

    async def test() -> None:
        fleet = fleet_of(SimulatedServer("a"))
        with pytest.raises(PromptInvalid):
            await fleet.submit(Submission("x", {"1": {}}))
        assert {"1"} == set(prompt())
        await fleet.close()

    in_time(test)
