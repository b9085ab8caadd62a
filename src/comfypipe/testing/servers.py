"""Servers to test against: the engine behind ComfyUI's protocol, in this process or in one of its own."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders, Registry
from comfypipe.engine.server.faults.executions import Executions, prompt_digest
from comfypipe.engine.server.faults.faults import Faults
from comfypipe.engine.server.serve import serving
from comfypipe.engine.simulation.registry import simulating_registry
from comfypipe.errors import BackendUnavailable


@dataclass(frozen=True, slots=True)
class EngineServer:
    """
    A server in a thread of this process.

    Attributes:
        folder: Holds ``input``, ``output`` and ``temp``.
        faults: Those that it plays; more can be added at any time.
    """

    url: str
    folder: Path
    faults: Faults

    @property
    def executions(self) -> Executions:
        """What it really executed."""
        return self.faults.executions

    def times_executed(self, prompt: JSON) -> int:
        """Return how often a prompt of this content was executed."""
        return self.executions.by_digest().get(prompt_digest(prompt), 0)

    def restart(self, *, down_ms: int = 0) -> None:
        """Let it forget everything, as a restart does; for *down_ms* nobody answers."""
        post_json(f"{self.url}/comfypipe/restart?down_ms={down_ms}", {})


@contextmanager
def engine_server(
    folder: Path | None = None,
    *,
    faults: Faults | Sequence[str] = (),
    jobs_api: bool = False,
    simulate: bool = False,
    registry: Registry | None = None,
    port: int = 0,
) -> Iterator[EngineServer]:
    """
    Serve the engine from a thread of this process, while the block lasts.

    Args:
        folder: For its files; a temporary one where nothing is said.
        faults: To play: ``["lost-reply=once", "late-history=ms:200"]``. See ``comfypipe engine --help``.
        jobs_api: Serve ``/api/jobs`` too, as newer servers do.
        simulate: Nodes that need a model are stood in for, as ``simulate:`` does.
        registry: The node classes that are real; all core ones where nothing is said.

    Raises:
        UsageError: There is no such fault.
    """
    played = faults if isinstance(faults, Faults) else Faults(faults)
    with TemporaryDirectory(prefix="comfypipe-") if folder is None else _kept(folder) as place:
        root = Path(place)
        classes = simulating_registry(registry or core_registry()) if simulate else registry
        engine = Engine(Folders(root / "input", root / "output", root / "temp"), classes)
        with serving(engine, jobs_api=jobs_api, faults=played, port=port) as url:
            yield EngineServer(url, root, played)


@dataclass(slots=True)
class EngineProcess:
    """A server in a process of its own, that can be killed and started again on the same port."""

    folder: Path
    options: Sequence[str] = ()
    port: int = 0
    url: str = ""
    process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    def start(self) -> None:
        """
        Start it, and wait until it takes connections.

        Raises:
            BackendUnavailable: It does not start.
        """
        command = [sys.executable, "-m", "comfypipe", "engine", "--json", "--port", str(self.port)]
        command += ["--folder", str(self.folder), *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
        assert self.process.stdout is not None  # noqa: S101  it is a pipe
        line = self.process.stdout.readline()
        ready = json.loads(line) if line.startswith("{") and line.endswith("}\n") else {}
        if "url" not in ready:
            self.stop()
            raise BackendUnavailable("the engine's server did not start", hint="its last words are on stderr")
        self.url = ready["url"]
        self.port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """End it at once, as a crash does: nothing is written, no connection is closed in order."""
        self._end(kill=True)

    def stop(self) -> None:
        """End it in order."""
        self._end(kill=False)

    def restart(self) -> None:
        """Kill it and start it again, on the same port: it has forgotten everything but its files."""
        self.kill()
        self.start()

    def executions(self) -> JSONObject:
        """Return what it executed in this life, as ``/comfypipe/executions`` shows it; needs a fault or ``--test``."""
        found: JSONObject = get_json(f"{self.url}/comfypipe/executions")
        return found

    def _end(self, *, kill: bool) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def engine_process(
    folder: Path | None = None,
    *,
    faults: Sequence[str] = (),
    jobs_api: bool = False,
    simulate: bool = False,
    port: int = 0,
) -> Iterator[EngineProcess]:
    """
    Run ``comfypipe engine`` in a process of its own, while the block lasts.

    Args: as `engine_server`.

    Raises:
        BackendUnavailable: It does not start.
    """
    options = ["--test", *(word for each in faults for word in ("--fault", each))]
    options += [name for name, wanted in (("--jobs-api", jobs_api), ("--simulate", simulate)) if wanted]
    with TemporaryDirectory(prefix="comfypipe-") if folder is None else _kept(folder) as place:
        server = EngineProcess(Path(place), options, port)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def get_json(url: str) -> JSON:
    """Return what a server answers to a GET."""
    with direct_opener().open(url, timeout=30) as reply:
        return json.load(reply)


def post_json(url: str, body: JSON) -> JSON:
    """Post a body; return what a server answers, None where that is nothing."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with direct_opener().open(request, timeout=30) as reply:
        content = reply.read()
    return json.loads(content) if content else None


def direct_opener() -> urllib.request.OpenerDirector:
    """Return what opens URLs without the environment's proxies: they are not for servers of a test."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def _kept(folder: Path) -> Iterator[str]:
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
    yield str(folder)
