"""An engine with the files that recorded prompts load."""

from pathlib import Path

import pytest
from tests.fidelity.recorded import make_engine

from comfypipe.engine.executor import Engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Engine:
    """Return an engine whose input folder holds the files that cases load."""
    return make_engine(tmp_path_factory.mktemp("engine"), shared / "fidelity/inputs")
