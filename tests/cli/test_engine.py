"""``comfypipe engine``, as users and CI start it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import Type
from tests.cli.test_startup import HEAVY, PROGRAM

from comfypipe.testing.servers import get_json, post_json


@contextmanager
def engine(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run the command while the block lasts."""
    command = [sys.executable, "-m", "comfypipe", "engine", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def ready(process: "subprocess.Popen[str]") -> tuple[str, int]:
    """Return URL and pid, once it says them."""
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    return line["url"], line["pid"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(here: Path, number: signal.Signals) -> None:
    """With --json one line on stdout tells where; Ctrl-C and SIGTERM end it in order."""
    with engine("--json", "--port", "0", "--folder", str(here)) as process:
        url, pid = ready(process)
        assert process.pid == pid
        assert {"queue_running": [], "queue_pending": []} == get_json(f"{url}/queue")
        os.kill(pid, number)
        out, err = process.communicate(timeout=30)
    assert (0, "", f"listening on {url}\nstopped\n") == (process.returncode, out, err)


def test_it_tells_people_where_it_listens(here: Path) -> None:
    """On stderr, and nothing on stdout."""
    with engine("--port", "0", "--folder", str(here)) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("listening on http://127.0.0.1:")
        process.terminate()
        assert "" == process.communicate(timeout=30)[0]


def test_files_go_to_the_projects_folder(examples: Path) -> None:
    """Where nothing else is said."""
    with engine("--json", "--port", "0", "--test") as process:
        url, _ = ready(process)
        prompt = {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "made"}},
        }
        post_json(f"{url}/prompt", {"prompt": prompt})
        while not get_json(f"{url}/history"):
            pass
        assert [1] == list(get_json(f"{url}/comfypipe/executions")["by_digest"].values())
    assert (examples / ".comfypipe" / "engine" / "output" / "made_00001_.png").is_file()


def test_without_project_and_folder(here: Path, typed: Type) -> None:
    """It does not guess where files are to go."""
    result = typed("engine", "--port", "0")
    message = "there is no project here, and no folder was named\n  hint: --folder DIR says where the files go\n"
    assert (2, "", message) == (result.status, result.out, result.err)


def test_port_in_use(here: Path, typed: Type) -> None:
    """An error that names it, and status 4."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        before = signal.getsignal(signal.SIGTERM)
        result = typed("engine", "--port", port, "--folder", str(here))
    assert before == signal.getsignal(signal.SIGTERM)
    message = (
        f"cannot listen on 127.0.0.1:{port}: Address already in use\n"
        "  hint: take another port: --port 0 finds a free one\n"
    )
    assert (4, "", message) == (result.status, result.out, result.err)


def test_fault_that_there_is_not(here: Path, typed: Type) -> None:
    """Is named, with what was meant."""
    result = typed("engine", "--folder", ".", "--fault", "zombi")
    assert (2, 'there is no fault "zombi"\n  hint: did you mean zombie?\n') == (result.status, result.err)


def test_faults_are_listed(here: Path, typed: Type) -> None:
    """For people and for programs."""
    lines = typed("engine", "--faults").out.splitlines()
    listed = typed("engine", "--faults", "--json").document
    assert [each["name"] for each in listed] == [line.split()[0] for line in lines]
    assert {
        "name": "late-history",
        "summary": "the history has the entry only ms after execution_success",
        "counts": "run",
        "settings": {"ms": 500},
    } in listed


def test_delay_and_faults_are_played(here: Path) -> None:
    """As the server itself tells."""
    with engine(
        "--json", "--port", "0", "--folder", str(here), "--delay", "0.25", "--fault", "lost-reply=every:2", "--jobs-api"
    ) as process:
        url, _ = ready(process)
        shown = get_json(f"{url}/comfypipe/faults")["faults"]
        assert {"jobs": [], "pagination": {"offset": 0, "limit": None, "total": 0, "has_more": False}} == get_json(
            f"{url}/api/jobs"
        )
    assert [("lost-reply", {}), ("slow-runs", {"ms": 250})] == [(each["name"], each["settings"]) for each in shown]


@pytest.mark.parametrize("arguments", ["engine --help", "engine --faults"])
def test_it_answers_at_once(arguments: str, here: Path) -> None:
    """Help and the list of faults import nothing heavy."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments.split()], capture_output=True, text=True, check=True, cwd=here
    )
    status, modules = json.loads(done.stdout)
    assert (0, set()) == (status, HEAVY & set(modules))
