"""A project to type commands in, and a way to type them."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from comfypipe.cli.main import run


@dataclass(frozen=True)
class Typed:
    """What came of a command line."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Stdout, read as JSON."""
        return json.loads(self.out)


Type = Callable[..., Typed]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Type:
    """Return a function that runs a command line in this process."""

    def run_line(*arguments: str) -> Typed:
        capsys.readouterr()
        status = run(arguments)
        captured = capsys.readouterr()
        return Typed(status, captured.out, captured.err)

    return run_line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMFYPIPE_BACKEND", raising=False)
    monkeypatch.delenv("COMFYPIPE_PROJECT", raising=False)
    return tmp_path


@pytest.fixture
def examples(here: Path, root: Path) -> Path:
    """Return the repository's own project, copied to the working directory."""
    for name in ("workflows", "manifests", "assets"):
        shutil.copytree(root / name, here / name)
    shutil.copy(root / "pyproject.toml", here)
    return here
