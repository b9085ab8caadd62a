"""A project of small workflows, a server that plays faults, and what the client was seen to send."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from PIL import Image

from comfypipe._types import JSON, JSONObject
from comfypipe.backends.base import Backend
from comfypipe.backends.comfyui import ComfyUIBackend
from comfypipe.backends.comfyui.fleet import FleetBackend
from comfypipe.backends.comfyui.health import FleetTiming
from comfypipe.backends.comfyui.member import Server
from comfypipe.backends.comfyui.watch import Timing
from comfypipe.backends.connections import ServerTransport, target_of
from comfypipe.execution.backoff import Patience
from comfypipe.execution.events import Event
from comfypipe.execution.project import Project
from comfypipe.execution.records import Output, Run
from comfypipe.project import ProjectLayout
from comfypipe.store.records import AttemptRecord
from comfypipe.testing import EngineServer, engine_server, node
from comfypipe.testing.servers import get_json, post_json

PATIENCE = Patience(first_delay_s=0.05, longest_delay_s=0.2, grace_s=1.0, cancel_s=10.0)
TIMING = Timing(absent_s=0.3, stall_s=1.0, unreachable_s=0.3, ping_s=0.3)

RED = 0xFF0000

_MANIFEST = """
apiVersion: comfypipe/v1
kind: Workflow
workflow: workflows/{name}.json.j2
inputs:
  colour: {{type: integer, default: 0}}
{inputs}{more}
"""

_PICTURE: JSONObject = {
    "1": node("EmptyImage", width=8, height=8, batch_size=1, color="COLOUR"),
    "2": node("SaveImage", images=["1", 0], filename_prefix="picture"),
}
_TWO: JSONObject = {
    "1": _PICTURE["1"],
    "2": node("SaveImage", images=["1", 0], filename_prefix="first"),
    "3": node("ImageInvert", image=["2x", 0]),
    "2x": node("ImageInvert", image=["1", 0]),
    "4": node("SaveImage", images=["3", 0], filename_prefix="second"),
}


def _chain(length: int) -> JSONObject:
    links = {str(each): node("ImageInvert", image=[str(each - 1), 0]) for each in range(2, length)}
    end = {"end": node("SaveImage", images=[str(length - 1), 0], filename_prefix="chain")}
    return {"1": _PICTURE["1"], **links, **end}


def _workflows() -> Iterator[tuple[str, JSONObject, str, str]]:
    image = 'outputs: {image: {type: image, node: "2"}}'
    yield "picture", _PICTURE, "", image
    yield "stubborn", _PICTURE, "", f"{image}\nretry: {{attempts: 1}}"
    yield "large", _PICTURE, "", f"{image}\naccelerator: [L4, H100]"
    yield "two", _TWO, "", ""
    yield "chain", _chain(300), "", 'outputs: {image: {type: image, node: "end"}}'
    yield "long", _chain(1500), "", 'outputs: {image: {type: image, node: "end"}}'
    photo = {"1": node("LoadImage", image="PHOTO"), "2": node("SaveImage", images=["1", 0], filename_prefix="photo")}
    yield "photo", photo, "  photo: {type: image}\n", image


def write_project(root: Path) -> ProjectLayout:
    """Write the project."""
    for folder in ("workflows", "manifests"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.comfypipe]\n")
    for name, prompt, inputs, more in _workflows():
        template = json.dumps(prompt).replace('"COLOUR"', "{{ colour }}").replace('"PHOTO"', "{{ photo }}")
        (root / "workflows" / f"{name}.json.j2").write_text(template)
        (root / "manifests" / f"{name}.yaml").write_text(_MANIFEST.format(name=name, inputs=inputs, more=more))
    return ProjectLayout(root)


@dataclass(frozen=True)
class Request:
    """What was sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """Its JSON."""
        return json.loads(self.content)


class Recorder(httpx.AsyncBaseTransport):
    """The network, and a note of every request."""

    def __init__(self, requests: list[Request]) -> None:
        self._network = ServerTransport()
        self._requests = requests

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Note a request, and send it."""
        content = await request.aread()
        path = target_of(request).decode().partition("?")[0]
        self._requests.append(Request(request.method, path, dict(request.headers), content))
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._network.aclose()


@dataclass
class Play:
    """
    A project and a server, while a case is played.

    Attributes:
        events: What the runs told.
        requests: What was sent, in order.
        reached: URL by which the server is reached, where not directly.
        others: With which it makes a fleet.
        jobs_api: Whether the server has ``/api/jobs``.
    """

    root: Path
    server: EngineServer
    timing: Timing = TIMING
    reached: str | None = None
    events: list[Event] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    listener: Callable[[Event], None] | None = None
    others: Sequence[EngineServer] = ()
    fleet: bool = False
    jobs_api: bool = False

    @asynccontextmanager
    async def project(self) -> AsyncIterator[Project]:
        """Open the project, with the server as its backend."""
        layout = ProjectLayout(self.root)
        async with Project(layout, opener=lambda _url, _layout: self._backend(), patience=PATIENCE) as project:
            yield project

    def client(self, url: str) -> ComfyUIBackend:
        """Return a client whose requests are noted."""
        timing = replace(self.timing, blocked_s=1.0) if self.fleet else self.timing
        return ComfyUIBackend(url, timing=timing, transport=Recorder(self.requests))

    def _backend(self) -> Backend:
        if not self.fleet:
            return self.client(self.reached or self.server.url)
        names = (("L4", self.server), *(("H100", each) for each in self.others))
        servers = [Server(self.client(each.url), each.url, name) for name, each in names]
        return FleetBackend(servers, timing=FleetTiming(lost_s=0.6, first_probe_s=0.1, withdraw_s=0.5))

    async def run(self, name: str = "picture", inputs: Mapping[str, Any] | None = None, **options: Any) -> Run:
        """Run a workflow to its end; one that fails is returned as well."""
        async with self.project() as project:
            return await self.run_in(project, name, inputs, **options)

    async def run_in(
        self, project: Project, name: str = "picture", inputs: Mapping[str, Any] | None = None, **options: Any
    ) -> Run:
        """Run a workflow in an open project."""
        given = {"colour": RED} if inputs is None else inputs
        return await project.run(name, given, backend="http://server", listener=self.hear, check=False, **options)

    def hear(self, event: Event) -> None:
        """Keep an event, and pass it on."""
        self.events.append(event)
        if self.listener is not None:
            self.listener(event)

    async def attempts(self) -> tuple[AttemptRecord, ...]:
        """Return all attempts that the ledger has, first to last."""
        async with self.project() as project:
            runs = await project.ledger.runs()
            found = [each for run in reversed(runs) for each in await project.ledger.attempts(run.id)]
        return tuple(found)

    def sent(self, method: str, path: str) -> list[Request]:
        """Return the requests of one kind."""
        return [each for each in self.requests if (each.method, each.path) == (method, path)]

    def posts(self) -> list[Any]:
        """Return the bodies of the prompts that were submitted."""
        return [each.body for each in self.sent("POST", "/prompt")]

    def executed(self) -> list[str]:
        """Return how each execution of the server ended, in order; probes of a fleet are left out."""
        return [each["status"] for each in executions(self.server)]

    async def ask(self, path: str) -> Any:
        """Ask the server for something."""
        return await asyncio.to_thread(get_json, f"{self.server.url}{path}")

    async def tell(self, path: str, body: JSON) -> Any:
        """Tell the server something, as another client would."""
        return await asyncio.to_thread(post_json, f"{self.server.url}{path}", body)

    async def blocked(self, seconds: float = 1.5) -> str:
        """Have another client's prompt run for some time; return its id."""
        self.server.faults.add(f"slow-runs=ms:{int(seconds * 1000)},match:blocker")
        prompt = {
            "1": node("EmptyImage", width=8, height=8, batch_size=1, color=uuid4().int % 0xFFFFFF),
            "2": node("SaveImage", images=["1", 0], filename_prefix="blocker"),
        }
        prompt_id: str = (await self.tell("/prompt", {"prompt": prompt}))["prompt_id"]
        await self.until(lambda: "running" in self.executed())
        return prompt_id

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return when something has become true, for which five seconds are enough."""
        deadline = time.monotonic() + 5
        while not holds():
            assert time.monotonic() < deadline, "it does not become true"
            await asyncio.sleep(0.01)

    async def late_s(self, prompt_id: str) -> float:
        """Return how long ago the server ended a run."""
        entry = (await self.ask(f"/history/{prompt_id}"))[prompt_id]
        ended = dict(entry["status"]["messages"])["execution_success"]["timestamp"]
        return float(time.time() - ended / 1000)


def executions(server: EngineServer) -> list[Any]:
    """Return what a server executed, probes of fleets left out."""
    shown = server.executions.to_json(prompts=True)["executions"]
    return [each for each in shown if not any(n["class_type"] == "PreviewImage" for n in each["prompt"].values())]


@contextmanager
def play(root: Path, faults: Sequence[str] = (), *, jobs_api: bool = False, **changes: Any) -> Iterator[Play]:
    """Serve an engine with faults, beside a project."""
    write_project(root)
    with engine_server(faults=faults, jobs_api=jobs_api) as server:
        yield replace(Play(root, server, jobs_api=jobs_api), **changes)


def pixel(value: object) -> tuple[int, ...]:
    """Return the first pixel of an output, which has to be a whole picture."""
    output = value[0] if isinstance(value, tuple) else value
    assert isinstance(output, Output)
    picture = Image.open(io.BytesIO(output.path.read_bytes())).convert("RGB")
    found = picture.getpixel((0, 0))
    assert isinstance(found, tuple)
    return tuple(int(each) for each in found)


def is_canonical(text: str) -> bool:
    """Return whether an id is a lowercase UUID with hyphens."""
    return text == str(UUID(text))


def png() -> bytes:
    """Return a small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()
