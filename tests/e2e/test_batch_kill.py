"""A batch of 500 rows whose client and servers are killed at moments that nobody chose."""

import hashlib
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image
from tests.e2e.killing import start_command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROWS, KILLS = 500, 20
FILES = {
    "workflows/dot.json.j2": """
        {"1": {"class_type": "EmptyImage", "inputs": {
            "width": 8, "height": 8, "batch_size": 1, "color": {{ number }} } },
         "2": {"class_type": "Counted", "inputs": {"image": ["1", 0], "number": {{ number }} } },
         "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "dot"} } }""",
    "manifests/dot.yaml": """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/dot.json.j2
        inputs: {number: {type: integer}}
        outputs: {image: {type: image, node: "3"}}
        """,
}


@dataclass
class Server:
    """A server that can be killed, and comes up again on the same port."""

    root: Path
    folder: Path
    log: Path
    port: int
    killed: list[int] = field(default_factory=list)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        command = [sys.executable, "-m", "tests.e2e.counting_server", str(self.folder), str(self.port), str(self.log)]
        self.process = subprocess.Popen(command, cwd=self.root, stdout=subprocess.PIPE, env=os.environ)
        assert self.process.stdout is not None
        assert b"ready\n" == self.process.stdout.readline()

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        self.killed.append(self.process.pid)
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def servers(root: Path, tmp_path: Path) -> Iterator[list[Server]]:
    """Return two servers that write what they execute into one file."""
    found = [Server(root, tmp_path / f"server-{n}", tmp_path / "executed.log", free_port()) for n in range(2)]
    for each in found:
        each.start()
    yield found
    for each in found:
        each.kill()


@pytest.fixture
def project(tmp_path: Path, servers: list[Server]) -> Path:
    """Return a project whose fleet these servers are."""
    urls = ", ".join(f'"http://127.0.0.1:{each.port}"' for each in servers)
    settings = f'[tool.comfypipe]\nbackend = "pair"\n[tool.comfypipe.backends.pair]\nurl = [{urls}]\nlost_s = 5\n'
    folder = tmp_path / "project"
    for name, content in {"pyproject.toml": settings, **FILES}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "rows.csv").write_text("number\n" + "".join(f"{number}\n" for number in range(1, ROWS + 1)))
    return folder


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def executed(log: Path) -> dict[int, list[int]]:
    """Return by row the processes that executed it."""
    found = defaultdict[int, list[int]](list)
    for line in log.read_text().splitlines() if log.exists() else []:
        number, pid = line.split()
        found[int(number)].append(int(pid))
    return found


def test_kills_lose_and_double_nothing(project: Path, servers: list[Server]) -> None:
    """
    Every row ends exactly once, and its picture is right; only what died with a server is executed again.

    The client is killed in two of three cycles, a server (which comes up again, without memory) in the third.
    """
    luck = random.Random(20_261_122)  # noqa: S311
    words = ("batch", "dot", "rows.csv", "--out", "out", "--quiet")
    client = start_command(project, *words)
    for cycle in range(KILLS):
        until = len(executed(servers[0].log)) + luck.randrange(4, 30)
        ends = time.monotonic() + 30
        while len(executed(servers[0].log)) < until and client.poll() is None and time.monotonic() < ends:
            time.sleep(luck.uniform(0.001, 0.05))
        if cycle % 3 == 2:
            server = luck.choice(servers)
            server.kill()
            server.start()
        else:
            client.kill()
        with suppress(subprocess.TimeoutExpired):
            client.wait(0.05)
        if client.poll() is not None:
            client = start_command(project, *words)
    for _ in range(3):  # a server's death may have failed rows in a way that passes
        if client.wait(300) == 0:
            break
        client = start_command(project, *words)
    assert 0 == client.wait(300)

    killed = {pid for server in servers for pid in server.killed}
    counted = executed(servers[0].log)
    assert set(range(1, ROWS + 1)) == set(counted)
    twice = {row: pids for row, pids in counted.items() if any(pid not in killed for pid in pids[:-1])}
    assert {} == twice, "executed again though the server that had done so lived on"
    check_results(project)
    check_ledger(project)


def check_results(project: Path) -> None:
    """Every row has one line and one file, with the pixels and the bytes that it should have."""
    results = [json.loads(line) for line in (project / "out/results.jsonl").read_text().splitlines()]
    assert list(range(1, ROWS + 1)) == [each["row"] for each in results]
    assert {"completed"} == {each["status"] for each in results}
    for each in results:
        (file,) = each["outputs"]["image"]
        path = project / "out" / file["path"]
        assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as picture:
            red, green, blue = picture.convert("RGB").getpixel((0, 0))  # type: ignore[misc]
        assert each["params"]["number"] == (int(red) << 16) + (int(green) << 8) + int(blue)
    assert ROWS == len(list((project / "out").rglob("*.png")))


def check_ledger(project: Path) -> None:
    """Every row has one run that completed, and none that goes on; each of those one attempt that completed."""
    with closing(sqlite3.connect(project / ".comfypipe/ledger.sqlite3")) as connection:
        completed = "SELECT COUNT(*), COUNT(DISTINCT row_key) FROM runs WHERE status = 'completed'"
        assert (ROWS, ROWS) == connection.execute(completed).fetchone()
        assert (0,) == connection.execute("SELECT COUNT(*) FROM runs WHERE status = 'running'").fetchone()
        assert (1,) == connection.execute("SELECT COUNT(*) FROM batches").fetchone()
        attempts = "SELECT COUNT(*), COUNT(DISTINCT job_id) FROM attempts WHERE status = 'completed'"
        assert (ROWS, ROWS) == connection.execute(attempts).fetchone()
