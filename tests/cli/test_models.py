"""``comfypipe models``: declared models checked, fetched and locked, as a user sees it."""

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from tests.unit.downloads.file_server import FileServer, Served, serving

from comfypipe.cli.main import run

INK = save({"a": np.zeros((64, 64), np.float32)})
DIGEST = hashlib.sha256(INK).hexdigest()

MANIFEST = """
apiVersion: comfypipe/v1
kind: Workflow
workflow: workflows/draw.json
models:
  - path: models/loras/ink.safetensors
    url: URL/ink.safetensors
"""


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Run a server with a model."""
    with serving({"/ink.safetensors": Served(INK, etag='"v1"')}) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project whose workflow declares a model, as the working directory."""
    files = {
        "pyproject.toml": f'[tool.comfypipe.downloads]\nallow_origins = ["{server.origin}"]\n',
        "manifests/draw.yaml": MANIFEST.replace("URL", server.origin),
        "workflows/draw.json": "{}",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def models(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Run a command with ``--json``, and return its exit status and its result."""
    status = run(["models", *arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def states(found: tuple[int, Any]) -> tuple[int, list[str]]:
    """Return the exit status, and how the models stand."""
    return found[0], [each["state"] for each in found[1]]


def test_check_pull_lock(project: Path, server: FileServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A model is missing, then fetched, then locked; from then on another file is wrong."""
    assert (1, ["missing"]) == states(models(capsys, "check"))
    assert (0, ["unlocked"]) == states(models(capsys, "pull"))
    assert INK == (project / "models/loras/ink.safetensors").read_bytes()
    assert (0, ["unlocked"]) == states(models(capsys, "lock"))
    kept = json.loads((project / "comfypipe.lock").read_text())
    entry = {"sha256": DIGEST, "size_bytes": len(INK), "url": server.url("/ink.safetensors")}
    assert {"schema_version": 1, "models": {"models/loras/ink.safetensors": entry}} == kept
    assert (0, ["ok"]) == states(models(capsys, "check", "draw"))
    place = project / "models/loras/ink.safetensors"
    place.unlink()
    place.write_bytes(INK[:-1] + b"x")
    assert (1, ["wrong"]) == states(models(capsys, "check"))
    assert (1, ["wrong"]) == states(models(capsys, "lock"))
    assert (1, ["wrong"]) == states(models(capsys, "pull"))
    assert (0, ["ok"]) == states(models(capsys, "pull", "--replace"))
    assert 1 == len(server.requests)


def test_pull_puts_models_into_comfyuis_folder(
    project: Path, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A model is linked into the folder that is named, and is not there twice on the disk."""
    comfyui = tmp_path_factory.mktemp("ComfyUI")
    assert (0, ["unlocked"]) == states(models(capsys, "pull", "--comfyui", str(comfyui)))
    assert 2 == (comfyui / "models/loras/ink.safetensors").stat().st_nlink
    assert 0 == run(["models", "check", "--comfyui", str(comfyui)])
    assert 2 == run(["models", "check", "--comfyui", str(comfyui / "nowhere")])


def test_what_it_says(project: Path, server: FileServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Results are a line a model on stdout; narration is on stderr."""
    run(["models", "check"])
    printed = capsys.readouterr()
    assert "missing  models/loras/ink.safetensors    it is not there\n" == printed.out
    assert f"1 of 1 model not there, or not right, in {project}\n" == printed.err
    server.files["/ink.safetensors"] = Served(b"<!doctype html>Log in")
    assert 1 == run(["models", "pull", "--quiet"])
    assert "what was fetched for models/loras/ink.safetensors is a web page" in capsys.readouterr().out
    assert not (project / "models").exists()


def test_what_cannot_be_had(project: Path, server: FileServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A model without a URL, one that is not given, and a pickle each say why; others are fetched all the same."""
    (project / "manifests/more.yaml").write_text(
        MANIFEST.replace("URL", server.origin)
        + "  - path: models/loras/no-url.safetensors\n"
        + f"  - {{path: models/loras/gone.safetensors, url: {server.url('/gone')}}}\n"
        + f"  - {{path: models/loras/old.ckpt, url: {server.url('/old')}}}\n",
        encoding="utf-8",
    )
    status, found = models(capsys, "pull")
    problems = {each["path"].rsplit("/", 1)[-1]: (each["state"], each["problem"] or "") for each in found}
    assert (1, "unlocked") == (status, problems["ink.safetensors"][0])
    assert "names no url" in problems["no-url.safetensors"][1]
    assert "HTTP 404" in problems["gone.safetensors"][1]
    assert "is a pickle" in problems["old.ckpt"][1]
    assert [] == server.asked("/old")


def test_manifests_that_disagree(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two manifests, or one and the lock file, that name different digests are an error of the manifests."""
    (project / "manifests/draw.yaml").write_text(MANIFEST, encoding="utf-8")
    assert 3 == run(["models", "check"])  # its url is none
    text = MANIFEST.replace("URL", "https://example.com") + f"    sha256: {DIGEST}\n"
    (project / "manifests/draw.yaml").write_text(text, encoding="utf-8")
    (project / "manifests/other.yaml").write_text(text.replace(DIGEST, "f" * 64), encoding="utf-8")
    assert 3 == run(["models", "check"])
    assert "models of different content need different names" in capsys.readouterr().err
    (project / "manifests/other.yaml").unlink()
    locked = {"models/loras/ink.safetensors": {"sha256": "1" * 64, "size_bytes": 1}}
    (project / "comfypipe.lock").write_text(json.dumps({"schema_version": 1, "models": locked}))
    assert 3 == run(["models", "check"])
    assert "comfypipe models lock --anew" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema_version": 2}', '{"schema_version": 1, "models": {"a": {"sha256": "x"}}}']
)
def test_a_lock_file_that_cannot_be_read(project: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A lock file that is damaged, or newer, is an error, and is not written over."""
    (project / "comfypipe.lock").write_text(text)
    assert 3 == run(["models", "check"])
    assert text == (project / "comfypipe.lock").read_text()
    assert "comfypipe.lock" in capsys.readouterr().err


def test_wrong_settings_are_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings of downloads that are none say which there are."""
    for line, words in (
        ("max_byte = 3", "max_byte"),
        ('allow_origins = ["*"]', "allow_origins"),
        ("max_bytes = 0", ">= 1"),
    ):
        (project / "pyproject.toml").write_text(f"[tool.comfypipe.downloads]\n{line}\n")
        assert 3 == run(["models", "check"])
        assert words in capsys.readouterr().err


def test_an_interrupted_pull_goes_on(project: Path, server: FileServer) -> None:
    """Ctrl-C ends a pull with status 130 and keeps what had arrived, for the next pull to go on with."""
    large = save({"a": np.zeros((3_000_000,), np.float32)})
    server.files["/ink.safetensors"] = lambda number: (
        Served(large[:8_000_000], etag='"v1"', declared=len(large)) if number == 0 else Served(large, etag='"v1"')
    )
    command = [sys.executable, "-m", "comfypipe", "models", "pull"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=project)
    assert started.stderr is not None
    assert "3.1 of 12.0 MB" in started.stderr.readline() or started.stderr.readline()
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=20)
    assert 130 == started.returncode
    assert not (project / "models/loras/ink.safetensors").exists()
    assert 0 == subprocess.run(command, cwd=project, capture_output=True, check=False).returncode
    assert large == (project / "models/loras/ink.safetensors").read_bytes()
    assert int(server.requests[-1][1]["range"].removeprefix("bytes=").removesuffix("-")) >= 3_000_000
