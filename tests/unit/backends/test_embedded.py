"""The embedded backend, beyond the contract that it shares with others."""

import asyncio
import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from comfypipe._types import JSON, JSONObject
from comfypipe.backends.base import InputFile, NodeProgress, OutputFile, RunResult, RunStatus, Submission
from comfypipe.backends.embedded import EmbeddedBackend, create
from comfypipe.backends.registry import open_backend
from comfypipe.engine.registry import Context, LiveContext, NodeClass, Registry, Result, integer, outputs, required
from comfypipe.errors import (
    BackendError,
    BackendRejected,
    BackendUnavailable,
    OutOfMemory,
    RunCancelled,
    RunFailed,
    ServerStateLost,
)
from comfypipe.project import ProjectLayout

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Return the event loop that the tests run in."""
    return "asyncio"


class Nodes:
    """A registry of small nodes; ``Gate`` runs until it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.opened = threading.Event()

    def registry(self) -> Registry:
        """Return the classes."""
        shown = {"value": required("*")}
        return Registry(
            [
                NodeClass("Number", self._number, {"value": integer(0, 0, 100)}, outputs("INT")),
                NodeClass("Gate", self._gate, {"value": integer(0)}, outputs("INT")),
                NodeClass("Show", lambda value: Result(ui={"text": [str(value)]}), shown, (), output_node=True),
                NodeClass("Save", _save, shown, (), output_node=True),
                NodeClass("Picture", self._picture, {"value": integer(0)}, outputs("INT")),
                NodeClass("Full", _full, {"value": integer(0)}, outputs("INT")),
                NodeClass("Huge", _huge, {"value": integer(0)}, outputs("INT")),
            ]
        )

    def _number(self, value: int) -> tuple[int]:
        self.runs += 1
        return (value,)

    def _gate(self, value: int, context: Context) -> tuple[int]:
        while not self.opened.wait(0.002):
            context.progress(1, 2)
        return (value,)

    def _picture(self, value: int, context: LiveContext) -> tuple[int]:
        self.opened.wait()
        context.progress(1, 1, b"png")
        return (value,)


def _save(value: JSON, context: Context) -> Result:
    (context.folders.output / "sub").mkdir(parents=True, exist_ok=True)
    (context.folders.output / "sub" / f"{value}.txt").write_text(str(value))
    return Result(ui={"texts": [{"filename": f"{value}.txt", "subfolder": "sub", "type": "output"}], "flag": [True]})


def _full(value: int) -> tuple[int]:
    with Path("/dev/full").open("w") as disk:
        disk.write("x")
        disk.flush()
    return (value,)


def _huge(value: int) -> tuple[int]:
    return (bytearray(1 << 62)[value],)


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """Return the nodes; the gate is open at the end."""
    made = Nodes()
    yield made
    made.opened.set()


@pytest.fixture
async def backend(nodes: Nodes, tmp_path: Path) -> Any:
    """Return a backend of the small nodes."""
    made = EmbeddedBackend(tmp_path / "engine", registry=nodes.registry())
    yield made
    await made.close()


def node(class_type: str, /, **inputs: JSON) -> JSONObject:
    """Return a node in API format."""
    return {"class_type": class_type, "inputs": inputs}


def through(class_type: str, end: str = "Show", value: int = 1) -> Submission:
    """Return a submission of a number that goes through a node of a class and is shown."""
    prompt = {
        "1": node("Number", value=value),
        "2": node(class_type, value=["1", 0]),
        "3": node(end, value=["2", 0]),
    }
    return Submission(str(uuid4()), prompt)


def plain(value: int = 1, *files: InputFile) -> Submission:
    """Return a submission that saves a number."""
    prompt = {"1": node("Number", value=value), "2": node("Save", value=["1", 0])}
    return Submission(str(uuid4()), prompt, files)


async def run(backend: EmbeddedBackend, submission: Submission) -> RunResult:
    """Submit and wait."""
    return await backend.wait(await backend.submit(submission))


async def test_result_has_files_values_and_times(backend: EmbeddedBackend) -> None:
    """Files are those that the nodes show; values are everything that they show."""
    result = await run(backend, plain(7))
    assert (OutputFile("2", "texts", "7.txt", "sub", "output"),) == result.files
    assert {"2": {"texts": [{"filename": "7.txt", "subfolder": "sub", "type": "output"}], "flag": [True]}} == (
        result.values
    )
    assert result.execution_s is not None
    assert {"1", "2"} == set(result.node_seconds)
    assert (False, None) == (result.simulated, result.error)


async def test_same_prompt_id_runs_once(backend: EmbeddedBackend, nodes: Nodes) -> None:
    """Submitting again what is known gives the same handle, at the same time too."""
    submission = through("Gate")
    handles = await asyncio.gather(*(backend.submit(submission) for _ in range(5)))
    nodes.opened.set()
    assert 1 == len(set(handles))
    results = await asyncio.gather(*(backend.wait(each) for each in handles))
    assert [RunStatus.COMPLETED] * 5 == [each.status for each in results]
    assert 1 == nodes.runs


async def test_who_comes_late_hears_everything(backend: EmbeddedBackend) -> None:
    """Waiting after the end tells what happened before."""
    handle = await backend.submit(plain())
    first: list[NodeProgress] = []
    await backend.wait(handle, first.append)
    late: list[NodeProgress] = []
    await backend.wait(handle, late.append)
    assert first == late
    assert ["queued", "started", "running", "finished", "running", "finished"] == [each.state for each in late]


async def test_cached_nodes_are_told(backend: EmbeddedBackend) -> None:
    """What does not run again says so."""
    await run(backend, plain())
    told: list[NodeProgress] = []
    await backend.wait(await backend.submit(plain()), told.append)
    assert [("cached", "1", "Number"), ("cached", "2", "Save")] == [
        (each.state, each.node_id, each.class_type) for each in told[2:]
    ]


async def test_of_many_steps_the_last_is_remembered(backend: EmbeddedBackend, nodes: Nodes) -> None:
    """A node with endless progress does not fill the memory."""
    handle = await backend.submit(through("Gate"))
    steps: list[NodeProgress] = []
    enough = asyncio.Event()

    def note(progress: NodeProgress) -> None:
        if progress.state == "progress":
            steps.append(progress)
            if len(steps) > 5:
                enough.set()

    waiting = asyncio.ensure_future(backend.wait(handle, note))
    await enough.wait()
    nodes.opened.set()
    await waiting
    late: list[NodeProgress] = []
    await backend.wait(handle, late.append)
    assert 1 == sum(each.state == "progress" for each in late)


async def test_previews_come_once(backend: EmbeddedBackend, nodes: Nodes) -> None:
    """Who looks gets the picture; it is not kept for those who come later."""
    handle = await backend.submit(through("Picture"))
    told: list[NodeProgress] = []
    waiting = asyncio.ensure_future(backend.wait(handle, told.append))
    await asyncio.sleep(0)
    nodes.opened.set()
    await waiting
    late: list[NodeProgress] = []
    await backend.wait(handle, late.append)
    assert [b"png"] == [each.preview for each in told if each.state == "preview"]
    assert [] == [each for each in late if each.state == "preview"]


async def test_error_of_a_listener_is_the_waiters(backend: EmbeddedBackend) -> None:
    """It is raised where the wait is, and the run goes on."""

    def broken(progress: NodeProgress) -> None:
        raise LookupError(progress.state)

    handle = await backend.submit(plain())
    with pytest.raises(LookupError, match="queued"):
        await backend.wait(handle, broken)
    assert RunStatus.COMPLETED == (await backend.wait(handle)).status


def test_waits_in_several_event_loops(nodes: Nodes, tmp_path: Path) -> None:
    """A run that was submitted in one loop can be waited for in another, in another thread."""
    backend = EmbeddedBackend(tmp_path, registry=nodes.registry())
    handle = asyncio.run(backend.submit(through("Gate")))
    results: list[RunResult] = []
    threads = [threading.Thread(target=lambda: results.append(asyncio.run(backend.wait(handle)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    nodes.opened.set()
    for thread in threads:
        thread.join()
    assert [RunStatus.COMPLETED] * 4 == [each.status for each in results]
    asyncio.run(backend.close())


async def test_abandoned_wait_leaves_the_run_alone(backend: EmbeddedBackend, nodes: Nodes) -> None:
    """Cancelling the task that waits does not cancel the run."""
    handle = await backend.submit(through("Gate"))
    waiting = asyncio.ensure_future(backend.wait(handle))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    nodes.opened.set()
    assert RunStatus.COMPLETED == (await backend.wait(handle)).status


async def test_cancelled_run_says_where(backend: EmbeddedBackend) -> None:
    """The error names the node that it was in."""
    handle = await backend.submit(through("Gate"))
    running = asyncio.Event()
    waiting = asyncio.ensure_future(backend.wait(handle, lambda each: running.set() if each.node_id == "2" else None))
    await running.wait()
    await backend.cancel(handle)
    result = await waiting
    assert isinstance(result.error, RunCancelled)
    assert "node 2 (Gate)" in result.error.message


async def test_cancel_straight_after_submit_is_never_lost(backend: EmbeddedBackend) -> None:
    """However early it comes, the run stops."""
    for _ in range(50):
        handle = await backend.submit(through("Gate"))
        await backend.cancel(handle)
        assert RunStatus.CANCELLED == (await backend.wait(handle)).status


async def test_full_disk_has_a_hint(backend: EmbeddedBackend) -> None:
    """A node that cannot write says so, with what to do."""
    result = await run(backend, through("Full"))
    assert isinstance(result.error, RunFailed)
    assert ("2", "Full", "OSError") == (result.error.node_id, result.error.class_type, result.error.exception_type)
    assert "free some room" in (result.error.hint or "")


async def test_out_of_memory_is_an_error_of_its_own(backend: EmbeddedBackend) -> None:
    """So that it can be tried elsewhere."""
    result = await run(backend, through("Huge"))
    assert isinstance(result.error, OutOfMemory)
    assert result.error.retryable


async def test_closing_ends_everything(nodes: Nodes, tmp_path: Path) -> None:
    """What runs and what waits is cancelled; nothing new is taken."""
    backend = EmbeddedBackend(tmp_path, registry=nodes.registry())
    running = await backend.submit(through("Gate"))
    waiting = await backend.submit(plain())
    await backend.close()
    await backend.close()
    assert [RunStatus.CANCELLED] * 2 == [(await backend.wait(each)).status for each in (running, waiting)]
    with pytest.raises(BackendUnavailable):
        await backend.submit(plain())


async def test_unknown_run(backend: EmbeddedBackend) -> None:
    """It is lost state to those who wait, and nothing to those who cancel."""
    handle = await backend.submit(plain())
    stranger = type(handle)(str(uuid4()))
    await backend.cancel(stranger)
    with pytest.raises(ServerStateLost):
        await backend.wait(stranger)


class TestInputFiles:
    """Files that come with a submission."""

    async def test_placed_once(self, backend: EmbeddedBackend, tmp_path: Path) -> None:
        """The same bytes are not written again; other bytes replace them."""
        placed = tmp_path / "engine" / "input" / "a" / "b.txt"
        await run(backend, plain(1, _file(tmp_path, b"one")))
        written = placed.stat()
        await run(backend, plain(2, _file(tmp_path, b"one")))
        assert written.st_ino == placed.stat().st_ino
        await run(backend, plain(3, _file(tmp_path, b"two")))
        assert b"two" == placed.read_bytes()

    async def test_changed_since(self, backend: EmbeddedBackend, tmp_path: Path) -> None:
        """Bytes that are not those that were given are refused, and leave nothing."""
        file = _file(tmp_path, b"one")
        assert file.path is not None
        file.path.write_bytes(b"changed")
        with pytest.raises(BackendRejected, match="has changed"):
            await backend.submit(plain(1, file))
        assert [] == [each for each in (tmp_path / "engine").rglob("*") if each.is_file()]

    @pytest.mark.parametrize("name", ["output/x.txt", "input", "input/../../x.txt", "/etc/x", "models/x", "input/\0"])
    async def test_outside(self, backend: EmbeddedBackend, tmp_path: Path, name: str) -> None:
        """Only places below ``input`` are taken."""
        path = _file(tmp_path, b"x").path
        with pytest.raises(BackendRejected, match="below input/"):
            await backend.submit(plain(1, InputFile(name, path=path)))

    async def test_gone_or_elsewhere(self, backend: EmbeddedBackend, tmp_path: Path) -> None:
        """A file that is not on this machine is named."""
        with pytest.raises(BackendRejected, match="is gone"):
            await backend.submit(plain(1, InputFile("input/x", path=tmp_path / "no")))
        with pytest.raises(BackendRejected, match="only its URL"):
            await backend.submit(plain(1, InputFile("input/x", url="https://example.com/x")))

    def test_no_room(self, tmp_path: Path) -> None:
        """A file that does not fit is an error with a hint, and nothing is left half-written."""
        script = f"""
import resource, signal
from pathlib import Path
from comfypipe.backends._files import place_input
from comfypipe.backends.base import InputFile
from comfypipe.errors import BackendError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
source = Path({str(tmp_path)!r}) / "big"
source.write_bytes(bytes(100_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    place_input(InputFile("input/big", path=source), Path({str(tmp_path)!r}) / "engine")
except BackendError as error:
    print(error)
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert "no room for" in done.stdout
        assert "hint: free some room" in done.stdout
        assert [] == list((tmp_path / "engine" / "input").iterdir())


class TestFetching:
    """Files that a run made."""

    async def test_copied_whole(self, backend: EmbeddedBackend, tmp_path: Path) -> None:
        """Folders are made; what stood there is replaced; nothing else is left."""
        result = await run(backend, plain(7))
        destination = tmp_path / "deep" / "er" / "out.txt"
        for _ in range(2):
            await backend.fetch(result.files[0], destination)
        assert ("7", [destination]) == (destination.read_text(), list(destination.parent.iterdir()))

    async def test_deleted_since(self, backend: EmbeddedBackend, tmp_path: Path) -> None:
        """A file that somebody deleted is an error that says so."""
        result = await run(backend, plain(7))
        (tmp_path / "engine" / "output" / "sub" / "7.txt").unlink()
        with pytest.raises(BackendRejected, match=r"7\.txt is gone"):
            await backend.fetch(result.files[0], tmp_path / "x")
        assert not (tmp_path / "x").exists()

    @pytest.mark.parametrize(
        "output",
        [
            OutputFile("1", "x", "a", "..", "output"),
            OutputFile("1", "x", "../a", "", "output"),
            OutputFile("1", "x", "a", "", "models"),
            OutputFile("1", "x", "a\0", "", "output"),
        ],
    )
    async def test_hostile_names(self, backend: EmbeddedBackend, tmp_path: Path, output: OutputFile) -> None:
        """Nothing outside the engine's folders is read."""
        with pytest.raises(BackendError):
            await backend.fetch(output, tmp_path / "x")


async def test_opened_by_url(tmp_path: Path) -> None:
    """``embedded:`` keeps its files in the project's own folder."""
    (tmp_path / "pyproject.toml").write_text("[tool.comfypipe]\n")
    layout = ProjectLayout.find(tmp_path)
    backend = open_backend("embedded:", layout)
    assert isinstance(backend, EmbeddedBackend)
    assert ("embedded:", False) == (backend.url, backend.simulated)
    assert layout.engine / "output" == backend.engine.folders.output
    await backend.close()
    assert 5 == create("embedded:", {"cache_bytes": 5}, layout).engine.cache.limit_bytes


def _file(folder: Path, data: bytes) -> InputFile:
    path = folder / "source.txt"
    path.write_bytes(data)
    return InputFile("input/a/b.txt", hashlib.sha256(data).hexdigest(), path)
