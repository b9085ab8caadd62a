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


NODES = """
import comfypipe.engine
from comfypipe.engine import Image

@comfypipe.engine.node("Brighter")
def brighter(image: Image, by: float = 0.1) -> Image:
    return (image + by).clip(0, 1)
"""
CATALOG = {"FromServer": {"input": {"required": {}}, "output": ["IMAGE"], "name": "FromServer", "category": ""}}


def served_classes(*arguments: str) -> set[str]:
    """Return the node classes that the command serves."""
    with engine("--json", "--port", "0", *arguments) as process:
        return set(get_json(f"{ready(process)[0]}/object_info"))


def test_nodes_of_ones_own_are_served(here: Path) -> None:
    """Those of a file, with no project there, and nothing left behind beside the folder that was named."""
    (here / "mine.py").write_text(NODES)
    found = served_classes("--folder", "served", "--nodes", "mine.py")
    assert ({"Brighter", "LoadImage"} <= found, "KSampler" in found) == (True, False)
    assert {"mine.py", "served", "__pycache__"} >= {each.name for each in here.iterdir()}


def test_stand_ins_are_those_of_a_catalog(here: Path) -> None:
    """Of the file that is named, or of all that the project keeps."""
    (here / "catalog.json").write_text(json.dumps(CATALOG))
    assert {"FromServer", "KSampler"} <= served_classes("--folder", "served", "--simulate", "--catalog", "catalog.json")
    (here / "pyproject.toml").write_text("[tool.comfypipe]\ncatalogs = '.'\n")
    assert {"FromServer", "KSampler"} <= served_classes("--simulate")


def test_it_is_a_backend_of_the_settings(here: Path) -> None:
    """With its nodes and costs: what it simulates takes the time that is set."""
    (here / "mine.py").write_text(NODES)
    (here / "pyproject.toml").write_text(
        "[tool.comfypipe.backends.rehearsal]\nurl = 'simulate:?memory_gb=1'\nnodes = 'mine.py'\n"
    )
    with engine("--json", "--port", "0", "--backend", "rehearsal") as process:
        url, _ = ready(process)
        assert {"Brighter", "KSampler"} <= set(get_json(f"{url}/object_info"))
        prompt = {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 1}},
            "2": {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "4x.pth"}},
            "3": {"class_type": "Brighter", "inputs": {"image": ["1", 0]}},
            "4": {"class_type": "ImageUpscaleWithModel", "inputs": {"upscale_model": ["2", 0], "image": ["3", 0]}},
            "5": {
                "class_type": "ImageScale",
                "inputs": {
                    "image": ["4", 0],
                    "upscale_method": "area",
                    "width": 2048,
                    "height": 2048,
                    "crop": "disabled",
                },
            },
            "6": {"class_type": "ImageUpscaleWithModel", "inputs": {"upscale_model": ["2", 0], "image": ["5", 0]}},
            "7": {"class_type": "PreviewImage", "inputs": {"images": ["6", 0]}},
        }
        post_json(f"{url}/prompt", {"prompt": prompt})
        while not (history := get_json(f"{url}/history")):
            pass
    (entry,) = history.values()
    failed = [data for name, data in entry["status"]["messages"] if name == "execution_error"]
    assert [("6", "MemoryError")] == [(each["node_id"], each["exception_type"]) for each in failed]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--backend http://127.0.0.1:1", "http://127.0.0.1:1 is no engine that can be served"),
        ("--backend simulate: --simulate", "--simulate and --backend exclude each other"),
        ("--catalog x.json", "only what is simulated needs a catalog"),
        ("--backend simulate:?sped=2", 'simulate: has no setting "sped"'),
        ("--nodes none.py", "the nodes of none.py cannot be loaded"),
    ],
)
def test_settings_that_do_not_fit(arguments: str, message: str, here: Path, typed: Type) -> None:
    """Are named, and nothing is served."""
    result = typed("engine", "--folder", "served", *arguments.split())
    assert (2, message) == (result.status, result.err[: len(message)])


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
