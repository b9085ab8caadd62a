from pathlib import Path

import pytest
from tests.unit.template.builders import Templates


@pytest.fixture
def templates(tmp_path: Path) -> Templates:
    """Return an empty folder for templates."""
    root = tmp_path / "workflows"
    root.mkdir()
    return Templates(root)
