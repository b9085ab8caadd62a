"""The contract of backends kept by a fleet, and a server that goes for good amid a batch, over real sockets."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from comfypipe.backends.base import Backend, RunHandle, RunStatus, Submission
from comfypipe.backends.comfyui import ComfyUIBackend
from comfypipe.backends.comfyui.fleet import FleetBackend
from comfypipe.backends.comfyui.health import FleetTiming, ServerState
from comfypipe.backends.comfyui.member import Server
from comfypipe.backends.comfyui.watch import Timing
from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders
from comfypipe.engine.server.serve import serving
from comfypipe.errors import ServerStateLost, SubmissionUnknown
from comfypipe.testing import BackendContract, picture_prompt


def engine_in(folder: Path) -> Engine:
    """Return an engine with folders of its own."""
    return Engine(Folders(folder / "input", folder / "output", folder / "temp"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Return the URL of an engine that listens for as long as the test lasts."""
    with serving(engine_in(tmp_path / "server")) as url:
        yield url


class TestFleetOfOne(BackendContract):
    """A fleet behaves as its only server does."""

    @pytest.fixture
    def backend(self, server: str) -> Backend:
        """Return the fleet."""
        return FleetBackend([Server(ComfyUIBackend(server), server)])


async def until_done(fleet: FleetBackend, colour: int) -> Path:
    """Run a prompt, and once more when its server is lost; return where its file was fetched to."""
    submission = Submission(str(uuid4()), picture_prompt(colour))
    handle = await submitted(fleet, submission)
    try:
        result = await fleet.wait(handle) if handle else None
    except ServerStateLost:
        result = None
    if result is None:
        return await until_done(fleet, colour)
    assert RunStatus.COMPLETED == result.status
    return Path(result.files[0].filename)


async def submitted(fleet: FleetBackend, submission: Submission) -> RunHandle | None:
    """Submit a prompt; None when its server went before it answered, and no other one has it."""
    try:
        return await fleet.submit(submission)
    except SubmissionUnknown:
        return await fleet.find(submission.prompt_id)


def test_server_lost_amid_a_batch_loses_no_run(tmp_path: Path) -> None:
    """One of two servers stops for good: every run is completed all the same, by the other."""

    async def batch(leaving: ExitStack, urls: list[str]) -> dict[str, ServerState]:
        timing = Timing(poll_s=0.1, unreachable_s=0.3)
        servers = [Server(ComfyUIBackend(url, timing=timing), url) for url in urls]
        fleet = FleetBackend(servers, timing=FleetTiming(lost_s=0.5, first_probe_s=0.1))
        async with AsyncExitStack() as after, asyncio.TaskGroup() as group:
            after.push_async_callback(fleet.close)
            runs = [group.create_task(until_done(fleet, colour)) for colour in range(60)]
            await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(leaving.close)
            await asyncio.wait(runs)
            return {each.name: each.state for each in fleet.status()}

    with ExitStack() as leaving, serving(engine_in(tmp_path / "b")) as staying:
        gone = leaving.enter_context(serving(engine_in(tmp_path / "a")))
        states = asyncio.run(batch(leaving, [gone, staying]))
    assert {gone: ServerState.QUARANTINED, staying: ServerState.UP} == states
