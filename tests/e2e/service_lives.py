"""
Lives of a service, each ended by kill -9 at a moment that nobody chose.

Clients ask for runs with an Idempotency-Key and, like well-behaved ones, ask again after a broken connection. What is
counted at the end: by the client, what was acknowledged; by the server, what was executed; by the receiver, what was
told.
"""

import random
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

import httpx
import orjson

from comfypipe.service.serve import serve
from comfypipe.service.settings import ServiceSettings
from comfypipe.testing import EngineServer

ENDED = ("COMPLETED", "ERROR")


def service_context() -> ForkServerContext:
    """Return what services are started from, so that many of them need one import."""
    context = get_context("forkserver")
    own = ("service.serve", "backends.comfyui", "execution.job", "reports.thumbnails")
    others = ("uvicorn.lifespan.on", "uvicorn.protocols.http.auto", "anyio._backends._asyncio", "websockets", "alembic")
    context.set_forkserver_preload([__name__, *(f"comfypipe.{each}" for each in own), *others])
    return context


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Told:
    """
    What a receiver of webhooks was told.

    Attributes:
        ids: By run and status, the ids under which it came.
    """

    origin: str
    ids: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    def statuses(self, run_id: str) -> set[str]:
        """Return what was told of a run."""
        return {status for known, status in self.ids if known == run_id}


@contextmanager
def receiver() -> Iterator[Told]:
    """Receive webhooks on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            run = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.ids[run["id"], run["status"]].add(self.headers["webhook-id"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Told(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Lives:
    """
    A service that is killed and started again on the same port and folder.

    Attributes:
        acknowledged: By number of the run, the id that the client was told.
    """

    settings: ServiceSettings
    server: EngineServer
    told: Told
    luck: random.Random
    context: ForkServerContext = field(default_factory=service_context)
    port: int = field(default_factory=free_port)
    acknowledged: dict[int, str] = field(default_factory=dict)
    unanswered: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    _number: int = 0

    def live(self, *, longest_s: float, runs: int) -> None:
        """Start the service, ask for *runs*, and kill it within *longest_s* of its being ready."""
        process = self._start()
        try:
            with self._client() as client:
                if not self._is_ready(client, process):
                    self.problems.append("did not get ready")
                    return
                killer = threading.Timer(self.luck.uniform(0.0, longest_s), process.kill)
                killer.start()
                self._ask(client, runs)
                killer.join()
        finally:
            process.kill()
            process.join()

    def last(self, *, within_s: float) -> None:
        """Start the service once more, and let all runs end; note what is wrong with them."""
        process = self._start()
        try:
            with self._client() as client:
                if not self._is_ready(client, process):
                    self.problems.append("did not get ready")
                    return
                self._ask(client, 0)
                deadline = time.monotonic() + within_s
                for number, run_id in self.acknowledged.items():
                    self._judge(number, self._end(client, run_id, deadline))
                self._judge_webhooks(deadline)
            self._judge_executions()
        finally:
            process.terminate()
            process.join(10)
            process.kill()

    def _ask(self, client: httpx.Client, runs: int) -> None:
        for _ in range(runs):
            self._number += 1
            self.unanswered.add(self._number)
        for number in sorted(self.unanswered):
            try:
                reply = client.post("/workflows/w/runs", json=self._body(number), headers=_key(number))
            except httpx.TransportError:
                return
            if reply.status_code != 200:
                self.problems.append(f"{number}: {reply.status_code} {reply.text}")
            self.acknowledged[number] = reply.json().get("id", "")
            self.unanswered.discard(number)

    def _body(self, number: int) -> dict[str, Any]:
        size = {"width": 16, "height": 16, "batch_size": 1, "color": number}
        prompt = {
            "1": {"class_type": "EmptyImage", "inputs": size},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": f"n{number}"}},
        }
        return {"prompt": prompt, "webhook": f"{self.told.origin}/hook"}

    def _start(self) -> ForkServerProcess:
        process = self.context.Process(target=_serve, args=(self.settings, self.port), daemon=True)
        process.start()
        return process

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}/api/v1", timeout=20, trust_env=False)

    def _is_ready(self, client: httpx.Client, process: ForkServerProcess) -> bool:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.is_alive():
            try:
                return client.get(f"http://127.0.0.1:{self.port}/ready").status_code == 200
            except httpx.TransportError:
                time.sleep(0.01)
        return False

    def _end(self, client: httpx.Client, run_id: str, deadline: float) -> dict[str, Any]:
        while True:
            run: dict[str, Any] = client.get(f"/workflows/w/runs/{run_id}?extended=1").json()
            if run.get("status") in ENDED or time.monotonic() > deadline:
                return run
            time.sleep(0.05)

    def _judge(self, number: int, run: dict[str, Any]) -> None:
        if run.get("status") != "COMPLETED":
            self.problems.append(f"{number}: {run.get('status')} {run.get('error')}")
        elif [f"n{number}_00001_.png"] != [each["filename"].rsplit("/", 1)[-1] for each in run["output"]]:
            self.problems.append(f"{number}: {run['output']}")

    def _judge_webhooks(self, deadline: float) -> None:
        missing = dict(self.acknowledged)
        while missing and time.monotonic() < deadline:
            wanted = {"STARTED", "COMPLETED"}
            missing = {n: each for n, each in missing.items() if self.told.statuses(each) != wanted}
            time.sleep(0.05)
        self.problems += [f"{number}: told {self.told.statuses(each)}" for number, each in missing.items()]
        self.problems += [f"{key} came as {ids}" for key, ids in self.told.ids.items() if len(ids) > 1]

    def _judge_executions(self) -> None:
        done = self.server.executions.to_json(prompts=True)["executions"]
        times = Counter(each["prompt"]["1"]["inputs"]["color"] for each in done)
        self.problems += [f"{n}: executed {count} times" for n, count in times.items() if count > 1]
        self.problems += [f"{n}: never executed" for n in self.acknowledged if n not in times]


def _key(number: int) -> dict[str, str]:
    return {"Idempotency-Key": f"key-{number}"}


def _serve(settings: ServiceSettings, port: int) -> None:
    serve(settings, port=port)
