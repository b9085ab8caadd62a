"""The client of one server, over sockets: what it keeps, uploads, asks of newer servers, and makes of silence."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from tests.contract.setting import Recorder, Request

from comfypipe._types import JSONObject
from comfypipe.backends.base import InputFile, RunHandle, RunStatus, Submission
from comfypipe.backends.comfyui import ComfyUIBackend
from comfypipe.backends.comfyui.watch import Timing
from comfypipe.errors import BackendRejected, BackendUnavailable, OutputGone, PromptInvalid, UsageError
from comfypipe.project import ProjectLayout
from comfypipe.testing import EngineServer, engine_server, node, picture_prompt, submission


@pytest.fixture(params=[False, True], ids=["0.3.64", "with jobs"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EngineServer]:
    """Return a server that can play faults, with and without jobs."""
    with engine_server(tmp_path / "server", jobs_api=request.param) as made:
        yield made


Steps = Callable[[ComfyUIBackend], Awaitable[None]]


def use(server: EngineServer, steps: Steps, keep: Path | None = None, timing: Timing | None = None) -> list[Request]:
    """Do something with a client of the server; return what it sent."""
    sent: list[Request] = []

    async def session() -> None:
        backend = ComfyUIBackend(server.url, keep=keep, timing=timing, transport=Recorder(sent))
        try:
            await steps(backend)
        finally:
            await backend.close()

    asyncio.run(session())
    return sent


def paths(sent: list[Request]) -> list[str]:
    """Return what was asked for."""
    return [f"{each.method} {each.path}" for each in sent]


# What a server offers


async def ask(backend: ComfyUIBackend) -> None:
    """Ask what the server offers."""
    info = await backend.object_info()
    assert info is not None
    assert "SaveImage" in info


def test_what_is_offered_is_kept_for_the_next_process(server: EngineServer, tmp_path: Path) -> None:
    """The second time, two small questions take the place of the large one."""
    first, second = (paths(use(server, ask, tmp_path / "keep")) for _ in range(2))
    assert ["GET /system_stats", "GET /extensions", "GET /object_info"] == first
    assert ["GET /system_stats", "GET /extensions"] == second


@pytest.mark.parametrize("damage", ["", "{}", '{"version": 1, "object_info": 5}', None])
def test_a_kept_copy_that_does_not_fit_is_replaced(server: EngineServer, tmp_path: Path, damage: str | None) -> None:
    """One that is damaged, or of another version, is not taken."""
    use(server, ask, tmp_path / "keep")
    (kept,) = (tmp_path / "keep").iterdir()
    if damage is None:
        whole = json.loads(kept.read_text())
        whole["version"]["comfyui_version"] = "0.0.1"
        damage = json.dumps(whole)
    kept.write_text(damage)
    assert "GET /object_info" in paths(use(server, ask, tmp_path / "keep"))
    assert "GET /object_info" not in paths(use(server, ask, tmp_path / "keep"))


def test_fresh_is_fresh(server: EngineServer, tmp_path: Path) -> None:
    """What is to be known as it is now is asked for, whatever is kept; and kept in its place."""

    async def fresh(backend: ComfyUIBackend) -> None:
        await backend.object_info(fresh=True)

    use(server, ask, tmp_path / "keep")
    assert "GET /object_info" in paths(use(server, fresh, tmp_path / "keep"))


def test_a_refusal_drops_what_was_kept(server: EngineServer, tmp_path: Path) -> None:
    """A server that refuses a prompt may offer something else by now: the next process asks."""

    async def refused(backend: ComfyUIBackend) -> None:
        await ask(backend)
        with pytest.raises(PromptInvalid):
            await backend.submit(submission(picture_prompt(1, width=0)))

    use(server, refused, tmp_path / "keep")
    assert [] == list((tmp_path / "keep").iterdir())


def test_where_nothing_can_be_kept_all_goes_on(server: EngineServer, tmp_path: Path) -> None:
    """A folder that cannot be made is no error."""
    (tmp_path / "file").write_text("")
    use(server, ask, tmp_path / "file" / "keep")


# Uploads


def photo(folder: Path, colour: int = 10) -> InputFile:
    """Return an input file."""
    path = folder / "photo.png"
    Image.new("RGB", (3, 2), (colour, 20, 30)).save(path)
    return InputFile("input/comfypipe/here/photo.png", hashlib.sha256(path.read_bytes()).hexdigest(), path)


def loading() -> JSONObject:
    """Return a prompt that reads the file."""
    return {
        "1": node("LoadImage", image="comfypipe/here/photo.png"),
        "2": node("SaveImage", images=["1", 0], filename_prefix=uuid4().hex),
    }


def test_a_file_is_uploaded_once(server: EngineServer, tmp_path: Path) -> None:
    """However many prompts need it, at once or later."""
    file = photo(tmp_path)

    async def steps(backend: ComfyUIBackend) -> None:
        wanted = [Submission(str(uuid4()), loading(), (file,)) for _ in range(4)]
        handles = await asyncio.gather(*(backend.submit(each) for each in wanted[:3]))
        handles.append(await backend.submit(wanted[3]))
        results = await asyncio.gather(*(backend.wait(each) for each in handles))
        assert {RunStatus.COMPLETED} == {each.status for each in results}

    assert 1 == paths(use(server, steps)).count("POST /upload/image")


def test_a_file_that_the_server_lost_is_uploaded_again(server: EngineServer, tmp_path: Path) -> None:
    """A prompt that is refused for want of a file gets it."""
    file = photo(tmp_path)

    async def steps(backend: ComfyUIBackend) -> None:
        await backend.submit(Submission(str(uuid4()), loading(), (file,)))
        shutil.rmtree(server.folder / "input")
        handle = await backend.submit(Submission(str(uuid4()), loading(), (file,)))
        assert RunStatus.COMPLETED == (await backend.wait(handle)).status

    assert 2 == paths(use(server, steps)).count("POST /upload/image")


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_file_that_is_not_what_was_meant_is_not_sent(server: EngineServer, tmp_path: Path, damage: str) -> None:
    """Half a file, or none, is an error before anything leaves this machine."""
    file = photo(tmp_path)
    assert file.path is not None
    file.path.write_bytes(file.path.read_bytes()[:-20]) if damage == "cut" else file.path.unlink()

    async def steps(backend: ComfyUIBackend) -> None:
        with pytest.raises(BackendRejected):
            await backend.submit(Submission(str(uuid4()), loading(), (file,)))

    assert [] == paths(use(server, steps))


# Newer servers, cancelling, doubt


def test_finding_and_cancelling(server: EngineServer) -> None:
    """With jobs one question finds a run and one request ends it; without, the queue and the history are asked."""
    server.faults.add("slow-runs=ms:5000")

    async def steps(backend: ComfyUIBackend) -> None:
        wanted = submission(picture_prompt(1))
        handle = await backend.submit(wanted)
        assert handle == await backend.find(wanted.prompt_id)
        assert await backend.find(str(uuid4())) is None
        await backend.cancel(handle)
        assert RunStatus.CANCELLED == (await backend.wait(handle)).status

    sent = paths(use(server, steps))
    jobs = any(each.endswith("/cancel") for each in sent)
    assert jobs is not ("POST /interrupt" in sent)
    assert 1 == sent.count("GET /api/jobs")


def test_a_submission_that_is_cancelled_under_way_is_known_in_the_end(server: EngineServer) -> None:
    """Whoever cancels it can find it afterwards: it is not queued behind anybody's back."""
    server.faults.add("slow-runs=ms:5000")

    async def steps(backend: ComfyUIBackend) -> None:
        wanted = submission(picture_prompt(1))
        await backend.find(str(uuid4()))  # connected, so that the next request goes straight out
        submitting = asyncio.ensure_future(backend.submit(wanted))
        while not [each for each in sent_to(backend) if each.path == "/prompt"]:  # noqa: ASYNC110  it is a note
            await asyncio.sleep(0)
        submitting.cancel()
        with suppress(asyncio.CancelledError):
            await submitting
        assert submitting.cancelled()
        assert RunHandle(wanted.prompt_id, remote_id=wanted.prompt_id) == await backend.find(wanted.prompt_id)
        await backend.cancel(RunHandle(wanted.prompt_id))

    def sent_to(backend: ComfyUIBackend) -> list[Request]:
        recorder = backend._http._client._transport
        assert isinstance(recorder, Recorder)
        return recorder._requests

    use(server, steps)


def test_what_is_sent_again_and_was_there_all_the_same_waits_in_no_queue(server: EngineServer) -> None:
    """When a dead process's submission runs after all, the second one under its id is taken out: it runs once."""
    server.faults.add("slow-runs=ms:1000")
    wanted = submission(picture_prompt(1))

    async def dead(backend: ComfyUIBackend) -> None:
        await backend.submit(wanted)

    async def steps(backend: ComfyUIBackend) -> None:
        while server.executions.by_prompt_id() == {}:  # noqa: ASYNC110  it is seen from outside
            await asyncio.sleep(0.005)
        handle = await backend.submit(replace(wanted, again=True))
        assert RunStatus.COMPLETED == (await backend.wait(handle)).status

    use(server, dead)
    use(server, steps)
    assert {wanted.prompt_id: 1} == server.executions.by_prompt_id()


def test_a_file_that_is_gone_names_its_node(server: EngineServer, tmp_path: Path) -> None:
    """Whoever runs it anew has to know what saved it."""

    async def steps(backend: ComfyUIBackend) -> None:
        result = await backend.wait(await backend.submit(submission(picture_prompt(1))))
        shutil.rmtree(server.folder / "output")
        with pytest.raises(OutputGone) as caught:
            await backend.fetch(result.files[0], tmp_path / "file")
        assert "2" == caught.value.node_id

    use(server, steps)


# Silence


def test_a_zombie_is_found(server: EngineServer) -> None:
    """A server that holds a run as running and tells nothing, though it would be heard, is given up in time."""
    server.faults.add("zombie")

    async def steps(backend: ComfyUIBackend) -> None:
        handle = await backend.submit(submission(picture_prompt(1)))
        async with asyncio.timeout(3):
            with pytest.raises(BackendUnavailable, match="executes nothing"):
                await backend.wait(handle)

    use(server, steps, timing=Timing(poll_s=0.1, stall_s=0.5))


def test_a_run_that_would_not_be_heard_is_no_zombie(server: EngineServer) -> None:
    """Of a run that another process submitted, or whose socket is silent, nothing is heard however well it runs."""
    server.faults.add("slow-runs=ms:1500")
    timing = Timing(poll_s=0.1, stall_s=0.3)
    wanted = submission(picture_prompt(1))

    async def submit(backend: ComfyUIBackend) -> None:
        await backend.submit(wanted)

    async def join(backend: ComfyUIBackend) -> None:
        assert RunStatus.COMPLETED == (await backend.wait(RunHandle(wanted.prompt_id))).status

    async def deaf(backend: ComfyUIBackend) -> None:
        result = await backend.wait(await backend.submit(submission(picture_prompt(2))))
        assert RunStatus.COMPLETED == result.status

    use(server, submit, timing=timing)
    use(server, join, timing=timing)
    server.faults.add("silent-socket=always")
    use(server, deaf, timing=timing)


# Settings


@pytest.mark.parametrize(
    "settings",
    [
        {"header": {}},
        {"headers": {"a": 1}},
        {"headers": "a"},
        {"stall_s": 0},
        {"stall_s": "long"},
        {"poll_s": True},
        {"ca_file": "nowhere.pem"},
        {"max_output_bytes": -1},
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, settings: JSONObject) -> None:
    """Each mistake is named when the backend is opened."""
    from comfypipe.backends.comfyui import create

    with pytest.raises(UsageError, match=next(iter(settings))):
        create("http://gpu:8188", settings, ProjectLayout(tmp_path))


def test_credentials_reach_requests_and_socket_but_no_message(tmp_path: Path) -> None:
    """A password with reserved characters is sent as it is meant, and never shown."""
    backend = ComfyUIBackend("https://me:p%40ss@gpu:8188/sub/")
    assert "https://gpu:8188/sub" == backend.url
    assert "Basic bWU6cEBzcw==" == backend._http._client.headers["Authorization"]
    assert {"Authorization": "Basic bWU6cEBzcw=="} == backend._socket._options["additional_headers"]
