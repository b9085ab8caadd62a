"""Fixtures for execution."""

from pathlib import Path

import pytest
from tests.unit.execution.folder_backend import FolderBackend
from tests.unit.execution.setting import Setting


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    """Return an empty project state with a backend whose server is a folder."""
    (tmp_path / "project").mkdir()
    return Setting(tmp_path / "project", FolderBackend(tmp_path / "server"))
