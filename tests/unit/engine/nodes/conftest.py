"""An execution, as nodes see it."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from comfypipe._types import JSONObject
from comfypipe.engine.registry import Folders


@dataclass(frozen=True)
class Execution:
    """A `comfypipe.engine.registry.Context` that notes which steps are reported."""

    folders: Folders
    node_id: str = "1"
    prompt: JSONObject = field(default_factory=lambda: {"1": {"class_type": "X", "inputs": {"text": "ä ✓"}}})
    extra_pnginfo: JSONObject = field(default_factory=lambda: {"workflow": {"nodes": []}})
    steps: list[tuple[int, int]] = field(default_factory=list)

    def progress(self, value: int, maximum: int) -> None:
        """Note it."""
        self.steps.append((value, maximum))


@pytest.fixture
def context(tmp_path: Path) -> Execution:
    """Return an execution with an empty input folder; output and temp are not there yet."""
    (tmp_path / "input").mkdir()
    return Execution(Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp"))
