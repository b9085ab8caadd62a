"""
What comfypipe costs between a program and a ComfyUI server: against bare clients, and comfy-cli, on the same server.

The server is `comfypipe engine`, in a process of its own; every prompt is another one, so that none is cached. The bare
client posts all prompts, waits on the WebSocket for all, and fetches all outputs, eight or thirty-two at once. The
example's loop is what ComfyUI's own WebSocket example does: submit, wait, fetch, one prompt after the other. In turns,
so that a busy machine slows all of them; the figures are medians of the rounds.

With COMFYUI_URL set, that server is measured with in place of our own.
"""

import asyncio
import json
import os
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import httpx
from websockets.asyncio.client import connect
from websockets.sync.client import connect as connect_sync

from _timing import table
from comfypipe._types import JSONObject
from comfypipe.execution.project import Project
from comfypipe.testing.servers import engine_process

RUNS = 200
ROUNDS = 5
SINGLE = 30
WHOLE = 7
COMFY_CLI = "comfy-cli==1.23.0"
ENVIRONMENTS = Path(__file__).resolve().parent.parent / ".comfypipe" / "benchmarks"
COLOURS = count(secrets.randbelow(1 << 23))
"""Others each time: a server that runs on must not know them."""
Way: TypeAlias = Callable[[], Awaitable[None]]
FILES = {
    "pyproject.toml": "[tool.comfypipe]\n",
    "workflows/tile.json.j2": """
        {"1": {"class_type": "EmptyImage", "inputs": {
            "width": 64, "height": 64, "batch_size": 1, "color": {{ colour }} } },
         "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "tile"} } }""",
    "manifests/tile.yaml": """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/tile.json.j2
        inputs:
          colour: {type: integer}
        outputs:
          image: {type: image, node: "2"}
        """,
}


def prompt_of(colour: int) -> JSONObject:
    """Return the prompt that the template gives; a folder for each, as ours have: servers list it when they save."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": colour}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": f"bare/{uuid4()}/tile"}},
    }


@dataclass(slots=True)
class Figures:
    """Seconds by the clock and of this process's processors, for as many runs."""

    runs: int
    wall_s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Runs a second."""
        return self.runs / self.wall_s


# Bare clients


@dataclass(slots=True)
class Ends:
    """When prompts have ended, as the socket tells."""

    by_id: dict[str, asyncio.Event] = field(default_factory=dict)

    def of(self, prompt_id: str) -> asyncio.Event:
        """Return what is set when the prompt has ended."""
        return self.by_id.setdefault(prompt_id, asyncio.Event())

    async def listen(self, frames: AsyncIterator[str | bytes]) -> None:
        """Take in what the socket tells."""
        async for frame in frames:
            message = json.loads(frame) if isinstance(frame, str) else {}
            if message.get("type") == "executing" and message["data"]["node"] is None:
                self.of(message["data"]["prompt_id"]).set()


@asynccontextmanager
async def bare_client(url: str, at_once: int) -> AsyncIterator[tuple[httpx.AsyncClient, Ends, str]]:
    """Give a client, what its socket tells, and the id under which it listens."""
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    client_id, ends = uuid4().hex, Ends()
    async with (
        httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as client,
        connect(f"ws{url.removeprefix('http')}/ws?clientId={client_id}", max_size=None, proxy=None) as socket,
    ):
        listening = asyncio.create_task(ends.listen(aiter(socket)))
        yield client, ends, client_id
        listening.cancel()


async def post(client: httpx.AsyncClient, client_id: str, prompt: JSONObject) -> str:
    """Submit a prompt, and return its id."""
    reply = await client.post("/prompt", json={"prompt": prompt, "client_id": client_id})
    prompt_id: str = reply.raise_for_status().json()["prompt_id"]
    return prompt_id


async def fetch(client: httpx.AsyncClient, prompt_id: str, folder: Path) -> JSONObject:
    """Write what a prompt has made into *folder*, and return its entry in the history."""
    entry: JSONObject = (await client.get(f"/history/{prompt_id}")).json()[prompt_id]
    for number, image in enumerate(entry["outputs"]["2"]["images"]):
        picture = await client.get("/view", params=image)
        (folder / f"{prompt_id}-{number}.png").write_bytes(picture.raise_for_status().content)
    return entry


async def by_bare_client(url: str, folder: Path, at_once: int) -> None:
    """Post all, wait for all, fetch all."""
    async with bare_client(url, at_once) as (client, ends, client_id):
        posted = await gather(at_once, (post(client, client_id, prompt_of(next(COLOURS))) for _ in range(RUNS)))
        await asyncio.gather(*(ends.of(prompt_id).wait() for prompt_id in posted))
        await gather(at_once, (fetch(client, prompt_id, folder) for prompt_id in posted))


async def gather(at_once: int, work: Iterable[Awaitable[str | JSONObject]]) -> list[str]:
    """Do it all, so much at once."""
    room = asyncio.Semaphore(at_once)

    async def one(each: Awaitable[str | JSONObject]) -> str:
        async with room:
            return str(await each)

    return await asyncio.gather(*(one(each) for each in work))


def by_example_loop(url: str, folder: Path) -> None:
    """Submit, wait, fetch, one prompt after the other, as ComfyUI's WebSocket example does."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    client_id = uuid4().hex
    with connect_sync(f"ws{url.removeprefix('http')}/ws?clientId={client_id}", max_size=None, proxy=None) as socket:
        for _ in range(RUNS):
            body = json.dumps({"prompt": prompt_of(next(COLOURS)), "client_id": client_id}).encode()
            with opener.open(urllib.request.Request(f"{url}/prompt", body)) as reply:  # noqa: S310
                prompt_id = json.load(reply)["prompt_id"]
            while True:
                message = json.loads(socket.recv())
                if message["type"] == "executing" and message["data"] == {"node": None, "prompt_id": prompt_id}:
                    break
            with opener.open(f"{url}/history/{prompt_id}") as reply:
                outputs = json.load(reply)[prompt_id]["outputs"]
            for image in outputs["2"]["images"]:
                with opener.open(f"{url}/view?{urllib.parse.urlencode(image)}") as reply:
                    (folder / f"{prompt_id}.png").write_bytes(reply.read())


# comfypipe


async def by_run_many(project: Project, url: str, at_once: int | None) -> None:
    """Run so many rows, so many at once; None leaves that to the project."""
    rows = ({"colour": next(COLOURS)} for _ in range(RUNS))
    async for run in project.run_many("tile", rows, backend=url, concurrency=at_once):
        if run.status != "completed":
            raise RuntimeError(str(run.error))


# Throughput


def throughput(url: str, root: Path, folder: Path) -> str:
    """Return the table of 200 small prompts."""
    ways: dict[str, Way] = {}
    for at_once in (8, 32):
        ways[f"bare client, {at_once} at once"] = partial(by_bare_client, url, folder, at_once)
        ways[f"`run_many`, {at_once} at once"] = partial(in_project, root, url, at_once)
    ways["`run_many` by itself"] = partial(in_project, root, url, None)
    ways["the example's loop"] = partial(asyncio.to_thread, by_example_loop, url, folder)
    rounds = [{name: measured(way) for name, way in ways.items()} for _ in range(ROUNDS)]
    rows = []
    for name in ways:
        found = [each[name] for each in rounds]
        ratios = [each[name].rate / each["bare client, 8 at once"].rate for each in rounds]
        loops = [each[name].rate / each["the example's loop"].rate for each in rounds]
        bare = name.replace("`run_many`", "bare client")
        own = [each[name].rate / each[bare if bare in ways else "bare client, 8 at once"].rate for each in rounds]
        rows.append(
            [
                name,
                f"{median(each.rate for each in found):.0f}",
                f"{median(ratios):.2f}",
                f"{median(own):.2f}",
                f"{median(loops):.2f}",
                f"{median(each.cpu_s for each in found) / RUNS * 1000:.1f} ms",
            ]
        )
    return table(["200 prompts by", "a second", "of bare, 8", "of bare, same", "of the loop", "CPU a run"], rows)


async def in_project(root: Path, url: str, at_once: int | None) -> None:
    """Open the project, run, close it."""
    async with Project.load(root) as project:
        await by_run_many(project, url, at_once)


def measured(way: Way) -> Figures:
    """Return what it takes."""

    async def do() -> None:
        await way()

    before, wall = cpu_s(), time.perf_counter()
    asyncio.run(do())
    return Figures(RUNS, time.perf_counter() - wall, cpu_s() - before)


def cpu_s() -> float:
    """Return the processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# Latency


def latency(url: str, root: Path, folder: Path) -> str:
    """Return the table of times from the end of execution to the result in hand, one prompt at a time."""
    bare, ours = asyncio.run(latencies(url, root, folder))
    rows = [
        [name, f"{median(found) * 1000:.1f} ms", f"{percentile(found, 95) * 1000:.1f} ms"]
        for name, found in (("bare client", bare), ("`run`", ours))
    ]
    over = percentile(ours, 95) - percentile(bare, 95)
    return table(["end of execution to result", "median", "p95"], [*rows, ["over bare", "", f"{over * 1000:.1f} ms"]])


async def latencies(url: str, root: Path, folder: Path) -> tuple[list[float], list[float]]:
    """Return the latencies of the bare client and of `Project.run`, in seconds, measured in turns."""
    bare, ours = [], []
    async with bare_client(url, 1) as (client, ends, client_id), Project.load(root) as project:
        for _ in range(SINGLE + 1):
            prompt_id = await post(client, client_id, prompt_of(next(COLOURS)))
            await ends.of(prompt_id).wait()
            entry = await fetch(client, prompt_id, folder)
            bare.append(time.time() - ended_at(entry))
            run = await project.run("tile", {"colour": next(COLOURS)}, backend=url)
            now = time.time()
            (attempt,) = await project.ledger.attempts(run.id)
            ours.append(now - ended_at((await client.get(f"/history/{attempt.prompt_id}")).json()[attempt.prompt_id]))
    return bare[1:], ours[1:]  # the first ones connect


def ended_at(entry: JSONObject) -> float:
    """Return when a prompt had been executed, in seconds since 1970, to the millisecond."""
    last: float = max(data["timestamp"] for _, data in entry["status"]["messages"])
    return last / 1000


# Whole processes


def processes(url: str, root: Path, folder: Path) -> str:
    """Return the table of one small workflow as a whole process."""
    comfy = comfy_cli()
    host, _, port = url.removeprefix("http://").partition(":")
    plain = {"HOME": str(folder), "PATH": os.environ["PATH"], "DO_NOT_TRACK": "1", "COMFY_NO_UPDATE_CHECK": "1"}
    theirs = [comfy, "--skip-prompt", "--json", "--where", "local", "run", "--wait", "--host", host, "--port", port]
    comfypipe = str(Path(sys.executable).with_name("comfypipe"))

    def by_comfy_cli() -> float:
        workflow = folder / "prompt.json"
        workflow.write_text(json.dumps(prompt_of(next(COLOURS))))
        return timed([*theirs, "--workflow", str(workflow)], {**plain, "COMFY_NO_WATCH": "1"})

    def by_comfypipe() -> float:
        command = [comfypipe, "run", "tile", "-i", f"colour={next(COLOURS)}", "--backend", url, "--project", str(root)]
        return timed([*command, "--json"], dict(os.environ))

    ways = {"`comfy run --wait`": by_comfy_cli, "`comfypipe run`": by_comfypipe}
    rounds = [{name: way() for name, way in ways.items()} for _ in range(WHOLE)]
    first = next(iter(ways))
    rows = [
        [name, f"{median(each[name] for each in rounds):.2f} s", f"{median(r[name] / r[first] for r in rounds):.2f}"]
        for name in ways
    ]
    return table(["a whole process", "median", "ratio"], rows)


def timed(command: Sequence[str], environment: dict[str, str]) -> float:
    """Return the seconds that a command takes, and see that it ends well."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def comfy_cli() -> str:
    """Return the program, in an environment of its own, which is made once."""
    given = os.environ.get("COMFY_CLI")
    if given:
        return given
    environment = ENVIRONMENTS / COMFY_CLI.replace("==", "-")
    if not (environment / "bin" / "comfy").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        python = str(environment / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", COMFY_CLI], check=True)
        subprocess.run([python, "-m", "compileall", "-q", str(environment / "lib")], check=False)
    return str(environment / "bin" / "comfy")


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many percent are not above."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


@contextmanager
def served() -> Iterator[str]:
    """Give the URL of the server to measure with."""
    given = os.environ.get("COMFYUI_URL")
    if given:
        yield given.rstrip("/")
        return
    with engine_process() as server:
        yield server.url


def main() -> None:
    """Print the tables, or those named on the command line."""
    wanted = sys.argv[1:] or ["throughput", "latency", "processes"]
    tables = {"throughput": throughput, "latency": latency, "processes": processes}
    with tempfile.TemporaryDirectory() as name, served() as url:
        root, folder = Path(name) / "project", Path(name) / "fetched"
        folder.mkdir()
        for file, text in FILES.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(text)
        for each in wanted:
            print(tables[each](url, root, folder), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
