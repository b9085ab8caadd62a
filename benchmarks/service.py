"""
What the runs service costs: ``service.py [SECONDS]``.

The rate of POSTs is compared, turn by turn, with that of a bare FastAPI endpoint that commits one row to the same kind
of database through the same worker. Both are asked by the same client, over connections that stay open. Runs that are
posted wait while that is measured, behind one that does not end.
"""

import asyncio
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import orjson

from _timing import table
from comfypipe.jsontext import to_text
from comfypipe.service.ids import new_id
from comfypipe.service.keys.records import create
from comfypipe.service.migrations import SERVICE
from comfypipe.service.principal import SCOPES
from comfypipe.service.serve import serve
from comfypipe.service.settings import ServiceSettings
from comfypipe.store.connection import Connection
from comfypipe.store.statements import insert
from comfypipe.store.worker import DatabaseWorker
from comfypipe.testing import engine_process

CONNECTIONS = 32
ROUNDS = 5
A_SECOND = 100
SMALL_RUNS = 40
HUGE_BODIES = 100


def prompt(colour: int = 0) -> dict[str, Any]:
    """Return a prompt that takes the engine a few milliseconds."""
    size = {"width": 64, "height": 64, "batch_size": 1, "color": colour}
    return {
        "1": {"class_type": "EmptyImage", "inputs": size},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "bench"}},
    }


_SPAWN = get_context("spawn")


def serve_bare(folder: Path, told: Any) -> None:
    """Serve the bare endpoint."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Asked(BaseModel):
        prompt: dict[str, Any]

    app, worker = FastAPI(), DatabaseWorker(folder / "bare.sqlite3", SERVICE)

    @app.post("/runs")
    async def post(asked: Asked) -> dict[str, str]:
        row: dict[str, Any] = {
            "tenant": "t",
            "id": new_id(),
            "name": "n",
            "tags": to_text(asked.prompt),
            "created_ms": 0,
        }
        await worker.write(lambda connection: insert(connection, "workflows", row | {"updated_ms": 0}))
        return {"id": row["id"]}

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            told.send(self.servers[0].sockets[0].getsockname()[1])

    Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False)).run()


def serve_service(settings: ServiceSettings, told: Any) -> None:
    """Serve the service."""
    serve(settings, port=0, on_ready=lambda url: told.send(int(url.rpartition(":")[2])))


@contextmanager
def process(target: Callable[..., None], *arguments: object) -> Iterator[tuple[int, Any]]:
    """Serve from another process; yields the port and the process."""
    ours, theirs = _SPAWN.Pipe()
    started = _SPAWN.Process(target=target, args=(*arguments, theirs), daemon=True)
    started.start()
    try:
        yield ours.recv(), started
    finally:
        started.kill()
        started.join()


def request(path: str, body: bytes, key: str | None) -> bytes:
    """Return a request as it goes over the wire."""
    auth = f"Authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{auth}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> None:
    """Send a request and read its answer, which has to be 200."""
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)


async def rate(port: int, sent: bytes, seconds: float) -> float:
    """Return how many requests a second are answered, asked by many at once."""
    ends = time.perf_counter() + seconds
    counted = 0

    async def one() -> None:
        nonlocal counted
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < ends:
            await ask(reader, writer, sent)
            counted += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return counted / (time.perf_counter() - began)


async def latencies_ms(port: int, sent: bytes, seconds: float) -> list[float]:
    """Return how long each answer takes, counted from when it was due, at a steady rate."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    took: list[float] = []
    began = time.perf_counter()

    async def one(due: float) -> None:
        connection = await free.get()
        await ask(*connection, sent)
        took.append((time.perf_counter() - due) * 1000)
        free.put_nowait(connection)

    tasks = []
    for number in range(int(seconds * A_SECOND)):
        due = began + number / A_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    return sorted(took)


def make_key(settings: ServiceSettings) -> str:
    """Return an API key of the service."""

    async def make() -> str:
        worker = DatabaseWorker(settings.location, SERVICE)

        def write(connection: Connection) -> str:
            return create(connection, "bench", name="", scopes=SCOPES, expires_ms=None, now_ms=0)[0]

        try:
            return await worker.write(write)
        finally:
            await worker.close()

    settings.data.mkdir(parents=True)
    return asyncio.run(make())


def compare_posts(folder: Path, seconds: float) -> list[list[str]]:
    """Return the rows on POSTs."""
    body = orjson.dumps({"prompt": prompt()})
    with engine_process(folder / "engine", faults=["slow-runs=always,ms:3600000"]) as engine:
        settings = ServiceSettings(folder / "held", backend=engine.url, requests_per_s=0)
        key = make_key(settings)
        ours_sent, bare_sent = request("/api/v1/workflows/w/runs", body, key), request("/runs", body, None)
        with process(serve_bare, folder) as (bare, _), process(serve_service, settings) as (ours, _):
            rates = [
                (asyncio.run(rate(bare, bare_sent, seconds)), asyncio.run(rate(ours, ours_sent, seconds)))
                for _ in range(ROUNDS)
            ]
            took = asyncio.run(latencies_ms(ours, ours_sent, 3 * seconds))
    best_bare, best = max(each[0] for each in rates), max(each[1] for each in rates)
    return [
        ["bare endpoint, POSTs a second", f"{best_bare:.0f}", ""],
        ["POSTs of runs a second", f"{best:.0f}", ""],
        ["ratio of the two", f"{best / best_bare:.2f}", "≥ 0.5"],
        [f"p50 at {A_SECOND} a second", f"{took[len(took) // 2]:.1f} ms", ""],
        [f"p99 at {A_SECOND} a second", f"{took[int(len(took) * 0.99)]:.1f} ms", "≤ 100 ms"],
    ]


@contextmanager
def receiving(ended: Event) -> Iterator[str]:
    """Receive webhooks; *ended* is set when one tells that a run has completed."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            run = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if run["status"] == "COMPLETED":
                ended.set()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def measure_overhead(folder: Path) -> list[list[str]]:
    """Return the rows on a small run, from its POST to its webhook, less what the engine itself took."""
    ended = Event()
    over: list[float] = []
    with receiving(ended) as origin:
        settings = ServiceSettings(folder / "small", authenticate=False, allow_origins=frozenset({origin}))
        with process(serve_service, settings) as (port, _), httpx.Client(trust_env=False) as http:
            base_url = f"http://127.0.0.1:{port}/api/v1/workflows/w/runs"
            for number in range(SMALL_RUNS):
                ended.clear()
                began = time.perf_counter()
                run_id = http.post(base_url, json={"prompt": prompt(number), "webhook": f"{origin}/hook"}).json()["id"]
                ended.wait(30)
                took_ms = (time.perf_counter() - began) * 1000
                over.append(took_ms - http.get(f"{base_url}/{run_id}").json()["run_time"])
    over = sorted(over[5:])  # the first ones open files and connections
    return [
        ["POST to webhook over the engine's own time, median", f"{statistics.median(over):.0f} ms", "≤ 150 ms"],
        ["the same, p95", f"{over[int(len(over) * 0.95)]:.0f} ms", ""],
    ]


async def send_huge(port: int, mebibytes: int) -> None:
    """Send a body of so many MiB in chunks, until it is refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /api/v1/workflows/w/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    chunk = b"10000\r\n" + b"[" * 65536 + b"\r\n"
    try:
        for _ in range(16 * mebibytes):
            writer.write(chunk)
            await writer.drain()
        await asyncio.wait_for(reader.read(), 30)
    except (ConnectionError, TimeoutError):
        pass
    writer.close()


def peak_mib(pid: int) -> float:
    """Return the most memory that a process has had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure_memory(folder: Path) -> list[list[str]]:
    """Return the row on huge bodies."""
    settings = ServiceSettings(folder / "huge", authenticate=False)

    async def all_at_once(port: int) -> None:
        await asyncio.gather(*(send_huge(port, 16) for _ in range(HUGE_BODIES)))

    with process(serve_service, settings) as (port, served):
        httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False)
        before = peak_mib(served.pid)
        asyncio.run(all_at_once(port))
        after = peak_mib(served.pid)
    return [[f"memory that {HUGE_BODIES} chunked bodies of 16 MiB add", f"{after - before:.0f} MiB", "≤ 50 MB"]]


def main() -> None:
    """Print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard) if soft < 4096 else (soft, hard))
    with tempfile.TemporaryDirectory(prefix="comfypipe-") as place:
        folder = Path(place)
        rows = [*compare_posts(folder, seconds), *measure_overhead(folder), *measure_memory(folder)]
    print(table(["what", "measured", "goal"], rows))


if __name__ == "__main__":
    main()
