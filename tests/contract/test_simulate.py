"""The contract of all backends, kept where models are stood in for."""

from pathlib import Path

import pytest

from comfypipe.backends.base import Backend
from comfypipe.backends.simulate import SimulateBackend
from comfypipe.testing import BackendContract


class TestSimulate(BackendContract):
    """The engine in this process, with stand-ins."""

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        """Return a backend with folders of its own."""
        return SimulateBackend(tmp_path / "engine")
