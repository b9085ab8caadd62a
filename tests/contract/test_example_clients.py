"""Programs that other people wrote for ComfyUI, on our server."""

import io
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from filelock import FileLock
from PIL import Image
from websockets.sync.client import connect

from comfypipe._types import JSONObject
from comfypipe.testing import EngineServer, engine_server, node, picture_prompt, unique_prefix
from comfypipe.testing.servers import get_json, post_json

COMFY_CLI = "comfy-cli==1.23.0"


@pytest.fixture(scope="module")
def server() -> Iterator[EngineServer]:
    """Return a server that the tests here share."""
    with engine_server() as made:
        yield made


def pictures_of(address: str, prompt: JSONObject) -> Mapping[str, list[bytes]]:
    """
    Do what the WebSocket client does that ComfyUI's documentation shows.

    It connects first, submits under its client id, waits for ``executing`` without a node, reads the history, and
    fetches every picture. Binary frames are previews, which it passes over.
    """
    client_id = str(uuid4())
    with connect(f"ws://{address}/ws?clientId={client_id}", max_size=None) as ws:
        prompt_id = post_json(f"http://{address}/prompt", {"prompt": prompt, "client_id": client_id})["prompt_id"]
        while True:
            frame = ws.recv(timeout=30)
            message = json.loads(frame) if isinstance(frame, str) else {"type": "binary"}
            if message["type"] == "executing" and message["data"] == {"node": None, "prompt_id": prompt_id}:
                break
    entry = get_json(f"http://{address}/history/{prompt_id}")[prompt_id]
    return {
        node_id: [fetched(address, each) for each in output.get("images", ())]
        for node_id, output in entry["outputs"].items()
    }


def fetched(address: str, file: Mapping[str, str]) -> bytes:
    """Return the bytes of a file that a run made."""
    query = urllib.parse.urlencode({key: file[key] for key in ("filename", "subfolder", "type")})
    return content(f"http://{address}/view?{query}")


def content(url: str, data: bytes | None = None) -> bytes:
    """Return what a URL gives, posted to where there is data; no content type is told."""
    with urllib.request.urlopen(url, data, timeout=30) as reply:  # noqa: S310  our own server's
        found: bytes = reply.read()
    return found


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_the_websocket_client_gets_its_pictures(server: EngineServer, prefix: str) -> None:
    """With the prefix that ComfyUI's own pages use, too."""
    found = pictures_of(f"{server.url.removeprefix('http://')}{prefix}", picture_prompt(0x00FF00, width=6, height=4))
    ((picture,),) = found.values()
    image = Image.open(io.BytesIO(picture))
    assert ((6, 4), (0, 255, 0)) == (image.size, image.getpixel((0, 0)))


def test_the_websocket_client_gets_cached_pictures(server: EngineServer) -> None:
    """The same prompt again is answered from the cache, to the same effect."""
    address, prompt = server.url.removeprefix("http://"), picture_prompt(0x0000FF)
    assert pictures_of(address, prompt) == pictures_of(address, prompt)


def test_the_basic_client_only_posts(server: EngineServer) -> None:
    """A POST of nothing but a prompt, with no content type, is all that ComfyUI's shortest example does."""
    body = json.dumps({"prompt": picture_prompt(3)}).encode()
    assert {"prompt_id", "number", "node_errors"} == set(json.loads(content(f"{server.url}/prompt", body)))


# comfy-cli


@pytest.fixture(scope="session")
def comfy(request: pytest.FixtureRequest) -> Path:
    """Return the program, in an environment of its own, which is made once; skips where it cannot be had."""
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir("comfy-cli")
    program = folder / COMFY_CLI.replace("==", "-") / "bin" / "comfy"
    with FileLock(folder / "lock"):
        if not program.is_file():
            install(program.parent.parent)
    return program


def install(environment: Path) -> None:
    """Install comfy-cli from the registry."""
    made = subprocess.run([sys.executable, "-m", "venv", environment], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no environment can be made: {made.stdout.strip()}")
    python = environment / "bin" / "python"
    command = ["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "20", COMFY_CLI]
    installed = subprocess.run([python, *command], capture_output=True, text=True, check=False, timeout=600)
    if installed.returncode:
        reason = (installed.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"comfy-cli cannot be had from the registry: {reason}")


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_comfy_cli_runs_a_workflow(comfy: Path, server: EngineServer, tmp_path: Path) -> None:
    """``comfy run --wait`` submits, watches and names the picture, which is there."""
    prompt = picture_prompt(0xFF0000)
    envelope = comfy_run(comfy, server, tmp_path, prompt)
    assert (0, True, "completed") == (envelope["status"], envelope["ok"], envelope["data"]["status"])
    (url,) = envelope["data"]["outputs"]
    assert (255, 0, 0) == Image.open(io.BytesIO(content(url))).getpixel((0, 0))
    assert 1 == server.times_executed(prompt)


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_comfy_cli_is_told_of_a_failure(comfy: Path, server: EngineServer, tmp_path: Path) -> None:
    """An error of a node reaches it, with the node's class and the exception."""
    prompt = {
        "1": node("EmptyAudio", duration=0.1, sample_rate=8000, channels=1),
        "2": node("SplitAudioChannels", audio=["1", 0]),
        "3": node("SaveAudio", audio=["2", 0], filename_prefix=unique_prefix()),
    }
    envelope = comfy_run(comfy, server, tmp_path, prompt)
    assert (1, False) == (envelope["status"], envelope["ok"])
    said = json.dumps(envelope["error"])
    assert "SplitAudioChannels" in said
    assert "ValueError" in said


def comfy_run(comfy: Path, server: EngineServer, home: Path, prompt: JSONObject) -> JSONObject:
    """Run a prompt with ``comfy run --wait``; return what it says at its end, and its exit status."""
    workflow = home / "prompt.json"
    workflow.write_text(json.dumps(prompt))
    host, _, port = server.url.removeprefix("http://").partition(":")
    quiet = {"DO_NOT_TRACK": "1", "COMFY_NO_UPDATE_CHECK": "1", "COMFY_NO_WATCH": "1"}
    plain = {"HOME": str(home), "PATH": os.environ["PATH"], **quiet}
    where = ["--where", "local", "run", "--wait", "--host", host, "--port", port]
    done = subprocess.run(
        [comfy, "--skip-prompt", "--json", *where, "--workflow", workflow],
        capture_output=True,
        text=True,
        env=plain,
        check=False,
        timeout=120,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stderr
    envelope: JSONObject = json.loads(lines[-1])
    return envelope | {"status": done.returncode}
