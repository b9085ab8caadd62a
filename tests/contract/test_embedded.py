"""The contract of all backends, kept by the embedded engine."""

from pathlib import Path

import pytest

from comfypipe.backends.base import Backend
from comfypipe.backends.embedded import EmbeddedBackend
from comfypipe.testing import BackendContract


class TestEmbedded(BackendContract):
    """The engine in this process."""

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        """Return a backend with folders of its own."""
        return EmbeddedBackend(tmp_path / "engine")
