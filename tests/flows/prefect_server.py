"""A real Prefect server on a loopback port, shared by the processes of one test session."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

T = TypeVar("T")
START_S = 150.0
"""Twenty seconds on two idle cores; they are seldom idle."""


@dataclass(frozen=True)
class PrefectServer:
    """
    A running server.

    Attributes:
        environment: What a process needs in order to use it: the address, a ``PREFECT_HOME`` of its own, no telemetry.
    """

    api_url: str
    environment: Mapping[str, str]

    def prefect(self, *arguments: str, cwd: Path, timeout_s: float = 120) -> str:
        """Run Prefect's command line and return what it printed; a failure shows both streams."""
        command = [sys.executable, "-m", "prefect", *arguments]
        done = subprocess.run(
            command, cwd=cwd, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def until(probe: Callable[[], T | None], *, timeout_s: float, what: str, every_s: float = 0.2) -> T:
    """Return the first thing that *probe* finds; fails when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (found := probe()) is not None:
            return found
        time.sleep(every_s)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s")


def start(command: list[str], environment: Mapping[str, str], cwd: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start *command* as the leader of a new process group, its output in *log*."""
    with log.open("ab") as sink:
        return subprocess.Popen(
            command, cwd=cwd, env=dict(environment), stdout=sink, stderr=sink, start_new_session=True
        )


def end(process: subprocess.Popen[bytes], patience_s: float = 10) -> None:
    """End the process group that *process* leads: politely, then surely."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(patience_s)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def running(
    command: list[str], environment: Mapping[str, str], cwd: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* for the length of the block."""
    process = start(command, environment, cwd, log)
    try:
        yield process
    finally:
        end(process)


@contextmanager
def shared_server(folder: Path) -> Iterator[PrefectServer]:
    """
    Yield the one server of *folder*.

    The process that comes first starts it, and ends it once all that came later have left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    address, lock = folder / "address", FileLock(folder / "lock")
    with lock:
        owned = None if address.exists() else _start_server(folder, address)
        _users(folder, +1)
    try:
        yield PrefectServer(address.read_text(), _environment(folder, address.read_text()))
    finally:
        with lock:
            _users(folder, -1)
        if owned is not None:
            until(lambda: _end_unused(folder, lock, owned), timeout_s=900, what="others leaving the Prefect server")


def _users(folder: Path, change: int) -> int:
    count = folder / "users"
    users = (int(count.read_text()) if count.exists() else 0) + change
    count.write_text(str(users))
    return users


def _end_unused(folder: Path, lock: FileLock, process: subprocess.Popen[bytes]) -> bool | None:
    with lock:
        if _users(folder, 0):
            return None
        (folder / "address").unlink()
    end(process)
    return True


def _start_server(folder: Path, address: Path) -> subprocess.Popen[bytes]:
    port = _free_port()
    url, log = f"http://127.0.0.1:{port}/api", folder / "server.log"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = start(command, _environment(folder, url), folder, log)
    try:
        until(lambda: _healthy(url, process, log), timeout_s=START_S, what="the Prefect server's start")
    except BaseException:
        end(process)
        raise
    address.write_text(url)
    return process


def _healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> bool | None:
    assert process.poll() is None, f"the Prefect server ended at once:\n{log.read_text()}"
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2):  # noqa: S310 - our own http address
            return True
    except (urllib.error.URLError, TimeoutError):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(home: Path, api_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | {
        "DO_NOT_TRACK": "1",
        "NO_COLOR": "1",
        "PREFECT_API_URL": api_url,
        "PREFECT_HOME": str(home / "home"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
